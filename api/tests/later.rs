//! Requests that the arbiter answers later: the receipt binds it, whatever happens in between, and convicts it where it breaks its word.

mod world;

use std::fs;

use http::StatusCode;
use semper_ttp::{
    account::{Item, Kind as Misbehaviour, Proof},
    ca::crl::Reason,
    crypto::jose::Key,
    digest::Digest,
    evidence::{ExchangeKind, Kind, RoleCode},
    statement::{
        Jws,
        exchange::{
            Side,
            asw_r::Abort,
            verdict::{Receipt, Status},
        },
    },
};
use serde_json::{Value, json};
use world::{
    ANSWER_WITHIN_MS, START,
    audit::differences,
    exchange::{Run, arbiter, arbiter_of, jws, pass_to, sign, text},
    http::{Answer, Asked, ask},
    notary::open,
    office::{Member, ORIGIN, World},
};

/// Asks, and would rather not wait.
async fn leave(world: &World, run: &Run<'_>, request: &Value) -> Answer {
    let asked = Asked::secure("POST", &run.path("/requests")).with("content-type", "application/json");
    let asked = asked.with("prefer", "wait=10, Respond-Async; why=batch");
    ask(&world.service, asked.octets(request.to_string().into_bytes())).await
}

/// Leaves a request, which is taken; gives the receipt.
async fn taken(world: &World, run: &Run<'_>, request: &Value) -> Jws {
    let answer = leave(world, run, request).await;
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{told}");
    jws(&told["receipt"])
}

fn decisions(world: &World) -> usize {
    world
        .kinds()
        .into_iter()
        .filter(|kind| matches!(kind, Kind::Exchange(kind) if *kind != ExchangeKind::Answer))
        .count()
}

async fn status_of(world: &World, who: &Member, run: &Run<'_>) -> Value {
    let (status, told) = world.post(&who.login, &run.path("/status"), &json!({ "m1": text(&run.m1) })).await;
    assert_eq!(status, 200, "{told}");
    told["status"].clone()
}

#[tokio::test]
async fn a_receipt_comes_first_and_the_answer_within_its_time() {
    let (world, o, r) = arbiter().await;
    let run = Run::new(&world, &o, &r, None);
    let request = run.resolve(Side::Responder);
    let answer = leave(&world, &run, &request).await;
    assert_eq!((answer.status, answer.header("preference-applied").as_str()), (StatusCode::ACCEPTED, "respond-async"));
    assert_eq!((answer.header("location"), answer.header("retry-after").as_str()), (run.path(""), "1"));
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    let receipt = jws(&told["receipt"]);
    receipt.verify(&Key::from_spki_der(&world.disk.arbiter_spki()).unwrap()).unwrap();
    let read = receipt.payload_as::<Receipt>().unwrap();
    assert_eq!(read.common.x, Some(run.x().into()));
    assert_eq!(Digest::from(read.body.req), jws(&request["request"]).x());
    let by_ms = START.millis() + ANSWER_WITHIN_MS;
    assert_eq!((read.body.received_ms.get(), read.body.answer_by_ms.get()), (START.millis(), by_ms));
    // Nothing is decided; who asks again has the same octets.
    assert_eq!((decisions(&world), world.get(&o.login, &run.path("")).await.0), (0, 404));
    assert_eq!(leave(&world, &run, &request).await.body, answer.body);
    assert_eq!(world.service.keep_promises(), 1);
    assert_eq!((decisions(&world), world.service.keep_promises()), (1, 0));
    // Answered is answered, whether its sender would wait or not.
    let (status, decided) = run.ask(&world, &request).await;
    assert_eq!((status, &decided["outcome"]), (200, &json!("RESOLVED")));
    let again = leave(&world, &run, &request).await;
    assert_eq!((again.status, serde_json::from_slice::<Value>(&again.body).unwrap()), (StatusCode::OK, decided));
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// What was judged when the request came is not judged again: nobody loses by the arbiter's delay.
#[tokio::test]
async fn a_promise_outlives_the_process_and_the_keys() {
    let (world, o, r) = arbiter().await;
    let run = Run::new(&world, &o, &r, None);
    let request = run.resolve(Side::Originator);
    let receipt = taken(&world, &run, &request).await;
    world.now.pass(5);
    world.revoke(&r.sign_certificate, Reason::KeyCompromise);
    let world = world.restart(false);
    assert_eq!(world.service.keep_promises(), 0, "it is not there yet");
    let world = open(world);
    assert_eq!(taken(&world, &run, &request).await, receipt, "the same as before");
    assert_eq!(world.service.keep_promises(), 1);
    let (status, decided) = run.ask(&world, &request).await;
    assert_eq!((status, &decided["outcome"]), (200, &json!("RESOLVED")));
    let world = open(world.restart(false));
    assert_eq!((world.service.keep_promises(), decisions(&world)), (0, 1));
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// A promise is no leave to decide under a key that was revoked meanwhile.
#[tokio::test]
async fn a_revoked_arbiter_keeps_no_promise() {
    let (world, o, r) = arbiter().await;
    let run = Run::new(&world, &o, &r, None);
    let request = run.abort();
    taken(&world, &run, &request).await;
    world.now.pass(5);
    world.revoke(&arbiter_of(&world).await, Reason::KeyCompromise);
    assert_eq!((world.service.keep_promises(), decisions(&world)), (0, 0));
    assert_eq!(run.ask(&world, &request).await.1["code"], "exchange.arbiter_revoked");
    assert_eq!(run.ask(&world, &run.resolve(Side::Responder)).await.1["code"], "exchange.arbiter_revoked");
    assert_eq!(decisions(&world), 0);
}

/// It says nothing of a run before it has kept what it promised there.
#[tokio::test]
async fn a_promise_comes_before_all_else() {
    let (world, o, r) = arbiter().await;
    let [denied, overtaken] = [(); 2].map(|()| Run::new(&world, &o, &r, None));
    taken(&world, &denied, &denied.abort()).await;
    let status = jws(&status_of(&world, &r, &denied).await).payload_as::<Status>().unwrap().body;
    assert_eq!(status.outcome.map(|outcome| outcome.name()), Some("ABORTED"));
    taken(&world, &overtaken, &overtaken.abort()).await;
    let other = overtaken.resolve(Side::Responder);
    let (status, decided) = overtaken.ask(&world, &other).await;
    assert_eq!((status, &decided["outcome"]), (200, &json!("ABORTED")), "who came first has its answer first");
    assert_eq!((decisions(&world), world.service.keep_promises()), (2, 0));
    // Of a run in which one request waits, another one is answered at once, and so is that.
    let both = Run::new(&world, &o, &r, None);
    taken(&world, &both, &both.resolve(Side::Originator)).await;
    let at_once = leave(&world, &both, &both.resolve(Side::Responder)).await;
    assert_eq!((at_once.status, decisions(&world)), (StatusCode::OK, 3));
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// What would be refused is refused at once, and what may end too soon, or has no room, is answered at once.
#[tokio::test]
async fn what_is_not_promised() {
    let (world, o, r) = arbiter().await;
    let run = Run::new(&world, &o, &r, None);
    let mut of_other = run.abort();
    of_other["request"] = json!(text(&sign(&o.sign, Some(Digest([5; 32])), Abort {})));
    let refused = leave(&world, &run, &of_other).await;
    assert_eq!((refused.status.as_u16(), world.service.keep_promises()), (422, 0));
    for (ends_in_ms, status) in [(ANSWER_WITHIN_MS, StatusCode::OK), (ANSWER_WITHIN_MS + 1, StatusCode::ACCEPTED)] {
        let run = Run::new(&world, &o, &r, Some(START.millis() + ends_in_ms));
        assert_eq!(leave(&world, &run, &run.abort()).await.status, status, "{ends_in_ms}");
    }
    let runs: Vec<_> = (0..4).map(|_| Run::new(&world, &o, &r, None)).collect();
    for (place, run) in runs.iter().enumerate() {
        let status = if place < 3 { StatusCode::ACCEPTED } else { StatusCode::OK };
        assert_eq!(leave(&world, run, &run.abort()).await.status, status, "{place}");
    }
    assert_eq!(world.service.keep_promises(), 4);
    // A party whose key is gone is promised nothing.
    world.now.pass(5);
    world.revoke(&o.sign_certificate, Reason::KeyCompromise);
    assert_eq!(leave(&world, &run, &run.abort()).await.status.as_u16(), 422);
    assert_eq!(world.service.keep_promises(), 0);
}

/// Nobody's clock goes backwards unseen; where it does, the answer waits, for one that is dated before its receipt convicts the arbiter.
#[tokio::test]
async fn no_answer_is_dated_before_its_receipt() {
    let (world, o, r) = arbiter().await;
    world.now.pass(30);
    let run = Run::new(&world, &o, &r, None);
    let request = run.abort();
    let receipt = taken(&world, &run, &request).await;
    world.now.at(START.plus_secs(20));
    assert_eq!((world.service.keep_promises(), run.ask(&world, &request).await.0), (0, 503));
    world.now.at(START.plus_secs(30));
    assert_eq!(world.service.keep_promises(), 1);
    let (status, decided) = run.ask(&world, &request).await;
    assert_eq!(status, 200);
    let received = receipt.payload_as::<Receipt>().unwrap().body.received_ms;
    assert!(jws(&decided["verdict"]).common().iat >= received);
}

/// Where a clock was set back by what the ledger waits for, the arbiter decides as of the last moment that it has signed.
#[tokio::test]
async fn nothing_is_dated_before_what_was_signed_last() {
    let (world, o, r) = arbiter().await;
    world.now.pass(30);
    let runs = [(); 2].map(|()| Run::new(&world, &o, &r, None));
    let mut dated = Vec::new();
    for (run, secs) in runs.iter().zip([30, 28]) {
        world.now.at(START.plus_secs(secs));
        let (status, decided) = run.ask(&world, &run.abort()).await;
        assert_eq!(status, 200, "{decided}");
        let status = status_of(&world, &o, run).await;
        dated.extend([&decided["verdict"], &decided["answer"], &status].map(|signed| jws(signed).common().iat));
    }
    assert_eq!(dated, [START.plus_secs(30).into(); 6]);
    world.now.at(START.plus_secs(20));
    let late = Run::new(&world, &o, &r, None);
    assert_eq!(late.ask(&world, &late.abort()).await.0, 503, "by more, the ledger takes nothing");
}

/// Of a run of which a promise is lost the arbiter says nothing more, for it might deny its word.
#[tokio::test]
async fn a_lost_promise_closes_its_run_alone() {
    let (world, o, r) = arbiter().await;
    let [gone, spoilt, other] = [(); 3].map(|()| Run::new(&world, &o, &r, None));
    for run in [&gone, &spoilt] {
        taken(&world, run, &run.abort()).await;
    }
    fs::remove_file(world.disk.request_of(&gone.x())).unwrap();
    fs::write(world.disk.request_of(&spoilt.x()), b"{}").unwrap();
    let says_nothing = async |world: &World, run: &Run<'_>| {
        assert_eq!(run.ask(world, &run.resolve(Side::Responder)).await.0, 503);
        let m1 = json!({ "m1": text(&run.m1) });
        assert_eq!(world.post(&o.login, &run.path("/status"), &m1).await.0, 503);
    };
    for run in [&gone, &spoilt] {
        says_nothing(&world, run).await;
    }
    assert_eq!((world.service.keep_promises(), decisions(&world)), (0, 0));
    assert_eq!(other.ask(&world, &other.abort()).await.0, 200);
    // A start finds no more of what is gone than anybody else; of what does not read it knows that something was promised.
    let world = open(world.restart(false));
    says_nothing(&world, &spoilt).await;
}

/// The operator loses a request, and then says that nothing was decided: its own two statements convict it (PoM-6).
#[tokio::test]
async fn a_broken_promise_convicts_this_very_service() {
    let (world, o, r) = arbiter().await;
    let run = Run::new(&world, &o, &r, None);
    let receipt = taken(&world, &run, &run.resolve(Side::Originator)).await;
    fs::remove_file(world.disk.request_of(&run.x())).unwrap();
    let world = open(world.restart(false));
    let convicts = async |world: &World, status: &Value| {
        let key = Key::from_spki_der(&world.disk.arbiter_spki()).unwrap();
        let mut items = vec![Item::Key(key.to_jwk_json().as_bytes().to_vec())];
        items.extend([&run.m1, &receipt, &jws(status)].map(|jws| Item::Statement(jws.bytes().to_vec())));
        let file = Proof::of_arbiter(Misbehaviour::NoAnswer, ORIGIN, items).to_json();
        let asked = Asked::secure("POST", "/v1/accountability/proofs").with("content-type", "application/json");
        let answer = ask(&world.service, asked.octets(file.into_bytes())).await;
        let told: Value = serde_json::from_slice(&answer.body).unwrap();
        (answer.status.as_u16(), told)
    };
    pass_to(&world, START.plus_secs(ANSWER_WITHIN_MS / 1_000));
    let timely = status_of(&world, &o, &run).await;
    assert_eq!(convicts(&world, &timely).await.0, 422, "its time is not over");
    pass_to(&world, START.plus_secs(ANSWER_WITHIN_MS / 1_000 + 1));
    let late = status_of(&world, &o, &run).await;
    let (status, told) = convicts(&world, &late).await;
    assert_eq!((status, &told["verdict"]), (200, &json!("proven")), "{told}");
    assert!(told["reason"].as_str().unwrap().contains("says that it has decided nothing"), "{told}");
}
