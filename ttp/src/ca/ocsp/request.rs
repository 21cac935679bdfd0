//! OCSPRequest (RFC 6960 §4.1.1), as anyone may post it.
//!
//! ```text
//! OCSPRequest ::= SEQUENCE { tbsRequest, optionalSignature [0] EXPLICIT? }
//! TBSRequest  ::= SEQUENCE { version [0] EXPLICIT INTEGER DEFAULT v1(0), requestorName [1] EXPLICIT GeneralName?,
//!                            requestList SEQUENCE OF Request, requestExtensions [2] EXPLICIT? }
//! Request     ::= SEQUENCE { reqCert CertID, singleRequestExtensions [0] EXPLICIT? }
//! ```
//!
//! DER only, because a response repeats bytes of the request inside what is signed; one thing more is read, a DEFAULT
//! that is written out (version v1, critical FALSE), since libraries write it and nothing of it is repeated. What is
//! ignored (the requestor's name and signature, values of extensions that we do not heed) is not looked into.
//!
//! Extensions (§4.4): the nonce is repeated. acceptableResponses needs no heed, even without id-pkix-ocsp-basic, because
//! every client must process a basic response (§4.4.3); preferredSignatureAlgorithms neither, because a responder with one
//! key has no choice, and §4.4.7.2 leaves it the choice. All others are ignored unless they are critical; a request with
//! one that is critical and not understood cannot be answered as it asks (§4.4), and is malformed to us.

use super::cert_id::CertId;
use super::{ACCEPTABLE_RESPONSES, ID_PKIX_OCSP, NONCE, PREFERRED_SIGNATURE_ALGORITHMS};
use crate::asn1::der;
use crate::asn1::read::{Reader, Value, is_integer, is_oid};

/// The longest request, octets: the size of body that the service takes. It also keeps every response far below the 16
/// MiB that [`der::put_head`] can write.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// The most certificates that one request may ask about. Clients of the lightweight profile ask about one (RFC 9919 §3.1),
/// others about a chain; each costs a look-up, and a response has one signature for all.
pub const SINGLE_REQUESTS_MAX: usize = 16;

/// The longest nonce, octets (RFC 9654 §2.1).
pub const NONCE_BYTES_MAX: usize = 128;

/// Context tags, constructed.
const CONTEXT_1: u8 = 0xA1;
const CONTEXT_2: u8 = 0xA2;
const BOOLEAN: u8 = 0x01;

/// A request that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspRequest {
    cert_ids: Vec<CertId>,
    nonce: Option<Nonce>,
}

/// Why a request is answered with malformedRequest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Longer than [`REQUEST_BYTES_MAX`].
    #[error("the request has {octets} octets, more than {REQUEST_BYTES_MAX}")]
    TooLong {
        /// How many it has.
        octets: usize,
    },
    /// Not the DER of an OCSPRequest.
    #[error("not an OCSPRequest in DER")]
    NotARequest,
    /// Not version 1.
    #[error("the request is not of version 1")]
    Version,
    /// It asks about no certificate.
    #[error("the request asks about no certificate")]
    NoCertificate,
    /// It asks about more than [`SINGLE_REQUESTS_MAX`].
    #[error("the request asks about more than {SINGLE_REQUESTS_MAX} certificates")]
    TooManyCertificates,
    /// The nonce is no OCTET STRING of 1 to [`NONCE_BYTES_MAX`] octets, or there are two.
    #[error("the nonce is not one OCTET STRING of 1 to {NONCE_BYTES_MAX} octets")]
    Nonce,
    /// A critical extension that we do not understand.
    #[error("the request has a critical extension that is not understood")]
    CriticalExtension,
}

impl OcspRequest {
    /// Reads a request. A signature of the requestor is tolerated and ignored: nobody is asked for one (sigRequired).
    ///
    /// # Errors
    /// [`Malformed`], the first in the order of the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(Malformed::TooLong { octets: bytes.len() });
        }
        let mut outer = Reader::new(bytes);
        let mut request = Reader::new(take(&mut outer, der::SEQUENCE)?.content);
        let mut tbs = Reader::new(take(&mut request, der::SEQUENCE)?.content);
        if let Some(version) = tbs.take(der::CONTEXT_0) {
            check_version(version.content)?;
        }
        tbs.take(CONTEXT_1);
        let cert_ids = cert_ids(take(&mut tbs, der::SEQUENCE)?.content)?;
        let nonce = match tbs.take(CONTEXT_2) {
            Some(list) => request_extensions(list.content)?,
            None => None,
        };
        // optionalSignature
        request.take(der::CONTEXT_0);
        for reader in [outer, request, tbs] {
            end(reader)?;
        }
        Ok(Self { cert_ids, nonce })
    }

    /// A question of this process itself.
    #[must_use]
    pub fn about(cert_id: CertId) -> Self {
        Self { cert_ids: vec![cert_id], nonce: None }
    }

    /// Which certificates it asks about, in its order: 1 to [`SINGLE_REQUESTS_MAX`].
    #[must_use]
    pub fn cert_ids(&self) -> &[CertId] {
        &self.cert_ids
    }

    /// The nonce, which the response repeats.
    #[must_use]
    pub const fn nonce(&self) -> Option<&Nonce> {
        self.nonce.as_ref()
    }
}

/// The value of the nonce extension (RFC 9654 §2.1): the DER of an OCTET STRING of 1 to [`NONCE_BYTES_MAX`] octets, which
/// the extension carries inside its own OCTET STRING.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(Vec<u8>);

impl Nonce {
    /// From the value of the extension; `None` unless it is as said above.
    #[must_use]
    pub fn from_value(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        let content = reader.take(der::OCTET_STRING)?.content;
        let good = reader.is_at_end() && (1..=NONCE_BYTES_MAX).contains(&content.len());
        good.then(|| Self(value.to_vec()))
    }

    /// From the octets that a client drew; `None` unless there are 1 to [`NONCE_BYTES_MAX`].
    #[must_use]
    pub fn new(octets: &[u8]) -> Option<Self> {
        Self::from_value(&der::tlv(der::OCTET_STRING, octets))
    }

    /// The value of the extension.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.0
    }
}

fn check_version(content: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(content);
    let number = take(&mut reader, der::INTEGER)?.content;
    end(reader)?;
    match number {
        // v1
        [0] => Ok(()),
        _ if is_integer(number) => Err(Malformed::Version),
        _ => Err(Malformed::NotARequest),
    }
}

fn cert_ids(list: &[u8]) -> Result<Vec<CertId>, Malformed> {
    let mut list = Reader::new(list);
    if list.is_at_end() {
        return Err(Malformed::NoCertificate);
    }
    // Nearly every request asks about one.
    let mut ids = Vec::with_capacity(1);
    while !list.is_at_end() {
        if ids.len() == SINGLE_REQUESTS_MAX {
            return Err(Malformed::TooManyCertificates);
        }
        let mut single = Reader::new(take(&mut list, der::SEQUENCE)?.content);
        let id = take(&mut single, der::SEQUENCE)?.der;
        ids.push(CertId::from_der(id).ok_or(Malformed::NotARequest)?);
        if let Some(extensions) = single.take(der::CONTEXT_0) {
            // None is understood; serviceLocator (§4.4.6) asks to pass the request on, which we do for nobody.
            each_extension(extensions.content, |extension| refuse_critical(&extension))?;
        }
        end(single)?;
    }
    Ok(ids)
}

fn request_extensions(list: &[u8]) -> Result<Option<Nonce>, Malformed> {
    let mut nonce = None;
    each_extension(list, |extension| match extension.oid.strip_prefix(&ID_PKIX_OCSP) {
        Some([NONCE]) if nonce.is_some() => Err(Malformed::Nonce),
        Some([NONCE]) => {
            nonce = Some(Nonce::from_value(extension.value).ok_or(Malformed::Nonce)?);
            Ok(())
        }
        Some([ACCEPTABLE_RESPONSES | PREFERRED_SIGNATURE_ALGORITHMS]) => Ok(()),
        _ => refuse_critical(&extension),
    })?;
    Ok(nonce)
}

struct Extension<'a> {
    oid: &'a [u8],
    critical: bool,
    value: &'a [u8],
}

/// Reads `Extensions ::= SEQUENCE SIZE (1..MAX) OF SEQUENCE { OID, critical BOOLEAN DEFAULT FALSE, OCTET STRING }`.
fn each_extension(
    explicit: &[u8],
    mut heed: impl FnMut(Extension<'_>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut outer = Reader::new(explicit);
    let mut list = Reader::new(take(&mut outer, der::SEQUENCE)?.content);
    end(outer)?;
    if list.is_at_end() {
        return Err(Malformed::NotARequest);
    }
    while !list.is_at_end() {
        let mut fields = Reader::new(take(&mut list, der::SEQUENCE)?.content);
        let oid = take(&mut fields, der::OID)?.content;
        let critical = match fields.take(BOOLEAN).map(|boolean| boolean.content) {
            None | Some([0x00]) => false,
            Some([0xFF]) => true,
            Some(_) => return Err(Malformed::NotARequest),
        };
        let value = take(&mut fields, der::OCTET_STRING)?.content;
        end(fields)?;
        if !is_oid(oid) {
            return Err(Malformed::NotARequest);
        }
        heed(Extension { oid, critical, value })?;
    }
    Ok(())
}

fn refuse_critical(extension: &Extension<'_>) -> Result<(), Malformed> {
    if extension.critical { Err(Malformed::CriticalExtension) } else { Ok(()) }
}

fn take<'a>(reader: &mut Reader<'a>, tag: u8) -> Result<Value<'a>, Malformed> {
    reader.take(tag).ok_or(Malformed::NotARequest)
}

fn end(reader: Reader<'_>) -> Result<(), Malformed> {
    if reader.is_at_end() { Ok(()) } else { Err(Malformed::NotARequest) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::HashAlgorithm;
    use super::super::cert_id::IssuerHashes;
    use super::*;
    use crate::asn1::decode_strict;
    use crate::crypto::oracle;
    use crate::testing::{self, PKI};

    fn id(serial: u8) -> CertId {
        IssuerHashes::of(&PKI.ca).cert_id(HashAlgorithm::Sha1, &[serial]).unwrap()
    }

    /// `SEQUENCE { CertID, … }`.
    fn single(serial: u8, rest: &str) -> Vec<u8> {
        der::sequence(&[id(serial).der(), &hex::decode(rest).unwrap()])
    }

    /// The parts of tbsRequest around its list, then what follows tbsRequest.
    fn request(before: &str, singles: &[Vec<u8>], extensions: &[Vec<u8>], after: &str) -> Vec<u8> {
        let list = der::sequence(&singles.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let extensions = match extensions {
            [] => vec![],
            _ => der::tlv(CONTEXT_2, &der::sequence(&extensions.iter().map(Vec::as_slice).collect::<Vec<_>>())),
        };
        let tbs = der::sequence(&[&hex::decode(before).unwrap(), &list, &extensions]);
        der::sequence(&[&tbs, &hex::decode(after).unwrap()])
    }

    /// id-pkix-ocsp with this arc, whether critical is written, the value.
    fn extension(arc: u8, critical: &str, value: &[u8]) -> Vec<u8> {
        let oid = der::tlv(der::OID, &[&ID_PKIX_OCSP[..], &[arc]].concat());
        der::sequence(&[&oid, &hex::decode(critical).unwrap(), &der::tlv(der::OCTET_STRING, value)])
    }

    fn nonce(octets: usize) -> Vec<u8> {
        extension(NONCE, "", &der::tlv(der::OCTET_STRING, &vec![0x5A; octets]))
    }

    #[test]
    fn decision_table() {
        let one = [single(1, "")];
        let critical = extension(7, "0101ff", b"");
        let single_extension = |critical: &str| {
            single(1, &hex::encode(der::tlv(der::CONTEXT_0, &der::sequence(&[&extension(7, critical, b"")]))))
        };
        let with = |extensions: &[Vec<u8>]| request("", &one, extensions, "");
        let plain = Ok((1, None));
        let with_nonce = |octets| Ok((1, Nonce::new(&vec![0x5A; octets])));
        let bad = |fault| Err::<(usize, Option<Nonce>), _>(fault);
        let many = |count| (1..=count).map(|serial| single(serial, "")).collect::<Vec<_>>();
        let mut long_form = with(&[]);
        long_form.splice(1..2, [0x81, with(&[])[1]]);
        let mut indefinite = with(&[]);
        indefinite[1] = 0x80;
        let table = [
            ("smallest", with(&[]), plain.clone()),
            ("version written out", request("a003020100", &one, &[], ""), plain.clone()),
            ("version 2", request("a003020101", &one, &[], ""), bad(Malformed::Version)),
            ("version −1", request("a0030201ff", &one, &[], ""), bad(Malformed::Version)),
            ("version in two octets", request("a00402020000", &one, &[], ""), bad(Malformed::NotARequest)),
            ("version of no octets", request("a0020200", &one, &[], ""), bad(Malformed::NotARequest)),
            ("version twice", request("a006020100020100", &one, &[], ""), bad(Malformed::NotARequest)),
            ("requestorName", request("a106a40430020500", &one, &[], ""), plain.clone()),
            ("version behind the name", request("a102a400a003020100", &one, &[], ""), bad(Malformed::NotARequest)),
            ("signed", request("", &one, &[], "a0023000"), plain.clone()),
            ("signed twice", request("", &one, &[], "a0023000a0023000"), bad(Malformed::NotARequest)),
            ("no list", der::sequence(&[&der::sequence(&[])]), bad(Malformed::NotARequest)),
            ("nothing asked", request("", &[], &[], ""), bad(Malformed::NoCertificate)),
            ("as many as may be", request("", &many(16), &[], ""), Ok((16, None))),
            ("one too many", request("", &many(17), &[], ""), bad(Malformed::TooManyCertificates)),
            ("no CertID", request("", &[vec![0x30, 0]], &[], ""), bad(Malformed::NotARequest)),
            ("behind a CertID", request("", &[single(1, "0500")], &[], ""), bad(Malformed::NotARequest)),
            ("single extension", request("", &[single_extension("")], &[], ""), plain.clone()),
            (
                "critical single extension",
                request("", &[single_extension("0101ff")], &[], ""),
                bad(Malformed::CriticalExtension),
            ),
            ("nonce of one", with(&[nonce(1)]), with_nonce(1)),
            ("nonce of 128", with(&[nonce(128)]), with_nonce(128)),
            ("empty nonce", with(&[nonce(0)]), bad(Malformed::Nonce)),
            ("nonce of 129", with(&[nonce(129)]), bad(Malformed::Nonce)),
            ("bare nonce", with(&[extension(NONCE, "", &[0x5A; 16])]), bad(Malformed::Nonce)),
            ("octets behind the nonce", with(&[extension(NONCE, "", &[4, 1, 7, 0])]), bad(Malformed::Nonce)),
            ("two nonces", with(&[nonce(1), nonce(1)]), bad(Malformed::Nonce)),
            ("critical nonce", with(&[extension(NONCE, "0101ff", &[4, 1, 0x5A])]), with_nonce(1)),
            ("FALSE written out", with(&[extension(NONCE, "010100", &[4, 1, 0x5A])]), with_nonce(1)),
            ("TRUE as 1", with(&[extension(NONCE, "010101", &[4, 1, 0x5A])]), bad(Malformed::NotARequest)),
            // Without id-pkix-ocsp-basic, and critical: every client must process a basic response.
            ("acceptableResponses", with(&[extension(4, "0101ff", &[0x30, 3, 6, 1, 0x2A])]), plain.clone()),
            ("preferred algorithms", with(&[extension(8, "0101ff", &[0x30, 0])]), plain.clone()),
            ("unknown extension", with(&[extension(7, "", b""), nonce(2)]), with_nonce(2)),
            ("unknown critical", with(&[critical.clone(), nonce(2)]), bad(Malformed::CriticalExtension)),
            (
                "empty extensions",
                {
                    let tbs = der::sequence(&[&der::sequence(&[&one[0]]), &[0xA2, 2, 0x30, 0]]);
                    der::sequence(&[&tbs])
                },
                bad(Malformed::NotARequest),
            ),
            ("empty body", vec![], bad(Malformed::NotARequest)),
            ("BER, long form", long_form, bad(Malformed::NotARequest)),
            ("BER, indefinite length", [&indefinite[..], &[0, 0]].concat(), bad(Malformed::NotARequest)),
        ];
        for (what, bytes, expected) in table {
            let found = OcspRequest::parse(&bytes).map(|r| (r.cert_ids().len(), r.nonce().cloned()));
            assert_eq!(found, expected, "{what}");
            let trailing = OcspRequest::parse(&[&bytes[..], &[0]].concat());
            assert!(trailing.is_err() && (found.is_err() || trailing == Err(Malformed::NotARequest)), "{what}");
        }
        let long = REQUEST_BYTES_MAX + 1;
        assert_eq!(OcspRequest::parse(&vec![0x30; long]), Err(Malformed::TooLong { octets: long }));
    }

    #[test]
    fn order_and_bytes_are_kept() {
        let found = OcspRequest::parse(&request("", &[single(3, ""), single(2, "")], &[nonce(4)], "")).unwrap();
        assert_eq!(found.cert_ids(), [id(3), id(2)]);
        assert_eq!(found.nonce().unwrap().value(), [4, 4, 0x5A, 0x5A, 0x5A, 0x5A]);
    }

    /// libcrypto's requests are read, and name the issuer that they mean.
    #[test]
    fn strangers_requests() {
        let units = [testing::ec(), testing::rsa()].map(|unit| unit.tsu.certificate());
        for sha256 in [false, true] {
            let bytes = oracle::ocsp_request(&units.map(|unit| unit.der()), PKI.ca.der(), sha256);
            let found = OcspRequest::parse(&bytes).unwrap();
            assert_eq!(found.nonce(), None);
            assert_eq!(found.cert_ids().len(), 2);
            for (asked, unit) in found.cert_ids().iter().zip(units) {
                assert!(IssuerHashes::of(&PKI.ca).matches(asked) && !IssuerHashes::of(&PKI.root).matches(asked));
                assert_eq!(asked.serial(), unit.serial());
                // What we would write beforehand is what they ask.
                let hash = if sha256 { HashAlgorithm::Sha256 } else { HashAlgorithm::Sha1 };
                assert_eq!(IssuerHashes::of(&PKI.ca).cert_id(hash, &unit.serial()).as_ref(), Some(asked));
            }
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = OcspRequest::parse(&bytes);
        }

        /// Beside rasn's own type: whatever is read here it reads, too; and what it reads and writes again unchanged is
        /// read here, but for what is refused on purpose.
        #[test]
        fn rasn_agrees(at in 0..200_usize, byte: u8, cut in 0..400_usize) {
            let good = request("", &[single(1, ""), single(2, "")], &[nonce(8), extension(7, "", b"x")], "");
            let mut bytes = good.clone();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = OcspRequest::parse(&bytes[..cut.min(bytes.len())]);
            let ours = OcspRequest::parse(&bytes);
            if ours.is_ok() {
                prop_assert!(rasn::der::decode::<rasn_ocsp::OcspRequest>(&bytes).is_ok());
            }
            if let Some(theirs) = decode_strict::<rasn_ocsp::OcspRequest>(&bytes) {
                let parameters = theirs.tbs_request.request_list.iter().all(|single| {
                    let parameters = single.req_cert.hash_algorithm.parameters.as_ref();
                    parameters.is_none_or(|any| any.as_bytes() == [0x05, 0x00])
                });
                prop_assert!(!parameters || ours != Err(Malformed::NotARequest), "{}", hex::encode(&bytes));
            }
        }
    }
}
