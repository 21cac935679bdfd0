//! The payload: members that every statement has, and the body of its kind.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{Millis, Part, Salt, Shown, StatementFault};
use crate::b64u::B64u32;
use crate::crypto::jose::Thumbprint;
use crate::json;

/// The version of all payloads.
const VERSION: u64 = 1;

/// The longest type tag, characters.
const TAG_CHARS_MAX: usize = 64;

/// What one kind of statement says beyond the common members.
///
/// Implementors refuse unknown members (`deny_unknown_fields`, at every depth) and write what they read: reading compares
/// the two, so a member that a type passes over, or reads `null` for and would leave out, is refused in any case.
pub trait Body: Serialize + DeserializeOwned {
    /// The type tag, such as `terms/accepted`: words of a–z, 0–9 and `-` between slashes.
    const TAG: &'static str;

    /// Whether a statement of this kind follows another one: then it has `x`, else it has not.
    const FOLLOWS: bool;

    /// The key that has to sign, where the body names it; the header's `kid` must be the same. `None` where an earlier
    /// statement named it, to which the caller compares.
    fn signer(&self) -> Option<Thumbprint> {
        None
    }
}

/// Members that every payload has besides tag and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Common {
    /// Fresh randomness of the signer.
    pub salt: Salt,
    /// When the signer says that it signed.
    pub iat: Millis,
    /// The run to which the statement belongs: hash of the payload with which it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<B64u32>,
    /// What a person saw who signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<Shown>,
}

/// A payload of one kind, as read or to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<B> {
    /// What every statement says.
    pub common: Common,
    /// What this kind says.
    pub body: B,
}

/// The header's `typ` for a tag. A `/` would make readers take it for a full media type (RFC 7515 §4.1.9).
#[must_use]
pub fn media_type(tag: &str) -> String {
    format!("semper.{}+jws", tag.replace('/', "."))
}

/// A payload whose common members were read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Content {
    pub(super) tag: String,
    pub(super) common: Common,
    /// All other members.
    rest: Map<String, Value>,
}

/// The common members in JSON. Not flattened into each body: serde then no longer refuses unknown members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommonMembers {
    salt: Salt,
    iat: Millis,
    #[serde(default, deserialize_with = "present")]
    x: Option<B64u32>,
    #[serde(default, deserialize_with = "present")]
    shown: Option<Shown>,
}

/// `null` is not the same as nothing.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Content {
    pub(super) fn read(payload: &[u8]) -> Result<Self, StatementFault> {
        let mut rest = json::read_object(payload).map_err(|fault| StatementFault::Json(Part::Payload, fault))?;
        let tag = match rest.remove("t") {
            Some(Value::String(tag)) if is_tag(&tag) => tag,
            _ => return Err(StatementFault::Tag),
        };
        if rest.remove("v") != Some(VERSION.into()) {
            return Err(StatementFault::Version);
        }
        let common = ["salt", "iat", "x", "shown"].into_iter().filter_map(|name| rest.remove_entry(name)).collect();
        let CommonMembers { salt, iat, x, shown } = serde_json::from_value(Value::Object(common)).map_err(member)?;
        Ok(Self { tag, common: Common { salt, iat, x, shown }, rest })
    }

    pub(super) fn as_statement<B: Body>(&self, signed_by: Thumbprint) -> Result<Statement<B>, StatementFault> {
        if self.tag != B::TAG {
            return Err(StatementFault::Kind { expected: B::TAG, found: self.tag.clone() });
        }
        if self.common.x.is_some() != B::FOLLOWS {
            return Err(StatementFault::Follows);
        }
        let body: B = serde_json::from_value(Value::Object(self.rest.clone())).map_err(member)?;
        if serde_json::to_value(&body).map_err(member)?.as_object() != Some(&self.rest) {
            return Err(StatementFault::Member("what was read is not all that was written".to_owned()));
        }
        match body.signer() {
            Some(named) if named != signed_by => Err(StatementFault::Signer { named }),
            _ => Ok(Statement { common: self.common.clone(), body }),
        }
    }
}

impl<B: Body> Statement<B> {
    /// The payload to be signed: JSON, once and for all.
    pub(super) fn write(&self) -> Result<Vec<u8>, StatementFault> {
        #[derive(Serialize)]
        struct Members<'s, B> {
            t: &'static str,
            v: u64,
            #[serde(flatten)]
            common: &'s Common,
            #[serde(flatten)]
            body: &'s B,
        }
        serde_json::to_vec(&Members { t: B::TAG, v: VERSION, common: &self.common, body: &self.body }).map_err(member)
    }
}

/// serde's words, which may quote what a stranger wrote.
fn member(error: serde_json::Error) -> StatementFault {
    const CHARS_MAX: usize = 200;
    StatementFault::Member(error.to_string().chars().take(CHARS_MAX).collect())
}

/// Nothing but these characters, so that no two tags have one media type.
fn is_tag(tag: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    tag.len() <= TAG_CHARS_MAX && tag.split('/').all(word)
}
