//! A file system that forgets what was not synced, to cut the power under a server that runs on it.
//!
//! [`PowerCut::mount`] shows a backing folder at a mount point (FUSE) and passes every operation through, but remembers
//! what is not yet durable. [`PowerCut::cut`] then leaves in the backing folder what a machine would find at its next
//! boot; all later operations of the old process fail with EIO. Mount the folder again, start anew, look.
//!
//! ```text
//! caller ── kernel ── fuse.rs ── disk.rs ─┬─ namespace.rs  names now         ─┐
//!                                         ├─ journal.rs    operations pending ├─ cut.rs ─▶ backing folder
//!                                         └─ file.rs       bytes now, on disk ─┘
//! ```
//!
//! # What it models
//! A disk with a volatile cache under a journaling file system in the manner of ext4 (`data=ordered`, delayed
//! allocation, `noauto_da_alloc`):
//! - *Bytes* reach the disk by the page of 4 KiB, in any order, when they are synced (fsync, fdatasync, O_DSYNC) and
//!   perhaps before. A torn page is one of which the disk took some sectors of 512 bytes. close(2) syncs nothing.
//! - *The size* that a write moved may be on disk without the bytes, which then read as zeros.
//! - *Names, truncations, owners* go through an ordered journal. A cut keeps a prefix of what is pending; which syncs
//!   commit is the [`Journal`] setting. A name on disk says nothing about the bytes behind it.
//! - *A sync that failed* leaves its pages lost: as on Linux, a later successful sync does not write them.
//!
//! Not modelled: times and extended attributes, symbolic links and device files (refused), journal damage, stale bytes.
//! A store through a writable shared mapping counts from the moment the kernel writes the page back. After the cut the
//! kernel may still answer reads from its page cache; nothing that changes the disk gets past us.

//!
//! # Whose process
//! The mount lives in the process that made it; let the server under test be another one. If the mounting process is
//! killed, a dead mount stays behind (every access fails with ENOTCONN) until `umount -l`.

mod cut;
mod dice;
mod disk;
mod file;
mod fuse;
mod journal;
mod mount;
mod namespace;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::disk::Disk;
use self::mount::Mounted;

/// What a cut does to that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutMode {
    /// All of it is lost.
    LoseAll,
    /// Each page is kept or lost by the seed; of the pending operations a prefix of random length is kept.
    LoseRandom,
    /// As `LoseRandom`, but a page may also be kept in some of its sectors, and a file may end inside a page.
    Torn,
}

/// Which syncs make which pending operations durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Journal {
    /// As ext4: a sync of a file or directory whose own inode has something pending commits the whole journal; any
    /// other sync (an overwrite in place with fdatasync, say) commits nothing.
    #[default]
    Ext4,
    /// What POSIX programs should rely on at most: a sync commits the operations on that very file, or in that very
    /// directory, and those without which they could not be.
    Strict,
}

/// What was not synced at a cut, and what of it the disk kept all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutReport {
    /// Pages of 4 KiB (or parts of them) written since the last sync of their file.
    pub pages_unsynced: u64,
    /// Of these, kept whole.
    pub pages_kept: u64,
    /// Of these, mixed from old and new sectors; differs from both.
    pub pages_torn: u64,
    /// Pending operations on names, sizes and owners.
    pub ops_unsynced: u64,
    /// Of these, kept: the first ones.
    pub ops_kept: u64,
}

impl CutReport {
    /// Whether anything was lost, so that a test can show that its cuts bite.
    #[must_use]
    pub fn lost_something(&self) -> bool {
        self.pages_kept < self.pages_unsynced || self.ops_kept < self.ops_unsynced
    }
}

/// FUSE cannot be used here: no `/dev/fuse`, or no right to mount.
#[derive(Debug)]
pub struct Unavailable {
    reason: String,
}

impl Unavailable {
    /// Says on standard error, past the test harness's capture, that a test did not run and why.
    pub fn report(&self, test: &str) {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(std::io::stderr(), "\n*** NOT RUN: {test}: {self} ***");
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "power cuts need FUSE (/dev/fuse and the right to mount): {}", self.reason)
    }
}

impl std::error::Error for Unavailable {}

/// A mounted file system whose power can be cut. Dropping it unmounts, by force if somebody still has files open.
pub struct PowerCut {
    // Before `disk`: the mount ends first, then nobody else holds the disk.
    mounted: Option<Mounted>,
    disk: Arc<Mutex<Disk>>,
}

impl PowerCut {
    /// Shows the folder `backing` at the empty folder `mountpoint`, with the journal of ext4. All that lies in
    /// `backing` counts as durable. Nobody else may change it while it is mounted.
    ///
    /// # Errors
    /// [`Unavailable`] if FUSE cannot be used here.
    ///
    /// # Panics
    /// If one of the folders cannot be read: that is a fault of the test, not of the machine.
    pub fn mount(backing: &Path, mountpoint: &Path) -> Result<Self, Unavailable> {
        Self::mount_with(backing, mountpoint, Journal::default())
    }

    /// As [`PowerCut::mount`], with a choice of the journal.
    ///
    /// # Errors
    /// [`Unavailable`] if FUSE cannot be used here.
    ///
    /// # Panics
    /// If one of the folders cannot be read.
    pub fn mount_with(backing: &Path, mountpoint: &Path, journal: Journal) -> Result<Self, Unavailable> {
        let disk = match Disk::open_folder(backing, journal) {
            Ok(disk) => Arc::new(Mutex::new(disk)),
            Err(error) => panic!("backing folder {}: {error}", backing.display()),
        };
        let mountpoint = match mountpoint.canonicalize() {
            Ok(mountpoint) => mountpoint,
            Err(error) => panic!("mount point {}: {error}", mountpoint.display()),
        };
        let mounted = Mounted::new(&disk, mountpoint).map_err(|error| {
            // Leave the folder as it was found.
            let _ = lock(&disk).names.close_grave();
            Unavailable { reason: error.to_string() }
        })?;
        Ok(Self { mounted: Some(mounted), disk })
    }

    /// Cuts the power: stops serving (EIO) and makes the backing folder what the next boot finds. The outcome depends
    /// on the operations so far, the mode and the seed alone. A second cut does nothing.
    ///
    /// # Panics
    /// If the backing folder cannot be changed.
    pub fn cut(&self, mode: CutMode, seed: u64) -> CutReport {
        match lock(&self.disk).cut(mode, seed) {
            Ok(report) => report,
            Err(error) => panic!("the cut could not change the backing folder: {error}"),
        }
    }

    /// Makes the next fsync or fdatasync, of whatever file or directory, fail with this error (`libc::EIO`,
    /// `libc::ENOSPC`). The pages it should have written are lost, also for later syncs, until they are written again.
    pub fn fail_next_sync(&self, errno: i32) {
        lock(&self.disk).faults.next_sync = Some(rustix::io::Errno::from_raw_os_error(errno));
    }

    /// The same for the next sync that a commit waits for: of the store's write-ahead log, or of the anchor. RocksDB syncs table
    /// files and its manifest on threads of its own, and mends what fails there by itself where the disk was only full.
    pub fn fail_next_commit(&self, errno: i32) {
        lock(&self.disk).faults.next_commit = Some(rustix::io::Errno::from_raw_os_error(errno));
    }

    /// Lets the disk take so many more bytes; then writes and preallocations fail with ENOSPC. The write that meets the
    /// end is done in part.
    pub fn fail_writes_after(&self, bytes: u64) {
        lock(&self.disk).faults.space = Some(bytes);
    }

    /// Lets so many changes of names, sizes and owners happen, counted from the mount; then every operation fails with EIO, as
    /// after a cut. [`PowerCut::cut`] then decides what the disk kept: a cut at a moment that no clock has to hit.
    pub fn stop_after_changes(&self, changes: u64) {
        lock(&self.disk).faults.stops_at = Some(changes);
    }

    /// Takes all ordered faults back.
    pub fn heal(&self) {
        lock(&self.disk).faults = disk::Faults::default();
    }
}

impl Drop for PowerCut {
    fn drop(&mut self) {
        drop(self.mounted.take());
        // The next mount would also remove it; nobody can be told here.
        let _ = lock(&self.disk).names.close_grave();
    }
}

/// A panic under the lock is a bug of ours that fails the test anyway; unmounting must go on.
fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    /// The session's threads hold the adapter, and it the disk: when we are the last holder, none of them is left.
    #[test]
    fn unmounting_leaves_no_thread_behind_even_with_files_open() {
        let folder = tempfile::tempdir().unwrap();
        let (backing, mountpoint) = (folder.path().join("disk"), folder.path().join("mnt"));
        fs::create_dir(&backing).unwrap();
        fs::create_dir(&mountpoint).unwrap();
        let power = match PowerCut::mount(&backing, &mountpoint) {
            Ok(power) => power,
            Err(why) => return why.report("unmounting_leaves_no_thread_behind"),
        };
        let disk = Arc::clone(&power.disk);
        let file = File::create(mountpoint.join("f")).unwrap();
        assert!(Arc::strong_count(&disk) > 2);
        drop(power);
        assert_eq!(Arc::strong_count(&disk), 1);
        drop(file);
    }
}
