//! The simulator with the service's clock, for demonstrations: no money is behind it.
//!
//! It keeps nothing on disk. What it was asked stands in the ledger, so a start asks it all of that again, at the moments of the ledger, and it
//! is where it was. What it would tell unasked is forgotten: it has no provider who signs that.

use std::sync::Arc;

use semper_ttp::{
    crypto::Signer,
    digest::Digest,
    money::Amount,
    payment::{
        rail::{Evidence, PaymentRail, RailAnswer, RailCall, RailClass, RailId},
        simulator::Simulator,
    },
    time::Timestamp,
};

use crate::service::TimeSource;

/// The rail.
pub struct SimulatedRail {
    simulator: Simulator,
    time: Arc<dyn TimeSource>,
}

impl std::fmt::Debug for SimulatedRail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.simulator.fmt(f)
    }
}

impl SimulatedRail {
    /// A rail that does what it is asked, signs with this key, and lives by this clock.
    #[must_use]
    pub fn new(id: RailId, class: RailClass, signer: Arc<dyn Signer>, time: Arc<dyn TimeSource>) -> Self {
        Self { simulator: Simulator::new(id, class, signer, [0; 32], 0), time }
    }

    /// Is asked once more what an earlier process asked it, oldest first.
    pub fn recall(&self, calls: &[(Timestamp, RailCall)]) {
        for (at, call) in calls {
            self.simulator.advance_to(*at);
            // The ledger knows the answer, or asks for it with the same key.
            let _ = call.make(&self.simulator);
        }
        self.simulator.take_notices();
    }

    fn now<T>(&self, then: impl FnOnce(&Simulator) -> T) -> T {
        self.simulator.advance_to(self.time.now());
        let done = then(&self.simulator);
        self.simulator.take_notices();
        done
    }
}

impl PaymentRail for SimulatedRail {
    fn id(&self) -> &RailId {
        self.simulator.id()
    }

    fn class(&self) -> RailClass {
        self.simulator.class()
    }

    fn hold(&self, key: &Digest, x: &Digest, amount: Amount, until: Timestamp) -> RailAnswer {
        self.now(|simulator| simulator.hold(key, x, amount, until))
    }

    fn capture(&self, key: &Digest, hold: &Digest, amount: Amount) -> RailAnswer {
        self.now(|simulator| simulator.capture(key, hold, amount))
    }

    fn release(&self, key: &Digest, hold: &Digest) -> RailAnswer {
        self.now(|simulator| simulator.release(key, hold))
    }

    fn refund(&self, key: &Digest, capture: &Digest, amount: Amount) -> RailAnswer {
        self.now(|simulator| simulator.refund(key, capture, amount))
    }

    fn status(&self, key: &Digest) -> RailAnswer {
        self.now(|simulator| simulator.status(key))
    }

    fn evidence(&self, key: &Digest) -> Option<Evidence> {
        self.now(|simulator| simulator.evidence(key))
    }
}
