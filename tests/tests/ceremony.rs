//! A key ceremony: steps under two people, a transcript that both sign, and what the service takes as one.

use std::fs;
use std::path::{Path, PathBuf};

use semper_tests::http::{Connection, Response, get};
use semper_tests::server::{Data, Finished, Server, run};
use semper_tests::tls::TlsClient;
use semper_ttp::digest::Digest;
use serde_json::{Value, json};

fn ceremony(server: &Server, officer: &Path, transcript: &Path, steps: &[&str]) -> Finished {
    let url = format!("https://{}", server.https());
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let operator = text(&server.dir().join("people/operator.p12"));
    let (officer, transcript) = (text(officer), text(transcript));
    let mut words = vec!["keys", "ceremony", "--json", "--reason", "a trial", "--url", &url, "--identity", &operator];
    words.extend(["--officer", &officer, "--transcript", &transcript]);
    steps.iter().for_each(|step| words.extend(["--step", step]));
    run(&words)
}

/// `semper keys revoke ca-tsu` by one of the first two people.
fn revoke(server: &Server, person: &str, reason: &str) -> Finished {
    let (url, p12) = (format!("https://{}", server.https()), server.dir().join(format!("people/{person}.p12")));
    let p12 = p12.to_str().expect("UTF-8");
    run(&["keys", "revoke", "ca-tsu.1", "--json", "--reason", reason, "--url", &url, "--identity", p12])
}

#[test]
fn two_people_revoke_a_ca() {
    let data = Data::own();
    let server = data.serve();
    revoke(&server, "operator", "superseded").expect(64);
    let asked: Value = serde_json::from_str(&revoke(&server, "officer", "superseded").expect(75).stdout).expect("JSON");
    assert_eq!((&asked["status"], &asked["asked"]["reason"]), (&json!("good"), &json!("superseded")));
    let other = revoke(&server, "operator", "cessationOfOperation");
    assert!(other.expect(64).stdout.contains("for the same reason"), "{other:?}");
    let done: Value = serde_json::from_str(&revoke(&server, "operator", "superseded").expect(0).stdout).expect("JSON");
    assert_eq!((&done["status"], &done["revoked"]["reason"]), (&json!("revoked"), &json!("superseded")));
    let (url, p12) = (format!("https://{}", server.https()), server.dir().join("people/operator.p12"));
    let listed = run(&["keys", "list", "--url", &url, "--identity", p12.to_str().expect("UTF-8")]);
    let line = listed.expect(0).stdout.lines().find(|line| line.starts_with("ca-tsu.1 "));
    assert!(line.is_some_and(|line| line.ends_with("  revoked")), "{listed:?}");
    let unit = listed.stdout.lines().find(|line| line.starts_with("tsu-ec.1 "));
    assert!(unit.is_some_and(|line| line.ends_with("  revoked")), "its units stamp no more: {listed:?}");
    server.stop();
    data.audit().expect(0);
}

fn post(server: &Server, key: &str, body: &Value) -> Response {
    let operator = TlsClient::new(server.trust()).with_person(server.dir(), "operator").build();
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    let mut connection = Connection::open_tls(server.https(), &operator).expect("a connection");
    connection.request("POST", "/v1/keys/ceremonies", &headers, body.to_string().as_bytes()).expect("an answer")
}

#[test]
fn two_people_hold_it_and_sign_what_happened() {
    let (data, folder) = (Data::own(), tempfile::tempdir().expect("a temporary folder"));
    let server = data.serve();
    let officer = server.dir().join("people/officer.p12");
    let file = |name: &str| -> PathBuf { folder.path().join(name) };

    let held = ceremony(&server, &officer, &file("one.json"), &["rotate:ca-tsu", "rotate:tsu-ec"]);
    held.expect(0);
    let said: Value = serde_json::from_str(&held.stdout).expect("JSON");
    assert_eq!(said["steps"][1]["result"]["key"], "tsu-ec.2");
    let record: Value = serde_json::from_slice(&fs::read(file("one.json")).expect("the transcript")).expect("JSON");
    let transcript = record["transcript"].as_str().expect("text");
    let read: Value = serde_json::from_str(transcript).expect("JSON");
    assert_eq!(
        (&read["people"][0]["name"], &read["people"][1]["name"]),
        (&json!("First Operator"), &json!("First Officer"))
    );
    assert_eq!(said["recorded"]["transcript_sha256"], Digest::of(transcript.as_bytes()).to_string());
    let proof = said["recorded"]["entry"]["proof"].as_str().expect("a place");
    assert_eq!(get(server.http(), proof).status, 200);

    // A step that fails ends it, and is told and signed as well.
    let failed = ceremony(&server, &officer, &file("two.json"), &["rotate:ca-root", "rotate:tsu-ec"]);
    failed.expect(64);
    let record: Value = serde_json::from_slice(&fs::read(file("two.json")).expect("the transcript")).expect("JSON");
    let read: Value = serde_json::from_str(record["transcript"].as_str().expect("text")).expect("JSON");
    let steps = read["steps"].as_array().expect("a list");
    assert!(steps.len() == 1 && steps[0]["failed"].as_str().is_some_and(|why| why.contains("not rotated")), "{read}");

    // Not without the second: one person twice, or one who is not there. Nothing is done then.
    let operator = server.dir().join("people/operator.p12");
    for second in [&operator, &file("nobody.p12")] {
        ceremony(&server, second, &file("three.json"), &["rotate:tsu-ec"]).expect(64);
        assert!(!file("three.json").exists());
    }
    // Nor where what it makes could not be written down, or an officer holds no role.
    let taken = format!("request:ca-party:{}", file("one.json").display());
    let same = format!("request:ca-party:{}", file("three.json").display());
    for (transcript, step, why) in [
        ("one.json", "rotate:tsu-ec", "cannot write"),
        ("three.json", &taken, "cannot write"),
        ("no/three.json", "rotate:tsu-ec", "cannot write"),
        ("three.json", &same, "would be written twice"),
    ] {
        let refused = ceremony(&server, &officer, &file(transcript), &["rotate:tsu-ec", step]);
        assert!(refused.expect(64).stdout.contains(why), "{refused:?}");
    }
    let units: Value = serde_json::from_slice(&get(server.http(), "/.well-known/semper").body).expect("JSON");
    assert_eq!(units["timestamping"][0]["key"], "tsu-ec.2");

    // What the service takes: both statements, about this very transcript.
    let record: Value = serde_json::from_slice(&fs::read(file("one.json")).expect("the transcript")).expect("JSON");
    let (transcript, one, two) = (&record["transcript"], &record["statements"][0], &record["statements"][1]);
    let altered = transcript.as_str().expect("text").replace("a trial", "a party");
    for (key, body, expected) in [
        ("a", json!({ "transcript": transcript, "statements": [one] }), "keys.ceremony"),
        ("b", json!({ "transcript": transcript, "statements": [one, one] }), "keys.ceremony"),
        ("c", json!({ "transcript": altered, "statements": [one, two] }), "keys.ceremony"),
        ("d", json!({ "transcript": transcript, "statements": [one, "x.y.z"] }), "keys.ceremony"),
        ("e", json!({ "transcript": transcript }), "http.malformed"),
    ] {
        let answer = post(&server, key, &body);
        let problem: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(problem["code"], expected, "{body}: {problem}");
    }
    let whole = json!({ "transcript": transcript, "statements": [one, two] });
    let (first, again) = (post(&server, "f", &whole), post(&server, "f", &whole));
    assert_eq!((first.status, &first.body), (200, &again.body), "{first:?}");

    server.stop();
    data.audit().expect(0);
    data.fsck().expect(0);
}
