//! CertID (RFC 6960 §4.1.1): which certificate is asked about, by hashes of its issuer and its serial number.
//!
//! ```text
//! CertID ::= SEQUENCE { hashAlgorithm AlgorithmIdentifier, issuerNameHash OCTET STRING, issuerKeyHash OCTET STRING,
//!                       serialNumber INTEGER }
//! ```

use std::ops::Range;

use crate::asn1::der;
use crate::asn1::read::{Reader, is_integer, is_oid};
use crate::crypto::sha1;
use crate::digest::Digest;
use crate::x509::{Certificate, encode};

/// Content octets of SHA-1, 1.3.14.3.2.26.
const SHA1_OID: [u8; 5] = [0x2B, 0x0E, 0x03, 0x02, 0x1A];
/// Content octets of SHA-256, 2.16.840.1.101.3.4.2.1.
const SHA256_OID: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// NULL, the parameters that openssl, JDK and most others write beside a hash algorithm.
const NULL: [u8; 2] = [0x05, 0x00];

/// The hash by which a request names the issuer. It finds the issuer among few and protects nothing, so SHA-1 is no
/// weakness here (RFC 9919 recommends SHA-256 to clients; older ones know SHA-1 only).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// Another, by which no issuer of ours is known; [`CertId::hash_oid`] tells which.
    Other,
}

impl HashAlgorithm {
    fn from_oid(content: &[u8]) -> Self {
        match content {
            _ if *content == SHA1_OID => Self::Sha1,
            _ if *content == SHA256_OID => Self::Sha256,
            _ => Self::Other,
        }
    }
}

/// A CertID as it was received. Two are equal when their bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertId {
    der: Vec<u8>,
    hash: HashAlgorithm,
    // Where the content octets of each part lie in `der`.
    hash_oid: Range<usize>,
    issuer_name_hash: Range<usize>,
    issuer_key_hash: Range<usize>,
    serial: Range<usize>,
}

impl CertId {
    /// Reads a CertID in DER, which alone it may be: a response repeats the bytes inside what is signed. Hash algorithms
    /// have no parameters or NULL (RFC 5754 §2). The lengths of the hashes are not judged: wrong ones match no issuer.
    /// `None` for anything else.
    #[must_use]
    pub fn from_der(bytes: &[u8]) -> Option<Self> {
        let mut outer = Reader::new(bytes);
        let mut fields = Reader::new(outer.take(der::SEQUENCE)?.content);
        let mut algorithm = Reader::new(fields.take(der::SEQUENCE)?.content);
        let oid = algorithm.take(der::OID)?.content;
        let no_parameters = algorithm.is_at_end() || algorithm.value()?.der == NULL;
        let issuer_name_hash = fields.take(der::OCTET_STRING)?.content;
        let issuer_key_hash = fields.take(der::OCTET_STRING)?.content;
        let serial = fields.take(der::INTEGER)?.content;
        let good = no_parameters && is_oid(oid) && is_integer(serial);
        if !good || !outer.is_at_end() || !fields.is_at_end() || !algorithm.is_at_end() {
            return None;
        }
        // Each part is a slice of `bytes`.
        let within = |part: &[u8]| {
            let start = part.as_ptr() as usize - bytes.as_ptr() as usize;
            start..start + part.len()
        };
        Some(Self {
            der: bytes.to_vec(),
            hash: HashAlgorithm::from_oid(oid),
            hash_oid: within(oid),
            issuer_name_hash: within(issuer_name_hash),
            issuer_key_hash: within(issuer_key_hash),
            serial: within(serial),
        })
    }

    /// The bytes as received, which the response repeats.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// By which hash the issuer is named.
    #[must_use]
    pub const fn hash(&self) -> HashAlgorithm {
        self.hash
    }

    /// Content octets of the hash algorithm's identifier.
    #[must_use]
    pub fn hash_oid(&self) -> &[u8] {
        &self.der[self.hash_oid.clone()]
    }

    /// Hash of the issuer's name in DER.
    #[must_use]
    pub fn issuer_name_hash(&self) -> &[u8] {
        &self.der[self.issuer_name_hash.clone()]
    }

    /// Hash of the issuer's key bits.
    #[must_use]
    pub fn issuer_key_hash(&self) -> &[u8] {
        &self.der[self.issuer_key_hash.clone()]
    }

    /// Content octets of the serial number, in their shortest form; may be negative, which none of ours is.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.der[self.serial.clone()]
    }
}

/// By which hashes requests may name an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerHashes {
    /// Of the name, then of the key.
    sha1: [[u8; 20]; 2],
    sha256: [[u8; 32]; 2],
}

impl IssuerHashes {
    /// The hashes of this issuer.
    #[must_use]
    pub fn of(issuer: &Certificate) -> Self {
        let name = encode(issuer.subject());
        let key = key_bits(issuer);
        Self { sha1: [sha1(&name), sha1(key)], sha256: [Digest::of(&name).0, Digest::of(key).0] }
    }

    /// True if `id` names this issuer.
    #[must_use]
    pub fn matches(&self, id: &CertId) -> bool {
        let asked = [id.issuer_name_hash(), id.issuer_key_hash()];
        match id.hash {
            HashAlgorithm::Sha1 => asked == self.sha1,
            HashAlgorithm::Sha256 => asked == self.sha256,
            HashAlgorithm::Other => false,
        }
    }

    /// The CertID of a certificate of this issuer as most clients write it, parameters NULL: for responses that are
    /// signed before anyone asks. A request may spell it otherwise (parameters absent); compare [`CertId::der`] before
    /// such a response is sent.
    ///
    /// `None` for [`HashAlgorithm::Other`] and for a `serial` that is not the shortest form of an INTEGER.
    #[must_use]
    pub fn cert_id(&self, hash: HashAlgorithm, serial: &[u8]) -> Option<CertId> {
        let (oid, [name, key]): (&[u8], [&[u8]; 2]) = match hash {
            HashAlgorithm::Sha1 => (&SHA1_OID, self.sha1.each_ref().map(|hash| &hash[..])),
            HashAlgorithm::Sha256 => (&SHA256_OID, self.sha256.each_ref().map(|hash| &hash[..])),
            HashAlgorithm::Other => return None,
        };
        let algorithm = der::sequence(&[&der::tlv(der::OID, oid), &NULL]);
        let hashes = [name, key].map(|hash| der::tlv(der::OCTET_STRING, hash));
        let serial = der::tlv(der::INTEGER, serial);
        CertId::from_der(&der::sequence(&[&algorithm, &hashes[0], &hashes[1], &serial]))
    }
}

/// The bits of the public key, without tag, length and count of unused bits; `Certificate` holds whole octets only.
pub(super) fn key_bits(certificate: &Certificate) -> &[u8] {
    certificate.decoded().tbs_certificate.subject_public_key_info.subject_public_key.as_raw_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::PKI;

    const SERIAL: &[u8] = &[0x45, 0x01];

    fn cert_id(algorithm: &str, hashes: [&[u8]; 2], serial: &str) -> Vec<u8> {
        let hashes = hashes.map(|hash| der::tlv(der::OCTET_STRING, hash));
        der::sequence(&[&hex::decode(algorithm).unwrap(), &hashes[0], &hashes[1], &hex::decode(serial).unwrap()])
    }

    #[test]
    fn an_issuer_is_known_by_both_hashes() {
        let hashes = IssuerHashes::of(&PKI.ca);
        let root = IssuerHashes::of(&PKI.root);
        let name = encode(PKI.ca.subject());
        let spki = PKI.ca.spki_der();
        // An uncompressed point, 65 octets.
        let key = &spki[spki.len() - 65..];
        let sha256 = [Digest::of(&name).0, Digest::of(key).0];
        let sha1 = [sha1(&name), sha1(key)];
        let sha1: [&[u8]; 2] = [&sha1[0], &sha1[1]];
        let sha256: [&[u8]; 2] = [&sha256[0], &sha256[1]];
        for (hash, with_null, bare, found) in [
            (HashAlgorithm::Sha1, "300906052b0e03021a0500", "300706052b0e03021a", sha1),
            (HashAlgorithm::Sha256, "300d06096086480165030402010500", "300b0609608648016503040201", sha256),
        ] {
            let id = hashes.cert_id(hash, SERIAL).unwrap();
            assert_eq!(id.der(), cert_id(with_null, found, "02024501"));
            assert_eq!((id.hash(), id.serial()), (hash, SERIAL));
            assert_eq!([id.issuer_name_hash(), id.issuer_key_hash()], found);
            assert_eq!(CertId::from_der(id.der()).as_ref(), Some(&id));
            assert!(hashes.matches(&id) && !root.matches(&id));
            // Parameters absent: other bytes, the same issuer.
            let bare = CertId::from_der(&cert_id(bare, found, "02024501")).unwrap();
            assert!(bare != id && hashes.matches(&bare));
            let [name, key] = found;
            for other in [[key, name], [name, &key[1..]], [&[], key]] {
                assert!(!hashes.matches(&CertId::from_der(&cert_id(with_null, other, "020101")).unwrap()));
            }
        }
        assert_eq!(hashes.cert_id(HashAlgorithm::Other, SERIAL), None);
        for serial in [&[][..], &[0, 1], &[0xFF, 0x80]] {
            assert_eq!(hashes.cert_id(HashAlgorithm::Sha1, serial), None, "{serial:?}");
        }
    }

    #[test]
    fn one_spelling_only() {
        let sha1 = "300906052b0e03021a0500";
        let hashes: [&[u8]; 2] = [&[1; 20], &[2; 20]];
        // SHA-512, by which no issuer is known.
        let other = CertId::from_der(&cert_id("300d06096086480165030402030500", hashes, "0201ff")).unwrap();
        assert_eq!((other.hash(), hex::encode(other.hash_oid())), (HashAlgorithm::Other, "608648016503040203".into()));
        assert_eq!(other.serial(), [0xFF]);
        assert!(CertId::from_der(&cert_id(sha1, hashes, "020101")).is_some());
        for (algorithm, serial) in [
            (sha1, ""),
            (sha1, "0200"),
            (sha1, "02020001"),
            (sha1, "0202ff80"),
            (sha1, "040101"),
            (sha1, "0201010500"),
            (sha1, "02810101"),
            ("300906052b0e03021a0400", "020101"),
            ("300b06052b0e03021a05000500", "020101"),
            ("300a06052b0e03021a058100", "020101"),
            ("30040600 0500", "020101"),
            ("300706052b0e038002", "020101"),
            ("3000", "020101"),
            ("0500", "020101"),
        ] {
            let bytes = cert_id(&algorithm.replace(' ', ""), hashes, serial);
            assert_eq!(CertId::from_der(&bytes), None, "{algorithm} {serial}");
        }
    }
}
