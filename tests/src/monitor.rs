//! A monitor of a log, as a process; and logs as folders, which say whatever their owner likes.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::entry::{Entry, Tag, Tags};
use semper_ledger::merkle::{Edge, Tile, TileId, leaf_hash};
use semper_ledger::note::VerifierKey;
use semper_ledger::tile::{Resource, bundle_push};
use semper_ttp::evidence::{Kind, LedgerKind, TimestampKind};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{DEADLINE, Finished, Process, command, run};
use crate::witness::TestLog;

/// A monitor's folder, and the key that it believes.
pub struct MonitorState {
    folder: TempDir,
    key: PathBuf,
}

impl MonitorState {
    /// A new folder.
    ///
    /// # Panics
    /// The disk.
    #[must_use]
    pub fn new(key: &VerifierKey) -> Self {
        let folder = TempDir::with_prefix("semper-monitor-").expect("a temporary folder");
        let state = Self { key: folder.path().join("key"), folder };
        state.believe(key);
        state
    }

    /// From now on it is told that this is the log's key.
    ///
    /// # Panics
    /// The disk.
    pub fn believe(&self, key: &VerifierKey) {
        fs::write(&self.key, format!("# the log's key\n{key}\n")).expect("a file");
    }

    /// The folder of `--state`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn words(&self, log: &str, more: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = ["monitor", log, "--vkey"].map(OsString::from).into();
        words.extend([self.key.clone().into(), "--state".into(), self.path().into()]);
        words.extend(more.iter().map(OsString::from));
        words
    }

    /// One round, `--json`.
    #[must_use]
    pub fn once(&self, log: &str, more: &[&str]) -> Finished {
        run(&self.words(log, &[&["--once", "--json"], more].concat()))
    }

    /// One round, told to people.
    #[must_use]
    pub fn once_in_words(&self, log: &str, more: &[&str]) -> Finished {
        run(&self.words(log, &[&["--once"], more].concat()))
    }

    /// One round that must end so; what it told.
    ///
    /// # Panics
    /// It ends otherwise, or tells no JSON.
    #[must_use]
    pub fn expect(&self, log: &str, more: &[&str], exit: i32) -> Value {
        let end = self.once(log, more);
        serde_json::from_str(&end.expect(exit).stdout).unwrap_or_else(|error| panic!("{error}: {end:#?}"))
    }

    /// Round after round.
    #[must_use]
    pub fn follow(&self, log: &str, more: &[&str]) -> Monitor {
        let words = self.words(log, &[&["--interval-secs", "1", "--admin", "127.0.0.1:0"], more].concat());
        Monitor(Process::spawn(command(&words)))
    }

    /// `semper verify` of everything that it holds against the log, with what lies beside it.
    #[must_use]
    pub fn judge(&self) -> Vec<Finished> {
        let files = fs::read_dir(self.path().join("evidence")).expect("the folder of evidence");
        let files = files.map(|file| file.expect("a file").path());
        files.map(|file| judge(&file, &self.path().join("trust"))).collect()
    }
}

/// `semper verify` of a proof of misbehaviour.
#[must_use]
pub fn judge(file: &Path, trust: &Path) -> Finished {
    run(&[Path::new("verify"), file, Path::new("--trust"), trust])
}

/// A running monitor. Dropping it kills it.
pub struct Monitor(Process);

impl Monitor {
    /// Where its metrics are.
    ///
    /// # Panics
    /// It ends before it listens.
    #[must_use]
    pub fn admin(&mut self) -> SocketAddr {
        let line = self.line();
        line.strip_prefix("listening admin=").and_then(|address| address.parse().ok()).expect(&line)
    }

    /// The next line that it says.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn line(&mut self) -> String {
        self.0.line(Instant::now() + DEADLINE).unwrap_or_else(|| panic!("it ended: {}", self.0.stderr()))
    }

    /// Kills it with SIGKILL.
    pub fn kill9(mut self) {
        let _ = self.0.child.kill(); // fails only if it has ended
        self.0.end();
    }

    /// SIGTERM.
    #[must_use]
    pub fn stop(mut self) -> Finished {
        self.0.terminate();
        self.0.end()
    }

    /// Waits for its end.
    #[must_use]
    pub fn end(mut self) -> Finished {
        self.0.end()
    }
}

/// Entries of a ledger of ours: genesis, then tokens, one a millisecond.
#[must_use]
pub fn entries(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|n| entry(n, 1_000 + n, &[])).collect()
}

/// Entry `n` of such a ledger.
///
/// # Panics
/// There are more tags than an entry takes.
#[must_use]
pub fn entry(n: u64, time_ms: u64, tags: &[u8]) -> Vec<u8> {
    let kind = if n == 0 { Kind::Ledger(LedgerKind::Genesis) } else { Kind::Timestamp(TimestampKind::Token) };
    let tags = Tags::new(tags.iter().map(|tag| Tag([*tag; 32])).collect()).expect("few tags");
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&n.to_be_bytes());
    Entry { role: kind.role().code(), kind: kind.code(), time_ms, digest, tags }.encode()
}

/// Makes `folder` the log of these entries, whatever stood there before; with the checkpoint as `log` signs it.
///
/// # Panics
/// The disk, or libcrypto.
pub fn publish(folder: &Path, log: &TestLog, entries: &[Vec<u8>]) {
    let _ = fs::remove_dir_all(folder); // fails only if it is not there
    let write = |resource: Resource, bytes: &[u8]| {
        let path = folder.join(format!("tile/{resource}"));
        fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    };
    let tile = |id: TileId, tile: &Tile| write(Resource::Tile { id, width: tile.width() }, &tile.to_bytes());
    let mut edge = Edge::default();
    entries.iter().for_each(|entry| edge.push(leaf_hash(entry), |id, full| tile(id, &full)));
    edge.tiles().for_each(|(id, partial)| tile(id, partial));
    for (index, entries) in entries.chunks(256).enumerate() {
        let mut bundle = Vec::new();
        entries.iter().for_each(|entry| bundle_push(&mut bundle, entry));
        write(Resource::Entries { index: index as u64, width: entries.len() }, &bundle);
    }
    let checkpoint = Checkpoint { origin: log.origin().to_owned(), size: edge.size(), root: edge.root() };
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join("checkpoint"), log.sign(&checkpoint)).expect("a file");
}
