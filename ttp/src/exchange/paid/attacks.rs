//! Attacks on payments through an arbiter (exchange-and-disputes §8, §17): each fails against the rule, and succeeds against a copy of the rule
//! that was weakened for it, so that the test is known to bite.

use super::super::cd_r::Posted;
use super::super::judge::Fault;
use super::super::judge::paid::{Evidence, followed, judge};
use super::super::judge::{Filed, Finding};
use super::super::testing::{Delivery, IAT, PEOPLE, delivery, participant, twin};
use super::super::*;
use super::testing::*;
use super::*;
use crate::b64u::B64u;
use crate::statement::exchange::cd_r::{D1, D4};
use crate::statement::exchange::pg::{Accept, Cancel, GoodsOrder, HandedOver, Received, Shipped};
use crate::statement::exchange::pr::{PaymentOffer, PaymentReceipt};
use crate::statement::exchange::{Outcome, Protocol};
use crate::statement::{Body as _, Jws};

use Go::{At, Freeze as Frozen, Open, Show as S, Thaw as Thawed, Told as T, Wake};

/// Whether an attack gets through: never by the rule, always by its weakened copy.
fn bites(by_the_rule: bool, weakened: bool) {
    assert!(!by_the_rule, "the attack gets through");
    assert!(weakened, "the attack does not get through a rule that was weakened for it, so this test shows nothing");
}

const HELD: [Go; 3] = [Open, S(Shown::Accepted), T(Told::Held)];

fn captures(course: &Course) -> bool {
    matches!(course.state.pending_move(), Some(Move::Capture { .. }))
}

fn is_refused(script: &Script, course: &mut Course, step: Go, code: &str) -> bool {
    let event = event_of(script, course, step);
    course.take(event).is_err_and(|refusal| refusal.code() == code)
}

/// The payer would have paid, and no receipt is there.
#[test]
fn pay_capture_without_receipt() {
    let script = Script::new(Thing::Receipt);
    let course = after(&script, &[Open, T(Told::Held)]);
    // A rule that captures as soon as it is held.
    let mut blind = course.clone();
    blind.state.stage = Stage::Capturing;
    bites(captures(&course), captures(&blind));
    // And no verdict says that it was paid: its judge asks for the receipt.
    let x = script.x();
    let without = verdict(Protocol::Pr, x, Outcome::Captured, &[&script.opened.jws], IAT + 5);
    let with = verdict(Protocol::Pr, x, Outcome::Captured, &[&script.opened.jws, &script.receipt], IAT + 5);
    let judged = |jws: Jws| {
        let verdicts = vec![Filed { jws, is_logged: true }];
        judge(&Evidence { first: script.opened.jws.clone(), statements: vec![], verdicts }, &keys).unwrap()
    };
    let (bad, good) = (judged(without), judged(with));
    assert!(bad.findings.contains(&Finding::AgainstTheRules) && good.findings.is_empty());
    bites(bad.receipt, good.receipt);
}

/// A receipt alone, which the payee has signed before it was paid, is shown as one.
#[test]
fn pay_receipt_before_capture() {
    let script = Script::new(Thing::Receipt);
    let first = script.opened.jws.clone();
    let alone = Evidence { first, statements: vec![script.receipt.clone()], verdicts: vec![] };
    let judged = judge(&alone, &keys).unwrap();
    assert_eq!(judged.rejected, []);
    // Whoever asks the signature alone has a receipt.
    bites(judged.receipt, script.receipt.verify(&PEOPLE.o.public).is_ok());
    let void = verdict(Protocol::Pr, script.x(), Outcome::Void, &[&script.opened.jws, &script.receipt], IAT + 5);
    let voided = Evidence { verdicts: vec![Filed { jws: void, is_logged: true }], ..alone };
    let judged = judge(&voided, &keys).unwrap();
    assert_eq!(
        (judged.receipt, judged.findings.len(), judged.decided.map(|(o, _)| o)),
        (false, 0, Some(Outcome::Void))
    );
}

/// The same decision is to be carried out twice, under two names.
#[test]
fn pay_captured_twice() {
    let script = Script::new(Thing::Physical);
    let mut course = after(&script, &[&HELD[..], &[S(Shown::Received)]].concat());
    let first = course.state.pending_move().unwrap();
    let told = course.tell(Told::Declined);
    course.take(told).unwrap();
    let second = course.state.pending_move().unwrap();
    let (x, by_name) = (script.x(), order_id(&script.x(), &first) != order_id(&script.x(), &second));
    // A name that counts attempts.
    let counted = |n: u32| Digest::of(&[&x.0[..], &n.to_be_bytes()].concat());
    bites(by_name, counted(0) != counted(course.state.declined));
    let told = course.tell(Told::Captured);
    course.take(told).unwrap();
    assert_eq!(course.state.pending_move(), None, "and after it was told, it is ordered no more");
}

/// The payee has it, and the payer wants it back by the rules of the same run.
#[test]
fn pay_release_after_capture() {
    let script = Script::new(Thing::Physical);
    let back = [S(Shown::CancelledByPayer), S(Shown::CancelledByPayee), At(T_EXP + 9), Wake];
    let course = after(&script, &[&HELD[..], &[S(Shown::Received)], &back].concat());
    assert_eq!((course.decisions(), course.outcome()), (1, Some(Outcome::Captured)));
    // A rule that forgets its decision.
    let mut forgetful = after(&script, &[&HELD[..], &[S(Shown::Received)]].concat());
    (forgetful.state.decision, forgetful.state.stage) = (None, Stage::Held);
    for step in back {
        let event = event_of(&script, &mut forgetful, step);
        drop(forgetful.take(event));
    }
    let released = |course: &Course| course.state.pending_move() == Some(Move::Release);
    bites(released(&course), released(&forgetful));
}

/// The seller confirms in the buyer's place, or a stranger does.
#[test]
fn pay_received_by_a_stranger() {
    let script = Script::new(Thing::Physical);
    let x = Some(script.x());
    for by in [&PEOPLE.o, &PEOPLE.stranger, &*CARRIER, &PEOPLE.t] {
        let received = by.sign(x, Received {});
        let refused = script.opened.shown(&received, &keys).unwrap_err();
        assert_eq!(refused.code(), "exchange.not_allowed");
        // Whoever takes the key from the header believes it.
        bites(script.opened.shown(&received, &keys).is_ok(), received.verify(&by.public).is_ok());
    }
    let signed_by_name = PEOPLE.r.sign(x, Received {});
    let keyless = |_: &crate::crypto::jose::Thumbprint| None;
    assert_eq!(script.opened.shown(&signed_by_name, &keyless).unwrap_err().code(), "exchange.unknown_key");
}

/// Somebody who carries nothing says that the goods were handed over; or a side is its own carrier.
#[test]
fn pay_carrier_not_named() {
    let without = GoodsOrder { carrier: None, ..order(Thing::Physical) };
    let script = Script::of(PEOPLE.r.sign(None, without));
    for by in [&*CARRIER, &PEOPLE.o, &PEOPLE.stranger] {
        let handed_over = by.sign(Some(script.x()), HandedOver {});
        let read = script.opened.shown(&handed_over, &keys);
        assert_eq!(read.as_ref().unwrap_err().code(), "exchange.not_allowed");
        bites(read.is_ok(), handed_over.verify(&by.public).is_ok());
    }
    // Of a carrier that the order names, the seller's word on shipping does not count, and the other way round.
    let named = Script::new(Thing::Physical);
    let by_seller = |script: &Script| script.opened.shown(&PEOPLE.o.sign(Some(script.x()), Shipped {}), &keys).is_ok();
    bites(by_seller(&named), by_seller(&script));
    for carrier in
        [participant(1, &CARRIER), participant(3, &PEOPLE.o), participant(2, &CARRIER), participant(3, &PEOPLE.t)]
    {
        let own = GoodsOrder { carrier: Some(carrier), ..order(Thing::Physical) };
        let refused = Opened::read(PEOPLE.r.sign(None, own), &keys).unwrap_err();
        assert_eq!(refused.code(), "exchange.one_party", "{carrier:?}");
    }
}

/// One side alone takes back what both have agreed on.
#[test]
fn pay_cancelled_by_one_side() {
    let script = Script::new(Thing::Physical);
    for what in [Shown::CancelledByPayer, Shown::CancelledByPayee] {
        let accepted = after(&script, &[&HELD[..], &[S(what)]].concat());
        let before = after(&script, &[Open, S(what)]);
        bites(accepted.outcome().is_some(), before.outcome() == Some(Outcome::Void));
        // Twice by one side are not both.
        let mut again = accepted.clone();
        let by = if what == Shown::CancelledByPayer { &PEOPLE.r } else { &PEOPLE.o };
        let at = crate::statement::Millis::new(IAT + 1).unwrap();
        let second = script.opened.shown(&by.sign_at(at, Some(script.x()), Cancel {}), &keys).unwrap();
        assert_eq!(again.take(PaidEvent::Show(second)).unwrap_err().code(), "paid.not_allowed_now");
        assert_eq!(again.outcome(), None);
    }
    let stranger = PEOPLE.stranger.sign(Some(script.x()), Cancel {});
    assert_eq!(script.opened.shown(&stranger, &keys).unwrap_err().code(), "exchange.not_allowed");
}

/// What was signed for one order is shown for another of the same people.
#[test]
fn pay_statement_of_another_run() {
    let (script, other) = (Script::new(Thing::Physical), {
        let later = GoodsOrder { t_exp: millis(T_EXP + 1), ..order(Thing::Physical) };
        Script::of(PEOPLE.r.sign(None, later))
    });
    for what in [Shown::Accepted, Shown::Shipped, Shown::HandedOver, Shown::Received, Shown::Rejected] {
        let refused = script.opened.shown(&other.jws(what), &keys).unwrap_err();
        assert_eq!(refused.code(), "exchange.other_run", "{what:?}");
        bites(
            script.opened.shown(&other.jws(what), &keys).is_ok(),
            other.opened.shown(&other.jws(what), &keys).is_ok(),
        );
    }
    // Of deliveries and receipts, too.
    let (digital, receipt) = (Script::new(Thing::Digital), Script::new(Thing::Receipt));
    let strange = Delivery::new(None);
    let refused = digital.opened.posted(strange.posted.jws.clone(), &keys).map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), "exchange.other_run", "its `pay` is none, or another");
    bites(false, Posted::read(strange.posted.jws, &keys).is_ok());
    let text = PaymentReceipt { offer: receipt.opened.jws.digest().into(), receipt: B64u([1; 32]) };
    let refused = receipt.opened.shown(&PEOPLE.o.sign(Some(receipt.x()), text), &keys).unwrap_err();
    assert_eq!(refused.code(), "exchange.other_commitment", "a receipt for something else");
}

/// The seller accepts another amount than was ordered: a changed order has another x, and the acceptance names the one it is for.
#[test]
fn pay_amount_changed() {
    let script = Script::new(Thing::Physical);
    let dearer = GoodsOrder { amount: eur(9_000), ..order(Thing::Physical) };
    let dearer = Script::of(PEOPLE.r.sign(None, dearer));
    let x = Some(script.x());
    // With the other order's hash under this run's x.
    let mixed = PEOPLE.o.sign(x, Accept { order: dearer.opened.jws.digest().into() });
    let refused = script.opened.shown(&mixed, &keys).unwrap_err();
    assert_eq!(refused.code(), "exchange.other_copy");
    bites(script.opened.shown(&mixed, &keys).is_ok(), mixed.verify(&PEOPLE.o.public).is_ok());
    assert_eq!(script.opened.shown(&dearer.accept, &keys).unwrap_err().code(), "exchange.other_run");
    // The order itself, with another amount under the buyer's old signature.
    let text = String::from_utf8(script.opened.jws.bytes().to_vec()).unwrap();
    let parts: Vec<_> = text.split('.').collect();
    let payload = String::from_utf8(script.opened.jws.payload().to_vec()).unwrap().replace("\"1000\"", "\"9000\"");
    let forged = [parts[0], &crate::b64u::encode(payload.as_bytes()), parts[2]].join(".");
    let forged = Jws::parse(forged.as_bytes()).unwrap();
    assert_eq!(Opened::read(forged.clone(), &keys).unwrap_err().code(), "exchange.signature");
    bites(
        Opened::read(forged.clone(), &keys).is_ok(),
        Opened::claimed(&forged).is_ok_and(|read| read.terms.amount == eur(9_000)),
    );
}

/// The buyer's receipt is shown when the order has ended.
#[test]
fn pay_late_d4() {
    let script = Script::new(Thing::Digital);
    let story = |at: u64| after(&script, &[&HELD[..], &[S(Shown::Posted), At(at), S(Shown::Delivered)]].concat());
    let (late, in_time) = (story(T_EXP + 1), story(T_EXP));
    assert_eq!(late.outcome(), Some(Outcome::Released));
    bites(late.outcome() == Some(Outcome::Captured), in_time.outcome() == Some(Outcome::Captured));
    assert!(
        late.facts.iter().any(|fact| matches!(fact, PaidFact::Shown { what: Shown::Delivered, counts: false, .. }))
    );
}

/// A payment that came to nothing, and the rail does what it had declined.
#[test]
fn pay_void_then_capture() {
    let script = Script::new(Thing::Receipt);
    let void = after(&script, &[Open, T(Told::Held), S(Shown::Receipt), T(Told::Declined)]);
    assert_eq!((void.outcome(), void.state.pending_move()), (Some(Outcome::Void), Some(Move::Release)));
    let late = after(&script, &[Open, T(Told::Held), S(Shown::Receipt), T(Told::Declined), T(Told::Captured)]);
    assert_eq!((late.decisions(), late.outcome()), (1, Some(Outcome::Void)));
    assert_eq!(late.state.pending_move(), None, "what the rail has done against its word, people settle");
    // A rule that believes the rail once more.
    let mut naive = void.clone();
    (naive.state.decision, naive.state.stage) = (None, Stage::Capturing);
    let told = naive.tell(Told::Captured);
    naive.take(told).unwrap();
    bites(late.outcome() == Some(Outcome::Captured), naive.outcome() == Some(Outcome::Captured));
}

/// A case is open, and the buyer's old word is shown.
#[test]
fn pay_frozen_then_capture() {
    let script = Script::new(Thing::Physical);
    let frozen = after(&script, &[&HELD[..], &[Frozen, S(Shown::Received), At(T_EXP + 9), Wake]].concat());
    let free = after(&script, &[&HELD[..], &[S(Shown::Received)]].concat());
    bites(captures(&frozen) || frozen.outcome().is_some(), captures(&free));
    // Decided, and frozen before it was carried out.
    let decided = after(&script, &[&HELD[..], &[S(Shown::Received), Frozen]].concat());
    bites(captures(&decided), captures(&after(&script, &[&HELD[..], &[S(Shown::Received), Frozen, Thawed]].concat())));
}

/// A seller posts two deliveries for one payment, and takes back the one that the buyer did not get.
#[test]
fn pay_second_delivery() {
    let script = Script::new(Thing::Digital);
    let (base, content) = delivery(Some(T_EXP - DELTA - 1));
    let second = Delivery::of(D1 { pay: Some(script.x().into()), ..base }, content);
    let (show, _) = script.opened.posted(second.posted.jws.clone(), &keys).unwrap();
    let mut course = after(&script, &[&HELD[..], &[S(Shown::Posted)]].concat());
    let refused = course.take(PaidEvent::Show(show)).unwrap_err();
    assert_eq!(refused.code(), "paid.other_delivery");
    let aborted = verdict(Protocol::CdR, second.x(), Outcome::Aborted, &[&second.posted.jws, &second.abort], IAT + 5);
    let returned = script.opened.delivery_decided(&aborted, &keys).unwrap();
    let by_the_rule = course.take(PaidEvent::Show(returned)).is_ok();
    let mut unbound = course.clone();
    unbound.state.delivery = None;
    bites(by_the_rule, unbound.take(PaidEvent::Show(returned)).is_ok() && unbound.outcome() == Some(Outcome::Released));
}

/// Deliveries that are not of this payment: the other way round, before another arbiter, of another content than was ordered.
#[test]
fn pay_delivery_that_was_not_ordered() {
    let script = Script::new(Thing::Digital);
    let pay = Some(script.x().into());
    let (base, content) = delivery(Some(T_EXP - DELTA));
    let post = |d1: D1, by: &super::super::testing::Person| script.opened.posted(by.sign(None, d1), &keys).map(|_| ());
    assert_eq!(post(D1 { pay, ..base.clone() }, &PEOPLE.o), Ok(()));
    let turned = D1 { pay, o: base.r, r: base.o, ..base.clone() };
    bites(post(turned.clone(), &PEOPLE.r).is_ok(), Posted::read(PEOPLE.r.sign(None, turned), &keys).is_ok());
    let mut elsewhere = D1 { pay, ..base.clone() };
    elsewhere.ttp.key = PEOPLE.stranger.name();
    assert_eq!(post(elsewhere, &PEOPLE.o).unwrap_err().code(), "exchange.other_arbiter");
    let goods = crate::statement::exchange::pg::Goods::Digital { hm: Some(B64u([1; 32])) };
    let ordered = Opened::read(PEOPLE.r.sign(None, GoodsOrder { goods, ..order(Thing::Digital) }), &keys).unwrap();
    let other = D1 { pay: Some(ordered.run.x.into()), ..base };
    let refused = ordered.posted(PEOPLE.o.sign(None, other), &keys).map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), "exchange.other_commitment");
    drop(content);
}

/// A verdict about the delivery that does not follow from what it embeds, or is not the arbiter's.
#[test]
fn pay_delivery_verdict_forged() {
    let script = Script::new(Thing::Digital);
    let delivery = script.delivery.as_ref().unwrap();
    let read = |jws: &Jws| script.opened.delivery_decided(jws, &keys).map(|show| show.what);
    assert_eq!(read(&script.jws(Shown::Released)), Ok(Shown::Released));
    let d1 = &delivery.posted.jws;
    let without = verdict(Protocol::CdR, delivery.x(), Outcome::Released, &[d1], IAT + 5);
    bites(read(&without).is_ok(), without.verify(&PEOPLE.t.public).is_ok());
    let body = script.jws(Shown::Released).payload_as::<crate::statement::exchange::verdict::Verdict>().unwrap().body;
    let by_seller = PEOPLE.o.sign(Some(delivery.x()), body);
    assert_eq!(read(&by_seller).unwrap_err().code(), "exchange.other_arbiter");
    // d4 of another delivery, and what is longer than a verdict could embed.
    let other = Delivery::new(None);
    let stranger = script.opened.delivered(&delivery.posted, &other.d4, &keys).unwrap_err();
    assert_eq!(stranger.code(), "exchange.other_run");
    assert!(
        PEOPLE.r.sign(Some(delivery.x()), D4 { hm: delivery.posted.delivery.hm }).bytes().len()
            < PAID_STATEMENT_BYTES_MAX
    );
}

/// The other signature that anybody can make of an order names the same run, and an acceptance of either copy counts.
#[test]
fn pay_order_malleability() {
    let buyer = &PEOPLE.o; // its signatures have a twin
    let turned =
        GoodsOrder { buyer: participant(1, &PEOPLE.o), seller: participant(2, &PEOPLE.r), ..order(Thing::Physical) };
    let first = buyer.sign(None, turned);
    let (one, other) = (Opened::read(first.clone(), &keys).unwrap(), Opened::read(twin(&first), &keys).unwrap());
    assert_eq!(one.run.x, other.run.x);
    let accept = PEOPLE.r.sign(Some(one.run.x), Accept { order: first.digest().into() });
    assert!(one.shown(&accept, &keys).is_ok() && other.shown(&accept, &keys).is_ok());
}

/// Orders that contradict themselves are none.
#[test]
fn orders_that_nobody_can_keep_are_refused() {
    let physical = || order(Thing::Physical);
    let refused = |order: GoodsOrder| {
        Opened::read(PEOPLE.r.sign(None, order), &keys).is_err_and(|b| b.code() == "exchange.statement")
    };
    assert!(!refused(physical()));
    assert!(refused(GoodsOrder { amount: eur(0), ..physical() }));
    assert!(refused(GoodsOrder { t_ship: None, ..physical() }));
    assert!(refused(GoodsOrder { t_accept: None, ..physical() }));
    assert!(refused(GoodsOrder { t_hold: millis(T_SHIP + 1), ..physical() }));
    assert!(refused(GoodsOrder { t_exp: millis(T_SHIP - 1), ..physical() }));
    assert!(refused(GoodsOrder { t_exp: millis(crate::json::INTEGER_MAX), ..physical() }));
    let digital = || order(Thing::Digital);
    assert!(refused(GoodsOrder { t_ship: Some(millis(T_SHIP)), ..digital() }));
    assert!(refused(GoodsOrder { carrier: Some(participant(3, &CARRIER)), ..digital() }));
    assert!(refused(GoodsOrder { t_hold: millis(T_EXP + 1), ..digital() }));
    let alone = GoodsOrder { seller: participant(2, &PEOPLE.o), ..physical() };
    assert_eq!(Opened::read(PEOPLE.r.sign(None, alone), &keys).unwrap_err().code(), "exchange.one_party");
    let nothing = PaymentOffer { amount: eur(0), ..payment() };
    assert!(Opened::read(PEOPLE.r.sign(None, nothing), &keys).is_err());
    assert_eq!((GoodsOrder::TAG, PaymentOffer::TAG), ("pg/order", "pr/offer"));
}

/// An arbiter that decides too early, by too little, or twice, is convicted by its own verdict.
#[test]
fn an_arbiter_of_payments_is_convicted_by_its_own_verdict() {
    use Outcome::{Aborted, Captured, Expired, Released, Resolved, Void};
    let script = Script::new(Thing::Physical);
    let (x, first, accept) = (script.x(), &script.opened.jws, &script.accept);
    let found = |outcome, rest: &[&Jws], at| {
        let basis: Vec<_> = [first].into_iter().chain(rest.iter().copied()).collect();
        let jws = verdict(Protocol::Pg, x, outcome, &basis, at);
        let verdicts = vec![Filed { jws, is_logged: true }];
        judge(&Evidence { first: first.clone(), statements: vec![], verdicts }, &keys).unwrap()
    };
    let (rules, early) = (Finding::AgainstTheRules, Finding::OutOfTime);
    let [by_payer, by_payee] = &script.cancel;
    for (outcome, rest, at, finding) in [
        (Captured, vec![], IAT + 5, rules),
        (Captured, vec![accept], IAT + 5, rules),
        (Captured, vec![accept, &script.shipped], IAT + 5, rules),
        (Captured, vec![&script.received], IAT + 5, rules),
        (Captured, vec![accept, &script.rejected], T_EXP + 5, rules),
        (Released, vec![accept], T_SHIP, early),
        (Released, vec![accept, &script.rejected], T_EXP, early),
        (Released, vec![accept, by_payer], IAT + 5, rules),
        (Released, vec![accept, &script.received], IAT + 5, rules),
        (Void, vec![accept, by_payee], IAT + 5, rules),
        (Void, vec![], IAT + 5, rules),
        (Expired, vec![accept], T_HOLD, early),
        (Expired, vec![accept, &script.shipped], T_HOLD + 1, rules),
        (Aborted, vec![accept], IAT + 5, rules),
        (Resolved, vec![accept], IAT + 5, rules),
    ] {
        let judgement = found(outcome, &rest, at);
        assert_eq!(judgement.findings.into_iter().collect::<Vec<_>>(), [finding], "{outcome:?} {}", rest.len());
        assert_eq!(judgement.decided, None);
    }
    let good = found(Released, &[accept], T_SHIP + 1);
    assert_eq!((good.decided, good.findings.len()), (Some((Released, T_SHIP + 1)), 0));
    // Twice.
    let [one, other] = [T_SHIP + 1, T_SHIP + 2].map(|at| verdict(Protocol::Pg, x, Released, &[first, accept], at));
    let verdicts = [one, other].map(|jws| Filed { jws, is_logged: true }).to_vec();
    let twice = judge(&Evidence { first: first.clone(), statements: vec![], verdicts }, &keys).unwrap();
    assert!(twice.findings.contains(&Finding::DecidedTwice));
    // A key that is not at hand convicts nobody where it is asked why.
    let carrierless =
        |name: &crate::crypto::jose::Thumbprint| keys(name).filter(|key| key.thumbprint() != CARRIER.name());
    let jws = verdict(Protocol::Pg, x, Captured, &[first, accept, &script.handed_over], IAT + 5);
    let stated = jws.payload_as().unwrap().body;
    let fault = followed(&script.opened, &stated, &carrierless).unwrap_err();
    assert!(matches!(fault, Fault::Statement(Broken::UnknownKey { side: "carrier", .. })), "{fault:?}");
    assert!(is_refused(&script, &mut after(&script, &[Open]), S(Shown::Received), "paid.not_allowed_now"));
}
