//! Whether the arbiter takes requests, and since when it has not: each absence is an entry before anything is decided again, since it moves
//! the ends of runs that were near ([`semper_ttp::exchange::expiry`]).
//!
//! Somebody looks in every few seconds ([`Service::arbiter_is_alive`]) and keeps the moment where the next start finds it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::super::{Service, ServiceFault};

/// The arbiter's presence.
#[derive(Default)]
pub(crate) struct Presence {
    /// False at the start, and from the moment at which a request was not taken until that is an entry.
    is_open: AtomicBool,
    /// The last moment at which it took requests, milliseconds since 1970; 0 for never.
    last_ms: AtomicU64,
}

impl Presence {
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// It has decided at this moment, so it was there.
    pub(super) fn was_there(&self, millis: u64) {
        self.last_ms.fetch_max(millis, Ordering::Relaxed);
    }

    /// Requests are not taken any more.
    pub(super) fn close(&self) {
        self.is_open.store(false, Ordering::Release);
    }
}

impl Service {
    /// Says when an earlier process last took requests, as far as anything tells.
    pub fn arbiter_was_alive(&self, last_ms: u64) {
        self.presence.last_ms.fetch_max(last_ms, Ordering::Relaxed);
    }

    /// Looks whether requests can be taken, opens the door if they can again, and gives the moment to be kept; `None` while they cannot.
    /// Blocks.
    ///
    /// # Errors
    /// The absence got no entry: the door stays shut.
    pub fn arbiter_is_alive(&self) -> Result<Option<u64>, ServiceFault> {
        let (now, clock) = self.time.check();
        if !self.is_arbiter() || !self.takes_requests() || !clock.may_issue() {
            self.presence.close();
            return Ok(None);
        }
        let last = self.presence.last_ms.load(Ordering::Relaxed);
        if !self.presence.is_open() {
            if last > 0 {
                // Whatever the clock did meanwhile, it does not begin after its end.
                self.record_outage(last.min(now.millis()))?;
            }
            self.presence.is_open.store(true, Ordering::Release);
        }
        self.presence.last_ms.fetch_max(now.millis(), Ordering::Relaxed);
        Ok(Some(now.millis()))
    }

    /// All but the clock.
    pub(super) fn takes_requests(&self) -> bool {
        let has_key = self.desks.certified(semper_ttp::evidence::KeyPurpose::ArbiterVerdict).is_some();
        has_key && !self.is_halted() && !self.is_draining() && self.disk_is_open() && self.require_policies().is_ok()
    }
}
