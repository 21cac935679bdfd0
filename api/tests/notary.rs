//! Notarial acts over `/v1`, and requests of RFC 3029: who may ask, sign and decide, and what the records say.

mod world;

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Method;
use semper_api::TimeSource as _;
use semper_ttp::{
    ca::crl::Reason,
    crypto::jose::Key,
    digest::Digest,
    evidence::{Aggregate, KeyId, KeyPurpose, Kind, NotaryKind, names},
    id::PartyId,
    notary::{
        ActType, OfficerCheck, Outcome,
        dvcs::{Asked as Question, request::build, types::Response},
    },
    statement::{
        Jws,
        act::{ActRecorded, Assurance, EventType, PrincipalRole},
    },
};
use serde_json::{Value, json};
use world::{
    DAY_SECS,
    http::{Asked, ask},
    notary::{CONTRACT, asked, claim, dvcs, information, open, place, request, signed},
    office::{Person, World, random},
};

/// The record of an act, verified by the certificate that it names.
async fn record(world: &World, who: &Person, act: &Value) -> ActRecorded {
    let (status, bytes) = world.call(who, Method::GET, &place(act, "/record"), None).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    let jws = Jws::parse(&bytes).unwrap();
    let body = jws.payload_as::<ActRecorded>().unwrap().body;
    let reader = world.service.reader();
    let issued = reader.find_digest(&Digest::from(body.notary.certificate).0).unwrap().unwrap();
    let certificate = semper_ttp::x509::Certificate::from_der(&reader.artefact(issued).unwrap().unwrap()).unwrap();
    jws.verify(&Key::from_spki_der(&certificate.spki_der()).unwrap()).unwrap();
    assert!(body.is_sound());
    // In the ledger before it was released.
    assert!(reader.find_digest(Digest::of(&bytes).as_bytes()).unwrap().is_some());
    body
}

#[tokio::test]
async fn what_needs_nobody_is_certified_at_once() {
    let world = open(World::new());
    let (officer, first) = (world.staff("officer"), world.staff("officer"));
    let party = world.party(&first).await;
    let by_hash = asked(&world, &party, "existence", &[]).await;
    assert_eq!((&by_hash["state"], &by_hash["journal_no"]), (&json!("performed"), &json!(1)));
    let read = record(&world, &party.login, &by_hash).await;
    assert_eq!(
        (read.kind, read.outcome, read.assurance),
        (ActType::Existence, Outcome::Performed, Assurance::NonQualified)
    );
    assert!(!read.documents[0].held && read.documents[0].size.is_none());
    assert_eq!(read.principals[0].party, Some(party.id));
    assert_eq!((read.checked.len(), read.not_checked.len()), (0, OfficerCheck::ALL.len()));
    let kinds: Vec<_> = read.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventType::Requested, EventType::Certified]);
    // With the octets, it says that they were held; with others it is not taken.
    let body =
        |contents: &[u8]| json!({ "act": request("possession", &[]), "contents": [BASE64_STANDARD.encode(contents)] });
    let (_, by_octets) = world.post(&party.login, "/v1/notary/acts", &body(CONTRACT)).await;
    let read = record(&world, &party.login, &by_octets).await;
    assert_eq!((read.documents[0].held, read.documents[0].size), (true, Some(CONTRACT.len() as u64)));
    assert_eq!(read.journal_no, 2);
    let (status, refused) = world.post(&party.login, "/v1/notary/acts", &body(b"other")).await;
    assert_eq!((status, &refused["code"]), (422, &json!("notary.request")));
    // A repetition is the same act, and another request under its key is none.
    let bytes = json!({ "act": request("existence", &[]) }).to_string().into_bytes();
    let once = world.repeat(&party.login, "/v1/notary/acts", "key", bytes.clone()).await.1;
    let again = world.repeat(&party.login, "/v1/notary/acts", "key", bytes).await.1;
    assert_eq!((&once["act"], &once["journal_no"]), (&again["act"], &json!(3)));
    let other = json!({ "act": request("existence", &[]) }).to_string().into_bytes();
    let (status, answer) = world.repeat(&party.login, "/v1/notary/acts", "key", other).await;
    assert_eq!((status, &answer["code"]), (409, &json!("http.idempotency_key")));
    // To others than who asked, officers and auditors there is no such act.
    let stranger = world.party(&officer).await;
    assert_eq!(world.get(&stranger.login, &place(&once, "")).await.0, 404);
    assert_eq!(world.get(&officer, &place(&once, "")).await.0, 200);
    let (status, answer) = world.post(&officer, "/v1/notary/acts", &json!({ "act": request("existence", &[]) })).await;
    assert_eq!((status, &answer["code"]), (403, &json!("auth.forbidden")));
}

#[tokio::test]
async fn a_contract_is_signed_by_all_and_recorded() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let (buyer, seller) = (world.party(&officer).await, world.party(&officer).await);
    let act = asked(&world, &buyer, "contract", &[&buyer, &seller]).await;
    assert_eq!((&act["state"], &act["waiting_on"]["signers"].as_array().unwrap().len()), (&json!("collecting"), &2));
    let signatures = place(&act, "/signatures");
    let code = |answer: (u16, Value)| (answer.0, answer.1["code"].as_str().unwrap_or_default().to_owned());
    let wrong = (422, "notary.signature".to_owned());
    // Over another document, by the key of another, sent by another, and for another act.
    let other_act = asked(&world, &buyer, "contract", &[&buyer]).await;
    for statement in [
        signed(&act, b"other", &buyer, &buyer.sign),
        signed(&act, CONTRACT, &buyer, &seller.sign),
        signed(&act, CONTRACT, &buyer, &buyer.auth),
        signed(&act, CONTRACT, &seller, &seller.sign),
        signed(&other_act, CONTRACT, &buyer, &buyer.sign),
    ] {
        assert_eq!(code(world.post_bytes(&buyer.login, &signatures, statement).await), wrong);
    }
    let third = world.party(&officer).await;
    let statement = signed(&act, CONTRACT, &third, &third.sign);
    assert_eq!(
        code(world.post_bytes(&third.login, &signatures, statement).await),
        (403, "notary.not_signer".to_owned())
    );
    let statement = signed(&act, CONTRACT, &buyer, &buyer.sign);
    let (status, answer) = world.post_bytes(&buyer.login, &signatures, statement.clone()).await;
    assert_eq!((status, &answer["waiting_on"]["signers"]), (200, &json!([seller.id])), "{answer}");
    assert_eq!(
        code(world.post_bytes(&buyer.login, &signatures, statement).await),
        (409, "notary.already_signed".to_owned())
    );
    // A key whose certificate was revoked signs nothing.
    let statement = signed(&act, CONTRACT, &seller, &seller.sign);
    let (status, done) = world.post_bytes(&seller.login, &signatures, statement).await;
    assert_eq!((status, &done["state"]), (200, &json!("performed")), "{done}");
    let read = record(&world, &seller.login, &act).await;
    let signers: Vec<_> = read.principals.iter().filter(|one| one.role == PrincipalRole::Signer).collect();
    assert_eq!(signers.iter().map(|one| one.party).collect::<Vec<_>>(), [Some(buyer.id), Some(seller.id)]);
    assert_eq!(Digest::from(signers[0].certificate), buyer.sign_certificate.digest());
    assert!(signers.iter().all(|one| one.signature.is_some() && one.signed_at.is_some()));
    world.revoke(&buyer.sign_certificate, Reason::KeyCompromise);
    let late = signed(&other_act, CONTRACT, &buyer, &buyer.sign);
    assert_eq!(code(world.post_bytes(&buyer.login, &place(&other_act, "/signatures"), late).await), wrong);
    // Nobody can be named who is not registered.
    let mut nobody = request("contract", &[&buyer]);
    nobody["signers"] = json!([semper_ttp::b64u::B64u(random())]);
    let answer = world.post(&buyer.login, "/v1/notary/acts", &json!({ "act": nobody })).await;
    assert_eq!(code(answer), (422, "notary.signers".to_owned()));
}

/// The signature holds, since the key was good when it signed; whoever decides and whoever reads the record learns what became of it.
#[tokio::test]
async fn a_key_that_is_revoked_while_others_sign_is_told() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let (buyer, seller) = (world.party(&officer).await, world.party(&officer).await);
    let act = asked(&world, &buyer, "contract", &[&buyer, &seller]).await;
    // Whoever has not signed is called by no name before others than those who read the journal.
    let named = async |who: &Person| world.get(who, &place(&act, "")).await.1["names"].clone();
    for who in [&buyer.login, &seller.login] {
        assert_eq!(named(who).await, Value::Null);
    }
    assert_eq!(named(&officer).await.as_object().unwrap().len(), 2);
    let statement = signed(&act, CONTRACT, &buyer, &buyer.sign);
    let (_, answer) = world.post_bytes(&buyer.login, &place(&act, "/signatures"), statement).await;
    assert_eq!((&answer["signed"][0]["party"], &answer["signed"][0]["revoked_at"]), (&json!(buyer.id), &Value::Null));
    world.now.pass(100);
    world.revoke(&buyer.sign_certificate, Reason::KeyCompromise);
    let revoked_at = world.now.now();
    let (_, shown) = world.get(&officer, &place(&act, "")).await;
    assert_eq!(shown["signed"][0]["revoked_at"], json!(revoked_at.to_string()), "{shown}");
    world.now.pass(100);
    let statement = signed(&act, CONTRACT, &seller, &seller.sign);
    let (_, done) = world.post_bytes(&seller.login, &place(&act, "/signatures"), statement).await;
    assert_eq!(done["state"], json!("performed"), "{done}");
    let read = record(&world, &seller.login, &act).await;
    let of = |member: PartyId| read.principals.iter().find(|one| one.party == Some(member) && one.signed_at.is_some());
    assert_eq!(of(buyer.id).unwrap().revoked_at, Some(revoked_at.into()));
    assert_eq!(of(seller.id).unwrap().revoked_at, None);
}

/// Whoever decides is told that a party may do nothing now.
#[tokio::test]
async fn a_suspended_party_is_shown_to_the_office() {
    let world = open(World::new());
    let (officer, other) = (world.staff("officer"), world.staff("officer"));
    let party = world.party(&officer).await;
    let act = asked(&world, &party, "copy", &[]).await;
    let suspended = async |who: &Person| world.get(who, &place(&act, "")).await.1["suspended"].clone();
    assert_eq!(suspended(&officer).await, Value::Null);
    let suspend = format!("/v1/parties/{}/suspend", party.id);
    let (status, answer) = world.post(&other, &suspend, &json!({ "reason": "keys_in_doubt" })).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(suspended(&officer).await, json!([party.id]));
}

/// What a client has to know before it asks.
#[tokio::test]
async fn it_says_what_it_does() {
    let world = open(World::new());
    let answer = ask(&world.service, Asked::secure("GET", "/.well-known/semper")).await;
    let notary = &serde_json::from_slice::<Value>(&answer.body).unwrap()["notary"];
    assert_eq!((&notary["acts"], &notary["document_bytes_max"]), (&json!("/v1/notary/acts"), &json!(1 << 18)));
    assert_eq!(notary["officer_decides"], json!(["copy"]));
    assert_eq!(notary["kinds"], json!(["possession", "existence", "signature-validation", "copy", "contract"]));
    let validation = &notary["data_validation"];
    assert_eq!((&validation["path"], &validation["policy_with_token"]), (&json!("/dvcs"), &Value::Null));
}

/// An act is corrected by whoever had a part in it, once it has ended.
#[tokio::test]
async fn nobody_corrects_the_act_of_another() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let (party, other) = (world.party(&officer).await, world.party(&officer).await);
    let (ended, waiting) =
        (asked(&world, &party, "existence", &[]).await, asked(&world, &party, "contract", &[&party]).await);
    let correct = async |who: &Person, of: &Value| {
        let mut request = request("existence", &[]);
        request["correction_of"] = of["act"].clone();
        let (status, answer) = world.post(who, "/v1/notary/acts", &json!({ "act": request })).await;
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(correct(&party.login, &ended).await, (201, String::new()));
    let refused = (422, "notary.request".to_owned());
    assert_eq!(correct(&other.login, &ended).await, refused);
    assert_eq!(correct(&party.login, &waiting).await, refused);
    let none = json!({ "act": semper_ttp::b64u::B64u(random()) });
    assert_eq!(correct(&party.login, &none).await, refused);
}

/// What the record names by its hash is there for whoever may read the record, and for nobody else.
#[tokio::test]
async fn what_a_verifier_needs_is_there() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let (buyer, seller, other) =
        (world.party(&officer).await, world.party(&officer).await, world.party(&officer).await);
    let fetch =
        async |who: &Person, act: &Value, what: &str| world.call(who, Method::GET, &place(act, what), None).await;
    let body = request("contract", &[&buyer, &seller]);
    let (_, act) = world.post(&buyer.login, "/v1/notary/acts", &json!({ "act": body })).await;
    assert_eq!(fetch(&buyer.login, &act, "/request").await, (200, body.to_string().into_bytes()));
    assert_eq!(fetch(&buyer.login, &act, "/certificates").await.0, 404);
    assert_eq!(fetch(&buyer.login, &act, "/signatures/1").await.0, 404);
    let mut sent = Vec::new();
    for member in [&seller, &buyer] {
        let statement = signed(&act, CONTRACT, member, &member.sign);
        assert_eq!(world.post_bytes(&member.login, &place(&act, "/signatures"), statement.clone()).await.0, 200);
        sent.push(statement);
    }
    // In the order in which they signed, which is that of the record.
    let read = record(&world, &seller.login, &act).await;
    for (number, statement) in (1..).zip(&sent) {
        let found = fetch(&seller.login, &act, &format!("/signatures/{number}")).await;
        assert_eq!(found, (200, statement.clone()));
        assert_eq!(read.principals[number].signature.map(Digest::from), Some(Digest::of(statement)));
    }
    for none in ["0", "3", "18446744073709551615"] {
        assert_eq!(fetch(&buyer.login, &act, &format!("/signatures/{none}")).await.0, 404, "{none}");
    }
    let (status, chain) = fetch(&buyer.login, &act, "/certificates").await;
    assert_eq!(status, 200);
    let chain = semper_ttp::asn1::pem::decode("CERTIFICATE", std::str::from_utf8(&chain).unwrap()).unwrap();
    let signers = [&seller, &buyer].map(|member| member.sign_certificate.digest());
    let found: Vec<_> = chain.iter().map(|der| Digest::of(der)).collect();
    assert_eq!(found[0], read.notary.certificate.into());
    // The notary's issuer is the signers', too, and is there once.
    assert_eq!((found.len(), &found[2..]), (4, &signers[..]));
    // Of what was certified at once, the request was not kept.
    let at_once = asked(&world, &buyer, "existence", &[]).await;
    assert_eq!(fetch(&buyer.login, &at_once, "/request").await.0, 404);
    assert_eq!(fetch(&buyer.login, &at_once, "/certificates").await.0, 200);
    for what in ["/request", "/certificates", "/signatures/1"] {
        assert_eq!(fetch(&other.login, &act, what).await.0, 404, "{what}");
        assert_eq!(fetch(&officer, &act, what).await.0, 200, "{what}");
    }
}

#[tokio::test]
async fn an_officer_decides_what_needs_a_person() {
    let world = open(World::new());
    let (first, second) = (world.staff("officer"), world.staff("officer"));
    let party = world.party(&first).await;
    let act = asked(&world, &party, "copy", &[]).await;
    assert_eq!((&act["state"], &act["allowed_actions"]), (&json!("waiting"), &json!(["withdraw"])));
    let (_, list) = world.get(&first, "/v1/notary/worklist").await;
    let waits = &list["acts"][0];
    assert_eq!(waits["act"], act["act"]);
    // Who asked, by name, and about what.
    assert_eq!(waits["names"][party.id.to_string()], json!("A name that nobody may see"), "{waits}");
    let about = json!([{ "sha256": Digest::of(CONTRACT).to_string(), "role": "original", "media_type": null }]);
    assert_eq!(waits["asked_about"], about);
    assert_eq!(list["acts"][0]["allowed_actions"], json!(["take"]));
    let post = |who, what: &str, body: Value| {
        let (world, path) = (&world, place(&act, what));
        async move {
            let (status, answer) = world.post(who, &path, &body).await;
            (status, answer["code"].as_str().or(answer["state"].as_str()).unwrap_or_default().to_owned())
        }
    };
    let due = |status, word: &str| (status, word.to_owned());
    let approval = json!({ "checked": ["compared-with-original"], "fee": { "amount": "1200", "currency": "EUR" } });
    assert_eq!(post(&first, "/approve", approval.clone()).await, due(409, "notary.not_taken"));
    assert_eq!(post(&first, "/take", json!({})).await, due(200, "taken"));
    let kept_until = world.now.now().plus_secs(8 * 60 * 60).to_string();
    assert_eq!(world.get(&first, &place(&act, "")).await.1["waiting_on"]["kept_until"], json!(kept_until));
    assert_eq!(post(&second, "/take", json!({})).await, due(409, "notary.taken_by_other"));
    assert_eq!(post(&second, "/approve", approval.clone()).await, due(409, "notary.taken_by_other"));
    assert_eq!(post(&first, "/release", json!({})).await, due(200, "waiting"));
    assert_eq!(post(&second, "/take", json!({})).await, due(200, "taken"));
    assert_eq!(post(&second, "/approve", json!({ "checked": ["identity"] })).await, due(422, "notary.checks_lacking"));
    let bad_fee = json!({ "checked": [], "fee": { "amount": "1.20", "currency": "EUR" } });
    assert_eq!(post(&second, "/approve", bad_fee).await, due(400, "http.malformed"));
    assert_eq!(post(&second, "/refuse", json!({ "reason": "expired" })).await, due(422, "notary.reason"));
    assert_eq!(post(&party.login, "/approve", approval.clone()).await, due(403, "auth.forbidden"));
    assert_eq!(post(&second, "/approve", approval.clone()).await, due(200, "performed"));
    assert_eq!(post(&second, "/approve", approval.clone()).await, due(404, "notary.not_open"));
    let detail = world.post(&second, &place(&act, "/approve"), &approval).await.1["detail"].to_string();
    assert!(detail.contains("the act has ended: performed on "), "{detail}");
    let read = record(&world, &party.login, &act).await;
    assert_eq!(read.checked, [OfficerCheck::ComparedWithOriginal]);
    assert_eq!(read.fee.unwrap().amount, "1200");
    let officer = second.certificate.as_ref().unwrap().digest();
    assert_eq!(read.officer, Some(officer.into()));
    let kinds: Vec<_> = read.events.iter().map(|event| event.kind).collect();
    use EventType::{Approved, Released, Requested, Taken};
    assert_eq!(kinds, [Requested, Taken, Released, Taken, Approved]);
    // One that is refused has a number and a record, too.
    let refused = asked(&world, &party, "copy", &[]).await;
    world.post(&first, &place(&refused, "/take"), &json!({})).await;
    let (_, answer) =
        world.post(&first, &place(&refused, "/refuse"), &json!({ "reason": "document_unreadable" })).await;
    assert_eq!((&answer["state"], &answer["reason"]), (&json!("refused"), &json!("document_unreadable")));
    assert_eq!(record(&world, &party.login, &refused).await.outcome, Outcome::Refused);
    // One that nobody decides ends after its time, and one that is withdrawn at once.
    let withdrawn = asked(&world, &party, "copy", &[]).await;
    let (_, answer) = world.post(&party.login, &place(&withdrawn, "/withdraw"), &json!({})).await;
    assert_eq!((&answer["state"], &answer["reason"]), (&json!("aborted"), &json!("withdrawn")));
    let forgotten = asked(&world, &party, "copy", &[]).await;
    assert_eq!(world.service.expire_acts().await.unwrap(), 0);
    world.now.pass(30 * DAY_SECS);
    assert_eq!(world.service.expire_acts().await.unwrap(), 1);
    assert_eq!(world.get(&party.login, &place(&forgotten, "")).await.1["reason"], "expired");
    // The journal has no gaps.
    let (_, journal) = world.get(&first, "/v1/notary/journal?from=1&limit=100").await;
    let lines = journal["journal"].as_array().unwrap();
    let numbers: Vec<_> = lines.iter().map(|line| line["journal_no"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 1, 2, 2, 3, 3, 4, 4]);
    let (_, page) = world.get(&first, "/v1/notary/journal?from=2&limit=2").await;
    assert_eq!((page["journal"].as_array().unwrap().len(), &page["next"]), (4, &json!(4)));
    assert_eq!(world.get(&party.login, "/v1/notary/journal").await.0, 403);
}

#[tokio::test]
async fn many_at_once_have_numbers_without_gaps() {
    let world = Arc::new(open(World::new()));
    let officer = world.staff("officer");
    let party = Arc::new(world.party(&officer).await);
    let asking = (0..300).map(|_| {
        let (world, party) = (world.clone(), party.clone());
        tokio::spawn(async move { asked(&world, &party, "existence", &[]).await["journal_no"].as_u64().unwrap() })
    });
    let mut numbers = Vec::new();
    for asking in asking.collect::<Vec<_>>() {
        numbers.push(asking.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=300).collect::<Vec<_>>());
}

/// The journal goes on where it stood, under the keys that it had; a key that follows signs what comes next.
#[tokio::test]
async fn a_start_goes_on() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let party = world.party(&officer).await;
    let before = asked(&world, &party, "existence", &[]).await;
    let waiting = asked(&world, &party, "copy", &[]).await;
    let issued =
        |world: &World| world.kinds().iter().filter(|kind| kind.to_string() == "ca.certificate-issued").count();
    let certificates = issued(&world);
    let world = open(world.restart(false));
    assert_eq!(issued(&world), certificates);
    let after = asked(&world, &party, "existence", &[]).await;
    assert_eq!(
        (&before["journal_no"], &waiting["journal_no"], &after["journal_no"]),
        (&json!(1), &json!(2), &json!(3))
    );
    let keys = [&before, &after].map(|act| place(act, "/record"));
    let mut signers = Vec::new();
    for path in keys {
        let (_, bytes) = world.call(&party.login, Method::GET, &path, None).await;
        signers.push(Jws::parse(&bytes).unwrap().key_id());
    }
    assert_eq!(signers[0], signers[1]);
    let (status, answer) = world.post(&party.login, &place(&waiting, "/withdraw"), &json!({})).await;
    assert_eq!((status, &answer["state"]), (200, &json!("aborted")));
    let key = KeyId::new(KeyPurpose::NotaryAct, 1);
    assert!(world.service.reader().last_step(&Aggregate::of_key(key).0).unwrap().is_some());
}

/// The first use of each key is told once, in front of what it first signs, and not again after a start.
#[tokio::test]
async fn keys_of_the_notary_are_known_from_their_first_use() {
    let mut world = open(World::new());
    let officer = world.staff("officer");
    let party = world.party(&officer).await;
    // Nothing is signed yet.
    asked(&world, &party, "copy", &[]).await;
    let used = |world: &World, key: KeyPurpose| {
        let known = world.service.known_keys().unwrap();
        known.iter().find(|known| known.key == KeyId::new(key, 1)).unwrap().first_used
    };
    let (act, dvc) = (KeyPurpose::NotaryAct, KeyPurpose::NotaryDvcs);
    assert_eq!((used(&world, act), used(&world, dvc)), (None, None));
    let told = |world: &World| {
        let all = world.kinds();
        let is_one = |kind: &&semper_ttp::evidence::Kind| kind.to_string() == "ops.key-first-use";
        (all.iter().filter(is_one).count(), all.iter().rev().take(2).map(ToString::to_string).collect::<Vec<_>>())
    };
    let record = asked(&world, &party, "existence", &[]).await;
    assert_eq!(told(&world), (1, vec!["notary.act".to_owned(), "ops.key-first-use".to_owned()]));
    assert_eq!(used(&world, act), Some(world.now.now()));
    let (status, read) = world.get(&party.login, &place(&record, "")).await;
    assert_eq!((status, &read["state"]), (200, &json!("performed")));
    for start in 0..2 {
        world.now.pass(60);
        asked(&world, &party, "existence", &[]).await;
        let (_, answer) = dvcs(&world, build(&claim(), None)).await;
        assert!(!answer.is_empty());
        assert_eq!(told(&world).0, 2, "after {start} starts");
        world = open(world.restart(false));
    }
    assert!(used(&world, dvc) > used(&world, act));
}

#[tokio::test]
async fn a_claim_of_possession_gets_its_certificate() {
    let world = open(World::new());
    let (status, dvc) = dvcs(&world, build(&claim(), Some(&[1, 2, 3, 4]))).await;
    assert_eq!(status, 200);
    let read = information(&dvc);
    assert_eq!(read.imprint.digest, Digest::of(CONTRACT).0);
    let entry = world.service.reader().find_digest(Digest::of(&dvc).as_bytes()).unwrap().unwrap();
    assert_eq!(world.kinds()[entry as usize], Kind::Notary(NotaryKind::Ccpd));
    // The same number as acts: one journal.
    let found = world.service.reader().indexes(&names::subject(&Digest::of(&read.imprint.digest))).unwrap();
    assert_eq!(found, [entry]);
}

#[tokio::test]
async fn what_is_not_taken_up_leaves_no_trace() {
    let world = open(World::new());
    let size = world.service.reader().size();
    for body in [b"no request".to_vec(), build(&Question::Possession(CONTRACT.to_vec()), None), vec![0x30; 40]] {
        let (status, notice) = dvcs(&world, body).await;
        assert_eq!(status, 200);
        assert!(matches!(Response::bare(&notice), Some(Response::ErrorNote { .. })));
    }
    assert_eq!(world.service.reader().size(), size);
    let wrong =
        ask(&world.service, Asked::secure("POST", "/dvcs").with("content-type", "text/plain").octets(vec![1])).await;
    assert_eq!(wrong.status, 415);
    let plain =
        ask(&world.service, Asked::plain("POST", "/dvcs").with("content-type", "application/dvcs").octets(vec![1]))
            .await;
    assert_eq!(plain.status, 404);
}
