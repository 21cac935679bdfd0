//! Writing DER by hand (X.690), for the few places where a template is filled at the rate of signatures.

use crate::time::Timestamp;

/// Tag of INTEGER.
pub const INTEGER: u8 = 0x02;
/// Tag of BIT STRING.
pub const BIT_STRING: u8 = 0x03;
/// Tag of OCTET STRING.
pub const OCTET_STRING: u8 = 0x04;
/// Tag of OBJECT IDENTIFIER.
pub const OID: u8 = 0x06;
/// Tag of UTF8String.
pub const UTF8_STRING: u8 = 0x0C;
/// Tag of SEQUENCE.
pub const SEQUENCE: u8 = 0x30;
/// Tag of SET.
pub const SET: u8 = 0x31;
/// Tag of GeneralizedTime.
pub const GENERALIZED_TIME: u8 = 0x18;
/// Context tag 0, constructed.
pub const CONTEXT_0: u8 = 0xA0;
/// Context tag 1, constructed.
pub const CONTEXT_1: u8 = 0xA1;
/// Context tag 2, constructed.
pub const CONTEXT_2: u8 = 0xA2;
/// Context tag 3, constructed.
pub const CONTEXT_3: u8 = 0xA3;
/// Context tag 4, constructed.
pub const CONTEXT_4: u8 = 0xA4;
/// Tag of BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// Tag of ENUMERATED.
pub const ENUMERATED: u8 = 0x0A;

/// Octets of tag and length in front of `content` octets.
#[must_use]
pub const fn head_bytes(content: usize) -> usize {
    match content {
        0..=0x7F => 2,
        0x80..=0xFF => 3,
        0x100..=0xFFFF => 4,
        _ => 5,
    }
}

/// Octets of a whole value with `content` octets.
#[must_use]
pub const fn total_bytes(content: usize) -> usize {
    head_bytes(content) + content
}

/// Appends tag and length.
///
/// # Panics
/// If `content` does not fit in three octets: no artefact of ours comes near 16 MiB.
pub fn put_head(out: &mut Vec<u8>, tag: u8, content: usize) {
    out.push(tag);
    let digits = u32::try_from(content).expect("a DER value below 4 GiB").to_be_bytes();
    match content {
        0..=0x7F => out.push(digits[3]),
        0x80..=0xFF => out.extend_from_slice(&[0x81, digits[3]]),
        0x100..=0xFFFF => out.extend_from_slice(&[0x82, digits[2], digits[3]]),
        _ => {
            assert!(digits[0] == 0, "a DER value below 16 MiB");
            out.extend_from_slice(&[0x83, digits[1], digits[2], digits[3]]);
        }
    }
}

/// One value.
#[must_use]
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(total_bytes(content.len()));
    put_head(&mut out, tag, content.len());
    out.extend_from_slice(content);
    out
}

/// A SEQUENCE of values that are already encoded.
#[must_use]
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// The content octets of a non-negative INTEGER given as big-endian octets of any length: without leading zeros, but
/// with one where the first bit would read as a sign.
#[must_use]
pub fn integer_content(unsigned_be: &[u8]) -> Vec<u8> {
    let start = unsigned_be.iter().position(|b| *b != 0).unwrap_or(unsigned_be.len());
    let digits = &unsigned_be[start..];
    let mut out = Vec::with_capacity(digits.len() + 1);
    if digits.first().is_none_or(|first| *first >= 0x80) {
        out.push(0);
    }
    out.extend_from_slice(digits);
    out
}

/// The shortest content octets of the same signed INTEGER (X.690 §8.3.2); empty content stays empty.
#[must_use]
pub fn minimal_signed(content: &[u8]) -> &[u8] {
    let mut content = content;
    while let [first, second, ..] = content {
        let redundant = (*first == 0 && *second < 0x80) || (*first == 0xFF && *second >= 0x80);
        if !redundant {
            break;
        }
        content = &content[1..];
    }
    content
}

/// Content of a GeneralizedTime in DER: `YYYYMMDDhhmmss[.fff]Z`, the fraction without trailing zeros and absent when
/// zero (RFC 3161 §2.4.2).
pub fn put_generalized_time(out: &mut Vec<u8>, time: Timestamp) {
    use chrono::{Datelike, Timelike};

    let t = time.to_chrono();
    let start = out.len();
    // `Timestamp` ends in the year 9999, so four digits hold every year.
    for (value, digits) in
        [(t.year() as u32, 4), (t.month(), 2), (t.day(), 2), (t.hour(), 2), (t.minute(), 2), (t.second(), 2)]
    {
        put_digits(out, value, digits);
    }
    debug_assert_eq!(out.len() - start, 14);
    let millis = (time.millis() % 1000) as u32;
    if millis != 0 {
        out.push(b'.');
        put_digits(out, millis, 3);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.push(b'Z');
}

fn put_digits(out: &mut Vec<u8>, value: u32, digits: u32) {
    for place in (0..digits).rev() {
        out.push(b'0' + (value / 10_u32.pow(place) % 10) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths() {
        for (len, head) in
            [(0, "0400"), (127, "047f"), (128, "048180"), (255, "0481ff"), (256, "04820100"), (65_536, "0483010000")]
        {
            let value = tlv(OCTET_STRING, &vec![0; len]);
            assert!(hex::encode(&value).starts_with(head));
            assert_eq!(value.len(), total_bytes(len));
        }
    }

    #[test]
    fn integers_are_minimal() {
        for (unsigned, content) in [("", "00"), ("0000", "00"), ("0001", "01"), ("80", "0080"), ("00ff01", "00ff01")] {
            assert_eq!(hex::encode(integer_content(&hex::decode(unsigned).unwrap())), content);
        }
        for (signed, content) in
            [("0000", "00"), ("000080", "0080"), ("ffff80", "80"), ("ff7f", "ff7f"), ("ffff", "ff"), ("", "")]
        {
            assert_eq!(hex::encode(minimal_signed(&hex::decode(signed).unwrap())), content);
        }
    }

    #[test]
    fn generalized_time() {
        let table = [
            (0, "19700101000000Z"),
            (1_772_366_400_000, "20260301120000Z"),
            (1_772_366_400_250, "20260301120000.25Z"),
            (1_772_366_400_001, "20260301120000.001Z"),
            (1_772_366_400_100, "20260301120000.1Z"),
            (253_402_300_799_999, "99991231235959.999Z"),
        ];
        for (millis, expected) in table {
            let mut out = Vec::new();
            put_generalized_time(&mut out, Timestamp::from_millis(millis));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn time_and_integers_are_what_rasn_writes(millis in 0..253_402_300_800_000_u64, number: u64) {
            let time = Timestamp::from_millis(millis);
            let mut content = Vec::new();
            put_generalized_time(&mut content, time);
            let rasn = rasn::der::encode(&rasn::types::GeneralizedTime::from(time.to_chrono())).unwrap();
            prop_assert_eq!(tlv(GENERALIZED_TIME, &content), rasn);
            let rasn = rasn::der::encode(&rasn::types::Integer::from(number)).unwrap();
            prop_assert_eq!(tlv(INTEGER, &integer_content(&number.to_be_bytes())), rasn);
        }
    }
}
