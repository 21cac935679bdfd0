//! `semper export`: what an operator meets, and the order of its writes under a power cut. That strangers can read what
//! it writes is in `strangers.rs`; every size, and every row that may be wrong, is in `ledger/src/export/tests.rs`.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use semper_ledger::anchor::Anchor as _;
use semper_ledger::anchor::file::FileAnchor;
use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::export::{Export, ExportError, Exported};
use semper_ledger::merkle::{TILE_WIDTH, TileId, leaf_hash, root_of, tile_width};
use semper_ledger::note::VerifierKey;
use semper_ledger::receipt::LogIdentity;
use semper_ledger::store::rocks::{RocksSettings, RocksStore};
use semper_ledger::tile::{Resource, bundle_entries};
use semper_tests::dice::Dice;
use semper_tests::powercut::{CutMode, Journal, PowerCut};
use semper_tests::server::{Data, Finished, Server, copy_folder, export, run};
use semper_tests::stamp::{granted_by, stamp_many};
use semper_ttp::crypto::LogVerifier;
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// What it printed, with `--json`.
fn told(end: &Finished) -> Value {
    serde_json::from_str(&end.stdout).unwrap_or_else(|error| panic!("{error}: {end:#?}"))
}

/// Refused with 1, with these words, and the checkpoint is still what it was.
fn refused(data: &Path, out: &Path, words: &[&str]) {
    let before = fs::read(out.join("checkpoint")).expect("a checkpoint");
    let end = export(data, out);
    end.expect(1);
    let error = told(&end)["error"].as_str().expect("an error").to_owned();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
    assert_eq!(fs::read(out.join("checkpoint")).expect("a checkpoint"), before);
}

// ---- what an operator meets -------------------------------------------------------------------------------------------

#[test]
fn a_running_server_is_busy_and_the_next_export_takes_what_is_new() {
    let (data, work) = (Data::demo(), folder());
    let out = work.path().join("new/www");
    let server = data.serve();
    let end = data.export(&out);
    end.expect(75);
    assert!(told(&end)["error"].as_str().is_some_and(|error| error.contains("open in another process")), "{end:#?}");
    assert!(!work.path().join("new").exists(), "nothing is made for an export that cannot be");
    assert!(granted_by(server.http()), "the server goes on");
    server.stop();

    let first = told(data.export(&out).expect(0));
    assert_eq!((&first["previous_size"], &first["files_found"]), (&Value::Null, &0.into()));
    assert!(first["files_written"].as_u64() > Some(0));
    let again = told(data.export(&out).expect(0));
    assert_eq!((&again["files_written"], &again["files_found"]), (&0.into(), &first["files_written"]));
    assert_eq!((&again["previous_size"], &again["root"]), (&first["size"], &first["root"]));

    let server = data.serve();
    assert!(granted_by(server.http()));
    server.stop();
    let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let grown = run(&["export", "--data", &path(data.path()), "--out", &path(&out)]);
    grown.expect(0);
    assert!(grown.stdout.contains("more than before"), "{grown:#?}");
    data.fsck().expect(0);
}

#[test]
fn a_folder_that_contradicts_the_ledger_is_kept_as_evidence() {
    let (data, work) = (Data::demo(), folder());
    let at = |name: &str| work.path().join(name);
    let (out, backup, twin) = (at("www"), at("backup"), at("twin"));
    let grow = |data: &Path, tokens| {
        let server = Server::start(data, &[], &[]);
        stamp_many(server.http(), tokens);
        server.stop();
    };
    // Anchor and all: only the world outside can know that these two are old.
    copy_folder(data.path(), &backup);
    copy_folder(data.path(), &twin);
    grow(data.path(), 1);
    data.export(&out).expect(0);
    refused(&backup, &out, &["older state", "nothing was written"]);
    grow(&twin, 5);
    refused(&twin, &out, &["a fork", "keep both"]);
    let other = Data::own();
    refused(other.path(), &out, &["belongs to the log demo.semper.example/", "nothing was written"]);
    fs::write(out.join("tile/0/000.p/1"), [7; 32]).expect("a partial tile that nobody needs");
    data.export(&out).expect(0);
    let partial = fs::read_dir(out.join("tile/entries/000.p")).expect("a folder").next().expect("a bundle");
    let partial = partial.expect("a bundle").path();
    fs::write(&partial, b"").expect("the bundle");
    refused(data.path(), &out, &[partial.to_str().expect("a path in UTF-8"), "differs from the ledger at byte 0"]);
}

#[test]
fn what_is_no_place_or_no_ledger_is_said() {
    let (data, work) = (Data::demo(), folder());
    let out = work.path().join("www");
    let inside = data.path().join("www");
    let end = data.export(&inside);
    end.expect(64);
    assert!(told(&end)["error"].as_str().is_some_and(|error| error.contains("keys")), "{end:#?}");
    assert!(!inside.exists());
    let missing = work.path().join("missing");
    assert!(!export(&missing, &out).expect(64).stdout.is_empty());
    let anchor = data.path().join("anchor");
    fs::rename(&anchor, data.path().join("anchor.away")).expect("the anchor lies beside the store");
    let end = data.export(&out);
    end.expect(2);
    assert!(told(&end)["error"].as_str().is_some_and(|error| error.contains("no anchor")), "{end:#?}");
    assert!(!out.exists() && !missing.exists());
}

// ---- the order of writes ----------------------------------------------------------------------------------------------

/// A ledger that is ready to be exported.
struct Ledger {
    store: RocksStore,
    anchor: FileAnchor,
    identity: LogIdentity,
}

impl Ledger {
    fn open(data: &Path) -> Self {
        let vkey = fs::read_to_string(data.join("trust/ledger.vkey")).expect("ledger.vkey");
        let note_key = VerifierKey::parse(vkey.trim()).expect("a key");
        Self {
            store: RocksStore::open_read_only(&data.join("store"), &RocksSettings::default()).expect("the store"),
            anchor: FileAnchor::open(&data.join("anchor")).expect("the anchor"),
            // Receipts are not exported; what only they need is left out.
            identity: LogIdentity { note_key, issuer: String::new(), receipt_key: Vec::new() },
        }
    }

    fn export(&self, out: &Path, progress: &dyn Fn(u64, u64)) -> Result<Exported, ExportError> {
        let anchored = self.anchor.load().expect("the anchor").expect("a checkpoint");
        let (store, identity, verifier) = (&self.store, &self.identity, &LogVerifier);
        Export { store, identity, verifier, anchored: &anchored, cosigned: None, out, progress }.run()
    }

    /// The size of the log in the folder, all of which must be there and lead to the signed root.
    fn whole(&self, out: &Path) -> u64 {
        let note = fs::read_to_string(out.join("checkpoint")).expect("a checkpoint");
        let keys = std::slice::from_ref(&self.identity.note_key);
        let checkpoint = Checkpoint::verify(&note, keys, &LogVerifier).expect("a signed checkpoint");
        let size = checkpoint.size;
        let read = |resource: Resource| {
            let path = out.join(format!("tile/{resource}"));
            fs::read(&path).unwrap_or_else(|error| panic!("size {size}: {}: {error}", path.display()))
        };
        let (mut leaves, mut above) = (Vec::new(), Vec::new());
        for index in 0..size.div_ceil(TILE_WIDTH) {
            let id = TileId { level: 0, index };
            let width = tile_width(size, id) as usize;
            let bundle = read(Resource::Entries { index, width });
            let hashes: Vec<_> = bundle_entries(&bundle).map(|entry| leaf_hash(entry.expect("an entry"))).collect();
            assert_eq!(read(Resource::Tile { id, width }), hashes.concat(), "tile {index} of size {size}");
            above.extend((width == 256).then(|| root_of(&hashes)));
            leaves.extend(hashes);
        }
        if !above.is_empty() {
            // A test of this file has fewer than 65,536 entries.
            let level_1 = Resource::Tile { id: TileId { level: 1, index: 0 }, width: above.len() };
            assert_eq!(read(level_1), above.concat(), "level 1 of size {size}");
        }
        assert_eq!(root_of(&leaves), checkpoint.root, "the root at size {size}");
        size
    }
}

/// After a power cut at any moment the folder holds the older checkpoint or the newer one, with all that it needs, and
/// the next export goes on; after an export that said it was done, it holds the newer one.
#[test]
fn a_power_cut_leaves_a_checkpoint_with_all_its_tiles() {
    let work = folder();
    let (data, older) = (Data::demo(), work.path().join("older"));
    let grow = |tokens| {
        let server = data.serve();
        stamp_many(server.http(), tokens);
        server.stop();
    };
    grow(250);
    let old_size = Ledger::open(data.path()).export(&older, &|_, _| ()).expect("exported").size;
    grow(1_000);
    let ledger = Ledger::open(data.path());
    let mut dice = Dice::from_environment("a_power_cut_leaves_a_checkpoint_with_all_its_tiles");
    let (mut kept_older, mut kept_newer) = (0, 0);
    for round in 0..36_u64 {
        let mode = [CutMode::LoseAll, CutMode::LoseRandom, CutMode::Torn][(round % 3) as usize];
        let journal = [Journal::Strict, Journal::Ext4][(round / 3 % 2) as usize];
        let disk = Disk::with(&older);
        let Some(power) = disk.mount(journal) else { return };
        let (seed, last) = (dice.roll(), Cell::new(0));
        // A third at a file, a third in the last moments, a third after the end.
        let cut_at = match round / 12 {
            0 => Some(1 + dice.below(11)),
            1 => Some(u64::MAX),
            _ => None,
        };
        let further = Duration::from_micros(dice.below(20_000));
        let outcome = thread::scope(|scope| {
            let power = &power;
            ledger.export(&disk.mounted(), &|done, total| {
                last.set(done);
                match cut_at {
                    Some(at) if at == done => drop(power.cut(mode, seed)),
                    // The moment is drawn, not waited for: whatever it hits must be right.
                    Some(u64::MAX) if done == total => drop(scope.spawn(move || {
                        thread::sleep(further);
                        power.cut(mode, seed);
                    })),
                    _ => {}
                }
            })
        });
        if cut_at.is_none() {
            power.cut(mode, seed);
        }
        drop(power);
        let found = ledger.whole(&disk.backing());
        match &outcome {
            Ok(done) => assert_eq!(found, done.size, "round {round}: it said that it was done"),
            Err(error) => assert!(matches!(error, ExportError::Disk(_)), "{error}"),
        }
        if found == old_size {
            kept_older += 1;
        } else {
            kept_newer += 1;
        }
        let done = ledger.export(&disk.backing(), &|_, _| ()).expect("the next one goes on");
        assert_eq!((done.previous, done.size), (Some(found), ledger.whole(&disk.backing())));
        assert!(last.get() <= done.written + done.found);
    }
    assert!(kept_older > 0 && kept_newer >= 12, "{kept_older} and {kept_newer}");
}

/// A folder that survives, and the place where it is mounted.
struct Disk(TempDir);

impl Disk {
    /// With a copy of `from` on it, durable.
    fn with(from: &Path) -> Self {
        let disk = Self(TempDir::with_prefix("semper-power-").expect("a temporary folder"));
        for name in ["disk", "mnt"] {
            fs::create_dir(disk.0.path().join(name)).expect("a new folder");
        }
        copy_folder(from, &disk.backing());
        disk
    }

    fn mounted(&self) -> PathBuf {
        self.0.path().join("mnt/www")
    }

    fn backing(&self) -> PathBuf {
        self.0.path().join("disk/www")
    }

    /// `None`, said loudly, where there is no FUSE.
    fn mount(&self, journal: Journal) -> Option<PowerCut> {
        let power = PowerCut::mount_with(&self.0.path().join("disk"), &self.0.path().join("mnt"), journal);
        power.map_err(|why| why.report("a_power_cut_leaves_a_checkpoint_with_all_its_tiles")).ok()
    }
}
