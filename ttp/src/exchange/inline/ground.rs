//! What a verdict about an inline exchange rests on: for whoever judges it afterwards, with the statements that it embeds and no more.
//!
//! ```text
//! RELEASED   i1, i2, deposit of O, deposit of R, and where a machine could not tell: waiver of O, waiver of R
//! RETURNED   i1, i2, what was deposited, and where no deadline did it: the cancel
//! ```
//!
//! The octets are not there, so a comparison that needs them (`predicate`) is believed; hash, length and media type are compared again.

use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::exchange::Broken;
use crate::exchange::item::{Item, at_best, matches};
use crate::exchange::run::Keys;
use crate::statement::exchange::inline::{Deposit, I1, Nrs, Waive};
use crate::statement::exchange::item::MatchResult;
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Outcome, Side};
use crate::statement::{Body as _, Jws, Statement};

use super::state::{SIDES, index};
use super::{Deposited, Proposed};

/// The statements of a verdict, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Ground {
    /// i1.
    pub proposed: Proposed,
    /// What each side had deposited, the originator first.
    pub deposits: [Option<Deposited>; 2],
    /// The items that each side took as they are.
    pub waived: [Option<[Digest; 2]>; 2],
    /// Who cancelled.
    pub cancelled: Option<Side>,
}

/// Why a verdict does not follow from what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ungrounded {
    /// One of the statements counts for nothing.
    #[error("{0}")]
    Broken(#[from] Broken),
    /// They are all good, and another verdict follows from them.
    #[error("{0}")]
    Rule(&'static str),
}

/// Reads what a verdict rests on, and holds it against the outcome.
///
/// # Errors
/// [`Ungrounded`].
pub fn ground(x: &Digest, outcome: Outcome, basis: &[Jws], keys: Keys<'_>) -> Result<Ground, Ungrounded> {
    let rule = |why| Err(Ungrounded::Rule(why));
    let [first, second, rest @ ..] = basis else { return rule("it does not rest on an agreement of both") };
    let proposed = Proposed::read(first.clone(), keys)?;
    if proposed.run.x != *x {
        return Err(Broken::OtherRun { of: I1::TAG }.into());
    }
    proposed.agreed(second.clone(), keys)?;
    let mut ground = Ground { proposed, deposits: [None, None], waived: [None, None], cancelled: None };
    for jws in rest {
        ground.take(jws, keys)?;
    }
    let both = ground.both();
    match (outcome, both, ground.cancelled) {
        (Outcome::Released, Some(both), None) => ground.lets_go(both)?,
        (Outcome::Released, None, _) => return rule("it lets items go that were not both deposited"),
        (Outcome::Released, _, Some(_)) => return rule("it lets items go after a cancel"),
        (Outcome::Returned, _, Some(side)) => {
            if ground.deposits[index(side.other())].is_some() {
                return rule("it rests on a cancel of one side after the other had deposited");
            }
        }
        (Outcome::Returned, Some(both), None) => {
            let certain = both.iter().all(|deposited| ground.compared(deposited, Sight::Certain) == MatchResult::Match);
            if certain || ground.waived.iter().all(Option::is_some) {
                return rule(
                    "it returns items that were to be released: both were deposited, as described or taken as they are",
                );
            }
        }
        (Outcome::Returned, None, None) => {}
        _ => return rule("an inline exchange is released or returned"),
    }
    Ok(ground)
}

/// How much of a comparison is believed.
#[derive(Clone, Copy)]
enum Sight {
    /// What only octets tell is taken for true.
    AtBest,
    /// What only octets tell is left open.
    Certain,
}

impl Ground {
    fn take(&mut self, jws: &Jws, keys: Keys<'_>) -> Result<(), Ungrounded> {
        let twice = || Err(Ungrounded::Rule("it rests on two statements of one kind by one side"));
        match jws.tag() {
            Deposit::TAG => {
                let deposited = self.proposed.deposited(jws.clone(), keys)?;
                let place = &mut self.deposits[index(deposited.deposit.side)];
                if place.replace(deposited).is_some() { twice() } else { Ok(()) }
            }
            Waive::TAG => {
                let (signed, items) = self.proposed.waived(jws.clone(), keys)?;
                if self.waived[index(signed.side)].replace(items).is_some() { twice() } else { Ok(()) }
            }
            // Whatever else it is, it is read as a cancel, and the fault says what it is not.
            _ => {
                let signed = self.proposed.cancelled(jws.clone(), keys)?;
                if self.cancelled.replace(signed.side).is_some() { twice() } else { Ok(()) }
            }
        }
    }

    fn both(&self) -> Option<[&Deposited; 2]> {
        let [o, r] = &self.deposits;
        o.as_ref().zip(r.as_ref()).map(|(o, r)| [o, r])
    }

    /// The comparison of a deposit with its description once more, and what its depositor said of it.
    fn compared(&self, deposited: &Deposited, sight: Sight) -> MatchResult {
        let Deposit { side, item_sha256, size, media, result, .. } = &deposited.deposit;
        let item = Item { sha256: Digest(item_sha256.0), len: size.get(), media: media.as_str(), octets: None };
        let described = self.proposed.item(*side);
        let found = match sight {
            Sight::AtBest => at_best(described, &item),
            Sight::Certain => matches(described, &item, &[]),
        };
        found.max(*result)
    }

    fn lets_go(&self, both: [&Deposited; 2]) -> Result<(), Ungrounded> {
        let rule = |why| Err(Ungrounded::Rule(why));
        let worst = both.map(|deposited| self.compared(deposited, Sight::AtBest)).into_iter().max();
        if worst == Some(MatchResult::Mismatch) {
            return rule("it lets an item go that is not what was described");
        }
        let items = both.map(|deposited| Digest(deposited.deposit.item_sha256.0));
        match self.waived {
            [Some(o), Some(r)] if o == items && r == items => Ok(()),
            [Some(_), Some(_)] => rule("it rests on a waiver of other items than were deposited"),
            [None, None] if worst == Some(MatchResult::Match) => Ok(()),
            _ => rule("it lets an item go that only people can judge, and both sides did not take it as it is"),
        }
    }

    /// The end by which it was to be decided, as i1 has it, milliseconds since 1970.
    #[must_use]
    pub fn end_ms(&self) -> u64 {
        let is_of_run = self.waived.iter().any(Option::is_some) || (self.both().is_some() && !self.is_complete());
        match is_of_run {
            true => self.proposed.proposal.t_exp.get(),
            false => self.proposed.proposal.t_dep.get(),
        }
    }

    /// Whether both deposits were what was described, so that the second of them decided.
    fn is_complete(&self) -> bool {
        self.both().is_some_and(|both| {
            both.iter().all(|deposited| self.compared(deposited, Sight::AtBest) == MatchResult::Match)
        })
    }

    /// Whether such a verdict says that an end has passed; any other was to be made before it.
    #[must_use]
    pub fn is_by_deadline(&self, outcome: Outcome) -> bool {
        outcome == Outcome::Returned && self.cancelled.is_none()
    }
}

/// Whether what the arbiter has signed about deposits of the run shows that its RETURNED is wrong: it had both items in good order, or had
/// taken the other side's before somebody cancelled.
#[must_use]
pub fn is_refuted(ground: &Ground, verdict: &Verdict, receipts: &[Statement<Nrs>], keys: Keys<'_>) -> bool {
    let before = |at_ms: u64| at_ms <= verdict.decided_ms.get();
    let taken = |side: Side| {
        receipts.iter().find(|nrs| {
            let deposited = Jws::parse(nrs.body.deposit.as_bytes()).ok();
            let deposited = deposited.and_then(|jws| ground.proposed.deposited(jws, keys).ok());
            before(nrs.body.at_ms.get()) && deposited.is_some_and(|deposited| deposited.deposit.side == side)
        })
    };
    let is_released = SIDES.iter().all(|side| taken(*side).is_some_and(|nrs| nrs.body.result == MatchResult::Match));
    let is_too_late = ground.cancelled.is_some_and(|side| taken(side.other()).is_some());
    verdict.outcome == Outcome::Returned && (is_released || is_too_late)
}

/// Reads what the arbiter signed about a deposit.
///
/// # Errors
/// [`Broken`].
pub fn receipt(jws: &Jws, x: &Digest, arbiter: &Thumbprint, keys: Keys<'_>) -> Result<Statement<Nrs>, Broken> {
    let of = Nrs::TAG;
    let statement = jws.payload_as::<Nrs>().map_err(|fault| Broken::Statement { of, fault })?;
    if statement.common.x.map(|x| Digest(x.0)) != Some(*x) {
        return Err(Broken::OtherRun { of });
    }
    if jws.key_id() != *arbiter {
        return Err(Broken::OtherArbiter { key: jws.key_id().to_string() });
    }
    let key = keys(arbiter).ok_or(Broken::UnknownKey { side: "arbiter", key: arbiter.to_string() })?;
    jws.verify(&key).map_err(|fault| Broken::Statement { of, fault })?;
    Ok(statement)
}
