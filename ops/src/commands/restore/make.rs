//! What a restore makes: the folder, and the anchor.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use semper_api::draft;
use semper_ledger::anchor::file::FileAnchor;
use semper_ledger::disk;
use semper_ledger::ledger;
use semper_ledger::sequencer::{Commit, LogKeys};
use semper_ledger::store::rocks::RocksStore;
use semper_ttp::crypto::LogVerifier;
use semper_ttp::digest::Digest;
use semper_ttp::evidence::LedgerFact;
use semper_ttp::time::Timestamp;

use super::witnessed::Vouched;
use super::{parent_of, remove_tree};
use crate::clock::{Kernel, Readings as _, SystemReadings};
use crate::commands::running::Failed;
use crate::commands::stopped::{self, judge_clock};
use crate::config::Config;
use crate::data::{DataError, DataFolder, INCOMPLETE, folder_of, rocks_settings, sync_folder, write_new};
use crate::exit::Exit;

/// A folder that is being filled: taken away when this is dropped before it is finished.
pub(super) struct NewFolder {
    root: PathBuf,
    /// It was there before, empty: then it stays.
    was_there: bool,
    finished: bool,
}

impl NewFolder {
    /// Makes and marks it.
    ///
    /// # Errors
    /// Something is in it, or the disk.
    pub(super) fn begin(root: &Path) -> Result<Self, Failed> {
        let failed = |error: std::io::Error| Failed::fault(&format!("cannot look into {}: {error}", root.display()));
        let was_there = match fs::read_dir(root) {
            Ok(mut found) => match found.next() {
                None => true,
                Some(_) if root.join(INCOMPLETE).exists() => {
                    return Err(Failed::usage(&format!(
                        "a restore did not finish in {}: delete that folder, and type the same again",
                        root.display()
                    )));
                }
                Some(_) => {
                    return Err(Failed::usage(&format!(
                        "{} is not empty; semper restore never overwrites anything: move it away (its anchor is needed: \
                         --anchor), or name another folder",
                        root.display()
                    )));
                }
            },
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(failed(error)),
        };
        disk::make_folder(root).map_err(|fault| Failed::fault(&fault))?;
        let words = b"semper restore did not finish here. Delete this folder and run semper restore again.\n";
        // Two at once: the second finds the marker here.
        write_new(&root.join(INCOMPLETE), 0o644, words)?;
        sync_folder(root)?;
        Ok(Self { root: root.to_owned(), was_there, finished: false })
    }

    /// Every name durable, then `last`, then the marker goes.
    ///
    /// # Errors
    /// The disk, or `last`.
    pub(super) fn finish<T>(mut self, last: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
        let store = self.root.join("store");
        sync_folder(&store)?;
        sync_folder(&self.root)?;
        sync_folder(&parent_of(&self.root))?;
        let done = last()?;
        let marker = self.root.join(INCOMPLETE);
        fs::remove_file(&marker).map_err(|error| DataError::Io { action: "remove", path: marker, error })?;
        self.finished = true;
        sync_folder(&self.root)?;
        Ok(done)
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if !self.was_there {
            return remove_tree(&self.root);
        }
        // The marker last: a folder in which this is interrupted is refused.
        for entry in
            fs::read_dir(&self.root).into_iter().flatten().flatten().filter(|entry| entry.file_name() != INCOMPLETE)
        {
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => remove_tree(&entry.path()),
                false => drop(fs::remove_file(entry.path())),
            }
        }
        let _ = fs::remove_file(self.root.join(INCOMPLETE));
    }
}

/// The name beside `path` that a file has until it is whole; what an interrupted run left there is taken away.
///
/// # Errors
/// The disk.
pub(super) fn part_for(path: &Path) -> Result<PathBuf, Failed> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    match fs::remove_file(&part) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(DataError::Io { action: "remove", path: part, error }.into())
        }
        _ => Ok(part),
    }
}

/// Makes a new anchor at the store's newest checkpoint, and gives that its entry. It gets its name last, so that there is never an
/// anchor without its entry: a crash before leaves a store with an entry more and no anchor, as it was.
///
/// # Errors
/// The clock is in doubt, and the entry would bind every later one; the ledger; the disk. No anchor is left then.
pub(in crate::commands) fn new_anchor(
    folder: &DataFolder,
    config: &Config,
    keys: LogKeys,
    vouched: &Vouched,
) -> Result<(), Failed> {
    judge_clock(config, &mut Kernel).map_err(|why| {
        Failed(Exit::Busy, format!("the new anchor is an entry, and the kernel does not vouch for the clock ({why})"))
    })?;
    let path = folder.anchor_file(&config.ledger);
    let part = part_for(&path)?;
    let anchor = FileAnchor::create(&part).map_err(DataError::from)?;
    let make = || {
        append(folder, config, keys, vouched, anchor)?;
        // No other takes the name meanwhile: they would need the store, or the folder's marker gone.
        fs::rename(&part, &path).map_err(|error| DataError::Io { action: "rename to", path: path.clone(), error })?;
        Ok(sync_folder(folder_of(&path))?)
    };
    make().inspect_err(|_: &Failed| {
        let _ = fs::remove_file(&part); // what is told is why it failed
    })
}

fn append(
    folder: &DataFolder,
    config: &Config,
    keys: LogKeys,
    vouched: &Vouched,
    anchor: FileAnchor,
) -> Result<(), Failed> {
    let store = RocksStore::open(&folder.path("store"), &rocks_settings(&config.ledger)).map_err(DataError::from)?;
    let store = Arc::new(store);
    let reader = ledger::judge(store.clone(), keys.identity(), &LogVerifier)?;
    ledger::remake_anchor(&reader, &anchor)?;
    let newest = reader.newest();
    let fact = LedgerFact::AnchorRemade {
        size: newest.edge().size(),
        root: Digest(newest.edge().root()),
        asked: vouched.asked,
        vouched: vouched.names.len() as u64,
        quorum: vouched.quorum,
    };
    let aggregate = LedgerFact::anchors();
    let last = reader.last_step(&aggregate.0).map_err(|fault| Failed::fault(&fault))?;
    drop(reader);
    let readings = Arc::new(SystemReadings::new());
    let now = Timestamp::from_millis(readings.read().wall_ms());
    let step = (aggregate, last.map_or(0, |(step, _)| step + 1));
    let fact = stopped::fact(fact, config, step, Digest::of(b""), now)?;
    let ledger = stopped::open(folder, config, (store, Arc::new(anchor)), keys, readings)?;
    let appended = ledger.append(Commit::one(now.millis(), draft(&fact, None)));
    appended.map(drop).map_err(|refused| Failed::fault(&format!("the entry of the new anchor: {refused}")))
}
