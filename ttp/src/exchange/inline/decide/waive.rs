//! A side takes both items as they are; the second one to do so releases.

use super::{Done, decided};
use crate::digest::Digest;
use crate::exchange::inline::state::index;
use crate::exchange::inline::{Agreement, Ends, InlineEffect, InlineFact, InlineRefusal, InlineState};
use crate::statement::exchange::{Outcome, Side};
use crate::time::Timestamp;

pub(super) fn waive(
    state: &InlineState,
    agreement: &Agreement,
    ends: &Ends,
    (side, request, items): (Side, Digest, [Digest; 2]),
    now: Timestamp,
) -> Result<Done, InlineRefusal> {
    let [Some(o), Some(r)] = state.deposits else { return Err(InlineRefusal::NothingToWaive) };
    if items != [o.moved.item, r.moved.item] {
        return Err(InlineRefusal::OtherItems);
    }
    if state.waived[index(side)].is_some() {
        return Ok(vec![]);
    }
    let fact = InlineFact::Waived { x: agreement.x, at: now, side, request };
    let mut done = vec![(fact, InlineEffect::KeepStatement)];
    if state.waived[index(side.other())].is_some() {
        done.push(decided(agreement, Outcome::Released, &ends.run, (Some((side, request)), 2), now));
    }
    Ok(done)
}
