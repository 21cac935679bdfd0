//! The storage of a server: the usual way with its anchor, or of a folder that is marked read-only; and copies of it.

use std::sync::Arc;

use semper_api::backup::Checkpoints;
use semper_ledger::anchor::file::FileAnchor;
use semper_ledger::ledger;
use semper_ledger::policy::Policy;
use semper_ledger::store::rocks::RocksStore;
use semper_ttp::crypto::{LogVerifier, OsEntropy};

use super::outside;
use crate::commands::running::Failed;
use crate::config::Config;
use crate::data::{CHECKPOINTS, Custody, DataError, DataFolder, Loaded, Opened, ReadOnly, StoreLock, rocks_settings};

/// Keys, certificates and the store.
pub(super) struct Storage {
    pub(super) opened: Opened,
    pub(super) store: Arc<RocksStore>,
    pub(super) guard: Guard,
}

/// What keeps others away from the store.
pub(super) enum Guard {
    /// The anchor, with RocksDB's own lock.
    Anchor(Arc<FileAnchor>),
    /// The lock alone: the store is open for reading, and its anchor is not asked.
    Lock(StoreLock),
}

/// The usual way: everything is judged, by the witnesses too, before a byte changes.
pub(super) fn open(
    folder: &DataFolder,
    config: &Config,
    custody: &Custody,
    policy: Option<&Policy>,
) -> Result<Storage, DataError> {
    let loaded =
        folder.load_judged(config, custody, |reader| outside::ask(folder, policy, &config.witnesses, reader))?;
    let Loaded {
        identity,
        log_keys,
        authorities,
        responders,
        units,
        https,
        notices,
        notary,
        arbiter,
        key_wrap,
        store,
        anchor,
    } = loaded;
    Ok(Storage {
        opened: Opened {
            identity,
            log_keys,
            authorities,
            responders,
            units,
            https,
            notices,
            notary,
            arbiter,
            key_wrap,
        },
        store,
        guard: Guard::Anchor(anchor),
    })
}

/// A folder that is marked read-only: not a byte of the store changes, and it must be the one that was marked.
pub(super) fn open_frozen(
    folder: &DataFolder,
    config: &Config,
    custody: &Custody,
    mark: &ReadOnly,
) -> Result<Storage, DataError> {
    let opened = folder.open_keys(config, custody)?;
    let path = folder.path("store");
    let lock = StoreLock::take(&path)?;
    let store = Arc::new(RocksStore::open_read_only(&path, &rocks_settings(&config.ledger))?);
    let reader = ledger::judge(store.clone(), opened.log_keys.identity(), &LogVerifier)?;
    mark.check(&path, &reader)?;
    Ok(Storage { opened, store, guard: Guard::Lock(lock) })
}

/// Where copies of the store are made for backups. What a server left that did not end by itself is removed, unless a backup
/// that has begun before this start still reads it.
pub(super) fn checkpoints(folder: &DataFolder, store: Arc<RocksStore>) -> Result<Checkpoints, Failed> {
    let backups = folder.lock_backups()?;
    let copy = Box::new(move |path: &std::path::Path| store.checkpoint(path).map_err(|fault| fault.to_string()));
    let path = folder.path(CHECKPOINTS);
    Checkpoints::new(path.clone(), backups.is_some(), Arc::new(OsEntropy), copy)
        .map_err(|error| Failed::fault(&format!("cannot remove {}: {error}", path.display())))
}
