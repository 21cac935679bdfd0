//! The few words of a PDF that stand outside of its objects: numbers, keywords, space.

/// A cursor.
#[derive(Clone)]
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// White space of ISO 32000-2 §7.2.3.
fn is_white(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0x0C | b'\r' | b' ')
}

impl<'a> Scan<'a> {
    /// At `offset` of `bytes`.
    pub(super) const fn at(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, at: offset }
    }

    pub(super) const fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Goes over white space.
    pub(super) fn white(&mut self) {
        self.at += self.rest().iter().take_while(|byte| is_white(**byte)).count();
    }

    /// Goes over white space and comments.
    pub(super) fn space(&mut self) {
        self.white();
        while self.rest().first() == Some(&b'%') {
            self.at += self.rest().iter().take_while(|byte| !matches!(byte, b'\r' | b'\n')).count();
            self.white();
        }
    }

    /// An unsigned number behind space.
    pub(super) fn number(&mut self) -> Option<usize> {
        self.space();
        // 19 digits cannot overflow.
        let digits = self.rest().iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 19 {
            return None;
        }
        let number =
            self.rest()[..digits].iter().fold(0_usize, |number, digit| number * 10 + usize::from(digit - b'0'));
        self.at += digits;
        Some(number)
    }

    /// Goes over `word` behind space, if it is there.
    pub(super) fn word(&mut self, word: &[u8]) -> bool {
        let start = self.at;
        self.space();
        if self.rest().starts_with(word) {
            self.at += word.len();
            return true;
        }
        self.at = start;
        false
    }

    /// One octet behind space.
    pub(super) fn letter(&mut self) -> Option<u8> {
        self.space();
        let letter = *self.rest().first()?;
        self.at += 1;
        Some(letter)
    }

    /// Where the octets of a stream begin, behind the line's end (§7.3.8.1): CR LF or LF.
    pub(super) fn line_end(&mut self) -> Option<usize> {
        let bytes = match self.rest() {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => return None,
        };
        self.at += bytes;
        Some(self.at)
    }
}
