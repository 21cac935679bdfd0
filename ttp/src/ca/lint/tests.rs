//! Every builtin profile passes, and every rule finds what it is for.

use std::collections::{BTreeMap, BTreeSet};

use rasn::prelude::*;
use rasn_pkix::{Extension, TbsCertificate, Time};

use super::rules::RULES;
use super::*;
use crate::asn1::{der, oid};
use crate::ca::Authority;
use crate::ca::certificate::{Template, prepare};
use crate::ca::name::{AlternativeNames, Attribute, DistinguishedName};
use crate::ca::profile::{Presence, ProfileCode, builtin};
use crate::crypto::{SignatureAlgorithm, Signer, SoftKey, oracle};
use crate::testing::{self, PKI, start};
use crate::x509::{Period, encode};

fn issuer(authority: Authority) -> Issuer {
    let certificate = if authority == Authority::Root { &PKI.root } else { &PKI.ca };
    Issuer::new(authority, certificate, PKI.ca_key.algorithm()).unwrap()
}

const EXAMPLES: [(Attribute, &str); 12] = [
    (Attribute::Country, "FR"),
    (Attribute::StateOrProvince, "Île-de-France"),
    (Attribute::Locality, "Paris"),
    (Attribute::Organization, "Étude Semper"),
    (Attribute::OrganizationIdentifier, "NTRFR-123456789"),
    (Attribute::OrganizationalUnit, "Sales"),
    (Attribute::SerialNumber, "PASFR-12AB34"),
    (Attribute::Title, "Director"),
    (Attribute::GivenName, "Anne"),
    (Attribute::Surname, "Exemple"),
    (Attribute::Pseudonym, "Pen"),
    (Attribute::CommonName, "Anne Exemple"),
];

/// A template with everything that the profile allows; of a person the name, not the pseudonym.
fn full(profile: &str) -> (Template, Issuer) {
    let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let template = testing::template(profile, "Full", &key, 1);
    let profile = &template.profile;
    let allowed = |presence| presence != Presence::Forbidden;
    let mut subject: BTreeMap<_, _> = EXAMPLES
        .into_iter()
        .filter(|(one, _)| allowed(profile.subject(*one)) && *one != Attribute::Pseudonym)
        .map(|(one, text)| (one, text.to_owned()))
        .collect();
    // A server's common name is one of its alternative names.
    if let Some(name) = subject.get_mut(&Attribute::CommonName).filter(|_| profile.code() == ProfileCode::Server) {
        *name = "a.example.de".to_owned();
    }
    let names = profile.alternative_names();
    let some = |presence, text: &str| if allowed(presence) { vec![text.to_owned()] } else { Vec::new() };
    let alternative_names = AlternativeNames {
        dns: some(names.dns, "a.example.de"),
        ip: if allowed(names.ip) { vec!["9.9.9.9".parse().unwrap()] } else { Vec::new() },
        email: some(names.email, "anne@shop.example"),
    };
    let life_secs = u64::from(profile.life_days()) * 86_400 - 1;
    let end = start().plus_secs(life_secs).min(PKI.ca.validity().not_after);
    let validity = Period { not_before: start(), not_after: end };
    let by = profile.issuers()[0];
    (Template { subject: DistinguishedName(subject), alternative_names, validity, ..template }, issuer(by))
}

#[test]
fn every_builtin_profile_passes() {
    for profile in builtin() {
        let (template, issuer) = full(profile.name());
        let unsigned = prepare(&template, &issuer).unwrap();
        // The root in this test is not issued by itself, which has no other consequence.
        if profile.code() != ProfileCode::Root {
            assert_eq!(unsigned.lint().to_string(), "nothing found", "{}", profile.name());
            let signature = PKI.ca_key.sign(unsigned.message()).unwrap();
            let certificate = unsigned.finish(&signature).unwrap();
            // It is what a stranger reads of its octets.
            let read = Certificate::from_der(certificate.der()).unwrap();
            assert_eq!((certificate.decoded(), certificate.validity()), (read.decoded(), read.validity()));
            assert_eq!(judge(&certificate, profile, &issuer), Lint::default());
        }
    }
    let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let subject = crate::ca::name::tests::subject("Root 2");
    let itself = Issuer::self_signed(&subject, key.spki_der(), key.algorithm()).unwrap();
    let template = testing::template("root", "Root 2", &key, 25);
    assert_eq!(prepare(&template, &itself).unwrap().lint().to_string(), "nothing found");
}

type Change = fn(&mut TbsCertificate);

fn extensions(tbs: &mut TbsCertificate) -> Vec<Extension> {
    tbs.extensions.take().map_or(Vec::new(), |all| all.to_vec())
}

fn set(tbs: &mut TbsCertificate, id: &Oid, critical: bool, value: Vec<u8>) {
    let mut all = extensions(tbs);
    all.retain(|one| *one.extn_id != *id);
    all.push(Extension { extn_id: id.into(), critical, extn_value: value.into() });
    tbs.extensions = Some(all.into());
}

fn drop_one(tbs: &mut TbsCertificate, id: &Oid) {
    let mut all = extensions(tbs);
    all.retain(|one| *one.extn_id != *id);
    tbs.extensions = Some(all.into());
}

fn subject_of(parts: &[(Attribute, &str)]) -> rasn_pkix::Name {
    DistinguishedName(parts.iter().map(|(one, text)| (*one, (*text).to_owned())).collect()).to_name().unwrap()
}

fn person(identifier: &str) -> rasn_pkix::Name {
    let name = [(Attribute::Country, "FR"), (Attribute::GivenName, "Anne"), (Attribute::CommonName, "Anne")];
    subject_of(&[&name[..], &[(Attribute::SerialNumber, identifier)]].concat())
}

fn organization(country: &str, identifier: &str) -> rasn_pkix::Name {
    let name = [(Attribute::Country, country), (Attribute::Organization, "Étude"), (Attribute::CommonName, "Étude")];
    subject_of(&[&name[..], &[(Attribute::OrganizationIdentifier, identifier)]].concat())
}

/// Profile, what is done to a good certificate of it, the rules that then do not hold.
#[rustfmt::skip]
const BROKEN: &[(&str, Change, &[&str])] = &[
    ("party-legal", |t| t.serial_number = Integer::from(5), &["serial"]),
    ("party-legal", |t| t.serial_number = Integer::from(-(1_i128 << 100)), &["serial"]),
    ("party-legal", |t| t.signature = rasn::der::decode(SignatureAlgorithm::Ed25519.identifier_der()).unwrap(), &["signature_algorithm"]),
    ("party-legal", |t| t.issuer = PKI.root.subject().clone(), &["issuer_name"]),
    ("party-legal", |t| t.validity.not_after = Time::Utc(chrono::DateTime::from_timestamp(2_461_449_600, 0).unwrap()), &["validity", "life", "long_life"]),
    ("party-legal", |t| t.validity.not_before = Time::Utc(chrono::DateTime::from_timestamp(0, 0).unwrap()), &["validity", "life", "long_life"]),
    ("party-legal", |t| t.validity.not_after = Time::Utc(chrono::DateTime::from_timestamp(1_872_366_400, 0).unwrap()), &["life", "long_life"]),
    ("party-legal", |t| if let Time::Utc(time) = t.validity.not_after { t.validity.not_after = Time::General(time.into()) }, &["time_form"]),
    ("tls-server", |t| t.subject = rasn_pkix::Name::RdnSequence(Vec::new()), &["subject_form", "subject_attributes"]),
    ("party-legal", |t| t.subject = subject_of(&[(Attribute::Country, "FR")]), &["subject_attributes"]),
    ("party-legal", |t| t.subject = rasn_pkix::Name::RdnSequence(match (&t.subject, PKI.ca.subject()) { (rasn_pkix::Name::RdnSequence(a), rasn_pkix::Name::RdnSequence(b)) => [&a[..], &b[..1]].concat() }), &["subject_form", "subject_attributes"]),
    ("party-legal", |t| { let name = encode(&t.subject); let at = name.windows(9).position(|w| w == b"NTRFR-123").unwrap(); let mut bad = name; bad[at] = b'n'; t.subject = rasn::der::decode(&bad).unwrap() }, &["subject_values", "identifier"]),
    ("arbiter-escrow", |t| t.subject_public_key_info = rasn::der::decode(testing::rsa().key.spki_der()).unwrap(), &["key", "subject_key_identifier", "key_usage_of_key"]),
    ("party-legal", |t| t.subject_public_key_info = rasn::der::decode(&oracle::other_key()).unwrap(), &["key", "subject_key_identifier"]),
    ("party-legal", |t| drop_one(t, oid::SUBJECT_KEY_IDENTIFIER), &["subject_key_identifier"]),
    ("tls-server", |t| set(t, oid::SUBJECT_KEY_IDENTIFIER, false, encode(&OctetString::from(vec![1; 20]))), &["subject_key_identifier"]),
    ("party-legal", |t| drop_one(t, oid::AUTHORITY_KEY_IDENTIFIER), &["authority_key_identifier"]),
    ("party-legal", |t| set(t, oid::AUTHORITY_KEY_IDENTIFIER, false, hex::decode("30068004aabbccdd").unwrap()), &["authority_key_identifier"]),
    ("party-legal", |t| set(t, oid::BASIC_CONSTRAINTS, true, vec![0x30, 3, 1, 1, 0xFF]), &["basic_constraints"]),
    ("party-legal", |t| set(t, oid::BASIC_CONSTRAINTS, false, vec![0x30, 0]), &["basic_constraints"]),
    ("party-legal", |t| drop_one(t, oid::BASIC_CONSTRAINTS), &["basic_constraints"]),
    ("party-legal", |t| set(t, oid::KEY_USAGE, false, vec![3, 2, 6, 0x40]), &["key_usage"]),
    ("party-legal", |t| set(t, oid::KEY_USAGE, true, vec![3, 2, 5, 0xA0]), &["key_usage", "key_usage_of_key"]),
    ("party-legal", |t| set(t, oid::EXTENDED_KEY_USAGE, true, encode(&vec![ObjectIdentifier::from(oid::KP_TIME_STAMPING)])), &["extended_key_usage"]),
    ("tsu", |t| set(t, oid::EXTENDED_KEY_USAGE, false, encode(&vec![ObjectIdentifier::from(oid::KP_TIME_STAMPING)])), &["extended_key_usage"]),
    ("party-legal", |t| drop_one(t, oid::CERTIFICATE_POLICIES), &["policies"]),
    ("party-legal", |t| set(t, oid::CERTIFICATE_POLICIES, false, hex::decode("301430080606040 08f7a0102 30080606040 08f7a0101".replace(' ', "")).unwrap()), &["policies", "one_etsi_policy"]),
    ("party-legal", |t| drop_one(t, oid::CRL_DISTRIBUTION_POINTS), &["crl_distribution_point"]),
    ("party-legal", |t| set(t, oid::CRL_DISTRIBUTION_POINTS, false, [&hex::decode("30163014a012a010860e").unwrap()[..], b"ldap://a.examp"].concat()), &["crl_distribution_point"]),
    ("party-legal", |t| drop_one(t, oid::AUTHORITY_INFO_ACCESS), &["authority_information_access"]),
    ("tls-server", |t| drop_one(t, oid::SUBJECT_ALT_NAME), &["alternative_names"]),
    ("tls-server", |t| set(t, oid::SUBJECT_ALT_NAME, true, [&[0x30, 14, 0x82, 12][..], b"a.example.de"].concat()), &["alternative_names"]),
    ("tls-server", |t| set(t, oid::SUBJECT_ALT_NAME, false, [&[0x30, 14, 0x82, 12][..], b"A.example.de"].concat()), &["alternative_names"]),
    ("tls-server", |t| set(t, oid::SUBJECT_ALT_NAME, false, vec![0x30, 0]), &["alternative_names"]),
    ("tls-server", |t| set(t, oid::SUBJECT_ALT_NAME, false, [&[0x30, 14, 0x82, 12][..], b"intranet.lan"].concat()), &["public_names"]),
    ("tls-server", |t| set(t, oid::SUBJECT_ALT_NAME, false, [&[0x30, 9, 0x82, 7][..], b"*.co.uk"].concat()), &["public_names"]),
    ("tls-server", |t| set(t, oid::SUBJECT_ALT_NAME, false, [&[0x30, 20, 0x82, 12][..], b"a.example.de", &[0x87, 4, 10, 1, 2, 3]].concat()), &["public_names"]),
    ("service-tls", |t| set(t, oid::SUBJECT_ALT_NAME, false, [&[0x30, 14, 0x82, 12][..], b"b.example.de"].concat()), &["server_common_name"]),
    ("tsu", |t| drop_one(t, oid::PRIVATE_KEY_USAGE_PERIOD), &["private_key_usage_period"]),
    ("party-legal", |t| set(t, oid::PRIVATE_KEY_USAGE_PERIOD, false, hex::decode("3022800f32303236303330313131353935395a810f32303237303330313131353935395a").unwrap()), &["private_key_usage_period"]),
    ("party-natural", |t| drop_one(t, oid::QC_STATEMENTS), &["qc_statements"]),
    ("tls-client", |t| set(t, oid::QC_STATEMENTS, false, vec![0x30, 0]), &["qc_statements"]),
    ("ocsp-responder", |t| drop_one(t, oid::OCSP_NOCHECK), &["ocsp_nocheck"]),
    ("party-legal", |t| set(t, oid::OCSP_NOCHECK, false, vec![5, 0]), &["ocsp_nocheck"]),
    ("party-legal", |t| set(t, oid::CRL_NUMBER, false, vec![2, 1, 1]), &["other_extension"]),
    ("tls-server", |t| t.validity.not_after = Time::Utc(chrono::DateTime::from_timestamp(1_772_366_399 + 398 * 86_400, 0).unwrap()), &["life", "server_life"]),
    ("party-natural", |t| t.subject = subject_of(&[(Attribute::Country, "FR"), (Attribute::SerialNumber, "PASFR-1"), (Attribute::CommonName, "A")]), &["natural_person"]),
    ("party-natural", |t| t.subject = subject_of(&[(Attribute::Country, "FR"), (Attribute::SerialNumber, "PASFR-1"), (Attribute::GivenName, "A"), (Attribute::OrganizationIdentifier, "NTRFR-1"), (Attribute::CommonName, "A")]), &["legal_person"]),
    ("party-natural", |t| t.subject = person("FR:FR-77"), &["identifier"]),
    ("party-natural", |t| t.subject = person("ABCFR-77"), &["identifier"]),
    ("party-natural", |t| t.subject = person("NTRFR-77"), &["identifier"]),
    ("party-natural", |t| t.subject = person("PASUK-77"), &["identifier"]),
    ("party-legal", |t| t.subject = organization("FR", "FR:FR-77"), &["identifier"]),
    ("party-legal", |t| t.subject = organization("FR", "PASFR-77"), &["identifier"]),
    ("party-legal", |t| t.subject = organization("FR", "NTRXI-77"), &["identifier"]),
    ("party-legal", |t| t.subject = organization("FR", "LEIFR-77"), &["identifier"]),
    ("party-legal", |t| t.subject = organization("UK", "NTRGB-77"), &["country"]),
    ("party-legal", |t| t.subject_unique_id = Some(BitString::from_slice(&[1])), &["unique_identifiers"]),
];

#[test]
fn identifiers_that_mean_what_they_say_pass() {
    let names = ["PASFR-1", "IDCEU-1", "PNOBE-1", "TINDE-1"].map(|text| ("party-natural", person(text)));
    let legal = ["NTRFR-1", "VATEL-1", "VATXI-1", "PSDEU-1", "LEIXG-529900T8BM49AURSDO55"];
    let legal = legal.map(|text| ("party-legal", organization("FR", text)));
    for (profile, subject) in names.into_iter().chain(legal) {
        let (template, issuer) = full(profile);
        let mut tbs: TbsCertificate = rasn::der::decode(prepare(&template, &issuer).unwrap().message()).unwrap();
        tbs.subject = subject.clone();
        assert_eq!(lint(&encode(&tbs), &template.profile, &issuer).to_string(), "nothing found", "{subject:?}");
    }
}

#[test]
fn every_rule_finds_what_it_is_for() {
    let mut found = BTreeSet::new();
    for (profile, change, expected) in BROKEN {
        let (template, issuer) = full(profile);
        let unsigned = prepare(&template, &issuer).unwrap();
        let mut tbs: TbsCertificate = rasn::der::decode(unsigned.message()).unwrap();
        change(&mut tbs);
        // The algorithm outside follows that inside, or the certificate would not read at all.
        let tbs_der = encode(&tbs);
        let algorithm = encode(&tbs.signature);
        let whole = der::sequence(&[&tbs_der, &algorithm, &der::tlv(der::BIT_STRING, &[0])]);
        let certificate = Certificate::from_der(&whole).unwrap_or_else(|fault| panic!("{expected:?}: {fault}"));
        let rules: Vec<_> = judge(&certificate, &template.profile, &issuer).0.iter().map(|one| one.rule).collect();
        assert_eq!(&rules, expected, "{profile}");
        found.extend(rules);
    }
    let all: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(found, all, "a rule that never finds anything is no rule");
}

#[test]
fn numbers_are_never_given_twice() {
    assert!(RULES.is_sorted_by(|a, b| a.number < b.number));
    assert!(RULES.iter().all(|rule| rule.number != 0));
    let unreadable = lint(&[0x30, 0], &crate::ca::profile::Profile::named("tsu"), &issuer(Authority::Tsu));
    assert!(unreadable.stops() && unreadable.numbers() == [0]);
}
