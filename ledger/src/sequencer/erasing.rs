//! Erasures in the order of writes: on disk before anybody is answered and before the anchor moves, whatever fails.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use super::{Commit, Draft, Refused, RoleRow, faults::one_group};
use crate::{
    anchor::{Anchor as _, memory::MemoryAnchor},
    disk::fault,
    erasure::{Chain, Journal, JournalError, Line, MemoryJournal, missing, rows},
    fsck::Place,
    ledger::{Ledger, OpenError},
    store::{
        BadFormat, Batch, FORMAT, FORMAT_ERASED, Read as _, Store, Table, check_format, memory::MemoryStore, read,
    },
    testing::{world, world::Disk},
};

/// Fails the n-th append; what is written then stays or not.
struct Faulty {
    lines: MemoryJournal,
    countdown: AtomicU64,
    kept: bool,
    /// The anchor's size at each append.
    anchor: MemoryAnchor,
    seen: Mutex<Vec<u64>>,
}

impl Journal for Faulty {
    fn load(&self) -> Result<Vec<Line>, JournalError> {
        self.lines.load()
    }

    fn append(&self, lines: &[Line]) -> Result<(), JournalError> {
        self.seen.lock().unwrap().push(self.anchor.load().unwrap().unwrap().size);
        let strikes = self.countdown.fetch_sub(1, Ordering::SeqCst) == 1;
        if !strikes || self.kept {
            self.lines.append(lines)?;
        }
        match strikes {
            true => Err(fault("append to", std::path::Path::new("journal"))(std::io::Error::other("EIO")).into()),
            false => Ok(()),
        }
    }
}

impl Disk {
    fn open_with_journal(&self, journal: Arc<dyn Journal>) -> Result<Ledger, OpenError> {
        let (rows, slots) = (Arc::new(self.rows.clone()), Arc::new(self.slots.clone()));
        world::open_with_journal(rows, slots, journal, &self.clock, world::log_keys())
    }
}

/// Two facts, the second of which tells of an erasure.
fn erasing(n: u64) -> Commit {
    let fact = |i: u64| Draft::of_fact(1, 1, format!("1 1 10000 0 0 0 {}", 2 * n + i).into_bytes());
    let erased = RoleRow::Erased { draft: 1, object: [n as u8; 32], keys: vec![[n as u8; 16]; 2] };
    Commit { drafts: vec![fact(0), fact(1)], rows: vec![erased], ..Commit::one(10_000, fact(0)) }
}

fn plain(n: u64) -> Commit {
    Commit::one(10_000, Draft::of_fact(1, 1, format!("1 1 10000 0 0 0 {}", 1_000 + n).into_bytes()))
}

#[test]
fn every_append_lost_and_every_append_kept_but_reported_lost() {
    for (nth, kept) in (1..=3).flat_map(|nth| [(nth, false), (nth, true)]) {
        let (disk, lines) = (Disk::new(), MemoryJournal::default());
        let faulty = Arc::new(Faulty {
            lines: lines.clone(),
            countdown: AtomicU64::new(nth),
            kept,
            anchor: disk.slots.clone(),
            seen: Mutex::default(),
        });
        let ledger = disk.open_with_journal(faulty.clone()).unwrap();
        let mut answered = 0;
        for n in 0..4 {
            // A group without an erasure does not touch the journal.
            let before = faulty.seen.lock().unwrap().len();
            let _ = ledger.append(plain(n));
            assert_eq!(faulty.seen.lock().unwrap().len(), before);
            match ledger.append(erasing(n)) {
                Ok(appended) => {
                    answered += 1;
                    let line = lines.load().unwrap().pop().unwrap();
                    assert_eq!((line.index, line.object), (appended.first + 1, [n as u8; 32]), "before the answer");
                }
                Err(refused) => assert_eq!(refused, Refused::Stopped, "{nth} {kept}"),
            }
        }
        assert_eq!(answered, nth - 1, "{nth} {kept}");
        let anchored = disk.slots.load().unwrap().unwrap().size;
        assert_eq!(faulty.seen.lock().unwrap().last(), Some(&anchored), "the journal comes before the anchor");
        drop(ledger);

        // The store has the line; the start brings the journal up to it, and goes on.
        let ledger = disk.open_with_journal(Arc::new(lines.clone())).unwrap();
        assert_eq!(lines.load().unwrap(), rows(&disk.rows).unwrap(), "{nth} {kept}");
        assert_eq!(lines.load().unwrap().len() as u64, nth);
        assert_eq!(ledger.reader().size(), 3 * nth);
        ledger.append(erasing(9)).unwrap();
        drop(ledger);
        assert_eq!(lines.load().unwrap().len() as u64, nth + 1);
        assert!(Chain::of(&lines.load().unwrap(), world::ORIGIN).is_some());
        assert!(world::check_memory(&disk.rows, true).is_clean(), "{nth} {kept}");
    }
}

#[test]
fn a_journal_that_knows_more_or_otherwise_refuses_the_start() {
    let (disk, lines) = (Disk::new(), MemoryJournal::default());
    let ledger = disk.open_with_journal(Arc::new(lines.clone())).unwrap();
    ledger.append(erasing(0)).unwrap();
    let (old, slots) = (disk.rows.copy(), MemoryAnchor::at(disk.slots.load().unwrap()));
    ledger.append(erasing(1)).unwrap();
    drop(ledger);
    let all = lines.load().unwrap();

    // Store and anchor put back together, and not the journal.
    let image = Disk { rows: old, slots, clock: disk.clock.clone() };
    assert!(matches!(image.open_with_journal(Arc::new(lines.clone())), Err(OpenError::Erasures { line: 2 })));
    assert_eq!(lines.load().unwrap(), all, "nothing was written");
    // Another history.
    let mut other = Chain::new(world::ORIGIN);
    let stray = vec![other.next(all[0].index, [99; 32], Vec::new())];
    assert!(matches!(
        disk.open_with_journal(Arc::new(MemoryJournal::with(stray))),
        Err(OpenError::Erasures { line: 1 })
    ));
    // A journal that was lost, or is older, is brought up.
    for held in 0..=2 {
        let journal = MemoryJournal::with(all[..held].to_vec());
        disk.open_with_journal(Arc::new(journal.clone())).unwrap();
        assert_eq!(journal.load().unwrap(), all);
        assert_eq!(missing(&all[..held], &all), Ok(&all[held..]));
    }
}

/// A commit with a key for each of `ids`, which are those of its facts in order; their artefacts are sealed under them.
fn sealing(n: u64, ids: &[u8]) -> Commit {
    let fact = |i| format!("1 1 10000 0 0 0 {}", 100 * n + i).into_bytes();
    let artefact = |id: u8| [world::SEALED, &[id; 16], &n.to_be_bytes()].concat();
    let drafts = (0..).zip(ids).map(|(i, id)| Draft::with_artefact(1, 1, fact(i), artefact(*id))).collect();
    let key = |(draft, id): (usize, &u8)| RoleRow::Key { draft, id: [*id; 16], wrapped: vec![*id; 40] };
    Commit { drafts, rows: ids.iter().enumerate().map(key).collect(), ..plain(n) }
}

/// What seals is there once, as long as nothing tells of its end, and never again.
#[test]
fn a_key_comes_with_its_fact_and_goes_with_its_erasure() {
    let disk = Disk::new();
    let ledger = disk.open_with_journal(Arc::new(MemoryJournal::default())).unwrap();
    let key = |ledger: &Ledger, id: u8| ledger.reader().wrapped_key(&[id; 16]).unwrap();
    ledger.append(sealing(0, &[1, 2, 3])).unwrap();
    assert_eq!([1, 2, 3, 4].map(|id| key(&ledger, id).is_some()), [true, true, true, false]);
    assert_eq!(key(&ledger, 2), Some(vec![2; 40]));
    // Its name is taken: by an earlier commit, within one.
    let taken = |index, id| Refused::KeyTaken { key: [id; 16], index };
    assert_eq!(ledger.append(sealing(1, &[9, 3])).unwrap_err(), taken(2, 3));
    assert_eq!(ledger.append(sealing(1, &[9, 9])).unwrap_err(), taken(3, 9));
    assert_eq!(ledger.reader().size(), 3, "refused whole");
    assert_eq!(key(&ledger, 9), None);
    // More that is sealed under a key of before.
    let more = Commit { rows: Vec::new(), ..sealing(2, &[1]) };
    ledger.append(more).unwrap();
    assert!(world::check_memory(&disk.rows, true).is_clean());

    let fact = Draft::of_fact(1, 1, b"1 1 10000 0 0 0 777".to_vec());
    let erased = RoleRow::Erased { draft: 0, object: [7; 32], keys: vec![[1; 16], [3; 16]] };
    let before = disk.rows.copy();
    ledger.append(Commit { rows: vec![erased], ..Commit::one(10_000, fact) }).unwrap();
    assert_eq!([1, 2, 3].map(|id| key(&ledger, id).is_some()), [false, true, false]);
    assert!(read(&disk.rows, Table::Key, &[1; 16]).unwrap().is_none());
    let report = world::check_memory(&disk.rows, true);
    assert!(report.is_clean(), "{:?}", report.findings);
    drop(ledger);

    // One that comes back, or goes without a word, is found by the quick check and by the full one.
    let told = |store: &MemoryStore, full: bool, id: u8| {
        let report = world::check_memory(store, full);
        let of_key =
            |finding: &crate::fsck::Finding| finding.place == Place::Row(Table::Key) && finding.key == [id; 16];
        report.findings.iter().find(|finding| of_key(finding)).map(|finding| finding.what.clone())
    };
    for full in [false, true] {
        let store = disk.rows.copy();
        store.tamper(Table::Key, &[3; 16], before.get(Table::Key, &[3; 16]).unwrap());
        let what = told(&store, full, 3).unwrap_or_default();
        assert!(what.contains("entry 4 tells that this key was destroyed"), "{what}");
    }
    let store = disk.rows.copy();
    store.tamper(Table::Key, &[2; 16], None);
    let what = told(&store, true, 2).unwrap_or_default();
    assert!(what.contains("no erasure tells of it"), "{what}");
}

/// Commits that gather in one group see each other's keys.
#[test]
fn a_name_is_taken_within_a_group() {
    let disk = Disk::new();
    let ledger = disk.open_with_journal(Arc::new(MemoryJournal::default())).unwrap();
    let outcomes = one_group(&ledger, plain(0), vec![sealing(1, &[5]), sealing(2, &[6, 5]), sealing(3, &[6])], || ());
    let firsts: Vec<_> = outcomes.into_iter().map(|outcome| outcome.map(|appended| appended.first)).collect();
    assert_eq!(firsts, [Ok(1), Err(Refused::KeyTaken { key: [5; 16], index: 1 }), Ok(2)]);
    assert!(world::check_memory(&disk.rows, true).is_clean());
}

/// A program that does not know the journal refuses a store with something in it, and opens every other.
#[test]
fn the_format_changes_with_the_first_erasure() {
    let (disk, lines) = (Disk::new(), MemoryJournal::default());
    let format = || read(&disk.rows, Table::Meta, crate::store::FORMAT_KEY).unwrap().unwrap();
    let ledger = disk.open_with_journal(Arc::new(lines.clone())).unwrap();
    ledger.append(plain(0)).unwrap();
    assert_eq!(format(), FORMAT.to_be_bytes());
    ledger.append(erasing(0)).unwrap();
    assert_eq!(format(), FORMAT_ERASED.to_be_bytes());
    drop(ledger);
    check_format(&disk.rows).unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Meta, crate::store::FORMAT_KEY, &(FORMAT_ERASED + 1).to_be_bytes());
    disk.rows.commit(&batch).unwrap();
    assert!(matches!(check_format(&disk.rows), Err(BadFormat::Newer { .. })));
}
