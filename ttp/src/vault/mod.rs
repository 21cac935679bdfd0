//! What the private store keeps sealed: documents, and the personal fields of acts.
//!
//! ```text
//! key of this service (archive-kek)     in keys/, encrypted under the passphrase, or later in a token
//!   └ wraps a data key                  a row of the store by the key's id (wrap.rs)
//!       └ seals a document              an artefact; its entry bears the SHA-256 of the sealed octets (sealed.rs)
//! ```
//!
//! A data key is made for one object, or for all that is kept about one party. To erase is to delete its row: what it sealed
//! stays where it lies, in backups too, and nobody opens it any more. The ledger needs no part of it, so every proof still
//! verifies.
//!
//! In scope: the octets of sealed documents and wrapped keys, and how they fail. Out of scope: rows and the batch in which they
//! are written (`semper-ledger`), where the key of this service is kept (`semper-ops`), what is erased when (the archive).

mod sealed;
mod wrap;

use std::fmt;

use zeroize::Zeroizing;

pub use self::{
    sealed::{CHUNK_BYTES, CONTENT_BYTES_MAX, HEADER_BYTES, key_of, open, seal, sealed_bytes},
    wrap::{KeyWrap, SoftKek, WrapFault},
};
use crate::crypto::{CryptoFault, Entropy, EntropyFault};

/// The name of a data key: 128 random bits. It stands in the clear with all that the key sealed, and in the erasure that
/// destroyed it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataKeyId(pub [u8; 16]);

impl fmt::Display for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKeyId({self})")
    }
}

/// A key that seals documents, wiped when dropped and never shown.
#[derive(Clone)]
pub struct DataKey {
    id: DataKeyId,
    key: Zeroizing<[u8; 32]>,
}

impl DataKey {
    /// A new one with a name of its own.
    ///
    /// # Errors
    /// No randomness.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyFault> {
        let (mut id, mut key) = ([0; 16], Zeroizing::new([0; 32]));
        entropy.fill(&mut id)?;
        entropy.fill(&mut *key)?;
        Ok(Self { id: DataKeyId(id), key })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> DataKeyId {
        self.id
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.id)
    }
}

/// What a sealed document is, for which no other passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name, as an erasure has it.
    pub id: [u8; 32],
    /// Which version of it, from 1.
    pub version: u32,
}

impl Object {
    fn octets(&self) -> [u8; 36] {
        let mut octets = [0; 36];
        octets[..32].copy_from_slice(&self.id);
        octets[32..].copy_from_slice(&self.version.to_be_bytes());
        octets
    }
}

/// What was sealed, wiped when dropped.
pub type Content = Zeroizing<Vec<u8>>;

/// Why a document was not sealed or not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultFault {
    /// Not sealed, or by a program that came later.
    #[error("these octets are no sealed document of a format that this program knows")]
    NotSealed,
    /// It wants another key.
    #[error("the document was sealed under the key {0}")]
    OtherKey(DataKeyId),
    /// A chunk is lost, swapped, cut, repeated or changed; or it is another document, or another version of it.
    #[error("the sealed document was changed or cut, or is another one")]
    Damaged,
    /// More than [`CONTENT_BYTES_MAX`].
    #[error("{bytes} octets are more than the {CONTENT_BYTES_MAX} that are sealed in one piece")]
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
    /// libcrypto.
    #[error(transparent)]
    Crypto(#[from] CryptoFault),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyFault),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SeededEntropy;

    #[test]
    fn a_key_is_never_shown() {
        let key = DataKey::generate(&SeededEntropy::new(1)).unwrap();
        assert_eq!(format!("{key:?}"), format!("DataKey({})", hex::encode(key.id().0)));
        assert_ne!(key.key[..16], key.id.0);
        let other = DataKey::generate(&SeededEntropy::new(2)).unwrap();
        assert!(key.id() != other.id() && key.key != other.key);
    }
}
