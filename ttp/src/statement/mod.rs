//! Signed statements: the one container for everything to which a party or a third party commits itself
//! (exchange-and-disputes §4).
//!
//! ```text
//! b64u({"alg":"ES256","kid":"<thumbprint>","typ":"semper.terms.accepted+jws"}) . b64u(payload) . b64u(signature)
//! payload = {"t":"terms/accepted","v":1,"salt":"<22 characters>","iat":<ms>,
//!            "x":"<43 characters>" in every message but the first, "shown":{…} where a person signed, …the body}
//! ```
//!
//! A JWS in compact serialisation (RFC 7515 §7.1) of a narrow profile: three header members and no other, four algorithms,
//! one spelling of base64url, strict JSON. The algorithm comes from the header only after it was found to fit the key, and
//! the key never comes from the header: `kid` tells which key is claimed, the payload and the party registry tell which one
//! has to sign.
//!
//! **Bytes.** What was received is parsed, kept and hashed as it is, and never serialised again. Anyone can turn an ECDSA
//! signature (r, s) into (r, n − s), which verifies as well, so one payload has several JWS: identity, keys of state and
//! deduplication rest on [`Jws::x`], the hash of the payload. [`Jws::digest`] only points at the copy at hand.
//!
//! **A new kind of statement** is a type that implements [`Body`], a schema in `schemas/statements/` and a vector in
//! `schemas/vectors/statements.json`; [`terms`] is the model.
//!
//! Out of scope: who may state what (the roles), whether a key is still good (the party registry), HTTP.

pub mod act;
pub mod ceremony;
pub mod contract;
pub mod exchange;
mod fault;
mod jws;
mod payload;
pub mod terms;
#[cfg(test)]
mod tests;
mod unsigned;
mod value;
pub mod withdrawn;

pub use fault::{Part, StatementFault};
pub use jws::{Jws, STATEMENT_BYTES_MAX};
pub use payload::{Body, Common, Statement, media_type};
pub use unsigned::Unsigned;
pub use value::{Count, Millis, Origin, Salt, Shown, ShownDocument, ShownMode};
