//! What `serve` does for the arbiter: its keys, and the moment at which it was last there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use semper_api::mailbox::{Mailbox, MailboxParts};
use semper_api::promises::{Promises, PromisesParts};
use semper_api::{ExchangeParts, Service};

use crate::commands::running::Failed;
use crate::config::Config;
use crate::data::{DataFolder, NamedKey, replace_file};

/// The file of the data folder that says when the arbiter last took requests, milliseconds since 1970.
const ALIVE: &str = "arbiter-alive";

/// The folder of the data folder in which messages wait.
const MAIL: &str = "mail";

/// The folder of the data folder in which requests wait that are answered later.
const REQUESTS: &str = "requests";

/// Runs of which a request may wait: so many are answered within the shortest time that may be promised, also where a module signs.
const REQUESTS_MAX: usize = 96;

/// Every how many looks it is looked for messages that nobody has fetched.
const PURGED_EVERY: u32 = 120;

/// How often it is looked whether requests can be taken: so long the door may stay shut after a fault.
const INTERVAL: Duration = Duration::from_secs(5);

/// Every how many looks the moment is kept, which costs a flush. At least once a minute (exchange-and-disputes §5).
const KEPT_EVERY: u32 = 6;

/// What an arbiter rests on; `None` where the settings want none.
///
/// # Errors
/// The folders of messages and of requests.
pub(super) fn parts(
    keys: Vec<NamedKey>,
    config: &Config,
    folder: &DataFolder,
) -> Result<Option<ExchangeParts>, Failed> {
    let settings = &config.exchange;
    if !settings.enabled || keys.is_empty() {
        return Ok(None);
    }
    let (bytes_max, keep_ms) = (settings.mailbox_bytes(), settings.mailbox_keep_ms());
    let open = || Mailbox::open(MailboxParts { folder: folder.path(MAIL), bytes_max, keep_ms });
    let mailbox = (bytes_max > 0).then(open).transpose().map_err(|fault| Failed::fault(&fault))?;
    // Opened also where nothing is promised any more: what was promised before is kept.
    let (within_ms, waiting_max) = match settings.answer_within_ms() {
        0 => (0, 0),
        within_ms => (within_ms, REQUESTS_MAX),
    };
    let promises = PromisesParts { folder: folder.path(REQUESTS), waiting_max, within_ms };
    let promises = Promises::open(promises).map_err(|fault| Failed::fault(&fault))?;
    Ok(Some(ExchangeParts {
        keys,
        runs_per_party_per_minute: settings.runs_per_party_per_minute,
        mailbox,
        items: settings.items(),
        promises: Some(promises),
    }))
}

/// Tells the service when an earlier process was last there, before this one appends anything.
///
/// # Errors
/// The ledger.
pub(super) fn recall(service: &Service, folder: &DataFolder) -> Result<(), Failed> {
    service.recall_arbiter(read(&folder.path(ALIVE))).map_err(|fault| Failed::fault(&fault))
}

/// Opens the arbiter's door, and looks after it from then on.
pub(super) async fn begin(service: &Arc<Service>, data: &Path) {
    let path = data.join(ALIVE);
    let mut looks = 0;
    look(service, &path, &mut looks).await;
    let service = service.clone();
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.tick().await;
        loop {
            tokio::select! {
                _ = interval.tick() => look(&service, &path, &mut looks).await,
                () = made(&service) => keep_promises(&service).await,
            }
        }
    });
}

/// Waits until the arbiter has promised somebody an answer.
async fn made(service: &Service) {
    match service.promises() {
        Some(promises) => promises.made().await,
        None => std::future::pending().await,
    }
}

async fn keep_promises(service: &Arc<Service>) {
    let asked = service.clone();
    // A panic was printed.
    let _ = tokio::task::spawn_blocking(move || asked.keep_promises()).await;
}

async fn look(service: &Arc<Service>, path: &Path, looks: &mut u32) {
    let (asked, path) = (service.clone(), path.to_owned());
    let (is_kept, is_purged) = (looks.is_multiple_of(KEPT_EVERY), looks.is_multiple_of(PURGED_EVERY));
    let looked = tokio::task::spawn_blocking(move || {
        if let Some(mailbox) = asked.mailbox().filter(|_| is_purged) {
            match mailbox.purge(crate::clock::now()) {
                Ok(0) => {}
                Ok(messages) => tracing::info!(messages, "messages that nobody fetched were forgotten"),
                Err(fault) => tracing::warn!(%fault, "old messages were not forgotten"),
            }
        }
        let alive = asked.arbiter_is_alive().map_err(|fault| fault.to_string())?;
        asked.keep_promises();
        match asked.look_at_exchanges() {
            Ok(0) => {}
            Ok(exchanges) => tracing::info!(exchanges, "exchanges were due"),
            Err(fault) => tracing::error!(%fault, "exchanges that are due were not looked at"),
        }
        match asked.look_at_deliveries() {
            Ok(0) => {}
            Ok(deliveries) => tracing::debug!(deliveries, "deliveries were due"),
            Err(fault) => tracing::error!(%fault, "deliveries that are due were not looked at"),
        }
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
