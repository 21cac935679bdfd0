//! The expected "no" about a party.

use super::{KEYS_BOUND_MAX, KEYS_MAX, TERMS_MAX};
use crate::digest::Digest;
use crate::id::RegistrationId;
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartyRefusal {
    /// Nobody has this name.
    #[error("there is no such party")]
    NotRegistered,
    /// It was registered before. For the same application this is the answer of a second try, and no fault.
    #[error("the party was registered by the application {registration}")]
    AlreadyRegistered {
        /// By which application.
        registration: RegistrationId,
    },
    /// The key is the party's.
    #[error("the key has been the party's since {bound_at}")]
    KeyBound {
        /// Since when.
        bound_at: Timestamp,
    },
    /// The key was the party's, and never will be again.
    #[error("the key was taken from the party at {at}, and is not given back")]
    KeyUnbound {
        /// When.
        at: Timestamp,
    },
    /// The party never had the key.
    #[error("the party has no such key")]
    KeyUnknown,
    /// The key's certificate expired.
    #[error("the certificate of the key expired at {not_after}")]
    CertificateExpired {
        /// When.
        not_after: Timestamp,
    },
    /// The key's certificate did not.
    #[error("the certificate of the key expires only at {not_after}")]
    CertificateNotExpired {
        /// When.
        not_after: Timestamp,
    },
    /// [`KEYS_BOUND_MAX`] keys are bound.
    #[error("the party has {KEYS_BOUND_MAX} keys, and no party has more at once")]
    TooManyKeysBound,
    /// [`KEYS_MAX`] keys were bound.
    #[error("the party has had {KEYS_MAX} keys, and no party has more")]
    TooManyKeys,
    /// It accepted these terms before.
    #[error("the party has accepted these terms at {at}")]
    TermsAccepted {
        /// When.
        at: Timestamp,
        /// SHA-256 of the statement.
        statement: Digest,
    },
    /// [`TERMS_MAX`] terms were accepted.
    #[error("the party has accepted {TERMS_MAX} terms, and no party accepts more")]
    TooManyTerms,
    /// It is suspended.
    #[error("the party has been suspended since {since}")]
    Suspended {
        /// Since when.
        since: Timestamp,
    },
    /// It is not.
    #[error("the party is not suspended")]
    NotSuspended,
    /// The clock may assert no time.
    #[error("the clock is {}", .verdict.name())]
    Clock {
        /// Its state.
        verdict: ClockVerdict,
    },
}

impl PartyRefusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotRegistered => "party.not_registered",
            Self::AlreadyRegistered { .. } => "party.already_registered",
            Self::KeyBound { .. } => "party.key_bound",
            Self::KeyUnbound { .. } => "party.key_unbound",
            Self::KeyUnknown => "party.key_unknown",
            Self::CertificateExpired { .. } => "party.certificate_expired",
            Self::CertificateNotExpired { .. } => "party.certificate_not_expired",
            Self::TooManyKeysBound => "party.too_many_keys_bound",
            Self::TooManyKeys => "party.too_many_keys",
            Self::TermsAccepted { .. } => "party.terms_accepted",
            Self::TooManyTerms => "party.too_many_terms",
            Self::Suspended { .. } => "party.suspended",
            Self::NotSuspended => "party.not_suspended",
            Self::Clock { .. } => "party.clock",
        }
    }
}
