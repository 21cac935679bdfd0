//! The decision about one occurrence: first what was awaited until its moment and did not come, then itself, then what was awaited since;
//! behind a verdict the latter waits for whatever is told or asked next.

mod party;
mod submit;
mod told;

use super::{
    Awaited, Clocked, ErdsEffect, ErdsFact, ErdsRefusal, ErdsState, Occurrence, Recording, RegisteredDelivery, apply,
};
use crate::digest::Digest;
use crate::exchange::expiry::End;
use crate::role::Decided;
use crate::statement::exchange::erds::{ErdsEvent, ErdsReason};
use crate::time::Timestamp;

pub(super) fn decide(
    state: &ErdsState,
    event: &Clocked,
    now: Timestamp,
) -> Result<Decided<RegisteredDelivery>, ErdsRefusal> {
    let Clocked { occurrence, end, clock } = event;
    // What is known is told whatever the clock says: it asserts nothing new.
    if !clock.may_issue() {
        return if is_known(state, occurrence) {
            Ok((vec![], vec![]))
        } else {
            Err(ErdsRefusal::Clock { verdict: *clock })
        };
    }
    let mut log = Log { state: state.clone(), now, done: vec![] };
    match (&state.submission, occurrence) {
        (None, Occurrence::Submit { posting, knows_recipient }) => {
            submit::submit(&mut log, posting, *knows_recipient, end);
            return Ok(log.done.into_iter().unzip());
        }
        (None, _) => return Err(ErdsRefusal::NotSubmitted),
        (Some(_), Occurrence::Submit { .. } | Occurrence::Wake) => {
            log.missed(end, now);
            return Ok(log.done.into_iter().unzip());
        }
        (Some(_), _) if state.has(ErdsEvent::SubmissionRejection) => return Err(ErdsRefusal::NotTaken),
        (Some(_), _) => {}
    }
    log.missed(end, occurrence.moment(now));
    let happened = match occurrence {
        Occurrence::Submit { .. } | Occurrence::Wake => Ok(()), // answered above
        Occurrence::Notified(left) => told::notified(&mut log, *left),
        Occurrence::Accept(signed) => party::accept(&mut log, signed),
        Occurrence::Refuse { signed, reason } => party::refuse(&mut log, signed, *reason),
        Occurrence::Decided { outcome, at, verdict, d2 } => {
            told::decided(&mut log, (*outcome, *at, *verdict), d2.as_ref())
        }
        Occurrence::Collected { at, verdict, signed } => told::collected(&mut log, (*at, *verdict), signed),
        Occurrence::Received(signed) => party::received(&mut log, signed),
    };
    // Behind a verdict the run's history may go on with the collection of the key, which nobody has told yet.
    if !matches!(occurrence, Occurrence::Decided { .. }) {
        log.missed(end, now);
    }
    match happened {
        // A moment that has passed has passed, by whatever it shows: whoever comes too late gets that.
        Err(refusal) if log.done.is_empty() => Err(refusal),
        _ => Ok(log.done.into_iter().unzip()),
    }
}

/// Whether this very occurrence is recorded already.
fn is_known(state: &ErdsState, occurrence: &Occurrence) -> bool {
    let rests_on = |event, request: &Digest| {
        state.events.get(&event).is_some_and(|logged| logged.statement.as_ref() == Some(request))
    };
    match occurrence {
        Occurrence::Submit { .. } => state.submission.is_some(),
        Occurrence::Accept(signed) => rests_on(ErdsEvent::ConsignmentAcceptance, &signed.request),
        Occurrence::Refuse { signed, .. } => rests_on(ErdsEvent::ConsignmentRejection, &signed.request),
        Occurrence::Received(signed) | Occurrence::Collected { signed, .. } => {
            rests_on(ErdsEvent::ContentHandover, &signed.request)
        }
        // What the shell tells, it tells again; whether a moment has passed, only a clock tells.
        Occurrence::Notified(_) | Occurrence::Decided { .. } | Occurrence::Wake => false,
    }
}

/// What is recorded by one decision.
struct Log {
    state: ErdsState,
    now: Timestamp,
    done: Vec<(ErdsFact, ErdsEffect)>,
}

/// What an event rests on.
#[derive(Clone, Copy, Default)]
struct Grounds {
    statement: Option<Digest>,
    verdict: Option<Digest>,
}

impl Log {
    fn push(&mut self, fact: ErdsFact, effect: ErdsEffect) {
        apply::apply(&mut self.state, &fact);
        self.done.push((fact, effect));
    }

    fn event(&mut self, event: ErdsEvent, event_ms: u64, reason: Option<ErdsReason>, grounds: Grounds) {
        self.record(event, event_ms, reason, grounds, Vec::new());
    }

    /// A positive event: one behind the negative one of its stage says so (rule 2).
    fn positive(&mut self, event: ErdsEvent, event_ms: u64, grounds: Grounds) {
        let is_late = self.state.events.keys().any(|other| other.stage() == event.stage() && !other.is_positive());
        self.event(event, event_ms, is_late.then_some(ErdsReason::AfterNegative), grounds);
    }

    fn record(
        &mut self,
        event: ErdsEvent,
        event_ms: u64,
        reason: Option<ErdsReason>,
        Grounds { statement, verdict }: Grounds,
        outages: Vec<u64>,
    ) {
        let Some((_, posting)) = &self.state.submission else { return };
        let asks_notice = event == ErdsEvent::SubmissionAcceptance && posting.notice;
        let effect = if asks_notice { ErdsEffect::SignAndNotify } else { ErdsEffect::SignEvidence };
        let (x, at) = (posting.x, self.now);
        let recording = Recording { x, at, event, event_ms, reason, statement, verdict, outages };
        self.push(ErdsFact::Recorded(Box::new(recording)), effect);
    }

    /// Rule 1: what was awaited no longer than until this moment did not come.
    fn missed(&mut self, end: &End, moment: Timestamp) {
        while let Some(Awaited { until, negative, reason }) = self.state.awaited(end).into_iter().next() {
            if !until.has_passed(moment) {
                return;
            }
            // Each is awaited until it is recorded, so this ends.
            self.record(negative, until.at_ms, Some(reason), Grounds::default(), until.outages);
        }
    }
}
