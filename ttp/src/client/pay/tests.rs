use serde_json::{Value, json};

use super::super::dossier::{Dossier, Piece};
use super::super::party::tests::{DELTA_MS, Person, Stage, now, proof};
use super::super::party::{Parcel, Party};
use super::*;
use crate::crypto::OsEntropy;
use crate::exchange::testing::twin;
use crate::money::{Amount, Currency, RailId};
use crate::statement::exchange::cd_r::{D1, D4, EscrowArbiter, Mode};
use crate::statement::exchange::pg::Goods;
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Arbiter, Assurance, FeeBps, Line, Participant};
use crate::statement::{Count, Millis};

const TEXT: &[u8] = b"One bicycle, blue.";
const SALT: [u8; 32] = [3; 32];

fn later(deltas: u64) -> Millis {
    Millis::new(now().millis() + deltas * DELTA_MS).unwrap()
}

fn amount() -> Amount {
    Amount::new(10_000, Currency::new("EUR").unwrap()).unwrap()
}

fn order(stage: &Stage, carrier: Option<Participant>) -> GoodsOrder {
    GoodsOrder {
        deal: None,
        policy: Digest::of(&stage.house.policy).into(),
        buyer: stage.o.participant(),
        seller: stage.r.participant(),
        carrier,
        ttp: stage.terms(None).ttp,
        terms: terms_hash(&SALT, TEXT).into(),
        terms_media: Line::new("text/plain").unwrap(),
        goods: Goods::Physical {},
        amount: amount(),
        fee_bps: FeeBps::new(250).unwrap(),
        rail: RailId::new("sim").unwrap(),
        t_hold: later(1),
        t_ship: Some(later(2)),
        t_accept: Some(Count::new(DELTA_MS).unwrap()),
        t_exp: later(9),
        assurance: Assurance::NonQualified,
    }
}

fn everybody(stage: &Stage) -> Vec<Vec<Vec<u8>>> {
    vec![stage.o.chain.clone(), stage.r.chain.clone()]
}

fn begun(stage: &Stage, order: GoodsOrder) -> Result<Payment, Stays> {
    let deal = Deal::Goods(Box::new(order));
    Payment::begin(deal, (&SALT, TEXT), &stage.house, &everybody(stage), &stage.o.pen(now()))
}

fn taken(stage: &Stage, message: &Message, own: &Person) -> Result<Payment, Stays> {
    Payment::take(message, own.name(), &stage.house, &everybody(stage), now())
}

fn both(stage: &Stage) -> (Payment, Payment) {
    let payer = begun(stage, order(stage, None)).unwrap();
    let payee = taken(stage, &payer.message(TEXT).unwrap(), &stage.r).unwrap();
    (payer, payee)
}

fn reopened(payment: &Payment) -> Payment {
    let opened = Payment::open(PaymentDossier::parse(&payment.dossier().to_bytes()).unwrap()).unwrap();
    assert_eq!(opened.dossier(), payment.dossier());
    opened
}

/// What an arbiter shows of a payment: these statements, and this verdict.
fn shown(payment: &Payment, statements: &[&str], verdict: Option<(&Jws, String)>) -> Value {
    let shown = statements.iter().zip(0..).map(|(statement, place)| {
        let kind = if place == 0 { ExchangeKind::PaidOpened } else { ExchangeKind::PaidShown };
        let proof = proof(Kind::Exchange(kind), Digest::of(statement.as_bytes()), Vec::new());
        json!({ "t": "…", "says": null, "counts": true, "statement": statement, "proof": proof, "receipt": "" })
    });
    let decided = verdict.map(|(jws, proof)| json!({ "outcome": "…", "verdict": text(jws), "proof": proof }));
    json!({
        "x": b64u::encode(&payment.opened().run.x.0),
        "protocol": "pg",
        "stage": "HELD",
        "awaited": {},
        "money": {},
        "statements": shown.collect::<Vec<_>>(),
        "decided": decided,
    })
}

fn verdict(stage: &Stage, by: &Person, payment: &Payment, outcome: Outcome, basis: &[&str], at: Millis) -> Jws {
    let run = &payment.opened().run;
    let body = Verdict {
        proto: run.protocol,
        outcome,
        basis: basis.iter().map(|text| (*text).to_owned()).collect(),
        decided_ms: at,
        policy: Digest::of(&stage.house.policy).into(),
        outages: Vec::new(),
        assurance: run.assurance,
    };
    by.pen(now()).sign(Some(run.x), body).unwrap()
}

fn logged(payment: &Payment, jws: &Jws) -> String {
    let tag = tag_of_verdict(&payment.opened().run.x);
    proof(Kind::Exchange(ExchangeKind::PaidDecided), jws.digest(), vec![tag])
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// The simulation's seeds 3008 and 3193: the payee brought the payer's order first, with the other signature that verifies.
#[test]
fn what_was_brought_in_another_spelling_is_what_was_said() {
    let stage = Stage::new();
    let (mut payer, mut payee) = both(&stage);
    let first = payer.dossier().first().unwrap().to_owned();
    let accept = payee.say(Word::Accept, &stage.r.pen(now())).unwrap();
    let [other_first, other_accept] =
        [&first, &accept].map(|statement| text(&twin(&Jws::parse(statement.as_bytes()).unwrap())));
    assert_ne!((&other_first, &other_accept), (&first, &accept));
    let answer = bytes(&shown(&payer, &[&other_first, &other_accept], None));
    assert_eq!(payer.answered(&answer, Some(&first)).unwrap().stage, "HELD");
    assert_eq!(payee.answered(&answer, Some(&accept)).unwrap().stage, "HELD");
    // A signature that nobody has made is none, whatever the log has.
    let (signed, _) = first.rsplit_once('.').unwrap();
    let unsigned = format!("{signed}.{}", b64u::encode(&[7; 64]));
    let answer = bytes(&shown(&payer, &[&unsigned], None));
    assert!(payer.answered(&answer, Some(&first)).is_err());
}

#[test]
fn goods_are_paid_by_words_that_are_signed_once() {
    let stage = Stage::new();
    let (payer, mut payee) = both(&stage);
    let mut payer = reopened(&payer);
    let first = payer.dossier().first().unwrap().to_owned();
    assert_eq!(payee.words(), [Word::Accept, Word::Shipped, Word::Cancel]);
    assert_eq!(payer.words(), [Word::Received, Word::Rejected, Word::Cancel]);
    let accept = payee.say(Word::Accept, &stage.r.pen(now())).unwrap();
    // After a crash, and with another salt: the same octets.
    let other_pen = Pen { salt: crate::statement::Salt(B64u([77; 16])), ..stage.r.pen(now()) };
    assert_eq!(reopened(&payee).say(Word::Accept, &other_pen).unwrap(), accept);
    let answer = shown(&payee, &[&first, &accept], None);
    let standing = payee.answered(&bytes(&answer), Some(&accept)).unwrap();
    assert_eq!((standing.stage.as_str(), standing.outcome), ("HELD", None));

    let received = payer.say(Word::Received, &stage.o.pen(now())).unwrap();
    assert!(matches!(payer.say(Word::Rejected, &stage.o.pen(now())), Err(Stays::NotNow { .. })), "never both");
    let basis = [&first[..], &accept, &received];
    let paid = verdict(&stage, &stage.t, &payer, Outcome::Captured, &basis, later(0));
    let answer = shown(&payer, &basis, Some((&paid, logged(&payer, &paid))));
    let standing = payer.answered(&bytes(&answer), Some(&received)).unwrap();
    assert_eq!((standing.outcome, reopened(&payer).outcome()), (Some(Outcome::Captured), Some(Outcome::Captured)));
    // The same again is the same; nothing less, and nothing else, is.
    payer.answered(&bytes(&answer), None).unwrap();
    let silent = shown(&payer, &basis, None);
    assert!(payer.answered(&bytes(&silent), None).unwrap_err().to_string().contains("forgotten"));
    let other = verdict(&stage, &stage.t, &payer, Outcome::Captured, &basis, later(1));
    let answer = shown(&payer, &basis, Some((&other, logged(&payer, &other))));
    assert!(payer.answered(&bytes(&answer), None).unwrap_err().to_string().contains("before, and otherwise"));
}

#[test]
fn a_lying_arbiter_is_not_believed() {
    let stage = Stage::new();
    let (payer, mut payee) = both(&stage);
    let first = payer.dossier().first().unwrap().to_owned();
    let accept = payee.say(Word::Accept, &stage.r.pen(now())).unwrap();
    let check = |what: &str, answer: &Value, said: Option<&str>, expected: &str| {
        let mut payee = reopened(&payee);
        let why = payee.answered(&bytes(answer), said).expect_err(what).to_string();
        assert!(why.contains(expected), "{what}: {why}");
        assert_eq!(payee.dossier(), reopened(&payee).dossier());
        assert!(payee.outcome().is_none(), "{what}");
    };
    let statements = [&first[..], &accept];
    let decided = |outcome: Outcome, by: &Person, basis: &[&str], at: Millis| {
        let jws = verdict(&stage, by, &payer, outcome, basis, at);
        shown(&payer, &statements, Some((&jws, logged(&payer, &jws))))
    };
    check("the word is not there", &shown(&payer, &[&first], None), Some(&accept), "does not have what was said");
    let mut other = shown(&payer, &statements, None);
    other["statements"][1]["proof"] = other["statements"][0]["proof"].clone();
    check("another entry", &other, Some(&accept), "another entry");
    other["x"] = json!("A".repeat(43));
    check("another payment", &other, None, "another payment");
    let early = decided(Outcome::Released, &stage.t, &statements, later(1));
    check("back before the time is over", &early, None, "came too early");
    let rule = decided(Outcome::Captured, &stage.t, &statements, later(1));
    check("paid though nothing came", &rule, None, "does not follow");
    let stranger = decided(Outcome::Released, &stage.r, &statements, later(5));
    check("by somebody else", &stranger, None, "arbiter");
    let mut unlogged = decided(Outcome::Released, &stage.t, &statements, later(5));
    unlogged["decided"]["proof"] = json!(proof(
        Kind::Exchange(ExchangeKind::PaidDecided),
        Digest::of(b"another"),
        vec![tag_of_verdict(&payer.opened().run.x)]
    ));
    check("not in the log", &unlogged, None, "another entry");
    for text in ["", "[]", "{}", r#"{"x":1,"stage":"A","money":{},"statements":[],"decided":null}"#] {
        assert!(reopened(&payee).answered(text.as_bytes(), None).is_err(), "{text}");
    }
    // And an honest one is.
    let back = decided(Outcome::Released, &stage.t, &statements, later(5));
    assert_eq!(reopened(&payee).answered(&bytes(&back), None).unwrap().outcome, Some(Outcome::Released));
}

#[test]
fn nothing_is_taken_whose_text_arbiter_or_time_is_another() {
    let stage = Stage::new();
    let (payer, _) = both(&stage);
    let message = payer.message(TEXT).unwrap();
    let other = payer.message(b"One bicycle, red.").unwrap();
    assert_eq!(taken(&stage, &other, &stage.r).err(), Some(Stays::OtherText));
    let without = Message { beside: None, ..message.clone() };
    assert_eq!(taken(&stage, &without, &stage.r).err(), Some(Stays::NoText));
    assert!(matches!(taken(&stage, &message, &Person::new(9)), Err(Stays::OtherSigner { .. })));
    let own = stage.r.name();
    let late = Timestamp::from_millis(later(1).get() + 1);
    assert_eq!(Payment::take(&message, own, &stage.house, &everybody(&stage), late).err(), Some(Stays::TooLate));
    let house = House { logs: Vec::new(), ..stage.house.clone() };
    assert!(matches!(Payment::take(&message, own, &house, &everybody(&stage), now()), Err(Stays::OtherLog(_))));
    let house = House { policy: b"{}".to_vec(), ..stage.house.clone() };
    assert_eq!(Payment::take(&message, own, &house, &everybody(&stage), now()).err(), Some(Stays::OtherPolicy));
    let alone = [stage.r.chain.clone()];
    assert!(Payment::take(&message, own, &stage.house, &alone, now()).is_err(), "the payer's key is not known");
    // The payer's own order: by its own key, and about this text.
    let swapped = GoodsOrder { buyer: stage.r.participant(), seller: stage.o.participant(), ..order(&stage, None) };
    assert!(begun(&stage, swapped).is_err(), "somebody else's order");
    let other_text = GoodsOrder { terms: Digest::of(b"other").into(), ..order(&stage, None) };
    assert_eq!(begun(&stage, other_text).err(), Some(Stays::OtherText));
}

#[test]
fn a_carrier_says_what_is_its_own_to_say() {
    let stage = Stage::new();
    let payer = begun(&stage, order(&stage, Some(stage.e.participant()))).unwrap();
    let chains = [everybody(&stage), vec![stage.e.chain.clone()]].concat();
    let message = payer.message(TEXT).unwrap();
    let mut carrier = Payment::take(&message, stage.e.name(), &stage.house, &chains, now()).unwrap();
    assert_eq!(carrier.words(), [Word::Shipped, Word::HandedOver]);
    let payee = Payment::take(&message, stage.r.name(), &stage.house, &chains, now()).unwrap();
    assert_eq!(payee.words(), [Word::Accept, Word::Cancel]);
    // Whoever is to be paid by a carrier's word must know the carrier.
    let unknown = taken(&stage, &message, &stage.r);
    assert!(matches!(unknown, Err(Stays::Certificate { of: "carrier", .. })));
    carrier.say(Word::HandedOver, &stage.e.pen(now())).unwrap();
    assert!(carrier.say(Word::Shipped, &stage.r.pen(now())).is_err(), "not by this key");
    assert!(matches!(carrier.say(Word::Received, &stage.e.pen(now())), Err(Stays::NotNow { .. })));
    assert!(carrier.dossier().statement(Word::Shipped.tag()).is_none());
}

/// An order of digital goods by `r` from `o`, and a delivery of `o`'s for the payment `pay`, with its receipt by `by`.
fn digital(stage: &Stage, order: GoodsOrder) -> (Payment, Payment) {
    let sides = GoodsOrder { buyer: stage.r.participant(), seller: stage.o.participant(), ..order };
    let deal = Deal::Goods(Box::new(sides));
    let payer = Payment::begin(deal, (&SALT, TEXT), &stage.house, &everybody(stage), &stage.r.pen(now())).unwrap();
    let payee = taken(stage, &payer.message(TEXT).unwrap(), &stage.o).unwrap();
    (payer, payee)
}

fn file_of(stage: &Stage) -> GoodsOrder {
    GoodsOrder { goods: Goods::Digital { hm: None }, t_ship: None, t_accept: None, ..order(stage, None) }
}

fn delivery(stage: &Stage, pay: Option<Digest>) -> Dossier {
    let Arbiter { id, key, url, log } = stage.terms(None).ttp;
    let parcel = Parcel {
        o: stage.o.participant(),
        r: stage.r.participant(),
        ttp: EscrowArbiter { id, key, escrow_key: stage.e.name(), url, log },
        message: b"a map".to_vec(),
        about: Line::new("map").unwrap(),
        mode: Mode::Consent,
        pay,
        t_exp: None,
        assurance: Assurance::NonQualified,
    };
    let chains = (&stage.o.chain[..], &stage.r.chain[..]);
    let (party, _) =
        Party::deliver(parcel, &stage.house, chains, 1, &OsEntropy, &stage.o.pen(now())).expect("it is sealed");
    party.dossier().clone()
}

/// The same with a receipt.
fn received(stage: &Stage, mut delivery: Dossier, by: &Person) -> Dossier {
    let d1 = Jws::parse(delivery.statement(Piece::First).unwrap().as_bytes()).unwrap();
    let hm = d1.payload_as::<D1>().unwrap().body.hm;
    let d4 = by.pen(now()).sign(Some(d1.x()), D4 { hm }).unwrap();
    delivery.statements.insert(Piece::Fourth, text(&d4));
    assert_eq!(stage.r.name() == by.name(), d4.key_id() == stage.r.name());
    delivery
}

#[test]
fn a_receipt_for_digital_goods_is_shown_by_either_side() {
    let stage = Stage::new();
    let (mut payer, mut payee) = digital(&stage, file_of(&stage));
    let x = payer.opened().run.x;
    let last = Timestamp::from_millis(later(9).get() - DELTA_MS);
    assert_eq!(payee.delivery_end(None), Ok(last));
    assert_eq!(payee.delivery_end(Some(now())), Ok(now()));
    let late = Timestamp::from_millis(last.millis() + 1);
    assert_eq!(payee.delivery_end(Some(late)), Err(Stays::EndsTooLate(last)), "its receipt might come when it is over");

    let begun = delivery(&stage, Some(x));
    let first = |delivery: &Dossier| Jws::parse(delivery.statement(Piece::First).unwrap().as_bytes()).unwrap();
    assert_eq!(payer.is_for(&first(&begun)), Ok(()));
    assert!(matches!(payee.delivered(&begun), Err(Stays::Lacks(_))), "no receipt yet");
    for other in [None, Some(Digest::of(b"another payment"))] {
        let other = delivery(&stage, other);
        assert!(payer.is_for(&first(&other)).is_err());
        assert!(payee.delivered(&received(&stage, other, &stage.r)).is_err());
    }
    assert!(payee.delivered(&received(&stage, begun.clone(), &stage.o)).is_err(), "the seller's own receipt");
    assert_eq!(payee.dossier().statement(D1::TAG), None, "nothing of it is kept");

    let done = received(&stage, begun, &stage.r);
    let shown_ = payee.delivered(&done).unwrap();
    assert_eq!(
        (payer.delivered(&done).unwrap(), reopened(&payee).delivered(&done).unwrap()),
        (shown_.clone(), shown_.clone())
    );
    let another = received(&stage, delivery(&stage, Some(x)), &stage.r);
    assert_eq!(payee.delivered(&another), Err(Stays::OtherDelivery));
    // The arbiter may have got the receipt before, with the other signature that anybody can make of it.
    let first = payee.dossier().first().unwrap().to_owned();
    let turned = text(&twin(&Jws::parse(shown_[1].as_bytes()).unwrap()));
    assert_ne!(turned, shown_[1]);
    let answer = shown(&payee, &[&first, &shown_[0], &turned], None);
    assert_eq!(payee.answered(&bytes(&answer), Some(&shown_[1])).unwrap().outcome, None);
    // A bicycle is not delivered like that.
    let (_, payee) = digital(&stage, order(&stage, None));
    assert_eq!(payee.delivery_end(None), Err(Stays::NotDelivered));
    assert_eq!(payee.is_for(&Jws::parse(shown_[0].as_bytes()).unwrap()), Err(Stays::NotDelivered));
}
