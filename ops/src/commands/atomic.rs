//! Writing evidence: whole or not at all, and over what is there only where that is asked for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// How the names of half-written files end; they also begin with a dot. A killed process may leave one behind.
const PART: &str = ".semper-part";

/// Of files that anybody may read whom the umask lets.
const OPEN: u32 = 0o666;

/// Writes `bytes` to `path`: first beside it, synced, then renamed, then the folder synced. Whoever sees `path` sees all
/// of it, also after a power cut. If `path` exists with the same bytes, nothing is done.
///
/// # Errors
/// `AlreadyExists` if `path` exists with other bytes (nothing is changed then), or what the system said.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, OPEN, bytes, |part| put_new(part, path, bytes))
}

fn put_new(part: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match rename_new(part, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::read(path) {
            Ok(found) if found == bytes => Ok(()),
            Ok(_) | Err(_) => Err(error),
        },
        other => other,
    }
}

/// As [`write_new`], for what names people: nobody but the owner can read it.
///
/// # Errors
/// As there.
pub(crate) fn write_new_closed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, 0o600, bytes, |part| put_new(part, path, bytes))
}

/// Whether a new file can be written there, asked before anything is done that it is to tell of.
///
/// # Errors
/// `AlreadyExists`, or there is no such folder.
pub(crate) fn require_new(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if fs::metadata(folder)?.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// The same over what is there: whoever sees `path` sees all of the old or all of the new.
///
/// # Errors
/// What the system said; the old is there then.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, OPEN, bytes, |part| fs::rename(part, path))
}

/// As [`replace`], for what is secret: nobody but the owner can read it.
///
/// # Errors
/// As there.
pub(crate) fn replace_closed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, 0o600, bytes, |part| fs::rename(part, path))
}

fn write_with(path: &Path, mode: u32, bytes: &[u8], put: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut part = std::ffi::OsString::from(".");
    part.push(name);
    part.push(format!(".{}-{}{PART}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    let part = Part(folder.join(part));

    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&part.0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    put(&part.0)?;
    File::open(folder)?.sync_all()
}

/// True for the name of a half-written file.
pub(crate) fn is_part(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(PART)
}

/// Renames; refuses to replace.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems that cannot (some network and FUSE ones): a hard link refuses to replace as well; the part is
        // removed afterwards. Without hard links too, better to fail than to overwrite.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => fs::hard_link(from, to),
        other => Ok(other?),
    }
}

/// Removes the half-written file when it is still there.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // After a rename there is none; otherwise the worst is a leftover that walking skips.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn writes_whole_files_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tst");
        write_new(&path, b"token").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"token");
        assert_eq!(names(folder.path()), ["a.tst"]);
    }

    #[test]
    fn what_names_people_is_closed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.personal.json");
        write_new_closed(&path, b"{}").unwrap();
        replace_closed(&path, b"{ }").unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn never_replaces_but_takes_the_same_bytes_as_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tst");
        fs::write(&path, b"first").unwrap();
        write_new(&path, b"first").unwrap();
        assert_eq!(write_new(&path, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["a.tst"]);

        let taken = folder.path().join("folder");
        fs::create_dir(&taken).unwrap();
        assert!(write_new(&taken, b"x").is_err());
        assert!(taken.is_dir());
    }

    #[test]
    fn replaces_where_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tlog-proof");
        for bytes in [&b"first"[..], b"second"] {
            replace(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(names(folder.path()), ["a.tlog-proof"]);
    }

    #[test]
    fn a_failure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_new(&folder.path().join("missing/a.tst"), b"x").is_err());
        assert!(write_new(Path::new("/"), b"x").is_err());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn parts_are_known_by_name() {
        assert!(is_part(".contract.pdf.tst.12-0.semper-part"));
        for name in ["contract.pdf", ".hidden", "x.semper-part"] {
            assert!(!is_part(name), "{name}");
        }
    }

    /// Of many that write different bytes to one name, one wins and its bytes stay.
    #[test]
    fn one_of_many_writers_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tst");
        let won: Vec<u8> = std::thread::scope(|scope| {
            let path = &path;
            let threads: Vec<_> = (0..8_u8).map(|i| scope.spawn(move || write_new(path, &[i; 100]).is_ok())).collect();
            (0..8_u8).zip(threads).filter_map(|(i, thread)| thread.join().unwrap().then_some(i)).collect()
        });
        let [winner] = won[..] else { panic!("{won:?}") };
        assert_eq!(fs::read(&path).unwrap(), [winner; 100]);
        assert_eq!(names(folder.path()), ["a.tst"]);
    }
}
