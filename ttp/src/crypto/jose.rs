//! Keys and signatures of JOSE, for what parties and third parties sign: ES256, ES384, EdDSA with Ed25519, PS256
//! (RFC 7518, RFC 8037, RFC 9864).
//!
//! A key comes as SubjectPublicKeyInfo, from a certificate, or as JWK (RFC 7517). Its name is the thumbprint of RFC 7638.
//! Unlike [`super::PublicKey`], which judges our own artefacts, [`Key::verify`] accepts a high s: a party's signature is
//! kept as it was received. Out of scope: HMAC, encryption, private keys.

mod jwk;

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::LazyLock;

use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::jwk::Numbers;
use super::SignatureAlgorithm;
use super::ecdsa::{make_low_s, make_low_s_p384, negate_s, negate_s_p384};
use crate::b64u::{B64u32, NotB64u};
use crate::digest::Digest;
use crate::json::{self, JsonFault};

/// Bits of an RSA modulus: below, forgeable (ETSI TS 119 312); above, a verification costs too much to be had for asking.
pub const RSA_BITS: RangeInclusive<u32> = 2048..=8192;

/// The longest JWK or SubjectPublicKeyInfo that is read, octets: RSA of 8192 bits takes 1,400 as JWK; the rest is for
/// members that are not read, such as a certificate chain.
pub const KEY_BYTES_MAX: usize = 16 << 10;

/// How a JWS is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256; r ‖ s of 64 octets (RFC 7518 §3.4).
    Es256,
    /// ECDSA on P-384 with SHA-384; r ‖ s of 96 octets (RFC 7518 §3.4).
    Es384,
    /// Ed25519 (RFC 8037 §3.1), never Ed448.
    EdDsa,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 octets (RFC 7518 §3.5).
    Ps256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Es256, Self::Es384, Self::EdDsa, Self::Ps256];

    /// The name that we write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
        }
    }

    /// The algorithm of this name. `Ed25519` is RFC 9864's for what older software calls `EdDSA`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// How one of our signers signs a JWS; `None` for RSA with PKCS #1 v1.5, which statements do not know.
    #[must_use]
    pub const fn of_signer(algorithm: SignatureAlgorithm) -> Option<Self> {
        match algorithm {
            SignatureAlgorithm::EcdsaP256Sha256 => Some(Self::Es256),
            SignatureAlgorithm::Ed25519 => Some(Self::EdDsa),
            SignatureAlgorithm::RsaPkcs1Sha256 => None,
        }
    }

    /// How many octets a signature has; of PS256, as many as its key's modulus.
    #[must_use]
    pub const fn signature_bytes(self) -> RangeInclusive<usize> {
        match self {
            Self::Es256 | Self::EdDsa => 64..=64,
            Self::Es384 => 96..=96,
            Self::Ps256 => *RSA_BITS.start() as usize / 8..=*RSA_BITS.end() as usize / 8,
        }
    }

    /// Replaces s by n − s where a signature r ‖ s has s > n/2; leaves every other as it is.
    pub fn make_low_s(self, raw: &mut [u8]) {
        match self {
            Self::Es256 => {
                if let Ok(raw) = raw.try_into() {
                    make_low_s(raw);
                }
            }
            Self::Es384 => {
                if let Ok(raw) = raw.try_into() {
                    make_low_s_p384(raw);
                }
            }
            Self::EdDsa | Self::Ps256 => {}
        }
    }

    /// The other signature r ‖ s that verifies wherever this one does, and that anyone can make of it; `None` where there is none.
    #[must_use]
    pub fn twin(self, raw: &[u8]) -> Option<Vec<u8>> {
        let mut twin = raw.to_vec();
        match self {
            Self::Es256 => negate_s(twin.as_mut_slice().try_into().ok()?),
            Self::Es384 => negate_s_p384(twin.as_mut_slice().try_into().ok()?),
            Self::EdDsa | Self::Ps256 => return None,
        }
        Some(twin)
    }
}

/// A key's name: SHA-256 of its required JWK members (RFC 7638 §3), in base64url 43 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Thumbprint(pub B64u32);

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

impl FromStr for Thumbprint {
    type Err = NotB64u;

    fn from_str(text: &str) -> Result<Self, NotB64u> {
        text.parse().map(Self)
    }
}

/// Why a key is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Longer than [`KEY_BYTES_MAX`].
    #[error("the key is longer than {KEY_BYTES_MAX} octets")]
    TooLong,
    /// Not a SubjectPublicKeyInfo, or not in its one DER encoding.
    #[error("not a public key in DER")]
    NotDer,
    /// Not the JSON of a JWK.
    #[error("the JWK does not read: {0}")]
    Json(#[from] JsonFault),
    /// A member that its type requires is missing or not in its one spelling (RFC 7518 §6, RFC 8037 §2).
    #[error("the JWK's member {0:?} is missing or malformed")]
    Member(&'static str),
    /// The JWK holds a private or secret part, which must never leave its owner.
    #[error("the JWK holds a private key, which is now to be thrown away: hand over the public members only")]
    Private,
    /// The JWK's `use` is not `sig` (RFC 7517 §4.2).
    #[error("the JWK is not for signatures")]
    NotForSignatures,
    /// None of the four.
    #[error("only P-256 and P-384 (uncompressed), Ed25519 and RSA keys are used")]
    Unsupported,
    /// Outside of [`RSA_BITS`].
    #[error("an RSA key has {} to {} bits, this one {bits}", RSA_BITS.start(), RSA_BITS.end())]
    RsaBits {
        /// Length of the modulus.
        bits: u32,
    },
    /// An even number, 1, or more than 64 bits: such exponents cost whoever verifies, or prove nothing.
    #[error("the RSA key's modulus or exponent is even, or the exponent is 1 or longer than 64 bits")]
    RsaNumbers,
    /// Not a point of its curve.
    #[error("the key is not a point of its curve")]
    NotOnCurve,
    /// A point of Ed25519 of small order or in a second spelling: one signature could hold for many messages, or one key
    /// have two names.
    #[error("the Ed25519 key is of small order or not in its one encoding")]
    WeakPoint,
}

/// A public key that signs statements, parsed once.
pub struct Key {
    lib: Lib,
    jwk: String,
    thumbprint: Thumbprint,
    spki_der: Vec<u8>,
}

/// As libcrypto wants it. EC keys are made from points: its DER decoder costs fifty times as much (spec
/// timestamping-and-ca §4).
enum Lib {
    P256(EcKey<Public>),
    P384(EcKey<Public>),
    Ed25519(PKey<Public>),
    Rsa(PKey<Public>),
}

impl Key {
    /// Reads a SubjectPublicKeyInfo: named curves with an uncompressed point (RFC 5480 §2), Ed25519 (RFC 8410 §4),
    /// rsaEncryption (RFC 3279 §2.3.1).
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyFault> {
        if der.len() > KEY_BYTES_MAX {
            return Err(KeyFault::TooLong);
        }
        if let Some(numbers) = Numbers::from_spki_der(der) {
            return Self::new(&numbers);
        }
        let key = PKey::public_key_from_der(der).map_err(|_| KeyFault::NotDer)?;
        if key.id() != Id::RSA {
            return Err(KeyFault::Unsupported);
        }
        let rsa = key.rsa().map_err(|_| KeyFault::NotDer)?;
        let key = Self::new(&Numbers::Rsa { n: rsa.n().to_vec(), e: rsa.e().to_vec() })?;
        // libcrypto reads other encodings as well, and passes over what follows.
        if key.spki_der == der { Ok(key) } else { Err(KeyFault::NotDer) }
    }

    /// Reads the JSON of a public JWK.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn from_jwk_json(bytes: &[u8]) -> Result<Self, KeyFault> {
        if bytes.len() > KEY_BYTES_MAX {
            return Err(KeyFault::TooLong);
        }
        Self::from_jwk(&json::read_object(bytes)?)
    }

    /// Reads a public JWK that stood inside other JSON. Members that say nothing of the key itself are passed over, as
    /// RFC 7517 §4 wants it.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn from_jwk(members: &Map<String, Value>) -> Result<Self, KeyFault> {
        Self::new(&Numbers::from_jwk(members)?)
    }

    fn new(numbers: &Numbers) -> Result<Self, KeyFault> {
        let lib = match numbers {
            Numbers::P256(point) => Lib::P256(ec_key(&P256, point).ok_or(KeyFault::NotOnCurve)?),
            Numbers::P384(point) => Lib::P384(ec_key(&P384, point).ok_or(KeyFault::NotOnCurve)?),
            Numbers::Ed25519(point) if jwk::is_weak(point) => return Err(KeyFault::WeakPoint),
            Numbers::Ed25519(point) => {
                Lib::Ed25519(PKey::public_key_from_raw_bytes(point, Id::ED25519).map_err(|_| KeyFault::NotOnCurve)?)
            }
            Numbers::Rsa { n, e } => {
                jwk::check_rsa(n, e)?;
                Lib::Rsa(rsa_key(n, e).map_err(|_| KeyFault::RsaNumbers)?)
            }
        };
        let spki_der = match &lib {
            Lib::Rsa(key) => key.public_key_to_der().map_err(|_| KeyFault::RsaNumbers)?,
            _ => numbers.point_spki_der(),
        };
        let jwk = numbers.to_jwk();
        let thumbprint = Thumbprint(Digest::of(jwk.as_bytes()).into());
        Ok(Self { lib, jwk, thumbprint, spki_der })
    }

    /// The key's name.
    #[must_use]
    pub const fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// The JWK as JSON: the required members alone, in the order and spelling over which the thumbprint goes.
    #[must_use]
    pub fn to_jwk_json(&self) -> &str {
        &self.jwk
    }

    /// The key as SubjectPublicKeyInfo DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// The one algorithm with which this key signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.lib {
            Lib::P256(_) => Algorithm::Es256,
            Lib::P384(_) => Algorithm::Es384,
            Lib::Ed25519(_) => Algorithm::EdDsa,
            Lib::Rsa(_) => Algorithm::Ps256,
        }
    }

    /// True if `signature`, as a JWS carries it, is over `message` by this key with `algorithm`. An algorithm that does
    /// not fit the key is false, and so is any other length than the algorithm's. A high s is accepted: anyone can make
    /// one from a low one, so nothing may hang on the bytes of a signature.
    #[must_use]
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (&self.lib, algorithm) {
            (Lib::P256(key), Algorithm::Es256) if signature.len() == 64 => {
                ecdsa(signature).and_then(|s| s.verify(&openssl::sha::sha256(message), key))
            }
            (Lib::P384(key), Algorithm::Es384) if signature.len() == 96 => {
                ecdsa(signature).and_then(|s| s.verify(&openssl::sha::sha384(message), key))
            }
            (Lib::Ed25519(key), Algorithm::EdDsa) if signature.len() == 64 => {
                Verifier::new_without_digest(key).and_then(|mut v| v.verify_oneshot(signature, message))
            }
            (Lib::Rsa(key), Algorithm::Ps256) if signature.len() == key.size() => pss(key, message, signature),
            _ => Ok(false),
        };
        verified.unwrap_or(false)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {})", self.algorithm().name(), self.thumbprint)
    }
}

// Made once: setting up a group costs more than reading a point. libcrypto has both curves in every build that we support.
static P256: LazyLock<EcGroup> =
    LazyLock::new(|| EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("libcrypto has P-256"));
static P384: LazyLock<EcGroup> =
    LazyLock::new(|| EcGroup::from_curve_name(Nid::SECP384R1).expect("libcrypto has P-384"));

/// `None` if the octets are no point of the curve. Both curves have cofactor 1, so every point but infinity, which has no
/// uncompressed form, is a key.
fn ec_key(group: &EcGroup, point: &[u8]) -> Option<EcKey<Public>> {
    let mut context = openssl::bn::BigNumContext::new().ok()?;
    let point = EcPoint::from_bytes(group, point, &mut context).ok()?;
    EcKey::from_public_key(group, &point).ok()
}

fn rsa_key(n: &[u8], e: &[u8]) -> Result<PKey<Public>, ErrorStack> {
    PKey::from_rsa(Rsa::from_public_components(BigNum::from_slice(n)?, BigNum::from_slice(e)?)?)
}

fn ecdsa(raw: &[u8]) -> Result<EcdsaSig, ErrorStack> {
    let (r, s) = raw.split_at(raw.len() / 2);
    EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)
}

fn pss(key: &PKey<Public>, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
    let mut verifier = Verifier::new(MessageDigest::sha256(), key)?;
    verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(32))?;
    verifier.set_rsa_mgf1_md(MessageDigest::sha256())?;
    verifier.verify_oneshot(signature, message)
}

#[cfg(test)]
mod tests;
