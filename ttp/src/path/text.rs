//! Preparing the text of names for comparison (RFC 5280 §7.1, which takes RFC 4518 §2): what differs only in case, in the string
//! type, or in insignificant spaces is the same name.

use unicode_normalization::UnicodeNormalization as _;

use crate::asn1::der;

const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const VISIBLE_STRING: u8 = 0x1A;
const UNIVERSAL_STRING: u8 = 0x1C;
const BMP_STRING: u8 = 0x1E;

/// Transcode (RFC 4518 §2.1): the characters of a string type; `None` for another type and for what is none of its strings.
pub(super) fn characters(tag: u8, content: &[u8]) -> Option<String> {
    match tag {
        der::UTF8_STRING => String::from_utf8(content.to_vec()).ok(),
        PRINTABLE_STRING | IA5_STRING | NUMERIC_STRING | VISIBLE_STRING => {
            // Some issuers write Latin-1 or UTF-8 here; neither is what the type says, so it is compared as octets.
            content.is_ascii().then(|| content.iter().map(|octet| char::from(*octet)).collect())
        }
        // T.61 has shifts that nobody used; what was meant is Latin-1.
        TELETEX_STRING => Some(content.iter().map(|octet| char::from(*octet)).collect()),
        BMP_STRING => {
            let units: Vec<u16> =
                content.chunks(2).map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?))).collect::<Option<_>>()?;
            String::from_utf16(&units).ok()
        }
        UNIVERSAL_STRING => {
            content.chunks(4).map(|four| char::from_u32(u32::from_be_bytes(four.try_into().ok()?))).collect()
        }
        _ => None,
    }
}

/// Map, Normalize and Insignificant Space Handling (RFC 4518 §2.2, 2.3, 2.6.1). Case is folded by way of upper case, which
/// gives what table B.2 of RFC 3454 gives: ß is ss, ſ is s, both small sigmas are one.
pub(super) fn prepared(text: &str) -> String {
    if text.is_ascii() {
        return squeezed(text.chars().filter_map(mapped).map(|c| c.to_ascii_lowercase()));
    }
    let folded = |c: char| c.to_uppercase().flat_map(char::to_lowercase);
    let once: String = text.chars().filter_map(mapped).flat_map(folded).nfkc().collect();
    // Normalizing can bring capital letters back.
    let twice: String = once.chars().flat_map(folded).nfkc().collect();
    squeezed(twice.chars().filter_map(mapped))
}

/// §2.2: what shows nothing is nothing, what is as wide as a space is one.
fn mapped(c: char) -> Option<char> {
    match c {
        '\u{09}'..='\u{0D}' | '\u{85}' | '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' => Some(' '),
        '\u{2028}' | '\u{2029}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => Some(' '),
        '\u{00}'..='\u{08}' | '\u{0E}'..='\u{1F}' | '\u{7F}'..='\u{84}' | '\u{86}'..='\u{9F}' => None,
        '\u{AD}' | '\u{34F}' | '\u{6DD}' | '\u{70F}' | '\u{1806}' | '\u{180B}'..='\u{180E}' | '\u{FFFC}' => None,
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2063}' | '\u{206A}'..='\u{206F}' => None,
        '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}' => None,
        '\u{E0001}' | '\u{E0020}'..='\u{E007F}' => None,
        other => Some(other),
    }
}

/// §2.6.1, without the spaces that it puts at both ends of every string alike.
fn squeezed(characters: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for c in characters {
        if c != ' ' || !(out.is_empty() || out.ends_with(' ')) {
            out.push(c);
        }
    }
    out.truncate(out.trim_end_matches(' ').len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_in_other_clothes() {
        for (a, b) in [
            ("Test  CA", " test ca "),
            ("STRASSE", "straße"),
            ("Ångström", "A\u{30A}NGSTRO\u{308}M"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("ﬁne", "FINE"),
            ("a\u{A0}b", "A B"),
            ("soft\u{AD}ly", "softly"),
            ("\t", ""),
        ] {
            assert_eq!(prepared(a), prepared(b), "{a} {b}");
        }
        assert_ne!(prepared("a b"), prepared("ab"));
        assert_ne!(prepared("é"), prepared("e"));
    }

    #[test]
    fn string_types() {
        let table = [
            (der::UTF8_STRING, "c3a9", Some("é")),
            (der::UTF8_STRING, "ff", None),
            (PRINTABLE_STRING, "e9", None),
            (TELETEX_STRING, "e9", Some("é")),
            (BMP_STRING, "00e9", Some("é")),
            (BMP_STRING, "00e900", None),
            (BMP_STRING, "d800", None),
            (UNIVERSAL_STRING, "000000e9", Some("é")),
            (UNIVERSAL_STRING, "00110000", None),
            (der::OCTET_STRING, "61", None),
        ];
        for (tag, hex, expected) in table {
            assert_eq!(characters(tag, &hex::decode(hex).unwrap()).as_deref(), expected, "{tag} {hex}");
        }
    }
}
