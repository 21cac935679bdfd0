//! What is known of one party.

use std::collections::BTreeMap;

use super::event::Action;
use super::{PartyRefusal, SuspensionReason, UnbindReason};
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::evidence::Aggregate;
use crate::id::{PartyId, RegistrationId};
use crate::time::Timestamp;

/// The state of one PartyId.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PartyState {
    /// Nobody has this name.
    #[default]
    None,
    /// Registered.
    Active(Party),
    /// Registered, and may do nothing for now.
    Suspended(Party, Suspension),
}

/// A party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its name.
    pub id: PartyId,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// The application that was approved.
    pub registration: RegistrationId,
    /// SHA-256 of the statement by which it accepted the terms when it applied.
    pub terms: Digest,
    /// Its keys, also those of the past.
    pub keys: BTreeMap<Thumbprint, BoundKey>,
    /// What it accepted later: policy, and by which statement.
    pub accepted: BTreeMap<Digest, Acceptance>,
}

/// A key of a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundKey {
    /// SHA-256 of its certificate.
    pub certificate: Digest,
    /// The certificate's history.
    pub history: Aggregate,
    /// When the certificate expires, whole seconds.
    pub not_after: Timestamp,
    /// From when on it is the party's.
    pub bound_at: Timestamp,
    /// Until when it was, if it is no longer.
    pub unbound: Option<Unbound>,
}

/// The end of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbound {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: UnbindReason,
}

/// An acceptance of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// When it was recorded.
    pub at: Timestamp,
    /// SHA-256 of the statement.
    pub statement: Digest,
}

/// A suspension that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: SuspensionReason,
    /// SHA-256 of the officer's certificate.
    pub officer: Digest,
}

impl BoundKey {
    /// True if it is the party's at this moment. Both ends of a certificate's validity belong to it (RFC 5280 §4.1.2.5).
    #[must_use]
    pub fn is_good_at(&self, time: Timestamp) -> bool {
        self.bound_at <= time
            && time.whole_secs() <= self.not_after
            && self.unbound.is_none_or(|unbound| time < unbound.at)
    }
}

impl Party {
    /// How many keys are the party's at this moment. One whose certificate expired no longer is, whether that was written down or not.
    #[must_use]
    pub fn keys_bound(&self, now: Timestamp) -> usize {
        self.keys.values().filter(|key| key.is_good_at(now)).count()
    }
}

impl PartyState {
    /// The party, if there is one.
    #[must_use]
    pub const fn party(&self) -> Option<&Party> {
        match self {
            Self::None => None,
            Self::Active(party) | Self::Suspended(party, _) => Some(party),
        }
    }

    /// Whether the party may act now by this key.
    #[must_use]
    pub fn may_act_by(&self, key: Thumbprint, now: Timestamp) -> bool {
        match self {
            Self::Active(party) => party.keys.get(&key).is_some_and(|key| key.is_good_at(now)),
            Self::None | Self::Suspended(..) => false,
        }
    }

    /// What may be done next, by whoever may do it: what `decide` would not refuse for the state alone.
    #[must_use]
    pub fn allowed(&self) -> Vec<Action> {
        Action::ALL.iter().copied().filter(|action| self.guard(*action).is_ok()).collect()
    }

    /// Whether an action has a place in this state.
    pub(super) const fn guard(&self, action: Action) -> Result<(), PartyRefusal> {
        match (self, action) {
            (Self::None, Action::Register)
            | (Self::Active(_), Action::BindKey | Action::UnbindKey | Action::AcceptTerms | Action::Suspend)
            | (Self::Suspended(..), Action::UnbindKey | Action::Reinstate) => Ok(()),
            (Self::None, _) => Err(PartyRefusal::NotRegistered),
            (Self::Active(party) | Self::Suspended(party, _), Action::Register) => {
                Err(PartyRefusal::AlreadyRegistered { registration: party.registration })
            }
            (Self::Active(_), Action::Reinstate) => Err(PartyRefusal::NotSuspended),
            (Self::Suspended(_, suspension), Action::BindKey | Action::AcceptTerms | Action::Suspend) => {
                Err(PartyRefusal::Suspended { since: suspension.at })
            }
        }
    }
}
