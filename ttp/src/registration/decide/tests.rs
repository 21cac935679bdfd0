//! Tables over (state, event, now), each with the exact facts or the exact refusal; every pair of state and event.

use super::super::*;
use super::*;
use crate::ca::profile::ProfileCode;
use crate::digest::Digest;
use crate::id::{PartyId, RegistrationId};
use crate::policy::person::{Officer, Person};
use crate::role::step;
use crate::timestamp::ClockVerdict;

const ID: [u8; 16] = [7; 16];
const LIFE_SECS: u64 = 1_000;
const CLOCK: ClockVerdict = ClockVerdict::Synced;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn key(number: u8) -> RequestedKey {
    let digest = |part| Digest([part, number].repeat(16).try_into().unwrap());
    RequestedKey { profile: digest(1), class: 6, request: digest(2), public_key: digest(3) }
}

fn certificate(number: u8) -> Digest {
    Digest([0x0F, number].repeat(16).try_into().unwrap())
}

fn officer(number: u8) -> Officer {
    Officer::itself(certificate(number))
}

fn apply(officers_needed: u8) -> Apply {
    Apply {
        id: ID.into(),
        keys: vec![key(1), key(2)],
        subject: Digest([4; 32]),
        applicant: None,
        terms: Digest([5; 32]),
        officers_needed,
        applied_by: None,
        key_compromised: false,
        key_taken: false,
        party_taken: false,
        clock: CLOCK,
    }
}

fn record(number: u8) -> RegistrationEvent {
    let record = RecordIdentity { record: Digest([number; 32]), officer: officer(1), officer_good: true, clock: CLOCK };
    RegistrationEvent::RecordIdentity(record)
}

fn approval(by: u8) -> Approve {
    Approve {
        officer: officer(by),
        officer_good: true,
        first_revoked: false,
        serials: vec![[0x41; 16], [0x42; 16]],
        party: [9; 16].into(),
        key_taken: false,
        party_taken: false,
        applicant_suspended: false,
        clock: CLOCK,
    }
}

fn approve(by: u8) -> RegistrationEvent {
    RegistrationEvent::Approve(Box::new(approval(by)))
}

fn refuse(reason: RefusalReason) -> RegistrationEvent {
    RegistrationEvent::Refuse(Refuse { officer: certificate(1), officer_good: true, reason, clock: CLOCK })
}

fn withdraw() -> RegistrationEvent {
    RegistrationEvent::Withdraw(Withdraw { clock: CLOCK })
}

fn expire(life_secs: u64) -> RegistrationEvent {
    RegistrationEvent::Expire(Expire { life_secs, clock: CLOCK })
}

/// What these events leave, one second after the other from 1,000 on.
fn after(events: &[RegistrationEvent]) -> RegistrationState {
    let mut state = RegistrationState::None;
    for (secs, event) in (1_000..).zip(events) {
        step::<Registration>(&mut state, event, at(secs)).unwrap();
    }
    state
}

/// Every state, by name, with two officers needed, and once with one.
fn states() -> Vec<(&'static str, RegistrationState)> {
    let asked = |officers| RegistrationEvent::Apply(Box::new(apply(officers)));
    vec![
        ("nothing", after(&[])),
        ("applied", after(&[asked(2)])),
        ("identified", after(&[asked(2), record(1)])),
        ("identified, for one officer", after(&[asked(1), record(1)])),
        ("approved by one", after(&[asked(2), record(1), approve(1)])),
        ("approved", after(&[asked(2), record(1), approve(1), approve(2)])),
        ("refused", after(&[asked(2), refuse(RefusalReason::Duplicate)])),
        ("withdrawn", after(&[asked(2), record(1), withdraw()])),
        ("expired", {
            let mut state = after(&[asked(2)]);
            step::<Registration>(&mut state, &expire(LIFE_SECS), at(2_000)).unwrap();
            state
        }),
    ]
}

/// All (state, event) pairs: what is allowed is decided, and what is not is refused for the state. One column for each action, in
/// their order.
#[test]
fn every_event_in_every_state() {
    use RegistrationRefusal as No;
    const NOT_YET: No = No::NotApplied;
    const TWICE: No = No::AlreadyApplied;
    let approved = No::Approved { at: at(1_003) };
    let refused = |secs, reason| No::Refused { at: at(secs), reason };
    let (duplicate, withdrawn, expired) = (
        refused(1_001, RefusalReason::Duplicate),
        refused(1_002, RefusalReason::WithdrawnByApplicant),
        refused(2_000, RefusalReason::Expired),
    );
    let yes = Ok(());
    let due = [
        [yes, Err(NOT_YET), Err(NOT_YET), Err(NOT_YET), Err(NOT_YET), Err(NOT_YET)],
        [Err(TWICE), yes, Err(No::NoIdentity), yes, yes, yes],
        [Err(TWICE), yes, yes, yes, yes, yes],
        [Err(TWICE), yes, yes, yes, yes, yes],
        [Err(TWICE), yes, yes, yes, yes, yes],
        [Err(approved); 6],
        [Err(duplicate); 6],
        [Err(withdrawn); 6],
        [Err(expired); 6],
    ];
    let events = [
        RegistrationEvent::Apply(Box::new(apply(2))),
        record(2),
        approve(2),
        refuse(RefusalReason::NotEntitled),
        withdraw(),
        expire(LIFE_SECS),
    ];
    let actions: Vec<_> = events.iter().map(RegistrationEvent::action).collect();
    assert_eq!(actions, Action::ALL);
    for ((name, state), due) in states().into_iter().zip(due) {
        for (event, due) in events.iter().zip(due) {
            let decided = decide(&state, event, at(3_000)).map(|_| ());
            assert_eq!(decided, due, "{}, {name}", event.action().name());
        }
        let allowed: Vec<_> =
            events.iter().zip(due).filter(|(_, due)| due.is_ok()).map(|(event, _)| event.action()).collect();
        assert_eq!(state.allowed(), allowed, "{name}");
    }
}

#[test]
fn what_is_applied_for() {
    use RegistrationRefusal as No;
    let good = || apply(2);
    let keys = |numbers: &[u8]| numbers.iter().map(|number| key(*number)).collect::<Vec<_>>();
    let of = |class: ProfileCode, number| RequestedKey { class: class.code(), ..key(number) };
    let renamed = RequestedKey { profile: Digest([0x77; 32]), request: Digest([0x78; 32]), ..key(1) };
    let table = [
        ("good", good(), Ok(())),
        ("one key", Apply { keys: keys(&[1]), ..good() }, Ok(())),
        ("four keys", Apply { keys: keys(&[1, 2, 3, 4]), ..good() }, Ok(())),
        ("by a party", Apply { applicant: Some([8; 16].into()), ..good() }, Ok(())),
        ("no key", Apply { keys: Vec::new(), ..good() }, Err(No::Keys { found: 0 })),
        ("five keys", Apply { keys: keys(&[1, 2, 3, 4, 5]), ..good() }, Err(No::Keys { found: 5 })),
        ("by an officer", Apply { applied_by: Some(officer(1)), ..good() }, Ok(())),
        ("an officer", Apply { keys: vec![of(ProfileCode::Officer, 1), key(2)], ..good() }, Ok(())),
        (
            "an officer who operates",
            Apply { keys: vec![of(ProfileCode::Operator, 1), key(2), of(ProfileCode::Officer, 3)], ..good() },
            Err(No::ConflictingDuties),
        ),
        ("twice", Apply { keys: keys(&[1, 2, 1]), ..good() }, Err(No::SameKey)),
        ("one key in two profiles", Apply { keys: vec![key(1), renamed], ..good() }, Err(No::SameKey)),
        ("a compromised key", Apply { key_compromised: true, ..good() }, Err(No::KeyCompromised)),
        ("a key that has a certificate", Apply { key_taken: true, ..good() }, Err(No::KeyTaken)),
        ("another party's name", Apply { party_taken: true, ..good() }, Err(No::PartyTaken)),
        ("without officers", Apply { officers_needed: 0, ..good() }, Err(No::OfficersNeeded { found: 0 })),
        ("three officers", Apply { officers_needed: 3, ..good() }, Err(No::OfficersNeeded { found: 3 })),
    ];
    for (what, event, due) in table {
        let fact = RegistrationFact::Applied {
            id: event.id,
            at: at(1_000),
            keys: event.keys.clone(),
            subject: event.subject,
            applicant: event.applicant,
            terms: event.terms,
            officers_needed: event.officers_needed,
            applied_by: event.applied_by,
        };
        let event = RegistrationEvent::Apply(Box::new(event));
        let decided = decide(&RegistrationState::None, &event, at(1_000));
        assert_eq!(decided, due.map(|()| (vec![fact], Vec::new())), "{what}");
    }
}

fn approved(by: u8, secs: u64, party: [u8; 16]) -> RegistrationFact {
    RegistrationFact::Approved {
        id: ID.into(),
        at: at(secs),
        officer: officer(by),
        remaining: 0,
        serials: vec![[0x41; 16], [0x42; 16]],
        public_keys: [key(1), key(2)].map(|key| key.public_key).into(),
        party: Some(party.into()),
    }
}

#[test]
fn one_officer_is_enough_where_one_is_asked() {
    let state = after(&[RegistrationEvent::Apply(Box::new(apply(1))), record(1)]);
    // Whoever recorded the identity may be the one who approves.
    let decided = decide(&state, &approve(1), at(1_002));
    assert_eq!(decided, Ok((vec![approved(1, 1_002, [9; 16])], vec![RegistrationEffect::Issue])));
}

#[test]
fn two_officers_approve_the_same_record() {
    let mut state = after(&[RegistrationEvent::Apply(Box::new(apply(2))), record(1)]);
    let (facts, effects) = step::<Registration>(&mut state, &approve(1), at(1_002)).unwrap();
    let first = RegistrationFact::Approved {
        id: ID.into(),
        at: at(1_002),
        officer: officer(1),
        remaining: 1,
        serials: Vec::new(),
        public_keys: Vec::new(),
        party: None,
    };
    assert_eq!((facts, effects), (vec![first], Vec::new()));
    assert_eq!(decide(&state, &approve(1), at(1_003)), Err(RegistrationRefusal::SameOfficer));
    let last = decide(&state, &approve(2), at(1_003));
    assert_eq!(last, Ok((vec![approved(2, 1_003, [9; 16])], vec![RegistrationEffect::Issue])));
    // Another record: the first officer saw something else, and both have to look again.
    step::<Registration>(&mut state, &record(2), at(1_004)).unwrap();
    assert!(matches!(&state, RegistrationState::Identified(_, identity) if identity.record == Digest([2; 32])));
    let (facts, _) = step::<Registration>(&mut state, &approve(2), at(1_005)).unwrap();
    assert!(matches!(facts[..], [RegistrationFact::Approved { remaining: 1, .. }]));
    step::<Registration>(&mut state, &approve(1), at(1_006)).unwrap();
    let RegistrationState::Approved(application, approval) = state else { panic!("{state:?}") };
    assert_eq!((application.keys.len(), approval.officer, approval.party), (2, officer(1), PartyId::from([9; 16])));
}

#[test]
fn certificates_of_a_party_stay_its_own() {
    let event = Apply { applicant: Some([8; 16].into()), ..apply(1) };
    let state = after(&[RegistrationEvent::Apply(Box::new(event)), record(1)]);
    let (facts, _) = decide(&state, &approve(1), at(1_002)).unwrap();
    assert_eq!(facts, [approved(1, 1_002, [8; 16])], "the name that was drawn is left over");
}

#[test]
fn each_key_has_a_serial_number_of_its_own() {
    let state = after(&[RegistrationEvent::Apply(Box::new(apply(1))), record(1)]);
    for (serials, found) in
        [(vec![], 0), (vec![[1; 16]], 1), (vec![[1; 16], [1; 16]], 1), (vec![[1; 16], [1; 16], [2; 16]], 2)]
    {
        let event = Approve { serials, ..approval(1) };
        let decided = decide(&state, &RegistrationEvent::Approve(Box::new(event)), at(1_002));
        assert_eq!(decided, Err(RegistrationRefusal::Serials { expected: 2, found }));
    }
}

/// Of two applications for one key or one name, the first that is approved has it.
#[test]
fn what_was_given_since_is_not_given_again() {
    let state = after(&[RegistrationEvent::Apply(Box::new(apply(1))), record(1)]);
    for (event, due) in [
        (Approve { key_taken: true, ..approval(1) }, RegistrationRefusal::KeyTaken),
        (Approve { party_taken: true, ..approval(1) }, RegistrationRefusal::PartyTaken),
        (Approve { applicant_suspended: true, ..approval(1) }, RegistrationRefusal::ApplicantSuspended),
    ] {
        let event = RegistrationEvent::Approve(Box::new(event));
        assert_eq!(decide(&state, &event, at(1_002)), Err(due));
        assert_eq!(event.digest(), approve(1).digest(), "what was looked up is no part of what was asked");
    }
}

/// Who decides is not who applied, the second is not the first, and neither's certificate was revoked when it counts.
#[test]
fn who_decides() {
    use RegistrationRefusal as No;
    let held =
        |number, party: u8| Officer { certificate: certificate(number), person: Person::Party([party; 16].into()) };
    let identity = RecordIdentity { record: Digest([4; 32]), officer: officer(9), officer_good: true, clock: CLOCK };
    let open =
        |apply: Apply| after(&[RegistrationEvent::Apply(Box::new(apply)), RegistrationEvent::RecordIdentity(identity)]);
    let approves = |state: &RegistrationState, event: Approve| {
        decide(state, &RegistrationEvent::Approve(Box::new(event)), at(1_010)).map(|_| ())
    };
    let own = Apply { applied_by: Some(held(1, 1)), ..apply(2) };
    let of_party = Apply { applicant: Some([1; 16].into()), ..apply(2) };
    for (what, asked, by, due) in [
        ("with the certificate that applied", own.clone(), held(1, 1), Err(No::OwnApplication)),
        ("with another one of the same person", own.clone(), held(2, 1), Err(No::OwnApplication)),
        ("for the party that it is", of_party, held(2, 1), Err(No::OwnApplication)),
        ("another", own.clone(), held(2, 2), Ok(())),
        ("another, for a stranger", apply(2), held(1, 1), Ok(())),
    ] {
        let state = open(asked);
        assert_eq!(approves(&state, Approve { officer: by, ..approval(1) }), due, "{what}");
        let identity = RecordIdentity { record: Digest([1; 32]), officer: by, officer_good: true, clock: CLOCK };
        let recorded = decide(&state, &RegistrationEvent::RecordIdentity(identity), at(1_010)).map(|_| ());
        assert_eq!(recorded, due, "{what}");
        assert_eq!(decide(&state, &refuse(RefusalReason::Other), at(1_010)).map(|_| ()), Ok(()), "refusing is free");
    }
    let mut state = open(apply(2));
    let first = RegistrationEvent::Approve(Box::new(Approve { officer: held(1, 1), ..approval(1) }));
    step::<Registration>(&mut state, &first, at(1_005)).unwrap();
    let second = |number, party| Approve { officer: held(number, party), ..approval(1) };
    assert_eq!(approves(&state, second(2, 1)), Err(No::SameOfficer), "with another certificate");
    assert_eq!(approves(&state, second(1, 2)), Err(No::SameOfficer));
    assert_eq!(approves(&state, second(2, 2)), Ok(()));
    assert_eq!(approves(&state, Approve { first_revoked: true, ..second(2, 2) }), Err(No::OfficerRevoked));
    assert_eq!(approves(&state, Approve { officer_good: false, ..second(2, 2) }), Err(No::OfficerNotGood));
    let not_good = [
        RegistrationEvent::RecordIdentity(RecordIdentity {
            record: Digest([1; 32]),
            officer: held(2, 2),
            officer_good: false,
            clock: CLOCK,
        }),
        RegistrationEvent::Refuse(Refuse {
            officer: certificate(1),
            officer_good: false,
            reason: RefusalReason::Other,
            clock: CLOCK,
        }),
    ];
    for event in not_good {
        assert_eq!(decide(&state, &event, at(1_010)), Err(No::OfficerNotGood));
    }
}

#[test]
fn ends_without_certificates() {
    let state = after(&[RegistrationEvent::Apply(Box::new(apply(2)))]);
    let ended = |secs, reason, by| RegistrationFact::Refused { id: ID.into(), at: at(secs), reason, by };
    for reason in RefusalReason::ALL {
        let due = match reason {
            RefusalReason::WithdrawnByApplicant | RefusalReason::Expired => {
                Err(RegistrationRefusal::Reason { reason: *reason })
            }
            _ => Ok((vec![ended(1_001, *reason, RefusedBy::Officer(certificate(1)))], vec![RegistrationEffect::Tell])),
        };
        assert_eq!(decide(&state, &refuse(*reason), at(1_001)), due, "{}", reason.name());
    }
    let due = ended(1_001, RefusalReason::WithdrawnByApplicant, RefusedBy::Applicant);
    assert_eq!(decide(&state, &withdraw(), at(1_001)), Ok((vec![due], Vec::new())));
    // It came at 1,000.
    let expires_at = at(2_000);
    let early = Timestamp::from_millis(1_999_999);
    assert_eq!(decide(&state, &expire(LIFE_SECS), early), Err(RegistrationRefusal::NotExpired { expires_at }));
    let due = ended(2_000, RefusalReason::Expired, RefusedBy::Age { life_secs: LIFE_SECS });
    assert_eq!(decide(&state, &expire(LIFE_SECS), at(2_000)), Ok((vec![due], vec![RegistrationEffect::Tell])));
}

#[test]
fn nothing_is_decided_by_a_clock_in_doubt() {
    let verdict = ClockVerdict::Unsynced;
    let open = after(&[RegistrationEvent::Apply(Box::new(apply(2))), record(1)]);
    let events = [
        (RegistrationState::None, RegistrationEvent::Apply(Box::new(Apply { clock: verdict, ..apply(2) }))),
        (
            open.clone(),
            RegistrationEvent::RecordIdentity(RecordIdentity {
                record: Digest([1; 32]),
                officer: officer(1),
                officer_good: true,
                clock: verdict,
            }),
        ),
        (open.clone(), RegistrationEvent::Approve(Box::new(Approve { clock: verdict, ..approval(1) }))),
        (
            open.clone(),
            RegistrationEvent::Refuse(Refuse {
                officer: certificate(1),
                officer_good: true,
                reason: RefusalReason::Other,
                clock: verdict,
            }),
        ),
        (open.clone(), RegistrationEvent::Withdraw(Withdraw { clock: verdict })),
        (open, RegistrationEvent::Expire(Expire { life_secs: 0, clock: verdict })),
    ];
    for (state, event) in events {
        let decided = decide(&state, &event, at(9_000));
        assert_eq!(decided, Err(RegistrationRefusal::Clock { verdict }), "{}", event.action().name());
    }
}

/// The digest of the event names everything that was asked, and nothing that the shell drew or looked up.
#[test]
fn events_are_told_apart() {
    let asked = |event| RegistrationEvent::Apply(Box::new(event)).digest();
    let good = asked(apply(1));
    for other in [
        Apply { id: RegistrationId::from([8; 16]), ..apply(1) },
        Apply { keys: vec![key(1)], ..apply(1) },
        Apply { keys: vec![key(2), key(1)], ..apply(1) },
        Apply { subject: Digest([9; 32]), ..apply(1) },
        Apply { applicant: Some([9; 16].into()), ..apply(1) },
        Apply { terms: Digest([9; 32]), ..apply(1) },
        Apply { applied_by: Some(officer(1)), ..apply(1) },
        apply(2),
    ] {
        assert_ne!(asked(other.clone()), good, "{other:?}");
    }
    assert_eq!(asked(Apply { key_taken: true, clock: ClockVerdict::Suspect, ..apply(1) }), good);
    let all = [
        record(1),
        record(2),
        approve(1),
        approve(2),
        refuse(RefusalReason::Other),
        refuse(RefusalReason::Duplicate),
        withdraw(),
        expire(1),
        expire(2),
    ];
    let different: std::collections::BTreeSet<_> = all.iter().map(RegistrationEvent::digest).collect();
    assert_eq!(different.len(), all.len());
    let drawn = Approve { serials: vec![[5; 16]], party: [5; 16].into(), ..approval(1) };
    assert_eq!(RegistrationEvent::Approve(Box::new(drawn)).digest(), approve(1).digest());
}
