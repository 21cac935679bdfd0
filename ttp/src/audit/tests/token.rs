//! Tokens that are not what was decided.

use super::world::{key, serial, signed_by, stamp};
use super::*;
use crate::crypto::{SignatureAlgorithm, SoftKey};
use crate::digest::ImprintAlgorithm;
use crate::evidence::OpsFact;
use crate::testing::YEAR_SECS;
use crate::timestamp::{Accuracy, ClockVerdict, Stamp, TimestampFact, TokenContent};

/// Another body in the first token's fact. `change` gets its parts.
fn with_body(change: impl FnOnce(&mut TimestampFact)) -> World {
    let at = first_token();
    spoilt(|world| {
        let mut body = world.token_fact(at);
        change(&mut body);
        world.rewrite(at, body);
    })
}

#[test]
fn facts_that_are_not_their_tokens() {
    let at = first_token();
    let found = |change: fn(&mut TimestampFact)| {
        let report = with_body(change).audit();
        let about = About::Entry { index: at as u64, kind: Some(Kind::Timestamp(TimestampKind::Token)) };
        let ours = report.differences.into_iter().filter(|difference| difference.about == about);
        ours.map(|difference| difference.what).collect::<Vec<_>>()
    };
    let body = |fact: &mut TimestampFact| {
        let TimestampFact::TokenIssued { imprint, .. } = fact;
        imprint.0[0] ^= 1;
    };
    assert_eq!(found(body), ["the token has another imprint than its fact"]);
    assert_eq!(
        found(|TimestampFact::TokenIssued { serial: is, .. }| *is = serial(99)),
        ["its serial number was drawn as 99, its fact says 1", "the token has another serial number than its fact"]
    );
    assert_eq!(
        found(|TimestampFact::TokenIssued { algorithm, .. }| *algorithm = ImprintAlgorithm::Sha512),
        ["the token has another hash algorithm than its fact"]
    );
    assert_eq!(
        found(|TimestampFact::TokenIssued { policy, .. }| *policy = "1.2.3".parse().unwrap()),
        ["the token has another policy than its fact"]
    );
    assert_eq!(
        found(|TimestampFact::TokenIssued { accuracy_micros, .. }| *accuracy_micros = 400_000),
        ["the unit tsu-ec.1 makes another token of what fact and token say"]
    );
    assert_eq!(
        found(|TimestampFact::TokenIssued { key: is, .. }| *is = key(KeyPurpose::TsuRsa)),
        ["it is a token of the unit tsu-ec.1, its fact says tsu-rsa.1"]
    );
    assert_eq!(
        found(|TimestampFact::TokenIssued { clock, .. }| *clock = ClockVerdict::Stopped),
        ["it was issued while the clock was stopped", "decided again, it is refused (timestamp.clock)"]
    );
    let time = spoilt(|world| world.fact(at).now = world.lines[at].fact.as_ref().unwrap().now.minus_millis(1));
    assert_eq!(time.audit().differences[0].what, "the token has another time than its fact");
}

/// The salt is the one part of a token's fact that nothing else tells of.
#[test]
fn every_part_of_a_tokens_envelope_counts() {
    let at = first_token();
    let with = |change: fn(&mut Fact)| {
        let report = spoilt(|world| change(world.fact(at))).audit();
        report.differences.into_iter().map(|difference| difference.what).collect::<Vec<_>>()
    };
    assert_eq!(with(|fact| fact.aggregate.0[0] ^= 1), ["decided again, its fact has another aggregate"]);
    assert_eq!(with(|fact| fact.salt[0] ^= 1), [""; 0]);
}

#[test]
fn serial_numbers_drawn_twice() {
    let world = spoilt(|world| {
        let now = world.lines.last().unwrap().fact.as_ref().unwrap().now;
        world.token(testing::ec(), &event(3, |_| {}), now);
    });
    let last = world.lines.len() - 1;
    finds(&world, &format!("entry {last} ({TOKEN}): the serial number 3 was drawn before"));
}

/// A token that a service made which does not do what it decides.
#[test]
fn tokens_that_are_not_what_was_decided() {
    let at = first_token();
    let unit = testing::ec();
    let now = GEN_TIME.plus_secs(1);
    let with = |event: &Stamp, change: fn(&mut TokenContent)| {
        let world = spoilt(|world| {
            let (fact, token) = signed_by(&unit.key, unit, event, now, change);
            (world.lines[at].fact, world.lines[at].artefact) = (Some(fact), Some(token));
            world.reseal(at);
        });
        world.audit().differences.into_iter().map(|difference| difference.what).collect::<Vec<_>>()
    };
    let plain = event(1, |_| {});
    assert_eq!(with(&plain, |_| {}), [""; 0]);
    assert_eq!(
        with(&plain, |content| content.cert_req = true),
        ["decided again, its token has another choice of certificates"]
    );
    assert_eq!(
        with(&plain, |content| content.qualified = true),
        ["decided again, its token has another statement of being qualified"]
    );
    assert_eq!(
        with(&plain, |content| content.imprint.null_parameters = true),
        ["decided again, its token has another imprint"]
    );
    assert_eq!(
        with(&event(1, |event| event.request.nonce = None), |content| content.nonce = Some(vec![1])),
        ["decided again, its token has another nonce"]
    );
    assert_eq!(
        with(&plain, |content| content.accuracy = Accuracy::from_micros(1).unwrap()),
        ["the unit tsu-ec.1 makes another token of what fact and token say"]
    );
    // Asked for one policy, served under the other, and the fact says so.
    let asked = event(1, |event| event.request.policy = Some("1.3.6.1.4.1.99999.2".parse().unwrap()));
    let world = spoilt(|world| {
        let (fact, token) = stamp(unit, &plain, now);
        (world.lines[at].fact, world.lines[at].artefact) = (Some(fact), Some(token));
        world.fact(at).event_digest = asked.request_digest;
        world.reseal(at);
    });
    let what = world.audit().differences.into_iter().map(|difference| difference.what).collect::<Vec<_>>();
    assert_eq!(what, ["decided again, its fact has another body", "decided again, its token has another policy"]);
}

#[test]
fn a_signature_by_another_key() {
    let at = first_token();
    let stranger = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let world = spoilt(|world| {
        let (_, token) = signed_by(&stranger, testing::ec(), &event(1, |_| {}), GEN_TIME.plus_secs(1), |_| {});
        world.lines[at].artefact = Some(token);
        world.reseal(at);
    });
    finds(&world, &format!("entry {at} ({TOKEN}): the signature is not by the key of its unit"));
    let tokens = &world.audit().kinds[&Some(Kind::Timestamp(TimestampKind::Token))];
    assert_eq!((tokens.same, tokens.different), (4, 1));
    // Where it could not be decided again either, it is taken out of the right count.
    let other = Rules { policy_hash: Digest::of(b"another policy"), ..rules() };
    let tokens = &world.audit_by(other).kinds[&Some(Kind::Timestamp(TimestampKind::Token))];
    assert_eq!((tokens.different, tokens.not.values().copied().collect::<Vec<_>>()), (1, vec![4]));
}

#[test]
fn an_artefact_that_is_none() {
    let at = first_token();
    let world = spoilt(|world| {
        world.lines[at].artefact = Some(b"gone".to_vec());
        world.reseal(at);
    });
    let found = world.audit().differences;
    assert!(found[0].what.starts_with("its artefact is no token: ") && found.len() == 1, "{found:?}");
}

#[test]
fn a_unit_outside_of_its_period() {
    let world = spoilt(|world| {
        let unit = testing::ec();
        let late = GEN_TIME.plus_secs(YEAR_SECS + 10);
        // The service would refuse; a liar's does not.
        let (fact, token) = signed_by(&unit.key, unit, &event(6, |_| {}), GEN_TIME, |content| content.gen_time = late);
        world.push(Fact { now: late, ..fact }, Some(token), Vec::new());
    });
    let last = world.lines.len() - 1;
    finds_all(
        &world,
        &[
            &format!(
                "entry {last} ({TOKEN}): its time 2027-03-01T12:00:10.250Z lies outside the period of its unit's key, \
                 2026-03-01T11:59:59.000Z to 2027-03-01T11:59:59.000Z"
            ),
            &format!("entry {last} ({TOKEN}): decided again, it is refused (timestamp.key_period)"),
        ],
    );
}

#[test]
fn a_unit_without_certificate() {
    let world = spoilt(|world| {
        let certified = world.all(Kind::Ca(CaKind::CertificateIssued))[2];
        world.lines[certified].artefact = None;
    });
    let report = world.audit();
    assert_eq!(report.differences, []);
    assert_eq!(report.not_decided()[&Reason::NoCertificate], 4);
    assert!(report.has_losses());
}

#[test]
fn tokens_while_the_clock_was_stopped() {
    let lost = |ago_millis, told: u64| {
        let mut world = World::lived();
        let now = GEN_TIME.plus_secs(told);
        world.lines.truncate(world.lines.len() - 2);
        world.diary(OpsFact::ClockLost { reason: 5, offset_micros: 0, ago_millis }, now);
        let found = world.audit().differences.into_iter().filter(|difference| difference.about != About::Ledger);
        found
            .filter(|difference| matches!(difference.about, About::Entry { .. }))
            .map(|difference| difference.what)
            .collect::<Vec<_>>()
    };
    // Tokens stand at 1 to 5 s. Told at 100 s; lost at 10 s, then at 2 s: the good samples alone take 20 s.
    assert_eq!(lost(90_000, 100), [""; 0]);
    assert_eq!(
        lost(98_000, 100),
        [
            "the clock was lost at 2026-03-01T12:00:02.250Z, and was not back before 2026-03-01T12:00:40.250Z; a token bears \
             the time 2026-03-01T12:00:04.000Z"
        ]
    );
    // Lost at the fifth second: what lies within a second of it is not held against anybody.
    assert_eq!(lost(95_250, 100), [""; 0]);
    // Told at once, half a minute after the loss: nothing shows that it was not back after 20 s.
    assert_eq!(
        lost(30_000, 30),
        ["the clock was lost at 2026-03-01T12:00:00.250Z, and was not back before \
         2026-03-01T12:00:20.250Z; a token bears the time 2026-03-01T12:00:02.000Z"]
    );
    assert_eq!(lost(1_000, 6), [""; 0]);
}

#[test]
fn tokens_of_a_unit_that_was_revoked() {
    let mut world = World::lived();
    let at = |secs: u64| GEN_TIME.plus_secs(90_010 + secs);
    let (ec, rsa) = (testing::ec(), testing::rsa());
    world.revoke(ec.tsu.certificate(), crate::ca::crl::Reason::KeyCompromise, at(1));
    world.token(ec, &event(6, |_| {}), at(1));
    world.token(rsa, &event(7, |e| e.request.cert_req = true), at(2));
    world.token(ec, &event(8, |_| {}), at(2));
    let late = world.lines.len() - 1;
    let revoked = at(1);
    finds(&world, &format!("entry {late} ({TOKEN}): the certificate of its unit was revoked at {revoked}"));
}
