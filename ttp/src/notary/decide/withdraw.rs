//! Who asked for an act takes it back, as long as it is open.

use super::super::{Journal, JournalState, NotaryRefusal, Reason, Withdraw};
use super::{record, recorded};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn withdraw(
    state: &JournalState,
    event: &Withdraw,
    now: Timestamp,
) -> Result<Decided<Journal>, NotaryRefusal> {
    let Withdraw { id, by } = *event;
    let act = state.find(id)?;
    if !act.requester.is(&by) {
        return Err(NotaryRefusal::NotRequester);
    }
    Ok(record(recorded(id, act, now, Some(Reason::Withdrawn), None)))
}
