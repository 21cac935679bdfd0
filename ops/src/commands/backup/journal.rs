//! `semper backup journal`: ships the erasure journal by itself.

use std::fs;

use semper_ledger::disk;
use semper_ledger::erasure::{self, Journal as _, Line, heading};
use serde_json::json;

use crate::cli;
use crate::commands::running::Failed;
use crate::commands::say;
use crate::data::DataFolder;
use crate::exit::Exit;

/// Runs the command. Nothing is locked: a line that is just being written is cut here, and nobody was answered for it yet.
pub(super) fn run(args: &cli::BackupJournal, as_json: bool) -> Result<Exit, Failed> {
    let parent = args.to.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        let why = format!("--to: there is no folder {}: is its volume mounted?", parent.display());
        return Err(Failed::usage(&why));
    }
    let folder = DataFolder::open(&args.data)?;
    let config = folder.config(args.config.as_deref())?;
    let origin = folder.identity()?.origin;
    let journal = folder.journal(&config.ledger, &origin);
    // Where its volume is not mounted there would seem to be no journal.
    let anchor = folder.anchor_file(&config.ledger);
    if !anchor.exists() {
        let why = format!(
            "there is no anchor at {}, beside which the journal lies: is its volume mounted?",
            anchor.display()
        );
        return Err(Failed(Exit::Undecided, why));
    }
    let lines = journal.load().map_err(|error| Failed(Exit::Falsified, error.to_string()))?;
    let refused = |why: String| Failed(Exit::Falsified, format!("{}: {why}; it was left as it is", args.to.display()));
    let earlier = match fs::read(&args.to) {
        Ok(bytes) => erasure::parse(&bytes, &origin).map_err(|bad| refused(bad.to_string()))?.0,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Failed::fault(&format!("cannot read {}: {error}", args.to.display()))),
    };
    if !lines.starts_with(&earlier) {
        let why = format!(
            "it holds {} erasures, and the journal of this service {}, which do not begin with them: an older journal was put back",
            earlier.len(),
            lines.len()
        );
        return Err(refused(why));
    }
    let text: String = std::iter::once(heading(&origin)).chain(lines.iter().map(Line::encode)).collect();
    disk::replace(&args.to, text.as_bytes()).map_err(|fault| Failed::fault(&fault))?;
    match fs::read(&args.to) {
        Ok(bytes) if bytes == text.as_bytes() => {}
        _ => return Err(Failed::fault(&format!("{} was written and reads otherwise", args.to.display()))),
    }
    let more = lines.len() - earlier.len();
    if as_json {
        say::json(&json!({ "to": args.to, "erasures": lines.len(), "new": more }));
    } else {
        say::out(format!("{} erasures in {}, {more} of them new", lines.len(), args.to.display()));
    }
    Ok(Exit::Ok)
}
