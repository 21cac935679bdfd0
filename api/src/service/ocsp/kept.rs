//! What is kept of a certificate, so that neither the ledger is read nor a signature made twice: its status, and the responses that hold
//! for everybody who asks without a nonce.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};
use semper_ttp::{
    ca::ocsp::{CertId, Status},
    time::Timestamp,
};

/// Bytes that are kept: of some 30,000 certificates.
const CACHE_BYTES: u64 = 32 << 20;

/// Two responses of a kilobyte and what is around them; more are rare.
const KNOWN_BYTES: u64 = 2_600;

/// Locks, so that something is kept only if nothing was revoked while it was found out.
const STRIPES: usize = 64;

/// Spellings kept of one certificate's CertID: two hashes, with and without parameters.
const SPELLINGS_MAX: usize = 4;

/// One certificate: which of our CAs, and its serial number.
pub(super) type CertificateKey = (u16, Vec<u8>);

/// A response that holds for everybody who asks without a nonce.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) der: Bytes,
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Timestamp,
    pub(crate) etag: String,
}

/// What is known of one certificate.
#[derive(Default)]
pub(super) struct Known {
    status: OnceLock<Status>,
    /// One response for each spelling of its CertID.
    answers: Mutex<HashMap<Vec<u8>, Arc<Answer>>>,
}

impl Known {
    /// Its status, which changes only by being forgotten.
    pub(super) fn set(&self, status: Status) {
        let _ = self.status.set(status); // somebody was faster, and found the same
    }

    pub(super) fn put(&self, id: &CertId, answer: Arc<Answer>) {
        let mut held = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= SPELLINGS_MAX && !held.contains_key(id.der()) {
            held.clear();
        }
        held.insert(id.der().to_vec(), answer);
    }

    fn get(&self, id: &CertId) -> Option<Arc<Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(id.der()).cloned()
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<CertificateKey, Arc<Known>> for Weight {
    fn weight(&self, _: &CertificateKey, _: &Arc<Known>) -> u64 {
        KNOWN_BYTES
    }
}

/// All of it, bounded.
pub(super) struct Kept {
    cache: Cache<CertificateKey, Arc<Known>, Weight>,
    /// How often something was forgotten, by stripe.
    stripes: Vec<Mutex<u64>>,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            cache: Cache::with_weighter((CACHE_BYTES / KNOWN_BYTES) as usize, CACHE_BYTES, Weight),
            stripes: (0..STRIPES).map(|_| Mutex::new(0)).collect(),
        }
    }
}

impl Kept {
    fn stripe(&self, key: &CertificateKey) -> MutexGuard<'_, u64> {
        let at = key.1.last().map_or(0, |octet| usize::from(*octet) % STRIPES);
        // A poisoned lock still guards a number.
        self.stripes[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The response for this spelling.
    pub(super) fn answer(&self, key: &CertificateKey, id: &CertId) -> Option<Arc<Answer>> {
        self.cache.get(key)?.get(id)
    }

    pub(super) fn status(&self, key: &CertificateKey) -> Option<Status> {
        self.cache.get(key)?.status.get().copied()
    }

    /// Asked for before something is found out that is to be kept.
    pub(super) fn before(&self, key: &CertificateKey) -> u64 {
        *self.stripe(key)
    }

    /// Keeps something, if nothing was forgotten since `before`: it would be what was true then.
    pub(super) fn keep(&self, key: &CertificateKey, before: u64, put: impl FnOnce(&Known)) {
        let forgotten = self.stripe(key);
        if *forgotten == before {
            let known = self.cache.get(key).unwrap_or_default();
            put(&known);
            self.cache.insert(key.clone(), known);
        }
    }

    /// Forgets what was known of a certificate.
    pub(super) fn forget(&self, key: &CertificateKey) {
        let mut forgotten = self.stripe(key);
        *forgotten += 1;
        self.cache.remove(key);
    }

    /// Forgets everything: responders have other certificates.
    pub(super) fn forget_all(&self) {
        for stripe in &self.stripes {
            *stripe.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        self.cache.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(last: u8) -> CertificateKey {
        (0, vec![0x41, last])
    }

    #[test]
    fn what_was_found_out_before_a_revocation_is_not_kept_after_it() {
        let kept = Kept::default();
        let before = kept.before(&key(1));
        kept.keep(&key(1), before, |known| known.set(Status::Good));
        assert_eq!((kept.status(&key(1)), kept.status(&key(2))), (Some(Status::Good), None));
        kept.forget(&key(1));
        assert_eq!(kept.status(&key(1)), None);
        kept.keep(&key(1), before, |known| known.set(Status::Good));
        assert_eq!(kept.status(&key(1)), None, "it is of before");
        let before = kept.before(&key(1));
        kept.forget_all();
        kept.keep(&key(1), before, |known| known.set(Status::Good));
        assert_eq!(kept.status(&key(1)), None);
    }
}
