//! Each check holds of an honest run, and fails of the one thing that is wrong.

use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::entry::{Entry, Tags};
use semper_ledger::merkle::{leaf_hash, root_of};
use semper_ledger::note::Note;
use semper_ledger::receipt::tlog_proof::TlogProof;

use super::*;
use crate::ca::Authority;
use crate::ca::certificate::Issuer;
use crate::crypto::Signer as _;
use crate::evidence::ExchangeKind;
use crate::exchange::testing::{self as play, IAT, PEOPLE, Person, Script, arbiter, twin};
use crate::statement::exchange::{Arbiter, Assurance, Protocol};
use crate::statement::{Millis, Origin};
use crate::testing::{LOG, ORIGIN, PKI, issue, template, trust};

const TEXT: (&[u8; 32], &[u8]) = (&[3; 32], b"I sell, you buy.");

fn certificate(person: &Person, profile: &str, name: &str) -> Certificate {
    let issuer = Issuer::new(Authority::Party, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
    issue(&template(profile, name, &person.key, 2), &issuer, &PKI.ca_key)
}

fn certificates() -> Vec<Certificate> {
    let People { o, r, t, .. } = &*PEOPLE;
    let own = [(t, "arbiter-verdict", "Arbiter"), (o, "arbiter-verdict", "Ada"), (r, "party-legal", "Bob")];
    own.map(|(person, profile, name)| certificate(person, profile, name)).into_iter().chain([PKI.ca.clone()]).collect()
}

use crate::exchange::testing::People;

fn script() -> Script {
    let ttp = Arbiter { id: Origin::new(ORIGIN).unwrap(), ..arbiter() };
    Script::of(M1 { ttp, ..play::offer(Some(IAT + 1_000)) })
}

fn verdict(script: &Script, outcome: Decided, basis: &[&Jws], at_ms: u64) -> Jws {
    let body = Stated {
        proto: Protocol::AswR,
        outcome,
        basis: basis.iter().map(|jws| String::from_utf8(jws.bytes().to_vec()).unwrap()).collect(),
        decided_ms: Millis::new(at_ms).unwrap(),
        policy: script.offered.offer.policy,
        outages: vec![],
        assurance: Assurance::NonQualified,
    };
    PEOPLE.t.sign(Some(script.x()), body)
}

/// Its proof in a log that has nothing else.
fn proof(jws: &Jws, kind: ExchangeKind, x: &Digest, time_ms: u64) -> String {
    let kind = Kind::Exchange(kind);
    let tags = Tags::new(vec![tag_of_verdict(x)]).unwrap();
    let entry = Entry { role: kind.role().code(), kind: kind.code(), time_ms, digest: jws.digest().0, tags }.encode();
    let root = root_of(&[leaf_hash(&entry)]);
    let text = Checkpoint { origin: ORIGIN.to_owned(), size: 1, root }.text();
    let checkpoint = Note { signatures: vec![LOG.line(&LOG.sign(&text).unwrap())], text }.to_string();
    TlogProof { extra: Some(entry), index: 0, path: vec![], checkpoint }.to_string()
}

/// What came out, and the checks that failed or could not be made though the verdict needs them.
#[track_caller]
fn check(evidence: &RunEvidence<'_>, expected: Verdict, failed: &[RunCheck], open: &[RunCheck]) -> RunReport {
    let report = verify_run(evidence, &trust());
    let checks: Vec<_> = report.checks.iter().map(|result| result.check).collect();
    assert_eq!(checks, RunCheck::ALL);
    let bad: Vec<_> = report.checks.iter().filter(|one| one.outcome.is_failed()).map(|one| one.check).collect();
    let missing: Vec<_> = report.checks.iter().filter(|one| report.leaves_open(one)).map(|one| one.check).collect();
    assert_eq!((report.verdict, bad.as_slice(), missing.as_slice()), (expected, failed, open), "{report:#?}");
    report
}

#[test]
fn a_contract_by_a_verdict() {
    let script = script();
    let resolved = verdict(&script, Decided::Resolved, &[&script.offered.jws, &script.answered.jws], IAT + 5);
    let proof = proof(&resolved, ExchangeKind::Resolved, &script.x(), IAT + 7);
    let certificates = certificates();
    let answer =
        Answer { to: PEOPLE.o.name(), req: Digest([1; 32]).into(), c_r: None, verdict: resolved.digest().into() };
    let answer = PEOPLE.t.sign(Some(script.x()), answer);
    let statements = [&script.offered.jws, &script.answered.jws, &script.m3].map(|jws| jws.bytes().to_vec());
    let whole = RunEvidence {
        verdict: resolved.bytes(),
        certificates: &certificates,
        statements: &statements,
        answer: Some(answer.bytes()),
        text: Some(TEXT),
        proof: Some(proof.as_bytes()),
    };
    let report = check(&whole, Verdict::Verified, &[], &[]);
    let run = report.run.unwrap();
    assert!(
        run.contract && run.says.contains("Ada (the party ") && run.says.contains("Bob (the party "),
        "{}",
        run.says
    );
    assert!(
        run.says.contains("have a contract with each other since 1 March 2026 at 12:00:00.255 UTC"),
        "{}",
        run.says
    );
    // Nothing but the verdict and the certificates is needed, and no hand on the way changes what it is.
    let flipped = twin(&resolved);
    let bare = RunEvidence { statements: &[], answer: None, text: None, ..whole };
    check(&bare, Verdict::Verified, &[], &[]);
    check(&RunEvidence { verdict: flipped.bytes(), ..whole }, Verdict::Verified, &[], &[]);
    // What is missing.
    use RunCheck::{Basis, Chain, Offer, Signature, Text, Time};
    let of_ledger: Vec<_> =
        RunCheck::ALL.into_iter().filter(|one| one.is_of_ledger() && *one != RunCheck::ProofWitnesses).collect();
    check(&RunEvidence { proof: None, ..whole }, Verdict::Undecided, &[], &of_ledger);
    let of = |n: usize| {
        certificates.iter().enumerate().filter(|(at, _)| *at != n).map(|(_, one)| one.clone()).collect::<Vec<_>>()
    };
    check(&RunEvidence { certificates: &of(0), ..whole }, Verdict::Undecided, &[], &[Signature, Basis, Time, Chain]);
    check(&RunEvidence { certificates: &of(1), ..whole }, Verdict::Undecided, &[], &[Offer, Basis, Time, Chain]);
    check(&RunEvidence { certificates: &of(2), ..whole }, Verdict::Undecided, &[], &[Basis, Time, Chain]);
    // What is wrong.
    check(&RunEvidence { text: Some((&[4; 32], TEXT.1)), ..whole }, Verdict::Refuted, &[Text], &[]);
    let other = Script::of(M1 { deal: Some(crate::b64u::B64u([1; 32])), ..script.offered.offer.clone() });
    let of_other = [other.answered.jws.bytes().to_vec()];
    check(&RunEvidence { statements: &of_other, ..whole }, Verdict::Refuted, &[RunCheck::Statements], &[]);
    let to_stranger = Answer { to: PEOPLE.stranger.name(), ..answer.payload_as::<Answer>().unwrap().body };
    let to_stranger = PEOPLE.t.sign(Some(script.x()), to_stranger);
    for bad in [to_stranger.bytes(), script.m3.bytes(), b"a.b.c"] {
        check(&RunEvidence { answer: Some(bad), ..whole }, Verdict::Refuted, &[RunCheck::Answer], &[]);
    }
    let late = super::tests::proof(&resolved, ExchangeKind::Resolved, &script.x(), IAT + 5_006);
    check(&RunEvidence { proof: Some(late.as_bytes()), ..whole }, Verdict::Refuted, &[RunCheck::EntryTime], &[]);
    let untagged = super::tests::proof(&resolved, ExchangeKind::Resolved, &other.x(), IAT + 7);
    check(&RunEvidence { proof: Some(untagged.as_bytes()), ..whole }, Verdict::Refuted, &[RunCheck::EntryKind], &[]);
    let none = verify_run(&RunEvidence { verdict: script.m3.bytes(), ..whole }, &trust());
    assert_eq!((none.verdict, none.outcome(RunCheck::Form).map(Outcome::is_failed)), (Verdict::Refuted, Some(true)));
}

#[test]
fn what_makes_no_contract() {
    let script = script();
    let certificates = certificates();
    let judged = |outcome, kind, basis: &[&Jws], at_ms, statements: &[Vec<u8>], failed: &[RunCheck]| {
        let jws = verdict(&script, outcome, basis, at_ms);
        let proof = proof(&jws, kind, &script.x(), at_ms);
        let evidence = RunEvidence {
            verdict: jws.bytes(),
            certificates: &certificates,
            statements,
            answer: None,
            text: None,
            proof: Some(proof.as_bytes()),
        };
        let expected = if failed.is_empty() { Verdict::Verified } else { Verdict::Refuted };
        check(&evidence, expected, failed, &[]).run.unwrap()
    };
    let m1 = &script.offered.jws;
    let aborted = judged(Decided::Aborted, ExchangeKind::Aborted, &[m1, &script.abort], IAT + 5, &[], &[]);
    assert!(!aborted.contract && aborted.says.contains("took back its offer"), "{aborted:?}");
    assert!(aborted.further[0].contains("does not undo it"));
    let expired = judged(Decided::Expired, ExchangeKind::Expired, &[m1], IAT + 1_001, &[], &[]);
    assert!(!expired.contract && expired.says.contains("had ended before anybody asked"), "{expired:?}");
    // J2: a contract beats both, and the originator is named.
    let all = [&script.answered.jws, &script.m3, &script.m4].map(|jws| jws.bytes().to_vec());
    let beaten = judged(Decided::Aborted, ExchangeKind::Aborted, &[m1, &script.abort], IAT + 5, &all, &[]);
    assert!(beaten.contract && beaten.says.contains("it stands"), "{beaten:?}");
    assert!(beaten.further.iter().any(|said| said.contains("opened its commitment as well")), "{beaten:?}");
    // An arbiter that breaks its rules.
    judged(Decided::Expired, ExchangeKind::Expired, &[m1], IAT + 1_000, &[], &[RunCheck::Time]);
    judged(Decided::Aborted, ExchangeKind::Aborted, &[m1], IAT + 5, &[], &[RunCheck::Basis]);
}

/// Who has what of the other, by a verdict about an exchange through the arbiter.
#[test]
fn an_exchange_of_two_items_by_a_verdict() {
    use crate::exchange::inline::testing::{ITEMS, Script, T_DEP, goods, honest, proposal};
    use crate::statement::exchange::cd_r::EscrowArbiter;
    use crate::statement::exchange::inline::DepositMode;
    use crate::statement::exchange::item::MatchResult;
    use crate::statement::exchange::{Outcome, Side};
    let base = proposal(DepositMode::Content);
    let base = I1 { ttp: EscrowArbiter { id: Origin::new(ORIGIN).unwrap(), ..base.ttp.clone() }, ..base };
    let (script, certificates) = (Script::of(base.clone()), certificates());
    let judged = |script: &Script, verdict: &Jws, statements: &[Jws], failed: &[RunCheck], open: &[RunCheck]| {
        let outcome = verdict.payload_as::<Stated>().unwrap().body.outcome;
        let kind = kind_of_verdict(Protocol::Inline, outcome);
        let proof = proof(verdict, kind, &script.x(), verdict.common().iat.get() + 2);
        let statements: Vec<_> = statements.iter().map(|jws| jws.bytes().to_vec()).collect();
        let evidence = RunEvidence {
            verdict: verdict.bytes(),
            certificates: &certificates,
            statements: &statements,
            answer: None,
            text: open.contains(&RunCheck::Text).then_some(TEXT),
            proof: Some(proof.as_bytes()),
        };
        let expected = match (failed, open) {
            ([], []) => Verdict::Verified,
            ([], _) => Verdict::Undecided,
            _ => Verdict::Refuted,
        };
        check(&evidence, expected, failed, open).run.unwrap()
    };
    let released = script.verdict(Outcome::Released, IAT + 5, &script.basis());
    let nrs = [Side::Originator, Side::Responder].map(|side| script.nrs(side, MatchResult::Match, IAT + 3));
    let run = judged(&script, &released, &nrs, &[], &[]);
    assert!(!run.contract && !run.receipt && run.further.is_empty(), "{run:?}");
    let for_ada = run.says.find(&Digest::of(ITEMS[1]).to_string()).unwrap();
    let for_bob = run.says.find(&Digest::of(ITEMS[0]).to_string()).unwrap();
    assert!(for_ada < for_bob && run.says.contains("exchanged two items"), "{}", run.says);
    judged(&script, &released, &[], &[], &[RunCheck::Text]);
    // Nothing was released, on time and by the rules; what the arbiter says of the deposits refutes that.
    let [i1, i2, o, _] = script.basis()[..] else { unreachable!() };
    let returned = script.verdict(Outcome::Returned, T_DEP + 1, &[i1, i2, o]);
    let run = judged(&script, &returned, &[], &[], &[]);
    assert!(run.says.contains("nobody gets the other's item"), "{}", run.says);
    let run = judged(&script, &returned, &nrs, &[RunCheck::Basis], &[]);
    assert!(run.further.iter().any(|line| line.contains("broken its rules")), "{run:?}");
    let alone = script.verdict(Outcome::Released, IAT + 5, &[i1, i2, o]);
    judged(&script, &alone, &[], &[RunCheck::Basis], &[]);
    let late = script.verdict(Outcome::Released, T_DEP + 1, &script.basis());
    judged(&script, &late, &[], &[RunCheck::Time], &[]);
    // A weak one says so.
    let weak = Script::of(honest(I1 { o_item: goods(), ..base }));
    let basis = [&weak.basis()[..], &weak.waivers.each_ref()].concat();
    let run = judged(&weak, &weak.verdict(Outcome::Released, IAT + 5, &basis), &[], &[], &[]);
    assert!(run.says.contains("only stands for what was to be exchanged (physical for bytes)"), "{}", run.says);
}

#[test]
fn payments_by_a_verdict() {
    use crate::exchange::paid::Thing;
    use crate::exchange::paid::testing::{CARRIER, Script as Sale, T_HOLD, T_SHIP, order, payment, verdict as decided};
    use crate::statement::exchange::pg::GoodsOrder;
    use crate::statement::exchange::pr::PaymentOffer;
    let ttp = Arbiter { id: Origin::new(ORIGIN).unwrap(), ..arbiter() };
    let sale = Sale::of(PEOPLE.r.sign(None, GoodsOrder { ttp: ttp.clone(), ..order(Thing::Physical) }));
    let bought = Sale::of(PEOPLE.r.sign(None, PaymentOffer { ttp, ..payment() }));
    let carrier = certificate(&CARRIER, "party-legal", "Carl");
    let certificates: Vec<_> = certificates().into_iter().chain([carrier]).collect();
    let judged = |protocol, first: &Sale, outcome, rest: &[&Jws], at, expected, failed: &[RunCheck]| {
        let basis: Vec<_> = [&first.opened.jws].into_iter().chain(rest.iter().copied()).collect();
        let jws = decided(protocol, first.x(), outcome, &basis, at);
        let proof = proof(&jws, ExchangeKind::PaidDecided, &first.x(), at + 2);
        let text: &[u8] = if protocol == Protocol::Pg { b"One bicycle, blue." } else { b"Paid for March." };
        let evidence = RunEvidence {
            verdict: jws.bytes(),
            certificates: &certificates,
            statements: &[],
            answer: None,
            text: Some((&[3; 32], text)),
            proof: Some(proof.as_bytes()),
        };
        let report = check(&evidence, expected, failed, &[]);
        // Without the carrier's key nobody's word is bad.
        let without = &certificates[..certificates.len() - 1];
        if expected == Verdict::Verified && rest.contains(&&first.handed_over) {
            let open = [RunCheck::Basis, RunCheck::Time];
            check(&RunEvidence { certificates: without, ..evidence }, Verdict::Undecided, &[], &open);
        }
        report.run.unwrap()
    };
    let (pg, pr, good) = (Protocol::Pg, Protocol::Pr, Verdict::Verified);
    let (accept, received) = (&sale.accept, &sale.received);
    let run = judged(pg, &sale, Decided::Captured, &[accept, received], IAT + 5, good, &[]);
    assert!(!run.receipt && !run.contract && run.says.starts_with("10.00 EUR of Bob (the party "), "{}", run.says);
    judged(pg, &sale, Decided::Captured, &[accept, &sale.handed_over], IAT + 5, good, &[]);
    judged(pg, &sale, Decided::Released, &[accept], T_SHIP + 1, good, &[]);
    judged(pg, &sale, Decided::Expired, &[accept], T_HOLD + 1, good, &[]);
    judged(pg, &sale, Decided::Released, &[accept], T_SHIP, Verdict::Refuted, &[RunCheck::Time]);
    judged(pg, &sale, Decided::Captured, &[accept], IAT + 5, Verdict::Refuted, &[RunCheck::Basis]);
    let run = judged(pr, &bought, Decided::Captured, &[&bought.receipt], IAT + 5, good, &[]);
    assert!(run.receipt && run.says.contains("has paid 10.00 EUR to Ada (the party "), "{}", run.says);
    let run = judged(pr, &bought, Decided::Void, &[&bought.receipt], IAT + 5, good, &[]);
    assert!(!run.receipt && run.says.contains("nobody is bound"), "{}", run.says);
    judged(pr, &bought, Decided::Captured, &[], IAT + 5, Verdict::Refuted, &[RunCheck::Basis]);
}
