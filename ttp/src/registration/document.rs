//! The documents of a registration: the application as the applicant wrote it, and the record of how its identity was proven.
//! They hold names, so they are artefacts of the private store: facts and entries have their digests only, which their salt keeps
//! from being guessed.
//!
//! Strict JSON ([`crate::json`]), each with a type tag, a version and a salt; schemas in `schemas/registration/`. Unknown
//! members are refused, and so is every second spelling: what was read must be what was written, but for white space and the order
//! of members.
//!
//! Names are those of certificates ([`crate::ca::name`]): there is one vocabulary for what is asked, proven and certified.
//!
//! What the applicant alone can show is judged in [`ApplicationDocument::prove`]: possession of the keys, acceptance of the terms.
//!
//! Out of scope: what a profile wants of a name (the lint of the certificates that would follow).

mod applicant;
mod application;
mod identity;
mod proof;
mod withdrawal;

pub use applicant::{Wish, WishFault, accept_terms};
pub use application::{ApplicationDocument, Contact, ProfileRequest};
pub use identity::{Day, DocumentKind, IdentityRecord, Method, SeenDocument};
pub use proof::{Offer, Proof, ProofFault};
pub use withdrawal::withdraw;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::ca::name::{AlternativeNameFault, SubjectFault};
use crate::json::{self, JsonFault};
use crate::statement::StatementFault;

/// The longest document, bytes: four certification requests of the longest kind, and as much again for all else.
pub const DOCUMENT_BYTES_MAX: usize = 64 << 10;

/// The version of both.
const VERSION: u64 = 1;

/// Why bytes are not such a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentFault {
    /// More than [`DOCUMENT_BYTES_MAX`].
    #[error("it is longer than {DOCUMENT_BYTES_MAX} octets")]
    TooLong,
    /// Not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// Another kind of document, or none.
    #[error("its member t is not {expected:?}")]
    Tag {
        /// The tag of the kind that was wanted.
        expected: &'static str,
    },
    /// Another version.
    #[error("its version is not {VERSION}")]
    Version,
    /// A member that is missing, unknown or not as its schema has it; in serde's words.
    #[error("{0}")]
    Member(String),
    /// A list or text whose length is out of its bounds.
    #[error("{what}: {found}, where {least} to {most} are allowed")]
    Length {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The fewest.
        least: usize,
        /// The most.
        most: usize,
    },
    /// A text with control characters, or with spaces at an end.
    #[error("{what} has control characters, or begins or ends with a space")]
    Text {
        /// Which.
        what: &'static str,
    },
    /// A document that proved nothing any more when it was looked at.
    #[error("a document's last day was {day}, before it was looked at")]
    Expired {
        /// That day.
        day: Day,
    },
    /// A profile's name is not one.
    #[error("a profile's name has 1 to 64 characters a-z, 0-9 and -")]
    Profile,
    /// Not one certification request in PEM.
    #[error("request {place} is not one certification request in PEM")]
    Request {
        /// Which, counted from 0.
        place: usize,
    },
    /// A subject that cannot stand in a certificate.
    #[error("subject: {0}")]
    Subject(#[from] SubjectFault),
    /// An alternative name that cannot.
    #[error("alternative name: {0}")]
    AlternativeName(#[from] AlternativeNameFault),
    /// Not an address for notices.
    #[error("contact: not a mail address in ASCII")]
    ContactEmail,
    /// Not a place for notices.
    #[error("contact: not an https URL with a host and without user, fragment or other than ASCII characters")]
    ContactWebhook,
    /// What should accept the terms is no statement.
    #[error("terms: {0}")]
    Terms(StatementFault),
    /// Not a country.
    #[error("country is not a two-letter ISO 3166 code")]
    Country,
}

/// Reads a document of one kind: length, JSON, tag, version, members, in this order. The limits of its members are its own.
fn read<T: Serialize + DeserializeOwned>(bytes: &[u8], tag: &'static str) -> Result<T, DocumentFault> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(DocumentFault::TooLong);
    }
    let mut members = json::read_object(bytes)?;
    if members.remove("t") != Some(Value::from(tag)) {
        return Err(DocumentFault::Tag { expected: tag });
    }
    if members.remove("v") != Some(Value::from(VERSION)) {
        return Err(DocumentFault::Version);
    }
    let members = Value::Object(members);
    let document = T::deserialize(&members).map_err(member)?;
    // A null or an empty list that the type passes over, an address in another spelling.
    if serde_json::to_value(&document).map_err(member)? != members {
        return Err(DocumentFault::Member("what was read is not all that was written".to_owned()));
    }
    Ok(document)
}

/// A document as JSON.
fn write<T: Serialize>(document: &T, tag: &'static str) -> Result<Vec<u8>, DocumentFault> {
    #[derive(Serialize)]
    struct Members<'d, T> {
        t: &'static str,
        v: u64,
        #[serde(flatten)]
        document: &'d T,
    }
    serde_json::to_vec(&Members { t: tag, v: VERSION, document }).map_err(member)
}

/// serde's words, which may quote what a stranger wrote.
fn member(error: serde_json::Error) -> DocumentFault {
    const CHARS_MAX: usize = 200;
    DocumentFault::Member(error.to_string().chars().take(CHARS_MAX).collect())
}

/// `null` is not the same as nothing.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn check_length(what: &'static str, found: usize, least: usize, most: usize) -> Result<(), DocumentFault> {
    if (least..=most).contains(&found) { Ok(()) } else { Err(DocumentFault::Length { what, found, least, most }) }
}
