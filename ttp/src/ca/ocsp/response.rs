//! OCSPResponse as others see it (RFC 6960 §4.2.1): the error statuses, and reading a response.

use std::fmt;

use rasn::prelude::*;
use rasn_ocsp::{CertStatus, OcspResponse, OcspResponseStatus, ResponderId};
use rasn_pkix::{CrlReason, Extensions};

use super::cert_id::CertId;
use super::request::Nonce;
use crate::asn1::{self, oid};
use crate::crypto::SignatureAlgorithm;
use crate::time::Timestamp;
use crate::x509::{Certificate, CertificateFault, encode};

/// Why there is no answer, in a response that nobody signs. The code 4 is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorStatus {
    /// The request does not follow the syntax.
    MalformedRequest = 1,
    /// The responder is in an inconsistent state.
    InternalError = 2,
    /// It cannot answer now.
    TryLater = 3,
    /// The request must be signed.
    SigRequired = 5,
    /// It does not answer for this issuer, or not to who asks.
    Unauthorized = 6,
}

impl ErrorStatus {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 5] =
        [Self::MalformedRequest, Self::InternalError, Self::TryLater, Self::SigRequired, Self::Unauthorized];

    /// As RFC 6960 names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformedRequest",
            Self::InternalError => "internalError",
            Self::TryLater => "tryLater",
            Self::SigRequired => "sigRequired",
            Self::Unauthorized => "unauthorized",
        }
    }

    /// The whole OCSPResponse: `SEQUENCE { ENUMERATED }`, without responseBytes.
    #[must_use]
    pub const fn der(self) -> [u8; 5] {
        [0x30, 3, 0x0A, 1, self as u8]
    }
}

impl fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A response that was read; nothing in it is verified yet.
#[derive(Clone, Debug)]
pub enum ReadResponse {
    /// No answer.
    Error(ErrorStatus),
    /// An answer.
    Basic(Box<BasicResponse>),
}

/// A BasicOCSPResponse.
#[derive(Clone, Debug)]
pub struct BasicResponse {
    /// What was signed: tbsResponseData in DER.
    pub tbs_der: Vec<u8>,
    /// Who says to have signed it.
    pub responder: ReadResponder,
    /// When.
    pub produced_at: Timestamp,
    /// The answers.
    pub singles: Vec<ReadSingle>,
    /// The nonce.
    pub nonce: Option<Nonce>,
    /// True if the responder says "revoked" of what was never issued, too (RFC 6960 §4.4.8).
    pub extended_revoke: bool,
    /// How it is signed; `None` for an algorithm that we do not verify.
    pub algorithm: Option<SignatureAlgorithm>,
    /// The signature over `tbs_der`.
    pub signature: Vec<u8>,
    /// The certificates that came with it.
    pub certificates: Vec<Certificate>,
}

/// responderID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadResponder {
    /// SHA-1 of the bits of its key.
    KeyHash([u8; 20]),
    /// Its subject, DER.
    Name(Vec<u8>),
}

/// The answer about one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSingle {
    /// Which.
    pub cert_id: CertId,
    /// Its status.
    pub status: ReadStatus,
    /// Since when this is known to be right.
    pub this_update: Timestamp,
    /// When something newer will be known; `None` says that something newer is known always.
    pub next_update: Option<Timestamp>,
}

/// certStatus, in all forms that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadStatus {
    /// Not revoked.
    Good,
    /// Revoked.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: Option<CrlReason>,
    },
    /// The responder does not say.
    Unknown,
}

/// Why bytes are no OCSP response that we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// Not the DER of an OCSPResponse with a BasicOCSPResponse, or DER that has another spelling.
    #[error("not a basic OCSP response in strict DER")]
    Malformed,
    /// An answer without a body, or an error with one.
    #[error("the response has a body exactly when it should not")]
    BodyPresence,
    /// Not version 1.
    #[error("the response is not of version 1")]
    Version,
    /// A time with a fraction of a second, before 1970 or after 9999.
    #[error("a time of the response is not in whole seconds from 1970 to 9999")]
    Time,
    /// The nonce is no OCTET STRING of 1 to 128 octets.
    #[error("the nonce of the response is not an OCTET STRING of 1 to 128 octets")]
    Nonce,
    /// An extension stands there twice.
    #[error("an extension of the response is doubled")]
    DoubledExtension,
    /// A critical extension that we do not understand.
    #[error("the response has a critical extension that is not understood")]
    CriticalExtension,
    /// A certificate in it does not read.
    #[error("a certificate of the response: {0}")]
    Certificate(#[from] CertificateFault),
}

/// What was signed is kept as received (`Any`), and so are CertIDs and certificates, which have readers of their own.
#[derive(AsnType, Decode, Encode)]
struct RawBasic {
    tbs: Any,
    signature_algorithm: Any,
    signature: BitString,
    #[rasn(tag(explicit(0)))]
    certs: Option<SequenceOf<Any>>,
}

#[derive(AsnType, Decode, Encode)]
struct RawData {
    #[rasn(tag(explicit(0)), default)]
    version: Integer,
    responder_id: ResponderId,
    produced_at: GeneralizedTime,
    responses: SequenceOf<RawSingle>,
    #[rasn(tag(explicit(1)))]
    extensions: Option<Extensions>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
struct RawSingle {
    cert_id: Any,
    status: CertStatus,
    this_update: GeneralizedTime,
    #[rasn(tag(explicit(0)))]
    next_update: Option<GeneralizedTime>,
    #[rasn(tag(explicit(1)))]
    extensions: Option<Extensions>,
}

/// Reads a response in strict DER.
///
/// # Errors
/// [`ReadFault`].
pub fn read(bytes: &[u8]) -> Result<ReadResponse, ReadFault> {
    let outer: OcspResponse = asn1::decode_strict(bytes).ok_or(ReadFault::Malformed)?;
    let error = match outer.status {
        OcspResponseStatus::Successful => None,
        OcspResponseStatus::MalformedRequest => Some(ErrorStatus::MalformedRequest),
        OcspResponseStatus::InternalError => Some(ErrorStatus::InternalError),
        OcspResponseStatus::TryLater => Some(ErrorStatus::TryLater),
        OcspResponseStatus::SigRequired => Some(ErrorStatus::SigRequired),
        OcspResponseStatus::Unauthorized => Some(ErrorStatus::Unauthorized),
    };
    match (error, outer.bytes) {
        (Some(error), None) => Ok(ReadResponse::Error(error)),
        (None, Some(body)) if *body.r#type == *oid::OCSP_BASIC => {
            basic(&body.response).map(|basic| ReadResponse::Basic(Box::new(basic)))
        }
        (None, Some(_)) => Err(ReadFault::Malformed),
        (Some(_), Some(_)) | (None, None) => Err(ReadFault::BodyPresence),
    }
}

fn basic(bytes: &[u8]) -> Result<BasicResponse, ReadFault> {
    let raw: RawBasic = asn1::decode_strict(bytes).ok_or(ReadFault::Malformed)?;
    let data: RawData = asn1::decode_strict(raw.tbs.as_bytes()).ok_or(ReadFault::Malformed)?;
    // A signature is a whole number of octets.
    if !raw.signature.len().is_multiple_of(8) {
        return Err(ReadFault::Malformed);
    }
    if data.version != Integer::from(0) {
        return Err(ReadFault::Version);
    }
    let responder = match &data.responder_id {
        ResponderId::ByKey(hash) => ReadResponder::KeyHash(hash[..].try_into().map_err(|_| ReadFault::Malformed)?),
        ResponderId::ByName(name) => ReadResponder::Name(encode(name)),
    };
    check_extensions(data.extensions.as_ref())?;
    let extension = |id: &Oid| data.extensions.as_ref()?.iter().find(|extension| *extension.extn_id == *id);
    let nonce = extension(oid::OCSP_NONCE).map(|nonce| Nonce::from_value(&nonce.extn_value).ok_or(ReadFault::Nonce));
    let certs = raw.certs.unwrap_or_default();
    Ok(BasicResponse {
        responder,
        produced_at: whole_secs(&data.produced_at)?,
        singles: data.responses.iter().map(single).collect::<Result<_, _>>()?,
        nonce: nonce.transpose()?,
        extended_revoke: extension(oid::OCSP_EXTENDED_REVOKE).is_some(),
        algorithm: SignatureAlgorithm::from_identifier_der(raw.signature_algorithm.as_bytes()),
        signature: raw.signature.as_raw_slice().to_vec(),
        certificates: certs.iter().map(|one| Certificate::from_der(one.as_bytes())).collect::<Result<_, _>>()?,
        tbs_der: raw.tbs.into_bytes(),
    })
}

fn single(raw: &RawSingle) -> Result<ReadSingle, ReadFault> {
    check_extensions(raw.extensions.as_ref())?;
    let status = match &raw.status {
        CertStatus::Good => ReadStatus::Good,
        CertStatus::Revoked(info) => {
            ReadStatus::Revoked { at: whole_secs(&info.revocation_time)?, reason: info.revocation_reason }
        }
        CertStatus::Unknown(()) => ReadStatus::Unknown,
    };
    Ok(ReadSingle {
        cert_id: CertId::from_der(raw.cert_id.as_bytes()).ok_or(ReadFault::Malformed)?,
        status,
        this_update: whole_secs(&raw.this_update)?,
        next_update: raw.next_update.as_ref().map(whole_secs).transpose()?,
    })
}

/// What is not understood is ignored unless it is critical (RFC 6960 §4.4).
fn check_extensions(extensions: Option<&Extensions>) -> Result<(), ReadFault> {
    let list = extensions.map_or(&[][..], |list| list.as_slice());
    for (i, extension) in list.iter().enumerate() {
        if list[..i].iter().any(|earlier| earlier.extn_id == extension.extn_id) {
            return Err(ReadFault::DoubledExtension);
        }
        let id = &*extension.extn_id;
        if extension.critical && *id != *oid::OCSP_NONCE && *id != *oid::OCSP_EXTENDED_REVOKE {
            return Err(ReadFault::CriticalExtension);
        }
    }
    Ok(())
}

fn whole_secs(time: &GeneralizedTime) -> Result<Timestamp, ReadFault> {
    let whole = time.timestamp_subsec_nanos() == 0;
    Timestamp::from_chrono(time).filter(|_| whole).ok_or(ReadFault::Time)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::super::{HashAlgorithm, Responder, Single, Status};
    use super::*;
    use crate::asn1::der;
    use crate::ca::crl::Reason;
    use crate::crypto::{PublicKey, Signer, Verifier, oracle};
    use crate::testing::{GEN_TIME, OCSP, PKI};

    #[test]
    fn error_statuses_byte_by_byte() {
        let table = [
            (ErrorStatus::MalformedRequest, "30030a0101"),
            (ErrorStatus::InternalError, "30030a0102"),
            (ErrorStatus::TryLater, "30030a0103"),
            (ErrorStatus::SigRequired, "30030a0105"),
            (ErrorStatus::Unauthorized, "30030a0106"),
        ];
        assert_eq!(table.map(|(status, _)| status), ErrorStatus::ALL);
        for (status, expected) in table {
            assert_eq!(hex::encode(status.der()), expected);
            assert!(matches!(read(&status.der()), Ok(ReadResponse::Error(found)) if found == status), "{status}");
            assert_eq!(oracle::ocsp_status(&status.der()), Some(status as i32));
        }
    }

    fn signed(responder: &Responder, singles: &[Single<'_>], nonce: Option<&Nonce>) -> Vec<u8> {
        let unsigned = responder.prepare(singles, GEN_TIME.plus_secs(1), nonce);
        unsigned.finish(&OCSP.0.sign(unsigned.message()).unwrap())
    }

    fn responder() -> Responder {
        Responder::new(&PKI.ca, Some(&OCSP.1), OCSP.0.algorithm()).unwrap()
    }

    static RESPONSE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let responder = responder();
        let cert_id = &responder.issuer().cert_id(HashAlgorithm::Sha1, &[5]).unwrap();
        let single = Single { cert_id, status: Status::NotIssued, this_update: GEN_TIME, next_update: GEN_TIME };
        signed(&responder, &[single], Nonce::new(&[1; 16]).as_ref())
    });

    fn read_basic(der: &[u8]) -> BasicResponse {
        match read(der) {
            Ok(ReadResponse::Basic(basic)) => *basic,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_built_is_read() {
        let responder = responder();
        let [sha1, sha256] = [HashAlgorithm::Sha1, HashAlgorithm::Sha256]
            .map(|hash| responder.issuer().cert_id(hash, &[0x45; 16]).unwrap());
        let (this_update, next_update) = (GEN_TIME, GEN_TIME.plus_secs(3600));
        let revoked_at = GEN_TIME.whole_secs();
        let revoked = |at, reason| ReadStatus::Revoked { at, reason };
        let table = [
            (&sha1, Status::Good, ReadStatus::Good),
            (&sha256, Status::Unknown, ReadStatus::Unknown),
            (&sha1, Status::NotIssued, revoked(Timestamp::from_secs(0), Some(CrlReason::CertificateHold))),
            (&sha256, Status::Revoked { at: GEN_TIME, reason: Reason::Unspecified }, revoked(revoked_at, None)),
            (
                &sha1,
                Status::Revoked { at: GEN_TIME, reason: Reason::PrivilegeWithdrawn },
                revoked(revoked_at, Some(CrlReason::PrivilegeWithdrawn)),
            ),
        ];
        let singles = table.map(|(cert_id, status, _)| Single { cert_id, status, this_update, next_update });
        let nonce = Nonce::new(&[9; 32]).unwrap();
        let found = read_basic(&signed(&responder, &singles, Some(&nonce)));
        let expected = table.map(|(cert_id, _, status)| ReadSingle {
            cert_id: cert_id.clone(),
            status,
            this_update: this_update.whole_secs(),
            next_update: Some(next_update.whole_secs()),
        });
        assert_eq!(found.singles, expected);
        assert_eq!(found.produced_at, GEN_TIME.plus_secs(1).whole_secs());
        assert_eq!((found.nonce, found.extended_revoke), (Some(nonce), true));
        let key_id = OCSP.1.subject_key_identifier().unwrap();
        assert_eq!(found.responder, ReadResponder::KeyHash(key_id[..].try_into().unwrap()));
        assert_eq!(found.certificates.iter().map(Certificate::der).collect::<Vec<_>>(), [OCSP.1.der()]);
        assert_eq!(found.algorithm, Some(OCSP.0.algorithm()));
        let key = PublicKey::from_spki_der(OCSP.0.spki_der()).unwrap();
        assert!(key.verify(&found.tbs_der, &found.signature));

        let found = read_basic(&signed(&responder, &singles[..1], None));
        assert_eq!((found.nonce, found.extended_revoke, found.singles.len()), (None, false, 1));
    }

    /// A response with this tbsResponseData, unsigned; what follows id-pkix-ocsp-basic is free.
    fn around(tbs: &[u8], kind: &Oid, bits: &[u8]) -> Vec<u8> {
        let algorithm = OCSP.0.algorithm().identifier_der();
        let basic = der::sequence(&[tbs, algorithm, &der::tlv(der::BIT_STRING, bits)]);
        let bytes = der::sequence(&[&encode(&ObjectIdentifier::from(kind)), &der::tlv(der::OCTET_STRING, &basic)]);
        der::sequence(&[&[0x0A, 1, 0], &der::tlv(der::CONTEXT_0, &bytes)])
    }

    #[test]
    fn what_is_no_response_is_named() {
        let id = responder().issuer().cert_id(HashAlgorithm::Sha1, &[5]).unwrap();
        let hex_id = hex::encode(id.der());
        let time = |text: &str| hex::encode(der::tlv(der::GENERALIZED_TIME, text.as_bytes()));
        let good = time("20260301120000Z");
        let key_hash = format!("a2160414{}", "11".repeat(20));
        let sequence = |hex: &str| hex::encode(der::tlv(der::SEQUENCE, &hex::decode(hex).unwrap()));
        let extension = |critical: &str, arc: &str, value: &str| {
            let value = hex::encode(der::tlv(der::OCTET_STRING, &hex::decode(value).unwrap()));
            sequence(&format!("06092b06010505073001{arc}{critical}{value}"))
        };
        let tagged = |tag: u8, hex: &str| hex::encode(der::tlv(tag, &hex::decode(sequence(hex)).unwrap()));
        let single = |rest: &str| sequence(&format!("{hex_id}8000{rest}"));
        let tbs = |head: &str, produced: &str, rest: &str, extensions: &str| {
            hex::decode(sequence(&format!("{head}{produced}{}{extensions}", sequence(&single(rest))))).unwrap()
        };
        let plain = tbs(&key_hash, &good, &good, "");
        let nonce = extension("", "02", "040107");
        let unknown = extension("0101ff", "06", "0500");
        let name = format!("a1{:02x}{}", encode(PKI.ca.subject()).len(), hex::encode(encode(PKI.ca.subject())));
        let table = [
            ("smallest", plain.clone(), None),
            ("by name", tbs(&name, &good, &good, ""), None),
            ("nonce", tbs(&key_hash, &good, &good, &tagged(0xA1, &nonce)), None),
            (
                "version written out",
                tbs(&format!("a003020100{key_hash}"), &good, &good, ""),
                Some(ReadFault::Malformed),
            ),
            ("version 2", tbs(&format!("a003020101{key_hash}"), &good, &good, ""), Some(ReadFault::Version)),
            ("short key hash", tbs("a206040411111111", &good, &good, ""), Some(ReadFault::Malformed)),
            ("fraction", tbs(&key_hash, &time("20260301120000.5Z"), &good, ""), Some(ReadFault::Time)),
            ("fraction inside", tbs(&key_hash, &good, &time("20260301120000.5Z"), ""), Some(ReadFault::Time)),
            ("before 1970", tbs(&key_hash, &time("19691231235959Z"), &good, ""), Some(ReadFault::Time)),
            ("no zone", tbs(&key_hash, &time("20260301120000"), &good, ""), Some(ReadFault::Malformed)),
            (
                "empty nonce",
                tbs(&key_hash, &good, &good, &tagged(0xA1, &extension("", "02", "0400"))),
                Some(ReadFault::Nonce),
            ),
            (
                "two nonces",
                tbs(&key_hash, &good, &good, &tagged(0xA1, &nonce.repeat(2))),
                Some(ReadFault::DoubledExtension),
            ),
            (
                "unknown critical",
                tbs(&key_hash, &good, &good, &tagged(0xA1, &unknown)),
                Some(ReadFault::CriticalExtension),
            ),
            (
                "unknown critical inside",
                tbs(&key_hash, &good, &format!("{good}{}", tagged(0xA1, &unknown)), ""),
                Some(ReadFault::CriticalExtension),
            ),
        ];
        for (what, tbs, expected) in table {
            let der = around(&tbs, oid::OCSP_BASIC, &[0, 1, 2]);
            assert_eq!(read(&der).err(), expected, "{what}");
            assert_eq!(read(&[&der[..], &[0]].concat()).err(), Some(ReadFault::Malformed), "{what}");
        }
        for (what, der, fault) in [
            ("another type", around(&plain, oid::OCSP_NONCE, &[0, 1]), ReadFault::Malformed),
            ("half an octet of signature", around(&plain, oid::OCSP_BASIC, &[4, 0x10]), ReadFault::Malformed),
            ("no body", vec![0x30, 3, 0x0A, 1, 0], ReadFault::BodyPresence),
            ("status 4", vec![0x30, 3, 0x0A, 1, 4], ReadFault::Malformed),
            ("status 7", vec![0x30, 3, 0x0A, 1, 7], ReadFault::Malformed),
            ("empty", vec![], ReadFault::Malformed),
            (
                "an error with a body",
                {
                    let mut der = around(&plain, oid::OCSP_BASIC, &[0, 1]);
                    let at = der.windows(3).position(|window| window == [0x0A, 1, 0]).unwrap();
                    der[at + 2] = 6;
                    der
                },
                ReadFault::BodyPresence,
            ),
        ] {
            assert_eq!(read(&der).err(), Some(fault), "{what}");
        }
    }

    proptest! {
        #[test]
        fn read_never_panics(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }

        #[test]
        fn mutated_responses_never_panic(at in 0..2000_usize, byte: u8, cut in 0..2000_usize) {
            let mut der = RESPONSE.clone();
            let at = at % der.len();
            der[at] = byte;
            let _ = read(&der);
            let _ = read(&der[..cut.min(der.len())]);
        }
    }
}
