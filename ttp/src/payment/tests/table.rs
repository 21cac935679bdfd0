//! Every pair of a state and an event, with the kinds of the facts that it leaves or the code of its refusal; and what the facts say.

use super::super::rail::{DeclineCode, RailClass, RailOp, rail_key};
use super::super::testing::*;
use super::super::*;
use crate::digest::Digest;
use crate::evidence::{Envelope, Fact, Recorded as _, names};
use crate::role::step;
use crate::timestamp::ClockVerdict;

use RailClass::{Auth, Funded};

const CHARGED: Digest = Digest([40; 32]);
const LATE: Digest = Digest([41; 32]);

fn charge_back(minor: u64, evidence: Digest) -> PaymentEvent {
    PaymentEvent::ChargeBack { amount: eur(minor), evidence }
}

fn expired(minor: u64, evidence: Digest) -> PaymentEvent {
    PaymentEvent::Expire { amount: eur(minor), evidence }
}

fn clear(order: Order) -> PaymentEvent {
    PaymentEvent::Clear { item: CHARGED, bearer: Bearer::Payee, order }
}

/// A declined capture that was done after all.
fn contradicted() -> Vec<PaymentEvent> {
    let told = Told::Done { amount: eur(HELD), expires_at: None, evidence: CHARGED };
    let late = PaymentEvent::Outcome { key: rail_key(&X, RailOp::Capture, 0), told };
    let declined = declined(RailOp::Capture, 0, DeclineCode::Refused);
    vec![hold(Auth), done(RailOp::Hold, 0, HELD), capture(HELD, by_exchange(2)), declined, late]
}

/// Each stage, and each variety of it that decides otherwise.
fn states() -> Vec<(&'static str, PaymentState)> {
    let held = |class| vec![hold(class), done(RailOp::Hold, 0, HELD)];
    let with = |class, more: Vec<PaymentEvent>| after([held(class), more].concat());
    let taken = || vec![capture(HELD, by_exchange(2)), done(RailOp::Capture, 0, HELD)];
    let part = || vec![capture(400, by_exchange(2)), done(RailOp::Capture, 0, 400)];
    let refused = |op| declined(op, 0, DeclineCode::Refused);
    let escrowing = || vec![hold(Auth), held_for_a_minute(), freeze(CASE)];
    let escrowed = || [escrowing(), vec![done(RailOp::Capture, 0, HELD)]].concat();
    let refunded = |minor| [taken(), vec![refund(minor, by_exchange(3)), done(RailOp::Refund, 0, minor)]].concat();
    let charged = || [taken(), vec![charge_back(100, CHARGED)]].concat();
    vec![
        ("none", PaymentState::default()),
        ("requested", after([hold(Auth)])),
        ("declined", after([hold(Auth), refused(RailOp::Hold)])),
        ("held", with(Auth, vec![])),
        ("held-funded", with(Funded, vec![])),
        ("held-a-minute", after([hold(Auth), held_for_a_minute()])),
        ("held-frozen", with(Auth, vec![freeze(CASE)])),
        ("held-rest", with(Funded, [part(), vec![refused(RailOp::Release)]].concat())),
        ("held-contradicted", after(contradicted())),
        ("escrowing", after(escrowing())),
        ("escrowed", after(escrowed())),
        ("capturing", with(Auth, vec![capture(HELD, by_exchange(2))])),
        ("capturing-funded", with(Funded, vec![capture(400, by_exchange(2))])),
        ("releasing", with(Funded, vec![release(by_exchange(2))])),
        ("releasing-rest", with(Auth, part())),
        ("captured", with(Auth, taken())),
        ("refunding", with(Auth, [taken(), vec![refund(400, by_exchange(3))]].concat())),
        ("refunded", with(Auth, refunded(400))),
        ("refunded-whole", with(Auth, refunded(HELD))),
        ("charged-back", with(Auth, charged())),
        ("cleared", with(Auth, [charged(), vec![clear(by_verdict(9, CASE))]].concat())),
        ("released", with(Auth, vec![release(by_exchange(2)), done(RailOp::Release, 0, HELD)])),
        ("released-funded", with(Funded, vec![release(by_exchange(2)), done(RailOp::Release, 0, HELD)])),
        ("expired", with(Auth, vec![expired(HELD, LATE)])),
        ("expired-less", with(Funded, vec![expired(600, LATE)])),
    ]
}

/// The pending call's answer, or that of the hold where none is pending.
fn answer(state: &PaymentState, told: impl Fn(u64) -> Told) -> PaymentEvent {
    let call = state.pending();
    let key = call.as_ref().map_or(rail_key(&X, RailOp::Hold, 0), |call| call.key);
    PaymentEvent::Outcome { key, told: told(call.map_or(HELD, |call| call.amount.minor())) }
}

fn told_done(minor: u64) -> Told {
    Told::Done { amount: eur(minor), expires_at: None, evidence: Digest([42; 32]) }
}

fn told_ended(minor: u64) -> Told {
    Told::Ended { amount: eur(minor), evidence: Digest([47; 32]) }
}

type Make = Box<dyn Fn(&PaymentState) -> PaymentEvent>;

fn events() -> Vec<(&'static str, Make)> {
    fn fixed(event: PaymentEvent) -> Make {
        Box::new(move |_| event.clone())
    }
    let other_hold = PaymentEvent::Hold { terms: Box::new(terms(Auth)), order: by_exchange(50) };
    let new = by_exchange(51);
    vec![
        ("hold", fixed(other_hold)),
        ("capture", fixed(capture(HELD, new))),
        ("capture a part", fixed(capture(400, new))),
        ("capture more", fixed(capture(HELD + 1, new))),
        ("capture by verdict", fixed(capture(400, by_verdict(52, CASE)))),
        ("capture by another case", fixed(capture(400, by_verdict(52, OTHER_CASE)))),
        ("release", fixed(release(new))),
        ("release by verdict", fixed(release(by_verdict(52, CASE)))),
        ("refund", fixed(refund(400, new))),
        ("refund all", fixed(refund(HELD, new))),
        ("freeze", fixed(freeze(CASE))),
        ("freeze by another case", fixed(freeze(OTHER_CASE))),
        ("thaw", fixed(PaymentEvent::Thaw { case: CASE })),
        ("clear", fixed(clear(by_verdict(53, CASE)))),
        ("clear by exchange", fixed(clear(new))),
        ("made good", fixed(PaymentEvent::MakeGood { item: CHARGED, evidence: Digest([43; 32]) })),
        ("done", Box::new(|state| answer(state, told_done))),
        ("done with less", Box::new(|state| answer(state, |minor| told_done(minor - 1)))),
        ("declined", Box::new(|state| answer(state, |_| Told::Declined(DeclineCode::Refused)))),
        ("declined, expired", Box::new(|state| answer(state, |_| Told::Declined(DeclineCode::Expired)))),
        ("ended", Box::new(|state| answer(state, |_| told_ended(HELD)))),
        ("ended with less", Box::new(|state| answer(state, |_| told_ended(0)))),
        ("unknown", Box::new(|state| answer(state, |_| Told::Unknown))),
        ("another key", fixed(done(RailOp::Capture, 15, HELD))),
        ("expired", fixed(expired(HELD, Digest([44; 32])))),
        ("expired with less", fixed(expired(0, Digest([44; 32])))),
        ("charged back", fixed(charge_back(HELD, Digest([45; 32])))),
        ("charged back in part", fixed(charge_back(100, Digest([45; 32])))),
        ("charged back again", fixed(charge_back(100, CHARGED))),
        ("paid out", fixed(PaymentEvent::PayOut { amount: eur(975), evidence: Digest([46; 32]) })),
        ("paid out too much", fixed(PaymentEvent::PayOut { amount: eur(976), evidence: Digest([46; 32]) })),
    ]
}

/// The facts by their kinds, `poll`, `nothing`, or the refusal by its code.
fn cell(state: &PaymentState, event: PaymentEvent) -> String {
    let before = state.clone();
    let mut after = state.clone();
    let result = take_all(&mut after, event.clone());
    match result {
        Err(refusal) => {
            assert_eq!(after, before, "a refusal changes nothing");
            refusal.code().replace("payment.", "✗ ")
        }
        Ok((facts, effects)) => {
            let kinds: Vec<_> = facts.iter().map(|fact| fact.kind().to_string().replace("payment.", "")).collect();
            // One effect for each fact; evidence where the fact names some, a call where it asks a rail.
            for (fact, effect) in facts.iter().zip(&effects) {
                let asks = matches!(effect, PaymentEffect::Call(call) if Some(call.key) == fact.asks());
                let keeps = matches!(effect, PaymentEffect::KeepEvidence);
                assert_eq!(keeps, fact.evidence().is_some(), "{fact:?}");
                // What the service has it captures without a rail: asked and answered at once.
                let at_once = matches!(&fact.change, Change::Requested { call } if call.purpose == Purpose::Capture)
                    && facts.len() > 1;
                assert_eq!(asks, fact.asks().is_some() && !at_once, "{fact:?}");
            }
            if facts.is_empty() {
                assert_eq!(after, before);
                match effects.as_slice() {
                    [] => "nothing".to_owned(),
                    [PaymentEffect::Poll(call)] if Some(&**call) == before.pending().as_ref() => "poll".to_owned(),
                    other => panic!("{other:?}"),
                }
            } else {
                assert_eq!(facts.len(), effects.len());
                assert_eq!(after.steps, before.steps + facts.len() as u64);
                assert!(facts.iter().all(|fact| fact.x == X && fact.at == NOW));
                // Whatever was told once says nothing the second time, but for the thaw, which is over.
                if !matches!(event, PaymentEvent::Thaw { .. }) {
                    let again = take_all(&mut after.clone(), event);
                    assert!(matches!(&again, Ok((facts, _)) if facts.is_empty()), "{again:?}");
                }
                kinds.join(" + ")
            }
        }
    }
}

/// The table: for each event, what it does, and in which states.
#[test]
fn every_event_in_every_state() {
    let states = states();
    let mut table = String::new();
    for (name, event) in events() {
        let mut outcomes: Vec<(String, Vec<&str>)> = Vec::new();
        for (state_name, state) in &states {
            let cell = cell(state, event(state));
            match outcomes.iter_mut().find(|(known, _)| *known == cell) {
                Some((_, names)) => names.push(state_name),
                None => outcomes.push((cell, vec![state_name])),
            }
        }
        table.push_str(&format!("{name}\n"));
        for (cell, names) in outcomes {
            table.push_str(&format!("    {cell}: {}\n", names.join(", ")));
        }
    }
    assert!(table == include_str!("table.txt"), "{table}");
}

/// The stages are those of the specification, each of them among the states of the table.
#[test]
fn the_table_has_every_stage() {
    let names: std::collections::BTreeSet<_> = states().iter().map(|(_, state)| state.stage.name()).collect();
    let all = [
        "CAPTURED",
        "CAPTURING",
        "CHARGED_BACK",
        "DECLINED",
        "ESCROWING",
        "EXPIRED",
        "HELD",
        "NONE",
        "REFUNDED",
        "REFUNDING",
        "RELEASED",
        "RELEASING",
        "REQUESTED",
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn a_hold_has_terms() {
    let base = terms(Auth);
    for (terms, refusal) in [
        (Terms { amount: eur(0), ..base.clone() }, PaymentRefusal::NothingAsked),
        (Terms { fee_bps: 10_001, ..base.clone() }, PaymentRefusal::Fee),
        (Terms { payee: base.payer, ..base.clone() }, PaymentRefusal::SameParty),
        (Terms { until: NOW, ..base.clone() }, PaymentRefusal::Ended),
    ] {
        let event = PaymentEvent::Hold { terms: Box::new(terms), order: by_exchange(1) };
        assert_eq!(take(&mut PaymentState::default(), event), Err(refusal));
    }
    let mut state = PaymentState::default();
    let (facts, effects) = take_all(&mut state, hold(Auth)).unwrap();
    assert_eq!(facts, [requested(Auth)]);
    let call = state.pending().unwrap();
    assert_eq!(effects, [PaymentEffect::Call(Box::new(call.clone()))]);
    assert_eq!(
        (call.key, call.op, call.on, call.amount),
        (rail_key(&X, RailOp::Hold, 0), RailOp::Hold, None, eur(HELD))
    );
    assert_eq!(take(&mut state, hold(Auth)), Ok(vec![]), "the same order");
    let others = PaymentEvent::Hold { terms: Box::new(Terms { fee_bps: 0, ..base }), order: by_exchange(1) };
    assert_eq!(take(&mut state, others), Err(PaymentRefusal::AlreadyHeld));
}

#[test]
fn amounts_are_of_the_holds_currency() {
    let francs = crate::money::Amount::new(100, crate::money::Currency::new("CHF").unwrap()).unwrap();
    let mut state = after([hold(Auth), done(RailOp::Hold, 0, HELD)]);
    for (amount, refusal) in [(francs, PaymentRefusal::OtherCurrency), (eur(0), PaymentRefusal::NothingAsked)] {
        assert_eq!(take(&mut state, PaymentEvent::Capture { amount, order: by_exchange(2) }), Err(refusal));
    }
    let mut state = after(contradicted().into_iter().take(4));
    let key = rail_key(&X, RailOp::Capture, 0);
    let told = Told::Done { amount: francs, expires_at: None, evidence: CHARGED };
    assert_eq!(take(&mut state, PaymentEvent::Outcome { key, told }), Err(PaymentRefusal::OtherCurrency));
}

/// A part is captured, the rest goes back in the same decision; a bank's hold that became escrow needs no rail to be captured, and goes
/// back as a refund.
#[test]
fn the_rest_goes_back_in_the_same_breath() {
    let mut state = after([hold(Auth), done(RailOp::Hold, 0, HELD), capture(400, by_exchange(2))]);
    let facts = take(&mut state, done(RailOp::Capture, 0, 400)).unwrap();
    let call = Call { purpose: Purpose::Release, op: RailOp::Release, seq: 0, amount: 600, order: by_exchange(2) };
    let evidence = Some(evidence_of(&rail_key(&X, RailOp::Capture, 0)));
    let captured = Change::Captured { seq: 0, amount: 400, place: Place::Auth, evidence };
    assert_eq!(facts, [fact(captured), fact(Change::Requested { call })]);
    take(&mut state, done(RailOp::Release, 0, 600)).unwrap();
    assert!(matches!(&state.stage, Stage::Captured(money) if (money.captured, money.returned) == (400, 600)));

    let mut state = after([hold(Auth), held_for_a_minute(), freeze(CASE), done(RailOp::Capture, 0, HELD)]);
    assert_eq!((state.hold_expires_at(), state.is_revocable(NOW.plus_secs(61))), (None, true));
    let order = by_verdict(2, CASE);
    let facts = take(&mut state, capture(400, order)).unwrap();
    let call = Call { purpose: Purpose::Capture, op: RailOp::Capture, seq: 1, amount: 400, order };
    let back = Call { purpose: Purpose::Release, op: RailOp::Refund, seq: 0, amount: 600, order };
    let captured = Change::Captured { seq: 1, amount: 400, place: Place::Escrowed, evidence: None };
    let expected = [Change::Requested { call }, captured, Change::Requested { call: back }];
    assert_eq!(facts, expected.map(fact));
    // It goes back from the call that took it from the bank.
    assert_eq!(state.pending().unwrap().on, Some(rail_key(&X, RailOp::Capture, 0)));
    let facts = take(&mut state, done(RailOp::Refund, 0, 600)).unwrap();
    let evidence = evidence_of(&rail_key(&X, RailOp::Refund, 0));
    let place = Place::Escrowed;
    assert_eq!(facts, [fact(Change::Released { op: RailOp::Refund, seq: 0, amount: 600, place, evidence })]);
    assert!(take(&mut state, refund(400, order)).unwrap().is_empty(), "an order is carried out once");
    take(&mut state, refund(400, by_verdict(3, CASE))).unwrap();
    assert_eq!(state.pending().unwrap().on, Some(rail_key(&X, RailOp::Capture, 0)));
}

/// A bank's hold that ends before the case may is turned into escrow, whenever the case comes; one that lasts is left alone.
#[test]
fn a_case_outlives_no_hold() {
    let escrow = |facts: &[PaymentFact]| matches!(&facts.last().unwrap().change, Change::Requested { call } if call.purpose == Purpose::Escrow);
    let mut before = after([hold(Auth), held_for_a_minute()]);
    assert_eq!(before.hold_expires_at(), Some(NOW.plus_secs(60)));
    assert!(before.is_revocable(NOW) && !before.is_revocable(NOW.plus_secs(60)));
    let facts = take(&mut before, freeze(CASE)).unwrap();
    assert!(facts.len() == 2 && escrow(&facts));
    let mut during = after([hold(Auth), freeze(CASE)]);
    let facts = take(&mut during, held_for_a_minute()).unwrap();
    assert!(facts.len() == 2 && escrow(&facts));
    let mut capturing = after([hold(Auth), held_for_a_minute(), capture(HELD, by_exchange(2)), freeze(CASE)]);
    let facts = take(&mut capturing, declined(RailOp::Capture, 0, DeclineCode::Refused)).unwrap();
    assert!(facts.len() == 2 && escrow(&facts), "{facts:?}");
    let expected = Some(rail_key(&X, RailOp::Capture, 1));
    assert_eq!(capturing.pending().map(|call| call.key), expected);
    // The conversion is declined: it stays a bank's hold, and no call follows another for ever.
    let facts = take(&mut before, declined(RailOp::Capture, 0, DeclineCode::Refused)).unwrap();
    assert_eq!(facts.len(), 1);
    let mut lasts = after([hold(Auth), held_for_a_minute()]);
    let short = PaymentEvent::Freeze { case: CASE, needed_until: NOW.plus_secs(60) };
    assert_eq!(take(&mut lasts, short).unwrap().len(), 1);
    assert!(escrow(&take(&mut lasts, freeze(CASE)).unwrap()), "the case lasts longer than it was thought");
    let mut funded = after([hold(Funded), held_for_a_minute()]);
    assert_eq!(take(&mut funded, freeze(CASE)).unwrap().len(), 1);
}

/// After a call was declined for good there is another key; the same order may try again, and so often.
#[test]
fn an_order_that_was_declined_may_try_again() {
    let mut state = after([hold(Auth), done(RailOp::Hold, 0, HELD)]);
    for seq in 0..ATTEMPTS_MAX {
        let facts = take(&mut state, capture(HELD, by_exchange(2))).unwrap();
        assert_eq!(facts[0].asks(), Some(rail_key(&X, RailOp::Capture, seq)));
        let facts = take(&mut state, declined(RailOp::Capture, seq, DeclineCode::Refused)).unwrap();
        assert_eq!(facts[0].answers(), Some(rail_key(&X, RailOp::Capture, seq)));
    }
    assert_eq!(take(&mut state, capture(HELD, by_exchange(2))), Err(PaymentRefusal::TooManyAttempts));
    assert!(take(&mut state, release(by_exchange(3))).is_ok(), "other operations have their own numbers");
}

#[test]
fn a_clock_in_doubt_decides_nothing_and_says_again_what_is_known() {
    let doubtful = |event| Clocked { event, clock: ClockVerdict::Stopped };
    let mut state = after([hold(Auth), done(RailOp::Hold, 0, HELD), capture(HELD, by_exchange(2))]);
    let before = state.clone();
    let refused = Err(PaymentRefusal::Clock { verdict: ClockVerdict::Stopped });
    assert_eq!(step::<Payment>(&mut state, &doubtful(done(RailOp::Capture, 0, HELD)), NOW), refused);
    assert_eq!(step::<Payment>(&mut state, &doubtful(done(RailOp::Hold, 0, HELD)), NOW), Ok((vec![], vec![])));
    assert_eq!(step::<Payment>(&mut state, &doubtful(unknown(RailOp::Capture, 0)), NOW).unwrap().1.len(), 1);
    assert_eq!(state, before);
}

/// A rail that does another amount than it was asked: the call counts with what was asked, and the difference stands in suspense.
#[test]
fn another_amount_stands_in_suspense() {
    use super::super::book::{Account, Book};
    let rail = terms(Auth).rail;
    for (class, minor, moved, kept) in
        [(Auth, HELD - 1, Moved::Out, 999), (Auth, HELD + 1, Moved::In, 1001), (Funded, HELD - 1, Moved::Not, 1000)]
    {
        let mut state = after([hold(class), done(RailOp::Hold, 0, HELD), capture(HELD, by_exchange(2))]);
        let mut facts = vec![requested(class), fact(Change::Held { expires_at: None, evidence: LATE })];
        let more = take(&mut state, done(RailOp::Capture, 0, minor)).unwrap();
        let evidence = evidence_of(&rail_key(&X, RailOp::Capture, 0));
        let (op, seq, told, amount) = (RailOp::Capture, 0, minor, 1);
        assert_eq!(more[0], fact(Change::Contradicted { op, seq, told, amount, moved, evidence }));
        assert!(matches!(more[1].change, Change::Captured { amount: HELD, .. }) && more.len() == 2);
        facts.extend(more);
        let mut book = Book::default();
        assert!(facts.iter().all(|fact| book.post(fact).is_empty()));
        assert_eq!(book.kept_by(&rail, EUR()), kept, "{class:?} {minor}");
        assert_eq!(book.balance(&Account::Suspense(rail.clone()), EUR()), kept - i128::from(HELD));
        assert_eq!(take(&mut state, refund(1, by_exchange(3))), Err(PaymentRefusal::InSuspense));
    }
}

/// A rail that lets a hold end gives back less than was held, or more: the hold is over, the book says what the rail says, and the difference
/// stands in suspense until somebody says whose it is.
#[test]
fn an_end_with_another_amount_stands_in_suspense() {
    use super::super::book::{Account, Book};
    let rail = terms(Auth).rail;
    for (class, told, moved, kept) in [
        (Funded, HELD, None, 0),
        (Funded, 600, Some((Moved::In, 400)), 400),
        (Funded, 0, Some((Moved::In, HELD)), 1000),
        (Funded, HELD + 1, Some((Moved::Out, 1)), -1),
        (Auth, HELD, None, 0),
        (Auth, 600, Some((Moved::Not, 400)), 0),
    ] {
        let ends = [vec![expired(told, LATE)], vec![release(by_exchange(2)), ended(RailOp::Release, 0, told)]];
        for events in ends {
            let mut state = after([hold(class), done(RailOp::Hold, 0, HELD)]);
            let evidence = evidence_of(&rail_key(&X, RailOp::Hold, 0));
            let mut facts = vec![requested(class), fact(Change::Held { expires_at: None, evidence })];
            facts.extend(events.into_iter().flat_map(|event| take(&mut state, event).unwrap()));
            let mut book = Book::default();
            assert!(facts.iter().all(|fact| book.post(fact).is_empty()));
            assert_eq!(state.stage.name(), "EXPIRED");
            let found = state.suspense.first().map(|item| (item.moved, item.amount));
            assert_eq!((found, book.kept_by(&rail, EUR())), (moved, kept), "{class:?} {told}");
            assert_eq!(book.balance(&Account::Suspense(rail.clone()), EUR()), kept);
            assert_eq!(state.is_contradicted(), moved.is_some());
        }
    }
    let mut state = after([hold(Funded), done(RailOp::Hold, 0, HELD)]);
    let francs = crate::money::Amount::new(HELD, crate::money::Currency::new("CHF").unwrap()).unwrap();
    let other = PaymentEvent::Expire { amount: francs, evidence: LATE };
    assert_eq!(take(&mut state, other), Err(PaymentRefusal::OtherCurrency));
}

#[test]
fn reports_are_bounded() {
    let mut state =
        after([hold(Auth), done(RailOp::Hold, 0, HELD), capture(HELD, by_exchange(2)), done(RailOp::Capture, 0, HELD)]);
    let mut report = |n: usize| {
        let evidence = Digest::of(&n.to_be_bytes());
        take(&mut state, PaymentEvent::PayOut { amount: eur(1), evidence })
    };
    for n in 2..REPORTS_MAX {
        assert_eq!(report(n).map(|facts| facts.len()), Ok(1));
    }
    assert_eq!(report(REPORTS_MAX), Err(PaymentRefusal::TooManyReports));
}

/// Every fact that the table and the tests leave is read as it was written, and their fold is the same state.
#[test]
fn facts_are_read_as_they_were_written() {
    let mut facts = Vec::new();
    for (_, state) in states() {
        for (_, event) in events() {
            if let Ok((more, _)) = take_all(&mut state.clone(), event(&state)) {
                facts.extend(more);
            }
        }
    }
    let clear_by_rail = ClearedBy::Rail(LATE);
    let (item, amount, moved) = (CHARGED, 5, Moved::In);
    facts.push(fact(Change::Cleared { item, moved, amount, bearer: Bearer::Rail, by: clear_by_rail }));
    facts.push(requested(Funded));
    let kinds: std::collections::BTreeSet<_> = facts.iter().map(|fact| fact.kind().to_string()).collect();
    assert_eq!(kinds.len(), 18, "{kinds:?}");
    for (seq, fact) in (0..).zip(facts) {
        let envelope = Envelope {
            aggregate: Payment::aggregate(&X),
            seq,
            now: NOW,
            salt: [1; 16],
            policy_hash: Digest([1; 32]),
            event_digest: Digest([2; 32]),
        };
        let stored = Fact::decode(&fact.clone().into_fact(&envelope).encode()).unwrap();
        // Calls are found by their keys.
        let asked = names::of(&stored).iter().find_map(|name| names::read_rail_asked(name));
        assert_eq!(asked, fact.asks().map(|key| (key, X)), "{fact:?}");
        let answered = fact.answers().map(|key| [names::rail_answered(&key), X.0.to_vec()].concat());
        assert_eq!(names::of(&stored).into_iter().find(|name| names::read_rail_asked(name).is_none()), answered);
        assert_eq!(PaymentFact::from_fact(&stored), Ok(fact));
    }
}

#[test]
fn bodies_that_no_fact_has_are_refused() {
    let envelope = Envelope {
        aggregate: Payment::aggregate(&X),
        seq: 0,
        now: NOW,
        salt: [1; 16],
        policy_hash: Digest([1; 32]),
        event_digest: Digest([2; 32]),
    };
    let good = requested(Auth).into_fact(&envelope);
    for at in 0..good.body.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad.body[at] ^= 1 << bit;
            // What still reads is another fact, which is written as it was read.
            if let Ok(read) = PaymentFact::from_fact(&bad) {
                assert_eq!(read.into_fact(&envelope).body, bad.body, "octet {at}, bit {bit}");
            }
        }
    }
}
