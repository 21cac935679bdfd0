//! BER with indefinite lengths and strings in pieces (X.690 §8.1.3.6, §8.7.3), which CMS permits and BouncyCastle writes, rewritten
//! with definite lengths; nothing else of it is repaired.
//!
//! Octets inside a string are not looked into, and what was written as DER inside stays as it was: so whatever is signed keeps its
//! octets.

use super::der;

/// Values inside values, at most. CMS around DVCS around certificates needs some fifteen.
const DEPTH_MAX: usize = 32;

/// An indefinite length.
const INDEFINITE: u8 = 0x80;
/// OCTET STRING in pieces.
const OCTET_STRING_IN_PIECES: u8 = 0x24;

/// `bytes`, exactly one value, with definite lengths; `None` if they are no BER that can be rewritten: too deep, cut off, with a tag
/// number from 31 on, with a length of 16 MiB or more, or with something behind.
///
/// Time and memory are bounded by the length of `bytes` times the depth.
#[must_use]
pub fn definite(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    let mut out = Vec::with_capacity(bytes.len());
    value(&mut rest, &mut out, DEPTH_MAX)?;
    rest.is_empty().then_some(out)
}

/// True if the outermost length is indefinite, as whoever writes BER at all writes it.
#[must_use]
pub fn is_indefinite(bytes: &[u8]) -> bool {
    bytes.get(1) == Some(&INDEFINITE)
}

/// Moves one value from `rest` to `out`.
fn value(rest: &mut &[u8], out: &mut Vec<u8>, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let begin = *rest;
    let (&tag, after) = rest.split_first()?;
    if tag & 0x1F == 0x1F {
        return None;
    }
    *rest = after;
    let constructed = tag & 0x20 != 0;
    let mut content = Vec::new();
    let indefinite = rest.first() == Some(&INDEFINITE);
    if indefinite {
        // Constructed only (X.690 §8.1.3.2).
        if !constructed {
            return None;
        }
        *rest = &rest[1..];
        while !rest.starts_with(&[0, 0]) {
            value(rest, &mut content, depth)?;
        }
        *rest = &rest[2..];
    } else {
        let mut inside = take_definite(rest)?;
        let original = inside;
        while constructed && !inside.is_empty() {
            value(&mut inside, &mut content, depth)?;
        }
        if tag != OCTET_STRING_IN_PIECES && (!constructed || content == original) {
            out.extend_from_slice(&begin[..begin.len() - rest.len()]);
            return Some(());
        }
    }
    if tag == OCTET_STRING_IN_PIECES {
        return put(out, der::OCTET_STRING, &joined(&content)?);
    }
    put(out, tag, &content)
}

fn take_definite<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&first, after) = rest.split_first()?;
    let (digits, short) = if first < 0x80 { (0, usize::from(first)) } else { (usize::from(first & 0x7F), 0) };
    if digits > 3 {
        return None;
    }
    let (length, after) = after.split_at_checked(digits)?;
    let length = length.iter().fold(short, |sum, octet| sum << 8 | usize::from(*octet));
    let (content, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(content)
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
    let mut reader = super::read::Reader::new(pieces);
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

    fn check(ber: &str, expected: Option<&str>) {
        let found = definite(&hex::decode(ber.replace(' ', "")).unwrap()).map(hex::encode);
        assert_eq!(found, expected.map(|der| der.replace(' ', "")), "{ber}");
    }

    #[test]
    fn indefinite_lengths_and_pieces() {
        check("3080 0000", Some("3000"));
        check("3080 020105 a080 0401aa 0000 0000", Some("3008 020105 a003 0401aa"));
        check("2480 0402aabb 0401cc 0000", Some("0403aabbcc"));
        check("2407 0402aabb 0401cc", Some("0403aabbcc"));
        check("3080 2480 2480 0401aa 0000 0401bb 0000 0000", Some("3004 0402aabb"));
        // Inside a definite length.
        check("3006 a080 0500 0000", Some("3004 a002 0500"));
        // What is DER stays as it is, and so does what has another spelling: whoever reads it strictly refuses it.
        check("3003 020105", Some("3003 020105"));
        check("3004 02810105", Some("3004 02810105"));
        check("3080 02810105 0000", Some("3004 02810105"));
        // Octets of a string are not looked into.
        check("0404 30800000", Some("0404 30800000"));
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
        ] {
            check(bad, None);
        }
        // Pieces of another kind; deeper than the bound.
        check("2480 020105 0000", None);
        let deep = |levels: usize| format!("{}{}", "3080".repeat(levels), "0000".repeat(levels));
        assert!(definite(&hex::decode(deep(DEPTH_MAX)).unwrap()).is_some());
        check(&deep(DEPTH_MAX + 1), None);
        check(&deep(20_000), None);
    }

    proptest! {
        #[test]
        fn never_panics_and_grows_by_heads_alone(bytes: Vec<u8>) {
            if let Some(der) = definite(&bytes) {
                prop_assert!(!is_indefinite(&der));
                prop_assert_eq!(definite(&der), Some(der));
            }
        }
    }
}
