//! The system clock as the service and the ledger ask it.

use std::{
    sync::{
        Arc, Weak,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use semper_api::{Service, TimeSource};
use semper_ttp::{
    clock::{Event, Health, Refusal, State, Verdict},
    evidence::OpsFact,
    time::Timestamp,
    timestamp::ClockVerdict,
};

use crate::clock::{EventSink, SystemClock};

/// [`SystemClock`] behind the ports of the api and the ledger.
pub(crate) struct ServiceTime(pub(crate) Arc<SystemClock>);

impl TimeSource for ServiceTime {
    fn check(&self) -> (Timestamp, ClockVerdict) {
        match self.0.check() {
            Verdict::Issue { now_ms, .. } => {
                let verdict = match self.0.health().state {
                    _ if self.0.source_name() == "assumed" => ClockVerdict::Assumed,
                    State::Suspect => ClockVerdict::Suspect,
                    State::Synced | State::Unsynced | State::Stopped => ClockVerdict::Synced,
                };
                (Timestamp::from_millis(now_ms), verdict)
            }
            Verdict::Refuse(refusal) => {
                let verdict = match refusal {
                    Refusal::Unsynced => ClockVerdict::Unsynced,
                    Refusal::Stopped(_) => ClockVerdict::Stopped,
                    Refusal::LeapSecond => ClockVerdict::LeapSecond,
                };
                (self.now(), verdict)
            }
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now_ms())
    }

    fn health(&self) -> Health {
        self.0.health()
    }

    fn name(&self) -> &'static str {
        self.0.source_name()
    }
}

/// The ledger's entry times come from the same clock.
pub(crate) struct LedgerTime(pub(crate) Arc<SystemClock>);

impl semper_ledger::sequencer::Clock for LedgerTime {
    fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }

    fn wait_ms(&self, ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }
}

/// Clock events that may wait for their ledger entry. They come with samples, seconds apart.
const EVENTS_MAX: usize = 256;

/// Where the clock puts its events, and where [`record`] takes them from. A full channel drops the event: it is in the
/// log, and the clock must never wait for a disk.
pub(crate) fn event_channel() -> (EventSink, Receiver<Event>) {
    let (send, receive): (SyncSender<Event>, _) = sync_channel(EVENTS_MAX);
    let sink = move |event: &Event| {
        if send.try_send(*event).is_err() {
            tracing::warn!(?event, "a clock event got no ledger entry");
        }
    };
    (Box::new(sink), receive)
}

/// Gives every clock event its ledger entry (EN 319 421 OVR-7.12). Ends when the clock is gone, which the service holds:
/// so the service is not held here.
pub(crate) fn record(events: &Receiver<Event>, service: &Weak<Service>) {
    while let Ok(event) = events.recv() {
        let Some(fact) = fact(&event) else { continue };
        let Some(service) = service.upgrade() else { return };
        if let Err(error) = service.record(fact) {
            tracing::warn!(%error, ?event, "a clock event got no ledger entry");
        }
    }
}

fn fact(event: &Event) -> Option<OpsFact> {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    match event {
        Event::Transition(transition) => {
            let error_micros = transition.estimated_error.map_or(0, micros);
            Some(match transition.to {
                State::Synced => OpsFact::ClockSynchronised { error_micros },
                State::Suspect => OpsFact::ClockSuspect { error_micros },
                State::Stopped | State::Unsynced => OpsFact::ClockLost {
                    reason: transition.cause as u64,
                    offset_micros: u64::try_from(transition.step_nanos.unsigned_abs() / 1000).unwrap_or(u64::MAX),
                },
            })
        }
        Event::LeapPassed(leap) => Some(OpsFact::LeapSecond {
            at_millis: u64::try_from(leap.midnight.as_millis()).unwrap_or(u64::MAX),
            inserted: leap.insert,
        }),
        // Announcements are the source's word about the future; the log has them.
        Event::LeapAnnounced(_) | Event::LeapWithdrawn(_) => None,
    }
}
