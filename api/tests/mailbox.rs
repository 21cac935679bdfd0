//! The mailbox over `/v1`: messages for a party that is not there, and for nobody else.

mod world;

use http::StatusCode;
use semper_ttp::{
    client::message::{Beside, CONTRACT_BYTES_MAX, Contract, Message},
    digest::Digest,
    statement::{Jws, exchange::Protocol},
    x509::Certificate,
};
use serde_json::{Value, json};
use world::{
    exchange::Run,
    http::{Answer, Asked, ask, json},
    notary::open,
    office::{Member, World},
};

async fn parties() -> (World, [Member; 3]) {
    let world = open(World::new());
    let officer = world.staff("officer");
    let parties = [world.party(&officer).await, world.party(&officer).await, world.party(&officer).await];
    (world, parties)
}

fn login(member: &Member) -> &Certificate {
    member.login.certificate.as_deref().expect("a party logs in")
}

fn message(statement: &Jws, text: Option<&[u8]>) -> Vec<u8> {
    let beside = text.map(|text| Beside::Contract(Contract { salt: [1; 32], text: text.to_vec() }));
    let certificates = vec![vec![0x30, 0]];
    Message { protocol: Protocol::AswR, statement: statement.clone(), certificates, beside }.to_bytes()
}

async fn leave(world: &World, from: &Member, to: &Member, bytes: &[u8]) -> Answer {
    let asked = Asked::secure("POST", &format!("/v1/mailboxes/{}", to.id)).by(login(from));
    ask(&world.service, asked.with("content-type", "application/json").octets(bytes.to_vec())).await
}

async fn waiting(world: &World, of: &Member) -> Vec<Value> {
    let answer = ask(&world.service, Asked::secure("GET", "/v1/mailbox").by(login(of))).await;
    json(&answer, StatusCode::OK)["messages"].as_array().unwrap().clone()
}

async fn read(world: &World, of: &Member, id: &str) -> Answer {
    ask(&world.service, Asked::secure("GET", &format!("/v1/mailbox/{id}")).by(login(of))).await
}

async fn taken(world: &World, of: &Member, id: &str) -> Value {
    let asked = Asked::secure("POST", &format!("/v1/mailbox/{id}/taken")).by(login(of));
    let answer = ask(&world.service, asked.with("content-type", "application/json").octets(b"{}".to_vec())).await;
    json(&answer, StatusCode::OK)["forgotten"].clone()
}

#[tokio::test]
async fn a_message_reaches_its_recipient_and_nobody_else() {
    let (world, [o, r, stranger]) = parties().await;
    let run = Run::new(&world, &o, &r, None);
    let bytes = message(&run.m1, Some(&vec![b'a'; CONTRACT_BYTES_MAX / 8]));
    let id = Digest::of(&bytes).to_string();
    for _ in 0..2 {
        let kept = leave(&world, &o, &r, &bytes).await;
        assert_eq!(json(&kept, StatusCode::OK), json!({ "id": id }));
    }
    let there = waiting(&world, &r).await;
    assert_eq!(there.len(), 1, "the same message is one");
    assert_eq!((&there[0]["id"], &there[0]["from"]), (&json!(id), &json!(o.id)));
    assert_eq!(there[0]["octets"], bytes.len());
    for other in [&o, &stranger] {
        assert_eq!(waiting(&world, other).await, [] as [Value; 0]);
        assert_eq!(read(&world, other, &id).await.status, 404);
        assert_eq!(taken(&world, other, &id).await, json!(false));
    }
    let fetched = read(&world, &r, &id).await;
    assert_eq!((fetched.status, fetched.body == bytes), (StatusCode::OK, true));
    assert_eq!((taken(&world, &r, &id).await, taken(&world, &r, &id).await), (json!(true), json!(false)));
    assert_eq!(read(&world, &r, &id).await.status, 404);
    // Nothing of it is in the ledger.
    assert!(world.service.reader().find_digest(Digest::of(&bytes).as_bytes()).unwrap().is_none());
}

#[tokio::test]
async fn what_is_no_message_of_its_sender_is_not_kept() {
    let (world, [o, r, stranger]) = parties().await;
    let run = Run::new(&world, &o, &r, None);
    let good = message(&run.m1, None);
    let refused = async |from: &Member, to: &Member, bytes: &[u8], status: u16| {
        let answer = leave(&world, from, to, bytes).await;
        assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
        let problem: Value = serde_json::from_slice(&answer.body).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(&stranger, &r, &good, 403).await, "mailbox.not_yours");
    assert_eq!(refused(&o, &r, &good[..good.len() / 2], 400).await, "http.malformed");
    assert_eq!(refused(&o, &r, &[b' '; 7 << 20], 413).await, "http.too_large");
    let nobody = Asked::secure("POST", "/v1/mailboxes/AAECAwQFBgcICQoLDA0ODw").by(login(&o));
    let nobody = ask(&world.service, nobody.with("content-type", "application/json").octets(good.clone())).await;
    assert_eq!(nobody.status, 404);
    let unknown = Asked::secure("POST", &format!("/v1/mailboxes/{}", r.id));
    let unknown = ask(&world.service, unknown.with("content-type", "application/json").octets(good)).await;
    assert_eq!(unknown.status, 401);
    // There is room for a mebibyte.
    let large = message(&run.m1, Some(&vec![b'a'; 1 << 20]));
    assert_eq!(refused(&o, &r, &large, 429).await, "mailbox.full");
    assert_eq!(waiting(&world, &r).await, [] as [Value; 0]);
}
