//! Evidence of registered deliveries: each decision is made again from what its fact tells, with the end of the run moved by the outages that
//! were told before; what the arbiter signed is made again from its fact and d1, and so is what it embeds. What the arbiter told itself, a
//! verdict and who collected the key, is held against the history of the run.

use std::collections::{BTreeMap, VecDeque};

use super::exchange::AuditedExchanges;
use super::service::made_again;
use super::{Auditor, Case, Given, Outcome, Reason, difference_of, recorded};
use crate::digest::Digest;
use crate::evidence::KeyPurpose;
use crate::exchange::erds::{
    Clocked, ErdsFact, ErdsState, NoticeFault, Occurrence, Posting, Recording, RegisteredDelivery, Signed, end_of,
    evidence_of,
};
use crate::role::Role as _;
use crate::statement::exchange::cd_r::{D1, D2, D4, ResolveR};
use crate::statement::exchange::erds::{ErdsEvent, ErdsEvidence, ErdsReason, Refuse, RefuseReason, Submit};
use crate::statement::exchange::{Outcome as Decided, Side};
use crate::statement::{Body, Jws, Statement};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

/// A registered delivery as folded so far.
#[derive(Debug, Default)]
pub(super) struct FoldedDelivery {
    state: ErdsState,
    /// What the decision behind the fact before leaves besides: it comes next in this delivery.
    rest: VecDeque<ErdsFact>,
    /// d1, where the artefact is kept.
    delivery: Option<D1>,
}

/// All of them.
pub(super) type AuditedDeliveries = BTreeMap<Digest, FoldedDelivery>;

impl Auditor {
    pub(super) fn judge_delivery(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<ErdsFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let x = stated.x();
        if !given.entry.tags.as_slice().is_empty() {
            case.differs("its entry bears a tag, which the evidence of a delivery has not");
        }
        if stated.at() != fact.now {
            case.differs("it states another moment than the one at which it was decided");
        }
        self.exchanges.acted(stated.at());
        let delivery = self.deliveries.entry(x).or_default();
        if let Err(why) = decided_again(delivery, &stated, &self.exchanges) {
            case.differs(why);
        }
        let request = request_of(&stated).unwrap_or(fact.event_digest);
        let aggregate = RegisteredDelivery::aggregate(&x);
        let again = made_again(fact, stated.clone(), aggregate, delivery.state.steps, request);
        if let Some(what) = difference_of(fact, &again) {
            case.differs(what);
        }
        RegisteredDelivery::apply(&mut delivery.state, &stated);
        let artefact = match given.artefact() {
            Ok(artefact) => artefact,
            Err(outcome) => return outcome,
        };
        let Ok(jws) = Jws::parse(artefact) else { return case.ends("its artefact is no statement") };
        let recording = match &stated {
            ErdsFact::Submitted { posting, .. } => {
                // Whether d1 is the originator's, its signature tells whoever judges the delivery.
                match judge_first(&jws, posting, &self.exchanges) {
                    Ok(body) => delivery.delivery = Some(body),
                    Err(why) => case.differs(why),
                }
                return Outcome::Same;
            }
            ErdsFact::Recorded(recording) => recording,
        };
        if let Err(why) = judge_told(recording, &self.exchanges) {
            case.differs(why);
        }
        if let Err(why) = judge_evidence(&jws, recording, delivery) {
            case.differs(why);
        }
        match self.keys.arbiter_signed(&jws, case.index) {
            None => Outcome::Not(Reason::NoCertificate),
            Some(Ok(key)) if key.purpose == KeyPurpose::ArbiterVerdict => Outcome::Same,
            Some(_) => case.ends("its signature is not by the arbiter's key that it names"),
        }
    }
}

/// The statement by which a fact came about, where it is told; what was missed shows by whatever happens.
fn request_of(stated: &ErdsFact) -> Option<Digest> {
    match stated {
        ErdsFact::Submitted { posting, .. } => Some(posting.request),
        ErdsFact::Recorded(recording) => match recording.event {
            ErdsEvent::SubmissionAcceptance | ErdsEvent::SubmissionRejection | ErdsEvent::ConsignmentRejection => {
                recording.statement
            }
            _ => None,
        },
    }
}

/// Makes the decision again from what its fact tells, one fact after the other: whatever a decision left in front of this one is folded
/// already, and whatever was to be left in front of it and was not comes out instead of it.
fn decided_again(
    delivery: &mut FoldedDelivery,
    stated: &ErdsFact,
    told: &AuditedExchanges,
) -> Result<(), &'static str> {
    if let Some(expected) = delivery.rest.pop_front() {
        return if expected == *stated { Ok(()) } else { Err("the decision in front of it left another fact") };
    }
    let posting = match (stated, &delivery.state.submission) {
        (ErdsFact::Submitted { posting, .. }, None) => (**posting).clone(),
        (_, Some((_, posting))) => posting.clone(),
        (_, None) => return Err("it is of a delivery that was not submitted"),
    };
    let policy = told.policy_of(&posting.policy).ok_or("its policy was never in force")?;
    // What is told later moved nothing yet.
    let end = end_of(posting.t_exp, policy.delta_ms, told.outages());
    let decide = |state: &ErdsState, occurrence: Occurrence| {
        // That the clock was good, no fact tells: the ledger got a time.
        let event = Clocked { occurrence, end: end.clone(), clock: ClockVerdict::Synced };
        RegisteredDelivery::decide(state, &event, stated.at()).map_or(VecDeque::new(), |(facts, _)| facts.into())
    };
    let again = match stated {
        // Whether the recipient was known, the register told: believed, as what follows says it.
        ErdsFact::Submitted { .. } => {
            let posting = Box::new(posting);
            return match decide(&delivery.state, Occurrence::Submit { posting, knows_recipient: true }).front() {
                Some(first) if first == stated => Ok(()),
                _ => Err("decided again, it is another"),
            };
        }
        ErdsFact::Recorded(recording) if recording.event.stage() == ErdsEvent::SubmissionAcceptance.stage() => {
            let knows_recipient = recording.reason != Some(ErdsReason::UnknownRecipient);
            let again =
                decide(&ErdsState::default(), Occurrence::Submit { posting: Box::new(posting), knows_recipient });
            let is_next = delivery.state.steps == 1;
            return match again.get(1) {
                Some(next) if next == stated && is_next => Ok(()),
                _ => Err("decided again, the delivery is taken otherwise, or not taken otherwise"),
            };
        }
        ErdsFact::Recorded(recording) => {
            let occurrence = occurrence_of(recording).ok_or("nothing could have led to it")?;
            let mut again = decide(&delivery.state, occurrence);
            // d2 that stands in a verdict was shown when that was decided, whenever it was told here.
            if again.front() != Some(stated)
                && let Some(occurrence) = by_verdict(recording, told)
            {
                again = decide(&delivery.state, occurrence);
                if again.front() == Some(stated) {
                    again.pop_front();
                    delivery.rest = again;
                    return Ok(());
                }
            }
            again
        }
    };
    if again.front() == Some(stated) { Ok(()) } else { Err("decided again, it is another") }
}

/// What led to an event, as far as its fact tells it.
fn occurrence_of(recording: &Recording) -> Option<Occurrence> {
    let Recording { event, event_ms, reason, statement, verdict, .. } = recording;
    let at = Timestamp::from_millis(*event_ms);
    let signed = statement.map(|request| Signed { request, claimed_ms: *event_ms });
    let decided = |outcome| Some(Occurrence::Decided { outcome, at, verdict: (*verdict)?, d2: None });
    match (event, reason) {
        (ErdsEvent::NotificationForAcceptance, _) => Some(Occurrence::Notified(Ok(at))),
        (_, Some(ErdsReason::NoAddress)) => Some(Occurrence::Notified(Err(NoticeFault::NoAddress))),
        (_, Some(ErdsReason::NoticeFailed)) => Some(Occurrence::Notified(Err(NoticeFault::Failed))),
        (ErdsEvent::ConsignmentAcceptance, _) => signed.map(Occurrence::Accept),
        (ErdsEvent::ConsignmentRejection, Some(reason)) => {
            let reason = match reason {
                ErdsReason::NotWanted => Some(RefuseReason::NotWanted),
                ErdsReason::NotForRecipient => Some(RefuseReason::NotForMe),
                ErdsReason::ContentMissing => Some(RefuseReason::ContentMissing),
                _ => None,
            };
            signed.map(|signed| Occurrence::Refuse { signed, reason })
        }
        (ErdsEvent::ContentConsignment, _) => decided(Decided::Released),
        (_, Some(ErdsReason::TakenBack)) => decided(Decided::Aborted),
        (_, Some(ErdsReason::Escrow)) => decided(Decided::Void),
        (ErdsEvent::ContentHandover, _) => match *verdict {
            Some(verdict) => signed.map(|signed| Occurrence::Collected { at, verdict, signed }),
            None => signed.map(Occurrence::Received),
        },
        // What was awaited and did not come.
        _ => Some(Occurrence::Wake),
    }
}

fn by_verdict(recording: &Recording, told: &AuditedExchanges) -> Option<Occurrence> {
    let (decision, verdict) = told.decision_of(&recording.x)?;
    let request = recording.statement.filter(|_| recording.event == ErdsEvent::ConsignmentAcceptance)?;
    let d2 = Some(Signed { request, claimed_ms: recording.event_ms });
    Some(Occurrence::Decided { outcome: decision.outcome, at: decision.at, verdict, d2 })
}

/// What rests on a verdict rests on that of the run, and what says that the key was collected on the run's own fact.
fn judge_told(recording: &Recording, told: &AuditedExchanges) -> Result<(), &'static str> {
    let Recording { x, event, event_ms, statement, verdict, .. } = recording;
    let Some(named) = verdict else { return Ok(()) };
    let (decision, verdict) = told.decision_of(x).ok_or("it rests on a verdict of a run that was not decided")?;
    if *named != verdict {
        return Err("it rests on another verdict than the run's");
    }
    if *event == ErdsEvent::ContentHandover {
        let collected = told.collected(x);
        let is_so = collected.is_some_and(|(at, request)| at.millis() == *event_ms && Some(request) == *statement);
        return if is_so { Ok(()) } else { Err("it says that the key was collected, and the run's history does not") };
    }
    let is_positive = decision.outcome == Decided::Released;
    if decision.at.millis() != *event_ms || event.is_positive() != is_positive {
        return Err("it says something else of the verdict than the run's history");
    }
    Ok(())
}

fn judge_first(jws: &Jws, posting: &Posting, told: &AuditedExchanges) -> Result<D1, &'static str> {
    let Posting { x, request: _, policy, assurance, o, r, t_exp, notice: _, rules } = posting;
    let body = jws.payload_as::<D1>().map_err(|_| "its artefact is no delivery")?.body;
    let same = jws.x() == *x
        && jws.key_id() == *o
        && (body.o.key, body.r.key, Digest(body.policy.0)) == (*o, *r, *policy)
        && (body.assurance, body.t_exp.map(u64::from)) == (*assurance, *t_exp);
    if !same {
        return Err("what was submitted is something else than its fact says");
    }
    match told.policy_of(policy).map(|policy| policy.delivery) {
        Some(Some(known)) if known == *rules => Ok(body),
        _ => Err("its rules are not those of its policy"),
    }
}

/// The evidence is what its fact and d1 make it, and rests on the statement that its event needs.
fn judge_evidence(jws: &Jws, recording: &Recording, delivery: &FoldedDelivery) -> Result<(), &'static str> {
    let Statement { common, body } = jws.payload_as::<ErdsEvidence>().map_err(|_| "its artefact is no evidence")?;
    if common.x != Some(recording.x.into()) {
        return Err("its artefact is of another run");
    }
    if common.iat != recording.at.into() {
        return Err("its artefact is of another moment");
    }
    let basis: Vec<Jws> = body.basis.iter().filter_map(|text| Jws::parse(text.as_bytes()).ok()).collect();
    if basis.len() != body.basis.len() || !basis.iter().map(Jws::x).eq(recording.statement) {
        return Err("its evidence rests on another statement than its fact");
    }
    let (Some((at, posting)), Some(first)) = (&delivery.state.submission, &delivery.delivery) else {
        return Ok(()); // d1 is not kept, and its own fact says so
    };
    if evidence_of(first, *at, recording, basis.first()) != body {
        return Err("its evidence says something else than its fact");
    }
    if jws.key_id() != first.ttp.key {
        return Err("it is signed by another key than its run names");
    }
    let Some(basis) = basis.first() else {
        return if needs_statement(recording) { Err("its evidence rests on nothing") } else { Ok(()) };
    };
    let is_by = |side: Side| {
        let key = if side == Side::Originator { posting.o } else { posting.r };
        basis.key_id() == key && basis.common().x == Some(recording.x.into())
    };
    let claims = |is_so: bool| is_so && basis.common().iat.get() == recording.event_ms;
    let rests = match recording.event {
        ErdsEvent::SubmissionAcceptance | ErdsEvent::SubmissionRejection => {
            is_by(Side::Originator) && body_of::<Submit>(basis).is_some_and(|submit| submit.notice == posting.notice)
        }
        ErdsEvent::ConsignmentAcceptance => claims(is_by(Side::Responder) && body_of::<D2>(basis).is_some()),
        ErdsEvent::ConsignmentRejection => {
            let reason = body_of::<Refuse>(basis).map(|refuse| refuse.reason.map_or(ErdsReason::Refused, Into::into));
            claims(is_by(Side::Responder) && reason.is_some() && reason == recording.reason)
        }
        ErdsEvent::ContentHandover if recording.verdict.is_some() => {
            is_by(Side::Responder) && body_of::<ResolveR>(basis).is_some()
        }
        ErdsEvent::ContentHandover => {
            claims(is_by(Side::Responder) && body_of::<D4>(basis).is_some_and(|d4| d4.hm == first.hm))
        }
        _ => false,
    };
    if rests { Ok(()) } else { Err("its evidence rests on a statement that does not lead to it") }
}

/// Whether the event is one that a party's statement leads to.
const fn needs_statement(recording: &Recording) -> bool {
    matches!(
        recording.event,
        ErdsEvent::SubmissionAcceptance
            | ErdsEvent::SubmissionRejection
            | ErdsEvent::ConsignmentAcceptance
            | ErdsEvent::ConsignmentRejection
            | ErdsEvent::ContentHandover
    )
}

fn body_of<B: Body>(jws: &Jws) -> Option<B> {
    jws.payload_as::<B>().ok().map(|statement| statement.body)
}
