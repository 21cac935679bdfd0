//! What a decision about a run leaves in the ledger, and what its asker gets of it.

use semper_ledger::{
    entry::Tags,
    sequencer::{Commit, Draft},
};
use semper_ttp::{
    digest::Digest,
    evidence::Recorded as _,
    exchange::{Exchange, ExchangeEffect, ExchangeFact, ExchangeState, tag_of_verdict},
    role::Snapshot,
    time::Timestamp,
};

use super::{
    super::{Service, ServiceFault, draft},
    Decided, ExchangeFault,
    check::Checked,
};

/// What a commit about a run has to say, once it is durable: to read it back would cost as much as to sign it.
pub(super) struct Made {
    /// The first step of the run in it, and how many entries lie before that.
    next_seq: u64,
    before: u64,
    artefacts: Vec<Option<Vec<u8>>>,
}

impl Made {
    /// `facts` are of the run, and the last of the commit.
    pub(super) fn of(commit: &Commit, next_seq: u64, facts: usize) -> Self {
        let before = commit.drafts.len().saturating_sub(facts);
        let artefacts = commit.drafts.iter().skip(before).map(|draft| draft.artefact.clone()).collect();
        Self { next_seq, before: before as u64, artefacts }
    }

    /// The artefact of a step with its entry; `first` is that of the commit.
    fn artefact(&self, step: u64, first: u64) -> Option<(u64, Vec<u8>)> {
        let place = step.checked_sub(self.next_seq)?;
        let artefact = self.artefacts.get(usize::try_from(place).ok()?)?.clone()?;
        Some((first + self.before + place, artefact))
    }
}

impl Service {
    pub(super) fn commit_of_run(
        &self,
        checked: &Checked,
        before: &Snapshot<ExchangeState>,
        facts: &[ExchangeFact],
        effects: &[ExchangeEffect],
        now: Timestamp,
    ) -> Result<Commit, ExchangeFault> {
        let x = checked.run().x;
        let aggregate = Exchange::aggregate(&x);
        // Of a run that was decided before, the answer points at the verdict that is there.
        let mut verdict = match &before.state.decision {
            Some((step, _)) => Some(self.reader().artefact_of_step(&aggregate.0, *step)?.ok_or(ExchangeFault::Erased)?),
            None => None,
        };
        let mut drafts = self.first_uses(checked.keys(), now)?;
        for ((seq, fact), effect) in (before.next_seq..).zip(facts).zip(effects) {
            let artefact = match (effect, fact) {
                (ExchangeEffect::SignVerdict, ExchangeFact::Decided(decision)) => {
                    let signed = self.sign_verdict(&checked.key, checked, decision)?;
                    verdict = Some(signed.clone());
                    Some(signed)
                }
                (ExchangeEffect::SignAnswer, ExchangeFact::Answered { to, request, c_r, .. }) => {
                    let verdict = verdict.as_deref().map(Digest::of).ok_or(ExchangeFault::Erased)?;
                    Some(self.sign_answer(&checked.key, &x, now, *to, *request, *c_r, verdict)?)
                }
                (ExchangeEffect::KeepAnomaly, _) => checked.second().map(|second| second.bytes().to_vec()),
                (ExchangeEffect::SealKey, _) => Some(self.seal_key(checked)?),
                // The key leaves with the answer, when this is durable.
                (ExchangeEffect::HandKey, _) => Some(checked.asked.jws.bytes().to_vec()),
                (effect, fact) => unreachable!("{effect:?} of {fact:?}"),
            };
            let mut envelope = self.envelope(aggregate, seq, now, &[]).map_err(ServiceFault::from)?;
            envelope.event_digest = checked.asked.jws.x();
            let tag = matches!(fact, ExchangeFact::Decided(_)).then(|| tag_of_verdict(&x));
            let tags = tag.map(|tag| Tags::new(vec![tag]).expect("one tag is a set")).unwrap_or_default();
            drafts.push(Draft { tags, ..draft(&fact.clone().into_fact(&envelope), artefact) });
        }
        Ok(Commit { idempotency: None, now_ms: now.millis(), drafts, rows: Vec::new() })
    }

    /// What a request gets: what was just committed for it at this entry, and what is in the ledger.
    pub(super) fn decided(
        &self,
        state: &ExchangeState,
        checked: &Checked,
        made: Option<(&Made, u64)>,
    ) -> Result<Decided, ExchangeFault> {
        let asked = &checked.asked;
        let aggregate = Exchange::aggregate(&checked.run().x).0;
        let artefact = |step: u64| {
            if let Some(found) = made.and_then(|(made, first)| made.artefact(step, first)) {
                return Ok(found);
            }
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
            content_key: self.key_for_asker(checked, state)?,
        })
    }
}
