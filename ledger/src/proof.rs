//! Inclusion and consistency proofs (RFC 9162 §2.1.3, §2.1.4): building them from tiles, and verifying them.
//!
//! **A root does not commit to its size or to an index.** A valid path for index 3 of a tree of 7 also passes for the
//! sizes 5, 6 and 8. Take a size only from a signed checkpoint, and an index only from a path checked against that size.
//! Inclusion proves presence and order, never absence.

mod range;

use std::{cell::RefCell, sync::Arc};

pub use range::{range, range_root};

use crate::merkle::{EMPTY_ROOT, Hash, TILE_HEIGHT, Tile, TileId, node_hash};

/// Gives the tiles of a tree that has at least the size a proof is asked for.
pub trait Tiles {
    /// Why a tile cannot be had.
    type Error;

    /// Tile `id` with at least `width` hashes.
    fn tile(&self, id: TileId, width: usize) -> Result<Arc<Tile>, Self::Error>;
}

/// The sibling hashes from leaf `index` upwards to the root of the first `size` leaves.
///
/// # Panics
/// If `index >= size`: callers compare first, since both numbers come from outside.
pub fn inclusion<T: Tiles>(tiles: &T, index: u64, size: u64) -> Result<Vec<Hash>, T::Error> {
    assert!(index < size, "leaf {index} is not in a tree of {size}");
    let nodes = Nodes::new(tiles);
    let mut path = Vec::with_capacity(40);
    nodes.path(index, 0, size, &mut path)?;
    Ok(path)
}

/// The proof that the tree of `from` leaves is a prefix of the tree of `to` leaves; empty for `from` = 0 and for equal
/// sizes.
///
/// # Panics
/// If `from > to`.
pub fn consistency<T: Tiles>(tiles: &T, from: u64, to: u64) -> Result<Vec<Hash>, T::Error> {
    assert!(from <= to, "a tree of {from} is no prefix of one of {to}");
    let nodes = Nodes::new(tiles);
    let mut path = Vec::with_capacity(40);
    if from > 0 && from < to {
        nodes.subproof(from, 0, to, true, &mut path)?;
    }
    Ok(path)
}

/// The root of the first `size` leaves.
pub fn root<T: Tiles>(tiles: &T, size: u64) -> Result<Hash, T::Error> {
    if size == 0 { Ok(EMPTY_ROOT) } else { Nodes::new(tiles).range(0, size) }
}

/// Subtree hashes out of tiles; the tile last used at each level is kept for the life of one proof.
struct Nodes<'a, T> {
    tiles: &'a T,
    /// By level: index of the tile and the tile.
    recent: RefCell<Vec<Option<Recent>>>,
}

type Recent = (u64, Arc<Tile>);

impl<'a, T: Tiles> Nodes<'a, T> {
    fn new(tiles: &'a T) -> Self {
        Self { tiles, recent: RefCell::default() }
    }

    /// The complete subtree over the leaves `i·2^height .. (i+1)·2^height`.
    fn node(&self, height: u32, i: u64) -> Result<Hash, T::Error> {
        let (level, j) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        let first = i << j; // its first hash, counted in its tile level
        let id = TileId { level: level as u8, index: first >> TILE_HEIGHT };
        let start = (first & 0xff) as usize;
        let width = start + (1 << j);
        let mut recent = self.recent.borrow_mut();
        let level = level as usize;
        if recent.len() <= level {
            recent.resize(level + 1, None);
        }
        let tile = match &recent[level] {
            Some((index, tile)) if *index == id.index && tile.width() >= width => tile.clone(),
            _ => {
                let tile = self.tiles.tile(id, width)?;
                recent[level] = Some((id.index, tile.clone()));
                tile
            }
        };
        Ok(tile.node(j, start >> j).expect("the tile is wide enough, so this subtree is complete"))
    }

    /// MTH(D[start:end]): `start` is aligned to the largest power of two below the length, as RFC 9162 splits.
    fn range(&self, start: u64, end: u64) -> Result<Hash, T::Error> {
        let length = end - start;
        if length.is_power_of_two() {
            let height = length.trailing_zeros();
            return self.node(height, start >> height);
        }
        let middle = start + split(length);
        Ok(node_hash(&self.range(start, middle)?, &self.range(middle, end)?))
    }

    /// PATH(m, D[start:end]) of RFC 9162 §2.1.3.1.
    fn path(&self, m: u64, start: u64, end: u64, path: &mut Vec<Hash>) -> Result<(), T::Error> {
        if end - start == 1 {
            return Ok(());
        }
        let middle = start + split(end - start);
        if m < middle {
            self.path(m, start, middle, path)?;
            path.push(self.range(middle, end)?);
        } else {
            self.path(m, middle, end, path)?;
            path.push(self.range(start, middle)?);
        }
        Ok(())
    }

    /// SUBPROOF(m, D[start:end], known) of RFC 9162 §2.1.4.1, with `m` counted from 0 of the whole tree.
    fn subproof(&self, m: u64, start: u64, end: u64, known: bool, path: &mut Vec<Hash>) -> Result<(), T::Error> {
        if m == end {
            if !known {
                path.push(self.range(start, end)?);
            }
            return Ok(());
        }
        let middle = start + split(end - start);
        if m <= middle {
            self.subproof(m, start, middle, known, path)?;
            path.push(self.range(middle, end)?);
        } else {
            self.subproof(m, middle, end, false, path)?;
            path.push(self.range(start, middle)?);
        }
        Ok(())
    }
}

/// The largest power of two below `length` (> 1).
fn split(length: u64) -> u64 {
    1 << (63 - (length - 1).leading_zeros())
}

/// A proof that does not prove what it is offered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The index does not lie in the tree.
    #[error("index {index} lies outside a tree of {size}")]
    OutsideTree {
        /// Index claimed.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// The sizes are in the wrong order.
    #[error("a tree of {from} cannot be a prefix of a tree of {to}")]
    Shrinks {
        /// Older size.
        from: u64,
        /// Newer size.
        to: u64,
    },
    /// Too many or too few hashes for these sizes.
    #[error("the proof has {found} hashes where {needed} belong")]
    Length {
        /// Hashes given.
        found: usize,
        /// Hashes that a proof for these numbers has.
        needed: usize,
    },
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Hashes in an inclusion path for `index` in a tree of `size`.
pub fn inclusion_length(index: u64, size: u64) -> usize {
    let inner = 64 - (index ^ (size - 1)).leading_zeros();
    let outer = index.checked_shr(inner).unwrap_or(0).count_ones();
    (inner + outer) as usize
}

/// Checks that the leaf hash `leaf` is leaf `index` of the tree (`size`, `root`): RFC 9162 §2.1.3.2.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, root: &Hash, path: &[Hash]) -> Result<(), Unproven> {
    let computed = inclusion_root(leaf, index, size, path)?;
    if computed == *root { Ok(()) } else { Err(Unproven::Root) }
}

/// The root to which `path` leads, once its length fits `index` and `size`.
pub fn inclusion_root(leaf: &Hash, index: u64, size: u64, path: &[Hash]) -> Result<Hash, Unproven> {
    if index >= size {
        return Err(Unproven::OutsideTree { index, size });
    }
    let needed = inclusion_length(index, size);
    if path.len() != needed {
        return Err(Unproven::Length { found: path.len(), needed });
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok(hash) } else { Err(Unproven::Root) }
}

/// Checks that the tree (`from`, `from_root`) is a prefix of the tree (`to`, `to_root`): RFC 9162 §2.1.4.2.
///
/// `from` = 0 proves nothing and takes an empty path; equal sizes take an empty path and equal roots.
pub fn verify_consistency(
    (from, from_root): (u64, &Hash),
    (to, to_root): (u64, &Hash),
    path: &[Hash],
) -> Result<(), Unproven> {
    if from > to {
        return Err(Unproven::Shrinks { from, to });
    }
    if from == 0 || from == to {
        return match path.len() {
            0 if from == to && from_root != to_root => Err(Unproven::Root),
            0 if from == 0 && *from_root != EMPTY_ROOT => Err(Unproven::Root),
            0 => Ok(()),
            found => Err(Unproven::Length { found, needed: 0 }),
        };
    }
    let (seed, rest) = match path.split_first() {
        _ if from.is_power_of_two() && !path.is_empty() => (*from_root, path),
        Some((first, rest)) => (*first, rest),
        None => return Err(Unproven::Length { found: 0, needed: 1 }),
    };
    let (old, new) = climb((from, to), seed, rest, path.len())?;
    if old == *from_root && new == *to_root { Ok(()) } else { Err(Unproven::Root) }
}

/// The root of the first `from` leaves of the tree (`to`, `to_root`), as a consistency proof for these sizes shows it: whoever
/// signed `to_root` has signed it, too. `None` if the path does not lead to `to_root`, and for a power of two: there the old
/// root is no part of the path, and whoever checks must know it.
pub fn old_root(from: u64, (to, to_root): (u64, &Hash), path: &[Hash]) -> Option<Hash> {
    if from == 0 || from >= to || from.is_power_of_two() {
        return None;
    }
    let (seed, rest) = path.split_first()?;
    let (old, new) = climb((from, to), *seed, rest, path.len()).ok()?;
    (new == *to_root).then_some(old)
}

/// The two roots to which a consistency proof leads from its lowest node `seed` over `rest`; `given` is the length of the
/// whole proof, for the error.
fn climb((from, to): (u64, u64), seed: Hash, rest: &[Hash], given: usize) -> Result<(Hash, Hash), Unproven> {
    let (mut node, mut last) = (from - 1, to - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (seed, seed);
    for (i, hash) in rest.iter().enumerate() {
        if last == 0 {
            return Err(Unproven::Length { found: given, needed: given - rest.len() + i });
        }
        if node & 1 == 1 || node == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok((old, new)) } else { Err(Unproven::Root) }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::HashMap, convert::Infallible};

    use proptest::prelude::*;

    use super::*;
    use crate::merkle::{Edge, leaf_hash, root_of};

    /// A tree held as tiles in memory, and the leaves for the oracle.
    struct Tree {
        leaves: Vec<Hash>,
        tiles: HashMap<TileId, Arc<Tile>>,
        edge: Edge,
        read: Cell<usize>,
    }

    impl Tree {
        fn new(size: u64) -> Self {
            let (mut edge, mut tiles) = (Edge::default(), HashMap::new());
            let leaves: Vec<_> = (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect();
            for leaf in &leaves {
                edge.push(*leaf, |id, tile| {
                    tiles.insert(id, tile);
                });
            }
            Self { leaves, tiles, edge, read: Cell::new(0) }
        }

        fn root(&self, size: u64) -> Hash {
            root_of(&self.leaves[..size as usize])
        }
    }

    impl Tiles for Tree {
        type Error = Infallible;

        fn tile(&self, id: TileId, width: usize) -> Result<Arc<Tile>, Infallible> {
            self.read.set(self.read.get() + 1);
            let tile = self.tiles.get(&id).or_else(|| self.edge.tile(id)).expect("a tile of this tree");
            assert!(tile.width() >= width);
            Ok(tile.clone())
        }
    }

    fn check(tree: &Tree, index: u64, size: u64) {
        let Ok(path) = inclusion(tree, index, size);
        let (leaf, root) = (&tree.leaves[index as usize], &tree.root(size));
        assert_eq!(verify_inclusion(leaf, index, size, root, &path), Ok(()), "leaf {index} of {size}");
        assert_eq!(path.len(), inclusion_length(index, size));
    }

    fn check_consistency(tree: &Tree, from: u64, to: u64) {
        let Ok(path) = consistency(tree, from, to);
        let (old, new) = (tree.root(from), tree.root(to));
        assert_eq!(verify_consistency((from, &old), (to, &new), &path), Ok(()), "{from} in {to}");
        if from > 0 && from < to {
            let forged = node_hash(&old, &new);
            assert!(verify_consistency((from, &forged), (to, &new), &path).is_err());
            assert!(verify_consistency((from, &old), (to, &forged), &path).is_err());
            assert!(verify_consistency((from, &old), (to, &new), &path[1..]).is_err());
            assert!(verify_consistency((from, &old), (to, &new), &[&path[..], &[old]].concat()).is_err());
            for i in 0..path.len() {
                let mut path = path.clone();
                path[i][i % 32] ^= 1;
                assert!(verify_consistency((from, &old), (to, &new), &path).is_err());
                assert_eq!(old_root(from, (to, &new), &path), None);
            }
            assert_eq!(old_root(from, (to, &new), &path[1..]), None);
            assert_eq!(old_root(from, (to, &new), &[&path[..], &[old]].concat()), None);
        }
    }

    #[test]
    fn every_leaf_of_every_size_up_to_600() {
        let tree = Tree::new(600);
        let roots: Vec<Hash> = (0..=600).map(|size| tree.root(size)).collect();
        for size in 1..=600u64 {
            assert_eq!(root(&tree, size), Ok(roots[size as usize]));
            for index in 0..size {
                let Ok(path) = inclusion(&tree, index, size);
                let leaf = &tree.leaves[index as usize];
                assert_eq!(verify_inclusion(leaf, index, size, &roots[size as usize], &path), Ok(()));
                assert_eq!(path.len(), inclusion_length(index, size));
            }
        }
    }

    #[test]
    fn every_pair_of_sizes_up_to_600() {
        let tree = Tree::new(600);
        let roots: Vec<Hash> = (0..=600).map(|size| tree.root(size)).collect();
        for to in 0..=600u64 {
            for from in 0..=to {
                let Ok(path) = consistency(&tree, from, to);
                let (old, new) = (&roots[from as usize], &roots[to as usize]);
                assert_eq!(verify_consistency((from, old), (to, new), &path), Ok(()), "{from} in {to}");
                let shown = (from < to && from != 0 && !from.is_power_of_two()).then_some(*old);
                assert_eq!(old_root(from, (to, new), &path), shown, "{from} in {to}");
            }
        }
        for (from, to) in [(1, 2), (255, 256), (256, 257), (256, 600), (300, 512), (511, 600)] {
            check_consistency(&tree, from, to);
        }
    }

    #[test]
    fn a_tree_of_a_million_leaves_at_random_places() {
        let tree = Tree::new(1_000_000);
        let mut state = 88_172_645_463_325_252u64; // xorshift with a fixed seed: the same places in every run
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        for _ in 0..12 {
            let size = random(1_000_000) + 1;
            let root = tree.root(size);
            for index in [0, size - 1, random(size), random(size), random(size)] {
                tree.read.set(0);
                let Ok(path) = inclusion(&tree, index, size);
                assert_eq!(verify_inclusion(&tree.leaves[index as usize], index, size, &root, &path), Ok(()));
                assert!(tree.read.get() <= 6, "{} tiles read for one path", tree.read.get());
            }
            check_consistency(&tree, random(size) + 1, size);
        }
    }

    #[test]
    fn a_path_is_worth_only_what_its_size_is_worth() {
        // Measured for the specification: index 3 of 7 also passes for sizes 5, 6 and 8.
        let tree = Tree::new(8);
        let Ok(path) = inclusion(&tree, 3, 7);
        let passing: Vec<u64> =
            (4..=16).filter(|size| verify_inclusion(&tree.leaves[3], 3, *size, &tree.root(7), &path).is_ok()).collect();
        assert_eq!(passing, [5, 6, 7, 8]);
    }

    #[test]
    fn refusals_say_why() {
        let tree = Tree::new(7);
        let Ok(path) = inclusion(&tree, 3, 7);
        let (leaf, root) = (&tree.leaves[3], &tree.root(7));
        assert_eq!(verify_inclusion(leaf, 7, 7, root, &path), Err(Unproven::OutsideTree { index: 7, size: 7 }));
        assert_eq!(verify_inclusion(leaf, 3, 7, root, &path[1..]), Err(Unproven::Length { found: 2, needed: 3 }));
        assert_eq!(verify_inclusion(&tree.leaves[2], 3, 7, root, &path), Err(Unproven::Root));
        assert_eq!(verify_inclusion(leaf, 0, 0, root, &[]), Err(Unproven::OutsideTree { index: 0, size: 0 }));
        assert_eq!(verify_consistency((5, root), (4, root), &[]), Err(Unproven::Shrinks { from: 5, to: 4 }));
        assert_eq!(verify_consistency((4, root), (4, root), &[*root]), Err(Unproven::Length { found: 1, needed: 0 }));
        assert_eq!(verify_consistency((4, root), (4, leaf), &[]), Err(Unproven::Root));
        assert_eq!(verify_consistency((0, root), (4, leaf), &[]), Err(Unproven::Root));
        assert_eq!(verify_consistency((3, root), (4, leaf), &[]), Err(Unproven::Length { found: 0, needed: 1 }));
        assert_eq!(verify_consistency((2, root), (4, leaf), &[]), Err(Unproven::Length { found: 0, needed: 1 }));
    }

    proptest! {
        #[test]
        fn a_changed_path_fails(size in 2u64..600, pick: u64, bit in 0usize..256, at: usize) {
            let tree = Tree::new(size);
            let index = pick % size;
            check(&tree, index, size);
            let Ok(mut path) = inclusion(&tree, index, size);
            let at = at % path.len();
            path[at][bit / 8] ^= 1 << (bit % 8);
            let refused = verify_inclusion(&tree.leaves[index as usize], index, size, &tree.root(size), &path);
            prop_assert_eq!(refused, Err(Unproven::Root));
        }

        #[test]
        fn any_claim_is_answered(leaf: [u8; 32], index: u64, size: u64, path in proptest::collection::vec(any::<[u8; 32]>(), 0..70)) {
            prop_assert!(verify_inclusion(&leaf, index, size, &leaf, &path).is_err() || size == 1);
            let _ = verify_consistency((index, &leaf), (size, &leaf), &path);
            let _ = old_root(index, (size, &leaf), &path);
        }
    }
}
