//! A token's way: from its parsed request to its durable answer.
//!
//! The clock is read and the decision made on the pool's thread, behind the queue: a request that waited is judged by the
//! clock as it is then, and a clock that stopped meanwhile stops it too.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use semper_ledger::sequencer::{Commit, Refused, RoleRow};
use semper_ttp::{
    digest::Digest,
    evidence::{Aggregate, OpsFact, Recorded},
    role::Role,
    time::Timestamp,
    timestamp::{
        self, ClockVerdict, Refusal, Stamp, TimestampAuthority, TimestampEffect, TokenSerial, request::Request, token,
    },
};
use tokio::sync::oneshot;

use super::{Endpoint, Service, ServiceFault, draft};
use crate::{pool::NotTaken, server::RequestId};

/// Whether a key's first use is in the ledger (EN 319 421 OVR-7.12): its entry stands in the commit of its first token.
#[derive(Default)]
pub(super) struct FirstUse(AtomicBool);

/// The step of a key's history that its first use is; step 0 is its making.
pub(super) const FIRST_USE_STEP: u64 = 1;

impl FirstUse {
    /// Whether the ledger holds it, as found at the start.
    pub(super) fn found(&self, held: bool) {
        self.0.store(held, Ordering::Relaxed);
    }

    /// True for the one caller that must record it now.
    fn claim(&self) -> bool {
        !self.0.load(Ordering::Relaxed) && !self.0.swap(true, Ordering::Relaxed)
    }

    /// The claimed commit was refused: somebody else must.
    fn release(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// How often a decision is made anew because its commit group came too late. Each time it was already behind a full
/// queue, so more attempts would only keep the queue full.
const ATTEMPTS_MAX: usize = 3;

/// What a client is told to wait when the service is busy, seconds: about the time that a full queue takes.
const BUSY_RETRY_SECS: u32 = 1;

/// How a decision on the pool's thread ended.
enum Outcome {
    Granted(Vec<u8>),
    Refused(Refusal),
    /// The commit group came too late: decide anew.
    Again,
}

impl Service {
    /// Timestamps a parsed request at endpoint number `endpoint`; gives the TimeStampResp.
    pub async fn timestamp(
        self: &Arc<Self>,
        endpoint: usize,
        request: Request,
        request_digest: Digest,
        id: RequestId,
    ) -> Result<Vec<u8>, Refusal> {
        // Before anything is signed.
        if self.is_halted() {
            return Err(Refusal::Halted);
        }
        // A service that is stopping refused at the request's head; what it let in then has its answer.
        if !self.disk_is_open() || self.require_policies().is_err() {
            return Err(Refusal::Unavailable);
        }
        let busy = Refusal::Busy { retry_after_secs: BUSY_RETRY_SECS };
        for _ in 0..ATTEMPTS_MAX {
            let (send, receive) = oneshot::channel();
            let (service, request) = (self.clone(), request.clone());
            let unit = self.endpoints[endpoint].load_full();
            let at = unit.clone();
            match unit.pool.push(move || service.decide_and_commit(&at, request, request_digest, id, send)) {
                Ok(()) => {}
                Err(NotTaken::Full) => return Err(busy),
                // Its key was replaced since it was looked up: the next one takes the request.
                Err(NotTaken::Closed) => continue,
            }
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
        unit: &Arc<Endpoint>,
        request: Request,
        request_digest: Digest,
        id: RequestId,
        answer: oneshot::Sender<Outcome>,
    ) {
        if answer.is_closed() {
            return; // the client is gone: nothing was promised to anybody
        }
        let outcome = match self.decide_and_sign(unit, request, request_digest, id) {
            Err(refusal) => Outcome::Refused(refusal),
            Ok((stamped, mut commit)) => {
                let first_use = unit.first_use.claim();
                if first_use && let Err(fault) = self.add_first_use(unit, &mut commit) {
                    unit.first_use.release();
                    let _ = answer.send(Outcome::Refused(unavailable(&fault, id)));
                    return;
                }
                // Weak: the last reference would join the pool's threads, on the sequencer's own.
                let claimed = first_use.then(|| Arc::downgrade(unit));
                let done = move |outcome: Result<_, Refused>| {
                    if let Some(unit) = claimed.filter(|_| outcome.is_err()).and_then(|unit| unit.upgrade()) {
                        unit.first_use.release();
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
        unit @ Endpoint { endpoint, signer, .. }: &Endpoint,
        request: Request,
        request_digest: Digest,
        id: RequestId,
    ) -> Result<(timestamp::Stamped, Commit), Refusal> {
        let unavailable = |why: &dyn std::fmt::Display| unavailable(why, id);
        let mut random = [0; 28];
        self.entropy.fill(&mut random).map_err(|fault| unavailable(&fault))?;
        let (serial_random, salt) = random.split_at(12);
        let counter = self.serial.fetch_add(1, Ordering::Relaxed) + 1;
        let serial = TokenSerial::new(counter, serial_random.try_into().expect("12 octets"));
        let (now, clock) = self.time.check();
        if unit.is_closed() {
            return Err(Refusal::UnitRevoked);
        }
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

    fn add_first_use(&self, unit: &Endpoint, commit: &mut Commit) -> Result<(), ServiceFault> {
        let key = unit.endpoint.tsu().key();
        let now = Timestamp::from_millis(commit.now_ms);
        let envelope = self.envelope(Aggregate::of_key(key), FIRST_USE_STEP, now, &[])?;
        commit.drafts.push(draft(&OpsFact::KeyFirstUse { key }.into_fact(&envelope), None));
        Ok(())
    }
}

fn unavailable(why: &dyn std::fmt::Display, id: RequestId) -> Refusal {
    tracing::error!(request_id = id.0, error = %why, "a timestamp cannot be issued");
    Refusal::Unavailable
}
