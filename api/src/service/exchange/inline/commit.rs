//! What a decision about an exchange through the arbiter leaves in the ledger: facts with what was signed, items, erasures.

use semper_ledger::{
    entry::Tags,
    sequencer::{Commit, Draft, RoleRow},
};
use semper_ttp::{
    digest::Digest,
    evidence::Recorded as _,
    exchange::{
        inline::{Inline, InlineDecision, InlineEffect, InlineFact, InlineState},
        tag_of_verdict,
    },
    role::{Role as _, Snapshot},
    statement::{
        Count, Jws,
        exchange::{
            Outcome, Protocol, Side,
            inline::{Nrs, Refused, Registered},
            verdict::Verdict,
        },
    },
    time::Timestamp,
};

use super::{
    super::super::{Service, ServiceFault, draft},
    Act, AgreedRun, ExchangeFault,
};

const SIDES: [Side; 2] = [Side::Originator, Side::Responder];

const fn index(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}

/// A statement is ASCII.
fn text(jws: &Jws) -> String {
    String::from_utf8_lossy(jws.bytes()).into_owned()
}

impl Service {
    /// The commit, and the state after it.
    pub(super) fn commit_of_inline(
        &self,
        run: &AgreedRun,
        act: &Act,
        before: &Snapshot<InlineState>,
        facts: &[InlineFact],
        effects: &[InlineEffect],
        now: Timestamp,
    ) -> Result<(Commit, InlineState), ExchangeFault> {
        let aggregate = Inline::aggregate(&run.x());
        let escrow = self.escrow_of(run).filter(|_| matches!(act, Act::Deposit { .. }));
        let signs = |effect: &InlineEffect| {
            use InlineEffect::{SignRefused, SignRegistered, SignSubmitted, SignVerdict};
            matches!(effect, SignRefused | SignRegistered | SignSubmitted | SignVerdict)
        };
        let signer = effects.iter().any(signs).then_some(&run.key);
        let mut drafts = self.first_uses(signer.into_iter().chain(escrow.as_ref()), now)?;
        let (mut rows, mut state) = (Vec::new(), before.state.clone());
        for ((seq, fact), effect) in (before.next_seq..).zip(facts).zip(effects) {
            let artefact = match effect {
                InlineEffect::EraseItems => {
                    rows.extend(self.erasing(run, &state, drafts.len())?);
                    None
                }
                InlineEffect::KeepItem => Some(self.kept_item(act, drafts.len(), &mut rows)?),
                InlineEffect::KeepStatement | InlineEffect::HandItem => {
                    act.signed().map(|(_, jws)| jws.bytes().to_vec())
                }
                InlineEffect::SignRegistered
                | InlineEffect::SignSubmitted
                | InlineEffect::SignRefused
                | InlineEffect::SignVerdict => Some(self.signed_fact(run, act, &state, fact)?),
            };
            let mut envelope = self.envelope(aggregate, seq, now, &[]).map_err(ServiceFault::from)?;
            envelope.event_digest = match act {
                Act::Register => run.agreed.jws.x(),
                // Of a timer there is no statement.
                act => act.signed().map_or_else(|| Digest::of(b"timer"), |(_, jws)| jws.x()),
            };
            let tag = matches!(fact, InlineFact::Decided(_)).then(|| tag_of_verdict(&run.x()));
            let tags = tag.map(|tag| Tags::new(vec![tag]).expect("one tag is a set")).unwrap_or_default();
            drafts.push(Draft { tags, ..draft(&fact.clone().into_fact(&envelope), artefact) });
            Inline::apply(&mut state, fact);
        }
        Ok((Commit { idempotency: None, now_ms: now.millis(), drafts, rows }, state))
    }

    fn kept_item(&self, act: &Act, draft: usize, rows: &mut Vec<RoleRow>) -> Result<Vec<u8>, ServiceFault> {
        let Act::Deposit { sealed: Some(item), .. } = act else {
            return Err(ServiceFault::Facts("an item is to be kept that nobody deposited".to_owned()));
        };
        rows.push(item.sealed.row(draft));
        Ok(item.sealed.artefact.clone())
    }

    /// What the arbiter signs about a fact. `state` is the one in front of it.
    fn signed_fact(
        &self,
        run: &AgreedRun,
        act: &Act,
        state: &InlineState,
        fact: &InlineFact,
    ) -> Result<Vec<u8>, ExchangeFault> {
        let (key, x, at) = (&run.key, run.x(), fact.at());
        let deposit = || match act {
            Act::Deposit { deposited, .. } => Ok(text(&deposited.jws)),
            _ => Err(ServiceFault::Facts("there is no deposit".to_owned())),
        };
        match fact {
            InlineFact::Registered { .. } => {
                let basis = vec![text(&run.proposed.jws), text(&run.agreed.jws)];
                self.sign_of_run(key, &x, at, Registered { basis, at_ms: at.into() })
            }
            InlineFact::Submitted { result, .. } => {
                self.sign_of_run(key, &x, at, Nrs { deposit: deposit()?, result: *result, at_ms: at.into() })
            }
            InlineFact::SubmissionRefused { moved, reason, .. } => {
                let refused =
                    Refused { side: moved.side, req: moved.request.into(), reason: *reason, at_ms: at.into() };
                self.sign_of_run(key, &x, at, refused)
            }
            InlineFact::Decided(decision) => {
                let verdict = Verdict {
                    proto: Protocol::Inline,
                    outcome: decision.outcome,
                    basis: self.basis_of_inline(run, act, state, decision)?,
                    decided_ms: at.into(),
                    policy: decision.policy.into(),
                    outages: decision.end.outages.iter().filter_map(|index| Count::new(*index)).collect(),
                    assurance: decision.assurance,
                };
                self.sign_of_run(key, &x, at, verdict)
            }
            InlineFact::Kept { .. }
            | InlineFact::Waived { .. }
            | InlineFact::Collected { .. }
            | InlineFact::Erased { .. } => Err(ServiceFault::Facts("nothing is signed about it".to_owned()).into()),
        }
    }

    /// What a verdict rests on ([`semper_ttp::exchange::inline::ground`]): what was agreed, what was deposited, and what else it needs.
    fn basis_of_inline(
        &self,
        run: &AgreedRun,
        act: &Act,
        state: &InlineState,
        decision: &InlineDecision,
    ) -> Result<Vec<String>, ExchangeFault> {
        let mut basis = vec![text(&run.proposed.jws), text(&run.agreed.jws)];
        for side in SIDES {
            if let Some(held) = state.deposit(side) {
                basis.push(match act {
                    // Not in the ledger yet.
                    Act::Deposit { deposited, .. } if deposited.jws.x() == held.moved.request => text(&deposited.jws),
                    _ => text(&self.deposited(run, held)?.jws),
                });
            }
        }
        if decision.outcome == Outcome::Released {
            for side in SIDES {
                if let Some((request, step)) = state.waived[index(side)] {
                    basis.push(match act {
                        Act::Waive(signed, _) if signed.jws.x() == request => text(&signed.jws),
                        _ => self.waiver(run, step)?,
                    });
                }
            }
        } else if let (Some(_), Some((_, jws))) = (decision.by, act.signed()) {
            basis.push(text(jws));
        }
        Ok(basis)
    }

    fn waiver(&self, run: &AgreedRun, step: u64) -> Result<String, ExchangeFault> {
        let kept = self.reader().artefact_of_step(&Inline::aggregate(&run.x()).0, step)?;
        let kept = kept.ok_or(ExchangeFault::Erased)?;
        String::from_utf8(kept).map_err(|_| ServiceFault::Facts("a waiver is no statement".to_owned()).into())
    }
}
