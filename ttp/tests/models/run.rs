//! What the models of all protocols share: one run, two honest sides or one of them corrupt, an honest arbiter that may be absent for a
//! while.
//!
//! What runs here is what runs in production: the clients' automata (`semper_ttp::client`), the arbiter's `decide` and the rule of the end
//! (`semper_ttp::exchange`). Only statements are symbols: who may make one follows from whose signature it needs.
//!
//! **The network is the attacker's.** What was sent once stays in `sent`, may be delivered at any time, any number of times, or never.
//! A corrupt side signs whatever it likes, again and again; nobody signs for an honest one. **Crashes**: a side's new state is on disk
//! before its message leaves ([`Action::Perform`] comes later, or again), and the arbiter's answer may be lost, so that the side asks
//! again. **Time** is discrete: an honest side acts no later than [`Timing::waits_until`] says, and what it asks reaches the arbiter
//! within [`DELAY`], unless the arbiter is absent.
//!
//! The names of the properties are those of exchange-and-disputes §3.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;

use semper_ttp::b64u::B64u;
use semper_ttp::client::Timing;
use semper_ttp::client::automaton::{Act, Happened, Message, Originator, Responder};
use semper_ttp::crypto::jose::Thumbprint;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::expiry::{Outage, end};
use semper_ttp::exchange::{Ask, Clocked, Decision, Demand, Exchange, ExchangeState};
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
pub(crate) const T_EXP: u64 = 4;
/// The last moment of the model: an end moved by the one absence, and some more.
const LAST: u64 = 8;

/// A protocol, in symbols.
pub(crate) trait Symbols: Copy + Debug + Eq + Ord + Hash + Send + Sync + 'static {
    /// By which rules the arbiter decides.
    const PROTOCOL: Protocol;

    /// Every statement that a side may make.
    fn all() -> Vec<Self>;

    /// Whether somebody who is not honest can make this now.
    fn can_be_forged(self, run: &Run<Self>, world: &World<Self>) -> bool;

    /// What an honest side reads in it: the first message of the run, or one that it waits for, with what it takes of it.
    fn read(self, world: &World<Self>, side: Side) -> Option<Read>;

    /// The messages by which an honest side does what its automaton wants.
    fn of(act: Act, side: Side, world: &World<Self>) -> Vec<Self>;

    /// What a side has in hand that asks the arbiter, though nothing in `sent` shows it: the other side's answer.
    fn in_hand(self) -> Vec<Self>;

    /// What the arbiter is asked by it, if every statement that comes with it was signed: by whom, what, and the request's number.
    fn asks(self, run: &Run<Self>, world: &World<Self>) -> Option<(Side, Demand, u8)>;

    /// Both have what was agreed, or neither has anything of use.
    fn is_fair(run: &Run<Self>, world: &World<Self>) -> bool;

    /// What an honest side is shown to have done is what it did.
    fn is_undeniable(run: &Run<Self>, world: &World<Self>) -> bool;

    /// Whether the arbiter can show the grounds of its decision.
    fn has_grounds(decision: &Decision, world: &World<Self>) -> bool;
}

/// What an honest side reads in a statement.
pub(crate) enum Read {
    /// The run begins.
    First,
    /// A message, and the commitment in it that the originator takes.
    Message(Message, Option<u8>),
}

/// Everything, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World<S: Symbols> {
    pub(crate) now: u64,
    pub(crate) sent: BTreeSet<S>,
    pub(crate) o: Option<Originator>,
    /// The answer that the originator took.
    pub(crate) taken: Option<u8>,
    pub(crate) r: Option<Responder>,
    /// Since when each side's message waits to leave, or its request for the arbiter.
    due: [Option<u64>; 2],
    /// One for each copy of the first statement that a weakened arbiter tells apart.
    pub(crate) arbiter: [ExchangeState; 2],
    absent_since: Option<u64>,
    outages: Vec<Outage>,
    /// What was decided first.
    first: Option<Outcome>,
    /// Whether another decision followed it.
    was_decided_twice: bool,
}

/// Something that may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action<S> {
    /// An honest side reads what was sent.
    Deliver(Side, S),
    /// An honest side waits no longer.
    Overdue(Side),
    /// What an honest side wants done is done, for the first time or again.
    Perform(Side),
    /// A corrupt side signs something.
    Forge(S),
    /// The arbiter takes a request, with one of two copies of the first statement.
    Decide(S, u8),
    /// Its answer reaches an honest side.
    Learn(Side),
    Tick,
    Leave,
    Return,
}

/// What is taken away from the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weak {
    Nothing,
    /// The clients know no δ.
    NoDelta,
    /// The arbiter's absence moves no end.
    NoOutageRule,
    /// The arbiter knows a run by the copy of its first statement that it was shown.
    ByCopy,
    /// m3 is a bare nonce, as published.
    UnsignedOpening,
    /// The originator opens after it has asked to abort.
    OpensAfterAbort,
    /// The escrow of a delivery is not in what the originator signs.
    EscrowBeside,
    /// A run whose escrow held nothing is decided again.
    VoidIsForgotten,
}

/// What is explored.
pub(crate) struct Run<S: Symbols> {
    pub(crate) corrupt: Option<Side>,
    pub(crate) expires: bool,
    /// How many times the arbiter may be absent.
    pub(crate) absences: usize,
    pub(crate) weak: Weak,
    pub(crate) of: std::marker::PhantomData<S>,
}

const X: Digest = Digest([7; 32]);

const SIDES: [Side; 2] = [Side::Originator, Side::Responder];

const fn index(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}

impl<S: Symbols> Run<S> {
    pub(crate) const fn new(corrupt: Option<Side>, expires: bool, absences: usize, weak: Weak) -> Self {
        Self { corrupt, expires, absences, weak, of: std::marker::PhantomData }
    }

    pub(crate) fn is_honest(&self, side: Side) -> bool {
        self.corrupt != Some(side)
    }

    fn honest(&self) -> impl Iterator<Item = Side> {
        SIDES.into_iter().filter(|side| self.is_honest(*side))
    }

    fn timing(&self) -> Timing {
        let delta_ms = if self.weak == Weak::NoDelta { 0 } else { DELTA };
        // Nobody is patient by himself: any moment may be one too many.
        Timing { t_exp: self.expires.then_some(T_EXP), delta_ms, patience_ms: u64::MAX }
    }

    fn happened(&self, world: &mut World<S>, side: Side, happened: Happened) -> bool {
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

    fn deliver(&self, world: &mut World<S>, side: Side, sent: S) -> bool {
        match sent.read(world, side) {
            Some(Read::First) if side == Side::Responder && world.r.is_none() => {
                let Some((state, _)) = Responder::begin(world.now, &self.timing()) else { return false };
                world.r = Some(state);
                world.due[1] = Some(world.now);
                true
            }
            Some(Read::Message(Message::Answer, taken)) => {
                if world.taken.is_some() && self.weak != Weak::OpensAfterAbort {
                    return false;
                }
                let before = world.o;
                let changed = self.happened(world, side, Happened::Message(Message::Answer));
                if changed && before != world.o && world.o == Some(Originator::Opened) {
                    world.taken = taken;
                }
                changed
            }
            Some(Read::Message(message, _)) => self.happened(world, side, Happened::Message(message)),
            _ => false,
        }
    }

    fn performed(&self, world: &World<S>, side: Side) -> Vec<S> {
        let act = match side {
            Side::Originator => world.o.and_then(Originator::again),
            Side::Responder => world.r.and_then(Responder::again),
        };
        act.map_or(Vec::new(), |act| S::of(act, side, world))
    }

    fn decide(&self, world: &mut World<S>, (side, demand, request): (Side, Demand, u8), copy: u8) {
        let outages: &[Outage] = if self.weak == Weak::NoOutageRule { &[] } else { &world.outages };
        let event = Ask {
            x: X,
            protocol: S::PROTOCOL,
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
        let state = &mut world.arbiter[copy];
        let is_void = |state: &ExchangeState| {
            state.decision.as_ref().is_some_and(|(_, decision)| decision.outcome == Outcome::Void)
        };
        if self.weak == Weak::VoidIsForgotten && is_void(state) {
            *state = ExchangeState::default();
        }
        step::<Exchange>(state, &event, now).expect("so many requests there are not");
        let decided = state.decision.as_ref().map(|(_, decision)| decision.outcome);
        world.was_decided_twice |= world.first.is_some() && world.first != decided;
        world.first = world.first.or(decided);
    }

    /// What the arbiter says to an honest side, which shows the first copy.
    pub(crate) fn verdict(world: &World<S>) -> Option<Outcome> {
        world.arbiter[0].decision.as_ref().map(|(_, decision)| decision.outcome)
    }

    /// Whether any verdict of this outcome was made.
    pub(crate) fn was_decided(world: &World<S>, outcome: Outcome) -> bool {
        let decisions = world.arbiter.iter().filter_map(|state| state.decision.as_ref());
        decisions.into_iter().any(|(_, decision)| decision.outcome == outcome)
    }

    /// Whether a side waits for the arbiter, and may be told.
    fn waits(world: &World<S>, side: Side) -> bool {
        match side {
            Side::Originator => matches!(world.o, Some(Originator::Aborting | Originator::Resolving)),
            Side::Responder => world.r == Some(Responder::Resolving),
        }
    }

    /// Time stands still while an honest side has something to do.
    fn may_tick(&self, world: &World<S>) -> bool {
        if world.now >= LAST {
            return false;
        }
        let next = world.now + 1;
        self.honest().all(|side| {
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

    /// How a side ended, if it did: with what was agreed, or without.
    pub(crate) fn ended(world: &World<S>, side: Side) -> Option<bool> {
        match (side, world.o, world.r) {
            (Side::Originator, Some(Originator::Done(end)), _) => Some(end.is_fulfilled()),
            (Side::Responder, _, Some(Responder::Done(end))) => Some(end.is_fulfilled()),
            _ => None,
        }
    }

    /// A side stops waiting and asks the arbiter, as soon as that is there: then its run is over, and fairly.
    fn is_timely(&self, world: &World<S>) -> bool {
        self.honest().all(|side| {
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
            world.sent.extend(asked.first().map_or(Vec::new(), |asked| asked.in_hand()));
            let Some(request) = asked.first().and_then(|request| request.asks(self, &world)) else { return false };
            self.decide(&mut world, request, 0);
            let Some(outcome) = Self::verdict(&world) else { return false };
            self.happened(&mut world, side, Happened::Verdict(outcome));
            Self::ended(&world, side).is_some() && S::is_fair(self, &world)
        })
    }

    /// The end of the run, moved by the arbiter's absences.
    fn end(&self, world: &World<S>) -> u64 {
        end(T_EXP, DELTA, &world.outages).at_ms
    }
}

impl<S: Symbols> Model for Run<S> {
    type State = World<S>;
    type Action = Action<S>;

    fn init_states(&self) -> Vec<World<S>> {
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
            first: None,
            was_decided_twice: false,
        }]
    }

    fn actions(&self, world: &World<S>, actions: &mut Vec<Action<S>>) {
        for sent in S::all() {
            if !world.sent.contains(&sent) && sent.can_be_forged(self, world) {
                actions.push(Action::Forge(sent));
            }
            let copies: &[u8] = if self.weak == Weak::ByCopy { &[0, 1] } else { &[0] };
            if let Some((asker, ..)) = sent.asks(self, world).filter(|_| world.absent_since.is_none()) {
                // Who asks again gets the same again: a corrupt side learns nothing from it.
                let matters = |copy: &&u8| {
                    let state = &world.arbiter[usize::from(**copy)];
                    let is_open = state.decision.is_none() || self.weak == Weak::VoidIsForgotten;
                    is_open || (self.is_honest(asker) && world.due[index(asker)].is_some())
                };
                actions.extend(copies.iter().filter(matters).map(|copy| Action::Decide(sent, *copy)));
            }
        }
        for side in self.honest() {
            actions.extend(world.sent.iter().map(|sent| Action::Deliver(side, *sent)));
            actions.extend([Action::Overdue(side), Action::Perform(side), Action::Learn(side)]);
        }
        // Without an end no moment differs from another.
        if self.expires {
            actions.push(Action::Tick);
        }
        if self.absences > 0 {
            actions.extend([Action::Leave, Action::Return]);
        }
    }

    fn next_state(&self, last: &World<S>, action: Action<S>) -> Option<World<S>> {
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
                let request = sent.asks(self, last)?;
                self.decide(&mut world, request, copy);
                let asker = request.0;
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
                last.absent_since.is_none() && last.outages.len() < self.absences
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
            Property::always("strong_fair_", |run: &Self, world: &World<S>| S::is_fair(run, world)),
            Property::always("timely_", |run: &Self, world: &World<S>| run.is_timely(world)),
            Property::always("nonrepud_", |run: &Self, world: &World<S>| S::is_undeniable(run, world)),
            Property::always("decided once", |_: &Self, world: &World<S>| !world.was_decided_twice),
            Property::always("accountable_", |run: &Self, world: &World<S>| {
                // The arbiter decides nothing that it cannot show the grounds of, nothing else after the end, and that not before.
                let decided = world.arbiter[0].decision.as_ref();
                decided.is_none_or(|(step, decision)| {
                    let grounds = match decision.outcome {
                        Outcome::Expired => run.expires && decision.at.millis() > T_EXP && world.now > T_EXP,
                        _ => S::has_grounds(decision, world),
                    };
                    // An absence that is told later moves no end of what was decided.
                    let is_in_time =
                        decision.outcome == Outcome::Expired || !run.expires || decision.at.millis() <= run.end(world);
                    *step == 0 && grounds && is_in_time
                })
            }),
            Property::sometimes("some run is taken back", |_: &Self, world: &World<S>| {
                Self::verdict(world) == Some(Outcome::Aborted)
            }),
            Property::sometimes("some run is resolved", |_: &Self, world: &World<S>| {
                matches!(Self::verdict(world), Some(Outcome::Resolved | Outcome::Released))
            }),
            Property::sometimes("effective_", |run: &Self, world: &World<S>| {
                let both = SIDES.map(|side| Self::ended(world, side) == Some(true));
                run.corrupt.is_some() || (both == [true, true] && world.arbiter[0].decision.is_none())
            }),
        ]
    }
}

/// Explores everything that can happen; where a property is to be broken, until it is.
fn explored<S: Symbols>(run: Run<S>, until: Option<&'static str>) -> impl Checker<Run<S>> {
    let Run { corrupt, expires, absences, weak, .. } = &run;
    let what =
        format!("{}: {corrupt:?} corrupt, expires {expires}, absences {absences}, weak {weak:?}", S::PROTOCOL.name());
    let until_broken = until.map_or(HasDiscoveries::AnyFailures, |broken| HasDiscoveries::AnyOf([broken].into()));
    let checked = run.checker().threads(2).finish_when(until_broken).spawn_bfs().join();
    println!("{what}: {} states", checked.unique_state_count());
    checked
}

/// Every property holds in every state.
pub(crate) fn strong<S: Symbols>(corrupt: Option<Side>, expires: bool, absences: usize) {
    let checked = explored(Run::<S>::new(corrupt, expires, absences, Weak::Nothing), None);
    checked.assert_properties();
    assert!(checked.unique_state_count() > 100, "too little was explored");
}

/// A weakened rule breaks this property, and the checker finds how.
pub(crate) fn weak<S: Symbols>(run: Run<S>, property: &'static str) {
    let checked = explored(run, Some(property));
    assert!(checked.discovery(property).is_some(), "{property} holds without the rule, so its test shows nothing");
}
