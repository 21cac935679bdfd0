//! Each trick, the contract of rails, evidence, the statement of accounts.

use super::super::callback::{Received, Secret, Seen, sign, verify};
use super::super::testing::{EUR, NOW, X, eur, terms};
use super::super::{PaymentEvent, Told};
use super::*;
use crate::crypto::{PublicKey, SignatureAlgorithm, SoftKey};
use crate::payment::rail::{RailCall, rail_key};

use RailOp::{Capture, Hold, Refund, Release};

fn new(class: RailClass, per_mille: u16) -> (Simulator, PublicKey) {
    let key = SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap();
    let public = PublicKey::from_spki_der(key.spki_der()).unwrap();
    let rail = Simulator::new(RailId::new("sim").unwrap(), class, Arc::new(key), [5; 32], per_mille);
    rail.advance_to(NOW);
    (rail, public)
}

fn call(op: RailOp, seq: u32, minor: u64) -> RailCall {
    let on = match op {
        Hold => None,
        Capture | Release => Some(rail_key(&X, Hold, 0)),
        Refund => Some(rail_key(&X, Capture, 0)),
    };
    let until = terms(RailClass::Auth).until;
    RailCall { rail: RailId::new("sim").unwrap(), key: rail_key(&X, op, seq), op, x: X, on, amount: eur(minor), until }
}

fn is_done(answer: &RailAnswer, minor: u64) -> bool {
    matches!(answer, RailAnswer::Done(done) if done.amount == eur(minor))
}

/// A call's answer in short.
fn short(answer: &RailAnswer) -> &'static str {
    match answer {
        RailAnswer::Done(_) => "done",
        RailAnswer::Declined(code) => code.name(),
        RailAnswer::Ended(_) => "ended",
        RailAnswer::Unknown => "unknown",
    }
}

#[test]
fn money_goes_its_way_by_either_class() {
    for (class, kept) in [(RailClass::Auth, [0, 700, 700, 600]), (RailClass::Funded, [1000, 1000, 700, 600])] {
        let (rail, _) = new(class, 0);
        let calls = [call(Hold, 0, 1000), call(Capture, 0, 700), call(Release, 0, 300), call(Refund, 0, 100)];
        for (call, kept) in calls.iter().zip(kept) {
            assert!(is_done(&call.make(&rail), call.amount.minor()), "{class:?} {call:?}");
            assert_eq!(rail.kept(EUR()), kept, "{class:?} after {:?}", call.op);
        }
        assert_eq!(rail.held_for(&X), 0);
        let sum: i128 = rail.statement().iter().map(|line| line.minor).sum();
        assert_eq!((sum, rail.statement().len()), (600, 4));
    }
}

#[test]
fn a_key_is_done_once_and_belongs_to_one_call() {
    let (rail, _) = new(RailClass::Auth, 0);
    let first = call(Hold, 0, 1000).make(&rail);
    assert_eq!(call(Hold, 0, 1000).make(&rail), first);
    assert_eq!(rail.status(&rail_key(&X, Hold, 0)), first);
    assert_eq!(short(&call(Hold, 0, 999).make(&rail)), "key-reused");
    let captured = RailCall { key: rail_key(&X, Hold, 0), ..call(Capture, 0, 10) };
    assert_eq!(short(&captured.make(&rail)), "key-reused");
    assert_eq!((rail.statement().len(), short(&rail.status(&rail_key(&X, Capture, 0)))), (1, "unknown"));
    assert_eq!(rail.evidence(&rail_key(&X, Capture, 0)), None);
}

#[test]
fn nothing_moves_that_is_not_there() {
    let (rail, _) = new(RailClass::Auth, 0);
    for early in [call(Capture, 0, 1), call(Release, 0, 1), call(Refund, 0, 1), call(Hold, 0, 0)] {
        assert_eq!(short(&early.make(&rail)), "refused", "{early:?}");
    }
    let (rail, _) = new(RailClass::Auth, 0);
    let _ = call(Hold, 0, 1000).make(&rail);
    assert_eq!(short(&call(Capture, 1, 1001).make(&rail)), "refused");
    let _ = call(Capture, 0, 600).make(&rail);
    assert_eq!(short(&call(Capture, 2, 401).make(&rail)), "refused");
    assert_eq!(short(&call(Refund, 0, 601).make(&rail)), "refused");
    assert!(is_done(&call(Refund, 1, 600).make(&rail), 600));
    assert_eq!(short(&call(Refund, 2, 1).make(&rail)), "refused");
    assert!(is_done(&call(Release, 0, 400).make(&rail), 400));
    assert_eq!(short(&call(Release, 1, 400).make(&rail)), "refused");
}

#[test]
fn each_trick_of_a_script() {
    let scripted = |op, trick| {
        let (rail, _) = new(RailClass::Auth, 0);
        if op != Hold {
            let _ = call(Hold, 0, 1000).make(&rail);
        }
        rail.script(op, trick);
        drop(rail.take_notices());
        rail
    };
    let capture = call(Capture, 0, 1000);
    let rail = scripted(Capture, Trick::Decline(DeclineCode::Funds));
    assert_eq!((short(&capture.make(&rail)), short(&rail.status(&capture.key))), ("funds", "funds"));
    assert_eq!((short(&capture.make(&rail)), rail.kept(EUR())), ("funds", 0), "for good");
    let again = RailCall { key: rail_key(&X, Capture, 1), ..capture.clone() };
    assert_eq!(short(&again.make(&rail)), "done", "one trick for one call");

    let rail = scripted(Capture, Trick::TimeoutThenDone);
    assert_eq!((short(&capture.make(&rail)), short(&rail.status(&capture.key))), ("unknown", "done"));
    assert_eq!((short(&capture.settle(&rail)), rail.kept(EUR()), rail.take_notices().len()), ("done", 1000, 1));

    let rail = scripted(Capture, Trick::TimeoutThenNothing);
    assert_eq!((short(&capture.make(&rail)), short(&rail.status(&capture.key))), ("unknown", "unknown"));
    assert_eq!((rail.kept(EUR()), rail.take_notices().len()), (0, 0));
    assert_eq!((short(&capture.settle(&rail)), rail.kept(EUR())), ("done", 1000));

    let rail = scripted(Capture, Trick::DuplicateWebhook);
    assert_eq!(short(&capture.make(&rail)), "done");
    let notices = rail.take_notices();
    assert_eq!((notices[0] == notices[1], notices[1].id == notices[2].id, notices.len()), (true, false, 3));
    assert_eq!((notices[1].body == notices[2].body, rail.kept(EUR())), (true, 1000));

    let rail = scripted(Capture, Trick::LateChargeback { after_millis: 60_000 });
    assert_eq!(short(&capture.make(&rail)), "done");
    rail.advance_to(NOW.plus_secs(59));
    assert_eq!(rail.kept(EUR()), 1000);
    rail.advance_to(NOW.plus_secs(60));
    rail.advance_to(NOW.plus_secs(600));
    assert_eq!((rail.kept(EUR()), rail.statement().last().unwrap().what), (0, "charged-back"));

    let rail = scripted(Hold, Trick::Expire { after_millis: 60_000 });
    assert_eq!(short(&call(Hold, 0, 1000).make(&rail)), "done");
    rail.advance_to(NOW.plus_secs(60));
    let answer = capture.make(&rail);
    assert!(matches!(&answer, RailAnswer::Ended(Ended { amount, .. }) if *amount == eur(1000)), "{answer:?}");
    assert_eq!((rail.status(&capture.key), rail.held_for(&X)), (answer, 0));

    let rail = scripted(Capture, Trick::DeclineThenDone);
    assert_eq!(
        (short(&capture.make(&rail)), short(&rail.status(&capture.key)), rail.kept(EUR())),
        ("refused", "done", 1000)
    );
}

#[test]
fn a_banks_hold_ends_by_itself_and_money_in_hand_does_not() {
    for (class, expired) in [(RailClass::Auth, true), (RailClass::Funded, false)] {
        let (rail, _) = new(class, 0);
        let RailAnswer::Done(held) = call(Hold, 0, 1000).make(&rail) else { panic!() };
        assert_eq!(held.expires_at, expired.then(|| NOW.plus_millis(AUTH_MILLIS)));
        rail.advance_to(NOW.plus_millis(AUTH_MILLIS));
        assert_eq!(short(&call(Release, 0, 1000).make(&rail)), if expired { "ended" } else { "done" });
    }
}

#[test]
fn the_seed_says_which_calls_fail() {
    let answers = |per_mille| {
        let (rail, _) = new(RailClass::Funded, per_mille);
        let answers = (0..400_u32).map(|n| {
            let x = Digest::of(&n.to_be_bytes());
            short(&rail.hold(&rail_key(&x, Hold, 0), &x, eur(1), NOW))
        });
        answers.collect::<Vec<_>>()
    };
    assert!(answers(0).iter().all(|answer| *answer == "done"));
    let (some, same) = (answers(500), answers(500));
    assert_eq!(some, same, "whatever the key that signs");
    for kind in ["done", "refused", "unknown"] {
        assert!(some.contains(&kind), "{kind}");
    }
}

#[test]
fn evidence_is_signed_and_says_what_was_done() {
    let (rail, key) = new(RailClass::Auth, 0);
    let _ = call(Hold, 0, 1000).make(&rail);
    let evidence = rail.evidence(&rail_key(&X, Hold, 0)).unwrap();
    let record = read_evidence(&evidence, &key).unwrap();
    let expected = Record {
        rail: "sim".to_owned(),
        what: "hold".to_owned(),
        x: X.into(),
        key: rail_key(&X, Hold, 0).into(),
        amount: eur(1000),
        at_ms: NOW.millis(),
        serial: 1,
    };
    assert_eq!(record, expected);
    let (_, stranger) = new(RailClass::Auth, 0);
    assert_eq!(read_evidence(&evidence, &stranger), None);
    for at in 0..evidence.octets().len() {
        let mut bad = evidence.octets().to_vec();
        bad[at] ^= 1;
        assert_eq!(read_evidence(&Evidence::new(bad).unwrap(), &key), None, "octet {at}");
    }
    for bad in [&b"."[..], b"a", b"a.b", b"\xFF.a"] {
        assert_eq!(read_evidence(&Evidence::new(bad.to_vec()).unwrap(), &key), None);
    }
}

/// What it tells is read by the same code that reads providers.
#[test]
fn its_notices_are_callbacks() {
    let (rail, key) = new(RailClass::Auth, 0);
    rail.script(Capture, Trick::LateChargeback { after_millis: 1 });
    rail.script(Capture, Trick::Decline(DeclineCode::Funds));
    rail.script(Hold, Trick::Expire { after_millis: 2 });
    for call in [call(Hold, 0, 1000), call(Capture, 0, 600), call(Capture, 1, 1)] {
        let _ = call.make(&rail);
    }
    assert!(rail.pay_out(&X, eur(600)) && !rail.pay_out(&X, eur(1)));
    rail.advance_to(NOW.plus_millis(2));
    assert!(rail.make_good(&X, &Digest([9; 32]), eur(600), false));
    assert_eq!(rail.kept(EUR()), 0);
    let secret = Secret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX").unwrap();
    let mut told = Vec::new();
    for Notice { id, body } in rail.take_notices() {
        let signature = sign(&secret, &id, NOW, &body).unwrap();
        let timestamp = NOW.secs().to_string();
        let received = Received { id: &id, timestamp: &timestamp, signature: &signature, body: &body };
        let callback = verify(&received, std::slice::from_ref(&secret), 1, &Seen::default(), NOW).unwrap();
        let record = callback.evidence.map(|evidence| read_evidence(&evidence, &key).unwrap().what);
        told.push(match (&callback.event, record.as_deref()) {
            (PaymentEvent::Outcome { told: Told::Done { expires_at, .. }, .. }, Some(what)) => {
                assert_eq!(expires_at.is_some(), what == "hold");
                what.to_owned()
            }
            (PaymentEvent::Outcome { told: Told::Declined(code), .. }, None) => code.name().to_owned(),
            (PaymentEvent::Expire { .. }, Some("expired"))
            | (PaymentEvent::PayOut { .. }, Some("paid-out"))
            | (PaymentEvent::ChargeBack { .. }, Some("charged-back"))
            | (PaymentEvent::MakeGood { .. }, Some("made-good")) => record.unwrap(),
            other => panic!("{other:?}"),
        });
        assert_eq!(callback.x, X);
    }
    assert_eq!(told, ["hold", "capture", "funds", "paid-out", "charged-back", "expired", "made-good"]);
}
