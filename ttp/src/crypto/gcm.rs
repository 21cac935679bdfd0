//! AES-256-GCM (NIST SP 800-38D), in place: a large document need not lie in memory twice.

use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use zeroize::Zeroize as _;

use super::CryptoFault;

/// Octets of a nonce. One key never sees the same nonce twice.
pub const GCM_NONCE_BYTES: usize = 12;
/// Octets of a tag.
pub const GCM_TAG_BYTES: usize = 16;

/// Encrypts `data` where it lies; gives the tag over it and over `associated`.
///
/// # Errors
/// libcrypto; `data` is wiped then.
pub fn gcm_seal(
    key: &[u8; 32],
    nonce: &[u8; GCM_NONCE_BYTES],
    associated: &[u8],
    data: &mut [u8],
) -> Result<[u8; GCM_TAG_BYTES], CryptoFault> {
    let mut seal = || -> Result<_, ErrorStack> {
        let mut context = CipherCtx::new()?;
        context.encrypt_init(Some(Cipher::aes_256_gcm()), Some(key), Some(nonce))?;
        run(&mut context, associated, data)?;
        let mut tag = [0; GCM_TAG_BYTES];
        context.tag(&mut tag)?;
        Ok(tag)
    };
    let sealed = seal();
    if sealed.is_err() {
        data.zeroize();
    }
    sealed.map_err(CryptoFault::from_stack("AES-GCM"))
}

/// Decrypts `data` where it lies. False if the tag is not that of `data` and `associated`: `data` is wiped then, so that
/// nothing is read that nobody vouched for.
#[must_use]
pub fn gcm_open(
    key: &[u8; 32],
    nonce: &[u8; GCM_NONCE_BYTES],
    associated: &[u8],
    data: &mut [u8],
    tag: &[u8; GCM_TAG_BYTES],
) -> bool {
    let mut open = || -> Result<_, ErrorStack> {
        let mut context = CipherCtx::new()?;
        context.decrypt_init(Some(Cipher::aes_256_gcm()), Some(key), Some(nonce))?;
        context.set_tag(tag)?;
        run(&mut context, associated, data)
    };
    let opened = open().is_ok();
    if !opened {
        data.zeroize();
    }
    opened
}

fn run(context: &mut CipherCtx, associated: &[u8], data: &mut [u8]) -> Result<(), ErrorStack> {
    context.cipher_update(associated, None)?;
    context.cipher_update_inplace(data, data.len())?;
    context.cipher_final(&mut [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// Test cases 13 to 16 of McGrew and Viega's specification, which NIST took over.
    #[test]
    fn known_answers() {
        let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
        let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                     b16aedf5aa0de657ba637b391aafd255";
        let sealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
                      c5f61e6393ba7a0abcc9f662898015ad";
        let zero = "00".repeat(32);
        for (key, nonce, associated, plain, sealed, tag) in [
            (&*zero, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
            (
                &*zero,
                "000000000000000000000000",
                "",
                "00000000000000000000000000000000",
                "cea7403d4d606b6e074ec5d3baf39d18",
                "d0d1c8a799996bf0265b98b5d48ab919",
            ),
            (key, "cafebabefacedbaddecaf888", "", plain, sealed, "b094dac5d93471bdec1a502270e3cc6c"),
            (
                key,
                "cafebabefacedbaddecaf888",
                "feedfacedeadbeeffeedfacedeadbeefabaddad2",
                &plain[..120],
                &sealed[..120],
                "76fc6ece0f4e1768cddf8853bb2d551b",
            ),
        ] {
            let (key, nonce, tag) = (octets(key), octets(nonce), octets::<16>(tag));
            let [associated, plain, sealed] = [associated, plain, sealed].map(|text| hex::decode(text).unwrap());
            let mut data = plain.clone();
            assert_eq!(gcm_seal(&key, &nonce, &associated, &mut data), Ok(tag));
            assert_eq!(data, sealed);
            assert!(gcm_open(&key, &nonce, &associated, &mut data, &tag));
            assert_eq!(data, plain);
        }
    }

    #[test]
    fn what_was_changed_is_wiped() {
        let (key, nonce) = ([1; 32], [2; 12]);
        let mut sealed = b"document".to_vec();
        let tag = gcm_seal(&key, &nonce, b"name", &mut sealed).unwrap();
        let refused = |key: [u8; 32], nonce: [u8; 12], associated: &[u8], mut data: Vec<u8>, tag: [u8; 16]| {
            assert!(!gcm_open(&key, &nonce, associated, &mut data, &tag));
            assert!(data.iter().all(|octet| *octet == 0));
        };
        refused([3; 32], nonce, b"name", sealed.clone(), tag);
        refused(key, [3; 12], b"name", sealed.clone(), tag);
        refused(key, nonce, b"nam", sealed.clone(), tag);
        refused(key, nonce, b"name", sealed[..7].to_vec(), tag);
        for bit in 0..8 * sealed.len() {
            let mut data = sealed.clone();
            data[bit / 8] ^= 1 << (bit % 8);
            refused(key, nonce, b"name", data, tag);
        }
        for bit in 0..8 * tag.len() {
            let mut tag = tag;
            tag[bit / 8] ^= 1 << (bit % 8);
            refused(key, nonce, b"name", sealed.clone(), tag);
        }
    }
}
