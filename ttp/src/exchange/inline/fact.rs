//! What became of an inline exchange.

use crate::b64u::B64u;
use crate::cbor::{self, Reader, Writer};
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::evidence::{ExchangeKind, FactError, Kind, Recorded, read_time};
use crate::exchange::expiry::End;
use crate::exchange::fact::{read_some_end, write_some_end};
use crate::exchange::kind_of_verdict;
use crate::statement::exchange::inline::{DepositFault, DepositMode};
use crate::statement::exchange::item::MatchResult;
use crate::statement::exchange::{Assurance, Outcome, Protocol, Side};
use crate::time::Timestamp;

/// A fact of role 5, of a run that passes through the arbiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InlineFact {
    /// Both sides have agreed; the artefact is `inline/registered`. Body `[x, at ms, request, policy, assurance, mode, o, r, t_dep, t_exp,
    /// retention ms]`.
    Registered {
        /// When it was shown.
        at: Timestamp,
        /// What they have agreed on.
        agreement: Box<Agreement>,
    },
    /// A deposit was taken; the artefact is `inline/nrs`. Body `[x, at ms, side, request, item, size, result]`.
    Submitted {
        /// The run.
        x: Digest,
        /// When.
        at: Timestamp,
        /// Whose it is, by which statement, and what.
        moved: Moved,
        /// Its length, octets.
        size: u64,
        /// What the comparison with the description gave: never MISMATCH.
        result: MatchResult,
    },
    /// What came beside it is kept, and follows it; the artefact is the octets, sealed under a key of their own. Body `[x, at ms, side, size]`.
    Kept {
        /// The run.
        x: Digest,
        /// When.
        at: Timestamp,
        /// Whose deposit it is.
        side: Side,
        /// How many octets they are, unsealed: the item, or its ciphertext as it came.
        size: u64,
    },
    /// A deposit was not taken; the artefact is `inline/refused`. Body `[x, at ms, side, request, item, reason]`.
    SubmissionRefused {
        /// The run.
        x: Digest,
        /// When.
        at: Timestamp,
        /// Whose it was, by which statement, and what.
        moved: Moved,
        /// Why.
        reason: DepositFault,
    },
    /// A side takes both items as they are; the artefact is `inline/waive`. Body `[x, at ms, side, request]`.
    Waived {
        /// The run.
        x: Digest,
        /// When.
        at: Timestamp,
        /// Who.
        side: Side,
        /// Hash of its statement's payload.
        request: Digest,
    },
    /// The run was decided; the artefact is the verdict. Body `[x, at ms, policy, assurance, [end ms, [outage…]], o, r,
    /// [side, request] / null, deposits]`.
    Decided(Box<InlineDecision>),
    /// A side was given an item for the first time; the artefact is `inline/collect`. Body `[x, at ms, side, request, item]`.
    Collected {
        /// The run.
        x: Digest,
        /// When.
        at: Timestamp,
        /// To whom, by which request, and which.
        moved: Moved,
    },
    /// What was deposited is no longer there. Body `[x, at ms]`.
    Erased {
        /// The run.
        x: Digest,
        /// When.
        at: Timestamp,
    },
}

/// What both sides have agreed on, as far as the decision needs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Agreement {
    /// The run.
    pub x: Digest,
    /// Hash of the payload of i2 that was shown.
    pub request: Digest,
    /// Their policy.
    pub policy: Digest,
    /// What they want it to be worth.
    pub assurance: Assurance,
    /// How items are deposited.
    pub mode: DepositMode,
    /// The originator's key.
    pub o: Thumbprint,
    /// The responder's.
    pub r: Thumbprint,
    /// The last moment for a deposit, without outages, milliseconds since 1970.
    pub t_dep: u64,
    /// The last moment at which anything but RETURNED is decided, without outages.
    pub t_exp: u64,
    /// For how long items can be collected, milliseconds.
    pub retention_ms: u64,
}

/// An item goes to the arbiter, or from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moved {
    /// From whom, or to whom.
    pub side: Side,
    /// Hash of the payload of its statement.
    pub request: Digest,
    /// SHA-256 of the item.
    pub item: Digest,
}

/// The one decision of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InlineDecision {
    /// The run.
    pub x: Digest,
    /// When.
    pub at: Timestamp,
    /// RELEASED or RETURNED.
    pub outcome: Outcome,
    /// The policy of the parties.
    pub policy: Digest,
    /// What they wanted it to be worth.
    pub assurance: Assurance,
    /// The end that was kept or missed: for deposits, or of the run.
    pub end: End,
    /// The originator's key.
    pub o: Thumbprint,
    /// The responder's.
    pub r: Thumbprint,
    /// Who decided it, by which statement: the second deposit, the second waiver, a cancel; `None` where an end has passed.
    pub by: Option<(Side, Digest)>,
    /// How many items were deposited.
    pub deposits: u64,
}

impl InlineFact {
    /// The run that it is of.
    #[must_use]
    pub fn x(&self) -> Digest {
        match self {
            Self::Registered { agreement, .. } => agreement.x,
            Self::Decided(decision) => decision.x,
            Self::Submitted { x, .. }
            | Self::Kept { x, .. }
            | Self::SubmissionRefused { x, .. }
            | Self::Waived { x, .. }
            | Self::Collected { x, .. }
            | Self::Erased { x, .. } => *x,
        }
    }

    /// When, as it states.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Decided(decision) => decision.at,
            Self::Registered { at, .. }
            | Self::Submitted { at, .. }
            | Self::Kept { at, .. }
            | Self::SubmissionRefused { at, .. }
            | Self::Waived { at, .. }
            | Self::Collected { at, .. }
            | Self::Erased { at, .. } => *at,
        }
    }
}

impl Moved {
    fn write(&self, w: &mut Writer) {
        w.uint(self.side.code()).bytes(self.request.as_bytes()).bytes(self.item.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, cbor::Error> {
        Ok(Self { side: r.code(Side::from_code)?, request: Digest(r.fixed()?), item: Digest(r.fixed()?) })
    }
}

fn read_key(r: &mut Reader<'_>) -> Result<Thumbprint, cbor::Error> {
    Ok(Thumbprint(B64u(r.fixed()?)))
}

fn write_by(by: Option<&(Side, Digest)>, w: &mut Writer) {
    match by {
        Some((side, request)) => w.array(2).uint(side.code()).bytes(request.as_bytes()),
        None => w.null(),
    };
}

fn read_by(r: &mut Reader<'_>) -> Result<Option<(Side, Digest)>, cbor::Error> {
    if r.null() {
        return Ok(None);
    }
    r.array(2)?;
    Ok(Some((r.code(Side::from_code)?, Digest(r.fixed()?))))
}

impl Recorded for InlineFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        Kind::Exchange(match self {
            Self::Registered { .. } => ExchangeKind::Registered,
            Self::Submitted { .. } => ExchangeKind::Submitted,
            Self::Kept { .. } => ExchangeKind::ItemKept,
            Self::SubmissionRefused { .. } => ExchangeKind::SubmissionRefused,
            Self::Waived { .. } => ExchangeKind::Waived,
            Self::Decided(decision) => kind_of_verdict(Protocol::Inline, decision.outcome),
            Self::Collected { .. } => ExchangeKind::ItemCollected,
            Self::Erased { .. } => ExchangeKind::ItemsErased,
        })
    }

    fn write_body(&self, w: &mut Writer) {
        let mut head = |members| {
            w.array(members).bytes(self.x().as_bytes()).uint(self.at().millis());
        };
        match self {
            Self::Registered { agreement, .. } => {
                let Agreement { x: _, request, policy, assurance, mode, o, r, t_dep, t_exp, retention_ms } =
                    &**agreement;
                head(11);
                w.bytes(request.as_bytes()).bytes(policy.as_bytes()).uint(assurance.code()).uint(mode.code());
                w.bytes(o.0.as_bytes()).bytes(r.0.as_bytes()).uint(*t_dep).uint(*t_exp).uint(*retention_ms);
            }
            Self::Submitted { moved, size, result, .. } => {
                head(7);
                moved.write(w);
                w.uint(*size).uint(result.code());
            }
            Self::Kept { side, size, .. } => {
                head(4);
                w.uint(side.code()).uint(*size);
            }
            Self::SubmissionRefused { moved, reason, .. } => {
                head(6);
                moved.write(w);
                w.uint(reason.code());
            }
            Self::Waived { side, request, .. } => {
                head(4);
                w.uint(side.code()).bytes(request.as_bytes());
            }
            Self::Decided(decision) => {
                let InlineDecision { x: _, at: _, outcome: _, policy, assurance, end, o, r, by, deposits } =
                    &**decision;
                head(9);
                w.bytes(policy.as_bytes()).uint(assurance.code());
                write_some_end(end, w);
                w.bytes(o.0.as_bytes()).bytes(r.0.as_bytes());
                write_by(by.as_ref(), w);
                w.uint(*deposits);
            }
            Self::Collected { moved, .. } => {
                head(5);
                moved.write(w);
            }
            Self::Erased { .. } => head(2),
        }
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        let other = FactError::OtherKind { found: kind };
        let Kind::Exchange(exchange) = kind else { return Err(other) };
        let members = match exchange {
            ExchangeKind::Registered => 11,
            ExchangeKind::Submitted => 7,
            ExchangeKind::SubmissionRefused => 6,
            ExchangeKind::Waived | ExchangeKind::ItemKept => 4,
            ExchangeKind::InlineReleased | ExchangeKind::Returned => 9,
            ExchangeKind::ItemCollected => 5,
            ExchangeKind::ItemsErased => 2,
            _ => return Err(other),
        };
        r.array(members)?;
        let (x, at) = (Digest(r.fixed()?), read_time(r)?);
        Ok(match exchange {
            ExchangeKind::Registered => {
                let agreement = Agreement {
                    x,
                    request: Digest(r.fixed()?),
                    policy: Digest(r.fixed()?),
                    assurance: r.code(Assurance::from_code)?,
                    mode: r.code(DepositMode::from_code)?,
                    o: read_key(r)?,
                    r: read_key(r)?,
                    t_dep: r.uint()?,
                    t_exp: r.uint()?,
                    retention_ms: r.uint()?,
                };
                Self::Registered { at, agreement: Box::new(agreement) }
            }
            ExchangeKind::Submitted => {
                let moved = Moved::read(r)?;
                let taken = |code| MatchResult::from_code(code).filter(|result| *result != MatchResult::Mismatch);
                Self::Submitted { x, at, moved, size: r.uint()?, result: r.code(taken)? }
            }
            ExchangeKind::ItemKept => Self::Kept { x, at, side: r.code(Side::from_code)?, size: r.uint()? },
            ExchangeKind::SubmissionRefused => {
                Self::SubmissionRefused { x, at, moved: Moved::read(r)?, reason: r.code(DepositFault::from_code)? }
            }
            ExchangeKind::Waived => Self::Waived { x, at, side: r.code(Side::from_code)?, request: Digest(r.fixed()?) },
            ExchangeKind::ItemCollected => Self::Collected { x, at, moved: Moved::read(r)? },
            ExchangeKind::ItemsErased => Self::Erased { x, at },
            _ => {
                let is_released = exchange == ExchangeKind::InlineReleased;
                Self::Decided(Box::new(InlineDecision {
                    x,
                    at,
                    outcome: if is_released { Outcome::Released } else { Outcome::Returned },
                    policy: Digest(r.fixed()?),
                    assurance: r.code(Assurance::from_code)?,
                    end: read_some_end(r)?,
                    o: read_key(r)?,
                    r: read_key(r)?,
                    by: read_by(r)?,
                    deposits: r.uint()?,
                }))
            }
        })
    }
}
