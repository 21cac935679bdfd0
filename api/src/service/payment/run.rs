//! The two histories of a paid run: folded, decided, committed. Whoever calls these holds the turn of the run.

use std::sync::Arc;

use semper_ledger::{
    entry::Tags,
    sequencer::{Commit, Draft, Refused},
};
use semper_ttp::{
    digest::Digest,
    evidence::{Aggregate, Fact, Recorded as _},
    exchange::{
        Broken,
        expiry::Outage,
        paid::{Clocked, Opened, Paid, PaidDecision, PaidEffect, PaidEvent, PaidFact, PaidRefusal, PaidState, Shown},
        tag_of_verdict,
    },
    payment::{self, Payment, PaymentEvent, PaymentFact, PaymentRefusal, PaymentState, rail::Evidence},
    role::{Role as _, Snapshot},
    statement::{Count, Jws, StatementFault, exchange::verdict::Verdict},
    time::Timestamp,
};

use super::{
    super::{
        Service, ServiceFault,
        act::{ATTEMPTS_MAX, folded},
        desk::RoleKey,
        draft,
        exchange::ExchangeFault,
    },
    PaymentFault,
};

/// A run as its history tells it.
pub(super) struct RunHere {
    pub(super) aggregate: Aggregate,
    pub(super) state: PaidState,
    next_seq: u64,
    pub(super) opened: Opened,
    /// When it was begun; `None` before.
    pub(super) opened_at: Option<Timestamp>,
    /// The key that signs for it.
    key: Arc<RoleKey>,
    pub(super) delta_ms: u64,
}

impl Service {
    /// A run that is not in the ledger yet.
    pub(super) fn new_run(&self, opened: Opened) -> Result<RunHere, PaymentFault> {
        let aggregate = Paid::aggregate(&opened.run.x);
        let key = self.arbiter_of(&opened.run)?;
        let policy = self.exchange_policy(&opened.run.policy)?.ok_or(ExchangeFault::Policy)?;
        let (state, delta_ms) = (PaidState::default(), policy.delta_ms);
        Ok(RunHere { aggregate, state, next_seq: 0, opened, opened_at: None, key, delta_ms })
    }

    /// A run of the ledger; `None` for none.
    pub(super) fn paid_run(&self, x: &Digest) -> Result<Option<RunHere>, PaymentFault> {
        let aggregate = Paid::aggregate(x);
        let facts = self.reader().facts_of(&aggregate.0, 0)?;
        let Some(begun) = facts.first() else { return Ok(None) };
        let unread = |error: &dyn std::fmt::Display| ServiceFault::Facts(error.to_string());
        let begun = Fact::decode(begun).map_err(|error| unread(&error))?;
        let first = self.reader().artefact_of_step(&aggregate.0, 0)?.ok_or(ExchangeFault::Erased)?;
        // Its signature was verified before it was committed.
        let opened = Jws::parse(&first).map_err(|fault| unread(&fault))?;
        let opened = Opened::claimed(&opened).map_err(|fault| unread(&fault))?;
        let Snapshot { next_seq, state } = folded::<Paid>(&facts)?;
        Ok(Some(RunHere { state, next_seq, opened_at: Some(begun.now), ..self.new_run(opened)? }))
    }

    /// Decides what an event means for a run, and commits it; `kept` is the statement that came with it.
    ///
    /// # Errors
    /// [`PaymentFault`]; then nothing was committed.
    pub(super) fn advance(&self, run: &mut RunHere, event: PaidEvent, kept: Option<&Jws>) -> Result<(), PaymentFault> {
        let mut event = Clocked {
            event,
            delta_ms: run.delta_ms,
            outages: Vec::new(),
            clock: semper_ttp::timestamp::ClockVerdict::Unsynced,
        };
        for _ in 0..ATTEMPTS_MAX {
            let (now, clock) = self.arbiter_time();
            let _inside = self.pass_door(now)?;
            event.clock = clock;
            // While the door is held no other absence is recorded.
            event.outages = self.outages_for(run, now)?;
            let decided = Paid::decide(&run.state, &event, now);
            if let Err(PaidRefusal::Clock { .. }) = &decided {
                self.presence.close();
            }
            let (facts, effects) = decided?;
            if facts.is_empty() {
                return Ok(());
            }
            if let Some(revoked) = self.revoked_since(&run.key.digest)? {
                return Err(ExchangeFault::ArbiterRevoked(revoked).into());
            }
            let commit = self.commit_of_paid(run, &facts, &effects, kept, now)?;
            match self.ledger.append(commit) {
                Ok(_) => {
                    self.presence.was_there(now.millis());
                    for fact in &facts {
                        if let PaidFact::Decided(decision) = fact {
                            self.metrics.exchange().decided(decision.protocol, decision.outcome);
                        }
                    }
                    facts.iter().for_each(|fact| Paid::apply(&mut run.state, fact));
                    run.next_seq += facts.len() as u64;
                    run.opened_at = run.opened_at.or(Some(now));
                    return Ok(());
                }
                // Decided anew, on what the other one has left.
                Err(Refused::Stale { .. } | Refused::StepTaken { .. }) => {
                    if let Some(newer) = self.paid_run(&run.opened.run.x)? {
                        *run = newer;
                    }
                }
                Err(Refused::TagSeen { .. }) => return Err(ExchangeFault::Erased.into()),
                Err(Refused::Busy) => return Err(ExchangeFault::Busy.into()),
                Err(refused) => return Err(ServiceFault::from(refused).into()),
            }
        }
        Err(ExchangeFault::Busy.into())
    }

    fn commit_of_paid(
        &self,
        run: &RunHere,
        facts: &[PaidFact],
        effects: &[PaidEffect],
        kept: Option<&Jws>,
        now: Timestamp,
    ) -> Result<Commit, PaymentFault> {
        let signs = effects.contains(&PaidEffect::SignVerdict);
        let mut drafts = self.first_uses(signs.then_some(&run.key).into_iter(), now)?;
        let mut kept_at = None;
        for ((seq, fact), effect) in (run.next_seq..).zip(facts).zip(effects) {
            let artefact = match (effect, fact) {
                (PaidEffect::KeepStatement, _) => {
                    kept_at = Some(seq);
                    kept.map(|jws| jws.bytes().to_vec())
                }
                (PaidEffect::SignVerdict, PaidFact::Decided(decision)) => {
                    Some(self.sign_verdict_of_payment(run, decision, kept_at.zip(kept))?)
                }
                _ => None,
            };
            let mut envelope = self.envelope(run.aggregate, seq, now, &[]).map_err(ServiceFault::from)?;
            envelope.event_digest = match fact {
                PaidFact::Told { source, .. } => *source,
                _ => kept.map_or(envelope.event_digest, Jws::x),
            };
            let tag = matches!(fact, PaidFact::Decided(_)).then(|| tag_of_verdict(&run.opened.run.x));
            let tags = tag.map(|tag| Tags::new(vec![tag]).expect("one tag is a set")).unwrap_or_default();
            drafts.push(Draft { tags, ..draft(&fact.clone().into_fact(&envelope), artefact) });
        }
        Ok(Commit { idempotency: None, now_ms: now.millis(), drafts, rows: Vec::new() })
    }

    /// `new` is the statement that is committed along with the decision, by its step.
    fn sign_verdict_of_payment(
        &self,
        run: &RunHere,
        decision: &PaidDecision,
        new: Option<(u64, &Jws)>,
    ) -> Result<Vec<u8>, PaymentFault> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let mut basis = vec![text(run.opened.jws.bytes())];
        for step in &decision.basis {
            basis.push(match new {
                Some((at, jws)) if at == *step => text(jws.bytes()),
                _ => text(&self.reader().artefact_of_step(&run.aggregate.0, *step)?.ok_or(ExchangeFault::Erased)?),
            });
        }
        let outages = decision.end.iter().flat_map(|end| &end.outages).filter_map(|index| Count::new(*index));
        let verdict = Verdict {
            proto: decision.protocol,
            outcome: decision.outcome,
            basis,
            decided_ms: decision.at.into(),
            policy: decision.policy.into(),
            outages: outages.collect(),
            assurance: decision.assurance,
        };
        Ok(self.sign_of_run(&run.key, &decision.x, decision.at, verdict)?)
    }

    /// The first statement of its kind that counts.
    pub(super) fn kept_in(&self, run: &RunHere, what: Shown) -> Result<Option<Jws>, PaymentFault> {
        let Some(shelved) = run.state.find(what) else { return Ok(None) };
        let octets = self.reader().artefact_of_step(&run.aggregate.0, shelved.step)?.ok_or(ExchangeFault::Erased)?;
        let broken = |fault: StatementFault| Broken::Statement { of: what.name(), fault };
        Ok(Some(Jws::parse(&octets).map_err(broken)?))
    }

    /// The arbiter's absences that can move a deadline of this run: none of its deadlines is before its hold's, but for the time in which
    /// goods may be rejected, which begins after the run itself.
    pub(super) fn outages_for(&self, run: &RunHere, now: Timestamp) -> Result<Vec<Outage>, ServiceFault> {
        let first = run.opened.terms.t_hold.min(run.opened_at.unwrap_or(now).millis());
        self.outages_since(first.saturating_sub(run.delta_ms))
    }

    /// The facts about a run's money with their hashes, by which a run is told of them, and what they fold to.
    pub(super) fn money_of(&self, x: &Digest) -> Result<(Vec<(Digest, PaymentFact)>, PaymentState), ServiceFault> {
        let octets = self.reader().facts_of(&Payment::aggregate(x).0, 0)?;
        let state = folded::<Payment>(&octets)?.state;
        let unread = |error: &dyn std::fmt::Display| ServiceFault::Facts(error.to_string());
        let facts = octets.iter().map(|octets| {
            let fact = Fact::decode(octets).map_err(|error| unread(&error))?;
            Ok((Digest::of(octets), PaymentFact::from_fact(&fact).map_err(|error| unread(&error))?))
        });
        Ok((facts.collect::<Result<_, ServiceFault>>()?, state))
    }

    /// Decides what an event means for a run's money, and commits it; `evidence` is what the rail signed about it. Gives the state after it.
    ///
    /// # Errors
    /// [`PaymentFault`]; then nothing was committed.
    pub(super) fn move_money(
        &self,
        x: &Digest,
        event: PaymentEvent,
        evidence: Option<&Evidence>,
    ) -> Result<PaymentState, PaymentFault> {
        let aggregate = Payment::aggregate(x);
        for _ in 0..ATTEMPTS_MAX {
            let Snapshot { next_seq, mut state } = self.state_of::<Payment>(&aggregate)?;
            let (now, clock) = self.arbiter_time();
            let (facts, _) = Payment::decide(&state, &payment::Clocked { event: event.clone(), clock }, now)?;
            if facts.is_empty() {
                return Ok(state);
            }
            let mut drafts = Vec::new();
            for (seq, fact) in (next_seq..).zip(&facts) {
                let kept = evidence.filter(|evidence| fact.evidence() == Some(evidence.sha256()));
                let told = evidence.map_or(&[][..], Evidence::octets);
                let envelope = self.envelope(aggregate, seq, now, told).map_err(ServiceFault::from)?;
                let kept = kept.map(|evidence| evidence.octets().to_vec());
                drafts.push(draft(&fact.clone().into_fact(&envelope), kept));
            }
            let commit = Commit { idempotency: None, now_ms: now.millis(), drafts, rows: Vec::new() };
            match self.ledger.append(commit) {
                Ok(_) => {
                    facts.iter().for_each(|fact| Payment::apply(&mut state, fact));
                    return Ok(state);
                }
                Err(Refused::Stale { .. } | Refused::StepTaken { .. }) => {}
                Err(Refused::Busy) => return Err(ExchangeFault::Busy.into()),
                Err(refused) => return Err(ServiceFault::from(refused).into()),
            }
        }
        Err(ExchangeFault::Busy.into())
    }
}

/// Whether it may be tried again in a moment: what the rules or a rail say stays as it is.
pub(super) fn may_be_tried_again(fault: &PaymentFault) -> bool {
    matches!(
        fault,
        PaymentFault::Exchange(ExchangeFault::NotReady(_) | ExchangeFault::Busy | ExchangeFault::Fault(_))
            | PaymentFault::Paid(PaidRefusal::Clock { .. })
            | PaymentFault::Money(PaymentRefusal::Clock { .. })
    )
}
