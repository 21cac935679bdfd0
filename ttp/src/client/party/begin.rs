//! A run begins: a contract or a delivery is offered; an offer is read, judged and answered.

use std::collections::BTreeMap;

use super::super::Timing;
use super::super::automaton::{Originator, Responder};
use super::super::course::Course;
use super::super::dossier::{Certificates, Dossier, Octets, Piece, Secret, Stand};
use super::super::message::{Beside, CONTRACT_BYTES_MAX, Message};
use super::super::peer::Holder;
use super::{House, Party, Pen, Stays, log_of, require_signer, text};
use crate::b64u::B64u;
use crate::crypto::jose::Thumbprint;
use crate::crypto::jwe::{self, AgreementKey, AgreementPublic};
use crate::crypto::{Entropy, SecretKey};
use crate::digest::Digest;
use crate::exchange::asw_r::{commitment_o, commitment_r};
use crate::exchange::cd_r::{escrow_context, key_hash, message_hash, seal_content};
use crate::exchange::policy::ExchangePolicy;
use crate::exchange::run::Run;
use crate::exchange::terms_hash;
use crate::statement::exchange::asw_r::{M1, M2};
use crate::statement::exchange::cd_r::{D1, D2, EscrowArbiter, EscrowText, Mode, Reveal, Subject};
use crate::statement::exchange::{Arbiter, Assurance, Line, Participant, Protocol};
use crate::statement::{Count, Jws, Millis};
use crate::time::Timestamp;

/// What is offered to be signed.
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

/// What is delivered for a receipt.
#[derive(Clone)]
pub struct Parcel {
    /// This side.
    pub o: Participant,
    /// The recipient.
    pub r: Participant,
    /// Who decides, and opens the escrow.
    pub ttp: EscrowArbiter,
    /// The message.
    pub message: Vec<u8>,
    /// What the recipient is told of it before it takes it.
    pub about: Line,
    /// Who takes it there.
    pub mode: Mode,
    /// The payment, by its x, whose money the recipient's receipt moves to this side.
    pub pay: Option<Digest>,
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
    /// In front of the contract's text.
    pub terms_salt: [u8; 32],
}

/// An offer that was read and judged, and not answered yet.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What it says.
    pub course: Course,
    /// What is to be signed, or was sealed.
    pub beside: Beside,
    /// δ of its policy, milliseconds.
    pub delta_ms: u64,
}

impl Offer {
    /// What it fixes.
    #[must_use]
    pub const fn run(&self) -> &Run {
        self.course.run()
    }
}

/// The chains of both sides: first the own one, then the other's.
pub type Chains<'a> = (&'a [Vec<u8>], &'a [Vec<u8>]);

impl House {
    /// Whether a run's arbiter is the one that this side knows and trusts; gives its policy.
    pub(in crate::client) fn judge(
        &self,
        ttp: &Arbiter,
        policy: &Digest,
        now: Timestamp,
    ) -> Result<ExchangePolicy, Stays> {
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

    /// The key to which the escrows of a run are sealed, if it is this arbiter's.
    pub(in crate::client) fn escrow_key(&self, named: Thumbprint, now: Timestamp) -> Result<AgreementPublic, Stays> {
        if self.escrow.is_empty() {
            return Err(Stays::NoEscrow);
        }
        let holder = Holder::judge_chain(&self.escrow, named, &self.root, now)
            .map_err(|fault| Stays::Certificate { of: "arbiter for escrows", fault })?;
        AgreementPublic::from_spki_der(&holder.certificate.spki_der()).ok_or(Stays::NoEscrow)
    }

    /// What an originator makes sure of before it signs.
    fn may_offer(
        &self,
        (o, r): (&Participant, &Participant),
        ttp: &Arbiter,
        t_exp: Option<Millis>,
        patience_ms: u64,
        (own, peer): Chains<'_>,
        now: Timestamp,
    ) -> Result<Timing, Stays> {
        let policy = self.judge(ttp, &Digest::of(&self.policy), now)?;
        let timing = Timing { t_exp: t_exp.map(Millis::get), delta_ms: policy.delta_ms, patience_ms };
        // Nobody could answer it any more.
        if !timing.may_answer(now.millis()) {
            return Err(Stays::TooLate);
        }
        for (of, chain, key) in [("originator", own, o.key), ("responder", peer, r.key)] {
            Holder::judge(chain, key, &self.root, now).map_err(|fault| Stays::Certificate { of, fault })?;
        }
        Ok(timing)
    }

    pub(in crate::client) fn certificates(&self, o: &[Vec<u8>], r: &[Vec<u8>], is_delivery: bool) -> Certificates {
        let octets = |chain: &[Vec<u8>]| chain.iter().cloned().map(Octets).collect();
        let escrow = if is_delivery { octets(&self.escrow) } else { Vec::new() };
        Certificates { o: octets(o), r: octets(r), arbiter: octets(&self.arbiter), escrow }
    }
}

impl Party {
    /// Begins a contract as the originator: signs the offer. Nothing has left yet.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn offer(
        terms: Terms,
        house: &House,
        (own, peer): Chains<'_>,
        patience_ms: u64,
        drawn: Drawn,
        pen: &Pen<'_>,
    ) -> Result<Self, Stays> {
        let Terms { o, r, ttp, text: contract, media, t_exp, assurance } = terms;
        if contract.len() > CONTRACT_BYTES_MAX {
            return Err(Stays::TextTooLong);
        }
        let timing = house.may_offer((&o, &r), &ttp, t_exp, patience_ms, (own, peer), pen.now)?;
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
        let stand = Stand::Originator(Originator::Offered);
        let secret = Secret::Contract { nonce: B64u(drawn.nonce), terms_salt: B64u(drawn.terms_salt) };
        let mut dossier = begun(stand, &timing, secret, house.certificates(own, peer, false), pen.now);
        dossier.statements.insert(Piece::First, text(&jws));
        Self::open(dossier)
    }

    /// Begins a delivery as the originator: seals the message, puts its key into escrow, and signs. Gives the sealed content, too, which
    /// goes with the first message. Nothing has left yet.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn deliver(
        parcel: Parcel,
        house: &House,
        (own, peer): Chains<'_>,
        patience_ms: u64,
        entropy: &dyn Entropy,
        pen: &Pen<'_>,
    ) -> Result<(Self, Vec<u8>), Stays> {
        let Parcel { o, r, ttp, message, about, mode, pay, t_exp, assurance } = parcel;
        if message.len() > CONTRACT_BYTES_MAX {
            return Err(Stays::TextTooLong);
        }
        let timing = house.may_offer((&o, &r), &ttp.arbiter(), t_exp, patience_ms, (own, peer), pen.now)?;
        let arbiter = house.escrow_key(ttp.escrow_key, pen.now)?;
        let (k, ephemeral) = (SecretKey::generate(entropy)?, AgreementKey::generate()?);
        let (mut n, mut salt) = ([0; 32], [0; 32]);
        entropy.fill(&mut n)?;
        entropy.fill(&mut salt)?;
        let content = seal_content(&k, &n, &salt, &message, entropy)?;
        let mut d1 = D1 {
            deal: None,
            policy: Digest::of(&house.policy).into(),
            o,
            r,
            ttp,
            n: B64u(n),
            c_sha256: Digest::of(&content).into(),
            c_len: Count::new(content.len() as u64).ok_or(Stays::TextTooLong)?,
            hm: message_hash(&salt, &message).into(),
            hk: key_hash(&k).into(),
            // What it is sealed for stands in the rest.
            esc: EscrowText::new("-").ok_or(Stays::NoEscrow)?,
            subject: Subject { class: about, sha256: None },
            mode,
            reveal: Reveal::Named,
            t_exp,
            pay: pay.map(Into::into),
            assurance,
        };
        let context = escrow_context(&d1);
        let escrow = jwe::seal(&k, &arbiter, &d1.o.key.0.0, context.as_bytes(), &ephemeral, entropy)?;
        d1.esc = EscrowText::new(&escrow).ok_or(Stays::NoEscrow)?;
        let jws = pen.sign(None, d1)?;
        let secret = Secret::Sealed { k: (&k).into(), ephemeral: (&SecretKey::new(ephemeral.to_bits()?)).into() };
        let stand = Stand::Originator(Originator::Offered);
        let mut dossier = begun(stand, &timing, secret, house.certificates(own, peer, true), pen.now);
        dossier.statements.insert(Piece::First, text(&jws));
        Ok((Self::open(dossier)?, content))
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
        let course = Course::begin(message.statement.clone(), &keys)?;
        let run = course.run();
        Holder::judge(&message.certificates, run.o.key, &house.root, now)
            .map_err(|fault| certificate("originator", fault))?;
        Holder::judge(own, run.r.key, &house.root, now).map_err(|fault| certificate("responder", fault))?;
        let policy = house.judge(&run.ttp, &run.policy, now)?;
        let beside = message.beside.clone().ok_or(Stays::NoText)?;
        match (&course, &beside) {
            (Course::Contract { offered, .. }, Beside::Contract(contract)) => {
                if terms_hash(&contract.salt, &contract.text) != Digest::from(offered.offer.terms) {
                    return Err(Stays::OtherText);
                }
            }
            (Course::Delivery { posted, .. }, Beside::Content(content)) => {
                // All of it in hand, and sealed for this arbiter, before anything is promised for it.
                if !posted.names(content) {
                    return Err(Stays::OtherText);
                }
                house.escrow_key(posted.escrow_key(), now)?;
                posted.escrow().ok_or(Stays::Escrow)?;
            }
            _ => return Err(Stays::NoText),
        }
        Ok(Offer { delta_ms: policy.delta_ms, course, beside })
    }

    /// Begins a run as the responder, for an offer whose run, and what its originator uses once, were never seen: signs the answer.
    /// `nonce` is behind its commitment in a contract, `token` a timestamp over the offer.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn accept(
        offer: &Offer,
        house: &House,
        (own, peer): Chains<'_>,
        patience_ms: u64,
        (nonce, token): ([u8; 32], Vec<u8>),
        pen: &Pen<'_>,
    ) -> Result<Self, Stays> {
        let Offer { course, beside, delta_ms } = offer;
        let run = course.run();
        let timing = Timing { t_exp: run.t_exp, delta_ms: *delta_ms, patience_ms };
        let (stand, _) = Responder::begin(pen.now.millis(), &timing).ok_or(Stays::TooLate)?;
        require_signer(pen, run.r.key)?;
        let (jws, secret): (Jws, _) = match (course, beside) {
            (Course::Contract { offered, .. }, Beside::Contract(contract)) => {
                let m2 = M2 { m1: offered.jws.digest().into(), c_r: commitment_r(&run.x, &nonce).into() };
                let secret = Secret::Contract { nonce: B64u(nonce), terms_salt: B64u(contract.salt) };
                (pen.sign(Some(run.x), m2)?, secret)
            }
            (Course::Delivery { .. }, Beside::Content(_)) => {
                (pen.sign(Some(run.x), D2 {})?, Secret::Awaited { k: None })
            }
            _ => return Err(Stays::NoText),
        };
        let certificates = house.certificates(peer, own, run.protocol == Protocol::CdR);
        let mut dossier = begun(Stand::Responder(stand), &timing, secret, certificates, pen.now);
        dossier.statements.insert(Piece::First, text(course.first()));
        dossier.statements.insert(Piece::Second, text(&jws));
        dossier.tokens.insert(Piece::First, Octets(token));
        Self::open(dossier)
    }
}

fn begun(stand: Stand, timing: &Timing, secret: Secret, certificates: Certificates, now: Timestamp) -> Dossier {
    Dossier {
        t: Dossier::TYPE.to_owned(),
        v: 1,
        protocol: secret.goal().protocol(),
        stand,
        since_ms: now.millis(),
        delta_ms: timing.delta_ms,
        patience_ms: timing.patience_ms,
        secret,
        statements: BTreeMap::new(),
        tokens: BTreeMap::new(),
        certificates,
        proofs: None,
    }
}
