//! Servers in another time than ours.

use std::fs;
use std::path::PathBuf;

use crate::server::{Data, Server};

/// Realtime as the tests set it for the servers that they start (libfaketime); monotonic time runs on.
pub struct Realtime {
    library: String,
    folder: tempfile::TempDir,
}

impl Default for Realtime {
    fn default() -> Self {
        Self::new()
    }
}

impl Realtime {
    /// The true time, until it is set.
    ///
    /// # Panics
    /// libfaketime is not there.
    #[must_use]
    pub fn new() -> Self {
        let folders = fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
        let library = folders
            .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
            .find(|path| path.exists())
            .and_then(|path| path.to_str().map(str::to_owned));
        let library = library.expect("libfaketime is missing: run ops/setup.sh");
        let realtime = Self { library, folder: tempfile::tempdir().expect("a temporary folder") };
        realtime.set("+0");
        realtime
    }

    fn offset_file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    /// Moves realtime to this many seconds from the true one. In one step: a reader never finds the file empty.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn set(&self, offset: &str) {
        let next = self.folder.path().join("next");
        fs::write(&next, offset).expect("the offset");
        fs::rename(&next, self.offset_file()).expect("one file system");
    }

    /// Starts a server in this time.
    ///
    /// # Panics
    /// It does not become ready.
    #[must_use]
    pub fn start(&self, data: &Data) -> Server {
        self.start_with(data, &[])
    }

    /// The same with more in its environment.
    ///
    /// # Panics
    /// It does not become ready.
    #[must_use]
    pub fn start_with(&self, data: &Data, more: &[(&str, &str)]) -> Server {
        let offset = self.offset_file();
        let environment = [
            ("LD_PRELOAD", self.library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", offset.to_str().expect("a path in UTF-8")),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        Server::start(data.path(), &[], &[&environment[..], more].concat())
    }
}
