//! Private keys in this process's memory.

use std::fmt;

use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Rsa;
use zeroize::Zeroizing;

use super::ecdsa::{make_low_s, raw_to_der};
use super::jwe::AgreementKey;
use super::{CryptoFault, SignError, SignatureAlgorithm, Signer};
use crate::digest::Digest;

/// Our RSA keys: 3072 bits, as ETSI TS 119 312 asks beyond 2025.
const RSA_BITS: u32 = 3072;

/// A private key in memory, parsed once.
pub struct SoftKey {
    algorithm: SignatureAlgorithm,
    /// The P-256 key itself: `EcdsaSig::sign` on it is the fast path (spec §4), without a context for each signature.
    ec: Option<EcKey<Private>>,
    key: PKey<Private>,
    spki_der: Vec<u8>,
}

impl SoftKey {
    /// Generates a key with libcrypto's generator.
    ///
    /// # Errors
    /// [`CryptoFault`] if libcrypto fails.
    pub fn generate(algorithm: SignatureAlgorithm) -> Result<Self, CryptoFault> {
        let generated = match algorithm {
            SignatureAlgorithm::EcdsaP256Sha256 => EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)
                .and_then(|group| EcKey::generate(&group))
                .and_then(PKey::from_ec_key),
            SignatureAlgorithm::RsaPkcs1Sha256 => Rsa::generate(RSA_BITS).and_then(PKey::from_rsa),
            SignatureAlgorithm::Ed25519 => PKey::generate_ed25519(),
        };
        Self::from_pkey(generated.map_err(CryptoFault::from_stack("generating a key"))?)
    }

    /// Reads an unencrypted PKCS#8 key (RFC 5958).
    ///
    /// # Errors
    /// [`CryptoFault`] for anything but a P-256, RSA or Ed25519 key.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, CryptoFault> {
        let key = PKey::private_key_from_pkcs8(der).map_err(CryptoFault::from_stack("reading a PKCS#8 key"))?;
        Self::from_pkey(key)
    }

    /// The unencrypted PKCS#8 form, wiped when dropped: the one that a key of these numbers has, whatever it was read from
    /// (libcrypto keeps the version of an ECPrivateKey that it reads).
    ///
    /// # Errors
    /// [`CryptoFault`] if libcrypto fails.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, CryptoFault> {
        let write = || match &self.ec {
            Some(ec) => {
                let anew = EcKey::from_private_components(ec.group(), ec.private_key(), ec.public_key())?;
                PKey::from_ec_key(anew)?.private_key_to_pkcs8()
            }
            None => self.key.private_key_to_pkcs8(),
        };
        write().map(Zeroizing::new).map_err(CryptoFault::from_stack("writing a PKCS#8 key"))
    }

    /// The private half fits the public one (and, of RSA, every part the others): what a damaged key file may fail in, and
    /// signing need not notice. Slow for RSA.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        match self.algorithm {
            SignatureAlgorithm::EcdsaP256Sha256 => self.ec.as_ref().is_some_and(|ec| ec.check_key().is_ok()),
            SignatureAlgorithm::RsaPkcs1Sha256 => self.key.rsa().and_then(|rsa| rsa.check_key()).unwrap_or(false),
            // Its file holds the private half only.
            SignatureAlgorithm::Ed25519 => true,
        }
    }

    pub(super) fn pkey(&self) -> &PKey<Private> {
        &self.key
    }

    fn from_pkey(key: PKey<Private>) -> Result<Self, CryptoFault> {
        let unsupported = CryptoFault { action: "using a key that is neither P-256, RSA nor Ed25519" };
        let (algorithm, ec) = match key.id() {
            Id::EC => {
                let ec = key.ec_key().map_err(CryptoFault::from_stack("reading an EC key"))?;
                if ec.group().curve_name() != Some(Nid::X9_62_PRIME256V1) {
                    return Err(unsupported);
                }
                (SignatureAlgorithm::EcdsaP256Sha256, Some(ec))
            }
            Id::RSA => (SignatureAlgorithm::RsaPkcs1Sha256, None),
            Id::ED25519 => (SignatureAlgorithm::Ed25519, None),
            _ => return Err(unsupported),
        };
        let spki_der = key.public_key_to_der().map_err(CryptoFault::from_stack("writing a public key"))?;
        Ok(Self { algorithm, ec, key, spki_der })
    }
}

impl fmt::Debug for SoftKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftKey({}, public {})", self.algorithm.name(), Digest::of(&self.spki_der))
    }
}

impl Signer for SoftKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    fn is_quick(&self) -> bool {
        self.algorithm != SignatureAlgorithm::RsaPkcs1Sha256
    }

    fn to_agreement(&self) -> Option<AgreementKey> {
        AgreementKey::from_soft(self).ok()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if let Some(ec) = &self.ec {
            return sign_p256(ec, message).ok_or(SignError { reason: "libcrypto refused to sign with P-256" });
        }
        let signed = match self.algorithm {
            SignatureAlgorithm::RsaPkcs1Sha256 => openssl::sign::Signer::new(MessageDigest::sha256(), &self.key)
                .and_then(|mut s| s.sign_oneshot_to_vec(message)),
            SignatureAlgorithm::EcdsaP256Sha256 | SignatureAlgorithm::Ed25519 => {
                openssl::sign::Signer::new_without_digest(&self.key).and_then(|mut s| s.sign_oneshot_to_vec(message))
            }
        };
        signed.map_err(|_| SignError { reason: "libcrypto refused to sign" })
    }
}

fn sign_p256(key: &EcKey<Private>, message: &[u8]) -> Option<Vec<u8>> {
    let signature = EcdsaSig::sign(Digest::of(message).as_bytes(), key).ok()?;
    let mut raw = [0; 64];
    put(signature.r(), &mut raw[..32])?;
    put(signature.s(), &mut raw[32..])?;
    make_low_s(&mut raw);
    Some(raw_to_der(&raw))
}

fn put(number: &openssl::bn::BigNumRef, out: &mut [u8]) -> Option<()> {
    out.copy_from_slice(&number.to_vec_padded(32).ok()?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::{PublicKey, Verifier, der_to_raw, is_low_s};
    use super::*;

    #[test]
    fn halves_that_do_not_fit_are_noticed() {
        for algorithm in
            [SignatureAlgorithm::EcdsaP256Sha256, SignatureAlgorithm::RsaPkcs1Sha256, SignatureAlgorithm::Ed25519]
        {
            assert!(SoftKey::generate(algorithm).unwrap().is_consistent());
        }
        // The public point of one key in the file of another.
        let [one, other] = [(); 2].map(|()| SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap());
        let (mut der, point) = (one.to_pkcs8_der().unwrap(), other.spki_der().last_chunk::<65>().unwrap());
        let at = der.windows(65).position(|window| window == one.spki_der().last_chunk::<65>().unwrap()).unwrap();
        der[at..at + 65].copy_from_slice(point);
        // libcrypto may refuse it by itself.
        assert!(SoftKey::from_pkcs8_der(&der).map_or(true, |key| !key.is_consistent()));
    }

    #[test]
    fn signs_what_its_public_key_verifies() {
        for algorithm in
            [SignatureAlgorithm::EcdsaP256Sha256, SignatureAlgorithm::RsaPkcs1Sha256, SignatureAlgorithm::Ed25519]
        {
            let key = SoftKey::generate(algorithm).unwrap();
            let public = PublicKey::from_spki_der(key.spki_der()).unwrap();
            assert_eq!(public.algorithm(), algorithm);
            let signature = key.sign(b"message").unwrap();
            assert!(public.verify(b"message", &signature));
            assert!(!public.verify(b"massage", &signature));
            assert!(!public.verify(b"message", &signature[1..]));
            assert!(!public.verify(b"message", b""));
            let again = SoftKey::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap();
            assert_eq!(again.spki_der(), key.spki_der());
        }
    }

    #[test]
    fn ecdsa_is_always_low_s_and_raw_is_the_same_signature() {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let public = PublicKey::from_spki_der(key.spki_der()).unwrap();
        for i in 0..64_u8 {
            let signature = key.sign(&[i]).unwrap();
            assert!(is_low_s(&signature) && public.verify(&[i], &signature), "{}", hex::encode(signature));
            let raw: [u8; 64] = key.sign_raw(&[i]).unwrap().try_into().unwrap();
            assert_eq!(der_to_raw(&raw_to_der(&raw)), Some(raw));
            assert!(public.verify(&[i], &raw_to_der(&raw)));
        }
    }

    #[test]
    fn shows_nothing_of_the_private_key() {
        let key = SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap();
        let secret = hex::encode(&key.to_pkcs8_der().unwrap()[16..]);
        let shown = format!("{key:?}");
        assert!(shown.starts_with("SoftKey(ed25519, public ") && !shown.contains(&secret));
    }

    #[test]
    fn other_curves_are_refused() {
        let group = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        assert!(SoftKey::from_pkcs8_der(&key.private_key_to_pkcs8().unwrap()).is_err());
        assert!(PublicKey::from_spki_der(&key.public_key_to_der().unwrap()).is_err());
    }
}
