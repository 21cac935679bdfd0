//! SignedData with one signer, as a template of the key: every byte that does not change is made once, by rasn; the rest is copied,
//! so that an artefact costs little more than its signature.
//!
//! ```text
//! prepare(template, content) ─▶ signed attributes ─▶ message ── sign (pool) ──▶ put: ContentInfo
//! ```

use std::sync::Arc;

use rasn::types::{Any, OctetString, Oid, SetOf};
use rasn_cms::{
    Attribute, CertificateChoices, CertificateSet, CmsAlgorithmProtection, IssuerAndSerialNumber, SignerIdentifier,
};
use rasn_pkix::{AlgorithmIdentifier, GeneralName};

use super::{SHA256_IDENTIFIER, SIGNED_DATA};
use crate::asn1::{EssCertIdV2, IssuerSerial, RawInteger, SigningCertificateV2, der, oid};
use crate::crypto::SignatureAlgorithm;
use crate::digest::Digest;
use crate::time::Timestamp;
use crate::x509::{Certificate, encode};

/// What one key signs of one type of content.
pub struct Template {
    /// eContentType in DER.
    content_type: Vec<u8>,
    algorithm: SignatureAlgorithm,
    /// `[0] IMPLICIT CertificateSet`: signer and chain without the root, sorted.
    certificates: Vec<u8>,
    /// SignedAttributes, without the outer tag.
    attributes: Vec<Piece>,
    /// SignerInfo up to the signed attributes: version, sid, digestAlgorithm.
    signer_before: Vec<u8>,
}

/// A piece of the signed attributes.
enum Piece {
    Fixed(Vec<u8>),
    /// The whole attribute signingTime.
    SigningTime,
    /// The octets of the message digest.
    Digest,
}

/// Tag of UTCTime.
const UTC_TIME: u8 = 0x17;

impl Template {
    /// For content of the type `content_type`. `chain` are the issuing CAs without the root.
    #[must_use]
    pub fn new(
        content_type: &Oid,
        algorithm: SignatureAlgorithm,
        certificate: &Certificate,
        chain: &[Certificate],
    ) -> Self {
        let content_type = encode(&rasn::types::ObjectIdentifier::from(content_type));
        let set = [certificate].into_iter().chain(chain).map(choice).collect();
        let mut certificates = encode::<CertificateSet>(&SetOf::from_vec(set));
        certificates[0] = der::CONTEXT_0;
        let attributes = attributes(&content_type, certificate, algorithm);
        Self { attributes, certificates, signer_before: signer_before(certificate), content_type, algorithm }
    }

    /// The same with signingTime (RFC 5652 §11.3) among the signed attributes.
    #[must_use]
    pub fn with_signing_time(mut self) -> Self {
        // DER sorts a SET OF by octets, and the second octet of an attribute is its length. signingTime has 28, or 30 from 2050 on;
        // contentType comes first with 26, all others behind with 40 and more.
        if let Some(Piece::Fixed(before)) = self.attributes.first_mut() {
            let rest = before.split_off(2 + usize::from(before[1]));
            self.attributes.splice(1..1, [Piece::SigningTime, Piece::Fixed(rest)]);
        }
        self
    }

    /// How it is signed.
    #[must_use]
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}

/// Content that lacks its signature.
#[derive(Clone)]
pub struct Prepared {
    template: Arc<Template>,
    content: Vec<u8>,
    message: Vec<u8>,
}

impl Prepared {
    /// Builds the signed attributes over `content`. `signing_time` is told only by a template that has it.
    #[must_use]
    pub fn new(template: Arc<Template>, content: Vec<u8>, signing_time: Timestamp) -> Self {
        let digest = Digest::of(&content);
        let mut body = Vec::with_capacity(384);
        for piece in &template.attributes {
            match piece {
                Piece::Fixed(octets) => body.extend_from_slice(octets),
                Piece::SigningTime => put_signing_time(&mut body, signing_time),
                Piece::Digest => body.extend_from_slice(digest.as_bytes()),
            }
        }
        // Signed as SET OF, carried as [0] (RFC 5652 §5.4).
        let message = der::tlv(der::SET, &body);
        Self { template, content, message }
    }

    /// The message for the key's [`crate::crypto::Signer`].
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The signed content.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Octets of the ContentInfo that [`Prepared::put`] appends.
    #[must_use]
    pub fn total_bytes(&self, signature: &[u8], certificates: bool, unsigned: &[u8]) -> usize {
        self.lengths(signature, certificates, unsigned).total()
    }

    /// Appends the ContentInfo in DER. `signature` is what the signer gave for [`Prepared::message`]; `unsigned` is empty or the content
    /// of unsignedAttrs, sorted.
    pub fn put(&self, out: &mut Vec<u8>, signature: &[u8], certificates: bool, unsigned: &[u8]) {
        let template = &self.template;
        let lengths = self.lengths(signature, certificates, unsigned);
        let begin = out.len();
        out.reserve(lengths.total());
        der::put_head(out, der::SEQUENCE, lengths.content_info);
        out.extend_from_slice(&SIGNED_DATA);
        der::put_head(out, der::CONTEXT_0, der::total_bytes(lengths.signed_data));
        der::put_head(out, der::SEQUENCE, lengths.signed_data);
        // Version 3, because the content is not id-data (RFC 5652 §5.1).
        out.extend_from_slice(&[der::INTEGER, 1, 3]);
        put(out, der::SET, &SHA256_IDENTIFIER);
        der::put_head(out, der::SEQUENCE, lengths.encapsulated);
        out.extend_from_slice(&template.content_type);
        der::put_head(out, der::CONTEXT_0, der::total_bytes(self.content.len()));
        put(out, der::OCTET_STRING, &self.content);
        if certificates {
            out.extend_from_slice(&template.certificates);
        }
        der::put_head(out, der::SET, der::total_bytes(lengths.signer_info));
        der::put_head(out, der::SEQUENCE, lengths.signer_info);
        out.extend_from_slice(&template.signer_before);
        out.push(der::CONTEXT_0);
        out.extend_from_slice(&self.message[1..]);
        out.extend_from_slice(template.algorithm.identifier_der());
        put(out, der::OCTET_STRING, signature);
        if !unsigned.is_empty() {
            put(out, der::CONTEXT_1, unsigned);
        }
        debug_assert_eq!(out.len() - begin, lengths.total());
    }

    /// From the inside outwards.
    fn lengths(&self, signature: &[u8], certificates: bool, unsigned: &[u8]) -> Lengths {
        let template = &self.template;
        let unsigned = if unsigned.is_empty() { 0 } else { der::total_bytes(unsigned.len()) };
        let signer_info = template.signer_before.len()
            + self.message.len()
            + template.algorithm.identifier_der().len()
            + der::total_bytes(signature.len())
            + unsigned;
        let encapsulated = template.content_type.len() + der::total_bytes(der::total_bytes(self.content.len()));
        let signed_data = 3
            + der::total_bytes(SHA256_IDENTIFIER.len())
            + der::total_bytes(encapsulated)
            + if certificates { template.certificates.len() } else { 0 }
            + der::total_bytes(der::total_bytes(signer_info));
        let content_info = SIGNED_DATA.len() + der::total_bytes(der::total_bytes(signed_data));
        Lengths { content_info, signed_data, encapsulated, signer_info }
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prepared({} octets of content)", self.content.len())
    }
}

/// Content octets of the values around the content.
struct Lengths {
    content_info: usize,
    signed_data: usize,
    encapsulated: usize,
    signer_info: usize,
}

impl Lengths {
    const fn total(&self) -> usize {
        der::total_bytes(self.content_info)
    }
}

fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    der::put_head(out, tag, content.len());
    out.extend_from_slice(content);
}

fn choice(certificate: &Certificate) -> CertificateChoices {
    CertificateChoices::Certificate(Box::new(certificate.decoded().clone()))
}

/// Attribute signingTime: UTCTime to 2049, then GeneralizedTime (RFC 5652 §11.3).
fn put_signing_time(out: &mut Vec<u8>, time: Timestamp) {
    let mut text = Vec::with_capacity(15);
    der::put_generalized_time(&mut text, time.whole_secs());
    let (tag, text) = if text[..4] < b"2050"[..] { (UTC_TIME, &text[2..]) } else { (der::GENERALIZED_TIME, &text[..]) };
    let id = [der::OID, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x05];
    der::put_head(out, der::SEQUENCE, id.len() + der::total_bytes(der::total_bytes(text.len())));
    out.extend_from_slice(&id);
    der::put_head(out, der::SET, der::total_bytes(text.len()));
    put(out, tag, text);
}

/// The content of SignedAttributes, cut around the 32 octets of the message digest.
fn attributes(content_type: &[u8], certificate: &Certificate, algorithm: SignatureAlgorithm) -> Vec<Piece> {
    let sha256: AlgorithmIdentifier = rasn::der::decode(&SHA256_IDENTIFIER).expect("a constant");
    let signing_certificate = SigningCertificateV2 {
        certs: vec![EssCertIdV2 {
            hash_algorithm: None,
            cert_hash: OctetString::from(certificate.digest().0),
            issuer_serial: Some(IssuerSerial {
                issuer: vec![GeneralName::DirectoryName(certificate.issuer().clone())],
                serial_number: RawInteger(certificate.serial().into()),
            }),
        }],
        policies: None,
    };
    // Filled literally: the constructor always fails (spec §3).
    let protection = CmsAlgorithmProtection {
        digest_algorithm: sha256,
        signature_algorithm: Some(identifier(algorithm)),
        mac_algorithm: None,
    };
    let set = |placeholder: Digest| {
        let attributes: rasn_cms::SignedAttributes = SetOf::from_vec(vec![
            attribute(oid::CONTENT_TYPE, content_type.to_vec()),
            attribute(oid::MESSAGE_DIGEST, encode(&OctetString::from(placeholder.0))),
            attribute(oid::SIGNING_CERTIFICATE_V2, encode(&signing_certificate)),
            attribute(oid::ALGORITHM_PROTECTION, encode(&protection)),
        ]);
        encode(&attributes)
    };
    // The order within the SET depends on the digest only if another attribute began with the same octets. None does:
    // the lengths in their second octet differ. So the place of the digest is where two digests make a difference.
    let (zeros, ones) = (set(Digest([0; 32])), set(Digest([0xFF; 32])));
    let at = zeros.iter().zip(&ones).position(|(a, b)| a != b).expect("the digest stands in the attributes");
    assert_eq!(zeros[at + 32..], ones[at + 32..], "the digest moves nothing else");
    // Behind the tag: one octet of length, or 0x80 + n and then n octets.
    let content_at = if zeros[1] < 0x80 { 2 } else { 2 + usize::from(zeros[1] & 0x7F) };
    vec![Piece::Fixed(zeros[content_at..at].to_vec()), Piece::Digest, Piece::Fixed(zeros[at + 32..].to_vec())]
}

fn attribute(id: &Oid, value: Vec<u8>) -> Attribute {
    Attribute { r#type: id.into(), values: SetOf::from_vec(vec![Any::new(value)]) }
}

fn identifier(algorithm: SignatureAlgorithm) -> AlgorithmIdentifier {
    rasn::der::decode(algorithm.identifier_der()).expect("the constants are AlgorithmIdentifiers")
}

fn signer_before(certificate: &Certificate) -> Vec<u8> {
    let sid = SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
        issuer: certificate.issuer().clone(),
        serial_number: certificate.decoded().tbs_certificate.serial_number.clone(),
    });
    [&[der::INTEGER, 1, 1][..], &encode(&sid), &SHA256_IDENTIFIER].concat()
}

#[cfg(test)]
mod tests {
    use rasn_cms::SignedData;

    use super::*;
    use crate::asn1::decode_strict;
    use crate::crypto::Signer;
    use crate::testing;

    fn signed_at(time: Timestamp, unsigned: &[u8]) -> Vec<u8> {
        let unit = testing::ec();
        let template = Template::new(oid::TST_INFO, unit.key.algorithm(), unit.tsu.certificate(), &[]);
        let prepared = Prepared::new(Arc::new(template.with_signing_time()), b"content".to_vec(), time);
        let signature = unit.key.sign(prepared.message()).unwrap();
        let mut out = Vec::new();
        prepared.put(&mut out, &signature, true, unsigned);
        assert_eq!(out.len(), prepared.total_bytes(&signature, true, unsigned));
        out
    }

    /// With signingTime on either side of 2050, and with unsigned attributes: what rasn would write, sorted as DER wants.
    #[test]
    fn rasn_writes_the_same() {
        let unsigned = encode(&attribute(oid::CONTENT_TYPE, vec![0x05, 0x00]));
        for (time, value) in [
            ("2026-03-01T12:00:00.25Z", "170d3236"),
            ("2049-12-31T23:59:59Z", "170d3439"),
            ("2050-01-01T00:00:00Z", "180f3230"),
        ] {
            for unsigned in [&[][..], &unsigned] {
                let bytes = signed_at(Timestamp::from_rfc3339(time).unwrap(), unsigned);
                let info: rasn_cms::ContentInfo = decode_strict(&bytes).expect(time);
                let signed: SignedData = decode_strict(info.content.as_bytes()).expect("strict: sorted and minimal");
                let [signer] = signed.signer_infos.to_vec()[..] else { panic!("one signer") };
                let attributes = signer.signed_attrs.as_ref().unwrap();
                assert_eq!(attributes.len(), 5);
                let signing_time = rasn::types::Oid::const_new(&[1, 2, 840, 113549, 1, 9, 5]);
                let found = attributes.iter().find(|a| *a.r#type == *signing_time).unwrap();
                assert!(hex::encode(found.values.to_vec()[0].as_bytes()).starts_with(value), "{time}");
                assert_eq!(signer.unsigned_attrs.is_some(), !unsigned.is_empty());
            }
        }
    }
}
