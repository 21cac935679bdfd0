//! What is done to a data folder while no server runs on it.

use std::path::PathBuf;

use clap::Args;

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

/// Write the public half of a ledger as a folder that any web server can serve as a log (C2SP tlog-tiles).
///
/// Checkpoint, tiles and entries; no facts, no artefacts, no keys. Every byte is checked against the signed root on its
/// way out. A second export into the same folder writes only what is new. What stands in the folder and contradicts this
/// ledger is left as it is, named, and ends the export with exit code 1. The server must not be running on the data
/// folder.
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
}
