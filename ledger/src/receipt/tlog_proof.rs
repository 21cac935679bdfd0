//! The `.tlog-proof` text (c2sp.org/tlog-proof@v1).
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>            optional; ours holds the entry's bytes
//! index <decimal>
//! <base64 hash>             leaf upwards; none for a tree of one
//! <empty line>
//! <the checkpoint, verbatim>
//! ```
//!
//! `extra` is not authenticated. It is worth what this chain proves: artefact → SHA-256 → the digest in the entry → leaf
//! hash → path → root → signature.

use std::fmt;

use base64::{Engine as _, display::Base64Display, engine::general_purpose::STANDARD as BASE64};

use crate::{
    checkpoint::{BadCheckpoint, Checkpoint},
    entry::{Entry, NotAnEntry},
    merkle::{Hash, leaf_hash},
    note::{NOTE_BYTES_MAX, VerifierKey},
    port::Verifier,
    proof::{Unproven, verify_inclusion},
    tile::decimal,
};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The longest path: one hash for each level of a tree of 2^64 leaves, less one.
pub const PATH_MAX: usize = 63;

/// A proof as read: nothing in it is trusted before [`TlogProof::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Bytes beside the proof, not authenticated by the format; ours are the entry's.
    pub extra: Option<Vec<u8>>,
    /// Position claimed.
    pub index: u64,
    /// Sibling hashes from the leaf upwards.
    pub path: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

/// A proof that cannot be read or does not prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// Not the text of a tlog-proof.
    #[error("not a tlog-proof")]
    Shape,
    /// It carries no entry.
    #[error("the proof carries no entry in its extra line")]
    NoEntry,
    /// What it carries is no entry of ours.
    #[error(transparent)]
    Entry(#[from] NotAnEntry),
    /// The checkpoint in it.
    #[error(transparent)]
    Checkpoint(#[from] BadCheckpoint),
    /// The path in it.
    #[error(transparent)]
    Unproven(#[from] Unproven),
}

/// What a verified proof proves: this entry stands at this index of this tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The entry.
    pub entry: Entry,
    /// Its position.
    pub index: u64,
    /// The tree.
    pub checkpoint: Checkpoint,
}

impl TlogProof {
    /// Reads a proof; checks form only.
    pub fn parse(text: &str) -> Result<Self, BadProof> {
        if text.len() > NOTE_BYTES_MAX {
            return Err(BadProof::Shape);
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(BadProof::Shape)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(BadProof::Shape);
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(extra) => {
                lines.next();
                Some(BASE64.decode(extra).map_err(|_| BadProof::Shape)?)
            }
            None => None,
        };
        let index = lines.next().and_then(|l| l.strip_prefix("index ")).and_then(decimal).ok_or(BadProof::Shape)?;
        let mut path = Vec::new();
        for line in lines {
            let hash = BASE64.decode(line).ok().and_then(|hash| Hash::try_from(hash).ok()).ok_or(BadProof::Shape)?;
            if path.len() == PATH_MAX {
                return Err(BadProof::Shape);
            }
            path.push(hash);
        }
        Ok(Self { extra, index, path, checkpoint: checkpoint.to_owned() })
    }

    /// Checks, in this order: the entry's bytes, the checkpoint's signature by a key of its origin among `keys`, and the
    /// path to its root. The keys come from the verifier, never from the proof.
    pub fn verify(&self, keys: &[VerifierKey], verifier: &dyn Verifier) -> Result<Proven, BadProof> {
        let bytes = self.extra.as_deref().ok_or(BadProof::NoEntry)?;
        let entry = Entry::decode(bytes)?;
        let checkpoint = Checkpoint::verify(&self.checkpoint, keys, verifier)?;
        verify_inclusion(&leaf_hash(bytes), self.index, checkpoint.size, &checkpoint.root, &self.path)?;
        Ok(Proven { entry, index: self.index, checkpoint })
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", Base64Display::new(extra, &BASE64))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", Base64Display::new(hash, &BASE64))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        note::BadNote,
        testing::{SmallLog, TestVerifier},
    };

    #[test]
    fn a_receipt_proves_its_entry() {
        let log = SmallLog::new(7);
        for index in 0..7 {
            let text = log.receipt(index).tlog_proof(&log.identity);
            let proof = TlogProof::parse(&text).unwrap();
            assert_eq!(proof.to_string(), text);
            let proven = proof.verify(&log.keys(), &TestVerifier).unwrap();
            assert_eq!((proven.index, proven.checkpoint.size), (index, 7));
            assert_eq!(proven.entry, log.entries[index as usize]);
        }
    }

    #[test]
    fn a_changed_proof_proves_nothing() {
        let log = SmallLog::new(7);
        let good = TlogProof::parse(&log.receipt(3).tlog_proof(&log.identity)).unwrap();
        let refusal = |change: fn(&mut TlogProof)| {
            let mut proof = good.clone();
            change(&mut proof);
            proof.verify(&log.keys(), &TestVerifier).unwrap_err()
        };
        assert_eq!(refusal(|p| p.index = 2), BadProof::Unproven(Unproven::Root));
        assert_eq!(refusal(|p| p.index = 7), BadProof::Unproven(Unproven::OutsideTree { index: 7, size: 7 }));
        assert_eq!(refusal(|p| p.path[1][0] ^= 1), BadProof::Unproven(Unproven::Root));
        assert_eq!(refusal(|p| p.extra = None), BadProof::NoEntry);
        assert_eq!(refusal(|p| p.extra.as_mut().unwrap()[20] ^= 1), BadProof::Unproven(Unproven::Root));
        let forged = BadProof::Checkpoint(BadCheckpoint::Note(BadNote::BadSignature));
        assert_eq!(refusal(|p| p.checkpoint = p.checkpoint.replacen("\n7\n", "\n8\n", 1)), forged);
        let stranger = SmallLog::with_origin(7, "other");
        assert!(good.verify(&stranger.keys(), &TestVerifier).is_err());
    }

    #[test]
    fn texts_that_are_none() {
        let log = SmallLog::new(2);
        let good = log.receipt(1).tlog_proof(&log.identity);
        assert!(TlogProof::parse(&good).is_ok());
        for text in [
            String::new(),
            good.replacen("@v1", "@v2", 1),
            good.replacen("index 1", "index 01", 1),
            good.replacen("extra ", "extra !", 1),
            good.replacen("\n\n", "\n", 1),
            good.replacen("\n\n", &format!("{}\n\n", "\nAAAA"), 1),
        ] {
            assert_eq!(TlogProof::parse(&text).and_then(|p| p.verify(&log.keys(), &TestVerifier)).ok(), None, "{text}");
        }
    }

    #[test]
    fn a_path_longer_than_any_tree_has_is_not_read() {
        let log = SmallLog::new(1);
        let good = log.receipt(0).tlog_proof(&log.identity);
        let with_path = |length| {
            let path = format!("\n{}", BASE64.encode([0; 32])).repeat(length);
            TlogProof::parse(&good.replacen("\n\n", &format!("{path}\n\n"), 1))
        };
        assert_eq!(with_path(PATH_MAX).map(|proof| proof.path.len()), Ok(PATH_MAX));
        assert_eq!(with_path(PATH_MAX + 1), Err(BadProof::Shape));
    }

    proptest! {
        #[test]
        fn any_change_of_one_byte_is_noticed(at: usize, bit in 0u8..7) {
            let log = SmallLog::new(5);
            let good = log.receipt(2).tlog_proof(&log.identity);
            let mut bytes = good.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let verified = String::from_utf8(bytes).ok()
                .and_then(|text| TlogProof::parse(&text).ok())
                .and_then(|proof| proof.verify(&log.keys(), &TestVerifier).ok());
            prop_assert_eq!(verified, None);
        }
    }
}
