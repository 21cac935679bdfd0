use std::convert::Infallible;

use super::*;
use crate::{
    entry::Tags,
    merkle::root_of,
    note::{Note, NoteSigner},
    proof::verify_inclusion,
    store::memory::MemoryStore,
    testing::{Ed25519, TestVerifier},
    tile::bundle_push,
};

const GENESIS: Genesis = Genesis { role: 1, kind: 0 };

/// A log in memory that signs whatever it holds.
#[derive(Clone)]
struct Log {
    signer: Arc<NoteSigner>,
    entries: Vec<Vec<u8>>,
}

impl Log {
    fn new(entries: Vec<Vec<u8>>) -> Self {
        Self { signer: Arc::new(Ed25519::note_signer("log", 1)), entries }
    }

    /// A log of ours: genesis, then plain entries, one a millisecond.
    fn ours(size: u64) -> Self {
        Self::new((0..size).map(|n| entry(n, &[])).collect())
    }

    fn leaves(&self) -> Vec<Hash> {
        self.entries.iter().map(|entry| leaf_hash(entry)).collect()
    }

    fn signed(&self, size: u64) -> Signed {
        let root = root_of(&self.leaves()[..size as usize]);
        self.sign(Checkpoint { origin: "log".to_owned(), size, root })
    }

    fn sign(&self, checkpoint: Checkpoint) -> Signed {
        let text = checkpoint.text();
        let line = self.signer.line(&self.signer.sign(&text).unwrap());
        Signed { note: Note { text, signatures: vec![line] }.to_string(), checkpoint }
    }

    fn bundle(&self, index: u64, size: u64) -> (Vec<u8>, Vec<Hash>) {
        let (from, to) = ((index * 256) as usize, size.min((index + 1) * 256) as usize);
        let mut bundle = Vec::new();
        self.entries[from..to].iter().for_each(|entry| bundle_push(&mut bundle, entry));
        (bundle, self.leaves()[from..to].to_vec())
    }

    /// Its tree at a size, with all tiles.
    fn tiles(&self, size: u64) -> AllTiles {
        let mut tiles = HashMap::new();
        let mut edge = Edge::default();
        for leaf in &self.leaves()[..size as usize] {
            edge.push(*leaf, |id, tile| {
                tiles.insert(id, tile);
            });
        }
        tiles.extend(edge.tiles().map(|(id, tile)| (id, tile.clone())));
        AllTiles(tiles)
    }
}

struct AllTiles(HashMap<TileId, Arc<Tile>>);

impl Tiles for AllTiles {
    type Error = Infallible;

    fn tile(&self, id: TileId, _: usize) -> Result<Arc<Tile>, Infallible> {
        Ok(self.0[&id].clone())
    }
}

fn entry(n: u64, tags: &[u8]) -> Vec<u8> {
    at(n, 1_000 + n, tags)
}

fn at(n: u64, time_ms: u64, tags: &[u8]) -> Vec<u8> {
    let tags = Tags::new(tags.iter().map(|tag| Tag([*tag; 32])).collect()).unwrap();
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&n.to_be_bytes());
    Entry { role: 1, kind: u64::from(n > 0), time_ms, digest, tags }.encode()
}

fn open(store: &MemoryStore, log: &Log) -> Monitor {
    let key = log.signer.verifier_key().clone();
    Monitor::open(Box::new(store.clone()), key, Arc::new(TestVerifier), GENESIS).unwrap()
}

/// Reads up to `size`, as the shell does.
fn follow(monitor: &mut Monitor, log: &Log, size: u64) -> Result<Option<Misbehaviour>, Stopped> {
    let target = match monitor.judge(&log.signed(size).note).unwrap() {
        Judged::Newer(target) => target,
        Judged::Misbehaved(misbehaviour) => return Ok(Some(*misbehaviour)),
        other => panic!("{other:?}"),
    };
    let tiles = log.tiles(size);
    match monitor.fork_before(&target, &tiles) {
        Ok(None) => {}
        Ok(found) => return Ok(found),
        Err(ForkError::Unfit(unfit)) => return Err(unfit.into()),
    }
    read_up_to(monitor, log, &target)?;
    for (id, tile) in monitor.edge() {
        Monitor::check(id, tile, tiles.0[&id].hashes())?;
    }
    monitor.finish(target, Vec::new())
}

fn read_up_to(monitor: &mut Monitor, log: &Log, target: &Signed) -> Result<(), Stopped> {
    monitor.begin(target)?;
    while monitor.staged() < target.checkpoint.size {
        let index = monitor.staged() / 256;
        let (bundle, tile) = log.bundle(index, target.checkpoint.size);
        let above = monitor.take(target, index, &bundle, &tile, &mut |_| ())?;
        let tiles = log.tiles(target.checkpoint.size);
        for (id, ours) in above {
            Monitor::check(id, &ours, tiles.0[&id].hashes())?;
        }
    }
    Ok(())
}

#[test]
fn a_log_that_grows_is_followed_over_restarts() {
    let (log, store) = (Log::ours(70_000), MemoryStore::default());
    let mut seen = Vec::new();
    for size in [1, 2, 255, 256, 257, 700, 66_000, 70_000] {
        let mut monitor = open(&store, &log);
        assert_eq!(monitor.verified().map(|signed| signed.checkpoint.size), seen.last().copied());
        assert_eq!(follow(&mut monitor, &log, size).unwrap(), None);
        assert_eq!(monitor.last_time_ms(), 1_000 + size - 1);
        assert_eq!(monitor.judge(&log.signed(size).note).unwrap(), Judged::Same);
        for older in &seen {
            assert_eq!(monitor.judge(&log.signed(*older).note).unwrap(), Judged::Older(log.signed(*older)));
        }
        seen.push(size);
    }
    let monitor = open(&store, &log);
    for index in [0, 255, 256, 65_535, 69_999] {
        let proof = monitor.proof(index, &log.entries[index as usize]).unwrap();
        let root = log.signed(70_000).checkpoint.root;
        let leaf = leaf_hash(proof.extra.as_ref().unwrap());
        assert_eq!(verify_inclusion(&leaf, index, 70_000, &root, &proof.path), Ok(()));
    }
}

#[test]
fn every_entry_is_shown_once_also_over_a_stop_in_the_middle() {
    let (log, store) = (Log::ours(40_000), MemoryStore::default());
    let target = log.signed(40_000);
    let mut shown = Vec::new();
    let mut monitor = open(&store, &log);
    let mut staged_before = 0;
    for index in 0..=39_999 / 256 {
        if index == 100 {
            // What was not written yet is read again; nothing is lost.
            monitor = open(&store, &log);
            staged_before = monitor.staged();
            assert!((64 * 256..=100 * 256).contains(&staged_before), "{staged_before}");
            // The notes are of the same moment.
            assert_eq!(monitor.notes(), staged_before.to_string().as_bytes());
            shown.truncate(staged_before as usize);
        }
        let index = monitor.staged() / 256;
        let (bundle, tile) = log.bundle(index, 40_000);
        monitor.take(&target, index, &bundle, &tile, &mut |seen| shown.push(seen.index)).unwrap();
        if monitor.is_due() {
            monitor.save(shown.len().to_string().into_bytes()).unwrap();
        }
    }
    while monitor.staged() < 40_000 {
        let index = monitor.staged() / 256;
        let (bundle, tile) = log.bundle(index, 40_000);
        monitor.take(&target, index, &bundle, &tile, &mut |seen| shown.push(seen.index)).unwrap();
    }
    assert!(staged_before > 0);
    assert_eq!(monitor.finish(target, Vec::new()).unwrap(), None);
    assert_eq!(shown, (0..40_000).collect::<Vec<_>>());
}

#[test]
fn another_history_convicts() {
    let log = Log::ours(1_000);
    let mut forked = log.clone();
    forked.entries[300] = at(9_999, 1_300, &[]);
    let store = MemoryStore::default();
    assert_eq!(follow(&mut open(&store, &log), &log, 700).unwrap(), None);
    // The same size.
    let found = follow(&mut open(&store, &log), &forked, 700).unwrap().unwrap();
    assert_eq!(found, Misbehaviour::TwoRoots { first: log.signed(700).note, other: forked.signed(700).note });
    // Larger, smaller: in both the tree of the larger one begins with another root than the smaller one states.
    for (size, older, newer) in
        [(1_000, log.signed(700), forked.signed(1_000)), (500, forked.signed(500), log.signed(700))]
    {
        let found = follow(&mut open(&store, &log), &forked, size).unwrap().unwrap();
        let Misbehaviour::Fork { older: o, newer: n, from, root, to, path } = found else { panic!("{found:?}") };
        assert_eq!((o, n), (older.note, newer.note));
        assert_eq!((from, to), (older.checkpoint.size, newer.checkpoint.size));
        assert_ne!(root, older.checkpoint.root);
        verify_consistency((from, &root), (to, &newer.checkpoint.root), &path).unwrap();
    }
    // Before the fork the histories are one.
    let judged = open(&store, &log).judge(&forked.signed(300).note).unwrap();
    assert_eq!(judged, Judged::Older(log.signed(300)));
}

#[test]
fn a_tag_seen_twice_convicts_wherever_the_two_stand() {
    for (first, second) in [(3, 5), (3, 255), (3, 300), (300, 20_000), (255, 256)] {
        let mut log = Log::ours(20_500);
        log.entries[first] = entry(first as u64, &[7, 8]);
        log.entries[second] = entry(second as u64, &[6, 7]);
        let store = MemoryStore::default();
        let mut monitor = open(&store, &log);
        assert_eq!(follow(&mut monitor, &log, second as u64).unwrap(), None);
        let found = follow(&mut monitor, &log, 20_500).unwrap().unwrap();
        let Misbehaviour::TagTwice(genesis, [one, other]) = &found else { panic!("{found:?}") };
        assert_eq!((genesis.index, one.index, other.index), (0, first as u64, second as u64));
        assert_eq!(monitor.bearer(&Tag([7; 32])).unwrap().as_ref(), Some(one));
        assert_eq!(monitor.bearer(&Tag([9; 32])).unwrap(), None);
        assert_eq!(monitor.genesis().unwrap().as_ref(), Some(genesis));
        assert_eq!(one.extra.as_ref(), Some(&log.entries[first]));
        assert_eq!(other.checkpoint, log.signed(20_500).note);
        // Also told to whoever comes later.
        assert_eq!(open(&store, &log).convicted().unwrap(), Some(found));
    }
}

#[test]
fn a_time_that_falls_and_bytes_that_are_no_entry_convict() {
    let mut log = Log::ours(600);
    log.entries[400] = at(400, 1_398, &[]);
    let found = follow(&mut open(&MemoryStore::default(), &log), &log, 600).unwrap();
    assert!(
        matches!(&found, Some(Misbehaviour::TimeFell(_, [one, other])) if (one.index, other.index) == (399, 400)),
        "{found:?}"
    );
    let mut log = Log::ours(600);
    log.entries[400] = b"free text".to_vec();
    let found = follow(&mut open(&MemoryStore::default(), &log), &log, 600).unwrap();
    assert!(
        matches!(&found, Some(Misbehaviour::NoEntry(one, [other])) if (one.index, other.index) == (0, 400)),
        "{found:?}"
    );
}

#[test]
fn an_entry_of_a_newer_version_convicts_nobody() {
    let mut newer = entry(400, &[7]);
    newer[1] = 2;
    let mut log = Log::ours(600);
    log.entries[300] = entry(300, &[7]);
    log.entries[400] = newer;
    let mut monitor = open(&MemoryStore::default(), &log);
    let target = log.signed(600);
    let mut shown = Vec::new();
    for index in 0..3 {
        let (bundle, tile) = log.bundle(index, 600);
        let visit = &mut |seen: Seen<'_>| shown.extend(seen.newer.map(|version| (seen.index, version)));
        monitor.take(&target, index, &bundle, &tile, visit).unwrap();
    }
    assert_eq!(monitor.finish(target, Vec::new()).unwrap(), None);
    assert_eq!((shown, monitor.is_ours()), (vec![(400, 2)], true));
}

#[test]
fn a_strangers_log_may_hold_what_it_likes() {
    let mut log = Log::new((0..600u64).map(|n| format!("line {n}").into_bytes()).collect());
    log.entries[17] = entry(17, &[1]);
    log.entries[18] = at(18, 1, &[1]);
    log.entries[19] = Vec::new();
    let mut monitor = open(&MemoryStore::default(), &log);
    assert_eq!(follow(&mut monitor, &log, 600).unwrap(), None);
    assert_eq!((monitor.last_time_ms(), monitor.is_ours()), (0, false));
}

#[test]
fn bytes_that_do_not_fit_prove_nothing_and_are_read_again() {
    let (log, store) = (Log::ours(1_000), MemoryStore::default());
    let mut monitor = open(&store, &log);
    assert_eq!(follow(&mut monitor, &log, 300).unwrap(), None);
    let target = log.signed(1_000);
    let (bundle, tile) = log.bundle(1, 1_000);
    let mut take = |bundle: &[u8], tile: &[Hash]| match monitor.take(&target, 1, bundle, tile, &mut |_| panic!()) {
        Err(Stopped::Unfit(unfit)) => unfit,
        other => panic!("{other:?}"),
    };
    assert_eq!(take(&bundle[..bundle.len() - 1], &tile), Unfit::Bundle { index: 1, width: 256 });
    assert_eq!(take(&bundle, &tile[..255]), Unfit::Bundle { index: 1, width: 256 });
    assert_eq!(take(&[], &tile), Unfit::Bundle { index: 1, width: 256 });
    for flipped in [2, bundle.len() - 1] {
        let mut bundle = bundle.clone();
        bundle[flipped] ^= 1;
        assert_eq!(take(&bundle, &tile), Unfit::Tile { level: 0, index: 1 });
    }
    // Entries read before are compared, too: here the log's tile goes along with the lie.
    let mut lie = log.clone();
    lie.entries[260] = entry(1, &[]);
    let (lied, lied_tile) = lie.bundle(1, 1_000);
    assert_eq!(take(&lied, &lied_tile), Unfit::Tile { level: 0, index: 1 });
    // A lie behind them is noticed at the root.
    let mut lie = log.clone();
    lie.entries[900] = entry(1, &[]);
    read_up_to(&mut monitor, &lie, &target).unwrap();
    let Err(Stopped::Unfit(unfit)) = monitor.finish(target.clone(), Vec::new()) else { panic!() };
    assert_eq!(unfit, Unfit::Root { size: 1_000 });
    assert_eq!((monitor.staged(), open(&store, &log).staged()), (300, 300));
    assert_eq!(follow(&mut monitor, &log, 1_000).unwrap(), None);
}

#[test]
fn what_was_staged_and_forgotten_convicts_nobody() {
    let mut log = Log::ours(1_000);
    log.entries[600] = entry(600, &[7]);
    let store = MemoryStore::default();
    let mut monitor = open(&store, &log);
    assert_eq!(follow(&mut monitor, &log, 300).unwrap(), None);
    // Served wrongly: tag 7 at 400, twice even, and a time that falls.
    let mut lie = log.clone();
    lie.entries[400] = entry(400, &[7]);
    lie.entries[401] = entry(401, &[7]);
    lie.entries[402] = at(402, 0, &[]);
    let target = log.signed(1_000);
    read_up_to(&mut monitor, &lie, &target).unwrap();
    monitor.commit().unwrap();
    let mut monitor = open(&store, &log);
    assert_eq!(monitor.staged(), 1_000);
    assert!(monitor.finish(target, Vec::new()).is_err());
    assert_eq!(follow(&mut monitor, &log, 1_000).unwrap(), None);
    assert_eq!(monitor.convicted().unwrap(), None);
}

#[test]
fn a_target_smaller_than_what_was_staged() {
    let (log, store) = (Log::ours(1_000), MemoryStore::default());
    let mut monitor = open(&store, &log);
    read_up_to(&mut monitor, &log, &log.signed(1_000)).unwrap();
    assert_eq!(follow(&mut monitor, &log, 800).unwrap(), None);
    assert_eq!(monitor.verified().unwrap().checkpoint.size, 800);
}

#[test]
fn checkpoints_that_are_none_are_refused() {
    let log = Log::ours(10);
    let monitor = &mut open(&MemoryStore::default(), &log);
    assert!(matches!(monitor.judge("nonsense"), Err(JudgeError::Bad(_))));
    let stranger = Log { signer: Arc::new(Ed25519::note_signer("log", 2)), ..log.clone() };
    assert!(matches!(monitor.judge(&stranger.signed(5).note), Err(JudgeError::Bad(_))));
    assert_eq!(follow(monitor, &log, 10).unwrap(), None);
    let empty = log.sign(Checkpoint { origin: "log".to_owned(), size: 0, root: [1; 32] });
    assert!(matches!(monitor.judge(&empty.note), Err(JudgeError::Bad(BadCheckpoint::Shape))));
}

#[test]
fn a_memory_of_another_log_or_of_nothing_is_refused() {
    let (log, store) = (Log::ours(10), MemoryStore::default());
    assert_eq!(follow(&mut open(&store, &log), &log, 10).unwrap(), None);
    let other = Ed25519::note_signer("other", 3).verifier_key().clone();
    let open = |store: &MemoryStore, key| Monitor::open(Box::new(store.clone()), key, Arc::new(TestVerifier), GENESIS);
    let key = log.signer.verifier_key().clone();
    assert!(matches!(open(&store, other), Err(MemoryError::OtherLog { .. })));
    store.tamper(Table::Tile, &keys::tile(TileId { level: 0, index: 0 }), None);
    assert!(open(&store, key.clone()).is_err());
    let foreign = MemoryStore::default();
    let mut batch = Batch::default();
    batch.put(Table::Meta, b"format", b"2");
    foreign.commit(&batch).unwrap();
    assert!(matches!(open(&foreign, key), Err(MemoryError::Damaged(_))));
}
