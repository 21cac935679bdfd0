//! A side wants what is due to it. It may ask again, as long as the items are kept: an answer can be lost.

use super::Done;
use crate::digest::Digest;
use crate::exchange::inline::state::index;
use crate::exchange::inline::{Agreement, InlineEffect, InlineFact, InlineRefusal, InlineState, Moved};
use crate::statement::exchange::Side;
use crate::time::Timestamp;

pub(super) fn collect(
    state: &InlineState,
    agreement: &Agreement,
    (side, request): (Side, Digest),
    now: Timestamp,
) -> Result<Done, InlineRefusal> {
    let held = state.due_to(side).ok_or(InlineRefusal::NothingToCollect)?;
    if state.collected[index(side)] {
        return Ok(vec![]);
    }
    // Whoever comes before the eraser gets it, also after retention: the promise is how long at least.
    let moved = Moved { side, request, item: held.moved.item };
    Ok(vec![(InlineFact::Collected { x: agreement.x, at: now, moved }, InlineEffect::HandItem)])
}
