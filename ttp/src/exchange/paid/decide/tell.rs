//! Something is told of the money. It is so, whatever the stage: what it leads to follows from the fold.

use super::super::{PaidEffect, PaidFact, Tell};
use super::Work;

pub(super) fn tell(work: &mut Work, tell: &Tell) {
    let Some(terms) = &work.state.terms else { return };
    if work.state.told.contains(&tell.source) {
        return;
    }
    let fact = PaidFact::Told { x: terms.x, at: work.at, what: tell.what, source: tell.source };
    work.push(fact, PaidEffect::Record);
}
