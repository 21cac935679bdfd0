//! The money of exchanges: each decision is made again from what its fact tells, in the state folded so far; the book is kept once more, and
//! whatever breaks one of its invariants is a difference. What a rail said lay outside: of that its evidence is held against the fact.

use std::collections::{BTreeMap, VecDeque};

use super::service::made_again;
use super::{Auditor, Case, Given, Outcome, Reason, difference_of, recorded};
use crate::digest::Digest;
use crate::evidence::Fact;
use crate::evidence::Recorded as _;
use crate::payment::book::Book;
use crate::payment::rail::{RailOp, rail_key};
use crate::payment::{
    Bearer, Change, ClearedBy, Clocked, Payment, PaymentEvent, PaymentFact, PaymentState, Purpose, Told,
};
use crate::role::Role as _;
use crate::timestamp::ClockVerdict;

/// The money of exchanges as folded so far.
#[derive(Debug, Default)]
pub(super) struct AuditedPayments {
    runs: BTreeMap<Digest, Run>,
    book: Book,
}

#[derive(Debug, Default)]
struct Run {
    state: PaymentState,
    /// What the decision behind the fact before leaves besides: it comes next in this run.
    rest: VecDeque<PaymentFact>,
}

/// Which facts have an artefact is told by the fact: a capture without a rail has none.
pub(super) fn has_artefact(fact: &Fact) -> bool {
    PaymentFact::from_fact(fact).is_ok_and(|payment| payment.evidence().is_some())
}

impl Auditor {
    pub(super) fn judge_payment(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<PaymentFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        if !given.entry.tags.as_slice().is_empty() {
            case.differs("its entry bears a tag, which those of payments do not");
        }
        if stated.at != fact.now {
            case.differs("it states another moment than the one at which it was decided");
        }
        let run = self.payments.runs.entry(stated.x).or_default();
        if let Err(why) = decided_again(run, &stated) {
            case.differs(why);
        }
        let again = made_again(fact, stated.clone(), Payment::aggregate(&stated.x), run.state.steps, fact.event_digest);
        if let Some(what) = difference_of(fact, &again) {
            case.differs(what);
        }
        Payment::apply(&mut run.state, &stated);
        for broken in self.payments.book.post(&stated) {
            case.differs(format!("it breaks the book: {broken}"));
        }
        let Some(evidence) = stated.evidence() else { return Outcome::Same };
        match given.artefact() {
            Ok(artefact) if Digest::of(artefact) == evidence => Outcome::Not(Reason::Outside),
            Ok(_) => case.ends("its artefact is not the evidence that it names"),
            Err(outcome) => outcome,
        }
    }
}

/// Makes the decision again from what its fact tells. A decision may leave more than one fact: the others are kept, and must follow.
fn decided_again(run: &mut Run, stated: &PaymentFact) -> Result<(), &'static str> {
    if let Some(expected) = run.rest.pop_front() {
        return if expected == *stated { Ok(()) } else { Err("the decision in front of it left another fact") };
    }
    let event = event_of(&run.state, stated).ok_or("no event could have led to it")?;
    // That the clock was good, no fact tells: the ledger got a time.
    let event = Clocked { event, clock: ClockVerdict::Synced };
    let Ok((facts, _)) = Payment::decide(&run.state, &event, stated.at) else {
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

/// The event that led to a fact, as far as the fact tells it.
fn event_of(state: &PaymentState, stated: &PaymentFact) -> Option<PaymentEvent> {
    let money = state.stage.money();
    let amount_of = |minor: u64| Some(money?.amount(minor));
    let done = |op: RailOp, seq: u32, minor: u64, evidence: Digest| {
        let told = Told::Done { amount: amount_of(minor)?, expires_at: None, evidence };
        Some(PaymentEvent::Outcome { key: rail_key(&stated.x, op, seq), told })
    };
    match &stated.change {
        Change::HoldRequested { terms, order } => {
            let is_of_run = terms.x == stated.x;
            is_of_run.then(|| PaymentEvent::Hold { terms: terms.clone(), order: *order })
        }
        Change::Requested { call } => {
            let order = call.order;
            match call.purpose {
                Purpose::Capture => Some(PaymentEvent::Capture { amount: amount_of(call.amount)?, order }),
                Purpose::Release => Some(PaymentEvent::Release { order }),
                Purpose::Refund => Some(PaymentEvent::Refund { amount: amount_of(call.amount)?, order }),
                // They stand behind another fact of their decision.
                Purpose::Hold | Purpose::Escrow => None,
            }
        }
        Change::Held { expires_at, evidence } => {
            let told = Told::Done { amount: money?.terms.amount, expires_at: *expires_at, evidence: *evidence };
            Some(PaymentEvent::Outcome { key: rail_key(&stated.x, RailOp::Hold, 0), told })
        }
        Change::Declined { op, seq, code } => {
            Some(PaymentEvent::Outcome { key: rail_key(&stated.x, *op, *seq), told: Told::Declined(*code) })
        }
        Change::Captured { seq, amount, evidence, .. } => done(RailOp::Capture, *seq, *amount, (*evidence)?),
        Change::Escrowed { seq, amount, evidence } => done(RailOp::Capture, *seq, *amount, *evidence),
        Change::Released { op, seq, amount, evidence, .. } => done(*op, *seq, *amount, *evidence),
        Change::Refunded { seq, amount, evidence } => done(RailOp::Refund, *seq, *amount, *evidence),
        Change::Contradicted { op, seq, told, evidence, .. } => done(*op, *seq, *told, *evidence),
        Change::ChargedBack { amount, evidence, .. } => {
            Some(PaymentEvent::ChargeBack { amount: amount_of(*amount)?, evidence: *evidence })
        }
        Change::PaidOut { amount, evidence } => {
            Some(PaymentEvent::PayOut { amount: amount_of(*amount)?, evidence: *evidence })
        }
        Change::Expired { call: Some((op, seq)), told, evidence, .. } => {
            let told = Told::Ended { amount: amount_of(*told)?, evidence: *evidence };
            Some(PaymentEvent::Outcome { key: rail_key(&stated.x, *op, *seq), told })
        }
        Change::Expired { call: None, told, evidence, .. } => {
            Some(PaymentEvent::Expire { amount: amount_of(*told)?, evidence: *evidence })
        }
        Change::Frozen { case, needed_until } => {
            Some(PaymentEvent::Freeze { case: *case, needed_until: *needed_until })
        }
        Change::Thawed { case } => Some(PaymentEvent::Thaw { case: *case }),
        Change::Cleared { item, bearer: Bearer::Rail, by: ClearedBy::Rail(evidence), .. } => {
            Some(PaymentEvent::MakeGood { item: *item, evidence: *evidence })
        }
        Change::Cleared { item, bearer, by: ClearedBy::Order(order), .. } => {
            Some(PaymentEvent::Clear { item: *item, bearer: *bearer, order: *order })
        }
        Change::Cleared { .. } => None,
    }
}
