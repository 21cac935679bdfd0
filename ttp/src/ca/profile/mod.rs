//! What a certificate of each kind looks like: profiles as data, compiled from `schemas/profiles/` or read from an operator's
//! files, judged when they are read.
//!
//! A profile says which authority issues, for which keys, how long, under which names, with which extensions, and how many
//! officers must agree. [`extensions`] builds from it, [`super::lint`] judges the to-be-signed certificate by it, and
//! [`check()`] judges what its class must have whatever a file says.

mod builtin;
mod check;
pub(super) mod extensions;
mod file;
mod qc;
mod trial;

pub use builtin::builtin;
pub use check::{ProfileFault, check};
pub use file::{Presence, ProfileFileFault};
pub use qc::{QcStatements, QcType, Semantics};

pub use crate::crypto::KeyKind;

use std::collections::BTreeMap;

use rasn::types::ObjectIdentifier;
use serde::Deserialize;

use super::Authority;
use super::name::{Attribute, DistinguishedName};
use crate::digest::Digest;
use crate::x509::KeyUsage;

/// The class of a certificate: what must hold for it whatever a profile's file says. The codes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ProfileCode {
    /// The self-signed root.
    Root = 0,
    /// An issuing CA below the root, path length 0.
    IssuingCa = 1,
    /// A timestamping unit.
    Tsu = 2,
    /// TLS client certificate of an operator.
    Operator = 3,
    /// TLS client certificate of an officer.
    Officer = 4,
    /// A delegated OCSP responder.
    OcspResponder = 5,
    /// A party of deals: a natural or a legal person.
    Party = 6,
    /// A TLS server.
    Server = 7,
    /// A TLS client that is a program.
    Client = 8,
    /// A key of one of our third parties: notary, arbiter, archive.
    Role = 9,
    /// Whatever a CA issued before it was taken over: nothing holds for it.
    #[serde(skip)]
    Imported = 10,
}

impl ProfileCode {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Root,
        Self::IssuingCa,
        Self::Tsu,
        Self::Operator,
        Self::Officer,
        Self::OcspResponder,
        Self::Party,
        Self::Server,
        Self::Client,
        Self::Role,
        Self::Imported,
    ];

    /// The stored number.
    #[must_use]
    pub const fn code(self) -> u64 {
        self as u64
    }

    /// The class with this number.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.code() == code)
    }

    /// Whether this authority may issue it, whatever a profile's file says.
    #[must_use]
    pub const fn may_be_issued_by(self, authority: Authority) -> bool {
        match self {
            Self::Root | Self::IssuingCa => matches!(authority, Authority::Root),
            Self::Tsu => matches!(authority, Authority::Tsu),
            // Whoever may operate this service is certified by one CA only.
            Self::Operator | Self::Officer => matches!(authority, Authority::Party),
            // Issued elsewhere.
            Self::Imported => false,
            Self::OcspResponder | Self::Party | Self::Server | Self::Client | Self::Role => {
                !matches!(authority, Authority::Root | Authority::Imported)
            }
        }
    }

    /// True for certificates that sign certificates.
    #[must_use]
    pub const fn is_ca(self) -> bool {
        matches!(self, Self::Root | Self::IssuingCa)
    }
}

/// Which alternative names a certificate has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlternativeNameRules {
    /// DNS names.
    pub dns: Presence,
    /// IP addresses.
    pub ip: Presence,
    /// Mail addresses.
    pub email: Presence,
}

/// One profile, read and judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) class: ProfileCode,
    pub(super) issuers: Vec<Authority>,
    pub(super) life_days: u32,
    pub(super) key_life_days: Option<u32>,
    pub(super) keys: Vec<KeyKind>,
    pub(super) key_usage: KeyUsage,
    pub(super) extended_key_usage: Vec<ObjectIdentifier>,
    pub(super) extended_key_usage_critical: bool,
    pub(super) policies: Vec<ObjectIdentifier>,
    pub(super) crl_distribution_point: bool,
    pub(super) ca_issuers: bool,
    pub(super) ocsp: bool,
    pub(super) ocsp_nocheck: bool,
    pub(super) subject_key_identifier: bool,
    pub(super) basic_constraints: bool,
    pub(super) officers: u8,
    pub(super) subject: BTreeMap<Attribute, Presence>,
    pub(super) alternative_names: AlternativeNameRules,
    pub(super) qc_statements: Option<QcStatements>,
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
}

impl Profile {
    /// The name by which applications ask for it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What people are shown.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its class.
    #[must_use]
    pub const fn code(&self) -> ProfileCode {
        self.class
    }

    /// The authorities that may issue it.
    #[must_use]
    pub fn issuers(&self) -> &[Authority] {
        &self.issuers
    }

    /// Longest life, days of 86,400 seconds.
    #[must_use]
    pub const fn life_days(&self) -> u32 {
        self.life_days
    }

    /// How long its key may sign, days, where that is shorter (privateKeyUsagePeriod).
    #[must_use]
    pub const fn key_life_days(&self) -> Option<u32> {
        self.key_life_days
    }

    /// Keys that it takes.
    #[must_use]
    pub fn keys(&self) -> &[KeyKind] {
        &self.keys
    }

    /// Certificate policies; none for the root.
    #[must_use]
    pub fn policies(&self) -> &[ObjectIdentifier] {
        &self.policies
    }

    /// How many officers must approve an application.
    #[must_use]
    pub const fn officers(&self) -> u8 {
        self.officers
    }

    /// Whether this attribute stands in the subject.
    #[must_use]
    pub fn subject(&self, attribute: Attribute) -> Presence {
        self.subject.get(&attribute).copied().unwrap_or_default()
    }

    /// What is wrong with the attributes of a subject, in an applicant's words; `None` if they are those that this profile wants.
    #[must_use]
    pub fn misfit(&self, subject: &DistinguishedName) -> Option<String> {
        let wrong = Attribute::ALL.into_iter().filter_map(|attribute| {
            let present = subject.0.contains_key(&attribute);
            let name = attribute.name().replace(' ', "_");
            let fits = self.subject(attribute).fits(present);
            let why = if present { "has no place in it" } else { "is missing" };
            (!fits).then(|| format!("{name} {why}"))
        });
        let wrong: Vec<_> = wrong.collect();
        (!wrong.is_empty()).then(|| format!("its subject: {}", wrong.join(", ")))
    }

    /// Which alternative names there are.
    #[must_use]
    pub const fn alternative_names(&self) -> AlternativeNameRules {
        self.alternative_names
    }

    /// True if it says what only a qualified trust service may say (EN 319 412-5): QcCompliance, or a policy of
    /// EN 319 411-2.
    #[must_use]
    pub fn is_qualified(&self) -> bool {
        // 0.4.0.194112.1: QCP-n, QCP-l and their relatives.
        const QUALIFIED: [u32; 5] = [0, 4, 0, 194_112, 1];
        self.qc_statements.as_ref().is_some_and(|statements| statements.compliance)
            || self.policies.iter().any(|policy| policy.starts_with(&QUALIFIED))
    }

    /// The file, whose SHA-256 names it for good.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the file.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}
