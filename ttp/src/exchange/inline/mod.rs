//! The inline exchange: both items pass through the arbiter, which lets both go or neither (exchange-and-disputes §6).
//!
//! | state | event | next | what the arbiter signs |
//! |---|---|---|---|
//! | OPEN | i1 and i2 | AGREED | `inline/registered` |
//! | AGREED | a good deposit of one side | HALF | `inline/nrs` |
//! | AGREED, HALF | a deposit that is not what it names, or not what was described | unchanged | `inline/refused`; another may follow |
//! | HALF | the second good deposit, both MATCH | **RELEASED** | `inline/nrs`, verdict |
//! | HALF | the second good deposit, one of the two NEEDS_HUMAN | BOTH | `inline/nrs` |
//! | BOTH | `inline/waive` of both sides, for these two items | **RELEASED** | verdict |
//! | AGREED, HALF | t_dep passed; cancel by the only depositor, or by anybody before a deposit | **RETURNED** | verdict |
//! | BOTH | t_exp passed | **RETURNED** | verdict |
//! | RELEASED, RETURNED | anything | same | the same verdict |
//!
//! *Both in, and each what was described or taken as it is*: nothing else releases. Nobody is asked for consent afterwards, so nobody can
//! see the other's item and then withhold its own. What was taken in good order is not replaced: only a deposit that was refused is. A
//! waiver names both items by their hashes, so that it is of these and no others.
//!
//! **Deadlines** count by the decision's moment. A timer wakes ([`InlineEvent::Wake`]) and decides nothing that another event would not: a
//! deposit after t_dep finds the exchange returned, whether or not a timer fired. The arbiter's own absences move both ends
//! ([`super::expiry`]). Registered after t_dep, an exchange is returned at once: whoever proposed one and heard nothing knows from t_dep on
//! that it will come to nothing.
//!
//! **What it is worth**: see [`super::item`]. The arbiter sees the items; in mode `sealed` it keeps ciphertext and keys, and plaintext only
//! while it checks.
//!
//! In scope: what each message must hold ([`Proposed`]), how items are sealed ([`sealed`]), the decision, what a verdict rests on
//! ([`ground`]). Out of scope: where items and keys are kept, who the parties are.

mod apply;
#[cfg(test)]
mod attacks;
mod decide;
mod event;
mod fact;
pub mod ground;
mod message;
mod refusal;
pub mod sealed;
mod state;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use event::{Clocked, Ends, InlineEvent};
pub use fact::{Agreement, InlineDecision, InlineFact, Moved};
pub use message::{Agreed, Beside, Deposited, Proposed, STATEMENT_BYTES_MAX, Signed};
pub use refusal::InlineRefusal;
pub use state::{Held, InlineState, Kept, Phase, REFUSALS_MAX};

use super::Exchange;
use crate::digest::Digest;
use crate::evidence::Aggregate;
use crate::role::{Decided, Role};
use crate::time::Timestamp;

/// The part of the arbiter that decides about one inline exchange.
#[derive(Clone, Copy, Debug)]
pub struct Inline;

impl Inline {
    /// The history of a run: a run is of one protocol, so it is the same as of the others.
    #[must_use]
    pub fn aggregate(x: &Digest) -> Aggregate {
        Exchange::aggregate(x)
    }
}

/// What the shell must do for a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InlineEffect {
    /// Sign `inline/registered`, and wake at the end.
    SignRegistered,
    /// Sign `inline/nrs`.
    SignSubmitted,
    /// Keep what came beside the deposit, sealed under a key of its own.
    KeepItem,
    /// Throw the item away, and sign `inline/refused`.
    SignRefused,
    /// Keep the party's statement, which is the artefact.
    KeepStatement,
    /// Sign the verdict, and wake when the items are to be erased.
    SignVerdict,
    /// Hand the item out; the request for it is the artefact.
    HandItem,
    /// Erase both items and their keys.
    EraseItems,
}

impl Role for Inline {
    type State = InlineState;
    type Event = Clocked;
    type Fact = InlineFact;
    /// One for each fact, in their order. No fact: what the request got before is found in the state.
    type Effect = InlineEffect;
    type Refusal = InlineRefusal;

    fn decide(state: &InlineState, event: &Clocked, now: Timestamp) -> Result<Decided<Self>, InlineRefusal> {
        decide::decide(state, event, now)
    }

    fn apply(state: &mut InlineState, fact: &InlineFact) {
        apply::apply(state, fact);
    }
}
