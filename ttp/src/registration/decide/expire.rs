//! End an application that nobody decided: what was proven long ago no longer proves it.

use super::super::{
    Expire, RefusalReason, RefusedBy, Registration, RegistrationEffect, RegistrationFact, RegistrationRefusal,
    RegistrationState,
};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn expire(
    state: &RegistrationState,
    event: &Expire,
    now: Timestamp,
) -> Result<Decided<Registration>, RegistrationRefusal> {
    let application = state.application().ok_or(RegistrationRefusal::NotApplied)?;
    let life_secs = event.life_secs;
    let expires_at = application.at.plus_secs(life_secs);
    if now < expires_at {
        return Err(RegistrationRefusal::NotExpired { expires_at });
    }
    let by = RefusedBy::Age { life_secs };
    let fact = RegistrationFact::Refused { id: application.id, at: now, reason: RefusalReason::Expired, by };
    Ok((vec![fact], vec![RegistrationEffect::Tell]))
}
