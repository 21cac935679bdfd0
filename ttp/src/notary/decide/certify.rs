//! Certify what the service alone can check: opened and ended in one.

use super::super::{Certify, Checks, Journal, JournalFact, JournalState, NotaryRefusal, RecordedAct};
use super::{record, require_new, require_report, with_report};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn certify(
    state: &JournalState,
    event: &Certify,
    now: Timestamp,
) -> Result<Decided<Journal>, NotaryRefusal> {
    let Certify { id, act, request, requester, subject, failed, report } = *event;
    require_new(state, id)?;
    require_report(act.has_report(), report)?;
    // What only a person sees is not certified here. What failed before is refused without one.
    let lacking = act.needs();
    if failed.is_none() && lacking != Checks::none() {
        return Err(NotaryRefusal::ChecksLacking { lacking });
    }
    let fact = JournalFact::Recorded(Box::new(RecordedAct {
        id,
        number: state.last + 1,
        at: now,
        opened_at: now,
        act,
        request,
        requester,
        subject,
        reason: failed,
        officer: None,
        checks: Checks::none(),
        report,
    }));
    Ok(with_report(record(fact), report, now))
}
