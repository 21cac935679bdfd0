//! The decisions about one paid run. In each: what time has decided counts first, then what has come, then what follows from it.

mod freeze;
mod show;
mod tell;

use super::{
    Cause, Clocked, Paid, PaidDecision, PaidEffect, PaidEvent, PaidFact, PaidRefusal, PaidState, Stage, Terms,
};
use crate::role::{Decided, Role as _};
use crate::statement::exchange::Outcome;
use crate::time::Timestamp;

use super::super::expiry::End;

pub(super) fn decide(state: &PaidState, event: &Clocked, now: Timestamp) -> Result<Decided<Paid>, PaidRefusal> {
    let mut work = Work { state: state.clone(), at: now, facts: Vec::new(), effects: Vec::new() };
    work.time(event);
    let taken = match &event.event {
        PaidEvent::Open(terms) => {
            work.open(terms);
            Ok(())
        }
        _ if state.terms.is_none() => Err(PaidRefusal::NotOpen),
        PaidEvent::Show(show) => show::show(&mut work, show, event),
        PaidEvent::Tell(tell) => {
            tell::tell(&mut work, tell);
            Ok(())
        }
        PaidEvent::Wake => Ok(()),
        PaidEvent::Freeze(freeze) => freeze::freeze(&mut work, freeze.case),
        PaidEvent::Thaw(thaw) => freeze::thaw(&mut work, thaw.case),
    };
    work.conclude(event);
    match taken {
        // What time has decided stands, whatever else was asked.
        Err(refusal) if work.facts.is_empty() => return Err(refusal),
        Err(_) | Ok(()) => {}
    }
    if work.facts.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    if !event.clock.may_issue() {
        return Err(PaidRefusal::Clock { verdict: event.clock });
    }
    let order = work.state.pending_move();
    // A rail that declined is asked again, by the same order.
    if order.is_some() && (order != state.pending_move() || work.state.declined > state.declined) {
        work.effects.extend(order.map(PaidEffect::Move));
    }
    Ok((work.facts, work.effects))
}

/// A decision in the making: the state with what was decided so far.
struct Work {
    state: PaidState,
    at: Timestamp,
    facts: Vec<PaidFact>,
    effects: Vec<PaidEffect>,
}

impl Work {
    fn push(&mut self, fact: PaidFact, effect: PaidEffect) {
        Paid::apply(&mut self.state, &fact);
        self.facts.push(fact);
        self.effects.push(effect);
    }

    fn open(&mut self, terms: &Terms) {
        // The same first statement again, or nothing at all: x covers the terms.
        if self.state.stage == Stage::None {
            let fact = PaidFact::Opened { at: self.at, terms: Box::new(terms.clone()) };
            self.push(fact, PaidEffect::KeepStatement);
        }
    }

    /// A deadline that has passed decides, unless a case has stopped the run.
    fn time(&mut self, event: &Clocked) {
        if self.state.frozen.is_some() {
            return;
        }
        if let Some((outcome, end)) = self.state.passed(event.delta_ms, &event.outages, self.at) {
            self.settle(outcome, Cause::Time, Some(end));
        }
    }

    /// What was reached is decided. What the rail has done is so whether or not a case has stopped the run.
    fn conclude(&mut self, event: &Clocked) {
        match self.state.reached {
            Some((outcome, cause)) if self.state.frozen.is_none() || cause == Cause::Money => {
                self.settle(outcome, cause, None);
            }
            Some(_) => {}
            // The stage that it has come to may be over already.
            None => self.time(event),
        }
    }

    fn settle(&mut self, outcome: Outcome, cause: Cause, end: Option<End>) {
        let Some(terms) = self.state.terms.clone() else { return };
        let basis = self.state.basis(outcome, cause).iter().map(|shelved| shelved.step).collect();
        let decision = PaidDecision {
            x: terms.x,
            at: self.at,
            protocol: terms.protocol,
            outcome,
            cause,
            policy: terms.policy,
            assurance: terms.assurance,
            end,
            payer: terms.payer.1,
            payee: terms.payee.1,
            basis,
        };
        self.push(PaidFact::Decided(Box::new(decision)), PaidEffect::SignVerdict);
    }
}
