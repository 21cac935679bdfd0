//! One file for each event of a journal.

mod approve;
mod certify;
mod expire;
mod keep;
mod open;
mod refuse;
mod release;
mod sign;
mod take;
mod validate;
mod withdraw;

use super::{
    Checks, Clocked, Journal, JournalEffect, JournalFact, JournalState, NotaryRefusal, OpenAct, Reason, RecordedAct,
    Stage,
};
use crate::digest::Digest;
use crate::id::ActId;
use crate::policy::person::Officer;
use crate::role::Decided;
use crate::time::Timestamp;

use super::JournalEvent as Event;

pub(super) fn decide(state: &JournalState, event: &Clocked, now: Timestamp) -> Result<Decided<Journal>, NotaryRefusal> {
    let Clocked { event, clock } = event;
    if !clock.may_issue() {
        return Err(NotaryRefusal::Clock { verdict: *clock });
    }
    match event {
        Event::Validate(event) => validate::validate(state, event, now),
        Event::Certify(event) => certify::certify(state, event, now),
        Event::Open(event) => open::open(state, event, now),
        Event::Sign(event) => sign::sign(state, event, now),
        Event::Take(event) => take::take(state, event, now),
        Event::Release(event) => release::release(state, event, now),
        Event::Approve(event) => approve::approve(state, event, now),
        Event::Refuse(event) => refuse::refuse(state, event, now),
        Event::Withdraw(event) => withdraw::withdraw(state, event, now),
        Event::Expire(event) => expire::expire(state, event, now),
        Event::Keep(event) => Ok(keep::document(event, now)),
        Event::KeepPersonal(event) => Ok(keep::personal(event, now)),
    }
}

/// An act may have no name that an open one has; of those that ended the ledger knows, and refuses the second outcome.
fn require_new(state: &JournalState, id: ActId) -> Result<(), NotaryRefusal> {
    if state.open.contains_key(&id) { Err(NotaryRefusal::AlreadyOpen) } else { Ok(()) }
}

/// The end of an open act.
fn recorded(
    id: ActId,
    act: &OpenAct,
    now: Timestamp,
    reason: Option<Reason>,
    by: Option<(Officer, Checks)>,
) -> JournalFact {
    let OpenAct { number, at: opened_at, act, requester, request, subject, report, .. } = *act;
    let (officer, checks) = by.map_or((None, Checks::none()), |(officer, checks)| (Some(officer), checks));
    JournalFact::Recorded(Box::new(RecordedAct {
        id,
        number,
        at: now,
        opened_at,
        act,
        request,
        requester,
        subject,
        reason,
        officer,
        checks,
        report,
    }))
}

/// One fact, whose record is to be signed.
fn record(fact: JournalFact) -> Decided<Journal> {
    (vec![fact], vec![JournalEffect::SignRecord])
}

/// What certifies a document of the service's own has one, nothing else.
fn require_report(is_due: bool, report: Option<Digest>) -> Result<(), NotaryRefusal> {
    if is_due == report.is_some() { Ok(()) } else { Err(NotaryRefusal::Report) }
}

/// With the fact that carries the report, if there is one.
fn with_report((mut facts, mut effects): Decided<Journal>, report: Option<Digest>, now: Timestamp) -> Decided<Journal> {
    if let (Some(report), Some(id)) = (report, facts.first().map(JournalFact::act)) {
        facts.push(JournalFact::Reported { id, at: now, report });
        effects.push(JournalEffect::KeepReport);
    }
    (facts, effects)
}

/// The act that this officer took, and may decide now.
fn taken_by<'s>(
    state: &'s JournalState,
    id: ActId,
    officer: &Officer,
    officer_good: bool,
) -> Result<&'s OpenAct, NotaryRefusal> {
    let act = state.find(id)?;
    if !officer_good {
        return Err(NotaryRefusal::OfficerNotGood);
    }
    match act.taken {
        // Whoever took it may have signed, or asked, since: never, but a rule that is checked twice holds once.
        Some((taken, _)) if taken.is(officer) && !act.concerns(officer) => Ok(act),
        Some((taken, _)) if taken.is(officer) => Err(NotaryRefusal::OwnAct),
        Some((_, at)) => Err(NotaryRefusal::TakenByOther { until: take::lapses_at(at) }),
        None if act.stage() == Stage::Collecting => Err(NotaryRefusal::Stage { stage: Stage::Collecting }),
        None => Err(NotaryRefusal::NotTaken),
    }
}

#[cfg(test)]
mod tests;
