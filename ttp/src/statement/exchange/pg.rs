//! Payment for goods (exchange-and-disputes §8): what a buyer, a seller and a carrier sign.
//!
//! ```text
//! pg/order    buyer → seller   what is bought, for how much, until when: its payload's hash is x, and `pay` of the delivery of digital goods
//! pg/accept   seller → T       the seller wants it; T has the rail hold the money
//! pg/shipped, pg/handed-over   by the carrier that the order names; shipped by the seller where it names none
//! pg/received, pg/rejected     by the buyer: the money is the seller's; the goods are not what was ordered
//! pg/cancel                    by either side before the seller has accepted, by both afterwards
//! ```
//!
//! All that decides about the money stands in the order, so nobody can ask for another amount, rail, time or carrier later.

use serde::{Deserialize, Serialize};

use super::super::{Body, Count, Millis};
use super::{Arbiter, Assurance, FeeBps, Line, Participant};
use crate::b64u::B64u32;
use crate::crypto::jose::Thumbprint;
use crate::money::{Amount, RailId};

/// The body of `pg/order`, schema `schemas/statements/pg.order.json`: what a buyer orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoodsOrder {
    /// The deal that it belongs to, if there is one.
    pub deal: Option<B64u32>,
    /// SHA-256 of the arbiter's policy for exchanges, as it serves it.
    pub policy: B64u32,
    /// Who pays.
    pub buyer: Participant,
    /// Who is paid.
    pub seller: Participant,
    /// Whose word counts for shipping and handing over; null where goods are digital, or the buyer's own word alone counts.
    pub carrier: Option<Participant>,
    /// Who decides, and has the money held.
    pub ttp: Arbiter,
    /// The text of the order, by [`crate::exchange::terms_hash`].
    pub terms: B64u32,
    /// Its media type.
    pub terms_media: Line,
    /// How the goods come.
    pub goods: Goods,
    /// How much.
    pub amount: Amount,
    /// What the service keeps of whatever the seller gets.
    pub fee_bps: FeeBps,
    /// The rail that holds it.
    pub rail: RailId,
    /// The last moment by which the seller has accepted and the money is held.
    pub t_hold: Millis,
    /// The last moment by which physical goods are shipped; null for digital ones.
    pub t_ship: Option<Millis>,
    /// How long the buyer has to reject what was handed over, milliseconds; null where it counts at once, which only digital goods can.
    pub t_accept: Option<Count>,
    /// The last moment by which the goods are there. A delivery of digital goods ends before it.
    pub t_exp: Millis,
    /// What the parties want it to be worth.
    pub assurance: Assurance,
}

/// How goods come to the buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Goods {
    /// By a certified delivery (`cd-r/d1`) of the seller's to the buyer, whose `pay` is the order's x.
    Digital {
        /// What is delivered, as d1 must have it; null where the buyer learns it from d1, and takes it by d2.
        hm: Option<B64u32>,
    },
    /// By hand.
    Physical {},
}

/// The body of `pg/accept`, schema `schemas/statements/pg.accept.json`: the seller takes the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// SHA-256 of the exact order.
    pub order: B64u32,
}

/// The body of `pg/shipped`, schema `schemas/statements/pg.shipped.json`: the goods are on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shipped {}

/// The body of `pg/handed-over`, schema `schemas/statements/pg.handed-over.json`: the carrier gave the goods to the buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandedOver {}

/// The body of `pg/received`, schema `schemas/statements/pg.received.json`: the buyer has the goods, and the money is the seller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Received {}

/// The body of `pg/rejected`, schema `schemas/statements/pg.rejected.json`: the goods are not what was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejected {}

/// The body of `pg/cancel`, schema `schemas/statements/pg.cancel.json`: a side does not want it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {}

impl Body for GoodsOrder {
    const TAG: &'static str = "pg/order";
    const FOLLOWS: bool = false;

    fn signer(&self) -> Option<Thumbprint> {
        Some(self.buyer.key)
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
    Accept = "pg/accept",
    Shipped = "pg/shipped",
    HandedOver = "pg/handed-over",
    Received = "pg/received",
    Rejected = "pg/rejected",
    Cancel = "pg/cancel",
}
