//! The expected "no" about a certificate.

use crate::ca::crl::Reason;
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

/// Why a certificate is not issued although everything about it was understood. The numbers are stored in
/// [`CaFact::IssueRefused`](crate::ca::CaFact).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum IssueRefusal {
    /// The lint has an error.
    Lint = 0,
    /// A certificate for this key was revoked because the key was compromised.
    KeyCompromised = 1,
    /// The issuer's certificate is not valid now, or was revoked.
    Issuer = 2,
}

impl IssueRefusal {
    /// The stored number.
    #[must_use]
    pub const fn code(self) -> u64 {
        self as u64
    }
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialRefusal {
    /// It is not issued, which is recorded.
    #[error("{}", match .0 {
        IssueRefusal::Lint => "the lint of the certificate has an error",
        IssueRefusal::KeyCompromised => "this key was compromised: a certificate for it was revoked for that",
        IssueRefusal::Issuer => "the issuing CA's own certificate is not valid",
    })]
    Issue(IssueRefusal),
    /// There is one with this serial number, by this issuer.
    #[error("a certificate with this serial number was issued already")]
    SerialTaken,
    /// There is none.
    #[error("no such certificate was issued")]
    NotIssued,
    /// It was revoked before.
    #[error("the certificate was revoked at {at}")]
    AlreadyRevoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: Reason,
    },
    /// It has expired: nobody asks for its status any more.
    #[error("the certificate expired at {not_after}")]
    Expired {
        /// When.
        not_after: Timestamp,
    },
    /// The root: nobody could say so but itself.
    #[error("the root is not revoked; whoever trusts it must be told otherwise")]
    Root,
    /// A reason that its class does not have.
    #[error("the reason {} is not for certificates of this class", .reason.name())]
    Reason {
        /// Which.
        reason: Reason,
    },
    /// The clock may assert no time.
    #[error("the clock is {}", .verdict.name())]
    Clock {
        /// Its state.
        verdict: ClockVerdict,
    },
}

impl CredentialRefusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Issue(IssueRefusal::Lint) => "ca.lint",
            Self::Issue(IssueRefusal::KeyCompromised) => "ca.key_compromised",
            Self::Issue(IssueRefusal::Issuer) => "ca.issuer",
            Self::SerialTaken => "ca.serial_taken",
            Self::NotIssued => "ca.not_issued",
            Self::AlreadyRevoked { .. } => "ca.already_revoked",
            Self::Expired { .. } => "ca.expired",
            Self::Root => "ca.root",
            Self::Reason { .. } => "ca.reason",
            Self::Clock { .. } => "ca.clock",
        }
    }
}
