//! PKCS#12 (RFC 7292): a certificate, its key and its chain in one encrypted file, for browsers and command lines.

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::stack::Stack;
use openssl::x509::X509;
use zeroize::Zeroizing;

use super::{CryptoFault, Passphrase, SoftKey};

/// Rounds of PBKDF2 and of the MAC: what browsers and the JDK still open within a second.
const ROUNDS: u32 = 100_000;

/// Builds a `.p12`: AES-256 with PBKDF2, MAC with SHA-256. `chain` is the issuers, without the certificate itself.
///
/// # Errors
/// [`CryptoFault`] if a certificate does not read or libcrypto fails.
pub fn build_pkcs12(
    friendly_name: &str,
    key: &SoftKey,
    certificate_der: &[u8],
    chain_der: &[Vec<u8>],
    passphrase: &Passphrase,
) -> Result<Vec<u8>, CryptoFault> {
    let build = || {
        let certificate = X509::from_der(certificate_der)?;
        let mut chain = Stack::new()?;
        for der in chain_der {
            chain.push(X509::from_der(der)?)?;
        }
        Pkcs12::builder()
            .name(friendly_name)
            .pkey(key.pkey())
            .cert(&certificate)
            .ca(chain)
            .key_algorithm(Nid::AES_256_CBC)
            .cert_algorithm(Nid::AES_256_CBC)
            .key_iter(ROUNDS)
            .mac_iter(ROUNDS)
            .mac_md(MessageDigest::sha256())
            .build2(passphrase.expose())?
            .to_der()
    };
    build().map_err(CryptoFault::from_stack("building a PKCS#12 file"))
}

/// Opens one: the key, and its certificate in DER.
///
/// # Errors
/// [`CryptoFault`] for another passphrase, another format, or a key that is none of ours.
pub fn open_pkcs12(bytes: &[u8], passphrase: &Passphrase) -> Result<(SoftKey, Vec<u8>), CryptoFault> {
    let failed = CryptoFault { action: "opening a PKCS#12 file" };
    let opened = Pkcs12::from_der(bytes).and_then(|p12| p12.parse2(passphrase.expose())).map_err(|_| failed)?;
    let (key, certificate) = opened.pkey.zip(opened.cert).ok_or(failed)?;
    let pkcs8 = Zeroizing::new(key.private_key_to_pkcs8().map_err(|_| failed)?);
    Ok((SoftKey::from_pkcs8_der(&pkcs8)?, certificate.to_der().map_err(|_| failed)?))
}

/// The issuers that lie in one beside the certificate, DER, as they lie there.
///
/// # Errors
/// [`CryptoFault`] for another passphrase or another format.
pub fn pkcs12_issuers(bytes: &[u8], passphrase: &Passphrase) -> Result<Vec<Vec<u8>>, CryptoFault> {
    let failed = CryptoFault { action: "opening a PKCS#12 file" };
    let opened = Pkcs12::from_der(bytes).and_then(|p12| p12.parse2(passphrase.expose())).map_err(|_| failed)?;
    opened.ca.iter().flatten().map(|issuer| issuer.to_der().map_err(|_| failed)).collect()
}
