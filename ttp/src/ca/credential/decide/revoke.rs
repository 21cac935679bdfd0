//! Revoke a certificate (EN 319 411-1 REV-6.2.4, REV-6.3.9).

use super::super::{CertificateState, Credential, CredentialEffect, CredentialRefusal, Revoke};
use crate::ca::CaFact;
use crate::ca::crl::Reason;
use crate::ca::profile::ProfileCode;
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn revoke(
    state: &CertificateState,
    event: &Revoke,
    now: Timestamp,
) -> Result<Decided<Credential>, CredentialRefusal> {
    if !event.clock.may_issue() {
        return Err(CredentialRefusal::Clock { verdict: event.clock });
    }
    let status = state.issued().ok_or(CredentialRefusal::NotIssued)?;
    if let Some(revoked) = status.revoked {
        return Err(CredentialRefusal::AlreadyRevoked { at: revoked.at, reason: revoked.reason });
    }
    if status.class == ProfileCode::Root {
        return Err(CredentialRefusal::Root);
    }
    if !reason_fits(event.reason, status.class) {
        return Err(CredentialRefusal::Reason { reason: event.reason });
    }
    if now.whole_secs() > status.not_after {
        return Err(CredentialRefusal::Expired { not_after: status.not_after });
    }
    let fact = CaFact::CertificateRevoked {
        list: status.list,
        serial: status.serial.clone(),
        // Never before it was issued, which may be in the same second.
        at: now.whole_secs(),
        reason: event.reason,
        public_key: status.public_key,
        not_after: status.not_after,
        certificate: event.certificate,
        officer: event.officer,
    };
    Ok((vec![fact], vec![CredentialEffect::ListDue]))
}

/// A CA's own certificates alone are revoked for a compromise of the CA; web servers by the five reasons of BR 7.2.2, to which
/// "unspecified" belongs as the absence of one.
fn reason_fits(reason: Reason, class: ProfileCode) -> bool {
    match reason {
        Reason::CaCompromise => class.is_ca(),
        Reason::Unspecified
        | Reason::KeyCompromise
        | Reason::AffiliationChanged
        | Reason::Superseded
        | Reason::CessationOfOperation
        | Reason::PrivilegeWithdrawn => true,
    }
}
