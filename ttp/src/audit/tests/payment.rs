//! The money of an exchange: an honest history, and one fault at a time.

use super::*;
use crate::digest::Digest;
use crate::payment::rail::{DeclineCode, RailClass, RailOp, rail_key};
use crate::payment::testing::{
    CASE, HELD, NOW, X, by_exchange, by_verdict, capture, clocked, declined, done, ended, eur, freeze,
    held_for_a_minute, hold, refund, release,
};
use crate::payment::{Bearer, Change, Payment, PaymentEvent, PaymentFact, PaymentState, Place};
use crate::role::step;

const BANK: &[u8] = b"signed by a bank";
const PAID: &[u8] = b"signed when it was paid out";

/// Decides, and records what is decided with what the rail signed.
fn history(events: Vec<PaymentEvent>) -> Vec<(PaymentFact, Option<Vec<u8>>)> {
    let mut state = PaymentState::default();
    let mut rows = Vec::new();
    for event in events {
        let (facts, _) = step::<Payment>(&mut state, &clocked(event.clone()), NOW).unwrap();
        let signed = match &event {
            PaymentEvent::Outcome { key, .. } => key.0.to_vec(),
            PaymentEvent::PayOut { .. } => PAID.to_vec(),
            _ => BANK.to_vec(),
        };
        rows.extend(facts.into_iter().map(|fact| {
            let artefact = fact.evidence().map(|_| signed.clone());
            (fact, artefact)
        }));
    }
    rows
}

fn world(rows: Vec<(PaymentFact, Option<Vec<u8>>)>) -> World {
    let mut world = World::new();
    for (seq, (fact, artefact)) in (0..).zip(rows) {
        world.record(fact, Payment::aggregate(&X), seq, b"an order", NOW, artefact);
    }
    world
}

/// A sale of which a part is captured, refunded, charged back.
fn sale() -> Vec<PaymentEvent> {
    let item = Digest::of(BANK);
    vec![
        hold(RailClass::Funded),
        done(RailOp::Hold, 0, HELD),
        capture(400, by_exchange(2)),
        declined(RailOp::Capture, 0, DeclineCode::Refused),
        capture(400, by_exchange(2)),
        done(RailOp::Capture, 1, 399),
        done(RailOp::Release, 0, 600),
        PaymentEvent::Clear {
            item: Digest::of(rail_key(&X, RailOp::Capture, 1).as_bytes()),
            bearer: Bearer::Service,
            order: by_verdict(8, CASE),
        },
        PaymentEvent::PayOut { amount: eur(100), evidence: Digest::of(PAID) },
        refund(100, by_exchange(3)),
        done(RailOp::Refund, 0, 100),
        PaymentEvent::ChargeBack { amount: eur(50), evidence: item },
        PaymentEvent::Clear { item, bearer: Bearer::Payee, order: by_verdict(9, CASE) },
    ]
}

#[test]
fn an_honest_history_is_decided_again() {
    let auth = vec![
        hold(RailClass::Auth),
        held_for_a_minute(),
        freeze(CASE),
        done(RailOp::Capture, 0, HELD),
        capture(400, by_verdict(4, CASE)),
        done(RailOp::Refund, 0, 600),
        PaymentEvent::Thaw { case: CASE },
    ];
    let expired = vec![
        hold(RailClass::Auth),
        done(RailOp::Hold, 0, HELD),
        release(by_exchange(2)),
        ended(RailOp::Release, 0, 600),
    ];
    let (amount, evidence) = (eur(600), Digest::of(BANK));
    let ended_unasked =
        |class| vec![hold(class), done(RailOp::Hold, 0, HELD), PaymentEvent::Expire { amount, evidence }];
    for events in [sale(), auth, expired, ended_unasked(RailClass::Auth), ended_unasked(RailClass::Funded)] {
        let report = world(history(events)).audit();
        assert_eq!(report.differences, []);
        assert!(!report.has_losses());
    }
    let report = world(history(sale())).audit();
    let of = |name: &str| {
        let kind = Kind::from_name(name).unwrap();
        let count = &report.kinds[&Some(kind)];
        (count.same, count.not.clone())
    };
    assert_eq!(of("payment.capture-requested"), (2, BTreeMap::new()));
    assert_eq!(of("payment.capture"), (0, BTreeMap::from([(Reason::Outside, 1)])));
}

/// Each fault is found, and where money is wrong, the book says so.
#[test]
fn each_fault_is_found() {
    let place_of = |rows: &[(PaymentFact, Option<Vec<u8>>)], is: fn(&Change) -> bool| {
        rows.iter().position(|(fact, _)| is(&fact.change)).unwrap()
    };
    let captured = |rows: &[_]| place_of(rows, |change| matches!(change, Change::Captured { .. }));
    type Spoil<'a> = Box<dyn Fn(&mut Vec<(PaymentFact, Option<Vec<u8>>)>) + 'a>;
    let faults: Vec<(&str, Spoil<'_>, &str)> = vec![
        (
            "more is captured than was asked",
            Box::new(|rows| {
                let at = captured(rows);
                let Change::Captured { amount, .. } = &mut rows[at].0.change else { panic!() };
                *amount = 1000;
            }),
            "more was captured and released",
        ),
        (
            "from elsewhere",
            Box::new(|rows| {
                let at = captured(rows);
                let Change::Captured { place, .. } = &mut rows[at].0.change else { panic!() };
                *place = Place::Auth;
            }),
            "left another fact",
        ),
        (
            "the artefact is other evidence",
            Box::new(|rows| {
                let at = captured(rows);
                rows[at].1 = Some(b"something else".to_vec());
            }),
            "not the evidence that it names",
        ),
        ("another moment", Box::new(|rows| rows[2].0.at = NOW.plus_millis(1)), "another moment"),
        (
            "released twice",
            Box::new(|rows| {
                let at = place_of(rows, |change| matches!(change, Change::Released { .. }));
                let again = rows[at].clone();
                rows.insert(at + 1, again);
            }),
            "was released twice",
        ),
        (
            "refunded twice",
            Box::new(|rows| {
                let at = place_of(rows, |change| matches!(change, Change::Refunded { .. }));
                let again = rows[at].clone();
                rows.insert(at + 1, again);
            }),
            "decided again, it is",
        ),
        ("held without having been asked for", Box::new(|rows| drop(rows.remove(0))), "where none is held"),
        (
            "captured while it was frozen",
            Box::new(|rows| {
                let frozen = Change::Frozen { case: CASE, needed_until: NOW };
                rows.insert(2, (PaymentFact { change: frozen, ..rows[0].0.clone() }, None));
            }),
            "decided again, it is refused",
        ),
    ];
    for (what, spoil, due) in faults {
        let mut rows = history(sale());
        spoil(&mut rows);
        let found: Vec<_> = world(rows).audit().differences.iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|one| one.contains(due)), "{what}: {found:?}");
    }
}
