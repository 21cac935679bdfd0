//! The sides of an exchange through the arbiter: their automaton (`semper_ttp::client::swap`) against the arbiter's `decide`, in every order
//! of events.
//!
//! An honest side moves by [`At::next`] and asks by [`At::act`], and by nothing else; its user may cancel or take items as they are whenever
//! that is offered. What it signs the attacker may bring to the arbiter at any time, any number of times, or never; any answer may be lost;
//! a side that crashes goes on from its last state, which is on the disk before anything leaves. A corrupt side signs whatever it likes.
//!
//! What an answer is worth, and so which of them an automaton is told, is `ttp/src/client/swap/side.rs`; here they are as it judges them.
//! [`super::inline`] has the arbiter alone, against sides without an automaton.

use std::collections::BTreeSet;

use semper_ttp::client::swap::{Act, At, Decided, End, Happened};
use semper_ttp::exchange::inline::{Clocked, Ends, Inline, InlineEvent, InlineState, Moved};
use semper_ttp::role::step;
use semper_ttp::statement::exchange::inline::DepositFault;
use semper_ttp::statement::exchange::item::MatchResult;
use semper_ttp::statement::exchange::{Outcome, Side};
use semper_ttp::time::Timestamp;
use semper_ttp::timestamp::ClockVerdict;
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::inline::{LAST, SIDES, Sent, T_DEP, T_EXP, Thing, agreement, index, item, request, thing_of};

/// Questions that bring a side from anywhere to its end, with two to spare.
const QUESTIONS_MAX: usize = 8;

/// What is taken away from the rules of an honest side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weak {
    Nothing,
    /// Its cancel leaves before the new state is on the disk, and it crashes between.
    SendsBeforeItKeeps,
    /// It cancels also what it has taken as it is.
    CancelsAfterWaiver,
    /// By the verdict alone it believes that it has the item.
    BelievesTheVerdict,
    /// Where its item was refused it asks no more.
    GivesUp,
    /// Of its own item it wants the very copy that it has left, which may be gone.
    AwaitsItsOwn,
    /// It takes items as they are that nobody has looked at.
    WaivesUnseen,
}

/// An honest side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stand {
    at: At,
    /// The arbiter has signed that it knows of the run.
    is_registered: bool,
    /// The items that it has taken as they are.
    waived: Option<[Thing; 2]>,
    /// The other's item, once it is here.
    has: Option<Thing>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u64,
    sides: [Stand; 2],
    /// What was signed, and may be brought to the arbiter by anybody.
    sent: BTreeSet<Sent>,
    arbiter: InlineState,
    /// What corrupt sides have collected, and honest ones too.
    got: [Option<Thing>; 2],
    /// Whether an honest side has signed what its rules exclude.
    has_broken_a_rule: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// The responder's word reaches the originator.
    Agree,
    /// A user's wish.
    Wants(Side, Happened),
    /// An honest side asks the arbiter; whether it hears the answer.
    Ask(Side, bool),
    /// A corrupt side signs.
    Sign(Sent),
    /// Something that was signed comes to the arbiter.
    Deliver(Sent),
    Register,
    /// A corrupt side collects.
    Collect(Side),
    Wake,
    Tick,
}

struct Run {
    corrupt: Option<Side>,
    papers: bool,
    /// Whose item the arbiter refuses, however honest.
    refused: Option<Side>,
    weak: Weak,
}

impl Run {
    fn is_honest(&self, side: Side) -> bool {
        self.corrupt != Some(side)
    }

    fn found(&self, side: Side, thing: Thing) -> Result<MatchResult, DepositFault> {
        match (self.papers, thing) {
            _ if self.refused == Some(side) => Err(DepositFault::Mismatch),
            (true, _) => Ok(MatchResult::NeedsHuman),
            (false, Thing::Good) => Ok(MatchResult::Match),
            (false, Thing::Rubbish) => Err(DepositFault::Mismatch),
        }
    }

    /// Whether the arbiter refuses nothing of it.
    fn happens(&self, world: &mut World, event: InlineEvent) -> bool {
        let ends = Ends::of(T_DEP, T_EXP, 0, &[]);
        let clocked = Clocked { event, ends, clock: ClockVerdict::Synced };
        step::<Inline>(&mut world.arbiter, &clocked, Timestamp::from_millis(world.now)).is_ok()
    }

    fn register(&self, world: &mut World) {
        // The proposal alone is nobody's agreement.
        if world.sides[1].at != At::Proposed {
            self.happens(world, InlineEvent::Register(Box::new(agreement())));
        }
    }

    fn deliver(&self, world: &mut World, sent: Sent) -> bool {
        let request = request(sent);
        let event = match sent {
            Sent::Deposit(side, thing) => {
                let moved = Moved { side, request, item: item(side, thing) };
                InlineEvent::Deposit { moved, size: 1, found: self.found(side, thing) }
            }
            Sent::Cancel(side) => InlineEvent::Cancel { side, request },
            Sent::Waive(side, [o, r]) => {
                let items = [item(Side::Originator, o), item(Side::Responder, r)];
                InlineEvent::Waive { side, request, items }
            }
        };
        self.happens(world, event)
    }

    /// The automaton's next state, with what it signs there.
    fn go(&self, world: &mut World, side: Side, happened: Happened) {
        let before = world.sides[index(side)].at;
        let mut next = before.next(happened);
        if self.weak == Weak::CancelsAfterWaiver && (before, happened) == (At::Waiving, Happened::Cancels) {
            next = At::Cancelling;
        }
        if self.weak == Weak::BelievesTheVerdict && next == At::Collecting(Decided::Released) {
            next = At::Done(End::Swapped);
        }
        let signed = |world: &World, of: fn(&Sent, Side) -> bool| world.sent.iter().any(|sent| of(sent, side));
        let cancels = |sent: &Sent, by| matches!(sent, Sent::Cancel(side) if *side == by);
        let waives = |sent: &Sent, by| matches!(sent, Sent::Waive(side, _) if *side == by);
        match next {
            At::Depositing if before != next => {
                world.has_broken_a_rule |= signed(world, cancels);
                world.sent.insert(Sent::Deposit(side, Thing::Good));
            }
            At::Cancelling if before != next => {
                world.has_broken_a_rule |= signed(world, waives);
                world.sent.insert(Sent::Cancel(side));
                if self.weak == Weak::SendsBeforeItKeeps {
                    next = before;
                }
            }
            At::Waiving if before != next => {
                let named = world.sides[index(side)].waived.expect("its user has named them");
                world.sent.insert(Sent::Waive(side, named));
            }
            _ => {}
        }
        world.sides[index(side)].at = next;
    }

    /// The items that are with the arbiter.
    fn there(world: &World) -> Option<[Thing; 2]> {
        let [o, r] = SIDES.map(|of| world.arbiter.deposit(of).map(|held| thing_of(of, held.moved.item)));
        Some([o?, r?])
    }

    /// The question that the state leads to, and what is made of its answer if that comes.
    fn ask(&self, world: &mut World, side: Side, is_heard: bool) {
        let stand = world.sides[index(side)].clone();
        let act = stand.at.act().filter(|_| self.weak != Weak::GivesUp || stand.at != At::Refused);
        let taken = match act {
            Some(Act::Deposit) => {
                let sent = Sent::Deposit(side, Thing::Good);
                self.deliver(world, sent);
                let is_taken = world.arbiter.deposit(side).is_some();
                let is_refused = world.arbiter.refusal_of(side, &request(sent)).is_some();
                is_taken.then_some(Happened::Taken).or(is_refused.then_some(Happened::NotTaken))
            }
            Some(Act::Waive) => {
                let named = stand.waived.expect("it has taken them");
                self.deliver(world, Sent::Waive(side, named));
                None
            }
            Some(Act::Cancel) if stand.is_registered => {
                self.deliver(world, Sent::Cancel(side));
                // Whoever may not cancel any more looks how it goes on.
                None
            }
            Some(Act::Register | Act::Look | Act::Cancel) => {
                self.register(world);
                world.sides[index(side)].is_registered |= is_heard && world.arbiter.agreement.is_some();
                world.arbiter.agreement.is_some().then_some(Happened::Registered)
            }
            Some(Act::Collect) => {
                let due = self.collect(world, side);
                // What goes back is erased once it was handed out, and that answer may have been lost: its owner has it (side.rs).
                let is_its_own = stand.at == At::Collecting(Decided::Returned) && self.weak != Weak::AwaitsItsOwn;
                if due.is_none() && is_heard && is_its_own {
                    self.go(world, side, Happened::Collected);
                }
                if let Some((of, thing)) = due.filter(|_| is_heard) {
                    if of != side {
                        world.sides[index(side)].has = Some(thing);
                    }
                    self.go(world, side, Happened::Collected);
                }
                return;
            }
            Some(Act::SendProposal) | None => return,
        };
        if !is_heard {
            return;
        }
        if let Some(happened) = taken {
            self.go(world, side, happened);
        }
        if let Some((_, decision)) = &world.arbiter.decision {
            let decided = if decision.outcome == Outcome::Released { Decided::Released } else { Decided::Returned };
            let is_due = decided == Decided::Released || world.arbiter.deposit(side).is_some();
            self.go(world, side, Happened::Decided(decided, is_due));
        }
    }

    /// Gives whose item a side gets, and which.
    fn collect(&self, world: &mut World, side: Side) -> Option<(Side, Thing)> {
        self.happens(world, InlineEvent::Collect { side, request: semper_ttp::digest::Digest([90; 32]) });
        let held = world.arbiter.due_to(side)?.moved;
        let thing = thing_of(held.side, held.item);
        if held.side != side {
            world.got[index(side)] = Some(thing);
        }
        Some((held.side, thing))
    }

    /// What a user may want now.
    fn wishes(&self, world: &World, side: Side) -> Vec<Happened> {
        let at = world.sides[index(side)].at;
        let late = self.weak == Weak::CancelsAfterWaiver && at == At::Waiving;
        let cancels = (at.next(Happened::Cancels) != at || late).then_some(Happened::Cancels);
        // Its user has been shown both items, and the other's is what it wants.
        let seen = Self::there(world).is_some_and(|there| there[index(side.other())] == Thing::Good);
        let unseen = self.weak == Weak::WaivesUnseen && Self::there(world).is_some();
        let waives = (self.papers && at.next(Happened::Waives) != at && (seen || unseen)).then_some(Happened::Waives);
        cancels.into_iter().chain(waives).collect()
    }

    fn at_the_end(&self, world: &World) -> World {
        let mut world = world.clone();
        world.now = LAST;
        for side in SIDES.into_iter().filter(|side| self.is_honest(*side)) {
            if world.sides[index(side)].at == At::Proposed {
                // A proposal that nobody has agreed to in time is given up by itself.
                self.go(&mut world, side, Happened::Cancels);
            }
            for _ in 0..QUESTIONS_MAX {
                self.ask(&mut world, side, true);
            }
        }
        for side in SIDES.into_iter().filter(|side| !self.is_honest(*side)) {
            self.collect(&mut world, side);
        }
        world
    }
}

impl Model for Run {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let stand = |at| Stand { at, is_registered: false, waived: None, has: None };
        vec![World {
            now: 0,
            sides: [stand(At::Proposed), stand(At::Agreed)],
            sent: BTreeSet::new(),
            arbiter: InlineState::default(),
            got: [None; 2],
            has_broken_a_rule: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for side in SIDES {
            if self.is_honest(side) {
                actions.extend(self.wishes(world, side).into_iter().map(|wish| Action::Wants(side, wish)));
                actions.extend([Action::Ask(side, true), Action::Ask(side, false)]);
                continue;
            }
            let things = [Thing::Good, Thing::Rubbish];
            let pairs = things.into_iter().flat_map(|o| things.map(|r| [o, r]));
            let waivers = pairs.filter(|_| self.papers).map(|named| Sent::Waive(side, named));
            let all = things.map(|thing| Sent::Deposit(side, thing)).into_iter().chain([Sent::Cancel(side)]);
            let new = all.chain(waivers).filter(|sent| !world.sent.contains(sent));
            actions.extend(new.map(Action::Sign));
            actions.push(Action::Collect(side));
        }
        actions.extend(world.sent.iter().copied().map(Action::Deliver));
        actions.extend([Action::Agree, Action::Register, Action::Wake, Action::Tick]);
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Agree if self.is_honest(Side::Originator) => {
                self.go(&mut world, Side::Originator, Happened::Agreed);
            }
            Action::Agree => {}
            Action::Wants(side, wish) => {
                if wish == Happened::Waives {
                    world.sides[index(side)].waived = Self::there(&world);
                }
                self.go(&mut world, side, wish);
            }
            Action::Ask(side, is_heard) => self.ask(&mut world, side, is_heard),
            Action::Sign(sent) => {
                world.sent.insert(sent);
            }
            Action::Deliver(sent) => {
                self.deliver(&mut world, sent);
            }
            Action::Register => self.register(&mut world),
            Action::Collect(side) => {
                self.collect(&mut world, side);
            }
            Action::Wake => {
                self.happens(&mut world, InlineEvent::Wake);
            }
            Action::Tick => world.now = (world.now + 1).min(LAST),
        }
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("strong_fair_", |run: &Self, world: &World| {
                let end = run.at_the_end(world);
                SIDES.into_iter().filter(|side| run.is_honest(*side)).all(|side| {
                    let gave = end.got[index(side.other())].is_some();
                    !gave || end.sides[index(side)].has == Some(Thing::Good)
                })
            }),
            Property::always("timely_", |run: &Self, world: &World| {
                let end = run.at_the_end(world);
                SIDES
                    .into_iter()
                    .filter(|side| run.is_honest(*side))
                    .all(|side| end.sides[index(side)].at.end().is_some())
            }),
            Property::always("both come to one end", |run: &Self, world: &World| {
                let end = run.at_the_end(world);
                let swapped = end.sides.each_ref().map(|stand| stand.at == At::Done(End::Swapped));
                run.corrupt.is_some() || swapped[0] == swapped[1]
            }),
            Property::always("swapped is what is here", |run: &Self, world: &World| {
                SIDES.into_iter().filter(|side| run.is_honest(*side)).all(|side| {
                    let Stand { at, has, .. } = &world.sides[index(side)];
                    *at != At::Done(End::Swapped) || *has == Some(Thing::Good)
                })
            }),
            Property::always("nothing after a cancel", |_: &Self, world: &World| !world.has_broken_a_rule),
            Property::sometimes("effective_", |run: &Self, world: &World| {
                run.refused.is_some() || world.sides.iter().all(|stand| run.corrupt.is_some() || stand.has.is_some())
            }),
        ]
    }
}

fn explored(run: Run, until: Option<&'static str>) -> impl Checker<Run> {
    let Run { corrupt, papers, refused, weak } = &run;
    let what = format!("swap: {corrupt:?} corrupt, papers {papers}, refused {refused:?}, weak {weak:?}");
    let until_broken = until.map_or(HasDiscoveries::AnyFailures, |broken| HasDiscoveries::AnyOf([broken].into()));
    let checked = run.checker().threads(2).finish_when(until_broken).spawn_bfs().join();
    println!("{what}: {} states", checked.unique_state_count());
    checked
}

/// A weakened rule breaks this property, and the checker finds how.
fn weak(corrupt: Option<Side>, papers: bool, refused: Option<Side>, weak: Weak, property: &'static str) {
    let checked = explored(Run { corrupt, papers, refused, weak }, Some(property));
    assert!(checked.discovery(property).is_some(), "{property} holds without the rule, so its test shows nothing");
}

#[test]
fn swap_sides_are_treated_fairly_and_come_to_an_end() {
    for corrupt in [None, Some(Side::Originator), Some(Side::Responder)] {
        for papers in [false, true] {
            for refused in [None, Some(Side::Originator)] {
                let checked = explored(Run { corrupt, papers, refused, weak: Weak::Nothing }, None);
                checked.assert_properties();
                assert!(checked.unique_state_count() > 100, "too little was explored");
            }
        }
    }
}

#[test]
fn swap_cancel_leaves_before_it_is_kept() {
    weak(None, false, None, Weak::SendsBeforeItKeeps, "nothing after a cancel");
}

#[test]
fn swap_cancel_after_a_waiver() {
    weak(Some(Side::Responder), true, None, Weak::CancelsAfterWaiver, "nothing after a cancel");
}

#[test]
fn swap_verdict_without_the_item() {
    weak(None, false, None, Weak::BelievesTheVerdict, "swapped is what is here");
}

#[test]
fn swap_refused_and_given_up() {
    weak(None, false, Some(Side::Originator), Weak::GivesUp, "timely_");
}

#[test]
fn swap_own_item_is_gone_and_its_answer_was_lost() {
    weak(None, false, None, Weak::AwaitsItsOwn, "timely_");
}

#[test]
fn swap_waiver_of_what_nobody_has_seen() {
    weak(Some(Side::Responder), true, None, Weak::WaivesUnseen, "strong_fair_");
    weak(Some(Side::Originator), true, None, Weak::WaivesUnseen, "strong_fair_");
}
