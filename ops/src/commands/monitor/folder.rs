//! The folder of a monitor.
//!
//! ```text
//! STATE/ store/      what it remembers of the log (RocksDB); store.part while it is made, under the lock of making
//!        entries     the digest of each entry, its kind and its time: for lists that come later; made again if it is lost
//!        trust/      ledger.vkey: what `semper verify` needs to judge the evidence
//!        evidence/   <kind>-<size>.pom.json: what convicts the log; rollback-<size>-<older size>.pom.json and
//!                    <kind>-<size>.unproven.json, which do not
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use semper_api::monitor::Past;
use semper_ledger::note::VerifierKey;
use semper_ledger::store::rocks::{OpenError, RocksSettings, RocksStore};
use semper_ttp::account::{Anchors, Kind, Proof, Verdict, judge};

use crate::commands::atomic::write_new;
use crate::commands::running::Failed;
use crate::exit::Exit;

/// A monitor reads a row only for a tag seen before, and for evidence.
const MEMORY: RocksSettings = RocksSettings { block_cache_bytes: 16 << 20, write_buffer_bytes: 16 << 20 };

/// Files of rollbacks that are kept.
const ROLLBACKS_MAX: usize = 100;

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
    pub(super) fn evidence(&self, anchors: &Anchors<'_>) -> Result<Option<PathBuf>, Failed> {
        let folder = self.0.join("evidence");
        let mut found: Vec<_> = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            files => files
                .and_then(|files| files.map(|file| file.map(|file| file.path())).collect())
                .map_err(|error| failed("look into", &folder, &error))?,
        };
        found.retain(|path: &PathBuf| path.to_string_lossy().ends_with(".pom.json") && convicts(path, anchors));
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
        if !path.join("CURRENT").exists() {
            make_store(&self.0, &path)?;
        }
        let store = RocksStore::open(&path, &MEMORY).map_err(|error| match error {
            OpenError::Locked(_) => Failed(Exit::Busy, format!("another monitor works on {}", self.0.display())),
            error @ OpenError::LostTables { .. } => {
                let text = format!("{error}; a monitor has none: begin anew in another folder, and keep this one");
                Failed::fault(&text)
            }
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
        self.keep_once(&path, proof)?;
        self.drop_rollbacks();
        Ok(path)
    }

    /// Writes what was held against a log of `size` entries and does not convict it, for the makers of this program.
    pub(super) fn keep_unproven(&self, proof: &Proof, size: u64) -> Result<PathBuf, Failed> {
        let path = self.0.join("evidence").join(format!("{}-{size}.unproven.json", proof.kind.name()));
        self.keep_once(&path, proof)?;
        Ok(path)
    }

    fn keep_once(&self, path: &Path, proof: &Proof) -> Result<(), Failed> {
        match write_new(path, proof.to_json().as_bytes()) {
            // The same, with other cosignatures: seen before.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            written => written.map_err(|error| failed("write", path, &error)),
        }
    }

    /// Keeps the first rollback and the newest: a log that is rolled back every minute would fill the disk.
    fn drop_rollbacks(&self) {
        let Ok(files) = fs::read_dir(self.0.join("evidence")) else { return };
        let mut rollbacks: Vec<_> = files
            .filter_map(|file| {
                let path = file.ok()?.path();
                let name = path.file_name()?.to_str()?;
                let is_one = name.starts_with("rollback-") && name.ends_with(".pom.json");
                is_one.then(|| fs::metadata(&path).and_then(|file| file.modified()).ok().zip(Some(path.clone())))?
            })
            .collect();
        rollbacks.sort();
        let more = rollbacks.len().saturating_sub(ROLLBACKS_MAX);
        for (_, path) in rollbacks.iter().skip(1).take(more) {
            let _ = fs::remove_file(path); // tried again with the next one
        }
    }
}

/// What does not read counts as a conviction, and so does what these anchors leave open, or no trust folder was given for: it was
/// proven when it was kept, and nothing is lost by that but a start.
fn convicts(path: &Path, anchors: &Anchors<'_>) -> bool {
    let Some(proof) = fs::read(path).ok().and_then(|bytes| Proof::parse(&bytes).ok()) else { return true };
    match judge(&proof, anchors).verdict {
        Verdict::Proven => true,
        Verdict::Open => proof.kind != Kind::Rollback,
        Verdict::Unfounded => false,
    }
}

/// Makes an empty store in `path`, where none is: elsewhere and whole, then under its name. A process that is killed meanwhile
/// leaves a part that RocksDB would take for a store that has lost its tables.
fn make_store(root: &Path, path: &Path) -> Result<(), Failed> {
    // Two monitors that begin at once; the second finds the store made, and locked.
    let making = root.join("making");
    let lock = File::create(&making).map_err(|error| failed("make", &making, &error))?;
    lock.lock().map_err(|error| failed("lock", &making, &error))?;
    if path.join("CURRENT").exists() {
        return Ok(());
    }
    // An earlier program made it in its place, and may have been killed: there is nothing in it before there are tables.
    let is_empty = fs::read_dir(path).is_ok_and(|mut files| {
        files.all(|file| file.is_ok_and(|file| file.path().extension().is_none_or(|ending| ending != "sst")))
    });
    let part = root.join("store.part");
    for remains in [part.as_path()].into_iter().chain(is_empty.then_some(path)) {
        match fs::remove_dir_all(remains) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", remains, &error)),
            Ok(()) | Err(_) => {}
        }
    }
    // Closed before it is renamed.
    drop(RocksStore::create(&part, &MEMORY).map_err(|error| Failed::fault(&error))?);
    let renamed = fs::rename(&part, path).and_then(|()| File::open(root)?.sync_all());
    renamed.map_err(|error| failed("make", path, &error))
}

fn failed(action: &str, path: &Path, error: &io::Error) -> Failed {
    Failed::usage(&format!("cannot {action} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> VerifierKey {
        VerifierKey::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").unwrap()
    }

    fn folder() -> (tempfile::TempDir, StateFolder) {
        let root = tempfile::tempdir().unwrap();
        let state = StateFolder::at(&root.path().join("state"));
        (root, state)
    }

    #[test]
    fn what_was_left_half_made_is_made_anew() {
        let (_root, state) = folder();
        let part = state.0.join("store.part");
        fs::create_dir_all(&part).unwrap();
        // As RocksDB leaves it when it is killed: a store without tables.
        fs::write(part.join("CURRENT"), "MANIFEST-000001\n").unwrap();
        fs::create_dir_all(state.0.join("store")).unwrap();
        fs::write(state.0.join("store/LOG"), "").unwrap();
        let opened = state.open(&key()).unwrap();
        assert!(!part.exists());
        let Err(Failed(exit, _)) = state.open(&key()) else { panic!("it is open") };
        assert_eq!(exit.code(), 75);
        drop(opened);
        state.open(&key()).unwrap();
    }

    #[test]
    fn the_first_rollback_and_the_newest_are_kept() {
        let (_root, state) = folder();
        let evidence = state.0.join("evidence");
        fs::create_dir_all(&evidence).unwrap();
        let proof = Proof::rollback("log", "a", "b");
        for older in 0..ROLLBACKS_MAX as u64 + 3 {
            let path = state.keep_rollback(&proof, 1_000, older).unwrap();
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1 + older);
            File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        }
        state.keep_unproven(&proof, 7).unwrap();
        let kept = |older: u64| evidence.join(format!("rollback-1000-{older}.pom.json")).exists();
        assert_eq!([0, 1, 2, 3, 4, 102].map(kept), [true, false, false, false, true, true]);
        assert!(evidence.join("rollback-7.unproven.json").exists());
    }

    #[test]
    fn only_what_convicts_stands_in_the_way() {
        let (_root, state) = folder();
        let keys = [key()];
        let anchors = Anchors { log_keys: &keys, trust: None };
        assert_eq!(state.evidence(&anchors).unwrap(), None);
        fs::create_dir_all(state.0.join("evidence")).unwrap();
        // What is claimed of checkpoints that nobody signed.
        state.keep(&Proof::two_roots("log", "a", "b"), 7).unwrap();
        assert_eq!(state.evidence(&anchors).unwrap(), None);
        fs::write(state.0.join("evidence/x.pom.json"), "{").unwrap();
        assert!(state.evidence(&anchors).unwrap().is_some());
    }
}
