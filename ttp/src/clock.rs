//! The clock's honesty: may a token be issued at this reading, and if not, why not.
//!
//! ETSI EN 319 421 V1.3.1, 7.7.1-05 to 7.7.2-09, asks a time-stamping authority to stop when its clock leaves the
//! declared accuracy, to notice drift and jumps, and to issue nothing inside a leap second. This module is that rule as
//! a pure state machine: it is *given* every reading and every statement of the time source and reads no clock itself
//! (the only system clock is `ops/src/clock.rs`).
//!
//! ```text
//!            good sample               bad sample
//! UNSYNCED ──────────────▶ SYNCED ◀────────────────▶ SUSPECT        bad sample = source unreadable, unsynchronised,
//!  (start)                  ▲  │      good sample       │           estimated or maximum error too large
//!                           │  └─────────┬──────────────┘
//!            N good samples │            │ realtime stepped against monotonic, error bound exceeded,
//!            in a row       │            ▼ last good sample too old
//!                           └───────── STOPPED
//! ```
//!
//! Tokens are issued in SYNCED and SUSPECT only, and there only while three things hold at the very moment of the
//! token, so that a request that waited in a queue is judged when it is signed and not when it came:
//! - the last good sample is not older than `sample_age_max`;
//! - realtime has moved as far as monotonic since that sample, within `offset_bound` (an announced leap second apart);
//! - estimated error of that sample + drift allowance for its age + the step seen + resolution of genTime ≤ accuracy.
//!
//! The last line is what makes SUSPECT safe: the old bound grows with the drift allowance until it no longer fits.
//!
//! Two errors come from the kernel (adjtimex(2)). The *estimated* error is the source's honest guess, and nobody renews
//! it when the time daemon has died. The *maximum* error is a worst case to which the kernel adds 500 ppm until the
//! daemon renews it. A sample is good only when the first is within `offset_bound` **and** the second within the
//! accuracy; judging the estimate alone would let a dead daemon go unnoticed until the kernel gives up at 16 s (about
//! nine hours).
//!
//! Leap seconds: POSIX time has no second 60. On an insertion Linux reads the last second of the day twice, the second
//! time in the state TIME_OOP. With the leap announced (TIME_INS, TIME_DEL), the machine knows the moment, issues
//! nothing around it, and expects the step of one second that would otherwise stop it. A leap that was not announced is
//! a jump.
//!
//! Out of scope: slewing (realtime and monotonic are slewed together, so it shows in the source's errors only),
//! choosing among time servers and authenticating them (chrony, NTS), and making ledger entries of the events (the
//! shell).

use std::fmt;
use std::time::Duration;

/// genTime is cut to milliseconds, so a token's time may be this much behind the reading it was made from.
pub const GEN_TIME_RESOLUTION: Duration = Duration::from_millis(1);

/// The largest accuracy that may be declared: EN 319 421 TIS-7.7.1-06 asks for one second or better. It is also why an
/// unannounced leap second (a step of 1 s) is always beyond the bound.
pub const ACCURACY_MAX_MS: u64 = 1_000;

const DAY: Duration = Duration::from_secs(86_400);
const LEAP: Duration = Duration::from_secs(1);
/// Longer than any tick of the kernel (10 ms at 100 Hz): how late it may carry out a leap second.
const TICK_MAX: Duration = Duration::from_millis(100);

/// What the operator promises and how closely the clock is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The accuracy that every token declares, in milliseconds.
    pub accuracy_ms: u64,
    /// The largest estimated error of a good sample and the largest step between two readings, in milliseconds.
    pub offset_bound_ms: u64,
    /// How far the free-running oscillator may drift, in millionths, whenever no good sample corrects it.
    pub drift_ppm: u32,
    /// How often a sample is taken, in milliseconds.
    pub sample_interval_ms: u64,
    /// Age of the last good sample beyond which issuing stops, in milliseconds.
    pub sample_age_max_ms: u64,
    /// How many good samples in a row lead out of STOPPED.
    pub good_samples_needed: u32,
}

/// Settings under which a token could promise more than its clock can hold, or under which no token could be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsRefused {
    /// The accuracy does not cover the bound and the resolution of genTime (EN 319 421 TIS-7.7.1-05), with the drift
    /// allowance of two sample intervals, without which a sample at the bound would stop the clock before the next one.
    AccuracyTooSmall {
        /// Milliseconds declared.
        accuracy_ms: u64,
        /// The smallest accuracy that this bound allows, in milliseconds.
        needed_ms: u64,
    },
    /// The accuracy is worse than one second (EN 319 421 TIS-7.7.1-06).
    AccuracyTooLarge {
        /// Milliseconds declared.
        accuracy_ms: u64,
    },
    /// A setting that must not be zero is zero; carries its name.
    Zero(&'static str),
    /// Two samples must fit into the largest age: with one, ordinary scheduling delay would stop the authority.
    SampleAgeTooSmall {
        /// The largest age, in milliseconds.
        sample_age_max_ms: u64,
        /// The smallest largest age that this interval allows, in milliseconds.
        needed_ms: u64,
    },
}

impl Settings {
    /// Checks the rules between the settings.
    ///
    /// # Errors
    /// The first rule that is broken, with the numbers.
    pub fn verify(&self) -> Result<(), SettingsRefused> {
        for (name, value) in [
            ("offset_bound_ms", self.offset_bound_ms),
            ("sample_interval_ms", self.sample_interval_ms),
            ("good_samples_needed", u64::from(self.good_samples_needed)),
        ] {
            if value == 0 {
                return Err(SettingsRefused::Zero(name));
            }
        }
        let accuracy_ms = self.accuracy_ms;
        // Saturating: an absurd bound is refused by its size, not by an overflow.
        let drift_ms = self.drift_over(self.sample_interval().saturating_mul(2)).as_nanos().div_ceil(1_000_000) as u64;
        let needed_ms =
            self.offset_bound_ms.saturating_add(drift_ms).saturating_add(GEN_TIME_RESOLUTION.as_millis() as u64);
        if accuracy_ms < needed_ms {
            return Err(SettingsRefused::AccuracyTooSmall { accuracy_ms, needed_ms });
        }
        if accuracy_ms > ACCURACY_MAX_MS {
            return Err(SettingsRefused::AccuracyTooLarge { accuracy_ms });
        }
        let needed_ms = self.sample_interval_ms.saturating_mul(2);
        if self.sample_age_max_ms < needed_ms {
            return Err(SettingsRefused::SampleAgeTooSmall { sample_age_max_ms: self.sample_age_max_ms, needed_ms });
        }
        Ok(())
    }

    /// How often a sample is taken.
    pub fn sample_interval(&self) -> Duration {
        Duration::from_millis(self.sample_interval_ms)
    }

    fn offset_bound(&self) -> Duration {
        Duration::from_millis(self.offset_bound_ms)
    }

    /// The error that the clock may have so that a genTime cut to milliseconds is still within the accuracy.
    fn error_max(&self) -> Duration {
        Duration::from_millis(self.accuracy_ms).saturating_sub(GEN_TIME_RESOLUTION)
    }

    fn sample_age_max(&self) -> Duration {
        Duration::from_millis(self.sample_age_max_ms)
    }

    fn drift_over(&self, age: Duration) -> Duration {
        // ppm of nanoseconds; in u128 so that an age of centuries does not overflow.
        let nanos = age.as_nanos() * u128::from(self.drift_ppm) / 1_000_000;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for SettingsRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccuracyTooSmall { accuracy_ms, needed_ms } => write!(
                f,
                "accuracy_ms is {accuracy_ms} and must be at least {needed_ms}: offset bound, \
                 drift over two sample intervals, and 1 ms for the resolution of genTime"
            ),
            Self::AccuracyTooLarge { accuracy_ms } => {
                write!(
                    f,
                    "accuracy_ms is {accuracy_ms} and must be at most {ACCURACY_MAX_MS} (EN 319 421: one second or better)"
                )
            }
            Self::Zero(name) => write!(f, "{name} must not be zero"),
            Self::SampleAgeTooSmall { sample_age_max_ms, needed_ms } => write!(
                f,
                "sample_age_max_ms is {sample_age_max_ms} and must be at least {needed_ms}: two sample intervals"
            ),
        }
    }
}

impl std::error::Error for SettingsRefused {}

/// Both clocks at one moment. Durations and not milliseconds: two clocks cut to milliseconds apart from each other
/// would look like a step of one millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Realtime: UTC since 1970-01-01, without leap seconds.
    pub wall: Duration,
    /// Monotonic: since a moment that is fixed for the life of the machine.
    pub monotonic: Duration,
}

impl Reading {
    /// The moment as genTime and the ledger want it: Unix milliseconds, cut.
    pub fn wall_ms(&self) -> u64 {
        u64::try_from(self.wall.as_millis()).unwrap_or(u64::MAX)
    }
}

/// What the time source says about leap seconds (adjtimex(2), the return value).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeapState {
    /// TIME_OK, and TIME_WAIT: a leap second that has passed.
    None,
    /// TIME_INS: a second is added at the end of this UTC day.
    Insert,
    /// TIME_DEL: the last second of this UTC day is left out.
    Delete,
    /// TIME_OOP: this is the added second; realtime reads 23:59:59 for the second time.
    InProgress,
}

/// One statement of the time source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The source keeps this clock and believes in it.
    pub synchronised: bool,
    /// The error that the source estimates.
    pub estimated_error: Duration,
    /// The error that the source cannot rule out.
    pub max_error: Duration,
    /// What it is correcting by, nanoseconds; told to operators, and decides nothing.
    pub offset_nanos: i64,
    /// What it says about leap seconds.
    pub leap: LeapState,
}

/// The health of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No good sample yet.
    Unsynced,
    /// The last sample was good.
    Synced,
    /// The last sample was bad; the last good one still carries.
    Suspect,
    /// Nothing is issued until enough good samples came in a row.
    Stopped,
}

impl State {
    /// All states, in the order of the drawing; for metrics that show one line per state.
    pub const ALL: [State; 4] = [State::Unsynced, State::Synced, State::Suspect, State::Stopped];

    /// The state's name in metrics, logs and `/readyz`.
    pub fn name(self) -> &'static str {
        match self {
            State::Unsynced => "unsynced",
            State::Synced => "synced",
            State::Suspect => "suspect",
            State::Stopped => "stopped",
        }
    }
}

/// Why the state changed. The numbers stand in facts ([`ClockLost`](crate::evidence::OpsFact::ClockLost)) for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A good sample, or the last one of those needed.
    GoodSample = 0,
    /// The time source could not be read.
    SourceUnreadable = 1,
    /// The source says that it is not synchronised.
    Unsynchronised = 2,
    /// The estimated error is above `offset_bound`.
    EstimatedErrorTooLarge = 3,
    /// The maximum error is above the accuracy.
    MaxErrorTooLarge = 4,
    /// Realtime and monotonic have moved apart.
    Jump = 5,
    /// Error, drift allowance and step together no longer fit the accuracy.
    BoundExceeded = 6,
    /// The last good sample is older than `sample_age_max`.
    SampleTooOld = 7,
}

impl Cause {
    /// A stable word for the ledger entry and the log line.
    pub fn name(self) -> &'static str {
        match self {
            Cause::GoodSample => "good_sample",
            Cause::SourceUnreadable => "source_unreadable",
            Cause::Unsynchronised => "unsynchronised",
            Cause::EstimatedErrorTooLarge => "estimated_error_too_large",
            Cause::MaxErrorTooLarge => "max_error_too_large",
            Cause::Jump => "jump",
            Cause::BoundExceeded => "bound_exceeded",
            Cause::SampleTooOld => "sample_too_old",
        }
    }
}

/// One change of state: an entry of the ledger and a line of the log (EN 319 421 OVR-7.12-05, -06).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// When, by both clocks.
    pub at: Reading,
    /// How far realtime moved against monotonic since the sample before, in nanoseconds; positive = forward.
    pub step_nanos: i128,
    /// The estimated error of the sample that decided, or of the last good one when a token's check did; `None`: the
    /// source could not be read.
    pub estimated_error: Option<Duration>,
}

/// A leap second that is announced: which, and the midnight (Unix time) at whose side it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// True: a second is added before `midnight`; false: the last one before it is left out.
    pub insert: bool,
    /// The first moment of the next UTC day, since 1970-01-01.
    pub midnight: Duration,
}

/// What happened, for the ledger and the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The state changed.
    Transition(Transition),
    /// The source announced a leap second.
    LeapAnnounced(Announcement),
    /// The source took the announcement back before its moment.
    LeapWithdrawn(Announcement),
    /// The leap second has happened (EN 319 421 TIS-7.7.2-09 wants the moment on record: `Announcement::midnight`).
    LeapPassed(Announcement),
}

/// May a token carry this reading?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Issue {
        /// The time of the token: the very reading that was judged, in Unix milliseconds.
        now_ms: u64,
        /// The error that the clock has at most, resolution of genTime included; never above the accuracy.
        bound: Duration,
        /// The state in which it was judged: synced or suspect.
        state: State,
    },
    /// No: `timeNotAvailable`.
    Refuse(Refusal),
}

/// Why no token is issued; each is RFC 3161 failInfo `timeNotAvailable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No good sample since the start.
    Unsynced,
    /// The clock is stopped; what stopped it.
    Stopped(Cause),
    /// A leap second is at hand or under way.
    LeapSecond,
}

impl Refusal {
    /// A stable word for logs and the token counter.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Unsynced => "clock_unsynced",
            Refusal::Stopped(_) => "clock_stopped",
            Refusal::LeapSecond => "leap_second",
        }
    }
}

/// What metrics and `/readyz` show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// The state.
    pub state: State,
    /// What stopped the clock, when it is stopped.
    pub stopped_by: Option<Cause>,
    /// The newest statement of the source; `None` before the first and when the newest try failed.
    pub observation: Option<Observation>,
    /// Error that the clock has at most now; `None` while no good sample carries.
    pub bound: Option<Duration>,
    /// Age of the newest sample, good or bad; `None` before the first.
    pub sample_age: Option<Duration>,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct Clock {
    settings: Settings,
    mode: Mode,
    /// The announcement already told as an event.
    announced: Option<Announcement>,
    /// The midnight of the last leap second that passed: tokens wait for the margin behind it too.
    passed: Option<Duration>,
    newest: Option<(Reading, Option<Observation>)>,
}

/// The state with what belongs to it.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Unsynced,
    Synced(Reference),
    /// Still the last *good* sample, so that small steps add up instead of being forgotten at every bad one.
    Suspect(Reference),
    Stopped {
        by: Cause,
        good_in_a_row: u32,
        /// The newest sample that could be read: a step between two samples starts the row anew.
        previous: Reference,
    },
}

/// The sample against which readings are compared.
#[derive(Clone, Copy, Debug)]
struct Reference {
    at: Reading,
    estimated_error: Duration,
    leap: Leap,
}

#[derive(Clone, Copy, Debug)]
enum Leap {
    None,
    Ahead(Announcement),
    /// The added second runs, or the leap has just been: it is over when realtime is past this midnight and the margin.
    Closing {
        midnight: Duration,
    },
}

/// A reading compared with a reference.
struct Comparison {
    step_nanos: i128,
    /// Estimated error, drift allowance and step together.
    error: Duration,
    in_leap: bool,
    /// Why the reference no longer carries this reading. The jump comes first: it is the graver news.
    broken: Option<Cause>,
}

impl Mode {
    fn state(&self) -> State {
        match self {
            Mode::Unsynced => State::Unsynced,
            Mode::Synced(_) => State::Synced,
            Mode::Suspect(_) => State::Suspect,
            Mode::Stopped { .. } => State::Stopped,
        }
    }

    fn reference(&self) -> Option<&Reference> {
        match self {
            Mode::Unsynced => None,
            Mode::Synced(good) | Mode::Suspect(good) => Some(good),
            Mode::Stopped { previous, .. } => Some(previous),
        }
    }
}

impl Clock {
    /// A clock in UNSYNCED.
    ///
    /// # Errors
    /// [`SettingsRefused`]: the authority must not start with these settings.
    pub fn new(settings: Settings) -> Result<Clock, SettingsRefused> {
        settings.verify()?;
        Ok(Clock { settings, mode: Mode::Unsynced, announced: None, passed: None, newest: None })
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The state.
    pub fn state(&self) -> State {
        self.mode.state()
    }

    /// Takes a sample: what the source said (`None`: it could not be read), with both clocks read beside it.
    ///
    /// The outcome does not depend on whether a token was asked for since the last sample: what a check would have
    /// found in between (a step, age, a used-up bound) is found here too.
    pub fn sample(&mut self, at: Reading, observation: Option<Observation>) -> Vec<Event> {
        let mut events = Vec::new();
        // A source that does not believe in its time has no say about leap seconds either.
        if let Some(observation) = observation.filter(|observation| observation.synchronised) {
            self.tell_leap(at, observation.leap, &mut events);
        }
        let fault = self.fault(observation);
        let fresh = observation.map(|Observation { estimated_error, leap, .. }| Reference {
            at,
            estimated_error,
            leap: self.leap_at(at.wall, leap),
        });
        let comparison = self.mode.reference().map(|reference| self.compare(reference, at));
        let step_nanos = comparison.as_ref().map_or(0, |comparison| comparison.step_nanos);
        let broken = comparison.and_then(|comparison| comparison.broken);

        let (next, cause) = match (self.mode, fault, fresh) {
            (Mode::Unsynced, None, Some(fresh)) => (Mode::Synced(fresh), Cause::GoodSample),
            (Mode::Unsynced, fault, _) => (Mode::Unsynced, fault.unwrap_or(Cause::SourceUnreadable)),

            (Mode::Synced(good) | Mode::Suspect(good), fault, fresh) => {
                let stopped = |by| (Mode::Stopped { by, good_in_a_row: 0, previous: fresh.unwrap_or(good) }, by);
                // A source that itself admits more than the accuracy leaves nothing to carry on with.
                let admits = observation.is_some_and(|seen| seen.estimated_error > self.settings.error_max());
                match (broken, fault, fresh) {
                    (Some(cause), _, _) => stopped(cause),
                    (None, None, Some(fresh)) => (Mode::Synced(fresh), Cause::GoodSample),
                    (None, _, _) if admits => stopped(Cause::BoundExceeded),
                    (None, fault, _) => (Mode::Suspect(good), fault.unwrap_or(Cause::SourceUnreadable)),
                }
            }

            (Mode::Stopped { by, good_in_a_row, .. }, None, Some(fresh)) => {
                let good_in_a_row = match broken {
                    Some(Cause::Jump) => 0,
                    // Good samples far apart do not vouch for the time between them.
                    Some(Cause::SampleTooOld) => 1,
                    _ => good_in_a_row.saturating_add(1),
                };
                if good_in_a_row >= self.settings.good_samples_needed {
                    (Mode::Synced(fresh), Cause::GoodSample)
                } else {
                    (Mode::Stopped { by, good_in_a_row, previous: fresh }, by)
                }
            }
            (Mode::Stopped { by, previous, .. }, _, fresh) => {
                (Mode::Stopped { by, good_in_a_row: 0, previous: fresh.unwrap_or(previous) }, by)
            }
        };
        let estimated_error = observation.map(|observation| observation.estimated_error);
        events.extend(self.enter(next, cause, at, step_nanos, estimated_error).map(Event::Transition));
        self.newest = Some((at, observation));
        events
    }

    /// Judges one reading for one token. A verdict that ends the right to issue also changes the state, and says so.
    pub fn check(&mut self, at: Reading) -> (Verdict, Option<Transition>) {
        let good = match self.mode {
            Mode::Synced(good) | Mode::Suspect(good) => good,
            Mode::Unsynced => return (Verdict::Refuse(Refusal::Unsynced), None),
            Mode::Stopped { by, .. } => return (Verdict::Refuse(Refusal::Stopped(by)), None),
        };
        let comparison = self.compare(&good, at);
        if let Some(by) = comparison.broken {
            let stopped = Mode::Stopped { by, good_in_a_row: 0, previous: good };
            let transition = self.enter(stopped, by, at, comparison.step_nanos, Some(good.estimated_error));
            return (Verdict::Refuse(Refusal::Stopped(by)), transition);
        }
        if comparison.in_leap {
            return (Verdict::Refuse(Refusal::LeapSecond), None);
        }
        let bound = comparison.error.saturating_add(GEN_TIME_RESOLUTION);
        (Verdict::Issue { now_ms: at.wall_ms(), bound, state: self.mode.state() }, None)
    }

    /// The clock's health at a reading; changes nothing.
    pub fn health(&self, at: Reading) -> Health {
        let bound = match &self.mode {
            // A reading that would end the right to issue has no bound, even before a token's check or a sample finds it.
            Mode::Synced(good) | Mode::Suspect(good) => Some(self.compare(good, at))
                .filter(|comparison| comparison.broken.is_none())
                .map(|comparison| comparison.error.saturating_add(GEN_TIME_RESOLUTION)),
            Mode::Unsynced | Mode::Stopped { .. } => None,
        };
        let stopped_by = match self.mode {
            Mode::Stopped { by, .. } => Some(by),
            _ => None,
        };
        Health {
            state: self.mode.state(),
            stopped_by,
            observation: self.newest.and_then(|(_, observation)| observation),
            bound,
            sample_age: self.newest.map(|(sampled, _)| at.monotonic.saturating_sub(sampled.monotonic)),
        }
    }

    fn enter(
        &mut self,
        next: Mode,
        cause: Cause,
        at: Reading,
        step_nanos: i128,
        estimated_error: Option<Duration>,
    ) -> Option<Transition> {
        let (from, to) = (self.mode.state(), next.state());
        self.mode = next;
        (from != to).then_some(Transition { from, to, cause, at, step_nanos, estimated_error })
    }

    /// What is wrong with a sample taken alone.
    fn fault(&self, observation: Option<Observation>) -> Option<Cause> {
        let Some(observation) = observation else { return Some(Cause::SourceUnreadable) };
        if !observation.synchronised {
            Some(Cause::Unsynchronised)
        } else if observation.estimated_error > self.settings.offset_bound() {
            Some(Cause::EstimatedErrorTooLarge)
        } else if observation.max_error > self.settings.error_max() {
            Some(Cause::MaxErrorTooLarge)
        } else {
            None
        }
    }

    fn compare(&self, reference: &Reference, at: Reading) -> Comparison {
        let elapsed = nanos(at.monotonic) - nanos(reference.at.monotonic);
        // Where realtime would be if it had only run on.
        let linear = nanos(reference.at.wall) + elapsed;
        let wall = nanos(at.wall);
        let second = nanos(LEAP);
        let margin = nanos(self.settings.offset_bound());
        // The step is taken against the linear course before the leap and against the shifted one after it. Within the
        // margin around the moment both are right, since our clock may be off by as much; the nearer one counts.
        let (from, to, shift) = match reference.leap {
            Leap::None => (i128::MAX, i128::MAX, 0),
            Leap::Ahead(Announcement { insert: true, midnight }) => {
                (nanos(midnight), nanos(midnight) + second, -second)
            }
            Leap::Ahead(Announcement { insert: false, midnight }) => {
                (nanos(midnight) - second, nanos(midnight) - second, second)
            }
            Leap::Closing { midnight } => (i128::MIN / 2, nanos(midnight), 0),
        };
        let before = linear < from.saturating_add(margin);
        let after = linear >= from.saturating_sub(margin);
        let step_nanos = match (before, after) {
            (true, false) => wall - linear,
            (false, true) => wall - linear - shift,
            _ => [wall - linear, wall - linear - shift].into_iter().min_by_key(|step| step.unsigned_abs()).unwrap_or(0),
        };
        let age = at.monotonic.saturating_sub(reference.at.monotonic);
        let step = u64::try_from(step_nanos.unsigned_abs()).unwrap_or(u64::MAX);
        let error = reference
            .estimated_error
            .saturating_add(self.settings.drift_over(age))
            .saturating_add(Duration::from_nanos(step));
        let broken = if step_nanos.abs() > margin {
            Some(Cause::Jump)
        } else if age > self.settings.sample_age_max() {
            Some(Cause::SampleTooOld)
        } else if error > self.settings.error_max() {
            Some(Cause::BoundExceeded)
        } else {
            None
        };
        Comparison { step_nanos, error, in_leap: after && linear < to.saturating_add(margin), broken }
    }

    fn tell_leap(&mut self, at: Reading, leap: LeapState, events: &mut Vec<Event>) {
        let ahead = match self.leap_at(at.wall, leap) {
            Leap::Ahead(announcement) => Some(announcement),
            Leap::None | Leap::Closing { .. } => None,
        };
        if let Some(told) = self.announced {
            // An added second has begun when the source says so, or when realtime is past midnight.
            let passed = leap == LeapState::InProgress || at.wall >= told.midnight;
            if passed && ahead != Some(told) {
                events.push(Event::LeapPassed(told));
                self.passed = Some(told.midnight);
            } else if ahead != Some(told) {
                events.push(Event::LeapWithdrawn(told));
            } else {
                return;
            }
            self.announced = None;
        }
        if let Some(announcement) = ahead {
            events.push(Event::LeapAnnounced(announcement));
            self.announced = Some(announcement);
        }
    }

    /// Where the leap second lies that a source announced at this moment: at the end of the UTC day.
    fn leap_at(&self, wall: Duration, leap: LeapState) -> Leap {
        let into_day = Duration::from_nanos((wall.as_nanos() % DAY.as_nanos()) as u64);
        let next_midnight = (wall - into_day).saturating_add(DAY);
        match leap {
            LeapState::None => match self.passed {
                Some(midnight) if wall + LEAP >= midnight && wall < midnight + self.settings.offset_bound() => {
                    Leap::Closing { midnight }
                }
                _ => Leap::None,
            },
            // The kernel adds the second at its next tick, some milliseconds late: until then realtime reads 00:00:00
            // of the next day while the leap is still announced. It is the midnight just passed that is meant.
            LeapState::Insert if into_day < TICK_MAX => {
                Leap::Ahead(Announcement { insert: true, midnight: wall - into_day })
            }
            LeapState::Insert => Leap::Ahead(Announcement { insert: true, midnight: next_midnight }),
            LeapState::Delete => Leap::Ahead(Announcement { insert: false, midnight: next_midnight }),
            LeapState::InProgress => Leap::Closing { midnight: next_midnight },
        }
    }
}

/// Signed, and wide enough for every sum and difference of this module.
fn nanos(duration: Duration) -> i128 {
    duration.as_nanos() as i128
}

#[cfg(test)]
mod tests;
