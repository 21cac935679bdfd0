//! The rail makes good what is in suspense: it takes back what it had done, or a bank gives a chargeback back.

use super::super::{Bearer, Change, ClearedBy, PaymentEffect, PaymentRefusal, PaymentState};
use super::{Facts, Outcome, has_room, nothing};
use crate::digest::Digest;
use crate::time::Timestamp;

pub(super) fn make_good(state: &PaymentState, item: Digest, evidence: Digest, now: Timestamp) -> Outcome {
    let Some(money) = state.stage.money() else { return Err(PaymentRefusal::NoHold) };
    if state.evidence.contains(&evidence) && evidence != item {
        return nothing();
    }
    let suspended = state.suspense.iter().find(|suspended| suspended.item == item);
    let suspended = suspended.ok_or(PaymentRefusal::UnknownItem)?;
    match suspended.bearer {
        Some(Bearer::Rail) => return nothing(),
        Some(Bearer::Payee | Bearer::Service) => return Err(PaymentRefusal::AlreadyCleared),
        None => has_room(state)?,
    }
    let (moved, amount) = (suspended.moved, suspended.amount);
    let change = Change::Cleared { item, moved, amount, bearer: Bearer::Rail, by: ClearedBy::Rail(evidence) };
    Facts::of(money, now).with(change, PaymentEffect::KeepEvidence).done()
}
