//! Genesis, keys and the service itself.

use super::world::key;
use super::*;
use crate::evidence::{LedgerFact, OpsFact};
use crate::testing::YEAR_SECS;

#[test]
fn genesis_that_contradicts_itself() {
    let with = |change: fn(&mut Genesis)| {
        let world = spoilt(|world| {
            let mut genesis = Genesis::decode(world.lines[0].artefact.as_ref().unwrap()).unwrap();
            change(&mut genesis);
            world.lines[0].artefact = Some(genesis.encode());
            world.reseal(0);
        });
        let about = About::Entry { index: 0, kind: Some(Kind::Ledger(LedgerKind::Genesis)) };
        let found = world.audit().differences.into_iter().filter(|difference| difference.about == about);
        found.map(|difference| difference.what).collect::<Vec<_>>()
    };
    assert_eq!(with(|_| {}), [""; 0]);
    assert_eq!(with(|genesis| genesis.mmd_ms = 4_000), ["decided again, its fact has another body"]);
    assert_eq!(with(|genesis| genesis.policy.0[0] ^= 1), ["its document names another policy"]);
    assert_eq!(
        with(|genesis| genesis.origin.push('x')),
        ["the keys in the genesis document do not read"],
        "the vkey is of another name"
    );
    assert_eq!(with(|genesis| genesis.receipt_key = "00".to_owned()), ["decided again, its fact has another body"]);
    let world = spoilt(|world| {
        world.lines[0].artefact = Some(b"{}".to_vec());
        world.reseal(0);
    });
    assert_eq!(world.audit().differences[0].what, "its artefact is no genesis document");
    let world = spoilt(|world| {
        let fact = world.lines[0].fact.clone().unwrap();
        let LedgerFact::Genesis { origin_hash, log_note, log_receipt, root_certificate, formats, .. } =
            LedgerFact::from_fact(&fact).unwrap()
        else {
            panic!("entry 0 is genesis")
        };
        world.rewrite(
            0,
            LedgerFact::Genesis { origin_hash, log_note, log_receipt, root_certificate, mmd_ms: 1, formats },
        );
    });
    finds(&world, "entry 0 (ledger.genesis): decided again, its fact has another body");
}

#[test]
fn histories_of_keys() {
    let ec = key(KeyPurpose::TsuEc);
    // Another public key than genesis says; its certificate is then of a key that nobody made.
    let made = World::lived().all(Kind::Ops(OpsKind::KeyMade))[4];
    let world = spoilt(|world| world.rewrite(made, OpsFact::KeyMade { key: ec, public_key: Digest::of(b"other") }));
    let found: Vec<_> = world.audit().differences.into_iter().map(|difference| difference.what).collect();
    assert_eq!(found, ["genesis names another public key", "it is for a key whose making is not recorded"]);

    let world = spoilt(|world| {
        let used = world.all(Kind::Ops(OpsKind::KeyFirstUse))[0];
        world.lines.remove(used);
    });
    let token = world.tokens()[0];
    finds(
        &world,
        &format!("the key tsu-ec.1: it signed the token of entry {token} and more, and its first use is not recorded"),
    );

    let world = spoilt(|world| {
        let used = world.all(Kind::Ops(OpsKind::KeyFirstUse));
        let moved = world.lines[used[0]].clone();
        let last = world.lines.len() - 1;
        let mut moved = moved;
        moved.entry.time_ms = world.lines[last].entry.time_ms;
        let now = world.lines[last].fact.as_ref().unwrap().now;
        moved.fact.as_mut().unwrap().now = now;
        world.lines.remove(used[0]);
        world.lines.push(moved);
        let last = world.lines.len() - 1;
        world.reseal(last);
    });
    let last = world.lines.len() - 1;
    finds(
        &world,
        &format!("entry {last} (ops.key-first-use): the entry in front of it is no token of this key at that moment"),
    );

    let made = World::lived().all(Kind::Ops(OpsKind::KeyMade))[0];
    let world = spoilt(|world| drop(world.lines.remove(made)));
    finds(&world, "the key log-note.1: genesis names it, and its making is not recorded");

    // The same key made and put to use once more, at steps of their own.
    for (fact, seq, due) in [
        (OpsFact::KeyMade { key: ec, public_key: testing_key() }, 2, "the key's making was recorded before"),
        (OpsFact::KeyFirstUse { key: ec }, 2, "the key's first use was recorded before"),
    ] {
        let world = spoilt(|world| {
            let now = world.lines.last().unwrap().fact.as_ref().unwrap().now;
            world.record(fact, Aggregate::of_key(ec), seq, &[], now, None);
        });
        let found: Vec<_> = world.audit().differences.into_iter().map(|difference| difference.what).collect();
        assert!(found.iter().any(|what| what == due), "{found:?}");
    }

    // A key that came later is not called good: nothing shows it.
    let world = spoilt(|world| {
        let key = KeyId::new(KeyPurpose::TsuEc, 2);
        let now = world.lines.last().unwrap().fact.as_ref().unwrap().now;
        let fact = OpsFact::KeyMade { key, public_key: Digest::of(b"new") };
        world.record(fact, Aggregate::of_key(key), 0, b"act", now, None);
    });
    assert_eq!(world.audit().not_decided()[&Reason::LaterKey], 1);
}

/// The public key of the P-256 unit, as its making says it.
fn testing_key() -> Digest {
    Digest::of(&testing::ec().tsu.certificate().spki_der())
}

#[test]
fn ends_of_keys() {
    let ec = key(KeyPurpose::TsuEc);
    let end = |world: &mut World, seq, destroyed, now| {
        world.record(OpsFact::KeyEnded { key: ec, destroyed }, Aggregate::of_key(ec), seq, &[], now, None);
    };
    let over = GEN_TIME.plus_secs(YEAR_SECS);
    let good = spoilt(|world| end(world, 2, false, over));
    assert_eq!(good.audit().differences, []);
    assert_eq!(good.audit().kinds[&Some(Kind::Ops(OpsKind::KeyEnded))].same, 1);
    let destroyed = spoilt(|world| end(world, 2, true, over));
    assert_eq!(
        destroyed.audit().kinds[&Some(Kind::Ops(OpsKind::KeyEnded))].not,
        BTreeMap::from([(Reason::Outside, 1)])
    );

    let twice = spoilt(|world| {
        end(world, 2, false, over);
        end(world, 3, false, over);
    });
    let last = twice.lines.len() - 1;
    finds(&twice, &format!("entry {last} (ops.key-ended): the key's end was recorded before"));

    let now = GEN_TIME.plus_secs(100_000);
    let early = spoilt(|world| {
        end(world, 2, false, now);
        world.token(testing::ec(), &event(9, |_| {}), now.plus_secs(1));
    });
    let last = early.lines.len() - 1;
    finds_all(
        &early,
        &[
            &format!(
                "entry {} (ops.key-ended): the key's end is recorded at 2026-03-02T15:46:40.250Z, and its period ends at \
                 2027-03-01T11:59:59.000Z",
                last - 1
            ),
            &format!("entry {last} ({TOKEN}): its key was ended at 2026-03-02T15:46:40.250Z"),
        ],
    );
}

#[test]
fn the_diary_is_ordered_by_time() {
    let last = World::lived().lines.len() - 1;
    let world = spoilt(|world| {
        world.fact(last).seq += 1;
        world.reseal(last);
    });
    finds(&world, &format!("entry {last} (ops.stopped): decided again, its fact has another step"));
    let world = spoilt(|world| {
        world.fact(last).event_digest.0[0] ^= 1;
        world.reseal(last);
    });
    finds(&world, &format!("entry {last} (ops.stopped): decided again, its fact has another event"));
}
