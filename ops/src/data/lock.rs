//! RocksDB's own lock on a store, for those who read it without RocksDB's leave.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use semper_ledger::store::rocks::OpenError;

use super::DataError;

/// Held while this value lives, against other processes. The anchor's lock alone does not keep a running server's store
/// from being read: another configuration may name another anchor.
///
/// The lock belongs to the process (POSIX record locks): nobody may hold one while this process has the store open.
#[derive(Debug)]
pub(crate) struct StoreLock {
    _file: Option<File>,
}

impl StoreLock {
    /// Takes the lock of the store in `path`, and changes nothing: where there is no lock file, or no writing to it,
    /// nobody has the store open.
    ///
    /// # Errors
    /// [`OpenError::Locked`] while another process has the store open; [`DataError::Io`].
    pub(crate) fn take(path: &Path) -> Result<Self, DataError> {
        let name = path.join("LOCK");
        let io = |error| DataError::Io { action: "lock", path: name.clone(), error };
        let file = match OpenOptions::new().read(true).write(true).open(&name) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ReadOnlyFilesystem) => {
                return Ok(Self { _file: None });
            }
            Err(error) => return Err(io(error)),
        };
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: Some(file) }),
            Err(Errno::AGAIN | Errno::ACCESS) => Err(OpenError::Locked(path.to_owned()).into()),
            Err(error) => Err(io(error.into())),
        }
    }
}
