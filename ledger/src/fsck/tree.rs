//! The whole tree and the chain of groups, put together from the stretches in the order of the log.

use super::{
    Fsck,
    chunk::{Chunk, GroupEnd, Partial, WRONG_KEPT, fold, wrong_length},
    finding::Findings,
};
use crate::{
    merkle::{EMPTY_ROOT, Edge, Hash, TILE_WIDTH, Tile, TileId, level_width, root_of},
    receipt::GroupHead,
    store::{Table, keys, read},
};

/// The tree above level 0, grown from the roots of the tiles of level 0.
pub(super) struct Tree<'f, 'a> {
    fsck: &'f Fsck<'a>,
    findings: &'f Findings,
    size: u64,
    /// Its leaves are the roots of the tiles of level 0, so its level L is the log's level L + 1.
    upper: Edge,
    /// Bundles taken so far.
    bundles: u64,
    /// False once a stretch of level 0 is unknown: no root beyond it can be told.
    known: bool,
    newest: Option<GroupHead>,
    groups: u64,
    /// The table of groups could be read to its end; if not, a group that was not seen is not missing.
    groups_whole: bool,
    /// One bit for each size at which a group ends.
    pub(super) ends: Bits,
}

impl<'f, 'a> Tree<'f, 'a> {
    pub(super) fn new(fsck: &'f Fsck<'a>, findings: &'f Findings, size: u64) -> Self {
        let ends = Bits::new(if fsck.full.is_some() { size + 1 } else { 0 });
        Self {
            fsck,
            findings,
            size,
            upper: Edge::default(),
            bundles: 0,
            known: true,
            newest: None,
            groups: 0,
            groups_whole: true,
            ends,
        }
    }

    /// Takes the next stretch.
    pub(super) fn take(&mut self, chunk: Chunk) {
        self.groups_whole &= chunk.groups_whole;
        let mut groups = chunk.groups.into_iter().peekable();
        for root in chunk.roots {
            while let Some(group) = groups.next_if(|group| group.head.size / TILE_WIDTH == self.bundles) {
                self.group(group);
            }
            self.bundles += 1;
            match root {
                Some(root) if self.known => self.push(root),
                Some(_) => {}
                None => self.lose(),
            }
        }
        groups.for_each(|group| self.group(group));
    }

    fn lose(&mut self) {
        if std::mem::replace(&mut self.known, false) {
            let what = format!(
                "neither these entries nor their tile can be read: no root from size {} on can be told",
                self.bundles * TILE_WIDTH
            );
            self.findings.untold(Table::Bundle, &keys::number(self.bundles - 1), what);
        }
    }

    fn push(&mut self, root: Hash) {
        let (fsck, findings) = (self.fsck, self.findings);
        self.upper.push(root, |id, tile| {
            check_tile(fsck, findings, TileId { level: id.level + 1, ..id }, &tile);
            // The second opinion, as everywhere below: the edge hashes by itself, this is rs_merkle.
            if Some(root_of(tile.hashes())) != tile.node(8, 0) {
                findings.untold(Table::Tile, &keys::tile(id), "two implementations of the tree's hashing disagree");
            }
        });
    }

    /// A group continues the one before it and has the root of its size.
    fn group(&mut self, group: GroupEnd) {
        let GroupEnd { head, partial } = group;
        let key = keys::number(head.size);
        let tell = |what: String| self.findings.row(Table::Group, &key, what);
        let (size, time_ms) = self.newest.as_ref().map_or((0, 0), |before| (before.size, before.time_ms));
        if head.first > size && self.groups_whole {
            let what =
                format!("entries {size} to {} belong to no group: the row is missing or unreadable", head.first - 1);
            self.findings.row(Table::Group, &keys::number(head.first), what);
        } else if head.first < size {
            tell(format!("begins at {}, the group before it ends at {size}: one of them is surplus", head.first));
        }
        if head.time_ms < time_ms {
            tell(format!("its time {} falls behind {time_ms} of the group before it", head.time_ms));
        }
        if self.known {
            let right = match partial {
                Partial::None => Some(None),
                Partial::Root(root) => Some(Some(root)),
                Partial::Unknown => None,
            };
            match right {
                Some(right) if self.root(right) != head.root => {
                    tell(format!("its root is not that of the first {} entries", head.size));
                }
                Some(_) => {}
                None => {
                    self.findings.untold(Table::Group, &key, "its root cannot be told: its last entries are unreadable")
                }
            }
        }
        self.groups += 1;
        self.ends.set(head.size);
        self.newest = Some(head);
    }

    /// The root of the tree that ends with a partial bundle of root `right`.
    fn root(&self, right: Option<Hash>) -> Hash {
        let right = self.upper.tiles().fold(right, |right, (_, tile)| fold(right, tile, tile.width()));
        right.unwrap_or(EMPTY_ROOT)
    }

    /// The right edge, surplus tiles, the newest group. Returns it, and how many groups there are.
    pub(super) fn finish(&mut self) -> (Option<GroupHead>, u64) {
        if self.known {
            for (id, tile) in self.upper.tiles() {
                check_tile(self.fsck, self.findings, TileId { level: id.level + 1, ..id }, tile);
            }
        }
        self.surplus();
        let ends_at = self.newest.as_ref().map_or(0, |head| head.size);
        if ends_at != self.size && self.groups_whole {
            let what = format!("entries {ends_at} to {} belong to no group", self.size - 1);
            self.findings.row(Table::Group, &keys::number(self.size), what.clone());
            self.findings.row(Table::Bundle, &keys::number(ends_at / TILE_WIDTH), what);
        }
        (self.newest.take(), self.groups)
    }

    /// Where the rows begin that no stretch walked: all of them in a log without entries.
    fn past<'k>(&self, key: &'k [u8]) -> &'k [u8] {
        if self.size == 0 { &[] } else { key }
    }

    /// Rows beyond the end of the log, and keys that name no tile.
    fn surplus(&self) {
        let bundles = self.size.div_ceil(TILE_WIDTH);
        let beyond = |table, key: &[u8]| {
            self.fsck.rows(self.findings, table, self.past(key), None, |key, _| {
                self.findings.row(table, key, format!("a surplus row: the log has {} entries", self.size));
            });
        };
        beyond(Table::Bundle, &keys::number(bundles));
        beyond(Table::Group, &keys::number(self.size + 1));
        if self.fsck.full.is_some() {
            beyond(Table::Fact, &keys::number(self.size));
            beyond(Table::Artefact, &keys::number(self.size));
        }
        // Level 0 was walked up to its end; all levels above hold one row per 65,536 entries.
        let past = keys::tile(TileId { level: 0, index: bundles });
        self.fsck.rows(self.findings, Table::Tile, self.past(&past), None, |key, _| {
            let within = |id: &TileId| id.index < level_width(self.size, id.level).div_ceil(TILE_WIDTH);
            match keys::parse_tile(key) {
                None => self.findings.row(Table::Tile, key, "the key is not a tile's name"),
                Some(id) if !within(&id) => {
                    self.findings.row(Table::Tile, key, format!("a surplus row: the log has {} entries", self.size));
                }
                Some(_) => {} // compared when its level grew to it
            }
        });
    }
}

/// One tile above level 0: the row must hold exactly these hashes.
fn check_tile(fsck: &Fsck<'_>, findings: &Findings, id: TileId, tile: &Tile) {
    let key = keys::tile(id);
    match read(fsck.store, Table::Tile, &key) {
        Ok(Some(row)) => match Tile::split_row(&row) {
            Some((hashes, kept)) if hashes.len() == tile.width() => {
                if let Some(at) = (0..hashes.len()).find(|at| hashes[*at] != tile.hashes()[*at]) {
                    findings.row(Table::Tile, &key, format!("hash {at} is not the root of the tile below it"));
                } else if kept.as_flattened() != tile.row()[1] {
                    findings.row(Table::Tile, &key, WRONG_KEPT);
                }
            }
            _ => findings.row(Table::Tile, &key, wrong_length(&row, tile.width())),
        },
        Ok(None) => findings.row(Table::Tile, &key, "the tile is missing"),
        Err(crate::store::Fault::Corrupt { .. }) => {} // told by the scan of the surplus rows
        Err(fault) => findings.storage(Table::Tile, super::scan::words(&fault)),
    }
}

/// A bit for each entry: 12.5 MB for 10^8.
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(length: u64) -> Self {
        Self(vec![0; length.div_ceil(64) as usize])
    }

    /// Sets a bit; true if it was set before. Bits beyond the length are not kept.
    pub(super) fn set(&mut self, at: u64) -> bool {
        let Some(word) = self.0.get_mut((at / 64) as usize) else { return false };
        let bit = 1 << (at % 64);
        let was = *word & bit != 0;
        *word |= bit;
        was
    }

    pub(super) fn is_set(&self, at: u64) -> bool {
        self.0.get((at / 64) as usize).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }
}
