//! Building certificates: `prepare` gives the bytes to be signed, `finish` the certificate, judged by its own profile.

use std::sync::Arc;

use rasn::prelude::*;
use rasn_pkix::{AlgorithmIdentifier, Name, SubjectPublicKeyInfo, TbsCertificate, Validity, Version};

use super::Authority;
use super::lint::{self, Lint};
use super::name::{AlternativeNameFault, AlternativeNames, DistinguishedName, Subject, SubjectFault};
use super::profile::extensions::{Inputs, extensions};
use super::profile::{self, Profile, ProfileFault};
use crate::asn1::{self, der};
use crate::crypto::{SignatureAlgorithm, sha1};
use crate::x509::{Certificate, KeyUsage, Period, encode, to_time};

/// A serial number: 16 octets, positive, 126 of its bits random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateSerial([u8; 16]);

impl CertificateSerial {
    /// From 16 random octets that the shell drew. The first two bits become 01, so that the number is positive and
    /// always 16 octets long.
    #[must_use]
    pub const fn from_random(mut random: [u8; 16]) -> Self {
        random[0] = random[0] & 0x3F | 0x40;
        Self(random)
    }

    /// The content octets of the INTEGER.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Who signs: what a certificate or CRL needs to know of it.
#[derive(Clone, Debug)]
pub struct Issuer {
    authority: Authority,
    generation: u32,
    name: Name,
    key_id: Vec<u8>,
    algorithm: SignatureAlgorithm,
    validity: Option<Period>,
}

/// Why an issuer cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerFault {
    /// Its certificate has not the profile of a CA.
    #[error("issuer certificate: {0}")]
    Profile(#[from] ProfileFault),
    /// Its key is no SubjectPublicKeyInfo.
    #[error("the issuer's public key is malformed")]
    Key,
    /// Its name is not usable.
    #[error("{0}")]
    Subject(#[from] SubjectFault),
}

impl Issuer {
    /// An authority with its certificate, which signs with `algorithm`.
    ///
    /// # Errors
    /// [`IssuerFault::Profile`] if the certificate has not the profile of that authority.
    pub fn new(
        authority: Authority,
        certificate: &Certificate,
        algorithm: SignatureAlgorithm,
    ) -> Result<Self, IssuerFault> {
        match authority {
            Authority::Root => profile::check(certificate, profile::ProfileCode::Root)?,
            Authority::Party | Authority::Server | Authority::Tsu => {
                profile::check(certificate, profile::ProfileCode::IssuingCa)?;
            }
            Authority::Imported => check_imported(certificate)?,
        }
        let key_id = certificate.subject_key_identifier().map(|id| id.to_vec());
        Ok(Self {
            authority,
            generation: 1,
            name: certificate.subject().clone(),
            // Of those that others made, not all have one: then it is as RFC 5280 §4.2.1.2 (1) has it.
            key_id: key_id.unwrap_or_else(|| sha1(certificate.key_bits()).to_vec()),
            algorithm,
            validity: Some(certificate.validity()),
        })
    }

    /// The root before it has a certificate: it issues its own.
    ///
    /// # Errors
    /// [`IssuerFault::Subject`], [`IssuerFault::Key`].
    pub fn self_signed(subject: &Subject, spki_der: &[u8], algorithm: SignatureAlgorithm) -> Result<Self, IssuerFault> {
        let spki: SubjectPublicKeyInfo = asn1::decode_strict(spki_der).ok_or(IssuerFault::Key)?;
        Ok(Self {
            authority: Authority::Root,
            generation: 1,
            name: subject.to_name()?,
            key_id: sha1(spki.subject_public_key.as_raw_slice()).to_vec(),
            algorithm,
            validity: None,
        })
    }

    /// Which authority it is.
    #[must_use]
    pub const fn authority(&self) -> Authority {
        self.authority
    }

    /// The one of this generation: 1 is the first of its line, and the names of the others say which they are.
    #[must_use]
    pub fn of_generation(mut self, generation: u32) -> Self {
        self.generation = generation;
        self
    }

    /// Which of its line it is.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Its name in URLs: `/ca/<place>.cer`, `/crl/<place>.crl`.
    #[must_use]
    pub fn place(&self) -> String {
        self.authority.place(self.generation)
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    pub(super) const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// When it may sign; `None` for a root that has no certificate yet.
    #[must_use]
    pub const fn validity(&self) -> Option<Period> {
        self.validity
    }
}

/// A CA of somebody else's making may look as it likes, if it may sign lists.
fn check_imported(certificate: &Certificate) -> Result<(), ProfileFault> {
    if !certificate.is_ca() {
        return Err(ProfileFault::BasicConstraints);
    }
    match certificate.key_usage() {
        Some(usage) if !usage.value.has(KeyUsage::CRL_SIGN) => Err(ProfileFault::KeyUsage),
        _ => Ok(()),
    }
}

/// What is to be certified.
#[derive(Clone, Debug)]
pub struct Template {
    /// The kind of certificate.
    pub profile: Arc<Profile>,
    /// Whose.
    pub subject: DistinguishedName,
    /// What else it names.
    pub alternative_names: AlternativeNames,
    /// Its public key, SubjectPublicKeyInfo DER.
    pub spki_der: Vec<u8>,
    /// Fresh.
    pub serial: CertificateSerial,
    /// From and to; fractions of a second are cut off.
    pub validity: Period,
    /// Where CRLs and issuers' certificates are served: `http://host[:port]`, no slash at its end.
    pub base_url: String,
    /// Certificate policies; at least one but for the root, which has none.
    pub policies: Vec<ObjectIdentifier>,
    /// When its private key may sign, for a timestamping unit.
    pub key_period: Option<Period>,
    /// Which of its issuer's lists would revoke it: 0 is the one of all, the others are shards.
    pub partition: u32,
}

/// Why a certificate is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildFault {
    /// This kind is issued by other authorities.
    #[error("certificates of this profile are not issued by {}", .issuer.name())]
    OtherIssuer {
        /// Which was asked.
        issuer: Authority,
    },
    /// The subject's name.
    #[error("{0}")]
    Subject(#[from] SubjectFault),
    /// An alternative name.
    #[error("{0}")]
    AlternativeName(#[from] AlternativeNameFault),
    /// The public key is no SubjectPublicKeyInfo.
    #[error("the public key is malformed")]
    Key,
    /// The lint has an error.
    #[error("the lint stops it: {0}")]
    Lint(Lint),
    /// The validity is empty, or reaches outside that of the issuer.
    #[error("the validity is empty or not inside that of the issuer")]
    Validity,
    /// Not plain `http://…` in printable ASCII without spaces, or with a slash at its end.
    #[error("the base URL is not http://host[:port] without a slash at its end")]
    BaseUrl,
    /// No certificate policy.
    #[error("a certificate policy is missing")]
    NoPolicy,
    /// What was built has not its profile.
    #[error("built certificate: {0}")]
    Profile(#[from] ProfileFault),
}

/// A certificate that lacks its signature.
#[derive(Clone, Debug)]
pub struct Unsigned {
    kind: profile::ProfileCode,
    algorithm: SignatureAlgorithm,
    tbs_der: Vec<u8>,
    lint: Lint,
    /// As the lint read it; `None` if it could not, and then its finding stops the certificate.
    read: Option<Certificate>,
}

/// The bytes that `issuer` has to sign for a certificate, with what the lint says of them.
///
/// # Errors
/// [`BuildFault`]; findings of the lint are none yet, so that they can be recorded.
pub fn prepare(template: &Template, issuer: &Issuer) -> Result<Unsigned, BuildFault> {
    let Template { profile, .. } = template;
    let kind = profile.code();
    if !profile.issuers().contains(&issuer.authority) {
        return Err(BuildFault::OtherIssuer { issuer: issuer.authority });
    }
    check_base_url(&template.base_url)?;
    if template.policies.is_empty() && kind != profile::ProfileCode::Root {
        return Err(BuildFault::NoPolicy);
    }
    let validity = Period {
        not_before: template.validity.not_before.whole_secs(),
        not_after: template.validity.not_after.whole_secs(),
    };
    let inside = issuer.validity.is_none_or(|outer| outer.covers(&validity));
    if validity.not_before >= validity.not_after || !inside {
        return Err(BuildFault::Validity);
    }
    let spki: SubjectPublicKeyInfo = asn1::decode_strict(&template.spki_der).ok_or(BuildFault::Key)?;
    let place = issuer.place();
    let extensions = extensions(&Inputs {
        profile,
        subject_key_id: sha1(spki.subject_public_key.as_raw_slice()),
        authority_key_id: &issuer.key_id,
        base_url: &template.base_url,
        issuer: &place,
        crl: &list_place(&place, template.partition),
        policies: &template.policies,
        alternative_names: template.alternative_names.to_general_names()?,
        key_period: template.key_period,
    });
    let serial = u128::from_be_bytes(template.serial.0);
    let tbs = TbsCertificate {
        version: Version::V3,
        serial_number: Integer::from(serial),
        signature: algorithm_identifier(issuer.algorithm),
        issuer: issuer.name.clone(),
        validity: Validity { not_before: to_time(validity.not_before), not_after: to_time(validity.not_after) },
        subject: template.subject.to_name()?,
        subject_public_key_info: spki,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions.into()),
    };
    let tbs_der = encode(&tbs);
    let (lint, read) = lint::read(&tbs_der, profile, issuer);
    Ok(Unsigned { kind, algorithm: issuer.algorithm, tbs_der, lint, read })
}

/// The name of a list in URLs: that of its issuer for partition 0, a shard below it for the others.
#[must_use]
pub fn list_place(place: &str, partition: u32) -> String {
    if partition == 0 { place.to_owned() } else { format!("{place}/{partition}") }
}

impl Unsigned {
    /// The message to sign.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.tbs_der
    }

    /// What the lint found.
    #[must_use]
    pub const fn lint(&self) -> &Lint {
        &self.lint
    }

    /// The certificate with its signature, after its class was judged. The caller verifies the chain, because only it
    /// knows the issuer's certificate.
    ///
    /// # Errors
    /// [`BuildFault::Lint`] where the lint has an error, [`BuildFault::Profile`].
    pub fn finish(self, signature: &[u8]) -> Result<Certificate, BuildFault> {
        let read = match self.read {
            Some(read) if !self.lint.stops() => read,
            _ => return Err(BuildFault::Lint(self.lint)),
        };
        let certificate = read.with_signature(signature, signed(&self.tbs_der, self.algorithm, signature));
        profile::check(&certificate, self.kind)?;
        Ok(certificate)
    }
}

/// SEQUENCE of the signed part, the algorithm and the signature: certificates and CRLs alike.
pub(crate) fn signed(tbs_der: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    // A signature is a whole number of octets: no unused bits.
    let bits = der::tlv(der::BIT_STRING, &[&[0], signature].concat());
    der::sequence(&[tbs_der, algorithm.identifier_der(), &bits])
}

/// As rasn's structure.
pub(super) fn algorithm_identifier(algorithm: SignatureAlgorithm) -> AlgorithmIdentifier {
    rasn::der::decode(algorithm.identifier_der()).expect("the constants are AlgorithmIdentifiers")
}

fn check_base_url(url: &str) -> Result<(), BuildFault> {
    let host = url.strip_prefix("http://").ok_or(BuildFault::BaseUrl)?;
    let good = !host.is_empty() && !host.ends_with('/') && host.bytes().all(|b| b.is_ascii_graphic());
    if good { Ok(()) } else { Err(BuildFault::BaseUrl) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::oid;
    use crate::ca::name::tests::subject;
    use crate::ca::profile::{ProfileCode, check};
    use crate::crypto::{Passphrase, Purpose, Signer, SoftKey, build_pkcs12, oracle, verify_chain};
    use crate::testing::{self, PKI, YEAR_SECS, issue, start, template};
    use crate::x509::KeyUsage;

    fn issuer(authority: Authority) -> Issuer {
        let certificate = if authority == Authority::Root { &PKI.root } else { &PKI.ca };
        Issuer::new(authority, certificate, PKI.ca_key.algorithm()).unwrap()
    }

    fn officer() -> (SoftKey, Certificate) {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let certificate = issue(&template("officer", "Officer", &key, 2), &issuer(Authority::Party), &PKI.ca_key);
        (key, certificate)
    }

    /// libcrypto's strict verifier judges each kind for its purpose and refuses it for others.
    #[test]
    fn chains_verify_for_their_purpose_only() {
        let ca = [PKI.ca.der().to_vec()];
        let root = PKI.root.der();
        let at = start();
        for unit in [testing::ec(), testing::rsa()] {
            let leaf = unit.tsu.certificate().der();
            assert_eq!(verify_chain(leaf, &ca, root, at, Purpose::Timestamping), Ok(()));
            assert!(verify_chain(leaf, &ca, root, at, Purpose::Client).is_err());
            assert!(verify_chain(leaf, &ca, root, at, Purpose::Server).is_err());
            assert!(verify_chain(leaf, &[], root, at, Purpose::Timestamping).is_err());
            assert!(verify_chain(leaf, &ca, PKI.ca.der(), at, Purpose::Timestamping).is_err());
            let late = at.plus_secs(4 * YEAR_SECS + 1);
            assert!(verify_chain(leaf, &ca, root, late, Purpose::Timestamping).is_err());
            assert!(verify_chain(leaf, &ca, root, at.minus_millis(1000), Purpose::Timestamping).is_err());
        }
        let (_, officer) = officer();
        assert_eq!(verify_chain(officer.der(), &ca, root, at, Purpose::Client), Ok(()));
        assert!(verify_chain(officer.der(), &ca, root, at, Purpose::Timestamping).is_err());
        assert!(verify_chain(officer.der(), &ca, root, at, Purpose::Server).is_err());
        assert_eq!(verify_chain(PKI.ca.der(), &[], root, at, Purpose::Any), Ok(()));
    }

    /// Path length 0: an issuing CA cannot make another CA.
    #[test]
    fn an_issuing_ca_makes_no_ca() {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let template = template("issuing-ca", "CA 2", &key, 2);
        let fault = prepare(&template, &issuer(Authority::Tsu)).err();
        assert_eq!(fault, Some(BuildFault::OtherIssuer { issuer: Authority::Tsu }));
        // Even if one is made by force, its leaves do not verify.
        let rogue = testing::reissue(&PKI.ca, |tbs| tbs.issuer = PKI.ca.subject().clone());
        assert!(verify_chain(&rogue, &[PKI.ca.der().to_vec()], PKI.root.der(), start(), Purpose::Any).is_err());
    }

    /// The extensions of each kind, in order, with their values (spec §9, §12).
    #[test]
    fn extensions_byte_by_byte() {
        let tsu = testing::ec().tsu.certificate();
        let ids = |certificate: &Certificate| -> Vec<(String, bool)> {
            let list = certificate.decoded().tbs_certificate.extensions.as_ref().unwrap();
            list.iter()
                .map(|e| (e.extn_id.iter().map(u32::to_string).collect::<Vec<_>>().join("."), e.critical))
                .collect()
        };
        let expected = |list: &[(&str, bool)]| list.iter().map(|(id, c)| ((*id).to_owned(), *c)).collect::<Vec<_>>();
        assert_eq!(ids(&PKI.root), expected(&[("2.5.29.14", false), ("2.5.29.15", true), ("2.5.29.19", true)]));
        assert_eq!(
            ids(&PKI.ca),
            expected(&[
                ("2.5.29.14", false),
                ("2.5.29.15", true),
                ("2.5.29.19", true),
                ("2.5.29.31", false),
                ("2.5.29.32", false),
                ("2.5.29.35", false),
                ("1.3.6.1.5.5.7.1.1", false),
            ])
        );
        assert_eq!(
            ids(tsu),
            expected(&[
                ("2.5.29.14", false),
                ("2.5.29.15", true),
                ("2.5.29.16", false),
                ("2.5.29.19", true),
                ("2.5.29.31", false),
                ("2.5.29.32", false),
                ("2.5.29.35", false),
                ("2.5.29.37", true),
                ("1.3.6.1.5.5.7.1.1", false),
            ])
        );
        let value = |certificate: &Certificate, id| hex::encode(certificate.extension(id).unwrap().value);
        assert_eq!(value(&PKI.root, oid::KEY_USAGE), "03020106");
        assert_eq!(value(&PKI.root, oid::BASIC_CONSTRAINTS), "30030101ff");
        assert_eq!(value(&PKI.ca, oid::BASIC_CONSTRAINTS), "30060101ff020100");
        assert_eq!(value(tsu, oid::BASIC_CONSTRAINTS), "3000");
        assert_eq!(value(tsu, oid::KEY_USAGE), "03020780");
        assert_eq!(value(tsu, oid::EXTENDED_KEY_USAGE), "300a06082b06010505070308");
        let period = format!("3022800f{}810f{}", hex::encode("20260301115959Z"), hex::encode("20270301115959Z"));
        assert_eq!(value(tsu, oid::PRIVATE_KEY_USAGE_PERIOD), period);
        let url = hex::encode("http://pki.example/crl/ca-tsu.crl");
        assert_eq!(value(tsu, oid::CRL_DISTRIBUTION_POINTS), format!("30293027a025a0238621{url}"));
        let ocsp = format!("302306082b060105050730018617{}", hex::encode("http://pki.example/ocsp"));
        let url = hex::encode("http://pki.example/ca/ca-tsu.cer");
        let access = format!("3053{ocsp}302c06082b060105050730028620{url}");
        assert_eq!(value(tsu, oid::AUTHORITY_INFO_ACCESS), access);
        let ca_key = PKI.ca.subject_key_identifier().unwrap();
        assert_eq!(value(tsu, oid::AUTHORITY_KEY_IDENTIFIER), format!("30168014{}", hex::encode(&ca_key)));
        assert_eq!(tsu.key_usage().unwrap().value, KeyUsage::DIGITAL_SIGNATURE);
        assert_eq!(tsu.serial().len(), 16);
    }

    #[test]
    fn what_cannot_be_issued_is_named() {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let good = template("tsu", "T", &key, 4);
        let year = |n| start().plus_secs(n * YEAR_SECS);
        let table = [
            (good.clone(), None),
            (Template { spki_der: vec![0x30, 0], ..good.clone() }, Some(BuildFault::Key)),
            (Template { policies: vec![], ..good.clone() }, Some(BuildFault::NoPolicy)),
            (Template { base_url: "https://x".into(), ..good.clone() }, Some(BuildFault::BaseUrl)),
            (Template { base_url: "http://x/".into(), ..good.clone() }, Some(BuildFault::BaseUrl)),
            (Template { base_url: "http://".into(), ..good.clone() }, Some(BuildFault::BaseUrl)),
            (Template { base_url: "http://é".into(), ..good.clone() }, Some(BuildFault::BaseUrl)),
            (
                Template { validity: Period { not_before: year(1), not_after: year(1) }, ..good.clone() },
                Some(BuildFault::Validity),
            ),
            // Longer than its issuer.
            (
                Template { validity: Period { not_before: year(0), not_after: year(11) }, ..good.clone() },
                Some(BuildFault::Validity),
            ),
            (
                Template { subject: (&subject("")).into(), ..good },
                Some(BuildFault::Subject(SubjectFault::Text { attribute: "common name", max: 64 })),
            ),
        ];
        for (template, fault) in table {
            assert_eq!(prepare(&template, &issuer(Authority::Tsu)).err(), fault, "{template:?}");
        }
    }

    #[test]
    fn the_profile_is_judged_again_with_the_signature() {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        // A key period longer than the certificate is only seen in the finished certificate.
        let long = Period { not_before: start(), not_after: start().plus_secs(5 * YEAR_SECS) };
        let template = Template { key_period: Some(long), ..template("tsu", "T", &key, 4) };
        let unsigned = prepare(&template, &issuer(Authority::Tsu)).unwrap();
        let Err(BuildFault::Lint(lint)) = unsigned.clone().finish(&[1; 70]) else { panic!("it was not stopped") };
        assert_eq!(lint.to_string(), "private_key_usage_period (EN 319 421 7.6.7, profile)");
        // Without the lint its class would stop it.
        let whole = Certificate::from_der(&signed(unsigned.message(), unsigned.algorithm, &[1; 70])).unwrap();
        assert!(matches!(check(&whole, ProfileCode::Tsu), Err(ProfileFault::Tsu(_))));
        let tsu = testing::ec().tsu.certificate();
        for kind in ProfileCode::ALL {
            assert_eq!(check(tsu, kind).is_ok(), kind == ProfileCode::Tsu, "{kind:?}");
            assert_eq!(check(&PKI.root, kind).is_ok(), kind == ProfileCode::Root, "{kind:?}");
            assert_eq!(check(&PKI.ca, kind).is_ok(), kind == ProfileCode::IssuingCa, "{kind:?}");
        }
        assert!(Issuer::new(Authority::Tsu, tsu, SignatureAlgorithm::EcdsaP256Sha256).is_err());
    }

    #[test]
    fn a_p12_opens_with_its_passphrase_and_holds_all() {
        let (key, certificate) = officer();
        let passphrase = Passphrase::new("pass phrase".to_owned());
        let chain = [PKI.ca.der().to_vec(), PKI.root.der().to_vec()];
        let p12 = build_pkcs12("officer", &key, certificate.der(), &chain, &passphrase).unwrap();
        assert_eq!(oracle::open_pkcs12(&p12, "wrong"), None);
        let expected = (certificate.der().to_vec(), key.spki_der().to_vec(), 2);
        assert_eq!(oracle::open_pkcs12(&p12, "pass phrase"), Some(expected));
    }
}
