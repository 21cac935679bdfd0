//! Private keys on disk: encrypted, and closed to everybody else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use semper_ttp::crypto::{Entropy, Passphrase, SoftKey, open_key_pem, seal_key_pem};
use semper_ttp::evidence::{KeyId, KeyPurpose};

use super::{DataError, DataFolder, files, write_new};

/// Permission bits that a key file may not have: any for group and others.
const OTHERS: u32 = 0o077;

/// Writes a key into its file, encrypted.
///
/// # Errors
/// It exists, or the disk or libcrypto fails.
pub(crate) fn seal_key(
    folder: &DataFolder,
    id: KeyId,
    key: &SoftKey,
    passphrase: &Passphrase,
    entropy: &dyn Entropy,
) -> Result<(), DataError> {
    let pem = seal_key_pem(key, passphrase, entropy).map_err(|fault| DataError::Key { id, fault })?;
    write_new(&folder.key_file(id), 0o600, pem.as_bytes())
}

/// Opens the newest key of a purpose. A file that others may read is refused, always: encrypted as it is, its passphrase
/// can be guessed at leisure by whoever copied it.
///
/// # Errors
/// [`DataError::NoKey`], [`DataError::KeyReadable`], [`DataError::Key`].
pub(crate) fn open_key(
    folder: &DataFolder,
    purpose: KeyPurpose,
    passphrase: &Passphrase,
) -> Result<(KeyId, SoftKey), DataError> {
    let id = newest(folder, purpose)?;
    let pem = read_closed(&folder.key_file(id))?;
    let key = open_key_pem(&String::from_utf8_lossy(&pem), passphrase).map_err(|fault| DataError::Key { id, fault })?;
    Ok((id, key))
}

/// Reads a key file, closed to everybody else.
///
/// # Errors
/// [`DataError::KeyReadable`], [`DataError::Io`].
pub(super) fn read_closed(path: &Path) -> Result<Vec<u8>, DataError> {
    let path = path.to_owned();
    let metadata = fs::metadata(&path).map_err(|error| DataError::Io { action: "read", path: path.clone(), error })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(DataError::KeyReadable { path, mode });
    }
    files::read(&path)
}

/// Whether there is a key of a purpose: folders of earlier versions lack those that came later.
///
/// # Errors
/// The folder of keys does not read.
pub(crate) fn has_key(folder: &DataFolder, purpose: KeyPurpose) -> Result<bool, DataError> {
    match newest(folder, purpose) {
        Ok(_) => Ok(true),
        Err(DataError::NoKey { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The highest generation that has a file.
fn newest(folder: &DataFolder, purpose: KeyPurpose) -> Result<KeyId, DataError> {
    let keys = folder.path("keys");
    let read = |error| DataError::Io { action: "read", path: keys.clone(), error };
    let mut newest: Option<KeyId> = None;
    for file in fs::read_dir(&keys).map_err(read)? {
        let name = file.map_err(read)?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".p8")?.parse::<KeyId>().ok());
        newest = newest.max(id.filter(|id| id.purpose == purpose));
    }
    newest.ok_or(DataError::NoKey { purpose, folder: keys })
}
