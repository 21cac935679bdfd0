//! For each kind of goods: every event in every stage, with the facts that it leaves or the code of its refusal.

use std::fmt::Write as _;

use super::*;

const SHOWN: &[Shown] = Shown::ALL;

/// The stages of a run, each by a way to it.
fn stages(thing: Thing) -> Vec<(&'static str, Vec<Go>)> {
    let held = || if thing == Thing::Receipt { vec![Open, T(Told::Held)] } else { PHYSICAL.to_vec() };
    let with = |more: &[Go]| [&held()[..], more].concat();
    let mut stages = vec![("ordered", vec![Open])];
    if thing != Thing::Receipt {
        stages.push(("accepted", vec![Open, S(Shown::Accepted)]));
    }
    stages.push(("held", held()));
    match thing {
        Thing::Receipt => {
            stages.push(("receipt-in-hand", vec![Open, S(Shown::Receipt)]));
            stages.push(("capturing", with(&[S(Shown::Receipt)])));
            stages.push(("decided", with(&[S(Shown::Receipt), T(Told::Captured)])));
            stages.push(("frozen", with(&[S(Shown::Receipt), Frozen])));
        }
        Thing::Physical => {
            stages.push(("shipped", with(&[S(Shown::Shipped)])));
            stages.push(("handed-over", with(&[S(Shown::HandedOver)])));
            stages.push(("rejected", with(&[S(Shown::HandedOver), S(Shown::Rejected)])));
            stages.push(("one-cancels", with(&[S(Shown::CancelledByPayer)])));
            stages.push(("frozen", with(&[S(Shown::HandedOver), Frozen])));
            stages.push(("decided", with(&[S(Shown::Received)])));
            stages.push(("decided-back", with(&[S(Shown::CancelledByPayer), S(Shown::CancelledByPayee)])));
        }
        Thing::Digital => {
            stages.push(("posted", with(&[S(Shown::Posted)])));
            stages.push(("decided", with(&[S(Shown::Released)])));
            stages.push(("frozen", with(&[S(Shown::Posted), Frozen])));
        }
    }
    stages.push(("closed", with(&[T(Told::Released)])));
    stages
}

fn events() -> Vec<(String, Go)> {
    let shown = SHOWN.iter().map(|what| (what.name().to_owned(), S(*what)));
    let told = Told::ALL.iter().map(|what| (format!("told {}", what.name()), T(*what)));
    let others = [("wake", Wake), ("freeze", Frozen), ("thaw", Thawed)].map(|(name, go)| (name.to_owned(), go));
    shown.chain(told).chain(others).collect()
}

fn cell(script: &Script, course: &Course, step: Go) -> String {
    let mut next = course.clone();
    let event = event_of(script, &mut next, step);
    let before = next.state.clone();
    match next.take(event.clone()) {
        Err(refusal) => {
            assert_eq!(next.state, before, "a refusal changes nothing");
            refusal.code().replace("paid.", "✗ ")
        }
        Ok((facts, _)) if facts.is_empty() => {
            assert_eq!(next.state, before);
            "nothing".to_owned()
        }
        Ok((facts, effects)) => {
            assert!(next.decisions() <= 1, "decided twice");
            if course.outcome().is_some() {
                assert_eq!(next.outcome(), course.outcome(), "a decision stays");
            }
            for (fact, effect) in facts.iter().zip(&effects) {
                let due = match fact {
                    PaidFact::Opened { .. } | PaidFact::Shown { .. } => PaidEffect::KeepStatement,
                    PaidFact::Decided(_) => PaidEffect::SignVerdict,
                    PaidFact::Told { .. } | PaidFact::Frozen { .. } | PaidFact::Thawed { .. } => PaidEffect::Record,
                };
                assert_eq!(*effect, due, "{fact:?}");
            }
            // Whatever was told once says nothing the second time.
            if step != Thawed {
                assert_eq!(next.take(event), Ok((vec![], vec![])), "{step:?}");
            }
            let order = effects.get(facts.len()).map(|effect| match effect {
                PaidEffect::Move(order) => format!(" → {}", order.name()),
                other => panic!("{other:?}"),
            });
            short(&facts) + &order.unwrap_or_default()
        }
    }
}

#[test]
fn every_event_in_every_stage() {
    let mut table = String::new();
    for thing in Thing::ALL {
        let script = Script::new(*thing);
        writeln!(table, "{}", thing.name().to_uppercase()).unwrap();
        let stages: Vec<_> = stages(*thing).into_iter().map(|(name, steps)| (name, after(&script, &steps))).collect();
        for (name, go) in events() {
            let mut outcomes: Vec<(String, Vec<&str>)> = Vec::new();
            for (stage, course) in &stages {
                let cell = cell(&script, course, go);
                match outcomes.iter_mut().find(|(known, _)| *known == cell) {
                    Some((_, stages)) => stages.push(stage),
                    None => outcomes.push((cell, vec![stage])),
                }
            }
            writeln!(table, "  {name}").unwrap();
            for (cell, stages) in outcomes {
                writeln!(table, "    {cell}: {}", stages.join(", ")).unwrap();
            }
        }
    }
    assert!(table == include_str!("table.txt"), "{table}");
}
