//! A payment for goods, with a carrier or without, or for a receipt (exchange-and-disputes §8): who is corrupt, what becomes of the goods, how the
//! rail fails, what the network and the programs do, and where the money is at the end.
//!
//! Assumed is what the protocol assumes: carriers are honest, what an honest side says is at the arbiter within [`ASKING_MS`] unless that is
//! away, and what a provider tells it tells until it is heard. Of a rail that takes back its word, or refuses for good what was decided,
//! a claim is left that people settle; the arbiter says so.

mod asking;
mod check;
mod corrupt;
mod finish;
mod honest;
pub(crate) mod rail;
mod terms;

use std::collections::BTreeMap;

use semper_ttp::{
    client::pay::{Part, Word},
    payment::{
        rail::RailOp,
        simulator::{Notice, Trick},
    },
    statement::Jws,
};
use serde_json::Value;

use corrupt::{Corrupt, Deed};
use honest::{Honest, index};
use terms::{Place, TEXT, TEXT_SALT, Terms, named, tricks};

use crate::{
    draw::Draw,
    faults::Faults,
    report::{Report, Violation},
    rule::Rule,
    stage::Stage,
};

/// The longest that a statement takes to the arbiter while that is there.
const ASKING_MS: u64 = 20_000;

/// Steps of a run before everybody waits for its end.
const STEPS: u64 = 60;

const PARTS: [Part; 3] = [Part::Payer, Part::Payee, Part::Carrier];

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Pass,
    Deliver,
    Act(Part),
    Start(Part),
    Send,
    Ask(Part),
    Look(Part),
    Speak(Part),
    Cancel(Part),
    Hand,
    Notice,
    Wake,
    Replay,
    Crash,
    Absence,
}

pub(crate) struct Run<'s> {
    stage: &'s mut Stage,
    draw: Draw,
    terms: Terms,
    honest: [Option<Honest>; 3],
    corrupt: [Option<Corrupt>; 2],
    place: Place,
    is_good: bool,
    faults: Faults,
    is_quiet: bool,
    tricks: BTreeMap<RailOp, Vec<Trick>>,
    wire: Vec<(Part, Vec<u8>)>,
    notices: Vec<(usize, Notice)>,
    first: Jws,
    /// Whether the arbiter knows of it.
    is_open: bool,
    asked: Vec<(String, Value)>,
    verdict: Option<String>,
    /// What the arbiter has shown last.
    shown: Value,
    rule: Rule,
}

/// One run, of which this is drawn.
pub(crate) async fn run(stage: &mut Stage, draw: Draw, rule: Rule) -> Result<Report, Violation> {
    let mut run = Run::new(stage, draw, rule);
    for _ in 0..STEPS {
        run.step().await?;
    }
    run.finish().await?;
    check::ended(&mut run)?;
    Ok(run.report())
}

impl<'s> Run<'s> {
    fn new(stage: &'s mut Stage, mut draw: Draw, rule: Rule) -> Self {
        let is_corrupt = draw.one_of(&[[false, false], [false, false], [true, false], [false, true], [true, true]]);
        let is_quiet = draw.percent(12);
        let faults = if is_quiet { Faults::NONE } else { Faults::drawn(&mut draw) };
        let terms = Terms::drawn(&mut draw, stage.now().millis());
        let tricks = if is_quiet { BTreeMap::new() } else { tricks(&mut draw) };
        for tricks in tricks.values() {
            draw.faults.extend(tricks.iter().map(|trick| named(*trick)));
        }
        stage.rails[terms.rail].play(tricks.clone(), rule != Rule::OneKey);
        let thanks = is_quiet || draw.percent(60);
        let mut honest = PARTS.map(|part| {
            let is_there = index(part) == 2 || !is_corrupt[index(part)];
            is_there.then(|| Honest::new(part, rule, thanks))
        });
        let corrupt =
            [Part::Payer, Part::Payee].map(|part| is_corrupt[index(part)].then(|| Corrupt::new(part, &mut draw)));
        let is_good = !is_corrupt[1] || draw.percent(40);
        let deal = terms.deal(stage);
        let first = match (&mut honest[0], &corrupt[0]) {
            (Some(payer), _) => {
                payer.begin(stage, deal);
                payer.store();
                payer.kept().expect("it was stored").opened().jws.clone()
            }
            (None, Some(payer)) => payer.begin(stage, deal),
            (None, None) => unreachable!("it is one of both"),
        };
        Self {
            stage,
            draw,
            terms,
            honest,
            corrupt,
            place: Place::Seller,
            is_good,
            faults,
            is_quiet,
            tricks,
            wire: Vec::new(),
            notices: Vec::new(),
            first,
            is_open: false,
            asked: Vec::new(),
            verdict: None,
            shown: Value::Null,
            rule,
        }
    }

    fn of(&self, part: Part) -> Option<&Honest> {
        self.honest[index(part)].as_ref()
    }

    fn now(&self) -> u64 {
        self.stage.now().millis()
    }

    /// When somebody honest has to say something at last, and who.
    fn due(&self) -> Option<(u64, Part)> {
        let due = PARTS.into_iter().filter_map(|part| {
            let honest = self.of(part).filter(|honest| honest.has_begun() && honest.outcome().is_none())?;
            let is_due = match part {
                Part::Payer => self.place == Place::Buyer && !self.is_good && !honest.has_said(Word::Rejected),
                Part::Payee => false,
                Part::Carrier => match self.place {
                    Place::Carrier => !honest.has_said(Word::Shipped),
                    Place::Buyer => self.terms.has_carrier && !honest.has_said(Word::HandedOver),
                    Place::Seller | Place::OnItsWay => false,
                },
            };
            is_due.then_some((honest.heard_ms + ASKING_MS, part))
        });
        due.min_by_key(|(at, _)| *at)
    }

    async fn step(&mut self) -> Result<(), Violation> {
        if let Some((at, part)) = self.due()
            && at <= self.now()
        {
            return self.must(part).await;
        }
        let faults = self.faults;
        let loud = u64::from(!self.is_quiet);
        let mut steps = vec![
            (Step::Pass, 2 * loud),
            (Step::Deliver, if self.wire.is_empty() { 0 } else { 8 }),
            (Step::Send, 2),
            (Step::Hand, 5),
            (Step::Notice, if self.notices.is_empty() { 0 } else { 2 }),
            (Step::Wake, 2),
            (Step::Replay, if self.asked.is_empty() { 0 } else { faults.replay }),
            (Step::Crash, faults.crash),
            (Step::Absence, faults.absence),
        ];
        for part in PARTS {
            if let Some(corrupt) = self.corrupt.get(index(part)).and_then(Option::as_ref) {
                steps.push((Step::Act(part), if corrupt.left > 0 { 5 } else { 0 }));
            }
            let Some(honest) = self.of(part) else { continue };
            if !honest.is_up {
                steps.push((Step::Start(part), 4));
            } else if honest.has_begun() {
                steps.push((Step::Ask(part), if honest.pending().is_some() { 6 } else { 0 }));
                steps.push((Step::Look(part), 2));
                steps.push((Step::Speak(part), 4));
                steps.push((Step::Cancel(part), faults.impatience));
            }
        }
        match self.draw.weighed(&steps) {
            None => {}
            Some(Step::Pass) => {
                let until = self.due().map_or(u64::MAX, |(at, _)| at.saturating_sub(self.now()));
                let ms = self.draw.one_of(&[1, 1_000, 10_000, 60_000]).min(until);
                self.stage.pass(ms);
            }
            Some(Step::Deliver) => self.deliver(),
            Some(Step::Act(part)) => self.act(part).await?,
            Some(Step::Start(part)) => self.start(part),
            Some(Step::Send) => self.send(),
            Some(Step::Ask(part)) => self.ask(part, true).await?,
            Some(Step::Look(part)) => self.look(part, true).await?,
            Some(Step::Speak(part)) => self.speak(part, true),
            Some(Step::Cancel(part)) => self.cancel(part),
            Some(Step::Hand) => self.hand(),
            Some(Step::Notice) => self.notice(true).await?,
            Some(Step::Wake) => self.stage.world().service.look_at_payments(),
            Some(Step::Replay) => {
                self.draw.faults.insert("replay");
                let (path, body) = self.asked[self.draw.place(self.asked.len())].clone();
                self.ask_arbiter(&path, &body).await?;
            }
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
        let told = self.stage.rails[self.terms.rail].take_notices();
        self.notices.extend(told.into_iter().map(|notice| (self.terms.rail, notice)));
        Ok(())
    }

    /// What cannot be left for later.
    async fn must(&mut self, part: Part) -> Result<(), Violation> {
        self.start(part);
        for _ in 0..2 {
            self.look(part, false).await?;
            self.speak(part, false);
            self.ask(part, false).await?;
        }
        let now = self.now();
        if let Some(honest) = &mut self.honest[index(part)] {
            honest.heard_ms = now;
        }
        Ok(())
    }

    fn start(&mut self, part: Part) {
        if let Some(honest) = self.honest[index(part)].as_mut().filter(|honest| !honest.is_up) {
            honest.start();
        }
    }

    /// Somebody has a new state: it goes to the disk, unless the program is killed before.
    fn advance(&mut self, part: Part, may_be_killed: bool) {
        let kill = may_be_killed && self.draw.fault(self.faults.killed, "client killed");
        let forgets = kill && self.draw.percent(50);
        let Some(honest) = &mut self.honest[index(part)] else { return };
        if !forgets {
            honest.store();
        }
        if kill {
            honest.kill();
        }
    }

    /// The payer's order goes to the others.
    fn send(&mut self) {
        if let Some(letter) = self.of(Part::Payer).filter(|payer| payer.is_up).and_then(Honest::message) {
            self.wire.extend([Part::Payee, Part::Carrier].map(|part| (part, letter.clone())));
        }
    }

    fn deliver(&mut self) {
        let (to, letter) = self.wire.swap_remove(self.draw.place(self.wire.len()));
        if self.draw.fault(self.faults.dropped, "message lost") {
            return;
        }
        if self.draw.fault(self.faults.twice, "message twice") {
            self.wire.push((to, letter.clone()));
        }
        let Some(honest) = &mut self.honest[index(to)] else { return };
        if !honest.is_up {
            // It lies in a mailbox until then.
            return self.wire.push((to, letter));
        }
        if honest.take(self.stage, &letter) {
            self.advance(to, true);
        }
    }

    async fn act(&mut self, part: Part) -> Result<(), Violation> {
        let Some(corrupt) = self.corrupt[index(part)].as_mut() else { return Ok(()) };
        match corrupt.act(self.stage, &self.first, &mut self.draw) {
            None => {}
            Some(Deed::Send(letter)) => self.wire.extend([Part::Payee, Part::Carrier].map(|to| (to, letter.clone()))),
            Some(Deed::Ask(path, body)) => drop(self.ask_arbiter(&path, &body).await?),
            Some(Deed::Ship) => self.ship(),
        }
        Ok(())
    }

    /// The goods leave the seller.
    fn ship(&mut self) {
        if self.place != Place::Seller || self.terms.is_receipt {
            return;
        }
        let knows = self.of(Part::Carrier).is_some_and(|carrier| carrier.has_begun());
        self.place = match self.terms.has_carrier {
            true if knows => Place::Carrier,
            true => return,
            false => Place::OnItsWay,
        };
        self.is_heard(Part::Carrier);
    }

    fn is_heard(&mut self, part: Part) {
        let now = self.now();
        if let Some(honest) = &mut self.honest[index(part)] {
            honest.heard_ms = now;
        }
    }

    /// Whoever has the goods gives them to the next, if that is right.
    fn hand(&mut self) {
        let now = self.now();
        match self.place {
            Place::Seller => {
                let ships = self.of(Part::Payee).is_some_and(|payee| payee.ships(now, &self.terms, ASKING_MS));
                if ships {
                    self.ship();
                }
            }
            Place::OnItsWay => self.place = Place::Buyer,
            Place::Carrier => {
                let Some(carrier) = self.of(Part::Carrier).filter(|carrier| carrier.is_up) else { return };
                let is_paid_for =
                    carrier.has_said(Word::Shipped) && carrier.stage() == "SHIPPED" && carrier.outcome().is_none();
                let may = is_paid_for || self.rule == Rule::HeldBeforeShipped;
                if may && now + 2 * ASKING_MS <= self.terms.t_exp {
                    self.place = Place::Buyer;
                    self.is_heard(Part::Carrier);
                } else if carrier.outcome().is_some() || now > self.terms.t_exp {
                    self.place = Place::Seller;
                }
            }
            Place::Buyer => return,
        }
        if self.place == Place::Buyer {
            self.is_heard(Part::Payer);
        }
    }

    /// Its user says what is so.
    fn speak(&mut self, part: Part, may_be_killed: bool) {
        let now = self.now();
        let Some(honest) = &mut self.honest[index(part)] else { return };
        let Some(word) = honest.word(now, &self.terms, self.place, self.is_good) else { return };
        if honest.say(self.stage, word) {
            self.advance(part, may_be_killed);
        }
    }

    /// Its user does not want it any more: a seller that has given its goods away does.
    fn cancel(&mut self, part: Part) {
        let may =
            part == Part::Payer && self.place != Place::Buyer || part == Part::Payee && self.place == Place::Seller;
        let Some(honest) = self.honest[index(part)].as_mut().filter(|honest| honest.is_up) else { return };
        let is_known = !["", "REJECTED", "DECIDED"].contains(&honest.stage());
        if may
            && is_known
            && !self.terms.is_receipt
            && honest.pending().is_none()
            && honest.say(self.stage, Word::Cancel)
        {
            self.advance(part, true);
        }
    }

    /// Whether the buyer has said in time that the goods are not what was ordered.
    fn is_rejected(&self) -> bool {
        let statements = self.shown["statements"].as_array().into_iter().flatten();
        statements.into_iter().any(|one| one["t"] == "pg/rejected" && one["counts"] == true)
    }

    /// Whether the rail has taken back its word, or refuses what was decided.
    fn is_rails_fault(&self) -> bool {
        let is_bad = |op: &RailOp, trick: &Trick| match trick {
            Trick::Expire { .. } | Trick::DeclineThenDone => true,
            // A hold that is declined binds nobody.
            Trick::Decline(_) => *op != RailOp::Hold,
            _ => false,
        };
        self.tricks.iter().any(|(op, tricks)| tricks.iter().any(|trick| is_bad(op, trick)))
    }

    /// Whether nothing went wrong and nobody was corrupt.
    fn is_undisturbed(&self) -> bool {
        self.is_quiet && self.corrupt.iter().all(Option::is_none)
    }

    fn report(&self) -> Report {
        let corrupt = match self.corrupt.each_ref().map(Option::is_some) {
            [false, false] => "nobody",
            [true, false] => "originator",
            [false, true] => "responder",
            [true, true] => "both",
        };
        let outcome = match self.shown["decided"]["outcome"].as_str() {
            None => "nothing".to_owned(),
            Some(outcome) if self.shown["money"]["unsettled"] == true => {
                format!("{} unsettled", outcome.to_lowercase())
            }
            Some(outcome) => outcome.to_lowercase(),
        };
        let protocol = if self.terms.is_receipt { "pr" } else { "pg" };
        Report { protocol, corrupt, outcome, faults: self.draw.faults.clone() }
    }
}
