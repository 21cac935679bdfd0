//! What every entry is asked: one fault at a time.

use super::world::audit_rows;
use super::*;
use crate::ca::Authority;

#[test]
fn what_is_no_entry() {
    let world = World::lived();
    let mut rows: Vec<_> = world
        .lines
        .iter()
        .map(|line| (line.entry.encode(), line.fact.as_ref().map(Fact::encode), line.artefact.clone()))
        .collect();
    let last = rows.len() - 1;
    rows[last].0.push(0);
    let report = audit_rows(&rows, &world.snapshots, rules());
    let [found] = report.differences.as_slice() else { panic!("{:?}", report.differences) };
    assert_eq!((found.about, found.lead), (About::Entry { index: last as u64, kind: None }, Some(Lead::NoEntry)));
}

#[test]
fn times_that_fall() {
    let world = spoilt(|world| {
        let last = world.lines.len() - 1;
        // The decision stays within the promise.
        world.lines[last - 1].entry.time_ms += 1_500;
    });
    let last = world.lines.len() as u64 - 1;
    let found = finds(
        &world,
        &format!(
            "entry {last} (ops.stopped): its time 2026-03-02T13:00:01.253Z is before that of the entry in front of it, \
             2026-03-02T13:00:01.753Z"
        ),
    );
    assert_eq!(found.lead, Some(Lead::TimeFell { other: last - 1 }));
}

#[test]
fn a_tag_twice() {
    let world = spoilt(|world| {
        let certified = world.all(Kind::Ca(CaKind::CertificateIssued))[0];
        let tags = world.lines[certified].entry.tags.clone();
        world.lines.last_mut().unwrap().entry.tags = tags;
    });
    let certified = world.all(Kind::Ca(CaKind::CertificateIssued))[0] as u64;
    let report = world.audit();
    let leads: Vec<_> = report.differences.iter().map(|difference| difference.lead).collect();
    let last = world.lines.len() as u64 - 1;
    assert_eq!(leads, [Some(Lead::SameTag { other: last }), Some(Lead::SameTag { other: certified })]);
    assert!(report.differences[1].what.starts_with("it bears the tag "));
}

#[test]
fn facts_that_are_missing_or_others() {
    let at = first_token();
    finds(&spoilt(|world| world.lines[at].fact = None), &format!("entry {at} ({TOKEN}): its fact is missing"));
    let stopped = World::lived().lines.len() - 1;
    let world = spoilt(|world| {
        let other = world.lines[stopped].fact.clone();
        world.lines[stopped - 1].fact = other;
    });
    let state = hex::encode(&ListId::first(Authority::Tsu).aggregate().0[..8]);
    finds_all(
        &world,
        &[
            &format!("entry {} (ca.crl-issued): its fact is of kind ops.stopped", stopped - 1),
            &format!("the state of aggregate {state}…: the snapshot is not the fold of the facts"),
        ],
    );
}

#[test]
fn decisions_out_of_time() {
    let at = first_token();
    let late = spoilt(|world| world.lines[at].entry.time_ms += 4_998);
    let found: Vec<_> = late.audit().differences;
    assert!(found[0].what.ends_with(", more than 5000 ms later"), "{found:?}");
    assert_eq!(found[0].lead, Some(Lead::OutOfTime));
    let early = spoilt(|world| world.lines[at].entry.time_ms -= 4);
    let found = early.audit().differences;
    assert!(found[0].what.ends_with(", before it") && found.len() == 1, "{found:?}");
}

#[test]
fn digests_of_something_else() {
    let at = first_token();
    let found = finds(
        &spoilt(|world| world.lines[at].entry.digest[0] ^= 1),
        &format!("entry {at} ({TOKEN}): its digest is not that of its artefact"),
    );
    assert_eq!(found.lead, Some(Lead::Omitted));
    let last = World::lived().lines.len() - 1;
    finds(
        &spoilt(|world| world.lines[last].entry.digest[0] ^= 1),
        &format!("entry {last} (ops.stopped): its digest is not that of its fact"),
    );
    finds(
        &spoilt(|world| world.lines[last].artefact = Some(vec![1])),
        &format!("entry {last} (ops.stopped): it has an artefact, which facts of its kind have not"),
    );
}

#[test]
fn a_step_left_out() {
    let lists = World::lived().all(Kind::Ca(CaKind::CrlIssued));
    let world = spoilt(|world| world.fact(lists[1]).seq = 2);
    let report = world.audit();
    let what: Vec<_> = report.differences.iter().map(|difference| difference.what.as_str()).collect();
    assert_eq!(
        what,
        ["its fact is step 2 of its aggregate, where step 1 comes next", "the snapshot is not the fold of the facts"]
    );
}

#[test]
fn a_ledger_without_genesis_or_with_two() {
    let world = spoilt(|world| drop(world.lines.remove(0)));
    assert_eq!(world.audit().differences[0].what, "the ledger does not begin with genesis");
    let world = spoilt(|world| {
        let mut first = world.lines[0].clone();
        first.entry.time_ms = world.lines.last().unwrap().entry.time_ms;
        world.lines.push(first);
    });
    let last = world.lines.len() - 1;
    finds(&world, &format!("entry {last} (ledger.genesis): a second genesis"));
}
