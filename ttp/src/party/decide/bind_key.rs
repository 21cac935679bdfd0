//! Bind a key whose certificate was issued.

use super::super::{
    BindKey, KEYS_BOUND_MAX, KEYS_MAX, PartyEffect, PartyFact, PartyRefusal, PartyRegistry, PartyState,
};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn bind_key(
    state: &PartyState,
    event: &BindKey,
    now: Timestamp,
) -> Result<Decided<PartyRegistry>, PartyRefusal> {
    let party = state.party().ok_or(PartyRefusal::NotRegistered)?;
    let BindKey { thumbprint, certificate, history, not_after, .. } = *event;
    if let Some(key) = party.keys.get(&thumbprint) {
        // A key that was taken away may be in other hands: its holder makes a new one.
        return Err(match key.unbound {
            Some(unbound) => PartyRefusal::KeyUnbound { at: unbound.at },
            None => PartyRefusal::KeyBound { bound_at: key.bound_at },
        });
    }
    if now.whole_secs() > not_after {
        return Err(PartyRefusal::CertificateExpired { not_after });
    }
    if party.keys.len() >= KEYS_MAX {
        return Err(PartyRefusal::TooManyKeys);
    }
    if party.keys_bound(now) >= KEYS_BOUND_MAX {
        return Err(PartyRefusal::TooManyKeysBound);
    }
    let fact = PartyFact::KeyBound { party: party.id, at: now, thumbprint, certificate, history, not_after };
    Ok((vec![fact], vec![PartyEffect::AccessChanged]))
}
