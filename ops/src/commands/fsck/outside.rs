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
use semper_ledger::receipt::LogIdentity;
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
    let reader = || {
        let store = open_store(folder, config).map_err(|error| error.to_string())?;
        ledger::judge(Arc::new(store), &files.identity, &LogVerifier).map_err(|error| error.to_string())
    };
    for (file, said) in said(folder, &files.identity, mark, reader) {
        match said {
            Ok(None) => {}
            Ok(Some(what)) => files.findings.push(FileFinding { grade: Grade::False, file, what }),
            Err(why) => files.not_checked.push(format!("{file}: {why}")),
        }
    }
}

/// What in `evidence/` convicts this ledger, or shows more of it than there is here: for commands that are about something else and
/// must not pass over it. `reader` is asked for only where a checkpoint lies there.
pub(in crate::commands) fn against(
    folder: &DataFolder,
    identity: &LogIdentity,
    mark: Option<&ReadOnly>,
    reader: impl FnOnce() -> Result<Reader, String>,
) -> Option<String> {
    let said = said(folder, identity, mark, reader).into_iter();
    let said: Vec<_> = said.filter_map(|(file, said)| Some(format!("{file}: {}", said.ok()??))).collect();
    (!said.is_empty()).then(|| {
        format!(
            "what lies in evidence/ says that this ledger is not sound (semper fsck says more): {}",
            said.join("; ")
        )
    })
}

/// A file of evidence, and what it says; an error where it says nothing that counts.
type Said = (String, Result<Option<String>, String>);

fn said(
    folder: &DataFolder,
    identity: &LogIdentity,
    mark: Option<&ReadOnly>,
    reader: impl FnOnce() -> Result<Reader, String>,
) -> Vec<Said> {
    let Ok(found) = fs::read_dir(folder.path(EVIDENCE)) else { return Vec::new() };
    let mut found: Vec<_> = found.flatten().map(|file| file.path()).collect();
    found.sort();
    let is = |path: &Path, ending: &str| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending));
    let reader = found.iter().any(|path| is(path, ".checkpoint")).then(reader);
    let said = found.iter().filter_map(|path| {
        let said = if is(path, ".pom.json") {
            proof(folder, identity, path)
        } else if is(path, ".checkpoint") {
            match reader.as_ref()? {
                Ok(reader) => checkpoint(reader, mark, path),
                Err(why) => Err(why.clone()),
            }
        } else {
            return None;
        };
        Some((format!("{EVIDENCE}/{}", path.file_name()?.to_string_lossy()), said))
    });
    said.collect()
}

/// How many findings are of files of evidence.
pub(super) fn count(files: &Files) -> u64 {
    files.findings.iter().filter(|finding| finding.file.starts_with(EVIDENCE)).count() as u64
}

/// What a proof of misbehaviour proves of this ledger.
fn proof(folder: &DataFolder, identity: &LogIdentity, path: &Path) -> Result<Option<String>, String> {
    let proof = Proof::parse(&read(path)?).map_err(|error| error.to_string())?;
    let trust = read_trust(&folder.path("trust")).ok().map(|(trust, _)| trust);
    let keys = std::slice::from_ref(&identity.note_key);
    let judged = judge(&proof, &Anchors { log_keys: keys, trust: trust.as_ref() });
    match judged.verdict {
        Verdict::Proven => Ok(Some(format!("PROVEN: {}", judged.reason))),
        Verdict::Open => Err(format!("it leaves open what it claims: {}", judged.reason)),
        Verdict::Unfounded => Err(format!("it proves nothing against this ledger: {}", judged.reason)),
    }
}

/// What a checkpoint that somebody showed says against this store.
fn checkpoint(reader: &Reader, mark: Option<&ReadOnly>, path: &Path) -> Result<Option<String>, String> {
    let found = witnesses::compare(reader, &read(path)?)?;
    let Some(found) = found else { return Ok(None) };
    // What a folder that is marked has lost, others may show.
    let size =
        Note::parse(&found.note).ok().and_then(|note| Checkpoint::parse(&note.text).ok()).map(|shown| shown.size);
    if mark.zip(size).is_some_and(|(mark, size)| (mark.size + 1..=mark.known_size).contains(&size)) {
        return Ok(None);
    }
    Ok(Some(format!("somebody outside {}, signed by this ledger's own key", found.what)))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > POM_BYTES_MAX as u64 {
        return Err("it is too long to be evidence".to_owned());
    }
    fs::read(path).map_err(|error| error.to_string())
}
