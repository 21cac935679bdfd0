//! Folds facts into the state of a paid run. It cannot fail: whether a fact fits its stage was decided before, and the audit says so.

use crate::statement::exchange::Outcome;
use crate::time::Timestamp;

use super::{Cause, Holding, PaidFact, PaidState, Shelved, Shown, Stage, Thing, Told};

pub(super) fn apply(state: &mut PaidState, fact: &PaidFact) {
    let step = state.steps;
    state.steps += 1;
    match fact {
        PaidFact::Opened { terms, .. } => {
            state.terms = Some(terms.clone());
            state.stage = Stage::Ordered;
        }
        PaidFact::Shown { at, what, statement, delivery, counts, .. } => {
            state.shown.push(Shelved { what: *what, statement: *statement, step, counts: *counts });
            if *counts {
                state.delivery = state.delivery.or(*delivery);
                shown(state, *what, *at);
            }
        }
        PaidFact::Told { what, source, .. } => {
            state.told.insert(*source);
            told(state, *what);
        }
        PaidFact::Frozen { case, .. } => state.frozen = Some(*case),
        PaidFact::Thawed { .. } => state.frozen = None,
        PaidFact::Decided(decision) => {
            state.decision = Some((step, (**decision).clone()));
            state.stage = Stage::Decided;
            state.reached = None;
            // What was declined before was another order.
            state.declined = 0;
        }
    }
}

fn shown(state: &mut PaidState, what: Shown, at: Timestamp) {
    let Some(terms) = &state.terms else { return };
    let (t_accept, t_exp) = (terms.t_accept, terms.t_exp);
    let until = at.millis().saturating_add(t_accept.unwrap_or_default());
    match what {
        Shown::Accepted => state.stage = Stage::Accepted,
        Shown::Shipped => state.stage = Stage::Shipped,
        Shown::HandedOver => arrived(state, until, &[Shown::HandedOver]),
        Shown::Received => reached(state, Outcome::Captured, &[Shown::Received]),
        Shown::Rejected => {
            state.stage = Stage::Rejected { due_ms: until.max(t_exp) };
            state.ground = vec![Shown::Rejected];
        }
        Shown::CancelledByPayer | Shown::CancelledByPayee if state.stage == Stage::Ordered => {
            reached(state, Outcome::Void, &[what]);
        }
        Shown::CancelledByPayer | Shown::CancelledByPayee => {
            let both = [Shown::CancelledByPayer, Shown::CancelledByPayee];
            if both.iter().all(|what| state.shown.iter().any(|known| known.what == *what && known.counts)) {
                let is_held = state.holding == Holding::Held;
                reached(state, if is_held { Outcome::Released } else { Outcome::Void }, &both);
            }
        }
        Shown::Receipt => {
            state.ground = vec![Shown::Receipt];
            if state.holding == Holding::Held {
                state.stage = Stage::Capturing;
            }
        }
        Shown::Posted => {}
        Shown::Delivered => arrived(state, until, &[Shown::Posted, Shown::Delivered]),
        Shown::Released => arrived(state, until, &[Shown::Released]),
        Shown::Returned => reached(state, Outcome::Released, &[Shown::Returned]),
    }
}

fn reached(state: &mut PaidState, outcome: Outcome, ground: &[Shown]) {
    state.reached = Some((outcome, Cause::Shown));
    state.ground = ground.to_vec();
}

/// Goods are there: the money is the seller's, after the time in which they may be rejected.
fn arrived(state: &mut PaidState, due_ms: u64, ground: &[Shown]) {
    if state.terms.as_ref().is_some_and(|terms| terms.t_accept.is_some()) {
        state.stage = Stage::HandedOver { due_ms };
        state.ground = ground.to_vec();
    } else {
        reached(state, Outcome::Captured, ground);
    }
}

fn told(state: &mut PaidState, what: Told) {
    let is_receipt = state.terms.as_ref().is_some_and(|terms| terms.thing == Thing::Receipt);
    let is_open = !matches!(state.stage, Stage::Decided | Stage::Closed);
    // What is told in another order than it happened changes nothing: the money goes one way.
    let fits = match what {
        Told::Held | Told::HoldDeclined => state.holding == Holding::Unknown,
        Told::Captured | Told::Released | Told::Ended | Told::Declined => state.holding == Holding::Held,
    };
    if !fits {
        return;
    }
    match what {
        Told::Held => state.holding = Holding::Held,
        Told::HoldDeclined => state.holding = Holding::Declined,
        Told::Captured => state.holding = Holding::Captured,
        Told::Released | Told::Ended => state.holding = Holding::Returned,
        Told::Declined => state.declined = state.declined.saturating_add(1),
    }
    if !is_open {
        return;
    }
    let decides = |outcome| Some((outcome, Cause::Money));
    match (what, state.stage) {
        (Told::Held, Stage::Accepted) => state.stage = Stage::Held,
        (Told::Held, Stage::Ordered) if is_receipt => {
            let in_hand = state.ground == [Shown::Receipt];
            state.stage = if in_hand { Stage::Capturing } else { Stage::Held };
        }
        (Told::HoldDeclined, _) => state.reached = decides(Outcome::Void),
        (Told::Captured, Stage::Capturing) => state.reached = decides(Outcome::Captured),
        (Told::Released | Told::Ended | Told::Declined, Stage::Capturing) => state.reached = decides(Outcome::Void),
        // Nobody has given anything yet.
        (Told::Ended, Stage::Held) if is_receipt => state.reached = decides(Outcome::Void),
        // No order of this run did that.
        (Told::Captured | Told::Released, _) => {
            state.stage = Stage::Closed;
            state.reached = None;
        }
        // The money is gone, and the goods may be there: whose it should be is decided all the same.
        (Told::Held | Told::Ended | Told::Declined, _) => {}
    }
}
