//! Keys of certificates that were revoked as compromised: nothing is certified for them again.
//!
//! The ledger says which they are. To look there for every certificate costs as much as its signature, and nearly always for nothing; so
//! a Bloom filter of a fixed size says first whether it is worth it.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicU64, Ordering},
};

use semper_ledger::{reader::Reader, store::Fault};
use semper_ttp::{digest::Digest, evidence::names};

use super::{Service, ServiceFault};

/// Bits of the filter, a power of two: 1 MiB. With a million keys one question in 50 goes to the ledger for nothing.
const BITS: usize = 1 << 23;

/// Whether a key may be one of them.
pub(super) struct CompromisedKeys(Box<[AtomicU64]>);

impl CompromisedKeys {
    /// Those that the ledger names.
    pub(super) fn load(reader: &Reader) -> Result<Self, Fault> {
        let keys = Self::none();
        reader.names::<Fault>(&names::COMPROMISED_KEYS, |name, _| {
            keys.insert_name(name);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(keys)
    }

    fn none() -> Self {
        Self((0..BITS / 64).map(|_| AtomicU64::new(0)).collect())
    }

    /// To be told before a revocation is in the ledger: an answer must not be older than it.
    pub(super) fn insert_name(&self, name: &[u8]) {
        let Some(key) = names::read_compromised(name) else { return };
        for (word, bit) in places(&key) {
            self.0[word].fetch_or(bit, Ordering::Release);
        }
    }

    fn may_have(&self, key: &Digest) -> bool {
        places(key).all(|(word, bit)| self.0[word].load(Ordering::Acquire) & bit != 0)
    }
}

/// The bits of a key. It is a hash, whose parts are as good as other hashes of it.
fn places(key: &Digest) -> impl Iterator<Item = (usize, u64)> {
    key.as_bytes().as_chunks::<4>().0.iter().take(4).map(|part| {
        let place = u32::from_be_bytes(*part) as usize % BITS;
        (place / 64, 1 << (place % 64))
    })
}

impl Service {
    /// Whether a certificate for this key was revoked because the key was compromised.
    pub(super) fn is_compromised(&self, public_key: &Digest) -> Result<bool, ServiceFault> {
        let is = || Ok(self.reader().last_name(&names::compromised(public_key))?.is_some());
        if self.compromised.may_have(public_key) { is() } else { Ok(false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_never_denied_and_little_else_is_suspected() {
        let keys = CompromisedKeys::none();
        let key = |number: u32| Digest::of(&number.to_be_bytes());
        assert!((0..10_000).all(|number| !keys.may_have(&key(number))));
        for number in 0..10_000 {
            keys.insert_name(&[&names::compromised(&key(number))[..], &[7; 32]].concat());
        }
        assert!((0..10_000).all(|number| keys.may_have(&key(number))));
        let suspected = (10_000..20_000).filter(|number| keys.may_have(&key(*number))).count();
        assert!(suspected < 10, "{suspected}");
    }
}
