//! `--full`: data keys, against the artefacts that are sealed under them.
//!
//! Each sealed artefact has its key, unless an erasure tells that it was destroyed; each key came with an artefact that is
//! sealed under it. Artefacts are walked in the order of the log and keys in that of their random names, so a sum of both is
//! compared, as of the other indexes; keys are few, and only if the sums differ each is looked at.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use super::{Fsck, Full, finding::Findings};
use crate::{
    erasure::{self, KeyRef},
    sequencer::parse_key,
    store::{Table, keys, read},
};

/// Keys with the entries that they came with, summed by a hash that nobody can foresee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeySum {
    count: u64,
    hashes: u64,
}

impl KeySum {
    fn add(&mut self, hasher: &RandomState, key: &KeyRef, index: u64) {
        self.merge(Self { count: 1, hashes: hasher.hash_one((key, index)) });
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.hashes = self.hashes.wrapping_add(other.hashes);
    }
}

/// The keys that erasures destroyed; `None` if these do not read, which is told where they are checked.
pub(super) fn destroyed(fsck: &Fsck<'_>) -> Option<HashSet<KeyRef>> {
    Some(erasure::rows(fsck.store).ok()?.into_iter().flat_map(|line| line.keys).collect())
}

/// The artefact of entry `index` is sealed under `key`. Into `sum` if the key came with it.
pub(super) fn used(
    fsck: &Fsck<'_>,
    findings: &Findings,
    destroyed: Option<&HashSet<KeyRef>>,
    (key, index): (KeyRef, u64),
    hasher: &RandomState,
    sum: &mut KeySum,
) {
    let row = match read(fsck.store, Table::Key, &key) {
        Ok(Some(row)) => row,
        Ok(None) => {
            let what = format!("the artefact of entry {index} is sealed under this key, which is missing");
            return match destroyed {
                Some(destroyed) if destroyed.contains(&key) => {}
                Some(_) => findings.row(Table::Key, &key, format!("{what}, and no erasure tells of it")),
                None => findings.untold(Table::Key, &key, what),
            };
        }
        Err(_) => return, // told where keys are walked
    };
    match parse_key(&key, &row) {
        Ok((came, _)) if came == index => sum.add(hasher, &key, index),
        Ok((came, _)) if came > index => {
            findings.row(Table::Key, &key, format!("entry {index} is sealed under it, and it came with entry {came}"));
        }
        Ok(_) | Err(_) => {}
    }
}

/// Every key came with an artefact that is sealed under it.
pub(super) fn check(fsck: &Fsck<'_>, full: &Full<'_>, findings: &Findings, expected: KeySum, hasher: &RandomState) {
    let mut found = KeySum::default();
    fsck.rows(findings, Table::Key, &[], None, |key, row| match (<KeyRef>::try_from(key), parse_key(key, row)) {
        (Ok(key), Ok((index, _))) => found.add(hasher, &key, index),
        _ => findings.row(Table::Key, key, "the row has not the shape of this table"),
    });
    if found == expected {
        return;
    }
    fsck.rows_silently(Table::Key, |key, row| {
        let Some((index, _)) = row.and_then(|row| parse_key(key, row).ok()) else { return };
        let what = format!("the artefact of entry {index}, with which it came, is not sealed under it");
        match read(fsck.store, Table::Artefact, &keys::number(index)) {
            Ok(Some(artefact)) if full.facts.sealed_under(&artefact).is_some_and(|under| under == key) => {}
            Ok(_) => findings.row(Table::Key, key, what),
            Err(_) => {} // told where artefacts are walked
        }
    });
}
