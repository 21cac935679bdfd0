//! Encryption to a recipient who is not here: the file format age v1 (c2sp.org/age), X25519 recipients only.
//!
//! ```text
//! age-encryption.org/v1
//! -> X25519 <base64 of an ephemeral share>         one stanza for each recipient
//! <base64 of the file key, wrapped>
//! --- <base64 of HMAC(file key, all above)>
//! nonce (16) ‖ chunks of 64 KiB, each ChaCha20-Poly1305 with a counter and a last-chunk flag in its nonce
//! ```
//!
//! Whoever writes needs the recipient (`age1…`) only and cannot read what was written. Whoever holds the identity
//! (`AGE-SECRET-KEY-1…`) reads it with Debian's `age` as well as with us. The format authenticates nobody: everybody can
//! write to a recipient.
//!
//! **Why not the crate of that name.** It is permissive and kept, and it brings some seventy crates along, among them a
//! second implementation of every primitive that libcrypto has, a pre-release, and four crates for translations. The part
//! of the format that is needed is this file; `age` and `pyrage` judge it (`tests/tests/backup.rs`).
//!
//! In scope: header and chunks as bytes. Out of scope: files, passphrases and plugins as recipients, armour.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use openssl::derive::Deriver;
use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, Private};
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use zeroize::Zeroizing;

use super::{CryptoFault, Entropy, EntropyFault, hmac_sha256};

/// Plain bytes of every chunk but the last.
pub const CHUNK_BYTES: usize = 64 << 10;
/// What a chunk grows by: the tag of Poly1305.
pub const TAG_BYTES: usize = 16;
/// The longest header that is read. Ours has one stanza of 140 bytes for each recipient.
pub const HEADER_BYTES_MAX: usize = 16 << 10;

const VERSION_LINE: &str = "age-encryption.org/v1";
const NONCE_BYTES: usize = 16;
const FILE_KEY_BYTES: usize = 16;
/// A line of a stanza's body that is this long is not the last one.
const BODY_COLUMNS: usize = 64;

/// Why something is not encrypted, or not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgeFault {
    /// Not the name of a recipient.
    #[error("a recipient is written age1…, as age-keygen prints it")]
    Recipient,
    /// Not an identity.
    #[error("an identity is written AGE-SECRET-KEY-1…, as age-keygen writes it")]
    Identity,
    /// A file of keys without any.
    #[error("there is no key in it")]
    NoKey,
    /// Not an age file.
    #[error("it is not in the format age v1")]
    Format,
    /// It is for somebody else.
    #[error("it was not encrypted to this identity")]
    NotForUs,
    /// The header, a chunk or the end is not what was written.
    #[error("it was changed or cut")]
    Damaged,
    /// libcrypto.
    #[error(transparent)]
    Crypto(#[from] CryptoFault),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyFault),
}

/// To whom: a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode("age", &self.0))
    }
}

impl FromStr for Recipient {
    type Err = AgeFault;

    fn from_str(text: &str) -> Result<Self, AgeFault> {
        bech32::decode("age", text).map(Self).ok_or(AgeFault::Recipient)
    }
}

/// Who reads: a private key.
#[derive(Clone)]
pub struct Identity(Zeroizing<[u8; 32]>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

impl FromStr for Identity {
    type Err = AgeFault;

    fn from_str(text: &str) -> Result<Self, AgeFault> {
        // Written in capitals only, so that it does not pass for a recipient.
        let lower = Zeroizing::new(text.to_ascii_lowercase());
        let upper = !text.bytes().any(|byte| byte.is_ascii_lowercase());
        let key = bech32::decode("age-secret-key-", &lower).filter(|_| upper);
        key.map(|key| Self(Zeroizing::new(key))).ok_or(AgeFault::Identity)
    }
}

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// No randomness.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, AgeFault> {
        let mut key = Zeroizing::new([0; 32]);
        entropy.fill(&mut *key)?;
        Ok(Self(key))
    }

    /// As a file of identities has it. Callers write it into such a file and nowhere else.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(
            bech32::encode("age-secret-key-", &self.0[..].try_into().expect("32 bytes")).to_ascii_uppercase(),
        )
    }

    /// Whom to encrypt to, so that this identity can read.
    ///
    /// # Errors
    /// libcrypto.
    pub fn recipient(&self) -> Result<Recipient, AgeFault> {
        public_of(&private(&self.0)?).map(Recipient)
    }

    /// The file key in a stanza for this identity; `None` in one for another.
    fn unwrap(&self, share: &[u8; 32], body: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, AgeFault> {
        let key = private(&self.0)?;
        // A share of low order gives a secret that everybody knows: libcrypto refuses it.
        let Ok(shared) = agree(&key, share) else { return Ok(None) };
        let wrap = wrap_key(&shared, share, &public_of(&key)?)?;
        Ok(open_aead(&wrap, &[0; 12], body).filter(|key| key.len() == FILE_KEY_BYTES))
    }
}

/// The recipients in a text: one a line, `#` comments and empty lines between them.
///
/// # Errors
/// A line is none, or there is none.
pub fn parse_recipients(text: &str) -> Result<Vec<Recipient>, AgeFault> {
    parse_lines(text)
}

/// The identities in a file, as `age-keygen` writes it.
///
/// # Errors
/// A line is none, or there is none.
pub fn parse_identities(text: &str) -> Result<Vec<Identity>, AgeFault> {
    parse_lines(text)
}

fn parse_lines<T: FromStr<Err = AgeFault>>(text: &str) -> Result<Vec<T>, AgeFault> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<T> = lines.map(str::parse).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(AgeFault::NoKey) } else { Ok(keys) }
}

/// Encrypts one file, chunk by chunk.
#[derive(Debug)]
pub struct Sealer(Chunks);

impl Sealer {
    /// Begins a file that each of `recipients` alone can read; gives the bytes that it starts with.
    ///
    /// # Errors
    /// No randomness, or libcrypto.
    pub fn begin(recipients: &[Recipient], entropy: &dyn Entropy) -> Result<(Self, Vec<u8>), AgeFault> {
        let mut file_key = Zeroizing::new([0; FILE_KEY_BYTES]);
        entropy.fill(&mut *file_key)?;
        let mut header = format!("{VERSION_LINE}\n");
        for recipient in recipients {
            let ephemeral = Identity::generate(entropy)?;
            let key = private(&ephemeral.0)?;
            let (share, shared) = (public_of(&key)?, agree(&key, &recipient.0)?);
            let wrap = wrap_key(&shared, &share, &recipient.0)?;
            let body = seal_aead(&wrap, &[0; 12], &*file_key)?;
            let base64 = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
            header += &format!("-> X25519 {}\n{}\n", base64(&share), base64(&body));
        }
        header += "---";
        let mac = header_mac(&*file_key, header.as_bytes())?;
        let mut bytes = format!("{header} {}\n", STANDARD_NO_PAD.encode(mac)).into_bytes();
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce)?;
        bytes.extend_from_slice(&nonce);
        Ok((Self(Chunks::new(&*file_key, &nonce)?), bytes))
    }

    /// The next chunk. Every one but the last is of [`CHUNK_BYTES`]; the last may be shorter, and empty only in an empty
    /// file.
    ///
    /// # Errors
    /// libcrypto.
    pub fn chunk(&mut self, plain: &[u8], last: bool) -> Result<Vec<u8>, AgeFault> {
        debug_assert!(plain.len() == CHUNK_BYTES || (last && plain.len() < CHUNK_BYTES));
        let nonce = self.0.next(last);
        seal_aead(&self.0.key, &nonce, plain)
    }
}

/// Decrypts one file, chunk by chunk.
#[derive(Debug)]
pub struct Opener(Chunks);

impl Opener {
    /// Reads a file's beginning, of which `start` holds [`HEADER_BYTES_MAX`] bytes or all there are; says where the chunks
    /// begin.
    ///
    /// # Errors
    /// [`AgeFault::Format`], [`AgeFault::NotForUs`], [`AgeFault::Damaged`].
    pub fn begin(start: &[u8], identities: &[Identity]) -> Result<(Self, usize), AgeFault> {
        let header = Header::parse(start).ok_or(AgeFault::Format)?;
        let mut file_key = None;
        for (share, body) in &header.stanzas {
            for identity in identities {
                if let Some(key) = identity.unwrap(share, body)? {
                    file_key = Some(key);
                }
            }
        }
        let file_key = file_key.ok_or(AgeFault::NotForUs)?;
        if !openssl::memcmp::eq(&header_mac(&file_key, header.signed)?, &header.mac) {
            return Err(AgeFault::Damaged);
        }
        Ok((Self(Chunks::new(&file_key, &header.nonce)?), header.length))
    }

    /// The plain bytes of the next chunk, which must be the file's last one exactly where `last` says so.
    ///
    /// # Errors
    /// [`AgeFault::Damaged`].
    pub fn chunk(&mut self, sealed: &[u8], last: bool) -> Result<Zeroizing<Vec<u8>>, AgeFault> {
        let first = self.0.counter == 0;
        let nonce = self.0.next(last);
        let plain = open_aead(&self.0.key, &nonce, sealed).ok_or(AgeFault::Damaged)?;
        // A file has one spelling: no empty chunk behind others.
        if plain.is_empty() && !first { Err(AgeFault::Damaged) } else { Ok(plain) }
    }
}

/// Key and counter of a file's chunks (STREAM).
struct Chunks {
    key: Zeroizing<Vec<u8>>,
    counter: u64,
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunks {{ counter: {} }}", self.counter)
    }
}

impl Chunks {
    fn new(file_key: &[u8], nonce: &[u8; NONCE_BYTES]) -> Result<Self, AgeFault> {
        Ok(Self { key: hkdf(file_key, nonce, b"payload")?, counter: 0 })
    }

    /// Eleven bytes of counter, one of flag.
    fn next(&mut self, last: bool) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.counter.to_be_bytes());
        nonce[11] = u8::from(last);
        self.counter += 1; // 2^64 chunks are no file
        nonce
    }
}

/// A header as read: the stanzas that may be ours.
struct Header<'a> {
    stanzas: Vec<([u8; 32], Vec<u8>)>,
    /// What the MAC is over.
    signed: &'a [u8],
    mac: [u8; 32],
    nonce: [u8; NONCE_BYTES],
    /// Where the chunks begin.
    length: usize,
}

impl<'a> Header<'a> {
    fn parse(start: &'a [u8]) -> Option<Self> {
        let mut at = 0;
        let mut line = || {
            let end = start[at..].iter().take(HEADER_BYTES_MAX).position(|byte| *byte == b'\n')? + at;
            let line = str::from_utf8(&start[at..end]).ok()?;
            let from = std::mem::replace(&mut at, end + 1);
            Some((from, line))
        };
        if line()?.1 != VERSION_LINE {
            return None;
        }
        let mut stanzas = Vec::new();
        loop {
            let (from, text) = line()?;
            if let Some(mac) = text.strip_prefix("--- ") {
                let mac = STANDARD_NO_PAD.decode(mac).ok()?.try_into().ok()?;
                let nonce = start.get(at..at + NONCE_BYTES)?.try_into().ok()?;
                return Some(Self { stanzas, signed: &start[..from + 3], mac, nonce, length: at + NONCE_BYTES });
            }
            let words: Vec<_> = text.strip_prefix("-> ")?.split(' ').collect();
            let mut body = String::new();
            loop {
                let (_, text) = line()?;
                body += text;
                match text.len() {
                    BODY_COLUMNS => {}
                    0..BODY_COLUMNS => break,
                    _ => return None,
                }
            }
            // Stanzas of other kinds are other people's.
            if let ["X25519", share] = words[..] {
                let share = STANDARD_NO_PAD.decode(share).ok()?.try_into().ok()?;
                stanzas.push((share, STANDARD_NO_PAD.decode(body).ok()?));
            }
        }
    }
}

fn fault(action: &'static str) -> impl Fn(ErrorStack) -> AgeFault {
    move |stack| AgeFault::Crypto(CryptoFault::from_stack(action)(stack))
}

fn private(key: &[u8; 32]) -> Result<PKey<Private>, AgeFault> {
    PKey::private_key_from_raw_bytes(key, Id::X25519).map_err(fault("reading an X25519 key"))
}

fn public_of(key: &PKey<Private>) -> Result<[u8; 32], AgeFault> {
    let public = key.raw_public_key().map_err(fault("X25519"))?;
    Ok(public.try_into().expect("an X25519 key has 32 bytes"))
}

/// The shared secret (RFC 7748 §6.1); fails where it would be zero.
fn agree(key: &PKey<Private>, share: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, AgeFault> {
    let agree = || {
        let share = PKey::public_key_from_raw_bytes(share, Id::X25519)?;
        let mut deriver = Deriver::new(key)?;
        deriver.set_peer(&share)?;
        deriver.derive_to_vec()
    };
    agree().map(Zeroizing::new).map_err(fault("X25519"))
}

fn wrap_key(shared: &[u8], share: &[u8; 32], recipient: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, AgeFault> {
    hkdf(shared, &[*share, *recipient].concat(), b"age-encryption.org/v1/X25519")
}

fn header_mac(file_key: &[u8], header: &[u8]) -> Result<Vec<u8>, AgeFault> {
    hmac_sha256(&hkdf(file_key, &[], b"header")?, header).map_err(AgeFault::from)
}

/// 32 bytes of HKDF-SHA-256 (RFC 5869): one block of output is all that is ever needed here.
fn hkdf(secret: &[u8], salt: &[u8], info: &[u8]) -> Result<Zeroizing<Vec<u8>>, AgeFault> {
    // No salt is a salt of zeros (§2.2).
    let extracted = Zeroizing::new(hmac_sha256(if salt.is_empty() { &[0; 32] } else { salt }, secret)?);
    Ok(Zeroizing::new(hmac_sha256(&extracted, &[info, &[1]].concat())?))
}

fn seal_aead(key: &[u8], nonce: &[u8; 12], plain: &[u8]) -> Result<Vec<u8>, AgeFault> {
    let mut tag = [0; TAG_BYTES];
    let sealed = encrypt_aead(Cipher::chacha20_poly1305(), key, Some(nonce), &[], plain, &mut tag);
    let mut sealed = sealed.map_err(fault("ChaCha20-Poly1305"))?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

fn open_aead(key: &[u8], nonce: &[u8; 12], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (sealed, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
    decrypt_aead(Cipher::chacha20_poly1305(), key, Some(nonce), &[], sealed, tag).ok().map(Zeroizing::new)
}

/// The spelling of keys (BIP 173), for 32 bytes and without its limit of 90 characters.
mod bech32 {
    const CHARACTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const CHECKSUM: usize = 6;

    fn polymod(values: impl Iterator<Item = u8>) -> u32 {
        const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        values.fold(1, |sum, value| {
            let top = sum >> 25;
            let next = (sum & 0x1ff_ffff) << 5 ^ u32::from(value);
            (0..5).filter(|i| top >> i & 1 == 1).fold(next, |next, i| next ^ GENERATOR[i])
        })
    }

    fn prefix(name: &str) -> impl Iterator<Item = u8> + '_ {
        name.bytes().map(|byte| byte >> 5).chain([0]).chain(name.bytes().map(|byte| byte & 31))
    }

    /// `name`, `1`, 52 characters of data, 6 of checksum.
    pub(super) fn encode(name: &str, bytes: &[u8; 32]) -> String {
        // 256 bits in fives: 51 whole ones, and one bit with four zeros.
        let bit = |n: usize| if n < 256 { bytes[n / 8] >> (7 - n % 8) & 1 } else { 0 };
        let mut values: Vec<u8> = (0..52).map(|i| (0..5).fold(0, |value, b| value << 1 | bit(5 * i + b))).collect();
        let sum = polymod(prefix(name).chain(values.iter().copied()).chain([0; CHECKSUM])) ^ 1;
        values.extend((0..CHECKSUM).map(|i| (sum >> (5 * (CHECKSUM - 1 - i)) & 31) as u8));
        let data = values.iter().map(|value| char::from(CHARACTERS[usize::from(*value)]));
        format!("{name}1{}", data.collect::<String>())
    }

    /// Reads exactly what [`encode`] writes.
    pub(super) fn decode(name: &str, text: &str) -> Option<[u8; 32]> {
        let data = text.strip_prefix(name)?.strip_prefix('1')?;
        let place = |byte| CHARACTERS.iter().position(|known| *known == byte).map(|at| at as u8);
        let values: Vec<u8> = data.bytes().map(place).collect::<Option<_>>()?;
        if values.len() != 52 + CHECKSUM {
            return None;
        }
        let bit = |n: usize| values[n / 5] >> (4 - n % 5) & 1;
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = (0..8).fold(0, |byte, b| byte << 1 | bit(8 * i + b));
        }
        (encode(name, &bytes) == text).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::SeededEntropy;
    use super::*;

    // Made by `age-keygen` 1.1.1 (Debian).
    const IDENTITY: &str = "AGE-SECRET-KEY-1EH8DHYREVHP2C5S432WE3374YXC2U87XXXJCL58Z8UWW3SFZGDLSGVUT2G";
    const RECIPIENT: &str = "age1322r7ssse9pjq306t50ckn75lh7cnmjsqcyq9xmuuuvuxck29gvq3nklq3";

    fn seal(recipients: &[Recipient], plain: &[u8]) -> Vec<u8> {
        let (mut sealer, mut bytes) = Sealer::begin(recipients, &SeededEntropy::new(7)).unwrap();
        let mut chunks = plain.chunks(CHUNK_BYTES).peekable();
        if plain.is_empty() {
            bytes.extend(sealer.chunk(&[], true).unwrap());
        }
        while let Some(chunk) = chunks.next() {
            bytes.extend(sealer.chunk(chunk, chunks.peek().is_none()).unwrap());
        }
        bytes
    }

    fn open(identities: &[Identity], bytes: &[u8]) -> Result<Vec<u8>, AgeFault> {
        let (mut opener, start) = Opener::begin(&bytes[..bytes.len().min(HEADER_BYTES_MAX)], identities)?;
        let mut plain = Vec::new();
        let mut chunks = bytes[start..].chunks(CHUNK_BYTES + TAG_BYTES).peekable();
        loop {
            let chunk = chunks.next().unwrap_or_default(); // there is always a last one
            plain.extend_from_slice(&opener.chunk(chunk, chunks.peek().is_none())?);
            if chunks.peek().is_none() {
                return Ok(plain);
            }
        }
    }

    fn identity() -> Identity {
        IDENTITY.parse().unwrap()
    }

    #[test]
    fn keys_are_spelt_as_age_spells_them() {
        assert_eq!(*identity().expose(), IDENTITY);
        assert_eq!(identity().recipient().unwrap().to_string(), RECIPIENT);
        assert_eq!(RECIPIENT.parse(), identity().recipient());
        for bad in ["", "age1", &RECIPIENT.to_uppercase(), &RECIPIENT[1..], &RECIPIENT.replace('q', "p"), IDENTITY] {
            assert_eq!(bad.parse::<Recipient>(), Err(AgeFault::Recipient), "{bad}");
        }
        for bad in ["", &IDENTITY.to_lowercase(), RECIPIENT, &IDENTITY[..70]] {
            assert_eq!(bad.parse::<Identity>().unwrap_err(), AgeFault::Identity, "{bad}");
        }
        let file = format!("# created: today\n# public key: {RECIPIENT}\n{IDENTITY}\n\n");
        assert_eq!(parse_identities(&file).unwrap().len(), 1);
        assert_eq!(parse_identities("# nothing\n").unwrap_err(), AgeFault::NoKey);
        assert_eq!(parse_recipients(RECIPIENT).unwrap(), [identity().recipient().unwrap()]);
    }

    #[test]
    fn what_is_sealed_opens_at_every_length() {
        let other = Identity::generate(&SeededEntropy::new(1)).unwrap();
        let recipients = [other.recipient().unwrap(), identity().recipient().unwrap()];
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES] {
            let plain: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let sealed = seal(&recipients, &plain);
            assert!(open(&[identity()], &sealed).unwrap() == plain, "{length}");
            assert!(open(std::slice::from_ref(&other), &sealed).unwrap() == plain, "{length}");
        }
        let stranger = Identity::generate(&SeededEntropy::new(2)).unwrap();
        assert_eq!(open(&[stranger], &seal(&recipients, b"x")), Err(AgeFault::NotForUs));
    }

    #[test]
    fn whatever_is_changed_cut_or_put_elsewhere_does_not_open() {
        let plain = vec![5; 2 * CHUNK_BYTES + 9];
        let sealed = seal(&[identity().recipient().unwrap()], &plain);
        let (_, start) = Opener::begin(&sealed[..HEADER_BYTES_MAX], &[identity()]).unwrap();
        for at in (0..start + 40).chain([start + CHUNK_BYTES + 20, sealed.len() - 1]) {
            let mut bytes = sealed.clone();
            bytes[at] ^= 1;
            assert!(open(&[identity()], &bytes).is_err(), "byte {at}");
        }
        for cut in [1, 9 + TAG_BYTES, CHUNK_BYTES, 2 * CHUNK_BYTES, sealed.len() - start, sealed.len()] {
            assert!(open(&[identity()], &sealed[..sealed.len() - cut]).is_err(), "{cut}");
        }
        let whole = CHUNK_BYTES + TAG_BYTES;
        let (first, second) = (start..start + whole, start + whole..start + 2 * whole);
        let swapped = [&sealed[..start], &sealed[second], &sealed[first], &sealed[start + 2 * whole..]].concat();
        assert_eq!(open(&[identity()], &swapped), Err(AgeFault::Damaged));
    }
}
