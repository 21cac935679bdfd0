//! Strangers judge our output: programs that share no code with us, each against a server of its own.
//!
//! The programs lie in `tests/strangers/` and print one line per check; a test here starts one and demands exit code 0.
//! They are installed by `ops/setup.sh`; one that is missing fails its test and never passes silently. Witnesses by others are
//! in `foreign_witness.rs`.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use semper_tests::server::{Data, Server};
use semper_tests::stamp::stamp_many;
use semper_tests::strangers::{folder, judge, python, run, text};

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
    java.args(["-cp", &jars.join(":")]).arg(folder().join("TimeStampCheck.java"));
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
fn pkilint() {
    judge_by("pkilint_check.py");
}

#[test]
fn the_log_audited_from_the_public_texts() {
    judge_by("tlog_audit.py");
}

/// What `semper export` wrote, behind a web server that knows nothing of logs. Also under the checkpoint before: whoever
/// fetched it a moment ago still needs its partial tiles.
#[test]
fn an_exported_log_behind_any_web_server() {
    let (data, work) = (Data::demo(), tempfile::tempdir().expect("a temporary folder"));
    let (out, older) = (work.path().join("www/ledger"), work.path().join("older"));
    let grow_and_export = |tokens| {
        let server = data.serve();
        stamp_many(server.http(), tokens);
        server.stop();
        data.export(&out).expect(0);
    };
    grow_and_export(300);
    fs::copy(out.join("checkpoint"), &older).expect("the checkpoint");
    grow_and_export(400);
    // The server itself serves these files, too.
    let server = data.serve();
    judge(&mut python_stranger("tlog_static.py", &format!("{}/ledger", server.url()), server.trust(), work.path()));
    server.stop();
    // That last run began with an entry of its own.
    data.export(&out).expect(0);

    let web = WebServer::on(&work.path().join("www"));
    let audit = |trust: &Path| python_stranger("tlog_static.py", &format!("{}/ledger", web.url), trust, work.path());
    judge(&mut audit(&data.trust_folder()));
    judge(audit(&data.trust_folder()).arg("--checkpoint").arg(&older));
    // Grease: a signature line by a key that nobody knows must not disturb any client (c2sp.org/signed-note).
    let checkpoint = out.join("checkpoint");
    let plain = fs::read_to_string(&checkpoint).expect("the checkpoint");
    fs::write(&checkpoint, format!("{plain}— grease.example/unknown {}\n", "QUJD".repeat(20))).expect("the checkpoint");
    judge(&mut audit(&data.trust_folder()));
    fs::write(&checkpoint, plain).expect("the checkpoint");

    // It can say no: under the key of another log, and to a byte that was changed.
    let says_no = |mut command: Command| {
        let output = run(&mut command);
        assert!(!output.status.success() && text(&output).contains("FAILED"), "{}", text(&output));
    };
    says_no(audit(&Data::own().trust_folder()));
    let bundle = out.join("tile/entries/001");
    let mut bytes = fs::read(&bundle).expect("a full bundle");
    bytes[100] ^= 1;
    fs::write(&bundle, bytes).expect("the bundle");
    says_no(audit(&data.trust_folder()));
}

/// Python's own web server on a folder; ends with this value.
struct WebServer {
    child: Child,
    url: String,
}

impl WebServer {
    fn on(folder: &Path) -> Self {
        let mut command = python();
        // -u: the line that names the port must not wait in a buffer. Port 0: the system chooses.
        command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]).arg(folder);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("its first line");
        let port = line.split_once(" port ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u16>().ok());
        let url = format!("http://127.0.0.1:{}", port.unwrap_or_else(|| panic!("no port in: {line}")));
        Self { child, url }
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn receipts_by_scitt_cose() {
    judge_by("scitt_cose_check.py");
}

/// What scitt-cose takes from us is known from receipts made by hand, and its check can fail.
#[test]
fn scitt_cose_takes_a_receipt_made_by_hand() {
    judge(python().arg(folder().join("scitt_cose_check.py")).arg("--self-test"));
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
    command.arg(folder().join(script)).args(["--url", url]).arg("--trust").arg(trust).arg("--work").arg(work);
    command
}
