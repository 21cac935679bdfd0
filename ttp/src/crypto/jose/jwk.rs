//! The numbers of a public key, as SubjectPublicKeyInfo and as JWK have them.

use serde_json::{Map, Value};

use super::{KeyFault, RSA_BITS};
use crate::b64u;

/// A key's numbers, each in its one form.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// 04 ‖ x ‖ y.
    P256([u8; 65]),
    /// 04 ‖ x ‖ y.
    P384([u8; 97]),
    /// As RFC 8032 §5.1.2 encodes a point.
    Ed25519([u8; 32]),
    /// Big-endian, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// SubjectPublicKeyInfo up to the point: id-ecPublicKey with prime256v1 (RFC 5480 §2).
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE,
    0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The same with secp384r1.
const SPKI_P384: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00,
    0x22, 0x03, 0x62, 0x00,
];
/// id-Ed25519 (RFC 8410 §4).
const SPKI_ED25519: [u8; 12] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Members with private or secret values (RFC 7518 §6.2.2, §6.3.2, §6.4, RFC 8037 §2).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The first point octet of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

impl Numbers {
    /// The three whose SubjectPublicKeyInfo is a fixed head and a point; `None` for everything else.
    pub(super) fn from_spki_der(der: &[u8]) -> Option<Self> {
        let point = |head: &[u8]| der.strip_prefix(head).filter(|point| point.first() == Some(&UNCOMPRESSED));
        if let Some(point) = point(&SPKI_P256) {
            return Some(Self::P256(point.try_into().ok()?));
        }
        if let Some(point) = point(&SPKI_P384) {
            return Some(Self::P384(point.try_into().ok()?));
        }
        Some(Self::Ed25519(der.strip_prefix(&SPKI_ED25519)?.try_into().ok()?))
    }

    pub(super) fn from_jwk(members: &Map<String, Value>) -> Result<Self, KeyFault> {
        if PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err(KeyFault::Private);
        }
        if members.get("use").is_some_and(|r#use| r#use != "sig") {
            return Err(KeyFault::NotForSignatures);
        }
        let text = |name: &'static str| members.get(name).and_then(Value::as_str).ok_or(KeyFault::Member(name));
        let octets = |name| b64u::decode(text(name)?.as_bytes()).ok_or(KeyFault::Member(name));
        // Coordinates have their full width (RFC 7518 §6.2.1.2), so they are put together as they are.
        let coordinate =
            |name, width| octets(name).and_then(|c| if c.len() == width { Ok(c) } else { Err(KeyFault::Member(name)) });
        let point =
            |width| Ok::<_, KeyFault>([vec![UNCOMPRESSED], coordinate("x", width)?, coordinate("y", width)?].concat());
        match text("kty")? {
            "EC" => match text("crv")? {
                "P-256" => Ok(Self::P256(point(32)?.try_into().map_err(|_| KeyFault::Member("x"))?)),
                "P-384" => Ok(Self::P384(point(48)?.try_into().map_err(|_| KeyFault::Member("x"))?)),
                _ => Err(KeyFault::Unsupported),
            },
            "OKP" if text("crv")? == "Ed25519" => {
                Ok(Self::Ed25519(octets("x")?.try_into().map_err(|_| KeyFault::Member("x"))?))
            }
            "RSA" => {
                // A leading zero would give the key a second thumbprint (RFC 7518 §6.3.1.1).
                let number = |name| {
                    octets(name).and_then(|n| if n.first() == Some(&0) { Err(KeyFault::Member(name)) } else { Ok(n) })
                };
                Ok(Self::Rsa { n: number("n")?, e: number("e")? })
            }
            _ => Err(KeyFault::Unsupported),
        }
    }

    /// The required members in the order of their names, without spaces: what RFC 7638 §3 hashes. Every value is
    /// base64url or a fixed word, so nothing needs escapes.
    pub(super) fn to_jwk(&self) -> String {
        let ec = |curve: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            format!(r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#, b64u::encode(x), b64u::encode(y))
        };
        match self {
            Self::P256(point) => ec("P-256", point),
            Self::P384(point) => ec("P-384", point),
            Self::Ed25519(point) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64u::encode(point)),
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64u::encode(e), b64u::encode(n)),
        }
    }

    /// SubjectPublicKeyInfo of a key that is a point; empty for RSA, whose lengths vary.
    pub(super) fn point_spki_der(&self) -> Vec<u8> {
        match self {
            Self::P256(point) => [&SPKI_P256[..], point].concat(),
            Self::P384(point) => [&SPKI_P384[..], point].concat(),
            Self::Ed25519(point) => [&SPKI_ED25519[..], point].concat(),
            Self::Rsa { .. } => Vec::new(),
        }
    }
}

/// Bounds of RSA numbers, both big-endian and without leading zeros.
pub(super) fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyFault> {
    let bits = n.first().map_or(0, |first| n.len() as u32 * 8 - first.leading_zeros());
    if !RSA_BITS.contains(&bits) {
        return Err(KeyFault::RsaBits { bits });
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if odd(n) && odd(e) && e != [1] && e.len() <= 8 { Ok(()) } else { Err(KeyFault::RsaNumbers) }
}

/// The y-coordinates of the points of order 1, 2, 4 and 8 of Ed25519, little-endian; −x has the same y.
const SMALL_ORDER: [&str; 5] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// True for an Ed25519 key of small order, whose owner can make one signature that holds for many messages and say later
/// that he signed another; and for y ≥ 2^255 − 19, a second encoding of another point (RFC 8032 §5.1.3).
pub(super) fn is_weak(key: &[u8; 32]) -> bool {
    let mut y = *key;
    y[31] &= 0x7F; // the sign of x
    let second_encoding = y[0] >= 0xED && y[1..31] == [0xFF; 30] && y[31] == 0x7F;
    second_encoding || SMALL_ORDER.contains(&hex::encode(y).as_str())
}
