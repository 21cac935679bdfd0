//! Certificates of strangers, read once: of any version, with the signed octets as they were received.

#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::ObjectId;
use super::constraints::NameConstraints;
use super::extensions::{AuthorityKey, BasicConstraints, DistributionPoint, Extensions, Known, PolicyConstraints, id};
use super::fields::{count, need, only, time, whole_octets};
use super::name::{GeneralName, Name};
use super::signed::{Signed, range};
use crate::asn1::der;
use crate::asn1::read::{Reader, Value};
use crate::crypto::{KeyFault, StrangerKey, sha1};
use crate::digest::Digest;
use crate::x509::{KeyUsage, Period};

/// The longest certificate that is read, in octets: with a picture or a post-quantum key some have 20 KiB.
pub const CERTIFICATE_BYTES_MAX: usize = 64 << 10;

/// Why bytes are no certificate, list or response that can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// More octets than are read.
    #[error("{len} octets, and at most {max} are read")]
    TooLong {
        /// How many.
        len: usize,
        /// The most.
        max: usize,
    },
    /// Not DER, or not of this structure.
    #[error("malformed: {what}")]
    Malformed {
        /// The part that did not read.
        what: &'static str,
    },
    /// An OCSP response that answers nothing (RFC 6960 §4.2.1).
    #[error("the responder gave no answer: status {code}")]
    NoAnswer {
        /// responseStatus.
        code: u8,
    },
    /// A version that is not known.
    #[error("of version {version}, which is not known")]
    Version {
        /// Counted as people count: from 1.
        version: u64,
    },
}

/// A certificate. Two are equal if their octets are.
pub struct Certificate {
    signed: Signed,
    version: u8,
    serial: Vec<u8>,
    issuer: Name,
    subject: Name,
    validity: Period,
    spki: Range<usize>,
    extensions: Extensions,
    known: Known,
    key: OnceLock<Result<Arc<StrangerKey>, KeyFault>>,
    key_sha1: OnceLock<[u8; 20]>,
}

/// The one SEQUENCE that `bytes` are, and no longer than `max`.
pub(super) fn outer<'a>(bytes: &'a [u8], max: usize, what: &'static str) -> Result<Reader<'a>, ReadFault> {
    if bytes.len() > max {
        return Err(ReadFault::TooLong { len: bytes.len(), max });
    }
    Ok(Reader::new(only(bytes, der::SEQUENCE).ok_or(ReadFault::Malformed { what })?.content))
}

/// The next value as a distinguished name.
pub(super) fn name(reader: &mut Reader<'_>, what: &'static str) -> Result<Name, ReadFault> {
    Name::from_der(need(reader, der::SEQUENCE, what)?.der).ok_or(ReadFault::Malformed { what })
}

/// `[n] EXPLICIT Extensions`, if it is there.
pub(super) fn extensions(field: Option<Value<'_>>) -> Result<Extensions, ReadFault> {
    let Some(field) = field else { return Ok(Extensions::default()) };
    let list = only(field.content, der::SEQUENCE).and_then(|list| Extensions::read(list.content));
    list.ok_or(ReadFault::Malformed { what: "extensions" })
}

/// The next value as a serial number: its shortest content octets.
pub(super) fn serial(reader: &mut Reader<'_>) -> Result<Vec<u8>, ReadFault> {
    let content = need(reader, der::INTEGER, "serialNumber")?.content;
    if content.is_empty() {
        return Err(ReadFault::Malformed { what: "serialNumber" });
    }
    Ok(der::minimal_signed(content).to_vec())
}

impl Certificate {
    /// Reads one certificate of version 1, 2 or 3.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub fn from_der(bytes: &[u8]) -> Result<Self, ReadFault> {
        const MALFORMED: fn(&'static str) -> ReadFault = |what| ReadFault::Malformed { what };
        let mut parts = outer(bytes, CERTIFICATE_BYTES_MAX, "certificate")?;
        let tbs = need(&mut parts, der::SEQUENCE, "tbsCertificate")?;

        let mut fields = Reader::new(tbs.content);
        let version = match fields.take(der::CONTEXT_0) {
            None => 0,
            Some(value) => {
                only(value.content, der::INTEGER).and_then(|v| count(v.content)).ok_or(MALFORMED("version"))?
            }
        };
        let version = match version {
            version @ 0..=2 => version as u8 + 1,
            other => return Err(ReadFault::Version { version: other.saturating_add(1) }),
        };
        let serial = serial(&mut fields)?;
        let inside = need(&mut fields, der::SEQUENCE, "signature")?;
        let issuer = name(&mut fields, "issuer")?;
        let mut validity = Reader::new(need(&mut fields, der::SEQUENCE, "validity")?.content);
        let not_before = time(&mut validity).ok_or(MALFORMED("notBefore"))?;
        let not_after = time(&mut validity).ok_or(MALFORMED("notAfter"))?;
        let subject = name(&mut fields, "subject")?;
        let spki = need(&mut fields, der::SEQUENCE, "subjectPublicKeyInfo")?;
        // issuerUniqueID and subjectUniqueID: §4.1.2.8 has nobody use them.
        fields.take(0x81);
        fields.take(0x82);
        let extensions = extensions(fields.take(der::CONTEXT_0 | 3))?;
        let signed = Signed::read(&mut parts, bytes, tbs.der, Some(inside.der))?;
        if !fields.is_at_end() || !validity.is_at_end() || !parts.is_at_end() {
            return Err(MALFORMED("something stands behind the last field"));
        }

        Ok(Self {
            signed,
            version,
            serial,
            issuer,
            subject,
            validity: Period { not_before, not_after },
            spki: range(bytes, spki.der),
            known: Known::read(&extensions),
            extensions,
            key: OnceLock::new(),
            key_sha1: OnceLock::new(),
        })
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

    /// 1, 2 or 3.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// The serial number's shortest content octets.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Who issued it, as it says.
    #[must_use]
    pub const fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// Whose it is.
    #[must_use]
    pub const fn subject(&self) -> &Name {
        &self.subject
    }

    /// True if issuer and subject are one (§6.1: self-issued).
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// From and to.
    #[must_use]
    pub const fn validity(&self) -> Period {
        self.validity
    }

    /// SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.der()[self.spki.clone()]
    }

    /// The bits of the public key, of which key identifiers are hashes; empty if it is malformed.
    #[must_use]
    pub fn key_bits(&self) -> &[u8] {
        key_bits(self.spki())
    }

    /// SHA-1 of [`Self::key_bits`] (RFC 5280 §4.2.1.2, RFC 6960 §4.2.1).
    #[must_use]
    pub fn key_sha1(&self) -> &[u8; 20] {
        self.key_sha1.get_or_init(|| sha1(self.key_bits()))
    }

    /// The public key, read once.
    ///
    /// # Errors
    /// [`KeyFault`]; [`KeyFault::NoParameters`] for a DSA key that inherits them.
    pub fn key(&self) -> Result<Arc<StrangerKey>, KeyFault> {
        self.key.get_or_init(|| StrangerKey::from_spki_der(self.spki(), None).map(Arc::new)).clone()
    }

    /// All extensions as received.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Extensions that are known here and did not read.
    #[must_use]
    pub fn malformed_extensions(&self) -> &[ObjectId] {
        &self.known.malformed
    }

    /// basicConstraints.
    #[must_use]
    pub const fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.known.basic_constraints
    }

    /// True only for basicConstraints with cA TRUE.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.known.basic_constraints.is_some_and(|constraints| constraints.ca)
    }

    /// keyUsage.
    #[must_use]
    pub const fn key_usage(&self) -> Option<KeyUsage> {
        self.known.key_usage
    }

    /// True if keyUsage is absent, or permits this.
    #[must_use]
    pub fn may(&self, usage: KeyUsage) -> bool {
        self.known.key_usage.is_none_or(|bits| bits.has(usage))
    }

    /// extKeyUsage.
    #[must_use]
    pub fn extended_key_usage(&self) -> Option<&[ObjectId]> {
        self.known.extended_key_usage.as_deref()
    }

    /// True if extKeyUsage is absent, names this purpose (content octets), or any (§4.2.1.12).
    #[must_use]
    pub fn may_serve(&self, purpose: &[u8]) -> bool {
        let named = |usage: &[ObjectId]| usage.iter().any(|id| [purpose, id::ANY_PURPOSE].contains(&id.content()));
        self.extended_key_usage().is_none_or(named)
    }

    /// subjectKeyIdentifier.
    #[must_use]
    pub fn subject_key(&self) -> Option<&[u8]> {
        self.known.subject_key.as_deref()
    }

    /// authorityKeyIdentifier.
    #[must_use]
    pub const fn authority_key(&self) -> &AuthorityKey {
        &self.known.authority_key
    }

    /// subjectAltName.
    #[must_use]
    pub fn alternative_names(&self) -> &[GeneralName] {
        &self.known.alternative_names
    }

    /// nameConstraints.
    #[must_use]
    pub const fn name_constraints(&self) -> Option<&NameConstraints> {
        self.known.name_constraints.as_ref()
    }

    /// certificatePolicies.
    #[must_use]
    pub fn policies(&self) -> Option<&[ObjectId]> {
        self.known.policies.as_deref()
    }

    /// policyMappings: of the issuer's domain, and of the subject's.
    #[must_use]
    pub fn policy_mappings(&self) -> &[(ObjectId, ObjectId)] {
        &self.known.policy_mappings
    }

    /// policyConstraints.
    #[must_use]
    pub const fn policy_constraints(&self) -> PolicyConstraints {
        self.known.policy_constraints
    }

    /// inhibitAnyPolicy.
    #[must_use]
    pub const fn inhibit_any_policy(&self) -> Option<u64> {
        self.known.inhibit_any
    }

    /// cRLDistributionPoints.
    #[must_use]
    pub fn distribution_points(&self) -> &[DistributionPoint] {
        &self.known.distribution_points
    }

    /// freshestCRL.
    #[must_use]
    pub fn freshest_points(&self) -> &[DistributionPoint] {
        &self.known.freshest
    }

    /// Where OCSP responders are (authorityInfoAccess).
    #[must_use]
    pub fn ocsp_places(&self) -> &[String] {
        &self.known.ocsp_places
    }

    /// Where certificates of its issuer are (authorityInfoAccess).
    #[must_use]
    pub fn issuer_places(&self) -> &[String] {
        &self.known.issuer_places
    }
}

/// The bits of the key in a SubjectPublicKeyInfo; empty if it is malformed.
pub(super) fn key_bits(spki: &[u8]) -> &[u8] {
    let bits = || {
        let mut fields = Reader::new(only(spki, der::SEQUENCE)?.content);
        fields.take(der::SEQUENCE)?;
        whole_octets(fields.take(der::BIT_STRING)?.content)
    };
    bits().unwrap_or_default()
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Certificate {}

impl Hash for Certificate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest().hash(state);
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, of {}, by {})", hex::encode(&self.serial), self.subject, self.issuer)
    }
}
