//! The payment rails that `serve` gives to the arbiter.

use std::path::Path;
use std::sync::Arc;

use semper_api::rails::{SimulatedRail, WebhookRail};
use semper_api::{RailParts, Service, TimeSource};
use semper_ttp::crypto::{SignatureAlgorithm, Signer, SoftKey};
use semper_ttp::money::RailId;
use semper_ttp::payment::callback::Secret;
use semper_ttp::payment::rail::{PaymentRail, RailClass};
use tokio::runtime::Handle;

use crate::commands::running::Failed;
use crate::config::{Config, Rail, RailKind, secret_in};

/// All rails, and which of them are simulated.
type Rails = (Vec<RailParts>, Vec<Arc<SimulatedRail>>);

/// The rails of the settings, none for a service that is no arbiter. Those of providers connect by `runtime`.
///
/// # Errors
/// A secret, a URL.
pub(super) fn rails(config: &Config, time: &Arc<dyn TimeSource>, runtime: &Handle) -> Result<Rails, Failed> {
    let (mut parts, mut all_simulated) = (Vec::new(), Vec::new());
    for settings in config.exchange.rail.iter().filter(|_| config.exchange.enabled) {
        let wrong = |why: &dyn std::fmt::Display| Failed::usage(&format!("exchange.rail {:?}: {why}", settings.name));
        let id = RailId::new(&settings.name).ok_or_else(|| wrong(&"no such name"))?;
        let class = if settings.is_funded() { RailClass::Funded } else { RailClass::Auth };
        let secrets = secrets(settings, &wrong)?;
        let rail: Arc<dyn PaymentRail> = match settings.kind {
            RailKind::Simulator => {
                let key = SoftKey::generate(SignatureAlgorithm::Ed25519).map_err(|fault| Failed::fault(&fault))?;
                let key: Arc<dyn Signer> = Arc::new(key);
                let rail = Arc::new(SimulatedRail::new(id, class, key, time.clone()));
                all_simulated.push(rail.clone());
                tracing::warn!(
                    rail = settings.name,
                    "THIS RAIL IS SIMULATED: no real money is behind it; what it holds, captures and gives back is imaginary"
                );
                rail
            }
            RailKind::Webhook => {
                let url = settings.url.as_deref().unwrap_or_default();
                let rail = WebhookRail::new(id, class, url, secrets.clone(), time.clone(), runtime.clone());
                Arc::new(rail.map_err(|fault| wrong(&fault))?)
            }
        };
        parts.push(RailParts { rail, secrets, is_simulated: settings.kind == RailKind::Simulator });
    }
    Ok((parts, all_simulated))
}

/// The secret in force first.
fn secrets(settings: &Rail, wrong: &dyn Fn(&dyn std::fmt::Display) -> Failed) -> Result<Vec<Secret>, Failed> {
    let read = |path: &Path| {
        let secret = secret_in(path).map_err(|fault| wrong(&fault))?;
        let form = || wrong(&"its secret is whsec_ and the base64 of 24 to 64 octets");
        Secret::parse(secret.expose()).ok_or_else(form)
    };
    let files = [&settings.secret_file, &settings.old_secret_file];
    files.into_iter().flatten().map(|path| read(path)).collect()
}

/// Simulated rails are asked again what an earlier process has asked them. They are the service's from then on, and end with it: the clock,
/// which they know, is closed when nobody has it any more.
///
/// # Errors
/// The ledger.
pub(super) fn recall(simulated: Vec<Arc<SimulatedRail>>, service: &Service) -> Result<(), Failed> {
    for rail in simulated {
        rail.recall(&service.calls_of_rail(rail.id()).map_err(|fault| Failed::fault(&fault))?);
    }
    Ok(())
}
