//! What the arbiter itself has done: left a notice, decided the run, handed the key out.

use super::{Grounds, Log};
use crate::digest::Digest;
use crate::exchange::erds::{ErdsRefusal, NoticeFault, Signed};
use crate::statement::exchange::Outcome;
use crate::statement::exchange::erds::{ErdsEvent, ErdsReason};
use crate::time::Timestamp;

pub(super) fn notified(log: &mut Log, left: Result<Timestamp, NoticeFault>) -> Result<(), ErdsRefusal> {
    let (told, failed) = (ErdsEvent::NotificationForAcceptance, ErdsEvent::NotificationForAcceptanceFailure);
    let is_asked = log.state.submission.as_ref().is_some_and(|(_, posting)| posting.notice);
    let nothing_new = log.state.has(told) || (left.is_err() && log.state.has(failed));
    match left {
        _ if !is_asked => return Err(ErdsRefusal::NoNotice),
        _ if nothing_new => {}
        Ok(at) => log.positive(told, at.millis(), Grounds::default()),
        // Of a recipient that has shown itself, nobody needs to know that no notice reached it.
        Err(_) if !log.state.awaits_notice() => return Err(ErdsRefusal::NoNotice),
        Err(fault) => log.event(failed, log.now.millis(), Some(fault.into()), Grounds::default()),
    }
    Ok(())
}

/// The verdict is what it is: here is recorded what it means for the delivery. EXPIRED is decided after the end, which is found to have
/// passed without it.
pub(super) fn decided(
    log: &mut Log,
    (outcome, at, verdict): (Outcome, Timestamp, Digest),
    d2: Option<&Signed>,
) -> Result<(), ErdsRefusal> {
    let grounds = Grounds { statement: None, verdict: Some(verdict) };
    let (consigned, failed) = (ErdsEvent::ContentConsignment, ErdsEvent::ContentConsignmentFailure);
    let reason = match outcome {
        Outcome::Released => None,
        Outcome::Aborted => Some(ErdsReason::TakenBack),
        Outcome::Void => Some(ErdsReason::Escrow),
        Outcome::Expired => return Ok(()),
        Outcome::Resolved | Outcome::Returned | Outcome::Captured => return Err(ErdsRefusal::OtherOutcome),
    };
    if let Some(signed) = d2 {
        super::party::accept(log, signed)?;
    }
    match reason {
        None if !log.state.has(consigned) => log.positive(consigned, at.millis(), grounds),
        Some(reason) if !log.state.has(consigned) && !log.state.has(failed) => {
            log.event(failed, at.millis(), Some(reason), grounds);
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn collected(log: &mut Log, (at, verdict): (Timestamp, Digest), signed: &Signed) -> Result<(), ErdsRefusal> {
    if !log.state.has(ErdsEvent::ContentConsignment) {
        return Err(ErdsRefusal::NotConsigned);
    }
    if !log.state.has(ErdsEvent::ContentHandover) {
        let grounds = Grounds { statement: Some(signed.request), verdict: Some(verdict) };
        log.positive(ErdsEvent::ContentHandover, at.millis(), grounds);
    }
    Ok(())
}
