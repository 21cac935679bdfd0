//! What is asked of a certificate.

use super::Revocation;
use crate::ca::crl::Reason;
use crate::ca::fact::Grounds;
use crate::ca::profile::ProfileCode;
use crate::ca::{CaId, ListId};
use crate::cbor::Writer;
use crate::digest::Digest;
use crate::timestamp::ClockVerdict;
use crate::x509::Period;

/// An event of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialEvent {
    /// Issue it.
    Issue(Box<Issue>),
    /// Revoke it.
    Revoke(Revoke),
    /// Its CA, which issued it elsewhere, is taken over.
    Import(Import),
}

/// Everything that an issue is decided by. The shell has built and linted the certificate; `decide` says whether it may be
/// signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The list that would revoke it, which names its issuer.
    pub list: ListId,
    /// Its class.
    pub class: ProfileCode,
    /// Content octets of its serial number, drawn at random.
    pub serial: Vec<u8>,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub public_key: Digest,
    /// From and to, whole seconds.
    pub validity: Period,
    /// When the issuer's own certificate is valid.
    pub issuer_validity: Period,
    /// SHA-256 of the to-be-signed octets.
    pub to_be_signed: Digest,
    /// Profile, application, request, and what the lint found.
    pub grounds: Grounds,
    /// True if an error is among the findings.
    pub lint_stops: bool,
    /// True if a certificate for this key was revoked because the key was compromised (BR 6.1.1.3).
    pub key_compromised: bool,
    /// True if the issuer was revoked.
    pub issuer_revoked: bool,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// Who revokes it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoke {
    /// Why.
    pub reason: Reason,
    /// SHA-256 of the certificate.
    pub certificate: Digest,
    /// SHA-256 of the certificate of who asks.
    pub officer: Digest,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// A certificate as its CA issued it before it was taken over, and what the CA's last list says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// By which CA.
    pub ca: CaId,
    /// Content octets of its serial number.
    pub serial: Vec<u8>,
    /// SHA-256 of its SubjectPublicKeyInfo; of nothing where the certificate is not known.
    pub public_key: Digest,
    /// From and to; that of the CA where the certificate is not known.
    pub validity: Period,
    /// SHA-256 of the certificate; `None` of one of which the list alone tells.
    pub certificate: Option<Digest>,
    /// What the list says.
    pub revoked: Option<Revocation>,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

impl CredentialEvent {
    /// What stands in the fact as `event_digest`: of an issue the digest of what is signed, of an import that of the certificate, or
    /// of its serial number where there is no more of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Issue(issue) => issue.to_be_signed,
            Self::Revoke(Revoke { reason, certificate, officer, .. }) => {
                let mut writer = Writer::default();
                writer.array(3).uint(reason.code()).bytes(certificate.as_bytes()).bytes(officer.as_bytes());
                Digest::of(&writer.finish())
            }
            Self::Import(Import { serial, certificate, .. }) => certificate.unwrap_or_else(|| Digest::of(serial)),
        }
    }
}
