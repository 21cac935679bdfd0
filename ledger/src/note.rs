//! C2SP signed notes and verifier keys (c2sp.org/signed-note).
//!
//! ```text
//! <text, ends in LF>
//! <empty line>
//! — <key name> <base64(key ID, 4 bytes BE ‖ signature)>      one line a signature, U+2014 first
//! ```
//!
//! The signed bytes are the text with its final LF, without the empty line; the text ends at the *last* empty line.
//! Unknown (name, ID) pairs are ignored, even when one half matches; a known key with a bad signature rejects the whole
//! note; so does a note that no known key signed.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::{
    cosignature,
    merkle::sha256,
    port::{Algorithm, Signature, Signer, SigningFailed, Verifier},
};

/// Signature lines that a note may carry; more is refused before anything is verified.
pub const SIGNATURES_MAX: usize = 64;

/// The longest note that is read, in bytes.
pub const NOTE_BYTES_MAX: usize = 1 << 20;

/// Type byte of an Ed25519 log key.
pub const TYPE_ED25519: u8 = 0x01;
/// Type byte of a witness's cosignature/v1 key.
pub const TYPE_COSIGNATURE_V1: u8 = 0x04;

/// A public key with the name it signs under: `name+hex8(key ID)+base64(type ‖ key)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    kind: u8,
    key: Vec<u8>,
}

/// Text that is not a verifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not `name+id+key`.
    #[error("a verifier key has the form name+hex8(key ID)+base64(type and key)")]
    Shape,
    /// The name is empty or holds a space or `+`.
    #[error("the key's name is empty or holds a space or +")]
    Name,
    /// The key ID is not the hash of name and key.
    #[error("the key ID does not belong to this name and key")]
    Id,
    /// A type that is not Ed25519 (0x01) or cosignature/v1 (0x04), or a key of wrong length.
    #[error("key type {0:#04x} is not one that this program verifies")]
    Type(u8),
}

impl VerifierKey {
    /// An Ed25519 log key.
    pub fn ed25519(name: &str, key: &[u8]) -> Result<Self, BadKey> {
        Self::new(name, TYPE_ED25519, key)
    }

    /// A witness's key for [`cosignature`]s.
    pub fn cosignature_v1(name: &str, key: &[u8]) -> Result<Self, BadKey> {
        Self::new(name, TYPE_COSIGNATURE_V1, key)
    }

    fn new(name: &str, kind: u8, key: &[u8]) -> Result<Self, BadKey> {
        if !valid_name(name) {
            return Err(BadKey::Name);
        }
        if !matches!(kind, TYPE_ED25519 | TYPE_COSIGNATURE_V1) || key.len() != 32 {
            return Err(BadKey::Type(kind));
        }
        Ok(Self { name: name.to_owned(), id: key_id(name, kind, key), kind, key: key.to_vec() })
    }

    /// Reads a verifier key; only the first two `+` separate, base64 may hold more.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadKey::Shape);
        };
        let key = BASE64.decode(key).map_err(|_| BadKey::Shape)?;
        let (kind, key) = key.split_first().ok_or(BadKey::Shape)?;
        let parsed = Self::new(name, *kind, key)?;
        if hex::encode(parsed.id) == id { Ok(parsed) } else { Err(BadKey::Id) }
    }

    /// The name it signs under; for a log key, the origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of H(name ‖ LF ‖ type ‖ key).
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The type byte.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// True if a line claims to be by this key; whether it is, its signature tells.
    pub fn made(&self, line: &SignatureLine) -> bool {
        self.name == line.name && self.id == line.id
    }

    /// The raw public key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64.encode([&[self.kind], &self.key[..]].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id))
    }
}

fn key_id(name: &str, kind: u8, key: &[u8]) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[kind], key].concat());
    [hash[0], hash[1], hash[2], hash[3]]
}

fn valid_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c.is_control())
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine {
    /// Key name.
    pub name: String,
    /// Key ID.
    pub id: [u8; 4],
    /// What follows the ID; its form depends on the key's type.
    pub signature: Vec<u8>,
}

impl fmt::Display for SignatureLine {
    /// The line with its LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "— {} {}", self.name, BASE64.encode([&self.id[..], &self.signature].concat()))
    }
}

/// A note as read: nothing in it is trusted before [`Note::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The signed text, with its final LF.
    pub text: String,
    /// The lines below the empty line, in their order.
    pub signatures: Vec<SignatureLine>,
}

/// Bytes that are not a note, or a note that nobody known signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// Not a text, an empty line and signature lines.
    #[error("not a signed note")]
    Shape,
    /// More signature lines or bytes than are read.
    #[error("the note is too large")]
    TooLarge,
    /// A key that is known did not make the signature that bears its name.
    #[error("a known key's signature is wrong")]
    BadSignature,
    /// No line is by a known key.
    #[error("no known key signed this note")]
    Unsigned,
}

impl Note {
    /// Splits a note; checks form only.
    pub fn parse(note: &str) -> Result<Self, BadNote> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(BadNote::TooLarge);
        }
        if note.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(BadNote::Shape);
        }
        let split = note.rfind("\n\n").ok_or(BadNote::Shape)?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(BadNote::Shape)?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(BadNote::TooLarge);
            }
            let (name, blob) = line.strip_prefix("— ").and_then(|l| l.split_once(' ')).ok_or(BadNote::Shape)?;
            let blob = BASE64.decode(blob).map_err(|_| BadNote::Shape)?;
            let (id, signature) = blob.split_first_chunk::<4>().ok_or(BadNote::Shape)?;
            if !valid_name(name) || signature.is_empty() {
                return Err(BadNote::Shape);
            }
            signatures.push(SignatureLine { name: name.to_owned(), id: *id, signature: signature.to_vec() });
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Checks every signature by a key in `keys`; gives the keys that signed, at least one.
    pub fn verify<'k>(
        &self,
        keys: &'k [VerifierKey],
        verifier: &dyn Verifier,
    ) -> Result<Vec<&'k VerifierKey>, BadNote> {
        let mut signed = Vec::new();
        for line in &self.signatures {
            let Some(key) = keys.iter().find(|key| key.made(line)) else { continue };
            let message = match key.kind {
                TYPE_ED25519 => Some((self.text.as_bytes().to_vec(), line.signature.as_slice())),
                _ => cosignature::claimed(&self.text, &line.signature),
            };
            let good = message.is_some_and(|(message, signature)| {
                Signature::try_from(signature)
                    .is_ok_and(|signature| verifier.verify(Algorithm::Ed25519, &key.key, &message, &signature))
            });
            if !good {
                return Err(BadNote::BadSignature);
            }
            if !signed.contains(&key) {
                signed.push(key);
            }
        }
        if signed.is_empty() { Err(BadNote::Unsigned) } else { Ok(signed) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| line.fmt(f))
    }
}

/// Signs notes under one name with an Ed25519 key.
pub struct NoteSigner {
    key: VerifierKey,
    signer: std::sync::Arc<dyn Signer>,
}

impl NoteSigner {
    /// A log signer: `name` is the origin.
    pub fn new(name: &str, signer: std::sync::Arc<dyn Signer>) -> Result<Self, BadKey> {
        if signer.algorithm() != Algorithm::Ed25519 {
            return Err(BadKey::Type(0x02));
        }
        Ok(Self { key: VerifierKey::ed25519(name, &signer.public_key())?, signer })
    }

    /// The key that verifies what this signs.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// The bare signature over `text`, which ends in LF.
    pub fn sign(&self, text: &str) -> Result<Signature, SigningFailed> {
        self.signer.sign(text.as_bytes())
    }

    /// The line that carries `signature`.
    pub fn line(&self, signature: &Signature) -> SignatureLine {
        SignatureLine { name: self.key.name.clone(), id: self.key.id, signature: signature.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Ed25519, TestVerifier};

    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    #[test]
    fn published_vector() {
        let key = VerifierKey::parse(VKEY).unwrap();
        assert_eq!(key.to_string(), VKEY);
        let note = Note::parse(NOTE).unwrap();
        assert_eq!(note.to_string(), NOTE);
        assert_eq!(note.verify(std::slice::from_ref(&key), &TestVerifier).unwrap(), [&key]);
        let witness = VerifierKey::new(&key.name, TYPE_COSIGNATURE_V1, &key.key).unwrap();
        assert_eq!(witness.to_string(), "example.com/foo+7c264079+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
    }

    #[test]
    fn keys_that_are_none() {
        for (text, why) in [
            ("", BadKey::Shape),
            ("example.com/foo", BadKey::Shape),
            ("example.com/foo+530d903a+?", BadKey::Shape),
            ("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", BadKey::Id),
            ("example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", BadKey::Id),
            ("a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", BadKey::Name),
            ("+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", BadKey::Name),
            ("example.com/foo+530d903a+AQ==", BadKey::Type(1)),
            ("example.com/foo+530d903a+/w==", BadKey::Type(0xff)),
        ] {
            assert_eq!(VerifierKey::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn unknown_lines_are_ignored_and_known_bad_ones_reject() {
        let (mine, other) = (Ed25519::note_signer("log", 1), Ed25519::note_signer("log", 2));
        let text = "log\n1\n".to_owned();
        let line = |by: &NoteSigner, text: &str| by.line(&by.sign(text).unwrap());
        let note = |signatures| Note { text: text.clone(), signatures };
        let keys = [mine.verifier_key().clone()];
        let good = note(vec![line(&other, &text), line(&mine, &text)]);
        assert_eq!(good.verify(&keys, &TestVerifier).unwrap().len(), 1);
        assert_eq!(note(vec![line(&other, &text)]).verify(&keys, &TestVerifier), Err(BadNote::Unsigned));
        let bad = note(vec![line(&mine, &text), line(&mine, "log\n2\n")]);
        assert_eq!(bad.verify(&keys, &TestVerifier), Err(BadNote::BadSignature));
        let mut short = line(&mine, &text);
        short.signature.pop();
        assert_eq!(note(vec![short]).verify(&keys, &TestVerifier), Err(BadNote::BadSignature));
    }

    #[test]
    fn text_that_is_no_note() {
        let line = "— a AAAAAAA=\n";
        assert!(Note::parse(&format!("t\n\n{line}")).is_ok());
        assert_eq!(Note::parse(&format!("t\n\n{}", line.repeat(65))), Err(BadNote::TooLarge));
        assert!(Note::parse(&format!("a\n\nb\n\n{line}")).is_ok_and(|note| note.text == "a\n\nb\n"), "last empty line");
        for text in [
            "",
            "t\n",
            "t\n\n",
            "t\n\n— a AAAAAAA=",
            "t\n\n- a AAAAAAA=\n",
            "t\n\n— a AAAA\n",
            "t\r\n\n— a AAAAAAA=\n",
            "t\n\n—  AAAAAAA=\n",
            "t\n\n— a !\n",
        ] {
            assert_eq!(Note::parse(text), Err(BadNote::Shape), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,40}(\n\n)?(— [a-z]{0,3} [A-Za-z0-9+/=]{0,20}\n){0,3}") {
            if let Ok(note) = Note::parse(&text) {
                prop_assert!(note.verify(&[], &TestVerifier).is_err());
                prop_assert_eq!(Note::parse(&note.to_string()), Ok(note));
            }
        }
    }
}
