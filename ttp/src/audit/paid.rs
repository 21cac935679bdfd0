//! Paid runs: each decision is made again from what its facts tell, under the absences and the policy of the ledger, and each verdict is held
//! against its fact and against the statements that its history has recorded. The parties' own signatures in it are for whoever judges the run
//! ([`crate::exchange::judge::paid`]); whether money followed, the facts about the money tell.

use std::collections::{BTreeMap, VecDeque};

use super::exchange::AuditedExchanges;
use super::service::made_again;
use super::{Auditor, Case, Given, Outcome, Reason, difference_of, recorded};
use crate::digest::Digest;
use crate::evidence::KeyPurpose;
use crate::exchange::paid::{
    Cause, Clocked, Freeze, Opened, Paid, PaidDecision, PaidEvent, PaidFact, PaidState, Show, Shown, Tell, Thaw,
};
use crate::exchange::tag_of_verdict;
use crate::role::Role as _;
use crate::statement::exchange::Outcome as Decided;
use crate::statement::exchange::cd_r::{D1, D4};
use crate::statement::exchange::pg::{Accept, Cancel, HandedOver, Received, Rejected, Shipped};
use crate::statement::exchange::pr::PaymentReceipt;
use crate::statement::exchange::verdict::Verdict;
use crate::statement::{Body as _, Jws, Statement};
use crate::timestamp::ClockVerdict;

/// Paid runs as folded so far.
#[derive(Debug, Default)]
pub(super) struct AuditedPaid {
    runs: BTreeMap<Digest, Folded>,
}

#[derive(Debug, Default)]
struct Folded {
    state: PaidState,
    /// What the decision behind the fact before leaves besides: it comes next in this run.
    rest: VecDeque<PaidFact>,
    /// The statements of its history, by their steps: digests of exactly what was received.
    kept: BTreeMap<u64, Digest>,
}

impl Auditor {
    pub(super) fn judge_paid(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<PaidFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let x = stated.x();
        let tag = matches!(stated, PaidFact::Decided(_)).then(|| tag_of_verdict(&x));
        if given.entry.tags.as_slice() != tag.as_slice() {
            case.differs("its entry does not bear the tag of its decision, and no other");
        }
        if stated.at() != fact.now {
            case.differs("it states another moment than the one at which it was decided");
        }
        // What a rail tells comes also while the arbiter takes no requests.
        if !matches!(stated, PaidFact::Told { .. }) {
            self.exchanges.acted(stated.at());
        }
        let run = self.paid.runs.entry(x).or_default();
        if let Err(why) = decided_again(run, &stated, &self.exchanges) {
            case.differs(why);
        }
        let again = made_again(fact, stated.clone(), Paid::aggregate(&x), run.state.steps, fact.event_digest);
        if let Some(what) = difference_of(fact, &again) {
            case.differs(what);
        }
        let step = run.state.steps;
        Paid::apply(&mut run.state, &stated);
        if matches!(stated, PaidFact::Told { .. } | PaidFact::Frozen { .. } | PaidFact::Thawed { .. }) {
            return Outcome::Same; // nothing of it is kept but the fact
        }
        let artefact = match given.artefact() {
            Ok(artefact) => artefact,
            Err(outcome) => return outcome,
        };
        let Ok(jws) = Jws::parse(artefact) else { return case.ends("its artefact is no statement") };
        let held = match &stated {
            PaidFact::Decided(decision) => judge_verdict(&jws, decision, run),
            PaidFact::Shown { what, statement, by, .. } => {
                run.kept.insert(step, jws.digest());
                let is_it = jws.x() == *statement && jws.key_id() == *by && says(*what, &jws);
                if is_it { Ok(()) } else { Err("its artefact is another statement than the one that it tells of") }
            }
            PaidFact::Opened { terms, .. } => {
                run.kept.insert(step, jws.digest());
                let is_it = Opened::claimed(&jws).is_ok_and(|opened| opened.terms == **terms);
                if is_it {
                    Ok(())
                } else {
                    Err("its artefact is another first statement than the one that it tells of")
                }
            }
            PaidFact::Told { .. } | PaidFact::Frozen { .. } | PaidFact::Thawed { .. } => Ok(()), // judged above
        };
        if let Err(why) = held {
            case.differs(why);
        }
        if !matches!(stated, PaidFact::Decided(_)) {
            return Outcome::Same;
        }
        match self.keys.arbiter_signed(&jws, case.index) {
            None => Outcome::Not(Reason::NoCertificate),
            Some(Ok(key)) if key.purpose == KeyPurpose::ArbiterVerdict => Outcome::Same,
            Some(_) => case.ends("its signature is not by the arbiter's key that it names"),
        }
    }
}

/// Makes the decision again from what its fact tells. A decision may leave more than one fact: the others are kept, and must follow.
fn decided_again(run: &mut Folded, stated: &PaidFact, known: &AuditedExchanges) -> Result<(), &'static str> {
    if let Some(expected) = run.rest.pop_front() {
        return if expected == *stated { Ok(()) } else { Err("the decision in front of it left another fact") };
    }
    let policy = match (stated, &run.state.terms) {
        (PaidFact::Opened { terms, .. }, _) => terms.policy,
        (_, Some(terms)) => terms.policy,
        (_, None) => return Err("its run was never begun"),
    };
    let delta_ms = known.delta_ms(&policy).ok_or("its policy was never in force")?;
    let event = event_of(stated).ok_or("no event could have led to it")?;
    // That the clock was good, no fact tells: the ledger got a time. What is told of absences later moved nothing yet.
    let event = Clocked { event, delta_ms, outages: known.outages().to_vec(), clock: ClockVerdict::Synced };
    let Ok((facts, _)) = Paid::decide(&run.state, &event, stated.at()) else {
        return Err("decided again, it is refused");
    };
    let mut facts = VecDeque::from(facts);
    match facts.pop_front() {
        Some(first) if first == *stated => {
            run.rest = facts;
            Ok(())
        }
        _ => Err("decided again, it is another"),
    }
}

/// The event that led to a fact, as far as the fact tells it. Whatever found that time had decided, a look at the clock finds it as well.
fn event_of(stated: &PaidFact) -> Option<PaidEvent> {
    Some(match stated {
        PaidFact::Opened { terms, .. } => PaidEvent::Open(terms.clone()),
        PaidFact::Shown { what, statement, by, delivery, .. } => {
            PaidEvent::Show(Show { what: *what, statement: *statement, by: *by, delivery: *delivery })
        }
        PaidFact::Told { what, source, .. } => PaidEvent::Tell(Tell { what: *what, source: *source }),
        PaidFact::Frozen { case, .. } => PaidEvent::Freeze(Freeze { case: *case }),
        PaidFact::Thawed { case, .. } => PaidEvent::Thaw(Thaw { case: *case }),
        PaidFact::Decided(decision) if decision.cause == Cause::Time => PaidEvent::Wake,
        // It stands behind the fact from which it follows.
        PaidFact::Decided(_) => return None,
    })
}

/// Whether a statement is of the kind that is told of it.
fn says(what: Shown, jws: &Jws) -> bool {
    let tag = match what {
        Shown::Accepted => Accept::TAG,
        Shown::Shipped => Shipped::TAG,
        Shown::HandedOver => HandedOver::TAG,
        Shown::Received => Received::TAG,
        Shown::Rejected => Rejected::TAG,
        Shown::CancelledByPayer | Shown::CancelledByPayee => Cancel::TAG,
        Shown::Receipt => PaymentReceipt::TAG,
        Shown::Posted => D1::TAG,
        Shown::Delivered => D4::TAG,
        Shown::Released | Shown::Returned => {
            let verdict = jws.payload_as::<Verdict>().map(|verdict| verdict.body.outcome);
            return verdict.is_ok_and(|outcome| (outcome == Decided::Released) == (what == Shown::Released));
        }
    };
    jws.tag() == tag
}

/// A verdict says what its fact does, and embeds the statements of the history that its fact names.
fn judge_verdict(jws: &Jws, decision: &PaidDecision, run: &Folded) -> Result<(), &'static str> {
    let Statement { common, body } = jws.payload_as::<Verdict>().map_err(|_| "its artefact is no verdict")?;
    let Verdict { proto, outcome, basis, decided_ms, policy, outages, assurance } = body;
    let moved: Vec<_> = outages.into_iter().map(u64::from).collect();
    let told = decision.end.as_ref().map(|end| end.outages.clone()).unwrap_or_default();
    let same = (proto, outcome, Digest(policy.0)) == (decision.protocol, decision.outcome, decision.policy)
        && u64::from(decided_ms) == decision.at.millis()
        && common.iat == decided_ms
        && common.x == Some(decision.x.into())
        && moved == told
        && assurance == decision.assurance;
    if !same {
        return Err("its verdict says something else than its fact");
    }
    let named = [0].into_iter().chain(decision.basis.iter().copied()).map(|step| run.kept.get(&step).copied());
    let embedded = basis.iter().map(|text| Some(Digest::of(text.as_bytes())));
    if !named.eq(embedded) {
        return Err("its verdict does not embed the statements that its fact names");
    }
    let first = basis.first().and_then(|first| Jws::parse(first.as_bytes()).ok());
    let first = first.and_then(|first| Opened::claimed(&first).ok());
    match first.is_some_and(|first| first.run.ttp.key == jws.key_id()) {
        true => Ok(()),
        false => Err("it is signed by another key than its run names"),
    }
}
