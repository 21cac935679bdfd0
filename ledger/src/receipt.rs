//! Receipts: proof that an entry stands in the log, in two formats that strangers' tools read.
//!
//! A receipt is rebuilt byte-identically on demand from the tiles, the entry and the two signatures that its commit group
//! stored: one over the checkpoint (Ed25519, as a signed note), one over the root (ES256, as a COSE Receipt).

pub mod cose;
pub mod tlog_proof;

use std::fmt::Write as _;

use crate::{
    checkpoint::Checkpoint,
    merkle::Hash,
    note::{Note, SignatureLine, VerifierKey},
    port::Signature,
};

/// What identifies a log towards a verifier; equal for all its receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    /// The log's key; its name is the origin.
    pub note_key: VerifierKey,
    /// Who runs it, as the `iss` claim of COSE receipts: the service's public URL.
    pub issuer: String,
    /// The ES256 key of COSE receipts: the uncompressed P-256 point.
    pub receipt_key: Vec<u8>,
}

impl LogIdentity {
    /// The log's origin.
    pub fn origin(&self) -> &str {
        self.note_key.name()
    }
}

/// The state of the log that one commit group left, with what signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupHead {
    /// Entries before the group.
    pub first: u64,
    /// Entries after the group; the size its checkpoint states.
    pub size: u64,
    /// Root at that size.
    pub root: Hash,
    /// The time in every entry of the group, ms since 1970.
    pub time_ms: u64,
    /// Ed25519 signature over the checkpoint's text.
    pub note_signature: Signature,
    /// ES256 signature over the COSE receipt's root.
    pub receipt_signature: Signature,
}

impl GroupHead {
    /// The checkpoint that this group published.
    pub fn checkpoint(&self, origin: &str) -> Checkpoint {
        Checkpoint { origin: origin.to_owned(), size: self.size, root: self.root }
    }

    /// That checkpoint as a signed note.
    pub fn note(&self, identity: &LogIdentity) -> Note {
        let key = &identity.note_key;
        let line = SignatureLine { name: key.name().to_owned(), id: key.id(), signature: self.note_signature.to_vec() };
        Note { text: self.checkpoint(identity.origin()).text(), signatures: vec![line] }
    }
}

/// Proof that `entry` is entry `index` of the log whose head is `head`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Position in the log.
    pub index: u64,
    /// The entry's bytes.
    pub entry: Vec<u8>,
    /// Sibling hashes from the leaf upwards, at the size of `head`.
    pub path: Vec<Hash>,
    /// The state of the log that the entry's own group left.
    pub head: GroupHead,
}

impl Receipt {
    /// As a C2SP tlog-proof, with the entry in its `extra` line.
    pub fn tlog_proof(&self, identity: &LogIdentity) -> String {
        self.tlog_proof_under(self.head.note(identity).to_string())
    }

    /// As [`Receipt::tlog_proof`], with the checkpoint as given: that of the same head, with further signatures.
    pub fn tlog_proof_under(&self, checkpoint: String) -> String {
        let proof = tlog_proof::TlogProof {
            extra: Some(self.entry.clone()),
            index: self.index,
            path: self.path.clone(),
            checkpoint,
        };
        // Written in one piece of memory: a line of the path is 44 digits and LF; header and index have 64 octets at most.
        let length = 64 + self.entry.len().div_ceil(3) * 4 + 45 * self.path.len() + proof.checkpoint.len();
        let mut text = String::with_capacity(length);
        write!(text, "{proof}").expect("a string takes everything");
        text
    }

    /// As a COSE Receipt (RFC 9942).
    ///
    /// # Panics
    /// If the tree has one leaf only: such a receipt has no encoding, and `semper init` writes two entries at once.
    pub fn cose(&self, identity: &LogIdentity) -> Vec<u8> {
        cose::inclusion(identity, &self.head, self.index, &self.path)
    }
}
