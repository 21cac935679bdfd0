//! A stretch of the log, checked by one thread from its entries up.

use std::{collections::HashSet, hash::RandomState};

use super::{Fsck, data_keys, entry::View, finding::Findings, index::Expected, scan::Outcome};
use crate::{
    complete::Lost,
    erasure::KeyRef,
    ledger::parse_head,
    merkle::{Hash, KEPT_NODES, TILE_WIDTH, Tile, TileId, leaf_hash, node_hash, root_of, sha256, tile_width},
    receipt::{GroupHead, cose},
    store::{Table, keys},
    tile::bundle_entries,
};

/// Bundles in a stretch: 16,384 entries, a few milliseconds of work and about two megabytes of notes.
pub(super) const CHUNK_BUNDLES: u64 = 64;

/// What a stretch says to the check of the whole tree.
pub(super) struct Chunk {
    /// Root of each of its full bundles' tiles; `None` where neither bundle nor tile can be read.
    pub(super) roots: Vec<Option<Hash>>,
    /// The groups that end in it, by size.
    pub(super) groups: Vec<GroupEnd>,
    /// False when the group table could not be read to the end of the stretch.
    pub(super) groups_whole: bool,
}

/// A group, and the root over the entries of its last, partial bundle.
pub(super) struct GroupEnd {
    pub(super) head: GroupHead,
    pub(super) partial: Partial,
}

/// The right end of a tree of some size.
#[derive(Clone, Copy)]
pub(super) enum Partial {
    /// The size is a multiple of 256.
    None,
    /// Root over the last `size mod 256` entries.
    Root(Hash),
    /// They cannot be read.
    Unknown,
}

/// One thread's working memory, used for stretch after stretch.
pub(super) struct Worker<'f, 'a> {
    fsck: &'f Fsck<'a>,
    findings: &'f Findings,
    size: u64,
    /// Entries whose facts are known to be lost.
    lost: &'f [Lost],
    /// Data keys that erasures tell of.
    destroyed: Option<&'f HashSet<KeyRef>>,
    hasher: &'f RandomState,
    pub(super) expected: Expected,
    /// By position in the stretch.
    entries: Vec<Noted>,
    leaves: Vec<Hash>,
    /// By bundle of the stretch: are its leaves known?
    known: Vec<bool>,
    /// By bundle of the stretch: the nodes that its full tile's row keeps, beside its hashes.
    kept: Vec<Option<[Hash; KEPT_NODES]>>,
    /// By position: an artefact with the entry's digest was found.
    released: Vec<bool>,
}

/// What is remembered of an entry while its stretch is checked.
#[derive(Clone, Copy, Default)]
struct Noted {
    decoded: bool,
    role: u64,
    kind: u64,
    time_ms: u64,
    digest: Hash,
}

impl<'f, 'a> Worker<'f, 'a> {
    pub(super) fn new(
        fsck: &'f Fsck<'a>,
        findings: &'f Findings,
        size: u64,
        lost: &'f [Lost],
        destroyed: Option<&'f HashSet<KeyRef>>,
        hasher: &'f RandomState,
    ) -> Self {
        Self {
            fsck,
            findings,
            size,
            lost,
            destroyed,
            hasher,
            expected: Expected::new(fsck.full.is_some()),
            entries: Vec::new(),
            leaves: Vec::new(),
            known: Vec::new(),
            kept: Vec::new(),
            released: Vec::new(),
        }
    }

    /// Checks the bundles `first..end`.
    pub(super) fn check(&mut self, first: u64, end: u64) -> Chunk {
        self.bundles(first, end);
        self.tiles(first, end);
        let full = (first..end).filter(|index| self.width(*index) == TILE_WIDTH as usize);
        let roots = full.map(|index| self.known[(index - first) as usize].then(|| self.root(first, index))).collect();
        let (groups, groups_whole) = self.groups(first, end);
        if self.fsck.full.is_some() {
            self.artefacts_and_facts(first, end);
        }
        self.fsck.advance((end * TILE_WIDTH).min(self.size) - first * TILE_WIDTH);
        Chunk { roots, groups, groups_whole }
    }

    /// The root of a full tile; the nodes on the way that its row keeps are compared.
    fn root(&self, first: u64, index: u64) -> Hash {
        let runs = self.leaves_of(first, index).chunks_exact(TILE_WIDTH as usize / KEPT_NODES);
        let nodes: Vec<Hash> = runs.map(root_of).collect();
        if self.kept[(index - first) as usize].is_some_and(|kept| kept.as_slice() != nodes) {
            self.findings.row(Table::Tile, &keys::tile(TileId { level: 0, index }), WRONG_KEPT);
        }
        root_of(&nodes)
    }

    fn width(&self, bundle: u64) -> usize {
        tile_width(self.size, TileId { level: 0, index: bundle }) as usize
    }

    fn leaves_of(&self, first: u64, bundle: u64) -> &[Hash] {
        let at = ((bundle - first) * TILE_WIDTH) as usize;
        &self.leaves[at..at + self.width(bundle)]
    }

    /// Entries: decoding, leaf hashes, tags.
    fn bundles(&mut self, first: u64, end: u64) {
        let length = ((end - first) * TILE_WIDTH) as usize;
        self.entries.clear();
        self.entries.resize(length, Noted::default());
        self.leaves.resize(length, [0; 32]);
        self.known.clear();
        self.known.resize((end - first) as usize, false);
        let (fsck, findings) = (self.fsck, self.findings);
        let mut next = first;
        let missing = |from: u64, to: u64| {
            (from..to).for_each(|index| {
                findings.row(Table::Bundle, &keys::number(index), "the bundle is missing or unreadable")
            });
        };
        let outcome = fsck.rows(
            findings,
            Table::Bundle,
            start_of(first, &keys::number(first)),
            Some(&keys::number(end)),
            |key, bundle| {
                let Some(index) = keys::parse_number(key).filter(|index| (first..end).contains(index)) else {
                    return findings.row(Table::Bundle, key, "the key is not a bundle's number");
                };
                missing(next, index);
                next = index + 1;
                self.bundle(key, (index - first) as usize, index, bundle);
            },
        );
        if outcome == Outcome::Whole {
            missing(next, end);
        }
    }

    fn bundle(&mut self, key: &[u8], at: usize, index: u64, bundle: &[u8]) {
        let (width, start) = (self.width(index), at * TILE_WIDTH as usize);
        let mut count = 0;
        for bytes in bundle_entries(bundle) {
            let number = index * TILE_WIDTH + count as u64;
            let Some(bytes) = bytes else {
                return self.findings.row(Table::Bundle, key, format!("entry {number} is cut short"));
            };
            if count == width {
                return self.findings.row(
                    Table::Bundle,
                    key,
                    format!("more entries than the {width} of the log's size"),
                );
            }
            self.leaves[start + count] = leaf_hash(bytes);
            match View::decode(bytes) {
                None => {
                    self.findings.row(Table::Bundle, key, format!("entry {number} is not an entry in its one encoding"))
                }
                Some(view) => {
                    for tag in view.tags() {
                        self.expected.tags.add(self.hasher, tag, number);
                    }
                    if let Some(digests) = &mut self.expected.digests {
                        digests.add(self.hasher, &keys::hash_number(view.digest, number), number);
                    }
                    let (role, kind, time_ms) = (view.role, view.kind, view.time_ms);
                    self.entries[start + count] = Noted { decoded: true, role, kind, time_ms, digest: *view.digest };
                }
            }
            count += 1;
        }
        if count < width {
            return self.findings.row(
                Table::Bundle,
                key,
                format!("{count} entries where the log's size needs {width}"),
            );
        }
        self.known[at] = true;
    }

    /// Tiles of level 0 are exactly the leaf hashes. Where a bundle cannot be read, its tile stands in, so that one bad
    /// row does not hide the rest of the tree.
    fn tiles(&mut self, first: u64, end: u64) {
        let key = |index| keys::tile(TileId { level: 0, index });
        let (fsck, findings) = (self.fsck, self.findings);
        self.kept.clear();
        self.kept.resize((end - first) as usize, None);
        let mut next = first;
        let missing = |from: u64, to: u64| {
            (from..to).for_each(|index| findings.row(Table::Tile, &key(index), "the tile is missing or unreadable"));
        };
        let outcome =
            fsck.rows(findings, Table::Tile, start_of(first, &key(first)), Some(&key(end)), |row_key, tile| {
                let id = keys::parse_tile(row_key).filter(|id| id.level == 0 && (first..end).contains(&id.index));
                let Some(TileId { index, .. }) = id else {
                    return findings.row(Table::Tile, row_key, "the key is not a tile's name");
                };
                missing(next, index);
                next = index + 1;
                let (at, width) = ((index - first) as usize, self.width(index));
                let start = at * TILE_WIDTH as usize;
                let Some((hashes, kept)) = Tile::split_row(tile).filter(|(hashes, _)| hashes.len() == width) else {
                    return findings.row(Table::Tile, row_key, wrong_length(tile, width));
                };
                self.kept[at] = kept.try_into().ok();
                if !self.known[at] {
                    self.leaves[start..start + width].copy_from_slice(hashes);
                    self.known[at] = true;
                } else if let Some(i) = (0..width).find(|i| hashes[*i] != self.leaves[start + i]) {
                    let entry = index * TILE_WIDTH + i as u64;
                    // The nodes are those of these hashes, which differ already.
                    self.kept[at] = None;
                    findings.row(Table::Tile, row_key, format!("hash {i} is not the leaf hash of entry {entry}"));
                }
            });
        if outcome == Outcome::Whole {
            missing(next, end);
        }
    }

    /// Groups that end in the stretch; times of its entries.
    fn groups(&mut self, first: u64, end: u64) -> (Vec<GroupEnd>, bool) {
        let (from, to) = (first * TILE_WIDTH, (end * TILE_WIDTH).min(self.size));
        let (mut groups, mut last_tile) = (Vec::new(), None);
        let (fsck, findings, size) = (self.fsck, self.findings, self.size);
        let past = keys::number(to + 1);
        let outcome =
            fsck.rows(findings, Table::Group, start_of(first, &keys::number(from + 1)), Some(&past), |key, row| {
                let Ok(head) = parse_head(key, row) else {
                    return findings.row(Table::Group, key, "not a group's head");
                };
                self.times(from, to, &head);
                if fsck.full.is_some() {
                    check_signatures(fsck, findings, &head);
                }
                let partial = self.partial(first, head.size, &mut last_tile);
                groups.push(GroupEnd { head, partial });
            });
        // The entries at the end of the stretch belong to a group that ends beyond it; its row is told where it ends.
        if to < size && groups.last().is_none_or(|group| group.head.size < to) {
            let mut next = None;
            let _ = fsck.store.scan(Table::Group, &past, crate::store::Direction::Up, &mut |key, stored| {
                let row = crate::store::unseal(Table::Group, key, stored);
                next = row.ok().and_then(|row| parse_head(key, row).ok());
                if next.is_some() { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
            });
            if let Some(head) = next {
                self.times(from, to, &head);
            }
        }
        (groups, outcome == Outcome::Whole)
    }

    /// Every entry of a group has the group's time. (That the times of groups do not fall is seen where they are chained.)
    fn times(&self, from: u64, to: u64, head: &GroupHead) {
        for entry in head.first.max(from)..head.size.min(to) {
            let noted = &self.entries[(entry - from) as usize];
            if noted.decoded && noted.time_ms != head.time_ms {
                let what = format!("entry {entry} has the time {}, its group {}", noted.time_ms, head.time_ms);
                self.findings.row(Table::Bundle, &keys::number(entry / TILE_WIDTH), what);
            }
        }
    }

    /// The root over the last, partial bundle of a tree of `size` entries; `last_tile` keeps the interior of a tile in
    /// which several groups end.
    fn partial(&self, first: u64, size: u64, last_tile: &mut Option<(u64, Tile)>) -> Partial {
        let (bundle, width) = (size / TILE_WIDTH, (size % TILE_WIDTH) as usize);
        if width == 0 {
            return Partial::None;
        }
        if !self.known[(bundle - first) as usize] {
            return Partial::Unknown;
        }
        if last_tile.as_ref().is_none_or(|(held, _)| *held != bundle) {
            *last_tile = Some((bundle, Tile::new(self.leaves_of(first, bundle))));
        }
        let tile = &last_tile.as_ref().expect("set above").1;
        fold(None, tile, width).map_or(Partial::None, Partial::Root)
    }

    /// `--full`: the fact of every entry, and its artefact where one is kept.
    fn artefacts_and_facts(&mut self, first: u64, end: u64) {
        let Some(full) = &self.fsck.full else { return };
        let (from, to) = (first * TILE_WIDTH, (end * TILE_WIDTH).min(self.size));
        let (start, stop) = (keys::number(from), keys::number(to));
        self.released.clear();
        self.released.resize((to - from) as usize, false);
        let (fsck, findings, entries) = (self.fsck, self.findings, &self.entries);
        let position = |table, key: &[u8]| {
            let index = keys::parse_number(key).filter(|index| (from..to).contains(index));
            if index.is_none() {
                findings.row(table, key, "the key is not an entry's index");
            }
            index.map(|index| (index, (index - from) as usize))
        };

        let (released, expected) = (&mut self.released, &mut self.expected);
        let artefacts = fsck.rows(findings, Table::Artefact, start_of(first, &start), Some(&stop), |key, artefact| {
            let Some((index, at)) = position(Table::Artefact, key) else { return };
            released[at] = true;
            if let Some(under) = full.facts.sealed_under(artefact) {
                data_keys::used(fsck, findings, self.destroyed, (under, index), self.hasher, &mut expected.keys);
            }
            if entries[at].decoded && sha256(artefact) != entries[at].digest {
                findings.row(Table::Artefact, key, "its SHA-256 is not the digest of its entry");
            }
        });

        let (mut next, mut told) = (from, 0);
        let lost = self.lost;
        let is_lost = |index: u64| lost.iter().any(|(first, end)| (*first..*end).contains(&index));
        let missing = |from: u64, to: u64| {
            (from..to)
                .filter(|index| !is_lost(*index))
                .for_each(|index| findings.row(Table::Fact, &keys::number(index), "the fact is missing or unreadable"));
        };
        let facts = fsck.rows(findings, Table::Fact, start_of(first, &start), Some(&stop), |key, fact| {
            let Some((index, at)) = position(Table::Fact, key) else { return };
            missing(next, index);
            next = index + 1;
            let (noted, released) = (&entries[at], released[at]);
            if noted.decoded && !released && artefacts == Outcome::Whole && sha256(fact) != noted.digest {
                let what = "the entry's digest is not that of the fact, and the artefact is missing";
                findings.row(Table::Artefact, key, what);
            }
            match full.facts.read(fact) {
                Err(why) => findings.untold(Table::Fact, key, why),
                Ok(view) => {
                    told += 1;
                    if noted.decoded {
                        check_fact(findings, key, noted, &view, full.mmd_ms);
                    }
                    if let (Some(steps), Some((aggregate, step))) = (&mut expected.steps, view.step) {
                        steps.add(self.hasher, &keys::hash_number(&aggregate, step), index);
                    }
                    if let Some(names) = &mut expected.names {
                        view.names.iter().for_each(|name| names.add(self.hasher, name, index));
                    }
                    if let Some((name, least)) = view.counter {
                        let held = expected.counters.entry(name).or_default();
                        *held = (*held).max(least);
                    }
                }
            }
        });
        if facts == Outcome::Whole {
            missing(next, to);
        }
        let lost_here: u64 = lost.iter().map(|(first, end)| (*end).min(to).saturating_sub((*first).max(from))).sum();
        expected.facts_whole &= told + lost_here == to - from;
    }
}

/// What is said of a tile's row whose hashes are right and whose kept nodes are not.
pub(super) const WRONG_KEPT: &str = "a node that it keeps is not the root of its sixteen hashes";

/// What is said of a tile's row that has not the length of its width.
pub(super) fn wrong_length(row: &[u8], width: usize) -> String {
    let kept = if width == TILE_WIDTH as usize { format!(" and {KEPT_NODES} nodes") } else { String::new() };
    format!("{} bytes where {width} hashes{kept} of 32 are due", row.len())
}

/// Where the rows of a stretch begin: the first stretch also takes whatever stands before the first key there can be.
fn start_of(first: u64, key: &[u8]) -> &[u8] {
    if first == 0 { &[] } else { key }
}

/// What fact and entry must have in common.
fn check_fact(findings: &Findings, key: &[u8], entry: &Noted, fact: &super::FactView, mmd_ms: u64) {
    if (fact.role, fact.kind) != (entry.role, entry.kind) {
        let what =
            format!("the fact is of role {} kind {}, its entry of {} {}", fact.role, fact.kind, entry.role, entry.kind);
        findings.row(Table::Fact, key, what);
    }
    if fact.now_ms > entry.time_ms || fact.now_ms.saturating_add(mmd_ms) < entry.time_ms {
        let what = format!(
            "decided at {}, which is not within {mmd_ms} ms before its entry's time {}",
            fact.now_ms, entry.time_ms
        );
        findings.row(Table::Fact, key, what);
    }
}

/// Both signatures of a group.
pub(super) fn check_signatures(fsck: &Fsck<'_>, findings: &Findings, head: &GroupHead) {
    let key = keys::number(head.size);
    let own = std::slice::from_ref(&fsck.identity.note_key);
    let note = head.note(fsck.identity).to_string();
    if crate::checkpoint::Checkpoint::verify(&note, own, fsck.verifier).is_err() {
        findings.row(Table::Group, &key, "the signature of its checkpoint is not one of this log's key");
    }
    if !cose::verify_head(fsck.identity, head, fsck.verifier) {
        findings.row(Table::Group, &key, "the signature of its COSE receipts is not one of this log's receipt key");
    }
}

/// The first `width` hashes of `tile`, folded from the right onto `right` (RFC 6962 §2.1: the smallest complete subtrees
/// come last).
pub(super) fn fold(mut right: Option<Hash>, tile: &Tile, width: usize) -> Option<Hash> {
    for j in 0..8 {
        if width >> j & 1 == 1 {
            let node = tile.node(j, (width >> j) - 1).expect("the bit says that this subtree is complete");
            right = Some(right.map_or(node, |right| node_hash(&node, &right)));
        }
    }
    right
}
