//! Folds facts into the state of a registered delivery.

use super::{ErdsFact, ErdsState, Logged};

pub(super) fn apply(state: &mut ErdsState, fact: &ErdsFact) {
    let step = state.steps;
    state.steps += 1;
    match fact {
        ErdsFact::Submitted { at, posting } => state.submission = Some((*at, (**posting).clone())),
        ErdsFact::Recorded(recording) => {
            let logged = Logged { step, event_ms: recording.event_ms, statement: recording.statement };
            state.events.insert(recording.event, logged);
        }
    }
}
