//! What the first statement of a run fixes, and the rule by which every later one is of that run.

use std::sync::Arc;

use crate::crypto::jose::{Key, Thumbprint};
use crate::digest::Digest;
use crate::statement::exchange::asw_r::M1;
use crate::statement::exchange::cd_r::D1;
use crate::statement::exchange::inline::I1;
use crate::statement::exchange::pg::GoodsOrder;
use crate::statement::exchange::pr::PaymentOffer;
use crate::statement::exchange::{Arbiter, Assurance, Participant, Protocol, Side};
use crate::statement::{Body, Jws, Statement, StatementFault};

use super::{Broken, Demand};

/// The longest statement of a party in a run, octets: a verdict embeds two of them, and each grows by a third in it.
pub const PARTY_STATEMENT_BYTES_MAX: usize = 16 << 10;

/// Finds a key by its name: in the register of parties, in certificates at hand. What a key is worth is not asked here.
pub type Keys<'a> = &'a dyn Fn(&Thumbprint) -> Option<Arc<Key>>;

/// A run, as both sides have it from its first statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Hash of the first statement's payload.
    pub x: Digest,
    /// The rules that it follows.
    pub protocol: Protocol,
    /// Who began it.
    pub o: Participant,
    /// Whom it is with.
    pub r: Participant,
    /// Who decides.
    pub ttp: Arbiter,
    /// The policy that both have agreed on, by its SHA-256.
    pub policy: Digest,
    /// What they want it to be worth.
    pub assurance: Assurance,
    /// Its end, milliseconds since 1970; `None` for never.
    pub t_exp: Option<u64>,
}

/// A request to the arbiter that may be made in its run.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Who asks.
    pub side: Side,
    /// What for.
    pub demand: Demand,
    /// As it was received.
    pub jws: Jws,
}

impl Run {
    /// What the first statement of a run says, whoever signed it: for whoever holds it against what others have signed.
    ///
    /// # Errors
    /// It is none.
    pub fn claimed(jws: &Jws) -> Result<Self, StatementFault> {
        match jws.tag() {
            D1::TAG => jws.payload_as().map(|first| Self::of_delivery(jws.x(), &first.body)),
            I1::TAG => jws.payload_as().map(|first| Self::of_inline(jws.x(), &first.body)),
            GoodsOrder::TAG => jws.payload_as().map(|first| Self::of_order(jws.x(), &first.body)),
            PaymentOffer::TAG => jws.payload_as().map(|first| Self::of_payment(jws.x(), &first.body)),
            _ => jws.payload_as().map(|first| Self::of_contract(jws.x(), &first.body)),
        }
    }

    pub(super) fn of_contract(x: Digest, offer: &M1) -> Self {
        Self {
            x,
            protocol: Protocol::AswR,
            o: offer.o,
            r: offer.r,
            ttp: offer.ttp.clone(),
            policy: Digest(offer.policy.0),
            assurance: offer.assurance,
            t_exp: offer.t_exp.map(Into::into),
        }
    }

    pub(super) fn of_delivery(x: Digest, delivery: &D1) -> Self {
        Self {
            x,
            protocol: Protocol::CdR,
            o: delivery.o,
            r: delivery.r,
            ttp: delivery.ttp.arbiter(),
            policy: Digest(delivery.policy.0),
            assurance: delivery.assurance,
            t_exp: delivery.t_exp.map(Into::into),
        }
    }

    pub(super) fn of_inline(x: Digest, proposal: &I1) -> Self {
        Self {
            x,
            protocol: Protocol::Inline,
            o: proposal.o,
            r: proposal.r,
            ttp: proposal.ttp.arbiter(),
            policy: Digest(proposal.policy.0),
            assurance: proposal.assurance,
            t_exp: Some(proposal.t_exp.into()),
        }
    }

    pub(super) fn of_order(x: Digest, order: &GoodsOrder) -> Self {
        Self {
            x,
            protocol: Protocol::Pg,
            o: order.buyer,
            r: order.seller,
            ttp: order.ttp.clone(),
            policy: Digest(order.policy.0),
            assurance: order.assurance,
            t_exp: Some(order.t_exp.get()),
        }
    }

    pub(super) fn of_payment(x: Digest, offer: &PaymentOffer) -> Self {
        Self {
            x,
            protocol: Protocol::Pr,
            o: offer.payer,
            r: offer.payee,
            ttp: offer.ttp.clone(),
            policy: Digest(offer.policy.0),
            assurance: offer.assurance,
            t_exp: Some(offer.t_exp.get()),
        }
    }

    /// The participant on a side.
    #[must_use]
    pub const fn participant(&self, side: Side) -> &Participant {
        match side {
            Side::Originator => &self.o,
            Side::Responder => &self.r,
        }
    }

    /// The side whose key this is.
    #[must_use]
    pub fn side_of(&self, key: &Thumbprint) -> Option<Side> {
        [Side::Originator, Side::Responder].into_iter().find(|side| self.participant(*side).key == *key)
    }

    /// Refuses a statement that a verdict could not embed, for whoever reads it: what the arbiter would refuse, neither side takes for good.
    fn require_length(jws: &Jws, of: &'static str) -> Result<(), Broken> {
        match jws.bytes().len() <= PARTY_STATEMENT_BYTES_MAX {
            true => Ok(()),
            false => Err(Broken::Statement { of, fault: StatementFault::TooLong }),
        }
    }

    /// Whether the run is one for an arbiter with these keys: its own, and those whose successor it signs with.
    ///
    /// # Errors
    /// [`Broken::OtherArbiter`].
    pub fn require_arbiter(&self, own: &[Thumbprint]) -> Result<(), Broken> {
        match own.contains(&self.ttp.key) {
            true => Ok(()),
            false => Err(Broken::OtherArbiter { key: self.ttp.key.to_string() }),
        }
    }

    /// Reads the first statement of a run: one that the key which it names for the originator has signed.
    ///
    /// # Errors
    /// [`Broken`].
    pub(super) fn first<B: Body>(jws: &Jws, keys: Keys<'_>, of: impl Fn(&B) -> Self) -> Result<(Self, B), Broken> {
        let tag = B::TAG;
        Self::require_length(jws, tag)?;
        let Statement { body, .. } = jws.payload_as::<B>().map_err(|fault| Broken::Statement { of: tag, fault })?;
        let run = of(&body);
        // A party with itself, or one key on both sides, whose signature could be turned around.
        if run.o.key == run.r.key || run.o.id == run.r.id || run.ttp.key == run.o.key || run.ttp.key == run.r.key {
            return Err(Broken::OneParty);
        }
        verify(jws, &run.o.key, Side::Originator.name(), tag, keys)?;
        Ok((run, body))
    }

    /// Reads a later statement of this run that one side must have signed.
    ///
    /// # Errors
    /// [`Broken`].
    pub(super) fn follows<B: Body>(&self, jws: &Jws, side: Side, keys: Keys<'_>) -> Result<B, Broken> {
        self.follows_by(jws, &self.participant(side).key, side.name(), keys)
    }

    /// The same of a third person that the first statement names, such as a carrier.
    ///
    /// # Errors
    /// [`Broken`].
    pub(super) fn follows_by<B: Body>(
        &self,
        jws: &Jws,
        by: &Thumbprint,
        who: &'static str,
        keys: Keys<'_>,
    ) -> Result<B, Broken> {
        let tag = B::TAG;
        Self::require_length(jws, tag)?;
        let Statement { common, body } = jws.payload_as::<B>().map_err(|fault| Broken::Statement { of: tag, fault })?;
        if common.x.map(|x| Digest(x.0)) != Some(self.x) {
            return Err(Broken::OtherRun { of: tag });
        }
        if *by != jws.key_id() {
            return Err(Broken::NotAllowed { of: tag, key: jws.key_id().to_string() });
        }
        verify(jws, by, who, tag, keys)?;
        Ok(body)
    }
}

fn verify(jws: &Jws, name: &Thumbprint, who: &'static str, of: &'static str, keys: Keys<'_>) -> Result<(), Broken> {
    let key = keys(name).ok_or_else(|| Broken::UnknownKey { side: who, key: name.to_string() })?;
    jws.verify(&key).map_err(|fault| Broken::Statement { of, fault })
}

/// Whether a hash names this very statement or the one other signature over its payload that anybody can make of it: (r, s) and
/// (r, n − s) both verify, so a statement may reach its reader in another form than it left its signer, by a hand on the wire.
pub(super) fn names(digest: &Digest, jws: &Jws) -> bool {
    jws.digest() == *digest || jws.twin().is_some_and(|twin| twin == *digest)
}
