//! What is asked of the arbiter, checked and with all that the decision needs.

use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::statement::exchange::{Assurance, Protocol, Side};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

use super::expiry::End;

/// An event with the clock's judgement of the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clocked {
    /// What is asked.
    pub event: Ask,
    /// Whether the clock may assert a time.
    pub clock: ClockVerdict,
}

/// One side of a run asks. Every statement that came with it was found to be what it says ([`super::run`]), and every key to be good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The run.
    pub x: Digest,
    /// Its rules.
    pub protocol: Protocol,
    /// The policy that both have agreed on.
    pub policy: Digest,
    /// What they wanted it to be worth.
    pub assurance: Assurance,
    /// Until when it runs, with the outages that are known at the moment of the decision.
    pub end: Option<End>,
    /// The originator's key.
    pub o: Thumbprint,
    /// The responder's.
    pub r: Thumbprint,
    /// Who asks.
    pub side: Side,
    /// Hash of the request's payload.
    pub request: Digest,
    /// What for.
    pub demand: Demand,
}

impl Ask {
    /// The key of who asks.
    #[must_use]
    pub const fn asker(&self) -> Thumbprint {
        match self.side {
            Side::Originator => self.o,
            Side::Responder => self.r,
        }
    }

    /// Whether the run's time is over.
    pub(super) fn has_ended(&self, now: Timestamp) -> bool {
        self.end.as_ref().is_some_and(|end| end.has_passed(now))
    }
}

/// What a side wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// That there be no contract.
    Abort,
    /// The contract, with the answer that has this commitment.
    Resolve {
        /// The responder's commitment in m2.
        c_r: Digest,
    },
    /// The key of what is delivered, out of the escrow.
    Take {
        /// Whether the escrow held it when the arbiter opened it.
        opens: bool,
    },
    /// A receipt for what is delivered, for its key.
    Deposit,
}

impl Demand {
    /// The commitment of the answer that came with it.
    #[must_use]
    pub const fn c_r(&self) -> Option<Digest> {
        match self {
            Self::Abort | Self::Take { .. } | Self::Deposit => None,
            Self::Resolve { c_r } => Some(*c_r),
        }
    }
}
