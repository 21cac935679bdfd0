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
use super::super::erds::{Refused, Submitted};
use super::super::policy::DeliveryPolicy;
use super::super::run::Keys;
use super::{Filed, Finding};
use crate::digest::Digest;
use crate::statement::exchange::erds::{
    ErdsEvent, ErdsEvidence, ErdsReason, ErdsStage, Issuer, UserContent, evidence_id,
};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Outcome, Side};
use crate::statement::{Body as _, Jws, Statement};

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
        if let Err(finding) = holds(&posted, &told, &verdicts, evidence.rules, keys) {
            judgement.findings.insert(finding);
            continue;
        }
        match held.get(&told.event) {
            // An event occurs once: the same may be signed twice, two different ones not.
            Some(known) if *known != told => {
                judgement.findings.insert(Finding::AgainstTheRules);
            }
            _ => {
                held.insert(told.event, told);
            }
        }
    }
    if held.contains_key(&ErdsEvent::SubmissionRejection) && held.len() > 1 {
        judgement.findings.insert(Finding::AgainstTheRules); // it took and did not take it
    }
    for stage in ErdsStage::ALL {
        let of_stage: Vec<_> = held.values().filter(|told| told.event.stage() == *stage).collect();
        let (proven, is_contradicted) = stands(&of_stage, evidence.rules);
        judgement.findings.extend(is_contradicted.then_some(Finding::AgainstTheRules));
        judgement.stages.extend(proven.map(|proven| (*stage, proven)));
    }
    Ok(judgement)
}

/// Which event of a stage counts, and whether the arbiter contradicts itself.
fn stands(of_stage: &[&ErdsEvidence], rules: DeliveryPolicy) -> (Option<Proven>, bool) {
    let positive = of_stage.iter().find(|told| told.event.is_positive());
    let negatives: Vec<_> = of_stage.iter().filter(|told| !told.event.is_positive()).collect();
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
    let negative = negatives.iter().min_by_key(|told| told.at_ms);
    // C.5 behind C.4, or the reverse: one of them is not awaited any more.
    let is_contradicted = negatives.len() > 1;
    match (positive, negative) {
        (None, None) => (None, false),
        (Some(positive), None) => (Some(proven(positive, None)), false),
        (None, Some(negative)) => (Some(proven(negative, None)), is_contradicted),
        (Some(positive), Some(negative)) => {
            let is_late = positive.codes() == [ErdsReason::AfterNegative] && negative.at_ms <= positive.at_ms;
            let counts = if is_late && !rules.late_counts { negative } else { positive };
            let beside = if is_late && !rules.late_counts { positive } else { negative };
            (Some(proven(counts, Some(beside.event))), is_contradicted || !is_late)
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
    let issuer = Issuer { id: delivery.ttp.id.clone(), key: named };
    let content = UserContent { c_sha256: delivery.c_sha256, c_len: delivery.c_len, hm: delivery.hm };
    let same = (&body.issuer, body.sender, body.recipient) == (&issuer, delivery.o, delivery.r)
        && (body.content, body.policy, body.assurance) == (content, delivery.policy, delivery.assurance)
        && Digest(body.id.0) == evidence_id(&posted.run.x, body.event)
        && common.iat == body.at_ms;
    if same { Ok(body) } else { Err(Broken::Terms { of, why: "it says something else of the delivery than d1" }) }
}

/// Whether an event may be said to have occurred, by what its evidence says and rests on.
fn holds(
    posted: &Posted,
    told: &ErdsEvidence,
    verdicts: &[(Digest, Verdict)],
    rules: DeliveryPolicy,
    keys: Keys<'_>,
) -> Result<(), Finding> {
    let rule = |is_kept: bool| if is_kept { Ok(()) } else { Err(Finding::AgainstTheRules) };
    let reasons = told.codes();
    rule(told.event.may_have(&reasons) && told.submitted_ms <= told.at_ms)?;
    let basis: Option<Vec<Jws>> = told.basis.iter().map(|text| Jws::parse(text.as_bytes()).ok()).collect();
    let basis = basis.ok_or(Finding::AgainstTheRules)?;
    let claimed = |jws: &Jws| jws.common().iat == told.event_ms;
    let is_late = |passed: bool| if passed { Ok(()) } else { Err(Finding::OutOfTime) };
    // What is recorded for a moment that passed names that moment, and was recorded behind it.
    let passed = |until_ms: u64| is_late(told.event_ms.get() == until_ms && told.at_ms > told.event_ms);
    let end_passed = || match posted.run.t_exp {
        Some(t_exp) if told.outages.is_empty() => passed(t_exp),
        Some(t_exp) => is_late(told.event_ms.get() >= t_exp && told.at_ms > told.event_ms),
        None => Err(Finding::AgainstTheRules),
    };
    // A verdict that was not filed is believed to be as told: whoever doubts it asks for it by its hash.
    let verdict = |is_so: &dyn Fn(&Verdict) -> bool| {
        let named = told.verdict.ok_or(Finding::AgainstTheRules)?;
        let filed = verdicts.iter().find(|(digest, _)| *digest == Digest(named.0)).map(|(_, verdict)| verdict);
        let is_other = filed.is_none() && !verdicts.is_empty();
        rule(!is_other && filed.is_none_or(is_so))
    };
    let unnamed = told.verdict.is_none();
    match (told.event, &basis[..]) {
        (ErdsEvent::SubmissionAcceptance, [submit]) => {
            rule(unnamed && Submitted::read(posted, submit.clone(), rules, keys).is_ok())?;
            is_late(posted.run.t_exp.is_some_and(|t_exp| told.at_ms.get() <= t_exp || !told.outages.is_empty()))
        }
        (ErdsEvent::SubmissionRejection, [submit]) => {
            rule(unnamed && Submitted::read(posted, submit.clone(), rules, keys).is_ok())?;
            match (reasons.first(), posted.run.t_exp) {
                (Some(ErdsReason::NoEnd), t_exp) => rule(t_exp.is_none()),
                (Some(ErdsReason::Expired), t_exp) => is_late(t_exp.is_some_and(|t_exp| told.at_ms.get() > t_exp)),
                (Some(ErdsReason::EndTooFar), t_exp) => {
                    let latest = told.at_ms.get().saturating_add(rules.open_max_ms);
                    rule(t_exp.is_some_and(|t_exp| t_exp > latest))
                }
                _ => Ok(()),
            }
        }
        (ErdsEvent::ConsignmentAcceptance, [d2]) => {
            rule(unnamed && claimed(d2) && posted.agreed(d2.clone(), keys).is_ok())
        }
        (ErdsEvent::ConsignmentRejection, [refuse]) => {
            let read = Refused::read(posted, refuse.clone(), keys).map_err(|_| Finding::AgainstTheRules)?;
            let reason = read.reason.map_or(ErdsReason::Refused, ErdsReason::from);
            rule(unnamed && claimed(refuse) && reasons == [reason])
        }
        (ErdsEvent::ContentHandover, [d4]) if unnamed => rule(claimed(d4) && posted.received(d4, keys).is_ok()),
        (ErdsEvent::ContentHandover, [request]) => {
            rule(posted.resolve_r(request.clone(), true, keys).is_ok())?;
            is_late(told.event_ms <= told.at_ms)?;
            verdict(&|verdict| verdict.outcome == Outcome::Released && verdict.decided_ms <= told.event_ms)
        }
        (ErdsEvent::NotificationForAcceptance, []) => {
            rule(unnamed)?;
            is_late(told.submitted_ms <= told.event_ms && told.event_ms <= told.at_ms)
        }
        (ErdsEvent::NotificationForAcceptanceFailure, []) => match reasons.first() {
            Some(ErdsReason::NoticeLate) => passed(told.submitted_ms.get().saturating_add(rules.notice_ms)),
            _ => rule(unnamed && told.event_ms == told.at_ms),
        },
        (ErdsEvent::AcceptanceRejectionExpiry, []) => rule(unnamed).and_then(|()| end_passed()),
        (ErdsEvent::ContentConsignment, []) => {
            verdict(&|verdict| (verdict.outcome, verdict.decided_ms) == (Outcome::Released, told.event_ms))
        }
        (ErdsEvent::ContentConsignmentFailure, []) => match reasons.first() {
            Some(ErdsReason::TakenBack) => {
                verdict(&|verdict| (verdict.outcome, verdict.decided_ms) == (Outcome::Aborted, told.event_ms))
            }
            Some(ErdsReason::Escrow) => {
                verdict(&|verdict| (verdict.outcome, verdict.decided_ms) == (Outcome::Void, told.event_ms))
            }
            _ => rule(unnamed).and_then(|()| end_passed()),
        },
        (ErdsEvent::ContentHandoverFailure, []) => {
            rule(unnamed)?;
            let released = verdicts.iter().find(|(_, verdict)| verdict.outcome == Outcome::Released);
            match released {
                Some((_, verdict)) => passed(verdict.decided_ms.get().saturating_add(rules.retention_ms)),
                None => is_late(told.at_ms > told.event_ms),
            }
        }
        // Without the statement that leads to it, or with one that does not.
        _ => Err(Finding::AgainstTheRules),
    }
}
