//! Folds facts into the state of an inline exchange.

use super::state::index;
use super::{Held, InlineFact, InlineState, Kept};

pub(super) fn apply(state: &mut InlineState, fact: &InlineFact) {
    let step = state.steps;
    state.steps += 1;
    match fact {
        InlineFact::Registered { at, agreement } => state.agreement = Some((*at, (**agreement).clone())),
        InlineFact::Submitted { moved, result, .. } => {
            state.deposits[index(moved.side)] = Some(Held { moved: *moved, result: *result, step, kept: None });
        }
        InlineFact::Kept { side, size, .. } => {
            if let Some(held) = &mut state.deposits[index(*side)] {
                held.kept = Some(Kept { step, size: *size });
            }
        }
        InlineFact::SubmissionRefused { moved, .. } => state.refused.push((moved.side, moved.request, step)),
        InlineFact::Waived { side, request, .. } => state.waived[index(*side)] = Some((*request, step)),
        InlineFact::Decided(decision) => state.decision = Some((step, (**decision).clone())),
        InlineFact::Collected { moved, .. } => state.collected[index(moved.side)] = true,
        InlineFact::Erased { .. } => state.is_erased = true,
    }
}
