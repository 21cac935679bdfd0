//! Statements of fair exchanges (exchange-and-disputes §4–9): what parties send each other and the arbiter, and what it answers.
//!
//! The first statement of a run fixes everything, and its payload's hash, `x`, is the run's only name: parties, their keys and the
//! arbiter's, what is exchanged, until when. Every later one bears `x`. The key that signs is the one that the first statement names for
//! that side, so the bodies here name no signer: [`crate::exchange`] compares.

pub mod asw_r;
pub mod cd_r;
pub mod erds;
pub mod inline;
pub mod item;
pub mod pg;
pub mod pr;
#[cfg(test)]
mod tests;
pub mod verdict;

use serde::{Deserialize, Serialize};

use super::Origin;
use crate::crypto::jose::Thumbprint;
use crate::evidence::codes;
use crate::id::PartyId;
use crate::money::BPS_WHOLE;

/// A side of an exchange, as the first statement names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participant {
    /// The party.
    pub id: PartyId,
    /// Whose names these are.
    pub scheme: Scheme,
    /// The key with which it signs in this run.
    pub key: Thumbprint,
}

/// By which registry a party is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// The arbiter's own register of parties.
    Semper,
}

/// The arbiter that both have agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arbiter {
    /// The origin of its service.
    pub id: Origin,
    /// The key that signs its verdicts.
    pub key: Thumbprint,
    /// Where it is asked.
    pub url: Line,
    /// The verifier key of its log (C2SP signed-note), in which each verdict has an entry.
    pub log: Line,
}

/// A line of text that can be shown: 1 to 512 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Line(String);

impl Line {
    /// The most characters that it has.
    pub const CHARS_MAX: usize = 512;

    /// `None` for anything else.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let length = text.chars().take(Self::CHARS_MAX + 1).count();
        let shown = !text.chars().any(char::is_control);
        ((1..=Self::CHARS_MAX).contains(&length) && shown).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Line> for String {
    fn from(line: Line) -> Self {
        line.0
    }
}

impl TryFrom<String> for Line {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::new(&text).ok_or("a line has 1 to 512 characters, none of them a control character")
    }
}

/// A share in basis points: at most the whole, [`BPS_WHOLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct FeeBps(u16);

impl FeeBps {
    /// `None` for more than the whole.
    #[must_use]
    pub const fn new(bps: u16) -> Option<Self> {
        if bps <= BPS_WHOLE { Some(Self(bps)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl From<FeeBps> for u16 {
    fn from(fee: FeeBps) -> Self {
        fee.0
    }
}

impl TryFrom<u16> for FeeBps {
    type Error = &'static str;

    fn try_from(bps: u16) -> Result<Self, &'static str> {
        Self::new(bps).ok_or("a fee is at most 10000 basis points")
    }
}

codes! {
    /// How much a statement is to be worth, as the parties have agreed. Nothing of this service is qualified; the words are eIDAS'.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    Assurance {
        /// Nothing is claimed of it.
        NonQualified = 0 "non-qualified",
        /// Signatures that meet article 26.
        Advanced = 1 "advanced",
    }
}

codes! {
    /// Which rules a run follows.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    Protocol {
        /// Optimistic contract signing.
        AswR = 1 "asw-r",
        /// Certified delivery.
        CdR = 2 "cd-r",
        /// Both items through the arbiter.
        Inline = 3 "inline",
        /// Payment for goods.
        Pg = 4 "pg",
        /// Payment for a receipt.
        Pr = 5 "pr",
    }
}

codes! {
    /// What the arbiter decided about a run: once, and for both.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    Outcome {
        /// The originator took it back before anybody asked for a resolution.
        Aborted = 0 "ABORTED",
        /// The contract stands: the verdict takes the place of what was not sent.
        Resolved = 1 "RESOLVED",
        /// Nobody asked in time.
        Expired = 2 "EXPIRED",
        /// The key of a delivery was there for its recipient from this moment on, or both items of an inline exchange for the other side. Of
        /// a payment: what was held goes back to the payer.
        Released = 3 "RELEASED",
        /// The escrow of a delivery did not hold its key, or a payment did not come about: nobody is bound.
        Void = 4 "VOID",
        /// An inline exchange did not come about: each side gets back what it deposited.
        Returned = 5 "RETURNED",
        /// What was held is the payee's. Of a payment for a receipt: it has been captured.
        Captured = 6 "CAPTURED",
    }
}

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Who sent the first statement.
    #[serde(rename = "o")]
    Originator,
    /// Who answers it.
    #[serde(rename = "r")]
    Responder,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Originator => Self::Responder,
            Self::Responder => Self::Originator,
        }
    }

    /// The stable number, as facts have it.
    #[must_use]
    pub const fn code(self) -> u64 {
        match self {
            Self::Originator => 0,
            Self::Responder => 1,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        [Self::Originator, Self::Responder].into_iter().find(|side| side.code() == code)
    }

    /// As people say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Originator => "originator",
            Self::Responder => "responder",
        }
    }
}
