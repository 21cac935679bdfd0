//! Runs that wait for a moment, in memory: 40 octets for each. What is due follows from the ledger, where a start finds it again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use semper_ttp::digest::Digest;

use super::{Service, exchange::ExchangeFault};

/// For how long one look goes on: who looks has other things to look at, too.
const LOOK_MAX: Duration = Duration::from_secs(4);

/// How long a run waits that could not be looked at when it was due, milliseconds.
pub(super) const AGAIN_MS: u64 = 60_000;

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

impl Service {
    /// Looks at the runs that are due, and gives how many of them; `of` is what one of them is called.
    pub(super) fn look_at_due(
        &self,
        due: &Due,
        of: &str,
        wake: impl Fn(&Digest) -> Result<(), ExchangeFault>,
    ) -> usize {
        let (mut looked, begun) = (0, Instant::now());
        while begun.elapsed() < LOOK_MAX
            && let Some(x) = due.first(self.now().millis())
        {
            match wake(&x) {
                Ok(()) => looked += 1,
                // Nothing is decided now; what is due stays it.
                Err(fault) if fault.is_of_the_moment() => break,
                Err(fault) => {
                    tracing::error!(%fault, "{of} that is due could not be looked at");
                    due.put(&x, Some(self.now().millis().saturating_add(AGAIN_MS)));
                }
            }
        }
        looked
    }
}
