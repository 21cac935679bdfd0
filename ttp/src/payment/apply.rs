//! Folds facts into the state of a run's money. It cannot fail: a fact that does not fit the stage changes no stage, and the audit says so.

use crate::digest::Digest;

use super::rail::RailOp;
use super::{
    Answered, Call, Change, Frozen, Money, Moved, PaymentFact, PaymentState, Place, Purpose, Stage, Suspended,
};

pub(super) fn apply(state: &mut PaymentState, fact: &PaymentFact) {
    state.steps += 1;
    state.evidence.extend(fact.evidence());
    let ended = state.stage.call().copied();
    match &fact.change {
        Change::HoldRequested { terms, order } => {
            let amount = terms.amount.minor();
            let call = Call { purpose: Purpose::Hold, op: RailOp::Hold, seq: 0, amount, order: *order };
            state.stage = Stage::Requested(Box::new(Money::new((**terms).clone())), call);
        }
        Change::Requested { call } => moves(state, |money| match call.purpose {
            Purpose::Hold => Stage::Requested(money, *call),
            Purpose::Escrow => Stage::Escrowing(money, *call),
            Purpose::Capture => Stage::Capturing(money, *call),
            Purpose::Release => Stage::Releasing(money, *call),
            Purpose::Refund => Stage::Refunding(money, *call),
        }),
        Change::Held { expires_at, .. } => {
            answered(state, RailOp::Hold, 0, true, ended);
            moves(state, |mut money| {
                money.expires_at = *expires_at;
                Stage::Held(money)
            });
        }
        Change::Declined { op, seq, code } => {
            answered(state, *op, *seq, false, None);
            let purpose = ended.map(|call| call.purpose);
            moves(state, |money| match purpose {
                Some(Purpose::Hold) | None => Stage::Declined(money, *code),
                Some(Purpose::Refund) => settled(money),
                Some(Purpose::Escrow | Purpose::Capture | Purpose::Release) => Stage::Held(money),
            });
        }
        Change::Captured { seq, amount, evidence, .. } => {
            answered(state, RailOp::Capture, *seq, true, ended);
            moves(state, |mut money| {
                money.captured = money.captured.saturating_add(*amount);
                // What the service had itself was taken by the call that brought it in.
                if evidence.is_some() {
                    money.capture_seq = Some(*seq);
                }
                if money.rest() > 0 { Stage::Held(money) } else { settled(money) }
            });
        }
        Change::Released { op, seq, amount, .. } => {
            answered(state, *op, *seq, true, ended);
            moves(state, |mut money| {
                money.returned = money.returned.saturating_add(*amount);
                if money.captured > 0 { settled(money) } else { Stage::Released(money) }
            });
        }
        Change::Refunded { seq, amount, .. } => {
            answered(state, RailOp::Refund, *seq, true, ended);
            moves(state, |mut money| {
                money.refunded = money.refunded.saturating_add(*amount);
                settled(money)
            });
        }
        Change::Expired { call, amount, told, place, evidence } => {
            suspend_difference(state, *amount, *told, *place, *evidence);
            if let Some((op, seq)) = call {
                answered(state, *op, *seq, false, None);
            }
            moves(state, |mut money| {
                money.returned = money.returned.saturating_add(*amount);
                if money.captured > 0 { settled(money) } else { Stage::Expired(money) }
            });
        }
        Change::Escrowed { seq, .. } => {
            answered(state, RailOp::Capture, *seq, true, None);
            moves(state, |mut money| {
                money.place = Place::Escrowed;
                money.capture_seq = Some(*seq);
                Stage::Held(money)
            });
        }
        Change::ChargedBack { amount, ends_hold, evidence } => charged_back(state, *amount, *ends_hold, *evidence),
        Change::Frozen { case, needed_until } => {
            state.frozen = Some(Frozen { case: *case, needed_until: *needed_until });
        }
        Change::Thawed { .. } => state.frozen = None,
        Change::PaidOut { amount, .. } => {
            if let Some(money) = money_of(&mut state.stage) {
                money.paid_out = money.paid_out.saturating_add(*amount);
            }
        }
        Change::Contradicted { amount, moved, evidence, .. } => {
            let (item, is_contradiction) = (*evidence, true);
            state.suspense.push(Suspended { item, moved: *moved, amount: *amount, is_contradiction, bearer: None });
        }
        Change::Cleared { item, bearer, .. } => {
            for suspended in state.suspense.iter_mut().filter(|suspended| suspended.item == *item) {
                suspended.bearer = Some(*bearer);
            }
        }
    }
}

/// A call's answer is known; of a call that is done, its order is carried out.
fn answered(state: &mut PaymentState, op: RailOp, seq: u32, is_done: bool, carried_out: Option<Call>) {
    state.answered.push(Answered { op, seq, is_done });
    state.orders.extend(carried_out.map(|call| call.order.id));
}

/// What the rail kept of a hold that ended, or gave back beyond it: nobody knows yet whose that is.
fn suspend_difference(state: &mut PaymentState, held: u64, told: u64, place: Place, item: Digest) {
    if told == held {
        return;
    }
    let moved = match (place, told < held) {
        (Place::Auth, _) => Moved::Not,
        (Place::Funded | Place::Escrowed, true) => Moved::In,
        (Place::Funded | Place::Escrowed, false) => Moved::Out,
    };
    let (amount, is_contradiction) = (told.abs_diff(held), true);
    state.suspense.push(Suspended { item, moved, amount, is_contradiction, bearer: None });
}

fn charged_back(state: &mut PaymentState, amount: u64, ends_hold: bool, item: Digest) {
    if !ends_hold {
        let (moved, is_contradiction) = (Moved::Out, false);
        state.suspense.push(Suspended { item, moved, amount, is_contradiction, bearer: None });
    }
    if let Some(money) = money_of(&mut state.stage) {
        money.charged_back = money.charged_back.saturating_add(amount);
        if ends_hold {
            money.returned = money.returned.saturating_add(amount);
        }
    }
    // While a call is under way, the stage is the call's, and follows from the amounts when that ends.
    let follows = ends_hold || matches!(state.stage, Stage::Captured(_) | Stage::Refunded(_));
    if follows {
        moves(state, Stage::ChargedBack);
    }
}

/// Where money stands that was captured, and of which nothing is held any more.
fn settled(money: Box<Money>) -> Stage {
    if money.charged_back > 0 {
        Stage::ChargedBack(money)
    } else if money.refunded > 0 {
        Stage::Refunded(money)
    } else {
        Stage::Captured(money)
    }
}

fn moves(state: &mut PaymentState, to: impl FnOnce(Box<Money>) -> Stage) {
    let stage = std::mem::take(&mut state.stage);
    state.stage = match stage {
        Stage::None => Stage::None,
        Stage::Requested(money, _)
        | Stage::Declined(money, _)
        | Stage::Held(money)
        | Stage::Escrowing(money, _)
        | Stage::Capturing(money, _)
        | Stage::Releasing(money, _)
        | Stage::Captured(money)
        | Stage::Refunding(money, _)
        | Stage::Refunded(money)
        | Stage::ChargedBack(money)
        | Stage::Released(money)
        | Stage::Expired(money) => to(money),
    };
}

fn money_of(stage: &mut Stage) -> Option<&mut Money> {
    match stage {
        Stage::None => None,
        Stage::Requested(money, _)
        | Stage::Declined(money, _)
        | Stage::Held(money)
        | Stage::Escrowing(money, _)
        | Stage::Capturing(money, _)
        | Stage::Releasing(money, _)
        | Stage::Captured(money)
        | Stage::Refunding(money, _)
        | Stage::Refunded(money)
        | Stage::ChargedBack(money)
        | Stage::Released(money)
        | Stage::Expired(money) => Some(money),
    }
}
