//! Register the party of an approved application.

use super::super::{PartyFact, PartyRefusal, PartyRegistry, Register};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn register(event: &Register, now: Timestamp) -> Result<Decided<PartyRegistry>, PartyRefusal> {
    let Register { party, registration, terms, .. } = *event;
    Ok((vec![PartyFact::Registered { party, at: now, registration, terms }], Vec::new()))
}
