//! The fair-exchange arbiter: two parties who do not trust each other end with both what was agreed, or with neither.
//!
//! ```text
//! parties, among themselves        m1 ─▶ m2 ─▶ m3 ─▶ m4                       a contract; the arbiter knows nothing of it
//! where one of them goes silent    Ask(abort | resolve) ─▶ decide ─▶ Decided  one verdict for each run, the same for both
//!                                                                  └▶ Answered for who asked alone, bound to that request
//! ```
//!
//! The same for a delivery against a receipt: d1 to d4, and requests by which the recipient gets the key out of its escrow, or the
//! originator a receipt for leaving it.
//!
//! A run is known by `x`, the hash of the payload with which it began. **It is decided once**: the first request that keeps the rules
//! decides it, or the end of its time does, and whoever asks later gets the same octets. The verdict's entry bears the tag
//! (decision, x, 0), so that a second one would contradict it in public.
//!
//! Where both items are to pass through the arbiter, [`inline`] has its own states beside these, for runs of the same kind: one name, one
//! end, one verdict. What becomes of a delivery that was submitted to the arbiter is recorded step by step by [`erds`], in a history of its
//! own beside the run's.
//!
//! In scope: what each message must hold ([`run`], [`asw_r`], [`cd_r`], [`inline`]), what is exchanged ([`item`]), when a run ends ([`expiry`]), the decision, the rules by which anybody judges
//! the statements of a run afterwards ([`judge`]). Out of scope: whose keys they are and whether they are good, which the shell looks up
//! and passes in; what parties do, which is in [`crate::client`].

mod apply;
pub mod asw_r;
#[cfg(test)]
mod attacks;
mod broken;
pub mod cd_r;
mod content;
mod decide;
pub mod erds;
mod event;
pub mod expiry;
mod fact;
pub mod inline;
pub mod item;
pub mod judge;
pub mod paid;
pub mod policy;
mod refusal;
pub mod run;
mod state;
#[cfg(test)]
pub(crate) mod testing;

pub use broken::Broken;
pub use event::{Ask, Clocked, Demand};
pub use fact::{Decision, ExchangeFact, KeyMoved};
pub use refusal::ExchangeRefusal;
pub use state::{ANOMALIES_MAX, ANSWERS_MAX, ExchangeState, Given};

use semper_ledger::entry::{Tag, TagSpace};

use crate::digest::Digest;
use crate::evidence::{Aggregate, ExchangeKind};
use crate::role::{Decided, Role};
use crate::statement::exchange::cd_r::D1;
use crate::statement::exchange::inline::I1;
use crate::statement::exchange::pg::GoodsOrder;
use crate::statement::exchange::pr::PaymentOffer;
use crate::statement::exchange::{Outcome, Protocol};
use crate::statement::{Body as _, Jws};
use crate::time::Timestamp;

/// The role that decides about one run.
#[derive(Clone, Copy, Debug)]
pub struct Exchange;

impl Exchange {
    /// The history of a run.
    #[must_use]
    pub fn aggregate(x: &Digest) -> Aggregate {
        Aggregate::of("exchange", x.as_bytes())
    }
}

/// The tag of a run's verdict (space decision): whoever knows the run knows it, and a second verdict would bear it, too.
#[must_use]
pub fn tag_of_verdict(x: &Digest) -> Tag {
    Tag::new(TagSpace::Decision, x.as_bytes(), 0)
}

/// The kind of a verdict's entry.
#[must_use]
pub const fn kind_of_verdict(protocol: Protocol, outcome: Outcome) -> ExchangeKind {
    match (protocol, outcome) {
        // What is bought and paid is nobody's business but theirs: the entry does not tell either.
        (Protocol::Pg | Protocol::Pr, _) | (_, Outcome::Captured) => ExchangeKind::PaidDecided,
        (_, Outcome::Aborted) => ExchangeKind::Aborted,
        (_, Outcome::Resolved) => ExchangeKind::Resolved,
        (_, Outcome::Expired) => ExchangeKind::Expired,
        (Protocol::Inline, Outcome::Released) => ExchangeKind::InlineReleased,
        (Protocol::AswR | Protocol::CdR, Outcome::Released) => ExchangeKind::Released,
        (_, Outcome::Void) => ExchangeKind::Void,
        (_, Outcome::Returned) => ExchangeKind::Returned,
    }
}

/// Reads the first statement of a run, whichever protocol it begins.
///
/// # Errors
/// [`Broken`].
pub fn run_of(jws: Jws, keys: run::Keys<'_>) -> Result<run::Run, Broken> {
    match jws.tag() {
        D1::TAG => cd_r::Posted::read(jws, keys).map(|posted| posted.run),
        I1::TAG => inline::Proposed::read(jws, keys).map(|proposed| proposed.run),
        GoodsOrder::TAG | PaymentOffer::TAG => paid::Opened::read(jws, keys).map(|opened| opened.run),
        _ => asw_r::Offered::read(jws, keys).map(|offered| offered.run),
    }
}

/// The hash by which a first statement names its text: with 32 random octets in front, which the parties keep, so that nobody guesses a
/// text from it. They show them to a judge.
#[must_use]
pub fn terms_hash(salt: &[u8; 32], text: &[u8]) -> Digest {
    Digest::of(&[b"semper/terms/1\0", &salt[..], text].concat())
}

/// What the shell must do for a fact, or instead of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeEffect {
    /// Sign the verdict that the fact tells of.
    SignVerdict,
    /// Sign the answer.
    SignAnswer,
    /// Nothing: the statement that contradicts is the artefact.
    KeepAnomaly,
    /// Seal the key that was left, so that only the arbiter opens it.
    SealKey,
    /// Hand the key out with the answer. The request is the artefact: it shows who has the key.
    HandKey,
}

impl Role for Exchange {
    type State = ExchangeState;
    type Event = Clocked;
    type Fact = ExchangeFact;
    /// One for each fact, in their order. No fact: what the request got before is found in the state.
    type Effect = ExchangeEffect;
    type Refusal = ExchangeRefusal;

    fn decide(state: &ExchangeState, event: &Clocked, now: Timestamp) -> Result<Decided<Self>, ExchangeRefusal> {
        decide::decide(state, event, now)
    }

    fn apply(state: &mut ExchangeState, fact: &ExchangeFact) {
        apply::apply(state, fact);
    }
}
