//! Deliveries for a receipt, by the program itself: whole runs by files and over HTTP, a recipient who withholds the receipt, an originator
//! who withholds the key, a delivery taken back.

use std::fs;
use std::path::{Path, PathBuf};

use semper_tests::exchange::{Stage, go_on, sent, shown, state};
use semper_tests::notary::json;
use semper_tests::process::{Finished, run};
use semper_ttp::b64u;
use semper_ttp::client::message::Message;
use serde_json::{Value, json};

const NEWS: &[u8] = b"The tower was sold twice.\n";

/// The seller delivers in the folder `place`; gives the message.
fn delivered(stage: &Stage, place: &str, more: &[&str]) -> (String, PathBuf) {
    let file = stage.world.file("news.txt", NEWS);
    let (to, place) = (stage.to_buyer(), stage.path(place));
    let deliver = ["deliver", &file, "--about", "news", "--to", &to, "--run", &place, "--patience-secs", "86400"];
    let done = stage.signer(&stage.seller, &[&deliver, more].concat());
    let message = sent(&done);
    assert_eq!(message.file_name().and_then(|name| name.to_str()), Some("send-d1.json"));
    (place, message)
}

fn read(place: &str, name: &str) -> Vec<u8> {
    let path = Path::new(place).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What `semper verify` says of the verdict in a folder.
fn verified(stage: &Stage, place: &str) -> Finished {
    run(&["verify", &format!("{place}/verdict.jws"), "--trust", &stage.world.trust(), "--json"])
}

#[test]
fn a_whole_delivery_by_files() {
    let stage = Stage::new();
    let (seller, d1) = delivered(&stage, "seller.run", &[]);
    assert_eq!(read(&seller, "message"), NEWS);
    // It is seen what is taken before it is taken, and not what is in it.
    let told = json(stage.signer(&stage.buyer, &["accept", shown(&d1)]).expect(0));
    assert_eq!((&told["signed"], &told["offer"]["delivery"]["about"]), (&json!(false), &json!("news")), "{told}");
    let text = fs::read(&d1).expect("d1");
    assert!(!text.windows(NEWS.len()).any(|window| window == NEWS));

    let (buyer, d2) = stage.accepted(&d1, "buyer.run");
    assert!(!Path::new(&buyer).join("message").exists());
    // Once, whatever the folder is called.
    let again = stage.signer(&stage.buyer, &["accept", shown(&d1), "--yes", "--run", &stage.path("other.run")]);
    assert!(again.expect(64).stdout.contains("was answered before"), "{again:?}");
    let d3 = sent(&go_on(&["take", shown(&d2)], &seller));
    let done = go_on(&["take", shown(&d3)], &buyer);
    let d4 = sent(&done);
    assert_eq!(read(&buyer, "message"), NEWS);
    assert_eq!(state(&done), "fulfilled");
    assert_eq!(state(go_on(&["take", shown(&d4)], &seller).expect(0)), "fulfilled");
    for place in [&seller, &buyer] {
        let told = json(go_on(&["status", "--ask"], place).expect(0));
        assert_eq!((&told["fulfilled"], &told["arbiter"]["outcome"]), (&json!(true), &Value::Null), "{told}");
    }
    go_on(&["ask"], &seller).expect(64);
}

#[test]
fn a_recipient_who_withholds_the_receipt_gives_one_by_the_verdict() {
    let stage = Stage::new();
    let (seller, d1) = delivered(&stage, "seller.run", &[]);
    let (buyer, d2) = stage.accepted(&d1, "buyer.run");
    go_on(&["take", shown(&d2)], &seller).expect(0);
    assert!(go_on(&["ask", "--abort"], &seller).expect(64).stdout.contains("cannot be taken back"));
    let told = json(go_on(&["ask"], &seller).expect(0));
    assert_eq!((&told["outcome"], &told["state"]), (&json!("RELEASED"), &json!("fulfilled-by-verdict")), "{told}");
    // The recipient gets the key there, and with it the message.
    go_on(&["ask"], &buyer).expect(0);
    assert_eq!(read(&buyer, "message"), NEWS);
    assert_eq!(read(&seller, "verdict.jws"), read(&buyer, "verdict.jws"));
    assert_eq!(json(go_on(&["status", "--ask"], &buyer).expect(0))["arbiter"]["outcome"], "RELEASED");
    for place in [&seller, &buyer] {
        verified(&stage, place).expect(0);
    }
}

#[test]
fn an_originator_who_withholds_the_key_has_left_it_in_escrow() {
    let stage = Stage::new();
    let (_, d1) = delivered(&stage, "seller.run", &[]);
    let (buyer, _) = stage.accepted(&d1, "buyer.run");
    let told = json(go_on(&["ask"], &buyer).expect(0));
    assert_eq!(
        (&told["outcome"], &told["delivered"]),
        (&json!("RELEASED"), &json!(format!("{buyer}/message"))),
        "{told}"
    );
    assert_eq!(read(&buyer, "message"), NEWS);
    // A crash before the copy: the state has the key.
    fs::remove_file(Path::new(&buyer).join("message")).expect("a file");
    go_on(&["status"], &buyer).expect(0);
    assert_eq!(read(&buyer, "message"), NEWS);
}

#[test]
fn what_was_taken_back_is_not_delivered() {
    let stage = Stage::new();
    let (seller, d1) = delivered(&stage, "seller.run", &[]);
    let (buyer, d2) = stage.accepted(&d1, "buyer.run");
    assert_eq!(state(go_on(&["ask", "--abort"], &seller).expect(0)), "aborted");
    let late = go_on(&["take", shown(&d2)], &seller);
    assert_eq!((state(late.expect(1)), &json(&late)["send"]), (json!("aborted"), &Value::Null), "{late:?}");
    assert!(!Path::new(&seller).join("d3.jws").exists());
    assert_eq!(json(go_on(&["ask"], &buyer).expect(1))["outcome"], "ABORTED");
    assert!(!Path::new(&buyer).join("message").exists());
}

#[test]
fn a_content_that_somebody_has_changed_is_not_answered() {
    let stage = Stage::new();
    let (_, d1) = delivered(&stage, "seller.run", &[]);
    let change = |change: &dyn Fn(&mut Value)| stage.changed(&d1, change);
    let refused = |file: &str, code: i32, why: &str| stage.not_accepted(file, code, why);
    let flipped = |document: &mut Value| {
        let mut content = b64u::decode(document["content"].as_str().unwrap().as_bytes()).unwrap();
        content[50] ^= 1;
        document["content"] = json!(b64u::encode(&content));
    };
    refused(&change(&flipped), 1, "not the one that the offer names");
    refused(&change(&|d| drop(d.as_object_mut().unwrap().remove("content"))), 64, "without its content");
    refused(&change(&|d| d["protocol"] = json!("asw-r")), 1, "a sealed content");
}

#[test]
fn a_delivery_over_http_asks_a_person_unless_it_need_not() {
    let stage = Stage::new();
    let buyer = stage.listening("buyer", &["--accept-from", &stage.seller.id, "--yes"]);
    let (basic, _) = delivered(&stage, "basic.run", &["--basic"]);
    assert_eq!(state(go_on(&["run", "--peer", &buyer.url()], &basic).expect(0)), "fulfilled");
    let (asked, d1) = delivered(&stage, "asked.run", &[]);
    let message = Message::parse(&fs::read(&d1).expect("d1")).expect("a message");
    let name = hex::encode(&message.x().0[..8]);
    let post = semper_tests::http::Connection::open(buyer.address()).expect("a connection").request(
        "POST",
        "/exchange",
        &[("content-type", "application/json")],
        &fs::read(&d1).expect("d1"),
    );
    assert_eq!(post.expect("an answer").status, 202, "kept for a person");
    let offer = format!("{}/offer-{name}.json", stage.path("buyer"));
    let place = format!("{}/{name}.exchange", stage.path("buyer"));
    stage.signer(&stage.buyer, &["accept", &offer, "--yes", "--run", &place]).expect(0);
    assert_eq!(state(go_on(&["run", "--peer", &buyer.url()], &asked).expect(0)), "fulfilled");
    assert_eq!(read(&place, "message"), NEWS);
}

#[test]
fn two_who_are_never_there_at_the_same_time_use_mailboxes() {
    let stage = Stage::new();
    let (seller, _) = delivered(&stage, "seller.run", &[]);
    let fetch = |who: &semper_tests::notary::Member, into: &str| -> Vec<String> {
        let (login, into) = (who.p12("party-auth").display().to_string(), stage.path(into));
        let url = format!("https://{}", stage.world.server.https());
        let done = run(&["exchange", "fetch", "--into", &into, "--identity", &login, "--url", &url, "--json"]);
        let told = json(done.expect(0));
        let files = told["messages"].as_array().expect("messages").iter();
        files.map(|one| one["file"].as_str().expect("a file").to_owned()).collect()
    };
    go_on(&["send"], &seller).expect(0);
    // Left twice, it is one message, for the buyer alone.
    go_on(&["send"], &seller).expect(0);
    assert_eq!(fetch(&stage.seller, "nothing"), [] as [String; 0]);
    let mail = fetch(&stage.buyer, "mail");
    let [d1] = &mail[..] else { panic!("{mail:?}") };
    assert_eq!(fetch(&stage.buyer, "mail"), [] as [String; 0], "it was forgotten at the service");
    let (buyer, _) = stage.accepted(Path::new(d1), "buyer.run");
    go_on(&["send"], &buyer).expect(0);
    // The seller takes it by itself, leaves the key and waits for the receipt, which the buyer's program gives meanwhile.
    std::thread::scope(|scope| {
        let other = scope.spawn(|| go_on(&["run", "--mailbox"], &buyer));
        assert_eq!(state(go_on(&["run", "--mailbox"], &seller).expect(0)), "fulfilled");
        assert_eq!(state(other.join().expect("an end").expect(0)), "fulfilled");
    });
    assert_eq!(read(&buyer, "message"), NEWS);
    assert_eq!(fetch(&stage.seller, "rest"), [] as [String; 0]);
    assert!(go_on(&["send"], &seller).expect(64).stdout.contains("no message to send"));
}
