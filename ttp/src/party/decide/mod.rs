//! One file for each event of a party.

mod accept_terms;
mod bind_key;
mod register;
mod reinstate;
mod suspend;
mod unbind_key;

use super::{PartyEvent, PartyRefusal, PartyRegistry, PartyState};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn decide(
    state: &PartyState,
    event: &PartyEvent,
    now: Timestamp,
) -> Result<Decided<PartyRegistry>, PartyRefusal> {
    if !event.clock().may_issue() {
        return Err(PartyRefusal::Clock { verdict: event.clock() });
    }
    state.guard(event.action())?;
    match event {
        PartyEvent::Register(event) => register::register(event, now),
        PartyEvent::BindKey(event) => bind_key::bind_key(state, event, now),
        PartyEvent::UnbindKey(event) => unbind_key::unbind_key(state, event, now),
        PartyEvent::AcceptTerms(event) => accept_terms::accept_terms(state, event, now),
        PartyEvent::Suspend(event) => suspend::suspend(state, event, now),
        PartyEvent::Reinstate(event) => reinstate::reinstate(state, event, now),
    }
}

#[cfg(test)]
mod tests;
