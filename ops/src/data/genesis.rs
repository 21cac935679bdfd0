//! What the service promised at its beginning and keeps, whatever the settings say: read from entry 0 of its ledger.

use semper_ledger::store::{Fault, Read, Table, keys, read};
use semper_ttp::evidence::{Genesis, NotGenesis};

use super::DataError;
use crate::config::Config;

/// Why genesis cannot be had from a store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GenesisFault {
    /// The row does not read.
    #[error("genesis, entry 0 of the ledger: {0}")]
    Fault(#[from] Fault),
    /// There is no row.
    #[error("genesis is missing: entry 0 of the ledger has no artefact; run semper fsck")]
    Missing,
    /// The row is something else.
    #[error("entry 0 of the ledger: {0}; run semper fsck")]
    Malformed(#[from] NotGenesis),
}

/// The genesis document in `store`. That its digest stands in the ledger is for `semper fsck` to check.
///
/// # Errors
/// [`GenesisFault`].
pub(crate) fn read_genesis<R: Read + ?Sized>(store: &R) -> Result<Genesis, GenesisFault> {
    let bytes = read(store, Table::Artefact, &keys::number(0))?.ok_or(GenesisFault::Missing)?;
    Ok(Genesis::decode(&bytes)?)
}

/// Takes what `genesis` promised over into `config`. The maximum merge delay makes an omission provable from public
/// entries (DESIGN §4), so whoever checks this log reckons with the one that genesis names: it must never change
/// silently.
///
/// # Errors
/// [`DataError::OtherService`] if the configuration states another.
pub(crate) fn keep_promises(config: &mut Config, genesis: &Genesis) -> Result<(), DataError> {
    match config.ledger.mmd_ms.replace(genesis.mmd_ms) {
        Some(stated) if stated != genesis.mmd_ms => Err(DataError::OtherService {
            key: "ledger.mmd_ms",
            stored: genesis.mmd_ms.to_string(),
            stated: stated.to_string(),
        }),
        _ => Ok(()),
    }
}
