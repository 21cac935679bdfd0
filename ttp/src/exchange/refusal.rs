//! The expected "no" of the arbiter's decision. What a statement lacks is told before, by [`super::Broken`].

use crate::timestamp::ClockVerdict;

use super::ANSWERS_MAX;

/// Why nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeRefusal {
    /// One side asked too often, each time anew.
    #[error(
        "this side has {ANSWERS_MAX} answers in this run already; repeat one of those requests to get its answer again"
    )]
    TooManyAnswers,
    /// The clock may assert no time.
    #[error("the clock is {}", .verdict.name())]
    Clock {
        /// Its state.
        verdict: ClockVerdict,
    },
}

impl ExchangeRefusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooManyAnswers => "exchange.too_many_answers",
            Self::Clock { .. } => "exchange.clock",
        }
    }
}
