//! One side asks: the first request, or the end of the run, decides; every later one is answered with that.

use super::super::{
    ANOMALIES_MAX, ANSWERS_MAX, Ask, Decision, Demand, Exchange, ExchangeEffect, ExchangeFact, ExchangeRefusal,
    ExchangeState, KeyMoved,
};
use crate::role::Decided;
use crate::statement::exchange::{Outcome, Side};
use crate::time::Timestamp;

pub(super) fn ask(state: &ExchangeState, ask: &Ask, now: Timestamp) -> Result<Decided<Exchange>, ExchangeRefusal> {
    if state.answers_of(&ask.asker()) >= ANSWERS_MAX {
        return Err(ExchangeRefusal::TooManyAnswers);
    }
    let mut done = Vec::new();
    let moved = KeyMoved { x: ask.x, at: now, by: ask.asker(), request: ask.request };
    let outcome = match &state.decision {
        Some((_, decision)) => decision.outcome,
        None => {
            let decision = decision(ask, now);
            let outcome = decision.outcome;
            done.push((ExchangeFact::Decided(Box::new(decision)), ExchangeEffect::SignVerdict));
            // Out of the escrow the recipient gets it as well, but an escrow whose originator hands in the key was never opened.
            if outcome == Outcome::Released && ask.demand == Demand::Deposit {
                done.push((ExchangeFact::KeyDeposited(moved), ExchangeEffect::SealKey));
            }
            outcome
        }
    };
    let answered = ExchangeFact::Answered {
        x: ask.x,
        at: now,
        to: ask.asker(),
        request: ask.request,
        // What the responder's own run is known by: its answer says which of its runs has ended.
        c_r: ask.demand.c_r().filter(|_| ask.side == Side::Responder),
    };
    done.push((answered, ExchangeEffect::SignAnswer));
    if outcome == Outcome::Released && ask.side == Side::Responder && !state.is_collected {
        done.push((ExchangeFact::KeyCollected(moved), ExchangeEffect::HandKey));
    }
    if let Some(c_r) = contradicts(state, ask) {
        let anomaly = ExchangeFact::Anomaly { x: ask.x, at: now, by: ask.asker(), request: ask.request, c_r };
        done.push((anomaly, ExchangeEffect::KeepAnomaly));
    }
    Ok(done.into_iter().unzip())
}

fn decision(ask: &Ask, now: Timestamp) -> Decision {
    let outcome = match ask.demand {
        _ if ask.has_ended(now) => Outcome::Expired,
        Demand::Abort => Outcome::Aborted,
        Demand::Resolve { .. } => Outcome::Resolved,
        Demand::Take { opens: true } | Demand::Deposit => Outcome::Released,
        Demand::Take { opens: false } => Outcome::Void,
    };
    Decision {
        x: ask.x,
        at: now,
        protocol: ask.protocol,
        outcome,
        policy: ask.policy,
        assurance: ask.assurance,
        end: ask.end.clone(),
        o: ask.o,
        r: ask.r,
        side: ask.side,
        request: ask.request,
        c_r: ask.demand.c_r().filter(|_| outcome == Outcome::Resolved),
    }
}

/// A second answer of the responder in one run: another commitment than the verdict embeds, and not recorded yet.
fn contradicts(state: &ExchangeState, ask: &Ask) -> Option<crate::digest::Digest> {
    let (_, decided) = state.decision.as_ref()?;
    let (known, shown) = (decided.c_r?, ask.demand.c_r()?);
    let is_new = known != shown && !state.anomalies.contains(&shown) && state.anomalies.len() < ANOMALIES_MAX;
    is_new.then_some(shown)
}
