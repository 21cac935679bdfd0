//! `semper anchor remake`: a new anchor for a lost one, beside a data folder that is whole (ledger.md §10: "an explicit operator
//! step re-creates it after asking the witnesses, and is itself an entry").
//!
//! Without its anchor nobody here knows whether the store is the newest, so the same are asked as by `semper restore --new-anchor`:
//! every witness, the copies that were named, and what the folder keeps of what others have seen. The steps:
//!
//! 1. No server has the store, the folder may go on, and the anchor is lost indeed: neither at its place, nor where other settings
//!    of the folder have it, nor taken over by another folder.
//! 2. Nobody knows more than the store, and enough were asked.
//! 3. Every entry, fact and artefact is checked.
//! 4. The new anchor, with its entry; it gets its name last. A crash before leaves no anchor, as before; the next run makes another
//!    entry.
//!
//! The erasure journal lies beside the anchor and may be lost with it: the store has its lines, and the start writes them again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use semper_ledger::anchor::file::{FileAnchor, Slot};
use semper_ledger::anchor::{Anchor as _, AnchorError};
use semper_ledger::ledger;
use semper_ledger::merkle::sha256;
use semper_ledger::store::rocks::RocksStore;
use semper_ttp::crypto::LogVerifier;
use serde_json::json;

use super::backup::SETTINGS_IN_USE;
use super::restore::at_hand::{of_another, volume_of};
use super::restore::known::{self, Outside, Verdict};
use super::restore::make::new_anchor;
use super::restore::source::Source;
use super::running::Failed;
use super::serve::read_policy;
use super::{fsck, say};
use crate::cli::{self, AnchorCommand};
use crate::config::{Config, Keys};
use crate::data::{Custody, DataError, DataFolder, StoreLock, resolved, retired_beside, rocks_settings};
use crate::exit::Exit;

/// Ends the name of an anchor both of whose slots are damaged.
const DAMAGED: &str = ".damaged";

/// Runs the command.
pub(crate) fn run(args: cli::Anchor, json: bool) -> Exit {
    let AnchorCommand::Remake(args) = &args.command;
    match remake(args, json) {
        Ok(remade) => {
            remade.say(args, json);
            Exit::Ok
        }
        Err(Failed(exit, sentence)) => {
            say::trouble(json, format_args!("anchor remake: {sentence}"));
            exit
        }
    }
}

/// What was done.
struct Remade {
    anchor: PathBuf,
    /// Entries in front of the one that tells of it.
    size: u64,
    root: String,
    /// What the state was compared with, one sentence.
    known: String,
    warning: Option<String>,
    not_checked: Vec<String>,
}

fn remake(args: &cli::AnchorRemake, as_json: bool) -> Result<Remade, Failed> {
    // 1.
    let folder = DataFolder::open(&args.data)?;
    if let Some(mark) = folder.read_only()? {
        let why = format!("{} is for reading only and must not go on: {mark}", args.data.display());
        return Err(Failed::usage(&why));
    }
    let mut config = folder.config(args.config.as_deref())?;
    if let Some(file) = &args.passphrase_file {
        config.keys = Keys { passphrase_file: Some(file.clone()), passphrase_env: None, ..config.keys };
    }
    config.verify().map_err(|error| Failed::usage(&error))?;
    let lock = StoreLock::take(&folder.path("store"))?;
    let identity = folder.identity()?;
    let path = folder.anchor_file(&config.ledger);
    let damaged = is_lost(&folder, &path, &identity.origin)?;
    let keys = folder.log_keys(&identity, &Custody::new(&folder, &config.keys)?)?;

    // 2.
    let key = &keys.identity().note_key;
    let sources = args.compare_with.iter().map(|place| Source::open("--compare-with", place, key));
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    let policy = read_policy(&config.witnesses)?;
    let (verdict, size, root) = {
        let store = RocksStore::open_read_only(&folder.path("store"), &rocks_settings(&config.ledger));
        let reader = ledger::judge(Arc::new(store.map_err(DataError::from)?), keys.identity(), &LogVerifier)?;
        let outside = Outside { config: &config, policy: policy.as_ref(), unwitnessed: args.unwitnessed };
        let verdict = known::judge(&outside, &[], &sources, false, &folder, &reader)?;
        (verdict, reader.size(), hex::encode(reader.newest().edge().root()))
    };
    let vouched = match &verdict {
        Verdict::Reaches { vouched, .. } => vouched,
        Verdict::Older(known) => {
            // A start, and the next run of this, find it also where it is not shown again.
            known.keep(&folder);
            let why = format!(
                "this store is old: it has {size} entries, and {}. Going on from here would fork the log. Bring the newest state \
                 back; or make a folder from a backup and complete it: semper restore --new-anchor --complete-from URL|DIR",
                verdict.sentence()
            );
            return Err(Failed(Exit::Falsified, why));
        }
    };

    // 3.
    let sound = fsck::check_copy(&folder, &config, as_json)?;

    // 4.
    if damaged {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(DAMAGED);
        let kept = path.with_file_name(name);
        fs::rename(&path, &kept).map_err(|error| DataError::Io { action: "rename to", path: kept, error })?;
    }
    drop(lock); // RocksDB takes it now
    new_anchor(&folder, &config, keys, vouched)?;
    let (known, warning) = (verdict.sentence(), vouched.warning());
    Ok(Remade { anchor: path, size, root, known, warning, not_checked: sound.not_checked })
}

/// The anchor at `path` is lost: `false` if there is none, `true` if there is one that holds nothing.
///
/// # Errors
/// It is there, or another ledger's is; or one of this log is elsewhere, or was taken over by another folder.
fn is_lost(folder: &DataFolder, path: &Path, origin: &str) -> Result<bool, Failed> {
    let found = |at: &Path| match FileAnchor::open(at) {
        Ok(anchor) => {
            let slots = anchor.slots().map_err(DataError::from)?.into_iter();
            let sizes = slots.filter_map(|slot| match slot {
                Slot::Valid(anchored) if anchored.origin_hash == sha256(origin.as_bytes()) => Some(anchored.size),
                _ => None,
            });
            Ok(Some(sizes.max()))
        }
        Err(AnchorError::Missing(_)) => Ok(None),
        Err(error) => Err(Failed::from(DataError::from(error))),
    };
    if let Ok(anchor) = FileAnchor::open(path)
        && let Some(other) = anchor.load().map_err(DataError::from)?
        && other.origin_hash != sha256(origin.as_bytes())
    {
        let why = format!(
            "{}. Were it damaged, a new one would take its place: move it to where it belongs, or name the settings that are right \
             with --config",
            of_another(path, &other.origin_hash, origin)
        );
        return Err(Failed(Exit::Falsified, why));
    }
    let damaged = match found(path)? {
        Some(Some(size)) => {
            let why = format!("the anchor at {} is not lost: it knows {size} entries", path.display());
            return Err(Failed(Exit::Falsified, why));
        }
        Some(None) => true,
        None => false,
    };
    let mut elsewhere = vec![(folder.path("anchor"), "the data folder".to_owned())];
    for name in ["semper.toml", SETTINGS_IN_USE] {
        let settings = Config::load(Some(&folder.path(name))).ok();
        let place = settings.and_then(|settings| settings.ledger.anchor_path);
        elsewhere.extend(place.map(|place| (folder.path("").join(place), folder.path(name).display().to_string())));
    }
    for (at, by) in elsewhere {
        let at = resolved(&at);
        if let Some(Some(size)) = found(&at)? {
            let why = format!(
                "the anchor is not lost: there is one at {}, where {by} has it, and it knows {size} entries. These settings look \
                 for it at {}: move it there, or name the settings that are right with --config",
                at.display(),
                path.display()
            );
            return Err(Failed(Exit::Falsified, why));
        }
        for path in [at, path.to_owned()] {
            if let Some(retired) = retired_beside(&path) {
                return Err(Failed(Exit::Falsified, DataError::AnchorRetired { path, retired }.to_string()));
            }
        }
    }
    volume_of(path)?;
    Ok(damaged)
}

impl Remade {
    fn say(&self, args: &cli::AnchorRemake, as_json: bool) {
        if as_json {
            return say::json(&json!({
                "data": args.data, "anchor": self.anchor, "size": self.size, "root": self.root, "compared": self.known,
                "warning": self.warning, "not_checked": self.not_checked,
            }));
        }
        let Self { anchor, size, root, known, .. } = self;
        let anchor = anchor.display();
        say::out(format!(
            "{anchor}: a new anchor; the {size} entries that there were have root {root}, and entry {size} tells of it\n{known}"
        ));
        self.not_checked.iter().for_each(|what| say::out(format!("not checked: {what}")));
        self.warning.iter().for_each(|what| say::trouble(false, format_args!("WARNING: {what}")));
        let config = args.config.as_ref().map(|file| format!(" --config {}", file.display())).unwrap_or_default();
        say::out(format!("next: semper serve --data {}{config}", args.data.display()));
    }
}
