//! A case stops the run, and lets it go.

use super::super::{PaidEffect, PaidFact, PaidRefusal, Stage};
use super::Work;
use crate::digest::Digest;

pub(super) fn freeze(work: &mut Work, case: Digest) -> Result<(), PaidRefusal> {
    let Some(terms) = &work.state.terms else { return Err(PaidRefusal::NotOpen) };
    match work.state.frozen {
        Some(by) if by != case => return Err(PaidRefusal::Frozen { by }),
        Some(_) => return Ok(()),
        None if work.state.stage == Stage::Closed => {
            return Err(PaidRefusal::NotAllowedNow { stage: work.state.stage.name() });
        }
        None => {}
    }
    let fact = PaidFact::Frozen { x: terms.x, at: work.at, case };
    work.push(fact, PaidEffect::Record);
    Ok(())
}

/// What was reached meanwhile is decided then, and so is what time has decided.
pub(super) fn thaw(work: &mut Work, case: Digest) -> Result<(), PaidRefusal> {
    let Some(terms) = &work.state.terms else { return Err(PaidRefusal::NotOpen) };
    if work.state.frozen != Some(case) {
        return Err(PaidRefusal::NotFrozen);
    }
    let fact = PaidFact::Thawed { x: terms.x, at: work.at, case };
    work.push(fact, PaidEffect::Record);
    Ok(())
}
