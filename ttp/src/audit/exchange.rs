//! The arbiter's runs: each decision is made again from what its fact tells, and each verdict and answer is held against its fact, by the
//! statements that it embeds and by the key that signed it. The parties' own signatures in it are for whoever judges the run
//! ([`crate::exchange::judge`]).

use std::collections::BTreeMap;

use super::service::made_again;
use super::{Auditor, Case, Given, Outcome, Reason, difference_of, recorded};
use crate::crypto::jose::Thumbprint;
use crate::crypto::jwe::Escrow;
use crate::digest::Digest;
use crate::evidence::KeyPurpose;
use crate::exchange::expiry::{Outage, end};
use crate::exchange::{
    Ask, Clocked, Decision, Demand, Exchange, ExchangeFact, ExchangeState, policy::ExchangePolicy, run::Run,
    tag_of_verdict,
};
use crate::role::Role as _;
use crate::statement::exchange::asw_r::{Abort, M2};
use crate::statement::exchange::cd_r::{AbortDelivery, D2, ResolveR};
use crate::statement::exchange::verdict::{Answer, Verdict};
use crate::statement::exchange::{Outcome as Decided, Protocol, Side};
use crate::statement::{Body, Jws, Statement};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

/// The arbiter's runs as folded so far.
#[derive(Debug, Default)]
pub(super) struct AuditedExchanges {
    runs: BTreeMap<Digest, Folded>,
    /// In the order in which they were told.
    outages: Vec<Outage>,
    /// When it last decided or answered.
    last_acted: Timestamp,
    /// Policies for exchanges that are or were in force.
    policies: BTreeMap<Digest, ExchangePolicy>,
}

#[derive(Debug, Default)]
struct Folded {
    state: ExchangeState,
    /// Digest of the verdict.
    verdict: Option<Digest>,
    /// When the recipient of a delivery was given the key, and by which request.
    collected: Option<(Timestamp, Digest)>,
    /// The answer in front of this entry: to whom, and to which request.
    answered: Option<(Thumbprint, Digest)>,
}

impl AuditedExchanges {
    /// A policy for exchanges came into force.
    pub(super) fn policy(&mut self, document: &[u8]) -> bool {
        let Ok(policy) = ExchangePolicy::parse(document) else { return false };
        self.policies.insert(Digest::of(document), policy);
        true
    }

    /// A policy that is or was in force.
    pub(super) fn policy_of(&self, hash: &Digest) -> Option<&ExchangePolicy> {
        self.policies.get(hash)
    }

    /// What was decided about a run so far, with the digest of the verdict.
    pub(super) fn decision_of(&self, x: &Digest) -> Option<(&Decision, Digest)> {
        let run = self.runs.get(x)?;
        run.state.decision.as_ref().map(|(_, decision)| decision).zip(run.verdict)
    }

    /// When the key of a delivery was collected, and by which request.
    pub(super) fn collected(&self, x: &Digest) -> Option<(Timestamp, Digest)> {
        self.runs.get(x)?.collected
    }

    /// The outages that were told so far.
    pub(super) fn outages(&self) -> &[Outage] {
        &self.outages
    }

    /// The arbiter decided something.
    pub(super) fn acted(&mut self, at: Timestamp) {
        self.last_acted = self.last_acted.max(at);
    }

    /// δ of a policy that is or was in force.
    pub(super) fn delta_ms(&self, policy: &Digest) -> Option<u64> {
        self.policy_of(policy).map(|policy| policy.delta_ms)
    }

    /// The arbiter was away, as it says: false if it has decided meanwhile.
    pub(super) fn outage(&mut self, (from_millis, to_millis): (u64, u64), index: u64) -> bool {
        let (from, to) = (Timestamp::from_millis(from_millis), Timestamp::from_millis(to_millis));
        // Two within one millisecond have one name, by which the arbiter finds the later.
        self.outages.retain(|told| (told.from, told.to) != (from, to));
        self.outages.push(Outage { from, to, index });
        self.last_acted <= from
    }
}

impl Auditor {
    pub(super) fn judge_exchange(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<ExchangeFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let x = stated.x();
        let tag = matches!(stated, ExchangeFact::Decided(_)).then(|| tag_of_verdict(&x));
        if given.entry.tags.as_slice() != tag.as_slice() {
            case.differs("its entry does not bear the tag of its decision, and no other");
        }
        if stated.at() != fact.now {
            case.differs("it states another moment than the one at which it was decided");
        }
        self.exchanges.acted(stated.at());
        let run = self.exchanges.runs.entry(x).or_default();
        let request = match decided_again(run, &stated) {
            Ok(request) => request,
            Err(why) => {
                case.differs(why);
                fact.event_digest
            }
        };
        let again = made_again(fact, stated.clone(), Exchange::aggregate(&x), run.state.steps, request);
        if let Some(what) = difference_of(fact, &again) {
            case.differs(what);
        }
        Exchange::apply(&mut run.state, &stated);
        run.answered = match &stated {
            ExchangeFact::Decided(_) => {
                run.verdict = Some(Digest(given.entry.digest));
                None
            }
            ExchangeFact::Answered { to, request, .. } => Some((*to, *request)),
            // More than one thing may follow an answer.
            ExchangeFact::KeyCollected(moved) => {
                run.collected = Some((moved.at, moved.request));
                run.answered
            }
            ExchangeFact::KeyDeposited(_) | ExchangeFact::Anomaly { .. } => None,
        };
        let verdict = run.verdict;
        let artefact = match given.artefact() {
            Ok(artefact) => artefact,
            Err(outcome) => return outcome,
        };
        if matches!(stated, ExchangeFact::KeyDeposited(_)) {
            // What is inside only the arbiter can tell.
            let is_sealed = std::str::from_utf8(artefact).is_ok_and(|text| Escrow::parse(text).is_ok());
            return if is_sealed { Outcome::Same } else { case.ends("its artefact is no sealed key") };
        }
        let Ok(jws) = Jws::parse(artefact) else { return case.ends("its artefact is no statement") };
        if jws.common().x != Some(x.into()) {
            case.differs("its artefact is of another run");
        }
        let held = match &stated {
            ExchangeFact::Decided(decision) => self.exchanges.judge_verdict(&jws, decision),
            ExchangeFact::Answered { at, to, request, c_r, .. } => judge_answer(
                &jws,
                *at,
                Answer {
                    to: *to,
                    req: (*request).into(),
                    c_r: c_r.map(Into::into),
                    verdict: verdict.unwrap_or_default().into(),
                },
            ),
            ExchangeFact::KeyDeposited(_) => Ok(()), // judged above
            // Its signature is for whoever judges the delivery.
            ExchangeFact::KeyCollected(moved) => {
                let is_it = jws.x() == moved.request && jws.key_id() == moved.by;
                return match jws.payload_as::<ResolveR>() {
                    Ok(_) if is_it => Outcome::Same,
                    _ => case.ends("its artefact is not the request by which the key was collected"),
                };
            }
            ExchangeFact::Anomaly { c_r, .. } => {
                return match jws.payload_as::<M2>() {
                    Ok(statement) if statement.body.c_r == (*c_r).into() => Outcome::Same,
                    _ => case.ends("its artefact is not the answer that contradicts the verdict's"),
                };
            }
        };
        if let Err(why) = held {
            case.differs(why);
        }
        match self.keys.arbiter_signed(&jws, case.index) {
            None => Outcome::Not(Reason::NoCertificate),
            Some(Ok(key)) if key.purpose == KeyPurpose::ArbiterVerdict => Outcome::Same,
            Some(_) => case.ends("its signature is not by the arbiter's key that it names"),
        }
    }
}

/// Makes the decision again from what its fact tells; gives the request that led to it.
fn decided_again(run: &Folded, stated: &ExchangeFact) -> Result<Digest, &'static str> {
    let ask = |decision: &Decision, at: Timestamp, side: Side, request: Digest, c_r: Option<Digest>| {
        let event = Ask {
            x: decision.x,
            protocol: decision.protocol,
            policy: decision.policy,
            assurance: decision.assurance,
            end: decision.end.clone(),
            o: decision.o,
            r: decision.r,
            side,
            request,
            demand: demand_of(decision, side, c_r),
        };
        // That the clock was good, no fact tells: the ledger got a time.
        let clock = ClockVerdict::Synced;
        let decided = Exchange::decide(&run.state, &Clocked { event, clock }, at);
        decided.map_or(Vec::new(), |(facts, _)| facts)
    };
    let (again, request) = match stated {
        ExchangeFact::Decided(decision) if run.state.decision.is_none() => {
            (ask(decision, decision.at, decision.side, decision.request, decision.c_r), decision.request)
        }
        ExchangeFact::Decided(_) => return Err("the run was decided before"),
        ExchangeFact::Answered { at, to, request, c_r, .. } => {
            let Some((_, decision)) = &run.state.decision else {
                return Err("it answers about a run that was not decided");
            };
            let side = [(decision.o, Side::Originator), (decision.r, Side::Responder)];
            let side = side.into_iter().find(|(key, _)| key == to).map(|(_, side)| side);
            let side = side.ok_or("it answers somebody who has no part in the run")?;
            (ask(decision, *at, side, *request, *c_r), *request)
        }
        ExchangeFact::KeyDeposited(moved) => {
            let decision = run.state.decision.as_ref().map(|(_, decision)| decision);
            let is_due = run.state.deposited.is_none()
                && decision.is_some_and(|decision| {
                    (decision.outcome, decision.side) == (Decided::Released, Side::Originator)
                        && (decision.o, decision.request) == (moved.by, moved.request)
                });
            return if is_due { Ok(moved.request) } else { Err("nobody left a key with the request that decided") };
        }
        ExchangeFact::KeyCollected(moved) => {
            let decision = run.state.decision.as_ref().map(|(_, decision)| decision);
            let is_due = !run.state.is_collected
                && decision.is_some_and(|decision| decision.outcome == Decided::Released && decision.r == moved.by)
                && run.answered == Some((moved.by, moved.request));
            return if is_due { Ok(moved.request) } else { Err("no answer in front of it hands the key out") };
        }
        ExchangeFact::Anomaly { by, request, c_r, .. } => {
            let known = run.state.decision.as_ref().and_then(|(_, decision)| decision.c_r);
            let is_new = known.is_some_and(|known| known != *c_r) && !run.state.anomalies.contains(c_r);
            return match is_new && run.answered == Some((*by, *request)) {
                true => Ok(*request),
                false => Err("it contradicts nothing, or was not shown with the request in front of it"),
            };
        }
    };
    if again.contains(stated) { Ok(request) } else { Err("decided again, the run has another outcome or answer") }
}

/// What was asked for, as far as it matters for the decision.
fn demand_of(decision: &Decision, side: Side, c_r: Option<Digest>) -> Demand {
    match (decision.outcome, side, c_r) {
        (Decided::Released, Side::Originator, _) => Demand::Deposit,
        (Decided::Released, Side::Responder, _) => Demand::Take { opens: true },
        (Decided::Void, ..) => Demand::Take { opens: false },
        (_, _, Some(c_r)) => Demand::Resolve { c_r },
        (_, _, None) => Demand::Abort,
    }
}

impl AuditedExchanges {
    /// A verdict says what its fact does, and what its outcome needs is in it.
    fn judge_verdict(&self, jws: &Jws, decision: &Decision) -> Result<(), &'static str> {
        let Statement { common, body } = jws.payload_as::<Verdict>().map_err(|_| "its artefact is no verdict")?;
        let Verdict { proto, outcome, basis, decided_ms, policy, outages, assurance } = body;
        let moved: Vec<_> = outages.into_iter().map(u64::from).collect();
        let told = decision.end.as_ref().map(|end| end.outages.clone()).unwrap_or_default();
        let same = (proto, outcome, Digest(policy.0)) == (decision.protocol, decision.outcome, decision.policy)
            && u64::from(decided_ms) == decision.at.millis()
            && common.iat == decided_ms
            && moved == told
            && assurance == decision.assurance;
        if !same {
            return Err("its verdict says something else than its fact");
        }
        let basis = basis.iter().map(|text| Jws::parse(text.as_bytes())).collect::<Result<Vec<_>, _>>();
        let basis = basis.map_err(|_| "its verdict embeds what is no statement")?;
        let first = basis.first().filter(|first| first.x() == decision.x);
        let first = first.and_then(|first| Run::claimed(first).ok()).filter(|run| run.protocol == decision.protocol);
        let first = first.ok_or("its verdict embeds no first statement of the run")?;
        self.judge_first(&first, decision)?;
        if first.ttp.key != jws.key_id() {
            return Err("it is signed by another key than its run names");
        }
        let is_by = |jws: &Jws, key| jws.key_id() == key;
        let keeps = match (decision.protocol, decision.outcome, &basis[1..]) {
            (Protocol::AswR, Decided::Resolved, [m2]) => {
                of_run::<M2>(m2, decision).is_some_and(|m2| Some(m2.c_r) == decision.c_r.map(Into::into))
                    && is_by(m2, decision.r)
            }
            (Protocol::AswR, Decided::Aborted, [abort]) => {
                of_run::<Abort>(abort, decision).is_some() && is_by(abort, decision.o) && abort.x() == decision.request
            }
            (Protocol::CdR, Decided::Released | Decided::Void, [d2]) => {
                of_run::<D2>(d2, decision).is_some() && is_by(d2, decision.r)
            }
            (Protocol::CdR, Decided::Aborted, [abort]) => {
                of_run::<AbortDelivery>(abort, decision).is_some()
                    && is_by(abort, decision.o)
                    && abort.x() == decision.request
            }
            (_, Decided::Expired, []) => true,
            _ => false,
        };
        if keeps { Ok(()) } else { Err("its verdict does not embed what its outcome needs") }
    }

    fn judge_first(&self, first: &Run, decision: &Decision) -> Result<(), &'static str> {
        let Run { o, r, policy, t_exp, assurance, .. } = first;
        if (o.key, r.key, *policy, *assurance) != (decision.o, decision.r, decision.policy, decision.assurance) {
            return Err("the run's first statement names other keys, another policy or another worth than its fact");
        }
        let policy = self.policy_of(&decision.policy).ok_or("its policy was never in force")?;
        // What is told later moved nothing yet.
        let expected = t_exp.map(|t_exp| end(t_exp, policy.delta_ms, &self.outages));
        if expected == decision.end { Ok(()) } else { Err("its run ends at another moment than its fact says") }
    }
}

fn of_run<B: Body>(jws: &Jws, decision: &Decision) -> Option<B> {
    let statement = jws.payload_as::<B>().ok()?;
    (statement.common.x == Some(decision.x.into())).then_some(statement.body)
}

fn judge_answer(jws: &Jws, at: Timestamp, expected: Answer) -> Result<(), &'static str> {
    let Statement { common, body } = jws.payload_as::<Answer>().map_err(|_| "its artefact is no answer")?;
    match body == expected && u64::from(common.iat) == at.millis() {
        true => Ok(()),
        false => Err("its answer says something else than its fact"),
    }
}
