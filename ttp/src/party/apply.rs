//! Folding facts into the state of a party.

use std::collections::BTreeMap;

use super::{Acceptance, BoundKey, Party, PartyFact, PartyState, Suspension, Unbound};

/// Facts that `decide` would not have made in this state change nothing.
pub(super) fn apply(state: &mut PartyState, fact: &PartyFact) {
    match (state, fact) {
        (state @ PartyState::None, PartyFact::Registered { party, at, registration, terms }) => {
            *state = PartyState::Active(Party {
                id: *party,
                registered_at: *at,
                registration: *registration,
                terms: *terms,
                keys: BTreeMap::new(),
                accepted: BTreeMap::new(),
            });
        }
        (
            PartyState::Active(party) | PartyState::Suspended(party, _),
            PartyFact::KeyBound { at, thumbprint, certificate, history, not_after, .. },
        ) => {
            party.keys.entry(*thumbprint).or_insert(BoundKey {
                certificate: *certificate,
                history: *history,
                not_after: *not_after,
                bound_at: *at,
                unbound: None,
            });
        }
        (
            PartyState::Active(party) | PartyState::Suspended(party, _),
            PartyFact::KeyUnbound { at, thumbprint, reason, .. },
        ) => {
            if let Some(key) = party.keys.get_mut(thumbprint) {
                key.unbound.get_or_insert(Unbound { at: *at, reason: *reason });
            }
        }
        (
            PartyState::Active(party) | PartyState::Suspended(party, _),
            PartyFact::TermsAccepted { at, policy, statement, .. },
        ) => {
            party.accepted.entry(*policy).or_insert(Acceptance { at: *at, statement: *statement });
        }
        (state, PartyFact::Suspended { at, reason, officer, .. }) => {
            *state = match std::mem::take(state) {
                PartyState::Active(party) => {
                    PartyState::Suspended(party, Suspension { at: *at, reason: *reason, officer: *officer })
                }
                other => other,
            };
        }
        (state, PartyFact::Reinstated { .. }) => {
            *state = match std::mem::take(state) {
                PartyState::Suspended(party, _) => PartyState::Active(party),
                other => other,
            };
        }
        (_, _) => {}
    }
}
