//! What is known of the money of one run.

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::evidence::codes;
use crate::id::PartyId;
use crate::money::{Amount, Shares};
use crate::time::Timestamp;

use super::rail::{DeclineCode, RailCall, RailClass, RailId, RailOp, rail_key};
use super::{Authority, Bearer, Order};

/// Calls of one kind in one run: each but the last was declined, or is a part of a refund.
pub const ATTEMPTS_MAX: u32 = 16;

/// What a rail tells unasked in one run and is recorded: chargebacks, payouts, what it puts in suspense.
pub const REPORTS_MAX: usize = 64;

/// What is agreed about the money of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The run.
    pub x: Digest,
    /// Which rail holds it.
    pub rail: RailId,
    /// Where it is meanwhile.
    pub class: RailClass,
    /// Whose it was.
    pub payer: PartyId,
    /// Whose it is to become.
    pub payee: PartyId,
    /// How much.
    pub amount: Amount,
    /// What the service keeps of whatever is captured, in basis points.
    pub fee_bps: u16,
    /// Until when it is to be held.
    pub until: Timestamp,
}

impl Terms {
    /// What the payee and what the service get of a captured amount.
    #[must_use]
    pub fn parted(&self, captured: u64) -> (u64, u64) {
        let shares = Shares::first(self.fee_bps);
        let amount = Amount::new(captured, self.amount.currency());
        // Neither fails for terms that a decision let pass: without them the payee gets all.
        match (shares, amount) {
            (Some(shares), Some(amount)) => {
                let fee = amount.split(&shares).first().map_or(0, Amount::minor);
                (captured - fee, fee)
            }
            _ => (captured, 0),
        }
    }
}

codes! {
    /// Where the money of a hold is now.
    Place {
        /// A bank holds it.
        Auth = 0 "auth",
        /// The service has it, since its rail is funded.
        Funded = 1 "funded",
        /// The service has it, since a bank's hold was turned into that: it goes back as a refund.
        Escrowed = 2 "escrowed",
    }
}

/// The amounts of a hold, in minor units of its currency.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// What is agreed.
    pub terms: Terms,
    /// Where what is held is.
    pub place: Place,
    /// When the hold ends by itself.
    pub expires_at: Option<Timestamp>,
    /// What became the payee's and the service's.
    pub captured: u64,
    /// What went back without.
    pub returned: u64,
    /// What went back of the captured.
    pub refunded: u64,
    /// What the payer's bank took back of what had come in.
    pub charged_back: u64,
    /// What was paid out to the payee.
    pub paid_out: u64,
    /// The call that took the money from the payer's bank, or from the escrow.
    pub capture_seq: Option<u32>,
}

impl Money {
    /// Before a rail said anything.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        let place = match terms.class {
            RailClass::Funded => Place::Funded,
            RailClass::Auth => Place::Auth,
        };
        Self {
            terms,
            place,
            expires_at: None,
            captured: 0,
            returned: 0,
            refunded: 0,
            charged_back: 0,
            paid_out: 0,
            capture_seq: None,
        }
    }

    /// What is still held.
    #[must_use]
    pub fn rest(&self) -> u64 {
        self.terms.amount.minor().saturating_sub(self.captured).saturating_sub(self.returned)
    }

    /// What may still be refunded.
    #[must_use]
    pub fn refundable(&self) -> u64 {
        self.captured.saturating_sub(self.refunded).saturating_sub(self.charged_back)
    }

    /// What the service ever got of this hold and did not give back before it was captured: so much a bank can take back.
    pub(super) fn came_in(&self) -> u64 {
        match self.place {
            Place::Auth => self.captured,
            Place::Funded | Place::Escrowed => self.terms.amount.minor(),
        }
    }

    /// An amount of this hold's currency. What a decision lets pass is never more than the hold.
    #[must_use]
    pub fn amount(&self, minor: u64) -> Amount {
        Amount::new(minor, self.terms.amount.currency()).unwrap_or(self.terms.amount)
    }

    /// The call as a rail is asked it.
    #[must_use]
    pub fn rail_call(&self, call: &Call) -> RailCall {
        let x = self.terms.x;
        let on = match call.op {
            RailOp::Hold => None,
            RailOp::Capture | RailOp::Release => Some(rail_key(&x, RailOp::Hold, 0)),
            RailOp::Refund => self.capture_seq.map(|seq| rail_key(&x, RailOp::Capture, seq)),
        };
        RailCall {
            rail: self.terms.rail.clone(),
            key: rail_key(&x, call.op, call.seq),
            op: call.op,
            x,
            on,
            amount: self.amount(call.amount),
            until: self.terms.until,
        }
    }
}

codes! {
    /// What a call is for.
    Purpose {
        /// To hold the money.
        Hold = 0 "hold",
        /// To make it the payee's.
        Capture = 1 "capture",
        /// To give it back.
        Release = 2 "release",
        /// To give back of what was captured.
        Refund = 3 "refund",
        /// To turn a bank's hold into money that the service has.
        Escrow = 4 "escrow",
    }
}

/// What a rail is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// What for.
    pub purpose: Purpose,
    /// By which operation: money in escrow is released by a refund.
    pub op: RailOp,
    /// Which call of that operation in this run.
    pub seq: u32,
    /// How much.
    pub amount: u64,
    /// By whose word.
    pub order: Order,
}

/// How far the money of a run has come. The names are those of the specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Nobody has asked for a hold.
    #[default]
    None,
    /// The rail is asked for one.
    Requested(Box<Money>, Call),
    /// It declined.
    Declined(Box<Money>, DeclineCode),
    /// It is held, or the rest is, after a part was captured and the rail declined to let go of the rest.
    Held(Box<Money>),
    /// The rail is asked to turn a bank's hold into money that the service has.
    Escrowing(Box<Money>, Call),
    /// The rail is asked to capture.
    Capturing(Box<Money>, Call),
    /// The rail is asked to release.
    Releasing(Box<Money>, Call),
    /// Captured.
    Captured(Box<Money>),
    /// The rail is asked to refund.
    Refunding(Box<Money>, Call),
    /// Refunded in part or whole.
    Refunded(Box<Money>),
    /// The payer's bank took it back.
    ChargedBack(Box<Money>),
    /// It went back.
    Released(Box<Money>),
    /// The hold ended by itself.
    Expired(Box<Money>),
}

impl Stage {
    /// The stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Requested(..) => "REQUESTED",
            Self::Declined(..) => "DECLINED",
            Self::Held(_) => "HELD",
            Self::Escrowing(..) => "ESCROWING",
            Self::Capturing(..) => "CAPTURING",
            Self::Releasing(..) => "RELEASING",
            Self::Captured(_) => "CAPTURED",
            Self::Refunding(..) => "REFUNDING",
            Self::Refunded(_) => "REFUNDED",
            Self::ChargedBack(_) => "CHARGED_BACK",
            Self::Released(_) => "RELEASED",
            Self::Expired(_) => "EXPIRED",
        }
    }

    /// The amounts, once there are any.
    #[must_use]
    pub fn money(&self) -> Option<&Money> {
        match self {
            Self::None => None,
            Self::Requested(money, _)
            | Self::Declined(money, _)
            | Self::Held(money)
            | Self::Escrowing(money, _)
            | Self::Capturing(money, _)
            | Self::Releasing(money, _)
            | Self::Captured(money)
            | Self::Refunding(money, _)
            | Self::Refunded(money)
            | Self::ChargedBack(money)
            | Self::Released(money)
            | Self::Expired(money) => Some(money),
        }
    }

    /// The call that has no answer yet.
    #[must_use]
    pub const fn call(&self) -> Option<&Call> {
        match self {
            Self::Requested(_, call)
            | Self::Escrowing(_, call)
            | Self::Capturing(_, call)
            | Self::Releasing(_, call)
            | Self::Refunding(_, call) => Some(call),
            Self::None
            | Self::Declined(..)
            | Self::Held(_)
            | Self::Captured(_)
            | Self::Refunded(_)
            | Self::ChargedBack(_)
            | Self::Released(_)
            | Self::Expired(_) => None,
        }
    }
}

/// A case stopped what the exchange decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frozen {
    /// Which.
    pub case: Digest,
    /// How long it may last.
    pub needed_until: Timestamp,
}

/// A call whose answer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answered {
    /// Of which operation.
    pub op: RailOp,
    /// Which of them.
    pub seq: u32,
    /// Done, or declined.
    pub is_done: bool,
}

/// An amount whose bearer is not known yet, or was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Suspended {
    /// By what it got there: SHA-256 of the rail's evidence.
    pub item: Digest,
    /// Which way it moved.
    pub moved: super::Moved,
    /// How much.
    pub amount: u64,
    /// True where a rail contradicted itself, false for a chargeback.
    pub is_contradiction: bool,
    /// Who bears it.
    pub bearer: Option<Bearer>,
}

/// The state of a run's money; the default is one that nobody has asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PaymentState {
    /// How far it has come.
    pub stage: Stage,
    /// The case that stopped it.
    pub frozen: Option<Frozen>,
    /// Calls whose answer is known, oldest first.
    pub answered: Vec<Answered>,
    /// Orders that were carried out.
    pub orders: BTreeSet<Digest>,
    /// Evidence that was recorded.
    pub evidence: BTreeSet<Digest>,
    /// Amounts in suspense, oldest first.
    pub suspense: Vec<Suspended>,
    /// Facts so far.
    pub steps: u64,
}

impl PaymentState {
    /// The call whose answer is not known: what a shell that starts again must settle, by [`RailCall::settle`].
    #[must_use]
    pub fn pending(&self) -> Option<RailCall> {
        let (money, call) = (self.stage.money()?, self.stage.call()?);
        // What the service has itself is captured without a rail.
        Some(money.rail_call(call))
    }

    /// Whether the third party can still annul the payment (`recovery: revocable` in an item's description): it is held whole, and will be
    /// for as long as the hold lasts.
    #[must_use]
    pub fn is_revocable(&self, now: Timestamp) -> bool {
        let Stage::Held(money) = &self.stage else { return false };
        money.captured == 0 && money.expires_at.is_none_or(|at| money.place != Place::Auth || now < at)
    }

    /// When the hold ends by itself, while that matters. Whoever is shown the money is shown this.
    #[must_use]
    pub fn hold_expires_at(&self) -> Option<Timestamp> {
        let money = self.stage.money()?;
        if money.rest() > 0 && money.place == Place::Auth { money.expires_at } else { None }
    }

    /// True while a rail contradicts itself and nobody has cleared that.
    #[must_use]
    pub fn is_contradicted(&self) -> bool {
        self.suspense.iter().any(|item| item.is_contradiction && item.bearer.is_none())
    }

    /// True while a chargeback has no bearer.
    pub(super) fn has_open_chargeback(&self) -> bool {
        self.suspense.iter().any(|item| !item.is_contradiction && item.bearer.is_none())
    }

    /// True if this order was carried out, or is being.
    pub(super) fn knows_order(&self, order: &Order) -> bool {
        self.orders.contains(&order.id) || self.stage.call().is_some_and(|call| call.order.id == order.id)
    }

    /// The call that a decision now makes, unless there were too many.
    pub(super) fn next_call(&self, purpose: Purpose, op: RailOp, amount: u64, order: Order) -> Option<Call> {
        let seq = self.answered.iter().filter(|answered| answered.op == op).count();
        let seq = u32::try_from(seq).ok().filter(|seq| *seq < ATTEMPTS_MAX)?;
        Some(Call { purpose, op, seq, amount, order })
    }

    /// What a conversion into escrow follows: the rules, on account of a case.
    pub(super) const fn order_of_case(frozen: &Frozen) -> Order {
        Order { id: frozen.case, by: Authority::Exchange }
    }
}
