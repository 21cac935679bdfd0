//! Proofs of existence (EN 319 102-1 §5.6.2.3): since when each object is known to exist, and by which token.

use std::collections::HashMap;

use super::report::BestTime;
use crate::digest::Digest;
use crate::time::Timestamp;

/// Objects by the SHA-256 of their octets.
#[derive(Debug)]
pub(super) struct Proofs {
    now: Timestamp,
    known: HashMap<Digest, BestTime>,
}

impl Proofs {
    /// At the validation time everything at hand exists.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, known: HashMap::new() }
    }

    /// Notes that `object` existed at `at`, as the token `by` proves.
    pub(super) fn add(&mut self, object: Digest, at: Timestamp, by: Digest) {
        if at >= self.now {
            return;
        }
        let proof = BestTime { at, by: Some(by) };
        let known = self.known.entry(object).or_insert_with(|| proof.clone());
        if at < known.at {
            *known = proof;
        }
    }

    /// The earliest proof of `object`.
    pub(super) fn of(&self, object: Digest) -> BestTime {
        self.known.get(&object).cloned().unwrap_or(BestTime { at: self.now, by: None })
    }
}
