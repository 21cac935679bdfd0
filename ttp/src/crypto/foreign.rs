//! Signatures of others inside CMS: of more kinds of keys than ours, with s of either size, and with the names of algorithms that
//! programs in use write.

use openssl::hash::{MessageDigest, hash};
use openssl::pkey::{Id, PKey};
use openssl::sign::Verifier;

/// Why a signature of others cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignFault {
    /// Not SHA-256, SHA-384 or SHA-512.
    #[error("the digest algorithm is not SHA-256, SHA-384 or SHA-512")]
    Digest,
    /// Not an algorithm for this key, or a key of another kind.
    #[error("the signature algorithm or the key is of no accepted kind")]
    Algorithm,
}

/// A digest algorithm of a CMS signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashOf {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashOf {
    /// From an AlgorithmIdentifier in DER, with NULL parameters or none (RFC 5754 §2).
    ///
    /// # Errors
    /// [`ForeignFault::Digest`]: SHA-1 and MD5 prove nothing any more.
    pub fn from_identifier(der: &[u8]) -> Result<Self, ForeignFault> {
        // 2.16.840.1.101.3.4.2.{1, 2, 3}
        const SHA2: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
        let (head, rest) = der.split_at_checked(4).ok_or(ForeignFault::Digest)?;
        let (arcs, rest) = rest.split_at_checked(9).ok_or(ForeignFault::Digest)?;
        let whole = match rest {
            [] => head == [0x30, 0x0B, 0x06, 0x09],
            [0x05, 0x00] => head == [0x30, 0x0D, 0x06, 0x09],
            _ => false,
        };
        match arcs[8] {
            _ if !whole || arcs[..8] != SHA2 => Err(ForeignFault::Digest),
            1 => Ok(Self::Sha256),
            2 => Ok(Self::Sha384),
            3 => Ok(Self::Sha512),
            _ => Err(ForeignFault::Digest),
        }
    }

    fn digest(self) -> MessageDigest {
        match self {
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }

    /// The hash of `bytes`.
    ///
    /// # Panics
    /// Never: every supported libcrypto has SHA-2, and hashing memory fails only without memory.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        hash(self.digest(), bytes).expect("libcrypto has SHA-2").to_vec()
    }
}

/// True if `signature` is over `message` by the key, with the algorithm of this identifier (DER). `hash` is the message's digest
/// algorithm: with it the names that say only "RSA" are read, and those that name a hash must name this one.
///
/// # Errors
/// [`ForeignFault::Algorithm`]: keys are P-256, P-384, P-521, RSA of 2048 to 8192 bits (PKCS #1 v1.5), or Ed25519.
pub fn verify_foreign(
    spki_der: &[u8],
    algorithm: &[u8],
    hash: HashOf,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, ForeignFault> {
    let key = PKey::public_key_from_der(spki_der).map_err(|_| ForeignFault::Algorithm)?;
    let known = match key.id() {
        Id::EC => is_ecdsa(algorithm, hash) && matches!(key.bits(), 256 | 384 | 521),
        Id::RSA => is_rsa(algorithm, hash) && (2048..=8192).contains(&key.bits()),
        // id-Ed25519 without parameters (RFC 8410 §3)
        Id::ED25519 => algorithm == [0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70],
        _ => false,
    };
    if !known {
        return Err(ForeignFault::Algorithm);
    }
    let verifier = match key.id() {
        Id::ED25519 => Verifier::new_without_digest(&key),
        _ => Verifier::new(hash.digest(), &key),
    };
    // A malformed signature is an error of libcrypto, and no signature.
    Ok(verifier.and_then(|mut verifier| verifier.verify_oneshot(signature, message)).unwrap_or(false))
}

/// ecdsa-with-SHA256, -384, -512: 1.2.840.10045.4.3.{2, 3, 4}, without parameters (RFC 5758 §3.2).
fn is_ecdsa(algorithm: &[u8], hash: HashOf) -> bool {
    let last = match hash {
        HashOf::Sha256 => 2,
        HashOf::Sha384 => 3,
        HashOf::Sha512 => 4,
    };
    algorithm == [0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, last]
}

/// rsaEncryption (RFC 3370 §3.2) or sha256-, sha384-, sha512WithRSAEncryption: 1.2.840.113549.1.1.{1, 11, 12, 13} with NULL, which
/// some leave out.
fn is_rsa(algorithm: &[u8], hash: HashOf) -> bool {
    let own = match hash {
        HashOf::Sha256 => 11,
        HashOf::Sha384 => 12,
        HashOf::Sha512 => 13,
    };
    [1, own].into_iter().any(|last| {
        let oid = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, last];
        algorithm == [&[0x30, 0x0D][..], &oid, &[0x05, 0x00]].concat()
            || algorithm == [&[0x30, 0x0B][..], &oid].concat()
    })
}
