//! What `serve` does for the notary: its keys and settings, and acts that are open for too long.

use std::{sync::Arc, time::Duration};

use semper_api::{DvcsSettings, NotaryParts, NotarySettings, Service};
use semper_ttp::{
    asn1::{PolicyId, der},
    digest::ImprintAlgorithm,
    notary::dvcs::Accepted,
};

use crate::{commands::running::Failed, config::Config, data::NotaryKeys};

/// How often open acts are looked at.
const INTERVAL: Duration = Duration::from_secs(60);

/// Most certificates in one request for the status of certificates.
const TARGETS_MAX: usize = 16;

/// What a notary rests on; `None` where the settings want none.
pub(super) fn parts(
    keys: Option<NotaryKeys>,
    config: &Config,
    public_url: &str,
) -> Result<Option<NotaryParts>, Failed> {
    let Some(NotaryKeys { act, dvcs }) = keys.filter(|_| config.notary.enabled) else { return Ok(None) };
    let policy: PolicyId = config.dvcs_policy().parse().map_err(|_| Failed::usage(&"notary.dvcs_policy"))?;
    let with_token = config.dvcs_policy_with_token().map(str::parse::<PolicyId>).transpose();
    let policy_with_token = with_token.map_err(|_| Failed::usage(&"notary.dvcs_policy_with_token"))?;
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let accepted = Accepted {
        // The document, and what is signed around it.
        bytes_max: bytes(config.notary.document_bytes_max).saturating_add(64 << 10),
        hashes: ImprintAlgorithm::ALL.to_vec(),
        targets_max: TARGETS_MAX,
        own_names: Some(own_names(public_url)),
    };
    let settings = NotarySettings {
        needs_person: config.notary.needs_person(),
        dvcs: DvcsSettings { accepted, policy, policy_with_token, signed_only: config.notary.dvcs_signed_only },

        life_secs: config.notary.open_secs(),
        queue_max: config.notary.queue_max as usize,
        document_bytes_max: bytes(config.notary.document_bytes_max),
        documents_in_flight_bytes: bytes(config.notary.documents_in_flight_bytes),
    };
    Ok(Some(NotaryParts { act, dvcs, settings }))
}

/// As requests may name this server: by its URL, with the path and without, and by its host name.
fn own_names(public_url: &str) -> Vec<Vec<u8>> {
    /// GeneralName (RFC 5280 §4.2.1.6).
    const URI: u8 = 0x86;
    const DNS_NAME: u8 = 0x82;
    let base = public_url.trim_end_matches('/');
    let host = base.split_once("://").map_or(base, |(_, rest)| rest).split(['/', ':']).next().unwrap_or_default();
    let dvcs = format!("{base}/dvcs");
    [(URI, base), (URI, &dvcs), (DNS_NAME, host)].map(|(tag, name)| der::tlv(tag, name.as_bytes())).to_vec()
}

/// Ends acts that nobody decided in time, again and again.
pub(super) async fn watch(service: Arc<Service>) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        match service.expire_acts().await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(ended, "acts were open for too long"),
            Err(fault) => tracing::warn!(%fault, "acts that are open for too long are not ended yet"),
        }
    }
}
