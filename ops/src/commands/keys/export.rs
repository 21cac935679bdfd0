//! `semper keys export`: the root's key leaves the data folder.
//!
//! The order, and what a crash leaves: the copy is written and synced; the ledger tells that the key was carried away; the key file
//! goes. Before the entry nothing has changed but for a second copy; after it, running the command again finishes.

use std::ops::ControlFlow;

use semper_api::draft;
use semper_ledger::reader::Reader;
use semper_ledger::sequencer::Commit;
use semper_ledger::store::Fault;
use semper_ttp::ca::offline::ACT_KEY_CARRIED_AWAY;
use semper_ttp::ca::{Authority, CaId, ListId, crl};
use semper_ttp::crypto::Signer as _;
use semper_ttp::digest::Digest;
use semper_ttp::evidence::names::RevokedName;
use semper_ttp::evidence::{Aggregate, Fact, KeyId, KeyPurpose, OpsFact, Recorded as _, names};
use semper_ttp::time::Timestamp;
use serde_json::json;

use super::stopped::Stopped;
use super::write;
use crate::cli;
use crate::commands::running::Failed;
use crate::commands::say;
use crate::data::{DataError, DataFolder, read_closed, sync_folder};

pub(super) fn run(args: &cli::KeysExport, as_json: bool) -> Result<(), Failed> {
    if args.key != KeyPurpose::CaRoot {
        return Err(Failed::usage(&"only ca-root is carried away: the server signs with all others"));
    }
    let id = KeyId::new(KeyPurpose::CaRoot, 1);
    let file = DataFolder::open(&args.data)?.key_file(id);
    if !file.exists() {
        return Err(Failed::usage(&format!(
            "there is no {}: the key was carried away, or lies in a token",
            file.display()
        )));
    }
    // A medium that is not mounted must not become a folder on this machine's own disk.
    if let Some(folder) = args.to.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(Failed::usage(&format!("--to: there is no folder {}", folder.display())));
    }
    let stopped = Stopped::open(&args.data, args.config.as_deref())?;
    let public_key = Digest::of(stopped.custody.open_soft(id)?.spki_der());

    require_listed(stopped.reader(), stopped.now())?;
    write(&args.to, &read_closed(&file)?)?;
    close(&args.to)?;

    let history = Aggregate::of_key(id);
    let facts = stopped.reader().facts_of(&history.0, 0).map_err(|fault| Failed::fault(&fault))?;
    let act = OpsFact::OperatorAct { act: ACT_KEY_CARRIED_AWAY, subject: public_key };
    let is_told =
        |fact: &Vec<u8>| Fact::decode(fact).and_then(|fact| OpsFact::from_fact(&fact)).is_ok_and(|fact| fact == act);
    if !facts.iter().any(is_told) {
        let now = stopped.now();
        let fact = stopped.fact(act.clone(), (history, facts.len() as u64), Digest::of(b""), now)?;
        stopped.append(Commit::one(now.millis(), draft(&fact, None)))?;
    }
    let keys = stopped.folder.path("keys");
    drop(stopped);

    std::fs::remove_file(&file).map_err(|error| DataError::Io { action: "remove", path: file.clone(), error })?;
    sync_folder(&keys)?;
    match as_json {
        true => {
            say::json(&json!({ "key": id.to_string(), "file": args.to, "public_key_sha256": public_key.to_string() }))
        }
        false => say::out(format!(
            "{}: the root's key, encrypted under the passphrase of the key files. It is no longer in {}, and the ledger tells so.\n\
             Backups that were made before still hold it. Its list is good for 60 days at the most: semper keys request ca-root",
            args.to.display(),
            args.data.display()
        )),
    }
    Ok(())
}

/// The root's list names every CA that was revoked: once its key is gone, the next list has to be carried.
fn require_listed(reader: &Reader, now: Timestamp) -> Result<(), Failed> {
    let list = ListId { ca: CaId::first(Authority::Root), partition: 0 };
    let fault = |fault: Fault| Failed::fault(&fault);
    let last = reader.last_step(&list.aggregate().0).map_err(fault)?.map(|(_, index)| reader.artefact(index));
    let listed = last.transpose().map_err(fault)?.flatten().and_then(|der| crl::named(&der)).unwrap_or_default();
    let mut is_behind = false;
    let seen = reader.names::<Fault>(&names::revoked(list), |name, _| {
        // Those that have expired need not be named any more.
        let is_missing = |one: RevokedName| one.not_after >= now && !listed.serials.contains(&one.serial);
        is_behind |= names::read_revoked(name).is_some_and(is_missing);
        Ok(ControlFlow::Continue(()))
    });
    seen.map_err(fault)?;
    if !is_behind {
        return Ok(());
    }
    let why =
        "a CA was revoked, and the root's list does not name it yet: start the server first, which makes that list";
    Err(Failed::usage(&why))
}

/// For its owner alone.
fn close(path: &std::path::Path) -> Result<(), Failed> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| Failed::usage(&format!("cannot close {}: {error}", path.display())))
}
