//! The anchor in a file of two slots ([`crate::slots`]), of 4 KiB each. The payload:
//!
//! ```text
//! offset  0  H(origin) (32)
//!        32  size u64 BE
//!        40  root (32)
//!        72  H(checkpoint text) (32)
//!       104  time u64 BE, ms since 1970
//! ```

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use super::{Advance, Anchor, AnchorError, Anchored};
use crate::slots::{self, Magic, SLOT_BYTES, Slots};

const MAGIC: &Magic = b"semper-anchor/1\n";

/// The anchor file, locked while this value lives.
#[derive(Debug)]
pub struct FileAnchor {
    path: PathBuf,
    slots: Slots,
    /// What the file holds, as far as this process knows.
    current: Mutex<Option<Anchored>>,
}

impl FileAnchor {
    /// Makes an empty anchor file; it must not exist. The file and its name are durable on return; after an error there
    /// is no file that was not there before.
    pub fn create(path: &Path) -> Result<Self, AnchorError> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
        let file = file.map_err(|error| io(path, error))?;
        let make = || {
            file.write_all_at(&[0; 2 * SLOT_BYTES], 0)?;
            file.sync_all()?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(parent)?.sync_all()
        };
        let made = lock(path, &file).and_then(|()| make().map_err(|error| io(path, error)));
        made.inspect_err(|_| {
            let _ = std::fs::remove_file(path); // the error that is told came first
        })?;
        Ok(Self::new(path, file))
    }

    fn new(path: &Path, file: File) -> Self {
        let slots = Slots::new(file, MAGIC, SLOT_BYTES);
        Self { path: path.to_owned(), slots, current: Mutex::new(None) }
    }

    /// Opens and locks the anchor file.
    pub fn open(path: &Path) -> Result<Self, AnchorError> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => AnchorError::Missing(path.to_owned()),
            _ => io(path, error),
        })?;
        lock(path, &file)?;
        let anchor = Self::new(path, file);
        *anchor.current.lock().expect("nobody else has it yet") = newest(&anchor.slots()?);
        Ok(anchor)
    }

    /// Both slots as they are on disk, for `fsck`.
    pub fn slots(&self) -> Result<[Slot; 2], AnchorError> {
        Ok(self.slots.read().map_err(|error| io(&self.path, error))?.map(Slot::from))
    }
}

/// One slot of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Never written.
    Empty,
    /// Torn or damaged.
    Bad,
    /// A checkpoint.
    Valid(Anchored),
}

impl From<slots::Slot> for Slot {
    fn from(slot: slots::Slot) -> Self {
        match slot {
            slots::Slot::Empty => Self::Empty,
            slots::Slot::Bad => Self::Bad,
            slots::Slot::Valid { sequence, payload } => decode(sequence, &payload).map_or(Self::Bad, Self::Valid),
        }
    }
}

fn lock(path: &Path, file: &File) -> Result<(), AnchorError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => AnchorError::Locked(path.to_owned()),
        TryLockError::Error(error) => io(path, error),
    })
}

fn io(path: &Path, error: std::io::Error) -> AnchorError {
    AnchorError::Io { path: path.to_owned(), error }
}

fn newest(slots: &[Slot]) -> Option<Anchored> {
    let valid = slots.iter().filter_map(|slot| if let Slot::Valid(anchored) = slot { Some(anchored) } else { None });
    valid.max_by_key(|anchored| anchored.sequence).cloned()
}

fn encode(anchored: &Anchored) -> Vec<u8> {
    let Anchored { sequence: _, origin_hash, size, root, checkpoint_hash, time_ms } = anchored;
    [&origin_hash[..], &size.to_be_bytes(), root, checkpoint_hash, &time_ms.to_be_bytes()].concat()
}

fn decode(sequence: u64, payload: &[u8]) -> Option<Anchored> {
    let (origin_hash, rest) = payload.split_first_chunk()?;
    let (size, rest) = rest.split_first_chunk()?;
    let (root, rest) = rest.split_first_chunk()?;
    let (checkpoint_hash, rest) = rest.split_first_chunk()?;
    let (time_ms, _) = rest.split_first_chunk()?;
    Some(Anchored {
        sequence,
        origin_hash: *origin_hash,
        size: u64::from_be_bytes(*size),
        root: *root,
        checkpoint_hash: *checkpoint_hash,
        time_ms: u64::from_be_bytes(*time_ms),
    })
}

impl Anchor for FileAnchor {
    fn load(&self) -> Result<Option<Anchored>, AnchorError> {
        Ok(newest(&self.slots()?))
    }

    fn advance(&self, expected: Option<&Anchored>, next: &Anchored) -> Advance {
        let mut current = self.current.lock().expect("no panic holds this lock");
        if current.as_ref() != expected {
            return Advance::Conflict(current.clone());
        }
        match self.slots.write(next.sequence, &encode(next)) {
            Ok(()) => {
                *current = Some(next.clone());
                Advance::Done
            }
            Err(error) => Advance::Unknown(io(&self.path, error).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchor");
        drop(FileAnchor::create(&path).unwrap());
        super::super::suite::run(|| FileAnchor::open(&path).unwrap());
    }

    #[test]
    fn one_owner_and_no_overwriting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchor");
        assert!(matches!(FileAnchor::open(&path), Err(AnchorError::Missing(_))));
        let anchor = FileAnchor::create(&path).unwrap();
        assert!(matches!(FileAnchor::open(&path), Err(AnchorError::Locked(_))));
        drop(anchor);
        assert!(matches!(FileAnchor::create(&path), Err(AnchorError::Io { .. })));
        assert!(FileAnchor::open(&path).is_ok());
    }

    #[test]
    fn any_flipped_byte_spoils_its_slot_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchor");
        let anchor = FileAnchor::create(&path).unwrap();
        let first = Anchored { sequence: 1, size: 5, ..Anchored::empty("log") };
        let second = Anchored { sequence: 2, size: 6, ..Anchored::empty("log") };
        assert!(matches!(anchor.advance(None, &first), Advance::Done));
        assert!(matches!(anchor.advance(Some(&first), &second), Advance::Done));
        drop(anchor);
        let good = std::fs::read(&path).unwrap();
        for at in 0..SLOT_BYTES {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let anchor = FileAnchor::open(&path).unwrap();
            assert_eq!(anchor.slots().unwrap(), [Slot::Bad, Slot::Valid(first.clone())]);
            assert_eq!(anchor.load().unwrap(), Some(first.clone()));
        }
        std::fs::write(&path, &good[..100]).unwrap();
        assert_eq!(FileAnchor::open(&path).unwrap().load().unwrap(), None, "cut short");
    }
}
