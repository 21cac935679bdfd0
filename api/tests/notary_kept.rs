//! What comes with a request and is kept sealed: documents (RFC 3029 cpd, or sent with an act), and what opens the commitments of a request.

mod world;

use std::collections::HashSet;

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use http::Method;
use semper_api::access::tree_of;
use semper_ledger::sequencer::{Commit, Draft, RoleRow};
use semper_ttp::{
    b64u::B64u,
    digest::Digest,
    evidence::{Fact, Kind, NotaryKind, OpsKind, names},
    notary::dvcs::{Asked as Question, request::build, types::Response},
    policy::person::Person as Somebody,
    statement::{Salt, act::commitment},
    vault::{self, DataKeyId},
};
use serde_json::{Value, json};
use world::{
    START,
    http::{Asked, ask},
    notary::{CONTRACT, dvcs, information, open, place, ready, request},
    office::{Member, Person, World, random},
};

async fn fetch(world: &World, who: &Person, act: &Value, what: &str) -> (u16, Vec<u8>) {
    world.call(who, Method::GET, &place(act, what), None).await
}

/// A request that commits to a name and a title, and what opens them.
fn committed() -> (Value, Value) {
    let (name, title) = (Salt(B64u(random())), Salt(B64u(random())));
    let mut asked = request("existence", &[]);
    asked["name"] = json!(commitment(&name, "Ada Lovelace").unwrap());
    asked["documents"][0]["title"] = json!(commitment(&title, "Deed of sale").unwrap());
    let opening = |salt, value| json!({ "salt": salt, "value": value });
    (asked, json!({ "name": opening(name, "Ada Lovelace"), "titles": [opening(title, "Deed of sale")] }))
}

async fn ask_opened(world: &World, who: &Member) -> (Value, Value) {
    let (asked, personal) = committed();
    let (status, act) = world.post(&who.login, "/v1/notary/acts", &json!({ "act": asked, "personal": personal })).await;
    assert_eq!((status, &act["state"]), (201, &json!("performed")), "{act}");
    (act, personal)
}

/// Destroys the key of what is sealed in this entry, as the archive will.
fn destroyed(world: World, index: u64) -> World {
    let key = key_of(&world, index);
    open(world.meddled(|ledger| {
        let draft = Draft::with_artefact(9, 9, vec![1; 40], b"an erasure".to_vec());
        let erased = RoleRow::Erased { draft: 0, object: [7; 32], keys: vec![key.0] };
        ledger.append(Commit { rows: vec![erased], ..Commit::one(world::START.millis(), draft) }).unwrap();
    }))
}

fn key_of(world: &World, index: u64) -> DataKeyId {
    vault::key_of(&world.service.reader().artefact(index).unwrap().unwrap()).unwrap()
}

/// The entries of a kind.
fn entries(world: &World, wanted: NotaryKind) -> Vec<u64> {
    let reader = world.service.reader();
    let is_it = |index: &u64| {
        let fact = Fact::decode(&reader.fact(*index).unwrap().unwrap());
        fact.is_ok_and(|fact| fact.kind == Kind::Notary(wanted))
    };
    (0..reader.size()).filter(is_it).collect()
}

#[tokio::test]
async fn documents_that_are_sent_are_kept() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let (party, other) = (world.party(&officer).await, world.party(&officer).await);
    let annex = vec![7; 3 << 10];
    let mut asked = request("possession", &[]);
    let second = json!({ "sha256": B64u(Digest::of(&annex).0), "role": "attachment" });
    asked["documents"].as_array_mut().unwrap().push(second);
    let contents: Vec<_> = [CONTRACT, &annex].map(|octets| BASE64_STANDARD.encode(octets)).into();
    let body = json!({ "act": asked, "contents": contents });
    let (status, act) = world.post(&party.login, "/v1/notary/acts", &body).await;
    assert_eq!(status, 201, "{act}");
    let places = ["/documents/1", "/documents/2"].map(|what| place(&act, what));
    assert_eq!(act["documents"], json!(places));
    for who in [&party.login, &officer] {
        assert_eq!(fetch(&world, who, &act, "/documents/1").await, (200, CONTRACT.to_vec()));
        assert_eq!(fetch(&world, who, &act, "/documents/2").await, (200, annex.clone()));
    }
    assert_eq!(fetch(&world, &other.login, &act, "/documents/1").await.0, 404);
    for none in ["/documents/0", "/documents/3", "/personal"] {
        assert_eq!(fetch(&world, &party.login, &act, none).await.0, 404, "{none}");
    }
    // In one decision with the act, and in the store only as it was sealed.
    let due = [NotaryKind::Act, NotaryKind::ActDocument, NotaryKind::ActDocument].map(Kind::Notary);
    assert!(world.kinds().windows(3).any(|three| three == due));
    for index in 0..world.service.reader().size() {
        let stored = world.service.reader().artefact(index).unwrap().unwrap_or_default();
        assert!(!stored.windows(CONTRACT.len()).any(|octets| octets == CONTRACT), "entry {index}");
    }
    // Without octets nothing is kept.
    let by_hash = world.post(&party.login, "/v1/notary/acts", &json!({ "act": request("existence", &[]) })).await.1;
    assert_eq!(by_hash["documents"], Value::Null);
    assert_eq!(fetch(&world, &party.login, &by_hash, "/documents/1").await.0, 404);
    // After a start it is there.
    let world = open(world.restart(false));
    assert_eq!(fetch(&world, &party.login, &act, "/documents/2").await, (200, annex));
}

/// Each under a key of its own: what is erased of one act leaves the rest.
#[tokio::test]
async fn an_erased_document_is_gone_and_the_act_stands() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let party = world.party(&officer).await;
    let mut acts = Vec::new();
    for _ in 0..2 {
        let body = json!({ "act": request("possession", &[]), "contents": [BASE64_STANDARD.encode(CONTRACT)] });
        acts.push(world.post(&party.login, "/v1/notary/acts", &body).await.1);
    }
    let kept = entries(&world, NotaryKind::ActDocument)[0];
    let world = destroyed(world, kept);
    let (status, problem) = world.get(&party.login, &place(&acts[0], "/documents/1")).await;
    assert_eq!((status, &problem["code"]), (410, &json!("registration.erased")));
    assert_eq!(fetch(&world, &party.login, &acts[0], "/record").await.0, 200);
    assert_eq!(fetch(&world, &party.login, &acts[1], "/documents/1").await, (200, CONTRACT.to_vec()));
}

#[tokio::test]
async fn what_opens_commitments_is_kept_apart_under_a_key_of_the_person() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let (party, other) = (world.party(&officer).await, world.party(&officer).await);
    let key_of_last = |member: &Member| {
        let name = names::personal(&Somebody::Party(member.id));
        key_of(&world, world.service.reader().last_name(&name).unwrap().unwrap().1)
    };
    let (first, personal) = ask_opened(&world, &party).await;
    let key = key_of_last(&party);
    let (second, _) = ask_opened(&world, &party).await;
    assert_eq!(key_of_last(&party), key, "one key of a person");
    let (of_other, _) = ask_opened(&world, &other).await;
    assert_ne!(key_of_last(&other), key);
    for who in [&party.login, &officer] {
        assert_eq!(fetch(&world, who, &first, "/personal").await, (200, personal.to_string().into_bytes()));
    }
    assert_eq!(fetch(&world, &other.login, &first, "/personal").await.0, 404);
    // The record commits, and names nobody.
    let (_, record) = fetch(&world, &party.login, &first, "/record").await;
    let payload = std::str::from_utf8(&record).unwrap().split('.').nth(1).unwrap().to_owned();
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert!(!payload.to_string().contains("Lovelace") && payload["principals"][0]["name"].is_string(), "{payload}");
    // What opens something else, or not all, is not taken up.
    let (asked, personal) = committed();
    let (_, others) = committed();
    for wrong in [others, json!({ "name": personal["name"] }), json!({}), json!([]), json!("Ada Lovelace")] {
        let body = json!({ "act": asked, "personal": wrong });
        let (status, problem) = world.post(&party.login, "/v1/notary/acts", &body).await;
        assert_eq!((status, &problem["code"]), (422, &json!("notary.request")), "{wrong}");
        assert!(!problem.to_string().contains("Lovelace"), "{problem}");
    }
    // With the key of the person all of it is gone, and nothing else; what is asked later has another.
    let first_entry = entries(&world, NotaryKind::ActPersonal)[0];
    let world = destroyed(world, first_entry);
    for act in [&first, &second] {
        assert_eq!(fetch(&world, &party.login, act, "/personal").await.0, 410);
        assert_eq!(fetch(&world, &party.login, act, "/record").await.0, 200);
    }
    assert_eq!(fetch(&world, &other.login, &of_other, "/personal").await.0, 200);
    // Whatever names the acts have.
    let before = entries(&world, NotaryKind::ActPersonal).len();
    for _ in 0..12 {
        let (later, _) = ask_opened(&world, &party).await;
        assert_eq!(fetch(&world, &party.login, &later, "/personal").await.0, 200);
    }
    assert_eq!(keys_of(&world, &entries(&world, NotaryKind::ActPersonal)[before..]), (12, 1));
}

/// Of requests that are decided together the first makes the key.
#[tokio::test]
async fn many_at_once_have_one_key() {
    let world = ready(World::new());
    let officer = world.staff("officer");
    let party = world.party(&officer).await;
    // All of them wait before the journal's thread is there.
    let begin = async { world.service.begin_journal().unwrap() };
    let (one, two, three, ()) =
        tokio::join!(ask_opened(&world, &party), ask_opened(&world, &party), ask_opened(&world, &party), begin);
    for (act, personal) in [one, two, three] {
        assert_eq!(fetch(&world, &party.login, &act, "/personal").await, (200, personal.to_string().into_bytes()));
    }
    assert_eq!(keys_of(&world, &entries(&world, NotaryKind::ActPersonal)), (3, 1));
}

/// How many entries, and under how many keys.
fn keys_of(world: &World, entries: &[u64]) -> (usize, usize) {
    (entries.len(), entries.iter().map(|index| key_of(world, *index).0).collect::<HashSet<_>>().len())
}

/// What comes along is part of what is asked: a repetition without it, or with more, is another request.
#[tokio::test]
async fn a_repetition_brings_the_same_along() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let party = world.party(&officer).await;
    let (act, personal) = committed();
    let contents = [BASE64_STANDARD.encode(CONTRACT)];
    let bodies = [
        json!({ "act": act }),
        json!({ "act": act, "contents": contents }),
        json!({ "act": act, "personal": personal }),
        json!({ "act": act, "contents": contents, "personal": personal }),
    ];
    for (place, first) in bodies.iter().enumerate() {
        let key = format!("key-{place}");
        for (other, body) in bodies.iter().enumerate() {
            // The first one is asked before all others.
            let said = |body: &Value| body.to_string().into_bytes();
            assert_eq!(world.repeat(&party.login, "/v1/notary/acts", &key, said(first)).await.0, 201);
            let status = world.repeat(&party.login, "/v1/notary/acts", &key, said(body)).await.0;
            assert_eq!(status, if other == place { 201 } else { 409 }, "{place} and {other}");
        }
    }
    assert_eq!(keys_of(&world, &entries(&world, NotaryKind::ActDocument)), (2, 2));
    assert_eq!(keys_of(&world, &entries(&world, NotaryKind::ActPersonal)), (2, 1));
    // More than a request has documents.
    let many = json!({ "act": act, "contents": vec![""; 17] });
    let (status, problem) = world.post(&party.login, "/v1/notary/acts", &many).await;
    assert_eq!((status, &problem["code"]), (400, &json!("http.malformed")));
}

/// Signers read what they are to sign, and leave a line; who asked is named to nobody of them.
#[tokio::test]
async fn signers_read_documents_and_no_names() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let (buyer, seller) = (world.party(&officer).await, world.party(&officer).await);
    let (mut asked, personal) = committed();
    asked["kind"] = json!("contract");
    asked["signers"] = json!([buyer.id, seller.id]);
    let body = json!({ "act": asked, "personal": personal, "contents": [BASE64_STANDARD.encode(CONTRACT)] });
    let (status, act) = world.post(&buyer.login, "/v1/notary/acts", &body).await;
    assert_eq!((status, act["personal"].is_string()), (201, true), "{act}");
    let file = world.place.path().join(format!("access/{}.log", START.millis()));
    let lines = || tree_of(&std::fs::read(&file).unwrap_or_default()).reads;
    let before = lines();
    assert_eq!(fetch(&world, &seller.login, &act, "/documents/1").await, (200, CONTRACT.to_vec()));
    assert_eq!(lines(), before + 1);
    assert_eq!(fetch(&world, &seller.login, &act, "/personal").await.0, 404);
    let (_, seen) = world.get(&seller.login, &place(&act, "")).await;
    assert_eq!((&seen["personal"], &seen["documents"]), (&Value::Null, &act["documents"]));
    assert_eq!(fetch(&world, &buyer.login, &act, "/documents/1").await.0, 200);
    assert_eq!(lines(), before + 1);
    for what in ["", "/personal", "/documents/1"] {
        assert_eq!(fetch(&world, &officer, &act, what).await.0, 200);
    }
    assert_eq!(lines(), before + 4);
}

#[tokio::test]
async fn a_deposit_is_certified_and_kept() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let party = world.party(&officer).await;
    let size = world.service.reader().size();
    // Of nobody nothing is kept.
    let (status, notice) = dvcs(&world, build(&Question::Possession(CONTRACT.to_vec()), Some(&[1; 8]))).await;
    assert_eq!(status, 200);
    assert!(matches!(Response::bare(&notice), Some(Response::ErrorNote { .. })));
    assert_eq!(world.service.reader().size(), size);
    // Nor of an officer, who is no party.
    let asked = build(&Question::Possession(CONTRACT.to_vec()), Some(&[2; 8]));
    let deposit = async |who: &Person| {
        let by = who.certificate.as_deref().unwrap();
        let sent = Asked::secure("POST", "/dvcs").with("content-type", "application/dvcs").octets(asked.clone()).by(by);
        ask(&world.service, sent).await.body
    };
    assert!(matches!(Response::bare(&deposit(&officer).await), Some(Response::ErrorNote { .. })));
    assert_eq!(world.service.reader().size(), size);
    let dvc = deposit(&party.login).await;
    let said = information(&dvc);
    assert_eq!(said.imprint.digest, Digest::of(CONTRACT).0);
    let due = [Kind::Ops(OpsKind::KeyFirstUse), Kind::Notary(NotaryKind::Cpd), Kind::Notary(NotaryKind::ActDocument)];
    assert_eq!(world.kinds()[size as usize..], due);
    let (_, own) = world.get(&party.login, "/v1/notary/acts").await;
    let act = &own["acts"][0];
    assert_eq!((&act["kind"], own["acts"].as_array().unwrap().len()), (&json!("cpd"), 1));
    assert_eq!(fetch(&world, &party.login, act, "/documents/1").await, (200, CONTRACT.to_vec()));
    assert_eq!(fetch(&world, &party.login, act, "/dvc").await, (200, dvc));
}
