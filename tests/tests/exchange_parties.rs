//! Two parties and the program itself: whole runs by files and over HTTP, a side that goes silent, a client that is killed, messages that
//! somebody has changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use semper_tests::exchange::{Listener, Stage, TEXT, go_on, sent, shown, state};
use semper_tests::http::{Connection, Response};
use semper_tests::notary::{World, json};
use semper_tests::process::{Finished, run, run_and_kill};
use semper_ttp::asn1::pem;
use semper_ttp::b64u;
use semper_ttp::client::message::Message;
use semper_ttp::crypto::jose::{Key, Thumbprint};
use semper_ttp::exchange::judge::{Evidence, Judgement, judge};
use semper_ttp::statement::Jws;
use semper_ttp::statement::exchange::verdict::Receipt;
use semper_ttp::x509::Certificate;
use serde_json::{Value, json};

fn statement(place: &str, name: &str) -> Jws {
    let path = Path::new(place).join(format!("{name}.jws"));
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Jws::parse(&bytes).expect("a statement")
}

/// What a judge makes of the files of a folder: certificates and statements, and nothing else.
fn judged(place: &str, statements: &[&str]) -> Judgement {
    let keys: Vec<_> = ["o", "r", "arbiter"]
        .iter()
        .map(|name| {
            let text = fs::read_to_string(Path::new(place).join(format!("{name}.pem"))).expect("a chain");
            let der = pem::decode("CERTIFICATE", &text).expect("PEM").remove(0);
            let certificate = Certificate::from_der(&der).expect("a certificate");
            Arc::new(Key::from_spki_der(&certificate.spki_der()).expect("its key"))
        })
        .collect();
    let find = |name: &Thumbprint| keys.iter().find(|key| key.thumbprint() == *name).cloned();
    let evidence = Evidence {
        first: statement(place, "m1"),
        statements: statements.iter().map(|name| statement(place, name)).collect(),
        verdicts: Vec::new(),
    };
    judge(&evidence, &find).expect("a run")
}

fn verdict(place: &str) -> Vec<u8> {
    fs::read(Path::new(place).join("verdict.jws")).expect("a verdict")
}

#[test]
fn a_whole_run_by_files() {
    let stage = Stage::new();
    let (seller, m1) = stage.offered("seller.run");
    let mode = fs::metadata(Path::new(&seller).join("state.json")).expect("its state").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // It is read before it is signed.
    let read = stage.path("read.txt");
    let done = stage.signer(&stage.buyer, &["accept", shown(&m1), "--contract-out", &read]);
    let told = json(done.expect(0));
    assert_eq!((&told["signed"], &told["offer"]["ends_at"]), (&json!(false), &Value::Null), "{told}");
    assert_eq!(told["offer"]["from"]["party"], json!(stage.seller.id));
    assert_eq!(fs::read_to_string(&read).expect("the contract"), TEXT);

    let (buyer, m2) = stage.accepted(&m1, "buyer.run");
    // Once, whatever the folder is called.
    let again = stage.signer(&stage.buyer, &["accept", shown(&m1), "--yes", "--run", &stage.path("other.run")]);
    assert!(again.expect(64).stdout.contains("was answered before"), "{again:?}");

    assert_eq!(state(go_on(&["status", "--ask"], &seller).expect(0)), "offered");
    let m3 = sent(&go_on(&["take", shown(&m2)], &seller));
    assert!(Path::new(&seller).join("m2.jws.tst").is_file() && Path::new(&buyer).join("m1.jws.tst").is_file());
    // Taken twice, it leads to the same octets.
    let octets = fs::read(&m3).expect("m3");
    assert_eq!(fs::read(sent(&go_on(&["take", shown(&m2)], &seller))).expect("m3"), octets);
    let m4 = sent(&go_on(&["take", shown(&m3)], &buyer));
    assert_eq!(state(go_on(&["take", shown(&m4)], &seller).expect(0)), "fulfilled");
    for place in [&seller, &buyer] {
        let told = json(go_on(&["status", "--ask"], place).expect(0));
        assert_eq!((&told["fulfilled"], &told["arbiter"]["outcome"]), (&json!(true), &Value::Null), "{told}");
    }
    for place in [&seller, &buyer] {
        let judgement = judged(place, &["m2", "m3", "m4"]);
        assert!(judgement.contract.is_some_and(|contract| contract.standard), "{judgement:?}");
        assert!(judgement.findings.is_empty() && judgement.rejected.is_empty(), "{judgement:?}");
    }
    // The arbiter knows nothing of it, and there is nothing to ask.
    go_on(&["ask"], &seller).expect(64);
    // Every message is as its schema says.
    for message in [&m1, &m2, &m3, &m4] {
        is_valid(&serde_json::from_slice(&fs::read(message).expect("a message")).expect("JSON"));
    }
}

fn schema() -> PathBuf {
    semper_tests::source_folder().join("../schemas/exchange/message.json")
}

fn judge_by_schema(message: &Value) -> bool {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.set_default_draft(boon::Draft::V2020_12);
    let text = fs::read_to_string(schema()).expect("the schema");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    compiler.add_resource("message.json", document).expect("a schema");
    let index = compiler.compile("message.json", &mut schemas).expect("a schema that compiles");
    schemas.validate(message, index).is_ok()
}

fn is_valid(message: &Value) {
    assert!(judge_by_schema(message), "{message}");
    let mut other = message.clone();
    other["more"] = json!(1);
    assert!(!judge_by_schema(&other), "a schema that takes everything");
}

#[test]
fn the_originator_resolves_and_the_responder_gets_the_same_octets() {
    let stage = Stage::new();
    let (seller, m1) = stage.offered("seller.run");
    let (buyer, m2) = stage.accepted(&m1, "buyer.run");
    // Nobody is overdue, and all that could be asked is to take it back.
    go_on(&["ask"], &seller).expect(64);
    go_on(&["take", shown(&m2)], &seller).expect(0);
    // Opened: it cannot be taken back any more.
    assert!(go_on(&["ask", "--abort"], &seller).expect(64).stdout.contains("cannot be taken back"));
    let told = json(go_on(&["ask"], &seller).expect(0));
    assert_eq!((&told["outcome"], &told["state"]), (&json!("RESOLVED"), &json!("fulfilled-by-verdict")), "{told}");
    for name in ["verdict.jws", "verdict.jws.tlog-proof", "answer.jws", "answer.jws.tlog-proof", "resolve.jws"] {
        assert!(Path::new(&seller).join(name).is_file(), "{name}");
    }
    assert_eq!(json(go_on(&["status", "--ask"], &seller).expect(0))["arbiter"]["outcome"], "RESOLVED");
    // A stranger judges the folder: the verdict, and that this is the text.
    let (file, text) = (format!("{seller}/verdict.jws"), format!("{seller}/contract"));
    let salt = fs::read_to_string(Path::new(&seller).join("contract.salt")).expect("the salt");
    let verify = ["verify", &file, "--document", &text, "--salt", &salt, "--trust", &stage.world.trust()];
    run(&verify).expect(0);
    let other = stage.world.file("other.txt", b"I sell, you buy for more.\n");
    run(&["verify", &file, "--document", &other, "--salt", &salt, "--trust", &stage.world.trust()]).expect(1);
    // The responder, who has heard nothing, asks as well.
    assert!(go_on(&["ask", "--abort"], &buyer).expect(64).stdout.contains("only the originator"));
    go_on(&["ask"], &buyer).expect(0);
    assert_eq!(verdict(&seller), verdict(&buyer));
    assert_ne!(
        fs::read(Path::new(&seller).join("answer.jws")).unwrap(),
        fs::read(Path::new(&buyer).join("answer.jws")).unwrap()
    );
}

/// The receipt is there before the answer, and the answer after whatever happens to the arbiter.
#[test]
fn a_request_is_left_and_answered_though_the_arbiter_is_killed() {
    let stage = Stage::new();
    let (seller, m1) = stage.offered("seller.run");
    let (_, m2) = stage.accepted(&m1, "buyer.run");
    go_on(&["take", shown(&m2)], &seller).expect(0);
    let told = json(go_on(&["ask", "--no-wait"], &seller).expect(2));
    let receipt = told["promised"]["receipt"].as_str().expect("a file").to_owned();
    let Stage { world: World { server, work, .. }, .. } = stage;
    let server = server.kill9().serve();
    let url = format!("https://{}", server.https());
    let receipt = Jws::parse(&fs::read(&receipt).unwrap()).unwrap().payload_as::<Receipt>().unwrap();
    assert_eq!(receipt.common.x, Some(statement(&seller, "m1").x().into()));
    let told = json(go_on(&["status", "--ask", "--url", &url], &seller).expect(0));
    assert_eq!(told["arbiter"]["outcome"], "RESOLVED", "it says nothing else before it has kept its word: {told}");
    let told = json(go_on(&["ask", "--url", &url], &seller).expect(0));
    assert_eq!((&told["outcome"], &told["state"]), (&json!("RESOLVED"), &json!("fulfilled-by-verdict")), "{told}");
    let data = server.stop();
    assert_eq!(fs::read_dir(data.path().join("requests")).unwrap().count(), 0, "nothing is owed any more");
    data.audit().expect(0);
    drop(work);
}

#[test]
fn what_was_taken_back_is_no_contract_for_the_responder() {
    let stage = Stage::new();
    let (seller, m1) = stage.offered("seller.run");
    let (buyer, m2) = stage.accepted(&m1, "buyer.run");
    assert_eq!(state(go_on(&["ask", "--abort"], &seller).expect(0)), "aborted");
    // After a1 never m3.
    let late = go_on(&["take", shown(&m2)], &seller);
    assert_eq!((state(late.expect(1)), &json(&late)["send"]), (json!("aborted"), &Value::Null), "{late:?}");
    assert!(!Path::new(&seller).join("m3.jws").exists());
    let told = json(go_on(&["ask"], &buyer).expect(1));
    assert_eq!((&told["outcome"], &told["fulfilled"]), (&json!("ABORTED"), &json!(false)), "{told}");
    assert_eq!(verdict(&seller), verdict(&buyer));
    go_on(&["status"], &buyer).expect(1);
}

/// `asw_r_revoke_to_block`, as the client has it: what was stamped when the key was good stays good; what was not is not relied on.
#[test]
fn a_responder_who_revokes_its_key_keeps_nobody_from_the_contract() {
    let stage = Stage::new();
    let (seller, m1) = stage.offered("seller.run");
    let (_, m2) = stage.accepted(&m1, "buyer.run");
    let (late, late_m1) = stage.offered("late.run");
    let (_, late_m2) = stage.accepted(&late_m1, "late-buyer.run");
    go_on(&["take", shown(&m2)], &seller).expect(0);
    let serial = hex::encode(stage.buyer.holder().certificate.serial());
    stage.world.officer(&["party", "revoke", "--serial", &serial, "--reason", "keyCompromise"]).expect(0);
    assert_eq!(state(go_on(&["ask"], &seller).expect(0)), "fulfilled-by-verdict");
    // Not opened for an answer by a key that is good no more; the offer can be taken back.
    let refused = go_on(&["take", shown(&late_m2)], &late);
    assert!(refused.expect(1).stdout.contains("was revoked"), "{refused:?}");
    assert!(!Path::new(&late).join("m3.jws").exists());
    go_on(&["ask", "--abort"], &late).expect(0);
}

#[test]
fn messages_that_somebody_has_changed_change_nothing() {
    let stage = Stage::new();
    let (seller, m1) = stage.offered("seller.run");
    let change = |message: &Path, change: &dyn Fn(&mut Value)| stage.changed(message, change);
    let refused = |file: &str, code: i32, why: &str| stage.not_accepted(file, code, why);
    let other_text = b64u::encode(b"I sell, you buy for more.\n");
    let with_text = |document: &mut Value| document["contract"]["text"] = json!(other_text);
    refused(&change(&m1, &with_text), 1, "not the one that the offer names");
    refused(&change(&m1, &|d| drop(d.as_object_mut().unwrap().remove("contract"))), 64, "without the contract");
    refused(&change(&m1, &|d| d["more"] = json!(1)), 1, "unknown field");
    refused(&change(&m1, &|d| d["x"] = json!("A".repeat(43))), 1, "another run");
    let of_buyer = fs::read_to_string(stage.buyer.p12("party-legal").with_extension("cer.pem")).expect("a chain");
    let chain: Vec<_> =
        pem::decode("CERTIFICATE", &of_buyer).expect("PEM").iter().map(|der| b64u::encode(der)).collect();
    refused(&change(&m1, &|d| d["certificates"] = json!(chain)), 1, "nobody here has the key");
    refused(&stage.world.file("cut.json", &fs::read(&m1).unwrap()[..100]), 1, "not JSON");
    refused(&stage.world.file("long.json", &vec![b' '; (6 << 20) + 1]), 64, "longer than");
    // A flipped bit of the signature.
    let forged = |document: &mut Value| {
        let text = document["statement"].as_str().unwrap().to_owned();
        let (head, signature) = text.rsplit_once('.').unwrap();
        let mut octets = b64u::decode(signature.as_bytes()).unwrap();
        octets[7] ^= 1;
        document["statement"] = json!(format!("{head}.{}", b64u::encode(&octets)));
    };
    refused(&change(&m1, &forged), 1, "signature");
    // The offer is for the buyer, and nobody else answers it; nor is it an answer.
    let own = stage.signer(&stage.seller, &["accept", shown(&m1), "--yes", "--run", &stage.path("own.run")]);
    assert!(own.expect(1).stdout.contains("the run names"), "{own:?}");
    go_on(&["take", shown(&m1)], &seller).expect(64);
    let (buyer, m2) = stage.accepted(&m1, "buyer.run");
    let refused = |file: &str, place: &str, code: i32| {
        let before = fs::read(Path::new(place).join("state.json")).unwrap();
        go_on(&["take", file], place).expect(code);
        assert_eq!(fs::read(Path::new(place).join("state.json")).unwrap(), before);
    };
    refused(&change(&m2, &forged), &seller, 1);
    refused(shown(&m2), &buyer, 64);
    let (other, _) = stage.offered("other.run");
    refused(shown(&m2), &other, 1);
    // Whoever changes the state itself is told so.
    let path = Path::new(&buyer).join("state.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"answered\"", "\"resolving\"", 1)).unwrap();
    assert!(go_on(&["status"], &buyer).expect(64).stdout.contains("lacks resolve"));
}

/// Kills a command again and again, a little later each time, and then lets it end: what it then leaves is a run that goes on.
fn killed_and_ended(args: &[String]) -> Finished {
    for millis in [0, 5, 10, 20, 30, 40, 60, 80, 120, 160, 240] {
        let _ = run_and_kill(args, Duration::from_millis(millis));
    }
    run(args)
}

#[test]
fn a_client_that_is_killed_goes_on() {
    let stage = Stage::new();
    let (seller, m1) = stage.offered("seller.run");
    let buyer = stage.path("buyer.run");
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let goes_on = |args: &[&str], place: &str| {
        killed_and_ended(&words(&[&["exchange"], args, &["--run", place, "--json"]].concat()))
    };
    let accept = stage.signer_args(&stage.buyer, &["accept", shown(&m1), "--yes", "--run", &buyer]);
    // One of the killed ones may have come to its end: then the offer is answered, and status has the message.
    let done = killed_and_ended(&accept);
    let m2 = match done.code {
        Some(0) => sent(&done),
        _ => {
            assert!(done.expect(64).stdout.contains("was answered before"), "{done:?}");
            sent(&go_on(&["status"], &buyer))
        }
    };
    let m2_octets = fs::read(Path::new(&buyer).join("m2.jws")).unwrap();
    let m3 = sent(&goes_on(&["take", shown(&m2)], &seller));
    let m3_octets = fs::read(Path::new(&seller).join("m3.jws")).unwrap();
    let m4 = sent(&goes_on(&["take", shown(&m3)], &buyer));
    assert_eq!(state(goes_on(&["take", shown(&m4)], &seller).expect(0)), "fulfilled");
    // What had left once is what is there at the end.
    assert_eq!(fs::read(Path::new(&buyer).join("m2.jws")).unwrap(), m2_octets);
    assert_eq!(fs::read(Path::new(&seller).join("m3.jws")).unwrap(), m3_octets);
    let of_message = |path: &Path| Message::parse(&fs::read(path).unwrap()).unwrap().statement.bytes().to_vec();
    assert_eq!((of_message(&m2), of_message(&m3)), (m2_octets, m3_octets));
    let judgement = judged(&seller, &["m2", "m3", "m4"]);
    assert!(judgement.contract.is_some() && judgement.findings.is_empty(), "{judgement:?}");

    // The same of whoever asks the arbiter: one request, one answer.
    let (seller, m1) = stage.offered("second.run");
    let (buyer, m2) = stage.accepted(&m1, "second-buyer.run");
    goes_on(&["take", shown(&m2)], &seller).expect(0);
    let done = goes_on(&["ask"], &seller);
    // The last of the killed ones may have ended it.
    assert!(done.code == Some(0) || done.stdout.contains("the run is over"), "{done:?}");
    assert_eq!(state(go_on(&["status"], &seller).expect(0)), "fulfilled-by-verdict");
    go_on(&["ask"], &buyer).expect(0);
    assert_eq!(verdict(&seller), verdict(&buyer));
}

/// Sends a message with any HTTP client.
fn posted(to: &Listener, message: &Path) -> Response {
    let mut connection = Connection::open(to.address()).expect("a connection");
    let body = fs::read(message).expect("a message");
    connection.request("POST", "/exchange", &[("content-type", "application/json")], &body).expect("an answer")
}

/// The folders of runs in a folder.
fn runs_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "exchange"))
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn a_whole_run_over_http() {
    let stage = Stage::new();
    let (seller, m1) = stage.offered("seller.run");
    let buyer = stage.listening("buyer", &["--accept-from", &stage.seller.id, "--yes"]);
    let done = go_on(&["run", "--peer", &buyer.url()], &seller);
    assert_eq!(state(done.expect(0)), "fulfilled");
    let runs = runs_in(&stage.path("buyer"));
    let [place] = &runs[..] else { panic!("{runs:?}") };
    // The listening side has it, too, and the same statements.
    buyer.stop();
    assert_eq!(state(go_on(&["status"], place).expect(0)), "fulfilled");
    for name in ["m1", "m2", "m3", "m4"] {
        assert_eq!(statement(place, name), statement(&seller, name), "{name}");
    }
    assert_eq!(judged(place, &["m2", "m3", "m4"]), judged(&seller, &["m2", "m3", "m4"]));
    // What is over stays over.
    assert_eq!(state(go_on(&["run", "--peer", "http://127.0.0.1:1"], &seller).expect(0)), "fulfilled");
    let again = stage
        .signer(&stage.buyer, &["accept", shown(&m1), "--yes", "--run", &format!("{}/other", stage.path("buyer"))]);
    again.expect(64);
}

#[test]
fn who_listens_takes_nothing_that_it_was_not_told_to_take() {
    let stage = Stage::new();
    let (seller, m1) = stage.offered("seller.run");
    let send = |to: &Listener| {
        let posted = posted(to, &m1);
        (posted.status, String::from_utf8_lossy(&posted.body).into_owned())
    };
    // Nobody's offers.
    let closed = stage.listening("closed", &[]);
    let (status, why) = send(&closed);
    assert!(status == 404 && why.contains("message.unknown"), "{status} {why}");
    closed.stop();
    // Somebody else's.
    let other = stage.listening("other", &["--accept-from", &stage.buyer.id, "--yes"]);
    assert_eq!(send(&other).0, 404);
    other.stop();
    assert!(runs_in(&stage.path("closed")).is_empty() && runs_in(&stage.path("other")).is_empty());
    // The seller's, to be read by a person first.
    let buyer = stage.listening("buyer", &["--accept-from", &stage.seller.id]);
    assert_eq!(send(&buyer).0, 202);
    assert!(runs_in(&stage.path("buyer")).is_empty());
    let mut kept = fs::read_dir(stage.path("buyer")).unwrap().map(|entry| entry.unwrap().path());
    let offer = kept.find(|path| shown(path).contains("/offer-")).expect("the offer was kept");
    let place = format!("{}/{}.exchange", stage.path("buyer"), run_name(&m1));
    let accepted = stage.signer(&stage.buyer, &["accept", shown(&offer), "--yes", "--run", &place]);
    accepted.expect(0);
    // And the one who calls goes on with what the one who listens now has.
    assert_eq!(state(go_on(&["run", "--peer", &buyer.url()], &seller).expect(0)), "fulfilled");
    assert_eq!(send(&buyer).0, 200, "the same offer gets the same answer");
}

/// By which run folders are called.
fn run_name(message: &Path) -> String {
    let message = Message::parse(&fs::read(message).unwrap()).unwrap();
    hex::encode(&message.x().0[..8])
}

#[test]
fn who_listens_asks_the_arbiter_when_nobody_opens() {
    let stage = Stage::new();
    let (_, m1) = stage.offered("seller.run");
    let mut buyer = stage.listening("buyer", &["--accept-from", &stage.seller.id, "--yes", "--patience-secs", "1"]);
    assert_eq!(posted(&buyer, &m1).status, 200);
    buyer.wait_for("CONTRACT: by the arbiter's verdict");
    buyer.stop();
    let runs = runs_in(&stage.path("buyer"));
    let [place] = &runs[..] else { panic!("{runs:?}") };
    assert_eq!(state(go_on(&["status", "--ask"], place).expect(0)), "fulfilled-by-verdict");
}

#[test]
fn who_calls_asks_the_arbiter_when_nobody_answers() {
    let stage = Stage::new();
    let text = stage.world.file("contract.txt", TEXT.as_bytes());
    let to = stage.buyer.p12("party-legal").with_extension("cer.pem").display().to_string();
    let place = stage.path("seller.run");
    let offer = ["offer", &text, "--to", &to, "--run", &place, "--patience-secs", "1"];
    stage.signer(&stage.seller, &offer).expect(0);
    // Nobody listens there.
    let told = go_on(&["run", "--peer", "http://127.0.0.1:1"], &place);
    assert_eq!(state(told.expect(1)), "aborted");
}
