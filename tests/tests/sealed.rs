//! A store with sealed documents: sound in full, copied and restored whole, and without the keys of what was erased.
//!
//! The documents are put there by this process, while no server runs, with the keys of the service.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use semper_api::draft;
use semper_ledger::anchor::file::FileAnchor;
use semper_ledger::erasure::{FileJournal, KeyRef};
use semper_ledger::ledger::{Ledger, Parts};
use semper_ledger::note::{NoteSigner, VerifierKey};
use semper_ledger::sequencer::{Clock, Commit, LogKeys, RoleRow, SequencerSettings};
use semper_ledger::store::rocks::{RocksSettings, RocksStore};
use semper_ledger::store::{Batch, Store as _, Table, read};
use semper_tests::server::{Data, Finished, Server, run};
use semper_tests::vault::{Vault, anchor_of};
use semper_ttp::crypto::{LogSigner, LogVerifier, OsEntropy, Passphrase, open_key_pem, open_secret_pem};
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Aggregate, Envelope, KeyId, KeyPurpose, OpsFact, Recorded};
use semper_ttp::time::Timestamp;
use semper_ttp::vault::{DataKey, DataKeyId, KeyWrap, Object, SoftKek, open, seal};

const CONTENT: &[u8] = b"Kaufvertrag vom 3. Mai";

fn object(n: u8) -> Object {
    Object { id: [n; 32], version: 1 }
}

fn passphrase(data: &Path) -> Passphrase {
    Passphrase::new(fs::read_to_string(data.join("passphrase")).expect("the passphrase").trim_end().to_owned())
}

fn kek(data: &Path) -> SoftKek {
    let pem = fs::read_to_string(data.join("keys/archive-kek.1.p8")).expect("the key that wraps others");
    let key = open_secret_pem(&pem, &passphrase(data)).expect("the passphrase opens it");
    SoftKek::new(KeyId::new(KeyPurpose::ArchiveKek, 1), key).expect("a key")
}

/// Always the time of the newest entry.
struct Standing(u64);

impl Clock for Standing {
    fn now_ms(&self) -> u64 {
        self.0
    }

    fn wait_ms(&self, _: u64) {}
}

/// The ledger of a folder that no server has, and the time of its newest entry.
fn ledger(data: &Path) -> (Ledger, u64) {
    let key = |name: &str| {
        let pem = fs::read_to_string(data.join("keys").join(name)).expect(name);
        Arc::new(LogSigner::new(Arc::new(open_key_pem(&pem, &passphrase(data)).expect(name))).expect(name))
    };
    let vkey = fs::read_to_string(data.join("trust/ledger.vkey")).expect("the log's key");
    let origin = VerifierKey::parse(vkey.trim()).expect("a key").name().to_owned();
    let identity: serde_json::Value =
        serde_json::from_slice(&fs::read(data.join("identity.json")).expect("identity.json")).expect("JSON");
    let open = |now_ms| {
        let note = NoteSigner::new(&origin, key("log-note.1.p8")).expect("a name");
        let url = identity["public_url"].as_str().expect("its URL");
        let keys = LogKeys::new(note, key("log-receipt.1.p8"), url);
        let store = RocksStore::open(&data.join("store"), &RocksSettings::default());
        Ledger::open(Parts {
            store: Arc::new(store.expect("the store")),
            anchor: Arc::new(FileAnchor::open(&data.join("anchor")).expect("the anchor")),
            journal: Arc::new(FileJournal::at(&data.join("erasures"), &origin)),
            keys,
            verifier: Arc::new(LogVerifier),
            clock: Arc::new(Standing(now_ms)),
            observer: Arc::new(()),
            settings: SequencerSettings::default(),
            tile_cache_bytes: 0,
        })
        .expect("the ledger opens")
    };
    let now_ms = open(0).reader().newest().head().expect("entries").time_ms;
    (open(now_ms), now_ms)
}

/// A fact with this artefact, for which it does not matter what it tells.
fn commit(now_ms: u64, salt: u8, artefact: Option<Vec<u8>>, rows: Vec<RoleRow>) -> Commit {
    let now = Timestamp::from_millis(now_ms);
    let (aggregate, seq, digest) = (Aggregate::service(), now_ms, Digest::of(b"test"));
    let envelope = Envelope { aggregate, seq, now, salt: [salt; 16], policy_hash: digest, event_digest: digest };
    Commit { rows, ..Commit::one(now_ms, draft(&OpsFact::Stopped.into_fact(&envelope), artefact)) }
}

/// Keeps the document `n` under a key of its own; gives its entry and the key's name.
fn keep(data: &Path, n: u8) -> (u64, KeyRef) {
    let kek = kek(data);
    let key = DataKey::generate(&OsEntropy).expect("randomness");
    let wrapped = kek.wrap(&key, &OsEntropy).expect("wrapped");
    let sealed = seal(CONTENT, &key, object(n), &OsEntropy).expect("sealed");
    let (ledger, now_ms) = ledger(data);
    let row = RoleRow::Key { draft: 0, id: key.id().0, wrapped };
    (ledger.append(commit(now_ms, n, Some(sealed), vec![row])).expect("taken").first, key.id().0)
}

/// Opens the document `n` as the service does: artefact, key row, key of the service.
fn opened(data: &Path, n: u8, (entry, key): (u64, KeyRef)) -> Vec<u8> {
    let (ledger, _) = ledger(data);
    let wrapped = ledger.reader().wrapped_key(&key).expect("the store reads").expect("the key is there");
    let key = kek(data).unwrap(DataKeyId(key), &wrapped).expect("the key opens");
    let artefact = ledger.reader().artefact(entry).expect("the store reads").expect("the artefact is there");
    open(artefact, &key, object(n)).expect("the document opens").to_vec()
}

/// `semper keys` as the operator.
fn keys(server: &Server, words: &[&str]) -> Finished {
    let identity = server.dir().join("people/operator.p12");
    let (url, identity) = (format!("https://{}", server.https()), identity.to_str().expect("UTF-8").to_owned());
    run(&[&["keys"], words, &["--url", &url, "--identity", &identity]].concat())
}

/// Changes a row of a store that nobody has.
fn change(data: &Path, change: impl FnOnce(&mut Batch)) {
    let store = RocksStore::open(&data.join("store"), &RocksSettings::default()).expect("the store");
    let mut batch = Batch::default();
    change(&mut batch);
    store.commit(&batch).expect("written");
}

#[test]
fn what_is_sealed_is_checked_copied_and_restored() {
    let data = Data::own();
    data.set("notary.enabled", "true").set("notary.dvcs_policy", "\"1.3.6.1.5.5.7.13.1\"");
    drop(data.serve().stop());
    let first = keep(data.path(), 1);
    let second = keep(data.path(), 2);
    data.fsck().expect(0);
    assert_eq!(opened(data.path(), 1, first), CONTENT);

    // The backup has documents and keys, and the key that wraps them is encrypted as all others.
    let vault = Vault::new();
    vault.backup_at_rest(&data);
    vault.restore(&data, "new", &["--anchor", &anchor_of(&data)]).expect(0);
    let new = vault.restored(&data, "new");
    new.fsck().expect(0);
    assert_eq!(opened(new.path(), 2, second), CONTENT);
    drop(new.serve().stop());

    // To erase is to delete the row. What it sealed stays, and opens no more.
    let (ledger, now_ms) = ledger(new.path());
    let erased = RoleRow::Erased { draft: 0, object: object(1).id, keys: vec![first.1] };
    ledger.append(commit(now_ms, 3, None, vec![erased])).expect("taken");
    assert_eq!(ledger.reader().wrapped_key(&first.1).expect("the store reads"), None);
    assert!(ledger.reader().artefact(first.0).expect("the store reads").is_some());
    drop(ledger);
    new.fsck().expect(0);
    assert_eq!(opened(new.path(), 2, second), CONTENT);
    drop(new.serve().stop());

    // A key that comes back, is gone without a word, or was written anew.
    let row = |data: &Path, key: &KeyRef| {
        let store = RocksStore::open_read_only(&data.join("store"), &RocksSettings::default()).expect("the store");
        read(&store, Table::Key, key).expect("the store reads").expect("the key is there")
    };
    let found = |what: &str| {
        let said = new.fsck().expect(1).stdout.clone();
        assert!(said.contains(what), "{said}");
    };
    let (back, kept) = (row(data.path(), &first.1), row(new.path(), &second.1));
    change(new.path(), |batch| batch.put(Table::Key, &first.1, &back));
    found("tells that this key was destroyed, and it is here");
    change(new.path(), |batch| batch.delete(Table::Key, &first.1));
    new.fsck().expect(0);
    let mut other = kept.clone();
    other[40] ^= 1;
    change(new.path(), |batch| batch.put(Table::Key, &second.1, &other));
    found("does not open: the wrapped key was changed");
    change(new.path(), |batch| batch.delete(Table::Key, &second.1));
    found("which is missing, and no erasure tells of it");
    change(new.path(), |batch| batch.put(Table::Key, &second.1, &kept));
    new.fsck().expect(0);
}

#[test]
fn a_wrapping_key_is_not_made_twice() {
    let data = Data::own();
    data.set("notary.enabled", "true").set("notary.dvcs_policy", "\"1.3.6.1.5.5.7.13.1\"");
    let server = data.serve();
    let listed = keys(&server, &["list"]).expect(0).stdout.clone();
    let line = listed.lines().find(|line| line.starts_with("archive-kek.1 ")).unwrap_or_default();
    assert!(line.ends_with("wraps the keys of the documents that are kept sealed"), "{listed}");
    let refused = keys(&server, &["rotate", "archive-kek"]).expect(64).stderr.clone();
    assert!(refused.contains("would have to be wrapped anew"), "{refused}");
    drop(server.stop());
    let file = data.path().join("keys/archive-kek.1.p8");
    let pem = fs::read(&file).expect("its file");
    fs::remove_file(&file).expect("removed");
    let refused = data.serve_to_the_end(&[]).expect(70).stderr.clone();
    assert!(refused.contains("archive-kek.1 is not the one whose making entry"), "{refused}");
    data.fsck().expect(1);
    fs::write(&file, pem).expect("brought back");
    data.audit().expect(0);
    data.serve_to_the_end(&["--check"]).expect(0);
    data.fsck().expect(0);
}
