//! What is recorded of a registered delivery.

use crate::b64u::B64u;
use crate::cbor::{self, Reader, Writer};
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::evidence::{ExchangeKind, FactError, Kind, Recorded, read_time};
use crate::exchange::policy::DeliveryPolicy;
use crate::statement::exchange::Assurance;
use crate::statement::exchange::erds::{ErdsEvent, ErdsReason};
use crate::time::Timestamp;

/// A fact of role 5, of the evidence of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErdsFact {
    /// A delivery was submitted; the artefact is d1. Body `[x, at ms, request, policy, assurance, o, r, t_exp / null, notice, retention ms,
    /// open max ms, notice ms, late counts]`. A.1 or A.2 follows it.
    Submitted {
        /// When.
        at: Timestamp,
        /// What.
        posting: Box<Posting>,
    },
    /// An event occurred; the artefact is `erds/evidence`. Body `[x, at ms, event, event ms, reason / null, statement / null, verdict / null,
    /// [outage…]]`.
    Recorded(Box<Recording>),
}

/// What was submitted, as far as the decisions need it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Posting {
    /// The run.
    pub x: Digest,
    /// Hash of the payload of `cd-r/submit`.
    pub request: Digest,
    /// The policy that both are to agree on.
    pub policy: Digest,
    /// What they want it to be worth.
    pub assurance: Assurance,
    /// The originator's key.
    pub o: Thumbprint,
    /// The recipient's.
    pub r: Thumbprint,
    /// The last moment at which anything but EXPIRED is decided, without outages, milliseconds since 1970.
    pub t_exp: Option<u64>,
    /// Whether the recipient is to be told.
    pub notice: bool,
    /// What the policy says of registered deliveries.
    pub rules: DeliveryPolicy,
}

/// An event, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recording {
    /// The run.
    pub x: Digest,
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    pub event: ErdsEvent,
    /// When, as it is claimed, milliseconds since 1970: of a moment that passed, that moment.
    pub event_ms: u64,
    /// Why: of a negative event, always.
    pub reason: Option<ErdsReason>,
    /// Hash of the payload of the party's statement that it rests on.
    pub statement: Option<Digest>,
    /// SHA-256 of the exact verdict that it rests on.
    pub verdict: Option<Digest>,
    /// The entries of the outages that moved the end that was missed; of A.1, that was kept.
    pub outages: Vec<u64>,
}

impl ErdsFact {
    /// The run that it is of.
    #[must_use]
    pub fn x(&self) -> Digest {
        match self {
            Self::Submitted { posting, .. } => posting.x,
            Self::Recorded(recording) => recording.x,
        }
    }

    /// When, as it states.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Submitted { at, .. } => *at,
            Self::Recorded(recording) => recording.at,
        }
    }
}

impl Recorded for ErdsFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        Kind::Exchange(match self {
            Self::Submitted { .. } => ExchangeKind::DeliverySubmitted,
            Self::Recorded(_) => ExchangeKind::DeliveryEvent,
        })
    }

    fn write_body(&self, w: &mut Writer) {
        match self {
            Self::Submitted { at, posting } => {
                let Posting { x, request, policy, assurance, o, r, t_exp, notice, rules } = &**posting;
                let DeliveryPolicy { retention_ms, open_max_ms, notice_ms, late_counts } = rules;
                w.array(13).bytes(x.as_bytes()).uint(at.millis()).bytes(request.as_bytes()).bytes(policy.as_bytes());
                w.uint(assurance.code()).bytes(o.0.as_bytes()).bytes(r.0.as_bytes());
                match t_exp {
                    Some(t_exp) => w.uint(*t_exp),
                    None => w.null(),
                };
                w.bool(*notice).uint(*retention_ms).uint(*open_max_ms).uint(*notice_ms).bool(*late_counts);
            }
            Self::Recorded(recording) => {
                let Recording { x, at, event, event_ms, reason, statement, verdict, outages } = &**recording;
                w.array(8).bytes(x.as_bytes()).uint(at.millis()).uint(event.code()).uint(*event_ms);
                match reason {
                    Some(reason) => w.uint(reason.code()),
                    None => w.null(),
                };
                for digest in [statement, verdict] {
                    match digest {
                        Some(digest) => w.bytes(digest.as_bytes()),
                        None => w.null(),
                    };
                }
                w.array(outages.len());
                for index in outages {
                    w.uint(*index);
                }
            }
        }
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        match kind {
            Kind::Exchange(ExchangeKind::DeliverySubmitted) => {
                r.array(13)?;
                let (x, at) = (Digest(r.fixed()?), read_time(r)?);
                let posting = Posting {
                    x,
                    request: Digest(r.fixed()?),
                    policy: Digest(r.fixed()?),
                    assurance: r.code(Assurance::from_code)?,
                    o: Thumbprint(B64u(r.fixed()?)),
                    r: Thumbprint(B64u(r.fixed()?)),
                    t_exp: if r.null() { None } else { Some(r.uint()?) },
                    notice: r.bool()?,
                    rules: DeliveryPolicy {
                        retention_ms: r.uint()?,
                        open_max_ms: r.uint()?,
                        notice_ms: r.uint()?,
                        late_counts: r.bool()?,
                    },
                };
                Ok(Self::Submitted { at, posting: Box::new(posting) })
            }
            Kind::Exchange(ExchangeKind::DeliveryEvent) => {
                r.array(8)?;
                let (x, at) = (Digest(r.fixed()?), read_time(r)?);
                let event = r.code(ErdsEvent::from_code)?;
                let recording = Recording {
                    x,
                    at,
                    event,
                    event_ms: r.uint()?,
                    reason: read_reason(event, r)?,
                    statement: read_digest(r)?,
                    verdict: read_digest(r)?,
                    outages: read_outages(r)?,
                };
                Ok(Self::Recorded(Box::new(recording)))
            }
            _ => Err(FactError::OtherKind { found: kind }),
        }
    }
}

/// None but those that the event may have.
fn read_reason(event: ErdsEvent, r: &mut Reader<'_>) -> Result<Option<ErdsReason>, cbor::Error> {
    if event.is_positive() && r.null() {
        return Ok(None);
    }
    r.code(|code| ErdsReason::from_code(code).filter(|reason| event.may_have(&[*reason]))).map(Some)
}

fn read_digest(r: &mut Reader<'_>) -> Result<Option<Digest>, cbor::Error> {
    if r.null() { Ok(None) } else { Ok(Some(Digest(r.fixed()?))) }
}

fn read_outages(r: &mut Reader<'_>) -> Result<Vec<u64>, cbor::Error> {
    let mut outages = Vec::new();
    for _ in 0..r.array_len()? {
        outages.push(r.uint()?);
    }
    Ok(outages)
}
