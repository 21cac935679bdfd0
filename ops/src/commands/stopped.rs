//! The ledger of a service that is not running: what its operator does at the machine itself is an entry, too.

use std::sync::Arc;

use semper_ledger::anchor::file::FileAnchor;
use semper_ledger::ledger::{Ledger, OpenError, Parts};
use semper_ledger::sequencer::{self, LogKeys};
use semper_ledger::store::Store;
use semper_ttp::clock::{Clock, Verdict};
use semper_ttp::crypto::LogVerifier;
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Aggregate, Envelope, Fact, Recorded};
use semper_ttp::time::Timestamp;

use super::running::{Failed, random};
use crate::clock::{Readings, Source, SystemReadings};
use crate::config::{ClockSource, Config};
use crate::data::{DataFolder, policy_hash, sequencer_settings};

/// Whether the clock may bind a ledger that no server runs: with source `kernel`, one good sample, as a token needs it.
///
/// # Errors
/// Why nobody vouches for it.
pub(super) fn judge_clock(config: &Config, kernel: &mut dyn Source) -> Result<(), String> {
    if config.clock.source == ClockSource::Assumed {
        return Ok(());
    }
    let observation = kernel.observe().map_err(|error| error.to_string())?;
    let mut clock = Clock::new(config.clock_settings()).map_err(|fault| fault.to_string())?;
    let at = SystemReadings::new().read();
    clock.sample(at, Some(observation));
    match clock.check(at) {
        (Verdict::Issue { .. }, _) => Ok(()),
        (Verdict::Refuse(_), _) if !observation.synchronised => Err("it is not synchronised".to_owned()),
        (Verdict::Refuse(_), _) => Err(format!(
            "estimated error {} ms, maximum {} ms",
            observation.estimated_error.as_millis(),
            observation.max_error.as_millis()
        )),
    }
}

/// The clock of a ledger that no server runs; whether it may be believed, [`judge_clock`] has said.
struct OwnClock(Arc<dyn Readings>);

impl sequencer::Clock for OwnClock {
    fn now_ms(&self) -> u64 {
        self.0.read().wall_ms()
    }

    fn wait_ms(&self, ms: u64) {
        std::thread::sleep(std::time::Duration::from_millis(ms));
    }
}

/// Opens it.
///
/// # Errors
/// Store and anchor do not fit, or are those of another ledger.
pub(super) fn open(
    folder: &DataFolder,
    config: &Config,
    (store, anchor): (Arc<dyn Store>, Arc<FileAnchor>),
    keys: LogKeys,
    readings: Arc<dyn Readings>,
) -> Result<Ledger, OpenError> {
    let origin = keys.identity().origin().to_owned();
    Ledger::open(Parts {
        store,
        anchor,
        journal: Arc::new(folder.journal(&config.ledger, &origin)),
        keys,
        verifier: Arc::new(LogVerifier),
        clock: Arc::new(OwnClock(readings)),
        observer: Arc::new(()),
        settings: sequencer_settings(&config.ledger),
        tile_cache_bytes: 0,
    })
}

/// A fact of the service's own, ready to be stored.
///
/// # Errors
/// No randomness.
pub(super) fn fact(
    fact: impl Recorded,
    config: &Config,
    (aggregate, seq): (Aggregate, u64),
    event_digest: Digest,
    now: Timestamp,
) -> Result<Fact, Failed> {
    let (salt, policy_hash) = (random()?, policy_hash(config));
    Ok(fact.into_fact(&Envelope { aggregate, seq, now, salt, policy_hash, event_digest }))
}
