//! Each header, each rule, each form, and every bit of a callback.

use proptest::prelude::*;
use serde_json::json;

use super::super::rail::DeclineCode;
use super::*;
use crate::money::Currency;

const NOW: Timestamp = Timestamp::from_millis(1_772_366_400_250);
const X: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
const KEY: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg";

fn secret(octet: u8) -> Secret {
    Secret(Zeroizing::new(vec![octet; 32]))
}

fn body(kind: &str, data: serde_json::Value) -> Vec<u8> {
    json!({ "type": kind, "timestamp": "2026-03-01T12:00:00Z", "data": data }).to_string().into_bytes()
}

fn declined() -> Vec<u8> {
    body("payment.outcome", json!({ "x": X, "key": KEY, "result": "declined", "code": "funds" }))
}

/// A callback that is signed by the first secret, with one thing changed.
fn read_with(change: impl FnOnce(&mut [String; 3]), body: &[u8], now: Timestamp) -> Result<Callback, CallbackFault> {
    let signature = sign(&secret(1), "msg_1", NOW, body).unwrap();
    let mut headers = ["msg_1".to_owned(), NOW.secs().to_string(), signature];
    change(&mut headers);
    let [id, timestamp, signature] = &headers;
    verify(&Received { id, timestamp, signature, body }, &[secret(1), secret(2)], 300, &Seen::default(), now)
}

fn read_body(body: &[u8]) -> Result<Callback, CallbackFault> {
    read_with(|_| {}, body, NOW)
}

#[test]
fn each_kind_is_read() {
    let (x, key) = (Digest([7; 32]), Digest([8; 32]));
    let amount = Amount::new(1250, Currency::new("EUR").unwrap()).unwrap();
    let (written, evidence) = (json!({ "amount": "1250", "currency": "EUR" }), Digest::of(b"signed"));
    let signed = b64u::encode(b"signed");
    let outcome = |told| PaymentEvent::Outcome { key, told };
    let expires_at = Some(Timestamp::from_secs(1_772_366_460));
    for (kind, data, event) in [
        (
            "payment.outcome",
            json!({ "x": X, "key": KEY, "result": "done", "amount": written, "expires_at": null, "evidence": signed }),
            outcome(Told::Done { amount, expires_at: None, evidence }),
        ),
        (
            "payment.outcome",
            json!({ "x": X, "key": KEY, "result": "done", "amount": written, "expires_at": "2026-03-01T12:01:00Z", "evidence": signed }),
            outcome(Told::Done { amount, expires_at, evidence }),
        ),
        (
            "payment.outcome",
            json!({ "x": X, "key": KEY, "result": "ended", "amount": written, "evidence": signed }),
            outcome(Told::Ended { amount, evidence }),
        ),
        (
            "payment.expired",
            json!({ "x": X, "amount": written, "evidence": signed }),
            PaymentEvent::Expire { amount, evidence },
        ),
        (
            "payment.charged-back",
            json!({ "x": X, "amount": written, "evidence": signed }),
            PaymentEvent::ChargeBack { amount, evidence },
        ),
        (
            "payment.paid-out",
            json!({ "x": X, "amount": written, "evidence": signed }),
            PaymentEvent::PayOut { amount, evidence },
        ),
        (
            "payment.made-good",
            json!({ "x": X, "item": KEY, "evidence": signed }),
            PaymentEvent::MakeGood { item: key, evidence },
        ),
    ] {
        let read = read_body(&body(kind, data)).unwrap();
        assert_eq!((read.x, &read.event, read.id.as_str()), (x, &event, "msg_1"), "{kind}");
        assert_eq!(read.evidence.map(|evidence| evidence.octets().to_vec()), Some(b"signed".to_vec()));
    }
    for code in DeclineCode::ALL {
        let data = json!({ "x": X, "key": KEY, "result": "declined", "code": code.name() });
        let read = read_body(&body("payment.outcome", data)).unwrap();
        assert_eq!((read.event, read.evidence), (outcome(Told::Declined(*code)), None));
    }
}

#[test]
fn bodies_of_another_form_are_refused() {
    let signed = b64u::encode(b"signed");
    let amount = json!({ "amount": "1250", "currency": "EUR" });
    let done = |change: fn(&mut serde_json::Value)| {
        let mut data =
            json!({ "x": X, "key": KEY, "result": "done", "amount": amount, "expires_at": null, "evidence": signed });
        change(&mut data);
        body("payment.outcome", data)
    };
    assert!(read_body(&done(|_| {})).is_ok());
    for (what, bad) in [
        ("another type", body("payment.stolen", json!({}))),
        ("no data", br#"{"type":"payment.expired","timestamp":"2026-03-01T12:00:00Z"}"#.to_vec()),
        ("no time", br#"{"type":"payment.expired","timestamp":"today","data":{}}"#.to_vec()),
        ("a member too many", done(|data| data["note"] = json!("x"))),
        ("another result", done(|data| data["result"] = json!("unknown"))),
        ("no key", done(|data| drop(data.as_object_mut().unwrap().remove("key")))),
        ("a short key", done(|data| data["key"] = json!("CAgI"))),
        ("an amount as a number", done(|data| data["amount"] = json!(1250))),
        ("gold", done(|data| data["amount"]["currency"] = json!("XAU"))),
        ("no evidence", done(|data| data["evidence"] = json!(""))),
        ("evidence as plain base64", done(|data| data["evidence"] = json!("c2lnbmVkMQ=="))),
        ("a moment of another form", done(|data| data["expires_at"] = json!("tomorrow"))),
        (
            "a code of nobody",
            body("payment.outcome", json!({ "x": X, "key": KEY, "result": "declined", "code": "mood" })),
        ),
    ] {
        assert!(matches!(read_body(&bad), Err(CallbackFault::Form(_))), "{what}: {:?}", read_body(&bad));
    }
    let twice = br#"{"type":"payment.expired","type":"payment.paid-out","timestamp":"2026-03-01T12:00:00Z","data":{}}"#;
    assert!(matches!(read_body(twice), Err(CallbackFault::Json(JsonFault::Duplicate(_)))));
    assert_eq!(read_body(&vec![b' '; BODY_BYTES_MAX + 1]), Err(CallbackFault::TooLong));
}

#[test]
fn headers_have_one_form() {
    let body = declined();
    assert!(read_body(&body).is_ok());
    let header = |place: usize, text: &str| read_with(|headers| text.clone_into(&mut headers[place]), &body, NOW);
    for bad in ["", "a.b", "a b", "ä", &"a".repeat(129)] {
        assert_eq!(header(0, bad), Err(CallbackFault::Header("webhook-id")), "{bad}");
    }
    for bad in ["", "+1772366400", "01772366400", "1772366400.2", "-1", "18446744073709551615", "99999999999999"] {
        assert_eq!(header(1, bad), Err(CallbackFault::Header("webhook-timestamp")), "{bad}");
    }
    assert_eq!(header(2, ""), Err(CallbackFault::Header("webhook-signature")));
    let many = ["v1,AAAA"; 9].join(" ");
    assert_eq!(header(2, &many), Err(CallbackFault::Header("webhook-signature")));
    for bad in ["v1", "v1,", "v1a,AAAA", "v2,AAAA", "AAAA", "v1,AAAA v1,BBBB", " "] {
        assert_eq!(header(2, bad), Err(CallbackFault::Signature), "{bad}");
    }
}

#[test]
fn a_signature_is_over_id_time_and_body_by_a_secret_in_force() {
    let body = declined();
    assert_eq!(read_with(|headers| headers[0] = "msg_2".to_owned(), &body, NOW), Err(CallbackFault::Signature));
    let later = (NOW.secs() + 1).to_string();
    assert_eq!(read_with(|headers| headers[1] = later, &body, NOW), Err(CallbackFault::Signature));
    let by = |octet: u8| sign(&secret(octet), "msg_1", NOW, &body).unwrap();
    for (signature, is_good) in [
        (by(2), true),
        (by(3), false),
        (format!("{} {}", by(3), by(1)), true),
        (format!("v1a,AAAA {}", by(1)), true),
        (by(1).replacen("v1,", "v1a,", 1), false),
    ] {
        let read = read_with(|headers| headers[2] = signature, &body, NOW);
        assert_eq!(read.err(), (!is_good).then_some(CallbackFault::Signature));
    }
    // Of no secret at all.
    let signature = by(1);
    let timestamp = NOW.secs().to_string();
    let received = Received { id: "msg_1", timestamp: &timestamp, signature: &signature, body: &body };
    assert_eq!(verify(&received, &[], 300, &Seen::default(), NOW), Err(CallbackFault::Signature));
}

/// The example of the standard's own libraries (standardwebhooks.com, symmetric).
#[test]
fn it_is_the_published_scheme() {
    let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let at = Timestamp::from_secs(1_614_265_330);
    let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#).unwrap();
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn the_time_of_the_try_is_near() {
    let body = declined();
    for (now, is_near) in [
        (NOW.plus_secs(300), true),
        (NOW.minus_millis(300_000), true),
        (NOW.plus_secs(301), false),
        (NOW.minus_millis(301_000), false),
        (Timestamp::MAX, false),
    ] {
        assert_eq!(read_with(|_| {}, &body, now).is_ok(), is_near, "{now}");
    }
}

#[test]
fn ids_are_remembered_for_as_long_as_they_could_pass() {
    let callback = read_body(&declined()).unwrap();
    let mut seen = Seen::default();
    assert!(!seen.knows("msg_1"));
    seen.note(&callback, 300, NOW);
    assert!(seen.knows("msg_1") && !seen.knows("msg_2"));
    for n in 0..SEEN_MAX {
        let at = NOW.plus_secs(1);
        seen.note(&Callback { id: format!("n{n}"), at, ..callback.clone() }, 300, at);
    }
    assert_eq!((seen.ids.len(), seen.knows("msg_1")), (SEEN_MAX, false), "the oldest makes room");
    let at = NOW.plus_secs(602);
    seen.note(&Callback { id: "late".to_owned(), at, ..callback }, 300, at);
    assert_eq!((seen.ids.len(), seen.knows("late")), (1, true), "what could not pass any more is forgotten");
}

#[test]
fn secrets_have_one_form_and_are_not_shown() {
    let good = format!("whsec_{}", STANDARD.encode([7; 24]));
    assert!(format!("{:?}", Secret::parse(&good).unwrap()).ends_with("(…)"));
    for bad in [
        String::new(),
        STANDARD.encode([7; 24]),
        format!("whsec_{}", STANDARD.encode([7; 23])),
        format!("whsec_{}", STANDARD.encode([7; 65])),
        format!("whsec_{}!", STANDARD.encode([7; 24])),
    ] {
        assert!(Secret::parse(&bad).is_none(), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_bit_may_change(at in any::<usize>(), bit in 0..8_u8) {
        let mut body = declined();
        let signature = sign(&secret(1), "msg_1", NOW, &body).unwrap();
        let at = at % body.len();
        body[at] ^= 1 << bit;
        let timestamp = NOW.secs().to_string();
        let received = Received { id: "msg_1", timestamp: &timestamp, signature: &signature, body: &body };
        prop_assert_eq!(verify(&received, &[secret(1)], 300, &Seen::default(), NOW), Err(CallbackFault::Signature));
    }

    #[test]
    fn nothing_panics(id: String, timestamp: String, signature: String, body: Vec<u8>) {
        let received = Received { id: &id, timestamp: &timestamp, signature: &signature, body: &body };
        prop_assert!(verify(&received, &[secret(1)], 300, &Seen::default(), NOW).is_err());
        let _ = read(&body);
    }
}
