//! An officer gives an act back.

use super::super::{Journal, JournalEffect, JournalFact, JournalState, NotaryRefusal, Release};
use super::take::lapses_at;
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn release(
    state: &JournalState,
    event: &Release,
    now: Timestamp,
) -> Result<Decided<Journal>, NotaryRefusal> {
    let Release { id, officer } = *event;
    match state.find(id)?.taken {
        // Also with a certificate that is not good any more: then all the more.
        Some((taken, _)) if taken.is(&officer) => {
            Ok((vec![JournalFact::Assigned { id, at: now, officer: None }], vec![JournalEffect::Keep]))
        }
        Some((_, at)) => Err(NotaryRefusal::TakenByOther { until: lapses_at(at) }),
        None => Err(NotaryRefusal::NotTaken),
    }
}
