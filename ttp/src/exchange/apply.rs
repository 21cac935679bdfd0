//! Folds facts into the state of a run.

use super::{ExchangeFact, ExchangeState, Given};

pub(super) fn apply(state: &mut ExchangeState, fact: &ExchangeFact) {
    let step = state.steps;
    state.steps += 1;
    match fact {
        ExchangeFact::Decided(decision) => state.decision = Some((step, (**decision).clone())),
        ExchangeFact::Answered { to, request, .. } => {
            state.answers.push(Given { to: *to, request: *request, step });
        }
        ExchangeFact::KeyDeposited { .. } => state.deposited = Some(step),
        ExchangeFact::KeyCollected { .. } => state.is_collected = true,
        ExchangeFact::Anomaly { c_r, .. } => {
            state.anomalies.insert(*c_r);
        }
    }
}
