//! base64url without padding (RFC 4648 §5, RFC 7515 §2), in its one spelling: other characters, padding and trailing bits
//! that are not zero are refused, so that two texts never mean the same octets.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;

/// The text of `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The octets of `text`; `None` for every spelling but the one of [`encode`].
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Exactly `N` octets. Shown, and read and written in JSON, as base64url: 22 characters for 16 octets, 43 for 32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct B64u<const N: usize>(pub [u8; N]);

/// 32 octets: a hash, a commitment, a nonce.
pub type B64u32 = B64u<32>;

/// Not the base64url of so many octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not base64url of {octets} octets in its one spelling, without padding")]
pub struct NotB64u {
    /// How many were wanted.
    pub octets: usize,
}

impl<const N: usize> B64u<N> {
    /// The octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Display for B64u<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(&self.0))
    }
}

impl<const N: usize> fmt::Debug for B64u<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "B64u({self})")
    }
}

impl<const N: usize> FromStr for B64u<N> {
    type Err = NotB64u;

    fn from_str(text: &str) -> Result<Self, NotB64u> {
        let octets = decode(text.as_bytes()).and_then(|octets| octets.try_into().ok());
        octets.map(Self).ok_or(NotB64u { octets: N })
    }
}

impl<const N: usize> Serialize for B64u<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for B64u<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl From<Digest> for B64u32 {
    fn from(digest: Digest) -> Self {
        Self(digest.0)
    }
}

impl From<B64u32> for Digest {
    fn from(octets: B64u32) -> Self {
        Self(octets.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_other_spelling_is_refused() {
        for (text, octets) in [("", &b""[..]), ("-_8", &[0xFB, 0xFF]), ("AA", &[0]), ("AAAA", &[0; 3])] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(octets));
            assert_eq!(encode(octets), text);
        }
        for bad in ["A", "AA==", "AAA=", "AB", "AAB", "+/8", "AA\n", " AA", "A A", "AA.", "AAAAA", "Aé"] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn octets_have_their_number() {
        let sixteen = "AAECAwQFBgcICQoLDA0ODw";
        assert_eq!(sixteen.parse::<B64u<16>>().unwrap().to_string(), sixteen);
        for bad in [&sixteen[1..], "", "AAECAwQFBgcICQoLDA0ODx", "AAECAwQFBgcICQoLDA0ODw=="] {
            assert_eq!(bad.parse::<B64u<16>>(), Err(NotB64u { octets: 16 }), "{bad}");
        }
        assert_eq!(sixteen.parse::<B64u32>(), Err(NotB64u { octets: 32 }));
        let digest = Digest::of(b"");
        assert_eq!(B64u32::from(digest).to_string().len(), 43);
        assert_eq!(Digest::from(B64u32::from(digest)), digest);
        assert_eq!(serde_json::to_string(&B64u([0; 2])).unwrap(), "\"AAA\"");
        assert!(serde_json::from_str::<B64u<2>>("\"AAB\"").is_err());
        assert!(serde_json::from_str::<B64u<2>>("[0, 0]").is_err());
    }

    proptest! {
        #[test]
        fn what_decodes_is_what_was_encoded(text in "[A-Za-z0-9_=+/-]{0,9}") {
            if let Some(octets) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&octets), text);
            }
        }
    }
}
