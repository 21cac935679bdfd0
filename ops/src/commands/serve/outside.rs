//! Those outside who remember: which they are, and what they say before a start.

use std::sync::Arc;
use std::time::Duration;

use semper_api::witnesses::{self, Settings, Witnesses, WitnessesError};
use semper_ledger::policy::Policy;
use semper_ledger::reader::Reader;

use crate::commands::running::Failed;
use crate::config;
use crate::data::{DataError, DataFolder, WITNESSED};

/// The folder of checkpoints that contradict this ledger.
const EVIDENCE: &str = "evidence";

/// The policy of the witnesses, if the settings name one.
pub(in crate::commands) fn read_policy(settings: &config::Witnesses) -> Result<Option<Policy>, Failed> {
    let Some(path) = &settings.policy_path else { return Ok(None) };
    let refused =
        |why: &dyn std::fmt::Display| Failed::usage(&format!("witnesses.policy_path: {}: {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| refused(&error))?;
    let policy = Policy::parse(&text).map_err(|error| refused(&error))?;
    let unknown = |name: &&String| !policy.witnesses().iter().any(|witness| witness.name == **name);
    match settings.monitoring_urls.keys().find(unknown) {
        Some(name) => Err(refused(&format!("there is no witness {name}, which witnesses.monitoring_urls names"))),
        None => Ok(Some(policy)),
    }
}

/// Every witness's newest checkpoint against the store, before anything is written or signed: store and anchor may have
/// been put back together, and only somebody outside would know. What a witness showed at an earlier start, or to a running
/// server, stands in the folder of evidence and counts as well: a witness that is slow today has not taken it back.
pub(super) fn ask(
    folder: &DataFolder,
    policy: Option<&Policy>,
    settings: &config::Witnesses,
    reader: &Reader,
) -> Result<(), DataError> {
    if let Ok(files) = std::fs::read_dir(folder.path(EVIDENCE)) {
        for file in files.flatten().map(|file| file.path()) {
            let note = std::fs::read(&file).unwrap_or_default();
            if let Ok(Some(found)) = witnesses::compare(reader, &note) {
                let name = "that was asked before".to_owned();
                return Err(DataError::Witnessed { name, what: found.what, evidence: file });
            }
        }
    }
    let Some(policy) = policy else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| DataError::Witnesses(error.to_string()))?;
    let asking = runtime.block_on(witnesses::ask_before_start(policy, &settings.monitoring_urls, reader));
    let asking = asking.map_err(|error| DataError::Witnesses(error.to_string()))?;
    for (name, why) in &asking.silent {
        tracing::warn!(witness = name, why, "a witness did not say what it has cosigned; the start goes on without it");
    }
    // What each of them shows is kept; one is enough to refuse.
    let kept = asking.ahead.into_iter().map(|(name, found)| {
        let evidence = witnesses::keep_evidence(&folder.path(EVIDENCE), &found);
        DataError::Witnessed { name, what: found.what, evidence }
    });
    kept.reduce(|first, _| first).map_or(Ok(()), Err)
}

/// The witnesses of a ledger that is open.
pub(super) fn witnesses(
    policy: Policy,
    reader: &Arc<Reader>,
    settings: &config::Witnesses,
    folder: &DataFolder,
) -> Result<Arc<Witnesses>, Failed> {
    let settings = Settings {
        interval: Duration::from_millis(settings.interval_ms),
        refresh: Duration::from_secs(settings.refresh_secs),
        wait_max: Duration::from_millis(settings.wait_max_ms),
        demands_max: settings.demands_max,
        monitoring_urls: settings.monitoring_urls.clone(),
        kept: folder.path(WITNESSED),
        evidence: folder.path(EVIDENCE),
    };
    Witnesses::new(policy, reader.clone(), settings).map_err(|error| match error {
        WitnessesError::Disk(_) | WitnessesError::Ledger(_) => Failed::fault(&error),
        WitnessesError::OtherLog(_) | WitnessesError::Unreachable | WitnessesError::Url { .. } => {
            Failed::usage(&format!("the section witnesses: {error}"))
        }
    })
}
