//! The contract of storage, and the rows that are kept in it.
//!
//! A store is a set of tables of byte rows, ordered by key. It promises:
//!
//! - [`Store::commit`] is **atomic** (all rows of a batch or none) and **durable on return**: after `Ok`, a power cut
//!   loses nothing of it. After an error nobody knows whether the batch is there; the caller must treat that as fatal,
//!   leave the process and come back through the opening path, which reads what is really on disk. Nobody retries.
//! - [`Read`] on a store sees the newest commit; on a [`Store::view`] it sees the moment at which the view was taken.
//! - One process at a time: opening a store that is open elsewhere fails.
//!
//! No cleverer abstraction is built than two stores need: [`rocks`] (the one file naming RocksDB) and [`memory`]. Every
//! implementation passes [`suite`].

pub mod keys;
pub mod memory;
mod migrate;
pub mod rocks;
#[cfg(any(test, feature = "test-util"))]
pub mod suite;

use std::ops::ControlFlow;

pub use keys::Table;
pub(crate) use migrate::FORMAT_KEY;
pub use migrate::{BadFormat, FORMAT, FORMAT_ERASED, check_format};

/// Why storage failed. Shown to operators, never to clients.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The disk or the database under the store.
    #[error("storage failed: {0}")]
    Storage(String),
    /// A row whose checksum does not fit, or whose content cannot be what was written.
    #[error("corrupt row in table {table}, key {}: {what}", hex::encode(key))]
    Corrupt {
        /// Table of the row.
        table: Table,
        /// Its key.
        key: Vec<u8>,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Fault {
    /// A row that cannot be what was written.
    pub(crate) fn corrupt(table: Table, key: &[u8], what: &'static str) -> Self {
        Self::Corrupt { table, key: key.to_vec(), what }
    }
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Ascending keys, from the given key (included) on.
    Up,
    /// Descending keys, from the given key (included) back.
    Down,
}

/// What a scan calls for each row: key, value as stored.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Reads rows as stored; [`read`] and [`scan`] also check them.
pub trait Read {
    /// The row at `key`.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;

    /// Visits rows in key order until `visit` breaks.
    fn scan(&self, table: Table, from: &[u8], direction: Direction, visit: &mut Visit<'_>) -> Result<(), Fault>;

    /// The first row that a scan would visit, with its key.
    fn first(&self, table: Table, from: &[u8], direction: Direction) -> Result<Option<KeyAndRow>, Fault> {
        let mut found = None;
        self.scan(table, from, direction, &mut |key, row| {
            found = Some((key.to_vec(), row.to_vec()));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }
}

/// A key and its row.
pub type KeyAndRow = (Vec<u8>, Vec<u8>);

/// Storage of one ledger. See the module for what it promises.
pub trait Store: Read + Send + Sync {
    /// One consistent moment.
    fn view(&self) -> Box<dyn Read + '_>;

    /// Writes all rows of `batch` or none, durably. An error is fatal.
    fn commit(&self, batch: &Batch) -> Result<(), Fault>;
}

/// Rows to be written together. Every value is sealed with a checksum over table, key and value.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    table: Table,
    key: std::ops::Range<usize>,
    /// `None` deletes.
    value: Option<std::ops::Range<usize>>,
}

impl Batch {
    /// Writes a row.
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.put_parts(table, key, &[value]);
    }

    /// Writes a row whose value is `parts`, concatenated.
    pub fn put_parts(&mut self, table: Table, key: &[u8], parts: &[&[u8]]) {
        let key_range = self.extend(&[key]);
        let value = self.extend(parts);
        let seal = seal(table, key, &self.bytes[value.clone()]);
        self.bytes.extend_from_slice(&seal);
        self.rows.push(Row { table, key: key_range, value: Some(value.start..value.end + seal.len()) });
    }

    /// Deletes a row.
    pub fn delete(&mut self, table: Table, key: &[u8]) {
        let key = self.extend(&[key]);
        self.rows.push(Row { table, key, value: None });
    }

    fn extend(&mut self, parts: &[&[u8]]) -> std::ops::Range<usize> {
        let start = self.bytes.len();
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        start..self.bytes.len()
    }

    /// The rows in order: table, key, value as stored (`None` deletes).
    pub fn rows(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        self.rows.iter().map(|row| {
            let value = row.value.clone().map(|range| &self.bytes[range]);
            (row.table, &self.bytes[row.key.clone()], value)
        })
    }

    /// Rows in the batch.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Length of the checksum that ends every stored value.
pub const SEAL_BYTES: usize = 4;

/// CRC-32 over table, key and value: finds every single flipped byte, also in the key or in a row that strayed into
/// another table. It guards against accidents; against people guard the root, the anchor and the witnesses.
fn seal(table: Table, key: &[u8], value: &[u8]) -> [u8; SEAL_BYTES] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[table as u8, key.len() as u8]);
    crc.update(key);
    crc.update(value);
    crc.finalize().to_be_bytes()
}

/// Checks the seal of a stored value and takes it off.
pub fn unseal<'v>(table: Table, key: &[u8], stored: &'v [u8]) -> Result<&'v [u8], Fault> {
    match stored.split_last_chunk::<SEAL_BYTES>() {
        Some((value, found)) if seal(table, key, value) == *found => Ok(value),
        _ => Err(Fault::corrupt(table, key, "the checksum does not fit")),
    }
}

/// Reads one row and checks its seal.
pub fn read<R: Read + ?Sized>(rows: &R, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let Some(mut stored) = rows.get(table, key)? else { return Ok(None) };
    let length = unseal(table, key, &stored)?.len();
    stored.truncate(length);
    Ok(Some(stored))
}

/// The first row that a scan would visit, its seal checked.
pub fn first<R: Read + ?Sized>(
    rows: &R,
    table: Table,
    from: &[u8],
    direction: Direction,
) -> Result<Option<KeyAndRow>, Fault> {
    let Some((key, mut stored)) = rows.first(table, from, direction)? else { return Ok(None) };
    let length = unseal(table, &key, &stored)?.len();
    stored.truncate(length);
    Ok(Some((key, stored)))
}

/// Visits rows in key order, each with its seal checked, until `visit` breaks or fails.
pub fn scan<R: Read + ?Sized, E: From<Fault>>(
    rows: &R,
    table: Table,
    from: &[u8],
    direction: Direction,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let mut failed = None;
    rows.scan(table, from, direction, &mut |key, stored| {
        let outcome = unseal(table, key, stored).map_err(E::from).and_then(|value| visit(key, value));
        outcome.unwrap_or_else(|error| {
            failed = Some(error);
            ControlFlow::Break(())
        })
    })?;
    failed.map_or(Ok(()), Err)
}
