//! The command around the check: which folder, which exit, which words. What the check finds is the ledger's matter.

use std::fs;
use std::path::PathBuf;

use semper_ledger::store::{Batch, Store, Table, keys};
use semper_ttp::evidence::Genesis;
use tempfile::TempDir;

use super::*;
use crate::data::testing::demonstration;

struct World {
    _dir: TempDir,
    args: Fsck,
}

impl World {
    fn new() -> World {
        let dir = demonstration();
        let args = Fsck { data: dir.path().to_owned(), config: None, full: true };
        World { _dir: dir, args }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.args.data.join(name)
    }

    fn store(&self) -> RocksStore {
        let folder = DataFolder::open(&self.args.data).unwrap();
        RocksStore::open(&folder.path("store"), &rocks_settings(&folder.config(None).unwrap().ledger)).unwrap()
    }

    /// Settings in place of the folder's own.
    fn with(&self, settings: &str) -> Fsck {
        let file = self.path("other.toml");
        fs::write(&file, settings).unwrap();
        Fsck { data: self.args.data.clone(), config: Some(file), full: true }
    }
}

/// The exit as [`run`] gives it, and what is told.
fn told(args: &Fsck) -> (Exit, String) {
    match check(args, true) {
        Ok(checked) => (checked.exit(), as_text(&checked, 0.0)),
        Err(why) => (exit_of(&why), why.to_string()),
    }
}

#[test]
fn a_new_service_is_sound_and_the_scope_is_told() {
    let world = World::new();
    let (exit, text) = told(&world.args);
    assert_eq!(exit, Exit::Ok, "{text}");
    assert!(text.contains(" entries in 1 groups, root ") && text.ends_with("\nsound"), "{text}");
    assert!(text.contains("all signatures"), "{text}");
    let quick = Fsck { full: false, ..world.with("clock.source = \"assumed\"") };
    let (exit, text) = told(&quick);
    assert!(exit == Exit::Ok && text.contains("newest checkpoint, anchor"), "{text}");
    let checked = check(&world.args, true).unwrap();
    let document = as_json(&world.args, &checked, 1.5);
    assert_eq!(
        (&document["verdict"], &document["full"], &document["seconds"]),
        (&"sound".into(), &true.into(), &1.5.into())
    );
    assert_eq!((&document["wrong"], &document["unknown"], &document["findings"]), (&0.into(), &0.into(), &json!([])));
    assert!(document["size"].as_u64().is_some_and(|size| size > 8), "{document}");
}

#[test]
fn what_keeps_the_check_from_beginning_has_its_exit() {
    let world = World::new();
    let missing = Fsck { data: world.path("nowhere"), config: None, full: false };
    assert_eq!(told(&missing).0, Exit::Usage);
    assert_eq!(told(&world.with("nonsense = 1")).0, Exit::Usage);
    let (exit, text) = told(&world.with("service.country = \"SE\""));
    assert!(exit == Exit::Usage && text.contains("service.country"), "{text}");
    // A server that runs holds the anchor.
    let running = FileAnchor::open(&world.path("anchor")).unwrap();
    assert_eq!(told(&world.args).0, Exit::Busy);
    drop(running);
    assert_eq!(told(&world.args).0, Exit::Ok);
    // The log's public key stands in genesis, too: the store is judged, and what is missing is told.
    fs::remove_file(world.path("trust/ledger.vkey")).unwrap();
    let (exit, text) = told(&world.args);
    assert!(exit == Exit::Falsified && text.contains("trust/ledger.vkey: it cannot be read"), "{text}");
    // Who the service is, receipts and all, no entry tells.
    fs::write(world.path("identity.json"), "{}").unwrap();
    assert_eq!(told(&world.args).0, Exit::Undecided);
    fs::write(world.path("INCOMPLETE"), "").unwrap();
    assert_eq!(told(&world.args).0, Exit::Usage);
}

#[test]
fn without_its_anchor_a_sound_store_leaves_something_untold() {
    let world = World::new();
    fs::remove_file(world.path("anchor")).unwrap();
    let (exit, text) = told(&world.args);
    assert_eq!(exit, Exit::Undecided, "{text}");
    assert!(text.contains("  unknown  anchor") && text.contains("nothing is wrong, but 1 could not be told"), "{text}");
}

#[test]
fn a_wrong_row_is_named_and_counted() {
    let world = World::new();
    let store = world.store();
    let mut batch = Batch::default();
    batch.put(Table::Counter, b"tsa-serial", &keys::number(7));
    batch.put(Table::Aggregate, &keys::hash_number(&[7; 32], 0), &keys::number(0));
    store.commit(&batch).unwrap();
    drop(store);
    let (exit, text) = told(&world.args);
    assert_eq!(exit, Exit::Falsified, "{text}");
    assert!(text.contains("  wrong    aggregate") && text.contains("NOT SOUND: "), "{text}");
    let checked = check(&world.args, true).unwrap();
    let document = as_json(&world.args, &checked, 0.0);
    let findings = document["findings"].as_array().unwrap();
    assert_eq!(document["verdict"], "wrong");
    assert!(findings.iter().any(|finding| {
        finding["table"] == "aggregate"
            && finding["grade"] == "wrong"
            && finding["key"] == hex::encode(keys::hash_number(&[7; 32], 0))
    }));
}

#[test]
fn a_database_that_says_that_it_is_damaged_is_wrong() {
    let world = World::new();
    fs::write(world.path("store/CURRENT"), "MANIFEST-999999\n").unwrap();
    let (exit, text) = told(&world.args);
    assert_eq!(exit, Exit::Falsified, "{text}");
    assert!(text.starts_with("damaged: the store does not open: "), "{text}");
    let checked = check(&world.args, true).unwrap();
    assert_eq!(as_json(&world.args, &checked, 0.0)["verdict"], "wrong");
}

/// Decisions are held to the delay that genesis promised, whatever the settings say today.
#[test]
fn the_delay_is_the_recorded_one() {
    let world = World::new();
    let (exit, text) = told(&world.with("clock.source = \"assumed\"\nledger.mmd_ms = 1000"));
    assert_eq!(exit, Exit::Usage, "{text}");
    assert!(text.contains("ledger.mmd_ms is \"1000\"") && text.contains("made for \"5000\""), "{text}");
    assert_eq!(told(&world.with("clock.source = \"assumed\"\nledger.mmd_ms = 5000")).0, Exit::Ok);
    // A genesis that was rewritten is found as such, with the digest that its entry has.
    let store = world.store();
    let genesis = Genesis { mmd_ms: 1, ..read_genesis(&store).unwrap() };
    let mut batch = Batch::default();
    batch.put(Table::Artefact, &keys::number(0), &genesis.encode());
    store.commit(&batch).unwrap();
    drop(store);
    let (exit, text) = told(&world.args);
    assert_eq!(exit, Exit::Falsified, "{text}");
    assert!(text.contains("  wrong    artefact"), "{text}");
}
