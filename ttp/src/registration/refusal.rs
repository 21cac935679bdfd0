//! The expected "no" about an application.

use super::{KEYS_MAX, RefusalReason};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationRefusal {
    /// There is no such application.
    #[error("there is no such application")]
    NotApplied,
    /// There is one of this name.
    #[error("there is an application of this name already")]
    AlreadyApplied,
    /// No key, or more than [`KEYS_MAX`].
    #[error("the application is for {found} certificates; it may be for 1 to {KEYS_MAX}")]
    Keys {
        /// How many.
        found: usize,
    },
    /// Two of the keys are one.
    #[error("the application has the same key twice")]
    SameKey,
    /// One of the keys must never be certified again.
    #[error("a key of the application was compromised: a certificate for it was revoked for that")]
    KeyCompromised,
    /// One of the keys has a certificate: whose else it is cannot be told from the key, and who renews makes a new one.
    #[error("a certificate was issued or approved for a key of the application before; make a new key")]
    KeyTaken,
    /// The name that the applicant gave itself is another party's.
    #[error("the terms were accepted under the name of another party; draw 128 random bits")]
    PartyTaken,
    /// Neither one officer nor two.
    #[error("{found} officers were to approve; one or two can")]
    OfficersNeeded {
        /// How many.
        found: u8,
    },
    /// Approval comes after proof (EN 319 411-1 REG-6.3.2).
    #[error("no record says how the applicant's identity was proven")]
    NoIdentity,
    /// The second officer is the first, if perhaps with another certificate.
    #[error("this officer has approved already; another one has to")]
    SameOfficer,
    /// An officer would decide about itself.
    #[error("the officer is the applicant; another one has to decide")]
    OwnApplication,
    /// The officer's certificate was revoked or has expired, if only since the request began.
    #[error("the officer's certificate is not good now")]
    OfficerNotGood,
    /// What the first of two officers approved no longer counts.
    #[error("the certificate of the officer who approved first was revoked; record the identity anew")]
    OfficerRevoked,
    /// What an officer does, no operator does.
    #[error("the application is for an officer's and an operator's certificate; nobody is both")]
    ConflictingDuties,
    /// The applicant is a party that is suspended.
    #[error("the applicant is suspended")]
    ApplicantSuspended,
    /// The shell has not drawn one serial number for each key.
    #[error("{found} different serial numbers for {expected} keys")]
    Serials {
        /// How many keys there are.
        expected: usize,
        /// How many different serial numbers.
        found: usize,
    },
    /// A reason that is not an officer's to give.
    #[error("the reason {} is not an officer's to give", .reason.name())]
    Reason {
        /// Which.
        reason: RefusalReason,
    },
    /// It was approved before.
    #[error("the application was approved at {at}")]
    Approved {
        /// When.
        at: Timestamp,
    },
    /// It was refused before.
    #[error("the application was refused at {at}: {}", .reason.name())]
    Refused {
        /// When.
        at: Timestamp,
        /// Why.
        reason: RefusalReason,
    },
    /// It may still be decided.
    #[error("the application is open until {expires_at}")]
    NotExpired {
        /// From when on it is too old.
        expires_at: Timestamp,
    },
    /// The clock may assert no time.
    #[error("the clock is {}", .verdict.name())]
    Clock {
        /// Its state.
        verdict: ClockVerdict,
    },
}

impl RegistrationRefusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotApplied => "registration.not_applied",
            Self::AlreadyApplied => "registration.already_applied",
            Self::Keys { .. } => "registration.keys",
            Self::SameKey => "registration.same_key",
            Self::KeyCompromised => "registration.key_compromised",
            Self::KeyTaken => "registration.key_taken",
            Self::PartyTaken => "registration.party_taken",
            Self::OfficersNeeded { .. } => "registration.officers_needed",
            Self::NoIdentity => "registration.no_identity",
            Self::SameOfficer => "registration.same_officer",
            Self::OwnApplication => "registration.own_application",
            Self::OfficerNotGood => "registration.officer_not_good",
            Self::OfficerRevoked => "registration.officer_revoked",
            Self::ConflictingDuties => "registration.conflicting_duties",
            Self::ApplicantSuspended => "registration.applicant_suspended",
            Self::Serials { .. } => "registration.serials",
            Self::Reason { .. } => "registration.reason",
            Self::Approved { .. } => "registration.approved",
            Self::Refused { .. } => "registration.refused",
            Self::NotExpired { .. } => "registration.not_expired",
            Self::Clock { .. } => "registration.clock",
        }
    }
}
