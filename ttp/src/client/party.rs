//! A side of a run: the automaton with what it has signed and received. It goes from one state to the next by whole documents
//! ([`Dossier`]), which its driver puts on the disk **before** anything that follows leaves.
//!
//! ```text
//! driver: load ─▶ Party::open ─▶ take | overdue | decided ─▶ store the dossier ─▶ send what `act` says
//! ```
//!
//! Nothing is signed twice: what is to be sent again is taken out of the document as it is.

use std::sync::Arc;

use semper_ledger::note::VerifierKey;

use super::Timing;
use super::asw_r::{Act, End, Happened, Message as Came, Originator, Responder};
use super::dossier::{Certificates, Dossier, Octets, Piece, Proofs, Stand};
use super::message::{Contract, Message};
use super::peer::{Holder, PeerFault};
use super::verdict::{Given, GivenFault, Held};
use crate::b64u::B64u;
use crate::crypto::jose::{Algorithm, Key, KeyFault, Thumbprint};
use crate::crypto::{SignError, Signer};
use crate::digest::Digest;
use crate::exchange::asw_r::{Answered, Offered, commitment_o, commitment_r};
use crate::exchange::policy::{ExchangePolicy, NotAPolicy};
use crate::exchange::{Broken, terms_hash};
use crate::statement::exchange::asw_r::{Abort, M1, M2, M3, M4, Resolve};
use crate::statement::exchange::{Arbiter, Assurance, Line, Outcome, Participant, Protocol, Side};
use crate::statement::{Body, Common, Jws, Millis, Salt, Statement, StatementFault, Unsigned};
use crate::time::Timestamp;

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
    /// The policy for exchanges, as it is served.
    pub policy: Vec<u8>,
}

/// What is offered.
#[derive(Clone, Debug)]
pub struct Terms {
    /// This side.
    pub o: Participant,
    /// The other.
    pub r: Participant,
    /// Who decides.
    pub ttp: Arbiter,
    /// The contract's text.
    pub text: Vec<u8>,
    /// What kind of document it is.
    pub media: Line,
    /// Until when; `None` for no end.
    pub t_exp: Option<Millis>,
    /// What it is to be worth.
    pub assurance: Assurance,
}

/// Random octets of a side.
#[derive(Clone, Copy)]
pub struct Drawn {
    /// Behind its commitment.
    pub nonce: [u8; 32],
    /// In front of the contract's text; of a responder, what the originator drew.
    pub terms_salt: [u8; 32],
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
    /// The offer's text is missing.
    #[error("the offer comes without the contract's text")]
    NoText,
    /// The text is another than the offer names.
    #[error("the contract's text is not the one that the offer names by its hash: it, or its salt, was changed")]
    OtherText,
    /// The text is too long to be sent along.
    #[error("the contract's text is longer than {} octets", super::message::CONTRACT_BYTES_MAX)]
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
    pub m1: String,
    /// The answer, where the contract is asked for.
    pub m2: Option<String>,
    /// The request.
    pub request: String,
    /// Timestamps over statements.
    pub tokens: Vec<Vec<u8>>,
}

/// One side.
#[derive(Clone, Debug)]
pub struct Party {
    dossier: Dossier,
    offered: Offered,
    answered: Option<Answered>,
    keys: Vec<Arc<Key>>,
}

impl Pen<'_> {
    fn name(&self) -> Result<Thumbprint, Stays> {
        Ok(Key::from_spki_der(self.key.spki_der())?.thumbprint())
    }

    fn sign<B: Body>(&self, x: Option<Digest>, body: B) -> Result<Jws, Stays> {
        let common = Common { salt: self.salt, iat: self.now.into(), x: x.map(Into::into), shown: None };
        let algorithm = Algorithm::of_signer(self.key.algorithm()).ok_or(Stays::Algorithm)?;
        let unsigned = Unsigned::new(&Statement { common, body }, algorithm, self.name()?)?;
        let signature = self.key.sign_raw(unsigned.message())?;
        Ok(unsigned.finish(&signature)?)
    }
}

impl House {
    /// Whether a run's arbiter is the one that this side knows and trusts; gives its policy.
    fn judge(&self, ttp: &Arbiter, policy: &Digest, now: Timestamp) -> Result<ExchangePolicy, Stays> {
        Holder::judge_chain(&self.arbiter, ttp.key, &self.root, now)
            .map_err(|fault| Stays::Certificate { of: "arbiter", fault })?;
        let other = || Stays::OtherLog(ttp.log.as_str().to_owned());
        let log = log_of(ttp).ok_or_else(other)?;
        if !self.logs.contains(&log) || log.name() != ttp.id.as_str() {
            return Err(other());
        }
        if Digest::of(&self.policy) != *policy {
            return Err(Stays::OtherPolicy);
        }
        Ok(ExchangePolicy::parse(&self.policy)?)
    }
}

fn log_of(ttp: &Arbiter) -> Option<VerifierKey> {
    VerifierKey::parse(ttp.log.as_str()).ok()
}

fn octets(chain: &[Vec<u8>]) -> Vec<Octets> {
    chain.iter().cloned().map(Octets).collect()
}

fn text(jws: &Jws) -> String {
    String::from_utf8_lossy(jws.bytes()).into_owned()
}

impl Party {
    /// Begins a run as the originator: signs the offer. Nothing has left yet. `own` and `peer` are the chains of both sides.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn offer(
        terms: Terms,
        house: &House,
        (own, peer): (&[Vec<u8>], &[Vec<u8>]),
        patience_ms: u64,
        drawn: Drawn,
        pen: &Pen<'_>,
    ) -> Result<Self, Stays> {
        let Terms { o, r, ttp, text: contract, media, t_exp, assurance } = terms;
        if contract.len() > super::message::CONTRACT_BYTES_MAX {
            return Err(Stays::TextTooLong);
        }
        let policy = house.judge(&ttp, &Digest::of(&house.policy), pen.now)?;
        let timing = Timing { t_exp: t_exp.map(Millis::get), delta_ms: policy.delta_ms, patience_ms };
        // Nobody could answer it any more.
        if !timing.may_answer(pen.now.millis()) {
            return Err(Stays::TooLate);
        }
        for (of, chain, key) in [("originator", own, o.key), ("responder", peer, r.key)] {
            Holder::judge(chain, key, &house.root, pen.now).map_err(|fault| Stays::Certificate { of, fault })?;
        }
        let m1 = M1 {
            deal: None,
            policy: Digest::of(&house.policy).into(),
            o,
            r,
            ttp,
            terms: terms_hash(&drawn.terms_salt, &contract).into(),
            terms_media: media,
            t_exp,
            c_o: commitment_o(&drawn.nonce).into(),
            assurance,
        };
        let jws = pen.sign(None, m1)?;
        let certificates = Certificates { o: octets(own), r: octets(peer), arbiter: octets(&house.arbiter) };
        let stand = Stand::Originator(Originator::Offered);
        let mut dossier = begun(stand, &timing, drawn, certificates, pen.now);
        dossier.statements.insert(Piece::M1, text(&jws));
        Self::open(dossier)
    }

    /// Reads an offer that came to this party with this chain, and judges all of it but what the service alone knows: whether the
    /// originator's key is that party's, and good. Signs nothing.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn read_offer(message: &Message, own: &[Vec<u8>], house: &House, now: Timestamp) -> Result<Offer, Stays> {
        let certificate = |of, fault| Stays::Certificate { of, fault };
        let o = Holder::read(&message.certificates).map_err(|fault| certificate("originator", fault))?;
        let keys = |name: &Thumbprint| Some(o.key.clone()).filter(|key| key.thumbprint() == *name);
        let offered = Offered::read(message.statement.clone(), &keys)?;
        let run = &offered.run;
        Holder::judge(&message.certificates, run.o.key, &house.root, now)
            .map_err(|fault| certificate("originator", fault))?;
        Holder::judge(own, run.r.key, &house.root, now).map_err(|fault| certificate("responder", fault))?;
        let policy = house.judge(&run.ttp, &run.policy, now)?;
        let contract = message.contract.clone().ok_or(Stays::NoText)?;
        if terms_hash(&contract.salt, &contract.text) != Digest(offered.offer.terms.0) {
            return Err(Stays::OtherText);
        }
        Ok(Offer { delta_ms: policy.delta_ms, offered, contract })
    }

    /// Begins a run as the responder, for an offer whose run and whose commitment were never seen: signs the answer. `token` is a
    /// timestamp over the offer.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn accept(
        offer: &Offer,
        house: &House,
        (own, peer): (&[Vec<u8>], &[Vec<u8>]),
        patience_ms: u64,
        (nonce, token): ([u8; 32], Vec<u8>),
        pen: &Pen<'_>,
    ) -> Result<Self, Stays> {
        let Offer { offered, contract, delta_ms } = offer;
        let timing = Timing { t_exp: offered.run.t_exp, delta_ms: *delta_ms, patience_ms };
        let (stand, _) = Responder::begin(pen.now.millis(), &timing).ok_or(Stays::TooLate)?;
        require_signer(pen, offered.run.r.key)?;
        let x = offered.run.x;
        let m2 = M2 { m1: offered.jws.digest().into(), c_r: commitment_r(&x, &nonce).into() };
        let jws = pen.sign(Some(x), m2)?;
        let certificates = Certificates { o: octets(peer), r: octets(own), arbiter: octets(&house.arbiter) };
        let drawn = Drawn { nonce, terms_salt: contract.salt };
        let mut dossier = begun(Stand::Responder(stand), &timing, drawn, certificates, pen.now);
        dossier.statements.insert(Piece::M1, text(&offered.jws));
        dossier.statements.insert(Piece::M2, text(&jws));
        dossier.tokens.insert(Piece::M1, Octets(token));
        Self::open(dossier)
    }

    /// Goes on with what lies on the disk.
    ///
    /// # Errors
    /// [`Stays`]: what lies there is not what this program wrote.
    pub fn open(dossier: Dossier) -> Result<Self, Stays> {
        let chains = [&dossier.certificates.o, &dossier.certificates.r, &dossier.certificates.arbiter];
        let keys = chains.into_iter().zip(["originator", "responder", "arbiter"]).map(|(chain, of)| {
            let chain: Vec<_> = chain.iter().map(|der| der.0.clone()).collect();
            Holder::read(&chain).map(|holder| holder.key).map_err(|fault| Stays::Certificate { of, fault })
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let find = |name: &Thumbprint| keys.iter().find(|key| key.thumbprint() == *name).cloned();
        let read = |piece: Piece| {
            let read = |text: &str| Jws::parse(text.as_bytes());
            dossier.statement(piece).map(read).transpose().map_err(Stays::from)
        };
        let offered = Offered::read(read(Piece::M1)?.ok_or(Stays::Lacks("m1"))?, &find)?;
        let answered = read(Piece::M2)?.map(|m2| offered.answered(m2, &find)).transpose()?;
        for piece in needed(dossier.stand) {
            dossier.statement(*piece).ok_or(Stays::Lacks(piece.name()))?;
        }
        Ok(Self { dossier, offered, answered, keys })
    }

    /// All that is kept.
    #[must_use]
    pub const fn dossier(&self) -> &Dossier {
        &self.dossier
    }

    /// The offer, as both sides have it.
    #[must_use]
    pub const fn offered(&self) -> &Offered {
        &self.offered
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
        Timing { t_exp: self.offered.run.t_exp, delta_ms, patience_ms }
    }

    fn key(&self, name: &Thumbprint) -> Option<Arc<Key>> {
        self.keys.iter().find(|key| key.thumbprint() == *name).cloned()
    }

    /// Which statement of the other side this is, and whether it was taken before. Changes nothing.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn expects(&self, jws: &Jws) -> Result<(Came, bool), Stays> {
        let keys = |name: &Thumbprint| self.key(name);
        let not_now = || Stays::NotNow {
            found: jws.tag().to_owned(),
            side: self.side().name(),
            stand: self.dossier.stand.name(),
        };
        let answered = || self.answered.as_ref().ok_or_else(not_now);
        let (came, piece) = match (self.side(), jws.tag()) {
            (Side::Originator, M2::TAG) => {
                let found = self.offered.answered(jws.clone(), &keys)?;
                if self.answered.as_ref().is_some_and(|before| before.c_r != found.c_r) {
                    return Err(Stays::AnsweredTwice);
                }
                (Came::Answer, Piece::M2)
            }
            (Side::Originator, M4::TAG) => {
                self.offered.opened_by_r(answered()?, jws, &keys)?;
                (Came::Closing, Piece::M4)
            }
            (Side::Responder, M3::TAG) => {
                self.offered.opened_by_o(answered()?, jws, &keys)?;
                (Came::Opening, Piece::M3)
            }
            _ => return Err(not_now()),
        };
        Ok((came, self.dossier.statement(piece).is_some()))
    }

    /// Takes a statement of the other side, `token` being a timestamp over an answer; gives what is to be done once the dossier is on
    /// the disk. One that was taken before changes nothing, and what followed from it is to be sent again.
    ///
    /// # Errors
    /// [`Stays`]: nothing has changed.
    pub fn take(&mut self, jws: &Jws, token: Option<Vec<u8>>, pen: &Pen<'_>) -> Result<Option<Act>, Stays> {
        let (came, is_known) = self.expects(jws)?;
        if is_known {
            return Ok(self.again());
        }
        let mut next = self.clone();
        let piece = match came {
            Came::Answer => {
                let keys = |name: &Thumbprint| self.key(name);
                next.answered = Some(self.offered.answered(jws.clone(), &keys)?);
                Piece::M2
            }
            Came::Opening => Piece::M3,
            Came::Closing => Piece::M4,
        };
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

    /// Takes the arbiter's answer to this side's request.
    ///
    /// # Errors
    /// [`Stays`]: nothing of it counts, and nothing has changed.
    pub fn decided(&mut self, given: &Given, now: Timestamp) -> Result<Outcome, Stays> {
        let request = self.request_piece().and_then(|piece| self.dossier.statement(piece));
        let request = Jws::parse(request.ok_or(Stays::Lacks("a request"))?.as_bytes())?;
        let keys = |name: &Thumbprint| self.key(name);
        let log = log_of(&self.offered.run.ttp).ok_or(Stays::Lacks("a log"))?;
        let c_r = match self.side() {
            Side::Originator => None,
            Side::Responder => self.answered.as_ref().map(|answered| answered.c_r),
        };
        let held = Held {
            offered: &self.offered,
            request: &request,
            c_r,
            delta_ms: self.dossier.delta_ms,
            keys: &keys,
            log: &log,
        };
        let outcome = given.judge(&held)?;
        let mut next = self.clone();
        let dossier = &mut next.dossier;
        dossier.statements.insert(Piece::Verdict, text(&given.verdict));
        dossier.statements.insert(Piece::Answer, text(&given.answer));
        let outages = given.outages.iter().map(|(fact, proof)| (Octets(fact.clone()), proof.clone())).collect();
        dossier.proofs =
            Some(Proofs { verdict: given.verdict_proof.clone(), answer: given.answer_proof.clone(), outages });
        next.go(Happened::Verdict(outcome), now);
        *self = next;
        Ok(outcome)
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
        let m2 = if piece == Piece::Resolve { Some(statement(Piece::M2)?) } else { None };
        let tokens = self.dossier.tokens.iter();
        // A timestamp over what is not sent proves nothing to anybody.
        let tokens = tokens.filter(|(of, _)| m2.is_some() || **of == Piece::M1).map(|(_, token)| token.0.clone());
        let tokens = tokens.collect();
        Some(Request { m1: statement(Piece::M1)?, m2, request: statement(piece)?, tokens })
    }

    fn request_piece(&self) -> Option<Piece> {
        match self.dossier.stand {
            Stand::Originator(Originator::Aborting) => Some(Piece::Abort),
            Stand::Originator(Originator::Resolving) | Stand::Responder(Responder::Resolving) => Some(Piece::Resolve),
            _ => None,
        }
    }

    /// The message of an act, in the octets that were signed; `None` for what goes to the arbiter. The first one comes with the text.
    #[must_use]
    pub fn message(&self, act: Act, contract: &[u8]) -> Option<Message> {
        let piece = match act {
            Act::SendOffer => Piece::M1,
            Act::SendAnswer => Piece::M2,
            Act::SendOpening => Piece::M3,
            Act::SendClosing => Piece::M4,
            Act::AskAbort | Act::AskResolve => return None,
        };
        let statement = Jws::parse(self.dossier.statement(piece)?.as_bytes()).ok()?;
        let contract = || Contract { salt: self.dossier.terms_salt.0, text: contract.to_vec() };
        Some(Message {
            protocol: self.dossier.protocol,
            statement,
            certificates: self.dossier.certificates.of(self.side()),
            contract: (piece == Piece::M1).then(contract),
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
        let (piece, x) = (piece_of(act), self.offered.run.x);
        if self.dossier.statement(piece).is_some() {
            return Ok(());
        }
        require_signer(pen, self.offered.run.participant(self.side()).key)?;
        let answered = self.answered.as_ref().ok_or(Stays::Lacks("m2"));
        let nonce = B64u(self.dossier.nonce.0);
        let jws = match act {
            Act::SendOpening => pen.sign(Some(x), M3 { n_o: nonce, c_r: answered?.c_r.into() })?,
            Act::SendClosing => pen.sign(Some(x), M4 { n_r: nonce, c_o: self.offered.offer.c_o })?,
            Act::AskAbort => pen.sign(Some(x), Abort {})?,
            Act::AskResolve => pen.sign(Some(x), Resolve { side: self.side(), m2: answered?.jws.digest().into() })?,
            // Signed when the run began.
            Act::SendOffer | Act::SendAnswer => return Err(Stays::Lacks(piece.name())),
        };
        self.dossier.statements.insert(piece, text(&jws));
        Ok(())
    }
}

/// An offer that was read and judged, and not answered yet.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What it says.
    pub offered: Offered,
    /// What is to be signed.
    pub contract: Contract,
    /// δ of its policy, milliseconds.
    pub delta_ms: u64,
}

fn begun(stand: Stand, timing: &Timing, drawn: Drawn, certificates: Certificates, now: Timestamp) -> Dossier {
    Dossier {
        t: Dossier::TYPE.to_owned(),
        v: 1,
        protocol: Protocol::AswR,
        stand,
        since_ms: now.millis(),
        delta_ms: timing.delta_ms,
        patience_ms: timing.patience_ms,
        nonce: B64u(drawn.nonce),
        terms_salt: B64u(drawn.terms_salt),
        statements: std::collections::BTreeMap::new(),
        tokens: std::collections::BTreeMap::new(),
        certificates,
        proofs: None,
    }
}

fn require_signer(pen: &Pen<'_>, named: Thumbprint) -> Result<(), Stays> {
    let found = pen.name()?;
    if found == named { Ok(()) } else { Err(Stays::OtherSigner { found, named }) }
}

const fn piece_of(act: Act) -> Piece {
    match act {
        Act::SendOffer => Piece::M1,
        Act::SendAnswer => Piece::M2,
        Act::SendOpening => Piece::M3,
        Act::SendClosing => Piece::M4,
        Act::AskAbort => Piece::Abort,
        Act::AskResolve => Piece::Resolve,
    }
}

/// What must be there in a state, besides m1.
const fn needed(stand: Stand) -> &'static [Piece] {
    match stand {
        Stand::Originator(Originator::Offered) => &[],
        Stand::Originator(Originator::Opened) => &[Piece::M2, Piece::M3],
        Stand::Originator(Originator::Aborting) => &[Piece::Abort],
        Stand::Originator(Originator::Resolving) => &[Piece::M2, Piece::M3, Piece::Resolve],
        Stand::Responder(Responder::Answered) => &[Piece::M2],
        Stand::Responder(Responder::Resolving) => &[Piece::M2, Piece::Resolve],
        Stand::Originator(Originator::Done(End::Standard)) | Stand::Responder(Responder::Done(End::Standard)) => {
            &[Piece::M2, Piece::M3, Piece::M4]
        }
        Stand::Originator(Originator::Done(_)) | Stand::Responder(Responder::Done(_)) => {
            &[Piece::Verdict, Piece::Answer]
        }
    }
}

#[cfg(test)]
mod tests;
