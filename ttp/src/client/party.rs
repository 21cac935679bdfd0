//! A side of a run: the automaton with what it has signed and received. It goes from one state to the next by whole documents
//! ([`Dossier`]), which its driver puts on the disk **before** anything that follows leaves.
//!
//! ```text
//! begin.rs: a run begins, on either side
//! driver: load ─▶ Party::open ─▶ take | overdue | decided ─▶ store the dossier ─▶ send what `act` says
//! ```
//!
//! Nothing is signed twice: what is to be sent again is taken out of the document as it is.

mod begin;

use std::sync::Arc;

use semper_ledger::note::VerifierKey;

pub use begin::{Chains, Drawn, Offer, Parcel, Terms};

use super::Timing;
use super::automaton::{Act, End, Happened, Message as Came, Originator, Responder};
use super::course::{Course, Expected};
use super::dossier::{Certificates, Dossier, Octets, Piece, Proofs, Secret, Stand};
use super::evidence::Register;
use super::message::{Beside, Contract, Message};
use super::peer::{Holder, PeerFault};
use super::verdict::{Given, GivenFault, Held, Promised};
use crate::crypto::jose::{Algorithm, Key, KeyFault, Thumbprint};
use crate::crypto::jwe::{AgreementKey, AgreementPublic};
use crate::crypto::{CryptoFault, EntropyFault, SignError, Signer};
use crate::digest::Digest;
use crate::exchange::Broken;
use crate::exchange::cd_r::{BadContent, Message as Delivered};
use crate::exchange::policy::NotAPolicy;
use crate::statement::exchange::erds::Submit;
use crate::statement::exchange::inline::DepositFault;
use crate::statement::exchange::item::MatchResult;
use crate::statement::exchange::{Arbiter, Outcome, Side};
use crate::statement::{Body, Common, Jws, Salt, Statement, StatementFault, Unsigned};
use crate::time::Timestamp;
use crate::x509::Certificate;

/// What a side signs with: its key, a fresh salt, the moment.
#[derive(Clone, Copy, Debug)]
pub struct Pen<'a> {
    /// The key.
    pub key: &'a dyn Signer,
    /// 16 random octets.
    pub salt: Salt,
    /// Now, by this side's clock.
    pub now: Timestamp,
}

/// What this side knows of the arbiter, from its own trust anchors and from the service.
#[derive(Clone, Debug)]
pub struct House {
    /// The root that this side trusts, DER.
    pub root: Vec<u8>,
    /// The logs that it trusts.
    pub logs: Vec<VerifierKey>,
    /// The arbiter's certificate and those above it, DER.
    pub arbiter: Vec<Vec<u8>>,
    /// The same of its key for escrows; empty where it takes no deliveries.
    pub escrow: Vec<Vec<u8>>,
    /// The policy for exchanges, as it is served.
    pub policy: Vec<u8>,
}

/// Why a side does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stays {
    /// A statement breaks a rule of the run.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A statement that does not come to this side, or not now.
    #[error("the statement {found} is not what this side waits for: it is the {side}, and the run is {stand}")]
    NotNow {
        /// Its type tag.
        found: String,
        /// Which side this is.
        side: &'static str,
        /// Where it stands.
        stand: &'static str,
    },
    /// Another answer to the same offer: the responder's signatures convict it (PC-2).
    #[error("the responder has answered this offer before, with another answer: keep both, they convict it")]
    AnsweredTwice,
    /// The run's time is too near its end.
    #[error("it is too late: what is left of the time until the run's end is needed for asking the arbiter")]
    TooLate,
    /// The offer's text, or the delivery's content, is missing.
    #[error("the offer comes without the contract's text, or the delivery without its content")]
    NoText,
    /// The text is another than the offer names.
    #[error("the contract's text is not the one that the offer names by its hash: it, or its salt, was changed")]
    OtherText,
    /// The escrow of a delivery says that it is for somebody else, or is none.
    #[error(
        "the delivery's escrow is none of this run: the arbiter could not open it, and would call the delivery void"
    )]
    Escrow,
    /// The arbiter takes no deliveries.
    #[error("the arbiter has no key for escrows, so nothing can be delivered by it")]
    NoEscrow,
    /// The key that came does not open what was promised: the originator's signatures convict it (PC-4).
    #[error("the key came, and {0}: nothing was signed for it")]
    BadContent(#[from] BadContent),
    /// The arbiter exchanges no items.
    #[error("the arbiter's policy does not have it that items are exchanged through it")]
    NoInline,
    /// The descriptions make it worth less than this side takes.
    #[error(
        "no machine can find that both items are what is described, and the arbiter can neither make nor annul one: it would swap two \
         papers, and what they are worth is for a dispute (fairness: weak)"
    )]
    Weak,
    /// The other side promises something else, or less.
    #[error("what the other side promises is not what you expect ({})", .0.name())]
    OtherPromise(MatchResult),
    /// The item at hand is not what this side promises by the description.
    #[error("the item at hand is not what the description promises")]
    NotDescribed,
    /// What was collected is not what the verdict gives this side.
    #[error("what the arbiter handed out is not what was deposited and described ({})", .0.name())]
    OtherItem(DepositFault),
    /// Nothing is delivered for this payment.
    #[error("what is paid for is not delivered by the seller: it is no order of digital goods")]
    NotDelivered,
    /// A delivery that could end when its payment is over.
    #[error("the delivery may end at {0} at the latest, so that its receipt is there before the payment is over")]
    EndsTooLate(Timestamp),
    /// Another delivery was shown for this payment.
    #[error("the receipt of another delivery was shown for this payment before")]
    OtherDelivery,
    /// The text is too long to be sent along.
    #[error("what is offered is longer than {} octets", super::message::CONTRACT_BYTES_MAX)]
    TextTooLong,
    /// The key at hand is not this side's.
    #[error("the key at hand is {found}, and the run names {named} for this side")]
    OtherSigner {
        /// At hand.
        found: Thumbprint,
        /// In the run.
        named: Thumbprint,
    },
    /// A certificate.
    #[error("the certificate of the {of}: {fault}")]
    Certificate {
        /// Whose.
        of: &'static str,
        /// Why not.
        fault: PeerFault,
    },
    /// The run's log is none that this side trusts.
    #[error("the run names the log {0}, which is not among those that you trust")]
    OtherLog(String),
    /// The policy is not the one that the run names.
    #[error("the run names another policy for exchanges than the arbiter shows")]
    OtherPolicy,
    /// The policy does not read.
    #[error("the arbiter's policy: {0}")]
    Policy(#[from] NotAPolicy),
    /// This side is not the one that an offer names.
    #[error("the offer is for the party {named}, and you are {found}")]
    OtherParty {
        /// Whom it names.
        named: String,
        /// Who this is.
        found: String,
    },
    /// The document contradicts itself.
    #[error("the state of the run lacks {0}")]
    Lacks(&'static str),
    /// The arbiter's answer.
    #[error(transparent)]
    Given(#[from] GivenFault),
    /// Something could not be sealed.
    #[error(transparent)]
    Crypto(#[from] CryptoFault),
    /// There are no random octets.
    #[error(transparent)]
    Entropy(#[from] EntropyFault),
    /// A statement could not be made.
    #[error("the statement could not be made: {0}")]
    Statement(#[from] StatementFault),
    /// The key did not sign.
    #[error("the key did not sign: {0}")]
    Sign(#[from] SignError),
    /// The key signs no statements.
    #[error("this key signs no statements: {0}")]
    Key(#[from] KeyFault),
    /// Its algorithm signs none.
    #[error("keys of this kind sign no statements")]
    Algorithm,
}

/// What the arbiter is asked, in the octets that are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The first statement.
    pub first: String,
    /// The answer, where what was agreed is asked for.
    pub second: Option<String>,
    /// The request.
    pub request: String,
    /// Timestamps over statements.
    pub tokens: Vec<Vec<u8>>,
}

/// One side.
#[derive(Clone, Debug)]
pub struct Party {
    dossier: Dossier,
    course: Course,
    keys: Vec<Arc<Key>>,
}

impl Pen<'_> {
    /// What the key is called.
    ///
    /// # Errors
    /// [`Stays::Key`].
    pub fn name(&self) -> Result<Thumbprint, Stays> {
        Ok(Key::from_spki_der(self.key.spki_der())?.thumbprint())
    }

    /// Signs a statement of this side's, `x` in front of its body where it follows a first one.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn sign<B: Body>(&self, x: Option<Digest>, body: B) -> Result<Jws, Stays> {
        let common = Common { salt: self.salt, iat: self.now.into(), x: x.map(Into::into), shown: None };
        let algorithm = Algorithm::of_signer(self.key.algorithm()).ok_or(Stays::Algorithm)?;
        let unsigned = Unsigned::new(&Statement { common, body }, algorithm, self.name()?)?;
        let signature = self.key.sign_raw(unsigned.message())?;
        Ok(unsigned.finish(&signature)?)
    }
}

pub(super) fn log_of(ttp: &Arbiter) -> Option<VerifierKey> {
    VerifierKey::parse(ttp.log.as_str()).ok()
}

/// The keys of both sides and of the arbiter.
pub(super) fn keys_of(certificates: &Certificates) -> Result<Vec<Arc<Key>>, Stays> {
    let chains = [&certificates.o, &certificates.r, &certificates.arbiter];
    let keys = chains.into_iter().zip(["originator", "responder", "arbiter"]).map(|(chain, of)| {
        let chain: Vec<_> = chain.iter().map(|der| der.0.clone()).collect();
        Holder::read(&chain).map(|holder| holder.key).map_err(|fault| Stays::Certificate { of, fault })
    });
    keys.collect()
}

pub(super) fn text(jws: &Jws) -> String {
    String::from_utf8_lossy(jws.bytes()).into_owned()
}

impl Party {
    /// Goes on with what lies on the disk.
    ///
    /// # Errors
    /// [`Stays`]: what lies there is not what this program wrote.
    pub fn open(dossier: Dossier) -> Result<Self, Stays> {
        let keys = keys_of(&dossier.certificates)?;
        let find = |name: &Thumbprint| keys.iter().find(|key| key.thumbprint() == *name).cloned();
        let read = |piece: Piece| {
            let read = |text: &str| Jws::parse(text.as_bytes());
            dossier.statement(piece).map(read).transpose().map_err(Stays::from)
        };
        let mut course = Course::begin(read(Piece::First)?.ok_or(Stays::Lacks("its first statement"))?, &find)?;
        if let Some(second) = read(Piece::Second)? {
            course = course.with(second, &find)?;
        }
        for piece in needed(dossier.stand) {
            dossier.statement(*piece).ok_or(Stays::Lacks(piece.name(dossier.goal())))?;
        }
        if !course.has(dossier.stand.side(), &dossier.secret) || course.run().protocol != dossier.protocol {
            return Err(Stays::Lacks("its secret"));
        }
        Ok(Self { dossier, course, keys })
    }

    /// All that is kept.
    #[must_use]
    pub const fn dossier(&self) -> &Dossier {
        &self.dossier
    }

    /// The run's statements so far.
    #[must_use]
    pub const fn course(&self) -> &Course {
        &self.course
    }

    /// Which side this is.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.dossier.stand.side()
    }

    /// When what is waited for is overdue; `None` for a run that is over, or waits for the arbiter alone.
    #[must_use]
    pub fn overdue_at(&self) -> Option<u64> {
        match self.dossier.stand {
            Stand::Originator(Originator::Offered | Originator::Opened) | Stand::Responder(Responder::Answered) => {
                Some(self.timing().waits_until(self.dossier.since_ms))
            }
            _ => None,
        }
    }

    fn timing(&self) -> Timing {
        let Dossier { delta_ms, patience_ms, .. } = self.dossier;
        Timing { t_exp: self.course.run().t_exp, delta_ms, patience_ms }
    }

    fn key(&self, name: &Thumbprint) -> Option<Arc<Key>> {
        self.keys.iter().find(|key| key.thumbprint() == *name).cloned()
    }

    fn find(&self, jws: &Jws) -> Result<Expected, Stays> {
        let keys = |name: &Thumbprint| self.key(name);
        self.course.expects(self.side(), jws, &keys)?.ok_or_else(|| Stays::NotNow {
            found: jws.tag().to_owned(),
            side: self.side().name(),
            stand: self.dossier.stand.name(),
        })
    }

    /// Which statement of the other side this is, and whether it was taken before. Changes nothing.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn expects(&self, jws: &Jws) -> Result<(Came, bool), Stays> {
        let Expected { came, piece, .. } = self.find(jws)?;
        Ok((came, self.dossier.statement(piece).is_some()))
    }

    /// Takes a statement of the other side, `token` being a timestamp over an answer, and `content` what came with the first statement of
    /// a delivery; gives what is to be done once the dossier is on the disk. One that was taken before changes nothing, and what followed
    /// from it is to be sent again.
    ///
    /// # Errors
    /// [`Stays`]: nothing has changed.
    pub fn take(
        &mut self,
        jws: &Jws,
        token: Option<Vec<u8>>,
        content: &[u8],
        pen: &Pen<'_>,
    ) -> Result<Option<Act>, Stays> {
        let Expected { came, piece, key } = self.find(jws)?;
        if self.dossier.statement(piece).is_some() {
            return Ok(self.again());
        }
        let mut next = self.clone();
        if piece == Piece::Second {
            let keys = |name: &Thumbprint| self.key(name);
            next.course = next.course.with(jws.clone(), &keys)?;
        }
        if let (Some(key), Course::Delivery { posted, .. }) = (key, &self.course) {
            // No receipt for what is not the message that was promised.
            posted.open(content, &key)?;
            next.dossier.secret = Secret::Awaited { k: Some((&key).into()) };
        }
        next.dossier.statements.insert(piece, text(jws));
        next.dossier.tokens.extend(token.map(|token| (piece, Octets(token))));
        let act = next.happened(Happened::Message(came), pen)?;
        *self = next;
        Ok(act)
    }

    /// Time is over, or the user wants no more of it: gives what is to be asked, once the dossier is on the disk.
    ///
    /// # Errors
    /// [`Stays`]: nothing has changed.
    pub fn overdue(&mut self, pen: &Pen<'_>) -> Result<Option<Act>, Stays> {
        let mut next = self.clone();
        let act = next.happened(Happened::Overdue, pen)?;
        *self = next;
        Ok(act)
    }

    /// What the arbiter promises instead of an answer, where that is what came.
    ///
    /// # Errors
    /// [`Stays`]: it is no promise to this side's request.
    pub fn promised(&self, bytes: &[u8]) -> Result<Option<Promised>, Stays> {
        self.holding(|held| Promised::read(bytes, held))
    }

    /// What the arbiter shows of the delivery, where it is a registered one.
    ///
    /// # Errors
    /// [`Stays`]: some of it does not hold.
    pub fn register(&self, bytes: &[u8]) -> Result<Register, Stays> {
        let ttp = &self.course.run().ttp;
        let key = self.key(&ttp.key).ok_or(Stays::Lacks("the arbiter's key"))?;
        let log = log_of(ttp).ok_or(Stays::Lacks("a log"))?;
        Ok(Register::read(bytes, &self.course.run().x, &key, &log)?)
    }

    /// Signs what submits the delivery to the arbiter, so that its steps are evidence; `notice` for telling the recipient.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn submit(&self, notice: bool, pen: &Pen<'_>) -> Result<Jws, Stays> {
        let run = self.course.run();
        require_signer(pen, run.o.key)?;
        pen.sign(Some(run.x), Submit { notice })
    }

    /// What an answer of the arbiter's is held against.
    fn holding<T>(&self, judge: impl FnOnce(&Held<'_>) -> Result<T, GivenFault>) -> Result<T, Stays> {
        let request = self.request_piece().and_then(|piece| self.dossier.statement(piece));
        let request = Jws::parse(request.ok_or(Stays::Lacks("a request"))?.as_bytes())?;
        let keys = |name: &Thumbprint| self.key(name);
        let log = log_of(&self.course.run().ttp).ok_or(Stays::Lacks("a log"))?;
        Ok(judge(&Held {
            course: &self.course,
            side: self.side(),
            request: &request,
            opening: self.opening(),
            delta_ms: self.dossier.delta_ms,
            keys: &keys,
            log: &log,
        })?)
    }

    /// Takes the arbiter's answer to this side's request.
    ///
    /// # Errors
    /// [`Stays`]: nothing of it counts, and nothing has changed.
    pub fn decided(&mut self, given: &Given, now: Timestamp) -> Result<Outcome, Stays> {
        let outcome = self.holding(|held| given.judge(held))?;
        let mut next = self.clone();
        let dossier = &mut next.dossier;
        dossier.statements.insert(Piece::Verdict, text(&given.verdict));
        dossier.statements.insert(Piece::Answer, text(&given.answer));
        let outages = given.outages.iter().map(|(fact, proof)| (Octets(fact.clone()), proof.clone())).collect();
        dossier.proofs =
            Some(Proofs { verdict: given.verdict_proof.clone(), answer: given.answer_proof.clone(), outages });
        if let (Secret::Awaited { k }, Outcome::Released) = (&mut dossier.secret, outcome) {
            k.clone_from(&given.k);
        }
        next.go(Happened::Verdict(outcome), now);
        *self = next;
        Ok(outcome)
    }

    /// What shows what the escrow of a delivery holds: the originator's ephemeral key and the arbiter's public one.
    fn opening(&self) -> Option<(AgreementKey, AgreementPublic)> {
        let Secret::Sealed { ephemeral, .. } = &self.dossier.secret else { return None };
        let certificate = Certificate::from_der(&self.dossier.certificates.escrow.first()?.0).ok()?;
        let arbiter = AgreementPublic::from_spki_der(&certificate.spki_der())?;
        Some((AgreementKey::from_bits(ephemeral.secret().expose()).ok()?, arbiter))
    }

    /// What was delivered to this side, once its key came; `content` is what came with the first statement.
    #[must_use]
    pub fn delivered(&self, content: &[u8]) -> Option<Result<Delivered, BadContent>> {
        let (Course::Delivery { posted, .. }, Secret::Awaited { k: Some(k) }) = (&self.course, &self.dossier.secret)
        else {
            return None;
        };
        Some(posted.open(content, &k.secret()))
    }

    /// What may not have left before a crash, or was lost on its way.
    #[must_use]
    pub fn again(&self) -> Option<Act> {
        match self.dossier.stand {
            Stand::Originator(state) => state.again(),
            Stand::Responder(state) => state.again(),
        }
    }

    /// What is to be asked of the arbiter, in the octets that were signed; `None` where this side asks for nothing.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        let piece = self.request_piece()?;
        let statement = |piece| self.dossier.statement(piece).map(str::to_owned);
        let second = if piece == Piece::Resolve { Some(statement(Piece::Second)?) } else { None };
        let tokens = self.dossier.tokens.iter();
        // A timestamp over what is not sent proves nothing to anybody.
        let tokens = tokens.filter(|(of, _)| second.is_some() || **of == Piece::First);
        let tokens = tokens.map(|(_, token)| token.0.clone()).collect();
        Some(Request { first: statement(Piece::First)?, second, request: statement(piece)?, tokens })
    }

    fn request_piece(&self) -> Option<Piece> {
        match self.dossier.stand {
            Stand::Originator(Originator::Aborting) => Some(Piece::Abort),
            Stand::Originator(Originator::Resolving) | Stand::Responder(Responder::Resolving) => Some(Piece::Resolve),
            _ => None,
        }
    }

    /// The message of an act, in the octets that were signed; `None` for what goes to the arbiter. The first one comes with the contract's
    /// text or the delivery's content, which is `beside`.
    #[must_use]
    pub fn message(&self, act: Act, beside: &[u8]) -> Option<Message> {
        let piece = match act {
            Act::SendOffer | Act::SendAnswer | Act::SendOpening | Act::SendClosing => piece_of(act),
            Act::AskAbort | Act::AskResolve => return None,
        };
        let statement = Jws::parse(self.dossier.statement(piece)?.as_bytes()).ok()?;
        let beside = || match &self.dossier.secret {
            Secret::Contract { terms_salt, .. } => {
                Beside::Contract(Contract { salt: terms_salt.0, text: beside.to_vec() })
            }
            Secret::Sealed { .. } | Secret::Awaited { .. } => Beside::Content(beside.to_vec()),
        };
        Some(Message {
            protocol: self.dossier.protocol,
            statement,
            certificates: self.dossier.certificates.of(self.side()),
            beside: (piece == Piece::First).then(beside),
        })
    }

    /// How it ended, if it has.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.dossier.stand.end()
    }

    /// The automaton's next state, and the statement that its act needs.
    fn happened(&mut self, happened: Happened, pen: &Pen<'_>) -> Result<Option<Act>, Stays> {
        let act = self.go(happened, pen.now);
        if let Some(act) = act {
            self.sign_for(act, pen)?;
        }
        Ok(act)
    }

    fn go(&mut self, happened: Happened, now: Timestamp) -> Option<Act> {
        let timing = self.timing();
        let (stand, act) = match self.dossier.stand {
            Stand::Originator(state) => {
                let (state, act) = state.next(happened, now.millis(), &timing);
                (Stand::Originator(state), act)
            }
            Stand::Responder(state) => {
                let (state, act) = state.next(happened);
                (Stand::Responder(state), act)
            }
        };
        if stand != self.dossier.stand {
            self.dossier.stand = stand;
            self.dossier.since_ms = now.millis();
        }
        act
    }

    /// Signs what an act sends, unless that was signed before.
    fn sign_for(&mut self, act: Act, pen: &Pen<'_>) -> Result<(), Stays> {
        let piece = piece_of(act);
        if self.dossier.statement(piece).is_some() {
            return Ok(());
        }
        require_signer(pen, self.course.run().participant(self.side()).key)?;
        let jws = self.course.sign(act, self.side(), &self.dossier.secret, pen)?;
        self.dossier.statements.insert(piece, text(&jws));
        Ok(())
    }
}

pub(super) fn require_signer(pen: &Pen<'_>, named: Thumbprint) -> Result<(), Stays> {
    let found = pen.name()?;
    if found == named { Ok(()) } else { Err(Stays::OtherSigner { found, named }) }
}

const fn piece_of(act: Act) -> Piece {
    match act {
        Act::SendOffer => Piece::First,
        Act::SendAnswer => Piece::Second,
        Act::SendOpening => Piece::Third,
        Act::SendClosing => Piece::Fourth,
        Act::AskAbort => Piece::Abort,
        Act::AskResolve => Piece::Resolve,
    }
}

/// What must be there in a state, besides the first statement.
const fn needed(stand: Stand) -> &'static [Piece] {
    match stand {
        Stand::Originator(Originator::Offered) => &[],
        Stand::Originator(Originator::Opened) => &[Piece::Second, Piece::Third],
        Stand::Originator(Originator::Aborting) => &[Piece::Abort],
        Stand::Originator(Originator::Resolving) => &[Piece::Second, Piece::Third, Piece::Resolve],
        Stand::Responder(Responder::Answered) => &[Piece::Second],
        Stand::Responder(Responder::Resolving) => &[Piece::Second, Piece::Resolve],
        Stand::Originator(Originator::Done(End::Standard)) | Stand::Responder(Responder::Done(End::Standard)) => {
            &[Piece::Second, Piece::Third, Piece::Fourth]
        }
        Stand::Originator(Originator::Done(_)) | Stand::Responder(Responder::Done(_)) => {
            &[Piece::Verdict, Piece::Answer]
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
