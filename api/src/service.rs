//! The service loop: an event's way from its parsed request to its durable answer.
//!
//! ```text
//! request → (pool of the key) clock → decide → sign → Commit → sequencer → answer
//! ```
//!
//! The clock is read and the decision made on the pool's thread, behind the queue: a request that waited is judged by the
//! clock as it is then, and a clock that stopped meanwhile stops it too. A signature that was not committed dies with the
//! memory it lies in.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use semper_ledger::{
    ledger::Ledger,
    sequencer::{Commit, Draft, Refused, RoleRow},
};
use semper_ttp::{
    ca::{Crl, CrlEffect, CrlEvent, CrlRefusal, crl},
    clock::Health,
    crypto::{Entropy, Signer},
    digest::Digest,
    evidence::{Aggregate, Envelope, Fact, OpsFact, Recorded, SERIAL_COUNTER},
    role::{Role, Snapshot, decode_snapshot, encode_snapshot, fold},
    time::Timestamp,
    timestamp::{
        self, ClockVerdict, Refusal, Stamp, TimestampAuthority, TimestampEffect, TokenSerial, request::Request, token,
    },
};
use tokio::sync::oneshot;

use crate::{
    authorities::{Authorities, Held},
    metrics::Metrics,
    pool::{Full, Pool},
    quota::Quota,
    server::RequestId,
};

/// The clock as the service asks it: the only one there is.
pub trait TimeSource: Send + Sync {
    /// One reading with the clock component's judgement of it, taken at the moment of a decision.
    fn check(&self) -> (Timestamp, ClockVerdict);

    /// A reading that asserts nothing to anybody.
    fn now(&self) -> Timestamp;

    /// For metrics and readiness.
    fn health(&self) -> Health;

    /// `kernel` or `assumed`.
    fn name(&self) -> &'static str;
}

/// A timestamping endpoint with its key and the key's threads.
pub struct Endpoint {
    /// Unit, policies, accuracy.
    pub endpoint: timestamp::Endpoint,
    /// The unit's key.
    pub signer: Arc<dyn Signer>,
    /// Its threads.
    pub pool: Pool,
    first_use: FirstUse,
}

impl Endpoint {
    /// An endpoint whose key signs on `pool`.
    pub fn new(endpoint: timestamp::Endpoint, signer: Arc<dyn Signer>, pool: Pool) -> Self {
        Self { endpoint, signer, pool, first_use: FirstUse::default() }
    }
}

/// Whether a key's first use is in the ledger (EN 319 421 OVR-7.12): its entry stands in the commit of its first token.
#[derive(Default)]
struct FirstUse(AtomicBool);

/// The step of a key's history that its first use is; step 0 is its making.
const FIRST_USE_STEP: u64 = 1;

impl FirstUse {
    /// True for the one caller that must record it now.
    fn claim(&self) -> bool {
        !self.0.load(Ordering::Relaxed) && !self.0.swap(true, Ordering::Relaxed)
    }

    /// The claimed commit was refused: somebody else must.
    fn release(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Everything a service is given.
pub struct ServiceParts {
    /// The ledger.
    pub ledger: Ledger,
    /// `/tsa` first, then `/tsa/rsa`.
    pub endpoints: Vec<Endpoint>,
    /// Our CAs.
    pub authorities: Authorities,
    /// The clock.
    pub time: Arc<dyn TimeSource>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    /// Requests per address.
    pub quota: Quota,
    /// SHA-256 of the policy in force.
    pub policy_hash: Digest,
    /// What `/.well-known/semper` says besides.
    pub description: serde_json::Value,
}

/// The running service.
pub struct Service {
    pub(crate) ledger: Ledger,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) authorities: Authorities,
    pub(crate) time: Arc<dyn TimeSource>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) quota: Quota,
    pub(crate) description: serde_json::Value,
    entropy: Arc<dyn Entropy>,
    policy_hash: Digest,
    /// The last serial counter given out.
    serial: AtomicU64,
    /// False while the disk is too full to take anything in.
    disk_open: AtomicBool,
    draining: AtomicBool,
}

/// How often a decision is made anew because its commit group came too late. Each time it was already behind a full
/// queue, so more attempts would only keep the queue full.
const ATTEMPTS_MAX: usize = 3;

/// How long after a failure CRLs are tried again.
const CRL_RETRY: Duration = Duration::from_secs(60);

/// What a client is told to wait when the service is busy, seconds: about the time that a full queue takes.
const BUSY_RETRY_SECS: u32 = 1;

/// How a decision on the pool's thread ended.
enum Outcome {
    Granted(Vec<u8>),
    Refused(Refusal),
    /// The commit group came too late: decide anew.
    Again,
}

/// Why the service itself could not act; its log has the details.
#[derive(Debug, thiserror::Error)]
pub enum ServiceFault {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] semper_ledger::store::Fault),
    /// The ledger took nothing.
    #[error("the ledger refused: {0}")]
    Refused(#[from] Refused),
    /// The clock may assert no time, so nothing is appended: an entry with a wrong time would bind all that follow.
    #[error("the clock is {}", .0.name())]
    Clock(ClockVerdict),
    /// Stored facts do not fold.
    #[error("stored facts: {0}")]
    Facts(String),
    /// A CRL could not be made.
    #[error("a CRL could not be made: {0}")]
    Crl(String),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] semper_ttp::crypto::EntropyFault),
}

impl ServiceFault {
    /// True if only the time stands in the way, which mends itself or by the operator's setting the clock.
    pub fn is_of_time(&self) -> bool {
        matches!(self, Self::Clock(_) | Self::Refused(Refused::ClockBehind { .. } | Refused::Stale { .. }))
    }
}

impl Service {
    /// A service on an open ledger. Serves the newest CRLs at once; [`Service::renew_crls`] renews them.
    pub fn new(parts: ServiceParts) -> Result<Arc<Self>, ServiceFault> {
        let ServiceParts { ledger, endpoints, authorities, time, entropy, metrics, quota, policy_hash, description } =
            parts;
        let serial = AtomicU64::new(ledger.reader().counter(SERIAL_COUNTER)?);
        for held in authorities.all() {
            let newest = ledger.reader().last_step(&held.key.authority.crl_aggregate().0)?;
            let crl = newest.map(|(_, index)| ledger.reader().artefact(index)).transpose()?.flatten();
            held.crl.store(crl.map(|der| Arc::new(der.into())));
        }
        for endpoint in &endpoints {
            let aggregate = Aggregate::of_key(endpoint.endpoint.tsu().key());
            let last = ledger.reader().last_step(&aggregate.0)?;
            endpoint.first_use.0.store(last.is_some_and(|(step, _)| step >= FIRST_USE_STEP), Ordering::Relaxed);
        }
        Ok(Arc::new(Self {
            ledger,
            endpoints,
            authorities,
            time,
            metrics,
            quota,
            description,
            entropy,
            policy_hash,
            serial,
            disk_open: AtomicBool::new(true),
            draining: AtomicBool::new(false),
        }))
    }

    /// Timestamps a parsed request at endpoint number `endpoint`; gives the TimeStampResp.
    pub async fn timestamp(
        self: &Arc<Self>,
        endpoint: usize,
        request: Request,
        request_digest: Digest,
        id: RequestId,
    ) -> Result<Vec<u8>, Refusal> {
        if !self.takes_in() {
            return Err(Refusal::Unavailable);
        }
        let busy = Refusal::Busy { retry_after_secs: BUSY_RETRY_SECS };
        for _ in 0..ATTEMPTS_MAX {
            let (send, receive) = oneshot::channel();
            let (service, request) = (self.clone(), request.clone());
            let job = move || service.decide_and_commit(endpoint, request, request_digest, id, send);
            self.endpoints[endpoint].pool.push(job).map_err(|Full| busy.clone())?;
            match receive.await {
                Ok(Outcome::Granted(response)) => return Ok(response),
                Ok(Outcome::Refused(refusal)) => return Err(refusal),
                Ok(Outcome::Again) => {}
                // The job's end was dropped without an answer: it panicked, or the ledger did.
                Err(_) => return Err(Refusal::Unavailable),
            }
        }
        Err(busy)
    }

    /// On a thread of the key's pool.
    fn decide_and_commit(
        self: Arc<Self>,
        endpoint: usize,
        request: Request,
        request_digest: Digest,
        id: RequestId,
        answer: oneshot::Sender<Outcome>,
    ) {
        if answer.is_closed() {
            return; // the client is gone: nothing was promised to anybody
        }
        let outcome = match self.decide_and_sign(endpoint, request, request_digest, id) {
            Err(refusal) => Outcome::Refused(refusal),
            Ok((stamped, mut commit)) => {
                let first_use = self.endpoints[endpoint].first_use.claim();
                if first_use && let Err(fault) = self.add_first_use(endpoint, &mut commit) {
                    self.endpoints[endpoint].first_use.release();
                    let _ = answer.send(Outcome::Refused(unavailable(&fault, id)));
                    return;
                }
                let service = first_use.then(|| Arc::downgrade(&self));
                let done = move |outcome: Result<_, Refused>| {
                    if let Some(service) = service.filter(|_| outcome.is_err()).and_then(|service| service.upgrade()) {
                        service.endpoints[endpoint].first_use.release();
                    }
                    let outcome = match outcome {
                        Ok(_) => Outcome::Granted(stamped.into_response()),
                        Err(Refused::Stale { .. }) => Outcome::Again,
                        Err(Refused::Busy) => Outcome::Refused(Refusal::Busy { retry_after_secs: BUSY_RETRY_SECS }),
                        Err(Refused::ClockBehind { .. }) => {
                            Outcome::Refused(Refusal::Clock { verdict: ClockVerdict::Stopped })
                        }
                        Err(refused) => {
                            tracing::error!(request_id = id.0, %refused, "a token was not logged and is not released");
                            Outcome::Refused(Refusal::Unavailable)
                        }
                    };
                    let _ = answer.send(outcome); // a client that is gone still has its entry
                };
                return self.ledger.submit(commit, done);
            }
        };
        let _ = answer.send(outcome);
    }

    fn decide_and_sign(
        &self,
        endpoint: usize,
        request: Request,
        request_digest: Digest,
        id: RequestId,
    ) -> Result<(timestamp::Stamped, Commit), Refusal> {
        let unavailable = |why: &dyn std::fmt::Display| unavailable(why, id);
        let Endpoint { endpoint, signer, .. } = &self.endpoints[endpoint];
        let mut random = [0; 28];
        self.entropy.fill(&mut random).map_err(|fault| unavailable(&fault))?;
        let (serial_random, salt) = random.split_at(12);
        let counter = self.serial.fetch_add(1, Ordering::Relaxed) + 1;
        let serial = TokenSerial::new(counter, serial_random.try_into().expect("12 octets"));
        let (now, clock) = self.time.check();
        let stamp = Stamp {
            request,
            request_digest,
            serial: serial.ok_or_else(|| unavailable(&"the serial counter is used up"))?,
            salt: salt.try_into().expect("16 octets"),
            clock,
        };
        let (facts, effects) = TimestampAuthority::decide(endpoint, &stamp, now)?;
        let ([fact], [TimestampEffect::Sign(content)]) = (facts.as_slice(), effects.as_slice()) else {
            unreachable!("a granted stamp is one fact and one signature");
        };
        let to_be_signed = token::prepare(endpoint.tsu(), content);
        let signature = signer.sign(to_be_signed.message()).map_err(|fault| unavailable(&fault))?;
        let stamped = to_be_signed.finish(&signature);
        let fact = fact.clone().into_fact(&endpoint.envelope(&stamp, now));
        let mut commit = Commit::one(now.millis(), draft(&fact, Some(stamped.token().to_vec())));
        commit.rows.extend(fact.counter().map(|(name, at_least)| RoleRow::Counter { name, at_least }));
        Ok((stamped, commit))
    }

    fn add_first_use(&self, endpoint: usize, commit: &mut Commit) -> Result<(), ServiceFault> {
        let mut salt = [0; 16];
        self.entropy.fill(&mut salt)?;
        let key = self.endpoints[endpoint].endpoint.tsu().key();
        let envelope = Envelope {
            aggregate: Aggregate::of_key(key),
            seq: FIRST_USE_STEP,
            now: Timestamp::from_millis(commit.now_ms),
            salt,
            policy_hash: self.policy_hash,
            event_digest: Digest::of(&[]),
        };
        commit.drafts.push(draft(&OpsFact::KeyFirstUse { key }.into_fact(&envelope), None));
        Ok(())
    }

    /// A reading that the ledger may be given. Tokens have theirs from their own decision.
    fn ledger_now(&self) -> Result<Timestamp, ServiceFault> {
        match self.time.check() {
            (now, verdict) if verdict.may_issue() => Ok(now),
            (_, verdict) => Err(ServiceFault::Clock(verdict)),
        }
    }

    /// Appends a fact about the service itself: a clock event, its start, its end. Not while the clock is in doubt.
    pub fn record(&self, fact: OpsFact) -> Result<(), ServiceFault> {
        let mut salt = [0; 16];
        self.entropy.fill(&mut salt)?;
        let kind = fact.kind();
        let now = self.ledger_now()?;
        let envelope = Envelope {
            aggregate: Aggregate::service(),
            seq: now.millis(),
            now,
            salt,
            policy_hash: self.policy_hash,
            event_digest: Digest::of(&[]),
        };
        let fact = fact.into_fact(&envelope).encode();
        let draft = Draft::of_fact(kind.role().code(), kind.code(), fact);
        self.ledger.append(Commit::one(now.millis(), draft))?;
        Ok(())
    }

    /// Issues every CRL that is due; gives the moment at which the next one will be. Blocks on the disk.
    pub fn renew_crls(&self) -> Result<Timestamp, ServiceFault> {
        let mut next = None::<Timestamp>;
        for held in self.authorities.all() {
            let wake_at = self.renew_crl(held)?;
            next = Some(next.map_or(wake_at, |next| next.min(wake_at)));
        }
        Ok(next.unwrap_or_else(|| self.time.now().plus_secs(3600)))
    }

    fn renew_crl(&self, held: &Held) -> Result<Timestamp, ServiceFault> {
        let aggregate = held.key.authority.crl_aggregate();
        let mut snapshot = self.load::<Crl>(&aggregate)?;
        let now = self.ledger_now()?;
        let event = CrlEvent::Issue { authority: held.key.authority, life_secs: held.key.crl_life_secs, force: false };
        let (facts, effects) = match Crl::decide(&snapshot.state, &event, now) {
            Ok(decided) => decided,
            Err(CrlRefusal::NotDue { due_at }) => return Ok(due_at),
            Err(refusal) => return Err(ServiceFault::Crl(refusal.to_string())),
        };
        let fault = |error: &dyn std::fmt::Display| ServiceFault::Crl(error.to_string());
        let (mut der, mut wake_at) = (None, now);
        for effect in effects {
            match effect {
                CrlEffect::Sign(content) => {
                    let unsigned = crl::prepare(&content, &held.key.issuer).map_err(|e| fault(&e))?;
                    let signature = held.key.signer.sign(unsigned.message()).map_err(|e| fault(&e))?;
                    der = Some(unsigned.finish(&signature).map_err(|e| fault(&e))?);
                }
                CrlEffect::WakeAt(at) => wake_at = at,
            }
        }
        let (Some(der), [fact]) = (der, facts.as_slice()) else {
            unreachable!("an issued CRL is one fact and one signature");
        };
        let mut salt = [0; 16];
        self.entropy.fill(&mut salt)?;
        let seq = snapshot.next_seq;
        Crl::apply(&mut snapshot.state, fact);
        snapshot.next_seq += 1;
        let kind = fact.kind();
        let envelope = Envelope {
            aggregate,
            seq,
            now,
            salt,
            policy_hash: self.policy_hash,
            event_digest: Digest::of(&event.encode()),
        };
        let fact = fact.clone().into_fact(&envelope).encode();
        let mut draft = Draft::with_artefact(kind.role().code(), kind.code(), fact, der.clone());
        draft.step = Some((aggregate.0, seq));
        let mut commit = Commit::one(now.millis(), draft);
        commit.rows.push(RoleRow::Snapshot { aggregate: aggregate.0, bytes: encode_snapshot::<Crl>(&snapshot) });
        self.ledger.append(commit)?;
        held.crl.store(Some(Arc::new(der.into())));
        tracing::info!(authority = held.key.authority.name(), "issued a CRL");
        Ok(wake_at)
    }

    /// The state of an aggregate: its snapshot row, or the fold of its facts where that row is of another version.
    fn load<R: semper_ttp::role::Folded>(&self, aggregate: &Aggregate) -> Result<Snapshot<R::State>, ServiceFault> {
        let reader = self.ledger.reader();
        if let Some(snapshot) = reader.snapshot(&aggregate.0)?.and_then(|row| decode_snapshot::<R>(&row)) {
            return Ok(snapshot);
        }
        let facts = |error: &dyn std::fmt::Display| ServiceFault::Facts(error.to_string());
        let decoded: Result<Vec<Fact>, _> =
            reader.facts_of(&aggregate.0, 0)?.iter().map(|bytes| Fact::decode(bytes)).collect();
        fold::<R>(Snapshot::default(), &decoded.map_err(|error| facts(&error))?).map_err(|error| facts(&error))
    }

    /// True while requests that write are taken.
    pub fn takes_in(&self) -> bool {
        self.disk_open.load(Ordering::Relaxed) && !self.is_draining()
    }

    /// Tells the service how much disk is free; below `min` it takes nothing in, while reads go on.
    pub fn disk_free(&self, bytes: u64, min: u64) {
        self.metrics.disk_free(bytes);
        let open = bytes >= min;
        if self.disk_open.swap(open, Ordering::Relaxed) != open {
            match open {
                true => tracing::info!(free = bytes, min, "enough disk is free again: intake resumes"),
                false => tracing::error!(free = bytes, min, "the disk is nearly full: intake stops, reads go on"),
            }
        }
    }

    /// From now on answers say that the service is stopping.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Why the service is not ready; empty when it is.
    pub fn unready(&self) -> Vec<String> {
        let mut why = Vec::new();
        if self.is_draining() {
            why.push("draining".to_owned());
        }
        if !self.disk_open.load(Ordering::Relaxed) {
            why.push("disk: less than storage.disk_free_min_bytes is free".to_owned());
        }
        if !self.ledger.takes_commits() {
            why.push("ledger: takes no commits".to_owned());
        }
        let clock = self.time.health();
        if clock.bound.is_none() {
            why.push(format!("clock: {}", clock.state.name()));
        }
        let now = self.time.now();
        let newest = self.ledger.reader().newest().head().map_or(0, |head| head.time_ms);
        let behind_ms = newest.saturating_sub(now.millis());
        if behind_ms > self.ledger.mmd_ms() {
            why.push(format!("clock: {} s behind the newest entry of the ledger", behind_ms / 1000));
        }
        for endpoint in &self.endpoints {
            if !endpoint.endpoint.tsu().key_period().contains(now) {
                why.push(format!("{}: its key is not in its period of use", endpoint.endpoint.settings().name));
            }
        }
        for held in self.authorities.all() {
            if held.crl.load().is_none() {
                why.push(format!("crl: {} has none", held.key.authority.name()));
            }
        }
        why
    }

    /// The reading half of the ledger.
    pub fn reader(&self) -> &Arc<semper_ledger::reader::Reader> {
        self.ledger.reader()
    }

    /// The metrics.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Waits until `at` by the service's own clock, looking again at least every minute: the clock may be set.
    pub(crate) async fn sleep_until(&self, at: Timestamp) {
        loop {
            let left = at.millis().saturating_sub(self.time.now().millis());
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left.min(60_000))).await;
        }
    }

    /// Renews CRLs for as long as it is polled. A failure is logged and tried again after [`CRL_RETRY`].
    pub async fn keep_crls_fresh(self: Arc<Self>) {
        loop {
            let service = self.clone();
            let renewed = tokio::task::spawn_blocking(move || service.renew_crls()).await;
            let next = match renewed {
                Ok(Ok(at)) => Some(at),
                Ok(Err(error)) => {
                    tracing::error!(%error, "CRLs were not renewed");
                    None
                }
                Err(_) => None, // it panicked, which was printed
            };
            match next {
                Some(at) => self.sleep_until(at).await,
                // Not until some time of day: what failed may be the clock.
                None => tokio::time::sleep(CRL_RETRY).await,
            }
        }
    }
}

/// A fact with the entry that makes it public, at the step that it takes.
fn draft(fact: &Fact, artefact: Option<Vec<u8>>) -> Draft {
    let (role, kind, bytes) = (fact.kind.role().code(), fact.kind.code(), fact.encode());
    let draft = match artefact {
        Some(artefact) => Draft::with_artefact(role, kind, bytes, artefact),
        None => Draft::of_fact(role, kind, bytes),
    };
    Draft { step: fact.step().map(|(aggregate, seq)| (aggregate.0, seq)), ..draft }
}

fn unavailable(why: &dyn std::fmt::Display, id: RequestId) -> Refusal {
    tracing::error!(request_id = id.0, error = %why, "a timestamp cannot be issued");
    Refusal::Unavailable
}
