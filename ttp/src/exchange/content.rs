//! How content is sealed in every protocol: `C = 01 ‖ iv[12] ‖ AES-256-GCM(K, iv, P, associated data) ‖ tag[16]`. What the associated data
//! binds it to is each protocol's own.

use zeroize::Zeroizing;

use crate::crypto::{CryptoFault, Entropy, GCM_NONCE_BYTES, GCM_TAG_BYTES, SecretKey, gcm_open, gcm_seal};

/// The first octet of a sealed content.
const VERSION: u8 = 1;

/// Octets by which a sealed content is longer than what it seals.
pub(super) const OVERHEAD: usize = 1 + GCM_NONCE_BYTES + GCM_TAG_BYTES;

/// Seals the parts, one behind the other.
///
/// # Errors
/// libcrypto, no randomness.
pub(super) fn seal(
    key: &SecretKey,
    associated: &[u8],
    parts: &[&[u8]],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoFault> {
    let mut iv = [0; GCM_NONCE_BYTES];
    entropy.fill(&mut iv).map_err(|_| CryptoFault { action: "drawing a nonce" })?;
    let inner: usize = parts.iter().map(|part| part.len()).sum();
    let mut content = Vec::with_capacity(inner + OVERHEAD);
    content.push(VERSION);
    content.extend_from_slice(&iv);
    parts.iter().for_each(|part| content.extend_from_slice(part));
    let tag = gcm_seal(key.expose(), &iv, associated, &mut content[1 + GCM_NONCE_BYTES..])?;
    content.extend_from_slice(&tag);
    Ok(content)
}

/// Opens what was sealed; `None` if it is not of this key and this associated data.
pub(super) fn open(key: &SecretKey, associated: &[u8], content: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let inner = content.len().checked_sub(OVERHEAD)?;
    let (head, rest) = content.split_at(1 + GCM_NONCE_BYTES);
    let (sealed, tag) = rest.split_at(inner);
    let (&version, iv) = head.split_first()?;
    let (iv, tag) = (iv.try_into().ok()?, tag.try_into().ok()?);
    let mut plain = Zeroizing::new(sealed.to_vec());
    (version == VERSION && gcm_open(key.expose(), iv, associated, &mut plain, tag)).then_some(plain)
}
