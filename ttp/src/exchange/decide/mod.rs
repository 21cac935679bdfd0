//! The decision about one run.

mod ask;

use super::{Clocked, Exchange, ExchangeRefusal, ExchangeState};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn decide(
    state: &ExchangeState,
    event: &Clocked,
    now: Timestamp,
) -> Result<Decided<Exchange>, ExchangeRefusal> {
    let Clocked { event, clock } = event;
    // What was decided is told whatever the clock says: it asserts nothing new.
    if state.answer_to(&event.asker(), &event.request).is_some() {
        return Ok((Vec::new(), Vec::new()));
    }
    if !clock.may_issue() {
        return Err(ExchangeRefusal::Clock { verdict: *clock });
    }
    ask::ask(state, event, now)
}

#[cfg(test)]
mod tests;
