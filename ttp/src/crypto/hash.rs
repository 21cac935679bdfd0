//! Hashes that `sha2` lacks: SHA-3 for imprints, SHA-1 for key identifiers (RFC 5280 §4.2.1.2, not a security use), HMAC.

use openssl::hash::{Hasher, MessageDigest};
use openssl::memcmp;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use super::CryptoFault;
use crate::digest::ImprintAlgorithm;

/// HMAC-SHA-256 (RFC 2104).
///
/// # Errors
/// libcrypto.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoFault> {
    let mac = || {
        let key = PKey::hmac(key)?;
        Signer::new(MessageDigest::sha256(), &key)?.sign_oneshot_to_vec(message)
    };
    mac().map_err(CryptoFault::from_stack("HMAC"))
}

/// Whether `mac` is that of `message`, compared in a time that tells nothing of where they differ. A MAC that cannot be made is none.
#[must_use]
pub fn hmac_sha256_is(key: &[u8], message: &[u8], mac: &[u8]) -> bool {
    hmac_sha256(key, message).is_ok_and(|due| due.len() == mac.len() && memcmp::eq(&due, mac))
}

/// SHA-1 of `bytes`, for subject key identifiers only.
#[must_use]
pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    openssl::sha::sha1(bytes)
}

/// The message imprint of `bytes`.
#[must_use]
pub fn imprint_of(algorithm: ImprintAlgorithm, bytes: &[u8]) -> Vec<u8> {
    let mut hasher = ImprintHasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// Hashes a document piece by piece, so that a large file need not lie in memory.
pub struct ImprintHasher(Hasher);

impl ImprintHasher {
    /// An empty hash.
    #[must_use]
    pub fn new(algorithm: ImprintAlgorithm) -> Self {
        let digest = match algorithm {
            ImprintAlgorithm::Sha256 => MessageDigest::sha256(),
            ImprintAlgorithm::Sha384 => MessageDigest::sha384(),
            ImprintAlgorithm::Sha512 => MessageDigest::sha512(),
            ImprintAlgorithm::Sha3_256 => MessageDigest::sha3_256(),
            ImprintAlgorithm::Sha3_384 => MessageDigest::sha3_384(),
            ImprintAlgorithm::Sha3_512 => MessageDigest::sha3_512(),
        };
        // These six are in the default provider of every supported libcrypto; hashing fails only without memory.
        Self(Hasher::new(digest).expect("libcrypto has SHA-2 and SHA-3"))
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece).expect("hashing memory cannot fail");
    }

    /// The value.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.0.finish().expect("hashing memory cannot fail").to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 §4.3.
    #[test]
    fn hmac_of_the_rfc() {
        let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?").unwrap();
        assert_eq!(hex::encode(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let good = hmac_sha256(b"key", b"message").unwrap();
        assert!(hmac_sha256_is(b"key", b"message", &good));
        for (key, message, mac) in
            [(b"kez", b"message", &good[..]), (b"key", b"messagf", &good), (b"key", b"message", &good[1..])]
        {
            assert!(!hmac_sha256_is(key, message, mac));
        }
        assert!(!hmac_sha256_is(b"key", b"message", &[]));
    }

    #[test]
    fn known_values_of_the_empty_string() {
        let table = [
            (ImprintAlgorithm::Sha256, "e3b0c44298fc1c14"),
            (ImprintAlgorithm::Sha384, "38b060a751ac9638"),
            (ImprintAlgorithm::Sha512, "cf83e1357eefb8bd"),
            (ImprintAlgorithm::Sha3_256, "a7ffc6f8bf1ed766"),
            (ImprintAlgorithm::Sha3_384, "0c63a75b845e4f7d"),
            (ImprintAlgorithm::Sha3_512, "a69f73cca23a9ac5"),
        ];
        for (algorithm, start) in table {
            let imprint = imprint_of(algorithm, b"");
            assert_eq!(imprint.len(), algorithm.output_bytes());
            assert_eq!(hex::encode(&imprint[..8]), start);
        }
        assert_eq!(hex::encode(sha1(b"")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    }
}
