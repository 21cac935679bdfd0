//! End an act that nobody decided, or signed, in time.

use super::super::{Expire, Journal, JournalState, NotaryRefusal, Reason};
use super::{record, recorded};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn expire(state: &JournalState, event: &Expire, now: Timestamp) -> Result<Decided<Journal>, NotaryRefusal> {
    let Expire { id } = *event;
    let act = state.find(id)?;
    let expires_at = act.expires_at;
    if now < expires_at {
        return Err(NotaryRefusal::NotExpired { expires_at });
    }
    Ok(record(recorded(id, act, now, Some(Reason::Expired), None)))
}
