//! Runs that wait for a moment, in memory: 40 octets for each. What is due follows from the ledger, where a start finds it again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use semper_ttp::digest::Digest;

/// Runs that wait for something, by the last moment at which nothing is to be done.
#[derive(Default)]
pub(super) struct Due(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    after: BTreeSet<(u64, Digest)>,
    of: HashMap<Digest, u64>,
    /// Whether those were found that were begun before this start.
    is_complete: bool,
}

impl Due {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether those were found that were begun before this start.
    pub(super) fn is_complete(&self) -> bool {
        self.waiting().is_complete
    }

    /// They were.
    pub(super) fn completed(&self) {
        self.waiting().is_complete = true;
    }

    /// After `after_ms` it is to be looked at; never again for `None`.
    pub(super) fn put(&self, x: &Digest, after_ms: Option<u64>) {
        let mut waiting = self.waiting();
        let before = match after_ms {
            Some(after) => waiting.of.insert(*x, after),
            None => waiting.of.remove(x),
        };
        if let Some(before) = before {
            waiting.after.remove(&(before, *x));
        }
        waiting.after.extend(after_ms.map(|after| (after, *x)));
    }

    /// The same of one that is found in the ledger, where no turn has said it already.
    pub(super) fn find(&self, x: &Digest, after_ms: u64) {
        let mut waiting = self.waiting();
        if !waiting.of.contains_key(x) {
            waiting.of.insert(*x, after_ms);
            waiting.after.insert((after_ms, *x));
        }
    }

    /// How many wait, and for how long the first of them has been due, milliseconds.
    pub(super) fn waiting_since(&self, now_ms: u64) -> (usize, u64) {
        let waiting = self.waiting();
        (waiting.of.len(), waiting.after.first().map_or(0, |(after, _)| now_ms.saturating_sub(*after)))
    }

    /// The one that has been due for the longest time.
    pub(super) fn first(&self, now_ms: u64) -> Option<Digest> {
        self.waiting().after.first().filter(|(after, _)| *after < now_ms).map(|(_, x)| *x)
    }
}
