//! ASW-R, every order of events: one run, two honest sides or one of them corrupt, an honest arbiter that may be absent for a while.
//!
//! What runs here is what runs in production: the clients' automata (`semper_ttp::client::asw_r`), the arbiter's `decide` and the rule of the
//! end (`semper_ttp::exchange`). Only statements are symbols: who may make one follows from whose signature it needs.
//!
//! **The network is the attacker's.** What was sent once stays in `sent`, may be delivered at any time, any number of times, or never.
//! A corrupt side signs whatever it likes, again and again; nobody signs for an honest one. **Crashes**: a side's new state is on disk
//! before its message leaves ([`Action::Perform`] comes later, or again), and the arbiter's answer may be lost, so that the side asks
//! again. **Time** is discrete: an honest side acts no later than [`Timing::waits_until`] says, and what it asks reaches the arbiter
//! within [`DELAY`], unless the arbiter is absent.
//!
//! The names of the properties are those of exchange-and-disputes §3. `abuse_` is not claimed, and a test shows that it does not hold.

#![allow(clippy::print_stdout, reason = "how much was explored is what whoever runs this wants to know: make models")]

use std::collections::BTreeSet;

use semper_ttp::b64u::B64u;
use semper_ttp::client::Timing;
use semper_ttp::client::asw_r::{Act, Happened, Message, Originator, Responder};
use semper_ttp::crypto::jose::Thumbprint;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::expiry::{Outage, end};
use semper_ttp::exchange::{Ask, Clocked, Demand, Exchange, ExchangeState};
use semper_ttp::role::step;
use semper_ttp::statement::exchange::{Assurance, Outcome, Protocol, Side};
use semper_ttp::time::Timestamp;
use semper_ttp::timestamp::ClockVerdict;
use stateright::{Checker, HasDiscoveries, Model, Property};

/// The longest that a request takes to the arbiter, in the model's milliseconds.
const DELAY: u64 = 1;
/// δ: what the network takes, and nothing to spare.
const DELTA: u64 = DELAY;
/// The end of the run.
const T_EXP: u64 = 4;
/// The last moment of the model: an end moved by the one absence, and some more.
const LAST: u64 = 8;
/// Nonces of the responder.
const NONCES: [u8; 2] = [1, 2];

/// A statement, by what it binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sent {
    M1,
    M2(u8),
    M3(u8),
    M4(u8),
    Abort,
    Resolve(Side, u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u64,
    sent: BTreeSet<Sent>,
    o: Option<Originator>,
    /// The answer that the originator took.
    taken: Option<u8>,
    r: Option<Responder>,
    /// Since when each side's message waits to leave, or its request for the arbiter.
    due: [Option<u64>; 2],
    /// One for each copy of m1 that a weakened arbiter tells apart.
    arbiter: [ExchangeState; 2],
    absent_since: Option<u64>,
    outages: Vec<Outage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// An honest side reads what was sent.
    Deliver(Side, Sent),
    /// An honest side waits no longer.
    Overdue(Side),
    /// What an honest side wants done is done, for the first time or again.
    Perform(Side),
    /// A corrupt side signs something.
    Forge(Sent),
    /// The arbiter takes a request, with one of two copies of m1.
    Decide(Sent, u8),
    /// Its answer reaches an honest side.
    Learn(Side),
    Tick,
    Leave,
    Return,
}

/// What is taken away from the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weak {
    Nothing,
    /// The clients know no δ.
    NoDelta,
    /// The arbiter's absence moves no end.
    NoOutageRule,
    /// The arbiter knows a run by the copy of m1 that it was shown.
    ByCopy,
    /// m3 is a bare nonce, as published.
    UnsignedOpening,
    /// The originator opens after it has asked to abort.
    OpensAfterAbort,
}

struct Run {
    corrupt: Option<Side>,
    expires: bool,
    /// Whether the arbiter may be absent once.
    absences: bool,
    weak: Weak,
}

const X: Digest = Digest([7; 32]);

const fn index(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}

impl Run {
    fn is_honest(&self, side: Side) -> bool {
        self.corrupt != Some(side)
    }

    fn timing(&self) -> Timing {
        let delta_ms = if self.weak == Weak::NoDelta { 0 } else { DELTA };
        // Nobody is patient by himself: any moment may be one too many.
        Timing { t_exp: self.expires.then_some(T_EXP), delta_ms, patience_ms: u64::MAX }
    }

    /// Whether a corrupt side can make this now.
    fn can_forge(&self, world: &World, sent: Sent) -> bool {
        let opened = world.sent.iter().any(|sent| matches!(sent, Sent::M3(_)));
        match (self.corrupt, sent) {
            (Some(Side::Originator), Sent::M1 | Sent::M3(_) | Sent::Abort | Sent::Resolve(Side::Originator, _)) => true,
            (Some(Side::Responder), Sent::M2(_) | Sent::M4(_) | Sent::Resolve(Side::Responder, _)) => true,
            // A nonce that is known opens whatever it is said to open.
            (_, Sent::M3(_)) => self.weak == Weak::UnsignedOpening && opened,
            _ => false,
        }
    }

    fn happened(&self, world: &mut World, side: Side, happened: Happened) -> bool {
        let act = match side {
            Side::Originator => {
                let Some(before) = world.o else { return false };
                let (after, act) = before.next(happened, world.now, &self.timing());
                let weakly = self.weak == Weak::OpensAfterAbort
                    && before == Originator::Aborting
                    && happened == Happened::Message(Message::Answer);
                let (after, act) = if weakly { (Originator::Opened, Some(Act::SendOpening)) } else { (after, act) };
                if after == before {
                    return false;
                }
                world.o = Some(after);
                act
            }
            Side::Responder => {
                let Some(before) = world.r else { return false };
                let (after, act) = before.next(happened);
                if after == before {
                    return false;
                }
                world.r = Some(after);
                act
            }
        };
        // What was due before is nobody's duty any more.
        world.due[index(side)] = act.map(|_| world.now);
        true
    }

    fn deliver(&self, world: &mut World, side: Side, sent: Sent) -> bool {
        match (side, sent) {
            (Side::Responder, Sent::M1) if world.r.is_none() => {
                let Some((state, _)) = Responder::begin(world.now, &self.timing()) else { return false };
                world.r = Some(state);
                world.due[1] = Some(world.now);
                true
            }
            // An honest responder answers with its first nonce and no other.
            (Side::Responder, Sent::M3(nonce)) if nonce == NONCES[0] => {
                self.happened(world, side, Happened::Message(Message::Opening))
            }
            (Side::Originator, Sent::M2(nonce)) if world.taken.is_none() || self.weak == Weak::OpensAfterAbort => {
                let before = world.o;
                let changed = self.happened(world, side, Happened::Message(Message::Answer));
                if changed && before != world.o && world.o == Some(Originator::Opened) {
                    world.taken = Some(nonce);
                }
                changed
            }
            (Side::Originator, Sent::M4(nonce)) if world.taken == Some(nonce) => {
                self.happened(world, side, Happened::Message(Message::Closing))
            }
            _ => false,
        }
    }

    /// The messages by which an honest side does what it wants done.
    fn performed(&self, world: &World, side: Side) -> Vec<Sent> {
        let act = match side {
            Side::Originator => world.o.and_then(Originator::again),
            Side::Responder => world.r.and_then(Responder::again),
        };
        match act {
            None => vec![],
            Some(Act::SendOffer) => vec![Sent::M1],
            Some(Act::SendAnswer) => vec![Sent::M2(NONCES[0])],
            Some(Act::SendOpening) => world.taken.map(Sent::M3).into_iter().collect(),
            Some(Act::SendClosing) => vec![Sent::M4(NONCES[0])],
            Some(Act::AskAbort) => vec![Sent::Abort],
            Some(Act::AskResolve) => vec![Sent::Resolve(side, world.taken.unwrap_or(NONCES[0]))],
        }
    }

    /// Whether the arbiter can be asked this: every statement that comes with it was signed.
    fn can_be_asked(&self, world: &World, sent: Sent) -> bool {
        match sent {
            Sent::Abort => world.sent.contains(&Sent::Abort),
            Sent::Resolve(_, nonce) => world.sent.contains(&sent) && world.sent.contains(&Sent::M2(nonce)),
            _ => false,
        }
    }

    fn decide(&self, world: &mut World, sent: Sent, copy: u8) {
        let (side, demand) = match sent {
            Sent::Resolve(side, nonce) => (side, Demand::Resolve { c_r: Digest([nonce; 32]) }),
            _ => (Side::Originator, Demand::Abort),
        };
        let outages: &[Outage] = if self.weak == Weak::NoOutageRule { &[] } else { &world.outages };
        let request = match sent {
            Sent::Resolve(_, nonce) => nonce,
            _ => 0,
        };
        let event = Ask {
            x: X,
            protocol: Protocol::AswR,
            policy: Digest([4; 32]),
            assurance: Assurance::NonQualified,
            end: self.expires.then(|| end(T_EXP, DELTA, outages)),
            o: Thumbprint(B64u([1; 32])),
            r: Thumbprint(B64u([2; 32])),
            side,
            request: Digest([request; 32]),
            demand,
        };
        let copy = if self.weak == Weak::ByCopy { usize::from(copy) } else { 0 };
        let event = Clocked { event, clock: ClockVerdict::Synced };
        let now = Timestamp::from_millis(world.now);
        step::<Exchange>(&mut world.arbiter[copy], &event, now).expect("so many requests there are not");
    }

    /// What the arbiter says to an honest side, which shows the first copy.
    fn verdict(world: &World) -> Option<Outcome> {
        world.arbiter[0].decision.as_ref().map(|(_, decision)| decision.outcome)
    }

    /// Whether a side waits for the arbiter, and may be told.
    fn waits(world: &World, side: Side) -> bool {
        match side {
            Side::Originator => matches!(world.o, Some(Originator::Aborting | Originator::Resolving)),
            Side::Responder => world.r == Some(Responder::Resolving),
        }
    }

    /// Time stands still while an honest side has something to do.
    fn may_tick(&self, world: &World) -> bool {
        if world.now >= LAST {
            return false;
        }
        let next = world.now + 1;
        let sides = [Side::Originator, Side::Responder].into_iter().filter(|side| self.is_honest(*side));
        sides.into_iter().all(|side| {
            let until = self.timing().waits_until(0);
            let is_waiting = match side {
                Side::Originator => matches!(world.o, Some(Originator::Offered | Originator::Opened)),
                Side::Responder => world.r == Some(Responder::Answered),
            };
            if is_waiting && next > until {
                return false;
            }
            match world.due[index(side)] {
                None => true,
                // A message leaves at once; a request is there after the longest delay, or after the arbiter is back.
                Some(_) if !Self::waits(world, side) => false,
                Some(_) if world.absent_since.is_some() => true,
                Some(since) => {
                    let back = world.outages.last().map_or(0, |outage| outage.to.millis());
                    next <= since.max(back) + DELAY
                }
            }
        })
    }

    /// Whether somebody outside would be convinced that there is a contract: by the arbiter's verdict, or by both openings, where a corrupt
    /// side makes what is its own.
    fn is_provable(&self, world: &World) -> bool {
        let resolved = world
            .arbiter
            .iter()
            .any(|state| state.decision.as_ref().is_some_and(|(_, decision)| decision.outcome == Outcome::Resolved));
        let has = |sent: Sent| world.sent.contains(&sent) || self.can_forge(world, sent);
        resolved
            || NONCES
                .iter()
                .any(|nonce| has(Sent::M1) && has(Sent::M2(*nonce)) && has(Sent::M3(*nonce)) && has(Sent::M4(*nonce)))
    }

    /// How a side ended, if it did: with a contract, or without.
    fn ended(world: &World, side: Side) -> Option<bool> {
        match (side, world.o, world.r) {
            (Side::Originator, Some(Originator::Done(end)), _) => Some(end.is_contract()),
            (Side::Responder, _, Some(Responder::Done(end))) => Some(end.is_contract()),
            _ => None,
        }
    }

    /// Both have it, or nobody can show it.
    fn is_fair(&self, world: &World) -> bool {
        let honest = [Side::Originator, Side::Responder].into_iter().filter(|side| self.is_honest(*side));
        honest.into_iter().all(|side| Self::ended(world, side) != Some(false) || !self.is_provable(world))
    }

    /// A side stops waiting and asks the arbiter, as soon as that is there: then its run is over, and fairly.
    fn is_timely(&self, world: &World) -> bool {
        let honest = [Side::Originator, Side::Responder].into_iter().filter(|side| self.is_honest(*side));
        honest.into_iter().all(|side| {
            let mut world = world.clone();
            if Self::ended(&world, side).is_some() || (side == Side::Responder && world.r.is_none()) {
                return true;
            }
            if let Some(from) = world.absent_since.take() {
                let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(world.now));
                world.outages.push(Outage { from, to, index: 0 });
            }
            self.happened(&mut world, side, Happened::Overdue);
            let asked = self.performed(&world, side);
            world.sent.extend(&asked);
            // Whoever asks to resolve has the answer, and sends it along.
            if let Some(Sent::Resolve(_, nonce)) = asked.first() {
                world.sent.insert(Sent::M2(*nonce));
            }
            let Some(request) = asked.first().filter(|request| self.can_be_asked(&world, **request)) else {
                return false;
            };
            self.decide(&mut world, *request, 0);
            let Some(outcome) = Self::verdict(&world) else { return false };
            self.happened(&mut world, side, Happened::Verdict(outcome));
            Self::ended(&world, side).is_some() && self.is_fair(&world)
        })
    }
}

impl Model for Run {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let o = self.is_honest(Side::Originator).then_some(Originator::Offered);
        vec![World {
            now: 0,
            sent: BTreeSet::new(),
            due: [o.map(|_| 0), None],
            o,
            taken: None,
            r: None,
            arbiter: Default::default(),
            absent_since: None,
            outages: vec![],
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let all = [Sent::M1, Sent::Abort].into_iter().chain(NONCES.into_iter().flat_map(|nonce| {
            let resolve = [Side::Originator, Side::Responder].map(|side| Sent::Resolve(side, nonce));
            [Sent::M2(nonce), Sent::M3(nonce), Sent::M4(nonce)].into_iter().chain(resolve)
        }));
        for sent in all {
            if !world.sent.contains(&sent) && self.can_forge(world, sent) {
                actions.push(Action::Forge(sent));
            }
            let copies: &[u8] = if self.weak == Weak::ByCopy { &[0, 1] } else { &[0] };
            if world.absent_since.is_none() && self.can_be_asked(world, sent) {
                let asker = if let Sent::Resolve(side, _) = sent { side } else { Side::Originator };
                // Who asks again gets the same again: a corrupt side learns nothing from it.
                let matters = |copy: &&u8| {
                    let is_new = world.arbiter[usize::from(**copy)].decision.is_none();
                    is_new || (self.is_honest(asker) && world.due[index(asker)].is_some())
                };
                actions.extend(copies.iter().filter(matters).map(|copy| Action::Decide(sent, *copy)));
            }
        }
        for side in [Side::Originator, Side::Responder].into_iter().filter(|side| self.is_honest(*side)) {
            actions.extend(world.sent.iter().map(|sent| Action::Deliver(side, *sent)));
            actions.extend([Action::Overdue(side), Action::Perform(side), Action::Learn(side)]);
        }
        // Without an end no moment differs from another.
        if self.expires {
            actions.push(Action::Tick);
        }
        if self.absences {
            actions.extend([Action::Leave, Action::Return]);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        let changed = match action {
            Action::Deliver(side, sent) => self.deliver(&mut world, side, sent),
            Action::Overdue(side) => self.happened(&mut world, side, Happened::Overdue),
            Action::Perform(side) => {
                world.sent.extend(self.performed(last, side));
                // A request is due until it is decided; a message that left is done.
                if !Self::waits(last, side) {
                    world.due[index(side)] = None;
                }
                world != *last
            }
            Action::Forge(sent) => world.sent.insert(sent),
            Action::Decide(sent, copy) => {
                self.decide(&mut world, sent, copy);
                let asker = if let Sent::Resolve(side, _) = sent { side } else { Side::Originator };
                if self.is_honest(asker) && Self::waits(last, asker) {
                    world.due[index(asker)] = None;
                }
                world != *last
            }
            Action::Learn(side) => match Self::verdict(last) {
                // Only who has asked is told.
                Some(outcome) if Self::waits(last, side) && last.due[index(side)].is_none() => {
                    self.happened(&mut world, side, Happened::Verdict(outcome))
                }
                _ => false,
            },
            Action::Tick => {
                world.now += 1;
                self.may_tick(last)
            }
            Action::Leave => {
                world.absent_since = Some(last.now);
                last.absent_since.is_none() && last.outages.is_empty()
            }
            Action::Return => match world.absent_since.take() {
                Some(from) => {
                    let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(last.now));
                    world.outages.push(Outage { from, to, index: 0 });
                    true
                }
                None => false,
            },
        };
        changed.then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("strong_fair_", |run: &Self, world: &World| run.is_fair(world)),
            Property::always("timely_", |run: &Self, world: &World| run.is_timely(world)),
            Property::always("nonrepud_", |run: &Self, world: &World| {
                // What an honest originator is shown to have opened is what it took, and it has not taken it back as well.
                let openings = world.sent.iter().filter_map(|sent| match sent {
                    Sent::M3(nonce) => Some(*nonce),
                    _ => None,
                });
                let mut openings = openings.peekable();
                !run.is_honest(Side::Originator)
                    || openings.peek().is_none()
                    || (!world.sent.contains(&Sent::Abort) && openings.all(|nonce| world.taken == Some(nonce)))
            }),
            Property::always("accountable_", |_: &Self, world: &World| {
                // The arbiter decides nothing that it cannot show the grounds of.
                let decided = world.arbiter[0].decision.as_ref();
                decided.is_none_or(|(step, decision)| {
                    let grounds = match decision.outcome {
                        Outcome::Aborted => world.sent.contains(&Sent::Abort),
                        Outcome::Resolved => NONCES.iter().any(|nonce| {
                            decision.c_r == Some(Digest([*nonce; 32])) && world.sent.contains(&Sent::M2(*nonce))
                        }),
                        Outcome::Expired => world.now > T_EXP,
                    };
                    *step == 0 && grounds
                })
            }),
            Property::sometimes("some run is aborted", |_: &Self, world: &World| {
                Run::verdict(world) == Some(Outcome::Aborted)
            }),
            Property::sometimes("some run is resolved", |_: &Self, world: &World| {
                Run::verdict(world) == Some(Outcome::Resolved)
            }),
            Property::sometimes("effective_", |run: &Self, world: &World| {
                let both = [Side::Originator, Side::Responder].map(|side| Run::ended(world, side) == Some(true));
                run.corrupt.is_some() || (both == [true, true] && world.arbiter[0].decision.is_none())
            }),
        ]
    }
}

/// Explores everything that can happen; where a property is to be broken, until it is.
fn explored(run: Run, until: Option<&'static str>) -> impl Checker<Run> {
    let what =
        format!("{:?} corrupt, expires {}, absences {}, weak {:?}", run.corrupt, run.expires, run.absences, run.weak);
    let until_broken = until.map_or(HasDiscoveries::AnyFailures, |broken| HasDiscoveries::AnyOf([broken].into()));
    let checked = run.checker().threads(2).finish_when(until_broken).spawn_bfs().join();
    println!("{what}: {} states", checked.unique_state_count());
    checked
}

fn strong(corrupt: Option<Side>, expires: bool, absences: bool) {
    let checked = explored(Run { corrupt, expires, absences, weak: Weak::Nothing }, None);
    checked.assert_properties();
    assert!(checked.unique_state_count() > 100, "too little was explored");
}

/// A weakened rule breaks this property, and the checker finds how.
fn weak(run: Run, property: &'static str) {
    let checked = explored(run, Some(property));
    assert!(checked.discovery(property).is_some(), "{property} holds without the rule, so its test shows nothing");
}

#[test]
fn asw_r_is_fair_timely_and_accountable() {
    for corrupt in [None, Some(Side::Originator), Some(Side::Responder)] {
        strong(corrupt, false, false);
        strong(corrupt, true, false);
    }
}

#[test]
fn asw_r_outage_at_expiry() {
    for corrupt in [Some(Side::Originator), Some(Side::Responder)] {
        strong(corrupt, true, true);
    }
    let run = Run { corrupt: Some(Side::Responder), expires: true, absences: true, weak: Weak::NoOutageRule };
    weak(run, "strong_fair_");
}

#[test]
fn asw_r_expiry_without_delta() {
    let run = Run { corrupt: Some(Side::Responder), expires: true, absences: false, weak: Weak::NoDelta };
    weak(run, "strong_fair_");
}

#[test]
fn a_run_is_known_by_x_and_not_by_a_copy() {
    for corrupt in [Side::Originator, Side::Responder] {
        let run = Run { corrupt: Some(corrupt), expires: false, absences: false, weak: Weak::ByCopy };
        weak(run, "strong_fair_");
    }
}

#[test]
fn an_unsigned_opening_splits_the_run() {
    let run = Run { corrupt: Some(Side::Responder), expires: false, absences: false, weak: Weak::UnsignedOpening };
    weak(run, "nonrepud_");
}

#[test]
fn an_originator_that_opens_after_it_has_asked_to_abort_is_cheated() {
    let run = Run { corrupt: Some(Side::Responder), expires: false, absences: false, weak: Weak::OpensAfterAbort };
    weak(run, "strong_fair_");
}

/// Not claimed: with m2 in hand and nothing sent, a corrupt originator can show that it alone decides.
#[test]
fn abuse_is_not_ruled_out() {
    let run = Run { corrupt: Some(Side::Originator), expires: false, absences: false, weak: Weak::Nothing };
    let mut world = run.init_states().remove(0);
    for action in
        [Action::Forge(Sent::M1), Action::Deliver(Side::Responder, Sent::M1), Action::Perform(Side::Responder)]
    {
        world = run.next_state(&world, action).unwrap();
    }
    assert!(world.sent.contains(&Sent::M2(NONCES[0])), "which an outsider can verify");
    let after = |request: Sent| {
        let world = run.next_state(&world, Action::Forge(request)).unwrap();
        Run::verdict(&run.next_state(&world, Action::Decide(request, 0)).unwrap())
    };
    assert_eq!(after(Sent::Abort), Some(Outcome::Aborted));
    assert_eq!(after(Sent::Resolve(Side::Originator, NONCES[0])), Some(Outcome::Resolved));
}
