//! What somebody could try to make the evidence of a delivery prove, and what a judge makes of it. Each attack is shown to change what a
//! judge finds, beside the honest evidence of the same events.

use super::testing::{Case, NOTICE, RETENTION, RULES, START, Script, T_EXP, millis};
use super::*;
use crate::exchange::Broken;
use crate::exchange::judge::erds::{Evidence, Judgement, Proven, judge};
use crate::exchange::judge::{Filed, Finding};
use crate::exchange::testing::{PEOPLE, delivery, keys, secret};
use crate::statement::exchange::cd_r::{D1, D4};
use crate::statement::exchange::erds::{
    ErdsEvent, ErdsEvidence, ErdsReason, ErdsStage, EventReason, Refuse, RefuseReason, Submit, evidence_id,
};
use crate::statement::exchange::{Outcome, Side};
use crate::statement::{Count, Jws};
use ErdsEvent::{
    AcceptanceRejectionExpiry as C5, ConsignmentAcceptance as C3, ConsignmentRejection as C4,
    ContentConsignment as D1Event, ContentConsignmentFailure as D2Event, ContentHandover as E1,
    ContentHandoverFailure as E2, NotificationForAcceptance as C1, NotificationForAcceptanceFailure as C2,
    SubmissionAcceptance as A1, SubmissionRejection as A2,
};

impl Case {
    fn judged_of(&self, events: Vec<Jws>) -> Judgement {
        let filed = |jws: Jws| Filed { jws, is_logged: true };
        let verdicts = self.verdicts.iter().cloned().map(filed).collect();
        let first = self.script.delivery.posted.jws.clone();
        let evidence = Evidence { first, events: events.into_iter().map(filed).collect(), verdicts, rules: self.rules };
        judge(&evidence, &keys).unwrap()
    }

    fn judged(&self) -> Judgement {
        self.judged_of(self.bodies.iter().map(|body| self.script.sign(body.clone())).collect())
    }

    /// What a judge finds where the arbiter has signed this instead.
    fn forged(&self, event: ErdsEvent, forge: impl FnOnce(&mut ErdsEvidence)) -> Judgement {
        let mut body = self.body(event);
        forge(&mut body);
        self.judged_of(vec![self.script.sign(body)])
    }
}

fn proven(judgement: &Judgement) -> Vec<(&'static str, Option<&'static str>)> {
    judgement.stages.values().map(|proven| (proven.event.letter(), proven.beside.map(ErdsEvent::letter))).collect()
}

/// Honest evidence, in any order, proves its events, and convicts nobody.
#[track_caller]
fn honest(case: &Case, expected: &[(&'static str, Option<&'static str>)]) -> Judgement {
    let judgement = case.judged();
    assert_eq!(proven(&judgement), expected);
    assert!(judgement.findings.is_empty() && judgement.rejected.is_empty(), "{judgement:?}");
    let backwards = case.bodies.iter().rev().map(|body| case.script.sign(body.clone())).collect();
    assert_eq!(case.judged_of(backwards), judgement);
    judgement
}

/// The arbiter has signed what does not hold: it is convicted of that, and proves nothing.
#[track_caller]
fn convicted(judgement: &Judgement, finding: Finding) {
    assert_eq!(judgement.findings.iter().collect::<Vec<_>>(), [&finding]);
    assert!(judgement.stages.is_empty(), "{judgement:?}");
}

fn released() -> Case {
    let mut case = Case::new();
    case.at(START + 5, Occurrence::Notified(Ok(Timestamp::from_millis(START + 4))));
    let verdict = case.decided(Outcome::Released, START + 10);
    case.collected(verdict, START + 20);
    case
}

#[test]
fn honest_evidence_proves_what_happened_and_for_whom() {
    let judgement = honest(&released(), &[("A.1", None), ("C.1", None), ("C.3", None), ("D.1", None), ("E.1", None)]);
    assert!(judgement.stages.values().all(|proven| proven.is_for == Side::Originator));
    let admitted = |judgement: &Judgement, stage| judgement.stages[&stage].is_admitted;
    assert!(admitted(&judgement, ErdsStage::Acceptance) && !admitted(&judgement, ErdsStage::Handover));
    // d4 instead of a collection: the recipient's own word.
    let mut received = Case::new();
    received.at(START + 6, Occurrence::Received(Signed::from(&received.script.delivery.d4)));
    let judgement = honest(&received, &[("A.1", None), ("E.1", None)]);
    assert!(admitted(&judgement, ErdsStage::Handover));
    // Nobody does anything.
    let mut quiet = Case::new();
    quiet.at(T_EXP + 1, Occurrence::Wake);
    let judgement = honest(&quiet, &[("A.1", None), ("C.2", None), ("C.5", None)]);
    let expected = Proven {
        event: C5,
        is_for: Side::Responder,
        at_ms: T_EXP + 1,
        reason: Some(ErdsReason::NoAnswer),
        beside: None,
        is_admitted: false,
    };
    assert_eq!(judgement.stages[&ErdsStage::Acceptance], expected);
    // Refused; taken back; rubbish in the escrow; kept and not collected; not taken.
    let mut refused = Case::new();
    let reason = Some(RefuseReason::NotWanted);
    refused.at(START + 7, Occurrence::Refuse { signed: Signed::from(&refused.script.refuse), reason });
    refused.at(T_EXP + 1, Occurrence::Wake);
    let judgement = honest(&refused, &[("A.1", None), ("C.4", None), ("D.2", None)]);
    assert!(admitted(&judgement, ErdsStage::Acceptance));
    for (outcome, expected) in [
        (Outcome::Aborted, &[("A.1", None), ("D.2", None)][..]),
        (Outcome::Void, &[("A.1", None), ("C.3", None), ("D.2", None)]),
    ] {
        let mut case = Case::new();
        case.decided(outcome, START + 10);
        honest(&case, expected);
    }
    let mut kept = Case::new();
    kept.decided(Outcome::Released, START + 10);
    kept.at(START + 10 + RETENTION + 1, Occurrence::Wake);
    honest(&kept, &[("A.1", None), ("C.3", None), ("D.1", None), ("E.2", None)]);
    honest(&Case::of(Script::new(Some(T_EXP)), false), &[("A.2", None)]);
    honest(&Case::of(Script::new(None), true), &[("A.2", None)]);
}

/// Rule 2, as a judge keeps it: the policy says whether what came too late counts.
#[test]
fn erds_late_acceptance() {
    let mut case = Case::new();
    case.accept(T_EXP + 5);
    let judgement = honest(&case, &[("A.1", None), ("C.2", None), ("C.5", Some("C.3"))]);
    assert_eq!(judgement.stages[&ErdsStage::Acceptance].is_for, Side::Responder);
    case.rules.late_counts = true;
    let judgement = honest(&case, &[("A.1", None), ("C.2", None), ("C.3", Some("C.5"))]);
    assert_eq!(judgement.stages[&ErdsStage::Acceptance].is_for, Side::Originator);
}

/// A negative event behind the positive one is a lie, and does not undo it.
#[test]
fn erds_negative_after_positive() {
    let mut accepted = Case::new();
    accepted.accept(START + 10);
    let mut quiet = Case::new();
    quiet.at(T_EXP + 1, Occurrence::Wake);
    let both = [accepted.body(C3), quiet.body(C5)].map(|body| accepted.script.sign(body));
    let judgement = accepted.judged_of(both.into());
    assert_eq!(proven(&judgement), [("C.3", Some("C.5"))]);
    assert_eq!(judgement.findings.into_iter().collect::<Vec<_>>(), [Finding::AgainstTheRules]);
    // Nor is it excused by calling the positive one late that was recorded first.
    let mut late = accepted.body(C3);
    late.reasons = vec![EventReason::from(ErdsReason::AfterNegative)];
    let both = [late, quiet.body(C5)].map(|body| accepted.script.sign(body));
    let judgement = accepted.judged_of(both.into());
    assert_eq!(proven(&judgement), [("C.3", Some("C.5"))]);
    assert!(judgement.findings.contains(&Finding::AgainstTheRules));
}

/// E.1 where nobody collected anything: without the recipient's request, with another statement, with that of another delivery.
#[test]
fn erds_handover_without_collection() {
    let case = released();
    let text = |jws: &Jws| vec![String::from_utf8(jws.bytes().to_vec()).unwrap()];
    convicted(&case.forged(E1, |body| body.basis.clear()), Finding::AgainstTheRules);
    let d2 = &case.script.delivery.agreed.jws;
    convicted(&case.forged(E1, |body| body.basis = text(d2)), Finding::AgainstTheRules);
    convicted(&case.forged(E1, |body| (body.basis, body.verdict) = (text(d2), None)), Finding::AgainstTheRules);
    convicted(&case.forged(E1, |body| body.verdict = Some(Digest([1; 32]).into())), Finding::AgainstTheRules);
    let other = Script::new(Some(T_EXP + 1));
    let (request, d4) = (&other.delivery.resolve_r, &other.delivery.d4);
    convicted(&case.forged(E1, |body| body.basis = text(request)), Finding::AgainstTheRules);
    convicted(&case.forged(E1, |body| (body.basis, body.verdict) = (text(d4), None)), Finding::AgainstTheRules);
    // A receipt for something else.
    let hm = Digest([3; 32]).into();
    let d4 = PEOPLE.r.sign(Some(case.script.x()), D4 { hm });
    convicted(&case.forged(E1, |body| (body.basis, body.verdict) = (text(&d4), None)), Finding::AgainstTheRules);
    // The originator's own request, in the recipient's name.
    let by_o = PEOPLE.o.sign(Some(case.script.x()), crate::statement::exchange::cd_r::ResolveR {});
    convicted(&case.forged(E1, |body| body.basis = text(&by_o)), Finding::AgainstTheRules);
}

/// Before the moment has passed nothing was missed, and another moment is not the one that was awaited.
#[test]
fn erds_expiry_before_end() {
    let mut case = Case::new();
    case.at(T_EXP + 1, Occurrence::Wake);
    let early = |body: &mut ErdsEvidence| (body.event_ms, body.at_ms) = (millis(T_EXP - 1), millis(T_EXP));
    convicted(&case.forged(C5, early), Finding::OutOfTime);
    convicted(&case.forged(C5, |body| body.at_ms = millis(T_EXP)), Finding::OutOfTime);
    convicted(&case.forged(C5, |body| body.event_ms = millis(T_EXP - 1)), Finding::OutOfTime);
    let with_outage = |body: &mut ErdsEvidence| {
        early(body);
        body.outages = vec![Count::new(12).unwrap()];
    };
    convicted(&case.forged(C5, with_outage), Finding::OutOfTime);
    convicted(&case.forged(C2, |body| body.event_ms = millis(START + NOTICE - 1)), Finding::OutOfTime);
    let mut kept = Case::new();
    kept.decided(Outcome::Released, START + 10);
    kept.at(START + 10 + RETENTION + 1, Occurrence::Wake);
    convicted(&kept.forged(E2, |body| body.event_ms = millis(START + RETENTION)), Finding::OutOfTime);
    // Of a delivery without end nothing expires.
    let endless = Case::of(Script::new(None), true);
    let body = ErdsEvidence { id: evidence_id(&endless.script.x(), C5).into(), ..case.body(C5) };
    convicted(&endless.judged_of(vec![endless.script.sign(body)]), Finding::AgainstTheRules);
}

/// Evidence is of one run, and of what that run's d1 says.
#[test]
fn erds_other_run() {
    let (case, other) = (released(), Script::new(Some(T_EXP + 1)));
    let rejected = |judgement: Judgement, expected: fn(&Broken) -> bool| {
        assert!(judgement.stages.is_empty() && judgement.findings.is_empty(), "{judgement:?}");
        assert!(matches!(&judgement.rejected[..], [(_, why)] if expected(why)), "{judgement:?}");
    };
    let of_other = other.sign(case.body(E1));
    rejected(case.judged_of(vec![of_other]), |why| matches!(why, Broken::OtherRun { .. }));
    let is_terms: fn(&Broken) -> bool = |why| matches!(why, Broken::Terms { .. });
    rejected(case.forged(E1, |body| body.content.hm = Digest([1; 32]).into()), is_terms);
    rejected(case.forged(E1, |body| body.recipient = body.sender), is_terms);
    rejected(case.forged(E1, |body| body.policy = Digest([1; 32]).into()), is_terms);
    rejected(case.forged(E1, |body| body.issuer.key = body.sender.key), is_terms);
    // The identifier of another event, and one event passed off as another.
    rejected(case.forged(E1, |body| body.id = evidence_id(&case.script.x(), D1Event).into()), is_terms);
    rejected(case.forged(C1, |body| body.event = C3), is_terms);
    // By somebody else, and without its entry.
    let body = case.body(E1);
    let by_r = PEOPLE.r.sign_at(body.at_ms, Some(case.script.x()), body.clone());
    rejected(case.judged_of(vec![by_r]), |why| matches!(why, Broken::OtherArbiter { .. }));
    let events = vec![Filed { jws: case.script.sign(body), is_logged: false }];
    let first = case.script.delivery.posted.jws.clone();
    let unlogged = Evidence { first, events, verdicts: vec![], rules: RULES };
    rejected(judge(&unlogged, &keys).unwrap(), |why| *why == Broken::NotLogged);
}

/// A negative event without its reason says nothing that anybody could answer; with another's it says something else.
#[test]
fn erds_negative_without_reason() {
    let mut case = Case::new();
    case.at(T_EXP + 1, Occurrence::Wake);
    for event in [C2, C5] {
        convicted(&case.forged(event, |body| body.reasons.clear()), Finding::AgainstTheRules);
        let other = EventReason::from(ErdsReason::NotCollected);
        convicted(&case.forged(event, |body| body.reasons = vec![other]), Finding::AgainstTheRules);
    }
    // What the recipient has not said.
    let mut refused = Case::new();
    let reason = Some(RefuseReason::NotWanted);
    refused.at(START + 7, Occurrence::Refuse { signed: Signed::from(&refused.script.refuse), reason });
    let other = EventReason::from(ErdsReason::ContentMissing);
    convicted(&refused.forged(C4, |body| body.reasons = vec![other]), Finding::AgainstTheRules);
    // The delivery has an end, and its recipient is not told to be unknown for that.
    let case = Case::of(Script::new(Some(T_EXP)), false);
    for reason in [ErdsReason::NoEnd, ErdsReason::EndTooFar] {
        let reasons = vec![EventReason::from(reason)];
        convicted(&case.forged(A2, |body| body.reasons = reasons), Finding::AgainstTheRules);
    }
    let expired = vec![EventReason::from(ErdsReason::Expired)];
    convicted(&case.forged(A2, |body| body.reasons = expired), Finding::OutOfTime);
}

/// What is told of a verdict is what it says.
#[test]
fn erds_false_consignment() {
    let mut aborted = Case::new();
    let verdict = aborted.decided(Outcome::Aborted, START + 10);
    let mut body = released().body(D1Event);
    body.verdict = Some(verdict.into());
    convicted(&aborted.judged_of(vec![aborted.script.sign(body)]), Finding::AgainstTheRules);
    convicted(&aborted.forged(D2Event, |body| body.event_ms = millis(START + 9)), Finding::AgainstTheRules);
    let escrow = vec![EventReason::from(ErdsReason::Escrow)];
    convicted(&aborted.forged(D2Event, |body| body.reasons = escrow), Finding::AgainstTheRules);
    convicted(&aborted.forged(D2Event, |body| body.verdict = None), Finding::AgainstTheRules);
}

/// That nobody answered or asked, beside a verdict that says that somebody did.
#[test]
fn erds_missed_behind_decision() {
    let mut quiet = Case::new();
    quiet.at(T_EXP + 1, Occurrence::Wake);
    let mut accepted = Case::new();
    accepted.accept(START + 6);
    accepted.at(T_EXP + 1, Occurrence::Wake);
    for missed in [quiet.body(C5), accepted.body(D2Event)] {
        for outcome in [Outcome::Released, Outcome::Aborted, Outcome::Void] {
            let decided_at = |at: u64| {
                let mut case = Case::new();
                case.decided(outcome, at);
                case.judged_of(vec![case.script.sign(missed.clone())])
            };
            for at in [START + 10, T_EXP] {
                convicted(&decided_at(at), Finding::AgainstTheRules);
            }
            assert!(decided_at(T_EXP + 1).findings.is_empty(), "a moment that had passed had passed");
        }
    }
    // By its own course a decision behind the end is recorded behind what was missed.
    quiet.decided(Outcome::Released, T_EXP + 5);
    honest(&quiet, &[("A.1", None), ("C.2", None), ("C.5", Some("C.3")), ("D.1", None)]);
}

/// d2 has its own time, and evidence of it claims no other.
#[test]
fn erds_backdated_acceptance() {
    let case = released();
    convicted(&case.forged(C3, |body| body.event_ms = millis(5)), Finding::AgainstTheRules);
    convicted(&case.forged(C1, |body| body.event_ms = millis(START - 1)), Finding::OutOfTime);
    convicted(&case.forged(A1, |body| body.at_ms = millis(T_EXP + 1)), Finding::OutOfTime);
}

/// Only the originator submits, only the recipient refuses, and each in this run.
#[test]
fn erds_role_confusion() {
    let script = Script::new(Some(T_EXP));
    let (posted, x) = (&script.delivery.posted, Some(script.x()));
    let other = Script::new(Some(T_EXP + 1));
    let submitted = |jws: Jws| Submitted::read(posted, jws, RULES, &keys).map(|submitted| submitted.posting.notice);
    assert_eq!(submitted(script.submit.clone()), Ok(true));
    assert_eq!(submitted(PEOPLE.o.sign(x, Submit { notice: false })), Ok(false));
    let by_r = submitted(PEOPLE.r.sign(x, Submit { notice: true }));
    assert!(matches!(by_r, Err(Broken::NotAllowed { of: "cd-r/submit", .. })), "{by_r:?}");
    assert_eq!(submitted(other.submit), Err(Broken::OtherRun { of: "cd-r/submit" }));
    let refused = |jws: Jws| Refused::read(posted, jws, &keys).map(|refused| refused.reason);
    assert_eq!(refused(script.refuse.clone()), Ok(Some(RefuseReason::NotWanted)));
    for person in [&PEOPLE.o, &PEOPLE.stranger] {
        let by_another = refused(person.sign(x, Refuse { reason: None }));
        assert!(matches!(by_another, Err(Broken::NotAllowed { of: "cd-r/refuse", .. })), "{by_another:?}");
    }
    assert_eq!(refused(other.refuse), Err(Broken::OtherRun { of: "cd-r/refuse" }));
    assert!(matches!(refused(script.submit.clone()), Err(Broken::Statement { .. })));
    assert!(matches!(submitted(script.delivery.agreed.jws.clone()), Err(Broken::Statement { .. })));
}

/// The originator cannot make evidence of one content serve for another: d1 covers the content, and x covers d1.
#[test]
fn erds_other_content() {
    let (d1, content) = delivery(Some(T_EXP));
    let hk = crate::exchange::cd_r::key_hash(&secret(66)).into();
    let other = Script::of(D1 { hk, ..d1 }, content);
    let case = released();
    let judgement =
        Case { script: other, verdicts: vec![], ..released() }.judged_of(vec![case.script.sign(case.body(E1))]);
    assert!(matches!(&judgement.rejected[..], [(_, Broken::OtherRun { .. })]), "{judgement:?}");
}
