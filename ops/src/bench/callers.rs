//! Callers of a ledger inside this process: each appends, waits until that is durable, builds its receipt, and appends
//! again (a closed loop).
//!
//! A few threads stand for many callers, as the threads of a server do; a caller is a number that its answer carries.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use semper_ledger::anchor::file::FileAnchor;
use semper_ledger::erasure::MemoryJournal;
use semper_ledger::ledger::{self, Ledger, Parts};
use semper_ledger::note::NoteSigner;
use semper_ledger::sequencer::{Appended, Clock, Commit, Draft, GroupReport, Idempotency, LogKeys, Observer, Refused};
use semper_ledger::store::Store;
use semper_ttp::crypto::{LogSigner, LogVerifier, SignatureAlgorithm, SoftKey};

use super::{Failed, machine};
use crate::clock::{Readings, SystemReadings};
use crate::config;
use crate::data::sequencer_settings;

/// Length of a fact and of an artefact, bytes (issue 2 §6).
pub(crate) const FACT_BYTES: usize = 200;
pub(crate) const ARTEFACT_BYTES: usize = 100;

/// Role and kind of entries that are only measured; no third party has this number.
pub(crate) const ROLE: u64 = 9_999;

/// The system's clock as the ledger asks it.
pub(crate) struct WallClock(SystemReadings);

impl WallClock {
    pub(crate) fn new() -> WallClock {
        WallClock(SystemReadings::new())
    }
}

impl Clock for WallClock {
    fn now_ms(&self) -> u64 {
        self.0.read().wall.as_millis() as u64
    }

    fn wait_ms(&self, ms: u64) {
        std::thread::sleep(std::time::Duration::from_millis(ms));
    }
}

/// Collects what the sequencer reports.
#[derive(Default)]
pub(crate) struct Groups(Mutex<Vec<GroupReport>>);

impl Groups {
    /// The reports since the last call.
    pub(crate) fn take(&self) -> Vec<GroupReport> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Groups {
    fn committed(&self, report: &GroupReport) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(*report);
    }
}

/// A new ledger with keys of its own, on a store and an anchor that are empty.
///
/// # Errors
/// It does not open.
pub(crate) fn new_ledger(
    store: Arc<dyn Store>,
    anchor: Arc<FileAnchor>,
    groups: Arc<Groups>,
) -> Result<Ledger, Failed> {
    let signer = |algorithm| {
        let key = SoftKey::generate(algorithm)?;
        LogSigner::new(Arc::new(key)).map(Arc::new).ok_or_else(|| Failed("not a key for a log".to_owned()))
    };
    let note = NoteSigner::new("bench.semper.example/1", signer(SignatureAlgorithm::Ed25519)?)?;
    let keys = LogKeys::new(note, signer(SignatureAlgorithm::EcdsaP256Sha256)?, "http://bench.semper.example");
    ledger::create(&*store, &*anchor, keys.identity())?;
    let settings = config::Ledger::default();
    Ok(Ledger::open(Parts {
        store,
        anchor,
        journal: Arc::new(MemoryJournal::default()),
        keys,
        verifier: Arc::new(LogVerifier),
        clock: Arc::new(WallClock::new()),
        observer: groups,
        settings: sequencer_settings(&settings),
        tile_cache_bytes: settings.tile_cache_bytes,
    })?)
}

/// Bytes without pattern, from a number (splitmix64): no compressor gains anything, and no two appends are alike.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Noise {
        Noise(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes
    }

    pub(crate) fn hash(&mut self) -> [u8; 32] {
        let mut hash = [0; 32];
        self.fill(&mut hash);
        hash
    }
}

/// The commit that is measured: one fact with its artefact, and an idempotency key.
pub(crate) fn commit(noise: &mut Noise, now_ms: u64) -> Commit {
    let draft = Draft::with_artefact(ROLE, 1, noise.bytes(FACT_BYTES), noise.bytes(ARTEFACT_BYTES));
    Commit { idempotency: Some(Idempotency { key: noise.hash(), request: noise.hash() }), ..Commit::one(now_ms, draft) }
}

/// Appends until `appends` are durable and have their receipts; gives the seconds that took.
///
/// # Errors
/// Any append that was refused, or is without a receipt.
pub(crate) fn run(ledger: &Ledger, callers: usize, appends: u64, seed: u64) -> Result<f64, Failed> {
    let threads = machine::cores().min(callers).max(1);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let share = |whole: u64| whole / threads as u64 + u64::from((thread as u64) < whole % threads as u64);
                let (callers, appends) = (share(callers as u64), share(appends));
                scope.spawn(move || call(ledger, callers, appends, seed ^ (thread as u64) << 48))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(Failed("a caller's thread panicked".to_owned())))
        })
    })?;
    Ok(start.elapsed().as_secs_f64())
}

/// The work of one thread.
fn call(ledger: &Ledger, callers: u64, appends: u64, seed: u64) -> Result<(), Failed> {
    let (send, receive) = channel();
    let (mut noise, clock) = (Noise::new(seed), WallClock::new());
    let mut begun = 0;
    while begun < callers.min(appends) {
        submit(ledger, commit(&mut noise, clock.now_ms()), &send);
        begun += 1;
    }
    let reader = ledger.reader();
    for _ in 0..appends {
        let appended = receive.recv()??;
        let receipt =
            reader.receipt_of(&appended, 0)?.ok_or_else(|| Failed("an entry without a receipt".to_owned()))?;
        std::hint::black_box(receipt.tlog_proof(reader.identity()));
        if begun < appends {
            submit(ledger, commit(&mut noise, clock.now_ms()), &send);
            begun += 1;
        }
    }
    Ok(())
}

fn submit(ledger: &Ledger, commit: Commit, answers: &Sender<Result<Appended, Refused>>) {
    let answers = answers.clone();
    ledger.submit(commit, move |outcome| {
        let _ = answers.send(outcome); // nobody listens only after an error
    });
}

#[cfg(test)]
mod tests {
    use semper_ledger::store::memory::MemoryStore;

    use super::*;

    #[test]
    fn every_append_is_made_once_and_lies_in_a_group() {
        let dir = tempfile::tempdir().unwrap();
        let anchor = Arc::new(FileAnchor::create(&dir.path().join("anchor")).unwrap());
        let groups = Arc::new(Groups::default());
        let ledger = new_ledger(Arc::new(MemoryStore::default()), anchor, groups.clone()).ok().unwrap();
        assert!(run(&ledger, 7, 100, 1).ok().unwrap() > 0.0);
        assert_eq!(ledger.reader().size(), 100);
        assert_eq!(groups.take().iter().map(|group| group.entries).sum::<usize>(), 100);
        assert!(groups.take().is_empty());
        // The same seed makes the same requests, which are answered and not appended again.
        assert!(run(&ledger, 3, 100, 1).ok().unwrap() > 0.0);
        assert_eq!(ledger.reader().size(), 100);
    }

    #[test]
    fn noise_does_not_repeat() {
        let mut noise = Noise::new(1);
        let (first, second) = (noise.bytes(FACT_BYTES), noise.bytes(FACT_BYTES));
        assert_eq!(first.len(), FACT_BYTES);
        assert_ne!(first, second);
        assert_ne!(Noise::new(2).hash(), Noise::new(3).hash());
    }
}
