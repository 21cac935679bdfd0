//! Certified delivery over `/v1`: the key goes to its recipient alone, and a receipt for it to the originator.

mod world;

use std::sync::Arc;

use semper_ttp::{
    crypto::{
        SecretKey,
        jose::{Key, Thumbprint},
    },
    evidence::{ExchangeKind, Kind},
    exchange::{
        cd_r::Posted,
        judge::{
            Filed,
            delivery::{Evidence, judge},
        },
    },
    statement::{
        Jws,
        exchange::{Outcome, Side, cd_r::ContentKey, cd_r::ResolveO, verdict::Verdict},
    },
    time::Timestamp,
};
use serde_json::{Value, json};
use world::{
    START,
    delivery::{Delivery, MESSAGE},
    exchange::{Run, arbiter, ask_at, known, pass_to, sign, text},
    notary::open,
    office::{DELTA_MS, World},
};

fn exchange_entries(world: &World) -> Vec<ExchangeKind> {
    let kinds = world.kinds().into_iter();
    kinds.filter_map(|kind| if let Kind::Exchange(kind) = kind { Some(kind) } else { None }).collect()
}

/// The verdict, judged with what a court has.
fn judged(world: &World, run: &Delivery<'_>, answer: &Value) -> (Outcome, bool) {
    let jws = Jws::parse(answer["verdict"].as_str().expect("a verdict").as_bytes()).unwrap();
    let outcome = jws.payload_as::<Verdict>().unwrap().body.outcome;
    let keys = |name: &Thumbprint| {
        use semper_ttp::crypto::Signer as _;
        let spki = [run.o.sign.spki_der().to_vec(), run.r.sign.spki_der().to_vec(), world.disk.arbiter_spki()];
        let all = spki.iter().map(|spki| Key::from_spki_der(spki).unwrap());
        all.into_iter().find(|key| key.thumbprint() == *name).map(Arc::new)
    };
    let key =
        answer["k"].as_str().map(|text| SecretKey::new(text.parse::<semper_ttp::b64u::B64u32>().unwrap().0.into()));
    let evidence = Evidence {
        first: run.d1.clone(),
        statements: vec![run.d2.clone()],
        verdicts: vec![Filed { jws, is_logged: true }],
        content: Some(&run.content),
        key: key.clone(),
        opening: None,
    };
    let judgement = judge(&evidence, &keys).unwrap();
    assert!(judgement.rejected.is_empty(), "{judgement:?}");
    assert!(
        judgement.findings.iter().all(
            |finding| outcome == Outcome::Void && *finding == semper_ttp::exchange::judge::Finding::EscrowedRubbish
        ),
        "{judgement:?}"
    );
    if let Some(key) = key {
        let posted = Posted::read(run.d1.clone(), &keys).unwrap();
        assert_eq!(posted.open(&run.content, &key).unwrap().text(), MESSAGE);
        assert_eq!(judgement.message, Some(Ok(())));
    }
    (outcome, judgement.receipt.is_some())
}

/// The originator has disappeared: the recipient gets the key out of the escrow, and the originator a receipt whenever it comes back.
#[tokio::test]
async fn the_recipient_takes_the_key_out_of_the_escrow() {
    let (world, o, r) = arbiter().await;
    let run = Delivery::new(&world, &o, &r, None);
    let request = run.resolve(Side::Responder);
    let (status, first) = run.ask(&world, &request).await;
    assert_eq!((status, &first["outcome"]), (200, &json!("RELEASED")), "{first}");
    assert_eq!(judged(&world, &run, &first), (Outcome::Released, true));
    assert_eq!(first["k"], json!(ContentKey::from(&run.key)));
    use ExchangeKind::{Answer, KeyCollected, Released};
    assert_eq!(exchange_entries(&world), [Released, Answer, KeyCollected]);
    assert_eq!(run.ask(&world, &request).await, (200, first.clone()), "again: the same octets");
    // The originator: the same verdict, and no key in its answer.
    let (status, second) = run.ask(&world, &run.resolve(Side::Originator)).await;
    assert_eq!((status, &second["verdict"], &second["k"]), (200, &first["verdict"], &Value::Null));
    let (_, third) = run.ask(&world, &run.abort()).await;
    assert_eq!((&third["verdict"], &third["k"]), (&first["verdict"], &Value::Null));
    // Another request of the recipient's gets the key again; it was collected once.
    let (_, fourth) = run.ask(&world, &run.resolve(Side::Responder)).await;
    assert_eq!(fourth["k"], first["k"]);
    assert_eq!(exchange_entries(&world)[3..], [Answer; 3]);
}

/// The recipient withholds its receipt: the originator leaves the key, which nobody but the recipient gets.
#[tokio::test]
async fn the_originator_leaves_the_key_for_a_receipt() {
    let (world, o, r) = arbiter().await;
    let run = Delivery::new(&world, &o, &r, None);
    let request = run.resolve(Side::Originator);
    let (status, first) = run.ask(&world, &request).await;
    assert_eq!((status, &first["outcome"], &first["k"]), (200, &json!("RELEASED"), &Value::Null), "{first}");
    assert_eq!(judged(&world, &run, &first), (Outcome::Released, true));
    use ExchangeKind::{Answer, KeyCollected, KeyDeposited, Released};
    assert_eq!(exchange_entries(&world), [Released, KeyDeposited, Answer]);
    // What is kept of the key is sealed.
    let reader = world.service.reader();
    let kept = (0..reader.size()).filter_map(|index| reader.artefact(index).unwrap());
    let (bits, spelled) = (run.key.expose(), semper_ttp::b64u::encode(run.key.expose()));
    let shows = |octets: &[u8]| {
        octets.windows(32).any(|window| window == bits)
            || octets.windows(spelled.len()).any(|window| window == spelled.as_bytes())
    };
    assert!(kept.into_iter().all(|octets| !shows(&octets)), "a key lies in the store");
    let path = run.path("/requests");
    let (verdict, asking) = (first["verdict"].clone(), run.resolve(Side::Responder));
    // As after a crash.
    let before = ask_at(&world, &path, &request).await;
    assert_eq!(before, (200, first.clone()));
    let restarted = open(world.restart(false));
    assert_eq!(ask_at(&restarted, &path, &request).await, before);
    let (status, taken) = ask_at(&restarted, &path, &asking).await;
    assert_eq!((status, &taken["verdict"]), (200, &verdict));
    assert_eq!(judged(&restarted, &run, &taken), (Outcome::Released, true));
    assert_eq!(exchange_entries(&restarted)[3..], [Answer, KeyCollected]);
    assert_eq!(ask_at(&restarted, &path, &asking).await, (200, taken), "the key again, too");
}

/// Rubbish in the escrow binds nobody, for ever: also when the originator comes with the right key then.
#[tokio::test]
async fn cdr_void_then_resolve_o() {
    let (world, o, r) = arbiter().await;
    let other = |_: &_, _: &_| SecretKey::new([66; 32].into());
    let wrong_key = Delivery::with(&world, (&o, &r), None, other, |_| ());
    let moved =
        Delivery::with(&world, (&o, &r), None, |_, key| key.clone(), |d1| d1.n = semper_ttp::b64u::B64u([1; 32]));
    let garbage = Delivery::with(
        &world,
        (&o, &r),
        None,
        |_, key| key.clone(),
        |d1| {
            d1.esc = semper_ttp::statement::exchange::cd_r::EscrowText::new("a.b.c.d.e").unwrap();
        },
    );
    for run in [&wrong_key, &moved, &garbage] {
        let (status, first) = run.ask(&world, &run.resolve(Side::Responder)).await;
        assert_eq!((status, &first["outcome"], &first["k"]), (200, &json!("VOID"), &Value::Null), "{first}");
        assert_eq!(judged(&world, run, &first), (Outcome::Void, false));
        let (status, second) = run.ask(&world, &run.resolve(Side::Originator)).await;
        assert_eq!((status, &second["verdict"]), (200, &first["verdict"]));
        let (_, third) = run.ask(&world, &run.resolve(Side::Responder)).await;
        assert_eq!((&third["verdict"], &third["k"]), (&first["verdict"], &Value::Null));
    }
    // The other way round: who leaves the key itself has its escrow never opened.
    let run = Delivery::with(&world, (&o, &r), None, other, |_| ());
    assert_eq!(run.ask(&world, &run.resolve(Side::Originator)).await.1["outcome"], "RELEASED");
    let (_, taken) = run.ask(&world, &run.resolve(Side::Responder)).await;
    assert_eq!(judged(&world, &run, &taken), (Outcome::Released, true));
}

#[tokio::test]
async fn what_was_taken_back_or_has_ended_gives_no_key() {
    let (world, o, r) = arbiter().await;
    let run = Delivery::new(&world, &o, &r, None);
    let (_, first) = run.ask(&world, &run.abort()).await;
    assert_eq!(judged(&world, &run, &first), (Outcome::Aborted, false));
    let (_, second) = run.ask(&world, &run.resolve(Side::Responder)).await;
    assert_eq!((&second["verdict"], &second["k"]), (&first["verdict"], &Value::Null));
    assert_eq!(run.ask(&world, &run.resolve(Side::Originator)).await.1["verdict"], first["verdict"]);

    let t_exp = START.millis() + 10 * DELTA_MS;
    let [early, late] = [(); 2].map(|()| Delivery::new(&world, &o, &r, Some(t_exp)));
    pass_to(&world, Timestamp::from_millis(t_exp));
    assert_eq!(early.ask(&world, &early.resolve(Side::Originator)).await.1["outcome"], "RELEASED");
    pass_to(&world, Timestamp::from_millis(t_exp + 1));
    let (_, expired) = late.ask(&world, &late.resolve(Side::Responder)).await;
    assert_eq!(judged(&world, &late, &expired), (Outcome::Expired, false));
    assert_eq!(expired["k"], Value::Null);
    let (_, taken) = early.ask(&world, &early.resolve(Side::Responder)).await;
    assert_eq!(taken["k"], json!(ContentKey::from(&early.key)), "what was left stays to be collected");
}

/// The arbiter was away in the last δ: whoever waited for it has as long again.
#[tokio::test]
async fn cdr_outage_at_expiry() {
    let (world, o, r) = arbiter().await;
    let t_exp = START.millis() + 10 * DELTA_MS;
    let run = Delivery::new(&world, &o, &r, Some(t_exp));
    let back = t_exp + 5 * DELTA_MS;
    world.now.at(Timestamp::from_millis(back));
    let world = world.restart(false);
    world.service.recall_arbiter(Some(t_exp - 1_000)).unwrap();
    let world = open(world);
    pass_to(&world, Timestamp::from_millis(back + DELTA_MS));
    let (_, answer) = run.ask(&world, &run.resolve(Side::Originator)).await;
    assert_eq!(answer["outcome"], "RELEASED", "{answer}");
    assert_eq!(answer["outages"].as_array().map(Vec::len), Some(1));
    let other = Delivery::new(&world, &o, &r, Some(t_exp));
    pass_to(&world, Timestamp::from_millis(back + DELTA_MS + 1));
    assert_eq!(other.ask(&world, &other.resolve(Side::Originator)).await.1["outcome"], "EXPIRED");
}

#[tokio::test]
async fn what_breaks_a_rule_of_deliveries_decides_nothing() {
    let (world, o, r) = arbiter().await;
    let stranger = world.party(&world.staff("officer")).await;
    let [run, another] = [(); 2].map(|()| Delivery::new(&world, &o, &r, None));
    let contract = Run::new(&world, &o, &r, None);
    let with = |body: &Value, name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        body
    };
    let (abort, take, leave) = (run.abort(), run.resolve(Side::Responder), run.resolve(Side::Originator));
    let here = |body: Value| (run.path("/requests"), body);
    let x = Some(run.x());
    let wrong = ContentKey::from(&SecretKey::new([66; 32].into()));
    let by_r = |body: ResolveO| json!(text(&sign(&r.sign, x, body)));
    let escrow_key = |key: Thumbprint| {
        let run = Delivery::with(&world, (&o, &r), None, |_, key| key.clone(), move |d1| d1.ttp.escrow_key = key);
        (run.path("/requests"), run.resolve(Side::Responder))
    };
    let strange = world::exchange::name_of(&stranger.sign);
    let signing = Key::from_spki_der(&world.disk.arbiter_spki()).unwrap().thumbprint();
    let table: Vec<(&str, (String, Value), u16, &str)> = vec![
        (
            "another key",
            here(with(&leave, "request", json!(text(&sign(&o.sign, x, ResolveO { k: wrong }))))),
            422,
            "exchange.opening",
        ),
        ("an escrow key of nobody", escrow_key(strange), 422, "exchange.escrow_key"),
        ("the key that signs", escrow_key(signing), 422, "exchange.escrow_key"),
        ("another run's d2", here(with(&take, "d2", json!(text(&another.d2)))), 422, "exchange.other_run"),
        ("cdr_abort_other_run", (another.path("/requests"), abort.clone()), 422, "exchange.other_run"),
        (
            "a request of another run",
            here(with(&abort, "request", another.abort()["request"].clone())),
            422,
            "exchange.other_run",
        ),
        (
            "the recipient as originator",
            here(with(&leave, "request", by_r(ResolveO { k: ContentKey::from(&run.key) }))),
            403,
            "exchange.not_allowed",
        ),
        (
            "the recipient aborts",
            here(with(
                &abort,
                "request",
                json!(text(&sign(&r.sign, x, semper_ttp::statement::exchange::cd_r::AbortDelivery {}))),
            )),
            403,
            "exchange.not_allowed",
        ),
        (
            "cdr_release_to_stranger",
            here(with(
                &take,
                "request",
                json!(text(&sign(&stranger.sign, x, semper_ttp::statement::exchange::cd_r::ResolveR {}))),
            )),
            403,
            "exchange.not_allowed",
        ),
        ("abort with d2", here(with(&abort, "d2", json!(text(&run.d2)))), 422, "exchange.request"),
        (
            "resolve without d2",
            here(json!({ "d1": text(&run.d1), "request": take["request"] })),
            422,
            "exchange.request",
        ),
        ("d2 as d1", here(with(&take, "d1", json!(text(&run.d2)))), 400, "exchange.statement"),
        ("d2 as request", here(with(&take, "request", json!(text(&run.d2)))), 422, "exchange.request"),
        ("m1 as d1", here(with(&take, "d1", json!(text(&contract.m1)))), 400, "exchange.statement"),
        (
            "d1 as m1",
            (contract.path("/requests"), with(&contract.abort(), "m1", json!(text(&run.d1)))),
            400,
            "exchange.statement",
        ),
        (
            "a contract's request",
            here(with(&take, "request", contract.resolve(Side::Responder)["request"].clone())),
            400,
            "exchange.statement",
        ),
        ("both names", here(with(&take, "m1", json!(text(&run.d1)))), 400, "http.malformed"),
    ];
    for (what, (path, body), status, code) in table {
        let (answered, problem) = ask_at(&world, &path, &body).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{what}: {problem}");
        assert_eq!(problem["k"], Value::Null);
    }
    assert_eq!(exchange_entries(&world), []);
    assert_eq!(run.ask(&world, &take).await.1["outcome"], "RELEASED");
}

/// Each side at the same instant, again and again: one verdict for both, and a key with RELEASED only.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cdr_abort_resolve_race() {
    let (world, o, r) = arbiter().await;
    let mut outcomes = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..300 {
        let run = Delivery::new(&world, &o, &r, None);
        let (abort, take, leave) = (run.abort(), run.resolve(Side::Responder), run.resolve(Side::Originator));
        let answers = tokio::join!(run.ask(&world, &abort), run.ask(&world, &take), run.ask(&world, &leave));
        let [aborted, taken, left] = [answers.0, answers.1, answers.2].map(|(status, answer)| {
            assert_eq!(status, 200, "{answer}");
            answer
        });
        assert!(aborted["verdict"] == taken["verdict"] && taken["verdict"] == left["verdict"]);
        assert_eq!(taken["k"].is_string(), taken["outcome"] == "RELEASED");
        *outcomes.entry(taken["outcome"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(outcomes.values().sum::<usize>(), 300, "{outcomes:?}");
}

/// What the arbiter says of itself is enough to deliver with it.
#[tokio::test]
async fn the_service_names_its_escrow_key() {
    let (world, ..) = arbiter().await;
    let named = known(&world).await;
    let escrow = &named["exchange"]["escrow"];
    let pem = escrow["certificate"].as_str().expect("its certificate");
    let der = semper_ttp::asn1::pem::decode("CERTIFICATE", pem).unwrap().remove(0);
    let certificate = semper_ttp::x509::Certificate::from_der(&der).unwrap();
    assert_eq!(certificate.spki_der(), world.disk.escrow_spki());
    assert_eq!(escrow["thumbprint"], json!(Key::from_spki_der(&certificate.spki_der()).unwrap().thumbprint()));
    assert!(!certificate.commits(), "it signs nothing");
}
