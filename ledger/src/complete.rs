//! Completing a store that is older than its log was, from a copy of the public half: a mirror, an export, any tlog-tiles log.
//!
//! Entries, tiles, groups, digests and tags are there again afterwards, and lead to the root that was signed: nothing that was
//! promised is broken, and the log goes on. **Facts and artefacts of those entries are lost**: they were private, and no copy of
//! them is public. A row says which entries these are, so that nobody takes their absence for damage.
//!
//! Where the groups ended is not public, but for those sizes that are known to have been signed. An entry's time is its group's, so
//! each run of entries with one time becomes a group here, cut at the known sizes (two groups may share a millisecond), and signed
//! anew over what the log had at that size. Nobody can tell it from the old one, but that more or fewer sizes have a checkpoint.
//!
//! What becomes of state: a snapshot stays as the backup has it, and goes on from there. Counters are moved on by as many as
//! entries are lost, so that none of them is given out twice; where a number was never drawn before, the randomness beside it has
//! to do. CRL numbers are above every older one by the clock (`ttp/src/ca/decide/issue_crl.rs`). What is told once, such as the
//! first use of a key, may be told again.
//!
//! **The store is written to before the root is known to be right**, so a caller completes a copy that it can throw away.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    entry::Entry,
    erasure::{self, Line},
    ledger::{OpenError, open_group},
    merkle::{Edge, Hash, TILE_WIDTH, TileId, leaf_hash, tile_width},
    port::{SigningFailed, Verifier},
    receipt::GroupHead,
    sequencer::{LogKeys, encode_head, read_counter},
    store::{Batch, FORMAT_ERASED, FORMAT_KEY, Fault, Read, Store, Table, keys, scan},
    tile::{bundle_cut, bundle_entries},
};

/// Keys in [`Table::Meta`] of what was lost begin with this; the first entry's index follows, the value is the end.
pub(crate) const LOST_PREFIX: &[u8] = b"lost/";

/// Bytes that are gathered before they are written.
const BATCH_BYTES: usize = 4 << 20;

/// Entries whose facts and artefacts are lost: from the first one to before the second.
pub type Lost = (u64, u64);

/// What completes a store.
pub struct Completion<'a> {
    /// The store, which nobody else has.
    pub store: Arc<dyn Store>,
    /// Sign the groups anew.
    pub keys: &'a LogKeys,
    /// Checks what the store has.
    pub verifier: &'a dyn Verifier,
    /// Sizes and roots that were signed, ascending: each ends a group, as the anchor's must, and the log ends at the last.
    pub signed: &'a [(u64, Hash)],
    /// Every erasure that is known.
    pub erasures: &'a [Line],
    /// Counters that facts draw from.
    pub counters: &'a [&'static str],
    /// Gives the entry bundle of an index with at least so many entries, unverified.
    pub bundle: &'a mut dyn FnMut(u64, usize) -> Result<Vec<u8>, String>,
    /// Called with entries done and to do.
    pub progress: &'a dyn Fn(u64, u64),
}

/// What was completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The entries whose facts and artefacts are lost.
    pub lost: Lost,
    /// How many of them there are by role and kind, with the times of the first and the last of each.
    pub by_kind: BTreeMap<(u64, u64), (u64, u64, u64)>,
}

/// Why a store was not completed.
#[derive(Debug, thiserror::Error)]
pub enum CompletionError {
    /// The store itself.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The source does not have it.
    #[error("entries from {first} on: {why}")]
    Source {
        /// The first entry that was asked for.
        first: u64,
        /// What it said.
        why: String,
    },
    /// What the source has is no continuation of the store.
    #[error("entry {index} of the source {what}")]
    Entry {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Other entries than were signed.
    #[error("the entries of the source do not give the root that was signed at size {size}: they are not this log's")]
    Root {
        /// The size.
        size: u64,
    },
    /// The keys.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}

impl From<Fault> for CompletionError {
    fn from(fault: Fault) -> Self {
        Self::Store(fault.into())
    }
}

/// What a store says was lost, ascending.
///
/// # Errors
/// A row does not read.
pub fn lost<R: Read + ?Sized>(store: &R) -> Result<Vec<Lost>, Fault> {
    let mut lost = Vec::<Lost>::new();
    scan(store, Table::Meta, LOST_PREFIX, crate::store::Direction::Up, |key, row| {
        let Some(first) = key.strip_prefix(LOST_PREFIX) else { return Ok(std::ops::ControlFlow::Break(())) };
        let range = keys::parse_number(first).zip(keys::parse_number(row));
        let follows = |(first, end): &Lost| first < end && lost.last().is_none_or(|before| before.1 <= *first);
        let range = range.filter(follows);
        lost.push(range.ok_or_else(|| Fault::corrupt(Table::Meta, key, "not a stretch of lost facts"))?);
        Ok::<_, Fault>(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(lost)
}

/// What is gathered for the store.
struct Writing {
    batch: Batch,
    edge: Edge,
    /// Where the open group begins, and its time.
    open: Option<(u64, u64)>,
    last_ms: u64,
}

impl Completion<'_> {
    /// Completes the store.
    ///
    /// # Errors
    /// [`CompletionError`]; the store is of no use then.
    pub fn run(self) -> Result<Completed, CompletionError> {
        let group = open_group(&*self.store, self.keys.identity(), self.verifier)?;
        let from = group.edge().size();
        let Some((size, _)) = self.signed.last().copied().filter(|(size, _)| *size > from) else {
            return Err(CompletionError::Source { first: from, why: "it has nothing that the store lacks".to_owned() });
        };
        let held = group.partial_bundle().unwrap_or_default();
        let last_ms = group.head().map_or(0, |head| head.time_ms);
        let mut writing = Writing { batch: Batch::default(), edge: group.edge().clone(), open: None, last_ms };
        let mut by_kind = BTreeMap::<(u64, u64), (u64, u64, u64)>::new();
        let mut tags = std::collections::HashSet::new();
        for index in from / TILE_WIDTH..size.div_ceil(TILE_WIDTH) {
            let width = tile_width(size, TileId { level: 0, index }) as usize; // at most 256
            let first = index * TILE_WIDTH;
            let bytes = (self.bundle)(index, width).map_err(|why| CompletionError::Source { first, why })?;
            let cut = bundle_cut(&bytes, width);
            let cut = cut.ok_or(CompletionError::Entry { index: first, what: "is cut short, or one behind it is" })?;
            if first < from && !cut.starts_with(&held) {
                return Err(CompletionError::Entry {
                    index: first,
                    what: "or one behind it is another than the store's",
                });
            }
            for (index, entry) in (first..).zip(bundle_entries(cut).flatten()).skip_while(|(index, _)| *index < from) {
                let wrong = |what| CompletionError::Entry { index, what };
                let read = Entry::decode(entry).map_err(|_| wrong("is none in its one encoding"))?;
                if read.time_ms < writing.last_ms {
                    return Err(wrong("is earlier than the one before it"));
                }
                for tag in read.tags.as_slice() {
                    if !tags.insert(*tag) || crate::store::read(&*self.store, Table::Tag, &tag.0)?.is_some() {
                        return Err(wrong("has a tag that is there already, which convicts this log"));
                    }
                    writing.batch.put(Table::Tag, &tag.0, &keys::number(index));
                }
                self.group_up_to(&mut writing, index, Some(read.time_ms))?;
                writing.batch.put(Table::Digest, &keys::hash_number(&read.digest, index), &[]);
                let Writing { batch, edge, .. } = &mut writing;
                edge.push(leaf_hash(entry), |id, tile| batch.put_parts(Table::Tile, &keys::tile(id), &tile.row()));
                writing.last_ms = read.time_ms;
                let of_kind = by_kind.entry((read.role, read.kind)).or_insert((0, read.time_ms, read.time_ms));
                *of_kind = (of_kind.0 + 1, of_kind.1, read.time_ms);
                self.check_root(&writing.edge)?;
            }
            writing.batch.put(Table::Bundle, &keys::number(index), cut);
            if writing.batch.bytes() > BATCH_BYTES {
                self.store.commit(&std::mem::take(&mut writing.batch))?;
            }
            (self.progress)(writing.edge.size() - from, size - from);
        }
        self.group_up_to(&mut writing, size, None)?;
        for (id, tile) in writing.edge.tiles() {
            writing.batch.put_parts(Table::Tile, &keys::tile(id), &tile.row());
        }
        self.rest(&mut writing.batch, from, size)?;
        self.store.commit(&writing.batch)?;
        Ok(Completed { lost: (from, size), by_kind })
    }

    /// Ends the open group before entry `index` if that has another time or the log was signed there, and begins one there.
    fn group_up_to(&self, writing: &mut Writing, index: u64, next_ms: Option<u64>) -> Result<(), CompletionError> {
        if let Some((first, time_ms)) = writing.open {
            if next_ms == Some(time_ms) && self.signed.iter().all(|(size, _)| *size != index) {
                return Ok(());
            }
            let root = writing.edge.root();
            let (note_signature, receipt_signature) = ([0; 64], [0; 64]);
            let mut head = GroupHead { first, size: index, root, time_ms, note_signature, receipt_signature };
            self.keys.sign(&mut head)?;
            writing.batch.put(Table::Group, &keys::number(index), &encode_head(&head));
        }
        writing.open = next_ms.map(|time_ms| (index, time_ms));
        Ok(())
    }

    fn check_root(&self, edge: &Edge) -> Result<(), CompletionError> {
        // Several may be known of one size, and then they must be one.
        for (size, root) in self.signed.iter().filter(|(size, _)| *size == edge.size()) {
            if edge.root() != *root {
                return Err(CompletionError::Root { size: *size });
            }
        }
        Ok(())
    }

    /// What was lost; counters; erasures that these entries tell of.
    fn rest(&self, batch: &mut Batch, from: u64, size: u64) -> Result<(), CompletionError> {
        batch.put(Table::Meta, &[LOST_PREFIX, &keys::number(from)].concat(), &keys::number(size));
        for name in self.counters {
            let held = read_counter(&*self.store, name)?;
            if held > 0 {
                batch.put(Table::Counter, name.as_bytes(), &keys::number(held.saturating_add(size - from)));
            }
        }
        let known = erasure::rows(&*self.store)?.len();
        for (n, line) in (0..).zip(self.erasures).skip(known).take_while(|(_, line)| line.index < size) {
            batch.put(Table::Meta, &erasure::row_key(n), line.encode().as_bytes());
            line.keys.iter().for_each(|key| batch.delete(Table::Key, key));
            batch.put(Table::Meta, FORMAT_KEY, &FORMAT_ERASED.to_be_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        anchor::memory::MemoryAnchor,
        ledger::{Ledger, create},
        reader::Reader,
        store::{first, memory::MemoryStore},
        testing::{ManualClock, TestVerifier, world},
    };

    /// A log, and its store as it was after some commits.
    struct Sample {
        whole: Ledger,
        old: MemoryStore,
        anchor: MemoryAnchor,
        clock: Arc<ManualClock>,
    }

    fn sample(before: u64, after: u64) -> Sample {
        let (store, anchor) = (MemoryStore::default(), MemoryAnchor::default());
        create(&store, &anchor, &world::identity()).unwrap();
        let clock = ManualClock::at(1_000_000);
        let whole = world::open(Arc::new(store.clone()), Arc::new(anchor.clone()), &clock, world::log_keys()).unwrap();
        let mut old = store.copy();
        for n in 0..before + after {
            if n == before {
                old = store.copy();
            }
            clock.set(1_000_000 + n / 3);
            whole.append(world::commit(n, 1_000_000 + n / 3)).unwrap();
        }
        Sample { whole, old, anchor, clock }
    }

    impl Sample {
        fn complete(&self, change: impl Fn(u64, Vec<u8>) -> Vec<u8>) -> Result<Completed, CompletionError> {
            self.complete_with(&[], change)
        }

        fn complete_with(
            &self,
            erasures: &[erasure::Line],
            change: impl Fn(u64, Vec<u8>) -> Vec<u8>,
        ) -> Result<Completed, CompletionError> {
            let reader: &Reader = self.whole.reader();
            let (size, root) = (reader.size(), reader.newest().edge().root());
            let middle = size - 3;
            let keys = world::log_keys();
            Completion {
                store: Arc::new(self.old.clone()),
                keys: &keys,
                verifier: &TestVerifier,
                signed: &[(middle, reader.root(middle).unwrap()), (size, root)],
                erasures,
                counters: &["toy"],
                bundle: &mut |index, width| Ok(change(index, reader.bundle(index, width).unwrap().unwrap())),
                progress: &|_, _| (),
            }
            .run()
        }
    }

    #[test]
    fn a_completed_store_is_sound_and_goes_on() {
        for (before, after) in [(7, 30), (1, 1), (22, 80), (60, 5)] {
            let sample = sample(before, after);
            let from = crate::ledger::newest_head(&sample.old).unwrap().unwrap().size;
            let size = sample.whole.reader().size();
            let completed = sample.complete(|_, bytes| bytes).unwrap();
            assert_eq!(completed.lost, (from, size));
            assert_eq!(completed.by_kind.values().map(|(count, _, _)| count).sum::<u64>(), size - from);
            assert_eq!(lost(&sample.old).unwrap(), [(from, size)]);
            for signed in [size - 3, size].into_iter().filter(|signed| *signed > from) {
                let group = crate::store::read(&sample.old, Table::Group, &keys::number(signed)).unwrap();
                assert!(group.is_some(), "{before} {after}: no checkpoint at {signed}, where the log was signed");
            }
            let report = world::check_memory(&sample.old, true);
            assert!(report.is_clean(), "{before} {after}: {:?}", report.findings);
            assert_eq!((report.size, &*report.lost), (size, &[(from, size)][..]));
            // The anchor of the lost store is that of this one, and an entry more is an entry more.
            let store: Arc<dyn Store> = Arc::new(sample.old.clone());
            let ledger = world::open(store, Arc::new(sample.anchor.clone()), &sample.clock, world::log_keys()).unwrap();
            assert_eq!(ledger.reader().newest().edge().root(), sample.whole.reader().newest().edge().root());
            let fact = crate::sequencer::Draft::of_fact(1, 1, b"1 1 2000000 0 0 0 7".to_vec());
            sample.clock.set(2_000_000);
            let appended = ledger.append(crate::sequencer::Commit::one(2_000_000, fact)).unwrap();
            assert_eq!(appended.first, size);
            drop(ledger);
            let report = world::check_memory(&sample.old, true);
            assert!(report.is_clean(), "{:?}", report.findings);
        }
    }

    /// An older copy knows nothing of an erasure that came after it: what was destroyed is not brought back.
    #[test]
    fn a_completed_store_has_no_key_that_was_destroyed() {
        let sample = sample(30, 4);
        let key = |store: &MemoryStore| first(store, Table::Key, &[], crate::store::Direction::Up).unwrap();
        let (id, _) = key(&sample.old).unwrap();
        let id: crate::erasure::KeyRef = id.try_into().unwrap();
        let fact = crate::sequencer::Draft::of_fact(1, 1, b"1 1 2000000 0 0 0 7".to_vec());
        sample.clock.set(2_000_000);
        let erased = crate::sequencer::RoleRow::Erased { draft: 0, object: [7; 32], keys: vec![id] };
        let commit = crate::sequencer::Commit { rows: vec![erased], ..crate::sequencer::Commit::one(2_000_000, fact) };
        let told = sample.whole.append(commit).unwrap().first;
        let line = erasure::Chain::new(world::ORIGIN).next(told, [7; 32], vec![id]);
        sample.complete_with(&[line], |_, bytes| bytes).unwrap();
        assert!(key(&sample.old).is_some_and(|(next, _)| next != id), "the others stay");
        let report = world::check_memory(&sample.old, true);
        assert!(report.is_clean(), "{:?}", report.findings);
    }

    #[test]
    fn other_entries_than_were_signed_complete_nothing() {
        let flipped = |at: usize| {
            move |index: u64, mut bytes: Vec<u8>| {
                if index == 1 {
                    let end = bytes.len() - at;
                    bytes[end] ^= 1;
                }
                bytes
            }
        };
        for at in [1, 20, 40, 60] {
            let refused = sample(10, 40).complete(flipped(at));
            assert!(matches!(refused, Err(CompletionError::Entry { .. } | CompletionError::Root { .. })), "{at}");
        }
        let old = sample(22, 40);
        let held = old.complete(|_, mut bytes| {
            bytes[20] ^= 1;
            bytes
        });
        assert!(matches!(held, Err(CompletionError::Entry { .. })), "not what the store has");
        let missing = sample(10, 40).complete(|_, bytes| bytes[..bytes.len() - 1].to_vec());
        assert!(matches!(missing, Err(CompletionError::Entry { .. })));
    }
}
