//! What a witness remembers: for each origin the newest checkpoint that it cosigned, in a file of its own.
//!
//! ```text
//! DIR/ <hex SHA-256(origin)>/checkpoint     the note, with the log's signatures and our cosignature
//!      evidence/<hex>.request               requests that a log signed and that do not continue what was cosigned
//! ```
//!
//! The names are those of the read side (`GET <monitoring prefix>/<hex>/checkpoint`), so any web server can serve the
//! folder. It **is** the witness: one whose folder was lost or put back from a copy may cosign a second history without
//! knowing, so its key must be given up with it. Comparing, writing and answering are one step for each origin
//! ([`Records::submit`]); two requests at once cannot roll a record back.
//!
//! | crash | left behind | seen outside |
//! |---|---|---|
//! | before the file is renamed | the old checkpoint | nothing |
//! | after it, before the answer | the new one | the log asks again and is told the new size |
//!
//! A disk that fails leaves one of the two: no answer was given, nothing more is cosigned for this origin, and the next start
//! reads which.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use super::{Refusal, Submission, WitnessedLog};
use crate::{
    checkpoint::Checkpoint,
    disk::{self, DiskFault, fault},
    merkle::{Hash, sha256},
    note::{NOTE_BYTES_MAX, Note, SignatureLine, VerifierKey},
    port::{SigningFailed, Verifier},
};

/// The name of a record's file.
const CHECKPOINT: &str = "checkpoint";
/// The folder of kept requests.
const EVIDENCE: &str = "evidence";
/// How the names of requests begin that convict their log.
const CONVICTS: &str = "convicts-";
/// Requests that are kept of either sort.
const EVIDENCE_MAX: usize = 256;

/// The records of one witness; its folder is locked while this lives.
pub struct Records {
    folder: PathBuf,
    origins: RwLock<HashMap<Hash, Arc<Record>>>,
    /// Files in `evidence/`: requests that convict, and others.
    kept: Mutex<[usize; 2]>,
    _lock: File,
}

/// What was cosigned for one origin.
#[derive(Debug, Default)]
struct Record {
    /// Held while a submission is judged, signed and written. True once a write failed: what the file holds is unknown then,
    /// and only a new start reads it.
    turn: Mutex<bool>,
    /// The newest, for readers, who must not wait for a disk.
    newest: RwLock<Option<(Checkpoint, String)>>,
}

impl Record {
    fn newest(&self) -> Option<(Checkpoint, String)> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why the records cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskFault),
    /// Another process has them.
    #[error("the witness's records in {} are in use by another process", .0.display())]
    Locked(PathBuf),
    /// A record does not bear the witness's own signature.
    #[error(
        "{} is no checkpoint of its origin that this witness cosigned: with a record that was damaged or exchanged a \
         witness may cosign a second history; put the folder back as it was, or give up the key",
        .0.display()
    )]
    Damaged(PathBuf),
}

/// Why there is no cosignature.
#[derive(Debug, thiserror::Error)]
pub enum NotCosigned {
    /// The request is no good.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The key store.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskFault),
    /// A write for this origin failed before.
    #[error("a record could not be written, so nobody knows what it holds: start the witness again, which reads it")]
    InDoubt,
}

impl Records {
    /// Opens the records in `folder`, which must exist; every one of them must bear the signature of `own`, and no wrong
    /// one of its log.
    ///
    /// # Errors
    /// [`RecordsError`].
    pub fn open(
        folder: &Path,
        own: &VerifierKey,
        logs: &[WitnessedLog],
        verifier: &dyn Verifier,
    ) -> Result<Self, RecordsError> {
        let lock = File::open(folder).map_err(fault("open", folder))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(RecordsError::Locked(folder.to_owned())),
            other => other.map_err(std::io::Error::from).map_err(fault("lock", folder))?,
        }
        let by_origin: HashMap<_, _> = logs.iter().map(|log| (sha256(log.origin.as_bytes()), log)).collect();
        let mut origins = HashMap::new();
        for entry in fs::read_dir(folder).map_err(fault("read", folder))? {
            let name = entry.map_err(fault("read", folder))?.file_name();
            let Some(hash) = name.to_str().and_then(|name| hex::decode(name).ok()?.try_into().ok()) else { continue };
            let path = folder.join(name).join(CHECKPOINT);
            // A folder without its file: a crash came between the two, and nothing was answered.
            let Some(bytes) = disk::read_at_most(&path, NOTE_BYTES_MAX)? else { continue };
            let newest = cosigned(&bytes, &hash, own, by_origin.get(&hash).copied(), verifier)
                .ok_or(RecordsError::Damaged(path))?;
            origins.insert(hash, Arc::new(Record { turn: Mutex::default(), newest: RwLock::new(Some(newest)) }));
        }
        let evidence = folder.join(EVIDENCE);
        disk::make_folder(&evidence)?;
        let mut kept = [0; 2];
        for entry in fs::read_dir(&evidence).map_err(fault("read", &evidence))? {
            let name = entry.map_err(fault("read", &evidence))?.file_name();
            kept[usize::from(name.to_string_lossy().starts_with(CONVICTS))] += 1;
        }
        Ok(Self { folder: folder.to_owned(), origins: RwLock::new(origins), kept: Mutex::new(kept), _lock: lock })
    }

    /// Judges a submission, cosigns it, remembers it durably, and gives the line that may leave. Waits for the disk.
    ///
    /// # Errors
    /// [`NotCosigned`]; nothing was cosigned then that anybody could have seen.
    pub fn submit(
        &self,
        submission: &Submission,
        cosign: impl FnOnce(&str) -> Result<SignatureLine, SigningFailed>,
    ) -> Result<SignatureLine, NotCosigned> {
        let origin = sha256(submission.checkpoint().origin.as_bytes());
        let record = self.record(origin);
        let mut in_doubt = record.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if *in_doubt {
            return Err(NotCosigned::InDoubt);
        }
        let last = record.newest();
        submission.judge(last.as_ref().map(|(checkpoint, _)| checkpoint))?;
        let line = cosign(&submission.note().text)?;
        let mut note = submission.note().clone();
        note.signatures.push(line.clone());
        let text = note.to_string();
        let written = self.write(&origin, last.is_none(), &text);
        *in_doubt = written.is_err();
        written?;
        *record.newest.write().unwrap_or_else(PoisonError::into_inner) = Some((submission.checkpoint().clone(), text));
        Ok(line)
    }

    fn write(&self, origin: &Hash, first: bool, text: &str) -> Result<(), DiskFault> {
        let folder = self.folder.join(hex::encode(origin));
        if first {
            disk::make_folder(&folder)?;
            // Also where it was there already: whoever made it may have been killed before its name was durable.
            disk::sync_folder(&self.folder)?;
        }
        disk::replace(&folder.join(CHECKPOINT), text.as_bytes())
    }

    /// The newest checkpoint cosigned for the origin with this SHA-256, with signatures.
    pub fn newest(&self, origin: &Hash) -> Option<(Checkpoint, String)> {
        let record = self.origins.read().unwrap_or_else(PoisonError::into_inner).get(origin)?.clone();
        record.newest()
    }

    /// Keeps a request whose checkpoint a log signed and that was not cosigned. One that `convicts` the log is kept apart from
    /// those that only may, and each checkpoint once: whoever holds one signed checkpoint can make any number of bad
    /// requests of it. Gives the file, if it is new and there is room.
    ///
    /// # Errors
    /// The disk.
    pub fn keep(&self, submission: &Submission, convicts: bool, request: &[u8]) -> Result<Option<PathBuf>, DiskFault> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let name = hex::encode(sha256(submission.note().text.as_bytes()));
        let name = format!("{}{name}.request", if convicts { CONVICTS } else { "" });
        let path = self.folder.join(EVIDENCE).join(name);
        let count = &mut kept[usize::from(convicts)];
        if *count >= EVIDENCE_MAX || path.exists() {
            return Ok(None);
        }
        disk::replace(&path, request)?;
        *count += 1;
        Ok(Some(path))
    }

    /// That of an origin; there are as many as logs in the configuration.
    fn record(&self, origin: Hash) -> Arc<Record> {
        if let Some(found) = self.origins.read().unwrap_or_else(PoisonError::into_inner).get(&origin) {
            return found.clone();
        }
        self.origins.write().unwrap_or_else(PoisonError::into_inner).entry(origin).or_default().clone()
    }
}

/// The checkpoint in a record's file, if it is of the origin with this hash and bears the signature of `own`.
fn cosigned(
    bytes: &[u8],
    origin: &Hash,
    own: &VerifierKey,
    log: Option<&WitnessedLog>,
    verifier: &dyn Verifier,
) -> Option<(Checkpoint, String)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let note = Note::parse(text).ok()?;
    let checkpoint = Checkpoint::parse(&note.text).ok()?;
    let keys: Vec<_> = log.map_or(&[][..], |log| &log.keys).iter().chain([own]).cloned().collect();
    let signed = note.verify(&keys, verifier).ok()?;
    (signed.contains(&own) && sha256(checkpoint.origin.as_bytes()) == *origin).then(|| (checkpoint, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::{
        cosignature::Cosigner,
        testing::{Ed25519, SmallLog, TestVerifier},
        witness::AddCheckpoint,
    };

    fn cosigner() -> Cosigner {
        Cosigner::new("witness", Arc::new(Ed25519::new(3))).unwrap()
    }

    fn known() -> [WitnessedLog; 1] {
        [WitnessedLog { origin: "log".to_owned(), keys: SmallLog::new(1).keys().to_vec() }]
    }

    fn open(folder: &Path) -> Result<Records, RecordsError> {
        Records::open(folder, cosigner().verifier_key(), &known(), &TestVerifier)
    }

    /// What the log of `size` entries asks after `old`.
    fn submission(old: u64, size: u64) -> Submission {
        let log = SmallLog::new(size);
        let note = log.head.note(&log.identity).to_string();
        AddCheckpoint { old, proof: log.consistency(old), note }.admit(&known(), &TestVerifier).unwrap()
    }

    fn submit(records: &Records, old: u64, size: u64) -> Result<SignatureLine, NotCosigned> {
        records.submit(&submission(old, size), |text| cosigner().cosign(text, 1_000))
    }

    fn size(records: &Records) -> Option<u64> {
        records.newest(&sha256(b"log")).map(|(checkpoint, _)| checkpoint.size)
    }

    #[test]
    fn what_was_cosigned_is_remembered_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let records = open(dir.path()).unwrap();
        assert_eq!(size(&records), None);
        let line = submit(&records, 0, 5).unwrap();
        assert!(matches!(open(dir.path()), Err(RecordsError::Locked(_))));
        drop(records);
        let records = open(dir.path()).unwrap();
        let (checkpoint, note) = records.newest(&sha256(b"log")).unwrap();
        assert_eq!(checkpoint.size, 5);
        let note = Note::parse(&note).unwrap();
        assert_eq!((note.signatures.len(), &note.signatures[1]), (2, &line));
        let conflict = submit(&records, 0, 9).unwrap_err();
        assert!(matches!(conflict, NotCosigned::Refused(Refusal::Conflict { size: 5 })), "{conflict}");
        submit(&records, 5, 9).unwrap();
        submit(&records, 9, 9).unwrap();
        assert_eq!(size(&records), Some(9));
        let hex = hex::encode(sha256(b"log"));
        let served = fs::read_to_string(dir.path().join(hex).join(CHECKPOINT)).unwrap();
        assert_eq!(served, records.newest(&sha256(b"log")).unwrap().1);
    }

    /// The race of the specification: of many requests at once from one old size, those that lose are told the winner's.
    #[test]
    fn no_record_is_rolled_back_by_a_race() {
        let dir = tempfile::tempdir().unwrap();
        let records = open(dir.path()).unwrap();
        submit(&records, 0, 3).unwrap();
        let submissions: Vec<_> = (4..20).map(|size| submission(3, size)).collect();
        let won = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for submission in &submissions {
                let (records, won) = (&records, &won);
                scope.spawn(move || match records.submit(submission, |text| cosigner().cosign(text, 1_000)) {
                    Ok(_) => assert_eq!(won.swap(submission.checkpoint().size, Ordering::SeqCst), 0, "two winners"),
                    Err(NotCosigned::Refused(Refusal::Conflict { size })) => assert!(size > 3),
                    Err(other) => panic!("{other}"),
                });
            }
        });
        assert_eq!(size(&records), Some(won.into_inner()));
    }

    #[test]
    fn nothing_is_remembered_that_was_not_signed() {
        let dir = tempfile::tempdir().unwrap();
        let records = open(dir.path()).unwrap();
        let failed = records.submit(&submission(0, 5), |_| Err(SigningFailed("no key".to_owned())));
        assert!(matches!(failed, Err(NotCosigned::Signing(_))));
        assert_eq!(size(&records), None);
        submit(&records, 0, 4).unwrap();
    }

    /// A disk that fails leaves the record as it was in memory, and a file that a next start reads.
    #[test]
    fn a_failing_disk_gives_no_cosignature() {
        let dir = tempfile::tempdir().unwrap();
        let records = open(dir.path()).unwrap();
        submit(&records, 0, 5).unwrap();
        let folder = dir.path().join(hex::encode(sha256(b"log")));
        fs::create_dir(folder.join("checkpoint.part")).unwrap(); // where the new one would be written
        assert!(matches!(submit(&records, 5, 9), Err(NotCosigned::Disk(_))));
        assert_eq!(size(&records), Some(5));
        fs::remove_dir(folder.join("checkpoint.part")).unwrap();
        assert!(matches!(submit(&records, 5, 9), Err(NotCosigned::InDoubt)), "not before the file was read again");
        drop(records);
        submit(&open(dir.path()).unwrap(), 5, 9).unwrap();
    }

    #[test]
    fn a_damaged_record_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        submit(&open(dir.path()).unwrap(), 0, 5).unwrap();
        let file = dir.path().join(hex::encode(sha256(b"log"))).join(CHECKPOINT);
        let good = fs::read(&file).unwrap();
        for at in [0, 5, good.len() / 2, good.len() - 10] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, bad).unwrap();
            assert!(matches!(open(dir.path()), Err(RecordsError::Damaged(path)) if path == file), "octet {at}");
        }
        // Another origin's record, under this one's name.
        fs::write(&file, &good).unwrap();
        let other = dir.path().join(hex::encode(sha256(b"other")));
        fs::create_dir(&other).unwrap();
        assert!(open(dir.path()).is_ok(), "a folder without a record");
        fs::copy(&file, other.join(CHECKPOINT)).unwrap();
        assert!(matches!(open(dir.path()), Err(RecordsError::Damaged(_))));
    }

    /// Requests without end of the one sort leave room for the other, and each checkpoint is kept once.
    #[test]
    fn evidence_is_kept_once_and_within_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let records = open(dir.path()).unwrap();
        let keep = |records: &Records, size, convicts, request: &[u8]| {
            records.keep(&submission(0, size), convicts, request).unwrap()
        };
        let file = keep(&records, 1, false, b"a request").expect("new");
        assert_eq!(fs::read(file).unwrap(), b"a request");
        assert_eq!(keep(&records, 1, false, b"another request with that checkpoint"), None);
        *records.kept.lock().unwrap() = [EVIDENCE_MAX, 0];
        assert_eq!(keep(&records, 2, false, b"one too many"), None);
        let convicting = keep(&records, 2, true, b"two roots").expect("room of its own");
        assert!(convicting.file_name().unwrap().to_str().unwrap().starts_with(CONVICTS));
        drop(records);
        assert_eq!(*open(dir.path()).unwrap().kept.lock().unwrap(), [1, 1], "counted anew at the start");
    }
}
