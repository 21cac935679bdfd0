//! The party registry: who is known by which keys, which terms it accepted, and whether it may act (DESIGN §4).
//!
//! Who asks: the shell for an approved application and for certificates that were issued or revoked; the party itself, by a
//! statement; officers. What is promised: a key is a party's only while its certificate is good; what a party signed with a key
//! that was taken away stays decidable, since keys and times are never forgotten; the first acceptance of terms counts; whom an
//! officer suspended does nothing more, but what was certified for it can still be revoked.
//!
//! A party has a history of its own, named by its PartyId. What led to it stands elsewhere ([`crate::registration`],
//! [`crate::ca`]) and is named by digests.
//!
//! Out of scope: names and addresses, which stand in documents of the private store only; whether a statement was signed by the key
//! that it names (the shell); revocation of a suspended party's certificates, which is an officer's act of its own.

mod apply;
mod decide;
mod event;
mod fact;
mod refusal;
mod state;

pub use event::{AcceptTerms, Action, BindKey, PartyEvent, Register, Reinstate, Suspend, UnbindKey};
pub use fact::{PartyFact, ReinstatementReason, SuspensionReason, UnbindReason};
pub use refusal::PartyRefusal;
pub use state::{Acceptance, BoundKey, Party, PartyState, Suspension, Unbound};

use crate::role::{Decided, Role};
use crate::time::Timestamp;

/// The most keys that are a party's at once: far more than devices and roles that one holder keeps in order.
pub const KEYS_BOUND_MAX: usize = 64;

/// The most keys that a party ever has, so that its state stays small: one changed every month for 85 years.
pub const KEYS_MAX: usize = 1_024;

/// The most terms that a party ever accepts.
pub const TERMS_MAX: usize = 256;

/// The role that decides about one party.
#[derive(Clone, Copy, Debug)]
pub struct PartyRegistry;

/// What the shell must do for a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartyEffect {
    /// Forget who may act by which key: sessions and caches that rest on the state before.
    AccessChanged,
}

impl Role for PartyRegistry {
    type State = PartyState;
    type Event = PartyEvent;
    type Fact = PartyFact;
    type Effect = PartyEffect;
    type Refusal = PartyRefusal;

    fn decide(state: &PartyState, event: &PartyEvent, now: Timestamp) -> Result<Decided<Self>, PartyRefusal> {
        decide::decide(state, event, now)
    }

    fn apply(state: &mut PartyState, fact: &PartyFact) {
        apply::apply(state, fact);
    }
}
