//! SignedData of others, read by hand: every part as received, because digests and signatures are over those octets. rasn-cms keeps
//! none of them, and libcrypto's CMS tells nothing of what it dislikes.
//!
//! ```text
//! SignedData ::= SEQUENCE { version, digestAlgorithms SET, encapContentInfo { eContentType, eContent [0] EXPLICIT? },
//!                           certificates [0]?, crls [1]?, signerInfos SET OF SignerInfo }
//! SignerInfo ::= SEQUENCE { version, sid, digestAlgorithm, signedAttrs [0]?, signatureAlgorithm, signature, unsignedAttrs [1]? }
//! ```
//!
//! Signatures of strangers are read as BER, with whatever programs in use write ([`SignedData::from_ber`]). What is repeated in
//! something signed, or must have one form to the octet, is read as DER ([`SignedData::from_der`]). Both are bounded in number before
//! anything is verified.
//!
//! Out of scope: EnvelopedData, SignedData in SignedData.

use std::borrow::Cow;

use super::attribute::Attributes;
use super::oids;
use crate::asn1::ber::{Reader, Value};
use crate::asn1::der;

/// The longest SignedData of a stranger that is read, octets. Content that is attached counts.
pub const CMS_BYTES_MAX: usize = 64 << 20;
/// How many signers one may have.
pub const SIGNERS_MAX: usize = 32;
/// How many certificates, and how many CRLs and OCSP responses.
pub const MATERIAL_MAX: usize = 512;
/// Certificates in one message in DER, at most: a signer, its chain, and room for other forms of the same.
pub(super) const DER_CERTIFICATES_MAX: usize = 32;
/// Signers of one message in DER, at most.
pub(super) const DER_SIGNERS_MAX: usize = 16;

/// SignedData.
#[derive(Clone, Debug)]
pub struct SignedData<'a> {
    /// Content octets of the version: 1, 3, 4 or 5, as the standard has them.
    pub(crate) version: &'a [u8],
    /// The content of digestAlgorithms.
    pub(crate) digest_algorithms: &'a [u8],
    /// Content octets of the type of the signed content.
    pub(crate) content_type: &'a [u8],
    /// The type as received.
    pub(crate) content_type_value: &'a [u8],
    /// The signed content, if it is attached.
    pub(crate) content: Option<Cow<'a, [u8]>>,
    /// Members of `certificates` as received, whatever their kind.
    pub(crate) certificate_members: Vec<&'a [u8]>,
    /// Whether there is `crls`.
    pub(crate) has_crls: bool,
    /// Its members, likewise; of DER they are not read, since nobody who asks for it has a use for them.
    pub(crate) crl_members: Vec<&'a [u8]>,
    /// The content of signerInfos.
    pub(crate) signer_infos: &'a [u8],
    /// Each signature.
    pub(crate) signers: Vec<SignerInfo<'a>>,
    /// How many octets it has: of a PDF, padding follows.
    pub(crate) bytes: usize,
}

/// SignerInfo.
#[derive(Clone, Debug)]
pub struct SignerInfo<'a> {
    /// Content octets of the version: 1 with issuer and serial number, 3 with a key identifier.
    pub(crate) version: &'a [u8],
    /// Whose it is.
    pub(crate) sid: SignerId<'a>,
    /// Everything from version to signature as received: what an archive timestamp covers (EN 319 122-1 §5.5.3).
    pub(crate) fields: Vec<&'a [u8]>,
    /// digestAlgorithm.
    pub(crate) digest_algorithm: Algorithm<'a>,
    /// signatureAlgorithm.
    pub(crate) signature_algorithm: Algorithm<'a>,
    /// The signature.
    pub(crate) signature: Cow<'a, [u8]>,
    /// Signed attributes, if there are any.
    pub(crate) signed: Option<Attributes<'a>>,
    /// Unsigned attributes.
    pub(crate) unsigned: Attributes<'a>,
}

/// SignerIdentifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignerId<'a> {
    /// Issuer as received, and the content octets of the serial number.
    IssuerAndSerial { issuer: &'a [u8], serial: &'a [u8] },
    /// subjectKeyIdentifier.
    KeyIdentifier(&'a [u8]),
}

/// AlgorithmIdentifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Algorithm<'a> {
    /// Content octets.
    pub(crate) oid: &'a [u8],
    /// Parameters as received.
    pub(crate) parameters: Option<&'a [u8]>,
    /// All of it.
    pub(crate) whole: &'a [u8],
}

/// Why it is no SignedData that we read.
pub(crate) type Fault = String;

fn lacks(what: &str) -> Fault {
    format!("{what} does not read")
}

/// In DER nothing stands behind the last field. What strangers leave there in BER is overlooked.
fn ended(fields: &Reader<'_>) -> Result<(), Fault> {
    if fields.is_at_end() || !fields.is_strict() { Ok(()) } else { Err("something follows the last field".to_owned()) }
}

impl<'a> SignedData<'a> {
    /// Reads a ContentInfo with SignedData; what follows it is not looked at.
    pub(crate) fn from_ber(bytes: &'a [u8]) -> Result<Self, Fault> {
        if bytes.len() > CMS_BYTES_MAX {
            return Err(format!("it has more than {CMS_BYTES_MAX} octets"));
        }
        Self::read(Reader::new(bytes))
    }

    /// Reads a ContentInfo with SignedData in DER, but for the values of attributes, and with nothing behind it. The content is an
    /// OCTET STRING or not there, a set of attributes is not empty, and certificates and signers are fewer than of strangers.
    #[must_use]
    pub fn from_der(bytes: &'a [u8]) -> Option<Self> {
        let read = Self::read(Reader::der(bytes)).ok()?;
        let mut versions = read.signers.iter().map(|signer| signer.version).chain([read.version]);
        let is_good = read.bytes == bytes.len()
            && versions.all(|version| matches!(version, [..=0x7F]))
            && read.certificate_members.len() <= DER_CERTIFICATES_MAX
            && read.signers.len() <= DER_SIGNERS_MAX;
        is_good.then_some(read)
    }

    /// The content, if it is attached; of BER, if it is in one piece.
    #[must_use]
    pub fn attached(&self) -> Option<&'a [u8]> {
        match self.content {
            Some(Cow::Borrowed(octets)) => Some(octets),
            Some(Cow::Owned(_)) | None => None,
        }
    }

    fn read(mut reader: Reader<'a>) -> Result<Self, Fault> {
        let info = reader.take(der::SEQUENCE).ok_or_else(|| lacks("the ContentInfo"))?;
        let mut fields = info.inside();
        let kind = fields.take(der::OID).ok_or_else(|| lacks("the content type"))?;
        if kind.content != oids::SIGNED_DATA {
            return Err(format!("it is {}, not SignedData", oids::dotted(kind.content)));
        }
        let mut explicit = fields.take(der::CONTEXT_0).ok_or_else(|| lacks("the content"))?.inside();
        let signed = explicit.take(der::SEQUENCE).ok_or_else(|| lacks("the SignedData"))?;
        ended(&fields).and_then(|()| ended(&explicit))?;
        Ok(Self { bytes: info.whole.len(), ..Self::fields(signed.inside())? })
    }

    fn fields(mut fields: Reader<'a>) -> Result<Self, Fault> {
        let version = fields.take(der::INTEGER).ok_or_else(|| lacks("the version"))?;
        let digest_algorithms = fields.take(der::SET).ok_or_else(|| lacks("digestAlgorithms"))?;
        let mut inner = fields.take(der::SEQUENCE).ok_or_else(|| lacks("encapContentInfo"))?.inside();
        let content_type = inner.take(der::OID).ok_or_else(|| lacks("eContentType"))?;
        let content = match inner.take(der::CONTEXT_0) {
            None => None,
            Some(explicit) => Some(content_octets(explicit).ok_or_else(|| lacks("eContent"))?),
        };
        ended(&inner)?;
        let certificate_members = match fields.take(der::CONTEXT_0) {
            None => Vec::new(),
            Some(set) => members(set).ok_or_else(|| lacks("certificates"))?,
        };
        let crls = fields.take(der::CONTEXT_1);
        let crl_members = match crls {
            Some(set) if !fields.is_strict() => members(set).ok_or_else(|| lacks("crls"))?,
            _ => Vec::new(),
        };
        let signer_infos = fields.take(der::SET).ok_or_else(|| lacks("signerInfos"))?;
        let mut signers = Vec::new();
        let mut infos = signer_infos.inside();
        while !infos.is_at_end() {
            if signers.len() == SIGNERS_MAX {
                return Err(format!("it has more than {SIGNERS_MAX} signers"));
            }
            let info = infos.take(der::SEQUENCE).ok_or_else(|| lacks("a SignerInfo"))?;
            signers.push(SignerInfo::parse(info)?);
        }
        if !fields.is_at_end() {
            return Err("something follows signerInfos".to_owned());
        }
        Ok(Self {
            version: version.content,
            digest_algorithms: digest_algorithms.content,
            content_type: content_type.content,
            content_type_value: content_type.whole,
            content,
            certificate_members,
            has_crls: crls.is_some(),
            crl_members,
            signer_infos: signer_infos.content,
            signers,
            bytes: 0,
        })
    }
}

/// eContent: an OCTET STRING, of BER also in pieces. PKCS #7 has any value instead (RFC 2315 §7), whose content octets are signed.
fn content_octets(explicit: Value<'_>) -> Option<Cow<'_, [u8]>> {
    let mut inside = explicit.inside();
    let value = inside.value()?;
    ended(&inside).ok()?;
    match value.tag & !0x20 {
        der::OCTET_STRING => value.octets(der::OCTET_STRING),
        _ if inside.is_strict() => None,
        _ => Some(Cow::Borrowed(value.content)),
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

impl<'a> SignerInfo<'a> {
    fn parse(info: Value<'a>) -> Result<Self, Fault> {
        let mut fields = info.inside();
        let version = fields.take(der::INTEGER).ok_or_else(|| lacks("a signer's version"))?;
        let sid_value = fields.value().ok_or_else(|| lacks("a signer's identifier"))?;
        let sid = SignerId::parse(sid_value).ok_or_else(|| lacks("a signer's identifier"))?;
        let digest_algorithm = Algorithm::of_signer(&mut fields).ok_or_else(|| lacks("a signer's digestAlgorithm"))?;
        let signed_value = fields.take(der::CONTEXT_0);
        let signed = match signed_value {
            None => None,
            Some(set) => Some(Attributes::parse(set).map_err(|fault| format!("signed attributes: {fault}"))?),
        };
        let signature_algorithm = Algorithm::of_signer(&mut fields).ok_or_else(|| lacks("a signatureAlgorithm"))?;
        let signature_value = fields.value().ok_or_else(|| lacks("a signature"))?;
        let signature = match signature_value.tag & !0x20 {
            der::OCTET_STRING => signature_value.octets(der::OCTET_STRING),
            _ => None,
        };
        let signature = signature.ok_or_else(|| lacks("a signature"))?;
        let unsigned = match fields.take(der::CONTEXT_1) {
            None => Attributes::default(),
            Some(set) => Attributes::parse(set).map_err(|fault| format!("unsigned attributes: {fault}"))?,
        };
        if !fields.is_at_end() {
            return Err("something follows the unsigned attributes".to_owned());
        }
        let mut all = vec![version.whole, sid_value.whole, digest_algorithm.whole];
        all.extend(signed_value.map(|value| value.whole));
        all.extend([signature_algorithm.whole, signature_value.whole]);
        let version = version.content;
        Ok(Self { version, sid, fields: all, digest_algorithm, signature_algorithm, signature, signed, unsigned })
    }
}

impl<'a> SignerId<'a> {
    fn parse(sid: Value<'a>) -> Option<Self> {
        match sid.tag {
            der::SEQUENCE => {
                let mut fields = sid.inside();
                let issuer = fields.take(der::SEQUENCE)?.whole;
                let serial = fields.take(der::INTEGER)?.content;
                ended(&fields).ok()?;
                Some(Self::IssuerAndSerial { issuer, serial })
            }
            // [0] IMPLICIT SubjectKeyIdentifier
            0x80 => Some(Self::KeyIdentifier(sid.content)),
            _ => None,
        }
    }
}

impl<'a> Algorithm<'a> {
    /// The next value as AlgorithmIdentifier; of DER also one that does not read: it is none that is verified, and its signature is refused
    /// as such.
    fn of_signer(fields: &mut Reader<'a>) -> Option<Self> {
        let value = fields.take(der::SEQUENCE)?;
        let unknown = Self { oid: &[], parameters: None, whole: value.whole };
        Self::parse(value).or_else(|| value.is_strict().then_some(unknown))
    }

    /// The next value as AlgorithmIdentifier.
    pub(crate) fn take(fields: &mut Reader<'a>) -> Option<Self> {
        Self::parse(fields.take(der::SEQUENCE)?)
    }

    /// `value` as AlgorithmIdentifier.
    pub(crate) fn parse(value: Value<'a>) -> Option<Self> {
        let mut inner = value.inside();
        let oid = inner.take(der::OID)?.content;
        let parameters = inner.value().map(|value| value.whole);
        inner.is_at_end().then_some(Self { oid, parameters, whole: value.whole })
    }
}
