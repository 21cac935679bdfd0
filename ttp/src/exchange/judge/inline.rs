//! What the statements of an inline exchange prove (exchange-and-disputes §6), and who has what by them.
//!
//! - i1 and i2 prove what was to be exchanged, and that both knew what that is worth. They give nobody anything.
//! - A verdict RELEASED proves that from `decided_ms` on the other side's item was there for each of them. Whether one of them fetched it is
//!   its own affair: nothing else was needed.
//! - A verdict RETURNED proves that nobody got anything of the other.
//! - `inline/nrs` proves that the arbiter had an item at that moment. With both of them, both MATCH, RETURNED convicts the arbiter; so does
//!   a cancel that it followed after it had taken the other side's item.
//! - Whether an item that was released is what was described, its octets tell to whoever has them: one that is not, and that the
//!   description could show, the arbiter should not have let go. What both took as it is (`inline/waive`) neither can hold against it.

use std::collections::BTreeSet;

use super::super::Broken;
use super::super::inline::ground::{Ground, Ungrounded, ground, is_refuted, receipt};
use super::super::inline::{Deposited, Proposed};
use super::super::item::{Item, matches};
use super::super::run::Keys;
use super::{Filed, Finding, basis_of, counted};
use crate::digest::Digest;
use crate::statement::exchange::inline::{Cancel, Deposit, I2, Nrs, Waive};
use crate::statement::exchange::item::{Fairness, MatchResult, RuleName};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Outcome, Side};
use crate::statement::{Body as _, Jws, Statement};

/// What was filed of an inline exchange.
#[derive(Clone, Debug)]
pub struct Evidence<'e> {
    /// i1.
    pub first: Jws,
    /// Everything else that the parties signed.
    pub statements: Vec<Jws>,
    /// What the arbiter signed about deposits.
    pub receipts: Vec<Jws>,
    /// Its verdicts.
    pub verdicts: Vec<Filed>,
    /// The items' octets, the originator's first, from whoever has them.
    pub items: [Option<&'e [u8]>; 2],
    /// Rules that the run's policy names.
    pub rules: &'e [RuleName],
}

/// What it proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The run.
    pub x: Digest,
    /// What both sides were told that it is worth.
    pub fairness: Fairness,
    /// Whether both agreed.
    pub is_agreed: bool,
    /// What was there for both, if anything was.
    pub released: Option<Released>,
    /// The items that the arbiter says that it had, the originator's first.
    pub held: [Option<Digest>; 2],
    /// Whether the octets that were filed are the released items, and what they were described as; `None` where either is missing.
    pub items: [Option<Result<MatchResult, OtherItem>>; 2],
    /// What the arbiter has decided, by verdicts that count.
    pub outcomes: BTreeSet<Outcome>,
    /// Who has cheated, by its own signatures.
    pub findings: BTreeSet<Finding>,
    /// What was filed and counts for nothing, by its digest.
    pub rejected: Vec<(Digest, Broken)>,
}

/// What each side has of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// Since when it was there.
    pub at_ms: u64,
    /// What was there for the originator: the responder's item.
    pub for_o: Digest,
    /// What was there for the responder.
    pub for_r: Digest,
    /// Whether both took it as it is.
    pub is_waived: bool,
}

/// Octets that were filed are not the item that was deposited: nobody's fault but of whoever files them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherItem;

/// Judges what was filed of an inline exchange.
///
/// # Errors
/// The first statement itself counts for nothing: then there is no run.
pub fn judge(evidence: &Evidence<'_>, keys: Keys<'_>) -> Result<Judgement, Broken> {
    let proposed = Proposed::read(evidence.first.clone(), keys)?;
    let mut judgement = Judgement {
        x: proposed.run.x,
        fairness: proposed.proposal.fairness,
        is_agreed: false,
        released: None,
        held: [None, None],
        items: [None, None],
        outcomes: BTreeSet::new(),
        findings: BTreeSet::new(),
        rejected: Vec::new(),
    };
    for jws in &evidence.statements {
        match is_of_run(&proposed, jws, keys) {
            Ok(tag) => judgement.is_agreed |= tag == I2::TAG,
            Err(broken) => judgement.rejected.push((jws.digest(), broken)),
        }
    }
    let mut receipts: Vec<Statement<Nrs>> = Vec::new();
    for jws in &evidence.receipts {
        match held(&proposed, jws, keys) {
            Ok((deposited, nrs)) => {
                judgement.held[at(deposited.deposit.side)] = Some(Digest(deposited.deposit.item_sha256.0));
                receipts.push(nrs);
            }
            Err(broken) => judgement.rejected.push((jws.digest(), broken)),
        }
    }
    let mut payloads = BTreeSet::new();
    for filed in &evidence.verdicts {
        let verdict = match counted(&proposed.run, filed, keys) {
            Ok(verdict) => verdict,
            Err(broken) => {
                judgement.rejected.push((filed.jws.digest(), broken));
                continue;
            }
        };
        judgement.outcomes.insert(verdict.outcome);
        payloads.insert(filed.jws.x());
        match rests_on(&proposed, &verdict, keys) {
            Ok(ground) => {
                judgement.is_agreed = true;
                judgement.findings.extend(is_out_of_time(&ground, &verdict).then_some(Finding::OutOfTime));
                judgement.items = looked_at(&ground, &evidence.items, evidence.rules);
                let is_something_else = judgement.items.contains(&Some(Ok(MatchResult::Mismatch)));
                let is_wrong = is_refuted(&ground, &verdict, &receipts, keys)
                    || (is_something_else && verdict.outcome == Outcome::Released);
                judgement.findings.extend(is_wrong.then_some(Finding::AgainstTheRules));
                judgement.released = judgement.released.or_else(|| released(&ground, &verdict));
            }
            Err(_) => {
                judgement.findings.insert(Finding::AgainstTheRules);
            }
        }
    }
    // Two payloads of one run: the signature over one payload may differ, a decision not.
    judgement.findings.extend((payloads.len() > 1).then_some(Finding::DecidedTwice));
    Ok(judgement)
}

const fn at(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}

fn is_of_run(proposed: &Proposed, jws: &Jws, keys: Keys<'_>) -> Result<&'static str, Broken> {
    match jws.tag() {
        I2::TAG => proposed.agreed(jws.clone(), keys).map(|_| I2::TAG),
        Deposit::TAG => proposed.deposited(jws.clone(), keys).map(|_| Deposit::TAG),
        Waive::TAG => proposed.waived(jws.clone(), keys).map(|_| Waive::TAG),
        // Whatever else it is, it is read as a cancel, and the fault says what it is not.
        _ => proposed.cancelled(jws.clone(), keys).map(|_| Cancel::TAG),
    }
}

fn held(proposed: &Proposed, jws: &Jws, keys: Keys<'_>) -> Result<(Deposited, Statement<Nrs>), Broken> {
    let nrs = receipt(jws, &proposed.run.x, &proposed.run.ttp.key, keys)?;
    let of = Deposit::TAG;
    let deposit = Jws::parse(nrs.body.deposit.as_bytes()).map_err(|fault| Broken::Statement { of, fault })?;
    Ok((proposed.deposited(deposit, keys)?, nrs))
}

/// The rules that the arbiter keeps, on the statements that the verdict embeds (PoM-4).
fn rests_on(proposed: &Proposed, verdict: &Verdict, keys: Keys<'_>) -> Result<Ground, Ungrounded> {
    let basis = basis_of(verdict).ok_or(Ungrounded::Rule("it embeds what is no statement"))?;
    let ground = ground(&proposed.run.x, verdict.outcome, &basis, keys)?;
    match verdict.policy == proposed.proposal.policy && verdict.assurance == proposed.proposal.assurance {
        true => Ok(ground),
        false => Err(Ungrounded::Rule("it names another policy, or another worth, than its run does")),
    }
}

/// An outage that the verdict names may have moved the end, by how much its entry tells, which is not looked at here.
fn is_out_of_time(ground: &Ground, verdict: &Verdict) -> bool {
    let is_after = verdict.decided_ms.get() > ground.end_ms();
    match ground.is_by_deadline(verdict.outcome) {
        true => !is_after,
        false => is_after && verdict.outages.is_empty(),
    }
}

fn released(ground: &Ground, verdict: &Verdict) -> Option<Released> {
    let [Some(o), Some(r)] = &ground.deposits else { return None };
    (verdict.outcome == Outcome::Released).then(|| Released {
        at_ms: verdict.decided_ms.get(),
        for_o: Digest(r.deposit.item_sha256.0),
        for_r: Digest(o.deposit.item_sha256.0),
        is_waived: ground.waived.iter().all(Option::is_some),
    })
}

fn looked_at(
    ground: &Ground,
    filed: &[Option<&[u8]>; 2],
    rules: &[RuleName],
) -> [Option<Result<MatchResult, OtherItem>>; 2] {
    [Side::Originator, Side::Responder].map(|side| {
        let deposited = ground.deposits[at(side)].as_ref()?;
        let item = Item::of(filed[at(side)]?, deposited.deposit.media.as_str());
        let is_it = item.sha256 == Digest(deposited.deposit.item_sha256.0);
        Some(if is_it { Ok(matches(ground.proposed.item(side), &item, rules)) } else { Err(OtherItem) })
    })
}
