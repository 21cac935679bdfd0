//! The HTTPS listener: whether there is one, as whom it listens, and whose certificates it believes.

use std::sync::Arc;

use semper_api::AuthorityKey;
use semper_api::metrics::Metrics;
use semper_api::tls::{Acceptor, ServerIdentity};
use semper_ttp::ca::Authority;
use semper_ttp::evidence::KeyPurpose;
use semper_ttp::time::Timestamp;

use crate::commands::running::Failed;
use crate::config::Config;
use crate::data::DataFolder;

/// Whether there is a certificate to listen with. A folder that an earlier version made has none, and goes on without HTTPS.
pub(super) fn is_possible(folder: &DataFolder, config: &Config) -> Result<bool, Failed> {
    let possible = config.listen.https_certificate_path.is_some() || !folder.key_ids(KeyPurpose::Tls)?.is_empty();
    if !possible {
        tracing::warn!(
            "HTTPS is off: this data folder was made before the service had a key for it (keys/tls.1.p8). Name a certificate \
             and its key in listen.https_certificate_path and listen.https_key_path"
        );
    }
    Ok(possible)
}

/// Shakes hands for the listener. Clients are known by certificates of the issuing CAs for parties.
pub(super) fn acceptor(
    identity: &ServerIdentity,
    authorities: &[AuthorityKey],
    config: &Config,
    metrics: &Metrics,
    now: Timestamp,
) -> Result<Arc<Acceptor>, Failed> {
    if let Some(end) = identity.not_after().filter(|end| *end < now) {
        tracing::error!(%end, "the certificate of the HTTPS listener has ended: clients will refuse it");
    }
    let parties = authorities.iter().filter(|held| held.ca.authority == Authority::Party);
    let issuers: Vec<_> = parties.map(|held| &*held.certificate).collect();
    let timeout = config.limits.tls_handshake_timeout();
    let acceptor = Acceptor::new(identity, &issuers, timeout, metrics.tls().clone());
    acceptor.map(Arc::new).map_err(|fault| Failed::usage(&fault))
}
