//! What commands say, to people and to programs, and how they end.

use std::fs;

use semper_tests::http::Connection;
use semper_tests::server::{Data, Finished, Server, command, run};
use semper_tests::stamp::{QUERY, query};
use semper_ttp::asn1::TEST_POLICY;
use serde_json::Value;

/// The one JSON document on standard output.
fn json(end: &Finished) -> Value {
    serde_json::from_str(&end.stdout).unwrap_or_else(|error| panic!("{error}: {end:#?}"))
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing");
    let missing = missing.to_str().expect("a path in UTF-8");
    for (args, word) in [
        (vec!["serve", "--json"], "--data"),
        (vec!["--json", "no-such-command"], "no-such-command"),
        (vec!["serve", "--json", "--data", missing], "semper init --data"),
        (vec!["init", "--json", "--data", missing, "--config", missing], missing),
        (vec!["fsck", "--json", "--data", missing], missing),
    ] {
        let end = run(&args);
        assert!(!matches!(end.code, None | Some(0)), "{end:#?}");
        let document = json(&end);
        assert!(document["error"].as_str().is_some_and(|error| error.contains(word)), "{end:#?}");
        assert_eq!(end.stderr, "", "{args:?}");
    }
}

/// Evidence of a trial is not taken for that of the service that is asked now.
#[test]
fn evidence_of_another_service_or_policy_is_not_what_was_asked_for() {
    let other = Data::own();
    let (trial, server) = (Server::demo(), other.serve());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("contract.txt");
    fs::write(&file, "the contract").expect("a file");
    let file = file.to_str().expect("a path in UTF-8");
    let stamp = |server: &Server, further: &[&str]| {
        let url = format!("http://{}", server.http());
        run(&[&["stamp", file, "--url", url.as_str()], further].concat())
    };
    stamp(&trial, &[]).expect(0);
    let again = stamp(&trial, &[]);
    assert!(again.expect(0).stdout.contains("already stamped"), "{again:#?}");
    let end = stamp(&server, &[]);
    assert!(end.expect(64).stdout.contains("another service"), "{end:#?}");
    let end = stamp(&trial, &["--policy", "1.2.3.4"]);
    assert!(end.expect(64).stdout.contains("another policy"), "{end:#?}");
    trial.stop();
    run(&["stamp", file, "--url", "http://127.0.0.1:1"]).expect(69);
}

/// A full disk behind a redirection loses the result; the exit code must not say that all is well.
#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let data = Data::demo();
    let data = data.path().to_str().expect("a path in UTF-8");
    for args in [vec!["fsck", "--data", data], vec!["--json", "fsck", "--data", data]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let end = command(&args).stdout(full).output().expect("it runs");
        assert_eq!(end.status.code(), Some(70), "{args:?}");
        assert!(String::from_utf8_lossy(&end.stderr).contains("could not be written"), "{args:?}");
    }
}

/// A trial's timestamp is judged only when its policy is named; a service that is not there is told from one that has
/// no such entry.
#[test]
fn a_trial_from_stamp_to_verify() {
    let server = Server::demo();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let (document, token, again) = (path("contract.txt"), path("contract.txt.tst"), path("again"));
    fs::write(&document, "a contract").expect("the document");
    run(&["stamp", &document, "--url", server.url()]).expect(0);
    let proved = run(&["prove", "--token", &token, "--url", server.url(), "--out", &again]);
    assert!(proved.expect(0).stdout.contains(&again), "{proved:#?}");

    let url = server.url();
    let taken = run(&["prove", "--index", "0", "--url", url, "--out", &again]);
    assert!(taken.expect(64).stderr.contains("nothing was overwritten: move it away"), "{taken:#?}");

    let trust = server.trust().to_str().expect("a path in UTF-8").to_owned();
    let verify = ["verify", &document, "--trust", &trust];
    let unasked = run(&verify);
    assert!(unasked.expect(2).stdout.contains("COULD NOT TELL"), "{unasked:#?}");
    assert!(unasked.stdout.contains(&format!("--policy {TEST_POLICY}")), "{unasked:#?}");
    let asked = run(&[&verify[..], &["--policy", TEST_POLICY]].concat());
    assert!(asked.expect(0).stdout.contains("VERIFIED AS A TEST"), "{asked:#?}");
    run(&[&verify[..], &["--policy", "1.2.3"]].concat()).expect(1);
    let mistyped = run(&["verify", &path("contrakt.txt"), "--trust", &trust]);
    assert!(mistyped.expect(2).stderr.contains("contrakt.txt: No such file"), "{mistyped:#?}");
    // The ledger's promise is a file of the trust folder.
    let bad = path("bad");
    semper_tests::server::copy_folder(server.trust(), bad.as_ref());
    fs::write(folder.path().join("bad/ledger.json"), "no promise").expect("ledger.json");
    let broken = run(&["verify", &document, "--trust", &bad, "--policy", TEST_POLICY]);
    assert!(broken.expect(2).stderr.contains("ledger.json"), "{broken:#?}");

    let other = path("other.txt");
    fs::write(&other, "another contract").expect("the document");
    let lost = run(&["stamp", &other, "--url", &format!("{}/nowhere", server.url())]);
    assert!(lost.expect(64).stdout.contains("is the server's URL right?"), "{lost:#?}");
}

/// The same by the other form of a receipt, and without the line that need not be there.
#[test]
fn every_form_of_receipt_is_judged() {
    let server = Server::demo();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let (document, token, receipt) = (path("contract.txt"), path("contract.txt.tst"), path("contract.cose"));
    fs::write(&document, "a contract").expect("the document");
    run(&["stamp", &document, "--url", server.url()]).expect(0);
    run(&["prove", "--token", &token, "--url", server.url(), "--form", "cose", "--out", &receipt]).expect(0);
    let trust = server.trust().to_str().expect("a path in UTF-8");
    let verify = |proof: &str, trust: &str| {
        run(&["verify", &document, "--proof", proof, "--trust", trust, "--policy", TEST_POLICY])
    };
    assert!(verify(&receipt, trust).expect(0).stdout.contains("and recorded as entry "));
    let text = fs::read_to_string(path("contract.txt.tlog-proof")).expect("the proof");
    let bare: String = text.split_inclusive('\n').filter(|line| !line.starts_with("extra ")).collect();
    fs::write(path("bare"), bare).expect("a proof");
    assert!(verify(&path("bare"), trust).expect(0).stdout.contains("and recorded as entry "));
    let fewer = path("trust");
    semper_tests::server::copy_folder(server.trust(), fewer.as_ref());
    fs::remove_file(folder.path().join("trust/receipt.pem")).expect("receipt.pem");
    assert!(verify(&receipt, &fewer).expect(2).stdout.contains("receipt.pem"));
    let mut bytes = fs::read(&receipt).expect("the receipt");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&receipt, bytes).expect("the receipt");
    verify(&receipt, trust).expect(1);
}

/// What other clients keep is the whole TimeStampResp.
#[test]
fn a_response_serves_as_the_token_in_it() {
    let server = Server::demo();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let (document, response) = (path("contract.txt"), path("contract.tsr"));
    fs::write(&document, "a contract").expect("the document");
    let mut connection = Connection::open(server.http()).expect("a connection");
    let answer = connection.request("POST", "/tsa", &[("Content-Type", QUERY)], &query(b"a contract"));
    fs::write(&response, answer.expect("an answer").body).expect("the response");
    run(&["prove", "--token", &response, "--url", server.url(), "--out", &path("contract.tlog-proof")]).expect(0);
    let trust = server.trust().to_str().expect("a path in UTF-8");
    let verify = ["verify", &document, "--token", &response, "--trust", trust, "--policy", TEST_POLICY];
    let verified = run(&verify);
    assert!(verified.expect(0).stdout.contains("VERIFIED AS A TEST"), "{verified:#?}");
    fs::write(&document, "another contract").expect("the document");
    run(&verify).expect(1);
}
