//! Strangers judge our output: programs that share no code with us, each against a server of its own.
//!
//! The programs lie in `tests/strangers/` and print one line per check; a test here starts one and demands exit code 0.
//! They are installed by `ops/setup.sh`; one that is missing fails its test and never passes silently.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use semper_tests::server::{Data, Server};

#[test]
fn timestamping_over_http_octet_for_octet() {
    judge_by("tsa_http.py");
}

#[test]
fn the_token_byte_by_byte() {
    judge_by("tsa_token.py");
}

#[test]
fn openssl_ts() {
    judge_by("openssl_ts.py");
}

#[test]
fn jarsigner_of_the_jdk() {
    judge_by("jarsigner.py");
}

#[test]
fn bouncy_castle() {
    let server = Server::demo();
    let jars = ["bcpkix", "bcprov", "bcutil"].map(|name| format!("/usr/share/java/{name}.jar"));
    for jar in &jars {
        assert!(Path::new(jar).exists(), "{jar} is missing: run ops/setup.sh");
    }
    let mut java = Command::new("java");
    java.args(["-cp", &jars.join(":")]).arg(strangers().join("TimeStampCheck.java"));
    judge(java.arg(server.url()).arg(server.trust()));
}

#[test]
fn osslsigncode() {
    judge_by("osslsigncode.py");
}

#[test]
fn pyhanko_pades() {
    judge_by("pades.py");
}

#[test]
fn rfc3161_client_and_rfc3161ng() {
    judge_by("rfc3161_clients.py");
}

#[test]
fn the_log_audited_from_the_public_texts() {
    judge_by("tlog_audit.py");
}

#[test]
fn receipts_by_scitt_cose() {
    judge_by("scitt_cose_check.py");
}

/// What scitt-cose takes from us is known from receipts made by hand, and its check can fail.
#[test]
fn scitt_cose_takes_a_receipt_made_by_hand() {
    judge(python().arg(strangers().join("scitt_cose_check.py")).arg("--self-test"));
}

/// A server that answers, but not as it should, must fail: an auditor that passes everything proves nothing.
#[test]
fn a_stranger_says_no_under_foreign_anchors() {
    // A demonstration shares its keys with the others of this binary; the other one here has its own.
    let (server, other) = (Server::demo(), Data::own());
    for script in ["tlog_audit.py", "openssl_ts.py"] {
        let work = tempfile::tempdir().expect("a temporary folder");
        let output = run(&mut python_stranger(script, server.url(), &other.trust_folder(), work.path()));
        assert!(
            !output.status.success(),
            "{script} accepted one server under the anchors of another:\n{}",
            text(&output)
        );
        assert!(text(&output).contains("FAILED"), "{script} fell over instead of judging:\n{}", text(&output));
    }
}

/// Runs a Python stranger against a fresh demonstration server.
fn judge_by(script: &str) {
    let server = Server::demo();
    let work = tempfile::tempdir().expect("a temporary folder");
    judge(&mut python_stranger(script, server.url(), server.trust(), work.path()));
}

fn python_stranger(script: &str, url: &str, trust: &Path, work: &Path) -> Command {
    let mut command = python();
    command.arg(strangers().join(script)).args(["--url", url]).arg("--trust").arg(trust).arg("--work").arg(work);
    command
}

fn strangers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("strangers")
}

/// The interpreter of the venv that `ops/setup.sh` makes.
fn python() -> Command {
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map_or_else(|| PathBuf::from(env::var_os("HOME").expect("HOME is set")).join(".cache"), PathBuf::from);
    let python = cache.join("semper/venv/bin/python");
    assert!(fs::exists(&python).is_ok_and(|found| found), "{} is missing: run ops/setup.sh", python.display());
    let mut command = Command::new(python);
    // -B: no __pycache__ in the checkout, which several tests would write at once.
    command.arg("-B");
    command
}

fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{program}: {error}: run ops/setup.sh"))
}

fn judge(command: &mut Command) {
    let output = run(command);
    assert!(output.status.success(), "{command:?} ended with {}:\n{}", output.status, text(&output));
}

/// Everything printed, without the checks that passed.
fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    let lines = String::from_utf8_lossy(&both);
    lines.lines().filter(|line| !line.starts_with("ok ")).collect::<Vec<_>>().join("\n")
}
