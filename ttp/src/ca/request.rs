//! Certification requests (PKCS #10, RFC 2986) as read: a public key, and the proof that its owner has the private one.
//!
//! ```text
//! CertificationRequest     ::= SEQUENCE { info CertificationRequestInfo, AlgorithmIdentifier, signature BIT STRING }
//! CertificationRequestInfo ::= SEQUENCE { version INTEGER (0), subject Name, SubjectPublicKeyInfo, attributes [0] SET OF }
//! ```
//!
//! Names in a request are not believed: what a certificate says comes from the application, which an officer compares with the
//! evidence. The signature is verified over the received octets of `info`, never over an encoding of ours.

use rasn::prelude::*;
use rasn_pkix::SubjectPublicKeyInfo;

use super::key::{self, KeyFault};
use crate::asn1::{self, RawAlgorithm};
use crate::crypto::{KeyKind, SignError, Signer, verify_possession};
use crate::digest::Digest;

/// Longest request, octets: an RSA-8192 key, its signature and more attributes than anybody sends.
pub const REQUEST_BYTES_MAX: usize = 16 << 10;

#[derive(AsnType, Clone, Debug, Decode, Encode)]
struct Outer {
    info: Any,
    algorithm: RawAlgorithm,
    signature: BitString,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
struct Info {
    version: Integer,
    subject: Any,
    key: SubjectPublicKeyInfo,
    #[rasn(tag(0))]
    attributes: SetOf<Any>,
}

/// A request whose signature is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificationRequest {
    digest: Digest,
    spki_der: Vec<u8>,
    kind: KeyKind,
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// Longer than [`REQUEST_BYTES_MAX`].
    #[error("the certification request is longer than {REQUEST_BYTES_MAX} octets")]
    TooLong,
    /// Not the DER of one.
    #[error("not a certification request in DER (PKCS #10)")]
    Malformed,
    /// Its key.
    #[error("{0}")]
    Key(#[from] KeyFault),
    /// The signature is not by the key that it asks to certify, or by an algorithm that is not taken.
    #[error("the request is not signed by its own key with SHA-256, SHA-384 or SHA-512, so possession is not proven")]
    Possession,
}

impl CertificationRequest {
    /// Reads a request and verifies its proof of possession.
    ///
    /// # Errors
    /// [`RequestFault`].
    pub fn from_der(der: &[u8]) -> Result<Self, RequestFault> {
        if der.len() > REQUEST_BYTES_MAX {
            return Err(RequestFault::TooLong);
        }
        let outer: Outer = rasn::der::decode(der).map_err(|_| RequestFault::Malformed)?;
        let info: Info = rasn::der::decode(outer.info.as_bytes()).map_err(|_| RequestFault::Malformed)?;
        if info.version != Integer::ZERO || !outer.signature.len().is_multiple_of(8) {
            return Err(RequestFault::Malformed);
        }
        let kind = key::judge(&info.key)?;
        // The key stands in the certificate as it stands in the request: in its one spelling, or not at all.
        let spki_der = rasn::der::encode(&info.key).map_err(|_| RequestFault::Malformed)?;
        if !contains(outer.info.as_bytes(), &spki_der) {
            return Err(RequestFault::Malformed);
        }
        let algorithm = key::content(&outer.algorithm.algorithm);
        let signature = outer.signature.as_raw_slice();
        if !parameters_fit(&outer.algorithm, kind)
            || !verify_possession(kind, &spki_der, algorithm, outer.info.as_bytes(), signature)
        {
            return Err(RequestFault::Possession);
        }
        Ok(Self { digest: Digest::of(der), spki_der, kind })
    }

    /// Reads one as PEM (`CERTIFICATE REQUEST`, or with `NEW ` before it, as some clients write).
    ///
    /// # Errors
    /// [`RequestFault`].
    pub fn from_pem(text: &str) -> Result<Self, RequestFault> {
        if text.len() > 2 * REQUEST_BYTES_MAX {
            return Err(RequestFault::TooLong);
        }
        let mut found = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"]
            .into_iter()
            .flat_map(|label| asn1::pem::decode(label, text).unwrap_or_default());
        match (found.next(), found.next()) {
            (Some(der), None) => Self::from_der(&der),
            _ => Err(RequestFault::Malformed),
        }
    }

    /// SHA-256 of the request.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The key to be certified, SubjectPublicKeyInfo DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }
}

/// A request of our own, DER: for the key of `signer`, with nothing else in it.
///
/// # Errors
/// The key does not sign.
pub fn make_request(signer: &dyn Signer) -> Result<Vec<u8>, SignError> {
    const UNWRITTEN: SignError = SignError { reason: "the certification request cannot be written" };
    let info = Info {
        version: Integer::ZERO,
        subject: Any::new(vec![0x30, 0x00]),
        key: rasn::der::decode(signer.spki_der()).map_err(|_| UNWRITTEN)?,
        attributes: SetOf::new(),
    };
    let info = rasn::der::encode(&info).map_err(|_| UNWRITTEN)?;
    let signature = BitString::from_vec(signer.sign(&info)?);
    let algorithm = rasn::der::decode(signer.algorithm().identifier_der()).map_err(|_| UNWRITTEN)?;
    rasn::der::encode(&Outer { info: Any::new(info), algorithm, signature }).map_err(|_| UNWRITTEN)
}

fn contains(outer: &[u8], inner: &[u8]) -> bool {
    outer.windows(inner.len()).any(|window| window == inner)
}

/// NULL for RSA (RFC 4055 §5), absent for all others; some clients write NULL for ECDSA, which says nothing.
fn parameters_fit(algorithm: &RawAlgorithm, kind: KeyKind) -> bool {
    match &algorithm.parameters {
        None => kind != KeyKind::Rsa3072,
        Some(parameters) => parameters.as_bytes() == [0x05, 0x00] && (kind == KeyKind::Rsa3072 || key::is_ec(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::pem;
    use crate::crypto::{SignatureAlgorithm, SoftKey, oracle};

    #[test]
    fn requests_of_libcrypto_are_read() {
        for kind in [KeyKind::EcdsaP256, KeyKind::EcdsaP384, KeyKind::Rsa3072, KeyKind::Ed25519] {
            let (der, spki_der) = oracle::certification_request(kind);
            let expected = CertificationRequest { digest: Digest::of(&der), spki_der, kind };
            assert_eq!(CertificationRequest::from_der(&der), Ok(expected.clone()), "{kind:?}");
            let text = pem::encode("CERTIFICATE REQUEST", &der);
            assert_eq!(CertificationRequest::from_pem(&text), Ok(expected));
        }
    }

    #[test]
    fn ours_are_read_by_libcrypto_and_by_ourselves() {
        for algorithm in
            [SignatureAlgorithm::EcdsaP256Sha256, SignatureAlgorithm::RsaPkcs1Sha256, SignatureAlgorithm::Ed25519]
        {
            let key = SoftKey::generate(algorithm).unwrap();
            let der = make_request(&key).unwrap();
            assert_eq!(CertificationRequest::from_der(&der).unwrap().spki_der(), key.spki_der(), "{algorithm:?}");
            assert!(oracle::request_verifies(&der), "{algorithm:?}");
        }
    }

    #[test]
    fn possession_must_be_proven() {
        let (der, _) = oracle::certification_request(KeyKind::EcdsaP256);
        let (other, _) = oracle::certification_request(KeyKind::EcdsaP256);
        // Somebody else's signature under this request, and a changed subject.
        let outer: Outer = rasn::der::decode(&der).unwrap();
        let theirs: Outer = rasn::der::decode(&other).unwrap();
        let mixed = rasn::der::encode(&Outer { signature: theirs.signature, ..outer }).unwrap();
        assert_eq!(CertificationRequest::from_der(&mixed), Err(RequestFault::Possession));
        let at = der.windows(6).position(|window| window == b"Somebo").unwrap();
        let mut renamed = der.clone();
        renamed[at] = b'B';
        assert_eq!(CertificationRequest::from_der(&renamed), Err(RequestFault::Possession));
        let sha1 = oracle::request_signed_with_sha1();
        assert_eq!(CertificationRequest::from_der(&sha1), Err(RequestFault::Possession));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let (der, _) = oracle::certification_request(KeyKind::EcdsaP256);
        let malformed = Err(RequestFault::Malformed);
        assert_eq!(CertificationRequest::from_der(&[]), malformed);
        assert_eq!(CertificationRequest::from_der(&der[..der.len() - 1]), malformed);
        assert_eq!(CertificationRequest::from_der(&[&der[..], &[0]].concat()), malformed);
        assert_eq!(CertificationRequest::from_der(&[0x30; REQUEST_BYTES_MAX + 1]), Err(RequestFault::TooLong));
        assert_eq!(CertificationRequest::from_pem("no PEM"), malformed);
        let twice = pem::encode("CERTIFICATE REQUEST", &der).repeat(2);
        assert_eq!(CertificationRequest::from_pem(&twice), malformed);
        let mut version = der;
        let at = version.windows(3).position(|window| window == [2, 1, 0]).unwrap();
        version[at + 2] = 1;
        assert_eq!(CertificationRequest::from_der(&version), malformed);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            let _ = CertificationRequest::from_der(&bytes);
        }
    }
}
