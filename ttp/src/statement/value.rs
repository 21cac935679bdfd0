//! Values that stand in payloads, each with one spelling.

use serde::{Deserialize, Serialize};

use crate::b64u::{B64u, B64u32};
use crate::json::INTEGER_MAX;
use crate::time::Timestamp;

/// 16 random octets that make two payloads of equal content differ, and a hash of one impossible to guess from. Drawn by
/// whoever signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Salt(pub B64u<16>);

/// Milliseconds since 1970-01-01T00:00:00Z, below 2^53. Claimed by whoever signs, so it may lie anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Millis(u64);

impl Millis {
    /// `None` from 2^53 on, where readers that use binary64 begin to round.
    #[must_use]
    pub const fn new(millis: u64) -> Option<Self> {
        if millis <= INTEGER_MAX { Some(Self(millis)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<Timestamp> for Millis {
    fn from(time: Timestamp) -> Self {
        // The last Timestamp, in the year 9999, is 2^48.
        Self(time.millis())
    }
}

impl From<Millis> for u64 {
    fn from(millis: Millis) -> Self {
        millis.0
    }
}

impl TryFrom<u64> for Millis {
    type Error = &'static str;

    fn try_from(millis: u64) -> Result<Self, &'static str> {
        Self::new(millis).ok_or("milliseconds are below 2^53")
    }
}

/// How many, or which: below 2^53, as [`Millis`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Count(u64);

impl Count {
    /// `None` from 2^53 on.
    #[must_use]
    pub const fn new(count: u64) -> Option<Self> {
        if count <= INTEGER_MAX { Some(Self(count)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<Count> for u64 {
    fn from(count: Count) -> Self {
        count.0
    }
}

impl TryFrom<u64> for Count {
    type Error = &'static str;

    fn try_from(count: u64) -> Result<Self, &'static str> {
        Self::new(count).ok_or("numbers are below 2^53")
    }
}

/// The origin of a service, as its ledger's checkpoints begin: 1 to 255 characters, none of them a space or a control
/// character, because it is shown to people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

impl Origin {
    /// The most characters that it has.
    pub const CHARS_MAX: usize = 255;

    /// `None` for anything that is no origin.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let length = text.chars().take(Self::CHARS_MAX + 1).count();
        let shown = !text.chars().any(|c| c.is_control() || c.is_whitespace());
        ((1..=Self::CHARS_MAX).contains(&length) && shown).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

impl TryFrom<String> for Origin {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::new(&text).ok_or("an origin has 1 to 255 characters, no space and no control character")
    }
}

/// What the signer's program says it displayed. A claim of that program; never proof that somebody read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Hash of the catalogue of texts from which the display was made.
    pub display: B64u32,
    /// Hash of the program's manifest.
    pub ui: B64u32,
    /// The documents to which the statement refers.
    pub docs: Vec<ShownDocument>,
}

/// One document of [`Shown`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownDocument {
    /// Its hash.
    pub sha256: B64u32,
    /// How it was displayed.
    pub mode: ShownMode,
    /// Pages that were on the screen.
    pub pages_seen: u32,
    /// Pages that it has.
    pub pages: u32,
}

/// How a document was displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShownMode {
    /// As it looks.
    Rendered,
    /// Its text only.
    Text,
    /// Not at all.
    NotShown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_below_2_to_the_53() {
        assert_eq!(Millis::new(INTEGER_MAX).map(Millis::get), Some(9_007_199_254_740_991));
        assert_eq!(Millis::new(INTEGER_MAX + 1), None);
        assert!(Timestamp::MAX.millis() < INTEGER_MAX);
        assert_eq!(serde_json::to_string(&Millis::from(Timestamp::from_millis(7))).unwrap(), "7");
        for bad in ["9007199254740992", "-1", "1.0", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Millis>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_can_be_shown() {
        let long = "ö".repeat(255);
        for good in ["ttp.example/2026", "a", long.as_str()] {
            assert_eq!(Origin::new(good).as_ref().map(Origin::as_str), Some(good));
        }
        for bad in ["", " ", "a b", "a\n", "\u{1b}[31m", "a\u{a0}b", &format!("{long}a")] {
            assert_eq!(Origin::new(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn octets_are_written_as_base64url() {
        let salt = Salt(B64u([0xFF; 16]));
        let text = "\"_____________________w\"";
        assert_eq!(serde_json::to_string(&salt).unwrap(), text);
        assert_eq!(serde_json::from_str::<Salt>(text).unwrap(), salt);
        for bad in ["\"\"", "\"_____________________x\"", "\"_____________________w==\"", "\"////////////////////_w\""]
        {
            assert!(serde_json::from_str::<Salt>(bad).is_err(), "{bad}");
        }
    }
}
