//! The inline exchange (exchange-and-disputes §6): both items pass through the arbiter, which lets both go or neither.
//!
//! ```text
//! i1 O → R        what each gives, until when, to which arbiter        i2 R → O        agrees; both go to T
//! X → T           deposit, with the item beside it                     T → X           nrs, or why it was refused
//! X → T           cancel, while the other has deposited nothing        X → T           waive: what no machine can check is taken as it is
//! ```

use serde::{Deserialize, Serialize};

use super::super::{Body, Count, Millis};
use super::cd_r::{EscrowArbiter, EscrowText};
use super::item::{Fairness, ItemDescriptor, MatchResult};
use super::{Assurance, Line, Participant, Side};
use crate::b64u::B64u32;
use crate::crypto::jose::Thumbprint;
use crate::evidence::codes;

/// The body of `inline/m1`, schema `schemas/statements/inline.m1.json`: what is to be exchanged for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct I1 {
    /// The deal that it belongs to, if there is one.
    pub deal: Option<B64u32>,
    /// SHA-256 of the arbiter's policy for exchanges, as it serves it.
    pub policy: B64u32,
    /// Who proposes it.
    pub o: Participant,
    /// To whom.
    pub r: Participant,
    /// Through whom.
    pub ttp: EscrowArbiter,
    /// What the originator promises, and the responder expects.
    pub o_item: ItemDescriptor,
    /// What the responder promises, and the originator expects.
    pub r_item: ItemDescriptor,
    /// Whether the arbiter gets the items, or their ciphertext and keys.
    pub mode: DepositMode,
    /// What the two descriptions make it worth, by [`crate::exchange::item::fairness`]: told here so that nobody signs without having
    /// been told.
    pub fairness: Fairness,
    /// The last moment for a deposit.
    pub t_dep: Millis,
    /// The last moment at which anything but RETURNED is decided: no earlier than `t_dep`.
    pub t_exp: Millis,
    /// For how long items can be collected after the decision, milliseconds; null for as long as the policy has it.
    pub retention_ms: Option<Count>,
    /// What the parties want it to be worth.
    pub assurance: Assurance,
}

/// How items are deposited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DepositMode {
    /// The octets themselves.
    Content,
    /// Ciphertext, with its key in escrow. The arbiter opens both to check them, and keeps no plaintext.
    Sealed,
}

impl DepositMode {
    /// The stable number, as facts have it.
    #[must_use]
    pub const fn code(self) -> u64 {
        match self {
            Self::Content => 0,
            Self::Sealed => 1,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        [Self::Content, Self::Sealed].into_iter().find(|mode| mode.code() == code)
    }
}

/// The body of `inline/m2`, schema `schemas/statements/inline.m2.json`: the responder agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct I2 {
    /// SHA-256 of the exact JWS that was received.
    pub m1: B64u32,
}

/// The body of `inline/deposit`, schema `schemas/statements/inline.deposit.json`: one side's item, which comes beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deposit {
    /// Whose item it is.
    pub side: Side,
    /// SHA-256 of the item.
    pub item_sha256: B64u32,
    /// Its length, octets.
    pub size: Count,
    /// Its media type, as its depositor says.
    pub media: Line,
    /// What its depositor says that a comparison with the description gives. It cannot better what the arbiter finds, only worsen it.
    pub result: MatchResult,
    /// Where it is sealed: what came instead of the item; else null.
    pub sealed: Option<SealedItem>,
}

/// An item as ciphertext, its key in escrow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedItem {
    /// SHA-256 of C, the ciphertext.
    pub c_sha256: B64u32,
    /// Its length, octets.
    pub c_len: Count,
    /// The key, by [`crate::exchange::inline::sealed::key_hash`].
    pub hk: B64u32,
    /// The key in escrow, a JWE for [`crate::exchange::inline::sealed::escrow_context`].
    pub esc: EscrowText,
}

/// The body of `inline/cancel`, schema `schemas/statements/inline.cancel.json`: one side wants no more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {}

/// The body of `inline/waive`, schema `schemas/statements/inline.waive.json`: one side takes these two items as they are, where a machine
/// cannot tell whether they are what was described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waive {
    /// SHA-256 of the originator's item, as it was deposited.
    pub o_item: B64u32,
    /// SHA-256 of the responder's.
    pub r_item: B64u32,
}

/// The body of `inline/collect`, schema `schemas/statements/inline.collect.json`: one side asks for what is due to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collect {}

/// The body of `inline/registered`, schema `schemas/statements/inline.registered.json`: the arbiter has the agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// i1 and i2, each as the exact JWS that was received.
    pub basis: Vec<String>,
    /// When.
    pub at_ms: Millis,
}

/// The body of `inline/nrs`, schema `schemas/statements/inline.nrs.json`: non-repudiation of submission. The arbiter has one side's item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nrs {
    /// The deposit, as the exact JWS that was received.
    pub deposit: String,
    /// What the comparison of the item with its description gave.
    pub result: MatchResult,
    /// When.
    pub at_ms: Millis,
}

/// The body of `inline/refused`, schema `schemas/statements/inline.refused.json`: a deposit was not taken, and another may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Whose it was.
    pub side: Side,
    /// The deposit, by its payload's hash.
    pub req: B64u32,
    /// Why.
    pub reason: DepositFault,
    /// When.
    pub at_ms: Millis,
}

codes! {
    /// Why a deposit is not taken. Its depositor has signed it, and what came beside it is not that.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    DepositFault {
        /// What came beside it is not what it names, by length and hash.
        OtherItem = 0 "other-item",
        /// Its escrow is none of this deposit, does not open, or holds another key.
        Escrow = 1 "escrow",
        /// Its ciphertext does not decrypt by its key to the item that it names.
        Sealed = 2 "sealed",
        /// The item is not what was described.
        Mismatch = 3 "mismatch",
    }
}

impl Body for I1 {
    const TAG: &'static str = "inline/m1";
    const FOLLOWS: bool = false;

    fn signer(&self) -> Option<Thumbprint> {
        Some(self.o.key)
    }
}

/// Every later one bears `x`.
macro_rules! follows {
    ($($body:ty = $tag:literal,)+) => {
        $(impl Body for $body {
            const TAG: &'static str = $tag;
            const FOLLOWS: bool = true;
        })+
    };
}

follows! {
    I2 = "inline/m2",
    Deposit = "inline/deposit",
    Cancel = "inline/cancel",
    Waive = "inline/waive",
    Collect = "inline/collect",
    Registered = "inline/registered",
    Nrs = "inline/nrs",
    Refused = "inline/refused",
}
