//! Fills the two ports of `semper-ledger`: keys that sign checkpoints (Ed25519) and COSE receipts (ES256).

use std::sync::Arc;

use semper_ledger::port::{self, Algorithm, Signature, SigningFailed};

use super::{PublicKey, SignatureAlgorithm, Signer, Verifier, raw_to_der};

/// A key as the ledger wants it.
#[derive(Clone, Debug)]
pub struct LogSigner {
    key: Arc<dyn Signer>,
    algorithm: Algorithm,
    public_key: Vec<u8>,
}

impl LogSigner {
    /// `None` for an RSA key: the ledger's signatures have 64 octets.
    #[must_use]
    pub fn new(key: Arc<dyn Signer>) -> Option<Self> {
        let (algorithm, public_key) = match key.algorithm() {
            SignatureAlgorithm::Ed25519 => (Algorithm::Ed25519, ed25519_raw(key.spki_der())?.to_vec()),
            SignatureAlgorithm::EcdsaP256Sha256 => (Algorithm::Es256, p256_point(key.spki_der())?.to_vec()),
            SignatureAlgorithm::RsaPkcs1Sha256 => return None,
        };
        Some(Self { key, algorithm, public_key })
    }
}

/// The 32 octets with which a SubjectPublicKeyInfo of Ed25519 ends (RFC 8410 §4), as C2SP notes carry it.
fn ed25519_raw(spki: &[u8]) -> Option<&[u8; 32]> {
    spki.last_chunk().filter(|_| spki.len() == 44)
}

/// The uncompressed point with which a SubjectPublicKeyInfo of P-256 ends (RFC 5480 §2), `None` for another length.
#[must_use]
pub fn p256_point(spki: &[u8]) -> Option<&[u8; 65]> {
    spki.last_chunk().filter(|_| spki.len() == 91)
}

impl port::Signer for LogSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_key(&self) -> Vec<u8> {
        self.public_key.clone()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SigningFailed> {
        let signature = self.key.sign_raw(message).map_err(|fault| SigningFailed(fault.reason.to_owned()))?;
        signature.try_into().map_err(|_| SigningFailed("the signature has not 64 octets".to_owned()))
    }
}

/// Verifies signatures of logs and witnesses.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogVerifier;

impl port::Verifier for LogVerifier {
    fn verify(&self, algorithm: Algorithm, public_key: &[u8], message: &[u8], signature: &Signature) -> bool {
        match algorithm {
            Algorithm::Ed25519 => <&[u8; 32]>::try_from(public_key)
                .ok()
                .and_then(|raw| PublicKey::from_ed25519(raw).ok())
                .is_some_and(|key| key.verify(message, signature)),
            Algorithm::Es256 => {
                PublicKey::from_p256_point(public_key).is_ok_and(|key| key.verify(message, &raw_to_der(signature)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use semper_ledger::port::{Signer as _, Verifier as _};

    use super::super::SoftKey;
    use super::*;

    #[test]
    fn signs_and_verifies_as_the_ledger_wants() {
        for algorithm in [SignatureAlgorithm::Ed25519, SignatureAlgorithm::EcdsaP256Sha256] {
            let signer = LogSigner::new(Arc::new(SoftKey::generate(algorithm).unwrap())).unwrap();
            let mut signature = signer.sign(b"root").unwrap();
            let verify = |key: &[u8], message: &[u8], signature: &Signature| {
                LogVerifier.verify(signer.algorithm(), key, message, signature)
            };
            assert!(verify(&signer.public_key(), b"root", &signature));
            assert!(!verify(&signer.public_key(), b"boot", &signature));
            assert!(!verify(&signer.public_key()[1..], b"root", &signature));
            assert!(!verify(&[], b"root", &signature));
            signature[40] ^= 1;
            assert!(!verify(&signer.public_key(), b"root", &signature));
        }
        assert!(LogSigner::new(Arc::new(SoftKey::generate(SignatureAlgorithm::RsaPkcs1Sha256).unwrap())).is_none());
    }
}
