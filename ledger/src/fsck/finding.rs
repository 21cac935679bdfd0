//! What a check found: which row, what it is about, what is wrong with it.

use std::{collections::HashSet, fmt, sync::Mutex};

use crate::{
    merkle::TILE_WIDTH,
    store::{Table, keys},
    tile::Resource,
};

/// Where a finding lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A row of a table, or the place where a row should be.
    Row(Table),
    /// A whole table or what lies under it: the database's own words name the file.
    Storage(Table),
    /// The write-ahead log under all tables: the database's own words name the file.
    WriteAheadLog,
    /// The erasure journal.
    Journal,
    /// The anchor; the key is the number of the slot, 0 or 1, or empty for the anchor as a whole.
    Anchor,
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Something is wrong.
    False,
    /// Wrong, as a power cut leaves it or a flipped byte: nobody can tell these apart, and the next start writes it anew.
    Torn,
    /// Something that the answer needs is missing or unknown here.
    Untold,
}

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How sure it is.
    pub grade: Grade,
    /// Where it lies.
    pub place: Place,
    /// The row's key as stored.
    pub key: Vec<u8>,
    /// What is wrong, one sentence.
    pub what: String,
}

impl Finding {
    /// What the key names, in words.
    pub fn meaning(&self) -> String {
        let table = match self.place {
            Place::Row(table) => table,
            Place::Storage(_) => return "the table".to_owned(),
            Place::Journal => return "the erasure journal".to_owned(),
            Place::WriteAheadLog => return "rows that no table file holds yet".to_owned(),
            Place::Anchor => {
                return self.key.first().map_or("the anchor".to_owned(), |slot| format!("slot {slot}"));
            }
        };
        meaning(table, &self.key).unwrap_or_else(|| "no key of this table".to_owned())
    }
}

impl fmt::Display for Finding {
    /// One line: place, key, meaning, what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Row(table) => write!(f, "{table} {} ({}): ", hex::encode(&self.key), self.meaning())?,
            Place::Storage(table) => write!(f, "{table}: ")?,
            Place::Journal => f.write_str("erasure journal: ")?,
            Place::WriteAheadLog => f.write_str("write-ahead log: ")?,
            Place::Anchor => write!(f, "anchor ({}): ", self.meaning())?,
        }
        f.write_str(&self.what)
    }
}

fn meaning(table: Table, key: &[u8]) -> Option<String> {
    let hash = |hash: &[u8]| hex::encode(&hash[..8]);
    Some(match table {
        Table::Meta | Table::Counter => std::str::from_utf8(key).ok()?.to_owned(),
        Table::Bundle => {
            let first = keys::parse_number(key)?.checked_mul(TILE_WIDTH)?;
            format!("entries {first} to {}", first.checked_add(TILE_WIDTH - 1)?)
        }
        Table::Tile => {
            let id = keys::parse_tile(key)?;
            format!("tile/{}", Resource::Tile { id, width: TILE_WIDTH as usize })
        }
        Table::Group => format!("the checkpoint of size {}", keys::parse_number(key)?),
        Table::Fact => format!("the fact of entry {}", keys::parse_number(key)?),
        Table::Artefact => format!("the artefact of entry {}", keys::parse_number(key)?),
        Table::Digest => {
            let (digest, index) = keys::parse_hash_number(key)?;
            format!("digest {}… of entry {index}", hash(&digest))
        }
        Table::Tag if key.len() == 32 => format!("tag {}…", hash(key)),
        Table::Dedup if key.len() == 32 => format!("idempotency key {}…", hash(key)),
        Table::Aggregate => {
            let (aggregate, step) = keys::parse_hash_number(key)?;
            format!("step {step} of aggregate {}…", hash(&aggregate))
        }
        Table::Name => format!("a name of kind {}", key.first()?),
        Table::Snapshot if key.len() == 32 => format!("the state of aggregate {}…", hash(key)),
        Table::Key if key.len() == 16 => format!("data key {}…", hash(key)),
        Table::Tag | Table::Dedup | Table::Snapshot | Table::Key => return None,
    })
}

/// Gathers findings from all threads: a bounded list, and counts of all.
#[derive(Debug)]
pub(super) struct Findings {
    most: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    list: Vec<Finding>,
    falsehoods: u64,
    untold: u64,
    /// Storage errors that were told already: each range that meets the same bad block would tell it again.
    told: HashSet<(Table, String)>,
}

impl Findings {
    pub(super) fn new(most: usize) -> Self {
        Self { most, inner: Mutex::default() }
    }

    fn add(&self, grade: Grade, place: Place, key: &[u8], what: String) {
        let mut inner = self.inner.lock().expect("no panic holds this lock");
        if let Place::Storage(table) = place
            && !inner.told.insert((table, what.clone()))
        {
            return;
        }
        match grade {
            Grade::False | Grade::Torn => inner.falsehoods += 1,
            Grade::Untold => inner.untold += 1,
        }
        if inner.list.len() < self.most {
            inner.list.push(Finding { grade, place, key: key.to_vec(), what });
        }
    }

    /// A row that is wrong, missing or surplus.
    pub(super) fn row(&self, table: Table, key: &[u8], what: impl Into<String>) {
        self.add(Grade::False, Place::Row(table), key, what.into());
    }

    /// A row of which this program cannot say whether it is right.
    pub(super) fn untold(&self, table: Table, key: &[u8], what: impl Into<String>) {
        self.add(Grade::Untold, Place::Row(table), key, what.into());
    }

    /// The database could not read.
    pub(super) fn storage(&self, table: Table, what: String) {
        self.add(Grade::False, Place::Storage(table), &[], what);
    }

    /// The write-ahead log.
    pub(super) fn write_ahead_log(&self, grade: Grade, what: impl Into<String>) {
        self.add(grade, Place::WriteAheadLog, &[], what.into());
    }

    /// The erasure journal.
    pub(super) fn journal(&self, grade: Grade, what: impl Into<String>) {
        self.add(grade, Place::Journal, &[], what.into());
    }

    /// The anchor.
    pub(super) fn anchor(&self, grade: Grade, slot: Option<u8>, what: impl Into<String>) {
        self.add(grade, Place::Anchor, slot.as_slice(), what.into());
    }

    /// The list in the order of tables and keys, and how many findings of each grade there were in all.
    pub(super) fn into_parts(self) -> (Vec<Finding>, u64, u64) {
        let mut inner = self.inner.into_inner().expect("no panic held this lock");
        inner.list.sort_by(|a, b| (a.place, &a.key, &a.what).cmp(&(b.place, &b.key, &b.what)));
        (inner.list, inner.falsehoods, inner.untold)
    }
}
