//! Proofs of misbehaviour over `/v1`: judged with the service's own keys, recorded once if they convict, and read by everybody.

mod world;

use semper_ledger::entry::Entry;
use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_ttp::{
    account::{Item, Kind as Misbehaviour, Proof},
    crypto::{LogVerifier, Signer as _, jose::Key},
    digest::Digest,
    evidence::{AccountKind, Kind, OpsFact},
    statement::{
        Jws,
        exchange::{
            Outcome,
            erds::{ErdsEvent, ErdsEvidence, evidence_id},
            verdict::{Answer, Verdict},
        },
    },
};
use serde_json::{Value, json};
use world::{
    START,
    delivery::Delivery,
    exchange::{Run, arbiter, jws, name_of, sign, sign_at, text},
    http::{Asked, ask},
    notary::open,
    office::{DELTA_MS, Member, ORIGIN, World},
};

const PATH: &str = "/v1/accountability/proofs";

async fn post(world: &World, file: &str) -> (u16, Value) {
    let asked = Asked::secure("POST", PATH).with("content-type", "application/json");
    let answer = ask(&world.service, asked.octets(file.as_bytes().to_vec())).await;
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or_default())
}

async fn get(world: &World, path: &str) -> (u16, Vec<u8>) {
    let answer = ask(&world.service, Asked::plain("GET", path)).await;
    (answer.status.as_u16(), answer.body.to_vec())
}

fn statement(jws: &Jws) -> Item {
    Item::Statement(jws.bytes().to_vec())
}

/// What a side holds against an arbiter that has decided its run: the verdict and the key, which this service knows to be its own.
fn held(world: &World, answer: &Value) -> Vec<Item> {
    let key = Key::from_spki_der(&world.disk.arbiter_spki()).unwrap();
    vec![Item::Key(key.to_jwk_json().as_bytes().to_vec()), statement(&jws(&answer["verdict"]))]
}

fn pom_entries(world: &World) -> usize {
    world.kinds().into_iter().filter(|kind| *kind == Kind::Account(AccountKind::Misbehaviour)).count()
}

#[tokio::test]
async fn a_second_verdict_convicts_this_very_service() {
    let world = open(World::new());
    let officer = world.staff("officer");
    let (o, r) = (world.party(&officer).await, world.party(&officer).await);
    let run = Run::new(&world, &o, &r, None);
    let (status, answer) = run.ask(&world, &run.abort()).await;
    assert_eq!(status, 200, "{answer}");
    let aborted = jws(&answer["verdict"]).payload_as::<Verdict>().unwrap().body;
    let mut items = held(&world, &answer);

    // An honest one: nothing to hold against it, and nothing recorded.
    items.push(statement(&jws(&answer["answer"])));
    let honest = Proof::of_arbiter(Misbehaviour::Equivocation, ORIGIN, items.clone()).to_json();
    let (status, problem) = post(&world, &honest).await;
    assert_eq!((status, &problem["code"]), (422, &json!("account.unfounded")), "{problem}");
    assert_eq!(pom_entries(&world), 0);

    // The other side got the contract, by the same key.
    let resolved = Verdict { outcome: Outcome::Resolved, basis: vec![text(&run.m1), text(&run.m2)], ..aborted };
    let resolved = sign(world.disk.arbiter_key(), Some(run.x()), resolved);
    *items.last_mut().unwrap() = statement(&resolved);
    let file = Proof::of_arbiter(Misbehaviour::Equivocation, ORIGIN, items.clone()).to_json();
    let (status, accepted) = post(&world, &file).await;
    assert_eq!((status, &accepted["verdict"]), (200, &json!("proven")), "{accepted}");
    let digest = Digest::of(file.as_bytes());
    assert_eq!((&accepted["sha256"], &accepted["kind"]), (&json!(digest.to_string()), &json!("equivocation")));
    assert!(accepted["reason"].as_str().unwrap().contains("decided the run"), "{accepted}");
    // It stands in the ledger, by the hash of the file.
    let proof = TlogProof::parse(accepted["proof"].as_str().unwrap()).unwrap();
    proof.verify(&[world.service.reader().vkey().clone()], &LogVerifier).unwrap();
    let logged = Entry::decode(proof.extra.as_deref().unwrap()).unwrap();
    assert_eq!((logged.role, logged.kind, Digest(logged.digest)), (10, 0, digest));
    // Again: the same entry, and nothing new, also after a restart.
    assert_eq!(post(&world, &file).await, (200, accepted.clone()));
    assert_eq!(pom_entries(&world), 1);

    // Everybody reads it, without TLS.
    let (status, listed) = get(&world, PATH).await;
    let listed: Value = serde_json::from_slice(&listed).unwrap();
    assert_eq!((status, &listed["next"], &listed["proofs"][0]["sha256"]), (200, &Value::Null, &accepted["sha256"]));
    assert_eq!(get(&world, accepted["file"].as_str().unwrap()).await, (200, file.clone().into_bytes()));
    assert_eq!(get(&world, &format!("{PATH}/{}", Digest::of(b"another"))).await.0, 404);

    // A second one; page by page.
    let (to, req, verdict) = (name_of(&o.sign), Digest([1; 32]).into(), Digest([7; 32]).into());
    let other = Answer { to, req, c_r: None, verdict };
    let other = sign(world.disk.arbiter_key(), Some(run.x()), other);
    *items.last_mut().unwrap() = statement(&other);
    let second = Proof::of_arbiter(Misbehaviour::Equivocation, ORIGIN, items).to_json();
    assert_eq!(post(&world, &second).await.0, 200);
    let (_, page) = get(&world, &format!("{PATH}?limit=1")).await;
    let page: Value = serde_json::from_slice(&page).unwrap();
    assert_eq!(page["proofs"].as_array().map(Vec::len), Some(1));
    let (_, rest) = get(&world, &format!("{PATH}?limit=1&after={}", page["next"].as_str().unwrap())).await;
    let rest: Value = serde_json::from_slice(&rest).unwrap();
    assert_eq!((&rest["next"], rest["proofs"].as_array().map(Vec::len)), (&Value::Null, Some(1)));
    assert_ne!(rest["proofs"][0]["sha256"], page["proofs"][0]["sha256"]);
    let world = open(world.restart(false));
    assert_eq!(post(&world, &file).await.1["entry"], accepted["entry"]);
}

/// A key by which statements are verified.
fn key_of(spki: &[u8]) -> Item {
    Item::Key(Key::from_spki_der(spki).unwrap().to_jwk_json().as_bytes().to_vec())
}

/// What a side holds of a registered delivery besides what the arbiter has signed of it.
async fn held_of_delivery(world: &World, run: &Delivery<'_>) -> Vec<Item> {
    let spki = |of: &Member| of.sign.spki_der().to_vec();
    let policy = run.d1.payload_as::<semper_ttp::statement::exchange::cd_r::D1>().unwrap().body.policy;
    let (status, policy) = get(world, &format!("/v1/policies/{}", Digest(policy.0))).await;
    assert_eq!(status, 200);
    let keys = [world.disk.arbiter_spki(), spki(run.o), spki(run.r)];
    keys.iter().map(|spki| key_of(spki)).chain([Item::Policy(policy), statement(&run.d1)]).collect()
}

/// Evidence of a delivery by the arbiter's own key that contradicts its verdict, its other evidence, or what it rests on.
#[tokio::test]
async fn evidence_of_a_delivery_convicts_this_very_service() {
    let (world, o, r) = arbiter().await;
    let run = Delivery::new(&world, &o, &r, Some(START.millis() + 100 * DELTA_MS));
    assert_eq!(run.submit(&world, true).await.0, 201);
    let (status, answer) = run.ask(&world, &run.abort()).await;
    assert_eq!(status, 200, "{answer}");
    let verdict = jws(&answer["verdict"]);
    let (status, shown) = run.evidence(&world, &o).await;
    assert_eq!(status, 200, "{shown}");
    let pieces: Vec<_> = shown["evidence"].as_array().unwrap().iter().map(|one| jws(&one["statement"])).collect();
    let context = held_of_delivery(&world, &run).await;
    let file = |kind, shown: &[&Jws]| {
        let shown: Vec<_> = shown.iter().map(|jws| statement(jws)).collect();
        Proof::of_arbiter(kind, ORIGIN, [&context[..], &shown].concat()).to_json()
    };
    // What it did convicts it of nothing, taken together or each by itself.
    let all: Vec<_> = pieces.iter().chain([&verdict]).collect();
    for kind in [Misbehaviour::Equivocation, Misbehaviour::BrokenRule, Misbehaviour::Time] {
        for shown in all.iter().map(std::slice::from_ref).chain([&all[..]]) {
            let (status, problem) = post(&world, &file(kind, shown)).await;
            assert_eq!((status, &problem["code"]), (422, &json!("account.unfounded")), "{problem}");
        }
    }
    assert_eq!(pom_entries(&world), 0);

    // It says that the recipient has the key of what was taken back.
    let failed = pieces.last().unwrap().payload_as::<ErdsEvidence>().unwrap().body;
    assert_eq!(failed.event, ErdsEvent::ContentConsignmentFailure);
    let event = ErdsEvent::ContentConsignment;
    let consigned = ErdsEvidence { event, id: evidence_id(&run.x(), event).into(), reasons: vec![], ..failed.clone() };
    let lie = sign_evidence(&world, &run, consigned);
    let resting_on_nothing = sign_evidence(&world, &run, ErdsEvidence { verdict: None, ..failed });
    let convicting = [
        (Misbehaviour::Equivocation, vec![&lie, &verdict], "and its verdict is ABORTED"),
        (Misbehaviour::Equivocation, vec![&lie, pieces.last().unwrap()], "it happened, and then it did not"),
        (Misbehaviour::BrokenRule, vec![&lie, &verdict], "does not lead to its event"),
        (Misbehaviour::BrokenRule, vec![&resting_on_nothing], "rests on a verdict, and it names none"),
    ];
    for (n, (kind, shown, words)) in convicting.iter().enumerate() {
        let file = file(*kind, shown);
        let (status, accepted) = post(&world, &file).await;
        assert_eq!((status, &accepted["verdict"]), (200, &json!("proven")), "{accepted}");
        assert!(accepted["reason"].as_str().unwrap().contains(words), "{accepted}");
        assert_eq!(pom_entries(&world), n + 1);
        assert_eq!(get(&world, accepted["file"].as_str().unwrap()).await, (200, file.into_bytes()));
    }
}

/// Signs evidence as the arbiter does, at the moment that it names.
fn sign_evidence(world: &World, run: &Delivery<'_>, body: ErdsEvidence) -> Jws {
    sign_at(world.disk.arbiter_key(), body.at_ms, Some(run.x()), body)
}

#[tokio::test]
async fn what_is_not_taken() {
    let world = open(World::new());
    let check = async |file: &str, status: u16, code: &str| {
        let (got, problem) = post(&world, file).await;
        assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{problem}");
    };
    check("{}", 422, "account.proof").await;
    check("[]", 422, "account.proof").await;
    let stranger = Proof::two_roots("log.example/9", "a", "b").to_json();
    check(&stranger, 422, "account.unfounded").await;
    check(&"x".repeat((1 << 20) + 1), 413, "http.too_large").await;
    // What rests on the word of whoever made it: two states of one log.
    let reader = world.service.reader();
    let older = reader.checkpoint().unwrap();
    world.service.record(OpsFact::Stopped).unwrap();
    let newer = reader.checkpoint().unwrap();
    assert_ne!(older, newer);
    check(&Proof::rollback(ORIGIN, &newer, &older).to_json(), 422, "account.undecided").await;
    assert_eq!(pom_entries(&world), 0);
    let (status, listed) = get(&world, PATH).await;
    assert_eq!(
        (status, serde_json::from_slice::<Value>(&listed).unwrap()),
        (200, json!({ "proofs": [], "next": null }))
    );
}
