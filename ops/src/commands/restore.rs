//! `semper restore`: a data folder from a backup, without ever forking the ledger's history (ledger.md §10).
//!
//! A backup is sound and old: what it cannot say is whether anybody was answered for more than it holds. That is known to the
//! anchor, which no backup holds, and to the witnesses. So:
//!
//! | what is known | the backup reaches it | the backup is older |
//! |---|---|---|
//! | by the anchor at hand | goes on | refused; or completed (`--complete-from`); or read-only (`--read-only`) |
//! | by the witnesses, no anchor (`--new-anchor`) | a new anchor, itself an entry; goes on | the same |
//! | by nobody | refused; with `--new-anchor --unwitnessed` a new anchor, itself an entry | |
//!
//! Another root than the known one at its size is a fork or damage: refused, whatever was asked for.
//!
//! The steps, and what a crash leaves:
//!
//! 1. Manifest and seal; which anchor there is.
//! 2. The folder with the marker `INCOMPLETE`: until it is gone, everyone refuses the folder. Every file into it.
//! 3. The store is judged, and the rule above applied; a store that is to be completed is. Nothing outside the folder has
//!    changed yet.
//! 4. Every entry, fact and artefact is checked.
//! 5. What was erased stays erased: every erasure of the ledger is in the journal.
//! 6. The anchor: carried over, or made anew with its entry; or the mark of a folder that is for reading only.
//! 7. All synced; the marker goes.
//!
//! A restore that fails takes away what it made; one that is killed leaves a folder that is to be deleted.

mod completed;
mod erasures;
mod known;
mod make;
mod witnessed;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use semper_ledger::ledger;
use semper_ledger::reader::Reader;
use semper_ledger::store::rocks::RocksStore;
use semper_ttp::crypto::{LogVerifier, Passphrase};
use serde_json::json;

use self::known::Verdict;
use self::make::NewFolder;
use super::backup::Backup;
use super::running::Failed;
use super::{backup, fsck, say};
use crate::cli;
use crate::config::Config;
use crate::data::{DataError, DataFolder, ReadOnly, rocks_settings};
use crate::exit::Exit;
use crate::progress::Progress;

/// Runs the command.
pub(crate) fn run(args: cli::Restore, json: bool) -> Exit {
    let started = Instant::now();
    match restore(&args, json) {
        Ok(restored) => {
            restored.say(&args, started.elapsed().as_secs_f64(), json);
            Exit::Ok
        }
        Err(Failed(exit, sentence)) => {
            say::trouble(json, format_args!("restore: {sentence}"));
            exit
        }
    }
}

/// What was done.
struct Restored {
    id: String,
    origin: String,
    size: u64,
    root: String,
    /// What it was compared with, one sentence.
    known: String,
    /// What was completed and what was lost, in plain words.
    completed: Option<String>,
    read_only: Option<ReadOnly>,
    not_checked: Vec<String>,
}

fn restore(args: &cli::Restore, as_json: bool) -> Result<Restored, Failed> {
    // 1.
    let backup = Backup::open(&args.from, &args.identity, args.backup.as_deref())?;
    let stated = settings(args, &backup)?;
    let passphrase = passphrase(args, &stated)?;
    backup.check_seal(&passphrase)?;
    let anchor = known::anchor_at_hand(args, &stated)?;

    // 2.
    let made = NewFolder::begin(&args.data)?;
    let progress = Progress::new(as_json, "restoring", Some(0));
    backup.unpack(&args.data, &progress)?;
    progress.finish();
    let folder = DataFolder::at(&args.data);
    let mut config = folder.config(args.config.as_deref())?;
    config.verify().map_err(|error| Failed::usage(&error))?;
    if let Some(file) = &args.passphrase_file {
        (config.keys.passphrase_file, config.keys.passphrase_env) = (Some(file.clone()), None);
    }
    let keys = folder.log_keys(&folder.identity()?, &passphrase)?;

    // 3.
    let origin = keys.identity().origin().to_owned();
    let journal = erasures::read(args, &origin)?;
    let (verdict, last_ms) = {
        let store = RocksStore::open_read_only(&folder.path("store"), &rocks_settings(&config.ledger));
        let store = Arc::new(store.map_err(DataError::from)?);
        let reader = ledger::judge(store.clone(), keys.identity(), &LogVerifier)
            .map_err(|error| Failed(Exit::Falsified, format!("the store in the backup is not sound: {error}")))?;
        let (size, root) = (reader.size(), hex::encode(reader.newest().edge().root()));
        let manifest = backup.manifest();
        if (size, &root, &manifest.origin) != (manifest.size, &manifest.root, &keys.identity().origin().to_owned()) {
            let what =
                format!("the store in the backup has {size} entries and root {root}, its manifest says otherwise");
            return Err(Failed(Exit::Falsified, what));
        }
        let last_ms = reader.newest().head().map_or(0, |head| head.time_ms);
        erasures::compare(&journal, &*store, size)?;
        (known::judge(args, &config, anchor.as_ref(), &reader)?, last_ms)
    };
    let (read_only, completed) = match (&verdict, &args.complete_from) {
        (Verdict::Reaches { .. }, _) => (None, None),
        (Verdict::Older(known), Some(source)) => {
            (None, Some(completed::complete(source, known, &folder, &config, &keys, &journal, as_json)?))
        }
        (Verdict::Older(known), None) => (Some(older(args, known.mark(backup.manifest(), last_ms))?), None),
    };

    // 4.
    let sound = fsck::check_copy(&folder, &config, as_json)?;

    // 5.
    {
        let store = RocksStore::open_read_only(&folder.path("store"), &rocks_settings(&config.ledger));
        let store = store.map_err(DataError::from)?;
        let reader = ledger::judge(Arc::new(store), keys.identity(), &LogVerifier)?;
        erasures::count(&journal, &reader, read_only.is_none())?;
    }

    // 6. The journal before the anchor, as they are written.
    if !journal.is_empty() {
        erasures::carry(&journal, &origin, &folder.journal_file(&config.ledger))?;
    }
    if let Some(mark) = &read_only {
        folder.mark_read_only(mark)?;
    }
    match (&verdict, &anchor) {
        (_, Some(anchor)) => make::carry_anchor(anchor, &folder.anchor_file(&config.ledger))?,
        (Verdict::Reaches { vouched, .. }, None) => make::new_anchor(&folder, &config, keys, vouched)?,
        // What a witness knew is there again, and nobody else knows more.
        (Verdict::Older(known), None) if read_only.is_none() => {
            make::new_anchor(&folder, &config, keys, &known.vouched)?;
        }
        (Verdict::Older(_), None) => {}
    }

    // 7.
    let store = folder.path("store");
    let settings = rocks_settings(&config.ledger);
    let store = RocksStore::open_read_only(&store, &settings).map_err(DataError::from)?;
    let identity = folder.log_identity()?;
    let reader: Reader = ledger::judge(Arc::new(store), &identity, &LogVerifier)?;
    let restored = Restored {
        id: backup.manifest().id.clone(),
        origin: identity.origin().to_owned(),
        size: reader.size(),
        root: hex::encode(reader.newest().edge().root()),
        known: verdict.sentence(),
        completed: completed.as_ref().map(completed::sentence),
        read_only,
        not_checked: sound.not_checked,
    };
    made.finish()?;
    Ok(restored)
}

/// What to do with a backup that is older than what is known.
fn older(args: &cli::Restore, mark: ReadOnly) -> Result<ReadOnly, Failed> {
    if args.read_only {
        return Ok(mark);
    }
    let lost = mark.known_size - mark.size;
    Err(Failed(
        Exit::Falsified,
        format!(
            "the backup is older than the ledger was: it has {} entries, and {} knows {}, so {lost} would be lost, and going on \
             from here would fork the log. Restore a newer backup; or complete it from a copy of the public ledger \
             (--complete-from URL|DIR); or open it for reading only (--read-only), which a new origin must follow",
            mark.size, mark.known_by, mark.known_size
        ),
    ))
}

/// The settings that the restore goes by before there is a folder.
fn settings(args: &cli::Restore, backup: &Backup) -> Result<Config, Failed> {
    if let Some(file) = &args.config {
        return Config::load(Some(file)).map_err(|error| Failed::usage(&error));
    }
    let bytes = backup.small("semper.toml")?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| Failed::usage(&"the backup holds no settings: name them with --config"))?;
    let mut config = Config::from_toml(&text).map_err(|error| Failed::usage(&error))?;
    for path in [&mut config.keys.passphrase_file, &mut config.ledger.anchor_path].into_iter().flatten() {
        *path = args.data.join(&*path);
    }
    Ok(config)
}

fn passphrase(args: &cli::Restore, config: &Config) -> Result<Passphrase, Failed> {
    if let Some(file) = &args.passphrase_file {
        return backup::passphrase(file);
    }
    let secret = config.keys.passphrase(|name| std::env::var_os(name)).map_err(|error| {
        Failed::usage(&format!("{error}; name the passphrase of the key files with --passphrase-file"))
    })?;
    Ok(Passphrase::new(secret.expose().to_owned()))
}

impl Restored {
    fn say(&self, args: &cli::Restore, seconds: f64, as_json: bool) {
        if as_json {
            return say::json(&json!({
                "backup": self.id, "data": args.data, "origin": self.origin, "size": self.size, "root": self.root,
                "compared": self.known, "completed": self.completed, "read_only": self.read_only, "not_checked": self.not_checked, "seconds": seconds,
            }));
        }
        say::out(format!(
            "restored {} into {}: {} entries, root {}\nfrom backup {}, in {seconds:.1} s\n{}",
            self.origin,
            args.data.display(),
            self.size,
            self.root,
            self.id,
            self.known,
        ));
        self.completed.iter().for_each(say::out);
        self.not_checked.iter().for_each(|what| say::out(format!("not checked: {what}")));
        if let Some(mark) = &self.read_only {
            say::out(format!("READ-ONLY: {mark}"));
        }
        let config = args.config.as_ref().map(|file| format!(" --config {}", file.display())).unwrap_or_default();
        say::out(format!("next: semper serve --data {}{config}", args.data.display()));
    }
}

/// A folder, or its nearest parent that is there.
fn parent_of(path: &Path) -> PathBuf {
    path.ancestors().skip(1).find(|path| path.is_dir()).map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Removes a tree, however far it had come.
fn remove_tree(path: &Path) {
    let _ = fs::remove_dir_all(path); // what is told is why it is removed
}
