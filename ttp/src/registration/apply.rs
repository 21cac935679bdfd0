//! Folding facts into the state of an application.

use super::{Application, Approval, Identity, RegistrationFact, RegistrationState, Rejection};

/// Facts that `decide` would not have made in this state change nothing.
pub(super) fn apply(state: &mut RegistrationState, fact: &RegistrationFact) {
    let next = match (std::mem::take(state), fact) {
        (
            RegistrationState::None,
            RegistrationFact::Applied { id, at, keys, subject, applicant, terms, officers_needed, applied_by },
        ) => RegistrationState::Applied(Application {
            id: *id,
            at: *at,
            keys: keys.clone(),
            subject: *subject,
            applicant: *applicant,
            terms: *terms,
            officers_needed: *officers_needed,
            applied_by: *applied_by,
        }),
        (
            RegistrationState::Applied(application)
            | RegistrationState::Identified(application, _)
            | RegistrationState::ApprovedByOne { application, .. },
            RegistrationFact::IdentityRecorded { at, record, officer, .. },
        ) => RegistrationState::Identified(application, Identity { at: *at, record: *record, officer: *officer }),
        (
            RegistrationState::Identified(application, identity),
            RegistrationFact::Approved { officer, party: None, .. },
        ) => RegistrationState::ApprovedByOne { application, identity, officer: *officer },
        (
            RegistrationState::Identified(application, _) | RegistrationState::ApprovedByOne { application, .. },
            RegistrationFact::Approved { at, officer, serials, party: Some(party), .. },
        ) => {
            let approval = Approval { at: *at, officer: *officer, serials: serials.clone(), party: *party };
            RegistrationState::Approved(application, approval)
        }
        (
            RegistrationState::Applied(application)
            | RegistrationState::Identified(application, _)
            | RegistrationState::ApprovedByOne { application, .. },
            RegistrationFact::Refused { at, reason, by, .. },
        ) => RegistrationState::Refused(application, Rejection { at: *at, reason: *reason, by: *by }),
        (other, _) => other,
    };
    *state = next;
}
