//! From an application to certificates and a party: over `/v1`, with a service in memory.

mod world;

use http::Method;
use semper_api::{RegistrationParts, ToRevoke, notices::Networks};
use semper_ttp::{
    ca::crl::Reason,
    crypto::{Signer, SoftKey},
    digest::Digest,
    evidence::{Aggregate, Fact, Kind, OpsFact, OpsKind, PartyKind, Recorded},
    id::PartyId,
    registration::document::{Offer, accept_terms},
    x509::Certificate,
};
use serde_json::{Value, json};
use world::{
    DAY_SECS, START, key,
    office::{CA, Person, TERMS, World, certificates, identity, offer, random},
};

#[tokio::test]
async fn from_an_application_to_certificates_and_a_party() {
    let world = World::new();
    let (officer, stranger) = (world.staff("officer"), Person::stranger());
    let (sign, auth, party) = (key(), key(), PartyId::from(random()));
    let document = world.application(&[("party-legal", &sign), ("party-auth", &auth)], party);
    let (status, applied) = world.repeat(&stranger, "/v1/registrations", "one", document.clone()).await;
    assert_eq!((status, &applied["state"]), (201, &"applied".into()), "{applied}");
    assert_eq!((&applied["waiting_on"], &applied["allowed_actions"]), (&"officer".into(), &json!(["withdraw"])));
    assert_eq!(applied["due_by"], START.plus_secs(u64::from(30 * DAY_SECS)).to_string());
    let again = world.repeat(&stranger, "/v1/registrations", "one", document.clone()).await;
    assert_eq!(again, (201, applied.clone()), "a repetition has the answer of the first time");
    let id = applied["id"].as_str().unwrap();
    let place = format!("/v1/registrations/{id}");

    // Whoever has its name reads it, and reads no name of anybody.
    let (status, shown) = world.get(&stranger, &place).await;
    assert_eq!((status, &shown), (200, &applied));
    assert!(!shown.to_string().contains("nobody may see"));
    assert_eq!(world.get(&stranger, &format!("{place}/application")).await.0, 401);

    let (_, waiting) = world.get(&officer, "/v1/registrations").await;
    assert_eq!(waiting["registrations"][0]["id"], id);
    assert_eq!(world.approve(&officer, id).await.1["code"], "registration.no_identity");
    world.identified(&officer, id).await;
    let (status, read) = world.call(&officer, Method::GET, &format!("{place}/application"), None).await;
    assert_eq!((status, read), (200, document));
    let (status, approved) = world.approve(&officer, id).await;
    assert_eq!((status, &approved["state"], &approved["waiting_on"]), (200, &"approved".into(), &Value::Null));
    assert_eq!(approved["party"], party.to_string(), "the name under which the terms were accepted");

    let (status, collected) = world.get(&stranger, &place).await;
    let issued = certificates(&collected);
    assert_eq!((status, issued.len()), (200, 2));
    let keys: Vec<_> = issued.iter().map(Certificate::spki_der).collect();
    assert!(keys.contains(&sign.spki_der().to_vec()) && keys.contains(&auth.spki_der().to_vec()));
    assert_eq!(collected["chain"].as_array().unwrap().len(), 1);

    // The party is known by both keys, and sees itself.
    let login = Person::with(issued.iter().find(|found| found.spki_der() == auth.spki_der()).unwrap().clone());
    let (status, itself) = world.get(&login, &format!("/v1/parties/{party}")).await;
    assert_eq!((status, &itself["state"], itself["keys"].as_array().unwrap().len()), (200, &"active".into(), 2));
    assert_eq!(world.get(&officer, "/v1/parties").await.1["parties"][0]["id"], party.to_string());
    let thumbprint = itself["keys"][0]["thumbprint"].as_str().unwrap();
    let found = world.get(&officer, &format!("/v1/parties?key={thumbprint}")).await.1;
    assert_eq!(found["parties"][0]["id"], party.to_string());
    assert_eq!(world.get(&login, "/v1/parties").await.0, 403);
    assert_eq!(world.get(&login, &format!("/v1/parties/{}", PartyId::from([7; 16]))).await.0, 403);
    assert_eq!(world.get(&officer, "/v1/registrations").await.1["registrations"], json!([]));

    // Over is over.
    assert_eq!(world.approve(&officer, id).await.1["code"], "registration.approved");
    let withdrawal = world.withdrawal(id, &sign);
    let withdrawn = world.post(&stranger, &format!("{place}/withdraw"), &withdrawal).await;
    assert_eq!((withdrawn.0, &withdrawn.1["code"]), (409, &"registration.approved".into()));
}

#[tokio::test]
async fn refused_withdrawn_expired() {
    let world = World::new();
    let (officer, stranger) = (world.staff("officer"), Person::stranger());
    let (mut names, keys) = (Vec::new(), [key(), key(), key()]);
    for key in &keys {
        names.push(world.applied(&[("party-legal", key)], random().into()).await);
    }
    let path = |place: usize, act: &str| format!("/v1/registrations/{}{act}", names[place]);
    let (status, answer) = world.post(&officer, &path(0, "/refuse"), &json!({ "reason": "expired" })).await;
    assert_eq!((status, &answer["code"]), (422, &"registration.reason".into()));
    assert_eq!(world.post(&officer, &path(0, "/refuse"), &json!({ "reason": "no" })).await.0, 400);
    let refuse = json!({ "reason": "identity_not_proven" });
    let (status, answer) = world.post(&officer, &path(0, "/refuse"), &refuse).await;
    assert_eq!((status, &answer["refused"]["reason"]), (200, &"identity_not_proven".into()), "{answer}");
    assert_eq!(answer["refused"]["by"], "officer");

    assert_eq!(world.post(&officer, &path(1, "/withdraw"), &json!({})).await.0, 403, "an officer refuses");
    // Whoever knows its name and has none of its keys is not the applicant.
    assert_eq!(world.post(&stranger, &path(1, "/withdraw"), &json!({})).await.0, 403);
    for bad in [world.withdrawal(&names[1], &keys[0]), world.withdrawal(&names[0], &keys[1])] {
        let (status, answer) = world.post(&stranger, &path(1, "/withdraw"), &bad).await;
        assert_eq!((status, &answer["code"]), (422, &"registration.proof".into()), "{answer}");
    }
    let withdrawal = world.withdrawal(&names[1], &keys[1]);
    let (status, answer) = world.post(&stranger, &path(1, "/withdraw"), &withdrawal).await;
    assert_eq!((status, &answer["refused"]["reason"]), (200, &"withdrawn_by_applicant".into()));

    world.now.pass(30 * DAY_SECS - 1);
    world.service.expire_applications().unwrap();
    assert_eq!(world.get(&stranger, &path(2, "")).await.1["state"], "applied");
    world.now.pass(1);
    // Also one that was open before a restart.
    let world = world.restart(false);
    world.service.expire_applications().unwrap();
    let (_, answer) = world.get(&stranger, &path(2, "")).await;
    assert_eq!((&answer["refused"]["reason"], &answer["refused"]["by"]), (&"expired".into(), &"age".into()));
    let ends = world.kinds().iter().filter(|kind| **kind == Kind::Party(PartyKind::RegistrationRefused)).count();
    assert_eq!(ends, 3, "each is an entry");
}

#[tokio::test]
async fn what_is_not_in_order_is_not_taken() {
    let world = World::new();
    let (stranger, good) = (Person::stranger(), key());
    let party = || PartyId::from(random());
    let apply = async |document: Vec<u8>| {
        let (status, answer) = world.post_bytes(&stranger, "/v1/registrations", document).await;
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |status, code: &str| (status, code.to_owned());
    assert_eq!(apply(b"{}".to_vec()).await, refused(422, "registration.document"));
    let unknown = world.application(&[("party-regal", &good)], party());
    assert_eq!(apply(unknown).await, refused(422, "registration.profile"));
    // A key of the service's own kind is certified by the service alone.
    let ours = world.application(&[("tsu", &good)], party());
    assert_eq!(apply(ours).await, refused(422, "registration.profile"));
    let twice = world.application(&[("party-legal", &good), ("party-auth", &good)], party());
    assert_eq!(apply(twice).await, refused(422, "registration.same_key"));
    // The profile of a natural person wants other names.
    let misnamed = world.application(&[("party-natural", &good)], party());
    assert_eq!(apply(misnamed).await, refused(422, "ca.lint"));
    let mut other_terms: Value =
        serde_json::from_slice(&world.application(&[("party-legal", &good)], party())).unwrap();
    let others = Offer { terms: Digest::of(b"others"), ..offer() };
    let jws = accept_terms(others, party(), &good, START, [1; 16]).unwrap();
    other_terms["terms"] = String::from_utf8(jws.bytes().to_vec()).unwrap().into();
    assert_eq!(apply(other_terms.to_string().into_bytes()).await, refused(422, "registration.proof"));
    assert_eq!(world.get(&world.staff("officer"), "/v1/registrations").await.1["registrations"], json!([]));

    // Of two for one key the first that is approved has it, and for one name.
    let officer = world.staff("officer");
    let (name, first) = (party(), key());
    let one = world.applied(&[("party-legal", &good)], name).await;
    let two = world.applied(&[("party-legal", &good)], party()).await;
    let three = world.applied(&[("party-legal", &first)], name).await;
    for id in [&one, &two, &three] {
        world.identified(&officer, id).await;
    }
    assert_eq!(world.approve(&officer, &one).await.0, 200);
    assert_eq!(world.approve(&officer, &two).await.1["code"], "registration.key_taken");
    assert_eq!(world.approve(&officer, &three).await.1["code"], "registration.party_taken");
    let late = world.application(&[("party-legal", &good)], party());
    assert_eq!(apply(late).await, refused(409, "registration.key_taken"));
    let namesake = world.application(&[("party-legal", &key())], name);
    assert_eq!(apply(namesake).await, refused(409, "registration.party_taken"));
}

#[tokio::test]
async fn staff_takes_two() {
    let world = World::new();
    let (officer, operator) = (world.staff("officer"), world.staff("operator"));
    let id = world.applied(&[("officer", &key())], random().into()).await;
    world.identified(&officer, &id).await;
    let (status, answer) = world.approve(&officer, &id).await;
    assert_eq!((status, &answer["state"]), (200, &"approved_by_one".into()), "{answer}");
    assert_eq!(answer["waiting_on"], "another_officer");
    let (status, answer) = world.approve(&officer, &id).await;
    assert_eq!((status, &answer["code"]), (403, &"registration.same_officer".into()), "{answer}");
    let (status, answer) = world.approve(&operator, &id).await;
    assert_eq!((status, &answer["state"]), (200, &"approved".into()), "{answer}");
    // The new officer is one when the operator grants it, and not before.
    let new = certificates(&answer).remove(0);
    assert_eq!(world.get(&Person::with(new.clone()), "/v1/registrations").await.0, 403);
    let mut world = world;
    world.staff.push(("officer", new.clone()));
    let (world, new) = (world.restart(false), Person::with(new));
    assert_eq!(world.get(&new, "/v1/registrations").await.0, 200);
    // An operator decides about his own kind only.
    let party = world.applied(&[("party-legal", &key())], random().into()).await;
    world.identified(&new, &party).await;
    assert_eq!(world.approve(&operator, &party).await.1["code"], "auth.forbidden");
}

#[tokio::test]
async fn only_those_who_may() {
    let world = World::new();
    let officer = world.staff("officer");
    let member = world.party(&officer).await;
    let id = world.applied(&[("party-legal", &key())], random().into()).await;
    let callers = [(&Person::stranger(), 401), (&member.login, 403), (&world.staff("operator"), 403)];
    for (who, due) in callers {
        for act in ["identity", "approve", "refuse"] {
            let (status, answer) = world.post(who, &format!("/v1/registrations/{id}/{act}"), &json!({})).await;
            assert_eq!(status, due, "{act}: {answer}");
        }
        for what in ["/v1/registrations", "/v1/parties", &format!("/v1/registrations/{id}/identity")] {
            assert_eq!(world.get(who, what).await.0, due, "{what}");
        }
        for act in ["suspend", "reinstate"] {
            let path = format!("/v1/parties/{}/{act}", member.id);
            assert_eq!(world.post(who, &path, &json!({ "reason": "other" })).await.0, due, "{act}");
        }
    }
    assert_eq!(
        world.get(&officer, "/v1/registrations/BwcHBwcHBwcHBwcHBwcHBw").await.1["code"],
        "registration.not_applied"
    );
    assert_eq!(world.get(&officer, "/v1/parties/BwcHBwcHBwcHBwcHBwcHBw").await.1["code"], "party.not_registered");
    assert_eq!(world.get(&officer, "/v1/registrations/short").await.0, 400);
}

#[tokio::test]
async fn a_party_gets_more_keys_by_its_own_certificate() {
    let world = World::new();
    let officer = world.staff("officer");
    let (member, other) = (world.party(&officer).await, world.party(&officer).await);
    let more = key();
    let theirs = world.application(&[("party-legal", &more)], other.id);
    let (status, answer) = world.post_bytes(&member.login, "/v1/registrations", theirs).await;
    assert_eq!((status, &answer["code"]), (403, &"auth.forbidden".into()), "{answer}");
    let own = world.application(&[("party-legal", &more)], member.id);
    let (status, applied) = world.post_bytes(&member.login, "/v1/registrations", own).await;
    assert_eq!((status, &applied["applicant"]), (201, &member.id.to_string().into()), "{applied}");
    let id = applied["id"].as_str().unwrap();
    let place = format!("/v1/registrations/{id}");
    // Its name alone is not enough for an application of a party.
    for who in [&Person::stranger(), &other.login] {
        assert_eq!(world.get(who, &place).await.1["code"], "registration.not_applied");
        assert_eq!(world.post(who, &format!("{place}/withdraw"), &json!({})).await.0, 404);
    }
    world.identified(&officer, id).await;
    assert_eq!(world.approve(&officer, id).await.0, 200);
    assert_eq!(world.get(&member.login, &place).await.1["certificates"].as_array().unwrap().len(), 1);
    let (_, party) = world.get(&member.login, &format!("/v1/parties/{}", member.id)).await;
    assert_eq!(party["keys"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn suspended_and_revoked() {
    let world = World::new();
    let officer = world.staff("officer");
    let member = world.party(&officer).await;
    let place = format!("/v1/parties/{}", member.id);
    let suspend = json!({ "reason": "keys_in_doubt" });
    let (status, answer) = world.post(&officer, &format!("{place}/suspend"), &suspend).await;
    assert_eq!(
        (status, &answer["state"], &answer["suspended"]["reason"]),
        (200, &"suspended".into(), &"keys_in_doubt".into())
    );
    assert_eq!(world.post(&officer, &format!("{place}/suspend"), &suspend).await.1["code"], "party.suspended");
    assert_eq!(world.get(&member.login, &place).await.1["code"], "auth.forbidden");
    let (status, _) = world.post(&officer, &format!("{place}/reinstate"), &json!({ "reason": "settled" })).await;
    assert_eq!((status, world.get(&member.login, &place).await.0), (200, 200));
    let again = world.post(&officer, &format!("{place}/reinstate"), &json!({ "reason": "settled" })).await;
    assert_eq!(again.1["code"], "party.not_suspended");

    // A revoked certificate takes its key along.
    let (serial, by) = (member.sign_certificate.serial(), Digest::of(b"officer"));
    let revoke = ToRevoke { ca: CA, serial, reason: Reason::KeyCompromise, officer: by, idempotency: None };
    world.service.revoke(&revoke).unwrap();
    let (_, party) = world.get(&member.login, &place).await;
    let ends: Vec<_> = party["keys"].as_array().unwrap().iter().map(|key| key["unbound"]["reason"].clone()).collect();
    assert!(ends.contains(&"revoked".into()) && ends.contains(&Value::Null), "{party}");
    let jws = accept_terms(offer(), member.id, &member.sign, START, [1; 16]).unwrap();
    let (status, answer) = world.post_bytes(&member.login, &format!("{place}/terms"), jws.bytes().to_vec()).await;
    assert_eq!((status, &answer["code"]), (422, &"party.statement".into()), "{answer}");
}

#[tokio::test]
async fn terms_are_accepted_by_a_statement() {
    let world = World::new();
    let officer = world.staff("officer");
    let (member, other) = (world.party(&officer).await, world.party(&officer).await);
    let path = format!("/v1/parties/{}/terms", member.id);
    let statement =
        |party, key: &SoftKey, offer| accept_terms(offer, party, key, START, random()).unwrap().bytes().to_vec();
    let good = statement(member.id, &member.sign, offer());
    for bad in [
        statement(other.id, &member.sign, offer()),
        statement(member.id, &other.sign, offer()),
        statement(member.id, &member.sign, Offer { service: "log.example/other", ..offer() }),
        statement(member.id, &member.sign, Offer { terms: Digest::of(b"others"), ..offer() }),
        [&good[..good.len() - 6], b"AAAAAA"].concat(),
    ] {
        let (status, answer) = world.post_bytes(&member.login, &path, bad).await;
        assert_eq!((status, &answer["code"]), (422, &"party.statement".into()), "{answer}");
    }
    let (status, _) = world.post_bytes(&other.login, &path, good.clone()).await;
    assert_eq!(status, 403, "for itself alone");
    let (status, answer) = world.post_bytes(&member.login, &path, good.clone()).await;
    assert_eq!((status, &answer["terms"]["accepted"][0]["policy"]), (200, &Digest::of(TERMS).to_string().into()));
    let again = world.post_bytes(&member.login, &path, statement(member.id, &member.sign, offer())).await;
    assert_eq!(again.1["code"], "party.terms_accepted");
}

/// An approval stands before what follows from it: what a crash or a fault has left is done at the next start.
#[tokio::test]
async fn what_follows_from_an_approval_is_done_in_the_end() {
    let world = World::new();
    let (officer, party) = (world.staff("officer"), PartyId::from(random()));
    let id = world.applied(&[("party-legal", &key()), ("party-auth", &key())], party).await;
    world.identified(&officer, &id).await;
    let world = world.restart(true);
    let registration = id.parse().unwrap();
    world.service.approve(registration, officer.certificate.as_deref().unwrap().digest(), None).unwrap();
    let (_, answer) = world.get(&Person::stranger(), &format!("/v1/registrations/{id}")).await;
    assert_eq!((&answer["state"], &answer["waiting_on"]), (&"approved".into(), &"service".into()), "{answer}");
    let world = world.restart(false);
    for _ in 0..2 {
        world.service.finish_all_approved().unwrap();
        let (_, answer) = world.get(&Person::stranger(), &format!("/v1/registrations/{id}")).await;
        assert_eq!((&answer["waiting_on"], certificates(&answer).len()), (&Value::Null, 2), "{answer}");
    }
    let (_, found) = world.get(&officer, &format!("/v1/parties/{party}")).await;
    assert_eq!(found["keys"].as_array().unwrap().len(), 2);
    let bound = world.kinds().iter().filter(|kind| **kind == Kind::Party(PartyKind::KeyBound)).count();
    assert_eq!(bound, 2, "each is bound once");
}

#[tokio::test]
async fn whoever_reads_is_written_down() {
    let world = World::new();
    let officer = world.staff("officer");
    let id = world.applied(&[("party-legal", &key())], random().into()).await;
    let path = format!("/v1/registrations/{id}/identity");
    assert_eq!(world.get(&officer, &path).await.1["code"], "registration.no_identity");
    world.identified(&officer, &id).await;
    assert_eq!(world.get(&officer, &path).await, (200, identity()));
    assert_eq!(world.call(&officer, Method::GET, &path.replace("identity", "application"), None).await.0, 200);
    let file = world.place.path().join(format!("access/{}.log", START.millis()));
    let lines: Vec<Value> =
        std::fs::read_to_string(&file).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2, "what nobody saw is not written");
    assert_eq!(lines[0]["of"], format!("registration/{id}/identity"));
    assert_eq!(lines[0]["reader"], officer.certificate.as_ref().unwrap().digest().to_string());
    assert_eq!(lines[0]["document"], Digest::of(identity().to_string().as_bytes()).to_string());

    // Its hour over, the log has an entry, once.
    world.service.record_accesses().unwrap();
    let accesses = |world: &World| world.kinds().iter().filter(|kind| **kind == Kind::Ops(OpsKind::Access)).count();
    assert_eq!(accesses(&world), 0);
    world.now.pass(3_600);
    world.service.record_accesses().unwrap();
    let world = world.restart(false);
    world.service.record_accesses().unwrap();
    assert_eq!(accesses(&world), 1);
    let reader = world.service.reader();
    let facts = (0..reader.size()).map(|index| Fact::decode(&reader.fact(index).unwrap().unwrap()).unwrap());
    let fact = facts.into_iter().find(|fact| fact.kind == Kind::Ops(OpsKind::Access)).unwrap();
    let tree = semper_api::access::tree_of(&std::fs::read(&file).unwrap());
    let due = OpsFact::Access { from_millis: START.millis(), reads: 2, root: tree.root };
    assert_eq!(OpsFact::from_fact(&fact), Ok(due));
}

/// Where nothing could be written down, nothing is read.
#[tokio::test]
async fn without_a_log_nobody_reads() {
    let without = RegistrationParts { life_secs: u64::from(30 * DAY_SECS), ..RegistrationParts::default() };
    let world = World::new().restart_with(without, false);
    let officer = world.staff("officer");
    let id = world.applied(&[("party-legal", &key())], random().into()).await;
    let (status, answer) = world.get(&officer, &format!("/v1/registrations/{id}/application")).await;
    assert_eq!((status, &answer["code"]), (500, &"server.fault".into()));
}

#[tokio::test]
async fn two_requests_with_one_key_are_told_apart() {
    let world = World::new();
    let stranger = Person::stranger();
    let document = world.application(&[("party-legal", &key())], random().into());
    let (_, first) = world.repeat(&stranger, "/v1/registrations", "same", document.clone()).await;
    let mut other: Value = serde_json::from_slice(&document).unwrap();
    other["contact"] = json!({ "email": "a@example.org" });
    let (status, answer) = world.repeat(&stranger, "/v1/registrations", "same", other.to_string().into_bytes()).await;
    assert_eq!((status, &answer["code"]), (409, &"http.idempotency_key".into()), "{answer}");
    // Somebody else's document with the same key is another request.
    let another = world.application(&[("party-legal", &key())], random().into());
    let (status, second) = world.repeat(&stranger, "/v1/registrations", "same", another).await;
    assert_eq!(status, 201);
    assert_ne!(first["id"], second["id"]);
}

/// Whom to tell, by the ledger alone: with the notices' days, serial numbers and receivers.
fn due(world: &World) -> Vec<(u16, Vec<u8>, String)> {
    let due = world.service.due_notices(&[30, 7, 1], &Networks::default(), |_, _| false, 100).unwrap();
    for notice in &due {
        world::openapi::judge_by(&json!({ "$ref": "#/components/schemas/ExpiringNotice" }), &notice.body, &notice.id);
    }
    due.into_iter().map(|due| (due.of.due.days_before, due.of.serial, due.webhook.host().to_owned())).collect()
}

#[tokio::test]
async fn a_holder_is_told_unless_it_knows() {
    let world = World::new();
    let (officer, stranger) = (world.staff("officer"), Person::stranger());
    let approved = async |id: &str| {
        world.identified(&officer, id).await;
        certificates(&world.approve(&officer, id).await.1)
    };
    for webhook in ["https://127.0.0.1/", "https://10.1/"] {
        let document = world.application_with(&[("party-legal", &key())], random().into(), Some(webhook));
        let (status, answer) = world.post_bytes(&stranger, "/v1/registrations", document).await;
        assert_eq!((status, &answer["code"]), (422, &"registration.webhook".into()), "{answer}");
    }
    let (sign, auth, party) = (key(), key(), PartyId::from(random()));
    let keys = [("party-legal", &sign), ("party-auth", &auth)];
    let webhook = Some("https://hooks.example:8443/martin?token=secret");
    let document = world.application_with(&keys, party, webhook);
    let applied = world.post_bytes(&stranger, "/v1/registrations", document).await.1;
    let first = approved(applied["id"].as_str().unwrap()).await;
    let of = |issued: &[Certificate], key: &SoftKey| {
        issued.iter().find(|found| found.spki_der() == key.spki_der()).unwrap().clone()
    };
    // Somebody who named no webhook is told nothing.
    world.party(&officer).await;
    assert_eq!(due(&world), []);
    world.now.pass(701 * DAY_SECS);
    let host = || "hooks.example:8443".to_owned();
    let mut expected: Vec<_> = first.iter().map(|found| (30, found.serial(), host())).collect();
    expected.sort();
    let mut found = due(&world);
    found.sort();
    assert_eq!(found, expected);
    // What was told is not told again, and what follows it is.
    let told = |_: &_, days: u16| days == 30;
    let due_now = |told: &dyn Fn(&Aggregate, u16) -> bool| {
        world.service.due_notices(&[30, 7], &Networks::default(), told, 100).unwrap().len()
    };
    assert_eq!(due_now(&told), 0);
    world.now.pass(24 * DAY_SECS);
    assert_eq!(due_now(&told), 2);

    // Renewed by the party itself, for the same names.
    let (next, login) = (key(), Person::with(of(&first, &auth)));
    let document = world.application(&[("party-legal", &next)], party);
    let applied = world.post_bytes(&login, "/v1/registrations", document).await.1;
    let second = approved(applied["id"].as_str().unwrap_or_else(|| panic!("{applied}"))).await;
    assert_eq!(due(&world), [(7, of(&first, &auth).serial(), host())]);
    // Without that renewal, it ends as it did.
    let revoke = |certificate: &Certificate| {
        let (serial, officer) = (certificate.serial(), Digest::of(b"officer"));
        let revoke = ToRevoke { ca: CA, serial, reason: Reason::Superseded, officer, idempotency: None };
        world.service.revoke(&revoke).unwrap();
    };
    revoke(&of(&second, &next));
    assert_eq!(due(&world).len(), 2);
    first.iter().for_each(revoke);
    assert_eq!(due(&world), []);
}
