//! The erasure journal: which objects were erased, beside the anchor and outside every backup.
//!
//! Entries hold only digests, so a restored backup does not know what was erased after it was made, and would bring it back.
//! The journal does: one line for each erasure, in the order of the log, appended and synced **before the anchor moves and
//! before anybody is answered** (ledger.md §10 step 6). It names objects and keys by their ids and nothing else.
//!
//! ```text
//! semper-erasures/1 <SHA-256(origin), hex>
//! <entry index> <object id, hex> <key ids, hex, with commas between, or -> <SHA-256 of the line before, hex>
//! ```
//!
//! Each line names the one before it (the first line of all has no before), its line feed included. The store keeps the same
//! lines, written in the batch of their entries: so a line that a crash kept from the journal is written again at the next
//! start, and a journal that was cut, or is of another history, is noticed.
//!
//! A contract like that of the anchor: [`Journal::append`] is durable on return; after an error nobody knows, which is fatal. In
//! scope: lines, chain, file. Out of scope: what an erasure is, and doing it (the archive's).

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    disk,
    merkle::{Hash, sha256},
    store::{Direction, Fault, Read, Table, scan},
};

/// The first words of a journal.
const TAG: &str = "semper-erasures/1";
/// Keys of the lines in [`Table::Meta`] begin with this; the line's number follows.
pub(crate) const ROW_PREFIX: &[u8] = b"erasure/";
/// The name of a data key that was destroyed.
pub type KeyRef = [u8; 16];

/// One erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The entry that tells of it.
    pub index: u64,
    /// What was erased.
    pub object: Hash,
    /// The keys that were destroyed.
    pub keys: Vec<KeyRef>,
    /// SHA-256 of the line before.
    pub before: Hash,
}

/// Bytes that are no journal of this log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJournal {
    /// The first line.
    #[error("it does not begin as an erasure journal does")]
    Tag,
    /// Another log's.
    #[error("it is the erasure journal of another log")]
    Origin,
    /// A line is none, or does not name the one before.
    #[error("line {0} is damaged, or does not follow the one before it")]
    Line(usize),
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk.
    #[error(transparent)]
    Disk(#[from] disk::DiskFault),
    /// What is in it.
    #[error("the erasure journal {path}: {bad}")]
    Bad {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        bad: BadJournal,
    },
}

impl Line {
    /// With its line feed.
    #[must_use]
    pub fn encode(&self) -> String {
        let keys: Vec<_> = self.keys.iter().map(hex::encode).collect();
        let keys = if keys.is_empty() { "-".to_owned() } else { keys.join(",") };
        format!("{} {} {keys} {}\n", self.index, hex::encode(self.object), hex::encode(self.before))
    }

    /// Reads exactly what [`Line::encode`] writes.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let [index, object, keys, before] = text.strip_suffix('\n')?.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let hash = |text| <Hash>::try_from(hex::decode(text).ok()?).ok();
        let key = |text| <KeyRef>::try_from(hex::decode(text).ok()?).ok();
        let keys = if keys == "-" { Vec::new() } else { keys.split(',').map(key).collect::<Option<_>>()? };
        let line = Self { index: index.parse().ok()?, object: hash(object)?, keys, before: hash(before)? };
        (line.encode() == text).then_some(line)
    }
}

/// The first line.
#[must_use]
pub fn heading(origin: &str) -> String {
    format!("{TAG} {}\n", hex::encode(sha256(origin.as_bytes())))
}

/// The end of a chain of lines: what the next one names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Lines so far.
    pub count: u64,
    last: Hash,
}

impl Chain {
    /// Of a log in which nothing was erased.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        Self { count: 0, last: sha256(heading(origin).as_bytes()) }
    }

    /// Of a log with these lines; `None` if they do not follow each other.
    #[must_use]
    pub fn of(lines: &[Line], origin: &str) -> Option<Self> {
        let mut chain = Self::new(origin);
        lines.iter().all(|line| chain.follow(line)).then_some(chain)
    }

    /// The next line.
    pub fn next(&mut self, index: u64, object: Hash, keys: Vec<KeyRef>) -> Line {
        let line = Line { index, object, keys, before: self.last };
        self.take(&line);
        line
    }

    fn take(&mut self, line: &Line) {
        self.count += 1;
        self.last = sha256(line.encode().as_bytes());
    }

    /// Goes on with a line that was read, if it follows.
    fn follow(&mut self, line: &Line) -> bool {
        let follows = line.before == self.last;
        self.take(line);
        follows
    }
}

/// The lines of a whole journal, and how many bytes of it they are: a last line without its end is what a power cut leaves of
/// one that nobody was answered for.
///
/// # Errors
/// [`BadJournal`].
pub fn parse(bytes: &[u8], origin: &str) -> Result<(Vec<Line>, usize), BadJournal> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let text = str::from_utf8(&bytes[..whole]).map_err(|_| BadJournal::Tag)?;
    let mut lines = text.split_inclusive('\n');
    match lines.next() {
        // Torn while it was made.
        None if bytes.len() < TAG.len() + 66 => return Ok((Vec::new(), 0)),
        Some(first) if first == heading(origin) => {}
        Some(first) if first.starts_with(TAG) => return Err(BadJournal::Origin),
        _ => return Err(BadJournal::Tag),
    }
    let mut chain = Chain::new(origin);
    let mut read = Vec::new();
    for (number, text) in (2..).zip(lines) {
        let line = Line::decode(text).ok_or(BadJournal::Line(number))?;
        let rises = read.last().is_none_or(|before: &Line| before.index <= line.index);
        if !rises || !chain.follow(&line) {
            return Err(BadJournal::Line(number));
        }
        read.push(line);
    }
    Ok((read, whole))
}

/// Key of line `n` in [`Table::Meta`], counted from 0.
pub(crate) fn row_key(n: u64) -> Vec<u8> {
    [ROW_PREFIX, &n.to_be_bytes()].concat()
}

/// The lines that the store holds, in order.
///
/// # Errors
/// A row does not read.
pub fn rows<R: Read + ?Sized>(store: &R) -> Result<Vec<Line>, Fault> {
    let mut lines = Vec::new();
    scan(store, Table::Meta, ROW_PREFIX, Direction::Up, |key, row| {
        if !key.starts_with(ROW_PREFIX) {
            return Ok(std::ops::ControlFlow::Break(()));
        }
        let line = str::from_utf8(row).ok().and_then(Line::decode);
        let line = line.filter(|_| key == row_key(lines.len() as u64));
        lines.push(line.ok_or_else(|| Fault::corrupt(Table::Meta, key, "not the next line of the erasure journal"))?);
        Ok::<_, Fault>(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(lines)
}

/// What the journal lacks of what the store has.
///
/// # Errors
/// The number of the first line, counted from 0, that is not the store's: the journal has more, or others.
pub fn missing<'l>(journal: &[Line], store: &'l [Line]) -> Result<&'l [Line], usize> {
    match journal.iter().zip(store).position(|(ours, theirs)| ours != theirs) {
        Some(at) => Err(at),
        None if journal.len() > store.len() => Err(store.len()),
        None => Ok(&store[journal.len()..]),
    }
}

/// The journal of one log. See the module for what it promises.
pub trait Journal: Send + Sync {
    /// Every whole line.
    ///
    /// # Errors
    /// [`JournalError`].
    fn load(&self) -> Result<Vec<Line>, JournalError>;

    /// Appends lines, durably.
    ///
    /// # Errors
    /// Nobody knows whether they are there.
    fn append(&self, lines: &[Line]) -> Result<(), JournalError>;
}

/// A journal in memory, for tests; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal(Arc<Mutex<Vec<Line>>>);

impl MemoryJournal {
    /// A journal that holds these lines.
    #[must_use]
    pub fn with(lines: Vec<Line>) -> Self {
        Self(Arc::new(Mutex::new(lines)))
    }
}

impl Journal for MemoryJournal {
    fn load(&self) -> Result<Vec<Line>, JournalError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn append(&self, lines: &[Line]) -> Result<(), JournalError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(lines);
        Ok(())
    }
}

/// A journal in a file, which the first erasure makes. Whoever appends holds the anchor's lock.
#[derive(Debug)]
pub struct FileJournal {
    path: PathBuf,
    origin: String,
}

impl FileJournal {
    /// The journal of `origin` at `path`, whether there is a file or not.
    #[must_use]
    pub fn at(path: &Path, origin: &str) -> Self {
        Self { path: path.to_owned(), origin: origin.to_owned() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self) -> Result<(Vec<Line>, usize), JournalError> {
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(error) => return Err(disk::fault("open", &self.path)(error).into()),
            Ok(mut file) => file.read_to_end(&mut bytes).map_err(disk::fault("read", &self.path))?,
        };
        parse(&bytes, &self.origin).map_err(|bad| JournalError::Bad { path: self.path.clone(), bad })
    }
}

impl Journal for FileJournal {
    fn load(&self) -> Result<Vec<Line>, JournalError> {
        Ok(self.read()?.0)
    }

    fn append(&self, lines: &[Line]) -> Result<(), JournalError> {
        // Erasures are rare: reading the file for each costs less than remembering wrongly.
        let (_, whole) = self.read()?;
        let mut text = if whole == 0 { heading(&self.origin) } else { String::new() };
        lines.iter().for_each(|line| text += &line.encode());
        let write = || {
            let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(&self.path)?;
            // A torn last line goes.
            file.set_len(whole as u64)?;
            file.seek(SeekFrom::Start(whole as u64))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(disk::fault("append to", &self.path))?;
        if whole == 0 {
            let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
            disk::sync_folder(parent.unwrap_or(Path::new(".")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chain: &mut Chain, indexes: &[u64]) -> Vec<Line> {
        indexes.iter().map(|index| chain.next(*index, [*index as u8; 32], vec![[1; 16]; *index as usize % 3])).collect()
    }

    #[test]
    fn lines_have_one_spelling_and_follow_each_other() {
        let mut chain = Chain::new("log");
        let all = lines(&mut chain, &[3, 4, 4, 9]);
        for line in &all {
            let text = line.encode();
            assert_eq!(Line::decode(&text).as_ref(), Some(line));
            for bad in
                [&text[1..], text.trim_end(), &text.to_uppercase(), &text.replacen(' ', "  ", 1), &format!("0{text}")]
            {
                assert!(Line::decode(bad).as_ref() != Some(line), "{bad}");
            }
        }
        let text: String = std::iter::once(heading("log")).chain(all.iter().map(Line::encode)).collect();
        assert_eq!(parse(text.as_bytes(), "log"), Ok((all.clone(), text.len())));
        assert_eq!(parse(text.as_bytes(), "other"), Err(BadJournal::Origin));
        assert_eq!(parse(b"letter\n", "log"), Err(BadJournal::Tag));
        assert_eq!(parse(b"", "log"), Ok((Vec::new(), 0)));
        // Every cut is a torn last line; a line less in the middle, or a changed one, is not.
        for cut in 1..text.len() {
            let (read, whole) = parse(&text.as_bytes()[..cut], "log").unwrap();
            assert!(whole <= cut && all.starts_with(&read), "{cut}");
        }
        let cut_out = text.replace(&all[1].encode(), "");
        assert_eq!(parse(cut_out.as_bytes(), "log"), Err(BadJournal::Line(3)));
        let start = heading("log").len();
        for at in start..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let read = parse(&bytes, "log");
            // The last line is vouched for by none that follows; its row in the store is.
            assert!(read.is_err() || read.unwrap().0 != all, "{at}");
        }
    }

    #[test]
    fn what_is_missing_and_what_is_too_much() {
        let all = lines(&mut Chain::new("log"), &[1, 2, 3]);
        assert_eq!(missing(&all, &all), Ok(&[][..]));
        assert_eq!(missing(&all[..1], &all), Ok(&all[1..]));
        assert_eq!(missing(&all, &all[..2]), Err(2));
        assert_eq!(missing(&all[1..], &all), Err(0));
    }

    #[test]
    fn the_file_is_made_with_the_first_line_and_a_torn_end_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("erasures");
        let journal = FileJournal::at(&path, "log");
        assert!(journal.load().unwrap().is_empty() && !path.exists());
        let mut chain = Chain::new("log");
        let first = lines(&mut chain, &[5, 6]);
        journal.append(&first).unwrap();
        assert_eq!(FileJournal::at(&path, "log").load().unwrap(), first);
        let next = lines(&mut chain, &[8]);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&next[0].encode().as_bytes()[..40]).unwrap();
        assert_eq!(journal.load().unwrap(), first, "torn: nobody was answered for it");
        journal.append(&next).unwrap();
        assert_eq!(journal.load().unwrap(), [first, next].concat());
        assert!(matches!(FileJournal::at(&path, "other").load(), Err(JournalError::Bad { .. })));
    }
}
