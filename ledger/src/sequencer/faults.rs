//! The table of spec §10: each write of steps 5 and 6 once lost and once kept but reported lost, signatures that fail,
//! an anchor that another moved. Whatever happens, an answered entry stays, a fatal fault ends intake, and a retry under
//! the same idempotency key makes one entry only.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use proptest::prelude::*;

use super::{Appended, Commit, Draft, Idempotency, LogKeys, Refused, RoleRow};
use crate::{
    anchor::{Advance, Anchor, AnchorError, Anchored, memory::MemoryAnchor},
    erasure::KeyRef,
    ledger::{Ledger, OpenError},
    merkle::{leaf_hash, root_of, sha256},
    note::NoteSigner,
    port::{Algorithm, Signature, Signer, SigningFailed},
    receipt::tlog_proof::TlogProof,
    store::{Batch, Direction, Fault, Read, Store, Table, Visit, memory::MemoryStore},
    testing::{Ed25519, Es256, TestVerifier, world, world::Disk},
};

/// What becomes of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing is written, and that is reported.
    Lost,
    /// It is written, and reported as lost.
    KeptButReportedLost,
}

/// Fails the n-th write from now.
#[derive(Default)]
struct Trouble {
    countdown: AtomicU64,
    kept: AtomicBool,
}

impl Trouble {
    fn plan(&self, nth: u64, fate: Fate) {
        self.kept.store(fate == Fate::KeptButReportedLost, Ordering::SeqCst);
        self.countdown.store(nth, Ordering::SeqCst);
    }

    /// The fate of this write, if it is the one.
    fn strikes(&self) -> Option<Fate> {
        let before = self.countdown.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).ok()?;
        let fate = if self.kept.load(Ordering::SeqCst) { Fate::KeptButReportedLost } else { Fate::Lost };
        (before == 1).then_some(fate)
    }
}

struct FaultyStore {
    rows: MemoryStore,
    trouble: Arc<Trouble>,
}

impl Read for FaultyStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.rows.get(table, key)
    }

    fn scan(&self, table: Table, from: &[u8], direction: Direction, visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.rows.scan(table, from, direction, visit)
    }
}

impl Store for FaultyStore {
    fn view(&self) -> Box<dyn Read + '_> {
        self.rows.view()
    }

    fn commit(&self, batch: &Batch) -> Result<(), Fault> {
        match self.trouble.strikes() {
            None => self.rows.commit(batch),
            Some(fate) => {
                if fate == Fate::KeptButReportedLost {
                    self.rows.commit(batch)?;
                }
                Err(Fault::Storage("EIO".to_owned()))
            }
        }
    }
}

/// What a faulty anchor reports in place of the truth.
struct FaultyAnchor {
    slots: MemoryAnchor,
    trouble: Arc<Trouble>,
    as_conflict: bool,
}

impl Anchor for FaultyAnchor {
    fn load(&self) -> Result<Option<Anchored>, AnchorError> {
        self.slots.load()
    }

    fn advance(&self, expected: Option<&Anchored>, next: &Anchored) -> Advance {
        match self.trouble.strikes() {
            None => self.slots.advance(expected, next),
            Some(fate) => {
                if fate == Fate::KeptButReportedLost {
                    self.slots.advance(expected, next);
                }
                if self.as_conflict {
                    Advance::Conflict(self.slots.load().unwrap())
                } else {
                    Advance::Unknown("timed out".to_owned())
                }
            }
        }
    }
}

impl Disk {
    fn open(&self) -> Ledger {
        self.open_with(world::log_keys()).unwrap()
    }

    fn open_with(&self, keys: LogKeys) -> Result<Ledger, OpenError> {
        world::open(Arc::new(self.rows.clone()), Arc::new(self.slots.clone()), &self.clock, keys)
    }

    /// Opens with a store and an anchor that fail as planned.
    fn open_faulty(&self, store: &Arc<Trouble>, anchor: &Arc<Trouble>, as_conflict: bool) -> Ledger {
        let rows = FaultyStore { rows: self.rows.clone(), trouble: store.clone() };
        let slots = FaultyAnchor { slots: self.slots.clone(), trouble: anchor.clone(), as_conflict };
        world::open(Arc::new(rows), Arc::new(slots), &self.clock, world::log_keys()).unwrap()
    }
}

fn request(n: u64, retry: u64) -> Commit {
    // A retry is another fact: its salt is new. Only the idempotency key says that it is the same request.
    let draft = Draft::of_fact(1, 1, format!("request {n}, try {retry}").into_bytes());
    let idempotency = Idempotency { key: sha256(&n.to_be_bytes()), request: sha256(format!("request {n}").as_bytes()) };
    let rows = vec![RoleRow::Key { draft: 0, id: data_key(n), wrapped: vec![retry as u8; 40] }];
    Commit { idempotency: Some(idempotency), rows, ..Commit::one(10_000, draft) }
}

fn data_key(n: u64) -> KeyRef {
    u128::from(n).to_be_bytes()
}

/// The receipt of an answer, verified as a stranger would.
fn answer(ledger: &Ledger, appended: &Appended) -> String {
    let reader = ledger.reader();
    let text = reader.receipt_of(appended, 0).unwrap().unwrap().tlog_proof(reader.identity());
    let proven = TlogProof::parse(&text).unwrap().verify(&[reader.vkey().clone()], &TestVerifier).unwrap();
    assert_eq!(proven.index, appended.first);
    text
}

/// The whole log once more: entries, root, nothing twice.
fn whole_log(ledger: &Ledger) -> u64 {
    let reader = ledger.reader();
    let size = reader.size();
    let leaves: Vec<_> = (0..size).map(|index| leaf_hash(&reader.entry(index).unwrap().unwrap())).collect();
    assert_eq!(reader.root(size).unwrap(), root_of(&leaves));
    size
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    Store,
    Anchor { as_conflict: bool },
}

#[test]
fn every_write_lost_and_every_write_kept_but_reported_lost() {
    let writes = [Write::Store, Write::Anchor { as_conflict: false }, Write::Anchor { as_conflict: true }];
    for write in writes {
        for fate in [Fate::Lost, Fate::KeptButReportedLost] {
            for nth in 1..=4 {
                check_fault(write, fate, nth);
            }
        }
    }
}

fn check_fault(write: Write, fate: Fate, nth: u64) {
    let case = format!("{write:?} {fate:?} {nth}");
    let disk = Disk::new();
    let (store, anchor) = (Arc::new(Trouble::default()), Arc::new(Trouble::default()));
    let ledger = disk.open_faulty(&store, &anchor, write == Write::Anchor { as_conflict: true });
    if write == Write::Store { &store } else { &anchor }.plan(nth, fate);
    let mut answered = Vec::new();
    let mut failed = None;
    for n in 0..6 {
        match ledger.append(request(n, 0)) {
            Ok(appended) => {
                assert_eq!(failed, None, "{case}: an answer after the fault");
                answered.push((n, appended.first, answer(&ledger, &appended)));
            }
            Err(refused) => {
                assert_eq!(refused, Refused::Stopped, "{case}: fatal, and everyone after it");
                failed.get_or_insert(n);
            }
        }
    }
    assert_eq!(failed, Some(nth - 1), "{case}: the planned write failed");
    assert!(!ledger.takes_commits(), "{case}");
    assert_eq!(ledger.reader().size(), nth - 1, "{case}: nothing of the group is readable");
    drop(ledger);

    // The start path settles it, whatever the truth is.
    let ledger = disk.open();
    let kept = fate == Fate::KeptButReportedLost || write != Write::Store;
    assert_eq!(whole_log(&ledger), nth - 1 + u64::from(kept), "{case}");
    assert_eq!(disk.slots.load().unwrap().unwrap().size, ledger.reader().size(), "{case}: the anchor is up to it");
    for (n, first, receipt) in &answered {
        let again = ledger.append(request(*n, 1)).unwrap();
        assert!(again.replayed && again.first == *first, "{case}");
        assert_eq!(answer(&ledger, &again), *receipt, "{case}: byte for byte");
    }
    let key = |ledger: &Ledger| ledger.reader().wrapped_key(&data_key(nth - 1)).unwrap();
    assert_eq!(key(&ledger), kept.then(|| vec![0; 40]), "{case}: the key comes with its fact or not at all");
    let retried = ledger.append(request(nth - 1, 1)).unwrap();
    assert_eq!(retried.replayed, kept, "{case}: the unanswered one is there once");
    assert_eq!(key(&ledger), Some(vec![u8::from(!kept); 40]), "{case}");
    assert_eq!(whole_log(&ledger), nth, "{case}");
}

#[test]
fn waiters_of_a_stopped_ledger_are_all_told() {
    let disk = Disk::new();
    let (store, anchor) = (Arc::new(Trouble::default()), Arc::new(Trouble::default()));
    let ledger = disk.open_faulty(&store, &anchor, false);
    store.plan(1, Fate::Lost);
    let (send, receive) = std::sync::mpsc::channel();
    for n in 0..200 {
        let send = send.clone();
        ledger.submit(request(n, 0), move |outcome| send.send(outcome.map(|a| a.first)).unwrap());
    }
    drop((send, ledger));
    let outcomes: Vec<_> = receive.iter().collect();
    assert_eq!(outcomes.len(), 200);
    assert!(outcomes.iter().all(|outcome| *outcome == Err(Refused::Stopped)));
}

/// Fails while told to.
struct Moody {
    key: Es256,
    fails: Arc<AtomicBool>,
}

impl Signer for Moody {
    fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    fn public_key(&self) -> Vec<u8> {
        self.key.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SigningFailed> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(SigningFailed("the token is gone".to_owned())),
            false => self.key.sign(message),
        }
    }
}

#[test]
fn a_signature_that_fails_fails_one_group() {
    let disk = Disk::new();
    let fails = Arc::new(AtomicBool::new(false));
    let note: NoteSigner = Ed25519::note_signer(world::ORIGIN, 1);
    let receipt = Arc::new(Moody { key: Es256::new(2), fails: fails.clone() });
    let ledger = disk.open_with(LogKeys::new(note, receipt, "https://log.example")).unwrap();
    ledger.append(request(0, 0)).unwrap();
    fails.store(true, Ordering::SeqCst);
    assert!(matches!(ledger.append(request(1, 0)), Err(Refused::Signing(_))));
    assert!(ledger.append(request(0, 1)).unwrap().replayed, "what needs no signature is answered");
    assert_eq!(whole_log(&ledger), 1);
    fails.store(false, Ordering::SeqCst);
    let appended = ledger.append(request(1, 1)).unwrap();
    assert!(!appended.replayed && appended.first == 1, "a failed group is never a dedup target");
    assert_eq!(whole_log(&ledger), 2);
}

/// Holds the sequencer in its first commit, so that what is submitted meanwhile makes one group.
pub(super) fn one_group(
    ledger: &Ledger,
    first: Commit,
    commits: Vec<Commit>,
    meanwhile: impl FnOnce(),
) -> Vec<Result<Appended, Refused>> {
    let (entered, entering) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    ledger.submit(first, move |outcome| {
        outcome.unwrap();
        entered.send(()).unwrap();
        let _ = released.recv(); // until the sender is gone
    });
    entering.recv().unwrap();
    let answers: Vec<_> = commits
        .into_iter()
        .map(|commit| {
            let (send, receive) = std::sync::mpsc::channel();
            ledger.submit(commit, move |outcome| send.send(outcome).unwrap());
            receive
        })
        .collect();
    meanwhile();
    drop(release);
    answers.into_iter().map(|answer| answer.recv().unwrap()).collect()
}

/// A group of repetitions and news: the news fail with the signature, and everything that rests on them; what rests on
/// committed entries is answered as ever.
#[test]
fn a_signature_that_fails_fails_nothing_that_is_committed() {
    let disk = Disk::new();
    let fails = Arc::new(AtomicBool::new(false));
    let receipt = Arc::new(Moody { key: Es256::new(2), fails: fails.clone() });
    let keys = LogKeys::new(Ed25519::note_signer(world::ORIGIN, 1), receipt, "https://log.example");
    let ledger = disk.open_with(keys).unwrap();
    let tagged = |n, tag: u8| {
        let mut commit = request(n, 0);
        commit.drafts[0].tags = crate::entry::Tags::new(vec![crate::entry::Tag([tag; 32])]).unwrap();
        commit
    };
    let other = |n| Commit {
        idempotency: request(n, 0).idempotency.map(|key| Idempotency { request: [9; 32], ..key }),
        ..request(n, 0)
    };
    ledger.append(tagged(0, 1)).unwrap();
    let group = vec![
        tagged(1, 2),  // new
        request(0, 1), // a repetition of what is committed
        request(1, 1), // a repetition of the new one
        tagged(2, 2),  // its tag is that of the new one
        tagged(3, 1),  // its tag is committed
        other(0),
        other(1),
    ];
    let outcomes = one_group(&ledger, request(9, 0), group, || fails.store(true, Ordering::SeqCst));
    let signing = |outcome: &Result<Appended, Refused>| matches!(outcome, Err(Refused::Signing(_)));
    assert!(outcomes[1].as_ref().is_ok_and(|appended| appended.replayed && appended.first == 0), "{:?}", outcomes[1]);
    assert!(matches!(outcomes[4], Err(Refused::TagSeen { index: 0, .. })), "{:?}", outcomes[4]);
    assert!(matches!(outcomes[5], Err(Refused::KeyReused { index: 0 })), "{:?}", outcomes[5]);
    for i in [0, 2, 3, 6] {
        assert!(signing(&outcomes[i]), "{i}: {:?}", outcomes[i]);
    }
    assert_eq!(whole_log(&ledger), 2);
    fails.store(false, Ordering::SeqCst);
    assert_eq!(ledger.append(tagged(2, 2)).unwrap().first, 2, "the tag is free: nothing was written");
}

#[test]
fn a_clock_that_is_behind_keeps_no_answer_back() {
    let disk = Disk::new();
    let ledger = disk.open();
    disk.clock.set(20_000);
    let late = |n, retry| Commit { now_ms: 20_000, ..request(n, retry) };
    ledger.append(late(0, 0)).unwrap();
    disk.clock.set(10_000);
    assert!(ledger.append(late(0, 1)).unwrap().replayed);
    let behind = Refused::ClockBehind { clock_ms: 10_000, newest_ms: 20_000 };
    assert_eq!(ledger.append(request(1, 0)).unwrap_err(), behind);
    assert_eq!(whole_log(&ledger), 1);
}

/// An answer may hold the last reference to what owns the ledger.
#[test]
fn a_ledger_may_be_dropped_by_an_answer() {
    let disk = Disk::new();
    let ledger = Arc::new(disk.open());
    let held = ledger.clone();
    let (drop_it, dropping) = std::sync::mpsc::channel::<()>();
    let (send, receive) = std::sync::mpsc::channel();
    ledger.submit(request(0, 0), move |outcome| {
        let _ = dropping.recv(); // until the other reference is gone
        drop(held);
        send.send(outcome.map(|appended| appended.first)).unwrap();
    });
    drop(ledger);
    drop(drop_it);
    assert_eq!(receive.recv().unwrap(), Ok(0), "the sequencer did not wait for itself");
}

/// What stands in the store under a full tile or bundle is compared before it is replaced.
#[test]
fn committed_bytes_are_never_overwritten_with_others() {
    for table in [Table::Tile, Table::Bundle] {
        let disk = Disk::new();
        let ledger = disk.open();
        for n in 0..255 {
            ledger.append(request(n, 0)).unwrap();
        }
        let mut batch = Batch::default();
        let key = match table {
            Table::Tile => crate::store::keys::tile(crate::merkle::TileId { level: 0, index: 0 }).to_vec(),
            _ => crate::store::keys::number(0).to_vec(),
        };
        batch.put(table, &key, b"other bytes");
        disk.rows.commit(&batch).unwrap();
        assert_eq!(ledger.append(request(255, 0)).unwrap_err(), Refused::Stopped, "{table}");
        assert_eq!(crate::store::read(&disk.rows, table, &key).unwrap().unwrap(), b"other bytes", "{table}");
    }
}

#[test]
fn state_counts_as_bytes_that_wait() {
    let plain = Commit { rows: Vec::new(), ..request(0, 0) };
    let snapshot = RoleRow::Snapshot { aggregate: [0; 32], bytes: vec![0; 5_000] };
    let counter = RoleRow::Counter { name: "serial", at_least: 1 };
    let key = RoleRow::Key { draft: 0, id: [0; 16], wrapped: vec![0; 65] };
    let with = |rows| Commit { rows, ..plain.clone() }.bytes();
    assert!(with(vec![snapshot.clone(), snapshot]) >= plain.bytes() + 10_000);
    assert!(with(vec![counter]) > plain.bytes());
    assert!(with(vec![key]) > plain.bytes() + 65);
}

#[test]
fn an_anchor_that_is_stuck_at_the_start_is_refused() {
    let disk = Disk::new();
    let before = disk.slots.load().unwrap();
    disk.open().append(request(0, 0)).unwrap();
    let trouble = Arc::new(Trouble::default());
    trouble.plan(1, Fate::Lost);
    let slots = FaultyAnchor { slots: MemoryAnchor::at(before), trouble, as_conflict: false };
    let opened = world::open(Arc::new(disk.rows.clone()), Arc::new(slots), &disk.clock, world::log_keys());
    assert!(matches!(opened.err().unwrap(), OpenError::AnchorStuck(_)));
}

/// Spec §11: a thousand clients, ten times each, with faults and reopenings in between.
#[test]
fn a_thousand_clients_ten_times_each_make_a_thousand_entries() {
    const CLIENTS: u64 = 1_000;
    let disk = Disk::new();
    let mut answers: Vec<Option<(u64, String)>> = vec![None; CLIENTS as usize];
    for round in 0..10 {
        let (store, anchor) = (Arc::new(Trouble::default()), Arc::new(Trouble::default()));
        let ledger = disk.open_faulty(&store, &anchor, round % 2 == 0);
        // Some rounds end in a fault after a few groups; the last ones do not.
        let fate = if round % 4 < 2 { Fate::Lost } else { Fate::KeptButReportedLost };
        if round < 7 {
            if round % 3 == 0 { &store } else { &anchor }.plan(1 + round % 3, fate);
        }
        let (send, receive) = std::sync::mpsc::channel();
        for client in 0..CLIENTS {
            let send = send.clone();
            // Another order each time.
            let client = (client * 7 + round * 131) % CLIENTS;
            ledger.submit(request(client, round), move |outcome| send.send((client, outcome)).unwrap());
        }
        drop(send);
        for (client, outcome) in receive {
            let Ok(appended) = outcome else { continue };
            // `ledger` lives on, so the receipt can be asked for.
            let receipt = answer(&ledger, &appended);
            let first = answers[client as usize].get_or_insert_with(|| (appended.first, receipt.clone()));
            assert_eq!(*first, (appended.first, receipt), "client {client} in round {round}");
        }
    }
    let ledger = disk.open();
    assert_eq!(whole_log(&ledger), CLIENTS);
    assert!(answers.iter().all(Option::is_some));
}

/// One step of a random life.
#[derive(Clone, Debug)]
enum Act {
    /// Client, number of facts, tag or none.
    Commit {
        client: u64,
        facts: u64,
        tag: Option<u8>,
    },
    Advance {
        ms: u64,
    },
    SetBack {
        ms: u64,
    },
    Reopen,
    Fail {
        store: bool,
        kept: bool,
    },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..12u64, 1..40u64, proptest::option::of(0..6u8))
            .prop_map(|(client, facts, tag)| Act::Commit { client, facts, tag }),
        2 => (0..9_000u64).prop_map(|ms| Act::Advance { ms }),
        1 => (0..9_000u64).prop_map(|ms| Act::SetBack { ms }),
        2 => Just(Act::Reopen),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(store, kept)| Act::Fail { store, kept }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Against a model that is a list: same indexes, same entries, times that never fall, an answer once given stays.
    #[test]
    fn a_random_life_keeps_every_promise(acts in proptest::collection::vec(act(), 1..60)) {
        let disk = Disk::new();
        let (store, anchor) = (Arc::new(Trouble::default()), Arc::new(Trouble::default()));
        let mut ledger = disk.open_faulty(&store, &anchor, false);
        // The model: digest of each entry; first index of each answered client; tags seen.
        let mut entries: Vec<crate::merkle::Hash> = Vec::new();
        let mut answered = std::collections::HashMap::new();
        let mut tags = std::collections::HashSet::new();
        let mut salt = 0u64;
        let mut now = 10_000u64;
        for act in acts {
            match act {
                Act::Advance { ms } => { now += ms; disk.clock.set(now); }
                Act::SetBack { ms } => { now = now.saturating_sub(ms); disk.clock.set(now); }
                Act::Reopen => {
                    drop(ledger);
                    ledger = disk.open_faulty(&store, &anchor, false);
                }
                Act::Fail { store: of_store, kept } => {
                    let fate = if kept { Fate::KeptButReportedLost } else { Fate::Lost };
                    if of_store { &store } else { &anchor }.plan(1, fate);
                    salt += 1;
                    let draft = Draft::of_fact(9, 9, salt.to_be_bytes().to_vec());
                    let digest = draft.digest;
                    let outcome = ledger.append(Commit::one(disk.clock_now(), draft));
                    // The clock may have refused it before anything was written; the plan is then withdrawn.
                    store.countdown.store(0, Ordering::SeqCst);
                    anchor.countdown.store(0, Ordering::SeqCst);
                    if matches!(outcome, Err(Refused::Stopped)) {
                        drop(ledger);
                        ledger = disk.open_faulty(&store, &anchor, false);
                        if kept || !of_store {
                            entries.push(digest);
                        }
                    } else {
                        let behind = matches!(outcome, Err(Refused::ClockBehind { .. } | Refused::Stale { .. }));
                        prop_assert!(behind, "{outcome:?}");
                    }
                }
                Act::Commit { client, facts, tag } => {
                    let drafts: Vec<Draft> = (0..facts).map(|i| {
                        salt += 1;
                        let mut draft = Draft::of_fact(2, i, salt.to_be_bytes().to_vec());
                        if let (Some(tag), 0) = (tag, i) {
                            draft.tags = crate::entry::Tags::new(vec![crate::entry::Tag([tag; 32])]).unwrap();
                        }
                        draft
                    }).collect();
                    let digests: Vec<_> = drafts.iter().map(|draft| draft.digest).collect();
                    let idempotency = Some(Idempotency { key: [client as u8; 32], request: [1; 32] });
                    let commit = Commit { idempotency, now_ms: disk.clock_now(), drafts, rows: Vec::new() };
                    match ledger.append(commit) {
                        Ok(appended) if appended.replayed => {
                            prop_assert_eq!(answered.get(&client), Some(&(appended.first, appended.count)));
                        }
                        Ok(appended) => {
                            prop_assert_eq!(appended.first, entries.len() as u64);
                            prop_assert!(answered.insert(client, (appended.first, facts)).is_none());
                            prop_assert!(tag.is_none_or(|tag| tags.insert(tag)));
                            entries.extend(digests);
                        }
                        Err(Refused::TagSeen { .. }) => prop_assert!(tag.is_some_and(|tag| tags.contains(&tag))),
                        Err(Refused::ClockBehind { clock_ms, newest_ms }) => prop_assert!(clock_ms < newest_ms),
                        Err(Refused::Stale { now_ms, entry_ms }) => prop_assert!(now_ms + 5_000 < entry_ms || now_ms > entry_ms),
                        Err(other) => prop_assert!(false, "{other}"),
                    }
                    now = disk.clock_now();
                }
            }
            let reader = ledger.reader();
            prop_assert_eq!(whole_log(&ledger), entries.len() as u64);
            let mut time_ms = 0;
            for (index, digest) in (0..).zip(&entries) {
                let entry = crate::entry::Entry::decode(&reader.entry(index).unwrap().unwrap()).unwrap();
                prop_assert_eq!(entry.digest, *digest);
                prop_assert!(entry.time_ms >= time_ms);
                time_ms = entry.time_ms;
            }
        }
    }
}

impl Disk {
    fn clock_now(&self) -> u64 {
        super::Clock::now_ms(&*self.clock)
    }
}
