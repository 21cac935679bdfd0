//! Signatures of others inside CMS: of more kinds of keys than ours, with s of either size, and with the names of algorithms that
//! programs in use write.

use openssl::nid::Nid;
use openssl::pkey::{Id, PKey};
use openssl::sign::Verifier;

use super::stranger::{Hash, SignatureScheme};

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

/// rsaEncryption, 1.2.840.113549.1.1.1, with NULL, which some leave out: what many write where the scheme belongs (RFC 3370 §3.2).
const RSA_ENCRYPTION: [&[u8]; 2] = [
    &[0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00],
    &[0x30, 0x0B, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01],
];

/// The digest algorithm of a CMS signature, of an AlgorithmIdentifier in DER with NULL parameters or none (RFC 5754 §2).
///
/// # Errors
/// [`ForeignFault::Digest`]: SHA-1 and MD5 prove nothing any more, and SHA-224 is nobody's.
pub fn foreign_hash(identifier: &[u8]) -> Result<Hash, ForeignFault> {
    Hash::from_identifier_der(identifier).filter(is_accepted).ok_or(ForeignFault::Digest)
}

fn is_accepted(hash: &Hash) -> bool {
    matches!(hash, Hash::Sha256 | Hash::Sha384 | Hash::Sha512)
}

/// True if `signature` is over `message` by the key, with the algorithm of this identifier (DER). `hash` is the message's digest
/// algorithm, of [`foreign_hash`]: with it the names that say only "RSA" are read, and those that name a hash must name this one.
///
/// # Errors
/// [`ForeignFault`]: keys are P-256, P-384, P-521, RSA of 2048 to 8192 bits (PKCS #1 v1.5), or Ed25519.
pub fn verify_foreign(
    spki_der: &[u8],
    algorithm: &[u8],
    hash: Hash,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, ForeignFault> {
    if !is_accepted(&hash) {
        return Err(ForeignFault::Digest);
    }
    let key = PKey::public_key_from_der(spki_der).map_err(|_| ForeignFault::Algorithm)?;
    let known = match (key.id(), scheme(algorithm, hash).ok_or(ForeignFault::Algorithm)?) {
        (Id::EC, SignatureScheme::Ecdsa(named)) => {
            named == hash && key.ec_key().is_ok_and(|key| CURVES.contains(&key.group().curve_name()))
        }
        (Id::RSA, SignatureScheme::RsaPkcs1(named)) => named == hash && (2048..=8192).contains(&key.bits()),
        (Id::ED25519, SignatureScheme::Ed25519) => true,
        _ => false,
    };
    if !known {
        return Err(ForeignFault::Algorithm);
    }
    let verifier = match key.id() {
        Id::ED25519 => Verifier::new_without_digest(&key),
        _ => Verifier::new(hash.message_digest(), &key),
    };
    // A malformed signature is an error of libcrypto, and no signature.
    Ok(verifier.and_then(|mut verifier| verifier.verify_oneshot(signature, message)).unwrap_or(false))
}

/// The scheme that an identifier names, with this hash where it names none.
fn scheme(algorithm: &[u8], hash: Hash) -> Option<SignatureScheme> {
    match SignatureScheme::from_identifier_der(algorithm) {
        // RFC 5758 §3.2: without parameters, also without NULL.
        Some(SignatureScheme::Ecdsa(_)) if algorithm.ends_with(&[0x05, 0x00]) => None,
        None if RSA_ENCRYPTION.contains(&algorithm) => Some(SignatureScheme::RsaPkcs1(hash)),
        named => named,
    }
}

#[cfg(test)]
mod tests {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::sign::Signer;

    use super::*;

    const HASHES: [Hash; 3] = [Hash::Sha256, Hash::Sha384, Hash::Sha512];

    fn identifier(text: &str) -> Vec<u8> {
        hex::decode(text).unwrap()
    }

    fn ec(curve: Nid) -> PKey<Private> {
        PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap()
    }

    fn verify(key: &PKey<Private>, algorithm: &str, hash: Hash, signature: &[u8]) -> Result<bool, ForeignFault> {
        verify_foreign(&key.public_key_to_der().unwrap(), &identifier(algorithm), hash, b"message", signature)
    }

    #[test]
    fn each_key_with_each_hash() {
        let curves = [Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1].map(ec);
        let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        for (i, hash) in HASHES.into_iter().enumerate() {
            let signed = |key: &PKey<Private>| {
                let mut signer = Signer::new(hash.message_digest(), key).unwrap();
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
                let null = format!("300c{}0500", &ecdsa[4..]);
                assert_eq!(verify(key, &null, hash, &signed(key)), Err(ForeignFault::Algorithm));
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
        assert_eq!(verify(&ed25519, "300506032b6570", Hash::Sha512, &signature), Ok(true));
        assert_eq!(verify(&ed25519, "300506032b6571", Hash::Sha512, &signature), Err(ForeignFault::Algorithm));
    }

    #[test]
    fn keys_that_are_not_accepted() {
        let small = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
        let koblitz = ec(Nid::SECP256K1);
        let signature = [0; 8];
        assert_eq!(
            verify(&small, "300d06092a864886f70d0101010500", Hash::Sha256, &signature),
            Err(ForeignFault::Algorithm)
        );
        // Hashes that prove nothing, though the signature names the same.
        for (hash, last) in [(Hash::Sha1, 5), (Hash::Sha224, 14)] {
            let algorithm = format!("300d06092a864886f70d0101{last:02x}0500");
            assert_eq!(verify(&small, &algorithm, hash, &signature), Err(ForeignFault::Digest));
        }
        // Its size is that of P-256, and it is not what anybody certifies.
        assert_eq!(
            verify(&koblitz, "300a06082a8648ce3d040302", Hash::Sha256, &signature),
            Err(ForeignFault::Algorithm)
        );
        assert_eq!(verify_foreign(b"no key", b"", Hash::Sha256, b"", b""), Err(ForeignFault::Algorithm));
    }

    #[test]
    fn digests_with_and_without_null() {
        for (last, hash) in (1..).zip(HASHES) {
            for text in
                [format!("300b06096086480165030402{last:02x}"), format!("300d06096086480165030402{last:02x}0500")]
            {
                assert_eq!(foreign_hash(&identifier(&text)), Ok(hash));
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
            assert_eq!(foreign_hash(&identifier(bad)), Err(ForeignFault::Digest), "{bad}");
        }
    }
}
