//! Evidence of a registered delivery: a certified delivery whose originator submitted it, so that each step of it is recorded, also that
//! which did not happen (exchange-and-disputes §13, ETSI EN 319 522).
//!
//! | stage | what happens | event | what is awaited, until when, and what is recorded else |
//! |---|---|---|---|
//! | submission | d1 and `cd-r/submit`, and the policy takes it; or not | A.1; **A.2**, the end of it | |
//! | notice | the shell left the notice that was asked for; or could not | C.1; **C.2** | from A.1 on, `notice_ms`: **C.2** |
//! | acceptance | d2 is shown, or stands in a verdict; `cd-r/refuse` | C.3; **C.4** | from A.1 on, t_exp: **C.5** |
//! | consignment | the verdict is RELEASED; ABORTED or VOID | D.1; **D.2** | from C.3 or C.4 on, t_exp: **D.2** |
//! | handover | the key is collected, or d4 is shown | E.1 | from D.1 on, `retention_ms`: **E.2** |
//!
//! **Rule 1: whatever is awaited has a moment** ([`ErdsState::awaited`]), and when it has passed the negative event is recorded, with its reason,
//! whatever shows that it has: a timer ([`Occurrence::Wake`]) decides nothing that another occurrence would not. So a delivery without end
//! is not taken. **Rule 2: what was recorded stands.** A positive event after the negative one of its stage is recorded as well, with the
//! reason *after-negative*, and counts only where the policy of the parties says so ([`ErdsState::standing`]). A negative one after the
//! positive one is not recorded at all. Each event occurs once.
//!
//! **It decides nothing about the run.** The verdict, and who is bound by what, is [`super::Exchange`]'s alone: it hears of nothing that is
//! recorded here, and what it decides is told here afterwards ([`Occurrence::Decided`]). So this is another history than the run's, named by
//! the same x ([`RegisteredDelivery::aggregate`]): it can begin before anybody asks about the run and go on after its last answer; a
//! verdict never waits for it; and a run that nobody submitted has the history that it always had. A fold over the run's facts knows no facts
//! of this one, and which protocol a run is of is still told by its first fact.
//!
//! In scope: what the two sides must sign for it ([`Submitted`], [`Refused`]), the decision, what the arbiter signs ([`evidence_of`]). Out of
//! scope: how a notice reaches anybody, where keys are kept, what all of it proves ([`super::judge::erds`]).

mod apply;
#[cfg(test)]
mod attacks;
mod decide;
mod event;
mod fact;
mod message;
mod refusal;
mod state;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use event::{Clocked, NoticeFault, Occurrence, Signed, end_of};
pub use fact::{ErdsFact, Posting, Recording};
pub(in crate::exchange) use message::content_of;
pub use message::{Refused, Submitted, evidence_of};
pub use refusal::ErdsRefusal;
pub use state::{Awaited, ErdsState, Logged};

use crate::digest::Digest;
use crate::evidence::Aggregate;
use crate::role::{Decided, Role};
use crate::time::Timestamp;

/// The part of the arbiter that records what becomes of a delivery.
#[derive(Clone, Copy, Debug)]
pub struct RegisteredDelivery;

impl RegisteredDelivery {
    /// The history of a delivery's evidence: another than that of its run.
    #[must_use]
    pub fn aggregate(x: &Digest) -> Aggregate {
        Aggregate::of("delivery-evidence", x.as_bytes())
    }
}

/// What the shell must do for a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErdsEffect {
    /// Keep d1, which is the artefact, and wake at the next moment that is awaited.
    KeepDelivery,
    /// Sign the evidence of the event, which is the artefact.
    SignEvidence,
    /// The same of A.1, where a notice was asked for: leave it to the recipient after the commit, and tell what came of it.
    SignAndNotify,
}

impl Role for RegisteredDelivery {
    type State = ErdsState;
    type Event = Clocked;
    type Fact = ErdsFact;
    /// One for each fact, in their order. No fact: what happened is recorded already, and found in the state.
    type Effect = ErdsEffect;
    type Refusal = ErdsRefusal;

    fn decide(state: &ErdsState, event: &Clocked, now: Timestamp) -> Result<Decided<Self>, ErdsRefusal> {
        decide::decide(state, event, now)
    }

    fn apply(state: &mut ErdsState, fact: &ErdsFact) {
        apply::apply(state, fact);
    }
}
