//! Attacks on certified delivery (exchange-and-disputes §7), each shown to get through a weakened copy of the rule.

use super::super::cd_r::{BadContent, Posted, escrow_context, key_hash, message_hash, seal_content};
use super::super::judge::delivery::{Evidence, Judgement, judge};
use super::super::judge::{Filed, Finding};
use super::super::testing::{
    Delivery, ESCROW, IAT, MESSAGE, N, PEOPLE, SALT_M, delivery, escrow_of, keys, participant, secret,
};
use super::super::*;
use super::bites;
use crate::b64u::B64u;
use crate::crypto::SeededEntropy;
use crate::crypto::jwe::{AgreementKey, seal};
use crate::statement::exchange::cd_r::{AbortDelivery, ContentKey, D1, D2, D3, D4, EscrowText, ResolveO, ResolveR};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Outcome, Protocol, Side};
use crate::statement::{Count, Jws, Millis};

fn verdict(script: &Delivery, outcome: Outcome, basis: &[&Jws]) -> Filed {
    let basis = basis.iter().map(|jws| String::from_utf8(jws.bytes().to_vec()).unwrap()).collect();
    let body = Verdict {
        proto: Protocol::CdR,
        outcome,
        basis,
        decided_ms: Millis::new(IAT + 5).unwrap(),
        policy: script.posted.delivery.policy,
        outages: vec![],
        assurance: script.posted.delivery.assurance,
    };
    Filed { jws: PEOPLE.t.sign(Some(script.x()), body), is_logged: true }
}

fn evidence<'e>(script: &Delivery, statements: &[&Jws], verdicts: Vec<Filed>) -> Evidence<'e> {
    Evidence {
        first: script.posted.jws.clone(),
        statements: statements.iter().map(|jws| (*jws).clone()).collect(),
        verdicts,
        content: None,
        key: None,
        opening: None,
    }
}

fn judged(evidence: &Evidence<'_>) -> Judgement {
    judge(evidence, &keys).unwrap()
}

/// What the arbiter finds in the escrow of a delivery.
fn opens(script: &Delivery) -> bool {
    script.posted.escrowed(&ESCROW[0]).is_some()
}

#[test]
fn a_receipt_is_judged_by_either_evidence() {
    let script = Delivery::new(None);
    let (d1, d2) = (&script.posted.jws, &script.agreed.jws);
    let receipt = |statements: &[&Jws], verdicts| judged(&evidence(&script, statements, verdicts)).receipt;
    let standard = receipt(&[d2, &script.d3, &script.d4], vec![]).unwrap();
    assert!(standard.standard && !standard.replacement && standard.at_ms == IAT);
    assert_eq!(receipt(&[d2, &script.d3], vec![]), None, "the key alone is no receipt");
    let released = verdict(&script, Outcome::Released, &[d1, d2]);
    let replacement = receipt(&[], vec![released]).unwrap();
    assert!(replacement.replacement && !replacement.standard && replacement.at_ms == IAT + 5);
    for (outcome, basis) in [(Outcome::Void, [d1, d2]), (Outcome::Aborted, [d1, &script.abort])] {
        let judgement = judged(&evidence(&script, &[d2], vec![verdict(&script, outcome, &basis)]));
        assert_eq!(judgement.receipt, None);
        assert!(!judgement.findings.contains(&Finding::AgainstTheRules), "{judgement:?}");
    }
    // Content and key open to what was sent, also where it was taken back.
    let aborted = verdict(&script, Outcome::Aborted, &[d1, &script.abort]);
    let filed = Evidence { content: Some(&script.content), ..evidence(&script, &[d2, &script.d3], vec![aborted]) };
    let judgement = judged(&filed);
    assert_eq!((judgement.message, judgement.receipt), (Some(Ok(())), None));
    assert!(judgement.findings.contains(&Finding::AbortedAndOpened), "PC-1");
    assert_eq!(script.posted.open(&script.content, &secret(9)).unwrap().text(), MESSAGE);
}

/// The responder shows the arbiter another escrow than the originator signed.
#[test]
fn cdr_escrow_swap() {
    let script = Delivery::new(None);
    let other = escrow_of(&script.posted.delivery, &secret(66));
    // Inside d1 it is signed with it.
    let mut payload: serde_json::Value = serde_json::from_slice(script.posted.jws.payload()).unwrap();
    payload["esc"] = serde_json::json!(other);
    let text = String::from_utf8(script.posted.jws.bytes().to_vec()).unwrap();
    let parts: Vec<_> = text.split('.').collect();
    let swapped = [parts[0], &crate::b64u::encode(payload.to_string().as_bytes()), parts[2]].join(".");
    let swapped = Jws::parse(swapped.as_bytes()).unwrap();
    let by_the_rule = Posted::read(swapped.clone(), &keys).is_ok();
    // Beside d1 it would be what anybody says that it is: its header fits the run.
    let beside = Posted { delivery: swapped.payload_as::<D1>().unwrap().body, ..script.posted.clone() };
    bites(by_the_rule, beside.escrow().is_some() && beside.escrowed(&ESCROW[0]).is_none());
}

/// An escrow of one run in another: with another number, for another recipient, another arbiter, another end.
#[test]
fn cdr_label_reuse() {
    let (base, content) = delivery(Some(IAT + 100));
    let esc = base.esc.clone();
    let others = [
        D1 { n: B64u([7; 32]), ..base.clone() },
        D1 { r: participant(3, &PEOPLE.stranger), ..base.clone() },
        D1 { c_sha256: Digest::of(b"other").into(), ..base.clone() },
        D1 { hm: Digest::of(b"other").into(), ..base.clone() },
        D1 { t_exp: None, ..base.clone() },
    ];
    for other in others {
        assert_eq!(other.esc, esc);
        let posted = Posted::read(PEOPLE.o.sign(None, other), &keys).unwrap();
        // The key inside is the right one: only the context tells.
        let key_alone = crate::crypto::jwe::Escrow::parse(esc.as_str()).unwrap().open(&ESCROW[0]);
        let weakened = key_alone.is_some_and(|key| key_hash(&key) == Digest(posted.delivery.hk.0));
        bites(posted.escrowed(&ESCROW[0]).is_some(), weakened);
        assert!(posted.escrow().is_none(), "its recipient sees it before it answers");
    }
    // Members that the context leaves out stand in x.
    let deal = D1 { deal: Some(B64u([1; 32])), ..base.clone() };
    assert_eq!(escrow_context(&deal), escrow_context(&base));
    let (first, second) = (Delivery::of(base, content.clone()), Delivery::of(deal, content));
    assert!(first.x() != second.x() && opens(&first) && opens(&second));
}

/// Somebody else takes an escrow that it saw, and offers it as its own.
#[test]
fn cdr_escrow_replay() {
    let (base, _) = delivery(None);
    let replayed = D1 { o: participant(1, &PEOPLE.stranger), ..base };
    let posted = Posted::read(PEOPLE.stranger.sign(None, replayed), &keys).unwrap();
    let weakened = crate::crypto::jwe::Escrow::parse(posted.delivery.esc.as_str()).unwrap().open(&ESCROW[0]).is_some();
    bites(posted.escrowed(&ESCROW[0]).is_some(), weakened);
}

/// A run is named by what its originator signed, and by nothing that a client chooses.
#[test]
fn cdr_client_label() {
    let (first, second) = (Delivery::new(None), Delivery::new(Some(IAT)));
    assert_ne!(first.x(), second.x());
    let label = |script: &Delivery| script.posted.delivery.n;
    bites(first.x() == second.x(), label(&first) == label(&second));
    // What was signed in one is of no use in the other.
    assert!(matches!(second.posted.agreed(first.agreed.jws.clone(), &keys), Err(Broken::OtherRun { .. })));
    assert!(matches!(second.posted.opened(&first.d3, &keys), Err(Broken::OtherRun { .. })));
}

/// Another key in escrow than was promised.
#[test]
fn cdr_wrong_key_escrow() {
    let (mut base, content) = delivery(None);
    base.esc = escrow_of(&base, &secret(66));
    let script = Delivery::of(base, content);
    assert!(script.posted.escrow().is_some(), "nobody sees it without the key");
    let opened = script.posted.escrow().unwrap().open(&ESCROW[0]).is_some();
    bites(opens(&script), opened);
    // VOID, and the originator is to blame: it cannot show what it had sealed.
    let void = verdict(&script, Outcome::Void, &[&script.posted.jws, &script.agreed.jws]);
    let filed = Evidence { opening: Some((&ESCROW[1], ESCROW[0].public())), ..evidence(&script, &[], vec![void]) };
    let judgement = judged(&filed);
    assert_eq!(judgement.findings, [Finding::EscrowedRubbish].into());
}

/// The arbiter calls a good escrow rubbish: the originator's ephemeral key convicts it (PoM-4).
#[test]
fn a_false_void_is_refuted_by_the_ephemeral_key() {
    let script = Delivery::new(None);
    let void = || vec![verdict(&script, Outcome::Void, &[&script.posted.jws, &script.agreed.jws])];
    assert_eq!(judged(&evidence(&script, &[], void())).findings, [Finding::EscrowedRubbish].into());
    let refuted = Evidence { opening: Some((&ESCROW[1], ESCROW[0].public())), ..evidence(&script, &[], void()) };
    assert_eq!(judged(&refuted).findings, [Finding::AgainstTheRules].into());
    let other = AgreementKey::generate().unwrap();
    let by_another = Evidence { opening: Some((&other, ESCROW[0].public())), ..evidence(&script, &[], void()) };
    assert_eq!(judged(&by_another).findings, [Finding::EscrowedRubbish].into());
}

/// A key that fits one side only: neither d3 nor resolve-o takes it.
#[test]
fn cdr_half_match() {
    let script = Delivery::new(None);
    let x = Some(script.x());
    let wrong = || ContentKey::from(&secret(66));
    let opened = script.posted.opened(&PEOPLE.o.sign(x, D3 { k: wrong() }), &keys);
    assert!(matches!(opened, Err(Broken::Opening { of: "cd-r/d3" })));
    let resolve = PEOPLE.o.sign(x, ResolveO { k: wrong() });
    let refused = script.posted.resolve_o(resolve.clone(), &keys).map(|_| ());
    assert!(matches!(refused, Err(Broken::Opening { of: "cd-r/resolve-o" })), "{refused:?}");
    bites(refused.is_ok(), resolve.verify(&PEOPLE.o.public).is_ok());
    let (asked, key) = script.posted.resolve_o(script.resolve_o.clone(), &keys).unwrap();
    assert_eq!((asked.side, asked.demand, key.expose()), (Side::Originator, Demand::Deposit, &[9; 32]));
}

/// The content is not what was promised, and only its recipient can tell.
#[test]
fn cdr_bad_content() {
    let (base, _) = delivery(None);
    let sealed = |key: u8, n: &[u8; 32], message: &[u8]| {
        seal_content(&secret(key), n, &SALT_M, message, &SeededEntropy::new(3)).unwrap()
    };
    let bad = [
        (sealed(66, &N, MESSAGE), BadContent::Sealed),
        (sealed(9, &[7; 32], MESSAGE), BadContent::Sealed),
        (sealed(9, &N, b"The goods leave never."), BadContent::OtherMessage),
        (b"rubbish".to_vec(), BadContent::Sealed),
        (vec![0; 93], BadContent::Sealed),
    ];
    for (content, why) in bad {
        let named = D1 {
            c_sha256: Digest::of(&content).into(),
            c_len: Count::new(content.len() as u64).unwrap(),
            ..base.clone()
        };
        let named = D1 { esc: escrow_of(&named, &secret(9)), ..named };
        let script = Delivery::of(named, content);
        assert!(opens(&script), "the arbiter releases");
        let released = verdict(&script, Outcome::Released, &[&script.posted.jws, &script.agreed.jws]);
        let without = evidence(&script, &[], vec![released]);
        let filed = Evidence { content: Some(&script.content), key: Some(secret(9)), ..without };
        let judgement = judged(&filed);
        assert_eq!(judgement.message, Some(Err(why)));
        assert!(judgement.findings.contains(&Finding::SentOtherContent), "PC-4");
        bites(judgement.receipt.is_some(), judgement.outcomes.contains(&Outcome::Released));
        // Whoever signed a receipt has said so itself.
        let receipt = judged(&Evidence { statements: vec![script.d4.clone()], ..filed }).receipt;
        assert!(receipt.is_some_and(|receipt| receipt.standard && !receipt.replacement));
    }
    // Somebody else's content or key convicts nobody.
    let script = Delivery::new(None);
    let other = sealed(9, &N, b"other");
    for (content, key, why) in [(&other, 9, BadContent::OtherContent), (&script.content, 66, BadContent::OtherKey)] {
        let filed = Evidence { content: Some(content), key: Some(secret(key)), ..evidence(&script, &[], vec![]) };
        let judgement = judged(&filed);
        assert_eq!((judgement.message, judgement.findings.len()), (Some(Err(why)), 0));
    }
}

/// A short message is not guessed from its hash before there is a receipt.
#[test]
fn cdr_guess_short_message() {
    let (short, content) = {
        let (base, _) = delivery(None);
        let content = seal_content(&secret(9), &N, &SALT_M, b"yes", &SeededEntropy::new(3)).unwrap();
        (D1 { hm: message_hash(&SALT_M, b"yes").into(), ..base }, content)
    };
    assert!(content.len() == crate::exchange::cd_r::CONTENT_OVERHEAD + 3);
    let guesses = [&b"yes"[..], b"no"];
    let hm = Digest(short.hm.0);
    let unsalted = |guess: &[u8]| Digest::of(&[b"semper/cd-r/1/msg\0", guess].concat());
    let by_the_rule = guesses.iter().any(|guess| unsalted(guess) == hm || message_hash(&[0; 32], guess) == hm);
    let without_salt = unsalted(b"yes");
    bites(by_the_rule, guesses.iter().any(|guess| unsalted(guess) == without_salt));
}

/// Requests in other runs, by other sides, for other kinds.
#[test]
fn cdr_abort_other_run() {
    let (script, other) = (Delivery::new(None), Delivery::new(Some(IAT)));
    let refused = script.posted.abort(other.abort.clone(), &keys).map(|_| ());
    assert_eq!(refused, Err(Broken::OtherRun { of: "cd-r/abort" }));
    bites(refused.is_ok(), other.abort.verify(&PEOPLE.o.public).is_ok());
}

#[test]
fn cdr_role_confusion() {
    let script = Delivery::new(None);
    let Delivery { posted, agreed, d3, d4, abort, resolve_r, resolve_o, .. } = &script;
    let x = Some(script.x());
    let by = |jws: Jws| Broken::NotAllowed { of: "", key: jws.key_id().to_string() }.code();
    // Another side's statement.
    let by_r = PEOPLE.r.sign(x, AbortDelivery {});
    assert_eq!(posted.abort(by_r.clone(), &keys).unwrap_err().code(), by(by_r.clone()));
    let by_o = PEOPLE.o.sign(x, ResolveR {});
    assert_eq!(posted.resolve_r(by_o.clone(), true, &keys).unwrap_err().code(), by(by_o));
    let by_r = PEOPLE.r.sign(x, ResolveO { k: ContentKey::from(&secret(9)) });
    assert_eq!(posted.resolve_o(by_r.clone(), &keys).map(|_| ()).unwrap_err().code(), by(by_r));
    let by_o = PEOPLE.o.sign(x, D4 { hm: posted.delivery.hm });
    assert_eq!(posted.received(&by_o, &keys).unwrap_err().code(), by(by_o));
    let by_stranger = PEOPLE.stranger.sign(x, D2 {});
    assert_eq!(posted.agreed(by_stranger.clone(), &keys).unwrap_err().code(), by(by_stranger));
    // One kind for another.
    for (what, result) in [
        ("d2 as d4", posted.received(&agreed.jws, &keys).err()),
        ("d4 as d2", posted.agreed(d4.clone(), &keys).err()),
        ("resolve-o as d3", posted.opened(resolve_o, &keys).map(|_| ()).err()),
        ("d3 as resolve-o", posted.resolve_o(d3.clone(), &keys).map(|_| ()).err()),
        ("d2 as resolve-r", posted.resolve_r(agreed.jws.clone(), true, &keys).err()),
        ("resolve-r as d2", posted.agreed(resolve_r.clone(), &keys).err()),
        ("abort as d1", Posted::read(abort.clone(), &keys).err()),
    ] {
        assert_eq!(result.expect(what).code(), "exchange.statement", "{what}");
    }
    let of_another = D4 { hm: Digest::of(b"another").into() };
    let refused = posted.received(&PEOPLE.r.sign(x, of_another), &keys);
    assert_eq!(refused, Err(Broken::OtherCommitment { of: "cd-r/d4" }));
    bites(posted.received(&agreed.jws, &keys).is_ok(), agreed.jws.verify(&PEOPLE.r.public).is_ok());
}

/// A court takes the intent to receive for a receipt.
#[test]
fn cdr_d2_as_receipt() {
    let script = Delivery::new(None);
    let judgement = judged(&evidence(&script, &[&script.agreed.jws], vec![]));
    bites(judgement.receipt.is_some(), script.agreed.jws.verify(&PEOPLE.r.public).is_ok());
    assert!(judgement.rejected.is_empty());
}

/// One key that signs verdicts and opens escrows would be made to do the one by asking for the other.
#[test]
fn the_key_of_escrows_signs_nothing() {
    let (mut base, _) = delivery(None);
    base.ttp.escrow_key = base.ttp.key;
    let refused = Posted::read(PEOPLE.o.sign(None, base), &keys).unwrap_err();
    assert_eq!(refused.code(), "exchange.escrow_key");
}

/// Verdicts that do not follow from what they embed, and statements that are none.
#[test]
fn an_arbiter_of_deliveries_is_convicted_by_its_own_verdict() {
    let (script, other) = (Delivery::new(Some(IAT + 10)), Delivery::new(None));
    let (d1, d2) = (&script.posted.jws, &script.agreed.jws);
    let bad: [(Outcome, &[&Jws]); 8] = [
        (Outcome::Released, &[d1]),
        (Outcome::Released, &[d1, &other.agreed.jws]),
        (Outcome::Released, &[&other.posted.jws, d2]),
        (Outcome::Void, &[d1, &script.resolve_r]),
        (Outcome::Aborted, &[d1, d2]),
        (Outcome::Aborted, &[d1, &other.abort]),
        (Outcome::Resolved, &[d1, d2]),
        (Outcome::Expired, &[d1, d2]),
    ];
    for (outcome, basis) in bad {
        let judgement = judged(&evidence(&script, &[], vec![verdict(&script, outcome, basis)]));
        assert!(judgement.findings.contains(&Finding::AgainstTheRules), "{outcome:?}");
        assert_eq!(judgement.receipt, None, "{outcome:?}");
    }
    let twice =
        vec![verdict(&script, Outcome::Aborted, &[d1, &script.abort]), verdict(&script, Outcome::Released, &[d1, d2])];
    let judgement = judged(&evidence(&script, &[], twice));
    assert!(judgement.receipt.is_some() && judgement.findings.contains(&Finding::DecidedTwice), "J5");
    let expired = judged(&evidence(&script, &[], vec![verdict(&script, Outcome::Expired, &[d1])]));
    assert_eq!(expired.findings, [Finding::OutOfTime].into());
}

/// The escrow's form is looked at before anything is opened.
#[test]
fn an_escrow_for_somebody_else_is_none() {
    let (base, _) = delivery(None);
    let [arbiter, ephemeral] = &*ESCROW;
    let context = escrow_context(&base).0;
    let stranger = AgreementKey::generate().unwrap();
    let sealed = |recipient: &AgreementKey, sender: &[u8; 32], context: &[u8; 32]| {
        let text = seal(&secret(9), recipient.public(), sender, context, ephemeral, &SeededEntropy::new(8)).unwrap();
        let with = D1 { esc: EscrowText::new(&text).unwrap(), ..base.clone() };
        Posted::read(PEOPLE.o.sign(None, with), &keys).unwrap().escrow().is_some()
    };
    let sender = base.o.key.0.0;
    assert!(sealed(arbiter, &sender, &context));
    assert!(!sealed(&stranger, &sender, &context));
    assert!(!sealed(arbiter, &[1; 32], &context));
    assert!(!sealed(arbiter, &sender, &[1; 32]));
    let no_jwe = D1 { esc: EscrowText::new("no.jwe").unwrap(), ..base.clone() };
    assert!(Posted::read(PEOPLE.o.sign(None, no_jwe), &keys).unwrap().escrow().is_none());
    for bad in ["", "a b", "ä", &"A".repeat(641)] {
        assert_eq!(EscrowText::new(bad), None);
    }
}
