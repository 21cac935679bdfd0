//! Each check is shown a fault that it alone must find, planted in the ledger of an honest service; what a liar can still
//! make fit, is made to fit.

mod ca;
mod certificates;
mod erds;
mod exchange;
mod frame;
mod imported;
mod inline;
mod notary;
mod officer;
mod paid;
mod party;
mod payment;
mod policy;
mod service;
mod token;
mod world;

use semper_ledger::entry::Entry;

use super::*;
use crate::testing::{self, GEN_TIME};
use world::{BEGIN, World, event, rules};

/// The one difference that an audit of `world` finds.
#[track_caller]
fn finds(world: &World, due: &str) -> Difference {
    let report = world.audit();
    let found: Vec<_> = report.differences.iter().map(ToString::to_string).collect();
    assert_eq!(found, [due]);
    report.differences.into_iter().next().unwrap()
}

#[track_caller]
fn finds_all(world: &World, due: &[&str]) {
    let found: Vec<_> = world.audit().differences.iter().map(ToString::to_string).collect();
    assert_eq!(found, due);
}

fn spoilt(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::lived();
    change(&mut world);
    world
}

const TOKEN: &str = "timestamp.token";

fn first_token() -> usize {
    World::lived().tokens()[0]
}

/// Counts as (same, different, not decided again).
#[track_caller]
fn counts(report: &Report, due: &[(&str, u64, u64, u64)]) {
    let name = |kind: &Option<Kind>| kind.map_or("unknown".to_owned(), |kind| kind.to_string());
    let found = report.kinds.iter();
    let found = found.map(|(kind, count)| (name(kind), count.same, count.different, count.not.values().sum::<u64>()));
    let due = due.iter().map(|(name, same, different, not)| ((*name).to_owned(), *same, *different, *not));
    assert_eq!(found.collect::<Vec<_>>(), due.collect::<Vec<_>>(), "{:?}", report.differences);
}

#[test]
fn an_honest_ledger_is_decided_again_and_nothing_differs() {
    let world = World::lived();
    let report = world.audit();
    assert_eq!(report.differences, []);
    counts(
        &report,
        &[
            ("ledger.genesis", 1, 0, 0),
            ("ops.key-made", 6, 0, 0),
            ("ops.key-first-use", 2, 0, 0),
            ("ops.clock-synchronised", 0, 0, 1),
            ("ops.started", 0, 0, 1),
            ("ops.stopped", 0, 0, 1),
            ("timestamp.token", 5, 0, 0),
            ("ca.certificate-issued", 4, 0, 0),
            ("ca.crl-issued", 2, 0, 0),
        ],
    );
    assert_eq!(report.entries, world.lines.len() as u64);
    assert_eq!(report.not_decided(), BTreeMap::from([(Reason::Outside, 3)]));
    assert!(!report.has_losses());
    // What it says to trust is what its tokens verify under.
    let trust = report.trust.unwrap();
    assert_eq!(trust.mmd_millis(), 5_000);
    let token = world.lines[world.tokens()[0]].artefact.clone().unwrap();
    assert!(crate::verify::released(&token, &trust).is_some());
}

/// A token whose request was spelt as no encoder of ours would is counted as what it is.
#[test]
fn what_cannot_be_decided_again_is_never_called_the_same() {
    let reasons = |world: &World, rules: Rules| {
        let report = world.audit_by(rules);
        assert_eq!(report.differences, []);
        let tokens = &report.kinds[&Some(Kind::Timestamp(TimestampKind::Token))];
        (tokens.same, tokens.not.clone())
    };
    let mut odd = World::lived();
    let at = odd.tokens()[0];
    odd.fact(at).event_digest = Digest::of(b"a spelling of its own");
    assert_eq!(reasons(&odd, rules()), (4, BTreeMap::from([(Reason::Request, 1)])));

    let other = Rules { policy_hash: Digest::of(b"another policy"), ..rules() };
    assert_eq!(reasons(&World::lived(), other), (0, BTreeMap::from([(Reason::OtherPolicy(Digest::of(b"policy")), 5)])));

    let mut newer = World::lived();
    newer.fact(at).rules = 2;
    assert_eq!(reasons(&newer, rules()), (4, BTreeMap::from([(Reason::OtherRules(2), 1)])));

    let bare = Rules { endpoints: Vec::new(), ..rules() };
    assert_eq!(reasons(&World::lived(), bare), (0, BTreeMap::from([(Reason::NoEndpoint, 5)])));

    let mut lost = World::lived();
    lost.lines[at].artefact = None;
    assert_eq!(reasons(&lost, rules()), (4, BTreeMap::from([(Reason::NoArtefact, 1)])));
    assert!(lost.audit().has_losses());
}

#[test]
fn rows_that_do_not_read_are_not_judged() {
    let mut auditor = Auditor::new(rules());
    let line = &World::new().lines[0];
    let (entry, fact) = (line.entry.encode(), line.fact.as_ref().unwrap().encode());
    struct None_;
    impl Index for None_ {
        fn other_with_tag(&self, _: &Tag, _: u64) -> Option<u64> {
            None
        }
    }
    let row = |fact, artefact| Row { index: 0, entry: &entry, fact, artefact };
    auditor.entry(&row(Stored::Unreadable, Stored::Absent), &None_);
    auditor.entry(&row(Stored::Kept(&fact), Stored::Unreadable), &None_);
    let report = auditor.finish();
    assert_eq!(report.not_decided(), BTreeMap::from([(Reason::Unreadable, 2)]));
    assert!(report.has_losses() && report.differences.is_empty() && report.trust.is_none());
}

/// Kinds that a later program writes are counted, and the chain of times goes on over them.
#[test]
fn kinds_of_a_later_program_are_left_alone() {
    let mut world = World::lived();
    let last = world.lines.last().unwrap().clone();
    let entry = Entry { role: 7, kind: 3, time_ms: last.entry.time_ms, ..last.entry.clone() };
    world.lines.push(world::Line { entry, fact: None, artefact: None });
    let report = world.audit();
    assert_eq!(report.differences, []);
    assert_eq!(report.kinds[&None].not, BTreeMap::from([(Reason::Unknown, 1)]));
}

#[test]
fn the_list_of_differences_is_bounded_and_the_count_is_not() {
    let mut world = World::new();
    for counter in 1..=DIFFERENCES_MAX as u64 + 5 {
        world.token(testing::ec(), &event(counter, |_| {}), GEN_TIME);
        world.lines.last_mut().unwrap().entry.digest = [0; 32];
    }
    let report = world.audit();
    assert_eq!(report.differences.len(), DIFFERENCES_MAX);
    // And that its key's first use is missing.
    assert_eq!(report.differences_in_all, DIFFERENCES_MAX as u64 + 6);
}
