//! The two files of one origin's record.
//!
//! `record` is the memory: slots that are written in place ([`crate::slots`]), durable before an answer leaves; the payload
//! is the length of the note, u32 BE, and the note. `checkpoint` is a copy for readers, renamed into place now and then, and
//! not synced.
//!
//! A slot that is bad may have been torn by a cut, and nobody was answered; or it was whole, answered, and damaged since. In
//! the second case the copy is newer than what is left, and the record is not to be used ([`Found`]).

use std::{fs, io::ErrorKind, path::Path};

use crate::{
    disk::{self, DiskFault, fault},
    note::NOTE_BYTES_MAX,
    slots::{Magic, Slot, Slots},
};

const MAGIC: &Magic = b"semper-record/1\n";
const RECORD: &str = "record";

/// The copy for readers.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// What an origin's folder holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The newest note in the slots, with its number; `None` without the file.
    pub(super) record: Option<(u64, Vec<u8>)>,
    /// The copy.
    pub(super) copy: Option<Vec<u8>>,
}

/// Reads both files. `None` if there are slots and none of them is whole.
pub(super) fn read(folder: &Path) -> Result<Option<Found>, DiskFault> {
    let copy = disk::read_at_most(&folder.join(CHECKPOINT), NOTE_BYTES_MAX)?;
    let path = folder.join(RECORD);
    let slots = match Slots::open(&path, MAGIC) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(Found { record: None, copy })),
        other => other.and_then(|slots| slots.read()).map_err(fault("read", &path))?,
    };
    let note = |slot| match slot {
        Slot::Valid { sequence, payload } => {
            let (length, rest) = payload.split_first_chunk::<4>()?;
            Some((sequence, rest.get(..u32::from_be_bytes(*length) as usize)?.to_vec()))
        }
        Slot::Empty | Slot::Bad => None,
    };
    let newest = slots.into_iter().filter_map(note).max_by_key(|(sequence, _)| *sequence);
    Ok(newest.map(|record| Found { record: Some(record), copy }))
}

/// Writes the note with its number, durably.
pub(super) fn write(folder: &Path, sequence: u64, note: &str) -> Result<(), DiskFault> {
    let path = folder.join(RECORD);
    let payload = [&(note.len() as u32).to_be_bytes(), note.as_bytes()].concat();
    match Slots::open(&path, MAGIC) {
        Ok(slots) if slots.holds(payload.len()) => slots.write(sequence, &payload).map_err(fault("write", &path))?,
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(fault("open", &path)(error)),
        // The first one, or one that needs more room.
        Ok(_) | Err(_) => {
            disk::replace(&path, &Slots::image(MAGIC, Slots::fitting(payload.len()), sequence, &payload))?;
        }
    }
    Ok(())
}

/// The copy for readers.
pub(super) fn publish(folder: &Path, note: &str) -> Result<(), DiskFault> {
    let (part, path) = (folder.join("checkpoint.part"), folder.join(CHECKPOINT));
    disk::write(&part, note.as_bytes())?;
    fs::rename(&part, &path).map_err(fault("rename to", &path))
}
