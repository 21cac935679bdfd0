//! Each kind as its schema and its vector have it.

use serde_json::{Value, json};

use super::super::{Body, Common, Count, Jws, Millis, Salt, Statement};
use super::asw_r::{Abort, M1, M2, M3, M4, Resolve};
use super::cd_r::{
    AbortDelivery, ContentKey, D1, D2, D3, D4, EscrowArbiter, EscrowText, Mode, ResolveO, ResolveR, Reveal, Subject,
};
use super::erds::{
    ErdsEvent, ErdsEvidence, ErdsReason, EventReason, EvidenceVersion, Issuer, Refuse, RefuseReason, Submit,
    UserContent, evidence_id,
};
use super::inline::{
    Cancel, Collect, Deposit, DepositFault, DepositMode, I1, I2, Nrs, Refused, Registered, SealedItem, Waive,
};
use super::item::{Fairness, ItemDescriptor, ItemKind, MatchResult, Recovery, RuleName};
use super::pg::{Accept, Cancel as CancelOrder, Goods, GoodsOrder, HandedOver, Received, Rejected, Shipped};
use super::pr::{PaymentOffer, PaymentReceipt};
use super::verdict::{Answer, Receipt, Status, Verdict};
use super::*;
use crate::b64u::{B64u, B64u32};
use crate::digest::Digest;
use crate::money::{Amount, Currency, RailId};

const fn octets(octet: u8) -> B64u32 {
    B64u([octet; 32])
}

fn participant(id: u8, key: u8) -> Participant {
    Participant { id: [id; 16].into(), scheme: Scheme::Semper, key: Thumbprint(octets(key)) }
}

fn millis(millis: u64) -> Millis {
    Millis::new(millis).unwrap()
}

/// A statement of some kind, erased: its tag, its schema, its payload.
struct Sample {
    tag: &'static str,
    schema: &'static str,
    /// With every member that it may have, and with none of those that it need not have.
    payloads: [String; 2],
}

fn payload<B: Body>(body: B) -> Vec<u8> {
    let x = B::FOLLOWS.then_some(octets(7));
    let common = Common { salt: Salt(B64u([5; 16])), iat: millis(1_772_366_400_250), x, shown: None };
    Statement { common, body }.write().unwrap()
}

fn sample<B: Body + Clone + PartialEq + std::fmt::Debug>(schema: &'static str, full: B, least: B) -> Sample {
    let payloads = [full, least].map(|body| {
        let written = payload(body.clone());
        let value: Value = serde_json::from_slice(&written).unwrap();
        let mut members = value.as_object().unwrap().clone();
        for common in ["t", "v", "salt", "iat", "x"] {
            members.remove(common);
        }
        assert_eq!(serde_json::from_value::<B>(Value::Object(members)).unwrap(), body);
        String::from_utf8(written).unwrap()
    });
    Sample { tag: B::TAG, schema, payloads }
}

fn same<B: Body + Clone + PartialEq + std::fmt::Debug>(schema: &'static str, body: B) -> Sample {
    sample(schema, body.clone(), body)
}

macro_rules! schema {
    ($name:literal) => {
        include_str!(concat!("../../../../schemas/statements/", $name, ".json"))
    };
}

fn offer() -> M1 {
    M1 {
        deal: Some(octets(1)),
        policy: octets(2),
        o: participant(1, 0x11),
        r: participant(2, 0x12),
        ttp: Arbiter {
            id: Origin::new("vectors.semper.example/log").unwrap(),
            key: Thumbprint(octets(0x13)),
            url: Line::new("https://vectors.semper.example").unwrap(),
            log: Line::new("vectors.semper.example/log+00000000+AA").unwrap(),
        },
        terms: octets(3),
        terms_media: Line::new("application/pdf").unwrap(),
        t_exp: Some(millis(1_772_452_800_000)),
        c_o: octets(4),
        assurance: Assurance::NonQualified,
    }
}

fn delivery() -> D1 {
    let M1 { deal, policy, o, r, ttp, t_exp, assurance, .. } = offer();
    let Arbiter { id, key, url, log } = ttp;
    D1 {
        deal,
        policy,
        o,
        r,
        ttp: EscrowArbiter { id, key, escrow_key: Thumbprint(octets(0x14)), url, log },
        n: octets(0x21),
        c_sha256: octets(0x22),
        c_len: Count::new(93).unwrap(),
        hm: octets(0x23),
        hk: octets(0x24),
        esc: EscrowText::new("a.b.c.d.e").unwrap(),
        subject: Subject { class: Line::new("invoice").unwrap(), sha256: Some(octets(0x25)) },
        mode: Mode::Consent,
        reveal: Reveal::Named,
        t_exp,
        pay: Some(octets(0x26)),
        assurance,
    }
}

fn inline_offer() -> [I1; 2] {
    let M1 { deal, policy, o, r, t_exp, .. } = offer();
    let whole = |kind, recovery| ItemDescriptor {
        kind,
        sha256: Some(octets(0x31)),
        len: Count::new(93),
        media: Line::new("application/pdf"),
        amount: crate::money::Currency::new("EUR").and_then(|euro| crate::money::Amount::new(1250, euro)),
        predicate: RuleName::new("json-object/1"),
        verifier: Some(Thumbprint(octets(0x32))),
        recovery,
    };
    let bare = |kind| ItemDescriptor {
        sha256: None,
        len: None,
        media: None,
        amount: None,
        predicate: None,
        verifier: None,
        ..whole(kind, Recovery::None)
    };
    let full = I1 {
        deal,
        policy,
        o,
        r,
        ttp: delivery().ttp,
        o_item: whole(ItemKind::Credential, Recovery::Revocable),
        r_item: whole(ItemKind::Bytes, Recovery::Generatable),
        mode: DepositMode::Sealed,
        fairness: Fairness::Strong,
        t_dep: t_exp.unwrap(),
        t_exp: millis(1_772_456_400_000),
        retention_ms: Count::new(86_400_000),
        assurance: Assurance::Advanced,
    };
    let least = I1 {
        deal: None,
        o_item: bare(ItemKind::Bytes),
        r_item: bare(ItemKind::Physical),
        mode: DepositMode::Content,
        fairness: Fairness::Weak,
        retention_ms: None,
        assurance: Assurance::NonQualified,
        ..full.clone()
    };
    [full, least]
}

fn inline_samples() -> Vec<Sample> {
    let at_ms = millis(1_772_366_400_261);
    let [offer, bare] = inline_offer();
    let (c_sha256, hk, esc) = (octets(0x34), octets(0x35), EscrowText::new("a.b.c.d.e").unwrap());
    let deposit = Deposit {
        side: Side::Responder,
        item_sha256: octets(0x33),
        size: Count::new(26).unwrap(),
        media: Line::new("text/plain").unwrap(),
        result: MatchResult::NeedsHuman,
        sealed: Some(SealedItem { c_sha256, c_len: Count::new(55).unwrap(), hk, esc }),
    };
    let open = Deposit { side: Side::Originator, result: MatchResult::Match, sealed: None, ..deposit.clone() };
    let basis = vec!["a.b.c".to_owned(), "d.e.f".to_owned()];
    let refused = Refused { side: Side::Originator, req: octets(8), reason: DepositFault::Mismatch, at_ms };
    vec![
        sample(schema!("inline.m1"), offer, bare),
        same(schema!("inline.m2"), I2 { m1: octets(5) }),
        sample(schema!("inline.deposit"), deposit, open),
        same(schema!("inline.cancel"), Cancel {}),
        same(schema!("inline.waive"), Waive { o_item: octets(0x36), r_item: octets(0x33) }),
        same(schema!("inline.collect"), Collect {}),
        same(schema!("inline.registered"), Registered { basis, at_ms }),
        same(schema!("inline.nrs"), Nrs { deposit: "a.b.c".to_owned(), result: MatchResult::Match, at_ms }),
        same(schema!("inline.refused"), refused),
    ]
}

fn erds_samples() -> Vec<Sample> {
    let D1 { o, r, ttp, c_sha256, c_len, hm, policy, assurance, .. } = delivery();
    let event = ErdsEvent::AcceptanceRejectionExpiry;
    let missed = ErdsEvidence {
        version: EvidenceVersion::One,
        id: evidence_id(&Digest([7; 32]), event).into(),
        event,
        event_ms: millis(1_772_452_800_000),
        at_ms: millis(1_772_452_800_017),
        issuer: Issuer { id: ttp.id, key: ttp.key },
        sender: o,
        recipient: r,
        submitted_ms: millis(1_772_366_400_250),
        content: UserContent { c_sha256, c_len, hm },
        reasons: vec![EventReason::from(ErdsReason::NoAnswer)],
        basis: vec![],
        verdict: None,
        outages: vec![Count::new(12).unwrap()],
        policy,
        assurance,
    };
    let event = ErdsEvent::ContentHandover;
    let collected = ErdsEvidence {
        id: evidence_id(&Digest([7; 32]), event).into(),
        event,
        reasons: vec![],
        basis: vec!["a.b.c".to_owned()],
        verdict: Some(octets(9)),
        outages: vec![],
        ..missed.clone()
    };
    vec![
        same(schema!("cd-r.submit"), Submit { notice: true }),
        sample(schema!("cd-r.refuse"), Refuse { reason: Some(RefuseReason::NotForMe) }, Refuse { reason: None }),
        sample(schema!("erds.evidence"), missed, collected),
    ]
}

fn order() -> GoodsOrder {
    let M1 { deal, policy, o, r, ttp, terms, terms_media, assurance, .. } = offer();
    GoodsOrder {
        deal,
        policy,
        buyer: o,
        seller: r,
        carrier: Some(participant(3, 0x15)),
        ttp,
        terms,
        terms_media,
        goods: Goods::Physical {},
        amount: Amount::new(125_000, Currency::new("EUR").unwrap()).unwrap(),
        fee_bps: FeeBps::new(250).unwrap(),
        rail: RailId::new("simulator").unwrap(),
        t_hold: millis(1_772_452_800_000),
        t_ship: Some(millis(1_772_712_000_000)),
        t_accept: Some(Count::new(1_209_600_000).unwrap()),
        t_exp: millis(1_773_576_000_000),
        assurance,
    }
}

fn payment() -> PaymentOffer {
    let GoodsOrder { deal, policy, buyer, seller, ttp, amount, fee_bps, rail, t_hold, assurance, .. } = order();
    let (receipt, receipt_media) = (octets(3), Line::new("text/plain").unwrap());
    PaymentOffer {
        deal,
        policy,
        payer: buyer,
        payee: seller,
        ttp,
        receipt,
        receipt_media,
        amount,
        fee_bps,
        rail,
        t_exp: t_hold,
        assurance,
    }
}

fn samples() -> Vec<Sample> {
    let verdict = Verdict {
        proto: Protocol::AswR,
        outcome: Outcome::Resolved,
        basis: vec!["a.b.c".to_owned(), "d.e.f".to_owned()],
        decided_ms: millis(1_772_366_400_260),
        policy: octets(2),
        outages: vec![Count::new(12).unwrap()],
        assurance: Assurance::Advanced,
    };
    let answer = Answer { to: Thumbprint(octets(0x12)), req: octets(8), c_r: Some(octets(6)), verdict: octets(9) };
    let at_ms = millis(1_772_366_400_261);
    let size = Count::new(857).unwrap();
    let status = Status { at_ms, size, outcome: Some(Outcome::Aborted), verdict: Some(octets(9)) };
    let receipt = Receipt { req: octets(8), received_ms: at_ms, answer_by_ms: millis(1_772_366_460_261) };
    let subject = Subject { sha256: None, ..delivery().subject };
    let bare = D1 { deal: None, t_exp: None, pay: None, subject, mode: Mode::Basic, ..delivery() };
    let goods = Goods::Digital { hm: Some(octets(0x23)) };
    let digital = GoodsOrder { deal: None, carrier: None, goods, t_ship: None, t_accept: None, ..order() };
    let k = ContentKey::from(&crate::crypto::SecretKey::new([7; 32].into()));
    let mut samples = vec![
        sample(schema!("cd-r.d1"), delivery(), bare),
        same(schema!("cd-r.d2"), D2 {}),
        same(schema!("cd-r.d3"), D3 { k: k.clone() }),
        same(schema!("cd-r.d4"), D4 { hm: octets(0x23) }),
        same(schema!("cd-r.abort"), AbortDelivery {}),
        same(schema!("cd-r.resolve-r"), ResolveR {}),
        same(schema!("cd-r.resolve-o"), ResolveO { k }),
        sample(schema!("asw-r.m1"), offer(), M1 { deal: None, t_exp: None, ..offer() }),
        same(schema!("asw-r.m2"), M2 { m1: octets(5), c_r: octets(6) }),
        same(schema!("asw-r.m3"), M3 { n_o: octets(7), c_r: octets(6) }),
        same(schema!("asw-r.m4"), M4 { n_r: octets(8), c_o: octets(4) }),
        same(schema!("asw-r.abort"), Abort {}),
        same(schema!("asw-r.resolve"), Resolve { side: Side::Responder, m2: octets(9) }),
        sample(schema!("verdict"), verdict.clone(), Verdict { outages: vec![], ..verdict }),
        sample(schema!("answer"), answer, Answer { c_r: None, ..answer }),
        sample(schema!("exchange.status"), status, Status { outcome: None, verdict: None, ..status }),
        same(schema!("receipt"), receipt),
        sample(schema!("pg.order"), order(), digital),
        same(schema!("pg.accept"), Accept { order: octets(5) }),
        same(schema!("pg.shipped"), Shipped {}),
        same(schema!("pg.handed-over"), HandedOver {}),
        same(schema!("pg.received"), Received {}),
        same(schema!("pg.rejected"), Rejected {}),
        same(schema!("pg.cancel"), CancelOrder {}),
        sample(schema!("pr.offer"), payment(), PaymentOffer { deal: None, ..payment() }),
        same(schema!("pr.receipt"), PaymentReceipt { offer: octets(5), receipt: octets(3) }),
    ];
    samples.extend(inline_samples());
    samples.extend(erds_samples());
    samples
}

#[test]
fn the_schemas_have_the_members_and_words_of_the_code() {
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for Sample { tag, schema, payloads } in samples() {
        let read = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
        let (schema, [full, least]) = (read(schema), payloads.each_ref().map(|payload| read(payload)));
        assert_eq!(schema["properties"]["t"]["const"], tag);
        let mut properties = names(&schema["properties"]);
        // Of what a person may have seen who signed nothing is written here.
        properties.retain(|name| name != "shown");
        assert_eq!(names(&full), properties, "{tag}");
        let mut required: Vec<_> = schema["required"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        required.sort_unstable();
        assert_eq!(names(&least), required, "{tag}");
        let nested = [
            ("o", "participant"),
            ("buyer", "participant"),
            ("payer", "participant"),
            ("ttp", "arbiter"),
            ("subject", "subject"),
            ("sealed", "sealed"),
            ("amount", "amount"),
            ("o_item", "item"),
            ("r_item", "item"),
            ("sender", "participant"),
            ("recipient", "participant"),
            ("issuer", "issuer"),
            ("content", "content"),
        ];
        for (member, definition) in nested.into_iter().filter(|(member, _)| full[member].is_object()) {
            assert_eq!(names(&full[member]), names(&schema["$defs"][definition]["properties"]), "{tag}");
        }
        let words = |name: &str, words: Vec<&str>| {
            let defined = &schema["$defs"][name]["enum"];
            assert!(defined.is_null() || *defined == json!(words), "{tag}: {name}");
        };
        words("protocol", Protocol::ALL.iter().map(|protocol| protocol.name()).collect());
        words("outcome", Outcome::ALL.iter().map(|outcome| outcome.name()).collect());
        words("assurance", Assurance::ALL.iter().map(|assurance| assurance.name()).collect());
        words("result", MatchResult::ALL.iter().map(|result| result.name()).collect());
        if tag == I1::TAG {
            let word = |of: &Value| of["enum"].clone();
            let item = &schema["$defs"]["item"]["properties"];
            assert_eq!(word(&item["kind"]), json!(ItemKind::ALL));
            assert_eq!(word(&item["recovery"]), json!(Recovery::ALL));
            assert_eq!(word(&schema["properties"]["fairness"]), json!(Fairness::ALL));
        }
        if tag == ErdsEvidence::TAG {
            assert_eq!(schema["$defs"]["event"]["enum"], json!(ErdsEvent::ALL));
            let reason = &schema["$defs"]["reason"]["properties"];
            assert_eq!(reason["uri"]["enum"], json!(ErdsReason::ALL));
            assert_eq!(names(&full["reasons"][0]), names(reason));
        }
        if tag == Refuse::TAG {
            let all = [RefuseReason::NotWanted, RefuseReason::NotForMe, RefuseReason::ContentMissing];
            assert_eq!(schema["properties"]["reason"]["anyOf"][0]["enum"], json!(all));
        }
        if tag == Refused::TAG {
            assert_eq!(schema["properties"]["reason"]["enum"], json!(DepositFault::ALL));
        }
    }
    // The words of statements are those of facts and of people.
    let written = |value: Value| value.as_str().unwrap().to_owned();
    assert!(Protocol::ALL.iter().all(|known| written(json!(known)) == known.name()));
    assert!(Outcome::ALL.iter().all(|known| written(json!(known)) == known.name()));
    assert!(Assurance::ALL.iter().all(|known| written(json!(known)) == known.name()));
    assert!(ItemKind::ALL.iter().all(|known| written(json!(known)) == known.name()));
    assert!(Recovery::ALL.iter().all(|known| written(json!(known)) == known.name()));
    assert!(Fairness::ALL.iter().all(|known| written(json!(known)) == known.name()));
    assert!(MatchResult::ALL.iter().all(|known| written(json!(known)) == known.name()));
    assert!(DepositFault::ALL.iter().all(|known| written(json!(known)) == known.name()));
}

#[test]
fn the_vectors_are_what_is_written_and_read() {
    let vectors: Value = serde_json::from_str(include_str!("../../../../schemas/vectors/statements.json")).unwrap();
    let mut made: Vec<_> = samples()
        .iter()
        .flat_map(|Sample { tag, payloads, .. }| payloads.iter().map(move |payload| (*tag, payload)))
        .map(|(kind, payload)| json!({"kind": kind, "payload": payload, "x": Digest::of(payload.as_bytes()).to_string()}))
        .collect();
    // Most have one form.
    made.dedup();
    assert_eq!(vectors["exchange"], json!(made), "{}", json!(made));
}

#[test]
fn a_key_is_never_shown() {
    let key = crate::crypto::SecretKey::new([7; 32].into());
    let shown = format!("{:?}", D3 { k: ContentKey::from(&key) });
    assert!(shown.contains("ContentKey(…)") && !shown.contains(&octets(7).to_string()), "{shown}");
    assert_eq!(ContentKey::from(&key).secret().expose(), key.expose());
}

/// What a reader refuses that a schema cannot say.
#[test]
fn members_have_one_spelling() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&payload(offer())).unwrap();
        change(&mut value);
        let header = format!(
            r#"{{"alg":"EdDSA","kid":"{}","typ":"semper.asw-r.m1+jws"}}"#,
            value["o"]["key"].as_str().unwrap_or_default()
        );
        let parts = [header.as_bytes(), value.to_string().as_bytes(), &[1; 64]].map(crate::b64u::encode);
        Jws::parse(parts.join(".").as_bytes()).and_then(|jws| jws.payload_as::<M1>().map(drop)).is_err()
    };
    assert!(!refused(&|_| ()));
    assert!(refused(&|m1| m1["o"]["scheme"] = json!("x509")));
    assert!(refused(&|m1| m1["o"]["mandate"] = Value::Null), "an unknown member of a member");
    assert!(refused(&|m1| m1["terms_media"] = json!("")));
    assert!(refused(&|m1| m1["terms_media"] = json!("a\u{7f}")));
    assert!(refused(&|m1| m1["ttp"]["url"] = json!("a".repeat(513))));
    assert!(refused(&|m1| m1["assurance"] = json!("qualified")));
    assert!(refused(&|m1| m1["t_exp"] = json!(1.5)));
    assert!(refused(&|m1| drop(m1.as_object_mut().unwrap().remove("deal"))), "null is written");
}

#[test]
fn orders_have_one_spelling() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::to_value(order()).unwrap();
        change(&mut value);
        // A statement is read and compared with what was written, as here.
        let read = serde_json::from_value::<GoodsOrder>(value.clone());
        !read.is_ok_and(|read| serde_json::to_value(&read).unwrap() == value)
    };
    assert!(!refused(&|_| ()));
    assert!(!refused(&|order| order["goods"] = json!({"kind": "digital", "hm": null})));
    assert!(refused(&|order| order["goods"] = json!({"kind": "digital"})), "null is written");
    assert!(refused(&|order| order["goods"] = json!({"kind": "physical", "hm": null})));
    assert!(refused(&|order| order["goods"] = json!({"kind": "service"})));
    assert!(refused(&|order| order["goods"] = json!("physical")));
    assert!(refused(&|order| order["fee_bps"] = json!(10_001)));
    assert!(refused(&|order| order["fee_bps"] = json!("250")));
    assert!(refused(&|order| order["rail"] = json!("Simulator")));
    assert!(refused(&|order| order["amount"]["amount"] = json!(125_000)));
    assert!(refused(&|order| order["t_exp"] = Value::Null), "an order always ends");
    assert!(refused(&|order| order["t_hold"] = Value::Null));
}
