//! The folder of a monitor.
//!
//! ```text
//! STATE/ store/      what it remembers of the log (RocksDB)
//!        entries     the digest of each entry, its kind and its time: for lists that come later; made again if it is lost
//!        trust/      ledger.vkey: what `semper verify` needs to judge the evidence
//!        evidence/   <kind>-<size>.pom.json: what convicts the log; rollback-<size>-<older size>.pom.json, which does not
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use semper_api::monitor::Past;
use semper_ledger::note::VerifierKey;
use semper_ledger::store::rocks::{OpenError, RocksSettings, RocksStore};
use semper_ttp::account::{Kind, Proof};

use crate::commands::atomic::write_new;
use crate::commands::running::Failed;
use crate::exit::Exit;

/// A monitor reads a row only for a tag seen before, and for evidence.
const MEMORY: RocksSettings = RocksSettings { block_cache_bytes: 16 << 20, write_buffer_bytes: 16 << 20 };

#[derive(Clone, Debug)]
pub(super) struct StateFolder(PathBuf);

impl StateFolder {
    pub(super) fn at(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// What a verifier of the evidence needs.
    pub(super) fn trust(&self) -> PathBuf {
        self.0.join("trust")
    }

    /// What convicts the log and is there already. A rollback does not: a log may be followed on after it.
    pub(super) fn evidence(&self) -> Result<Option<PathBuf>, Failed> {
        let folder = self.0.join("evidence");
        let mut found: Vec<_> = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            files => files
                .and_then(|files| files.map(|file| file.map(|file| file.path())).collect())
                .map_err(|error| failed("look into", &folder, &error))?,
        };
        found.retain(|path: &PathBuf| path.to_string_lossy().ends_with(".pom.json") && !is_rollback(path));
        found.sort();
        Ok(found.into_iter().next())
    }

    /// Its store and what is kept of the entries, made if they are missing.
    pub(super) fn open(&self, key: &VerifierKey) -> Result<(RocksStore, Past), Failed> {
        for folder in [self.trust(), self.0.join("evidence")] {
            fs::create_dir_all(&folder).map_err(|error| failed("make", &folder, &error))?;
        }
        let vkey = self.trust().join("ledger.vkey");
        write_new(&vkey, format!("{key}\n").as_bytes()).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                let text =
                    format!("{} is of another log than --vkey: give this log a folder of its own", self.0.display());
                Failed::usage(&text)
            }
            _ => failed("write", &vkey, &error),
        })?;
        let path = self.0.join("store");
        let opened = match RocksStore::open(&path, &MEMORY) {
            Err(OpenError::Missing(_)) => RocksStore::create(&path, &MEMORY),
            opened => opened,
        };
        let store = opened.map_err(|error| match error {
            OpenError::Locked(_) => Failed(Exit::Busy, format!("another monitor works on {}", self.0.display())),
            error => Failed::fault(&error),
        })?;
        // Under the store's lock.
        let past = Past::open(&self.0.join("entries")).map_err(|fault| Failed::fault(&fault))?;
        Ok((store, past))
    }

    /// Writes evidence, whole, and durable when this returns.
    pub(super) fn keep(&self, proof: &Proof, size: u64) -> Result<PathBuf, Failed> {
        let path = self.0.join("evidence").join(format!("{}-{size}.pom.json", proof.kind.name()));
        write_new(&path, proof.to_json().as_bytes()).map_err(|error| failed("write", &path, &error))?;
        Ok(path)
    }

    /// Writes what was seen of a rollback from `size` to `older` entries.
    pub(super) fn keep_rollback(&self, proof: &Proof, size: u64, older: u64) -> Result<PathBuf, Failed> {
        let path = self.0.join("evidence").join(format!("{}-{size}-{older}.pom.json", proof.kind.name()));
        match write_new(&path, proof.to_json().as_bytes()) {
            // The same two, with other cosignatures: seen before.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(path),
            written => written.map(|()| path.clone()).map_err(|error| failed("write", &path, &error)),
        }
    }
}

/// What does not read counts as a conviction: nothing is lost by that but a start.
fn is_rollback(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| Proof::parse(&bytes).is_ok_and(|proof| proof.kind == Kind::Rollback))
}

fn failed(action: &str, path: &Path, error: &io::Error) -> Failed {
    Failed::usage(&format!("cannot {action} {}: {error}", path.display()))
}
