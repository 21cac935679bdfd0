//! Unbind a key whose certificate was revoked, superseded or expired.

use super::super::{PartyEffect, PartyFact, PartyRefusal, PartyRegistry, PartyState, UnbindKey, UnbindReason};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn unbind_key(
    state: &PartyState,
    event: &UnbindKey,
    now: Timestamp,
) -> Result<Decided<PartyRegistry>, PartyRefusal> {
    let party = state.party().ok_or(PartyRefusal::NotRegistered)?;
    let UnbindKey { thumbprint, reason, .. } = *event;
    let key = party.keys.get(&thumbprint).ok_or(PartyRefusal::KeyUnknown)?;
    if let Some(unbound) = key.unbound {
        return Err(PartyRefusal::KeyUnbound { at: unbound.at });
    }
    if reason == UnbindReason::Expired && now.whole_secs() <= key.not_after {
        return Err(PartyRefusal::CertificateNotExpired { not_after: key.not_after });
    }
    let fact = PartyFact::KeyUnbound { party: party.id, at: now, thumbprint, reason };
    Ok((vec![fact], vec![PartyEffect::AccessChanged]))
}
