//! Each check holds of honest evidence, and fails of the one thing that is wrong.

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::entry::{Entry, Tags};
use semper_ledger::merkle::{leaf_hash, root_of};
use semper_ledger::note::Note;
use semper_ledger::receipt::tlog_proof::TlogProof;

use super::*;
use crate::ca::Authority;
use crate::ca::certificate::Issuer;
use crate::crypto::Signer as _;
use crate::exchange::erds::Recording;
use crate::exchange::erds::testing::{RULES, Script, T_EXP};
use crate::exchange::tag_of_verdict;
use crate::exchange::testing::{IAT, PEOPLE, People, delivery, twin};
use crate::statement::exchange::Outcome as Decided;
use crate::statement::exchange::cd_r::EscrowArbiter;
use crate::statement::exchange::erds::ErdsReason;
use crate::statement::{Millis, Origin};
use crate::testing::{LOG, ORIGIN, PKI, issue, template, trust};

fn certificates() -> Vec<Certificate> {
    let People { o, r, t, .. } = &*PEOPLE;
    let issuer = Issuer::new(Authority::Party, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
    let own = [(t, "arbiter-verdict", "Arbiter"), (o, "arbiter-verdict", "Ada"), (r, "party-legal", "Bob")];
    let issued =
        own.map(|(person, profile, name)| issue(&template(profile, name, &person.key, 2), &issuer, &PKI.ca_key));
    issued.into_iter().chain([PKI.ca.clone()]).collect()
}

fn policy() -> Vec<u8> {
    ExchangePolicy { delivery: Some(RULES), ..ExchangePolicy::new(10, 5_000) }.to_bytes()
}

fn script() -> Script {
    let (base, content) = delivery(Some(T_EXP));
    let ttp = EscrowArbiter { id: Origin::new(ORIGIN).unwrap(), ..base.ttp.clone() };
    Script::of(D1 { ttp, policy: Digest::of(&policy()).into(), ..base }, content)
}

/// An event that was recorded `after` so many milliseconds, of a delivery that was submitted at once.
fn recorded(
    script: &Script,
    event: ErdsEvent,
    after: u64,
    reason: Option<ErdsReason>,
    rests_on: Option<&Jws>,
) -> Recording {
    let at = Timestamp::from_millis(IAT + after);
    let event_ms = rests_on.map_or(at.millis(), |jws| jws.common().iat.get());
    let statement = rests_on.map(Jws::x);
    Recording { x: script.x(), at, event, event_ms, reason, statement, verdict: None, outages: vec![] }
}

fn signed(script: &Script, recording: &Recording) -> Jws {
    script.sign(script.body(Timestamp::from_millis(IAT), recording))
}

/// Its proof in a log that has nothing else.
fn proof(jws: &Jws, kind: ExchangeKind, tags: Vec<semper_ledger::entry::Tag>, time_ms: u64) -> String {
    let (kind, tags) = (Kind::Exchange(kind), Tags::new(tags).unwrap());
    let entry = Entry { role: kind.role().code(), kind: kind.code(), time_ms, digest: jws.digest().0, tags }.encode();
    let root = root_of(&[leaf_hash(&entry)]);
    let text = Checkpoint { origin: ORIGIN.to_owned(), size: 1, root }.text();
    let checkpoint = Note { signatures: vec![LOG.line(&LOG.sign(&text).unwrap())], text }.to_string();
    TlogProof { extra: Some(entry), index: 0, path: vec![], checkpoint }.to_string()
}

/// What came out, and the checks that failed or could not be made though the verdict needs them.
#[track_caller]
fn check(evidence: &DeliveryEvidence<'_>, expected: Verdict, failed: &[ErdsCheck], open: &[ErdsCheck]) -> ErdsReport {
    let report = verify_delivery(evidence, &trust());
    let checks: Vec<_> = report.checks.iter().map(|result| result.check).collect();
    assert_eq!(checks, ErdsCheck::ALL);
    let bad: Vec<_> = report.checks.iter().filter(|one| one.outcome.is_failed()).map(|one| one.check).collect();
    let missing: Vec<_> = report.checks.iter().filter(|one| report.leaves_open(one)).map(|one| one.check).collect();
    assert_eq!((report.verdict, bad.as_slice(), missing.as_slice()), (expected, failed, open), "{report:#?}");
    report
}

#[test]
fn a_recipient_that_has_taken_a_delivery() {
    use ErdsCheck::{Chain, Delivery, EntryKind, EntryTime, Form, Grounds, Service, Signature, Time};
    let (script, certificates, policy) = (script(), certificates(), policy());
    let d2 = &script.delivery.agreed.jws;
    let recording = recorded(&script, ErdsEvent::ConsignmentAcceptance, 5, None, Some(d2));
    let jws = signed(&script, &recording);
    let logged = proof(&jws, ExchangeKind::DeliveryEvent, vec![], IAT + 7);
    let whole = DeliveryEvidence {
        evidence: jws.bytes(),
        first: Some(script.delivery.posted.jws.bytes()),
        policy: Some(&policy),
        verdict: None,
        certificates: &certificates,
        proof: Some(logged.as_bytes()),
    };
    let report = check(&whole, Verdict::Verified, &[], &[]);
    let told = report.evidence.unwrap();
    assert_eq!((told.letter.as_str(), told.event.as_str()), ("C.3", "ConsignmentAcceptance"));
    assert!(told.says.starts_with("Bob (the party ") && told.says.contains("will take the key"), "{}", told.says);
    // No hand on the way changes what it is.
    check(&DeliveryEvidence { evidence: twin(&jws).bytes(), ..whole }, Verdict::Verified, &[], &[]);

    // What is missing.
    let of = |n: usize| {
        certificates.iter().enumerate().filter(|(at, _)| *at != n).map(|(_, one)| one.clone()).collect::<Vec<_>>()
    };
    let of_judge = [Delivery, Grounds, Time];
    check(&DeliveryEvidence { first: None, ..whole }, Verdict::Undecided, &[], &of_judge);
    check(&DeliveryEvidence { policy: None, ..whole }, Verdict::Undecided, &[], &of_judge);
    let all = [Signature, Delivery, Grounds, Time, Chain];
    check(&DeliveryEvidence { certificates: &of(0), ..whole }, Verdict::Undecided, &[], &all);
    for n in [1, 2] {
        check(&DeliveryEvidence { certificates: &of(n), ..whole }, Verdict::Undecided, &[], &all[1..]);
    }
    let of_ledger: Vec<_> =
        ErdsCheck::ALL.into_iter().filter(|one| one.is_of_ledger() && *one != ErdsCheck::ProofWitnesses).collect();
    check(&DeliveryEvidence { proof: None, ..whole }, Verdict::Undecided, &[], &of_ledger);

    // What is wrong: of another delivery, by another policy, not by the service, of another service.
    let other =
        Script::of(D1 { deal: Some(crate::b64u::B64u([1; 32])), ..script.delivery.posted.delivery.clone() }, vec![]);
    let first = Some(other.delivery.posted.jws.bytes());
    check(&DeliveryEvidence { first, ..whole }, Verdict::Refuted, &of_judge, &[]);
    let bare = ExchangePolicy::new(10, 5_000).to_bytes();
    check(&DeliveryEvidence { policy: Some(&bare), ..whole }, Verdict::Refuted, &of_judge, &[]);
    let judged = |jws: &Jws, failed: &[ErdsCheck], open: &[ErdsCheck]| {
        let logged = proof(jws, ExchangeKind::DeliveryEvent, vec![], IAT + 7);
        let evidence = DeliveryEvidence { evidence: jws.bytes(), proof: Some(logged.as_bytes()), ..whole };
        check(&evidence, Verdict::Refuted, failed, open);
    };
    let body = script.body(Timestamp::from_millis(IAT), &recording);
    let by_o = PEOPLE.o.sign_at(body.at_ms, Some(script.x()), body.clone());
    judged(&by_o, &[Signature, Delivery], &[Grounds, Time]);
    let mut swapped = body.clone();
    std::mem::swap(&mut swapped.sender, &mut swapped.recipient);
    judged(&script.sign(swapped), &[Delivery], &[Grounds, Time]);
    let issuer = crate::statement::exchange::erds::Issuer {
        id: Origin::new("log.example/other").unwrap(),
        ..body.issuer.clone()
    };
    let elsewhere = script.sign(ErdsEvidence { issuer, ..body.clone() });
    let logged_there = proof(&elsewhere, ExchangeKind::DeliveryEvent, vec![], IAT + 7);
    let evidence = DeliveryEvidence { evidence: elsewhere.bytes(), proof: Some(logged_there.as_bytes()), ..whole };
    let report = verify_delivery(&evidence, &trust());
    assert_eq!(report.verdict, Verdict::Refuted);
    assert!([Service, Delivery].iter().all(|check| report.outcome(*check).unwrap().is_failed()), "{report:#?}");
    // What it rests on does not lead to it.
    judged(&script.sign(ErdsEvidence { basis: vec![], ..body.clone() }), &[Grounds], &[]);
    judged(&script.sign(ErdsEvidence { event_ms: Millis::new(7).unwrap(), ..body }), &[Grounds], &[]);
    // What the ledger has is something else.
    let tagged = proof(&jws, ExchangeKind::DeliveryEvent, vec![tag_of_verdict(&script.x())], IAT + 7);
    let answer = proof(&jws, ExchangeKind::Answer, vec![], IAT + 7);
    for other in [tagged, answer] {
        check(&DeliveryEvidence { proof: Some(other.as_bytes()), ..whole }, Verdict::Refuted, &[EntryKind], &[]);
    }
    let late = proof(&jws, ExchangeKind::DeliveryEvent, vec![], IAT + 5_006);
    check(&DeliveryEvidence { proof: Some(late.as_bytes()), ..whole }, Verdict::Refuted, &[EntryTime], &[]);
    let none = verify_delivery(&DeliveryEvidence { evidence: d2.bytes(), ..whole }, &trust());
    assert_eq!((none.verdict, none.outcome(Form).map(Outcome::is_failed)), (Verdict::Refuted, Some(true)));
}

/// Evidence of what did not happen needs no certificate of the recipient, and counts behind the moment alone.
#[test]
fn what_did_not_happen() {
    let (script, certificates, policy) = (script(), certificates(), policy());
    let of = |event_ms: u64, at_ms: u64, failed: &[ErdsCheck]| {
        let mut recording =
            recorded(&script, ErdsEvent::AcceptanceRejectionExpiry, 0, Some(ErdsReason::NoAnswer), None);
        (recording.event_ms, recording.at) = (event_ms, Timestamp::from_millis(at_ms));
        let jws = signed(&script, &recording);
        let logged = proof(&jws, ExchangeKind::DeliveryEvent, vec![], at_ms + 1);
        let evidence = DeliveryEvidence {
            evidence: jws.bytes(),
            first: Some(script.delivery.posted.jws.bytes()),
            policy: Some(&policy),
            verdict: None,
            certificates: &[certificates[0].clone(), certificates[1].clone(), certificates[3].clone()],
            proof: Some(logged.as_bytes()),
        };
        let expected = if failed.is_empty() { Verdict::Verified } else { Verdict::Refuted };
        check(&evidence, expected, failed, &[]).evidence.unwrap()
    };
    let told = of(T_EXP, T_EXP + 1, &[]);
    assert!(told.says.contains("neither took nor refused a delivery by Ada"), "{}", told.says);
    assert_eq!(told.reasons, ["no-answer"]);
    of(T_EXP, T_EXP, &[ErdsCheck::Time]);
    of(T_EXP - 1, T_EXP + 1, &[ErdsCheck::Time]);
}

/// What rests on a verdict is held against it, where that was given.
#[test]
fn what_rests_on_a_verdict() {
    let (script, certificates, policy) = (script(), certificates(), policy());
    let [released, aborted] = [Decided::Released, Decided::Aborted].map(|outcome| script.verdict(outcome, IAT + 5));
    let mut recording = recorded(&script, ErdsEvent::ContentConsignment, 6, None, None);
    (recording.event_ms, recording.verdict) = (IAT + 5, Some(released.digest()));
    let jws = signed(&script, &recording);
    let logged = proof(&jws, ExchangeKind::DeliveryEvent, vec![], IAT + 7);
    // Nobody makes another verdict of it by turning its signature around (pom2_flipped_s).
    let turned = twin(&released);
    for (verdict, failed) in
        [(None, &[][..]), (Some(&released), &[]), (Some(&turned), &[]), (Some(&aborted), &[ErdsCheck::Grounds])]
    {
        let evidence = DeliveryEvidence {
            evidence: jws.bytes(),
            first: Some(script.delivery.posted.jws.bytes()),
            policy: Some(&policy),
            verdict: verdict.map(Jws::bytes),
            certificates: &certificates,
            proof: Some(logged.as_bytes()),
        };
        let expected = if failed.is_empty() { Verdict::Verified } else { Verdict::Refuted };
        let told = check(&evidence, expected, failed, &[]).evidence.unwrap();
        assert!(told.further.iter().any(|said| said.contains("the verdict that it names")), "{told:?}");
    }
}

/// A verdict that counts for nothing is not passed over: nobody is to believe that the evidence was held against it.
#[test]
fn a_verdict_that_does_not_count() {
    let (script, certificates, policy) = (script(), certificates(), policy());
    let released = script.verdict(Decided::Released, IAT + 5);
    let recorded = |event, verdict| {
        let mut recording = recorded(&script, event, 6, None, None);
        (recording.event_ms, recording.verdict) = (IAT + 5, verdict);
        signed(&script, &recording)
    };
    let d1 = recorded(ErdsEvent::ContentConsignment, Some(released.digest()));
    let c1 = recorded(ErdsEvent::NotificationForAcceptance, None);
    let body = || released.payload_as::<crate::statement::exchange::verdict::Verdict>().unwrap().body;
    let by_o = PEOPLE.o.sign_at(Millis::new(IAT + 5).unwrap(), Some(script.x()), body());
    let of_other = PEOPLE.t.sign_at(Millis::new(IAT + 5).unwrap(), Some(Digest([1; 32])), body());
    let table: [(Option<&[u8]>, Option<&str>); 6] = [
        (None, None),
        (Some(released.bytes()), None),
        (Some(by_o.bytes()), Some("names another arbiter")),
        (Some(of_other.bytes()), Some("belongs to another run")),
        (Some(d1.bytes()), Some("of the kind")),
        (Some(b"nothing"), Some("")),
    ];
    for jws in [&d1, &c1] {
        let logged = proof(jws, ExchangeKind::DeliveryEvent, vec![], IAT + 7);
        for (verdict, why) in table {
            let evidence = DeliveryEvidence {
                evidence: jws.bytes(),
                first: Some(script.delivery.posted.jws.bytes()),
                policy: Some(&policy),
                verdict,
                certificates: &certificates,
                proof: Some(logged.as_bytes()),
            };
            let (expected, failed) = match why {
                None => (Verdict::Verified, &[][..]),
                Some(_) => (Verdict::Refuted, &[ErdsCheck::Verdict][..]),
            };
            let report = check(&evidence, expected, failed, &[]);
            match (report.outcome(ErdsCheck::Verdict), verdict, why) {
                (Some(Outcome::NotChecked(_)), None, _) | (Some(Outcome::Ok), Some(_), None) => {}
                (Some(Outcome::Failed(found)), _, Some(why)) => assert!(found.contains(why), "{found}"),
                (other, ..) => panic!("{other:?}"),
            }
        }
    }
}
