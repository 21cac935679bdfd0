//! Why bytes are no statement, or not the one that was wanted.

use std::fmt;

use super::STATEMENT_BYTES_MAX;
use crate::crypto::jose::{Algorithm, Thumbprint};
use crate::json::JsonFault;

/// One of the three parts of a JWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The protected header.
    Header,
    /// What is stated.
    Payload,
    /// The signature.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Why a statement is refused. What a stranger wrote is shown shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementFault {
    /// Longer than [`STATEMENT_BYTES_MAX`].
    #[error("the statement is longer than {STATEMENT_BYTES_MAX} bytes")]
    TooLong,
    /// Not three parts between two dots.
    #[error("the statement is no JWS in compact serialisation: header, payload and signature with dots between them")]
    NotCompact,
    /// Padding, other characters, trailing bits.
    #[error("the {0} is not base64url in its one spelling, without padding")]
    Base64(Part),
    /// Not JSON as we read it.
    #[error("the {0} does not read: {1}")]
    Json(Part, JsonFault),
    /// One that is not `alg`, `kid` or `typ`: `jwk`, `jku`, `x5u`, `x5c`, `crit`, `b64` among them.
    #[error("the header has the member {0:?}; it may have alg, kid and typ and no other")]
    HeaderMember(String),
    /// One of the three is not there or no string.
    #[error("the header's member {0:?} is missing or no string")]
    HeaderLacks(&'static str),
    /// Not ES256, ES384, EdDSA (Ed25519) or PS256.
    #[error("the algorithm {0:?} is not used here; ES256, ES384, EdDSA and PS256 are")]
    Algorithm(String),
    /// Not the form of a thumbprint.
    #[error("the kid is no SHA-256 thumbprint of RFC 7638: 43 characters of base64url")]
    KeyId,
    /// A length that no signature of this algorithm has.
    #[error("a signature of {} has another length than {octets} octets", .algorithm.name())]
    SignatureLength {
        /// As the header names it.
        algorithm: Algorithm,
        /// As found.
        octets: usize,
    },
    /// The payload's `t` is missing or no type tag.
    #[error("the payload's member t is missing or no type tag")]
    Tag,
    /// Header and payload name different kinds of statement.
    #[error("the header's typ is not {expected:?}, which the payload's t asks for")]
    Type {
        /// Media type of the payload's tag.
        expected: String,
    },
    /// The payload's `v` is not 1.
    #[error("the payload's version is not 1")]
    Version,
    /// A member that is missing, unknown, or not of its type.
    #[error("a member of the payload is missing, unknown or malformed: {0}")]
    Member(String),
    /// Another kind of statement than was asked for.
    #[error("the statement is of the kind {found:?}, not {expected:?}")]
    Kind {
        /// The tag that was asked for.
        expected: &'static str,
        /// The payload's.
        found: String,
    },
    /// `x` is missing from a statement that belongs to a run, or stands in one that begins it.
    #[error("a statement of this kind has x exactly if it follows another")]
    Follows,
    /// The payload names another key as the one that signs.
    #[error("the header's kid is not the key that the payload names, {named}")]
    Signer {
        /// As the payload has it.
        named: Thumbprint,
    },
    /// Verified with another key than the header names.
    #[error("the statement names the key {claimed} as its signer's, which is another one")]
    OtherKey {
        /// As the header has it.
        claimed: Thumbprint,
    },
    /// The key did not sign this.
    #[error("the signature does not verify")]
    Signature,
}
