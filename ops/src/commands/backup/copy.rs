//! A copy of the store at one moment: by the server that has it open, or, where none runs, by this process.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use semper_api::backup::{Checkpoint, look_at_copy, make_copy, remove_copy};
use semper_api::client::{Client, ClientError};
use semper_ledger::anchor::Anchor as _;
use semper_ledger::ledger;
use semper_ledger::reader::Reader;
use semper_ledger::receipt::LogIdentity;
use semper_ledger::store::rocks::{OpenError, RocksStore};
use semper_ttp::crypto::LogVerifier;

use crate::clock::wall_ms;
use crate::commands::remote::{Remote, exit_of};
use crate::commands::running::Failed;
use crate::config::Config;
use crate::data::{CHECKPOINTS, DataError, DataFolder, StoreLock, rocks_settings};
use crate::exit::Exit;

/// How long the log may take to publish what a copy holds. A group takes milliseconds.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(30);

/// A copy; dropping it removes it.
pub(super) struct Copy {
    pub(super) path: PathBuf,
    /// When it was made, ms since 1970.
    pub(super) made_ms: u64,
    /// Entries that the anchor knew, where no server sees to it that it knows all.
    pub(super) anchored: Option<u64>,
    maker: Maker,
}

enum Maker {
    /// The server, at its admin listener.
    Server { remote: Box<Remote>, id: String },
    /// This process; no server ran.
    Us,
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What stays for some reason goes when the server starts, or when the next backup asks.
        match &self.maker {
            Maker::Server { remote, id } => drop(remote.call(async |client| remove_copy(client, id).await)),
            Maker::Us => drop(fs::remove_dir_all(&self.path)),
        }
    }
}

impl Copy {
    /// Makes one. The caller has the lock of backups, so a copy that is there is nobody's any more.
    ///
    /// # Errors
    /// Nobody can make one.
    pub(super) fn make(folder: &DataFolder, config: &Config, admin: Option<SocketAddr>) -> Result<Self, Failed> {
        match StoreLock::take(&folder.path("store")) {
            Ok(lock) => {
                drop(lock); // it is taken anew below, by whoever opens the store
                Self::ours(folder, config)
            }
            Err(DataError::Store(OpenError::Locked(_))) => Self::of_server(admin.unwrap_or(config.listen.admin)),
            Err(error) => Err(error.into()),
        }
    }

    /// A server has the store open, and goes first.
    pub(super) fn is_of_server(&self) -> bool {
        matches!(self.maker, Maker::Server { .. })
    }

    fn ours(folder: &DataFolder, config: &Config) -> Result<Self, Failed> {
        // Judged by the anchor before it is opened, as at every start.
        let opened = folder.open_storage(&config.ledger, &folder.log_identity()?, |_| Ok(()));
        let (store, anchor) = opened.map_err(|error| match error {
            // Whether this is the newest state, nobody knows without it.
            DataError::AnchorLost(_) => Failed(Exit::Undecided, error.to_string()),
            error => error.into(),
        })?;
        let copies = folder.path(CHECKPOINTS);
        let failed = |error: &dyn std::fmt::Display| Failed::fault(&format!("{}: {error}", copies.display()));
        match fs::remove_dir_all(&copies) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&error)),
            _ => {}
        }
        fs::create_dir_all(&copies).map_err(|error| failed(&error))?;
        let anchored = anchor.load().map_err(DataError::from)?.map(|anchored| anchored.size);
        let copy = Self { path: copies.join("own"), made_ms: wall_ms(), anchored, maker: Maker::Us };
        store.checkpoint(&copy.path).map_err(|error| failed(&error))?;
        Ok(copy)
    }

    fn of_server(admin: SocketAddr) -> Result<Self, Failed> {
        let refused = |error: &ClientError| {
            // What is at that address may be anything.
            let (exit, error) = match error {
                ClientError::NotFound { .. } => (Exit::Unreachable, "what listens there knows no backups".to_owned()),
                error => (exit_of(error), error.to_string()),
            };
            let why = format!(
                "a server has the store open, and its admin listener at {admin} made no copy of it: {error}. Is --admin, or \
                 listen.admin of these settings, where it listens?"
            );
            Failed(exit, why)
        };
        let remote =
            Remote::new(&format!("http://{admin}")).map_err(|error| Failed(error.exit(), error.to_string()))?;
        let mut made = remote.call(async |client: &Client| make_copy(client).await);
        if let Err(ClientError::Status { status: 409, .. }) = &made {
            made = remote.call(async |client: &Client| {
                let left = look_at_copy(client).await?;
                remove_copy(client, &left.id).await?;
                make_copy(client).await
            });
        }
        let Checkpoint { id, path, time_ms, .. } = made.map_err(|error| refused(&error))?;
        Ok(Self { path, made_ms: time_ms, anchored: None, maker: Maker::Server { remote: Box::new(remote), id } })
    }

    /// Opens the copy for reading, judges it, and waits until all that it holds was published.
    ///
    /// # Errors
    /// It is no ledger of ours, or not sound.
    pub(super) fn judge(&self, config: &Config, identity: &LogIdentity) -> Result<Reader, Failed> {
        let store = RocksStore::open_read_only(&self.path, &rocks_settings(&config.ledger)).map_err(DataError::from)?;
        let reader = ledger::judge(Arc::new(store), identity, &LogVerifier).map_err(|error| {
            Failed(Exit::Falsified, format!("the store is not sound, so nothing was backed up: {error}"))
        })?;
        let Maker::Server { remote, .. } = &self.maker else { return Ok(reader) };
        let begun = Instant::now();
        loop {
            let looked = remote.call(async |client: &Client| look_at_copy(client).await);
            let looked = looked.map_err(|error| Failed(exit_of(&error), format!("the server went away: {error}")))?;
            if looked.published >= reader.size() {
                return Ok(reader);
            }
            if begun.elapsed() > PUBLISHED_WITHIN {
                let why = "the server does not publish what its store holds: see its log".to_owned();
                return Err(Failed(Exit::Busy, why));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The files of a copy that make a store: not the database's own log, nor its lock.
pub(super) fn is_store_file(name: &str) -> bool {
    !(name == "LOCK" || name == "LOG" || name.starts_with("LOG.old"))
}

/// The plain files in a folder, by name; none where there is no folder.
pub(super) fn files_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
