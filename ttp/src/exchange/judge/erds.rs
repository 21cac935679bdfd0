//! What the evidence of a registered delivery proves (exchange-and-disputes §13), beside what its statements prove by themselves
//! ([`super::delivery`]).
//!
//! - A piece of evidence counts if the key that d1 names has signed it, its entry in the arbiter's log was shown, and it is of this d1: same
//!   sides, content, policy and worth. Anything else is rejected, and is nobody's fault but of whoever shows it.
//! - What counts and does not hold convicts the arbiter, and proves nothing: an event without the statement that leads to it, with a reason
//!   that it may not have, or after a moment that had not passed.
//! - **Rule 2**: of one stage, what was recorded first stands. A positive event behind the negative one is told beside it, and counts where the
//!   policy says so. A negative event behind the positive one contradicts it: the positive one stands, and the arbiter is convicted.
//! - Positive events are proven for the originator, negative ones for the recipient ([`ErdsEvent::is_for`]). C.3, C.4 and E.1 by d4 embed the
//!   recipient's own statement and hold against it whoever the arbiter is; the others are the arbiter's word.
//! - No event is the verdict's: that a delivery was consigned or failed binds the parties as far as the verdict that it names does.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Broken;
use super::super::cd_r::Posted;
use super::super::erds::{Refused, Submitted, content_of};
use super::super::policy::DeliveryPolicy;
use super::super::run::Keys;
use super::{Fault, Filed, Finding};
use crate::digest::Digest;
use crate::statement::exchange::erds::{ErdsEvent, ErdsEvidence, ErdsReason, ErdsStage, Issuer, evidence_id};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Outcome, Side};
use crate::statement::{Body as _, Jws, Millis, Statement};

/// What was filed.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// d1.
    pub first: Jws,
    /// Evidence of events, each with whether an inclusion proof of its entry was verified beside it.
    pub events: Vec<Filed>,
    /// Verdicts of the arbiter.
    pub verdicts: Vec<Filed>,
    /// What the policy that d1 names says of registered deliveries.
    pub rules: DeliveryPolicy,
}

/// What it proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The run.
    pub x: Digest,
    /// What is proven of each stage.
    pub stages: BTreeMap<ErdsStage, Proven>,
    /// Who has cheated, by its own signatures.
    pub findings: BTreeSet<Finding>,
    /// What was filed and counts for nothing, by its digest.
    pub rejected: Vec<(Digest, Broken)>,
}

/// What is proven of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// What counts.
    pub event: ErdsEvent,
    /// For whom.
    pub is_for: Side,
    /// When it was recorded, milliseconds since 1970.
    pub at_ms: u64,
    /// Why, where it is negative.
    pub reason: Option<ErdsReason>,
    /// What is recorded of the same stage, and does not count: rule 2.
    pub beside: Option<ErdsEvent>,
    /// Whether the recipient's own statement stands behind what counts, so that it is more than the arbiter's word.
    pub is_admitted: bool,
}

/// Judges what was filed of a registered delivery.
///
/// # Errors
/// d1 itself counts for nothing: then there is no run.
pub fn judge(evidence: &Evidence, keys: Keys<'_>) -> Result<Judgement, Broken> {
    let posted = Posted::read(evidence.first.clone(), keys)?;
    let mut judgement =
        Judgement { x: posted.run.x, stages: BTreeMap::new(), findings: BTreeSet::new(), rejected: Vec::new() };
    let mut verdicts = Vec::new();
    for filed in &evidence.verdicts {
        match super::counted(&posted.run, filed, keys) {
            Ok(verdict) => verdicts.push((filed.jws.digest(), verdict)),
            Err(broken) => judgement.rejected.push((filed.jws.digest(), broken)),
        }
    }
    let mut held: BTreeMap<ErdsEvent, ErdsEvidence> = BTreeMap::new();
    for filed in &evidence.events {
        let told = match counted(&posted, filed, keys) {
            Ok(told) => told,
            Err(broken) => {
                judgement.rejected.push((filed.jws.digest(), broken));
                continue;
            }
        };
        match followed(&posted, &told, &verdicts, evidence.rules, None, keys) {
            Ok(()) => {}
            // Whoever leaves out a party's key cannot make the arbiter's check of it fail.
            Err(Fault::Statement(missing @ Broken::UnknownKey { .. })) => {
                judgement.rejected.push((filed.jws.digest(), missing));
                continue;
            }
            Err(fault) => {
                judgement.findings.insert(fault.finding());
                continue;
            }
        }
        if held.values().any(|known| contradiction(known, &told).is_some()) {
            judgement.findings.insert(Finding::AgainstTheRules);
        }
        held.entry(told.event).or_insert(told);
    }
    for stage in ErdsStage::ALL {
        let of_stage: Vec<_> = held.values().filter(|told| told.event.stage() == *stage).collect();
        judgement.stages.extend(stands(&of_stage, evidence.rules).map(|proven| (*stage, proven)));
    }
    Ok(judgement)
}

/// Why two pieces of evidence of one delivery cannot both have been made in good order; `None` where they can. An event occurs once: the
/// same may be signed twice, two different ones not.
#[must_use]
pub fn contradiction(one: &ErdsEvidence, other: &ErdsEvidence) -> Option<&'static str> {
    if one.event == other.event {
        return (one != other).then_some("one event is told twice, and not the same of it");
    }
    if [one, other].iter().any(|told| told.event == ErdsEvent::SubmissionRejection) {
        return Some("the delivery was not taken, and went on");
    }
    if one.event.stage() != other.event.stage() {
        return None;
    }
    match (one.event.is_positive(), other.event.is_positive()) {
        // C.5 behind C.4, or the reverse: one of them is not awaited any more.
        (false, false) => Some("it failed in two ways"),
        (true, false) => (!is_behind(one, other)).then_some("it happened, and then it did not"),
        (false, true) => contradiction(other, one),
        // Each stage has one positive event.
        (true, true) => None,
    }
}

/// Rule 2: a positive event that was recorded behind the negative one of its stage, and says so.
fn is_behind(positive: &ErdsEvidence, negative: &ErdsEvidence) -> bool {
    positive.codes() == [ErdsReason::AfterNegative] && negative.at_ms <= positive.at_ms
}

/// Which event of a stage counts.
fn stands(of_stage: &[&ErdsEvidence], rules: DeliveryPolicy) -> Option<Proven> {
    let positive = of_stage.iter().find(|told| told.event.is_positive());
    let negative = of_stage.iter().filter(|told| !told.event.is_positive()).min_by_key(|told| told.at_ms);
    let proven = |told: &ErdsEvidence, beside: Option<ErdsEvent>| Proven {
        event: told.event,
        is_for: told.event.is_for(),
        at_ms: told.at_ms.get(),
        reason: told.codes().first().copied().filter(|_| !told.event.is_positive()),
        beside,
        is_admitted: match told.event {
            ErdsEvent::ConsignmentAcceptance | ErdsEvent::ConsignmentRejection => true,
            ErdsEvent::ContentHandover => told.verdict.is_none(),
            _ => false,
        },
    };
    match (positive, negative) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(proven(one, None)),
        (Some(positive), Some(negative)) => {
            let negative_counts = is_behind(positive, negative) && !rules.late_counts;
            let (counts, beside) = if negative_counts { (negative, positive) } else { (positive, negative) };
            Some(proven(counts, Some(beside.event)))
        }
    }
}

/// Reads evidence of this delivery.
fn counted(posted: &Posted, filed: &Filed, keys: Keys<'_>) -> Result<ErdsEvidence, Broken> {
    let jws = &filed.jws;
    let of = ErdsEvidence::TAG;
    let read = jws.payload_as::<ErdsEvidence>().map_err(|fault| Broken::Statement { of, fault })?;
    let Statement { common, body } = read;
    let delivery = &posted.delivery;
    if common.x.map(|x| Digest(x.0)) != Some(posted.run.x) {
        return Err(Broken::OtherRun { of });
    }
    let named = delivery.ttp.key;
    if jws.key_id() != named {
        return Err(Broken::OtherArbiter { key: jws.key_id().to_string() });
    }
    let key = keys(&named).ok_or(Broken::UnknownKey { side: "arbiter", key: named.to_string() })?;
    jws.verify(&key).map_err(|fault| Broken::Statement { of, fault })?;
    if !filed.is_logged {
        return Err(Broken::NotLogged);
    }
    match is_of(posted, &jws.common().iat, &body) {
        true => Ok(body),
        false => Err(Broken::Terms { of, why: OTHER_THAN_D1 }),
    }
}

/// What evidence says that names a delivery by x, and other sides, another content, policy or worth than its d1.
pub const OTHER_THAN_D1: &str = "it says something else of the delivery than d1";

/// Whether evidence, signed at `iat`, says of its delivery what d1 says, under its own identifier.
#[must_use]
pub fn is_of(posted: &Posted, iat: &Millis, told: &ErdsEvidence) -> bool {
    let delivery = &posted.delivery;
    let issuer = Issuer { id: delivery.ttp.id.clone(), key: delivery.ttp.key };
    (&told.issuer, told.sender, told.recipient) == (&issuer, delivery.o, delivery.r)
        && (told.content, told.policy, told.assurance) == (content_of(delivery), delivery.policy, delivery.assurance)
        && Digest(told.id.0) == evidence_id(&posted.run.x, told.event)
        && *iat == told.at_ms
}

/// Checks that an event may be said to have occurred, by what its evidence says and rests on, and by what the arbiter's `verdicts` say, each
/// with the hash by which evidence names it. `end` is the end of the run as moved by the outages that the evidence names; without it
/// nothing is said of how far they moved it.
///
/// # Errors
/// [`Fault`]: whoever signed it is convicted of that.
pub fn followed(
    posted: &Posted,
    told: &ErdsEvidence,
    verdicts: &[(Digest, Verdict)],
    rules: DeliveryPolicy,
    end: Option<u64>,
    keys: Keys<'_>,
) -> Result<(), Fault> {
    let reasons = told.codes();
    rule(told.event.may_have(&reasons), "its reason is not one of its event")?;
    rule(told.submitted_ms <= told.at_ms, "it was recorded before the delivery was submitted")?;
    let basis: Result<Vec<Jws>, _> = told.basis.iter().map(|text| Jws::parse(text.as_bytes())).collect();
    let basis = basis.map_err(|fault| Fault::Statement(Broken::Statement { of: "that it embeds", fault }))?;
    let claimed = |jws: &Jws| rule(jws.common().iat == told.event_ms, "it claims another time than its statement");
    let unnamed = rule(told.verdict.is_none(), "its event rests on no verdict");
    // What is recorded for a moment that passed names that moment, and was recorded behind it.
    let passed = |until_ms: u64| {
        in_time(told.event_ms.get() == until_ms, "it names another moment than that which was awaited")?;
        in_time(told.at_ms > told.event_ms, "what it awaited could still come")
    };
    let t_exp = posted.run.t_exp;
    let end = if told.outages.is_empty() { t_exp } else { end.filter(|_| t_exp.is_some()) };
    let end_passed = || match (t_exp, end) {
        (None, _) => rule(false, "the delivery has no end that could have passed"),
        (Some(_), Some(end)) => passed(end),
        (Some(t_exp), None) => {
            in_time(told.event_ms.get() >= t_exp && told.at_ms > told.event_ms, "what it awaited could still come")
        }
    };
    // Whoever had been told of the decision would not have awaited anything any more.
    let undecided = || {
        let is_later = |verdict: &Verdict| verdict.outcome == Outcome::Expired || verdict.decided_ms > told.event_ms;
        rule(
            verdicts.iter().all(|(_, verdict)| is_later(verdict)),
            "the run had been decided before what it awaited could be missed",
        )
    };
    // A verdict that was not filed is believed to be as told: whoever doubts it asks for it by its hash.
    let verdict = |is_when: &dyn Fn(&Verdict) -> bool| {
        let named = told.verdict.ok_or(Fault::Rule("its event rests on a verdict, and it names none"))?;
        let filed = verdicts.iter().find(|(digest, _)| *digest == Digest(named.0)).map(|(_, verdict)| verdict);
        rule(filed.is_some() || verdicts.is_empty(), "it names another verdict than that of the run")?;
        let Some(filed) = filed else { return Ok(()) };
        rule(told.outcome() == Some(filed.outcome), "the verdict that it names does not lead to its event")?;
        rule(is_when(filed), "the verdict that it names was decided at another time than it says")
    };
    let at_decision = |verdict: &Verdict| verdict.decided_ms == told.event_ms;
    match (told.event, &basis[..]) {
        (ErdsEvent::SubmissionAcceptance, [submit]) => {
            unnamed?;
            Submitted::read(posted, submit.clone(), rules, keys)?;
            in_time(t_exp.is_some(), "the delivery has no end, until which its events could be awaited")?;
            in_time(end.is_none_or(|end| told.at_ms.get() <= end), "the end had passed")
        }
        (ErdsEvent::SubmissionRejection, [submit]) => {
            unnamed?;
            Submitted::read(posted, submit.clone(), rules, keys)?;
            match (reasons.first(), t_exp) {
                (Some(ErdsReason::NoEnd), t_exp) => rule(t_exp.is_none(), "the delivery has an end"),
                (Some(ErdsReason::Expired), t_exp) => {
                    in_time(t_exp.is_some_and(|t_exp| told.at_ms.get() > t_exp), "the end had not passed")
                }
                (Some(ErdsReason::EndTooFar), t_exp) => {
                    let latest = told.at_ms.get().saturating_add(rules.open_max_ms);
                    rule(t_exp.is_some_and(|t_exp| t_exp > latest), "the end is not too far ahead")
                }
                _ => Ok(()),
            }
        }
        (ErdsEvent::ConsignmentAcceptance, [d2]) => {
            unnamed?;
            posted.agreed(d2.clone(), keys)?;
            claimed(d2)
        }
        (ErdsEvent::ConsignmentRejection, [refuse]) => {
            unnamed?;
            let read = Refused::read(posted, refuse.clone(), keys)?;
            let reason = read.reason.map_or(ErdsReason::Refused, ErdsReason::from);
            rule(reasons == [reason], "its reason is not the recipient's")?;
            claimed(refuse)
        }
        (ErdsEvent::ContentHandover, [d4]) if told.verdict.is_none() => {
            posted.received(d4, keys)?;
            claimed(d4)
        }
        (ErdsEvent::ContentHandover, [request]) => {
            posted.resolve_r(request.clone(), true, keys)?;
            in_time(told.event_ms <= told.at_ms, "it was recorded before it happened")?;
            verdict(&|verdict| verdict.decided_ms <= told.event_ms)
        }
        (ErdsEvent::NotificationForAcceptance, []) => {
            unnamed?;
            in_time(told.submitted_ms <= told.event_ms, "the notice was left before the delivery was submitted")?;
            in_time(told.event_ms <= told.at_ms, "it was recorded before it happened")
        }
        (ErdsEvent::NotificationForAcceptanceFailure, []) => match reasons.first() {
            Some(ErdsReason::NoticeLate) => passed(told.submitted_ms.get().saturating_add(rules.notice_ms)),
            _ => {
                unnamed?;
                rule(told.event_ms == told.at_ms, "it claims another time than that at which it was recorded")
            }
        },
        (ErdsEvent::AcceptanceRejectionExpiry, []) => {
            unnamed?;
            undecided()?;
            end_passed()
        }
        (ErdsEvent::ContentConsignment, []) => verdict(&at_decision),
        (ErdsEvent::ContentConsignmentFailure, []) => match reasons.first() {
            Some(ErdsReason::TakenBack | ErdsReason::Escrow) => verdict(&at_decision),
            _ => {
                unnamed?;
                undecided()?;
                end_passed()
            }
        },
        (ErdsEvent::ContentHandoverFailure, []) => {
            unnamed?;
            let released = verdicts.iter().find(|(_, verdict)| verdict.outcome == Outcome::Released);
            match released {
                Some((_, verdict)) => passed(verdict.decided_ms.get().saturating_add(rules.retention_ms)),
                None => in_time(told.at_ms > told.event_ms, "what it awaited could still come"),
            }
        }
        _ => Err(Fault::Rule("it rests on other statements than its event does")),
    }
}

fn rule(is_kept: bool, else_: &'static str) -> Result<(), Fault> {
    if is_kept { Ok(()) } else { Err(Fault::Rule(else_)) }
}

fn in_time(is_so: bool, else_: &'static str) -> Result<(), Fault> {
    if is_so { Ok(()) } else { Err(Fault::Time(else_)) }
}
