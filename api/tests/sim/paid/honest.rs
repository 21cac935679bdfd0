//! An honest side of a payment, or its carrier: the program's own client (`semper_ttp::client::pay`) with a disk of its own, which may be killed
//! between any two steps, and a user who says what is so. And users who break one of the rules.

use std::collections::BTreeSet;

use semper_ttp::{
    b64u::{self, B64u},
    client::{
        message::Message,
        party::Pen,
        pay::{Deal, Part, Payment, Word, dossier::PaymentDossier},
    },
    statement::{Jws, Salt, exchange::Outcome},
};
use serde_json::{Value, json};

use super::{Place, TEXT, TEXT_SALT, Terms};
use crate::{
    rule::Rule,
    stage::Stage,
    world::{exchange::name_of, office::random},
};

/// What lies on its disk.
struct Disk {
    dossier: Vec<u8>,
    /// What the arbiter has recorded of it, by its proofs.
    recorded: BTreeSet<String>,
    /// Where it stands, as the arbiter says.
    stage: String,
}

pub(super) struct Honest {
    pub(super) part: Part,
    rule: Rule,
    disk: Option<Disk>,
    /// What the running program has of it.
    live: Option<Payment>,
    pub(super) is_up: bool,
    /// When it last heard of the arbiter, or was to do something.
    pub(super) heard_ms: u64,
    /// Whether it says that it has the goods, if they are good.
    pub(super) thanks: bool,
}

/// Where its certificate is, among all.
pub(super) const fn index(part: Part) -> usize {
    match part {
        Part::Payer => 0,
        Part::Payee => 1,
        Part::Carrier => 2,
    }
}

impl Honest {
    pub(super) fn new(part: Part, rule: Rule, thanks: bool) -> Self {
        Self { part, rule, disk: None, live: None, is_up: true, heard_ms: 0, thanks }
    }

    fn pen<'s>(&self, stage: &'s Stage) -> Pen<'s> {
        Pen { key: &stage.party(index(self.part)).sign, salt: Salt(B64u(random())), now: stage.now() }
    }

    pub(super) fn kept(&self) -> Option<Payment> {
        let dossier = PaymentDossier::parse(&self.disk.as_ref()?.dossier).expect("it wrote it");
        Some(Payment::open(dossier).expect("it wrote it"))
    }

    pub(super) fn has_begun(&self) -> bool {
        self.disk.is_some()
    }

    /// How it was decided, by a verdict that it keeps.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.kept()?.outcome()
    }

    pub(super) fn has_said(&self, word: Word) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.recorded.contains(word.tag()))
    }

    /// Where the payment stands, as far as it knows.
    pub(super) fn stage(&self) -> &str {
        self.disk.as_ref().map_or("", |disk| disk.stage.as_str())
    }

    /// The payer begins.
    pub(super) fn begin(&mut self, stage: &Stage, deal: Deal) {
        let begun = Payment::begin(deal, (&TEXT_SALT, TEXT), &stage.house, &stage.everybody(), &self.pen(stage));
        self.live = Some(begun.expect("an order in time"));
    }

    /// What the payer sends to the others.
    pub(super) fn message(&self) -> Option<Vec<u8>> {
        let payment = self.live.as_ref().filter(|_| self.part == Part::Payer)?;
        payment.message(TEXT).map(|message| message.to_bytes())
    }

    /// A message comes. What does not hold changes nothing.
    pub(super) fn take(&mut self, stage: &Stage, octets: &[u8]) -> bool {
        if self.live.is_some() {
            return false;
        }
        let Ok(message) = Message::parse(octets) else { return false };
        let own = name_of(&stage.party(index(self.part)).sign);
        let taken = Payment::take(&message, own, &stage.house, &stage.everybody(), stage.now());
        self.live = taken.ok().filter(|payment| payment.dossier().part == self.part);
        self.live.is_some()
    }

    /// Puts the state on the disk.
    pub(super) fn store(&mut self) {
        let Some(payment) = &self.live else { return };
        let dossier = payment.dossier().to_bytes();
        match &mut self.disk {
            Some(disk) => disk.dossier = dossier,
            None => {
                // The order is the payer's to bring.
                let first = payment.opened().jws.tag().to_owned();
                let recorded = Some(first).filter(|_| self.part != Part::Payer).into_iter().collect();
                self.disk = Some(Disk { dossier, recorded, stage: String::new() });
            }
        }
    }

    /// The program is killed.
    pub(super) fn kill(&mut self) {
        (self.live, self.is_up) = (None, false);
    }

    /// It is started again, and goes on with what lies on the disk.
    pub(super) fn start(&mut self) {
        self.is_up = true;
        self.live = self.kept();
    }

    /// What it has signed, and the arbiter has not recorded yet as far as it knows: where it goes, and the statement.
    pub(super) fn pending(&self) -> Option<(String, String)> {
        let (payment, disk) = (self.live.as_ref()?, self.disk.as_ref()?);
        let first = payment.dossier().first()?;
        let tag = payment.opened().jws.tag();
        if !disk.recorded.contains(tag) {
            return Some(("/v1/payments".to_owned(), first.to_owned()));
        }
        let mut said = payment.dossier().statements().filter(|(of, _)| *of != tag);
        let (_, statement) = said.find(|(of, _)| !disk.recorded.contains(*of))?;
        let x = b64u::encode(payment.opened().run.x.as_bytes());
        Some((format!("/v1/payments/{x}/statements"), statement.to_owned()))
    }

    /// The arbiter has answered: to what it said, or to a look.
    pub(super) fn answered(&mut self, stage: &Stage, answer: &Value, said: Option<&str>) -> Result<(), String> {
        let payment = self.live.as_mut().expect("it has asked");
        let standing = payment.answered(answer.to_string().as_bytes(), said).map_err(|stays| stays.to_string())?;
        self.heard_ms = stage.now().millis();
        if let Some(disk) = &mut self.disk {
            let tag = said.map(|said| Jws::parse(said.as_bytes()).expect("its own").tag().to_owned());
            disk.recorded.extend(tag);
            disk.stage = standing.stage;
        }
        self.store();
        Ok(())
    }

    /// It waits for what it has said to be recorded, or the order is not: until then it says nothing more.
    fn may_speak(&self) -> bool {
        self.is_up && self.live.is_some() && self.disk.is_some() && self.pending().is_none()
    }

    /// What its user wants to be said now, from what is so in the world.
    pub(super) fn word(&self, now: u64, terms: &Terms, place: Place, is_good: bool) -> Option<Word> {
        if !self.may_speak() || self.outcome().is_some() {
            return None;
        }
        let (stage, is_held) = (self.stage(), ["HELD", "SHIPPED", "HANDED_OVER"].contains(&self.stage()));
        let word = match self.part {
            Part::Payer if terms.is_receipt => return None,
            Part::Payer if self.rule == Rule::ReceivedMeansReceived && is_held => Word::Received,
            Part::Payer if place == Place::Buyer && !is_good && stage == "HANDED_OVER" => Word::Rejected,
            Part::Payer if place == Place::Buyer && is_good && self.thanks && is_held => Word::Received,
            Part::Payee if terms.is_receipt && ["ORDERED", "HELD"].contains(&stage) => Word::Receipt,
            Part::Payee if !terms.is_receipt && stage == "ORDERED" && now <= terms.t_hold => Word::Accept,
            // Whose goods a carrier brings lets that say so.
            Part::Payee if place == Place::OnItsWay && !terms.has_carrier => Word::Shipped,
            Part::Carrier if place == Place::Carrier && stage == "HELD" => Word::Shipped,
            Part::Carrier if place == Place::Buyer => Word::HandedOver,
            _ => return None,
        };
        Some(word).filter(|word| self.disk.as_ref().is_some_and(|disk| !disk.recorded.contains(word.tag())))
    }

    /// Signs a word; what is sent lies on the disk then, or goes with the program.
    pub(super) fn say(&mut self, stage: &Stage, word: Word) -> bool {
        let pen = self.pen(stage);
        self.live.as_mut().is_some_and(|payment| payment.say(word, &pen).is_ok())
    }

    /// Whether the seller gives the goods away now.
    pub(super) fn ships(&self, now: u64, terms: &Terms, asking_ms: u64) -> bool {
        let is_paid_for = match self.rule {
            Rule::HeldBeforeShipped => ["ORDERED", "ACCEPTED", "HELD"].contains(&self.stage()),
            _ => self.stage() == "HELD",
        };
        let is_in_time = now + 3 * asking_ms <= terms.t_ship;
        let has_cancelled =
            self.live.as_ref().is_some_and(|live| live.dossier().statement(Word::Cancel.tag()).is_some());
        self.may_speak() && is_paid_for && is_in_time && !has_cancelled && self.outcome().is_none()
    }
}

/// A statement, as it is sent.
pub(super) fn body(statement: &str) -> Value {
    json!({ "statement": statement })
}
