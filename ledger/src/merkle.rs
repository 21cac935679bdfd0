//! Tree hashing of RFC 6962 §2.1 (= RFC 9162 §2.1), and the right edge of a growing tree.
//!
//! In scope: leaf and node hashes, tiles with their interior nodes, the edge that grows by one leaf at a time.
//! Out of scope: where tiles are kept (`store`), proofs (`proof`), RFC 4998 hash trees, which have no prefixes and are
//! another thing altogether.
//!
//! This is the one file of the ledger that names `rs_merkle`. It builds trees whole, so it serves where a second,
//! independent opinion on a root is wanted (`fsck`, tests); the tree that grows is [`Edge`], because a commit on a
//! rs_merkle tree of a million leaves takes 172 ms.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// A SHA-256 output: a leaf hash, a node or a root.
pub type Hash = [u8; 32];

/// Hashes in a full tile, and the number of leaves under one hash of the tile above (tlog-tiles).
pub const TILE_WIDTH: u64 = 256;

/// Binary tree levels in one tile: log2([`TILE_WIDTH`]).
pub const TILE_HEIGHT: u32 = 8;

/// The root of the tree without leaves: SHA-256 of nothing (RFC 6962 §2.1).
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// H(0x00 ‖ entry). The entry is hashed as stored; it is never decoded and encoded again first.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(entry);
    hasher.finalize().into()
}

/// H(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut block = [0; 65];
    block[0] = 1;
    block[1..33].copy_from_slice(left);
    block[33..].copy_from_slice(right);
    Sha256::digest(block).into()
}

/// `rs_merkle`'s hasher with the prefixes of RFC 6962. Both functions are overridden: the default `concat_and_hash`
/// calls `hash`, and the leaf prefix would leak into nodes.
#[derive(Clone)]
struct Rfc6962;

impl rs_merkle::Hasher for Rfc6962 {
    type Hash = Hash;

    fn hash(data: &[u8]) -> Hash {
        leaf_hash(data)
    }

    fn concat_and_hash(left: &Hash, right: Option<&Hash>) -> Hash {
        match right {
            Some(right) => node_hash(left, right),
            None => *left, // a lone right node moves up unhashed
        }
    }
}

/// The root over `leaves` (leaf hashes, or the hashes of one level), built whole by `rs_merkle`: the second opinion.
pub fn root_of(leaves: &[Hash]) -> Hash {
    rs_merkle::MerkleTree::<Rfc6962>::from_leaves(leaves).root().unwrap_or(EMPTY_ROOT)
}

/// The layer of nodes that a full tile's row keeps, each over 16 hashes.
const KEPT: u32 = TILE_HEIGHT / 2;

/// Nodes that a full tile's row keeps.
pub const KEPT_NODES: usize = 1 << (TILE_HEIGHT - KEPT);

/// The hashes of one tile and the interior nodes above them.
///
/// `layers[j][i]` covers the hashes `i·2^j .. (i+1)·2^j` of the tile; only complete subtrees are present, so every value
/// is final. A full tile has one node in layer 8, which is a hash of the tile above.
///
/// A tile that grows has all layers, since the proofs of a new group use most of them. A full one that was read has layer 4
/// besides its hashes, as its row keeps it, and computes what lies between: 22 hashes for a path instead of 247.
#[derive(Clone, Debug, Default)]
pub struct Tile {
    layers: [Vec<Hash>; TILE_HEIGHT as usize + 1],
}

impl Tile {
    /// The tile of `hashes`, at most 256 of them.
    pub fn new(hashes: &[Hash]) -> Self {
        assert!(hashes.len() <= TILE_WIDTH as usize, "a tile holds at most 256 hashes");
        let mut tile = Self::default();
        tile.layers[0] = hashes.to_vec();
        for j in 0..TILE_HEIGHT as usize {
            tile.layers[j + 1] = tile.layers[j].chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        tile
    }

    /// The hashes as served: concatenated.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.layers[0].concat()
    }

    /// The value of the tile's row: the hashes and, of a full tile, which stays as it is, layer 4.
    pub fn row(&self) -> [&[u8]; 2] {
        let full = self.width() == TILE_WIDTH as usize;
        [self.layers[0].as_flattened(), if full { self.layers[KEPT as usize].as_flattened() } else { &[] }]
    }

    /// Reads [`Tile::row`] back, the kept nodes as they stand there; `None` for any other bytes.
    pub fn from_row(row: &[u8]) -> Option<Self> {
        let (hashes, kept) = Self::split_row(row)?;
        if kept.is_empty() {
            return Some(Self::new(hashes));
        }
        let mut tile = Self::default();
        tile.layers[0] = hashes.to_vec();
        tile.layers[KEPT as usize] = kept.to_vec();
        Some(tile)
    }

    /// The hashes of a row and the nodes that it keeps, which only a full tile's row has.
    pub fn split_row(row: &[u8]) -> Option<(&[Hash], &[Hash])> {
        let (hashes, []) = row.as_chunks::<32>() else { return None };
        match hashes.split_first_chunk::<{ TILE_WIDTH as usize }>() {
            None => Some((hashes, &[])),
            Some((hashes, kept)) => (kept.len() == KEPT_NODES).then_some((hashes.as_slice(), kept)),
        }
    }

    /// Hashes present, 0 to 256.
    pub fn width(&self) -> usize {
        self.layers[0].len()
    }

    /// The hashes of the tile itself.
    pub fn hashes(&self) -> &[Hash] {
        &self.layers[0]
    }

    /// The complete subtree `i` of height `j` (0 to 8) inside this tile.
    pub fn node(&self, j: u32, i: usize) -> Option<Hash> {
        if let Some(node) = self.layers[j as usize].get(i) {
            return Some(*node);
        }
        let kept = if j < KEPT { 0 } else { KEPT };
        let run = self.layers[kept as usize].get(i << (j - kept)..(i + 1) << (j - kept))?;
        Some(fold_run(run, j - kept))
    }

    /// Adds one hash and every interior node that it completes; true when the tile is full with it.
    fn push(&mut self, hash: Hash) -> bool {
        self.layers[0].push(hash);
        for j in 0..TILE_HEIGHT as usize {
            let [left, right] = match self.layers[j].as_slice() {
                [.., left, right] if self.layers[j].len().is_multiple_of(2) => [*left, *right],
                _ => break,
            };
            self.layers[j + 1].push(node_hash(&left, &right));
        }
        self.width() == TILE_WIDTH as usize
    }
}

/// The root over `2^height` hashes, at most 16.
fn fold_run(run: &[Hash], height: u32) -> Hash {
    let mut nodes = [EMPTY_ROOT; 1 << KEPT];
    nodes[..run.len()].copy_from_slice(run);
    for level in (0..height).rev() {
        for i in 0..1 << level {
            nodes[i] = node_hash(&nodes[2 * i], &nodes[2 * i + 1]);
        }
    }
    nodes[0]
}

/// Names a tile: `level` 0 holds leaf hashes; the tile covers the hashes `index·256 .. (index+1)·256` of its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 to 7 for trees of up to 2^64 leaves (the format allows 63).
    pub level: u8,
    /// Position within the level.
    pub index: u64,
}

/// Number of hashes that a tree of `size` leaves has at tile level `level`: ⌊size / 256^level⌋.
pub fn level_width(size: u64, level: u8) -> u64 {
    size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0)
}

/// Hashes present in tile `id` of a tree of `size` leaves, 0 to 256.
pub fn tile_width(size: u64, id: TileId) -> u64 {
    level_width(size, id.level).saturating_sub(id.index.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH)
}

/// The right edge of a growing tree: for each level its one tile that is not full.
///
/// Cheap to clone: tiles are shared until one of them changes, so every reader keeps the edge of its own moment.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    size: u64,
    /// `tiles[L]` is the partial tile of level L, width 0 to 255.
    tiles: Vec<Arc<Tile>>,
}

impl Edge {
    /// Rebuilds the edge of a tree of `size` leaves; `tile` gives the partial tile of a level, cut to its width.
    /// `None` when a tile is missing or of another width.
    pub fn rebuild<E>(
        size: u64,
        mut tile: impl FnMut(TileId, usize) -> Result<Option<Tile>, E>,
    ) -> Result<Option<Self>, E> {
        let mut tiles = Vec::new();
        for level in 0.. {
            let hashes = level_width(size, level);
            if hashes == 0 {
                break;
            }
            let id = TileId { level, index: hashes / TILE_WIDTH };
            let width = (hashes % TILE_WIDTH) as usize;
            tiles.push(Arc::new(match width {
                0 => Tile::default(),
                _ => match tile(id, width)? {
                    Some(tile) if tile.width() == width => tile,
                    _ => return Ok(None),
                },
            }));
        }
        Ok(Some(Self { size, tiles }))
    }

    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The partial tile `id`, if it lies on the edge and is not empty.
    pub fn tile(&self, id: TileId) -> Option<&Arc<Tile>> {
        let tile = self.tiles.get(usize::from(id.level))?;
        (level_width(self.size, id.level) / TILE_WIDTH == id.index && tile.width() > 0).then_some(tile)
    }

    /// The partial tiles that are not empty, with their names.
    pub fn tiles(&self) -> impl Iterator<Item = (TileId, &Arc<Tile>)> {
        self.tiles.iter().enumerate().filter(|(_, tile)| tile.width() > 0).map(|(level, tile)| {
            let level = level as u8; // at most 8 levels: the size is a u64
            (TileId { level, index: level_width(self.size, level) / TILE_WIDTH }, tile)
        })
    }

    /// Adds one leaf hash. `full` receives every tile that it completes, lowest level first.
    pub fn push(&mut self, leaf: Hash, mut full: impl FnMut(TileId, Arc<Tile>)) {
        let (mut level, mut hash) = (0, leaf);
        loop {
            if usize::from(level) == self.tiles.len() {
                self.tiles.push(Arc::default());
            }
            let tile = &mut self.tiles[usize::from(level)];
            if !Arc::make_mut(tile).push(hash) {
                break;
            }
            let done = std::mem::take(tile);
            let index = level_width(self.size, level) / TILE_WIDTH;
            hash = done.node(TILE_HEIGHT, 0).expect("a full tile has its root");
            full(TileId { level, index }, done);
            level += 1;
        }
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for tile in &self.tiles {
            // From the right: the smallest complete subtrees first.
            for j in 0..TILE_HEIGHT {
                if tile.width() >> j & 1 == 1 {
                    let node =
                        tile.node(j, (tile.width() >> j) - 1).expect("the bit says that this subtree is complete");
                    root = Some(root.map_or(node, |right| node_hash(&node, &right)));
                }
            }
        }
        root.unwrap_or(EMPTY_ROOT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries and roots that RFC 6962's reference code and every log client use.
    pub(crate) const VECTOR_ENTRIES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const VECTOR_ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn leaf(i: u64) -> Hash {
        leaf_hash(&i.to_be_bytes())
    }

    #[test]
    fn published_vectors() {
        let mut edge = Edge::default();
        assert_eq!(edge.root(), EMPTY_ROOT);
        assert_eq!(sha256(b""), EMPTY_ROOT);
        for (entry, root) in VECTOR_ENTRIES.iter().zip(VECTOR_ROOTS) {
            edge.push(leaf_hash(&hex::decode(entry).unwrap()), |_, _| panic!("no tile is full"));
            assert_eq!(hex::encode(edge.root()), root);
        }
    }

    #[test]
    fn edge_agrees_with_rs_merkle_and_ct_merkle() {
        let (mut edge, mut leaves) = (Edge::default(), Vec::new());
        let mut oracle = ct_merkle::mem_backed_tree::MemoryBackedTree::<Sha256, Vec<u8>>::new();
        for i in 0..1200 {
            edge.push(leaf(i), |_, _| ());
            leaves.push(leaf(i));
            oracle.push(i.to_be_bytes().to_vec());
            assert_eq!(edge.root(), root_of(&leaves), "size {}", i + 1);
            assert_eq!(edge.root().as_slice(), oracle.root().as_bytes().as_slice(), "size {}", i + 1);
        }
    }

    #[test]
    fn full_tiles_are_handed_out_once_and_carry_their_root_up() {
        let (mut edge, mut tiles) = (Edge::default(), Vec::new());
        for i in 0..65_536 + 70 {
            edge.push(leaf(i), |id, tile| tiles.push((id, tile)));
        }
        assert_eq!(tiles.iter().filter(|(id, _)| id.level == 0).count(), 256);
        assert_eq!(tiles.iter().filter(|(id, _)| id.level == 1).count(), 1);
        for (id, tile) in &tiles {
            assert_eq!(tile.node(8, 0), Some(root_of(tile.hashes())), "{id:?}");
        }
        assert_eq!(edge.tile(TileId { level: 0, index: 256 }).unwrap().width(), 70);
        assert!(edge.tile(TileId { level: 1, index: 1 }).is_none(), "an empty tile is no tile");
        assert_eq!(edge.tile(TileId { level: 2, index: 0 }).unwrap().width(), 1);
    }

    #[test]
    fn an_edge_rebuilt_from_its_tiles_is_the_same_edge() {
        let mut edge = Edge::default();
        for i in 0..66_000u64 {
            edge.push(leaf(i), |_, _| ());
            if i % 997 == 0 || i == 65_535 {
                let again = Edge::rebuild::<()>(edge.size(), |id, width| {
                    let tile = edge.tile(id).unwrap();
                    assert_eq!(tile.width(), width);
                    Ok(Tile::from_row(&tile.row().concat()))
                });
                let again = again.unwrap().unwrap();
                assert_eq!((again.root(), again.size()), (edge.root(), edge.size()));
            }
        }
        assert!(Edge::rebuild::<()>(5, |_, _| Ok(Some(Tile::new(&[EMPTY_ROOT; 4])))).unwrap().is_none(), "wrong width");
    }

    #[test]
    fn a_tile_has_the_node_of_every_complete_subtree() {
        let hashes: Vec<Hash> = (0..256).map(leaf).collect();
        let mut grown = Tile::default();
        for width in 1..=256 {
            assert_eq!(grown.push(hashes[width - 1]), width == 256);
            let read = Tile::from_row(&grown.row().concat()).unwrap();
            for tile in [&grown, &Tile::new(&hashes[..width]), &read] {
                assert_eq!(tile.hashes(), &hashes[..width]);
                for j in 0..=8 {
                    let complete = width >> j;
                    assert_eq!(tile.node(j, complete), None, "width {width}, height {j}");
                    for i in (0..complete).filter(|i| width == 256 || i + 1 == complete) {
                        let due = root_of(&hashes[i << j..(i + 1) << j]);
                        assert_eq!(tile.node(j, i), Some(due), "width {width}, height {j}, {i}");
                    }
                }
            }
        }
        let row = grown.row().concat();
        assert_eq!(row.len(), 32 * (256 + 16));
        for length in [1, 31, 33, 32 * 256, 32 * 257, row.len() - 1] {
            assert!(Tile::from_row(&row[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn widths_of_the_layout_examples() {
        // (size, level, full tiles, partial width), from the tlog-tiles text.
        for (size, level, full, partial) in [
            (256, 0, 1, 0),
            (256, 1, 0, 1),
            (65_536, 0, 256, 0),
            (65_536, 1, 1, 0),
            (65_536, 2, 0, 1),
            (70_000, 0, 273, 112),
            (70_000, 1, 1, 17),
            (70_000, 2, 0, 1),
            (16_777_216, 0, 65_536, 0),
            (16_777_216, 3, 0, 1),
        ] {
            let width = level_width(size, level);
            assert_eq!((width / 256, width % 256), (full, partial), "size {size}, level {level}");
            assert_eq!(tile_width(size, TileId { level, index: full }), partial);
            assert!(full == 0 || tile_width(size, TileId { level, index: full - 1 }) == 256);
        }
        assert_eq!(tile_width(u64::MAX, TileId { level: 63, index: u64::MAX }), 0);
    }
}
