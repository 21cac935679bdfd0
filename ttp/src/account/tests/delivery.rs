//! An arbiter that lies in the evidence of a registered delivery, beside everything that looks like it and convicts nobody.

use super::arbiter::{DELTA, MMD, T, key, millis, statement};
use super::exchange::{acquits, convicts, files};
use super::honest::worst;
use super::*;
use crate::evidence::{ExchangeKind, Kind as EntryKind};
use crate::exchange::erds::testing::{Case, NOTICE, RETENTION, RULES, START, Script, T_EXP};
use crate::exchange::erds::{Occurrence, Signed};
use crate::exchange::policy::ExchangePolicy;
use crate::exchange::tag_of_verdict;
use crate::exchange::testing::{PEOPLE, delivery, twin};
use crate::statement::exchange::Outcome;
use crate::statement::exchange::cd_r::{D1, EscrowArbiter};
use crate::statement::exchange::erds::{
    ErdsEvent, ErdsEvidence, ErdsReason, EventReason, RefuseReason, Submit, evidence_id,
};
use crate::statement::{Count, Jws, Origin};
use crate::time::Timestamp;
use ErdsEvent::{
    AcceptanceRejectionExpiry as C5, ConsignmentAcceptance as C3, ConsignmentRejection as C4,
    ContentConsignment as D1Event, ContentConsignmentFailure as D2Event, ContentHandover as E1,
    ContentHandoverFailure as E2, SubmissionAcceptance as A1, SubmissionRejection as A2,
};
use Verdict::{Open, Unfounded};

fn policy() -> Vec<u8> {
    ExchangePolicy { delivery: Some(RULES), ..ExchangePolicy::new(DELTA, MMD) }.to_bytes()
}

/// A delivery that names the accused service and this policy.
fn script(t_exp: Option<u64>) -> Script {
    let (base, content) = delivery(t_exp);
    let ttp = EscrowArbiter { id: Origin::new(ORIGIN).unwrap(), ..base.ttp.clone() };
    Script::of(D1 { ttp, policy: Digest::of(&policy()).into(), ..base }, content)
}

/// One that was submitted.
fn taken() -> Case {
    Case::of(script(Some(T_EXP)), true)
}

fn quiet() -> Case {
    let mut case = taken();
    case.at(T_EXP + 1, Occurrence::Wake);
    case
}

fn accepted() -> Case {
    let mut case = taken();
    case.accept(START + 10);
    case
}

fn refused() -> Case {
    let mut case = taken();
    let (signed, reason) = (Signed::from(&case.script.refuse), Some(RefuseReason::NotWanted));
    case.at(START + 7, Occurrence::Refuse { signed, reason });
    case.at(T_EXP + 1, Occurrence::Wake);
    case
}

fn decided(outcome: Outcome) -> Case {
    let mut case = taken();
    case.decided(outcome, START + 10);
    case
}

fn collected() -> Case {
    let mut case = taken();
    case.at(START + 5, Occurrence::Notified(Ok(Timestamp::from_millis(START + 4))));
    let verdict = case.decided(Outcome::Released, START + 10);
    case.collected(verdict, START + 20);
    case
}

fn received() -> Case {
    let mut case = taken();
    case.at(START + 6, Occurrence::Received(Signed::from(&case.script.delivery.d4)));
    case
}

fn kept() -> Case {
    let mut case = decided(Outcome::Released);
    case.at(START + 10 + RETENTION + 1, Occurrence::Wake);
    case
}

fn late() -> Case {
    let mut case = taken();
    case.accept(T_EXP + 5);
    case
}

fn rejected() -> Case {
    Case::of(script(Some(T_EXP)), false)
}

/// Everything that a side has besides what the arbiter told it.
fn context(script: &Script) -> Vec<Item> {
    let d1 = statement(&script.delivery.posted.jws);
    // The latter of the run by which the arbiter's key is known.
    let policies = [policy(), super::arbiter::policy()].map(Item::Policy);
    files(&[&[key(&PEOPLE.t), key(&PEOPLE.o), key(&PEOPLE.r)], &policies, &[d1]])
}

fn signed(script: &Script, body: &ErdsEvidence) -> Jws {
    PEOPLE.t.sign_at(body.at_ms, Some(script.x()), body.clone())
}

/// What the arbiter has signed of a delivery, of which nothing is shown to be recorded; its key is known by another run's verdict.
fn told(script: &Script, told: &[&Jws]) -> Vec<Item> {
    let mut t = T::new();
    let known = t.known();
    let told: Vec<_> = told.iter().map(|jws| statement(jws)).collect();
    files(&[&context(script), &told, &known, &t.entries([])])
}

fn text(jws: &Jws) -> Vec<String> {
    vec![String::from_utf8(jws.bytes().to_vec()).unwrap()]
}

fn late_reason(body: ErdsEvidence) -> ErdsEvidence {
    ErdsEvidence { reasons: vec![EventReason::from(ErdsReason::AfterNegative)], ..body }
}

/// PoM-1: an event occurs once, and of each stage one thing happened.
#[test]
fn two_pieces_that_exclude_each_other() {
    let script = script(Some(T_EXP));
    let (c3, c5) = (accepted().body(C3), quiet().body(C5));
    let (d1, e1, e2) = (collected().body(D1Event), collected().body(E1), kept().body(E2));
    let taken_back = decided(Outcome::Aborted).body(D2Event);
    let table = [
        (&d1, &taken_back, "D.1 (ContentConsignment) and D.2 (ContentConsignmentFailure)"),
        (&d1, &refused().body(D2Event), "it happened, and then it did not"),
        (&c3, &c5, "it happened, and then it did not"),
        (&e1, &e2, "it happened, and then it did not"),
        (&refused().body(C4), &c5, "it failed in two ways"),
        (&taken().body(A1), &rejected().body(A2), "was not taken, and went on"),
        (&e1, &rejected().body(A2), "was not taken, and went on"),
        (&d1, &ErdsEvidence { event_ms: millis(START + 9), ..d1.clone() }, "one event is told twice"),
        // The positive one is not excused by calling it late that was recorded first.
        (&late_reason(c3.clone()), &c5, "it happened, and then it did not"),
    ];
    for (one, other, words) in table {
        let (one, other) = (signed(&script, one), signed(&script, other));
        let proof = convicts(Kind::Equivocation, &told(&script, &[&one, &other]), words);
        assert_eq!(proof.items.len(), 6, "genesis, what the log has of the key, the key, both: {words}");
        convicts(Kind::Equivocation, &told(&script, &[&other, &twin(&one)]), "that exclude each other");
    }

    let (a1, again) = (signed(&script, &taken().body(A1)), |body: &ErdsEvidence| {
        let mut t = T { salt: 77, ..T::new() };
        t.sign(script.x(), body.at_ms.get(), body.clone())
    });
    let [c3, c5, d1] = [&c3, &c5, &d1].map(|body| (body.clone(), signed(&script, body)));
    let late = signed(&script, &self::late().body(C3));
    for (one, other) in [
        // One piece, however it is shown; signed once more, with another salt.
        (&c3.1, &c3.1),
        (&c3.1, &twin(&c3.1)),
        (&c3.1, &again(&c3.0)),
        // They agree; what came behind the moment says so.
        (&a1, &c3.1),
        (&a1, &c5.1),
        (&c3.1, &d1.1),
        (&c5.1, &late),
        (&signed(&script, &refused().body(C4)), &signed(&script, &refused().body(D2Event))),
        // That it failed, and the recipient has it from its sender.
        (&signed(&script, &decided(Outcome::Aborted).body(D2Event)), &signed(&script, &received().body(E1))),
    ] {
        acquits(Kind::Equivocation, &told(&script, &[one, other]), Unfounded, "do not contradict each other");
    }
    // Of two deliveries; by a stranger; by nobody.
    let other = self::script(Some(T_EXP + 1));
    let id = evidence_id(&other.x(), C5).into();
    let of_other = signed(&other, &ErdsEvidence { id, ..c5.0.clone() });
    acquits(Kind::Equivocation, &told(&script, &[&c3.1, &of_other]), Unfounded, "are not the items");
    let by_stranger = PEOPLE.stranger.sign_at(c5.0.at_ms, Some(script.x()), c5.0.clone());
    let items = files(&[&told(&script, &[&c3.1, &by_stranger]), &[key(&PEOPLE.stranger)]]);
    acquits(Kind::Equivocation, &items, Open, "nothing shows that the key");
    let without_key: Vec<_> = told(&script, &[&c3.1, &c5.1]).into_iter().skip(1).collect();
    acquits(Kind::Equivocation, &without_key, Open, "is not shown");
}

/// PoM-1: evidence that tells of another decision than the arbiter made.
#[test]
fn evidence_against_a_verdict() {
    use Outcome::{Aborted, Released, Void};
    let script = script(Some(T_EXP));
    let verdict = |outcome| script.verdict(outcome, START + 10);
    let status =
        |outcome: Outcome| T::new().status(script.x(), START + 30, 1, Some((outcome, verdict(outcome).digest())));
    let of = |body: ErdsEvidence| signed(&script, &body);
    let table = [
        (of(collected().body(D1Event)), Aborted, "RELEASED, and its verdict is ABORTED"),
        (of(collected().body(E1)), Aborted, "RELEASED, and its verdict is ABORTED"),
        (of(collected().body(E1)), Void, "RELEASED, and its verdict is VOID"),
        (of(kept().body(E2)), Aborted, "RELEASED, and its verdict is ABORTED"),
        (of(decided(Aborted).body(D2Event)), Released, "ABORTED, and its verdict is RELEASED"),
        (of(decided(Void).body(D2Event)), Aborted, "VOID, and its verdict is ABORTED"),
    ];
    for (evidence, outcome, words) in &table {
        for shown in [verdict(*outcome), twin(&verdict(*outcome))] {
            convicts(Kind::Equivocation, &told(&script, &[evidence, &shown]), words);
        }
        convicts(
            Kind::Equivocation,
            &told(&script, &[&status(*outcome), evidence]),
            "and in a status that it decided it as",
        );
    }
    // The same decision, made another time.
    let again = script.verdict(Released, START + 11);
    let case = collected();
    let [d1, e1] = [D1Event, E1].map(|event| of(case.body(event)));
    convicts(Kind::Equivocation, &told(&script, &[&d1, &again]), "names another verdict");

    let its = |case: &Case| case.verdicts[0].clone();
    let (kept, aborted) = (kept(), decided(Aborted));
    for (evidence, shown, words) in [
        (&d1, its(&case), "names the verdict that is shown"),
        (&twin(&d1), its(&case), "names the verdict that is shown"),
        (&e1, its(&case), "names the verdict that is shown"),
        (&of(kept.body(E2)), its(&kept), "and the verdict agree"),
        (&of(aborted.body(D2Event)), its(&aborted), "names the verdict that is shown"),
        // The recipient says that it has the message, wherever it got the key.
        (&of(received().body(E1)), verdict(Aborted), "tells of no verdict"),
        // What came in vain until a moment was recorded without what another history tells.
        (&of(quiet().body(C5)), verdict(Released), "tells of no verdict"),
        (&of(refused().body(D2Event)), verdict(Released), "tells of no verdict"),
        (&of(refused().body(C4)), verdict(Released), "tells of no verdict"),
    ] {
        for shown in [&shown, &twin(&shown)] {
            acquits(Kind::Equivocation, &told(&script, &[evidence, shown]), Unfounded, words);
        }
    }
    let released = T::new().status(script.x(), START + 30, 1, Some((Released, its(&case).digest())));
    acquits(Kind::Equivocation, &told(&script, &[&d1, &released]), Unfounded, "do not contradict");
    let undecided = T::new().status(script.x(), START + 30, 1, None);
    acquits(Kind::Equivocation, &told(&script, &[&d1, &undecided]), Unfounded, "do not contradict");
    // Two hashes of verdicts may be of one.
    let other = ErdsEvidence { verdict: Some(Digest([7; 32]).into()), ..collected().body(E1) };
    acquits(Kind::Equivocation, &told(&script, &[&d1, &of(other)]), Open, "a verdict is needed");
    // Another delivery's verdict.
    let other = self::script(Some(T_EXP + 1));
    let of_other = other.verdict(Aborted, START + 10);
    acquits(Kind::Equivocation, &told(&script, &[&d1, &of_other]), Unfounded, "are not the items");
}

/// PoM-2, as of verdicts: by their kind, without a tag, and in normal form.
#[test]
fn evidence_that_is_not_recorded() {
    let (script, body) = (script(Some(T_EXP)), accepted().body(C3));
    let jws = signed(&script, &body);
    let event = |t: &mut T, kind, digest, tag| {
        t.record(EntryKind::Exchange(kind), START + 12, digest, tag);
    };
    let shown = |t: &mut T, of: &Jws| {
        t.later(START + 11 + MMD);
        let known = T { log: t.log.clone(), ..T::new() };
        let first = [statement(&script.delivery.posted.jws), statement(of)];
        files(&[&context(&script), &first, &[known.whole()], &known.entries([2])])
    };
    // By that entry the key is the arbiter's.
    let start = || {
        let mut t = T::new();
        let known = t.known();
        (t, known[0].clone())
    };
    type Records<'r> = &'r dyn Fn(&mut T);
    let other = signed(&script, &quiet().body(C5));
    let wrong: [Records<'_>; 4] = [
        &|_| {},
        &|t| event(t, ExchangeKind::DeliveryEvent, other.digest(), None),
        &|t| event(t, ExchangeKind::Answer, jws.digest(), None),
        &|t| event(t, ExchangeKind::DeliveryEvent, jws.digest(), Some(tag_of_verdict(&script.x()))),
    ];
    for records in wrong {
        let (mut t, known) = start();
        records(&mut t);
        let items = shown(&mut t, &jws);
        convicts(Kind::Omission, &files(&[&items, &[known]]), "released the evidence of");
    }
    // pom2_flipped_s: whoever turns a signature around has the evidence all the same.
    for of in [&jws, &twin(&jws)] {
        let (mut t, known) = start();
        event(&mut t, ExchangeKind::DeliveryEvent, jws.digest(), None);
        let items = shown(&mut t, of);
        acquits(Kind::Omission, &files(&[&items, &[known]]), Unfounded, "is recorded");
    }
    // The time to record it is not over.
    let (t, known) = start();
    let items = files(&[&context(&script), &[statement(&jws), known, t.whole()], &t.entries([2])]);
    acquits(Kind::Omission, &items, Open, "is not shown to be over");
}

/// PoM-4: evidence that does not follow from what it embeds, from d1, or from the verdict that it names.
#[test]
fn evidence_against_the_rules() {
    let script = script(Some(T_EXP));
    let other = self::script(Some(T_EXP + 1));
    let forged = |mut body: ErdsEvidence, forge: &dyn Fn(&mut ErdsEvidence)| {
        forge(&mut body);
        signed(&script, &body)
    };
    let submit_by_r = PEOPLE.r.sign(Some(script.x()), Submit { notice: true });
    let [c3, c4, c5] = [accepted().body(C3), refused().body(C4), quiet().body(C5)];
    let case = collected();
    let [d1, e1] = [D1Event, E1].map(|event| case.body(event));
    let table: Vec<(Jws, &str)> = vec![
        (forged(c3.clone(), &|body| body.basis.clear()), "rests on other statements"),
        (forged(c3.clone(), &|body| body.basis = text(&script.submit)), "of the kind \"cd-r/submit\""),
        (forged(c3.clone(), &|body| body.basis = text(&other.delivery.agreed.jws)), "belongs to another run"),
        (forged(c3.clone(), &|body| body.basis = vec!["a.b".to_owned()]), "the statement that it embeds"),
        (forged(c3.clone(), &|body| body.event_ms = millis(5)), "claims another time than its statement"),
        (forged(taken().body(A1), &|body| body.basis = text(&submit_by_r)), "who may not make it"),
        (forged(e1.clone(), &|body| body.basis = text(&script.delivery.agreed.jws)), "of the kind \"cd-r/d2\""),
        (forged(e1.clone(), &|body| body.basis.clear()), "rests on other statements"),
        (forged(d1.clone(), &|body| body.verdict = None), "and it names none"),
        (forged(c4.clone(), &|body| body.reasons = vec![ErdsReason::ContentMissing.into()]), "is not the recipient's"),
        (forged(c5.clone(), &|body| body.reasons.clear()), "its reason is not one of its event"),
        (forged(c5.clone(), &|body| body.recipient = body.sender), "something else of the delivery than d1"),
        (
            forged(c5.clone(), &|body| body.content.hm = Digest([1; 32]).into()),
            "something else of the delivery than d1",
        ),
        (forged(c5.clone(), &|body| body.event = C3), "something else of the delivery than d1"),
        (forged(rejected().body(A2), &|body| body.reasons = vec![ErdsReason::NoEnd.into()]), "the delivery has an end"),
    ];
    for (jws, words) in &table {
        for of in [jws, &twin(jws)] {
            convicts(Kind::BrokenRule, &told(&script, &[of]), words);
        }
    }
    // By the verdict that it names.
    let aborted = script.verdict(Outcome::Aborted, START + 10);
    let released = case.verdicts[0].clone();
    let naming = forged(d1.clone(), &|body| body.verdict = Some(aborted.digest().into()));
    convicts(Kind::BrokenRule, &told(&script, &[&naming, &aborted]), "does not lead to its event");
    convicts(Kind::BrokenRule, &told(&script, &[&naming, &twin(&aborted)]), "does not lead to its event");
    let early = forged(d1.clone(), &|body| body.event_ms = millis(START + 9));
    convicts(Kind::BrokenRule, &told(&script, &[&early, &released]), "at another time than it says");

    // What that verdict says nobody knows without it; another one says nothing of it here.
    acquits(Kind::BrokenRule, &told(&script, &[&naming]), Unfounded, "follows from what it rests on");
    acquits(Kind::BrokenRule, &told(&script, &[&naming, &released]), Unfounded, "");
    let honest = [taken(), quiet(), accepted(), refused(), collected(), received(), kept(), late(), rejected()];
    for case in &honest {
        for body in &case.bodies {
            let verdict = case.verdicts.first().cloned();
            let jws = signed(&script, body);
            let all: Vec<_> = [Some(&jws), verdict.as_ref()].into_iter().flatten().collect();
            acquits(Kind::BrokenRule, &told(&script, &all), Unfounded, "");
        }
    }
    // A copy of d2 with the other signature, if it had one, is d2.
    let submit = forged(taken().body(A1), &|body| body.basis = text(&twin(&script.submit)));
    acquits(Kind::BrokenRule, &told(&script, &[&submit]), Unfounded, "follows from what it rests on");

    // What is not shown is nobody's fault, nor what is wrong with what the accuser shows.
    let jws = &table[4].0;
    let without =
        |of: &dyn Fn(&Item) -> bool| told(&script, &[jws]).into_iter().filter(|item| !of(item)).collect::<Vec<_>>();
    let key_of = |person: &crate::exchange::testing::Person| {
        let its = key(person);
        without(&move |item| *item == its)
    };
    acquits(Kind::BrokenRule, &key_of(&PEOPLE.o), Open, "is not shown");
    acquits(Kind::BrokenRule, &key_of(&PEOPLE.r), Open, "is not shown");
    acquits(Kind::BrokenRule, &without(&|item| matches!(item, Item::Policy(_))), Open, "policy for exchanges");
    let d1 = statement(&script.delivery.posted.jws);
    let bare = without(&|item| *item == d1);
    acquits(Kind::BrokenRule, &bare, Open, "first statement of the run");
    let mut bytes = script.delivery.posted.jws.bytes().to_vec();
    let last = bytes.len() - 40;
    bytes[last] = if bytes[last] == b'A' { b'B' } else { b'A' };
    acquits(Kind::BrokenRule, &files(&[&bare, &[Item::Statement(bytes.clone())]]), Unfounded, "is none");
    // Beside the genuine one it takes nothing away.
    convicts(Kind::BrokenRule, &files(&[&told(&script, &[jws]), &[Item::Statement(bytes)]]), "claims another time");
}

/// What a newer program may know convicts nobody today.
#[test]
fn evidence_on_a_statement_that_only_a_newer_program_reads() {
    let script = script(Some(T_EXP));
    let payload =
        String::from_utf8(script.delivery.agreed.jws.payload().to_vec()).unwrap().replace("\"v\":1", "\"v\":2");
    let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"semper.cd-r.d2+jws"}}"#, PEOPLE.r.name());
    let text = [header.as_bytes(), payload.as_bytes(), &[1; 64]].map(crate::b64u::encode).join(".");
    let jws = signed(&script, &ErdsEvidence { basis: vec![text], ..accepted().body(C3) });
    acquits(Kind::BrokenRule, &told(&script, &[&jws]), Open, "which a newer program may read");
}

/// PoM-5: what is said to have passed, and had not, and the reverse; outages that the evidence names move the end.
#[test]
fn evidence_on_the_wrong_side_of_its_moment() {
    let script = script(Some(T_EXP));
    // An outage within the last δ moves the end to its own end and δ.
    const MOVED: u64 = T_EXP + 500 + DELTA;
    let timed = |body: ErdsEvidence, event_ms: u64, at_ms: u64| ErdsEvidence {
        event_ms: millis(event_ms),
        at_ms: millis(at_ms),
        ..body
    };
    let (a1, c5) = (taken().body(A1), quiet().body(C5));
    let d2 = refused().body(D2Event);
    let table = [
        (timed(c5.clone(), T_EXP, T_EXP + 1), false, true),
        (timed(c5.clone(), T_EXP, T_EXP), false, false),
        (timed(c5.clone(), T_EXP - 1, T_EXP + 1), false, false),
        (timed(c5.clone(), T_EXP - 1, T_EXP), false, false),
        (timed(c5.clone(), MOVED, MOVED + 1), true, true),
        (timed(c5.clone(), MOVED, MOVED), true, false),
        (timed(c5.clone(), MOVED - 1, MOVED + 1), true, false),
        (timed(c5.clone(), T_EXP, MOVED + 1), true, false),
        (timed(d2.clone(), T_EXP, T_EXP + 1), false, true),
        (timed(d2.clone(), T_EXP, T_EXP), false, false),
        (timed(d2, MOVED - 1, MOVED + 1), true, false),
        (timed(a1.clone(), T_EXP, T_EXP), false, true),
        (timed(a1.clone(), T_EXP + 1, T_EXP + 1), false, false),
        (timed(a1.clone(), MOVED, MOVED), true, true),
        (timed(a1, MOVED + 1, MOVED + 1), true, false),
    ];
    for (body, is_moved, is_honest) in table {
        let mut t = T::new();
        let outage = is_moved.then(|| t.outage(T_EXP - 100, T_EXP + 500));
        let outages = outage.iter().map(|(_, index)| Count::new(*index).unwrap()).collect();
        let jws = signed(&script, &ErdsEvidence { outages, ..body.clone() });
        let event = EntryKind::Exchange(ExchangeKind::DeliveryEvent);
        let index = t.record(event, body.at_ms.get(), jws.digest(), None);
        let bare = files(&[&context(&script), &[statement(&jws)], &t.entries([index])]);
        let shown = match &outage {
            Some((fact, outage)) => {
                let all = t.entries([*outage, index]);
                // Nobody is told of that outage while it lasts.
                files(&[&context(&script), &[statement(&jws), fact.clone()], &all])
            }
            None => bare.clone(),
        };
        match is_honest {
            true => acquits(Kind::Time, &shown, Unfounded, ""),
            false => drop(convicts(Kind::Time, &shown, "at a time that cannot be true")),
        }
        // How far the end was moved nobody knows without the outage; what was recorded at the moment that it awaited was too early wherever
        // that is.
        if is_moved && body.event != A1 && body.at_ms <= body.event_ms {
            convicts(Kind::Time, &bare, "could still come");
        } else if is_moved {
            acquits(Kind::Time, &bare, Open, "which it names, is not shown");
        }
    }
    // C.2 and E.2 have moments of their own; the latter by the verdict, where it is shown.
    let released = script.verdict(Outcome::Released, START + 10);
    let c2 = quiet().bodies[1].clone();
    let until = START + 10 + RETENTION;
    for (body, is_honest) in [
        (timed(c2.clone(), START + NOTICE, START + NOTICE + 1), true),
        (timed(c2.clone(), START + NOTICE - 1, START + NOTICE + 1), false),
        (timed(c2, START + NOTICE, START + NOTICE), false),
        (timed(kept().body(E2), until, until + 1), true),
        (timed(kept().body(E2), until, until), false),
        (timed(kept().body(E2), until - 1, until + 1), false),
        (timed(collected().body(E1), START + 20, START + 19), false),
    ] {
        let jws = signed(&script, &body);
        let items = told(&script, &[&jws, &released]);
        match is_honest {
            true => acquits(Kind::Time, &items, Unfounded, ""),
            false => drop(convicts(Kind::Time, &items, "at a time that cannot be true")),
        }
    }
    let early = signed(&script, &timed(kept().body(E2), until - 1, until + 1));
    acquits(Kind::Time, &told(&script, &[&early]), Unfounded, "on the right side");
}

/// PoM-5: an entry before its evidence, or later than was promised; evidence of a moment at which the arbiter says that it was away.
#[test]
fn evidence_at_the_wrong_time() {
    let (script, body) = (script(Some(T_EXP)), accepted().body(C3));
    let (jws, at) = (signed(&script, &body), body.at_ms.get());
    let event = EntryKind::Exchange(ExchangeKind::DeliveryEvent);
    for (entry_ms, words) in
        [(at, ""), (at + MMD, ""), (at + MMD + 1, "more than the 5000 ms later"), (at - 1, "which is before it")]
    {
        let mut t = T::new();
        let index = t.record(event, entry_ms, jws.digest(), None);
        let items = files(&[&context(&script), &[statement(&twin(&jws))], &t.entries([index])]);
        match words {
            "" => acquits(Kind::Time, &items, Unfounded, ""),
            words => drop(convicts(Kind::Time, &items, words)),
        }
    }
    for (from, to, is_lie) in [(at - 1, at + 1, true), (at, at + 1, false), (at - 1, at, false)] {
        let mut t = T::new();
        let index = t.record(event, at, jws.digest(), None);
        let (fact, outage) = t.outage(from, to);
        let items = files(&[&context(&script), &[statement(&jws), fact], &t.entries([outage, index])]);
        match is_lie {
            true => drop(convicts(Kind::Time, &items, "took no requests from")),
            false => acquits(Kind::Time, &items, Unfounded, ""),
        }
    }
}

/// No receipt is given for what is shown of a delivery, and evidence is no answer.
#[test]
fn what_no_evidence_convicts_of() {
    let script = script(Some(T_EXP));
    let case = collected();
    let all: Vec<_> = case.bodies.iter().map(|body| signed(&script, body)).collect();
    acquits(Kind::NoAnswer, &told(&script, &all.iter().collect::<Vec<_>>()), Unfounded, "are not the items");
    // Of a run that begins with no delivery; by a policy that registers none.
    let contract = super::arbiter::script(Some(T_EXP));
    let of_contract = PEOPLE.t.sign_at(case.bodies[0].at_ms, Some(contract.x()), case.bodies[0].clone());
    let first = statement(&contract.offered.jws);
    let items = files(&[&told(&script, &[&of_contract]), &[first]]);
    acquits(Kind::BrokenRule, &items, Unfounded, "begins with no delivery");
    let bare = ExchangePolicy::new(DELTA, MMD).to_bytes();
    let (base, content) = delivery(Some(T_EXP));
    let ttp = EscrowArbiter { id: Origin::new(ORIGIN).unwrap(), ..base.ttp.clone() };
    let other = Script::of(D1 { ttp, policy: Digest::of(&bare).into(), ..base }, content);
    let policy = other.delivery.posted.delivery.policy;
    let id = evidence_id(&other.x(), C5).into();
    let c5 = signed(&other, &ErdsEvidence { policy, id, ..quiet().body(C5) });
    let items = files(&[&told(&other, &[&c5]), &[Item::Policy(bare)]]);
    acquits(Kind::BrokenRule, &items, Unfounded, "no deliveries are registered");
}

/// Whatever becomes of a delivery, and in whatever selection and spelling it is laid before a court: nothing of it convicts.
#[test]
fn no_honest_evidence_convicts() {
    let courses = [
        taken(),
        quiet(),
        accepted(),
        refused(),
        collected(),
        received(),
        kept(),
        late(),
        rejected(),
        decided(Outcome::Aborted),
        decided(Outcome::Void),
    ];
    let mut letters = std::collections::BTreeSet::new();
    for (seed, case) in (1..).zip(courses) {
        let (mut t, script) = (T::new(), &case.script);
        let mut items = context(script);
        for jws in &case.verdicts {
            t.record_verdict(jws, jws.common().iat.get() + MMD);
            items.extend([statement(jws), statement(&twin(jws))]);
        }
        for body in &case.bodies {
            let jws = signed(script, body);
            let event = EntryKind::Exchange(ExchangeKind::DeliveryEvent);
            t.record(event, body.at_ms.get() + MMD, jws.digest(), None);
            items.extend([statement(&jws), statement(&twin(&jws))]);
            letters.insert(body.event.letter());
        }
        t.later(T_EXP + 2 * RETENTION + 2 * MMD);
        items.push(key(&PEOPLE.stranger));
        let by_stranger = case.bodies.iter().map(|body| {
            let lie = ErdsEvidence { event_ms: millis(5), ..body.clone() };
            statement(&PEOPLE.stranger.sign_at(body.at_ms, Some(script.x()), lie))
        });
        items.extend(by_stranger);
        let size = t.log.size();
        let entries = (0..size).map(|index| Item::Entry(t.log.entry(index)));
        let items: Vec<_> = entries.chain(items).chain([t.whole()]).collect();
        assert_eq!(worst(&items, seed), None, "{:?}", case.bodies);
    }
    assert_eq!(letters.len(), ErdsEvent::ALL.len());
}
