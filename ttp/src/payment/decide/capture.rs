//! What is held, or a part of it, becomes the payee's: once. The rest goes back in the same breath.

use super::super::rail::RailOp;
use super::super::{Change, Order, PaymentEffect, PaymentRefusal, PaymentState, Place, Purpose, Stage};
use super::{Facts, Outcome, checked, not_allowed, nothing, ordered, release_of};
use crate::money::Amount;
use crate::time::Timestamp;

pub(super) fn capture(state: &PaymentState, amount: Amount, order: Order, now: Timestamp) -> Outcome {
    let Some(money) = ordered(state, &order)? else { return nothing() };
    if !matches!(state.stage, Stage::Held(_)) || money.captured > 0 {
        return not_allowed(state);
    }
    let minor = checked(money, amount, money.rest())?;
    let call = state.next_call(Purpose::Capture, RailOp::Capture, minor, order);
    let call = call.ok_or(PaymentRefusal::TooManyAttempts)?;
    let facts = Facts::of(money, now);
    if money.place != Place::Escrowed {
        return facts.asking(money, call).done();
    }
    // The service has the money: no rail is asked.
    let captured = Change::Captured { seq: call.seq, amount: minor, place: money.place, evidence: None };
    let facts = facts.with(Change::Requested { call }, PaymentEffect::Record).with(captured, PaymentEffect::Record);
    if minor == money.rest() {
        return facts.done();
    }
    let mut left = money.clone();
    left.captured = minor;
    let release = release_of(state, &left, order).ok_or(PaymentRefusal::TooManyAttempts)?;
    facts.asking(&left, release).done()
}
