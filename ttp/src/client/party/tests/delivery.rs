//! A delivery from the parties' side.

use serde_json::json;

use super::*;
use crate::client::evidence::EVIDENCE_BYTES_MAX;
use crate::client::message::CONTENT_BYTES_MAX;
use crate::crypto::{OsEntropy, SecretKey};
use crate::exchange::cd_r::{key_hash, message_hash, seal_content};
use crate::exchange::erds::{Recording, evidence_of};
use crate::exchange::judge::erds::contradiction;
use crate::exchange::testing::twin;
use crate::statement::exchange::cd_r::{ContentKey, D1, D3, D4, EscrowArbiter, EscrowText, Mode};
use crate::statement::exchange::erds::{ErdsEvent, ErdsEvidence};

const NEWS: &[u8] = b"The tower was sold twice.";

/// Both sides once the delivery was answered, and the sealed content.
fn posted(stage: &Stage) -> (Party, Party, Vec<u8>) {
    let (o, content) = deliver(stage, None).unwrap();
    let r = stage.accept_at(&o.message(Act::SendOffer, &content).unwrap(), now()).unwrap();
    (o, r, content)
}

fn deliver(stage: &Stage, t_exp: Option<u64>) -> Result<(Party, Vec<u8>), Stays> {
    let Arbiter { id, key, url, log } = stage.terms(None).ttp;
    let parcel = Parcel {
        o: stage.o.participant(),
        r: stage.r.participant(),
        ttp: EscrowArbiter { id, key, escrow_key: stage.e.name(), url, log },
        message: NEWS.to_vec(),
        about: Line::new("news").unwrap(),
        mode: Mode::Consent,
        pay: None,
        t_exp: t_exp.map(|millis| Millis::new(millis).unwrap()),
        assurance: Assurance::NonQualified,
    };
    let chains = (&stage.o.chain[..], &stage.r.chain[..]);
    Party::deliver(parcel, &stage.house, chains, PATIENCE_MS, &OsEntropy, &stage.o.pen(now()))
}

fn statement(party: &Party, act: Act) -> Jws {
    party.message(act, b"").unwrap().statement
}

/// The key that an honest arbiter hands out.
fn key_of(party: &Party) -> ContentKey {
    match &party.dossier.secret {
        Secret::Sealed { k, .. } | Secret::Awaited { k: Some(k) } => k.clone(),
        other => panic!("no key in {}", matches!(other, Secret::Contract { .. })),
    }
}

fn text_of(party: &Party, content: &[u8]) -> Vec<u8> {
    party.delivered(content).expect("a key").expect("good content").text().to_vec()
}

#[test]
fn four_messages_deliver_for_a_receipt_whatever_was_killed_between() {
    let stage = Stage::new();
    let (mut o, mut r, content) = posted(&stage);
    (o, r) = (reopened(&o), reopened(&r));
    assert!(r.delivered(&content).is_none(), "no key yet");
    let d2 = statement(&r, Act::SendAnswer);
    assert_eq!(o.take(&d2, Some(b"token".to_vec()), b"", &stage.o.pen(now())).unwrap(), Some(Act::SendOpening));
    o = reopened(&o);
    let d3 = statement(&o, Act::SendOpening);
    // Another answer to the same delivery says nothing else: the same key leaves again.
    let second = stage.r.pen(now()).sign(Some(o.course.run().x), crate::statement::exchange::cd_r::D2 {}).unwrap();
    assert_eq!(o.take(&second, None, b"", &stage.o.pen(now())).unwrap(), Some(Act::SendOpening));
    assert_eq!(statement(&o, Act::SendOpening), d3);
    assert_eq!(r.take(&d3, None, &content, &stage.r.pen(now())).unwrap(), Some(Act::SendClosing));
    r = reopened(&r);
    assert_eq!((text_of(&r, &content), r.end()), (NEWS.to_vec(), Some(End::Standard)));
    let d4 = statement(&r, Act::SendClosing);
    assert_eq!(o.take(&d4, None, b"", &stage.o.pen(now())).unwrap(), None);
    assert_eq!((reopened(&o).end(), o.again()), (Some(End::Standard), None));
    // The key is shown by no debug print, and stands where it must.
    let k = b64u_of(&key_of(&o));
    assert!(String::from_utf8(o.dossier.to_bytes()).unwrap().contains(&k));
    assert!(!format!("{:?}{o:?}{r:?}", o.dossier).contains(&k));
}

fn b64u_of(key: &ContentKey) -> String {
    crate::b64u::encode(key.secret().expose())
}

#[test]
fn what_is_not_whole_is_not_answered() {
    let stage = Stage::new();
    let (o, content) = deliver(&stage, None).unwrap();
    let good = o.message(Act::SendOffer, &content).unwrap();
    let refused = |beside: Option<Beside>| stage.accept_at(&Message { beside, ..good.clone() }, now()).unwrap_err();
    assert_eq!(refused(None), Stays::NoText);
    assert_eq!(refused(Some(Beside::Contract(Contract { salt: [0; 32], text: Vec::new() }))), Stays::NoText);
    let mut changed = content.clone();
    changed[40] ^= 1;
    assert_eq!(refused(Some(Beside::Content(changed))), Stays::OtherText);
    assert_eq!(refused(Some(Beside::Content(content[1..].to_vec()))), Stays::OtherText);
    // Sealed for another arbiter than the one that this side knows, or for no run.
    let house = House { escrow: stage.t.chain.clone(), ..stage.house.clone() };
    let other = Party::read_offer(&good, &stage.r.chain, &house, now()).unwrap_err();
    assert!(matches!(other, Stays::Certificate { of: "arbiter for escrows", .. }), "{other}");
    let house = House { escrow: Vec::new(), ..stage.house.clone() };
    assert_eq!(Party::read_offer(&good, &stage.r.chain, &house, now()).unwrap_err(), Stays::NoEscrow);
    let d1 = good.statement.payload_as::<D1>().unwrap().body;
    for d1 in [D1 { n: B64u([9; 32]), ..d1.clone() }, D1 { esc: EscrowText::new("a.b.c.d.e").unwrap(), ..d1 }] {
        let statement = stage.o.pen(now()).sign(None, d1).unwrap();
        let refused = stage.accept_at(&Message { statement, ..good.clone() }, now()).unwrap_err();
        assert_eq!(refused, Stays::Escrow);
    }
    assert!(content.len() < CONTENT_BYTES_MAX);
}

/// `cdr_bad_content` from the recipient's side: no receipt for what was not promised, and what came convicts its sender (PC-4).
#[test]
fn a_key_that_opens_something_else_gets_no_receipt() {
    let stage = Stage::new();
    let (o, _) = deliver(&stage, None).unwrap();
    let d1 = statement(&o, Act::SendOffer).payload_as::<D1>().unwrap().body;
    let k = SecretKey::new([5; 32].into());
    let hm = message_hash(&[1; 32], NEWS);
    let sealed = seal_content(&k, &d1.n.0, &[1; 32], b"Nothing.", &OsEntropy).unwrap();
    let d1 = D1 {
        c_sha256: Digest::of(&sealed).into(),
        c_len: Count::new(sealed.len() as u64).unwrap(),
        hm: hm.into(),
        hk: key_hash(&k).into(),
        ..d1
    };
    let context = crate::exchange::cd_r::escrow_context(&d1);
    let arbiter = AgreementPublic::from_spki_der(stage.e.key.spki_der()).unwrap();
    let ephemeral = AgreementKey::generate().unwrap();
    let esc = crate::crypto::jwe::seal(&k, &arbiter, &d1.o.key.0.0, context.as_bytes(), &ephemeral, &OsEntropy);
    let d1 = D1 { esc: EscrowText::new(&esc.unwrap()).unwrap(), ..d1 };
    let statement = stage.o.pen(now()).sign(None, d1).unwrap();
    let message = Message {
        protocol: Protocol::CdR,
        statement,
        certificates: stage.o.chain.clone(),
        beside: Some(Beside::Content(sealed.clone())),
    };
    let mut r = stage.accept_at(&message, now()).unwrap();
    let x = r.course.run().x;
    let d3 = stage.o.pen(now()).sign(Some(x), D3 { k: (&k).into() }).unwrap();
    let stays = r.take(&d3, None, &sealed, &stage.r.pen(now())).unwrap_err();
    assert!(matches!(&stays, Stays::BadContent(bad) if bad.is_cheating()), "{stays}");
    assert_eq!((r.end(), r.again()), (None, Some(Act::SendAnswer)));
    // The wrong content in hand is nobody's cheating.
    let stays = r.take(&d3, None, b"other", &stage.r.pen(now())).unwrap_err();
    assert_eq!(stays, Stays::BadContent(BadContent::OtherContent));
    // By the arbiter the key comes, too, and opens the same.
    r.overdue(&stage.r.pen(now())).unwrap();
    let given = Given { k: Some((&k).into()), ..stage.given(&r, Outcome::Released, |_| ()) };
    assert_eq!(r.decided(&given, now()).unwrap(), Outcome::Released);
    assert_eq!(reopened(&r).delivered(&sealed).unwrap().err(), Some(BadContent::OtherMessage));
}

#[test]
fn who_is_left_alone_gets_the_receipt_or_the_key_from_the_arbiter() {
    let stage = Stage::new();
    let (mut o, mut r, content) = posted(&stage);
    // The recipient withholds d4.
    o.take(&statement(&r, Act::SendAnswer), Some(b"token".to_vec()), b"", &stage.o.pen(now())).unwrap();
    assert_eq!(o.overdue(&stage.o.pen(now())).unwrap(), Some(Act::AskResolve));
    o = reopened(&o);
    let request = o.request().unwrap();
    assert!(request.second.is_some() && request.request != request.first);
    o.decided(&stage.given(&o, Outcome::Released, |_| ()), now()).unwrap();
    assert_eq!((reopened(&o).end(), o.again()), (Some(End::Replacement), None));
    // The originator withholds d3.
    assert_eq!(r.overdue(&stage.r.pen(now())).unwrap(), Some(Act::AskResolve));
    let given = stage.given(&r, Outcome::Released, |_| ());
    for k in [None, Some(ContentKey::from(&SecretKey::new([6; 32].into())))] {
        let mut asker = r.clone();
        let stays = asker.decided(&Given { k, ..given.clone() }, now()).unwrap_err();
        assert_eq!(stays, Stays::Given(GivenFault::Key));
        assert_eq!(asker.dossier(), r.dossier());
    }
    r.decided(&Given { k: Some(key_of(&o)), ..given }, now()).unwrap();
    assert_eq!((text_of(&reopened(&r), &content), r.end()), (NEWS.to_vec(), Some(End::Replacement)));
    // d3 that comes after all gets its receipt.
    let d3 = statement(&o, Act::SendOpening);
    assert_eq!(r.take(&d3, None, &content, &stage.r.pen(now())).unwrap(), Some(Act::SendClosing));
}

/// The arbiter calls an escrow rubbish that held the key: the originator sees by its ephemeral key that this is a lie.
#[test]
fn a_false_void_ends_nothing_for_the_originator() {
    let stage = Stage::new();
    let (mut o, mut r, _) = posted(&stage);
    o.take(&statement(&r, Act::SendAnswer), None, b"", &stage.o.pen(now())).unwrap();
    o.overdue(&stage.o.pen(now())).unwrap();
    let stays = o.decided(&stage.given(&o, Outcome::Void, |_| ()), now()).unwrap_err();
    assert!(matches!(stays, Stays::Given(GivenFault::Rules(_))), "{stays}");
    // The recipient cannot know.
    r.overdue(&stage.r.pen(now())).unwrap();
    assert_eq!(r.decided(&stage.given(&r, Outcome::Void, |_| ()), now()).unwrap(), Outcome::Void);
    assert_eq!(reopened(&r).end(), Some(End::Void));
}

#[test]
fn statements_of_another_side_or_run_or_protocol_change_nothing() {
    let stage = Stage::new();
    let (mut o, mut r, content) = posted(&stage);
    let (x, pens) = (o.course.run().x, (stage.o.pen(now()), stage.r.pen(now())));
    let k = key_of(&o);
    let hm = statement(&o, Act::SendOffer).payload_as::<D1>().unwrap().body.hm;
    let before = (o.dossier.clone(), r.dossier.clone());
    // A receipt before anything was answered, another key, a receipt for something else, d3 to the originator, m3 of a contract.
    let other_key = ContentKey::from(&SecretKey::new([6; 32].into()));
    let d4 = pens.1.sign(Some(x), D4 { hm }).unwrap();
    let d3 = pens.0.sign(Some(x), D3 { k: k.clone() }).unwrap();
    let m3 = pens.0.sign(Some(x), crate::statement::exchange::asw_r::M3 { n_o: B64u([1; 32]), c_r: B64u([2; 32]) });
    assert!(matches!(o.take(&d4, None, b"", &pens.0), Err(Stays::NotNow { .. })));
    assert!(matches!(o.take(&d3, None, b"", &pens.0), Err(Stays::NotNow { .. })));
    assert!(matches!(r.take(&m3.unwrap(), None, &content, &pens.1), Err(Stays::NotNow { .. })));
    let false_d3 = pens.0.sign(Some(x), D3 { k: other_key }).unwrap();
    assert!(matches!(r.take(&false_d3, None, &content, &pens.1), Err(Stays::Broken(Broken::Opening { .. }))));
    let elsewhere = pens.0.sign(Some(Digest::of(b"other")), D3 { k }).unwrap();
    assert!(matches!(r.take(&elsewhere, None, &content, &pens.1), Err(Stays::Broken(Broken::OtherRun { .. }))));
    assert_eq!((&o.dossier, &r.dossier), (&before.0, &before.1));
    o.take(&statement(&r, Act::SendAnswer), None, b"", &pens.0).unwrap();
    let false_d4 = pens.1.sign(Some(x), D4 { hm: B64u([3; 32]) }).unwrap();
    assert!(matches!(o.take(&false_d4, None, b"", &pens.0), Err(Stays::Broken(Broken::OtherCommitment { .. }))));
    assert_eq!(deliver(&stage, Some(now().millis() + DELTA_MS)).unwrap_err(), Stays::TooLate);
}

/// What the arbiter shows of a registered delivery: each piece in its own right, and two that contradict each other both, for whoever accuses it.
#[test]
fn evidence_counts_that_the_arbiter_signed_and_the_log_has() {
    let stage = Stage::new();
    let (o, r, _) = posted(&stage);
    let d1 = o.course().first().payload_as::<D1>().unwrap().body;
    let x = o.course().run().x;
    let body = |event: ErdsEvent, secs: u64| {
        let at = now().plus_secs(secs);
        let (event_ms, reason, statement) = (at.millis(), None, None);
        let recording = Recording { x, at, event, event_ms, reason, statement, verdict: None, outages: vec![] };
        evidence_of(&d1, now(), &recording, None)
    };
    let signed = |by: &Person, of: Digest, body: ErdsEvidence| by.pen(now()).sign(Some(of), body).unwrap();
    let [taken, later, accepted] = [
        (ErdsEvent::SubmissionAcceptance, 1),
        (ErdsEvent::SubmissionAcceptance, 2),
        (ErdsEvent::ConsignmentAcceptance, 3),
    ]
    .map(|(event, secs)| signed(&stage.t, x, body(event, secs)));
    let turned = twin(&taken);
    let answer = |shown: &[(&Jws, Digest)]| {
        let shown = shown.iter().map(|(jws, logged)| {
            let proof = proof(Kind::Exchange(ExchangeKind::DeliveryEvent), *logged, Vec::new());
            json!({ "statement": String::from_utf8_lossy(jws.bytes()), "proof": proof })
        });
        json!({ "evidence": shown.collect::<Vec<_>>() }).to_string().into_bytes()
    };
    let read = |shown: &[&Jws]| {
        let shown: Vec<_> = shown.iter().map(|jws| (*jws, jws.digest())).collect();
        r.register(&answer(&shown))
            .map(|register| register.evidence.into_iter().map(|shown| shown.jws).collect::<Vec<_>>())
    };
    assert_eq!(read(&[&taken, &accepted]), Ok(vec![taken.clone(), accepted.clone()]));
    assert_eq!(read(&[&taken, &turned]), Ok(vec![taken.clone()]), "the same, with another signature");
    assert_eq!(read(&[&taken, &later]), Ok(vec![taken.clone(), later.clone()]));
    let [one, other] = [&taken, &later].map(|jws| jws.payload_as::<ErdsEvidence>().unwrap().body);
    assert!(contradiction(&one, &other).is_some());
    let of_event = |event| body(event, 1);
    let by_another = signed(&stage.o, x, of_event(ErdsEvent::SubmissionAcceptance));
    let of_another = signed(&stage.t, Digest([7; 32]), of_event(ErdsEvent::SubmissionAcceptance));
    for wrong in [by_another, of_another] {
        assert!(read(&[&taken, &wrong]).is_err());
    }
    assert!(r.register(&answer(&[(&taken, later.digest())])).is_err(), "the log has something else");
    assert!(matches!(r.register(&vec![b' '; EVIDENCE_BYTES_MAX + 1]), Err(Stays::Given(GivenFault::Lacks(_)))));
}
