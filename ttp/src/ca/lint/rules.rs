//! The rules, one line each, and what they ask of a certificate.

use rasn::prelude::*;
use rasn_pkix::{
    AccessDescription, AuthorityKeyIdentifier, DistributionPoint, DistributionPointName, GeneralName, PolicyInformation,
};

use super::Severity::{self, Error, Warning};
use super::{names, public};
use crate::asn1::{PolicyId, TEST_POLICY, oid};
use crate::ca::certificate::{Issuer, algorithm_identifier};
use crate::ca::key;
use crate::ca::name::{Attribute, DistinguishedName};
use crate::ca::profile::{KeyKind, Presence, Profile, ProfileCode, Semantics};
use crate::crypto::sha1;
use crate::time::Timestamp;
use crate::x509::{Certificate, KeyUsage, encode, to_time};

pub(super) struct Rule {
    pub(super) number: u8,
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) source: &'static str,
    pub(super) holds: fn(&Subject<'_>) -> bool,
}

const fn rule(
    number: u8,
    name: &'static str,
    severity: Severity,
    source: &'static str,
    holds: fn(&Subject<'_>) -> bool,
) -> Rule {
    Rule { number, name, severity, source, holds }
}

/// In the order of their numbers. A number is never given to another rule; 0 is "it does not read".
pub(super) const RULES: &[Rule] = &[
    rule(1, "serial", Error, "RFC 5280 4.1.2.2, BR 7.1", serial),
    rule(2, "signature_algorithm", Error, "RFC 5280 4.1.2.3", |s| {
        s.tbs().signature == algorithm_identifier(s.issuer.algorithm())
    }),
    rule(3, "issuer_name", Error, "RFC 5280 4.1.2.4", |s| s.certificate.issuer() == s.issuer.name()),
    rule(4, "validity", Error, "RFC 5280 4.1.2.5, 6.1", validity),
    rule(5, "life", Error, "profile", |s| {
        let period = s.certificate.validity();
        let life_secs = period.not_after.secs().saturating_sub(period.not_before.secs());
        life_secs <= u64::from(s.profile.life_days()) * DAY_SECS
    }),
    rule(6, "time_form", Error, "RFC 5280 4.1.2.5", |s| {
        let (found, period) = (&s.tbs().validity, s.certificate.validity());
        found.not_before == to_time(period.not_before) && found.not_after == to_time(period.not_after)
    }),
    rule(7, "subject_form", Error, "RFC 5280 4.1.2.6", |s| s.name.is_some()),
    rule(8, "subject_attributes", Error, "profile", |s| {
        let name = s.name.clone().unwrap_or_default();
        Attribute::ALL.iter().all(|one| s.profile.subject(*one).fits(name.get(*one).is_some()))
    }),
    rule(9, "subject_values", Error, "RFC 5280 A.1, EN 319 412-1 5.1", |s| {
        s.name.as_ref().is_none_or(|name| name.check().is_ok())
    }),
    rule(10, "key", Error, "profile, BR 6.1.6", |s| s.kind.is_some_and(|kind| s.profile.keys().contains(&kind))),
    rule(11, "subject_key_identifier", Error, "RFC 5280 4.2.1.2, profile", subject_key_identifier),
    rule(12, "authority_key_identifier", Error, "RFC 5280 4.2.1.1", authority_key_identifier),
    rule(13, "basic_constraints", Error, "RFC 5280 4.2.1.9, profile", basic_constraints),
    rule(14, "key_usage", Error, "RFC 5280 4.2.1.3, profile", |s| {
        s.certificate.key_usage().is_some_and(|found| found.critical && found.value == s.profile.key_usage)
    }),
    rule(15, "key_usage_of_key", Error, "RFC 3279 2.3, RFC 5480 3, RFC 8410 5", key_usage_of_key),
    rule(16, "extended_key_usage", Error, "RFC 5280 4.2.1.12, profile", extended_key_usage),
    rule(17, "policies", Error, "RFC 5280 4.2.1.4, profile", policies),
    rule(18, "crl_distribution_point", Error, "RFC 5280 4.2.1.13, EN 319 412-2 4.3.11", crl_distribution_point),
    rule(19, "authority_information_access", Error, "RFC 5280 4.2.2.1, EN 319 412-2 4.4.1", information_access),
    rule(20, "alternative_names", Error, "RFC 5280 4.2.1.6, profile", alternative_names),
    rule(21, "private_key_usage_period", Error, "EN 319 421 7.6.7, profile", private_key_usage_period),
    rule(22, "qc_statements", Error, "EN 319 412-5, profile", |s| {
        let found = s.certificate.extension(oid::QC_STATEMENTS);
        match s.profile.qc_statements.as_ref() {
            None => found.is_none(),
            Some(due) => found.is_some_and(|found| !found.critical && found.value == due.to_der()),
        }
    }),
    rule(23, "ocsp_nocheck", Error, "RFC 6960 4.2.2.2.1, profile", |s| {
        match s.certificate.extension(oid::OCSP_NOCHECK) {
            None => !s.profile.ocsp_nocheck,
            Some(found) => s.profile.ocsp_nocheck && !found.critical && found.value == [5, 0],
        }
    }),
    rule(24, "other_extension", Error, "profile", |s| {
        let extensions = s.tbs().extensions.as_ref().map_or(&[][..], |all| all.as_slice());
        extensions.iter().all(|one| KNOWN.iter().any(|known| *one.extn_id == **known))
    }),
    rule(25, "server_common_name", Error, "BR 7.1.4.3", |s| {
        let common_name = s.name.as_ref().and_then(|name| name.get(Attribute::CommonName));
        s.profile.code() != ProfileCode::Server || common_name.is_none_or(|name| names::has_dns(s.certificate, name))
    }),
    rule(26, "server_life", Error, "BR 6.3.2", |s| {
        s.profile.code() != ProfileCode::Server
            || s.life_secs() <= server_days(s.certificate.validity().not_before) * DAY_SECS
    }),
    rule(27, "natural_person", Error, "EN 319 412-2 4.2.4", natural_person),
    rule(28, "legal_person", Error, "EN 319 412-3 4.2.1", |s| {
        let name = s.name.clone().unwrap_or_default();
        let identified = name.get(Attribute::OrganizationIdentifier).is_some();
        !identified || name.get(Attribute::Organization).is_some()
    }),
    rule(29, "one_etsi_policy", Error, "EN 319 411-1 5.3, EN 319 411-2 5.3", |s| {
        s.policies().iter().filter(|policy| is_etsi(policy)).count() <= 1
    }),
    rule(30, "unique_identifiers", Error, "RFC 5280 4.1.2.8", |s| {
        s.tbs().issuer_unique_id.is_none() && s.tbs().subject_unique_id.is_none()
    }),
    rule(31, "identifier", Error, "EN 319 412-1 5.1.3, 5.1.4", identifier),
    rule(32, "country", Error, "ISO 3166-1", |s| {
        let name = s.name.clone().unwrap_or_default();
        name.get(Attribute::Country).is_none_or(names::is_country)
    }),
    rule(33, "public_names", Error, "BR 4.2.2, 3.2.2.4, 3.2.2.5, 3.2.2.6", |s| {
        let of_the_web = s.profile.code() == ProfileCode::Server && s.policies().iter().any(is_of_the_web);
        !of_the_web || names::alternative(s.certificate).is_none_or(|names| public::are_public(&names))
    }),
    rule(40, "long_life", Warning, "ETSI TS 119 312", |s| {
        // Three years: recommended key lengths are reconsidered about as often.
        s.profile.code().is_ca() || s.profile.code() == ProfileCode::Tsu || s.life_secs() <= 3 * 366 * DAY_SECS
    }),
];

const DAY_SECS: u64 = 86_400;

/// Every extension that a profile can ask for.
const KNOWN: [&Oid; 12] = [
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::KEY_USAGE,
    oid::PRIVATE_KEY_USAGE_PERIOD,
    oid::SUBJECT_ALT_NAME,
    oid::BASIC_CONSTRAINTS,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::CERTIFICATE_POLICIES,
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::EXTENDED_KEY_USAGE,
    oid::AUTHORITY_INFO_ACCESS,
    oid::QC_STATEMENTS,
    oid::OCSP_NOCHECK,
];

/// A certificate under judgement.
pub(super) struct Subject<'a> {
    certificate: &'a Certificate,
    profile: &'a Profile,
    issuer: &'a Issuer,
    kind: Option<KeyKind>,
    /// `None` if the subject has a form that no name of ours has.
    name: Option<DistinguishedName>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(certificate: &'a Certificate, profile: &'a Profile, issuer: &'a Issuer) -> Self {
        let kind = key::judge(&certificate.decoded().tbs_certificate.subject_public_key_info).ok();
        Self { certificate, profile, issuer, kind, name: names::read(certificate.subject()) }
    }

    fn tbs(&self) -> &rasn_pkix::TbsCertificate {
        &self.certificate.decoded().tbs_certificate
    }

    /// Both ends included (RFC 5280 §4.1.2.5).
    fn life_secs(&self) -> u64 {
        let period = self.certificate.validity();
        (period.not_after.secs() + 1).saturating_sub(period.not_before.secs())
    }

    fn policies(&self) -> Vec<ObjectIdentifier> {
        let found = self.certificate.decode::<Vec<PolicyInformation>>(oid::CERTIFICATE_POLICIES);
        found.map_or(Vec::new(), |found| found.value.into_iter().map(|policy| policy.policy_identifier).collect())
    }
}

fn serial(s: &Subject<'_>) -> bool {
    let serial = s.certificate.serial();
    (8..=20).contains(&serial.len()) && serial[0] < 0x80
}

fn validity(s: &Subject<'_>) -> bool {
    let own = s.certificate.validity();
    own.not_before < own.not_after && s.issuer.validity().is_none_or(|issuer| issuer.covers(&own))
}

fn subject_key_identifier(s: &Subject<'_>) -> bool {
    match s.certificate.extension(oid::SUBJECT_KEY_IDENTIFIER) {
        None => !s.profile.subject_key_identifier,
        Some(found) => {
            let due = encode(&OctetString::from(sha1(s.certificate.key_bits())));
            s.profile.subject_key_identifier && !found.critical && found.value == due
        }
    }
}

fn authority_key_identifier(s: &Subject<'_>) -> bool {
    let found = s.certificate.decode::<AuthorityKeyIdentifier>(oid::AUTHORITY_KEY_IDENTIFIER);
    match found {
        // Only who signs itself has none (RFC 5280 §4.2.1.1).
        None => {
            s.profile.code() == ProfileCode::Root && s.certificate.extension(oid::AUTHORITY_KEY_IDENTIFIER).is_none()
        }
        Some(found) => {
            let due = AuthorityKeyIdentifier {
                key_identifier: Some(OctetString::from(s.issuer.key_id())),
                ..AuthorityKeyIdentifier::default()
            };
            !found.critical && found.value == due
        }
    }
}

fn basic_constraints(s: &Subject<'_>) -> bool {
    let Some(found) = s.certificate.basic_constraints() else {
        return !s.profile.basic_constraints && s.certificate.extension(oid::BASIC_CONSTRAINTS).is_none();
    };
    let class = s.profile.code();
    let path = (class == ProfileCode::IssuingCa).then_some(Integer::ZERO);
    let fits = found.value.ca == class.is_ca() && found.value.path_len_constraint == path;
    s.profile.basic_constraints && found.critical && fits
}

/// What a key of this algorithm can do at all.
fn key_usage_of_key(s: &Subject<'_>) -> bool {
    let Some((usage, kind)) = s.certificate.key_usage().zip(s.kind) else { return true };
    let (encipher, agree) = (usage.value.has(KeyUsage::KEY_ENCIPHERMENT), usage.value.has(KeyUsage::KEY_AGREEMENT));
    match kind {
        KeyKind::Rsa3072 => !agree,
        KeyKind::EcdsaP256 | KeyKind::EcdsaP384 => !encipher,
        KeyKind::Ed25519 => !agree && !encipher,
    }
}

fn extended_key_usage(s: &Subject<'_>) -> bool {
    match s.certificate.extended_key_usage() {
        None => s.profile.extended_key_usage.is_empty() && s.certificate.extension(oid::EXTENDED_KEY_USAGE).is_none(),
        Some(found) => {
            found.value == s.profile.extended_key_usage && found.critical == s.profile.extended_key_usage_critical
        }
    }
}

/// Those of the profile, or the test policy alone: a trial claims nothing.
fn policies(s: &Subject<'_>) -> bool {
    let found = s.policies();
    let critical = s.certificate.extension(oid::CERTIFICATE_POLICIES).is_some_and(|found| found.critical);
    let test = TEST_POLICY.parse::<PolicyId>().ok().and_then(|policy| policy.to_rasn());
    !critical && (found == s.profile.policies() || (found.len() == 1 && found.first() == test.as_ref()))
}

fn is_etsi(policy: &ObjectIdentifier) -> bool {
    policy.starts_with(&[0, 4, 0, 2042, 1]) || policy.starts_with(&[0, 4, 0, 194_112, 1])
}

/// Those of the CA/Browser Forum for web servers: a certificate without one claims none of its rules.
fn is_of_the_web(policy: &ObjectIdentifier) -> bool {
    policy.starts_with(&[2, 23, 140, 1])
}

fn is_http(name: &GeneralName) -> bool {
    let GeneralName::Uri(uri) = name else { return false };
    let bytes = uri.as_iso646_bytes();
    bytes.len() > 7 && bytes.starts_with(b"http://") && bytes.iter().all(u8::is_ascii_graphic)
}

fn crl_distribution_point(s: &Subject<'_>) -> bool {
    let Some(found) = s.certificate.decode::<Vec<DistributionPoint>>(oid::CRL_DISTRIBUTION_POINTS) else {
        return !s.profile.crl_distribution_point && s.certificate.extension(oid::CRL_DISTRIBUTION_POINTS).is_none();
    };
    let [DistributionPoint { distribution_point: Some(DistributionPointName::FullName(names)), reasons, crl_issuer }] =
        found.value.as_slice()
    else {
        return false;
    };
    let plain = reasons.is_none() && crl_issuer.is_none();
    s.profile.crl_distribution_point && !found.critical && plain && names.len() == 1 && names.iter().all(is_http)
}

fn information_access(s: &Subject<'_>) -> bool {
    let wanted = [(s.profile.ocsp, oid::AD_OCSP), (s.profile.ca_issuers, oid::CA_ISSUERS)];
    let Some(found) = s.certificate.decode::<Vec<AccessDescription>>(oid::AUTHORITY_INFO_ACCESS) else {
        return !wanted[0].0 && !wanted[1].0 && s.certificate.extension(oid::AUTHORITY_INFO_ACCESS).is_none();
    };
    let due: Vec<_> =
        wanted.iter().filter(|(due, _)| *due).map(|(_, method)| ObjectIdentifier::from(*method)).collect();
    let methods: Vec<_> = found.value.iter().map(|access| access.access_method.clone()).collect();
    !found.critical && methods == due && found.value.iter().all(|access| is_http(&access.access_location))
}

fn alternative_names(s: &Subject<'_>) -> bool {
    let rules = s.profile.alternative_names();
    let Some(names) = names::alternative(s.certificate) else { return false };
    let fits = rules.dns.fits(!names.dns.is_empty())
        && rules.ip.fits(!names.ip.is_empty())
        && rules.email.fits(!names.email.is_empty());
    let critical = s.certificate.extension(oid::SUBJECT_ALT_NAME).is_some_and(|found| found.critical);
    fits && !critical && names.check().is_ok()
}

fn private_key_usage_period(s: &Subject<'_>) -> bool {
    let found = s.certificate.extension(oid::PRIVATE_KEY_USAGE_PERIOD);
    match (s.profile.key_life_days(), s.certificate.private_key_usage_period()) {
        (None, _) => found.is_none(),
        (Some(_), None) => false,
        (Some(days), Some(period)) => {
            let life = period.not_after.secs().saturating_sub(period.not_before.secs());
            let inside = s.certificate.validity().covers(&period);
            inside && period.not_before < period.not_after && life <= u64::from(days) * DAY_SECS
        }
    }
}

/// The most days of a web server's certificate that begins then.
fn server_days(not_before: Timestamp) -> u64 {
    // Midnight UTC of 2026-03-15, 2027-03-15 and 2029-03-15.
    match not_before.secs() {
        1_868_227_200.. => 47,
        1_805_068_800.. => 100,
        1_773_532_800.. => 200,
        _ => 398,
    }
}

/// Given name and surname, or a pseudonym, where the identifier is that of a natural person.
fn natural_person(s: &Subject<'_>) -> bool {
    let natural = s.profile.qc_statements.as_ref().and_then(|statements| statements.semantics);
    if natural != Some(Semantics::Natural) {
        return true;
    }
    let name = s.name.clone().unwrap_or_default();
    let named = name.get(Attribute::GivenName).is_some() || name.get(Attribute::Surname).is_some();
    named != name.get(Attribute::Pseudonym).is_some()
        && s.profile.subject(Attribute::SerialNumber) != Presence::Forbidden
}

/// An identifier that is said to have a meaning has one.
fn identifier(s: &Subject<'_>) -> bool {
    let Some(semantics) = s.profile.qc_statements.as_ref().and_then(|statements| statements.semantics) else {
        return true;
    };
    let attribute = match semantics {
        Semantics::Natural => Attribute::SerialNumber,
        Semantics::Legal => Attribute::OrganizationIdentifier,
    };
    let name = s.name.clone().unwrap_or_default();
    name.get(attribute).is_none_or(|text| names::is_identifier(text, semantics))
}
