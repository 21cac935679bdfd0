//! What is asked of a certificate.

use crate::ca::ListId;
use crate::ca::crl::Reason;
use crate::ca::fact::Grounds;
use crate::ca::profile::ProfileCode;
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

impl CredentialEvent {
    /// What stands in the fact as `event_digest`: of an issue the digest of what is signed.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Issue(issue) => issue.to_be_signed,
            Self::Revoke(Revoke { reason, certificate, officer, .. }) => {
                let mut writer = Writer::default();
                writer.array(3).uint(reason.code()).bytes(certificate.as_bytes()).bytes(officer.as_bytes());
                Digest::of(&writer.finish())
            }
        }
    }
}
