//! A delivery is submitted: taken, or not. Either is signed.

use super::{Grounds, Log};
use crate::exchange::erds::{ErdsEffect, ErdsFact, Posting};
use crate::exchange::expiry::End;
use crate::statement::exchange::erds::{ErdsEvent, ErdsReason};

pub(super) fn submit(log: &mut Log, posting: &Posting, knows_recipient: bool, end: &End) {
    let now = log.now;
    let reason = match posting.t_exp {
        None => Some(ErdsReason::NoEnd),
        Some(_) if end.has_passed(now) => Some(ErdsReason::Expired),
        Some(t_exp) if t_exp > now.millis().saturating_add(posting.rules.open_max_ms) => Some(ErdsReason::EndTooFar),
        Some(_) if !knows_recipient => Some(ErdsReason::UnknownRecipient),
        Some(_) => None,
    };
    log.push(ErdsFact::Submitted { at: now, posting: Box::new(posting.clone()) }, ErdsEffect::KeepDelivery);
    let event = match reason {
        None => ErdsEvent::SubmissionAcceptance,
        Some(_) => ErdsEvent::SubmissionRejection,
    };
    // Taken behind t_exp only where an absence moved the end, and that is told.
    let is_behind = reason.is_none() && posting.t_exp.is_some_and(|t_exp| now.millis() > t_exp);
    let outages = if is_behind { end.outages.clone() } else { Vec::new() };
    let grounds = Grounds { statement: Some(posting.request), verdict: None };
    log.record(event, now.millis(), reason, grounds, outages);
}
