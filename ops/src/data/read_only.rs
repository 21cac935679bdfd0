//! The mark of a folder whose ledger must not go on, because it was answered for more than it holds: `semper restore
//! --read-only` writes it, `semper serve` then serves what is there and signs nothing.
//!
//! The mark is a convenience of the operator's, not the lock: whoever deletes it still has an anchor that is ahead of the
//! store, or none, and a start is refused.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use semper_ledger::reader::Reader;

use semper_ttp::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DataError, DataFolder, files, write_new};

/// The name of the mark.
const MARK: &str = "READ-ONLY";

/// What was lost, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadOnly {
    /// Entries that are here.
    pub(crate) size: u64,
    /// Their root, hex.
    pub(crate) root: String,
    /// The time of the last of them, ms since 1970.
    pub(crate) last_ms: u64,
    /// Entries that the log is known to have had.
    pub(crate) known_size: u64,
    /// Their root, hex.
    pub(crate) known_root: String,
    /// When the last of those was made, where that is known, ms since 1970.
    pub(crate) known_ms: Option<u64>,
    /// Who knows it: the anchor, or a witness by name.
    pub(crate) known_by: String,
}

impl ReadOnly {
    /// The store at `path` is the one that was marked.
    ///
    /// # Errors
    /// It has another size or root.
    pub(crate) fn check(&self, path: &Path, reader: &Reader) -> Result<(), DataError> {
        match (reader.size(), hex::encode(reader.newest().edge().root())) == (self.size, self.root.clone()) {
            true => Ok(()),
            false => {
                let reason = "is marked read-only, but at another size or root than it has".to_owned();
                Err(DataError::Unfit { path: path.to_owned(), reason })
            }
        }
    }
}

impl fmt::Display for ReadOnly {
    /// One sentence for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = |ms: u64| Timestamp::from_millis(ms).to_string();
        write!(
            f,
            "this ledger ends at entry {} of {}: {} entries made after {}{} are lost ({} knows of them), so it is served for \
             reading, signs nothing more, and a new origin must follow",
            self.size,
            self.known_size,
            self.known_size - self.size,
            moment(self.last_ms),
            self.known_ms.map(|ms| format!(" and until {}", moment(ms))).unwrap_or_default(),
            self.known_by,
        )
    }
}

impl DataFolder {
    /// The mark, if the folder has one.
    ///
    /// # Errors
    /// It does not read.
    pub(crate) fn read_only(&self) -> Result<Option<ReadOnly>, DataError> {
        let path = self.path(MARK);
        let bytes = match files::read(&path) {
            Err(DataError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mark: ReadOnly = serde_json::from_slice(&bytes)
            .map_err(|error| DataError::Unfit { path: path.clone(), reason: error.to_string() })?;
        match mark.size < mark.known_size {
            true => Ok(Some(mark)),
            false => Err(DataError::Unfit { path, reason: "says that nothing is lost".to_owned() }),
        }
    }

    /// Marks the folder.
    ///
    /// # Errors
    /// It is marked, or the disk fails.
    pub(crate) fn mark_read_only(&self, mark: &ReadOnly) -> Result<(), DataError> {
        let mut bytes = serde_json::to_vec_pretty(mark).expect("numbers and strings");
        bytes.push(b'\n');
        write_new(&self.path(MARK), 0o644, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_read_as_written_and_says_what_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataFolder::at(dir.path());
        assert_eq!(folder.read_only().unwrap(), None);
        let mark = ReadOnly {
            size: 10,
            root: "aa".to_owned(),
            last_ms: 1_772_366_400_250,
            known_size: 37,
            known_root: "bb".to_owned(),
            known_ms: None,
            known_by: "witness w".to_owned(),
        };
        folder.mark_read_only(&mark).unwrap();
        assert_eq!(folder.read_only().unwrap(), Some(mark.clone()));
        let said = mark.to_string();
        assert!(said.contains("27 entries made after 2026-03-01T12:00:00.250Z are lost (witness w knows"), "{said}");
        assert!(folder.mark_read_only(&mark).is_err());
        std::fs::write(folder.path(MARK), b"{}").unwrap();
        assert!(folder.read_only().is_err());
    }
}
