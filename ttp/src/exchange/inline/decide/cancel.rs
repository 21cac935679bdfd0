//! A side wants no more of it: nobody who has deposited is left without the other's word by that.

use super::{Done, decided};
use crate::digest::Digest;
use crate::exchange::inline::{Agreement, Ends, InlineRefusal, InlineState};
use crate::statement::exchange::{Outcome, Side};
use crate::time::Timestamp;

pub(super) fn cancel(
    state: &InlineState,
    agreement: &Agreement,
    ends: &Ends,
    (side, request): (Side, Digest),
    now: Timestamp,
) -> Result<Done, InlineRefusal> {
    if state.deposit(side.other()).is_some() {
        return Err(InlineRefusal::OtherDeposited);
    }
    Ok(vec![decided(agreement, Outcome::Returned, &ends.deposit, (Some((side, request)), state.held()), now)])
}
