//! Payments by the program itself, on the simulated rail: goods that are received, a receipt, an order that is taken back.

use std::fs;
use std::path::{Path, PathBuf};

use semper_tests::exchange::{Stage, shown};
use semper_tests::notary::{Member, World, json};
use semper_tests::process::{Finished, run};
use semper_ttp::time::Timestamp;
use serde_json::{Value, json};

fn stage() -> Stage {
    let world = World::with(&[
        ("exchange.enabled", "true"),
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
    let to = stage.seller.p12("party-legal").with_extension("cer.pem").display().to_string();
    let ends = in_hours(10);
    let words = [what, &file, "--to", &to, "--amount", "10000", "--currency", "EUR", "--rail", "sim", "--ends", &ends];
    let done = signer(stage, &stage.buyer, &[&words[..], &["--run", &place], more].concat());
    let told = json(done.expect(0));
    (place, told["send"].as_str().unwrap_or_else(|| panic!("nothing to send: {told}")).into())
}

fn taken(stage: &Stage, message: &Path, place: &str) -> String {
    let place = stage.path(place);
    signer(stage, &stage.seller, &["take", shown(message), "--run", &place]).expect(0);
    place
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
