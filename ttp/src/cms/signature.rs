//! Whether a signature of a SignedData in DER holds (RFC 5652 §5.4, 5.6): yes, or the one reason why not. Those of strangers, of which
//! everything is to be told, are judged in [`crate::validation`].

use super::attribute::Attributes;
use super::{SignerId, SignerInfo, oids};
use crate::asn1::ber::Reader;
use crate::asn1::der;
use crate::crypto::{ForeignFault, foreign_hash, verify_foreign};
use crate::x509::{Certificate, encode};

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

impl SignerId<'_> {
    /// Whether this certificate is meant.
    pub(crate) fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                encode(certificate.issuer()) == *issuer && certificate.serial() == *serial
            }
            Self::KeyIdentifier(id) => certificate.subject_key_identifier().is_some_and(|own| own[..] == **id),
        }
    }
}

impl<'a> SignerInfo<'a> {
    /// The one value, in DER, of the one signed attribute with this identifier (content octets).
    pub(crate) fn signed_attribute(&self, id: &[u8]) -> Option<&'a [u8]> {
        only_in_der(self.signed.as_ref()?, id)
    }

    /// The same of the unsigned ones.
    pub(crate) fn unsigned_attribute(&self, id: &[u8]) -> Option<&'a [u8]> {
        only_in_der(&self.unsigned, id)
    }

    /// Whether the signature is over `content`, of the type `content_type` (content octets), by this key. Whose key it is, is another
    /// question.
    ///
    /// # Errors
    /// [`SignatureFault`].
    pub fn verify(&self, content_type: &[u8], content: &[u8], spki_der: &[u8]) -> Result<(), SignatureFault> {
        let attributes = self.signed.as_ref().ok_or(SignatureFault::NoAttributes)?;
        if self.signed_attribute(oids::CONTENT_TYPE) != Some(&der::tlv(der::OID, content_type)[..]) {
            return Err(SignatureFault::ContentType);
        }
        let hash = foreign_hash(self.digest_algorithm.whole)?;
        if self.signed_attribute(oids::MESSAGE_DIGEST) != Some(&der::tlv(der::OCTET_STRING, &hash.of(content))[..]) {
            return Err(SignatureFault::MessageDigest);
        }
        let message = attributes.as_received();
        let right = verify_foreign(spki_der, self.signature_algorithm.whole, hash, &message, &self.signature)?;
        right.then_some(()).ok_or(SignatureFault::Wrong)
    }
}

fn only_in_der<'a>(attributes: &Attributes<'a>, id: &[u8]) -> Option<&'a [u8]> {
    Reader::der(attributes.only(id).ok()??).value().map(|value| value.whole)
}
