//! A statement as received.

use std::sync::OnceLock;

use serde_json::Value;

use super::payload::Content;
use super::{Body, Common, Part, Statement, StatementFault, media_type};
use crate::b64u;
use crate::crypto::jose::{Algorithm, Key, Thumbprint};
use crate::digest::Digest;
use crate::json;

/// The longest statement, bytes (exchange-and-disputes §4): room for a verdict that embeds the statements it rests on.
pub const STATEMENT_BYTES_MAX: usize = 64 << 10;

/// A statement in exactly the bytes that were received. Everything but the signature was checked when it was read;
/// [`Jws::verify`] checks that.
#[derive(Clone, Debug, PartialEq)]
pub struct Jws {
    pub(super) bytes: Vec<u8>,
    /// Header and payload with the dot between them.
    pub(super) signing_input_bytes: usize,
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Thumbprint,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) content: Content,
    pub(super) verified: Verified,
}

/// Set once the signature was seen to verify, by the one key of the header's name: it is not computed twice. Two statements of the same
/// octets are equal, whatever somebody has done with them.
#[derive(Clone, Debug, Default)]
pub(super) struct Verified(OnceLock<()>);

impl PartialEq for Verified {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Jws {
    /// Reads a statement of any kind: length, compact form, base64url, header, payload, in this order.
    ///
    /// # Errors
    /// [`StatementFault`], the first rule of exchange-and-disputes §4 that is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementFault> {
        if bytes.len() > STATEMENT_BYTES_MAX {
            return Err(StatementFault::TooLong);
        }
        let parts: Vec<_> = bytes.splitn(4, |byte| *byte == b'.').collect();
        let [header, payload, signature] = parts[..] else { return Err(StatementFault::NotCompact) };
        let signing_input_bytes = header.len() + 1 + payload.len();
        let decode = |text, part| b64u::decode(text).ok_or(StatementFault::Base64(part));
        let header = decode(header, Part::Header)?;
        let payload = decode(payload, Part::Payload)?;
        let signature = decode(signature, Part::Signature)?;
        let (algorithm, key_id, typ) = read_header(&header)?;
        if !algorithm.signature_bytes().contains(&signature.len()) {
            return Err(StatementFault::SignatureLength { algorithm, octets: signature.len() });
        }
        let content = Content::read(&payload)?;
        let expected = media_type(&content.tag);
        if typ != expected {
            return Err(StatementFault::Type { expected });
        }
        Ok(Self {
            bytes: bytes.to_vec(),
            signing_input_bytes,
            algorithm,
            key_id,
            payload,
            signature,
            content,
            verified: Verified::default(),
        })
    }

    /// The statement as a kind that the caller expects, with every member read.
    ///
    /// # Errors
    /// [`StatementFault`]: another kind, members that are not this kind's, a `kid` that is not the key which the body names.
    pub fn payload_as<B: Body>(&self) -> Result<Statement<B>, StatementFault> {
        self.content.as_statement(self.key_id)
    }

    /// Checks the signature with a key that the caller found by what the payload says and the registry knows, never by the
    /// header alone.
    ///
    /// # Errors
    /// [`StatementFault::OtherKey`] if it is not the header's, [`StatementFault::Signature`] if it did not sign this.
    pub fn verify(&self, key: &Key) -> Result<(), StatementFault> {
        if key.thumbprint() != self.key_id {
            return Err(StatementFault::OtherKey { claimed: self.key_id });
        }
        if self.verified.0.get().is_some() {
            return Ok(());
        }
        if !key.verify(self.algorithm, self.signing_input(), &self.signature) {
            return Err(StatementFault::Signature);
        }
        let _ = self.verified.0.set(()); // somebody else was faster, and found the same
        Ok(())
    }

    /// The statement as it was received.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is signed: header and payload in base64url with a dot between them.
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        &self.bytes[..self.signing_input_bytes]
    }

    /// The payload's JSON, as it was received.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signature: r ‖ s for ECDSA.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// How it says that it is signed.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that it says signed it.
    #[must_use]
    pub const fn key_id(&self) -> Thumbprint {
        self.key_id
    }

    /// The type tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.content.tag
    }

    /// The members that every statement has.
    #[must_use]
    pub const fn common(&self) -> &Common {
        &self.content.common
    }

    /// Hash of the payload: by this a statement is known, and a run by that of its first. It is the same for every
    /// signature that anyone may find over one payload.
    #[must_use]
    pub fn x(&self) -> Digest {
        Digest::of(&self.payload)
    }

    /// Hash of these very bytes: a pointer to the copy at hand and nothing more. Anyone can make a second JWS with the same
    /// payload and another digest, out of the one that he saw, so whoever counted or deduplicated by it could be led to
    /// take one statement for two.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The same statement with the lower of the two values that s may have, as all of ours are released: what we have signed is known by
    /// the hash of this form, whatever hands it went through.
    #[must_use]
    pub fn normal(mut self) -> Self {
        let mut low = self.signature.clone();
        self.algorithm.make_low_s(&mut low);
        if low != self.signature {
            self.bytes = [self.signing_input(), b".", b64u::encode(&low).as_bytes()].concat();
            self.signature = low;
        }
        self
    }

    /// The digest of the other JWS that anyone can make of this one, (r, n − s) in the place of (r, s); `None` where the algorithm has
    /// none.
    #[must_use]
    pub fn twin(&self) -> Option<Digest> {
        let signature = self.algorithm.twin(&self.signature)?;
        Some(Digest::of(&[self.signing_input(), b".", b64u::encode(&signature).as_bytes()].concat()))
    }
}

/// Algorithm, `kid` and `typ`.
fn read_header(header: &[u8]) -> Result<(Algorithm, Thumbprint, String), StatementFault> {
    let mut members = json::read_object(header).map_err(|fault| StatementFault::Json(Part::Header, fault))?;
    let mut take = |name| match members.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(StatementFault::HeaderLacks(name)),
    };
    let taken = (take("alg"), take("kid"), take("typ"));
    // First, because it says more: whoever sends `jwk` often leaves out `kid`.
    if let Some(name) = members.keys().next() {
        return Err(StatementFault::HeaderMember(json::shown(name)));
    }
    let (algorithm, key_id, typ) = (taken.0?, taken.1?, taken.2?);
    let algorithm =
        Algorithm::from_name(&algorithm).ok_or_else(|| StatementFault::Algorithm(json::shown(&algorithm)))?;
    Ok((algorithm, key_id.parse().map_err(|_| StatementFault::KeyId)?, typ))
}
