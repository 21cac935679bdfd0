//! Every pair of state and event, with the exact facts; and what any order of events keeps to.

use proptest::prelude::*;

use super::testing::{DELTA, RETENTION, SIDES, T_DEP, T_EXP, at};
use super::*;
use crate::b64u::B64u;
use crate::crypto::jose::Thumbprint;
use crate::evidence::{Envelope, ExchangeKind, Fact, Kind, Recorded as _};
use crate::exchange::expiry::{End, Outage};
use crate::role::step;
use crate::statement::exchange::inline::{DepositFault, DepositMode};
use crate::statement::exchange::item::MatchResult;
use crate::statement::exchange::{Assurance, Outcome, Side};
use crate::timestamp::ClockVerdict;
use DepositFault::Mismatch as Refused;
use MatchResult::{Match, NeedsHuman};
use Side::{Originator, Responder};

const X: Digest = Digest([7; 32]);
const NOW: u64 = T_DEP - 50;

fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn item(side: Side) -> Digest {
    Digest([0x30 + u8::try_from(at(side)).unwrap(); 32])
}

fn items() -> [Digest; 2] {
    SIDES.map(item)
}

fn request(number: u8) -> Digest {
    Digest([number; 32])
}

fn agreement() -> Agreement {
    Agreement {
        x: X,
        request: request(1),
        policy: Digest([4; 32]),
        assurance: Assurance::NonQualified,
        mode: DepositMode::Content,
        o: Thumbprint(B64u([1; 32])),
        r: Thumbprint(B64u([2; 32])),
        t_dep: T_DEP,
        t_exp: T_EXP,
        retention_ms: RETENTION,
    }
}

fn clocked(event: InlineEvent, outages: &[Outage]) -> Clocked {
    Clocked { event, ends: Ends::of(T_DEP, T_EXP, DELTA, outages), clock: ClockVerdict::Synced }
}

fn register() -> InlineEvent {
    InlineEvent::Register(Box::new(agreement()))
}

fn deposit(side: Side, number: u8, found: Result<MatchResult, DepositFault>) -> InlineEvent {
    InlineEvent::Deposit { moved: Moved { side, request: request(number), item: item(side) }, size: 9, found }
}

fn cancel(side: Side) -> InlineEvent {
    InlineEvent::Cancel { side, request: request(10 + u8::try_from(at(side)).unwrap()) }
}

fn waive(side: Side) -> InlineEvent {
    InlineEvent::Waive { side, request: request(20 + u8::try_from(at(side)).unwrap()), items: items() }
}

fn collect(side: Side) -> InlineEvent {
    InlineEvent::Collect { side, request: request(30 + u8::try_from(at(side)).unwrap()) }
}

/// What becomes of a run in which these happen in time.
fn after(events: &[InlineEvent]) -> InlineState {
    let mut state = InlineState::default();
    for event in std::iter::once(&register()).chain(events) {
        step::<Inline>(&mut state, &clocked(event.clone(), &[]), time(NOW)).unwrap();
    }
    state
}

/// The kinds of the facts that an event leaves, and the phase after it.
#[track_caller]
fn check(before: &[InlineEvent], event: InlineEvent, now: u64, expected: &[ExchangeKind], then: Phase) {
    let mut state = after(before);
    let (facts, effects) = step::<Inline>(&mut state, &clocked(event.clone(), &[]), time(now)).unwrap();
    let kinds: Vec<_> = facts.iter().map(InlineFact::kind).collect();
    let expected: Vec<_> = expected.iter().copied().map(Kind::Exchange).collect();
    assert_eq!((kinds, state.phase()), (expected, then), "{before:?} {event:?}");
    assert_eq!(facts.len(), effects.len());
    for fact in facts {
        assert_eq!((fact.x(), fact.at()), (X, time(now)));
    }
}

#[track_caller]
fn refused(before: &[InlineEvent], event: InlineEvent, expected: InlineRefusal) {
    let mut state = after(before);
    let known = state.clone();
    let result = step::<Inline>(&mut state, &clocked(event.clone(), &[]), time(NOW));
    assert_eq!(result, Err(expected), "{before:?} {event:?}");
    assert_eq!(state, known);
}

/// The table of exchange-and-disputes §6, whole.
#[test]
fn it_is_released_when_both_are_in_and_returned_otherwise() {
    use ExchangeKind::{InlineReleased, ItemKept, Returned, SubmissionRefused, Submitted, Waived};
    for side in SIDES {
        let other = side.other();
        let (good, human) = (deposit(side, 2, Ok(Match)), deposit(side, 2, Ok(NeedsHuman)));
        let [half, half_human] = [[good.clone()], [human.clone()]];
        check(&[], good.clone(), NOW, &[Submitted, ItemKept], Phase::Half(side));
        check(&[], deposit(side, 2, Err(Refused)), NOW, &[SubmissionRefused], Phase::Agreed);
        check(&[], deposit(side, 2, Ok(MatchResult::Mismatch)), NOW, &[SubmissionRefused], Phase::Agreed);
        check(&half, deposit(other, 3, Ok(Match)), NOW, &[Submitted, ItemKept, InlineReleased], Phase::Released);
        check(&half, deposit(other, 3, Err(DepositFault::Escrow)), NOW, &[SubmissionRefused], Phase::Half(side));
        check(&half, deposit(other, 3, Ok(NeedsHuman)), NOW, &[Submitted, ItemKept], Phase::Both);
        check(&half_human, deposit(other, 3, Ok(Match)), NOW, &[Submitted, ItemKept], Phase::Both);
        let both = [human.clone(), deposit(other, 3, Ok(Match))];
        check(&both, waive(side), NOW, &[Waived], Phase::Both);
        check(&both, waive(other), NOW, &[Waived], Phase::Both);
        let [o, r, one] = [both[0].clone(), both[1].clone(), waive(other)];
        check(&[o, r, one], waive(side), NOW, &[Waived, InlineReleased], Phase::Released);
        // A refused deposit may be replaced.
        check(
            &[deposit(side, 2, Err(Refused))],
            deposit(side, 3, Ok(Match)),
            NOW,
            &[Submitted, ItemKept],
            Phase::Half(side),
        );
        check(&[], cancel(side), NOW, &[Returned], Phase::Returned);
        check(&half, cancel(side), NOW, &[Returned], Phase::Returned);
        refused(&half, cancel(other), InlineRefusal::OtherDeposited);
        refused(&both, cancel(side), InlineRefusal::OtherDeposited);
        refused(&half, deposit(side, 3, Ok(Match)), InlineRefusal::AlreadyDeposited);
        refused(&half_human, deposit(side, 3, Ok(Match)), InlineRefusal::AlreadyDeposited);
        refused(&half, waive(side), InlineRefusal::NothingToWaive);
        refused(&[], collect(side), InlineRefusal::NotDecided);
        let items = [item(side), item(side)];
        refused(&both, InlineEvent::Waive { side, request: request(9), items }, InlineRefusal::OtherItems);
    }
}

/// A passed deadline is passed, whatever event shows it, and whether or not a timer fired.
#[test]
fn any_event_after_an_end_finds_it_returned() {
    use ExchangeKind::{InlineReleased, ItemKept, Registered, Returned, Submitted, Waived};
    let half = [deposit(Originator, 2, Ok(Match))];
    let both = [deposit(Originator, 2, Ok(NeedsHuman)), deposit(Responder, 3, Ok(Match))];
    let second = deposit(Responder, 3, Ok(Match));
    check(&half, second.clone(), T_DEP, &[Submitted, ItemKept, InlineReleased], Phase::Released);
    for event in [InlineEvent::Wake, register(), second, cancel(Originator), collect(Originator), waive(Responder)] {
        check(&half, event.clone(), T_DEP + 1, &[Returned], Phase::Returned);
        check(&[], event, T_DEP + 1, &[Returned], Phase::Returned);
    }
    // With both in, the end of the run counts.
    check(&both, InlineEvent::Wake, T_DEP + 1, &[], Phase::Both);
    let one = [both[0].clone(), both[1].clone(), waive(Originator)];
    check(&one, waive(Responder), T_EXP, &[Waived, InlineReleased], Phase::Released);
    check(&one, waive(Responder), T_EXP + 1, &[Returned], Phase::Returned);
    check(&one, InlineEvent::Wake, T_EXP + 1, &[Returned], Phase::Returned);
    // Registered too late, it has an end all the same.
    let mut state = InlineState::default();
    let (facts, _) = step::<Inline>(&mut state, &clocked(register(), &[]), time(T_DEP + 1)).unwrap();
    let kinds: Vec<_> = facts.iter().map(InlineFact::kind).collect();
    assert_eq!(kinds, [Registered, Returned].map(Kind::Exchange));
}

#[test]
fn an_absence_of_the_arbiter_moves_both_ends() {
    let outage = |from, to| Outage { from: time(from), to: time(to), index: 5 };
    let mut state = after(&[deposit(Originator, 2, Ok(Match))]);
    let away = [outage(T_DEP - 1, T_DEP + 30)];
    let late = deposit(Responder, 3, Ok(Match));
    let now = time(T_DEP + 30 + DELTA);
    let (facts, _) = step::<Inline>(&mut state, &clocked(late, &away), now).unwrap();
    let Some(InlineFact::Decided(decision)) = facts.last() else { panic!("{facts:?}") };
    assert_eq!(decision.outcome, Outcome::Released);
    assert_eq!(decision.end, End { at_ms: T_DEP + 30 + DELTA, outages: vec![5] });
    // However long it was, the end for deposits does not pass the end of the run.
    for to in [T_DEP, T_DEP + 99, T_EXP, T_EXP + 500] {
        let ends = Ends::of(T_DEP, T_EXP, DELTA, &[outage(T_DEP - 3, to), outage(to + 1, to + 2)]);
        assert!(ends.deposit.at_ms <= ends.run.at_ms, "{to}");
    }
}

/// RELEASED, RETURNED: anything, same.
#[test]
fn what_was_decided_stays_and_is_decided_once() {
    let events = [
        register(),
        deposit(Originator, 2, Ok(Match)),
        deposit(Originator, 8, Ok(Match)),
        deposit(Responder, 3, Ok(Match)),
        deposit(Responder, 9, Err(Refused)),
        cancel(Originator),
        cancel(Responder),
        waive(Originator),
        waive(Responder),
        InlineEvent::Wake,
    ];
    let released = after(&[deposit(Originator, 2, Ok(Match)), deposit(Responder, 3, Ok(Match))]);
    for state in [released, after(&[cancel(Responder)]), after(&[deposit(Responder, 3, Ok(Match)), cancel(Responder)])]
    {
        for event in &events {
            for now in [NOW, T_DEP + 1, T_EXP + 1] {
                let mut again = state.clone();
                let result = step::<Inline>(&mut again, &clocked(event.clone(), &[]), time(now));
                assert_eq!(result, Ok((vec![], vec![])), "{event:?}");
                assert_eq!(again, state);
            }
        }
    }
}

/// The same request again gets what it got, even where the clock may assert nothing.
#[test]
fn a_request_that_is_repeated_changes_nothing() {
    let lost = |event: &InlineEvent| Clocked { clock: ClockVerdict::Stopped, ..clocked(event.clone(), &[]) };
    let events = [
        register(),
        deposit(Originator, 2, Err(Refused)),
        deposit(Originator, 3, Ok(NeedsHuman)),
        deposit(Responder, 4, Ok(Match)),
        waive(Responder),
        waive(Originator),
    ];
    let mut state = InlineState::default();
    for event in &events {
        let verdict = ClockVerdict::Stopped;
        assert_eq!(Inline::decide(&state, &lost(event), time(NOW)), Err(InlineRefusal::Clock { verdict }), "{event:?}");
        step::<Inline>(&mut state, &clocked(event.clone(), &[]), time(NOW)).unwrap();
        for again in [clocked(event.clone(), &[]), lost(event)] {
            assert_eq!(Inline::decide(&state, &again, time(NOW)), Ok((vec![], vec![])), "{event:?}");
        }
    }
    // What a side has been given it is given again.
    for collecting in [collect(Originator), collect(Responder)] {
        assert!(Inline::decide(&state, &lost(&collecting), time(NOW)).is_err());
        step::<Inline>(&mut state, &clocked(collecting.clone(), &[]), time(NOW)).unwrap();
        assert_eq!(Inline::decide(&state, &lost(&collecting), time(NOW)), Ok((vec![], vec![])));
    }
    assert_eq!(state.refusal_of(Originator, &request(2)), Some(1));
    assert_eq!((state.phase(), state.refused.len(), state.steps), (Phase::Released, 1, 11));
}

#[test]
fn refusals_are_bounded_for_each_side() {
    let many: Vec<_> = (0..8).map(|number| deposit(Originator, 40 + number, Err(Refused))).collect();
    assert_eq!(many.len(), REFUSALS_MAX);
    refused(&many, deposit(Originator, 60, Err(Refused)), InlineRefusal::TooManyRefused);
    // Of what is good one more is taken, and the other side has its own.
    check(
        &many,
        deposit(Originator, 60, Ok(Match)),
        NOW,
        &[ExchangeKind::Submitted, ExchangeKind::ItemKept],
        Phase::Half(Originator),
    );
    check(&many, deposit(Responder, 60, Err(Refused)), NOW, &[ExchangeKind::SubmissionRefused], Phase::Agreed);
}

#[test]
fn an_event_before_the_agreement_is_refused() {
    for event in [deposit(Originator, 2, Ok(Match)), cancel(Responder), waive(Originator), InlineEvent::Wake] {
        let result = Inline::decide(&InlineState::default(), &clocked(event, &[]), time(NOW));
        assert_eq!(result, Err(InlineRefusal::NotRegistered));
    }
}

#[test]
fn items_are_kept_for_retention_and_what_went_back_is_erased() {
    use ExchangeKind::{ItemCollected, ItemsErased};
    let both = [deposit(Originator, 2, Ok(Match)), deposit(Responder, 3, Ok(Match))];
    let released = after(&both);
    for side in SIDES {
        assert_eq!(released.due_to(side).map(|held| held.moved.item), Some(item(side.other())), "the other's");
        check(&both, collect(side), NOW + 5, &[ItemCollected], Phase::Released);
        let collected = [both[0].clone(), both[1].clone(), collect(side)];
        // Again, as often as an answer is lost, and by another statement as well.
        check(&collected, collect(side), NOW + 5, &[], Phase::Released);
        let all = [&collected[..], &[collect(side.other())]].concat();
        assert_eq!(after(&all).erased_from(), Some(NOW + RETENTION), "fetched or not");
    }
    check(&both, InlineEvent::Wake, NOW + RETENTION, &[], Phase::Released);
    check(&both, InlineEvent::Wake, NOW + RETENTION + 1, &[ItemsErased], Phase::Released);
    // Back with its owner, it is of no use here.
    let back = [both[0].clone(), cancel(Originator)];
    let returned = after(&back);
    let dues = SIDES.map(|side| returned.due_to(side).map(|held| held.moved.item));
    assert_eq!(dues, [Some(item(Originator)), None], "its own");
    refused(&back, collect(Responder), InlineRefusal::NothingToCollect);
    check(&back, InlineEvent::Wake, NOW + 5, &[], Phase::Returned);
    let fetched = [&back[..], &[collect(Originator)]].concat();
    check(&fetched, InlineEvent::Wake, NOW + 5, &[ItemsErased], Phase::Returned);
    let mut erased = after(&fetched);
    step::<Inline>(&mut erased, &clocked(InlineEvent::Wake, &[]), time(NOW + 5)).unwrap();
    assert_eq!((erased.erased_from(), erased.due_to(Originator)), (None, None));
    let gone = Inline::decide(&erased, &clocked(collect(Originator), &[]), time(NOW + 6));
    assert_eq!(gone, Err(InlineRefusal::NothingToCollect));
    // Where nothing was deposited there is nothing to erase.
    assert_eq!(after(&[cancel(Responder)]).erased_from(), None);
}

#[test]
fn a_timer_is_set_for_the_next_end() {
    let ends = Ends::of(T_DEP, T_EXP, DELTA, &[]);
    let wakes = |events: &[InlineEvent]| after(events).wakes_after(&ends);
    let [good, human] = [deposit(Originator, 2, Ok(Match)), deposit(Responder, 3, Ok(NeedsHuman))];
    assert_eq!(InlineState::default().wakes_after(&ends), None);
    assert_eq!(wakes(&[]), Some(T_DEP));
    assert_eq!(wakes(std::slice::from_ref(&good)), Some(T_DEP));
    assert_eq!(wakes(&[good.clone(), human]), Some(T_EXP));
    assert_eq!(wakes(&[good, deposit(Responder, 3, Ok(Match))]), Some(NOW + RETENTION));
    assert_eq!(wakes(&[cancel(Originator)]), None);
}

#[test]
fn facts_are_read_as_they_are_written() {
    let end = |outages| End { at_ms: T_DEP, outages };
    let decided = |outcome, by, outages, deposits| {
        let Agreement { x, policy, assurance, o, r, .. } = agreement();
        let (at, end) = (time(NOW), end(outages));
        InlineFact::Decided(Box::new(InlineDecision { x, at, outcome, policy, assurance, end, o, r, by, deposits }))
    };
    let moved = Moved { side: Responder, request: request(2), item: item(Responder) };
    let (x, at) = (X, time(NOW));
    for fact in [
        InlineFact::Registered { at, agreement: Box::new(agreement()) },
        InlineFact::Submitted { x, at, moved, size: 9, result: NeedsHuman },
        InlineFact::Kept { x, at, side: moved.side, size: 9 },
        InlineFact::SubmissionRefused { x, at, moved, reason: DepositFault::Sealed },
        InlineFact::Waived { x, at, side: Originator, request: request(3) },
        decided(Outcome::Released, Some((Responder, request(2))), vec![7, 9], 2),
        decided(Outcome::Returned, None, vec![], 0),
        InlineFact::Collected { x, at, moved },
        InlineFact::Erased { x, at },
    ] {
        let aggregate = Inline::aggregate(&X);
        let envelope = Envelope { aggregate, seq: 0, now: at, salt: [0; 16], policy_hash: X, event_digest: X };
        let stored = fact.clone().into_fact(&envelope);
        let read = Fact::decode(&stored.encode()).unwrap();
        assert_eq!(InlineFact::from_fact(&read), Ok(fact.clone()));
        // Neither half of the role reads what is the other's.
        assert!(crate::exchange::ExchangeFact::from_fact(&read).is_err(), "{fact:?}");
    }
}

fn any_event() -> impl Strategy<Value = InlineEvent> {
    let side = prop::sample::select(&SIDES[..]);
    let found = prop::sample::select(vec![Ok(Match), Ok(NeedsHuman), Ok(MatchResult::Mismatch), Err(Refused)]);
    let deposits = (side.clone(), 0..4u8, found).prop_map(|(side, number, found)| deposit(side, 50 + number, found));
    let others = (side, 0..5u8, any::<bool>()).prop_map(|(side, what, wrong)| match what {
        0 => cancel(side),
        1 if wrong => InlineEvent::Waive { side, request: request(9), items: [item(side); 2] },
        1 => waive(side),
        2 => collect(side),
        3 => register(),
        _ => InlineEvent::Wake,
    });
    prop_oneof![3 => deposits, 2 => others]
}

proptest! {
    /// Whatever happens in whatever order: one decision at most, and that by the rule; nobody gets an item before it, and none but what is
    /// due to it; the facts folded anew are the state.
    #[test]
    fn any_history_keeps_the_rule(events in prop::collection::vec((any_event(), 0..40u64), 0..24)) {
        let mut state = InlineState::default();
        let mut facts = Vec::new();
        let mut now = NOW;
        for (event, later) in events {
            now += later;
            let before = state.clone();
            match step::<Inline>(&mut state, &clocked(event, &[]), time(now)) {
                Ok((more, effects)) => {
                    prop_assert_eq!(more.len(), effects.len());
                    facts.extend(more);
                }
                Err(_) => prop_assert_eq!(&state, &before),
            }
            // As soon as it has anything to wait for, it knows until when.
            let ends = Ends::of(T_DEP, T_EXP, DELTA, &[]);
            let is_running = matches!(state.phase(), Phase::Agreed | Phase::Half(_) | Phase::Both);
            prop_assert!(!is_running || state.wakes_after(&ends).is_some());
        }
        let decisions: Vec<_> = facts.iter().enumerate().filter_map(|(step, fact)| match fact {
            InlineFact::Decided(decision) => Some((step, decision)),
            _ => None,
        }).collect();
        prop_assert!(decisions.len() <= 1);
        if let [(step, decision)] = decisions[..] {
            let before = &facts[..step];
            let taken = |side: Side| before.iter().find_map(|fact| match fact {
                InlineFact::Submitted { moved, result, .. } if moved.side == side => Some(*result),
                _ => None,
            });
            let waivers = before.iter().filter(|fact| matches!(fact, InlineFact::Waived { .. })).count();
            let both = SIDES.map(taken);
            prop_assert_eq!(decision.deposits, both.iter().flatten().count() as u64);
            match decision.outcome {
                Outcome::Released => {
                    prop_assert!(both == [Some(Match); 2] || both.iter().all(Option::is_some) && waivers == 2);
                    prop_assert!(decision.at.millis() <= decision.end.at_ms);
                }
                _ => prop_assert!(
                    decision.by.is_some_and(|(side, _)| taken(side.other()).is_none())
                        || decision.at.millis() > decision.end.at_ms
                ),
            }
        }
        for (step, fact) in facts.iter().enumerate() {
            if let InlineFact::Collected { moved, .. } = fact {
                let (decided_at, decision) = decisions[0];
                prop_assert!(decided_at < step);
                let whose = if decision.outcome == Outcome::Released { moved.side.other() } else { moved.side };
                prop_assert_eq!(moved.item, item(whose));
            }
        }
        let mut folded = InlineState::default();
        facts.iter().for_each(|fact| Inline::apply(&mut folded, fact));
        prop_assert_eq!(folded, state);
    }
}
