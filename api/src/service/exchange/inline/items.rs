//! Items: looked at when they come, kept sealed, each under a key of its own, given out, and erased by destroying that key.

use semper_ledger::sequencer::RoleRow;
use semper_ttp::{
    crypto::SecretKey,
    digest::Digest,
    evidence::KeyPurpose,
    exchange::inline::{Beside, Deposited, Held, Inline, InlineState, sealed::deposit_context},
    statement::exchange::{
        Side,
        cd_r::ContentKey,
        inline::{DepositFault, DepositMode},
        item::MatchResult,
    },
    vault::{self, Object},
};

use std::sync::Arc;

use super::{
    super::super::{SealFault, Service, ServiceFault, desk::RoleKey, vault::Sealed},
    AgreedRun, ExchangeFault,
    answer::Item,
    in_base64,
};

/// An item that may be taken.
pub(super) struct SealedItem {
    pub(super) sealed: Sealed,
}

/// What a side has deposited, as no other object is named.
fn object(x: &Digest, side: Side) -> Object {
    Object { id: deposit_context(x, side).0, version: 1 }
}

impl From<SealFault> for ExchangeFault {
    fn from(fault: SealFault) -> Self {
        match fault {
            SealFault::NoKey => Self::NoInline,
            SealFault::NotReady => super::super::NOT_READY,
            SealFault::Destroyed(_) => Self::Erased,
            SealFault::Fault(fault) => fault.into(),
            fault @ (SealFault::Document(_) | SealFault::Key(_)) => ServiceFault::Facts(fault.to_string()).into(),
        }
    }
}

impl Service {
    /// The key that opens what is sealed in this run; `None` for one in which nothing is.
    pub(super) fn escrow_of(&self, run: &AgreedRun) -> Option<Arc<RoleKey>> {
        let is_sealed = run.proposed.proposal.mode == DepositMode::Sealed;
        self.desks.named(KeyPurpose::ArbiterEscrow, &run.proposed.escrow_key()).filter(|_| is_sealed)
    }

    fn opened_key(&self, run: &AgreedRun, deposited: &Deposited) -> Option<SecretKey> {
        run.proposed.escrowed(deposited, self.escrow_of(run)?.agreement.as_ref()?)
    }

    /// What a machine makes of an item, and the item sealed, if it may be taken. Computes.
    pub(super) fn look_at_item(
        &self,
        run: &AgreedRun,
        deposited: &Deposited,
        octets: &[u8],
    ) -> Result<(Result<MatchResult, DepositFault>, Option<SealedItem>), ExchangeFault> {
        let key = self.opened_key(run, deposited);
        let beside = match run.proposed.proposal.mode {
            DepositMode::Content => Beside::Item(octets),
            DepositMode::Sealed => Beside::Sealed { content: octets, key: key.as_ref() },
        };
        let found = run.proposed.looked_at(deposited, &beside, &run.inline.predicates);
        let sealed = match found {
            Ok(_) => Some(SealedItem { sealed: self.seal(object(&run.x(), deposited.deposit.side), octets)? }),
            Err(_) => None,
        };
        Ok((found, sealed))
    }

    /// What is due to a side.
    pub(super) fn item_due(
        &self,
        run: &AgreedRun,
        state: &InlineState,
        side: Side,
    ) -> Result<Option<Item>, ExchangeFault> {
        let Some(held) = state.due_to(side) else { return Ok(None) };
        let kept = held.kept.ok_or_else(|| ServiceFault::Facts("a deposit is nowhere kept".to_owned()))?;
        let room = self.item_room().ok_or(ExchangeFault::NoInline)?;
        let size = usize::try_from(kept.size).map_err(|_| ExchangeFault::Busy)?;
        let room = room.json.hold(in_base64(size)).ok_or(ExchangeFault::Busy)?;
        let aggregate = Inline::aggregate(&run.x()).0;
        let sealed = self.reader().artefact_of_step(&aggregate, kept.step)?.ok_or(ExchangeFault::Erased)?;
        let octets = self.unseal(sealed, object(&run.x(), held.moved.side))?;
        let deposited = self.deposited(run, held)?;
        let key = self.opened_key(run, &deposited).map(|key| ContentKey::from(&key));
        Ok(Some(Item { deposited, octets, key, room }))
    }

    /// The rows that erase what both sides have deposited: its keys are destroyed, and each is a line of the erasure journal.
    pub(super) fn erasing(
        &self,
        run: &AgreedRun,
        state: &InlineState,
        draft: usize,
    ) -> Result<Vec<RoleRow>, ServiceFault> {
        let aggregate = Inline::aggregate(&run.x()).0;
        let mut rows = Vec::new();
        for held in state.deposits.iter().flatten() {
            let Some(kept) = held.kept else { continue };
            let sealed = self.reader().artefact_of_step(&aggregate, kept.step)?.unwrap_or_default();
            let key = vault::key_of(&sealed);
            let key = key.ok_or_else(|| ServiceFault::Facts("a deposit is not sealed, or not there".to_owned()))?;
            rows.push(RoleRow::Erased { draft, object: object(&run.x(), held.moved.side).id, keys: vec![key.0] });
        }
        Ok(rows)
    }

    /// A deposit that was taken, out of its receipt.
    pub(super) fn deposited(&self, run: &AgreedRun, held: &Held) -> Result<Deposited, ExchangeFault> {
        use semper_ttp::statement::{Jws, exchange::inline::Nrs};
        let aggregate = Inline::aggregate(&run.x()).0;
        let receipt = self.reader().artefact_of_step(&aggregate, held.step)?.ok_or(ExchangeFault::Erased)?;
        let unread = |fault: &dyn std::fmt::Display| ServiceFault::Facts(format!("a receipt of a deposit: {fault}"));
        let nrs = Jws::parse(&receipt).and_then(|jws| jws.payload_as::<Nrs>()).map_err(|fault| unread(&fault))?;
        let jws = Jws::parse(nrs.body.deposit.as_bytes()).map_err(|fault| unread(&fault))?;
        let deposit = jws.payload_as().map_err(|fault| unread(&fault))?.body;
        Ok(Deposited { deposit, jws })
    }
}
