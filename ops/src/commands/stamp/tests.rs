//! Everything up to a good token, by a server that is told what to answer; good tokens come with the real server.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use semper_api::client::ClientError;
use semper_ttp::crypto::{Entropy, EntropyFault};
use semper_ttp::digest::Digest;
use semper_ttp::timestamp::{ClockVerdict, FailInfo, Refusal, request, response};

use super::*;

/// Gives the same answer always; notes what it was asked and how long it was left alone.
struct Scripted {
    answer: Result<Vec<u8>, ClientError>,
    asked: Mutex<Vec<Vec<u8>>>,
    waited: Mutex<Vec<u64>>,
}

impl Scripted {
    fn new(answer: Result<Vec<u8>, ClientError>) -> Self {
        Self { answer, asked: Mutex::default(), waited: Mutex::default() }
    }
}

impl Service for Scripted {
    fn timestamp(&self, query: Vec<u8>) -> Result<Vec<u8>, ClientError> {
        self.asked.lock().unwrap().push(query);
        self.answer.clone()
    }

    fn proof(&self, _: Digest, _: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>, ClientError> {
        self.answer.clone()
    }

    fn origin(&self) -> Result<String, ClientError> {
        Ok("log.example".to_owned())
    }

    fn wait(&self, time: Duration) {
        self.waited.lock().unwrap().push(time.as_secs());
    }
}

struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFault> {
        out.fill(7);
        Ok(())
    }
}

fn wanted() -> Wanted {
    Wanted {
        algorithm: ImprintAlgorithm::Sha384,
        policy: Some("1.2.3".parse().unwrap()),
        witnessed: false,
        trust: None,
    }
}

fn told<'a>(plan: &'a Plan, results: &'a [Outcome]) -> Report<'a> {
    static WANTED: LazyLock<Wanted> = LazyLock::new(wanted);
    Report { plan, results, wanted: &WANTED }
}

fn folder(files: usize) -> (tempfile::TempDir, Plan) {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..files {
        fs::write(folder.path().join(format!("f{i:03}")), format!("content {i}")).unwrap();
    }
    let found = plan(&[folder.path().to_owned()], None).unwrap();
    assert_eq!(found.jobs.len(), files);
    (folder, found)
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

fn stamp(plan: &Plan, service: &Scripted) -> Vec<Outcome> {
    stamp_all(&plan.jobs, &wanted(), service, &Sevens, &Progress::none())
}

#[test]
fn the_query_has_digest_policy_nonce_and_asks_for_certificates() {
    let (_folder, plan) = folder(1);
    let service = Scripted::new(Ok(response::rejection(&Refusal::Version)));
    stamp(&plan, &service);
    let asked = service.asked.lock().unwrap();
    let query = request::parse(&asked[0], &[ImprintAlgorithm::Sha384]).unwrap();
    assert_eq!(query.imprint.digest, semper_ttp::crypto::imprint_of(ImprintAlgorithm::Sha384, b"content 0"));
    assert_eq!(query.nonce, Some(vec![7; 16]));
    assert_eq!(query.policy, wanted().policy);
    assert!(query.cert_req);
}

#[test]
fn failures_write_nothing_and_have_their_exit() {
    let rejection = |refusal| Ok(response::rejection(&refusal));
    let server = String::new;
    for (answer, exit) in [
        (Err(ClientError::Unreachable { server: server(), why: server() }), Exit::Unreachable),
        (Err(ClientError::TimedOut { server: server(), secs: 30 }), Exit::Unreachable),
        (Err(ClientError::Status { status: 500, text: server() }), Exit::Fault),
        (Err(ClientError::ContentType { expected: "", found: server() }), Exit::Fault),
        (rejection(Refusal::HashAlgorithm), Exit::Usage),
        (rejection(Refusal::Halted), Exit::Unreachable),
        (Ok(b"garbage".to_vec()), Exit::Fault),
        // Granted, but what is there is no token.
        (Ok(vec![0x30, 0x07, 0x30, 0x03, 0x02, 0x01, 0x00, 0x30, 0x00]), Exit::Fault),
    ] {
        let (folder, plan) = folder(1);
        let service = Scripted::new(answer.clone());
        let results = stamp(&plan, &service);
        let report = told(&plan, &results);
        assert_eq!(report.exit(), exit, "{answer:?}: {}", report.text());
        assert!(report.text().contains("FAILED") && report.text().ends_with("1 failed"), "{}", report.text());
        assert_eq!(report.json()["files"][0]["exit"], exit.code());
        assert_eq!(files(folder.path()), 1, "{answer:?}");
    }
}

#[test]
fn a_busy_server_is_asked_again_as_it_wishes_but_not_for_ever() {
    let by_http = |retry_after_secs| Err(ClientError::Busy { retry_after_secs });
    // The service's own word, with status 200.
    let by_text = |retry_after_secs| Ok(response::rejection(&Refusal::Busy { retry_after_secs }));
    for (answer, waits) in [
        (by_http(Some(3)), 3),
        (by_http(None), 1),
        (by_http(Some(0)), 1),
        (by_http(Some(86_400)), 30),
        (by_text(3), 3),
        (by_text(86_400), 30),
    ] {
        let (_folder, plan) = folder(1);
        let service = Scripted::new(answer.clone());
        let results = stamp(&plan, &service);
        assert_eq!(told(&plan, &results).exit(), Exit::Busy);
        assert_eq!(*service.waited.lock().unwrap(), [waits; 7], "{answer:?}");
        assert_eq!(service.asked.lock().unwrap().len(), 8);
    }
    // Who does not ask to be asked again is not.
    for refusal in [Refusal::Unavailable, Refusal::Clock { verdict: ClockVerdict::Stopped }] {
        let (_folder, plan) = folder(1);
        let service = Scripted::new(Ok(response::rejection(&refusal)));
        let results = stamp(&plan, &service);
        assert_eq!(told(&plan, &results).exit(), Exit::Busy);
        assert!(service.waited.lock().unwrap().is_empty(), "{refusal}");
    }
}

#[test]
fn what_would_repeat_is_not_repeated() {
    let (_folder, plan) = folder(200);
    let service = Scripted::new(Err(ClientError::Unreachable { server: String::new(), why: String::new() }));
    let results = stamp(&plan, &service);
    let asked = service.asked.lock().unwrap().len();
    assert!((1..=IN_FLIGHT).contains(&asked), "{asked}");
    let report = told(&plan, &results);
    assert!(report.text().ends_with(&format!("{asked} failed, {} not tried", 200 - asked)), "{}", report.text());

    // An answer that is merely wrong for one file lets the others have their turn.
    let service = Scripted::new(Ok(b"garbage".to_vec()));
    stamp(&plan, &service);
    assert_eq!(service.asked.lock().unwrap().len(), 200);
}

#[test]
fn existing_evidence_is_left_alone_and_nothing_is_asked() {
    for (existing, says) in [("f000.tst", "is no token"), ("f000.tlog-proof", "there is no token to it")] {
        let (folder, plan) = folder(1);
        fs::write(folder.path().join(existing), b"precious").unwrap();
        let service = Scripted::new(Ok(Vec::new()));
        let results = stamp(&plan, &service);
        let report = told(&plan, &results);
        assert_eq!(report.exit(), Exit::Usage);
        let text = report.text();
        assert!(text.contains(says) && text.contains("nothing was overwritten"), "{text}");
        assert_eq!(fs::read(folder.path().join(existing)).unwrap(), b"precious");
        assert!(service.asked.lock().unwrap().is_empty());
        assert_eq!(files(folder.path()), 2);
    }
}

#[test]
fn a_file_that_went_away_is_said() {
    let (folder, plan) = folder(1);
    fs::remove_file(folder.path().join("f000")).unwrap();
    let results = stamp(&plan, &Scripted::new(Ok(Vec::new())));
    let report = told(&plan, &results);
    assert!(report.exit() == Exit::Usage && report.text().contains("cannot read"), "{}", report.text());
}

fn kept(done: Done, index: u64) -> Outcome {
    let time = semper_ttp::time::Timestamp::from_millis(1_795_238_053_120);
    Some(Ok(Kept { done, time, digest: Digest([0xAB; 32]), index }))
}

#[test]
fn the_summary_counts_every_kind() {
    let (_folder, mut plan) = folder(5);
    plan.skipped.push("a/link".into());
    plan.lone.push("a/notes.tst".into());
    let results = vec![
        kept(Done::Stamped, 4),
        kept(Done::Completed, 3),
        kept(Done::Already, 2),
        Some(Err(Failure::Rejected { fail_info: vec![FailInfo::SystemFailure], text: "full".into() })),
        None,
    ];
    let report = told(&plan, &results);
    let text = report.text();
    let mut lines = text.lines();
    let first = lines.next().unwrap();
    assert!(first.ends_with("f000: stamped, 2026-11-21T05:14:13.120Z, entry 4 of the ledger"), "{first}");
    assert!(text.contains("f003: FAILED: the server refuses: systemFailure: full"), "{text}");
    assert!(text.contains("a/link: passed over") && text.contains("a/notes.tst: passed over"), "{text}");
    let summary =
        "1 stamped, 1 had a token and got the missing proof, 1 already stamped, 1 failed, 1 not tried, 2 passed over";
    assert_eq!(text.lines().last(), Some(summary));
    assert_eq!(report.exit(), Exit::Busy);

    let json = report.json();
    let outcomes: Vec<_> = json["files"].as_array().unwrap().iter().map(|file| file["outcome"].clone()).collect();
    assert_eq!(outcomes, ["stamped", "completed", "already", "failed", "not-tried"]);
    assert_eq!((&json["files"][0]["index"], &json["files"][0]["digest"]), (&4.into(), &"ab".repeat(32).into()));
    assert_eq!(json["passed_over"], json!(["a/link", "a/notes.tst"]));
}

#[test]
fn many_files_are_summed_up() {
    let (_folder, plan) = folder(LINES_MAX + 1);
    let results: Vec<_> = plan.jobs.iter().map(|_| kept(Done::Already, 1)).collect();
    let report = told(&plan, &results);
    assert_eq!(report.text(), "25 already stamped");
    assert_eq!(report.exit(), Exit::Ok);
    assert_eq!(told(&Plan::default(), &[]).text(), "no files");
}
