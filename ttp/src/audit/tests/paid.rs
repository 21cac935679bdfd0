//! Paid runs: an honest arbiter's, and one fault at a time.

use super::exchange::{Court, DELTA_MS, VERDICT, policy};
use super::*;
use crate::evidence::{Envelope, OpsFact};
use crate::exchange::paid::testing::{Course, Go, Script, event_of, order, payment};
use crate::exchange::paid::{Clocked, Paid, PaidFact, PaidState, Shown, Thing, Told};
use crate::exchange::tag_of_verdict;
use crate::exchange::testing::PEOPLE;
use crate::role::step;
use crate::statement::exchange::pg::GoodsOrder;
use crate::statement::exchange::pr::PaymentOffer;
use crate::statement::exchange::verdict::Verdict;
use crate::statement::{Count, Jws, Millis};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

use Go::{Open, Show as S, Told as T};

/// A run in the ledger of an arbiter.
struct Hearing<'s> {
    script: &'s Script,
    state: PaidState,
    course: Course,
}

/// What a corrupt arbiter changes in what it says.
struct Lie {
    fact: fn(&mut PaidFact),
    verdict: fn(&mut Verdict),
    statement: fn(&mut Vec<u8>),
}

const HONEST: Lie = Lie { fact: |_| (), verdict: |_| (), statement: |_| () };

fn moment(at: Timestamp, secs: u64) -> Millis {
    at.plus_secs(secs).into()
}

/// An order whose times lie around those of the court.
fn bought(court: &Court, thing: Thing) -> Script {
    let base = order(thing);
    let is_physical = thing == Thing::Physical;
    Script::of(PEOPLE.r.sign(
        None,
        GoodsOrder {
            policy: Digest::of(&policy()).into(),
            t_hold: moment(court.now, 100),
            t_ship: is_physical.then(|| moment(court.now, 200)),
            t_accept: is_physical.then(|| Count::new(50_000).unwrap()),
            t_exp: moment(court.now, 1_000),
            ..base
        },
    ))
}

fn paid_for(court: &Court) -> Script {
    let offer = PaymentOffer { policy: Digest::of(&policy()).into(), t_exp: moment(court.now, 1_000), ..payment() };
    Script::of(PEOPLE.r.sign(None, offer))
}

impl<'s> Hearing<'s> {
    fn new(script: &'s Script) -> Self {
        Self { script, state: PaidState::default(), course: Course::new() }
    }

    /// Decides, and records all of it.
    fn go(&mut self, court: &mut Court, go: Go, lie: &Lie) {
        let event = event_of(self.script, &mut self.course, go);
        let outages = court.outages.clone();
        let clocked = Clocked { event, delta_ms: DELTA_MS, outages, clock: ClockVerdict::Synced };
        let before = self.state.steps;
        let (facts, _) = step::<Paid>(&mut self.state, &clocked, court.now).unwrap();
        let x = self.script.x();
        for (seq, mut fact) in (before..).zip(facts) {
            // In front of what it first signs.
            if matches!(fact, PaidFact::Decided(_)) && court.states.is_empty() {
                court.states.insert(Digest::default(), Default::default());
                let first_use = OpsFact::KeyFirstUse { key: VERDICT };
                court.world.record(first_use, Aggregate::of_key(VERDICT), 1, &[], court.now, None);
            }
            (lie.fact)(&mut fact);
            let mut artefact = match &fact {
                PaidFact::Opened { .. } => Some(self.script.opened.jws.bytes().to_vec()),
                PaidFact::Shown { what, .. } => Some(self.script.jws(*what).bytes().to_vec()),
                PaidFact::Decided(_) => Some(self.verdict(court.now, lie).bytes().to_vec()),
                PaidFact::Told { .. } | PaidFact::Frozen { .. } | PaidFact::Thawed { .. } => None,
            };
            if let (PaidFact::Shown { .. }, Some(octets)) = (&fact, &mut artefact) {
                (lie.statement)(octets);
            }
            let tags = matches!(fact, PaidFact::Decided(_)).then(|| tag_of_verdict(&x));
            let envelope = Envelope {
                aggregate: Paid::aggregate(&x),
                seq,
                now: court.now,
                salt: [5; 16],
                policy_hash: Digest::of(b"policy"),
                event_digest: Digest([9; 32]),
            };
            court.world.push(fact.into_fact(&envelope), artefact, tags.into_iter().collect());
        }
    }

    /// As the shell makes it: from the statements that were kept.
    fn verdict(&self, now: Timestamp, lie: &Lie) -> Jws {
        let (_, decision) = self.state.decision.as_ref().unwrap();
        let text = |jws: &Jws| String::from_utf8(jws.bytes().to_vec()).unwrap();
        let kept = decision.basis.iter().map(|step| {
            let shelved = self.state.shown.iter().find(|shelved| shelved.step == *step).unwrap();
            text(&self.script.jws(shelved.what))
        });
        let outages = decision.end.iter().flat_map(|end| &end.outages);
        let mut verdict = Verdict {
            proto: decision.protocol,
            outcome: decision.outcome,
            basis: std::iter::once(text(&self.script.opened.jws)).chain(kept).collect(),
            decided_ms: now.into(),
            policy: decision.policy.into(),
            outages: outages.filter_map(|index| Count::new(*index)).collect(),
            assurance: decision.assurance,
        };
        (lie.verdict)(&mut verdict);
        PEOPLE.t.sign_at(now.into(), Some(decision.x), verdict)
    }
}

#[test]
fn honest_payments_are_decided_again_and_nothing_differs() {
    let mut court = Court::new();
    let scripts = [bought(&court, Thing::Physical), bought(&court, Thing::Digital), paid_for(&court)];
    let mut hearings = scripts.each_ref().map(Hearing::new);
    let stories: [&[Go]; 3] = [
        &[Open, S(Shown::Accepted), T(Told::Held), S(Shown::Shipped), Go::Freeze, S(Shown::HandedOver), Go::Thaw],
        &[Open, S(Shown::Accepted), T(Told::Held), S(Shown::Posted), S(Shown::Delivered), T(Told::Declined)],
        &[Open, S(Shown::Receipt), T(Told::Held), T(Told::Captured)],
    ];
    for (hearing, story) in hearings.iter_mut().zip(stories) {
        for go in story {
            hearing.go(&mut court, *go, &HONEST);
            court.pass(1);
        }
    }
    // Away when the buyer's time runs out: it moved; then it is over, and what comes is late.
    let from = court.now;
    court.pass(100);
    court.away(from);
    hearings[0].go(&mut court, Go::Wake, &HONEST);
    assert_eq!(hearings[0].state.decision, None);
    court.pass(DELTA_MS / 1_000 + 1);
    hearings[0].go(&mut court, S(Shown::Rejected), &HONEST);
    assert!(hearings.iter().all(|hearing| hearing.state.decision.is_some()));
    assert_eq!(court.differences(), Vec::<String>::new());
}

#[test]
fn each_fault_of_a_payment_is_found() {
    let lies: [(&str, Lie, &str); 6] = [
        (
            "another outcome",
            Lie {
                fact: |fact| {
                    if let PaidFact::Decided(decision) = fact {
                        decision.outcome = crate::statement::exchange::Outcome::Released;
                    }
                },
                ..HONEST
            },
            "left another fact",
        ),
        (
            "a verdict without what it rests on",
            Lie { verdict: |verdict| drop(verdict.basis.pop()), ..HONEST },
            "does not embed",
        ),
        (
            "a verdict that says something else",
            Lie { verdict: |verdict| verdict.outcome = crate::statement::exchange::Outcome::Void, ..HONEST },
            "says something else",
        ),
        ("another statement", Lie { statement: |octets| *octets = b"a.b.c".to_vec(), ..HONEST }, "no statement"),
        (
            "somebody else's statement",
            Lie {
                fact: |fact| {
                    if let PaidFact::Shown { by, .. } = fact {
                        *by = PEOPLE.stranger.name();
                    }
                },
                ..HONEST
            },
            "another statement than the one",
        ),
        (
            "money that nobody told of",
            Lie {
                fact: |fact| {
                    if let PaidFact::Told { what, .. } = fact {
                        *what = Told::HoldDeclined;
                    }
                },
                ..HONEST
            },
            "left another fact",
        ),
    ];
    for (name, lie, due) in lies {
        let mut court = Court::new();
        let script = bought(&court, Thing::Physical);
        let mut hearing = Hearing::new(&script);
        for go in [Open, S(Shown::Accepted), T(Told::Held), S(Shown::Received)] {
            hearing.go(&mut court, go, &lie);
            court.pass(1);
        }
        let found = court.differences();
        assert!(found.iter().any(|one| one.contains(due)), "{name}: {found:?}");
    }
}
