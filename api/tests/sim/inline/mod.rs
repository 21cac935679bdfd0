//! An exchange through the arbiter (exchange-and-disputes §6): who is corrupt, what the network and the programs do, and what is left at the end.
//!
//! The network between the sides is the attacker's. What an honest side asks of the arbiter may be lost, and so may the answer; it asks again,
//! and after the end of the exchange it gets there. No side has to be in time: nothing is lost by who comes late but the exchange.

mod asking;
mod bargain;
mod check;
mod corrupt;
mod honest;

use semper_ttp::{
    client::{message::Message, swap::End},
    digest::Digest,
    exchange::item::is_decidable,
    statement::{Jws, exchange::Side},
};
use serde_json::Value;

use bargain::Bargain;
use corrupt::{Corrupt, Deed};
use honest::{Asked, Honest};

use crate::{
    draw::Draw,
    faults::Faults,
    optimistic::corrupt::twin,
    report::{Report, Violation},
    rule::Rule,
    stage::{SIDES, Stage, index, other},
    world::office::{DELTA_MS, exchange_policy},
};

/// Steps of a run before its sides wait for its end.
const STEPS: u64 = 50;

enum Player {
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
    Again(Side),
    Ask(Side),
    Waive(Side),
    Cancel(Side),
    Look,
    Replay,
    Crash,
    Absence,
}

pub(crate) struct Run<'s> {
    stage: &'s mut Stage,
    draw: Draw,
    bargain: Bargain,
    players: [Player; 2],
    faults: Faults,
    is_quiet: bool,
    wire: Vec<(Side, Vec<u8>)>,
    first: Option<Jws>,
    /// What went over the network.
    said: Vec<Jws>,
    /// What the arbiter was asked, in order, and by whose certificate.
    asked: Vec<(Side, String, Value, bool)>,
    /// What it has signed, its verdict apart.
    receipts: Vec<Jws>,
    verdict: Option<Jws>,
    /// The items that each side was handed out, or sent.
    got: [Vec<Vec<u8>>; 2],
}

/// One run, of which this is drawn.
pub(crate) async fn run(stage: &mut Stage, draw: Draw, rule: Rule) -> Result<Report, Violation> {
    let mut run = Run::new(stage, draw, rule);
    run.begin();
    for _ in 0..STEPS {
        run.step().await?;
    }
    run.finish().await?;
    check::ended(&run)?;
    Ok(run.report())
}

impl<'s> Run<'s> {
    fn new(stage: &'s mut Stage, mut draw: Draw, rule: Rule) -> Self {
        let corrupt = draw.one_of(&[[false, false], [true, false], [false, true], [true, true]]);
        let is_quiet = draw.percent(12);
        let faults = if is_quiet { Faults::NONE } else { Faults::drawn(&mut draw) };
        let bargain = Bargain::drawn(&mut draw, stage.now().millis());
        let players = SIDES.map(|side| {
            let is_content = is_quiet || draw.percent(75);
            match corrupt[index(side)] {
                true => Player::Corrupt(Box::new(Corrupt::new(side, &mut draw))),
                false => Player::Honest(Box::new(Honest::new(side, rule, is_content))),
            }
        });
        let (wire, said, asked, receipts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (first, verdict, got) = (None, None, [Vec::new(), Vec::new()]);
        Self { stage, draw, bargain, players, faults, is_quiet, wire, first, said, asked, receipts, verdict, got }
    }

    fn honest(&self, side: Side) -> Option<&Honest> {
        match &self.players[index(side)] {
            Player::Honest(honest) => Some(honest),
            Player::Corrupt(_) => None,
        }
    }

    fn honest_mut(&mut self, side: Side) -> Option<&mut Honest> {
        match &mut self.players[index(side)] {
            Player::Honest(honest) => Some(honest),
            Player::Corrupt(_) => None,
        }
    }

    fn x(&self) -> Option<Digest> {
        self.first.as_ref().map(Jws::x)
    }

    fn now(&self) -> u64 {
        self.stage.now().millis()
    }

    fn begin(&mut self) {
        match &mut self.players[0] {
            Player::Honest(honest) => {
                let letter = honest.propose(self.stage, &self.bargain);
                self.advance(Side::Originator, letter, true);
                let kept = self.honest(Side::Originator).and_then(Honest::kept);
                self.first = kept.map(|(swap, _)| swap.proposed().jws.clone());
            }
            Player::Corrupt(corrupt) => {
                let is_described = self.draw.percent(80);
                self.first = Some(corrupt.propose(self.stage, &self.bargain, is_described));
            }
        }
    }

    async fn step(&mut self) -> Result<(), Violation> {
        let faults = self.faults;
        let loud = u64::from(!self.is_quiet);
        let mut steps = vec![
            (Step::Pass, 2 * loud),
            (Step::Deliver, if self.wire.is_empty() { 0 } else { 8 }),
            (Step::Look, 2),
            (Step::Replay, if self.asked.is_empty() { 0 } else { faults.replay }),
            (Step::Crash, faults.crash),
            (Step::Absence, faults.absence),
        ];
        for player in &self.players {
            match player {
                Player::Corrupt(corrupt) if corrupt.left > 0 => {
                    let side = if std::ptr::eq(player, &raw const self.players[0]) { SIDES[0] } else { SIDES[1] };
                    steps.push((Step::Act(side), 5));
                }
                Player::Honest(honest) if !honest.is_up => steps.push((Step::Start(honest.side), 4)),
                Player::Honest(honest) if honest.has_begun() && honest.end().is_none() => {
                    steps.push((Step::Cancel(honest.side), faults.impatience));
                    steps.push((Step::Ask(honest.side), if honest.asks() { 5 } else { 0 }));
                    steps.push((Step::Again(honest.side), 1));
                    steps.push((Step::Waive(honest.side), if honest.is_asked() { 5 } else { 0 }));
                }
                _ => {}
            }
        }
        match self.draw.weighed(&steps) {
            None => {}
            Some(Step::Pass) => {
                let ms = self.draw.one_of(&[1, 1_000, 10_000, 120_000]);
                if !self.wire.is_empty() && ms > 1 {
                    self.draw.faults.insert("message late");
                }
                self.stage.pass(ms);
            }
            Some(Step::Deliver) => self.deliver(self.faults),
            Some(Step::Act(side)) => self.act(side).await?,
            Some(Step::Start(side)) => self.start(side),
            Some(Step::Again(side)) => self.again(side),
            Some(Step::Ask(side)) => self.ask(side, true).await?,
            Some(Step::Waive(side)) => self.waive(side, true).await?,
            Some(Step::Cancel(side)) => self.cancel(side, true),
            Some(Step::Look) => drop(self.stage.world().service.look_at_exchanges().expect("the ledger is there")),
            Some(Step::Replay) => self.replay().await?,
            Some(Step::Crash) => {
                let ms = self.draw.one_of(&[1, 5_000, 90_000]);
                self.draw.faults.insert("server killed");
                self.stage.crash(ms);
            }
            Some(Step::Absence) => {
                let ms = self.draw.one_of(&[61_000, 200_000]);
                self.draw.faults.insert("server stands still");
                self.stage.stand_still(ms);
            }
        }
        Ok(())
    }

    /// An honest side has a new state: it goes to the disk, and then what it has to say leaves.
    fn advance(&mut self, side: Side, letter: Option<Vec<u8>>, may_be_killed: bool) {
        let kill = may_be_killed && self.draw.fault(self.faults.killed, "client killed");
        let forgets = kill && self.draw.percent(50) && self.first.is_some();
        let stage = &mut *self.stage;
        let Player::Honest(honest) = &mut self.players[index(side)] else { return };
        if !forgets {
            honest.store(stage);
        }
        if kill {
            return honest.kill();
        }
        let gives = honest.gives_first();
        if let Some(letter) = letter {
            self.send(side, letter);
        }
        if gives {
            let item = self.bargain.items[index(side)].clone();
            self.got[honest::other_item(side)].push(item);
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
        let Player::Honest(honest) = &mut self.players[index(to)] else { return };
        if !honest.is_up {
            // It lies in a mailbox until then.
            return self.wire.push((to, letter));
        }
        let answer = honest.take(self.stage, &letter, &self.bargain);
        self.advance(to, answer, faults.killed > 0);
    }

    fn start(&mut self, side: Side) {
        if let Some(honest) = self.honest_mut(side) {
            honest.start();
        }
        self.again(side);
    }

    fn again(&mut self, side: Side) {
        if let Some(letter) = self.honest(side).and_then(Honest::again) {
            self.send(side, letter);
        }
    }

    fn cancel(&mut self, side: Side, may_be_killed: bool) {
        let Player::Honest(honest) = &mut self.players[index(side)] else { return };
        if honest.cancel(self.stage) {
            self.advance(side, None, may_be_killed);
        }
    }

    /// Its user looks at what was deposited, and takes it if both items are there.
    async fn waive(&mut self, side: Side, may_be_killed: bool) -> Result<(), Violation> {
        if !self.honest(side).is_some_and(|honest| honest.is_up && honest.is_asked()) {
            return Ok(());
        }
        let x = self.x().expect("it has begun");
        let path = format!("/v1/exchanges/{}", semper_ttp::b64u::encode(x.as_bytes()));
        let (status, shown) = self.stage.world().get(&self.stage.member(side).login, &path).await;
        if status != 200 {
            return Err(Violation::of("timely_", format!("the {} looks, and gets {status} {shown}", side.name())));
        }
        let deposits = shown["deposits"].as_array().into_iter().flatten();
        let others = deposits.filter(|deposit| deposit["side"] == serde_json::json!(side.other()));
        let hash = others.filter_map(|deposit| serde_json::from_value(deposit["item_sha256"].clone()).ok()).next();
        let Some(hash): Option<semper_ttp::b64u::B64u32> = hash else { return Ok(()) };
        let Player::Honest(honest) = &mut self.players[index(side)] else { return Ok(()) };
        honest.waive(self.stage, hash.into());
        self.advance(side, None, may_be_killed);
        Ok(())
    }

    async fn act(&mut self, side: Side) -> Result<(), Violation> {
        let Player::Corrupt(corrupt) = &mut self.players[index(side)] else { return Ok(()) };
        match corrupt.act(self.stage, &self.bargain, &self.said, &mut self.draw) {
            None => {}
            Some(Deed::Send(letter)) => self.send(side, letter),
            Some(Deed::Ask(asked)) => drop(self.ask_arbiter(side, asked).await?),
        }
        Ok(())
    }

    /// Somebody sends again what was asked before, in this run or in an earlier one.
    async fn replay(&mut self) -> Result<(), Violation> {
        self.draw.faults.insert("replay");
        let old = self.stage.asked.len();
        let (side, path, body, logs_in) = match self.draw.percent(30) && old > 0 {
            true => self.stage.asked[self.draw.place(old)].clone(),
            false => self.asked[self.draw.place(self.asked.len())].clone(),
        };
        self.ask_arbiter(side, Asked { path, body, logs_in }).await.map(drop)
    }

    /// All that is still on its way arrives, the end comes, and every honest side asks until it has one.
    async fn finish(&mut self) -> Result<(), Violation> {
        if self.is_undisturbed() {
            self.go_on(8).await?;
        } else if self.draw.percent(50) {
            self.go_on(3).await?;
        }
        for side in SIDES {
            self.start_again(side);
            if self.draw.percent(self.faults.impatience) {
                self.cancel(side, false);
            }
        }
        self.corrupt_act(3).await?;
        let end = self.bargain.t_exp.get() + 1;
        self.stage.pass(end.saturating_sub(self.now()));
        if self.draw.percent(50) {
            let _ = self.stage.world().service.look_at_exchanges().expect("the ledger is there");
        }
        self.corrupt_act(3).await?;
        // The arbiter's own absences may have moved the end.
        for _ in 0..3 {
            for side in SIDES {
                self.end(side).await?;
            }
            self.stage.pass(2 * DELTA_MS);
        }
        for side in SIDES {
            if self.honest(side).is_some_and(|honest| honest.has_begun() && honest.end().is_none()) {
                return Err(Violation::of("timely_", format!("the {} has asked, and its run goes on", side.name())));
            }
            let Player::Corrupt(corrupt) = &mut self.players[index(side)] else { continue };
            if let Some(asked) = corrupt.fetches(self.stage, &self.said) {
                self.ask_arbiter(side, asked).await?;
            }
        }
        let kept = self.asked.len().saturating_sub(3);
        let more = self.asked.split_off(kept);
        self.stage.asked.extend(more);
        let _ = self.stage.world().service.look_at_exchanges().expect("the ledger is there");
        Ok(())
    }

    fn start_again(&mut self, side: Side) {
        if self.honest(side).is_some_and(|honest| !honest.is_up) {
            self.start(side);
        }
    }

    /// What is on its way arrives, and everybody asks, so many times; no time passes.
    async fn go_on(&mut self, times: usize) -> Result<(), Violation> {
        for _ in 0..times {
            for side in SIDES {
                self.start_again(side);
            }
            for _ in 0..self.wire.len() {
                self.deliver(Faults::NONE);
            }
            for side in SIDES {
                self.waive(side, false).await?;
                self.ask(side, false).await?;
            }
        }
        Ok(())
    }

    async fn corrupt_act(&mut self, times: u64) -> Result<(), Violation> {
        for player in &mut self.players {
            if let Player::Corrupt(corrupt) = player {
                corrupt.left += times;
            }
        }
        for _ in 0..times {
            for side in SIDES {
                self.act(side).await?;
            }
        }
        Ok(())
    }

    /// The end has come: an honest side asks until it has one.
    async fn end(&mut self, side: Side) -> Result<(), Violation> {
        for _ in 0..4 {
            let Some(honest) = self.honest(side) else { return Ok(()) };
            if !honest.has_begun() || honest.end().is_some() {
                return Ok(());
            }
            self.start_again(side);
            self.ask(side, false).await?;
            let is_overdue =
                self.honest(side).and_then(Honest::kept).is_some_and(|(swap, _)| swap.is_overdue(self.stage.now()));
            if is_overdue {
                self.cancel(side, false);
            }
        }
        Ok(())
    }

    /// Whether nothing went wrong and nobody was corrupt.
    fn is_undisturbed(&self) -> bool {
        self.is_quiet && SIDES.iter().all(|side| self.honest(*side).is_some())
    }

    fn report(&self) -> Report {
        let corrupt = match SIDES.map(|side| self.honest(side).is_some()) {
            [true, true] => "nobody",
            [false, true] => "originator",
            [true, false] => "responder",
            [false, false] => "both",
        };
        let dropped = SIDES.iter().any(|side| self.honest(*side).and_then(Honest::end) == Some(End::Dropped));
        let rules = exchange_policy().inline.expect("it has such a part").predicates;
        let by_people = !self.bargain.described.iter().all(|described| is_decidable(described, &rules));
        let outcome = match &self.verdict {
            Some(verdict) if by_people => format!("{} by people", check::outcome_of(verdict).name().to_lowercase()),
            Some(verdict) => check::outcome_of(verdict).name().to_lowercase(),
            None if dropped => "dropped".to_owned(),
            None => "nothing".to_owned(),
        };
        Report { protocol: "inline", corrupt, outcome, faults: self.draw.faults.clone() }
    }
}
