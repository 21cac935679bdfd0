//! The inline exchange in every order of events: both have the other's item, or neither has.
//!
//! What runs here is what runs in production: the arbiter's `decide` and its ends (`semper_ttp::exchange::inline`). Statements are symbols.
//! **The network is the attacker's**: what was signed once may reach the arbiter at any time, any number of times, or never. A corrupt side
//! signs whatever it likes. An honest one deposits what it promised, may lose patience at any moment and cancel, and takes an item as it is
//! only when its user has seen which one. Timers fire or do not.
//!
//! The arbiter's absences are no part of this: they move both ends alike, and no item is let go by an end.

use std::collections::BTreeSet;

use semper_ttp::b64u::B64u;
use semper_ttp::crypto::jose::Thumbprint;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::inline::{
    Agreement, Clocked, Ends, Inline, InlineEvent, InlineFact, InlineState, Moved, Phase,
};
use semper_ttp::role::step;
use semper_ttp::statement::exchange::inline::{DepositFault, DepositMode};
use semper_ttp::statement::exchange::item::MatchResult;
use semper_ttp::statement::exchange::{Assurance, Outcome, Side};
use semper_ttp::time::Timestamp;
use semper_ttp::timestamp::ClockVerdict;
use stateright::{Checker, HasDiscoveries, Model, Property};

pub(super) const T_DEP: u64 = 1;
pub(super) const T_EXP: u64 = 2;
/// The last moment of the model: both ends have passed.
pub(super) const LAST: u64 = 3;

pub(super) const SIDES: [Side; 2] = [Side::Originator, Side::Responder];

pub(super) const fn index(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}

/// What somebody deposits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Thing {
    /// What was promised.
    Good,
    /// Something else, that looks like it to who does not look inside.
    Rubbish,
}

/// A statement, by what it binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Sent {
    Deposit(Side, Thing),
    Cancel(Side),
    /// And the items that it names.
    Waive(Side, [Thing; 2]),
}

/// What is taken away from the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weak {
    Nothing,
    /// Who has not deposited may fetch what the other has.
    EarlyRelease,
    /// What only people can judge is let go like what a machine has found.
    HumanReleases,
    /// One side's waiver is enough.
    OneWaiver,
    /// What was taken is replaced by whoever deposited it.
    Replaces,
    /// A side cancels also when the other has deposited.
    CancelsForBoth,
    /// An end has passed when its timer fires.
    EndsByTimer,
    /// The end of the run is forgotten.
    NoEnd,
    /// After its decision the arbiter begins anew.
    Forgets,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u64,
    sent: BTreeSet<Sent>,
    arbiter: InlineState,
    /// Which of the other's items each side has.
    got: [Option<Thing>; 2],
    /// What was decided first.
    first: Option<Outcome>,
    was_decided_twice: bool,
    /// By what a return came, if not by an end: whose cancel.
    cancelled_by: Option<Side>,
    /// Whether it was let go after its end.
    was_late: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Sign(Sent),
    Deliver(Sent),
    Register,
    Collect(Side),
    Wake,
    Tick,
}

struct Run {
    corrupt: Option<Side>,
    /// Whether only people can tell what the items are.
    papers: bool,
    weak: Weak,
}

pub(super) fn item(side: Side, thing: Thing) -> Digest {
    Digest([1 + 2 * u8::try_from(index(side)).unwrap_or(0) + u8::from(thing == Thing::Rubbish); 32])
}

pub(super) fn thing_of(of: Side, digest: Digest) -> Thing {
    if digest == item(of, Thing::Good) { Thing::Good } else { Thing::Rubbish }
}

pub(super) fn request(sent: Sent) -> Digest {
    let bit = |thing: Thing| u8::from(thing == Thing::Rubbish);
    let (kind, side, things) = match sent {
        Sent::Deposit(side, thing) => (0, side, bit(thing)),
        Sent::Cancel(side) => (1, side, 0),
        Sent::Waive(side, [o, r]) => (2, side, 2 * bit(o) + bit(r)),
    };
    Digest([10 + kind * 10 + 4 * u8::try_from(index(side)).unwrap_or(0) + things; 32])
}

pub(super) fn agreement() -> Agreement {
    Agreement {
        x: Digest([7; 32]),
        request: Digest([8; 32]),
        policy: Digest([4; 32]),
        assurance: Assurance::NonQualified,
        mode: DepositMode::Content,
        o: Thumbprint(B64u([1; 32])),
        r: Thumbprint(B64u([2; 32])),
        t_dep: T_DEP,
        t_exp: T_EXP,
        retention_ms: 1_000,
    }
}

impl Run {
    fn is_honest(&self, side: Side) -> bool {
        self.corrupt != Some(side)
    }

    /// What the arbiter finds of a deposit.
    fn found(&self, thing: Thing) -> Result<MatchResult, DepositFault> {
        match (self.papers, thing) {
            (true, _) if self.weak == Weak::HumanReleases => Ok(MatchResult::Match),
            (true, _) => Ok(MatchResult::NeedsHuman),
            (false, Thing::Good) => Ok(MatchResult::Match),
            (false, Thing::Rubbish) => Err(DepositFault::Mismatch),
        }
    }

    /// What a side may sign now: a corrupt one anything of its own.
    fn may_sign(&self, world: &World, sent: Sent) -> bool {
        match sent {
            Sent::Deposit(side, _) | Sent::Cancel(side) | Sent::Waive(side, _) if !self.is_honest(side) => true,
            // Once it has lost patience it deposits nothing more.
            Sent::Deposit(side, thing) => thing == Thing::Good && !world.sent.contains(&Sent::Cancel(side)),
            Sent::Cancel(_) => true,
            // Its user has been shown the two items that are there, and no others are taken.
            Sent::Waive(side, named) => {
                let there = SIDES.map(|of| world.arbiter.deposit(of).map(|held| thing_of(of, held.moved.item)));
                let decided_before = world.sent.iter().any(|sent| matches!(sent, Sent::Waive(by, _) if *by == side));
                there == named.map(Some) && !decided_before && named[index(side.other())] == Thing::Good
            }
        }
    }

    fn ends(&self, event: &InlineEvent) -> Ends {
        let is_timer = matches!(event, InlineEvent::Wake);
        let never = self.weak == Weak::NoEnd || (self.weak == Weak::EndsByTimer && !is_timer);
        let [t_dep, t_exp] = if never { [u64::MAX; 2] } else { [T_DEP, T_EXP] };
        Ends::of(t_dep, t_exp, 0, &[])
    }

    fn happens(&self, world: &mut World, event: InlineEvent) {
        let ends = self.ends(&event);
        let clocked = Clocked { event, ends, clock: ClockVerdict::Synced };
        let before = world.arbiter.clone();
        if self.weak == Weak::Forgets && before.decision.is_some() {
            world.arbiter.decision = None;
        }
        let now = Timestamp::from_millis(world.now);
        let Ok((facts, _)) = step::<Inline>(&mut world.arbiter, &clocked, now) else {
            world.arbiter = before;
            return;
        };
        for fact in facts {
            let InlineFact::Decided(decision) = fact else { continue };
            world.was_decided_twice |= world.first.is_some();
            world.first = world.first.or(Some(decision.outcome));
            if decision.outcome == Outcome::Returned {
                world.cancelled_by = decision.by.map(|(side, _)| side);
            }
            let end = if self.papers { T_EXP } else { T_DEP };
            world.was_late |= decision.outcome == Outcome::Released && world.now > end;
        }
        if world.arbiter.decision.is_none() {
            world.arbiter.decision = before.decision;
        }
    }

    fn deliver(&self, world: &mut World, sent: Sent) {
        match sent {
            Sent::Deposit(side, thing) => {
                let held = &mut world.arbiter.deposits[index(side)];
                let is_other = held.is_some_and(|held| held.moved.item != item(side, thing));
                if self.weak == Weak::Replaces && is_other && world.arbiter.decision.is_none() {
                    world.arbiter.deposits[index(side)] = None;
                }
                let moved = Moved { side, request: request(sent), item: item(side, thing) };
                self.happens(world, InlineEvent::Deposit { moved, size: 1, found: self.found(thing) });
            }
            Sent::Cancel(side) => {
                let theirs = world.arbiter.deposits[index(side.other())];
                if self.weak == Weak::CancelsForBoth && world.arbiter.decision.is_none() {
                    world.arbiter.deposits[index(side.other())] = None;
                }
                self.happens(world, InlineEvent::Cancel { side, request: request(sent) });
                world.arbiter.deposits[index(side.other())] = theirs;
            }
            Sent::Waive(side, [o, r]) => {
                let items = [item(Side::Originator, o), item(Side::Responder, r)];
                self.happens(world, InlineEvent::Waive { side, request: request(sent), items });
                let is_there = world.arbiter.waived[index(side)].is_some() && world.arbiter.decision.is_none();
                if self.weak == Weak::OneWaiver && is_there {
                    let other = InlineEvent::Waive { side: side.other(), request: Digest([99; 32]), items };
                    self.happens(world, other);
                }
            }
        }
    }

    fn collect(&self, world: &mut World, side: Side) {
        let early = (self.weak == Weak::EarlyRelease).then(|| world.arbiter.deposit(side.other())).flatten().copied();
        let due = world.arbiter.due_to(side).copied().or(early);
        // What is its own it had before.
        let theirs = due.filter(|held| held.moved.side == side.other());
        if let Some(held) = theirs {
            world.got[index(side)] = Some(thing_of(side.other(), held.moved.item));
        }
    }

    /// Who has given has got: what was promised, or what its user took for good.
    fn is_fair(&self, world: &World) -> bool {
        SIDES.into_iter().filter(|side| self.is_honest(*side)).all(|side| {
            let gave = world.got[index(side.other())].is_some();
            let due = world.arbiter.due_to(side).filter(|held| held.moved.side != side);
            let is_due = due.is_some_and(|held| thing_of(side.other(), held.moved.item) == Thing::Good);
            !gave || is_due
        })
    }

    /// Whatever happened, once both ends have passed it is over for whoever looks, and fairly.
    fn is_timely(&self, world: &World) -> bool {
        let mut world = world.clone();
        if world.arbiter.agreement.is_none() {
            return true; // nobody has anything there
        }
        world.now = LAST;
        self.happens(&mut world, InlineEvent::Wake);
        for side in SIDES {
            self.collect(&mut world, side);
        }
        matches!(world.arbiter.phase(), Phase::Released | Phase::Returned) && self.is_fair(&world)
    }
}

impl Model for Run {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            now: 0,
            sent: BTreeSet::new(),
            arbiter: InlineState::default(),
            got: [None; 2],
            first: None,
            was_decided_twice: false,
            cancelled_by: None,
            was_late: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let things = [Thing::Good, Thing::Rubbish];
        for side in SIDES {
            let deposits = things.map(|thing| Sent::Deposit(side, thing));
            let pairs = things.into_iter().flat_map(|o| things.map(|r| [o, r]));
            let waivers = pairs.filter(|_| self.papers).map(|named| Sent::Waive(side, named));
            let all = deposits.into_iter().chain([Sent::Cancel(side)]).chain(waivers);
            let new = all.filter(|sent| !world.sent.contains(sent) && self.may_sign(world, *sent));
            actions.extend(new.map(Action::Sign));
            actions.push(Action::Collect(side));
        }
        actions.extend(world.sent.iter().copied().map(Action::Deliver));
        actions.extend([Action::Register, Action::Wake, Action::Tick]);
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Sign(sent) => {
                world.sent.insert(sent);
            }
            Action::Deliver(sent) => self.deliver(&mut world, sent),
            Action::Register => self.happens(&mut world, InlineEvent::Register(Box::new(agreement()))),
            Action::Collect(side) => self.collect(&mut world, side),
            Action::Wake => self.happens(&mut world, InlineEvent::Wake),
            Action::Tick => world.now = (world.now + 1).min(LAST),
        }
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("strong_fair_", |run: &Self, world: &World| run.is_fair(world)),
            Property::always("timely_", |run: &Self, world: &World| run.is_timely(world)),
            Property::always("decided once", |_: &Self, world: &World| !world.was_decided_twice),
            Property::always("accountable_", |_: &Self, world: &World| !world.was_late),
            Property::always("nobody takes back for another", |run: &Self, world: &World| {
                let returned = world.arbiter.phase() == Phase::Returned;
                world.cancelled_by.is_none_or(|by| {
                    let theirs = world.arbiter.deposit(by.other()).is_some();
                    !(returned && theirs && run.is_honest(by.other()))
                })
            }),
            Property::sometimes("effective_", |_: &Self, world: &World| world.got.iter().all(Option::is_some)),
            Property::sometimes("some exchange is returned", |_: &Self, world: &World| {
                world.arbiter.phase() == Phase::Returned
            }),
        ]
    }
}

fn explored(run: Run, until: Option<&'static str>) -> impl Checker<Run> {
    let Run { corrupt, papers, weak } = &run;
    let what = format!("inline: {corrupt:?} corrupt, papers {papers}, weak {weak:?}");
    let until_broken = until.map_or(HasDiscoveries::AnyFailures, |broken| HasDiscoveries::AnyOf([broken].into()));
    let checked = run.checker().threads(2).finish_when(until_broken).spawn_bfs().join();
    println!("{what}: {} states", checked.unique_state_count());
    checked
}

/// A weakened rule breaks this property, and the checker finds how.
fn weak(corrupt: Option<Side>, papers: bool, weak: Weak, property: &'static str) {
    let checked = explored(Run { corrupt, papers, weak }, Some(property));
    assert!(checked.discovery(property).is_some(), "{property} holds without the rule, so its test shows nothing");
}

#[test]
fn inline_is_fair_timely_and_accountable() {
    for corrupt in [None, Some(Side::Originator), Some(Side::Responder)] {
        for papers in [false, true] {
            let checked = explored(Run { corrupt, papers, weak: Weak::Nothing }, None);
            checked.assert_properties();
            assert!(checked.unique_state_count() > 100, "too little was explored");
        }
    }
}

#[test]
fn inline_early_release() {
    weak(Some(Side::Responder), false, Weak::EarlyRelease, "strong_fair_");
    weak(Some(Side::Originator), true, Weak::EarlyRelease, "strong_fair_");
}

#[test]
fn inline_needs_human_never_releases_by_itself() {
    weak(Some(Side::Responder), true, Weak::HumanReleases, "strong_fair_");
    weak(Some(Side::Originator), true, Weak::OneWaiver, "strong_fair_");
}

#[test]
fn inline_deposit_replaced_after_the_second_came() {
    weak(Some(Side::Responder), true, Weak::Replaces, "strong_fair_");
}

#[test]
fn inline_cancel_after_the_other_deposited() {
    weak(Some(Side::Responder), false, Weak::CancelsForBoth, "nobody takes back for another");
}

#[test]
fn inline_expired_but_released() {
    weak(None, false, Weak::EndsByTimer, "accountable_");
    weak(None, true, Weak::EndsByTimer, "accountable_");
    weak(Some(Side::Responder), false, Weak::NoEnd, "timely_");
    weak(Some(Side::Responder), true, Weak::NoEnd, "timely_");
}

#[test]
fn inline_double_decision() {
    weak(None, false, Weak::Forgets, "decided once");
    weak(Some(Side::Originator), true, Weak::Forgets, "decided once");
}
