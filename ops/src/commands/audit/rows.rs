//! Entries with their facts and artefacts, in order, some thousand at a time.

use std::ops::ControlFlow;

use semper_ledger::complete::Lost;
use semper_ledger::merkle::{TILE_WIDTH, leaf_hash};
use semper_ledger::store::{Direction, Fault, Read, Table, keys, read, unseal};
use semper_ledger::tile::bundle_entries;
use semper_ttp::audit::{Row, Stored};

/// Bundles of one chunk: with tokens of 2 kB, 8 MB.
const CHUNK_BUNDLES: u64 = 16;

/// A row as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Absent,
    Unreadable,
    Lost,
    Kept(Vec<u8>),
}

impl Found {
    fn stored(&self) -> Stored<'_> {
        match self {
            Self::Absent => Stored::Absent,
            Self::Unreadable => Stored::Unreadable,
            Self::Lost => Stored::Lost,
            Self::Kept(bytes) => Stored::Kept(bytes),
        }
    }
}

/// Consecutive entries with what belongs to them.
pub(super) struct Chunk {
    first: u64,
    entries: Vec<Vec<u8>>,
    facts: Vec<Found>,
    artefacts: Vec<Found>,
}

/// The entries of a log of `size` from `first` on, which begins a bundle; `lost` is what the store says of that.
///
/// # Errors
/// A bundle does not read, or the database fails. A fact or artefact that does not read is no error: it is found so.
pub(super) fn chunk<R: Read + ?Sized>(store: &R, first: u64, size: u64, lost: &[Lost]) -> Result<Chunk, Fault> {
    let count = (size - first).min(CHUNK_BUNDLES * TILE_WIDTH);
    let mut entries = Vec::with_capacity(count as usize);
    for number in first / TILE_WIDTH..(first + count).div_ceil(TILE_WIDTH) {
        let key = keys::number(number);
        let bundle = read(store, Table::Bundle, &key)?.unwrap_or_default();
        let left = count as usize - entries.len();
        let width = left.min(TILE_WIDTH as usize);
        let read: Option<Vec<_>> = bundle_entries(&bundle).take(width).map(|entry| entry.map(<[u8]>::to_vec)).collect();
        let read = read.filter(|read| read.len() == width);
        entries.extend(read.ok_or(Fault::Corrupt {
            table: Table::Bundle,
            key: key.into(),
            what: "too few entries",
        })?);
    }
    let (mut facts, mut artefacts) =
        (rows(store, Table::Fact, first, count)?, rows(store, Table::Artefact, first, count)?);
    // What is there all the same is judged like everything else.
    for &(from, to) in lost {
        for index in from.max(first)..to.min(first + count) {
            for found in [&mut facts[(index - first) as usize], &mut artefacts[(index - first) as usize]] {
                if *found == Found::Absent {
                    *found = Found::Lost;
                }
            }
        }
    }
    Ok(Chunk { first, entries, facts, artefacts })
}

impl Chunk {
    /// Entries in it.
    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Each in its order, with its leaf hash.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Row<'_>, [u8; 32])> {
        (self.first..).zip(&self.entries).zip(self.facts.iter().zip(&self.artefacts)).map(
            |((index, entry), (fact, artefact))| {
                (Row { index, entry, fact: fact.stored(), artefact: artefact.stored() }, leaf_hash(entry))
            },
        )
    }
}

/// The rows of a table that is keyed by entry, `count` of them from `first` on.
fn rows<R: Read + ?Sized>(store: &R, table: Table, first: u64, count: u64) -> Result<Vec<Found>, Fault> {
    let mut found = vec![Found::Absent; count as usize];
    store.scan(table, &keys::number(first), Direction::Up, &mut |key, stored| {
        let at = keys::parse_number(key).and_then(|index| index.checked_sub(first));
        let Some(place) = at.and_then(|at| found.get_mut(at as usize)) else { return ControlFlow::Break(()) };
        *place = unseal(table, key, stored).map_or(Found::Unreadable, |value| Found::Kept(value.to_vec()));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use semper_ledger::complete;
    use semper_ledger::store::memory::MemoryStore;
    use semper_ledger::store::{Batch, Store as _};
    use semper_ledger::tile::bundle_push;

    use super::*;

    /// A log of `size` entries, whose facts are missing where 3 divides, and which has one artefact.
    fn store(size: u64) -> MemoryStore {
        let store = MemoryStore::default();
        let mut batch = Batch::default();
        for number in 0..size.div_ceil(TILE_WIDTH) {
            let mut bundle = Vec::new();
            for index in number * TILE_WIDTH..size.min((number + 1) * TILE_WIDTH) {
                bundle_push(&mut bundle, &index.to_be_bytes());
                if index % 3 != 0 {
                    batch.put(Table::Fact, &keys::number(index), &[1, index as u8]);
                }
            }
            batch.put(Table::Bundle, &keys::number(number), &bundle);
        }
        batch.put(Table::Artefact, &keys::number(size - 1), b"artefact");
        store.commit(&batch).unwrap();
        store
    }

    #[test]
    fn every_entry_once_and_in_order() {
        let most = CHUNK_BUNDLES * TILE_WIDTH;
        for size in [1, 255, 256, 257, most - 1, most, most + 1, 2 * most + 300] {
            let store = store(size);
            let mut next = 0;
            while next < size {
                let chunk = chunk(&store, next, size, &[]).unwrap();
                for (row, leaf) in chunk.rows() {
                    assert_eq!((row.index, row.entry), (next, &next.to_be_bytes()[..]));
                    assert_eq!(leaf, leaf_hash(row.entry));
                    match row.fact {
                        Stored::Kept(fact) => assert!(next % 3 != 0 && fact[1] == next as u8),
                        Stored::Absent => assert!(next.is_multiple_of(3)),
                        Stored::Unreadable | Stored::Lost => panic!("all rows read, and none was lost"),
                    }
                    assert_eq!(matches!(row.artefact, Stored::Kept(_)), next == size - 1);
                    next += 1;
                }
            }
            assert_eq!(next, size);
        }
    }

    #[test]
    fn what_the_store_says_is_lost_is_not_merely_absent() {
        let store = store(600);
        let mut batch = Batch::default();
        batch.put(Table::Meta, &[b"lost/".as_slice(), &keys::number(200)].concat(), &keys::number(300));
        store.commit(&batch).unwrap();
        let chunk = chunk(&store, 0, 600, &complete::lost(&store).unwrap()).unwrap();
        let lost: Vec<u64> =
            chunk.rows().filter(|(row, _)| matches!(row.fact, Stored::Lost)).map(|(row, _)| row.index).collect();
        assert_eq!(lost, (200..300).filter(|index| index % 3 == 0).collect::<Vec<_>>());
    }

    #[test]
    fn a_bundle_that_is_cut_is_an_error() {
        let store = store(300);
        assert!(matches!(chunk(&store, 0, 301, &[]), Err(Fault::Corrupt { table: Table::Bundle, .. })));
        assert!(matches!(chunk(&store, 0, 600, &[]), Err(Fault::Corrupt { table: Table::Bundle, .. })));
    }
}
