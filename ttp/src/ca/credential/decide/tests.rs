//! Tables over (state, event, now), each with the exact facts or the exact refusal.

use super::super::{CredentialEffect, Import, Issue, IssueRefusal, Revocation, Revoke};
use super::*;
use crate::ca::crl::Reason;
use crate::ca::profile::ProfileCode;
use crate::ca::{Authority, CaFact, CaId, Grounds, ListId};
use crate::digest::Digest;
use crate::role::step;
use crate::timestamp::ClockVerdict;
use crate::x509::Period;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn issue(class: ProfileCode) -> Issue {
    let ca = CaId { authority: Authority::Party, generation: 2 };
    Issue {
        list: ListId { ca, partition: 7 },
        class,
        serial: vec![0x41; 16],
        public_key: Digest([9; 32]),
        validity: Period { not_before: at(1_000), not_after: at(2_000) },
        issuer_validity: Period { not_before: at(500), not_after: at(5_000) },
        to_be_signed: Digest([8; 32]),
        grounds: Grounds { generation: 2, partition: 7, lint_version: 1, ..Grounds::default() },
        lint_stops: false,
        key_compromised: false,
        issuer_revoked: false,
        clock: ClockVerdict::Synced,
    }
}

fn revoke(reason: Reason) -> Revoke {
    Revoke { reason, certificate: Digest([1; 32]), officer: Digest([2; 32]), clock: ClockVerdict::Synced }
}

fn issued(class: ProfileCode) -> CertificateState {
    let mut state = CertificateState::None;
    step::<Credential>(&mut state, &CredentialEvent::Issue(Box::new(issue(class))), at(1_000)).unwrap();
    state
}

#[test]
fn issues() {
    let good = issue(ProfileCode::Party);
    let refuse = |refusal| Err(CredentialRefusal::Issue(refusal));
    let none = CertificateState::None;
    let table = [
        ("good", none.clone(), good.clone(), 1_000, Ok(())),
        ("in the issuer's last second", none.clone(), good.clone(), 5_000, Ok(())),
        ("behind the issuer's end", none.clone(), good.clone(), 5_001, refuse(IssueRefusal::Issuer)),
        ("before the issuer's beginning", none.clone(), good.clone(), 499, refuse(IssueRefusal::Issuer)),
        (
            "issuer revoked",
            none.clone(),
            Issue { issuer_revoked: true, ..good.clone() },
            1_000,
            refuse(IssueRefusal::Issuer),
        ),
        ("lint", none.clone(), Issue { lint_stops: true, ..good.clone() }, 1_000, refuse(IssueRefusal::Lint)),
        (
            "compromised key",
            none.clone(),
            Issue { key_compromised: true, ..good.clone() },
            1_000,
            refuse(IssueRefusal::KeyCompromised),
        ),
        ("twice", issued(ProfileCode::Party), good.clone(), 1_000, Err(CredentialRefusal::SerialTaken)),
        (
            "clock",
            none,
            Issue { clock: ClockVerdict::Stopped, ..good.clone() },
            1_000,
            Err(CredentialRefusal::Clock { verdict: ClockVerdict::Stopped }),
        ),
    ];
    for (what, state, event, now, expected) in table {
        let decided = decide(&state, &CredentialEvent::Issue(Box::new(event)), at(now));
        assert_eq!(decided.as_ref().map(|_| ()).map_err(|refusal| *refusal), expected, "{what}");
        if let Ok((facts, effects)) = decided {
            let fact = CaFact::CertificateIssued {
                issuer: Authority::Party,
                profile: ProfileCode::Party,
                serial: vec![0x41; 16],
                public_key: Digest([9; 32]),
                not_before: at(1_000),
                not_after: at(2_000),
                grounds: Some(good.grounds.clone()),
            };
            assert_eq!((facts, effects), (vec![fact], vec![CredentialEffect::Sign]), "{what}");
        }
    }
}

#[test]
fn revokes() {
    let mut revoked = issued(ProfileCode::Party);
    let first = CredentialEvent::Revoke(revoke(Reason::KeyCompromise));
    step::<Credential>(&mut revoked, &first, Timestamp::from_millis(1_500_900)).unwrap();
    let status = revoked.issued().unwrap().clone();
    assert_eq!(status.revoked.map(|revoked| (revoked.at, revoked.reason)), Some((at(1_500), Reason::KeyCompromise)));
    assert_eq!(status.list, issue(ProfileCode::Party).list);

    let party = issued(ProfileCode::Party);
    let already = Err(CredentialRefusal::AlreadyRevoked { at: at(1_500), reason: Reason::KeyCompromise });
    let table = [
        ("good", party.clone(), Reason::Superseded, 1_500, Ok(())),
        ("in its last second", party.clone(), Reason::Unspecified, 2_000, Ok(())),
        ("expired", party.clone(), Reason::Superseded, 2_001, Err(CredentialRefusal::Expired { not_after: at(2_000) })),
        ("never issued", CertificateState::None, Reason::Superseded, 1_500, Err(CredentialRefusal::NotIssued)),
        ("again", revoked.clone(), Reason::KeyCompromise, 1_600, already),
        ("again, for another reason", revoked, Reason::Superseded, 1_600, already),
        ("the root", issued(ProfileCode::Root), Reason::CaCompromise, 1_500, Err(CredentialRefusal::Root)),
        ("a CA", issued(ProfileCode::IssuingCa), Reason::CaCompromise, 1_500, Ok(())),
        (
            "a CA's reason",
            party,
            Reason::CaCompromise,
            1_500,
            Err(CredentialRefusal::Reason { reason: Reason::CaCompromise }),
        ),
    ];
    for (what, state, reason, now, expected) in table {
        let decided = decide(&state, &CredentialEvent::Revoke(revoke(reason)), at(now));
        assert_eq!(decided.as_ref().map(|_| ()).map_err(|refusal| *refusal), expected, "{what}");
        if let Ok((facts, effects)) = decided {
            let fact = CaFact::CertificateRevoked {
                list: issue(ProfileCode::Party).list,
                serial: vec![0x41; 16],
                at: at(now),
                reason,
                not_after: at(2_000),
                public_key: Digest([9; 32]),
                certificate: Digest([1; 32]),
                officer: Digest([2; 32]),
            };
            assert_eq!((facts, effects), (vec![fact], vec![CredentialEffect::ListDue]), "{what}");
        }
    }
    let stopped = Revoke { clock: ClockVerdict::Unsynced, ..revoke(Reason::Superseded) };
    let refusal = decide(&issued(ProfileCode::Party), &CredentialEvent::Revoke(stopped), at(1_500)).unwrap_err();
    assert_eq!(refusal, CredentialRefusal::Clock { verdict: ClockVerdict::Unsynced });
}

/// The digest of the event names everything that was asked, and of an issue what is signed.
#[test]
fn events_are_told_apart() {
    let good = revoke(Reason::Superseded);
    let digest = |revoke: Revoke| CredentialEvent::Revoke(revoke).digest();
    let others = [
        Revoke { reason: Reason::KeyCompromise, ..good.clone() },
        Revoke { certificate: Digest([9; 32]), ..good.clone() },
        Revoke { officer: Digest([9; 32]), ..good.clone() },
    ];
    assert!(others.into_iter().all(|other| digest(other) != digest(good.clone())));
    let event = CredentialEvent::Issue(Box::new(issue(ProfileCode::Party)));
    assert_eq!(event.digest(), Digest([8; 32]));
}

#[test]
fn imports() {
    let ca = CaId { authority: Authority::Imported, generation: 2 };
    let good = Import {
        ca,
        serial: vec![7],
        public_key: Digest([9; 32]),
        validity: Period { not_before: at(1_000), not_after: at(2_000) },
        certificate: Some(Digest([8; 32])),
        revoked: None,
        clock: ClockVerdict::Synced,
    };
    let revoked = Import { revoked: Some(Revocation { at: at(1_500), reason: Reason::Superseded }), ..good.clone() };
    let fact = |revoked| CaFact::CertificateImported {
        ca,
        serial: vec![7],
        public_key: Digest([9; 32]),
        not_before: at(1_000),
        not_after: at(2_000),
        revoked,
    };
    let none = CertificateState::None;
    let table = [
        ("good, long after its end", none.clone(), good.clone(), Ok((vec![fact(None)], vec![]))),
        ("revoked", none.clone(), revoked.clone(), Ok((vec![fact(revoked.revoked)], vec![CredentialEffect::ListDue]))),
        ("twice", issued(ProfileCode::Party), good.clone(), Err(CredentialRefusal::SerialTaken)),
        (
            "clock",
            none,
            Import { clock: ClockVerdict::Stopped, ..good.clone() },
            Err(CredentialRefusal::Clock { verdict: ClockVerdict::Stopped }),
        ),
    ];
    for (what, state, event, expected) in table {
        assert_eq!(decide(&state, &CredentialEvent::Import(event), at(9_000)), expected, "{what}");
    }
    // It goes on as one of ours would: revoked once, and not again.
    let mut state = CertificateState::None;
    step::<Credential>(&mut state, &CredentialEvent::Import(good.clone()), at(1_200)).unwrap();
    let list = state.issued().unwrap().list;
    assert_eq!((list, state.issued().unwrap().class), (ListId { ca, partition: 0 }, ProfileCode::Imported));
    let event = CredentialEvent::Revoke(revoke(Reason::KeyCompromise));
    step::<Credential>(&mut state, &event, at(1_300)).unwrap();
    let mut state = CertificateState::None;
    step::<Credential>(&mut state, &CredentialEvent::Import(revoked), at(1_600)).unwrap();
    let again = CredentialRefusal::AlreadyRevoked { at: at(1_500), reason: Reason::Superseded };
    assert_eq!(decide(&state, &event, at(1_700)), Err(again));
    // What it is known by.
    assert_eq!(CredentialEvent::Import(good.clone()).digest(), Digest([8; 32]));
    let unknown = Import { certificate: None, ..good };
    assert_eq!(CredentialEvent::Import(unknown).digest(), Digest::of(&[7]));
}
