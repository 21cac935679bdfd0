//! Checks a store from the entries up, also one that [`crate::ledger::Ledger::open`] refuses (spec §10).
//!
//! Quick: every entry is decoded strictly, hashed, and carried up through every tile to the root of every group; the
//! chain of groups, their times, tags, the newest checkpoint's signatures, meta rows and the anchor. Roots of tiles are
//! computed by `rs_merkle`, a second opinion on the code that wrote them. Full: also every stored signature, every fact
//! and artefact, all indexes both ways, folded state, counters, answered requests.
//!
//! A bad row is noted and the check goes on: with its neighbours, with the tile in place of a bundle, with the other
//! tables. What a store cannot say about itself, no check can find:
//!
//! - A row of [`Table::Dedup`] that is gone without a trace: nothing else names it.
//! - A wrapped key that was written anew: whoever has the key that wrapped it can tell, as `semper fsck` does.
//! - A fact whose entry is for an artefact, such as a token: role, kind, time, step and counter are compared with the entry
//!   and the indexes; the rest of it, salt and body, is guarded by its checksum alone, since no hash of it is in the tree.
//! - A store and an anchor that were set back together: only witnesses, mirrors and receipts know.
//!
//! Memory does not grow with the log but for one or two bits per entry with `--full`, and the facts of one aggregate at a
//! time. Nothing is written. What facts mean comes from the caller, through [`Facts`].

mod anchor;
mod chunk;
mod data_keys;
mod entry;
mod erasures;
mod finding;
mod index;
mod scan;
mod state;
#[cfg(test)]
mod tests;
mod tree;

use std::{
    hash::RandomState,
    ops::ControlFlow,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

pub use finding::{Finding, Grade, Place};

use crate::{
    anchor::file::Slot,
    complete::{self, LOST_PREFIX, Lost},
    erasure::{KeyRef, Line, ROW_PREFIX},
    ledger::{ORIGIN_KEY, parse_head},
    merkle::{EMPTY_ROOT, Hash, TILE_WIDTH, TileId},
    port::Verifier,
    receipt::{GroupHead, LogIdentity},
    store::{Direction, FORMAT, FORMAT_ERASED, FORMAT_KEY, Fault, Store, Table, keys, unseal},
    tile::bundle_entries,
};
use chunk::{CHUNK_BUNDLES, Worker};
use finding::Findings;
use index::Expected;
use tree::Tree;

/// Says what facts mean; filled from `ttp` by the caller.
pub trait Facts: Sync {
    /// Reads one fact.
    ///
    /// # Errors
    /// Why these bytes are no fact that this program knows; it is then *not told* whether the row is right.
    fn read(&self, fact: &[u8]) -> Result<FactView, String>;

    /// The snapshot row that the facts of one aggregate, in the order of their steps, must have left; `None` for an
    /// aggregate without state.
    ///
    /// # Errors
    /// Why they do not fold: a hole in the history, or a fact of another role.
    fn fold(&self, facts: &[Vec<u8>]) -> Result<Option<Vec<u8>>, String>;

    /// The data key under which an artefact is sealed, if it is.
    fn sealed_under(&self, artefact: &[u8]) -> Option<KeyRef>;
}

/// What a fact must have in common with other rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactView {
    /// The role in its entry.
    pub role: u64,
    /// The kind in its entry.
    pub kind: u64,
    /// The clock reading that the decision was given, ms since 1970.
    pub now_ms: u64,
    /// Aggregate and step, if the fact is stored as a step of an aggregate's history.
    pub step: Option<(Hash, u64)>,
    /// The counter that the fact drew from, and the number drawn.
    pub counter: Option<(&'static str, u64)>,
    /// What else the fact is found by.
    pub names: Vec<Vec<u8>>,
}

/// What a full check needs besides.
pub struct Full<'a> {
    /// What facts mean.
    pub facts: &'a dyn Facts,
    /// Maximum merge delay: how much older than its entry a decision may be, ms.
    pub mmd_ms: u64,
}

/// A check of one store.
pub struct Fsck<'a> {
    /// The store; nothing else may write to it meanwhile.
    pub store: &'a dyn Store,
    /// The log's public keys and names.
    pub identity: &'a LogIdentity,
    /// Checks signatures.
    pub verifier: &'a dyn Verifier,
    /// Both slots of the anchor, `None` where there is no anchor.
    pub anchor: Option<[Slot; 2]>,
    /// The erasure journal, or why it does not read; `None` where it is not asked.
    pub erasures: Option<Result<Vec<Line>, String>>,
    /// What the database says of its write-ahead log, if that does not read to its end; it names the file.
    pub log_damage: Option<&'a str>,
    /// For a full check.
    pub full: Option<Full<'a>>,
    /// Threads to use; at least one is.
    pub threads: usize,
    /// Findings that are listed; all are counted.
    pub findings_max: usize,
    /// Called now and then with the steps of work done and to do.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Where the progress stands.
    pub work: Work,
}

/// How much is done of how much.
#[derive(Debug, Default)]
pub struct Work {
    done: AtomicU64,
    total: AtomicU64,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Entries in the log.
    pub size: u64,
    /// Commit groups.
    pub groups: u64,
    /// The newest checkpoint's root.
    pub root: Hash,
    /// Entries whose facts and artefacts are known to be lost: the store was completed from a public copy. No findings.
    pub lost: Vec<Lost>,
    /// The first findings, by table and key.
    pub findings: Vec<Finding>,
    /// How many findings of [`Grade::False`] and [`Grade::Torn`] there were.
    pub falsehoods: u64,
    /// How many findings of [`Grade::Untold`] there were.
    pub untold: u64,
}

impl Report {
    /// Nothing is wrong and nothing was left untold.
    pub fn is_clean(&self) -> bool {
        self.falsehoods == 0 && self.untold == 0
    }
}

impl Fsck<'_> {
    /// Checks the store.
    pub fn run(&self) -> Report {
        let findings = Findings::new(self.findings_max);
        self.meta(&findings);
        let size = self.size(&findings);
        let lost = self.lost(&findings, size);
        // Digest rows are the one other table that is as long as the log and walked apart from it.
        let total = if self.full.is_some() { 2 * size } else { size };
        self.work.total.store(total, Ordering::Relaxed);

        let hasher = RandomState::new();
        let mut tree = Tree::new(self, &findings, size);
        let expected = self.walk(&findings, size, &lost, &hasher, &mut tree);
        let (newest, groups) = tree.finish();
        if let (Some(head), None) = (&newest, &self.full) {
            chunk::check_signatures(self, &findings, head);
        }
        anchor::check(self, &findings, newest.as_ref());
        erasures::check(self, &findings, size);
        index::check(self, &findings, size, &expected, &hasher);
        if let Some(full) = &self.full {
            state::check(self, full, &findings, size, &tree.ends, &expected);
            data_keys::check(self, full, &findings, expected.keys, &hasher);
        }
        let (findings, falsehoods, untold) = findings.into_parts();
        let root = newest.map_or(EMPTY_ROOT, |head| head.root);
        Report { size, groups, root, lost, findings, falsehoods, untold }
    }

    fn threads(&self) -> usize {
        self.threads.clamp(1, 64)
    }

    fn advance(&self, steps: u64) {
        let done = self.work.done.fetch_add(steps, Ordering::Relaxed) + steps;
        (self.progress)(done, self.work.total.load(Ordering::Relaxed));
    }

    /// Format and origin, and nothing else.
    fn meta(&self, findings: &Findings) {
        let origin = self.identity.origin().as_bytes();
        let mut due = vec![(ORIGIN_KEY, origin.to_vec())];
        let (mut format, mut erased) = (None, false);
        let outcome = self.rows(findings, Table::Meta, &[], None, |key, value| {
            if key == FORMAT_KEY {
                format = Some(value.to_vec());
                return;
            }
            if key.starts_with(ROW_PREFIX) || key.starts_with(LOST_PREFIX) {
                erased |= key.starts_with(ROW_PREFIX); // checked by themselves
                return;
            }
            match due.iter().position(|(name, _)| *name == key).map(|at| due.swap_remove(at)) {
                Some((_, right)) if right == value => {}
                Some((_, right)) => {
                    let words = |bytes: &[u8]| match std::str::from_utf8(bytes) {
                        Ok(text) if key == ORIGIN_KEY => text.to_owned(),
                        _ => hex::encode(bytes),
                    };
                    findings.row(Table::Meta, key, format!("reads {}, and should {}", words(value), words(&right)));
                }
                None => findings.row(Table::Meta, key, "a surplus row"),
            }
        });
        if outcome == scan::Outcome::Whole {
            let right = if erased { FORMAT_ERASED } else { FORMAT }.to_be_bytes();
            match format {
                Some(found) if found == right => {}
                Some(found) => {
                    let what = format!("reads {}, and should {}", hex::encode(found), hex::encode(right));
                    findings.row(Table::Meta, FORMAT_KEY, what);
                }
                None => findings.row(Table::Meta, FORMAT_KEY, "the row is missing or unreadable"),
            }
            due.iter().for_each(|(name, _)| findings.row(Table::Meta, name, "the row is missing or unreadable"));
        }
    }

    /// The entries whose facts are known to be lost.
    fn lost(&self, findings: &Findings, size: u64) -> Vec<Lost> {
        match complete::lost(self.store) {
            Ok(lost) => {
                for (first, end) in lost.iter().filter(|(_, end)| *end > size) {
                    let key = [LOST_PREFIX, &keys::number(*first)].concat();
                    findings.row(Table::Meta, &key, format!("names entries up to {end}, the log has {size}"));
                }
                lost
            }
            Err(Fault::Corrupt { key, what, .. }) => {
                findings.row(Table::Meta, &key, what);
                Vec::new()
            }
            Err(fault) => {
                findings.storage(Table::Meta, scan::words(&fault));
                Vec::new()
            }
        }
    }

    /// Entries in the log: what the newest group says whose last bundle and tile are there, so that one stray row with
    /// an enormous key does not become the size. Without any such group, what the bundles hold.
    fn size(&self, findings: &Findings) -> u64 {
        let mut size = None;
        let scanned = self.store.scan(Table::Group, &keys::number(u64::MAX), Direction::Down, &mut |key, stored| {
            let head = unseal(Table::Group, key, stored).and_then(|row| parse_head(key, row)).ok();
            let believed = head.filter(|head| self.is_plausible(head) && self.is_dense(head.size));
            size = believed.map(|head| head.size);
            if size.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if let Err(fault) = scanned {
            findings.storage(Table::Group, scan::words(&fault));
        }
        // A newest group whose row is lost leaves bundles that are longer than the last group says.
        size.unwrap_or(0).max(self.entries_from(size.unwrap_or(0) / TILE_WIDTH))
    }

    fn is_plausible(&self, head: &GroupHead) -> bool {
        let bundle = (head.size - 1) / TILE_WIDTH;
        let there = |table, key: &[u8]| !matches!(self.store.get(table, key), Ok(None));
        let follows = head.first == 0 || there(Table::Group, &keys::number(head.first));
        let bundle_there = there(Table::Bundle, &keys::number(bundle));
        let tile_there = there(Table::Tile, &keys::tile(TileId { level: 0, index: bundle }));
        u8::from(follows) + u8::from(bundle_there) + u8::from(tile_there) >= 2
    }

    /// The log below `size` is there, but for holes: of its stretches, more hold bundles than do not. So the work that a
    /// forged head can cause is bounded by the rows that are there. Looks at one bundle of each stretch at most.
    fn is_dense(&self, size: u64) -> bool {
        let end = size.div_ceil(TILE_WIDTH);
        let (mut next, mut there, mut holes) = (0, 1u64, 0u64);
        while next < end && holes <= there {
            let mut found = None;
            let scanned = self.store.scan(Table::Bundle, &keys::number(next), Direction::Up, &mut |key, _| {
                let Some(index) = keys::parse_number(key) else { return ControlFlow::Continue(()) };
                found = Some(index).filter(|index| *index < end);
                ControlFlow::Break(())
            });
            match found {
                Some(index) => {
                    holes += (index - next) / CHUNK_BUNDLES;
                    there += 1;
                    next = (index / CHUNK_BUNDLES + 1) * CHUNK_BUNDLES;
                }
                // What cannot be read is not missing.
                None if scanned.is_err() => {
                    holes += 1;
                    next += CHUNK_BUNDLES;
                }
                None => {
                    holes += (end - next) / CHUNK_BUNDLES;
                    break;
                }
            }
        }
        holes <= there
    }

    /// The end of the unbroken row of bundles from `from` on.
    fn entries_from(&self, from: u64) -> u64 {
        let mut end = 0;
        let mut next = from;
        let _ = self.store.scan(Table::Bundle, &keys::number(from), Direction::Up, &mut |key, stored| {
            let Ok(bundle) = unseal(Table::Bundle, key, stored) else { return ControlFlow::Break(()) };
            if key != keys::number(next) {
                return ControlFlow::Break(());
            }
            let count = bundle_entries(bundle).flatten().count() as u64;
            end = next * TILE_WIDTH + count.min(TILE_WIDTH);
            next += 1;
            if count == TILE_WIDTH { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        end
    }

    /// Has every stretch of the log checked, and takes them into `tree` in order. Each thread has its own channel and
    /// takes every n-th stretch, so what is done ahead is bounded.
    fn walk(
        &self,
        findings: &Findings,
        size: u64,
        lost: &[Lost],
        hasher: &RandomState,
        tree: &mut Tree<'_, '_>,
    ) -> Expected {
        let bundles = size.div_ceil(TILE_WIDTH);
        let chunks = bundles.div_ceil(CHUNK_BUNDLES);
        let threads = (self.threads() as u64).min(chunks.max(1));
        let mut expected = Expected::new(self.full.is_some());
        let destroyed = data_keys::destroyed(self);
        let destroyed = destroyed.as_ref();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|t| {
                    let (send, receive) = mpsc::sync_channel(2);
                    let worker = scope.spawn(move || {
                        let mut worker = Worker::new(self, findings, size, lost, destroyed, hasher);
                        for chunk in (t..chunks).step_by(threads as usize) {
                            let first = chunk * CHUNK_BUNDLES;
                            let done = worker.check(first, (first + CHUNK_BUNDLES).min(bundles));
                            if send.send(done).is_err() {
                                break; // the receiver panicked
                            }
                        }
                        worker.expected
                    });
                    (receive, worker)
                })
                .collect();
            for chunk in 0..chunks {
                let (receive, _) = &workers[(chunk % threads) as usize];
                // Ends early only when its thread panicked, which joining it below tells.
                let Ok(chunk) = receive.recv() else { break };
                tree.take(chunk);
            }
            for (receive, worker) in workers {
                drop(receive);
                expected.merge(&worker.join().expect("a check does not panic"));
            }
        });
        expected
    }
}
