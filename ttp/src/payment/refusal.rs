//! The expected "no" of payments. Whose fault it is, the code tells: what is asked too early is to be sent again.

use crate::digest::Digest;
use crate::money::Amount;
use crate::timestamp::ClockVerdict;

use super::ATTEMPTS_MAX;

/// Why nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentRefusal {
    /// Nobody has asked for a hold in this run.
    #[error("no payment is held in this run")]
    NoHold,
    /// There is one already.
    #[error("a payment was asked for in this run already")]
    AlreadyHeld,
    /// Nothing is asked for.
    #[error("an amount is more than nothing")]
    NothingAsked,
    /// A fee of more than the whole.
    #[error("a fee is at most 10000 basis points")]
    Fee,
    /// Payer and payee are one.
    #[error("payer and payee are two parties")]
    SameParty,
    /// The hold is to end before it begins.
    #[error("the hold would end before it begins")]
    Ended,
    /// Another currency than the hold's.
    #[error("the payment is in another currency")]
    OtherCurrency,
    /// More than there is.
    #[error("there is not more than {most}")]
    TooMuch {
        /// So much there is.
        most: Amount,
    },
    /// A case stopped it.
    #[error("a case in dispute has frozen the money; only its verdict or settlement moves it")]
    Frozen {
        /// Which.
        by: Digest,
    },
    /// That case has not.
    #[error("the money is not frozen by that case")]
    NotFrozen,
    /// Not at this stage.
    #[error("the payment is {stage}, where this is not allowed")]
    NotAllowedNow {
        /// Which.
        stage: &'static str,
    },
    /// What must come first is not known yet; the rail tells it again.
    #[error("the payment is {stage}, so this comes too early; send it again")]
    TooEarly {
        /// Which.
        stage: &'static str,
    },
    /// The rail declined too often.
    #[error("the rail was asked {ATTEMPTS_MAX} times")]
    TooManyAttempts,
    /// More was told in one run than is recorded.
    #[error("too much was told about this payment; ask its operator")]
    TooManyReports,
    /// No call of this run has this key.
    #[error("no call of this run has that key")]
    UnknownKey,
    /// The rail takes back what it had signed.
    #[error("the rail had signed that it was done, and now declines it")]
    TakenBack,
    /// The rail contradicted itself, and nobody has cleared that.
    #[error("an amount is in suspense, since the rail contradicted itself; clear it first")]
    InSuspense,
    /// It takes a verdict or a settlement.
    #[error("only a verdict or a settlement says who bears an amount in suspense, and it is the payee or the service")]
    NeedsVerdict,
    /// No such amount in suspense.
    #[error("no amount is in suspense by that evidence")]
    UnknownItem,
    /// Somebody else bears it.
    #[error("it was decided before who bears that amount")]
    AlreadyCleared,
    /// No money of that hold ever came to the service.
    #[error("no money has come in that could be taken back")]
    NothingCameIn,
    /// The clock may assert no time.
    #[error("the clock is {}", .verdict.name())]
    Clock {
        /// Its state.
        verdict: ClockVerdict,
    },
}

impl PaymentRefusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoHold => "payment.no_hold",
            Self::AlreadyHeld => "payment.already_held",
            Self::NothingAsked => "payment.nothing_asked",
            Self::Fee => "payment.fee",
            Self::SameParty => "payment.same_party",
            Self::Ended => "payment.ended",
            Self::OtherCurrency => "payment.other_currency",
            Self::TooMuch { .. } => "payment.too_much",
            Self::Frozen { .. } => "payment.frozen",
            Self::NotFrozen => "payment.not_frozen",
            Self::NotAllowedNow { .. } => "payment.not_allowed_now",
            Self::TooEarly { .. } => "payment.too_early",
            Self::TooManyAttempts => "payment.too_many_attempts",
            Self::TooManyReports => "payment.too_many_reports",
            Self::UnknownKey => "payment.unknown_key",
            Self::TakenBack => "payment.taken_back",
            Self::InSuspense => "payment.in_suspense",
            Self::NeedsVerdict => "payment.needs_verdict",
            Self::UnknownItem => "payment.unknown_item",
            Self::AlreadyCleared => "payment.already_cleared",
            Self::NothingCameIn => "payment.nothing_came_in",
            Self::Clock { .. } => "payment.clock",
        }
    }
}
