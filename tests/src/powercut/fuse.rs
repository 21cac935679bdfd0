//! From FUSE requests to operations of the disk, and back. Nothing is decided here.
//!
//! Left to the kernel by not asking for more capabilities: byte-range and flock locks (it keeps them itself), O_APPEND
//! and O_DIRECT (offsets arrive computed), the page cache for reads. FUSE_WRITEBACK_CACHE stays off, so that every
//! write reaches us before write(2) returns.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BsdFileFlags, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs,
    ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;

use super::disk::{Answer, Attributes, Disk, NewOwner};
use super::lock;
use super::namespace::{Ino, Slot};

/// How long the kernel may keep names and attributes. We are the only writer, so they do not go stale; short enough
/// that a test sees EIO soon after a cut.
const TTL: Duration = Duration::from_secs(1);

/// Nobody else changes the files, so pages read before an open are still right. And close(2) asks us nothing: it syncs
/// nothing, and a process that is killed over its own mount would wait for ever for an answer from its own dead
/// threads.
const OPENED: FopenFlags = FopenFlags::FOPEN_KEEP_CACHE.union(FopenFlags::FOPEN_NOFLUSH);

type Listing = Vec<(OsString, Ino, bool)>;

/// Directories that are being read, each as it was when it was opened.
#[derive(Default)]
struct Listings {
    open: BTreeMap<u64, Listing>,
    next: u64,
}

pub(super) struct Adapter {
    disk: Arc<Mutex<Disk>>,
    listings: Mutex<Listings>,
}

impl Adapter {
    pub(super) fn new(disk: Arc<Mutex<Disk>>) -> Self {
        Self { disk, listings: Mutex::default() }
    }

    /// The disk, as long as it has power.
    fn disk(&self) -> Answer<MutexGuard<'_, Disk>> {
        let disk = lock(&self.disk);
        if disk.is_silent() { Err(Errno::IO) } else { Ok(disk) }
    }

    fn listings(&self) -> MutexGuard<'_, Listings> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_listing(&self, dir: Ino) -> Answer<u64> {
        let entries = self.disk()?.entries(dir)?;
        let mut listings = self.listings();
        let handle = listings.next;
        listings.next += 1;
        listings.open.insert(handle, entries);
        Ok(handle)
    }

    fn set_attributes(&self, ino: Ino, owner: &NewOwner, size: Option<u64>, times: &Timestamps) -> Answer<Attributes> {
        let mut disk = self.disk()?;
        if owner.mode.is_some() || owner.uid.is_some() || owner.gid.is_some() {
            disk.change_owner(ino, owner)?;
        }
        if let Some(size) = size {
            disk.truncate(ino, size)?;
        }
        if [times.last_access, times.last_modification].iter().any(|time| time.tv_nsec != UTIME_OMIT) {
            disk.set_times(ino, times)?;
        }
        disk.attributes(ino)
    }
}

impl Filesystem for Adapter {
    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(reply, self.disk().and_then(|disk| disk.lookup(parent.0, name)));
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        attributes(reply, self.disk().and_then(|disk| disk.attributes(ino.0)));
    }

    fn setattr(
        &self,
        _req: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let times = Timestamps { last_access: timespec(atime), last_modification: timespec(mtime) };
        attributes(reply, self.set_attributes(ino.0, &NewOwner { mode, uid, gid }, size, &times));
    }

    fn mkdir(&self, _req: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        entry(reply, self.disk().and_then(|mut disk| disk.mkdir(parent.0, name, mode & !umask & 0o7777)));
    }

    fn unlink(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(reply, self.disk().and_then(|mut disk| disk.unlink(parent.0, name, false)));
    }

    fn rmdir(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(reply, self.disk().and_then(|mut disk| disk.unlink(parent.0, name, true)));
    }

    fn rename(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if flags.intersects(RenameFlags::RENAME_WHITEOUT) {
            return empty(reply, Err(Errno::INVAL));
        }
        let from = Slot { dir: parent.0, name: name.to_os_string() };
        let to = Slot { dir: newparent.0, name: newname.to_os_string() };
        let no_replace = flags.contains(RenameFlags::RENAME_NOREPLACE);
        let exchange = flags.contains(RenameFlags::RENAME_EXCHANGE);
        empty(reply, self.disk().and_then(|mut disk| disk.rename(from, to, no_replace, exchange)));
    }

    fn link(&self, _req: &Request, ino: INodeNo, newparent: INodeNo, newname: &OsStr, reply: ReplyEntry) {
        entry(reply, self.disk().and_then(|mut disk| disk.link(ino.0, newparent.0, newname)));
    }

    fn create(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let created = self.disk().and_then(|mut disk| {
            let made = disk.create(parent.0, name, mode & !umask & 0o7777)?;
            disk.open(made.ino)?;
            Ok(made)
        });
        match created {
            Ok(made) => reply.created(&TTL, &file_attr(&made), Generation(0), FileHandle(made.ino), OPENED),
            Err(error) => reply.error(code(error)),
        }
    }

    fn open(&self, _req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.disk().and_then(|mut disk| disk.open(ino.0)) {
            Ok(()) => reply.opened(FileHandle(ino.0), OPENED),
            Err(error) => reply.error(code(error)),
        }
    }

    fn release(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        empty(reply, self.disk().and_then(|mut disk| disk.release(ino.0)));
    }

    fn read(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        // u32 fits a usize on every system that has FUSE.
        match self.disk().and_then(|disk| disk.read(ino.0, offset, size as usize)) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(code(error)),
        }
    }

    fn write(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        // O_SYNC contains O_DSYNC's bit. Pages of a shared mapping come with a guessed handle: its flags say nothing.
        let synced = flags.0 & libc::O_DSYNC != 0 && !write_flags.contains(WriteFlags::FUSE_WRITE_CACHE);
        match self.disk().and_then(|mut disk| disk.write(ino.0, offset, data, synced)) {
            Ok(written) => reply.written(written),
            Err(error) => reply.error(code(error)),
        }
    }

    /// Asked only by kernels that do not know FOPEN_NOFLUSH (before 5.16). ENOSYS spares us the request from now on.
    fn flush(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _lock_owner: LockOwner, reply: ReplyEmpty) {
        empty(reply, Err(Errno::NOSYS));
    }

    fn fsync(&self, _req: &Request, ino: INodeNo, _fh: FileHandle, datasync: bool, reply: ReplyEmpty) {
        empty(reply, self.disk().and_then(|mut disk| disk.sync(ino.0, datasync)));
    }

    fn fallocate(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode & !libc::FALLOC_FL_KEEP_SIZE != 0 {
            return empty(reply, Err(Errno::OPNOTSUPP));
        }
        let keep_size = mode & libc::FALLOC_FL_KEEP_SIZE != 0;
        empty(reply, self.disk().and_then(|mut disk| disk.allocate(ino.0, offset, length, keep_size)));
    }

    fn opendir(&self, _req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.open_listing(ino.0) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
            Err(error) => reply.error(code(error)),
        }
    }

    fn readdir(&self, _req: &Request, _ino: INodeNo, fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        if let Err(error) = self.disk() {
            return reply.error(code(error));
        }
        let listings = self.listings();
        let entries = listings.open.get(&fh.0).map_or(&[][..], Vec::as_slice);
        let first = usize::try_from(offset).unwrap_or(usize::MAX);
        for ((name, ino, directory), next) in entries.iter().skip(first).zip(offset + 1..) {
            let kind = if *directory { FileType::Directory } else { FileType::RegularFile };
            if reply.add(INodeNo(*ino), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _req: &Request, _ino: INodeNo, fh: FileHandle, _flags: OpenFlags, reply: ReplyEmpty) {
        self.listings().open.remove(&fh.0);
        reply.ok();
    }

    fn fsyncdir(&self, _req: &Request, ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        empty(reply, self.disk().and_then(|mut disk| disk.sync_directory(ino.0)));
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        match self.disk().and_then(|disk| disk.space()) {
            Ok(space) => reply.statfs(
                space.f_blocks,
                space.f_bfree,
                space.f_bavail,
                space.f_files,
                space.f_ffree,
                u32::try_from(space.f_bsize).unwrap_or(4096),
                u32::try_from(space.f_namemax).unwrap_or(255),
                u32::try_from(space.f_frsize).unwrap_or(4096),
            ),
            Err(error) => reply.error(code(error)),
        }
    }

    /// The kernel asks for `security.capability` before writes until it hears ENOSYS.
    fn getxattr(&self, _req: &Request, _ino: INodeNo, _name: &OsStr, _size: u32, reply: ReplyXattr) {
        reply.error(code(Errno::NOSYS));
    }
}

fn empty(reply: ReplyEmpty, answer: Answer<()>) {
    match answer {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(code(error)),
    }
}

fn entry(reply: ReplyEntry, answer: Answer<Attributes>) {
    match answer {
        Ok(found) => reply.entry(&TTL, &file_attr(&found), Generation(0)),
        Err(error) => reply.error(code(error)),
    }
}

fn attributes(reply: ReplyAttr, answer: Answer<Attributes>) {
    match answer {
        Ok(found) => reply.attr(&TTL, &file_attr(&found)),
        Err(error) => reply.error(code(error)),
    }
}

fn code(error: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(error.raw_os_error())
}

fn file_attr(attributes: &Attributes) -> FileAttr {
    let meta = &attributes.meta;
    FileAttr {
        ino: INodeNo(attributes.ino),
        size: meta.len(),
        blocks: meta.blocks(),
        atime: time(meta.atime(), meta.atime_nsec()),
        mtime: time(meta.mtime(), meta.mtime_nsec()),
        ctime: time(meta.ctime(), meta.ctime_nsec()),
        crtime: UNIX_EPOCH,
        kind: if meta.is_dir() { FileType::Directory } else { FileType::RegularFile },
        perm: u16::try_from(meta.mode() & 0o7777).unwrap_or(0),
        nlink: attributes.links,
        uid: meta.uid(),
        gid: meta.gid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

/// Times before 1970 become 1970: no test of ours sets any.
fn time(secs: i64, nanos: i64) -> SystemTime {
    UNIX_EPOCH + Duration::new(u64::try_from(secs).unwrap_or(0), u32::try_from(nanos).unwrap_or(0))
}

fn timespec(time: Option<TimeOrNow>) -> Timespec {
    match time {
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        Some(TimeOrNow::Now) => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        Some(TimeOrNow::SpecificTime(time)) => {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            Timespec { tv_sec: since.as_secs().cast_signed(), tv_nsec: i64::from(since.subsec_nanos()) }
        }
    }
}
