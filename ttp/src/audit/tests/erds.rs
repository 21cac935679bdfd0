//! Evidence of registered deliveries: an honest arbiter's, and one fault at a time.

use super::exchange::{Court, DELTA_MS, HONEST, VERDICT, take};
use super::*;
use crate::evidence::{Envelope, ExchangeKind, OpsFact, Recorded as _};
use crate::exchange::erds::testing::{RULES, Script};
use crate::exchange::erds::{
    Clocked, ErdsFact, ErdsState, NoticeFault, Occurrence, RegisteredDelivery, Signed, end_of,
};
use crate::exchange::policy::{DeliveryPolicy, ExchangePolicy};
use crate::exchange::tag_of_verdict;
use crate::exchange::testing::{delivery, escrow_of, secret};
use crate::role::step;
use crate::statement::exchange::Outcome as Decided;
use crate::statement::exchange::cd_r::D1;
use crate::statement::exchange::erds::{ErdsEvent, ErdsEvidence, ErdsReason, RefuseReason};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

fn policy() -> Vec<u8> {
    ExchangePolicy { delivery: Some(RULES), ..ExchangePolicy::new(DELTA_MS, 5_000) }.to_bytes()
}

/// An arbiter with its ledger, and one registered delivery after the other.
struct Desk {
    court: Court,
    script: Script,
    state: ErdsState,
    submitted_at: Timestamp,
    was_used: bool,
    /// What a corrupt arbiter changes in what it tells of a decision.
    lie: fn(&mut ErdsFact),
    /// And in what it signs.
    forged: fn(&mut ErdsEvidence),
}

/// One that ends 600 s from now on.
fn script(now: Timestamp) -> Script {
    let (base, content) = delivery(Some(now.plus_secs(600).millis()));
    let mut named = D1 { policy: Digest::of(&policy()).into(), ..base };
    named.esc = escrow_of(&named, &secret(9));
    Script::of(named, content)
}

impl Desk {
    fn new() -> Self {
        let court = Court::of(&policy());
        let (script, submitted_at) = (script(court.now), court.now);
        let state = ErdsState::default();
        Self { court, script, state, submitted_at, was_used: false, lie: |_| (), forged: |_| () }
    }

    fn next(&mut self) {
        // Each begins at another moment, so that each has another name.
        self.court.pass(1);
        (self.script, self.state) = (script(self.court.now), ErdsState::default());
    }

    fn submit(&mut self, knows_recipient: bool) {
        self.submitted_at = self.court.now;
        let posting = Box::new(self.script.posting());
        self.happens(Occurrence::Submit { posting, knows_recipient });
    }

    fn accept(&mut self) {
        self.happens(Occurrence::Accept(Signed::from(&self.script.delivery.agreed.jws)));
    }

    fn refuse(&mut self) {
        let (signed, reason) = (Signed::from(&self.script.refuse), Some(RefuseReason::NotWanted));
        self.happens(Occurrence::Refuse { signed, reason });
    }

    /// The recipient asks for the key, and the run is decided; told here so many seconds later.
    fn release(&mut self, later: u64) {
        self.first_use();
        // Its key was used before.
        self.court.states.entry(Digest::default()).or_default();
        let at = self.court.now;
        self.court.ask(&take(&self.script.delivery, true), &HONEST);
        let verdict = self.verdict();
        self.court.pass(later);
        let d2 = Some(Signed::from(&self.script.delivery.agreed.jws));
        self.happens(Occurrence::Decided { outcome: Decided::Released, at, verdict, d2 });
    }

    fn collect(&mut self, at: Timestamp) {
        let (verdict, signed) = (self.verdict(), Signed::from(&self.script.delivery.resolve_r));
        self.happens(Occurrence::Collected { at, verdict, signed });
    }

    fn verdict(&self) -> Digest {
        let tag = tag_of_verdict(&self.script.x());
        let line = self.court.world.lines.iter().find(|line| line.entry.tags.as_slice() == [tag]);
        Digest(line.unwrap().entry.digest)
    }

    fn first_use(&mut self) {
        if !std::mem::replace(&mut self.was_used, true) {
            let first_use = OpsFact::KeyFirstUse { key: VERDICT };
            self.court.world.record(first_use, Aggregate::of_key(VERDICT), 1, &[], self.court.now, None);
        }
    }

    /// Decides, and records all of it.
    fn happens(&mut self, occurrence: Occurrence) {
        self.first_use();
        let posting = self.script.posting();
        let end = end_of(posting.t_exp, DELTA_MS, &self.court.outages);
        let (now, before) = (self.court.now, self.state.steps);
        let event_digest = match &occurrence {
            Occurrence::Submit { posting, .. } => posting.request,
            Occurrence::Refuse { signed, .. } => signed.request,
            _ => Digest::of(b"whatever showed it"),
        };
        let event = Clocked { occurrence, end, clock: ClockVerdict::Synced };
        let (facts, _) = step::<RegisteredDelivery>(&mut self.state, &event, now).unwrap();
        for (seq, mut fact) in (before..).zip(facts) {
            (self.lie)(&mut fact);
            let artefact = match &fact {
                ErdsFact::Submitted { .. } => self.script.delivery.posted.jws.clone(),
                ErdsFact::Recorded(recording) => {
                    let mut body = self.script.body(self.submitted_at, recording);
                    (self.forged)(&mut body);
                    self.script.sign(body)
                }
            };
            let aggregate = RegisteredDelivery::aggregate(&self.script.x());
            let policy_hash = Digest::of(b"policy");
            let envelope = Envelope { aggregate, seq, now, salt: [5; 16], policy_hash, event_digest };
            self.court.world.push(fact.into_fact(&envelope), Some(artefact.bytes().to_vec()), vec![]);
        }
    }
}

#[test]
fn an_honest_arbiter_of_registered_deliveries_is_decided_again_and_nothing_differs() {
    let mut desk = Desk::new();
    let DeliveryPolicy { retention_ms, .. } = RULES;
    // All goes well, and the key is collected with the request that decides.
    desk.submit(true);
    desk.happens(Occurrence::Notified(Ok(desk.court.now)));
    desk.court.pass(1);
    let at = desk.court.now;
    desk.release(0);
    desk.collect(at);
    // Told behind the end, and behind retention: it was in time.
    desk.next();
    desk.submit(true);
    desk.happens(Occurrence::Notified(Err(NoticeFault::Failed)));
    desk.court.pass(595);
    desk.release(10 + retention_ms / 1_000);
    desk.happens(Occurrence::Wake);
    // Nothing at all; then what comes too late.
    desk.next();
    desk.submit(true);
    desk.court.pass(601);
    desk.accept();
    desk.next();
    desk.submit(true);
    desk.refuse();
    desk.court.pass(601);
    desk.happens(Occurrence::Wake);
    desk.next();
    desk.submit(false);
    // Away over the end: it moved.
    desk.next();
    desk.submit(true);
    let from = desk.court.now;
    desk.court.pass(590);
    desk.court.away(from);
    desk.court.pass(30);
    desk.accept();
    desk.court.pass(DELTA_MS / 1_000);
    desk.happens(Occurrence::Wake);
    desk.next();
    desk.submit(true);
    desk.happens(Occurrence::Received(Signed::from(&desk.script.delivery.d4)));
    let report = desk.court.world.audit();
    assert_eq!(report.differences, []);
    let same = |kind| report.kinds[&Some(Kind::Exchange(kind))].same;
    assert_eq!((same(ExchangeKind::DeliverySubmitted), same(ExchangeKind::DeliveryEvent)), (7, 24));
}

#[track_caller]
fn lies(lie: fn(&mut ErdsFact), expected: &str) {
    let mut desk = Desk { lie, ..Desk::new() };
    desk.submit(true);
    desk.court.pass(1);
    desk.release(0);
    desk.court.pass(10);
    desk.happens(Occurrence::Wake);
    let found = desk.court.differences();
    assert!(found.iter().any(|what| what == expected), "{found:#?}");
}

#[test]
fn a_fact_that_could_not_have_come_about_differs() {
    fn of(fact: &mut ErdsFact, event: ErdsEvent, change: impl FnOnce(&mut crate::exchange::erds::Recording)) {
        if let ErdsFact::Recorded(recording) = fact
            && recording.event == event
        {
            change(recording);
        }
    }
    use ErdsEvent::{
        ConsignmentAcceptance, ContentConsignment, ContentHandoverFailure, NotificationForAcceptanceFailure,
        SubmissionAcceptance,
    };
    let other = "decided again, it is another";
    // What was missed, at another moment; and left out, so that the next does not follow.
    lies(|fact| of(fact, NotificationForAcceptanceFailure, |event| event.event_ms -= 1), other);
    lies(|fact| of(fact, ContentHandoverFailure, |event| event.event_ms += 1), other);
    // Not taken without a reason, and taken by another statement.
    let taken = "decided again, the delivery is taken otherwise, or not taken otherwise";
    lies(
        |fact| {
            of(fact, SubmissionAcceptance, |event| {
                (event.event, event.reason) = (ErdsEvent::SubmissionRejection, Some(ErdsReason::Expired));
            });
        },
        taken,
    );
    lies(|fact| of(fact, SubmissionAcceptance, |event| event.statement = None), taken);
    let verdict = "it rests on another verdict than the run's";
    lies(|fact| of(fact, ContentConsignment, |event| event.verdict = Some(Digest([1; 32]))), verdict);
    let told = "it says something else of the verdict than the run's history";
    lies(|fact| of(fact, ContentConsignment, |event| event.event_ms -= 1), told);
    let claimed = "its evidence rests on a statement that does not lead to it";
    lies(|fact| of(fact, ConsignmentAcceptance, |event| event.event_ms = 5), claimed);
    lies(
        |fact| {
            if let ErdsFact::Submitted { posting, .. } = fact {
                posting.rules.retention_ms += 1;
            }
        },
        "its rules are not those of its policy",
    );
    lies(
        |fact| {
            if let ErdsFact::Submitted { posting, .. } = fact {
                posting.t_exp = posting.t_exp.map(|t_exp| t_exp + 1);
            }
        },
        "what was submitted is something else than its fact says",
    );
}

/// An end that has not passed yet; and a key that nobody collected.
#[test]
fn nothing_is_missed_before_its_moment_and_nothing_handed_over_that_is_not() {
    let mut desk = Desk::new();
    desk.submit(true);
    desk.lie = |fact| {
        if let ErdsFact::Recorded(recording) = fact {
            (recording.event, recording.reason) = (ErdsEvent::AcceptanceRejectionExpiry, Some(ErdsReason::NoAnswer));
        }
    };
    desk.court.pass(1);
    desk.happens(Occurrence::Wake);
    assert!(desk.court.differences().contains(&"decided again, it is another".to_owned()));

    // The key was collected with the request that decided, and by no other, and at no other moment.
    let mut desk = Desk::new();
    desk.submit(true);
    desk.release(0);
    desk.collect(desk.court.now.plus_secs(1));
    let not_collected = "it says that the key was collected, and the run's history does not";
    assert_eq!(desk.court.differences(), [not_collected]);

    // Of a run that nobody has decided.
    let mut desk = Desk::new();
    desk.submit(true);
    let (at, verdict) = (desk.court.now, Digest([1; 32]));
    desk.happens(Occurrence::Decided { outcome: Decided::Released, at, verdict, d2: None });
    assert_eq!(desk.court.differences(), ["it rests on a verdict of a run that was not decided"]);
}

#[test]
fn evidence_that_says_something_else_than_its_fact_differs() {
    let of = |forged: fn(&mut ErdsEvidence)| {
        let mut desk = Desk { forged, ..Desk::new() };
        desk.submit(true);
        desk.court.differences()
    };
    assert_eq!(of(|_| ()), [""; 0]);
    let needs = ["its evidence says something else than its fact"];
    assert_eq!(of(|body| body.content.hm = Digest([1; 32]).into()), needs);
    assert_eq!(of(|body| std::mem::swap(&mut body.sender, &mut body.recipient)), needs);
    assert_eq!(of(|body| body.event_ms = body.submitted_ms.get().saturating_sub(1).try_into().unwrap()), needs);
    assert_eq!(of(|body| body.verdict = Some(Digest([1; 32]).into())), needs);
    assert_eq!(of(|body| body.basis.clear()), ["its evidence rests on another statement than its fact"]);
}
