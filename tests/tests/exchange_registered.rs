//! Registered deliveries at a running arbiter that is killed after every step: evidence stays what it was, nothing is missed that came in time,
//! and the program judges it offline.

use std::fs;
use std::path::Path;

use semper_tests::arbiter::{Party, get_as, post, post_as, text};
use semper_tests::exchange::{Mailed, Stage, go_on, sent, shown};
use semper_tests::http::get;
use semper_tests::notary::{World, json};
use semper_tests::process::{Finished, run};
use semper_ttp::b64u;
use semper_ttp::client::message::Message;
use semper_ttp::crypto::{Passphrase, open_key_pem};
use semper_ttp::digest::Digest;
use semper_ttp::statement::Jws;
use semper_ttp::statement::exchange::Protocol;
use semper_ttp::statement::exchange::cd_r::{D1, D2, ResolveR};
use semper_ttp::statement::exchange::erds::{ErdsEvent, ErdsEvidence, ErdsReason, Submit, evidence_id};
use semper_ttp::time::Timestamp;
use serde_json::{Value, json};

fn in_three_days() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_millis(now.as_millis() as u64).plus_secs(3 * 86_400).to_string()
}

fn events(shown: &Value) -> Vec<&str> {
    let all = shown["evidence"].as_array().unwrap_or_else(|| panic!("no evidence: {shown}"));
    all.iter().map(|one| one["event"].as_str().expect("a name")).collect()
}

fn told(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

#[test]
fn evidence_outlives_every_kill_and_is_judged_offline() {
    let stage = Stage::new();
    let (file, to, place) =
        (stage.world.file("news.txt", b"The tower was sold twice.\n"), stage.to_buyer(), stage.path("seller.run"));
    let ends = in_three_days();
    let _ =
        sent(&stage.signer(
            &stage.seller,
            &["deliver", &file, "--about", "news", "--to", &to, "--run", &place, "--ends", &ends],
        ));
    let place = Path::new(&place);
    let (o, r) = (Party::new(&stage.seller), Party::new(&stage.buyer));
    let d1 = Jws::parse(&fs::read(place.join("d1.jws")).expect("d1")).expect("a statement");
    let (into, trust) = (stage.path("fetched"), stage.world.trust());
    let login = stage.buyer.p12("party-auth").display().to_string();
    let Stage { world: World { server, work, .. }, buyer, seller } = stage;

    let x = Some(d1.x());
    let path = |what: &str| format!("/v1/deliveries/{}{what}", b64u::encode(d1.x().as_bytes()));
    let submission = json!({ "d1": text(&d1), "submit": text(&o.sign(x, Submit { notice: true })) });
    let (status, submitted) = post(&server, "/v1/deliveries", &submission);
    assert_eq!(
        (status, events(&submitted)),
        (201, vec!["SubmissionAcceptance", "NotificationForAcceptance"]),
        "{submitted}"
    );

    let server = server.kill9().serve();
    assert_eq!(post(&server, "/v1/deliveries", &submission), (200, submitted.clone()), "the same evidence");
    let url = format!("https://{}", server.https());
    let fetch =
        ["exchange", "fetch", "--into", &into, "--identity", &login, "--url", &url, "--trust", &trust, "--json"];
    let fetched = json(run(&fetch).expect(0));
    let notice = &fetched["messages"][0];
    assert_eq!(
        (&notice["statement"], &notice["from"], &notice["verified"]),
        (&json!("erds/evidence"), &json!(seller.id), &json!(true)),
        "{fetched}"
    );
    let d2 = r.sign(x, D2 {});
    let (status, accepted) = post(&server, &path("/statements"), &json!({ "statement": text(&d2) }));
    assert_eq!((status, events(&accepted)[2..].to_vec()), (200, vec!["ConsignmentAcceptance"]), "{accepted}");

    // Killed behind the verdict: the next process finds it in the run's own history, and what came with it.
    let server = server.kill9().serve();
    let take = json!({ "d1": text(&d1), "d2": text(&d2), "request": text(&r.sign(x, ResolveR {})) });
    let (status, decided) = post(&server, &path("/requests").replace("deliveries", "exchanges"), &take);
    assert_eq!((status, &decided["outcome"]), (200, &json!("RELEASED")), "{decided}");
    let server = server.kill9().serve();
    let (status, shown) = get_as(&server, &buyer, &path("/evidence"));
    assert_eq!((status, events(&shown)[3..].to_vec()), (200, vec!["ContentConsignment", "ContentHandover"]), "{shown}");
    assert_eq!((&shown["evidence"][0], &shown["evidence"][2]), (&submitted["evidence"][0], &accepted["evidence"][2]));
    let server = server.kill9().serve();
    assert_eq!(get_as(&server, &seller, &path("/evidence")), (200, shown.clone()));

    // Offline, with what lies in the run's folder.
    let policy = d1.payload_as::<D1>().expect("d1").body.policy;
    let policy = get(server.http(), &format!("/v1/policies/{}", Digest(policy.0)));
    fs::write(place.join("policy.json"), &policy.body).expect("a file");
    fs::write(place.join("verdict.jws"), told(&decided["verdict"])).expect("a file");
    let data = server.stop();
    let verified = |evidence: &Value, proof: &Value| -> Finished {
        let name = place.join("event.jws");
        fs::write(&name, told(evidence)).expect("a file");
        fs::write(place.join("event.jws.tlog-proof"), told(proof)).expect("a file");
        run(&["verify", &name.display().to_string(), "--trust", &trust, "--json"])
    };
    let all = shown["evidence"].as_array().expect("a list");
    for one in all {
        let report = json(verified(&one["statement"], &one["proof"]).expect(0));
        let body = Jws::parse(told(&one["statement"]).as_bytes())
            .expect("a statement")
            .payload_as::<ErdsEvidence>()
            .expect("evidence")
            .body;
        assert_eq!(report["report"]["evidence"]["letter"], body.event.letter(), "{report}");
    }
    // Another's proof refutes it; without the policy nothing can be told.
    let _ = verified(&all[2]["statement"], &all[3]["proof"]).expect(1);
    fs::remove_file(place.join("policy.json")).expect("a file");
    let _ = verified(&all[2]["statement"], &all[2]["proof"]).expect(2);
    data.fsck().expect(0);
    data.audit().expect(0);
    drop(work);
}

/// The letters of what a command tells.
fn letters(done: &Finished) -> Vec<String> {
    let told = json(done.expect(0));
    let all = told["evidence"].as_array().unwrap_or_else(|| panic!("no evidence: {told}"));
    all.iter().map(|one| one["letter"].as_str().expect("a letter").to_owned()).collect()
}

/// The same by commands alone: registered, taken by four messages, recorded as each side shows what it has; and one that is refused.
#[test]
fn both_sides_use_the_program() {
    let stage = Stage::new();
    let (file, to, ends) = (stage.world.file("news.txt", b"The tower.\n"), stage.to_buyer(), in_three_days());
    let delivered = |place: &str| {
        let place = stage.path(place);
        let deliver = ["deliver", &file, "--about", "news", "--to", &to, "--run", &place, "--ends", &ends];
        let message = sent(&stage.signer(&stage.seller, &deliver));
        (place, message)
    };
    let (seller, d1) = delivered("seller.run");
    // Nothing is recorded yet, and only its originator submits it.
    let _ = go_on(&["evidence"], &seller).expect(2);
    assert_eq!(letters(&go_on(&["register"], &seller)), ["A.1", "C.1"]);
    let submit = fs::read(Path::new(&seller).join("submit.jws")).expect("what was signed");
    assert_eq!(letters(&go_on(&["register"], &seller)), ["A.1", "C.1"], "once");
    assert_eq!(fs::read(Path::new(&seller).join("submit.jws")).expect("it"), submit);

    // Whoever names no trust learns that a notice came, and not that it is the arbiter's; one by somebody else is no notice.
    let fetched = |more: &[&str]| {
        let url = format!("https://{}", stage.world.server.https());
        let (into, login) = (stage.path("mail"), stage.buyer.p12("party-auth").display().to_string());
        let fetch = ["exchange", "fetch", "--into", &into, "--identity", &login, "--url", &url];
        run(&[&fetch, more].concat()).expect(0).stdout.clone()
    };
    let told = fetched(&[]);
    assert!(told.contains("a notice that a delivery was submitted to you, not verified"), "{told}");
    forged_notice(&stage, &seller);
    let told = fetched(&["--trust", &stage.world.trust()]);
    assert!(told.contains("a notice that does NOT count: ") && told.contains("is not the arbiter's"), "{told}");

    let (buyer, d2) = stage.accepted(&d1, "buyer.run");
    assert!(go_on(&["register"], &buyer).expect(64).stdout.contains("only the originator"));
    let d3 = sent(&go_on(&["take", shown(&d2)], &seller));
    assert_eq!(letters(&go_on(&["evidence"], &seller)), ["A.1", "C.1", "C.3"], "it has shown d2");
    let d4 = sent(&go_on(&["take", shown(&d3)], &buyer));
    assert_eq!(letters(&go_on(&["evidence"], &buyer)), ["A.1", "C.1", "C.3", "E.1"], "it has shown d4");
    let _ = go_on(&["take", shown(&d4)], &seller).expect(0);
    assert_eq!(letters(&go_on(&["evidence"], &seller)), ["A.1", "C.1", "C.3", "E.1"]);
    // Each side's folder is all that semper verify needs.
    for place in [&seller, &buyer] {
        for letter in ["A.1", "C.1", "C.3", "E.1"] {
            let name = format!("{place}/evidence-{letter}.jws");
            let _ = run(&["verify", &name, "--trust", &stage.world.trust()]).expect(0);
        }
    }
    let plain = run(&["exchange", "evidence", "--run", &seller]);
    assert!(plain.expect(0).stdout.contains("C.3  20"), "{plain:?}");
    convicted_by_its_evidence(&stage, Path::new(&seller));

    let (other, d1) = delivered("other.run");
    let refuse = ["refuse", shown(&d1), "--reason", "not-wanted"];
    let early = stage.signer(&stage.buyer, &refuse);
    assert!(early.expect(64).stdout.contains("delivery.not_submitted"), "{early:?}");
    assert_eq!(letters(&go_on(&["register", "--without-notice"], &other)), ["A.1"]);
    assert!(stage.signer(&stage.seller, &refuse).expect(64).stdout.contains("for another key"));
    assert_eq!(letters(&stage.signer(&stage.buyer, &refuse)), ["A.1", "C.4"]);
    assert_eq!(letters(&go_on(&["evidence"], &other)), ["A.1", "C.4"]);
    // Of a contract there is no such evidence.
    let (contract, _) = stage.offered("contract.run");
    assert!(go_on(&["register"], &contract).expect(64).stdout.contains("only deliveries"));
}

/// Whoever listens keeps the arbiter's notice for a person, and leaves where it is what somebody else calls one.
#[test]
fn a_listener_keeps_the_notices_that_count() {
    let stage = Stage::new();
    let (file, to, seller) =
        (stage.world.file("news.txt", b"The tower.\n"), stage.to_buyer(), stage.path("seller.run"));
    let deliver = ["deliver", &file, "--about", "news", "--to", &to, "--run", &seller, "--ends", &in_three_days()];
    let _d1 = sent(&stage.signer(&stage.seller, &deliver));
    assert_eq!(letters(&go_on(&["register"], &seller)), ["A.1", "C.1"]);
    forged_notice(&stage, &seller);
    let runs = stage.path("buyer");
    fs::create_dir_all(&runs).expect("a folder");
    let words = ["listen", "--mailbox", "--runs", &runs, "--accept-from", &stage.seller.id, "--yes"];
    let mut buyer = Mailed::start(&stage.signer_args(&stage.buyer, &words));
    buyer.wait_for("a notice came that a delivery was submitted to you");
    buyer.wait_for("stays in the mailbox: a notice that does not count");
    buyer.stop();
    let kept = fs::read_dir(&runs).expect("a folder").filter_map(Result::ok).map(|entry| entry.path());
    let kept: Vec<_> = kept.filter(|path| shown(path).contains("/offer-notice-")).collect();
    let [kept] = &kept[..] else { panic!("one notice: {kept:?}") };
    let kept = Message::parse(&fs::read(kept).expect("a notice")).expect("a message");
    assert_eq!(kept.statement.bytes(), fs::read(Path::new(&seller).join("evidence-A.1.jws")).expect("evidence"));
}

/// The seller leaves a notice of its own in the buyer's mailbox.
fn forged_notice(stage: &Stage, seller: &str) {
    let place = Path::new(seller);
    let genuine = Jws::parse(&fs::read(place.join("evidence-A.1.jws")).expect("evidence")).expect("a statement");
    let o = Party::new(&stage.seller);
    let body = genuine.payload_as::<ErdsEvidence>().expect("evidence").body;
    let statement = o.sign(Some(genuine.common().x.expect("x").into()), body);
    let certificates = vec![stage.seller.holder().certificate.der().to_vec()];
    let message = Message { protocol: Protocol::CdR, statement, certificates, beside: None }.to_bytes();
    let path = format!("/v1/mailboxes/{}", stage.buyer.id);
    let message = serde_json::from_slice(&message).expect("JSON");
    let (status, answer) = post_as(&stage.world.server, &stage.seller, &path, &message);
    assert!(status < 300, "{status}: {answer}");
}

/// Whoever holds the arbiter's key signs that the recipient neither took nor refused what it took: both pieces convict it, offline.
fn convicted_by_its_evidence(stage: &Stage, place: &Path) {
    let data = stage.world.data.path();
    let read = |name: &str| fs::read_to_string(data.join(name)).expect(name);
    let passphrase = Passphrase::new(read("passphrase").trim_end().to_owned());
    let key = open_key_pem(&read("keys/arbiter-verdict.1.p8"), &passphrase).expect("the arbiter's key");
    let corrupt = Party { id: stage.seller.id.clone(), key };
    let c3 = Jws::parse(&fs::read(place.join("evidence-C.3.jws")).expect("evidence")).expect("a statement");
    let x = Digest::from(c3.common().x.expect("x"));
    let event = ErdsEvent::AcceptanceRejectionExpiry;
    let lie = ErdsEvidence {
        event,
        id: evidence_id(&x, event).into(),
        reasons: vec![ErdsReason::NoAnswer.into()],
        basis: Vec::new(),
        ..c3.payload_as::<ErdsEvidence>().expect("evidence").body
    };
    let lie = corrupt.sign(Some(x), lie);
    let (lie, out) = (stage.world.file("never-answered.jws", lie.bytes()), stage.path("proofs"));
    let trust = stage.world.trust();
    fs::copy(place.join("arbiter.pem"), stage.world.server.trust().join("arbiter.pem")).expect("an anchor");
    let accused =
        |held: &[&str]| run(&[&["exchange", "accuse"], held, &["--trust", &trust, "--out", &out, "--json"]].concat());
    let run_of = place.display().to_string();
    let honest = json(accused(&[&run_of]).expect(1));
    assert!(honest["statements"].as_u64().is_some_and(|read| read >= 5), "d1 and four pieces: {honest}");
    let found = json(accused(&[&run_of, &lie]).expect(0));
    let proofs = found["proofs"].as_array().expect("a list");
    let kinds: Vec<_> = proofs.iter().map(|proof| told(&proof["kind"])).collect();
    assert!(kinds.contains(&"equivocation") && kinds.contains(&"broken-rule"), "{found}");
    for proof in proofs {
        let done = run(&["verify", told(&proof["file"]), "--trust", &trust]);
        assert!(done.expect(0).stdout.contains("\nPROVEN: the arbiter of "), "{}", done.stdout);
    }
    fs::remove_file(stage.world.server.trust().join("arbiter.pem")).expect("it");
}
