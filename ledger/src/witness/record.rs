//! What a witness remembers: for each origin the newest checkpoint that it cosigned, in a file of its own.
//!
//! ```text
//! DIR/ memory                               says that this is a witness's memory
//!      <hex SHA-256(origin)>/record         the note, with the log's signatures and our cosignature: two slots
//!      <hex SHA-256(origin)>/checkpoint     a copy of it, for readers: [`Records::publish`]
//!      evidence/<hex>.request               requests that a log signed and that do not continue what was cosigned
//!      evidence/convicts-<hex>.pom.json     proofs that a log signed two histories, for anybody to judge
//! ```
//!
//! The names are those of the read side (`GET <monitoring prefix>/<hex>/checkpoint`), so any web server can serve the
//! folder. It **is** the witness: one whose folder was lost or put back from a copy may cosign a second history without
//! knowing, so its key must be given up with it. Comparing, writing and answering are one step for each origin
//! ([`Records::submit`]); two requests at once cannot roll a record back.
//!
//! | crash | left behind | seen outside |
//! |---|---|---|
//! | while the slot is written | the old checkpoint | nothing |
//! | after it, before the answer | the new one | the log asks again and is told the new size |
//!
//! The same checkpoint again gets a new cosignature, and nothing is written for [`RENEW_SECS`]: the tree is remembered, and
//! the file's older cosignature of it is as true.
//!
//! A disk that fails leaves one of the two: no answer was given, nothing more is cosigned for this origin, and the next start
//! reads which.

mod file;

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Refusal, Submission, WitnessedLog};
use crate::{
    checkpoint::Checkpoint,
    cosignature,
    disk::{self, DiskFault, fault},
    merkle::{Hash, sha256},
    note::{Note, SignatureLine, VerifierKey},
    port::{SigningFailed, Verifier},
};

/// The file without which a folder is nobody's memory: an empty one that was made by hand is none.
const MARK: &str = "memory";
const MARK_TEXT: &[u8] =
    b"What a witness has cosigned. Put no older copy in its place, and make no new one under the same key.\n";
/// The folder of kept requests.
const EVIDENCE: &str = "evidence";
/// How the names of what convicts its log begin.
const CONVICTS: &str = "convicts-";
/// How the names of proofs of misbehaviour end.
const PROOF: &str = ".pom.json";
/// Files that are kept of each sort.
const EVIDENCE_MAX: usize = 256;

/// How old the cosignature in a record may be, seconds, while the same checkpoint is cosigned again: a restarted
/// witness serves that one, and the read side may be an hour behind (c2sp.org/tlog-witness).
const RENEW_SECS: u64 = 600;

/// What is kept against a log; for each sort there is room of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A request that may convict it.
    Request,
    /// A request that does.
    Conviction,
    /// The proof of misbehaviour that follows from a request and the record.
    Proof,
}

impl Evidence {
    /// The sort of the file with this name.
    fn of(name: &str) -> Self {
        match (name.starts_with(CONVICTS), name.ends_with(PROOF)) {
            (false, _) => Self::Request,
            (true, false) => Self::Conviction,
            (true, true) => Self::Proof,
        }
    }
}

/// The records of one witness; its folder is locked while this lives.
pub struct Records {
    folder: PathBuf,
    origins: RwLock<HashMap<Hash, Arc<Record>>>,
    /// Files in `evidence/`, by [`Evidence`].
    kept: Mutex<[usize; 3]>,
    _lock: File,
}

/// What was cosigned for one origin.
#[derive(Debug, Default)]
struct Record {
    /// Held while a submission is judged, signed and written.
    turn: Mutex<Turn>,
    /// The newest, for readers, who must not wait for a disk.
    newest: RwLock<Option<(Checkpoint, String)>>,
    /// The copy is older than that.
    stale: AtomicBool,
}

/// What is known of a record's file.
#[derive(Debug, Default)]
struct Turn {
    /// A write failed: what the file holds is unknown, and only a new start reads it.
    in_doubt: bool,
    /// The number of the newest write.
    sequence: u64,
    /// The time that our cosignature in it states, seconds since 1970.
    written_secs: u64,
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
    /// There are none.
    #[error(
        "there is no memory of a witness in {}: a witness that has lost it may cosign a second history, so its key must be given up: \
         make a new witness (semper witness init) and tell the logs that it witnessed",
        .0.display()
    )]
    Lost(PathBuf),
    /// There are records, and the mark is missing.
    #[error(
        "{} holds checkpoints that this witness cosigned, and the file {MARK} is missing in it, which an earlier program did \
         not write. Only if you know that this is the newest state, and no older copy of it, make that file (touch) and start \
         again; else give up the key: make a new witness (semper witness init) and tell the logs that it witnessed",
        .0.display()
    )]
    Unmarked(PathBuf),
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
    #[error("{refusal}")]
    Refused {
        /// Why.
        refusal: Refusal,
        /// Beside what it was judged: the newest checkpoint cosigned, and its note.
        last: Option<Box<(Checkpoint, String)>>,
    },
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
    /// Makes the memory of a new witness.
    ///
    /// # Errors
    /// The disk.
    pub fn create(folder: &Path) -> Result<(), DiskFault> {
        disk::make_folder(folder)?;
        disk::replace(&folder.join(MARK), MARK_TEXT)
    }

    /// Opens the records in `folder`, which [`Records::create`] made; every one of them must bear the signature of `own`, and no wrong
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
        if !folder.join(MARK).try_exists().map_err(fault("look into", folder))? {
            return Err(without_mark(folder, own, verifier));
        }
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
            let folder = folder.join(name);
            let log = by_origin.get(&hash).copied();
            let read = |bytes: &[u8]| cosigned(bytes, &hash, own, log, verifier);
            // Without a file a crash came before it, and nothing was answered.
            let newest = file::read(&folder)?.map_or(Err(()), |found| newest(found, &read));
            let newest = newest.map_err(|()| RecordsError::Damaged(folder.clone()))?;
            let Some((sequence, Cosigned { checkpoint, note, secs })) = newest else { continue };
            // What was read, and the name under which it was found, may be in the page cache only: of a write that was killed before
            // its sync, or whose sync failed. Written anew it is on the disk before anybody sees it, also if the same checkpoint is
            // asked for again. Into its own slot, with the same bytes: the other one may hold the newest that was answered.
            file::write(&folder, sequence, &note)?;
            disk::sync_folder(&folder)?;
            let turn = Mutex::new(Turn { in_doubt: false, sequence, written_secs: secs });
            let newest = RwLock::new(Some((checkpoint, note)));
            origins.insert(hash, Arc::new(Record { turn, newest, stale: AtomicBool::new(true) }));
        }
        disk::sync_folder(folder)?;
        let evidence = folder.join(EVIDENCE);
        disk::make_folder(&evidence)?;
        let mut kept = [0; 3];
        for entry in fs::read_dir(&evidence).map_err(fault("read", &evidence))? {
            let name = entry.map_err(fault("read", &evidence))?.file_name();
            kept[Evidence::of(&name.to_string_lossy()) as usize] += 1;
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
        let mut turn = record.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if turn.in_doubt {
            return Err(NotCosigned::InDoubt);
        }
        let last = record.newest();
        if let Err(refusal) = submission.judge(last.as_ref().map(|(checkpoint, _)| checkpoint)) {
            return Err(NotCosigned::Refused { refusal, last: last.map(Box::new) });
        }
        let line = cosign(&submission.note().text)?;
        let secs = cosignature::seconds(&line).unwrap_or_default();
        let mut note = submission.note().clone();
        let bare = note.to_string();
        note.signatures.push(line.clone());
        let text = note.to_string();
        // Ours is one line behind theirs.
        let same = last.as_ref().is_some_and(|(_, text)| {
            text.strip_prefix(&bare).is_some_and(|own| own.lines().count() == 1) // the very same signatures of the log, too
        });
        if !same || secs.abs_diff(turn.written_secs) >= RENEW_SECS {
            let sequence = turn.sequence + 1;
            let written = self.write(&origin, last.is_none(), sequence, &text);
            turn.in_doubt = written.is_err();
            written?;
            (turn.sequence, turn.written_secs) = (sequence, secs);
        }
        *record.newest.write().unwrap_or_else(PoisonError::into_inner) = Some((submission.checkpoint().clone(), text));
        record.stale.store(true, Ordering::Release);
        Ok(line)
    }

    /// Brings the copies for readers up to date: to be called now and then, by one caller at a time. Nobody's cosignature waits
    /// for it; a copy may be old (c2sp.org/tlog-witness: an hour at most).
    ///
    /// # Errors
    /// The disk; what was not written is tried again by the next call.
    pub fn publish(&self) -> Result<(), DiskFault> {
        let origins: Vec<_> = {
            let origins = self.origins.read().unwrap_or_else(PoisonError::into_inner);
            let stale = origins.iter().filter(|(_, record)| record.stale.load(Ordering::Acquire));
            stale.map(|(origin, record)| (*origin, record.clone())).collect()
        };
        for (origin, record) in origins {
            record.stale.store(false, Ordering::Release);
            let Some((_, note)) = record.newest() else { continue };
            let folder = self.folder.join(hex::encode(origin));
            file::publish(&folder, &note).inspect_err(|_| record.stale.store(true, Ordering::Release))?;
        }
        Ok(())
    }

    fn write(&self, origin: &Hash, first: bool, sequence: u64, text: &str) -> Result<(), DiskFault> {
        let folder = self.folder.join(hex::encode(origin));
        if first {
            disk::make_folder(&folder)?;
            // Also where it was there already: whoever made it may have been killed before its name was durable.
            disk::sync_folder(&self.folder)?;
        }
        file::write(&folder, sequence, text)
    }

    /// The newest checkpoint cosigned for the origin with this SHA-256, with signatures.
    pub fn newest(&self, origin: &Hash) -> Option<(Checkpoint, String)> {
        let record = self.origins.read().unwrap_or_else(PoisonError::into_inner).get(origin)?.clone();
        record.newest()
    }

    /// Keeps what a submission that was not cosigned shows against its log, which signed its checkpoint: for each checkpoint one
    /// file of each sort, since whoever holds one signed checkpoint can make any number of bad requests of it. Gives the
    /// file, if it is new and there is room.
    ///
    /// # Errors
    /// The disk.
    pub fn keep(&self, submission: &Submission, sort: Evidence, bytes: &[u8]) -> Result<Option<PathBuf>, DiskFault> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let name = hex::encode(sha256(submission.note().text.as_bytes()));
        let name = match sort {
            Evidence::Request => format!("{name}.request"),
            Evidence::Conviction => format!("{CONVICTS}{name}.request"),
            Evidence::Proof => format!("{CONVICTS}{name}{PROOF}"),
        };
        let path = self.folder.join(EVIDENCE).join(name);
        let count = &mut kept[sort as usize];
        if *count >= EVIDENCE_MAX || path.exists() {
            return Ok(None);
        }
        disk::replace(&path, bytes)?;
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

impl Drop for Records {
    fn drop(&mut self) {
        let _ = self.publish(); // the next start does
    }
}

/// Why a folder without the mark is refused.
fn without_mark(folder: &Path, own: &VerifierKey, verifier: &dyn Verifier) -> RecordsError {
    let is_ours = |name: std::ffi::OsString| {
        let hash: Hash = hex::decode(name.to_str()?).ok()?.try_into().ok()?;
        let (_, note) = file::read(&folder.join(name)).ok()??.record?;
        cosigned(&note, &hash, own, None, verifier)
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    match entries.map(|entry| entry.file_name()).find_map(is_ours) {
        Some(_) => RecordsError::Unmarked(folder.to_owned()),
        None => RecordsError::Lost(folder.to_owned()),
    }
}

/// A note that is a record of ours.
struct Cosigned {
    checkpoint: Checkpoint,
    note: String,
    /// The time that our cosignature states, seconds since 1970.
    secs: u64,
}

/// The newest note of the two files with its number, `None` if there is none in either; an error if what was the newest may
/// be lost.
fn newest(found: file::Found, read: &dyn Fn(&[u8]) -> Option<Cosigned>) -> Result<Option<(u64, Cosigned)>, ()> {
    let Some((sequence, note)) = found.record else {
        // A copy alone may be a second old, and a witness whose memory is a second old can be made to forget.
        return if found.copy.is_none() { Ok(None) } else { Err(()) };
    };
    let newest = read(&note).ok_or(())?;
    // The copy is never ahead, unless a slot was damaged after it was answered.
    let (ours, copy) = (&newest.checkpoint, found.copy.as_deref().and_then(read).map(|copy| copy.checkpoint));
    let ahead = copy.is_some_and(|copy| copy.size > ours.size || (copy.size == ours.size && copy.root != ours.root));
    if ahead { Err(()) } else { Ok(Some((sequence, newest))) }
}

/// A note with the time that `own` states in it, if it is of the origin with this hash and bears the signature of `own`.
fn cosigned(
    bytes: &[u8],
    origin: &Hash,
    own: &VerifierKey,
    log: Option<&WitnessedLog>,
    verifier: &dyn Verifier,
) -> Option<Cosigned> {
    let text = std::str::from_utf8(bytes).ok()?;
    let note = Note::parse(text).ok()?;
    let checkpoint = Checkpoint::parse(&note.text).ok()?;
    let keys: Vec<_> = log.map_or(&[][..], |log| &log.keys).iter().chain([own]).cloned().collect();
    let signed = note.verify(&keys, verifier).ok()?;
    let secs = note.signatures.iter().filter(|line| own.made(line)).filter_map(cosignature::seconds).max()?;
    let ours = signed.contains(&own) && sha256(checkpoint.origin.as_bytes()) == *origin;
    ours.then(|| Cosigned { checkpoint, note: text.to_owned(), secs })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

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
        if fs::read_dir(folder).unwrap().next().is_none() {
            Records::create(folder).unwrap();
        }
        Records::open(folder, cosigner().verifier_key(), &known(), &TestVerifier)
    }

    fn record_file(folder: &Path) -> PathBuf {
        folder.join(hex::encode(sha256(b"log"))).join("record")
    }

    fn copy_file(folder: &Path) -> PathBuf {
        record_file(folder).with_file_name(file::CHECKPOINT)
    }

    /// What the log of `size` entries asks after `old`.
    fn submission(old: u64, size: u64) -> Submission {
        let log = SmallLog::new(size);
        let note = log.head.note(&log.identity).to_string();
        AddCheckpoint { old, proof: log.consistency(old), note }
            .admit(&known().into_iter().collect(), &TestVerifier)
            .unwrap()
    }

    fn submit(records: &Records, old: u64, size: u64) -> Result<SignatureLine, NotCosigned> {
        submit_at(records, old, size, 1_000)
    }

    fn submit_at(records: &Records, old: u64, size: u64, secs: u64) -> Result<SignatureLine, NotCosigned> {
        records.submit(&submission(old, size), |text| cosigner().cosign(text, secs))
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
        let NotCosigned::Refused { refusal, last: Some(last) } = conflict else { panic!("{conflict}") };
        assert_eq!((refusal, last.0), (Refusal::Conflict { size: 5 }, checkpoint));
        submit(&records, 5, 9).unwrap();
        submit(&records, 9, 9).unwrap();
        assert_eq!(size(&records), Some(9));
        records.publish().unwrap();
        let served = fs::read_to_string(copy_file(dir.path())).unwrap();
        assert_eq!(served, records.newest(&sha256(b"log")).unwrap().1);
    }

    /// Nothing new, no write: whoever asks again and again costs no flush. The file is renewed all the same, now and then.
    #[test]
    fn the_same_checkpoint_again_is_cosigned_without_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let records = open(dir.path()).unwrap();
        let line = submit_at(&records, 0, 5, 1_000).unwrap();
        let file = || {
            let found = file::read(record_file(dir.path()).parent().unwrap()).unwrap().unwrap();
            Note::parse(str::from_utf8(&found.record.unwrap().1).unwrap()).unwrap()
        };
        let newer = submit_at(&records, 5, 5, 1_000 + RENEW_SECS - 1).unwrap();
        assert_ne!(newer, line);
        assert!(records.newest(&sha256(b"log")).unwrap().1.ends_with(&newer.to_string()), "readers get the newer one");
        assert_eq!(file().signatures[1], line);
        let newest = submit_at(&records, 5, 5, 1_000 + RENEW_SECS).unwrap();
        assert_eq!(file().signatures[1], newest);
        // After a start, too, which reads the time from the file.
        drop(records);
        let records = open(dir.path()).unwrap();
        submit_at(&records, 5, 5, 1_000 + 2 * RENEW_SECS - 1).unwrap();
        assert_eq!(file().signatures[1], newest);
        let grown = submit_at(&records, 5, 6, 1_000 + RENEW_SECS).unwrap();
        assert_eq!(file().signatures[1], grown);
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
                    Err(NotCosigned::Refused { refusal: Refusal::Conflict { size }, .. }) => assert!(size > 3),
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
        let (file, away) = (record_file(dir.path()), dir.path().join("away"));
        fs::rename(&file, &away).unwrap();
        fs::create_dir(&file).unwrap(); // where the new one would be written
        assert!(matches!(submit(&records, 5, 9), Err(NotCosigned::Disk(_))));
        assert_eq!(size(&records), Some(5));
        fs::remove_dir(&file).unwrap();
        fs::rename(away, file).unwrap();
        assert!(matches!(submit(&records, 5, 9), Err(NotCosigned::InDoubt)), "not before the file was read again");
        drop(records);
        submit(&open(dir.path()).unwrap(), 5, 9).unwrap();
    }

    /// A cut while a slot is written: the one before counts, for nobody was answered.
    #[test]
    fn a_torn_slot_was_never_answered() {
        let dir = tempfile::tempdir().unwrap();
        let records = open(dir.path()).unwrap();
        for (old, new) in [(0, 5), (5, 9)] {
            submit(&records, old, new).unwrap();
        }
        let (file, copy) = (record_file(dir.path()), copy_file(dir.path()));
        records.publish().unwrap();
        let (before, served) = (fs::read(&file).unwrap(), fs::read(&copy).unwrap());
        submit(&records, 9, 12).unwrap();
        drop(records);
        let after = fs::read(&file).unwrap();
        let slot = before.len() / 2;
        let written = (0..2).find(|at| before[at * slot..][..slot] != after[at * slot..][..slot]).unwrap() * slot;
        for cut in [1, 20, 300, slot - 1] {
            let mut torn = before.clone();
            torn[written..written + cut].copy_from_slice(&after[written..written + cut]);
            if torn[written..][..slot] == after[written..][..slot] {
                continue; // the rest were zeros
            }
            // The copy may be older still, cut, or missing: it is no more than a copy.
            for copied in [Some(&served[..]), Some(b""), None] {
                fs::write(&file, &torn).unwrap();
                copied.map_or_else(|| fs::remove_file(&copy).unwrap(), |bytes| fs::write(&copy, bytes).unwrap());
                let records = open(dir.path()).unwrap();
                assert_eq!(size(&records), Some(9), "cut after {cut}");
                records.publish().unwrap();
                assert_eq!(fs::read(&copy).unwrap(), served);
                submit(&records, 9, 13).unwrap();
                drop(records);
                assert_eq!(size(&open(dir.path()).unwrap()), Some(13));
                fs::write(&copy, &served).unwrap();
            }
        }
    }

    /// What a start finds may not be on the disk yet (killed between write and sync), and it is shown from the first moment on.
    #[test]
    fn a_start_writes_what_it_found_once_more() {
        let dir = tempfile::tempdir().unwrap();
        submit(&open(dir.path()).unwrap(), 0, 5).unwrap();
        submit(&open(dir.path()).unwrap(), 5, 9).unwrap();
        let path = record_file(dir.path());
        let bytes = fs::read(&path).unwrap();
        fs::File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        let records = open(dir.path()).unwrap();
        assert!(fs::metadata(&path).unwrap().modified().unwrap() > std::time::UNIX_EPOCH, "not written");
        // Were it written into the other slot, a cut would spoil what may be the newest that was answered.
        assert_eq!(fs::read(&path).unwrap(), bytes);
        submit_at(&records, 9, 9, 1_001).unwrap();
        assert_eq!((fs::read(&path).unwrap(), size(&records)), (bytes, Some(9)));
    }

    /// A log with many keys: its notes outgrow the slots.
    #[test]
    fn a_record_gets_more_room_when_it_needs_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("record");
        for (sequence, length) in [(1, 100), (2, 5_000), (3, 200), (4, 90_000), (5, 6)] {
            let note = "n".repeat(length);
            file::write(dir.path(), sequence, &note).unwrap();
            let found = file::read(dir.path()).unwrap().unwrap();
            assert_eq!(found.record, Some((sequence, note.into_bytes())));
        }
        assert_eq!(fs::metadata(file).unwrap().len(), 2 * 131_072);
    }

    #[test]
    fn an_empty_folder_is_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("cosigned");
        let open = || Records::open(&folder, cosigner().verifier_key(), &known(), &TestVerifier);
        assert!(matches!(open(), Err(RecordsError::Lost(_))));
        fs::create_dir(&folder).unwrap();
        assert!(matches!(open(), Err(RecordsError::Lost(_))));
        Records::create(&folder).unwrap();
        submit(&open().unwrap(), 0, 5).unwrap();
        // Records of a witness that had no mark.
        fs::remove_file(folder.join(MARK)).unwrap();
        assert!(matches!(open(), Err(RecordsError::Unmarked(_))));
        fs::write(folder.join(MARK), b"").unwrap();
        assert_eq!(size(&open().unwrap()), Some(5));
    }

    #[test]
    fn a_damaged_record_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let records = open(dir.path()).unwrap();
        submit(&records, 0, 5).unwrap();
        submit(&records, 5, 9).unwrap();
        drop(records);
        let (file, copy) = (record_file(dir.path()), copy_file(dir.path()));
        let (good, served) = (fs::read(&file).unwrap(), fs::read(&copy).unwrap());
        let flip = |at: usize| {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, bad).unwrap();
            fs::write(&copy, &served).unwrap();
            open(dir.path()).map(|records| size(&records))
        };
        // The second write is in slot 0. What was answered last is lost: the older slot is not to be taken for it.
        for at in [0, 16, 24, 60, 4095] {
            assert!(matches!(flip(at), Err(RecordsError::Damaged(path)) if path == file.parent().unwrap()), "{at}");
        }
        assert_eq!(flip(4_096 + 60).unwrap(), Some(9), "the older one is not needed");
        // Neither slot is whole.
        let mut bad = good.clone();
        (bad[100], bad[4_096 + 100]) = (bad[100] ^ 1, bad[4_096 + 100] ^ 1);
        fs::write(&file, bad).unwrap();
        fs::remove_file(&copy).unwrap();
        assert!(matches!(open(dir.path()), Err(RecordsError::Damaged(_))));
        // Whole, and not ours.
        let stranger = SmallLog::new(30);
        file::write(file.parent().unwrap(), 7, &stranger.head.note(&stranger.identity).to_string()).unwrap();
        assert!(matches!(open(dir.path()), Err(RecordsError::Damaged(_))));
        // A copy alone may be older than what was answered.
        fs::remove_file(&file).unwrap();
        fs::write(&copy, &served).unwrap();
        assert!(matches!(open(dir.path()), Err(RecordsError::Damaged(_))));
        fs::write(&file, good).unwrap();
        // Another origin's record, under this one's name.
        let other = dir.path().join(hex::encode(sha256(b"other")));
        fs::create_dir(&other).unwrap();
        assert!(open(dir.path()).is_ok(), "a folder without a record");
        fs::copy(&file, other.join("record")).unwrap();
        assert!(matches!(open(dir.path()), Err(RecordsError::Damaged(_))));
    }

    /// Requests without end of the one sort leave room for the other, and each checkpoint is kept once.
    #[test]
    fn evidence_is_kept_once_and_within_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let records = open(dir.path()).unwrap();
        let keep =
            |records: &Records, size, sort, bytes: &[u8]| records.keep(&submission(0, size), sort, bytes).unwrap();
        let name = |file: PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
        let file = keep(&records, 1, Evidence::Request, b"a request").expect("new");
        assert_eq!(fs::read(file).unwrap(), b"a request");
        assert_eq!(keep(&records, 1, Evidence::Request, b"another request with that checkpoint"), None);
        *records.kept.lock().unwrap() = [EVIDENCE_MAX, 0, 0];
        assert_eq!(keep(&records, 2, Evidence::Request, b"one too many"), None);
        let convicting = name(keep(&records, 2, Evidence::Conviction, b"two roots").expect("room of its own"));
        assert!(convicting.starts_with(CONVICTS) && convicting.ends_with(".request"), "{convicting}");
        let proof = name(keep(&records, 2, Evidence::Proof, b"{}").expect("room of its own"));
        assert_eq!(proof, convicting.replace(".request", PROOF));
        assert_eq!(keep(&records, 2, Evidence::Proof, b"{}"), None);
        drop(records);
        assert_eq!(*open(dir.path()).unwrap().kept.lock().unwrap(), [1, 1, 1], "counted anew at the start");
    }
}
