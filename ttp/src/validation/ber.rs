//! Reading BER (X.690 §8) that strangers write: lengths with needless octets, the indefinite length, strings in pieces, as
//! programs write that sign while they read. Nothing is copied, and every value keeps its octets as received, since
//! digests and signatures are over those.

use std::borrow::Cow;

/// How deep values of indefinite length may be nested. A streamed SignedData has six.
const OPEN_MAX: usize = 32;

/// A cursor over values that stand one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

/// One value as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value<'a> {
    /// Identifier octet; tag numbers from 31 on are not read.
    pub(super) tag: u8,
    /// Behind the length, without an end-of-contents.
    pub(super) content: &'a [u8],
    /// All of it.
    pub(super) whole: &'a [u8],
}

impl<'a> Value<'a> {
    /// A cursor over what is in it.
    #[must_use]
    pub(super) const fn inside(&self) -> Reader<'a> {
        Reader(self.content)
    }

    /// The octets of a string, put together if it came in pieces; `base` is the tag of its primitive form. `None` if a
    /// piece is anything else.
    #[must_use]
    pub(super) fn octets(&self, base: u8) -> Option<Cow<'a, [u8]>> {
        if self.tag & 0x20 == 0 {
            return Some(Cow::Borrowed(self.content));
        }
        let mut joined = Vec::new();
        let mut pieces = self.inside();
        while !pieces.is_at_end() {
            // Pieces in pieces are permitted and written by nobody.
            joined.extend_from_slice(pieces.take(base)?.content);
        }
        Some(Cow::Owned(joined))
    }
}

impl<'a> Reader<'a> {
    /// Before the first value of `bytes`.
    #[must_use]
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// True behind the last value.
    #[must_use]
    pub(super) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value; `None`, without moving, at the end and for what is no value.
    pub(super) fn value(&mut self) -> Option<Value<'a>> {
        let head = Head::read(self.0)?;
        let (content_bytes, tail) = match head.length {
            Some(length) => (length, 0),
            None => (indefinite_bytes(&self.0[head.bytes..])?, 2),
        };
        let (whole, rest) = self.0.split_at_checked(head.bytes.checked_add(content_bytes)?.checked_add(tail)?)?;
        self.0 = rest;
        let content = &whole[head.bytes..head.bytes + content_bytes];
        Some(Value { tag: head.tag, content, whole })
    }

    /// The next value, if it has this tag; `None`, without moving, for any other.
    pub(super) fn take(&mut self, tag: u8) -> Option<Value<'a>> {
        if self.next_is(tag) { self.value() } else { None }
    }

    /// True if the next value has this tag.
    #[must_use]
    pub(super) fn next_is(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }
}

/// Tag and length.
struct Head {
    tag: u8,
    bytes: usize,
    /// `None` for the indefinite form.
    length: Option<usize>,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (&tag, &first) = (bytes.first()?, bytes.get(1)?);
        if tag & 0x1F == 0x1F {
            return None;
        }
        match first {
            0..=0x7F => Some(Self { tag, bytes: 2, length: Some(usize::from(first)) }),
            // X.690 §8.1.3.6: only values made of others.
            0x80 => (tag & 0x20 != 0).then_some(Self { tag, bytes: 2, length: None }),
            0x81..=0x84 => {
                let count = usize::from(first & 0x7F);
                let digits = bytes.get(2..2 + count)?;
                let length = digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
                Some(Self { tag, bytes: 2 + count, length: Some(length) })
            }
            // 4 GiB and more.
            _ => None,
        }
    }
}

/// How many octets stand before the end-of-contents that closes a value of indefinite length. Goes over every octet once,
/// whatever the nesting.
fn indefinite_bytes(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut open) = (0, 1_usize);
    loop {
        let rest = bytes.get(at..)?;
        if rest.starts_with(&[0, 0]) {
            open -= 1;
            if open == 0 {
                return Some(at);
            }
            at += 2;
            continue;
        }
        let head = Head::read(rest)?;
        match head.length {
            Some(length) => at = at.checked_add(head.bytes)?.checked_add(length)?,
            None if open == OPEN_MAX => return None,
            None => {
                open += 1;
                at += head.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::der;
    use proptest::prelude::*;

    /// The octets of the first value, in hex, and of what follows it.
    fn check(bytes: &str, expected: Option<(&str, &str)>) {
        let bytes = hex::decode(bytes).unwrap();
        let mut reader = Reader::new(&bytes);
        let found = reader.value().map(|value| (hex::encode(value.content), hex::encode(reader.0)));
        assert_eq!(found.as_ref().map(|(a, b)| (a.as_str(), b.as_str())), expected);
    }

    #[test]
    fn lengths() {
        check("0401ff00", Some(("ff", "00")));
        check("048101ff", Some(("ff", "")));
        check("0484 00000001 ff".replace(' ', "").as_str(), Some(("ff", "")));
        check("0485 0000000001 ff".replace(' ', "").as_str(), None);
        check("0402ff", None);
        check("04", None);
        check("1f0100", None);
        // Indefinite: closed, nested, not closed, primitive.
        check("308004010100007f", Some(("040101", "7f")));
        check("30803080040101000000007f", Some(("30800401010000", "7f")));
        check("3080040101", None);
        check("04800000", None);
        // Two octets 0 inside a value of known length close nothing.
        check("3080040200000000", Some(("04020000", "")));
    }

    #[test]
    fn strings_in_pieces() {
        let octets = |hex: &str| {
            let bytes = hex::decode(hex).unwrap();
            let value = Reader::new(&bytes).value().unwrap();
            value.octets(der::OCTET_STRING).map(Cow::into_owned)
        };
        assert_eq!(octets("04020102"), Some(vec![1, 2]));
        assert_eq!(octets("2480040101040102 0000".replace(' ', "").as_str()), Some(vec![1, 2]));
        assert_eq!(octets("2403020101"), None);
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = [[0x30, 0x80].repeat(100_000), vec![0; 200_000]].concat();
        assert_eq!(Reader::new(&deep).value(), None);
        let within = [[0x30, 0x80].repeat(OPEN_MAX), vec![0; 2 * OPEN_MAX]].concat();
        assert!(Reader::new(&within).value().is_some());
    }

    proptest! {
        #[test]
        fn der_reads_as_the_strict_reader_does(bytes: Vec<u8>) {
            let strict = crate::asn1::read::Reader::new(&bytes).value();
            if let Some(strict) = strict {
                let value = Reader::new(&bytes).value().unwrap();
                prop_assert_eq!((value.tag, value.content, value.whole), (strict.tag, strict.content, strict.der));
            }
        }
    }
}
