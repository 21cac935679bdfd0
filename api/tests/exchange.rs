//! The arbiter over `/v1`: one verdict for each run, the same octets for whoever asks again, and what it refuses.

mod world;

use semper_api::{ToIssue, ToRevoke};
use semper_ledger::entry::Entry;
use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_ttp::{
    b64u::{self, B64u},
    ca::{Authority, CaId, crl::Reason},
    crypto::{
        LogVerifier,
        jose::{Key, Thumbprint},
    },
    digest::Digest,
    evidence::{ExchangeKind, Fact, Kind, OpsFact, OpsKind, Recorded, RoleCode},
    exchange::{asw_r::commitment_r, tag_of_verdict},
    statement::exchange::{
        Outcome, Side,
        asw_r::{Abort, M1, M2, Resolve},
        verdict::{Answer, Status, Verdict},
    },
    time::Timestamp,
};
use serde_json::{Value, json};
use world::{
    RUNS_PER_MINUTE, START,
    audit::{audited, differences},
    exchange::{Run, arbiter, arbiter_of, ask_at, jws, known, name_of, offer, pass_to, sign, text},
    notary::open,
    office::{DELTA_MS, Member, World},
    wanted,
};

const ROOT: CaId = CaId::first(Authority::Root);

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
    pass_to(&world, Timestamp::from_millis(t_exp));
    let (_, decided) = early.ask(&world, &early.resolve(Side::Responder)).await;
    assert_eq!(decided["outcome"], "RESOLVED", "the end itself is in time");
    pass_to(&world, Timestamp::from_millis(t_exp + 1));
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
    world.service.recall_arbiter(Some(t_exp - 1_000)).unwrap();
    let world = open(world);
    pass_to(&world, Timestamp::from_millis(back + DELTA_MS));
    let (status, answer) = run.ask(&world, &run.resolve(Side::Originator)).await;
    assert_eq!(status, 200, "{answer}");
    let (verdict, _) = judged(&world, &run, &answer);
    assert_eq!(verdict.outcome, Outcome::Resolved);
    let index = verdict.outages.first().expect("the verdict names it").get();
    assert_eq!(world.kinds()[index as usize], Kind::Ops(OpsKind::Outage));
    let shown = answer["outages"][0]["proof"].as_str().unwrap();
    assert_eq!(TlogProof::parse(shown).unwrap().index, index);
    let other = Run::new(&world, &o, &r, Some(t_exp));
    pass_to(&world, Timestamp::from_millis(back + DELTA_MS + 1));
    assert_eq!(other.ask(&world, &other.resolve(Side::Originator)).await.1["outcome"], "EXPIRED");
}

/// The outages that the ledger tells of: from when to when, milliseconds after the start.
fn absences(world: &World) -> Vec<(u64, u64)> {
    let reader = world.service.reader();
    let facts = (0..reader.size()).map(|index| Fact::decode(&reader.fact(index).unwrap().unwrap()).unwrap());
    let told = facts.filter_map(|fact| match OpsFact::from_fact(&fact) {
        Ok(OpsFact::Outage { from_millis, to_millis }) => Some((from_millis, to_millis)),
        _ => None,
    });
    told.map(|(from, to)| (from - START.millis(), to - START.millis())).collect()
}

/// A process that was stopped, or a machine that slept, was away as one that had ended: nobody asked meanwhile and got an answer.
#[tokio::test]
async fn whoever_was_not_seen_for_a_minute_was_away() {
    let (world, o, r) = arbiter().await;
    let [first, second] = [(); 2].map(|()| Run::new(&world, &o, &r, None));
    world.now.at(START.plus_secs(60));
    assert_eq!(first.ask(&world, &first.abort()).await.0, 200, "so long it is there without a look");
    world.now.at(START.plus_secs(121));
    let (status, problem) = second.ask(&world, &second.abort()).await;
    assert_eq!((status, &problem["code"]), (503, &json!("server.unavailable")));
    assert_eq!(first.ask(&world, &first.abort()).await.0, 503, "an answer of its own to another request");
    world.now.at(START.plus_secs(130));
    world.service.arbiter_is_alive().unwrap();
    assert_eq!(second.ask(&world, &second.abort()).await.0, 200);
    assert_eq!(absences(&world), [(60_000, 130_000)]);
    // The look itself finds it as well.
    world.now.at(START.plus_secs(500));
    world.service.arbiter_is_alive().unwrap();
    assert_eq!(absences(&world)[1..], [(130_000, 500_000)]);
}

/// Decisions while the door shuts and opens again: none falls into an absence that is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_decided_within_an_absence_that_is_told() {
    let (world, o, r) = arbiter().await;
    world.now.go();
    for round in 1..=50 {
        let run = Run::new(&world, &o, &r, None);
        // 61 seconds pass while some ask and one looks.
        world.now.pass(61);
        let (abort, resolve) = (run.abort(), run.resolve(Side::Responder));
        let service = world.service.clone();
        let look = tokio::task::spawn_blocking(move || service.arbiter_is_alive());
        let (_, _, looked) = tokio::join!(run.ask(&world, &abort), run.ask(&world, &resolve), look);
        looked.unwrap().unwrap();
        assert!(absences(&world).len() >= round);
        assert_eq!(run.ask(&world, &abort).await.0, 200);
    }
    let absences = absences(&world);
    let reader = world.service.reader();
    for index in 0..reader.size() {
        let fact = Fact::decode(&reader.fact(index).unwrap().unwrap()).unwrap();
        if matches!(fact.kind, Kind::Exchange(_)) {
            let at = fact.now.millis() - START.millis();
            assert!(absences.iter().all(|(from, to)| at <= *from || at >= *to), "{at}: {absences:?}");
        }
    }
}

/// After a restore nothing tells when it was last there but the ledger itself.
#[tokio::test]
async fn without_a_kept_moment_the_newest_entry_tells() {
    let (world, o, r) = arbiter().await;
    let world = world.restart(false);
    world.service.recall_arbiter(None).unwrap();
    let world = open(world);
    assert_eq!(absences(&world), [], "nobody ever asked this arbiter");
    let run = Run::new(&world, &o, &r, None);
    assert_eq!(run.ask(&world, &run.abort()).await.0, 200);
    world.now.at(START.plus_secs(1_000));
    let world = world.restart(false);
    world.service.recall_arbiter(None).unwrap();
    let world = open(world);
    assert_eq!(absences(&world), [(0, 1_000_000)]);
    // With one that is older than what it decided, that counts.
    let other = Run::new(&world, &o, &r, None);
    assert_eq!(other.ask(&world, &other.abort()).await.0, 200);
    world.now.at(START.plus_secs(2_000));
    let world = world.restart(false);
    world.service.recall_arbiter(Some(START.millis())).unwrap();
    let world = open(world);
    assert_eq!(absences(&world)[1..], [(1_000_000, 2_000_000)]);
}

/// Whoever has the arbiter's key could make verdicts with it: so the arbiter makes none any more.
#[tokio::test]
async fn under_a_revoked_key_nothing_more_is_decided() {
    let (world, o, r) = arbiter().await;
    let [decided, open] = [(); 2].map(|()| Run::new(&world, &o, &r, None));
    let request = decided.abort();
    let answer = decided.ask(&world, &request).await;
    assert_eq!(answer.0, 200);
    let certificate = arbiter_of(&world).await;
    world.now.pass(10);
    world.revoke(&certificate, Reason::KeyCompromise);
    let (status, problem) = open.ask(&world, &open.abort()).await;
    assert_eq!((status, &problem["code"]), (410, &json!("exchange.arbiter_revoked")));
    assert_eq!(decided.ask(&world, &request).await, answer, "what was answered is answered again");
    assert_eq!(decided.ask(&world, &decided.resolve(Side::Responder)).await.0, 410);
    let named = known(&world).await;
    assert_eq!(named["exchange"], Value::Null, "nobody is led to a key that decides nothing");
}

/// A request of another run, which anybody can show, is no act of its signer's in this one.
#[tokio::test]
async fn what_was_signed_for_another_run_is_held_against_nobody() {
    let (world, o, r) = arbiter().await;
    let [run, other] = [(); 2].map(|()| Run::new(&world, &o, &r, None));
    let refused = || world.kinds().into_iter().filter(|kind| *kind == Kind::Ops(OpsKind::CallRefused)).count();
    let shown = json!({ "m1": text(&run.m1), "request": other.abort()["request"] });
    assert_eq!(run.ask(&world, &shown).await.0, 422);
    assert_eq!(refused(), 0);
    let mut own = run.abort();
    own["m2"] = json!(text(&run.m2));
    assert_eq!(run.ask(&world, &own).await.0, 422);
    assert_eq!(refused(), 1);
}

#[tokio::test]
async fn an_offer_to_nobody_is_not_aborted() {
    let (world, o, r) = arbiter().await;
    let base = offer(&world, &o, &r, None);
    let mut strange = base.clone();
    strange.r.key = name_of(&world::key());
    let mut of_another = base;
    of_another.r.id = semper_ttp::id::PartyId::from([7; 16]);
    for m1 in [strange, of_another] {
        let run = Run::of(m1, &o, &r);
        let (status, problem) = run.ask(&world, &run.abort()).await;
        assert_eq!((status, &problem["code"]), (422, &json!("exchange.key")), "{problem}");
    }
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
    pass_to(&world, START.plus_secs(100));
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

/// What the arbiter's key signs first may be no entry: an honest one that was asked before it has decided anything differs in nothing.
#[tokio::test]
async fn a_status_may_be_the_first_that_is_signed() {
    let (world, o, r) = arbiter().await;
    let run = Run::new(&world, &o, &r, None);
    assert_eq!(world.post(&o.login, &run.path("/status"), &json!({ "m1": text(&run.m1) })).await.0, 200);
    let of_first_use = audited(&world).iter().map(ToString::to_string).find(|found| found.contains("first use"));
    assert_eq!(of_first_use, None);
    world.now.pass(10);
    assert_eq!(run.ask(&world, &run.abort()).await.0, 200);
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
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

/// What a side asks before it relies on the other's signature is judged as the arbiter judges it afterwards.
#[tokio::test]
async fn a_party_is_told_whether_anothers_key_commits_it() {
    let (world, o, r) = arbiter().await;
    let path = |key: Thumbprint| format!("/v1/exchanges/keys/{key}");
    let (status, told) = world.get(&o.login, &path(name_of(&r.sign))).await;
    assert_eq!((status, &told["party"]), (200, &json!(r.id)), "{told}");
    assert_eq!(told["certificate"], json!(r.sign_certificate.digest().to_string()));
    // One that logs in, one that nobody has, one that was revoked; and nobody without a certificate is told anything.
    for (key, code) in [(name_of(&r.auth), "exchange.key"), (Thumbprint(B64u([7; 32])), "exchange.unknown_key")] {
        let (status, refused) = world.get(&o.login, &path(key)).await;
        assert_eq!((status, &refused["code"]), (422, &json!(code)), "{refused}");
    }
    assert_eq!(world.get(&o.login, "/v1/exchanges/keys/no-key").await.0, 404);
    world.now.at(START.plus_secs(100));
    world.revoke(&r.sign_certificate, Reason::KeyCompromise);
    let (status, refused) = world.get(&o.login, &path(name_of(&r.sign))).await;
    assert_eq!((status, &refused["code"]), (422, &json!("exchange.key")), "{refused}");
}

/// Nothing has happened to the arbiter's certificate itself, and what is remembered of it does not hide what happened to its CA's.
#[tokio::test]
async fn an_arbiter_of_a_revoked_ca_decides_nothing() {
    let mut world = World::new();
    let wanted = ToIssue { ca: ROOT, spki_der: world.pki.ca.spki_der(), ..wanted("issuing-ca") };
    world.pki.ca = world.service.issue(&wanted).unwrap().certificate;
    let world = open(world.restart(false));
    let officer = world.staff("officer");
    let (o, r) = (world.party(&officer).await, world.party(&officer).await);
    for _ in 0..2 {
        assert_ne!(known(&world).await["exchange"], Value::Null);
        let run = Run::new(&world, &o, &r, None);
        assert_eq!(run.ask(&world, &run.abort()).await.0, 200);
    }
    world.now.pass(10);
    let (serial, officer) = (world.pki.ca.serial(), Digest::of(b"officer"));
    let of_ca = ToRevoke { ca: ROOT, serial, reason: Reason::CaCompromise, officer, idempotency: None };
    world.service.revoke(&of_ca).unwrap();
    assert_eq!(known(&world).await["exchange"], Value::Null);
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
    // A party has so many runs decided in a minute, whoever is on the other side; what was decided is answered.
    let mut decided = 0;
    let status = loop {
        let run = Run::new(&world, &o, &r, None);
        match run.ask(&world, &run.abort()).await {
            (200, _) => decided += 1,
            (status, problem) => break (status, problem["code"].clone()),
        }
        assert!(decided <= RUNS_PER_MINUTE);
    };
    assert_eq!((decided, status), (RUNS_PER_MINUTE, (429, json!("server.busy"))));
    assert_eq!(run.ask(&world, &run.abort()).await.0, 200);
    let other = Run::new(&world, &r, &o, None);
    assert_eq!(other.ask(&world, &other.abort()).await.0, 200, "the other party");
}
