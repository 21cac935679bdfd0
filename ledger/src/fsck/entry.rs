//! The strict decoding of [`crate::entry`] once more, without an allocation: ten million entries are decoded here.

use crate::{entry::TAGS_MAX, merkle::Hash};

/// An entry that borrows its hashes from the bundle.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct View<'a> {
    pub(super) role: u64,
    pub(super) kind: u64,
    pub(super) time_ms: u64,
    pub(super) digest: &'a Hash,
    tags: [Option<&'a Hash>; TAGS_MAX],
}

impl<'a> View<'a> {
    /// Accepts exactly what `Entry::decode` accepts.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[0x86, 0x01])?;
        let (role, rest) = number(rest)?;
        let (kind, rest) = number(rest)?;
        let (time_ms, rest) = number(rest)?;
        let (digest, rest) = hash(rest)?;
        let (count, mut rest) = rest.split_first()?;
        let count = usize::from(count.checked_sub(0x80)?);
        if count > TAGS_MAX {
            return None;
        }
        let mut tags = [None; TAGS_MAX];
        for i in 0..count {
            let (tag, tail) = hash(rest)?;
            if i > 0 && tags[i - 1] >= Some(tag) {
                return None;
            }
            (tags[i], rest) = (Some(tag), tail);
        }
        rest.is_empty().then_some(Self { role, kind, time_ms, digest, tags })
    }

    /// Its tags, ascending.
    pub(super) fn tags(&self) -> impl Iterator<Item = &'a Hash> {
        self.tags.into_iter().flatten()
    }
}

/// An unsigned integer in its shortest form (RFC 8949 §4.2.1).
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first()?;
    let (length, least) = match head {
        0..=23 => return Some((u64::from(*head), rest)),
        24 => (1, 24),
        25 => (2, 1 << 8),
        26 => (4, 1 << 16),
        27 => (8, 1 << 32),
        _ => return None,
    };
    let (digits, rest) = rest.split_at_checked(length)?;
    let value = digits.iter().fold(0, |value, digit| value << 8 | u64::from(*digit));
    (value >= least).then_some((value, rest))
}

fn hash(bytes: &[u8]) -> Option<(&Hash, &[u8])> {
    bytes.strip_prefix(&[0x58, 0x20])?.split_first_chunk::<32>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::{Entry, Tag, Tags};

    fn agrees(bytes: &[u8]) {
        let (ours, theirs) = (View::decode(bytes), Entry::decode(bytes));
        match (&ours, &theirs) {
            (None, Err(_)) => {}
            (Some(view), Ok(entry)) => {
                assert_eq!((view.role, view.kind, view.time_ms), (entry.role, entry.kind, entry.time_ms));
                assert_eq!(*view.digest, entry.digest);
                assert!(view.tags().eq(entry.tags.as_slice().iter().map(|tag| &tag.0)));
            }
            _ => panic!("{}: {ours:?} but {theirs:?}", hex::encode(bytes)),
        }
    }

    proptest! {
        /// Numbers around every change of length, so that flips meet the short and the long forms.
        #[test]
        fn decodes_as_the_entry_itself_does(
            numbers in proptest::array::uniform3(prop_oneof![0u64..300, 65_530u64..65_540, (1u64 << 32) - 2..(1u64 << 32) + 2, any::<u64>()]),
            tags in proptest::collection::btree_set(any::<[u8; 32]>(), 0..=4),
            at: usize,
            byte: u8,
            cut: usize,
        ) {
            let tags = Tags::new(tags.into_iter().map(Tag).collect()).unwrap();
            let [role, kind, time_ms] = numbers;
            let mut bytes = Entry { role, kind, time_ms, digest: [7; 32], tags }.encode();
            agrees(&bytes);
            agrees(&bytes[..cut % bytes.len()]);
            let at = at % bytes.len();
            bytes[at] = byte;
            agrees(&bytes);
            bytes.push(byte);
            agrees(&bytes);
        }
    }

    #[test]
    fn every_byte_of_the_frame_is_strict() {
        let tags = Tags::new(vec![Tag([1; 32]), Tag([2; 32])]).unwrap();
        let good = Entry { role: 1, kind: 24, time_ms: 70_000, digest: [7; 32], tags }.encode();
        for at in 0..good.len() {
            for byte in 0..=255 {
                let mut bytes = good.clone();
                bytes[at] = byte;
                agrees(&bytes);
            }
        }
    }
}
