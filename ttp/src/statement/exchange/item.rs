//! What is exchanged, described so that a machine can compare (exchange-and-disputes §1). The rules of the comparison are in
//! [`crate::exchange::item`]; here is the description alone.
//!
//! ```text
//! {"kind":"bytes","sha256":"…","len":93,"media":"application/pdf","recovery":"none"}
//! {"kind":"payment","amount":{"amount":"1250","currency":"EUR"},"recovery":"revocable"}
//! ```
//!
//! A member that is not there promises nothing: it is left out, and null is refused, so that a description has one spelling.

use serde::{Deserialize, Deserializer, Serialize};

use super::super::Count;
use super::Line;
use crate::b64u::B64u32;
use crate::crypto::jose::Thumbprint;
use crate::evidence::codes;
use crate::money::Amount;

/// What one side gives, as both have agreed on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemDescriptor {
    /// What kind of thing.
    pub kind: ItemKind,
    /// SHA-256 of its octets.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub sha256: Option<B64u32>,
    /// How many they are.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub len: Option<Count>,
    /// Their media type.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub media: Option<Line>,
    /// How much money.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// A rule of the policy that its octets keep.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub predicate: Option<RuleName>,
    /// The key of who can tell whether it is what it is to be.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub verifier: Option<Thumbprint>,
    /// What an arbiter can do about it afterwards.
    pub recovery: Recovery,
}

/// A member that is there has a value.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

codes! {
    /// What kind of thing an item is.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    ItemKind {
        /// Octets, for their own sake: a file.
        Bytes = 0 "bytes",
        /// A text that binds.
        Contract = 1 "contract",
        /// Money.
        Payment = 2 "payment",
        /// What says that its holder is or may something: a certificate, a ticket.
        Credential = 3 "credential",
        /// Goods.
        Physical = 4 "physical",
        /// Work that somebody does.
        Service = 5 "service",
    }
}

codes! {
    /// What an arbiter can do about an item that is missing, or was given for nothing.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    Recovery {
        /// Nothing.
        None = 0 "none",
        /// Make it, or what is worth as much.
        Generatable = 1 "generatable",
        /// Annul it.
        Revocable = 2 "revocable",
    }
}

codes! {
    /// Whether an item is what it was described as, as far as a machine can tell.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    MatchResult {
        /// Everything that is described was checked, and is so.
        Match = 0 "MATCH",
        /// Nothing contradicts, but not everything can be checked by a machine.
        NeedsHuman = 1 "NEEDS_HUMAN",
        /// Something is otherwise.
        Mismatch = 2 "MISMATCH",
    }
}

codes! {
    /// What an exchange is worth if one side wants to cheat; said before anybody signs.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    Fairness {
        /// At the end both have what was agreed, or neither has anything of use.
        Strong = 0 "strong",
        /// Or the one who has not holds evidence that convinces a judge.
        Weak = 1 "weak",
    }
}

/// The name of a rule with its version: small letters, digits and hyphens, a slash, a number; at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleName(String);

impl RuleName {
    /// `None` for anything else.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let (name, version) = text.split_once('/')?;
        let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let is_version = version.bytes().all(|c| c.is_ascii_digit()) && !version.starts_with('0');
        let is_short = text.len() <= 64 && !name.is_empty() && !version.is_empty();
        (is_short && is_version && name.bytes().all(is_name)).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<RuleName> for String {
    fn from(name: RuleName) -> Self {
        name.0
    }
}

impl TryFrom<String> for RuleName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::new(&text).ok_or("a rule is named by small letters, digits and hyphens, a slash, and its version")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_one_spelling() {
        let read = |text: &str| serde_json::from_str::<ItemDescriptor>(text);
        let good = r#"{"kind":"payment","amount":{"amount":"1250","currency":"EUR"},"recovery":"revocable"}"#;
        assert_eq!(serde_json::to_string(&read(good).unwrap()).unwrap(), good);
        for bad in [
            r#"{"kind":"bytes"}"#,
            r#"{"recovery":"none"}"#,
            r#"{"kind":"bytes","recovery":"none","len":null}"#,
            r#"{"kind":"bytes","recovery":"none","len":-1}"#,
            r#"{"kind":"bytes","recovery":"none","colour":"red"}"#,
            r#"{"kind":"Bytes","recovery":"none"}"#,
            r#"{"kind":"money","recovery":"none"}"#,
            r#"{"kind":"bytes","recovery":"none","predicate":"rm -rf"}"#,
            r#"{"kind":"bytes","recovery":"none","sha256":"AA"}"#,
            r#"{"kind":"payment","recovery":"none","amount":{"amount":"12.50","currency":"EUR"}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for bad in ["", "/1", "a/", "a", "A/1", "a/01", "a/1/2", "a/x", "a b/1"] {
            assert!(RuleName::new(bad).is_none(), "{bad}");
        }
        assert!(RuleName::new(&format!("{}/1", "a".repeat(62))).is_some());
        assert!(RuleName::new(&format!("{}/1", "a".repeat(63))).is_none());
    }
}
