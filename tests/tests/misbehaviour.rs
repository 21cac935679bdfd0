//! Proofs of misbehaviour before `semper verify`: what convicts, what does not, what is missing, and what is no proof.

use std::fs;
use std::path::{Path, PathBuf};

use semper_ledger::note::VerifierKey;
use semper_tests::process::{Finished, run};
use semper_tests::witness::TestLog;
use semper_ttp::account::{Prefix, Proof};
use tempfile::TempDir;

/// A folder with a trust folder in it, which has a log's key and nothing else.
struct Court(TempDir);

impl Court {
    fn new(key: &VerifierKey) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("trust")).expect("a folder");
        fs::write(folder.path().join("trust/ledger.vkey"), format!("{key}\n")).expect("the key");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn judge(&self, name: &str, bytes: impl AsRef<[u8]>, more: &[&Path], exit: i32) -> Finished {
        fs::write(self.path(name), bytes).expect("the evidence");
        let file = self.path(name);
        let trust = self.path("trust");
        let mut words = vec![Path::new("verify"), &file, Path::new("--trust"), &trust];
        words.extend(more);
        let end = run(&words);
        end.expect(exit);
        end
    }
}

#[test]
fn two_histories_convict_whoever_signed_them() {
    let log = TestLog::new("log.example/1", "e");
    let court = Court::new(log.key());
    let stranger = TestLog::new("log.example/1", "e");
    let (honest, older) = (log.sign(&log.checkpoint(200)), log.sign(&log.checkpoint(150)));
    let root = log.checkpoint(150).root;
    let log = log.forked(100);
    let forked = log.sign(&log.checkpoint(200));
    let request = log.request(150, 200);
    let fork = Prefix { from: 150, root: log.checkpoint(150).root, to: 200, path: request.proof.clone() };

    let proof = Proof::two_roots("log.example/1", &honest, &forked).to_json();
    let out = court.judge("fork.pom.json", &proof, &[], 0).stdout;
    assert!(out.contains("\nClaim      split-view: the ledger was signed in two histories"), "{out}");
    assert!(out.contains("\nPROVEN: the log log.example/1 signed two histories: "), "{out}");
    let json = court.judge("fork.pom.json", &proof, &[Path::new("--json")], 0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("one document");
    assert_eq!((json["verdict"].as_str(), json["kind"].as_str()), (Some("proven"), Some("split-view")));
    court.judge("prefix.pom.json", Proof::fork("log.example/1", &older, &forked, fork).to_json(), &[], 0);

    // One and the same history, another key, nobody's key.
    let same = Proof::two_roots("log.example/1", &honest, &honest).to_json();
    let out = court.judge("same.pom.json", same, &[], 1).stdout;
    assert!(out.contains("\nNOT PROVEN: the two checkpoints say the same."), "{out}");
    let honest_prefix = Prefix { from: 150, root, to: 200, path: request.proof };
    court.judge("wrong.pom.json", Proof::fork("log.example/1", &older, &forked, honest_prefix).to_json(), &[], 1);
    Court::new(stranger.key()).judge("fork.pom.json", &proof, &[], 1);

    // Nothing signed says when a checkpoint was shown.
    let out = court.judge("back.pom.json", Proof::rollback("log.example/1", &honest, &older).to_json(), &[], 2);
    assert!(out.stdout.contains("\nCOULD NOT TELL: "), "{}", out.stdout);
}

#[test]
fn files_that_are_no_proof() {
    let log = TestLog::new("log.example/1", "e");
    let court = Court::new(log.key());
    let proof = Proof::two_roots("log.example/1", "a", "b").to_json();
    // Cut short, it is an ordinary document without a timestamp; of another version it says so.
    for (name, bytes, says) in [
        ("cut", proof[..proof.len() - 4].to_owned(), "root.pem"),
        ("json", "{\"t\":\"invoice\"}".to_owned(), "root.pem"),
        ("later", proof.replace("\"v\":1", "\"v\":2"), "of version 2, which this program does not know"),
        ("garbled", proof.replace("log.example/1", "log.example/\\u001b[2J"), "no log's origin"),
    ] {
        let out = court.judge(name, bytes, &[], 2);
        assert!(out.stderr.contains(says), "{name}: {}", out.stderr);
        assert!(!out.stderr.contains('\u{1b}'), "{name}");
    }
    // A document that happens to be such a file, with its timestamp beside it, is a document.
    fs::write(court.path("stamped.tst"), "none").expect("a file");
    let out = court.judge("stamped", &proof, &[], 2);
    assert!(out.stderr.contains("root.pem"), "{}", out.stderr);
    // Without the log's key nothing can be said.
    fs::remove_file(court.path("trust/ledger.vkey")).expect("the key was there");
    let out = court.judge("unknown.pom.json", &proof, &[], 2);
    assert!(out.stderr.contains("ledger.vkey"), "{}", out.stderr);
}
