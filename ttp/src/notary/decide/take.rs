//! An officer takes an act, so that no two decide about it at once. Whoever does not decide in time may lose it to another.

use super::super::{Journal, JournalEffect, JournalFact, JournalState, NotaryRefusal, OpenAct, Stage, Take};
use crate::role::Decided;
use crate::time::Timestamp;

/// How long an act is kept for who took it, ms: a working day.
const TAKEN_MILLIS: u64 = 8 * 60 * 60 * 1_000;

/// From when on another officer may take what was taken then.
pub(super) fn lapses_at(taken_at: Timestamp) -> Timestamp {
    taken_at.plus_millis(TAKEN_MILLIS)
}

impl OpenAct {
    /// Until when nobody else may take it from the officer who has.
    #[must_use]
    pub fn taken_until(&self) -> Option<Timestamp> {
        self.taken.map(|(_, at)| lapses_at(at))
    }
}

pub(super) fn take(state: &JournalState, event: &Take, now: Timestamp) -> Result<Decided<Journal>, NotaryRefusal> {
    let Take { id, officer, officer_good } = *event;
    let act = state.find(id)?;
    if !officer_good {
        return Err(NotaryRefusal::OfficerNotGood);
    }
    if act.concerns(&officer) {
        return Err(NotaryRefusal::OwnAct);
    }
    if act.stage() == Stage::Collecting {
        return Err(NotaryRefusal::Stage { stage: Stage::Collecting });
    }
    match act.taken {
        // Taken again, it is kept for longer.
        Some((taken, at)) if !taken.is(&officer) && now < lapses_at(at) => {
            Err(NotaryRefusal::TakenByOther { until: lapses_at(at) })
        }
        _ => Ok((vec![JournalFact::Assigned { id, at: now, officer: Some(officer) }], vec![JournalEffect::Keep])),
    }
}
