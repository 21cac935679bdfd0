//! Reinstate a suspended party.

use super::super::{PartyEffect, PartyFact, PartyRefusal, PartyRegistry, PartyState, Reinstate};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn reinstate(
    state: &PartyState,
    event: &Reinstate,
    now: Timestamp,
) -> Result<Decided<PartyRegistry>, PartyRefusal> {
    let party = state.party().ok_or(PartyRefusal::NotRegistered)?;
    let Reinstate { officer, reason, .. } = *event;
    let fact = PartyFact::Reinstated { party: party.id, at: now, reason, officer };
    Ok((vec![fact], vec![PartyEffect::AccessChanged]))
}
