//! A side with all that it has signed and received. Its driver puts the document on the disk **before** anything that follows leaves.
//!
//! ```text
//! driver: load ─▶ Swap::open ─▶ message | asks ─▶ ask the arbiter ─▶ answered ─▶ store the dossier ─▶ …
//!                                                  the item due ─▶ collected ─▶ keep it ─▶ has_collected ─▶ store
//! ```
//!
//! Nothing is signed twice: what is to be sent again is taken out of the document as it is.

use std::sync::Arc;

use semper_ledger::note::VerifierKey;
use zeroize::Zeroizing;

use super::super::dossier::Octets;
use super::super::message::Message;
use super::super::party::{Pen, Stays, keys_of, log_of, require_signer, text};
use super::super::verdict::GivenFault;
use super::dossier::{Piece, SwapDossier};
use super::given::{Given, Held, Signed, look_at};
use super::{Act, At, Decided, End, Happened};
use crate::crypto::jose::{Key, Thumbprint};
use crate::digest::Digest;
use crate::exchange::inline::ground::{Ground, ground};
use crate::exchange::inline::{Agreed, Deposited, Proposed};
use crate::exchange::item::is_decidable;
use crate::exchange::policy::ExchangePolicy;
use crate::statement::exchange::inline::{Cancel, Collect, I1, I2, Refused, Waive};
use crate::statement::exchange::item::{MatchResult, RuleName};
use crate::statement::exchange::verdict::Verdict;
use crate::statement::exchange::{Protocol, Side};
use crate::statement::{Body, Jws};
use crate::time::Timestamp;

/// One side.
#[derive(Clone, Debug)]
pub struct Swap {
    pub(super) dossier: SwapDossier,
    proposed: Proposed,
    agreed: Option<Agreed>,
    keys: Vec<Arc<Key>>,
    log: VerifierKey,
    delta_ms: u64,
    rules: Vec<RuleName>,
}

/// What is brought to the arbiter, in the octets that were signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks<'a> {
    /// Both statements: they are registered, or it is told how far the exchange has come.
    Register {
        /// What was proposed.
        i1: &'a str,
        /// That it was agreed to.
        i2: &'a str,
    },
    /// The own item's statement, with the item or its ciphertext beside it.
    Deposit(&'a str),
    /// A cancel, a waiver, or a request for what is due.
    State(&'a str),
}

impl Swap {
    /// Goes on with what lies on the disk.
    ///
    /// # Errors
    /// [`Stays`]: what lies there is not what this program wrote.
    pub fn open(dossier: SwapDossier) -> Result<Self, Stays> {
        let keys = keys_of(&dossier.certificates)?;
        let find = |name: &Thumbprint| keys.iter().find(|key| key.thumbprint() == *name).cloned();
        let read = |piece: Piece| {
            let read = |text: &str| Jws::parse(text.as_bytes());
            dossier.statement(piece).map(read).transpose().map_err(Stays::from)
        };
        let proposed = Proposed::read(read(Piece::I1)?.ok_or(Stays::Lacks("what was proposed"))?, &find)?;
        let agreed = read(Piece::I2)?.map(|jws| proposed.agreed(jws, &find)).transpose()?;
        for piece in needed(dossier.at) {
            dossier.statement(*piece).ok_or(Stays::Lacks(piece.name()))?;
        }
        if dossier.deposit.side != dossier.side {
            return Err(Stays::Lacks("its own deposit"));
        }
        if Digest::of(&dossier.policy.0) != proposed.run.policy {
            return Err(Stays::OtherPolicy);
        }
        let ExchangePolicy { delta_ms, inline, .. } = ExchangePolicy::parse(&dossier.policy.0)?;
        let rules = inline.ok_or(Stays::NoInline)?.predicates;
        let log = log_of(&proposed.run.ttp).ok_or(Stays::Lacks("a log"))?;
        Ok(Self { dossier, proposed, agreed, keys, log, delta_ms, rules })
    }

    /// All that is kept.
    #[must_use]
    pub const fn dossier(&self) -> &SwapDossier {
        &self.dossier
    }

    /// What was proposed.
    #[must_use]
    pub const fn proposed(&self) -> &Proposed {
        &self.proposed
    }

    /// Which side this is.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.dossier.side
    }

    /// Where it stands.
    #[must_use]
    pub const fn at(&self) -> At {
        self.dossier.at
    }

    /// What is to be done, and again after a crash.
    #[must_use]
    pub const fn act(&self) -> Option<Act> {
        self.dossier.at.act()
    }

    /// How it ended, if it has.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.dossier.at.end()
    }

    /// This side's message for the other one: the proposal, or that it agrees.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        let piece = match self.side() {
            Side::Originator => Piece::I1,
            Side::Responder => Piece::I2,
        };
        let statement = Jws::parse(self.dossier.statement(piece)?.as_bytes()).ok()?;
        let certificates = self.dossier.certificates.of(self.side());
        Some(Message { protocol: Protocol::Inline, statement, certificates, beside: None })
    }

    /// What the arbiter is asked next; `None` where the other side's word is missing, and where it is over.
    #[must_use]
    pub fn asks(&self) -> Option<Asks<'_>> {
        let statement = |piece| self.dossier.statement(piece);
        let register = || Some(Asks::Register { i1: statement(Piece::I1)?, i2: statement(Piece::I2)? });
        match self.act()? {
            Act::SendProposal => None,
            Act::Register | Act::Look => register(),
            // It knows nothing of the run yet.
            Act::Cancel if statement(Piece::Registered).is_none() => register(),
            Act::Deposit => statement(Piece::Deposit).map(Asks::Deposit),
            Act::Waive => statement(Piece::Waive).map(Asks::State),
            Act::Cancel => statement(Piece::Cancel).map(Asks::State),
            Act::Collect => statement(Piece::Collect).map(Asks::State),
        }
    }

    /// Takes the other side's word that it agrees. One that was taken before changes nothing.
    ///
    /// # Errors
    /// [`Stays`]: nothing has changed.
    pub fn take(&mut self, jws: &Jws, pen: &Pen<'_>) -> Result<(), Stays> {
        let not_now =
            || Stays::NotNow { found: jws.tag().to_owned(), side: self.side().name(), stand: self.at().name() };
        if self.side() != Side::Originator || ![I1::TAG, I2::TAG].contains(&jws.tag()) {
            return Err(not_now());
        }
        let agreed = self.proposed.agreed(jws.clone(), &|name: &Thumbprint| self.key(name))?;
        if self.agreed.is_some() {
            // Whatever its octets, it says the same of the same proposal.
            return Ok(());
        }
        if self.at() != At::Proposed {
            return Err(not_now());
        }
        let mut next = self.clone();
        next.dossier.statements.insert(Piece::I2, text(jws));
        next.agreed = Some(agreed);
        next.go(Happened::Agreed, pen)?;
        *self = next;
        Ok(())
    }

    /// Its user wants no more of it; so does a proposal that nobody has agreed to in time.
    ///
    /// # Errors
    /// [`Stays`]: nothing has changed.
    pub fn cancel(&mut self, pen: &Pen<'_>) -> Result<(), Stays> {
        self.wants(Happened::Cancels, None, pen)
    }

    /// Its user takes both items as they are, the other one by this hash.
    ///
    /// # Errors
    /// [`Stays`]: nothing has changed.
    pub fn waive(&mut self, other: Digest, pen: &Pen<'_>) -> Result<(), Stays> {
        self.wants(Happened::Waives, Some(other), pen)
    }

    fn wants(&mut self, what: Happened, other: Option<Digest>, pen: &Pen<'_>) -> Result<(), Stays> {
        if self.at().next(what) == self.at() {
            let found = if what == Happened::Waives { "inline/waive" } else { "inline/cancel" };
            return Err(Stays::NotNow { found: found.to_owned(), side: self.side().name(), stand: self.at().name() });
        }
        let mut next = self.clone();
        if let Some(other) = other {
            let own = self.dossier.deposit.item_sha256;
            let (o_item, r_item) = match self.side() {
                Side::Originator => (own, other.into()),
                Side::Responder => (other.into(), own),
            };
            next.sign(Piece::Waive, Waive { o_item, r_item }, pen)?;
        }
        next.go(what, pen)?;
        *self = next;
        Ok(())
    }

    /// Whether nobody has agreed to the proposal, and a deposit would come too late.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.at() == At::Proposed && now.millis() > self.proposed.proposal.t_dep.get()
    }

    /// Whether people have to say that they take both items as they are, since no machine can find what one of them is.
    #[must_use]
    pub fn is_for_people(&self) -> bool {
        let is_clear = |side| is_decidable(self.proposed.item(side), &self.rules);
        self.dossier.deposit.result != MatchResult::Match
            || ![Side::Originator, Side::Responder].into_iter().all(is_clear)
    }

    /// Takes what the arbiter answers to [`Self::asks`].
    ///
    /// # Errors
    /// [`Stays`]: nothing of it counts, and nothing has changed.
    pub fn answered(&mut self, given: &Given, pen: &Pen<'_>) -> Result<(), Stays> {
        let asked = self.asks().ok_or(Stays::Lacks("a question"))?;
        // To a waiver alone nothing is signed, until the other side's is there.
        if given.statement.is_none() && given.verdict.is_none() && self.act() != Some(Act::Waive) {
            return Err(GivenFault::Lacks("whatever it has signed").into());
        }
        let keys = |name: &Thumbprint| self.key(name);
        let held = self.held(&keys);
        let mut next = self.clone();
        let mut happened = None;
        if let Some(signed) = &given.statement {
            let (piece, is_taken) = match asked {
                Asks::Register { .. } => {
                    signed.judge_registered(&held)?;
                    (Piece::Registered, Happened::Registered)
                }
                Asks::Deposit(deposit) => {
                    let deposit = Jws::parse(deposit.as_bytes())?;
                    if signed.jws.tag() == Refused::TAG {
                        signed.judge_refused(&held, &deposit)?;
                        (Piece::Refused, Happened::NotTaken)
                    } else {
                        signed.judge_nrs(&held, &deposit)?;
                        (Piece::Nrs, Happened::Taken)
                    }
                }
                Asks::State(_) => return Err(GivenFault::OtherAnswer("nothing is signed to such a request").into()),
            };
            next.keep(piece, signed);
            happened = Some(is_taken);
        }
        if let Some(verdict) = &given.verdict {
            let nrs = next.dossier.statement(Piece::Nrs).map(|text| Jws::parse(text.as_bytes())).transpose()?;
            let (decided, rests_on) = verdict.judge_verdict(&held, nrs.as_ref(), &given.outages)?;
            let own = &rests_on.deposits[at(self.side())];
            if nrs.is_some() && own.is_none() {
                return Err(GivenFault::Rules("it leaves out a deposit that the arbiter has signed for").into());
            }
            if next.dossier.statement(Piece::Verdict).is_none() {
                next.keep(Piece::Verdict, verdict);
                let outages = given.outages.iter().map(|(fact, proof)| (Octets(fact.clone()), proof.clone()));
                next.dossier.outages = outages.collect();
            }
            // It ends the run, whatever was asked.
            happened = Some(Happened::Decided(decided, decided == Decided::Released || own.is_some()));
        }
        if let Some(happened) = happened {
            next.go(happened, pen)?;
        }
        *self = next;
        Ok(())
    }

    /// Looks at what was collected: gives the item, and what a machine makes of it. Changes nothing: the item goes to the disk first.
    ///
    /// # Errors
    /// [`Stays`]: it is not what is due to this side.
    pub fn collected(&self, given: &Given) -> Result<(Zeroizing<Vec<u8>>, MatchResult), Stays> {
        let due = self.due()?.ok_or(Stays::Lacks("anything due"))?;
        let item = given.item.as_ref().ok_or(GivenFault::Lacks("the item"))?;
        look_at(&self.held(&|name: &Thumbprint| self.key(name)), &due, item).map_err(Stays::OtherItem)
    }

    /// What was collected is on the disk.
    ///
    /// # Errors
    /// [`Stays`]: nothing has changed.
    pub fn has_collected(&mut self, pen: &Pen<'_>) -> Result<(), Stays> {
        self.go(Happened::Collected, pen)
    }

    /// The arbiter says that it has nothing for this side any more. What goes back to its owner is erased once it was handed out, and that
    /// answer may have been lost. Its owner has it: a copy alone was left at the arbiter. So it is over, whatever that word is worth.
    ///
    /// # Errors
    /// [`Stays`]: something else is due to this side, and nothing has changed.
    pub fn nothing_to_collect(&mut self, pen: &Pen<'_>) -> Result<(), Stays> {
        match self.at() {
            At::Collecting(Decided::Returned) => self.go(Happened::Collected, pen),
            at => Err(Stays::NotNow {
                found: "that there is nothing to collect".to_owned(),
                side: self.side().name(),
                stand: at.name(),
            }),
        }
    }

    /// The deposit whose item is due to this side: the other's after RELEASED, its own after RETURNED.
    ///
    /// # Errors
    /// The verdict that is kept does not read.
    pub fn due(&self) -> Result<Option<Deposited>, Stays> {
        let At::Collecting(decided) = self.at() else { return Ok(None) };
        let side = match decided {
            Decided::Released => self.side().other(),
            Decided::Returned => self.side(),
        };
        let Ground { deposits, .. } = self.rests_on()?;
        let [o, r] = deposits;
        Ok(if side == Side::Originator { o } else { r })
    }

    fn rests_on(&self) -> Result<Ground, Stays> {
        let verdict = self.dossier.statement(Piece::Verdict).ok_or(Stays::Lacks("a verdict"))?;
        let verdict = Jws::parse(verdict.as_bytes())?.payload_as::<Verdict>()?.body;
        let basis = verdict.basis.iter().map(|text| Jws::parse(text.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let rests_on = ground(&self.proposed.run.x, verdict.outcome, &basis, &|name: &Thumbprint| self.key(name));
        rests_on.map_err(|_| Stays::Lacks("a verdict that holds"))
    }

    fn held<'h>(&'h self, keys: &'h dyn Fn(&Thumbprint) -> Option<Arc<Key>>) -> Held<'h> {
        let Self { proposed, log, delta_ms, rules, .. } = self;
        Held { proposed, side: self.side(), keys, log, delta_ms: *delta_ms, rules }
    }

    fn key(&self, name: &Thumbprint) -> Option<Arc<Key>> {
        self.keys.iter().find(|key| key.thumbprint() == *name).cloned()
    }

    /// What was kept first stays: a later copy says the same.
    fn keep(&mut self, piece: Piece, signed: &Signed) {
        if self.dossier.statement(piece).is_none() {
            self.dossier.statements.insert(piece, text(&signed.jws));
            self.dossier.proofs.insert(piece, signed.proof.clone());
        }
    }

    /// The next state, and the statement that is sent in it.
    fn go(&mut self, happened: Happened, pen: &Pen<'_>) -> Result<(), Stays> {
        let next = self.at().next(happened);
        if next == self.at() {
            return Ok(());
        }
        match next {
            At::Depositing => self.sign(Piece::Deposit, self.dossier.deposit.clone(), pen)?,
            At::Cancelling => self.sign(Piece::Cancel, Cancel {}, pen)?,
            At::Collecting(_) => self.sign(Piece::Collect, Collect {}, pen)?,
            At::Proposed | At::Agreed | At::Deposited | At::Refused | At::Waiving | At::Done(_) => {}
        }
        self.dossier.at = next;
        self.dossier.since_ms = pen.now.millis();
        Ok(())
    }

    /// Signs a statement, unless one of its kind was signed before.
    fn sign<B: Body>(&mut self, piece: Piece, body: B, pen: &Pen<'_>) -> Result<(), Stays> {
        if self.dossier.statement(piece).is_some() {
            return Ok(());
        }
        require_signer(pen, self.proposed.run.participant(self.side()).key)?;
        let jws = pen.sign(Some(self.proposed.run.x), body)?;
        self.dossier.statements.insert(piece, text(&jws));
        Ok(())
    }
}

const fn at(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}

/// What must be there in a state, besides the proposal.
const fn needed(at: At) -> &'static [Piece] {
    match at {
        At::Proposed | At::Done(End::Dropped) => &[],
        At::Agreed => &[Piece::I2],
        At::Depositing => &[Piece::I2, Piece::Registered, Piece::Deposit],
        At::Deposited => &[Piece::I2, Piece::Registered, Piece::Deposit, Piece::Nrs],
        At::Refused => &[Piece::I2, Piece::Registered, Piece::Deposit, Piece::Refused],
        At::Waiving => &[Piece::I2, Piece::Registered, Piece::Nrs, Piece::Waive],
        At::Cancelling => &[Piece::I2, Piece::Cancel],
        At::Collecting(_) => &[Piece::I2, Piece::Verdict, Piece::Collect],
        At::Done(End::Swapped | End::Returned) => &[Piece::I2, Piece::Verdict],
    }
}
