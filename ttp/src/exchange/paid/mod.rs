//! Paid runs: money goes one way, and goods or a receipt the other (exchange-and-disputes §8). The arbiter decides when it moves, and which way.
//!
//! ```text
//! pg  ORDERED ─accept─▶ ACCEPTED ─held─▶ HELD ─shipped─▶ SHIPPED ─handed-over─▶ HANDED_OVER ─t_accept─▶ CAPTURED
//!        │ t_hold, cancel    │ t_hold       │ t_ship          │ t_exp                  │ rejected ─▶ REJECTED ─▶ RELEASED
//!        ▼                   ▼              ▼                 ▼                        └ received (from HELD on) ─▶ CAPTURED
//!     EXPIRED, VOID       EXPIRED        RELEASED          RELEASED        both cancel ─▶ RELEASED, or VOID where nothing is held
//!     digital: HELD ─d4, V(RELEASED)─▶ CAPTURED, or HANDED_OVER where the buyer has t_accept; V(ABORTED | VOID | EXPIRED), t_exp ─▶ RELEASED
//! pr  ORDERED ─held─▶ HELD ─receipt─▶ CAPTURING ─captured─▶ CAPTURED
//!        │ t_exp: EXPIRED │ t_exp: RELEASED    └ declined ─▶ VOID
//! ```
//!
//! **A run is decided once**, and its verdict's entry bears the tag (decision, x, 0), as any other. The decision of a payment for goods comes
//! first and the money follows it: the verdict says whose the money is, by what was shown. The decision of a payment for a receipt comes after
//! the money, since the receipt is one only once it was paid: with it in hand a capture is ordered, and what the rail answers decides.
//!
//! **Money moves by three orders at most**, hold, capture and release, each with a name that follows from x ([`order_id`]), and never by both of
//! the last two. What is still to be ordered follows from the state ([`PaidState::pending_move`]), so a crash loses none; whoever carries orders
//! out does each of them once by that name. **An order is given only while it is pending, and after all that is known of the money was told**:
//! one that was kept from before a decision would move the money against it. Whatever a rail tells late has its place, and none is a second decision: money that is held
//! after the run has ended goes back; what a rail declined is asked [`MOVES_MAX`] times, and then the verdict is a claim that people settle.
//!
//! **A case freezes** the run: statements and reports are taken, deadlines pass, and nothing is decided until the case lets go. Then counts
//! what came first. Money that the case itself has moved closes the run without a verdict of its rules.
//!
//! A deadline that has passed has passed, whether or not a timer fired: timers only wake. The arbiter's own absence moves each of them
//! ([`super::expiry`]). What comes after it is recorded, and does not count.
//!
//! In scope: what each statement must hold ([`Opened`]), the decision. Out of scope: rails and books (the role payment, to which the shell
//! carries orders and from which it brings what was told), the rules of disputes, what anybody proves afterwards ([`super::judge::paid`]).

mod apply;
#[cfg(test)]
mod attacks;
mod decide;
mod event;
mod fact;
mod read;
mod refusal;
mod state;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use event::{Clocked, Freeze, PaidEvent, Show, Tell, Thaw};
pub use fact::{Cause, PaidDecision, PaidFact, Shown, Told};
pub use read::{DELIVERY_VERDICT_BYTES_MAX, Opened, PAID_STATEMENT_BYTES_MAX};
pub use refusal::PaidRefusal;
pub use state::{Due, Holding, LATE_MAX, MOVES_MAX, PaidState, Shelved, Stage, Terms, Thing};

use crate::digest::Digest;
use crate::evidence::Aggregate;
use crate::money::Amount;
use crate::role::{Decided, Role};
use crate::time::Timestamp;

/// The role that decides about one paid run.
#[derive(Clone, Copy, Debug)]
pub struct Paid;

impl Paid {
    /// The history of a paid run.
    #[must_use]
    pub fn aggregate(x: &Digest) -> Aggregate {
        Aggregate::of("paid", x.as_bytes())
    }
}

/// What is to become of the money: an order to whoever has rails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// It is to be held, by the terms of the run, until this moment at the least, milliseconds since 1970.
    Hold {
        /// Until when.
        until_ms: u64,
    },
    /// All of it is to become the payee's.
    Capture {
        /// How much.
        amount: Amount,
    },
    /// What is held is to go back.
    Release,
}

impl Move {
    /// The stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hold { .. } => "hold",
            Self::Capture { .. } => "capture",
            Self::Release => "release",
        }
    }
}

/// The name of an order: the same whenever it is given, so that it is carried out once.
#[must_use]
pub fn order_id(x: &Digest, order: &Move) -> Digest {
    Digest::of(&[b"semper/paid/1\0", &x.0[..], order.name().as_bytes()].concat())
}

/// What the shell must do for a fact, or besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaidEffect {
    /// Nothing but the commit.
    Record,
    /// The statement that came with the event is the artefact.
    KeepStatement,
    /// Sign the verdict that the fact tells of.
    SignVerdict,
    /// Once this is committed: give this order, under its [`order_id`], if it is still pending then.
    Move(Move),
}

impl Role for Paid {
    type State = PaidState;
    type Event = Clocked;
    type Fact = PaidFact;
    /// One for each fact, in their order, and after them at most one order about the money.
    type Effect = PaidEffect;
    type Refusal = PaidRefusal;

    fn decide(state: &PaidState, event: &Clocked, now: Timestamp) -> Result<Decided<Self>, PaidRefusal> {
        decide::decide(state, event, now)
    }

    fn apply(state: &mut PaidState, fact: &PaidFact) {
        apply::apply(state, fact);
    }
}
