//! Characters that show nothing and change what is read around them: with one, a name looks like another's.

/// The general category Cf of Unicode 16 (formats: directions, joiners, tags) and the two separators Zl and Zp, as ranges.
const HIDDEN: [(char, char); 23] = [
    ('\u{AD}', '\u{AD}'),
    ('\u{600}', '\u{605}'),
    ('\u{61C}', '\u{61C}'),
    ('\u{6DD}', '\u{6DD}'),
    ('\u{70F}', '\u{70F}'),
    ('\u{890}', '\u{891}'),
    ('\u{8E2}', '\u{8E2}'),
    ('\u{180E}', '\u{180E}'),
    ('\u{200B}', '\u{200F}'),
    ('\u{2028}', '\u{2029}'),
    ('\u{202A}', '\u{202E}'),
    ('\u{2060}', '\u{2064}'),
    ('\u{2066}', '\u{206F}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{FFF9}', '\u{FFFB}'),
    ('\u{110BD}', '\u{110BD}'),
    ('\u{110CD}', '\u{110CD}'),
    ('\u{13430}', '\u{1343F}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0001}', '\u{E0001}'),
    ('\u{E0020}', '\u{E007F}'),
    // Not of category Cf, but as empty as a space that is none: the Hangul filler.
    ('\u{3164}', '\u{3164}'),
];

/// Whether a character is a control or shows nothing.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control() || HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_nothing_is_known() {
        assert!(
            "\0\n\u{7F}\u{85}\u{AD}\u{200B}\u{200E}\u{202E}\u{2066}\u{2028}\u{FEFF}\u{E0041}".chars().all(is_hidden)
        );
        assert!("Étude Martin 株式会社 Владимир עברית فارسی".chars().all(|c| !is_hidden(c)));
    }
}
