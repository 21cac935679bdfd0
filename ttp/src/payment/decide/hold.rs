//! Money is to be held: asked for once in a run.

use super::super::rail::RailOp;
use super::super::{Call, Change, Money, Order, PaymentEffect, PaymentRefusal, PaymentState, Purpose, Stage, Terms};
use super::{Facts, Outcome, nothing};
use crate::money::BPS_WHOLE;
use crate::time::Timestamp;

pub(super) fn hold(state: &PaymentState, terms: &Terms, order: Order, now: Timestamp) -> Outcome {
    if state.stage != Stage::None {
        let again = state.knows_order(&order) && state.stage.money().is_some_and(|money| money.terms == *terms);
        return if again { nothing() } else { Err(PaymentRefusal::AlreadyHeld) };
    }
    if terms.amount.is_zero() {
        return Err(PaymentRefusal::NothingAsked);
    }
    if terms.fee_bps > BPS_WHOLE {
        return Err(PaymentRefusal::Fee);
    }
    if terms.payer == terms.payee {
        return Err(PaymentRefusal::SameParty);
    }
    if terms.until <= now {
        return Err(PaymentRefusal::Ended);
    }
    let money = Money::new(terms.clone());
    let call = Call { purpose: Purpose::Hold, op: RailOp::Hold, seq: 0, amount: terms.amount.minor(), order };
    let effect = PaymentEffect::Call(Box::new(money.rail_call(&call)));
    Facts::of(&money, now).with(Change::HoldRequested { terms: Box::new(terms.clone()), order }, effect).done()
}
