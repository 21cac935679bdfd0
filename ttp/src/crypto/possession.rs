//! Keys that are not ours, of more kinds than ours, and their signatures on certification requests.

use std::sync::LazyLock;

use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey};
use openssl::sign::Verifier;
use serde::Deserialize;

use crate::digest::Digest;

/// A kind of key that is certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// RSA of 3072 to 8192 bits (ETSI TS 119 312 asks at least 3000 beyond 2025).
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// As profiles' files name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Rsa3072 => "rsa-3072",
            Self::Ed25519 => "ed25519",
        }
    }
}

static P256: LazyLock<EcGroup> = LazyLock::new(|| {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("libcrypto has the curve that everybody uses")
});

/// The hash of a signature algorithm, by its identifier's content octets. SHA-1 and MD5 prove nothing any more.
fn hash_of(algorithm: &[u8], kind: KeyKind) -> Option<MessageDigest> {
    // ecdsa-with-SHA2: 1.2.840.10045.4.3.{2, 3, 4}; sha*WithRSAEncryption: 1.2.840.113549.1.1.{11, 12, 13}
    const ECDSA: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03];
    const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01];
    let (last, head) = algorithm.split_last()?;
    let (expected, first) = match kind {
        KeyKind::EcdsaP256 | KeyKind::EcdsaP384 => (ECDSA, 2),
        KeyKind::Rsa3072 => (RSA, 11),
        KeyKind::Ed25519 => return None,
    };
    match last.checked_sub(first).filter(|_| head == expected)? {
        0 => Some(MessageDigest::sha256()),
        1 => Some(MessageDigest::sha384()),
        2 => Some(MessageDigest::sha512()),
        _ => None,
    }
}

/// True if `signature` is over `message` by the key itself, with the algorithm of this identifier (content octets). The key
/// was judged to be of `kind`.
#[must_use]
pub fn verify_possession(kind: KeyKind, spki_der: &[u8], algorithm: &[u8], message: &[u8], signature: &[u8]) -> bool {
    match kind {
        KeyKind::Ed25519 => algorithm == [0x2B, 0x65, 0x70] && verify_ed25519(spki_der, message, signature),
        KeyKind::EcdsaP256 => {
            hash_of(algorithm, kind).is_some_and(|hash| verify_p256(spki_der, hash, message, signature))
        }
        KeyKind::EcdsaP384 | KeyKind::Rsa3072 => hash_of(algorithm, kind).is_some_and(|hash| {
            let verify = || -> Result<bool, openssl::error::ErrorStack> {
                let key = PKey::public_key_from_der(spki_der)?;
                Verifier::new(hash, &key)?.verify_oneshot(signature, message)
            };
            verify().unwrap_or(false)
        }),
    }
}

/// Not by way of the DER of the key: libcrypto's decoders cost more than the verification (spec §4).
fn verify_p256(spki_der: &[u8], hash: MessageDigest, message: &[u8], signature: &[u8]) -> bool {
    let verify = || -> Result<bool, openssl::error::ErrorStack> {
        let point = spki_der.get(spki_der.len().saturating_sub(65)..).unwrap_or_default();
        let mut context = BigNumContext::new()?;
        // Fails for what is no point of the curve.
        let point = EcPoint::from_bytes(&P256, point, &mut context)?;
        let key = EcKey::from_public_key(&P256, &point)?;
        let signature = EcdsaSig::from_der(signature)?;
        // What nearly all use goes without libcrypto's search for its provider.
        match hash == MessageDigest::sha256() {
            true => signature.verify(Digest::of(message).as_bytes(), &key),
            false => signature.verify(&openssl::hash::hash(hash, message)?, &key),
        }
    };
    verify().unwrap_or(false)
}

fn verify_ed25519(spki_der: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let verify = || -> Result<bool, openssl::error::ErrorStack> {
        let raw = spki_der.get(spki_der.len().saturating_sub(32)..).unwrap_or_default();
        let key = PKey::public_key_from_raw_bytes(raw, Id::ED25519)?;
        Verifier::new_without_digest(&key)?.verify_oneshot(signature, message)
    };
    verify().unwrap_or(false)
}
