//! The life of one certificate: issued once, revoked at most once (RFC 5280, ETSI EN 319 411-1 §6.2, §6.3).
//!
//! Who asks: the shell for an approved application or for a key of the service's own, an officer, or a certificate's holder. What
//! is promised: no certificate whose to-be-signed octets the lint stops, none for a key that was compromised, none by a CA out of
//! its validity; what is revoked stays revoked, with its first reason and time. Each certificate is an aggregate of its own, named
//! by issuer and serial number, so all of them are decided in parallel.
//!
//! Its lists are another role ([`super::Crl`]), which reads the names that revocations leave.
//!
//! Out of scope: who may ask (the shell), whether an application was approved ([`crate::registration`]), suspension
//! (certificateHold), which no profile of ours allows.

mod apply;
mod decide;
mod event;
mod refusal;
mod state;

pub use event::{CredentialEvent, Import, Issue, Revoke};
pub use refusal::{CredentialRefusal, IssueRefusal};
pub use state::{CertificateState, Revocation, Status};

use super::CaFact;
use crate::role::{Decided, Role};
use crate::time::Timestamp;

/// The role that decides about one certificate.
#[derive(Clone, Copy, Debug)]
pub struct Credential;

/// What the shell must do for a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialEffect {
    /// Sign what the event named; the certificate is the artefact of the fact.
    Sign,
    /// Its list is no longer complete.
    ListDue,
}

impl Role for Credential {
    type State = CertificateState;
    type Event = CredentialEvent;
    type Fact = CaFact;
    type Effect = CredentialEffect;
    type Refusal = CredentialRefusal;

    fn decide(
        state: &CertificateState,
        event: &CredentialEvent,
        now: Timestamp,
    ) -> Result<Decided<Self>, CredentialRefusal> {
        decide::decide(state, event, now)
    }

    fn apply(state: &mut CertificateState, fact: &CaFact) {
        apply::apply(state, fact);
    }
}
