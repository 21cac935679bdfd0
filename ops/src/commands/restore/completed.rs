//! Completing a restored store from a copy of the public ledger.

use std::sync::Arc;

use semper_ledger::complete::{Completed, Completion, CompletionError};
use semper_ledger::erasure::Line;
use semper_ledger::merkle::Hash;
use semper_ledger::sequencer::LogKeys;
use semper_ledger::store::rocks::RocksStore;
use semper_ttp::crypto::LogVerifier;
use semper_ttp::evidence::{CaKind, Kind, SERIAL_COUNTER};
use semper_ttp::time::Timestamp;

use super::known::Known;
use super::source::Source;
use crate::commands::running::Failed;
use crate::config::Config;
use crate::data::{DataError, DataFolder, rocks_settings};
use crate::exit::Exit;
use crate::progress::Progress;

/// Completes the store up to the newest known state.
///
/// # Errors
/// The source ends before what is known, or has other entries.
pub(super) fn complete(
    source: &Source,
    known: &Known,
    folder: &DataFolder,
    config: &Config,
    keys: &LogKeys,
    erasures: &[Line],
    as_json: bool,
) -> Result<Completed, Failed> {
    let Source { named, log, runtime, shown, .. } = source;
    let wrong = |what: String| Failed(Exit::Falsified, format!("{named}: {what}"));
    let absent = |what: &dyn std::fmt::Display| Failed(Exit::Unreachable, format!("{named}: {what}"));
    let newest = &known.newest;
    if shown.size < newest.size {
        let what = format!(
            "it ends at {} entries, and {} knows {}: find a copy that has them, or open the backup for reading only \
             (--read-only)",
            shown.size, newest.by, newest.size
        );
        return Err(wrong(what));
    }
    // What the source itself shows is among them.
    let signed = known.also.iter().chain([newest]).map(|state| {
        let mut root: Hash = [0; 32];
        hex::decode_to_slice(&state.root, &mut root).map_err(|error| Failed::fault(&error))?;
        Ok((state.size, root))
    });
    let signed = signed.collect::<Result<Vec<_>, Failed>>()?;

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
    let revoked = Kind::Ca(CaKind::CertificateRevoked);
    let revoked = completed.by_kind.get(&(revoked.role().code(), revoked.code())).map_or(0, |(count, _, _)| *count);
    let revocations = match revoked {
        0 => String::new(),
        count => format!(
            ". What was revoked in them ({count}) is known by the tags of these entries and stays revoked, without a reason (semper audit \
             ca); the lists that name it are issued at the next start"
        ),
    };
    format!(
        "the ledger is whole again: entries {first} to {} were taken from the public copy and lead to the signed root. What they \
         are about was private and is lost: {}. It cannot be shown again by this service; whoever holds it can still prove it. Receipts \
         that are asked for anew for these entries are signed anew: they prove the same, and are not the same bytes as those that \
         were given out. Each lost timestamp by its digest: semper audit --tokens{revocations}",
        end - 1,
        kinds.collect::<Vec<_>>().join(", ")
    )
}
