//! What happens in an inline exchange, checked and with all that the decision needs.

use crate::digest::Digest;
use crate::exchange::expiry::{End, Outage, end};
use crate::statement::exchange::Side;
use crate::statement::exchange::inline::DepositFault;
use crate::statement::exchange::item::MatchResult;
use crate::timestamp::ClockVerdict;

use super::{Agreement, Moved};

/// An event with the ends of the run and the clock's judgement of the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clocked {
    /// What happens.
    pub event: InlineEvent,
    /// Until when the run lasts, with the outages that are known at the moment of the decision.
    pub ends: Ends,
    /// Whether the clock may assert a time.
    pub clock: ClockVerdict,
}

/// Both ends of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// For deposits.
    pub deposit: End,
    /// For anything else but RETURNED.
    pub run: End,
}

impl Ends {
    /// Both, moved by outages. One that moves the end for deposits behind the other touches that, too, and moves it as far.
    #[must_use]
    pub fn of(t_dep: u64, t_exp: u64, delta_ms: u64, outages: &[Outage]) -> Self {
        Self { deposit: end(t_dep, delta_ms, outages), run: end(t_exp, delta_ms, outages) }
    }
}

/// Something that happens. Every statement was found to be what it says ([`super::Proposed`]), and every key to be good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InlineEvent {
    /// Both sides' agreement is shown, by whomever.
    Register(Box<Agreement>),
    /// A side deposits.
    Deposit {
        /// Who, by which statement, and what.
        moved: Moved,
        /// The item's length, octets.
        size: u64,
        /// What came of looking at it.
        found: Result<MatchResult, DepositFault>,
    },
    /// A side wants no more of it.
    Cancel {
        /// Who.
        side: Side,
        /// Hash of its statement's payload.
        request: Digest,
    },
    /// A side takes both items as they are.
    Waive {
        /// Who.
        side: Side,
        /// Hash of its statement's payload.
        request: Digest,
        /// The items that it names, the originator's first.
        items: [Digest; 2],
    },
    /// A side wants what is due to it.
    Collect {
        /// Who.
        side: Side,
        /// Hash of its statement's payload.
        request: Digest,
    },
    /// A timer, or somebody who wants to know.
    Wake,
}
