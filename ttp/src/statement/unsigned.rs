//! A statement that is being made.

use super::payload::Content;
use super::{Body, Jws, STATEMENT_BYTES_MAX, Statement, StatementFault, jws::Verified, media_type};
use crate::b64u;
use crate::crypto::jose::{Algorithm, Thumbprint};

/// Header and payload, checked as a reader would and waiting for a signature.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsigned {
    message: Vec<u8>,
    algorithm: Algorithm,
    key_id: Thumbprint,
    payload: Vec<u8>,
    content: Content,
}

impl Unsigned {
    /// Writes the statement that the key `key_id` is to sign with `algorithm`.
    ///
    /// # Errors
    /// [`StatementFault`], if nobody could read what would be signed: a body that breaks a rule of its own kind, or more
    /// than [`STATEMENT_BYTES_MAX`] with the longest signature of the algorithm.
    pub fn new<B: Body>(
        statement: &Statement<B>,
        algorithm: Algorithm,
        key_id: Thumbprint,
    ) -> Result<Self, StatementFault> {
        let payload = statement.write()?;
        let typ = media_type(B::TAG);
        // Nothing in it needs an escape: names, base64url, and a tag that is read again below.
        let header = format!(r#"{{"alg":"{}","kid":"{key_id}","typ":"{typ}"}}"#, algorithm.name());
        let message = [b64u::encode(header.as_bytes()), b64u::encode(&payload)].join(".").into_bytes();
        let signature_chars = algorithm.signature_bytes().end().div_ceil(3) * 4;
        if message.len() + 1 + signature_chars > STATEMENT_BYTES_MAX {
            return Err(StatementFault::TooLong);
        }
        let content = Content::read(&payload)?;
        content.as_statement::<B>(key_id)?;
        Ok(Self { message, algorithm, key_id, payload, content })
    }

    /// What is to be signed.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Puts the signature behind it: r ‖ s for ECDSA, whose s is made low, as all of ours are.
    ///
    /// # Errors
    /// [`StatementFault::SignatureLength`]. Whether it verifies is for [`Jws::verify`] to say.
    pub fn finish(self, signature: &[u8]) -> Result<Jws, StatementFault> {
        let Self { message, algorithm, key_id, payload, content } = self;
        if !algorithm.signature_bytes().contains(&signature.len()) {
            return Err(StatementFault::SignatureLength { algorithm, octets: signature.len() });
        }
        let mut signature = signature.to_vec();
        algorithm.make_low_s(&mut signature);
        let signing_input_bytes = message.len();
        let bytes = [&message, &b"."[..], b64u::encode(&signature).as_bytes()].concat();
        Ok(Jws {
            bytes,
            signing_input_bytes,
            algorithm,
            key_id,
            payload,
            signature,
            content,
            verified: Verified::default(),
        })
    }
}
