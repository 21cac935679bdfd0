//! The witness protocol (c2sp.org/tlog-witness): a witness remembers the largest checkpoint of each log that it cosigned,
//! and cosigns another one only with a proof that it continues that one. Whoever knows enough witnesses can be shown no
//! second history.
//!
//! ```text
//! POST <submission prefix>/add-checkpoint
//!
//! old <size that the client believes was cosigned last>
//! <base64 hash of the consistency proof>         0 to 63 lines
//! <empty line>
//! <checkpoint, a signed note>
//! ```
//!
//! The answer is one line for each of the witness's keys, or a [`Refusal`]. In scope: both messages, and the judgement.
//! Here nothing is remembered: `record` does, durably and for one origin at a time, and `api` serves it.

pub mod log_list;
#[cfg(feature = "store")]
pub mod record;

use std::{collections::HashMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::{
    checkpoint::Checkpoint,
    merkle::{EMPTY_ROOT, Hash},
    note::{BadNote, Note, VerifierKey},
    port::Verifier,
    proof::{self, Unproven},
    tile::decimal,
};

/// Lines that a consistency proof may have: a tree of 2^63 leaves needs no more.
pub const PROOF_LINES_MAX: usize = 63;

/// The longest request that is read, bytes: a proof, and a note with the most signature lines of the longest kind, which
/// is ML-DSA-44 with 3.3 KiB.
pub const REQUEST_BYTES_MAX: usize = 256 << 10;

/// The media type of the size in a conflict.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// A request for a cosignature, as sent: nothing in it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the client believes was cosigned last.
    pub old: u64,
    /// Proof that the tree of that size is a prefix of the checkpoint's.
    pub proof: Vec<Hash>,
    /// The checkpoint, a signed note.
    pub note: String,
}

/// Why a checkpoint is not cosigned. The variants stand in the order in which they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: not a request.
    #[error("not a request: {0}")]
    Malformed(&'static str),
    /// 404: a log that this witness does not know.
    #[error("the checkpoint's origin is not known here")]
    Origin,
    /// 403: the log did not sign it, or a signature that bears its name is wrong.
    #[error("no trusted key of this origin signed the checkpoint, or a signature of one is wrong")]
    Signature,
    /// 400: the checkpoint is smaller than the size it is said to continue.
    #[error("the old size exceeds the checkpoint's")]
    OldSize,
    /// 409: another size was cosigned last, which the answer tells.
    #[error("the newest checkpoint cosigned for this origin has size {size}")]
    Conflict {
        /// That size; 0 if none was cosigned.
        size: u64,
    },
    /// 422: an empty tree has one root.
    #[error("a tree of size 0 has the hash of nothing as its root")]
    EmptyRoot,
    /// 422: the checkpoint does not continue the one cosigned last, or nothing shows that it does.
    #[error("not proven to continue the newest checkpoint cosigned: {0}")]
    Unproven(#[from] Unproven),
}

impl AddCheckpoint {
    /// Reads a request.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let malformed = |what| Err(Refusal::Malformed(what));
        if body.len() > REQUEST_BYTES_MAX {
            return malformed("it is too long");
        }
        let Ok(text) = std::str::from_utf8(body) else { return malformed("it is not UTF-8") };
        // The checkpoint has an empty line of its own, so the first one ends the proof.
        let Some((head, note)) = text.split_once("\n\n") else { return malformed("there is no empty line") };
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal);
        let Some(old) = old else { return malformed("the first line is not: old <size>") };
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == PROOF_LINES_MAX {
                return malformed("the proof has more than 63 lines");
            }
            match BASE64.decode(line).ok().and_then(|hash| Hash::try_from(hash).ok()) {
                Some(hash) => proof.push(hash),
                None => return malformed("a line of the proof is not a hash in base64"),
            }
        }
        Ok(Self { old, proof, note: note.to_owned() })
    }

    /// Finds the log and verifies its signature.
    ///
    /// # Errors
    /// [`Refusal`] up to and with [`Refusal::OldSize`].
    pub fn admit(self, logs: &WitnessedLogs, verifier: &dyn Verifier) -> Result<Submission, Refusal> {
        let mut note = Note::parse(&self.note).map_err(|fault| match fault {
            BadNote::TooLarge => Refusal::Malformed("the checkpoint is too long"),
            BadNote::Shape | BadNote::BadSignature | BadNote::Unsigned => {
                Refusal::Malformed("the checkpoint is not a signed note")
            }
        })?;
        let shape = Refusal::Malformed("the note's text is not origin, size and root");
        let checkpoint = Checkpoint::parse(&note.text).map_err(|_| shape)?;
        let log = logs.of(&checkpoint.origin).ok_or(Refusal::Origin)?;
        note.verify(&log.keys, verifier).map_err(|_| Refusal::Signature)?;
        if self.old > checkpoint.size {
            return Err(Refusal::OldSize);
        }
        // What strangers wrote below the checkpoint is not served under our name.
        note.signatures.retain(|line| log.keys.iter().any(|key| key.made(line)));
        Ok(Submission { old: self.old, proof: self.proof, checkpoint, note })
    }
}

impl fmt::Display for AddCheckpoint {
    /// The request's body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(hash)))?;
        write!(f, "\n{}", self.note)
    }
}

/// A log whose checkpoints are cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessedLog {
    /// The first line of its checkpoints; usually the name of its keys.
    pub origin: String,
    /// Any one of them must have signed.
    pub keys: Vec<VerifierKey>,
}

/// The logs that a witness knows, found by their origins: a public witness may know thousands.
#[derive(Clone, Debug, Default)]
pub struct WitnessedLogs(HashMap<String, WitnessedLog>);

impl WitnessedLogs {
    /// The log of this origin.
    pub fn of(&self, origin: &str) -> Option<&WitnessedLog> {
        self.0.get(origin)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &WitnessedLog> {
        self.0.values()
    }
}

impl FromIterator<WitnessedLog> for WitnessedLogs {
    fn from_iter<I: IntoIterator<Item = WitnessedLog>>(logs: I) -> Self {
        Self(logs.into_iter().map(|log| (log.origin.clone(), log)).collect())
    }
}

/// In what two checkpoints that one log signed contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// One size, two roots.
    TwoRoots,
    /// The larger tree begins with another tree of the smaller one's size.
    Fork {
        /// Its root.
        begins: Hash,
        /// The consistency proof that shows it.
        path: Vec<Hash>,
    },
}

/// A request whose checkpoint a known log signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    old: u64,
    proof: Vec<Hash>,
    checkpoint: Checkpoint,
    /// With the log's own signatures only.
    note: Note,
}

impl Submission {
    /// The tree head.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The checkpoint with the signatures of its log.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Whether it may be cosigned after `last`, the newest checkpoint cosigned for its origin.
    ///
    /// # Errors
    /// [`Refusal`] from [`Refusal::Conflict`] on.
    pub fn judge(&self, last: Option<&Checkpoint>) -> Result<(), Refusal> {
        let (size, root) = last.map_or((0, EMPTY_ROOT), |last| (last.size, last.root));
        if self.old != size {
            return Err(Refusal::Conflict { size });
        }
        if self.checkpoint.size == 0 && self.checkpoint.root != EMPTY_ROOT {
            return Err(Refusal::EmptyRoot);
        }
        let new = (self.checkpoint.size, &self.checkpoint.root);
        Ok(proof::verify_consistency((size, &root), new, &self.proof)?)
    }

    /// What convicts the log, if this checkpoint and `last` do, both of which it signed. A fork shows itself only when the
    /// request's proof begins at the size of `last`, leads to the root that was signed, and names the root from which it
    /// comes, which it does not for a power of two ([`proof::old_root`]).
    pub fn contradiction(&self, last: &Checkpoint) -> Option<Contradiction> {
        let Checkpoint { size, root, .. } = &self.checkpoint;
        if *size == last.size {
            return (*root != last.root).then_some(Contradiction::TwoRoots);
        }
        let begins = proof::old_root(last.size, (*size, root), &self.proof).filter(|_| self.old == last.size)?;
        (begins != last.root).then(|| Contradiction::Fork { begins, path: self.proof.clone() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Ed25519, SmallLog, TestVerifier};

    fn logs(log: &SmallLog) -> WitnessedLogs {
        let log = WitnessedLog { origin: log.identity.origin().to_owned(), keys: log.keys().to_vec() };
        WitnessedLogs::from_iter([log])
    }

    fn request(old: u64, log: &SmallLog) -> AddCheckpoint {
        let proof = if old <= log.head.size { log.consistency(old) } else { Vec::new() };
        AddCheckpoint { old, proof, note: log.head.note(&log.identity).to_string() }
    }

    fn at(log: &SmallLog, size: u64) -> Checkpoint {
        Checkpoint { origin: "log".to_owned(), size, root: log.root(size) }
    }

    /// The whole way of a request, with the answer that the last checkpoint leads to.
    fn answer(request: &AddCheckpoint, known: &SmallLog, last: Option<&Checkpoint>) -> Result<(), Refusal> {
        AddCheckpoint::parse(request.to_string().as_bytes())?.admit(&logs(known), &TestVerifier)?.judge(last)
    }

    #[test]
    fn what_continues_is_cosigned() {
        let log = SmallLog::new(200);
        for old in [1, 2, 63, 64, 65, 128, 199, 200] {
            assert_eq!(answer(&request(old, &log), &log, Some(&at(&log, old))), Ok(()), "{old}");
        }
        assert_eq!(answer(&request(0, &log), &log, None), Ok(()));
    }

    #[test]
    fn the_table_of_refusals_in_its_order() {
        let (log, other) = (SmallLog::new(20), SmallLog::with_origin(20, "other"));
        let last = at(&log, 12);
        let good = request(12, &log);
        let with = |change: &dyn Fn(&mut AddCheckpoint)| {
            let mut request = good.clone();
            change(&mut request);
            answer(&request, &log, Some(&last))
        };
        assert_eq!(with(&|_| ()), Ok(()));
        assert_eq!(with(&|r| r.note = "x".into()), Err(Refusal::Malformed("the checkpoint is not a signed note")));
        let shape = Err(Refusal::Malformed("the note's text is not origin, size and root"));
        assert_eq!(with(&|r| r.note = r.note.replacen("\n20\n", "\n020\n", 1)), shape);
        assert_eq!(answer(&request(12, &other), &log, Some(&last)), Err(Refusal::Origin));
        // Another key under the origin's name, and the right key with a wrong signature.
        let stranger = Ed25519::note_signer("log", 9);
        let foreign = |note: &str| {
            let mut note = Note::parse(note).unwrap();
            note.signatures = vec![stranger.line(&stranger.sign(&note.text).unwrap())];
            note.to_string()
        };
        assert_eq!(with(&|r| r.note = foreign(&r.note)), Err(Refusal::Signature));
        let broken = |note: &str| {
            let mut note = Note::parse(note).unwrap();
            note.signatures[0].signature[5] ^= 1;
            note.to_string()
        };
        assert_eq!(with(&|r| r.note = broken(&r.note)), Err(Refusal::Signature));
        assert_eq!(with(&|r| r.old = 21), Err(Refusal::OldSize));
        assert_eq!(with(&|r| r.old = 11), Err(Refusal::Conflict { size: 12 }));
        assert_eq!(with(&|r| r.old = 0), Err(Refusal::Conflict { size: 12 }));
        assert_eq!(answer(&good, &log, None), Err(Refusal::Conflict { size: 0 }));
        assert_eq!(with(&|r| r.proof[1][0] ^= 1), Err(Unproven::Root.into()));
        assert!(matches!(with(&|r| r.proof.push([0; 32])), Err(Refusal::Unproven(_))));
        assert!(matches!(with(&|r| r.proof.clear()), Err(Refusal::Unproven(_))));
        // A proof where there is nothing to prove.
        let mut first = request(0, &log);
        first.proof.push([0; 32]);
        assert!(matches!(answer(&first, &log, None), Err(Refusal::Unproven(_))));
    }

    #[test]
    fn one_size_with_two_roots_convicts() {
        let (log, last) = (SmallLog::new(20), Checkpoint { origin: "log".into(), size: 20, root: [7; 32] });
        let submission = request(20, &log).admit(&logs(&log), &TestVerifier).unwrap();
        assert_eq!(submission.judge(Some(&last)), Err(Unproven::Root.into()));
        assert_eq!(submission.contradiction(&last), Some(Contradiction::TwoRoots));
        assert_eq!(submission.contradiction(&at(&log, 20)), None);
        assert_eq!(submission.contradiction(&Checkpoint { size: 19, ..last.clone() }), None);
        // Whatever size the request began with.
        let unknowing = request(7, &log).admit(&logs(&log), &TestVerifier).unwrap();
        assert_eq!(unknowing.contradiction(&last), Some(Contradiction::TwoRoots));
    }

    /// A proof that leads to the signed root from another beginning than the one that was cosigned.
    #[test]
    fn a_tree_that_begins_otherwise_convicts() {
        let log = SmallLog::new(20);
        for size in 1..20u64 {
            let last = Checkpoint { origin: "log".into(), size, root: [7; 32] };
            let admit = |request: AddCheckpoint| request.admit(&logs(&log), &TestVerifier).unwrap();
            let submission = admit(request(size, &log));
            let fork = Contradiction::Fork { begins: log.root(size), path: log.consistency(size) };
            // Of a power of two the proof does not tell the beginning.
            assert_eq!(submission.contradiction(&last), (!size.is_power_of_two()).then_some(fork), "{size}");
            assert_eq!(submission.contradiction(&at(&log, size)), None, "{size}");
            // A proof that leads nowhere, or from elsewhere, says nothing about the log.
            let mut wrong = request(size, &log);
            wrong.proof[0][0] ^= 1;
            assert_eq!(admit(wrong).contradiction(&last), None, "{size}");
            let elsewhere = Checkpoint { size: size + 1, ..last.clone() };
            assert_eq!(submission.contradiction(&elsewhere).filter(|_| size != 19), None, "{size}");
        }
    }

    /// An empty log may be cosigned, but only as what it is.
    #[test]
    fn an_empty_tree_has_one_root() {
        let signer = Ed25519::note_signer("log", 1);
        let submit = |root| {
            let text = Checkpoint { origin: "log".into(), size: 0, root }.text();
            let note = Note { signatures: vec![signer.line(&signer.sign(&text).unwrap())], text };
            let known = WitnessedLog { origin: "log".into(), keys: vec![signer.verifier_key().clone()] };
            let known = WitnessedLogs::from_iter([known]);
            AddCheckpoint { old: 0, proof: vec![], note: note.to_string() }.admit(&known, &TestVerifier)?.judge(None)
        };
        assert_eq!(submit(EMPTY_ROOT), Ok(()));
        assert_eq!(submit([1; 32]), Err(Refusal::EmptyRoot));
    }

    #[test]
    fn lines_of_strangers_are_not_kept() {
        let log = SmallLog::new(3);
        let mut note = log.head.note(&log.identity);
        let stranger = Ed25519::note_signer("stranger", 9);
        note.signatures.push(stranger.line(&stranger.sign(&note.text).unwrap()));
        let request = AddCheckpoint { old: 0, proof: vec![], note: note.to_string() };
        let submission = request.admit(&logs(&log), &TestVerifier).unwrap();
        assert_eq!(*submission.note(), log.head.note(&log.identity));
    }

    #[test]
    fn bodies_that_are_none() {
        let note = "log\n1\nx\n\n— log AAAA\n";
        let hash = BASE64.encode([0; 32]);
        let many = format!("old 1\n{}\n{note}", format!("{hash}\n").repeat(64));
        for (body, why) in [
            (String::new(), "there is no empty line"),
            (note.to_owned(), "the first line is not: old <size>"),
            (format!("old 01\n\n{note}"), "the first line is not: old <size>"),
            (format!("old -1\n\n{note}"), "the first line is not: old <size>"),
            (format!("old 18446744073709551616\n\n{note}"), "the first line is not: old <size>"),
            (format!("Old 1\n\n{note}"), "the first line is not: old <size>"),
            (format!("old 1\nAAAA\n\n{note}"), "a line of the proof is not a hash in base64"),
            (format!("old 1\n{hash}\r\n\n{note}"), "a line of the proof is not a hash in base64"),
            (many, "the proof has more than 63 lines"),
            ("x".repeat(REQUEST_BYTES_MAX + 1), "it is too long"),
        ] {
            assert_eq!(AddCheckpoint::parse(body.as_bytes()), Err(Refusal::Malformed(why)), "{body:.60}");
        }
        assert_eq!(AddCheckpoint::parse(b"\xff"), Err(Refusal::Malformed("it is not UTF-8")));
        let most = format!("old 1\n{}\n{note}", format!("{hash}\n").repeat(63));
        assert_eq!(AddCheckpoint::parse(most.as_bytes()).unwrap().proof.len(), 63);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(old in any::<u64>(), proof in proptest::collection::vec(any::<Hash>(), 0..63)) {
            let request = AddCheckpoint { old, proof, note: "log\n1\nx\n\n— log AAAA\n".to_owned() };
            prop_assert_eq!(AddCheckpoint::parse(request.to_string().as_bytes()), Ok(request));
        }

        #[test]
        fn any_octets_are_answered(body in "(old [0-9]{0,3}\n)?([A-Za-z0-9+/=]{0,44}\n){0,3}(\n)?\\PC{0,40}") {
            if let Ok(request) = AddCheckpoint::parse(body.as_bytes()) {
                let _ = request.admit(&logs(&SmallLog::new(3)), &TestVerifier);
            }
        }
    }
}
