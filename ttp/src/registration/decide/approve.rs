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
    let before = match state {
        RegistrationState::ApprovedByOne { officer: first, .. } if *first == officer => {
            return Err(RegistrationRefusal::SameOfficer);
        }
        RegistrationState::ApprovedByOne { .. } => 1,
        _ => 0,
    };
    let remaining = application.officers_needed.saturating_sub(before + 1);
    if remaining > 0 {
        let fact = RegistrationFact::Approved { id, at: now, officer, remaining, serials: Vec::new(), party: None };
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
        party: Some(application.applicant.unwrap_or(event.party)),
    };
    Ok((vec![fact], vec![RegistrationEffect::Issue]))
}
