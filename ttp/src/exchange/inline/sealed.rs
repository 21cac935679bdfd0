//! How an item is sealed that the arbiter is not to keep in the clear.
//!
//! ```text
//! C   = 01 ‖ iv[12] ‖ AES-256-GCM(K, iv, item, "semper/inline/1/content" ‖ x ‖ side) ‖ tag[16]       side: 00 originator, 01 responder
//! hk  = h("semper/inline/1/key" ‖ 00 ‖ K)
//! ctx = h("semper/inline/1/escrow" ‖ 00 ‖ x ‖ side ‖ c_sha256 ‖ item_sha256 ‖ hk) = apv of the escrow; apu = the depositor's key
//! ```
//!
//! Both bear `x`, which a delivery's escrow cannot: it covers the parties, their arbiter and both descriptions. So neither ciphertext nor
//! escrow of one run or side opens in another.

use zeroize::Zeroizing;

use crate::crypto::{CryptoFault, Entropy, SecretKey};
use crate::digest::Digest;
use crate::exchange::content;
use crate::statement::exchange::Side;

/// Octets by which a sealed item is longer than the item.
pub const OVERHEAD: usize = content::OVERHEAD;

/// The hash of an item's key.
#[must_use]
pub fn key_hash(key: &SecretKey) -> Digest {
    Digest::of(&[b"semper/inline/1/key\0", &key.expose()[..]].concat())
}

/// What the escrow of a deposit is sealed for.
#[must_use]
pub fn escrow_context(x: &Digest, side: Side, c_sha256: &Digest, item_sha256: &Digest, hk: &Digest) -> Digest {
    let named = [x, c_sha256, item_sha256, hk].map(|digest| digest.0);
    let [x, rest @ ..] = &named;
    Digest::of(&[b"semper/inline/1/escrow\0", &x[..], &[octet(side)], &rest.concat()[..]].concat())
}

/// What the arbiter seals a deposited item for that it keeps itself.
#[must_use]
pub fn deposit_context(x: &Digest, side: Side) -> Digest {
    Digest::of(&[b"semper/inline/1/deposit\0", &x.0[..], &[octet(side)]].concat())
}

/// Seals an item; gives C.
///
/// # Errors
/// libcrypto, no randomness.
pub fn seal_item(
    key: &SecretKey,
    x: &Digest,
    side: Side,
    item: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoFault> {
    content::seal(key, &associated(x, side), &[item], entropy)
}

/// Opens one; `None` if it is not of this key, run and side.
#[must_use]
pub fn open_item(key: &SecretKey, x: &Digest, side: Side, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    content::open(key, &associated(x, side), sealed)
}

fn associated(x: &Digest, side: Side) -> Vec<u8> {
    [b"semper/inline/1/content", &x.0[..], &[octet(side)]].concat()
}

const fn octet(side: Side) -> u8 {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}
