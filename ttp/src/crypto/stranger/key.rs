//! Public keys of strangers, built from their parts: libcrypto's decoders of DER cost as much as a verification.

use std::fmt;
use std::sync::LazyLock;

use openssl::bn::{BigNum, BigNumContext};
use openssl::dsa::Dsa;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};

use super::scheme::{SignatureScheme, pss, split_identifier};
use crate::asn1::der;
use crate::asn1::read::Reader;
use crate::digest::Digest;

/// Longer keys are not used by anybody, and each bit costs.
const RSA_BITS_MAX: i32 = 8_192;
/// FIPS 186-5 §A.1.1: e below 2^256. A longer one would make a verification as dear as a signature.
const EXPONENT_BITS_MAX: i32 = 256;
/// FIPS 186-4 §4.2 ends at 3,072.
const DSA_BITS_MAX: i32 = 4_096;

/// A named curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EcCurve {
    /// NIST P-256, secp256r1.
    P256,
    /// NIST P-384, secp384r1.
    P384,
    /// NIST P-521, secp521r1.
    P521,
    /// brainpoolP256r1 (RFC 5639), on German cards.
    BrainpoolP256,
    /// brainpoolP384r1.
    BrainpoolP384,
    /// brainpoolP512r1.
    BrainpoolP512,
}

impl EcCurve {
    const ALL: [Self; 6] =
        [Self::P256, Self::P384, Self::P521, Self::BrainpoolP256, Self::BrainpoolP384, Self::BrainpoolP512];

    /// The name as policies write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::P521 => "p521",
            Self::BrainpoolP256 => "brainpool-p256",
            Self::BrainpoolP384 => "brainpool-p384",
            Self::BrainpoolP512 => "brainpool-p512",
        }
    }

    /// Bits of the order.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::P256 | Self::BrainpoolP256 => 256,
            Self::P384 | Self::BrainpoolP384 => 384,
            Self::P521 => 521,
            Self::BrainpoolP512 => 512,
        }
    }

    /// Content octets of its object identifier.
    const fn oid(self) -> &'static [u8] {
        match self {
            // 1.2.840.10045.3.1.7, 1.3.132.0.34, 1.3.132.0.35
            Self::P256 => &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
            Self::P384 => &[0x2B, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x2B, 0x81, 0x04, 0x00, 0x23],
            // 1.3.36.3.3.2.8.1.1.{7, 11, 13}
            Self::BrainpoolP256 => &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07],
            Self::BrainpoolP384 => &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0B],
            Self::BrainpoolP512 => &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0D],
        }
    }

    const fn nid(self) -> Nid {
        match self {
            Self::P256 => Nid::X9_62_PRIME256V1,
            Self::P384 => Nid::SECP384R1,
            Self::P521 => Nid::SECP521R1,
            Self::BrainpoolP256 => Nid::BRAINPOOL_P256R1,
            Self::BrainpoolP384 => Nid::BRAINPOOL_P384R1,
            Self::BrainpoolP512 => Nid::BRAINPOOL_P512R1,
        }
    }

    /// `None` where libcrypto was built without the curve.
    fn group(self) -> Option<&'static EcGroup> {
        static GROUPS: LazyLock<Vec<Option<EcGroup>>> = LazyLock::new(|| {
            EcCurve::ALL.into_iter().map(|curve| EcGroup::from_curve_name(curve.nid()).ok()).collect()
        });
        GROUPS[self as usize].as_ref()
    }
}

/// What a key is, with its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// RSA.
    Rsa {
        /// Of the modulus.
        bits: u32,
    },
    /// ECDSA.
    Ec(EcCurve),
    /// Ed25519.
    Ed25519,
    /// DSA.
    Dsa {
        /// Of p.
        bits: u32,
    },
}

impl KeyType {
    /// The size as policies count it: bits of the modulus, or of the curve's order.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Rsa { bits } | Self::Dsa { bits } => bits,
            Self::Ec(curve) => curve.bits(),
            Self::Ed25519 => 253,
        }
    }

    /// The name without the size, as policies write it.
    #[must_use]
    pub const fn family(self) -> &'static str {
        match self {
            Self::Rsa { .. } => "rsa",
            Self::Ec(_) => "ec",
            Self::Ed25519 => "ed25519",
            Self::Dsa { .. } => "dsa",
        }
    }
}

/// For example `rsa-2048`, `p256`.
impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } | Self::Dsa { bits } => write!(f, "{}-{bits}", self.family()),
            Self::Ec(curve) => f.write_str(curve.name()),
            Self::Ed25519 => f.write_str("ed25519"),
        }
    }
}

/// Why a SubjectPublicKeyInfo is no key that signatures can be verified with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not a SubjectPublicKeyInfo, or not a key of the kind that it names.
    #[error("the key is malformed")]
    Malformed,
    /// A kind of key, or a curve, that is not used here.
    #[error("the kind of key is not known here")]
    Unknown,
    /// Longer than any key in use.
    #[error("the key is longer than any in use")]
    TooLong,
    /// A DSA key without parameters, and none are inherited (RFC 3279 §2.3.2).
    #[error("the key inherits parameters, and there are none to inherit")]
    NoParameters,
}

/// The parameters that a DSA key may inherit from its issuer's: p, q and g in DER (RFC 3279 §2.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DsaParameters(Vec<u8>);

type Parts = (KeyType, Material, Option<DsaParameters>);

enum Material {
    Rsa { key: PKey<Public>, only_pss: Option<PssLimit> },
    Ec(EcKey<Public>),
    Other(PKey<Public>),
}

/// What an id-RSASSA-PSS key permits (RFC 4055 §3.3): any parameters, or these with at least that much salt.
type PssLimit = Option<SignatureScheme>;

/// A public key of somebody, parsed once.
pub struct StrangerKey {
    kind: KeyType,
    material: Material,
    dsa: Option<DsaParameters>,
    digest: Digest,
}

impl StrangerKey {
    /// Reads a SubjectPublicKeyInfo; a DSA key without parameters takes `inherited`.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn from_spki_der(spki: &[u8], inherited: Option<&DsaParameters>) -> Result<Self, KeyFault> {
        let digest = match inherited {
            None => Digest::of(spki),
            Some(parameters) => Digest::of(&[spki, &parameters.0].concat()),
        };
        let (kind, material, dsa) = Self::parts(spki, inherited)?;
        Ok(Self { kind, material, dsa, digest })
    }

    fn parts(spki: &[u8], inherited: Option<&DsaParameters>) -> Result<Parts, KeyFault> {
        let (id, parameters, bits) = split_spki(spki).ok_or(KeyFault::Malformed)?;
        match id {
            // rsaEncryption, id-RSASSA-PSS: 1.2.840.113549.1.1.{1, 10}
            [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01] => Self::rsa(bits, None),
            [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A] => {
                let limit = match parameters {
                    None => None,
                    some => Some(pss(some).ok_or(KeyFault::Malformed)?),
                };
                Self::rsa(bits, Some(limit))
            }
            // id-ecPublicKey, 1.2.840.10045.2.1
            [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01] => Self::ec(parameters.ok_or(KeyFault::Malformed)?, bits),
            // id-Ed25519
            [0x2B, 0x65, 0x70] => {
                let key = PKey::public_key_from_raw_bytes(bits, Id::ED25519).map_err(malformed)?;
                Ok((KeyType::Ed25519, Material::Other(key), None))
            }
            // id-dsa, 1.2.840.10040.4.1
            [0x2A, 0x86, 0x48, 0xCE, 0x38, 0x04, 0x01] => {
                let own = parameters.filter(|der| *der != [0x05, 0x00]).map(|der| DsaParameters(der.to_vec()));
                Self::dsa(own.or_else(|| inherited.cloned()).ok_or(KeyFault::NoParameters)?, bits)
            }
            _ => Err(KeyFault::Unknown),
        }
    }

    fn rsa(bits: &[u8], only_pss: Option<PssLimit>) -> Result<Parts, KeyFault> {
        let mut outer = Reader::new(bits);
        let mut fields = Reader::new(outer.take(der::SEQUENCE).ok_or(KeyFault::Malformed)?.content);
        let (n, e) = (positive(&mut fields)?, positive(&mut fields)?);
        if !fields.is_at_end() || !outer.is_at_end() {
            return Err(KeyFault::Malformed);
        }
        if n.num_bits() > RSA_BITS_MAX || e.num_bits() > EXPONENT_BITS_MAX {
            return Err(KeyFault::TooLong);
        }
        // With e = 1 a signature is its own message, and anybody's.
        if e.num_bits() < 2 || !e.is_bit_set(0) || !n.is_bit_set(0) {
            return Err(KeyFault::Malformed);
        }
        let kind = KeyType::Rsa { bits: n.num_bits().unsigned_abs() };
        let key = Rsa::from_public_components(n, e).and_then(PKey::from_rsa).map_err(malformed)?;
        Ok((kind, Material::Rsa { key, only_pss }, None))
    }

    fn ec(parameters: &[u8], bits: &[u8]) -> Result<Parts, KeyFault> {
        // RFC 5480 §2.1.1: a named curve only.
        let named = Reader::new(parameters).take(der::OID).ok_or(KeyFault::Unknown)?.content;
        let curve = EcCurve::ALL.into_iter().find(|curve| curve.oid() == named).ok_or(KeyFault::Unknown)?;
        let group = curve.group().ok_or(KeyFault::Unknown)?;
        // Compressed or not; the point at infinity, a single 0, is nobody's key.
        if !matches!(bits.first(), Some(2..=4)) {
            return Err(KeyFault::Malformed);
        }
        let key = (|| {
            let mut context = BigNumContext::new()?;
            // Fails for what is no point of the curve.
            EcKey::from_public_key(group, &*EcPoint::from_bytes(group, bits, &mut context)?)
        })();
        Ok((KeyType::Ec(curve), Material::Ec(key.map_err(malformed)?), None))
    }

    fn dsa(parameters: DsaParameters, bits: &[u8]) -> Result<Parts, KeyFault> {
        let mut outer = Reader::new(&parameters.0);
        let mut fields = Reader::new(outer.take(der::SEQUENCE).ok_or(KeyFault::Malformed)?.content);
        let (p, q, g) = (positive(&mut fields)?, positive(&mut fields)?, positive(&mut fields)?);
        let public = positive(&mut Reader::new(bits))?;
        if p.num_bits() > DSA_BITS_MAX || q.num_bits() > 256 {
            return Err(KeyFault::TooLong);
        }
        // g = 1 or y = 1 would let anybody sign.
        if [&g, &public].into_iter().any(|number| number.num_bits() < 2 || *number >= p) {
            return Err(KeyFault::Malformed);
        }
        let kind = KeyType::Dsa { bits: p.num_bits().unsigned_abs() };
        let key = Dsa::from_public_components(p, q, g, public).and_then(PKey::from_dsa).map_err(malformed)?;
        Ok((kind, Material::Other(key), Some(parameters)))
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> KeyType {
        self.kind
    }

    /// SHA-256 of what it was read from, inherited parameters behind it: its name wherever results are kept.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The parameters that keys certified by this one may inherit.
    #[must_use]
    pub const fn dsa_parameters(&self) -> Option<&DsaParameters> {
        self.dsa.as_ref()
    }

    /// True if `signature` is over `message` by this key in this way. A scheme that is not the key's, and any malformed
    /// signature, is false.
    #[must_use]
    pub fn verify(&self, scheme: SignatureScheme, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (&self.material, scheme) {
            (Material::Rsa { key, only_pss: None }, SignatureScheme::RsaPkcs1(hash)) => {
                Verifier::new(hash.message_digest(), key).and_then(|mut v| v.verify_oneshot(signature, message))
            }
            (Material::Rsa { key, only_pss }, SignatureScheme::RsaPss { .. }) if permits(only_pss, scheme) => {
                verify_pss(key, scheme, message, signature)
            }
            // Of strangers high s is accepted, too.
            (Material::Ec(key), SignatureScheme::Ecdsa(hash)) => {
                EcdsaSig::from_der(signature).and_then(|sig| sig.verify(&hash.of(message), key))
            }
            (Material::Other(key), SignatureScheme::Ed25519) if self.kind == KeyType::Ed25519 => {
                Verifier::new_without_digest(key).and_then(|mut v| v.verify_oneshot(signature, message))
            }
            (Material::Other(key), SignatureScheme::Dsa(hash)) if self.dsa.is_some() => {
                Verifier::new(hash.message_digest(), key).and_then(|mut v| v.verify_oneshot(signature, message))
            }
            _ => return false,
        };
        verified.unwrap_or(false)
    }
}

impl fmt::Debug for StrangerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StrangerKey({})", self.kind)
    }
}

/// Whether a key that is for PSS alone permits these parameters (RFC 4055 §3.3); any other key does.
fn permits(limit: &Option<PssLimit>, scheme: SignatureScheme) -> bool {
    use SignatureScheme::RsaPss;
    match (limit, scheme) {
        (Some(Some(RsaPss { hash, mask_hash, salt_bytes })), RsaPss { hash: h, mask_hash: m, salt_bytes: s }) => {
            *hash == h && *mask_hash == m && s >= *salt_bytes
        }
        _ => true,
    }
}

fn verify_pss(
    key: &PKey<Public>,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, ErrorStack> {
    let SignatureScheme::RsaPss { hash, mask_hash, salt_bytes } = scheme else { return Ok(false) };
    let mut verifier = Verifier::new(hash.message_digest(), key)?;
    verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
    verifier.set_rsa_mgf1_md(mask_hash.message_digest())?;
    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(i32::from(salt_bytes)))?;
    verifier.verify_oneshot(signature, message)
}

fn malformed(_: ErrorStack) -> KeyFault {
    KeyFault::Malformed
}

/// A positive INTEGER.
fn positive(fields: &mut Reader<'_>) -> Result<BigNum, KeyFault> {
    let content = fields.take(der::INTEGER).ok_or(KeyFault::Malformed)?.content;
    let number = match content.first() {
        Some(..=0x7F) => BigNum::from_slice(content).map_err(malformed)?,
        _ => return Err(KeyFault::Malformed),
    };
    if number.num_bits() == 0 { Err(KeyFault::Malformed) } else { Ok(number) }
}

/// Algorithm, parameters, and the key's octets.
type SplitKey<'a> = (&'a [u8], Option<&'a [u8]>, &'a [u8]);

fn split_spki(spki: &[u8]) -> Option<SplitKey<'_>> {
    let mut outer = Reader::new(spki);
    let mut fields = Reader::new(outer.take(der::SEQUENCE)?.content);
    let (id, parameters) = split_identifier(fields.take(der::SEQUENCE)?.der)?;
    // Keys are whole octets.
    let [0, bits @ ..] = fields.take(der::BIT_STRING)?.content else { return None };
    (fields.is_at_end() && outer.is_at_end()).then_some((id, parameters, bits))
}

#[cfg(test)]
mod tests {
    use super::super::Hash;
    use super::*;
    use openssl::pkey::Private;
    use openssl::sign::Signer;

    fn ec(curve: EcCurve) -> PKey<Private> {
        PKey::from_ec_key(EcKey::generate(curve.group().unwrap()).unwrap()).unwrap()
    }

    fn sign(key: &PKey<Private>, hash: Hash, message: &[u8]) -> Vec<u8> {
        Signer::new(hash.message_digest(), key).unwrap().sign_oneshot_to_vec(message).unwrap()
    }

    fn check(key: &PKey<Private>, scheme: SignatureScheme, signature: &[u8], kind: &str) {
        let read = StrangerKey::from_spki_der(&key.public_key_to_der().unwrap(), None).unwrap();
        assert_eq!(read.kind().to_string(), kind);
        assert!(read.verify(scheme, b"message", signature), "{scheme} {kind}");
        assert!(!read.verify(scheme, b"another message", signature));
        assert!(!read.verify(scheme, b"message", &signature[1..]));
        assert!(!read.verify(scheme, b"message", &[]));
        let others =
            [SignatureScheme::Ed25519, SignatureScheme::Dsa(Hash::Sha256), SignatureScheme::Ecdsa(Hash::Sha512)];
        assert!(others.iter().all(|other| *other == scheme || !read.verify(*other, b"message", signature)));
    }

    #[test]
    fn every_kind_of_key_verifies_its_own() {
        for curve in EcCurve::ALL {
            let key = ec(curve);
            for hash in Hash::ALL {
                check(&key, SignatureScheme::Ecdsa(hash), &sign(&key, hash, b"message"), curve.name());
            }
        }
        let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        for hash in Hash::ALL {
            check(&rsa, SignatureScheme::RsaPkcs1(hash), &sign(&rsa, hash, b"message"), "rsa-2048");
        }
        let mut signer = Signer::new(Hash::Sha256.message_digest(), &rsa).unwrap();
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer.set_rsa_mgf1_md(Hash::Sha384.message_digest()).unwrap();
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(20)).unwrap();
        let signature = signer.sign_oneshot_to_vec(b"message").unwrap();
        let pss = SignatureScheme::RsaPss { hash: Hash::Sha256, mask_hash: Hash::Sha384, salt_bytes: 20 };
        check(&rsa, pss, &signature, "rsa-2048");
        let other_salt = SignatureScheme::RsaPss { hash: Hash::Sha256, mask_hash: Hash::Sha384, salt_bytes: 32 };
        let read = StrangerKey::from_spki_der(&rsa.public_key_to_der().unwrap(), None).unwrap();
        assert!(!read.verify(other_salt, b"message", &signature));
        let ed = PKey::generate_ed25519().unwrap();
        let signature = Signer::new_without_digest(&ed).unwrap().sign_oneshot_to_vec(b"message").unwrap();
        check(&ed, SignatureScheme::Ed25519, &signature, "ed25519");
        let dsa = PKey::from_dsa(Dsa::generate(1024).unwrap()).unwrap();
        check(&dsa, SignatureScheme::Dsa(Hash::Sha1), &sign(&dsa, Hash::Sha1, b"message"), "dsa-1024");
    }

    #[test]
    fn keys_that_are_none() {
        let spki = |key: &PKey<Private>| key.public_key_to_der().unwrap();
        let read = |der: &[u8]| StrangerKey::from_spki_der(der, None).map(|key| key.kind());
        let good = spki(&ec(EcCurve::P256));
        // Not on the curve; at infinity; cut; more behind it.
        let mut off = good.clone();
        *off.last_mut().unwrap() ^= 1;
        let infinity = hex::decode("301a301306072a8648ce3d020106082a8648ce3d0301070303000000").unwrap();
        for bad in [off, infinity, good[..good.len() - 1].to_vec(), [&good[..], &[0]].concat(), Vec::new()] {
            assert_eq!(read(&bad), Err(KeyFault::Malformed), "{}", hex::encode(&bad));
        }
        let k1 = PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(Nid::SECP256K1).unwrap()).unwrap());
        assert_eq!(read(&spki(&k1.unwrap())), Err(KeyFault::Unknown));
        assert_eq!(read(&spki(&PKey::generate_ed448().unwrap())), Err(KeyFault::Unknown));
        // An exponent of 300 bits; a modulus of 9,000.
        let rsa = |n: &[u8], e: &[u8]| {
            let key = der::sequence(&[&der::tlv(der::INTEGER, n), &der::tlv(der::INTEGER, e)]);
            let id = hex::decode("300d06092a864886f70d0101010500").unwrap();
            read(&der::sequence(&[&id, &der::tlv(der::BIT_STRING, &[&[0], &key[..]].concat())]))
        };
        assert_eq!(rsa(&[0x7F; 256], &[3]), Ok(KeyType::Rsa { bits: 2047 }));
        assert_eq!(rsa(&[0x7F; 256], &[0x7F; 38]), Err(KeyFault::TooLong));
        assert_eq!(rsa(&[0x7F; 1_125], &[3]), Err(KeyFault::TooLong));
        assert_eq!(rsa(&[0xFF; 256], &[3]), Err(KeyFault::Malformed));
        for e in [0, 1, 2, 4] {
            assert_eq!(rsa(&[0x7F; 256], &[e]), Err(KeyFault::Malformed), "{e}");
        }
        // DSA without parameters, and with those of another key.
        let dsa = Dsa::generate(1024).unwrap();
        let whole = spki(&PKey::from_dsa(dsa.clone()).unwrap());
        let parameters = StrangerKey::from_spki_der(&whole, None).unwrap().dsa_parameters().cloned();
        let public = der::tlv(der::INTEGER, &der::integer_content(&dsa.pub_key().to_vec()));
        let id = hex::decode("300906072a8648ce380401").unwrap();
        let bare = der::sequence(&[&id, &der::tlv(der::BIT_STRING, &[&[0], &public[..]].concat())]);
        assert_eq!(read(&bare), Err(KeyFault::NoParameters));
        let inherited = StrangerKey::from_spki_der(&bare, parameters.as_ref()).unwrap();
        assert_eq!(inherited.kind(), KeyType::Dsa { bits: 1024 });
        let signature = sign(&PKey::from_dsa(dsa).unwrap(), Hash::Sha256, b"message");
        assert!(inherited.verify(SignatureScheme::Dsa(Hash::Sha256), b"message", &signature));
    }
}
