//! Timestamps that a log owes an entry: whoever holds a token looks for it, and holds against the log that it is not there.
//!
//! Times never fall along a log, so the place is found by halves, and only the bundles of the promised time are read. What
//! is read is compared with the tiles that the monitor computed, so nothing can be slipped in.

use bytes::Bytes;
use semper_ledger::{
    entry::{Entry, NotAnEntry, Tag, TagSpace},
    merkle::{Hash, TILE_WIDTH, TileId, leaf_hash, tile_width},
    monitor::Unfit,
    proof::Tiles,
    store::Fault,
    tile::bundle_entries,
};
use semper_ttp::{
    account::{Item, Owed, POM_BYTES_MAX, Proof, Service, Stretch},
    evidence::{Kind, TimestampKind},
};
use tokio::task::block_in_place;

use super::{Follower, RoundError};

/// A token that must be in the log.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The token, DER.
    pub token: Vec<u8>,
    /// What the log owes to it.
    pub owed: Owed,
    /// What was seen of a window that is too long for a proof and not over: the next look goes on behind it.
    seen: Option<Window>,
}

impl Expected {
    /// One that was not looked for yet.
    #[must_use]
    pub fn new(token: Vec<u8>, owed: Owed) -> Self {
        Self { token, owed, seen: None }
    }
}

/// Whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is, and in time.
    Recorded {
        /// The entry.
        index: u64,
    },
    /// The log's newest entry is not late enough to say.
    NotYet,
    /// It is not, or not in the time promised; the proof of that.
    Convicts(Box<Proof>),
    /// It is not, and the log never recorded the certificate of its unit: another log may owe the entry.
    OfAnother,
    /// It is not found, and may be in an entry of a version that this program does not know.
    Newer {
        /// The first such entry.
        index: u64,
        /// Its version.
        version: u64,
    },
    /// It is not found among so many entries that no proof can hold them.
    Stuffed {
        /// How many.
        entries: u64,
        /// Nothing that is still to come changes that.
        over: bool,
    },
}

/// The entries from the last before a promised time to the first behind it, as far as they were seen.
#[derive(Clone, Debug, Default)]
struct Window {
    /// The place of the first.
    first: u64,
    count: u64,
    /// Bytes that they are long in a proof.
    proof_bytes: usize,
    /// None once they are too long for one.
    entries: Vec<Vec<u8>>,
    /// The first of a version that is not known, with the version.
    newer: Option<(u64, u64)>,
}

impl Window {
    fn from(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    fn next(&self) -> u64 {
        self.first + self.count
    }

    fn push(&mut self, bytes: Vec<u8>, newer: Option<u64>) {
        self.newer = self.newer.or(newer.map(|version| (self.next(), version)));
        self.count += 1;
        self.proof_bytes += proof_bytes(bytes.len());
        if self.is_too_long() {
            self.entries = Vec::new();
        } else {
            self.entries.push(bytes);
        }
    }

    fn is_too_long(&self) -> bool {
        self.proof_bytes > POM_BYTES_MAX
    }
}

/// How much longer an entry of so many bytes makes a proof, at most: a line in base64 ([`Stretch`]), and that once more.
fn proof_bytes(entry_bytes: usize) -> usize {
    let line = "entry \n".len() + entry_bytes.div_ceil(3) * 4;
    (line * 4).div_ceil(3)
}

/// An entry's bytes, and what they say.
pub(super) type Read = (Vec<u8>, Result<Entry, NotAnEntry>);

/// Other roles may record the digest of the same bytes.
fn is_token(entry: &Entry) -> bool {
    Kind::from_codes(entry.role, entry.kind) == Some(Kind::Timestamp(TimestampKind::Token))
}

impl Follower {
    /// Looks for the entry of a token, as far as the log was verified.
    ///
    /// # Errors
    /// The log does not give what it gave before.
    pub async fn look_for(&self, expected: &mut Expected) -> Result<Found, RoundError> {
        let Owed { from_ms, until_ms, unit, digests } = expected.owed.clone();
        let mut window = match &expected.seen {
            Some(seen) => seen.clone(),
            None => Window::from(self.last_before(from_ms).await?),
        };
        let mut over = false;
        let mut mistimed = None;
        'log: for bundle in window.next() / TILE_WIDTH..self.verified_size().div_ceil(TILE_WIDTH) {
            let known = (window.next() - bundle * TILE_WIDTH) as usize;
            for (bytes, entry) in self.entries(bundle).await?.into_iter().skip(known) {
                let index = window.next();
                let newer = match &entry {
                    Err(NotAnEntry::Version(version)) => Some(*version),
                    Ok(_) | Err(_) => None,
                };
                if let Ok(entry) = &entry {
                    let is_its = digests.contains(&entry.digest) && is_token(entry);
                    if is_its && (from_ms..=until_ms).contains(&entry.time_ms) {
                        return Ok(Found::Recorded { index });
                    }
                    if is_its {
                        mistimed = Some((index, bytes.clone()));
                    }
                    // What comes before the promise is needed no longer than until something later comes before it, too.
                    if entry.time_ms < from_ms {
                        window = Window::from(index);
                    }
                    over = entry.time_ms > until_ms;
                }
                window.push(bytes, newer);
                if over || mistimed.is_some() {
                    break 'log;
                }
            }
        }
        if !over && mistimed.is_none() && !window.is_too_long() {
            return Ok(Found::NotYet);
        }
        let Some(seen) = self.monitor.verified() else { return Ok(Found::NotYet) };
        let Some(service) = block_in_place(|| self.service(&unit))? else { return Ok(Found::OfAnother) };
        let against = self.monitor.key().name();
        if let Some((index, bytes)) = mistimed {
            let entry = block_in_place(|| self.monitor.proof(index, &bytes))?;
            return Ok(Found::Convicts(Box::new(Proof::out_of_time(against, service, &expected.token, entry))));
        }
        if !over {
            let entries = window.count;
            expected.seen = Some(window);
            return Ok(Found::Stuffed { entries, over });
        }
        if let Some((index, version)) = window.newer {
            return Ok(Found::Newer { index, version });
        }
        let Window { first, count, proof_bytes, entries, .. } = window;
        let path = block_in_place(|| self.monitor.range(first, count))?;
        let stretch = Stretch { first, entries: Vec::new(), path, checkpoint: seen.note.clone() };
        let mut proof = Proof::omission(against, service, &expected.token, stretch);
        // To the byte, what all the rest takes.
        if proof.to_json().len() + proof_bytes > POM_BYTES_MAX {
            return Ok(Found::Stuffed { entries: count, over });
        }
        if let Some(Item::Stretch(stretch)) = proof.items.last_mut() {
            stretch.entries = entries;
        }
        Ok(Found::Convicts(Box::new(proof)))
    }

    /// The place of an entry before this time, near the last of them; the first one's if there is none.
    async fn last_before(&self, from_ms: u64) -> Result<u64, RoundError> {
        // By the last entry of each bundle that says its time. A bundle in which none does counts as later, which
        // leads to an earlier place at worst.
        let (mut low, mut high) = (0, self.verified_size().div_ceil(TILE_WIDTH));
        let mut place = 0;
        while low < high {
            let middle = low + (high - low) / 2;
            let entries = self.entries(middle).await?;
            let timed = entries.iter().enumerate().rev().find_map(|(at, (_, entry))| Some((at, entry.as_ref().ok()?)));
            match timed {
                Some((at, entry)) if entry.time_ms < from_ms => {
                    place = middle * TILE_WIDTH + at as u64;
                    low = middle + 1;
                }
                _ => high = middle,
            }
        }
        Ok(place)
    }

    /// What shows that the unit with this certificate is the log's own.
    fn service(&self, unit: &Hash) -> Result<Option<Service>, Fault> {
        let issue = self.monitor.bearer(&Tag::new(TagSpace::Certificate, unit, 0))?;
        Ok(self.monitor.genesis()?.zip(issue).map(|(genesis, issue)| Service { genesis, issue }))
    }

    /// The entries of a bundle that was read before, and what they say.
    pub(super) async fn entries(&self, index: u64) -> Result<Vec<Read>, RoundError> {
        let id = TileId { level: 0, index };
        let width = tile_width(self.verified_size(), id) as usize;
        // As wide as the log's newest checkpoint has it: nobody must keep narrower ones.
        let shown = tile_width(self.shown.max(self.verified_size()), id) as usize;
        let bundle: Bytes = self.source.bundle(index, shown).await?;
        let ours = block_in_place(|| self.monitor.tile(id, width))?;
        let entries: Option<Vec<&[u8]>> = bundle_entries(&bundle).take(width).collect();
        let entries = entries.filter(|entries| entries.len() == width).ok_or(Unfit::Bundle { index, width })?;
        if !entries.iter().zip(ours.hashes()).all(|(entry, hash)| leaf_hash(entry) == *hash) {
            return Err(Unfit::Tile { level: 0, index }.into());
        }
        Ok(entries.into_iter().map(|bytes| (bytes.to_vec(), Entry::decode(bytes))).collect())
    }
}

#[cfg(test)]
mod tests {
    use semper_ledger::receipt::tlog_proof::TlogProof;

    use super::*;

    /// What is thought to be in bounds is, and hardly less than could be.
    #[test]
    fn a_window_in_bounds_gives_a_file_that_is_read() {
        let entry = TlogProof { extra: None, index: 0, path: Vec::new(), checkpoint: String::new() };
        let service = Service { genesis: entry.clone(), issue: entry };
        for entry_bytes in [47, 48, 49, 200] {
            let stretch = |entries| Stretch { first: 0, entries, path: Vec::new(), checkpoint: "c".to_owned() };
            let file = |entries| Proof::omission("o", service.clone(), b"token", stretch(entries)).to_json().len();
            for count in [0, 1, 2, 1_000] {
                let (bare, whole) = (file(Vec::new()), file(vec![vec![7; entry_bytes]; count]));
                let thought = bare + count * proof_bytes(entry_bytes);
                assert!(
                    whole <= thought + 1 && thought <= whole + count + 1,
                    "{count} of {entry_bytes}: {whole} {thought}"
                );
            }
        }
        let mut window = Window::from(9);
        (0..POM_BYTES_MAX / proof_bytes(200)).for_each(|_| window.push(vec![7; 200], None));
        assert!(!window.is_too_long() && window.entries.len() as u64 == window.count);
        window.push(vec![7; 200], Some(2));
        assert!(window.is_too_long() && window.entries.is_empty());
        assert_eq!(window.newer, Some((window.next() - 1, 2)));
    }
}
