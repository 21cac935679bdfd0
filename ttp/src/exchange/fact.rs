//! What was decided about a run.

use crate::cbor::{self, Reader, Writer};
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::evidence::{ExchangeKind, FactError, Kind, Recorded, read_time};
use crate::statement::exchange::{Assurance, Outcome, Protocol, Side};
use crate::time::Timestamp;

use super::expiry::End;
use super::kind_of_verdict;

/// A fact of role 5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeFact {
    /// The run was decided; the artefact is the verdict. Body `[x, at ms, protocol, policy, assurance, [end ms, [outage…]] / null, o, r, side,
    /// request, c_r / null]`, the side 0 for the originator.
    Decided(Box<Decision>),
    /// A request was answered; the artefact is the answer. Body `[x, at ms, to, request, c_r / null]`.
    Answered {
        /// The run.
        x: Digest,
        /// When.
        at: Timestamp,
        /// The key of who asked.
        to: Thumbprint,
        /// Hash of the request's payload.
        request: Digest,
        /// The responder's commitment, where it asked.
        c_r: Option<Digest>,
    },
    /// The responder has answered one offer twice; the artefact is the other m2. Body `[x, at ms, by, request, c_r]`.
    Anomaly {
        /// The run.
        x: Digest,
        /// When it was shown.
        at: Timestamp,
        /// The key of who showed it.
        by: Thumbprint,
        /// Hash of the request's payload.
        request: Digest,
        /// Its commitment.
        c_r: Digest,
    },
    /// The originator of a delivery left its key; the artefact is the key, sealed for the arbiter itself. Body `[x, at ms, by, request]`.
    KeyDeposited(KeyMoved),
    /// The recipient of a delivery was given the key, with the answer in front of this; the artefact is its request. Body as that of a
    /// deposit.
    KeyCollected(KeyMoved),
}

/// The key of a delivery went to the arbiter, or from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyMoved {
    /// The run.
    pub x: Digest,
    /// When.
    pub at: Timestamp,
    /// The key of who asked.
    pub by: Thumbprint,
    /// Hash of the request's payload.
    pub request: Digest,
}

/// The one decision of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// The run.
    pub x: Digest,
    /// When.
    pub at: Timestamp,
    /// By which rules.
    pub protocol: Protocol,
    /// What.
    pub outcome: Outcome,
    /// The policy that the parties had agreed on.
    pub policy: Digest,
    /// What they wanted it to be worth.
    pub assurance: Assurance,
    /// Until when the run would have lasted.
    pub end: Option<End>,
    /// The originator's key.
    pub o: Thumbprint,
    /// The responder's.
    pub r: Thumbprint,
    /// Who asked.
    pub side: Side,
    /// Hash of the request's payload.
    pub request: Digest,
    /// The commitment in the m2 that the verdict embeds.
    pub c_r: Option<Digest>,
}

impl ExchangeFact {
    /// The run that it is of.
    #[must_use]
    pub fn x(&self) -> Digest {
        match self {
            Self::Decided(decision) => decision.x,
            Self::Answered { x, .. } | Self::Anomaly { x, .. } => *x,
            Self::KeyDeposited(moved) | Self::KeyCollected(moved) => moved.x,
        }
    }
}

impl ExchangeFact {
    /// When, as it states.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Decided(decision) => decision.at,
            Self::Answered { at, .. } | Self::Anomaly { at, .. } => *at,
            Self::KeyDeposited(moved) | Self::KeyCollected(moved) => moved.at,
        }
    }
}

pub(super) fn write_digest(digest: Option<&Digest>, w: &mut Writer) {
    match digest {
        Some(digest) => w.bytes(digest.as_bytes()),
        None => w.null(),
    };
}

pub(super) fn read_digest(r: &mut Reader<'_>) -> Result<Option<Digest>, cbor::Error> {
    if r.null() { Ok(None) } else { Ok(Some(Digest(r.fixed()?))) }
}

pub(super) fn read_key(r: &mut Reader<'_>) -> Result<Thumbprint, cbor::Error> {
    Ok(Thumbprint(crate::b64u::B64u(r.fixed()?)))
}

fn read_moved(r: &mut Reader<'_>) -> Result<KeyMoved, FactError> {
    r.array(4)?;
    Ok(KeyMoved { x: Digest(r.fixed()?), at: read_time(r)?, by: read_key(r)?, request: Digest(r.fixed()?) })
}

pub(super) fn write_end(end: Option<&End>, w: &mut Writer) {
    match end {
        Some(end) => write_some_end(end, w),
        None => {
            w.null();
        }
    }
}

pub(super) fn write_some_end(End { at_ms, outages }: &End, w: &mut Writer) {
    w.array(2).uint(*at_ms).array(outages.len());
    for index in outages {
        w.uint(*index);
    }
}

pub(super) fn read_end(r: &mut Reader<'_>) -> Result<Option<End>, cbor::Error> {
    if r.null() { Ok(None) } else { read_some_end(r).map(Some) }
}

pub(super) fn read_some_end(r: &mut Reader<'_>) -> Result<End, cbor::Error> {
    r.array(2)?;
    let at_ms = r.uint()?;
    let mut outages = Vec::new();
    for _ in 0..r.array_len()? {
        outages.push(r.uint()?);
    }
    Ok(End { at_ms, outages })
}

impl Recorded for ExchangeFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        Kind::Exchange(match self {
            Self::Decided(decision) => kind_of_verdict(decision.protocol, decision.outcome),
            Self::KeyDeposited(_) => ExchangeKind::KeyDeposited,
            Self::KeyCollected(_) => ExchangeKind::KeyCollected,
            Self::Answered { .. } => ExchangeKind::Answer,
            Self::Anomaly { .. } => ExchangeKind::Anomaly,
        })
    }

    fn write_body(&self, w: &mut Writer) {
        match self {
            Self::Decided(decision) => {
                let Decision { x, at, protocol, outcome: _, policy, assurance, end, o, r, side, request, c_r } =
                    &**decision;
                w.array(11).bytes(x.as_bytes()).uint(at.millis()).uint(protocol.code());
                w.bytes(policy.as_bytes()).uint(assurance.code());
                write_end(end.as_ref(), w);
                w.bytes(o.0.as_bytes()).bytes(r.0.as_bytes()).uint(side.code()).bytes(request.as_bytes());
                write_digest(c_r.as_ref(), w);
            }
            Self::Answered { x, at, to, request, c_r } => {
                w.array(5).bytes(x.as_bytes()).uint(at.millis()).bytes(to.0.as_bytes()).bytes(request.as_bytes());
                write_digest(c_r.as_ref(), w);
            }
            Self::Anomaly { x, at, by, request, c_r } => {
                w.array(5).bytes(x.as_bytes()).uint(at.millis()).bytes(by.0.as_bytes()).bytes(request.as_bytes());
                w.bytes(c_r.as_bytes());
            }
            Self::KeyDeposited(KeyMoved { x, at, by, request })
            | Self::KeyCollected(KeyMoved { x, at, by, request }) => {
                w.array(4).bytes(x.as_bytes()).uint(at.millis()).bytes(by.0.as_bytes()).bytes(request.as_bytes());
            }
        }
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        let Kind::Exchange(exchange_kind) = kind else { return Err(FactError::OtherKind { found: kind }) };
        let outcome = match exchange_kind {
            ExchangeKind::Aborted => Outcome::Aborted,
            ExchangeKind::Resolved => Outcome::Resolved,
            ExchangeKind::Expired => Outcome::Expired,
            ExchangeKind::Released => Outcome::Released,
            ExchangeKind::Void => Outcome::Void,
            ExchangeKind::Registered
            | ExchangeKind::Submitted
            | ExchangeKind::SubmissionRefused
            | ExchangeKind::Waived
            | ExchangeKind::InlineReleased
            | ExchangeKind::Returned
            | ExchangeKind::ItemCollected
            | ExchangeKind::ItemsErased
            | ExchangeKind::ItemKept
            | ExchangeKind::DeliveryEvent
            | ExchangeKind::DeliverySubmitted => return Err(FactError::OtherKind { found: kind }),
            ExchangeKind::KeyDeposited => return Ok(Self::KeyDeposited(read_moved(r)?)),
            ExchangeKind::KeyCollected => return Ok(Self::KeyCollected(read_moved(r)?)),
            ExchangeKind::PaidOpened
            | ExchangeKind::PaidShown
            | ExchangeKind::PaidMoney
            | ExchangeKind::PaidFrozen
            | ExchangeKind::PaidThawed
            | ExchangeKind::PaidDecided => return Err(FactError::OtherKind { found: kind }),
            ExchangeKind::Answer => {
                r.array(5)?;
                return Ok(Self::Answered {
                    x: Digest(r.fixed()?),
                    at: read_time(r)?,
                    to: read_key(r)?,
                    request: Digest(r.fixed()?),
                    c_r: read_digest(r)?,
                });
            }
            ExchangeKind::Anomaly => {
                r.array(5)?;
                return Ok(Self::Anomaly {
                    x: Digest(r.fixed()?),
                    at: read_time(r)?,
                    by: read_key(r)?,
                    request: Digest(r.fixed()?),
                    c_r: Digest(r.fixed()?),
                });
            }
        };
        r.array(11)?;
        Ok(Self::Decided(Box::new(Decision {
            x: Digest(r.fixed()?),
            at: read_time(r)?,
            protocol: r.code(|code| Protocol::from_code(code).filter(|known| *known != Protocol::Inline))?,
            outcome,
            policy: Digest(r.fixed()?),
            assurance: r.code(Assurance::from_code)?,
            end: read_end(r)?,
            o: read_key(r)?,
            r: read_key(r)?,
            side: r.code(Side::from_code)?,
            request: Digest(r.fixed()?),
            c_r: read_digest(r)?,
        })))
    }
}
