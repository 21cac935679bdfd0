//! Every pair of a stage and an event; freezing, absences, late reports; facts.

mod simulation;
mod table;

use super::super::expiry::Outage;
use super::super::judge::Filed;
use super::super::judge::paid::{Evidence, Judgement, judge};
use super::super::testing::IAT;
use super::testing::*;
use super::*;
use crate::evidence::{Envelope, Fact, Recorded as _, names};
use crate::role::step;
use crate::statement::exchange::Outcome;
use crate::timestamp::ClockVerdict;

use Go::{At, Freeze as Frozen, Open, Show as S, Thaw as Thawed, Told as T, Wake};

const PHYSICAL: [Go; 3] = [Open, S(Shown::Accepted), T(Told::Held)];

fn judged(script: &Script, course: &Course) -> Judgement {
    let verdicts = vec![Filed { jws: script.verdict_of(&course.state), is_logged: true }];
    judge(&Evidence { first: script.opened.jws.clone(), statements: vec![], verdicts }, &keys).unwrap()
}

/// Each way to the end, with the verdict that its judge accepts.
#[test]
fn each_way_has_its_end() {
    use Outcome::{Captured, Expired, Released, Void};
    use Shown::*;
    let physical: &[(&[Go], Outcome, Cause)] = &[
        (
            &[S(Shipped), S(HandedOver), At(IAT + 10 + T_ACCEPT), Wake, At(IAT + 11 + T_ACCEPT), Wake],
            Captured,
            Cause::Time,
        ),
        (&[S(Shipped), S(HandedOver), S(Received)], Captured, Cause::Shown),
        (&[S(Received)], Captured, Cause::Shown),
        (&[At(T_SHIP), Wake, At(T_SHIP + 1), Wake], Released, Cause::Time),
        (&[S(Shipped), At(T_EXP), Wake, At(T_EXP + 1), Wake], Released, Cause::Time),
        (&[S(Shipped), S(HandedOver), S(Rejected), At(T_EXP), Wake, At(T_EXP + 1), Wake], Released, Cause::Time),
        (&[S(HandedOver), S(Rejected), S(Received)], Captured, Cause::Shown),
        (&[S(CancelledByPayee), S(CancelledByPayer)], Released, Cause::Shown),
    ];
    let digital: &[(&[Go], Outcome, Cause)] = &[
        (&[S(Posted), S(Delivered)], Captured, Cause::Shown),
        (&[S(Posted), S(Shown::Released)], Captured, Cause::Shown),
        (&[S(Shown::Released)], Captured, Cause::Shown),
        (&[S(Returned)], Released, Cause::Shown),
        (&[S(Posted), At(T_EXP), Wake, At(T_EXP + 1), Wake], Released, Cause::Time),
        (&[S(CancelledByPayer), S(CancelledByPayee)], Released, Cause::Shown),
    ];
    let before: &[(&[Go], Outcome, Cause)] = &[
        (&[Open, At(T_HOLD), Wake, At(T_HOLD + 1), Wake], Expired, Cause::Time),
        (&[Open, S(Accepted), At(T_HOLD + 1), Wake], Expired, Cause::Time),
        (&[Open, S(CancelledByPayer)], Void, Cause::Shown),
        (&[Open, S(CancelledByPayee)], Void, Cause::Shown),
        (&[Open, S(Accepted), S(CancelledByPayee), S(CancelledByPayer)], Void, Cause::Shown),
        (&[Open, S(Accepted), T(Told::HoldDeclined)], Void, Cause::Money),
    ];
    let receipt: &[(&[Go], Outcome, Cause)] = &[
        (&[Open, T(Told::Held), S(Receipt), T(Told::Captured)], Captured, Cause::Money),
        (&[Open, S(Receipt), T(Told::Held), At(T_EXP + 9), T(Told::Captured)], Captured, Cause::Money),
        (&[Open, T(Told::Held), S(Receipt), T(Told::Declined)], Void, Cause::Money),
        (&[Open, T(Told::Held), S(Receipt), T(Told::Ended)], Void, Cause::Money),
        (&[Open, T(Told::Held), T(Told::Ended)], Void, Cause::Money),
        (&[Open, T(Told::HoldDeclined)], Void, Cause::Money),
        (&[Open, S(Receipt), T(Told::HoldDeclined)], Void, Cause::Money),
        (&[Open, At(T_EXP), Wake, At(T_EXP + 1), Wake], Expired, Cause::Time),
        (&[Open, S(Receipt), At(T_EXP + 1), Wake], Expired, Cause::Time),
        (&[Open, T(Told::Held), At(T_EXP + 1), Wake], Released, Cause::Time),
    ];
    let check = |thing, head: &[Go], ways: &[(&[Go], Outcome, Cause)]| {
        let script = Script::new(thing);
        for (way, outcome, cause) in ways {
            let steps = [head, way].concat();
            // Nothing is decided before its last step.
            let early = after(&script, &steps[..steps.len() - 1]);
            assert_eq!(early.outcome(), None, "{steps:?}");
            let course = after(&script, &steps);
            let (_, decision) = course.state.decision.as_ref().unwrap();
            assert_eq!((decision.outcome, decision.cause), (*outcome, *cause), "{steps:?}");
            assert_eq!(decision.end.is_some(), *cause == Cause::Time);
            let judgement = judged(&script, &course);
            assert_eq!(judgement.rejected, []);
            assert_eq!(
                (judgement.decided.map(|(outcome, _)| outcome), judgement.findings.len()),
                (Some(*outcome), 0),
                "{steps:?}"
            );
            assert_eq!(judgement.receipt, (thing, *outcome) == (Thing::Receipt, Captured));
        }
    };
    check(Thing::Physical, &PHYSICAL, physical);
    check(Thing::Digital, &PHYSICAL, digital);
    check(Thing::Physical, &[], before);
    check(Thing::Digital, &[], before);
    check(Thing::Receipt, &[], receipt);
}

/// Digital goods that may be rejected for a while, as others.
#[test]
fn digital_goods_may_be_rejected_where_the_order_says_so() {
    let ordered = crate::statement::exchange::pg::GoodsOrder {
        t_accept: crate::statement::Count::new(T_ACCEPT),
        ..order(Thing::Digital)
    };
    let script = Script::of(super::super::testing::PEOPLE.r.sign(None, ordered));
    let there = [&PHYSICAL[..], &[S(Shown::Released)]].concat();
    let course = after(&script, &there);
    assert_eq!(course.state.due().map(|due| due.at_ms), Some(IAT + 10 + T_ACCEPT));
    let captured = after(&script, &[&there[..], &[At(IAT + 11 + T_ACCEPT), Wake]].concat());
    assert_eq!((captured.outcome(), judged(&script, &captured).findings.len()), (Some(Outcome::Captured), 0));
    let back = after(&script, &[&there[..], &[S(Shown::Rejected), At(T_EXP + 1), Wake]].concat());
    assert_eq!((back.outcome(), judged(&script, &back).findings.len()), (Some(Outcome::Released), 0));
}

/// What follows from a stage is ordered when it is reached, once more if a rail declined it, and by one name.
#[test]
fn money_follows_the_decision() {
    let script = Script::new(Thing::Physical);
    let mut course = Course::new();
    let mut moves = |step: Go| -> Vec<Move> {
        let event = event_of(&script, &mut course, step);
        let (facts, effects) = course.take(event).unwrap();
        let orders: Vec<_> = effects[facts.len()..]
            .iter()
            .map(|effect| if let PaidEffect::Move(order) = effect { *order } else { panic!() })
            .collect();
        assert!(effects[..facts.len()].iter().all(|effect| !matches!(effect, PaidEffect::Move(_))));
        if let Some(order) = orders.first() {
            assert_eq!(course.state.pending_move(), Some(*order), "found again after a crash");
        }
        orders
    };
    let (hold, capture) = (Move::Hold { until_ms: T_EXP + 2 * T_ACCEPT }, Move::Capture { amount: eur(1000) });
    assert_eq!(moves(Open), []);
    assert_eq!(moves(S(Shown::Accepted)), [hold]);
    assert_eq!(moves(T(Told::Held)), []);
    assert_eq!(moves(S(Shown::Shipped)), []);
    assert_eq!(moves(S(Shown::Received)), [capture]);
    for _ in 1..MOVES_MAX {
        assert_eq!(moves(T(Told::Declined)), [capture]);
    }
    assert_eq!(moves(T(Told::Declined)), []);
    assert!(course.state.is_unsettled() && course.decisions() == 1, "the verdict stands");
    let names = [hold, capture, Move::Release].map(|order| order_id(&script.x(), &order));
    assert!(names[0] != names[1] && names[1] != names[2]);
    // A hold that comes after the end goes back.
    let late = after(&script, &[Open, S(Shown::Accepted), At(T_HOLD + 1), Wake]);
    let mut late = late;
    let told = late.tell(Told::Held);
    let (facts, effects) = late.take(told).unwrap();
    assert_eq!((short(&facts).as_str(), effects.last()), ("told held", Some(&PaidEffect::Move(Move::Release))));
    let told = late.tell(Told::Released);
    late.take(told).unwrap();
    assert_eq!((late.state.pending_move(), late.decisions()), (None, 1));
}

/// A case stops every decision but what a rail has done; deadlines pass meanwhile, and what came first counts when it lets go.
#[test]
fn a_case_stops_the_run() {
    let script = Script::new(Thing::Physical);
    let there = [&PHYSICAL[..], &[S(Shown::HandedOver), Frozen]].concat();
    let due = IAT + 11 + T_ACCEPT;
    for (steps, outcome) in [
        (vec![At(due), Wake, Thawed], Outcome::Captured),
        (vec![S(Shown::Received), At(due), Wake, Thawed], Outcome::Captured),
        (vec![S(Shown::CancelledByPayee), S(Shown::CancelledByPayer), At(due), Thawed], Outcome::Released),
        // Too late: the time for that had passed.
        (vec![At(due), S(Shown::Rejected), At(T_EXP + 1_000), Thawed], Outcome::Captured),
        (vec![S(Shown::Rejected), At(T_EXP + 1), Thawed], Outcome::Released),
    ] {
        let steps = [&there[..], &steps].concat();
        let early = after(&script, &steps[..steps.len() - 1]);
        assert_eq!((early.outcome(), early.state.pending_move()), (None, None), "{steps:?}");
        let course = after(&script, &steps);
        assert_eq!((course.outcome(), course.decisions()), (Some(outcome), 1), "{steps:?}");
        assert!(course.state.pending_move().is_some());
    }
    // The case itself moves it: the run is closed, and no rule of it moves anything more.
    for told in [Told::Captured, Told::Released] {
        let closed =
            after(&script, &[&there[..], &[S(Shown::Received), T(told), Thawed, At(T_EXP + 9), Wake]].concat());
        assert_eq!((closed.state.stage, closed.outcome(), closed.state.pending_move()), (Stage::Closed, None, None));
    }
    // Whether a receipt was paid, the rail alone says.
    let receipt = Script::new(Thing::Receipt);
    let paid = after(&receipt, &[Open, T(Told::Held), S(Shown::Receipt), Frozen, T(Told::Captured)]);
    assert_eq!(paid.outcome(), Some(Outcome::Captured));
    let mut course = after(&script, &there);
    let other = PaidEvent::Freeze(Freeze { case: OTHER_CASE });
    assert_eq!(course.take(other), Err(PaidRefusal::Frozen { by: CASE }));
    assert_eq!(course.take(PaidEvent::Thaw(Thaw { case: OTHER_CASE })), Err(PaidRefusal::NotFrozen));
    assert_eq!(course.take(PaidEvent::Freeze(Freeze { case: CASE })), Ok((vec![], vec![])));
}

/// The arbiter was away when the time ran out: it did not.
#[test]
fn an_absence_moves_each_deadline() {
    let script = Script::new(Thing::Physical);
    let away = |from: u64, to: u64| {
        vec![Outage { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to), index: 7 }]
    };
    let there = IAT + 10 + T_ACCEPT;
    for (steps, due) in [
        (vec![Open], T_HOLD),
        (PHYSICAL.to_vec(), T_SHIP),
        ([&PHYSICAL[..], &[S(Shown::Shipped)]].concat(), T_EXP),
        ([&PHYSICAL[..], &[S(Shown::HandedOver)]].concat(), there),
        ([&PHYSICAL[..], &[S(Shown::HandedOver), S(Shown::Rejected)]].concat(), T_EXP),
    ] {
        for (outages, end) in
            [(vec![], due), (away(due - 50, due + 30), due + 30 + DELTA), (away(5, due - DELTA - 1), due)]
        {
            let mut course = after(&script, &steps);
            course.outages = outages.clone();
            course.now = end;
            assert_eq!(course.take(PaidEvent::Wake), Ok((vec![], vec![])), "{steps:?}");
            course.now = end + 1;
            course.take(PaidEvent::Wake).unwrap();
            let (_, decision) = course.state.decision.unwrap();
            let moved_by: &[u64] = if end == due { &[] } else { &[7] };
            assert_eq!(decision.end.map(|end| (end.at_ms, end.outages)), Some((end, moved_by.to_vec())));
        }
    }
}

#[test]
fn what_comes_late_is_recorded_and_bounded() {
    let script = Script::new(Thing::Physical);
    let mut course = after(&script, &[&PHYSICAL[..], &[At(T_SHIP + 1)]].concat());
    // The statement itself finds that time has decided.
    let shipped = PaidEvent::Show(script.show(Shown::Shipped));
    let (facts, _) = course.take(shipped.clone()).unwrap();
    assert_eq!(short(&facts), "RELEASED by time + shipped (late)");
    assert_eq!(course.take(shipped), Ok((vec![], vec![])));
    for octet in 0..LATE_MAX as u8 - 1 {
        let show = Show { statement: Digest([octet; 32]), ..script.show(Shown::Received) };
        assert_eq!(short(&course.take(PaidEvent::Show(show)).unwrap().0), "received (late)");
    }
    let more = PaidEvent::Show(script.show(Shown::Received));
    assert_eq!(course.take(more), Err(PaidRefusal::TooManyLate));
    assert_eq!((course.decisions(), course.outcome()), (1, Some(Outcome::Released)));
}

#[test]
fn a_clock_in_doubt_decides_nothing() {
    let script = Script::new(Thing::Physical);
    let mut course = after(&script, &PHYSICAL);
    let event = |event| Clocked { event, delta_ms: DELTA, outages: vec![], clock: ClockVerdict::Stopped };
    let now = Timestamp::from_millis(course.now);
    let refused = Err(PaidRefusal::Clock { verdict: ClockVerdict::Stopped });
    let shown = event(PaidEvent::Show(script.show(Shown::Received)));
    assert_eq!(step::<Paid>(&mut course.state, &shown, now), refused);
    let known = event(PaidEvent::Show(script.show(Shown::Accepted)));
    assert_eq!(step::<Paid>(&mut course.state, &known, now), Ok((vec![], vec![])));
    assert_eq!(step::<Paid>(&mut PaidState::default(), &event(PaidEvent::Wake), now), Err(PaidRefusal::NotOpen));
}

/// Every fact of some stories is read as it was written, and their fold is the state.
#[test]
fn facts_are_read_as_they_were_written() {
    let mut kinds = std::collections::BTreeSet::new();
    for (thing, steps) in [
        (Thing::Physical, vec![S(Shown::Shipped), S(Shown::HandedOver), Frozen, Thawed, S(Shown::Received)]),
        (Thing::Digital, vec![S(Shown::Posted), At(T_EXP + 1), S(Shown::Delivered)]),
    ] {
        let script = Script::new(thing);
        let course = after(&script, &[&PHYSICAL[..], &steps].concat());
        let mut state = PaidState::default();
        for (seq, fact) in (0..).zip(&course.facts) {
            let envelope = Envelope {
                aggregate: Paid::aggregate(&script.x()),
                seq,
                now: fact.at(),
                salt: [1; 16],
                policy_hash: Digest([1; 32]),
                event_digest: Digest([2; 32]),
            };
            let stored = Fact::decode(&fact.clone().into_fact(&envelope).encode()).unwrap();
            assert_eq!(PaidFact::from_fact(&stored).as_ref(), Ok(fact));
            assert!(crate::exchange::ExchangeFact::from_fact(&stored).is_err());
            kinds.insert(fact.kind().to_string());
            let named = names::of(&stored);
            let (terms, x) = (&script.opened.terms, script.x());
            match fact {
                PaidFact::Opened { at, .. } => {
                    assert!(named[0].starts_with(&names::paid_of(terms.payer.1)));
                    assert_eq!(names::read_paid(&named[1]), Some((at.millis(), x)));
                    assert_eq!((names::read_paid_run(&named[2]), named.len()), (Some(x), 3));
                }
                PaidFact::Decided(_) => {
                    assert!(named[0].starts_with(&names::DECIDED_PAID_RUNS));
                    assert_eq!((names::read_paid_run(&named[0]), named.len()), (Some(x), 1));
                }
                _ => assert!(named.is_empty()),
            }
            // No octet of a body may be another one, and the fact the same.
            for at in 0..stored.body.len() {
                let mut bad = stored.clone();
                bad.body[at] ^= 1;
                if let Ok(read) = PaidFact::from_fact(&bad) {
                    assert_eq!(read.into_fact(&envelope).body, bad.body, "octet {at}");
                }
            }
            Paid::apply(&mut state, fact);
        }
        assert_eq!(state, course.state);
    }
    assert_eq!(kinds.len(), 6, "{kinds:?}");
}
