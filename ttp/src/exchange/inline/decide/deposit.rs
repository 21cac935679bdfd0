//! A side deposits: the second good deposit releases, if a machine could tell that both are what was described.

use super::{Done, decided};
use crate::exchange::inline::sealed::OVERHEAD;
use crate::exchange::inline::state::REFUSALS_MAX;
use crate::exchange::inline::{Agreement, Ends, InlineEffect, InlineFact, InlineRefusal, InlineState, Moved};
use crate::statement::exchange::Outcome;
use crate::statement::exchange::inline::{DepositFault, DepositMode};
use crate::statement::exchange::item::MatchResult;
use crate::time::Timestamp;

pub(super) fn deposit(
    state: &InlineState,
    agreement: &Agreement,
    ends: &Ends,
    (moved, size, found): (&Moved, u64, Result<MatchResult, DepositFault>),
    now: Timestamp,
) -> Result<Done, InlineRefusal> {
    // What was taken the other side may rely on: it is not replaced, not by something better either.
    if state.deposit(moved.side).is_some() {
        return Err(InlineRefusal::AlreadyDeposited);
    }
    let x = agreement.x;
    let result = match found {
        Ok(MatchResult::Mismatch) => Err(DepositFault::Mismatch),
        found => found,
    };
    let result = match result {
        Ok(result) => result,
        Err(reason) => {
            let refused = state.refused.iter().filter(|(side, ..)| *side == moved.side).count();
            if refused >= REFUSALS_MAX {
                return Err(InlineRefusal::TooManyRefused);
            }
            let fact = InlineFact::SubmissionRefused { x, at: now, moved: *moved, reason };
            return Ok(vec![(fact, InlineEffect::SignRefused)]);
        }
    };
    let fact = InlineFact::Submitted { x, at: now, moved: *moved, size, result };
    let size = match agreement.mode {
        DepositMode::Content => size,
        DepositMode::Sealed => size.saturating_add(OVERHEAD as u64),
    };
    let kept = InlineFact::Kept { x, at: now, side: moved.side, size };
    let mut done = vec![(fact, InlineEffect::SignSubmitted), (kept, InlineEffect::KeepItem)];
    let other = state.deposit(moved.side.other());
    if other.is_some_and(|other| (result, other.result) == (MatchResult::Match, MatchResult::Match)) {
        done.push(decided(agreement, Outcome::Released, &ends.deposit, (Some((moved.side, moved.request)), 2), now));
    }
    Ok(done)
}
