//! Making a service and running it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args};

/// Make a new service: keys, certificates, ledger, trust anchors.
///
/// What can never change later is read from the configuration: origin, public URL, country, organisation and its
/// identifier. The folder must be empty or missing; nothing is ever overwritten. The passphrase that protects the keys
/// comes from a file or the environment, as the configuration says.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["config", "demo"]),
    after_help = "Example:\n  semper init --data /var/lib/semper --config /etc/semper/semper.toml"
)]
pub(crate) struct Init {
    /// The data folder to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The configuration that states who this service is.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Use test values and believe the machine's clock: for a trial, never for evidence.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Take the clock as it is, though the kernel does not vouch for it: the first entries are bound by it for good.
    #[arg(long)]
    pub(crate) believe_clock: bool,
}

/// Run the server.
///
/// Prints one line `listening http=HOST:PORT admin=HOST:PORT https=HOST:PORT` when it is ready, without the last where it has
/// no certificate for HTTPS. SIGTERM and SIGINT end it after every
/// accepted request has its answer.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper serve --data /var/lib/semper --config /etc/semper/semper.toml")]
pub(crate) struct Serve {
    /// The data folder that `semper init` made.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Settings; without it, the copy that `semper init` made in the data folder (semper.toml).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen here for plain HTTP instead; port 0 lets the system choose.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// Listen here for HTTPS instead; port 0 lets the system choose.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) https: Option<SocketAddr>,
    /// Listen here for metrics and health instead; port 0 lets the system choose.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) admin: Option<SocketAddr>,
    /// Check settings, keys, certificates and ledger, say whether it would be ready now, and stop: with exit code 1 if it would
    /// not.
    #[arg(long)]
    pub(crate) check: bool,
}
