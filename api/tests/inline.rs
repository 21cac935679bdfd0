//! Exchanges through the arbiter over `/v1`: both items or none, to their owners alone, and nothing of them afterwards.

mod world;

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use semper_ttp::{
    b64u::{self, B64u32},
    ca::crl::Reason,
    crypto::{
        OsEntropy, SecretKey, Signer as _,
        jose::{Key, Thumbprint},
    },
    digest::Digest,
    evidence::{ExchangeKind, Kind, RoleCode},
    exchange::{
        inline::sealed::open_item,
        judge::{
            Filed,
            inline::{Evidence, Judgement, judge},
        },
    },
    statement::{
        Millis,
        exchange::{
            Outcome, Side,
            inline::{Deposit, DepositFault, DepositMode, Refused},
            item::{Fairness, MatchResult, RuleName},
            verdict::{Status, Verdict},
        },
    },
    time::Timestamp,
};
use serde_json::{Value, json};
use world::{
    RUNS_PER_MINUTE, START,
    audit::differences,
    exchange::{arbiter, ask_at, jws, known, name_of, pass_to, sign, text},
    inline::{Exchange, ITEMS, MEDIA, SIDES, T_DEP, T_EXP, file, goods},
    notary::open,
    office::{DELTA_MS, Member, World, exchange_policy},
};

const DAY_MS: u64 = 86_400_000;

fn entries(world: &World) -> Vec<ExchangeKind> {
    let kinds = world.kinds().into_iter();
    kinds.filter_map(|kind| if let Kind::Exchange(kind) = kind { Some(kind) } else { None }).collect()
}

fn octets(answer: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(answer["item"]["octets"].as_str().expect("an item")).unwrap()
}

/// A verdict, judged with what a court has.
fn judged(world: &World, run: &Exchange<'_>, verdict: &Value, receipts: &[&Value]) -> Judgement {
    let keys = |name: &Thumbprint| {
        let spki = [run.o.sign.spki_der().to_vec(), run.r.sign.spki_der().to_vec(), world.disk.arbiter_spki()];
        let all = spki.iter().map(|spki| Key::from_spki_der(spki).unwrap());
        all.into_iter().find(|key| key.thumbprint() == *name).map(Arc::new)
    };
    let rules = exchange_policy().inline.unwrap().predicates;
    let evidence = Evidence {
        first: run.i1.clone(),
        statements: vec![run.i2.clone()],
        receipts: receipts.iter().map(|receipt| jws(&receipt["jws"])).collect(),
        verdicts: vec![Filed { jws: jws(&verdict["jws"]), is_logged: true }],
        items: [None, None],
        rules: &rules,
    };
    let judgement = judge(&evidence, &keys).unwrap();
    assert!(judgement.rejected.is_empty() && judgement.findings.is_empty(), "{judgement:?}");
    judgement
}

/// Both deposit, both collect; whoever asks again gets the same octets, also after a restart.
#[tokio::test]
async fn both_have_what_was_described() {
    let (world, o, r) = arbiter().await;
    let run = Exchange::new(&world, &o, &r, DepositMode::Content);
    let (status, registered) = run.register(&world).await;
    assert_eq!((status, &registered["phase"]), (201, &json!("agreed")), "{registered}");
    assert_eq!(run.register(&world).await, (200, registered.clone()), "again: the same");
    let (_, shown) = run.show(&world, Side::Responder).await;
    assert_eq!((&shown["waiting_on"], &shown["next_if_silent"]), (&json!(["o", "r"]), &json!("returned")), "{shown}");

    let body = run.deposit(Side::Originator, ITEMS[0]);
    let (status, first) = run.leave_this(&world, Side::Originator, &body).await;
    assert_eq!((status, &first["taken"], &first["phase"]), (200, &json!(true), &json!("half")), "{first}");
    let (_, shown) = run.show(&world, Side::Originator).await;
    assert_eq!((&shown["phase"], &shown["waiting_on"]), (&json!("half"), &json!(["r"])), "{shown}");
    assert_eq!(shown["deposits"][0]["result"], "MATCH");
    let (status, refused) = run.state(&world, &run.collect(Side::Responder)).await;
    assert_eq!((status, &refused["code"]), (409, &json!("exchange.not_decided")), "nobody has it early: {refused}");

    let world = open(world.restart(false));
    assert_eq!(run.leave_this(&world, Side::Originator, &body).await, (200, first.clone()), "the same receipt");
    let (status, second) = run.leave(&world, Side::Responder).await;
    assert_eq!((status, &second["phase"]), (200, &json!("released")), "{second}");
    let judgement = judged(&world, &run, &second["verdict"], &[&first["statement"], &second["statement"]]);
    let released = judgement.released.expect("it is released");
    assert_eq!((released.for_r, released.for_o), (Digest::of(ITEMS[0]), Digest::of(ITEMS[1])));
    assert!(!released.is_waived);

    for (side, other) in [(Side::Originator, 1), (Side::Responder, 0)] {
        let request = run.collect(side);
        let (status, got) = run.state(&world, &request).await;
        assert_eq!((status, octets(&got).as_slice()), (200, ITEMS[other]), "{got}");
        assert_eq!((&got["item"]["media"], &got["verdict"]), (&json!(MEDIA[other]), &second["verdict"]));
        assert_eq!(run.state(&world, &request).await.1["item"], got["item"], "an answer can be lost");
    }
    use ExchangeKind::{InlineReleased, ItemCollected, ItemKept, Registered, Submitted};
    let all = [Registered, Submitted, ItemKept, Submitted, ItemKept, InlineReleased, ItemCollected, ItemCollected];
    assert_eq!(entries(&world), all);
    // Whatever comes now, the verdict stands.
    assert_eq!(run.leave_this(&world, Side::Originator, &body).await.1["verdict"], second["verdict"]);
    assert_eq!(run.state(&world, &run.cancel(Side::Originator)).await.1["verdict"], second["verdict"]);
    assert_eq!(entries(&world), all);
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// The arbiter keeps ciphertext, and who collects gets the key.
#[tokio::test]
async fn sealed_items_are_opened_to_be_checked_and_kept_closed() {
    let (world, o, r) = arbiter().await;
    let run = Exchange::new(&world, &o, &r, DepositMode::Sealed);
    run.register(&world).await;
    let (status, first) = run.leave(&world, Side::Responder).await;
    assert_eq!((status, &first["taken"]), (200, &json!(true)), "{first}");
    let (_, second) = run.leave(&world, Side::Originator).await;
    assert_eq!(second["phase"], "released", "{second}");
    judged(&world, &run, &second["verdict"], &[&first["statement"], &second["statement"]]);
    for (side, other) in [(Side::Originator, 1), (Side::Responder, 0)] {
        let (_, got) = run.state(&world, &run.collect(side)).await;
        let key: B64u32 = got["item"]["k"].as_str().expect("the key").parse().unwrap();
        let opened = open_item(&SecretKey::new(key.0.into()), &run.x(), side.other(), &octets(&got));
        assert_eq!(opened.expect("it opens").as_slice(), ITEMS[other]);
        // Neither in the clear nor in base64 is anything of it in the store.
        let reader = world.service.reader();
        let kept: Vec<_> = (0..reader.size()).filter_map(|index| reader.artefact(index).unwrap()).collect();
        let secrets = [ITEMS[0].to_vec(), ITEMS[1].to_vec(), key.0.to_vec(), b64u::encode(&key.0).into_bytes()];
        for secret in &secrets {
            assert!(!kept.iter().any(|octets| octets.windows(secret.len()).any(|window| window == secret)));
        }
    }
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// What is not what it says, or not what was described, is refused in writing, and another deposit may follow.
#[tokio::test]
async fn a_deposit_that_is_refused_may_be_replaced() {
    let (world, o, r) = arbiter().await;
    let run = Exchange::new(&world, &o, &r, DepositMode::Content);
    run.register(&world).await;
    let side = Side::Originator;
    let (deposit, _) = run.deposit_of(side, ITEMS[0]);
    let worse = Deposit { result: MatchResult::Mismatch, ..deposit.clone() };
    let (shorter, _) = run.deposit_of(side, b"The plans");
    for (deposit, beside, reason) in [
        (deposit.clone(), &b"something else"[..], DepositFault::OtherItem),
        (shorter, b"The plans", DepositFault::Mismatch),
        (worse, ITEMS[0], DepositFault::Mismatch),
    ] {
        let body = run.body_of(side, deposit, beside);
        let (status, answer) = run.leave_this(&world, side, &body).await;
        assert_eq!((status, &answer["taken"], &answer["phase"]), (200, &json!(false), &json!("agreed")), "{answer}");
        let refused: Refused = jws(&answer["statement"]["jws"]).payload_as().unwrap().body;
        assert_eq!((refused.side, refused.reason), (side, reason));
        assert_eq!(run.leave_this(&world, side, &body).await, (200, answer), "the same refusal");
    }
    // Sealed ones: another key in escrow, a ciphertext of something else.
    let sealed = Exchange::new(&world, &o, &r, DepositMode::Sealed);
    sealed.register(&world).await;
    let [key, other] = [(); 2].map(|()| SecretKey::generate(&OsEntropy).unwrap());
    let (wrong_escrow, content) = sealed.sealed(side, ITEMS[0], &key, &other);
    let (wrong_item, content_of_other) = sealed.sealed(side, b"something else", &key, &key);
    let table = [(wrong_escrow, content, DepositFault::Escrow), (wrong_item, content_of_other, DepositFault::Escrow)];
    for (item, content, reason) in table {
        let deposit = Deposit { sealed: Some(item), ..deposit.clone() };
        let (_, answer) = sealed.leave_this(&world, side, &sealed.body_of(side, deposit, &content)).await;
        let refused: Refused = jws(&answer["statement"]["jws"]).payload_as().unwrap().body;
        assert_eq!(refused.reason, reason, "{answer}");
    }
    let (_, good) = sealed.leave(&world, side).await;
    assert_eq!(good["taken"], true);
    let (_, good) = run.leave(&world, side).await;
    assert_eq!(good["taken"], true);
    let (status, problem) = run.leave_this(&world, side, &run.deposit(side, ITEMS[0])).await;
    assert_eq!((status, &problem["code"]), (409, &json!("exchange.already_deposited")), "{problem}");
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// After the end for deposits everything goes back, whether somebody asks or a timer fires, and is erased when nobody needs it.
#[tokio::test]
async fn a_deadline_returns_everything() {
    let (world, o, r) = arbiter().await;
    let [asked, silent, empty] = [(); 3].map(|()| Exchange::new(&world, &o, &r, DepositMode::Content));
    for run in [&asked, &silent, &empty] {
        run.register(&world).await;
    }
    for run in [&asked, &silent] {
        assert_eq!(run.leave(&world, Side::Originator).await.1["phase"], "half");
    }
    assert_eq!(world.service.look_at_exchanges().unwrap(), 0);
    pass_to(&world, Timestamp::from_millis(T_DEP + 1));
    // Too late, by whatever event it shows.
    let (status, late) = asked.leave(&world, Side::Responder).await;
    assert_eq!((status, &late["phase"], &late["taken"]), (200, &json!("returned"), &json!(false)), "{late}");
    assert_eq!(
        judged(&world, &asked, &late["verdict"], &[]).outcomes.into_iter().collect::<Vec<_>>(),
        [Outcome::Returned]
    );
    // What was begun before a start is found again.
    let world = open(world.restart(false));
    pass_to(&world, Timestamp::from_millis(T_DEP + 2));
    assert!(world.service.look_at_exchanges().unwrap() >= 2);
    for run in [&silent, &empty] {
        let (_, shown) = run.show(&world, Side::Responder).await;
        assert_eq!((&shown["phase"], &shown["outcome"]), (&json!("returned"), &json!("RETURNED")), "{shown}");
    }
    // Each gets back its own, and nothing of the other's.
    let (_, back) = silent.state(&world, &silent.collect(Side::Originator)).await;
    assert_eq!(octets(&back), ITEMS[0]);
    let (status, nothing) = silent.state(&world, &silent.collect(Side::Responder)).await;
    assert_eq!((status, &nothing["code"]), (410, &json!("exchange.nothing_to_collect")), "{nothing}");
    // What is back with its owner is erased at the next look, the other after retention.
    pass_to(&world, Timestamp::from_millis(T_DEP + 10));
    assert_eq!(world.service.look_at_exchanges().unwrap(), 1);
    let (_, shown) = silent.show(&world, Side::Originator).await;
    assert_eq!((&shown["erased"], &shown["due_by"]), (&json!(true), &Value::Null), "{shown}");
    let (status, gone) = silent.state(&world, &silent.collect(Side::Originator)).await;
    assert_eq!((status, &gone["code"]), (410, &json!("exchange.nothing_to_collect")), "{gone}");
    pass_to(&world, Timestamp::from_millis(T_DEP + 31 * DAY_MS));
    let world = open(world.restart(false));
    pass_to(&world, Timestamp::from_millis(T_DEP + 31 * DAY_MS));
    assert_eq!(world.service.look_at_exchanges().unwrap(), 1, "found again, and then no more");
    assert_eq!(world.service.look_at_exchanges().unwrap(), 0);
    let (status, gone) = asked.state(&world, &asked.collect(Side::Originator)).await;
    assert_eq!((status, &gone["code"]), (410, &json!("exchange.nothing_to_collect")), "{gone}");
    use ExchangeKind::{ItemsErased, Returned};
    let all = entries(&world);
    let count = |kind| all.iter().filter(|found| **found == kind).count();
    assert_eq!((count(Returned), count(ItemsErased)), (3, 2));
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// What a machine cannot check both sides must take as it is, or it returns.
#[tokio::test]
async fn what_only_people_can_judge_is_released_by_both_alone() {
    let (world, o, r) = arbiter().await;
    let of_goods = |_: usize| Exchange::with(&world, (&o, &r), |proposal| proposal.o_item = goods());
    let [taken, left] = [0, 1].map(of_goods);
    for run in [&taken, &left] {
        run.register(&world).await;
        let (_, early) = run.state(&world, &run.waive(Side::Originator, ITEMS)).await;
        assert_eq!(early["code"], "exchange.nothing_to_waive");
        run.leave(&world, Side::Originator).await;
        assert_eq!(run.leave(&world, Side::Responder).await.1["phase"], "both");
        let (_, shown) = run.show(&world, Side::Originator).await;
        assert_eq!((&shown["fairness"], &shown["deposits"][0]["result"]), (&json!("weak"), &json!("NEEDS_HUMAN")));
        let (status, problem) = run.state(&world, &run.waive(Side::Originator, [ITEMS[0], b"another"])).await;
        assert_eq!((status, &problem["code"]), (422, &json!("exchange.other_items")), "{problem}");
        let (_, first) = run.state(&world, &run.waive(Side::Originator, ITEMS)).await;
        assert_eq!((&first["phase"], &first["verdict"]), (&json!("both"), &Value::Null), "{first}");
        assert_eq!(run.show(&world, Side::Responder).await.1["waiting_on"], json!(["r"]));
    }
    let (_, second) = taken.state(&world, &taken.waive(Side::Responder, ITEMS)).await;
    assert!(judged(&world, &taken, &second["verdict"], &[]).released.expect("it is released").is_waived);
    assert_eq!(octets(&taken.state(&world, &taken.collect(Side::Responder)).await.1), ITEMS[0]);
    pass_to(&world, Timestamp::from_millis(T_EXP + 1));
    assert_eq!(world.service.look_at_exchanges().unwrap(), 1);
    let (_, shown) = left.show(&world, Side::Originator).await;
    assert_eq!(shown["outcome"], "RETURNED", "{shown}");
    assert_eq!(octets(&left.state(&world, &left.collect(Side::Responder)).await.1), ITEMS[1], "its own");
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

#[tokio::test]
async fn who_alone_has_deposited_may_cancel() {
    let (world, o, r) = arbiter().await;
    let run = Exchange::new(&world, &o, &r, DepositMode::Content);
    run.register(&world).await;
    run.leave(&world, Side::Originator).await;
    let (status, problem) = run.state(&world, &run.cancel(Side::Responder)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("exchange.other_deposited")), "{problem}");
    let (_, cancelled) = run.state(&world, &run.cancel(Side::Originator)).await;
    assert_eq!(cancelled["phase"], "returned", "{cancelled}");
    let verdict: Verdict = jws(&cancelled["verdict"]["jws"]).payload_as().unwrap().body;
    assert_eq!((verdict.outcome, verdict.basis.len()), (Outcome::Returned, 4));
    judged(&world, &run, &cancelled["verdict"], &[]);
    let (_, late) = run.leave(&world, Side::Responder).await;
    assert_eq!((&late["verdict"], &late["taken"]), (&cancelled["verdict"], &json!(false)));
    // Its signed status says the same.
    let (status, answer) = world.post(&o.login, &run.path("/status"), &json!({ "i1": text(&run.i1) })).await;
    let status_of: Status = jws(&answer["status"]).payload_as().unwrap().body;
    assert_eq!((status, status_of.outcome), (200, Some(Outcome::Returned)));
    assert_eq!(status_of.verdict, Some(jws(&cancelled["verdict"]["jws"]).digest().into()));
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

/// The arbiter was away in the last δ: whoever waited for it has as long again.
#[tokio::test]
async fn inline_outage_at_the_end_for_deposits() {
    let (world, o, r) = arbiter().await;
    let run = Exchange::new(&world, &o, &r, DepositMode::Content);
    run.register(&world).await;
    run.leave(&world, Side::Originator).await;
    let back = T_DEP + DELTA_MS;
    world.now.at(Timestamp::from_millis(back));
    let world = world.restart(false);
    world.service.recall_arbiter(Some(T_DEP - 1_000)).unwrap();
    let world = open(world);
    assert_eq!(world.service.look_at_exchanges().unwrap(), 1, "looked at, and found open");
    pass_to(&world, Timestamp::from_millis(back + DELTA_MS));
    let (_, answer) = run.leave(&world, Side::Responder).await;
    assert_eq!(
        (&answer["phase"], answer["outages"].as_array().map(Vec::len)),
        (&json!("released"), Some(1)),
        "{answer}"
    );
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

#[tokio::test]
async fn what_breaks_a_rule_of_exchanges_changes_nothing() {
    let (world, o, r) = arbiter().await;
    let stranger = world.party(&world.staff("officer")).await;
    let (run, another) =
        (Exchange::new(&world, &o, &r, DepositMode::Content), Exchange::new(&world, &o, &r, DepositMode::Content));
    let both = "/v1/exchanges".to_owned();
    let with = |change: &dyn Fn(&mut semper_ttp::statement::exchange::inline::I1)| {
        (both.clone(), Exchange::of(&world, (&o, &r), change).agreement())
    };
    let late = Millis::new(START.millis() + 91 * DAY_MS).unwrap();
    let kept = semper_ttp::statement::Count::new(31 * DAY_MS);
    let mut twice = run.agreement();
    twice["i2"] = json!(text(&another.i2));
    let mut unknown = run.agreement();
    unknown["i3"] = json!("x");
    let strange = name_of(&stranger.sign);
    let of_one = Exchange::of(&world, (&o, &o), |_| ()).agreement();
    let before_registered = run.deposit(Side::Originator, ITEMS[0]);
    let table: Vec<(&str, (String, Value), u16, &str)> = vec![
        ("another run's i2", (both.clone(), twice), 422, "exchange.other_run"),
        ("an unknown member", (both.clone(), unknown), 400, "http.malformed"),
        ("an arbiter's key of nobody", with(&|i1| i1.ttp.key = strange), 422, "exchange.other_arbiter"),
        ("an escrow key of nobody", with(&|i1| i1.ttp.escrow_key = strange), 422, "exchange.escrow_key"),
        ("an unknown policy", with(&|i1| i1.policy = Digest::of(b"none").into()), 422, "exchange.policy"),
        ("open for too long", with(&|i1| i1.t_exp = late), 422, "exchange.terms"),
        ("kept for too long", with(&|i1| i1.retention_ms = kept), 422, "exchange.terms"),
        ("told to be worth more", with(&|i1| i1.o_item = goods()), 422, "exchange.terms"),
        ("told to be worth less", with(&|i1| i1.fairness = Fairness::Weak), 422, "exchange.terms"),
        ("ends before its deposits", with(&|i1| i1.t_exp = Millis::new(T_DEP - 1).unwrap()), 422, "exchange.terms"),
        ("with itself", (both.clone(), of_one), 422, "exchange.one_party"),
        ("i2 as i1", (both.clone(), json!({ "i1": text(&run.i2), "i2": text(&run.i2) })), 400, "exchange.statement"),
        ("no statement", (both.clone(), json!({ "i1": "a.b.c", "i2": "a.b.c" })), 400, "exchange.statement"),
        ("not registered", (run.path("/statements"), run.cancel(Side::Originator)), 409, "exchange.not_registered"),
    ];
    for (what, (path, body), status, code) in table {
        let (answered, problem) = ask_at(&world, &path, &body).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{what}: {problem}");
    }
    let (status, problem) = run.leave_this(&world, Side::Originator, &before_registered).await;
    assert_eq!((status, &problem["code"]), (409, &json!("exchange.not_registered")), "{problem}");
    assert_eq!(entries(&world), []);

    run.register(&world).await;
    another.register(&world).await;
    let x = Some(run.x());
    let (deposit, _) = run.deposit_of(Side::Originator, ITEMS[0]);
    let encoded = BASE64_STANDARD.encode(ITEMS[0]);
    let by = |member: &Member, deposit: &Deposit| {
        let jws = sign(&member.sign, x, deposit.clone());
        json!({ "deposit": text(&jws), "item": encoded })
    };
    let (sealed, _) = Exchange::new(&world, &o, &r, DepositMode::Sealed).deposit_of(Side::Originator, ITEMS[0]);
    let mut high_s = by(&o, &deposit);
    high_s["x"] = json!(1);
    let collect = run.collect(Side::Originator)["statement"].clone();
    let table: Vec<(&str, Value, u16, &str)> = vec![
        ("by the other side", by(&r, &deposit), 403, "exchange.not_allowed"),
        ("by a stranger", by(&stranger, &deposit), 403, "exchange.not_allowed"),
        ("of another run", another.deposit(Side::Originator, ITEMS[0]), 422, "exchange.other_run"),
        ("of another mode", by(&o, &sealed), 422, "exchange.terms"),
        ("an unknown member", high_s, 400, "http.malformed"),
        ("not base64", json!({ "deposit": by(&o, &deposit)["deposit"], "item": "*" }), 400, "http.malformed"),
        ("a request to collect", json!({ "deposit": collect, "item": encoded }), 422, "exchange.request"),
        (
            "as long as none",
            json!({ "deposit": by(&o, &deposit)["deposit"], "item": "A".repeat(1_500_000) }),
            413,
            "http.too_large",
        ),
    ];
    for (what, body, status, code) in table {
        let (answered, problem) = run.leave_this(&world, Side::Originator, &body).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{what}: {problem}");
    }
    let stated = json!({ "statement": by(&o, &deposit)["deposit"] });
    let (status, problem) = run.state(&world, &stated).await;
    assert_eq!((status, &problem["code"]), (422, &json!("exchange.request")), "{problem}");
    // A stranger sees no exchange, and neither does who asks for one that there is not.
    for path in [run.path(""), "/v1/exchanges/AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE".to_owned()] {
        assert_eq!(world.get(&stranger.login, &path).await.0, 404);
    }
    // A key that was revoked deposits nothing, and registers nothing.
    world.revoke(&o.sign_certificate, Reason::KeyCompromise);
    let (status, problem) = run.leave(&world, Side::Originator).await;
    assert_eq!((status, &problem["code"]), (422, &json!("exchange.key")), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("revoked at")), "{problem}");
    let new = Exchange::new(&world, &o, &r, DepositMode::Content);
    assert_eq!(new.register(&world).await.1["code"], "exchange.key");
    assert_eq!(entries(&world), [ExchangeKind::Registered; 2]);
    // Refusals of those who are known are on record.
    let refused =
        world.kinds().into_iter().filter(|kind| *kind == Kind::Ops(semper_ttp::evidence::OpsKind::CallRefused));
    assert!(refused.count() >= 8);
}

/// An exchange that is registered after its end is over at once: whoever proposed it knows what became of it.
#[tokio::test]
async fn what_is_shown_too_late_is_returned_at_once() {
    let (world, o, r) = arbiter().await;
    let run = Exchange::new(&world, &o, &r, DepositMode::Content);
    pass_to(&world, Timestamp::from_millis(T_DEP + 1));
    let (status, answer) = run.register(&world).await;
    assert_eq!((status, &answer["phase"]), (201, &json!("returned")), "{answer}");
    judged(&world, &run, &answer["verdict"], &[]);
    assert_eq!(world.service.look_at_exchanges().unwrap(), 0);
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

#[tokio::test]
async fn one_party_registers_so_many_in_a_minute() {
    let (world, o, r) = arbiter().await;
    for _ in 0..RUNS_PER_MINUTE {
        assert_eq!(Exchange::new(&world, &o, &r, DepositMode::Content).register(&world).await.0, 201);
    }
    let (status, problem) = Exchange::new(&world, &o, &r, DepositMode::Content).register(&world).await;
    assert_eq!((status, &problem["code"]), (429, &json!("server.busy")), "{problem}");
}

/// Each at the same instant, again and again: one verdict for both, and both items with RELEASED only.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn inline_cancel_deposit_race() {
    let (world, o, r) = arbiter().await;
    let mut outcomes = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..RUNS_PER_MINUTE.min(100) {
        let run = Exchange::new(&world, &o, &r, DepositMode::Content);
        run.register(&world).await;
        let [left, right] = [run.deposit(Side::Originator, ITEMS[0]), run.deposit(Side::Responder, ITEMS[1])];
        let cancel = run.cancel(Side::Originator);
        let (a, b, c) = tokio::join!(
            run.leave_this(&world, Side::Originator, &left),
            run.leave_this(&world, Side::Responder, &right),
            run.state(&world, &cancel)
        );
        let statuses = [a.0, b.0, c.0];
        let (_, shown) = run.show(&world, Side::Originator).await;
        let outcome = shown["outcome"].as_str().expect("it is decided either way").to_owned();
        assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
        for side in SIDES {
            let (status, got) = run.state(&world, &run.collect(side)).await;
            match outcome.as_str() {
                "RELEASED" => assert_eq!(octets(&got), if side == Side::Originator { ITEMS[1] } else { ITEMS[0] }),
                _ if status == 200 => {
                    assert_eq!(octets(&got), if side == Side::Originator { ITEMS[0] } else { ITEMS[1] })
                }
                _ => assert_eq!(got["code"], "exchange.nothing_to_collect"),
            }
        }
        *outcomes.entry(outcome).or_default() += 1;
    }
    assert!(outcomes.keys().all(|outcome| ["RELEASED", "RETURNED"].contains(&outcome.as_str())), "{outcomes:?}");
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}

#[tokio::test]
async fn the_service_says_how_items_are_exchanged() {
    let (world, ..) = arbiter().await;
    let known = known(&world).await;
    let inline = &known["exchange"]["protocols"]["inline"];
    assert_eq!((&inline["path"], &inline["item_bytes_max"]), (&json!("/v1/exchanges"), &json!(1 << 20)), "{inline}");
    assert_eq!(inline["retention_ms"], json!(30 * DAY_MS));
}

/// A rule of the policy says which octets are good enough, where no hash can.
#[tokio::test]
async fn a_rule_of_the_policy_decides_what_matches() {
    let (world, o, r) = arbiter().await;
    let run = Exchange::with(&world, (&o, &r), |proposal| {
        let rule = RuleName::new("json-object/1");
        let described = semper_ttp::statement::exchange::item::ItemDescriptor {
            sha256: None,
            len: None,
            predicate: rule,
            ..file(ITEMS[1], MEDIA[1])
        };
        proposal.r_item = described;
    });
    assert_eq!(run.register(&world).await.0, 201);
    let (_, refused) = run.leave_this(&world, Side::Responder, &run.deposit(Side::Responder, b"no JSON")).await;
    assert_eq!(refused["taken"], false, "{refused}");
    let (_, taken) = run.leave_this(&world, Side::Responder, &run.deposit(Side::Responder, br#"{"other":1}"#)).await;
    assert_eq!(taken["taken"], true, "{taken}");
    assert_eq!(run.leave(&world, Side::Originator).await.1["phase"], "released");
    assert_eq!(differences(&world, RoleCode::Exchange), [""; 0]);
}
