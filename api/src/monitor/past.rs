//! What a monitor keeps of each entry that it has read, so that a list of digests that comes later is compared with old
//! entries, too.
//!
//! ```text
//! row i, 44 bytes: digest of entry i (32) ‖ what it is, u16 BE ‖ its time in ms, or its version, 48 bits BE
//!                  ‖ CRC-32 of i (u64 BE) and of all these, BE
//! ```
//!
//! It is appended to only, and as long as the log. To read the bundles again instead would cost the log its whole size for
//! every line that somebody adds to a list, and a log may have stopped serving them. Nothing depends on the file: what is
//! missing in it is read again from the log, once, and compared with the tiles ([`super::Follower`]). Out of scope: the
//! lists ([`super::watch`]), and whoever writes into the folder: the checksums find a disk that forgets, not an attacker.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use semper_ledger::{
    entry::{Entry, NotAnEntry},
    merkle::{Hash, sha256},
    monitor::Seen,
    store::Fault,
};
use semper_ttp::{evidence, time::Timestamp};

use super::notice::Noted;

const ROW_BYTES: usize = 44;
/// Of these, what the checksum is of.
const SUMMED_BYTES: usize = ROW_BYTES - 4;
/// Rows that are read at a time: 704 KiB.
const ROWS_AT_ONCE: u64 = 16_384;

/// What an entry is; the codes of kinds are below these.
const OTHER: u16 = 0xFFFF;
const UNKNOWN_KIND: u16 = 0xFFFE;
const NEWER: u16 = 0xFFFD;

/// What an entry says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Nothing: it is of a stranger's log, or no entry.
    Other,
    /// It is of a version that this program does not know.
    Newer(u64),
    /// Its kind, if this program knows that, and its time.
    Entry(Option<evidence::Kind>, u64),
}

/// An entry as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its digest; of bytes that this program does not read, their SHA-256.
    pub(super) digest: Hash,
    pub(super) what: What,
}

impl Row {
    /// An entry as the ledger's monitor shows it.
    pub(super) fn of(seen: &Seen<'_>) -> Self {
        let what = match (seen.entry, seen.newer) {
            (Some(entry), _) => return Self::of_entry(entry),
            (None, Some(version)) => What::Newer(version),
            (None, None) => What::Other,
        };
        Self { digest: sha256(seen.bytes), what }
    }

    /// The same from the entry's bytes; `ours` as [`semper_ledger::monitor::Monitor::is_ours`] has it.
    pub(super) fn read(bytes: &[u8], ours: bool) -> Self {
        let what = match Entry::decode(bytes) {
            Ok(entry) if ours => return Self::of_entry(&entry),
            Err(NotAnEntry::Version(version)) if ours => What::Newer(version),
            Ok(_) | Err(_) => What::Other,
        };
        Self { digest: sha256(bytes), what }
    }

    fn of_entry(entry: &Entry) -> Self {
        let kind = evidence::Kind::from_codes(entry.role, entry.kind);
        Self { digest: entry.digest, what: What::Entry(kind, entry.time_ms) }
    }

    /// As it is told.
    pub(super) fn noted(&self, index: u64) -> Noted {
        let says = match self.what {
            What::Entry(Some(kind), time_ms) => Some((kind, Timestamp::from_millis(time_ms))),
            What::Entry(None, _) | What::Newer(_) | What::Other => None,
        };
        Noted { index, digest: self.digest, says }
    }

    /// The row of entry `index`.
    fn encode(&self, index: u64) -> [u8; ROW_BYTES] {
        let (code, number) = match self.what {
            What::Other => (OTHER, 0),
            What::Newer(version) => (NEWER, version),
            What::Entry(None, time_ms) => (UNKNOWN_KIND, time_ms),
            // A role and a kind are a byte each.
            What::Entry(Some(kind), time_ms) => (kind.packed() as u16, time_ms),
        };
        let mut row = [0; ROW_BYTES];
        row[..32].copy_from_slice(&self.digest);
        // 48 bits of milliseconds last for 8,900 years.
        row[32..SUMMED_BYTES].copy_from_slice(&number.min((1 << 48) - 1).to_be_bytes());
        row[32..34].copy_from_slice(&code.to_be_bytes());
        let sum = checksum(index, &row[..SUMMED_BYTES]);
        row[SUMMED_BYTES..].copy_from_slice(&sum.to_be_bytes());
        row
    }

    /// `None` if these are not the bytes that were written for entry `index`.
    fn decode(index: u64, row: &[u8; ROW_BYTES]) -> Option<Self> {
        let (summed, sum) = row.split_last_chunk::<4>()?;
        if checksum(index, summed) != u32::from_be_bytes(*sum) {
            return None;
        }
        let (digest, rest) = summed.split_first_chunk::<32>()?;
        let rest = u64::from_be_bytes(rest.try_into().ok()?);
        let (code, number) = ((rest >> 48) as u16, rest & ((1 << 48) - 1));
        let what = match code {
            OTHER => What::Other,
            NEWER => What::Newer(number),
            // A kind that is known to a later program is unknown to this one.
            code => What::Entry(evidence::Kind::from_packed(code.into()), number),
        };
        Some(Self { digest: *digest, what })
    }
}

fn checksum(index: u64, summed: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&index.to_be_bytes());
    hasher.update(summed);
    hasher.finalize()
}

/// Why what was kept cannot be shown.
#[derive(Debug)]
pub(super) enum Unshown {
    /// The row of this entry is not what was written.
    Damaged(u64),
    Fault(Fault),
}

impl From<Fault> for Unshown {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The file.
#[derive(Debug)]
pub struct Past {
    path: PathBuf,
    file: File,
    /// Rows in the file.
    saved: u64,
    /// Rows that follow them.
    unsaved: Vec<u8>,
}

impl Past {
    /// Opens the file at `path`, or makes it. It belongs to one monitor at a time.
    ///
    /// # Errors
    /// The disk.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let open = || {
            let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        };
        let (file, bytes) = open().map_err(|error| fault("open", path, &error))?;
        // A row that was cut short is written anew.
        Ok(Self { path: path.to_owned(), file, saved: bytes / ROW_BYTES as u64, unsaved: Vec::new() })
    }

    /// Entries that are in it, saved or not.
    pub(super) fn len(&self) -> u64 {
        self.saved + (self.unsaved.len() / ROW_BYTES) as u64
    }

    /// The next entry.
    pub(super) fn push(&mut self, row: &Row) {
        self.unsaved.extend_from_slice(&row.encode(self.len()));
    }

    /// Forgets the entries from `size` on.
    pub(super) fn truncate(&mut self, size: u64) -> Result<(), Fault> {
        if size < self.saved {
            let cut = self.file.set_len(size * ROW_BYTES as u64);
            cut.map_err(|error| fault("cut", &self.path, &error))?;
            self.saved = size;
        }
        self.unsaved.truncate((size - self.saved) as usize * ROW_BYTES);
        Ok(())
    }

    /// Makes everything durable. Before the monitor saves that it has read the entries: what it has saved is not shown again.
    pub(super) fn save(&mut self) -> Result<(), Fault> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let at = self.saved * ROW_BYTES as u64;
        let written = self.file.write_all_at(&self.unsaved, at).and_then(|()| self.file.sync_data());
        written.map_err(|error| fault("write", &self.path, &error))?;
        self.saved = self.len();
        self.unsaved.clear();
        Ok(())
    }

    /// Shows every entry that is saved, up to the first that is damaged.
    pub(super) fn each(&self, mut visit: impl FnMut(u64, &Row)) -> Result<(), Unshown> {
        let mut bytes = Vec::new();
        let mut first = 0;
        while first < self.saved {
            let count = (self.saved - first).min(ROWS_AT_ONCE);
            bytes.resize(count as usize * ROW_BYTES, 0);
            let read = self.file.read_exact_at(&mut bytes, first * ROW_BYTES as u64);
            read.map_err(|error| fault("read", &self.path, &error))?;
            let (rows, _) = bytes.as_chunks::<ROW_BYTES>();
            for (index, row) in (first..).zip(rows) {
                visit(index, &Row::decode(index, row).ok_or(Unshown::Damaged(index))?);
            }
            first += count;
        }
        Ok(())
    }
}

fn fault(action: &str, path: &Path, error: &io::Error) -> Fault {
    Fault::Storage(format!("cannot {action} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use semper_ledger::entry::Tags;

    use super::*;

    fn rows(past: &Past) -> Vec<Row> {
        let mut rows = Vec::new();
        past.each(|index, row| {
            assert_eq!(index, rows.len() as u64);
            rows.push(*row);
        })
        .unwrap();
        rows
    }

    #[test]
    fn rows_are_read_as_written() {
        let mut all: Vec<_> = evidence::Kind::all().map(|kind| What::Entry(Some(kind), 1_772_366_400_250)).collect();
        assert!(evidence::Kind::all().all(|kind| kind.packed() < u64::from(NEWER)));
        all.extend([What::Other, What::Newer(2), What::Entry(None, 7), What::Entry(None, (1 << 48) - 1)]);
        for what in all {
            let row = Row { digest: [9; 32], what };
            assert_eq!(Row::decode(8, &row.encode(8)), Some(row));
        }
    }

    #[test]
    fn an_entry_is_kept_the_same_whichever_way_it_was_read() {
        let entry = Entry { role: 2, kind: 0, time_ms: 5, digest: [7; 32], tags: Tags::default() };
        let bytes = entry.encode();
        let mut newer = bytes.clone();
        newer[1] = 2;
        let seen = |bytes, entry, newer| Row::of(&Seen { index: 3, bytes, entry, newer });
        assert_eq!(Row::read(&bytes, true), seen(&bytes, Some(&entry), None));
        assert_eq!(Row::read(&bytes, false), seen(&bytes, None, None));
        assert_eq!(Row::read(&newer, true), seen(&newer, None, Some(2)));
        assert_eq!(Row::read(b"x", true), seen(b"x", None, None));
        let noted = Row::read(&bytes, true).noted(3);
        assert_eq!((noted.index, noted.digest, noted.says.map(|(_, time)| time.millis())), (3, [7; 32], Some(5)));
    }

    #[test]
    fn what_was_not_saved_is_gone_and_what_was_cut_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("past");
        let row = |n: u8| Row { digest: [n; 32], what: What::Other };
        let mut past = Past::open(&path).unwrap();
        (0..5).for_each(|n| past.push(&row(n)));
        past.save().unwrap();
        past.push(&row(5));
        assert_eq!((past.len(), rows(&past).len()), (6, 5));
        drop(past);
        let mut past = Past::open(&path).unwrap();
        assert_eq!(past.len(), 5);
        past.push(&row(8));
        past.truncate(6).unwrap();
        past.truncate(3).unwrap();
        past.push(&row(9));
        past.save().unwrap();
        past.truncate(9).unwrap();
        assert_eq!(rows(&past), [0, 1, 2, 9].map(row));
        drop(past);
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(3 * 44 + 43).unwrap();
        assert_eq!(rows(&Past::open(&path).unwrap()), [0, 1, 2].map(row));
    }

    #[test]
    fn no_damage_passes_for_an_entry() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("past");
        let row = |n: u8| Row { digest: [n; 32], what: What::Entry(None, n.into()) };
        let mut past = Past::open(&path).unwrap();
        (0..4).for_each(|n| past.push(&row(n)));
        past.save().unwrap();
        let whole = std::fs::read(&path).unwrap();
        let damaged_at = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let mut shown = 0;
            let end = Past::open(&path).unwrap().each(|index, found| {
                assert_eq!(*found, row(index as u8));
                shown += 1;
            });
            match end {
                Ok(()) => None,
                Err(Unshown::Damaged(index)) => {
                    assert_eq!(index, shown);
                    Some(index)
                }
                Err(Unshown::Fault(fault)) => panic!("{fault}"),
            }
        };
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(damaged_at(&flipped), Some((bit / 8 / ROW_BYTES) as u64), "bit {bit}");
        }
        // A row that is gone, one twice, and zeros where a file was made longer.
        assert_eq!(damaged_at(&whole[ROW_BYTES..]), Some(0));
        assert_eq!(damaged_at(&[&whole[..ROW_BYTES], &whole[..]].concat()), Some(1));
        assert_eq!(damaged_at(&[&whole[..], &[0; ROW_BYTES]].concat()), Some(4));
        assert_eq!(damaged_at(&whole), None);
    }
}
