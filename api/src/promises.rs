//! Requests that the arbiter has taken and answers later (exchange-and-disputes §5): each is durable before its receipt leaves, and is
//! found again by the next start.
//!
//! ```text
//! requests/<x>.json       one file for each run of which a request waits; gone once its answer is in the ledger
//! ```
//!
//! What lies here is a promise that the arbiter has signed: whoever loses it before it is kept has handed out the first half of a proof
//! against itself (PoM-6). It is in no backup, which would come too late for it. Bounded by a count: each is as long as three statements of
//! a party at most. Times are given; no clock here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use semper_ledger::disk::{self, DiskFault};
use semper_ttp::digest::Digest;
use semper_ttp::exchange::run::PARTY_STATEMENT_BYTES_MAX;
use semper_ttp::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// A file at most: three statements of a party, a receipt of ours, and what stands around them.
const FILE_BYTES_MAX: usize = 4 * PARTY_STATEMENT_BYTES_MAX;

/// Where such requests are kept, and what is promised.
#[derive(Clone, Debug)]
pub struct PromisesParts {
    /// The folder.
    pub folder: PathBuf,
    /// How many runs may wait at most.
    pub waiting_max: usize,
    /// How long after a request it is answered at the latest, milliseconds.
    pub within_ms: u64,
}

/// A request that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Promise {
    /// The request, by its payload's hash.
    pub(crate) request: Digest,
    /// When it came: no answer to it is dated before.
    pub(crate) received: Timestamp,
    /// Until when it is answered.
    pub(crate) answer_by: Timestamp,
    /// What its sender has: the receipt, signed.
    pub(crate) receipt: Vec<u8>,
}

/// What was promised in a run cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("the request of the run {x} in the folder of requests: {why}")]
pub(crate) struct LostPromise {
    x: Digest,
    why: String,
}

/// What a side has sent, as far as the decision rests on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// The run's first statement.
    pub(crate) first: String,
    /// The answer to it, with a request to resolve.
    pub(crate) second: Option<String>,
    /// The request.
    pub(crate) request: String,
    /// Its payload's hash.
    pub(crate) req: Digest,
    receipt: String,
    received_ms: u64,
    answer_by_ms: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Of one run one request waits at a time.
    runs: BTreeMap<Digest, Promise>,
    /// Files that are being written.
    coming: usize,
    /// Of these something was promised, and what does not read: the arbiter says nothing more of them, since it might deny its word.
    lost: BTreeSet<Digest>,
}

/// The promises of the arbiter.
#[derive(Debug)]
pub struct Promises {
    parts: PromisesParts,
    waiting: Mutex<Waiting>,
    /// Somebody was promised something.
    made: Notify,
}

impl Waiting {
    fn has_room(&self, waiting_max: usize) -> bool {
        self.runs.len() + self.coming < waiting_max
    }
}

impl Promises {
    /// Opens the folder, and makes it where it is not there. A file that does not read stays where it is, and is told in the log.
    ///
    /// # Errors
    /// [`DiskFault`].
    pub fn open(parts: PromisesParts) -> Result<Self, DiskFault> {
        disk::make_folder(&parts.folder)?;
        let listed = fs::read_dir(&parts.folder).map_err(disk::fault("list", &parts.folder))?;
        let (mut runs, mut lost) = (BTreeMap::new(), BTreeSet::new());
        for entry in listed {
            let path = entry.map_err(disk::fault("list", &parts.folder))?.path();
            // Another name is what a crash has left of a file that was being written: nobody has its receipt.
            let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json")?.parse::<Digest>().ok());
            let Some(x) = name else { continue };
            match disk::read_at_most(&path, FILE_BYTES_MAX)?.map(|bytes| serde_json::from_slice::<Kept>(&bytes)) {
                Some(Ok(kept)) => drop(runs.insert(x, kept.promise())),
                Some(Err(error)) => {
                    tracing::error!(%error, path = %path.display(), "a request that was taken does not read");
                    lost.insert(x);
                }
                None => {}
            }
        }
        Ok(Self { parts, waiting: Mutex::new(Waiting { runs, coming: 0, lost }), made: Notify::new() })
    }

    /// Waits until somebody has been promised something since the last time; for one waiter.
    pub async fn made(&self) {
        self.made.notified().await;
    }

    /// How long after a request it is answered at the latest, milliseconds.
    pub(crate) fn within_ms(&self) -> u64 {
        self.parts.within_ms
    }

    /// Whether another run may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting().has_room(self.parts.waiting_max)
    }

    /// What was promised in a run, and is not answered yet.
    ///
    /// # Errors
    /// [`LostPromise`].
    pub(crate) fn of(&self, x: &Digest) -> Result<Option<Promise>, LostPromise> {
        let waiting = self.waiting();
        match waiting.lost.contains(x) {
            true => Err(LostPromise { x: *x, why: "it does not read".to_owned() }),
            false => Ok(waiting.runs.get(x).cloned()),
        }
    }

    /// The runs that wait.
    pub(crate) fn runs(&self) -> Vec<Digest> {
        self.waiting().runs.keys().copied().collect()
    }

    /// How many wait, and for how long the first of them has been overdue, milliseconds.
    pub(crate) fn waiting_since(&self, now: Timestamp) -> (usize, u64) {
        let waiting = self.waiting();
        let first = waiting.runs.values().map(|promise| promise.answer_by.millis()).min();
        (waiting.runs.len(), first.map_or(0, |by| now.millis().saturating_sub(by)))
    }

    /// Keeps a request; durable on return. `false` where there is no room any more: then nothing was promised. One caller at a time for
    /// a run.
    ///
    /// # Errors
    /// [`DiskFault`]: nothing was promised.
    pub(crate) fn keep(&self, x: &Digest, kept: &Kept) -> Result<bool, DiskFault> {
        {
            let mut waiting = self.waiting();
            if !waiting.has_room(self.parts.waiting_max) {
                return Ok(false);
            }
            waiting.coming += 1;
        }
        let path = self.path(x);
        let bytes = serde_json::to_vec(kept).map_err(|error| disk::fault("write", &path)(error.into()));
        // Not held meanwhile: every decision looks whether something was promised.
        let written = bytes.and_then(|bytes| disk::replace(&path, &bytes));
        let mut waiting = self.waiting();
        waiting.coming -= 1;
        written?;
        waiting.runs.insert(*x, kept.promise());
        drop(waiting);
        self.made.notify_one();
        Ok(true)
    }

    /// What was sent in a run that waits.
    ///
    /// # Errors
    /// [`LostPromise`].
    pub(crate) fn read(&self, x: &Digest) -> Result<Option<Kept>, LostPromise> {
        let lost = |why: String| LostPromise { x: *x, why };
        if self.of(x)?.is_none() {
            return Ok(None);
        }
        let bytes = disk::read_at_most(&self.path(x), FILE_BYTES_MAX).map_err(|fault| lost(fault.to_string()))?;
        // Somebody has answered it meanwhile.
        if bytes.is_none() && self.of(x)?.is_none() {
            return Ok(None);
        }
        let bytes = bytes.ok_or_else(|| lost("its file is gone".to_owned()))?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| lost(error.to_string()))
    }

    /// Forgets a request that was answered, which is durable. Another one that waits in the run meanwhile goes on waiting.
    ///
    /// # Errors
    /// [`DiskFault`]: it is answered once more, with the same octets.
    pub(crate) fn forget(&self, x: &Digest, request: &Digest) -> Result<(), DiskFault> {
        let mut waiting = self.waiting();
        if waiting.runs.get(x).is_none_or(|promise| promise.request != *request) {
            return Ok(());
        }
        let path = self.path(x);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(disk::fault("remove", &path)(error)),
            _ => {
                waiting.runs.remove(x);
                Ok(())
            }
        }
    }

    fn path(&self, x: &Digest) -> PathBuf {
        self.parts.folder.join(format!("{x}.json"))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    pub(crate) fn of(sent: [&[u8]; 2], second: Option<&[u8]>, promise: &Promise) -> Self {
        let text = |jws: &[u8]| String::from_utf8_lossy(jws).into_owned(); // a statement is ASCII
        Self {
            first: text(sent[0]),
            second: second.map(text),
            request: text(sent[1]),
            req: promise.request,
            receipt: text(&promise.receipt),
            received_ms: promise.received.millis(),
            answer_by_ms: promise.answer_by.millis(),
        }
    }

    fn promise(&self) -> Promise {
        Promise {
            request: self.req,
            received: Timestamp::from_millis(self.received_ms),
            answer_by: Timestamp::from_millis(self.answer_by_ms),
            receipt: self.receipt.clone().into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(of: u8, by_ms: u64) -> Promise {
        Promise {
            request: Digest([of; 32]),
            received: Timestamp::from_millis(by_ms / 2),
            answer_by: Timestamp::from_millis(by_ms),
            receipt: format!("receipt-{of}").into_bytes(),
        }
    }

    fn kept(of: u8, by_ms: u64) -> Kept {
        Kept::of([b"first", b"request"], Some(b"second"), &promise(of, by_ms))
    }

    #[test]
    fn a_promise_outlives_its_process_until_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let parts = PromisesParts { folder: folder.path().join("requests"), waiting_max: 2, within_ms: 60_000 };
        let (one, other, third) = (Digest([1; 32]), Digest([2; 32]), Digest([3; 32]));
        let promises = Promises::open(parts.clone()).unwrap();
        assert!(promises.keep(&one, &kept(1, 2_000)).unwrap());
        assert!(promises.keep(&other, &kept(2, 1_000)).unwrap());
        assert!(!promises.has_room() && !promises.keep(&third, &kept(3, 1)).unwrap());
        // What a crash leaves of one that was being written, and what somebody has put there.
        fs::write(parts.folder.join(format!("{third}.json.part")), b"{").unwrap();
        fs::write(parts.folder.join(format!("{third}.json")), b"{").unwrap();
        let promises = Promises::open(parts.clone()).unwrap();
        assert_eq!(promises.runs(), [one, other]);
        assert_eq!(promises.of(&one).unwrap(), Some(promise(1, 2_000)));
        assert!(promises.of(&third).is_err(), "something was promised there");
        assert_eq!(promises.read(&one).unwrap(), Some(kept(1, 2_000)));
        assert_eq!(promises.waiting_since(Timestamp::from_millis(1_500)), (2, 500));
        // Somebody is late, and says so of a request that was answered before.
        promises.forget(&other, &Digest([9; 32])).unwrap();
        assert!(promises.of(&other).unwrap().is_some());
        for _ in 0..2 {
            promises.forget(&other, &Digest([2; 32])).unwrap();
        }
        assert_eq!((promises.has_room(), promises.read(&other).unwrap()), (true, None));
        assert_eq!(promises.waiting_since(Timestamp::from_millis(1_500)), (1, 0));
        let promises = Promises::open(parts.clone()).unwrap();
        assert_eq!(promises.runs(), [one]);
        fs::remove_file(parts.folder.join(format!("{one}.json"))).unwrap();
        assert!(promises.read(&one).unwrap_err().to_string().contains("its file is gone"));
    }
}
