//! The names of hashes and signature schemes, and their AlgorithmIdentifiers.

use std::fmt;

use crate::asn1::der;
use crate::asn1::read::Reader;
use crate::digest::Digest;

/// A hash inside a signature of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hash {
    /// SHA-1, broken since 2017.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name as policies write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Content octets of its object identifier: 1.3.14.3.2.26, and 2.16.840.1.101.3.4.2.{4, 1, 2, 3}.
    #[must_use]
    pub const fn oid(self) -> &'static [u8] {
        match self {
            Self::Sha1 => &[0x2B, 0x0E, 0x03, 0x02, 0x1A],
            Self::Sha224 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04],
            Self::Sha256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
            Self::Sha384 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
            Self::Sha512 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
        }
    }

    /// The hash with these content octets.
    #[must_use]
    pub fn from_oid(content: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.oid() == content)
    }

    /// The hash of an AlgorithmIdentifier in DER, its parameters absent or NULL.
    #[must_use]
    pub fn from_identifier_der(identifier: &[u8]) -> Option<Self> {
        let (id, parameters) = split_identifier(identifier)?;
        Self::from_oid(id).filter(|_| is_empty(parameters))
    }

    /// The hash of `message`.
    #[must_use]
    pub fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => openssl::sha::sha1(message).to_vec(),
            Self::Sha224 => openssl::sha::sha224(message).to_vec(),
            Self::Sha256 => Digest::of(message).0.to_vec(),
            Self::Sha384 => openssl::sha::sha384(message).to_vec(),
            Self::Sha512 => openssl::sha::sha512(message).to_vec(),
        }
    }

    pub(in crate::crypto) fn message_digest(self) -> openssl::hash::MessageDigest {
        use openssl::hash::MessageDigest;
        match self {
            Self::Sha1 => MessageDigest::sha1(),
            Self::Sha224 => MessageDigest::sha224(),
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }
}

/// How something was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    RsaPkcs1(Hash),
    /// RSASSA-PSS (RFC 8017 §8.1, RFC 4055 §3.1).
    RsaPss {
        /// Of the message.
        hash: Hash,
        /// Of the mask, MGF1.
        mask_hash: Hash,
        /// Octets of salt.
        salt_bytes: u16,
    },
    /// ECDSA on whatever curve the key has.
    Ecdsa(Hash),
    /// DSA (FIPS 186-4; FIPS 186-5 keeps it for verification alone).
    Dsa(Hash),
    /// Ed25519 (RFC 8032, RFC 8410).
    Ed25519,
}

impl SignatureScheme {
    /// The scheme of an AlgorithmIdentifier in DER; `None` for one that is not verified here, or whose parameters make no
    /// sense.
    #[must_use]
    pub fn from_identifier_der(identifier: &[u8]) -> Option<Self> {
        let (id, parameters) = split_identifier(identifier)?;
        let scheme = match id {
            // 1.2.840.113549.1.1.*
            [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, last] => match last {
                5 => Self::RsaPkcs1(Hash::Sha1),
                10 => return pss(parameters),
                11 => Self::RsaPkcs1(Hash::Sha256),
                12 => Self::RsaPkcs1(Hash::Sha384),
                13 => Self::RsaPkcs1(Hash::Sha512),
                14 => Self::RsaPkcs1(Hash::Sha224),
                _ => return None,
            },
            // 1.2.840.10045.4.1, 1.2.840.10045.4.3.*
            [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x01] => Self::Ecdsa(Hash::Sha1),
            [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, last] => Self::Ecdsa(sha2(*last)?),
            // 1.2.840.10040.4.3, 2.16.840.1.101.3.4.3.*
            [0x2A, 0x86, 0x48, 0xCE, 0x38, 0x04, 0x03] => Self::Dsa(Hash::Sha1),
            [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, last] => Self::Dsa(sha2(*last)?),
            // 1.3.101.112: RFC 8410 §3 wants the parameters absent.
            [0x2B, 0x65, 0x70] => return parameters.is_none().then_some(Self::Ed25519),
            _ => return None,
        };
        // Absent or NULL: who signs confuses them, and nothing depends on it.
        is_empty(parameters).then_some(scheme)
    }

    /// The hash of the message; Ed25519 hashes with SHA-512 inside.
    #[must_use]
    pub const fn hash(self) -> Hash {
        match self {
            Self::RsaPkcs1(hash) | Self::RsaPss { hash, .. } | Self::Ecdsa(hash) | Self::Dsa(hash) => hash,
            Self::Ed25519 => Hash::Sha512,
        }
    }

    /// The name without the hash, as policies write it.
    #[must_use]
    pub const fn family(self) -> &'static str {
        match self {
            Self::RsaPkcs1(_) => "rsa-pkcs1",
            Self::RsaPss { .. } => "rsa-pss",
            Self::Ecdsa(_) => "ecdsa",
            Self::Dsa(_) => "dsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// For example `ecdsa-sha256`.
impl fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519 => f.write_str(self.family()),
            _ => write!(f, "{}-{}", self.family(), self.hash().name()),
        }
    }
}

/// ecdsa-with-SHA2 and id-dsa-with-sha2 count alike.
const fn sha2(last: u8) -> Option<Hash> {
    match last {
        1 => Some(Hash::Sha224),
        2 => Some(Hash::Sha256),
        3 => Some(Hash::Sha384),
        4 => Some(Hash::Sha512),
        _ => None,
    }
}

/// RSASSA-PSS-params (RFC 4055 §3.1): everything has a DEFAULT of the time of SHA-1.
pub(super) fn pss(parameters: Option<&[u8]>) -> Option<SignatureScheme> {
    let (mut hash, mut mask_hash, mut salt_bytes) = (Hash::Sha1, Hash::Sha1, 20);
    let mut reader = Reader::new(parameters?);
    let mut fields = Reader::new(reader.take(der::SEQUENCE)?.content);
    if let Some(value) = fields.take(der::CONTEXT_0) {
        hash = Hash::from_identifier_der(value.content)?;
    }
    if let Some(value) = fields.take(der::CONTEXT_0 | 1) {
        let (id, inner) = split_identifier(value.content)?;
        // id-mgf1, 1.2.840.113549.1.1.8, the only mask there is.
        mask_hash = Hash::from_identifier_der(inner.filter(|_| id == [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 8])?)?;
    }
    if let Some(value) = fields.take(der::CONTEXT_0 | 2) {
        salt_bytes = small(value.content)?;
    }
    if let Some(value) = fields.take(der::CONTEXT_0 | 3) {
        // trailerFieldBC
        small(value.content).filter(|trailer| *trailer == 1)?;
    }
    (fields.is_at_end() && reader.is_at_end()).then_some(SignatureScheme::RsaPss { hash, mask_hash, salt_bytes })
}

fn small(integer: &[u8]) -> Option<u16> {
    match Reader::new(integer).take(der::INTEGER)?.content {
        [low @ ..=0x7F] => Some(u16::from(*low)),
        [high @ ..=0x7F, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

/// The content octets of the identifier, and the parameters in DER.
pub(super) fn split_identifier(identifier: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut outer = Reader::new(identifier);
    let mut fields = Reader::new(outer.take(der::SEQUENCE)?.content);
    let id = fields.take(der::OID)?.content;
    let parameters = if fields.is_at_end() { None } else { Some(fields.value()?.der) };
    (fields.is_at_end() && outer.is_at_end()).then_some((id, parameters))
}

/// Absent, or NULL.
fn is_empty(parameters: Option<&[u8]>) -> bool {
    parameters.is_none_or(|der| der == [0x05, 0x00])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_names() {
        let table = [
            ("300d06092a864886f70d0101050500", Some("rsa-pkcs1-sha1")),
            ("300b06092a864886f70d01010b", Some("rsa-pkcs1-sha256")),
            ("300d06092a864886f70d01010d0500", Some("rsa-pkcs1-sha512")),
            ("300a06082a8648ce3d040303", Some("ecdsa-sha384")),
            ("300906072a8648ce380403", Some("dsa-sha1")),
            ("300b0609608648016503040302", Some("dsa-sha256")),
            ("300506032b6570", Some("ed25519")),
            // Parameters that make no sense; Ed448; MD5; not a SEQUENCE; something behind it.
            ("300706032b65700500", None),
            ("300d06082a8648ce3d040303020105", None),
            ("300506032b6571", None),
            ("300d06092a864886f70d0101040500", None),
            ("0500", None),
            ("300506032b657000", None),
        ];
        for (der, name) in table {
            let scheme = SignatureScheme::from_identifier_der(&hex::decode(der).unwrap());
            assert_eq!(scheme.map(|s| s.to_string()).as_deref(), name, "{der}");
        }
    }

    #[test]
    fn pss_has_parameters() {
        let read = |hex: &str| pss(Some(&hex::decode(hex).unwrap()));
        let defaults = SignatureScheme::RsaPss { hash: Hash::Sha1, mask_hash: Hash::Sha1, salt_bytes: 20 };
        assert_eq!(read("3000"), Some(defaults));
        let sha256 = "3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120";
        let expected = SignatureScheme::RsaPss { hash: Hash::Sha256, mask_hash: Hash::Sha256, salt_bytes: 32 };
        assert_eq!(read(sha256), Some(expected));
        // Another trailer; a field of no meaning; no parameters at all.
        assert_eq!(read("3005a303020102"), None);
        assert_eq!(read("3005a403020101"), None);
        assert_eq!(pss(None), None);
    }
}
