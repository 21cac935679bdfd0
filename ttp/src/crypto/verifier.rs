//! Public keys.

use std::fmt;

use openssl::ec::EcKey;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};

use super::ecdsa::is_low_s;
use super::{SignatureAlgorithm, Verifier};
use crate::digest::Digest;

/// A public key, parsed once.
pub struct PublicKey {
    algorithm: SignatureAlgorithm,
    ec: Option<EcKey<Public>>,
    key: PKey<Public>,
    spki_der: Vec<u8>,
}

/// Not a public key that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyFault {
    /// Not a SubjectPublicKeyInfo.
    #[error("not a public key in DER")]
    Malformed,
    /// Neither P-256, nor RSA of at least 2048 bits, nor Ed25519.
    #[error("only P-256, RSA from 2048 bits and Ed25519 keys are used")]
    Unsupported,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`PublicKeyFault`].
    pub fn from_spki_der(der: &[u8]) -> Result<Self, PublicKeyFault> {
        let key = PKey::public_key_from_der(der).map_err(|_| PublicKeyFault::Malformed)?;
        let (algorithm, ec) = match key.id() {
            Id::EC => {
                let ec = key.ec_key().map_err(|_| PublicKeyFault::Malformed)?;
                if ec.group().curve_name() != Some(Nid::X9_62_PRIME256V1) {
                    return Err(PublicKeyFault::Unsupported);
                }
                (SignatureAlgorithm::EcdsaP256Sha256, Some(ec))
            }
            Id::RSA if key.bits() >= 2048 => (SignatureAlgorithm::RsaPkcs1Sha256, None),
            Id::ED25519 => (SignatureAlgorithm::Ed25519, None),
            _ => return Err(PublicKeyFault::Unsupported),
        };
        Ok(Self { algorithm, ec, key, spki_der: der.to_vec() })
    }

    /// Reads the 32 octets of an Ed25519 key.
    ///
    /// # Errors
    /// [`PublicKeyFault::Malformed`] if they are no key.
    pub fn from_ed25519(raw: &[u8; 32]) -> Result<Self, PublicKeyFault> {
        // Not by way of DER: libcrypto's decoders cost more than the verification for which the key is read.
        let key = PKey::public_key_from_raw_bytes(raw, Id::ED25519).map_err(|_| PublicKeyFault::Malformed)?;
        // SubjectPublicKeyInfo of RFC 8410 §4: a fixed head, then the key.
        let head = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00];
        let spki_der = [&head[..], raw].concat();
        Ok(Self { algorithm: SignatureAlgorithm::Ed25519, ec: None, key, spki_der })
    }

    /// Reads an uncompressed P-256 point of 65 octets.
    ///
    /// # Errors
    /// [`PublicKeyFault::Malformed`] if they are no point of the curve.
    pub fn from_p256_point(point: &[u8]) -> Result<Self, PublicKeyFault> {
        if point.len() != 65 || point[0] != 4 {
            return Err(PublicKeyFault::Malformed);
        }
        // SubjectPublicKeyInfo of RFC 5480 §2: id-ecPublicKey, prime256v1, then the point.
        let head = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
            0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        Self::from_spki_der(&[&head[..], point].concat())
    }

    /// The key as SubjectPublicKeyInfo DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm.name(), Digest::of(&self.spki_der))
    }
}

impl Verifier for PublicKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        if let Some(ec) = &self.ec {
            // High s is refused: see the head of `ecdsa.rs`.
            return is_low_s(signature)
                && EcdsaSig::from_der(signature)
                    .and_then(|s| s.verify(&openssl::sha::sha256(message), ec))
                    .unwrap_or(false);
        }
        let verifier = match self.algorithm {
            SignatureAlgorithm::RsaPkcs1Sha256 => openssl::sign::Verifier::new(MessageDigest::sha256(), &self.key),
            SignatureAlgorithm::EcdsaP256Sha256 | SignatureAlgorithm::Ed25519 => {
                openssl::sign::Verifier::new_without_digest(&self.key)
            }
        };
        verifier.and_then(|mut v| v.verify_oneshot(signature, message)).unwrap_or(false)
    }
}
