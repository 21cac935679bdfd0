//! With which files and at which service a run goes on, so that nobody has to say it again. No secret is in it: passphrases lie in files of
//! their own.

use std::path::{Path, PathBuf};

use semper_ttp::crypto::SoftKey;
use semper_ttp::x509::Certificate;
use serde::{Deserialize, Serialize};

use crate::cli;
use crate::commands::identity;
use crate::commands::remote::{Remote, as_holder};
use crate::commands::running::Failed;

/// The .p12 by which a party logs in, and the one by which it signs, in a folder of `semper party`.
const LOGIN: &str = "party-auth";
const SIGNER: &str = "party-legal";

/// `settings.json` of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The arbiter's service.
    pub(super) url: String,
    /// Who logs in.
    identity: PathBuf,
    identity_passphrase_file: Option<PathBuf>,
    /// Who signs.
    with: PathBuf,
    with_passphrase_file: Option<PathBuf>,
}

impl Settings {
    /// Of a run that begins. Paths are kept as absolute ones: the next command may be given elsewhere.
    pub(super) fn of(key: &cli::OfKey) -> Result<Self, Failed> {
        let cli::OfKey { with, with_passphrase_file, of, .. } = key;
        Ok(Self {
            url: of.url.clone(),
            identity: absolute(&of.identity)?,
            identity_passphrase_file: of.identity_passphrase_file.as_deref().map(absolute).transpose()?,
            with: absolute(with)?,
            with_passphrase_file: with_passphrase_file.as_deref().map(absolute).transpose()?,
        })
    }

    /// With what the caller names instead.
    pub(super) fn with(mut self, instead: &cli::Instead) -> Result<Self, Failed> {
        if let Some(url) = &instead.url {
            self.url.clone_from(url);
        }
        if let Some(identity) = &instead.identity {
            self.identity = absolute(identity)?;
            self.identity_passphrase_file = instead.identity_passphrase_file.as_deref().map(absolute).transpose()?;
        }
        if let Some(with) = &instead.with {
            self.with = absolute(with)?;
            self.with_passphrase_file = instead.with_passphrase_file.as_deref().map(absolute).transpose()?;
        }
        Ok(self)
    }

    /// The key that signs, and its certificate.
    pub(super) fn signer(&self) -> Result<(SoftKey, Certificate), Failed> {
        identity::signer(&self.with, self.with_passphrase_file.as_deref(), SIGNER)
    }

    /// The signer's certificate and those above it but the root, DER.
    pub(super) fn chain(&self) -> Result<Vec<Vec<u8>>, Failed> {
        identity::chain(&self.with, self.with_passphrase_file.as_deref(), SIGNER)
    }

    /// The arbiter's service, as this party.
    pub(super) fn remote(&self) -> Result<Remote, Failed> {
        as_holder(&self.url, (&self.identity, self.identity_passphrase_file.as_deref()), LOGIN)
    }
}

/// The arbiter's service, as the party that logs in with this.
pub(super) fn login(of: &cli::OfService) -> Result<Remote, Failed> {
    as_holder(&of.url, (&of.identity, of.identity_passphrase_file.as_deref()), LOGIN)
}

/// The key that signs in a folder of `semper party`, and the certificates that go with it.
///
/// # Errors
/// There is none, or it does not open.
pub(super) fn signer_of(dir: &Path) -> Result<(SoftKey, Vec<Vec<u8>>), Failed> {
    let (key, _) = identity::signer(dir, None, SIGNER)?;
    Ok((key, identity::chain(dir, None, SIGNER)?))
}

fn absolute(path: &Path) -> Result<PathBuf, Failed> {
    std::path::absolute(path).map_err(|error| Failed::usage(&format!("{}: {error}", path.display())))
}
