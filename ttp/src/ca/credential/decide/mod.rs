//! One file for each event of a certificate.

mod import;
mod issue;
mod revoke;

use super::{CertificateState, Credential, CredentialEvent, CredentialRefusal};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn decide(
    state: &CertificateState,
    event: &CredentialEvent,
    now: Timestamp,
) -> Result<Decided<Credential>, CredentialRefusal> {
    match event {
        CredentialEvent::Issue(event) => issue::issue(state, event, now),
        CredentialEvent::Revoke(event) => revoke::revoke(state, event, now),
        CredentialEvent::Import(event) => import::import(state, event),
    }
}

#[cfg(test)]
mod tests;
