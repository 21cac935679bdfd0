//! The audit itself: one thread reads and judges, the others check signatures.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use semper_ledger::complete;
use semper_ledger::entry::{Entry, Tag};
use semper_ledger::merkle::Edge;
use semper_ledger::reader::Reader;
use semper_ledger::store::{Direction, Fault, Store, Table, keys, read, unseal};
use semper_ttp::audit::{About, Auditor, Difference, Index, Report, Rules, SignatureCheck, Stored};
use semper_ttp::evidence::Aggregate;

use super::{Failed, Opened, rows};
use crate::progress::Progress;

/// Signatures that are handed over together, and bundles of them that may wait for each thread.
const TOGETHER: usize = 64;
const WAITING: usize = 4;

/// Audits all of an opened ledger.
///
/// # Errors
/// The store cannot be read to its end.
pub(super) fn audit(opened: &Opened, rules: Rules, progress: &Progress) -> Result<Report, Failed> {
    let size = opened.reader.size();
    let ledger = Ledger { store: opened.store(), reader: &opened.reader };
    let lost = complete::lost(ledger.store)?;
    let mut auditor = Auditor::new(rules);
    let mut edge = Edge::default();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let bad = Mutex::new(Vec::new());
    let (send, receive) = sync_channel::<Vec<SignatureCheck>>(threads * WAITING);
    let receive = Mutex::new(receive);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| check_signatures(&receive, &bad));
        }
        let send = send; // dropped at the end of this closure, which ends the threads
        let mut waiting = Vec::with_capacity(TOGETHER);
        let mut next = 0;
        while next < size {
            let chunk = rows::chunk(ledger.store, next, size, &lost)?;
            for (row, leaf) in chunk.rows() {
                waiting.extend(auditor.entry(&row, &ledger));
                edge.push(leaf, |_, _| {});
                if waiting.len() == TOGETHER {
                    // Fails only when every thread has panicked, which the scope then passes on.
                    let _ = send.send(std::mem::replace(&mut waiting, Vec::with_capacity(TOGETHER)));
                }
            }
            next += chunk.len();
            progress.set(next);
            tell(&mut auditor, &bad);
        }
        let _ = send.send(waiting);
        Ok::<_, Fault>(())
    })?;
    tell(&mut auditor, &bad);
    snapshots(ledger.store, &mut auditor)?;
    let mut report = auditor.finish();
    if edge.root() != opened.reader.newest().edge().root() {
        let what = "its entries are not those of its newest checkpoint (semper fsck says which)".to_owned();
        report.differs(Difference { about: About::Ledger, what, lead: None });
    }
    Ok(report)
}

/// One thread's work, until nothing more comes.
fn check_signatures(receive: &Mutex<Receiver<Vec<SignatureCheck>>>, bad: &Mutex<Vec<SignatureCheck>>) {
    loop {
        let checks = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(checks) = checks else { return };
        let failed: Vec<_> = checks.into_iter().filter(|check| !check.holds()).collect();
        if !failed.is_empty() {
            bad.lock().unwrap_or_else(PoisonError::into_inner).extend(failed);
        }
    }
}

fn tell(auditor: &mut Auditor, bad: &Mutex<Vec<SignatureCheck>>) {
    for check in std::mem::take(&mut *bad.lock().unwrap_or_else(PoisonError::into_inner)) {
        auditor.signature(&check, false);
    }
}

fn snapshots(store: &dyn Store, auditor: &mut Auditor) -> Result<(), Fault> {
    store.scan(Table::Snapshot, &[], Direction::Up, &mut |key, stored| {
        // A key of another length is a surplus row under whatever name.
        let mut aggregate = [0; 32];
        let length = key.len().min(32);
        aggregate[..length].copy_from_slice(&key[..length]);
        let row = unseal(Table::Snapshot, key, stored);
        auditor.snapshot(Aggregate(aggregate), row.map_or(Stored::Unreadable, Stored::Kept));
        std::ops::ControlFlow::Continue(())
    })
}

struct Ledger<'a> {
    store: &'a dyn Store,
    reader: &'a Reader,
}

impl Index for Ledger<'_> {
    /// The index names one entry for each tag; if it is another one and bears it indeed, the tag stands twice. What is wrong
    /// with the index itself, `fsck` finds.
    fn other_with_tag(&self, tag: &Tag, index: u64) -> Option<u64> {
        let row = read(self.store, Table::Tag, &tag.0).ok()??;
        let other = keys::parse_number(&row).filter(|other| *other != index)?;
        let entry = Entry::decode(&self.reader.entry(other).ok()??).ok()?;
        entry.tags.as_slice().contains(tag).then_some(other)
    }
}
