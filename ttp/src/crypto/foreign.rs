//! Signatures of others inside CMS: of more kinds of keys than ours, with s of either size, and with the names of algorithms that
//! programs in use write.

use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
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

/// P-256, P-384, P-521.
const CURVES: [Option<Nid>; 3] = [Some(Nid::X9_62_PRIME256V1), Some(Nid::SECP384R1), Some(Nid::SECP521R1)];

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
        Id::EC => is_ecdsa(algorithm, hash) && key.ec_key().is_ok_and(|key| CURVES.contains(&key.group().curve_name())),
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

#[cfg(test)]
mod tests {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::sign::Signer;

    use super::*;

    const HASHES: [HashOf; 3] = [HashOf::Sha256, HashOf::Sha384, HashOf::Sha512];

    fn identifier(text: &str) -> Vec<u8> {
        hex::decode(text).unwrap()
    }

    fn ec(curve: Nid) -> PKey<Private> {
        PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap()
    }

    fn verify(key: &PKey<Private>, algorithm: &str, hash: HashOf, signature: &[u8]) -> Result<bool, ForeignFault> {
        verify_foreign(&key.public_key_to_der().unwrap(), &identifier(algorithm), hash, b"message", signature)
    }

    #[test]
    fn each_key_with_each_hash() {
        let curves = [Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1].map(ec);
        let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        for (i, hash) in HASHES.into_iter().enumerate() {
            let signed = |key: &PKey<Private>| {
                let mut signer = Signer::new(hash.digest(), key).unwrap();
                signer.sign_oneshot_to_vec(b"message").unwrap()
            };
            let other = HASHES[(i + 1) % 3];
            let ecdsa = format!("300a06082a8648ce3d0403{:02x}", i + 2);
            for key in &curves {
                // Signatures of others have s of either size: some of these are high.
                for _ in 0..4 {
                    assert_eq!(verify(key, &ecdsa, hash, &signed(key)), Ok(true));
                }
                assert_eq!(verify(key, &ecdsa, other, &signed(key)), Err(ForeignFault::Algorithm));
                assert_eq!(verify(key, &ecdsa, hash, b"none"), Ok(false));
            }
            let signature = signed(&rsa);
            for last in [1, 11 + i] {
                for parameters in ["0500", ""] {
                    let length = 11 + parameters.len() / 2;
                    let algorithm = format!("30{length:02x}06092a864886f70d0101{last:02x}{parameters}");
                    assert_eq!(verify(&rsa, &algorithm, hash, &signature), Ok(true), "{algorithm}");
                }
            }
            assert_eq!(verify(&rsa, &ecdsa, hash, &signature), Err(ForeignFault::Algorithm));
            // RSASSA-PSS, which is not read.
            assert_eq!(verify(&rsa, "300b06092a864886f70d01010a", hash, &signature), Err(ForeignFault::Algorithm));
        }
        let ed25519 = PKey::generate_ed25519().unwrap();
        let signature = Signer::new_without_digest(&ed25519).unwrap().sign_oneshot_to_vec(b"message").unwrap();
        assert_eq!(verify(&ed25519, "300506032b6570", HashOf::Sha512, &signature), Ok(true));
        assert_eq!(verify(&ed25519, "300506032b6571", HashOf::Sha512, &signature), Err(ForeignFault::Algorithm));
    }

    #[test]
    fn keys_that_are_not_accepted() {
        let small = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
        let koblitz = ec(Nid::SECP256K1);
        let signature = [0; 8];
        assert_eq!(
            verify(&small, "300d06092a864886f70d0101010500", HashOf::Sha256, &signature),
            Err(ForeignFault::Algorithm)
        );
        // Its size is that of P-256, and it is not what anybody certifies.
        assert_eq!(
            verify(&koblitz, "300a06082a8648ce3d040302", HashOf::Sha256, &signature),
            Err(ForeignFault::Algorithm)
        );
        assert_eq!(verify_foreign(b"no key", b"", HashOf::Sha256, b"", b""), Err(ForeignFault::Algorithm));
    }

    #[test]
    fn digests_with_and_without_null() {
        for (last, hash) in (1..).zip(HASHES) {
            for text in
                [format!("300b06096086480165030402{last:02x}"), format!("300d06096086480165030402{last:02x}0500")]
            {
                assert_eq!(HashOf::from_identifier(&identifier(&text)), Ok(hash));
            }
            assert_eq!(hash.of(b"").len(), 16 * (last + 1));
        }
        for bad in [
            "",
            "300906052b0e03021a0500",
            "300b0609608648016503040204",
            "300b06096086480165030402010500",
            "300d0609608648016503040201",
        ] {
            assert_eq!(HashOf::from_identifier(&identifier(bad)), Err(ForeignFault::Digest), "{bad}");
        }
    }
}
