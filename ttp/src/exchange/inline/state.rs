//! What is known of one inline exchange.

use crate::digest::Digest;
use crate::statement::exchange::item::MatchResult;
use crate::statement::exchange::{Outcome, Side};
use crate::time::Timestamp;

use super::{Agreement, Ends, InlineDecision, Moved};
use crate::exchange::expiry::End;

/// Deposits of one side that are refused and recorded.
pub const REFUSALS_MAX: usize = 8;

/// The state of an inline exchange; the default is one that nobody has registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct InlineState {
    /// What both have agreed on, and since when.
    pub agreement: Option<(Timestamp, Agreement)>,
    /// What each side has deposited, the originator first.
    pub deposits: [Option<Held>; 2],
    /// Deposits that were refused: whose, by which statement, and the step that says so.
    pub refused: Vec<(Side, Digest, u64)>,
    /// Who takes both items as they are: by which statement, and the step that says so.
    pub waived: [Option<(Digest, u64)>; 2],
    /// What was decided, and the step that says so.
    pub decision: Option<(u64, InlineDecision)>,
    /// Who was given an item.
    pub collected: [bool; 2],
    /// Whether the items are gone.
    pub is_erased: bool,
    /// Facts so far.
    pub steps: u64,
}

/// A deposit that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// Whose, by which statement, and what.
    pub moved: Moved,
    /// What the comparison with the description gave.
    pub result: MatchResult,
    /// The step that says so.
    pub step: u64,
    /// Where its octets are; the same decision keeps them.
    pub kept: Option<Kept>,
}

/// Octets that are kept, sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kept {
    /// The step whose artefact they are.
    pub step: u64,
    /// How many they are, unsealed.
    pub size: u64,
}

/// How far an inline exchange has come. The names are those of the specification, but for [`Phase::Both`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nobody has shown an agreement.
    Open,
    /// Nobody has deposited.
    Agreed,
    /// One side has.
    Half(Side),
    /// Both have, and it needs both to take what no machine can check.
    Both,
    /// Both items are there for the other side.
    Released,
    /// Each gets back what it deposited.
    Returned,
}

pub(super) const SIDES: [Side; 2] = [Side::Originator, Side::Responder];

pub(super) const fn index(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}

impl InlineState {
    /// How far it has come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match (&self.decision, &self.deposits) {
            (Some((_, decision)), _) if decision.outcome == Outcome::Released => Phase::Released,
            (Some(_), _) => Phase::Returned,
            (None, _) if self.agreement.is_none() => Phase::Open,
            (None, [None, None]) => Phase::Agreed,
            (None, [Some(_), None]) => Phase::Half(Side::Originator),
            (None, [None, Some(_)]) => Phase::Half(Side::Responder),
            (None, [Some(_), Some(_)]) => Phase::Both,
        }
    }

    /// What a side has deposited.
    #[must_use]
    pub const fn deposit(&self, side: Side) -> Option<&Held> {
        self.deposits[index(side)].as_ref()
    }

    /// How many items are deposited.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.deposits.iter().flatten().count() as u64
    }

    /// Whose item a side may collect: after RELEASED the other's, after RETURNED its own.
    #[must_use]
    pub fn due_to(&self, side: Side) -> Option<&Held> {
        match self.phase() {
            Phase::Released => self.deposit(side.other()),
            Phase::Returned => self.deposit(side),
            Phase::Open | Phase::Agreed | Phase::Half(_) | Phase::Both => None,
        }
        .filter(|_| !self.is_erased)
    }

    /// The end that is the next to pass.
    #[must_use]
    pub fn end<'e>(&self, ends: &'e Ends) -> &'e End {
        match self.phase() {
            Phase::Both => &ends.run,
            _ => &ends.deposit,
        }
    }

    /// From when on the items are to be erased, milliseconds since 1970; `None` while nothing is decided, and where nothing is left.
    /// Who got back what is its own has it; who got the other's may have lost it on the way, and asks again until retention is over.
    #[must_use]
    pub fn erased_from(&self) -> Option<u64> {
        let ((_, agreement), (_, decision)) = (self.agreement.as_ref()?, self.decision.as_ref()?);
        let is_anything_left = !self.is_erased && self.deposits.iter().any(Option::is_some);
        let is_back = SIDES.iter().all(|side| self.deposit(*side).is_none() || self.collected[index(*side)]);
        let kept_ms = if decision.outcome == Outcome::Returned && is_back { 0 } else { agreement.retention_ms };
        is_anything_left.then(|| decision.at.millis().saturating_add(kept_ms))
    }

    /// The moment after which a timer is to wake, milliseconds since 1970; `None` where nothing is left to wait for.
    #[must_use]
    pub fn wakes_after(&self, ends: &Ends) -> Option<u64> {
        match self.phase() {
            Phase::Open => None,
            Phase::Agreed | Phase::Half(_) | Phase::Both => Some(self.end(ends).at_ms),
            Phase::Released | Phase::Returned => self.erased_from(),
        }
    }

    /// The step at which a deposit by this statement was refused.
    #[must_use]
    pub fn refusal_of(&self, side: Side, request: &Digest) -> Option<u64> {
        let found = self.refused.iter().find(|(whose, refused, _)| *whose == side && refused == request);
        found.map(|(_, _, step)| *step)
    }
}
