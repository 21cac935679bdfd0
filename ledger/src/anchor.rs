//! The contract of the anchor: the newest checkpoint, kept apart from the store.
//!
//! The anchor answers one question at the next start: *is this store the one that answered last?* It lies outside the
//! store's folder and outside every backup, so a store restored from yesterday is behind it and is refused instead of
//! forking history. It promises:
//!
//! - [`Anchor::advance`] is a compare-and-swap: it replaces `expected` by `next`, durably, or says what it found.
//! - [`Advance::Unknown`] is an ordinary outcome (a timed-out request may have been carried out). Nobody retries it; it
//!   is settled by reading back, in the opening path.
//! - One owner at a time.
//!
//! The sequencer advances the anchor *after* the store's commit, never before: an anchor ahead of its store looks like a
//! rollback. Implementations: [`file`], [`memory`]; both pass [`suite`].

pub mod file;
pub mod memory;
#[cfg(any(test, feature = "test-util"))]
pub mod suite;

use crate::merkle::{EMPTY_ROOT, Hash, sha256};

/// What the anchor remembers of the newest checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// Counts the advances; the highest valid one is the newest.
    pub sequence: u64,
    /// H(origin): an anchor of another log is never taken for ours.
    pub origin_hash: Hash,
    /// Entries in the tree.
    pub size: u64,
    /// Root at that size.
    pub root: Hash,
    /// H(checkpoint text).
    pub checkpoint_hash: Hash,
    /// Time of the commit group, ms since 1970.
    pub time_ms: u64,
}

impl Anchored {
    /// The anchor of a log that has no entry yet.
    pub fn empty(origin: &str) -> Self {
        Self {
            sequence: 0,
            origin_hash: sha256(origin.as_bytes()),
            size: 0,
            root: EMPTY_ROOT,
            checkpoint_hash: [0; 32],
            time_ms: 0,
        }
    }
}

/// What became of an advance.
#[derive(Debug)]
pub enum Advance {
    /// `next` is durable.
    Done,
    /// The anchor is not `expected` but this; nothing was changed.
    Conflict(Option<Anchored>),
    /// Nobody knows whether `next` is there.
    Unknown(String),
}

/// The newest checkpoint of one log, outside its store. See the module for what it promises.
pub trait Anchor: Send + Sync {
    /// The newest valid checkpoint, `None` if there is none that can be read.
    fn load(&self) -> Result<Option<Anchored>, AnchorError>;

    /// Replaces `expected` by `next`.
    fn advance(&self, expected: Option<&Anchored>, next: &Anchored) -> Advance;
}

/// Why an anchor cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The file is not there.
    #[error("there is no anchor at {0}")]
    Missing(std::path::PathBuf),
    /// Another process holds it.
    #[error("the ledger is open in another process (its anchor {0} is locked)")]
    Locked(std::path::PathBuf),
    /// The disk.
    #[error("the anchor at {path}: {error}")]
    Io {
        /// Where.
        path: std::path::PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}
