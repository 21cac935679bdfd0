//! Withdraw an application. The applicant knows, so nobody is told.

use super::super::{RefusalReason, RefusedBy, Registration, RegistrationFact, RegistrationRefusal, RegistrationState};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn withdraw(
    state: &RegistrationState,
    now: Timestamp,
) -> Result<Decided<Registration>, RegistrationRefusal> {
    let application = state.application().ok_or(RegistrationRefusal::NotApplied)?;
    let reason = RefusalReason::WithdrawnByApplicant;
    let fact = RegistrationFact::Refused { id: application.id, at: now, reason, by: RefusedBy::Applicant };
    Ok((vec![fact], Vec::new()))
}
