//! Tables for every transition, every sequence of a small machine, and a simulated world that knows the true time.

use super::*;
use proptest::prelude::*;

const SETTINGS: Settings = Settings {
    accuracy_ms: 500,
    offset_bound_ms: 100,
    drift_ppm: 100,
    sample_interval_ms: 10_000,
    sample_age_max_ms: 60_000,
    good_samples_needed: 3,
};

/// 2026-06-30 12:00:00 UTC.
const NOON: Duration = Duration::from_secs(1_782_820_800);
const MIDNIGHT: Duration = Duration::from_secs(1_782_820_800 + 43_200);

const GOOD: Observation = Observation {
    synchronised: true,
    estimated_error: ms(2),
    max_error: ms(20),
    offset_nanos: 0,
    leap: LeapState::None,
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn clock() -> Clock {
    Clock::new(SETTINGS).unwrap()
}

/// A machine whose two clocks run evenly, except where a test steps realtime.
#[derive(Clone)]
struct Machine {
    clock: Clock,
    at: Reading,
}

impl Machine {
    fn new() -> Machine {
        Machine::starting(NOON)
    }

    fn starting(wall: Duration) -> Machine {
        Machine { clock: clock(), at: Reading { wall, monotonic: ms(5_000) } }
    }

    fn pass(&mut self, millis: u64) {
        self.at.wall += ms(millis);
        self.at.monotonic += ms(millis);
    }

    fn step(&mut self, millis: i64) {
        let by = ms(millis.unsigned_abs());
        self.at.wall = if millis < 0 { self.at.wall - by } else { self.at.wall + by };
    }

    fn sample(&mut self, observation: Option<Observation>) -> Vec<Event> {
        self.clock.sample(self.at, observation)
    }

    fn check(&mut self) -> (Verdict, Option<Transition>) {
        self.clock.check(self.at)
    }

    fn issues(&mut self) -> bool {
        matches!(self.check().0, Verdict::Issue { .. })
    }
}

/// What is done to the machine, for tables.
#[derive(Clone, Copy, Debug)]
enum Do {
    Pass(u64),
    Step(i64),
    Good,
    Unreadable,
    Unsynchronised,
    Estimated(u64),
    Maximum(u64),
    Check,
}

fn perform(machine: &mut Machine, act: Do) -> Vec<Event> {
    match act {
        Do::Pass(millis) => {
            machine.pass(millis);
            vec![]
        }
        Do::Step(millis) => {
            machine.step(millis);
            vec![]
        }
        Do::Good => machine.sample(Some(GOOD)),
        Do::Unreadable => machine.sample(None),
        Do::Unsynchronised => machine.sample(Some(Observation { synchronised: false, ..GOOD })),
        Do::Estimated(millis) => machine.sample(Some(Observation { estimated_error: ms(millis), ..GOOD })),
        Do::Maximum(millis) => machine.sample(Some(Observation { max_error: ms(millis), ..GOOD })),
        Do::Check => machine.check().1.map(Event::Transition).into_iter().collect(),
    }
}

/// Runs the acts; the last one must make exactly this transition (`None`: no event), and all before it may do as they
/// like.
fn expect(acts: &[Do], transition: Option<(State, State, Cause)>) {
    let mut machine = Machine::new();
    let mut events = vec![];
    let mut before = machine.clock.state();
    for act in acts {
        before = machine.clock.state();
        events = perform(&mut machine, *act);
    }
    let told: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Transition(told) => (told.from, told.to, told.cause),
            other => panic!("{acts:?}: {other:?}"),
        })
        .collect();
    assert_eq!(told, Vec::from_iter(transition), "{acts:?}");
    assert_eq!(machine.clock.state(), transition.map_or(before, |(_, to, _)| to), "{acts:?}");
    if let Some((from, _, _)) = transition {
        assert_eq!(from, before, "{acts:?}");
    }
}

#[test]
fn every_transition() {
    use Cause as C;
    use Do::*;
    use State::*;
    type Row<'a> = (&'a [Do], Option<(State, State, Cause)>);
    let table: &[Row<'_>] = &[
        // UNSYNCED
        (&[Good], Some((Unsynced, Synced, C::GoodSample))),
        (&[Unsynchronised], None),
        (&[Unreadable], None),
        (&[Estimated(101)], None),
        (&[Estimated(10_000)], None),
        (&[Estimated(100)], Some((Unsynced, Synced, C::GoodSample))),
        (&[Maximum(499)], Some((Unsynced, Synced, C::GoodSample))),
        (&[Maximum(500)], None),
        (&[Unsynchronised, Step(5_000), Good], Some((Unsynced, Synced, C::GoodSample))),
        (&[Check], None),
        // SYNCED
        (&[Good, Pass(10_000), Good], None),
        (&[Good, Pass(60_000), Good], None),
        (&[Good, Step(100), Good], None),
        (&[Good, Step(-100), Check], None),
        (&[Good, Pass(60_000), Check], None),
        (&[Good, Pass(10_000), Unsynchronised], Some((Synced, Suspect, C::Unsynchronised))),
        (&[Good, Pass(10_000), Unreadable], Some((Synced, Suspect, C::SourceUnreadable))),
        (&[Good, Pass(10_000), Estimated(101)], Some((Synced, Suspect, C::EstimatedErrorTooLarge))),
        (&[Good, Pass(10_000), Maximum(500)], Some((Synced, Suspect, C::MaxErrorTooLarge))),
        (&[Good, Pass(10_000), Estimated(499)], Some((Synced, Suspect, C::EstimatedErrorTooLarge))),
        (&[Good, Pass(10_000), Estimated(500)], Some((Synced, Stopped, C::BoundExceeded))),
        (&[Good, Pass(60_001), Check], Some((Synced, Stopped, C::SampleTooOld))),
        (&[Good, Pass(60_001), Good], Some((Synced, Stopped, C::SampleTooOld))),
        (&[Good, Step(101), Check], Some((Synced, Stopped, C::Jump))),
        (&[Good, Step(-101), Check], Some((Synced, Stopped, C::Jump))),
        (&[Good, Pass(9_999), Step(-101), Good], Some((Synced, Stopped, C::Jump))),
        (&[Good, Pass(60_001), Step(3_600_000), Check], Some((Synced, Stopped, C::Jump))),
        // SUSPECT
        (&[Good, Unsynchronised, Pass(10_000), Good], Some((Suspect, Synced, C::GoodSample))),
        (&[Good, Unsynchronised, Pass(10_000), Unreadable], None),
        (&[Good, Unsynchronised, Pass(10_000), Check], None),
        (&[Good, Unsynchronised, Pass(60_000), Estimated(101)], None),
        (&[Good, Unsynchronised, Pass(60_001), Unsynchronised], Some((Suspect, Stopped, C::SampleTooOld))),
        (&[Good, Unsynchronised, Pass(60_001), Check], Some((Suspect, Stopped, C::SampleTooOld))),
        (&[Good, Unsynchronised, Estimated(500)], Some((Suspect, Stopped, C::BoundExceeded))),
        (&[Good, Unsynchronised, Step(101), Check], Some((Suspect, Stopped, C::Jump))),
        // Small steps add up across bad samples.
        (&[Good, Step(60), Unsynchronised, Step(60), Check], Some((Suspect, Stopped, C::Jump))),
        // STOPPED
        (&[Good, Step(101), Check, Good, Good], None),
        (&[Good, Step(101), Good, Good, Good], None),
        (&[Good, Step(101), Good, Good, Good, Good], Some((Stopped, Synced, C::GoodSample))),
        (&[Good, Step(101), Check, Good, Good, Good, Good], Some((Stopped, Synced, C::GoodSample))),
        (&[Good, Step(101), Good, Good, Good, Unsynchronised], None),
        (&[Good, Step(101), Good, Good, Unreadable, Good, Good], None),
        (&[Good, Step(101), Good, Good, Unsynchronised, Good, Good], None),
        (&[Good, Step(101), Good, Good, Unsynchronised, Good, Good, Good], Some((Stopped, Synced, C::GoodSample))),
        (&[Good, Step(101), Good, Good, Good, Step(101), Good], None),
        (&[Good, Step(101), Good, Good, Good, Pass(60_001), Good], None),
        (&[Good, Step(101), Good, Good, Pass(60_001), Good, Good, Good], Some((Stopped, Synced, C::GoodSample))),
        (&[Good, Pass(60_001), Check, Good, Good], None),
        (&[Good, Pass(60_001), Check, Good, Good, Good], Some((Stopped, Synced, C::GoodSample))),
        (&[Good, Step(101), Check, Pass(60_001), Check], None),
    ];
    for (acts, transition) in table {
        expect(acts, *transition);
    }
}

#[test]
fn settings_that_promise_too_much_are_refused() {
    let ok = Settings { accuracy_ms: 103, ..SETTINGS };
    let table = [
        // 100 + 100 ppm of 20 s + 1
        (ok, Ok(())),
        (
            Settings { accuracy_ms: 102, ..ok },
            Err(SettingsRefused::AccuracyTooSmall { accuracy_ms: 102, needed_ms: 103 }),
        ),
        // Without drift: exactly the bound and the resolution of genTime.
        (Settings { accuracy_ms: 101, drift_ppm: 0, ..ok }, Ok(())),
        (
            Settings { accuracy_ms: 100, drift_ppm: 0, ..ok },
            Err(SettingsRefused::AccuracyTooSmall { accuracy_ms: 100, needed_ms: 101 }),
        ),
        // Declaring one second while the bound is one second: the case that the standard's rule is about.
        (
            Settings { accuracy_ms: 1_000, offset_bound_ms: 1_000, drift_ppm: 0, ..ok },
            Err(SettingsRefused::AccuracyTooSmall { accuracy_ms: 1_000, needed_ms: 1_001 }),
        ),
        (Settings { accuracy_ms: 1_001, ..ok }, Err(SettingsRefused::AccuracyTooLarge { accuracy_ms: 1_001 })),
        (
            Settings { offset_bound_ms: u64::MAX, ..ok },
            Err(SettingsRefused::AccuracyTooSmall { accuracy_ms: 103, needed_ms: u64::MAX }),
        ),
        (Settings { offset_bound_ms: 0, ..ok }, Err(SettingsRefused::Zero("offset_bound_ms"))),
        (Settings { sample_interval_ms: 0, ..ok }, Err(SettingsRefused::Zero("sample_interval_ms"))),
        (Settings { good_samples_needed: 0, ..ok }, Err(SettingsRefused::Zero("good_samples_needed"))),
        (
            Settings { sample_age_max_ms: 19_999, ..ok },
            Err(SettingsRefused::SampleAgeTooSmall { sample_age_max_ms: 19_999, needed_ms: 20_000 }),
        ),
    ];
    for (settings, expected) in table {
        assert_eq!(settings.verify(), expected, "{settings:?}");
        assert_eq!(Clock::new(settings).map(|_| ()), expected, "{settings:?}");
    }
}

#[test]
fn a_token_gets_the_reading_that_was_judged_and_its_bound() {
    let mut machine = Machine::new();
    assert_eq!(machine.check(), (Verdict::Refuse(Refusal::Unsynced), None));
    machine.sample(Some(GOOD));
    machine.pass(10_000);
    machine.step(-7);
    let now_ms = NOON.as_millis() as u64 + 9_993;
    // 2 ms estimated + 100 ppm of 10 s = 1 ms + a step of 7 ms + 1 ms resolution.
    assert_eq!(machine.check(), (Verdict::Issue { now_ms, bound: ms(11), state: State::Synced }, None));
    machine.sample(None);
    let carried = Verdict::Issue { now_ms, bound: ms(11), state: State::Suspect };
    assert_eq!(machine.check(), (carried, None), "the verdict says that it lives on an old sample");
    assert_eq!(machine.clock.health(machine.at).bound, Some(ms(11)));
    machine.step(-94);
    let (verdict, transition) = machine.check();
    assert_eq!(verdict, Verdict::Refuse(Refusal::Stopped(Cause::Jump)));
    assert_eq!(transition.unwrap().step_nanos, -101_000_000);
    // Also for the next request, without a second event.
    assert_eq!(machine.check(), (Verdict::Refuse(Refusal::Stopped(Cause::Jump)), None));
}

/// With the accuracy nearly used up, SUSPECT lasts as long as the allowance: 397 ms of drift room is never used up
/// within the largest age, 1 ms is after 10 s.
#[test]
fn the_drift_allowance_ends_suspect() {
    let tight = Settings { accuracy_ms: 104, ..SETTINGS };
    let mut machine = Machine { clock: Clock::new(tight).unwrap(), ..Machine::new() };
    machine.sample(Some(Observation { estimated_error: ms(100), ..GOOD }));
    machine.sample(None);
    assert_eq!(machine.clock.state(), State::Suspect);
    machine.pass(30_000);
    assert!(machine.issues());
    machine.pass(1);
    let (verdict, transition) = machine.check();
    assert_eq!(verdict, Verdict::Refuse(Refusal::Stopped(Cause::BoundExceeded)));
    let transition = transition.unwrap();
    assert_eq!((transition.from, transition.to), (State::Suspect, State::Stopped));
    assert_eq!(transition.estimated_error, Some(ms(100)));
}

#[test]
fn health_tells_what_is_known() {
    let mut machine = Machine::new();
    let nothing = Health { state: State::Unsynced, stopped_by: None, observation: None, bound: None, sample_age: None };
    assert_eq!(machine.clock.health(machine.at), nothing);
    machine.sample(Some(GOOD));
    machine.pass(20_000);
    let health = machine.clock.health(machine.at);
    assert_eq!((health.state, health.observation), (State::Synced, Some(GOOD)));
    assert_eq!((health.bound, health.sample_age), (Some(ms(5)), Some(ms(20_000))));
    machine.sample(None);
    machine.pass(1_000);
    let health = machine.clock.health(machine.at);
    assert_eq!((health.state, health.observation, health.sample_age), (State::Suspect, None, Some(ms(1_000))));
    assert!(health.bound.is_some());
    machine.step(1_000);
    machine.check();
    let health = machine.clock.health(machine.at);
    assert_eq!((health.state, health.stopped_by, health.bound), (State::Stopped, Some(Cause::Jump), None));
}

/// A reader that was overtaken by a newer sample must not make the machine think that time ran backwards.
#[test]
fn a_reading_from_just_before_the_sample_is_no_jump() {
    let mut machine = Machine::new();
    machine.sample(Some(GOOD));
    let older = machine.at;
    machine.pass(40);
    machine.sample(Some(GOOD));
    assert!(matches!(machine.clock.check(older).0, Verdict::Issue { .. }));
    assert_eq!(machine.clock.state(), State::Synced);
}

// ---- leap seconds ---------------------------------------------------------------------------------------------------

/// How Linux carries out a leap second: `tick` milliseconds late. Gives realtime and what adjtimex says, `millis` after
/// a start that lies one minute before midnight.
fn linux(leap: LeapState, millis: u64, tick: u64) -> (Reading, LeapState) {
    let start = MIDNIGHT - ms(60_000);
    let (wall, says) = match leap {
        LeapState::Insert if millis < 60_000 + tick => (start + ms(millis), LeapState::Insert),
        LeapState::Insert if millis < 61_000 => (start + ms(millis - 1_000), LeapState::InProgress),
        LeapState::Insert => (start + ms(millis - 1_000), LeapState::None),
        LeapState::Delete if millis < 59_000 + tick => (start + ms(millis), LeapState::Delete),
        LeapState::Delete => (start + ms(millis + 1_000), LeapState::None),
        LeapState::None | LeapState::InProgress => (start + ms(millis), LeapState::None),
    };
    (Reading { wall, monotonic: ms(1_000_000 + millis) }, says)
}

fn sample_linux(clock: &mut Clock, (at, says): (Reading, LeapState)) -> Vec<Event> {
    clock.sample(at, Some(Observation { leap: says, ..GOOD }))
}

/// Whenever the samples fall, tokens stop around the second that is added or left out, nothing reads as a jump, and the
/// events tell the announcement and the moment.
#[test]
fn announced_leap_seconds_stop_tokens_and_nothing_else() {
    for (leap, insert, moment) in [(LeapState::Insert, true, 60_000), (LeapState::Delete, false, 59_000)] {
        let span = if insert { 1_000 } else { 0 };
        for (phase, tick) in (0..10_000).step_by(250).flat_map(|phase| [(phase, 0), (phase, 4)]) {
            let mut clock = clock();
            let mut events = sample_linux(&mut clock, linux(leap, 0, tick));
            for millis in (1..=90_000).step_by(50) {
                let now = linux(leap, millis, tick);
                let (verdict, transition) = clock.check(now.0);
                assert_eq!(transition, None, "{leap:?} phase {phase} at {millis}");
                let near = millis + 100 >= moment && millis < moment + span + 100;
                if near {
                    assert_eq!(verdict, Verdict::Refuse(Refusal::LeapSecond), "{leap:?} phase {phase} at {millis}");
                } else if !(50_000..70_000).contains(&millis) {
                    assert!(
                        matches!(verdict, Verdict::Issue { .. }),
                        "{leap:?} phase {phase} at {millis}: {verdict:?}"
                    );
                }
                if (millis + phase) % 10_000 <= 50 {
                    events.extend(sample_linux(&mut clock, now));
                }
            }
            let announcement = Announcement { insert, midnight: MIDNIGHT };
            assert_eq!(clock.state(), State::Synced);
            assert_eq!(
                events[1..],
                [Event::Transition(events_transition(&events)), Event::LeapPassed(announcement)],
                "{leap:?} phase {phase} tick {tick}: {events:?}"
            );
            assert_eq!(events[0], Event::LeapAnnounced(announcement));
        }
    }
}

fn events_transition(events: &[Event]) -> Transition {
    let found = events.iter().find_map(|event| match event {
        Event::Transition(transition) => Some(*transition),
        _ => None,
    });
    let transition = found.expect("a transition");
    assert_eq!((transition.from, transition.to), (State::Unsynced, State::Synced));
    transition
}

#[test]
fn a_leap_second_that_nobody_announced_is_a_jump() {
    let mut machine = Machine::starting(MIDNIGHT - ms(5_000));
    machine.sample(Some(GOOD));
    machine.pass(5_010);
    machine.step(-1_000);
    assert_eq!(machine.check().0, Verdict::Refuse(Refusal::Stopped(Cause::Jump)));
}

#[test]
fn an_announced_leap_second_that_does_not_come_is_a_jump() {
    let mut machine = Machine::starting(MIDNIGHT - ms(5_000));
    machine.sample(Some(Observation { leap: LeapState::Insert, ..GOOD }));
    machine.pass(6_200);
    assert_eq!(machine.check().0, Verdict::Refuse(Refusal::Stopped(Cause::Jump)));
}

#[test]
fn an_announcement_may_be_withdrawn() {
    let mut machine = Machine::starting(MIDNIGHT - ms(60_000));
    let announcement = Announcement { insert: true, midnight: MIDNIGHT };
    machine.sample(Some(Observation { leap: LeapState::Insert, ..GOOD }));
    machine.pass(10_000);
    // An unsynchronised source has no say.
    let events = machine.sample(Some(Observation { synchronised: false, ..GOOD }));
    assert!(events.iter().all(|event| matches!(event, Event::Transition(_))), "{events:?}");
    machine.pass(10_000);
    let events = machine.sample(Some(GOOD));
    assert_eq!(events[0], Event::LeapWithdrawn(announcement));
    machine.pass(40_500);
    assert!(machine.issues());
}

#[test]
fn a_start_inside_the_added_second_waits_for_its_end() {
    let mut machine = Machine::starting(MIDNIGHT - ms(600));
    machine.sample(Some(Observation { leap: LeapState::InProgress, ..GOOD }));
    assert_eq!(machine.clock.state(), State::Synced);
    for _ in 0..14 {
        assert_eq!(machine.check(), (Verdict::Refuse(Refusal::LeapSecond), None));
        machine.pass(50);
    }
    assert!(machine.issues());
}

// ---- all sequences --------------------------------------------------------------------------------------------------

/// The rules again, told as history instead of as states: what must have happened for a token to be issued.
#[derive(Clone, Default)]
struct History {
    /// Since the last good sample before any stop: realtime's step and the time gone by, in milliseconds.
    carried: Option<(i64, u64)>,
    /// Good samples in a row since the stop; `None` = not stopped.
    row: Option<u32>,
    /// Step and time since the newest sample that could be read.
    since_sample: (i64, u64),
}

impl History {
    fn pass(&mut self, millis: u64) {
        self.since_sample.1 += millis;
        if let Some(carried) = &mut self.carried {
            carried.1 += millis;
        }
    }

    fn step(&mut self, millis: i64) {
        self.since_sample.0 += millis;
        if let Some(carried) = &mut self.carried {
            carried.0 += millis;
        }
    }

    fn may_issue(&self) -> bool {
        self.row.is_none()
            && self.carried.is_some_and(|(step, age)| {
                // error 2 ms + 100 ppm + step + 1 ms ≤ 500 ms never binds before step ≤ 100 and age ≤ 60 s do.
                step.abs() <= 100 && age <= 60_000
            })
    }

    /// After any look at the clock: a broken basis stops it.
    fn look(&mut self) {
        if self.carried.is_some() && !self.may_issue() {
            self.carried = None;
            self.row = Some(0);
        }
    }

    fn sample(&mut self, good: bool, readable: bool) {
        let was_stopped = self.row.is_some();
        self.look();
        let (step, age) = self.since_sample;
        match (&mut self.row, good) {
            (Some(row), true) if was_stopped => {
                *row = match (step.abs() > 100, age > 60_000) {
                    (true, _) => 0,
                    (false, true) => 1,
                    (false, false) => *row + 1,
                };
                if *row == 3 {
                    self.row = None;
                    self.carried = Some((0, 0));
                }
            }
            (Some(row), _) => *row = 0,
            (None, true) => self.carried = Some((0, 0)),
            (None, false) => {}
        }
        // Only in STOPPED is a bad sample compared with later; elsewhere the last good one stays the measure.
        if readable && (self.row.is_some() || good) {
            self.since_sample = (0, 0);
        }
    }
}

#[test]
fn every_sequence_of_a_small_machine() {
    const ACTS: [Do; 8] = [
        Do::Good,
        Do::Unsynchronised,
        Do::Unreadable,
        Do::Maximum(500),
        Do::Step(70),
        Do::Step(-150),
        Do::Pass(35_000),
        Do::Check,
    ];
    fn explore(machine: &Machine, history: &History, depth: u32, seen: &mut (u64, [bool; 4])) {
        for act in ACTS {
            let (mut machine, mut history) = (machine.clone(), history.clone());
            let before = machine.clock.state();
            let events = perform(&mut machine, act);
            match act {
                Do::Pass(millis) => history.pass(millis),
                Do::Step(millis) => history.step(millis),
                Do::Check => history.look(),
                Do::Good => history.sample(true, true),
                Do::Unreadable => history.sample(false, false),
                _ => history.sample(false, true),
            }
            let after = machine.clock.state();
            // Every change is told, once, and only along the arrows of the drawing.
            match events[..] {
                [] => assert_eq!(before, after),
                [Event::Transition(told)] => {
                    assert_eq!((told.from, told.to), (before, after));
                    assert!(matches!(
                        (before, after),
                        (State::Unsynced | State::Suspect | State::Stopped, State::Synced)
                            | (State::Synced, State::Suspect)
                            | (State::Synced | State::Suspect, State::Stopped)
                    ));
                }
                _ => panic!("{events:?}"),
            }
            // A token exactly when the history allows it. Judged on a copy: looking is an act of its own.
            assert_eq!(machine.clone().issues(), history.may_issue(), "after {act:?} in {before:?}");
            seen.0 += 1;
            seen.1[after as usize] = true;
            if depth > 1 {
                explore(&machine, &history, depth - 1, seen);
            }
        }
    }
    let mut seen = (0, [false; 4]);
    explore(&Machine::new(), &History::default(), 6, &mut seen);
    assert_eq!(seen, ((1..=6).map(|depth| 8u64.pow(depth)).sum(), [true; 4]));
    // Deeper, from STOPPED: the way out takes at least three more acts.
    let mut machine = Machine::new();
    let mut history = History::default();
    for act in [Do::Good, Do::Step(-150), Do::Check] {
        perform(&mut machine, act);
    }
    history.sample(true, true);
    history.step(-150);
    history.look();
    explore(&machine, &history, 5, &mut seen);
}

// ---- a world that knows the true time -------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Act {
    /// Milliseconds of true time; the oscillator gains or loses this many ppm meanwhile.
    Run {
        millis: u64,
        ppm: i64,
    },
    /// Somebody steps realtime by microseconds.
    Step(i64),
    /// The daemon sets realtime to the true time, but for an error in microseconds.
    Correct(i64),
    /// A sample whose estimate is the true error and this many microseconds more.
    Sample {
        slack: u64,
        synchronised: bool,
    },
    Unreadable,
    Check,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let ppm = i64::from(SETTINGS.drift_ppm);
    let act = prop_oneof![
        3 => (0..40_000u64, -ppm..=ppm).prop_map(|(millis, ppm)| Act::Run { millis, ppm }),
        1 => (-300_000..300_000i64).prop_map(Act::Step),
        1 => (-40_000..40_000i64).prop_map(Act::Step),
        1 => (-90_000..90_000i64).prop_map(Act::Correct),
        4 => (0..60_000u64, prop::bool::weighted(0.8)).prop_map(|(slack, synchronised)| Act::Sample { slack, synchronised }),
        1 => Just(Act::Unreadable),
        4 => Just(Act::Check),
    ];
    prop::collection::vec(act, 1..120)
}

proptest! {
    /// While the source tells the truth and the oscillator keeps within its allowance, no token is ever further from
    /// UTC than it says, whatever is done to realtime and however late the samples come.
    #[test]
    fn no_token_is_further_from_utc_than_it_says(acts in acts()) {
        let mut clock = clock();
        // Microseconds: true time, what realtime is ahead of it, and the monotonic clock.
        let (mut utc, mut ahead, mut monotonic) = (NOON.as_micros() as i64, 0i64, 1_000_000i64);
        for act in acts {
            let at = |utc: i64, ahead: i64, monotonic: i64| Reading {
                wall: Duration::from_micros((utc + ahead) as u64),
                monotonic: Duration::from_micros(monotonic as u64),
            };
            match act {
                Act::Run { millis, ppm } => {
                    let gained = millis as i64 * ppm / 1_000;
                    utc += millis as i64 * 1_000;
                    monotonic += millis as i64 * 1_000 + gained;
                    ahead += gained;
                }
                Act::Step(micros) => ahead += micros,
                Act::Correct(error) => ahead = error,
                Act::Unreadable => drop(clock.sample(at(utc, ahead, monotonic), None)),
                Act::Sample { slack, synchronised } => {
                    let estimated_error = Duration::from_micros(ahead.unsigned_abs() + slack);
                    let observation = Observation { synchronised, estimated_error, ..GOOD };
                    clock.sample(at(utc, ahead, monotonic), Some(observation));
                }
                Act::Check => {
                    if let (Verdict::Issue { now_ms, bound, .. }, _) = clock.check(at(utc, ahead, monotonic)) {
                        let off = (now_ms as i64 * 1_000 - utc).unsigned_abs();
                        // Drift counts on the machine's own seconds: 100 ppm of 100 ppm, below a microsecond a minute.
                        prop_assert!(off <= bound.as_micros() as u64 + 1, "{off} µs off, {bound:?} said");
                        prop_assert!(bound <= Duration::from_millis(SETTINGS.accuracy_ms));
                    }
                }
            }
        }
    }

    /// No reading makes the machine panic.
    #[test]
    fn any_readings_do(readings in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u8>()), 1..20)) {
        let mut clock = clock();
        for (wall, monotonic, kind) in readings {
            let at = Reading { wall: Duration::from_nanos(wall), monotonic: Duration::from_nanos(monotonic) };
            let leap = [LeapState::None, LeapState::Insert, LeapState::Delete, LeapState::InProgress][kind as usize % 4];
            if kind < 128 {
                clock.sample(at, (kind < 120).then_some(Observation { leap, ..GOOD }));
            } else {
                clock.check(at);
            }
            clock.health(at);
        }
    }
}
