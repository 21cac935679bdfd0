//! What a data folder has stored where: so that a table file, which never changes, is read and stored once.
//!
//! The server cannot read its own backups, so it keeps a list of its own, in the data folder. A file is known by name, length
//! and the moment of its last change: table files keep all three for as long as they live, and a store that was put back, or
//! restored, begins a list of its own. A list that is lost, or wrong about what is there, costs a full backup and no more:
//! whatever it names is looked for in the place before it is relied on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use semper_ledger::disk::{self, DiskFault};
use semper_ttp::crypto::age::Recipient;
use serde::{Deserialize, Serialize};

use super::manifest::Stored;

/// The longest list that is read.
const INDEX_BYTES_MAX: usize = 256 << 20;

/// The list.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    /// By the name of the place.
    places: BTreeMap<String, Known>,
}

/// What one place has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    /// Whom it was encrypted to.
    recipients: Vec<String>,
    /// The newest backup.
    pub(crate) newest: Option<String>,
    /// By path in the data folder.
    pub(crate) files: BTreeMap<String, KnownFile>,
}

/// A file that was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownFile {
    /// Its length.
    pub(crate) bytes: u64,
    /// When it was last changed, ns since 1970.
    pub(crate) changed_ns: i128,
    /// SHA-256 of it, hex.
    pub(crate) sha256: String,
    /// Where it is.
    pub(crate) stored: Stored,
}

impl Index {
    /// Reads it; whatever does not read is an empty list.
    pub(crate) fn load(path: &Path) -> Self {
        let bytes = disk::read_at_most(path, INDEX_BYTES_MAX).ok().flatten();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Takes out what is known of a place for these recipients.
    pub(crate) fn take(&mut self, place: &str, recipients: &[Recipient]) -> Known {
        let recipients: Vec<_> = recipients.iter().map(ToString::to_string).collect();
        let known = self.places.remove(place).unwrap_or_default();
        // What others can read is of no use to these.
        let files = if known.recipients == recipients { known.files } else { BTreeMap::new() };
        Known { recipients, newest: known.newest, files }
    }

    /// Puts back what is known now, and writes the list.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn put(mut self, place: String, known: Known, path: &Path) -> Result<(), DiskFault> {
        self.places.insert(place, known);
        disk::replace(path, &serde_json::to_vec(&self).expect("strings and numbers"))
    }
}

/// Length and moment of the last change, ns since 1970.
pub(crate) fn stamp_of(metadata: &fs::Metadata) -> (u64, i128) {
    (metadata.len(), i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use semper_ttp::crypto::OsEntropy;
    use semper_ttp::crypto::age::Identity;

    use super::*;

    #[test]
    fn it_is_kept_by_place_and_recipients() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("backup.index");
        let recipient = || Identity::generate(&OsEntropy).unwrap().recipient().unwrap();
        let (one, two) = ([recipient()], [recipient()]);
        let mut index = Index::load(&path);
        let mut known = index.take("here", &one);
        let file = KnownFile {
            bytes: 1,
            changed_ns: 2,
            sha256: "s".to_owned(),
            stored: Stored { name: "n".to_owned(), bytes: 3 },
        };
        known.files.insert("store/000001.sst".to_owned(), file.clone());
        known.newest = Some("id".to_owned());
        index.put("here".to_owned(), known, &path).unwrap();
        let mut index = Index::load(&path);
        assert_eq!(index.take("there", &one).newest, None);
        let known = index.take("here", &one);
        assert_eq!((known.newest.as_deref(), known.files.get("store/000001.sst")), (Some("id"), Some(&file)));
        let known = Index::load(&path).take("here", &two);
        assert_eq!((known.newest.as_deref(), known.files.len()), (Some("id"), 0), "others cannot read these");
        fs::write(&path, b"{").unwrap();
        assert!(Index::load(&path).places.is_empty());
    }
}
