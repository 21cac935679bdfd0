//! A run and its rail, one after the other: what the ledger has is told to the run, what the run orders is committed, what is committed is asked
//! of the rail, what the rail answers is committed.
//!
//! A crash between any two of these leaves what was committed, and the same function goes on from there: an order has one name, a call one key.

use semper_ttp::{
    digest::Digest,
    exchange::{
        expiry,
        paid::{Move, Paid, PaidEvent, Stage, Tell, Told, order_id},
    },
    payment::{
        Authority, Change, Order, PaymentEvent, PaymentFact, PaymentRefusal, Terms, Told as RailTold,
        rail::{Evidence, RailAnswer, RailCall, RailOp},
    },
    time::Timestamp,
};

use super::{
    super::{Service, ServiceFault, exchange::ExchangeFault},
    PaymentFault,
    due::Next,
    run::{RunHere, may_be_tried_again},
};

/// Steps in a row for one run: hold, capture and release with what follows each are fewer, and a rail that contradicts itself is not asked for
/// ever.
const STEPS_MAX: usize = 16;

/// How long after a rail has declined what was decided it is asked again, milliseconds: the first time, and ten times as long each further time.
const DECLINED_MS: u64 = 60_000;

/// When something that cannot be done now is looked at again.
const SOON_MS: u64 = 1_000;
const LATER_MS: u64 = 3_600_000;

/// What comes next for a run.
enum Step {
    /// Its rail is asked this, which is committed.
    Call(Box<RailCall>),
    /// Its money has moved without a rail.
    Again,
    Rest(Next),
}

impl Service {
    /// Goes on with a run as far as it goes now.
    pub(super) fn go_on(&self, x: &Digest) -> Next {
        for _ in 0..STEPS_MAX {
            let done = match self.next_step(x) {
                Ok(Step::Rest(next)) => return next,
                Ok(Step::Again) => Ok(None),
                Ok(Step::Call(call)) => self.ask_rail(x, &call),
                Err(fault) => Err(fault),
            };
            match done {
                Ok(None) => {}
                Ok(Some(next)) => return next,
                Err(fault) => {
                    let wait = if may_be_tried_again(&fault) { SOON_MS } else { LATER_MS };
                    if wait == LATER_MS {
                        tracing::error!(%x, %fault, "a payment does not go on");
                    }
                    return Next::At(self.now().millis() + wait);
                }
            }
        }
        Next::At(self.now().millis() + SOON_MS)
    }

    fn next_step(&self, x: &Digest) -> Result<Step, PaymentFault> {
        // Before the turn: to look a party up may write to its history, which has a turn of its own.
        let delivered = self.delivery_decided(x)?;
        let _turn = self.turns.wait(&Paid::aggregate(x));
        let Some(mut run) = self.paid_run(x)? else { return Ok(Step::Rest(Next::Nothing)) };
        let (facts, money) = self.money_of(x)?;
        let told = self.tell_run(&mut run, &facts);
        let told = told.and_then(|()| self.show_delivery(&mut run, delivered)).and_then(|()| self.wake_run(&mut run));
        if let Some(call) = money.pending() {
            // What is under way is brought to its end, also while the arbiter takes no requests.
            return Ok(Step::Call(Box::new(call)));
        }
        told?;
        if self.note_unsettled(x, run.state.is_unsettled()) {
            tracing::error!(%x, "the rail has declined for good what was decided: people must settle this payment");
        }
        let Some(order) = run.state.pending_move() else { return Ok(Step::Rest(self.next_look(&run)?)) };
        if let Some(at_ms) = not_before(&run, &facts).filter(|at_ms| *at_ms > self.now().millis()) {
            return Ok(Step::Rest(Next::At(at_ms)));
        }
        let Some(event) = self.event_of(&run, order)? else {
            tracing::error!(%x, rail = %run.opened.terms.rail, "a payment names a rail that is not here any more");
            return Ok(Step::Rest(self.next_look(&run)?));
        };
        match self.move_money(x, event, None) {
            Ok(after) => Ok(match after.pending() {
                Some(call) => Step::Call(Box::new(call)),
                None if after.steps > money.steps => Step::Again,
                None => Step::Rest(self.next_look(&run)?),
            }),
            // The rail contradicts itself, or a hold is over, or it comes too late to be asked for.
            Err(PaymentFault::Money(
                refusal @ (PaymentRefusal::InSuspense
                | PaymentRefusal::NotAllowedNow { .. }
                | PaymentRefusal::TooManyAttempts
                | PaymentRefusal::Ended
                | PaymentRefusal::AlreadyHeld),
            )) => {
                tracing::warn!(%x, order = order.name(), %refusal, "what was decided about a payment is not ordered");
                Ok(Step::Rest(self.next_look(&run)?))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Tells the run what became of its money, as far as it was not told yet.
    fn tell_run(&self, run: &mut RunHere, facts: &[(Digest, PaymentFact)]) -> Result<(), PaymentFault> {
        for (source, fact) in facts {
            let Some(what) = told_by(&fact.change).filter(|_| !run.state.told.contains(source)) else { continue };
            self.advance(run, PaidEvent::Tell(Tell { what, source: *source }), None)?;
        }
        Ok(())
    }

    /// What time has decided is decided.
    fn wake_run(&self, run: &mut RunHere) -> Result<(), PaymentFault> {
        let now = self.now();
        let outages = self.outages_for(run, now)?;
        match run.state.passed(run.delta_ms, &outages, now) {
            Some(_) => self.advance(run, PaidEvent::Wake, None),
            None => Ok(()),
        }
    }

    /// When time decides next, with what the arbiter's absences add.
    fn next_look(&self, run: &RunHere) -> Result<Next, ServiceFault> {
        let now = self.now();
        let Some(end_ms) = self.end_of_stage(run)? else { return Ok(Next::Nothing) };
        // A case that has stopped the run brings it on when it lets go; until then nothing is decided.
        let wait = if run.state.frozen.is_some() { LATER_MS } else { 1 };
        Ok(Next::At((end_ms + 1).max(now.millis() + wait)))
    }

    /// The last moment of the stage that a run is in, with what the arbiter's absences add; milliseconds since 1970.
    pub(super) fn end_of_stage(&self, run: &RunHere) -> Result<Option<u64>, ServiceFault> {
        let Some(due) = run.state.due().filter(|_| run.state.reached.is_none()) else { return Ok(None) };
        let outages = self.outages_for(run, self.now())?;
        Ok(Some(expiry::end(due.at_ms, run.delta_ms, &outages).at_ms))
    }

    /// What a run orders, for the role of its money; `None` for a hold by a rail that is not here.
    fn event_of(&self, run: &RunHere, order: Move) -> Result<Option<PaymentEvent>, PaymentFault> {
        let terms = &run.opened.terms;
        let of = Order { id: order_id(&terms.x, &order), by: Authority::Exchange };
        Ok(Some(match order {
            Move::Hold { until_ms } => {
                let Some(rail) = self.payments.rail(&terms.rail) else { return Ok(None) };
                PaymentEvent::Hold {
                    terms: Box::new(Terms {
                        x: terms.x,
                        rail: terms.rail.clone(),
                        class: rail.rail.class(),
                        payer: terms.payer.0,
                        payee: terms.payee.0,
                        amount: terms.amount,
                        fee_bps: terms.fee_bps,
                        until: Timestamp::from_millis(until_ms),
                    }),
                    order: of,
                }
            }
            Move::Capture { amount } => PaymentEvent::Capture { amount, order: of },
            Move::Release => PaymentEvent::Release { order: of },
        }))
    }

    /// Asks the rail about the call that is under way, without the run's turn, and commits what it answers.
    fn ask_rail(&self, x: &Digest, call: &RailCall) -> Result<Option<Next>, PaymentFault> {
        let Some(rail) = self.payments.rail(&call.rail) else {
            tracing::error!(%x, rail = %call.rail, "a payment is under way at a rail that is not here any more");
            return Ok(Some(Next::At(self.now().millis() + LATER_MS)));
        };
        let Ok(_permit) = rail.permits.try_acquire() else {
            return Ok(Some(Next::At(self.now().millis() + SOON_MS)));
        };
        // Whether it was ever asked before nobody knows after a crash, so that is asked first.
        let answer = call.settle(&*rail.rail);
        self.metrics.exchange().asked(&call.rail, call.op, &answer);
        let _turn = self.turns.wait(&Paid::aggregate(x));
        let evidence = evidence_of(&answer);
        self.move_money(x, PaymentEvent::Outcome { key: call.key, told: RailTold::from(&answer) }, evidence)?;
        if answer != RailAnswer::Unknown {
            return Ok(None);
        }
        tracing::warn!(%x, rail = %call.rail, op = call.op.name(), "a rail gave no answer; the same is asked again");
        let due = match self.paid_run(x)? {
            Some(run) => self.end_of_stage(&run)?.map(|end_ms| end_ms + 1),
            None => return Err(ExchangeFault::Erased.into()),
        };
        Ok(Some(Next::Unknown(due.filter(|due| *due > self.now().millis()))))
    }
}

/// What a fact about money is to the run.
fn told_by(change: &Change) -> Option<Told> {
    match change {
        Change::Held { .. } => Some(Told::Held),
        Change::Declined { op: RailOp::Hold, .. } => Some(Told::HoldDeclined),
        Change::Declined { .. } => Some(Told::Declined),
        Change::Captured { .. } => Some(Told::Captured),
        Change::Released { .. } => Some(Told::Released),
        Change::Expired { .. } => Some(Told::Ended),
        Change::HoldRequested { .. }
        | Change::Requested { .. }
        | Change::Refunded { .. }
        | Change::ChargedBack { .. }
        | Change::Escrowed { .. }
        | Change::Frozen { .. }
        | Change::Thawed { .. }
        | Change::PaidOut { .. }
        | Change::Contradicted { .. }
        | Change::Cleared { .. } => None,
    }
}

/// Of what was decided and the rail has declined: when it is ordered again. It follows from the facts, so that nobody's statements and no
/// restart use up the orders that are left.
fn not_before(run: &RunHere, facts: &[(Digest, PaymentFact)]) -> Option<u64> {
    let declined = run.state.declined.checked_sub(1).filter(|_| run.state.stage == Stage::Decided)?;
    let is_declined = |fact: &PaymentFact| matches!(fact.change, Change::Declined { .. });
    let (_, last) = facts.iter().rfind(|(_, fact)| is_declined(fact))?;
    let wait = DECLINED_MS.saturating_mul(10_u64.saturating_pow(declined));
    Some(last.at.millis().saturating_add(wait))
}

fn evidence_of(answer: &RailAnswer) -> Option<&Evidence> {
    match answer {
        RailAnswer::Done(done) => Some(&done.evidence),
        RailAnswer::Ended(ended) => Some(&ended.evidence),
        RailAnswer::Declined(_) | RailAnswer::Unknown => None,
    }
}
