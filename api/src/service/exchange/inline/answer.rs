//! What whoever shows a statement gets, and what a side sees of its exchange.

use semper_ttp::{
    digest::Digest,
    exchange::inline::{Deposited, Ends, Inline, InlineState, Phase},
    statement::exchange::{Side, cd_r::ContentKey, inline::I1},
    vault::Content,
    x509::Certificate,
};

use super::{super::super::Service, super::keys::Signers, Act, AgreedRun, ExchangeFault};
use crate::body::Held;

/// Something that the arbiter has signed, with its entry.
pub(crate) type Signed = (u64, Vec<u8>);

/// What a statement about an exchange has led to.
pub(crate) struct InlineAnswer {
    /// The run.
    pub(crate) x: Digest,
    /// How far it has come.
    pub(crate) phase: Phase,
    /// Whether something was recorded for it: nothing is for a repetition.
    pub(crate) is_new: bool,
    /// What the arbiter says about this very statement: that both have agreed, that it has the item, or why it does not take it.
    pub(crate) statement: Option<Signed>,
    /// The verdict, once there is one.
    pub(crate) verdict: Option<Signed>,
    /// Entries of outages that moved the end of the run.
    pub(crate) outages: Vec<u64>,
    /// What was collected.
    pub(crate) item: Option<Item>,
}

/// An item on its way out, with the room that it has until it is dropped.
pub(crate) struct Item {
    pub(crate) deposited: Deposited,
    /// Its octets, or those of its ciphertext.
    pub(crate) octets: Content,
    /// The key of the ciphertext.
    pub(crate) key: Option<ContentKey>,
    pub(crate) room: Held,
}

/// What a side sees of its exchange.
pub(crate) struct InlineView {
    pub(crate) proposal: I1,
    pub(crate) state: InlineState,
    pub(crate) ends: Ends,
    /// What was deposited, the originator's first.
    pub(crate) deposited: [Option<Deposited>; 2],
    pub(crate) verdict: Option<Signed>,
}

impl Service {
    /// What whoever made a statement gets, out of the ledger.
    pub(super) fn inline_answer(
        &self,
        run: &AgreedRun,
        act: &Act,
        state: &InlineState,
        is_new: bool,
    ) -> Result<InlineAnswer, ExchangeFault> {
        let step = match act {
            Act::Register => Some(0),
            Act::Deposit { deposited, .. } => {
                let (side, request) = (deposited.deposit.side, deposited.jws.x());
                let taken = state.deposit(side).filter(|held| held.moved.request == request).map(|held| held.step);
                taken.or_else(|| state.refusal_of(side, &request))
            }
            Act::Cancel(_) | Act::Waive(..) | Act::Collect(_) | Act::Wake => None,
        };
        let item = match act {
            Act::Collect(signed) => self.item_due(run, state, signed.side)?,
            _ => None,
        };
        Ok(InlineAnswer {
            x: run.x(),
            phase: state.phase(),
            is_new,
            statement: step.map(|step| self.signed_step(&run.x(), step)).transpose()?,
            verdict: self.verdict_of_inline(&run.x(), state)?,
            outages: state.decision.iter().flat_map(|(_, decision)| decision.end.outages.clone()).collect(),
            item,
        })
    }

    fn verdict_of_inline(&self, x: &Digest, state: &InlineState) -> Result<Option<Signed>, ExchangeFault> {
        state.decision.as_ref().map(|(step, _)| self.signed_step(x, *step)).transpose()
    }

    fn signed_step(&self, x: &Digest, step: u64) -> Result<Signed, ExchangeFault> {
        let index = self.reader().step_index(&Inline::aggregate(x).0, step)?.ok_or(ExchangeFault::Erased)?;
        Ok((index, self.reader().artefact(index)?.ok_or(ExchangeFault::Erased)?))
    }

    /// An exchange as one of its sides sees it; `None` for one that is none, or somebody else's. Blocks.
    ///
    /// # Errors
    /// [`ExchangeFault`].
    pub(crate) fn exchange_of(&self, x: &Digest, by: &Certificate) -> Result<Option<InlineView>, ExchangeFault> {
        if self.is_inline(x)? != Some(true) {
            return Ok(None);
        }
        let state = self.state_of::<Inline>(&Inline::aggregate(x))?.state;
        let Some((_, agreement)) = &state.agreement else { return Ok(None) };
        if self.require_side(&[agreement.o, agreement.r], by)?.is_none() {
            return Ok(None);
        }
        let run = self.registered_run(x, &Signers::of(self))?;
        let [o, r] = [Side::Originator, Side::Responder];
        let deposited = |side| state.deposit(side).map(|held| self.deposited(&run, held)).transpose();
        let (deposited, ends) = ([deposited(o)?, deposited(r)?], self.ends_of(&run)?);
        let verdict = self.verdict_of_inline(x, &state)?;
        Ok(Some(InlineView { proposal: run.proposed.proposal, state, ends, deposited, verdict }))
    }
}
