//! One file for each event of an application.

mod apply;
mod approve;
mod expire;
mod record_identity;
mod refuse;
mod withdraw;

use super::{Registration, RegistrationEvent, RegistrationRefusal, RegistrationState};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn decide(
    state: &RegistrationState,
    event: &RegistrationEvent,
    now: Timestamp,
) -> Result<Decided<Registration>, RegistrationRefusal> {
    if !event.clock().may_issue() {
        return Err(RegistrationRefusal::Clock { verdict: event.clock() });
    }
    state.guard(event.action())?;
    match event {
        RegistrationEvent::Apply(event) => apply::apply(event, now),
        RegistrationEvent::RecordIdentity(event) => record_identity::record_identity(state, event, now),
        RegistrationEvent::Approve(event) => approve::approve(state, event, now),
        RegistrationEvent::Refuse(event) => refuse::refuse(state, event, now),
        RegistrationEvent::Withdraw(_) => withdraw::withdraw(state, now),
        RegistrationEvent::Expire(event) => expire::expire(state, event, now),
    }
}

#[cfg(test)]
mod tests;
