//! What is held goes back.

use super::super::{Order, PaymentRefusal, PaymentState, Stage};
use super::{Facts, Outcome, not_allowed, nothing, ordered, release_of};
use crate::time::Timestamp;

pub(super) fn release(state: &PaymentState, order: Order, now: Timestamp) -> Outcome {
    let Some(money) = ordered(state, &order)? else { return nothing() };
    if !matches!(state.stage, Stage::Held(_)) {
        return not_allowed(state);
    }
    let call = release_of(state, money, order).ok_or(PaymentRefusal::TooManyAttempts)?;
    Facts::of(money, now).asking(money, call).done()
}
