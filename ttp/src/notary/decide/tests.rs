//! Tables over (state, event, now), each with the exact facts or the exact refusal.

use std::collections::BTreeSet;

use super::super::*;
use super::*;
use crate::digest::Digest;
use crate::evidence::{Envelope, Fact, Kind, Recorded};
use crate::id::PartyId;
use crate::policy::person::Person;
use crate::role::{decode_snapshot, encode_snapshot, fold, step};
use crate::timestamp::ClockVerdict;

const LIFE_SECS: u64 = 100_000;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn id(number: u8) -> ActId {
    [number; 16].into()
}

fn party(number: u8) -> PartyId {
    [number; 16].into()
}

fn person(number: u8) -> Officer {
    Officer { certificate: Digest([number; 32]), person: Person::Party(party(number)) }
}

fn officer(number: u8) -> Officer {
    Officer::itself(Digest([0xF0 | number; 32]))
}

fn clocked(event: JournalEvent) -> Clocked {
    Clocked { event, clock: ClockVerdict::Synced }
}

fn validate(number: u8, service: Service) -> JournalEvent {
    JournalEvent::Validate(Box::new(Validate {
        id: id(number),
        service,
        request: Digest([1; 32]),
        requester: None,
        subject: Digest([2; 32]),
        serial: [number; 16],
        granted: true,
        report: service.validates().then_some(Digest([3; 32])),
    }))
}

fn certify(number: u8, act: ActType, failed: Option<Reason>) -> JournalEvent {
    let (request, subject) = (Digest([1; 32]), Digest([2; 32]));
    let report = act.has_report().then_some(Digest([3; 32]));
    let requester = person(1);
    JournalEvent::Certify(Box::new(Certify { id: id(number), act, request, requester, subject, failed, report }))
}

fn open(number: u8, act: ActType, signers: &[u8], needs_person: bool) -> JournalEvent {
    JournalEvent::Open(Box::new(Open {
        id: id(number),
        act,
        request: Digest([1; 32]),
        requester: person(1),
        subject: Digest([2; 32]),
        held: false,
        signers: signers.iter().map(|number| party(*number)).collect(),
        needs_person,
        life_secs: LIFE_SECS,
        report: act.has_report().then_some(Digest([3; 32])),
    }))
}

fn sign(number: u8, signer: u8) -> JournalEvent {
    let (certificate, signature) = (Digest([signer; 32]), Digest([0x50 | signer; 32]));
    JournalEvent::Sign(Sign { id: id(number), signer: party(signer), certificate, signature })
}

fn take(number: u8, by: u8) -> JournalEvent {
    JournalEvent::Take(Take { id: id(number), officer: officer(by), officer_good: true })
}

fn release(number: u8, by: u8) -> JournalEvent {
    JournalEvent::Release(Release { id: id(number), officer: officer(by) })
}

fn approve(number: u8, by: u8, checks: &[OfficerCheck]) -> JournalEvent {
    let checks = checks.iter().copied().collect();
    JournalEvent::Approve(Approve { id: id(number), officer: officer(by), officer_good: true, checks })
}

fn refuse(number: u8, by: u8, reason: Reason) -> JournalEvent {
    JournalEvent::Refuse(Refuse { id: id(number), officer: officer(by), officer_good: true, reason })
}

fn withdraw(number: u8, by: u8) -> JournalEvent {
    JournalEvent::Withdraw(Withdraw { id: id(number), by: person(by) })
}

fn expire(number: u8) -> JournalEvent {
    JournalEvent::Expire(Expire { id: id(number) })
}

/// A journal after these events, one second after the other from 1,000 on.
fn after(events: &[JournalEvent]) -> JournalState {
    let mut state = JournalState::default();
    for (secs, event) in (1_000..).zip(events) {
        step::<Journal>(&mut state, &clocked(event.clone()), at(secs)).unwrap();
    }
    state
}

fn decided(state: &JournalState, event: &JournalEvent, secs: u64) -> Result<Vec<JournalFact>, NotaryRefusal> {
    decide(state, &clocked(event.clone()), at(secs)).map(|(facts, effects)| {
        assert_eq!(facts.len(), effects.len(), "one effect for each fact");
        facts
    })
}

/// The number, reason and officer of a record that ends an act.
fn ended(facts: &[JournalFact]) -> (u64, Option<Reason>, Option<Officer>) {
    let Some(JournalFact::Recorded(recorded)) = facts.last() else { panic!("{facts:?}") };
    (recorded.number, recorded.reason, recorded.officer)
}

#[test]
fn numbers_have_no_gaps_whatever_becomes_of_acts() {
    let all = [
        validate(1, Service::Ccpd),
        open(2, ActType::Copy, &[], true),
        certify(3, ActType::Existence, None),
        certify(4, ActType::SignatureValidation, Some(Reason::SignatureNotValid)),
        take(2, 1),
        validate(5, Service::Vsd),
        refuse(2, 1, Reason::NotWithinOffice),
        open(6, ActType::Contract, &[2, 3], false),
        withdraw(6, 1),
        certify(7, ActType::Possession, None),
    ];
    let mut state = JournalState::default();
    let (mut given, mut ended) = (BTreeSet::new(), BTreeSet::new());
    for (secs, event) in (1_000..).zip(&all) {
        let (facts, _) = step::<Journal>(&mut state, &clocked(event.clone()), at(secs)).unwrap();
        for fact in facts {
            match fact {
                JournalFact::Validated { number, .. } => assert!(given.insert(number) && ended.insert(number)),
                JournalFact::Opened { number, .. } => assert!(given.insert(number)),
                JournalFact::Recorded(recorded) => {
                    given.insert(recorded.number);
                    assert!(ended.insert(recorded.number), "one outcome for each number");
                }
                JournalFact::Signed { .. }
                | JournalFact::Assigned { .. }
                | JournalFact::Reported { .. }
                | JournalFact::Kept { .. }
                | JournalFact::Personal { .. } => {}
            }
        }
    }
    assert_eq!(given, (1..=7).collect());
    assert_eq!(ended, given);
    assert_eq!((state.last, state.open.len()), (7, 0));
}

/// What validates certifies its report, which comes as a fact of its own; nothing else has one.
#[test]
fn a_validation_brings_its_report() {
    let state = JournalState::default();
    let report = Digest([3; 32]);
    for event in [
        validate(1, Service::Vsd),
        validate(1, Service::Vpkc),
        certify(1, ActType::SignatureValidation, Some(Reason::SignatureNotValid)),
        open(1, ActType::SignatureValidation, &[], true),
        certify(1, ActType::JournalExtract, None),
    ] {
        let facts = decided(&state, &event, 1_000).unwrap();
        assert_eq!(facts.len(), 2);
        assert_eq!(facts[1], JournalFact::Reported { id: id(1), at: at(1_000), report });
    }
    let without = |event: JournalEvent| match event {
        JournalEvent::Validate(event) => JournalEvent::Validate(Box::new(Validate { report: None, ..*event })),
        JournalEvent::Certify(event) => JournalEvent::Certify(Box::new(Certify { report: None, ..*event })),
        JournalEvent::Open(event) => JournalEvent::Open(Box::new(Open { report: None, ..*event })),
        other => other,
    };
    for event in [
        validate(1, Service::Vsd),
        certify(1, ActType::SignatureValidation, None),
        open(1, ActType::SignatureValidation, &[], true),
    ] {
        assert_eq!(decided(&state, &without(event), 1_000), Err(NotaryRefusal::Report));
    }
    let JournalEvent::Validate(ccpd) = validate(1, Service::Ccpd) else { panic!() };
    let ccpd = JournalEvent::Validate(Box::new(Validate { report: Some(report), ..*ccpd }));
    assert_eq!(decided(&state, &ccpd, 1_000), Err(NotaryRefusal::Report));
    // An open act keeps it for its end.
    let open = after(&[open(1, ActType::SignatureValidation, &[], true), take(1, 1)]);
    let facts = decided(&open, &approve(1, 1, &[]), 2_000).unwrap();
    let [JournalFact::Recorded(recorded)] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!(recorded.report, Some(report));
}

/// Ended in the same millisecond in which it was opened, with another number given in between.
#[test]
fn the_end_of_an_open_act_gives_no_number() {
    let mut state = JournalState::default();
    for event in [open(1, ActType::Existence, &[], true), validate(2, Service::Ccpd), withdraw(1, 1)] {
        step::<Journal>(&mut state, &clocked(event), at(1_000)).unwrap();
    }
    assert_eq!(state.last, 2);
    assert_eq!(ended(&decided(&state, &certify(3, ActType::Existence, None), 1_000).unwrap()).0, 3);
}

#[test]
fn a_contract_is_recorded_when_the_last_has_signed() {
    let state = after(&[open(1, ActType::Contract, &[2, 3], false), sign(1, 2)]);
    assert_eq!(decided(&state, &sign(1, 2), 2_000), Err(NotaryRefusal::AlreadySigned));
    assert_eq!(decided(&state, &sign(1, 4), 2_000), Err(NotaryRefusal::NotSigner));
    assert_eq!(decided(&state, &take(1, 1), 2_000), Err(NotaryRefusal::Stage { stage: Stage::Collecting }));
    let facts = decided(&state, &sign(1, 3), 2_000).unwrap();
    assert_eq!(facts.len(), 2);
    assert_eq!(facts[0].act(), id(1));
    assert_eq!(ended(&facts), (1, None, None));
    // With an officer it waits on.
    let waits = after(&[open(1, ActType::Contract, &[2, 3], true), sign(1, 2), sign(1, 3)]);
    assert_eq!(waits.open[&id(1)].stage(), Stage::Waiting);
    assert_eq!(decided(&waits, &approve(1, 1, &[]), 2_000), Err(NotaryRefusal::NotTaken));
}

#[test]
fn one_officer_at_a_time() {
    let opened = [open(1, ActType::Existence, &[], true), take(1, 1)];
    let state = after(&opened);
    let until = at(1_001).plus_secs(8 * 3_600);
    for event in [take(1, 2), release(1, 2), approve(1, 2, &[]), refuse(1, 2, Reason::Other)] {
        assert_eq!(decided(&state, &event, 1_002), Err(NotaryRefusal::TakenByOther { until }), "{event:?}");
    }
    assert_eq!(ended(&decided(&state, &approve(1, 1, &[]), 1_002).unwrap()), (1, None, Some(officer(1))));
    // Given back, or kept for too long.
    let released = after(&[&opened[..], &[release(1, 1)]].concat());
    assert!(decided(&released, &take(1, 2), 1_003).is_ok());
    assert_eq!(decided(&released, &approve(1, 1, &[]), 1_003), Err(NotaryRefusal::NotTaken));
    assert!(decided(&state, &take(1, 2), until.secs() - 1).is_err());
    assert!(decided(&state, &take(1, 2), until.secs()).is_ok());
}

#[test]
fn nobody_certifies_what_was_not_checked() {
    let lacking = ActType::Copy.needs();
    let copy = after(&[open(1, ActType::Copy, &[], true), take(1, 1)]);
    let no = decided(&copy, &approve(1, 1, &[OfficerCheck::Identity]), 2_000);
    assert_eq!(no, Err(NotaryRefusal::ChecksLacking { lacking }));
    assert!(decided(&copy, &approve(1, 1, &[OfficerCheck::ComparedWithOriginal]), 2_000).is_ok());
    // The service alone compares nothing with a paper; but it sees at once what is wrong.
    let nothing = JournalState::default();
    let no = decided(&nothing, &certify(1, ActType::Copy, None), 2_000);
    assert_eq!(no, Err(NotaryRefusal::ChecksLacking { lacking }));
    let refused = decided(&nothing, &certify(1, ActType::Copy, Some(Reason::DocumentDiffers)), 2_000).unwrap();
    assert_eq!(ended(&refused).1, Some(Reason::DocumentDiffers));
}

#[test]
fn nobody_decides_about_its_own_act() {
    let mut own = take(1, 1);
    let JournalEvent::Take(event) = &mut own else { unreachable!() };
    let opened = [open(1, ActType::Contract, &[2], true), sign(1, 2)];
    for (concerned, who) in [
        (true, person(1)),
        (true, person(2)),
        // The requester with another certificate.
        (true, Officer { certificate: Digest([0xAA; 32]), ..person(1) }),
        (false, person(3)),
    ] {
        event.officer = who;
        let decided = decided(&after(&opened), &JournalEvent::Take(*event), 2_000);
        assert_eq!(decided == Err(NotaryRefusal::OwnAct), concerned, "{who:?}");
    }
}

#[test]
fn what_may_not_be_is_refused() {
    use NotaryRefusal as No;
    let state = after(&[open(1, ActType::Existence, &[], true)]);
    let seventeen: Vec<u8> = (1..=17).collect();
    let not_good = |event: JournalEvent| match event {
        JournalEvent::Take(event) => JournalEvent::Take(Take { officer_good: false, ..event }),
        JournalEvent::Approve(event) => JournalEvent::Approve(Approve { officer_good: false, ..event }),
        JournalEvent::Refuse(event) => JournalEvent::Refuse(Refuse { officer_good: false, ..event }),
        other => other,
    };
    let table = [
        (validate(1, Service::Ccpd), No::AlreadyOpen),
        (certify(1, ActType::Existence, None), No::AlreadyOpen),
        (open(1, ActType::Existence, &[], true), No::AlreadyOpen),
        (open(2, ActType::Contract, &[], true), No::Signers { found: 0 }),
        (open(2, ActType::Contract, &seventeen, true), No::Signers { found: 17 }),
        (open(2, ActType::Copy, &[1], true), No::NoContract),
        (open(2, ActType::Existence, &[], false), No::NothingToWaitFor),
        (sign(2, 1), No::NotOpen),
        (sign(1, 1), No::NotSigner),
        (take(2, 1), No::NotOpen),
        (not_good(take(1, 1)), No::OfficerNotGood),
        (not_good(approve(1, 1, &[])), No::OfficerNotGood),
        (not_good(refuse(1, 1, Reason::Other)), No::OfficerNotGood),
        (release(1, 1), No::NotTaken),
        (approve(1, 1, &[]), No::NotTaken),
        (refuse(2, 1, Reason::Other), No::NotOpen),
        (withdraw(2, 1), No::NotOpen),
        (withdraw(1, 2), No::NotRequester),
        (expire(2), No::NotOpen),
        (expire(1), No::NotExpired { expires_at: at(1_000 + LIFE_SECS) }),
    ];
    for (event, refusal) in table {
        assert_eq!(decided(&state, &event, 2_000), Err(refusal), "{event:?}");
    }
    let taken = after(&[open(1, ActType::Existence, &[], true), take(1, 1)]);
    for reason in Reason::ALL.iter().copied() {
        let refused = decided(&taken, &refuse(1, 1, reason), 2_000);
        assert_eq!(refused.is_ok(), reason.is_officers(), "{}", reason.name());
        assert_eq!(reason.outcome() == Outcome::Refused, reason.is_officers());
    }
    let late = decided(&taken, &expire(1), 1_000 + LIFE_SECS).unwrap();
    assert_eq!(ended(&late), (1, Some(Reason::Expired), None));
    let stopped = Clocked { event: withdraw(1, 1), clock: ClockVerdict::Stopped };
    assert_eq!(decide(&taken, &stopped, at(2_000)).map(drop), Err(No::Clock { verdict: ClockVerdict::Stopped }));
}

#[test]
fn as_many_wait_as_may() {
    let mut state = JournalState::default();
    for number in 0..OPEN_MAX as u64 {
        let mut event = open(0, ActType::Existence, &[], true);
        if let JournalEvent::Open(event) = &mut event {
            event.id = u128::from(number).to_be_bytes().into();
        }
        step::<Journal>(&mut state, &clocked(event), at(1_000)).unwrap();
    }
    assert_eq!(decided(&state, &open(9, ActType::Existence, &[], true), 1_000), Err(NotaryRefusal::Full));
    // What waits for nobody goes on.
    assert!(decided(&state, &validate(9, Service::Ccpd), 1_000).is_ok());
}

/// One fact of each kind, and those with and without what may be absent.
fn facts() -> Vec<JournalFact> {
    let opened = after(&[open(1, ActType::Contract, &[2, 3], true)]);
    let signed = after(&[open(1, ActType::Contract, &[2], true), sign(1, 2)]);
    let taken = after(&[open(1, ActType::Contract, &[2], true), sign(1, 2), take(1, 1)]);
    let mut with_requester = validate(1, Service::Vpkc);
    if let JournalEvent::Validate(event) = &mut with_requester {
        (event.requester, event.granted) = (Some(person(1)), false);
    }
    let none = JournalState::default();
    let keep = Keep { id: id(1), place: 2, document: Digest([4; 32]), size: 5 };
    [
        decided(&none, &JournalEvent::Keep(keep), 1_000),
        decided(&none, &JournalEvent::KeepPersonal(KeepPersonal { id: id(1), of: person(1) }), 1_000),
        decided(&none, &validate(1, Service::Ccpd), 1_000),
        decided(&none, &with_requester, 1_000),
        decided(&none, &certify(1, ActType::Existence, None), 1_000),
        decided(&none, &certify(1, ActType::SignatureValidation, None), 1_000),
        decided(&none, &open(1, ActType::Contract, &[2, 3], true), 1_000),
        decided(&none, &open(1, ActType::SignatureValidation, &[], true), 1_000),
        decided(&opened, &sign(1, 2), 1_001),
        decided(&signed, &take(1, 1), 1_002),
        decided(&taken, &release(1, 1), 1_003),
        decided(&taken, &approve(1, 1, &[OfficerCheck::Identity, OfficerCheck::Content]), 1_003),
        decided(&taken, &refuse(1, 1, Reason::WillInDoubt), 1_003),
        decided(&taken, &withdraw(1, 1), 1_003),
    ]
    .into_iter()
    .flat_map(Result::unwrap)
    .collect()
}

#[test]
fn facts_and_snapshots_are_read_as_written() {
    for (seq, fact) in facts().into_iter().enumerate() {
        let stored = fact.clone().into_fact(&Envelope {
            aggregate: Journal::aggregate(),
            seq: seq as u64,
            now: at(1_000),
            salt: [9; 16],
            policy_hash: Digest([1; 32]),
            event_digest: Digest([2; 32]),
        });
        let read = Fact::decode(&stored.encode()).unwrap();
        assert_eq!(JournalFact::from_fact(&read), Ok(fact));
        // No body is that of another kind, but for those of the four services, which are alike.
        for other in Kind::all().filter(|kind| *kind != read.kind) {
            let other = JournalFact::from_fact(&Fact { kind: other, ..read.clone() });
            let alike = matches!(other, Ok(JournalFact::Validated { .. }));
            assert!(other.is_err() || alike);
        }
    }
    let state = after(&[
        open(1, ActType::Contract, &[2, 3], true),
        open(2, ActType::Copy, &[], true),
        sign(1, 2),
        take(2, 1),
        validate(3, Service::Cpd),
    ]);
    let snapshot = crate::role::Snapshot { next_seq: 5, state };
    let row = encode_snapshot::<Journal>(&snapshot);
    assert_eq!(decode_snapshot::<Journal>(&row), Some(snapshot));
    assert!(fold::<Journal>(crate::role::Snapshot::default(), &[]).is_ok());
}

/// Whoever made the event again from the fact gets the same digest; what was drawn is no part of it.
#[test]
fn what_was_asked_is_told_by_its_digest() {
    let one = validate(1, Service::Ccpd);
    let mut other = one.clone();
    if let JournalEvent::Validate(event) = &mut other {
        (event.serial, event.granted) = ([8; 16], false);
    }
    assert_eq!(one.digest(), other.digest());
    let all = [
        one,
        validate(1, Service::Cpd),
        certify(1, ActType::Copy, None),
        open(1, ActType::Copy, &[], true),
        open(1, ActType::Copy, &[1], true),
        sign(1, 1),
        sign(1, 2),
        take(1, 1),
        release(1, 1),
        approve(1, 1, &[]),
        approve(1, 1, &[OfficerCheck::Will]),
        refuse(1, 1, Reason::Other),
        withdraw(1, 1),
        expire(1),
    ];
    let digests: BTreeSet<_> = all.iter().map(JournalEvent::digest).collect();
    assert_eq!(digests.len(), all.len());
}
