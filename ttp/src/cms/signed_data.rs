//! SignedData as others send it (RFC 5652 §5), read strictly and without a copy.
//!
//! ```text
//! SignedData ::= SEQUENCE { version, digestAlgorithms SET, encapContentInfo { eContentType, eContent [0] EXPLICIT? },
//!                           certificates [0]?, crls [1]?, signerInfos SET OF SignerInfo }
//! SignerInfo ::= SEQUENCE { version, sid, digestAlgorithm, signedAttrs [0]?, signatureAlgorithm, signature, unsignedAttrs [1]? }
//! ```

use super::SIGNED_DATA;
use crate::asn1::der;
use crate::asn1::read::{Reader, Value};
use crate::crypto::{ForeignFault, foreign_hash, verify_foreign};
use crate::x509::{Certificate, encode};

/// Certificates in one message, at most: a signer, its chain, and room for other forms of the same.
const CERTIFICATES_MAX: usize = 32;
/// Signers of one message, at most.
const SIGNERS_MAX: usize = 16;
/// Attributes of one signer, at most.
const ATTRIBUTES_MAX: usize = 64;

/// A SignedData.
#[derive(Clone, Debug)]
pub struct SignedData<'a> {
    /// 1, 3, 4 or 5, as the standard has them.
    pub version: u8,
    /// The content of digestAlgorithms.
    pub digest_algorithms: &'a [u8],
    /// The content octets of eContentType.
    pub content_type: &'a [u8],
    /// The octets of eContent; `None` for a detached signature.
    pub content: Option<&'a [u8]>,
    /// The certificates in DER; attribute certificates and the like are left out.
    pub certificates: Vec<&'a [u8]>,
    /// Whether there are certificates of another kind.
    pub has_other_certificates: bool,
    /// Whether revocation lists came along.
    pub has_crls: bool,
    /// The content of signerInfos.
    pub signer_infos: &'a [u8],
    /// The same, read.
    pub signers: Vec<SignerInfo<'a>>,
}

/// Who signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerId<'a> {
    /// Issuer (Name in DER) and serial number (content octets).
    IssuerAndSerial {
        /// Name in DER.
        issuer: &'a [u8],
        /// Content octets.
        serial: &'a [u8],
    },
    /// subjectKeyIdentifier.
    KeyIdentifier(&'a [u8]),
}

impl SignerId<'_> {
    /// Whether this certificate is meant.
    #[must_use]
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                encode(certificate.issuer()) == *issuer && certificate.serial() == *serial
            }
            Self::KeyIdentifier(id) => certificate.subject_key_identifier().is_some_and(|own| own[..] == **id),
        }
    }
}

/// One signature.
#[derive(Clone, Debug)]
pub struct SignerInfo<'a> {
    /// 1 with issuer and serial number, 3 with a key identifier.
    pub version: u8,
    /// Who.
    pub sid: SignerId<'a>,
    /// digestAlgorithm in DER.
    pub digest_algorithm: &'a [u8],
    /// The content of signedAttrs.
    pub signed_attributes: Option<&'a [u8]>,
    /// signatureAlgorithm in DER.
    pub signature_algorithm: &'a [u8],
    /// The octets of the signature.
    pub signature: &'a [u8],
    /// The content of unsignedAttrs.
    pub unsigned_attributes: Option<&'a [u8]>,
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// RFC 5652 §5.3 demands them for every content but id-data.
    #[error("there are no signed attributes")]
    NoAttributes,
    /// contentType is missing, doubled or another.
    #[error("contentType is not that of the content, once")]
    ContentType,
    /// messageDigest is missing, doubled or another.
    #[error("messageDigest is not that of the content, once")]
    MessageDigest,
    /// An algorithm that is not verified.
    #[error("{0}")]
    Algorithm(#[from] ForeignFault),
    /// The signature is not over the signed attributes by this key.
    #[error("the signature is wrong")]
    Wrong,
}

impl<'a> SignedData<'a> {
    /// Reads a ContentInfo with SignedData in it, in DER.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut outer = Reader::new(bytes);
        let mut content_info = Reader::new(outer.take(der::SEQUENCE)?.content);
        let content_type = content_info.take(der::OID)?;
        let mut explicit = Reader::new(content_info.take(der::CONTEXT_0)?.content);
        let mut signed = Reader::new(explicit.take(der::SEQUENCE)?.content);
        let version = small(signed.take(der::INTEGER)?)?;
        let digest_algorithms = signed.take(der::SET)?.content;
        let mut encapsulated = Reader::new(signed.take(der::SEQUENCE)?.content);
        let content_type_inside = encapsulated.take(der::OID)?.content;
        let content = match encapsulated.take(der::CONTEXT_0) {
            None => None,
            Some(explicit) => {
                let mut explicit = Reader::new(explicit.content);
                let octets = explicit.take(der::OCTET_STRING)?.content;
                explicit.is_at_end().then_some(Some(octets))?
            }
        };
        let (certificates, has_other_certificates) = match signed.take(der::CONTEXT_0) {
            Some(set) => certificates(set.content)?,
            None => (Vec::new(), false),
        };
        let has_crls = signed.take(der::CONTEXT_1).is_some();
        let signer_infos = signed.take(der::SET)?.content;
        let signers = all(signer_infos, SIGNERS_MAX, |value| SignerInfo::read(&value))?;
        let ended = [outer, content_info, explicit, signed, encapsulated].iter().all(Reader::is_at_end);
        (ended && content_type.der == SIGNED_DATA).then_some(Self {
            version,
            digest_algorithms,
            content_type: content_type_inside,
            content,
            certificates,
            has_other_certificates,
            has_crls,
            signer_infos,
            signers,
        })
    }
}

impl<'a> SignerInfo<'a> {
    fn read(value: &Value<'a>) -> Option<Self> {
        if value.tag != der::SEQUENCE {
            return None;
        }
        let mut info = Reader::new(value.content);
        let version = small(info.take(der::INTEGER)?)?;
        let sid = match info.value()? {
            Value { tag: der::SEQUENCE, content, .. } => {
                let mut both = Reader::new(content);
                let (issuer, serial) = (both.take(der::SEQUENCE)?.der, both.take(der::INTEGER)?.content);
                both.is_at_end().then_some(SignerId::IssuerAndSerial { issuer, serial })?
            }
            // [0] IMPLICIT SubjectKeyIdentifier
            Value { tag: 0x80, content, .. } => SignerId::KeyIdentifier(content),
            _ => return None,
        };
        let digest_algorithm = info.take(der::SEQUENCE)?.der;
        let signed_attributes = attributes(info.take(der::CONTEXT_0))?;
        let signature_algorithm = info.take(der::SEQUENCE)?.der;
        let signature = info.take(der::OCTET_STRING)?.content;
        let unsigned_attributes = attributes(info.take(der::CONTEXT_1))?;
        info.is_at_end().then_some(Self {
            version,
            sid,
            digest_algorithm,
            signed_attributes,
            signature_algorithm,
            signature,
            unsigned_attributes,
        })
    }

    /// The one value, in DER, of the one signed attribute with this identifier (content octets).
    #[must_use]
    pub fn signed_attribute(&self, id: &[u8]) -> Option<&'a [u8]> {
        attribute(self.signed_attributes?, id)
    }

    /// The same of the unsigned ones.
    #[must_use]
    pub fn unsigned_attribute(&self, id: &[u8]) -> Option<&'a [u8]> {
        attribute(self.unsigned_attributes?, id)
    }

    /// Whether the signature is over `content`, of the type `content_type` (content octets), by this key. Whose key it is, is another
    /// question.
    ///
    /// # Errors
    /// [`SignatureFault`].
    pub fn verify(&self, content_type: &[u8], content: &[u8], spki_der: &[u8]) -> Result<(), SignatureFault> {
        let attributes = self.signed_attributes.ok_or(SignatureFault::NoAttributes)?;
        if self.signed_attribute(CONTENT_TYPE) != Some(&der::tlv(der::OID, content_type)[..]) {
            return Err(SignatureFault::ContentType);
        }
        let hash = foreign_hash(self.digest_algorithm)?;
        if self.signed_attribute(MESSAGE_DIGEST) != Some(&der::tlv(der::OCTET_STRING, &hash.of(content))[..]) {
            return Err(SignatureFault::MessageDigest);
        }
        // Signed as SET OF, carried as [0] (RFC 5652 §5.4).
        let message = der::tlv(der::SET, attributes);
        let right = verify_foreign(spki_der, self.signature_algorithm, hash, &message, self.signature)?;
        right.then_some(()).ok_or(SignatureFault::Wrong)
    }
}

/// contentType, 1.2.840.113549.1.9.3.
const CONTENT_TYPE: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x03];
/// messageDigest, 1.2.840.113549.1.9.4.
const MESSAGE_DIGEST: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x04];

fn small(value: Value<'_>) -> Option<u8> {
    match value.content {
        [number @ 0..=0x7F] => Some(*number),
        _ => None,
    }
}

/// Every value of `content`, at most `max`.
fn all<'a, T>(content: &'a [u8], max: usize, read: impl Fn(Value<'a>) -> Option<T>) -> Option<Vec<T>> {
    let mut reader = Reader::new(content);
    let mut found = Vec::new();
    while !reader.is_at_end() {
        if found.len() == max {
            return None;
        }
        found.push(read(reader.value()?)?);
    }
    Some(found)
}

fn certificates(content: &[u8]) -> Option<(Vec<&[u8]>, bool)> {
    let found = all(content, CERTIFICATES_MAX, Some)?;
    let others = found.iter().any(|value| value.tag != der::SEQUENCE);
    Some((found.iter().filter(|value| value.tag == der::SEQUENCE).map(|value| value.der).collect(), others))
}

/// The content of a set of attributes, each a type and a set of values; the outer `None` if it is no such set.
#[allow(clippy::option_option)] // absent is one thing, wrong another
fn attributes(set: Option<Value<'_>>) -> Option<Option<&[u8]>> {
    let Some(set) = set else { return Some(None) };
    let found = all(set.content, ATTRIBUTES_MAX, |value| parts(&value).map(|_| ()))?;
    (!found.is_empty()).then_some(Some(set.content))
}

/// The type (content octets) and the content of the set of values.
fn parts<'a>(attribute: &Value<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let mut inside = Reader::new(attribute.content);
    let (id, values) = (inside.take(der::OID)?.content, inside.take(der::SET)?.content);
    (attribute.tag == der::SEQUENCE && inside.is_at_end()).then_some((id, values))
}

fn attribute<'a>(attributes: &'a [u8], id: &[u8]) -> Option<&'a [u8]> {
    let all = all(attributes, ATTRIBUTES_MAX, |value| parts(&value))?;
    let mut named = all.iter().filter(|(name, _)| *name == id);
    let (Some((_, values)), None) = (named.next(), named.next()) else { return None };
    let mut values = Reader::new(values);
    let one = values.value()?.der;
    values.is_at_end().then_some(one)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::Signer as _;
    use crate::testing;

    /// SignedData of these parts, in DER.
    fn message(certificates: &[u8], signer_infos: &[u8]) -> Vec<u8> {
        let content = der::sequence(&[&der::tlv(der::OID, &[0x2A, 3])]);
        let signed = [
            &[der::INTEGER, 1, 3][..],
            &der::tlv(der::SET, &[]),
            &content,
            &der::tlv(der::CONTEXT_0, certificates),
            &der::tlv(der::SET, signer_infos),
        ];
        der::sequence(&[&SIGNED_DATA, &der::tlv(der::CONTEXT_0, &der::sequence(&signed))])
    }

    fn signer(attributes: &[u8]) -> Vec<u8> {
        let attributes = if attributes.is_empty() { Vec::new() } else { der::tlv(der::CONTEXT_0, attributes) };
        let key_identifier = [0x80, 1, 7];
        let algorithm = der::sequence(&[&der::tlv(der::OID, &[0x2A, 3])]);
        der::sequence(&[
            &[der::INTEGER, 1, 3],
            &key_identifier,
            &algorithm,
            &attributes,
            &algorithm,
            &[der::OCTET_STRING, 0],
        ])
    }

    fn attribute(id: u8, values: &[u8]) -> Vec<u8> {
        der::sequence(&[&der::tlv(der::OID, &[0x2A, id]), &der::tlv(der::SET, values)])
    }

    #[test]
    fn bounds() {
        let certificate = [0x30, 0];
        let good = |bytes: &[u8]| SignedData::parse(bytes).is_some();
        assert!(good(&message(&certificate.repeat(CERTIFICATES_MAX), &signer(&[]).repeat(SIGNERS_MAX))));
        assert!(!good(&message(&certificate.repeat(CERTIFICATES_MAX + 1), &[])));
        assert!(!good(&message(&[], &signer(&[]).repeat(SIGNERS_MAX + 1))));
        let attributes = |count: usize| signer(&attribute(5, &[5, 0]).repeat(count));
        assert!(good(&message(&[], &attributes(ATTRIBUTES_MAX))));
        assert!(!good(&message(&[], &attributes(ATTRIBUTES_MAX + 1))));
    }

    #[test]
    fn what_stands_once_is_found() {
        let bytes = message(
            &[],
            &signer(
                &[
                    attribute(1, &[5, 0]),
                    attribute(2, &[5, 0]),
                    attribute(2, &[5, 0]),
                    attribute(3, &[5, 0, 5, 0]),
                    attribute(4, &[]),
                ]
                .concat(),
            ),
        );
        let signed = SignedData::parse(&bytes).unwrap();
        let [info] = &signed.signers[..] else { panic!("one signer") };
        assert_eq!(info.sid, SignerId::KeyIdentifier(&[7]));
        assert_eq!(info.signed_attribute(&[0x2A, 1]), Some(&[5, 0][..]));
        // Doubled, with two values, with none, absent.
        for id in 2..6 {
            assert_eq!(info.signed_attribute(&[0x2A, id]), None, "{id}");
        }
        assert_eq!(info.unsigned_attribute(&[0x2A, 1]), None);
    }

    #[test]
    fn certificates_of_another_kind_are_told() {
        let signed = |certificates: &[u8]| {
            let bytes = message(certificates, &[]);
            let signed = SignedData::parse(&bytes).unwrap();
            (signed.certificates.len(), signed.has_other_certificates)
        };
        assert_eq!(signed(&[0x30, 0]), (1, false));
        assert_eq!(signed(&[0x30, 0, 0xA1, 0]), (1, true));
    }

    #[test]
    fn a_token_of_ours_by_its_key_and_by_no_other() {
        for unit in [testing::ec(), testing::rsa()] {
            let token = testing::token(unit, true);
            let signed = SignedData::parse(&token).unwrap();
            let [info] = &signed.signers[..] else { panic!("one signer") };
            assert!(info.sid.names(unit.tsu.certificate()) && !info.sid.names(&testing::PKI.ca));
            let content = signed.content.unwrap();
            assert_eq!(info.verify(signed.content_type, content, unit.key.spki_der()), Ok(()));
            assert_eq!(info.verify(&[0x2A], content, unit.key.spki_der()), Err(SignatureFault::ContentType));
            assert_eq!(info.verify(signed.content_type, b"", unit.key.spki_der()), Err(SignatureFault::MessageDigest));
        }
    }

    proptest! {
        #[test]
        fn parse_never_panics(bytes: Vec<u8>) {
            let _ = SignedData::parse(&bytes);
        }

        #[test]
        fn nor_does_a_changed_token(place: prop::sample::Index, to: u8) {
            let mut token = testing::token(testing::ec(), true);
            let place = place.index(token.len());
            token[place] = to;
            let _ = SignedData::parse(&token);
        }
    }
}
