//! The anchor of a data folder.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Mend the anchor of a data folder: the newest checkpoint, kept apart from the store.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper anchor remake --data /var/lib/semper/data --config /etc/semper/semper.toml")]
pub(crate) struct Anchor {
    #[command(subcommand)]
    pub(crate) command: AnchorCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AnchorCommand {
    Remake(AnchorRemake),
}

/// Make a new anchor for a lost one, where the data folder is whole.
///
/// Asks every witness of the settings, and whatever --compare-with names, for a newer state of the ledger; any refuses it. Checks
/// every entry, fact and artefact. Then the new anchor becomes an entry of the ledger, for everybody to see, and the service can
/// start. The server must not be running.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper anchor remake --data /var/lib/semper/data --config /etc/semper/semper.toml")]
pub(crate) struct AnchorRemake {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The server's settings, for the anchor's place and the witnesses; without it, the copy that `semper init` made in the data
    /// folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The passphrase of the key files, in place of what the settings name.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// A copy of the public ledger that may know more: a mirror, an export. May be given several times.
    #[arg(long, value_name = "URL|DIR")]
    pub(crate) compare_with: Vec<String>,
    /// Go on although the witnesses are no quorum, or there are none. Nobody then knows whether this is the newest state; if it is
    /// not, going on forks the ledger, which convicts this service and cannot be taken back.
    #[arg(long)]
    pub(crate) unwitnessed: bool,
}
