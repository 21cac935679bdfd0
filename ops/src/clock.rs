//! The only system clock: reads realtime, monotonic and the kernel's opinion of both, and feeds the pure state machine
//! of `ttp/src/clock.rs`, which decides.
//!
//! [`SystemClock::check`] stands on the path of every token. It holds one mutex for two clock reads (vDSO, no system
//! call) and a few additions, well under a microsecond. The clocks are read *inside* the lock: readings then reach the
//! machine in the order in which they were taken, so that a thread that lost its processor between reading and checking
//! cannot compare an old reading with a newer sample.
//!
//! Realtime comes from `SystemTime` and monotonic from `Instant`, that is, through the C library's `clock_gettime`, so
//! that `faketime` can drive a whole server through a jump, a drift or a leap second.
//!
//! Out of scope: setting any clock, and speaking NTP (chrony does both).

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use semper_ttp::clock::{
    Clock, Event, Health, LeapState, Observation, Reading, Settings, SettingsRefused, State, Transition, Verdict,
};
use semper_ttp::time::Timestamp;

/// Reads both clocks. A trait so that tests move time by hand.
pub(crate) trait Readings: Send + Sync {
    /// Realtime and monotonic at one moment.
    fn read(&self) -> Reading;
}

/// Says how good realtime is.
pub(crate) trait Source: Send {
    /// The source's name in the configuration, the log and `/.well-known/semper`.
    fn name(&self) -> &'static str;

    /// One statement.
    ///
    /// # Errors
    /// The source could not be asked; the machine takes that for a bad sample.
    fn observe(&mut self) -> io::Result<Observation>;
}

/// Where events go: to the log and to a channel whose other end makes the ledger entry. It runs on the thread that
/// asked for a token, so it must not block; a ledger append belongs behind a channel.
pub(crate) type EventSink = Box<dyn Fn(&Event) + Send + Sync>;

/// The clock of the process, shared by all threads.
pub(crate) struct SystemClock {
    machine: Mutex<Clock>,
    readings: Box<dyn Readings>,
    source: Mutex<Box<dyn Source>>,
    source_name: &'static str,
    sink: EventSink,
}

impl SystemClock {
    /// A clock in UNSYNCED; nothing is issued before the first good [`sample`](Self::sample).
    ///
    /// # Errors
    /// The settings promise more than the clock can hold.
    pub(crate) fn new(
        settings: Settings,
        source: Box<dyn Source>,
        readings: Box<dyn Readings>,
        sink: EventSink,
    ) -> Result<SystemClock, SettingsRefused> {
        let source_name = source.name();
        Ok(SystemClock {
            machine: Mutex::new(Clock::new(settings)?),
            readings,
            source: Mutex::new(source),
            source_name,
            sink,
        })
    }

    /// The name of the time source: `kernel` or `assumed`.
    pub(crate) fn source_name(&self) -> &'static str {
        self.source_name
    }

    /// Realtime in Unix milliseconds, not judged: for log lines and for acts that assert no time to anybody.
    pub(crate) fn now_ms(&self) -> u64 {
        self.readings.read().wall_ms()
    }

    /// May a token be issued now, and with which time? Called once for each token, at the moment it is decided.
    pub(crate) fn check(&self) -> Verdict {
        let (verdict, transition) = {
            let mut machine = self.machine();
            machine.check(self.readings.read())
        };
        if let Some(transition) = transition {
            self.tell(&Event::Transition(transition));
        }
        verdict
    }

    /// Asks the source and takes a sample.
    pub(crate) fn sample(&self) {
        // The source is asked outside the machine's lock: it makes a system call, and tokens must not wait for it.
        let observation = {
            let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
            source.observe()
        };
        if let Err(error) = &observation {
            tracing::warn!(source = self.source_name, %error, "the time source cannot be read");
        }
        let events = {
            let mut machine = self.machine();
            machine.sample(self.readings.read(), observation.ok())
        };
        for event in &events {
            self.tell(event);
        }
    }

    /// For metrics and `/readyz`.
    pub(crate) fn health(&self) -> Health {
        let machine = self.machine();
        machine.health(self.readings.read())
    }

    /// Takes one sample at once and then one per interval, on a thread of its own: a runtime that is busy must not make
    /// the clock look old. Ends when the returned handle is stopped or dropped.
    ///
    /// # Errors
    /// The thread could not be started.
    pub(crate) fn start_sampling(self: &Arc<Self>) -> io::Result<Sampling> {
        let interval = self.machine().settings().sample_interval();
        let (stop, stopped) = mpsc::channel::<()>();
        let clock = Arc::clone(self);
        clock.sample();
        let thread = thread::Builder::new().name("clock".into()).spawn(move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                clock.sample();
            }
        })?;
        Ok(Sampling { stop: Some(stop), thread: Some(thread) })
    }

    fn machine(&self) -> MutexGuard<'_, Clock> {
        // The machine has no state in which a panic could leave it torn: every change is one assignment.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: &Event) {
        log(event);
        (self.sink)(event);
    }
}

/// The running sampler.
#[must_use = "sampling ends when this is dropped"]
pub(crate) struct Sampling {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sampling {
    /// Ends sampling and waits for the thread.
    pub(crate) fn stop(self) {
        drop(self);
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        // Hanging up wakes the thread at once.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the sampler has been printed by its own thread; samples then grow old and issuing stops.
            let _ = thread.join();
        }
    }
}

/// Milliseconds since 1970 as the machine has them, whatever that is worth: for what a person is told, and decides nothing.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The system's clocks.
pub(crate) struct SystemReadings {
    origin: Instant,
}

/// How long two reads of the monotonic clock around one of realtime may take to count as one moment. Above it, the
/// thread was probably put off its processor in between, which would look like a step.
const READ_SPREAD_MAX: Duration = Duration::from_micros(50);
const READ_TRIES_MAX: u32 = 8;

impl SystemReadings {
    /// Monotonic time counts from this call.
    pub(crate) fn new() -> SystemReadings {
        SystemReadings { origin: Instant::now() }
    }
}

impl Readings for SystemReadings {
    fn read(&self) -> Reading {
        let monotonic = || self.origin.elapsed();
        // A realtime before 1970 is a clock that was never set; the source will not call it synchronised.
        let wall = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        tightest(monotonic, wall)
    }
}

/// Realtime now, for whatever asserts no time.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(SystemReadings::new().read().wall_ms())
}

/// Realtime between two reads of monotonic, the tightest of a few tries.
fn tightest(monotonic: impl Fn() -> Duration, wall: impl Fn() -> Duration) -> Reading {
    let mut best: Option<(Duration, Reading)> = None;
    for _ in 0..READ_TRIES_MAX {
        let before = monotonic();
        let wall = wall();
        let spread = monotonic().saturating_sub(before);
        let reading = Reading { wall, monotonic: before + spread / 2 };
        if spread <= READ_SPREAD_MAX {
            return reading;
        }
        if best.is_none_or(|(least, _)| spread < least) {
            best = Some((spread, reading));
        }
    }
    best.map_or_else(|| Reading { wall: wall(), monotonic: monotonic() }, |(_, reading)| reading)
}

/// The kernel's clock discipline, as chrony or another daemon keeps it (adjtimex(2)).
pub(crate) struct Kernel;

impl Source for Kernel {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn observe(&mut self) -> io::Result<Observation> {
        let (state, timex) = adjtimex()?;
        Ok(decode(state, &timex))
    }
}

/// Development: takes realtime for true and says so. Its tokens carry a test policy whose name calls them untraceable.
pub(crate) struct Assumed;

impl Source for Assumed {
    fn name(&self) -> &'static str {
        "assumed"
    }

    fn observe(&mut self) -> io::Result<Observation> {
        Ok(Observation {
            synchronised: true,
            estimated_error: Duration::ZERO,
            max_error: Duration::ZERO,
            offset_nanos: 0,
            leap: LeapState::None,
        })
    }
}

/// Reads the kernel's discipline without changing it.
// The one unsafe block of this package: neither std nor rustix offers adjtimex, and reading `chronyc` output instead
// would tie us to one daemon and fork a process per sample.
#[allow(unsafe_code)]
fn adjtimex() -> io::Result<(libc::c_int, libc::timex)> {
    // SAFETY: `timex` is a plain C structure of integers, for which all zero bytes are a valid value. `modes` = 0 asks
    // the kernel to read only: it needs no privilege and changes nothing. The pointer is to a live, exclusively
    // borrowed local of the very type that the C library declares, and the call keeps no reference to it.
    let (state, timex) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        let state = libc::adjtimex(&raw mut timex);
        (state, timex)
    };
    if state < 0 { Err(io::Error::last_os_error()) } else { Ok((state, timex)) }
}

fn decode(state: libc::c_int, timex: &libc::timex) -> Observation {
    // The kernel counts both errors in microseconds; a negative one would be its bug, and then nothing is known.
    let micros = |value: libc::c_long| u64::try_from(value).map_or(Duration::MAX, Duration::from_micros);
    Observation {
        // TIME_ERROR also reports a lost PPS signal, STA_UNSYNC the discipline itself; either is reason enough.
        synchronised: state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0,
        estimated_error: micros(timex.esterror),
        max_error: micros(timex.maxerror),
        offset_nanos: if timex.status & libc::STA_NANO == 0 {
            timex.offset.saturating_mul(1_000)
        } else {
            timex.offset
        },
        leap: match state {
            libc::TIME_INS => LeapState::Insert,
            libc::TIME_DEL => LeapState::Delete,
            libc::TIME_OOP => LeapState::InProgress,
            _ => LeapState::None,
        },
    }
}

fn log(event: &Event) {
    match event {
        Event::Transition(Transition { from, to, cause, at, step_nanos, estimated_error }) => {
            let (from, to_name, cause, wall_ms) = (from.name(), to.name(), cause.name(), at.wall_ms());
            let step_micros = i64::try_from(step_nanos / 1_000).unwrap_or(i64::MAX);
            let estimated_error_micros =
                estimated_error.map(|error| u64::try_from(error.as_micros()).unwrap_or(u64::MAX));
            match to {
                State::Stopped => tracing::error!(
                    from,
                    to = to_name,
                    cause,
                    wall_ms,
                    step_micros,
                    estimated_error_micros,
                    "the clock is stopped: no time is asserted until it has been good for a while"
                ),
                State::Suspect => tracing::warn!(
                    from,
                    to = to_name,
                    cause,
                    wall_ms,
                    step_micros,
                    estimated_error_micros,
                    "the clock is suspect: issuing goes on while the last good sample carries"
                ),
                State::Synced | State::Unsynced => tracing::info!(
                    from,
                    to = to_name,
                    cause,
                    wall_ms,
                    step_micros,
                    estimated_error_micros,
                    "the clock is synchronised"
                ),
            }
        }
        Event::LeapAnnounced(leap) => tracing::warn!(
            insert = leap.insert,
            midnight_secs = leap.midnight.as_secs(),
            "a leap second is announced: no token will be issued around it"
        ),
        Event::LeapWithdrawn(leap) => tracing::warn!(
            insert = leap.insert,
            midnight_secs = leap.midnight.as_secs(),
            "the announced leap second was taken back"
        ),
        Event::LeapPassed(leap) => {
            tracing::warn!(insert = leap.insert, midnight_secs = leap.midnight.as_secs(), "the leap second has passed")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use semper_ttp::clock::{Cause, Refusal};

    use super::*;

    const SETTINGS: Settings = Settings {
        accuracy_ms: 500,
        offset_bound_ms: 100,
        drift_ppm: 100,
        sample_interval_ms: 10_000,
        sample_age_max_ms: 60_000,
        good_samples_needed: 3,
    };
    const GOOD: Observation = Observation {
        synchronised: true,
        estimated_error: Duration::from_millis(1),
        max_error: Duration::from_millis(5),
        offset_nanos: 0,
        leap: LeapState::None,
    };

    /// Time moved by hand.
    #[derive(Clone)]
    struct Manual(Arc<Mutex<Reading>>);

    impl Manual {
        fn new() -> Manual {
            let (wall, monotonic) = (Duration::from_secs(1_800_000_000), Duration::from_secs(1));
            Manual(Arc::new(Mutex::new(Reading { wall, monotonic })))
        }

        fn pass(&self, by: Duration) {
            let mut reading = self.0.lock().unwrap();
            reading.wall += by;
            reading.monotonic += by;
        }

        fn step(&self, by: Duration) {
            self.0.lock().unwrap().wall += by;
        }
    }

    impl Readings for Manual {
        fn read(&self) -> Reading {
            *self.0.lock().unwrap()
        }
    }

    /// Says what it was told to say, then that all is good; tells a channel each time it is asked.
    struct Scripted(VecDeque<io::Result<Observation>>, Option<mpsc::Sender<()>>);

    impl Source for Scripted {
        fn name(&self) -> &'static str {
            "scripted"
        }

        fn observe(&mut self) -> io::Result<Observation> {
            if let Some(asked) = &self.1 {
                let _ = asked.send(());
            }
            self.0.pop_front().unwrap_or(Ok(GOOD))
        }
    }

    fn clock(source: Scripted, settings: Settings) -> (Arc<SystemClock>, Manual, Arc<Mutex<Vec<Event>>>) {
        let (manual, events) = (Manual::new(), Arc::new(Mutex::new(Vec::new())));
        let sink = Arc::clone(&events);
        let clock = SystemClock::new(
            settings,
            Box::new(source),
            Box::new(manual.clone()),
            Box::new(move |event| sink.lock().unwrap().push(*event)),
        );
        (Arc::new(clock.unwrap()), manual, events)
    }

    #[test]
    fn a_jump_stops_tokens_at_once_and_is_told_once() {
        let (clock, manual, events) = clock(Scripted(VecDeque::new(), None), SETTINGS);
        assert_eq!(clock.check(), Verdict::Refuse(Refusal::Unsynced));
        clock.sample();
        manual.pass(Duration::from_secs(5));
        let now_ms = clock.now_ms();
        assert!(matches!(clock.check(), Verdict::Issue { now_ms: judged, .. } if judged == now_ms));
        manual.step(Duration::from_millis(101));
        // From several threads: all are refused, and one of them tells.
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(clock.check(), Verdict::Refuse(Refusal::Stopped(Cause::Jump))));
            }
        });
        assert_eq!(clock.health().stopped_by, Some(Cause::Jump));
        for expected in [State::Stopped, State::Stopped, State::Stopped, State::Synced] {
            clock.sample();
            assert_eq!(clock.health().state, expected);
            manual.pass(Duration::from_secs(10));
        }
        let told: Vec<_> = events
            .lock()
            .unwrap()
            .iter()
            .map(|event| match event {
                Event::Transition(told) => (told.from, told.to),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected =
            [(State::Unsynced, State::Synced), (State::Synced, State::Stopped), (State::Stopped, State::Synced)];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_source_that_fails_is_a_bad_sample() {
        let script = [Ok(GOOD), Err(io::Error::from_raw_os_error(libc::EPERM))];
        let (clock, _, _) = clock(Scripted(script.into(), None), SETTINGS);
        clock.sample();
        clock.sample();
        assert_eq!((clock.health().state, clock.health().observation), (State::Suspect, None));
        assert!(matches!(clock.check(), Verdict::Issue { .. }));
    }

    #[test]
    fn sampling_begins_at_once_repeats_and_ends() {
        let (asked, heard) = mpsc::channel();
        let settings = Settings { sample_interval_ms: 1, ..SETTINGS };
        let (clock, _, _) = clock(Scripted(VecDeque::new(), Some(asked)), settings);
        let sampling = clock.start_sampling().unwrap();
        assert_eq!(clock.health().state, State::Synced, "the first sample is taken before anything is served");
        for _ in 0..3 {
            heard.recv().unwrap();
        }
        sampling.stop();
        // The thread is gone and let go of the clock: nobody else asks any more.
        assert_eq!(Arc::strong_count(&clock), 1);
    }

    #[test]
    fn stopping_does_not_wait_for_the_interval() {
        let settings =
            Settings { sample_interval_ms: 3_600_000, sample_age_max_ms: 7_200_000, accuracy_ms: 1_000, ..SETTINGS };
        let (clock, _, _) = clock(Scripted(VecDeque::new(), None), Settings { drift_ppm: 10, ..settings });
        clock.start_sampling().unwrap().stop();
        assert_eq!(Arc::strong_count(&clock), 1);
    }

    #[test]
    fn settings_are_refused_before_anything_runs() {
        let refused = SystemClock::new(
            Settings { accuracy_ms: 100, ..SETTINGS },
            Box::new(Assumed),
            Box::new(SystemReadings::new()),
            Box::new(|_| {}),
        );
        assert!(matches!(refused.err(), Some(SettingsRefused::AccuracyTooSmall { .. })));
    }

    #[test]
    fn the_kernels_words() {
        let (_, mut timex) = adjtimex().expect("reading the clock discipline needs no privilege");
        timex.status = 0;
        timex.esterror = 1_234;
        timex.maxerror = 56_789;
        timex.offset = -7;
        let table = [
            (libc::TIME_OK, true, LeapState::None),
            (libc::TIME_INS, true, LeapState::Insert),
            (libc::TIME_DEL, true, LeapState::Delete),
            (libc::TIME_OOP, true, LeapState::InProgress),
            (libc::TIME_WAIT, true, LeapState::None),
            (libc::TIME_ERROR, false, LeapState::None),
        ];
        for (state, synchronised, leap) in table {
            let expected = Observation {
                synchronised,
                estimated_error: Duration::from_micros(1_234),
                max_error: Duration::from_micros(56_789),
                offset_nanos: -7_000,
                leap,
            };
            assert_eq!(decode(state, &timex), expected);
        }
        // In nanoseconds where the kernel says so.
        timex.status = libc::STA_NANO;
        assert_eq!(decode(libc::TIME_OK, &timex).offset_nanos, -7);
        timex.status = libc::STA_UNSYNC | libc::STA_PLL;
        assert!(!decode(libc::TIME_OK, &timex).synchronised);
        timex.esterror = -1;
        assert_eq!(decode(libc::TIME_OK, &timex).estimated_error, Duration::MAX);
    }

    /// The unsafe call: what it returns hangs together, and asking twice changes nothing that we could have set.
    #[test]
    fn the_kernel_can_be_asked() {
        let ((state, first), (_, second)) = (adjtimex().unwrap(), adjtimex().unwrap());
        assert!((libc::TIME_OK..=libc::TIME_ERROR).contains(&state));
        let unix_secs = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(unix_secs.abs_diff(first.time.tv_sec as u64) <= 5, "the structure is laid out as the kernel fills it");
        assert!((second.time.tv_sec, second.time.tv_usec) >= (first.time.tv_sec, first.time.tv_usec));
        assert_eq!((first.tick, first.constant), (second.tick, second.constant));
        assert!((9_000..=11_000).contains(&first.tick), "microseconds per tick, nominally 10,000: {}", first.tick);
        assert!(Kernel.observe().is_ok());
    }

    #[test]
    fn a_reading_torn_by_a_lost_processor_is_taken_again() {
        // Monotonic advances 100 ms in the middle of the first pair and 2 µs in that of the second.
        let times = Mutex::new(VecDeque::from([0, 100_000, 100_010, 100_012, 100_020].map(Duration::from_micros)));
        let walls = Mutex::new(VecDeque::from([7, 8].map(Duration::from_secs)));
        let reading =
            tightest(|| times.lock().unwrap().pop_front().unwrap(), || walls.lock().unwrap().pop_front().unwrap());
        assert_eq!(reading, Reading { wall: Duration::from_secs(8), monotonic: Duration::from_micros(100_011) });
        // Never tight: the tightest of all tries.
        let spreads = [900, 800, 300, 700, 600, 500, 400, 1_000].map(|micros| [0, micros]);
        let times = Mutex::new(VecDeque::from_iter(spreads.concat().into_iter().map(Duration::from_micros)));
        let walls = Mutex::new(VecDeque::from_iter((0..8).map(Duration::from_secs)));
        let reading =
            tightest(|| times.lock().unwrap().pop_front().unwrap(), || walls.lock().unwrap().pop_front().unwrap());
        assert_eq!(reading, Reading { wall: Duration::from_secs(2), monotonic: Duration::from_micros(150) });
    }

    #[test]
    fn the_systems_clocks_run() {
        let readings = SystemReadings::new();
        let (first, second) = (readings.read(), readings.read());
        assert!(second.monotonic >= first.monotonic);
        assert!(first.wall > Duration::from_secs(1_700_000_000));
    }
}
