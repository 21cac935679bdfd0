//! A call ended: by its own answer, by the answer to a question for its status, by a callback. All say the same, in any order and often.

use super::super::rail::{DeclineCode, RailClass, RailOp, rail_key};
use super::super::{Call, Change, Money, Moved, PaymentEffect, PaymentRefusal, PaymentState, Place, Purpose, Told};
use super::{Facts, Outcome, conversion_of, expire, has_room, nothing, release_of};
use crate::digest::Digest;
use crate::money::Amount;
use crate::time::Timestamp;

pub(super) fn outcome(state: &PaymentState, key: &Digest, told: &Told, now: Timestamp) -> Outcome {
    let Some(money) = state.stage.money() else { return Err(PaymentRefusal::NoHold) };
    let x = &money.terms.x;
    if let Some(call) = state.stage.call().filter(|call| rail_key(x, call.op, call.seq) == *key) {
        return match told {
            Told::Unknown => Ok((Vec::new(), vec![PaymentEffect::Poll(Box::new(money.rail_call(call)))])),
            Told::Declined(code) => declined(state, money, call, *code, now),
            Told::Ended { amount, evidence } => ended(state, money, call, (*amount, *evidence), now),
            Told::Done { amount, .. } if amount.currency() != money.terms.amount.currency() => {
                Err(PaymentRefusal::OtherCurrency)
            }
            Told::Done { amount, expires_at, evidence } => {
                let facts = difference(money, call, amount.minor(), *evidence, now);
                done(state, money, call, *expires_at, *evidence, facts)
            }
        };
    }
    let answered = state.answered.iter().find(|answered| rail_key(x, answered.op, answered.seq) == *key);
    let answered = answered.ok_or(PaymentRefusal::UnknownKey)?;
    match (answered.is_done, told) {
        // It says what was said.
        (_, Told::Unknown) | (true, Told::Done { .. }) | (false, Told::Declined(_) | Told::Ended { .. }) => nothing(),
        (true, Told::Declined(_) | Told::Ended { .. }) => Err(PaymentRefusal::TakenBack),
        (false, Told::Done { evidence, .. }) if state.evidence.contains(evidence) => nothing(),
        (false, Told::Done { amount, evidence, .. }) => {
            if amount.currency() != money.terms.amount.currency() {
                return Err(PaymentRefusal::OtherCurrency);
            }
            has_room(state)?;
            let moved = moved_by(answered.op, money.terms.class);
            let (op, seq, told, evidence) = (answered.op, answered.seq, amount.minor(), *evidence);
            let change = Change::Contradicted { op, seq, told, amount: told, moved, evidence };
            Facts::of(money, now).with(change, PaymentEffect::KeepEvidence).done()
        }
    }
}

/// Which way the service's money goes by an operation.
const fn moved_by(op: RailOp, class: RailClass) -> Moved {
    match (op, class) {
        (RailOp::Hold, RailClass::Funded) | (RailOp::Capture, RailClass::Auth) => Moved::In,
        (RailOp::Release, RailClass::Funded) | (RailOp::Refund, _) => Moved::Out,
        (RailOp::Hold | RailOp::Release, RailClass::Auth) | (RailOp::Capture, RailClass::Funded) => Moved::Not,
    }
}

/// The call counts with what was asked. If the rail did more or less, that goes into suspense first, so that the book says what the rail says.
fn difference(money: &Money, call: &Call, told: u64, evidence: Digest, now: Timestamp) -> Facts {
    let facts = Facts::of(money, now);
    let Call { op, seq, amount: asked, .. } = *call;
    if told == asked {
        return facts;
    }
    let moved = match (moved_by(op, money.terms.class), told > asked) {
        (Moved::Not, _) => Moved::Not,
        (Moved::In, true) | (Moved::Out, false) => Moved::In,
        (Moved::In, false) | (Moved::Out, true) => Moved::Out,
    };
    let change = Change::Contradicted { op, seq, told, amount: told.abs_diff(asked), moved, evidence };
    facts.with(change, PaymentEffect::KeepEvidence)
}

fn done(
    state: &PaymentState,
    money: &Money,
    call: &Call,
    expires_at: Option<Timestamp>,
    evidence: Digest,
    facts: Facts,
) -> Outcome {
    let Call { purpose, op, seq, amount, order } = *call;
    let place = money.place;
    let keep = PaymentEffect::KeepEvidence;
    match purpose {
        Purpose::Hold => {
            let facts = facts.with(Change::Held { expires_at, evidence }, keep);
            let held = Money { expires_at, ..money.clone() };
            converted(state, &held, facts)
        }
        Purpose::Escrow => facts.with(Change::Escrowed { seq, amount, evidence }, keep).done(),
        Purpose::Capture => {
            let facts = facts.with(Change::Captured { seq, amount, place, evidence: Some(evidence) }, keep);
            let left = Money { captured: amount, ..money.clone() };
            // Without a call that is left it stays held, and an order must release it.
            match release_of(state, &left, order).filter(|_| left.rest() > 0) {
                Some(release) => facts.asking(&left, release).done(),
                None => facts.done(),
            }
        }
        Purpose::Release => facts.with(Change::Released { op, seq, amount, place, evidence }, keep).done(),
        Purpose::Refund => facts.with(Change::Refunded { seq, amount, evidence }, keep).done(),
    }
}

fn declined(state: &PaymentState, money: &Money, call: &Call, code: DeclineCode, now: Timestamp) -> Outcome {
    let Call { purpose, op, seq, .. } = *call;
    let facts = Facts::of(money, now).with(Change::Declined { op, seq, code }, PaymentEffect::Record);
    // Held again, and meanwhile a case may have begun.
    if purpose == Purpose::Capture { converted_after(state, money, seq, facts) } else { facts.done() }
}

/// What was asked of a hold is declined since that has ended. What the service has itself does not end by itself, and neither does what was
/// never held: of that, it is declined and nothing more.
fn ended(state: &PaymentState, money: &Money, call: &Call, told: (Amount, Digest), now: Timestamp) -> Outcome {
    let of_hold = matches!(call.purpose, Purpose::Capture | Purpose::Release | Purpose::Escrow);
    if of_hold && money.place != Place::Escrowed {
        expire::ended(money, Some((call.op, call.seq)), told.0, told.1, now)
    } else {
        declined(state, money, call, DeclineCode::Expired, now)
    }
}

/// A hold that a case outlives is turned into escrow as soon as it is there.
fn converted(state: &PaymentState, money: &Money, facts: Facts) -> Outcome {
    let call = state.frozen.as_ref().and_then(|frozen| conversion_of(state, money, frozen));
    match call {
        Some(call) => facts.asking(money, call).done(),
        None => facts.done(),
    }
}

/// The same after a capture that was declined, whose number is taken.
fn converted_after(state: &PaymentState, money: &Money, seq: u32, facts: Facts) -> Outcome {
    let call = state.frozen.as_ref().and_then(|frozen| conversion_of(state, money, frozen));
    let call = call.map(|call| Call { seq: seq + 1, ..call }).filter(|call| call.seq < super::super::ATTEMPTS_MAX);
    match call {
        Some(call) => facts.asking(money, call).done(),
        None => facts.done(),
    }
}
