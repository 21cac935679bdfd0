//! BER (X.690 §8) that strangers write: lengths with needless octets, the indefinite length, strings in pieces, as programs write
//! that sign while they read. CMS permits it, and BouncyCastle writes it.
//!
//! [`Reader`] copies nothing, and every value keeps its octets as received, since digests and signatures are over those. Where a
//! structure must be DER, it reads that and nothing else. [`definite`] rewrites what is to be read as DER.

use std::borrow::Cow;

use super::{der, read};

/// How deep values of indefinite length may be nested. A streamed SignedData has six.
const OPEN_MAX: usize = 32;
/// Values inside values that are rewritten, at most. CMS around DVCS around certificates needs some fifteen.
const DEPTH_MAX: usize = 32;
/// Octets of tag and length of a value that is rewritten, at most: what [`der::put_head`] can write is shorter than 16 MiB.
const HEAD_BYTES_MAX: usize = 5;

/// An indefinite length.
const INDEFINITE: u8 = 0x80;
/// OCTET STRING in pieces.
const OCTET_STRING_IN_PIECES: u8 = 0x24;

/// A cursor over values that stand one behind the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// True if only DER's spelling of tag and length is read.
    strict: bool,
}

/// One value as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    /// Identifier octet; tag numbers from 31 on are not read.
    pub(crate) tag: u8,
    /// Behind the length, without an end-of-contents.
    pub(crate) content: &'a [u8],
    /// All of it.
    pub(crate) whole: &'a [u8],
    strict: bool,
}

impl<'a> Value<'a> {
    /// A cursor over what is in it.
    #[must_use]
    pub(crate) const fn inside(&self) -> Reader<'a> {
        Reader { rest: self.content, strict: self.strict }
    }

    /// True if it is made of other values.
    const fn is_constructed(&self) -> bool {
        self.tag & 0x20 != 0
    }

    /// True if it was read as DER.
    #[must_use]
    pub(crate) const fn is_strict(&self) -> bool {
        self.strict
    }

    /// True for the one length that DER permits.
    fn is_der(&self) -> bool {
        !is_indefinite(self.whole) && self.whole.len() == der::total_bytes(self.content.len())
    }

    /// The octets of a string, put together if it came in pieces, which DER does not permit; `base` is the tag of its primitive form.
    /// `None` if a piece is anything else.
    #[must_use]
    pub(crate) fn octets(&self, base: u8) -> Option<Cow<'a, [u8]>> {
        if !self.is_constructed() {
            return Some(Cow::Borrowed(self.content));
        }
        if self.strict {
            return None;
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
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, strict: false }
    }

    /// The same, for DER: any other spelling of tag or length is no value, here and inside.
    #[must_use]
    pub(crate) const fn der(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, strict: true }
    }

    /// True if it reads DER alone.
    #[must_use]
    pub(crate) const fn is_strict(&self) -> bool {
        self.strict
    }

    /// True behind the last value.
    #[must_use]
    pub(crate) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next value; `None`, without moving, at the end and for what is no value.
    pub(crate) fn value(&mut self) -> Option<Value<'a>> {
        let head = Head::read(self.rest)?;
        let (content_bytes, tail) = match head.length {
            Some(length) => (length, 0),
            None => (indefinite_bytes(&self.rest[head.bytes..])?, 2),
        };
        let (whole, rest) = self.rest.split_at_checked(head.bytes.checked_add(content_bytes)?.checked_add(tail)?)?;
        let content = &whole[head.bytes..head.bytes + content_bytes];
        let value = Value { tag: head.tag, content, whole, strict: self.strict };
        if self.strict && !value.is_der() {
            return None;
        }
        self.rest = rest;
        Some(value)
    }

    /// The next value, if it has this tag; `None`, without moving, for any other.
    pub(crate) fn take(&mut self, tag: u8) -> Option<Value<'a>> {
        if self.next_is(tag) { self.value() } else { None }
    }

    /// True if the next value has this tag.
    #[must_use]
    pub(crate) fn next_is(&self, tag: u8) -> bool {
        self.rest.first() == Some(&tag)
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
            INDEFINITE => (tag & 0x20 != 0).then_some(Self { tag, bytes: 2, length: None }),
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

/// `bytes`, exactly one value, with definite lengths and whole strings; `None` if they are no BER that can be rewritten: too deep, cut
/// off, with a tag number from 31 on, with a length of 16 MiB or more, or with something behind. Nothing else of BER is repaired.
///
/// Octets inside a string are not looked into, and what was written as DER inside stays as it was: so whatever is signed keeps its
/// octets. Time and memory are bounded by the length of `bytes` times the depth.
#[must_use]
pub fn definite(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let mut out = Vec::with_capacity(bytes.len());
    rewrite(reader.value()?, &mut out, DEPTH_MAX)?;
    reader.is_at_end().then_some(out)
}

/// True if the outermost length is indefinite, as whoever writes BER at all writes it.
#[must_use]
pub fn is_indefinite(bytes: &[u8]) -> bool {
    bytes.get(1) == Some(&INDEFINITE)
}

/// Appends `value` with definite lengths.
fn rewrite(value: Value<'_>, out: &mut Vec<u8>, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    if !is_indefinite(value.whole) && value.whole.len() - value.content.len() > HEAD_BYTES_MAX {
        return None;
    }
    let mut content = Vec::new();
    let mut inside = if value.is_constructed() { value.inside() } else { Reader::new(&[]) };
    while !inside.is_at_end() {
        rewrite(inside.value()?, &mut content, depth)?;
    }
    if value.tag == OCTET_STRING_IN_PIECES {
        return put(out, der::OCTET_STRING, &joined(&content)?);
    }
    if !value.is_constructed() || (!is_indefinite(value.whole) && content == value.content) {
        out.extend_from_slice(value.whole);
        return Some(());
    }
    put(out, value.tag, &content)
}

fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) -> Option<()> {
    // What `der::put_head` can write.
    if content.len() >> 24 != 0 {
        return None;
    }
    der::put_head(out, tag, content.len());
    out.extend_from_slice(content);
    Some(())
}

/// The octets of the pieces of an OCTET STRING, which were rewritten already.
fn joined(pieces: &[u8]) -> Option<Vec<u8>> {
    let mut reader = read::Reader::new(pieces);
    let mut octets = Vec::with_capacity(pieces.len());
    while !reader.is_at_end() {
        octets.extend_from_slice(reader.take(der::OCTET_STRING)?.content);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The octets of the first value, in hex, and of what follows it.
    fn check_first(bytes: &str, expected: Option<(&str, &str)>) {
        let bytes = hex::decode(bytes).unwrap();
        let mut reader = Reader::new(&bytes);
        let found = reader.value().map(|value| (hex::encode(value.content), hex::encode(reader.rest)));
        assert_eq!(found.as_ref().map(|(a, b)| (a.as_str(), b.as_str())), expected);
    }

    #[test]
    fn lengths() {
        check_first("0401ff00", Some(("ff", "00")));
        check_first("048101ff", Some(("ff", "")));
        check_first("0484 00000001 ff".replace(' ', "").as_str(), Some(("ff", "")));
        check_first("0485 0000000001 ff".replace(' ', "").as_str(), None);
        check_first("0402ff", None);
        check_first("04", None);
        check_first("1f0100", None);
        // Indefinite: closed, nested, not closed, primitive.
        check_first("308004010100007f", Some(("040101", "7f")));
        check_first("30803080040101000000007f", Some(("30800401010000", "7f")));
        check_first("3080040101", None);
        check_first("04800000", None);
        // Two octets 0 inside a value of known length close nothing.
        check_first("3080040200000000", Some(("04020000", "")));
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
        assert_eq!(Reader::der(&[0x24, 3, 4, 1, 1]).value().unwrap().octets(der::OCTET_STRING), None);
    }

    #[test]
    fn der_has_one_length() {
        let mut long = vec![7; 65_536 + 5];
        for (head, length) in [("0400", 0), ("047f", 127), ("048180", 128), ("04820100", 256), ("0483010000", 65_536)] {
            let head = hex::decode(head).unwrap();
            long[..head.len()].copy_from_slice(&head);
            let value = Reader::der(&long).value().unwrap();
            assert_eq!((value.content.len(), value.inside().is_strict()), (length, true));
        }
        // 300 octets between an indefinite length and its end are as many as behind a length in three octets.
        let indefinite = [&[0x30, 0x80][..], &[5, 0].repeat(150), &[0, 0]].concat();
        assert!(Reader::new(&indefinite).value().is_some());
        for bad in ["048100", "04817f", "0482007f", "048400000000", "30800000"] {
            let bytes = [hex::decode(bad).unwrap(), vec![0; 300]].concat();
            assert!(Reader::new(&bytes).value().is_some() && Reader::der(&bytes).value().is_none(), "{bad}");
        }
        assert!(Reader::der(&indefinite).value().is_none());
        // Nor inside of what is DER itself.
        assert!(Reader::der(&hex::decode("300430800000").unwrap()).value().unwrap().inside().value().is_none());
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = [[0x30, 0x80].repeat(100_000), vec![0; 200_000]].concat();
        assert_eq!(Reader::new(&deep).value(), None);
        let within = [[0x30, 0x80].repeat(OPEN_MAX), vec![0; 2 * OPEN_MAX]].concat();
        assert!(Reader::new(&within).value().is_some());
    }

    /// What `ber` is rewritten to.
    fn check_definite(ber: &str, expected: Option<&str>) {
        let found = definite(&hex::decode(ber.replace(' ', "")).unwrap()).map(hex::encode);
        assert_eq!(found, expected.map(|der| der.replace(' ', "")), "{ber}");
    }

    #[test]
    fn indefinite_lengths_and_pieces() {
        check_definite("3080 0000", Some("3000"));
        check_definite("3080 020105 a080 0401aa 0000 0000", Some("3008 020105 a003 0401aa"));
        check_definite("2480 0402aabb 0401cc 0000", Some("0403aabbcc"));
        check_definite("2407 0402aabb 0401cc", Some("0403aabbcc"));
        check_definite("3080 2480 2480 0401aa 0000 0401bb 0000 0000", Some("3004 0402aabb"));
        // Inside a definite length.
        check_definite("3006 a080 0500 0000", Some("3004 a002 0500"));
        // What is DER stays as it is, and so does what has another spelling: whoever reads it strictly refuses it.
        check_definite("3003 020105", Some("3003 020105"));
        check_definite("3004 02810105", Some("3004 02810105"));
        check_definite("3080 02810105 0000", Some("3004 02810105"));
        // Octets of a string are not looked into.
        check_definite("0404 30800000", Some("0404 30800000"));
    }

    #[test]
    fn what_is_not_rewritten() {
        for bad in [
            "",
            "30",
            "3080",
            "308000",
            "3080 0201",
            "3001",
            "0480 0401aa 0000",
            "3080 0000 00",
            "1f0100",
            "3084 00000000",
            // A length in four octets inside; a piece whose length is not DER.
            "3080 0484 00000001 aa 0000",
            "2480 048101aa 0000",
        ] {
            check_definite(bad, None);
        }
        // Pieces of another kind; deeper than the bound.
        check_definite("2480 020105 0000", None);
        let deep = |levels: usize| format!("{}{}", "3080".repeat(levels), "0000".repeat(levels));
        assert!(definite(&hex::decode(deep(DEPTH_MAX)).unwrap()).is_some());
        check_definite(&deep(DEPTH_MAX + 1), None);
        check_definite(&deep(20_000), None);
    }

    proptest! {
        #[test]
        fn der_reads_as_the_strict_reader_does(bytes: Vec<u8>) {
            let strict = read::Reader::new(&bytes).value();
            let own = Reader::der(&bytes).value().map(|value| (value.tag, value.content, value.whole));
            prop_assert_eq!(own, strict.map(|value| (value.tag, value.content, value.der)));
            if let Some(strict) = strict {
                let value = Reader::new(&bytes).value().unwrap();
                prop_assert_eq!((value.tag, value.content, value.whole), (strict.tag, strict.content, strict.der));
            }
        }

        #[test]
        fn never_panics_and_grows_by_heads_alone(bytes: Vec<u8>) {
            if let Some(der) = definite(&bytes) {
                prop_assert!(!is_indefinite(&der));
                prop_assert_eq!(definite(&der), Some(der));
            }
        }
    }
}
