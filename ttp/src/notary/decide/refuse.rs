//! An officer refuses what it took. The reason is a code: what else there is to say stands in the officer's own papers.

use super::super::{Checks, Journal, JournalState, NotaryRefusal, Refuse};
use super::{record, recorded, taken_by};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn refuse(state: &JournalState, event: &Refuse, now: Timestamp) -> Result<Decided<Journal>, NotaryRefusal> {
    let Refuse { id, officer, officer_good, reason } = *event;
    let act = taken_by(state, id, &officer, officer_good)?;
    if !reason.is_officers() {
        return Err(NotaryRefusal::Reason { reason });
    }
    Ok(record(recorded(id, act, now, Some(reason), Some((officer, Checks::none())))))
}
