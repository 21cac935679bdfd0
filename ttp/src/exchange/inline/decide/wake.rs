//! A timer, after the decision: what nobody needs any more is erased.

use super::Done;
use crate::exchange::inline::{Agreement, InlineEffect, InlineFact, InlineState};
use crate::time::Timestamp;

pub(super) fn wake(state: &InlineState, agreement: &Agreement, now: Timestamp) -> Done {
    match state.erased_from() {
        Some(from) if now.millis() > from => {
            vec![(InlineFact::Erased { x: agreement.x, at: now }, InlineEffect::EraseItems)]
        }
        _ => vec![],
    }
}
