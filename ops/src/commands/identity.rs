//! As whom a command asks: the `.p12` of `--identity`, and the passphrase that lies beside it.

use std::path::{Path, PathBuf};

use semper_api::tls::ClientIdentity;
use semper_ttp::crypto::Passphrase;

use super::running::Failed;
use crate::config::Keys;

/// Opens it. Of a folder, the file of `person`.
///
/// # Errors
/// It is not there, or does not open.
pub(super) fn open(place: &Path, passphrase_file: Option<&Path>, person: &str) -> Result<ClientIdentity, Failed> {
    let file = if place.is_dir() { place.join(format!("{person}.p12")) } else { place.to_owned() };
    let refused = |why: &dyn std::fmt::Display| Failed::usage(&format!("--identity {}: {why}", file.display()));
    let bytes = std::fs::read(&file).map_err(|error| refused(&error))?;
    let beside: PathBuf = passphrase_file.map_or_else(|| file.with_extension("passphrase"), Path::to_owned);
    // The same rules as for the passphrase of key files: nobody else may read it.
    let secret = Keys { passphrase_file: Some(beside), ..Keys::default() }.passphrase(|_| None);
    let secret = secret.map_err(|error| refused(&error))?;
    let opened = ClientIdentity::from_p12(&bytes, &Passphrase::new(secret.expose().to_owned()));
    opened.map_err(|fault| refused(&fault))
}
