//! The rail let a hold end.

use super::super::{Change, PaymentEffect, PaymentRefusal, PaymentState, Place, Stage};
use super::{Facts, Outcome, nothing, too_early};
use crate::digest::Digest;
use crate::time::Timestamp;

pub(super) fn expire(state: &PaymentState, evidence: Digest, now: Timestamp) -> Outcome {
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
    let (amount, place) = (money.rest(), money.place);
    let change = Change::Expired { call: None, amount, place, evidence: Some(evidence) };
    Facts::of(money, now).with(change, PaymentEffect::KeepEvidence).done()
}
