//! Timestamps that a log owes an entry: whoever holds a token looks for it, and holds against the log that it is not there.
//!
//! Times never fall along a log, so the place is found by halves, and only the bundles of the promised time are read. What
//! is read is compared with the tiles that the monitor computed, so nothing can be slipped in.

use bytes::Bytes;
use semper_ledger::{
    entry::{Entry, Tag, TagSpace},
    merkle::{Hash, TILE_WIDTH, TileId, leaf_hash, tile_width},
    monitor::Unfit,
    proof::Tiles,
    store::Fault,
    tile::bundle_entries,
};
use semper_ttp::account::{Owed, Proof, Service, Stretch};
use tokio::task::block_in_place;

use super::{Follower, RoundError};

/// The most entries that a proof may have to hold: ten busy times of a promise of 5 s.
const ENTRIES_MAX: usize = 1_000_000;

/// A token that must be in the log.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The token, DER.
    pub token: Vec<u8>,
    /// What the log owes to it.
    pub owed: Owed,
}

/// Whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is.
    Recorded {
        /// The entry.
        index: u64,
    },
    /// The log's newest entry is not late enough to say.
    NotYet,
    /// It is not, and that convicts the log.
    Missing(Box<Proof>),
    /// It is not, and the log never recorded the certificate of its unit: another log may owe the entry.
    OfAnother,
}

impl Follower {
    /// Looks for the entry of a token, as far as the log was verified.
    ///
    /// # Errors
    /// The log does not give what it gave before.
    pub async fn look_for(&self, expected: &Expected) -> Result<Found, RoundError> {
        let Owed { from_ms, until_ms, unit, digests } = &expected.owed;
        let size = self.verified_size();
        // The first bundle whose last entry is not before the promise began.
        let (mut low, mut high) = (0, size.div_ceil(TILE_WIDTH));
        while low < high {
            let middle = low + (high - low) / 2;
            let last = self.entries(middle).await?.pop();
            let before = last.is_some_and(|(_, entry)| entry.is_some_and(|entry| entry.time_ms < *from_ms));
            if before { low = middle + 1 } else { high = middle }
        }
        // One entry before it shows that nothing was left out in front.
        let mut stretch = Vec::new();
        let mut first = low * TILE_WIDTH;
        if low > 0 {
            first -= 1;
            stretch.extend(self.entries(low - 1).await?.pop());
        }
        let mut over = false;
        for bundle in low..size.div_ceil(TILE_WIDTH) {
            for (bytes, entry) in self.entries(bundle).await? {
                let index = first + stretch.len() as u64;
                if entry.as_ref().is_some_and(|entry| digests.contains(&entry.digest)) {
                    return Ok(Found::Recorded { index });
                }
                // What comes before the promise is needed no longer than until something later comes before it, too.
                if entry.as_ref().is_some_and(|entry| entry.time_ms < *from_ms) {
                    first = index;
                    stretch.clear();
                }
                over = entry.as_ref().is_some_and(|entry| entry.time_ms > *until_ms);
                stretch.push((bytes, entry));
                if over {
                    break;
                }
            }
            if over || stretch.len() > ENTRIES_MAX {
                break;
            }
        }
        let Some(seen) = self.monitor.verified().filter(|_| over) else { return Ok(Found::NotYet) };
        let Some(service) = block_in_place(|| self.service(unit))? else { return Ok(Found::OfAnother) };
        let entries: Vec<_> = stretch.into_iter().map(|(bytes, _)| bytes).collect();
        let path = block_in_place(|| self.monitor.range(first, entries.len() as u64))?;
        let stretch = Stretch { first, entries, path, checkpoint: seen.note.clone() };
        Ok(Found::Missing(Box::new(Proof::omission(self.monitor.key().name(), service, &expected.token, stretch))))
    }

    /// What shows that the unit with this certificate is the log's own.
    fn service(&self, unit: &Hash) -> Result<Option<Service>, Fault> {
        let issue = self.monitor.bearer(&Tag::new(TagSpace::Certificate, unit, 0))?;
        Ok(self.monitor.genesis()?.zip(issue).map(|(genesis, issue)| Service { genesis, issue }))
    }

    /// The entries of a bundle that was read before, and what they say.
    pub(super) async fn entries(&self, index: u64) -> Result<Vec<(Vec<u8>, Option<Entry>)>, RoundError> {
        let id = TileId { level: 0, index };
        let width = tile_width(self.verified_size(), id) as usize;
        let bundle: Bytes = self.source.bundle(index, width).await?;
        let ours = block_in_place(|| self.monitor.tile(id, width))?;
        let entries: Option<Vec<&[u8]>> = bundle_entries(&bundle).take(width).collect();
        let entries = entries.filter(|entries| entries.len() == width).ok_or(Unfit::Bundle { index, width })?;
        if !entries.iter().zip(ours.hashes()).all(|(entry, hash)| leaf_hash(entry) == *hash) {
            return Err(Unfit::Tile { level: 0, index }.into());
        }
        Ok(entries.into_iter().map(|bytes| (bytes.to_vec(), Entry::decode(bytes).ok())).collect())
    }
}
