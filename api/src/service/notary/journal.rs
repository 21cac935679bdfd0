//! The journal's mailbox: a thread that takes all that waits, at most [`TURN_MAX`] jobs, and has them decided in one turn (`turn.rs`). The
//! next turn begins when it is durable, or refused.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
};

use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    notary::{
        JournalEvent, JournalFact, Keep, KeepPersonal,
        dvcs::{Finding, PolicyInformation, Request},
    },
    vault::Content,
};
use tokio::sync::oneshot;

use super::{
    super::{Sealed, Service, ServiceFault},
    NotaryFault, OfficersWord, RecordParts,
};
use crate::body::Held;

/// The most jobs of one turn.
const TURN_MAX: usize = 256;

/// From how many octets of artefacts on a turn takes no further job: one commit holds them all.
const TURN_BYTES_MAX: usize = 16 << 20;

/// Something that is asked of the journal.
pub(crate) struct Job {
    /// What.
    pub(crate) event: JournalEvent,
    /// For a request that may be repeated.
    pub(crate) idempotency: Option<Idempotency>,
    /// What its artefacts are made of.
    pub(crate) making: Making,
    /// What a validation gave, as it is kept.
    pub(crate) report: Option<Vec<u8>>,
    /// Documents that came along, sealed.
    pub(crate) documents: Vec<SealedDocument>,
    /// What opens the commitments of the request: sealed in the turn, under the key of who asked.
    pub(crate) personal: Option<(KeepPersonal, Content)>,
    /// The room that the documents have until the job is done.
    pub(crate) _held: Held,
}

impl Job {
    /// With nothing that is kept besides.
    pub(crate) fn new(event: JournalEvent, idempotency: Option<Idempotency>, making: Making) -> Self {
        let (report, documents, personal, held) = (None, Vec::new(), None, Held::none());
        Self { event, idempotency, making, report, documents, personal, _held: held }
    }

    /// Octets that its artefacts have, about.
    fn bytes(&self) -> usize {
        let documents = self.documents.iter().map(|document| document.sealed.artefact.len()).sum::<usize>();
        documents + self.report.as_ref().map_or(0, Vec::len) + self.personal.as_ref().map_or(0, |(_, of)| of.len())
    }
}

/// A document that was sealed under a key of its own.
pub(crate) struct SealedDocument {
    /// Which.
    pub(crate) event: Keep,
    /// Its octets and its key.
    pub(crate) sealed: Sealed,
}

/// What the artefacts of a job's facts are made of.
pub(crate) enum Making {
    /// Nothing but the fact.
    Fact,
    /// What was received is the first fact's artefact.
    Received(Vec<u8>),
    /// An act that begins and ends at once.
    Record(Box<RecordParts>),
    /// An act that was open, with what the officer says besides.
    Approval(Box<OfficersWord>),
    /// A data validation certificate.
    Dvc(Box<DvcParts>),
}

/// What a data validation certificate is made of.
pub(crate) struct DvcParts {
    /// What was asked.
    pub(crate) request: Request,
    /// What was found.
    pub(crate) finding: Finding,
    /// Under which policy it is answered.
    pub(crate) policy: PolicyInformation,
    /// The token that tells the time, where one was asked for.
    pub(crate) time_token: Option<Vec<u8>>,
}

/// What a job has left in the journal.
#[derive(Clone, Debug)]
pub(crate) struct Entered {
    /// The entry of its first fact.
    pub(crate) index: u64,
    /// Its facts; none for a repetition.
    pub(crate) facts: Vec<JournalFact>,
    /// The artefact of the first of them.
    pub(crate) artefact: Option<Vec<u8>>,
}

pub(super) type Outcome = Result<Entered, NotaryFault>;

/// A job, and whom its outcome is told.
pub(super) struct Asked {
    pub(super) job: Job,
    pub(super) answer: oneshot::Sender<Outcome>,
}

/// Jobs that wait for their turn.
pub(super) struct Waiting {
    state: Arc<(Mutex<Queue>, Condvar)>,
    most: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Asked>,
    is_closed: bool,
}

impl Waiting {
    pub(super) fn new(most: usize) -> Self {
        Self { state: Arc::default(), most }
    }

    fn lock(state: &(Mutex<Queue>, Condvar)) -> MutexGuard<'_, Queue> {
        // Whoever panicked left a whole queue.
        state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, asked: Asked) -> Result<(), NotaryFault> {
        let mut queue = Self::lock(&self.state);
        if queue.jobs.len() >= self.most || queue.is_closed {
            return Err(NotaryFault::Busy);
        }
        queue.jobs.push_back(asked);
        // The thread waits only for a queue that is empty.
        if queue.jobs.len() == 1 {
            self.state.1.notify_one();
        }
        Ok(())
    }

    pub(super) fn close(&self) {
        Self::lock(&self.state).is_closed = true;
        self.state.1.notify_all();
    }
}

/// All that waits, once something does; nothing when nobody asks any more.
fn take(state: &(Mutex<Queue>, Condvar)) -> Vec<Asked> {
    let mut queue = Waiting::lock(state);
    while queue.jobs.is_empty() && !queue.is_closed {
        queue = state.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    let mut bytes = 0;
    let fits = |asked: &&Asked| {
        let had = bytes;
        bytes += asked.job.bytes();
        had < TURN_BYTES_MAX
    };
    let many = queue.jobs.iter().take(TURN_MAX).take_while(fits).count();
    queue.jobs.drain(..many).collect()
}

impl Service {
    /// Starts the journal's thread, which ends with the service.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn begin_journal(self: &Arc<Self>) -> io::Result<()> {
        let Some(notary) = &self.notary else { return Ok(()) };
        let (state, service) = (notary.waiting.state.clone(), Arc::downgrade(self));
        thread::Builder::new().name("journal".to_owned()).spawn(move || run(&state, &service)).map(drop)
    }

    /// Enters a job into the journal.
    ///
    /// # Errors
    /// [`NotaryFault`].
    pub(crate) async fn enter(&self, job: Job) -> Outcome {
        let outcome = self.wait_for_turn(job).await;
        outcome.inspect_err(|fault| self.metrics.notary().refused(fault))
    }

    async fn wait_for_turn(&self, job: Job) -> Outcome {
        let notary = self.notary.as_ref().ok_or(NotaryFault::NoNotary)?;
        // Before anything waits.
        if self.is_halted() || !self.disk_is_open() || self.require_policies().is_err() {
            return Err(NotaryFault::NotReady);
        }
        let (answer, answered) = oneshot::channel();
        notary.waiting.push(Asked { job, answer })?;
        // Dropped without an answer only if the turn panicked, or the service ended.
        answered
            .await
            .unwrap_or_else(|_| Err(ServiceFault::Facts("a turn of the journal did not end".to_owned()).into()))
    }
}

fn run(state: &(Mutex<Queue>, Condvar), service: &Weak<Service>) {
    // The state as the last turn has left it; read anew after every doubt.
    let mut folded = None;
    loop {
        let asked = take(state);
        let Some(service) = service.upgrade().filter(|_| !asked.is_empty()) else { return };
        let turn = std::panic::AssertUnwindSafe(|| service.turns(&mut folded, asked));
        if std::panic::catch_unwind(turn).is_err() {
            tracing::error!("a turn of the journal panicked");
            folded = None;
        }
    }
}
