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
//! The copy that `--complete-from` names knows, too, and so does what the backup keeps of what others have seen: the largest
//! counts. Another root than the known one at its size is a fork or damage: refused, whatever was asked for.
//!
//! The steps, and what a crash leaves:
//!
//! 1. Passphrase and seal, before anything in the backup is believed; then the settings, and which anchor there is.
//! 2. The folder with the marker `INCOMPLETE`: until it is gone, everyone refuses the folder. Every file into it.
//! 3. The store is judged, and the rule above applied; a store that is to be completed is. Nothing outside the folder has
//!    changed yet.
//! 4. Every entry, fact and artefact is checked.
//! 5. What was erased stays erased: every erasure of the ledger is in the journal.
//! 6. The mark of a folder that is for reading only; or a new anchor with its entry.
//! 7. All synced; an anchor at hand is carried over, and every anchor but that one retired, so that no old folder starts again; the
//!    marker goes. A crash in between leaves the anchor at its new place, or under its retired name, where a rerun that names its
//!    old one finds it; just before the marker goes, it is refused there until somebody gives it its old name. A folder for reading
//!    only takes no anchor over.
//!
//! A restore that fails takes away what it made; one that is killed leaves a folder that is to be deleted.

pub(super) mod at_hand;
mod completed;
mod erasures;
pub(super) mod known;
pub(super) mod make;
mod older;
mod settings;
pub(super) mod source;
pub(super) mod witnessed;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use semper_ledger::ledger;
use semper_ledger::reader::Reader;
use semper_ledger::store::rocks::RocksStore;
use semper_ttp::crypto::LogVerifier;
use serde_json::json;

use self::at_hand::{Anchors, volume_of};
use self::known::{Known, Outside, Verdict};
use self::make::NewFolder;
use self::settings::Settings;
use self::source::Source;
use super::backup::Backup;
use super::running::Failed;
use super::serve::read_policy;
use super::{fsck, say};
use crate::cli;
use crate::data::{Custody, DataError, DataFolder, ReadOnly, Retired, rocks_settings};
use crate::exit::Exit;
use crate::progress::Progress;

/// Witnesses see a checkpoint after it was answered for.
const LOOK: &str = "before you serve, compare with your exports, mirrors and monitors: witnesses may lag behind by the last seconds, \
and none of those may know more entries than this";

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
    /// The settings to serve with, where they are not the folder's own.
    settings: Option<PathBuf>,
    /// Where the settings have the witnesses' policy, and where it lies.
    policy: Option<(PathBuf, PathBuf)>,
    /// The anchors at other places, and what they are called now.
    retired: Vec<Retired>,
    /// What to look at before it is served, where the anchor is new.
    look: Option<String>,
    /// What is missing before it can be served: where the settings have the passphrase.
    missing: Option<String>,
    /// What can still go wrong.
    warning: Option<String>,
}

fn restore(args: &cli::Restore, as_json: bool) -> Result<Restored, Failed> {
    // 1.
    let named = settings::keys(args)?;
    let passphrase = settings::passphrase(&named)?;
    let backup = Backup::open(&args.from, &args.identity, args.backup.as_deref(), Some(&passphrase))?;
    let settings = Settings::of_backup(args, &backup)?;
    let anchors = Anchors::find(args, &settings.config, &backup.manifest().origin)?;
    let anchor = anchors.largest();

    // 2.
    let made = NewFolder::begin(&args.data)?;
    let progress = Progress::new(as_json, "restoring", Some(0));
    backup.unpack(&args.data, &progress)?;
    progress.finish();
    let folder = DataFolder::at(&args.data);
    let Settings { config, file, policy, missing } = settings.in_folder(&folder, named)?;
    let keys = folder.log_keys(&folder.identity()?, &Custody::with(&folder, &config.keys, passphrase))?;

    // 3.
    let origin = keys.identity().origin().to_owned();
    let journal = erasures::read(args, &origin, anchor.map(|at_hand| &*at_hand.path))?;
    let key = &keys.identity().note_key;
    let source = args.complete_from.as_ref().map(|place| Source::open("--complete-from", place, key)).transpose()?;
    let witnesses = read_policy(&config.witnesses)?;
    let (verdict, journal, last_ms) = {
        let store = RocksStore::open_read_only(&folder.path("store"), &rocks_settings(&config.ledger));
        let store = Arc::new(store.map_err(DataError::from)?);
        let reader = ledger::judge(store.clone(), keys.identity(), &LogVerifier)
            .map_err(|error| Failed(Exit::Falsified, format!("the store in the backup is not sound: {error}")))?;
        let (size, root) = (reader.size(), hex::encode(reader.newest().edge().root()));
        let manifest = backup.manifest();
        if (size, &root, &manifest.origin) != (manifest.size, &manifest.root, &origin) {
            let what =
                format!("the store in the backup has {size} entries and root {root}, its manifest says otherwise");
            return Err(Failed(Exit::Falsified, what));
        }
        let last_ms = reader.newest().head().map_or(0, |head| head.time_ms);
        let outside = Outside { config: &config, policy: witnesses.as_ref(), unwitnessed: args.unwitnessed };
        let verdict = known::judge(&outside, anchors.all(), source.as_slice(), source.is_some(), &folder, &reader)?;
        anchors.refuse_older_than(manifest)?;
        if let (Verdict::Older(known), None, false) = (&verdict, &source, args.read_only) {
            return Err(older::refused(args, &backup, file.as_deref(), anchor, &journal, known, last_ms));
        }
        // What the anchor vouches for, or what is completed up to it, lacks no erasure that is not noticed below.
        let journal = journal.settle(&*store, anchor.is_some() && !args.stays_older(&verdict))?;
        erasures::compare(&journal.lines, &*store, size)?;
        (verdict, journal.lines, last_ms)
    };
    if !args.stays_older(&verdict) {
        volume_of(&folder.anchor_file(&config.ledger))?;
    }
    let (read_only, completed) = match (&verdict, &source) {
        (Verdict::Reaches { .. }, _) => (None, None),
        (Verdict::Older(known), Some(source)) => {
            (None, Some(completed::complete(source, known, &folder, &config, &keys, &journal, as_json)?))
        }
        (Verdict::Older(known), None) => (Some(known.mark(backup.manifest(), last_ms)), None),
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
    if let (Some(mark), Verdict::Older(known)) = (&read_only, &verdict) {
        known.keep(&folder);
        folder.mark_read_only(mark)?;
    }
    let (mut warning, mut look) = (None, None);
    match &verdict {
        _ if anchor.is_some() => {}
        Verdict::Older(_) if read_only.is_some() => {}
        // Of an older one that was completed: what a witness knew is there again, and nobody else knows more.
        Verdict::Reaches { vouched, .. } | Verdict::Older(Known { vouched, .. }) => {
            make::new_anchor(&folder, &config, keys, vouched)?;
            warning = vouched.warning();
            look = Some(LOOK.to_owned());
        }
    }

    // 7.
    let store = folder.path("store");
    let settings = rocks_settings(&config.ledger);
    let store = RocksStore::open_read_only(&store, &settings).map_err(DataError::from)?;
    let identity = folder.log_identity()?;
    let reader: Reader = ledger::judge(Arc::new(store), &identity, &LogVerifier)?;
    let mut restored = Restored {
        id: backup.manifest().id.clone(),
        origin: identity.origin().to_owned(),
        size: reader.size(),
        root: hex::encode(reader.newest().edge().root()),
        known: verdict.sentence(),
        completed: completed.as_ref().map(completed::sentence),
        read_only,
        not_checked: sound.not_checked,
        settings: file,
        policy,
        retired: Vec::new(),
        look,
        missing,
        warning,
    };
    let to = folder.anchor_file(&config.ledger);
    restored.retired = made.finish(|| {
        if restored.read_only.is_some() {
            // Not where the settings have it: there it would stand in for one that knows more.
            return anchors.copy(&folder.path("anchor")).map(|()| Vec::new());
        }
        let retired = anchors.take_over(&to, &args.data)?;
        // Before the folder can be used, and moved to where nobody finds it: a crash now leaves old anchors that are refused.
        for retired in &retired {
            // That the folder is complete says the same, for as long as it stays where it is.
            if let Err(error) = retired.finished() {
                say::trouble(false, format_args!("restore: a note could not be written: {error}"));
            }
        }
        Ok(retired)
    })?;
    Ok(restored)
}

impl cli::Restore {
    /// The restored ledger ends before what is known.
    fn stays_older(&self, verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Older(_)) && self.complete_from.is_none()
    }
}

impl Restored {
    fn say(&self, args: &cli::Restore, seconds: f64, as_json: bool) {
        if as_json {
            return say::json(&json!({
                "backup": self.id, "data": args.data, "origin": self.origin, "size": self.size, "root": self.root,
                "compared": self.known, "completed": self.completed, "read_only": self.read_only, "not_checked": self.not_checked, "seconds": seconds,
                "retired": self.retired.iter().map(|retired| &retired.now).collect::<Vec<_>>(), "look": self.look, "missing": self.missing,
                "warning": self.warning, "settings": self.settings, "witness_policy": self.policy.as_ref().map(|(_, kept)| kept),
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
        self.warning.iter().for_each(|what| say::trouble(false, format_args!("WARNING: {what}")));
        self.look.iter().for_each(say::out);
        for Retired { was, now, .. } in &self.retired {
            let (was, now) = (was.display(), now.display());
            say::out(format!(
                "the new folder goes on; the anchor {was} is called {now} now, so that no other folder starts with it"
            ));
        }
        let policy = self.policy.as_ref().map(|(named, kept)| {
            let (named, kept) = (named.display(), kept.display());
            format!("the settings have the witnesses' policy at {named}, which is not there: copy it from {kept}")
        });
        let config = self.settings.as_ref().map(|file| format!(" --config {}", file.display())).unwrap_or_default();
        let serve = format!("semper serve --data {}{config}", args.data.display());
        let steps: Vec<_> = policy.into_iter().chain(self.missing.clone()).chain([serve]).collect();
        match steps.as_slice() {
            [only] => say::out(format!("next: {only}")),
            steps => (1..).zip(steps).for_each(|(number, step)| say::out(format!("next, {number}.: {step}"))),
        }
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
