//! A payment for goods or a receipt, from one of its sides or its carrier (exchange-and-disputes §8): what it has signed, and what the
//! arbiter's answers are worth.
//!
//! There is no automaton here. The arbiter has the state, and its deadlines run without anybody; a side says a few words, each because its
//! user wants it, and each once. Rules that nothing here breaks: **nothing is signed before the first statement was held against its text,
//! arbiter and policy; each word is signed once and sent again as it is; goods are received or rejected, never both; what the arbiter has
//! decided counts only by a verdict that is in the log and follows from what it embeds.** What the arbiter only says, of stages and of
//! money, is shown and never acted upon.
//!
//! Out of scope: transport, the disk, rails. The delivery of digital goods is a run of its own ([`super::party`]).

mod delivery;
pub mod dossier;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use semper_ledger::note::VerifierKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dossier::Octets;
use super::message::{Beside, CONTRACT_BYTES_MAX, Contract, Message};
use super::party::{House, Pen, Stays, log_of, require_signer, text};
use super::peer::Holder;
use super::verdict::{GivenFault, bad, proven, require_entry};
use crate::b64u::{self, B64u};
use crate::crypto::jose::{Key, Thumbprint};
use crate::digest::Digest;
use crate::evidence::{ExchangeKind, Kind};
use crate::exchange::judge::{Filed, paid};
use crate::exchange::paid::{Opened, Thing};
use crate::exchange::{tag_of_verdict, terms_hash};
use crate::json;
use crate::statement::exchange::pg::{Accept, Cancel, GoodsOrder, HandedOver, Received, Rejected, Shipped};
use crate::statement::exchange::pr::{PaymentOffer, PaymentReceipt};
use crate::statement::exchange::{Outcome, Side};
use crate::statement::{Body as _, Jws};
use crate::time::Timestamp;

use dossier::PaymentDossier;

/// The longest answer of the arbiter about a payment, octets: statements and a verdict, each with its proof.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Who somebody is in a payment. Reaches disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Who pays.
    Payer,
    /// Who is paid.
    Payee,
    /// Whose word counts for shipping and handing over.
    Carrier,
}

impl Part {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payer => "payer",
            Self::Payee => "payee",
            Self::Carrier => "carrier",
        }
    }
}

/// What somebody says in a payment that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// The payee takes the order.
    Accept,
    /// The payee gives the receipt.
    Receipt,
    /// The goods are on their way.
    Shipped,
    /// The carrier gave them to the payer.
    HandedOver,
    /// The payer has them.
    Received,
    /// They are not what was ordered.
    Rejected,
    /// A side does not want it any more.
    Cancel,
}

impl Word {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Accept, Self::Receipt, Self::Shipped, Self::HandedOver, Self::Received, Self::Rejected, Self::Cancel];

    /// As people say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Receipt => "receipt",
            Self::Shipped => "shipped",
            Self::HandedOver => "handed-over",
            Self::Received => "received",
            Self::Rejected => "rejected",
            Self::Cancel => "cancel",
        }
    }

    /// The type of its statement.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Accept => Accept::TAG,
            Self::Receipt => PaymentReceipt::TAG,
            Self::Shipped => Shipped::TAG,
            Self::HandedOver => HandedOver::TAG,
            Self::Received => Received::TAG,
            Self::Rejected => Rejected::TAG,
            Self::Cancel => Cancel::TAG,
        }
    }

    /// What says the contrary.
    const fn contrary(self) -> Option<Self> {
        match self {
            Self::Received => Some(Self::Rejected),
            Self::Rejected => Some(Self::Received),
            Self::Accept | Self::Receipt | Self::Shipped | Self::HandedOver | Self::Cancel => None,
        }
    }
}

/// What a payer orders, or pays a receipt for.
#[derive(Clone, Debug)]
pub enum Deal {
    /// Goods.
    Goods(Box<GoodsOrder>),
    /// A receipt.
    Receipt(Box<PaymentOffer>),
}

/// The text of a payment, and the salt in front of it.
pub type Text<'t> = (&'t [u8; 32], &'t [u8]);

/// The chains of all who take part, as far as they are known: each its holder's own certificate first.
pub type Everybody<'a> = &'a [Vec<Vec<u8>>];

/// One side of it, or its carrier.
#[derive(Clone, Debug)]
pub struct Payment {
    dossier: PaymentDossier,
    opened: Opened,
    keys: Vec<Arc<Key>>,
    log: VerifierKey,
}

/// What the arbiter says of a payment.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// How far it has come, as the arbiter says: for people.
    pub stage: String,
    /// Where the money is, as the arbiter says.
    pub money: Value,
    /// What is awaited, as the arbiter says.
    pub awaited: Value,
    /// What was decided: by a verdict that holds.
    pub outcome: Option<Outcome>,
}

#[derive(Deserialize)]
struct Members {
    x: String,
    stage: String,
    #[serde(default)]
    awaited: Value,
    money: Value,
    statements: Vec<ShownMembers>,
    decided: Option<DecidedMembers>,
}

#[derive(Deserialize)]
struct ShownMembers {
    statement: String,
    proof: String,
}

#[derive(Deserialize)]
struct DecidedMembers {
    verdict: String,
    proof: String,
}

impl Payment {
    /// Begins as the payer: signs the first statement. Nothing has left yet.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn begin(
        deal: Deal,
        text_of: Text<'_>,
        house: &House,
        everybody: Everybody<'_>,
        pen: &Pen<'_>,
    ) -> Result<Self, Stays> {
        let (payer, jws) = match deal {
            Deal::Goods(order) => (order.buyer.key, pen.sign(None, *order)?),
            Deal::Receipt(offer) => (offer.payer.key, pen.sign(None, *offer)?),
        };
        require_signer(pen, payer)?;
        Self::judged(Part::Payer, jws, text_of, house, everybody, pen.now)
    }

    /// Reads what a payer has signed, and judges all of it but what the service alone knows: whether the keys are those parties', and good.
    /// Signs nothing. `own` is the key of who reads it.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn take(
        message: &Message,
        own: Thumbprint,
        house: &House,
        everybody: Everybody<'_>,
        now: Timestamp,
    ) -> Result<Self, Stays> {
        let Some(Beside::Contract(Contract { salt, text })) = &message.beside else { return Err(Stays::NoText) };
        let opened = Opened::claimed(&message.statement)?;
        let part = match own {
            key if key == opened.run.r.key => Part::Payee,
            key if Some(key) == opened.carrier => Part::Carrier,
            key if key == opened.run.o.key => Part::Payer,
            found => return Err(Stays::OtherSigner { found, named: opened.run.r.key }),
        };
        Self::judged(part, message.statement.clone(), (salt, text), house, everybody, now)
    }

    fn judged(
        part: Part,
        first: Jws,
        (salt, octets): Text<'_>,
        house: &House,
        everybody: Everybody<'_>,
        now: Timestamp,
    ) -> Result<Self, Stays> {
        if octets.len() > CONTRACT_BYTES_MAX {
            return Err(Stays::TextTooLong);
        }
        let chain = |chain: &Vec<Vec<u8>>| chain.iter().cloned().map(Octets).collect();
        let dossier = PaymentDossier {
            t: PaymentDossier::TYPE.to_owned(),
            v: 1,
            part,
            statements: [(first.tag().to_owned(), text(&first))].into(),
            text_salt: B64u(*salt),
            everybody: everybody.iter().map(chain).collect(),
            arbiter: chain(&house.arbiter),
            policy: Octets(house.policy.clone()),
            verdict: None,
        };
        let this = Self::open(dossier)?;
        let (run, terms) = (&this.opened.run, &this.opened.terms);
        house.judge(&run.ttp, &run.policy, now)?;
        for (of, key, must) in [
            ("payer", Some(run.o.key), true),
            ("payee", Some(run.r.key), part != Part::Carrier),
            // Whose word moves its money, the payee must know.
            ("carrier", this.opened.carrier, part != Part::Payer),
        ] {
            let Some(key) = key else { continue };
            let is_its = |chain: &&Vec<Vec<u8>>| Holder::read(chain).is_ok_and(|holder| holder.key.thumbprint() == key);
            let judged = match everybody.iter().find(is_its) {
                Some(chain) => Holder::judge(chain, key, &house.root, now).map(drop),
                None if must => Err(super::peer::PeerFault::None),
                None => Ok(()),
            };
            judged.map_err(|fault| Stays::Certificate { of, fault })?;
        }
        if terms_hash(salt, octets) != this.opened.text {
            return Err(Stays::OtherText);
        }
        if now.millis() > terms.t_hold {
            return Err(Stays::TooLate);
        }
        Ok(this)
    }

    /// Goes on with what lies on the disk.
    ///
    /// # Errors
    /// [`Stays`]: what lies there is not what this program wrote.
    pub fn open(dossier: PaymentDossier) -> Result<Self, Stays> {
        let chains = dossier.everybody.iter().map(|chain| (chain, "participant"));
        let chains = chains.chain([(&dossier.arbiter, "arbiter")]);
        let keys = chains.map(|(chain, of)| {
            let chain: Vec<_> = chain.iter().map(|der| der.0.clone()).collect();
            Holder::read(&chain).map(|holder| holder.key).map_err(|fault| Stays::Certificate { of, fault })
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let find = |name: &Thumbprint| keys.iter().find(|key| key.thumbprint() == *name).cloned();
        let first = dossier.first().ok_or(Stays::Lacks("its first statement"))?;
        let opened = Opened::read(Jws::parse(first.as_bytes())?, &find)?;
        if Digest::of(&dossier.policy.0) != opened.run.policy {
            return Err(Stays::OtherPolicy);
        }
        let log = log_of(&opened.run.ttp).ok_or(Stays::Lacks("a log"))?;
        Ok(Self { dossier, opened, keys, log })
    }

    /// All that is kept.
    #[must_use]
    pub const fn dossier(&self) -> &PaymentDossier {
        &self.dossier
    }

    /// What was ordered, or offered.
    #[must_use]
    pub const fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The payer's message for the others, with the text that it is about.
    #[must_use]
    pub fn message(&self, octets: &[u8]) -> Option<Message> {
        let own = self.dossier.everybody.iter().map(|chain| chain.iter().map(|der| der.0.clone()).collect::<Vec<_>>());
        let is_payers = |chain: &Vec<Vec<u8>>| {
            Holder::read(chain).is_ok_and(|holder| holder.key.thumbprint() == self.opened.run.o.key)
        };
        Some(Message {
            protocol: self.opened.run.protocol,
            statement: self.opened.jws.clone(),
            certificates: own.into_iter().find(is_payers)?,
            beside: Some(Beside::Contract(Contract { salt: self.dossier.text_salt.0, text: octets.to_vec() })),
        })
    }

    /// Words that this part may ever say here.
    #[must_use]
    pub fn words(&self) -> Vec<Word> {
        let (has_carrier, thing) = (self.opened.carrier.is_some(), self.opened.terms.thing);
        let may = |word: &Word| match (word, self.dossier.part, thing) {
            (Word::Receipt, Part::Payee, Thing::Receipt) => true,
            (_, _, Thing::Receipt) | (Word::Receipt, ..) => false,
            (Word::Accept | Word::Cancel, Part::Payee, _) => true,
            (Word::Received | Word::Rejected | Word::Cancel, Part::Payer, _) => true,
            (Word::Shipped, Part::Payee, Thing::Physical) => !has_carrier,
            (Word::Shipped | Word::HandedOver, Part::Carrier, _) => true,
            _ => false,
        };
        Word::ALL.into_iter().filter(may).collect()
    }

    /// Signs a word, unless it was signed before; gives it in the octets that are sent once the document is on the disk.
    ///
    /// # Errors
    /// [`Stays`]: it is not this part's to say, or its contrary was said.
    pub fn say(&mut self, word: Word, pen: &Pen<'_>) -> Result<String, Stays> {
        if let Some(said) = self.dossier.statement(word.tag()) {
            return Ok(said.to_owned());
        }
        let contrary = word.contrary().filter(|word| self.dossier.statement(word.tag()).is_some());
        if !self.words().contains(&word) || contrary.is_some() {
            return Err(Stays::NotNow {
                found: word.tag().to_owned(),
                side: self.dossier.part.name(),
                stand: contrary.map_or("not one of its own to say that in", Word::name),
            });
        }
        let (first, receipt) = (self.opened.jws.digest().into(), self.opened.text.into());
        let x = Some(self.opened.run.x);
        let jws = match word {
            Word::Accept => pen.sign(x, Accept { order: first }),
            Word::Receipt => pen.sign(x, PaymentReceipt { offer: first, receipt }),
            Word::Shipped => pen.sign(x, Shipped {}),
            Word::HandedOver => pen.sign(x, HandedOver {}),
            Word::Received => pen.sign(x, Received {}),
            Word::Rejected => pen.sign(x, Rejected {}),
            Word::Cancel => pen.sign(x, Cancel {}),
        }?;
        // By the very rules of the arbiter, and so by the key that the run names.
        self.opened.shown(&jws, &|name: &Thumbprint| self.key(name))?;
        let own = match self.dossier.part {
            Part::Payer => self.opened.run.o.key,
            Part::Payee => self.opened.run.r.key,
            Part::Carrier => self.opened.carrier.ok_or(Stays::Lacks("a carrier"))?,
        };
        require_signer(pen, own)?;
        let said = text(&jws);
        self.dossier.statements.insert(word.tag().to_owned(), said.clone());
        Ok(said)
    }

    /// Takes what the arbiter answers about this payment: to a word that was `said`, or to a question.
    ///
    /// # Errors
    /// [`Stays`]: nothing of it counts, and nothing has changed.
    pub fn answered(&mut self, answer: &[u8], said: Option<&str>) -> Result<Standing, Stays> {
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(GivenFault::Lacks("an end").into());
        }
        let members = json::read_object(answer).map_err(GivenFault::from)?;
        let Members { x, stage, awaited, money, statements, decided } =
            serde_json::from_value(Value::Object(members)).map_err(|_| GivenFault::Lacks("a member"))?;
        if x != b64u::encode(&self.opened.run.x.0) {
            return Err(GivenFault::OtherAnswer("it is about another payment").into());
        }
        if let Some(said) = said {
            // Anybody can make another signature over its payload, and may have been faster.
            let recorded = statements.iter().find(|one| is_same(&one.statement, said));
            let recorded = recorded.ok_or(GivenFault::OtherAnswer("it does not have what was said"))?;
            self.require_recorded(said, recorded)?;
        }
        let outcome = decided.map(|decided| self.judge(&decided)).transpose()?;
        match (&self.dossier.verdict, &outcome) {
            (Some(kept), Some((_, jws))) if !is_same(&kept.0, jws) => {
                return Err(GivenFault::Rules("it has decided this payment before, and otherwise").into());
            }
            (Some(_), None) => return Err(GivenFault::OtherAnswer("it has forgotten what it decided").into()),
            (None, Some((_, jws))) => self.dossier.verdict = Some(jws.clone()).zip(self.proof_of(answer)),
            _ => {}
        }
        Ok(Standing { stage, money, awaited, outcome: outcome.map(|(outcome, _)| outcome) })
    }

    /// What was decided, as far as it is known here.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        let (verdict, _) = self.dossier.verdict.as_ref()?;
        let verdict = Jws::parse(verdict.as_bytes()).ok()?;
        Some(verdict.payload_as::<crate::statement::exchange::verdict::Verdict>().ok()?.body.outcome)
    }

    fn proof_of(&self, answer: &[u8]) -> Option<String> {
        serde_json::from_slice::<Members>(answer).ok()?.decided.map(|decided| decided.proof)
    }

    /// That the log has what was said, by a signature that counts: that which was sent, or another by the same key over the same.
    fn require_recorded(&self, said: &str, ShownMembers { statement, proof }: &ShownMembers) -> Result<(), GivenFault> {
        let of = "statement";
        let fault = |fault| GivenFault::Statement { of, fault };
        let [said, recorded] = [said, statement].map(|text| Jws::parse(text.as_bytes()).map_err(fault));
        let (said, recorded) = (said?, recorded?);
        if said != recorded {
            let key =
                self.key(&said.key_id()).ok_or(GivenFault::OtherAnswer("nobody whose key is known has said it"))?;
            recorded.verify(&key).map_err(fault)?;
        }
        let proven = proven(proof, of, &self.log)?;
        let is_first = self.dossier.first().is_some_and(|first| is_same(first, statement));
        let kind = if is_first { ExchangeKind::PaidOpened } else { ExchangeKind::PaidShown };
        require_entry(&proven, of, Kind::Exchange(kind), &recorded.digest())
    }

    fn judge(&self, decided: &DecidedMembers) -> Result<(Outcome, String), Stays> {
        let of = "verdict";
        let jws = Jws::parse(decided.verdict.as_bytes()).map_err(|fault| GivenFault::Statement { of, fault })?;
        let proven = proven(&decided.proof, of, &self.log)?;
        require_entry(&proven, of, Kind::Exchange(ExchangeKind::PaidDecided), &jws.digest())?;
        if proven.entry.tags.as_slice() != [tag_of_verdict(&self.opened.run.x)] {
            return Err(bad(of, "its entry lacks the tag of the run").into());
        }
        let verdicts = vec![Filed { jws: jws.clone(), is_logged: true }];
        let evidence = paid::Evidence { first: self.opened.jws.clone(), statements: Vec::new(), verdicts };
        let judged = paid::judge(&evidence, &|name: &Thumbprint| self.key(name))?;
        if let Some((_, broken)) = judged.rejected.into_iter().next() {
            return Err(broken.into());
        }
        match judged.decided.filter(|_| judged.findings.is_empty()) {
            Some((outcome, _)) => Ok((outcome, text(&jws))),
            None => Err(GivenFault::Rules("it does not follow from what it rests on, or came too early").into()),
        }
    }

    fn key(&self, name: &Thumbprint) -> Option<Arc<Key>> {
        self.keys.iter().find(|key| key.thumbprint() == *name).cloned()
    }

    /// Which side this is; the carrier is none.
    #[must_use]
    pub const fn side(&self) -> Option<Side> {
        match self.dossier.part {
            Part::Payer => Some(Side::Originator),
            Part::Payee => Some(Side::Responder),
            Part::Carrier => None,
        }
    }
}

/// Two statements are one if their payloads are: a signature over one payload may differ, what it says not.
fn is_same(one: &str, other: &str) -> bool {
    let payload = |text: &str| Jws::parse(text.as_bytes()).ok().map(|jws| jws.x());
    payload(one).is_some() && payload(one) == payload(other)
}
