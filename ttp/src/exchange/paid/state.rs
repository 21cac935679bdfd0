//! What is known of one paid run.

use std::collections::BTreeSet;

use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::evidence::codes;
use crate::id::PartyId;
use crate::money::{Amount, RailId};
use crate::statement::exchange::{Assurance, Outcome, Protocol};

use super::super::expiry::{End, Outage, end};
use super::{Cause, Move, PaidDecision, Shown};
use crate::time::Timestamp;

/// How often an order that a rail declines is given after the decision.
pub const MOVES_MAX: u32 = 4;

/// Statements that came too late and are recorded.
pub const LATE_MAX: usize = 16;

codes! {
    /// What the money is for.
    Thing {
        /// Goods that a certified delivery brings.
        Digital = 0 "digital",
        /// Goods that a hand brings.
        Physical = 1 "physical",
        /// A receipt.
        Receipt = 2 "receipt",
    }
}

/// What the first statement of a paid run fixes, as far as decisions need it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The run.
    pub x: Digest,
    /// By which rules.
    pub protocol: Protocol,
    /// What the money is for.
    pub thing: Thing,
    /// The policy that the parties have agreed on.
    pub policy: Digest,
    /// What they want it to be worth.
    pub assurance: Assurance,
    /// Who pays, and with which key it signs.
    pub payer: (PartyId, Thumbprint),
    /// Who is paid, and with which key it signs.
    pub payee: (PartyId, Thumbprint),
    /// How much.
    pub amount: Amount,
    /// What the service keeps of it.
    pub fee_bps: u16,
    /// The rail that holds it.
    pub rail: RailId,
    /// The last moment by which it is held, milliseconds since 1970; of a payment for a receipt, the end.
    pub t_hold: u64,
    /// The last moment by which physical goods are shipped.
    pub t_ship: Option<u64>,
    /// How long goods may be rejected, milliseconds.
    pub t_accept: Option<u64>,
    /// The end, milliseconds since 1970.
    pub t_exp: u64,
}

impl Terms {
    /// The last moment at which the rules alone may still move the money: goods that came with the end are rejected with the end of the
    /// time for that, and then the seller has as long to open a case. `None` beyond what a clock shows.
    #[must_use]
    pub fn last_ms(&self) -> Option<u64> {
        let window = self.t_accept.unwrap_or_default();
        let last = self.t_exp.checked_add(window)?.checked_add(window)?;
        (last <= Timestamp::MAX.millis()).then_some(last)
    }
}

/// How far a paid run has come. The names are those of the specification, where it has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Nobody has begun it.
    #[default]
    None,
    /// The first statement is there.
    Ordered,
    /// The seller has taken the order; the money is asked for.
    Accepted,
    /// It is held.
    Held,
    /// The goods are on their way.
    Shipped,
    /// They are there, and may be rejected until then.
    HandedOver {
        /// Milliseconds since 1970.
        due_ms: u64,
    },
    /// They were rejected: unless somebody opens a case until then, the money goes back.
    Rejected {
        /// Milliseconds since 1970.
        due_ms: u64,
    },
    /// The receipt is in hand, and the capture ordered.
    Capturing,
    /// A case has moved the money.
    Closed,
    /// It is decided.
    Decided,
}

impl Stage {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Ordered => "ORDERED",
            Self::Accepted => "ACCEPTED",
            Self::Held => "HELD",
            Self::Shipped => "SHIPPED",
            Self::HandedOver { .. } => "HANDED_OVER",
            Self::Rejected { .. } => "REJECTED",
            Self::Capturing => "CAPTURING",
            Self::Closed => "CLOSED",
            Self::Decided => "DECIDED",
        }
    }
}

/// Where the money is, as far as was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Holding {
    /// Nothing was told: it was not asked for, or the answer is not known.
    #[default]
    Unknown,
    /// The rail declined to hold it.
    Declined,
    /// It is held.
    Held,
    /// It is the payee's.
    Captured,
    /// It went back.
    Returned,
}

/// A statement that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shelved {
    /// What it says.
    pub what: Shown,
    /// Hash of its payload.
    pub statement: Digest,
    /// The step of the run's history that tells of it, whose artefact it is.
    pub step: u64,
    /// False for one that came too late.
    pub counts: bool,
}

/// A moment at which time itself decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The last moment before that, milliseconds since 1970.
    pub at_ms: u64,
    /// What is then decided.
    pub outcome: Outcome,
}

/// The state of a paid run; the default is one that nobody has begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PaidState {
    /// What it is about.
    pub terms: Option<Box<Terms>>,
    /// How far it has come.
    pub stage: Stage,
    /// Where the money is.
    pub holding: Holding,
    /// How often the rail has declined the order that follows from the stage.
    pub declined: u32,
    /// Statements that were shown, oldest first.
    pub shown: Vec<Shelved>,
    /// What brought the run to its stage.
    pub ground: Vec<Shown>,
    /// What is to be decided, by what was shown or told: at once, unless a case has stopped it.
    pub reached: Option<(Outcome, Cause)>,
    /// The delivery of digital goods, by its x.
    pub delivery: Option<Digest>,
    /// The case that stopped it.
    pub frozen: Option<Digest>,
    /// What was told of the money, by the facts that say so.
    pub told: BTreeSet<Digest>,
    /// What was decided, and the step of its history that says so.
    pub decision: Option<(u64, PaidDecision)>,
    /// Facts so far.
    pub steps: u64,
}

impl PaidState {
    /// The next moment at which time decides, as the parties have agreed on it: what a timer is set to, with what the arbiter's absence adds
    /// ([`PaidState::passed`]).
    #[must_use]
    pub fn due(&self) -> Option<Due> {
        let terms = self.terms.as_ref()?;
        let (at_ms, outcome) = match self.stage {
            Stage::Ordered | Stage::Accepted => (terms.t_hold, Outcome::Expired),
            Stage::Held => (terms.t_ship.unwrap_or(terms.t_exp), Outcome::Released),
            Stage::Shipped => (terms.t_exp, Outcome::Released),
            Stage::HandedOver { due_ms } => (due_ms, Outcome::Captured),
            Stage::Rejected { due_ms } => (due_ms, Outcome::Released),
            Stage::None | Stage::Capturing | Stage::Closed | Stage::Decided => return None,
        };
        Some(Due { at_ms, outcome })
    }

    /// What time has decided, and when it did, if nothing was reached before.
    #[must_use]
    pub fn passed(&self, delta_ms: u64, outages: &[Outage], now: Timestamp) -> Option<(Outcome, End)> {
        let due = self.due().filter(|_| self.reached.is_none())?;
        let end = end(due.at_ms, delta_ms, outages);
        end.has_passed(now).then_some((due.outcome, end))
    }

    /// The order about the money that is to be given, if any: to be given again after a crash, since by its name it is carried out once.
    #[must_use]
    pub fn pending_move(&self) -> Option<Move> {
        let terms = self.terms.as_ref().filter(|_| self.frozen.is_none())?;
        let hold = Move::Hold { until_ms: terms.last_ms()? };
        let capture = Move::Capture { amount: terms.amount };
        let outcome = self.decision.as_ref().map(|(_, decision)| decision.outcome);
        match (self.stage, self.holding) {
            (Stage::Ordered, Holding::Unknown) => (terms.thing == Thing::Receipt).then_some(hold),
            (Stage::Accepted, Holding::Unknown) => Some(hold),
            (Stage::Capturing, Holding::Held) => Some(capture),
            (Stage::Decided, Holding::Held) if self.declined < MOVES_MAX => match outcome {
                Some(Outcome::Captured) => Some(capture),
                _ => Some(Move::Release),
            },
            _ => None,
        }
    }

    /// Whether the rail has declined what was decided so often that people must settle it: the verdict stands, and the money does not follow.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.stage == Stage::Decided && self.holding == Holding::Held && self.declined >= MOVES_MAX
    }

    /// Whether this very statement was shown. A payload alone may be signed by both sides, to cancel.
    pub(super) fn knows(&self, what: Shown, statement: &Digest) -> bool {
        self.shown.iter().any(|known| (known.what, known.statement) == (what, *statement))
    }

    /// The first statement of its kind that counts.
    #[must_use]
    pub fn find(&self, what: Shown) -> Option<&Shelved> {
        self.shown.iter().find(|known| known.what == what && known.counts)
    }

    /// The statements that a verdict embeds behind the first one, in their order.
    #[must_use]
    pub fn basis(&self, outcome: Outcome, cause: Cause) -> Vec<Shelved> {
        let is_receipt = self.terms.as_ref().is_some_and(|terms| terms.thing == Thing::Receipt);
        let accepted = [Shown::Accepted].into_iter().filter(|_| !is_receipt);
        // Of an end that came before anything was there, nothing but that is told.
        let in_vain = cause == Cause::Time && !matches!(self.stage, Stage::HandedOver { .. } | Stage::Rejected { .. });
        let ground = self.ground.iter().copied().filter(|_| !in_vain && outcome != Outcome::Expired);
        accepted.chain(ground).filter_map(|what| self.find(what)).copied().collect()
    }
}
