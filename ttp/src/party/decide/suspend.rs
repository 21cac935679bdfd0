//! Suspend a party.

use super::super::{PartyEffect, PartyFact, PartyRefusal, PartyRegistry, PartyState, Suspend};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn suspend(
    state: &PartyState,
    event: &Suspend,
    now: Timestamp,
) -> Result<Decided<PartyRegistry>, PartyRefusal> {
    let party = state.party().ok_or(PartyRefusal::NotRegistered)?;
    let Suspend { officer, reason, .. } = *event;
    let fact = PartyFact::Suspended { party: party.id, at: now, reason, officer };
    Ok((vec![fact], vec![PartyEffect::AccessChanged]))
}
