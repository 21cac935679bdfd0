//! Online certificate status: requests and responses (RFC 6960; RFC 9919, which replaces RFC 5019; the nonce of RFC 9654).
//!
//! ```text
//! bytes ─▶ request::OcspRequest ─▶ issuer known (IssuerHashes), status looked up ─▶ Responder::prepare
//!       ─▶ message ── sign (pool) ──▶ Unsigned::finish ─▶ OCSPResponse
//! ```
//!
//! [`request`] reads what anyone may post, [`cert_id`] says which certificate is meant, [`responder`] builds responses of
//! [`single`] answers, [`response`] has the error statuses and reads responses of anyone. A response costs little more
//! than its signature: what all responses of a responder share is encoded once, the rest is copied.
//!
//! Out of scope here: which status a certificate has and whether a stranger gets an answer at all (the shell, from logged
//! facts), the cache of pre-signed responses, HTTP. Responses are not entries: a wrong one convicts its signer against
//! the entries of issue and revocation.

pub mod cert_id;
pub mod request;
pub mod responder;
pub mod response;
pub mod single;

pub use cert_id::{CertId, HashAlgorithm, IssuerHashes};
pub use request::{Malformed, Nonce, OcspRequest};
pub use responder::{Responder, ResponderFault, Unsigned};
pub use response::{ErrorStatus, ReadFault, ReadResponse};
pub use single::{Single, Status};

/// Content octets of id-pkix-ocsp (1.3.6.1.5.5.7.48.1); what RFC 6960 §4 names lies one arc below.
const ID_PKIX_OCSP: [u8; 8] = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];

// The arcs that we use.
const BASIC: u8 = 1;
const NONCE: u8 = 2;
const ACCEPTABLE_RESPONSES: u8 = 4;
const PREFERRED_SIGNATURE_ALGORITHMS: u8 = 8;
const EXTENDED_REVOKE: u8 = 9;

/// One of them as OBJECT IDENTIFIER in DER.
const fn pkix_ocsp(arc: u8) -> [u8; 11] {
    let [a, b, c, d, e, f, g, h] = ID_PKIX_OCSP;
    [crate::asn1::der::OID, 9, a, b, c, d, e, f, g, h, arc]
}
