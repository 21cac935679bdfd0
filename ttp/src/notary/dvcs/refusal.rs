//! Every way in which a request is not taken up, and how the client is told (RFC 3029 §9.2).

use super::status::{FailInfo, StatusInfo};
use super::types::ServiceType;
use crate::asn1::der;

/// Why a request is not taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a DVCSRequest, bare or signed.
    NotARequest,
    /// Longer than the service takes.
    TooLong {
        /// The most, octets.
        bytes_max: usize,
    },
    /// EnvelopedData.
    Encrypted,
    /// The request's version is not 1.
    Version,
    /// A number that names no service.
    UnknownService,
    /// Not the choice of data that belongs to the service (§8).
    DataChoice {
        /// The service.
        service: ServiceType,
    },
    /// The hash algorithm is not accepted here.
    HashAlgorithm,
    /// The hash algorithm has parameters other than NULL.
    HashParameters,
    /// The digest has not the length of its algorithm's output.
    ImprintLength {
        /// What the algorithm gives, octets.
        expected: usize,
        /// What the request holds, octets.
        found: usize,
    },
    /// There is nothing to certify: no octets of a document, or no certificate.
    Empty,
    /// More certificates to validate than the service takes.
    TooManyTargets {
        /// The most.
        max: usize,
    },
    /// A target that the RFC does not permit in a request (§7.5).
    TargetKind,
    /// The nonce is too long.
    NonceLength {
        /// Its octets.
        octets: usize,
    },
    /// A critical extension; the RFC defines none.
    CriticalExtension,
    /// `dvcs` names other servers.
    OtherServer,
    /// Not exactly one signer.
    Signers,
    /// The signer's certificate is not in the message.
    NoSignerCertificate,
    /// Digest, signature or key of the signer are of no accepted kind.
    SignatureAlgorithm,
    /// The signature does not hold.
    Signature,
    /// `requester` is somebody else than the signer.
    Requester,
    /// Only signed requests are taken.
    NotSigned,
    /// The signer's certificate is none that is good here.
    SignerNotGood,
    /// A policy that is not answered under here.
    Policy,
    /// The moment that is asked about lies in the future.
    Time,
    /// requestTime is a token: whether that can be believed would be a question of its own.
    TimeForm,
    /// The service is not offered here.
    NotOffered {
        /// Which.
        service: ServiceType,
    },
    /// Too much waits, or the clock may assert no time.
    Unavailable,
}

impl Refusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotARequest => "dvcs.not_a_request",
            Self::TooLong { .. } => "dvcs.too_long",
            Self::Encrypted => "dvcs.encrypted",
            Self::Version => "dvcs.version",
            Self::UnknownService => "dvcs.unknown_service",
            Self::DataChoice { .. } => "dvcs.data_choice",
            Self::HashAlgorithm => "dvcs.hash_algorithm",
            Self::HashParameters => "dvcs.hash_parameters",
            Self::ImprintLength { .. } => "dvcs.imprint_length",
            Self::Empty => "dvcs.empty",
            Self::TooManyTargets { .. } => "dvcs.too_many_targets",
            Self::TargetKind => "dvcs.target_kind",
            Self::NonceLength { .. } => "dvcs.nonce_length",
            Self::CriticalExtension => "dvcs.critical_extension",
            Self::OtherServer => "dvcs.other_server",
            Self::Signers => "dvcs.signers",
            Self::NoSignerCertificate => "dvcs.no_signer_certificate",
            Self::SignatureAlgorithm => "dvcs.signature_algorithm",
            Self::Signature => "dvcs.signature",
            Self::Requester => "dvcs.requester",
            Self::NotSigned => "dvcs.not_signed",
            Self::SignerNotGood => "dvcs.signer_not_good",
            Self::Policy => "dvcs.policy",
            Self::Time => "dvcs.time",
            Self::TimeForm => "dvcs.time_form",
            Self::NotOffered { .. } => "dvcs.not_offered",
            Self::Unavailable => "dvcs.unavailable",
        }
    }

    /// How RFC 3029 names it.
    #[must_use]
    pub const fn fail_info(&self) -> FailInfo {
        match self {
            Self::NotARequest
            | Self::DataChoice { .. }
            | Self::HashParameters
            | Self::ImprintLength { .. }
            | Self::Empty
            | Self::TargetKind => FailInfo::BadDataFormat,
            Self::TooLong { .. }
            | Self::Encrypted
            | Self::Version
            | Self::UnknownService
            | Self::TooManyTargets { .. }
            | Self::NonceLength { .. }
            | Self::CriticalExtension
            | Self::NotSigned
            | Self::Policy
            | Self::NotOffered { .. }
            | Self::Unavailable
            | Self::Signers => FailInfo::BadRequest,
            Self::SignerNotGood => FailInfo::BadCertId,
            Self::Time | Self::TimeForm => FailInfo::BadTime,
            Self::HashAlgorithm | Self::SignatureAlgorithm => FailInfo::BadAlg,
            Self::OtherServer => FailInfo::WrongAuthority,
            Self::NoSignerCertificate => FailInfo::BadCertId,
            Self::Signature => FailInfo::BadMessageCheck,
            Self::Requester => FailInfo::IncorrectData,
        }
    }
}

/// The statusString: what the client may know.
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotARequest => f.write_str("The body is not a DVCSRequest, bare or signed, in DER."),
            Self::TooLong { bytes_max } => write!(f, "The request is longer than {bytes_max} octets."),
            Self::Encrypted => f.write_str("Encrypted requests are not taken; send it over HTTPS."),
            Self::Version => f.write_str("Only version 1 of DVCSRequest is supported."),
            Self::UnknownService => f.write_str("The service is unknown; there are cpd, vsd, vpkc and ccpd."),
            Self::DataChoice { service } => {
                let wanted = match service {
                    ServiceType::Ccpd => "messageImprint",
                    ServiceType::Cpd | ServiceType::Vsd => "message",
                    ServiceType::Vpkc => "certs",
                };
                write!(f, "The data of a request for {} must be {wanted}.", service.name())
            }
            Self::HashAlgorithm => f.write_str("The hash algorithm is not accepted here."),
            Self::HashParameters => f.write_str("The hash algorithm must have no parameters, or NULL."),
            Self::ImprintLength { expected, found } => {
                write!(f, "The digest has {found} octets; this hash algorithm gives {expected}.")
            }
            Self::Empty => f.write_str("The data is empty."),
            Self::TooManyTargets { max } => write!(f, "More than {max} certificates in one request."),
            Self::TargetKind => {
                f.write_str("A target must be a certificate, an ESSCertID, an OCSP CertID or an extension.")
            }
            Self::NonceLength { octets } => {
                write!(f, "The nonce has {octets} octets; at most {} are accepted.", super::types::NONCE_BYTES_MAX)
            }
            Self::CriticalExtension => f.write_str("The request has a critical extension, and none is known here."),
            Self::OtherServer => f.write_str("The request names other servers, not this one."),
            Self::Signers => f.write_str("A signed request must have exactly one signer."),
            Self::NoSignerCertificate => f.write_str("The signer's certificate is not in the request."),
            Self::SignatureAlgorithm => f.write_str("The request's digest, signature or key is of no accepted kind."),
            Self::Signature => f.write_str("The request's signature does not hold."),
            Self::Requester => f.write_str("The requester is not whom the signer's certificate names."),
            Self::NotSigned => {
                f.write_str("This is answered to registered parties only, or only where the request is signed.")
            }
            Self::SignerNotGood => {
                f.write_str("The signer's certificate is not one that this service issued, or not good now.")
            }
            Self::Policy => f.write_str("No answer is given under this policy."),
            Self::Time => f.write_str("The time that the request asks about lies in the future."),
            Self::TimeForm => f.write_str("The time that the request asks about must be a moment, not a token."),
            Self::NotOffered { service } => write!(f, "The service {} is not offered here.", service.name()),
            Self::Unavailable => f.write_str("The request cannot be answered now; try again."),
        }
    }
}

impl std::error::Error for Refusal {}

/// A request that is not taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// Its transactionIdentifier in DER, if that could be read.
    pub transaction: Option<Vec<u8>>,
}

impl Refused {
    /// The answer: an error notice.
    #[must_use]
    pub fn notice(&self) -> Vec<u8> {
        let status = StatusInfo::rejected(Some(self.refusal.fail_info()), &self.refusal.to_string());
        notice(&status, self.transaction.as_deref())
    }
}

/// An error notice, bare: a ContentInfo with a DVCSResponse in it. `transaction` is the request's transactionIdentifier in DER (§9.2).
///
/// The DVCSResponse lies in an OCTET STRING, as it does inside SignedData: BouncyCastle reads no other where it is a choice with a tag.
/// [`super::types::Response::bare`] reads both.
#[must_use]
pub fn notice(status: &StatusInfo, transaction: Option<&[u8]>) -> Vec<u8> {
    let status = der::tlv(der::SEQUENCE, &status.content());
    let note = der::tlv(der::CONTEXT_0, &[&status, transaction.unwrap_or_default()].concat());
    let content = der::tlv(der::CONTEXT_0, &der::tlv(der::OCTET_STRING, &note));
    der::sequence(&[&der::tlv(der::OID, &super::types::RESPONSE_DATA), &content])
}

#[cfg(any(test, feature = "test-util"))]
impl Refusal {
    /// One of each, for tests that must leave none out. A new variant does not compile until it is counted here.
    ///
    /// # Panics
    /// One is missing in the list.
    #[must_use]
    pub fn one_of_each() -> Vec<Self> {
        let place = |refusal: &Self| match refusal {
            Self::NotARequest => 0,
            Self::TooLong { .. } => 1,
            Self::Encrypted => 2,
            Self::Version => 3,
            Self::UnknownService => 4,
            Self::DataChoice { .. } => 5,
            Self::HashAlgorithm => 6,
            Self::HashParameters => 7,
            Self::ImprintLength { .. } => 8,
            Self::Empty => 9,
            Self::TooManyTargets { .. } => 10,
            Self::TargetKind => 11,
            Self::NonceLength { .. } => 12,
            Self::CriticalExtension => 13,
            Self::OtherServer => 14,
            Self::Signers => 15,
            Self::NoSignerCertificate => 16,
            Self::SignatureAlgorithm => 17,
            Self::Signature => 18,
            Self::Requester => 19,
            Self::NotSigned => 20,
            Self::SignerNotGood => 21,
            Self::Policy => 22,
            Self::Time => 23,
            Self::NotOffered { .. } => 24,
            Self::Unavailable => 25,
            Self::TimeForm => 26,
        };
        let all = vec![
            Self::NotARequest,
            Self::TooLong { bytes_max: 65_536 },
            Self::Encrypted,
            Self::Version,
            Self::UnknownService,
            Self::DataChoice { service: ServiceType::Vpkc },
            Self::HashAlgorithm,
            Self::HashParameters,
            Self::ImprintLength { expected: 32, found: 20 },
            Self::Empty,
            Self::TooManyTargets { max: 16 },
            Self::TargetKind,
            Self::NonceLength { octets: 129 },
            Self::CriticalExtension,
            Self::OtherServer,
            Self::Signers,
            Self::NoSignerCertificate,
            Self::SignatureAlgorithm,
            Self::Signature,
            Self::Requester,
            Self::NotSigned,
            Self::SignerNotGood,
            Self::Policy,
            Self::Time,
            Self::NotOffered { service: ServiceType::Vsd },
            Self::Unavailable,
            Self::TimeForm,
        ];
        assert_eq!(all.iter().map(place).collect::<Vec<_>>(), (0..27).collect::<Vec<_>>());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notary::dvcs::types::Response;

    /// Byte by byte, as `openssl asn1parse` reads it.
    #[test]
    fn a_notice_byte_by_byte() {
        let transaction = hex::decode("860474657374").unwrap();
        let refused = Refused { refusal: Refusal::Empty, transaction: Some(transaction) };
        let text = hex::encode("The data is empty.");
        let expected = [
            "3038",
            "060b2a864886f70d0109100108",
            "a029",
            "0427", // ContentInfo { id, [0] { OCTET STRING {
            "a025",
            "301d",
            "020102",
            "3014",
            "0c12",
            &text,
            "03020204",     // dvErrorNote [0] { transactionStatus
            "860474657374", // transactionIdentifier
        ];
        let expected = expected.concat();
        assert_eq!(hex::encode(refused.notice()), expected);
    }

    #[test]
    fn every_notice_reads_back() {
        for refusal in Refusal::one_of_each() {
            let notice = Refused { refusal: refusal.clone(), transaction: None }.notice();
            let info: rasn_cms::ContentInfo = crate::asn1::decode_strict(&notice).unwrap();
            let octets: rasn::types::OctetString = crate::asn1::decode_strict(info.content.as_bytes()).unwrap();
            let expected = Response::ErrorNote {
                status: StatusInfo::rejected(Some(refusal.fail_info()), &refusal.to_string()),
                transaction: None,
            };
            assert_eq!(Response::parse(&octets).as_ref(), Ok(&expected));
            assert_eq!(Response::bare(&notice).as_ref(), Some(&expected));
            // Without the octet string.
            let id = der::tlv(der::OID, &crate::notary::dvcs::types::RESPONSE_DATA);
            let plain = der::sequence(&[&id, &der::tlv(der::CONTEXT_0, &octets)]);
            assert_eq!(Response::bare(&plain), Some(expected));
            let other = der::sequence(&[&der::tlv(der::OID, &[0x2A]), &der::tlv(der::CONTEXT_0, &octets)]);
            assert_eq!(Response::bare(&other), None);
        }
    }
}
