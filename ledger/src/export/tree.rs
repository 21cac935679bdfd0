//! Tiles and entries of a store, each believed only when it leads to the signed root.
//!
//! The right edge was checked against the signed root. A full tile must hash to its place in the tile above, and that one
//! likewise, up to the edge; entries must hash to their tile. The tile last used at each level is kept, so that walking
//! through a level reads each tile once.

use std::{cell::RefCell, sync::Arc};

use crate::{
    ledger::read_tile,
    merkle::{Edge, TILE_HEIGHT, TILE_WIDTH, Tile, TileId, leaf_hash, tile_width},
    proof::Tiles,
    store::{Fault, Store, Table, keys, read},
    tile::{bundle_cut, bundle_entries},
};

pub(super) struct Tree<'a> {
    store: &'a dyn Store,
    edge: Edge,
    /// By level: the full tile last used.
    recent: RefCell<Vec<Option<Recent>>>,
}

type Recent = (u64, Arc<Tile>);

impl<'a> Tree<'a> {
    /// `edge` must have been checked against the signed root.
    pub(super) fn new(store: &'a dyn Store, edge: Edge) -> Self {
        Self { store, edge, recent: RefCell::default() }
    }

    pub(super) fn size(&self) -> u64 {
        self.edge.size()
    }

    /// All hashes that tile `id` has at this size, as served.
    pub(super) fn hashes(&self, id: TileId) -> Result<Vec<u8>, Fault> {
        Ok(self.verified(id)?.to_bytes())
    }

    /// All entries that bundle `index` has at this size, as served.
    pub(super) fn entries(&self, index: u64) -> Result<Vec<u8>, Fault> {
        let tile = self.verified(TileId { level: 0, index })?;
        let key = keys::number(index);
        let mut row = read(self.store, Table::Bundle, &key)?.unwrap_or_default();
        // The store may be a group ahead of what is exported, and its last bundle longer.
        let cut =
            bundle_cut(&row, tile.width()).ok_or_else(|| Fault::corrupt(Table::Bundle, &key, "too few entries"))?;
        if !bundle_entries(cut).map(|entry| entry.map(leaf_hash)).eq(tile.hashes().iter().copied().map(Some)) {
            return Err(Fault::corrupt(Table::Bundle, &key, "the entries do not hash to their tile"));
        }
        let length = cut.len();
        row.truncate(length);
        Ok(row)
    }

    fn verified(&self, id: TileId) -> Result<Arc<Tile>, Fault> {
        assert!(tile_width(self.size(), id) > 0, "{id:?} lies beyond a tree of {}", self.size());
        if let Some(tile) = self.edge.tile(id) {
            return Ok(tile.clone());
        }
        let level = usize::from(id.level);
        if let Some(Some((index, tile))) = self.recent.borrow().get(level)
            && *index == id.index
        {
            return Ok(tile.clone());
        }
        // A tile within the tree that is not on its edge is full, so the level above has a hash for it.
        let above = self.verified(TileId { level: id.level + 1, index: id.index / TILE_WIDTH })?;
        let wanted = &above.hashes()[(id.index % TILE_WIDTH) as usize];
        let wrong = |what| Fault::corrupt(Table::Tile, &keys::tile(id), what);
        let tile = read_tile(self.store, id, TILE_WIDTH as usize)?.ok_or_else(|| wrong("the tile is missing"))?;
        if tile.node(TILE_HEIGHT, 0) != Some(*wanted) {
            return Err(wrong("the tile does not hash to its place in the tile above"));
        }
        let tile = Arc::new(tile);
        let mut recent = self.recent.borrow_mut();
        if recent.len() <= level {
            recent.resize(level + 1, None);
        }
        recent[level] = Some((id.index, tile.clone()));
        Ok(tile)
    }
}

impl Tiles for Tree<'_> {
    type Error = Fault;

    fn tile(&self, id: TileId, _: usize) -> Result<Arc<Tile>, Fault> {
        self.verified(id)
    }
}
