//! Backups and what is made of them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Copy a service to another place, encrypted, while it serves.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper backup list --from /mnt/backup")]
pub(crate) struct Backup {
    #[command(subcommand)]
    pub(crate) command: BackupCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    Run(BackupRun),
    Verify(BackupVerify),
    List(BackupList),
    Journal(BackupJournal),
    Keygen(BackupKeygen),
}

/// Make a backup; what an earlier one has stored is not stored again.
///
/// Goes on while the server serves: its admin listener makes a copy of the store that costs no copying, and this process reads
/// it. Everything is encrypted to recipients whose identities are kept elsewhere: this machine cannot read its own backups.
/// Never in it: the anchor, the erasure journal (`semper backup journal` ships that one), any passphrase.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper backup run --data /var/lib/semper/data --to /mnt/backup --recipient backup.recipient")]
pub(crate) struct BackupRun {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The folder to write into; made if it is missing. On another machine, or on its way there.
    #[arg(long, value_name = "DEST")]
    pub(crate) to: PathBuf,
    /// Who can read it: age1…, or a file of such lines. May be given several times; each reads alone.
    #[arg(long, value_name = "AGE1…|FILE", required = true)]
    pub(crate) recipient: Vec<String>,
    /// The server's settings; without it, the copy that `semper init` made in the data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The passphrase of the key files, which seals the backup, in place of what the settings name.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// The server's admin listener, in place of that of the settings.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) admin: Option<SocketAddr>,
    /// Read again everything that earlier backups stored and this one relies on.
    #[arg(long)]
    pub(crate) thorough: bool,
    /// At most so many bytes a second, read as well as written, such as 20M (K, M, G: powers of 1024); 0 is without a bound.
    /// Without this option 64M while a server runs, else without a bound.
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    pub(crate) rate: Option<u64>,
}

fn rate(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.char_indices().next_back() {
        Some((at, 'K')) => (&text[..at], 10),
        Some((at, 'M')) => (&text[..at], 20),
        Some((at, 'G')) => (&text[..at], 30),
        _ => (text, 0),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    number.ok_or_else(|| "must be a number, with K, M or G behind it or nothing".to_owned())
}

/// Check a backup down to every entry: for the machine that holds the identity.
///
/// Decrypts every file, compares it with the manifest, opens the store and checks it as `semper fsck --full` does. Whether it
/// is the newest, no backup can say: that is what anchor and witnesses are for, when it is restored.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper backup verify --from /mnt/backup --identity /media/key/backup.identity")]
pub(crate) struct BackupVerify {
    /// The folder of the backups.
    #[arg(long, value_name = "DEST")]
    pub(crate) from: PathBuf,
    /// The age identity that it was encrypted to.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: PathBuf,
    /// Which backup, as `semper backup list` names it; without it, the newest.
    #[arg(long, value_name = "ID")]
    pub(crate) backup: Option<String>,
    /// The passphrase of the service's key files: with it the manifest's seal is checked, too, which says that the service
    /// itself made this backup.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Where to decrypt to; it needs the room of the whole store, and is emptied again. Without it, the folder of temporary
    /// files.
    #[arg(long, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,
}

/// List the backups in a folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper backup list --from /mnt/backup --json")]
pub(crate) struct BackupList {
    /// The folder of the backups.
    #[arg(long, value_name = "DEST")]
    pub(crate) from: PathBuf,
}

/// Ship the erasure journal: which objects were erased, by ids alone.
///
/// It must never be older than any backup that may be restored, so ship it often, and to where it is not lost with the
/// machine. Goes on while the server serves.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper backup journal --data /var/lib/semper/data --to /mnt/journal/erasures")]
pub(crate) struct BackupJournal {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The file to write. A longer journal of this ledger takes the place of a shorter one; anything else there is refused.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
    /// Settings, for the place of the anchor, beside which the journal lies.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Make an identity for backups, on a machine that is not the server.
///
/// Writes it into a file that must not exist, and prints the recipient that the server needs. `age-keygen` makes the same.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper backup keygen --to /media/key/backup.identity")]
pub(crate) struct BackupKeygen {
    /// The file to write, for its owner alone.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
}

/// Make a data folder from a backup, without ever forking the ledger's history.
///
/// What the anchor, or without one the witnesses, know is compared with the backup. One that reaches the newest known
/// checkpoint goes on; an older one is refused, unless it is completed from a copy of the public ledger or opened for reading
/// only. Nothing that exists is overwritten: move an old data folder away first.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper restore --from /mnt/backup --identity id --data /var/lib/semper/data --config semper.toml")]
pub(crate) struct Restore {
    /// The folder of the backups.
    #[arg(long, value_name = "DEST")]
    pub(crate) from: PathBuf,
    /// The age identity that it was encrypted to.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: PathBuf,
    /// The data folder to make; it must be empty or missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Which backup, as `semper backup list` names it; without it, the newest.
    #[arg(long, value_name = "ID")]
    pub(crate) backup: Option<String>,
    /// Settings, for the anchor and the witnesses; without it, those with which the server ran, out of the backup.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The passphrase of the key files. Without it, where the settings of --config have it; without these, the environment variable
    /// SEMPER_PASSPHRASE. What the backup says of it is never asked: the passphrase proves whose backup it is.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// The newest erasure journal: what was erased stays erased. Without it, the one beside the anchor; needed where the backup is
    /// older and stays so, and where the anchor is made anew.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// There is no journal, because nothing was ever erased; refused if the ledger says otherwise.
    #[arg(long, conflicts_with = "journal")]
    pub(crate) no_erasures: bool,
    /// The anchor that is at hand, such as that of the folder moved away. The one where the settings have it is asked, too, and the larger
    /// counts.
    #[arg(long, value_name = "FILE", conflicts_with = "new_anchor")]
    pub(crate) anchor: Option<PathBuf>,
    /// The anchor is lost: ask the witnesses, and make a new one. Becomes an entry of the ledger.
    #[arg(long)]
    pub(crate) new_anchor: bool,
    /// With --new-anchor: go on although the witnesses are no quorum, or there are none. Nobody then knows whether this is the
    /// newest state; if it is not, going on forks the ledger.
    #[arg(long, requires = "new_anchor")]
    pub(crate) unwitnessed: bool,
    /// Where the public entries are that the backup lacks: a mirror, a static export, any tlog-tiles log of this origin.
    #[arg(long, value_name = "URL|DIR", conflicts_with = "read_only")]
    pub(crate) complete_from: Option<String>,
    /// If the backup is older than what is known, open it for reading only.
    #[arg(long)]
    pub(crate) read_only: bool,
}
