//! What each message of an inline exchange must hold, for the arbiter, for both sides and for whoever judges afterwards.

use crate::crypto::SecretKey;
use crate::crypto::jose::Thumbprint;
use crate::crypto::jwe::{AgreementKey, Escrow};
use crate::digest::Digest;
use crate::exchange::Broken;
use crate::exchange::item::{Item, fairness, matches};
use crate::exchange::policy::InlinePolicy;
use crate::exchange::run::{Keys, Run, names};
use crate::statement::exchange::Side;
use crate::statement::exchange::inline::{
    Cancel, Collect, Deposit, DepositFault, DepositMode, I1, I2, SealedItem, Waive,
};
use crate::statement::exchange::item::{ItemDescriptor, MatchResult, RuleName};
use crate::statement::{Body, Jws, StatementFault};

use crate::time::Timestamp;

use super::sealed::{escrow_context, key_hash, open_item};
use super::{Agreement, Moved};

/// The shortest time for which items may be kept after the decision, milliseconds, unless the policy's own is shorter: a day.
pub(super) const RETENTION_MS_MIN: u64 = 86_400_000;

/// The longest statement of a party but the first, octets: a verdict embeds up to five of them beside that, and each grows by a third in it.
pub const STATEMENT_BYTES_MAX: usize = 4 << 10;

/// i1, signed by the key that it names.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposed {
    /// What it fixes.
    pub run: Run,
    /// All that it says.
    pub proposal: I1,
    /// As it was received.
    pub jws: Jws,
}

/// i2 to that i1.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreed {
    /// As it was received.
    pub jws: Jws,
}

/// A deposit in that run.
#[derive(Clone, Debug, PartialEq)]
pub struct Deposited {
    /// All that it says.
    pub deposit: Deposit,
    /// As it was received.
    pub jws: Jws,
}

/// A statement of a side that says nothing but that it is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed {
    /// Whose it is.
    pub side: Side,
    /// As it was received.
    pub jws: Jws,
}

/// What came beside a deposit.
pub enum Beside<'i> {
    /// The item.
    Item(&'i [u8]),
    /// Its ciphertext, and what the arbiter found in the escrow, [`Proposed::escrowed`].
    Sealed {
        /// C.
        content: &'i [u8],
        /// The key.
        key: Option<&'i SecretKey>,
    },
}

impl Proposed {
    /// Reads i1.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn read(jws: Jws, keys: Keys<'_>) -> Result<Self, Broken> {
        let x = jws.x();
        let (run, proposal) = Run::first(&jws, keys, |proposal| Run::of_inline(x, proposal))?;
        // One key that both signs and agrees could be made to do the one by asking for the other.
        if proposal.ttp.escrow_key == proposal.ttp.key {
            return Err(Broken::EscrowKey { key: proposal.ttp.escrow_key.to_string() });
        }
        if proposal.t_dep > proposal.t_exp {
            return Err(Broken::Terms { of: I1::TAG, why: "deposits end after the run does" });
        }
        Ok(Self { run, proposal, jws })
    }

    /// Whether it keeps to the policy that it names: for the arbiter before it registers, for the responder before it agrees.
    ///
    /// # Errors
    /// [`Broken::Terms`].
    pub fn require_policy(&self, policy: &InlinePolicy, now: Timestamp) -> Result<(), Broken> {
        let broken = |why| Err(Broken::Terms { of: I1::TAG, why });
        let I1 { o_item, r_item, fairness: told, retention_ms, t_exp, .. } = &self.proposal;
        if fairness(o_item, r_item, &policy.predicates) != *told {
            return broken("the two descriptions make it worth something else than it tells");
        }
        if t_exp.get() > now.millis().saturating_add(policy.open_max_ms) {
            return broken("it ends later than the policy lets an exchange be open");
        }
        if retention_ms.is_some_and(|asked| asked.get() > policy.retention_ms) {
            return broken("it wants items kept for longer than the policy has it");
        }
        // Whoever deposits last has its item at once; the other side must have the time to come for its own.
        if retention_ms.is_some_and(|asked| asked.get() < policy.retention_ms.min(RETENTION_MS_MIN)) {
            return broken("it wants items erased before both sides can have collected them");
        }
        Ok(())
    }

    /// What a side promised.
    #[must_use]
    pub const fn item(&self, side: Side) -> &ItemDescriptor {
        match side {
            Side::Originator => &self.proposal.o_item,
            Side::Responder => &self.proposal.r_item,
        }
    }

    /// Reads i2.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn agreed(&self, jws: Jws, keys: Keys<'_>) -> Result<Agreed, Broken> {
        let I2 { m1 } = self.follows(&jws, Side::Responder, keys)?;
        if !names(&Digest(m1.0), &self.jws) {
            return Err(Broken::OtherCopy { of: I2::TAG, about: I1::TAG });
        }
        Ok(Agreed { jws })
    }

    /// What is registered of both.
    #[must_use]
    pub fn agreement(&self, agreed: &Agreed, policy: &InlinePolicy) -> Agreement {
        let I1 { mode, t_dep, retention_ms, .. } = &self.proposal;
        let Run { x, o, r, policy: named, assurance, t_exp, .. } = &self.run;
        Agreement {
            x: *x,
            request: agreed.jws.x(),
            policy: *named,
            assurance: *assurance,
            mode: *mode,
            o: o.key,
            r: r.key,
            t_dep: t_dep.get(),
            t_exp: t_exp.unwrap_or(t_dep.get()),
            retention_ms: retention_ms.map_or(policy.retention_ms, u64::from),
        }
    }

    /// Reads a deposit.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn deposited(&self, jws: Jws, keys: Keys<'_>) -> Result<Deposited, Broken> {
        let (side, deposit) = self.of_either::<Deposit>(&jws, keys)?;
        if deposit.side != side {
            return Err(not_allowed::<Deposit>(&jws));
        }
        if deposit.sealed.is_some() != (self.proposal.mode == DepositMode::Sealed) {
            return Err(Broken::Terms { of: Deposit::TAG, why: "it is of another mode than the run" });
        }
        Ok(Deposited { deposit, jws })
    }

    /// Reads a cancel: either side's.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn cancelled(&self, jws: Jws, keys: Keys<'_>) -> Result<Signed, Broken> {
        let (side, Cancel {}) = self.of_either(&jws, keys)?;
        Ok(Signed { side, jws })
    }

    /// Reads a request to collect.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn collects(&self, jws: Jws, keys: Keys<'_>) -> Result<Signed, Broken> {
        let (side, Collect {}) = self.of_either(&jws, keys)?;
        Ok(Signed { side, jws })
    }

    /// Reads a waiver, and the items that it names, the originator's first.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn waived(&self, jws: Jws, keys: Keys<'_>) -> Result<(Signed, [Digest; 2]), Broken> {
        let (side, Waive { o_item, r_item }) = self.of_either(&jws, keys)?;
        Ok((Signed { side, jws }, [Digest(o_item.0), Digest(r_item.0)]))
    }

    /// The escrow of a deposit, if it says that it is one of this deposit.
    #[must_use]
    pub fn escrow(&self, deposited: &Deposited) -> Option<Escrow> {
        let Deposit { side, item_sha256, sealed, .. } = &deposited.deposit;
        let SealedItem { c_sha256, hk, esc, .. } = sealed.as_ref()?;
        let escrow = Escrow::parse(esc.as_str()).ok()?;
        let [c_sha256, item, hk] = [c_sha256, item_sha256, hk].map(|octets| Digest(octets.0));
        let context = escrow_context(&self.run.x, *side, &c_sha256, &item, &hk);
        let is_its = escrow.recipient() == self.escrow_key()
            && escrow.sender() == &self.run.participant(*side).key.0.0
            && escrow.context() == context.as_bytes();
        is_its.then_some(escrow)
    }

    /// The key in it, for the arbiter; `None` if the escrow is none of this deposit, does not open, or holds another key.
    #[must_use]
    pub fn escrowed(&self, deposited: &Deposited, key: &AgreementKey) -> Option<SecretKey> {
        let hk = Digest(deposited.deposit.sealed.as_ref()?.hk.0);
        self.escrow(deposited)?.open(key).filter(|key| key_hash(key) == hk)
    }

    /// Looks at what came beside a deposit: what a machine makes of it, or why it is not taken. `rules` are those of the run's policy.
    ///
    /// # Errors
    /// [`DepositFault`].
    pub fn looked_at(
        &self,
        deposited: &Deposited,
        beside: &Beside<'_>,
        rules: &[RuleName],
    ) -> Result<MatchResult, DepositFault> {
        let Deposit { side, item_sha256, size, media, result: claimed, sealed } = &deposited.deposit;
        let is = |octets: &[u8], sha256: &Digest, len: u64| octets.len() as u64 == len && Digest::of(octets) == *sha256;
        let opened;
        let octets = match (beside, sealed) {
            (Beside::Item(octets), None) => *octets,
            (Beside::Sealed { content, key }, Some(SealedItem { c_sha256, c_len, hk, .. })) => {
                if !is(content, &Digest(c_sha256.0), c_len.get()) {
                    return Err(DepositFault::OtherItem);
                }
                let key = key.filter(|key| key_hash(key) == Digest(hk.0)).ok_or(DepositFault::Escrow)?;
                opened = open_item(key, &self.run.x, *side, content).ok_or(DepositFault::Sealed)?;
                &opened[..]
            }
            (Beside::Item(_), Some(_)) | (Beside::Sealed { .. }, None) => return Err(DepositFault::OtherItem),
        };
        if !is(octets, &Digest(item_sha256.0), size.get()) {
            // In a ciphertext that is the one which was signed, so it was sealed wrong.
            return Err(if sealed.is_some() { DepositFault::Sealed } else { DepositFault::OtherItem });
        }
        // Its depositor may know better that it is not, never that it is.
        match matches(self.item(*side), &Item::of(octets, media.as_str()), rules).max(*claimed) {
            MatchResult::Mismatch => Err(DepositFault::Mismatch),
            result => Ok(result),
        }
    }

    /// The key to which escrows are sealed.
    #[must_use]
    pub const fn escrow_key(&self) -> Thumbprint {
        self.proposal.ttp.escrow_key
    }

    fn follows<B: Body>(&self, jws: &Jws, side: Side, keys: Keys<'_>) -> Result<B, Broken> {
        if jws.bytes().len() > STATEMENT_BYTES_MAX {
            return Err(Broken::Statement { of: B::TAG, fault: StatementFault::TooLong });
        }
        self.run.follows(jws, side, keys)
    }

    /// A statement that either side may make, by the key that signs it.
    fn of_either<B: Body>(&self, jws: &Jws, keys: Keys<'_>) -> Result<(Side, B), Broken> {
        let side = self.run.side_of(&jws.key_id()).ok_or_else(|| not_allowed::<B>(jws))?;
        self.follows(jws, side, keys).map(|body| (side, body))
    }
}

fn not_allowed<B: Body>(jws: &Jws) -> Broken {
    Broken::NotAllowed { of: B::TAG, key: jws.key_id().to_string() }
}

impl Deposited {
    /// What it moves, for the decision.
    #[must_use]
    pub fn moved(&self) -> Moved {
        Moved { side: self.deposit.side, request: self.jws.x(), item: Digest(self.deposit.item_sha256.0) }
    }
}
