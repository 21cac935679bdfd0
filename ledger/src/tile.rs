//! The read side's names and bytes, C2SP tlog-tiles: tile paths and entry bundles.
//!
//! In scope: path ↔ coordinates, bundle ↔ entries. Out of scope: HTTP (`api`), the tiles' hashes (`merkle`).

use std::fmt;

use crate::merkle::{TILE_WIDTH, TileId};

/// What a path under the log's prefix names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `tile/<L>/<N>[.p/<W>]`: hashes.
    Tile {
        /// Which tile.
        id: TileId,
        /// Hashes asked for: 256, or 1 to 255 of a partial tile.
        width: usize,
    },
    /// `tile/entries/<N>[.p/<W>]`: an entry bundle.
    Entries {
        /// Which bundle: entries `index·256 ..`.
        index: u64,
        /// Entries asked for, 1 to 256.
        width: usize,
    },
}

/// The highest level that the path syntax allows.
const LEVEL_MAX: u8 = 63;

impl Resource {
    /// Reads what follows `tile/`. Only the one spelling that [`fmt::Display`] gives is accepted.
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.split_once('/')?;
        let (number, width) = match rest.split_once(".p/") {
            None => (rest, TILE_WIDTH as usize),
            Some((number, width)) => (number, decimal(width).filter(|w| (1..TILE_WIDTH).contains(w))? as usize),
        };
        let index = index(number)?;
        let resource = match kind {
            "entries" => Self::Entries { index, width },
            level => {
                let level = decimal(level).and_then(|level| u8::try_from(level).ok()).filter(|l| *l <= LEVEL_MAX)?;
                Self::Tile { id: TileId { level, index }, width }
            }
        };
        Some(resource)
    }
}

impl fmt::Display for Resource {
    /// The path after `tile/`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, width) = match *self {
            Self::Tile { id, width } => {
                write!(f, "{}/", id.level)?;
                (id.index, width)
            }
            Self::Entries { index, width } => {
                f.write_str("entries/")?;
                (index, width)
            }
        };
        let mut groups = Vec::new();
        let mut rest = index;
        loop {
            groups.push(rest % 1000);
            rest /= 1000;
            if rest == 0 {
                break;
            }
        }
        for group in groups[1..].iter().rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])?;
        if width < TILE_WIDTH as usize { write!(f, ".p/{width}") } else { Ok(()) }
    }
}

/// A decimal number without sign or leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if digits && !leading_zero { text.parse().ok() } else { None }
}

/// `x001/x234/067` → 1,234,067.
fn index(path: &str) -> Option<u64> {
    let mut index: u64 = 0;
    let mut groups = path.split('/').peekable();
    let mut first = true;
    while let Some(group) = groups.next() {
        let digits = match groups.peek() {
            Some(_) => group.strip_prefix('x')?,
            None => group,
        };
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let group: u64 = digits.parse().ok()?;
        if first && group == 0 && groups.peek().is_some() {
            return None; // a leading group of zeros is another spelling
        }
        first = false;
        index = index.checked_mul(1000)?.checked_add(group)?;
    }
    Some(index)
}

/// Appends `entry` to a bundle: u16 BE length, then the bytes.
pub fn bundle_push(bundle: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).expect("an entry is far below the 65,535 bytes of the tile format");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The entries of a bundle in order; `None` in place of an entry whose bytes are cut short.
pub fn bundle_entries(bundle: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = bundle;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let split = rest.split_first_chunk::<2>().and_then(|(length, tail)| {
            let length = usize::from(u16::from_be_bytes(*length));
            (tail.len() >= length).then(|| tail.split_at(length))
        });
        match split {
            Some((entry, tail)) => {
                rest = tail;
                Some(Some(entry))
            }
            None => {
                rest = &[];
                Some(None)
            }
        }
    })
}

/// The bytes of the first `width` entries of a bundle: a narrower partial bundle is a byte prefix of the wider one.
pub fn bundle_cut(bundle: &[u8], width: usize) -> Option<&[u8]> {
    let mut end = 0;
    let mut entries = bundle_entries(bundle);
    for _ in 0..width {
        end += 2 + entries.next()??.len();
    }
    Some(&bundle[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_of_the_specification() {
        for (index, path) in [(0, "000"), (1000, "x001/000"), (1_234_067, "x001/x234/067"), (999, "999")] {
            let tile = Resource::Tile { id: TileId { level: 0, index }, width: 256 };
            assert_eq!(tile.to_string(), format!("0/{path}"));
            assert_eq!(Resource::parse(&tile.to_string()), Some(tile));
            let bundle = Resource::Entries { index, width: 17 };
            assert_eq!(bundle.to_string(), format!("entries/{path}.p/17"));
            assert_eq!(Resource::parse(&bundle.to_string()), Some(bundle));
        }
    }

    #[test]
    fn any_other_spelling_is_refused() {
        for path in [
            "",
            "0",
            "0/",
            "00/000",
            "01/000",
            "64/000",
            "-1/000",
            "0/0",
            "0/0000",
            "0/00a",
            "0/x000/000",
            "0/001/000",
            "0/x001",
            "0/x001/x000",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/",
            "0/000.p/1/2",
            "0/000.P/1",
            "entries",
            "entries/",
            "entries/x000/001",
            "data/000",
            "0/+01",
            "0/000/",
            "0/000.p/1.p/1",
            "entries/1",
            "0/x018/x446/x744/x073/x709/x551/616",
        ] {
            assert_eq!(Resource::parse(path), None, "{path}");
        }
    }

    #[test]
    fn bundles_cut_and_split() {
        let mut bundle = Vec::new();
        for i in 0..5u8 {
            bundle_push(&mut bundle, &vec![i; usize::from(i) * 3]);
        }
        let entries: Vec<_> = bundle_entries(&bundle).collect();
        assert_eq!(entries.len(), 5);
        assert_eq!(entries[4], Some(&[4u8; 12][..]));
        assert_eq!(bundle_cut(&bundle, 2), Some(&bundle[..2 + 2 + 3]));
        assert_eq!(bundle_cut(&bundle, 6), None);
        assert_eq!(bundle_entries(&bundle[..bundle.len() - 1]).last(), Some(None), "cut short");
        assert_eq!(bundle_cut(&bundle[..1], 1), None);
    }

    proptest! {
        #[test]
        fn whatever_parses_is_spelt_as_we_spell_it(path in "(entries|[0-9]{1,3})/(x[0-9]{3}/){0,3}[0-9]{1,4}(\\.p/[0-9]{0,3})?") {
            if let Some(resource) = Resource::parse(&path) {
                prop_assert_eq!(resource.to_string(), path);
            }
        }

        #[test]
        fn every_coordinate_round_trips(level in 0u8..=63, index: u64, width in 1usize..=256) {
            let tile = Resource::Tile { id: TileId { level, index }, width };
            prop_assert_eq!(Resource::parse(&tile.to_string()), Some(tile));
        }
    }
}
