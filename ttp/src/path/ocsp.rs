//! OCSP responses of strangers (RFC 6960 §4.2.1), read once.

use std::fmt;
use std::sync::Arc;

use super::ObjectId;
use super::certificate::{Certificate, ReadFault, extensions, outer, serial};
use super::extensions::{Extensions, id};
use super::fields::{ENUMERATED, count, moment, need, only};
use super::name::Name;
use super::signed::Signed;
use crate::asn1::der;
use crate::asn1::read::Reader;
use crate::crypto::Hash;
use crate::digest::Digest;
use crate::time::Timestamp;

/// The longest response that is read, in octets: one answer and a few certificates have 5 KiB.
pub const OCSP_BYTES_MAX: usize = 256 << 10;
/// Certificates that are looked at in one response.
const CERTIFICATES_MAX: usize = 16;

/// A BasicOCSPResponse. Nothing in it is verified.
pub struct OcspResponse {
    signed: Signed,
    responder: Responder,
    produced_at: Timestamp,
    singles: Vec<SingleResponse>,
    extensions: Extensions,
    certificates: Vec<Arc<Certificate>>,
}

/// responderID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Responder {
    /// byName.
    Name(Name),
    /// byKey: SHA-1 of the bits of its key.
    KeySha1([u8; 20]),
}

impl fmt::Display for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name}"),
            Self::KeySha1(hash) => write!(f, "the key {}", hex::encode(hash)),
        }
    }
}

/// CertID (§4.1.1): hashes of the issuer's name and key, and the serial number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertId {
    /// `None` for a hash that is not known here.
    pub hash: Option<Hash>,
    /// Of the issuer's distinguished name in DER.
    pub issuer_name_hash: Vec<u8>,
    /// Of the bits of the issuer's key.
    pub issuer_key_hash: Vec<u8>,
    /// Shortest content octets.
    pub serial: Vec<u8>,
}

impl CertId {
    /// True if it names the certificate with this serial number of the issuer with this name in DER and these bits of its key.
    #[must_use]
    pub fn is_of(&self, issuer_name: &[u8], issuer_key: &[u8], serial: &[u8]) -> bool {
        let same =
            |hash: Hash| hash.of(issuer_name) == self.issuer_name_hash && hash.of(issuer_key) == self.issuer_key_hash;
        self.serial == serial && self.hash.is_some_and(same)
    }
}

/// certStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SingleStatus {
    /// Not revoked.
    Good,
    /// Revoked.
    Revoked {
        /// revocationTime.
        at: Timestamp,
        /// revocationReason; 0, unspecified, if absent.
        reason: u8,
    },
    /// The responder does not know.
    Unknown,
}

/// The answer about one certificate.
#[derive(Clone, Debug)]
pub struct SingleResponse {
    /// Which.
    pub cert_id: CertId,
    /// What.
    pub status: SingleStatus,
    /// Since when this is known to be right.
    pub this_update: Timestamp,
    /// When something newer is there.
    pub next_update: Option<Timestamp>,
    /// Statuses are kept for certificates that expired at or after this moment (archiveCutoff, §4.4.4).
    pub archive_cutoff: Option<Timestamp>,
    /// Critical extensions that are not processed here, and known ones that did not read.
    pub unknown_critical: Vec<ObjectId>,
}

impl OcspResponse {
    /// Reads one OCSPResponse, or the BasicOCSPResponse inside one as CMS revocation values carry it (RFC 5126 §6.3.4).
    ///
    /// # Errors
    /// [`ReadFault`].
    pub fn from_der(bytes: &[u8]) -> Result<Self, ReadFault> {
        let malformed = |what| ReadFault::Malformed { what };
        let mut parts = outer(bytes, OCSP_BYTES_MAX, "OCSPResponse")?;
        let basic = match parts.take(ENUMERATED) {
            None => bytes,
            Some(status) => match status.content {
                [0] => response_bytes(&mut parts).ok_or(malformed("responseBytes"))?,
                [code] => return Err(ReadFault::NoAnswer { code: *code }),
                _ => return Err(malformed("responseStatus")),
            },
        };
        let mut parts = outer(basic, OCSP_BYTES_MAX, "BasicOCSPResponse")?;
        let tbs = need(&mut parts, der::SEQUENCE, "tbsResponseData")?;
        let mut fields = Reader::new(tbs.content);
        if let Some(version) = fields.take(der::CONTEXT_0) {
            match only(version.content, der::INTEGER).and_then(|v| count(v.content)).ok_or(malformed("version"))? {
                0 => {}
                other => return Err(ReadFault::Version { version: other.saturating_add(1) }),
            }
        }
        let responder = responder(&mut fields).ok_or(malformed("responderID"))?;
        let produced_at = general(&mut fields).ok_or(malformed("producedAt"))?;
        let mut answers = Reader::new(need(&mut fields, der::SEQUENCE, "responses")?.content);
        let mut singles = Vec::new();
        while !answers.is_at_end() {
            singles.push(single(need(&mut answers, der::SEQUENCE, "SingleResponse")?.content)?);
        }
        let extensions = extensions(fields.take(der::CONTEXT_0 | 1))?;
        let signed = Signed::read(&mut parts, bytes, tbs.der, None)?;
        let certificates = match parts.take(der::CONTEXT_0) {
            Some(list) => certificates(list.content).ok_or(malformed("certs"))?,
            None => Vec::new(),
        };
        if !fields.is_at_end() || !parts.is_at_end() {
            return Err(malformed("something stands behind the last field"));
        }
        Ok(Self { signed, responder, produced_at, singles, extensions, certificates })
    }

    /// As it was received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        self.signed.der()
    }

    /// SHA-256 of its octets.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.signed.digest()
    }

    /// Its octets, and what is signed of them how.
    #[must_use]
    pub const fn signed(&self) -> &Signed {
        &self.signed
    }

    /// Who says to have signed it.
    #[must_use]
    pub const fn responder(&self) -> &Responder {
        &self.responder
    }

    /// producedAt.
    #[must_use]
    pub const fn produced_at(&self) -> Timestamp {
        self.produced_at
    }

    /// The answers.
    #[must_use]
    pub fn singles(&self) -> &[SingleResponse] {
        &self.singles
    }

    /// All extensions of the response as received.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The certificates that came with it, those that read.
    #[must_use]
    pub fn certificates(&self) -> &[Arc<Certificate>] {
        &self.certificates
    }
}

impl fmt::Debug for OcspResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OcspResponse({}, produced at {})", self.responder, self.produced_at)
    }
}

/// The octets of the BasicOCSPResponse in responseBytes.
fn response_bytes<'a>(parts: &mut Reader<'a>) -> Option<&'a [u8]> {
    let mut fields = Reader::new(only(parts.take(der::CONTEXT_0)?.content, der::SEQUENCE)?.content);
    // id-pkix-ocsp-basic
    let basic = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
    let kind = fields.take(der::OID)?.content;
    let octets = fields.take(der::OCTET_STRING)?.content;
    (kind == basic && fields.is_at_end() && parts.is_at_end()).then_some(octets)
}

fn responder(fields: &mut Reader<'_>) -> Option<Responder> {
    if let Some(by_name) = fields.take(0xA1) {
        return Name::from_der(by_name.content).map(Responder::Name);
    }
    let hash = only(fields.take(0xA2)?.content, der::OCTET_STRING)?.content;
    Some(Responder::KeySha1(hash.try_into().ok()?))
}

fn general(fields: &mut Reader<'_>) -> Option<Timestamp> {
    let value = fields.take(der::GENERALIZED_TIME)?;
    moment(value.tag, value.content)
}

fn single(content: &[u8]) -> Result<SingleResponse, ReadFault> {
    let malformed = |what| ReadFault::Malformed { what };
    let mut fields = Reader::new(content);
    let mut id_fields = Reader::new(need(&mut fields, der::SEQUENCE, "certID")?.content);
    let cert_id = CertId {
        hash: Hash::from_identifier_der(need(&mut id_fields, der::SEQUENCE, "hashAlgorithm")?.der),
        issuer_name_hash: need(&mut id_fields, der::OCTET_STRING, "issuerNameHash")?.content.to_vec(),
        issuer_key_hash: need(&mut id_fields, der::OCTET_STRING, "issuerKeyHash")?.content.to_vec(),
        serial: serial(&mut id_fields)?,
    };
    let status = status(&mut fields).ok_or(malformed("certStatus"))?;
    let this_update = general(&mut fields).ok_or(malformed("thisUpdate"))?;
    let next_update = match fields.take(der::CONTEXT_0) {
        Some(value) => {
            let time = only(value.content, der::GENERALIZED_TIME).and_then(|time| moment(time.tag, time.content));
            Some(time.ok_or(malformed("nextUpdate"))?)
        }
        None => None,
    };
    let extensions = extensions(fields.take(der::CONTEXT_0 | 1))?;
    if !fields.is_at_end() || !id_fields.is_at_end() {
        return Err(malformed("something stands behind the last field"));
    }
    let mut unknown_critical = extensions.unknown_critical(&[id::ARCHIVE_CUTOFF]);
    let archive_cutoff = extensions.find(id::ARCHIVE_CUTOFF).and_then(|extension| {
        let mut reader = Reader::new(&extension.value);
        let read = general(&mut reader).filter(|_| reader.is_at_end());
        if read.is_none() {
            unknown_critical.push(extension.id.clone());
        }
        read
    });
    Ok(SingleResponse { cert_id, status, this_update, next_update, archive_cutoff, unknown_critical })
}

fn status(fields: &mut Reader<'_>) -> Option<SingleStatus> {
    let value = fields.value()?;
    match value.tag {
        0x80 => Some(SingleStatus::Good),
        0xA1 => {
            let mut inner = Reader::new(value.content);
            let at = general(&mut inner)?;
            let reason = match inner.take(der::CONTEXT_0) {
                Some(reason) => match only(reason.content, ENUMERATED)?.content {
                    [reason] => *reason,
                    _ => return None,
                },
                None => 0,
            };
            inner.is_at_end().then_some(SingleStatus::Revoked { at, reason })
        }
        0x82 => Some(SingleStatus::Unknown),
        _ => None,
    }
}

/// Those that read: one that does not cannot be the responder's.
fn certificates(content: &[u8]) -> Option<Vec<Arc<Certificate>>> {
    let mut list = Reader::new(only(content, der::SEQUENCE)?.content);
    let mut read = Vec::new();
    while !list.is_at_end() {
        let value = list.value()?;
        if read.len() < CERTIFICATES_MAX {
            read.extend(Certificate::from_der(value.der).ok().map(Arc::new));
        }
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::der::{sequence, tlv};
    use crate::path::testing::{KEYS, NOON, name, name_der, signed, time};

    /// A response with these octets in front of responderID, as it, and as the answers.
    fn read(version: &[u8], responder: &[u8], answers: &[u8]) -> Result<OcspResponse, ReadFault> {
        let tbs = sequence(&[version, responder, &time(NOON), &sequence(&[answers])]);
        OcspResponse::from_der(&signed(&tbs, &KEYS[0], &[]))
    }

    #[test]
    fn frames() {
        let by_name = tlv(0xA1, &name_der("OCSP"));
        let version = |n| tlv(der::CONTEXT_0, &tlv(der::INTEGER, &[n]));
        let good = read(&[], &by_name, &[]).unwrap();
        assert_eq!((good.responder(), good.singles().len()), (&Responder::Name(name("OCSP")), 0));
        assert!(read(&version(0), &by_name, &[]).is_ok());
        assert_eq!(read(&version(1), &by_name, &[]).unwrap_err(), ReadFault::Version { version: 2 });
        let malformed = |what| ReadFault::Malformed { what };
        let short = tlv(0xA2, &tlv(der::OCTET_STRING, &[1; 19]));
        assert_eq!(read(&[], &short, &[]).unwrap_err(), malformed("responderID"));
        assert_eq!(read(&[], &by_name, &[5, 0]).unwrap_err(), malformed("SingleResponse"));
        assert_eq!(read(&[], &by_name, &sequence(&[])).unwrap_err(), malformed("certID"));
        // The error statuses, and an answer without a body.
        for code in 1..=6 {
            let status = sequence(&[&tlv(ENUMERATED, &[code])]);
            assert_eq!(OcspResponse::from_der(&status).unwrap_err(), ReadFault::NoAnswer { code });
        }
        let empty = sequence(&[&tlv(ENUMERATED, &[0])]);
        assert_eq!(OcspResponse::from_der(&empty).unwrap_err(), malformed("responseBytes"));
        let long = OcspResponse::from_der(&vec![0x30; OCSP_BYTES_MAX + 1]).unwrap_err();
        assert_eq!(long, ReadFault::TooLong { len: OCSP_BYTES_MAX + 1, max: OCSP_BYTES_MAX });
    }

    #[test]
    fn certificates_are_named_by_hashes() {
        let id = |hash: Option<Hash>, with: Hash| CertId {
            hash,
            issuer_name_hash: with.of(b"name"),
            issuer_key_hash: with.of(b"key"),
            serial: vec![5],
        };
        for hash in Hash::ALL {
            let named = id(Some(hash), hash);
            assert!(named.is_of(b"name", b"key", &[5]));
            assert!(!named.is_of(b"name", b"key", &[6]) && !named.is_of(b"name", b"other", &[5]));
            assert!(!named.is_of(b"other", b"key", &[5]) && !id(None, hash).is_of(b"name", b"key", &[5]));
        }
    }
}
