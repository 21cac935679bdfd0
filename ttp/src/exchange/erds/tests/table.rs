//! Every occurrence in every stage, in time and behind every moment, with the events that it leaves or the code of its refusal.

use std::fmt::Write as _;

use super::*;

/// The stages of a delivery, each by a way to it.
fn stages() -> Vec<(&'static str, Vec<(Go, u64)>)> {
    let at = |steps: &[Go]| (START..).step_by(10).zip(steps).map(|(now, go)| (*go, now)).collect::<Vec<_>>();
    let late = |steps: &[Go], then: &[(Go, u64)]| [&at(steps)[..], then].concat();
    vec![
        ("new", vec![]),
        ("not-taken", at(&[SubmitToUnknown])),
        ("taken", at(&[Submit])),
        ("told", at(&[Submit, Notified])),
        ("untold", at(&[Submit, NotNotified])),
        ("accepted", at(&[Submit, Accept])),
        ("refused", at(&[Submit, Refuse])),
        ("refused-accepted", at(&[Submit, Refuse, Accept])),
        ("unanswered", late(&[Submit, Notified], &[(Wake, END + 1)])),
        ("unanswered-accepted", late(&[Submit, Notified], &[(Accept, END + 1)])),
        ("consigned", at(&[Submit, Released])),
        ("refused-consigned", at(&[Submit, Refuse, Released])),
        ("taken-back", at(&[Submit, Aborted])),
        ("void", at(&[Submit, Void])),
        ("not-consigned", late(&[Submit, Accept], &[(Wake, END + 1)])),
        ("collected", at(&[Submit, Released, Collected])),
        ("received", at(&[Submit, Received])),
        ("not-collected", late(&[Submit, Released], &[(Wake, END + 2 * RETENTION)])),
    ]
}

fn cell(state: &ErdsState, go: Go, now: u64) -> String {
    let mut next = state.clone();
    let event = clocked(occurrence(go, now), &[]);
    match step::<RegisteredDelivery>(&mut next, &event, time(now)) {
        Err(refusal) => {
            assert_eq!(next, *state, "a refusal changes nothing");
            refusal.code().replace("delivery.", "✗ ")
        }
        Ok((facts, _)) if facts.is_empty() => {
            assert_eq!(next, *state);
            "nothing".to_owned()
        }
        Ok((facts, effects)) => {
            for (fact, effect) in facts.iter().zip(&effects) {
                let due = match fact {
                    ErdsFact::Submitted { .. } => ErdsEffect::KeepDelivery,
                    ErdsFact::Recorded(recording) if recording.event.letter() == "A.1" => ErdsEffect::SignAndNotify,
                    ErdsFact::Recorded(_) => ErdsEffect::SignEvidence,
                };
                assert_eq!(*effect, due, "{fact:?}");
            }
            assert_eq!(facts.len(), effects.len());
            // Whatever happened once leaves nothing the second time, or is refused by what it has shown.
            let again = step::<RegisteredDelivery>(&mut next, &event, time(now));
            assert!(again.as_ref().is_ok_and(|(facts, _)| facts.is_empty()) || again.is_err(), "{go:?}: {again:?}");
            short(&facts)
        }
    }
}

#[test]
fn every_occurrence_in_every_stage() {
    let mut table = String::new();
    let stages: Vec<_> = stages().into_iter().map(|(name, way)| (name, after(&way), way)).collect();
    for go in ALL {
        for (when, moment) in [("in time", None), ("behind all", Some(FAR))] {
            let mut outcomes: Vec<(String, Vec<&str>)> = Vec::new();
            for (stage, state, way) in &stages {
                let now = moment.unwrap_or_else(|| way.last().map_or(START, |(_, last)| last + 1));
                let cell = cell(state, go, now);
                match outcomes.iter_mut().find(|(known, _)| *known == cell) {
                    Some((_, stages)) => stages.push(stage),
                    None => outcomes.push((cell, vec![stage])),
                }
            }
            writeln!(table, "{go:?}, {when}").unwrap();
            for (cell, stages) in outcomes {
                writeln!(table, "  {cell}: {}", stages.join(", ")).unwrap();
            }
        }
    }
    assert!(table == include_str!("table.txt"), "{table}");
}
