//! libcrypto as a stranger that judges our output, for the tests of other folders, which do not name openssl.

use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::x509::{CrlStatus, X509, X509Crl};

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
