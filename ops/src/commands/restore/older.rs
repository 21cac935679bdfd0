//! What to do with a backup that is older than what is known, said to somebody who is tired: how much is missing, why that is
//! usual, and each way on as a command line.

use std::path::{Path, PathBuf};

use semper_ttp::time::Timestamp;

use super::at_hand::AtHand;
use super::erasures::Journal;
use super::known::Known;
use crate::cli;
use crate::commands::backup::Backup;
use crate::commands::running::Failed;
use crate::exit::Exit;

/// The refusal.
pub(super) fn refused(
    args: &cli::Restore,
    backup: &Backup,
    settings: Option<&Path>,
    anchor: Option<&AtHand>,
    journal: &Journal,
    known: &Known,
    last_ms: u64,
) -> Failed {
    let (size, newest) = (backup.manifest().size, &known.newest);
    let moment = |ms: u64| Timestamp::from_millis(ms).to_string();
    let until = newest.time_ms.map(|ms| format!(", the last of {}", moment(ms))).unwrap_or_default();
    // The anchor of a whole data folder: perhaps that still reads.
    let folder = anchor.and_then(|at_hand| at_hand.path.parent()).filter(|path| path.join("identity.json").is_file());
    let old = folder.map_or_else(|| "OLD-FOLDER".to_owned(), |path| path.display().to_string());
    let recipients: String = backup.recipients().iter().map(|recipient| format!(" --recipient {recipient}")).collect();
    // Those of the backup lie in a folder that goes with this refusal.
    let config = match (&args.config, settings) {
        (Some(file), _) => format!(" --config {}", file.display()),
        (None, Some(_)) => " --config SETTINGS-OF-THE-SERVER".to_owned(),
        (None, None) => String::new(),
    };
    let again = again(args);
    // Without an anchor the completed ledger does not know either what was erased.
    let wanted = if journal.known { "" } else { " --journal FILE|--no-erasures" };
    let (to_complete, to_read) = (if anchor.is_some() { "" } else { wanted }, wanted);
    Failed(
        Exit::Falsified,
        format!(
            "the backup is older than the ledger was: it has {size} entries, the last of {}, and {} knows {}{until}, so {} would be \
             lost, and going on from here would fork the log. (Each stop, each hour and each request adds entries: a backup that \
             was made while the server ran lacks at least the last ones.) Nothing was changed. Choose the first that can be had:\n\
             1. a newer backup. If the old data folder still reads, back it up once more, without a server, and restore that:\n\
             \x20  semper backup run --data {old}{config} --to {}{recipients}\n\
             2. the public entries, from a mirror, an export, or a server that still shows them. The ledger is whole then and goes \
             on; what these {} entries were about (tokens) is lost here, and stays with whoever holds it:\n\
             \x20  {again}{to_complete} --complete-from URL|DIR\n\
             3. neither: for reading only. Nothing more is signed, and a new origin must follow:\n\
             \x20  {again}{to_read} --read-only",
            moment(last_ms),
            newest.by,
            newest.size,
            newest.size - size,
            args.from.display(),
            newest.size - size,
        ),
    )
}

/// The command line as it was given.
fn again(args: &cli::Restore) -> String {
    let mut words = vec!["semper restore".to_owned()];
    let mut path = |name: &str, path: Option<&PathBuf>| {
        words.extend(path.map(|path| format!("{name} {}", path.display())));
    };
    path("--from", Some(&args.from));
    path("--identity", Some(&args.identity));
    path("--data", Some(&args.data));
    path("--config", args.config.as_ref());
    path("--passphrase-file", args.passphrase_file.as_ref());
    path("--journal", args.journal.as_ref());
    path("--anchor", args.anchor.as_ref());
    words.extend(args.backup.as_ref().map(|id| format!("--backup {id}")));
    for (name, given) in
        [("--no-erasures", args.no_erasures), ("--new-anchor", args.new_anchor), ("--unwitnessed", args.unwitnessed)]
    {
        words.extend(given.then(|| name.to_owned()));
    }
    words.join(" ")
}
