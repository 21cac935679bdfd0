//! The reading half of an open ledger: tiles, bundles, proofs, receipts, facts.
//!
//! Everything it gives belongs to committed, anchored groups: an index of the store may be one group ahead of what is published,
//! and is read up to there. The right edge comes from memory, full tiles from caches or the store.

use std::{ops::ControlFlow, sync::Arc};

use arc_swap::ArcSwap;
use quick_cache::{Weighter, sync::Cache};

use crate::{
    complete::{self, Lost},
    entry::Tag,
    erasure::KeyRef,
    ledger::parse_head,
    merkle::{EMPTY_ROOT, Hash, TILE_WIDTH, Tile, TileId, tile_width},
    note::VerifierKey,
    proof,
    receipt::{GroupHead, LogIdentity, Receipt, cose},
    sequencer::{Appended, Group, decode_request, parse_key, read_counter},
    store::{Direction, Fault, Store, Table, first, keys, read, scan},
    tile::{bundle_cut, bundle_entries},
};

#[derive(Clone)]
struct TileWeight;

/// A full tile as read, with the nodes that its row keeps: 272 hashes and the vectors that hold them.
const TILE_WEIGHT: u64 = 272 * 32 + 9 * 24 + 64;

impl Weighter<TileId, Arc<Tile>> for TileWeight {
    fn weight(&self, _: &TileId, _: &Arc<Tile>) -> u64 {
        TILE_WEIGHT
    }
}

/// Full tiles above level 0 in memory, 17 KB each with all their nodes. There is one for 65,536 entries, and every proof
/// needs one or more of them: this holds those of 10^8 entries. Beyond it the least used give way.
const UPPER_TILES: u64 = 1600;

/// The reading half of an open ledger. Everything it gives belongs to committed, anchored groups.
pub struct Reader {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) published: Arc<ArcSwap<Group>>,
    pub(crate) identity: LogIdentity,
    /// Full tiles of level 0.
    cache: Option<TileCache>,
    /// Full tiles of the levels above.
    upper: TileCache,
}

type TileCache = Cache<TileId, Arc<Tile>, TileWeight>;

fn tile_cache(bytes: u64) -> TileCache {
    Cache::with_weighter((bytes / TILE_WEIGHT) as usize, bytes, TileWeight)
}

impl Reader {
    /// `cache_bytes` for full tiles of level 0; 0 turns that cache off.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        published: Arc<ArcSwap<Group>>,
        identity: LogIdentity,
        cache_bytes: u64,
    ) -> Self {
        let cache = (cache_bytes > 0).then(|| tile_cache(cache_bytes));
        Self { store, published, identity, cache, upper: tile_cache(UPPER_TILES * TILE_WEIGHT) }
    }

    /// What verifies this log's signatures.
    pub fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    /// The log's key.
    pub fn vkey(&self) -> &VerifierKey {
        &self.identity.note_key
    }

    /// The newest committed state.
    pub fn newest(&self) -> Arc<Group> {
        self.published.load_full()
    }

    /// Entries in the log.
    pub fn size(&self) -> u64 {
        self.published.load().edge().size()
    }

    /// The newest checkpoint as a signed note; `None` before the first entry.
    pub fn checkpoint(&self) -> Option<String> {
        self.published.load().head().map(|head| head.note(&self.identity).to_string())
    }

    /// The first `width` hashes of a tile, if the log has come that far.
    pub fn tile(&self, id: TileId, width: usize) -> Result<Option<Vec<u8>>, Fault> {
        if (tile_width(self.size(), id) as usize) < width {
            return Ok(None);
        }
        let tile = self.tile_at_least(id, width)?;
        Ok(Some(tile.hashes()[..width].as_flattened().to_vec()))
    }

    /// The first `width` entries of a bundle as served, if the log has come that far.
    pub fn bundle(&self, index: u64, width: usize) -> Result<Option<Vec<u8>>, Fault> {
        if (tile_width(self.size(), TileId { level: 0, index }) as usize) < width {
            return Ok(None);
        }
        let key = keys::number(index);
        let row = read(&*self.store, Table::Bundle, &key)?.unwrap_or_default();
        let cut = bundle_cut(&row, width).ok_or_else(|| Fault::corrupt(Table::Bundle, &key, "too few entries"))?;
        Ok(Some(cut.to_vec()))
    }

    /// The bytes of entry `index`.
    pub fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, Fault> {
        if index >= self.size() {
            return Ok(None);
        }
        let key = keys::number(index / TILE_WIDTH);
        let row = read(&*self.store, Table::Bundle, &key)?.unwrap_or_default();
        let entry = bundle_entries(&row).nth((index % TILE_WIDTH) as usize).flatten();
        let entry = entry.ok_or_else(|| Fault::corrupt(Table::Bundle, &key, "too few entries"))?;
        Ok(Some(entry.to_vec()))
    }

    /// The first entry with this digest.
    pub fn find_digest(&self, digest: &Hash) -> Result<Option<u64>, Fault> {
        let size = self.size();
        let row = first(&*self.store, Table::Digest, &keys::hash_number(digest, 0), Direction::Up)?;
        // A row of a group that is not anchored yet is not an answer yet.
        let found = row.and_then(|(key, _)| keys::parse_hash_number(&key));
        Ok(found.filter(|(hash, index)| hash == digest && *index < size).map(|(_, index)| index))
    }

    /// The entry that bears this tag.
    pub fn find_tag(&self, tag: &Tag) -> Result<Option<u64>, Fault> {
        let size = self.size();
        let row = read(&*self.store, Table::Tag, &tag.0)?;
        let index = row.map(|row| index_of(Table::Tag, &tag.0, &row)).transpose()?;
        Ok(index.filter(|index| *index < size))
    }

    /// Entries whose facts and artefacts are lost since this ledger was completed from its public half, ascending.
    pub fn lost(&self) -> Result<Vec<Lost>, Fault> {
        complete::lost(&*self.store.view())
    }

    /// The head of the group that committed entry `index`.
    pub fn group_of(&self, index: u64) -> Result<Option<GroupHead>, Fault> {
        let newest = self.newest();
        match newest.head() {
            Some(head) if index >= head.size => return Ok(None),
            None => return Ok(None),
            Some(head) if index >= head.first => return Ok(Some(head.clone())),
            Some(_) => {}
        }
        let row = first(&*self.store, Table::Group, &keys::number(index + 1), Direction::Up)?;
        row.map(|(key, row)| parse_head(&key, &row)).transpose()
    }

    /// The receipt of entry `index` under the checkpoint of its own group: the same bytes at every call.
    pub fn receipt(&self, index: u64) -> Result<Option<Receipt>, Fault> {
        let newest = self.newest();
        if let Some(receipt) = newest.receipt(index) {
            return Ok(Some(receipt));
        }
        let Some(head) = self.group_of(index)? else { return Ok(None) };
        let Some(entry) = self.entry(index)? else { return Ok(None) };
        let path = proof::inclusion(self, index, head.size)?;
        Ok(Some(Receipt { index, entry, path, head }))
    }

    /// The receipt of entry `index` under the checkpoint of a later group, whose `head` this log committed.
    pub fn receipt_under(&self, index: u64, head: &GroupHead) -> Result<Option<Receipt>, Fault> {
        if index >= head.size {
            return Ok(None);
        }
        let Some(entry) = self.entry(index)? else { return Ok(None) };
        let path = proof::inclusion(self, index, head.size)?;
        Ok(Some(Receipt { index, entry, path, head: head.clone() }))
    }

    /// The head of the group whose checkpoint has this size, if one has.
    pub fn head_of(&self, size: u64) -> Result<Option<GroupHead>, Fault> {
        let Some(last) = size.checked_sub(1) else { return Ok(None) };
        Ok(self.group_of(last)?.filter(|head| head.size == size))
    }

    /// The receipt of entry `appended.first + i`.
    pub fn receipt_of(&self, appended: &Appended, i: u64) -> Result<Option<Receipt>, Fault> {
        let index = appended.first + i;
        match appended.group.as_ref().and_then(|group| group.receipt(index)) {
            Some(receipt) => Ok(Some(receipt)),
            None => self.receipt(index),
        }
    }

    /// Consistency of two sizes, `None` beyond the end of the log.
    pub fn consistency(&self, from: u64, to: u64) -> Result<Option<Vec<Hash>>, Fault> {
        if from > to || to > self.size() {
            return Ok(None);
        }
        proof::consistency(self, from, to).map(Some)
    }

    /// Consistency of two sizes as a COSE receipt. `None` where that has no encoding (size 0, equal sizes), and at a `to`
    /// that was never signed: only where a commit group ends is there a checkpoint.
    pub fn consistency_receipt(&self, from: u64, to: u64) -> Result<Option<Vec<u8>>, Fault> {
        if from == 0 || from >= to {
            return Ok(None);
        }
        let Some(head) = self.head_of(to)? else { return Ok(None) };
        let path = proof::consistency(self, from, to)?;
        Ok(Some(cose::consistency(&self.identity, &head, from, &path)))
    }

    /// The root at an earlier size.
    pub fn root(&self, size: u64) -> Result<Hash, Fault> {
        if size == 0 { Ok(EMPTY_ROOT) } else { proof::root(self, size) }
    }

    /// The fact of entry `index`.
    pub fn fact(&self, index: u64) -> Result<Option<Vec<u8>>, Fault> {
        if index >= self.size() { Ok(None) } else { read(&*self.store, Table::Fact, &keys::number(index)) }
    }

    /// The artefact of entry `index`, unless it was erased or never kept here.
    pub fn artefact(&self, index: u64) -> Result<Option<Vec<u8>>, Fault> {
        if index >= self.size() { Ok(None) } else { read(&*self.store, Table::Artefact, &keys::number(index)) }
    }

    /// A data key, wrapped; `None` where there is none of this name, or it was destroyed.
    pub fn wrapped_key(&self, id: &KeyRef) -> Result<Option<Vec<u8>>, Fault> {
        let size = self.size();
        let Some(row) = read(&*self.store, Table::Key, id)? else { return Ok(None) };
        let (index, wrapped) = parse_key(id, &row)?;
        Ok((index < size).then(|| wrapped.to_vec()))
    }

    /// The snapshot row of an aggregate, as last written with its facts.
    pub fn snapshot(&self, aggregate: &Hash) -> Result<Option<Vec<u8>>, Fault> {
        read(&*self.store, Table::Snapshot, aggregate)
    }

    /// The facts of an aggregate from step `from` on, in order.
    pub fn facts_of(&self, aggregate: &Hash, from: u64) -> Result<Vec<Vec<u8>>, Fault> {
        let size = self.size();
        let view = self.store.view();
        let mut facts = Vec::new();
        scan(&*view, Table::Aggregate, &keys::hash_number(aggregate, from), Direction::Up, |key, row| {
            if !key.starts_with(aggregate) {
                return Ok(ControlFlow::Break(()));
            }
            // Steps follow each other, so what comes behind is not published either.
            if index_of(Table::Aggregate, key, row)? >= size {
                return Ok(ControlFlow::Break(()));
            }
            let missing = || Fault::corrupt(Table::Aggregate, key, "the fact it names is missing");
            facts.push(read(&*view, Table::Fact, row)?.ok_or_else(missing)?);
            Ok::<_, Fault>(ControlFlow::Continue(()))
        })?;
        Ok(facts)
    }

    /// The entry of one step of an aggregate.
    pub fn step_index(&self, aggregate: &Hash, step: u64) -> Result<Option<u64>, Fault> {
        let (size, key) = (self.size(), keys::hash_number(aggregate, step));
        let row = read(&*self.store, Table::Aggregate, &key)?;
        let index = row.map(|row| index_of(Table::Aggregate, &key, &row)).transpose()?;
        Ok(index.filter(|index| *index < size))
    }

    /// The artefact of one step of an aggregate.
    pub fn artefact_of_step(&self, aggregate: &Hash, step: u64) -> Result<Option<Vec<u8>>, Fault> {
        let index = self.step_index(aggregate, step)?;
        Ok(index.map(|index| self.artefact(index)).transpose()?.flatten())
    }

    /// The first entry that answered the request of this idempotency key, and the hash of that request.
    pub fn answered(&self, key: &Hash) -> Result<Option<(u64, Hash)>, Fault> {
        let size = self.size();
        let Some(row) = read(&*self.store, Table::Dedup, key)? else { return Ok(None) };
        let (request, first, _) =
            decode_request(&row).ok_or_else(|| Fault::corrupt(Table::Dedup, key, "not an answered request"))?;
        // Until it is published the sequencer alone knows the answer, and gives it to whoever asks again.
        Ok((first < size).then_some((first, request)))
    }

    /// The newest step of an aggregate and the index of its entry.
    pub fn last_step(&self, aggregate: &Hash) -> Result<Option<(u64, u64)>, Fault> {
        let size = self.size();
        let mut last = None;
        let view = self.store.view();
        scan(&*view, Table::Aggregate, &keys::hash_number(aggregate, u64::MAX), Direction::Down, |key, row| {
            let Some((_, step)) = keys::parse_hash_number(key).filter(|(found, _)| found == aggregate) else {
                return Ok(ControlFlow::Break(()));
            };
            let index = index_of(Table::Aggregate, key, row)?;
            if index >= size {
                return Ok(ControlFlow::Continue(()));
            }
            last = Some((step, index));
            Ok::<_, Fault>(ControlFlow::Break(()))
        })?;
        Ok(last)
    }

    /// Every name that begins with `prefix`, in order and with its entry, until `visit` breaks or fails: one consistent moment.
    pub fn names<E: From<Fault>>(
        &self,
        prefix: &[u8],
        visit: impl FnMut(&[u8], u64) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        self.names_from(prefix, prefix, visit)
    }

    /// The entries of every name that begins with `prefix`, in the order of the names.
    pub fn indexes(&self, prefix: &[u8]) -> Result<Vec<u64>, Fault> {
        let mut indexes = Vec::new();
        self.names::<Fault>(prefix, |_, index| {
            indexes.push(index);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(indexes)
    }

    /// As [`Self::names`], from the name `from` on.
    pub fn names_from<E: From<Fault>>(
        &self,
        prefix: &[u8],
        from: &[u8],
        mut visit: impl FnMut(&[u8], u64) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let size = self.size();
        let view = self.store.view();
        scan(&*view, Table::Name, from.max(prefix), Direction::Up, |name, row| {
            if !name.starts_with(prefix) {
                return Ok(ControlFlow::Break(()));
            }
            match index_of(Table::Name, name, row)? {
                index if index < size => visit(name, index),
                _ => Ok(ControlFlow::Continue(())),
            }
        })
    }

    /// The last name in order that begins with `prefix`, and its entry.
    pub fn last_name(&self, prefix: &[u8]) -> Result<Option<(Vec<u8>, u64)>, Fault> {
        // Behind every name of the prefix: no name is as long.
        let past = [prefix, &[0xFF; 200][..]].concat();
        let size = self.size();
        let mut last = None;
        let view = self.store.view();
        scan(&*view, Table::Name, &past, Direction::Down, |name, row| {
            if !name.starts_with(prefix) {
                return Ok(ControlFlow::Break(()));
            }
            let index = index_of(Table::Name, name, row)?;
            if index >= size {
                return Ok(ControlFlow::Continue(()));
            }
            last = Some((name.to_vec(), index));
            Ok::<_, Fault>(ControlFlow::Break(()))
        })?;
        Ok(last)
    }

    /// A counter as last written; 0 before its first use.
    pub fn counter(&self, name: &str) -> Result<u64, Fault> {
        read_counter(&*self.store, name)
    }

    fn tile_at_least(&self, id: TileId, width: usize) -> Result<Arc<Tile>, Fault> {
        if let Some(tile) = self.published.load().edge().tile(id).filter(|tile| tile.width() >= width) {
            return Ok(tile.clone());
        }
        let cache = if id.level == 0 { self.cache.as_ref() } else { Some(&self.upper) };
        if let Some(tile) = cache.and_then(|cache| cache.get(&id)) {
            return Ok(tile);
        }
        let key = keys::tile(id);
        let row = read(&*self.store, Table::Tile, &key)?.unwrap_or_default();
        let tile = Tile::from_row(&row).filter(|tile| tile.width() >= width);
        let tile = tile.ok_or_else(|| Fault::corrupt(Table::Tile, &key, "the tile is too narrow or missing"))?;
        // Those above level 0 are few and in every path, so their nodes are computed once.
        let tile = Arc::new(if id.level == 0 { tile } else { Tile::new(tile.hashes()) });
        // Only what never changes is kept.
        if let Some(cache) = cache.filter(|_| tile.width() == TILE_WIDTH as usize) {
            cache.insert(id, tile.clone());
        }
        Ok(tile)
    }
}

/// The index that a row is.
fn index_of(table: Table, key: &[u8], row: &[u8]) -> Result<u64, Fault> {
    keys::parse_number(row).ok_or_else(|| Fault::corrupt(table, key, "not an index"))
}

impl proof::Tiles for Reader {
    type Error = Fault;

    fn tile(&self, id: TileId, width: usize) -> Result<Arc<Tile>, Fault> {
        self.tile_at_least(id, width)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{
        anchor::{Advance, Anchor, AnchorError, Anchored, memory::MemoryAnchor},
        sequencer::{Commit, Draft, Idempotency},
        testing::world,
    };

    type Look = Box<dyn FnOnce() + Send>;

    /// At the moment at which the store has a group that nobody may know of yet.
    #[derive(Clone)]
    struct Between(MemoryAnchor, Arc<Mutex<Option<Look>>>);

    impl Anchor for Between {
        fn load(&self) -> Result<Option<Anchored>, AnchorError> {
            self.0.load()
        }

        fn advance(&self, expected: Option<&Anchored>, next: &Anchored) -> Advance {
            if let Some(look) = self.1.lock().unwrap().take() {
                look();
            }
            self.0.advance(expected, next)
        }
    }

    #[test]
    fn what_is_not_published_is_in_no_index() {
        let disk = world::Disk::new();
        let anchor = Between(disk.slots.clone(), Arc::default());
        let asked = Idempotency { key: [7; 32], request: [8; 32] };
        let store: Arc<dyn Store> = Arc::new(disk.rows.clone());
        let ledger = world::open(store, Arc::new(anchor.clone()), &disk.clock, world::log_keys()).unwrap();
        let commit = |seq: u64, idempotency| {
            let mut draft = Draft::of_fact(1, 1, format!("1 1 10000 0 0 0 {seq}").into_bytes());
            (draft.step, draft.names) = (Some(([6; 32], seq)), vec![vec![9, seq as u8]]);
            Commit { idempotency, ..Commit::one(10_000, draft) }
        };
        ledger.append(commit(0, None)).unwrap();
        let reader = ledger.reader().clone();
        let seen = move |reader: &Reader| {
            let answered = reader.answered(&asked.key).unwrap().map(|(first, _)| first);
            let last_name = reader.last_name(&[9]).unwrap().map(|(_, index)| index);
            let steps = (reader.step_index(&[6; 32], 1).unwrap(), reader.last_step(&[6; 32]).unwrap());
            (answered, reader.indexes(&[9]).unwrap(), last_name, steps, reader.facts_of(&[6; 32], 0).unwrap().len())
        };
        let before = (None, vec![0], Some(0), (None, Some((0, 0))), 1);
        let (found, looked) = (Arc::new(Mutex::new(None)), reader.clone());
        let then = found.clone();
        *anchor.1.lock().unwrap() = Some(Box::new(move || *then.lock().unwrap() = Some(seen(&looked))));
        ledger.append(commit(1, Some(asked))).unwrap();
        assert_eq!(found.lock().unwrap().take(), Some(before));
        assert_eq!(seen(&reader), (Some(1), vec![0, 1], Some(1), (Some(1), Some((1, 1))), 2));
    }
}
