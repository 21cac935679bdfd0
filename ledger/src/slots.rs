//! A small file that is written in place, for what is durable before every answer: two slots, written in turn, so that a cut
//! spoils one of them at most.
//!
//! ```text
//! offset   0  magic (16)
//!         16  sequence u64 BE: the highest valid one is the newest
//!         24  payload, then zeros
//!  slot − 32  H(everything before) (32)
//! ```
//!
//! Writing in place and fdatasync costs 0.05 ms where writing anew and renaming costs 0.28 ms (measured where an appended
//! flush cost 0.10 ms): no name and no size changes, so the file system has no journal to write.
//!
//! A torn slot and a damaged one look the same: whoever reads must know by something else whether a slot that is bad was
//! the newest.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use crate::merkle::{Hash, sha256};

/// What opens a slot; a kind of file has its own.
pub(crate) type Magic = [u8; 16];

/// The least size of a slot: what a disk writes at once.
pub(crate) const SLOT_BYTES: usize = 4096;

const PAYLOAD_AT: usize = 24;
const HASH_BYTES: usize = size_of::<Hash>();

/// Octets of a slot that are none of the payload.
const FRAME_BYTES: usize = PAYLOAD_AT + HASH_BYTES;

/// One slot as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Never written.
    Empty,
    /// Torn or damaged.
    Bad,
    /// Whole.
    Valid {
        /// Counts the writes.
        sequence: u64,
        /// With the zeros behind it.
        payload: Vec<u8>,
    },
}

/// The file, open.
#[derive(Debug)]
pub(crate) struct Slots {
    file: File,
    magic: &'static Magic,
    slot_bytes: usize,
}

impl Slots {
    /// An open file whose two slots have this size.
    pub(crate) fn new(file: File, magic: &'static Magic, slot_bytes: usize) -> Self {
        Self { file, magic, slot_bytes }
    }

    /// Opens a file whose slots are as large as its length says.
    pub(crate) fn open(path: &Path, magic: &'static Magic) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let slot_bytes = usize::try_from(file.metadata()?.len() / 2).unwrap_or(usize::MAX);
        Ok(Self::new(file, magic, slot_bytes))
    }

    /// The slot size that holds a payload of `length` octets.
    pub(crate) fn fitting(length: usize) -> usize {
        (length + FRAME_BYTES).next_power_of_two().max(SLOT_BYTES)
    }

    /// The content of a file with this one slot written.
    pub(crate) fn image(magic: &'static Magic, slot_bytes: usize, sequence: u64, payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 2 * slot_bytes];
        let at = (sequence % 2) as usize * slot_bytes;
        image[at..at + slot_bytes].copy_from_slice(&slot(magic, slot_bytes, sequence, payload));
        image
    }

    /// True if a payload of `length` octets has room.
    pub(crate) fn holds(&self, length: usize) -> bool {
        length + FRAME_BYTES <= self.slot_bytes
    }

    /// Both slots; what lies beyond the file's end is bad.
    pub(crate) fn read(&self) -> io::Result<[Slot; 2]> {
        let mut slots = [Slot::Bad, Slot::Bad];
        for (slot, at) in slots.iter_mut().zip([0, self.slot_bytes as u64]) {
            let mut bytes = vec![0; self.slot_bytes];
            match self.file.read_exact_at(&mut bytes, at) {
                Ok(()) => *slot = self.decode(&bytes),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error),
            }
        }
        Ok(slots)
    }

    /// Writes the slot that is this one's turn, durably. On an error nobody knows what it holds.
    ///
    /// # Panics
    /// The payload has no room: [`Slots::holds`].
    pub(crate) fn write(&self, sequence: u64, payload: &[u8]) -> io::Result<()> {
        let bytes = slot(self.magic, self.slot_bytes, sequence, payload);
        self.file.write_all_at(&bytes, (sequence % 2) * self.slot_bytes as u64)?;
        self.file.sync_data()
    }

    fn decode(&self, bytes: &[u8]) -> Slot {
        if bytes.iter().all(|byte| *byte == 0) {
            return Slot::Empty;
        }
        let read = || {
            let (body, hash) = bytes.split_last_chunk::<HASH_BYTES>()?;
            let (magic, body) = body.split_first_chunk::<16>()?;
            let (sequence, payload) = body.split_first_chunk::<8>()?;
            let whole = magic == self.magic && *hash == sha256(&bytes[..bytes.len() - HASH_BYTES]);
            whole.then(|| Slot::Valid { sequence: u64::from_be_bytes(*sequence), payload: payload.to_vec() })
        };
        read().unwrap_or(Slot::Bad)
    }
}

fn slot(magic: &Magic, slot_bytes: usize, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let mut slot = vec![0; slot_bytes];
    slot[..16].copy_from_slice(magic);
    slot[16..PAYLOAD_AT].copy_from_slice(&sequence.to_be_bytes());
    slot[PAYLOAD_AT..PAYLOAD_AT + payload.len()].copy_from_slice(payload);
    let (body, hash) = slot.split_at_mut(slot_bytes - HASH_BYTES);
    hash.copy_from_slice(&sha256(body));
    slot
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: &Magic = b"semper-testing/1";

    #[test]
    fn slots_are_written_in_turn_and_a_payload_has_its_room() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slots");
        assert_eq!(Slots::fitting(0), SLOT_BYTES);
        assert_eq!(Slots::fitting(SLOT_BYTES - FRAME_BYTES), SLOT_BYTES);
        assert_eq!(Slots::fitting(SLOT_BYTES - FRAME_BYTES + 1), 2 * SLOT_BYTES);
        std::fs::write(&path, Slots::image(MAGIC, SLOT_BYTES, 7, b"seven")).unwrap();
        let slots = Slots::open(&path, MAGIC).unwrap();
        let said = |slots: &Slots| {
            slots.read().unwrap().map(|slot| match slot {
                Slot::Valid { sequence, payload } => Some((sequence, payload[..5].to_vec())),
                Slot::Empty => None,
                Slot::Bad => panic!("a bad slot"),
            })
        };
        assert_eq!(said(&slots), [None, Some((7, b"seven".to_vec()))]);
        slots.write(8, b"eight").unwrap();
        slots.write(9, b"ninth").unwrap();
        assert_eq!(said(&slots), [Some((8, b"eight".to_vec())), Some((9, b"ninth".to_vec()))]);
        assert!(slots.holds(SLOT_BYTES - FRAME_BYTES) && !slots.holds(SLOT_BYTES - FRAME_BYTES + 1));
        slots.write(10, &[7; SLOT_BYTES - FRAME_BYTES]).unwrap();
        // Another kind's file.
        assert_eq!(Slots::open(&path, b"semper-another/1").unwrap().read().unwrap(), [Slot::Bad, Slot::Bad]);
        // Cut, and of no length at all.
        for (length, left) in [(SLOT_BYTES as u64, [Slot::Bad, Slot::Bad]), (0, [Slot::Empty, Slot::Empty])] {
            slots.file.set_len(length).unwrap();
            assert_eq!(Slots::open(&path, MAGIC).unwrap().read().unwrap(), left, "{length}");
        }
    }
}
