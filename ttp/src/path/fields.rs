//! The small pieces of DER that certificates, lists and responses share. Strangers write some of them in ways that DER forbids
//! and that have one meaning all the same; those are read.

use chrono::NaiveDate;

use super::ObjectId;
use super::certificate::ReadFault;
use crate::asn1::der;
use crate::asn1::read::{Reader, Value};
use crate::time::Timestamp;

/// Tag of BOOLEAN.
pub(super) const BOOLEAN: u8 = 0x01;
/// Tag of ENUMERATED.
pub(super) const ENUMERATED: u8 = 0x0A;
/// Tag of UTCTime.
const UTC_TIME: u8 = 0x17;

/// The one value that `bytes` are, with this tag.
pub(super) fn only(bytes: &[u8], tag: u8) -> Option<Value<'_>> {
    let mut reader = Reader::new(bytes);
    reader.take(tag).filter(|_| reader.is_at_end())
}

/// The next value with this tag, or what was expected.
pub(super) fn need<'a>(reader: &mut Reader<'a>, tag: u8, what: &'static str) -> Result<Value<'a>, ReadFault> {
    reader.take(tag).ok_or(ReadFault::Malformed { what })
}

/// Content of a BOOLEAN; a TRUE other than FF is read, as BER has it.
pub(super) fn boolean(content: &[u8]) -> Option<bool> {
    match content {
        [octet] => Some(*octet != 0),
        _ => None,
    }
}

/// Content of an INTEGER that counts something; what exceeds u64 bounds nothing and becomes the greatest.
pub(super) fn count(content: &[u8]) -> Option<u64> {
    let digits = match content {
        [] | [0x80..=0xFF, ..] => return None,
        all => all,
    };
    Some(digits.iter().fold(0_u64, |sum, digit| sum.checked_mul(256).map_or(u64::MAX, |sum| sum | u64::from(*digit))))
}

/// Content of an OBJECT IDENTIFIER.
pub(super) fn object_id(content: &[u8]) -> Option<ObjectId> {
    ObjectId::from_content(content)
}

/// Content of a BIT STRING of named bits, at most sixteen: bit n as 1 << n. Trailing zeros are read.
pub(super) fn named_bits(content: &[u8]) -> Option<u16> {
    let (unused, octets) = content.split_first()?;
    if *unused > 7 || (*unused != 0 && octets.is_empty()) {
        return None;
    }
    let bits = octets.len() * 8 - usize::from(*unused);
    let set = (0..bits).filter(|bit| octets[bit / 8] >> (7 - bit % 8) & 1 == 1);
    // Bits that nobody has named yet say nothing to us.
    Some(set.filter(|bit| *bit < 16).fold(0, |sum, bit| sum | 1 << bit))
}

/// Content of a BIT STRING of whole octets.
pub(super) fn whole_octets(content: &[u8]) -> Option<&[u8]> {
    match content {
        [0, octets @ ..] => Some(octets),
        _ => None,
    }
}

/// The next value as a Time (RFC 5280 §4.1.2.5): UTCTime or GeneralizedTime in UTC, seconds and fraction of any precision, which
/// is cut to milliseconds. What lies before 1970 becomes the first moment of 1970: nobody asks about an earlier one.
pub(super) fn time(reader: &mut Reader<'_>) -> Option<Timestamp> {
    let value = reader.value()?;
    moment(value.tag, value.content)
}

/// As [`time`], of a value's tag and content.
pub(super) fn moment(tag: u8, content: &[u8]) -> Option<Timestamp> {
    let text = content.strip_suffix(b"Z")?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let two = digits(text.get(..2)?)?;
            (if two < 50 { 2000 + two } else { 1900 + two }, &text[2..])
        }
        der::GENERALIZED_TIME => (digits(text.get(..4)?)?, &text[4..]),
        _ => return None,
    };
    let (whole, fraction) = match rest.iter().position(|octet| *octet == b'.') {
        Some(dot) if tag == der::GENERALIZED_TIME => (&rest[..dot], &rest[dot + 1..]),
        Some(_) => return None,
        None => (rest, &b"0"[..]),
    };
    let pairs = whole.chunks(2).map(|pair| digits(pair).filter(|_| pair.len() == 2)).collect::<Option<Vec<_>>>()?;
    let (month, day, hour, minute, second) = match pairs[..] {
        [month, day, hour, minute, second] => (month, day, hour, minute, second),
        // Some old UTCTime has no seconds.
        [month, day, hour, minute] => (month, day, hour, minute, 0),
        _ => return None,
    };
    let millis = digits(&[&fraction[..fraction.len().min(3)], &b"000"[fraction.len().min(3)..]].concat())?;
    if fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let time = date.and_hms_milli_opt(hour, minute, second, millis)?.and_utc();
    Some(Timestamp::from_chrono(&time).unwrap_or_default())
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0_u32, |sum, octet| Some(sum * 10 + u32::from(octet.checked_sub(b'0').filter(|d| *d < 10)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_strangers() {
        let table = [
            (UTC_TIME, "491231235959Z", Some("2049-12-31T23:59:59.000Z")),
            (UTC_TIME, "500101120101Z", Some("1970-01-01T00:00:00.000Z")),
            (UTC_TIME, "9912312359Z", Some("1999-12-31T23:59:00.000Z")),
            (der::GENERALIZED_TIME, "20500101120000Z", Some("2050-01-01T12:00:00.000Z")),
            (der::GENERALIZED_TIME, "20260301120000.25Z", Some("2026-03-01T12:00:00.250Z")),
            (der::GENERALIZED_TIME, "20260301120000.123456Z", Some("2026-03-01T12:00:00.123Z")),
            (der::GENERALIZED_TIME, "99991231235959Z", Some("9999-12-31T23:59:59.000Z")),
            (der::GENERALIZED_TIME, "20260301120000.Z", None),
            (der::GENERALIZED_TIME, "20260301120000.2xZ", None),
            (der::GENERALIZED_TIME, "20260301120000+0100", None),
            (der::GENERALIZED_TIME, "20260231120000Z", None),
            (der::GENERALIZED_TIME, "2026030112000Z", None),
            (UTC_TIME, "260301120000.5Z", None),
            (UTC_TIME, "Z", None),
            (der::OCTET_STRING, "20260301120000Z", None),
        ];
        for (tag, text, expected) in table {
            assert_eq!(moment(tag, text.as_bytes()).map(|t| t.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn bits_and_counts() {
        assert_eq!(named_bits(&[1, 0x06]), Some(0b110_0000));
        assert_eq!(named_bits(&[7, 0x00, 0x80]), Some(1 << 8));
        assert_eq!(named_bits(&[0, 0x80, 0, 0, 0]), Some(1));
        assert_eq!((named_bits(&[]), named_bits(&[1]), named_bits(&[8, 0])), (None, None, None));
        assert_eq!((count(&[0, 0xFF]), count(&[0xFF]), count(&[])), (Some(255), None, None));
        assert_eq!(count(&[0x7F; 9]), Some(u64::MAX));
        assert_eq!((boolean(&[1]), boolean(&[0]), boolean(&[])), (Some(true), Some(false), None));
    }
}
