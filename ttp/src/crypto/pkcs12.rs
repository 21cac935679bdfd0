//! PKCS#12 (RFC 7292): a certificate, its key and its chain in one encrypted file, for browsers and command lines.

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::stack::Stack;
use openssl::x509::X509;

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
