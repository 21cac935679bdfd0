//! Building one commit group in memory, and what is left of it for its receipts.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{Appended, Commit, Idempotency, Refused, RoleRow, Waiting};
use crate::{
    entry::{Entry, Tag},
    erasure::KeyRef,
    merkle::{Edge, Hash, TILE_WIDTH, Tile, TileId, leaf_hash},
    proof,
    receipt::{GroupHead, Receipt},
    store::{Fault, Store, Table, keys, read},
    tile::{bundle_entries, bundle_push},
};

/// The tiles that a group made full.
pub(crate) type Tiles = BTreeMap<TileId, Arc<Tile>>;

/// The entry bundles that a group wrote to, the last one perhaps partial.
pub(crate) type Bundles = BTreeMap<u64, Vec<u8>>;

/// The log as one commit group left it: enough to make every receipt of the group without a disk.
#[derive(Debug)]
pub struct Group {
    /// `None` before the first entry.
    head: Option<GroupHead>,
    edge: Edge,
    tiles: Tiles,
    bundles: Bundles,
}

impl Group {
    pub(crate) fn new(head: GroupHead, edge: Edge, tiles: Tiles, bundles: Bundles) -> Self {
        Self { head: Some(head), edge, tiles, bundles }
    }

    /// A log without entries.
    pub(crate) fn empty() -> Self {
        Self { head: None, edge: Edge::default(), tiles: Tiles::new(), bundles: Bundles::new() }
    }

    /// The log as found at the start: `bundle` is its last, partial one.
    pub(crate) fn reopened(head: GroupHead, edge: Edge, bundle: Option<Vec<u8>>) -> Self {
        let bundles = bundle.map(|bundle| (head.size / TILE_WIDTH, bundle)).into_iter().collect();
        Self { head: Some(head), edge, tiles: Tiles::new(), bundles }
    }

    /// The signed head.
    pub fn head(&self) -> Option<&GroupHead> {
        self.head.as_ref()
    }

    /// The right edge.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The receipt of an entry of this group.
    pub fn receipt(&self, index: u64) -> Option<Receipt> {
        let head = self.head.as_ref().filter(|head| (head.first..head.size).contains(&index))?;
        let bundle = self.bundles.get(&(index / TILE_WIDTH))?;
        let entry = bundle_entries(bundle).nth((index % TILE_WIDTH) as usize)??.to_vec();
        let path = proof::inclusion(self, index, head.size).ok()?;
        Some(Receipt { index, entry, path, head: head.clone() })
    }

    /// The last bundle, if it is partial.
    pub(crate) fn partial_bundle(&self) -> Option<Vec<u8>> {
        if self.edge.size().is_multiple_of(TILE_WIDTH) {
            return None;
        }
        self.bundles.get(&(self.edge.size() / TILE_WIDTH)).cloned()
    }
}

/// A tile that this group does not hold.
#[derive(Debug)]
pub struct NotHeld;

impl proof::Tiles for Group {
    type Error = NotHeld;

    fn tile(&self, id: TileId, _: usize) -> Result<Arc<Tile>, NotHeld> {
        self.tiles.get(&id).or_else(|| self.edge.tile(id)).cloned().ok_or(NotHeld)
    }
}

/// What became of each commit, and what is to be written.
pub(crate) struct Built {
    /// One for each commit, in order; `group` is filled in later.
    pub(crate) outcomes: Vec<Result<Appended, Refused>>,
    /// Position in the group and index of the first entry, for each commit that is written.
    pub(crate) accepted: Vec<(usize, u64)>,
    pub(crate) tiles: Tiles,
    pub(crate) bundles: Bundles,
    pub(crate) edge: Edge,
}

/// Step 2: what a group will hold.
pub(crate) struct Building<'a> {
    before: &'a Group,
    /// The group's time, or why it has none: then only repetitions are answered.
    time: Result<u64, Refused>,
    mmd_ms: u64,
    next: u64,
    outcomes: Vec<Result<Appended, Refused>>,
    accepted: Vec<(usize, u64)>,
    tags: HashMap<Tag, u64>,
    steps: HashMap<(Hash, u64), u64>,
    requests: HashMap<Hash, (Hash, u64, u64)>,
    keys: HashMap<KeyRef, u64>,
}

impl<'a> Building<'a> {
    pub(crate) fn new(before: &'a Group, time: Result<u64, Refused>, mmd_ms: u64) -> Self {
        Self {
            before,
            time,
            mmd_ms,
            next: before.edge.size(),
            outcomes: Vec::new(),
            accepted: Vec::new(),
            tags: HashMap::new(),
            steps: HashMap::new(),
            requests: HashMap::new(),
            keys: HashMap::new(),
        }
    }

    /// Takes commit `i` in or refuses it, whole.
    pub(crate) fn consider(&mut self, i: usize, commit: &Commit, store: &dyn Store) -> Result<(), Fault> {
        let outcome = self.judge(commit, store)?.map(|()| {
            let (first, count) = (self.next, commit.drafts.len() as u64);
            for (index, draft) in (first..).zip(&commit.drafts) {
                self.tags.extend(draft.tags.as_slice().iter().map(|tag| (*tag, index)));
                self.steps.extend(draft.step.map(|step| (step, index)));
            }
            if let Some(Idempotency { key, request }) = commit.idempotency {
                self.requests.insert(key, (request, first, count));
            }
            for (Idempotency { key, request }, draft, count) in answered(commit) {
                self.requests.insert(key, (request, first + draft, count));
            }
            self.keys.extend(data_keys(commit).map(|(key, draft)| (key, first + draft)));
            self.accepted.push((i, first));
            self.next += count;
            Appended { first, count, replayed: false, group: None }
        });
        self.outcomes.push(outcome.or_else(|instead| instead));
        Ok(())
    }

    /// `Ok(())` to take it; else the answer it gets instead.
    #[allow(clippy::type_complexity, reason = "a fault, or an answer, or go on")]
    fn judge(&self, commit: &Commit, store: &dyn Store) -> Result<Result<(), Result<Appended, Refused>>, Fault> {
        assert!(!commit.drafts.is_empty(), "a commit holds at least one fact");
        // A repetition first: it is answered whatever the time.
        if let Some(Idempotency { key, request }) = &commit.idempotency {
            let earlier = match self.requests.get(key) {
                Some(earlier) => Some(*earlier),
                None => read_request(store, key)?,
            };
            if let Some((earlier, first, count)) = earlier {
                return Ok(Err(match earlier == *request {
                    true => Ok(Appended { first, count, replayed: true, group: None }),
                    false => Err(Refused::KeyReused { index: first }),
                }));
            }
        }
        let mut own_requests = HashMap::new();
        for (Idempotency { key, .. }, draft, _) in answered(commit) {
            let earlier = match self.requests.get(&key) {
                Some((_, index, _)) => Some(*index),
                None => own_requests.insert(key, self.next + draft),
            };
            let earlier = match earlier {
                Some(index) => Some(index),
                None => read_request(store, &key)?.map(|(_, index, _)| index),
            };
            if let Some(index) = earlier {
                return Ok(Err(Err(Refused::KeyReused { index })));
            }
        }
        let entry_ms = match &self.time {
            Ok(time_ms) => *time_ms,
            Err(refused) => return Ok(Err(Err(refused.clone()))),
        };
        if commit.now_ms > entry_ms || commit.now_ms + self.mmd_ms < entry_ms {
            return Ok(Err(Err(Refused::Stale { now_ms: commit.now_ms, entry_ms })));
        }
        let mut own_tags = HashMap::new();
        let mut own_steps = HashMap::new();
        for (index, draft) in (self.next..).zip(&commit.drafts) {
            for tag in draft.tags.as_slice() {
                let seen = match self.tags.get(tag).copied().or_else(|| own_tags.insert(*tag, index)) {
                    Some(index) => Some(index),
                    None => read_index(store, Table::Tag, &tag.0)?,
                };
                if let Some(index) = seen {
                    return Ok(Err(Err(Refused::TagSeen { tag: *tag, index })));
                }
            }
            if let Some(step) = draft.step {
                let taken = match self.steps.get(&step).copied().or_else(|| own_steps.insert(step, index)) {
                    Some(index) => Some(index),
                    None => read_index(store, Table::Aggregate, &keys::hash_number(&step.0, step.1))?,
                };
                if let Some(index) = taken {
                    return Ok(Err(Err(Refused::StepTaken { step: step.1, index })));
                }
            }
        }
        let mut own_keys = HashMap::new();
        for (key, draft) in data_keys(commit) {
            let taken = match self.keys.get(&key).copied().or_else(|| own_keys.insert(key, self.next + draft)) {
                Some(index) => Some(index),
                None => match read(store, Table::Key, &key)? {
                    Some(row) => Some(parse_key(&key, &row)?.0),
                    None => None,
                },
            };
            if let Some(index) = taken {
                return Ok(Err(Err(Refused::KeyTaken { key, index })));
            }
        }
        Ok(Ok(()))
    }

    /// Step 3: entries, bundles, tiles and the new edge.
    pub(crate) fn build(self, group: &[Waiting]) -> Built {
        let (mut edge, mut tiles) = (self.before.edge.clone(), Tiles::new());
        let mut bundles: Bundles =
            self.before.partial_bundle().map(|bundle| (edge.size() / TILE_WIDTH, bundle)).into_iter().collect();
        let mut index = edge.size();
        // Without a time nothing was accepted.
        let time_ms = self.time.unwrap_or_default();
        for (i, _) in &self.accepted {
            for draft in &group[*i].commit.drafts {
                let entry = Entry {
                    role: draft.role,
                    kind: draft.kind,
                    time_ms,
                    digest: draft.digest,
                    tags: draft.tags.clone(),
                }
                .encode();
                bundle_push(bundles.entry(index / TILE_WIDTH).or_default(), &entry);
                edge.push(leaf_hash(&entry), |id, tile| {
                    tiles.insert(id, tile);
                });
                index += 1;
            }
        }
        Built { outcomes: self.outcomes, accepted: self.accepted, tiles, bundles, edge }
    }
}

/// The requests that facts of a commit answer, with the place of the first of these facts and their number.
fn answered(commit: &Commit) -> impl Iterator<Item = (Idempotency, u64, u64)> {
    commit.rows.iter().filter_map(|row| match row {
        RoleRow::Answered { request, draft, count } => Some((*request, *draft as u64, *count as u64)),
        RoleRow::Snapshot { .. } | RoleRow::Counter { .. } | RoleRow::Key { .. } | RoleRow::Erased { .. } => None,
    })
}

/// The data keys that come with a commit, each with the place of its fact.
fn data_keys(commit: &Commit) -> impl Iterator<Item = (KeyRef, u64)> {
    commit.rows.iter().filter_map(|row| match row {
        RoleRow::Key { draft, id, .. } => Some((*id, *draft as u64)),
        RoleRow::Snapshot { .. } | RoleRow::Counter { .. } | RoleRow::Answered { .. } | RoleRow::Erased { .. } => None,
    })
}

/// Takes back what rests on the entries from `first` on, which were not written after all: the commits that were accepted,
/// their repetitions, and refusals in their favour. What rests on older entries stands.
pub(crate) fn withdraw(outcomes: &mut [Result<Appended, Refused>], first: u64, refused: &Refused) {
    for outcome in outcomes {
        let rests_on = match &*outcome {
            Ok(appended) => Some(appended.first),
            Err(
                Refused::TagSeen { index, .. }
                | Refused::StepTaken { index, .. }
                | Refused::KeyReused { index }
                | Refused::KeyTaken { index, .. },
            ) => Some(*index),
            Err(_) => None,
        };
        if rests_on.is_some_and(|index| index >= first) {
            *outcome = Err(refused.clone());
        }
    }
}

fn read_index(store: &dyn Store, table: Table, key: &[u8]) -> Result<Option<u64>, Fault> {
    let Some(row) = read(store, table, key)? else { return Ok(None) };
    keys::parse_number(&row).map(Some).ok_or_else(|| Fault::corrupt(table, key, "not an index"))
}

fn read_request(store: &dyn Store, key: &Hash) -> Result<Option<(Hash, u64, u64)>, Fault> {
    let Some(row) = read(store, Table::Dedup, key)? else { return Ok(None) };
    decode_request(&row).map(Some).ok_or_else(|| Fault::corrupt(Table::Dedup, key, "not an answered request"))
}

/// Row of [`Table::Dedup`]: first index, count, request hash.
pub(crate) fn decode_request(row: &[u8]) -> Option<(Hash, u64, u64)> {
    let (first, rest) = row.split_first_chunk::<8>()?;
    let (count, request) = rest.split_first_chunk::<8>()?;
    Some((request.try_into().ok()?, u64::from_be_bytes(*first), u64::from_be_bytes(*count)))
}

/// Row of [`Table::Key`]: the entry that the key came with, and the key as wrapped.
pub(crate) fn parse_key<'r>(key: &[u8], row: &'r [u8]) -> Result<(u64, &'r [u8]), Fault> {
    let read = row.split_first_chunk::<8>().filter(|(_, wrapped)| key.len() == 16 && !wrapped.is_empty());
    let (index, wrapped) = read.ok_or_else(|| Fault::corrupt(Table::Key, key, "not a data key"))?;
    Ok((u64::from_be_bytes(*index), wrapped))
}

/// Length of a group row: first, size, root, time, two signatures.
const HEAD_BYTES: usize = 8 + 8 + 32 + 8 + 64 + 64;

/// Row of [`Table::Group`].
pub(crate) fn encode_head(head: &GroupHead) -> Vec<u8> {
    let mut row = Vec::with_capacity(HEAD_BYTES);
    row.extend_from_slice(&head.first.to_be_bytes());
    row.extend_from_slice(&head.size.to_be_bytes());
    row.extend_from_slice(&head.root);
    row.extend_from_slice(&head.time_ms.to_be_bytes());
    row.extend_from_slice(&head.note_signature);
    row.extend_from_slice(&head.receipt_signature);
    row
}

/// Reads [`encode_head`] back.
pub(crate) fn decode_head(row: &[u8]) -> Option<GroupHead> {
    if row.len() != HEAD_BYTES {
        return None;
    }
    let number = |at: usize| Some(u64::from_be_bytes(row[at..at + 8].try_into().ok()?));
    Some(GroupHead {
        first: number(0)?,
        size: number(8)?,
        root: row[16..48].try_into().ok()?,
        time_ms: number(48)?,
        note_signature: row[56..120].try_into().ok()?,
        receipt_signature: row[120..184].try_into().ok()?,
    })
}
