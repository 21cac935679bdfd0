//! What happens in a paid run, checked and with all that the decision needs.

use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::timestamp::ClockVerdict;

use super::super::expiry::Outage;
use super::{Shown, Terms, Told};

/// An event with the clock's judgement of the moment, and with what moves deadlines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clocked {
    /// What happens.
    pub event: PaidEvent,
    /// δ of the run's policy, milliseconds.
    pub delta_ms: u64,
    /// The arbiter's absences that are known at the moment of the decision, in the order in which they began.
    pub outages: Vec<Outage>,
    /// Whether the clock may assert a time.
    pub clock: ClockVerdict,
}

/// Something that concerns one paid run. Every statement was found to be what it says ([`super::Opened`]), and every key to be good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaidEvent {
    /// Its first statement came.
    Open(Box<Terms>),
    /// Another one did.
    Show(Show),
    /// Something is told of the money.
    Tell(Tell),
    /// Time has passed.
    Wake,
    /// A case was opened about it.
    Freeze(Freeze),
    /// That case is over.
    Thaw(Thaw),
}

/// A statement is shown, by whomever: its signer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Show {
    /// What it says.
    pub what: Shown,
    /// Hash of its payload.
    pub statement: Digest,
    /// The key that signed it.
    pub by: Thumbprint,
    /// Of a delivery's statement: the delivery, by its x.
    pub delivery: Option<Digest>,
}

/// Something is told of the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tell {
    /// What.
    pub what: Told,
    /// The fact that says so, by its hash: told twice it is told once.
    pub source: Digest,
}

/// A case was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Which.
    pub case: Digest,
}

/// A case is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thaw {
    /// Which.
    pub case: Digest,
}
