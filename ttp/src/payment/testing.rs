//! A hold, its orders, and what a rail says of it, for the tests of this crate.

use super::rail::{DeclineCode, RailClass, RailId, RailOp, rail_key};
use super::*;
use crate::digest::Digest;
use crate::id::PartyId;
use crate::money::{Amount, Currency};
use crate::role::step;
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

pub(crate) const X: Digest = Digest([7; 32]);
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_772_366_400_250);
/// What is held.
pub(crate) const HELD: u64 = 1000;
/// The case that freezes, and another one.
pub(crate) const CASE: Digest = Digest([70; 32]);
pub(crate) const OTHER_CASE: Digest = Digest([71; 32]);

#[expect(non_snake_case, reason = "a constant, but for the table behind it")]
pub(crate) fn EUR() -> Currency {
    Currency::new("EUR").unwrap()
}

pub(crate) fn eur(minor: u64) -> Amount {
    Amount::new(minor, EUR()).unwrap()
}

pub(crate) fn terms(class: RailClass) -> Terms {
    Terms {
        x: X,
        rail: RailId::new("sim").unwrap(),
        class,
        payer: PartyId::from([1; 16]),
        payee: PartyId::from([2; 16]),
        amount: eur(HELD),
        fee_bps: 250,
        until: NOW.plus_secs(86_400),
    }
}

pub(crate) fn fact(change: Change) -> PaymentFact {
    PaymentFact { x: X, at: NOW, change }
}

pub(crate) fn requested(class: RailClass) -> PaymentFact {
    fact(Change::HoldRequested { terms: Box::new(terms(class)), order: by_exchange(1) })
}

pub(crate) fn by_exchange(id: u8) -> Order {
    Order { id: Digest([id; 32]), by: Authority::Exchange }
}

pub(crate) fn by_verdict(id: u8, case: Digest) -> Order {
    Order { id: Digest([id; 32]), by: Authority::Verdict { case } }
}

pub(crate) fn hold(class: RailClass) -> PaymentEvent {
    PaymentEvent::Hold { terms: Box::new(terms(class)), order: by_exchange(1) }
}

pub(crate) fn capture(minor: u64, order: Order) -> PaymentEvent {
    PaymentEvent::Capture { amount: eur(minor), order }
}

pub(crate) fn release(order: Order) -> PaymentEvent {
    PaymentEvent::Release { order }
}

pub(crate) fn refund(minor: u64, order: Order) -> PaymentEvent {
    PaymentEvent::Refund { amount: eur(minor), order }
}

pub(crate) fn freeze(case: Digest) -> PaymentEvent {
    PaymentEvent::Freeze { case, needed_until: NOW.plus_secs(3_600) }
}

/// The evidence about a call, which here follows from the key.
pub(crate) fn evidence_of(key: &Digest) -> Digest {
    Digest::of(key.as_bytes())
}

pub(crate) fn done(op: RailOp, seq: u32, minor: u64) -> PaymentEvent {
    let key = rail_key(&X, op, seq);
    let told = Told::Done { amount: eur(minor), expires_at: None, evidence: evidence_of(&key) };
    PaymentEvent::Outcome { key, told }
}

/// A bank's hold that ends in a minute.
pub(crate) fn held_for_a_minute() -> PaymentEvent {
    let key = rail_key(&X, RailOp::Hold, 0);
    let told = Told::Done { amount: eur(HELD), expires_at: Some(NOW.plus_secs(60)), evidence: evidence_of(&key) };
    PaymentEvent::Outcome { key, told }
}

pub(crate) fn declined(op: RailOp, seq: u32, code: DeclineCode) -> PaymentEvent {
    PaymentEvent::Outcome { key: rail_key(&X, op, seq), told: Told::Declined(code) }
}

/// The pending call finds that the hold has ended.
pub(crate) fn ended(op: RailOp, seq: u32, minor: u64) -> PaymentEvent {
    let key = rail_key(&X, op, seq);
    PaymentEvent::Outcome { key, told: Told::Ended { amount: eur(minor), evidence: evidence_of(&key) } }
}

pub(crate) fn unknown(op: RailOp, seq: u32) -> PaymentEvent {
    PaymentEvent::Outcome { key: rail_key(&X, op, seq), told: Told::Unknown }
}

pub(crate) fn clocked(event: PaymentEvent) -> Clocked {
    Clocked { event, clock: ClockVerdict::Synced }
}

/// Decides and applies, at [`NOW`].
pub(crate) fn take(state: &mut PaymentState, event: PaymentEvent) -> Result<Vec<PaymentFact>, PaymentRefusal> {
    take_all(state, event).map(|(facts, _)| facts)
}

pub(crate) fn take_all(
    state: &mut PaymentState,
    event: PaymentEvent,
) -> Result<(Vec<PaymentFact>, Vec<PaymentEffect>), PaymentRefusal> {
    step::<Payment>(state, &clocked(event), NOW)
}

/// The state after these events, none of which is refused.
pub(crate) fn after(events: impl IntoIterator<Item = PaymentEvent>) -> PaymentState {
    let mut state = PaymentState::default();
    for event in events {
        take(&mut state, event.clone()).unwrap_or_else(|refusal| panic!("{event:?}: {refusal}"));
    }
    state
}
