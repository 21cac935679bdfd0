//! Data keys at rest: wrapped by a key of this service.
//!
//! ```text
//! format (1) ‖ generation of archive-kek, u32 ‖ nonce (12, random) ‖ AES-256-GCM of the data key (32) ‖ tag (16)
//!              associated  "semper wrapped key 1" ‖ key id (16)
//! ```
//!
//! **Why GCM and not RFC 3394 or 5649.** Those bind a wrapped key to nothing: a row put in another's place would open, and what
//! was sealed under an erased key could be had by whoever kept its row. What is associated here is the name. Random nonces do
//! for 2^32 keys (NIST SP 800-38D §8.3), more than there are entries in a ledger's life.

use std::fmt;

use zeroize::Zeroizing;

use super::{DataKey, DataKeyId};
use crate::{
    crypto::{
        CryptoFault, Entropy, EntropyFault, GCM_NONCE_BYTES, GCM_TAG_BYTES, SecretKey, gcm_open, gcm_seal, hmac_sha256,
    },
    digest::Digest,
    evidence::KeyId,
};

const FORMAT: u8 = 1;
const LABEL: &[u8] = b"semper wrapped key 1";
const CHECK: &[u8] = b"semper key check 1";

/// Octets of a wrapped key.
const WRAPPED_BYTES: usize = 1 + 4 + GCM_NONCE_BYTES + 32 + GCM_TAG_BYTES;

/// Wraps data keys by a key that does not leave its place: a soft one, later one in a PKCS#11 token.
pub trait KeyWrap: Send + Sync + fmt::Debug {
    /// Which key.
    fn id(&self) -> KeyId;

    /// What the ledger records of it in the place of a public half: it tells this key from every other, and nothing of it.
    fn check_value(&self) -> Digest;

    /// Wraps a key, each time anew.
    ///
    /// # Errors
    /// [`WrapFault`].
    fn wrap(&self, key: &DataKey, entropy: &dyn Entropy) -> Result<Vec<u8>, WrapFault>;

    /// The key of this name, out of what [`KeyWrap::wrap`] gave for it.
    ///
    /// # Errors
    /// [`WrapFault`].
    fn unwrap(&self, id: DataKeyId, wrapped: &[u8]) -> Result<DataKey, WrapFault>;
}

/// Why a data key was not wrapped or not had again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrapFault {
    /// Of another length or format.
    #[error("this is no wrapped key of a format that this program knows")]
    NotWrapped,
    /// By another key of this service.
    #[error("the key was wrapped by {needed}, and {here} is here")]
    OtherKey {
        /// By which.
        needed: KeyId,
        /// Which is here.
        here: KeyId,
    },
    /// Changed, or that of another name.
    #[error("the wrapped key was changed, or is that of another name")]
    Damaged,
    /// libcrypto.
    #[error(transparent)]
    Crypto(#[from] CryptoFault),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyFault),
}

/// A key in this process's memory that wraps others.
#[derive(Clone)]
pub struct SoftKek {
    id: KeyId,
    key: SecretKey,
    check_value: Digest,
}

impl fmt::Debug for SoftKek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftKek({})", self.id)
    }
}

impl SoftKek {
    /// Of a key as it was read.
    ///
    /// # Errors
    /// libcrypto.
    pub fn new(id: KeyId, key: SecretKey) -> Result<Self, CryptoFault> {
        let mac = hmac_sha256(key.expose(), CHECK)?;
        Ok(Self { id, check_value: Digest(mac.try_into().expect("SHA-256 has 32 octets")), key })
    }

    fn associated(id: DataKeyId) -> Vec<u8> {
        [LABEL, &id.0].concat()
    }
}

impl KeyWrap for SoftKek {
    fn id(&self) -> KeyId {
        self.id
    }

    fn check_value(&self) -> Digest {
        self.check_value
    }

    fn wrap(&self, key: &DataKey, entropy: &dyn Entropy) -> Result<Vec<u8>, WrapFault> {
        let mut nonce = [0; GCM_NONCE_BYTES];
        entropy.fill(&mut nonce)?;
        let mut data = key.key.clone();
        let tag = gcm_seal(self.key.expose(), &nonce, &Self::associated(key.id), &mut *data)?;
        Ok([&[FORMAT][..], &self.id.generation.to_be_bytes(), &nonce, &*data, &tag].concat())
    }

    fn unwrap(&self, id: DataKeyId, wrapped: &[u8]) -> Result<DataKey, WrapFault> {
        let wrapped = <&[u8; WRAPPED_BYTES]>::try_from(wrapped).map_err(|_| WrapFault::NotWrapped)?;
        let Some((&[FORMAT], rest)) = wrapped.split_first_chunk::<1>() else { return Err(WrapFault::NotWrapped) };
        let part = |at: usize, length: usize| &rest[at..at + length];
        let generation = u32::from_be_bytes(part(0, 4).try_into().expect("four octets"));
        if generation != self.id.generation {
            return Err(WrapFault::OtherKey { needed: KeyId { generation, ..self.id }, here: self.id });
        }
        let nonce = part(4, GCM_NONCE_BYTES).try_into().expect("a nonce");
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(part(4 + GCM_NONCE_BYTES, 32));
        let tag = part(4 + GCM_NONCE_BYTES + 32, GCM_TAG_BYTES).try_into().expect("a tag");
        match gcm_open(self.key.expose(), nonce, &Self::associated(id), &mut *key, tag) {
            true => Ok(DataKey { id, key }),
            false => Err(WrapFault::Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::SeededEntropy, evidence::KeyPurpose};

    fn kek(generation: u32, seed: u64) -> SoftKek {
        let key = SecretKey::generate(&SeededEntropy::new(seed)).unwrap();
        SoftKek::new(KeyId::new(KeyPurpose::ArchiveKek, generation), key).unwrap()
    }

    /// As another program computes it (Python's `cryptography`).
    #[test]
    fn its_octets() {
        struct Sevens;
        impl Entropy for Sevens {
            fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFault> {
                out.fill(7);
                Ok(())
            }
        }
        let id = KeyId::new(KeyPurpose::ArchiveKek, 2);
        let kek = SoftKek::new(id, SecretKey::new(Zeroizing::new([9; 32]))).unwrap();
        let key = DataKey { id: DataKeyId([1; 16]), key: Zeroizing::new([2; 32]) };
        let wrapped = kek.wrap(&key, &Sevens).unwrap();
        assert_eq!(
            hex::encode(&wrapped),
            "01000000020707070707070707070707075bb98f9d6a73fd1b75e8558f94c071e43f3a0448820ef0479c8c1392f174811b50340b6feb5d6f926c135a5c13ae2f70"
        );
        assert_eq!(kek.check_value().to_string(), "e0e4483299f13bb8ff694e4e44efbf5b26c8b6eb6147f1ca5ea787793fe6622a");
        let again = kek.unwrap(key.id, &wrapped).unwrap();
        assert_eq!((again.id, &again.key), (key.id, &key.key));
    }

    #[test]
    fn a_wrapped_key_is_bound_to_its_name_and_its_wrapper() {
        let (kek, entropy) = (self::kek(1, 1), SeededEntropy::new(9));
        let [key, other] = [0; 2].map(|_| DataKey::generate(&entropy).unwrap());
        let wrapped = kek.wrap(&key, &entropy).unwrap();
        let unwrapped = |kek: &SoftKek, id, wrapped: &[u8]| kek.unwrap(id, wrapped).map(|key| *key.key);
        assert_eq!(unwrapped(&kek, key.id, &wrapped), Ok(*key.key));
        assert_ne!(kek.wrap(&key, &entropy).unwrap(), wrapped, "each time anew");
        assert_eq!(unwrapped(&kek, other.id, &wrapped), Err(WrapFault::Damaged));
        assert_eq!(unwrapped(&self::kek(1, 2), key.id, &wrapped), Err(WrapFault::Damaged));
        let (needed, here) = (kek.id(), self::kek(2, 2).id());
        assert_eq!(unwrapped(&self::kek(2, 2), key.id, &wrapped), Err(WrapFault::OtherKey { needed, here }));
        for bit in 0..8 * wrapped.len() {
            let mut changed = wrapped.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let fault = unwrapped(&kek, key.id, &changed).unwrap_err();
            match bit / 8 {
                0 => assert_eq!(fault, WrapFault::NotWrapped),
                1..5 => assert!(matches!(fault, WrapFault::OtherKey { .. }), "bit {bit}"),
                _ => assert_eq!(fault, WrapFault::Damaged, "bit {bit}"),
            }
        }
        for length in 0..wrapped.len() {
            assert_eq!(unwrapped(&kek, key.id, &wrapped[..length]), Err(WrapFault::NotWrapped));
        }
        assert_eq!(unwrapped(&kek, key.id, &[&wrapped[..], &[0]].concat()), Err(WrapFault::NotWrapped));
        assert_eq!(format!("{kek:?}"), "SoftKek(archive-kek.1)");
        assert_ne!(kek.check_value(), self::kek(1, 2).check_value());
    }
}
