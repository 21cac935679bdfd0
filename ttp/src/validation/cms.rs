//! Reading SignedData of strangers (RFC 5652 §5, ETSI EN 319 122-1): BER as well as DER, whatever is optional, and every
//! part as received, because digests and signatures are over those octets.
//!
//! Hand-read, because rasn-cms keeps no octets as received, and libcrypto's CMS tells nothing of what it dislikes. What is
//! read is bounded in size and number before anything is verified.
//!
//! Out of scope: EnvelopedData, SignedData in SignedData.

mod attribute;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub(super) use attribute::{Attributes, EssCert, generalized as attribute_time, time};

use super::oids;
use crate::asn1::ber::{Reader, Value};
use crate::asn1::der;

/// The longest SignedData that is read, octets. Content that is attached counts.
pub const CMS_BYTES_MAX: usize = 64 << 20;
/// How many signers one may have.
pub const SIGNERS_MAX: usize = 32;
/// The longest set of attributes, octets: room for revocation data.
const ATTRIBUTES_BYTES_MAX: usize = 4 << 20;
/// How many certificates, CRLs and OCSP responses together.
pub const MATERIAL_MAX: usize = 512;

/// SignedData.
#[derive(Clone, Debug)]
pub(super) struct SignedData<'a> {
    /// Content octets of the type of the signed content.
    pub(super) content_type: &'a [u8],
    /// The type as received.
    pub(super) content_type_value: &'a [u8],
    /// The signed content, if it is attached.
    pub(super) content: Option<Cow<'a, [u8]>>,
    /// Certificates as received.
    pub(super) certificates: Vec<&'a [u8]>,
    /// CRLs as received.
    pub(super) crls: Vec<&'a [u8]>,
    /// OCSP responses (RFC 5940 §2.1; basic ones are put into a whole OCSPResponse).
    pub(super) ocsp_responses: Vec<Cow<'a, [u8]>>,
    /// Members of `certificates` and `crls` as received, whatever their kind.
    pub(super) certificate_members: Vec<&'a [u8]>,
    /// As above.
    pub(super) crl_members: Vec<&'a [u8]>,
    /// Each signature.
    pub(super) signers: Vec<SignerInfo<'a>>,
    /// How many octets it has: of a PDF, padding follows.
    pub(super) bytes: usize,
    /// Attribute certificates and other things that nobody judges.
    pub(super) unread: Vec<&'static str>,
}

/// SignerInfo.
#[derive(Clone, Debug)]
pub(super) struct SignerInfo<'a> {
    /// Whose it is.
    pub(super) id: SignerId<'a>,
    /// Everything from version to signature as received: what an archive timestamp covers (EN 319 122-1 §5.5.3).
    pub(super) fields: Vec<&'a [u8]>,
    /// digestAlgorithm.
    pub(super) digest_algorithm: Algorithm<'a>,
    /// signatureAlgorithm.
    pub(super) signature_algorithm: Algorithm<'a>,
    /// The signature.
    pub(super) signature: Cow<'a, [u8]>,
    /// Signed attributes, if there are any.
    pub(super) signed: Option<Attributes<'a>>,
    /// Unsigned attributes.
    pub(super) unsigned: Attributes<'a>,
}

/// SignerIdentifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignerId<'a> {
    /// Issuer as received, and the content octets of the serial number.
    IssuerAndSerial { issuer: &'a [u8], serial: &'a [u8] },
    /// subjectKeyIdentifier.
    KeyId(&'a [u8]),
}

/// AlgorithmIdentifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Algorithm<'a> {
    /// Content octets.
    pub(super) oid: &'a [u8],
    /// Parameters as received.
    pub(super) parameters: Option<&'a [u8]>,
    /// All of it.
    pub(super) whole: &'a [u8],
}

/// Why it is no SignedData that we read.
pub(super) type Fault = String;

fn lacks(what: &str) -> Fault {
    format!("{what} does not read")
}

impl<'a> SignedData<'a> {
    /// Reads a ContentInfo with SignedData; what follows it is not looked at.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        if bytes.len() > CMS_BYTES_MAX {
            return Err(format!("it has more than {CMS_BYTES_MAX} octets"));
        }
        let info = Reader::new(bytes).take(der::SEQUENCE).ok_or_else(|| lacks("the ContentInfo"))?;
        let mut fields = info.inside();
        let kind = fields.take(der::OID).ok_or_else(|| lacks("the content type"))?;
        if kind.content != oids::SIGNED_DATA {
            return Err(format!("it is {}, not SignedData", oids::dotted(kind.content)));
        }
        let explicit = fields.take(der::CONTEXT_0).ok_or_else(|| lacks("the content"))?;
        let signed = explicit.inside().take(der::SEQUENCE).ok_or_else(|| lacks("the SignedData"))?;
        let mut this = Self::fields(signed.inside())?;
        this.bytes = info.whole.len();
        Ok(this)
    }

    fn fields(mut fields: Reader<'a>) -> Result<Self, Fault> {
        fields.take(der::INTEGER).ok_or_else(|| lacks("the version"))?;
        fields.take(der::SET).ok_or_else(|| lacks("digestAlgorithms"))?;
        let encapsulated = fields.take(der::SEQUENCE).ok_or_else(|| lacks("encapContentInfo"))?;
        let mut inner = encapsulated.inside();
        let content_type = inner.take(der::OID).ok_or_else(|| lacks("eContentType"))?;
        let content = match inner.take(der::CONTEXT_0) {
            None => None,
            Some(explicit) => Some(content_octets(explicit).ok_or_else(|| lacks("eContent"))?),
        };
        let mut this = Self {
            content_type: content_type.content,
            content_type_value: content_type.whole,
            content,
            certificates: Vec::new(),
            crls: Vec::new(),
            ocsp_responses: Vec::new(),
            certificate_members: Vec::new(),
            crl_members: Vec::new(),
            signers: Vec::new(),
            bytes: 0,
            unread: Vec::new(),
        };
        if let Some(set) = fields.take(0xA0) {
            this.certificate_members = members(set).ok_or_else(|| lacks("certificates"))?;
        }
        if let Some(set) = fields.take(0xA1) {
            this.crl_members = members(set).ok_or_else(|| lacks("crls"))?;
        }
        this.sort_material();
        let signers = fields.take(der::SET).ok_or_else(|| lacks("signerInfos"))?;
        let mut signers = signers.inside();
        while !signers.is_at_end() {
            if this.signers.len() == SIGNERS_MAX {
                return Err(format!("it has more than {SIGNERS_MAX} signers"));
            }
            let info = signers.take(der::SEQUENCE).ok_or_else(|| lacks("a SignerInfo"))?;
            this.signers.push(SignerInfo::parse(info)?);
        }
        if !fields.is_at_end() {
            return Err("something follows signerInfos".to_owned());
        }
        Ok(this)
    }

    /// Certificates, CRLs and OCSP responses from among the members of the two sets.
    fn sort_material(&mut self) {
        for member in &self.certificate_members {
            if member.first() == Some(&der::SEQUENCE) {
                self.certificates.push(member);
            } else {
                self.unread.push("a certificate of another form (RFC 5652 §10.2.2)");
            }
        }
        for member in &self.crl_members {
            if member.first() == Some(&der::SEQUENCE) {
                self.crls.push(member);
            } else if let Some(response) = other_revocation(member) {
                self.ocsp_responses.push(response);
            } else {
                self.unread.push("revocation data of another form (RFC 5652 §10.2.1)");
            }
        }
    }
}

/// eContent: an OCTET STRING, in pieces or not. PKCS #7 has any value instead (RFC 2315 §7), whose content octets are signed.
fn content_octets(explicit: Value<'_>) -> Option<Cow<'_, [u8]>> {
    let value = explicit.inside().value()?;
    if value.tag & !0x20 == der::OCTET_STRING {
        value.octets(der::OCTET_STRING)
    } else {
        Some(Cow::Borrowed(value.content))
    }
}

/// The members of a SET OF, as received; `None` for too many.
fn members(set: Value<'_>) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    let mut reader = set.inside();
    while !reader.is_at_end() {
        if found.len() == MATERIAL_MAX {
            return None;
        }
        found.push(reader.value()?.whole);
    }
    Some(found)
}

/// OtherRevocationInfoFormat `[1] { otherRevInfoFormat, otherRevInfo }` with an OCSP response (RFC 5940 §2.1) or, as older
/// CAdES has it, a basic one.
pub(super) fn other_revocation(member: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut fields = Reader::new(member).take(0xA1)?.inside();
    let format = fields.take(der::OID)?.content;
    let info = fields.take(der::SEQUENCE)?;
    match format {
        oids::RI_OCSP_RESPONSE => Some(Cow::Borrowed(info.whole)),
        oids::OCSP_BASIC if info.whole.len() <= ATTRIBUTES_BYTES_MAX => Some(Cow::Owned(whole_ocsp(info.whole))),
        _ => None,
    }
}

/// A successful OCSPResponse around a BasicOCSPResponse (RFC 6960 §4.2.1).
pub(super) fn whole_ocsp(basic: &[u8]) -> Vec<u8> {
    let inner = [der::tlv(der::OID, oids::OCSP_BASIC), der::tlv(der::OCTET_STRING, basic)].concat();
    let bytes = der::tlv(der::CONTEXT_0, &der::tlv(der::SEQUENCE, &inner));
    der::tlv(der::SEQUENCE, &[&[0x0A, 0x01, 0x00][..], &bytes].concat())
}

impl<'a> SignerInfo<'a> {
    pub(super) fn parse(info: Value<'a>) -> Result<Self, Fault> {
        let mut fields = info.inside();
        let version = fields.take(der::INTEGER).ok_or_else(|| lacks("a signer's version"))?;
        let sid = fields.value().ok_or_else(|| lacks("a signer's identifier"))?;
        let id = SignerId::parse(sid).ok_or_else(|| lacks("a signer's identifier"))?;
        let digest_algorithm = Algorithm::take(&mut fields).ok_or_else(|| lacks("a signer's digestAlgorithm"))?;
        let signed_value = fields.take(0xA0);
        let signed = match signed_value {
            None => None,
            Some(set) => Some(Attributes::parse(set).map_err(|fault| format!("signed attributes: {fault}"))?),
        };
        let signature_algorithm = Algorithm::take(&mut fields).ok_or_else(|| lacks("a signatureAlgorithm"))?;
        let signature_value = fields.value().ok_or_else(|| lacks("a signature"))?;
        let signature = match signature_value.tag & !0x20 {
            der::OCTET_STRING => signature_value.octets(der::OCTET_STRING),
            _ => None,
        };
        let signature = signature.ok_or_else(|| lacks("a signature"))?;
        let unsigned = match fields.take(0xA1) {
            None => Attributes::default(),
            Some(set) => Attributes::parse(set).map_err(|fault| format!("unsigned attributes: {fault}"))?,
        };
        if !fields.is_at_end() {
            return Err("something follows the unsigned attributes".to_owned());
        }
        let mut all = vec![version.whole, sid.whole, digest_algorithm.whole];
        all.extend(signed_value.map(|value| value.whole));
        all.extend([signature_algorithm.whole, signature_value.whole]);
        Ok(Self { id, fields: all, digest_algorithm, signature_algorithm, signature, signed, unsigned })
    }
}

impl<'a> SignerId<'a> {
    fn parse(sid: Value<'a>) -> Option<Self> {
        match sid.tag {
            der::SEQUENCE => {
                let mut fields = sid.inside();
                let issuer = fields.take(der::SEQUENCE)?.whole;
                let serial = fields.take(der::INTEGER)?.content;
                Some(Self::IssuerAndSerial { issuer, serial })
            }
            0x80 => Some(Self::KeyId(sid.content)),
            _ => None,
        }
    }
}

impl<'a> Algorithm<'a> {
    /// The next value as AlgorithmIdentifier.
    pub(super) fn take(fields: &mut Reader<'a>) -> Option<Self> {
        Self::parse(fields.take(der::SEQUENCE)?)
    }

    /// `value` as AlgorithmIdentifier.
    pub(super) fn parse(value: Value<'a>) -> Option<Self> {
        let mut inner = value.inside();
        let oid = inner.take(der::OID)?.content;
        let parameters = inner.value().map(|value| value.whole);
        inner.is_at_end().then_some(Self { oid, parameters, whole: value.whole })
    }
}
