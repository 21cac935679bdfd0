//! Witnesses and their clients by others: each cosigns our ledger as its only witness, also when its memory was put back from a
//! copy, and our witness is judged by them.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use semper_ledger::note::VerifierKey;
use semper_ledger::policy::Policy;
use semper_tests::http::{Connection, Response, get};
use semper_tests::server::{DEADLINE, Data, Server, copy_folder, run};
use semper_tests::stamp::{stamp_many, token};
use semper_tests::strangers::{folder, judge, newer_python, python, run as run_stranger};
use semper_tests::witness::{WitnessData, monitoring_path};
use semper_ttp::asn1::TEST_POLICY;
use semper_ttp::crypto::LogVerifier;

/// A stranger that serves; what it prints is in a file. Ends with this value.
struct Running {
    child: Child,
    log: String,
}

impl Running {
    /// Starts it and waits for the line in which `find` finds something.
    fn start<T>(mut command: Command, work: &Path, find: impl Fn(&str) -> Option<T>) -> (Self, T) {
        let log = work.join("log");
        let file = File::create(&log).expect("a file");
        let both = (file.try_clone().expect("a file"), file);
        let spawned = command.stdin(Stdio::piped()).stdout(both.0).stderr(both.1).spawn();
        let child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}: run ops/setup.sh"));
        let running = Self { child, log: log.to_str().expect("a path in UTF-8").to_owned() };
        let deadline = Instant::now() + DEADLINE;
        loop {
            // A line that is not all there yet is not looked at.
            let printed = running.printed();
            if let Some(found) = printed.split_inclusive('\n').filter(|line| line.ends_with('\n')).find_map(&find) {
                return (running, found);
            }
            assert!(Instant::now() < deadline, "{command:?} does not serve: {printed}");
            thread::yield_now();
        }
    }

    fn printed(&self) -> String {
        fs::read_to_string(&self.log).expect("its output")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for. Both strangers write a file anew before they rename it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A witness by others, with its memory in a folder that a test may copy while it does not run.
trait Foreign {
    /// Starts it on its memory, at this port or any (0); gives its port.
    fn serve(&self, memory: &Path, port: u16) -> (Running, u16);

    /// Its key.
    fn vkey(&self, memory: &Path) -> String;

    /// What it prints when it answers 409.
    const CONFLICT: &str;
}

/// Our own, in Python, after the public texts alone.
struct Public {
    log: VerifierKey,
}

impl Public {
    fn start(&self, memory: &Path, port: u16) -> (Running, (u16, String)) {
        let mut command = python();
        command.arg("-u").arg(folder().join("tlog_witness.py")).args(["--name", "theirs.example/w", "--log"]);
        command.arg(self.log.to_string()).arg("--state").arg(memory.join("state")).args(["--port", &port.to_string()]);
        Running::start(command, memory, |line| {
            let ["witness", port, key] = line.split_whitespace().collect::<Vec<_>>()[..] else { return None };
            Some((port.parse().expect("a port"), key.to_owned()))
        })
    }
}

impl Foreign for Public {
    fn serve(&self, memory: &Path, port: u16) -> (Running, u16) {
        let (running, (port, _)) = self.start(memory, port);
        (running, port)
    }

    fn vkey(&self, memory: &Path) -> String {
        self.start(memory, 0).1.1
    }

    const CONFLICT: &str = "answered 409";
}

/// aics-witness, from PyPI.
struct Aics {
    log: VerifierKey,
}

impl Aics {
    fn command(memory: &Path, words: &[&str]) -> Command {
        let mut command = newer_python("").expect("it was there before");
        command.args(["-m", "aics_witness"]).args(words).arg("--config").arg(memory.join("witness.json"));
        command
    }
}

impl Foreign for Aics {
    fn serve(&self, memory: &Path, port: u16) -> (Running, u16) {
        let command = Self::command(memory, &["serve", "--listen", &format!("127.0.0.1:{port}")]);
        Running::start(command, memory, |line| {
            let (_, rest) = line.split_once("listening on http://127.0.0.1:")?;
            rest.split(' ').next()?.parse().ok()
        })
    }

    fn vkey(&self, memory: &Path) -> String {
        let made = run_stranger(&mut Self::command(memory, &["init", "--name", "aics.example/w"]));
        assert!(made.status.success(), "{made:?}");
        judge(&mut Self::command(memory, &["add-log", "--origin", self.log.name(), "--vkey", &self.log.to_string()]));
        String::from_utf8(made.stdout).expect("a key").trim().to_owned()
    }

    const CONFLICT: &str = "refused (409)";
}

/// A token's receipt under a witnessed checkpoint.
fn witnessed_receipt(server: &Server, token: &[u8]) -> Response {
    let digest = semper_ttp::digest::Digest::of(token);
    let receipt = get(server.http(), &format!("/ledger/proof/inclusion?digest={digest}&wait=witnessed"));
    assert_eq!(receipt.status, 200, "{receipt:?}");
    receipt
}

/// A new entry is witnessed, and then everybody is given a checkpoint with this cosignature.
fn cosigned(server: &Server, policy: &Policy) -> String {
    stamp_many(server.http(), 20);
    witnessed_receipt(server, &token(server.http(), b"the last of them"));
    let note = get(server.http(), "/ledger/checkpoint").text();
    let judged = policy.judge(&note, &LogVerifier).expect("a checkpoint");
    assert!(judged.quorum && judged.cosigned.len() == 1, "{judged:?}");
    note
}

fn cosigns_our_ledger<F: Foreign>(foreign: &F, data: Data) {
    let work = tempfile::tempdir().expect("a temporary folder");
    let (memory, copy) = (work.path().join("memory"), work.path().join("copy"));
    fs::create_dir(&memory).expect("a folder");
    let log = data.log_key();
    let vkey = foreign.vkey(&memory);
    let (running, port) = foreign.serve(&memory, 0);
    let text = format!("log {log}\nwitness W {vkey} http://127.0.0.1:{port}\nquorum W\n");
    let file = data.path().join("witnesses.policy");
    fs::write(&file, &text).expect("the policy");
    data.set("witnesses.policy_path", &format!("{file:?}")).set("witnesses.interval_ms", "50");
    let policy = Policy::parse(text.as_bytes()).expect("a policy");
    let server = data.serve();
    let mut served = Vec::new();
    for _ in 0..3 {
        served.push(cosigned(&server, &policy));
    }
    assert!(served.windows(2).all(|pair| pair[0] != pair[1]), "the log grows");

    // What a clerk keeps verifies for somebody who asks for this witness.
    let trust = work.path().join("trust");
    copy_folder(server.trust(), &trust);
    fs::write(trust.join("witnesses.policy"), &text).expect("the policy");
    let path = |name: &str| work.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    fs::write(path("contract"), "a contract").expect("the document");
    run(&["stamp", &path("contract"), "--url", server.url()]).expect(0);
    let receipt = witnessed_receipt(&server, &fs::read(path("contract.tst")).expect("the token"));
    fs::write(path("proof"), &receipt.body).expect("the proof");
    let words = ["verify", &path("contract"), "--proof", &path("proof"), "--trust", &path("trust")];
    let verified = run(&[&words[..], &["--policy", TEST_POLICY]].concat());
    assert!(verified.expect(0).stdout.contains("  ok           the ledger's state was seen by the witnesses"));

    // It is put back to an old state: told so by 409, our client shows it the way from there.
    drop(running);
    copy_folder(&memory, &copy);
    let (running, _) = foreign.serve(&memory, port);
    cosigned(&server, &policy);
    drop(running);
    fs::remove_dir_all(&memory).expect("the memory");
    fs::rename(&copy, &memory).expect("one file system");
    let (running, _) = foreign.serve(&memory, port);
    cosigned(&server, &policy);
    assert!(running.printed().contains(F::CONFLICT), "{}", running.printed());
    let shown = get(SocketAddr::from(([127, 0, 0, 1], port)), &monitoring_path(log.name())).text();
    assert!(policy.judge(&shown, &LogVerifier).expect("a checkpoint").quorum);
    assert_eq!(get(server.admin(), "/readyz").text(), "ready\n");
    server.stop();
}

#[test]
fn a_witness_after_the_public_texts_cosigns_our_ledger() {
    let data = Data::demo();
    let log = data.log_key();
    cosigns_our_ledger(&Public { log }, data);
}

#[test]
fn aics_witness_cosigns_our_ledger() {
    if newer_python("aics_witness_cosigns_our_ledger").is_none() {
        return;
    }
    let data = Data::demo();
    let log = data.log_key();
    cosigns_our_ledger(&Aics { log }, data);
}

/// What our witness shows of our ledger, judged after the public texts, and by aics-tlog.
#[test]
fn our_cosignature_is_judged_by_others() {
    let server = Server::demo();
    let log = server.data().log_key();
    let data = WitnessData::new(&[&log]);
    let witness = data.serve();
    stamp_many(server.http(), 5);
    let note = get(server.http(), "/ledger/checkpoint").text();
    assert_eq!(witness.post(format!("old 0\n\n{note}").as_bytes()).status, 200);
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), get(witness.http(), &monitoring_path(log.name())).body).expect("the note");
    let public = |key: &VerifierKey| {
        let mut command = python();
        command.arg(folder().join("tlog_cosigned.py")).arg("--note").arg(file.path());
        command.args(["--log", &log.to_string(), "--witness", &key.to_string()]);
        command
    };
    judge(&mut public(&data.vkey()));
    let other = WitnessData::new(&[]).vkey();
    assert!(!run_stranger(&mut public(&other)).status.success(), "another witness's key");

    let Some(mut newer) = newer_python("our_cosignature_is_judged_by_others, with aics-tlog") else { return };
    newer.args(["-m", "aics_tlog", "verify-checkpoint", "--quorum", "1", "--max-age", "600", "--note"]);
    newer.arg(file.path()).args(["--origin", log.name(), "--log-key", &log.to_string(), "--witness-key"]);
    let words: Vec<_> = newer.get_args().map(ToOwned::to_owned).collect();
    judge(newer.arg(data.vkey().to_string()));
    let mut newer = newer_python("").expect("it was there before");
    let refused = run_stranger(newer.args(&words[1..]).arg(other.to_string())); // -B is there already
    assert!(!refused.status.success(), "{refused:?}");
}

/// The client of aics-witness with a log by aics-tlog: it verifies each of our cosignatures, forgets, and forks.
#[test]
fn our_witness_cosigns_a_log_of_aics() {
    let script = folder().join("aics_feeder.py");
    let Some(mut command) = newer_python("our_witness_cosigns_a_log_of_aics") else { return };
    let printed = run_stranger(command.arg(&script));
    let log = VerifierKey::parse(String::from_utf8_lossy(&printed.stdout).trim()).expect("the log's key");
    let data = WitnessData::new(&[&log]);
    let witness = data.serve();
    let mut command = newer_python("").expect("it was there before");
    command.arg(&script).args(["--url", &format!("http://{}", witness.http()), "--witness", &data.vkey().to_string()]);
    judge(&mut command);
    assert_eq!(data.proofs().len(), 2, "its forks");
    let mut connection = Connection::open(witness.http()).expect("the witness listens");
    assert_eq!(connection.get(&monitoring_path(log.name())).expect("an answer").text().split('\n').nth(1), Some("600"));
}
