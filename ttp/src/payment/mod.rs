//! Payments: money that a rail holds for one run of an exchange, until the arbiter's decision moves it, exactly once
//! (exchange-and-disputes §8).
//!
//! ```text
//! Hold ─▶ REQUESTED ─▶ HELD ─▶ CAPTURING ─▶ CAPTURED ─▶ REFUNDING ─▶ REFUNDED      in part or whole
//!            │          │ ▲ └▶ RELEASING ─▶ RELEASED       └▶ CHARGED_BACK          by the payer's bank
//!            ▼          │ └ ESCROWING                   a bank's hold that a case outlives becomes money that the service holds
//!         DECLINED      └▶ EXPIRED
//!
//! order ─▶ decide ─▶ …Requested, committed ─▶ call(key) ─▶ Done | Declined ─▶ decide ─▶ Captured, Released, …
//!                                                 └ Unknown ─▶ status(key), and the same call again: never another key
//! ```
//!
//! **What is asked of a rail is committed before it is asked, what it answers is committed after**, as a fact of its own. A crash between the
//! two leaves the call in the state, where [`PaymentState::pending`] finds it with the same key; there is at most one. A rail does the same
//! thing once for one key, so a call may be repeated for as long as its answer is not known, and a second key is made only after the rail
//! has declined the first one for good. A fresh key after a timeout captures twice (medusajs/medusa#16293).
//!
//! **An order is carried out once**: it bears the hash of what ordered it, and the same order again leaves no fact and no call.
//!
//! A case in dispute **freezes** the money. From then on only that case's verdict or settlement moves it, or the rail itself. What was
//! committed before the freeze is carried through: the order of the ledger decides, not that of the calls. A part captured lets go of the
//! rest in the same decision, so that rest goes with it.
//!
//! What a rail says is believed where it fits. A late repetition says nothing new; a declined call that is done after all is recorded and
//! its amount stands in **suspense** until the rail takes it back or a verdict says who bears it, and so does what a rail did more or less
//! than it was asked, or gave back more or less than was held when a hold ended by itself; until then nothing else moves. What comes
//! too early, because callbacks overtake each other, is refused so that the rail sends it again.
//!
//! The [`book`] follows from the facts alone, by one function, so that whoever has them can prove every balance.
//!
//! In scope: the rail's contract ([`rail`]), the hold's states, the double-entry [`book`], callbacks of an outside provider ([`callback`]), a
//! rail that plays every failure ([`simulator`]). Out of scope: calling a rail and HTTP (`semper-api`), who is to be paid when, which are the
//! rules of the exchange, and what a freeze is about, which are those of disputes.

mod apply;
pub mod book;
pub mod callback;
mod decide;
mod event;
mod fact;
pub mod rail;
mod refusal;
pub mod simulator;
mod state;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use event::{Authority, Clocked, Order, PaymentEvent, Told};
pub use fact::{Bearer, Change, ClearedBy, Moved, PaymentFact};
pub use refusal::PaymentRefusal;
pub use state::{
    ATTEMPTS_MAX, Answered, Call, Frozen, Money, PaymentState, Place, Purpose, REPORTS_MAX, Stage, Suspended, Terms,
};

use crate::digest::Digest;
use crate::evidence::Aggregate;
use crate::role::{Decided, Role};
use crate::time::Timestamp;

use self::rail::RailCall;

/// The role that decides about the money of one run.
#[derive(Clone, Copy, Debug)]
pub struct Payment;

impl Payment {
    /// The history of a run's money.
    #[must_use]
    pub fn aggregate(x: &Digest) -> Aggregate {
        Aggregate::of("payment", x.as_bytes())
    }
}

/// What the shell must do for a fact, or instead of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentEffect {
    /// Nothing but the commit.
    Record,
    /// The rail's evidence, which came with the event, is the artefact.
    KeepEvidence,
    /// Once this is committed: make the call, and bring its answer as an event.
    Call(Box<RailCall>),
    /// Nothing is known yet: ask for the status of this key, and repeat the very same call if that is not known either.
    Poll(Box<RailCall>),
}

impl Role for Payment {
    type State = PaymentState;
    type Event = Clocked;
    type Fact = PaymentFact;
    /// One for each fact, in their order; without a fact at most a poll.
    type Effect = PaymentEffect;
    type Refusal = PaymentRefusal;

    fn decide(state: &PaymentState, event: &Clocked, now: Timestamp) -> Result<Decided<Self>, PaymentRefusal> {
        decide::decide(state, event, now)
    }

    fn apply(state: &mut PaymentState, fact: &PaymentFact) {
        apply::apply(state, fact);
    }
}
