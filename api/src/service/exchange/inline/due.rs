//! When exchanges through the arbiter are to be looked at: an end that passes returns what was deposited, and what nobody needs any more is
//! erased. A deadline counts whether or not anybody looks; this only sees to it that nobody has to ask.
//!
//! What is due lies in memory, each exchange of which something is left, and is found again at the start by two names.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use semper_ttp::{digest::Digest, evidence::names, exchange::inline::Inline};

use super::{
    super::super::{Service, ServiceFault},
    super::keys::Signers,
    Act, ExchangeFault,
};

impl Service {
    /// Shows whether the arbiter is open, what waits for it, and how much room messages have.
    pub(crate) fn show_arbiter(&self) {
        let metrics = self.metrics.exchange();
        metrics.open(self.is_arbiter().then(|| self.presence.is_open()));
        let now = self.now();
        let [exchanges, deliveries] = [&self.inline_due, &self.delivery_due].map(|due| due.waiting_since(now.millis()));
        let promised = self.promises().map_or((0, 0), |promises| promises.waiting_since(now));
        let all = [exchanges, deliveries, promised];
        let overdue_ms = all.iter().map(|(_, overdue_ms)| *overdue_ms).max();
        metrics.waiting(all.iter().map(|(count, _)| count).sum(), overdue_ms.unwrap_or_default());
        if let Some(mailbox) = self.mailbox() {
            let (taken, free) = mailbox.room();
            metrics.mailbox(taken, free);
        }
    }

    /// Looks at the exchanges whose end has passed, or whose items are to be erased, and gives how many of them. Blocks.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn look_at_exchanges(&self) -> Result<usize, ServiceFault> {
        if self.item_room().is_none() {
            return Ok(0);
        }
        if !self.inline_due.is_complete() {
            self.find_open_exchanges()?;
            self.inline_due.completed();
        }
        Ok(self.look_at_due(&self.inline_due, "an exchange", |x| self.wake_exchange(x)))
    }

    fn wake_exchange(&self, x: &Digest) -> Result<(), ExchangeFault> {
        let signers = Signers::of(self);
        let run = self.registered_run(x, &signers)?;
        self.inline_turn(&run, &Act::Wake, &signers).map(|_| ())
    }

    /// Those that were begun and of which something is left. What another turn has put meanwhile is newer.
    fn find_open_exchanges(&self) -> Result<(), ServiceFault> {
        // By the first octet of their names, so that never all closed ones are in memory at once.
        for octet in 0..=u8::MAX {
            let mut open = BTreeSet::new();
            let begun = [names::INLINE_REGISTERED[0], octet];
            self.reader().names_from::<ServiceFault>(&begun, &begun, |name, _| {
                open.extend(names::read_inline_registered(name));
                Ok(ControlFlow::Continue(()))
            })?;
            for x in open {
                if self.reader().last_name(&names::inline_closed(&x))?.is_some() {
                    continue;
                }
                let state = self.state_of::<Inline>(&Inline::aggregate(&x))?.state;
                let Some((_, agreement)) = &state.agreement else { continue };
                // Too early it does no harm: the look finds when it is due.
                let after = state.erased_from().unwrap_or(agreement.t_dep);
                self.inline_due.find(&x, after);
            }
        }
        Ok(())
    }
}
