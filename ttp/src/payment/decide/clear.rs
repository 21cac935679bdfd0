//! A verdict or a settlement says who bears an amount in suspense.

use super::super::{Bearer, Change, ClearedBy, Order, PaymentEffect, PaymentRefusal, PaymentState};
use super::{Facts, Outcome, may_move, nothing};
use crate::digest::Digest;
use crate::time::Timestamp;

pub(super) fn clear(state: &PaymentState, item: Digest, bearer: Bearer, order: Order, now: Timestamp) -> Outcome {
    let Some(money) = state.stage.money() else { return Err(PaymentRefusal::NoHold) };
    let suspended = state.suspense.iter().find(|suspended| suspended.item == item);
    let suspended = suspended.ok_or(PaymentRefusal::UnknownItem)?;
    // That the rail made it good only the rail says.
    if order.by.case().is_none() || bearer == Bearer::Rail {
        return Err(PaymentRefusal::NeedsVerdict);
    }
    may_move(state, &order)?;
    match suspended.bearer {
        Some(known) if known == bearer => return nothing(),
        Some(_) => return Err(PaymentRefusal::AlreadyCleared),
        None => {}
    }
    let (moved, amount) = (suspended.moved, suspended.amount);
    let change = Change::Cleared { item, moved, amount, bearer, by: ClearedBy::Order(order) };
    Facts::of(money, now).with(change, PaymentEffect::Record).done()
}
