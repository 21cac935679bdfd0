//! Opening, appending, and what is refused.

use super::*;
use crate::{
    anchor::memory::MemoryAnchor,
    receipt::tlog_proof::TlogProof,
    sequencer::{Draft, Idempotency, RoleRow},
    store::memory::MemoryStore,
    testing::{Ed25519, Es256, ManualClock, TestVerifier},
};

struct World {
    store: MemoryStore,
    anchor: MemoryAnchor,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let world =
            Self { store: MemoryStore::default(), anchor: MemoryAnchor::default(), clock: ManualClock::at(10_000) };
        create(&world.store, &world.anchor, log_keys("log").identity()).unwrap();
        world
    }

    fn open(&self) -> Ledger {
        self.try_open(&self.anchor, "log").unwrap()
    }

    fn try_open(&self, anchor: &MemoryAnchor, origin: &str) -> Result<Ledger, OpenError> {
        Ledger::open(Parts {
            store: Arc::new(self.store.clone()),
            anchor: Arc::new(anchor.clone()),
            journal: Arc::new(crate::erasure::MemoryJournal::default()),
            keys: log_keys(origin),
            verifier: Arc::new(TestVerifier),
            clock: self.clock.clone(),
            observer: Arc::new(()),
            settings: SequencerSettings::default(),
            tile_cache_bytes: 1 << 20,
        })
    }
}

fn log_keys(origin: &str) -> LogKeys {
    LogKeys::new(Ed25519::note_signer(origin, 1), Arc::new(Es256::new(2)), "https://t")
}

fn commit(n: u64, now_ms: u64) -> Commit {
    let fact = format!("fact {n}").into_bytes();
    Commit::one(now_ms, Draft::with_artefact(2, 1, fact, format!("artefact {n}").into_bytes()))
}

fn prove(ledger: &Ledger, appended: &Appended) -> (String, Vec<u8>) {
    let reader = ledger.reader();
    let receipt = reader.receipt_of(appended, 0).unwrap().unwrap();
    let text = receipt.tlog_proof(reader.identity());
    let proven = TlogProof::parse(&text).unwrap().verify(&[reader.vkey().clone()], &TestVerifier).unwrap();
    assert_eq!(proven.index, appended.first);
    // A tree of one leaf has no COSE receipt; `semper init` writes two entries at once.
    let cose = if receipt.head.size > 1 { receipt.cose(reader.identity()) } else { Vec::new() };
    (text, cose)
}

#[test]
fn a_frozen_ledger_is_read_as_before_and_takes_nothing() {
    let world = World::new();
    let appended = world.open().append(commit(0, 10_000)).unwrap();
    let keys = log_keys("log");
    let store: Arc<dyn Store> = Arc::new(world.store.clone());
    let settings = SequencerSettings::default();
    let frozen = Ledger::open_frozen(store, keys.identity(), &TestVerifier, Arc::new(()), settings, 1 << 20).unwrap();
    prove(&frozen, &appended);
    assert!(!frozen.takes_commits());
    assert_eq!(frozen.append(commit(1, 10_000)).unwrap_err(), Refused::Stopped);
}

#[test]
fn what_was_appended_is_proven_the_same_way_after_reopening() {
    let world = World::new();
    let ledger = world.open();
    assert_eq!(ledger.reader().checkpoint(), None);
    let mut proofs = Vec::new();
    for n in 0..700 {
        world.clock.set(10_000 + n);
        let appended = ledger.append(commit(n, 10_000 + n)).unwrap();
        assert_eq!((appended.first, appended.count, appended.replayed), (n, 1, false));
        proofs.push(prove(&ledger, &appended));
    }
    drop(ledger);
    let ledger = world.open();
    for (n, proof) in proofs.iter().enumerate() {
        let again = Appended { first: n as u64, count: 1, replayed: true, group: None };
        assert_eq!(prove(&ledger, &again), *proof);
        let digest = sha256(format!("artefact {n}").as_bytes());
        assert_eq!(ledger.reader().find_digest(&digest).unwrap(), Some(n as u64));
        assert_eq!(ledger.reader().fact(n as u64).unwrap().unwrap(), format!("fact {n}").into_bytes());
    }
    assert_eq!(ledger.append(commit(700, 10_699)).unwrap().first, 700);
    assert_eq!(ledger.reader().receipt(701).unwrap(), None);
    assert_eq!(ledger.reader().find_digest(&[0; 32]).unwrap(), None);
}

#[test]
fn the_last_entries_must_hash_to_their_tile() {
    // A partial tile is in the edge; a full one is not.
    for size in [255, 256, 257] {
        let world = World::new();
        let ledger = world.open();
        (0..size).for_each(|n| drop(ledger.append(commit(n, 10_000)).unwrap()));
        drop(ledger);
        drop(world.open());
        let key = keys::number((size - 1) / TILE_WIDTH);
        let mut bundle = read(&world.store, Table::Bundle, &key).unwrap().unwrap();
        let last = bundle.len() - 1;
        bundle[last] ^= 1;
        let mut batch = Batch::default();
        batch.put(Table::Bundle, &key, &bundle);
        world.store.commit(&batch).unwrap();
        let refused = world.try_open(&world.anchor, "log").err();
        assert!(matches!(refused, Some(OpenError::Entries)), "size {size}: {refused:?}");
    }
}

#[test]
fn consistency_is_proven_wherever_a_group_ends() {
    let world = World::new();
    let ledger = world.open();
    let three = |n: u64| Commit {
        drafts: (0..3).map(|i| Draft::of_fact(1, 1, format!("{n} {i}").into_bytes())).collect(),
        ..commit(n, 10_000)
    };
    (0..4).for_each(|n| drop(ledger.append(three(n)).unwrap()));
    let reader = ledger.reader();
    for (from, to) in (0..=13).flat_map(|from| (0..=13).map(move |to| (from, to))) {
        let receipt = reader.consistency_receipt(from, to).unwrap();
        assert_eq!(receipt.is_some(), 0 < from && from < to && to % 3 == 0 && to <= 12, "{from} to {to}");
        if let Some(receipt) = receipt {
            let before = reader.root(from).unwrap();
            let proven =
                crate::receipt::cose::verify_consistency(&receipt, (from, &before), reader.identity(), &TestVerifier);
            assert_eq!(proven, Ok((to, reader.root(to).unwrap())));
        }
    }
}

#[test]
fn judging_a_store_changes_nothing() {
    let world = World::new();
    let ledger = world.open();
    ledger.append(commit(0, 10_000)).unwrap();
    let (backup, before) = (world.store.copy(), world.anchor.load().unwrap());
    ledger.append(commit(1, 10_000)).unwrap();
    drop(ledger);
    let look = |store: &MemoryStore, anchor: &MemoryAnchor, origin: &str| {
        inspect(
            Arc::new(store.clone()),
            anchor,
            &crate::erasure::MemoryJournal::default(),
            log_keys(origin).identity(),
            &TestVerifier,
        )
        .map(drop)
    };
    let behind = MemoryAnchor::at(before.clone());
    look(&world.store, &world.anchor, "log").unwrap();
    look(&world.store, &behind, "log").unwrap();
    assert_eq!(behind.load().unwrap(), before, "not brought up: that is for opening");
    let refused = look(&backup, &world.anchor, "log").unwrap_err();
    assert!(matches!(refused, OpenError::RolledBack { store: 1, anchor: 2 }), "{refused}");
    assert!(matches!(look(&world.store, &world.anchor, "other").unwrap_err(), OpenError::Origin { .. }));
}

#[test]
fn a_repeated_request_gets_its_first_answer() {
    let world = World::new();
    let ledger = world.open();
    let keyed = |n, request| Commit {
        idempotency: Some(Idempotency { key: [1; 32], request: [request; 32] }),
        ..commit(n, 10_000)
    };
    assert_eq!(ledger.append(keyed(0, 1)).unwrap().first, 0);
    world.clock.set(50_000);
    let again = ledger.append(keyed(1, 1)).unwrap();
    assert_eq!((again.first, again.replayed), (0, true), "whatever the time, and before anything is refused");
    assert_eq!(ledger.append(keyed(2, 2)).unwrap_err(), Refused::KeyReused { index: 0 });
    drop(ledger);
    let ledger = world.open();
    assert!(ledger.append(keyed(3, 1)).unwrap().replayed);
    assert_eq!(ledger.reader().size(), 1);
}

#[test]
fn a_tag_or_a_step_is_taken_once_and_a_commit_is_whole() {
    let world = World::new();
    let ledger = world.open();
    let tag = crate::entry::Tag([5; 32]);
    let tagged = |n| {
        let mut commit = commit(n, 10_000);
        commit.drafts[0].tags = crate::entry::Tags::new(vec![tag]).unwrap();
        commit
    };
    let stepped = |n, step| {
        let mut commit = commit(n, 10_000);
        commit.drafts[0].step = Some(([6; 32], step));
        commit
    };
    ledger.append(tagged(0)).unwrap();
    ledger.append(stepped(1, 0)).unwrap();
    ledger.append(stepped(2, 1)).unwrap();
    assert_eq!(ledger.append(tagged(3)).unwrap_err(), Refused::TagSeen { tag, index: 0 });
    assert_eq!(ledger.append(stepped(4, 1)).unwrap_err(), Refused::StepTaken { step: 1, index: 2 });
    let mut whole = commit(5, 10_000);
    whole.drafts.extend(tagged(6).drafts);
    assert!(ledger.append(whole).is_err());
    let mut twice = commit(7, 10_000);
    twice.drafts[0].step = Some(([7; 32], 0));
    twice.drafts.push(twice.drafts[0].clone());
    assert_eq!(ledger.append(twice).unwrap_err(), Refused::StepTaken { step: 0, index: 3 });
    assert_eq!(ledger.reader().size(), 3);
    assert_eq!(ledger.reader().facts_of(&[6; 32], 0).unwrap(), [b"fact 1".to_vec(), b"fact 2".to_vec()]);
}

#[test]
fn facts_of_one_commit_answer_requests_of_their_own() {
    let world = World::new();
    let ledger = world.open();
    let request = |n: u8, request: u8| Idempotency { key: [n; 32], request: [request; 32] };
    let turn = |from: u64, requests: &[Idempotency]| {
        let mut turn = commit(from, 10_000);
        turn.drafts.extend((from + 1..from + requests.len() as u64).flat_map(|n| commit(n, 10_000).drafts));
        let answered =
            |(draft, request): (usize, &Idempotency)| RoleRow::Answered { request: *request, draft, count: 1 };
        turn.rows = requests.iter().enumerate().map(answered).collect();
        turn
    };
    ledger.append(turn(0, &[request(1, 1), request(2, 2), request(3, 3)])).unwrap();
    assert_eq!(ledger.reader().answered(&[2; 32]).unwrap().map(|(first, _)| first), Some(1));
    // The same key again, with whatever request, in this commit or alone: all or nothing.
    for again in [request(2, 2), request(2, 9)] {
        let refused = ledger.append(turn(10, &[request(4, 4), again])).unwrap_err();
        assert_eq!(refused, Refused::KeyReused { index: 1 });
    }
    let twice = ledger.append(turn(10, &[request(4, 4), request(4, 4)])).unwrap_err();
    assert_eq!(twice, Refused::KeyReused { index: 3 });
    assert_eq!(ledger.reader().size(), 3);
    let single = Commit { idempotency: Some(request(3, 3)), ..commit(20, 10_000) };
    let replayed = ledger.append(single).unwrap();
    assert_eq!((replayed.first, replayed.count, replayed.replayed), (2, 1, true));
    drop(ledger);
    assert_eq!(world.open().reader().answered(&[3; 32]).unwrap().map(|(first, _)| first), Some(2));
}

#[test]
fn time_never_falls_and_old_decisions_go_back() {
    let world = World::new();
    let ledger = world.open();
    ledger.append(commit(0, 10_000)).unwrap();
    world.clock.set(15_001);
    let stale = Refused::Stale { now_ms: 10_000, entry_ms: 15_001 };
    assert_eq!(ledger.append(commit(1, 10_000)).unwrap_err(), stale);
    ledger.append(commit(1, 10_001)).unwrap();
    world.clock.set(12_000); // within the merge delay: the sequencer waits for its own time to come again
    ledger.append(commit(2, 12_000)).unwrap();
    assert_eq!(world.clock.waited(), 3_001);
    world.clock.set(10_000);
    let behind = Refused::ClockBehind { clock_ms: 10_000, newest_ms: 15_001 };
    assert_eq!(ledger.append(commit(3, 10_000)).unwrap_err(), behind);
    assert_eq!(ledger.reader().size(), 3);
}

#[test]
fn counters_only_grow() {
    let world = World::new();
    let ledger = world.open();
    let count =
        |at_least| Commit { rows: vec![RoleRow::Counter { name: "serial", at_least }], ..commit(at_least, 10_000) };
    for at_least in [5, 9, 7] {
        ledger.append(count(at_least)).unwrap();
    }
    assert_eq!(ledger.reader().counter("serial").unwrap(), 9);
    drop(ledger);
    let ledger = world.open();
    ledger.append(count(8)).unwrap();
    assert_eq!(ledger.reader().counter("serial").unwrap(), 9);
}

#[test]
fn a_store_older_than_its_anchor_is_refused() {
    let world = World::new();
    let ledger = world.open();
    ledger.append(commit(0, 10_000)).unwrap();
    let backup = world.store.copy();
    ledger.append(commit(1, 10_000)).unwrap();
    drop(ledger);
    let restored = World { store: backup, anchor: world.anchor.clone(), clock: world.clock.clone() };
    let refused = restored.try_open(&restored.anchor, "log").err().unwrap();
    assert!(matches!(refused, OpenError::RolledBack { store: 1, anchor: 2 }), "{refused}");
    // The same size with another history is a fork.
    let fork = MemoryAnchor::at(restored.anchor.load().unwrap().map(|a| Anchored { size: 1, ..a }));
    assert!(matches!(restored.try_open(&fork, "log").err().unwrap(), OpenError::Forked { size: 1 }));
    let none = MemoryAnchor::default();
    assert!(matches!(world.try_open(&none, "log").err().unwrap(), OpenError::AnchorEmpty));
    let other = MemoryAnchor::at(Some(Anchored::empty("other")));
    assert!(matches!(world.try_open(&other, "log").err().unwrap(), OpenError::AnchorOrigin));
    assert!(matches!(world.try_open(&world.anchor, "other").err().unwrap(), OpenError::Origin { .. }));
}

#[test]
fn a_store_ahead_of_its_anchor_is_taken_up() {
    let world = World::new();
    let before = world.anchor.load().unwrap();
    let ledger = world.open();
    ledger.append(commit(0, 10_000)).unwrap();
    ledger.append(commit(1, 10_000)).unwrap();
    drop(ledger);
    let behind = MemoryAnchor::at(before);
    assert_eq!(world.try_open(&behind, "log").unwrap().reader().size(), 2);
    assert_eq!(behind.load().unwrap().unwrap().size, 2);
}

#[test]
fn after_closing_nothing_is_taken_and_nothing_is_lost() {
    let world = World::new();
    let ledger = world.open();
    let (send, receive) = std::sync::mpsc::channel();
    for n in 0..50 {
        let send = send.clone();
        ledger.submit(commit(n, 10_000), move |outcome| send.send(outcome.map(|a| a.first)).unwrap());
    }
    ledger.close();
    assert_eq!(ledger.append(commit(50, 10_000)).unwrap_err(), Refused::Draining);
    drop((ledger, send));
    assert_eq!(receive.iter().map(Result::unwrap).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
}
