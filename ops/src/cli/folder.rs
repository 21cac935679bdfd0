//! What is done to a data folder while no server runs on it.

use std::path::PathBuf;

use chrono::DateTime;
use clap::{Args, Subcommand};
use semper_ttp::evidence::KeyId;
use semper_ttp::time::Timestamp;

/// Check a data folder: every tile, root, time, tag and the newest checkpoint, from the entries up.
///
/// The server must not be running on it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper fsck --data /var/lib/semper --full")]
pub(crate) struct Fsck {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Settings, for the place of the anchor; without it, the copy that `semper init` made in the data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Also indexes, artefacts and folded state.
    #[arg(long)]
    pub(crate) full: bool,
}

/// Decide again whatever can be decided again, and compare it with the ledger.
///
/// Every fact is folded; each whose event can be had is decided anew by the rules of this program and the settings given, and
/// must come out the same to the byte: tokens, revocation lists, certificates, genesis, keys. All others are counted as "not
/// re-decided" with the reason. Ends with 0 (nothing differs), 1 (something does), 2 (something is missing or does not read).
/// The server must not be running on the folder.
#[derive(Debug, Args)]
#[command(
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  semper audit --data /var/lib/semper/data --evidence evidence\n  \
                  semper audit --data /var/lib/semper/data --tokens --unit tsu-ec.1 \
                  --from 2026-03-01T00:00:00Z --to 2026-03-02T00:00:00Z"
)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) part: Option<AuditPart>,
    #[command(flatten)]
    pub(crate) all: Option<AuditAll>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditPart {
    Ca(AuditCa),
}

/// List every certificate that the ledger has, and whichever is missing or contradicts its profile.
///
/// One line each: entry, issuer, serial number, profile, end, status and the certificate's SHA-256; whose it is, is not told. Each
/// certificate is compared with its fact, verified, and linted again by the profile that was in force; each that lies in the data
/// folder must be in the ledger. Ends with 0 (all are in order), 1 (one is not), 2 (one is not there to be judged). With --json one
/// JSON object a line, the sums last. The server must not be running on the folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper audit ca --data /var/lib/semper/data")]
pub(crate) struct AuditCa {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Settings, for the place of the anchor; without it, the copy that `semper init` made in the data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What an audit of everything is told.
#[derive(Debug, Args)]
pub(crate) struct AuditAll {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The settings to decide by, those that were in force; without it, the copy that `semper init` made in the data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Write a proof of misbehaviour (.pom.json, for `semper verify`) of each difference that an outsider can be shown into
    /// this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "tokens")]
    pub(crate) evidence: Option<PathBuf>,
    /// Instead of auditing, list the tokens that were issued: index, time, serial number, unit, policy, clock, imprint. With
    /// --json one JSON object a line.
    #[arg(long)]
    pub(crate) tokens: bool,
    /// Only tokens of this unit, such as tsu-ec.1.
    #[arg(long, value_name = "KEY", requires = "tokens")]
    pub(crate) unit: Option<KeyId>,
    /// Only tokens of this time (RFC 3339) and later.
    #[arg(long, value_name = "TIME", value_parser = rfc3339, requires = "tokens")]
    pub(crate) from: Option<Timestamp>,
    /// Only tokens before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = rfc3339, requires = "tokens")]
    pub(crate) to: Option<Timestamp>,
}

/// A moment on the command line.
pub(super) fn rfc3339(text: &str) -> Result<Timestamp, String> {
    let time = DateTime::parse_from_rfc3339(text).ok().and_then(|time| Timestamp::from_chrono(&time));
    time.ok_or_else(|| "must be a time such as 2026-03-01T12:00:00Z".to_owned())
}

/// Write the public half of a ledger as a folder that any web server can serve as a log (C2SP tlog-tiles).
///
/// Checkpoint, tiles and entries; no facts, no artefacts, no keys. Every byte is checked against the signed root on its
/// way out. A second export into the same folder writes only what is new. What stands in the folder and contradicts this
/// ledger is left as it is, named, and ends the export with exit code 1, as does evidence against it. The server must not be
/// running on the data folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper export --data /var/lib/semper/data --out /srv/www/ledger")]
pub(crate) struct Export {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The folder to write into; made if it is missing. Not inside the data folder, nor around it: a web server on it
    /// would serve the keys.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Settings, for the place of the anchor; without it, the copy that `semper init` made in the data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Export although what lies in the data folder's `evidence/` convicts this ledger: for a folder that is kept as evidence, and
    /// not for a web server.
    #[arg(long)]
    pub(crate) as_evidence: bool,
}

/// Write the practice statement (CPS, RFC 3647) and the disclosure statement (PDS, EN 319 411-1) of a service.
///
/// Made from the settings and files of the data folder, so that they say what is on and what is not; a running server serves the same
/// at /.well-known/semper/cps and /.well-known/semper/pds.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper statements --data /var/lib/semper/data --out statements")]
pub(crate) struct Statements {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Settings; without it, the copy that `semper init` made in the data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Write cps.md and pds.md into this folder; without it, to standard output.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
