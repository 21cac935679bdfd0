//! Completing a restored store from a copy of the public ledger.

use std::sync::Arc;

use semper_api::log_source::LogSource;
use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::complete::{Completed, Completion, CompletionError};
use semper_ledger::erasure::Line;
use semper_ledger::merkle::Hash;
use semper_ledger::sequencer::LogKeys;
use semper_ledger::store::rocks::RocksStore;
use semper_ttp::crypto::LogVerifier;
use semper_ttp::evidence::{Kind, SERIAL_COUNTER};
use semper_ttp::time::Timestamp;

use super::known::Known;
use crate::commands::running::Failed;
use crate::config::Config;
use crate::data::{DataError, DataFolder, rocks_settings};
use crate::exit::Exit;
use crate::progress::Progress;

/// Completes the store up to what is known, or further if the source has more that this log signed.
///
/// # Errors
/// The source is not this log, ends before what is known, or has other entries.
pub(super) fn complete(
    source: &str,
    known: &Known,
    folder: &DataFolder,
    config: &Config,
    keys: &LogKeys,
    erasures: &[Line],
    as_json: bool,
) -> Result<Completed, Failed> {
    let wrong = |what: String| Failed(Exit::Falsified, format!("--complete-from {source}: {what}"));
    let absent = |what: &dyn std::fmt::Display| Failed(Exit::Unreachable, format!("--complete-from {source}: {what}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failed::fault(&error))?;
    let log = runtime.block_on(LogSource::find(source)).map_err(|error| absent(&error))?;
    let note = runtime.block_on(log.checkpoint()).map_err(|error| absent(&error))?;
    let own = std::slice::from_ref(&keys.identity().note_key);
    let shown = Checkpoint::verify(&note, own, &LogVerifier)
        .map_err(|fault| wrong(format!("its checkpoint is not one of this log's: {fault}")))?;
    if shown.size < known.size {
        let what = format!(
            "it ends at {} entries, and {} knows {}: find a copy that has them, or open the backup for reading only \
             (--read-only)",
            shown.size, known.by, known.size
        );
        return Err(wrong(what));
    }
    let hash = |text: &str| {
        let mut hash: Hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map(|()| hash).map_err(|error| Failed::fault(&error))
    };
    let root = hash(&known.root)?;
    let mut signed =
        known.also.iter().map(|(size, root)| Ok((*size, hash(root)?))).collect::<Result<Vec<_>, Failed>>()?;
    signed.push((known.size, root));
    signed.sort_unstable();
    match shown.size > known.size {
        true => signed.push((shown.size, shown.root)),
        false if shown.root != root => {
            let what =
                format!("its root at size {} is not the one that {} knows: a fork. Keep both", shown.size, known.by);
            return Err(wrong(what));
        }
        false => {}
    }

    let store = RocksStore::open(&folder.path("store"), &rocks_settings(&config.ledger)).map_err(DataError::from)?;
    let progress = Progress::new(as_json, "completing", Some(0));
    let advance = |done, total| {
        progress.set_total(total);
        progress.set(done);
    };
    let completed = Completion {
        store: Arc::new(store),
        keys,
        verifier: &LogVerifier,
        signed: &signed,
        erasures,
        counters: &[SERIAL_COUNTER],
        bundle: &mut |index, width| {
            let got = runtime.block_on(log.bundle(index, width));
            got.map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
        },
        progress: &advance,
    }
    .run();
    progress.finish();
    completed.map_err(|error| match error {
        CompletionError::Source { .. } => absent(&error),
        CompletionError::Entry { .. } | CompletionError::Root { .. } => wrong(error.to_string()),
        CompletionError::Store(error) => error.into(),
        CompletionError::Signing(error) => Failed::fault(&error),
    })
}

/// What was lost, in plain words.
pub(super) fn sentence(completed: &Completed) -> String {
    let (first, end) = completed.lost;
    let moment = |ms: u64| Timestamp::from_millis(ms).to_string();
    let kinds = completed.by_kind.iter().map(|((role, kind), (count, from, to))| {
        let name =
            Kind::from_codes(*role, *kind).map_or_else(|| format!("kind {role}.{kind}"), |kind| kind.to_string());
        format!("{count} {name} between {} and {}", moment(*from), moment(*to))
    });
    format!(
        "the ledger is whole again: entries {first} to {} were taken from the public copy and lead to the signed root. What they \
         are about was private and is lost: {}. It cannot be shown again by this service; whoever holds it can still prove it",
        end - 1,
        kinds.collect::<Vec<_>>().join(", ")
    )
}
