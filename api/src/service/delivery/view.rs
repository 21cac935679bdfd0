//! What its sides see of a registered delivery: all evidence of it, and what is still awaited.

use semper_ttp::{
    digest::Digest,
    exchange::erds::{Awaited, ErdsState, RegisteredDelivery},
    statement::exchange::erds::ErdsEvent,
    x509::Certificate,
};

use super::{
    super::{Service, exchange::ExchangeFault},
    RegisteredRun,
};

/// A delivery as it is now.
pub(crate) struct DeliveryView {
    pub(crate) x: Digest,
    pub(crate) state: ErdsState,
    /// The earliest first.
    pub(crate) awaited: Vec<Awaited>,
    /// What was signed of each event, with its entry, in the order in which they were recorded.
    pub(crate) evidence: Vec<(ErdsEvent, u64, Vec<u8>)>,
}

impl Service {
    /// A delivery as one of its sides sees it; `None` for one that nobody submitted, or somebody else's. Blocks.
    ///
    /// # Errors
    /// [`ExchangeFault`].
    pub(crate) fn delivery_of(&self, x: &Digest, by: &Certificate) -> Result<Option<DeliveryView>, ExchangeFault> {
        let state = self.state_of::<RegisteredDelivery>(&RegisteredDelivery::aggregate(x))?.state;
        let Some((_, posting)) = &state.submission else { return Ok(None) };
        if self.require_side(&[posting.o, posting.r], by)?.is_none() {
            return Ok(None);
        }
        // Whoever asks sees what is so now, and not what was so when somebody looked last; where nothing can be recorded, what there is.
        match self.wake_delivery(x) {
            Err(fault) if !fault.is_of_the_moment() => {
                tracing::warn!(%fault, "a delivery is shown as it was when it was looked at last");
            }
            _ => {}
        }
        let run = self.kept_delivery(x)?.ok_or(ExchangeFault::Erased)?;
        self.delivery_view(&run).map(Some)
    }

    pub(super) fn delivery_view(&self, run: &RegisteredRun) -> Result<DeliveryView, ExchangeFault> {
        let x = run.posted.run.x;
        let aggregate = RegisteredDelivery::aggregate(&x);
        let state = self.state_of::<RegisteredDelivery>(&aggregate)?.state;
        let awaited = state.awaited(&self.end_of_delivery(run)?);
        let mut steps: Vec<_> = state.events.iter().map(|(event, logged)| (logged.step, *event)).collect();
        steps.sort_unstable();
        let mut evidence = Vec::new();
        for (step, event) in steps {
            let index = self.reader().step_index(&aggregate.0, step)?.ok_or(ExchangeFault::Erased)?;
            evidence.push((event, index, self.reader().artefact(index)?.ok_or(ExchangeFault::Erased)?));
        }
        Ok(DeliveryView { x, state, awaited, evidence })
    }
}
