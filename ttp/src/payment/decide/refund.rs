//! Of what was captured, a part or all goes back.

use super::super::rail::RailOp;
use super::super::{Order, PaymentRefusal, PaymentState, Purpose, Stage};
use super::{Facts, Outcome, checked, not_allowed, nothing, ordered};
use crate::money::Amount;
use crate::time::Timestamp;

pub(super) fn refund(state: &PaymentState, amount: Amount, order: Order, now: Timestamp) -> Outcome {
    let Some(money) = ordered(state, &order)? else { return nothing() };
    match state.stage {
        Stage::Captured(_) | Stage::Refunded(_) => {}
        // Of what the bank has not taken back, once it is known who bears what it has.
        Stage::ChargedBack(_) if money.refundable() > 0 && !state.has_open_chargeback() => {}
        _ => return not_allowed(state),
    }
    let minor = checked(money, amount, money.refundable())?;
    let call = state.next_call(Purpose::Refund, RailOp::Refund, minor, order);
    let call = call.ok_or(PaymentRefusal::TooManyAttempts)?;
    Facts::of(money, now).asking(money, call).done()
}
