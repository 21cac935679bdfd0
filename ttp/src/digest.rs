//! SHA-256, the hash that we make, and the hashes that we accept from others in a message imprint.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A SHA-256 value. Shown and read as 64 lower-case hex digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From exactly 32 octets.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 digest is 64 hex digits")]
pub struct ParseDigestError;

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseDigestError)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The hash algorithms that a timestamp request may name (ETSI TS 119 312; SHA-1 and MD5 are refused with badAlg).
///
/// The codes are stored in facts: they are added to, never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ImprintAlgorithm {
    /// SHA-256, FIPS 180-4.
    Sha256 = 1,
    /// SHA-384, FIPS 180-4.
    Sha384 = 2,
    /// SHA-512, FIPS 180-4.
    Sha512 = 3,
    /// SHA3-256, FIPS 202.
    Sha3_256 = 4,
    /// SHA3-384, FIPS 202.
    Sha3_384 = 5,
    /// SHA3-512, FIPS 202.
    Sha3_512 = 6,
}

impl ImprintAlgorithm {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 6] =
        [Self::Sha256, Self::Sha384, Self::Sha512, Self::Sha3_256, Self::Sha3_384, Self::Sha3_512];

    /// The number stored in facts.
    #[must_use]
    pub const fn code(self) -> u64 {
        self as u64
    }

    /// The algorithm with this stored number.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.code() == code)
    }

    /// The name as users and configuration write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha3_256 => "sha3-256",
            Self::Sha3_384 => "sha3-384",
            Self::Sha3_512 => "sha3-512",
        }
    }

    /// The algorithm with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name)
    }

    /// Length of the output in octets.
    #[must_use]
    pub const fn output_bytes(self) -> usize {
        match self {
            Self::Sha256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    /// The content octets of its object identifier: all lie under 2.16.840.1.101.3.4.2 (NIST hash algorithms), followed
    /// by 1, 2, 3 for SHA-2 and 8, 9, 10 for SHA-3.
    #[must_use]
    pub const fn oid(self) -> &'static [u8; 9] {
        match self {
            Self::Sha256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
            Self::Sha384 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
            Self::Sha512 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
            Self::Sha3_256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x08],
            Self::Sha3_384 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x09],
            Self::Sha3_512 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x0A],
        }
    }

    /// The algorithm with these object identifier content octets.
    #[must_use]
    pub fn from_oid(content: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.oid() == content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_shown_and_read_as_hex() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Digest::of(b"")));
        assert_eq!("e3b0".parse::<Digest>(), Err(ParseDigestError));
        assert_eq!(format!("{empty}00").parse::<Digest>(), Err(ParseDigestError));
        assert_eq!(serde_json::to_string(&Digest::of(b"")).unwrap(), format!("\"{empty}\""));
    }

    #[test]
    fn algorithms_have_distinct_codes_names_and_identifiers() {
        for (i, a) in ImprintAlgorithm::ALL.into_iter().enumerate() {
            assert_eq!(a.code(), i as u64 + 1);
            assert_eq!(ImprintAlgorithm::from_code(a.code()), Some(a));
            assert_eq!(ImprintAlgorithm::from_name(a.name()), Some(a));
            assert_eq!(ImprintAlgorithm::from_oid(a.oid()), Some(a));
        }
        // 1.3.14.3.2.26, SHA-1
        assert_eq!(ImprintAlgorithm::from_oid(&[0x2B, 0x0E, 0x03, 0x02, 0x1A]), None);
    }
}
