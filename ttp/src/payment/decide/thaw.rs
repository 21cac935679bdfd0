//! The case that stopped the exchange is over.

use super::super::{Change, PaymentEffect, PaymentRefusal, PaymentState};
use super::{Facts, Outcome};
use crate::digest::Digest;
use crate::time::Timestamp;

pub(super) fn thaw(state: &PaymentState, case: Digest, now: Timestamp) -> Outcome {
    let Some(money) = state.stage.money() else { return Err(PaymentRefusal::NoHold) };
    if state.frozen.is_none_or(|frozen| frozen.case != case) {
        return Err(PaymentRefusal::NotFrozen);
    }
    Facts::of(money, now).with(Change::Thawed { case }, PaymentEffect::Record).done()
}
