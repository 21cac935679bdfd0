//! Known faults of payment systems, and those that this form of them invites: each fails against the rule, and succeeds against a copy of the
//! rule that was weakened, so that the test is known to bite.

use std::sync::Arc;

use super::super::book::{Account, Book, Broken};
use super::super::callback::{CallbackFault, Received, Secret, Seen, sign, verify};
use super::super::rail::{PaymentRail as _, RailAnswer, RailCall, RailClass, RailId, RailOp, rail_key};
use super::super::simulator::{Simulator, Trick};
use super::super::testing::*;
use super::super::*;
use crate::crypto::{SignatureAlgorithm, SoftKey};
use crate::digest::Digest;

/// Whether an attack gets through: never by the rule, always by its weakened copy.
fn bites(by_the_rule: bool, weakened: bool) {
    assert!(!by_the_rule, "the attack gets through");
    assert!(weakened, "the attack does not get through a rule that was weakened for it, so this test shows nothing");
}

fn rail(class: RailClass) -> Simulator {
    let key = Arc::new(SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap());
    let rail = Simulator::new(RailId::new("sim").unwrap(), class, key, [3; 32], 0);
    rail.advance_to(NOW);
    rail
}

/// Makes the call that an event leaves, and brings its answer.
fn carry_out(rail: &Simulator, state: &mut PaymentState, event: PaymentEvent) -> Vec<PaymentFact> {
    let mut all = take(state, event).unwrap();
    while let Some(call) = state.pending() {
        let told = Told::from(&call.settle(rail));
        all.extend(take(state, PaymentEvent::Outcome { key: call.key, told }).unwrap());
    }
    all
}

/// How often the rail did what.
fn times(rail: &Simulator, what: &str) -> usize {
    rail.statement().iter().filter(|line| line.what == what).count()
}

/// A capture times out, and the shell tries again (medusajs/medusa#16293: a fresh key captures a second time).
#[test]
fn pay_second_capture_after_timeout() {
    let attack = |retry: &dyn Fn(&RailCall) -> RailCall| {
        let rail = rail(RailClass::Auth);
        let mut state = PaymentState::default();
        carry_out(&rail, &mut state, hold(RailClass::Auth));
        rail.script(RailOp::Capture, Trick::TimeoutThenDone);
        take(&mut state, capture(400, by_exchange(2))).unwrap();
        let call = state.pending().unwrap();
        assert_eq!(call.make(&rail), RailAnswer::Unknown);
        let told = PaymentEvent::Outcome { key: call.key, told: Told::Unknown };
        let (facts, effects) = take_all(&mut state, told).unwrap();
        assert_eq!((facts.len(), effects), (0, vec![PaymentEffect::Poll(Box::new(call.clone()))]));
        // And a crash on top of it: the call is found again in the state.
        let call = state.pending().unwrap();
        assert!(matches!(retry(&call).settle(&rail), RailAnswer::Done(_)));
        times(&rail, "capture") > 1
    };
    let by_the_rule = attack(&RailCall::clone);
    let weakened = attack(&|call| RailCall { key: rail_key(&call.x, call.op, 1), ..call.clone() });
    bites(by_the_rule, weakened);
    // The question was lost altogether: the same call, made again, is done once.
    let rail = rail(RailClass::Auth);
    let mut state = PaymentState::default();
    rail.script(RailOp::Capture, Trick::TimeoutThenNothing);
    carry_out(&rail, &mut state, hold(RailClass::Auth));
    carry_out(&rail, &mut state, capture(HELD, by_exchange(2)));
    assert_eq!((times(&rail, "capture"), rail.kept(EUR())), (1, i128::from(HELD)));
}

/// The same decision is carried out twice: by two requests, or by a request and the worklist after a crash.
#[test]
fn pay_order_carried_out_twice() {
    let rail = rail(RailClass::Funded);
    let mut state = PaymentState::default();
    carry_out(&rail, &mut state, hold(RailClass::Funded));
    carry_out(&rail, &mut state, capture(HELD, by_exchange(2)));
    carry_out(&rail, &mut state, refund(400, by_exchange(3)));
    let before = rail.kept(EUR());
    let mut forgetful = state.clone();
    forgetful.orders.clear();
    carry_out(&rail, &mut state, refund(400, by_exchange(3)));
    let by_the_rule = rail.kept(EUR()) != before;
    carry_out(&rail, &mut forgetful, refund(400, by_exchange(3)));
    bites(by_the_rule, rail.kept(EUR()) != before);
}

/// What was captured is released as well: the payee and the payer both have it.
#[test]
fn pay_release_after_capture() {
    let rail = rail(RailClass::Funded);
    let (mut state, mut book) = (PaymentState::default(), Book::default());
    let mut facts = carry_out(&rail, &mut state, hold(RailClass::Funded));
    facts.extend(carry_out(&rail, &mut state, capture(HELD, by_exchange(2))));
    for fact in &facts {
        assert_eq!(book.post(fact), []);
    }
    let refused = take(&mut state, release(by_exchange(3)));
    assert_eq!(refused, Err(PaymentRefusal::NotAllowedNow { stage: "CAPTURED" }));
    assert!(matches!(take(&mut state, release(by_verdict(3, CASE))), Err(PaymentRefusal::NotAllowedNow { .. })));
    // A rule that looks only at whether there was a hold makes this fact, and the book convicts it.
    let evidence = Digest([9; 32]);
    let (op, seq, amount, place) = (RailOp::Release, 0, HELD, Place::Funded);
    let broken = book.post(&fact(Change::Released { op, seq, amount, place, evidence }));
    let escrow = Broken::Negative { account: Account::Escrow(X) };
    bites(refused.is_ok(), broken.contains(&escrow) && broken.contains(&Broken::MoreThanHeld { x: X }));
}

fn secret() -> Secret {
    Secret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX").unwrap()
}

/// A callback that was taken is sent once more, by whoever saw it pass.
#[test]
fn pay_callback_replayed() {
    let rail = rail(RailClass::Auth);
    let mut state = PaymentState::default();
    carry_out(&rail, &mut state, hold(RailClass::Auth));
    carry_out(&rail, &mut state, capture(HELD, by_exchange(2)));
    assert!(rail.pay_out(&X, eur(100)));
    let notice = rail.take_notices().pop().unwrap();
    let signature = sign(&secret(), &notice.id, NOW, &notice.body).unwrap();
    let timestamp = NOW.secs().to_string();
    let received = Received { id: &notice.id, timestamp: &timestamp, signature: &signature, body: &notice.body };
    let mut seen = Seen::default();
    let read = |seen: &Seen, now| verify(&received, &[secret()], 300, seen, now);
    let first = read(&seen, NOW).unwrap();
    let paid = take(&mut state, first.event.clone()).unwrap();
    seen.note(&first, 300, NOW);
    let replayed = read(&seen, NOW.plus_secs(300));
    assert_eq!(replayed, Err(CallbackFault::Replayed));
    assert_eq!(
        read(&Seen::default(), NOW.plus_secs(301)),
        Err(CallbackFault::Time { at: NOW.whole_secs(), now: NOW.plus_secs(301) })
    );
    // After a restart that forgot the ids it passes, and says nothing new: the evidence is known.
    let again = read(&Seen::default(), NOW.plus_secs(1)).unwrap();
    let by_the_rule = !take(&mut state, again.event.clone()).unwrap().is_empty();
    // Without that, it would be paid out twice in the book.
    let mut forgetful = state.clone();
    forgetful.evidence.clear();
    let weakened = take(&mut forgetful, again.event).unwrap();
    let both = (&paid[0].change, &weakened[0].change);
    bites(by_the_rule, both.0 == both.1);
}

/// A case is open, and the exchange still tries to have the money moved its way.
#[test]
fn pay_frozen_moves_nothing() {
    let orders = [capture(HELD, by_exchange(8)), release(by_exchange(8)), refund(100, by_exchange(8))];
    let moved = |frozen: bool| {
        let mut moved = 0;
        for class in [RailClass::Auth, RailClass::Funded] {
            for captured in [false, true] {
                let rail = rail(class);
                let mut state = PaymentState::default();
                carry_out(&rail, &mut state, hold(class));
                if captured {
                    carry_out(&rail, &mut state, capture(HELD, by_exchange(2)));
                }
                // The bank holds it for longer than the case lasts, so the freeze asks no rail.
                assert_eq!(carry_out(&rail, &mut state, freeze(CASE)).len(), 1);
                if !frozen {
                    state.frozen = None; // a rule that is blind to it
                }
                let lines = rail.statement().len();
                for order in &orders {
                    let mut state = state.clone();
                    match take(&mut state, order.clone()) {
                        Err(PaymentRefusal::Frozen { by }) => assert_eq!(by, CASE),
                        Err(refusal) => assert!(!frozen && matches!(refusal, PaymentRefusal::NotAllowedNow { .. })),
                        Ok(_) => drop(state.pending().unwrap().settle(&rail)),
                    }
                    // The verdict of another case moves it neither.
                    let other = take(&mut state, release(by_verdict(9, OTHER_CASE)));
                    assert!(!frozen || other == Err(PaymentRefusal::Frozen { by: CASE }));
                }
                moved += rail.statement().len() - lines;
            }
        }
        moved
    };
    bites(moved(true) > 0, moved(false) > 0);
}

/// A bank's hold ends while the case about it lasts: whoever delays the case has won it.
#[test]
fn pay_hold_outlived_by_case() {
    let attack = |converts: bool| {
        let rail = rail(RailClass::Auth);
        rail.script(RailOp::Hold, Trick::Expire { after_millis: 60_000 });
        let mut state = PaymentState::default();
        carry_out(&rail, &mut state, hold(RailClass::Auth));
        if converts {
            carry_out(&rail, &mut state, freeze(CASE));
        } else {
            // A rule that asks nobody for how long the bank holds.
            let blind = PaymentEvent::Freeze { case: CASE, needed_until: NOW };
            carry_out(&rail, &mut state, blind);
        }
        rail.advance_to(NOW.plus_secs(3_000));
        carry_out(&rail, &mut state, capture(HELD, by_verdict(9, CASE)));
        !matches!(state.stage, Stage::Captured(_))
    };
    bites(attack(true), attack(false));
}

/// A rail declines a capture, does it all the same, and lets the hold end: it gives back the rest alone, and a book that asks no amount takes
/// the whole for given back.
#[test]
fn pay_end_of_less_than_was_held() {
    let rail = rail(RailClass::Funded);
    rail.script(RailOp::Hold, Trick::Expire { after_millis: 60_000 });
    rail.script(RailOp::Capture, Trick::DeclineThenDone);
    let (mut state, mut book) = (PaymentState::default(), Book::default());
    let mut facts = carry_out(&rail, &mut state, hold(RailClass::Funded));
    facts.extend(take(&mut state, capture(400, by_exchange(2))).unwrap());
    let call = state.pending().unwrap();
    let told = Told::from(&call.make(&rail));
    facts.extend(take(&mut state, PaymentEvent::Outcome { key: call.key, told }).unwrap());
    drop(rail.take_notices());
    rail.advance_to(NOW.plus_secs(60));
    let notice = rail.take_notices().pop().unwrap();
    let signature = sign(&secret(), &notice.id, NOW, &notice.body).unwrap();
    let timestamp = NOW.secs().to_string();
    let received = Received { id: &notice.id, timestamp: &timestamp, signature: &signature, body: &notice.body };
    let event = verify(&received, &[secret()], 300, &Seen::default(), NOW).unwrap().event;
    assert!(matches!(event, PaymentEvent::Expire { amount, .. } if amount == eur(600)), "{event:?}");
    let ended = take(&mut state, event).unwrap();
    let mut blind = book.clone();
    facts.extend(ended.clone());
    facts.iter().for_each(|fact| assert_eq!(book.post(fact), []));
    let is_off = |book: &Book| book.kept_by(rail.id(), EUR()) != rail.kept(EUR());
    // Without the amount that the rail tells.
    for mut fact in facts {
        if let Change::Expired { amount, told, .. } = &mut fact.change {
            *told = *amount;
        }
        blind.post(&fact);
    }
    bites(is_off(&book), is_off(&blind));
    let item = state.suspense.last().unwrap();
    assert_eq!((item.amount, item.moved, Some(item.item)), (400, Moved::In, ended[0].evidence()));
}

/// A rail declines a capture and does it all the same, so that the next attempt would be the second.
#[test]
fn pay_declined_and_done() {
    let rail = rail(RailClass::Auth);
    rail.script(RailOp::Capture, Trick::DeclineThenDone);
    let (mut state, mut book) = (PaymentState::default(), Book::default());
    let mut facts = carry_out(&rail, &mut state, hold(RailClass::Auth));
    facts.extend(take(&mut state, capture(400, by_exchange(2))).unwrap());
    let call = state.pending().unwrap();
    let told = Told::from(&call.make(&rail));
    assert!(matches!(told, Told::Declined(_)));
    facts.extend(take(&mut state, PaymentEvent::Outcome { key: call.key, told }).unwrap());
    let mut blind = state.clone();
    // Its callback tells that it was done.
    let done = RailAnswer::Done(match rail.status(&call.key) {
        RailAnswer::Done(done) => done,
        other => panic!("{other:?}"),
    });
    facts.extend(take(&mut state, PaymentEvent::Outcome { key: call.key, told: Told::from(&done) }).unwrap());
    for fact in &facts {
        assert_eq!(book.post(fact), []);
    }
    let suspense = Account::Suspense(RailId::new("sim").unwrap());
    assert_eq!((book.balance(&suspense, EUR()), book.kept_by(rail.id(), EUR())), (400, rail.kept(EUR())));
    assert_eq!(take(&mut state, capture(400, by_exchange(2))), Err(PaymentRefusal::InSuspense));
    let by_the_rule = times(&rail, "capture") > 1;
    take(&mut blind, capture(400, by_exchange(2))).unwrap();
    assert!(matches!(blind.pending().unwrap().make(&rail), RailAnswer::Done(_)));
    bites(by_the_rule, times(&rail, "capture") > 1);
}
