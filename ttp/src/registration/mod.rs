//! Registration: an application for one to four certificates of one subject, from its arrival to the decision (ETSI
//! EN 319 411-1 §6.2).
//!
//! ```text
//!            Apply         RecordIdentity           Approve                      Approve
//!   nothing ───────▶ applied ─────────▶ identified ─────────▶ (approved by one) ─────────▶ approved
//!                       │                  ▲  │                 │  │
//!                       │                  └──┼─────────────────┘  │       a new record: whoever approved saw another one
//!                       └─────────────────────┴────────────────────┴──▶ refused      Refuse, Withdraw, Expire
//! ```
//!
//! Who asks: an applicant, with a document that it signed the terms in; registration officers, whom the shell has
//! authenticated with a second factor (GEN-6.5.5-04). What is promised: nothing is approved without a record of how the
//! identity was proven (REG-6.3.2), by an operator who is known; where a profile wants two officers, two different ones
//! approved the same record; a decision is final, has its reason, and is an entry.
//!
//! Registration is apart from issuing: what is approved here is issued by another role ([`crate::ca`]), each certificate in a
//! history of its own, and what is then known of the party is [`crate::party`]'s. Their facts name the application.
//!
//! Out of scope: whether the request was signed by its key and whether the terms are those in force (the shell), names and
//! profiles (the CA's lint), certificates that renew themselves.

mod apply;
mod decide;
pub mod document;
mod event;
mod fact;
mod refusal;
mod state;

pub use event::{Action, Apply, Approve, Expire, RecordIdentity, Refuse, RegistrationEvent, Withdraw};
pub use fact::{RefusalReason, RefusedBy, RegistrationFact, RequestedKey};
pub use refusal::RegistrationRefusal;
pub use state::{Application, Approval, Identity, RegistrationState, Rejection};

use crate::role::{Decided, Role};
use crate::time::Timestamp;

/// The most certificates of one application.
pub const KEYS_MAX: usize = 4;

/// The role that decides about one application.
#[derive(Clone, Copy, Debug)]
pub struct Registration;

/// What the shell must do for a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationEffect {
    /// Register the party if it is new, and issue what was approved, under the serial numbers of the fact.
    Issue,
    /// Tell the applicant that nothing will be issued.
    Tell,
}

impl Role for Registration {
    type State = RegistrationState;
    type Event = RegistrationEvent;
    type Fact = RegistrationFact;
    type Effect = RegistrationEffect;
    type Refusal = RegistrationRefusal;

    fn decide(
        state: &RegistrationState,
        event: &RegistrationEvent,
        now: Timestamp,
    ) -> Result<Decided<Self>, RegistrationRefusal> {
        decide::decide(state, event, now)
    }

    fn apply(state: &mut RegistrationState, fact: &RegistrationFact) {
        apply::apply(state, fact);
    }
}
