//! The expected "no" of paid runs. What a statement lacks is told before, by [`super::super::Broken`].

use crate::digest::Digest;
use crate::timestamp::ClockVerdict;

use super::LATE_MAX;

/// Why nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaidRefusal {
    /// Nobody has begun this run.
    #[error("no such payment was begun")]
    NotOpen,
    /// Not at this stage.
    #[error("the payment is {stage}, where this is not allowed")]
    NotAllowedNow {
        /// Which.
        stage: &'static str,
    },
    /// Another delivery than the one that was shown first.
    #[error("another delivery was shown for this payment before")]
    OtherDelivery {
        /// That one.
        bound: Digest,
    },
    /// Another case stopped it.
    #[error("another case in dispute has frozen the payment")]
    Frozen {
        /// Which.
        by: Digest,
    },
    /// That case has not.
    #[error("the payment is not frozen by that case")]
    NotFrozen,
    /// More came after the decision than is recorded.
    #[error("{LATE_MAX} statements that came too late are recorded already")]
    TooManyLate,
    /// The clock may assert no time.
    #[error("the clock is {}", .verdict.name())]
    Clock {
        /// Its state.
        verdict: ClockVerdict,
    },
}

impl PaidRefusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOpen => "paid.not_open",
            Self::NotAllowedNow { .. } => "paid.not_allowed_now",
            Self::OtherDelivery { .. } => "paid.other_delivery",
            Self::Frozen { .. } => "paid.frozen",
            Self::NotFrozen => "paid.not_frozen",
            Self::TooManyLate => "paid.too_many_late",
            Self::Clock { .. } => "paid.clock",
        }
    }
}
