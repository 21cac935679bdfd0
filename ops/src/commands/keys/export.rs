//! `semper keys export`: the root's key leaves the data folder.
//!
//! The order, and what a crash leaves: the copy is written and synced; the ledger tells that the key was carried away; the key file
//! goes. Before the entry nothing has changed but for a second copy; after it, running the command again finishes.

use std::sync::Arc;

use semper_ledger::ledger::{Ledger, Parts};
use semper_ledger::sequencer::{Commit, Draft};
use semper_ttp::ca::offline::ACT_KEY_CARRIED_AWAY;
use semper_ttp::crypto::{Entropy as _, LogVerifier, OsEntropy, Signer as _};
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Aggregate, Envelope, Fact, KeyId, KeyPurpose, OpsFact, Recorded};
use semper_ttp::time::Timestamp;
use serde_json::json;

use super::write;
use crate::cli;
use crate::clock::{Kernel, Readings as _, SystemReadings};
use crate::commands::init::{FirstClock, judge_clock};
use crate::commands::running::Failed;
use crate::commands::say;
use crate::data::{
    Custody, DataError, DataFolder, keep_promises, policy_hash, read_closed, read_genesis, sequencer_settings,
    sync_folder,
};
use crate::exit::Exit;

pub(super) fn run(args: &cli::KeysExport, as_json: bool) -> Result<(), Failed> {
    if args.key != KeyPurpose::CaRoot {
        return Err(Failed::usage(&"only ca-root is carried away: the server signs with all others"));
    }
    let folder = DataFolder::open(&args.data)?;
    if let Some(mark) = folder.read_only()? {
        return Err(Failed::usage(&format!("{} is for reading only: {mark}", args.data.display())));
    }
    let mut config = folder.config(args.config.as_deref())?;
    config.verify().map_err(|error| Failed::usage(&error))?;
    let id = KeyId::new(KeyPurpose::CaRoot, 1);
    let file = folder.key_file(id);
    if !file.exists() {
        return Err(Failed::usage(&format!(
            "there is no {}: the key was carried away, or lies in a token",
            file.display()
        )));
    }
    judge_clock(&config, &mut Kernel)
        .map_err(|why| Failed(Exit::Busy, format!("the kernel does not vouch for the clock ({why})")))?;
    // Locks the folder, and judges all of it first.
    let custody = Custody::new(&folder, &config.keys)?;
    let loaded = folder.load_judged(&config, &custody, |_| Ok(()))?;
    let genesis = read_genesis(&*loaded.store).map_err(|fault| Failed::fault(&fault))?;
    keep_promises(&mut config, &genesis)?;
    let public_key = Digest::of(custody.open_soft(id)?.spki_der());

    write(&args.to, &read_closed(&file)?)?;
    close(&args.to)?;

    let readings = Arc::new(SystemReadings::new());
    let now = Timestamp::from_millis(readings.read().wall_ms());
    let ledger = Ledger::open(Parts {
        store: loaded.store,
        anchor: loaded.anchor,
        journal: Arc::new(folder.journal(&config.ledger, &loaded.identity.origin)),
        keys: loaded.log_keys,
        verifier: Arc::new(LogVerifier),
        clock: Arc::new(FirstClock(readings)),
        observer: Arc::new(()),
        settings: sequencer_settings(&config.ledger),
        tile_cache_bytes: 0,
    })?;
    let history = Aggregate::of_key(id);
    let facts = ledger.reader().facts_of(&history.0, 0).map_err(|fault| Failed::fault(&fault))?;
    let act = OpsFact::OperatorAct { act: ACT_KEY_CARRIED_AWAY, subject: public_key };
    let is_told =
        |fact: &Vec<u8>| Fact::decode(fact).and_then(|fact| OpsFact::from_fact(&fact)).is_ok_and(|fact| fact == act);
    if !facts.iter().any(is_told) {
        let mut salt = [0; 16];
        OsEntropy.fill(&mut salt).map_err(|fault| Failed::fault(&fault))?;
        let (policy_hash, event_digest) = (policy_hash(&config), Digest::of(b""));
        let seq = facts.len() as u64;
        let fact = act.clone().into_fact(&Envelope { aggregate: history, seq, now, salt, policy_hash, event_digest });
        let draft = Draft::of_fact(fact.kind.role().code(), fact.kind.code(), fact.encode());
        let draft = Draft { step: Some((history.0, seq)), ..draft };
        ledger.append(Commit::one(now.millis(), draft)).map_err(|refused| Failed::fault(&refused))?;
    }
    drop(ledger);

    std::fs::remove_file(&file).map_err(|error| DataError::Io { action: "remove", path: file.clone(), error })?;
    sync_folder(&folder.path("keys"))?;
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

/// For its owner alone.
fn close(path: &std::path::Path) -> Result<(), Failed> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| Failed::usage(&format!("cannot close {}: {error}", path.display())))
}
