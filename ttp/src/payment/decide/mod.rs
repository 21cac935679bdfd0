//! The decisions about the money of one run: what is ordered, and what rails tell.

mod capture;
mod charge_back;
mod clear;
mod expire;
mod freeze;
mod hold;
mod make_good;
mod outcome;
mod pay_out;
mod refund;
mod release;
mod thaw;

use super::{
    Call, Change, Clocked, Money, Order, Payment, PaymentEffect, PaymentEvent, PaymentFact, PaymentRefusal,
    PaymentState, Place, Purpose, REPORTS_MAX, rail::RailOp,
};
use crate::digest::Digest;
use crate::money::Amount;
use crate::role::Decided;
use crate::time::Timestamp;

type Outcome = Result<Decided<Payment>, PaymentRefusal>;

pub(super) fn decide(state: &PaymentState, event: &Clocked, now: Timestamp) -> Outcome {
    let Clocked { event, clock } = event;
    let decided = match event {
        PaymentEvent::Hold { terms, order } => hold::hold(state, terms, *order, now),
        PaymentEvent::Capture { amount, order } => capture::capture(state, *amount, *order, now),
        PaymentEvent::Release { order } => release::release(state, *order, now),
        PaymentEvent::Refund { amount, order } => refund::refund(state, *amount, *order, now),
        PaymentEvent::Freeze { case, needed_until } => freeze::freeze(state, *case, *needed_until, now),
        PaymentEvent::Thaw { case } => thaw::thaw(state, *case, now),
        PaymentEvent::Clear { item, bearer, order } => clear::clear(state, *item, *bearer, *order, now),
        PaymentEvent::Outcome { key, told } => outcome::outcome(state, key, told, now),
        PaymentEvent::Expire { amount, evidence } => expire::expire(state, *amount, *evidence, now),
        PaymentEvent::ChargeBack { amount, evidence } => charge_back::charge_back(state, *amount, *evidence, now),
        PaymentEvent::PayOut { amount, evidence } => pay_out::pay_out(state, *amount, *evidence, now),
        PaymentEvent::MakeGood { item, evidence } => make_good::make_good(state, *item, *evidence, now),
    }?;
    // What says nothing new asserts no time, either.
    if decided.0.is_empty() || clock.may_issue() { Ok(decided) } else { Err(PaymentRefusal::Clock { verdict: *clock }) }
}

/// Nothing new.
fn nothing() -> Outcome {
    Ok((Vec::new(), Vec::new()))
}

/// Facts of one run with their effects.
struct Facts {
    x: Digest,
    at: Timestamp,
    facts: Vec<PaymentFact>,
    effects: Vec<PaymentEffect>,
}

impl Facts {
    fn of(money: &Money, at: Timestamp) -> Self {
        Self { x: money.terms.x, at, facts: Vec::new(), effects: Vec::new() }
    }

    fn with(mut self, change: Change, effect: PaymentEffect) -> Self {
        self.facts.push(PaymentFact { x: self.x, at: self.at, change });
        self.effects.push(effect);
        self
    }

    /// What a call is to ask, and the call.
    fn asking(self, money: &Money, call: Call) -> Self {
        let effect = PaymentEffect::Call(Box::new(money.rail_call(&call)));
        self.with(Change::Requested { call }, effect)
    }

    fn done(self) -> Outcome {
        Ok((self.facts, self.effects))
    }
}

/// What every order asks first. `None`: it is carried out already, or is being.
fn ordered<'s>(state: &'s PaymentState, order: &Order) -> Result<Option<&'s Money>, PaymentRefusal> {
    let Some(money) = state.stage.money() else { return Err(PaymentRefusal::NoHold) };
    if state.knows_order(order) {
        return Ok(None);
    }
    may_move(state, order)?;
    if state.is_contradicted() {
        return Err(PaymentRefusal::InSuspense);
    }
    Ok(Some(money))
}

/// Frozen money moves only by the word of the case that froze it.
fn may_move(state: &PaymentState, order: &Order) -> Result<(), PaymentRefusal> {
    match &state.frozen {
        Some(frozen) if order.by.case() != Some(frozen.case) => Err(PaymentRefusal::Frozen { by: frozen.case }),
        _ => Ok(()),
    }
}

fn not_allowed<T>(state: &PaymentState) -> Result<T, PaymentRefusal> {
    Err(PaymentRefusal::NotAllowedNow { stage: state.stage.name() })
}

fn too_early<T>(state: &PaymentState) -> Result<T, PaymentRefusal> {
    Err(PaymentRefusal::TooEarly { stage: state.stage.name() })
}

/// An amount of the hold's currency, more than nothing and at most `most`.
fn checked(money: &Money, amount: Amount, most: u64) -> Result<u64, PaymentRefusal> {
    if amount.currency() != money.terms.amount.currency() {
        Err(PaymentRefusal::OtherCurrency)
    } else if amount.is_zero() {
        Err(PaymentRefusal::NothingAsked)
    } else if amount.minor() > most {
        Err(PaymentRefusal::TooMuch { most: money.amount(most) })
    } else {
        Ok(amount.minor())
    }
}

/// The call that gives back what is still held. What the service took from a bank goes back as a refund.
fn release_of(state: &PaymentState, money: &Money, order: Order) -> Option<Call> {
    let op = match money.place {
        Place::Auth | Place::Funded => RailOp::Release,
        Place::Escrowed => RailOp::Refund,
    };
    state.next_call(Purpose::Release, op, money.rest(), order)
}

/// The call that turns a bank's hold into money that the service has, where a case may outlive the hold: else whoever delays the case
/// has won it.
fn conversion_of(state: &PaymentState, money: &Money, frozen: &super::Frozen) -> Option<Call> {
    let outlived = money.expires_at.is_some_and(|at| at < frozen.needed_until);
    let converts = money.place == Place::Auth && money.captured == 0 && outlived;
    let call = || state.next_call(Purpose::Escrow, RailOp::Capture, money.rest(), PaymentState::order_of_case(frozen));
    converts.then(call).flatten()
}

/// There is room for what a rail tells unasked.
fn has_room(state: &PaymentState) -> Result<(), PaymentRefusal> {
    if state.evidence.len() < REPORTS_MAX { Ok(()) } else { Err(PaymentRefusal::TooManyReports) }
}
