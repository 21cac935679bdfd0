//! A statement is shown: it moves the run on where its stage allows it; what comes too late is recorded, and does not count.

use super::super::{Clocked, LATE_MAX, PaidEffect, PaidFact, PaidRefusal, PaidState, Show, Shown, Stage, Thing};
use super::Work;

pub(super) fn show(work: &mut Work, show: &Show, event: &Clocked) -> Result<(), PaidRefusal> {
    let state = &work.state;
    if state.knows(show.what, &show.statement) {
        return Ok(());
    }
    // Also while a case has stopped the run deadlines pass: else whoever delays the case could still do what was due.
    let is_late = state.decision.is_some()
        || state.reached.is_some()
        || state.stage == Stage::Closed
        || state.passed(event.delta_ms, &event.outages, work.at).is_some();
    if is_late {
        if state.shown.iter().filter(|known| !known.counts).count() >= LATE_MAX {
            return Err(PaidRefusal::TooManyLate);
        }
    } else {
        allowed(state, show)?;
    }
    let Some(terms) = &state.terms else { return Err(PaidRefusal::NotOpen) };
    let Show { what, statement, by, delivery } = *show;
    let fact = PaidFact::Shown { x: terms.x, at: work.at, what, statement, by, delivery, counts: !is_late };
    work.push(fact, PaidEffect::KeepStatement);
    Ok(())
}

/// The table: which statement may come when.
fn allowed(state: &PaidState, show: &Show) -> Result<(), PaidRefusal> {
    use Shown::*;
    use Stage as At;
    let thing = state.terms.as_ref().map(|terms| terms.thing);
    let stage = state.stage;
    // Once is enough of each.
    let is_first = state.find(show.what).is_none();
    let arrives = matches!(stage, At::Held | At::Shipped | At::HandedOver { .. } | At::Rejected { .. });
    let may = is_first
        && match (thing, show.what) {
            (None, _) => false,
            (Some(Thing::Receipt), what) => what == Receipt && matches!(stage, At::Ordered | At::Held),
            (_, Receipt) => false,
            (_, Accepted) => stage == At::Ordered,
            (_, Received) => arrives,
            (_, Rejected) => matches!(stage, At::HandedOver { .. }),
            (_, CancelledByPayer | CancelledByPayee) => arrives || matches!(stage, At::Ordered | At::Accepted),
            (Some(Thing::Physical), Shipped) => stage == At::Held,
            (Some(Thing::Physical), HandedOver) => matches!(stage, At::Held | At::Shipped),
            (Some(Thing::Digital), Posted) => arrives || stage == At::Accepted,
            (Some(Thing::Digital), Delivered) => stage == At::Held && state.delivery.is_some(),
            (Some(Thing::Digital), Released | Returned) => stage == At::Held,
            (Some(Thing::Physical), Posted | Delivered | Released | Returned)
            | (Some(Thing::Digital), Shipped | HandedOver) => false,
        };
    match state.delivery {
        // One delivery for one payment: else a seller could have the money for one, and a buyer it back for another.
        Some(bound) if show.delivery.is_some_and(|delivery| delivery != bound) => {
            Err(PaidRefusal::OtherDelivery { bound })
        }
        _ if may => Ok(()),
        _ => Err(PaidRefusal::NotAllowedNow { stage: stage.name() }),
    }
}
