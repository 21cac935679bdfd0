//! Private keys at rest: PKCS#8 (RFC 5958) encrypted by PBES2 with scrypt (RFC 7914) and AES-256-CBC, in PEM.
//!
//! libcrypto's own writer uses 2,048 rounds of PBKDF2, which a graphics card tries millions of times a second; so the
//! envelope is written here and is still read by `openssl pkey`.

use std::fmt;

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::symm::{Cipher, Crypter, Mode};
use rasn::types::{ObjectIdentifier, OctetString};
use rasn::{AsnType, Decode, Decoder};
use zeroize::Zeroizing;

use super::{CryptoFault, Entropy, EntropyFault, SoftKey, hmac_sha256};
use crate::asn1::{der, pem};

/// A passphrase, wiped when dropped and never shown.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes it over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text; callers hand it to a cipher and to nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// A key file was not written or not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileFault {
    /// Wrong passphrase, a damaged file, or no encrypted key at all; a cipher cannot tell these apart.
    #[error("the key does not open: wrong passphrase, damaged, or not an encrypted PKCS#8 key")]
    NotOpened,
    /// Opened, but the key is of a kind that we do not use; or libcrypto failed.
    #[error("{0}")]
    Crypto(#[from] CryptoFault),
    /// No salt could be drawn.
    #[error("{0}")]
    Entropy(#[from] EntropyFault),
}

// scrypt as in RFC 7914 §2: N = 2^14, r = 8, p = 1 takes 128·N·r = 16 MiB and about 50 ms, below the 32 MiB at which
// libcrypto stops by default, so that its command line opens the file.
const SCRYPT_N: u64 = 1 << 14;
const SCRYPT_R: u64 = 8;
const SCRYPT_P: u64 = 1;
const SCRYPT_BYTES_MAX: u64 = 32 << 20;

const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// The encrypted PEM of a key.
///
/// # Errors
/// [`KeyFileFault`] when no salt can be drawn or libcrypto fails.
pub fn seal_key_pem(key: &SoftKey, passphrase: &Passphrase, entropy: &dyn Entropy) -> Result<String, KeyFileFault> {
    seal_pem(&key.to_pkcs8_der()?, passphrase, entropy)
}

/// The same of any PKCS#8 octets.
pub(super) fn seal_pem(plain: &[u8], passphrase: &Passphrase, entropy: &dyn Entropy) -> Result<String, KeyFileFault> {
    let mut random = [0; 32];
    entropy.fill(&mut random)?;
    let (salt, iv) = random.split_at(16);
    let cipher_key = cipher_key(passphrase, salt)?;
    let sealed = openssl::symm::encrypt(Cipher::aes_256_cbc(), &*cipher_key, Some(iv), plain)
        .map_err(CryptoFault::from_stack("encrypting a key"))?;
    let der = envelope(salt, iv, &sealed);

    Ok(pem::encode(LABEL, &der))
}

/// The PKCS#8 octets that [`seal_pem`] sealed; of another's envelope none.
pub(super) fn open_pem(pem: &str, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, KeyFileFault> {
    let blocks = pem::decode(LABEL, pem).unwrap_or_default();
    let [der] = &blocks[..] else { return Err(KeyFileFault::NotOpened) };
    let (salt, iv, sealed) = ours(der).ok_or(KeyFileFault::NotOpened)?;
    let cipher_key = cipher_key(passphrase, &salt)?;
    unseal(&cipher_key, &iv, &sealed).map_err(|_| KeyFileFault::NotOpened)
}

fn cipher_key(passphrase: &Passphrase, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, CryptoFault> {
    let mut key = Zeroizing::new([0; 32]);
    let password = passphrase.expose().as_bytes();
    openssl::pkcs5::scrypt(password, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P, SCRYPT_BYTES_MAX, &mut *key)
        .map_err(CryptoFault::from_stack("deriving a key by scrypt"))?;
    Ok(key)
}

/// A MAC over `message` that only a holder of the passphrase can make or check: HMAC-SHA-256 under a key that scrypt derives
/// from it as for key files, with a label of its own in the salt, so that no key file's key is ever this one.
///
/// # Errors
/// libcrypto.
pub fn mac_of_passphrase(
    passphrase: &Passphrase,
    salt: &[u8; 16],
    label: &str,
    message: &[u8],
) -> Result<[u8; 32], CryptoFault> {
    let key = cipher_key(passphrase, &[salt, label.as_bytes()].concat())?;
    Ok(hmac_sha256(&*key, message)?.try_into().expect("SHA-256 has 32 bytes"))
}

/// Opens an encrypted PKCS#8 PEM, whichever PBES2 function it uses. Of one that [`seal_key_pem`] wrote every octet must
/// be as it was written: CBC's padding alone lets one damaged file in 256 through, and libcrypto takes no offence at what
/// then follows the key.
///
/// # Errors
/// [`KeyFileFault`].
pub fn open_key_pem(pem: &str, passphrase: &Passphrase) -> Result<SoftKey, KeyFileFault> {
    // Without this check libcrypto would also take an unencrypted key, and a secret that lies open would go unnoticed.
    let Some([der]) = pem::decode(LABEL, pem).and_then(|blocks| <[_; 1]>::try_from(blocks).ok()) else {
        return Err(KeyFileFault::NotOpened);
    };
    let password = passphrase.expose().as_bytes();
    if ours(&der).is_none() {
        let key =
            PKey::private_key_from_pem_passphrase(pem.as_bytes(), password).map_err(|_| KeyFileFault::NotOpened)?;
        let plain = Zeroizing::new(key.private_key_to_pkcs8().map_err(CryptoFault::from_stack("reading a key"))?);
        return Ok(SoftKey::from_pkcs8_der(&plain)?);
    }
    as_written(&open_pem(pem, passphrase)?)
}

/// Opens a key in any PEM form that libcrypto reads (RFC 7468, RFC 5915, RFC 8017), of somebody else's making; encrypted or not.
///
/// # Errors
/// [`KeyFileFault::NotOpened`]; [`KeyFileFault::Crypto`] for a kind of key that we do not use.
pub fn read_key_pem(pem: &str, passphrase: Option<&Passphrase>) -> Result<SoftKey, KeyFileFault> {
    // Without a passphrase nobody is asked for one at a terminal.
    let password = passphrase.map_or(&[][..], |passphrase| passphrase.expose().as_bytes());
    let key = PKey::private_key_from_pem_callback(pem.as_bytes(), |buffer| {
        let password = password.get(..buffer.len()).unwrap_or(password);
        buffer[..password.len()].copy_from_slice(password);
        Ok(password.len())
    });
    let key = key.map_err(|_| KeyFileFault::NotOpened)?;
    let plain = Zeroizing::new(key.private_key_to_pkcs8().map_err(CryptoFault::from_stack("reading a key"))?);
    Ok(SoftKey::from_pkcs8_der(&plain)?)
}

/// The key in octets that are exactly those that [`seal_key_pem`] would seal for it: libcrypto reads more than it writes,
/// such as another version or what follows the key, and a damaged octet must not pass for one of these.
fn as_written(plain: &[u8]) -> Result<SoftKey, KeyFileFault> {
    let key = SoftKey::from_pkcs8_der(plain).map_err(|_| KeyFileFault::NotOpened)?;
    if key.to_pkcs8_der()?.as_slice() == plain { Ok(key) } else { Err(KeyFileFault::NotOpened) }
}

/// Decrypts in memory that is wiped also when the padding proves wrong.
fn unseal(cipher_key: &[u8; 32], iv: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let cipher = Cipher::aes_256_cbc();
    let mut crypter = Crypter::new(cipher, Mode::Decrypt, cipher_key, Some(iv))?;
    let mut plain = Zeroizing::new(vec![0; sealed.len() + cipher.block_size()]);
    let mut length = crypter.update(sealed, &mut plain)?;
    length += crypter.finalize(&mut plain[length..])?;
    plain.truncate(length);
    Ok(plain)
}

/// Salt, initialisation vector and sealed octets of an envelope that is ours, octet for octet.
fn ours(der: &[u8]) -> Option<(OctetString, OctetString, OctetString)> {
    #[derive(AsnType, Decode)]
    struct EncryptedPrivateKeyInfo {
        algorithm: Pbes2Algorithm,
        sealed: OctetString,
    }
    #[derive(AsnType, Decode)]
    struct Pbes2Algorithm {
        _id: ObjectIdentifier,
        parameters: Pbes2Params,
    }
    #[derive(AsnType, Decode)]
    struct Pbes2Params {
        derivation: Derivation,
        encryption: Encryption,
    }
    #[derive(AsnType, Decode)]
    struct Derivation {
        _id: ObjectIdentifier,
        parameters: ScryptParams,
    }
    #[derive(AsnType, Decode)]
    struct ScryptParams {
        salt: OctetString,
        _n: u64,
        _r: u64,
        _p: u64,
    }
    #[derive(AsnType, Decode)]
    struct Encryption {
        _id: ObjectIdentifier,
        iv: OctetString,
    }
    let EncryptedPrivateKeyInfo { algorithm, sealed } = rasn::der::decode(der).ok()?;
    let Pbes2Params { derivation, encryption } = algorithm.parameters;
    let (salt, iv) = (derivation.parameters.salt, encryption.iv);
    (salt.len() == 16 && iv.len() == 16 && envelope(&salt, &iv, &sealed) == der).then_some((salt, iv, sealed))
}

/// EncryptedPrivateKeyInfo with PBES2 (RFC 8018 §6.2), scrypt-params (RFC 7914 §7) and AES-256-CBC.
fn envelope(salt: &[u8], iv: &[u8], sealed: &[u8]) -> Vec<u8> {
    /// id-PBES2, 1.2.840.113549.1.5.13
    const PBES2: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x05, 0x0D];
    /// id-scrypt, 1.3.6.1.4.1.11591.4.11
    const SCRYPT: &[u8] = &[0x2B, 0x06, 0x01, 0x04, 0x01, 0xDA, 0x47, 0x04, 0x0B];
    /// aes256-CBC-PAD, 2.16.840.1.101.3.4.1.42
    const AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2A];

    let number = |n: u64| der::tlv(der::INTEGER, &der::integer_content(&n.to_be_bytes()));
    let scrypt =
        der::sequence(&[&der::tlv(der::OCTET_STRING, salt), &number(SCRYPT_N), &number(SCRYPT_R), &number(SCRYPT_P)]);
    let derivation = der::sequence(&[&der::tlv(der::OID, SCRYPT), &scrypt]);
    let encryption = der::sequence(&[&der::tlv(der::OID, AES_256_CBC), &der::tlv(der::OCTET_STRING, iv)]);
    let algorithm = der::sequence(&[&der::tlv(der::OID, PBES2), &der::sequence(&[&derivation, &encryption])]);
    der::sequence(&[&algorithm, &der::tlv(der::OCTET_STRING, sealed)])
}

#[cfg(test)]
mod tests {
    use super::super::{SeededEntropy, SignatureAlgorithm, Signer};
    use super::*;

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_only() {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let passphrase = Passphrase::new("correct horse".to_owned());
        let pem = seal_key_pem(&key, &passphrase, &SeededEntropy::new(1)).unwrap();
        assert!(pem.lines().all(|line| line.len() <= 64));
        // libcrypto's own reader opens it, too.
        let read = PKey::private_key_from_pem_passphrase(pem.as_bytes(), b"correct horse").unwrap();
        assert_eq!(read.public_key_to_der().unwrap(), key.spki_der());
        assert_eq!(open_key_pem(&pem, &passphrase).unwrap().spki_der(), key.spki_der());
        let wrong = Passphrase::new("wrong".to_owned());
        assert_eq!(open_key_pem(&pem, &wrong).err(), Some(KeyFileFault::NotOpened));
        assert_eq!(open_key_pem("", &wrong).err(), Some(KeyFileFault::NotOpened));
    }

    /// Every octet of the sealed ones counts, also where only padding is garbled, which passes for padding now and then.
    #[test]
    fn a_damaged_file_does_not_open() {
        let key = SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap();
        let passphrase = Passphrase::new("p".to_owned());
        let salt = [1; 16];
        let good = Zeroizing::new(key.to_pkcs8_der().unwrap().to_vec());
        let sealed = |plain: &[u8]| {
            let cipher_key = cipher_key(&passphrase, &salt).unwrap();
            let sealed = openssl::symm::encrypt(Cipher::aes_256_cbc(), &*cipher_key, Some(&[2; 16]), plain).unwrap();
            pem::encode(LABEL, &envelope(&salt, &[2; 16], &sealed))
        };
        assert_eq!(open_key_pem(&sealed(&good), &passphrase).unwrap().spki_der(), key.spki_der());
        // What libcrypto takes: the key, and then what was padding.
        let mut bad = good.to_vec();
        bad.extend([7; 15]);
        assert!(PKey::private_key_from_pem_passphrase(sealed(&bad).as_bytes(), b"p").is_ok());
        assert_eq!(open_key_pem(&sealed(&bad), &passphrase).err(), Some(KeyFileFault::NotOpened));
        assert_eq!(open_key_pem(&sealed(&good[1..]), &passphrase).err(), Some(KeyFileFault::NotOpened));
    }

    /// Whatever bit of the plain octets a damage changes, through the initialisation vector for one: another key, one whose
    /// halves do not fit, or none.
    #[test]
    fn a_changed_bit_is_another_key_or_none() {
        for algorithm in [SignatureAlgorithm::Ed25519, SignatureAlgorithm::EcdsaP256Sha256] {
            let key = SoftKey::generate(algorithm).unwrap();
            let plain = Zeroizing::new(key.to_pkcs8_der().unwrap().to_vec());
            assert_eq!(as_written(&plain).unwrap().spki_der(), key.spki_der());
            for bit in 0..plain.len() * 8 {
                let mut changed = plain.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let same = |other: SoftKey| other.spki_der() == key.spki_der() && other.is_consistent();
                assert!(!as_written(&changed).is_ok_and(same), "{algorithm:?}: bit {bit}");
            }
        }
    }

    #[test]
    fn a_key_sealed_by_libcrypto_opens_and_an_open_one_does_not() {
        let key = SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap();
        let passphrase = Passphrase::new("p".to_owned());
        let pem = key.pkey().private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"p").unwrap();
        let pem = String::from_utf8(pem).unwrap();
        assert_eq!(open_key_pem(&pem, &passphrase).unwrap().spki_der(), key.spki_der());
        let open = String::from_utf8(key.pkey().private_key_to_pem_pkcs8().unwrap()).unwrap();
        assert_eq!(open_key_pem(&open, &passphrase).err(), Some(KeyFileFault::NotOpened));
    }

    #[test]
    fn a_passphrase_is_never_shown() {
        assert_eq!(format!("{:?}", Passphrase::new("secret".to_owned())), "Passphrase(…)");
    }
}
