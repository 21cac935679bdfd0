//! The keys of a service.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use semper_ttp::evidence::KeyPurpose;

/// The keys of a service: which there are, and how another follows.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper keys list --url https://127.0.0.1:8443 --identity people/operator.p12")]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    List(KeysList),
    Rotate(KeysRotate),
}

/// Which server is asked, and by whom.
#[derive(Debug, Args)]
pub(crate) struct OfService {
    /// The HTTPS listener.
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:8443")]
    pub(crate) url: String,
    /// Who asks: a .p12 file, or a folder with operator.p12 in it. Its passphrase lies beside it, under the same name with the ending
    /// .passphrase, or where --identity-passphrase-file says. The root in it is the one by which the server is known.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) identity: PathBuf,
    /// The passphrase of the .p12.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity_passphrase_file: Option<PathBuf>,
}

/// List every key that the service had or has, as its ledger tells of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper keys list --url https://127.0.0.1:8443 --identity people/operator.p12")]
pub(crate) struct KeysList {
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Have another key follow one that is in use, while the server runs.
///
/// The server makes the next key where its settings say (an encrypted file or a PKCS#11 token), has its own CA certify it, logs both,
/// and goes over to it; requests that run end with the old one. Then the end of the old key is logged. A CA's old key goes on to
/// sign its lists. An operator's act. The server does it by itself when a key has lived four fifths of its life.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper keys rotate tsu-ec --url https://127.0.0.1:8443 --identity people/operator.p12")]
pub(crate) struct KeysRotate {
    /// Which: tsu-ec, tsu-rsa, ca-party, ca-server, ca-tsu, ocsp-party, ocsp-server, ocsp-tsu or tls.
    #[arg(value_name = "KEY", value_parser = purpose)]
    pub(crate) key: KeyPurpose,
    #[command(flatten)]
    pub(crate) of: OfService,
    /// Under which name the request is known: whoever repeats one with the same name gets the same answer, and no second key is
    /// made. Without it, a new one, which is told when the answer did not come.
    #[arg(long, value_name = "TEXT")]
    pub(crate) idempotency_key: Option<String>,
}

fn purpose(text: &str) -> Result<KeyPurpose, String> {
    let found = KeyPurpose::ALL.iter().copied().find(|purpose| purpose.name() == text);
    found.ok_or_else(|| "must be the name of a key, such as tsu-ec".to_owned())
}
