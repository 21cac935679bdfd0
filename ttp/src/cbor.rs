//! Deterministic CBOR (RFC 8949 §4.2.1), written without a tree and read strictly.
//!
//! Only what facts need: unsigned integers, byte strings, booleans, null and arrays of known length. There is no text
//! string, no map and no float, so a fact *cannot* hold a name or free text (DESIGN §1, promise 5): the reader refuses
//! such bytes and the writer has no way to make them.

use ciborium_ll::{Encoder, Header, simple};

/// Appends items to a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty writer whose buffer already has room for `bytes` octets.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    /// Opens an array of exactly `items` items; the caller writes them next.
    pub fn array(&mut self, items: usize) -> &mut Self {
        self.push(Header::Array(Some(items)))
    }

    /// An unsigned integer in its shortest form.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.push(Header::Positive(value))
    }

    /// A byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.push(Header::Bytes(Some(value.len())));
        self.out.extend_from_slice(value);
        self
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.push(Header::Simple(if value { simple::TRUE } else { simple::FALSE }))
    }

    /// Null, for an optional item that is absent.
    pub fn null(&mut self) -> &mut Self {
        self.push(Header::Simple(simple::NULL))
    }

    /// An item that is already encoded.
    pub fn raw(&mut self, item: &[u8]) -> &mut Self {
        self.out.extend_from_slice(item);
        self
    }

    /// The bytes written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn push(&mut self, header: Header) -> &mut Self {
        Encoder::from(&mut self.out).push(header).expect("writing to a Vec cannot fail");
        self
    }
}

/// Why bytes are not what a fact may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end inside an item.
    #[error("the bytes end inside an item")]
    Truncated,
    /// An item of another type, or of a type that no fact may hold.
    #[error("unexpected item type at byte {at}")]
    Type {
        /// Offset of the item.
        at: usize,
    },
    /// Not the shortest form, or an indefinite length.
    #[error("not in deterministic form at byte {at}")]
    NotDeterministic {
        /// Offset of the item.
        at: usize,
    },
    /// An array or byte string of another length than the format says.
    #[error("wrong length at byte {at}")]
    Length {
        /// Offset of the item.
        at: usize,
    },
    /// Arrays inside arrays beyond [`DEPTH_MAX`].
    #[error("arrays nested too deeply at byte {at}")]
    Depth {
        /// Offset of the item.
        at: usize,
    },
    /// Bytes follow the last item.
    #[error("bytes follow the last item")]
    Trailing,
    /// A number that is out of its range or names nothing known.
    #[error("number out of range before byte {at}")]
    Range {
        /// Offset after the number.
        at: usize,
    },
}

/// Arrays may be nested this deep: far above what any fact has, far below what could exhaust a stack.
pub const DEPTH_MAX: usize = 8;

/// Reads items one after the other and accepts one encoding of each value only.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

const UINT: u8 = 0;
const BYTES: u8 = 2;
const ARRAY: u8 = 4;
const SIMPLE: u8 = 7;

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// The next item as an array of exactly `items` items.
    ///
    /// # Errors
    /// Any [`Error`] but `Trailing`.
    pub fn array(&mut self, items: u64) -> Result<(), Error> {
        let at = self.at;
        if self.array_len()? == items { Ok(()) } else { Err(Error::Length { at }) }
    }

    /// The next item as the head of an array; gives its length.
    ///
    /// # Errors
    /// Any [`Error`] but `Trailing`.
    pub fn array_len(&mut self) -> Result<u64, Error> {
        self.typed(ARRAY)
    }

    /// The next item as an unsigned integer.
    ///
    /// # Errors
    /// Any [`Error`] but `Trailing`.
    pub fn uint(&mut self) -> Result<u64, Error> {
        self.typed(UINT)
    }

    /// The next item as a number that `known` translates.
    ///
    /// # Errors
    /// [`Error::Range`] if `known` gives `None`, else as [`Reader::uint`].
    pub fn code<T>(&mut self, known: impl FnOnce(u64) -> Option<T>) -> Result<T, Error> {
        let value = self.uint()?;
        known(value).ok_or(Error::Range { at: self.at })
    }

    /// The next item as a byte string.
    ///
    /// # Errors
    /// Any [`Error`] but `Trailing`.
    pub fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let len = usize::try_from(self.typed(BYTES)?).map_err(|_| Error::Truncated)?;
        let end = self.at.checked_add(len).ok_or(Error::Truncated)?;
        let bytes = self.input.get(self.at..end).ok_or(Error::Truncated)?;
        self.at = end;
        Ok(bytes)
    }

    /// The next item as a byte string of `N` octets.
    ///
    /// # Errors
    /// Any [`Error`] but `Trailing`.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let at = self.at;
        self.bytes()?.try_into().map_err(|_| Error::Length { at })
    }

    /// The next item as a boolean.
    ///
    /// # Errors
    /// Any [`Error`] but `Trailing`.
    pub fn bool(&mut self) -> Result<bool, Error> {
        let at = self.at;
        match self.typed(SIMPLE)? {
            20 => Ok(false),
            21 => Ok(true),
            _ => Err(Error::Type { at }),
        }
    }

    /// True, and the item is taken, if the next item is null.
    pub fn null(&mut self) -> bool {
        let is_null = self.input.get(self.at) == Some(&0xF6);
        self.at += usize::from(is_null);
        is_null
    }

    /// The next item whole, as bytes, whatever permitted type it has.
    ///
    /// # Errors
    /// Any [`Error`] but `Trailing`.
    pub fn item(&mut self) -> Result<&'a [u8], Error> {
        let start = self.at;
        self.skip(0)?;
        Ok(&self.input[start..self.at])
    }

    /// Succeeds if nothing is left.
    ///
    /// # Errors
    /// [`Error::Trailing`].
    pub fn end(&self) -> Result<(), Error> {
        if self.at == self.input.len() { Ok(()) } else { Err(Error::Trailing) }
    }

    fn skip(&mut self, depth: usize) -> Result<(), Error> {
        let at = self.at;
        if depth > DEPTH_MAX {
            return Err(Error::Depth { at });
        }
        match self.input.get(at).ok_or(Error::Truncated)? >> 5 {
            UINT => self.uint().map(drop),
            BYTES => self.bytes().map(drop),
            ARRAY => {
                // The length may lie, so nothing is allocated for it: the loop ends with `Truncated` at the last byte.
                for _ in 0..self.array_len()? {
                    self.skip(depth + 1)?;
                }
                Ok(())
            }
            SIMPLE if self.null() => Ok(()),
            SIMPLE => self.bool().map(drop),
            _ => Err(Error::Type { at }),
        }
    }

    fn typed(&mut self, major: u8) -> Result<u64, Error> {
        let at = self.at;
        let first = *self.input.get(at).ok_or(Error::Truncated)?;
        if first >> 5 != major {
            return Err(Error::Type { at });
        }
        let extra = match first & 0x1F {
            small @ 0..=23 => {
                self.at = at + 1;
                return Ok(small.into());
            }
            minor @ 24..=27 => 1_usize << (minor - 24),
            _ => return Err(Error::NotDeterministic { at }),
        };
        let bytes = self.input.get(at + 1..at + 1 + extra).ok_or(Error::Truncated)?;
        let value = bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        // Shortest form: one byte holds 24 and up, each longer form only what the next shorter one cannot hold.
        let least = if extra == 1 { 24 } else { 1_u64 << (extra * 4) };
        if value < least {
            return Err(Error::NotDeterministic { at });
        }
        self.at = at + 1 + extra;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shortest_forms_only() {
        // (value, its one encoding); RFC 8949 appendix A
        let table: &[(u64, &str)] = &[
            (0, "00"),
            (23, "17"),
            (24, "1818"),
            (255, "18ff"),
            (256, "190100"),
            (65_535, "19ffff"),
            (65_536, "1a00010000"),
            (u64::from(u32::MAX), "1affffffff"),
            (1 << 32, "1b0000000100000000"),
            (u64::MAX, "1bffffffffffffffff"),
        ];
        for (value, encoded) in table {
            let mut writer = Writer::default();
            writer.uint(*value);
            assert_eq!(hex::encode(writer.finish()), *encoded);
            assert_eq!(Reader::new(&hex::decode(encoded).unwrap()).uint(), Ok(*value));
        }
        for long in ["1800", "1817", "190017", "1900ff", "1a0000ffff", "1b00000000ffffffff"] {
            let bytes = hex::decode(long).unwrap();
            assert_eq!(Reader::new(&bytes).uint(), Err(Error::NotDeterministic { at: 0 }), "{long}");
        }
    }

    #[test]
    fn text_maps_floats_tags_and_indefinite_lengths_are_refused() {
        for bad in ["6161", "a0", "f97e00", "c100", "20", "9f00ff", "5f4100ff", "f7", "f8ff"] {
            assert!(Reader::new(&hex::decode(bad).unwrap()).item().is_err(), "{bad}");
        }
        let deep = [vec![0x81; DEPTH_MAX + 1], vec![0x00]].concat();
        assert!(matches!(Reader::new(&deep).item(), Err(Error::Depth { .. })));
    }

    proptest! {
        #[test]
        fn reader_never_panics_and_item_is_a_prefix(bytes: Vec<u8>) {
            if let Ok(item) = Reader::new(&bytes).item() {
                prop_assert!(bytes.starts_with(item));
            }
        }

        #[test]
        fn what_is_written_is_read(numbers: Vec<u64>, blob: Vec<u8>, flag: bool) {
            let mut writer = Writer::default();
            writer.array(3).array(numbers.len());
            for n in &numbers { writer.uint(*n); }
            writer.bytes(&blob).bool(flag);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.item(), Ok(bytes.as_slice()));
            let mut reader = Reader::new(&bytes);
            reader.array(3).unwrap();
            prop_assert_eq!(reader.array_len(), Ok(numbers.len() as u64));
            for n in &numbers { prop_assert_eq!(reader.uint(), Ok(*n)); }
            prop_assert_eq!(reader.bytes(), Ok(blob.as_slice()));
            prop_assert_eq!(reader.bool(), Ok(flag));
            prop_assert_eq!(reader.end(), Ok(()));
        }
    }
}
