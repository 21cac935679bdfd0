//! Revocations whose facts were lost. A ledger that was completed from its public half ([`semper_ledger::complete`]) has their
//! entries, and of them kind, time and a tag that only the certificate's digest leads to. That is enough: the certificate was revoked
//! before everybody's eyes and stays so, for a reason that nobody knows any more. Of a certificate that was issued in the lost
//! stretch, too, nothing is known, and nobody calls it good.
//!
//! Which certificates these are is found once, at the start: a look into memory is all that it costs afterwards, and a ledger
//! that never lost anything pays nothing.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use semper_ledger::entry::{Entry, Tag, TagSpace};
use semper_ledger::merkle::TILE_WIDTH;
use semper_ledger::reader::Reader;
use semper_ledger::store::Fault;
use semper_ledger::tile::bundle_entries;
use semper_ttp::ca::CaFact;
use semper_ttp::ca::credential::{CertificateState, Credential, Revocation};
use semper_ttp::ca::crl::Reason;
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Aggregate, CaKind, Fact, Kind, Recorded, names};
use semper_ttp::role::Role;
use semper_ttp::time::Timestamp;

use super::ServiceFault;

/// What is known of them.
#[derive(Default)]
pub(super) struct LostRevocations {
    /// By what the histories of the certificates are called.
    of: HashMap<Aggregate, LostRevocation>,
    /// As their facts would have named them, with their entries.
    names: BTreeMap<Vec<u8>, u64>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct LostRevocation {
    /// Its entry.
    pub(super) index: u64,
    /// At the entry's time, which is at most the maximum merge delay later than the decision was.
    pub(super) revocation: Revocation,
}

impl LostRevocations {
    /// `own` are certificates of the service's own: those of the first programs have no names.
    pub(super) fn load(reader: &Reader, own: impl Iterator<Item = Digest>) -> Result<Self, ServiceFault> {
        let tags = tags(reader)?;
        let mut lost = Self::default();
        if tags.is_empty() {
            return Ok(lost);
        }
        let mut issues = Vec::new();
        for digest in own {
            issues.extend(reader.find_digest(&digest.0)?);
        }
        reader.names::<Fault>(&names::CERTIFICATES, |_, index| {
            issues.push(index);
            Ok(ControlFlow::Continue(()))
        })?;
        for issued_at in issues {
            let tag = Tag::new(TagSpace::Certificate, &entry(reader, issued_at)?.digest, 1);
            if let Some((index, time_ms)) = tags.get(&tag) {
                lost.add(reader, issued_at, *index, Timestamp::from_millis(*time_ms).whole_secs())?;
            }
        }
        let (revoked, known) = (tags.len(), lost.of.len());
        tracing::warn!(revoked, known, "revocations whose facts are lost count by the tags of their entries");
        Ok(lost)
    }

    fn add(&mut self, reader: &Reader, issued_at: u64, index: u64, at: Timestamp) -> Result<(), ServiceFault> {
        let unread = |error: &dyn std::fmt::Display| ServiceFault::Facts(error.to_string());
        // Its issue may be lost as well.
        let Some(fact) = reader.fact(issued_at)? else { return Ok(()) };
        let fact = Fact::decode(&fact).map_err(|error| unread(&error))?;
        let mut state = CertificateState::None;
        Credential::apply(&mut state, &CaFact::from_fact(&fact).map_err(|error| unread(&error))?);
        if let CertificateState::Issued(status) = state {
            let (reason, list, not_after) = (Reason::Unspecified, status.list, status.not_after);
            let name = names::RevokedName { list, at, reason, not_after, serial: status.serial };
            self.names.insert(name.name(), index);
            self.of.insert(fact.aggregate, LostRevocation { index, revocation: Revocation { at, reason } });
        }
        Ok(())
    }

    /// That of the certificate with this history.
    pub(super) fn of(&self, history: &Aggregate) -> Option<LostRevocation> {
        self.of.get(history).copied()
    }

    /// The names that begin with `prefix`, from `from` on, in order.
    pub(super) fn names_from<'a>(&'a self, prefix: &'a [u8], from: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        let names = self.names.range(from.max(prefix).to_vec()..).map(|(name, _)| &name[..]);
        names.take_while(move |name| name.starts_with(prefix))
    }
}

/// The tags of all revocations in lost stretches, each with its entry and that one's time.
fn tags(reader: &Reader) -> Result<HashMap<Tag, (u64, u64)>, ServiceFault> {
    let (size, mut tags) = (reader.size(), HashMap::new());
    for (first, end) in reader.lost()? {
        let end = end.min(size);
        for bundle in first / TILE_WIDTH..end.div_ceil(TILE_WIDTH) {
            let from = bundle * TILE_WIDTH;
            let width = (size - from).min(TILE_WIDTH) as usize; // at most 256
            let bytes = reader.bundle(bundle, width)?.unwrap_or_default();
            let entries = (from..end).zip(bundle_entries(&bytes).flatten());
            for (index, entry) in entries.skip_while(|(index, _)| *index < first) {
                let entry = Entry::decode(entry).map_err(|error| ServiceFault::Facts(error.to_string()))?;
                if Kind::from_codes(entry.role, entry.kind) == Some(Kind::Ca(CaKind::CertificateRevoked)) {
                    tags.extend(entry.tags.as_slice().iter().map(|tag| (*tag, (index, entry.time_ms))));
                }
            }
        }
    }
    Ok(tags)
}

fn entry(reader: &Reader, index: u64) -> Result<Entry, ServiceFault> {
    let bytes = reader.entry(index)?.unwrap_or_default();
    Entry::decode(&bytes).map_err(|error| ServiceFault::Facts(error.to_string()))
}
