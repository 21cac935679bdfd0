//! What the statements of a paid run prove (exchange-and-disputes §8).
//!
//! - A verdict CAPTURED says that the money is the payee's, RELEASED that it goes back, VOID and EXPIRED that nobody is bound. Of goods it says
//!   whose the money is to be; that the rail has followed, the ledger's facts about the money tell.
//! - `pr/receipt` alone is no receipt: with CAPTURED for the same run it is one, and then the money has been captured.
//! - An order, its acceptance, what a carrier says prove what they say, and decide nothing by themselves.
//! - A verdict that does not follow from what it embeds, or that comes before the moment on which it rests, convicts its arbiter. That it came
//!   late convicts nobody: a case may have stopped the run.

use std::collections::BTreeSet;

use super::super::Broken;
use super::super::paid::{Opened, Shown, Thing};
use super::super::run::Keys;
use super::{Fault, Filed, Finding, basis_of, counted};
use crate::digest::Digest;
use crate::statement::exchange::Outcome;
use crate::statement::exchange::cd_r::{D1, D4};
use crate::statement::exchange::pg::Accept;
use crate::statement::exchange::verdict::Verdict;
use crate::statement::{Body as _, Jws};

/// What was filed of a paid run.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The first statement.
    pub first: Jws,
    /// Everything else that the parties and the carrier signed, a delivery's first statement in front of its receipt.
    pub statements: Vec<Jws>,
    /// Verdicts of the arbiter.
    pub verdicts: Vec<Filed>,
}

/// What it proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The run.
    pub x: Digest,
    /// The decision, by a verdict that counts and follows from what it embeds, and when it was made.
    pub decided: Option<(Outcome, u64)>,
    /// Whether the payee has given a receipt that counts: signed by it, and paid.
    pub receipt: bool,
    /// What the arbiter has decided, by verdicts that count.
    pub outcomes: BTreeSet<Outcome>,
    /// Who has cheated, by its own signatures.
    pub findings: BTreeSet<Finding>,
    /// What was filed and counts for nothing, by its digest.
    pub rejected: Vec<(Digest, Broken)>,
}

/// Judges what was filed of a paid run.
///
/// # Errors
/// The first statement itself counts for nothing: then there is no run.
pub fn judge(evidence: &Evidence, keys: Keys<'_>) -> Result<Judgement, Broken> {
    let opened = Opened::read(evidence.first.clone(), keys)?;
    let mut judgement = Judgement {
        x: opened.run.x,
        decided: None,
        receipt: false,
        outcomes: BTreeSet::new(),
        findings: BTreeSet::new(),
        rejected: Vec::new(),
    };
    let mut told = Read::default();
    for jws in &evidence.statements {
        if let Err(broken) = told.take(&opened, jws, keys) {
            judgement.rejected.push((jws.digest(), broken));
        }
    }
    let mut payloads = BTreeSet::new();
    for filed in &evidence.verdicts {
        let verdict = match counted(&opened.run, filed, keys) {
            Ok(verdict) => verdict,
            Err(broken) => {
                judgement.rejected.push((filed.jws.digest(), broken));
                continue;
            }
        };
        payloads.insert(filed.jws.x());
        judgement.outcomes.insert(verdict.outcome);
        match followed(&opened, &verdict, keys) {
            Err(fault) => drop(judgement.findings.insert(fault.finding())),
            Ok(shown) => {
                judgement.decided.get_or_insert((verdict.outcome, verdict.decided_ms.get()));
                judgement.receipt |= verdict.outcome == Outcome::Captured && shown.contains(&Shown::Receipt);
            }
        }
    }
    // Two payloads of one run: the signature over one payload may differ, a decision not.
    if payloads.len() > 1 {
        judgement.findings.insert(Finding::DecidedTwice);
    }
    Ok(judgement)
}

/// The rules that the arbiter keeps, on the statements that the verdict embeds: what those say, if it follows from them.
///
/// # Errors
/// [`Fault`].
pub fn followed(opened: &Opened, verdict: &Verdict, keys: Keys<'_>) -> Result<Vec<Shown>, Fault> {
    let rule = Err(Fault::Rule("the statements that it embeds do not make it"));
    let Some(basis) = basis_of(verdict) else { return Err(Fault::Rule("it embeds what is no statement")) };
    let Some((first, rest)) = basis.split_first() else { return Err(Fault::Rule("it rests on nothing")) };
    // Its own copy of the first statement, which may bear another signature.
    let first = Opened::read(first.clone(), keys).map_err(Fault::Statement)?;
    if first.run.x != opened.run.x {
        return Err(Fault::Rule("it rests on the first statement of another run"));
    }
    if verdict.policy.0 != first.run.policy.0 {
        return Err(Fault::Rule("it names another policy than the run"));
    }
    let (is_accepted, rest) = match rest.split_first() {
        Some((accept, rest)) if accept.tag() == Accept::TAG => {
            first.shown(accept, keys).map_err(Fault::Statement)?;
            (true, rest)
        }
        _ => (false, rest),
    };
    let mut read = Read::default();
    for jws in rest {
        read.take(&first, jws, keys).map_err(Fault::Statement)?;
    }
    let passed = |moment: Option<u64>| moment.is_none_or(|moment| verdict.decided_ms.get() > moment);
    let early = |why| Err(Fault::Time(why));
    let terms = &first.terms;
    let in_vain = Some(terms.t_ship.unwrap_or(terms.t_exp));
    use Shown::*;
    let both = [CancelledByPayer, CancelledByPayee];
    match (verdict.outcome, terms.thing, is_accepted, read.shown.as_slice()) {
        (Outcome::Captured, Thing::Receipt, false, [Receipt])
        | (Outcome::Captured, Thing::Digital | Thing::Physical, true, [Received])
        | (Outcome::Captured, Thing::Physical, true, [HandedOver])
        | (Outcome::Captured, Thing::Digital, true, [Posted, Delivered]) => {}
        (Outcome::Captured, Thing::Digital, true, [Released]) => {
            // The buyer's time runs from when its key was there.
            let due = terms.t_accept.zip(read.decided_ms).map(|(window, at)| at.saturating_add(window));
            if !passed(due) {
                return early("the buyer could still reject the goods");
            }
        }
        (Outcome::Released, Thing::Receipt, false, [])
        | (Outcome::Released, Thing::Digital | Thing::Physical, true, []) => {
            if !passed(in_vain) {
                return early("what was paid for could still come");
            }
        }
        (Outcome::Released, Thing::Digital | Thing::Physical, true, [Rejected]) => {
            if !passed(Some(terms.t_exp)) {
                return early("the seller could still open a case");
            }
        }
        (Outcome::Released, Thing::Digital, true, [Returned]) => {}
        (Outcome::Released | Outcome::Void, Thing::Digital | Thing::Physical, true, shown) if *shown == both => {}
        (Outcome::Void, Thing::Receipt, false, [] | [Receipt]) => {}
        (Outcome::Void, Thing::Digital | Thing::Physical, true, []) => {}
        (Outcome::Void, Thing::Digital | Thing::Physical, false, [CancelledByPayer | CancelledByPayee]) => {}
        (Outcome::Expired, Thing::Receipt, false, []) | (Outcome::Expired, Thing::Digital | Thing::Physical, _, []) => {
            if !passed(Some(terms.t_hold)) {
                return early("the money could still be held");
            }
        }
        _ => return rule,
    }
    Ok(read.shown)
}

/// Statements as they are read one after another.
#[derive(Default)]
struct Read {
    shown: Vec<Shown>,
    posted: Option<super::super::cd_r::Posted>,
    /// When the delivery was decided.
    decided_ms: Option<u64>,
}

impl Read {
    fn take(&mut self, opened: &Opened, jws: &Jws, keys: Keys<'_>) -> Result<(), Broken> {
        let show = match (jws.tag(), &self.posted) {
            (D1::TAG, _) => {
                let (show, posted) = opened.posted(jws.clone(), keys)?;
                self.posted = Some(posted);
                show
            }
            (D4::TAG, Some(posted)) => opened.delivered(posted, jws, keys)?,
            (Verdict::TAG, _) => {
                let show = opened.delivery_decided(jws, keys)?;
                self.decided_ms = jws.payload_as::<Verdict>().ok().map(|verdict| verdict.body.decided_ms.get());
                show
            }
            _ => opened.shown(jws, keys)?,
        };
        self.shown.push(show.what);
        Ok(())
    }
}
