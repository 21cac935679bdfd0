//! What somebody asks a notary to certify: the document whose SHA-256 stands in the record.
//!
//! It names nobody: titles, names and addresses are commitments ([`crate::statement::act::commitment`]), and what opens them is a
//! document of its own, which can be erased. Strict JSON; schema `schemas/notary/request.json`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{ActType, SIGNERS_MAX};
use crate::b64u::B64u32;
use crate::digest::Digest;
use crate::id::{ActId, PartyId};
use crate::json::{self, JsonFault};
use crate::statement::Salt;
use crate::statement::act::DocumentRole;

/// The longest request, octets.
pub const REQUEST_BYTES_MAX: usize = 16 << 10;

/// The most documents of one act.
pub const DOCUMENTS_MAX: usize = 16;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActRequest {
    /// The type tag.
    pub t: Tag,
    /// The version.
    pub v: Version,
    /// 16 random octets, which keep the request from being guessed from its hash.
    pub salt: Salt,
    /// What is to be certified.
    pub kind: ActType,
    /// What it is about; the first one is the act's subject.
    pub documents: Vec<RequestedDocument>,
    /// Who is to sign: of a contract only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<PartyId>,
    /// Commitment to the requester's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<B64u32>,
    /// Commitment to the requester's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<B64u32>,
    /// SHA-256 of a data validation certificate of this notary about the first document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dvc: Option<B64u32>,
    /// The act that this one corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction_of: Option<ActId>,
}

/// A document of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedDocument {
    /// SHA-256 of its octets.
    pub sha256: B64u32,
    /// As what it is there.
    pub role: DocumentRole,
    /// Commitment to its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<B64u32>,
    /// Its media type (RFC 6838): names of types and no parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

/// The one tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tag {
    /// As it is written.
    #[serde(rename = "notary/request")]
    Request,
}

/// The one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Version;

impl TryFrom<u64> for Version {
    type Error = &'static str;

    fn try_from(version: u64) -> Result<Self, &'static str> {
        if version == 1 { Ok(Self) } else { Err("the version is 1") }
    }
}

impl From<Version> for u64 {
    fn from(Version: Version) -> Self {
        1
    }
}

/// Why bytes are no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// More than [`REQUEST_BYTES_MAX`].
    #[error("it is longer than {REQUEST_BYTES_MAX} octets")]
    TooLong,
    /// Not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// A member that is missing, unknown or not as its schema has it; in serde's words.
    #[error("{0}")]
    Member(String),
    /// No document, or too many.
    #[error("it has {found} documents, where 1 to {DOCUMENTS_MAX} are allowed")]
    Documents {
        /// How many.
        found: usize,
    },
    /// The same signer twice, or too many.
    #[error("a contract has 1 to {SIGNERS_MAX} signers, each once")]
    Signers,
    /// Signers of another act.
    #[error("only a contract has signers")]
    NoContract,
    /// What is no media type.
    #[error("a media type is two names with a slash between them")]
    MediaType,
    /// An act that is asked for otherwise.
    #[error("an extract of the journal is asked for where the journal is")]
    Extract,
}

impl ActRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// [`RequestFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestFault> {
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(RequestFault::TooLong);
        }
        let members = json::read_object(bytes)?;
        let value = serde_json::Value::Object(members);
        let member = |error: serde_json::Error| RequestFault::Member(error.to_string().chars().take(200).collect());
        let request = Self::deserialize(&value).map_err(member)?;
        // `null` for what may be absent would have a second spelling.
        if serde_json::to_value(&request).map_err(member)? != value {
            return Err(RequestFault::Member("what was read is not all that was written".to_owned()));
        }
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), RequestFault> {
        let found = self.documents.len();
        if !(1..=DOCUMENTS_MAX).contains(&found) {
            return Err(RequestFault::Documents { found });
        }
        match self.kind {
            ActType::JournalExtract => return Err(RequestFault::Extract),
            ActType::Contract => {
                let distinct: BTreeSet<_> = self.signers.iter().collect();
                if !(1..=SIGNERS_MAX).contains(&distinct.len()) || distinct.len() != self.signers.len() {
                    return Err(RequestFault::Signers);
                }
            }
            _ if !self.signers.is_empty() => return Err(RequestFault::NoContract),
            _ => {}
        }
        let mut types = self.documents.iter().filter_map(|document| document.media_type.as_deref());
        if types.any(|media_type| !is_media_type(media_type)) {
            return Err(RequestFault::MediaType);
        }
        Ok(())
    }

    /// SHA-256 of the document that the act is about.
    #[must_use]
    pub fn subject(&self) -> Digest {
        self.documents.first().map_or_else(Digest::default, |document| document.sha256.into())
    }
}

/// RFC 6838 §4.2: restricted names.
fn is_media_type(text: &str) -> bool {
    let name = |name: &str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|c| c.is_ascii_alphanumeric())
            && bytes.all(|c| c.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&c))
    };
    let halves: Vec<_> = text.split('/').collect();
    text.len() <= 127 && halves.len() == 2 && halves.into_iter().all(name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SHA256: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    fn request() -> Value {
        json!({
            "t": "notary/request", "v": 1, "salt": "AAECAwQFBgcICQoLDA0ODw", "kind": "contract",
            "documents": [{ "sha256": SHA256, "role": "original", "title": SHA256, "media_type": "application/pdf" }],
            "signers": ["BwcHBwcHBwcHBwcHBwcHBw"], "name": SHA256, "address": SHA256, "dvc": SHA256,
            "correction_of": "CAgICAgICAgICAgICAgICA",
        })
    }

    fn parsed(request: &Value) -> Result<ActRequest, RequestFault> {
        ActRequest::parse(request.to_string().as_bytes())
    }

    #[test]
    fn what_is_right_is_read() {
        let read = parsed(&request()).unwrap();
        assert_eq!((read.kind, read.subject()), (ActType::Contract, Digest([1; 32])));
        assert_eq!(serde_json::to_value(&read).unwrap(), request());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |name: &str, value: Value| {
            let mut request = request();
            request[name] = value;
            parsed(&request)
        };
        let signer = "BwcHBwcHBwcHBwcHBwcHBw";
        for (name, value, fault) in [
            ("documents", json!([]), RequestFault::Documents { found: 0 }),
            ("signers", json!([signer, signer]), RequestFault::Signers),
            ("kind", json!("copy"), RequestFault::NoContract),
            ("kind", json!("journal-extract"), RequestFault::Extract),
            (
                "documents",
                json!([{ "sha256": SHA256, "role": "original", "media_type": "pdf" }]),
                RequestFault::MediaType,
            ),
        ] {
            assert_eq!(with(name, value), Err(fault), "{name}");
        }
        let mut nobody = request();
        nobody.as_object_mut().unwrap().remove("signers");
        assert_eq!(parsed(&nobody), Err(RequestFault::Signers));
        for (name, value) in [
            ("signers", json!([])),
            ("t", json!("notary/act")),
            ("v", json!(2)),
            ("salt", json!("AA")),
            ("kind", json!("will")),
            ("name", Value::Null),
            ("more", json!(1)),
            ("documents", json!([{ "sha256": SHA256 }])),
        ] {
            assert!(matches!(with(name, value), Err(RequestFault::Member(_))), "{name}");
        }
        assert_eq!(ActRequest::parse(&vec![b' '; REQUEST_BYTES_MAX + 1]), Err(RequestFault::TooLong));
        assert!(matches!(ActRequest::parse(b"[]"), Err(RequestFault::Json(_))));
    }

    #[test]
    fn the_schema_has_the_members_of_the_code() {
        let schema: Value = serde_json::from_str(include_str!("../../../schemas/notary/request.json")).unwrap();
        let names = |value: &Value| {
            let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
            names.sort_unstable();
            names
        };
        let written = serde_json::to_value(parsed(&request()).unwrap()).unwrap();
        assert_eq!(names(&schema["properties"]), names(&written));
        let document = &schema["properties"]["documents"];
        assert_eq!(names(&document["items"]["properties"]), names(&written["documents"][0]));
        assert_eq!(document["maxItems"], DOCUMENTS_MAX);
        assert_eq!(schema["properties"]["signers"]["maxItems"], SIGNERS_MAX);
        let asked_for = ActType::asked_for().map(ActType::name);
        assert_eq!(schema["properties"]["kind"]["enum"], json!(asked_for.collect::<Vec<_>>()));
    }

    #[test]
    fn media_types_are_two_names() {
        for (text, holds) in [
            ("application/pdf", true),
            ("application/vnd.etsi.asic-e+zip", true),
            ("text", false),
            ("text/", false),
            ("/plain", false),
            ("text/plain; charset=utf-8", false),
            ("a/b/c", false),
            (".a/b", false),
        ] {
            assert_eq!(is_media_type(text), holds, "{text}");
        }
        assert!(!is_media_type(&format!("a/{}", "b".repeat(126))));
    }
}
