//! Payment for a receipt (exchange-and-disputes §8): the payee signs first, and its receipt counts once the arbiter says that it was paid.
//!
//! ```text
//! pr/offer     payer → T    how much to whom for which receipt: its payload's hash is x; T has the rail hold the money
//! pr/receipt   payee → T    "this plus a verdict CAPTURED for x is my receipt"; only with it in hand T captures
//! ```

use serde::{Deserialize, Serialize};

use super::super::{Body, Millis};
use super::{Arbiter, Assurance, FeeBps, Line, Participant};
use crate::b64u::B64u32;
use crate::crypto::jose::Thumbprint;
use crate::money::{Amount, RailId};

/// The body of `pr/offer`, schema `schemas/statements/pr.offer.json`: what a payer pays for a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentOffer {
    /// The deal that it belongs to, if there is one.
    pub deal: Option<B64u32>,
    /// SHA-256 of the arbiter's policy for exchanges, as it serves it.
    pub policy: B64u32,
    /// Who pays.
    pub payer: Participant,
    /// Who is paid.
    pub payee: Participant,
    /// Who decides, and has the money held.
    pub ttp: Arbiter,
    /// The text of the receipt, by [`crate::exchange::terms_hash`].
    pub receipt: B64u32,
    /// Its media type.
    pub receipt_media: Line,
    /// How much.
    pub amount: Amount,
    /// What the service keeps of it.
    pub fee_bps: FeeBps,
    /// The rail that holds it.
    pub rail: RailId,
    /// The last moment by which the payee has given its receipt.
    pub t_exp: Millis,
    /// What the parties want it to be worth.
    pub assurance: Assurance,
}

/// The body of `pr/receipt`, schema `schemas/statements/pr.receipt.json`: with a verdict CAPTURED of the same run, the payee's receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentReceipt {
    /// SHA-256 of the exact offer.
    pub offer: B64u32,
    /// The text of the receipt, as the offer has it.
    pub receipt: B64u32,
}

impl Body for PaymentOffer {
    const TAG: &'static str = "pr/offer";
    const FOLLOWS: bool = false;

    fn signer(&self) -> Option<Thumbprint> {
        Some(self.payer.key)
    }
}

impl Body for PaymentReceipt {
    const TAG: &'static str = "pr/receipt";
    const FOLLOWS: bool = true;
}
