//! Approve an application: an officer, or the second of two (EN 319 411-1 REG-6.3.2).

use std::collections::BTreeSet;

use super::super::{
    Approve, Registration, RegistrationEffect, RegistrationFact, RegistrationRefusal, RegistrationState,
};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn approve(
    state: &RegistrationState,
    event: &Approve,
    now: Timestamp,
) -> Result<Decided<Registration>, RegistrationRefusal> {
    let application = state.application().ok_or(RegistrationRefusal::NotApplied)?;
    let (id, officer) = (application.id, event.officer);
    if !event.officer_good {
        return Err(RegistrationRefusal::OfficerNotGood);
    }
    if application.is_of(&officer) {
        return Err(RegistrationRefusal::OwnApplication);
    }
    let before = match state {
        RegistrationState::ApprovedByOne { officer: first, .. } if first.is(&officer) => {
            return Err(RegistrationRefusal::SameOfficer);
        }
        // Whoever held that key may have approved it; a new record of identity begins anew.
        RegistrationState::ApprovedByOne { .. } if event.first_revoked => {
            return Err(RegistrationRefusal::OfficerRevoked);
        }
        RegistrationState::ApprovedByOne { .. } => 1,
        _ => 0,
    };
    if event.applicant_suspended {
        return Err(RegistrationRefusal::ApplicantSuspended);
    }
    let remaining = application.officers_needed.saturating_sub(before + 1);
    if remaining > 0 {
        let (serials, public_keys) = (Vec::new(), Vec::new());
        let fact = RegistrationFact::Approved { id, at: now, officer, remaining, serials, public_keys, party: None };
        return Ok((vec![fact], Vec::new()));
    }
    // Two applications may be open for one key or one name: the first that is approved has it.
    if event.key_taken {
        return Err(RegistrationRefusal::KeyTaken);
    }
    if event.party_taken {
        return Err(RegistrationRefusal::PartyTaken);
    }
    let (expected, found) = (application.keys.len(), event.serials.iter().collect::<BTreeSet<_>>().len());
    if event.serials.len() != expected || found != expected {
        return Err(RegistrationRefusal::Serials { expected, found });
    }
    let fact = RegistrationFact::Approved {
        id,
        at: now,
        officer,
        remaining,
        serials: event.serials.clone(),
        public_keys: application.keys.iter().map(|key| key.public_key).collect(),
        party: Some(application.applicant.unwrap_or(event.party)),
    };
    Ok((vec![fact], vec![RegistrationEffect::Issue]))
}
