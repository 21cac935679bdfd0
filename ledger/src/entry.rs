//! The public entry of the ledger, byte for byte.
//!
//! ```text
//! entry = [1, role, kind, time_ms, digest, tags]      deterministic CBOR (RFC 8949 §4.2.1)
//!          |  |     |     |        |       0 to 4 tags of 32 bytes, strictly ascending
//!          |  |     |     |        SHA-256 of the artefact, else of the fact
//!          |  |     |     milliseconds since 1970 (UTC) of the commit group; never falls along the log
//!          |  |     number within the role
//!          |  number, named in ttp/src/evidence.rs
//!          version
//! ```
//!
//! Nothing but codes, time, hash and tags stands in an entry: no party, no reference, no free text. The shape is written
//! down in `schemas/entry.cddl`.

use ciborium_ll::{Decoder, Encoder, Header};

use crate::merkle::{Hash, sha256};

/// The version that opens every entry.
const VERSION: u64 = 1;

/// The most tags that one entry holds.
pub const TAGS_MAX: usize = 4;

/// The longest encoding: 6 headers, two codes and a time of 9 bytes each, a digest and four tags of 34.
pub const ENTRY_BYTES_MAX: usize = 1 + 1 + 9 + 9 + 9 + 34 + 1 + TAGS_MAX * 34;

/// What an outsider may hold against the operator without learning anything else: one seen twice convicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub Hash);

/// What a tag counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TagSpace {
    /// A question that is decided once: n is the instance (0 verdict, 1 appeal).
    Decision = 1,
    /// A step of a state: the latest state is the last n present.
    Step = 2,
    /// A certificate: n = 0 issued, then each change of status.
    Certificate = 3,
    // 4 is unused; 5 is reserved for feeds by VRF.
}

impl Tag {
    /// `H("semper/tag/v1" ‖ 00 ‖ space u8 ‖ subject[32] ‖ n u64 BE)`.
    ///
    /// The subject must not be guessable: it covers a salt or a random serial.
    pub fn new(space: TagSpace, subject: &Hash, n: u64) -> Self {
        let mut bytes = Vec::with_capacity(13 + 1 + 1 + 32 + 8);
        bytes.extend_from_slice(b"semper/tag/v1\0");
        bytes.push(space as u8);
        bytes.extend_from_slice(subject);
        bytes.extend_from_slice(&n.to_be_bytes());
        Self(sha256(&bytes))
    }
}

/// Up to [`TAGS_MAX`] distinct tags in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<Tag>);

/// The tags given are too many, or one stands twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry takes at most {TAGS_MAX} tags, all different")]
pub struct TooManyTags;

impl Tags {
    /// Sorts the tags; refuses more than [`TAGS_MAX`] and doubles.
    pub fn new(mut tags: Vec<Tag>) -> Result<Self, TooManyTags> {
        tags.sort_unstable();
        let distinct = tags.windows(2).all(|pair| pair[0] < pair[1]);
        if tags.len() <= TAGS_MAX && distinct { Ok(Self(tags)) } else { Err(TooManyTags) }
    }

    /// The tags, ascending.
    pub fn as_slice(&self) -> &[Tag] {
        &self.0
    }
}

/// A decoded entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which third party acted (a number here, named in `ttp`).
    pub role: u64,
    /// What it did (a number within the role).
    pub kind: u64,
    /// Milliseconds since 1970, UTC: the clock reading at the start of the commit group.
    pub time_ms: u64,
    /// SHA-256 of the artefact that the fact releases or accepts, else of the fact's own bytes.
    pub digest: Hash,
    /// What may never stand twice in one log.
    pub tags: Tags,
}

/// Bytes that are not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEntry {
    /// Not one complete CBOR item of the entry's shape.
    #[error("not a CBOR array [1, role, kind, time_ms, digest, tags]")]
    Shape,
    /// The first element is another number than 1: what follows it, and how long it is, is for that version to say.
    #[error("entry version {0} is not known")]
    Version(u64),
    /// The same content has another, shorter or ordered encoding, which alone is allowed.
    #[error("not in deterministic encoding")]
    NotDeterministic,
}

impl Entry {
    /// The bytes that are stored, served and hashed.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ENTRY_BYTES_MAX);
        let mut cbor = Encoder::from(&mut bytes);
        let infallible = "writing to memory cannot fail";
        cbor.push(Header::Array(Some(6))).expect(infallible);
        for number in [VERSION, self.role, self.kind, self.time_ms] {
            cbor.push(Header::Positive(number)).expect(infallible);
        }
        cbor.bytes(&self.digest, None).expect(infallible);
        cbor.push(Header::Array(Some(self.tags.0.len()))).expect(infallible);
        for tag in &self.tags.0 {
            cbor.bytes(&tag.0, None).expect(infallible);
        }
        bytes
    }

    /// Reads exactly one entry; the bytes must be the ones that [`Entry::encode`] gives.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAnEntry> {
        // Whoever follows a log reads each of its entries: the one encoding that is allowed is read at a fifth of the cost of
        // CBOR in general, which then says what is wrong with the others.
        Self::read(bytes).map_or_else(|| Self::judge(bytes), Ok)
    }

    /// The entry, if these are the bytes of one in deterministic encoding.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[ARRAY | 6])?;
        let numbers = [uint(&mut rest)?, uint(&mut rest)?, uint(&mut rest)?, uint(&mut rest)?];
        let [VERSION, role, kind, time_ms] = numbers else { return None };
        let digest = hash_of(&mut rest)?;
        let (head, tail) = rest.split_first()?;
        rest = tail;
        let count = usize::from(head.checked_sub(ARRAY)?);
        let mut tags = Vec::with_capacity(if count <= TAGS_MAX { count } else { return None });
        for _ in 0..count {
            tags.push(Tag(hash_of(&mut rest)?));
        }
        let ascend = tags.windows(2).all(|pair| pair[0] < pair[1]);
        (rest.is_empty() && ascend).then_some(Self { role, kind, time_ms, digest, tags: Tags(tags) })
    }

    /// The same by a reader of all CBOR, with what is wrong.
    fn judge(bytes: &[u8]) -> Result<Self, NotAnEntry> {
        let mut cbor = Decoder::from(bytes);
        let Ok(Header::Array(Some(elements))) = cbor.pull() else { return Err(NotAnEntry::Shape) };
        let version = number(&mut cbor)?;
        if version != VERSION {
            return Err(NotAnEntry::Version(version));
        }
        if elements != 6 || bytes.len() > ENTRY_BYTES_MAX {
            return Err(NotAnEntry::Shape);
        }
        let (role, kind, time_ms) = (number(&mut cbor)?, number(&mut cbor)?, number(&mut cbor)?);
        let digest = hash(&mut cbor)?;
        let count = match cbor.pull() {
            Ok(Header::Array(Some(count))) if count <= TAGS_MAX => count,
            _ => return Err(NotAnEntry::Shape),
        };
        let tags = (0..count).map(|_| hash(&mut cbor).map(Tag)).collect::<Result<Vec<_>, _>>()?;
        let entry =
            Self { role, kind, time_ms, digest, tags: Tags::new(tags).map_err(|_| NotAnEntry::NotDeterministic)? };
        if entry.encode() == bytes { Ok(entry) } else { Err(NotAnEntry::NotDeterministic) }
    }
}

/// The initial byte of an array, less its length (RFC 8949 §3.1, major type 4).
const ARRAY: u8 = 0x80;

/// What stands before 32 octets: major type 2 with a length in one octet.
const BYTES_32: [u8; 2] = [0x58, 32];

/// An unsigned integer in its shortest form (RFC 8949 §4.2.1).
fn uint(rest: &mut &[u8]) -> Option<u64> {
    let (&head, tail) = rest.split_first()?;
    let length = match head {
        0..24 => {
            *rest = tail;
            return Some(head.into());
        }
        24..=27 => 1 << (head - 24),
        _ => return None,
    };
    let (octets, tail) = tail.split_at_checked(length)?;
    let number = octets.iter().fold(0, |number: u64, octet| number << 8 | u64::from(*octet));
    let least = if length == 1 { 24 } else { 1 << (4 * length) };
    *rest = tail;
    (number >= least).then_some(number)
}

fn hash_of(rest: &mut &[u8]) -> Option<Hash> {
    let (hash, tail) = rest.strip_prefix(&BYTES_32)?.split_first_chunk()?;
    *rest = tail;
    Some(*hash)
}

type Reader<'a> = Decoder<&'a [u8]>;

fn expect(cbor: &mut Reader<'_>, header: Header) -> Result<(), NotAnEntry> {
    match cbor.pull() {
        Ok(found) if found == header => Ok(()),
        _ => Err(NotAnEntry::Shape),
    }
}

fn number(cbor: &mut Reader<'_>) -> Result<u64, NotAnEntry> {
    match cbor.pull() {
        Ok(Header::Positive(number)) => Ok(number),
        _ => Err(NotAnEntry::Shape),
    }
}

fn hash(cbor: &mut Reader<'_>) -> Result<Hash, NotAnEntry> {
    use ciborium_io::Read as _;
    expect(cbor, Header::Bytes(Some(32)))?;
    let mut hash = [0; 32];
    cbor.read_exact(&mut hash).map_err(|_| NotAnEntry::Shape)?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(tags: usize) -> Entry {
        let tags = (0..tags as u8).map(|i| Tag([i; 32])).collect();
        Entry { role: 1, kind: 0, time_ms: 1_790_000_000_000, digest: [7; 32], tags: Tags::new(tags).unwrap() }
    }

    #[test]
    fn bytes_and_lengths_of_the_specification() {
        let bytes = entry(0).encode();
        assert_eq!(hex::encode(&bytes), format!("860101001b000001a0c4506c005820{}80", "07".repeat(32)));
        assert_eq!(bytes.len(), 48);
        assert_eq!(entry(1).encode().len(), 82);
        let longest = Entry { role: u64::MAX, kind: u64::MAX, time_ms: u64::MAX, ..entry(4) };
        assert_eq!(longest.encode().len(), ENTRY_BYTES_MAX);
    }

    #[test]
    fn published_tag_vector() {
        let x = sha256(b"exchange 0");
        assert!(hex::encode(x).starts_with("df2a7d38") && hex::encode(x).ends_with("5db606d4b"));
        let tag = Tag::new(TagSpace::Decision, &x, 0);
        assert_eq!(hex::encode(tag.0), "88bcfebfc175e0e706b0903dadfa6c5fde642e39c5d286d2d583009129d72003");
        assert_ne!(tag, Tag::new(TagSpace::Decision, &x, 1));
        assert_ne!(tag, Tag::new(TagSpace::Step, &x, 0));
    }

    #[test]
    fn tags_are_few_and_distinct() {
        assert_eq!(Tags::new(vec![Tag([1; 32]); 2]), Err(TooManyTags));
        assert_eq!(Tags::new((0..5).map(|i| Tag([i; 32])).collect()), Err(TooManyTags));
        assert_eq!(Tags::new(vec![Tag([2; 32]), Tag([1; 32])]).unwrap().as_slice(), [Tag([1; 32]), Tag([2; 32])]);
    }

    #[test]
    fn other_encodings_are_refused() {
        let good = entry(2).encode();
        assert_eq!(Entry::decode(&good), Ok(entry(2)));
        assert_eq!(Entry::decode(&good[..good.len() - 1]), Err(NotAnEntry::Shape));
        assert_eq!(Entry::decode(&[&good[..], &[0]].concat()), Err(NotAnEntry::NotDeterministic), "trailing byte");
        // A later version may be of any shape, and is not to be held against whoever writes it.
        let long = [&[0x98, 0x18, 0x19, 0x01, 0x00][..], &[0; 400]].concat();
        for (bytes, version) in [(&[0x86, 0x02][..], 2), (&[0x87, 0x02, 0xf6], 2), (&[0x81, 0x00], 0), (&long, 256)] {
            assert_eq!(Entry::decode(bytes), Err(NotAnEntry::Version(version)), "{bytes:x?}");
        }
        for bytes in [&[0x87, 0x01, 0, 0, 0, 0, 0][..], &[0x80], &[0xa1, 0x02, 0], &[0x9f, 0x02, 0xff], &[0x86, 0x21]] {
            assert_eq!(Entry::decode(bytes), Err(NotAnEntry::Shape), "{bytes:x?}");
        }
        assert_eq!(Entry::decode(&[]), Err(NotAnEntry::Shape));
        let mut long_form = vec![0x86, 0x18, 0x01]; // 1 in two bytes
        long_form.extend_from_slice(&good[2..]);
        assert_eq!(Entry::decode(&long_form), Err(NotAnEntry::NotDeterministic));
        let mut descending = good.clone();
        let tags = descending.len() - 68;
        descending[tags..].rotate_left(34);
        assert_eq!(Entry::decode(&descending), Err(NotAnEntry::NotDeterministic));
    }

    /// Of every length that a number may have, and at the edges of each.
    fn number() -> impl Strategy<Value = u64> {
        let edges = [23, 24, 255, 256, 65_535, 65_536, u32::MAX.into(), 1 << 32, u64::MAX];
        prop_oneof![prop::sample::select(edges.to_vec()), any::<u64>(), 0..300u64]
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_themselves_or_not_at_all(bytes in proptest::collection::vec(any::<u8>(), 0..240)) {
            if let Ok(entry) = Entry::decode(&bytes) {
                prop_assert_eq!(entry.encode(), bytes.clone());
            }
            prop_assert_eq!(Entry::read(&bytes), Entry::judge(&bytes).ok());
        }

        /// Both readers say the same, also of what is nearly one.
        #[test]
        fn the_fast_reader_takes_what_the_general_one_takes(
            numbers in [number(), number(), number()], tags in 0usize..6, at in any::<prop::sample::Index>(),
            change in prop::option::of(any::<u8>()), length in any::<prop::sample::Index>(), cut: bool,
        ) {
            let [role, kind, time_ms] = numbers;
            let tags = Tags((0..tags as u8).map(|i| Tag([i; 32])).collect());
            let mut bytes = Entry { role, kind, time_ms, digest: [7; 32], tags }.encode();
            if let Some(change) = change {
                let at = at.index(bytes.len());
                bytes[at] = change;
            }
            if cut {
                bytes.truncate(length.index(bytes.len()));
            }
            prop_assert_eq!(Entry::read(&bytes), Entry::judge(&bytes).ok());
        }

        #[test]
        fn round_trip(role: u64, kind: u64, time_ms: u64, digest: [u8; 32], tags in proptest::collection::btree_set(any::<[u8; 32]>(), 0..=4)) {
            let tags = Tags::new(tags.into_iter().map(Tag).collect()).unwrap();
            let entry = Entry { role, kind, time_ms, digest, tags };
            prop_assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }

        #[test]
        fn one_flipped_bit_is_another_entry_or_none(bit in 0usize..82 * 8) {
            let mut bytes = entry(1).encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(Entry::decode(&bytes), Ok(entry(1)));
        }
    }
}
