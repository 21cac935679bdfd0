//! Refuse an application. The reason is a code: what else there is to say stands in the officer's own record.

use super::super::{
    Refuse, RefusedBy, Registration, RegistrationEffect, RegistrationFact, RegistrationRefusal, RegistrationState,
};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn refuse(
    state: &RegistrationState,
    event: &Refuse,
    now: Timestamp,
) -> Result<Decided<Registration>, RegistrationRefusal> {
    let application = state.application().ok_or(RegistrationRefusal::NotApplied)?;
    let Refuse { officer, officer_good, reason, .. } = *event;
    if !officer_good {
        return Err(RegistrationRefusal::OfficerNotGood);
    }
    if !reason.is_officers() {
        return Err(RegistrationRefusal::Reason { reason });
    }
    let by = RefusedBy::Officer(officer);
    let fact = RegistrationFact::Refused { id: application.id, at: now, reason, by };
    Ok((vec![fact], vec![RegistrationEffect::Tell]))
}
