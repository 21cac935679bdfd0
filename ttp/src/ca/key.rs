//! Public keys that are certified: which kind they are, and whether they are strong enough to be certified at all.
//!
//! Reads SubjectPublicKeyInfo only; that a P-256 or P-384 point lies on its curve is seen when its owner's signature is
//! verified ([`super::request`]).

use rasn::prelude::*;
use rasn_pkix::SubjectPublicKeyInfo;

use crate::asn1::{self, RawInteger, RawOid};
use crate::crypto::KeyKind;

/// Content octets of the OBJECT IDENTIFIERs.
const EC_PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const SECP384R1: &[u8] = &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22];
const RSA_ENCRYPTION: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
const ED25519: &[u8] = &[0x2B, 0x65, 0x70];
const NULL: &[u8] = &[0x05, 0x00];

/// Bits of an RSA modulus. The most bounds what a verification may cost.
const RSA_BITS: std::ops::RangeInclusive<usize> = 3072..=8192;

/// RSAPublicKey, RFC 8017 appendix A.1.1.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
struct RsaPublicKey {
    modulus: RawInteger,
    public_exponent: RawInteger,
}

/// Why a key is not certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not a SubjectPublicKeyInfo in DER, or a key that does not fit its algorithm.
    #[error("the public key is malformed")]
    Malformed,
    /// Another algorithm or curve.
    #[error("only P-256, P-384, RSA and Ed25519 keys are certified")]
    Unsupported,
    /// Too short, or longer than anybody needs.
    #[error("RSA keys from 3072 to 8192 bits are certified, in whole octets; this one has {bits}")]
    RsaBits {
        /// Its length.
        bits: usize,
    },
    /// An even modulus, or an exponent below 65537 or even (BR 6.1.6).
    #[error("the RSA key has an even modulus, or an exponent that is even or below 65537")]
    RsaWeak,
}

/// The kind of a key.
///
/// # Errors
/// [`KeyFault`].
pub fn judge(spki: &SubjectPublicKeyInfo) -> Result<KeyKind, KeyFault> {
    let key = spki.subject_public_key.as_raw_slice();
    if !spki.subject_public_key.len().is_multiple_of(8) {
        return Err(KeyFault::Malformed);
    }
    let identifier = rasn::der::encode(&spki.algorithm.algorithm).map_err(|_| KeyFault::Malformed)?;
    let parameters = spki.algorithm.parameters.as_ref().map(Any::as_bytes);
    match (identifier.get(2..).unwrap_or_default(), parameters) {
        // Uncompressed points only: RFC 5480 §2.2 asks nobody to read another form.
        (EC_PUBLIC_KEY, Some(PRIME256V1)) if key.len() == 65 && key[0] == 4 => Ok(KeyKind::EcdsaP256),
        (EC_PUBLIC_KEY, Some(SECP384R1)) if key.len() == 97 && key[0] == 4 => Ok(KeyKind::EcdsaP384),
        (EC_PUBLIC_KEY, Some(PRIME256V1 | SECP384R1)) => Err(KeyFault::Malformed),
        (RSA_ENCRYPTION, Some(NULL)) => judge_rsa(key),
        (RSA_ENCRYPTION, _) => Err(KeyFault::Malformed),
        (ED25519, None) if key.len() == 32 => Ok(KeyKind::Ed25519),
        (ED25519, _) => Err(KeyFault::Malformed),
        _ => Err(KeyFault::Unsupported),
    }
}

fn judge_rsa(key: &[u8]) -> Result<KeyKind, KeyFault> {
    let RsaPublicKey { modulus, public_exponent } = asn1::decode_strict(key).ok_or(KeyFault::Malformed)?;
    let positive = |number: &RawInteger| -> Option<Vec<u8>> {
        let content = &number.0;
        let negative = content.first().is_none_or(|first| *first >= 0x80);
        let significant: Vec<u8> = content.iter().copied().skip_while(|octet| *octet == 0).collect();
        // One spelling: a leading zero only where the sign needs it.
        let minimal = asn1::der::minimal_signed(content).len() == content.len();
        (!negative && minimal && !significant.is_empty()).then_some(significant)
    };
    let (modulus, exponent) = positive(&modulus).zip(positive(&public_exponent)).ok_or(KeyFault::Malformed)?;
    let bits = modulus.len() * 8 - modulus[0].leading_zeros() as usize;
    // Whole octets (BR 6.1.5).
    if !RSA_BITS.contains(&bits) || !bits.is_multiple_of(8) {
        return Err(KeyFault::RsaBits { bits });
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    let large = exponent.len() > 3 || (exponent.len() == 3 && exponent[..] >= [1, 0, 1][..]);
    // An exponent beyond 256 bits (BR 6.1.6) only makes verifying slow.
    if !odd(&modulus) || !odd(&exponent) || !large || exponent.len() > 32 {
        return Err(KeyFault::RsaWeak);
    }
    Ok(KeyKind::Rsa3072)
}

/// The kind of the key of a whole SubjectPublicKeyInfo.
///
/// # Errors
/// [`KeyFault`].
pub fn judge_der(spki_der: &[u8]) -> Result<KeyKind, KeyFault> {
    judge(&asn1::decode_strict(spki_der).ok_or(KeyFault::Malformed)?)
}

/// True for content octets of the identifier of an EC key.
pub(super) fn is_ec(kind: KeyKind) -> bool {
    matches!(kind, KeyKind::EcdsaP256 | KeyKind::EcdsaP384)
}

/// The identifier's content octets.
pub(super) fn content(id: &RawOid) -> &[u8] {
    &id.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::der;
    use crate::crypto::{SignatureAlgorithm, Signer, SoftKey, oracle};

    #[test]
    fn our_own_keys_are_known() {
        for (algorithm, kind) in [
            (SignatureAlgorithm::EcdsaP256Sha256, KeyKind::EcdsaP256),
            (SignatureAlgorithm::RsaPkcs1Sha256, KeyKind::Rsa3072),
            (SignatureAlgorithm::Ed25519, KeyKind::Ed25519),
        ] {
            let key = SoftKey::generate(algorithm).unwrap();
            assert_eq!(judge_der(key.spki_der()), Ok(kind));
        }
        assert_eq!(judge_der(&oracle::p384_key().1), Ok(KeyKind::EcdsaP384));
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<KeyKind, KeyFault> {
        let number = |octets: &[u8]| der::tlv(der::INTEGER, &der::integer_content(octets));
        let key = der::sequence(&[&number(modulus), &number(exponent)]);
        let algorithm = der::sequence(&[&der::tlv(der::OID, RSA_ENCRYPTION), NULL]);
        let bits = der::tlv(der::BIT_STRING, &[&[0], &key[..]].concat());
        judge_der(&der::sequence(&[&algorithm, &bits]))
    }

    #[test]
    fn weak_and_strange_keys_are_named() {
        let modulus = |octets: usize| {
            let mut modulus = vec![0xC1; octets];
            modulus[octets - 1] = 1;
            modulus
        };
        assert_eq!(rsa(&modulus(384), &[1, 0, 1]), Ok(KeyKind::Rsa3072));
        assert_eq!(rsa(&modulus(256), &[1, 0, 1]), Err(KeyFault::RsaBits { bits: 2048 }));
        assert_eq!(rsa(&modulus(1025), &[1, 0, 1]), Err(KeyFault::RsaBits { bits: 8200 }));
        let odd_length = [&[0x0F][..], &modulus(384)].concat();
        assert_eq!(rsa(&odd_length, &[1, 0, 1]), Err(KeyFault::RsaBits { bits: 3076 }));
        assert_eq!(rsa(&modulus(384), &[3]), Err(KeyFault::RsaWeak));
        assert_eq!(rsa(&modulus(384), &[1, 0, 2]), Err(KeyFault::RsaWeak));
        assert_eq!(rsa(&[0xC2; 384], &[1, 0, 1]), Err(KeyFault::RsaWeak));
        assert_eq!(rsa(&[0], &[1, 0, 1]), Err(KeyFault::Malformed));
        assert_eq!(judge_der(&oracle::other_key()), Err(KeyFault::Unsupported));
        let mut short = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap().spki_der().to_vec();
        short[26] = 2; // a compressed form with the length of an uncompressed one
        assert_eq!(judge_der(&short), Err(KeyFault::Malformed));
        assert_eq!(judge_der(&[]), Err(KeyFault::Malformed));
    }
}
