//! What came along with signatures: certificates, CRLs and OCSP responses out of the two sets of a SignedData.

use std::borrow::Cow;

use super::attribute::ATTRIBUTES_BYTES_MAX;
use super::{SignedData, oids};
use crate::asn1::ber::Reader;
use crate::asn1::der;

/// A certificate or a CRL, and nothing of another form: those have a context tag.
fn is_plain(member: &&[u8]) -> bool {
    member.first() == Some(&der::SEQUENCE)
}

impl<'a> SignedData<'a> {
    /// Certificates as received.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &'a [u8]> {
        self.certificate_members.iter().copied().filter(is_plain)
    }

    /// CRLs as received.
    pub(crate) fn crls(&self) -> impl Iterator<Item = &'a [u8]> {
        self.crl_members.iter().copied().filter(is_plain)
    }

    /// OCSP responses.
    pub(crate) fn ocsp_responses(&self) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.crl_members.iter().filter_map(|member| other_revocation(member))
    }

    /// True if there is an attribute certificate, or something else that is no certificate.
    pub(crate) fn has_other_certificates(&self) -> bool {
        !self.certificate_members.iter().all(is_plain)
    }

    /// True if there is revocation data that is neither a CRL nor an OCSP response.
    pub(crate) fn has_other_revocation_data(&self) -> bool {
        !self.crl_members.iter().all(|member| is_plain(member) || other_revocation(member).is_some())
    }
}

/// OtherRevocationInfoFormat `[1] { otherRevInfoFormat, otherRevInfo }` with an OCSP response (RFC 5940 §2.1) or, as older
/// CAdES has it, a basic one, which is put into a whole OCSPResponse.
pub(crate) fn other_revocation(member: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut fields = Reader::new(member).take(der::CONTEXT_1)?.inside();
    let format = fields.take(der::OID)?.content;
    let info = fields.take(der::SEQUENCE)?;
    match format {
        oids::RI_OCSP_RESPONSE => Some(Cow::Borrowed(info.whole)),
        oids::OCSP_BASIC if info.whole.len() <= ATTRIBUTES_BYTES_MAX => Some(Cow::Owned(whole_ocsp(info.whole))),
        _ => None,
    }
}

/// A successful OCSPResponse around a BasicOCSPResponse (RFC 6960 §4.2.1).
pub(crate) fn whole_ocsp(basic: &[u8]) -> Vec<u8> {
    let inner = [der::tlv(der::OID, oids::OCSP_BASIC), der::tlv(der::OCTET_STRING, basic)].concat();
    let bytes = der::tlv(der::CONTEXT_0, &der::tlv(der::SEQUENCE, &inner));
    der::tlv(der::SEQUENCE, &[&[0x0A, 0x01, 0x00][..], &bytes].concat())
}
