//! Applicants whom nobody knows, who come at once or come again, and what they cannot take from others.

mod world;

use std::sync::{Barrier, atomic::Ordering};

use http::StatusCode;
use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    evidence::{Kind, PartyKind},
    id::PartyId,
    registration::document::ApplicationDocument,
};
use serde_json::json;
use world::{
    http::{Asked, ask, json as answered},
    key,
    office::{Person, World, certificates, identity, random},
};

/// Copies of one request that come at the same moment are one application, and officers see no other.
#[tokio::test]
async fn copies_of_one_request_leave_one_application() {
    const AT_ONCE: usize = 8;
    let world = World::new();
    let document = world.application(&[("party-legal", &key())], random().into());
    let together = Barrier::new(AT_ONCE);
    let apply = || {
        let known_by = |_: &ApplicationDocument| {
            together.wait();
            Idempotency { key: [1; 32], request: [2; 32] }
        };
        world.service.apply(&document, None, None, known_by).unwrap()
    };
    let ids = std::thread::scope(|scope| {
        let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(apply)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(world.service.open_applications(None, 100), [ids[0]]);

    // A page ends where its names end, whatever became of what they name.
    let more = [key(), key()];
    for key in &more {
        world.applied(&[("party-legal", key)], random().into()).await;
    }
    let officer = world.staff("officer");
    let (mut seen, mut path) = (Vec::new(), "/v1/registrations?limit=2".to_owned());
    for _ in 0..2 {
        let (_, page) = world.get(&officer, &path).await;
        seen.extend(page["registrations"].as_array().unwrap().iter().map(|one| one["id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/registrations?limit=2&after={next}");
    }
    assert_eq!(seen.len(), 3);
}

/// However many act on one application at once, each has its turn.
#[tokio::test]
async fn acts_on_one_application_wait_for_each_other() {
    const AT_ONCE: usize = 24;
    let world = World::new();
    let id = world.applied(&[("party-legal", &key())], random().into()).await.parse().unwrap();
    let officer = world.staff("officer").certificate.unwrap().digest();
    let (record, together) = (identity().to_string().into_bytes(), Barrier::new(AT_ONCE));
    let act = || {
        together.wait();
        world.service.record_identity(id, &record, officer, None)
    };
    let done = std::thread::scope(|scope| {
        let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(act)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    done.into_iter().for_each(Result::unwrap);
    let recorded = world.kinds().into_iter().filter(|kind| *kind == Kind::Party(PartyKind::IdentityRecorded));
    assert_eq!(recorded.count(), AT_ONCE);
}

/// A key that was approved for one is not approved for another, though its certificate is still to come.
#[tokio::test]
async fn a_key_is_approved_once() {
    let world = World::new();
    let (officer, shared) = (world.staff("officer"), key());
    let mut names = Vec::new();
    for _ in 0..2 {
        let id = world.applied(&[("party-legal", &shared)], random().into()).await;
        world.identified(&officer, &id).await;
        names.push(id);
    }
    let late = world.application(&[("party-legal", &shared)], random().into());
    // Nothing can be issued to parties now.
    let world = world.restart(true);
    let (status, answer) = world.approve(&officer, &names[0]).await;
    assert_eq!((status, &answer["waiting_on"]), (200, &"service".into()), "{answer}");
    assert_eq!(world.approve(&officer, &names[1]).await.1["code"], "registration.key_taken");
    let world = world.restart(false);
    assert_eq!(
        world.post_bytes(&Person::stranger(), "/v1/registrations", late).await.1["code"],
        "registration.key_taken"
    );
    world.service.finish_all_approved().unwrap();
    let stranger = Person::stranger();
    let (_, answer) = world.get(&stranger, &format!("/v1/registrations/{}", names[0])).await;
    assert_eq!(certificates(&answer).len(), 1);
    assert_eq!(world.approve(&officer, &names[1]).await.1["code"], "registration.key_taken");
}

/// Whom an officer suspended gets no certificate for what it applied for before.
#[tokio::test]
async fn a_suspended_party_is_certified_no_further() {
    let world = World::new();
    let officer = world.staff("officer");
    let member = world.party(&officer).await;
    let document = world.application(&[("party-legal", &key())], member.id);
    let (_, applied) = world.post_bytes(&member.login, "/v1/registrations", document).await;
    let id = applied["id"].as_str().unwrap();
    world.identified(&officer, id).await;
    let place = format!("/v1/parties/{}", member.id);
    world.post(&officer, &format!("{place}/suspend"), &json!({ "reason": "keys_in_doubt" })).await;
    let (status, answer) = world.approve(&officer, id).await;
    assert_eq!((status, &answer["code"]), (409, &"party.suspended".into()), "{answer}");
    world.post(&officer, &format!("{place}/reinstate"), &json!({ "reason": "settled" })).await;
    assert_eq!(world.approve(&officer, id).await.0, 200);
}

/// One key is one request, of a caller who is known; strangers are told apart by what they send.
#[tokio::test]
async fn a_known_callers_key_is_for_one_request() {
    let world = World::new();
    let officer = world.staff("officer");
    let member = world.party(&officer).await;
    let [one, two] = [key(), key()].map(|key| world.application(&[("party-legal", &key)], member.id));
    assert_eq!(world.repeat(&member.login, "/v1/registrations", "same", one).await.0, 201);
    let (status, answer) = world.repeat(&member.login, "/v1/registrations", "same", two).await;
    assert_eq!((status, &answer["code"]), (409, &"http.idempotency_key".into()), "{answer}");
}

/// Two strangers may choose the same key.
#[tokio::test]
async fn strangers_withdraw_under_keys_of_their_own() {
    let (world, stranger) = (World::new(), Person::stranger());
    for _ in 0..2 {
        let key = key();
        let id = world.applied(&[("party-legal", &key)], random().into()).await;
        let path = format!("/v1/registrations/{id}/withdraw");
        let withdrawal = world.withdrawal(&id, &key).to_string().into_bytes();
        for _ in 0..2 {
            let (status, answer) = world.repeat(&stranger, &path, "same", withdrawal.clone()).await;
            assert_eq!((status, &answer["state"]), (200, &"refused".into()), "{answer}");
        }
    }
}

/// Whoever plays many strangers leaves room for those who are known.
#[tokio::test]
async fn strangers_do_not_fill_the_house() {
    let world = World::new().with_room_for(5);
    let officer = world.staff("officer");
    let member = world.party(&officer).await;
    let stranger = Person::stranger();
    let apply = async |who: &Person, party: PartyId| {
        let document = world.application(&[("party-legal", &key())], party);
        world.post_bytes(who, "/v1/registrations", document).await
    };
    for _ in 0..4 {
        assert_eq!(apply(&stranger, random().into()).await.0, 201);
    }
    let (status, answer) = apply(&stranger, random().into()).await;
    assert_eq!((status, &answer["code"]), (429, &"server.busy".into()), "{answer}");
    assert_eq!(apply(&member.login, member.id).await.0, 201);
    assert_eq!(apply(&member.login, member.id).await.0, 429, "it is full");
    // A restart counts the same.
    let world = world.restart(false);
    assert_eq!(world.service.open_applications(None, 100).len(), 5);
    let id = world.service.open_applications(None, 1)[0];
    world.service.withdraw(id, None).unwrap();
    let document = world.application(&[("party-legal", &key())], member.id);
    assert_eq!(world.post_bytes(&member.login, "/v1/registrations", document).await.0, 201);
}

/// What could not be issued after an approval is tried again, without a start.
#[tokio::test]
async fn what_could_not_be_issued_is_tried_again() {
    let world = World::new();
    let officer = world.staff("officer");
    let id = world.applied(&[("party-legal", &key())], random().into()).await;
    world.identified(&officer, &id).await;
    let world = world.restart(true);
    assert_eq!(world.approve(&officer, &id).await.1["waiting_on"], "service");
    let issued = |world: &World| {
        let known = world.service.find_application(id.parse().unwrap()).unwrap().unwrap();
        known.certificates.len()
    };
    world.service.finish_unfinished();
    assert_eq!(issued(&world), 0);
    world.lame.store(false, Ordering::Relaxed);
    world.service.finish_unfinished();
    assert_eq!(issued(&world), 1);
    world.service.finish_unfinished();
    assert_eq!(issued(&world), 1, "once");
}

/// The certificate of our own listener is not offered to anybody.
#[tokio::test]
async fn nobody_applies_for_the_certificate_of_the_listener() {
    let world = World::new();
    let known = answered(&ask(&world.service, Asked::secure("GET", "/.well-known/semper")).await, StatusCode::OK);
    let profiles = known["registration"]["profiles"].as_array().unwrap_or_else(|| panic!("{known}"));
    assert!(profiles.iter().any(|profile| profile["name"] == "party-legal"), "{known}");
    assert!(profiles.iter().all(|profile| profile["name"] != "service-tls"), "{known}");
    let ours = world.application(&[("service-tls", &key())], PartyId::from(random()));
    let (status, answer) = world.post_bytes(&Person::stranger(), "/v1/registrations", ours).await;
    assert_eq!((status, &answer["code"]), (422, &"registration.profile".into()), "{answer}");
}
