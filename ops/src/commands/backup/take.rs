//! `semper backup run`: one backup.
//!
//! 1. The lock of backups of this data folder, then that of the place.
//! 2. A copy of the store; it must be sound, and all that it holds published.
//! 3. Every file: what the place has already is named, small ones go into the manifest, the rest is stored, read back and
//!    compared. Then the copy goes.
//! 4. The manifest, sealed and encrypted, with its header: from here on there is a backup.
//! 5. The list of what is stored, and the files that no backup needs any more.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use semper_ttp::crypto::age::{AgeFault, Recipient, parse_recipients};
use semper_ttp::crypto::{OsEntropy, Passphrase};
use semper_ttp::digest::Digest;
use semper_ttp::time::Timestamp;
use serde_json::json;

use super::copy::{Copy, files_in, is_store_file};
use super::index::{Index, KnownFile, stamp_of};
use super::manifest::{self, Content, FILES, FOLDERS, Manifest, SETTINGS_IN_USE, WITNESS_POLICY};
use super::pace::{BESIDE_A_SERVER, Pace};
use super::place::{Place, PlaceFault};
use super::sealed;
use crate::cli;
use crate::commands::running::Failed;
use crate::commands::{fsck, say};
use crate::config::{Config, Keys};
use crate::data::{BACKUP_INDEX, DataFolder, is_key_file};
use crate::exit::Exit;
use crate::progress::Progress;

/// Files up to this length go into the manifest itself: everything but tables, the log and, in a large store, the database's
/// own manifest. (Its list of options, which each copy has anew, is 80 KB.)
const INLINE_BYTES_MAX: u64 = 128 << 10;

/// What was done.
struct Taken {
    manifest: Manifest,
    /// Files that were stored, and their plain bytes.
    stored: (u64, u64),
    /// Files that were there, and their plain bytes.
    found: (u64, u64),
    /// Files that should have been there and were missing, or not what they were.
    damaged: u64,
    removed: usize,
    /// What others have shown of the ledger. It is in the backup, and is told all the same.
    convicted: Option<String>,
}

/// Runs the command.
pub(super) fn run(args: &cli::BackupRun, as_json: bool) -> Result<Exit, Failed> {
    let started = Instant::now();
    let Taken { manifest, stored, found, damaged, removed, convicted } = take(args, as_json)?;
    convicted.iter().for_each(|what| say::trouble(false, format_args!("WARNING: {what}")));
    if damaged > 0 {
        say::trouble(
            false,
            format_args!(
                "WARNING: of what earlier backups stored in {}, {damaged} of the files that are needed now were damaged or missing, and \
                 are stored anew: earlier backups may not restore (backup verify), and that disk may be failing",
                args.to.display()
            ),
        );
    }
    let seconds = started.elapsed().as_secs_f64();
    if as_json {
        say::json(&json!({
            "id": manifest.id, "previous": manifest.previous, "origin": manifest.origin, "size": manifest.size,
            "root": manifest.root, "files_stored": stored.0, "bytes_stored": stored.1, "files_found": found.0,
            "bytes_found": found.1, "files_damaged": damaged, "files_removed": removed, "convicted": convicted,
            "seconds": seconds,
        }));
    } else {
        say::out(format!(
            "{}: {} entries, root {}\nbackup {} in {}\n{} files stored ({} bytes), {} were there ({} bytes), {} removed that no \
             backup needs, in {seconds:.1} s",
            manifest.origin,
            manifest.size,
            manifest.root,
            manifest.id,
            args.to.display(),
            stored.0,
            stored.1,
            found.0,
            found.1,
            removed,
        ));
    }
    Ok(Exit::Ok)
}

fn take(args: &cli::BackupRun, as_json: bool) -> Result<Taken, Failed> {
    let recipients = recipients(&args.recipient)?;
    let folder = DataFolder::open(&args.data)?;
    if let Some(mark) = folder.read_only()? {
        return Err(Failed::usage(&format!(
            "{} is for reading only ({mark}). Nothing in it changes any more, so the backup that it was restored from is its backup: \
             keep that one",
            args.data.display()
        )));
    }
    let mut config = folder.config(args.config.as_deref())?;
    // Wherever one lies, none goes into a backup.
    let secrets: Vec<_> = [&config.keys.passphrase_file, &args.passphrase_file]
        .into_iter()
        .flatten()
        .filter_map(|file| file.canonicalize().ok())
        .collect();
    if let Some(file) = &args.passphrase_file {
        config.keys = Keys { passphrase_file: Some(file.clone()), passphrase_env: None, ..config.keys };
    }
    let passphrase = config.keys.passphrase(|name| std::env::var_os(name)).map_err(|error| Failed::usage(&error))?;
    let passphrase = Passphrase::new(passphrase.expose().to_owned());
    let identity = folder.log_identity()?;
    let _ = rustix::process::nice(19); // the server comes first

    // 1.
    let another = || Failed(Exit::Busy, "another backup of this data folder runs".to_owned());
    let _lock = folder.lock_backups()?.ok_or_else(another)?;
    apart(&args.to, &args.data)?;
    let place = Place::write(&args.to, &OsEntropy).map_err(of_place)?;

    // 2.
    let copy = Copy::make(&folder, &config, args.admin)?;
    let reader = copy.judge(&config, &identity)?;
    let (newest, checkpoint) = (reader.newest(), reader.checkpoint().unwrap_or_default());
    let (size, root) = (newest.edge().size(), hex::encode(newest.edge().root()));
    let convicted = fsck::outside::against(&folder, &identity, None, || Ok(reader));

    // 3.
    let beside = if copy.is_of_server() { BESIDE_A_SERVER } else { 0 };
    let mut pace = Pace::new(args.rate.unwrap_or(beside));
    let sources = sources(&folder, &copy, &config, args.config.as_deref(), &secrets)?;
    let progress = Progress::new(as_json, "backing up", Some(sources.len() as u64));
    let index_path = folder.path(BACKUP_INDEX);
    let mut index = Index::load(&index_path);
    let mut known = index.take(&place.id, &recipients);
    let (mut stored, mut found, mut files, mut damaged) = ((0, 0), (0, 0), Vec::new(), 0);
    let mut now_known = std::collections::BTreeMap::new();
    for (path, source) in sources {
        let failed = |error: std::io::Error| Failed::fault(&format!("cannot read {}: {error}", source.display()));
        let metadata = fs::metadata(&source).map_err(failed)?;
        let mode = metadata.permissions().mode() & 0o777;
        let is_table = path.starts_with("store/") && path.ends_with(".sst");
        if metadata.len() <= INLINE_BYTES_MAX && !is_table {
            let bytes = fs::read(&source).map_err(failed)?;
            let sha256 = hex::encode(Digest::of(&bytes).as_bytes());
            let content = Content::Inline(STANDARD.encode(&bytes));
            files.push(manifest::File { path, mode, bytes: bytes.len() as u64, sha256, content });
            progress.add(1);
            continue;
        }
        let (length, changed_ns) = stamp_of(&metadata);
        let earlier = known.files.remove(&path);
        let earlier = earlier.filter(|earlier| is_table && (earlier.bytes, earlier.changed_ns) == (length, changed_ns));
        let earlier = earlier.filter(|earlier| {
            let whole = match args.thorough {
                true => is_whole(&place, earlier, &source, &mut pace),
                false => place.has(&earlier.stored),
            };
            damaged += u64::from(!whole);
            whole
        });
        let file = match earlier {
            Some(earlier) => {
                found = (found.0 + 1, found.1 + length);
                earlier
            }
            None => {
                let (sum, sealed) = place.store(&source, &recipients, &OsEntropy, &mut pace).map_err(of_place)?;
                stored = (stored.0 + 1, stored.1 + sum.bytes);
                KnownFile { bytes: sum.bytes, changed_ns, sha256: sum.sha256, stored: sealed }
            }
        };
        let (bytes, sha256, content) = (file.bytes, file.sha256.clone(), Content::Stored(file.stored.clone()));
        files.push(manifest::File { path: path.clone(), mode, bytes, sha256, content });
        if is_table {
            now_known.insert(path, file);
        }
        progress.add(1);
    }
    let (made_ms, anchored) = (copy.made_ms, Some(copy.anchored.unwrap_or(size)));
    drop(copy);

    // 4.
    let id = format!("{}-{size}", Timestamp::from_millis(made_ms).to_string().replace(['-', ':', '.'], ""));
    let origin = identity.origin().to_owned();
    let previous = known.newest.take();
    let manifest =
        Manifest { version: manifest::VERSION, id, previous, origin, made_ms, size, root, anchored, checkpoint, files };
    let plain = manifest.encode(&passphrase, &OsEntropy).map_err(|fault| Failed::fault(&fault))?;
    let mut bytes = Vec::new();
    sealed::seal(&*plain, &mut bytes, &recipients, &OsEntropy).map_err(|fault| Failed::fault(&fault))?;
    place.publish(&manifest.header(&bytes), &bytes).map_err(of_place)?;
    progress.finish();

    // 5.
    known.files = now_known;
    known.newest = Some(manifest.id.clone());
    index.put(place.id.clone(), known, &index_path).map_err(|fault| Failed::fault(&fault))?;
    let removed = place.sweep().map_err(of_place)?;
    Ok(Taken { manifest, stored, found, damaged, removed, convicted })
}

/// The stored file is what it was, and so is its source.
fn is_whole(place: &Place, earlier: &KnownFile, source: &Path, pace: &mut Pace) -> bool {
    place.has_whole(&earlier.stored, pace)
        && fs::File::open(source)
            .and_then(|file| sealed::sum_of_pages(&file, pace))
            .is_ok_and(|sum| sum.sha256 == earlier.sha256)
}

/// Everything that goes into a backup: path in the data folder, and where its bytes are.
fn sources(
    folder: &DataFolder,
    copy: &Copy,
    config: &Config,
    in_use: Option<&Path>,
    secrets: &[PathBuf],
) -> Result<Vec<(String, PathBuf)>, Failed> {
    let mut sources = Vec::new();
    for name in FILES {
        let path = folder.path(name);
        if path.is_file() {
            sources.push((name.to_owned(), path));
        }
    }
    sources.extend(in_use.map(|file| (SETTINGS_IN_USE.to_owned(), file.to_owned())));
    if let Some(file) = &config.witnesses.policy_path {
        // Without it no server starts with these settings, and whoever restores must know whom to ask.
        if !file.is_file() {
            return Err(Failed::usage(&format!("witnesses.policy_path: there is no file {}", file.display())));
        }
        sources.push((WITNESS_POLICY.to_owned(), file.clone()));
    }
    for (name, _) in FOLDERS {
        let from = if name == "store" { copy.path.clone() } else { folder.path(name) };
        let files =
            files_in(&from).map_err(|error| Failed::fault(&format!("cannot read {}: {error}", from.display())))?;
        for file in files {
            let path = from.join(&file);
            let wanted = match name {
                "store" => is_store_file(&file),
                "keys" => is_key_file(&file),
                // What opens them is for the people alone.
                "people" => file.ends_with(".p12"),
                _ => !file.starts_with('.'),
            };
            if wanted && !path.canonicalize().is_ok_and(|path| secrets.contains(&path)) {
                sources.push((format!("{name}/{file}"), path));
            }
        }
    }
    Ok(sources)
}

/// The recipients that were named, in a steady order.
fn recipients(named: &[String]) -> Result<Vec<Recipient>, Failed> {
    let mut recipients = Vec::new();
    for name in named {
        let found = match name.parse::<Recipient>() {
            Ok(recipient) => Ok(vec![recipient]),
            Err(fault) => match fs::read_to_string(name) {
                Ok(text) => parse_recipients(&text),
                Err(_) if name.starts_with("age1") => Err(fault),
                Err(error) => return Err(Failed::usage(&format!("--recipient: cannot read {name}: {error}"))),
            },
        };
        let found: Result<_, AgeFault> = found;
        recipients.extend(found.map_err(|fault| Failed::usage(&format!("--recipient {name}: {fault}")))?);
    }
    recipients.sort_by_key(ToString::to_string);
    recipients.dedup();
    Ok(recipients)
}

/// A backup inside the data folder would be lost with it.
fn apart(to: &Path, data: &Path) -> Result<(), Failed> {
    // Of a place that is not there yet, the part that is.
    let there = to.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    match (there.canonicalize(), data.canonicalize()) {
        (Ok(to), Ok(data)) if to.starts_with(&data) => {
            Err(Failed::usage(&"--to lies in the data folder: whatever happens to the one happens to the other"))
        }
        _ => Ok(()),
    }
}

/// What a place's fault means for the caller.
pub(super) fn of_place(fault: PlaceFault) -> Failed {
    let exit = match &fault {
        PlaceFault::Busy(_) => Exit::Busy,
        PlaceFault::Taken(_) | PlaceFault::NoSuch(_) => Exit::Usage,
        PlaceFault::None(_) | PlaceFault::Empty(_) => Exit::Undecided,
        PlaceFault::Disk(_)
        | PlaceFault::Name { .. }
        | PlaceFault::ReadBack(_)
        | PlaceFault::Seal { .. }
        | PlaceFault::Entropy(_) => Exit::Fault,
    };
    Failed(exit, fault.to_string())
}
