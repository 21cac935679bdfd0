//! The disk behind the mount: every operation, what it leaves un-synced, and what a sync makes durable.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, Gid, Mode, StatVfs, Timestamps, Uid, chmodat, chownat, fallocate, futimens, statvfs,
    utimensat,
};
use rustix::io::Errno;

use super::Journal;
use super::file::FileData;
use super::journal::{Change, Op, Owner, Pending};
use super::namespace::{Edit, GRAVE, Ino, Namespace, ROOT, Slot};

pub(super) type Answer<T> = Result<T, Errno>;

/// A file that somebody has open.
struct Opened {
    file: File,
    users: u64,
}

/// What the tests ordered to go wrong.
#[derive(Default)]
pub(super) struct Faults {
    /// The next sync fails with this.
    pub(super) next_sync: Option<Errno>,
    /// The next sync that a commit waits for fails with this.
    pub(super) next_commit: Option<Errno>,
    /// Bytes that can still be written before the disk is full.
    pub(super) space: Option<u64>,
    /// Changes of names, sizes and owners, counted from the mount, after which nothing answers any more.
    pub(super) stops_at: Option<u64>,
}

pub(super) struct Disk {
    pub(super) names: Namespace,
    pub(super) files: BTreeMap<Ino, FileData>,
    pub(super) pending: Pending,
    pub(super) faults: Faults,
    /// After the cut: every operation answers EIO.
    pub(super) dead: bool,
    opened: BTreeMap<Ino, Opened>,
    journal: Journal,
}

/// What `stat` shows, where it is not what the backing folder shows.
pub(super) struct Attributes {
    pub(super) ino: Ino,
    pub(super) links: u32,
    pub(super) meta: Metadata,
}

/// A change of attributes; `None` leaves one as it is. The size is a truncation of its own.
pub(super) struct NewOwner {
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

impl Disk {
    /// Whether nothing answers any more: after a cut, or at the change at which a test wanted it to stop.
    pub(super) fn is_silent(&self) -> bool {
        self.dead || self.faults.stops_at.is_some_and(|changes| self.pending.now().seq >= changes)
    }

    pub(super) fn open_folder(backing: &Path, journal: Journal) -> io::Result<Self> {
        let (names, sizes) = Namespace::scan(backing)?;
        Ok(Self {
            names,
            files: sizes.into_iter().map(|(ino, size)| (ino, FileData::durable(size))).collect(),
            pending: Pending::default(),
            faults: Faults::default(),
            dead: false,
            opened: BTreeMap::new(),
            journal,
        })
    }

    // --- names -------------------------------------------------------------------------------------------------------

    pub(super) fn lookup(&self, dir: Ino, name: &OsStr) -> Answer<Attributes> {
        self.attributes(self.names.lookup(dir, name).ok_or(Errno::NOENT)?)
    }

    pub(super) fn attributes(&self, ino: Ino) -> Answer<Attributes> {
        let meta = match self.opened.get(&ino) {
            Some(opened) => opened.file.metadata(),
            None if self.names.contains(ino) => self.names.metadata(ino),
            None => return Err(Errno::NOENT),
        };
        Ok(Attributes { ino, links: self.names.link_count(ino), meta: meta.map_err(errno)? })
    }

    /// The entries of a directory with `.` and `..`: name, inode, whether it is a directory.
    pub(super) fn entries(&self, dir: Ino) -> Answer<Vec<(OsString, Ino, bool)>> {
        let entries = self.names.entries(dir).ok_or(Errno::NOTDIR)?;
        let mut all = vec![(".".into(), dir, true), ("..".into(), self.names.parent(dir), true)];
        all.extend(entries.iter().map(|(name, ino)| (name.clone(), *ino, self.names.is_dir(*ino))));
        Ok(all)
    }

    pub(super) fn create(&mut self, dir: Ino, name: &OsStr, mode: u32) -> Answer<Attributes> {
        let slot = self.free_slot(dir, name)?;
        let ino = self.names.fresh(false);
        let new = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(self.names.path(ino));
        new.map_err(errno)?;
        self.files.insert(ino, FileData::durable(0));
        self.rename_all(vec![Edit::Attach(slot, ino)], Some(ino))?;
        self.attributes(ino)
    }

    pub(super) fn mkdir(&mut self, dir: Ino, name: &OsStr, mode: u32) -> Answer<Attributes> {
        let slot = self.free_slot(dir, name)?;
        let ino = self.names.fresh(true);
        DirBuilder::new().mode(mode).create(self.names.path(ino)).map_err(errno)?;
        self.rename_all(vec![Edit::Attach(slot, ino)], Some(ino))?;
        self.attributes(ino)
    }

    pub(super) fn link(&mut self, ino: Ino, dir: Ino, name: &OsStr) -> Answer<Attributes> {
        let slot = self.free_slot(dir, name)?;
        if self.names.is_dir(ino) || !self.names.is_linked(ino) {
            return Err(Errno::PERM);
        }
        self.rename_all(vec![Edit::Attach(slot, ino)], None)?;
        self.attributes(ino)
    }

    /// unlink, or with `directory` rmdir.
    pub(super) fn unlink(&mut self, dir: Ino, name: &OsStr, directory: bool) -> Answer<()> {
        let ino = self.names.lookup(dir, name).ok_or(Errno::NOENT)?;
        match (self.names.entries(ino), directory) {
            (Some(_), false) => return Err(Errno::ISDIR),
            (None, true) => return Err(Errno::NOTDIR),
            (Some(entries), true) if !entries.is_empty() => return Err(Errno::NOTEMPTY),
            _ => {}
        }
        self.rename_all(vec![Edit::Detach(slot(dir, name), ino)], None)
    }

    pub(super) fn rename(&mut self, from: Slot, to: Slot, no_replace: bool, exchange: bool) -> Answer<()> {
        let ino = self.names.lookup(from.dir, &from.name).ok_or(Errno::NOENT)?;
        let target = self.names.lookup(to.dir, &to.name);
        let edits = match target {
            None if exchange => return Err(Errno::NOENT),
            None => {
                self.free_slot(to.dir, &to.name)?;
                vec![Edit::Detach(from, ino), Edit::Attach(to, ino)]
            }
            Some(_) if no_replace => return Err(Errno::EXIST),
            // POSIX: two names of one file, nothing is done.
            Some(other) if other == ino => return Ok(()),
            Some(other) if exchange => vec![
                Edit::Detach(from.clone(), ino),
                Edit::Detach(to.clone(), other),
                Edit::Attach(to, ino),
                Edit::Attach(from, other),
            ],
            Some(other) => {
                match (self.names.is_dir(ino), self.names.entries(other)) {
                    (true, None) => return Err(Errno::NOTDIR),
                    (false, Some(_)) => return Err(Errno::ISDIR),
                    (true, Some(entries)) if !entries.is_empty() => return Err(Errno::NOTEMPTY),
                    _ => {}
                }
                vec![Edit::Detach(to.clone(), other), Edit::Detach(from, ino), Edit::Attach(to, ino)]
            }
        };
        self.rename_all(edits, None)
    }

    // --- bytes -------------------------------------------------------------------------------------------------------

    pub(super) fn open(&mut self, ino: Ino) -> Answer<()> {
        if let Some(opened) = self.opened.get_mut(&ino) {
            opened.users += 1;
            return Ok(());
        }
        let file = self.backing_file(ino)?;
        self.opened.insert(ino, Opened { file, users: 1 });
        Ok(())
    }

    pub(super) fn release(&mut self, ino: Ino) -> Answer<()> {
        if let Some(opened) = self.opened.get_mut(&ino) {
            opened.users -= 1;
            if opened.users == 0 {
                self.opened.remove(&ino);
                return self.reap(ino);
            }
        }
        Ok(())
    }

    pub(super) fn read(&self, ino: Ino, offset: u64, size: usize) -> Answer<Vec<u8>> {
        let opened = self.opened.get(&ino).ok_or(Errno::BADF)?;
        let mut bytes = vec![0; size];
        let mut filled = 0;
        // The kernel takes a short answer for the end of the file.
        while filled < size {
            match opened.file.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(errno(error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Writes, and with `synced` (O_DSYNC, O_SYNC) syncs the file's data. A disk would sync the write's own pages
    /// alone, but newer kernels follow up with an fdatasync of the file that we cannot tell from the caller's own.
    /// Gives the bytes written.
    pub(super) fn write(&mut self, ino: Ino, offset: u64, data: &[u8], synced: bool) -> Answer<u32> {
        let room = self.faults.space.map_or(data.len(), |space| usize::try_from(space).unwrap_or(usize::MAX));
        if room == 0 && !data.is_empty() {
            return Err(Errno::NOSPC);
        }
        // A disk that fills up takes the first part, as write(2) allows.
        let data = &data[..data.len().min(room)];
        let opened = self.opened.get(&ino).ok_or(Errno::BADF)?;
        let bytes = self.files.get_mut(&ino).ok_or(Errno::BADF)?;
        bytes.write(&opened.file, offset, data, self.pending.now()).map_err(errno)?;
        let len = data.len() as u64;
        if let Some(space) = &mut self.faults.space {
            *space -= len;
        }
        if synced {
            self.sync(ino, true)?;
        }
        u32::try_from(len).map_err(|_| Errno::INVAL)
    }

    pub(super) fn truncate(&mut self, ino: Ino, size: u64) -> Answer<()> {
        let handle = match self.opened.get(&ino) {
            Some(opened) => opened.file.try_clone().map_err(errno)?,
            None => self.backing_file(ino)?,
        };
        let bytes = self.files.get_mut(&ino).ok_or(Errno::ISDIR)?;
        if size == bytes.size() {
            // Nothing to see; but it gives preallocated space back, as RocksDB does when it closes a file.
            return handle.set_len(size).map_err(errno);
        }
        bytes.resize(&handle, size, self.pending.now().seq).map_err(errno)?;
        self.pending.push(Change::Resize { ino, size });
        Ok(())
    }

    /// fallocate(2), plain or with FALLOC_FL_KEEP_SIZE.
    pub(super) fn allocate(&mut self, ino: Ino, offset: u64, len: u64, keep_size: bool) -> Answer<()> {
        if self.faults.space == Some(0) {
            return Err(Errno::NOSPC);
        }
        let opened = self.opened.get(&ino).ok_or(Errno::BADF)?;
        // With KEEP_SIZE always: the end moves below, where the journal hears of it.
        fallocate(&opened.file, FallocateFlags::KEEP_SIZE, offset, len)?;
        let end = offset.checked_add(len).ok_or(Errno::FBIG)?;
        if keep_size || self.files.get(&ino).is_none_or(|bytes| end <= bytes.size()) {
            return Ok(());
        }
        self.truncate(ino, end)
    }

    // --- attributes --------------------------------------------------------------------------------------------------

    pub(super) fn change_owner(&mut self, ino: Ino, new: &NewOwner) -> Answer<()> {
        let meta = self.attributes(ino)?.meta;
        let before = Owner { mode: meta.mode() & 0o7777, uid: meta.uid(), gid: meta.gid() };
        let after = Owner {
            mode: new.mode.unwrap_or(before.mode) & 0o7777,
            uid: new.uid.unwrap_or(before.uid),
            gid: new.gid.unwrap_or(before.gid),
        };
        self.set_owner(ino, after)?;
        self.pending.push(Change::Owner { ino, before });
        Ok(())
    }

    /// chown before chmod, because chown clears the set-id bits.
    pub(super) fn set_owner(&self, ino: Ino, owner: Owner) -> Answer<()> {
        let path = self.names.path(ino);
        chownat(CWD, &path, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)), AtFlags::empty())?;
        chmodat(CWD, &path, Mode::from_raw_mode(owner.mode), AtFlags::empty())
    }

    /// Sets the times. They are written through and not undone by a cut: nothing of ours depends on them.
    pub(super) fn set_times(&self, ino: Ino, times: &Timestamps) -> Answer<()> {
        match self.opened.get(&ino) {
            Some(opened) => futimens(&opened.file, times),
            None => utimensat(CWD, self.names.path(ino), times, AtFlags::SYMLINK_NOFOLLOW),
        }
    }

    pub(super) fn space(&self) -> Answer<StatVfs> {
        statvfs(self.names.path(ROOT))
    }

    // --- durability --------------------------------------------------------------------------------------------------

    /// fsync, or with `data_only` fdatasync. Touches no real disk: the backing folder only has to outlive the test.
    pub(super) fn sync(&mut self, ino: Ino, data_only: bool) -> Answer<()> {
        let waited_for = |path: &Path| path.extension().is_some_and(|end| end == "log") || path.ends_with("anchor");
        let commit = self.faults.next_commit.filter(|_| waited_for(&self.names.path(ino)));
        if commit.is_some() {
            self.faults.next_commit = None;
        }
        if let Some(error) = commit.or_else(|| self.faults.next_sync.take()) {
            if let Some(bytes) = self.files.get_mut(&ino) {
                bytes.sync_failed();
            }
            return Err(error);
        }
        self.commit_for(ino, data_only)?;
        if let Some(bytes) = self.files.get_mut(&ino) {
            bytes.synced();
        }
        Ok(())
    }

    pub(super) fn sync_directory(&mut self, dir: Ino) -> Answer<()> {
        if let Some(error) = self.faults.next_sync.take() {
            return Err(error);
        }
        self.commit_if(false, |op| op.changes_names_in(dir) || op.concerns(dir, false))
    }

    /// Commits what a sync of this file has to commit.
    fn commit_for(&mut self, ino: Ino, data_only: bool) -> Answer<()> {
        // ext4 has its journal carry the new size, and for fsync the new time of last change.
        let transaction = self.pending.now().transaction;
        let changed = |bytes: &FileData| bytes.has_unsynced_size() || (!data_only && bytes.was_written_in(transaction));
        let inode_changed = self.files.get(&ino).is_some_and(changed);
        self.commit_if(inode_changed, |op| op.concerns(ino, data_only))
    }

    fn commit_if(&mut self, inode_changed: bool, wanted: impl Fn(&Op) -> bool) -> Answer<()> {
        let committed = match self.journal {
            // One running transaction: whoever must commit a part of it commits it whole. A sync that has no part in it
            // commits nothing (ext4_fsync_journal compares i_sync_tid or i_datasync_tid).
            Journal::Ext4 if inode_changed || self.pending.ops().iter().any(&wanted) => self.pending.take_all(),
            Journal::Ext4 => Vec::new(),
            Journal::Strict => self.pending.take_with_causes(wanted),
        };
        for op in &committed {
            match &op.change {
                Change::Resize { ino, size } => {
                    if let Some(bytes) = self.files.get_mut(ino) {
                        bytes.resize_committed(*size);
                    }
                }
                Change::Names { .. } | Change::Owner { .. } => {}
            }
        }
        for op in &committed {
            if let Change::Names { edits, .. } = &op.change {
                for edit in edits {
                    self.reap(edit.ino())?;
                }
            }
        }
        Ok(())
    }

    // --- helpers -----------------------------------------------------------------------------------------------------

    /// Does the edits as one operation of the journal. If one of them fails, none was done.
    fn rename_all(&mut self, edits: Vec<Edit>, created: Option<Ino>) -> Answer<()> {
        for (done, edit) in edits.iter().enumerate() {
            if let Err(error) = self.names.apply(edit) {
                for earlier in edits[..done].iter().rev() {
                    self.names.apply(&earlier.inverse()).map_err(errno)?;
                }
                return Err(errno(error));
            }
        }
        self.pending.push(Change::Names { edits, created });
        Ok(())
    }

    /// Drops an inode for good once no name, no user and no operation that could be undone refers to it.
    fn reap(&mut self, ino: Ino) -> Answer<()> {
        let referred = self.names.is_linked(ino)
            || self.opened.contains_key(&ino)
            || self.pending.ops().iter().any(|op| op.concerns(ino, false));
        if referred || !self.names.contains(ino) {
            return Ok(());
        }
        self.files.remove(&ino);
        self.names.forget(ino).map_err(errno)
    }

    pub(super) fn backing_file(&self, ino: Ino) -> Answer<File> {
        if !self.files.contains_key(&ino) {
            return Err(if self.names.is_dir(ino) { Errno::ISDIR } else { Errno::NOENT });
        }
        OpenOptions::new().read(true).write(true).open(self.names.path(ino)).map_err(errno)
    }

    /// Checks that a name can be given.
    fn free_slot(&self, dir: Ino, name: &OsStr) -> Answer<Slot> {
        if dir == ROOT && name == GRAVE {
            return Err(Errno::PERM);
        }
        let entries = self.names.entries(dir).ok_or(Errno::NOTDIR)?;
        // A directory whose last name is gone takes no new entries.
        if !self.names.is_linked(dir) {
            return Err(Errno::NOENT);
        }
        if entries.contains_key(name) { Err(Errno::EXIST) } else { Ok(slot(dir, name)) }
    }
}

fn slot(dir: Ino, name: &OsStr) -> Slot {
    Slot { dir, name: name.to_os_string() }
}

pub(super) fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}
