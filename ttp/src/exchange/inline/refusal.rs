//! The expected "no" about an inline exchange. What a statement lacks is told before, by [`crate::exchange::Broken`]; a deposit that is not
//! what it says is a fact, since its depositor gets that signed.

use crate::timestamp::ClockVerdict;

use super::REFUSALS_MAX;

/// Why nothing became of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InlineRefusal {
    /// The agreement of both was not shown yet.
    #[error("the exchange is not registered: inline/m1 and inline/m2 come first")]
    NotRegistered,
    /// This side's deposit was taken, and is not replaced.
    #[error("this side has deposited already, by another statement")]
    AlreadyDeposited,
    /// This side's deposits were refused too often.
    #[error("{REFUSALS_MAX} deposits of this side were refused already")]
    TooManyRefused,
    /// The other side has deposited, and relies on it.
    #[error("the other side has deposited, so that only the end of the exchange returns it")]
    OtherDeposited,
    /// There is nothing to waive: a side has not deposited.
    #[error("an exchange is taken as it is when both sides have deposited")]
    NothingToWaive,
    /// The waiver names other items than were deposited.
    #[error("the waiver names other items than were deposited")]
    OtherItems,
    /// Nothing was decided, so nobody gets anything.
    #[error("nothing was decided yet")]
    NotDecided,
    /// Nothing is due to this side: it has deposited nothing, or the items are erased.
    #[error("there is nothing for this side to collect")]
    NothingToCollect,
    /// The clock may assert no time.
    #[error("the clock is {}", .verdict.name())]
    Clock {
        /// Its state.
        verdict: ClockVerdict,
    },
}

impl InlineRefusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotRegistered => "exchange.not_registered",
            Self::AlreadyDeposited => "exchange.already_deposited",
            Self::TooManyRefused => "exchange.too_many_refused",
            Self::OtherDeposited => "exchange.other_deposited",
            Self::NothingToWaive => "exchange.nothing_to_waive",
            Self::OtherItems => "exchange.other_items",
            Self::NotDecided => "exchange.not_decided",
            Self::NothingToCollect => "exchange.nothing_to_collect",
            Self::Clock { .. } => "exchange.clock",
        }
    }
}
