//! Tables over (state, event, now), each with the exact facts or the exact refusal; every pair of state and event.

use super::super::*;
use super::*;
use crate::b64u::B64u;
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::evidence::Aggregate;
use crate::id::PartyId;
use crate::role::step;
use crate::timestamp::ClockVerdict;

const CLOCK: ClockVerdict = ClockVerdict::Synced;
const OFFICER: Digest = Digest([0x0F; 32]);

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn party() -> PartyId {
    [9; 16].into()
}

fn key(number: u16) -> Thumbprint {
    let mut octets = [0; 32];
    octets[..2].copy_from_slice(&number.to_be_bytes());
    Thumbprint(B64u(octets))
}

fn register() -> PartyEvent {
    let (registration, terms) = ([7; 16].into(), Digest([5; 32]));
    PartyEvent::Register(Register { party: party(), registration, terms, clock: CLOCK })
}

fn bind(number: u16) -> BindKey {
    BindKey {
        thumbprint: key(number),
        certificate: Digest([1; 32]),
        history: Aggregate([2; 32]),
        not_after: at(2_000),
        clock: CLOCK,
    }
}

fn unbind(number: u16, reason: UnbindReason) -> PartyEvent {
    PartyEvent::UnbindKey(UnbindKey { thumbprint: key(number), reason, clock: CLOCK })
}

fn accept(policy: u16) -> PartyEvent {
    let policy = Digest(*key(policy).0.as_bytes());
    PartyEvent::AcceptTerms(AcceptTerms { policy, statement: Digest([6; 32]), clock: CLOCK })
}

fn suspend() -> PartyEvent {
    PartyEvent::Suspend(Suspend { officer: OFFICER, reason: SuspensionReason::KeysInDoubt, clock: CLOCK })
}

fn reinstate() -> PartyEvent {
    PartyEvent::Reinstate(Reinstate { officer: OFFICER, reason: ReinstatementReason::Settled, clock: CLOCK })
}

/// What these events leave, all at 1,000.
fn after(events: impl IntoIterator<Item = PartyEvent>) -> PartyState {
    let mut state = PartyState::None;
    for event in events {
        step::<PartyRegistry>(&mut state, &event, at(1_000)).unwrap();
    }
    state
}

/// All (state, event) pairs. One column for each action, in their order.
#[test]
fn every_event_in_every_state() {
    use PartyRefusal as No;
    const NOBODY: No = No::NotRegistered;
    let twice = No::AlreadyRegistered { registration: [7; 16].into() };
    let suspended = No::Suspended { since: at(1_000) };
    let one = [register(), PartyEvent::BindKey(bind(1))];
    let yes = Ok(());
    let table = [
        ("nobody", after([]), [yes, Err(NOBODY), Err(NOBODY), Err(NOBODY), Err(NOBODY), Err(NOBODY)]),
        ("active", after(one), [Err(twice), yes, yes, yes, yes, Err(No::NotSuspended)]),
        (
            "suspended",
            after(one.into_iter().chain([suspend()])),
            [Err(twice), Err(suspended), yes, Err(suspended), Err(suspended), yes],
        ),
        (
            "reinstated",
            after(one.into_iter().chain([suspend(), reinstate()])),
            [Err(twice), yes, yes, yes, yes, Err(No::NotSuspended)],
        ),
    ];
    let events =
        [register(), PartyEvent::BindKey(bind(2)), unbind(1, UnbindReason::Revoked), accept(1), suspend(), reinstate()];
    assert_eq!(events.iter().map(PartyEvent::action).collect::<Vec<_>>(), Action::ALL);
    for (name, state, due) in table {
        for (event, due) in events.iter().zip(due) {
            let decided = decide(&state, event, at(1_500)).map(|_| ());
            assert_eq!(decided, due, "{}, {name}", event.action().name());
        }
        let allowed: Vec<_> =
            events.iter().zip(due).filter(|(_, due)| due.is_ok()).map(|(event, _)| event.action()).collect();
        assert_eq!(state.allowed(), allowed, "{name}");
    }
}

#[test]
fn each_event_leaves_its_fact() {
    let (party, now) = (party(), at(1_500));
    let active = after([register(), PartyEvent::BindKey(bind(1))]);
    let suspended = after([register(), suspend()]);
    let changed = vec![PartyEffect::AccessChanged];
    let table = [
        (
            PartyState::None,
            register(),
            PartyFact::Registered { party, at: now, registration: [7; 16].into(), terms: Digest([5; 32]) },
            vec![],
        ),
        (
            active.clone(),
            PartyEvent::BindKey(bind(2)),
            PartyFact::KeyBound {
                party,
                at: now,
                thumbprint: key(2),
                certificate: Digest([1; 32]),
                history: Aggregate([2; 32]),
                not_after: at(2_000),
            },
            changed.clone(),
        ),
        (
            active.clone(),
            unbind(1, UnbindReason::Superseded),
            PartyFact::KeyUnbound { party, at: now, thumbprint: key(1), reason: UnbindReason::Superseded },
            changed.clone(),
        ),
        (
            active.clone(),
            accept(3),
            PartyFact::TermsAccepted {
                party,
                at: now,
                policy: Digest(*key(3).0.as_bytes()),
                statement: Digest([6; 32]),
            },
            vec![],
        ),
        (
            active,
            suspend(),
            PartyFact::Suspended { party, at: now, reason: SuspensionReason::KeysInDoubt, officer: OFFICER },
            changed.clone(),
        ),
        (
            suspended,
            reinstate(),
            PartyFact::Reinstated { party, at: now, reason: ReinstatementReason::Settled, officer: OFFICER },
            changed,
        ),
    ];
    for (state, event, fact, effects) in table {
        assert_eq!(decide(&state, &event, now), Ok((vec![fact], effects)), "{}", event.action().name());
    }
}

#[test]
fn a_key_has_one_life() {
    let mut state = after([register(), PartyEvent::BindKey(bind(1))]);
    let decided = |state: &PartyState, event, secs| decide(state, &event, at(secs)).map(|_| ());
    let bound = PartyRefusal::KeyBound { bound_at: at(1_000) };
    assert_eq!(decided(&state, PartyEvent::BindKey(bind(1)), 1_001), Err(bound));
    // Renewed under the same key: it is bound as it was.
    let renewed = BindKey { certificate: Digest([8; 32]), not_after: at(3_000), ..bind(1) };
    assert_eq!(decided(&state, PartyEvent::BindKey(renewed), 1_001), Err(bound));
    assert_eq!(decided(&state, unbind(2, UnbindReason::Revoked), 1_001), Err(PartyRefusal::KeyUnknown));
    let early = PartyRefusal::CertificateNotExpired { not_after: at(2_000) };
    assert_eq!(decided(&state, unbind(1, UnbindReason::Expired), 2_000), Err(early));
    assert_eq!(decided(&state, unbind(1, UnbindReason::Expired), 2_001), Ok(()));
    step::<PartyRegistry>(&mut state, &unbind(1, UnbindReason::Revoked), at(1_100)).unwrap();
    let unbound = PartyRefusal::KeyUnbound { at: at(1_100) };
    assert_eq!(decided(&state, PartyEvent::BindKey(bind(1)), 1_101), Err(unbound));
    assert_eq!(decided(&state, unbind(1, UnbindReason::Revoked), 1_101), Err(unbound));
    let late = PartyRefusal::CertificateExpired { not_after: at(2_000) };
    assert_eq!(decided(&state, PartyEvent::BindKey(bind(2)), 2_001), Err(late));
    assert_eq!(decided(&state, PartyEvent::BindKey(bind(2)), 2_000), Ok(()), "its last second");
}

/// What was signed in time stays good: a key's past can be asked for.
#[test]
fn who_acts_by_which_key_and_when() {
    let mut state = after([register(), PartyEvent::BindKey(bind(1)), PartyEvent::BindKey(bind(2))]);
    step::<PartyRegistry>(&mut state, &unbind(1, UnbindReason::Revoked), at(1_100)).unwrap();
    let keys = &state.party().unwrap().keys;
    let good = |number, secs| keys[&key(number)].is_good_at(at(secs));
    assert_eq!([999, 1_000, 1_099, 1_100].map(|secs| good(1, secs)), [false, true, true, false]);
    assert_eq!([999, 1_000, 2_000, 2_001].map(|secs| good(2, secs)), [false, true, true, false]);
    let acts = |state: &PartyState, number| state.may_act_by(key(number), at(1_200));
    assert_eq!([1, 2, 3].map(|number| acts(&state, number)), [false, true, false]);
    step::<PartyRegistry>(&mut state, &suspend(), at(1_150)).unwrap();
    assert!(!acts(&state, 2), "suspended");
    // Its certificates can be revoked all the same.
    step::<PartyRegistry>(&mut state, &unbind(2, UnbindReason::Revoked), at(1_160)).unwrap();
    step::<PartyRegistry>(&mut state, &reinstate(), at(1_170)).unwrap();
    assert!(!acts(&state, 2));
    assert!(!PartyState::None.may_act_by(key(1), at(1_200)));
}

#[test]
fn keys_that_expired_leave_room() {
    let mut state = after([register()]);
    for number in 0..KEYS_BOUND_MAX as u16 {
        step::<PartyRegistry>(&mut state, &PartyEvent::BindKey(bind(number)), at(1_001)).unwrap();
    }
    let next = PartyEvent::BindKey(BindKey { not_after: at(9_000), ..bind(1_000) });
    assert_eq!(decide(&state, &next, at(2_000)), Err(PartyRefusal::TooManyKeysBound), "their last second");
    assert!(decide(&state, &next, at(2_001)).is_ok());
}

#[test]
fn keys_and_terms_are_bounded() {
    let mut state = after([register()]);
    for number in 0..KEYS_MAX as u16 {
        let event = PartyEvent::BindKey(bind(number));
        if usize::from(number) >= KEYS_BOUND_MAX {
            let refused = step::<PartyRegistry>(&mut state, &event, at(1_001));
            assert_eq!(refused, Err(PartyRefusal::TooManyKeysBound));
            let oldest = unbind(number - KEYS_BOUND_MAX as u16, UnbindReason::Superseded);
            step::<PartyRegistry>(&mut state, &oldest, at(1_001)).unwrap();
        }
        step::<PartyRegistry>(&mut state, &event, at(1_001)).unwrap();
    }
    step::<PartyRegistry>(&mut state, &unbind(1_000, UnbindReason::Superseded), at(1_001)).unwrap();
    let refused = decide(&state, &PartyEvent::BindKey(bind(5_000)), at(1_001));
    assert_eq!(refused, Err(PartyRefusal::TooManyKeys));
    for policy in 0..TERMS_MAX as u16 {
        step::<PartyRegistry>(&mut state, &accept(policy), at(1_002)).unwrap();
    }
    let again = PartyRefusal::TermsAccepted { at: at(1_002), statement: Digest([6; 32]) };
    assert_eq!(decide(&state, &accept(0), at(1_003)), Err(again));
    assert_eq!(decide(&state, &accept(TERMS_MAX as u16), at(1_003)), Err(PartyRefusal::TooManyTerms));
}

#[test]
fn nothing_is_decided_by_a_clock_in_doubt() {
    let verdict = ClockVerdict::Stopped;
    let active = after([register(), PartyEvent::BindKey(bind(1))]);
    let PartyEvent::Register(registering) = register() else { panic!("as made") };
    let events = [
        (PartyState::None, PartyEvent::Register(Register { clock: verdict, ..registering })),
        (active.clone(), PartyEvent::BindKey(BindKey { clock: verdict, ..bind(2) })),
        (
            active.clone(),
            PartyEvent::UnbindKey(UnbindKey { thumbprint: key(1), reason: UnbindReason::Revoked, clock: verdict }),
        ),
        (
            active.clone(),
            PartyEvent::AcceptTerms(AcceptTerms {
                policy: Digest([1; 32]),
                statement: Digest([6; 32]),
                clock: verdict,
            }),
        ),
        (active, PartyEvent::Suspend(Suspend { officer: OFFICER, reason: SuspensionReason::Other, clock: verdict })),
        (
            after([register(), suspend()]),
            PartyEvent::Reinstate(Reinstate { officer: OFFICER, reason: ReinstatementReason::Other, clock: verdict }),
        ),
    ];
    for (state, event) in events {
        let decided = decide(&state, &event, at(1_500));
        assert_eq!(decided, Err(PartyRefusal::Clock { verdict }), "{}", event.action().name());
    }
}

#[test]
fn events_are_told_apart() {
    let PartyEvent::Register(registering) = register() else { panic!("as made") };
    let all = [
        register(),
        PartyEvent::Register(Register { party: [1; 16].into(), ..registering }),
        PartyEvent::Register(Register { registration: [1; 16].into(), ..registering }),
        PartyEvent::Register(Register { terms: Digest([1; 32]), ..registering }),
        PartyEvent::BindKey(bind(1)),
        PartyEvent::BindKey(bind(2)),
        PartyEvent::BindKey(BindKey { certificate: Digest([9; 32]), ..bind(1) }),
        PartyEvent::BindKey(BindKey { history: Aggregate([9; 32]), ..bind(1) }),
        PartyEvent::BindKey(BindKey { not_after: at(9), ..bind(1) }),
        unbind(1, UnbindReason::Revoked),
        unbind(2, UnbindReason::Revoked),
        unbind(1, UnbindReason::Superseded),
        accept(1),
        accept(2),
        suspend(),
        reinstate(),
    ];
    let different: std::collections::BTreeSet<_> = all.iter().map(PartyEvent::digest).collect();
    assert_eq!(different.len(), all.len());
}
