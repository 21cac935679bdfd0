//! The public half of a ledger as a folder that any web server can serve as a log (C2SP tlog-tiles, spec §4).
//!
//! ```text
//! OUT/checkpoint                       the signed note
//! OUT/tile/<L>/<N>[.p/<W>]             hashes
//! OUT/tile/entries/<N>[.p/<W>]         entries, each with its length before it
//! ```
//!
//! In scope: what is written, in which order, and when it is refused. Out of scope: facts and artefacts, which are
//! private and not even read here; HTTP headers, which are the web server's; whether the store is sound beyond what is
//! exported (`fsck`).
//!
//! **Nothing is exported on trust.** Each tile and each entry is checked on its way out against the signed root, from the
//! top down, so a wrong byte of the store stops the export at its row before it is published.
//!
//! **The order of writes.** 1. Tiles and bundles, each synced before it gets its name. 2. The folders that hold the names,
//! synced. 3. The checkpoint, synced, renamed over the older one, its folder synced. A crash before 3 leaves the older
//! checkpoint with all its tiles, and some tiles that nobody asks for yet; the next export finds them and goes on. During
//! 3 the rename makes it the one checkpoint or the other, and both have all their tiles.
//!
//! **Nothing is ever deleted or changed.** A tile that is there is compared and left; the checkpoint is replaced only by a
//! larger one that continues it. Partial tiles of earlier exports stay: somebody may have fetched the checkpoint that needs
//! them a moment ago, and not every reader falls back to the full tile when a partial one is gone. They cost a few files
//! an export. Only sizes that were exported have their partial tiles here, since only their checkpoints were.
//!
//! **Plain bytes, not gzip.** The names have no ending by which a web server could tell that a file is compressed, so a
//! gzip bundle would go out without `Content-Encoding` and every reader would take it for garbage. Compressing on the way
//! out is a setting of every web server.

mod folder;
#[cfg(test)]
mod tests;
mod tree;

use std::path::{Path, PathBuf};

use self::{folder::Folder, tree::Tree};
use crate::{
    anchor::Anchored,
    checkpoint::Checkpoint,
    disk::DiskFault,
    ledger::{OpenError, check_owner, newest_head, parse_head, signed_edge},
    merkle::{Hash, TILE_WIDTH, TileId, level_width, sha256, tile_width},
    note::Note,
    port::Verifier,
    proof,
    receipt::{GroupHead, LogIdentity},
    store::{Fault, Store, Table, keys, read},
    tile::Resource,
};

/// The name of the checkpoint in the folder.
const CHECKPOINT: &str = "checkpoint";

/// Files that are written before they are synced together: enough for the disk to join their flushes, few enough for any
/// limit on open files.
const FILES_AT_ONCE: usize = 128;

/// An export of one ledger into one folder.
pub struct Export<'a> {
    /// The store; it is only read.
    pub store: &'a dyn Store,
    /// The log's public keys and names.
    pub identity: &'a LogIdentity,
    /// Checks signatures: ours in the store, and that of a checkpoint in the folder.
    pub verifier: &'a dyn Verifier,
    /// The newest checkpoint that may leave: the anchored one. A store may be one group ahead after a power cut; that
    /// group has been given to nobody, and is not given away here either.
    pub anchored: &'a Anchored,
    /// The newest checkpoint that witnesses have cosigned, if one is kept: it leaves in the place of ours if it is the same with
    /// more lines.
    pub cosigned: Option<&'a str>,
    /// The folder; made if it is missing.
    pub out: &'a Path,
    /// Called after each file with files done and files in all.
    pub progress: &'a dyn Fn(u64, u64),
}

/// What an export did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Entries under the checkpoint.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// Entries under the checkpoint that was there before.
    pub previous: Option<u64>,
    /// Tiles and bundles that were written.
    pub written: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Tiles and bundles that were there already.
    pub found: u64,
}

/// Why nothing was published. Whatever the reason, no file that was there has changed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger itself would not open, or a row of it is wrong.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// A log without entries has no checkpoint.
    #[error("the ledger has no entry yet, so there is no checkpoint to export")]
    Empty,
    /// What is in the folder contradicts this ledger.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another export writes into the folder.
    #[error("another export is writing into {}", .0.display())]
    Busy(PathBuf),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskFault),
}

impl From<Fault> for ExportError {
    fn from(fault: Fault) -> Self {
        Self::Ledger(fault.into())
    }
}

/// What stands in the folder and cannot stand beside this ledger: evidence, which is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a checkpoint at all.
    #[error("{} is no checkpoint; nothing was written", path.display())]
    NoCheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// Another log's.
    #[error("{} belongs to the log {found}, and this is {ours}; nothing was written", path.display())]
    Origin {
        /// The file.
        path: PathBuf,
        /// Origin in the folder.
        found: String,
        /// Our origin.
        ours: String,
    },
    /// It names this log, which did not sign it.
    #[error(
        "{} (size {size}) names this log and does not bear its signature: somebody forged it, or the log's key was \
         exchanged; nothing was written",
        path.display()
    )]
    Signature {
        /// The file.
        path: PathBuf,
        /// The size that it states.
        size: u64,
    },
    /// More was published than this ledger has.
    #[error(
        "{} is signed by this log and has {found} entries, and the ledger has {ours}: an older state of it was put \
         back; keep the folder, it is the proof; nothing was written",
        path.display()
    )]
    Larger {
        /// The file.
        path: PathBuf,
        /// Entries under it.
        found: u64,
        /// Entries of the ledger.
        ours: u64,
    },
    /// Two histories under one key.
    #[error(
        "{} is signed by this log and has root {} at size {size}, where the ledger has {}: a fork; keep both, they are \
         the proof; nothing was written",
        path.display(), hex::encode(found), hex::encode(ours)
    )]
    Fork {
        /// The file.
        path: PathBuf,
        /// The size that it states.
        size: u64,
        /// Its root.
        found: Hash,
        /// The ledger's root at that size.
        ours: Hash,
    },
    /// A tile or bundle with other bytes than ours.
    #[error(
        "{} differs from the ledger at byte {at}, and the ledger's bytes lead to its signed root; it was not \
         overwritten: find out who changed it, then move it away and export again",
        path.display()
    )]
    Differs {
        /// The file.
        path: PathBuf,
        /// The first byte that differs, counted from 0.
        at: usize,
    },
}

impl Export<'_> {
    /// Writes what is not there yet, and then the checkpoint.
    ///
    /// # Errors
    /// [`ExportError`]; the folder still holds what it held, with perhaps some tiles more.
    pub fn run(&self) -> Result<Exported, ExportError> {
        self.run_with(FILES_AT_ONCE)
    }

    fn run_with(&self, files_at_once: usize) -> Result<Exported, ExportError> {
        // Reading only, so that a ledger that cannot be exported leaves no folder behind.
        check_owner(self.store, self.identity)?;
        let head = self.head()?;
        let edge = signed_edge(self.store, &head, self.identity, self.verifier)?;
        let tree = Tree::new(self.store, edge);

        let mut folder = Folder::open(self.out, files_at_once)?;
        let previous = match folder.checkpoint()? {
            Some(note) => Some(self.previous(&folder.path(CHECKPOINT), &note, &tree)?),
            None => None,
        };
        // 1.
        self.resources(&tree, &mut folder)?;
        // 2. and 3. One of the same size stays as it is: it may carry cosignatures that ours does not.
        let note = self.signed(&head);
        let written = folder.publish((previous != Some(head.size)).then_some(note.as_str()))?;
        let (size, root) = (head.size, head.root);
        Ok(Exported {
            size,
            root,
            previous,
            written: written.files,
            written_bytes: written.bytes,
            found: written.found,
        })
    }

    /// The group whose checkpoint is anchored, by the rule of opening: the anchored checkpoint is a prefix of the store.
    fn head(&self) -> Result<GroupHead, ExportError> {
        if self.anchored.origin_hash != sha256(self.identity.origin().as_bytes()) {
            return Err(OpenError::AnchorOrigin.into());
        }
        let size = self.anchored.size;
        let newest = newest_head(self.store)?.map_or(0, |head| head.size);
        if newest < size {
            return Err(OpenError::RolledBack { store: newest, anchor: size }.into());
        }
        if size == 0 {
            return Err(ExportError::Empty);
        }
        let key = keys::number(size);
        let head = read(self.store, Table::Group, &key)?.map(|row| parse_head(&key, &row)).transpose()?;
        head.filter(|head| head.root == self.anchored.root).ok_or(OpenError::Forked { size }.into())
    }

    /// The checkpoint of this group, with cosignatures where there are some.
    fn signed(&self, head: &GroupHead) -> String {
        let own = head.note(self.identity);
        let same = |note: &&str| {
            Note::parse(note).is_ok_and(|note| note.text == own.text)
                && Checkpoint::verify(note, std::slice::from_ref(&self.identity.note_key), self.verifier).is_ok()
        };
        self.cosigned.filter(same).map_or_else(|| own.to_string(), ToOwned::to_owned)
    }

    /// Judges the checkpoint that is in the folder; gives its size.
    fn previous(&self, path: &Path, note: &str, tree: &Tree<'_>) -> Result<u64, ExportError> {
        let path = path.to_owned();
        let read = Note::parse(note).ok().and_then(|note| Checkpoint::parse(&note.text).ok());
        let Some(found) = read else { return Err(Refusal::NoCheckpoint { path }.into()) };
        let ours = self.identity.origin();
        if found.origin != ours {
            return Err(Refusal::Origin { path, found: found.origin, ours: ours.to_owned() }.into());
        }
        let size = found.size;
        if Checkpoint::verify(note, std::slice::from_ref(&self.identity.note_key), self.verifier).is_err() {
            return Err(Refusal::Signature { path, size }.into());
        }
        if size > tree.size() {
            return Err(Refusal::Larger { path, found: size, ours: tree.size() }.into());
        }
        let ours = proof::root(tree, size)?;
        if found.root != ours {
            return Err(Refusal::Fork { path, size, found: found.root, ours }.into());
        }
        Ok(size)
    }

    /// Every tile and bundle of the tree.
    fn resources(&self, tree: &Tree<'_>, folder: &mut Folder) -> Result<(), ExportError> {
        let size = tree.size();
        let tiles = |level| level_width(size, level).div_ceil(TILE_WIDTH);
        let levels = (0..).take_while(|level| tiles(*level) > 0);
        let total = levels.clone().map(tiles).sum::<u64>() + tiles(0); // a bundle for each tile of level 0
        let mut done = 0;
        let mut put = |folder: &mut Folder, resource: Resource, bytes: &[u8]| {
            folder.put(&format!("tile/{resource}"), bytes)?;
            done += 1;
            (self.progress)(done, total);
            Ok::<_, ExportError>(())
        };
        for level in levels {
            for index in 0..tiles(level) {
                let id = TileId { level, index };
                let width = tile_width(size, id) as usize; // at most 256
                put(folder, Resource::Tile { id, width }, &tree.hashes(id)?)?;
                if level == 0 {
                    put(folder, Resource::Entries { index, width }, &tree.entries(index)?)?;
                }
            }
        }
        Ok(())
    }
}
