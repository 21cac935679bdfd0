//! The tables whose keys are hashes, against the entries, both ways and without a row too many in memory.
//!
//! Entries come in the order of the log, index rows in the order of hashes. Looking each one up would be a random read
//! per entry, so both sides are summed instead: for each of 65,536 buckets (the first two bytes of the key) the wrapping
//! sum of a keyed hash of every (key, index). The key of that hash is drawn anew for each check, so nobody can prepare
//! rows whose sums agree; that two different sets agree by chance has probability 2^-64. Only buckets that differ are
//! then looked into row by row.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
};

use super::{FactView, Fsck, data_keys::KeySum, entry::View, finding::Findings, scan::Outcome};
use crate::{
    merkle::TILE_WIDTH,
    store::{Table, keys, read},
    tile::bundle_entries,
};

const BUCKETS: usize = 1 << 16;

/// A set of (key, index), summed by bucket.
#[derive(Clone)]
pub(super) struct Sums(Vec<Sum>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    hashes: u64,
}

impl Sums {
    fn new() -> Self {
        Self(vec![Sum::default(); BUCKETS])
    }

    /// Adds one member.
    pub(super) fn add(&mut self, hasher: &RandomState, key: &[u8], index: u64) {
        let sum = &mut self.0[bucket(key)];
        sum.count += 1;
        sum.hashes = sum.hashes.wrapping_add(hasher.hash_one((key, index)));
    }

    fn merge(&mut self, other: &Self) {
        for (sum, other) in self.0.iter_mut().zip(&other.0) {
            sum.count += other.count;
            sum.hashes = sum.hashes.wrapping_add(other.hashes);
        }
    }
}

/// Shorter keys than two bytes exist in damaged stores only.
fn bucket(key: &[u8]) -> usize {
    let byte = |at: usize| usize::from(key.get(at).copied().unwrap_or(0));
    byte(0) << 8 | byte(1)
}

/// What the entries and facts say must stand in the index tables.
#[derive(Clone)]
pub(super) struct Expected {
    pub(super) tags: Sums,
    /// With `--full`.
    pub(super) digests: Option<Sums>,
    /// With `--full`.
    pub(super) steps: Option<Sums>,
    /// With `--full`.
    pub(super) names: Option<Sums>,
    /// The least that each counter must be.
    pub(super) counters: BTreeMap<&'static str, u64>,
    /// The data keys that came with artefacts.
    pub(super) keys: KeySum,
    /// Every fact could be read; if not, there may be more steps and counters.
    pub(super) facts_whole: bool,
}

impl Expected {
    pub(super) fn new(full: bool) -> Self {
        let sums = || full.then(Sums::new);
        let (digests, steps, names) = (sums(), sums(), sums());
        let (counters, keys) = (BTreeMap::new(), KeySum::default());
        Self { tags: Sums::new(), digests, steps, names, counters, keys, facts_whole: true }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.tags.merge(&other.tags);
        self.facts_whole &= other.facts_whole;
        self.keys.merge(other.keys);
        for (mine, theirs) in
            [(&mut self.digests, &other.digests), (&mut self.steps, &other.steps), (&mut self.names, &other.names)]
        {
            if let (Some(mine), Some(theirs)) = (mine, theirs) {
                mine.merge(theirs);
            }
        }
        for (name, least) in &other.counters {
            let held = self.counters.entry(name).or_default();
            *held = (*held).max(*least);
        }
    }
}

/// Which index.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Index {
    Tag,
    Digest,
    Aggregate,
    Name,
}

impl Index {
    fn table(self) -> Table {
        match self {
            Self::Tag => Table::Tag,
            Self::Digest => Table::Digest,
            Self::Aggregate => Table::Aggregate,
            Self::Name => Table::Name,
        }
    }

    /// The index that a row names, if it has the shape of this table.
    fn named(self, key: &[u8], value: &[u8]) -> Option<u64> {
        match self {
            Self::Tag => keys::parse_number(value).filter(|_| key.len() == 32),
            Self::Digest => keys::parse_hash_number(key).map(|(_, index)| index).filter(|_| value.is_empty()),
            Self::Aggregate => keys::parse_number(value).filter(|_| key.len() == 40),
            Self::Name => keys::parse_number(value).filter(|_| !key.is_empty()),
        }
    }

    /// What entry or fact a row stands for, in words.
    fn what(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Digest => "digest",
            Self::Aggregate => "step",
            Self::Name => "name",
        }
    }
}

/// Compares every index with what the entries say.
pub(super) fn check(fsck: &Fsck<'_>, findings: &Findings, size: u64, expected: &Expected, hasher: &RandomState) {
    check_one(fsck, findings, size, Index::Tag, &expected.tags, hasher);
    if let (Some(digests), Some(steps), Some(names)) = (&expected.digests, &expected.steps, &expected.names) {
        check_one(fsck, findings, size, Index::Digest, digests, hasher);
        check_one(fsck, findings, size, Index::Aggregate, steps, hasher);
        check_one(fsck, findings, size, Index::Name, names, hasher);
    }
}

fn check_one(fsck: &Fsck<'_>, findings: &Findings, size: u64, index: Index, expected: &Sums, hasher: &RandomState) {
    let threads = fsck.threads();
    let parts: Vec<(Sums, bool)> = std::thread::scope(|scope| {
        let part = |i: usize| scope.spawn(move || sum_rows(fsck, findings, index, i, threads, hasher));
        let parts: Vec<_> = (0..threads).map(part).collect();
        parts.into_iter().map(|part| part.join().expect("a check does not panic")).collect()
    });
    let mut found = Sums::new();
    parts.iter().for_each(|(sums, _)| found.merge(sums));
    let differ: Vec<bool> = expected.0.iter().zip(&found.0).map(|(a, b)| a != b).collect();
    if !differ.contains(&true) {
        return;
    }
    locate_surplus(fsck, findings, size, index, &differ);
    // After a storage error every row that could not be read would be told as missing.
    if parts.iter().all(|(_, whole)| *whole) {
        locate_missing(fsck, findings, size, index, &differ);
    }
}

/// Sums part `i` of `parts` of a table, split by the first byte of the key.
fn sum_rows(
    fsck: &Fsck<'_>,
    findings: &Findings,
    index: Index,
    i: usize,
    parts: usize,
    hasher: &RandomState,
) -> (Sums, bool) {
    let mut sums = Sums::new();
    let bound = |i: usize| [(256 * i / parts) as u8];
    let from = bound(i);
    // The first part begins with the empty key, the last one has no end.
    let from: &[u8] = if i == 0 { &[] } else { &from };
    let to = (i + 1 < parts).then(|| bound(i + 1));
    let mut done = 0;
    let outcome = fsck.rows(findings, index.table(), from, to.as_ref().map(<[u8; 1]>::as_slice), |key, value| {
        match index.named(key, value) {
            Some(named) => sums.add(hasher, key, named),
            None => findings.row(index.table(), key, "the row has not the shape of this table"),
        }
        done += 1;
        if index == Index::Digest && done == 1 << 14 {
            fsck.advance(std::mem::take(&mut done));
        }
    });
    if index == Index::Digest {
        fsck.advance(done);
    }
    (sums, outcome == Outcome::Whole)
}

/// Rows of differing buckets that no entry stands behind.
fn locate_surplus(fsck: &Fsck<'_>, findings: &Findings, size: u64, index: Index, differ: &[bool]) {
    let mut source = Source::new(fsck, index);
    fsck.rows_silently(index.table(), |key, value| {
        let named = value.and_then(|value| index.named(key, value));
        let Some(named) = named.filter(|_| differ[bucket(key)]) else { return };
        if named >= size {
            findings.row(index.table(), key, format!("names entry {named}, beyond the end of the log"));
            return;
        }
        let mut stands = false;
        let told = source.keys_of(named, |expected| stands |= expected == key);
        if told && !stands {
            findings.row(index.table(), key, format!("entry {named} has not this {}", index.what()));
        }
    });
}

/// Entries that have no row in differing buckets, or one that names another entry.
fn locate_missing(fsck: &Fsck<'_>, findings: &Findings, size: u64, index: Index, differ: &[bool]) {
    let table = index.table();
    let mut source = Source::new(fsck, index);
    for entry in 0..size {
        source.keys_of(entry, |key| {
            if !differ[bucket(key)] {
                return;
            }
            match read(fsck.store, table, key) {
                Ok(None) => {
                    findings.row(table, key, format!("the row is missing: entry {entry} has this {}", index.what()))
                }
                Ok(Some(value)) => match index.named(key, &value) {
                    Some(named) if named != entry => {
                        let what = index.what();
                        findings.row(
                            table,
                            key,
                            format!("this {what} stands in entry {entry} and the row names entry {named}"),
                        );
                    }
                    _ => {} // right, or told by the scan
                },
                Err(_) => {} // told by the scan
            }
        });
    }
}

/// Says which keys an entry must have in an index.
struct Source<'f, 'a> {
    fsck: &'f Fsck<'a>,
    index: Index,
    /// The bundle read last, with its number: entries are asked for one after the other.
    bundle: Option<(u64, Vec<u8>)>,
}

impl<'f, 'a> Source<'f, 'a> {
    fn new(fsck: &'f Fsck<'a>, index: Index) -> Self {
        Self { fsck, index, bundle: None }
    }

    /// Calls `each` with every key of entry `entry`. False if entry or fact cannot be read, which was told where they were
    /// walked: nothing is known of its keys then.
    fn keys_of(&mut self, entry: u64, mut each: impl FnMut(&[u8])) -> bool {
        if matches!(self.index, Index::Aggregate | Index::Name) {
            let Some(view) = self.fact_of(entry) else { return false };
            match (self.index, view.step) {
                (Index::Name, _) => view.names.iter().for_each(|name| each(name)),
                (_, Some((aggregate, step))) => each(&keys::hash_number(&aggregate, step)),
                (_, None) => {}
            }
            return true;
        }
        let number = entry / TILE_WIDTH;
        if self.bundle.as_ref().is_none_or(|(held, _)| *held != number) {
            let row = read(self.fsck.store, Table::Bundle, &keys::number(number));
            self.bundle = Some((number, row.ok().flatten().unwrap_or_default()));
        }
        let Some((_, bundle)) = &self.bundle else { return false };
        let Some(bytes) = bundle_entries(bundle).nth((entry % TILE_WIDTH) as usize).flatten() else { return false };
        let Some(view) = View::decode(bytes) else { return false };
        match self.index {
            Index::Digest => each(&keys::hash_number(view.digest, entry)),
            Index::Tag | Index::Aggregate | Index::Name => view.tags().for_each(|tag| each(tag)),
        }
        true
    }

    /// What the fact of an entry must have in other tables; `None` if it cannot be read.
    fn fact_of(&self, entry: u64) -> Option<FactView> {
        let fact = read(self.fsck.store, Table::Fact, &keys::number(entry)).ok()??;
        self.fsck.full.as_ref()?.facts.read(&fact).ok()
    }
}
