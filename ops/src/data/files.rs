//! Files that must be there after a power cut: nothing is overwritten, everything is synced.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::DataError;

fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> DataError + 'a {
    move |error| DataError::Io { action, path: path.to_owned(), error }
}

/// Reads a whole file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    fs::read(path).map_err(io("read", path))
}

/// Makes a folder with these permission bits; it must not exist.
///
/// # Errors
/// [`DataError::Io`].
pub(crate) fn make_folder(path: &Path, mode: u32) -> Result<(), DataError> {
    DirBuilder::new().mode(mode).create(path).map_err(io("make", path))
}

/// Writes a file that must not exist, with these permission bits from its first moment on, and syncs it. Its name is
/// durable after [`sync_folder`].
///
/// # Errors
/// [`DataError::Io`].
pub(crate) fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), DataError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io("write", path))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// [`DataError::Io`].
pub(crate) fn sync_folder(path: &Path) -> Result<(), DataError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(io("sync", path))
}

/// Writes a file with these permission bits, over what is there: whoever sees the name sees all of the old or all of the new,
/// also after a power cut.
///
/// # Errors
/// [`DataError::Io`].
pub(crate) fn replace(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), DataError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".new");
    let part = Path::new(&part);
    // What a crash left; nobody else writes it.
    remove(part)?;
    write_new(part, mode, bytes)?;
    fs::rename(part, path).map_err(io("rename to", path))?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Removes a file that may be there.
///
/// # Errors
/// [`DataError::Io`].
pub(crate) fn remove(path: &Path) -> Result<(), DataError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(io("remove", path)),
    }
}
