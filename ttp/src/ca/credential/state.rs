//! What is known of one certificate.

use crate::ca::ListId;
use crate::ca::crl::Reason;
use crate::ca::profile::ProfileCode;
use crate::digest::Digest;
use crate::time::Timestamp;

/// The state of one (issuer, serial number).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CertificateState {
    /// Never issued.
    #[default]
    None,
    /// Issued, and perhaps revoked since.
    Issued(Status),
}

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its class.
    pub class: ProfileCode,
    /// The list that would revoke it.
    pub list: ListId,
    /// Content octets of its serial number.
    pub serial: Vec<u8>,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub public_key: Digest,
    /// First moment.
    pub not_before: Timestamp,
    /// Last moment.
    pub not_after: Timestamp,
    /// If it was revoked.
    pub revoked: Option<Revocation>,
}

/// A revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// When, whole seconds.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
}

impl CertificateState {
    /// The certificate, if there is one.
    #[must_use]
    pub const fn issued(&self) -> Option<&Status> {
        match self {
            Self::None => None,
            Self::Issued(status) => Some(status),
        }
    }
}
