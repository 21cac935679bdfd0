//! Officers decide about others, and where two must decide they are two people, whose certificates are good when it counts.

mod world;

use semper_api::{CeremonyFault, Service, ToIssue};
use semper_ttp::{
    ca::{Authority, CaId, crl::Reason},
    crypto::SoftKey,
    digest::Digest,
    id::PartyId,
    statement::ceremony::attest,
    x509::Certificate,
};
use serde_json::json;
use world::{
    DAY_SECS, START, key,
    office::{ORIGIN, Person, World, certificates, random},
    wanted,
};

/// What a caller gets: the status, and the code of a problem or the state of an application.
type Said = (u16, String);

fn said(answer: &(u16, serde_json::Value)) -> Said {
    let (status, body) = answer;
    let word = body["code"].as_str().or_else(|| body["state"].as_str());
    (*status, word.unwrap_or_default().to_owned())
}

fn due(status: u16, word: &str) -> Said {
    (status, word.to_owned())
}

/// An application by `who`, approved by these.
async fn certified(
    world: &World,
    who: &Person,
    profile: &str,
    key: &SoftKey,
    party: PartyId,
    by: &[&Person],
) -> Certificate {
    let document = world.application(&[(profile, key)], party);
    let (status, applied) = world.post_bytes(who, "/v1/registrations", document).await;
    assert_eq!(status, 201, "{applied}");
    let id = applied["id"].as_str().unwrap();
    world.identified(by[0], id).await;
    let mut answer = serde_json::Value::Null;
    for officer in by {
        answer = world.approve(officer, id).await.1;
    }
    certificates(&answer).pop().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn two_certificates_of_one_person_are_one_officer() {
    let world = World::new();
    let (first, second, operator) = (world.staff("officer"), world.staff("officer"), world.staff("operator"));
    // What an officer does, no operator does: nobody applies to be both at once.
    let both = world.application(&[("officer", &key()), ("operator", &key())], random().into());
    let answer = world.post_bytes(&Person::stranger(), "/v1/registrations", both).await;
    assert_eq!(said(&answer), due(422, "registration.conflicting_duties"));

    // A party may become an officer, and later an operator: it stays one person.
    let member = world.party(&first).await;
    let staff = [&first, &operator];
    let one = certified(&world, &member.login, "officer", &key(), member.id, &staff).await;
    let two = certified(&world, &member.login, "operator", &key(), member.id, &staff).await;
    // So does an officer of the first hour who applies with the certificate that ends.
    let renewed = certified(&world, &second, "officer", &key(), random().into(), &staff).await;
    let world = world.joined_by(&[("officer", &one), ("operator", &two), ("officer", &renewed)]);
    let (one, two, renewed) = (Person::with(one), Person::with(two), Person::with(renewed));
    for (person, again) in [(&one, &two), (&two, &one), (&second, &renewed), (&renewed, &second)] {
        let id = world.applied(&[("officer", &key())], random().into()).await;
        world.identified(&first, &id).await;
        assert_eq!(said(&world.approve(person, &id).await), due(200, "approved_by_one"));
        assert_eq!(said(&world.approve(again, &id).await), due(403, "registration.same_officer"));
        assert_eq!(said(&world.approve(&first, &id).await), due(200, "approved"));
    }
}

#[tokio::test]
async fn nobody_decides_about_an_application_of_its_own() {
    let world = World::new();
    let (officer, other, operator) = (world.staff("officer"), world.staff("officer"), world.staff("operator"));
    let own = due(403, "registration.own_application");
    let document = world.application(&[("party-legal", &key())], random().into());
    let (_, applied) = world.post_bytes(&officer, "/v1/registrations", document).await;
    let id = applied["id"].as_str().unwrap();
    let identity = format!("/v1/registrations/{id}/identity");
    assert_eq!(said(&world.post(&officer, &identity, &world::office::identity()).await), own);
    world.identified(&other, id).await;
    assert_eq!(said(&world.approve(&officer, id).await), own);
    assert_eq!(said(&world.approve(&other, id).await), due(200, "approved"));

    // Nor with another certificate of the same person, nor for the party that it is.
    let member = world.party(&other).await;
    let staff = [&other, &operator];
    let hers = certified(&world, &member.login, "officer", &key(), member.id, &staff).await;
    let renewed = certified(&world, &officer, "officer", &key(), random().into(), &staff).await;
    let world = world.joined_by(&[("officer", &hers), ("officer", &renewed)]);
    for (applicant, party, person) in
        [(&member.login, member.id, Person::with(hers)), (&officer, PartyId::from(random()), Person::with(renewed))]
    {
        let document = world.application(&[("party-legal", &key())], party);
        let (_, applied) = world.post_bytes(applicant, "/v1/registrations", document).await;
        let id = applied["id"].as_str().unwrap();
        let identity = format!("/v1/registrations/{id}/identity");
        assert_eq!(said(&world.post(&person, &identity, &world::office::identity()).await), own);
        world.identified(&other, id).await;
        assert_eq!(said(&world.approve(&person, id).await), own);
    }
}

fn attested(service: &Service, by: [(&Certificate, &SoftKey); 2]) -> Result<u64, CeremonyFault> {
    let transcript = random();
    let statement = |(certificate, key): (&Certificate, &SoftKey)| {
        let jws = attest(&Digest::of(&transcript), ORIGIN, certificate, key, START, random()).unwrap();
        jws.bytes().to_vec()
    };
    service.record_ceremony(&transcript, &by.map(statement), b"a record".to_vec(), None)
}

#[tokio::test]
async fn a_ceremony_takes_two_people_who_hold_the_roles() {
    let world = World::new();
    let (officer, operator) = (world.staff("officer"), world.staff("operator"));
    let member = world.party(&officer).await;
    let keys = [key(), key(), key()];
    let staff = [&officer, &operator];
    let hers = certified(&world, &member.login, "officer", &keys[0], member.id, &staff).await;
    let hers_too = certified(&world, &member.login, "operator", &keys[1], member.id, &staff).await;
    let idle = certified(&world, &Person::stranger(), "officer", &keys[2], random().into(), &staff).await;
    let world = world.joined_by(&[("officer", &hers), ("operator", &hers_too)]);
    let (first, second) = ((&world.staff[0].1, &world.keys[0]), (&world.staff[2].1, &world.keys[2]));
    assert!(attested(&world.service, [second, first]).is_ok());
    assert!(attested(&world.service, [(&hers_too, &keys[1]), first]).is_ok());
    let one_person = attested(&world.service, [(&hers, &keys[0]), (&hers_too, &keys[1])]);
    assert!(matches!(one_person, Err(CeremonyFault::People)), "{one_person:?}");
    let no_role = attested(&world.service, [second, (&idle, &keys[2])]);
    assert!(matches!(no_role, Err(CeremonyFault::Role)), "{no_role:?}");
}

#[tokio::test]
async fn a_revocation_stops_what_is_under_way() {
    let world = World::new();
    let (first, second, operator) = (world.staff("officer"), world.staff("officer"), world.staff("operator"));
    let certificate = |who: &Person| who.certificate.as_deref().unwrap().clone();
    // The first of two approvals no longer counts; a new record of identity begins anew.
    let id = world.applied(&[("officer", &key())], random().into()).await;
    world.identified(&second, &id).await;
    assert_eq!(said(&world.approve(&first, &id).await), due(200, "approved_by_one"));
    world.revoke(&certificate(&first), Reason::KeyCompromise);
    assert_eq!(said(&world.approve(&operator, &id).await), due(409, "registration.officer_revoked"));
    world.identified(&second, &id).await;
    assert_eq!(said(&world.approve(&operator, &id).await), due(200, "approved_by_one"));
    assert_eq!(said(&world.approve(&second, &id).await), due(200, "approved"));

    // The headers came in time, the body after the revocation.
    let id = world.applied(&[("party-legal", &key())], random().into()).await;
    world.identified(&second, &id).await;
    let (service, revoked) = (world.service.clone(), certificate(&second));
    let meanwhile = move || {
        let (serial, officer) = (revoked.serial(), Digest::of(b"officer"));
        let revoke = semper_api::ToRevoke {
            ca: world::office::CA,
            serial,
            reason: Reason::KeyCompromise,
            officer,
            idempotency: None,
        };
        service.revoke(&revoke).unwrap();
    };
    let path = format!("/v1/registrations/{id}/approve");
    let body = Some(("late", json!({}).to_string().into_bytes()));
    let (status, _) = world.call_slowly(&second, http::Method::POST, &path, body, meanwhile).await;
    assert_eq!(status, 403);
    let (_, shown) = world.get(&Person::stranger(), &format!("/v1/registrations/{id}")).await;
    assert_eq!(shown["state"], "identified");
    // Nor does the service itself take it from whoever asks.
    let refused = world.service.approve(id.parse().unwrap(), certificate(&second).digest(), None);
    assert!(refused.is_err(), "{refused:?}");
}

/// What ends a CA is wanted by two people within a day.
#[tokio::test]
async fn a_ca_is_revoked_by_two_people() {
    let world = World::new();
    let (first, second, operator) = (world.staff("officer"), world.staff("officer"), world.staff("operator"));
    let ca = || {
        let wanted = ToIssue { ca: CaId::first(Authority::Root), ..wanted("issuing-ca") };
        let certificate = world.service.issue(&wanted).unwrap().certificate;
        format!("/v1/certificates/{}/revoke", hex::encode(certificate.serial()))
    };
    let (one, two, three) = (ca(), ca(), ca());
    let reason = json!({ "reason": "cACompromise" });
    let revoke = async |who: &Person, path: &str| {
        let (status, answer) = world.post(who, path, &reason).await;
        (status, answer["status"].as_str().or_else(|| answer["code"].as_str()).unwrap_or_default().to_owned())
    };
    let (asked, revoked) = ((202, "good".to_owned()), (200, "revoked".to_owned()));
    assert_eq!(revoke(&operator, &one).await, due(403, "auth.forbidden"), "an officer comes first");
    let (status, answer) = world.repeat(&first, &one, "same", reason.to_string().into_bytes()).await;
    assert_eq!((status, &answer["waiting_on"]), (202, &"another_person".into()), "{answer}");
    assert_eq!(answer["due_by"], START.plus_secs(u64::from(DAY_SECS)).to_string());
    assert_eq!(world.repeat(&first, &one, "same", reason.to_string().into_bytes()).await, (status, answer));
    assert_eq!(revoke(&first, &one).await, asked, "alone for ever");
    assert_eq!(revoke(&second, &one).await, revoked);
    assert_eq!(revoke(&second, &one).await, due(409, "ca.already_revoked"));
    // Too late is another beginning, and so is another reason.
    assert_eq!(revoke(&second, &two).await, asked);
    world.now.pass(DAY_SECS + 1);
    assert_eq!(revoke(&operator, &two).await, due(403, "auth.forbidden"));
    assert_eq!(revoke(&first, &two).await, asked);
    let (status, _) = world.post(&second, &two, &json!({ "reason": "superseded" })).await;
    assert_eq!(status, 202);
    assert_eq!(revoke(&first, &two).await, asked);
    assert_eq!(revoke(&operator, &two).await, revoked);
    // Whose key may be in other hands has asked for nothing.
    assert_eq!(revoke(&first, &three).await, asked);
    world.revoke(first.certificate.as_deref().unwrap(), Reason::KeyCompromise);
    assert_eq!(revoke(&second, &three).await, asked);
    // An operator revokes nothing else.
    let officers = hex::encode(second.certificate.as_deref().unwrap().serial());
    let path = format!("/v1/certificates/{officers}/revoke");
    assert_eq!(world.post(&operator, &path, &json!({ "reason": "superseded" })).await.0, 403);
}

#[tokio::test]
async fn a_suspended_officer_does_nothing() {
    let world = World::new();
    let (first, operator) = (world.staff("officer"), world.staff("operator"));
    let member = world.party(&first).await;
    let hers = certified(&world, &member.login, "officer", &key(), member.id, &[&first, &operator]).await;
    let world = world.joined_by(&[("officer", &hers)]);
    let hers = Person::with(hers);
    let id = world.applied(&[("party-legal", &key())], random().into()).await;
    world.identified(&hers, &id).await;

    let suspend = format!("/v1/parties/{}/suspend", member.id);
    let (status, answer) = world.post(&first, &suspend, &json!({ "reason": "keys_in_doubt" })).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(said(&world.approve(&hers, &id).await), due(403, "auth.forbidden"));
    let reinstate = format!("/v1/parties/{}/reinstate", member.id);
    let mistake = json!({ "reason": "mistake" });
    assert_eq!(said(&world.post(&hers, &reinstate, &mistake).await), due(403, "auth.forbidden"));
    assert_eq!(world.get(&hers, "/v1/me").await.1["roles"], json!([]));
    assert_eq!(world.get(&hers, "/v1/registrations").await.0, 403);

    let (status, answer) = world.post(&first, &reinstate, &mistake).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(said(&world.approve(&hers, &id).await), due(200, "approved"));
}
