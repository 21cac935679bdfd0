//! `semper demo` as a user runs it: it tells the whole story, ends by itself, and leaves nothing behind but its folder.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use semper_tests::server::{command, run_command};
use serde_json::Value;

#[test]
fn the_demonstration_ends_by_itself_and_can_be_repeated_by_hand() {
    let place = tempfile::tempdir().expect("a temporary folder");
    // Where programs put what they forget.
    let (folder, temporary) = (place.path().join("my demo"), place.path().join("tmp"));
    fs::create_dir(&temporary).expect("a new folder");
    let demo = || {
        let mut demo = command(&["demo", "--json", "--out"]);
        demo.arg(&folder).env("TMPDIR", &temporary);
        run_command(demo)
    };
    let end = demo();
    end.expect(0);
    assert_eq!(end.stderr, "");
    let told: Value = serde_json::from_str(&end.stdout).expect("one JSON document");
    assert_eq!((&told["ok"], &told["error"]), (&Value::Bool(true), &Value::Null));
    assert_eq!(told["folder"].as_str().map(Path::new), Some(&*folder.canonicalize().expect("the folder")));

    // Every step in order, each known by what its first command does.
    let steps = told["steps"].as_array().expect("steps");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let first = |step: &Value| step["commands"][0].as_str().map(str::to_owned).unwrap_or_default();
    let done = [
        "init",
        "serve",
        "stamp",
        "kill -9",
        "serve",
        "prove",
        "party terms",
        "party identify",
        "party status",
        "openssl ocsp",
        "party revoke",
        "openssl ocsp",
        "party proof",
        "party apply",
        "notary certify",
        "notary ask",
        "notary sign",
        "notary take",
        "notary record",
        "exchange offer",
        "exchange offer",
        "exchange ask",
        "exchange deliver",
        "kill",
        "verify",
        "openssl ts",
        "party proof --offline",
        "verify notary/sale.act.jws",
        "verify notary/sale.dvc",
        "openssl cms",
        "openssl ts",
        "verify exchanges/silent-seller/verdict.jws",
        "cp exchanges/silent-seller/arbiter.pem",
        "verify",
        "fsck",
        "verify",
    ];
    assert_eq!(steps.len(), done.len(), "{told:#}");
    for (step, done) in steps.iter().zip(done) {
        assert!(!text(&step["title"]).is_empty());
        let line = first(step);
        let word = line.starts_with(done) || line.contains(&format!(" {done} "));
        assert!(word, "{done}: {line}");
        assert!(step["results"].as_array().is_some_and(|results| !results.is_empty()), "{line}");
    }
    let results = |step: usize| steps[step]["results"].to_string();
    assert!(results(2).contains("of the ledger") && results(2).contains("contract.txt.tlog-proof"), "{}", results(2));
    assert!(results(5).contains("the same, byte for byte"), "{}", results(5));
    for (step, due) in
        [(19, "CONTRACT"), (20, "CONTRACT"), (21, "the same, byte for byte"), (22, "as it was delivered")]
    {
        assert!(results(step).contains(due), "{}", results(step));
    }
    assert!(results(24).contains("VERIFIED AS A TEST, which proves nothing: contract.txt existed"), "{}", results(24));
    assert!(results(25).contains("Verification: OK"), "{}", results(25));
    for (step, due) in [(9, "good"), (11, "revoked"), (12, "was good"), (26, "was good")] {
        assert!(results(step).contains(due), "{}", results(step));
    }
    for step in [27, 28, 31] {
        assert!(results(step).contains("VERIFIED") && !results(step).contains("NOT VERIFIED"), "{}", results(step));
    }
    assert!(results(32).contains("equivocation: proofs/"), "{}", results(32));
    assert!(results(33).contains("PROVEN: ") && results(33).contains("twice"), "{}", results(33));
    assert!(results(34).contains("sound") && !results(34).contains("NOT"), "{}", results(34));
    assert!(results(35).contains("NOT VERIFIED: ") && results(35).contains("(exit code 1)"), "{}", results(35));

    // The commands can be repeated by hand, in the folder.
    for (step, code) in (24..35).map(|step| (step, 0)).chain([(35, 1)]) {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(first(&steps[step])).current_dir(&folder).stdin(Stdio::null());
        run_command(shell).expect(code);
    }

    // Nothing runs any more where it was, and nothing lies outside the folder.
    assert_eq!(running_in(place.path()), [""; 0]);
    assert_eq!(fs::read_dir(&temporary).expect("still there").count(), 0);
    assert_eq!(fs::read_dir(place.path()).expect("still there").count(), 2);

    // A folder that is not empty is left alone.
    let again = demo();
    again.expect(64);
    assert!(again.stdout.contains("is not empty"), "{again:#?}");
}

/// Command lines of the processes whose folder is `place` or lies in it.
fn running_in(place: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
    processes
        .filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|folder| folder.starts_with(place)))
        .map(|process| fs::read_to_string(process.join("cmdline")).unwrap_or_default().replace('\0', " "))
        .collect()
}
