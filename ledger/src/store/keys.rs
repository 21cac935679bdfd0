//! Every table of the store, and the bytes of its keys. The names are on disk: one that is retired stays listed here.

use std::fmt;

use crate::merkle::{Hash, TileId};

/// A table (a column family in RocksDB). The number enters the checksum of each row, so it never changes either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Name → format version, origin, public keys.
    Meta = 1,
    /// Bundle index → up to 256 entries as served (u16 BE length ‖ entry).
    Bundle = 2,
    /// Level ‖ tile index → up to 256 hashes as served; behind all 256 of them, the 16 nodes each over 16 of them.
    Tile = 3,
    /// Size after the group → the group's head.
    Group = 4,
    /// Entry index → the fact's bytes, kept for ever.
    Fact = 5,
    /// Entry index → the artefact's bytes, private and erasable.
    Artefact = 6,
    /// Digest ‖ entry index → nothing.
    Digest = 7,
    /// Tag → entry index.
    Tag = 8,
    /// Idempotency key → entry index, count, request hash.
    Dedup = 9,
    /// Aggregate ‖ step → entry index.
    Aggregate = 10,
    /// Aggregate → state as folded so far: a cache.
    Snapshot = 11,
    /// Name → a number that only grows.
    Counter = 12,
    /// A name under which a fact is found, as `ttp` composes it → entry index. Stores from before it have none, and no
    /// fact that had a name.
    Name = 13,
    /// Id of a data key → index of the entry that it came with, and the key as wrapped. The one table from which rows go: to
    /// destroy the key of what was sealed is to erase it. Stores from before it have none, and nothing that was sealed.
    Key = 14,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 14] = [
        Self::Meta,
        Self::Bundle,
        Self::Tile,
        Self::Group,
        Self::Fact,
        Self::Artefact,
        Self::Digest,
        Self::Tag,
        Self::Dedup,
        Self::Aggregate,
        Self::Snapshot,
        Self::Counter,
        Self::Name,
        Self::Key,
    ];

    /// Tables that stores of earlier programs do not have, and nothing that they would hold: made when such a store is opened
    /// for writing. From then on the programs from before refuse the store, since they do not know all of its tables.
    pub(crate) const LATER: [Self; 2] = [Self::Name, Self::Key];

    /// The name on disk.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Bundle => "bundle",
            Self::Tile => "tile",
            Self::Group => "group",
            Self::Fact => "fact",
            Self::Artefact => "artefact",
            Self::Digest => "digest",
            Self::Tag => "tag",
            Self::Dedup => "dedup",
            Self::Aggregate => "aggregate",
            Self::Snapshot => "snapshot",
            Self::Counter => "counter",
            Self::Name => "name",
            Self::Key => "key",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Key of a row that is named by a number: big endian, so that key order is number order.
pub fn number(n: u64) -> [u8; 8] {
    n.to_be_bytes()
}

/// Reads [`number`] back.
pub fn parse_number(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

/// Key of a tile: level ‖ index.
pub fn tile(id: TileId) -> [u8; 9] {
    let mut key = [id.level; 9];
    key[1..].copy_from_slice(&id.index.to_be_bytes());
    key
}

/// Reads [`tile`] back.
pub fn parse_tile(key: &[u8]) -> Option<TileId> {
    let (level, index) = key.split_first()?;
    Some(TileId { level: *level, index: parse_number(index)? })
}

/// Key of a row named by a hash and a number: digest and entry index, aggregate and step.
pub fn hash_number(hash: &Hash, n: u64) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(hash);
    key[32..].copy_from_slice(&n.to_be_bytes());
    key
}

/// Reads [`hash_number`] back.
pub fn parse_hash_number(key: &[u8]) -> Option<(Hash, u64)> {
    let (hash, n) = key.split_first_chunk::<32>()?;
    Some((*hash, parse_number(n)?))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tables_are_told_apart_by_name_and_number() {
        assert_eq!(Table::ALL.iter().map(|t| t.name()).collect::<HashSet<_>>().len(), Table::ALL.len());
        assert_eq!(Table::ALL.iter().map(|t| *t as u8).collect::<HashSet<_>>().len(), Table::ALL.len());
    }

    #[test]
    fn keys_order_as_their_numbers() {
        assert!(number(255) < number(256));
        assert!(tile(TileId { level: 0, index: u64::MAX }) < tile(TileId { level: 1, index: 0 }));
        let id = TileId { level: 3, index: 77 };
        assert_eq!(parse_tile(&tile(id)), Some(id));
        assert_eq!(parse_hash_number(&hash_number(&[7; 32], 9)), Some(([7; 32], 9)));
        assert_eq!(parse_number(&[0; 7]), None);
        assert_eq!(parse_tile(&[]), None);
    }
}
