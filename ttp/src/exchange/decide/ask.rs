//! One side asks: the first request, or the end of the run, decides; every later one is answered with that.

use super::super::{
    ANOMALIES_MAX, ANSWERS_MAX, Ask, Decision, Demand, Exchange, ExchangeEffect, ExchangeFact, ExchangeRefusal,
    ExchangeState,
};
use crate::role::Decided;
use crate::statement::exchange::{Outcome, Side};
use crate::time::Timestamp;

pub(super) fn ask(state: &ExchangeState, ask: &Ask, now: Timestamp) -> Result<Decided<Exchange>, ExchangeRefusal> {
    if state.answers_of(&ask.asker()) >= ANSWERS_MAX {
        return Err(ExchangeRefusal::TooManyAnswers);
    }
    let (mut facts, mut effects) = (Vec::new(), Vec::new());
    if state.decision.is_none() {
        facts.push(ExchangeFact::Decided(Box::new(decision(ask, now))));
        effects.push(ExchangeEffect::SignVerdict);
    }
    facts.push(ExchangeFact::Answered {
        x: ask.x,
        at: now,
        to: ask.asker(),
        request: ask.request,
        // What the responder's own run is known by: its answer says which of its runs has ended.
        c_r: ask.demand.c_r().filter(|_| ask.side == Side::Responder),
    });
    effects.push(ExchangeEffect::SignAnswer);
    if let Some(c_r) = contradicts(state, ask) {
        facts.push(ExchangeFact::Anomaly { x: ask.x, at: now, by: ask.asker(), request: ask.request, c_r });
        effects.push(ExchangeEffect::KeepAnomaly);
    }
    Ok((facts, effects))
}

fn decision(ask: &Ask, now: Timestamp) -> Decision {
    let outcome = match ask.demand {
        _ if ask.has_ended(now) => Outcome::Expired,
        Demand::Abort => Outcome::Aborted,
        Demand::Resolve { .. } => Outcome::Resolved,
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
