//! What is asked of a party.

use super::{ReinstatementReason, SuspensionReason, UnbindReason};
use crate::cbor::Writer;
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::evidence::{Aggregate, codes};
use crate::id::{PartyId, RegistrationId};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

codes! {
    /// What may be done with a party, by the names that `allowed_actions` has. The numbers stand in digests of events.
    Action {
        /// Register it.
        Register = 0 "register",
        /// Bind a key.
        BindKey = 1 "bind_key",
        /// Unbind a key.
        UnbindKey = 2 "unbind_key",
        /// Accept terms.
        AcceptTerms = 3 "accept_terms",
        /// Suspend it.
        Suspend = 4 "suspend",
        /// Reinstate it.
        Reinstate = 5 "reinstate",
    }
}

/// An event of one party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartyEvent {
    /// Register it.
    Register(Register),
    /// Bind a key.
    BindKey(BindKey),
    /// Unbind a key.
    UnbindKey(UnbindKey),
    /// Accept terms.
    AcceptTerms(AcceptTerms),
    /// Suspend it.
    Suspend(Suspend),
    /// Reinstate it.
    Reinstate(Reinstate),
}

/// The party of an application that was approved in full, which named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Its name.
    pub party: PartyId,
    /// The application.
    pub registration: RegistrationId,
    /// SHA-256 of the statement by which it accepted the terms.
    pub terms: Digest,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// A certificate of the party was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindKey {
    /// The key: its RFC 7638 thumbprint.
    pub thumbprint: Thumbprint,
    /// SHA-256 of the certificate.
    pub certificate: Digest,
    /// The certificate's history.
    pub history: Aggregate,
    /// When the certificate expires, whole seconds.
    pub not_after: Timestamp,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// A certificate of the party is good no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbindKey {
    /// The key: its RFC 7638 thumbprint.
    pub thumbprint: Thumbprint,
    /// Why.
    pub reason: UnbindReason,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// The party accepts terms. The shell has verified the statement, and that it is of this party and policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptTerms {
    /// SHA-256 of the terms.
    pub policy: Digest,
    /// SHA-256 of exactly the statement, which is the artefact.
    pub statement: Digest,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// An officer suspends the party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspend {
    /// SHA-256 of the officer's certificate.
    pub officer: Digest,
    /// Why.
    pub reason: SuspensionReason,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// An officer reinstates the party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reinstate {
    /// SHA-256 of the officer's certificate.
    pub officer: Digest,
    /// Why.
    pub reason: ReinstatementReason,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

impl PartyEvent {
    /// What it is.
    #[must_use]
    pub const fn action(&self) -> Action {
        match self {
            Self::Register(_) => Action::Register,
            Self::BindKey(_) => Action::BindKey,
            Self::UnbindKey(_) => Action::UnbindKey,
            Self::AcceptTerms(_) => Action::AcceptTerms,
            Self::Suspend(_) => Action::Suspend,
            Self::Reinstate(_) => Action::Reinstate,
        }
    }

    pub(super) const fn clock(&self) -> ClockVerdict {
        match self {
            Self::Register(event) => event.clock,
            Self::BindKey(event) => event.clock,
            Self::UnbindKey(event) => event.clock,
            Self::AcceptTerms(event) => event.clock,
            Self::Suspend(event) => event.clock,
            Self::Reinstate(event) => event.clock,
        }
    }

    /// What stands in the fact as `event_digest`: SHA-256 of what was asked, `[action, …]`, which an auditor can make again from
    /// the fact.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut w = Writer::default();
        let action = self.action().code();
        match self {
            Self::Register(Register { party, registration, terms, .. }) => {
                w.array(4).uint(action).bytes(party.octets()).bytes(registration.octets()).bytes(terms.as_bytes());
            }
            Self::BindKey(BindKey { thumbprint, certificate, history, not_after, .. }) => {
                w.array(5).uint(action).bytes(thumbprint.0.as_bytes()).bytes(certificate.as_bytes());
                w.bytes(&history.0).uint(not_after.secs());
            }
            Self::UnbindKey(UnbindKey { thumbprint, reason, .. }) => {
                w.array(3).uint(action).bytes(thumbprint.0.as_bytes()).uint(reason.code());
            }
            Self::AcceptTerms(AcceptTerms { policy, statement, .. }) => {
                w.array(3).uint(action).bytes(policy.as_bytes()).bytes(statement.as_bytes());
            }
            Self::Suspend(Suspend { officer, reason, .. }) => {
                w.array(3).uint(action).bytes(officer.as_bytes()).uint(reason.code());
            }
            Self::Reinstate(Reinstate { officer, reason, .. }) => {
                w.array(3).uint(action).bytes(officer.as_bytes()).uint(reason.code());
            }
        }
        Digest::of(&w.finish())
    }
}
