//! What `serve` does for the arbiter: its keys, and the moment at which it was last there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use semper_api::{ExchangeParts, Service};
use semper_ledger::entry::Entry;
use semper_ttp::evidence::RoleCode;

use crate::commands::running::Failed;
use crate::config::Config;
use crate::data::{NamedKey, replace_file};

/// The file of the data folder that says when the arbiter last took requests, milliseconds since 1970.
const ALIVE: &str = "arbiter-alive";

/// How often it is looked whether requests can be taken: so long the door may stay shut after a fault.
const INTERVAL: Duration = Duration::from_secs(5);

/// Every how many looks the moment is kept, which costs a flush. At least once a minute (exchange-and-disputes §5).
const KEPT_EVERY: u32 = 6;

/// What an arbiter rests on; `None` where the settings want none.
pub(super) fn parts(keys: Vec<NamedKey>, config: &Config) -> Option<ExchangeParts> {
    (config.exchange.enabled && !keys.is_empty()).then_some(ExchangeParts { verdict: keys })
}

/// Tells the service when an earlier process was last there, opens its door, and looks after it from then on.
///
/// # Errors
/// The ledger.
pub(super) async fn begin(service: &Arc<Service>, data: &Path) -> Result<(), Failed> {
    let path = data.join(ALIVE);
    // Only what an arbiter left: in a folder that was none before, nobody waited for it.
    if let Some(kept) = read(&path) {
        service.arbiter_was_alive(newest_decision(service, kept)?);
    }
    let mut looks = 0;
    look(service, &path, &mut looks).await;
    let service = service.clone();
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.tick().await;
        loop {
            interval.tick().await;
            look(&service, &path, &mut looks).await;
        }
    });
    Ok(())
}

async fn look(service: &Arc<Service>, path: &Path, looks: &mut u32) {
    let (asked, path) = (service.clone(), path.to_owned());
    let is_kept = looks.is_multiple_of(KEPT_EVERY);
    let looked = tokio::task::spawn_blocking(move || {
        let alive = asked.arbiter_is_alive().map_err(|fault| fault.to_string())?;
        match alive.filter(|_| is_kept) {
            Some(millis) => {
                replace_file(&path, 0o644, format!("{millis}\n").as_bytes()).map_err(|error| error.to_string())
            }
            None => Ok(()),
        }
    });
    match looked.await {
        Ok(Ok(())) => *looks += 1,
        Ok(Err(why)) => tracing::warn!(%why, "the arbiter does not take requests yet"),
        Err(_) => {} // it panicked, which was printed
    }
}

fn read(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The moment of the arbiter's newest entry, if that is later than what was kept: only its own tell that it was there, and this start has
/// made others.
fn newest_decision(service: &Service, kept: u64) -> Result<u64, Failed> {
    let reader = service.reader();
    for index in (0..reader.size()).rev() {
        let bytes = reader.entry(index).map_err(|fault| Failed::fault(&fault))?.unwrap_or_default();
        match Entry::decode(&bytes) {
            Ok(entry) if entry.time_ms > kept && entry.role == RoleCode::Exchange.code() => return Ok(entry.time_ms),
            Ok(entry) if entry.time_ms > kept => {}
            _ => return Ok(kept),
        }
    }
    Ok(kept)
}
