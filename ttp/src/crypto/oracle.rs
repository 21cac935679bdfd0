//! libcrypto as a stranger that judges our output, for the tests of other folders, which do not name openssl.

use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{CrlStatus, X509, X509Crl, X509NameBuilder, X509Req};

use super::KeyKind;

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
