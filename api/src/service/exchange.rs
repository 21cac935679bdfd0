//! The arbiter: what a side sends is checked, the run is decided once, and whoever asks again gets the same octets.
//!
//! ```text
//! m1, m2, request → who asks → the rules of the run → keys → turn of this run: fold, decide, sign → one commit → verdict, answer, proofs
//! ```
//!
//! Who asks is known by the request's own signature, so that a lost login keeps nobody from the arbiter. A refusal changes nothing.

mod alive;
mod keys;
mod sign;

use std::ops::ControlFlow;
use std::sync::Arc;

use semper_ledger::{
    entry::Tags,
    sequencer::{Commit, Draft, Refused},
};
use semper_ttp::{
    b64u::B64u32,
    crypto::{SignError, Signer, jose::Thumbprint},
    digest::Digest,
    evidence::{KeyId, KeyPurpose, Recorded as _, names},
    exchange::{
        Ask, Broken, Clocked, Decision, Exchange, ExchangeEffect, ExchangeFact, ExchangeRefusal, ExchangeState,
        asw_r::{Answered, Asked, Offered},
        expiry::{self, End, Outage},
        run::PARTY_STATEMENT_BYTES_MAX,
        tag_of_verdict,
    },
    role::{Role, Snapshot},
    statement::{
        Body, Jws, StatementFault,
        exchange::{
            Outcome, Side,
            asw_r::{Abort, M1, M2, Resolve},
        },
    },
    time::Timestamp,
    x509::Certificate,
};

pub(super) use self::alive::Presence;
use self::keys::Signers;
use super::{Service, ServiceFault, act::ATTEMPTS_MAX, desk::RoleKey, draft};

/// What an arbiter rests on.
pub struct ExchangeParts {
    /// The keys that sign verdicts: one for each generation, of which the newest is in use.
    pub verdict: Vec<(KeyId, Arc<dyn Signer>)>,
}

/// The arbiter as parties name it.
pub(crate) struct KnownArbiter {
    pub(crate) key: KeyId,
    pub(crate) thumbprint: Thumbprint,
    pub(crate) certificate: Vec<u8>,
    /// The policy for exchanges that is in force.
    pub(crate) policy: B64u32,
    pub(crate) delta_ms: u64,
}

/// What one side sends, as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) m1: Vec<u8>,
    /// With a request to resolve.
    pub(crate) m2: Option<Vec<u8>>,
    pub(crate) request: Vec<u8>,
    /// Tokens of our own that prove when a statement was there.
    pub(crate) tokens: Vec<Vec<u8>>,
}

/// What a side gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// What was decided.
    pub outcome: Outcome,
    /// The verdict, the same for both, with its entry.
    pub verdict: (u64, Vec<u8>),
    /// The answer to this request, with its entry.
    pub answer: (u64, Vec<u8>),
    /// Entries of outages that moved the end of the run.
    pub outages: Vec<u64>,
}

/// What was decided about a run, and the verdict with its entry.
pub(crate) type DecidedRun = (Decision, (u64, Vec<u8>));

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeFault {
    /// A statement breaks a rule.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A key is not good, for the statement that it signed.
    #[error("{0}")]
    Key(String),
    /// The policy that the run names is none of this service's.
    #[error("the run names a policy for exchanges that is not and never was in force here")]
    Policy,
    /// What was sent is not what such a request comes with.
    #[error("{0}")]
    Request(&'static str),
    /// The rules of the decision.
    #[error(transparent)]
    Refused(#[from] ExchangeRefusal),
    /// This service is no arbiter.
    #[error("this service is no arbiter")]
    NoArbiter,
    /// It cannot decide now.
    #[error("{0}")]
    NotReady(&'static str),
    /// What was decided was erased.
    #[error("the verdict was erased")]
    Erased,
    /// Too much waits.
    #[error("too many commits are waiting")]
    Busy,
    /// The service itself.
    #[error(transparent)]
    Fault(#[from] ServiceFault),
}

impl From<semper_ledger::store::Fault> for ExchangeFault {
    fn from(fault: semper_ledger::store::Fault) -> Self {
        Self::Fault(fault.into())
    }
}

impl From<StatementFault> for ExchangeFault {
    fn from(fault: StatementFault) -> Self {
        Self::Fault(ServiceFault::Facts(format!("a statement of the arbiter's: {fault}")))
    }
}

impl From<SignError> for ExchangeFault {
    fn from(error: SignError) -> Self {
        Self::Fault(ServiceFault::Signing(error.to_string()))
    }
}

/// A request that keeps the rules of its run.
struct Checked {
    offered: Offered,
    answered: Option<Answered>,
    asked: Asked,
    /// The key that signs for this run.
    key: Arc<RoleKey>,
    delta_ms: u64,
}

impl Service {
    /// Whether this service is an arbiter.
    pub(crate) fn is_arbiter(&self) -> bool {
        self.desks.current(KeyPurpose::ArbiterVerdict).is_some()
    }

    /// What a party needs to know before it names this arbiter; `None` for a service that is none, or is none yet.
    pub(crate) fn arbiter(&self) -> Option<KnownArbiter> {
        let key = self.desks.certified(KeyPurpose::ArbiterVerdict)?;
        let (policy, delta_ms) = self.policies.exchange()?;
        Some(KnownArbiter {
            key: key.key,
            thumbprint: key.thumbprint,
            certificate: key.certificate.der().to_vec(),
            policy: policy.into(),
            delta_ms,
        })
    }

    /// Decides about a run, or says again what was decided. Blocks.
    ///
    /// # Errors
    /// [`ExchangeFault`], with the certificate of who asked where it is known: a refusal of somebody known is recorded.
    pub(crate) fn ask_arbiter(&self, x: &Digest, sent: &Sent) -> Result<Decided, (ExchangeFault, Option<Digest>)> {
        let nobody = |fault: ExchangeFault| (fault, None);
        self.may_decide().map_err(nobody)?;
        let signers = Signers::of(self);
        let request = read(&sent.request, "the request").map_err(nobody)?;
        let asker = signers.verify(&request).map_err(nobody)?;
        let checked = self.check(x, sent, request, &signers).map_err(|fault| (fault, Some(asker)))?;
        self.decide_run(&checked).map_err(|fault| (fault, Some(asker)))
    }

    fn may_decide(&self) -> Result<(), ExchangeFault> {
        if !self.is_arbiter() {
            return Err(ExchangeFault::NoArbiter);
        }
        let takes = self.takes_requests();
        if !takes {
            self.presence.close();
        }
        match takes && self.presence.is_open() {
            true => Ok(()),
            false => Err(ExchangeFault::NotReady("the arbiter takes no requests now")),
        }
    }

    /// All that can be said before the state of the run is looked at, in the order of exchange-and-disputes §5.
    fn check(&self, x: &Digest, sent: &Sent, request: Jws, signers: &Signers<'_>) -> Result<Checked, ExchangeFault> {
        let keys = |name: &Thumbprint| signers.key(name);
        let offered = Offered::read(read(&sent.m1, M1::TAG)?, &keys)?;
        if offered.run.x != *x {
            return Err(Broken::OtherRun { of: M1::TAG }.into());
        }
        let key = self.arbiter_of(&offered)?;
        let policy = self.exchange_policy(&offered.run.policy)?.ok_or(ExchangeFault::Policy)?;
        let (answered, asked) = match (request.tag(), &sent.m2) {
            (Abort::TAG, None) => (None, offered.abort(request, &keys)?),
            (Abort::TAG, Some(_)) => return Err(ExchangeFault::Request("a request to abort comes with m1 alone")),
            (Resolve::TAG, Some(m2)) => {
                let answered = offered.answered(read(m2, M2::TAG)?, &keys)?;
                let asked = offered.resolve(&answered, request, &keys)?;
                (Some(answered), asked)
            }
            (Resolve::TAG, None) => return Err(ExchangeFault::Request("a request to resolve comes with m1 and m2")),
            _ => return Err(ExchangeFault::Request("the request is neither one to abort nor one to resolve")),
        };
        let state = self.state_of::<Exchange>(&Exchange::aggregate(x))?.state;
        // What was answered is answered again, whatever became of the keys.
        if state.answer_to(&asked.jws.key_id(), &asked.jws.x()).is_some() {
            return Ok(Checked { offered, answered, asked, key, delta_ms: policy.delta_ms });
        }
        let proven = self.proven_times(&sent.tokens)?;
        for (jws, side) in [(Some(&offered.jws), Side::Originator)]
            .into_iter()
            .chain([(answered.as_ref().map(|answered| &answered.jws), Side::Responder), (Some(&asked.jws), asked.side)])
        {
            let Some(jws) = jws else { continue };
            // What a verdict rests on was judged when it was made, and a later answer gives nobody more than that.
            if state.decision.is_some() && *jws != asked.jws {
                continue;
            }
            let participant = offered.run.participant(side);
            signers.require_good(participant, proven.earliest(jws))?;
        }
        Ok(Checked { offered, answered, asked, key, delta_ms: policy.delta_ms })
    }

    /// Folds, decides, signs, commits; anew where somebody else was faster.
    fn decide_run(&self, checked: &Checked) -> Result<Decided, ExchangeFault> {
        let Checked { offered, asked, .. } = checked;
        let x = offered.run.x;
        let aggregate = Exchange::aggregate(&x);
        let _turn = self.turns.wait(&aggregate);
        for _ in 0..ATTEMPTS_MAX {
            let before: Snapshot<ExchangeState> = self.state_of::<Exchange>(&aggregate)?;
            // Decided, and what was decided is not here any more: it is never decided again.
            if before.state.decision.is_none() && self.reader().find_tag(&tag_of_verdict(&x))?.is_some() {
                return Err(ExchangeFault::Erased);
            }
            let (now, clock) = self.time.check();
            let event = Clocked { event: self.event(checked)?, clock };
            let decided = Exchange::decide(&before.state, &event, now);
            if let Err(ExchangeRefusal::Clock { .. }) = &decided {
                self.presence.close();
            }
            let (facts, effects) = decided?;
            if facts.is_empty() {
                return self.decided(&before.state, &x, asked);
            }
            let mut state = before.state.clone();
            facts.iter().for_each(|fact| Exchange::apply(&mut state, fact));
            let commit = self.commit_of_run(checked, &before, &facts, &effects, now)?;
            match self.ledger.append(commit) {
                Ok(_) => {
                    self.presence.was_there(now.millis());
                    return self.decided(&state, &x, asked);
                }
                // Decided anew, on what the other one has left.
                Err(Refused::Stale { .. } | Refused::StepTaken { .. } | Refused::TagSeen { .. }) => {}
                Err(Refused::Busy) => return Err(ExchangeFault::Busy),
                Err(refused) => return Err(ServiceFault::from(refused).into()),
            }
        }
        Err(ExchangeFault::Busy)
    }

    fn event(&self, Checked { offered, asked, delta_ms, .. }: &Checked) -> Result<Ask, ServiceFault> {
        let run = &offered.run;
        let end = run.t_exp.map(|t_exp| self.end_of(t_exp, *delta_ms)).transpose()?;
        Ok(Ask {
            x: run.x,
            protocol: run.protocol,
            policy: run.policy,
            assurance: offered.offer.assurance,
            end,
            o: run.o.key,
            r: run.r.key,
            side: asked.side,
            request: asked.jws.x(),
            demand: asked.demand,
        })
    }

    /// What was decided about a run, signed as of the size of the log, for a side of it. Blocks.
    ///
    /// # Errors
    /// [`ExchangeFault`].
    pub(crate) fn status_of_run(&self, x: &Digest, m1: &[u8], by: &Certificate) -> Result<Vec<u8>, ExchangeFault> {
        self.may_decide()?;
        let signers = Signers::of(self);
        let offered = Offered::read(read(m1, M1::TAG)?, &|name| signers.key(name))?;
        if offered.run.x != *x {
            return Err(Broken::OtherRun { of: M1::TAG }.into());
        }
        let key = self.arbiter_of(&offered)?;
        self.require_side(&[offered.run.o.key, offered.run.r.key], by)?
            .ok_or(Broken::NotAllowed { of: M1::TAG, key: by.digest().to_string() })?;
        let aggregate = Exchange::aggregate(x);
        // No verdict leaves while this is signed, and the size is read first: a later one lies behind it.
        let _turn = self.turns.wait(&aggregate);
        let (now, clock) = self.time.check();
        if !clock.may_issue() {
            return Err(ExchangeRefusal::Clock { verdict: clock }.into());
        }
        let size = self.reader().size();
        let state = self.state_of::<Exchange>(&aggregate)?.state;
        let decided = match &state.decision {
            None if self.reader().find_tag(&tag_of_verdict(x))?.is_some() => return Err(ExchangeFault::Erased),
            None => None,
            Some((step, decision)) => {
                let verdict = self.reader().artefact_of_step(&aggregate.0, *step)?.ok_or(ExchangeFault::Erased)?;
                Some((decision.outcome, Digest::of(&verdict)))
            }
        };
        self.sign_status(&key, x, now, size, decided)
    }

    /// What was decided about a run, with the verdict and its entry, for a side of it; `None` for a run that is none, or somebody else's.
    /// Blocks.
    ///
    /// # Errors
    /// [`ExchangeFault`].
    pub(crate) fn decided_run(&self, x: &Digest, by: &Certificate) -> Result<Option<DecidedRun>, ExchangeFault> {
        let aggregate = Exchange::aggregate(x);
        let state = self.state_of::<Exchange>(&aggregate)?.state;
        let Some((step, decision)) = state.decision else { return Ok(None) };
        if self.require_side(&[decision.o, decision.r], by)?.is_none() {
            return Ok(None);
        }
        let index = self.reader().step_index(&aggregate.0, step)?.ok_or(ExchangeFault::Erased)?;
        let verdict = self.reader().artefact(index)?.ok_or(ExchangeFault::Erased)?;
        Ok(Some((decision, (index, verdict))))
    }

    /// Whether one of these keys is of the party that shows a certificate: it may show another than it signs with.
    fn require_side(&self, keys: &[Thumbprint], by: &Certificate) -> Result<Option<()>, ServiceFault> {
        let Some(party) = self.party_of_certificate(by)? else { return Ok(None) };
        for key in keys {
            if self.party_of_key(*key)?.is_some_and(|side| side.id == party.id) {
                return Ok(Some(()));
            }
        }
        Ok(None)
    }

    /// The key that is to decide about a run, if the run is for this arbiter.
    fn arbiter_of(&self, offered: &Offered) -> Result<Arc<RoleKey>, Broken> {
        let named = &offered.run.ttp;
        let key = self.desks.named(KeyPurpose::ArbiterVerdict, &named.key);
        let key = key.filter(|_| named.id.as_str() == self.reader().identity().origin());
        key.ok_or_else(|| Broken::OtherArbiter { key: named.key.to_string() })
    }

    /// The end of a run, moved by the arbiter's absences as far as the ledger tells of them.
    fn end_of(&self, t_exp: u64, delta_ms: u64) -> Result<End, ServiceFault> {
        let mut outages = Vec::new();
        let from = names::outages_from(t_exp.saturating_sub(delta_ms));
        self.reader().names_from::<ServiceFault>(&from[..1], &from, |name, index| {
            let found = names::read_outage(name);
            outages.extend(found.map(|(from, to)| Outage {
                from: Timestamp::from_millis(from),
                to: Timestamp::from_millis(to),
                index,
            }));
            Ok(ControlFlow::Continue(()))
        })?;
        outages.sort_unstable();
        Ok(expiry::end(t_exp, delta_ms, &outages))
    }

    fn commit_of_run(
        &self,
        checked: &Checked,
        before: &Snapshot<ExchangeState>,
        facts: &[ExchangeFact],
        effects: &[ExchangeEffect],
        now: Timestamp,
    ) -> Result<Commit, ExchangeFault> {
        let x = checked.offered.run.x;
        let aggregate = Exchange::aggregate(&x);
        // Of a run that was decided before, the answer points at the verdict that is there.
        let mut verdict = match &before.state.decision {
            Some((step, _)) => Some(self.reader().artefact_of_step(&aggregate.0, *step)?.ok_or(ExchangeFault::Erased)?),
            None => None,
        };
        let mut drafts = self.first_uses([&checked.key].into_iter(), now)?;
        for ((seq, fact), effect) in (before.next_seq..).zip(facts).zip(effects) {
            let artefact = match (effect, fact) {
                (ExchangeEffect::SignVerdict, ExchangeFact::Decided(decision)) => {
                    let signed = self.sign_verdict(
                        &checked.key,
                        &checked.offered,
                        checked.answered.as_ref(),
                        &checked.asked,
                        decision,
                    )?;
                    verdict = Some(signed.clone());
                    signed
                }
                (ExchangeEffect::SignAnswer, ExchangeFact::Answered { to, request, c_r, .. }) => {
                    let verdict = verdict.as_deref().map(Digest::of).ok_or(ExchangeFault::Erased)?;
                    self.sign_answer(&checked.key, &x, now, *to, *request, *c_r, verdict)?
                }
                (ExchangeEffect::KeepAnomaly, _) => {
                    checked.answered.as_ref().map(|answered| answered.jws.bytes().to_vec()).unwrap_or_default()
                }
                (effect, fact) => unreachable!("{effect:?} of {fact:?}"),
            };
            let mut envelope = self.envelope(aggregate, seq, now, &[]).map_err(ServiceFault::from)?;
            envelope.event_digest = checked.asked.jws.x();
            let tag = matches!(fact, ExchangeFact::Decided(_)).then(|| tag_of_verdict(&x));
            let tags = tag.map(|tag| Tags::new(vec![tag]).expect("one tag is a set")).unwrap_or_default();
            drafts.push(Draft { tags, ..draft(&fact.clone().into_fact(&envelope), Some(artefact)) });
        }
        Ok(Commit { idempotency: None, now_ms: now.millis(), drafts, rows: Vec::new() })
    }

    /// What a request gets, out of the ledger.
    fn decided(&self, state: &ExchangeState, x: &Digest, asked: &Asked) -> Result<Decided, ExchangeFault> {
        let aggregate = Exchange::aggregate(x).0;
        let artefact = |step: u64| {
            let index = self.reader().step_index(&aggregate, step)?.ok_or(ExchangeFault::Erased)?;
            let artefact = self.reader().artefact(index)?.ok_or(ExchangeFault::Erased)?;
            Ok::<_, ExchangeFault>((index, artefact))
        };
        let (step, decision) = state.decision.as_ref().ok_or(ExchangeFault::Erased)?;
        let given = state.answer_to(&asked.jws.key_id(), &asked.jws.x()).ok_or(ExchangeFault::Erased)?;
        Ok(Decided {
            outcome: decision.outcome,
            verdict: artefact(*step)?,
            answer: artefact(given.step)?,
            outages: decision.end.as_ref().map(|end| end.outages.clone()).unwrap_or_default(),
        })
    }
}

/// Reads a statement of a party.
fn read(bytes: &[u8], of: &'static str) -> Result<Jws, ExchangeFault> {
    let broken = |fault| ExchangeFault::Broken(Broken::Statement { of, fault });
    if bytes.len() > PARTY_STATEMENT_BYTES_MAX {
        return Err(broken(StatementFault::TooLong));
    }
    Jws::parse(bytes).map_err(broken)
}
