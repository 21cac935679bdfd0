//! Two statements about a log's tree that no published format has, as text: that one tree begins with another, and that
//! these are all of its entries between two places.
//!
//! ```text
//! semper/prefix/v1                     semper/stretch/v1
//! from <size> <base64 root>            first <index>
//! to <size>                            entry <base64>        one line each, in order
//! hash <base64>                        hash <base64>         the subtrees beside them, from left to right
//! …                                    <empty line>
//!                                      <the checkpoint, verbatim>
//! ```

use std::{fmt, str::Lines};

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD as BASE64;
use semper_ledger::merkle::Hash;

const PREFIX: &str = "semper/prefix/v1";
const STRETCH: &str = "semper/stretch/v1";

/// Hashes that a proof of either kind may have: two for each level of a tree of 2^64 leaves.
const HASHES_MAX: usize = 128;

/// Not the text of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a statement of this kind in its one spelling")]
pub struct BadStatement;

/// The tree of `to` entries begins with a tree of `from` entries and this root: RFC 9162 §2.1.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Size of the beginning.
    pub from: u64,
    /// Its root.
    pub root: Hash,
    /// Size of the whole, whose root stands in a checkpoint.
    pub to: u64,
    /// The consistency proof.
    pub path: Vec<Hash>,
}

/// All entries from one index on, up to some other, and their place in a checkpoint's tree
/// ([`semper_ledger::proof::range`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Index of the first entry.
    pub first: u64,
    /// Their bytes.
    pub entries: Vec<Vec<u8>>,
    /// The hashes beside them.
    pub path: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

impl Prefix {
    /// Reads the text.
    ///
    /// # Errors
    /// [`BadStatement`].
    pub fn parse(text: &str) -> Result<Self, BadStatement> {
        let read = || {
            let mut lines = text.lines();
            (lines.next()? == PREFIX).then_some(())?;
            let (from, root) = lines.next()?.strip_prefix("from ")?.split_once(' ')?;
            let to = lines.next()?.strip_prefix("to ")?.parse().ok()?;
            Some(Self { from: from.parse().ok()?, root: hash(root)?, to, path: hashes(&mut lines)? })
        };
        // Numbers and base64 have other spellings, and lines other endings.
        read().filter(|read| read.to_string() == text).ok_or(BadStatement)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PREFIX}\nfrom {} {}\nto {}", self.from, Base64Display::new(&self.root, &BASE64), self.to)?;
        write_hashes(f, &self.path)
    }
}

impl Stretch {
    /// Reads the text.
    ///
    /// # Errors
    /// [`BadStatement`].
    pub fn parse(text: &str) -> Result<Self, BadStatement> {
        let read = || {
            let (head, checkpoint) = text.split_once("\n\n")?;
            let mut lines = head.lines();
            (lines.next()? == STRETCH).then_some(())?;
            let first = lines.next()?.strip_prefix("first ")?.parse().ok()?;
            let mut entries = Vec::new();
            let mut rest = lines.clone();
            while let Some(entry) = rest.next().and_then(|line| line.strip_prefix("entry ")) {
                entries.push(BASE64.decode(entry).ok()?);
                lines = rest.clone();
            }
            Some(Self { first, entries, path: hashes(&mut lines)?, checkpoint: checkpoint.to_owned() })
        };
        read().filter(|read| read.to_string() == text).ok_or(BadStatement)
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{STRETCH}\nfirst {}", self.first)?;
        for entry in &self.entries {
            writeln!(f, "entry {}", Base64Display::new(entry, &BASE64))?;
        }
        write_hashes(f, &self.path)?;
        write!(f, "\n{}", self.checkpoint)
    }
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

fn hashes(lines: &mut Lines<'_>) -> Option<Vec<Hash>> {
    let mut hashes = Vec::new();
    for line in lines {
        if hashes.len() == HASHES_MAX {
            return None;
        }
        hashes.push(hash(line.strip_prefix("hash ")?)?);
    }
    Some(hashes)
}

fn write_hashes(f: &mut fmt::Formatter<'_>, hashes: &[Hash]) -> fmt::Result {
    hashes.iter().try_for_each(|hash| writeln!(f, "hash {}", Base64Display::new(hash, &BASE64)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix() -> Prefix {
        Prefix { from: 4, root: [1; 32], to: 9, path: vec![[2; 32], [3; 32]] }
    }

    fn stretch() -> Stretch {
        Stretch {
            first: 3,
            entries: vec![vec![1], vec![2, 3]],
            path: vec![[4; 32]],
            checkpoint: "o\n9\nr\n".to_owned(),
        }
    }

    #[test]
    fn both_texts_read_back() {
        assert_eq!(Prefix::parse(&prefix().to_string()), Ok(prefix()));
        assert_eq!(Stretch::parse(&stretch().to_string()), Ok(stretch()));
        let bare = Stretch { entries: Vec::new(), path: Vec::new(), ..stretch() };
        assert_eq!(Stretch::parse(&bare.to_string()), Ok(bare));
    }

    #[test]
    fn every_other_spelling_is_refused() {
        let text = prefix().to_string();
        for other in [
            text.replace("from 4", "from 04"),
            text.replace("from 4", "from +4"),
            text.replace('\n', "\r\n"),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            text.replace("v1", "v2"),
            text.replace("hash A", "hash  A"),
            text.replace("to 9", "to -9"),
        ] {
            assert_eq!(Prefix::parse(&other), Err(BadStatement), "{other}");
        }
        let text = stretch().to_string();
        for other in [text.replace("first 3", "first 03"), text.replace("\n\n", "\n"), text.replace("AQ==", "AR==")] {
            assert_ne!(other, text);
            assert_eq!(Stretch::parse(&other), Err(BadStatement), "{other}");
        }
        let long = Prefix { path: vec![[0; 32]; HASHES_MAX + 1], ..prefix() };
        assert_eq!(Prefix::parse(&long.to_string()), Err(BadStatement));
    }

    proptest! {
        #[test]
        fn what_reads_is_what_was_written(text in "(semper/(prefix|stretch)/v1\n)?((from|to|first|entry|hash) [0-9A]{0,4}=?\n){0,4}\n?[a-z]{0,3}") {
            if let Ok(read) = Prefix::parse(&text) {
                prop_assert_eq!(read.to_string(), text.clone());
            }
            if let Ok(read) = Stretch::parse(&text) {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
