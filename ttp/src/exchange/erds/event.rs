//! What happens to a registered delivery, checked and with all that the decision needs.

use crate::digest::Digest;
use crate::exchange::expiry::{End, Outage, end};
use crate::statement::exchange::Outcome;
use crate::statement::exchange::erds::{ErdsReason, RefuseReason};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

use super::Posting;

/// An occurrence with the end of the run and the clock's judgement of the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clocked {
    /// What happens.
    pub occurrence: Occurrence,
    /// Until when the run lasts, with the outages that are known at the moment of the decision ([`end_of`]).
    pub end: End,
    /// Whether the clock may assert a time.
    pub clock: ClockVerdict,
}

/// The end of a run, moved by outages; of one that has none, never. Such a delivery is not taken.
#[must_use]
pub fn end_of(t_exp: Option<u64>, delta_ms: u64, outages: &[Outage]) -> End {
    match t_exp {
        Some(t_exp) => end(t_exp, delta_ms, outages),
        None => End { at_ms: u64::MAX, outages: Vec::new() },
    }
}

/// Something that happens. Every statement was found to be what it says ([`super::Submitted`], [`super::Refused`],
/// [`crate::exchange::cd_r`]), and every key to be good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// The originator submits it.
    Submit {
        /// What.
        posting: Box<Posting>,
        /// Whether the register has the recipient, with the key that d1 names.
        knows_recipient: bool,
    },
    /// The shell left the notice, or could not.
    Notified(Result<Timestamp, NoticeFault>),
    /// d2 is shown, by whomever.
    Accept(Signed),
    /// The recipient refuses.
    Refuse {
        /// Its statement.
        signed: Signed,
        /// Why.
        reason: Option<RefuseReason>,
    },
    /// The run was decided.
    Decided {
        /// How.
        outcome: Outcome,
        /// When.
        at: Timestamp,
        /// SHA-256 of the exact verdict.
        verdict: Digest,
        /// d2, where the verdict embeds it.
        d2: Option<Signed>,
    },
    /// The recipient was given the key.
    Collected {
        /// When.
        at: Timestamp,
        /// SHA-256 of the exact verdict.
        verdict: Digest,
        /// Its request.
        signed: Signed,
    },
    /// d4 is shown, by whomever.
    Received(Signed),
    /// A timer, or somebody who wants to know.
    Wake,
}

/// A party's statement, as far as a decision needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signed {
    /// Hash of its payload.
    pub request: Digest,
    /// When its signer claims to have signed it, milliseconds since 1970.
    pub claimed_ms: u64,
}

/// Why a notice was not left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeFault {
    /// There is no address to which it could go.
    NoAddress,
    /// It was not taken where it went.
    Failed,
}

impl From<NoticeFault> for ErdsReason {
    fn from(fault: NoticeFault) -> Self {
        match fault {
            NoticeFault::NoAddress => Self::NoAddress,
            NoticeFault::Failed => Self::NoticeFailed,
        }
    }
}

impl Occurrence {
    /// When it happened by the arbiter's own clock: what it did itself before it was told here counts by that moment, whatever a party
    /// claims by none.
    pub(super) fn moment(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Decided { at, .. } | Self::Collected { at, .. } | Self::Notified(Ok(at)) => now.min(*at),
            Self::Submit { .. }
            | Self::Notified(Err(_))
            | Self::Accept(_)
            | Self::Refuse { .. }
            | Self::Received(_)
            | Self::Wake => now,
        }
    }
}
