//! The place where backups are kept, for whoever holds it to copy and to lose, but not to read.
//!
//! ```text
//! DEST/ backups.json              names the place; locked while somebody writes
//!       files/<SHA-256>           stored files: encrypted, named by what is stored
//!       backups/<id>/             a backup: header.json (plain), manifest.age
//! ```
//!
//! **The order of writes.** 1. Each stored file: written under another name, synced, read back and compared, renamed.
//! 2. The folder of files, synced. 3. The folder of the backup, under another name, its two files synced, then itself.
//! 4. Renamed, and the folder of backups synced. A crash before 4 leaves no backup and perhaps files that none needs; during 4
//! there is a backup or there is none, and one that is there has all its files. The next run removes what is left over.
//!
//! Nothing that a backup needs is ever changed or removed here. Whoever wants fewer backups removes folders of `backups/`; the
//! files that no other backup needs go with the next run.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use semper_ledger::disk::{self, DiskFault, fault};
use semper_ttp::crypto::age::{Identity, Recipient};
use semper_ttp::crypto::{Entropy, EntropyFault};
use serde::{Deserialize, Serialize};

use super::manifest::{Header, Stored, VERSION};
use super::pace::{Pace, Paced, Streamed};
use super::sealed::{self, SealFault, Sum};

/// Ends the names of what is not whole yet.
const PART: &str = ".part";
/// The longest header that is read: half a million stored files.
const HEADER_BYTES_MAX: usize = 64 << 20;
/// The longest manifest that is read.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;

/// What names a place.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    version: u32,
    /// Random: so that a server knows which place has which of its files.
    id: String,
}

/// Why a place does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceFault {
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskFault),
    /// There are other things in it.
    #[error("{} is not empty and holds no backups of semper: name another folder", .0.display())]
    Taken(PathBuf),
    /// No place of backups.
    #[error("{} holds no backups of semper (it has no backups.json)", .0.display())]
    None(PathBuf),
    /// Its name does not read.
    #[error("{} does not read: {error}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        error: serde_json::Error,
    },
    /// Somebody writes into it.
    #[error("another backup is writing into {}", .0.display())]
    Busy(PathBuf),
    /// No such backup.
    #[error("there is no backup {0}")]
    NoSuch(String),
    /// None at all.
    #[error("there is no backup in {}", .0.display())]
    Empty(PathBuf),
    /// A file does not get in or out.
    #[error("{}: {fault}", path.display())]
    Seal {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: SealFault,
    },
    /// A file that was just written reads otherwise.
    #[error("{} was written and reads otherwise: this disk cannot be trusted", .0.display())]
    ReadBack(PathBuf),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyFault),
}

/// A place.
pub(crate) struct Place {
    root: PathBuf,
    /// Its name.
    pub(crate) id: String,
    // Locked while a writer lives.
    _lock: Option<File>,
}

impl Place {
    /// For writing; an empty or missing folder becomes a place. Removes what an interrupted run left.
    ///
    /// # Errors
    /// [`PlaceFault`].
    pub(crate) fn write(root: &Path, entropy: &dyn Entropy) -> Result<Self, PlaceFault> {
        disk::make_folder(root)?;
        let name = root.join("backups.json");
        if !name.exists() {
            let mut found = fs::read_dir(root).map_err(fault("read", root))?;
            if found.any(|file| {
                file.is_ok_and(|file| file.file_name() != "backups.json.part" && file.file_name() != "lost+found")
            }) {
                return Err(PlaceFault::Taken(root.to_owned()));
            }
            let mut id = [0; 16];
            entropy.fill(&mut id)?;
            let named = Named { version: VERSION, id: hex::encode(id) };
            disk::replace(&name, &serde_json::to_vec(&named).expect("a number and a string"))?;
        }
        let lock = File::open(&name).map_err(fault("open", &name))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PlaceFault::Busy(root.to_owned())),
            Err(TryLockError::Error(error)) => return Err(fault("lock", &name)(error).into()),
        }
        for folder in ["files", "backups"] {
            disk::make_folder(&root.join(folder))?;
        }
        let place = Self { _lock: Some(lock), ..Self::read(root)? };
        place.sweep_parts()?;
        Ok(place)
    }

    /// For reading.
    ///
    /// # Errors
    /// [`PlaceFault`].
    pub(crate) fn read(root: &Path) -> Result<Self, PlaceFault> {
        let name = root.join("backups.json");
        let bytes = disk::read_at_most(&name, 4096)?.ok_or_else(|| PlaceFault::None(root.to_owned()))?;
        let named: Named = serde_json::from_slice(&bytes).map_err(|error| PlaceFault::Name { path: name, error })?;
        Ok(Self { root: root.to_owned(), id: named.id, _lock: None })
    }

    /// A stored file.
    pub(crate) fn file(&self, stored: &Stored) -> PathBuf {
        self.root.join("files").join(&stored.name)
    }

    /// True if it is there, with its length.
    pub(crate) fn has(&self, stored: &Stored) -> bool {
        fs::metadata(self.file(stored)).is_ok_and(|found| found.is_file() && found.len() == stored.bytes)
    }

    /// True if it is there with all its bytes.
    pub(crate) fn has_whole(&self, stored: &Stored, pace: &mut Pace) -> bool {
        sealed::sum_at(&self.file(stored), pace)
            .is_ok_and(|sum| (sum.bytes, &sum.sha256) == (stored.bytes, &stored.name))
    }

    /// Step 1: stores a file; gives its sum and where it is.
    ///
    /// # Errors
    /// [`PlaceFault`]; then there may be a part, which the next run removes.
    pub(crate) fn store(
        &self,
        plain: &Path,
        recipients: &[Recipient],
        entropy: &dyn Entropy,
        pace: &mut Pace,
    ) -> Result<(Sum, Stored), PlaceFault> {
        let source = File::open(plain).map_err(fault("open", plain))?;
        let mut random = [0; 8];
        entropy.fill(&mut random)?;
        let part = self.root.join("files").join(format!("{}{PART}", hex::encode(random)));
        let mut file = File::create_new(&part).map_err(fault("make", &part))?;
        let source = Paced { inner: source, pace };
        let (sum, sealed) = sealed::seal(source, Streamed::new(&mut file), recipients, entropy)
            .map_err(|fault| PlaceFault::Seal { path: plain.to_owned(), fault })?;
        file.sync_all().map_err(fault("sync", &part))?;
        drop(file);
        if sealed::sum_at(&part, pace).map_err(fault("read", &part))? != sealed {
            return Err(PlaceFault::ReadBack(part));
        }
        let stored = Stored { name: sealed.sha256, bytes: sealed.bytes };
        let path = self.file(&stored);
        fs::rename(&part, &path).map_err(fault("rename to", &path))?;
        Ok((sum, stored))
    }

    /// Steps 2 to 4: the backup itself.
    ///
    /// # Errors
    /// [`PlaceFault`]; there is no such backup then, or nobody knows whether there is.
    pub(crate) fn publish(&self, header: &Header, manifest: &[u8]) -> Result<(), PlaceFault> {
        disk::sync_folder(&self.root.join("files"))?;
        let backups = self.root.join("backups");
        let part = backups.join(format!("{}{PART}", header.id));
        fs::create_dir(&part).map_err(fault("make", &part))?;
        let bytes = serde_json::to_vec(header).expect("strings and numbers");
        for (name, bytes) in [("header.json", &*bytes), ("manifest.age", manifest)] {
            let path = part.join(name);
            disk::replace(&path, bytes)?;
            if disk::read_at_most(&path, bytes.len())?.as_deref() != Some(bytes) {
                return Err(PlaceFault::ReadBack(path));
            }
        }
        let path = backups.join(&header.id);
        fs::rename(&part, &path).map_err(fault("rename to", &path))?;
        Ok(disk::sync_folder(&backups)?)
    }

    /// Every backup, the oldest first, by entries and then by name; and the folders that are none.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn list(&self) -> Result<(Vec<Header>, Vec<PathBuf>), PlaceFault> {
        let folder = self.root.join("backups");
        let (mut headers, mut others) = (Vec::new(), Vec::new());
        for entry in self.names(&folder)? {
            let path = folder.join(&entry);
            if entry.ends_with(PART) {
                continue;
            }
            match self.header(&entry) {
                Some(header) => headers.push(header),
                None => others.push(path),
            }
        }
        headers.sort_by(|a, b| (a.size, &a.id).cmp(&(b.size, &b.id)));
        Ok((headers, others))
    }

    /// The backups that have a manifest, whatever their headers say, which nobody has signed.
    ///
    /// # Errors
    /// [`PlaceFault::Empty`], the disk.
    pub(crate) fn ids(&self) -> Result<Vec<String>, PlaceFault> {
        let mut ids = self.names(&self.root.join("backups"))?;
        ids.retain(|id| !id.ends_with(PART) && self.manifest_path(id).is_file());
        ids.sort();
        if ids.is_empty() { Err(PlaceFault::Empty(self.root.clone())) } else { Ok(ids) }
    }

    /// The same name, if there is such a backup.
    ///
    /// # Errors
    /// [`PlaceFault::NoSuch`].
    pub(crate) fn named<'i>(&self, id: &'i str) -> Result<&'i str, PlaceFault> {
        match !id.contains('/') && self.manifest_path(id).is_file() {
            true => Ok(id),
            false => Err(PlaceFault::NoSuch(id.to_owned())),
        }
    }

    /// A backup's header, if it reads.
    pub(crate) fn header(&self, id: &str) -> Option<Header> {
        let path = self.root.join("backups").join(id).join("header.json");
        let bytes = disk::read_at_most(&path, HEADER_BYTES_MAX).ok().flatten();
        let header: Option<Header> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let whole =
            |header: &Header| header.stored_sha256.as_ref().is_none_or(|sum| *sum == Header::sum(&header.stored));
        header.filter(|header| header.id == id && whole(header))
    }

    /// Whether a manifest has the bytes that its header names; `None` where that cannot be told.
    pub(crate) fn is_as_stored(&self, id: &str) -> Option<bool> {
        let stated = self.header(id)?.manifest_sha256?;
        Some(sealed::sum_of(&self.manifest_path(id)).ok()?.sha256 == stated)
    }

    fn manifest_path(&self, id: &str) -> PathBuf {
        self.root.join("backups").join(id).join("manifest.age")
    }

    /// The plain bytes of a backup's manifest.
    ///
    /// # Errors
    /// [`PlaceFault`].
    pub(crate) fn manifest(&self, id: &str, identities: &[Identity]) -> Result<Vec<u8>, PlaceFault> {
        let path = self.manifest_path(id);
        let file = File::open(&path).map_err(fault("open", &path))?;
        let length = file.metadata().map_err(fault("read", &path))?.len();
        let mut plain = Vec::new();
        let opened = match length <= MANIFEST_BYTES_MAX {
            true => sealed::open(file, &mut plain, identities),
            false => Err(io::Error::from(ErrorKind::FileTooLarge).into()),
        };
        opened.map(|_| plain).map_err(|fault| PlaceFault::Seal { path, fault })
    }

    /// Removes stored files that no backup needs; gives how many. Nothing is removed where a backup does not say what it needs.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn sweep(&self) -> Result<usize, PlaceFault> {
        let (headers, others) = self.list()?;
        if !others.is_empty() {
            return Ok(0);
        }
        let needed: HashSet<_> = headers.iter().flat_map(|header| &header.stored).map(|stored| &stored.name).collect();
        let folder = self.root.join("files");
        let mut removed = 0;
        for name in self.names(&folder)? {
            if !needed.contains(&name) {
                let path = folder.join(name);
                fs::remove_file(&path).map_err(fault("remove", &path))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn sweep_parts(&self) -> Result<(), PlaceFault> {
        for folder in ["files", "backups"].map(|folder| self.root.join(folder)) {
            for name in self.names(&folder)?.into_iter().filter(|name| name.ends_with(PART)) {
                let path = folder.join(name);
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.map_err(fault("remove", &path))?;
            }
        }
        Ok(())
    }

    fn names(&self, folder: &Path) -> Result<Vec<String>, PlaceFault> {
        let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>();
        match read() {
            Ok(names) => Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(fault("read", folder)(error).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use semper_ttp::crypto::OsEntropy;

    use super::*;

    fn header(place: &Place, id: &str, size: u64, stored: &[Stored]) {
        let manifest_sha256 = Some(semper_ttp::digest::Digest::of(b"m").to_string());
        let (id, stored) = (id.to_owned(), stored.to_vec());
        let stored_sha256 = Some(Header::sum(&stored));
        let header =
            Header { version: 1, id, made_ms: 0, size, manifest_bytes: 1, manifest_sha256, stored, stored_sha256 };
        place.publish(&header, b"m").unwrap();
    }

    #[test]
    fn a_place_is_made_locked_listed_and_swept() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/b");
        assert!(matches!(Place::read(&root), Err(PlaceFault::None(_))));
        let place = Place::write(&root, &OsEntropy).unwrap();
        assert!(matches!(Place::write(&root, &OsEntropy), Err(PlaceFault::Busy(_))));
        assert!(matches!(place.ids(), Err(PlaceFault::Empty(_))));
        let plain = dir.path().join("plain");
        fs::write(&plain, b"bytes").unwrap();
        let identity = Identity::generate(&OsEntropy).unwrap();
        let recipients = [identity.recipient().unwrap()];
        let (sum, one) = place.store(&plain, &recipients, &OsEntropy, &mut Pace::new(0)).unwrap();
        assert_eq!(sum.bytes, 5);
        let (_, two) = place.store(&plain, &recipients, &OsEntropy, &mut Pace::new(0)).unwrap();
        assert_ne!(one, two, "what is stored tells nothing of what is in it");
        assert!(place.has(&one) && place.has_whole(&one, &mut Pace::new(0)));
        header(&place, "t2-9", 9, std::slice::from_ref(&one));
        header(&place, "t1-10", 10, std::slice::from_ref(&one));
        assert_eq!(place.ids().unwrap(), ["t1-10", "t2-9"]);
        assert_eq!(place.named("t2-9").unwrap(), "t2-9");
        assert!(matches!(place.named("../backups/t2-9"), Err(PlaceFault::NoSuch(_))));
        assert_eq!(place.is_as_stored("t2-9"), Some(true));
        fs::write(place.manifest_path("t1-10"), b"n").unwrap();
        assert_eq!(place.is_as_stored("t1-10"), Some(false));
        assert_eq!(place.sweep().unwrap(), 1);
        assert!(place.has(&one) && !place.has(&two));
        // What a killed run left goes; what a damaged header may need stays.
        fs::write(root.join("files/x.part"), b"").unwrap();
        fs::create_dir(root.join("backups/t3-11.part")).unwrap();
        let path = root.join("backups/t2-9/header.json");
        let header = fs::read_to_string(&path).unwrap();
        fs::write(&path, header.replacen(&one.name, &two.name, 1)).unwrap();
        assert_eq!(place.header("t2-9"), None, "it names a file that this backup does not need");
        assert_eq!(place.sweep().unwrap(), 0);
        assert!(place.has(&one));
        fs::write(&path, b"{").unwrap();
        fs::write(root.join("files/stray"), b"").unwrap();
        drop(place);
        let place = Place::write(&root, &OsEntropy).unwrap();
        assert!(!root.join("files/x.part").exists() && !root.join("backups/t3-11.part").exists());
        assert_eq!(place.sweep().unwrap(), 0);
        assert_eq!(place.named("t2-9").unwrap(), "t2-9", "a damaged header does not keep a manifest from being read");
        assert_eq!(place.is_as_stored("t2-9"), None);
        fs::write(place.file(&one), b"other").unwrap();
        assert!(!place.has(&one) && !place.has_whole(&one, &mut Pace::new(0)));
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter"), b"").unwrap();
        assert!(matches!(Place::write(dir.path(), &OsEntropy), Err(PlaceFault::Taken(_))));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
