//! Watching other people's logs.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use semper_ttp::evidence::Kind;

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

/// Follow a log and hold it to what it signed (C2SP tlog-tiles: a ledger of ours, or anybody's).
///
/// Reads every entry and tile under each new checkpoint and recomputes its root. Ends with exit code 1, and with a proof of
/// misbehaviour for `semper verify` in STATE/evidence, when the log forks; and in a ledger of ours, when one thing is recorded
/// twice, a time falls, or an entry is none. A log that is rolled back is reported, and followed on when it is in order
/// again. What is in STATE makes it go on where it stopped; it is worth what it remembers, so keep it. SIGTERM and SIGINT
/// end it with exit code 0.
///
/// Lists of digests are text: 64 hexadecimal digits a line, and behind a space whatever names them, as sha256sum prints it. They
/// are read again when they change, and compared with every entry, those that were read before, too.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper monitor https://tsa.example.org/ledger --vkey ledger.vkey --state monitor")]
pub(crate) struct Monitor {
    /// The log's prefix: what stands before /checkpoint. Also a server of ours, or a folder with the same paths.
    #[arg(value_name = "URL")]
    pub(crate) log: String,
    /// The log's public key, as in ledger.vkey.
    #[arg(long, value_name = "FILE")]
    pub(crate) vkey: PathBuf,
    /// The folder with the monitor's memory; made if it is missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// One round only: exit code 0 if all is well, 1 if the log is convicted or was rolled back, or an entry is unknown or
    /// watched for, 2 if it could not be told.
    #[arg(long)]
    pub(crate) once: bool,
    /// From the end of one round to the next, seconds.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) interval_secs: u32,
    /// Witnesses whose quorum must have cosigned each checkpoint (C2SP tlog-policy); alert when it has not.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Alert when an entry has one of the digests in this list; it stands as long as the list has it.
    #[arg(long, value_name = "FILE")]
    pub(crate) watch: Option<PathBuf>,
    /// Alert when an entry has none of the digests in this list: somebody else used the key. It stands until the list has it.
    #[arg(long, value_name = "FILE")]
    pub(crate) known: Option<PathBuf>,
    /// Only entries of this kind must be known, such as timestamp.token; may be given more than once. Without it all but
    /// those of the roles ledger and ops.
    #[arg(long, value_name = "KIND", requires = "known", value_parser = kind)]
    pub(crate) known_kind: Vec<Kind>,
    /// How long an entry may stand in the log before it is in the list of known ones, seconds; with --once, 0.
    #[arg(long, value_name = "N", default_value_t = 60, requires = "known")]
    pub(crate) grace_secs: u32,
    /// Timestamp tokens that a ledger of ours must have recorded: a token, or a folder with .tst and .tsr files in it; may be given
    /// more than once. One that is not there when its time is over convicts the ledger; a file that is none of the service's is
    /// passed over.
    #[arg(long, value_name = "PATH", requires = "trust")]
    pub(crate) expect: Vec<PathBuf>,
    /// The trust anchors by which those tokens are judged, as for semper verify.
    #[arg(long, value_name = "DIR", requires = "expect")]
    pub(crate) trust: Option<PathBuf>,
    /// How long an older checkpoint may be shown, as caches do, before that is a rollback, seconds.
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(crate) rollback_secs: u32,
    /// After a conviction stay, so that the metrics show it, and end with exit code 1 when told to.
    #[arg(long, requires = "admin", conflicts_with = "once")]
    pub(crate) stay: bool,
    /// Listen here for metrics and health; port 0 lets the system choose.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "once")]
    pub(crate) admin: Option<SocketAddr>,
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::from_name(text).ok_or_else(|| {
        let names: Vec<_> = Kind::all().map(|kind| kind.to_string()).collect();
        format!("not one of {}", names.join(", "))
    })
}
