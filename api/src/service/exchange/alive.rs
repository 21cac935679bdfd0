//! Whether the arbiter takes requests, and since when it has not: each absence is an entry before anything is decided again, since it moves
//! the ends of runs that were near ([`semper_ttp::exchange::expiry`]).
//!
//! Somebody looks in every few seconds ([`Service::arbiter_is_alive`]) and keeps the moment where the next start finds it. Decisions pass a
//! door: whoever decides holds it from the look at it until the entry is there, so that no decision falls into an absence that is told.

use std::sync::{
    PoisonError, RwLock, RwLockReadGuard,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use semper_ttp::{
    evidence::{KeyPurpose, RoleCode},
    time::Timestamp,
    timestamp::ClockVerdict,
};

use semper_ledger::entry::Entry;

use super::super::{Service, ServiceFault};

/// How long the arbiter is there without anybody looking, milliseconds: the moment is kept at least once a minute
/// (exchange-and-disputes §5). A process that was stopped for longer has been away.
const UNSEEN_MS_MAX: u64 = 60_000;

/// The arbiter's presence.
#[derive(Default)]
pub(crate) struct Presence {
    /// Held in common by whoever decides, and alone while an absence is recorded.
    door: RwLock<()>,
    /// False at the start, and from the moment at which a request was not taken until that is an entry.
    is_open: AtomicBool,
    /// The last moment at which it took requests, milliseconds since 1970; 0 for never.
    last_ms: AtomicU64,
    /// The latest moment that it has signed, in the same way.
    signed_ms: AtomicU64,
}

/// Somebody decides. Held until what was decided is durable.
pub(in crate::service) struct Inside<'p>(#[allow(dead_code, reason = "held for its end")] RwLockReadGuard<'p, ()>);

impl Presence {
    /// Passes the door at this moment; `None` while it is shut.
    pub(super) fn enter(&self, now: Timestamp) -> Option<Inside<'_>> {
        let inside = self.door.read().unwrap_or_else(PoisonError::into_inner);
        if self.was_away(now) {
            self.close();
        }
        self.is_open.load(Ordering::Acquire).then_some(Inside(inside))
    }

    /// Whether nobody has looked for too long.
    fn was_away(&self, now: Timestamp) -> bool {
        now.millis().saturating_sub(self.last_ms.load(Ordering::Relaxed)) > UNSEEN_MS_MAX
    }

    /// It has decided at this moment, so it was there.
    pub(in crate::service) fn was_there(&self, millis: u64) {
        self.last_ms.fetch_max(millis, Ordering::Relaxed);
    }

    /// It signs something of this moment.
    pub(super) fn signs(&self, at: Timestamp) {
        self.signed_ms.fetch_max(at.millis(), Ordering::Relaxed);
    }

    /// Whether requests are taken, as far as somebody has looked.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Requests are not taken any more.
    pub(in crate::service) fn close(&self) {
        self.is_open.store(false, Ordering::Release);
    }
}

impl Service {
    /// Says when an earlier process last took requests: the moment that it has `kept`, or that of a later entry of the arbiter's. Where
    /// nothing was kept, as after a restore, the newest entry tells, if there ever was an arbiter. To be called before this process
    /// appends anything. Blocks.
    ///
    /// # Errors
    /// The ledger.
    pub fn recall_arbiter(&self, kept: Option<u64>) -> Result<(), ServiceFault> {
        let Some((key, _)) = self.desks.current(KeyPurpose::ArbiterVerdict) else { return Ok(()) };
        let last = match kept {
            Some(kept) => self.newest_entry(|entry| entry.role == RoleCode::Exchange.code(), kept)?,
            None => {
                let mut was_used = false;
                for generation in 1..=key.generation {
                    let known = self.known_key(semper_ttp::evidence::KeyId { generation, ..key })?;
                    was_used |= known.is_some_and(|known| known.first_used.is_some());
                }
                if was_used { self.newest_entry(|_| true, 0)? } else { 0 }
            }
        };
        self.presence.was_there(last);
        self.presence.signed_ms.fetch_max(last, Ordering::Relaxed);
        Ok(())
    }

    /// The moment of a decision of the arbiter's. Of a clock that was set back by no more than the ledger waits it is that of the last
    /// signature: two readings that contradict each other would convict it (exchange-and-disputes §9). One that was set back further is
    /// refused by the ledger.
    pub(in crate::service) fn arbiter_time(&self) -> (Timestamp, ClockVerdict) {
        let (now, clock) = self.time.check();
        let signed_ms = self.presence.signed_ms.load(Ordering::Relaxed);
        let is_slightly_behind = signed_ms.saturating_sub(now.millis()) <= self.ledger.mmd_ms();
        let now = if is_slightly_behind { now.max(Timestamp::from_millis(signed_ms)) } else { now };
        (now, clock)
    }

    /// The time of the newest such entry that is later than `than`, which else it gives back.
    fn newest_entry(&self, is_such: impl Fn(&Entry) -> bool, than: u64) -> Result<u64, ServiceFault> {
        let reader = self.reader();
        for index in (0..reader.size()).rev() {
            let bytes = reader.entry(index)?.unwrap_or_default();
            match Entry::decode(&bytes) {
                Ok(entry) if entry.time_ms <= than => break,
                Ok(entry) if is_such(&entry) => return Ok(entry.time_ms),
                _ => {}
            }
        }
        Ok(than)
    }

    /// Looks whether requests can be taken, opens the door if they can again, and gives the moment to be kept; `None` while they cannot.
    /// Blocks.
    ///
    /// # Errors
    /// The absence got no entry: the door stays shut.
    pub fn arbiter_is_alive(&self) -> Result<Option<u64>, ServiceFault> {
        let presence = &self.presence;
        let (now, clock) = self.time.check();
        if !self.is_arbiter() || !self.takes_requests() || !clock.may_issue() {
            presence.close();
            return Ok(None);
        }
        if presence.was_away(now) {
            presence.close();
        }
        if !presence.is_open.load(Ordering::Acquire) {
            let _alone = presence.door.write().unwrap_or_else(PoisonError::into_inner);
            // What was decided while this waited is before the absence.
            let last = presence.last_ms.load(Ordering::Relaxed);
            let to = match last {
                0 => now,
                // Whatever the clock did meanwhile, it does not begin after its end.
                last => self.record_outage(last)?,
            };
            presence.was_there(to.millis());
            presence.is_open.store(true, Ordering::Release);
        }
        presence.was_there(now.millis());
        Ok(Some(now.millis()))
    }

    /// All but the clock.
    pub(super) fn takes_requests(&self) -> bool {
        let key = self.desks.certified(KeyPurpose::ArbiterVerdict);
        let has_key = key.is_some_and(|key| matches!(self.revoked_since(&key.digest), Ok(None)));
        has_key && !self.is_halted() && !self.is_draining() && self.disk_is_open() && self.require_policies().is_ok()
    }
}
