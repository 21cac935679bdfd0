//! Payments over `/v1`: goods and receipts, with the simulated rail. After each the money is where the verdict says, once.

mod world;

use semper_ttp::{
    evidence::{ExchangeKind, Kind},
    payment::{
        rail::{DeclineCode, RailOp},
        simulator::Trick,
    },
    statement::{
        Jws,
        exchange::{
            Outcome, Side,
            cd_r::{D1, D4},
            pg::{Cancel, HandedOver, Received, Rejected, Shipped},
            pr::PaymentReceipt,
            verdict::Verdict,
        },
    },
};
use serde_json::{Value, json};
use world::{
    START,
    delivery::Delivery,
    exchange::{ask_at, known, sign, text},
    http::metrics,
    notary::open,
    office::{DELTA_MS, Member, World},
    payment::{FEE, PRICE, Sale, T_ACCEPT, T_EXP, T_HOLD, T_SHIP, balanced, pass_and_look},
};

/// What rails there are is said before anybody signs, and that no money is behind them.
#[tokio::test]
async fn rails_are_told_with_what_they_are() {
    let (world, _) = arbiter().await;
    let payments = known(&world).await["payments"].clone();
    assert_eq!(payments["rails"], json!([{ "name": "sim", "class": "funded", "real_money": false }]));
    assert_eq!(payments["protocols"]["pg"]["fairness"]["physical"], "weak");
}

/// A world with an arbiter, a rail and three parties: who pays, who is paid, who carries.
async fn arbiter() -> (World, [Member; 3]) {
    let world = open(World::new());
    world.disk.rail.advance_to(START);
    let officer = world.staff("officer");
    let parties = [world.party(&officer).await, world.party(&officer).await, world.party(&officer).await];
    (world, parties)
}

fn bicycle<'w>(world: &World, [payer, payee, carrier]: &'w [Member; 3]) -> Sale<'w> {
    Sale::goods(world, payer, payee, Some(carrier), true, |_| ())
}

fn stage(answer: &Value) -> (&str, &str) {
    (answer["stage"].as_str().unwrap(), answer["money"]["state"].as_str().unwrap())
}

fn paid_kinds(world: &World) -> Vec<ExchangeKind> {
    let kinds = world.kinds().into_iter();
    kinds.filter_map(|kind| if let Kind::Exchange(kind) = kind { Some(kind) } else { None }).collect()
}

#[tokio::test]
async fn physical_goods_are_paid_when_the_time_to_reject_them_is_over() {
    let (world, parties) = arbiter().await;
    let sale = bicycle(&world, &parties);
    let opened = sale.open(&world).await;
    assert_eq!(stage(&opened), ("ORDERED", "NONE"));
    assert_eq!(opened["awaited"]["statements"], json!(["accepted", "cancelled-by-payer", "cancelled-by-payee"]));
    assert_eq!(opened["awaited"]["then"], "EXPIRED");
    assert_eq!(sale.open(&world).await, opened, "again: nothing new");
    // Taken by the seller, the money is held before the answer.
    let held = sale.said(&world, &sale.accept()).await;
    assert_eq!(stage(&held), ("HELD", "HELD"));
    assert_eq!((&held["money"]["held"], &held["money"]["captured"]), (&json!("10000"), &json!("0")));
    let [_, _, carrier] = &parties;
    assert_eq!(stage(&sale.said(&world, &sale.by(carrier, Shipped {})).await), ("SHIPPED", "HELD"));
    let there = sale.said(&world, &sale.by(carrier, HandedOver {})).await;
    assert_eq!((stage(&there), &there["awaited"]["then"]), (("HANDED_OVER", "HELD"), &json!("CAPTURED")));
    pass_and_look(&world, START.millis() + T_ACCEPT);
    assert_eq!(stage(&sale.shown(&world).await).0, "HANDED_OVER", "the last moment is in time");
    pass_and_look(&world, START.millis() + T_ACCEPT + 1);
    let paid = sale.shown(&world).await;
    assert_eq!((stage(&paid), &paid["decided"]["outcome"]), (("DECIDED", "CAPTURED"), &json!("CAPTURED")));
    assert_eq!(sale.judged(&world, &paid, &[]), (Outcome::Captured, false));
    assert_eq!(balanced(&world), (1, 0));
    assert_eq!(sale.owed(&world), (i128::from(PRICE - FEE), i128::from(FEE)));
    // Each statement has its proof; the verdict is one.
    let tags: Vec<_> = paid["statements"].as_array().unwrap().iter().map(|one| one["t"].as_str().unwrap()).collect();
    assert_eq!(tags, ["pg/order", "pg/accept", "pg/shipped", "pg/handed-over"]);
    assert_eq!(paid_kinds(&world).iter().filter(|kind| **kind == ExchangeKind::PaidDecided).count(), 1);
    // What comes now is recorded, and changes nothing.
    let late = sale.said(&world, &sale.by(&parties[0], Received {})).await;
    assert_eq!((&late["decided"], &late["statements"][4]["counts"]), (&paid["decided"], &json!(false)));
    assert_eq!(balanced(&world), (1, 0));
}

#[tokio::test]
async fn the_buyers_own_word_pays_at_once() {
    let (world, parties) = arbiter().await;
    let sale = bicycle(&world, &parties);
    sale.open(&world).await;
    sale.said(&world, &sale.accept()).await;
    let paid = sale.said(&world, &sale.by(&parties[0], Received {})).await;
    assert_eq!((stage(&paid), &paid["decided"]["outcome"]), (("DECIDED", "CAPTURED"), &json!("CAPTURED")));
    sale.judged(&world, &paid, &[]);
    assert_eq!(balanced(&world), (1, 0));
}

#[tokio::test]
async fn what_is_not_shipped_is_paid_back() {
    let (world, parties) = arbiter().await;
    let sale = bicycle(&world, &parties);
    sale.open(&world).await;
    sale.said(&world, &sale.accept()).await;
    pass_and_look(&world, T_SHIP);
    assert_eq!(stage(&sale.shown(&world).await), ("HELD", "HELD"));
    pass_and_look(&world, T_SHIP + 1);
    let back = sale.shown(&world).await;
    assert_eq!((stage(&back), &back["decided"]["outcome"]), (("DECIDED", "RELEASED"), &json!("RELEASED")));
    sale.judged(&world, &back, &[]);
    assert_eq!(balanced(&world), (0, 1));
    assert_eq!(sale.owed(&world), (0, 0));
}

#[tokio::test]
async fn what_was_rejected_is_paid_back_unless_somebody_opens_a_case() {
    let (world, parties) = arbiter().await;
    let [buyer, _, carrier] = &parties;
    let sale = bicycle(&world, &parties);
    sale.open(&world).await;
    for jws in [sale.accept(), sale.by(carrier, HandedOver {}), sale.by(buyer, Rejected {})] {
        sale.said(&world, &jws).await;
    }
    assert_eq!(stage(&sale.shown(&world).await), ("REJECTED", "HELD"));
    pass_and_look(&world, T_EXP + 1);
    let back = sale.shown(&world).await;
    assert_eq!(back["decided"]["outcome"], "RELEASED");
    sale.judged(&world, &back, &[]);
    assert_eq!(balanced(&world), (0, 1));
}

#[tokio::test]
async fn orders_end_without_money_or_by_both_sides() {
    let (world, parties) = arbiter().await;
    let [buyer, seller, _] = &parties;
    // Nobody takes it.
    let ignored = bicycle(&world, &parties);
    ignored.open(&world).await;
    // Taken back before it was accepted.
    let alone = bicycle(&world, &parties);
    alone.open(&world).await;
    let void = alone.said(&world, &alone.by(buyer, Cancel {})).await;
    assert_eq!((&void["decided"]["outcome"], stage(&void)), (&json!("VOID"), ("DECIDED", "NONE")));
    // By both, when the money is held.
    let both = bicycle(&world, &parties);
    both.open(&world).await;
    both.said(&world, &both.accept()).await;
    let half = both.said(&world, &both.by(buyer, Cancel {})).await;
    assert_eq!(half["decided"], Value::Null);
    let back = both.said(&world, &both.by(seller, Cancel {})).await;
    assert_eq!((&back["decided"]["outcome"], stage(&back).1), (&json!("RELEASED"), "RELEASED"));
    both.judged(&world, &back, &[]);
    pass_and_look(&world, T_HOLD + 1);
    assert_eq!(ignored.shown(&world).await["decided"]["outcome"], "EXPIRED");
    assert_eq!(balanced(&world), (0, 1));
}

#[tokio::test]
async fn a_receipt_counts_once_it_is_paid() {
    let (world, parties) = arbiter().await;
    let [payer, payee, _] = &parties;
    let sale = Sale::receipt(&world, payer, payee);
    assert_eq!(stage(&sale.open(&world).await), ("HELD", "HELD"));
    let body = sale.first.payload_as::<semper_ttp::statement::exchange::pr::PaymentOffer>().unwrap().body;
    let receipt = PaymentReceipt { offer: sale.first.digest().into(), receipt: body.receipt };
    let paid = sale.said(&world, &sale.by(payee, receipt)).await;
    assert_eq!((stage(&paid), &paid["decided"]["outcome"]), (("DECIDED", "CAPTURED"), &json!("CAPTURED")));
    assert_eq!(sale.judged(&world, &paid, &[]), (Outcome::Captured, true));
    assert_eq!(balanced(&world), (1, 0));
    // Without a receipt the money goes back.
    let other = Sale::receipt(&world, payer, payee);
    other.open(&world).await;
    pass_and_look(&world, T_EXP + 1);
    assert_eq!(other.shown(&world).await["decided"]["outcome"], "RELEASED");
    assert_eq!(balanced(&world), (1, 1));
}

#[tokio::test]
async fn a_hold_that_is_declined_binds_nobody() {
    let (world, parties) = arbiter().await;
    world.disk.rail.script(RailOp::Hold, Trick::Decline(DeclineCode::Funds));
    let sale = bicycle(&world, &parties);
    sale.open(&world).await;
    let void = sale.said(&world, &sale.accept()).await;
    assert_eq!((stage(&void), &void["decided"]["outcome"]), (("DECIDED", "DECLINED"), &json!("VOID")));
    sale.judged(&world, &void, &[]);
    assert_eq!(balanced(&world), (0, 0));
}

/// A rail whose answers are lost, or whose questions are: the same is asked again, and it happens once.
#[tokio::test]
async fn what_nobody_knows_is_asked_again_under_the_same_key() {
    for lost in [Trick::TimeoutThenDone, Trick::TimeoutThenNothing] {
        let (world, parties) = arbiter().await;
        let rail = &world.disk.rail;
        rail.script(RailOp::Hold, lost);
        rail.script(RailOp::Capture, lost);
        let sale = bicycle(&world, &parties);
        sale.open(&world).await;
        let asked = sale.said(&world, &sale.accept()).await;
        assert_eq!(stage(&asked), ("ACCEPTED", "REQUESTED"), "{lost:?}");
        world.service.look_at_payments();
        assert_eq!(stage(&sale.shown(&world).await).1, "REQUESTED", "not at once");
        pass_and_look(&world, START.millis() + 1_000);
        assert_eq!(stage(&sale.shown(&world).await), ("HELD", "HELD"), "{lost:?}");
        let received = sale.said(&world, &sale.by(&parties[0], Received {})).await;
        assert_eq!(stage(&received), ("DECIDED", "CAPTURING"), "decided, and not known yet");
        pass_and_look(&world, START.millis() + 2_000);
        assert_eq!(stage(&sale.shown(&world).await), ("DECIDED", "CAPTURED"));
        assert_eq!(balanced(&world), (1, 0));
        let captures = rail.statement().iter().filter(|line| line.what == "capture").count();
        assert_eq!(captures, 1, "{lost:?}: the rail itself has captured once");
    }
}

/// The rail gives no answer until the time for it is over: that is decided, and what it held after all goes back.
#[tokio::test]
async fn a_hold_that_is_there_too_late_goes_back() {
    let (world, parties) = arbiter().await;
    world.disk.rail.script(RailOp::Hold, Trick::TimeoutThenNothing);
    let sale = bicycle(&world, &parties);
    sale.open(&world).await;
    sale.said(&world, &sale.accept()).await;
    pass_and_look(&world, T_HOLD + 1);
    let over = sale.shown(&world).await;
    assert_eq!((stage(&over), &over["decided"]["outcome"]), (("DECIDED", "RELEASED"), &json!("EXPIRED")));
    assert_eq!(balanced(&world), (0, 1));
}

/// What was decided and is declined is ordered again, ever more rarely, and not without end; nobody's statements hurry it.
#[tokio::test]
async fn a_capture_that_is_declined_for_good_is_left_to_people() {
    let (world, parties) = arbiter().await;
    for _ in 0..4 {
        world.disk.rail.script(RailOp::Capture, Trick::Decline(DeclineCode::Refused));
    }
    let sale = bicycle(&world, &parties);
    sale.open(&world).await;
    sale.said(&world, &sale.accept()).await;
    let declined = sale.said(&world, &sale.by(&parties[0], Received {})).await;
    assert_eq!((stage(&declined), &declined["decided"]["outcome"]), (("DECIDED", "HELD"), &json!("CAPTURED")));
    let asked = || world::payment::money_facts(&world).iter().filter(|fact| fact.answers().is_some()).count();
    assert_eq!(asked(), 2);
    sale.said(&world, &sale.by(&parties[0], Cancel {})).await;
    assert_eq!(asked(), 2, "a late statement hurries nothing");
    let mut now = START.millis();
    for (wait, answers) in [(60_000, 3), (600_000, 4), (6_000_000, 5)] {
        pass_and_look(&world, now + wait - 1);
        assert_eq!(asked(), answers - 1);
        now += wait;
        pass_and_look(&world, now);
        assert_eq!(asked(), answers);
    }
    let left = sale.shown(&world).await;
    assert_eq!((stage(&left), &left["money"]["unsettled"]), (("DECIDED", "HELD"), &json!(true)));
    pass_and_look(&world, now + 100 * T_ACCEPT);
    assert_eq!(asked(), 5, "never again");
    // People are told until they have seen to it, also by the next process.
    let told = async |world: &World| {
        (0..2).for_each(|_| world.service.look_at_payments());
        let lines = metrics(&world.service).await;
        lines.iter().any(|line| line == "semper_payments{state=\"unsettled\"} 1")
    };
    assert!(told(&world).await);
    let lines = metrics(&world.service).await;
    let declined = lines.iter().find(|line| line.contains("answer=\"declined\",op=\"capture\""));
    assert!(declined.is_some_and(|line| line.ends_with(" 4")), "{declined:?}");
    let world = open(world.restart(false));
    assert!(told(&world).await);
}

/// Nothing but the ledger and the rail outlives the service.
#[tokio::test]
async fn a_crash_between_any_two_steps_loses_and_repeats_nothing() {
    let (world, parties) = arbiter().await;
    let rail = world.disk.rail.clone();
    // The question is lost, and so is the service that would have asked again.
    rail.script(RailOp::Hold, Trick::TimeoutThenNothing);
    rail.script(RailOp::Capture, Trick::TimeoutThenDone);
    let sale = bicycle(&world, &parties);
    sale.open(&world).await;
    sale.said(&world, &sale.accept()).await;
    let world = open(world.restart(false));
    world.service.look_at_payments();
    assert_eq!(stage(&sale.shown(&world).await), ("HELD", "HELD"));
    let received = sale.said(&world, &sale.by(&parties[0], Received {})).await;
    assert_eq!(stage(&received), ("DECIDED", "CAPTURING"));
    let world = open(world.restart(false));
    world.service.look_at_payments();
    assert_eq!(stage(&sale.shown(&world).await), ("DECIDED", "CAPTURED"));
    assert_eq!(balanced(&world), (1, 0));
    assert_eq!(sale.shown(&world).await["decided"], received["decided"]);
    // One that waits for a moment alone is found as well.
    let other = bicycle(&world, &parties);
    other.open(&world).await;
    other.said(&world, &other.accept()).await;
    let world = open(world.restart(false));
    pass_and_look(&world, T_SHIP + 1);
    assert_eq!(stage(&other.shown(&world).await), ("DECIDED", "RELEASED"));
    assert_eq!(balanced(&world), (1, 1));
    let size = world.service.reader().size();
    let world = open(world.restart(false));
    pass_and_look(&world, T_EXP + 1);
    let kinds = world.kinds();
    let moved = kinds[size as usize..].iter().filter(|kind| matches!(kind, Kind::Exchange(_) | Kind::Payment(_)));
    assert_eq!(moved.count(), 0, "what is over is left alone");
}

/// The arbiter was away when the goods had to be shipped: whoever waited for it has as long again.
#[tokio::test]
async fn an_absence_moves_the_end_of_a_stage() {
    let (world, parties) = arbiter().await;
    let sale = bicycle(&world, &parties);
    sale.open(&world).await;
    sale.said(&world, &sale.accept()).await;
    let back = T_SHIP + 5 * DELTA_MS;
    world.now.at(semper_ttp::time::Timestamp::from_millis(back));
    let world = world.restart(false);
    world.service.recall_arbiter(Some(T_SHIP - 1_000)).unwrap();
    world.service.look_at_payments();
    let world = open(world);
    pass_and_look(&world, back + DELTA_MS);
    let shown = sale.shown(&world).await;
    assert_eq!(stage(&shown), ("HELD", "HELD"));
    let until = semper_ttp::time::Timestamp::from_millis(back + DELTA_MS).to_string();
    assert_eq!((&shown["awaited"]["until"], &shown["decided"]), (&json!(until), &Value::Null));
    pass_and_look(&world, back + DELTA_MS + 1);
    let over = sale.shown(&world).await;
    assert_eq!(over["decided"]["outcome"], "RELEASED");
    assert_eq!(balanced(&world), (0, 1));
}

#[tokio::test]
async fn strangers_see_nothing_and_move_nothing() {
    let (world, parties) = arbiter().await;
    let [buyer, seller, carrier] = &parties;
    let officer = world.staff("officer");
    let stranger = world.party(&officer).await;
    let sale = bicycle(&world, &parties);
    // Said before it was begun.
    assert_eq!(sale.say(&world, &sale.accept()).await.0, 404);
    sale.open(&world).await;
    for (who, status) in [(buyer, 200), (seller, 200), (carrier, 200), (&stranger, 404)] {
        assert_eq!(sale.seen_by(&world, who).await.0, status);
    }
    let unknown = bicycle(&world, &parties);
    assert_eq!(unknown.seen_by(&world, buyer).await.0, 404);
    let refused = [
        (sale.by(&stranger, semper_ttp::statement::exchange::pg::Accept { order: sale.first.digest().into() }), 403),
        (sale.by(&stranger, Cancel {}), 403),
        (sale.by(seller, Received {}), 403),
        (sale.by(seller, Shipped {}), 403),
        // Not yet.
        (sale.by(buyer, Received {}), 409),
        (sale.by(carrier, Shipped {}), 409),
        // Of another run.
        (unknown.by(seller, Cancel {}), 422),
    ];
    for (jws, status) in refused {
        let (answered, problem) = sale.say(&world, &jws).await;
        assert_eq!(answered, status, "{}: {problem}", jws.tag());
    }
    assert_eq!(stage(&sale.shown(&world).await), ("ORDERED", "NONE"));
    // Another's name, another rail, another arbiter.
    let signed_by_other = Sale::goods(&world, buyer, seller, None, true, |order| order.buyer.id = stranger.id);
    let no_rail = Sale::goods(&world, buyer, seller, None, true, |order| {
        order.rail = semper_ttp::money::RailId::new("other").unwrap();
    });
    let codes = [(signed_by_other, "exchange.key"), (no_rail, "paid.rail")];
    for (sale, code) in codes {
        let (status, problem) = ask_at(&world, "/v1/payments", &json!({ "statement": text(&sale.first) })).await;
        assert_eq!((status, &problem["code"]), (422, &json!(code)));
    }
    let mine = Sale::goods(&world, buyer, seller, None, true, |order| order.carrier = Some(order.seller));
    let (status, _) = ask_at(&world, "/v1/payments", &json!({ "statement": text(&mine.first) })).await;
    assert_eq!(status, 422, "a side that is its own carrier");
}

/// Digital goods, with the delivery that is paid for by them.
fn file<'w>(world: &World, [buyer, seller, _]: &'w [Member; 3]) -> (Sale<'w>, Delivery<'w>) {
    let sale = Sale::goods(world, buyer, seller, None, false, |_| ());
    let pay = sale.x();
    let same = |_: &D1, key: &semper_ttp::crypto::SecretKey| key.clone();
    let delivery = Delivery::with(world, (seller, buyer), Some(T_EXP - DELTA_MS), same, |d1| d1.pay = Some(pay.into()));
    (sale, delivery)
}

/// The buyer has received, and both of its delivery's statements are shown.
#[tokio::test]
async fn digital_goods_are_paid_by_the_buyers_receipt() {
    let (world, parties) = arbiter().await;
    let (sale, delivery) = file(&world, &parties);
    sale.open(&world).await;
    sale.said(&world, &sale.accept()).await;
    let hm = delivery.d1.payload_as::<D1>().unwrap().body.hm;
    let d4 = sign(&parties[0].sign, Some(delivery.x()), D4 { hm });
    let (status, problem) = sale.say(&world, &d4).await;
    assert_eq!((status, &problem["code"]), (422, &json!("exchange.request")), "of which delivery?");
    assert_eq!(stage(&sale.said(&world, &delivery.d1).await), ("HELD", "HELD"));
    // One payment, one delivery.
    let (_, other) = file(&world, &parties);
    assert_eq!(sale.say(&world, &other.d1).await.0, 422, "it is for another payment");
    let paid = sale.said(&world, &d4).await;
    assert_eq!((stage(&paid), &paid["decided"]["outcome"]), (("DECIDED", "CAPTURED"), &json!("CAPTURED")));
    assert_eq!(sale.judged(&world, &paid, &[delivery.d1.clone(), d4]), (Outcome::Captured, false));
    assert_eq!(balanced(&world), (1, 0));
}

/// The buyer withholds its receipt: what this arbiter decides about the delivery pays, and nobody has to bring it.
#[tokio::test]
async fn digital_goods_are_paid_by_the_verdict_about_their_delivery() {
    let (world, parties) = arbiter().await;
    let (sale, delivery) = file(&world, &parties);
    sale.open(&world).await;
    sale.said(&world, &sale.accept()).await;
    let (status, released) = delivery.ask(&world, &delivery.resolve(Side::Originator)).await;
    assert_eq!((status, &released["outcome"]), (200, &json!("RELEASED")), "{released}");
    world.service.look_at_payments();
    let paid = sale.shown(&world).await;
    assert_eq!((stage(&paid), &paid["decided"]["outcome"]), (("DECIDED", "CAPTURED"), &json!("CAPTURED")));
    sale.judged(&world, &paid, &[]);
    assert_eq!(balanced(&world), (1, 0));
    // Somebody brings it all the same.
    let verdict = Jws::parse(released["verdict"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(sale.said(&world, &verdict).await["decided"], paid["decided"]);
    // Of another one, that came to nothing, the money goes back; and the service has crashed before it looked.
    let (sale, delivery) = file(&world, &parties);
    sale.open(&world).await;
    sale.said(&world, &sale.accept()).await;
    assert_eq!(delivery.ask(&world, &delivery.abort()).await.1["outcome"], "ABORTED");
    let world = open(world.restart(false));
    world.service.look_at_payments();
    let back = sale.shown(&world).await;
    assert_eq!((stage(&back), &back["decided"]["outcome"]), (("DECIDED", "RELEASED"), &json!("RELEASED")));
    sale.judged(&world, &back, &[]);
    assert_eq!(balanced(&world), (1, 1));
}

/// What was decided before the money was held counts as soon as it is; a verdict that nobody has made counts never.
#[tokio::test]
async fn a_verdict_counts_when_the_money_is_held_and_the_ledger_has_it() {
    let (world, parties) = arbiter().await;
    let (sale, delivery) = file(&world, &parties);
    sale.open(&world).await;
    let (status, released) = delivery.ask(&world, &delivery.resolve(Side::Originator)).await;
    assert_eq!((status, &released["outcome"]), (200, &json!("RELEASED")));
    world.service.look_at_payments();
    assert_eq!(stage(&sale.shown(&world).await), ("ORDERED", "NONE"));
    let paid = sale.said(&world, &sale.accept()).await;
    assert_eq!((stage(&paid), &paid["decided"]["outcome"]), (("DECIDED", "CAPTURED"), &json!("CAPTURED")));
    sale.judged(&world, &paid, &[]);
    assert_eq!(balanced(&world), (1, 0));
    // Signed by the arbiter's own key, and in no ledger.
    let (other, delivery) = file(&world, &parties);
    other.open(&world).await;
    other.said(&world, &other.accept()).await;
    let decided = Jws::parse(released["verdict"].as_str().unwrap().as_bytes()).unwrap();
    let mut body = decided.payload_as::<Verdict>().unwrap().body;
    body.basis = vec![text(&delivery.d1), text(&delivery.d2)];
    let forged = sign(world.disk.arbiter_key(), Some(delivery.x()), body);
    let (status, problem) = other.say(&world, &forged).await;
    assert_eq!(status / 100, 4, "{problem}");
    assert_eq!(stage(&other.shown(&world).await), ("HELD", "HELD"));
    pass_and_look(&world, T_EXP + 1);
    assert_eq!(other.shown(&world).await["decided"]["outcome"], "RELEASED");
    assert_eq!(balanced(&world), (1, 1));
}
