//! The arbiter: what a side sends is checked, the run is decided once, and whoever asks again gets the same octets.
//!
//! ```text
//! first statement, second, request → who asks → the rules of the run → turn of this run: fold, keys, door, decide, sign → one commit → verdict, answer, proofs
//! ```
//!
//! Who asks is known by the request's own signature, so that a lost login keeps nobody from the arbiter. A refusal changes nothing. What was
//! answered is answered again, whatever became of keys, clock, disk.

mod alive;
pub(super) mod check;
mod commit;
mod inline;
pub(super) mod keys;
mod later;
mod sign;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use semper_ledger::sequencer::{Commit, Refused};
use semper_ttp::{
    b64u::B64u32,
    crypto::{SignError, Signer, jose::Thumbprint},
    digest::Digest,
    evidence::{Fact, KeyId, KeyPurpose, Kind, names},
    exchange::{
        Ask, Broken, Clocked, Decision, Exchange, ExchangeRefusal, ExchangeState,
        erds::ErdsRefusal,
        expiry::{self, End, Outage},
        inline::{Inline, InlineRefusal},
        paid::Paid,
        policy::{DeliveryPolicy, InlinePolicy},
        run_of, tag_of_verdict,
    },
    role::{Role, Snapshot},
    statement::{
        StatementFault,
        exchange::{Outcome, Protocol, cd_r::ContentKey},
    },
    time::Timestamp,
    x509::Certificate,
};

pub(super) use self::alive::Presence;
pub use self::inline::ItemSettings;
pub(crate) use self::inline::{InlineAnswer, InlineView, Item, ItemRoom};
pub(crate) use self::later::Promised;
use self::{
    alive::Inside,
    check::{Checked, read},
    commit::Made,
    keys::Signers,
};
use super::{Service, ServiceFault, act::ATTEMPTS_MAX};
use crate::mailbox::Mailbox;
use crate::promises::Promises;

/// What an arbiter rests on.
pub struct ExchangeParts {
    /// The keys that sign verdicts and those that open escrows: of each purpose one for each generation, of which the newest is in use.
    pub keys: Vec<(KeyId, Arc<dyn Signer>)>,
    /// Runs of one party that are decided in a minute.
    pub runs_per_party_per_minute: u32,
    /// Where messages wait for parties that are not there; `None` for nowhere.
    pub mailbox: Option<Mailbox>,
    /// Items that are exchanged through the arbiter; `None` for none.
    pub items: Option<ItemSettings>,
    /// Requests that are answered later; `None` where each is answered at once.
    pub promises: Option<Promises>,
}

/// The arbiter as parties name it.
pub(crate) struct KnownArbiter {
    pub(crate) key: KeyId,
    pub(crate) thumbprint: Thumbprint,
    pub(crate) certificate: Vec<u8>,
    /// The policy for exchanges that is in force.
    pub(crate) policy: B64u32,
    pub(crate) delta_ms: u64,
    /// By what items are exchanged through it, and how long one may be.
    pub(crate) inline: Option<(InlinePolicy, usize)>,
    /// By what deliveries are registered.
    pub(crate) delivery: Option<DeliveryPolicy>,
    /// The key to which what is delivered is escrowed.
    pub(crate) escrow: Option<KnownEscrow>,
}

/// The key that opens escrows.
pub(crate) struct KnownEscrow {
    pub(crate) key: KeyId,
    pub(crate) thumbprint: Thumbprint,
    pub(crate) certificate: Vec<u8>,
}

/// What one side sends, as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// m1, or d1.
    pub(crate) first: Vec<u8>,
    /// m2, or d2, with a request to resolve.
    pub(crate) second: Option<Vec<u8>>,
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
    /// The key of what was delivered, for its recipient.
    pub content_key: Option<ContentKey>,
}

/// What comes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is answered.
    Now(Decided),
    /// It is answered later.
    Later(Promised),
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
    /// Those of an exchange through the arbiter.
    #[error(transparent)]
    Inline(#[from] InlineRefusal),
    /// Those of the evidence of a registered delivery.
    #[error(transparent)]
    Delivery(#[from] ErdsRefusal),
    /// Nothing is exchanged through this arbiter.
    #[error("nothing is exchanged through this arbiter")]
    NoInline,
    /// This service is no arbiter.
    #[error("this service is no arbiter")]
    NoArbiter,
    /// It cannot decide now.
    #[error("{0}")]
    NotReady(&'static str),
    /// What was decided was erased.
    #[error("the verdict was erased")]
    Erased,
    /// The key that the run names was revoked: nothing more is decided under it.
    #[error("the arbiter's key that the run names was revoked at {0}, and decides nothing more")]
    ArbiterRevoked(Timestamp),
    /// Too much waits.
    #[error("too many commits are waiting")]
    Busy,
    /// This party has had so many runs decided within a minute.
    #[error("{0} runs of one party are decided in a minute")]
    TooMany(u32),
    /// The service itself.
    #[error(transparent)]
    Fault(#[from] ServiceFault),
}

impl ExchangeFault {
    /// Whether it may be otherwise in a moment.
    pub(super) const fn is_of_the_moment(&self) -> bool {
        matches!(
            self,
            Self::NotReady(_)
                | Self::Busy
                | Self::Inline(InlineRefusal::Clock { .. })
                | Self::Delivery(ErdsRefusal::Clock { .. })
        )
    }
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

/// What the first statement of a run is called where it may be of any protocol.
const FIRST: &str = "the first statement";

pub(super) const NOT_READY: ExchangeFault = ExchangeFault::NotReady("the arbiter takes no requests now");

impl Service {
    /// Where messages wait for parties that are not there; `None` for nowhere.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        self.mailbox.as_ref()
    }

    /// Whether this service is an arbiter.
    pub(crate) fn is_arbiter(&self) -> bool {
        self.desks.current(KeyPurpose::ArbiterVerdict).is_some()
    }

    /// What a party needs to know before it names this arbiter; `None` for a service that is none, or is none yet.
    pub(crate) fn arbiter(&self) -> Option<KnownArbiter> {
        let key = self.desks.certified(KeyPurpose::ArbiterVerdict)?;
        if !matches!(self.revoked_since(&key.digest), Ok(None)) {
            return None;
        }
        let (digest, policy) = self.policies.exchange()?;
        let (delta_ms, inline) = (policy.delta_ms, policy.inline.clone());
        let escrow = self.desks.certified(KeyPurpose::ArbiterEscrow);
        let escrow = escrow.filter(|escrow| matches!(self.revoked_since(&escrow.digest), Ok(None)));
        Some(KnownArbiter {
            key: key.key,
            thumbprint: key.thumbprint,
            certificate: key.certificate.der().to_vec(),
            policy: digest.into(),
            delta_ms,
            inline: inline.zip(self.item_room()).map(|(inline, room)| (inline, room.bytes_max)),
            delivery: policy.delivery,
            escrow: escrow.map(|escrow| KnownEscrow {
                key: escrow.key,
                thumbprint: escrow.thumbprint,
                certificate: escrow.certificate.der().to_vec(),
            }),
        })
    }

    /// Decides about a run, or says again what was decided; takes the request for later where its sender `may_wait`. Blocks.
    ///
    /// # Errors
    /// [`ExchangeFault`], with the certificate of who asked where it is known: a refusal of somebody known is recorded.
    pub(crate) fn ask_arbiter(
        &self,
        x: &Digest,
        sent: &Sent,
        may_wait: bool,
    ) -> Result<Heard, (ExchangeFault, Option<Digest>)> {
        let nobody = |fault: ExchangeFault| (fault, None);
        if !self.is_arbiter() {
            return Err(nobody(ExchangeFault::NoArbiter));
        }
        let signers = Signers::of(self);
        let request = read(&sent.request, "the request").map_err(nobody)?;
        let asker = signers.verify(&request).map_err(nobody)?;
        // What was signed for another run is no act of its signer's in this one: anybody may have sent it here.
        let asker = (request.common().x == Some((*x).into())).then_some(asker);
        let checked = self.check(x, sent, request, &signers).map_err(|fault| (fault, asker))?;
        if may_wait && let Some(promised) = self.promise(&checked, &signers, sent).map_err(|fault| (fault, asker))? {
            return Ok(Heard::Later(promised));
        }
        let decided = self.decide_run(&checked, &signers, Some(&sent.tokens));
        decided.map(Heard::Now).map_err(|fault| (fault, asker))
    }

    /// Passes the arbiter's door at this moment.
    pub(super) fn pass_door(&self, now: Timestamp) -> Result<Inside<'_>, ExchangeFault> {
        if !self.takes_requests() {
            self.presence.close();
        }
        self.presence.enter(now).ok_or(NOT_READY)
    }

    /// Whether the arbiter's own keys may still decide about the run.
    fn require_own_keys(&self, checked: &Checked) -> Result<(), ExchangeFault> {
        for key in checked.keys() {
            if let Some(revoked) = self.revoked_since(&key.digest)? {
                return Err(ExchangeFault::ArbiterRevoked(revoked));
            }
        }
        Ok(())
    }

    /// Whether the keys of all that a decision would rest on were good when their statements were there, and nobody asks too much.
    fn require_good_keys(
        &self,
        checked: &Checked,
        is_decided: bool,
        signers: &Signers<'_>,
        tokens: &[Vec<u8>],
    ) -> Result<(), ExchangeFault> {
        let (asked, run) = (&checked.asked, checked.run());
        let proven = self.proven_times(tokens)?;
        signers.require_good(run.participant(asked.side), proven.earliest(&asked.jws))?;
        // What a verdict rests on was judged when it was made, and a later answer gives nobody more than that.
        if is_decided {
            return Ok(());
        }
        signers.require_good(&run.o, proven.earliest(checked.first()))?;
        match checked.second() {
            Some(second) => signers.require_good(&run.r, proven.earliest(second))?,
            // It has signed nothing yet; that it is whom the offer names is asked all the same.
            None => signers.require_known(&run.r).map(|_| ())?,
        }
        let taken = self.runs_quota.take(run.participant(asked.side).id, Instant::now());
        taken.map_err(|over| ExchangeFault::TooMany(over.limit))
    }

    /// Before a run's turn: to look a party up may write to its history, which has a turn of its own.
    fn look_up_sides(&self, checked: &Checked, signers: &Signers<'_>) {
        for side in [&checked.run().o, &checked.run().r] {
            let _ = signers.key(&side.key); // kept for later, where its lack is told
        }
    }

    /// Folds, decides, signs, commits; anew where somebody else was faster. Without `tokens` the sides' keys were judged before.
    fn decide_run(
        &self,
        checked: &Checked,
        signers: &Signers<'_>,
        tokens: Option<&[Vec<u8>]>,
    ) -> Result<Decided, ExchangeFault> {
        let (asked, x) = (&checked.asked, checked.run().x);
        self.look_up_sides(checked, signers);
        let aggregate = Exchange::aggregate(&x);
        // What was promised is kept first: it counts on the room for answers that there was.
        let (_turn, promised) = self.turn_without_promise(&x, &aggregate, Some(&asked.jws.x()))?;
        for attempt in 0..ATTEMPTS_MAX {
            let before: Snapshot<ExchangeState> = self.state_of::<Exchange>(&aggregate)?;
            if before.state.answer_to(&asked.jws.key_id(), &asked.jws.x()).is_some() {
                return self.decided(&before.state, checked, None);
            }
            if attempt == 0 {
                self.require_own_keys(checked)?;
                if let Some(tokens) = tokens {
                    self.require_good_keys(checked, before.state.decision.is_some(), signers, tokens)?;
                }
            }
            // Decided, and what was decided is not here any more: it is never decided again.
            if before.state.decision.is_none() && self.reader().find_tag(&tag_of_verdict(&x))?.is_some() {
                return Err(ExchangeFault::Erased);
            }
            let (now, clock) = self.arbiter_time();
            let _inside = self.pass_door(now)?;
            // An answer that is dated before its receipt, as after a clock was set back, would convict its signer.
            if promised.as_ref().is_some_and(|promise| now < promise.received) {
                return Err(NOT_READY);
            }
            let event = Clocked { event: self.event(checked)?, clock };
            let decided = Exchange::decide(&before.state, &event, now);
            if let Err(ExchangeRefusal::Clock { .. }) = &decided {
                self.presence.close();
            }
            let (facts, effects) = decided?;
            let mut state = before.state.clone();
            facts.iter().for_each(|fact| Exchange::apply(&mut state, fact));
            let commit = self.commit_of_run(checked, &before, &facts, &effects, now)?;
            let made = Made::of(&commit, before.next_seq, facts.len());
            match self.ledger.append(commit) {
                Ok(appended) => {
                    self.presence.was_there(now.millis());
                    if let (None, Some((_, decision))) = (&before.state.decision, &state.decision) {
                        self.metrics.exchange().decided(decision.protocol, decision.outcome);
                    }
                    if let Some(paid) = checked.pays() {
                        self.payment_is_due(&paid);
                    }
                    if checked.run().protocol == Protocol::CdR {
                        self.delivery_is_due(&x);
                    }
                    return self.decided(&state, checked, Some((&made, appended.first)));
                }
                // Decided anew, on what the other one has left.
                Err(Refused::Stale { .. } | Refused::StepTaken { .. } | Refused::TagSeen { .. }) => {}
                Err(Refused::Busy) => return Err(ExchangeFault::Busy),
                Err(refused) => return Err(ServiceFault::from(refused).into()),
            }
        }
        Err(ExchangeFault::Busy)
    }

    fn event(&self, checked: &Checked) -> Result<Ask, ServiceFault> {
        let (run, asked) = (checked.run(), &checked.asked);
        let end = run.t_exp.map(|t_exp| self.end_of(t_exp, checked.delta_ms)).transpose()?;
        Ok(Ask {
            x: run.x,
            protocol: run.protocol,
            policy: run.policy,
            assurance: run.assurance,
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
    pub(crate) fn status_of_run(&self, x: &Digest, first: &[u8], by: &Certificate) -> Result<Vec<u8>, ExchangeFault> {
        if !self.is_arbiter() {
            return Err(ExchangeFault::NoArbiter);
        }
        if !self.takes_requests() {
            return Err(NOT_READY);
        }
        let signers = Signers::of(self);
        let run = run_of(read(first, FIRST)?, &|name| signers.key(name))?;
        if run.x != *x {
            return Err(Broken::OtherRun { of: FIRST }.into());
        }
        let key = self.arbiter_of(&run)?;
        self.require_side(&[run.o.key, run.r.key], by)?
            .ok_or(Broken::NotAllowed { of: FIRST, key: by.digest().to_string() })?;
        let aggregate = match run.protocol {
            Protocol::Pg | Protocol::Pr => Paid::aggregate(x),
            Protocol::AswR | Protocol::CdR | Protocol::Inline => Exchange::aggregate(x),
        };
        // No verdict leaves while this is signed, and the size is read first: a later one lies behind it. Nor does it deny what it has
        // promised.
        let (_turn, _) = self.turn_without_promise(x, &aggregate, None)?;
        let (now, clock) = self.arbiter_time();
        if !clock.may_issue() {
            return Err(ExchangeRefusal::Clock { verdict: clock }.into());
        }
        if let Some(revoked) = self.revoked_since(&key.digest)? {
            return Err(ExchangeFault::ArbiterRevoked(revoked));
        }
        let drafts = self.first_uses([&key].into_iter(), now)?;
        if !drafts.is_empty() {
            let commit = Commit { idempotency: None, now_ms: now.millis(), drafts, rows: Vec::new() };
            self.ledger.append(commit).map_err(ServiceFault::from)?;
        }
        let size = self.reader().size();
        let decision = match run.protocol {
            Protocol::Inline => self.state_of::<Inline>(&aggregate)?.state.decision.map(|(step, d)| (step, d.outcome)),
            Protocol::Pg | Protocol::Pr => {
                self.state_of::<Paid>(&aggregate)?.state.decision.map(|(step, d)| (step, d.outcome))
            }
            Protocol::AswR | Protocol::CdR => {
                self.state_of::<Exchange>(&aggregate)?.state.decision.map(|(step, d)| (step, d.outcome))
            }
        };
        let decided = match decision {
            None if self.reader().find_tag(&tag_of_verdict(x))?.is_some() => return Err(ExchangeFault::Erased),
            None => None,
            Some((step, outcome)) => {
                let verdict = self.reader().artefact_of_step(&aggregate.0, step)?.ok_or(ExchangeFault::Erased)?;
                Some((outcome, Digest::of(&verdict)))
            }
        };
        self.sign_status(&key, x, now, size, decided)
    }

    /// Whether a run passes through the arbiter, by the first that is known of it; `None` for one of which nothing is known.
    fn is_inline(&self, x: &Digest) -> Result<Option<bool>, ServiceFault> {
        let Some(index) = self.reader().step_index(&Exchange::aggregate(x).0, 0)? else { return Ok(None) };
        let fact = self.reader().fact(index)?.unwrap_or_default();
        let fact = Fact::decode(&fact).map_err(|fault| ServiceFault::Facts(fault.to_string()))?;
        Ok(Some(matches!(fact.kind, Kind::Exchange(kind) if kind.is_inline())))
    }

    /// What was decided about a run, with the verdict and its entry, for a side of it; `None` for a run that is none, or somebody else's.
    /// Blocks.
    ///
    /// # Errors
    /// [`ExchangeFault`].
    pub(crate) fn decided_run(&self, x: &Digest, by: &Certificate) -> Result<Option<DecidedRun>, ExchangeFault> {
        let aggregate = Exchange::aggregate(x);
        if self.is_inline(x)? != Some(false) {
            return Ok(None);
        }
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
    pub(super) fn require_side(&self, keys: &[Thumbprint], by: &Certificate) -> Result<Option<()>, ServiceFault> {
        let Some(party) = self.party_of_certificate(by)? else { return Ok(None) };
        for key in keys {
            if self.party_of_key(*key)?.is_some_and(|side| side.id == party.id) {
                return Ok(Some(()));
            }
        }
        Ok(None)
    }

    /// The end of a run, moved by the arbiter's absences as far as the ledger tells of them.
    fn end_of(&self, t_exp: u64, delta_ms: u64) -> Result<End, ServiceFault> {
        Ok(expiry::end(t_exp, delta_ms, &self.outages_since(t_exp.saturating_sub(delta_ms))?))
    }

    /// The arbiter's absences that ended at this moment or later, in the order in which they began.
    pub(super) fn outages_since(&self, from_ms: u64) -> Result<Vec<Outage>, ServiceFault> {
        let mut outages = Vec::new();
        let from = names::outages_from(from_ms);
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
        Ok(outages)
    }
}
