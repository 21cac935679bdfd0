//! Apply for certificates (EN 319 411-1 §6.2.2, §6.3.1).

use std::collections::BTreeSet;

use super::super::{Apply, KEYS_MAX, Registration, RegistrationFact, RegistrationRefusal};
use crate::ca::profile::ProfileCode;
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn apply(event: &Apply, now: Timestamp) -> Result<Decided<Registration>, RegistrationRefusal> {
    let Apply { id, keys, subject, applicant, terms, officers_needed, applied_by, .. } = event;
    if !(1..=KEYS_MAX).contains(&keys.len()) {
        return Err(RegistrationRefusal::Keys { found: keys.len() });
    }
    let different: BTreeSet<_> = keys.iter().map(|key| key.public_key).collect();
    if different.len() != keys.len() {
        return Err(RegistrationRefusal::SameKey);
    }
    // What an officer does, no operator does (EN 319 401, REQ-7.2-14).
    let asks = |class: ProfileCode| keys.iter().any(|key| key.class == class.code());
    if asks(ProfileCode::Officer) && asks(ProfileCode::Operator) {
        return Err(RegistrationRefusal::ConflictingDuties);
    }
    if !(1..=2).contains(officers_needed) {
        return Err(RegistrationRefusal::OfficersNeeded { found: *officers_needed });
    }
    if event.key_compromised {
        return Err(RegistrationRefusal::KeyCompromised);
    }
    if event.key_taken {
        return Err(RegistrationRefusal::KeyTaken);
    }
    if event.party_taken {
        return Err(RegistrationRefusal::PartyTaken);
    }
    let fact = RegistrationFact::Applied {
        id: *id,
        at: now,
        keys: keys.clone(),
        subject: *subject,
        applicant: *applicant,
        terms: *terms,
        officers_needed: *officers_needed,
        applied_by: *applied_by,
    };
    Ok((vec![fact], Vec::new()))
}
