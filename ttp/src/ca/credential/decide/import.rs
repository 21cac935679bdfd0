//! Take over what another issued: its history begins here with what is known of it.

use super::super::{CertificateState, Credential, CredentialEffect, CredentialRefusal, Import};
use crate::ca::CaFact;
use crate::role::Decided;

pub(super) fn import(state: &CertificateState, event: &Import) -> Result<Decided<Credential>, CredentialRefusal> {
    if !event.clock.may_issue() {
        return Err(CredentialRefusal::Clock { verdict: event.clock });
    }
    if *state != CertificateState::None {
        return Err(CredentialRefusal::SerialTaken);
    }
    let Import { ca, serial, public_key, validity, revoked, .. } = event;
    let fact = CaFact::CertificateImported {
        ca: *ca,
        serial: serial.clone(),
        public_key: *public_key,
        not_before: validity.not_before,
        not_after: validity.not_after,
        revoked: *revoked,
    };
    Ok((vec![fact], revoked.iter().map(|_| CredentialEffect::ListDue).collect()))
}
