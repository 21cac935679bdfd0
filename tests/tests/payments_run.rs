//! Payments of a running server: by the simulated rail of its settings, through a kill between an order and its end, and audited.

use semper_tests::arbiter::{self, Party, arbiter, known, text};
use semper_tests::notary::World;
use semper_tests::server::Server;
use semper_ttp::exchange::terms_hash;
use semper_ttp::money::{Amount, Currency, RailId};
use semper_ttp::statement::exchange::pg::{Accept, Goods, GoodsOrder, Received};
use semper_ttp::statement::exchange::pr::{PaymentOffer, PaymentReceipt};
use semper_ttp::statement::exchange::{Assurance, FeeBps, Line};
use semper_ttp::statement::{Count, Jws, Millis};
use serde_json::{Value, json};

/// In an hour, and so many more.
fn in_hours(hours: u64) -> Millis {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Millis::new(since_1970.as_millis() as u64 + hours * 3_600_000).unwrap()
}

fn order(server: &Server, buyer: &Party, seller: &Party) -> Jws {
    let known = known(server);
    let order = GoodsOrder {
        deal: None,
        policy: known["exchange"]["policy"].as_str().expect("a policy").parse().expect("its digest"),
        buyer: buyer.participant(),
        seller: seller.participant(),
        carrier: None,
        ttp: arbiter(&known).0,
        terms: terms_hash(&[3; 32], b"One bicycle, blue.").into(),
        terms_media: Line::new("text/plain").unwrap(),
        goods: Goods::Physical {},
        amount: Amount::new(10_000, Currency::new("EUR").unwrap()).unwrap(),
        fee_bps: FeeBps::new(250).unwrap(),
        rail: RailId::new("sim").unwrap(),
        t_hold: in_hours(1),
        t_ship: Some(in_hours(2)),
        t_accept: Some(Count::new(3_600_000).unwrap()),
        t_exp: in_hours(10),
        assurance: Assurance::NonQualified,
    };
    buyer.sign(None, order)
}

fn post(server: &Server, path: &str, statement: &Jws) -> Value {
    let (status, shown) = arbiter::post(server, path, &json!({ "statement": text(statement) }));
    assert_eq!(status, 200, "{shown}");
    shown
}

fn say(server: &Server, first: &Jws, statement: &Jws) -> Value {
    let x = semper_ttp::b64u::encode(first.x().as_bytes());
    post(server, &format!("/v1/payments/{x}/statements"), statement)
}

fn standing(shown: &Value) -> (&str, &str, &str) {
    (
        shown["stage"].as_str().unwrap(),
        shown["money"]["state"].as_str().unwrap(),
        shown["decided"]["outcome"].as_str().unwrap_or_default(),
    )
}

#[test]
fn money_is_held_over_a_kill_and_captured_once_and_the_audit_finds_nothing() {
    let world = World::with(&[
        ("exchange.enabled", "true"),
        ("exchange.rail", r#"[{ name = "sim", kind = "simulator", class = "funded" }]"#),
    ]);
    let (buyer, seller) = (Party::new(&world.registered("buyer")), Party::new(&world.registered("seller")));
    let rails = known(&world.server)["payments"]["rails"].clone();
    assert_eq!(rails, json!([{ "name": "sim", "class": "funded", "real_money": false }]));
    assert!(world.server.stderr().contains("THIS RAIL IS SIMULATED"), "it says so at the start");
    let first = order(&world.server, &buyer, &seller);
    let x = Some(first.x());
    assert_eq!(standing(&post(&world.server, "/v1/payments", &first)), ("ORDERED", "NONE", ""));
    let accept = seller.sign(x, Accept { order: first.digest().into() });
    assert_eq!(standing(&say(&world.server, &first, &accept)), ("HELD", "HELD", ""));

    // It vanishes with everything in memory, the simulated money too.
    let World { server, work, .. } = world;
    let data = server.kill9();
    let server = data.serve();
    let paid = say(&server, &first, &buyer.sign(x, Received {}));
    assert_eq!(standing(&paid), ("DECIDED", "CAPTURED", "CAPTURED"));
    // And a receipt.
    let GoodsOrder { policy, buyer: payer, seller: payee, ttp, amount, fee_bps, rail, assurance, .. } =
        first.payload_as::<GoodsOrder>().unwrap().body;
    let receipt = terms_hash(&[3; 32], b"Paid for March.").into();
    let receipt_media = Line::new("text/plain").unwrap();
    let t_exp = in_hours(5);
    let offer = PaymentOffer {
        deal: None,
        policy,
        payer,
        payee,
        ttp,
        receipt,
        receipt_media,
        amount,
        fee_bps,
        rail,
        t_exp,
        assurance,
    };
    let offer = buyer.sign(None, offer);
    assert_eq!(standing(&post(&server, "/v1/payments", &offer)), ("HELD", "HELD", ""));
    let receipt = seller.sign(Some(offer.x()), PaymentReceipt { offer: offer.digest().into(), receipt });
    assert_eq!(standing(&say(&server, &offer, &receipt)), ("DECIDED", "CAPTURED", "CAPTURED"));

    let data = server.stop();
    data.fsck().expect(0);
    data.audit().expect(0);
    drop(work);
}
