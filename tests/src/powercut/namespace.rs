//! The tree of names as it is now, kept in memory and mirrored into the backing folder at every edit.
//!
//! Every change of a name is an [`Edit`]: a name is given to an inode, or taken from it. An edit has an exact inverse,
//! so a lost operation is undone by the inverses of its edits in reverse. For that, an inode that has lost its last
//! name is not removed but moved to a hidden folder of the backing folder (the *grave*), until the loss of the name is
//! durable.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An inode number of ours; never used twice during a mount.
pub(super) type Ino = u64;

/// The mount's root directory, by FUSE's convention.
pub(super) const ROOT: Ino = 1;

/// Folder in the backing root that holds inodes without a name. It is not in the tree, so no caller sees it.
pub(super) const GRAVE: &str = ".powercut";

/// One place where a name can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) dir: Ino,
    pub(super) name: OsString,
}

/// A name given to an inode, or taken from it.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Attach(Slot, Ino),
    Detach(Slot, Ino),
}

impl Edit {
    pub(super) fn inverse(&self) -> Edit {
        match self {
            Edit::Attach(slot, ino) => Edit::Detach(slot.clone(), *ino),
            Edit::Detach(slot, ino) => Edit::Attach(slot.clone(), *ino),
        }
    }

    pub(super) fn slot(&self) -> &Slot {
        match self {
            Edit::Attach(slot, _) | Edit::Detach(slot, _) => slot,
        }
    }

    pub(super) fn ino(&self) -> Ino {
        match self {
            Edit::Attach(_, ino) | Edit::Detach(_, ino) => *ino,
        }
    }
}

struct Node {
    /// Every name of the inode; a directory has at most one, the root none.
    links: Vec<Slot>,
    /// `Some` for a directory.
    entries: Option<BTreeMap<OsString, Ino>>,
}

pub(super) struct Namespace {
    backing: PathBuf,
    nodes: BTreeMap<Ino, Node>,
    next: Ino,
}

impl Namespace {
    /// Reads the backing folder; gives the tree and the size of each regular file in it. Other kinds (symbolic links,
    /// sockets) are left alone and are not seen through the mount: no server of ours makes any.
    pub(super) fn scan(backing: &Path) -> io::Result<(Self, BTreeMap<Ino, u64>)> {
        let root = Node { links: Vec::new(), entries: Some(BTreeMap::new()) };
        let mut tree = Self { backing: backing.to_path_buf(), nodes: BTreeMap::from([(ROOT, root)]), next: ROOT + 1 };
        // A grave that is still there is from a test that was killed: its inodes had lost their names.
        tree.close_grave()?;
        let mut sizes = BTreeMap::new();
        let mut hard_links: BTreeMap<u64, Ino> = BTreeMap::new();
        let mut folders = vec![ROOT];
        while let Some(dir) = folders.pop() {
            for found in fs::read_dir(tree.path(dir))? {
                let found = found?;
                let meta = found.metadata()?;
                let slot = Slot { dir, name: found.file_name() };
                if meta.is_dir() {
                    let ino = tree.fresh(true);
                    tree.insert(&slot, ino);
                    folders.push(ino);
                } else if meta.is_file() {
                    let ino = *hard_links.entry(meta.ino()).or_insert_with(|| tree.fresh(false));
                    tree.insert(&slot, ino);
                    sizes.insert(ino, meta.len());
                }
            }
        }
        fs::create_dir(tree.backing.join(GRAVE))?;
        Ok((tree, sizes))
    }

    /// A new inode without a name. The caller makes its object at [`Namespace::path`] and then attaches it.
    pub(super) fn fresh(&mut self, directory: bool) -> Ino {
        let ino = self.next;
        self.next += 1;
        self.nodes.insert(ino, Node { links: Vec::new(), entries: directory.then(BTreeMap::new) });
        ino
    }

    pub(super) fn contains(&self, ino: Ino) -> bool {
        self.nodes.contains_key(&ino)
    }

    pub(super) fn lookup(&self, dir: Ino, name: &OsStr) -> Option<Ino> {
        self.entries(dir)?.get(name).copied()
    }

    /// The entries of a directory; `None` when the inode is no directory.
    pub(super) fn entries(&self, dir: Ino) -> Option<&BTreeMap<OsString, Ino>> {
        self.nodes.get(&dir)?.entries.as_ref()
    }

    pub(super) fn is_dir(&self, ino: Ino) -> bool {
        self.entries(ino).is_some()
    }

    /// The directory that holds this directory; the root is its own.
    pub(super) fn parent(&self, ino: Ino) -> Ino {
        self.nodes.get(&ino).and_then(|node| node.links.first()).map_or(ROOT, |slot| slot.dir)
    }

    pub(super) fn is_linked(&self, ino: Ino) -> bool {
        ino == ROOT || self.nodes.get(&ino).is_some_and(|node| !node.links.is_empty())
    }

    /// Number of links as `stat` shows it; not the backing folder's, where the grave counts too.
    pub(super) fn link_count(&self, ino: Ino) -> u32 {
        let count = match self.entries(ino) {
            Some(entries) => 2 + entries.values().filter(|child| self.is_dir(**child)).count(),
            None => self.nodes.get(&ino).map_or(0, |node| node.links.len()),
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Where the inode lies in the backing folder: under one of its names, else in the grave.
    pub(super) fn path(&self, ino: Ino) -> PathBuf {
        if ino == ROOT {
            return self.backing.clone();
        }
        match self.nodes.get(&ino).and_then(|node| node.links.first()) {
            Some(slot) => self.slot_path(slot),
            None => self.backing.join(GRAVE).join(ino.to_string()),
        }
    }

    /// Metadata of the inode's object in the backing folder.
    pub(super) fn metadata(&self, ino: Ino) -> io::Result<Metadata> {
        fs::symlink_metadata(self.path(ino))
    }

    pub(super) fn apply(&mut self, edit: &Edit) -> io::Result<()> {
        match edit {
            Edit::Attach(slot, ino) => {
                let (from, to) = (self.path(*ino), self.slot_path(slot));
                if self.is_linked(*ino) {
                    fs::hard_link(from, to)?
                } else {
                    fs::rename(from, to)?
                }
                self.insert(slot, *ino);
            }
            Edit::Detach(slot, ino) => {
                let last = self.nodes.get(ino).is_none_or(|node| node.links.len() == 1);
                let from = self.slot_path(slot);
                if last {
                    fs::rename(from, self.backing.join(GRAVE).join(ino.to_string()))?
                } else {
                    fs::remove_file(from)?
                }
                self.remove(slot, *ino);
            }
        }
        Ok(())
    }

    /// Drops an inode that has no name and no user left.
    pub(super) fn forget(&mut self, ino: Ino) -> io::Result<()> {
        let path = self.path(ino);
        let directory = self.is_dir(ino);
        self.nodes.remove(&ino);
        if directory { fs::remove_dir(path) } else { fs::remove_file(path) }
    }

    /// Removes the grave with all that is in it.
    pub(super) fn close_grave(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.backing.join(GRAVE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn slot_path(&self, slot: &Slot) -> PathBuf {
        self.path(slot.dir).join(&slot.name)
    }

    fn insert(&mut self, slot: &Slot, ino: Ino) {
        if let Some(entries) = self.nodes.get_mut(&slot.dir).and_then(|node| node.entries.as_mut()) {
            entries.insert(slot.name.clone(), ino);
        }
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.links.push(slot.clone());
        }
    }

    fn remove(&mut self, slot: &Slot, ino: Ino) {
        if let Some(entries) = self.nodes.get_mut(&slot.dir).and_then(|node| node.entries.as_mut()) {
            entries.remove(&slot.name);
        }
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.links.retain(|link| link != slot);
        }
    }
}
