//! A ledger of toy facts with rows in every table, for the tests of storage.

use std::sync::Arc;

use super::{Ed25519, Es256, ManualClock, TestVerifier};
use crate::{
    anchor::{Anchor, file::FileAnchor, memory::MemoryAnchor},
    entry::{Tag, Tags},
    erasure::{Journal, KeyRef, MemoryJournal},
    fsck::{FactView, Facts, Fsck, Full, Report, Work},
    ledger::{Ledger, OpenError, Parts, create},
    merkle::{Hash, sha256},
    receipt::LogIdentity,
    sequencer::{Commit, Draft, Idempotency, LogKeys, RoleRow, SequencerSettings},
    store::{Store, memory::MemoryStore},
};

/// The origin of all toy logs.
pub(crate) const ORIGIN: &str = "log.example/toy";

pub(crate) fn log_keys() -> LogKeys {
    LogKeys::new(Ed25519::note_signer(ORIGIN, 1), Arc::new(Es256::new(2)), "https://log.example")
}

pub(crate) fn identity() -> LogIdentity {
    log_keys().identity().clone()
}

/// What survives a process.
pub(crate) struct Disk {
    pub(crate) rows: MemoryStore,
    pub(crate) slots: MemoryAnchor,
    pub(crate) clock: Arc<ManualClock>,
}

impl Disk {
    /// Of a new log without entries.
    pub(crate) fn new() -> Self {
        let disk =
            Self { rows: MemoryStore::default(), slots: MemoryAnchor::default(), clock: ManualClock::at(10_000) };
        create(&disk.rows, &disk.slots, &identity()).unwrap();
        disk
    }
}

/// Opens a ledger; `keys` differ from [`log_keys`] where signing shall fail.
pub(crate) fn open(
    store: Arc<dyn Store>,
    anchor: Arc<dyn Anchor>,
    clock: &Arc<ManualClock>,
    keys: LogKeys,
) -> Result<Ledger, OpenError> {
    open_with_journal(store, anchor, Arc::new(MemoryJournal::default()), clock, keys)
}

/// As [`open`], with an erasure journal that somebody looks at.
pub(crate) fn open_with_journal(
    store: Arc<dyn Store>,
    anchor: Arc<dyn Anchor>,
    journal: Arc<dyn Journal>,
    clock: &Arc<ManualClock>,
    keys: LogKeys,
) -> Result<Ledger, OpenError> {
    Ledger::open(Parts {
        store,
        anchor,
        journal,
        keys,
        verifier: Arc::new(TestVerifier),
        clock: clock.clone(),
        observer: Arc::new(()),
        settings: SequencerSettings::default(),
        tile_cache_bytes: 0,
    })
}

/// A new log in `store`, its anchor in a file, with `commits` toy commits of one or more entries each.
pub(crate) fn make(store: &Arc<dyn Store>, anchor: &std::path::Path, commits: u64) {
    {
        let anchor = FileAnchor::create(anchor).unwrap();
        create(&**store, &anchor, &identity()).unwrap();
    }
    grow(store, anchor, 0..commits);
}

/// More toy commits, each a group of its own.
pub(crate) fn grow(store: &Arc<dyn Store>, anchor: &std::path::Path, commits: std::ops::Range<u64>) {
    let anchor = Arc::new(FileAnchor::open(anchor).unwrap());
    let clock = ManualClock::at(0);
    clock.set(1_000_000 + commits.start);
    let ledger = open(store.clone(), anchor, &clock, log_keys()).unwrap();
    for n in commits {
        clock.set(1_000_000 + n);
        ledger.append(commit(n, 1_000_000 + n)).unwrap();
    }
}

/// Commit `n`: 1 to 24 facts; the third ones carry tags, the fourth ones fold, the fifth ones count.
pub(crate) fn commit(n: u64, now_ms: u64) -> Commit {
    let count = 1 + (n * 7) % 24;
    let fold = n % 4 == 3;
    let drafts = (0..count).map(|i| draft(n, i, now_ms, (fold && i == 0).then_some(n / 12))).collect();
    let mut rows = Vec::new();
    if let Some(id) = data_key(n).filter(|_| count > 1) {
        rows.push(RoleRow::Key { draft: 1, id, wrapped: format!("wrapped {n}").into_bytes() });
    }
    if fold {
        let steps = n / 4;
        let aggregate = aggregate(steps % 3);
        rows.push(RoleRow::Snapshot { aggregate, bytes: (steps / 3 + 1).to_be_bytes().to_vec() });
    }
    if n % 5 == 4 {
        rows.push(RoleRow::Counter { name: "toy", at_least: n });
    }
    let idempotency = Idempotency { key: sha256(&n.to_be_bytes()), request: [n as u8; 32] };
    Commit { idempotency: n.is_multiple_of(2).then_some(idempotency), now_ms, drafts, rows }
}

fn aggregate(i: u64) -> Hash {
    sha256(format!("aggregate {i}").as_bytes())
}

/// A toy fact is a line of numbers: role, kind, now, aggregate + 1 or 0, step, counter, salt.
fn draft(n: u64, i: u64, now_ms: u64, step: Option<u64>) -> Draft {
    let aggregate_number = (n / 4) % 3;
    let counter = if n % 5 == 4 && i == 0 { n } else { 0 };
    let named = step.map_or(0, |_| aggregate_number + 1);
    let fact = format!("{} {i} {now_ms} {named} {} {counter} {n}", n % 3, step.unwrap_or(0)).into_bytes();
    let mut draft = match i % 3 {
        0 => Draft::of_fact(n % 3, i, fact),
        _ => Draft::with_artefact(n % 3, i, fact, artefact(n, i)),
    };
    if n % 3 == 2 {
        draft.tags =
            Tags::new((0..1 + i % 4).map(|t| Tag(sha256(format!("{n} {i} {t}").as_bytes()))).collect()).unwrap();
    }
    draft.step = step.map(|step| (aggregate(aggregate_number), step));
    draft.names = names(i, n);
    draft
}

/// Artefacts of some commits are sealed under a key that comes with the first of them.
fn artefact(n: u64, i: u64) -> Vec<u8> {
    match data_key(n) {
        Some(id) => [SEALED, &id, format!("{n} {i}").as_bytes()].concat(),
        None => format!("artefact {n} {i}").into_bytes(),
    }
}

/// How toy artefacts begin that are sealed; the key's name follows.
pub(crate) const SEALED: &[u8] = b"sealed ";

fn data_key(n: u64) -> Option<KeyRef> {
    (n % 6 == 1).then(|| sha256(format!("key {n}").as_bytes())[..16].try_into().unwrap())
}

/// Some facts have a name.
fn names(kind: u64, salt: u64) -> Vec<Vec<u8>> {
    if kind % 4 == 3 { vec![format!("name {salt} {kind}").into_bytes()] } else { Vec::new() }
}

/// What toy facts mean.
pub(crate) struct ToyFacts;

impl Facts for ToyFacts {
    fn read(&self, fact: &[u8]) -> Result<FactView, String> {
        let text = std::str::from_utf8(fact).map_err(|e| e.to_string())?;
        let numbers: Result<Vec<u64>, _> = text.split(' ').map(str::parse).collect();
        let Ok([role, kind, now_ms, named, step, counter, salt]) = numbers.as_deref() else {
            return Err("not seven numbers".to_owned());
        };
        let step = named.checked_sub(1).map(|i| (aggregate(i), *step));
        let counter = (*counter > 0).then_some(("toy", *counter));
        Ok(FactView { role: *role, kind: *kind, now_ms: *now_ms, step, counter, names: names(*kind, *salt) })
    }

    fn fold(&self, facts: &[Vec<u8>]) -> Result<Option<Vec<u8>>, String> {
        for (i, fact) in (0..).zip(facts) {
            if self.read(fact)?.step.is_none_or(|(_, step)| step != i) {
                return Err(format!("no step {i}"));
            }
        }
        Ok(Some((facts.len() as u64).to_be_bytes().to_vec()))
    }

    fn sealed_under(&self, artefact: &[u8]) -> Option<KeyRef> {
        artefact.strip_prefix(SEALED)?.first_chunk().copied()
    }
}

/// Checks a store of toy facts.
pub(crate) fn check(store: &dyn Store, anchor: &std::path::Path, full: bool) -> Report {
    check_with(store, anchor, full, None)
}

/// Checks a store that stands by itself, its anchor being elsewhere.
pub(crate) fn check_memory(store: &dyn Store, full: bool) -> Report {
    let mut report = check_with(store, std::path::Path::new("/nowhere"), full, None);
    // That there is no anchor is the one thing that could not be told.
    report.untold -=
        report.findings.iter().filter(|finding| finding.place == crate::fsck::Place::Anchor).count() as u64;
    report.findings.retain(|finding| finding.place != crate::fsck::Place::Anchor);
    report
}

/// Checks a store whose write-ahead log may not read to its end, in full.
pub(crate) fn check_files(store: &dyn Store, anchor: &std::path::Path, log_damage: Option<&str>) -> Report {
    check_with(store, anchor, true, log_damage)
}

fn check_with(store: &dyn Store, anchor: &std::path::Path, full: bool, log_damage: Option<&str>) -> Report {
    let slots = FileAnchor::open(anchor).map(|anchor| anchor.slots().unwrap()).ok();
    Fsck {
        store,
        identity: &identity(),
        verifier: &TestVerifier,
        anchor: slots,
        erasures: None,
        log_damage,
        full: full.then_some(Full { facts: &ToyFacts, mmd_ms: 5_000 }),
        threads: 2,
        findings_max: 100,
        progress: &|_, _| (),
        work: Work::default(),
    }
    .run()
}
