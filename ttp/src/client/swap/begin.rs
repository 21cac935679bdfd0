//! An exchange through the arbiter begins: it is proposed; a proposal is read, judged and agreed to. Before anything is signed each side has
//! held the descriptions against what it expects, and its own item against what it promises.

use std::collections::BTreeMap;

use super::super::message::Message;
use super::super::party::{Chains, House, Pen, Stays, require_signer, text};
use super::super::peer::Holder;
use super::At;
use super::dossier::{Piece, SwapDossier};
use super::side::Swap;
use crate::crypto::jose::{Key, Thumbprint};
use crate::crypto::jwe::{self, AgreementKey, AgreementPublic};
use crate::crypto::{Entropy, SecretKey};
use crate::digest::Digest;
use crate::exchange::inline::Proposed;
use crate::exchange::inline::sealed::{escrow_context, key_hash, seal_item};
use crate::exchange::item::{Item, fairness, matches, promises};
use crate::exchange::policy::InlinePolicy;
use crate::statement::exchange::cd_r::{EscrowArbiter, EscrowText};
use crate::statement::exchange::inline::{Deposit, DepositMode, I1, I2, SealedItem};
use crate::statement::exchange::item::{Fairness, ItemDescriptor, MatchResult};
use crate::statement::exchange::{Assurance, Line, Participant, Protocol, Side};
use crate::statement::{Count, Millis};
use crate::time::Timestamp;

/// What is proposed.
#[derive(Clone, Debug)]
pub struct Barter {
    /// This side.
    pub o: Participant,
    /// The other.
    pub r: Participant,
    /// Through whom.
    pub ttp: EscrowArbiter,
    /// What this side gives.
    pub gives: ItemDescriptor,
    /// What it wants for that.
    pub wants: ItemDescriptor,
    /// Whether the arbiter is to keep ciphertext alone.
    pub mode: DepositMode,
    /// The last moment for deposits.
    pub t_dep: Millis,
    /// The last moment for anything but a return.
    pub t_exp: Millis,
    /// For how long items can be collected, milliseconds; `None` for as long as the policy has it.
    pub retention_ms: Option<Count>,
    /// What it is to be worth.
    pub assurance: Assurance,
}

/// The item that a side gives.
#[derive(Clone, Copy)]
pub struct Own<'i> {
    /// Its octets.
    pub octets: &'i [u8],
    /// Its media type.
    pub media: &'i Line,
    /// Whether this side goes on where the exchange is worth little.
    pub takes_weak: bool,
}

/// A proposal that was read and judged, and not agreed to yet.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// What it says.
    pub proposed: Proposed,
    /// What its policy says of such exchanges.
    pub inline: InlinePolicy,
    /// δ of its policy, milliseconds.
    pub delta_ms: u64,
}

impl Swap {
    /// Begins as the originator: signs the proposal. Gives what is to be left at the arbiter, too: the item, or its ciphertext. Nothing has
    /// left yet.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn propose(
        barter: Barter,
        item: &Own<'_>,
        house: &House,
        (own, peer): Chains<'_>,
        entropy: &dyn Entropy,
        pen: &Pen<'_>,
    ) -> Result<(Self, Vec<u8>), Stays> {
        let Barter { o, r, ttp, gives, wants, mode, t_dep, t_exp, retention_ms, assurance } = barter;
        let policy = Digest::of(&house.policy);
        let inline = house.judge(&ttp.arbiter(), &policy, pen.now)?.inline.ok_or(Stays::NoInline)?;
        let arbiter = house.escrow_key(ttp.escrow_key, pen.now)?;
        for (of, chain, key) in [("originator", own, o.key), ("responder", peer, r.key)] {
            Holder::judge(chain, key, &house.root, pen.now).map_err(|fault| Stays::Certificate { of, fault })?;
        }
        let i1 = I1 {
            deal: None,
            policy: policy.into(),
            o,
            r,
            ttp,
            fairness: fairness(&gives, &wants, &inline.predicates),
            o_item: gives,
            r_item: wants,
            mode,
            t_dep,
            t_exp,
            retention_ms,
            assurance,
        };
        require_signer(pen, o.key)?;
        let jws = pen.sign(None, i1)?;
        let key = Key::from_spki_der(pen.key.spki_der()).map(std::sync::Arc::new)?;
        let proposed =
            Proposed::read(jws, &|name: &Thumbprint| Some(key.clone()).filter(|key| key.thumbprint() == *name))?;
        may_begin(&proposed, &inline, item, pen.now)?;
        let (deposit, beside) = deposit(&proposed, Side::Originator, item, (&inline, &arbiter), entropy)?;
        let mut dossier = begun(At::Proposed, deposit, (house, own, peer), pen.now);
        dossier.statements.insert(Piece::I1, text(&proposed.jws));
        Ok((Self::open(dossier)?, beside))
    }

    /// Reads a proposal that came to this party with this chain, and judges all of it but what the service alone knows: whether the
    /// originator's key is that party's, and good. Signs nothing.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn read(message: &Message, own: &[Vec<u8>], house: &House, now: Timestamp) -> Result<Invitation, Stays> {
        let certificate = |of, fault| Stays::Certificate { of, fault };
        let o = Holder::read(&message.certificates).map_err(|fault| certificate("originator", fault))?;
        let keys = |name: &Thumbprint| Some(o.key.clone()).filter(|key| key.thumbprint() == *name);
        let proposed = Proposed::read(message.statement.clone(), &keys)?;
        if message.protocol != Protocol::Inline {
            return Err(Stays::Lacks("a proposal in a message of its protocol"));
        }
        let run = &proposed.run;
        Holder::judge(&message.certificates, run.o.key, &house.root, now)
            .map_err(|fault| certificate("originator", fault))?;
        Holder::judge(own, run.r.key, &house.root, now).map_err(|fault| certificate("responder", fault))?;
        let policy = house.judge(&run.ttp, &run.policy, now)?;
        let inline = policy.inline.ok_or(Stays::NoInline)?;
        house.escrow_key(proposed.escrow_key(), now)?;
        proposed.require_policy(&inline, now)?;
        Ok(Invitation { proposed, inline, delta_ms: policy.delta_ms })
    }

    /// Begins as the responder, for a proposal whose run was never seen: signs that it agrees, if what is promised is what it `expects`.
    /// Gives what is to be left at the arbiter, too.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn join(
        invitation: &Invitation,
        (item, expects): (&Own<'_>, &ItemDescriptor),
        house: &House,
        (own, peer): Chains<'_>,
        entropy: &dyn Entropy,
        pen: &Pen<'_>,
    ) -> Result<(Self, Vec<u8>), Stays> {
        let Invitation { proposed, inline, .. } = invitation;
        match promises(proposed.item(Side::Originator), expects) {
            MatchResult::Match => {}
            less => return Err(Stays::OtherPromise(less)),
        }
        may_begin(proposed, inline, item, pen.now)?;
        require_signer(pen, proposed.run.r.key)?;
        let arbiter = house.escrow_key(proposed.escrow_key(), pen.now)?;
        let (deposit, beside) = deposit(proposed, Side::Responder, item, (inline, &arbiter), entropy)?;
        let i2 = pen.sign(Some(proposed.run.x), I2 { m1: proposed.jws.digest().into() })?;
        let mut dossier = begun(At::Agreed, deposit, (house, peer, own), pen.now);
        dossier.statements.insert(Piece::I1, text(&proposed.jws));
        dossier.statements.insert(Piece::I2, text(&i2));
        Ok((Self::open(dossier)?, beside))
    }
}

/// What both sides make sure of before they sign.
fn may_begin(proposed: &Proposed, inline: &InlinePolicy, item: &Own<'_>, now: Timestamp) -> Result<(), Stays> {
    proposed.require_policy(inline, now)?;
    if proposed.proposal.t_dep.get() <= now.millis() {
        return Err(Stays::TooLate);
    }
    match proposed.proposal.fairness {
        Fairness::Weak if !item.takes_weak => Err(Stays::Weak),
        Fairness::Weak | Fairness::Strong => Ok(()),
    }
}

/// What a side is to say of its item, and what comes beside that.
fn deposit(
    proposed: &Proposed,
    side: Side,
    item: &Own<'_>,
    (inline, arbiter): (&InlinePolicy, &AgreementPublic),
    entropy: &dyn Entropy,
) -> Result<(Deposit, Vec<u8>), Stays> {
    let Own { octets, media, .. } = *item;
    let result = matches(proposed.item(side), &Item::of(octets, media.as_str()), &inline.predicates);
    if result == MatchResult::Mismatch {
        return Err(Stays::NotDescribed);
    }
    let count = |octets: &[u8]| Count::new(octets.len() as u64).ok_or(Stays::TextTooLong);
    let item_sha256 = Digest::of(octets);
    let (sealed, beside) = match proposed.proposal.mode {
        DepositMode::Content => (None, octets.to_vec()),
        DepositMode::Sealed => {
            let x = proposed.run.x;
            let (key, ephemeral) = (SecretKey::generate(entropy)?, AgreementKey::generate()?);
            let content = seal_item(&key, &x, side, octets, entropy)?;
            let (c_sha256, hk) = (Digest::of(&content), key_hash(&key));
            let context = escrow_context(&x, side, &c_sha256, &item_sha256, &hk);
            let sender = &proposed.run.participant(side).key.0.0;
            let esc = jwe::seal(&key, arbiter, sender, context.as_bytes(), &ephemeral, entropy)?;
            let esc = EscrowText::new(&esc).ok_or(Stays::NoEscrow)?;
            let c_len = count(&content)?;
            (Some(SealedItem { c_sha256: c_sha256.into(), c_len, hk: hk.into(), esc }), content)
        }
    };
    let (item_sha256, size) = (item_sha256.into(), count(octets)?);
    Ok((Deposit { side, item_sha256, size, media: media.clone(), result, sealed }, beside))
}

/// A document with nothing signed in it; the originator's chain first.
fn begun(at: At, deposit: Deposit, (house, o, r): (&House, &[Vec<u8>], &[Vec<u8>]), now: Timestamp) -> SwapDossier {
    SwapDossier {
        t: SwapDossier::TYPE.to_owned(),
        v: 1,
        side: deposit.side,
        at,
        since_ms: now.millis(),
        deposit,
        statements: BTreeMap::new(),
        proofs: BTreeMap::new(),
        outages: Vec::new(),
        certificates: house.certificates(o, r, true),
        policy: super::super::dossier::Octets(house.policy.clone()),
    }
}
