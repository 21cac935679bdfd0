//! Names of parties, of applications and of notarial acts: 128 random bits each, drawn by the shell. A module of their own, since statements,
//! facts and more than one role speak of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::b64u::{B64u, NotB64u};
use crate::evidence::Aggregate;

/// A party: 128 random bits given at registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartyId(pub B64u<16>);

impl PartyId {
    /// The history of the party.
    #[must_use]
    pub fn aggregate(self) -> Aggregate {
        Aggregate::of("party", self.octets())
    }

    /// As facts have it.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

/// An application for certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistrationId(pub B64u<16>);

impl RegistrationId {
    /// The history of the application.
    #[must_use]
    pub fn aggregate(self) -> Aggregate {
        Aggregate::of("registration", self.octets())
    }

    /// As facts have it.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

/// A notarial act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActId(pub B64u<16>);

impl ActId {
    /// As facts have it.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl From<[u8; 16]> for ActId {
    fn from(octets: [u8; 16]) -> Self {
        Self(B64u(octets))
    }
}

impl fmt::Display for ActId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ActId {
    type Err = NotB64u;

    fn from_str(text: &str) -> Result<Self, NotB64u> {
        text.parse().map(Self)
    }
}

impl From<[u8; 16]> for PartyId {
    fn from(octets: [u8; 16]) -> Self {
        Self(B64u(octets))
    }
}

impl From<[u8; 16]> for RegistrationId {
    fn from(octets: [u8; 16]) -> Self {
        Self(B64u(octets))
    }
}

impl fmt::Display for PartyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RegistrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PartyId {
    type Err = NotB64u;

    fn from_str(text: &str) -> Result<Self, NotB64u> {
        text.parse().map(Self)
    }
}

impl FromStr for RegistrationId {
    type Err = NotB64u;

    fn from_str(text: &str) -> Result<Self, NotB64u> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every store is read by these names, so they never change.
    #[test]
    fn histories_are_told_apart() {
        let (party, registration) = (PartyId::from([7; 16]), RegistrationId::from([7; 16]));
        assert_eq!(party.aggregate(), Aggregate::of("party", &[7; 16]));
        assert_eq!(registration.aggregate(), Aggregate::of("registration", &[7; 16]));
        assert_ne!(party.aggregate(), registration.aggregate());
    }

    #[test]
    fn they_are_written_as_base64url() {
        let text = "BwcHBwcHBwcHBwcHBwcHBw";
        assert_eq!(PartyId::from([7; 16]).to_string(), text);
        assert_eq!(text.parse(), Ok(RegistrationId::from([7; 16])));
        assert_eq!(serde_json::to_string(&RegistrationId::from([7; 16])).unwrap(), format!("\"{text}\""));
        for bad in ["", "BwcHBwcHBwcHBwcHBwcHBx", "BwcHBwcHBwcHBwcHBwcHBw=="] {
            assert!(bad.parse::<PartyId>().is_err(), "{bad}");
        }
    }
}
