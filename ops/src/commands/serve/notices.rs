//! What `serve` does for notices to holders: the key that signs them, and the task that sends them.

use std::{path::Path, sync::Arc};

use semper_api::{
    NoticeParts, Service,
    notices::{Notices, NoticesError, Settings},
};
use semper_ttp::{
    crypto::{OsEntropy, Signer},
    evidence::KeyId,
};

use crate::{
    commands::running::Failed,
    config::Config,
    data::{DataFolder, NOTICES},
};

/// What they rest on; `None` in a folder that has no key for them and gets none.
pub(super) fn parts(key: Option<(KeyId, Arc<dyn Signer>)>, config: &Config) -> Option<NoticeParts> {
    key.map(|(key, signer)| NoticeParts { key, signer, networks: config.notices.networks() })
}

/// Tells holders from now on, if the settings want it.
pub(super) fn begin(service: &Arc<Service>, config: &Config, data: &Path) -> Result<(), Failed> {
    if config.notices.days_before.is_empty() {
        return Ok(());
    }
    let settings = Settings {
        days_before: config.notices.days_before.clone(),
        at_once_max: config.notices.at_once_max as usize,
        networks: config.notices.networks(),
        told: DataFolder::at(data).path(NOTICES),
    };
    let notices = Notices::new(settings, Arc::new(OsEntropy));
    let notices = notices.map_err(|error: NoticesError| Failed::fault(&error))?;
    tokio::spawn(notices.run(Arc::downgrade(service)));
    Ok(())
}
