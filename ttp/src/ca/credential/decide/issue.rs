//! Issue a certificate (spec §12).

use super::super::{CertificateState, Credential, CredentialEffect, CredentialRefusal, Issue, IssueRefusal};
use crate::ca::CaFact;
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn issue(
    state: &CertificateState,
    event: &Issue,
    now: Timestamp,
) -> Result<Decided<Credential>, CredentialRefusal> {
    if !event.clock.may_issue() {
        return Err(CredentialRefusal::Clock { verdict: event.clock });
    }
    if *state != CertificateState::None {
        return Err(CredentialRefusal::SerialTaken);
    }
    if event.issuer_revoked || !event.issuer_validity.contains(now) {
        return Err(CredentialRefusal::Issue(IssueRefusal::Issuer));
    }
    if event.key_compromised {
        return Err(CredentialRefusal::Issue(IssueRefusal::KeyCompromised));
    }
    if event.lint_stops {
        return Err(CredentialRefusal::Issue(IssueRefusal::Lint));
    }
    let Issue { list, class, serial, public_key, validity, grounds, .. } = event;
    let fact = CaFact::CertificateIssued {
        issuer: list.ca.authority,
        profile: *class,
        serial: serial.clone(),
        public_key: *public_key,
        not_before: validity.not_before,
        not_after: validity.not_after,
        grounds: Some(grounds.clone()),
    };
    Ok((vec![fact], vec![CredentialEffect::Sign]))
}
