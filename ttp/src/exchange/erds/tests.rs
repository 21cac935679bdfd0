//! Every pair of state and occurrence, with the exact events; and what any order of occurrences keeps to.

mod table;

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::testing::{DELTA, NOTICE, OPEN_MAX, RETENTION, RULES, folded, standing};
use super::*;
use crate::b64u::B64u;
use crate::crypto::jose::Thumbprint;
use crate::evidence::{Envelope, Fact, FactError, Recorded as _, names};
use crate::exchange::expiry::Outage;
use crate::exchange::inline::InlineFact;
use crate::exchange::policy::DeliveryPolicy;
use crate::exchange::{Exchange, ExchangeFact};
use crate::role::step;
use crate::statement::exchange::erds::{ErdsEvent, ErdsReason, ErdsStage, RefuseReason};
use crate::statement::exchange::{Assurance, Outcome};
use crate::timestamp::ClockVerdict;

const X: Digest = Digest([7; 32]);
const START: u64 = 1_000_000;
const END: u64 = START + 1_000;
/// Behind every moment that is awaited.
const FAR: u64 = END + 100 * RETENTION;

fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn posting() -> Posting {
    Posting {
        x: X,
        request: Digest([1; 32]),
        policy: Digest([4; 32]),
        assurance: Assurance::NonQualified,
        o: Thumbprint(B64u([1; 32])),
        r: Thumbprint(B64u([2; 32])),
        t_exp: Some(END),
        notice: true,
        rules: RULES,
    }
}

fn clocked(occurrence: Occurrence, outages: &[Outage]) -> Clocked {
    Clocked { occurrence, end: end_of(Some(END), DELTA, outages), clock: ClockVerdict::Synced }
}

/// What may happen, at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Go {
    Submit,
    SubmitToUnknown,
    Notified,
    NotNotified,
    Accept,
    Refuse,
    Released,
    Aborted,
    Void,
    Expired,
    Collected,
    Received,
    Wake,
}
use Go::*;

const ALL: [Go; 13] = [
    Submit,
    SubmitToUnknown,
    Notified,
    NotNotified,
    Accept,
    Refuse,
    Released,
    Aborted,
    Void,
    Expired,
    Collected,
    Received,
    Wake,
];

fn signed(number: u8) -> Signed {
    Signed { request: Digest([number; 32]), claimed_ms: START - 7 }
}

fn occurrence(go: Go, now: u64) -> Occurrence {
    let verdict = Digest([9; 32]);
    let decided = |outcome, d2| Occurrence::Decided { outcome, at: time(now), verdict, d2 };
    match go {
        Submit | SubmitToUnknown => Occurrence::Submit { posting: Box::new(posting()), knows_recipient: go == Submit },
        Notified => Occurrence::Notified(Ok(time(now))),
        NotNotified => Occurrence::Notified(Err(NoticeFault::NoAddress)),
        Accept => Occurrence::Accept(signed(2)),
        Refuse => Occurrence::Refuse { signed: signed(3), reason: Some(RefuseReason::NotForMe) },
        Released => decided(Outcome::Released, Some(signed(2))),
        Aborted => decided(Outcome::Aborted, None),
        Void => decided(Outcome::Void, Some(signed(2))),
        Expired => decided(Outcome::Expired, None),
        Collected => Occurrence::Collected { at: time(now), verdict, signed: signed(4) },
        Received => Occurrence::Received(signed(5)),
        Wake => Occurrence::Wake,
    }
}

/// What is left by these, each at its moment.
fn after(way: &[(Go, u64)]) -> ErdsState {
    let mut state = ErdsState::default();
    for (go, now) in way {
        let event = clocked(occurrence(*go, *now), &[]);
        step::<RegisteredDelivery>(&mut state, &event, time(*now)).unwrap_or_else(|no| panic!("{go:?}: {no}"));
    }
    state
}

/// An event and its reason, as a table has them.
fn short(facts: &[ErdsFact]) -> String {
    let of = |fact: &ErdsFact| match fact {
        ErdsFact::Submitted { .. } => "submitted".to_owned(),
        ErdsFact::Recorded(recording) => {
            let reason = recording.reason.map(|reason| format!(" {}", reason.name()));
            recording.event.letter().to_owned() + &reason.unwrap_or_default()
        }
    };
    facts.iter().map(of).collect::<Vec<_>>().join(" + ")
}

/// The events of a decision with their claimed times, behind a way.
#[track_caller]
fn check(way: &[(Go, u64)], occurrence: Occurrence, now: u64, expected: &[(&str, u64)]) {
    let mut state = after(way);
    let (facts, effects) = step::<RegisteredDelivery>(&mut state, &clocked(occurrence, &[]), time(now)).unwrap();
    let found: Vec<_> = facts
        .iter()
        .map(|fact| match fact {
            ErdsFact::Submitted { at, .. } => ("submitted", at.millis()),
            ErdsFact::Recorded(recording) => (recording.event.letter(), recording.event_ms),
        })
        .collect();
    assert_eq!((found.as_slice(), facts.len()), (expected, effects.len()));
    assert!(facts.iter().all(|fact| (fact.x(), fact.at()) == (X, time(now))));
}

#[test]
fn a_missed_moment_is_the_events_time_whenever_it_is_found() {
    let taken = [(Submit, START)];
    check(&taken, Occurrence::Wake, END, &[("C.2", START + NOTICE)]);
    check(&taken, Occurrence::Wake, END + 1, &[("C.2", START + NOTICE), ("C.5", END)]);
    check(&taken, Occurrence::Wake, FAR, &[("C.2", START + NOTICE), ("C.5", END)]);
    let consigned = [(Submit, START), (Released, START + 10)];
    check(&consigned, Occurrence::Wake, START + 10 + RETENTION, &[]);
    check(&consigned, Occurrence::Wake, FAR, &[("E.2", START + 10 + RETENTION)]);
    // What a party claims is written down, and moves nothing: d2 that is dated before the end comes too late.
    let backdated = Occurrence::Accept(Signed { claimed_ms: 5, ..signed(2) });
    check(&taken, backdated, END + 1, &[("C.2", START + NOTICE), ("C.5", END), ("C.3", 5)]);
}

/// The verdict was in time, so what it consigns is, though it is told here behind the end; nor was d2 late that it embeds.
#[test]
fn what_the_arbiter_did_counts_by_its_own_moment() {
    let released = |at| Occurrence::Decided {
        outcome: Outcome::Released,
        at: time(at),
        verdict: Digest([9; 32]),
        d2: Some(signed(2)),
    };
    let quiet = [(Submit, START), (Notified, START + 1)];
    check(&quiet, released(END), END + 1, &[("C.3", START - 7), ("D.1", END)]);
    let retained = END + RETENTION;
    // Told long after: the key may have been collected at once, which is told next.
    check(&quiet, released(END), retained + 1, &[("C.3", START - 7), ("D.1", END)]);
    let consigned = [quiet[0], quiet[1], (Released, END)];
    check(&consigned, Occurrence::Wake, retained + 1, &[("E.2", retained)]);
    let collected = Occurrence::Collected { at: time(retained), verdict: Digest([9; 32]), signed: signed(4) };
    check(&consigned, collected, FAR, &[("E.1", retained)]);
    // A timer was faster: the end is recorded, and what was decided before it is told beside it.
    let faster = after(&[quiet[0], quiet[1], (Wake, END + 1)]);
    let event = clocked(released(END), &[]);
    let (facts, _) = RegisteredDelivery::decide(&faster, &event, time(END + 2)).unwrap();
    assert_eq!(short(&facts), "C.3 after-negative + D.1");
    // Nobody is told of what is to come.
    let (facts, _) = RegisteredDelivery::decide(&after(&quiet), &clocked(released(FAR), &[]), time(END + 1)).unwrap();
    assert_eq!(short(&facts), "C.5 no-answer + C.3 after-negative + D.1");
}

#[test]
fn an_absence_of_the_arbiter_moves_the_end_and_is_named() {
    let outage = Outage { from: time(END - 5), to: time(END + 90), index: 12 };
    let mut state = after(&[(Submit, START), (Notified, START + 1)]);
    let wake = clocked(Occurrence::Wake, &[outage]);
    assert_eq!(state.wakes_after(&wake.end), Some(END + 100));
    assert_eq!(RegisteredDelivery::decide(&state, &wake, time(END + 100)), Ok((vec![], vec![])));
    let (facts, _) = step::<RegisteredDelivery>(&mut state, &wake, time(END + 101)).unwrap();
    let [ErdsFact::Recorded(recording)] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!((recording.event.letter(), recording.event_ms, &recording.outages[..]), ("C.5", END + 100, &[12][..]));
    // Taken behind t_exp, for the same reason.
    let submit = clocked(occurrence(Submit, END + 50), &[outage]);
    let (facts, _) = RegisteredDelivery::decide(&ErdsState::default(), &submit, time(END + 95)).unwrap();
    let ErdsFact::Recorded(recording) = &facts[1] else { panic!("{facts:?}") };
    assert_eq!((recording.event.letter(), &recording.outages[..]), ("A.1", &[12][..]));
}

#[test]
fn what_the_policy_does_not_take_is_refused_by_evidence() {
    let check = |change: &dyn Fn(&mut Posting), now: u64, expected: &str| {
        let mut posting = posting();
        change(&mut posting);
        let end = end_of(posting.t_exp, DELTA, &[]);
        let occurrence = Occurrence::Submit { posting: Box::new(posting), knows_recipient: true };
        let event = Clocked { occurrence, end, clock: ClockVerdict::Synced };
        let mut state = ErdsState::default();
        let (facts, effects) = step::<RegisteredDelivery>(&mut state, &event, time(now)).unwrap();
        assert_eq!(short(&facts), expected);
        let second = if expected.ends_with("A.1") && facts_notice(&facts) {
            ErdsEffect::SignAndNotify
        } else {
            ErdsEffect::SignEvidence
        };
        assert_eq!(effects, [ErdsEffect::KeepDelivery, second]);
        assert_eq!(state.wakes_after(&event.end).is_some(), expected.ends_with("A.1"));
    };
    check(&|_| (), END, "submitted + A.1");
    check(&|posting| posting.notice = false, END, "submitted + A.1");
    check(&|_| (), END + 1, "submitted + A.2 expired");
    check(&|posting| posting.t_exp = None, START, "submitted + A.2 no-end");
    check(&|posting| posting.t_exp = Some(START + OPEN_MAX), START, "submitted + A.1");
    check(&|posting| posting.t_exp = Some(START + OPEN_MAX + 1), START, "submitted + A.2 end-too-far");
}

fn facts_notice(facts: &[ErdsFact]) -> bool {
    matches!(&facts[0], ErdsFact::Submitted { posting, .. } if posting.notice)
}

#[test]
fn rule_2_a_late_positive_event_counts_only_by_policy() {
    for late_counts in [false, true] {
        let mut state = after(&[(Submit, START), (Notified, START + 1), (Wake, END + 1), (Accept, END + 2)]);
        if let Some((_, posting)) = &mut state.submission {
            posting.rules = DeliveryPolicy { late_counts, ..RULES };
        }
        let counts = if late_counts { "C.3" } else { "C.5" };
        assert_eq!(state.standing(ErdsStage::Acceptance).map(ErdsEvent::letter), Some(counts));
        assert_eq!(state.events.len(), 4, "both are recorded");
        assert_eq!(state.awaited(&end_of(Some(END), DELTA, &[])), [], "in either case nothing more is awaited");
    }
}

/// The evidence is no part of the run's history: neither is read as the other.
#[test]
fn nothing_of_it_reaches_the_runs_own_history() {
    assert_ne!(RegisteredDelivery::aggregate(&X), Exchange::aggregate(&X));
    let mut state = ErdsState::default();
    let event = clocked(occurrence(Submit, START), &[]);
    let (facts, _) = step::<RegisteredDelivery>(&mut state, &event, time(START)).unwrap();
    for fact in facts.into_iter().map(stored) {
        assert!(matches!(ExchangeFact::from_fact(&fact), Err(FactError::OtherKind { .. })));
        assert!(matches!(InlineFact::from_fact(&fact), Err(FactError::OtherKind { .. })));
        assert!(ErdsFact::from_fact(&fact).is_ok());
    }
}

#[test]
fn without_a_good_clock_only_what_is_known_is_told() {
    let state = after(&[(Submit, START), (Accept, START + 1), (Released, START + 2), (Collected, START + 3)]);
    for go in ALL {
        for state in [&state, &ErdsState::default()] {
            let verdict = ClockVerdict::Unsynced;
            let event = Clocked { clock: verdict, ..clocked(occurrence(go, FAR), &[]) };
            let decided = RegisteredDelivery::decide(state, &event, time(FAR));
            let is_known = state.steps > 0 && [Submit, SubmitToUnknown, Accept, Collected].contains(&go);
            match is_known {
                true => assert_eq!(decided, Ok((vec![], vec![])), "{go:?}"),
                false => assert_eq!(decided, Err(ErdsRefusal::Clock { verdict }), "{go:?}"),
            }
        }
    }
}

fn stored(fact: ErdsFact) -> Fact {
    let aggregate = RegisteredDelivery::aggregate(&fact.x());
    let (salt, policy_hash, event_digest) = ([5; 16], Digest([4; 32]), Digest([6; 32]));
    fact.clone().into_fact(&Envelope { aggregate, seq: 0, now: fact.at(), salt, policy_hash, event_digest })
}

/// A negative event without reason, or with another's, is no fact.
#[test]
fn facts_are_read_as_they_were_written_and_no_others() {
    for event in ErdsEvent::ALL {
        let reasons = std::iter::once(None).chain(ErdsReason::ALL.iter().copied().map(Some));
        for reason in reasons {
            let recording = Recording {
                x: X,
                at: time(START),
                event: *event,
                event_ms: 5,
                reason,
                statement: Some(Digest([2; 32])),
                verdict: None,
                outages: vec![7, 900],
            };
            let fact = ErdsFact::Recorded(Box::new(recording));
            let read = ErdsFact::from_fact(&stored(fact.clone()));
            let may = event.may_have(reason.as_slice());
            assert_eq!(read.ok(), may.then_some(fact), "{} {reason:?}", event.letter());
        }
    }
    for (t_exp, notice) in [(None, true), (Some(END), false)] {
        let posting = Box::new(Posting { t_exp, notice, ..posting() });
        let fact = ErdsFact::Submitted { at: time(START), posting };
        assert_eq!(ErdsFact::from_fact(&stored(fact.clone())), Ok(fact));
    }
}

/// The parts that names say are open.
fn open(facts: &[ErdsFact]) -> usize {
    let names: Vec<_> = facts.iter().flat_map(|fact| names::of(&stored(fact.clone()))).collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "each name stands for one entry: {}", short(facts));
    let open = names.iter().filter_map(|name| names::read_open_delivery(name));
    let is_closed = |part: &(u8, Digest)| names.iter().any(|name| name.starts_with(&names::delivery_closed(*part)));
    open.filter(|part| !is_closed(part)).count()
}

/// What happened in a course: all facts, in their order.
fn course(way: &[(Go, u64)], wakes: &[u64], late_counts: bool) -> Vec<ErdsFact> {
    let mut all: Vec<_> = way.to_vec();
    all.extend(wakes.iter().map(|now| (Wake, *now)));
    all.sort_by_key(|(_, now)| *now);
    let (mut state, mut facts) = (ErdsState::default(), Vec::new());
    for (go, now) in all {
        let mut happens = occurrence(go, now);
        if let Occurrence::Submit { posting, .. } = &mut happens {
            posting.rules.late_counts = late_counts;
        }
        let before = state.clone();
        match step::<RegisteredDelivery>(&mut state, &clocked(happens, &[]), time(now)) {
            Ok((new, _)) => facts.extend(new),
            Err(_) => assert_eq!(state, before),
        }
        // Rule 2: what stands is not replaced, but by policy a negative event by a positive one.
        for (was, is) in standing(&before).into_iter().zip(standing(&state)) {
            let flips = was.is_some_and(|was| !was.is_positive()) && is.is_some_and(ErdsEvent::is_positive);
            assert!(was.is_none() || was == is || (flips && late_counts), "{was:?} {is:?}");
        }
        let end = end_of(Some(END), DELTA, &[]);
        let awaited = state.awaited(&end);
        assert_eq!(open(&facts) > 0, !awaited.is_empty(), "what is awaited is found by names: {}", short(&facts));
        assert!(awaited.iter().all(|awaited| !awaited.until.has_passed(time(now))), "rule 1");
        assert!(awaited.iter().all(|awaited| !awaited.negative.is_positive()));
    }
    assert_eq!(folded(&facts), state);
    facts
}

fn recordings(facts: &[ErdsFact]) -> Vec<(ErdsEvent, u64, Option<ErdsReason>)> {
    let of = |fact: &ErdsFact| match fact {
        ErdsFact::Submitted { .. } => None,
        ErdsFact::Recorded(recording) => Some((recording.event, recording.event_ms, recording.reason)),
    };
    facts.iter().filter_map(of).collect()
}

fn go() -> impl Strategy<Value = Go> {
    proptest::sample::select(ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Rules 1 and 2 over any order of occurrences, and timers that fire whenever they do.
    #[test]
    fn any_course_keeps_both_rules(
        way in proptest::collection::vec((go(), START..END + 2 * RETENTION), 0..14),
        wakes in proptest::collection::vec(START..END + 2 * RETENTION, 0..6),
        late_counts in any::<bool>(),
    ) {
        let mut way = way;
        way.push((Submit, START - 1));
        let quiet = course(&way, &[FAR], late_counts);
        let events = recordings(&quiet);
        for (place, (event, _, reason)) in events.iter().enumerate() {
            let before = &events[..place];
            prop_assert!(before.iter().all(|(other, ..)| other != event), "once: {}", short(&quiet));
            let of_stage = || before.iter().filter(|(other, ..)| other.stage() == event.stage());
            prop_assert!(event.may_have(reason.as_slice()));
            prop_assert!(event.is_positive() || of_stage().all(|(other, ..)| !other.is_positive()), "{}", short(&quiet));
            prop_assert_eq!(*reason == Some(ErdsReason::AfterNegative), event.is_positive() && of_stage().next().is_some());
        }
        // Nothing is awaited for ever: each stage that was begun has come to an end.
        prop_assert_eq!(open(&quiet), 0);
        let ended = |stages: &[ErdsStage]| events.iter().any(|(event, ..)| stages.contains(&event.stage()));
        prop_assert!(ended(&[ErdsStage::Acceptance, ErdsStage::Consignment, ErdsStage::Handover]));
        let consigned = events.iter().any(|(event, ..)| *event == ErdsEvent::ContentConsignment);
        prop_assert!(!consigned || ended(&[ErdsStage::Handover]));
        // A timer finds nothing that something else would not have found.
        let woken = course(&way, &[&wakes[..], &[FAR]].concat(), late_counts);
        prop_assert_eq!(recordings(&woken), events);
    }
}
