//! What is asked of the timestamping authority.

use super::request::Request;
use crate::asn1::der;
use crate::digest::Digest;

/// What the clock component says about the reading given as `now` (spec §8). The codes are stored with each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ClockVerdict {
    /// Not synchronised since start.
    Unsynced = 0,
    /// Synchronised, error within the bound.
    Synced = 1,
    /// One check failed; the old bound plus drift allowance still holds.
    Suspect = 2,
    /// Bound exceeded, jump, or samples too old.
    Stopped = 3,
    /// Nobody checks it: development and demonstration, under a policy whose name says so.
    Assumed = 4,
    /// Inside a leap second, or a source smears beyond the bound.
    LeapSecond = 5,
}

impl ClockVerdict {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Unsynced, Self::Synced, Self::Suspect, Self::Stopped, Self::Assumed, Self::LeapSecond];

    /// The stored number.
    #[must_use]
    pub const fn code(self) -> u64 {
        self as u64
    }

    /// The verdict with this number.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.code() == code)
    }

    /// The verdict's name in sentences and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unsynced => "unsynced",
            Self::Synced => "synced",
            Self::Suspect => "suspect",
            Self::Stopped => "stopped",
            Self::Assumed => "assumed",
            Self::LeapSecond => "in a leap second",
        }
    }

    /// True if time may be asserted under this verdict.
    #[must_use]
    pub const fn may_issue(self) -> bool {
        match self {
            Self::Synced | Self::Suspect | Self::Assumed => true,
            Self::Unsynced | Self::Stopped | Self::LeapSecond => false,
        }
    }
}

/// A token's serial number: 63 bits of counter, then 96 random bits (spec §6). The counter keeps serials apart over
/// restarts and units, the random part over a restored backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenSerial([u8; 20]);

impl TokenSerial {
    /// From the shell's counter and 12 random octets; `None` if the counter does not fit in 63 bits or is 0.
    #[must_use]
    pub fn new(counter: u64, random: [u8; 12]) -> Option<Self> {
        if counter == 0 || counter >> 63 != 0 {
            return None;
        }
        let mut serial = [0; 20];
        serial[..8].copy_from_slice(&counter.to_be_bytes());
        serial[8..].copy_from_slice(&random);
        Some(Self(serial))
    }

    /// The counter.
    #[must_use]
    pub fn counter(&self) -> u64 {
        self.0[..8].iter().fold(0, |n, octet| n << 8 | u64::from(*octet))
    }

    /// The content octets of the INTEGER: positive, shortest form, at most 160 bits.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        der::integer_content(&self.0)
    }

    /// All 20 octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// From the 20 octets that a fact holds; `None` as [`TokenSerial::new`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; 20]) -> Option<Self> {
        let serial = Self(bytes);
        Self::new(serial.counter(), bytes[8..].try_into().ok()?)
    }
}

/// Stamp this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The request, as [`super::request::parse`] gave it.
    pub request: Request,
    /// SHA-256 of the request's bytes.
    pub request_digest: Digest,
    /// Fresh.
    pub serial: TokenSerial,
    /// Fresh; for the fact.
    pub salt: [u8; 16],
    /// What the clock component said when `now` was read.
    pub clock: ClockVerdict,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_positive_and_at_most_160_bits() {
        let content = |counter, random| hex::encode(TokenSerial::new(counter, [random; 12]).unwrap().content());
        assert_eq!(content(1, 0), format!("01{}", "00".repeat(12)));
        assert_eq!(content(0x80, 0xFF), format!("0080{}", "ff".repeat(12)));
        assert_eq!(content(i64::MAX as u64, 0xFF), format!("7f{}", "ff".repeat(19)));
        assert_eq!(TokenSerial::new(0, [1; 12]), None);
        assert_eq!(TokenSerial::new(1 << 63, [1; 12]), None);
        let serial = TokenSerial::new(77, [3; 12]).unwrap();
        assert_eq!(serial.counter(), 77);
        assert_eq!(TokenSerial::from_bytes(*serial.as_bytes()), Some(serial));
        assert_eq!(TokenSerial::from_bytes([0; 20]), None);
    }
}
