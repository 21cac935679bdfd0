//! A running witness, and a log whose key the test holds: it can sign what no honest log would.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::Signal;
use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::merkle::{Hash, Tile, TileId, leaf_hash, root_of, sha256};
use semper_ledger::note::{Note, NoteSigner, VerifierKey};
use semper_ledger::policy::Policy;
use semper_ledger::proof;
use semper_ledger::witness::AddCheckpoint;
use semper_ttp::account::{Anchors, Judgement, Proof, judge};
use semper_ttp::crypto::{LogSigner, Passphrase, SignatureAlgorithm, SoftKey, open_key_pem};
use tempfile::TempDir;

use crate::http::{Connection, Response};
use crate::process::{Finished, Listening, Process, command, run};
use crate::server::Data;

/// A running witness. Dropping it kills it.
pub struct Witness {
    process: Process,
    http: SocketAddr,
    admin: SocketAddr,
}

/// The data folder of a witness.
pub struct WitnessData {
    _folder: TempDir,
    path: PathBuf,
}

impl WitnessData {
    /// A new witness that knows these logs.
    ///
    /// # Panics
    /// `semper witness init` fails.
    #[must_use]
    pub fn new(logs: &[&VerifierKey]) -> Self {
        let folder = TempDir::with_prefix("semper-witness-").expect("a temporary folder");
        let path = folder.path().join("data");
        let mut words: Vec<_> = ["witness", "init", "--demo", "--data"].map(|word| OsStr::new(word).to_owned()).into();
        words.push(path.clone().into_os_string());
        words.extend(logs.iter().flat_map(|key| [OsStr::new("--log").to_owned(), key.to_string().into()]));
        run(&words).expect(0);
        Self { _folder: folder, path }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The witness's own key.
    ///
    /// # Panics
    /// It is not there.
    #[must_use]
    pub fn vkey(&self) -> VerifierKey {
        let text = std::fs::read_to_string(self.path.join("vkey")).expect("the witness's key");
        VerifierKey::parse(text.trim()).expect("a key")
    }

    /// A policy (c2sp.org/tlog-policy) of `log` with this one witness, which runs.
    #[must_use]
    pub fn sole_policy(&self, log: &VerifierKey, running: &Witness) -> String {
        format!("log {log}\nwitness W {} http://{}\nquorum W\n", self.vkey(), running.http())
    }

    /// Starts it.
    ///
    /// # Panics
    /// It does not become ready.
    #[must_use]
    pub fn serve(&self) -> Witness {
        self.try_serve().unwrap_or_else(|end| panic!("the witness ended at once: {end:#?}"))
    }

    /// Starts it, or says how it ended.
    ///
    /// # Errors
    /// It ended before it was ready.
    pub fn try_serve(&self) -> Result<Witness, Finished> {
        self.try_serve_at("127.0.0.1:0".parse().expect("an address"))
    }

    /// Starts it where it, or another one, has listened before.
    ///
    /// # Panics
    /// It does not become ready.
    #[must_use]
    pub fn serve_at(&self, http: SocketAddr) -> Witness {
        self.try_serve_at(http).unwrap_or_else(|end| panic!("the witness ended at once: {end:#?}"))
    }

    fn try_serve_at(&self, http: SocketAddr) -> Result<Witness, Finished> {
        let mut command = command(&["witness", "serve", "--admin", "127.0.0.1:0", "--http"]);
        command.arg(http.to_string()).arg("--data").arg(&self.path);
        let mut process = Process::spawn(command);
        let Listening { http, admin, .. } = process.listening()?;
        Ok(Witness { process, http, admin })
    }

    /// Requests that it kept against logs.
    ///
    /// # Panics
    /// The folder cannot be read.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let requests = self.evidence(".request").into_iter();
        requests.map(|request| String::from_utf8(request).expect("it is text")).collect()
    }

    /// Proofs of misbehaviour that it kept.
    ///
    /// # Panics
    /// The folder cannot be read, or holds something else.
    #[must_use]
    pub fn proofs(&self) -> Vec<Proof> {
        self.evidence(".pom.json").iter().map(|proof| Proof::parse(proof).expect("a proof of misbehaviour")).collect()
    }

    fn evidence(&self, suffix: &str) -> Vec<Vec<u8>> {
        kept(&self.path.join("cosigned/evidence"), suffix)
    }
}

/// What files in a folder hold whose names end so.
///
/// # Panics
/// The folder cannot be read.
#[must_use]
pub fn kept(folder: &Path, suffix: &str) -> Vec<Vec<u8>> {
    let files = files(folder, suffix).into_iter();
    files.map(|file| std::fs::read(file).expect("the file")).collect()
}

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("the folder of evidence").map(|file| file.expect("a file").path());
    files.filter(|file| file.to_str().is_some_and(|name| name.ends_with(suffix))).collect()
}

/// Judges every proof in a folder of evidence by `semper verify` under a trust folder; gives how many there are.
///
/// # Panics
/// One does not end with this exit code.
#[must_use]
pub fn verify_proofs(folder: &Path, trust: &Path, code: i32) -> usize {
    let files = files(folder, ".pom.json");
    for file in &files {
        let words = [OsStr::new("verify"), file.as_os_str(), OsStr::new("--trust"), trust.as_os_str()];
        let end = run(&words);
        let sentence = if code == 0 { "PROVEN: the log " } else { "NOT PROVEN: " };
        assert!(end.expect(code).stdout.contains(sentence), "{end:#?}");
    }
    files.len()
}

/// Judges a proof as somebody would who has these keys and nothing else: over its file, and without asking anybody.
#[must_use]
pub fn judged(proof: &Proof, keys: &[VerifierKey]) -> Judgement {
    let read = Proof::parse(proof.to_json().as_bytes()).expect("its file reads back");
    judge(&read, &Anchors { log_keys: keys, trust: None })
}

impl Witness {
    /// Its public listener.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its admin listener.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What it has logged so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Posts a body to `/add-checkpoint`.
    ///
    /// # Panics
    /// There is no answer.
    #[must_use]
    pub fn post(&self, body: &[u8]) -> Response {
        let mut connection = Connection::open(self.http).expect("the witness listens");
        connection.request("POST", "/add-checkpoint", &[], body).expect("an answer")
    }

    /// Stops it in its tracks (SIGSTOP): it takes connections, and answers nothing until it is told to go on.
    ///
    /// # Panics
    /// It is not there any more.
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// It is not there any more.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Kills it with SIGKILL.
    pub fn kill9(mut self) {
        let _ = self.process.child.kill(); // fails only if it has ended
        self.process.end();
    }

    /// SIGTERM, and exit code 0.
    ///
    /// # Panics
    /// It ends otherwise.
    pub fn stop(mut self) {
        self.process.terminate();
        self.process.end().expect(0);
    }
}

/// The path under which a witness serves what it cosigned for an origin.
#[must_use]
pub fn monitoring_path(origin: &str) -> String {
    format!("/{}/checkpoint", hex::encode(sha256(origin.as_bytes())))
}

/// A log of up to 256 entries, in memory, whose key the test holds.
pub struct TestLog {
    signer: NoteSigner,
    leaves: Vec<Hash>,
}

impl TestLog {
    /// A new log with a key of its own; entry `n` is `<salt>n`.
    ///
    /// # Panics
    /// libcrypto fails, or the name is none.
    #[must_use]
    pub fn new(origin: &str, salt: &str) -> Self {
        let key = Arc::new(SoftKey::generate(SignatureAlgorithm::Ed25519).expect("a key"));
        let signer = NoteSigner::new(origin, Arc::new(LogSigner::new(key).expect("an Ed25519 key")));
        Self { signer: signer.expect("a name"), leaves: Self::leaves(salt) }
    }

    /// The log of a service that does not run, over whatever entries whoever owns its data folder likes.
    ///
    /// # Panics
    /// The log's key cannot be read.
    #[must_use]
    pub fn of_owner(data: &Path, entries: &[Vec<u8>]) -> Self {
        let read = |name: &str| std::fs::read_to_string(data.join(name)).expect(name);
        let passphrase = Passphrase::new(read("passphrase").trim_end().to_owned());
        let key = open_key_pem(&read("keys/log-note.1.p8"), &passphrase).expect("the log's key");
        let own = VerifierKey::parse(read("trust/ledger.vkey").trim()).expect("the log's public key");
        let signer = NoteSigner::new(own.name(), Arc::new(LogSigner::new(Arc::new(key)).expect("an Ed25519 key")));
        let signer = signer.expect("a name");
        assert_eq!(*signer.verifier_key(), own);
        Self { signer, leaves: entries.iter().map(|entry| leaf_hash(entry)).collect() }
    }

    fn leaves(salt: &str) -> Vec<Hash> {
        (0..256).map(|n| leaf_hash(format!("{salt}{n}").as_bytes())).collect()
    }

    /// The same key, from here on over other entries: a fork from entry `from` on.
    #[must_use]
    pub fn forked(self, from: usize) -> Self {
        let other = Self::leaves("forked ");
        let leaves = [&self.leaves[..from], &other[from..]].concat();
        Self { leaves, ..self }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        self.signer.verifier_key()
    }

    /// Its name.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.key().name()
    }

    /// The tree head at a size.
    #[must_use]
    pub fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint { origin: self.origin().to_owned(), size, root: root_of(&self.leaves[..size as usize]) }
    }

    /// A tree head as this log signs it.
    ///
    /// # Panics
    /// libcrypto fails.
    #[must_use]
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        let text = checkpoint.text();
        let line = self.signer.line(&self.signer.sign(&text).expect("a signature"));
        Note { text, signatures: vec![line] }.to_string()
    }

    /// The request for a cosignature of `size` after `old`, as an honest log makes it.
    #[must_use]
    pub fn request(&self, old: u64, size: u64) -> AddCheckpoint {
        let Ok(proof) = if old <= size { proof::consistency(self, old, size) } else { Ok(Vec::new()) };
        AddCheckpoint { old, proof, note: self.sign(&self.checkpoint(size)) }
    }
}

impl proof::Tiles for TestLog {
    type Error = std::convert::Infallible;

    fn tile(&self, _: TileId, _: usize) -> Result<Arc<Tile>, Self::Error> {
        Ok(Arc::new(Tile::new(&self.leaves)))
    }
}

/// A service, and the policy that it and its verifiers go by.
pub struct World {
    /// The service's.
    pub data: Data,
    /// A tlog-policy.
    pub policy: String,
}

impl World {
    /// `witnesses` with their addresses, and the quorum's threshold.
    ///
    /// # Panics
    /// The folder cannot be written.
    #[must_use]
    pub fn new(data: Data, witnesses: &[(VerifierKey, SocketAddr)], threshold: usize) -> Self {
        let mut policy = format!("log {}\n", data.log_key());
        let mut names = String::new();
        for (n, (key, address)) in witnesses.iter().enumerate() {
            policy += &format!("witness W{n} {key} http://{address}\n");
            names += &format!(" W{n}");
        }
        policy += &format!("group G {threshold}{names}\nquorum G\n");
        let file = data.path().join("witnesses.policy");
        fs::write(&file, &policy).expect("the policy");
        data.set("witnesses.policy_path", &format!("{file:?}"))
            .set("witnesses.interval_ms", "50")
            .set("witnesses.wait_max_ms", "5000");
        Self { data, policy }
    }

    /// The same, read.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy::parse(self.policy.as_bytes()).expect("a policy")
    }
}

/// A witness of this service's log alone, running.
///
/// # Panics
/// It does not start.
#[must_use]
pub fn witness_of(data: &Data) -> (WitnessData, Witness) {
    let witness = WitnessData::new(&[&data.log_key()]);
    let running = witness.serve();
    (witness, running)
}
