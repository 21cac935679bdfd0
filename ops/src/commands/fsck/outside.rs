//! What others know of a ledger: the mark of a folder that ends before its ledger did, and what lies in `evidence/`.
//!
//! No row of a store tells of either. A file of evidence counts if the ledger's own key signed what it shows: a proof of
//! misbehaviour that convicts before anybody, or a checkpoint that is not of this store's history.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use semper_api::witnesses;
use semper_ledger::anchor::file::Slot;
use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::fsck::{Grade, Report};
use semper_ledger::ledger;
use semper_ledger::note::Note;
use semper_ledger::reader::Reader;
use semper_ttp::account::{Anchors, POM_BYTES_MAX, Proof, Verdict, judge};
use semper_ttp::crypto::LogVerifier;

use super::files::{FileFinding, Files};
use super::open_store;
use crate::commands::verify::files::read_trust;
use crate::config::Config;
use crate::data::{DataFolder, ReadOnly};

/// The folder of it.
const EVIDENCE: &str = "evidence";

/// `Some` if the anchor tells nothing of a folder that is marked: it is not there, or its size is beyond the mark's.
pub(super) fn beyond(mark: &ReadOnly, slots: Option<&[Slot; 2]>) -> Option<Option<u64>> {
    let Some(slots) = slots else { return Some(None) };
    let sizes = slots.iter().filter_map(|slot| match slot {
        Slot::Valid(anchored) => Some(anchored.size),
        Slot::Empty | Slot::Bad => None,
    });
    sizes.max().filter(|size| *size > mark.size).map(Some)
}

/// The mark against what was found: it is of this store, and no anchor knows more than it says.
pub(super) fn mark(mark: &ReadOnly, anchored: Option<u64>, files: &mut Files, report: &Report) {
    let mut wrong = |what| {
        files.findings.push(FileFinding { grade: Grade::False, file: "READ-ONLY".to_owned(), what });
    };
    if (mark.size, &mark.root) != (report.size, &hex::encode(report.root)) {
        wrong(format!("it marks a ledger of {} entries with root {}", mark.size, mark.root));
    }
    if let Some(anchored) = anchored.filter(|size| *size > mark.known_size) {
        wrong(format!("it says that the ledger had {} entries, and the anchor knows of {anchored}", mark.known_size));
    }
}

/// Judges every file of evidence.
pub(super) fn evidence(folder: &DataFolder, config: &Config, mark: Option<&ReadOnly>, files: &mut Files) {
    let Ok(found) = fs::read_dir(folder.path(EVIDENCE)) else { return };
    let mut found: Vec<_> = found.flatten().map(|file| file.path()).collect();
    found.sort();
    for path in found {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let said = if name.ends_with(".pom.json") {
            proof(folder, &path, files)
        } else if name.ends_with(".checkpoint") {
            checkpoint(folder, config, mark, &path, files)
        } else {
            continue;
        };
        let file = format!("{EVIDENCE}/{name}");
        match said {
            Ok(None) => {}
            Ok(Some(what)) => files.findings.push(FileFinding { grade: Grade::False, file, what }),
            Err(why) => files.not_checked.push(format!("{file}: {why}")),
        }
    }
}

/// How many findings are of files of evidence.
pub(super) fn count(files: &Files) -> u64 {
    files.findings.iter().filter(|finding| finding.file.starts_with(EVIDENCE)).count() as u64
}

/// What a proof of misbehaviour proves of this ledger.
fn proof(folder: &DataFolder, path: &Path, files: &Files) -> Result<Option<String>, String> {
    let proof = Proof::parse(&read(path)?).map_err(|error| error.to_string())?;
    let trust = read_trust(&folder.path("trust")).ok().map(|(trust, _)| trust);
    let keys = std::slice::from_ref(&files.identity.note_key);
    let judged = judge(&proof, &Anchors { log_keys: keys, trust: trust.as_ref() });
    match judged.verdict {
        Verdict::Proven => Ok(Some(format!("PROVEN: {}", judged.reason))),
        Verdict::Open => Err(format!("it leaves open what it claims: {}", judged.reason)),
        Verdict::Unfounded => Err(format!("it proves nothing against this ledger: {}", judged.reason)),
    }
}

/// What a checkpoint that somebody showed says against this store.
fn checkpoint(
    folder: &DataFolder,
    config: &Config,
    mark: Option<&ReadOnly>,
    path: &Path,
    files: &Files,
) -> Result<Option<String>, String> {
    let note = read(path)?;
    let found = witnesses::compare(&reader(folder, config, files)?, &note)?;
    let Some(found) = found else { return Ok(None) };
    // What a folder that is marked has lost, others may show.
    let size =
        Note::parse(&found.note).ok().and_then(|note| Checkpoint::parse(&note.text).ok()).map(|shown| shown.size);
    if mark.zip(size).is_some_and(|(mark, size)| (mark.size + 1..=mark.known_size).contains(&size)) {
        return Ok(None);
    }
    Ok(Some(format!("somebody outside {}, signed by this ledger's own key", found.what)))
}

fn reader(folder: &DataFolder, config: &Config, files: &Files) -> Result<Reader, String> {
    let store = open_store(folder, config).map_err(|error| error.to_string())?;
    ledger::judge(Arc::new(store), &files.identity, &LogVerifier).map_err(|error| error.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > POM_BYTES_MAX as u64 {
        return Err("it is too long to be evidence".to_owned());
    }
    fs::read(path).map_err(|error| error.to_string())
}
