//! A monitor's memory and judgement: somebody outside who has read every entry of a log, and holds the log to it.
//!
//! In scope: which checkpoints fit together, tiles recomputed from the entries, what in an entry convicts, and the rows by
//! which a monitor that was stopped goes on. Out of scope: how the log is read (`api`), who is told of what (`api`, `ops`),
//! the file that a court gets (`ttp::account`).
//!
//! ```text
//! judge(note) ─▶ Same | Older | Misbehaved | Newer(target)
//!                                              │ fork_before, if something was seen before
//!                                              ▼
//!                            take(bundle, tile) for each bundle, check(tile) for each tile above
//!                                              ▼
//!                                    finish(target) ─▶ Misbehaved, or the newest checkpoint seen
//! ```
//!
//! **Verified and staged.** What the newest *verified* checkpoint covers is certain: its root was computed here from the
//! entries. Beyond it lie *staged* entries, read under a target that is not verified yet; a monitor that was stopped goes on
//! behind them. If they do not lead to the target's root, everything staged is forgotten, and read again. An entry that
//! convicts is shown only once the checkpoint over it is verified: only then did the log sign it.
//!
//! Entries are not kept, tiles are (34 bytes an entry), and each tag with the entry that bears it.

mod memory;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use self::memory::{Memory, Suspicion};
use crate::{
    checkpoint::{BadCheckpoint, Checkpoint},
    entry::{Entry, NotAnEntry, Tag},
    merkle::{Edge, Hash, TILE_WIDTH, Tile, TileId, leaf_hash},
    note::VerifierKey,
    port::Verifier,
    proof::{self, Tiles, verify_consistency},
    receipt::tlog_proof::TlogProof,
    store::{Batch, Fault, Store, Table, keys, read},
    tile::bundle_entries,
};

/// Full tiles that are kept in memory before they should be written: a flush each some 16,000 entries.
const TILES_PER_BATCH: usize = 64;

/// Role and kind of the entry that opens a log of ours: only such a log promises entries, tags and times. Numbers here,
/// named in `ttp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// Its role.
    pub role: u64,
    /// Its kind.
    pub kind: u64,
}

/// A checkpoint with the bytes that the log signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The note, verbatim.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// What a checkpoint means to this monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The newest one verified, once more.
    Same,
    /// A smaller one of the same history. A cache may do that for a while; a log that was rolled back does it for good.
    Older(Signed),
    /// There is more to read.
    Newer(Signed),
    /// It convicts.
    Misbehaved(Box<Misbehaviour>),
}

/// What convicts a log before somebody who has its key and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Two checkpoints of one size, with two roots.
    TwoRoots {
        /// The one verified here.
        first: String,
        /// The other.
        other: String,
    },
    /// The newer checkpoint's tree begins with another tree than the older's.
    Fork {
        /// The smaller one.
        older: String,
        /// The larger one.
        newer: String,
        /// The older one's size.
        from: u64,
        /// The root with which the newer tree begins.
        root: Hash,
        /// The newer one's size.
        to: u64,
        /// Consistency of `root` with the newer one's.
        path: Vec<Hash>,
    },
    /// The genesis entry, which makes a log one of ours; and two entries with one tag.
    TagTwice(TlogProof, [TlogProof; 2]),
    /// Genesis; and a later entry with an earlier time.
    TimeFell(TlogProof, [TlogProof; 2]),
    /// Genesis; and bytes that are no entry. One of another version than this program's is not meant: nobody can say here whether
    /// it keeps the rules of its time.
    NoEntry(TlogProof, [TlogProof; 1]),
}

/// An entry that was read.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its place.
    pub index: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What it says, in a log of ours.
    pub entry: Option<&'a Entry>,
    /// In a log of ours, the version that it states, if this program does not know that: what it says cannot be read.
    pub newer: Option<u64>,
}

/// Bytes of the log that do not fit together: it is damaged, or badly served, and nothing was proven.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A bundle with too few entries, or cut short.
    #[error("the bundle of entries {index} does not hold the {width} entries that belong there")]
    Bundle {
        /// Which.
        index: u64,
        /// How many belong there.
        width: usize,
    },
    /// A tile that does not follow from the entries.
    #[error("the tile {index} of level {level} does not follow from the entries")]
    Tile {
        /// Its level.
        level: u8,
        /// Which of the level.
        index: u64,
    },
    /// The entries lead to another root than the checkpoint states.
    #[error("the first {size} entries of the log do not lead to the root that the checkpoint states")]
    Root {
        /// The checkpoint's size.
        size: u64,
    },
    /// Neither does the newer tree begin with what was seen, nor is it shown to begin with anything else.
    #[error("the log's tiles lead neither to its newest checkpoint nor to another history")]
    Consistency,
}

/// Why a monitor cannot go on from its memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Storage.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It is another log's.
    #[error("this memory is of the log {found}, not of {asked}")]
    OtherLog {
        /// The key in the memory.
        found: String,
        /// The key given.
        asked: String,
    },
    /// A later program wrote it, or none of ours.
    #[error("the memory is not one that this program wrote: {0}")]
    Damaged(&'static str),
}

/// Why reading went no further.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The log.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Our own storage.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A monitor of one log.
pub struct Monitor {
    store: Box<dyn Store>,
    key: VerifierKey,
    verifier: Arc<dyn Verifier>,
    genesis: Genesis,
    verified: Option<Signed>,
    /// Over the staged entries.
    edge: Edge,
    memory: Memory,
    /// What will be written next.
    batch: Batch,
    /// Full tiles in the batch.
    full: HashMap<TileId, Arc<Tile>>,
    /// Tags in the batch.
    tags: HashMap<Tag, (u64, Vec<u8>)>,
}

impl Monitor {
    /// Goes on from the rows of `store`, or begins in an empty one.
    pub fn open(
        store: Box<dyn Store>,
        key: VerifierKey,
        verifier: Arc<dyn Verifier>,
        genesis: Genesis,
    ) -> Result<Self, MemoryError> {
        let memory = Memory::load(&*store, &key)?;
        let verified = match &memory.verified {
            None => None,
            Some(note) => {
                let checkpoint = Checkpoint::verify(note, std::slice::from_ref(&key), &*verifier)
                    .map_err(|_| MemoryError::Damaged("its checkpoint bears no signature of the log"))?;
                Some(Signed { note: note.clone(), checkpoint })
            }
        };
        let edge = rebuild(&*store, memory.staged)?;
        let monitor = Self {
            store,
            key,
            verifier,
            genesis,
            verified,
            edge,
            memory,
            batch: Batch::default(),
            full: HashMap::new(),
            tags: HashMap::new(),
        };
        let sound = monitor.verified.as_ref().map(|signed| signed.checkpoint.clone()).is_none_or(|seen| {
            seen.size <= monitor.memory.staged && proof::root(&monitor, seen.size).is_ok_and(|root| root == seen.root)
        });
        if !sound {
            return Err(MemoryError::Damaged("its tiles do not give the root of its checkpoint"));
        }
        Ok(monitor)
    }

    /// The newest checkpoint whose every entry was read.
    #[must_use]
    pub fn verified(&self) -> Option<&Signed> {
        self.verified.as_ref()
    }

    /// Entries read so far, verified or not.
    #[must_use]
    pub fn staged(&self) -> u64 {
        self.edge.size()
    }

    /// The time of the newest entry read, milliseconds since 1970; 0 in a log that states none.
    #[must_use]
    pub fn last_time_ms(&self) -> u64 {
        self.memory.last_time_ms()
    }

    /// What a checkpoint means.
    pub fn judge(&self, note: &str) -> Result<Judged, JudgeError> {
        let checkpoint = Checkpoint::verify(note, std::slice::from_ref(&self.key), &*self.verifier)?;
        let signed = Signed { note: note.to_owned(), checkpoint };
        let Some(seen) = &self.verified else { return Ok(Judged::Newer(signed)) };
        let (older, newer) = (signed.checkpoint.size, seen.checkpoint.size);
        if older > newer {
            return Ok(Judged::Newer(signed));
        }
        let root = proof::root(self, older)?;
        if root == signed.checkpoint.root {
            return Ok(if older == newer { Judged::Same } else { Judged::Older(signed) });
        }
        if older == 0 {
            return Err(BadCheckpoint::Shape.into()); // a tree without leaves has one root
        }
        let misbehaviour = if older == newer {
            Misbehaviour::TwoRoots { first: seen.note.clone(), other: signed.note }
        } else {
            let path = proof::consistency(self, older, newer)?;
            Misbehaviour::Fork { older: signed.note, newer: seen.note.clone(), from: older, root, to: newer, path }
        };
        Ok(Judged::Misbehaved(Box::new(misbehaviour)))
    }

    /// Whether the tree of `target`, whose tiles the log serves, begins with the tree that was verified: `None` if it does,
    /// else what convicts.
    ///
    /// # Errors
    /// The tiles cannot be had, or lead nowhere.
    pub fn fork_before<T: Tiles>(
        &self,
        target: &Signed,
        tiles: &T,
    ) -> Result<Option<Misbehaviour>, ForkError<T::Error>> {
        let Some(seen) = &self.verified else { return Ok(None) };
        let (from, to) = (seen.checkpoint.size, target.checkpoint.size);
        if from == 0 {
            return Ok(None);
        }
        let path = proof::consistency(tiles, from, to).map_err(ForkError::Tiles)?;
        let ends = (to, &target.checkpoint.root);
        if verify_consistency((from, &seen.checkpoint.root), ends, &path).is_ok() {
            return Ok(None);
        }
        let root = proof::root(tiles, from).map_err(ForkError::Tiles)?;
        verify_consistency((from, &root), ends, &path).map_err(|_| ForkError::Unfit(Unfit::Consistency))?;
        let (older, newer) = (seen.note.clone(), target.note.clone());
        Ok(Some(Misbehaviour::Fork { older, newer, from, root, to, path }))
    }

    /// Makes ready for reading up to `target`: what was staged beyond it is forgotten.
    ///
    /// # Errors
    /// Storage fails.
    pub fn begin(&mut self, target: &Signed) -> Result<(), Fault> {
        if self.edge.size() > target.checkpoint.size { self.forget() } else { Ok(()) }
    }

    /// Reads the entries of bundle `index` as far as `target` has them and they were not read before; `tile` are the log's
    /// own hashes of them. `visit` is shown every entry that is new. Gives the full tiles above level 0 that are complete with
    /// it, for [`Monitor::check`].
    ///
    /// # Errors
    /// The bytes do not fit, and nothing of them was taken; or storage fails, and the monitor must be opened anew.
    ///
    /// # Panics
    /// The bundles do not come in order.
    pub fn take(
        &mut self,
        target: &Signed,
        index: u64,
        bundle: &[u8],
        tile: &[Hash],
        visit: &mut dyn FnMut(Seen<'_>),
    ) -> Result<Vec<(TileId, Arc<Tile>)>, Stopped> {
        let first = index * TILE_WIDTH;
        let before = self.edge.size();
        assert!((first..first + TILE_WIDTH).contains(&before), "bundle {index} is not next after {before} entries");
        let width = target.checkpoint.size.saturating_sub(first).min(TILE_WIDTH) as usize;
        let leaves = self.fitting(index, width, bundle, tile)?;

        let mut above = Vec::new();
        for (at, (leaf, bytes)) in leaves.into_iter().enumerate().skip((before - first) as usize) {
            self.note(first + at as u64, bytes, visit)?;
            let (batch, full) = (&mut self.batch, &mut self.full);
            self.edge.push(leaf, |id, tile| {
                batch.put_parts(Table::Tile, &keys::tile(id), &tile.row());
                if id.level > 0 {
                    above.push((id, tile.clone()));
                }
                full.insert(id, tile);
            });
        }
        Ok(above)
    }

    /// The entries of a bundle with their leaf hashes, if they are those of the log's own tile and of the entries read before.
    fn fitting<'b>(
        &self,
        index: u64,
        width: usize,
        bundle: &'b [u8],
        tile: &[Hash],
    ) -> Result<Vec<(Hash, &'b [u8])>, Unfit> {
        let entries: Option<Vec<_>> = bundle_entries(bundle).take(width).collect();
        let entries = entries.filter(|entries| entries.len() == width && tile.len() >= width);
        let leaf = |bytes| (leaf_hash(bytes), bytes);
        let leaves: Vec<_> = entries.ok_or(Unfit::Bundle { index, width })?.into_iter().map(leaf).collect();
        let known = self.edge.tile(TileId { level: 0, index });
        let known = known.map_or(&[][..], |tile| tile.hashes());
        let agree = |hashes: &[Hash]| leaves.iter().zip(hashes).all(|((leaf, _), hash)| leaf == hash);
        if agree(tile) && agree(known) { Ok(leaves) } else { Err(Unfit::Tile { level: 0, index }) }
    }

    /// True when so much was taken that it should be saved.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.full.len() >= TILES_PER_BATCH
    }

    /// Saves what was taken, and with it in one write the caller's own notes, whatever they are.
    ///
    /// # Errors
    /// Storage fails.
    pub fn save(&mut self, notes: Vec<u8>) -> Result<(), Fault> {
        self.memory.notes = notes;
        self.commit()
    }

    /// The caller's notes as they were saved last.
    #[must_use]
    pub fn notes(&self) -> &[u8] {
        &self.memory.notes
    }

    /// Whether it is a log of ours: it begins with genesis, so its entries are held to our rules.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.memory.genesis.is_some()
    }

    /// The log's key.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Compares a tile above level 0 with the log's own.
    ///
    /// # Errors
    /// They differ. [`Monitor::forget`] what led there.
    pub fn check(id: TileId, ours: &Tile, theirs: &[Hash]) -> Result<(), Unfit> {
        let same = theirs == ours.hashes();
        if same { Ok(()) } else { Err(Unfit::Tile { level: id.level, index: id.index }) }
    }

    /// The tiles of the right edge above level 0, for [`Monitor::check`] when everything was taken.
    pub fn edge(&self) -> impl Iterator<Item = (TileId, &Arc<Tile>)> {
        self.edge.tiles().filter(|(id, _)| id.level > 0)
    }

    /// Everything of `target` was taken: it is the newest checkpoint verified from now on, unless its entries lead elsewhere.
    /// Saved with the caller's notes.
    ///
    /// # Errors
    /// They do; then what was staged is forgotten. Or storage fails.
    pub fn finish(&mut self, target: Signed, notes: Vec<u8>) -> Result<Option<Misbehaviour>, Stopped> {
        if self.edge.size() != target.checkpoint.size || self.edge.root() != target.checkpoint.root {
            self.forget()?;
            return Err(Unfit::Root { size: target.checkpoint.size }.into());
        }
        self.memory.verify(&target.note);
        self.verified = Some(target);
        self.save(notes)?;
        Ok(self.convicted()?)
    }

    /// What convicts the log among the entries that are verified. Also for whoever was stopped before it was told.
    ///
    /// # Errors
    /// Storage fails.
    pub fn convicted(&self) -> Result<Option<Misbehaviour>, Fault> {
        let size = self.verified_size();
        let Some(suspicion) = self.memory.suspicion.as_ref().filter(|suspicion| suspicion.other.0 < size) else {
            return Ok(None);
        };
        let proof = |(index, bytes): &(u64, Vec<u8>)| self.proof(*index, bytes);
        let Some(genesis) = self.genesis()? else {
            return Err(Fault::corrupt(Table::Meta, &[], "an entry is suspected, and genesis is not there"));
        };
        Ok(Some(suspicion.misbehaviour(genesis, proof(&suspicion.one)?, proof(&suspicion.other)?)))
    }

    /// The entry that opens a log of ours, as far as it was verified.
    ///
    /// # Errors
    /// Storage fails.
    pub fn genesis(&self) -> Result<Option<TlogProof>, Fault> {
        let genesis = self.memory.genesis.as_ref().filter(|_| self.verified_size() > 0);
        genesis.map(|bytes| self.proof(0, bytes)).transpose()
    }

    /// The first entry that bears this tag, as far as the log was verified.
    ///
    /// # Errors
    /// Storage fails.
    pub fn bearer(&self, tag: &Tag) -> Result<Option<TlogProof>, Fault> {
        let first = self.borne_before(tag, self.verified_size())?;
        first.map(|(index, bytes)| self.proof(index, &bytes)).transpose()
    }

    fn verified_size(&self) -> u64 {
        self.verified.as_ref().map_or(0, |signed| signed.checkpoint.size)
    }

    /// Forgets what was staged.
    ///
    /// # Errors
    /// Storage fails.
    pub fn forget(&mut self) -> Result<(), Fault> {
        (self.batch, self.full, self.tags) = Default::default();
        let size = self.verified_size();
        self.edge = rebuild(&*self.store, size)?;
        self.memory.forget_staged(size);
        self.commit()
    }

    /// The entries' proof in the newest checkpoint verified, `entries` being their bytes in order.
    ///
    /// # Errors
    /// Storage fails.
    pub fn range(&self, first: u64, count: u64) -> Result<Vec<Hash>, Fault> {
        let size = self.verified_size();
        proof::range(self, first, count, size)
    }

    /// The proof that `bytes` stand at `index` of the newest checkpoint verified.
    ///
    /// # Errors
    /// Storage fails.
    ///
    /// # Panics
    /// They stand beyond it.
    pub fn proof(&self, index: u64, bytes: &[u8]) -> Result<TlogProof, Fault> {
        let seen = self.verified.as_ref().expect("a checkpoint was verified over this entry");
        let path = proof::inclusion(self, index, seen.checkpoint.size)?;
        Ok(TlogProof { extra: Some(bytes.to_vec()), index, path, checkpoint: seen.note.clone() })
    }

    fn note(&mut self, index: u64, bytes: &[u8], visit: &mut dyn FnMut(Seen<'_>)) -> Result<(), Fault> {
        let decoded = Entry::decode(bytes);
        if index == 0 {
            let is_genesis = |entry: &Entry| (entry.role, entry.kind) == (self.genesis.role, self.genesis.kind);
            self.memory.genesis = decoded.as_ref().is_ok_and(is_genesis).then(|| bytes.to_vec());
        }
        let Some(genesis) = &self.memory.genesis else {
            // A log of somebody else's: its entries mean what it likes.
            visit(Seen { index, bytes, entry: None, newer: None });
            return Ok(());
        };
        let entry = match decoded {
            Ok(entry) => entry,
            // Against no rule that this program could know: the log may be run by a later one.
            Err(NotAnEntry::Version(version)) => {
                visit(Seen { index, bytes, entry: None, newer: Some(version) });
                return Ok(());
            }
            Err(_) => {
                let genesis = (0, genesis.clone());
                self.memory.suspect(|| Suspicion::no_entry(genesis, (index, bytes.to_vec())));
                visit(Seen { index, bytes, entry: None, newer: None });
                return Ok(());
            }
        };
        if let Some((last, last_bytes)) = &self.memory.last
            && entry.time_ms < last.1
        {
            let (one, other) = ((last.0, last_bytes.clone()), (index, bytes.to_vec()));
            self.memory.suspect(|| Suspicion::time_fell(one, other));
        }
        for tag in entry.tags.as_slice() {
            if let Some(first) = self.borne_before(tag, index)? {
                self.memory.suspect(|| Suspicion::tag_twice(first, (index, bytes.to_vec())));
            } else {
                self.batch.put_parts(Table::Tag, &tag.0, &[&index.to_be_bytes(), bytes]);
                self.tags.insert(*tag, (index, bytes.to_vec()));
            }
        }
        let last = self.memory.last.get_or_insert_default();
        last.0 = (index, entry.time_ms);
        last.1.clear(); // the same memory for every entry
        last.1.extend_from_slice(bytes);
        visit(Seen { index, bytes, entry: Some(&entry), newer: None });
        Ok(())
    }

    /// The entry before `index` that bears this tag. A row may be of entries that were staged and forgotten: it counts only
    /// if its entry stands in the tree as it is now.
    fn borne_before(&self, tag: &Tag, index: u64) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        if let Some(first) = self.tags.get(tag) {
            return Ok(Some(first.clone()).filter(|(first, _)| *first < index));
        }
        let Some(row) = read(&*self.store, Table::Tag, &tag.0)? else { return Ok(None) };
        let Some((first, bytes)) = row.split_first_chunk::<8>() else {
            return Err(Fault::corrupt(Table::Tag, &tag.0, "not an index and an entry"));
        };
        let first = u64::from_be_bytes(*first);
        if first >= index {
            return Ok(None);
        }
        let (id, at) = (TileId { level: 0, index: first / TILE_WIDTH }, (first % TILE_WIDTH) as usize);
        let stands = self.tile(id, at + 1)?.hashes()[at] == leaf_hash(bytes);
        Ok(stands.then(|| (first, bytes.to_vec())))
    }

    fn commit(&mut self) -> Result<(), Fault> {
        for (id, tile) in self.edge.tiles() {
            self.batch.put_parts(Table::Tile, &keys::tile(id), &tile.row());
        }
        self.memory.staged = self.edge.size();
        self.memory.store(&mut self.batch);
        self.store.commit(&self.batch)?;
        (self.batch, self.full, self.tags) = Default::default();
        Ok(())
    }
}

impl Tiles for Monitor {
    type Error = Fault;

    fn tile(&self, id: TileId, width: usize) -> Result<Arc<Tile>, Fault> {
        let near = self.edge.tile(id).or_else(|| self.full.get(&id));
        if let Some(tile) = near.filter(|tile| tile.width() >= width) {
            return Ok(tile.clone());
        }
        let row = read(&*self.store, Table::Tile, &keys::tile(id))?.unwrap_or_default();
        let tile = Tile::from_row(&row).filter(|tile| tile.width() >= width);
        let missing = || Fault::corrupt(Table::Tile, &keys::tile(id), "the tile is too narrow or missing");
        tile.map(Arc::new).ok_or_else(missing)
    }
}

fn rebuild(store: &dyn Store, size: u64) -> Result<Edge, Fault> {
    let edge = Edge::rebuild(size, |id, width| {
        let row = read(store, Table::Tile, &keys::tile(id))?.unwrap_or_default();
        let hashes = Tile::split_row(&row).and_then(|(hashes, _)| hashes.get(..width));
        Ok::<_, Fault>(hashes.map(Tile::new))
    });
    edge?.ok_or_else(|| Fault::corrupt(Table::Tile, &[], "the right edge is not there"))
}

/// Why a checkpoint was not judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// It is not one of this log.
    #[error("the log's newest checkpoint is not one: {0}")]
    Bad(#[from] BadCheckpoint),
    /// Our own storage.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why nobody can say whether a log forked.
#[derive(Debug, thiserror::Error)]
pub enum ForkError<E> {
    /// Its tiles cannot be had.
    #[error(transparent)]
    Tiles(E),
    /// They lead nowhere.
    #[error(transparent)]
    Unfit(Unfit),
}
