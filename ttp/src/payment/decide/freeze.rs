//! A case stops what the exchange decides. A bank's hold that the case may outlive becomes money that the service has.

use super::super::{Change, Frozen, PaymentEffect, PaymentRefusal, PaymentState, Stage};
use super::{Facts, Outcome, conversion_of, not_allowed, nothing};
use crate::digest::Digest;
use crate::time::Timestamp;

pub(super) fn freeze(state: &PaymentState, case: Digest, needed_until: Timestamp, now: Timestamp) -> Outcome {
    let Some(money) = state.stage.money() else { return Err(PaymentRefusal::NoHold) };
    match &state.frozen {
        Some(frozen) if frozen.case != case => return Err(PaymentRefusal::Frozen { by: frozen.case }),
        // The same again; a case that lasts longer than it was thought is told once more.
        Some(frozen) if needed_until <= frozen.needed_until => return nothing(),
        Some(_) | None => {}
    }
    if matches!(state.stage, Stage::Declined(..) | Stage::Released(_) | Stage::Expired(_)) {
        return not_allowed(state);
    }
    let facts = Facts::of(money, now).with(Change::Frozen { case, needed_until }, PaymentEffect::Record);
    let is_held = matches!(state.stage, Stage::Held(_));
    match conversion_of(state, money, &Frozen { case, needed_until }).filter(|_| is_held) {
        Some(call) => facts.asking(money, call).done(),
        None => facts.done(),
    }
}
