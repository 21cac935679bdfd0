//! What is in the folder is read back as any stranger would: by paths, hashes and the log's key.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::*;
use crate::{
    anchor::{Anchor as _, memory::MemoryAnchor},
    ledger::{Ledger, create},
    merkle::{EMPTY_ROOT, Tile, leaf_hash, root_of},
    note::NoteSigner,
    sequencer::{Commit, Draft, LogKeys},
    store::{Batch, memory::MemoryStore},
    testing::{Ed25519, Es256, ManualClock, TestVerifier, world},
    tile::bundle_entries,
};

/// A log that is open, with its rows at hand.
struct Log {
    store: MemoryStore,
    anchor: MemoryAnchor,
    identity: LogIdentity,
    ledger: Ledger,
    /// Goes into every entry: two logs with different seeds have different histories.
    seed: u64,
}

impl Log {
    fn new(seed: u64) -> Self {
        Self::with_keys(seed, world::log_keys())
    }

    fn with_keys(seed: u64, keys: LogKeys) -> Self {
        let (store, anchor, identity) = (MemoryStore::default(), MemoryAnchor::default(), keys.identity().clone());
        create(&store, &anchor, &identity).unwrap();
        let shared = (Arc::new(store.clone()), Arc::new(anchor.clone()));
        let ledger = world::open(shared.0, shared.1, &ManualClock::at(1_000), keys).unwrap();
        Self { store, anchor, identity, ledger, seed }
    }

    fn of(seed: u64, size: u64) -> Self {
        let log = Self::new(seed);
        log.grow_to(size);
        log
    }

    fn size(&self) -> u64 {
        self.ledger.reader().size()
    }

    /// One group with all that is missing.
    fn grow_to(&self, size: u64) {
        let from = self.size();
        if from < size {
            let fact = |n: u64| format!("a private fact {} {n}", self.seed).into_bytes();
            let drafts = (from..size).map(|n| Draft::of_fact(1, n % 5, fact(n))).collect();
            self.ledger.append(Commit { idempotency: None, now_ms: 1_000, drafts, rows: Vec::new() }).unwrap();
        }
    }

    fn anchored(&self) -> Anchored {
        self.anchor.load().unwrap().unwrap()
    }

    fn try_export(&self, out: &Path) -> Result<Exported, ExportError> {
        self.export_watched(out, FILES_AT_ONCE, &|_, _| ())
    }

    fn export_watched(
        &self,
        out: &Path,
        files_at_once: usize,
        progress: &dyn Fn(u64, u64),
    ) -> Result<Exported, ExportError> {
        Export {
            store: &self.store,
            identity: &self.identity,
            verifier: &TestVerifier,
            anchored: &self.anchored(),
            cosigned: None,
            out,
            progress,
        }
        .run_with(files_at_once)
    }

    fn export(&self, out: &Path) -> Exported {
        self.try_export(out).unwrap()
    }

    fn refusal(&self, out: &Path) -> Refusal {
        let before = snapshot(out);
        let Err(ExportError::Refused(refusal)) = self.try_export(out) else { panic!("it was not refused") };
        let after = snapshot(out);
        assert!(before.iter().all(|(name, file)| after.get(name) == Some(file)), "something was overwritten");
        refusal
    }
}

/// `1234067` → `x001/x234/067`, after the public text.
fn number(n: u64) -> String {
    let (rest, last) = (n / 1000, n % 1000);
    let mut path = format!("{last:03}");
    let mut rest = rest;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

fn file_name(kind: &str, n: u64, width: usize) -> String {
    let partial = if width < 256 { format!(".p/{width}") } else { String::new() };
    format!("tile/{kind}/{}{partial}", number(n))
}

/// The checkpoint in the folder, its signature verified.
fn checkpoint(out: &Path) -> Checkpoint {
    let note = fs::read_to_string(out.join("checkpoint")).unwrap();
    Checkpoint::verify(&note, &[world::identity().note_key], &TestVerifier).unwrap()
}

/// Reads the whole log as a client of this checkpoint would; gives the names of the files that it needed.
fn audit(out: &Path, size: u64, root: &Hash) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut read = |name: String| {
        let bytes = fs::read(out.join(&name)).unwrap_or_else(|error| panic!("size {size}: {name}: {error}"));
        names.insert(name);
        bytes
    };
    let widths = |count: usize| (0..count.div_ceil(256)).map(move |n| (n, (count - n * 256).min(256)));
    let mut hashes = Vec::new();
    for (n, width) in widths(size as usize) {
        let bundle = read(file_name("entries", n as u64, width));
        hashes.extend(bundle_entries(&bundle).map(|entry| leaf_hash(entry.expect("whole entries"))));
        assert_eq!(hashes.len(), n * 256 + width);
    }
    let found = if size == 0 { EMPTY_ROOT } else { root_of(&hashes) };
    assert_eq!(&found, root, "the root over all entries at size {size}");
    for level in 0.. {
        if hashes.is_empty() {
            break;
        }
        for (n, width) in widths(hashes.len()) {
            let tile = read(file_name(&level.to_string(), n as u64, width));
            assert_eq!(tile, hashes[n * 256..][..width].concat(), "tile {level}/{n} of width {width}");
        }
        hashes = hashes.chunks_exact(256).map(root_of).collect();
    }
    names
}

/// Audits under the checkpoint that is in the folder.
fn audit_newest(out: &Path) -> BTreeSet<String> {
    let checkpoint = checkpoint(out);
    audit(out, checkpoint.size, &checkpoint.root)
}

/// Every file: its inode, so that a replaced one differs, and its bytes.
fn snapshot(out: &Path) -> BTreeMap<String, (u64, Vec<u8>)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![out.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(out).unwrap().to_str().unwrap().to_owned();
                files.insert(name, (fs::metadata(&path).unwrap().ino(), fs::read(&path).unwrap()));
            }
        }
    }
    files
}

fn names(out: &Path) -> BTreeSet<String> {
    snapshot(out).into_keys().collect()
}

#[test]
fn paths_are_those_of_the_public_text() {
    for (n, path) in [(0, "000"), (999, "999"), (1000, "x001/000"), (1_234_067, "x001/x234/067")] {
        assert_eq!(number(n), path);
    }
}

/// Each size into one folder after the other, and where widths turn into a folder of its own: the same tree, nothing
/// else in it, and all that any earlier checkpoint of the folder needs is still there at the end.
#[test]
fn every_size_alone_and_one_after_the_other() {
    let (log, dir) = (Log::new(0), tempfile::tempdir().unwrap());
    let grown = dir.path().join("grown");
    let mut published = Vec::new();
    for size in (1..=300).chain(509..=516).chain([700]) {
        log.grow_to(size);
        let done = log.export(&grown);
        assert_eq!((done.size, done.previous), (size, published.last().map(|(size, _)| *size)));
        assert_eq!(checkpoint(&grown), Checkpoint { origin: world::ORIGIN.to_owned(), size, root: done.root });
        audit_newest(&grown);
        published.push((size, done.root));

        if size % 16 < 2 {
            let alone = dir.path().join(format!("alone/{size}"));
            let fresh = log.export(&alone);
            assert_eq!((fresh.found, fresh.previous), (0, None));
            let mut wanted = audit_newest(&alone);
            assert_eq!(fresh.written, wanted.len() as u64);
            wanted.insert("checkpoint".to_owned());
            assert_eq!(names(&alone), wanted, "nothing else is in the folder");
            assert_eq!(fs::read(alone.join("checkpoint")).unwrap(), fs::read(grown.join("checkpoint")).unwrap());
        }
    }
    for (size, root) in published {
        audit(&grown, size, &root);
    }
}

#[test]
fn three_levels() {
    let (log, dir) = (Log::new(0), tempfile::tempdir().unwrap());
    let mut published = Vec::new();
    for size in [65_535, 65_536, 65_537, 66_100] {
        log.grow_to(size);
        let done = log.export(dir.path());
        let needed = audit_newest(dir.path());
        assert_eq!(needed.contains("tile/2/000.p/1"), size >= 65_536);
        assert_eq!(done.written + done.found, needed.len() as u64);
        published.push((size, done.root, done.written));
    }
    let written: Vec<u64> = published.iter().map(|(.., written)| *written).collect();
    // 255 full and a partial tile with their bundles, and 255 hashes of level 1. Then: the 256th tile and bundle, the full
    // tile of level 1, one hash of level 2. Then a partial tile and bundle. Then, full, these two and two more, and both
    // hashes of level 1.
    assert_eq!(written, [2 * 256 + 1, 2 + 1 + 1, 2, 2 + 2 + 2 + 1]);
    for (size, root, _) in published {
        audit(dir.path(), size, &root);
    }
}

#[test]
fn nothing_private_leaves() {
    let (log, dir) = (Log::of(0, 300), tempfile::tempdir().unwrap());
    log.export(dir.path());
    for (name, (_, bytes)) in snapshot(dir.path()) {
        assert!(!bytes.windows(9).any(|window| window == b"a private"), "{name} holds a fact");
    }
}

#[test]
fn a_second_export_writes_nothing() {
    let (log, dir) = (Log::of(0, 600), tempfile::tempdir().unwrap());
    let first = log.export(dir.path());
    let before = snapshot(dir.path());
    let second = log.export(dir.path());
    assert_eq!((second.written, second.written_bytes, second.found), (0, 0, first.written));
    assert_eq!((second.previous, second.root), (Some(600), first.root));
    assert_eq!(snapshot(dir.path()), before, "not even the checkpoint is written again");
}

/// Also one that a witness has added its signature to.
#[test]
fn a_checkpoint_of_the_same_size_stays_as_it_is() {
    let (log, dir) = (Log::of(0, 10), tempfile::tempdir().unwrap());
    log.export(dir.path());
    let path = dir.path().join("checkpoint");
    let stranger = Ed25519::note_signer("witness.example", 7);
    let note = fs::read_to_string(&path).unwrap();
    let text = Note::parse(&note).unwrap().text;
    fs::write(&path, format!("{note}{}", stranger.line(&stranger.sign(&text).unwrap()))).unwrap();
    let before = snapshot(dir.path());
    assert_eq!(log.export(dir.path()).previous, Some(10));
    assert_eq!(snapshot(dir.path()), before);
}

#[test]
fn what_is_missing_is_written_again() {
    let (log, dir) = (Log::of(0, 600), tempfile::tempdir().unwrap());
    log.export(dir.path());
    for name in names(dir.path()) {
        fs::remove_file(dir.path().join(&name)).unwrap();
        let done = log.export(dir.path());
        assert_eq!(done.written, u64::from(name != "checkpoint"));
        audit_newest(dir.path());
    }
}

#[test]
fn other_bytes_are_an_error_and_stay() {
    let (log, dir) = (Log::of(0, 600), tempfile::tempdir().unwrap());
    log.export(dir.path());
    for name in names(dir.path()).into_iter().filter(|name| name != "checkpoint") {
        let path = dir.path().join(&name);
        let good = fs::read(&path).unwrap();
        let mut flipped = good.clone();
        flipped[33 % good.len()] ^= 1;
        let longer = [&good[..], &[0]].concat();
        for (bytes, at) in [(flipped, 33 % good.len()), (good[..20].to_vec(), 20), (longer, good.len()), (vec![], 0)] {
            fs::write(&path, &bytes).unwrap();
            let refusal = log.refusal(dir.path());
            assert_eq!(refusal, Refusal::Differs { path: path.clone(), at });
            assert!(refusal.to_string().contains(path.to_str().unwrap()), "{refusal}");
        }
        fs::write(&path, good).unwrap();
    }
    // So it is when the ledger has grown: the checkpoint does not move past a wrong file.
    log.grow_to(900);
    let path = dir.path().join("tile/0/001");
    let good = fs::read(&path).unwrap();
    fs::write(&path, b"wrong").unwrap();
    log.refusal(dir.path());
    assert_eq!(checkpoint(dir.path()).size, 600);
    fs::write(&path, good).unwrap();
    log.export(dir.path());
    audit_newest(dir.path());
}

#[test]
fn a_checkpoint_that_is_not_a_prefix_of_ours_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let log = Log::of(0, 300);

    // The same key, more entries.
    Log::of(0, 301).export(dir.path());
    let refusal = log.refusal(dir.path());
    assert_eq!(refusal, Refusal::Larger { path: path.clone(), found: 301, ours: 300 });
    assert!(refusal.to_string().contains("301 entries"), "{refusal}");

    // The same key, another history, at all kinds of sizes.
    for size in [1, 2, 255, 256, 257, 300] {
        let (dir, other) = (tempfile::tempdir().unwrap(), Log::of(1, size));
        let found = other.export(dir.path()).root;
        let ours = log.ledger.reader().root(size).unwrap();
        let path = dir.path().join("checkpoint");
        let refusal = log.refusal(dir.path());
        assert_eq!(refusal, Refusal::Fork { path, size, found, ours });
        assert!(refusal.to_string().contains(&hex::encode(found)), "{refusal}");
    }

    // Another log; a stranger in our name; no checkpoint at all.
    let signed_by = |signer: &NoteSigner, origin: &str| {
        let text = Checkpoint { origin: origin.to_owned(), size: 1, root: [1; 32] }.text();
        Note { signatures: vec![signer.line(&signer.sign(&text).unwrap())], text }.to_string().into_bytes()
    };
    let ours = world::ORIGIN.to_owned();
    for (note, wanted) in [
        (
            signed_by(&Ed25519::note_signer("other.example", 1), "other.example"),
            Refusal::Origin { path: path.clone(), found: "other.example".to_owned(), ours: ours.clone() },
        ),
        (signed_by(&Ed25519::note_signer(&ours, 9), &ours), Refusal::Signature { path: path.clone(), size: 1 }),
        (b"not a note".to_vec(), Refusal::NoCheckpoint { path: path.clone() }),
        (vec![], Refusal::NoCheckpoint { path: path.clone() }),
        (vec![0xff; 100], Refusal::NoCheckpoint { path: path.clone() }),
        (vec![b'a'; NOTE_TOO_LONG], Refusal::NoCheckpoint { path: path.clone() }),
    ] {
        fs::write(&path, note).unwrap();
        assert_eq!(log.refusal(dir.path()), wanted);
    }
}

const NOTE_TOO_LONG: usize = crate::note::NOTE_BYTES_MAX + 7;

/// Whoever looks at any moment finds a checkpoint with all its tiles; a stop at any moment loses nothing; going on ends
/// where an export without a stop ends.
#[test]
fn a_stop_at_any_moment_leaves_the_older_checkpoint_whole() {
    let (log, dir) = (Log::of(0, 300), tempfile::tempdir().unwrap());
    let older = dir.path().join("older");
    log.export(&older);
    log.grow_to(1_300);
    let whole = dir.path().join("whole");
    let steps = log.export(&whole).written;
    for stop_at in 1..=steps {
        let out = dir.path().join(format!("stopped/{stop_at}"));
        copy(&older, &out);
        let watched = Cell::new(0);
        let stopped = catch_unwind(AssertUnwindSafe(|| {
            log.export_watched(&out, 3, &|done, total| {
                assert!(done <= total && total == steps);
                assert_eq!(checkpoint(&out).size, 300);
                watched.set(done);
                if done == stop_at {
                    std::panic::resume_unwind(Box::new("stopped"));
                }
            })
        }));
        assert!(stopped.is_err() && watched.get() == stop_at);
        assert_eq!(checkpoint(&out).size, 300);
        audit_newest(&out);
        // A kill leaves these; nobody else's files are in there.
        fs::create_dir_all(out.join(".semper-part")).unwrap();
        fs::write(out.join(".semper-part/0"), b"half").unwrap();
        let done = log.export(&out);
        assert_eq!((done.size, done.previous, done.written + done.found), (1_300, Some(300), steps));
        let wanted: BTreeSet<_> = names(&whole).union(&names(&older)).cloned().collect();
        assert_eq!(names(&out), wanted);
        audit_newest(&out);
    }
}

fn copy(from: &Path, to: &Path) {
    for (name, (_, bytes)) in snapshot(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn one_export_at_a_time() {
    let (log, dir) = (Log::of(0, 5), tempfile::tempdir().unwrap());
    let busy = Cell::new(0);
    log.export_watched(dir.path(), 1, &|_, _| {
        assert!(matches!(log.try_export(dir.path()), Err(ExportError::Busy(path)) if path == dir.path()));
        busy.set(busy.get() + 1);
    })
    .unwrap();
    assert_eq!(busy.get(), 2);
    audit_newest(dir.path());
}

#[test]
fn a_file_in_the_way_is_named() {
    let (log, dir) = (Log::of(0, 5), tempfile::tempdir().unwrap());
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    fs::create_dir_all(dir.path().join("folder/tile/0/000.p/5")).unwrap();
    fs::create_dir_all(dir.path().join("other")).unwrap();
    fs::write(dir.path().join("other/tile"), b"").unwrap();
    for (out, wanted) in
        [("file", "file"), ("file/below", "file"), ("folder", "folder/tile/0/000.p/5"), ("other", "other/tile")]
    {
        let error = log.try_export(&dir.path().join(out)).unwrap_err();
        let ExportError::Disk(DiskFault { path, .. }) = &error else { panic!("{error}") };
        assert!(path.starts_with(dir.path().join(wanted)), "{error}");
        assert!(!dir.path().join(out).join("checkpoint").exists());
    }
}

// ---- what the ledger itself must be -------------------------------------------------------------------------------------

/// Rows with checksums that fit and contents that do not: whoever changed them knew how. None of it gets out.
#[test]
fn a_wrong_row_stops_the_export_before_it_leaves() {
    let log = Log::of(0, 66_000);
    let dir = tempfile::tempdir().unwrap();
    let row = |table, key: &[u8]| read(&log.store, table, key).unwrap().unwrap();
    let flipped = |mut bytes: Vec<u8>, at: usize| {
        bytes[at] ^= 1;
        bytes
    };
    let tile = |level, index| keys::tile(TileId { level, index }).to_vec();
    let bundle = keys::number(3).to_vec();
    // An entry and its tile, changed together: only the tile above knows.
    let entries = flipped(row(Table::Bundle, &bundle), 40);
    let leaves: Vec<Hash> = bundle_entries(&entries).map(|entry| leaf_hash(entry.unwrap())).collect();
    let changes = [
        vec![(Table::Bundle, bundle.clone(), entries.clone())],
        vec![(Table::Bundle, bundle.clone(), entries), (Table::Tile, tile(0, 3), Tile::new(&leaves).row().concat())],
        vec![(Table::Bundle, bundle, row(Table::Bundle, &keys::number(4)))],
        vec![(Table::Tile, tile(0, 7), flipped(row(Table::Tile, &tile(0, 7)), 77))],
        vec![(Table::Tile, tile(0, 7), row(Table::Tile, &tile(0, 7))[..32 * 255].to_vec())],
        vec![(Table::Tile, tile(0, 7), row(Table::Tile, &tile(0, 7))[..32 * 256].to_vec())],
        vec![(Table::Tile, tile(1, 0), flipped(row(Table::Tile, &tile(1, 0)), 8_191))],
        vec![(Table::Tile, tile(1, 1), flipped(row(Table::Tile, &tile(1, 1)), 0))],
        vec![(Table::Tile, tile(2, 0), flipped(row(Table::Tile, &tile(2, 0)), 0))],
        vec![(Table::Bundle, keys::number(257).to_vec(), flipped(row(Table::Bundle, &keys::number(257)), 9))],
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let store = log.store.copy();
        let mut batch = Batch::default();
        change.iter().for_each(|(table, key, value)| batch.put(*table, key, value));
        store.commit(&batch).unwrap();
        let out = dir.path().join(i.to_string());
        let error = export_from(&store, &log.anchored(), &out).unwrap_err();
        // The edge of levels 1 and 2 is the right edge, which is read first of all.
        let (table, key) = (change.last().unwrap().0, &change.last().unwrap().1);
        match error {
            ExportError::Ledger(OpenError::Root { size: 66_000 }) if matches!(i, 7 | 8) => {
                assert!(!out.exists(), "no folder is made for a ledger that cannot be exported");
            }
            ExportError::Ledger(OpenError::Fault(Fault::Corrupt { table: found, key: at, .. })) => {
                assert_eq!((found, &at), (table, key), "change {i}");
            }
            other => panic!("change {i}: {other}"),
        }
        assert!(!out.join("checkpoint").exists());
        for (_, key, value) in &change {
            let leaked = out.exists() && snapshot(&out).values().any(|(_, bytes)| bytes == value);
            // Bundle 4 as bundle 3 is a true bundle, in its own place.
            assert!(!leaked || i == 2, "change {i}: the wrong row {} got out", hex::encode(key));
        }
    }
}

fn export_from(store: &MemoryStore, anchored: &Anchored, out: &Path) -> Result<Exported, ExportError> {
    let (identity, verifier) = (&world::identity(), &TestVerifier);
    Export { store, identity, verifier, anchored, cosigned: None, out, progress: &|_, _| () }.run()
}

#[test]
fn the_store_must_be_the_one_that_was_anchored() {
    let (log, dir) = (Log::of(0, 300), tempfile::tempdir().unwrap());
    let out = dir.path().join("out");
    let (old_store, old_anchor) = (log.store.copy(), log.anchored());
    log.grow_to(301);
    let error = |store: &MemoryStore, anchored: &Anchored| match export_from(store, anchored, &out) {
        Err(ExportError::Ledger(error)) => error,
        other => panic!("{other:?}"),
    };
    let newest = log.anchored();
    assert!(matches!(error(&old_store, &newest), OpenError::RolledBack { store: 300, anchor: 301 }));
    let other_root = Anchored { root: [7; 32], ..newest.clone() };
    assert!(matches!(error(&log.store, &other_root), OpenError::Forked { size: 301 }));
    let between = Anchored { size: 299, ..newest.clone() };
    assert!(matches!(error(&log.store, &between), OpenError::Forked { size: 299 }), "no group ended there");
    let other_log = Anchored { origin_hash: [7; 32], ..newest };
    assert!(matches!(error(&log.store, &other_log), OpenError::AnchorOrigin));
    assert!(!out.exists());

    // One group ahead, as a power cut leaves it: what nobody was given stays in.
    assert_eq!(export_from(&log.store, &old_anchor, &out).unwrap().size, 300);
    audit_newest(&out);
    // Also where that group filled the tile, and began another one.
    let old_anchor = log.anchored();
    log.grow_to(600);
    assert_eq!(export_from(&log.store, &old_anchor, &out).unwrap().size, 301);
    audit_newest(&out);
    log.export(&out);
    audit_newest(&out);
}

#[test]
fn other_logs_and_unsigned_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let empty = Log::new(0);
    assert!(matches!(empty.try_export(&out), Err(ExportError::Empty)));
    let receipt = || Arc::new(Es256::new(2));
    let other = Log::with_keys(0, LogKeys::new(Ed25519::note_signer("other.example", 1), receipt(), "https://t"));
    other.grow_to(3);
    let error = export_from(&other.store, &other.anchored(), &out).unwrap_err();
    assert!(matches!(error, ExportError::Ledger(OpenError::Origin { found, .. }) if found == "other.example"));
    let stranger = Log::with_keys(0, LogKeys::new(Ed25519::note_signer(world::ORIGIN, 9), receipt(), "https://t"));
    stranger.grow_to(3);
    let error = export_from(&stranger.store, &stranger.anchored(), &out).unwrap_err();
    assert!(matches!(error, ExportError::Ledger(OpenError::Signature { size: 3 })));
    assert!(!out.exists());
}
