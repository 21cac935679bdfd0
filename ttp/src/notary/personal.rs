//! What opens the commitments of a request, and of the record: names, addresses and titles, each with its salt. It is kept apart and sealed, so that it can be
//! erased while the record still verifies. Strict JSON; schema `schemas/notary/personal.json`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::ActRequest;
use crate::b64u::B64u32;
use crate::ca::name::is_hidden;
use crate::crypto::CryptoFault;
use crate::json::{self, JsonFault};
use crate::statement::Salt;
use crate::statement::act::{ActRecorded, commitment};

/// The longest, octets.
pub const PERSONAL_BYTES_MAX: usize = 16 << 10;

/// The longest value of a field, characters.
const VALUE_MAX: usize = 500;

/// What a request and the record of its act commit to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    name: Option<B64u32>,
    address: Option<B64u32>,
    titles: Vec<Option<B64u32>>,
}

impl Committed {
    /// True if it commits to nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.address.is_none() && self.titles.iter().all(Option::is_none)
    }
}

impl From<&ActRequest> for Committed {
    fn from(request: &ActRequest) -> Self {
        let titles = request.documents.iter().map(|document| document.title).collect();
        Self { name: request.name, address: request.address, titles }
    }
}

impl From<&ActRecorded> for Committed {
    fn from(record: &ActRecorded) -> Self {
        let requester = record.principals.first();
        let titles = record.documents.iter().map(|document| document.title).collect();
        let (name, address) = (requester.and_then(|one| one.name), requester.and_then(|one| one.address));
        Self { name, address, titles }
    }
}

/// What opens the commitments. No `Debug`: it names people.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Personal {
    /// The requester's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Opening>,
    /// The requester's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Opening>,
    /// The titles of the documents in their order, null for one without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub titles: Vec<Option<Opening>>,
}

/// One field.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// 16 random octets.
    pub salt: Salt,
    /// What it says.
    pub value: String,
}

/// Why it opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PersonalFault {
    /// More than [`PERSONAL_BYTES_MAX`].
    #[error("personal: longer than {PERSONAL_BYTES_MAX} octets")]
    TooLong,
    /// Not strict JSON.
    #[error("personal: {0}")]
    Json(#[from] JsonFault),
    /// A member that is missing, unknown or not as its schema has it; which one is not told, as that would repeat what names people.
    #[error("personal: a member is missing, unknown, or not as the schema has it")]
    Member,
    /// A field that is too long, or empty.
    #[error("personal: {0} has 1 to {VALUE_MAX} characters, none of them hidden")]
    Value(&'static str),
    /// It opens another commitment, or none, or leaves one closed.
    #[error("personal: {0} does not open what was committed to")]
    Other(&'static str),
    /// libcrypto.
    #[error(transparent)]
    Crypto(#[from] CryptoFault),
}

impl Personal {
    /// Reads it, and holds it against the commitments that it opens: all of them.
    ///
    /// # Errors
    /// [`PersonalFault`].
    pub fn parse(bytes: &[u8], committed: &Committed) -> Result<Self, PersonalFault> {
        if bytes.len() > PERSONAL_BYTES_MAX {
            return Err(PersonalFault::TooLong);
        }
        let value = Value::Object(json::read_object(bytes)?);
        let member = |_: serde_json::Error| PersonalFault::Member;
        let personal = Self::deserialize(&value).map_err(member)?;
        // `null` for what may be absent would have a second spelling.
        if serde_json::to_value(&personal).map_err(member)? != value {
            return Err(PersonalFault::Member);
        }
        opens("name", personal.name.as_ref(), committed.name)?;
        opens("address", personal.address.as_ref(), committed.address)?;
        if personal.titles.len() > committed.titles.len() {
            return Err(PersonalFault::Other("titles"));
        }
        for (place, title) in committed.titles.iter().enumerate() {
            opens("titles", personal.titles.get(place).and_then(Option::as_ref), *title)?;
        }
        Ok(personal)
    }
}

fn opens(what: &'static str, opening: Option<&Opening>, committed: Option<B64u32>) -> Result<(), PersonalFault> {
    let made = match opening {
        None => None,
        Some(Opening { value, .. }) if !(1..=VALUE_MAX).contains(&value.chars().count()) => {
            return Err(PersonalFault::Value(what));
        }
        Some(Opening { value, .. }) if value.chars().any(is_hidden) => return Err(PersonalFault::Value(what)),
        Some(Opening { salt, value }) => Some(commitment(salt, value)?),
    };
    if made == committed { Ok(()) } else { Err(PersonalFault::Other(what)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::request::DOCUMENTS_MAX;
    use super::*;
    use crate::b64u::B64u;

    fn request(name: Option<&str>, title: Option<&str>) -> Committed {
        let commit = |number: u8, value: &str| commitment(&Salt(B64u([number; 16])), value).unwrap();
        let mut document = json!({ "sha256": B64u([1; 32]), "role": "original" });
        if let Some(title) = title {
            document["title"] = json!(commit(3, title));
        }
        let mut request = json!({
            "t": "notary/request", "v": 1, "salt": B64u([9; 16]), "kind": "existence", "documents": [document],
        });
        if let Some(name) = name {
            request["name"] = json!(commit(1, name));
        }
        (&ActRequest::parse(request.to_string().as_bytes()).unwrap()).into()
    }

    fn opening(number: u8, value: &str) -> Value {
        json!({ "salt": B64u([number; 16]), "value": value })
    }

    #[test]
    fn it_opens_all_and_nothing_else() {
        let parsed = |personal: &Value, of: &Committed| Personal::parse(personal.to_string().as_bytes(), of);
        let (ada, deed) = (opening(1, "Ada Lovelace"), opening(3, "Deed of sale"));
        let both = request(Some("Ada Lovelace"), Some("Deed of sale"));
        let whole = json!({ "name": ada, "titles": [deed] });
        let read = parsed(&whole, &both).ok().unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), whole);
        assert!(parsed(&json!({}), &request(None, None)).is_ok());
        for (personal, fault) in [
            (json!({ "titles": [deed] }), PersonalFault::Other("name")),
            (json!({ "name": ada }), PersonalFault::Other("titles")),
            (json!({ "name": ada, "titles": [deed, deed] }), PersonalFault::Other("titles")),
            (json!({ "name": opening(2, "Ada Lovelace"), "titles": [deed] }), PersonalFault::Other("name")),
            (json!({ "name": opening(1, "Ada"), "titles": [deed] }), PersonalFault::Other("name")),
            (
                json!({ "name": ada, "address": opening(2, "London"), "titles": [deed] }),
                PersonalFault::Other("address"),
            ),
            (json!({ "name": opening(1, ""), "titles": [deed] }), PersonalFault::Value("name")),
            (json!({ "name": opening(1, "A\nda"), "titles": [deed] }), PersonalFault::Value("name")),
            (json!({ "name": opening(1, "\u{202E}adA"), "titles": [deed] }), PersonalFault::Value("name")),
            (json!({ "name": opening(1, &"x".repeat(501)), "titles": [deed] }), PersonalFault::Value("name")),
        ] {
            assert_eq!(parsed(&personal, &both).err(), Some(fault), "{personal}");
        }
        for member in
            [json!({ "more": 1 }), json!({ "name": null }), json!({ "name": "Ada Lovelace" }), json!({ "titles": [] })]
        {
            let fault = parsed(&member, &both).err().unwrap();
            assert_eq!(fault, PersonalFault::Member, "{member}");
            assert!(!fault.to_string().contains("Ada"));
        }
        let long = vec![b' '; PERSONAL_BYTES_MAX + 1];
        assert_eq!(Personal::parse(&long, &both).err(), Some(PersonalFault::TooLong));
    }

    #[test]
    fn the_schema_has_the_members_of_the_code() {
        let schema: Value = serde_json::from_str(include_str!("../../../schemas/notary/personal.json")).unwrap();
        let names =
            |value: &Value| value.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
        let one = || Some(Opening { salt: Salt(B64u([1; 16])), value: "x".to_owned() });
        let written = serde_json::to_value(Personal { name: one(), address: one(), titles: vec![one()] }).unwrap();
        assert_eq!(names(&schema["properties"]), names(&written));
        let opening = &schema["$defs"]["opening"];
        assert_eq!(names(&opening["properties"]), names(&written["name"]));
        assert_eq!(opening["properties"]["value"]["maxLength"], VALUE_MAX);
        let titles = &schema["properties"]["titles"];
        assert_eq!(titles["maxItems"], DOCUMENTS_MAX);
    }
}
