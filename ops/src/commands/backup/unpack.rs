//! A backup's files, out of the place into a folder: each decrypted and compared with the manifest.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use semper_ttp::crypto::Passphrase;
use semper_ttp::crypto::age::{Identity, parse_identities};
use semper_ttp::digest::Digest;

use super::manifest::{self, Content, FOLDERS, Manifest};
use super::place::{Place, PlaceFault};
use super::sealed::{self, SealFault, Sum};
use super::take::of_place;
use crate::commands::running::Failed;
use crate::data::{make_folder, sync_folder, write_new};
use crate::exit::Exit;
use crate::progress::Progress;

/// A backup that can be read.
pub(in crate::commands) struct Backup {
    place: Place,
    identities: Vec<Identity>,
    read: manifest::Read,
}

/// A backup that is not what was backed up.
fn wrong(what: &dyn std::fmt::Display) -> Failed {
    Failed(Exit::Falsified, what.to_string())
}

impl Backup {
    /// Reads the manifest of the backup `id`, or of the newest one.
    ///
    /// # Errors
    /// The place, the identity or the manifest.
    pub(in crate::commands) fn open(from: &Path, identity: &Path, id: Option<&str>) -> Result<Self, Failed> {
        let named = |why: &dyn std::fmt::Display| Failed::usage(&format!("--identity {}: {why}", identity.display()));
        let text = zeroize::Zeroizing::new(fs::read_to_string(identity).map_err(|error| named(&error))?);
        let identities = parse_identities(&text).map_err(|fault| named(&fault))?;
        let place = Place::read(from).map_err(of_place)?;
        let id = place.choose(id).map_err(of_place)?;
        let bytes = place.manifest(&id, &identities).map_err(of_reading)?;
        let read = Manifest::decode(&bytes).map_err(|fault| wrong(&format!("backup {id}: {fault}")))?;
        if read.manifest.id != id {
            let what = format!("the backup {id} calls itself {}: somebody renamed it", read.manifest.id);
            return Err(wrong(&what));
        }
        Ok(Self { place, identities, read })
    }

    /// What it consists of.
    pub(in crate::commands) fn manifest(&self) -> &Manifest {
        &self.read.manifest
    }

    /// Refuses a manifest that no holder of the passphrase made.
    ///
    /// # Errors
    /// It is not sealed by it.
    pub(in crate::commands) fn check_seal(&self, passphrase: &Passphrase) -> Result<(), Failed> {
        match self.read.is_sealed_by(passphrase) {
            Ok(true) => Ok(()),
            Ok(false) => Err(wrong(&format!(
                "the manifest of backup {} is not sealed by this passphrase: it is another one than the service had then, or \
                 this backup was not made by the service",
                self.manifest().id
            ))),
            Err(fault) => Err(Failed::fault(&fault)),
        }
    }

    /// The bytes of a small file that lies in the manifest itself.
    ///
    /// # Errors
    /// They are not what the manifest says.
    pub(in crate::commands) fn small(&self, path: &str) -> Result<Option<Vec<u8>>, Failed> {
        let file = self.manifest().files.iter().find(|file| file.path == path);
        match file.map(|file| (file, &file.content)) {
            Some((file, Content::Inline(text))) => inline(file, text).map(Some),
            Some((_, Content::Stored(_))) | None => Ok(None),
        }
    }

    /// Writes every file into `folder`, which is empty but for marks, synced. A file that is not what it was ends it.
    ///
    /// # Errors
    /// A file, or the disk.
    pub(in crate::commands) fn unpack(&self, folder: &Path, progress: &Progress) -> Result<(), Failed> {
        for (name, mode) in FOLDERS {
            make_folder(&folder.join(name), mode)?;
        }
        progress.set_total(self.manifest().files.len() as u64);
        for file in &self.manifest().files {
            let path = folder.join(&file.path);
            // Never more than what the data folder had, nor what runs.
            let mode = file.mode & 0o644;
            match &file.content {
                Content::Inline(text) => write_new(&path, mode, &inline(file, text)?)?,
                Content::Stored(_) => self.unpack_stored(file, &path, mode)?,
            }
            progress.add(1);
        }
        for (name, _) in FOLDERS {
            sync_folder(&folder.join(name))?;
        }
        Ok(sync_folder(folder)?)
    }

    fn unpack_stored(&self, file: &manifest::File, path: &Path, mode: u32) -> Result<(), Failed> {
        let Content::Stored(stored) = &file.content else { return Ok(()) };
        let from = self.place.file(stored);
        let source = fs::File::open(&from).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                wrong(&format!("{} is missing, and {} is in it", from.display(), file.path))
            }
            _ => Failed::fault(&format!("cannot read {}: {error}", from.display())),
        })?;
        let failed = |error: std::io::Error| Failed::fault(&format!("cannot write {}: {error}", path.display()));
        let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
        let (plain, sealed) = sealed::open(source, &mut out, &self.identities).map_err(|fault| match fault {
            SealFault::Io(error) => Failed::fault(&format!("{}: {error}", from.display())),
            SealFault::Age(fault) => wrong(&format!("{}, which holds {}: {fault}", from.display(), file.path)),
        })?;
        let (stated, kept) = (Sum { bytes: file.bytes, sha256: file.sha256.clone() }, (stored.bytes, &stored.name));
        if plain != stated || (sealed.bytes, &sealed.sha256) != kept {
            return Err(wrong(&format!("{} does not hold {} as it was backed up", from.display(), file.path)));
        }
        out.set_permissions(fs::Permissions::from_mode(mode)).and_then(|()| out.sync_all()).map_err(failed)
    }
}

fn inline(file: &manifest::File, text: &str) -> Result<Vec<u8>, Failed> {
    let bytes = STANDARD.decode(text).ok();
    let bytes = bytes.filter(|bytes| hex::encode(Digest::of(bytes).as_bytes()) == file.sha256);
    bytes.ok_or_else(|| wrong(&format!("the manifest does not hold {} as it was backed up", file.path)))
}

/// As [`of_place`], where what is read may have been changed by others.
fn of_reading(fault: PlaceFault) -> Failed {
    match fault {
        PlaceFault::Seal { path, fault: SealFault::Age(fault) } => wrong(&format!("{}: {fault}", path.display())),
        other => of_place(other),
    }
}
