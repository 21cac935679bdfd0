//! What `serve` does for applications for certificates: what they rest on, and what is to be done again and again.

use std::{sync::Arc, time::Duration};

use semper_api::{RegistrationParts, Service, access::AccessLog, service::ServiceFault};

use crate::{commands::running::Failed, config::Config, data::DataFolder};

/// How often applications and the access log are looked at: an hour of the log has its entry a minute later at most.
const INTERVAL: Duration = Duration::from_secs(60);

/// What applications rest on. A ledger that takes nothing more, `writes` false, has no access log, and so nobody who reads what
/// would have to be logged.
pub(super) fn parts(folder: &DataFolder, config: &Config, writes: bool) -> Result<RegistrationParts, Failed> {
    Ok(RegistrationParts {
        access: writes.then(|| access_log(folder)).transpose()?,
        life_secs: config.ca.application_secs(),
        ..RegistrationParts::default()
    })
}

/// Where reads of documents that name people are written.
fn access_log(folder: &DataFolder) -> Result<AccessLog, Failed> {
    let path = folder.path("access");
    AccessLog::open(&path).map_err(|error| Failed::fault(&format!("{}: {error}", path.display())))
}

/// Finishes what a crash has left of approvals, then again and again: the access log gets its entries, old applications end, and
/// what did not follow from an approval is tried again.
pub(super) async fn watch(service: Arc<Service>) {
    let once = service.clone();
    let _ = tokio::task::spawn_blocking(move || told("approved applications", once.finish_all_approved())).await;
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        let service = service.clone();
        let looked = tokio::task::spawn_blocking(move || {
            told("the access log", service.record_accesses());
            told("old applications", service.expire_applications());
            service.finish_unfinished();
            told("orders of bulk revocation", service.carry_out_orders());
        });
        let _ = looked.await; // its panic was printed
    }
}

/// With the clock in doubt, at the next look.
fn told(what: &str, done: Result<(), ServiceFault>) {
    match done {
        Err(fault) if !fault.is_of_time() => tracing::error!(%fault, what, "not done"),
        Ok(()) | Err(_) => {}
    }
}
