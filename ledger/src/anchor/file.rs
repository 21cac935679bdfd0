//! The anchor in a file: two slots of 4 KiB, written in turn.
//!
//! ```text
//! offset  0  magic "semper-anchor/1\n" (16)
//!        16  sequence u64 BE
//!        24  H(origin) (32)
//!        56  size u64 BE
//!        64  root (32)
//!        96  H(checkpoint text) (32)
//!       128  time u64 BE, ms since 1970
//!       136  zeros
//!      4064  H(bytes 0..4064) (32)
//! ```
//!
//! A cut during a write leaves one torn slot, whose hash fails, and the other one valid. Writing in place and fdatasync
//! costs 0.05 ms where writing anew and renaming costs 0.28 ms (measured where an appended flush cost 0.10 ms).

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use super::{Advance, Anchor, AnchorError, Anchored};
use crate::merkle::{Hash, sha256};

const MAGIC: &[u8; 16] = b"semper-anchor/1\n";
const SLOT_BYTES: usize = 4096;
const HASH_AT: usize = SLOT_BYTES - 32;

/// The anchor file, locked while this value lives.
#[derive(Debug)]
pub struct FileAnchor {
    path: PathBuf,
    file: File,
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
        Ok(Self { path: path.to_owned(), file, current: Mutex::new(None) })
    }

    /// Opens and locks the anchor file.
    pub fn open(path: &Path) -> Result<Self, AnchorError> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => AnchorError::Missing(path.to_owned()),
            _ => io(path, error),
        })?;
        lock(path, &file)?;
        let anchor = Self { path: path.to_owned(), file, current: Mutex::new(None) };
        *anchor.current.lock().expect("nobody else has it yet") = newest(&anchor.slots()?);
        Ok(anchor)
    }

    /// Both slots as they are on disk, for `fsck`.
    pub fn slots(&self) -> Result<[Slot; 2], AnchorError> {
        let mut slots = [Slot::Bad, Slot::Bad];
        for (i, slot) in slots.iter_mut().enumerate() {
            let mut bytes = [0; SLOT_BYTES];
            match self.file.read_exact_at(&mut bytes, (i * SLOT_BYTES) as u64) {
                Ok(()) => *slot = decode(&bytes),
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(io(&self.path, error)),
            }
        }
        Ok(slots)
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

fn encode(anchored: &Anchored) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..16].copy_from_slice(MAGIC);
    slot[16..24].copy_from_slice(&anchored.sequence.to_be_bytes());
    slot[24..56].copy_from_slice(&anchored.origin_hash);
    slot[56..64].copy_from_slice(&anchored.size.to_be_bytes());
    slot[64..96].copy_from_slice(&anchored.root);
    slot[96..128].copy_from_slice(&anchored.checkpoint_hash);
    slot[128..136].copy_from_slice(&anchored.time_ms.to_be_bytes());
    let hash = sha256(&slot[..HASH_AT]);
    slot[HASH_AT..].copy_from_slice(&hash);
    slot
}

fn decode(slot: &[u8; SLOT_BYTES]) -> Slot {
    if slot.iter().all(|byte| *byte == 0) {
        return Slot::Empty;
    }
    if slot[..16] != *MAGIC || slot[HASH_AT..] != sha256(&slot[..HASH_AT]) {
        return Slot::Bad;
    }
    let number = |at: usize| u64::from_be_bytes(slot[at..at + 8].try_into().expect("eight bytes"));
    let hash = |at: usize| Hash::try_from(&slot[at..at + 32]).expect("32 bytes");
    Slot::Valid(Anchored {
        sequence: number(16),
        origin_hash: hash(24),
        size: number(56),
        root: hash(64),
        checkpoint_hash: hash(96),
        time_ms: number(128),
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
        let at = (next.sequence % 2) * SLOT_BYTES as u64;
        match self.file.write_all_at(&encode(next), at).and_then(|()| self.file.sync_data()) {
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
