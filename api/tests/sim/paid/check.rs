//! What must hold in every payment, whoever is corrupt and however the rail fails (exchange-and-disputes §8). *Money:* after any run the sum over
//! all accounts is unchanged, each hold is captured, released or ended exactly once, and the book is as the rail's own statement.

use std::{collections::BTreeMap, sync::Arc};

use semper_ledger::{entry::Entry, receipt::tlog_proof::TlogProof};
use semper_ttp::{
    client::pay::{Part, Word},
    crypto::{
        LogVerifier, Signer as _,
        jose::{Key, Thumbprint},
    },
    digest::Digest,
    exchange::{
        judge::{
            Filed,
            paid::{Evidence, Judgement, judge},
        },
        tag_of_verdict,
    },
    payment::{Change, PaymentFact},
    statement::{Jws, exchange::Outcome},
};
use serde_json::Value;

use super::{Place, Run};
use crate::{report::Violation, stage::Stage, world::payment::eur};

/// What the arbiter shows of a payment is what it has shown before, and its verdict counts before anybody.
pub(super) fn answered(run: &mut Run<'_>, answer: &Value) -> Result<(), Violation> {
    let x = run.first.x();
    if answer["x"] != semper_ttp::b64u::encode(x.as_bytes()) {
        return Ok(());
    }
    let decided = &answer["decided"];
    let shown = decided["verdict"].as_str().map(str::to_owned);
    match (&run.verdict, &shown) {
        (Some(before), Some(now)) if before == now => return Ok(()),
        (Some(_), Some(_)) => return Err(Violation::of("accountable_", "a second verdict for one payment")),
        (Some(_), None) => return Err(Violation::of("accountable_", "it has forgotten what it decided")),
        (None, None) => return Ok(()),
        (None, Some(_)) => {}
    }
    let bad = |what: &dyn std::fmt::Display| Violation::of("nonrepud_", format!("{decided}: {what}"));
    let proof = TlogProof::parse(decided["proof"].as_str().unwrap_or_default()).map_err(|fault| bad(&fault))?;
    let log = [run.stage.world().service.reader().vkey().clone()];
    let Entry { digest, tags, .. } = proof.verify(&log, &LogVerifier).map_err(|fault| bad(&fault))?.entry;
    let verdict = Jws::parse(shown.as_deref().unwrap_or_default().as_bytes()).map_err(|fault| bad(&fault))?;
    if Digest(digest) != verdict.digest() || tags.as_slice() != [tag_of_verdict(&x)] {
        return Err(bad(&"the proof is of something else"));
    }
    run.verdict = shown;
    let judgement = judged(run);
    match judgement.decided.is_some() && judgement.findings.is_empty() && judgement.rejected.is_empty() {
        true => Ok(()),
        false => Err(Violation::of("accountable_", format!("an honest arbiter is convicted: {judgement:?}"))),
    }
}

/// What a court says with the first statement and the verdict in hand.
fn judged(run: &Run<'_>) -> Judgement {
    let stage: &Stage = run.stage;
    let spki = (0..3).map(|place| stage.party(place).sign.spki_der().to_vec());
    let keys: Vec<_> = spki
        .chain([stage.world().disk.arbiter_spki()])
        .map(|spki| Arc::new(Key::from_spki_der(&spki).expect("a key")))
        .collect();
    let find = |name: &Thumbprint| keys.iter().find(|key| key.thumbprint() == *name).cloned();
    let verdict = run.verdict.as_ref().map(|text| Jws::parse(text.as_bytes()).expect("it was read before"));
    let verdicts = verdict.map(|jws| Filed { jws, is_logged: true }).into_iter().collect();
    let evidence = Evidence { first: run.first.clone(), statements: Vec::new(), verdicts };
    judge(&evidence, &find).expect("a good first statement")
}

/// Where the money of a run went, by the facts about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Money {
    held: usize,
    captured: usize,
    back: usize,
    charged_back: usize,
    contradicted: usize,
}

impl Money {
    fn of(facts: &[PaymentFact]) -> Self {
        let count = |is: &dyn Fn(&Change) -> bool| facts.iter().filter(|fact| is(&fact.change)).count();
        Self {
            held: count(&|change| matches!(change, Change::Held { .. })),
            captured: count(&|change| matches!(change, Change::Captured { .. })),
            back: count(&|change| {
                matches!(
                    change,
                    Change::Released { .. } | Change::Expired { .. } | Change::ChargedBack { ends_hold: true, .. }
                )
            }),
            charged_back: count(&|change| matches!(change, Change::ChargedBack { ends_hold: false, .. })),
            contradicted: count(&|change| matches!(change, Change::Contradicted { .. })),
        }
    }
}

/// What holds when a run is over, and all that its rail had to tell was told.
pub(super) fn ended(run: &mut Run<'_>) -> Result<(), Violation> {
    let facts = run.stage.take_money_facts().map_err(|what| Violation::of("money_", what))?;
    let x = run.first.x();
    let own: Vec<_> = facts.into_iter().filter(|fact| fact.x == x).collect();
    let money = Money::of(&own);
    books(run, money)?;
    let outcome = match &run.verdict {
        None => None,
        Some(_) => judged(run).decided.map(|(outcome, _)| outcome),
    };
    let is_open = run.is_open;
    if is_open && outcome.is_none() {
        return Err(Violation::of("timely_", format!("it is over, and nothing was decided: {}", run.shown)));
    }
    let is_unsettled = run.shown["money"]["unsettled"] == true;
    let went = (money.captured > 0, money.back > 0, money.held > 0);
    let follows = match (outcome, went) {
        (None, (false, false, false)) => true,
        (None, _) => false,
        (Some(Outcome::Captured), (is_captured, _, _)) => {
            is_captured || is_unsettled || money.back > 0 && run.is_rails_fault()
        }
        (Some(_), (true, _, _)) => false,
        (Some(_), (false, is_back, is_held)) => is_back == is_held || is_unsettled,
    };
    if !follows {
        return Err(Violation::of("money_", format!("decided as {outcome:?}, and the money: {money:?} {}", run.shown)));
    }
    fair(run, money, outcome, is_unsettled)?;
    let is_paid = outcome == Some(Outcome::Captured) && money.captured == 1;
    if run.is_undisturbed() && !is_paid {
        return Err(Violation::of("effective_", format!("nothing was in the way, and it ended with {outcome:?}")));
    }
    Ok(())
}

/// The book balances, is as each rail has it, and nothing happened twice, neither by the book nor at the rail.
fn books(run: &Run<'_>, money: Money) -> Result<(), Violation> {
    let wrong = |what: String| Err(Violation::of("money_", what));
    let stage: &Stage = run.stage;
    let broken = stage.book.check();
    if !broken.is_empty() {
        return wrong(format!("{broken:?}"));
    }
    let sum: i128 = stage.book.balances().filter(|(account, ..)| !account.is_memo()).map(|(.., minor)| minor).sum();
    if sum != 0 {
        return wrong(format!("all accounts together are {sum}"));
    }
    use semper_ttp::payment::rail::PaymentRail as _;
    for rail in &stage.rails {
        let (book, kept) = (stage.book.kept_by(rail.id(), eur()), rail.kept(eur()));
        if book != kept {
            return wrong(format!("the book says that {} keeps {book}, and it keeps {kept}", rail.id()));
        }
    }
    let mut moves = BTreeMap::<&str, usize>::new();
    for line in stage.rails[run.terms.rail].statement().iter().filter(|line| line.x == run.first.x()) {
        *moves.entry(line.what).or_default() += 1;
    }
    let of = |what: &str| moves.get(what).copied().unwrap_or_default();
    let ended = of("capture") + of("release") + of("expired");
    if of("hold") > 1 || ended > 1 || moves.values().any(|times| *times > 1) {
        return wrong(format!("the rail itself has done something twice: {moves:?}"));
    }
    let is_unsettled = run.shown["money"]["unsettled"] == true;
    match money.held == money.captured + money.back || is_unsettled && money.captured + money.back == 0 {
        true => Ok(()),
        false => wrong(format!("each hold is over once: {money:?} {}", run.shown["money"])),
    }
}

/// Goods or a receipt against money: an honest side has what was agreed, or has lost nothing.
fn fair(run: &Run<'_>, money: Money, outcome: Option<Outcome>, is_unsettled: bool) -> Result<(), Violation> {
    let unfair =
        |property, what: &str| Err(Violation::of(property, format!("{what}: {outcome:?}, {money:?}, {:?}", run.place)));
    for honest in run.honest.iter().flatten() {
        let is_its = honest.outcome();
        if run.is_open && honest.has_begun() && is_its != outcome {
            return unfair("timely_", &format!("the {} knows it as {is_its:?}", honest.part.name()));
        }
    }
    let is_captured = outcome == Some(Outcome::Captured);
    let receipt = is_captured && judged(run).receipt;
    if run.terms.is_receipt {
        // A receipt that counts was paid, and what was paid has its receipt.
        let is_paid = money.captured > 0;
        return match (is_paid, receipt) {
            (true, false) if run.of(Part::Payer).is_some() => unfair("strong_fair_", "paid without a receipt"),
            (false, true) if !is_unsettled => unfair("strong_fair_", "a receipt without money"),
            _ => Ok(()),
        };
    }
    if let Some(payer) = run.of(Part::Payer)
        && is_captured
        && (run.place != Place::Buyer || payer.has_said(Word::Rejected) && !run.is_good)
    {
        return unfair("strong_fair_", "the buyer pays for what it has not");
    }
    let is_delivered = run.place == Place::Buyer && run.terms.has_carrier && run.is_good;
    if let Some(payee) = run.of(Part::Payee)
        && payee.has_begun()
        && is_delivered
        && !is_captured
        // Of a rejection people decide, by the buyer's own word.
        && !run.is_rejected()
        && !run.is_rails_fault()
    {
        return unfair("strong_fair_", "the seller's goods are there, and it is not paid");
    }
    Ok(())
}
