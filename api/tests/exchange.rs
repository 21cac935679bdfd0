//! The arbiter over `/v1`: one verdict for each run, the same octets for whoever asks again, and what it refuses.

mod world;

use semper_api::TimeSource as _;
use semper_ledger::entry::Entry;
use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_ttp::{
    b64u,
    ca::crl::Reason,
    crypto::{LogVerifier, jose::Key},
    digest::Digest,
    evidence::{ExchangeKind, Kind, OpsKind},
    exchange::{asw_r::commitment_r, tag_of_verdict},
    statement::{
        Jws,
        exchange::{
            Outcome, Side,
            asw_r::{Abort, M1, M2, Resolve},
            verdict::{Answer, Status, Verdict},
        },
    },
    time::Timestamp,
};
use serde_json::{Value, json};
use world::{
    START,
    exchange::{Run, ask_at, name_of, offer, sign, text},
    notary::open,
    office::{DELTA_MS, Member, World},
};

/// A world with an arbiter and two parties.
async fn arbiter() -> (World, Member, Member) {
    let world = open(World::new());
    let officer = world.staff("officer");
    let (o, r) = (world.party(&officer).await, world.party(&officer).await);
    (world, o, r)
}

fn jws(value: &Value) -> Jws {
    Jws::parse(value.as_str().expect("a statement").as_bytes()).unwrap()
}

/// Verdict and answer, judged as a party does: by the arbiter's certificate, by the proofs of both entries, by the tag.
fn judged(world: &World, run: &Run<'_>, answer: &Value) -> (Verdict, Answer) {
    let key = Key::from_spki_der(&world.disk.arbiter_spki()).unwrap();
    let (verdict, own) = (jws(&answer["verdict"]), jws(&answer["answer"]));
    for statement in [&verdict, &own] {
        statement.verify(&key).unwrap();
        assert_eq!(statement.common().x, Some(run.x().into()));
    }
    let keys = [world.service.reader().vkey().clone()];
    for (place, statement) in [&verdict, &own].into_iter().enumerate() {
        let proof = TlogProof::parse(answer["proofs"][place].as_str().unwrap()).unwrap();
        proof.verify(&keys, &LogVerifier).unwrap();
        let entry = Entry::decode(proof.extra.as_deref().unwrap()).unwrap();
        assert_eq!(Digest(entry.digest), statement.digest());
        let tags: &[_] = if place == 0 { &[tag_of_verdict(&run.x())] } else { &[] };
        assert_eq!(entry.tags.as_slice(), tags);
        assert!(b64u::decode(answer["receipts"][place].as_str().unwrap().as_bytes()).is_some());
    }
    let body = own.payload_as::<Answer>().unwrap().body;
    assert_eq!(Digest(body.verdict.0), verdict.digest());
    (verdict.payload_as::<Verdict>().unwrap().body, body)
}

fn exchange_entries(world: &World) -> Vec<ExchangeKind> {
    let kinds = world.kinds().into_iter();
    kinds.filter_map(|kind| if let Kind::Exchange(kind) = kind { Some(kind) } else { None }).collect()
}

#[tokio::test]
async fn the_first_request_decides_for_both() {
    let (world, o, r) = arbiter().await;
    let run = Run::new(&world, &o, &r, None);
    let request = run.resolve(Side::Originator);
    let (status, first) = run.ask(&world, &request).await;
    assert_eq!(status, 200, "{first}");
    let (verdict, answer) = judged(&world, &run, &first);
    assert_eq!((verdict.outcome, &first["outcome"]), (Outcome::Resolved, &json!("RESOLVED")));
    assert_eq!(verdict.basis, [text(&run.m1), text(&run.m2)]);
    assert_eq!((answer.to, answer.c_r), (name_of(&o.sign), None));
    assert_eq!(Digest(answer.req.0), jws(&request["request"]).x());
    assert_eq!(exchange_entries(&world), [ExchangeKind::Resolved, ExchangeKind::Answer]);

    // Again: the same octets, and nothing new.
    assert_eq!(run.ask(&world, &request).await, (200, first.clone()));
    assert_eq!(exchange_entries(&world).len(), 2);
    // The other side: the same verdict, an answer of its own, bound to its run.
    let (status, second) = run.ask(&world, &run.resolve(Side::Responder)).await;
    assert_eq!((status, &second["verdict"]), (200, &first["verdict"]));
    let (_, answer) = judged(&world, &run, &second);
    let c_r = run.m2.payload_as::<M2>().unwrap().body.c_r;
    assert_eq!((answer.to, answer.c_r), (name_of(&r.sign), Some(c_r)));
    // Too late to take it back.
    let (status, aborting) = run.ask(&world, &run.abort()).await;
    assert_eq!((status, &aborting["verdict"]), (200, &first["verdict"]));
    assert_eq!(exchange_entries(&world)[2..], [ExchangeKind::Answer; 2]);
}

#[tokio::test]
async fn what_was_aborted_stays_so_for_the_responder() {
    let (world, o, r) = arbiter().await;
    let run = Run::new(&world, &o, &r, None);
    let (status, first) = run.ask(&world, &run.abort()).await;
    assert_eq!(status, 200, "{first}");
    let (verdict, _) = judged(&world, &run, &first);
    assert_eq!((verdict.outcome, verdict.basis.len()), (Outcome::Aborted, 2));
    assert_eq!(verdict.basis[0], text(&run.m1));
    let (_, second) = run.ask(&world, &run.resolve(Side::Responder)).await;
    assert_eq!(second["verdict"], first["verdict"]);
    assert!(judged(&world, &run, &second).1.c_r.is_some(), "which of its runs has ended");
    // As after a crash: the same octets from a store that was opened anew.
    let request = run.abort();
    let before = run.ask(&world, &request).await;
    let (path, run) = (run.path("/requests"), request);
    let world = open(world.restart(false));
    assert_eq!(ask_at(&world, &path, &run).await, before);
}

#[tokio::test]
async fn a_second_answer_of_the_responder_is_recorded() {
    let (world, o, r) = arbiter().await;
    let run = Run::new(&world, &o, &r, None);
    assert_eq!(run.ask(&world, &run.resolve(Side::Originator)).await.0, 200);
    let c_r = commitment_r(&run.x(), &[9; 32]).into();
    let m2 = sign(&r.sign, Some(run.x()), M2 { m1: run.m1.digest().into(), c_r });
    let other = Run { m2: m2.clone(), m1: run.m1.clone(), ..run };
    let (status, answer) = other.ask(&world, &other.resolve(Side::Responder)).await;
    assert_eq!(status, 200);
    assert_eq!(judged(&world, &other, &answer).0.basis[1], text(&run.m2), "the first one stands");
    let kinds = exchange_entries(&world);
    assert_eq!(kinds[kinds.len() - 2..], [ExchangeKind::Answer, ExchangeKind::Anomaly]);
    // What convicts it is kept.
    let reader = world.service.reader();
    assert!(reader.find_digest(m2.digest().as_bytes()).unwrap().is_some());
}

#[tokio::test]
async fn after_the_end_nothing_but_that_is_decided() {
    let (world, o, r) = arbiter().await;
    let t_exp = START.millis() + 10 * DELTA_MS;
    let [early, late] = [(); 2].map(|()| Run::new(&world, &o, &r, Some(t_exp)));
    world.now.at(Timestamp::from_millis(t_exp));
    let (_, decided) = early.ask(&world, &early.resolve(Side::Responder)).await;
    assert_eq!(decided["outcome"], "RESOLVED", "the end itself is in time");
    world.now.at(Timestamp::from_millis(t_exp + 1));
    let (_, expired) = late.ask(&world, &late.resolve(Side::Originator)).await;
    let (verdict, _) = judged(&world, &late, &expired);
    assert_eq!((verdict.outcome, verdict.basis), (Outcome::Expired, vec![text(&late.m1)]));
    let (_, again) = early.ask(&world, &early.resolve(Side::Originator)).await;
    assert_eq!(again["verdict"], decided["verdict"], "what was decided before stays");
}

/// The arbiter was away in the last δ: whoever waited for it has as long again.
#[tokio::test]
async fn asw_r_outage_at_expiry() {
    let (world, o, r) = arbiter().await;
    let t_exp = START.millis() + 10 * DELTA_MS;
    let run = Run::new(&world, &o, &r, Some(t_exp));
    let back = t_exp + 5 * DELTA_MS;
    world.now.at(Timestamp::from_millis(back));
    // As at the start of another process, which finds when the one before was last seen.
    let world = world.restart(false);
    world.service.arbiter_was_alive(t_exp - 1_000);
    let world = open(world);
    world.now.at(Timestamp::from_millis(back + DELTA_MS));
    let (status, answer) = run.ask(&world, &run.resolve(Side::Originator)).await;
    assert_eq!(status, 200, "{answer}");
    let (verdict, _) = judged(&world, &run, &answer);
    assert_eq!(verdict.outcome, Outcome::Resolved);
    let index = verdict.outages.first().expect("the verdict names it").get();
    assert_eq!(world.kinds()[index as usize], Kind::Ops(OpsKind::Outage));
    let shown = answer["outages"][0]["proof"].as_str().unwrap();
    assert_eq!(TlogProof::parse(shown).unwrap().index, index);
    let other = Run::new(&world, &o, &r, Some(t_exp));
    world.now.at(Timestamp::from_millis(back + DELTA_MS + 1));
    assert_eq!(other.ask(&world, &other.resolve(Side::Originator)).await.1["outcome"], "EXPIRED");
}

#[tokio::test]
async fn what_breaks_a_rule_decides_nothing() {
    let (world, o, r) = arbiter().await;
    let officer = world.staff("officer");
    let stranger = world.party(&officer).await;
    let run = Run::new(&world, &o, &r, None);
    let another = Run::new(&world, &o, &r, None);
    let request = |body: &Value, name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        body
    };
    let (abort, resolve) = (run.abort(), run.resolve(Side::Originator));
    let of = |m1: M1| Run::of(m1, &o, &r);
    let base = offer(&world, &o, &r, None);
    let mut arbiter = base.clone();
    arbiter.ttp.key = name_of(&stranger.sign);
    let mut service = base.clone();
    service.ttp.id = semper_ttp::statement::Origin::new("other.example/log").unwrap();
    let policy = M1 { policy: Digest::of(b"another").into(), ..base.clone() };
    let oneself = M1 { r: base.o, ..base.clone() };
    let mut of_another = base.clone();
    of_another.r.id = stranger.id;
    let x = Some(run.x());
    let m2 = run.m2.digest().into();
    let by = |key, body: Resolve| json!(text(&sign(key, x, body)));
    let mut flipped = text(&run.m1).into_bytes();
    let last = flipped.len() - 10;
    flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
    let asked = |run: &Run<'_>| (run.path("/requests"), run.resolve(Side::Originator));
    let here = |body: Value| (run.path("/requests"), body);
    let table: Vec<(&str, (String, Value), u16, &str)> = vec![
        ("another arbiter", asked(&of(arbiter)), 422, "exchange.other_arbiter"),
        ("another service", asked(&of(service)), 422, "exchange.other_arbiter"),
        ("another policy", asked(&of(policy)), 422, "exchange.policy"),
        ("one party on both sides", asked(&of(oneself)), 422, "exchange.one_party"),
        ("a key of somebody else", asked(&of(of_another)), 422, "exchange.key"),
        ("another run's path", (another.path("/requests"), abort.clone()), 422, "exchange.other_run"),
        ("another run's m2", here(request(&resolve, "m2", json!(text(&another.m2)))), 422, "exchange.other_run"),
        (
            "another run's request",
            here(request(&abort, "request", another.abort()["request"].clone())),
            422,
            "exchange.other_run",
        ),
        (
            "a flipped signature",
            here(request(&abort, "m1", json!(String::from_utf8(flipped).unwrap()))),
            422,
            "exchange.signature",
        ),
        ("no statement", here(request(&abort, "m1", json!("x.y.z"))), 400, "exchange.statement"),
        ("m2 as m1", here(request(&abort, "m1", json!(text(&run.m2)))), 400, "exchange.statement"),
        (
            "a stranger",
            here(request(&resolve, "request", by(&stranger.sign, Resolve { side: Side::Responder, m2 }))),
            403,
            "exchange.not_allowed",
        ),
        (
            "the responder as originator",
            here(request(&resolve, "request", by(&r.sign, Resolve { side: Side::Originator, m2 }))),
            403,
            "exchange.not_allowed",
        ),
        (
            "the responder aborts",
            here(request(&abort, "request", json!(text(&sign(&r.sign, x, Abort {}))))),
            403,
            "exchange.not_allowed",
        ),
        (
            "a login key",
            here(request(&resolve, "request", by(&o.auth, Resolve { side: Side::Originator, m2 }))),
            403,
            "exchange.not_allowed",
        ),
        (
            "another m2",
            here(request(
                &resolve,
                "request",
                by(&o.sign, Resolve { side: Side::Originator, m2: Digest::of(b"").into() }),
            )),
            422,
            "exchange.other_copy",
        ),
        (
            "resolve without m2",
            here(json!({ "m1": text(&run.m1), "request": resolve["request"] })),
            422,
            "exchange.request",
        ),
        ("abort with m2", here(request(&abort, "m2", json!(text(&run.m2)))), 422, "exchange.request"),
        ("m2 as request", here(request(&abort, "request", json!(text(&run.m2)))), 422, "exchange.request"),
        (
            "a token of nobody",
            here(world::exchange::with_tokens(abort.clone(), &[vec![1, 2, 3]])),
            422,
            "exchange.request",
        ),
        (
            "too many tokens",
            here(world::exchange::with_tokens(abort.clone(), &vec![vec![1]; 4])),
            422,
            "exchange.request",
        ),
        ("an unknown member", here(request(&abort, "m3", json!(""))), 400, "http.malformed"),
        ("no such run", ("/v1/exchanges/x/requests".to_owned(), abort.clone()), 404, "http.not_found"),
    ];
    for (what, (path, body), status, code) in table {
        let (answered, problem) = ask_at(&world, &path, &body).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{what}: {problem}");
    }
    assert_eq!(exchange_entries(&world), []);
    // Refusals of somebody known are recorded, so many in a minute.
    let refused = world.kinds().into_iter().filter(|kind| *kind == Kind::Ops(OpsKind::CallRefused)).count();
    assert!(refused >= 10, "{refused}");
    // And nothing of it stands in the way.
    assert_eq!(run.ask(&world, &abort).await.1["outcome"], "ABORTED");
}

/// The responder revokes its own key after it has answered, so as to keep the originator from the contract.
#[tokio::test]
async fn asw_r_revoke_to_block() {
    let (world, o, r) = arbiter().await;
    let stranger = world.party(&world.staff("officer")).await;
    let run = Run::new(&world, &o, &r, None);
    world.now.at(START.plus_secs(100));
    world.revoke(&r.sign_certificate, Reason::KeyCompromise);
    let (status, problem) = run.ask(&world, &run.resolve(Side::Originator)).await;
    assert_eq!((status, &problem["code"]), (422, &json!("exchange.key")));
    assert!(problem["detail"].as_str().unwrap().contains("was revoked at"), "{problem}");
    // Its own request is not taken with such a key, whenever the statements were there.
    assert_eq!(run.ask(&world, &run.resolve(Side::Responder)).await.0, 422);
    // What was answered before stays answered.
    let other = Run::new(&world, &o, &stranger, None);
    let request = other.resolve(Side::Originator);
    let answer = other.ask(&world, &request).await;
    assert_eq!(answer.0, 200);
    world.now.pass(10);
    world.revoke(&stranger.sign_certificate, Reason::KeyCompromise);
    assert_eq!(other.ask(&world, &request).await, answer);
    let (status, again) = other.ask(&world, &other.resolve(Side::Originator)).await;
    assert_eq!((status, &again["verdict"]), (200, &answer.1["verdict"]), "an answer of its own to another request");
    // Not final: the originator takes it back, as its own key is good.
    assert_eq!(run.ask(&world, &run.abort()).await.1["outcome"], "ABORTED");
}

#[tokio::test]
async fn a_run_is_shown_to_its_two_sides() {
    let (world, o, r) = arbiter().await;
    let officer = world.staff("officer");
    let stranger = world.party(&officer).await;
    let run = Run::new(&world, &o, &r, None);
    let key = Key::from_spki_der(&world.disk.arbiter_spki()).unwrap();
    let m1 = json!({ "m1": text(&run.m1) });
    let status = async |who: &Member| {
        let (status, answer) = world.post(&who.login, &run.path("/status"), &m1).await;
        (status == 200).then(|| {
            let status = jws(&answer["status"]);
            status.verify(&key).unwrap();
            status.payload_as::<Status>().unwrap().body
        })
    };
    let none = status(&r).await.expect("its own");
    assert_eq!((none.outcome, none.verdict, none.size.get()), (None, None, world.service.reader().size()));
    assert!(status(&stranger).await.is_none());
    assert_eq!(world.get(&o.login, &run.path("")).await.0, 404, "nothing was decided");
    let (_, decided) = run.ask(&world, &run.abort()).await;
    let after = status(&o).await.unwrap();
    assert_eq!(after.outcome, Some(Outcome::Aborted));
    assert_eq!(after.verdict, Some(jws(&decided["verdict"]).digest().into()));
    for who in [&o, &r] {
        let (status, shown) = world.get(&who.login, &run.path("")).await;
        assert_eq!((status, &shown["verdict"]), (200, &decided["verdict"]), "{shown}");
        assert_eq!(shown["proof"], decided["proofs"][0]);
    }
    assert_eq!(world.get(&stranger.login, &run.path("")).await.0, 404);
    assert_eq!(world.get(&stranger.login, "/v1/exchanges/no-such-run").await.0, 404);
}

/// Abort and resolve at the same instant, again and again: one verdict, the same octets to both.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn asw_r_abort_resolve_race() {
    let (world, o, r) = arbiter().await;
    let mut outcomes = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..1_000 {
        let run = Run::new(&world, &o, &r, None);
        let (abort, resolve) = (run.abort(), run.resolve(Side::Responder));
        let (first, second) = tokio::join!(run.ask(&world, &abort), run.ask(&world, &resolve));
        assert_eq!((first.0, second.0), (200, 200), "{} {}", first.1, second.1);
        assert_eq!(first.1["verdict"], second.1["verdict"]);
        *outcomes.entry(first.1["outcome"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let decisions = exchange_entries(&world);
    let decided = decisions.iter().filter(|kind| !matches!(kind, ExchangeKind::Answer)).count();
    assert_eq!((decided, outcomes.values().sum::<usize>()), (1_000, 1_000), "{outcomes:?}");
}

/// Each signed, none of use: a side is answered so often and no more, and the other one as before.
#[tokio::test]
async fn asw_r_flood() {
    let (world, o, r) = arbiter().await;
    let run = Run::new(&world, &o, &r, None);
    let mut first = None;
    for _ in 0..8 {
        let request = run.resolve(Side::Responder);
        let answer = run.ask(&world, &request).await;
        assert_eq!(answer.0, 200);
        first.get_or_insert((request, answer));
    }
    let (status, problem) = run.ask(&world, &run.resolve(Side::Responder)).await;
    assert_eq!((status, &problem["code"]), (429, &json!("exchange.too_many_answers")));
    let (request, answer) = first.unwrap();
    assert_eq!(run.ask(&world, &request).await, answer);
    assert_eq!(run.ask(&world, &run.abort()).await.0, 200);
    assert!(world.now.now() >= START);
}
