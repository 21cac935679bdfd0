//! Payments by the program itself, on the simulated rail: goods that are received, that a carrier hands over, that are delivered for a
//! receipt; a receipt; an order that is taken back.

use std::fs;
use std::path::{Path, PathBuf};

use semper_tests::exchange::{Stage, sent, shown};
use semper_tests::notary::{Member, World, json};
use semper_tests::process::{Finished, run};
use semper_ttp::time::Timestamp;
use serde_json::{Value, json};

fn stage() -> Stage {
    let world = World::with(&[
        ("exchange.enabled", "true"),
        ("exchange.delta_hours", "1"),
        ("exchange.rail", r#"[{ name = "sim", kind = "simulator", class = "funded" }]"#),
    ]);
    let (seller, buyer) = (world.registered("seller"), world.registered("buyer"));
    Stage { world, seller, buyer }
}

fn in_hours(hours: u64) -> String {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_millis(since_1970.as_millis() as u64).plus_secs(hours * 3_600).to_string()
}

/// `semper payment` with what a signer names.
fn signer(stage: &Stage, who: &Member, words: &[&str]) -> Finished {
    let mut args = stage.signer_args(who, words);
    "payment".clone_into(&mut args[0]);
    run(&args)
}

fn go_on(words: &[&str], place: &str) -> Finished {
    run(&[&["payment"], words, &["--run", place, "--json"]].concat())
}

fn standing(done: &Finished) -> (String, Value) {
    let told = json(done);
    (told["stage"].as_str().unwrap_or_default().to_owned(), told["outcome"].clone())
}

/// The buyer pays the seller; gives its folder and the message.
fn begun(stage: &Stage, what: &str, place: &str, more: &[&str]) -> (String, PathBuf) {
    let (file, place) = (stage.world.file("text.txt", b"One bicycle, blue."), stage.path(place));
    let to = certificate(&stage.seller);
    let ends = in_hours(10);
    let words = [what, &file, "--to", &to, "--amount", "10000", "--currency", "EUR", "--rail", "sim", "--ends", &ends];
    let done = signer(stage, &stage.buyer, &[&words[..], &["--run", &place], more].concat());
    let told = json(done.expect(0));
    (place, told["send"].as_str().unwrap_or_else(|| panic!("nothing to send: {told}")).into())
}

fn taken(stage: &Stage, message: &Path, place: &str) -> String {
    taken_by(stage, &stage.seller, message, place, &[])
}

fn taken_by(stage: &Stage, who: &Member, message: &Path, place: &str, more: &[&str]) -> String {
    let place = stage.path(place);
    signer(stage, who, &[&["take", shown(message), "--run", &place], more].concat()).expect(0);
    place
}

/// The certificate with which somebody signs.
fn certificate(who: &Member) -> String {
    who.p12("party-legal").with_extension("cer.pem").display().to_string()
}

fn ordered(stage: &Stage) -> (String, PathBuf) {
    let (hold, ship) = (in_hours(1), in_hours(2));
    begun(stage, "order", "buyer.run", &["--hold-until", &hold, "--ship-until", &ship, "--fee-bps", "250"])
}

fn read(place: &str, name: &str) -> Vec<u8> {
    let path = Path::new(place).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn verified(stage: &Stage, place: &str) {
    let trust = stage.world.trust();
    run(&["verify", &format!("{place}/verdict.jws"), "--trust", &trust, "--json"]).expect(0);
}

#[test]
fn goods_are_ordered_accepted_received_and_paid() {
    let stage = stage();
    let (buyer, message) = ordered(&stage);
    // Somebody on the way has changed the text.
    let other = stage.changed(&message, &|document| document["contract"]["text"] = json!("QUJD"));
    let refused = signer(&stage, &stage.seller, &["take", &other, "--run", &stage.path("other.run")]);
    assert!(refused.expect(1).stdout.contains("not the one that the offer names"), "{refused:?}");
    let seller = taken(&stage, &message, "seller.run");
    assert_eq!(read(&seller, "contract"), b"One bicycle, blue.");
    go_on(&["say", "received"], &seller).expect(64);
    let told = json(go_on(&["status"], &seller).expect(0));
    assert_eq!(told["next"][0], format!("semper payment say accept --run {seller}"), "{told}");
    assert_eq!(standing(go_on(&["say", "accept"], &seller).expect(0)), ("HELD".to_owned(), Value::Null));
    // Said again, the same leaves, and nothing comes of it.
    let accept = read(&seller, "accept.jws");
    assert_eq!(standing(go_on(&["say", "accept"], &seller).expect(0)), ("HELD".to_owned(), Value::Null));
    assert_eq!(read(&seller, "accept.jws"), accept);
    let told = json(go_on(&["status"], &buyer).expect(0));
    assert_eq!((&told["money"]["held"], &told["fulfilled"]), (&json!("10000"), &Value::Null), "{told}");
    assert_eq!(standing(go_on(&["say", "received"], &buyer).expect(0)).1, "CAPTURED");
    go_on(&["say", "rejected"], &buyer).expect(64);
    assert_eq!(standing(go_on(&["status"], &seller).expect(0)).1, "CAPTURED");
    assert_eq!(read(&seller, "verdict.jws"), read(&buyer, "verdict.jws"));
    [&seller, &buyer].into_iter().for_each(|place| verified(&stage, place));
}

#[test]
fn a_receipt_is_given_and_paid_and_an_order_is_taken_back() {
    let stage = stage();
    let (payer, _) = begun(&stage, "offer", "payer.run", &[]);
    // By way of the mailbox.
    go_on(&["send"], &payer).expect(0);
    let (login, into) = (stage.seller.p12("party-auth").display().to_string(), stage.path("mail"));
    let url = format!("https://{}", stage.world.server.https());
    let mail = run(&["exchange", "fetch", "--into", &into, "--identity", &login, "--url", &url, "--json"]);
    let mail = json(mail.expect(0))["messages"][0].clone();
    assert!(mail["next"].as_str().expect("a command").starts_with("semper payment take "), "{mail}");
    let payee = taken(&stage, Path::new(mail["file"].as_str().expect("a file")), "payee.run");
    go_on(&["say", "accept"], &payee).expect(64);
    assert_eq!(standing(go_on(&["say", "receipt"], &payee).expect(0)).1, "CAPTURED");
    assert_eq!(standing(go_on(&["status"], &payer).expect(0)).1, "CAPTURED");
    go_on(&["send"], &payee).expect(64);
    verified(&stage, &payer);

    let (buyer, message) = ordered(&stage);
    let seller = taken(&stage, &message, "seller.run");
    assert_eq!(standing(go_on(&["say", "cancel"], &buyer).expect(1)).1, "VOID");
    assert_eq!(standing(go_on(&["status"], &seller).expect(1)).1, "VOID");
}

/// The carrier's word moves the money of a buyer who says nothing.
#[test]
fn goods_are_paid_by_the_word_of_a_carrier() {
    let stage = stage();
    let carrier = stage.world.registered("carrier");
    let (of_carrier, of_seller) = (certificate(&carrier), certificate(&stage.seller));
    let (hold, ship) = (in_hours(1), in_hours(2));
    let rules = ["--hold-until", &hold, "--ship-until", &ship, "--reject-within-secs", "1", "--carrier", &of_carrier];
    let (buyer, message) = begun(&stage, "order", "buyer.run", &rules);
    let place = stage.path("seller.run");
    let refused = signer(&stage, &stage.seller, &["take", shown(&message), "--run", &place]);
    assert!(refused.expect(1).stdout.contains("certificate of the carrier"), "{refused:?}");
    let seller = taken_by(&stage, &stage.seller, &message, "seller.run", &["--certificate", &of_carrier]);
    let carrier = taken_by(&stage, &carrier, &message, "carrier.run", &["--certificate", &of_seller]);
    assert_eq!(standing(go_on(&["say", "accept"], &seller).expect(0)).0, "HELD");
    go_on(&["say", "shipped"], &seller).expect(64);
    assert_eq!(standing(go_on(&["say", "shipped"], &carrier).expect(0)).0, "SHIPPED");
    assert_eq!(standing(go_on(&["say", "handed-over"], &carrier).expect(0)).0, "HANDED_OVER");
    // The time in which it could be rejected is a second.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while standing(go_on(&["status"], &buyer).expect(0)).1 != "CAPTURED" {
        assert!(std::time::Instant::now() < until, "it is not paid");
    }
    for place in [&seller, &carrier] {
        assert_eq!(standing(go_on(&["status"], place).expect(0)).1, "CAPTURED");
        verified(&stage, place);
    }
}

/// A file is ordered, delivered and paid: by the receipt for it, and by the arbiter's word where that is withheld.
#[test]
fn digital_goods_are_delivered_and_paid() {
    let stage = stage();
    let (file, to) = (stage.world.file("map.txt", b"Under the oak."), certificate(&stage.buyer));
    let hold = in_hours(1);
    for (round, gives_receipt) in [("one", true), ("two", false)] {
        let place = |name: &str| format!("{name}-{round}.run");
        let rules = ["--hold-until", &hold, "--digital", "--reject-within-secs", "0"];
        let (buyer, order) = begun(&stage, "order", &place("buyer"), &rules);
        let seller = taken(&stage, &order, &place("seller"));
        let begun = stage.path(&place("delivery"));
        let deliver = ["deliver", &file, "--to", &to, "--run", &begun, "--paid-by", &seller];
        let early = stage.signer(&stage.seller, &deliver);
        assert!(early.expect(64).stdout.contains("nothing is held yet"), "{early:?}");
        assert_eq!(standing(go_on(&["say", "accept"], &seller).expect(0)).0, "HELD");
        let late = stage.signer(&stage.seller, &[&deliver[..], &["--ends", &in_hours(10)]].concat());
        assert!(late.expect(64).stdout.contains("before the payment is over"), "{late:?}");
        let d1 = sent(stage.signer(&stage.seller, &deliver).expect(0));

        // What the receipt costs is seen, and has to be named.
        let told = json(stage.signer(&stage.buyer, &["accept", shown(&d1)]).expect(0));
        let x = json(go_on(&["status"], &buyer).expect(0))["x"].clone();
        assert_eq!(told["offer"]["delivery"]["paid_by"], x, "{told}");
        let taken = stage.path(&place("taken"));
        let accept = ["accept", shown(&d1), "--yes", "--run", &taken];
        assert!(stage.signer(&stage.buyer, &accept).expect(64).stdout.contains("with --pays"));
        let other =
            stage.signer(&stage.buyer, &[&accept[..], &["--pays", &ordered_too(&stage, &place("other"))]].concat());
        assert!(other.expect(1).stdout.contains("another run"), "{other:?}");
        let d2 = sent(stage.signer(&stage.buyer, &[&accept[..], &["--pays", &buyer]].concat()).expect(0));
        let run = |words: &[&str], place: &str| semper_tests::exchange::go_on(words, place);
        let d3 = sent(run(&["take", shown(&d2)], &begun).expect(0));
        let show = go_on(&["show", "--delivery", &begun], &seller);
        assert!(show.expect(64).stdout.contains("there is no receipt yet"), "{show:?}");
        if gives_receipt {
            let d4 = sent(run(&["take", shown(&d3)], &taken).expect(0));
            run(&["take", shown(&d4)], &begun).expect(0);
            assert_eq!(standing(go_on(&["show", "--delivery", &begun], &seller).expect(0)).1, "CAPTURED");
            // The buyer's own showing is the same.
            assert_eq!(standing(go_on(&["show", "--delivery", &taken], &buyer).expect(0)).1, "CAPTURED");
        } else {
            assert_eq!(json(run(&["ask"], &begun).expect(0))["outcome"], "RELEASED");
            run(&["ask"], &taken).expect(0);
            assert_eq!(standing(go_on(&["status"], &seller).expect(0)).1, "CAPTURED");
        }
        assert_eq!(read(&taken, "message"), b"Under the oak.");
        assert_eq!(standing(go_on(&["status"], &buyer).expect(0)).1, "CAPTURED");
        [&seller, &buyer].into_iter().for_each(|place| verified(&stage, place));
    }
}

/// Another order of a file by the buyer.
fn ordered_too(stage: &Stage, place: &str) -> String {
    begun(stage, "order", place, &["--hold-until", &in_hours(1), "--digital"]).0
}
