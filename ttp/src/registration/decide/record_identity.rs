//! Record how the applicant's identity was proven (EN 319 411-1 §6.2.2, REG-6.3.2).

use super::super::{RecordIdentity, Registration, RegistrationFact, RegistrationRefusal, RegistrationState};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn record_identity(
    state: &RegistrationState,
    event: &RecordIdentity,
    now: Timestamp,
) -> Result<Decided<Registration>, RegistrationRefusal> {
    let application = state.application().ok_or(RegistrationRefusal::NotApplied)?;
    let RecordIdentity { record, officer, officer_good, .. } = *event;
    if !officer_good {
        return Err(RegistrationRefusal::OfficerNotGood);
    }
    if application.is_of(&officer) {
        return Err(RegistrationRefusal::OwnApplication);
    }
    let fact = RegistrationFact::IdentityRecorded { id: application.id, at: now, record, officer };
    Ok((vec![fact], Vec::new()))
}
