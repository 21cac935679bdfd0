//! Published attacks on optimistic contract signing, and those on this form of it (exchange-and-disputes §5): each fails against the rule,
//! and succeeds against a copy of the rule that was weakened, so that the test is known to bite. Those that need a running arbiter are in
//! `tests/tests/exchange/`, those that need every order of events in `ttp/tests/`.

mod delivery;

use std::collections::BTreeMap;

use serde_json::Value;

use super::asw_r::{Answered, Offered, commitment_o, commitment_r};
use super::judge::{Evidence, Filed, Finding, judge};
use super::testing::{IAT, N_O, N_R, PEOPLE, Script, keys, m2, offer, participant, twin};
use super::*;
use crate::b64u::{self, B64u};
use crate::crypto::Signer as _;
use crate::crypto::jose::Key;
use crate::statement::exchange::asw_r::{Abort, M1, M3, M4, Resolve};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Assurance, Outcome, Protocol, Side};
use crate::statement::{Body as _, Jws, Millis};

/// Whether an attack gets through: never by the rule, always by its weakened copy.
pub(super) fn bites(by_the_rule: bool, weakened: bool) {
    assert!(!by_the_rule, "the attack gets through");
    assert!(weakened, "the attack does not get through a rule that was weakened for it, so this test shows nothing");
}

/// What the arbiter's decision rests on, as JWS.
fn verdict(script: &Script, outcome: Outcome, basis: &[&Jws]) -> Jws {
    let basis = basis.iter().map(|jws| String::from_utf8(jws.bytes().to_vec()).unwrap()).collect();
    let body = Verdict {
        proto: Protocol::AswR,
        outcome,
        basis,
        decided_ms: Millis::new(IAT + 5).unwrap(),
        policy: script.offered.offer.policy,
        outages: vec![],
        assurance: Assurance::NonQualified,
    };
    PEOPLE.t.sign(Some(script.x()), body)
}

fn logged(jws: Jws) -> Filed {
    Filed { jws, is_logged: true }
}

fn evidence(script: &Script, statements: &[&Jws], verdicts: Vec<Filed>) -> Evidence {
    Evidence {
        first: script.offered.jws.clone(),
        statements: statements.iter().map(|jws| (*jws).clone()).collect(),
        verdicts,
    }
}

#[test]
fn a_contract_is_judged_by_either_evidence() {
    let script = Script::new(None);
    let (m2, m3, m4) = (&script.answered.jws, &script.m3, &script.m4);
    let whole = judge(&evidence(&script, &[m2, m3, m4], vec![]), &keys).unwrap();
    assert!(whole.contract.is_some_and(|contract| contract.standard && contract.at_ms == IAT), "{whole:?}");
    for missing in 0..3 {
        let some: Vec<_> =
            [m2, m3, m4].into_iter().enumerate().filter(|(n, _)| *n != missing).map(|(_, m)| m).collect();
        let judged = judge(&evidence(&script, &some, vec![]), &keys).unwrap();
        assert_eq!((judged.contract, judged.findings.len()), (None, 0), "J4: without message {missing}");
    }
    let resolved = logged(verdict(&script, Outcome::Resolved, &[&script.offered.jws, m2]));
    let judged = judge(&evidence(&script, &[], vec![resolved.clone()]), &keys).unwrap();
    assert!(judged.contract.is_some_and(|contract| contract.replacement && contract.at_ms == IAT + 5));
    // J2: what the arbiter took back is a contract all the same where both have opened.
    let aborted = logged(verdict(&script, Outcome::Aborted, &[&script.offered.jws, &script.abort]));
    let judged = judge(&evidence(&script, &[m2, m3, m4], vec![aborted.clone()]), &keys).unwrap();
    assert!(judged.contract.is_some() && judged.outcomes.contains(&Outcome::Aborted), "{judged:?}");
    assert!(!judged.findings.contains(&Finding::AgainstTheRules) && judged.rejected.is_empty(), "{judged:?}");
    assert_eq!(judge(&evidence(&script, &[], vec![aborted]), &keys).unwrap().contract, None);
    // An arbiter that was not named.
    let stranger = PEOPLE.stranger.sign(Some(script.x()), resolved.jws.payload_as::<Verdict>().unwrap().body);
    let judged = judge(&evidence(&script, &[], vec![logged(stranger)]), &keys).unwrap();
    assert!(judged.contract.is_none() && judged.rejected[0].1.code() == "exchange.other_arbiter");
}

/// The responder signs a second answer once it knows the originator's nonce, so as to have two contracts.
#[test]
fn asw_r_split_commitment() {
    let script = Script::new(None);
    let other_nonce = [77; 32];
    let other = m2(&script.offered, commitment_r(&script.x(), &other_nonce));
    let other = script.offered.answered(PEOPLE.r.sign(Some(script.x()), other), &keys).unwrap();
    let m4 = M4 { n_r: B64u(other_nonce), c_o: script.offered.offer.c_o };
    let m4 = PEOPLE.r.sign(Some(script.x()), m4);
    // The opening that it got is for the first answer.
    let by_the_rule = script.offered.opened_by_o(&other, &script.m3, &keys).is_ok();
    // As published: a nonce without signature, and bound to nothing.
    let published = |jws: &Jws| {
        let payload: Value = serde_json::from_slice(jws.payload()).unwrap();
        let nonce = payload["n_o"].as_str().and_then(|text| text.parse::<B64u<32>>().ok()).unwrap();
        commitment_o(&nonce.0) == Digest(script.offered.offer.c_o.0)
    };
    bites(by_the_rule, published(&script.m3));
    // One contract, and the responder is convicted of both answers.
    let all = [&script.answered.jws, &other.jws, &script.m3, &script.m4, &m4];
    let judged = judge(&evidence(&script, &all, vec![]), &keys).unwrap();
    assert!(judged.contract.is_some() && judged.findings.contains(&Finding::AnsweredTwice), "{judged:?}");
    let only = judge(&evidence(&script, &[&other.jws, &script.m3, &m4], vec![]), &keys).unwrap();
    assert_eq!(only.contract, None, "the second answer alone makes none");
}

/// An old offer and its nonce are played to the responder, who would sign again without the originator.
#[test]
fn asw_r_replay_m1_nonce() {
    let script = Script::new(None);
    // The responder has forgotten the run, and answers with a new nonce.
    let again = m2(&script.offered, commitment_r(&script.x(), &[78; 32]));
    let again = script.offered.answered(PEOPLE.r.sign(Some(script.x()), again), &keys).unwrap();
    let by_the_rule = script.offered.opened_by_o(&again, &script.m3, &keys).is_ok();
    let unbound =
        |m3: &Jws| commitment_o(&m3.payload_as::<M3>().unwrap().body.n_o.0) == Digest(script.offered.offer.c_o.0);
    bites(by_the_rule, unbound(&script.m3));
}

/// The answer about an aborted run is shown for another answer of the responder's.
#[test]
fn asw_r_responder_abort_binding() {
    let (first, second) = (Digest([1; 32]), Digest([2; 32]));
    let answered = ExchangeFact::Answered {
        x: Digest([7; 32]),
        at: Timestamp::from_millis(5),
        to: PEOPLE.r.name(),
        request: Digest([3; 32]),
        c_r: Some(first),
    };
    let ends = |run: Digest| matches!(&answered, ExchangeFact::Answered { c_r, .. } if *c_r == Some(run));
    let of_the_run_alone = |x: Digest| answered.x() == x;
    assert!(ends(first));
    bites(ends(second), of_the_run_alone(Digest([7; 32])));
}

/// The originator takes the offer back and opens its commitment as well.
#[test]
fn asw_r_abort_then_m3() {
    let script = Script::new(None);
    let aborted = logged(verdict(&script, Outcome::Aborted, &[&script.offered.jws, &script.abort]));
    // Also where the abort is shown by the verdict alone.
    let filed = evidence(&script, &[&script.answered.jws, &script.m3, &script.m4], vec![aborted]);
    let judged = judge(&filed, &keys).unwrap();
    assert!(judged.findings.contains(&Finding::AbortedAndOpened));
    let the_verdict_alone = judged.outcomes.contains(&Outcome::Aborted);
    bites(judged.contract.is_none(), the_verdict_alone);
}

/// A message is taken for one of another kind.
#[test]
fn asw_r_type_confusion() {
    let script = Script::new(None);
    let Script { offered, answered, m3, m4, abort } = &script;
    let resolve = script.resolve(Side::Originator);
    let refused = [
        offered.opened_by_r(answered, m3, &keys).err(),
        offered.opened_by_o(answered, m4, &keys).err(),
        offered.resolve(answered, abort.clone(), &keys).err(),
        offered.abort(resolve.clone(), &keys).err(),
        offered.answered(m3.clone(), &keys).err(),
        Offered::read(answered.jws.clone(), &keys).err(),
    ];
    assert!(refused.iter().all(Option::is_some), "{refused:?}");
    // Whoever reads run and signer alone takes a request to resolve for one to abort.
    let by_x_and_key = |jws: &Jws| {
        let of_the_run = jws.common().x.map(|x| Digest(x.0)) == Some(offered.run.x);
        of_the_run && jws.verify(&PEOPLE.o.public).is_ok()
    };
    bites(offered.abort(resolve.clone(), &keys).is_ok(), by_x_and_key(&resolve));
    // A verdict is no answer.
    let resolved = verdict(&script, Outcome::Resolved, &[&offered.jws, &answered.jws]);
    assert!(resolved.payload_as::<crate::statement::exchange::verdict::Answer>().is_err());
}

/// The responder hands the originator's commitment back as its own, and then its nonce.
#[test]
fn asw_r_reflection() {
    let script = Script::new(None);
    let reflected = m2(&script.offered, Digest(script.offered.offer.c_o.0));
    let reflected = script.offered.answered(PEOPLE.r.sign(Some(script.x()), reflected), &keys).unwrap();
    let m4 = PEOPLE.r.sign(Some(script.x()), M4 { n_r: B64u(N_O), c_o: script.offered.offer.c_o });
    let by_the_rule = script.offered.opened_by_r(&reflected, &m4, &keys).is_ok();
    // Without words in front both commitments would be hashes of a nonce.
    let bare = |nonce: &[u8; 32]| Digest::of(nonce);
    bites(by_the_rule, bare(&N_O) == bare(&m4.payload_as::<M4>().unwrap().body.n_r.0));
    // One party on both sides, or one key.
    for (o, r) in [(1, &PEOPLE.r), (2, &PEOPLE.o)] {
        let offer = M1 { r: participant(o, r), ..offer(None) };
        assert_eq!(Offered::read(PEOPLE.o.sign(None, offer), &keys), Err(Broken::OneParty));
    }
}

/// Anybody turns a signature into the other one that verifies.
#[test]
fn asw_r_sig_malleability() {
    // Both sides with ECDSA.
    let offer = M1 { r: participant(2, &PEOPLE.stranger), ..offer(None) };
    let offered = Offered::read(PEOPLE.o.sign(None, offer), &keys).unwrap();
    let x = offered.run.x;
    let answer = PEOPLE.stranger.sign(Some(x), m2(&offered, commitment_r(&x, &N_R)));
    let answered = offered.answered(answer.clone(), &keys).unwrap();
    // On the wire, either may become the other: they are the same statements all the same.
    let other_offer = Offered::read(twin(&offered.jws), &keys).unwrap();
    assert_eq!(other_offer.run, offered.run);
    let other_answer = other_offer.answered(twin(&answer), &keys).unwrap();
    assert_eq!(other_answer.c_r, answered.c_r);
    let request = PEOPLE.o.sign(Some(x), Resolve { side: Side::Originator, m2: answer.digest().into() });
    assert!(other_offer.resolve(&other_answer, request, &keys).is_ok());
    // What is decided is kept by x; by the digest of a JWS there would be two decisions.
    let mut by_x = BTreeMap::new();
    let mut by_digest = BTreeMap::new();
    for m1 in [&offered.jws, &other_offer.jws] {
        by_x.insert(m1.x(), ());
        by_digest.insert(m1.digest(), ());
    }
    bites(by_x.len() > 1, by_digest.len() > 1);
    // Another statement is none.
    let stranger = PEOPLE.o.sign(None, M1 { deal: Some(B64u([1; 32])), ..offered.offer.clone() });
    let other = Offered::read(stranger, &keys).unwrap();
    assert!(matches!(other.answered(answer, &keys), Err(Broken::OtherRun { .. })));
}

/// A header that brings its own key.
#[test]
fn asw_r_header_key_injection() {
    let attacker = &PEOPLE.stranger;
    let payload = Script::new(None).offered.jws.payload().to_vec();
    let jwk = attacker.public.to_jwk_json();
    let header = format!(r#"{{"alg":"ES256","jwk":{jwk},"kid":"{}","typ":"semper.asw-r.m1+jws"}}"#, PEOPLE.o.name());
    let message = [b64u::encode(header.as_bytes()), b64u::encode(&payload)].join(".");
    let signature = attacker.key.sign_raw(message.as_bytes()).unwrap();
    let forged = [message.as_str(), &b64u::encode(&signature)].join(".");
    let by_the_rule = Jws::parse(forged.as_bytes()).is_ok();
    let trusting = |header: &str| {
        let header: Value = serde_json::from_str(header).unwrap();
        let key = Key::from_jwk(header["jwk"].as_object().unwrap()).unwrap();
        key.verify(crate::crypto::jose::Algorithm::Es256, message.as_bytes(), &signature)
    };
    bites(by_the_rule, trusting(&header));
}

/// A member that is there twice, so that two readers see two runs.
#[test]
fn asw_r_duplicate_member() {
    let script = Script::new(None);
    let payload = String::from_utf8(script.abort.payload().to_vec()).unwrap();
    let other = B64u([9; 32]).to_string();
    let doubled = payload.replacen('{', &format!(r#"{{"x":"{other}","#), 1);
    let parts: Vec<_> = std::str::from_utf8(script.abort.bytes()).unwrap().split('.').collect();
    let forged = [parts[0], &b64u::encode(doubled.as_bytes()), parts[2]].join(".");
    let lenient: Value = serde_json::from_str(&doubled).unwrap();
    bites(Jws::parse(forged.as_bytes()).is_ok(), lenient["x"].as_str() == Some(&B64u(script.x().0).to_string()));
}

/// A run of another arbiter's.
#[test]
fn asw_r_wrong_ttp() {
    let script = Script::new(None);
    let own = [PEOPLE.stranger.name()];
    let refused = script.offered.run.require_arbiter(&own);
    assert!(matches!(refused, Err(Broken::OtherArbiter { .. })));
    bites(refused.is_ok(), Offered::read(script.offered.jws.clone(), &keys).is_ok());
    assert_eq!(script.offered.run.require_arbiter(&[PEOPLE.stranger.name(), PEOPLE.t.name()]), Ok(()));
    // The arbiter's own key is on no side.
    let offer = M1 { r: participant(2, &PEOPLE.t), ..offer(None) };
    assert_eq!(Offered::read(PEOPLE.o.sign(None, offer), &keys), Err(Broken::OneParty));
}

/// In GJM'99 a corrupt arbiter aborts for one side and converts for the other, and nobody can tell. Here all that it makes is a verdict,
/// and one that was not logged counts for nothing.
#[test]
fn gjm_silent_conversion() {
    let script = Script::new(None);
    let aborted = logged(verdict(&script, Outcome::Aborted, &[&script.offered.jws, &script.abort]));
    let resolved = verdict(&script, Outcome::Resolved, &[&script.offered.jws, &script.answered.jws]);
    let hidden = Filed { jws: resolved.clone(), is_logged: false };
    let judged = judge(&evidence(&script, &[], vec![aborted.clone(), hidden]), &keys).unwrap();
    assert_eq!(judged.rejected[0].1, Broken::NotLogged);
    let by_signature = resolved.verify(&PEOPLE.t.public).is_ok();
    bites(judged.contract.is_some(), by_signature);
    // Both logged: the contract stands, and both convict it. Its entries bear one tag.
    let judged = judge(&evidence(&script, &[], vec![aborted, logged(resolved)]), &keys).unwrap();
    assert!(judged.contract.is_some() && judged.findings.contains(&Finding::DecidedTwice), "{judged:?}");
    assert_eq!(tag_of_verdict(&script.x()), tag_of_verdict(&script.x()));
}

/// Verdicts that do not follow from what they embed.
#[test]
fn an_arbiter_that_breaks_its_rules_is_convicted_by_its_own_verdict() {
    let script = Script::new(Some(IAT + 10));
    let other = Script::of(M1 { deal: Some(B64u([1; 32])), ..offer(None) });
    let (m1, m2) = (&script.offered.jws, &script.answered.jws);
    let bad: [(Outcome, &[&Jws]); 7] = [
        (Outcome::Aborted, &[m1]),
        (Outcome::Aborted, &[m1, &other.abort]),
        (Outcome::Aborted, &[m1, m2]),
        (Outcome::Resolved, &[m1]),
        (Outcome::Resolved, &[&other.offered.jws, m2]),
        (Outcome::Resolved, &[m1, &other.answered.jws]),
        (Outcome::Expired, &[m1, m2]),
    ];
    for (outcome, basis) in bad {
        let filed = evidence(&script, &[], vec![logged(verdict(&script, outcome, basis))]);
        let judged = judge(&filed, &keys).unwrap();
        assert!(judged.findings.contains(&Finding::AgainstTheRules), "{outcome:?} {}", basis.len());
        assert_eq!(judged.contract, None, "{outcome:?} {}", basis.len());
    }
    // In time and too late: the verdicts here are of IAT + 5.
    let late = Script::new(Some(IAT + 4));
    let of = |script: &Script, outcome| {
        let basis: Vec<&Jws> = match outcome {
            Outcome::Expired => vec![&script.offered.jws],
            Outcome::Resolved => vec![&script.offered.jws, &script.answered.jws],
            Outcome::Aborted => vec![&script.offered.jws, &script.abort],
            Outcome::Released | Outcome::Void | Outcome::Returned | Outcome::Captured => {
                unreachable!("not of a contract")
            }
        };
        judge(&evidence(script, &[], vec![logged(verdict(script, outcome, &basis))]), &keys).unwrap().findings
    };
    for (script, outcome, is_in_time) in [
        (&script, Outcome::Resolved, true),
        (&script, Outcome::Aborted, true),
        (&script, Outcome::Expired, false),
        (&late, Outcome::Resolved, false),
        (&late, Outcome::Aborted, false),
        (&late, Outcome::Expired, true),
        (&other, Outcome::Expired, false),
    ] {
        assert_eq!(of(script, outcome).contains(&Finding::OutOfTime), !is_in_time, "{outcome:?}");
        assert!(!of(script, outcome).contains(&Finding::AgainstTheRules));
    }
}

/// One payload signed twice is one statement: which copy is filed convicts nobody.
#[test]
fn a_second_copy_of_the_offer_convicts_nobody() {
    let script = Script::new(None);
    let copy = PEOPLE.o.sign(None, script.offered.offer.clone());
    assert_eq!(copy.x(), script.x());
    assert!(copy.digest() != script.offered.jws.digest() && script.offered.jws.twin() != Some(copy.digest()));
    let resolved = logged(verdict(&script, Outcome::Resolved, &[&script.offered.jws, &script.answered.jws]));
    let filed = Evidence { first: copy, ..evidence(&script, &[], vec![resolved]) };
    let judged = judge(&filed, &keys).unwrap();
    assert!(judged.contract.is_some_and(|contract| contract.replacement) && judged.findings.is_empty(), "{judged:?}");
}

/// What a verdict could not embed nobody takes for good: the arbiter, a client or a judge.
#[test]
fn statements_have_one_bound_for_all() {
    let script = Script::new(None);
    let long = |chars: usize| {
        let mut payload: Value = serde_json::from_slice(script.answered.jws.payload()).unwrap();
        payload["shown"] = serde_json::json!({"display": B64u([1; 32]), "ui": B64u([2; 32]), "docs": []});
        let text = payload.to_string().replacen('{', &format!("{{{}", " ".repeat(chars)), 1);
        let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"semper.asw-r.m2+jws"}}"#, PEOPLE.r.name());
        let message = [b64u::encode(header.as_bytes()), b64u::encode(text.as_bytes())].join(".");
        let signature = PEOPLE.r.key.sign_raw(message.as_bytes()).unwrap();
        Jws::parse([message, b64u::encode(&signature)].join(".").as_bytes()).unwrap()
    };
    assert!(script.offered.answered(long(8_000), &keys).is_ok());
    let refused = script.offered.answered(long(16_000), &keys).unwrap_err();
    assert_eq!(refused.code(), "exchange.statement");
}

/// Only who is named, in the part in which it is named.
#[test]
fn nobody_else_asks() {
    let script = Script::new(None);
    let x = Some(script.x());
    let m2 = script.answered.jws.digest().into();
    let allowed = |jws: Jws| Err(Broken::NotAllowed { of: Resolve::TAG, key: jws.key_id().to_string() });
    for (person, side) in
        [(&PEOPLE.stranger, Side::Responder), (&PEOPLE.o, Side::Responder), (&PEOPLE.r, Side::Originator)]
    {
        let jws = person.sign(x, Resolve { side, m2 });
        assert_eq!(script.offered.resolve(&script.answered, jws.clone(), &keys), allowed(jws));
    }
    let by_r = PEOPLE.r.sign(x, Abort {});
    assert!(matches!(script.offered.abort(by_r, &keys), Err(Broken::NotAllowed { .. })));
    for side in [Side::Originator, Side::Responder] {
        let asked = script.offered.resolve(&script.answered, script.resolve(side), &keys).unwrap();
        assert_eq!((asked.side, asked.demand.c_r()), (side, Some(script.answered.c_r)));
    }
    let unknown = |name: &_| keys(name).filter(|key| key.thumbprint() != PEOPLE.r.name());
    let refused = script.offered.answered(script.answered.jws.clone(), &unknown);
    assert!(matches!(refused, Err(Broken::UnknownKey { side: "responder", .. })));
    let Answered { jws, .. } = &script.answered;
    let other = Script::of(M1 { deal: Some(B64u([1; 32])), ..offer(None) });
    assert!(matches!(other.offered.answered(jws.clone(), &keys), Err(Broken::OtherRun { .. })));
    let about_another = PEOPLE.r.sign(x, self::m2(&other.offered, commitment_r(&script.x(), &N_R)));
    assert!(matches!(script.offered.answered(about_another, &keys), Err(Broken::OtherCopy { .. })));
}
