//! What must hold in every exchange through the arbiter, whoever is corrupt and whatever is lost (exchange-and-disputes §3 and §6).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_ttp::{
    client::swap::{End, dossier::Piece},
    crypto::{LogVerifier, jose::Thumbprint},
    digest::Digest,
    exchange::{
        inline::sealed::open_item,
        item::{Item, matches},
        judge::{
            Filed,
            inline::{Evidence, Judgement, judge},
        },
        tag_of_verdict,
    },
    statement::{
        Body as _, Jws,
        exchange::{Outcome, Side, cd_r::ContentKey, inline::Collect, item::MatchResult, verdict::Verdict},
    },
};
use serde_json::Value;

use super::{Run, honest::other_item};
use crate::{
    report::Violation,
    stage::{SIDES, Stage, index, other},
    world::{inline::MEDIA, office::exchange_policy},
};

/// A statement of the arbiter's: signed by it, about this run, and in the log by its proof.
fn signed(stage: &Stage, shown: &Value, x: &Digest) -> Result<Option<Jws>, Violation> {
    if shown.is_null() {
        return Ok(None);
    }
    let bad = |what: &dyn std::fmt::Display| Violation::of("nonrepud_", format!("{shown}: {what}"));
    let jws = Jws::parse(shown["jws"].as_str().unwrap_or_default().as_bytes()).map_err(|fault| bad(&fault))?;
    let arbiter = stage.keys().pop().expect("the arbiter's");
    jws.verify(&arbiter).map_err(|fault| bad(&fault))?;
    let proof = TlogProof::parse(shown["proof"].as_str().unwrap_or_default()).map_err(|fault| bad(&fault))?;
    let proven = proof.verify(&[stage.world().service.reader().vkey().clone()], &LogVerifier);
    let entry = proven.map_err(|fault| bad(&fault))?.entry;
    let expected: Vec<_> = (jws.tag() == Verdict::TAG).then(|| tag_of_verdict(x)).into_iter().collect();
    let is_its = Digest(entry.digest) == jws.digest() && entry.tags.as_slice() == expected;
    match is_its && jws.common().x.map(Digest::from).as_ref() == Some(x) {
        true => Ok(Some(jws)),
        false => Err(bad(&"it is about something else, or its proof is")),
    }
}

/// What the arbiter answers counts before anybody, and is what it has answered before; nobody gets an item but who is due to have it.
pub(super) fn answered(run: &mut Run<'_>, path: &str, body: &Value, answer: &Value) -> Result<(), Violation> {
    let Some(x) = run.x().filter(|x| answer["x"] == semper_ttp::b64u::encode(x.as_bytes())) else {
        return Ok(());
    };
    let statement = signed(run.stage, &answer["statement"], &x)?;
    let verdict = signed(run.stage, &answer["verdict"], &x)?;
    run.receipts.extend(statement);
    match (&run.verdict, verdict) {
        (None, new) => run.verdict = new,
        (Some(before), Some(again)) if *before == again => {}
        (Some(_), Some(_)) => return Err(Violation::of("accountable_", "a second verdict for one run")),
        (Some(_), None) => return Err(Violation::of("accountable_", "it has forgotten what it decided")),
    }
    if answer["item"].is_null() {
        return Ok(());
    }
    let private = |what: &str| Violation::of("private_", what);
    let request = Jws::parse(body["statement"].as_str().unwrap_or_default().as_bytes());
    let request = request.map_err(|_| private("an item to no statement"))?;
    let keys = run.stage.keys();
    let asker = SIDES.into_iter().find(|side| keys[index(*side)].thumbprint() == request.key_id());
    let asker = asker.filter(|_| request.tag() == Collect::TAG && path.ends_with("/statements"));
    let asker = asker.ok_or_else(|| private("an item to whoever did not ask for it"))?;
    let outcome = run.verdict.as_ref().map(outcome_of);
    let owner = match outcome {
        Some(Outcome::Released) => other(asker),
        Some(Outcome::Returned) => asker,
        _ => return Err(private("an item before anything is decided")),
    };
    let octets = BASE64_STANDARD.decode(answer["item"]["octets"].as_str().unwrap_or_default()).unwrap_or_default();
    let item = match answer["item"]["k"].is_null() {
        true => octets,
        false => {
            let key: ContentKey = serde_json::from_value(answer["item"]["k"].clone()).expect("a key");
            let opened = open_item(&key.secret(), &x, owner, &octets);
            opened.ok_or_else(|| private("a key that does not open what it comes with"))?.to_vec()
        }
    };
    if run.honest(owner).is_some() && item != run.bargain.items[index(owner)] {
        return Err(private("another item than its owner has left"));
    }
    run.got[index(asker)].push(item);
    Ok(())
}

pub(super) fn outcome_of(verdict: &Jws) -> Outcome {
    verdict.payload_as::<Verdict>().expect("it was read before").body.outcome
}

/// What a court says to all that was ever signed and handed out in the run.
fn judged(run: &Run<'_>) -> Option<Judgement> {
    let keys = run.stage.keys();
    let find = |name: &Thumbprint| keys.iter().find(|key| key.thumbprint() == *name).cloned();
    let receipts = run.receipts.iter().filter(|jws| jws.tag() == semper_ttp::statement::exchange::inline::Nrs::TAG);
    let rules = exchange_policy().inline.expect("it has such a part").predicates;
    let evidence = Evidence {
        first: run.first.clone()?,
        statements: Vec::new(),
        receipts: receipts.cloned().collect(),
        verdicts: run.verdict.iter().map(|jws| Filed { jws: jws.clone(), is_logged: true }).collect(),
        items: [1, 0].map(|holder: usize| run.got[holder].last().map(Vec::as_slice)),
        rules: &rules,
    };
    // Items that went back are no evidence of what was released.
    let evidence = match run.verdict.as_ref().map(outcome_of) {
        Some(Outcome::Released) => evidence,
        _ => Evidence { items: [None, None], ..evidence },
    };
    judge(&evidence, &find).ok()
}

/// What holds when a run is over.
pub(super) fn ended(run: &Run<'_>) -> Result<(), Violation> {
    if let Some(judgement) = judged(run)
        && !(judgement.findings.is_empty() && judgement.rejected.is_empty())
    {
        return Err(Violation::of("accountable_", format!("an honest arbiter is convicted: {judgement:?}")));
    }
    for side in SIDES {
        fair(run, side)?;
    }
    let ends = SIDES.map(|side| run.honest(side).and_then(super::honest::Honest::end));
    if let [Some(o), Some(r)] = ends
        && (o == End::Swapped) != (r == End::Swapped)
    {
        return Err(Violation::of("strong_fair_", format!("it ended with {o:?} and {r:?}")));
    }
    if run.is_undisturbed() && ends != [Some(End::Swapped); 2] {
        return Err(Violation::of("effective_", format!("nothing was in the way, and it ended with {ends:?}")));
    }
    Ok(())
}

/// An honest side has the other's item, or the other has nothing of its.
fn fair(run: &Run<'_>, side: Side) -> Result<(), Violation> {
    let unfair = |what: &str| Err(Violation::of("strong_fair_", format!("the {} {what}", side.name())));
    let Some(honest) = run.honest(side) else { return Ok(()) };
    let own = &run.bargain.items[index(side)];
    let has_given = run.got[other_item(side)].contains(own);
    let Some((swap, got)) = honest.kept() else {
        return if has_given { unfair("never began, and its item is gone") } else { Ok(()) };
    };
    let Some(end) = honest.end() else { return Err(Violation::of("timely_", "it waits for ever")) };
    let place = other_item(side);
    match (end, got) {
        (End::Swapped, Some(got)) => {
            let rules = exchange_policy().inline.expect("it has such a part").predicates;
            let found = matches(&run.bargain.described[place], &Item::of(got, MEDIA[place]), &rules);
            let is_taken = honest.statement(Piece::Waive).is_some();
            match found {
                MatchResult::Match => Ok(()),
                MatchResult::NeedsHuman if is_taken => Ok(()),
                found => unfair(&format!("has something that was not described: {found:?}")),
            }
        }
        (End::Swapped, None) => unfair("is said to have the other's item, and has not"),
        (End::Returned | End::Dropped, _) if has_given => unfair("has given its item, and has nothing for it"),
        (End::Returned, Some(got)) if got != own => unfair("has got back something else"),
        (End::Returned | End::Dropped, _) => {
            // Whatever it ended with, the arbiter's word is that it came to nothing.
            let is_released = run.verdict.as_ref().is_some_and(|verdict| outcome_of(verdict) == Outcome::Released);
            match is_released && swap.dossier().statement(Piece::Verdict).is_some() {
                true => unfair("has a verdict that releases, and believes that it was returned"),
                false => Ok(()),
            }
        }
    }
}
