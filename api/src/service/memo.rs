//! What the arbiter asks of the register with each request, kept in memory: whose key this is, and that a certificate was not revoked.
//!
//! A history only grows, so what was found in it holds until it has a next step. One look for that stands for a dozen, and nothing has to
//! be told when something changes. What does not lie in the ledger's histories, as the state of our own CAs, is not kept here.

use std::sync::Arc;

use quick_cache::sync::Cache;
use semper_ledger::store::Fault;
use semper_ttp::{
    ca::CaId,
    crypto::jose::{Key, Thumbprint},
    digest::Digest,
    evidence::Aggregate,
    id::PartyId,
    x509::Certificate,
};

use super::Service;

/// Keys that are kept; each takes some four kilobytes with its certificate.
const KEYS_MAX: usize = 4096;
/// Certificates of which is kept that they were not revoked.
const CERTIFICATES_MAX: usize = 16_384;

/// A history as somebody has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    aggregate: Aggregate,
    steps: u64,
}

/// A key of a party's, as the register has it.
pub(super) struct BoundKey {
    pub(super) key: Arc<Key>,
    pub(super) certificate: Certificate,
    pub(super) party: PartyId,
    /// The party's history, which told it.
    pub(super) seen: Seen,
}

/// A certificate of this service's that was not revoked.
#[derive(Clone, Copy, Debug)]
struct Unrevoked {
    ca: CaId,
    seen: Seen,
}

/// All that is kept, bounded.
pub(super) struct Memo {
    keys: Cache<Thumbprint, Arc<BoundKey>>,
    unrevoked: Cache<Digest, Unrevoked>,
}

impl Default for Memo {
    fn default() -> Self {
        Self { keys: Cache::new(KEYS_MAX), unrevoked: Cache::new(CERTIFICATES_MAX) }
    }
}

impl Service {
    /// The history as it is now: to be asked before it is read, so that what is added meanwhile is not held for seen.
    pub(super) fn seen(&self, aggregate: Aggregate) -> Result<Seen, Fault> {
        let steps = self.reader().last_step(&aggregate.0)?.map_or(0, |(step, _)| step + 1);
        Ok(Seen { aggregate, steps })
    }

    fn is_as_seen(&self, seen: &Seen) -> Result<bool, Fault> {
        Ok(self.reader().step_index(&seen.aggregate.0, seen.steps)?.is_none())
    }

    /// A key that was looked up before, if nothing has happened to its party since.
    pub(super) fn remembered_key(&self, name: &Thumbprint) -> Result<Option<Arc<BoundKey>>, Fault> {
        let Some(bound) = self.memo.keys.get(name) else { return Ok(None) };
        Ok(self.is_as_seen(&bound.seen)?.then_some(bound))
    }

    pub(super) fn remember_key(&self, name: Thumbprint, bound: &Arc<BoundKey>) {
        self.memo.keys.insert(name, bound.clone());
    }

    /// Whether this certificate is known to be one of this service's that was not revoked, nor its CA.
    pub(super) fn is_unrevoked(&self, certificate: &Digest) -> Result<bool, Fault> {
        let Some(known) = self.memo.unrevoked.get(certificate) else { return Ok(false) };
        Ok(!self.is_revoked_ca(known.ca) && self.is_as_seen(&known.seen)?)
    }

    pub(super) fn remember_unrevoked(&self, certificate: Digest, ca: CaId, seen: Seen) {
        self.memo.unrevoked.insert(certificate, Unrevoked { ca, seen });
    }
}
