//! What a token claims, for whoever must look at it without trust at hand: a client that compares an answer with its
//! request before it keeps it. Proves nothing; [`super::verify_timestamp`] does.

use super::token::Token;
use crate::asn1::PolicyId;
use crate::digest::{Digest, ImprintAlgorithm};
use crate::time::Timestamp;

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenReading {
    /// How the imprint was made.
    pub algorithm: ImprintAlgorithm,
    /// True if that algorithm stands there with NULL parameters, false if with none.
    pub null_parameters: bool,
    /// The document's imprint.
    pub imprint: Vec<u8>,
    /// Under which policy.
    pub policy: PolicyId,
    /// Content octets of the nonce.
    pub nonce: Option<Vec<u8>>,
    /// Content octets of the serial number.
    pub serial: Vec<u8>,
    /// When.
    pub gen_time: Timestamp,
    /// How many certificates it carries.
    pub certificates: usize,
    /// The signature, if there is exactly one.
    pub signature: Option<Vec<u8>>,
    /// SHA-256 of the token, under which the log knows it.
    pub digest: Digest,
}

impl TokenReading {
    /// Reads a token (ContentInfo in DER) as strictly as the verification does.
    ///
    /// # Errors
    /// Why its form is not accepted, in English.
    pub fn of(token: &[u8]) -> Result<Self, &'static str> {
        let digest = Digest::of(token);
        let token = Token::parse(token)?;
        Ok(Self {
            signature: token.signature().map(<[u8]>::to_vec),
            algorithm: token.imprint_algorithm,
            null_parameters: token.null_parameters,
            imprint: token.imprint,
            policy: token.policy,
            nonce: token.nonce,
            serial: token.serial,
            gen_time: token.gen_time,
            certificates: token.certificates.len(),
            digest,
        })
    }
}
