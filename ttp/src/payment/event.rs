//! What is asked about the money of a run, and what rails tell of it, checked and with all that the decision needs.

use crate::digest::Digest;
use crate::money::Amount;
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

use super::rail::{DeclineCode, RailAnswer};
use super::{Bearer, Terms};

/// An event with the clock's judgement of the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clocked {
    /// What happens.
    pub event: PaymentEvent,
    /// Whether the clock may assert a time.
    pub clock: ClockVerdict,
}

/// Something that concerns the money of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentEvent {
    /// Money is to be held.
    Hold {
        /// All that is agreed about it.
        terms: Box<Terms>,
        /// Who says so.
        order: Order,
    },
    /// It, or a part, is to become the payee's; the rest goes back.
    Capture {
        /// How much.
        amount: Amount,
        /// Who says so.
        order: Order,
    },
    /// What is held is to go back.
    Release {
        /// Who says so.
        order: Order,
    },
    /// Of what was captured, so much is to go back.
    Refund {
        /// How much.
        amount: Amount,
        /// Who says so.
        order: Order,
    },
    /// A case was opened about it.
    Freeze {
        /// Which.
        case: Digest,
        /// How long it may last.
        needed_until: Timestamp,
    },
    /// That case is over.
    Thaw {
        /// Which.
        case: Digest,
    },
    /// It was decided who bears an amount in suspense.
    Clear {
        /// Which: the evidence by which it got there.
        item: Digest,
        /// Who bears it, or gets it: the payee or the service.
        bearer: Bearer,
        /// Who says so.
        order: Order,
    },
    /// A call ended, as its answer, a question for its status or a callback tells.
    Outcome {
        /// Of the call.
        key: Digest,
        /// How.
        told: Told,
    },
    /// The rail let the hold end.
    Expire {
        /// How much went back.
        amount: Amount,
        /// What it signed.
        evidence: Digest,
    },
    /// The payer's bank took money back.
    ChargeBack {
        /// How much.
        amount: Amount,
        /// What the rail signed.
        evidence: Digest,
    },
    /// The rail paid the payee out.
    PayOut {
        /// How much.
        amount: Amount,
        /// What the rail signed.
        evidence: Digest,
    },
    /// The rail made good what it had done wrong, or gave a chargeback back.
    MakeGood {
        /// Which amount in suspense: the evidence by which it got there.
        item: Digest,
        /// What the rail signed.
        evidence: Digest,
    },
}

/// By whose word money moves, and by which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// Hash of what orders it: a statement, a verdict. The same order is carried out once.
    pub id: Digest,
    /// Whose it is.
    pub by: Authority,
}

/// Whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authority {
    /// The rules of the exchange.
    Exchange,
    /// The verdict of a case.
    Verdict {
        /// Which.
        case: Digest,
    },
    /// What the parties to a case agreed on.
    Settlement {
        /// Which.
        case: Digest,
    },
}

impl Authority {
    /// The case behind it.
    #[must_use]
    pub const fn case(&self) -> Option<Digest> {
        match self {
            Self::Exchange => None,
            Self::Verdict { case } | Self::Settlement { case } => Some(*case),
        }
    }

    /// The stable number, as facts have it.
    #[must_use]
    pub const fn code(&self) -> u64 {
        match self {
            Self::Exchange => 0,
            Self::Verdict { .. } => 1,
            Self::Settlement { .. } => 2,
        }
    }

    /// From number and case; `None` for a pair that is none.
    #[must_use]
    pub const fn from_parts(code: u64, case: Option<Digest>) -> Option<Self> {
        match (code, case) {
            (0, None) => Some(Self::Exchange),
            (1, Some(case)) => Some(Self::Verdict { case }),
            (2, Some(case)) => Some(Self::Settlement { case }),
            _ => None,
        }
    }
}

/// How a call ended, without the octets of the evidence, which the shell keeps beside the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is done.
    Done {
        /// With how much.
        amount: Amount,
        /// Of a hold: when it ends by itself.
        expires_at: Option<Timestamp>,
        /// SHA-256 of what the rail signed.
        evidence: Digest,
    },
    /// It will not be done.
    Declined(DeclineCode),
    /// It will not be done, since the hold had ended.
    Ended {
        /// How much went back.
        amount: Amount,
        /// SHA-256 of what the rail signed.
        evidence: Digest,
    },
    /// Nobody can tell yet.
    Unknown,
}

impl From<&RailAnswer> for Told {
    fn from(answer: &RailAnswer) -> Self {
        match answer {
            RailAnswer::Done(done) => {
                Self::Done { amount: done.amount, expires_at: done.expires_at, evidence: done.evidence.sha256() }
            }
            RailAnswer::Declined(code) => Self::Declined(*code),
            RailAnswer::Ended(ended) => Self::Ended { amount: ended.amount, evidence: ended.evidence.sha256() },
            RailAnswer::Unknown => Self::Unknown,
        }
    }
}
