//! Files and folders that are there after a power cut, for what is kept outside the store.
//!
//! A file is written under another name, synced and renamed, so a name that exists has all its bytes. The name itself is
//! durable once its folder is synced.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// The disk did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {error}", path.display())]
pub struct DiskFault {
    /// What was tried.
    pub action: &'static str,
    /// Where.
    pub path: PathBuf,
    /// What the system said.
    pub error: io::Error,
}

/// For `map_err`.
pub fn fault<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> DiskFault + 'a {
    move |error| DiskFault { action, path: path.to_owned(), error }
}

/// Makes a folder and those above it, their names durable.
///
/// # Errors
/// [`DiskFault`].
pub fn make_folder(path: &Path) -> Result<(), DiskFault> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(parent)?;
    match fs::create_dir(path) {
        // Somebody else made it meanwhile, and may not have synced its name yet.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made.map_err(fault("make", path))?,
    }
    sync_folder(parent)
}

/// Makes the names in a folder durable.
///
/// # Errors
/// [`DiskFault`].
pub fn sync_folder(path: &Path) -> Result<(), DiskFault> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(fault("sync", path))
}

/// Writes a file, without syncing it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<File, DiskFault> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        Ok(file)
    };
    write().map_err(fault("write", path))
}

/// The file's bytes, one more than `most` where it is longer; `None` where there is none.
///
/// # Errors
/// [`DiskFault`].
pub fn read_at_most(path: &Path, most: usize) -> Result<Option<Vec<u8>>, DiskFault> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(fault("open", path))?,
    };
    let mut bytes = Vec::with_capacity(most.min(1 << 16) + 1);
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(fault("read", path))?;
    Ok(Some(bytes))
}

/// Puts `bytes` in the place of whatever the file holds: after a power cut it holds all of the one or all of the other, and
/// on return the new. One caller at a time for a path.
///
/// # Errors
/// [`DiskFault`]; the file may hold either then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), DiskFault> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    write(&part, bytes)?.sync_all().map_err(fault("sync", &part))?;
    fs::rename(&part, path).map_err(fault("rename to", path))?;
    sync_folder(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        make_folder(&folder).unwrap();
        make_folder(&folder).unwrap();
        let file = folder.join("note");
        for bytes in [&b"first"[..], b"second, longer", b""] {
            replace(&file, bytes).unwrap();
            assert_eq!(read_at_most(&file, 100).unwrap().as_deref(), Some(bytes));
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        replace(&file, b"12345").unwrap();
        assert_eq!(
            read_at_most(&file, 3).unwrap().unwrap(),
            b"1234",
            "one more than asked for tells that it is longer"
        );
        assert_eq!(read_at_most(&folder.join("none"), 3).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_done_names_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        replace(&file, b"x").unwrap();
        let error = make_folder(&file.join("below")).unwrap_err().to_string();
        assert!(error.contains("/file"), "{error}");
        assert!(replace(&dir.path().join("missing/file"), b"x").unwrap_err().to_string().contains("missing"));
    }
}
