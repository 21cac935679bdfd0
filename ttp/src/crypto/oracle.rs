//! libcrypto as a stranger that judges our output, for the tests of other folders, which do not name openssl.

use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::ocsp::{OcspCertId, OcspFlag, OcspRequest, OcspResponse, OcspResponseStatus};
use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::stack::Stack;
use openssl::x509::{CrlStatus, X509, X509Crl, X509NameBuilder, X509Req};

use super::chain::store_for;
use super::{KeyKind, Purpose};
use crate::time::Timestamp;

/// How many entries a list has, whether it has a nextUpdate, and whether it revokes `certificate`.
pub(crate) fn read_crl(crl: &[u8], certificate: &[u8]) -> (usize, bool, bool) {
    let crl = X509Crl::from_der(crl).unwrap();
    let certificate = X509::from_der(certificate).unwrap();
    let revoked = matches!(crl.get_by_cert(&certificate), CrlStatus::Revoked(_));
    (crl.get_revoked().map_or(0, |r| r.len()), crl.next_update().is_some(), revoked)
}

/// Certificate, SubjectPublicKeyInfo and number of chain certificates of a `.p12`; `None` if it does not open.
pub(crate) fn open_pkcs12(p12: &[u8], passphrase: &str) -> Option<(Vec<u8>, Vec<u8>, usize)> {
    let ParsedPkcs12_2 { pkey, cert, ca } = Pkcs12::from_der(p12).unwrap().parse2(passphrase).ok()?;
    Some((cert?.to_der().unwrap(), pkey?.public_key_to_der().unwrap(), ca?.len()))
}

fn ec(curve: Nid) -> PKey<Private> {
    PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap()
}

/// A P-384 key: PKCS #8 and SubjectPublicKeyInfo.
pub(crate) fn p384_key() -> (Vec<u8>, Vec<u8>) {
    let key = ec(Nid::SECP384R1);
    (key.private_key_to_pkcs8().unwrap(), key.public_key_to_der().unwrap())
}

/// SubjectPublicKeyInfo of a key that nobody certifies here.
pub(crate) fn other_key() -> Vec<u8> {
    ec(Nid::SECP256K1).public_key_to_der().unwrap()
}

fn request(key: &PKey<Private>, hash: MessageDigest) -> Vec<u8> {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "Somebody").unwrap();
    let mut request = X509Req::builder().unwrap();
    request.set_subject_name(&name.build()).unwrap();
    request.set_pubkey(key).unwrap();
    request.sign(key, hash).unwrap();
    request.build().to_der().unwrap()
}

/// A certification request by a new key of this kind, and its SubjectPublicKeyInfo.
pub(crate) fn certification_request(kind: KeyKind) -> (Vec<u8>, Vec<u8>) {
    let (key, hash) = match kind {
        KeyKind::EcdsaP256 => (ec(Nid::X9_62_PRIME256V1), MessageDigest::sha256()),
        KeyKind::EcdsaP384 => (ec(Nid::SECP384R1), MessageDigest::sha384()),
        KeyKind::Rsa3072 => (PKey::from_rsa(Rsa::generate(3072).unwrap()).unwrap(), MessageDigest::sha256()),
        KeyKind::Ed25519 => (PKey::generate_ed25519().unwrap(), MessageDigest::null()),
    };
    (request(&key, hash), key.public_key_to_der().unwrap())
}

/// One whose signature proves nothing any more.
pub(crate) fn request_signed_with_sha1() -> Vec<u8> {
    request(&ec(Nid::X9_62_PRIME256V1), MessageDigest::sha1())
}

/// Whether libcrypto reads a certification request, and its signature is by its own key.
pub(crate) fn request_verifies(der: &[u8]) -> bool {
    X509Req::from_der(der).and_then(|request| request.verify(&*request.public_key()?)).unwrap_or(false)
}

/// A request about these certificates of `issuer`, all in DER.
pub(crate) fn ocsp_request(certificates: &[&[u8]], issuer: &[u8], sha256: bool) -> Vec<u8> {
    let mut request = OcspRequest::new().unwrap();
    for certificate in certificates {
        request.add_id(ocsp_cert_id(certificate, issuer, sha256)).unwrap();
    }
    request.to_der().unwrap()
}

/// What a response says of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OcspFound {
    /// 0 good, 1 revoked, 2 unknown.
    pub(crate) status: i32,
    /// CRLReason; −1 for none.
    pub(crate) reason: i32,
    /// revocationTime, thisUpdate and nextUpdate in libcrypto's form.
    pub(crate) times: [Option<String>; 3],
}

/// Verifies a response at this moment by `root` alone, its signer's issuer at hand, and finds the answer about
/// `certificate` of `issuer`; `None` if it does not verify or has none.
pub(crate) fn ocsp_find(
    response: &[u8],
    certificate: &[u8],
    issuer: &[u8],
    sha256: bool,
    root: &[u8],
    at: Timestamp,
) -> Option<OcspFound> {
    let response = OcspResponse::from_der(response).ok()?;
    assert_eq!(response.status(), OcspResponseStatus::SUCCESSFUL);
    let basic = response.basic().ok()?;
    let store = store_for(X509::from_der(root).unwrap(), at, Purpose::Any).unwrap();
    let mut known = Stack::new().unwrap();
    known.push(X509::from_der(issuer).unwrap()).unwrap();
    basic.verify(&known, &store, OcspFlag::empty()).ok()?;
    let found = basic.find_status(&ocsp_cert_id(certificate, issuer, sha256))?;
    let next_update = found.next_update().map(ToString::to_string);
    Some(OcspFound {
        status: found.status.as_raw(),
        reason: found.reason.as_raw(),
        times: [found.revocation_time.map(ToString::to_string), Some(found.this_update.to_string()), next_update],
    })
}

/// The responseStatus of a response.
pub(crate) fn ocsp_status(response: &[u8]) -> Option<i32> {
    OcspResponse::from_der(response).ok().map(|response| response.status().as_raw())
}

fn ocsp_cert_id(certificate: &[u8], issuer: &[u8], sha256: bool) -> OcspCertId {
    let digest = if sha256 { MessageDigest::sha256() } else { MessageDigest::sha1() };
    OcspCertId::from_cert(digest, &X509::from_der(certificate).unwrap(), &X509::from_der(issuer).unwrap()).unwrap()
}
