//! The system clock as the service and the ledger ask it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use semper_api::{Service, TimeSource};
use semper_ttp::{
    clock::{Event, Health, Refusal, State, Verdict},
    digest::Digest,
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
            // The state of that very judgement: a second question might be answered by a later sample.
            Verdict::Issue { now_ms, state, .. } => {
                let verdict = match state {
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

/// What wants its ledger entry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// The service started; SHA-256 of version and configuration.
    Started(Digest),
    /// The clock said so.
    Clock(Event),
}

/// What happened, and when by the monotonic clock: while realtime is in doubt there is no other.
#[derive(Debug)]
pub(crate) struct Happening {
    what: What,
    at: Instant,
}

impl Happening {
    /// It happens now.
    pub(crate) fn now(what: What) -> Self {
        Self { what, at: Instant::now() }
    }
}

/// Happenings that may wait for their ledger entries. They come with samples, seconds apart.
const WAITING_MAX: usize = 256;

/// How long after a failure that mends itself, other than the clock's, an entry is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// Where happenings are put, and where [`record`] takes them from.
pub(crate) fn happenings() -> (SyncSender<Happening>, Receiver<Happening>) {
    sync_channel(WAITING_MAX)
}

/// Where the clock puts its events. A full channel drops the event: it is in the log, and the clock must never wait for
/// a disk.
pub(crate) fn clock_sink(send: SyncSender<Happening>) -> EventSink {
    Box::new(move |event: &Event| {
        if send.try_send(Happening::now(What::Clock(*event))).is_err() {
            tracing::warn!(?event, "a clock event got no ledger entry");
        }
    })
}

/// How an attempt to give a happening its ledger entry ended.
pub(crate) enum Attempt {
    /// It has it.
    Done,
    /// Try again: the clock is in doubt, or the ledger is busy.
    Later,
    /// There is nothing left to append to.
    Over,
}

/// Gives what happened its ledger entry, in order (EN 319 421 OVR-7.12). Nothing is appended while the clock is in doubt:
/// an entry with a wrong time would bind every later one. So what happened waits, and its fact says how long ago it was.
/// Ends when all senders are gone or the service is.
pub(crate) fn record(happenings: &Receiver<Happening>, mut append: impl FnMut(OpsFact) -> Attempt) {
    let mut waiting = VecDeque::new();
    loop {
        let next = match waiting.is_empty() {
            true => happenings.recv().map_err(|_| RecvTimeoutError::Disconnected),
            // A clock that is good again is itself an event, which wakes this thread.
            false => happenings.recv_timeout(RETRY),
        };
        match next {
            Ok(Happening { what: What::Clock(event), .. }) if !is_recorded(&event) => {}
            Ok(happening) if waiting.len() < WAITING_MAX => waiting.push_back(happening),
            Ok(Happening { what, .. }) => tracing::warn!(?what, "too much waits for the clock: no ledger entry"),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        while let Some(happening) = waiting.front() {
            match append(fact(happening)) {
                Attempt::Done => drop(waiting.pop_front()),
                Attempt::Later => break,
                Attempt::Over => return,
            }
        }
    }
    for Happening { what, .. } in waiting {
        tracing::warn!(?what, "the service ends before its clock was good: no ledger entry");
    }
}

/// Appends to a running service; the service is not held, since it ends before the recorder does.
pub(crate) fn append(service: &Weak<Service>, fact: OpsFact) -> Attempt {
    let Some(service) = service.upgrade() else { return Attempt::Over };
    match service.record(fact) {
        Ok(()) => Attempt::Done,
        Err(fault) if fault.is_of_time() => Attempt::Later,
        Err(fault) => {
            tracing::warn!(%fault, "an event of the service has no ledger entry yet");
            Attempt::Later
        }
    }
}

/// Announcements are the source's word about the future; the log has them.
fn is_recorded(event: &Event) -> bool {
    !matches!(event, Event::LeapAnnounced(_) | Event::LeapWithdrawn(_))
}

fn fact(happening: &Happening) -> OpsFact {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let ago_millis = u64::try_from(happening.at.elapsed().as_millis()).unwrap_or(u64::MAX);
    match happening.what {
        What::Started(build) => OpsFact::Started { build, ago_millis },
        What::Clock(Event::Transition(transition)) => {
            let error_micros = transition.estimated_error.map_or(0, micros);
            match transition.to {
                State::Synced => OpsFact::ClockSynchronised { error_micros },
                State::Suspect => OpsFact::ClockSuspect { error_micros },
                State::Stopped | State::Unsynced => OpsFact::ClockLost {
                    reason: transition.cause as u64,
                    offset_micros: u64::try_from(transition.step_nanos.unsigned_abs() / 1000).unwrap_or(u64::MAX),
                    ago_millis,
                },
            }
        }
        What::Clock(Event::LeapPassed(leap) | Event::LeapAnnounced(leap) | Event::LeapWithdrawn(leap)) => {
            OpsFact::LeapSecond {
                at_millis: u64::try_from(leap.midnight.as_millis()).unwrap_or(u64::MAX),
                inserted: leap.insert,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use semper_ttp::clock::{Announcement, Cause, Reading, Transition};

    use super::*;

    fn transition(from: State, to: State) -> Happening {
        let at = Reading { wall: Duration::from_secs(1), monotonic: Duration::from_secs(1) };
        let cause = if to == State::Stopped { Cause::Jump } else { Cause::GoodSample };
        let estimated_error = Some(Duration::ZERO);
        Happening::now(What::Clock(Event::Transition(Transition {
            from,
            to,
            cause,
            at,
            step_nanos: 7_000,
            estimated_error,
        })))
    }

    #[test]
    fn what_happens_while_the_clock_is_lost_waits_and_keeps_its_order() {
        let (send, receive) = happenings();
        send.send(Happening::now(What::Started(Digest::of(b"build")))).unwrap();
        send.send(transition(State::Synced, State::Stopped)).unwrap();
        let leap = Announcement { insert: true, midnight: Duration::from_secs(86_400) };
        send.send(Happening::now(What::Clock(Event::LeapAnnounced(leap)))).unwrap();
        send.send(transition(State::Stopped, State::Synced)).unwrap();
        drop(send);
        let (mut attempts, mut facts) = (0, Vec::new());
        // The clock is in doubt for the first three attempts.
        record(&receive, |fact| {
            attempts += 1;
            if attempts <= 3 {
                return Attempt::Later;
            }
            facts.push(fact);
            Attempt::Done
        });
        let [started, lost, back] = facts.as_slice() else { panic!("{facts:?}") };
        assert!(matches!(started, OpsFact::Started { build, .. } if *build == Digest::of(b"build")));
        assert!(matches!(lost, OpsFact::ClockLost { reason: 5, offset_micros: 7, .. }), "{lost:?}");
        assert!(matches!(back, OpsFact::ClockSynchronised { .. }));
    }

    #[test]
    fn what_waits_is_bounded_and_ends_with_the_service() {
        let (send, receive) = happenings();
        let thread = std::thread::spawn(move || {
            let mut attempts = 0_usize;
            record(&receive, |_| {
                attempts += 1;
                // The last one finds the queue full; then the service is gone.
                if attempts > WAITING_MAX { Attempt::Over } else { Attempt::Later }
            });
            attempts
        });
        for _ in 0..=WAITING_MAX {
            send.send(transition(State::Synced, State::Stopped)).unwrap();
        }
        assert_eq!(thread.join().unwrap(), WAITING_MAX + 1);
    }
}
