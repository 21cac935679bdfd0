//! The access log: who has read a document that names people (records of identity, applications). A line is on the disk before the
//! document leaves; what a segment of at most an hour holds is committed to by one entry, `ops.access`, whose fact has the root of
//! the Merkle tree over its lines. So nobody can later deny a read, and nobody outside sees how often whom was looked up.
//!
//! ```text
//! access/<ms of its first line>.log     a segment: its entry is the one step of the history of that name
//!
//! {"at":1772366400250,"salt":"<22 characters>","reader":"<SHA-256 of the certificate>","document":"<SHA-256>","of":"registration/<id>"}
//! ```
//!
//! A line that a crash has cut was not answered for, and is passed over. The files are private, belong into backups, and may be
//! erased by their retention period: the root stays.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use semper_ledger::merkle::{leaf_hash, root_of};
use semper_ttp::{b64u::B64u, digest::Digest, time::Timestamp};
use serde_json::json;

/// How long a segment is written, seconds.
pub const SEGMENT_SECS: u64 = 3_600;

/// The log of one data folder.
#[derive(Debug)]
pub struct AccessLog {
    folder: PathBuf,
    segments: Mutex<Segments>,
}

#[derive(Debug)]
struct Segments {
    /// The one that is written.
    current: Option<Segment>,
    /// Those that may have no entry yet, the current one among them.
    pending: BTreeSet<Timestamp>,
}

#[derive(Debug)]
struct Segment {
    from: Timestamp,
    file: File,
}

/// What the lines of a segment commit to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    /// How many lines there are.
    pub reads: u64,
    /// Root of the tree over them.
    pub root: Digest,
}

/// One read.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// When.
    pub at: Timestamp,
    /// Keeps a line from being guessed from its hash.
    pub salt: [u8; 16],
    /// SHA-256 of the certificate of whoever reads.
    pub reader: Digest,
    /// SHA-256 of what is read.
    pub document: Digest,
    /// What it belongs to.
    pub of: &'a str,
}

impl Access<'_> {
    fn line(&self) -> String {
        let Self { at, salt, reader, document, of } = *self;
        let (reader, document) = (reader.to_string(), document.to_string());
        json!({ "at": at.millis(), "salt": B64u(salt), "reader": reader, "document": document, "of": of }).to_string()
    }
}

impl AccessLog {
    /// The log in this folder, which is made if it is not there.
    ///
    /// # Errors
    /// The disk.
    pub fn open(folder: &Path) -> io::Result<Self> {
        if !folder.is_dir() {
            let mut builder = fs::DirBuilder::new();
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(folder)?;
            sync(folder.parent().unwrap_or(folder))?;
        }
        let mut pending = BTreeSet::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let millis = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok());
            pending.extend(millis.map(Timestamp::from_millis));
        }
        Ok(Self { folder: folder.to_owned(), segments: Mutex::new(Segments { current: None, pending }) })
    }

    /// Writes a line; it is on the disk when this returns.
    ///
    /// # Errors
    /// The disk: then nothing may be shown.
    pub fn append(&self, access: &Access<'_>) -> io::Result<()> {
        let mut segments = self.segments();
        // Taken out: after an error nobody knows what is in the file, and the next line begins another.
        let current = segments.current.take().filter(|segment| !is_over(segment.from, access.at));
        let mut segment = match current {
            Some(segment) => segment,
            None => self.begin(access.at)?,
        };
        segments.pending.insert(segment.from);
        segment.file.write_all(format!("{}\n", access.line()).as_bytes())?;
        segment.file.sync_data()?;
        segments.current = Some(segment);
        Ok(())
    }

    fn begin(&self, at: Timestamp) -> io::Result<Segment> {
        let mut options = OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.append(true).create_new(true);
        // A clock that was set back may come by the same millisecond again.
        for from in (at.millis()..).map(Timestamp::from_millis).take(1_000) {
            match options.open(self.path(from)) {
                Ok(file) => {
                    sync(&self.folder)?;
                    return Ok(Segment { from, file });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("the access log has a segment for every millisecond of a second"))
    }

    /// The segments that are written no more and may have no entry yet, oldest first. From now on the current one is not written
    /// either, if its hour is over.
    #[must_use]
    pub fn pending(&self, now: Timestamp) -> Vec<Timestamp> {
        let mut segments = self.segments();
        segments.current = segments.current.take().filter(|segment| !is_over(segment.from, now));
        let current = segments.current.as_ref().map(|segment| segment.from);
        segments.pending.iter().copied().filter(|from| Some(*from) != current).collect()
    }

    /// What a segment commits to.
    ///
    /// # Errors
    /// The disk.
    pub fn tree(&self, from: Timestamp) -> io::Result<Tree> {
        fs::read(self.path(from)).map(|bytes| tree_of(&bytes))
    }

    /// The segment has its entry.
    pub fn recorded(&self, from: Timestamp) {
        self.segments().pending.remove(&from);
    }

    fn segments(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, from: Timestamp) -> PathBuf {
        self.folder.join(format!("{}.log", from.millis()))
    }
}

/// What a segment's bytes commit to.
#[must_use]
pub fn tree_of(bytes: &[u8]) -> Tree {
    let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    let leaves: Vec<_> = whole.map(leaf_hash).collect();
    Tree { reads: leaves.len() as u64, root: Digest(root_of(&leaves)) }
}

/// Also one that lies in the future: the clock was set back.
fn is_over(from: Timestamp, now: Timestamp) -> bool {
    now < from || now >= from.plus_secs(SEGMENT_SECS)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use semper_ledger::merkle::node_hash;

    use super::*;

    fn access(secs: u64) -> Access<'static> {
        Access {
            at: Timestamp::from_secs(secs),
            salt: [secs as u8; 16],
            reader: Digest([1; 32]),
            document: Digest([2; 32]),
            of: "registration/x",
        }
    }

    fn times(secs: &[u64]) -> Vec<Timestamp> {
        secs.iter().copied().map(Timestamp::from_secs).collect()
    }

    #[test]
    fn an_hour_is_one_root() {
        let place = tempfile::tempdir().unwrap();
        let log = AccessLog::open(&place.path().join("access")).unwrap();
        for secs in [1_000, 1_001, 4_599, 4_600] {
            log.append(&access(secs)).unwrap();
        }
        let leaves = [1_000, 1_001, 4_599].map(|secs| leaf_hash(access(secs).line().as_bytes()));
        let root = Digest(node_hash(&node_hash(&leaves[0], &leaves[1]), &leaves[2]));
        let now = Timestamp::from_secs(4_700);
        assert_eq!(log.pending(now), times(&[1_000]));
        assert_eq!(log.tree(Timestamp::from_secs(1_000)).unwrap(), Tree { reads: 3, root });
        assert_eq!(log.pending(now), times(&[1_000]), "until it has its entry");
        log.recorded(Timestamp::from_secs(1_000));
        assert_eq!(log.pending(now), []);
        // Its hour over, the other one follows, and is written no more.
        assert_eq!(log.pending(Timestamp::from_secs(8_200)), times(&[4_600]));
        log.append(&access(8_199)).unwrap();
        assert_eq!(log.pending(Timestamp::from_secs(8_200)), times(&[4_600]));
        assert_eq!(log.pending(Timestamp::from_secs(12_000)), times(&[4_600, 8_199]));
    }

    #[test]
    fn a_crash_leaves_whole_lines_and_a_restart_begins_anew() {
        let place = tempfile::tempdir().unwrap();
        let log = AccessLog::open(place.path()).unwrap();
        log.append(&access(1_000)).unwrap();
        let file = place.path().join("1000000.log");
        let whole = fs::read(&file).unwrap();
        fs::write(&file, [&whole[..], b"{\"at\":1"].concat()).unwrap();
        let again = AccessLog::open(place.path()).unwrap();
        let now = Timestamp::from_secs(1_001);
        assert_eq!(again.pending(now), times(&[1_000]));
        let tree = again.tree(Timestamp::from_secs(1_000)).unwrap();
        assert_eq!((tree.reads, tree), (1, tree_of(&whole)));
        // The same moment again, and one before: the clock was set back.
        again.append(&access(1_000)).unwrap();
        again.append(&access(999)).unwrap();
        let next = Timestamp::from_millis(1_000_001);
        assert_eq!(again.pending(Timestamp::from_secs(999)), [times(&[1_000]), vec![next]].concat());
    }

    #[test]
    fn the_files_are_closed_to_others() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        let log = AccessLog::open(&place.path().join("access")).unwrap();
        log.append(&access(1_000)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&log.folder), mode(&log.path(Timestamp::from_secs(1_000)))), (0o700, 0o600));
    }
}
