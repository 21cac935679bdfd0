//! The expected "no" about a registered delivery. What a statement lacks is told before, by [`crate::exchange::Broken`]; that the policy does
//! not take a delivery is a fact, since its originator gets that signed.

use crate::timestamp::ClockVerdict;

/// Why nothing became of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErdsRefusal {
    /// Its originator did not submit it.
    #[error("the delivery was not submitted: cd-r/submit comes first")]
    NotSubmitted,
    /// It was not taken.
    #[error("the delivery was submitted and not taken")]
    NotTaken,
    /// Nobody asked for a notice, or nobody needs one any more.
    #[error("no notice of the delivery is awaited")]
    NoNotice,
    /// The recipient has said that it takes the delivery, or has it.
    #[error("the recipient has taken the delivery, and does not refuse it afterwards")]
    Accepted,
    /// Nothing is left to refuse.
    #[error("the delivery has come to nothing already")]
    NothingToRefuse,
    /// Nothing was consigned, so nothing was collected.
    #[error("the key of the delivery was not consigned")]
    NotConsigned,
    /// A delivery is not decided like that.
    #[error("no outcome of a delivery")]
    OtherOutcome,
    /// The clock may assert no time.
    #[error("the clock is {}", .verdict.name())]
    Clock {
        /// Its state.
        verdict: ClockVerdict,
    },
}

impl ErdsRefusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotSubmitted => "delivery.not_submitted",
            Self::NotTaken => "delivery.not_taken",
            Self::NoNotice => "delivery.no_notice",
            Self::Accepted => "delivery.accepted",
            Self::NothingToRefuse => "delivery.nothing_to_refuse",
            Self::NotConsigned => "delivery.not_consigned",
            Self::OtherOutcome => "delivery.other_outcome",
            Self::Clock { .. } => "exchange.clock",
        }
    }
}
