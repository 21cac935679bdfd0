//! `semper backup verify`: a backup down to every entry, on a machine that holds the identity; `semper backup list`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use semper_ttp::crypto::{Entropy as _, OsEntropy, Passphrase};
use semper_ttp::time::Timestamp;
use serde_json::json;

use super::manifest::Header;
use super::place::{Place, PlaceFault};
use super::take::of_place;
use super::unpack::Backup;
use crate::cli;
use crate::commands::running::Failed;
use crate::commands::{fsck, say};
use crate::config::Keys;
use crate::data::{DataFolder, make_folder};
use crate::exit::Exit;
use crate::progress::Progress;

/// Runs `semper backup verify`.
pub(super) fn run(args: &cli::BackupVerify, as_json: bool) -> Result<Exit, Failed> {
    let started = Instant::now();
    let passphrase = args.passphrase_file.as_deref().map(passphrase).transpose()?;
    let backup = Backup::open(&args.from, &args.identity, args.backup.as_deref(), passphrase.as_ref())?;
    let work = Work::make(args.work.as_deref())?;
    let progress = Progress::new(as_json, "decrypting", Some(0));
    backup.unpack(&work.0, &progress)?;
    progress.finish();
    let folder = DataFolder::open(&work.0)?;
    let mut config = folder.config(None)?;
    if let Some(file) = &args.passphrase_file {
        // Then every key file is opened, too.
        config.keys = Keys { passphrase_file: Some(file.clone()), passphrase_env: None, ..config.keys };
    }
    let looked = fsck::check_copy(&folder, &config, as_json)?;
    looked.matches(backup.manifest().size, &backup.manifest().root)?;
    let (manifest, seconds) = (backup.manifest(), started.elapsed().as_secs_f64());
    let header = backup.has_its_header();
    let seal = if args.passphrase_file.is_some() { "its seal" } else { "not its seal (--passphrase-file)" };
    if as_json {
        say::json(&json!({
            "verdict": "whole", "id": manifest.id, "origin": manifest.origin, "size": manifest.size, "root": manifest.root,
            "made": Timestamp::from_millis(manifest.made_ms), "files": manifest.files.len(),
            "seal_checked": args.passphrase_file.is_some(), "header": header, "seconds": seconds,
        }));
    } else {
        say::out(format!(
            "whole: backup {} of {}, made {}: {} entries, root {}\nchecked in {seconds:.1} s: {} files, every entry, fact and \
             artefact, {seal}",
            manifest.id,
            manifest.origin,
            Timestamp::from_millis(manifest.made_ms),
            manifest.size,
            manifest.root,
            manifest.files.len(),
        ));
    }
    if !header && !as_json {
        say::trouble(
            false,
            "its header.json is missing or damaged: it can be restored, but `backup list` tells wrong things of it, and nothing is \
             removed here that no backup needs. Remove this backup when there is a newer one",
        );
    }
    Ok(if header { Exit::Ok } else { Exit::Falsified })
}

/// The passphrase in a file.
fn passphrase(file: &Path) -> Result<Passphrase, Failed> {
    let keys = Keys { passphrase_file: Some(file.to_owned()), ..Keys::default() };
    let secret = keys.passphrase(|_| None).map_err(|error| Failed::usage(&error))?;
    Ok(Passphrase::new(secret.expose().to_owned()))
}

/// A folder of our own, gone when this is dropped.
struct Work(PathBuf);

impl Work {
    fn make(within: Option<&Path>) -> Result<Self, Failed> {
        let mut random = [0; 8];
        OsEntropy.fill(&mut random).map_err(|fault| Failed::fault(&fault))?;
        let within = within.map_or_else(std::env::temp_dir, Path::to_owned);
        let path = within.join(format!("semper-verify-{}", hex::encode(random)));
        make_folder(&path, 0o700)?;
        Ok(Self(path))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // what stays is for its owner alone
    }
}

/// Runs `semper backup list`.
pub(super) fn list(args: &cli::BackupList, as_json: bool) -> Result<Exit, Failed> {
    let place = Place::read(&args.from).map_err(of_place)?;
    let (headers, others) = place.list().map_err(of_place)?;
    if headers.is_empty() && others.is_empty() {
        return Err(of_place(PlaceFault::Empty(args.from.clone())));
    }
    let missing = |header: &Header| header.stored.iter().filter(|stored| !place.has(stored)).count();
    let bytes = |header: &Header| header.stored.iter().map(|stored| stored.bytes).sum::<u64>() + header.manifest_bytes;
    let mut exit = Exit::Ok;
    let mut rows = Vec::new();
    for header in &headers {
        let (missing, bytes, made) = (missing(header), bytes(header), Timestamp::from_millis(header.made_ms));
        if missing > 0 {
            exit = Exit::Falsified;
        }
        if as_json {
            rows.push(json!({
                "id": header.id, "made": made, "size": header.size, "files": header.stored.len(), "bytes": bytes,
                "missing": missing,
            }));
        } else {
            let lost = if missing > 0 { format!(", {missing} FILES MISSING") } else { String::new() };
            let files = header.stored.len();
            say::out(format!("{}  {made}  {} entries, {files} files, {bytes} bytes{lost}", header.id, header.size));
        }
    }
    if as_json {
        say::json(&json!({ "backups": rows, "unreadable": others }));
    } else {
        others.iter().for_each(|path| say::out(format!("{}: no header that reads", path.display())));
    }
    Ok(if others.is_empty() { exit } else { exit.and(Exit::Falsified) })
}
