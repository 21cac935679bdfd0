//! Watching other people's logs.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

/// Run a witness: cosign checkpoints of logs (C2SP tlog-witness), so that nobody can be shown two histories.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper witness serve --data /var/lib/semper-witness")]
pub(crate) struct Witness {
    #[command(subcommand)]
    pub(crate) command: WitnessCommand,
}

/// What a witness can be told.
#[derive(Debug, Subcommand)]
pub(crate) enum WitnessCommand {
    Init(WitnessInit),
    Serve(WitnessServe),
}

/// Make a new witness: a key with a name, and a list of logs.
///
/// The folder must be empty or missing; nothing is ever overwritten. The passphrase that protects the key comes from a file
/// or the environment, as the configuration says.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["config", "demo"]),
    after_help = "Example:\n  semper witness init --data w --config witness.toml --name witness.example.org/w1"
)]
pub(crate) struct WitnessInit {
    /// The data folder to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The name that its cosignatures bear, for good: an address without a scheme, which need not exist.
    #[arg(long, value_name = "NAME", required_unless_present = "demo")]
    pub(crate) name: Option<String>,
    /// The key of a log to cosign; may be given more than once. More can be added to the folder's list later.
    #[arg(long = "log", value_name = "VKEY")]
    pub(crate) logs: Vec<String>,
    /// The settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Use test values and believe the machine's clock: for a trial.
    #[arg(long)]
    pub(crate) demo: bool,
}

/// Run the witness.
///
/// Prints one line `listening http=HOST:PORT admin=HOST:PORT` when it is ready. SIGTERM and SIGINT end it after every
/// accepted request has its answer.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper witness serve --data /var/lib/semper-witness")]
pub(crate) struct WitnessServe {
    /// The data folder that `semper witness init` made.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Settings; without it, the copy in the data folder (witness.toml).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen here for plain HTTP instead; port 0 lets the system choose.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// Listen here for metrics and health instead; port 0 lets the system choose.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) admin: Option<SocketAddr>,
}
