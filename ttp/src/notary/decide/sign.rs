//! A signer signs. The last signature ends an act that needs no person.

use super::super::{Journal, JournalEffect, JournalFact, JournalState, NotaryRefusal, Sign, Stage};
use super::recorded;
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn sign(state: &JournalState, event: &Sign, now: Timestamp) -> Result<Decided<Journal>, NotaryRefusal> {
    let Sign { id, signer, certificate, signature } = *event;
    let act = state.find(id)?;
    if !act.signers.contains(&signer) {
        return Err(NotaryRefusal::NotSigner);
    }
    if !act.missing.contains(&signer) {
        return Err(NotaryRefusal::AlreadySigned);
    }
    debug_assert_eq!(act.stage(), Stage::Collecting);
    let mut facts = vec![JournalFact::Signed { id, at: now, signer, certificate, signature }];
    let mut effects = vec![JournalEffect::Keep];
    if act.missing.len() == 1 && !act.needs_person {
        facts.push(recorded(id, act, now, None, None));
        effects.push(JournalEffect::SignRecord);
    }
    Ok((facts, effects))
}
