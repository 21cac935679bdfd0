//! The rail paid the payee out. A refund after that leaves a claim on the payee, so refunds do not count here.

use super::super::{Change, PaymentEffect, PaymentRefusal, PaymentState, Stage};
use super::{Facts, Outcome, checked, has_room, nothing, too_early};
use crate::digest::Digest;
use crate::money::Amount;
use crate::time::Timestamp;

pub(super) fn pay_out(state: &PaymentState, amount: Amount, evidence: Digest, now: Timestamp) -> Outcome {
    let Some(money) = state.stage.money() else { return Err(PaymentRefusal::NoHold) };
    if state.evidence.contains(&evidence) {
        return nothing();
    }
    if money.captured == 0 {
        return match state.stage {
            Stage::Requested(..) | Stage::Capturing(..) => too_early(state),
            _ => Err(PaymentRefusal::NothingCameIn),
        };
    }
    let (payee, _) = money.terms.parted(money.captured);
    let minor = checked(money, amount, payee.saturating_sub(money.paid_out))?;
    has_room(state)?;
    Facts::of(money, now).with(Change::PaidOut { amount: minor, evidence }, PaymentEffect::KeepEvidence).done()
}
