//! The folder that is written: files that appear whole and stay as they are.
//!
//! A file is written into `.semper-part/`, synced, and then renamed to its name, so a name that exists has all its bytes,
//! also after a power cut. What a killed export left in `.semper-part/` is thrown away by the next one.

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{CHECKPOINT, ExportError, Refusal};
use crate::{
    disk::{self, fault},
    note::NOTE_BYTES_MAX,
};

/// Where half-written files lie; on the same file system as their names, so that a rename is one step.
const PARTS: &str = ".semper-part";

/// Flushes that wait for the disk at the same time: a journal joins them.
const SYNC_THREADS: usize = 8;

pub(super) struct Folder {
    out: PathBuf,
    parts: PathBuf,
    files_at_once: usize,
    /// Written, not yet synced.
    pending: Vec<Pending>,
    /// Every folder that holds a name of this tree, one for a thousand names. All are synced before the checkpoint, also
    /// those that were there: whoever made them may have been killed before syncing.
    folders: BTreeSet<PathBuf>,
    written: Written,
    /// Held while this lives.
    _lock: File,
}

struct Pending {
    file: File,
    part: PathBuf,
    name: PathBuf,
}

#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) found: u64,
}

impl Folder {
    /// Opens `out`, made if it is missing, for one export at a time.
    pub(super) fn open(out: &Path, files_at_once: usize) -> Result<Self, ExportError> {
        disk::make_folder(out)?;
        let lock = File::open(out).map_err(fault("open", out))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(ExportError::Busy(out.to_owned())),
            // Some network file systems lock no folders. The lock only keeps two exports from getting in each other's way;
            // that no file is replaced by other bytes does not hang on it.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let parts = out.join(PARTS);
        match fs::remove_dir_all(&parts) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(fault("remove", &parts)(error).into()),
            _ => {}
        }
        fs::create_dir(&parts).map_err(fault("make", &parts))?;
        Ok(Self {
            out: out.to_owned(),
            parts,
            files_at_once: files_at_once.max(1),
            pending: Vec::new(),
            folders: BTreeSet::from([out.to_owned()]),
            written: Written::default(),
            _lock: lock,
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    /// The checkpoint that is there. One that is too long or no text reads as some text that is no checkpoint.
    pub(super) fn checkpoint(&self) -> Result<Option<String>, ExportError> {
        let path = self.path(CHECKPOINT);
        let bytes = disk::read_at_most(&path, NOTE_BYTES_MAX)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Sees to it that `name` holds `bytes` when [`Folder::publish`] returns. A file that is there is compared and never
    /// changed.
    pub(super) fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let name = self.path(name);
        // Every name lies in a folder below `out`.
        let folder = name.parent().unwrap_or(&self.out);
        if !self.folders.contains(folder) {
            fs::create_dir_all(folder).map_err(fault("make", folder))?;
            let new = folder.ancestors().take_while(|folder| *folder != self.out);
            self.folders.extend(new.map(Path::to_owned));
        }
        if let Some(found) = disk::read_at_most(&name, bytes.len())? {
            if found == bytes {
                self.written.found += 1;
                return Ok(());
            }
            let same = found.iter().zip(bytes).take_while(|(found, ours)| found == ours).count();
            return Err(Refusal::Differs { path: name, at: same }.into());
        }
        let part = self.parts.join(self.pending.len().to_string());
        let file = disk::write(&part, bytes)?;
        self.pending.push(Pending { file, part, name });
        self.written.files += 1;
        self.written.bytes += bytes.len() as u64;
        if self.pending.len() >= self.files_at_once { self.flush() } else { Ok(()) }
    }

    /// Makes all files durable, then their names, and then puts the checkpoint there, if one is given.
    pub(super) fn publish(mut self, checkpoint: Option<&str>) -> Result<Written, ExportError> {
        self.flush()?;
        self.folders.iter().try_for_each(|folder| disk::sync_folder(folder))?;
        if let Some(note) = checkpoint {
            let (part, name) = (self.parts.join(CHECKPOINT), self.path(CHECKPOINT));
            disk::write(&part, note.as_bytes())?.sync_all().map_err(fault("sync", &part))?;
            fs::rename(&part, &name).map_err(fault("rename to", &name))?;
            disk::sync_folder(&self.out)?;
        }
        Ok(std::mem::take(&mut self.written))
    }

    /// Syncs what was written, then gives it its names.
    fn flush(&mut self) -> Result<(), ExportError> {
        let pending = std::mem::take(&mut self.pending);
        let share = pending.len().div_ceil(SYNC_THREADS).max(1);
        std::thread::scope(|scope| {
            let sync = |share: &[Pending]| {
                share.iter().try_for_each(|pending| pending.file.sync_all().map_err(fault("sync", &pending.part)))
            };
            let threads: Vec<_> = pending.chunks(share).map(|share| scope.spawn(move || sync(share))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("syncing does not panic"))
        })?;
        for Pending { part, name, .. } in &pending {
            fs::rename(part, name).map_err(fault("rename to", name))?;
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is thrown away by the next export.
        let _ = fs::remove_dir_all(&self.parts);
    }
}
