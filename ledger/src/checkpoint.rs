//! The signed tree head, C2SP tlog-checkpoint: origin, size and root as the text of a signed note.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::{
    merkle::Hash,
    note::{BadNote, Note, VerifierKey},
    port::Verifier,
    tile::decimal,
};

/// A tree head: this many entries of this log have this root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log: URL prefix without scheme and trailing slash, also the name of its key.
    pub origin: String,
    /// Entries in the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
}

/// A checkpoint that cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCheckpoint {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] BadNote),
    /// The text is not origin, size and root.
    #[error("not a checkpoint: the text is not origin, size and root")]
    Shape,
    /// It speaks for another log than the key that signed it.
    #[error("the checkpoint names another origin than the key that signed it")]
    Origin,
}

impl Checkpoint {
    /// The text that is signed. Extension lines are never written.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root))
    }

    /// Reads the text of a checkpoint; extension lines are tolerated.
    pub fn parse(text: &str) -> Result<Self, BadCheckpoint> {
        let mut lines = text.strip_suffix('\n').ok_or(BadCheckpoint::Shape)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(BadCheckpoint::Shape);
        };
        let size = decimal(size).ok_or(BadCheckpoint::Shape)?;
        let root = BASE64.decode(root).ok().and_then(|root| Hash::try_from(root).ok()).ok_or(BadCheckpoint::Shape)?;
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(BadCheckpoint::Shape);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Reads a signed checkpoint and believes it only if a key of its own origin among `keys` signed it.
    pub fn verify(note: &str, keys: &[VerifierKey], verifier: &dyn Verifier) -> Result<Self, BadCheckpoint> {
        let note = Note::parse(note)?;
        let signed = note.verify(keys, verifier)?;
        let checkpoint = Self::parse(&note.text)?;
        let own = |key: &&VerifierKey| key.kind() == crate::note::TYPE_ED25519 && key.name() == checkpoint.origin;
        if signed.iter().any(own) { Ok(checkpoint) } else { Err(BadCheckpoint::Origin) }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "size {} root {}", self.size, hex::encode(self.root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        merkle::EMPTY_ROOT,
        testing::{Ed25519, TestVerifier},
    };

    #[test]
    fn text_as_published() {
        let checkpoint = Checkpoint { origin: "example.com/log".to_owned(), size: 0, root: EMPTY_ROOT };
        assert_eq!(checkpoint.text(), "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
        assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint.clone()));
        assert_eq!(Checkpoint::parse(&format!("{}extension\n", checkpoint.text())), Ok(checkpoint));
    }

    #[test]
    fn texts_that_are_none() {
        let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        for text in [
            String::new(),
            format!("o\n1\n{root}"),
            format!("o\n01\n{root}\n"),
            format!("o\n-1\n{root}\n"),
            format!("o\n1\n{}\n", &root[1..]),
            format!("\n1\n{root}\n"),
            format!("o\n1\n{root}\n\n"),
            "o\n1\n".to_owned(),
        ] {
            assert_eq!(Checkpoint::parse(&text), Err(BadCheckpoint::Shape), "{text:?}");
        }
    }

    #[test]
    fn only_its_own_key_speaks_for_a_log() {
        let (log, stranger) = (Ed25519::note_signer("log", 1), Ed25519::note_signer("stranger", 2));
        let text = Checkpoint { origin: "log".to_owned(), size: 3, root: [3; 32] }.text();
        let note = |by: &crate::note::NoteSigner| {
            Note { text: text.clone(), signatures: vec![by.line(&by.sign(&text).unwrap())] }.to_string()
        };
        let keys = [log.verifier_key().clone(), stranger.verifier_key().clone()];
        assert_eq!(Checkpoint::verify(&note(&log), &keys, &TestVerifier).unwrap().size, 3);
        assert_eq!(Checkpoint::verify(&note(&stranger), &keys, &TestVerifier), Err(BadCheckpoint::Origin));
        assert_eq!(
            Checkpoint::verify(&note(&log), &keys[1..], &TestVerifier),
            Err(BadCheckpoint::Note(BadNote::Unsigned))
        );
    }
}
