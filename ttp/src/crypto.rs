//! Ports for keys and randomness, and what lies behind them. Roles see only the traits; openssl is named in the files
//! of this folder and nowhere else.
//!
//! Keys are parsed once and shared in an `Arc`: decoding one costs twenty signatures.

pub mod age;
mod chain;
mod ecdsa;
mod entropy;
mod foreign;
mod gcm;
mod hash;
pub mod jose;
pub mod jwe;
mod key_file;
mod log;
#[cfg(test)]
pub(crate) mod oracle;
mod pkcs12;
mod possession;
mod secret;
mod soft;
mod stranger;
mod verifier;

pub use chain::{ChainFault, Purpose, verify_chain, verify_crl, verify_issued};
#[cfg(test)]
pub(crate) use ecdsa::negate_s;
pub use ecdsa::{der_to_raw, is_low_s, make_low_s, raw_to_der};
#[cfg(any(test, feature = "test-util"))]
pub use entropy::SeededEntropy;
pub use entropy::{Entropy, EntropyFault, OsEntropy};
pub use foreign::{ForeignFault, foreign_hash, verify_foreign};
pub use gcm::{GCM_NONCE_BYTES, GCM_TAG_BYTES, gcm_open, gcm_seal};
pub use hash::{ImprintHasher, hmac_sha256, hmac_sha256_is, imprint_of, sha1};
pub use key_file::{KeyFileFault, Passphrase, mac_of_passphrase, open_key_pem, read_key_pem, seal_key_pem};
pub use log::{LogSigner, LogVerifier, p256_point};
pub use pkcs12::{build_pkcs12, open_pkcs12, pkcs12_issuers};
pub use possession::{KeyKind, verify_possession};
pub use secret::{SecretKey, open_secret_pem, seal_secret_pem};
pub use soft::SoftKey;
pub use stranger::{DsaParameters, EcCurve, Hash, KeyFault, KeyType, SignatureScheme, StrangerKey};
pub use verifier::{PublicKey, PublicKeyFault};

use std::fmt;

use crate::evidence;

/// How a key signs. The codes are stable; they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SignatureAlgorithm {
    /// ECDSA on P-256 with SHA-256, always with s ≤ n/2.
    EcdsaP256Sha256 = 1,
    /// RSASSA-PKCS1-v1_5 with SHA-256; our own keys have 3072 bits.
    RsaPkcs1Sha256 = 2,
    /// Ed25519 (RFC 8032).
    Ed25519 = 3,
}

impl SignatureAlgorithm {
    /// The stable number.
    #[must_use]
    pub const fn code(self) -> u64 {
        self as u64
    }

    /// The one with this number.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        [Self::EcdsaP256Sha256, Self::RsaPkcs1Sha256, Self::Ed25519].into_iter().find(|a| a.code() == code)
    }

    /// The AlgorithmIdentifier in DER as CMS, certificates and CRLs carry it: parameters absent for ECDSA
    /// (RFC 5758 §3.2) and Ed25519 (RFC 8410 §3), NULL for RSA (RFC 4055 §5).
    #[must_use]
    pub const fn identifier_der(self) -> &'static [u8] {
        match self {
            // ecdsa-with-SHA256, 1.2.840.10045.4.3.2
            Self::EcdsaP256Sha256 => &[0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02],
            // sha256WithRSAEncryption, 1.2.840.113549.1.1.11
            Self::RsaPkcs1Sha256 => {
                &[0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B, 0x05, 0x00]
            }
            // id-Ed25519, 1.3.101.112
            Self::Ed25519 => &[0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70],
        }
    }

    /// The algorithm with exactly this AlgorithmIdentifier.
    #[must_use]
    pub fn from_identifier_der(der: &[u8]) -> Option<Self> {
        [Self::EcdsaP256Sha256, Self::RsaPkcs1Sha256, Self::Ed25519].into_iter().find(|a| a.identifier_der() == der)
    }

    /// The name as users write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ecdsa-p256",
            Self::RsaPkcs1Sha256 => "rsa-sha256",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// Signs with one private key: a soft one, or one in a PKCS#11 token (`semper-api`).
///
/// The call blocks (RSA-3072 for 3 ms): the shell runs it in the bounded pool of that key.
pub trait Signer: Send + Sync + fmt::Debug {
    /// How it signs.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// The public key as SubjectPublicKeyInfo DER.
    fn spki_der(&self) -> &[u8];

    /// True if a signature costs so little that whoever wants one may wait for it in place: some 30 µs of this processor.
    fn is_quick(&self) -> bool {
        false
    }

    /// The same key as one that agrees on secrets and signs nothing, for a purpose that wants that: a soft one on P-256. A key of a token
    /// gives none.
    fn to_agreement(&self) -> Option<jwe::AgreementKey> {
        None
    }

    /// Signs `message` (which is hashed here). ECDSA gives DER with s ≤ n/2.
    ///
    /// # Errors
    /// [`SignError`] when the key does not answer.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// Signs as COSE and JOSE want it: r ‖ s of 64 octets for ECDSA, else as [`Signer::sign`].
    ///
    /// # Errors
    /// As [`Signer::sign`].
    fn sign_raw(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = self.sign(message)?;
        match self.algorithm() {
            SignatureAlgorithm::EcdsaP256Sha256 => {
                der_to_raw(&signature).map(Vec::from).ok_or(SignError { reason: "the signer gave no ECDSA signature" })
            }
            SignatureAlgorithm::RsaPkcs1Sha256 | SignatureAlgorithm::Ed25519 => Ok(signature),
        }
    }
}

/// Checks signatures of one public key.
pub trait Verifier: Send + Sync + fmt::Debug {
    /// How the key signs.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// True if `signature` (DER for ECDSA) is over `message` by this key. Any malformed signature is false.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// A key did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signing failed: {reason}")]
pub struct SignError {
    /// What went wrong, in words without secrets.
    pub reason: &'static str,
}

/// A key could not be made or read, or an openssl call failed that has no other reason to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{action} failed in libcrypto")]
pub struct CryptoFault {
    /// What was tried.
    pub action: &'static str,
}

impl CryptoFault {
    /// Forgets openssl's error stack, which may quote inputs, and keeps what was tried.
    fn from_stack(action: &'static str) -> impl FnOnce(openssl::error::ErrorStack) -> Self {
        move |_| Self { action }
    }
}

/// A signer with its service name.
#[derive(Clone, Debug)]
pub struct NamedSigner {
    /// Purpose and generation.
    pub id: evidence::KeyId,
    /// The key.
    pub signer: std::sync::Arc<dyn Signer>,
}
