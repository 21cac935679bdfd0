//! Registered deliveries: a certified delivery that its originator submits, with evidence of each step of it, also of what did not happen.
//!
//! ```text
//! d1 and submit | d2, d4, refuse | a timer, a start, whoever asks ─▶ what the run's history tells (told.rs)
//!   ─▶ turn of this delivery: fold, door, decide one after the other, keys, sign ─▶ one commit ─▶ the notice, if awaited (due.rs)
//! ```
//!
//! The arbiter decides about the run as if nobody had submitted it. What it has decided, and whom it gave the key, is read in the run's own
//! history before anything else is decided here, so that no crash between the two loses it, and nothing is missed that came in time.
//!
//! Out of scope: what is decided (`semper_ttp::exchange::erds`), HTTP ([`crate::v1`]), the verdict ([`super::exchange`]).

mod due;
mod told;
mod view;

use std::sync::Arc;
use std::time::Instant;

use semper_ledger::sequencer::{Commit, Draft, Refused};
use semper_ttp::{
    crypto::jose::Thumbprint,
    digest::Digest,
    evidence::{KeyPurpose, Recorded as _},
    exchange::{
        Broken,
        cd_r::Posted,
        erds::{
            Clocked, ErdsEffect, ErdsFact, ErdsRefusal, ErdsState, Occurrence, Refused as RefusedBy,
            RegisteredDelivery, Signed, Submitted, end_of, evidence_of,
        },
        expiry::End,
        run::Run,
    },
    role::{Role as _, Snapshot},
    statement::{
        Body as _, Jws, StatementFault,
        exchange::{
            Outcome, Side,
            cd_r::{D1, D2, D4},
            erds::{ErdsEvent, ErdsReason, Refuse},
        },
    },
    time::Timestamp,
    timestamp::ClockVerdict,
};

use self::told::Told;
pub(crate) use self::view::DeliveryView;
use super::{
    SentStatement, Service, ServiceFault,
    act::ATTEMPTS_MAX,
    desk::RoleKey,
    draft,
    exchange::{ExchangeFault, NOT_READY, check::read, keys::Signers},
};

/// The longest `cd-r/submit`, octets: the evidence of A.1 embeds it, and is left as a notice for programs that read no longer statement.
const SUBMIT_BYTES_MAX: usize = 4 << 10;

/// A delivery as it is submitted.
#[derive(Clone, Debug)]
pub(crate) struct SentDelivery {
    /// d1.
    pub(crate) first: Vec<u8>,
    /// `cd-r/submit`.
    pub(crate) submit: SentStatement,
}

/// A delivery with what decides about its evidence.
struct RegisteredRun {
    posted: Posted,
    /// The key that signs for it.
    key: Arc<RoleKey>,
    delta_ms: u64,
}

/// Something that happens to a delivery.
struct Happening {
    occurrence: Occurrence,
    /// The statements that its evidence may rest on.
    basis: Vec<Jws>,
    /// By what it came about.
    request: Digest,
    /// Who must have had a good key for it, and when its statement is known to have been there.
    signer: Option<(Side, Option<Timestamp>)>,
}

impl Happening {
    /// What the arbiter itself tells, or a timer.
    fn told(occurrence: Occurrence) -> Self {
        Self { occurrence, basis: Vec::new(), request: Digest::of(b"timer"), signer: None }
    }

    /// What a side says.
    fn said(occurrence: Occurrence, jws: Jws, side: Side, proven: Option<Timestamp>) -> Self {
        Self { occurrence, request: jws.x(), basis: vec![jws], signer: Some((side, proven)) }
    }
}

/// One look at a delivery within its turn: what is decided in it has one moment and one commit.
struct Turn<'t> {
    run: &'t RegisteredRun,
    state: ErdsState,
    next_seq: u64,
    now: Timestamp,
    clock: ClockVerdict,
    end: End,
    drafts: Vec<Draft>,
    /// What was recorded since nothing had come of the run until its moment.
    missed: Vec<u64>,
}

/// What a statement led to, and whether a delivery was submitted by it; or why to nothing, with the certificate of who made it, where that is
/// known.
pub(crate) type ShownDelivery = Result<(DeliveryView, bool), (ExchangeFault, Option<Digest>)>;

impl Service {
    /// Takes a delivery that its originator submits; whether it is new. Blocks.
    pub(crate) fn submit_delivery(&self, sent: &SentDelivery) -> ShownDelivery {
        let nobody = |fault: ExchangeFault| (fault, None);
        if !self.is_arbiter() {
            return Err(nobody(ExchangeFault::NoArbiter));
        }
        let signers = Signers::of(self);
        let submit = read_submit(&sent.submit.statement).map_err(nobody)?;
        let asker = signers.verify(&submit).map_err(nobody)?;
        let first = read(&sent.first, D1::TAG).map_err(nobody)?;
        // What was signed for another run is no act of its signer's in this one: anybody may have sent it here.
        let asker = (submit.common().x == Some(first.x().into())).then_some(asker);
        let submitted = || {
            let keys = |name: &Thumbprint| signers.key(name);
            let posted = Posted::read(first, &keys)?;
            let (run, rules) = self.new_delivery(posted)?;
            if self.desks.named(KeyPurpose::ArbiterEscrow, &run.posted.escrow_key()).is_none() {
                return Err(Broken::EscrowKey { key: run.posted.escrow_key().to_string() }.into());
            }
            let Submitted { posting, jws } =
                Submitted::read(&run.posted, submit, rules.ok_or(ExchangeFault::Policy)?, &keys)?;
            let knows_recipient = self.knows_recipient(&run.posted.run)?;
            let proven = self.proven_times(&sent.submit.tokens)?.earliest(&jws);
            let occurrence = Occurrence::Submit { posting: Box::new(posting), knows_recipient };
            let is_new =
                self.delivery_turn(&run, &Happening::said(occurrence, jws, Side::Originator, proven), &signers)?;
            self.try_notice(&run);
            Ok((self.delivery_view(&run)?, is_new))
        };
        submitted().map_err(|fault| (fault, asker))
    }

    /// Takes what a side says of a delivery that was submitted, whoever brings it: d2, d4, or a refusal. Blocks.
    pub(crate) fn show_in_delivery(&self, x: &Digest, sent: &SentStatement) -> ShownDelivery {
        let nobody = |fault: ExchangeFault| (fault, None);
        if !self.is_arbiter() {
            return Err(nobody(ExchangeFault::NoArbiter));
        }
        let signers = Signers::of(self);
        let jws = read(&sent.statement, "the statement").map_err(nobody)?;
        let asker = signers.verify(&jws).map_err(nobody)?;
        let asker = (jws.common().x == Some((*x).into())).then_some(asker);
        let shown = || {
            if ![D2::TAG, D4::TAG, Refuse::TAG].contains(&jws.tag()) {
                return Err(ExchangeFault::Request("the statement is none that is taken here"));
            }
            let run = self.kept_delivery(x)?.ok_or(ErdsRefusal::NotSubmitted)?;
            let happening = self.what_a_side_says(&run, jws, &sent.tokens, &signers)?;
            self.delivery_turn(&run, &happening, &signers)?;
            Ok((self.delivery_view(&run)?, false))
        };
        shown().map_err(|fault| (fault, asker))
    }

    fn what_a_side_says(
        &self,
        run: &RegisteredRun,
        jws: Jws,
        tokens: &[Vec<u8>],
        signers: &Signers<'_>,
    ) -> Result<Happening, ExchangeFault> {
        let keys = |name: &Thumbprint| signers.key(name);
        let (occurrence, jws) = match jws.tag() {
            D2::TAG => {
                let jws = run.posted.agreed(jws, &keys)?.jws;
                (Occurrence::Accept(Signed::from(&jws)), jws)
            }
            D4::TAG => {
                run.posted.received(&jws, &keys)?;
                (Occurrence::Received(Signed::from(&jws)), jws)
            }
            _ => {
                let RefusedBy { reason, jws } = RefusedBy::read(&run.posted, jws, &keys)?;
                (Occurrence::Refuse { signed: Signed::from(&jws), reason }, jws)
            }
        };
        let proven = self.proven_times(tokens)?.earliest(&jws);
        Ok(Happening::said(occurrence, jws, Side::Responder, proven))
    }

    /// A delivery that the ledger does not have yet, with what its policy says of such.
    fn new_delivery(
        &self,
        posted: Posted,
    ) -> Result<(RegisteredRun, Option<semper_ttp::exchange::policy::DeliveryPolicy>), ExchangeFault> {
        let key = self.arbiter_of(&posted.run)?;
        let policy = self.exchange_policy(&posted.run.policy)?.ok_or(ExchangeFault::Policy)?;
        Ok((RegisteredRun { posted, key, delta_ms: policy.delta_ms }, policy.delivery))
    }

    /// A delivery as it was submitted; `None` for one that was not.
    fn kept_delivery(&self, x: &Digest) -> Result<Option<RegisteredRun>, ExchangeFault> {
        let aggregate = RegisteredDelivery::aggregate(x);
        if self.reader().step_index(&aggregate.0, 0)?.is_none() {
            return Ok(None);
        }
        let first = self.reader().artefact_of_step(&aggregate.0, 0)?.ok_or(ExchangeFault::Erased)?;
        // Its signature was verified before it was committed, and what became of its signer's key since then is no matter.
        let jws = Jws::parse(&first)?;
        let (run, delivery) = (Run::claimed(&jws)?, jws.payload_as::<D1>()?.body);
        self.new_delivery(Posted { run, delivery, jws }).map(|(run, _)| Some(run))
    }

    /// Whether the register has the recipient with the key that d1 names, and that key binds it. That it cannot be read is no answer: the
    /// originator would have a refusal for good.
    fn knows_recipient(&self, run: &Run) -> Result<bool, ServiceFault> {
        let party = self.party_of_key(run.r.key)?.filter(|party| party.id == run.r.id);
        let key = party.and_then(|party| party.state.party()?.keys.get(&run.r.key).copied());
        Ok(key.is_some_and(|key| key.unbound.is_none()))
    }

    /// Decides about what happens, behind what the run's own history tells; anew where somebody else was faster. Whether it was
    /// submitted by this.
    fn delivery_turn(
        &self,
        run: &RegisteredRun,
        wanted: &Happening,
        signers: &Signers<'_>,
    ) -> Result<bool, ExchangeFault> {
        let (x, aggregate) = (run.posted.run.x, RegisteredDelivery::aggregate(&run.posted.run.x));
        if let Some((side, _)) = wanted.signer {
            // Before the turn: to look a party up may write to its history, which has a turn of its own.
            let _ = signers.key(&run.posted.run.participant(side).key); // kept for below, where its lack is told
        }
        for _ in 0..ATTEMPTS_MAX {
            // Also before it: the run's history has another turn.
            let told = self.told_of(&x)?;
            let _turn = self.turns.wait(&aggregate);
            let Snapshot { next_seq, state } = self.state_of::<RegisteredDelivery>(&aggregate)?;
            let (now, clock) = self.arbiter_time();
            // Before the end is looked up: what was away is told before anything is decided again.
            let inside = self.pass_door(now);
            // While the door is shut nothing new is asserted, as if there were no clock; what is known is told.
            let clock = if inside.is_ok() { clock } else { ClockVerdict::Stopped };
            let end = self.end_of_delivery(run)?;
            let is_first = state.submission.is_none();
            let (drafts, missed) = (Vec::new(), Vec::new());
            let mut turn = Turn { run, state, next_seq, now, clock, end, drafts, missed };
            let happened = self.all_that_happens(&mut turn, &told, wanted, signers);
            match &happened {
                Err(ExchangeFault::Delivery(ErdsRefusal::Clock { .. })) if inside.is_err() => return Err(NOT_READY),
                Err(ExchangeFault::Delivery(ErdsRefusal::Clock { .. })) => self.presence.close(),
                // A refusal takes nothing back of what the run's history tells, or of what was missed.
                Ok(()) | Err(ExchangeFault::Delivery(_)) => {}
                // What is not whole is not committed.
                Err(_) => return happened.map(|()| false),
            }
            // Of a moment that passed since the run's history was read, it is not known yet that nothing came.
            if turn.missed.iter().any(|until| told.until.millis() <= *until) {
                continue;
            }
            let next = turn.next_look();
            if !turn.drafts.is_empty() {
                let mut drafts = self.first_uses(std::iter::once(&run.key), now)?;
                drafts.append(&mut turn.drafts);
                match self.ledger.append(Commit { idempotency: None, now_ms: now.millis(), drafts, rows: Vec::new() }) {
                    Ok(_) => self.presence.was_there(now.millis()),
                    // Decided anew, on what the other one has left.
                    Err(Refused::Stale { .. } | Refused::StepTaken { .. }) => continue,
                    Err(Refused::Busy) => return Err(ExchangeFault::Busy),
                    Err(refused) => return Err(ServiceFault::from(refused).into()),
                }
            }
            self.delivery_due.put(&x, next);
            return happened.map(|()| is_first);
        }
        Err(ExchangeFault::Busy)
    }

    /// What the run's history tells, and what happens now, in their order.
    fn all_that_happens(
        &self,
        turn: &mut Turn<'_>,
        told: &Told,
        wanted: &Happening,
        signers: &Signers<'_>,
    ) -> Result<(), ExchangeFault> {
        let is_first = turn.state.submission.is_none();
        if is_first {
            self.happens(turn, wanted, signers)?;
        }
        // Of what was not taken nothing is told.
        if turn.clock.may_issue() && turn.state.has(ErdsEvent::SubmissionAcceptance) {
            for happening in &told.happenings {
                // What is recorded is not told again: it would end the wait for what comes next in the run's history.
                if !is_recorded(&turn.state, &happening.occurrence) {
                    self.happens(turn, happening, signers)?;
                }
            }
        }
        if is_first { Ok(()) } else { self.happens(turn, wanted, signers) }
    }

    /// Decides about one happening, and signs what is recorded of it.
    fn happens(&self, turn: &mut Turn<'_>, happening: &Happening, signers: &Signers<'_>) -> Result<(), ExchangeFault> {
        let occurrence = happening.occurrence.clone();
        let event = Clocked { occurrence, end: turn.end.clone(), clock: turn.clock };
        let (facts, effects) = RegisteredDelivery::decide(&turn.state, &event, turn.now)?;
        if facts.is_empty() {
            return Ok(());
        }
        self.require_good_hands(turn.run, happening, signers)?;
        for (fact, effect) in facts.iter().zip(&effects) {
            if let ErdsFact::Recorded(recording) = fact
                && recording.reason.is_some_and(rests_on_the_run)
            {
                turn.missed.push(recording.event_ms);
            }
            RegisteredDelivery::apply(&mut turn.state, fact);
            let drafted = self.draft_of_delivery(turn, happening, fact, *effect)?;
            turn.drafts.push(drafted);
            turn.next_seq += 1;
        }
        Ok(())
    }

    /// Whether the keys of those who act were good, and nobody asks too much. What nobody asks for needs the arbiter's key alone.
    fn require_good_hands(
        &self,
        run: &RegisteredRun,
        happening: &Happening,
        signers: &Signers<'_>,
    ) -> Result<(), ExchangeFault> {
        if let Some(revoked) = self.revoked_since(&run.key.digest)? {
            return Err(ExchangeFault::ArbiterRevoked(revoked));
        }
        let Some((side, proven)) = happening.signer else { return Ok(()) };
        let participant = run.posted.run.participant(side);
        signers.require_good(participant, proven)?;
        if matches!(happening.occurrence, Occurrence::Submit { .. }) {
            let taken = self.runs_quota.take(participant.id, Instant::now());
            taken.map_err(|over| ExchangeFault::TooMany(over.limit))?;
        }
        Ok(())
    }

    /// A fact with what is kept or signed of it. The state is the one behind it.
    fn draft_of_delivery(
        &self,
        turn: &Turn<'_>,
        happening: &Happening,
        fact: &ErdsFact,
        effect: ErdsEffect,
    ) -> Result<Draft, ExchangeFault> {
        let posted = &turn.run.posted;
        let artefact = match (effect, fact, &turn.state.submission) {
            (ErdsEffect::KeepDelivery, ..) => posted.jws.bytes().to_vec(),
            (
                ErdsEffect::SignEvidence | ErdsEffect::SignAndNotify,
                ErdsFact::Recorded(recording),
                Some((submitted_at, _)),
            ) => {
                let basis = recording.statement.map(|statement| {
                    let found = happening.basis.iter().find(|jws| jws.x() == statement);
                    found
                        .ok_or_else(|| ServiceFault::Facts("evidence rests on a statement that is not here".to_owned()))
                });
                let body = evidence_of(&posted.delivery, *submitted_at, recording, basis.transpose()?);
                self.sign_of_run(&turn.run.key, &posted.run.x, turn.now, body)?
            }
            _ => return Err(ServiceFault::Facts("there is nothing to sign of a submission".to_owned()).into()),
        };
        let aggregate = RegisteredDelivery::aggregate(&posted.run.x);
        let mut envelope = self.envelope(aggregate, turn.next_seq, turn.now, &[]).map_err(ServiceFault::from)?;
        envelope.event_digest = happening.request;
        Ok(draft(&fact.clone().into_fact(&envelope), Some(artefact)))
    }

    /// The end of a delivery, moved by the arbiter's absences as far as the ledger tells of them.
    fn end_of_delivery(&self, run: &RegisteredRun) -> Result<End, ServiceFault> {
        let t_exp = run.posted.run.t_exp;
        let outages = match t_exp {
            Some(t_exp) => self.outages_since(t_exp.saturating_sub(run.delta_ms))?,
            None => Vec::new(),
        };
        Ok(end_of(t_exp, run.delta_ms, &outages))
    }
}

/// Whether it is recorded what the run's history tells.
fn is_recorded(state: &ErdsState, occurrence: &Occurrence) -> bool {
    let (consigned, failed) = (ErdsEvent::ContentConsignment, ErdsEvent::ContentConsignmentFailure);
    match occurrence {
        Occurrence::Decided { outcome: Outcome::Released, .. } => state.has(consigned),
        // That the end has passed without a decision shows by whatever happens.
        Occurrence::Decided { outcome: Outcome::Expired, .. } => true,
        Occurrence::Decided { .. } => state.has(consigned) || state.has(failed),
        Occurrence::Collected { .. } => state.has(ErdsEvent::ContentHandover),
        _ => false,
    }
}

/// Whether something would not be recorded if the run's history told of a decision, or of a key that was collected.
const fn rests_on_the_run(reason: ErdsReason) -> bool {
    matches!(
        reason,
        ErdsReason::NoAnswer | ErdsReason::NotConsigned | ErdsReason::RefusedBefore | ErdsReason::NotCollected
    )
}

fn read_submit(bytes: &[u8]) -> Result<Jws, ExchangeFault> {
    const OF: &str = "the submission";
    if bytes.len() > SUBMIT_BYTES_MAX {
        return Err(Broken::Statement { of: OF, fault: StatementFault::TooLong }.into());
    }
    read(bytes, OF)
}
