//! What must hold in every run, whoever is corrupt and whatever is lost: the properties of exchange-and-disputes §3, by the names that
//! they have there.

use std::collections::BTreeSet;

use semper_ledger::{entry::Entry, receipt::tlog_proof::TlogProof};
use semper_ttp::{
    client::dossier::Piece,
    crypto::{LogVerifier, SecretKey, jose::Thumbprint},
    digest::Digest,
    exchange::{
        judge::{self, Evidence, Filed, Finding, delivery},
        tag_of_verdict,
    },
    statement::{
        Body as _, Jws,
        exchange::{
            Protocol, Side,
            cd_r::{ContentKey, D3},
            verdict::{Answer, Receipt, Verdict},
        },
    },
};
use serde_json::Value;

use super::{Promise, Run};
use crate::{
    report::Violation,
    stage::{SIDES, Stage, index},
    world::ANSWER_WITHIN_MS,
};

/// A refusal is one of those that whoever asks wrongly gets, never a fault.
pub(crate) fn refused(status: u16, problem: &Value) -> Result<(), Violation> {
    let is_refusal = [400, 401, 403, 404, 409, 410, 413, 422, 429].contains(&status);
    match is_refusal && problem["verdict"].is_null() && problem["k"].is_null() {
        true => Ok(()),
        false => Err(Violation::of("accountable_", format!("refused with {status} {problem}"))),
    }
}

fn jws(value: &Value) -> Result<Jws, Violation> {
    let text = value.as_str().unwrap_or_default();
    Jws::parse(text.as_bytes()).map_err(|fault| Violation::of("nonrepud_", format!("{value}: {fault}")))
}

/// A receipt: signed, for this very request, with the time in which it is answered.
pub(super) fn promised(stage: &Stage, body: &Value, answer: &Value) -> Result<Promise, Violation> {
    let bad = |what: &dyn std::fmt::Display| Violation::of("nonrepud_", format!("{answer}: {what}"));
    let (receipt, request) = (jws(&answer["receipt"])?, jws(&body["request"])?);
    receipt.verify(&stage.keys().pop().expect("the arbiter's")).map_err(|fault| bad(&fault))?;
    let Receipt { req, received_ms, answer_by_ms } = receipt.payload_as::<Receipt>().map_err(|fault| bad(&fault))?.body;
    let (received_ms, answer_by_ms) = (received_ms.get(), answer_by_ms.get());
    let is_its = Digest::from(req) == request.x() && receipt.common().x == request.common().x;
    match is_its && received_ms <= stage.now().millis() && answer_by_ms == received_ms + ANSWER_WITHIN_MS {
        true => Ok(Promise { request, receipt, received_ms, answer_by_ms }),
        false => Err(bad(&"it is about another request, or of another time")),
    }
}

/// What the arbiter answers counts before anybody, and is what it has answered before. Gives the verdict and the request.
pub(crate) fn answered(stage: &mut Stage, path: &str, body: &Value, answer: &Value) -> Result<(Jws, Jws), Violation> {
    let bad = |what: String| Violation::of("nonrepud_", what);
    let (verdict, own, request) = (jws(&answer["verdict"])?, jws(&answer["answer"])?, jws(&body["request"])?);
    let text = answer["verdict"].as_str().unwrap_or_default();
    let first = stage.verdicts.entry(path.to_owned()).or_insert_with(|| text.to_owned());
    if first != text {
        return Err(Violation::of("accountable_", "a second verdict for one run"));
    }
    let x = request.common().x.map(Digest::from);
    let arbiter = stage.keys().pop().expect("the arbiter's");
    let logs = [stage.world().service.reader().vkey().clone()];
    for (place, statement) in [&verdict, &own].into_iter().enumerate() {
        statement.verify(&arbiter).map_err(|fault| bad(fault.to_string()))?;
        let proof = TlogProof::parse(answer["proofs"][place].as_str().unwrap_or_default());
        let proof = proof.map_err(|fault| bad(fault.to_string()))?;
        let proven = proof.verify(&logs, &LogVerifier).map_err(|fault| bad(fault.to_string()))?;
        let Entry { digest, tags, .. } = proven.entry;
        let expected: Vec<_> = x.filter(|_| place == 0).map(|x| tag_of_verdict(&x)).into_iter().collect();
        if Digest(digest) != statement.digest()
            || tags.as_slice() != expected
            || statement.common().x.map(Digest::from) != x
        {
            return Err(bad(format!("the proof of {} is of something else", statement.tag())));
        }
    }
    let own = own.payload_as::<Answer>().map_err(|fault| bad(fault.to_string()))?.body;
    if Digest::from(own.verdict) != verdict.digest()
        || Digest::from(own.req) != request.x()
        || own.to != request.key_id()
    {
        return Err(bad("an answer to another request, or of another verdict".to_owned()));
    }
    let recipient = stage.keys()[index(Side::Responder)].thumbprint();
    if answer["k"].is_string() && (answer["outcome"] != "RELEASED" || request.key_id() != recipient) {
        return Err(Violation::of("private_", "the content's key goes to somebody else than the recipient"));
    }
    Ok((verdict, request))
}

pub(crate) fn outcome_of(verdict: &Jws) -> String {
    let outcome = verdict.payload_as::<Verdict>().expect("it was read before").body.outcome;
    serde_json::to_value(outcome).expect("a word").as_str().unwrap_or_default().to_lowercase()
}

/// What a judge says of one who files this: whether there is what was agreed, and who has cheated.
struct Judged {
    is_fulfilled: bool,
    findings: BTreeSet<Finding>,
}

fn judged(
    run: &Run<'_>,
    statements: Vec<Jws>,
    verdict: Option<Jws>,
    opens: Option<(&[u8], Option<SecretKey>)>,
) -> Judged {
    let keys = run.stage.keys();
    let find = |name: &Thumbprint| keys.iter().find(|key| key.thumbprint() == *name).cloned();
    let first = run.first.clone().expect("it has begun");
    let verdicts = verdict.into_iter().map(|jws| Filed { jws, is_logged: true }).collect();
    match run.protocol {
        Protocol::CdR => {
            let (content, key) = opens.map_or((None, None), |(content, key)| (Some(content), key));
            let evidence = delivery::Evidence { first, statements, verdicts, content, key, opening: None };
            let judged = delivery::judge(&evidence, &find).expect("a good first statement");
            Judged { is_fulfilled: judged.receipt.is_some(), findings: judged.findings }
        }
        _ => {
            let judged =
                judge::judge(&Evidence { first, statements, verdicts }, &find).expect("a good first statement");
            Judged { is_fulfilled: judged.contract.is_some(), findings: judged.findings }
        }
    }
}

/// What holds when a run is over.
pub(crate) fn ended(run: &mut Run<'_>) -> Result<(), Violation> {
    let all = [run.said.clone(), run.requests.clone()].concat();
    let world = judged(run, all, run.verdict.clone(), None);
    for side in SIDES {
        fair(run, side, &world)?;
    }
    for finding in &world.findings {
        let (whose, property) = match finding {
            Finding::DecidedTwice | Finding::AgainstTheRules | Finding::OutOfTime => (None, "accountable_"),
            Finding::AbortedAndOpened | Finding::EscrowedRubbish | Finding::SentOtherContent => {
                (Some(Side::Originator), "nonrepud_")
            }
            Finding::AnsweredTwice => (Some(Side::Responder), "nonrepud_"),
        };
        if whose.is_none_or(|side| run.honest(side).is_some()) {
            return Err(Violation::of(property, format!("{finding:?} is held against an honest one")));
        }
    }
    if run.is_undisturbed() {
        let ends: Vec<_> = SIDES.iter().filter_map(|side| run.honest(*side)?.end()).collect();
        let standard = semper_ttp::client::automaton::End::Standard;
        if ends != [standard; 2] || run.verdict.is_some() {
            return Err(Violation::of("effective_", format!("nothing was in the way, and it ended with {ends:?}")));
        }
    }
    Ok(())
}

/// An honest side has what was agreed if and only if the other has, or could show that it has.
fn fair(run: &Run<'_>, side: Side, world: &Judged) -> Result<(), Violation> {
    let unfair = |what: &str| Err(Violation::of("strong_fair_", format!("the {} {what}", side.name())));
    let Some(honest) = run.honest(side) else { return Ok(()) };
    let Some((party, content)) = honest.kept() else {
        return if world.is_fulfilled { unfair("never began, and is bound all the same") } else { Ok(()) };
    };
    let Some(end) = party.end() else { return Err(Violation::of("timely_", "it waits for ever")) };
    let own = party.dossier().statement(Piece::Verdict).map(|text| Jws::parse(text.as_bytes()).expect("it was kept"));
    let is_released = run.verdict.as_ref().is_some_and(|verdict| outcome_of(verdict) == "released");
    match (run.protocol, side, end.is_fulfilled()) {
        // The recipient of a delivery has the message, or what convicts whoever promised it.
        (Protocol::CdR, Side::Responder, true) => match party.delivered(content) {
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) => {
                let key = serde_json::from_slice::<Value>(&party.dossier().to_bytes()).expect("JSON");
                let key: ContentKey =
                    serde_json::from_value(key["secret"]["awaited"]["k"].clone()).expect("it has the key");
                let own = judged(run, honest.files(), own, Some((content, Some(key.secret()))));
                match own.findings.contains(&Finding::SentOtherContent) {
                    true => Ok(()),
                    false => Err(Violation::of("weak_fair_", "bad content, and nobody is convicted")),
                }
            }
            None => unfair("is said to have the message, and has no key"),
        },
        (Protocol::CdR, Side::Originator, false) => {
            let has_opened = run.said.iter().any(|jws| jws.tag() == D3::TAG);
            if has_opened || is_released { unfair("has shown its key, and has no receipt") } else { Ok(()) }
        }
        (_, _, false) if world.is_fulfilled => unfair("has nothing, and is bound all the same"),
        (_, _, false) => Ok(()),
        (_, _, true) if judged(run, honest.files(), own, None).is_fulfilled => Ok(()),
        (_, _, true) => unfair("cannot prove what it is said to have"),
    }
}
