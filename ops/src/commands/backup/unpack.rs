//! A backup's files, out of the place into a folder: each decrypted and compared with the manifest.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use semper_ttp::crypto::Passphrase;
use semper_ttp::crypto::age::{AgeFault, Identity, Recipient, parse_identities};
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
    /// Reads the manifest of the backup `id`, or of the newest one: the one that says so in its manifest, since headers can be
    /// written by anybody. With a passphrase its seal is checked, and it must be ours: an older one does not stand in for it.
    ///
    /// # Errors
    /// The place, the identity or the manifest; several logs' backups, or one that may be newer and does not read.
    pub(in crate::commands) fn open(
        from: &Path,
        identity: &Path,
        id: Option<&str>,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, Failed> {
        let named = |why: &dyn std::fmt::Display| Failed::usage(&format!("--identity {}: {why}", identity.display()));
        let text = zeroize::Zeroizing::new(fs::read_to_string(identity).map_err(|error| named(&error))?);
        let identities = parse_identities(&text).map_err(|fault| named(&fault))?;
        let place = Place::read(from).map_err(of_place)?;
        let read = match id {
            Some(id) => read(&place, place.named(id).map_err(of_place)?, &identities)?,
            None => newest(&place, &identities)?,
        };
        let backup = Self { place, identities, read };
        match passphrase.map(|passphrase| backup.check_seal(passphrase)) {
            Some(Err(Failed(exit, why))) if id.is_none() => {
                let why = format!("{why}. By what it says it is the newest one here; another is named with --backup");
                Err(Failed(exit, why))
            }
            Some(Err(refused)) => Err(refused),
            Some(Ok(())) | None => Ok(backup),
        }
    }

    /// To whom it is encrypted, as far as we know: the recipients of the identities.
    pub(in crate::commands) fn recipients(&self) -> Vec<Recipient> {
        self.identities.iter().filter_map(|identity| identity.recipient().ok()).collect()
    }

    /// What it consists of.
    pub(in crate::commands) fn manifest(&self) -> &Manifest {
        &self.read.manifest
    }

    /// Refuses a manifest that no holder of the passphrase made.
    fn check_seal(&self, passphrase: &Passphrase) -> Result<(), Failed> {
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

    /// Whether the header, which the next run and whoever copies the place go by, says what the manifest says.
    pub(in crate::commands) fn has_its_header(&self) -> bool {
        let (manifest, sealed) = (self.manifest(), self.place.is_as_stored(&self.manifest().id));
        let stored = self.place.header(&manifest.id).map(|header| (header.size, header.made_ms, header.stored));
        sealed == Some(true) && stored == Some((manifest.size, manifest.made_ms, manifest.stored()))
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

/// The manifest of one backup.
fn read(place: &Place, id: &str, identities: &[Identity]) -> Result<manifest::Read, Failed> {
    let bytes = place.manifest(id, identities).map_err(|fault| match fault {
        // The line for us in its head may have been changed, and then it looks like one for somebody else.
        PlaceFault::Seal { fault: SealFault::Age(fault @ AgeFault::NotForUs), .. } => match place.is_as_stored(id) {
            Some(true) => Failed::usage(&format!("--identity: backup {id}: {fault}")),
            Some(false) => wrong(&format!("backup {id}: its manifest was changed or cut")),
            None => Failed(Exit::Undecided, format!("backup {id}: {fault}, or its manifest was changed")),
        },
        PlaceFault::Seal { path, fault: SealFault::Age(fault) } => wrong(&format!("{}: {fault}", path.display())),
        other => of_place(other),
    })?;
    let read = Manifest::decode(&bytes).map_err(|fault| wrong(&format!("backup {id}: {fault}")))?;
    match read.manifest.id == id {
        true => Ok(read),
        false => Err(wrong(&format!("the backup {id} calls itself {}: somebody renamed it", read.manifest.id))),
    }
}

/// The newest backup by what the manifests say.
fn newest(place: &Place, identities: &[Identity]) -> Result<manifest::Read, Failed> {
    let (mut newest, mut unread) = (None::<manifest::Read>, Vec::new());
    let mut of_logs = BTreeMap::<String, String>::new();
    let age = |manifest: &Manifest| (manifest.size, manifest.made_ms);
    for id in place.ids().map_err(of_place)? {
        match read(place, &id, identities) {
            Ok(read) => {
                of_logs.insert(read.manifest.origin.clone(), id);
                if newest.as_ref().is_none_or(|newest| age(&newest.manifest) < age(&read.manifest)) {
                    newest = Some(read);
                }
            }
            Err(why) => unread.push((id, why)),
        }
    }
    let Some(newest) = newest else {
        let why = unread.into_iter().next_back().map(|(_, why)| why);
        return Err(why.unwrap_or_else(|| Failed::fault(&"there is no backup")));
    };
    if of_logs.len() > 1 {
        let of_logs: Vec<_> = of_logs.iter().map(|(origin, id)| format!("{id} of {origin}")).collect();
        let why = format!("here are backups of several ledgers ({}): name one with --backup", of_logs.join(", "));
        return Err(Failed::usage(&why));
    }
    // An older one is not taken for the newest because that was damaged, or exchanged for one that nobody can read.
    let older = |id: &str| place.header(id).is_some_and(|header| header.size < newest.manifest.size);
    match unread.into_iter().rfind(|(id, _)| !older(id)) {
        Some((_, Failed(exit, why))) => {
            let id = &newest.manifest.id;
            let why = format!("{why}. It may be the newest; to take the newest that reads, name it: --backup {id}");
            Err(Failed(exit, why))
        }
        None => Ok(newest),
    }
}

fn inline(file: &manifest::File, text: &str) -> Result<Vec<u8>, Failed> {
    let bytes = STANDARD.decode(text).ok();
    let bytes = bytes.filter(|bytes| hex::encode(Digest::of(bytes).as_bytes()) == file.sha256);
    bytes.ok_or_else(|| wrong(&format!("the manifest does not hold {} as it was backed up", file.path)))
}
