//! What commands say, to people and to programs, and how they end.

use std::fs;

use semper_tests::server::{Finished, Server, run};
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

    let trust = server.trust().to_str().expect("a path in UTF-8").to_owned();
    let verify = ["verify", &document, "--trust", &trust];
    let unasked = run(&verify);
    assert!(unasked.expect(2).stdout.contains("COULD NOT TELL"), "{unasked:#?}");
    assert!(unasked.stdout.contains(&format!("--policy {TEST_POLICY}")), "{unasked:#?}");
    let asked = run(&[&verify[..], &["--policy", TEST_POLICY]].concat());
    assert!(asked.expect(0).stdout.contains("VERIFIED AS A TEST"), "{asked:#?}");
    run(&[&verify[..], &["--policy", "1.2.3"]].concat()).expect(1);
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
