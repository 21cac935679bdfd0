//! A profile as a TOML file, and the rules between its fields.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::qc::QcStatements;
use super::{AlternativeNameRules, KeyKind, Profile, ProfileCode};
use crate::asn1::{PolicyId, oid};
use crate::ca::Authority;
use crate::ca::name::Attribute;
use crate::digest::Digest;
use crate::x509::KeyUsage;
use rasn::types::ObjectIdentifier;

/// Longest file, octets.
const BYTES_MAX: usize = 64 << 10;

/// Longest name of a profile: it stands in URLs and file names.
const NAME_MAX: usize = 48;

/// Whether something stands in a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It must.
    Required,
    /// It may.
    Optional,
    /// It must not; what a profile does not name is forbidden.
    #[default]
    Forbidden,
}

impl Presence {
    /// True if `present` is as it should be.
    #[must_use]
    pub const fn fits(self, present: bool) -> bool {
        match self {
            Self::Required => present,
            Self::Optional => true,
            Self::Forbidden => !present,
        }
    }
}

/// Why a file is no profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileFileFault {
    /// Longer than 64 KiB.
    TooLong,
    /// Not the TOML that is wanted; the parser's words.
    Toml(String),
    /// A field that cannot be so.
    Field {
        /// Which.
        field: &'static str,
        /// Why.
        why: String,
    },
}

impl fmt::Display for ProfileFileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the file is longer than {BYTES_MAX} octets"),
            Self::Toml(words) => write!(f, "{}", words.trim_end()),
            Self::Field { field, why } => write!(f, "{field}: {why}"),
        }
    }
}

impl std::error::Error for ProfileFileFault {}

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    name: String,
    title: String,
    class: ProfileCode,
    issuers: Vec<String>,
    life_days: u32,
    key_life_days: Option<u32>,
    keys: Vec<KeyKind>,
    key_usage: Vec<Usage>,
    #[serde(default)]
    extended_key_usage: Vec<String>,
    #[serde(default)]
    extended_key_usage_critical: bool,
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    crl_distribution_point: bool,
    #[serde(default)]
    ca_issuers: bool,
    #[serde(default)]
    ocsp: bool,
    #[serde(default)]
    ocsp_nocheck: bool,
    #[serde(default = "yes")]
    subject_key_identifier: bool,
    #[serde(default = "yes")]
    basic_constraints: bool,
    #[serde(default = "one")]
    officers: u8,
    subject: BTreeMap<Attribute, Presence>,
    #[serde(default)]
    alternative_names: NamesFile,
    qc_statements: Option<QcStatements>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NamesFile {
    dns: Presence,
    ip: Presence,
    email: Presence,
}

/// The names of RFC 5280 §4.2.1.3.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Usage {
    DigitalSignature,
    NonRepudiation,
    KeyEncipherment,
    KeyAgreement,
    KeyCertSign,
    #[serde(rename = "cRLSign")]
    CrlSign,
}

impl Usage {
    const fn bits(self) -> KeyUsage {
        match self {
            Self::DigitalSignature => KeyUsage::DIGITAL_SIGNATURE,
            Self::NonRepudiation => KeyUsage::NON_REPUDIATION,
            Self::KeyEncipherment => KeyUsage::KEY_ENCIPHERMENT,
            Self::KeyAgreement => KeyUsage::KEY_AGREEMENT,
            Self::KeyCertSign => KeyUsage::KEY_CERT_SIGN,
            Self::CrlSign => KeyUsage::CRL_SIGN,
        }
    }
}

const fn yes() -> bool {
    true
}

const fn one() -> u8 {
    1
}

fn field(field: &'static str, why: impl Into<String>) -> ProfileFileFault {
    ProfileFileFault::Field { field, why: why.into() }
}

impl Profile {
    /// Reads a profile's file.
    ///
    /// # Errors
    /// [`ProfileFileFault`], naming the field.
    pub fn parse(text: &str) -> Result<Self, ProfileFileFault> {
        if text.len() > BYTES_MAX {
            return Err(ProfileFileFault::TooLong);
        }
        let file: ProfileFile = toml::from_str(text).map_err(|error| ProfileFileFault::Toml(error.to_string()))?;
        let issuer = |name: &str| Authority::from_name(name).filter(|authority| *authority != Authority::Imported);
        let issuers = file.issuers.iter().map(|name| issuer(name).ok_or_else(|| field("issuers", name)));
        let purposes =
            file.extended_key_usage.iter().map(|name| purpose(name).ok_or_else(|| no_oid("extended_key_usage", name)));
        let policies = file.policies.iter().map(|text| dotted(text).ok_or_else(|| no_oid("policies", text)));
        let profile = Self {
            issuers: issuers.collect::<Result<_, _>>()?,
            extended_key_usage: purposes.collect::<Result<_, _>>()?,
            policies: policies.collect::<Result<_, _>>()?,
            key_usage: file.key_usage.iter().fold(KeyUsage(0), |sum, usage| sum.and(usage.bits())),
            name: file.name,
            title: file.title,
            class: file.class,
            life_days: file.life_days,
            key_life_days: file.key_life_days,
            keys: file.keys,
            extended_key_usage_critical: file.extended_key_usage_critical,
            crl_distribution_point: file.crl_distribution_point,
            ca_issuers: file.ca_issuers,
            ocsp: file.ocsp,
            ocsp_nocheck: file.ocsp_nocheck,
            subject_key_identifier: file.subject_key_identifier,
            basic_constraints: file.basic_constraints,
            officers: file.officers,
            subject: file.subject,
            alternative_names: AlternativeNameRules {
                dns: file.alternative_names.dns,
                ip: file.alternative_names.ip,
                email: file.alternative_names.email,
            },
            qc_statements: file.qc_statements,
            bytes: text.as_bytes().to_vec(),
            digest: Digest::of(text.as_bytes()),
        };
        profile.judge()?;
        Ok(profile)
    }

    /// The rules between fields. What they rule out would be found by the lint of the first certificate, too late.
    fn judge(&self) -> Result<(), ProfileFileFault> {
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if self.name.is_empty() || self.name.len() > NAME_MAX || !self.name.bytes().all(is_name) {
            return Err(field("name", "lower-case letters, digits and hyphens, at most 48"));
        }
        if self.issuers.is_empty() {
            return Err(field("issuers", "at least one authority"));
        }
        let class = self.class;
        if let Some(other) = self.issuers.iter().find(|authority| !class.may_be_issued_by(**authority)) {
            return Err(field("issuers", format!("{} issues no certificates of this class", other.name())));
        }
        if self.life_days == 0 || self.life_days > 36_500 {
            return Err(field("life_days", "1 to 36,500"));
        }
        if self.key_life_days.is_some_and(|days| days == 0 || days > self.life_days) {
            return Err(field("key_life_days", "1 to life_days"));
        }
        if (class == ProfileCode::Tsu) != self.key_life_days.is_some() {
            return Err(field("key_life_days", "timestamping units have one, nobody else (EN 319 421, 7.6.7)"));
        }
        if self.keys.is_empty() {
            return Err(field("keys", "at least one kind"));
        }
        let ca_usage = KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN);
        if class.is_ca() && self.key_usage != ca_usage {
            return Err(field("key_usage", "a CA has keyCertSign and cRLSign"));
        }
        if !class.is_ca() && (self.key_usage.0 == 0 || self.key_usage.0 & ca_usage.0 != 0) {
            return Err(field("key_usage", "at least one, and none of a CA's"));
        }
        if self.policies.is_empty() != (class == ProfileCode::Root) {
            return Err(field("policies", "at least one, and none for the root"));
        }
        if self.ocsp_nocheck != (class == ProfileCode::OcspResponder) {
            return Err(field("ocsp_nocheck", "OCSP responders have it, nobody else (RFC 6960, 4.2.2.2.1)"));
        }
        let status = self.crl_distribution_point && self.ca_issuers;
        if !status && !matches!(class, ProfileCode::Root | ProfileCode::OcspResponder) {
            return Err(field(
                "crl_distribution_point",
                "it and ca_issuers are needed, so that the status can be found",
            ));
        }
        if class == ProfileCode::Root && (self.crl_distribution_point || self.ca_issuers || self.ocsp) {
            return Err(field("crl_distribution_point", "nobody revokes a root"));
        }
        if class.is_ca() && (!self.extended_key_usage.is_empty() || self.ocsp) {
            return Err(field(
                "extended_key_usage",
                "none for a CA; its own status is in the root's list, not in OCSP",
            ));
        }
        if !(1..=2).contains(&self.officers) {
            return Err(field("officers", "1 or 2"));
        }
        if class.is_ca() && (!self.subject_key_identifier || !self.basic_constraints) {
            return Err(field("basic_constraints", "a CA has it, and subject_key_identifier"));
        }
        let required: Vec<_> = [Attribute::Country, Attribute::CommonName]
            .into_iter()
            .filter(|attribute| self.subject(*attribute) != Presence::Required)
            .collect();
        if class != ProfileCode::Server && !required.is_empty() {
            return Err(field("subject", "country and common_name are required"));
        }
        if class == ProfileCode::Server && self.alternative_names.dns == Presence::Forbidden {
            return Err(field("alternative_names", "a server is known by its DNS names"));
        }
        match self.qc_statements.as_ref().and_then(QcStatements::fault) {
            Some(why) => Err(field("qc_statements", why)),
            None => Ok(()),
        }
    }
}

fn no_oid(name: &'static str, text: &str) -> ProfileFileFault {
    field(name, format!("{text:?} is no object identifier with arcs below 2^32, and no name that is known here"))
}

fn dotted(text: &str) -> Option<ObjectIdentifier> {
    text.parse::<PolicyId>().ok()?.to_rasn()
}

/// By the name of its RFC, or dotted.
fn purpose(name: &str) -> Option<ObjectIdentifier> {
    let known = match name {
        "serverAuth" => oid::KP_SERVER_AUTH,
        "clientAuth" => oid::KP_CLIENT_AUTH,
        "timeStamping" => oid::KP_TIME_STAMPING,
        "OCSPSigning" => oid::KP_OCSP_SIGNING,
        "dvcs" => oid::KP_DVCS,
        "documentSigning" => oid::KP_DOCUMENT_SIGNING,
        _ => return dotted(name),
    };
    Some(known.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTY: &str = include_str!("../../../../schemas/profiles/party-natural.toml");
    const TSU: &str = include_str!("../../../../schemas/profiles/tsu.toml");

    #[test]
    fn bad_files_are_refused_with_their_field() {
        let change = |text: &str, from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            Profile::parse(&text.replace(from, to)).map(|_| ()).unwrap_err().to_string()
        };
        let table = [
            (PARTY, "name = \"party-natural\"", "name = \"Party\"", "name: "),
            (PARTY, "issuers = [\"ca-party\"]", "issuers = []", "issuers: "),
            (PARTY, "issuers = [\"ca-party\"]", "issuers = [\"root\"]", "issuers: root issues no"),
            (PARTY, "issuers = [\"ca-party\"]", "issuers = [\"ca-other\"]", "issuers: ca-other"),
            (PARTY, "life_days = 730", "life_days = 0", "life_days: "),
            (PARTY, "life_days = 730", "life_days = 730\nkey_life_days = 3", "key_life_days: "),
            (TSU, "key_life_days = 365", "key_life_days = 2000", "key_life_days: "),
            (PARTY, "[\"nonRepudiation\"]", "[\"nonRepudiation\", \"keyCertSign\"]", "key_usage: "),
            (PARTY, "\"nonRepudiation\"", "\"everything\"", "unknown variant"),
            (PARTY, "\"documentSigning\"", "\"all\"", "extended_key_usage: \"all\""),
            (PARTY, "[\"0.4.0.2042.1.3\"]", "[]", "policies: "),
            (PARTY, "[\"0.4.0.2042.1.3\"]", "[\"2.25.99999999999\"]", "policies: "),
            (PARTY, "ocsp = true", "ocsp = true\nocsp_nocheck = true", "ocsp_nocheck: "),
            (PARTY, "ca_issuers = true", "ca_issuers = false", "crl_distribution_point: "),
            (PARTY, "officers = 1", "officers = 3", "officers: "),
            (PARTY, "country = \"required\"", "country = \"optional\"", "subject: "),
            (PARTY, "semantics = \"natural\"", "compliance = true", "qc_statements: "),
            (PARTY, "officers = 1", "officers = 1\nunknown = 1", "unknown field"),
        ];
        for (text, from, to, expected) in table {
            let said = change(text, from, to);
            assert!(said.contains(expected), "{to}: {said}");
        }
        assert_eq!(Profile::parse(&"#".repeat(BYTES_MAX + 1)), Err(ProfileFileFault::TooLong));
    }

    #[test]
    fn a_legal_claim_is_seen() {
        let qualified = PARTY.replace("0.4.0.2042.1.3", "0.4.0.194112.1.0");
        assert!(Profile::parse(&qualified).unwrap().is_qualified());
        assert!(!Profile::parse(PARTY).unwrap().is_qualified());
    }
}
