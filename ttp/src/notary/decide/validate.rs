//! Answer a request of RFC 3029: a DVC, whatever was found. What cannot be taken up never becomes an event.

use super::super::{Journal, JournalEffect, JournalFact, JournalState, NotaryRefusal, Validate};
use super::{require_new, require_report, with_report};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn validate(
    state: &JournalState,
    event: &Validate,
    now: Timestamp,
) -> Result<Decided<Journal>, NotaryRefusal> {
    let Validate { id, service, request, requester, subject, serial, granted, report } = *event;
    require_new(state, id)?;
    require_report(service.validates(), report)?;
    let number = state.last + 1;
    let fact =
        JournalFact::Validated { id, number, at: now, service, request, requester, subject, serial, granted, report };
    Ok(with_report((vec![fact], vec![JournalEffect::SignDvc]), report, now))
}
