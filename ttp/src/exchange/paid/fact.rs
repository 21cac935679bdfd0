//! What was decided about a paid run, and what it rests on.

use crate::cbor::{self, Reader, Writer};
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::evidence::{ExchangeKind, FactError, Kind, Recorded, codes, read_time};
use crate::id::PartyId;
use crate::money::{Amount, BPS_WHOLE, Currency, RailId};
use crate::statement::exchange::{Assurance, Outcome, Protocol};
use crate::time::Timestamp;

use super::super::expiry::End;
use super::super::fact::{read_digest, read_end, read_key, write_digest, write_end};
use super::{Terms, Thing};

/// The most statements that a verdict embeds behind the first one.
const BASIS_MAX: u64 = 4;

/// A fact of role 5 about a paid run. Each body is an array that begins `[x, at ms, …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaidFact {
    /// A run was begun; the artefact is its first statement. `protocol, thing, policy, assurance, payer, its key, payee, its key, amount,
    /// currency, fee bps, rail, t_hold ms, t_ship ms / null, t_accept ms / null, t_exp ms`.
    Opened {
        /// When.
        at: Timestamp,
        /// What it is about.
        terms: Box<Terms>,
    },
    /// A statement was shown, which is the artefact. `what, statement, by, delivery / null, counts`.
    Shown {
        /// The run.
        x: Digest,
        /// When.
        at: Timestamp,
        /// What it says.
        what: Shown,
        /// Hash of its payload.
        statement: Digest,
        /// The key that signed it.
        by: Thumbprint,
        /// The delivery that it is about.
        delivery: Option<Digest>,
        /// False if it came too late.
        counts: bool,
    },
    /// Something was told of the money. `what, source`.
    Told {
        /// The run.
        x: Digest,
        /// When.
        at: Timestamp,
        /// What.
        what: Told,
        /// The fact of role 8 that says so.
        source: Digest,
    },
    /// A case stopped the run. `case`.
    Frozen {
        /// The run.
        x: Digest,
        /// When.
        at: Timestamp,
        /// Which case.
        case: Digest,
    },
    /// It no longer does. `case`.
    Thawed {
        /// The run.
        x: Digest,
        /// When.
        at: Timestamp,
        /// Which case.
        case: Digest,
    },
    /// The run was decided; the artefact is the verdict. `protocol, outcome, cause, policy, assurance, [end ms, [outage…]] / null, payer's key,
    /// payee's key, [step…]`.
    Decided(Box<PaidDecision>),
}

/// The one decision of a paid run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PaidDecision {
    /// The run.
    pub x: Digest,
    /// When.
    pub at: Timestamp,
    /// By which rules.
    pub protocol: Protocol,
    /// What.
    pub outcome: Outcome,
    /// By what.
    pub cause: Cause,
    /// The policy that the parties had agreed on.
    pub policy: Digest,
    /// What they wanted it to be worth.
    pub assurance: Assurance,
    /// The moment that had passed, where time decided.
    pub end: Option<End>,
    /// The payer's key.
    pub payer: Thumbprint,
    /// The payee's.
    pub payee: Thumbprint,
    /// The statements that the verdict embeds behind the first one, by the steps of the run's history that tell of them.
    pub basis: Vec<u64>,
}

codes! {
    /// What a statement that was shown says.
    Shown {
        /// The seller takes the order.
        Accepted = 0 "accepted",
        /// The goods are on their way.
        Shipped = 1 "shipped",
        /// The carrier gave them to the buyer.
        HandedOver = 2 "handed-over",
        /// The buyer has them, and the money is the seller's.
        Received = 3 "received",
        /// They are not what was ordered.
        Rejected = 4 "rejected",
        /// The payer takes it back.
        CancelledByPayer = 5 "cancelled-by-payer",
        /// The payee does.
        CancelledByPayee = 6 "cancelled-by-payee",
        /// The payee's receipt, for the case that it is paid.
        Receipt = 7 "receipt",
        /// The seller's delivery of digital goods: its first statement.
        Posted = 8 "posted",
        /// The buyer's receipt for that delivery.
        Delivered = 9 "delivered",
        /// The verdict by which its key is there for the buyer.
        Released = 10 "released",
        /// The verdict by which it came to nothing.
        Returned = 11 "returned",
    }
}

codes! {
    /// What is told of the money.
    Told {
        /// It is held.
        Held = 0 "held",
        /// The rail declined to hold it.
        HoldDeclined = 1 "hold-declined",
        /// It is the payee's.
        Captured = 2 "captured",
        /// It went back.
        Released = 3 "released",
        /// The hold ended by itself.
        Ended = 4 "ended",
        /// The rail declined for good what was ordered last.
        Declined = 5 "declined",
    }
}

codes! {
    /// What a decision came of.
    Cause {
        /// A moment had passed.
        Time = 0 "time",
        /// Statements were shown.
        Shown = 1 "shown",
        /// The rail had done, or declined, what was ordered.
        Money = 2 "money",
    }
}

impl PaidFact {
    /// The run that it is of.
    #[must_use]
    pub fn x(&self) -> Digest {
        match self {
            Self::Opened { terms, .. } => terms.x,
            Self::Decided(decision) => decision.x,
            Self::Shown { x, .. } | Self::Told { x, .. } | Self::Frozen { x, .. } | Self::Thawed { x, .. } => *x,
        }
    }

    /// When, as it states.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Decided(decision) => decision.at,
            Self::Opened { at, .. }
            | Self::Shown { at, .. }
            | Self::Told { at, .. }
            | Self::Frozen { at, .. }
            | Self::Thawed { at, .. } => *at,
        }
    }
}

fn write_millis(millis: Option<u64>, w: &mut Writer) {
    match millis {
        Some(millis) => w.uint(millis),
        None => w.null(),
    };
}

fn read_millis(r: &mut Reader<'_>) -> Result<Option<u64>, cbor::Error> {
    if r.null() { Ok(None) } else { r.uint().map(Some) }
}

impl Recorded for PaidFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        Kind::Exchange(match self {
            Self::Opened { .. } => ExchangeKind::PaidOpened,
            Self::Shown { .. } => ExchangeKind::PaidShown,
            Self::Told { .. } => ExchangeKind::PaidMoney,
            Self::Frozen { .. } => ExchangeKind::PaidFrozen,
            Self::Thawed { .. } => ExchangeKind::PaidThawed,
            Self::Decided(_) => ExchangeKind::PaidDecided,
        })
    }

    fn write_body(&self, w: &mut Writer) {
        let items = match self {
            Self::Opened { .. } => 18,
            Self::Shown { .. } => 7,
            Self::Told { .. } => 4,
            Self::Frozen { .. } | Self::Thawed { .. } => 3,
            Self::Decided(_) => 11,
        };
        w.array(items).bytes(self.x().as_bytes()).uint(self.at().millis());
        match self {
            Self::Opened { at: _, terms } => write_terms(terms, w),
            Self::Shown { what, statement, by, delivery, counts, .. } => {
                w.uint(what.code()).bytes(statement.as_bytes()).bytes(by.0.as_bytes());
                write_digest(delivery.as_ref(), w);
                w.bool(*counts);
            }
            Self::Told { what, source, .. } => {
                w.uint(what.code()).bytes(source.as_bytes());
            }
            Self::Frozen { case, .. } | Self::Thawed { case, .. } => {
                w.bytes(case.as_bytes());
            }
            Self::Decided(decision) => {
                let PaidDecision { protocol, outcome, cause, policy, assurance, end, payer, payee, basis, .. } =
                    &**decision;
                w.uint(protocol.code()).uint(outcome.code()).uint(cause.code());
                w.bytes(policy.as_bytes()).uint(assurance.code());
                write_end(end.as_ref(), w);
                w.bytes(payer.0.as_bytes()).bytes(payee.0.as_bytes()).array(basis.len());
                for step in basis {
                    w.uint(*step);
                }
            }
        }
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        let none = FactError::OtherKind { found: kind };
        let Kind::Exchange(kind) = kind else { return Err(none) };
        let mut head = |items| -> Result<(Digest, Timestamp), FactError> {
            r.array(items)?;
            Ok((Digest(r.fixed()?), read_time(r)?))
        };
        Ok(match kind {
            ExchangeKind::PaidOpened => {
                let (x, at) = head(18)?;
                Self::Opened { at, terms: Box::new(read_terms(x, r)?) }
            }
            ExchangeKind::PaidShown => {
                let (x, at) = head(7)?;
                let (what, statement) = (r.code(Shown::from_code)?, Digest(r.fixed()?));
                Self::Shown { x, at, what, statement, by: read_key(r)?, delivery: read_digest(r)?, counts: r.bool()? }
            }
            ExchangeKind::PaidMoney => {
                let (x, at) = head(4)?;
                Self::Told { x, at, what: r.code(Told::from_code)?, source: Digest(r.fixed()?) }
            }
            ExchangeKind::PaidFrozen => {
                let (x, at) = head(3)?;
                Self::Frozen { x, at, case: Digest(r.fixed()?) }
            }
            ExchangeKind::PaidThawed => {
                let (x, at) = head(3)?;
                Self::Thawed { x, at, case: Digest(r.fixed()?) }
            }
            ExchangeKind::PaidDecided => {
                let (x, at) = head(11)?;
                Self::Decided(Box::new(PaidDecision {
                    x,
                    at,
                    protocol: r.code(Protocol::from_code)?,
                    outcome: r.code(Outcome::from_code)?,
                    cause: r.code(Cause::from_code)?,
                    policy: Digest(r.fixed()?),
                    assurance: r.code(Assurance::from_code)?,
                    end: read_end(r)?,
                    payer: read_key(r)?,
                    payee: read_key(r)?,
                    basis: read_basis(r)?,
                }))
            }
            ExchangeKind::Aborted
            | ExchangeKind::Resolved
            | ExchangeKind::Expired
            | ExchangeKind::Answer
            | ExchangeKind::Anomaly
            | ExchangeKind::Released
            | ExchangeKind::Void
            | ExchangeKind::KeyDeposited
            | ExchangeKind::KeyCollected
            | ExchangeKind::Registered
            | ExchangeKind::Submitted
            | ExchangeKind::SubmissionRefused
            | ExchangeKind::Waived
            | ExchangeKind::InlineReleased
            | ExchangeKind::Returned
            | ExchangeKind::ItemCollected
            | ExchangeKind::ItemsErased
            | ExchangeKind::ItemKept
            | ExchangeKind::DeliveryEvent
            | ExchangeKind::DeliverySubmitted => return Err(none),
        })
    }
}

fn write_terms(terms: &Terms, w: &mut Writer) {
    // The run stands in front.
    let Terms {
        x: _,
        protocol,
        thing,
        policy,
        assurance,
        payer,
        payee,
        amount,
        fee_bps,
        rail,
        t_hold,
        t_ship,
        t_accept,
        t_exp,
    } = terms;
    w.uint(protocol.code()).uint(thing.code()).bytes(policy.as_bytes()).uint(assurance.code());
    for (id, key) in [payer, payee] {
        w.bytes(id.octets()).bytes(key.0.as_bytes());
    }
    w.uint(amount.minor()).bytes(amount.currency().octets()).uint((*fee_bps).into());
    w.bytes(rail.as_str().as_bytes()).uint(*t_hold);
    write_millis(*t_ship, w);
    write_millis(*t_accept, w);
    w.uint(*t_exp);
}

fn read_terms(x: Digest, r: &mut Reader<'_>) -> Result<Terms, cbor::Error> {
    let none = cbor::Error::Range { at: 0 };
    let (protocol, thing) = (r.code(Protocol::from_code)?, r.code(Thing::from_code)?);
    let (policy, assurance) = (Digest(r.fixed()?), r.code(Assurance::from_code)?);
    let mut party = || -> Result<_, cbor::Error> { Ok((PartyId::from(r.fixed()?), read_key(r)?)) };
    let (payer, payee) = (party()?, party()?);
    let minor = r.uint()?;
    let currency = Currency::from_octets(r.fixed()?).ok_or(none)?;
    let amount = Amount::new(minor, currency).ok_or(none)?;
    let fee_bps = r.code(|bps| u16::try_from(bps).ok().filter(|bps| *bps <= BPS_WHOLE))?;
    let rail = std::str::from_utf8(r.bytes()?).ok().and_then(RailId::new).ok_or(none)?;
    let (t_hold, t_ship) = (r.uint()?, read_millis(r)?);
    let (t_accept, t_exp) = (read_millis(r)?, r.uint()?);
    Ok(Terms {
        x,
        protocol,
        thing,
        policy,
        assurance,
        payer,
        payee,
        amount,
        fee_bps,
        rail,
        t_hold,
        t_ship,
        t_accept,
        t_exp,
    })
}

fn read_basis(r: &mut Reader<'_>) -> Result<Vec<u64>, cbor::Error> {
    let count = r.array_len()?;
    if count > BASIS_MAX {
        return Err(cbor::Error::Range { at: 0 });
    }
    (0..count).map(|_| r.uint()).collect()
}
