//! Sealed documents, octet for octet.
//!
//! ```text
//! header   F5 'S' 'E' 'A' 'L' ‖ format (1) ‖ key id (16) ‖ prefix (7, random)
//! chunk    AES-256-GCM of 1 MiB of the content, of the last chunk of what is left ‖ tag (16)        once or more
//!          nonce       prefix ‖ chunk number u32 ‖ 1 in the last chunk, else 0
//!          associated  object id (32) ‖ version u32
//!          key         HMAC-SHA-256(data key, "semper sealed document 1" ‖ object id ‖ version u32)
//! ```
//!
//! Numbers are big endian. Empty content is one empty chunk; behind others there is none, so that content has one number of
//! chunks. The number in the nonce tells chunks from each other and the flag the last one, so that none can be lost, swapped or
//! repeated, nor the end cut off; the key and what is associated keep out chunks of other documents.
//!
//! **Why a key for each document.** All that is kept about one party lies under one data key. Seven random octets of prefix
//! would be equal for two of 2^28 documents of one key, and a nonce that comes twice breaks GCM; so the data key itself encrypts
//! nothing, and a prefix has to differ only from those of the same document sealed again.
//!
//! The first octet begins no UTF-8 text, and no DER that we keep: what is sealed is told from everything else that may be an
//! artefact.

use zeroize::Zeroizing;

use super::{Content, DataKey, DataKeyId, Object, VaultFault};
use crate::crypto::{CryptoFault, Entropy, GCM_NONCE_BYTES, GCM_TAG_BYTES, gcm_open, gcm_seal, hmac_sha256};

/// Octets of content in every chunk but the last.
pub const CHUNK_BYTES: usize = 1 << 20;

/// The longest content: 1 GiB, a thousandth of what numbers of chunks would do for, since all of it lies in memory. The archive
/// keeps larger objects in pieces.
pub const CONTENT_BYTES_MAX: usize = 1 << 30;

/// Octets before the first chunk.
pub const HEADER_BYTES: usize = 29;

const MAGIC: [u8; 5] = *b"\xF5SEAL";
const FORMAT: u8 = 1;
const PREFIX_BYTES: usize = 7;
const LABEL: &[u8] = b"semper sealed document 1";

/// Octets of a chunk as sealed.
const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + GCM_TAG_BYTES;

/// How many octets content of `content_bytes` has when it is sealed.
#[must_use]
pub const fn sealed_bytes(content_bytes: usize) -> usize {
    HEADER_BYTES + content_bytes + GCM_TAG_BYTES * chunks_of(content_bytes)
}

const fn chunks_of(content_bytes: usize) -> usize {
    match content_bytes.div_ceil(CHUNK_BYTES) {
        0 => 1,
        chunks => chunks,
    }
}

/// The name of the key under which this was sealed; `None` if it is not sealed.
#[must_use]
pub fn key_of(sealed: &[u8]) -> Option<DataKeyId> {
    let (key, _) = read_header(sealed)?;
    // A chunk holds its tag at the least.
    (sealed.len() >= HEADER_BYTES + GCM_TAG_BYTES).then_some(key)
}

/// Seals a document.
///
/// # Errors
/// [`VaultFault::TooLarge`]; libcrypto, no randomness.
pub fn seal(content: &[u8], key: &DataKey, object: Object, entropy: &dyn Entropy) -> Result<Vec<u8>, VaultFault> {
    if content.len() > CONTENT_BYTES_MAX {
        return Err(VaultFault::TooLarge { bytes: content.len() });
    }
    let mut prefix = [0; PREFIX_BYTES];
    entropy.fill(&mut prefix)?;
    let chunks = Chunks::new(key, object, prefix)?;
    let mut sealed = Vec::with_capacity(sealed_bytes(content.len()));
    sealed.extend_from_slice(&MAGIC);
    sealed.push(FORMAT);
    sealed.extend_from_slice(&key.id.0);
    sealed.extend_from_slice(&prefix);
    let last = chunks_of(content.len()) - 1;
    for number in 0..=last {
        let plain = &content[number * CHUNK_BYTES..];
        let at = sealed.len();
        sealed.extend_from_slice(&plain[..plain.len().min(CHUNK_BYTES)]);
        let nonce = chunks.nonce(number, number == last);
        let tag = gcm_seal(&chunks.key, &nonce, &chunks.associated, &mut sealed[at..])?;
        sealed.extend_from_slice(&tag);
    }
    Ok(sealed)
}

/// Opens a document where it lies: what is given back has the memory of what was sealed.
///
/// # Errors
/// [`VaultFault::NotSealed`], [`VaultFault::OtherKey`], [`VaultFault::Damaged`]; libcrypto.
pub fn open(sealed: Vec<u8>, key: &DataKey, object: Object) -> Result<Content, VaultFault> {
    let mut octets = Zeroizing::new(sealed);
    let (id, prefix) = read_header(&octets).ok_or(VaultFault::NotSealed)?;
    if id != key.id {
        return Err(VaultFault::OtherKey(id));
    }
    let chunks = Chunks::new(key, object, prefix)?;
    let body = octets.len() - HEADER_BYTES;
    let last = body.div_ceil(SEALED_CHUNK_BYTES).checked_sub(1).ok_or(VaultFault::Damaged)?;
    if last >= chunks_of(CONTENT_BYTES_MAX) {
        return Err(VaultFault::Damaged);
    }
    let mut opened = 0;
    for number in 0..=last {
        let at = HEADER_BYTES + number * SEALED_CHUNK_BYTES;
        let end = octets.len().min(at + SEALED_CHUNK_BYTES);
        let (data, tag) = octets[at..end].split_last_chunk_mut::<GCM_TAG_BYTES>().ok_or(VaultFault::Damaged)?;
        // An empty chunk is that of empty content and of no other.
        let is_surplus = data.is_empty() && number > 0;
        let nonce = chunks.nonce(number, number == last);
        if is_surplus || !gcm_open(&chunks.key, &nonce, &chunks.associated, data, tag) {
            return Err(VaultFault::Damaged);
        }
        let length = data.len();
        octets.copy_within(at..at + length, opened);
        opened += length;
    }
    octets.truncate(opened);
    Ok(octets)
}

fn read_header(sealed: &[u8]) -> Option<(DataKeyId, [u8; PREFIX_BYTES])> {
    let rest = sealed.strip_prefix(&MAGIC)?.strip_prefix(&[FORMAT])?;
    let (key, rest) = rest.split_first_chunk::<16>()?;
    let (prefix, _) = rest.split_first_chunk::<PREFIX_BYTES>()?;
    Some((DataKeyId(*key), *prefix))
}

/// What all chunks of a document have in common.
struct Chunks {
    key: Zeroizing<[u8; 32]>,
    prefix: [u8; PREFIX_BYTES],
    associated: [u8; 36],
}

impl Chunks {
    fn new(key: &DataKey, object: Object, prefix: [u8; PREFIX_BYTES]) -> Result<Self, CryptoFault> {
        let associated = object.octets();
        let derived = Zeroizing::new(hmac_sha256(&*key.key, &[LABEL, &associated].concat())?);
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&derived);
        Ok(Self { key, prefix, associated })
    }

    /// `number` is below 2^32: the content's bound sees to it.
    fn nonce(&self, number: usize, last: bool) -> [u8; GCM_NONCE_BYTES] {
        let mut nonce = [0; GCM_NONCE_BYTES];
        nonce[..PREFIX_BYTES].copy_from_slice(&self.prefix);
        nonce[PREFIX_BYTES..11].copy_from_slice(&(number as u32).to_be_bytes());
        nonce[11] = u8::from(last);
        nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{EntropyFault, SeededEntropy};

    const OBJECT: Object = Object { id: [3; 32], version: 1 };

    fn key(seed: u8) -> DataKey {
        DataKey { id: DataKeyId([seed; 16]), key: Zeroizing::new([seed + 1; 32]) }
    }

    fn sealed(content: &[u8]) -> Vec<u8> {
        seal(content, &key(1), OBJECT, &SeededEntropy::new(1)).unwrap()
    }

    fn check(sealed: Vec<u8>, expected: Result<&[u8], VaultFault>) {
        let opened = open(sealed, &key(1), OBJECT);
        assert_eq!(opened.as_ref().map(|content| &***content), expected.as_ref().map(|content| *content));
    }

    /// As another program computes it (Python's `cryptography`): header, then ciphertext, then tag.
    #[test]
    fn its_octets() {
        struct Sevens;
        impl Entropy for Sevens {
            fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFault> {
                out.fill(7);
                Ok(())
            }
        }
        for (content, due) in [
            (&b""[..], "770fa031ed45bb0d29030341634292a0"),
            (b"Kaufvertrag", "8c72930c061e0505064a7517be343fa98915d9d25866273e0ace5c"),
        ] {
            let sealed = seal(content, &key(1), OBJECT, &Sevens).unwrap();
            let header = format!("f55345414c01{}{}", "01".repeat(16), "07".repeat(7));
            assert_eq!(hex::encode(&sealed), format!("{header}{due}"));
            check(sealed, Ok(content));
        }
    }

    #[test]
    fn content_of_every_length_comes_back() {
        let mut content = vec![0; 2 * CHUNK_BYTES + 1];
        SeededEntropy::new(5).fill(&mut content).unwrap();
        for length in [0, 1, 15, 16, 17, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, content.len()]
        {
            let sealed = sealed(&content[..length]);
            assert_eq!(sealed.len(), sealed_bytes(length), "{length}");
            assert_eq!(key_of(&sealed), Some(key(1).id()));
            let memory = sealed.as_ptr();
            let opened = open(sealed, &key(1), OBJECT).unwrap();
            assert!(*opened == content[..length], "{length}");
            assert_eq!(opened.as_ptr(), memory, "opened where it lay");
        }
    }

    #[test]
    fn every_changed_bit_is_found() {
        let good = sealed(b"what was agreed");
        for bit in 0..8 * good.len() {
            let mut changed = good.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let fault = match bit / 8 {
                0..6 => VaultFault::NotSealed,
                6..22 => VaultFault::OtherKey(key_of(&changed).unwrap()),
                _ => VaultFault::Damaged,
            };
            check(changed, Err(fault));
        }
        for length in 0..good.len() {
            let fault = if length < HEADER_BYTES { VaultFault::NotSealed } else { VaultFault::Damaged };
            check(good[..length].to_vec(), Err(fault));
            assert_eq!(key_of(&good[..length]).is_some(), length >= HEADER_BYTES + GCM_TAG_BYTES);
        }
        check([&good[..], &[0]].concat(), Err(VaultFault::Damaged));
        assert_eq!(key_of(b"{}"), None);
    }

    #[test]
    fn another_document_version_or_key_does_not_open() {
        let good = sealed(b"what was agreed");
        let open = |key: &DataKey, object| open(good.clone(), key, object).err();
        assert_eq!(open(&key(1), Object { id: [4; 32], ..OBJECT }), Some(VaultFault::Damaged));
        assert_eq!(open(&key(1), Object { version: 2, ..OBJECT }), Some(VaultFault::Damaged));
        assert_eq!(open(&key(2), OBJECT), Some(VaultFault::OtherKey(key(1).id())));
        // A key that says it were the one.
        assert_eq!(open(&DataKey { id: key(1).id(), ..key(2) }, OBJECT), Some(VaultFault::Damaged));
        assert_ne!(good, seal(b"what was agreed", &key(1), OBJECT, &SeededEntropy::new(2)).unwrap());
    }

    /// Whole chunks, each of which is sound by itself.
    #[test]
    fn chunks_are_not_moved() {
        let content = vec![9; 3 * CHUNK_BYTES];
        let good = sealed(&content);
        let (header, body) = good.split_at(HEADER_BYTES);
        let chunks: Vec<_> = body.chunks(SEALED_CHUNK_BYTES).collect();
        let [a, b, c] = chunks[..] else { panic!("three chunks") };
        let other = seal(&content, &key(1), Object { version: 2, ..OBJECT }, &SeededEntropy::new(1)).unwrap();
        let foreign = &other[HEADER_BYTES..][..SEALED_CHUNK_BYTES];
        check(good.clone(), Ok(&content));
        let empty = &sealed(b"")[HEADER_BYTES..];
        for (what, chunks) in [
            ("swapped", &[b, a, c][..]),
            ("the last one first", &[c, a, b]),
            ("lost", &[a, c]),
            ("the first lost", &[b, c]),
            ("the end cut off", &[a, b]),
            ("all but one cut off", &[a]),
            ("none left", &[]),
            ("repeated", &[a, b, b, c]),
            ("the last repeated", &[a, b, c, c]),
            ("of another document", &[foreign, b, c]),
            ("an empty one behind", &[a, b, c, empty]),
        ] {
            let moved = [&[header], chunks].concat().concat();
            assert_eq!(open(moved, &key(1), OBJECT).err(), Some(VaultFault::Damaged), "{what}");
        }
    }

    /// What this program never writes, although its tags fit: an empty chunk behind a full one.
    #[test]
    fn an_empty_end_is_refused() {
        let content = vec![9; CHUNK_BYTES];
        let chunks = Chunks::new(&key(1), OBJECT, [0; 7]).unwrap();
        let mut data = content.clone();
        let tag = gcm_seal(&chunks.key, &chunks.nonce(0, false), &chunks.associated, &mut data).unwrap();
        let end = gcm_seal(&chunks.key, &chunks.nonce(1, true), &chunks.associated, &mut []).unwrap();
        let header = [&MAGIC[..], &[FORMAT], &[1; 16], &[0; 7]].concat();
        check([&header[..], &data, &tag, &end].concat(), Err(VaultFault::Damaged));
    }
}
