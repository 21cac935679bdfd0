//! The rail let a hold end, and says how much it gave back.

use super::super::rail::RailOp;
use super::super::{Change, Money, PaymentEffect, PaymentRefusal, PaymentState, Place, Stage};
use super::{Facts, Outcome, nothing, too_early};
use crate::digest::Digest;
use crate::money::Amount;
use crate::time::Timestamp;

pub(super) fn expire(state: &PaymentState, amount: Amount, evidence: Digest, now: Timestamp) -> Outcome {
    let Some(money) = state.stage.money() else { return Err(PaymentRefusal::NoHold) };
    match state.stage {
        Stage::Held(_) if money.place != Place::Escrowed => {}
        // The bank's hold is over, and the service has its money.
        Stage::Held(_) => return nothing(),
        // Whether the call came first, its own answer tells.
        Stage::Requested(..) | Stage::Escrowing(..) | Stage::Capturing(..) | Stage::Releasing(..) => {
            return too_early(state);
        }
        // Nothing is held any more.
        _ => return nothing(),
    }
    ended(money, None, amount, evidence, now)
}

/// The hold is over, by whatever call the rail told it. All that was held counts as ended; if the rail gave back more or less, the
/// difference goes into suspense, so that the book says what the rail says.
pub(super) fn ended(
    money: &Money,
    call: Option<(RailOp, u32)>,
    told: Amount,
    evidence: Digest,
    now: Timestamp,
) -> Outcome {
    if told.currency() != money.terms.amount.currency() {
        return Err(PaymentRefusal::OtherCurrency);
    }
    let (amount, place) = (money.rest(), money.place);
    let change = Change::Expired { call, amount, told: told.minor(), place, evidence };
    Facts::of(money, now).with(change, PaymentEffect::KeepEvidence).done()
}
