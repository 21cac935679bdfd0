//! Both sides' agreement is shown.

use super::{Done, decided};
use crate::exchange::inline::{Agreement, Ends, InlineEffect, InlineFact};
use crate::statement::exchange::Outcome;
use crate::time::Timestamp;

/// After the end for deposits it is registered all the same, and returned: who asks gets an end of it.
pub(super) fn register(agreement: &Agreement, ends: &Ends, now: Timestamp) -> Done {
    let fact = InlineFact::Registered { at: now, agreement: Box::new(agreement.clone()) };
    let mut done = vec![(fact, InlineEffect::SignRegistered)];
    if ends.deposit.has_passed(now) {
        done.push(decided(agreement, Outcome::Returned, &ends.deposit, (None, 0), now));
    }
    done
}
