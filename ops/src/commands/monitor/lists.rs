//! The lists of digests, which their owners add to while a monitor runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use semper_api::monitor::Follower;
use semper_api::monitor::watch::Digests;

use crate::cli;
use crate::commands::running::Failed;

/// The longest list or policy that is read, bytes: a million lines.
const LIST_BYTES_MAX: u64 = 128 << 20;

/// What was asked for by `--watch` and `--known`.
pub(super) struct Lists {
    watch: Option<List>,
    known: Option<List>,
}

impl Lists {
    /// Reads both.
    ///
    /// # Errors
    /// One cannot be read.
    pub(super) fn read(args: &cli::Monitor) -> Result<Self, Failed> {
        let list = |path: &Option<PathBuf>| path.clone().map(List::read).transpose();
        Ok(Self { watch: list(&args.watch)?, known: list(&args.known)? })
    }

    /// Those that are new since they were handed over last.
    pub(super) fn hand_over(&mut self, follower: &mut Follower) {
        if let Some(digests) = self.watch.as_mut().and_then(List::newer) {
            follower.watch_for(digests);
        }
        if let Some(digests) = self.known.as_mut().and_then(List::newer) {
            follower.know(digests);
        }
    }
}

/// One of them.
struct List {
    path: PathBuf,
    /// As it was when it was read.
    read: Stamp,
    /// What is in it, until it is handed over.
    digests: Option<Digests>,
}

/// Length and time of change; `None` where there is no file.
pub(super) type Stamp = Option<(u64, SystemTime)>;

impl List {
    fn read(path: PathBuf) -> Result<Self, Failed> {
        // Before it is read: what changes meanwhile is read again.
        let read = stamp(&path);
        let digests = Some(read_list(&path)?);
        Ok(Self { path, read, digests })
    }

    /// What is in it, if that was not handed over. One that cannot be read now is left for the next round: its owner may be
    /// about to put a new one in its place.
    fn newer(&mut self) -> Option<Digests> {
        let now = stamp(&self.path);
        if now != self.read {
            match read_list(&self.path) {
                Ok(digests) => (self.digests, self.read) = (Some(digests), now),
                Err(Failed(_, why)) => tracing::warn!(why, "the list is kept as it was"),
            }
        }
        self.digests.take()
    }
}

pub(super) fn stamp(path: &Path) -> Stamp {
    fs::metadata(path).and_then(|file| Ok((file.len(), file.modified()?))).ok()
}

fn read_list(path: &Path) -> Result<Digests, Failed> {
    let text = read_text(path)?;
    Digests::parse(&text).map_err(|fault| Failed::usage(&format!("{}: {fault}", path.display())))
}

/// A file of text, within bounds.
///
/// # Errors
/// It cannot be read, is too long, or no text.
pub(super) fn read_text(path: &Path) -> Result<String, Failed> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| Failed::usage(&format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(LIST_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > LIST_BYTES_MAX {
        return Err(failed(std::io::Error::other("it is too long")));
    }
    String::from_utf8(bytes).map_err(|_| failed(std::io::Error::other("it is not text")))
}
