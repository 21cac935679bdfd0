#![no_main]
//! A sealed document and a wrapped key, by somebody who has the keys; a document that opens is sealed again as the same octets.
use semper_ttp::{
    crypto::{Entropy, EntropyFault, SecretKey},
    evidence::{KeyId, KeyPurpose},
    vault::{DataKey, KeyWrap, Object, SoftKek, key_of, open, seal},
};
use zeroize::Zeroizing;

/// Gives these octets.
struct Given<'a>(&'a [u8]);

impl Entropy for Given<'_> {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFault> {
        out.copy_from_slice(self.0.get(..out.len()).ok_or(EntropyFault)?);
        Ok(())
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let key = DataKey::generate(&Given(&[0; 32])).expect("enough octets");
    let kek = SoftKek::new(KeyId::new(KeyPurpose::ArchiveKek, 1), SecretKey::new(Zeroizing::new([0; 32])));
    let kek = kek.expect("a key");
    if let Ok(key) = kek.unwrap(key.id(), bytes) {
        assert_eq!(kek.wrap(&key, &Given(&bytes[5..])).as_deref(), Ok(bytes));
    }
    let object = Object { id: [0; 32], version: 1 };
    let Ok(content) = open(bytes.to_vec(), &key, object) else { return };
    assert_eq!(key_of(bytes), Some(key.id()));
    assert_eq!(seal(&content, &key, object, &Given(&bytes[22..])).as_deref(), Ok(bytes));
});
