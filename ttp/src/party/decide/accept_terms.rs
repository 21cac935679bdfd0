//! Accept terms. The first statement counts: a second one about the same terms says nothing new.

use super::super::{AcceptTerms, PartyFact, PartyRefusal, PartyRegistry, PartyState, TERMS_MAX};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn accept_terms(
    state: &PartyState,
    event: &AcceptTerms,
    now: Timestamp,
) -> Result<Decided<PartyRegistry>, PartyRefusal> {
    let party = state.party().ok_or(PartyRefusal::NotRegistered)?;
    let AcceptTerms { policy, statement, .. } = *event;
    if let Some(first) = party.accepted.get(&policy) {
        return Err(PartyRefusal::TermsAccepted { at: first.at, statement: first.statement });
    }
    if party.accepted.len() >= TERMS_MAX {
        return Err(PartyRefusal::TooManyTerms);
    }
    Ok((vec![PartyFact::TermsAccepted { party: party.id, at: now, policy, statement }], Vec::new()))
}
