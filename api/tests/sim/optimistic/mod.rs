//! A contract (ASW-R) or a certified delivery (CD-R), where the arbiter is asked on failure alone: who is corrupt, what the network and both programs do, and what is left at the end, all drawn from one seed.
//!
//! The network is the attacker's: whatever was sent may come late, twice, changed, or never. What an honest side asks of the arbiter gets
//! there within [`ASKING_MS`], which is less than δ, unless the arbiter is away; until then requests and answers may be lost. An honest
//! program that was killed is started again before it would be late. These are the assumptions of exchange-and-disputes §5, and no others.

mod asking;
mod check;
pub(crate) mod corrupt;
mod honest;
pub(crate) mod old;

use semper_ttp::{
    b64u,
    client::{
        automaton::{Act, End},
        message::Message,
    },
    digest::Digest,
    statement::{
        Jws,
        exchange::{Protocol, Side},
    },
};
use serde_json::Value;

pub(crate) use check::refused;
use corrupt::{Corrupt, Deed, twin};
use honest::{Honest, Kill};

use crate::{
    draw::Draw,
    faults::Faults,
    report::{Report, Violation},
    rule::Rule,
    stage::{SIDES, Stage, index, other},
    world::office::DELTA_MS,
};

/// The longest that a request takes to the arbiter while that is there.
const ASKING_MS: u64 = 25_000;

/// Steps of a run before its honest sides wait no longer.
const STEPS: u64 = 40;

pub(crate) enum Player {
    Honest(Box<Honest>),
    Corrupt(Box<Corrupt>),
}

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Pass,
    Deliver,
    Act(Side),
    Start(Side),
    Ask(Side),
    GiveUp(Side),
    Replay,
    Crash,
    Absence,
    /// The arbiter answers what it has promised to.
    Keep,
}

pub(crate) struct Run<'s> {
    pub(crate) stage: &'s mut Stage,
    draw: Draw,
    pub(crate) protocol: Protocol,
    pub(crate) players: [Player; 2],
    faults: Faults,
    is_quiet: bool,
    wire: Vec<(Side, Vec<u8>)>,
    /// The first statement, once it is made.
    pub(crate) first: Option<Jws>,
    /// What went over the network.
    pub(crate) said: Vec<Jws>,
    /// What the arbiter was asked with, by anybody.
    pub(crate) requests: Vec<Jws>,
    /// What it was asked and answered, in order: names and signatures are not of the seed, so nothing is drawn by their order.
    answers: Vec<(Value, Value)>,
    pub(crate) verdict: Option<Jws>,
    /// How often somebody would rather have its answer later.
    later: u64,
    /// What the arbiter has promised, for which request.
    promises: Vec<Promise>,
    rule: Rule,
}

/// A request that the arbiter has taken and answers later, with its receipt.
struct Promise {
    request: Jws,
    receipt: Jws,
    received_ms: u64,
    answer_by_ms: u64,
}

/// One run, of which this is drawn.
pub(crate) async fn run(stage: &mut Stage, draw: Draw, rule: Rule) -> Result<Report, Violation> {
    let mut run = Run::new(stage, draw, rule);
    run.begin();
    for _ in 0..STEPS {
        run.step().await?;
    }
    run.finish().await?;
    run.every_promise_is_kept().await?;
    check::ended(&mut run)?;
    Ok(run.report())
}

impl<'s> Run<'s> {
    fn new(stage: &'s mut Stage, mut draw: Draw, rule: Rule) -> Self {
        let protocol = draw.one_of(&[Protocol::AswR, Protocol::CdR]);
        let corrupt = draw.one_of(&[[false, false], [true, false], [false, true], [true, true]]);
        let is_quiet = draw.percent(12);
        let faults = if is_quiet { Faults::NONE } else { Faults::drawn(&mut draw) };
        let players = SIDES.map(|side| {
            let patience_ms = draw.one_of(&[3_000, 15_000, 600_000, 600_000]);
            match corrupt[index(side)] {
                true => Player::Corrupt(Box::new(Corrupt::new(side, protocol, &mut draw))),
                false => Player::Honest(Box::new(Honest::new(side, rule, patience_ms))),
            }
        });
        let later = draw.one_of(&[0, 0, 50, 90]);
        Self {
            stage,
            draw,
            protocol,
            players,
            faults,
            is_quiet,
            wire: Vec::new(),
            first: None,
            said: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            verdict: None,
            later,
            promises: Vec::new(),
            rule,
        }
    }

    pub(crate) fn honest(&self, side: Side) -> Option<&Honest> {
        match &self.players[index(side)] {
            Player::Honest(honest) => Some(honest),
            Player::Corrupt(_) => None,
        }
    }

    fn x(&self) -> Digest {
        self.first.as_ref().expect("it has begun").x()
    }

    pub(crate) fn path(&self) -> String {
        format!("/v1/exchanges/{}/requests", b64u::encode(self.x().as_bytes()))
    }

    fn now(&self) -> u64 {
        self.stage.now().millis()
    }

    fn begin(&mut self) {
        let now = self.now();
        match &mut self.players[0] {
            Player::Honest(honest) => {
                let left = self.draw.one_of(&[None, Some(1_000), Some(30_000), Some(4 * DELTA_MS)]);
                let t_exp = left.map(|left| now + 2 * DELTA_MS + left);
                let act = honest.offer(self.stage, self.protocol, t_exp);
                honest.store(self.stage);
                let first = honest.kept().expect("it was stored").0.course().first().clone();
                self.first = Some(first);
                let kill = self.kill();
                self.advance(Side::Originator, act, if kill == Kill::No { kill } else { Kill::BeforeSending });
            }
            Player::Corrupt(corrupt) => {
                let left =
                    self.draw.one_of(&[None, Some(0), Some(DELTA_MS), Some(2 * DELTA_MS + 5_000), Some(6 * DELTA_MS)]);
                self.first = Some(corrupt.offer(self.stage, left.map(|left| now + left)));
            }
        }
    }

    /// The moment at which an honest side has to do something at last, and which one.
    fn due(&self) -> Option<(u64, Side)> {
        let honest = SIDES.into_iter().filter_map(|side| self.honest(side));
        let open = honest.filter(|honest| honest.end().is_none());
        open.filter_map(|honest| Some((honest.due_at(ASKING_MS)?, honest.side))).min_by_key(|(at, _)| *at)
    }

    async fn step(&mut self) -> Result<(), Violation> {
        if let Some((at, side)) = self.due()
            && at <= self.now()
        {
            return self.must(side).await;
        }
        let faults = self.faults;
        let quiet = u64::from(!self.is_quiet);
        let mut steps = vec![
            (Step::Pass, 3 * quiet),
            (Step::Deliver, if self.wire.is_empty() { 0 } else { 8 }),
            (Step::Replay, faults.replay),
            (Step::Crash, faults.crash),
            (Step::Absence, faults.absence),
            (Step::Keep, if self.promises.is_empty() { 0 } else { 2 }),
        ];
        for player in &self.players {
            match player {
                Player::Corrupt(corrupt) if corrupt.left > 0 => steps.push((Step::Act(corrupt.side), 5)),
                Player::Honest(honest) if !honest.is_up => steps.push((Step::Start(honest.side), 4)),
                Player::Honest(honest) if honest.asks() => steps.push((Step::Ask(honest.side), 2)),
                Player::Honest(honest) if honest.has_begun() && honest.end().is_none() => {
                    steps.push((Step::GiveUp(honest.side), faults.impatience));
                }
                _ => {}
            }
        }
        match self.draw.weighed(&steps) {
            None => {}
            Some(Step::Pass) => {
                let until = self.due().map_or(u64::MAX, |(at, _)| at.saturating_sub(self.now()));
                let ms = self.draw.one_of(&[1, 1_000, 10_000, 120_000]).min(until);
                if !self.wire.is_empty() && ms > 1 {
                    self.draw.faults.insert("message late");
                }
                self.stage.pass(ms);
            }
            Some(Step::Deliver) => self.deliver(self.faults),
            Some(Step::Act(side)) => self.act(side).await?,
            Some(Step::Start(side)) => self.start(side),
            Some(Step::Ask(side)) => self.ask(side, true).await?,
            Some(Step::GiveUp(side)) => self.give_up(side, true),
            Some(Step::Replay) => self.replay().await?,
            Some(Step::Crash) => {
                let ms = self.draw.one_of(&[1, 5_000, 90_000]);
                self.crash(ms);
            }
            Some(Step::Keep) => drop(self.stage.world().service.keep_promises()),
            Some(Step::Absence) => {
                let ms = self.draw.one_of(&[61_000, 200_000]);
                self.draw.faults.insert("server stands still");
                self.stage.stand_still(ms);
            }
        }
        Ok(())
    }

    /// What cannot be left for later.
    async fn must(&mut self, side: Side) -> Result<(), Violation> {
        let Some(honest) = self.honest(side) else { return Ok(()) };
        match (honest.is_up, honest.asks()) {
            (false, _) => self.start(side),
            (true, true) if honest.promised_until.is_some() => self.remind(side).await?,
            (true, true) => self.ask(side, false).await?,
            (true, false) => self.give_up(side, false),
        }
        Ok(())
    }

    fn kill(&mut self) -> Kill {
        match self.draw.fault(self.faults.killed, "client killed") {
            true => self.draw.one_of(&[Kill::BeforeStoring, Kill::BeforeSending]),
            false => Kill::No,
        }
    }

    fn start(&mut self, side: Side) {
        let Player::Honest(honest) = &mut self.players[index(side)] else { return };
        let act = honest.start();
        self.advance(side, act, Kill::No);
    }

    fn give_up(&mut self, side: Side, may_be_killed: bool) {
        let kill = if may_be_killed { self.kill() } else { Kill::No };
        let Player::Honest(honest) = &mut self.players[index(side)] else { return };
        let act = honest.overdue(self.stage);
        self.advance(side, act, kill);
    }

    /// An honest side has a new state: it goes to the disk, and then what it asks for leaves.
    fn advance(&mut self, side: Side, act: Option<Act>, kill: Kill) {
        let Player::Honest(honest) = &mut self.players[index(side)] else { return };
        if kill == Kill::BeforeStoring {
            return honest.kill();
        }
        if honest.stores_first() {
            honest.store(self.stage);
        }
        let sends = kill == Kill::No || !honest.stores_first();
        let letters = if sends { honest.letters(self.stage, act) } else { Vec::new() };
        if kill == Kill::BeforeSending {
            honest.kill();
        } else {
            honest.store(self.stage);
        }
        for letter in letters {
            self.send(side, letter);
        }
    }

    fn send(&mut self, from: Side, letter: Vec<u8>) {
        let statement = Message::parse(&letter).expect("it was made").statement;
        if !self.said.contains(&statement) {
            self.said.push(statement);
        }
        self.wire.push((other(from), letter));
    }

    fn deliver(&mut self, faults: Faults) {
        let (to, mut letter) = self.wire.swap_remove(self.draw.place(self.wire.len()));
        if self.draw.fault(faults.dropped, "message lost") {
            return;
        }
        if self.draw.fault(faults.twice, "message twice") {
            self.wire.push((to, letter.clone()));
        }
        if self.draw.fault(faults.changed, "message changed") {
            let message = Message::parse(&letter).expect("it was sent");
            letter = Message { statement: twin(&message.statement), ..message }.to_bytes();
        }
        self.receive(to, &letter, faults.killed > 0);
    }

    fn receive(&mut self, to: Side, letter: &[u8], may_be_killed: bool) {
        let kill = if may_be_killed { self.kill() } else { Kill::No };
        let Player::Honest(honest) = &mut self.players[index(to)] else { return };
        if !honest.is_up {
            // It lies in a mailbox until then.
            return self.wire.push((to, letter.to_vec()));
        }
        let act = honest.take(self.stage, letter);
        self.advance(to, act, kill);
    }

    async fn act(&mut self, side: Side) -> Result<(), Violation> {
        let Player::Corrupt(corrupt) = &mut self.players[index(side)] else { return Ok(()) };
        match corrupt.act(self.stage, &self.said, &mut self.draw) {
            None => {}
            Some(Deed::Send(letter)) => self.send(side, letter),
            Some(Deed::Ask(path, body)) => {
                let is_later = self.draw.percent(self.later);
                self.ask_arbiter(&path, &body, is_later).await?;
            }
        }
        Ok(())
    }

    /// Somebody sends again what was sent in an earlier run, or in this one.
    async fn replay(&mut self) -> Result<(), Violation> {
        let at = self.draw.place(self.stage.old.len());
        self.draw.faults.insert("replay");
        match self.draw.below(3) {
            0 => {
                let (to, letter) = self.stage.old[at].letter(self.stage, self.draw.place(4));
                self.receive(to, &letter, false);
            }
            1 => {
                let old = &self.stage.old[at];
                let (path, body) = (old.path.clone(), old.asked[self.draw.place(old.asked.len())].clone());
                self.ask_arbiter(&path, &body, false).await?;
            }
            _ if !self.answers.is_empty() => {
                let (body, _) = self.answers[self.draw.place(self.answers.len())].clone();
                self.ask_arbiter(&self.path(), &body, false).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Every honest side stops waiting and asks once; then everything that is still on its way arrives, and whoever is corrupt does all
    /// that it still can.
    async fn finish(&mut self) -> Result<(), Violation> {
        if !self.is_quiet && self.draw.percent(75) {
            self.wait().await?;
        }
        self.stop_waiting().await?;
        for player in &mut self.players {
            if let Player::Corrupt(corrupt) = player {
                corrupt.left += 6;
            }
        }
        for _ in 0..6 {
            for side in SIDES {
                self.act(side).await?;
            }
        }
        for side in SIDES {
            if self.honest(side).is_some_and(|honest| !honest.is_up) {
                self.start(side);
            }
        }
        // What an honest side sends again for a message that it has may go to and fro.
        self.arrive();
        // An offer may have come in between.
        self.stop_waiting().await?;
        self.arrive();
        for side in SIDES {
            let Player::Corrupt(corrupt) = &mut self.players[index(side)] else { continue };
            let more = corrupt.everything(self.stage, &self.said);
            self.said.extend(more);
        }
        Ok(())
    }

    /// Every honest side waits for as long as it may, and what it asks takes as long as that may take.
    async fn wait(&mut self) -> Result<(), Violation> {
        for _ in 0..12 {
            let Some((at, side)) = self.due() else { return Ok(()) };
            self.stage.pass(at.saturating_sub(self.now()));
            self.must(side).await?;
            for side in SIDES {
                if self.draw.percent(40) {
                    self.act(side).await?;
                }
            }
            if !self.wire.is_empty() && self.draw.percent(60) {
                self.deliver(self.faults);
            }
        }
        Ok(())
    }

    fn arrive(&mut self) {
        for _ in 0..64 {
            if !self.wire.is_empty() {
                self.deliver(Faults::NONE);
            }
        }
    }

    async fn stop_waiting(&mut self) -> Result<(), Violation> {
        for side in SIDES {
            let Some(honest) = self.honest(side).filter(|honest| honest.has_begun() && honest.end().is_none()) else {
                continue;
            };
            if !honest.is_up {
                self.start(side);
            }
            if self.honest(side).is_some_and(|honest| !honest.asks()) {
                self.give_up(side, false);
            }
            self.ask(side, false).await?;
            if self.honest(side).is_some_and(|honest| honest.end().is_none()) {
                let what = format!("the {} has asked, and its run goes on", side.name());
                return Err(Violation::of("timely_", what));
            }
        }
        Ok(())
    }

    /// Whether nothing went wrong and nobody was corrupt.
    pub(crate) fn is_undisturbed(&self) -> bool {
        self.is_quiet && SIDES.iter().all(|side| self.honest(*side).is_some())
    }

    fn report(&self) -> Report {
        let corrupt = match (self.honest(Side::Originator).is_some(), self.honest(Side::Responder).is_some()) {
            (true, true) => "nobody",
            (false, true) => "originator",
            (true, false) => "responder",
            (false, false) => "both",
        };
        let ends = SIDES.iter().filter_map(|side| self.honest(*side)?.end()).collect::<Vec<_>>();
        let outcome = match &self.verdict {
            Some(verdict) => check::outcome_of(verdict),
            None if ends.contains(&End::Standard) => "standard".to_owned(),
            None => "nothing".to_owned(),
        };
        let protocol = if self.protocol == Protocol::CdR { "cd-r" } else { "asw-r" };
        Report { protocol, corrupt, outcome, faults: self.draw.faults.clone() }
    }
}
