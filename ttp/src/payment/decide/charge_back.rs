//! The payer's bank takes money back. Nobody is asked: it is recorded, and stands in suspense unless it was still held.

use super::super::{Change, PaymentEffect, PaymentRefusal, PaymentState, Place, Stage};
use super::{Facts, Outcome, checked, has_room, nothing, too_early};
use crate::digest::Digest;
use crate::money::Amount;
use crate::time::Timestamp;

pub(super) fn charge_back(state: &PaymentState, amount: Amount, evidence: Digest, now: Timestamp) -> Outcome {
    let Some(money) = state.stage.money() else { return Err(PaymentRefusal::NoHold) };
    if state.evidence.contains(&evidence) {
        return nothing();
    }
    match state.stage {
        Stage::Requested(..) => return too_early(state),
        // It overtook the answer by which the money came in.
        Stage::Capturing(..) | Stage::Escrowing(..) if money.place == Place::Auth => return too_early(state),
        Stage::Declined(..) => return Err(PaymentRefusal::NothingCameIn),
        _ if money.came_in() == 0 => return Err(PaymentRefusal::NothingCameIn),
        _ => {}
    }
    let minor = checked(money, amount, money.came_in().saturating_sub(money.charged_back))?;
    has_room(state)?;
    let ends_hold = matches!(state.stage, Stage::Held(_)) && money.captured == 0 && minor == money.rest();
    Facts::of(money, now)
        .with(Change::ChargedBack { amount: minor, ends_hold, evidence }, PaymentEffect::KeepEvidence)
        .done()
}
