//! A symmetric key at rest: in the same envelope as private keys, so that one passphrase, one backup and one way of reading
//! serve for all.
//!
//! PKCS#8 (RFC 5958) names what it holds by an algorithm, and that of AES-256-GCM is as good as that of RSA; Java's key stores
//! keep symmetric keys so, too. CBC authenticates nothing and a symmetric key has no other half that it must fit, so the
//! attribute messageDigest (RFC 5652 §11.2) holds the key's SHA-256: a damaged key would wrap what nobody opens any more.

use std::fmt;

use openssl::memcmp;
use zeroize::Zeroizing;

use super::key_file::{open_pem, seal_pem};
use super::{Entropy, EntropyFault, KeyFileFault, Passphrase};
use crate::asn1::der;
use crate::digest::Digest;

/// 256 random bits, wiped when dropped and never shown.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// A new one.
    ///
    /// # Errors
    /// No randomness.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyFault> {
        let mut key = Zeroizing::new([0; 32]);
        entropy.fill(&mut *key)?;
        Ok(Self(key))
    }

    /// Takes these bits over.
    #[must_use]
    pub fn new(bits: Zeroizing<[u8; 32]>) -> Self {
        Self(bits)
    }

    /// The bits; callers hand them to a cipher and to nothing else.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// PrivateKeyInfo: version 0, id-aes256-GCM, the key, its digest.
    fn to_pkcs8_der(&self) -> Zeroizing<Vec<u8>> {
        /// 2.16.840.1.101.3.4.1.46
        const AES_256_GCM: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2E];
        /// 1.2.840.113549.1.9.4
        const MESSAGE_DIGEST: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x04];
        let digest = der::tlv(der::SET, &der::tlv(der::OCTET_STRING, &Digest::of(self.expose()).0));
        let attribute = der::sequence(&[&der::tlv(der::OID, MESSAGE_DIGEST), &digest]);
        let key = Zeroizing::new(der::tlv(der::OCTET_STRING, self.expose()));
        let algorithm = der::sequence(&[&der::tlv(der::OID, AES_256_GCM)]);
        let attributes = der::tlv(der::CONTEXT_0, &attribute);
        let parts =
            Zeroizing::new([&der::tlv(der::INTEGER, &[0]), &algorithm, &*key, &attributes].map(|p| &p[..]).concat());
        Zeroizing::new(der::tlv(der::SEQUENCE, &parts))
    }

    /// Reads exactly what [`SecretKey::to_pkcs8_der`] writes.
    fn from_pkcs8_der(plain: &[u8]) -> Option<Self> {
        /// Behind the heads of SEQUENCE and OCTET STRING, the version and the algorithm.
        const KEY_AT: usize = 2 + 3 + 13 + 2;
        let bits = plain.get(KEY_AT..KEY_AT + 32)?;
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(bits);
        let key = Self(key);
        let due = key.to_pkcs8_der();
        (due.len() == plain.len() && memcmp::eq(&due, plain)).then_some(key)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// The encrypted PEM of a symmetric key.
///
/// # Errors
/// As [`super::seal_key_pem`].
pub fn seal_secret_pem(
    key: &SecretKey,
    passphrase: &Passphrase,
    entropy: &dyn Entropy,
) -> Result<String, KeyFileFault> {
    seal_pem(&key.to_pkcs8_der(), passphrase, entropy)
}

/// Opens what [`seal_secret_pem`] wrote, of which every octet must be as it was written.
///
/// # Errors
/// [`KeyFileFault::NotOpened`].
pub fn open_secret_pem(pem: &str, passphrase: &Passphrase) -> Result<SecretKey, KeyFileFault> {
    SecretKey::from_pkcs8_der(&open_pem(pem, passphrase)?).ok_or(KeyFileFault::NotOpened)
}

#[cfg(test)]
mod tests {
    use super::super::{SeededEntropy, SignatureAlgorithm, SoftKey, open_key_pem, seal_key_pem};
    use super::*;

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_only() {
        let key = SecretKey::generate(&SeededEntropy::new(1)).unwrap();
        let (right, wrong) = (Passphrase::new("right".to_owned()), Passphrase::new("wrong".to_owned()));
        let pem = seal_secret_pem(&key, &right, &SeededEntropy::new(2)).unwrap();
        assert_eq!(open_secret_pem(&pem, &right).unwrap().expose(), key.expose());
        assert_eq!(open_secret_pem(&pem, &wrong).err(), Some(KeyFileFault::NotOpened));
        // Neither kind passes for the other.
        assert!(open_key_pem(&pem, &right).is_err());
        let signer = SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap();
        let signer = seal_key_pem(&signer, &right, &SeededEntropy::new(3)).unwrap();
        assert_eq!(open_secret_pem(&signer, &right).err(), Some(KeyFileFault::NotOpened));
        assert_eq!(format!("{key:?}"), "SecretKey(…)");
    }

    /// As any reader of PKCS#8 finds it, and no other octets.
    #[test]
    fn its_octets() {
        let key = SecretKey(Zeroizing::new([7; 32]));
        let plain = key.to_pkcs8_der();
        let digest = Digest::of(&[7; 32]).to_string();
        let due = format!(
            "3065020100300b060960864801650304012e0420{}a031302f06092a864886f70d01090431220420{digest}",
            "07".repeat(32)
        );
        assert_eq!(hex::encode(&*plain), due);
        assert_eq!(SecretKey::from_pkcs8_der(&plain).unwrap().expose(), key.expose());
        for bit in 0..8 * plain.len() {
            let mut changed = plain.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(SecretKey::from_pkcs8_der(&changed).is_none(), "bit {bit}");
        }
        assert!(SecretKey::from_pkcs8_der(&plain[..plain.len() - 1]).is_none());
        assert!(SecretKey::from_pkcs8_der(&[&plain[..], &[0]].concat()).is_none());
        assert!(SecretKey::from_pkcs8_der(&[]).is_none());
    }
}
