//! The anchors at hand: the one that was named, and the one where the settings have it.
//!
//! They are compared, and the largest counts: one of them may be a leftover, and nothing but its size says which. (Two that
//! contradict each other are a fork, which [`super::known::judge`] finds.) The restored folder goes on with the largest; all others
//! are retired, so that no second folder starts.

use std::cmp::Reverse;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use semper_ledger::anchor::Anchor as _;
use semper_ledger::anchor::file::FileAnchor;
use semper_ledger::merkle::{Hash, sha256};

use super::make::part_for;
use crate::cli;
use crate::commands::backup::Manifest;
use crate::commands::running::Failed;
use crate::config::Config;
use crate::data::{
    DataError, DataFolder, Retired, TakenOver, before_retired, folder_of, is_retired, resolved, retire, retired_beside,
    sync_folder, write_new,
};
use crate::exit::Exit;

/// An anchor that is at hand, locked: no server runs on the ledger while it is restored.
pub(in crate::commands) struct AtHand {
    /// Its own name, not that of a link to it.
    pub(super) path: PathBuf,
    pub(super) anchor: FileAnchor,
    size: u64,
}

/// Those that are at hand, the largest first.
pub(super) struct Anchors(Vec<AtHand>);

impl Anchors {
    /// The anchor that was named and the one where the settings have it; none if a new one is to be made.
    ///
    /// # Errors
    /// There is none and none was asked for; there is one and a new one was asked for; one is another ledger's, or was taken over
    /// by another folder; a server has it.
    pub(super) fn find(args: &cli::Restore, config: &Config, origin: &str) -> Result<Self, Failed> {
        let of_settings = config.ledger.anchor_path.as_deref().map(|path| match resolved(path).canonicalize() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => found.map(Some).map_err(|error| Failed::usage(&format!("the anchor {}: {error}", path.display()))),
        });
        let of_settings = of_settings.transpose()?.flatten();
        if args.new_anchor {
            return match of_settings {
                Some(path) => Err(Failed(
                    Exit::Falsified,
                    format!(
                        "there is an anchor at {}, so it is not lost, and it may know more than the witnesses: restore without \
                         --new-anchor. (If an earlier restore was killed just when it had made that one, the folder that it left says \
                         INCOMPLETE: delete both.)",
                        path.display()
                    ),
                )),
                None => Ok(Self(Vec::new())),
            };
        }
        let named = args.anchor.as_deref().map(locate).transpose()?;
        // Equally large: the one that is in its place already.
        let mut paths: Vec<PathBuf> = of_settings.into_iter().chain(named).collect();
        paths.dedup();
        let mut found = paths.into_iter().map(|path| open(path, origin)).collect::<Result<Vec<_>, _>>()?;
        found.sort_by_key(|at_hand| Reverse(at_hand.size));
        if found.is_empty() {
            let why = "there is no anchor at hand, so nobody here knows whether this backup is the newest state. Name it with --anchor \
                       (on the same machine it lies in the old data folder, or where ledger.anchor_path has it); if it is lost, ask \
                       the witnesses and make a new one: --new-anchor";
            return Err(Failed(Exit::Undecided, why.to_owned()));
        }
        Ok(Self(found))
    }

    /// All of them.
    pub(super) fn all(&self) -> &[AtHand] {
        &self.0
    }

    /// The one that the restored folder goes on with.
    pub(super) fn largest(&self) -> Option<&AtHand> {
        self.0.first()
    }

    /// Refuses what cannot be the service's anchor.
    ///
    /// # Errors
    /// The largest knows less than the service's own did when this backup was made, so it is an old copy.
    pub(super) fn refuse_older_than(&self, backup: &Manifest) -> Result<(), Failed> {
        let anchored = backup.anchored.unwrap_or(backup.size);
        match self.largest().filter(|largest| largest.size < anchored) {
            Some(AtHand { path, size, .. }) => Err(Failed(
                Exit::Falsified,
                format!(
                    "the anchor at {} is an old copy: it knows {size} entries, and the service's own knew {anchored} when this backup \
                     was made, and may know more since. Name the service's own; if that is lost, ask the witnesses and make a new one: \
                     --new-anchor",
                    path.display()
                ),
            )),
            None => Ok(()),
        }
    }

    /// Brings the largest to where the settings have it, both slots as they are, and retires it at its old place, and the others.
    ///
    /// A crash leaves at `to` the whole anchor or none, never a smaller one: a rerun that is not told of the others goes on with
    /// the right one, or is refused.
    ///
    /// # Errors
    /// Another file is there, or the disk.
    pub(super) fn take_over(&self, to: &Path, by: &Path) -> Result<Vec<Retired>, Failed> {
        let Some((largest, others)) = self.0.split_first() else { return Ok(Vec::new()) };
        let to = to.canonicalize().unwrap_or_else(|_| to.to_owned());
        let by = by.canonicalize().unwrap_or_else(|_| by.to_owned());
        let mut retired = others.iter().map(|other| retire(&other.path, &by)).collect::<Result<Vec<_>, DataError>>()?;
        if largest.path != to {
            let part = largest.write_beside(&to)?;
            retired.push(retire(&largest.path, &by)?);
            rename(&part, &to)?;
        }
        Ok(retired)
    }

    /// Puts a copy of the largest into a folder that is for reading only: should the mark get lost, the anchor refuses the start.
    ///
    /// # Errors
    /// Another file is there, or the disk.
    pub(super) fn copy(&self, to: &Path) -> Result<(), Failed> {
        match self.largest() {
            Some(largest) => rename(&largest.write_beside(to)?, to),
            None => Ok(()),
        }
    }
}

impl AtHand {
    /// The same bytes beside `to`, under the name that they have until they are whole.
    fn write_beside(&self, to: &Path) -> Result<PathBuf, Failed> {
        if to.exists() {
            let why = format!("there is a file {} already, where the anchor is to be", to.display());
            return Err(Failed(Exit::Usage, why));
        }
        let read = |error| DataError::Io { action: "read", path: self.path.clone(), error };
        let bytes = fs::read(&self.path).map_err(read)?;
        let part = part_for(to)?;
        write_new(&part, 0o600, &bytes)?;
        Ok(part)
    }
}

fn rename(part: &Path, to: &Path) -> Result<(), Failed> {
    fs::rename(part, to).map_err(|error| DataError::Io { action: "rename to", path: to.to_owned(), error })?;
    Ok(sync_folder(folder_of(to))?)
}

/// Whether the folder is there in which an anchor is to be.
///
/// # Errors
/// It is missing, and with it perhaps a volume on which an anchor lies.
pub(in crate::commands) fn volume_of(anchor: &Path) -> Result<(), Failed> {
    let folder = folder_of(anchor);
    match folder.is_dir() {
        true => Ok(()),
        false => {
            let why =
                format!("there is no folder {}, where the anchor is to be: is its volume mounted?", folder.display());
            Err(Failed(Exit::Undecided, why))
        }
    }
}

/// The file itself that was named with `--anchor`, under its retired name where a restore was killed after it gave it that.
///
/// # Errors
/// There is none.
fn locate(path: &Path) -> Result<PathBuf, Failed> {
    let path = &resolved(path);
    let found = match path.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let none = || Failed::usage(&format!("--anchor: there is no file {}", path.display()));
            let retired = retired_beside(path).ok_or_else(none)?;
            retired.canonicalize()
        }
        found => found,
    };
    found.map_err(|error| Failed::usage(&format!("--anchor {}: {error}", path.display())))
}

/// Refuses an anchor that grows old while another goes on.
///
/// # Errors
/// A folder that may have gone on took it over; it is the copy in a folder that is for reading only.
fn refuse_stale(found: &Path) -> Result<(), Failed> {
    let around = DataFolder::at(folder_of(found));
    if around.read_only()?.is_some() {
        return Err(Failed::usage(&format!(
            "--anchor: {} is a copy, which was made for a folder that is for reading only. It grows old while the service goes \
             on: name the service's own",
            found.display()
        )));
    }
    if !is_retired(found) {
        return Ok(());
    }
    let (name, old) = (found.display(), before_retired(found));
    let unlock = format!(
        "Only if that folder is gone and never served, this one may be used: give it its old name, {}, and name that",
        old.display()
    );
    match TakenOver::of(found) {
        Some(taken) if !taken.is_service() => Ok(()),
        Some(taken) => Err(Failed::usage(&format!(
            "--anchor: {name} is stale: semper restore took it over for the folder {}, which is the service now. Its \
             anchor knows what was answered since; going on from this one, too, would fork the log. Name the anchor of that folder; if \
             both are lost, --new-anchor asks the witnesses. {unlock}",
            taken.folder.display()
        ))),
        None => Err(Failed::usage(&format!(
            "--anchor: {name} was taken over for another folder, and the file {name}.txt, which says for which, is missing: that \
             folder may have gone on, and its anchor counts then. {unlock}"
        ))),
    }
}

/// Opens and locks an anchor of this ledger. Whether it holds anything, and agrees with the backup, is judged with the store.
fn open(path: PathBuf, origin: &str) -> Result<AtHand, Failed> {
    let anchor = FileAnchor::open(&path).map_err(DataError::from)?;
    // Under its lock: a restore that took it over held that to its end.
    refuse_stale(&path)?;
    let found = anchor.load().map_err(DataError::from)?;
    if let Some(other) = found.as_ref().filter(|found| found.origin_hash != sha256(origin.as_bytes())) {
        return Err(Failed(Exit::Falsified, of_another(&path, &other.origin_hash, origin)));
    }
    let size = found.map_or(0, |found| found.size);
    Ok(AtHand { path, anchor, size })
}

/// That an anchor is another ledger's than `origin`. It holds only the digest of its origin; the data folder around it, if there
/// is one, says the name.
pub(in crate::commands) fn of_another(path: &Path, its_hash: &Hash, origin: &str) -> String {
    let around = DataFolder::at(folder_of(path)).identity().ok().map(|identity| identity.origin);
    let digest = || format!("the one whose origin has the SHA-256 {}", hex::encode(its_hash));
    let its = around.filter(|name| sha256(name.as_bytes()) == *its_hash).unwrap_or_else(digest);
    format!("the anchor at {} is that of another ledger: of {its}, and this one is {origin}", path.display())
}
