//! Cosignatures of witnesses (c2sp.org/tlog-cosignature), Ed25519: "at this time, this was the largest consistent tree of
//! this origin that I have seen".
//!
//! ```text
//! cosignature/v1                 the line of the note is
//! time <seconds since 1970>      — <name> base64(key ID, 4 bytes ‖ seconds, u64 BE ‖ signature)
//! <text of the checkpoint, extension lines and all>
//! ```
//!
//! The message does not name its cosigner, so **one key has one name**: a witness and a mirror of the same operator have a
//! key each. ML-DSA-44 cosignatures (0x06) are passed over as any unknown line is.

use std::sync::Arc;

use crate::{
    note::{BadKey, SignatureLine, VerifierKey},
    port::{Algorithm, Signer, SigningFailed},
};

/// Seconds since 1970 that a cosignature may state: neither 0 nor above 2^63 − 1.
fn in_range(seconds: u64) -> bool {
    seconds != 0 && i64::try_from(seconds).is_ok()
}

/// What a cosignature over `text` signs.
fn message(seconds: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {seconds}\n{text}").into_bytes()
}

/// The time that a cosignature's body states and its bare signature; `None` if it is no body of one.
fn split(body: &[u8]) -> Option<(u64, &[u8])> {
    let (seconds, signature) = body.split_first_chunk::<8>()?;
    let seconds = u64::from_be_bytes(*seconds);
    in_range(seconds).then_some((seconds, signature))
}

/// The message that a body claims to sign and the signature in it.
pub(crate) fn claimed<'s>(text: &str, body: &'s [u8]) -> Option<(Vec<u8>, &'s [u8])> {
    split(body).map(|(seconds, signature)| (message(seconds, text), signature))
}

/// The time that a line of a witness's key states, seconds since 1970; worth what its signature is worth.
pub fn seconds(line: &SignatureLine) -> Option<u64> {
    split(&line.signature).map(|(seconds, _)| seconds)
}

/// Cosigns under one name.
pub struct Cosigner {
    key: VerifierKey,
    signer: Arc<dyn Signer>,
}

impl Cosigner {
    /// `signer` is an Ed25519 key that has no other name.
    ///
    /// # Errors
    /// [`BadKey`] for a name that no note can carry, or another kind of key.
    pub fn new(name: &str, signer: Arc<dyn Signer>) -> Result<Self, BadKey> {
        if signer.algorithm() != Algorithm::Ed25519 {
            return Err(BadKey::Type(0x02));
        }
        Ok(Self { key: VerifierKey::cosignature_v1(name, &signer.public_key())?, signer })
    }

    /// The key that verifies what this signs.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// The line for a checkpoint's text, which ends in LF. Nothing is judged here: see [`crate::witness`].
    ///
    /// # Errors
    /// The key store cannot sign, or `seconds` is no time that a cosignature can state.
    pub fn cosign(&self, text: &str, seconds: u64) -> Result<SignatureLine, SigningFailed> {
        if !in_range(seconds) {
            return Err(SigningFailed(format!("{seconds} s is no time of a cosignature")));
        }
        let signature = self.signer.sign(&message(seconds, text))?;
        let signature = [&seconds.to_be_bytes()[..], &signature].concat();
        Ok(SignatureLine { name: self.key.name().to_owned(), id: self.key.id(), signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        note::{BadNote, Note},
        testing::{Ed25519, Es256, TestVerifier},
    };

    const TEXT: &str = "log\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

    fn verify(signatures: Vec<SignatureLine>, key: &VerifierKey) -> Result<(), BadNote> {
        let note = Note { text: TEXT.to_owned(), signatures };
        note.verify(std::slice::from_ref(key), &TestVerifier).map(drop)
    }

    #[test]
    fn a_cosignature_states_its_time_and_covers_it() {
        let cosigner = Cosigner::new("witness", Arc::new(Ed25519::new(3))).unwrap();
        let key = cosigner.verifier_key();
        let line = cosigner.cosign(TEXT, 1_700_000_000).unwrap();
        assert_eq!((line.name.as_str(), line.id, seconds(&line)), ("witness", key.id(), Some(1_700_000_000)));
        assert_eq!(verify(vec![line.clone()], key), Ok(()));
        for at in [0, 7, 8, 71] {
            let mut other = line.clone();
            other.signature[at] ^= 1;
            assert_eq!(verify(vec![other], key), Err(BadNote::BadSignature), "octet {at}");
        }
        assert_eq!(verify(vec![cosigner.cosign("log\n2\n", 1).unwrap()], key), Err(BadNote::BadSignature));
    }

    #[test]
    fn a_time_that_cannot_be_stated_is_not_signed_and_not_believed() {
        let (raw, cosigner) = (Ed25519::new(3), Cosigner::new("witness", Arc::new(Ed25519::new(3))).unwrap());
        for bad in [0, 1 << 63] {
            assert!(cosigner.cosign(TEXT, bad).is_err());
            let signature = [&bad.to_be_bytes()[..], &raw.sign(&message(bad, TEXT)).unwrap()].concat();
            let key = cosigner.verifier_key();
            let line = SignatureLine { name: "witness".to_owned(), id: key.id(), signature };
            assert_eq!(seconds(&line), None);
            assert_eq!(verify(vec![line], key), Err(BadNote::BadSignature));
        }
        assert!(cosigner.cosign(TEXT, i64::MAX as u64).is_ok());
    }

    /// A log's signature under the same key and name is no cosignature: the key ID tells them apart.
    #[test]
    fn a_note_signature_is_no_cosignature() {
        let cosigner = Cosigner::new("log", Arc::new(Ed25519::new(1))).unwrap();
        let log = Ed25519::note_signer("log", 1);
        assert_ne!(cosigner.verifier_key().id(), log.verifier_key().id());
        let line = log.line(&log.sign(TEXT).unwrap());
        assert_eq!(verify(vec![line], cosigner.verifier_key()), Err(BadNote::Unsigned));
    }

    #[test]
    fn only_ed25519_cosigns_and_only_under_a_name() {
        assert_eq!(Cosigner::new("w", Arc::new(Es256::new(2))).err(), Some(BadKey::Type(2)));
        assert_eq!(Cosigner::new("a w", Arc::new(Ed25519::new(2))).err(), Some(BadKey::Name));
    }
}
