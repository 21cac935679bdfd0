//! What a provider tells unasked, verified and committed, and noted then.

use std::sync::PoisonError;

use semper_ttp::{
    digest::Digest,
    exchange::paid::Paid,
    money::RailId,
    payment::callback::{Callback, CallbackFault, Received, verify},
};

use super::{super::Service, PaymentFault};

/// By how much the time of a try and ours may differ, seconds: five minutes, as the libraries of the standard have it.
pub(crate) const CALLBACK_TOLERANCE_SECS: u64 = 300;

impl Service {
    /// Takes a provider's callback; what it leads to comes with the next look. Blocks.
    ///
    /// # Errors
    /// [`PaymentFault`]; the provider sends it again, but for [`CallbackFault::Replayed`].
    pub(crate) fn take_callback(&self, rail: &str, received: &Received<'_>) -> Result<(), PaymentFault> {
        let none = || PaymentFault::NoRail(rail.to_owned());
        let rail = RailId::new(rail).and_then(|id| self.payments.rail(&id)).ok_or_else(none)?;
        if rail.secrets.is_empty() {
            return Err(none());
        }
        let now = self.now();
        let callback: Callback = {
            let seen = rail.seen.lock().unwrap_or_else(PoisonError::into_inner);
            verify(received, &rail.secrets, CALLBACK_TOLERANCE_SECS, &seen, now)?
        };
        self.commit_callback(rail.rail.id(), &callback)?;
        // Afterwards: what is refused because it came too early comes again under the same id.
        rail.seen.lock().unwrap_or_else(PoisonError::into_inner).note(&callback, CALLBACK_TOLERANCE_SECS, now);
        self.payment_is_due(&callback.x);
        Ok(())
    }

    fn commit_callback(&self, rail: &RailId, callback: &Callback) -> Result<(), PaymentFault> {
        let x: &Digest = &callback.x;
        let _turn = self.turns.wait(&Paid::aggregate(x));
        let (_, money) = self.money_of(x)?;
        // A provider speaks for its own rail alone.
        let is_its_own = money.stage.money().is_some_and(|money| money.terms.rail == *rail);
        if !is_its_own {
            return Err(PaymentFault::None);
        }
        self.move_money(x, callback.event.clone(), callback.evidence.as_ref()).map(drop)
    }
}

/// Whether a callback was taken before, which is no fault of its provider's.
pub(crate) fn is_replayed(fault: &PaymentFault) -> bool {
    matches!(fault, PaymentFault::Callback(CallbackFault::Replayed))
}
