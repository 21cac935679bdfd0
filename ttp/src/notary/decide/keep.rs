//! Keep what came with a request: a step of the job that gave the act its number, which the audit holds it to.

use super::super::{Journal, JournalEffect, JournalFact, Keep, KeepPersonal};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn document(event: &Keep, now: Timestamp) -> Decided<Journal> {
    let Keep { id, place, document, size } = *event;
    (vec![JournalFact::Kept { id, at: now, place, document, size }], vec![JournalEffect::Seal])
}

pub(super) fn personal(event: &KeepPersonal, now: Timestamp) -> Decided<Journal> {
    let KeepPersonal { id, of } = *event;
    (vec![JournalFact::Personal { id, at: now, of }], vec![JournalEffect::Seal])
}
