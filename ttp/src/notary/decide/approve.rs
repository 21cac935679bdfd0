//! An officer approves what it took: the act certifies.

use super::super::{Approve, Checks, Journal, JournalState, NotaryRefusal};
use super::{record, recorded, taken_by};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn approve(
    state: &JournalState,
    event: &Approve,
    now: Timestamp,
) -> Result<Decided<Journal>, NotaryRefusal> {
    let Approve { id, officer, officer_good, checks } = *event;
    let act = taken_by(state, id, &officer, officer_good)?;
    let lacking = act.act.needs().without(checks);
    if lacking != Checks::none() {
        return Err(NotaryRefusal::ChecksLacking { lacking });
    }
    Ok(record(recorded(id, act, now, None, Some((officer, checks)))))
}
