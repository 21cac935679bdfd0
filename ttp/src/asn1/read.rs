//! Reading DER by hand (X.690), for requests that come at the rate of signatures and whose received bytes are repeated in
//! what is signed: nothing is copied, and no second spelling of a length or number is let through.

use super::der;
use crate::time::Timestamp;

/// A cursor over values that stand one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

/// One value: its tag, and its octets with and without the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// Identifier octet; tag numbers from 31 on, which need more than one, are not read.
    pub tag: u8,
    /// Behind the length.
    pub content: &'a [u8],
    /// Tag, length and content.
    pub der: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Before the first value of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// True behind the last value.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value; `None`, without moving, at the end and for anything that DER does not permit as tag and length:
    /// the indefinite length, a length with needless octets, one that reaches beyond the end.
    pub fn value(&mut self) -> Option<Value<'a>> {
        let (head, content) = match *self.0 {
            [_, short @ ..=0x7F, ..] => (2, usize::from(short)),
            [_, 0x81, one @ 0x80..=0xFF, ..] => (3, usize::from(one)),
            [_, 0x82, high @ 1..=0xFF, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
            [_, 0x83, high @ 1..=0xFF, middle, low, ..] => (5, u32::from_be_bytes([0, high, middle, low]) as usize),
            // 16 MiB and more: nothing that we read by hand is nearly as long.
            _ => return None,
        };
        let (der, rest) = self.0.split_at_checked(head + content)?;
        let tag = der[0];
        if tag & 0x1F == 0x1F {
            return None;
        }
        self.0 = rest;
        Some(Value { tag, content: &der[head..], der })
    }

    /// The next value, if it has this tag; `None`, without moving, for any other.
    pub fn take(&mut self, tag: u8) -> Option<Value<'a>> {
        if self.next_is(tag) { self.value() } else { None }
    }

    /// What was not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// True if the next value has this tag.
    #[must_use]
    pub fn next_is(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }
}

/// The moment of a GeneralizedTime's content octets, `YYYYMMDDhhmmss[.f…]Z` without trailing zeros (X.690 §11.7); what is finer than
/// milliseconds is cut off. `None` for any other spelling, and outside the years 1970 to 9999.
#[must_use]
pub fn generalized_time(content: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    let fraction_is_good =
        if text.len() == whole.len() { true } else { !fraction.is_empty() && !fraction.ends_with('0') };
    if whole.len() != 14 || !digits(whole) || !digits(fraction) || !fraction_is_good || fraction.len() > FRACTION_MAX {
        return None;
    }
    let time = chrono::NaiveDateTime::parse_from_str(whole, "%Y%m%d%H%M%S").ok()?;
    let millis = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let time = Timestamp::from_chrono(&time.and_utc())?.plus_millis(millis);
    // chrono takes 60 for a leap second, which a moment of ours has not.
    let mut again = Vec::with_capacity(19);
    der::put_generalized_time(&mut again, time.whole_secs());
    (again[..14] == content[..14]).then_some(time)
}

/// Digits of a second's fraction, at most; nobody's clock has more.
const FRACTION_MAX: usize = 12;

/// True for content octets of an INTEGER that has no shorter spelling (X.690 §8.3.2).
#[must_use]
pub fn is_integer(content: &[u8]) -> bool {
    !content.is_empty() && der::minimal_signed(content).len() == content.len()
}

/// True for content octets of an OBJECT IDENTIFIER that X.690 §8.19 permits: not empty, each arc complete and without
/// leading zero bits.
#[must_use]
pub fn is_oid(content: &[u8]) -> bool {
    let mut arc_begins = true;
    for octet in content {
        if arc_begins && *octet == 0x80 {
            return false;
        }
        arc_begins = *octet < 0x80;
    }
    arc_begins && !content.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_spelling_of_each_length() {
        for len in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let bytes = [der::tlv(der::OCTET_STRING, &vec![7; len]), vec![5, 0]].concat();
            let mut reader = Reader::new(&bytes);
            let value = reader.take(der::OCTET_STRING).unwrap();
            assert_eq!((value.content.len(), value.der.len()), (len, der::total_bytes(len)));
            assert_eq!(reader.take(der::OCTET_STRING), None);
            assert!(!reader.is_at_end() && reader.next_is(5));
            assert_eq!(reader.value().unwrap().content, b"");
            assert!(reader.is_at_end() && reader.value().is_none());
            // One octet short.
            assert!(len == 0 || Reader::new(&bytes[..der::total_bytes(len) - 1]).value().is_none());
        }
    }

    #[test]
    fn no_other_spelling() {
        // Indefinite; lengths with needless octets; five octets of length; tag numbers in two octets.
        let heads = ["0480", "048100", "04817f", "04820000", "048200ff", "04830000ff", "0483000100", "048400000001"];
        for head in heads.into_iter().chain(["04ff", "1f0100", "bf1f00"]) {
            let bytes = [hex::decode(head).unwrap(), vec![0; 300]].concat();
            assert_eq!(Reader::new(&bytes).value(), None, "{head}");
        }
        for cut in ["", "04", "0401", "0481", "048180", "0482", "048201", "04820100", "0483", "04830100"] {
            assert_eq!(Reader::new(&hex::decode(cut).unwrap()).value(), None, "{cut}");
        }
    }

    #[test]
    fn numbers() {
        for (hex, good) in [("", false), ("00", true), ("0080", true), ("007f", false), ("ff80", false), ("ff7f", true)]
        {
            assert_eq!(is_integer(&hex::decode(hex).unwrap()), good, "{hex}");
        }
    }

    #[test]
    fn moments() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(generalized_time(text.as_bytes()).map(Timestamp::millis), expected, "{text}");
        };
        check("20260301120000Z", Some(1_772_366_400_000));
        check("20260301120000.25Z", Some(1_772_366_400_250));
        check("20260301120000.0009Z", Some(1_772_366_400_000));
        check("19700101000000Z", Some(0));
        check("99991231235959.999Z", Some(253_402_300_799_999));
        for bad in [
            "",
            "Z",
            "20260301120000",
            "20260301120000.Z",
            "20260301120000.250Z",
            "20260301120000.0Z",
            "202603011200Z",
            "20260301120000+0000",
            "20260230120000Z",
            "20260301250000Z",
            "20260301120060Z",
            "19691231235959Z",
            "2026030112000aZ",
            "20260301120000.1234567890123Z",
            "20260301120000,5Z",
            "2026030112000é",
        ] {
            check(bad, None);
        }
    }

    proptest! {
        /// What is read has the only spelling that we would write.
        #[test]
        fn what_is_read_is_what_is_written(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            let mut read = Vec::new();
            while let Some(value) = reader.value() {
                prop_assert_eq!(der::tlv(value.tag, value.content), value.der);
                read.extend_from_slice(value.der);
            }
            prop_assert!(bytes.starts_with(&read));
        }
    }
}
