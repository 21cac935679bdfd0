//! The decision about one inline exchange.

mod cancel;
mod collect;
mod deposit;
mod register;
mod waive;
mod wake;

use super::{
    Agreement, Clocked, Inline, InlineDecision, InlineEffect, InlineEvent, InlineFact, InlineRefusal, InlineState,
};
use crate::digest::Digest;
use crate::exchange::expiry::End;
use crate::role::Decided;
use crate::statement::exchange::{Outcome, Side};
use crate::time::Timestamp;

/// Facts with their effects.
type Done = Vec<(InlineFact, InlineEffect)>;

pub(super) fn decide(state: &InlineState, event: &Clocked, now: Timestamp) -> Result<Decided<Inline>, InlineRefusal> {
    let Clocked { event, ends, clock } = event;
    // What is known is told whatever the clock says: it asserts nothing new.
    if !clock.may_issue() {
        return if is_known(state, event) { Ok(unzip(vec![])) } else { Err(InlineRefusal::Clock { verdict: *clock }) };
    }
    let done = match (&state.agreement, event) {
        (None, InlineEvent::Register(agreement)) => Ok(register::register(agreement, ends, now)),
        (None, _) => Err(InlineRefusal::NotRegistered),
        (Some((_, agreement)), event) => match (&state.decision, event) {
            (Some(_), InlineEvent::Collect { side, request }) => {
                collect::collect(state, agreement, (*side, *request), now)
            }
            (Some(_), InlineEvent::Wake) => Ok(wake::wake(state, agreement, now)),
            // Whatever comes, the verdict stands.
            (Some(_), _) => Ok(vec![]),
            // A deadline that has passed has passed, by whatever event it shows.
            (None, _) if state.end(ends).has_passed(now) => {
                Ok(vec![decided(agreement, Outcome::Returned, state.end(ends), (None, state.held()), now)])
            }
            (None, event) if is_known(state, event) => Ok(vec![]),
            (None, InlineEvent::Register(_) | InlineEvent::Wake) => Ok(vec![]),
            (None, InlineEvent::Deposit { moved, size, found }) => {
                deposit::deposit(state, agreement, ends, (moved, *size, *found), now)
            }
            (None, InlineEvent::Cancel { side, request }) => {
                cancel::cancel(state, agreement, ends, (*side, *request), now)
            }
            (None, InlineEvent::Waive { side, request, items }) => {
                waive::waive(state, agreement, ends, (*side, *request, *items), now)
            }
            (None, InlineEvent::Collect { .. }) => Err(InlineRefusal::NotDecided),
        },
    };
    done.map(unzip)
}

fn unzip(done: Done) -> Decided<Inline> {
    done.into_iter().unzip()
}

/// Whether this very request had its answer.
fn is_known(state: &InlineState, event: &InlineEvent) -> bool {
    match event {
        InlineEvent::Register(_) => state.agreement.is_some(),
        InlineEvent::Deposit { moved, .. } => {
            let taken = state.deposit(moved.side).is_some_and(|held| held.moved.request == moved.request);
            taken || state.refusal_of(moved.side, &moved.request).is_some() || state.decision.is_some()
        }
        InlineEvent::Waive { side, request, .. } => {
            let waived = state.waived[super::state::index(*side)];
            waived.is_some_and(|(known, _)| known == *request) || state.decision.is_some()
        }
        InlineEvent::Cancel { .. } => state.decision.is_some(),
        InlineEvent::Collect { side, .. } => {
            state.collected[super::state::index(*side)] && state.due_to(*side).is_some()
        }
        // Whether there is anything to end or to erase, only a clock tells.
        InlineEvent::Wake => false,
    }
}

/// The one decision.
fn decided(
    agreement: &Agreement,
    outcome: Outcome,
    end: &End,
    (by, deposits): (Option<(Side, Digest)>, u64),
    now: Timestamp,
) -> (InlineFact, InlineEffect) {
    let Agreement { x, policy, assurance, o, r, .. } = agreement;
    let decision = InlineDecision {
        x: *x,
        at: now,
        outcome,
        policy: *policy,
        assurance: *assurance,
        end: end.clone(),
        o: *o,
        r: *r,
        by,
        deposits,
    };
    (InlineFact::Decided(Box::new(decision)), InlineEffect::SignVerdict)
}
