//! A request that is made but for the places that set it apart from all others.

use std::ops::Range;

use super::super::Failed;

/// Stands where a number goes: text that a header, base64url and DER may hold alike.
pub(super) const MARK: &[u8; 16] = b"numbernumbernumb";

/// An HTTP request with numbers in it.
#[derive(Clone, Debug)]
pub(super) struct Template {
    bytes: Vec<u8>,
    /// Where the numbers are.
    places: Vec<usize>,
    /// What was asked, within the body.
    asked: Range<usize>,
}

impl Template {
    /// From the lines of a head without its length, and a body in which `asked` is what answers are about. There are so many marks in all.
    ///
    /// # Errors
    /// There are not.
    pub(super) fn new(head: &str, body: &[u8], asked: Range<usize>, marks: usize) -> Result<Self, Failed> {
        let mut bytes = format!("{head}content-length: {}\r\n\r\n", body.len()).into_bytes();
        let start = bytes.len();
        bytes.extend(body);
        let windows = bytes.windows(MARK.len()).enumerate();
        let places: Vec<_> = windows.filter(|(_, window)| window == MARK).map(|(place, _)| place).collect();
        let asked = start + asked.start..start + asked.end;
        let template = Self { bytes, places, asked };
        (template.places.len() == marks)
            .then_some(template)
            .ok_or_else(|| Failed("a request lacks its marks".to_owned()))
    }

    /// Writes a number into each place, in hexadecimal digits; gives the request.
    pub(super) fn numbered(&mut self, number: u64) -> &[u8] {
        let digits = format!("{number:016x}");
        for place in &self.places {
            self.bytes[*place..][..MARK.len()].copy_from_slice(digits.as_bytes());
        }
        &self.bytes
    }

    /// What is asked as it is now.
    pub(super) fn asked(&self) -> &[u8] {
        &self.bytes[self.asked.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_every_place() {
        let head = "POST / HTTP/1.1\r\nkey: numbernumbernumb\r\n";
        let body = b"a numbernumbernumb b";
        let mut template = Template::new(head, body, 2..18, 2).ok().unwrap();
        let sent = String::from_utf8(template.numbered(0x1234).to_vec()).unwrap();
        assert!(sent.ends_with("key: 0000000000001234\r\ncontent-length: 20\r\n\r\na 0000000000001234 b"), "{sent}");
        assert_eq!(template.asked(), b"0000000000001234");
        template.numbered(u64::MAX);
        assert_eq!(template.asked(), b"ffffffffffffffff");
        assert!(Template::new(head, body, 0..0, 3).is_err());
    }
}
