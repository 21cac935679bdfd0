//! Proofs that consecutive leaves, all of them, stand at their place in a tree: what shows that something is *not* there.
//!
//! A proof for the leaves `start .. start + n` of a tree is the hashes of the largest subtrees (as RFC 9162 §2.1.1 splits)
//! that lie wholly before or behind them, from left to right. It is no standard; but anybody who has the log's tiles can
//! make the plain inclusion path of each leaf beside it.

use crate::{
    merkle::{Hash, node_hash},
    proof::{Nodes, Tiles, Unproven, split},
};

/// The proof for `count` leaves from `start` on in the tree of `size` leaves.
///
/// # Panics
/// If there is no leaf, or the leaves do not lie in the tree: callers compare first.
pub fn range<T: Tiles>(tiles: &T, start: u64, count: u64, size: u64) -> Result<Vec<Hash>, T::Error> {
    assert!(lies_in(start, count, size), "{count} leaves from {start} on are not in a tree of {size}");
    let (nodes, mut path) = (Nodes::new(tiles), Vec::with_capacity(80));
    let mut failed = None;
    walk(0, size, (start, start + count), &mut |low, high| match nodes.range(low, high) {
        Ok(hash) => path.push(hash),
        Err(error) => failed = failed.take().or(Some(error)),
    });
    failed.map_or(Ok(path), Err)
}

/// The root to which `leaves` from `start` on lead in a tree of `size`, with `path` beside them.
///
/// # Errors
/// [`Unproven`] by place or number of hashes; which root it is, is the caller's to compare.
pub fn range_root(start: u64, leaves: &[Hash], size: u64, path: &[Hash]) -> Result<Hash, Unproven> {
    let count = leaves.len() as u64;
    if !lies_in(start, count, size) {
        return Err(Unproven::OutsideTree { index: start.saturating_add(count.saturating_sub(1)), size });
    }
    let end = start + count;
    let mut needed = 0;
    walk(0, size, (start, end), &mut |_, _| needed += 1);
    if path.len() != needed {
        return Err(Unproven::Length { found: path.len(), needed });
    }
    let mut beside = path.iter();
    Ok(fold(0, size, (start, leaves), &mut beside))
}

fn lies_in(start: u64, count: u64, size: u64) -> bool {
    count > 0 && start.checked_add(count).is_some_and(|end| end <= size)
}

/// Calls `beside` for each largest subtree of `low .. high` that has no leaf of `range`, from left to right.
fn walk(low: u64, high: u64, range: (u64, u64), beside: &mut dyn FnMut(u64, u64)) {
    let (start, end) = range;
    if high <= start || end <= low {
        beside(low, high);
    } else if low < start || end < high {
        let middle = low + split(high - low);
        walk(low, middle, range, beside);
        walk(middle, high, range, beside);
    }
}

/// The root of `low .. high`; `beside` has as many hashes as [`walk`] asks for.
fn fold(low: u64, high: u64, (start, leaves): (u64, &[Hash]), beside: &mut std::slice::Iter<'_, Hash>) -> Hash {
    let end = start + leaves.len() as u64;
    if high <= start || end <= low {
        return *beside.next().expect("the number of hashes was compared");
    }
    if high - low == 1 {
        return leaves[(low - start) as usize];
    }
    let middle = low + split(high - low);
    let left = fold(low, middle, (start, leaves), beside);
    node_hash(&left, &fold(middle, high, (start, leaves), beside))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        merkle::{Tile, TileId, leaf_hash, root_of},
        proof::inclusion,
    };
    use std::{convert::Infallible, sync::Arc};

    struct Leaves(Vec<Hash>);

    impl Leaves {
        fn new(size: u64) -> Self {
            Self((0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect())
        }
    }

    impl Tiles for Leaves {
        type Error = Infallible;

        fn tile(&self, id: TileId, _: usize) -> Result<Arc<Tile>, Infallible> {
            let mut level = self.0.clone();
            for _ in 0..id.level {
                level = level.chunks_exact(256).map(root_of).collect();
            }
            let from = (id.index as usize) * 256;
            Ok(Arc::new(Tile::new(&level[from..level.len().min(from + 256)])))
        }
    }

    /// Small trees are enumerated completely: every range of every size, and every hash of it changed or left out.
    #[test]
    fn every_range_of_every_small_tree() {
        for size in 1..=33 {
            let tree = Leaves::new(size);
            let root = root_of(&tree.0);
            for start in 0..size {
                for count in 1..=size - start {
                    let Ok(path) = range(&tree, start, count, size);
                    let leaves = &tree.0[start as usize..(start + count) as usize];
                    assert_eq!(range_root(start, leaves, size, &path), Ok(root), "{start}+{count} of {size}");
                    for i in 0..path.len() {
                        let mut other = path.clone();
                        other[i][0] ^= 1;
                        assert_ne!(range_root(start, leaves, size, &other), Ok(root));
                        other.remove(i);
                        let length = Unproven::Length { found: path.len() - 1, needed: path.len() };
                        assert_eq!(range_root(start, leaves, size, &other), Err(length));
                    }
                    let mut other = leaves.to_vec();
                    other[(count / 2) as usize][31] ^= 1;
                    assert_ne!(range_root(start, &other, size, &path), Ok(root));
                    if start > 0 {
                        assert_ne!(range_root(start - 1, leaves, size, &path), Ok(root));
                    }
                }
            }
        }
    }

    #[test]
    fn one_leaf_is_proven_by_the_hashes_of_its_inclusion_path() {
        let tree = Leaves::new(70_000);
        for index in [0, 1, 255, 256, 65_535, 65_536, 69_999] {
            let (Ok(mut range), Ok(mut path)) = (range(&tree, index, 1, 70_000), inclusion(&tree, index, 70_000));
            range.sort_unstable();
            path.sort_unstable();
            assert_eq!(range, path);
        }
    }

    #[test]
    fn ranges_outside_are_refused() {
        let leaves = Leaves::new(4).0;
        for (start, count, size) in [(0, 0, 4), (4, 1, 4), (1, 4, 4), (u64::MAX, 1, u64::MAX), (0, 1, 0)] {
            let found = range_root(start, &leaves[..count], size, &[]);
            assert!(matches!(found, Err(Unproven::OutsideTree { .. })), "{start}+{count} of {size}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn ranges_of_larger_trees(size in 1u64..1_500, a in 0.0..1.0f64, b in 0.0..1.0f64) {
            let start = (a * size as f64) as u64 % size;
            let count = 1 + (b * (size - start) as f64) as u64 % (size - start);
            let tree = Leaves::new(size);
            let Ok(path) = range(&tree, start, count, size);
            let leaves = &tree.0[start as usize..(start + count) as usize];
            prop_assert_eq!(range_root(start, leaves, size, &path), Ok(root_of(&tree.0)));
            prop_assert!(path.len() <= 2 * 11);
        }
    }
}
