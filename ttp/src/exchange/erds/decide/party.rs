//! What the sides show: that the recipient takes the delivery, refuses it, or has it.

use super::{Grounds, Log};
use crate::exchange::erds::{ErdsRefusal, Signed};
use crate::statement::exchange::erds::{ErdsEvent, ErdsReason, RefuseReason};

fn by(signed: &Signed) -> Grounds {
    Grounds { statement: Some(signed.request), verdict: None }
}

/// The first d2 that is shown counts: another one of the same recipient says the same.
pub(super) fn accept(log: &mut Log, signed: &Signed) -> Result<(), ErdsRefusal> {
    if !log.state.has(ErdsEvent::ConsignmentAcceptance) {
        log.positive(ErdsEvent::ConsignmentAcceptance, signed.claimed_ms, by(signed));
    }
    Ok(())
}

/// It binds nobody: a recipient that signs d2 afterwards is bound by that. Behind d2 it is nothing.
pub(super) fn refuse(log: &mut Log, signed: &Signed, reason: Option<RefuseReason>) -> Result<(), ErdsRefusal> {
    let has = |event| log.state.has(event);
    if has(ErdsEvent::ConsignmentRejection) {
        return Ok(());
    }
    if has(ErdsEvent::ConsignmentAcceptance) || has(ErdsEvent::ContentConsignment) || has(ErdsEvent::ContentHandover) {
        return Err(ErdsRefusal::Accepted);
    }
    if has(ErdsEvent::AcceptanceRejectionExpiry) || has(ErdsEvent::ContentConsignmentFailure) {
        return Err(ErdsRefusal::NothingToRefuse);
    }
    let reason = reason.map_or(ErdsReason::Refused, ErdsReason::from);
    log.event(ErdsEvent::ConsignmentRejection, signed.claimed_ms, Some(reason), by(signed));
    Ok(())
}

/// d4 says that the recipient has the message, wherever it got the key.
pub(super) fn received(log: &mut Log, signed: &Signed) -> Result<(), ErdsRefusal> {
    if !log.state.has(ErdsEvent::ContentHandover) {
        log.positive(ErdsEvent::ContentHandover, signed.claimed_ms, by(signed));
    }
    Ok(())
}
