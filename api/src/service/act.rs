//! One act on one history: folded, decided, appended; decided anew where somebody else was faster.

use std::sync::{Mutex, MutexGuard, PoisonError};

use semper_ledger::sequencer::{Commit, Idempotency, Refused};
use semper_ttp::{
    digest::Digest,
    evidence::{Aggregate, Fact, Recorded},
    role::{Role, Snapshot, fold},
    timestamp::ClockVerdict,
};

use super::{Service, ServiceFault, draft};

/// How often a decision is made anew because its commit group came too late, or somebody else was faster.
pub(super) const ATTEMPTS_MAX: usize = 3;

/// Histories that share a lock.
const TURNS: usize = 256;

/// Acts on one history wait for each other, in this process: of many that come at once each finds the state that the one before has
/// left, and none is turned away because others were faster. What else writes to the history the sequencer tells apart.
pub(super) struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Mutex::new(())).collect())
    }
}

impl Turns {
    pub(super) fn wait(&self, aggregate: &Aggregate) -> MutexGuard<'_, ()> {
        // It guards no state, so nobody who panicked has left any behind.
        self.0[usize::from(aggregate.0[0]) % TURNS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is the same at every attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given<'a> {
    /// For a request that may be repeated.
    pub(super) idempotency: Option<Idempotency>,
    /// What the fact accepts.
    pub(super) artefact: Option<&'a [u8]>,
}

/// What was decided and stands in the ledger.
#[derive(Debug)]
pub(super) struct Acted<R: Role> {
    /// Its entry.
    pub(super) index: u64,
    /// The state after it; of a repetition, that of now.
    pub(super) state: R::State,
}

/// Why it cannot be told whether a request is a repetition.
#[derive(Debug)]
pub(super) enum Repetition {
    /// The key under which it would be known belongs to another request.
    KeyReused,
    /// The ledger cannot be read.
    Fault(ServiceFault),
}

impl<N: std::fmt::Display + std::fmt::Debug> From<Repetition> for ActFault<N> {
    fn from(repetition: Repetition) -> Self {
        match repetition {
            Repetition::KeyReused => Self::KeyReused,
            Repetition::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ActFault<N: std::fmt::Display + std::fmt::Debug> {
    /// The rules say no.
    #[error("{0}")]
    Refused(N),
    /// The key under which a repetition would be known belongs to another request.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// Too much waits.
    #[error("too many commits are waiting")]
    Busy,
    /// The service itself.
    #[error(transparent)]
    Fault(#[from] ServiceFault),
}

impl<N: std::fmt::Display + std::fmt::Debug> From<semper_ledger::store::Fault> for ActFault<N> {
    fn from(fault: semper_ledger::store::Fault) -> Self {
        Self::Fault(fault.into())
    }
}

impl<N: std::fmt::Display + std::fmt::Debug> From<Refused> for ActFault<N> {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Self::Busy,
            Refused::KeyReused { .. } => Self::KeyReused,
            refused => Self::Fault(refused.into()),
        }
    }
}

impl Service {
    /// The state of a history without a snapshot: the fold of all its facts.
    pub(super) fn state_of<R>(&self, aggregate: &Aggregate) -> Result<Snapshot<R::State>, ServiceFault>
    where
        R: Role<State: Default, Fact: Recorded>,
    {
        folded::<R>(&self.reader().facts_of(&aggregate.0, 0)?)
    }

    /// The entry that answered this request before, if one did.
    pub(super) fn answered(&self, idempotency: Option<Idempotency>) -> Result<Option<u64>, Repetition> {
        let Some(Idempotency { key, request }) = idempotency else { return Ok(None) };
        match self.reader().answered(&key).map_err(|fault| Repetition::Fault(fault.into()))? {
            Some((_, asked)) if asked != request => Err(Repetition::KeyReused),
            answered => Ok(answered.map(|(first, _)| first)),
        }
    }

    /// Does what `event` asks in the state of the moment.
    pub(super) fn act<R>(
        &self,
        aggregate: Aggregate,
        given: Given<'_>,
        digest: fn(&R::Event) -> Digest,
        event: impl Fn(&R::State, ClockVerdict) -> Result<R::Event, ServiceFault>,
    ) -> Result<Acted<R>, ActFault<R::Refusal>>
    where
        R: Role<State: Default, Fact: Recorded + Clone, Refusal: std::fmt::Display + std::fmt::Debug>,
    {
        let _turn = self.turns.wait(&aggregate);
        if let Some(index) = self.answered(given.idempotency)? {
            return Ok(Acted { index, state: self.state_of::<R>(&aggregate)?.state });
        }
        for _ in 0..ATTEMPTS_MAX {
            let Snapshot { next_seq, mut state } = self.state_of::<R>(&aggregate)?;
            let (now, clock) = self.time.check();
            let event = event(&state, clock)?;
            // What is to be done follows from the state, also for whoever asks again after a crash.
            let (facts, _) = R::decide(&state, &event, now).map_err(ActFault::Refused)?;
            let [fact] = facts.as_slice() else { unreachable!("these roles decide one fact at a time") };
            let mut envelope = self.envelope(aggregate, next_seq, now, &[]).map_err(ServiceFault::from)?;
            envelope.event_digest = digest(&event);
            let draft = draft(&fact.clone().into_fact(&envelope), given.artefact.map(<[u8]>::to_vec));
            let commit = Commit { idempotency: given.idempotency, ..Commit::one(now.millis(), draft) };
            match self.ledger.append(commit) {
                Ok(appended) => {
                    R::apply(&mut state, fact);
                    return Ok(Acted { index: appended.first, state });
                }
                // Decided anew, it may be refused.
                Err(Refused::Stale { .. } | Refused::StepTaken { .. }) => {}
                Err(refused) => return Err(refused.into()),
            }
        }
        Err(ActFault::Busy)
    }
}

impl<N: std::fmt::Display + std::fmt::Debug> ActFault<N> {
    /// One that no rule is the reason of, in the words of another role.
    pub(super) fn other<O: std::fmt::Display + std::fmt::Debug>(other: ActFault<O>) -> Self {
        match other {
            ActFault::Refused(refusal) => Self::Fault(ServiceFault::Facts(refusal.to_string())),
            ActFault::KeyReused => Self::KeyReused,
            ActFault::Busy => Self::Busy,
            ActFault::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// The fold of stored facts, oldest first.
pub(super) fn folded<R>(facts: &[Vec<u8>]) -> Result<Snapshot<R::State>, ServiceFault>
where
    R: Role<State: Default, Fact: Recorded>,
{
    let unread = |error: &dyn std::fmt::Display| ServiceFault::Facts(error.to_string());
    let decoded: Result<Vec<Fact>, _> = facts.iter().map(|bytes| Fact::decode(bytes)).collect();
    fold::<R>(Snapshot::default(), &decoded.map_err(|error| unread(&error))?).map_err(|error| unread(&error))
}

/// Reads a stored fact as one of a role's.
pub(super) fn read_fact<F: Recorded>(bytes: &[u8]) -> Result<F, ServiceFault> {
    let fact = Fact::decode(bytes).and_then(|fact| F::from_fact(&fact));
    fact.map_err(|error| ServiceFault::Facts(error.to_string()))
}
