//! `semper backup`: a service, copied to another place while it serves, encrypted to somebody who is not there.
//!
//! | file | what |
//! |---|---|
//! | `take` | one backup, from the copy of the store to its publishing |
//! | `copy` | the copy: by the server, or by us where none runs |
//! | `place` | the folder of backups, and the order of writes into it |
//! | `manifest` | what a backup consists of, and the seal that says who made it |
//! | `index` | what was stored before, so that it is stored once |
//! | `sealed` | encrypting and hashing |
//! | `pace` | how fast, beside a server |
//! | `unpack` | the way back, for `verify` and for `semper restore` |
//! | `check` | `verify` and `list` |
//! | `journal` | the erasure journal, which goes its own way |
//!
//! **Never in a backup:** the anchor and the erasure journal, which must not be set back together with the store; locks; any
//! passphrase, wherever it lies.

mod check;
mod copy;
mod index;
mod journal;
mod manifest;
mod pace;
mod place;
mod sealed;
mod take;
mod unpack;

pub(in crate::commands) use manifest::{Manifest, SETTINGS_IN_USE, WITNESS_POLICY};
use semper_ttp::crypto::OsEntropy;
use semper_ttp::crypto::age::Identity;
use serde_json::json;
pub(in crate::commands) use unpack::Backup;

use super::running::Failed;
use super::say;
use crate::cli::{self, BackupCommand};
use crate::data::{sync_folder, write_new};
use crate::exit::Exit;

/// Runs the command.
pub(crate) fn run(args: cli::Backup, json: bool) -> Exit {
    let done = match &args.command {
        BackupCommand::Run(args) => take::run(args, json),
        BackupCommand::Verify(args) => check::run(args, json),
        BackupCommand::List(args) => check::list(args, json),
        BackupCommand::Journal(args) => journal::run(args, json),
        BackupCommand::Keygen(args) => keygen(args, json),
    };
    done.unwrap_or_else(|Failed(exit, sentence)| {
        say::trouble(json, format_args!("backup: {sentence}"));
        exit
    })
}

fn keygen(args: &cli::BackupKeygen, as_json: bool) -> Result<Exit, Failed> {
    let make = || Identity::generate(&OsEntropy).and_then(|identity| Ok((identity.recipient()?, identity)));
    let (recipient, identity) = make().map_err(|fault| Failed::fault(&fault))?;
    let text = zeroize::Zeroizing::new(format!("# recipient: {recipient}\n{}\n", *identity.expose()));
    let parent = args.to.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        return Err(Failed::usage(&format!("there is no folder {}: is its volume mounted?", parent.display())));
    }
    if args.to.exists() {
        return Err(Failed::usage(&format!("{} is there already, and nothing is ever overwritten", args.to.display())));
    }
    write_new(&args.to, 0o600, text.as_bytes())?;
    sync_folder(parent.unwrap_or(std::path::Path::new(".")))?;
    if as_json {
        say::json(&json!({ "identity": args.to, "recipient": recipient.to_string() }));
    } else {
        say::out(recipient.to_string());
        say::trouble(false, format_args!("{} opens every backup: keep it away from the server", args.to.display()));
    }
    Ok(Exit::Ok)
}
