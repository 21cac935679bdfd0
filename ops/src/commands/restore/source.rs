//! A public copy of the ledger: a mirror, an export, any tlog-tiles log of this origin. What it shows under the log's own
//! signature is knowledge like that of an anchor or a witness, before it is anything to complete from.

use semper_api::log_source::LogSource;
use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::note::VerifierKey;
use semper_ttp::crypto::LogVerifier;
use tokio::runtime::Runtime;

use crate::commands::running::Failed;
use crate::exit::Exit;

/// A copy that was found, and its newest checkpoint.
pub(in crate::commands) struct Source {
    /// The option that named it, and what it named.
    pub(super) named: String,
    pub(super) log: LogSource,
    pub(super) runtime: Runtime,
    /// The signed note.
    pub(super) note: String,
    /// What it says.
    pub(super) shown: Checkpoint,
}

impl Source {
    /// Opens what `option` names as `place`, and verifies its checkpoint.
    ///
    /// # Errors
    /// It cannot be read, or is not this log's.
    pub(in crate::commands) fn open(option: &str, place: &str, key: &VerifierKey) -> Result<Self, Failed> {
        let named = format!("{option} {place}");
        let absent = |error: &dyn std::fmt::Display| Failed(Exit::Unreachable, format!("{named}: {error}"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| Failed::fault(&error))?;
        let log = runtime.block_on(LogSource::find(place)).map_err(|error| absent(&error))?;
        let note = runtime.block_on(log.checkpoint()).map_err(|error| absent(&error))?;
        let shown = Checkpoint::verify(&note, std::slice::from_ref(key), &LogVerifier).map_err(|fault| {
            Failed(Exit::Falsified, format!("{named}: its checkpoint is not one of this log's: {fault}"))
        })?;
        Ok(Self { named, log, runtime, note, shown })
    }
}
