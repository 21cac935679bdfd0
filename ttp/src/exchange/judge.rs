//! What the statements of a run prove, for whoever has them: a party, a court, a dispute (exchange-and-disputes §5, J1–J7). Here of a
//! contract; of a delivery in [`delivery`], of the evidence of its steps in [`erds`], of an exchange through the arbiter in [`inline`].
//!
//! Nothing here depends on who shows a statement, nor on what the arbiter has in its store. A judge gives all that was filed, by either
//! side, and gets one judgement; statements that prove nothing are named with the reason.
//!
//! - J1 A contract exists if its standard evidence {m1, m2, m3, m4} or a verdict RESOLVED verifies.
//! - J2 **A contract beats ABORTED and EXPIRED**: these prove only that the arbiter will make no replacement.
//! - J3 All valid evidence of one run is of one contract; its text is `terms`.
//! - J4 m1, m2 or m3 alone prove that somebody wanted it, and bind nobody.
//! - J5 RESOLVED and another outcome of one run: the contract stands, and the arbiter is liable.
//! - J6 A contract's time is `decided_ms`, or for standard evidence not before m3's `iat` as its signer claims it.
//! - J7 A verdict counts if the key that m1 names has signed it *and* an entry of its log has the run's tag; without the entry it is the
//!   word of whoever had the key.

pub mod delivery;
pub mod erds;
pub mod inline;
pub mod paid;

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::statement::exchange::Outcome;
use crate::statement::exchange::asw_r::{Abort, M2, M3, M4};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::{Body, Jws, Statement};

use super::asw_r::{Answered, Offered};
use super::run::{Keys, Run};
use super::{Broken, Demand};

/// A verdict that was filed.
#[derive(Clone, Debug, PartialEq)]
pub struct Filed {
    /// As it was received.
    pub jws: Jws,
    /// Whether an inclusion proof of its entry, with the run's tag, was verified beside it.
    pub is_logged: bool,
}

/// What was filed of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// m1.
    pub first: Jws,
    /// Everything else that the parties signed.
    pub statements: Vec<Jws>,
    /// Verdicts of the arbiter.
    pub verdicts: Vec<Filed>,
}

/// What it proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The run.
    pub x: Digest,
    /// The contract, if there is one, and what proves it.
    pub contract: Option<Proven>,
    /// What the arbiter has decided, by verdicts that count.
    pub outcomes: BTreeSet<Outcome>,
    /// Who has cheated, by its own signatures.
    pub findings: BTreeSet<Finding>,
    /// What was filed and counts for nothing, by its digest.
    pub rejected: Vec<(Digest, Broken)>,
}

/// What proves a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// All four messages.
    pub standard: bool,
    /// A verdict.
    pub replacement: bool,
    /// When it was concluded, as the arbiter says or, without a verdict, as the originator claimed in m3.
    pub at_ms: u64,
}

/// Cheating that signatures alone show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// PC-1: the originator took the offer back and opened its commitment as well.
    AbortedAndOpened,
    /// PC-2: the responder gave one offer two answers.
    AnsweredTwice,
    /// PC-3: the originator's escrow did not hold the key, as the arbiter says and nothing refutes.
    EscrowedRubbish,
    /// PC-4: what the originator delivered is not what it promised.
    SentOtherContent,
    /// J5, PoM-1: the arbiter decided twice.
    DecidedTwice,
    /// PoM-4: the arbiter's verdict does not follow from what it rests on.
    AgainstTheRules,
    /// PoM-5: the arbiter decided after the end of the run, or called it ended before.
    OutOfTime,
}

/// What something breaks that an arbiter has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not follow from what it embeds.
    Rule(&'static str),
    /// What it embeds counts for nothing.
    Statement(Broken),
    /// It comes on the wrong side of the moment on which it rests.
    Time(&'static str),
}

impl Fault {
    /// Of what it convicts whoever signed that.
    #[must_use]
    pub const fn finding(&self) -> Finding {
        match self {
            Self::Rule(_) | Self::Statement(_) => Finding::AgainstTheRules,
            Self::Time(_) => Finding::OutOfTime,
        }
    }
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Self::Statement(broken)
    }
}

/// Judges what was filed of a run.
///
/// # Errors
/// The first statement itself counts for nothing: then there is no run.
pub fn judge(evidence: &Evidence, keys: Keys<'_>) -> Result<Judgement, Broken> {
    let offered = Offered::read(evidence.first.clone(), keys)?;
    let mut judgement = Judgement {
        x: offered.run.x,
        contract: None,
        outcomes: BTreeSet::new(),
        findings: BTreeSet::new(),
        rejected: Vec::new(),
    };
    let sorted = Sorted::of(&offered, &evidence.statements, keys, &mut judgement.rejected);
    let mut verdicts = Vec::new();
    for filed in &evidence.verdicts {
        match counted(&offered.run, filed, keys) {
            Ok(verdict) => {
                let rests = rests_on_its_basis(&offered, &verdict, keys);
                judgement.findings.extend((!rests).then_some(Finding::AgainstTheRules));
                judgement.findings.extend((!is_in_time(&offered.run, &verdict)).then_some(Finding::OutOfTime));
                judgement.outcomes.insert(verdict.outcome);
                verdicts.push((filed.jws.x(), verdict, rests));
            }
            Err(broken) => judgement.rejected.push((filed.jws.digest(), broken)),
        }
    }
    // Two payloads of one run: the signature over one payload may differ, a decision not.
    if verdicts.iter().map(|(payload, ..)| payload).collect::<BTreeSet<_>>().len() > 1 {
        judgement.findings.insert(Finding::DecidedTwice);
    }
    let mut commitments: BTreeSet<_> = sorted.answers.iter().map(|answered| answered.c_r).collect();
    for (_, verdict, _) in &verdicts {
        commitments.extend(answer_in(&offered, verdict, keys).map(|answered| answered.c_r));
    }
    // An abort counts wherever it stands: also in the verdict that it led to.
    let took_back =
        sorted.aborted || verdicts.iter().any(|(_, verdict, rests)| *rests && verdict.outcome == Outcome::Aborted);
    if took_back && !sorted.opened.is_empty() {
        judgement.findings.insert(Finding::AbortedAndOpened);
    }
    if commitments.len() > 1 {
        judgement.findings.insert(Finding::AnsweredTwice);
    }
    let standard = sorted.standard(&offered, keys);
    // One that embeds no agreement of the responder's proves none.
    let resolved = verdicts.iter().find(|(_, verdict, rests)| *rests && verdict.outcome == Outcome::Resolved);
    judgement.contract = match (standard, resolved) {
        (None, None) => None,
        (standard, resolved) => Some(Proven {
            standard: standard.is_some(),
            replacement: resolved.is_some(),
            at_ms: resolved.map(|(_, verdict, _)| verdict.decided_ms.get()).or(standard).unwrap_or_default(),
        }),
    };
    Ok(judgement)
}

/// The statements of the parties, by kind.
struct Sorted<'e> {
    answers: Vec<Answered>,
    opened: Vec<(&'e Jws, Statement<M3>)>,
    closed: Vec<&'e Jws>,
    aborted: bool,
}

impl<'e> Sorted<'e> {
    fn of(offered: &Offered, statements: &'e [Jws], keys: Keys<'_>, rejected: &mut Vec<(Digest, Broken)>) -> Self {
        let mut sorted = Self { answers: Vec::new(), opened: Vec::new(), closed: Vec::new(), aborted: false };
        // Answers first: what opens a commitment is held against them.
        let (answers, others): (Vec<&Jws>, Vec<&Jws>) = statements.iter().partition(|jws| jws.tag() == M2::TAG);
        for jws in answers {
            match offered.answered(jws.clone(), keys) {
                Ok(answered) => sorted.answers.push(answered),
                Err(broken) => rejected.push((jws.digest(), broken)),
            }
        }
        for jws in others {
            if let Err(broken) = sorted.take(offered, jws, keys) {
                rejected.push((jws.digest(), broken));
            }
        }
        sorted
    }

    fn take(&mut self, offered: &Offered, jws: &'e Jws, keys: Keys<'_>) -> Result<(), Broken> {
        if jws.tag() == Abort::TAG {
            self.aborted |= matches!(offered.abort(jws.clone(), keys)?.demand, Demand::Abort);
        } else if jws.tag() == M4::TAG {
            self.of_some_answer(M4::TAG, |answered| offered.opened_by_r(answered, jws, keys))?;
            self.closed.push(jws);
        } else {
            self.of_some_answer(M3::TAG, |answered| offered.opened_by_o(answered, jws, keys))?;
            let statement = jws.payload_as().map_err(|fault| Broken::Statement { of: M3::TAG, fault })?;
            self.opened.push((jws, statement));
        }
        Ok(())
    }

    /// Whether it fits one of the answers; without any it fits none.
    fn of_some_answer(&self, of: &'static str, fits: impl Fn(&Answered) -> Result<(), Broken>) -> Result<(), Broken> {
        let mut why = Broken::OtherCommitment { of };
        for answered in &self.answers {
            match fits(answered) {
                Ok(()) => return Ok(()),
                Err(broken) => why = broken,
            }
        }
        Err(why)
    }

    /// When the originator claims to have opened, if one answer has both openings.
    fn standard(&self, offered: &Offered, keys: Keys<'_>) -> Option<u64> {
        let complete = self.answers.iter().filter_map(|answered| {
            let opened = self.opened.iter().find(|(jws, _)| offered.opened_by_o(answered, jws, keys).is_ok());
            let closed = self.closed.iter().any(|jws| offered.opened_by_r(answered, jws, keys).is_ok());
            opened.filter(|_| closed).map(|(_, m3)| m3.common.iat.get())
        });
        complete.min()
    }
}

/// Reads a verdict that the arbiter of this run has signed and logged.
pub(super) fn counted(run: &Run, filed: &Filed, keys: Keys<'_>) -> Result<Verdict, Broken> {
    let jws = &filed.jws;
    let of = Verdict::TAG;
    let Statement { common, body } = jws.payload_as::<Verdict>().map_err(|fault| Broken::Statement { of, fault })?;
    if common.x.map(|x| Digest(x.0)) != Some(run.x) || body.proto != run.protocol {
        return Err(Broken::OtherRun { of });
    }
    let named = run.ttp.key;
    if jws.key_id() != named {
        return Err(Broken::OtherArbiter { key: jws.key_id().to_string() });
    }
    let key = keys(&named).ok_or(Broken::UnknownKey { side: "arbiter", key: named.to_string() })?;
    jws.verify(&key).map_err(|fault| Broken::Statement { of, fault })?;
    if filed.is_logged { Ok(body) } else { Err(Broken::NotLogged) }
}

/// The statements that a verdict embeds; `None` if one of them is none.
pub(super) fn basis_of(verdict: &Verdict) -> Option<Vec<Jws>> {
    verdict.basis.iter().map(|text| Jws::parse(text.as_bytes()).ok()).collect()
}

/// The rules that the arbiter keeps, on the statements that the verdict embeds (PoM-4).
fn rests_on_its_basis(offered: &Offered, verdict: &Verdict, keys: Keys<'_>) -> bool {
    let Some(basis) = basis_of(verdict) else { return false };
    // Its own copy of the first statement, which may be another one than was filed: one payload may be signed more than once.
    let first = basis.first().and_then(|m1| Offered::read(m1.clone(), keys).ok());
    let Some(first) = first.filter(|embedded| embedded.run.x == offered.run.x) else { return false };
    let keeps = match (verdict.outcome, &basis[1..]) {
        (Outcome::Resolved, [m2]) => first.answered(m2.clone(), keys).is_ok(),
        (Outcome::Aborted, [abort]) => first.abort(abort.clone(), keys).is_ok(),
        (Outcome::Expired, []) => true,
        _ => false,
    };
    keeps && verdict.policy.0 == offered.run.policy.0
}

/// EXPIRED only after the end, anything else only before it. An outage that the verdict names may have moved the end, by how much its
/// entry tells, which is not looked at here.
fn is_in_time(run: &Run, verdict: &Verdict) -> bool {
    let Some(t_exp) = run.t_exp else { return verdict.outcome != Outcome::Expired };
    let is_after = verdict.decided_ms.get() > t_exp;
    match verdict.outcome {
        Outcome::Expired => is_after,
        Outcome::Aborted
        | Outcome::Resolved
        | Outcome::Released
        | Outcome::Void
        | Outcome::Returned
        | Outcome::Captured => !is_after || !verdict.outages.is_empty(),
    }
}

/// The answer that a verdict RESOLVED embeds.
fn answer_in(offered: &Offered, verdict: &Verdict, keys: Keys<'_>) -> Option<Answered> {
    let [m1, m2] = verdict.basis.as_slice() else { return None };
    let (m1, m2) = (Jws::parse(m1.as_bytes()).ok()?, Jws::parse(m2.as_bytes()).ok()?);
    let first = Offered::read(m1, keys).ok().filter(|embedded| embedded.run.x == offered.run.x)?;
    first.answered(m2, keys).ok()
}
