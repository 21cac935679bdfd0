//! Signature checks of one validation: none is made twice, and there are not more than the caller permits.

use std::collections::HashMap;

use super::signed::Signed;
use crate::crypto::{SignatureScheme, StrangerKey};
use crate::digest::Digest;

/// What was verified so far, and how much still may be. One lives as long as the validation of one document.
#[derive(Debug)]
pub struct Checks {
    verified: HashMap<(Digest, Digest), bool>,
    max: usize,
}

/// What a check gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// The key signed it.
    Good,
    /// It did not.
    Bad,
    /// It would have been one more than the bound.
    TooMany,
}

impl Checks {
    /// At most `max` signatures are verified; each costs up to a millisecond (RSA-8192).
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { verified: HashMap::new(), max }
    }

    /// How many were made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.verified.len()
    }

    /// The bound.
    #[must_use]
    pub const fn max(&self) -> usize {
        self.max
    }

    /// Whether `key` signed it, in the way that it names.
    pub(super) fn check(&mut self, key: &StrangerKey, scheme: SignatureScheme, signed: &Signed) -> Checked {
        let name = (key.digest(), signed.digest());
        let good = match self.verified.get(&name) {
            Some(good) => *good,
            None if self.verified.len() >= self.max => return Checked::TooMany,
            None => {
                let good = key.verify(scheme, signed.tbs(), signed.signature());
                self.verified.insert(name, good);
                good
            }
        };
        if good { Checked::Good } else { Checked::Bad }
    }
}

impl Default for Checks {
    /// 512: a document of ten signatures with everything in it needs about 100.
    fn default() -> Self {
        Self::new(512)
    }
}
