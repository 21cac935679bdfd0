//! Every pair of state and request, with the exact facts.

use super::super::expiry::End;
use super::super::*;
use crate::b64u::B64u;
use crate::crypto::jose::Thumbprint;
use crate::evidence::{Envelope, Fact, Recorded as _};
use crate::role::step;
use crate::statement::exchange::{Assurance, Outcome, Protocol, Side};
use crate::timestamp::ClockVerdict;

const X: Digest = Digest([7; 32]);
const C_R: Digest = Digest([8; 32]);
const OTHER_C_R: Digest = Digest([9; 32]);
const END: u64 = 1_000;

fn key(side: Side) -> Thumbprint {
    Thumbprint(B64u([if side == Side::Originator { 1 } else { 2 }; 32]))
}

fn ask(side: Side, request: u8, demand: Demand) -> Clocked {
    let event = Ask {
        x: X,
        protocol: Protocol::AswR,
        policy: Digest([4; 32]),
        assurance: Assurance::NonQualified,
        end: Some(End { at_ms: END, outages: vec![] }),
        o: key(Side::Originator),
        r: key(Side::Responder),
        side,
        request: Digest([request; 32]),
        demand,
    };
    Clocked { event, clock: ClockVerdict::Synced }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn abort() -> Clocked {
    ask(Side::Originator, 20, Demand::Abort)
}

fn resolve(side: Side, c_r: Digest) -> Clocked {
    ask(side, if side == Side::Originator { 21 } else { 22 }, Demand::Resolve { c_r })
}

/// What a state says was decided, and what an event adds.
fn outcome(state: &ExchangeState) -> Option<Outcome> {
    state.decision.as_ref().map(|(_, decision)| decision.outcome)
}

fn decided(event: &Clocked, millis: u64) -> ExchangeState {
    let mut state = ExchangeState::default();
    step::<Exchange>(&mut state, event, at(millis)).unwrap();
    state
}

/// The table of exchange-and-disputes §5, whole.
#[test]
fn the_first_request_decides_and_every_later_one_is_answered_with_that() {
    use Outcome::{Aborted, Expired, Resolved};
    use Side::{Originator, Responder};
    let events = [abort(), resolve(Originator, C_R), resolve(Responder, C_R)];
    for first in [None, Some(0), Some(1), Some(2)] {
        for (n, event) in events.iter().enumerate() {
            for (millis, is_late) in [(END, false), (END + 1, true)] {
                let before = first.map_or(ExchangeState::default(), |first| decided(&events[first], END));
                let mut state = before.clone();
                let result = step::<Exchange>(&mut state, event, at(millis));
                if first == Some(n) {
                    // The same request again: nothing new, whatever the time.
                    assert_eq!(result, Ok((vec![], vec![])), "{first:?} {n}");
                    assert_eq!(state, before);
                    continue;
                }
                let (facts, effects) = result.unwrap();
                let expected = match (first, event.event.demand) {
                    (Some(_), _) => outcome(&before).unwrap(),
                    (None, _) if is_late => Expired,
                    (None, Demand::Abort) => Aborted,
                    (None, _) => Resolved,
                };
                assert_eq!(outcome(&state), Some(expected));
                let answered = ExchangeFact::Answered {
                    x: X,
                    at: at(millis),
                    to: event.event.asker(),
                    request: event.event.request,
                    c_r: (event.event.side == Responder).then_some(C_R),
                };
                assert_eq!(facts.last(), Some(&answered));
                assert_eq!(effects.last(), Some(&ExchangeEffect::SignAnswer));
                assert_eq!(facts.len(), if first.is_some() { 1 } else { 2 });
                if first.is_none() {
                    let ExchangeFact::Decided(decision) = &facts[0] else { panic!("{facts:?}") };
                    assert_eq!((decision.outcome, decision.at), (expected, at(millis)));
                    assert_eq!(decision.c_r, (expected == Resolved).then_some(C_R));
                }
                assert_eq!(facts.len(), effects.len());
            }
        }
    }
}

/// The table of exchange-and-disputes §7, whole.
#[test]
fn a_delivery_is_decided_once_and_its_key_goes_to_its_recipient_alone() {
    use Outcome::{Aborted, Expired, Released, Void};
    use Side::{Originator, Responder};
    let delivery = |side, request, demand| {
        let Clocked { event, clock } = ask(side, request, demand);
        Clocked { event: Ask { protocol: Protocol::CdR, ..event }, clock }
    };
    let events = [
        (delivery(Originator, 30, Demand::Abort), Aborted),
        (delivery(Responder, 31, Demand::Take { opens: true }), Released),
        (delivery(Responder, 32, Demand::Take { opens: false }), Void),
        (delivery(Originator, 33, Demand::Deposit), Released),
    ];
    for first in [None, Some(0), Some(1), Some(2), Some(3)] {
        for (event, alone) in &events {
            for (millis, is_late) in [(END, false), (END + 1, true)] {
                let before = first.map_or(ExchangeState::default(), |first: usize| decided(&events[first].0, END));
                let mut state = before.clone();
                // Of the same kind as the first, and another request.
                let mut event = event.clone();
                event.event.request.0[1] = 1;
                let (facts, effects) = step::<Exchange>(&mut state, &event, at(millis)).unwrap();
                let expected = match outcome(&before) {
                    Some(decided) => decided,
                    None if is_late => Expired,
                    None => *alone,
                };
                assert_eq!(outcome(&state), Some(expected), "{first:?} {event:?}");
                let mut kinds = Vec::new();
                kinds.extend(first.is_none().then_some(ExchangeEffect::SignVerdict));
                let leaves = first.is_none() && expected == Released && event.event.demand == Demand::Deposit;
                kinds.extend(leaves.then_some(ExchangeEffect::SealKey));
                kinds.push(ExchangeEffect::SignAnswer);
                let takes = expected == Released && event.event.side == Responder && !before.is_collected;
                kinds.extend(takes.then_some(ExchangeEffect::HandKey));
                assert_eq!(effects, kinds, "{first:?} {event:?}");
                assert_eq!(facts.len(), effects.len());
                assert!(state.is_collected == (before.is_collected || takes));
                assert_eq!(state.deposited.is_some(), before.deposited.is_some() || leaves);
                assert!(facts.iter().all(|fact| !matches!(fact, ExchangeFact::Answered { c_r: Some(_), .. })));
            }
        }
    }
}

#[test]
fn a_second_answer_of_the_responder_is_recorded_once_and_changes_nothing() {
    let mut state = decided(&resolve(Side::Originator, C_R), 5);
    let before = state.decision.clone();
    let (facts, effects) = step::<Exchange>(&mut state, &resolve(Side::Responder, OTHER_C_R), at(6)).unwrap();
    let [ExchangeFact::Answered { c_r, .. }, ExchangeFact::Anomaly { c_r: shown, .. }] = facts.as_slice() else {
        panic!("{facts:?}")
    };
    assert_eq!((*c_r, *shown), (Some(OTHER_C_R), OTHER_C_R), "its answer says which of its runs has ended");
    assert_eq!(effects, [ExchangeEffect::SignAnswer, ExchangeEffect::KeepAnomaly]);
    assert_eq!(state.decision, before);
    let again = ask(Side::Responder, 23, Demand::Resolve { c_r: OTHER_C_R });
    assert_eq!(step::<Exchange>(&mut state, &again, at(7)).unwrap().0.len(), 1, "told once");
    // Nothing contradicts a run that was aborted.
    let mut aborted = decided(&abort(), 5);
    assert_eq!(step::<Exchange>(&mut aborted, &resolve(Side::Responder, C_R), at(6)).unwrap().0.len(), 1);
}

#[test]
fn a_side_gets_so_many_answers_and_each_of_them_again() {
    let mut state = ExchangeState::default();
    for request in 0..ANSWERS_MAX as u8 {
        let event = ask(Side::Responder, request, Demand::Resolve { c_r: C_R });
        step::<Exchange>(&mut state, &event, at(5)).unwrap();
    }
    let more = ask(Side::Responder, 99, Demand::Resolve { c_r: C_R });
    assert_eq!(step::<Exchange>(&mut state, &more, at(5)), Err(ExchangeRefusal::TooManyAnswers));
    let first = ask(Side::Responder, 0, Demand::Resolve { c_r: C_R });
    assert_eq!(step::<Exchange>(&mut state, &first, at(5)), Ok((vec![], vec![])));
    assert!(state.answer_to(&key(Side::Responder), &Digest([0; 32])).is_some_and(|given| given.step == 1));
    assert!(step::<Exchange>(&mut state, &abort(), at(5)).is_ok(), "the other side is not kept out by it");
}

#[test]
fn a_clock_in_doubt_decides_nothing_and_repeats_what_it_said() {
    let doubtful = |event: Clocked| Clocked { clock: ClockVerdict::Stopped, ..event };
    let refused = Err(ExchangeRefusal::Clock { verdict: ClockVerdict::Stopped });
    assert_eq!(step::<Exchange>(&mut ExchangeState::default(), &doubtful(abort()), at(5)), refused);
    let mut state = decided(&abort(), 5);
    assert_eq!(step::<Exchange>(&mut state, &doubtful(abort()), at(6)), Ok((vec![], vec![])));
    assert_eq!(step::<Exchange>(&mut state, &doubtful(resolve(Side::Responder, C_R)), at(6)), refused);
}

#[test]
fn facts_are_read_as_they_were_written() {
    let mut state = ExchangeState::default();
    let end = Some(End { at_ms: END, outages: vec![3, 900] });
    let late = Clocked { event: Ask { end, ..abort().event }, ..abort() };
    let mut facts = step::<Exchange>(&mut state, &late, at(END + 1)).unwrap().0;
    for (side, c_r) in [(Side::Originator, C_R), (Side::Responder, OTHER_C_R)] {
        let mut state = decided(&resolve(Side::Originator, C_R), 5);
        facts.extend(state.decision.clone().map(|(_, decision)| ExchangeFact::Decided(Box::new(decision))));
        facts.extend(step::<Exchange>(&mut state, &ask(side, 77, Demand::Resolve { c_r }), at(6)).unwrap().0);
    }
    for (side, demand) in [
        (Side::Originator, Demand::Deposit),
        (Side::Responder, Demand::Take { opens: true }),
        (Side::Responder, Demand::Take { opens: false }),
    ] {
        facts.extend(step::<Exchange>(&mut ExchangeState::default(), &ask(side, 78, demand), at(5)).unwrap().0);
    }
    let kinds: std::collections::BTreeSet<_> = facts.iter().map(|fact| fact.kind().to_string()).collect();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    for (seq, fact) in (0..).zip(facts) {
        assert_eq!(fact.x(), X);
        let envelope = Envelope {
            aggregate: Exchange::aggregate(&X),
            seq,
            now: at(5),
            salt: [1; 16],
            policy_hash: Digest([1; 32]),
            event_digest: Digest([2; 32]),
        };
        let stored = fact.clone().into_fact(&envelope).encode();
        assert_eq!(ExchangeFact::from_fact(&Fact::decode(&stored).unwrap()), Ok(fact));
    }
}
