//! Open an act that waits. It has its number from now on.

use super::super::{
    ActType, Journal, JournalEffect, JournalFact, JournalState, NotaryRefusal, OPEN_MAX, Open, SIGNERS_MAX,
};
use super::{require_new, require_report, with_report};
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn open(state: &JournalState, event: &Open, now: Timestamp) -> Result<Decided<Journal>, NotaryRefusal> {
    let Open { id, act, request, requester, subject, held, ref signers, needs_person, life_secs, report } = *event;
    require_new(state, id)?;
    require_report(act.has_report(), report)?;
    let found = signers.len();
    match act {
        ActType::Contract if !(1..=SIGNERS_MAX).contains(&found) => return Err(NotaryRefusal::Signers { found }),
        ActType::Contract => {}
        _ if found > 0 => return Err(NotaryRefusal::NoContract),
        _ if !needs_person => return Err(NotaryRefusal::NothingToWaitFor),
        _ => {}
    }
    if state.open.len() >= OPEN_MAX {
        return Err(NotaryRefusal::Full);
    }
    let fact = JournalFact::Opened {
        id,
        number: state.last + 1,
        at: now,
        act,
        request,
        requester,
        subject,
        held,
        signers: signers.clone(),
        needs_person,
        expires_at: now.plus_secs(life_secs),
        report,
    };
    Ok(with_report((vec![fact], vec![JournalEffect::Keep]), report, now))
}
