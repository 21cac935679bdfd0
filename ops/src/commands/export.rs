//! `semper export`: the public half of the ledger as a folder for any web server.
//!
//! All reading, checking and writing is `semper_ledger::export`; this file opens the data folder and tells what came out.
//! It ends with 0 (exported), 1 (the ledger, or what stands in the folder, is wrong, or what lies in `evidence/` says so: the
//! text is the evidence), 2 (could not tell: there is no anchor), 75 (a server runs on the data folder, or another export into this one).
//!
//! The store is opened read-only under the anchor's lock, as `fsck` does. Of a folder that is marked read-only, all that it holds
//! is exported: the anchor knows more, and what is here was published before.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use semper_ledger::anchor::{Anchor as _, AnchorError, Anchored};
use semper_ledger::disk;
use semper_ledger::export::{Export, ExportError, Exported};
use semper_ledger::ledger::{self, OpenError};
use semper_ledger::note::NOTE_BYTES_MAX;
use semper_ledger::store::rocks;
use semper_ttp::crypto::LogVerifier;
use serde_json::{Value, json};

use super::{fsck, say};
use crate::cli;
use crate::data::{DataError, DataFolder, Held, ReadOnly, WITNESSED};
use crate::exit::Exit;
use crate::progress::Progress;

/// Runs the command.
pub(crate) fn run(args: cli::Export, json: bool) -> Exit {
    let started = Instant::now();
    match export(&args, json) {
        Ok(done) => {
            let seconds = started.elapsed().as_secs_f64();
            if json {
                say::json(&as_json(&args, &done, seconds));
            } else {
                say::out(as_text(&args, &done, seconds));
            }
            Exit::Ok
        }
        Err(why) => {
            say::trouble(json, format_args!("not exported: {why}"));
            why.exit()
        }
    }
}

/// What was exported of which log.
struct Done {
    origin: String,
    exported: Exported,
    read_only: Option<ReadOnly>,
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// `--out` is no place for it.
    #[error("{0}")]
    Out(String),
    /// The data folder.
    #[error(transparent)]
    Data(#[from] DataError),
    /// What others have shown of it: nobody is to be given this history once more.
    #[error("{0}. --as-evidence writes it all the same, for a folder that nobody is served from")]
    Convicted(String),
    /// The export.
    #[error(transparent)]
    Export(#[from] ExportError),
}

impl Failed {
    fn exit(&self) -> Exit {
        match self {
            Self::Out(_) => Exit::Usage,
            Self::Convicted(_) => Exit::Falsified,
            Self::Data(error) => match error {
                DataError::Anchor(AnchorError::Locked(_)) | DataError::Store(rocks::OpenError::Locked(_)) => Exit::Busy,
                DataError::Store(rocks::OpenError::LostTables { .. }) => Exit::Falsified,
                DataError::AnchorLost(_) | DataError::AnchorRetired { .. } => Exit::Undecided,
                DataError::Missing(_)
                | DataError::Closed { .. }
                | DataError::Incomplete(_)
                | DataError::Config(_)
                | DataError::OtherService { .. } => Exit::Usage,
                DataError::Store(rocks::OpenError::Failed { message, .. }) if fsck::is_damage(message) => {
                    Exit::Falsified
                }
                _ => Exit::Fault,
            },
            Self::Export(error) => match error {
                ExportError::Refused(_) => Exit::Falsified,
                ExportError::Busy(_) => Exit::Busy,
                ExportError::Empty | ExportError::Ledger(OpenError::AnchorEmpty) => Exit::Undecided,
                ExportError::Ledger(error) if fsck::is_falsity(error) => Exit::Falsified,
                ExportError::Ledger(_) | ExportError::Disk(_) => Exit::Fault,
            },
        }
    }
}

fn export(args: &cli::Export, json: bool) -> Result<Done, Failed> {
    let folder = DataFolder::open(&args.data)?;
    check_place(&args.out, &args.data)?;
    let config = folder.config(args.config.as_deref())?;
    let identity = folder.log_identity()?;
    let Held { anchor, read_only, lock: _lock } = folder.hold(&config.ledger)?;
    let store = Arc::new(fsck::open_store(&folder, &config).map_err(DataError::from)?);
    let reader = || ledger::judge(store.clone(), &identity, &LogVerifier).map_err(|error| error.to_string());
    if let Some(why) = fsck::outside::against(&folder, &identity, read_only.as_ref(), reader) {
        if !args.as_evidence {
            return Err(Failed::Convicted(why));
        }
        say::trouble(false, format_args!("WARNING: {why}"));
    }
    let anchored = match (&anchor, &read_only) {
        (Some(anchor), _) => anchor.load().map_err(DataError::from)?,
        (None, None) => None,
        (None, Some(mark)) => {
            let reader = ledger::judge(store.clone(), &identity, &LogVerifier).map_err(ExportError::Ledger)?;
            mark.check(&folder.path("store"), &reader)?;
            let (size, root) = (reader.size(), reader.newest().edge().root());
            Some(Anchored { size, root, ..Anchored::empty(identity.origin()) })
        }
    };
    let anchored = anchored.ok_or(ExportError::Ledger(OpenError::AnchorEmpty))?;
    let cosigned = disk::read_at_most(&folder.path(WITNESSED), NOTE_BYTES_MAX).map_err(ExportError::Disk)?;
    let cosigned = cosigned.and_then(|note| String::from_utf8(note).ok());
    let progress = Progress::new(json, "exporting", Some(0));
    let advance = |done, total| {
        progress.set_total(total);
        progress.set(done);
    };
    let exported = Export {
        store: &*store,
        identity: &identity,
        verifier: &LogVerifier,
        anchored: &anchored,
        cosigned: cosigned.as_deref(),
        out: &args.out,
        progress: &advance,
    }
    .run()?;
    progress.finish();
    Ok(Done { origin: identity.origin().to_owned(), exported, read_only })
}

/// The folder is for the world to read, and the data folder for nobody.
fn check_place(out: &Path, data: &Path) -> Result<(), Failed> {
    if out.exists() && !out.is_dir() {
        return Err(Failed::Out(format!("--out {} is not a folder", out.display())));
    }
    let real = |path: &Path| real(path).map_err(|error| Failed::Out(format!("{}: {error}", path.display())));
    let (real_out, real_data) = (real(out)?, real(data)?);
    if real_out.starts_with(&real_data) || real_data.starts_with(&real_out) {
        return Err(Failed::Out(format!(
            "--out {} and the data folder {} lie in each other; a web server on the one would serve the keys in the other",
            out.display(),
            data.display()
        )));
    }
    Ok(())
}

/// The path without links and dots, also of a folder that is not there yet.
fn real(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // What is not there yet will be a plain folder; `..` behind it would lead nobody knows where.
            let (Some(Component::Normal(name)), Some(parent)) = (path.components().next_back(), path.parent()) else {
                return Err(error);
            };
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            Ok(real(parent)?.join(name))
        }
        other => other,
    }
}

fn as_text(args: &cli::Export, done: &Done, seconds: f64) -> String {
    let Done { origin, exported, read_only } = done;
    let mark = read_only.as_ref().map(|mark| format!("READ-ONLY: {mark}\n")).unwrap_or_default();
    let before = match exported.previous {
        None => "a new export".to_owned(),
        Some(size) if size == exported.size => "the checkpoint that was there".to_owned(),
        Some(size) => format!("{} entries more than before", exported.size - size),
    };
    let use_of_it = match args.as_evidence {
        true => format!("keep {} with the rest of the evidence, and serve nobody from it", args.out.display()),
        false => format!("any web server can serve {} as this log", args.out.display()),
    };
    format!(
        "{mark}{origin}: {} entries, root {}\n{before}; {} files written ({} bytes), {} were there, in {seconds:.1} s\n\
         {use_of_it}",
        exported.size,
        hex::encode(exported.root),
        exported.written,
        exported.written_bytes,
        exported.found,
    )
}

fn as_json(args: &cli::Export, done: &Done, seconds: f64) -> Value {
    let Done { origin, exported, read_only } = done;
    json!({
        "origin": origin,
        "out": args.out.display().to_string(),
        "size": exported.size,
        "root": hex::encode(exported.root),
        "previous_size": exported.previous,
        "files_written": exported.written,
        "bytes_written": exported.written_bytes,
        "files_found": exported.found,
        "read_only": read_only,
        "seconds": seconds,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn out_and_data_never_lie_in_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("data/store")).unwrap();
        fs::create_dir(at("www")).unwrap();
        fs::write(at("file"), b"").unwrap();
        symlink(at("data"), at("www/link")).unwrap();
        for out in ["data", "data/out", "data/store/x/y", ".", "www/link/out", "www/../data", "new/../data", "file"] {
            let failed = check_place(&at(out), &at("data")).unwrap_err();
            assert_eq!(failed.exit(), Exit::Usage, "{out}");
        }
        for out in ["www", "www/ledger", "new", "new/deeper/still", "data2", "www/../data2"] {
            assert!(check_place(&at(out), &at("data")).is_ok(), "{out}");
        }
        assert!(!at("new").exists(), "looking makes nothing");
    }
}
