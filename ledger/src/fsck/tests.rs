//! Every row of every table, flipped, moved, taken away or added, is found where it lies.

use std::{ops::ControlFlow, path::Path, sync::Arc};

use super::*;
use crate::{
    anchor::memory::MemoryAnchor,
    ledger::create,
    merkle::TileId,
    sequencer::{Commit, Draft},
    store::{
        Batch, Read,
        memory::MemoryStore,
        rocks::{RocksSettings, RocksStore},
    },
    testing::{ManualClock, world},
};

/// Enough for three bundles, a tile of level 1 and rows in every table.
const COMMITS: u64 = 60;

struct Sample {
    store: MemoryStore,
    dir: tempfile::TempDir,
}

impl Sample {
    fn new() -> Self {
        let (store, dir) = (MemoryStore::default(), tempfile::tempdir().unwrap());
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        world::make(&shared, &dir.path().join("anchor"), COMMITS);
        Self { store, dir }
    }

    fn check(&self, store: &MemoryStore, full: bool) -> Report {
        world::check(store, &self.dir.path().join("anchor"), full)
    }

    /// At most 14 rows of a table, spread, with the first and the last.
    fn some_rows(&self, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = rows(&self.store, table);
        let step = rows.len().div_ceil(13);
        let last = rows.len() - 1;
        let pick = |(i, row)| (i % step == 0 || i == last).then_some(row);
        rows.into_iter().enumerate().filter_map(pick).collect()
    }
}

fn rows(store: &dyn Read, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    store
        .scan(table, &[], Direction::Up, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

/// Some finding names this table and one of these keys.
fn located(report: &Report, table: Table, keys: &[&[u8]]) {
    let hit = |finding: &Finding| finding.place == Place::Row(table) && keys.contains(&finding.key.as_slice());
    let list = || report.findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("\n");
    let wanted = || keys.iter().map(hex::encode).collect::<Vec<_>>().join(" or ");
    assert!(report.falsehoods > 0 && report.findings.iter().any(hit), "{table} {}: found\n{}", wanted(), list());
}

#[test]
fn a_sound_store_is_clean() {
    let sample = Sample::new();
    assert!(Table::ALL.iter().all(|table| !rows(&sample.store, *table).is_empty()), "rows in every table");
    for full in [false, true] {
        let report = sample.check(&sample.store, full);
        assert!(report.is_clean(), "{:?}", report.findings);
        assert_eq!(report.groups, COMMITS);
        assert!(report.size > 2 * TILE_WIDTH, "{}", report.size);
    }
    // A log without entries, too.
    let (empty, dir) = (Arc::new(MemoryStore::default()), tempfile::tempdir().unwrap());
    world::make(&(empty.clone() as Arc<dyn Store>), &dir.path().join("anchor"), 0);
    let report = world::check(&*empty, &dir.path().join("anchor"), true);
    assert!(report.is_clean() && report.size == 0 && report.root == EMPTY_ROOT, "{:?}", report.findings);
}

#[test]
fn a_long_log_is_clean_at_every_number_of_threads() {
    let (store, dir) = (MemoryStore::default(), tempfile::tempdir().unwrap());
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let anchor = dir.path().join("anchor");
    world::make(&shared, &anchor, 3_000); // two stretches and a bit
    let slots = || crate::anchor::file::FileAnchor::open(&anchor).unwrap().slots().unwrap();
    for threads in [0, 1, 2, 5] {
        let report = Fsck {
            store: &store,
            identity: &world::identity(),
            verifier: &crate::testing::TestVerifier,
            anchor: Some(slots()),
            erasures: None,
            log_damage: None,
            full: None,
            threads,
            findings_max: 10,
            progress: &|done, total| assert!(done <= total),
            work: Work::default(),
        }
        .run();
        assert!(report.size > 2 * CHUNK_BUNDLES * TILE_WIDTH);
        assert!(report.is_clean(), "{:?}", report.findings);
    }
}

#[test]
fn a_flipped_byte_in_a_value_is_found() {
    let sample = Sample::new();
    for table in Table::ALL {
        for (i, (key, stored)) in sample.some_rows(table).into_iter().enumerate() {
            let store = sample.store.copy();
            let mut flipped = stored.clone();
            flipped[(i * 31) % stored.len()] ^= 1 << (i % 8);
            store.tamper(table, &key, Some(flipped));
            located(&sample.check(&store, true), table, &[&key]);
        }
    }
}

#[test]
fn the_quick_check_finds_it_in_its_tables() {
    let sample = Sample::new();
    for table in [Table::Meta, Table::Bundle, Table::Tile, Table::Group, Table::Tag] {
        for (key, mut stored) in sample.some_rows(table) {
            let store = sample.store.copy();
            stored[0] ^= 0x80;
            store.tamper(table, &key, Some(stored));
            located(&sample.check(&store, false), table, &[&key]);
        }
    }
}

#[test]
fn a_flipped_byte_in_a_key_is_found() {
    let sample = Sample::new();
    for table in Table::ALL {
        for (i, (key, stored)) in sample.some_rows(table).into_iter().enumerate() {
            let store = sample.store.copy();
            let mut moved = key.clone();
            moved[(i * 13) % key.len()] ^= 0x10;
            store.tamper(table, &key, None);
            store.tamper(table, &moved, Some(stored));
            located(&sample.check(&store, true), table, &[&moved]);
        }
    }
}

#[test]
fn a_missing_row_is_found() {
    let sample = Sample::new();
    // Nothing else names an answered request: see the module.
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Dedup) {
        for (key, _) in sample.some_rows(table) {
            let store = sample.store.copy();
            store.tamper(table, &key, None);
            located(&sample.check(&store, true), table, &[&key]);
        }
    }
}

/// Rows that somebody wrote with a right checksum.
#[test]
fn a_surplus_row_is_found() {
    let sample = Sample::new();
    for table in Table::ALL {
        for (i, (key, stored)) in sample.some_rows(table).into_iter().enumerate() {
            let store = sample.store.copy();
            let value = unseal(table, &key, &stored).unwrap();
            // At the end, and at the front, where numbers become enormous.
            let ends = if i % 2 == 0 { [key.len() - 1, 0] } else { [0, key.len() - 1] };
            let near = ends.into_iter().flat_map(|at| (1..=255u8).map(move |flip| (at, flip)));
            let mut free = near.map(|(at, flip)| {
                let mut other = key.clone();
                other[at] ^= flip;
                other
            });
            let other = free.find(|other| store.get(table, other).unwrap().is_none()).unwrap();
            put(&store, table, &other, value);
            // Of two requests that claim the same entries nobody can say which one is surplus.
            let also = if table == Table::Dedup { &key } else { &other };
            located(&sample.check(&store, true), table, &[&other, also]);
        }
        // Keys of a shape that the table never has, behind and before all others.
        for stray in [&[1, 2, 3][..], &[0]] {
            let store = sample.store.copy();
            put(&store, table, stray, b"");
            located(&sample.check(&store, true), table, &[stray]);
            let (empty, dir) = (MemoryStore::default(), tempfile::tempdir().unwrap());
            world::make(&(Arc::new(empty.clone()) as Arc<dyn Store>), &dir.path().join("anchor"), 0);
            put(&empty, table, stray, b"");
            located(&world::check(&empty, &dir.path().join("anchor"), true), table, &[stray]);
        }
    }
}

fn put(store: &MemoryStore, table: Table, key: &[u8], value: &[u8]) {
    let mut batch = Batch::default();
    batch.put(table, key, value);
    store.commit(&batch).unwrap();
}

/// What somebody with write access would do: other content, right checksum.
#[test]
fn a_rewritten_row_is_found() {
    let sample = Sample::new();
    for table in Table::ALL {
        for (i, (key, stored)) in sample.some_rows(table).into_iter().enumerate() {
            let value = unseal(table, &key, &stored).unwrap();
            // The request's hash is only the caller's, and a counter may always be higher.
            let harmless = match table {
                Table::Dedup => 16..value.len(),
                Table::Counter => 0..7,
                // What is wrapped only its wrapper can tell.
                Table::Key => 8..value.len(),
                _ => 0..0,
            };
            let mut rewritten = value.to_vec();
            if rewritten.is_empty() {
                rewritten.push(0);
            } else {
                let at = (i * 31) % value.len();
                let at = if harmless.contains(&at) { harmless.end % value.len() } else { at };
                rewritten[at] ^= if table == Table::Counter { 0xff } else { 1 << (i % 8) };
            }
            let store = sample.store.copy();
            put(&store, table, &key, &rewritten);
            let report = sample.check(&store, true);
            let above_what_is_said = table == Table::Counter && rewritten > value.to_vec();
            let another_first = table == Table::Dedup;
            if !above_what_is_said && !another_first {
                assert!(report.falsehoods + report.untold > 0, "{table} {}", hex::encode(&key));
            }
            // An entry cannot be rewritten without its tile, nor a tile without the root that was signed.
            if matches!(table, Table::Tile | Table::Group | Table::Meta) {
                located(&report, table, &[&key]);
            }
        }
    }
}

/// The nodes that a full tile's row keeps lead no proof astray unnoticed: nothing else in the log tells of them.
#[test]
fn every_kept_node_is_checked() {
    let (sample, store) = (Sample::new(), MemoryStore::default());
    let anchor = MemoryAnchor::default();
    create(&store, &anchor, &world::identity()).unwrap();
    // More than 65,536, so that a tile of level 1 is full, too.
    let drafts = (0..66_000u64).map(|n| Draft::of_fact(1, 1, n.to_be_bytes().to_vec())).collect();
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let ledger = world::open(shared, Arc::new(anchor), &ManualClock::at(1_000), world::log_keys()).unwrap();
    ledger.append(Commit { idempotency: None, now_ms: 1_000, drafts, rows: Vec::new() }).unwrap();
    drop(ledger);
    for id in [TileId { level: 0, index: 0 }, TileId { level: 0, index: 200 }, TileId { level: 1, index: 0 }] {
        let key = keys::tile(id);
        let value = crate::store::read(&store, Table::Tile, &key).unwrap().unwrap();
        let found = |value: &[u8]| {
            let store = store.copy();
            put(&store, Table::Tile, &key, value);
            let report = sample.check(&store, false);
            // The sample's anchor is that of another log.
            let findings = report.findings.iter().filter(|finding| finding.place == Place::Row(Table::Tile));
            findings.map(|finding| finding.key.clone()).collect::<Vec<_>>()
        };
        assert_eq!(found(&value), Vec::<Vec<u8>>::new(), "sound");
        for node in [0, 7, 15] {
            let mut rewritten = value.clone();
            rewritten[32 * (256 + node) + node] ^= 1;
            assert_eq!(found(&rewritten), [key], "{id:?}, node {node}");
        }
        for length in [32 * 256, 32 * 271] {
            assert_eq!(found(&value[..length]), [key], "{id:?}, {length} bytes");
        }
    }
}

/// A bundle whose entries are others makes its tile differ; that the nodes of the tile fit its own hashes is no second fault.
#[test]
fn a_tile_is_accused_once() {
    let sample = Sample::new();
    let store = sample.store.copy();
    let mut bundle = crate::store::read(&store, Table::Bundle, &keys::number(0)).unwrap().unwrap();
    bundle[40] ^= 1;
    put(&store, Table::Bundle, &keys::number(0), &bundle);
    let report = sample.check(&store, false);
    let key = keys::tile(TileId { level: 0, index: 0 });
    let tile = report.findings.iter().filter(|found| found.place == Place::Row(Table::Tile) && found.key == key);
    let said: Vec<_> = tile.map(|finding| finding.what.as_str()).collect();
    assert_eq!(said, ["hash 0 is not the leaf hash of entry 0"]);
}

#[test]
fn a_tag_seen_twice_is_found() {
    let sample = Sample::new();
    // The sequencer refuses this, so the second entry is written past it: an entry gets the tags of an earlier one, and
    // what hashes it is not made to fit, since only the key could do that.
    let store = sample.store.copy();
    let (tag, row) = rows(&store, Table::Tag).into_iter().next().unwrap();
    let first = keys::parse_number(unseal(Table::Tag, &tag, &row).unwrap()).unwrap();
    let bundle_of = |index: u64| keys::number(index / TILE_WIDTH);
    let entry = |index: u64| {
        let bundle = crate::store::read(&store, Table::Bundle, &bundle_of(index)).unwrap().unwrap();
        bundle_entries(&bundle).nth((index % TILE_WIDTH) as usize).unwrap().unwrap().to_vec()
    };
    let tags = crate::entry::Entry::decode(&entry(first)).unwrap().tags;
    let size = sample.check(&store, false).size;
    let tagged = |index: u64| crate::entry::Entry::decode(&entry(index)).unwrap().tags.as_slice().len();
    let second = (0..size).find(|index| *index != first && tagged(*index) == 0).unwrap();
    let changed = crate::entry::Entry { tags, ..crate::entry::Entry::decode(&entry(second)).unwrap() }.encode();
    let bundle = crate::store::read(&store, Table::Bundle, &bundle_of(second)).unwrap().unwrap();
    let mut rebuilt = Vec::new();
    for (at, bytes) in bundle_entries(&bundle).enumerate() {
        let here = at as u64 == second % TILE_WIDTH;
        crate::tile::bundle_push(&mut rebuilt, if here { &changed } else { bytes.unwrap() });
    }
    put(&store, Table::Bundle, &bundle_of(second), &rebuilt);
    // The index can name one of the two only; either way the other one has no row.
    for named in [first, second] {
        put(&store, Table::Tag, &tag, &keys::number(named));
        located(&sample.check(&store, false), Table::Tag, &[&tag]);
    }
}

/// An index row that names an entry without this tag.
#[test]
fn a_tag_row_of_another_entry_is_found() {
    let sample = Sample::new();
    let store = sample.store.copy();
    let (tag, index) = rows(&store, Table::Tag).into_iter().next().unwrap();
    let other: u64 = 1 + keys::parse_number(unseal(Table::Tag, &tag, &index).unwrap()).unwrap();
    put(&store, Table::Tag, &tag, &keys::number(other));
    located(&sample.check(&store, false), Table::Tag, &[&tag]);
}

#[test]
fn every_flipped_byte_of_the_anchor_is_found() {
    let sample = Sample::new();
    let path = sample.dir.path().join("anchor");
    let good = std::fs::read(&path).unwrap();
    // Every byte that says something, and some of the padding; that a slot's hash covers all of it, the anchor's own tests
    // say.
    let says = |at: usize| at % 4096 < 136 || at % 4096 >= 4096 - 32 || at.is_multiple_of(97);
    for at in (0..good.len()).filter(|at| says(*at)) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let report = sample.check(&sample.store, false);
        let slot = vec![(at / 4096) as u8];
        let found = report.findings.iter().any(|f| f.place == Place::Anchor && f.key == slot && f.grade == Grade::Torn);
        assert!(found, "byte {at}: {:?}", report.findings);
    }
    for slot in 0..2 {
        let mut bytes = good.clone();
        bytes[slot * 4096..][..4096].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(sample.check(&sample.store, false).falsehoods, 1, "slot {slot} wiped");
    }
    std::fs::remove_file(&path).unwrap();
    let report = sample.check(&sample.store, false);
    assert_eq!((report.falsehoods, report.untold), (0, 1), "a missing anchor is not a lie, but nothing is sure");
}

#[test]
fn a_store_set_back_behind_its_anchor_is_found() {
    let (store, dir) = (MemoryStore::default(), tempfile::tempdir().unwrap());
    let (shared, anchor): (Arc<dyn Store>, _) = (Arc::new(store.clone()), dir.path().join("anchor"));
    world::make(&shared, &anchor, 20);
    let backup = store.copy();
    let anchor_then = std::fs::read(&anchor).unwrap();
    world::grow(&shared, &anchor, 20..23);
    let report = world::check(&backup, &anchor, false);
    assert!(report.findings.iter().any(|f| f.place == Place::Anchor && f.what.contains("older than its anchor")));
    // And the other way round: an anchor that is further behind than a crash can leave it.
    std::fs::write(&anchor, anchor_then).unwrap();
    let report = world::check(&store, &anchor, false);
    assert!(report.findings.iter().any(|f| f.what.contains("more than the one group")), "{:?}", report.findings);
}

/// A head with a right checksum that says that the log is enormous: told, and not believed.
#[test]
fn a_forged_size_is_not_worked_through() {
    let sample = Sample::new();
    for size in [1 << 20, 1 << 40, u64::MAX] {
        let store = sample.store.copy();
        let (_, newest) = rows(&store, Table::Group).pop().unwrap();
        let mut row = newest[..newest.len() - crate::store::SEAL_BYTES].to_vec();
        row[..8].fill(0); // from the first entry on, so no group before it is missing
        row[8..16].copy_from_slice(&size.to_be_bytes());
        let key = keys::number(size);
        put(&store, Table::Group, &key, &row);
        let bundle = (size - 1) / TILE_WIDTH;
        put(&store, Table::Bundle, &keys::number(bundle), b"");
        put(&store, Table::Tile, &keys::tile(TileId { level: 0, index: bundle }), &[0; 32]);
        let report = sample.check(&store, true);
        assert_eq!(report.size, sample.check(&sample.store, false).size);
        located(&report, Table::Group, &[&key]);
    }
}

#[test]
fn another_log_is_not_ours() {
    let sample = Sample::new();
    let mut identity = world::identity();
    identity.note_key = crate::note::VerifierKey::ed25519("other.example/log", identity.note_key.key()).unwrap();
    let report = Fsck {
        store: &sample.store,
        identity: &identity,
        verifier: &crate::testing::TestVerifier,
        anchor: None,
        erasures: None,
        log_damage: None,
        full: None,
        threads: 1,
        findings_max: 10,
        progress: &|_, _| (),
        work: Work::default(),
    }
    .run();
    located(&report, Table::Meta, &[ORIGIN_KEY]);
    assert!(report.findings.iter().any(|f| f.what.contains("checkpoint is not one of this log's key")));
    assert!(report.findings.iter().any(|f| f.what.contains("COSE")));
}

#[test]
fn a_flood_of_findings_is_counted_and_cut() {
    let sample = Sample::new();
    let store = sample.store.copy();
    for (key, _) in rows(&store, Table::Digest) {
        store.tamper(Table::Digest, &key, None);
    }
    let report = sample.check(&store, true);
    assert_eq!(report.falsehoods, report.size);
    assert_eq!(report.findings.len(), 100);
}

/// Copies the files of a store.
fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn all_rows(store: &dyn Read) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
    Table::ALL.into_iter().map(|table| rows(store, table)).collect()
}

/// One flipped byte anywhere in RocksDB's files: found, or no live row is changed by it. The latter are bytes that
/// RocksDB does not read for the rows that are there (padding, properties, statistics) or reads from elsewhere.
#[test]
fn a_flipped_byte_in_the_files_is_found_or_changes_no_row() {
    let dir = tempfile::tempdir().unwrap();
    let (path, anchor, settings) = (dir.path().join("store"), dir.path().join("anchor"), RocksSettings::default());
    {
        let store = Arc::new(RocksStore::create(&path, &settings).unwrap());
        let shared: Arc<dyn Store> = store.clone();
        world::make(&shared, &anchor, 60);
        store.compact(); // rows in table files
        world::grow(&shared, &anchor, 60..80); // rows in the log
    }
    let sound = RocksStore::open_read_only(&path, &settings).unwrap();
    let report = world::check(&sound, &anchor, true);
    assert!(report.is_clean(), "{:?}", report.findings);
    let live = all_rows(&sound);
    let mut batch = Batch::default();
    batch.put(Table::Meta, b"written", b"");
    assert!(sound.commit(&batch).is_err(), "read only");
    assert!(all_rows(&sound) == live);
    drop(sound);

    // Seeded: the same places at every run.
    let mut drawn = 0u64;
    let mut pick = |bound: u64| {
        drawn += 1;
        u64::from_be_bytes(crate::merkle::sha256(&drawn.to_be_bytes())[..8].try_into().unwrap()) % bound
    };
    let holds_rows = |path: &Path| matches!(path.extension().and_then(|e| e.to_str()), Some("sst" | "log"));
    let mut files: Vec<_> = std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| holds_rows(file) && std::fs::metadata(file).unwrap().len() > 0);
    files.sort();
    assert!(files.len() > Table::ALL.len(), "table files and a log");
    // Of a table's properties, which hold no row, RocksDB does not say whose they are.
    let located = |said: &str, name: &str| said.contains(name) || name.ends_with(".sst") && said.contains("properties");
    let (mut found, mut harmless) = (0, 0);
    for round in 0..6 * files.len() {
        let file = &files[round % files.len()];
        let copy = dir.path().join(format!("copy {round}"));
        copy_files(&path, &copy);
        let target = copy.join(file.file_name().unwrap());
        let mut bytes = std::fs::read(&target).unwrap();
        let at = pick(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << pick(8);
        std::fs::write(&target, bytes).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        match RocksStore::open_read_only(&copy, &settings) {
            Err(error) => {
                assert!(located(&error.to_string(), name), "byte {at} of {name} is not located: {error}");
                found += 1;
            }
            Ok(store) => {
                let damage = RocksStore::log_damage(&copy, &settings);
                let report = world::check_files(&store, &anchor, damage.as_deref());
                if report.is_clean() {
                    assert_eq!(all_rows(&store), live, "byte {at} of {name} is not found");
                    harmless += 1;
                } else {
                    let list = report.findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("\n");
                    assert!(located(&list, name), "byte {at} of {name} is not located:\n{list}");
                    // One block holds many rows, and none of them is accused: the block is.
                    let accused = report.findings.iter().filter(|f| f.grade == Grade::False);
                    let rows = accused.filter(|f| matches!(f.place, Place::Row(_))).count();
                    assert!(name.ends_with(".log") || rows == 0, "byte {at} of {name} accuses {rows} rows:\n{list}");
                    found += 1;
                }
            }
        }
        std::fs::remove_dir_all(&copy).unwrap();
    }
    assert!(found > harmless, "{found} found, {harmless} without effect");
}
