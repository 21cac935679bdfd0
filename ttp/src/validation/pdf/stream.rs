//! Cross-reference and object streams unpacked: Flate (ISO 32000-2 §7.4.4) with PNG predictors, within a bound. Other filters are
//! written by nobody for these.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::ZlibDecoder;
use hayro_syntax::object::{Array, Dict, MaybeRef, Object};

use super::file::{Entry, integer};

/// The octets of a stream, at most `max` of them.
pub(super) fn unpack(dict: &Dict<'_>, data: &[u8], max: usize) -> Result<Vec<u8>, &'static str> {
    let filter = match dict.get_raw::<Object<'_>>("Filter") {
        None => None,
        Some(MaybeRef::NotRef(Object::Name(name))) => Some(name.as_ref().to_vec()),
        Some(MaybeRef::NotRef(Object::Array(array))) => match two(&array) {
            (Some(MaybeRef::NotRef(Object::Name(name))), None) => Some(name.as_ref().to_vec()),
            (None, _) => None,
            _ => return Err("it has several filters"),
        },
        Some(_) => return Err("its filter does not read"),
    };
    match filter.as_deref() {
        None if data.len() <= max => Ok(data.to_vec()),
        None => Err("it unpacks to too much"),
        Some(b"FlateDecode" | b"Fl") => unpredict(dict, inflate(data, max)?),
        Some(_) => Err("its filter is not FlateDecode"),
    }
}

/// The first two members.
fn two<'a>(array: &Array<'a>) -> (Option<MaybeRef<Object<'a>>>, Option<MaybeRef<Object<'a>>>) {
    let mut items = array.raw_iter();
    (items.next(), items.next())
}

/// Flate, at most `max` octets of it.
pub(super) fn inflate(data: &[u8], max: usize) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::new();
    let room = u64::try_from(max).unwrap_or(u64::MAX);
    ZlibDecoder::new(data).take(room.saturating_add(1)).read_to_end(&mut out).map_err(|_| "it does not unpack")?;
    if out.len() > max { Err("it unpacks to too much") } else { Ok(out) }
}

/// Undoes a predictor (§7.4.4.4): none, or those of PNG with octets as components.
fn unpredict(dict: &Dict<'_>, data: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    let parameters = match dict.get_raw::<Object<'_>>("DecodeParms") {
        Some(MaybeRef::NotRef(Object::Dict(parameters))) => parameters,
        Some(MaybeRef::NotRef(Object::Array(array))) => match array.raw_iter().next() {
            Some(MaybeRef::NotRef(Object::Dict(parameters))) => parameters,
            _ => return Ok(data),
        },
        _ => return Ok(data),
    };
    match integer(&parameters, "Predictor") {
        None | Some(1) => return Ok(data),
        Some(10..=15) => {}
        Some(_) => return Err("its predictor is not known"),
    }
    let columns = integer(&parameters, "Columns").unwrap_or(1);
    let plain = integer(&parameters, "Colors").is_none_or(|colors| colors == 1)
        && integer(&parameters, "BitsPerComponent").is_none_or(|bits| bits == 8);
    let columns = usize::try_from(columns).ok().filter(|columns| plain && (1..=1 << 16).contains(columns));
    let columns = columns.ok_or("its predictor is not known")?;
    let mut out: Vec<u8> = Vec::with_capacity(data.len());
    for row in data.chunks(columns + 1) {
        let (kind, row) = row.split_first().ok_or("its predictor is not known")?;
        let above = out.len().checked_sub(columns);
        for (i, octet) in row.iter().enumerate() {
            let left = if i == 0 { 0 } else { out[out.len() - 1] };
            let up = above.map_or(0, |above| out[above + i]);
            let corner = if i == 0 { 0 } else { above.map_or(0, |above| out[above + i - 1]) };
            let predicted = match kind {
                0 => 0,
                1 => left,
                2 => up,
                3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
                4 => paeth(left, up, corner),
                _ => return Err("its predictor is not known"),
            };
            out.push(octet.wrapping_add(predicted));
        }
    }
    Ok(out)
}

/// PNG (ISO 15948) §9.4.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, up, corner].map(i16::from);
    let p = a + b - c;
    let [pa, pb, pc] = [a, b, c].map(|x| (p - x).abs());
    if pa <= pb && pa <= pc {
        left
    } else if pb <= pc {
        up
    } else {
        corner
    }
}

/// The entries of a cross-reference stream (§7.5.8.2, 7.5.8.3), at most `max`.
pub(super) fn entries(dict: &Dict<'_>, data: &[u8], max: usize) -> Option<BTreeMap<u32, Entry>> {
    let numbers = |key: &str| -> Option<Vec<usize>> {
        let Some(MaybeRef::NotRef(Object::Array(array))) = dict.get_raw::<Object<'_>>(key) else { return None };
        array
            .raw_iter()
            .map(|item| match item {
                MaybeRef::NotRef(Object::Number(number)) => usize::try_from(number.as_i64()).ok(),
                MaybeRef::NotRef(_) | MaybeRef::Ref(_) => None,
            })
            .collect()
    };
    let widths = numbers("W")?;
    let [kind, second, third] = widths[..] else { return None };
    let width = kind.checked_add(second)?.checked_add(third)?;
    if [kind, second, third].iter().any(|width| *width > 8) || width == 0 {
        return None;
    }
    let size = usize::try_from(integer(dict, "Size")?).ok()?;
    let index = if dict.contains_key("Index") { numbers("Index")? } else { vec![0, size] };
    let field = |octets: &[u8]| octets.iter().fold(0_u64, |value, octet| value << 8 | u64::from(*octet));
    let mut rows = data.chunks_exact(width);
    let mut entries = BTreeMap::new();
    for run in index.chunks(2) {
        let [first, count] = *run else { return None };
        for id in first..first.checked_add(count)? {
            let row = rows.next()?;
            let (a, rest) = row.split_at(kind);
            let (b, c) = rest.split_at(second);
            let (b, c) = (usize::try_from(field(b)).ok()?, usize::try_from(field(c)).ok()?);
            let entry = match if kind == 0 { 1 } else { field(a) } {
                0 => Entry::Free,
                1 => Entry::At { offset: b, generation: u32::try_from(c).ok()? },
                2 => Entry::In { container: u32::try_from(b).ok()?, index: c },
                // §7.5.8.3: a reference to null.
                _ => Entry::Free,
            };
            entries.insert(u32::try_from(id).ok()?, entry);
            if entries.len() > max {
                return None;
            }
        }
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::ZlibEncoder;
    use hayro_syntax::object::FromBytes as _;
    use std::io::Write as _;

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn check(dict: &str, data: &[u8], expected: Result<&[u8], &'static str>) {
        let dict = Dict::from_bytes(dict.as_bytes()).unwrap();
        assert_eq!(unpack(&dict, data, 1000), expected.map(<[u8]>::to_vec));
    }

    #[test]
    fn filters_and_bounds() {
        check("<<>>", b"plain", Ok(b"plain"));
        check("<< /Filter /FlateDecode >>", &deflated(b"packed"), Ok(b"packed"));
        check("<< /Filter [/FlateDecode] >>", &deflated(b"packed"), Ok(b"packed"));
        check("<< /Filter [/FlateDecode /FlateDecode] >>", b"", Err("it has several filters"));
        check("<< /Filter /LZWDecode >>", b"", Err("its filter is not FlateDecode"));
        check("<< /Filter 3 0 R >>", b"", Err("its filter does not read"));
        check("<< /Filter /FlateDecode >>", b"no zlib", Err("it does not unpack"));
        check("<<>>", &[0; 1001], Err("it unpacks to too much"));
        // A bomb: a gigabyte of it would unpack to the bound and no further.
        check("<< /Filter /FlateDecode >>", &deflated(&vec![0; 10 << 20]), Err("it unpacks to too much"));
    }

    #[test]
    fn predictors() {
        let with = |rows: &[u8]| deflated(rows);
        let dict = "<< /Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns 3 >> >>";
        check(dict, &with(&[0, 1, 2, 3, 2, 1, 1, 1]), Ok(&[1, 2, 3, 2, 3, 4]));
        check(dict, &with(&[1, 1, 1, 1, 3, 1, 1, 1]), Ok(&[1, 2, 3, 1, 2, 3]));
        check(dict, &with(&[4, 9, 0, 0, 4, 1, 0, 0]), Ok(&[9, 9, 9, 10, 10, 10]));
        check(dict, &with(&[7, 9, 0, 0]), Err("its predictor is not known"));
        let tiff = "<< /Filter /FlateDecode /DecodeParms << /Predictor 2 >> >>";
        check(tiff, &with(&[1]), Err("its predictor is not known"));
        let columns = "<< /Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns 0 >> >>";
        check(columns, &with(&[1]), Err("its predictor is not known"));
    }

    #[test]
    fn cross_reference_rows() {
        let read = |dict: &str, data: &[u8]| entries(&Dict::from_bytes(dict.as_bytes()).unwrap(), data, 4);
        let found = read("<< /Size 3 /W [1 2 1] >>", &[0, 0, 0, 0, 1, 1, 2, 0, 2, 0, 9, 3]).unwrap();
        let expected = [Entry::Free, Entry::At { offset: 258, generation: 0 }, Entry::In { container: 9, index: 3 }];
        assert_eq!(found.into_values().collect::<Vec<_>>(), expected);
        // No type means 1; rows that lack; too many; widths that are none.
        assert_eq!(read("<< /Size 1 /W [0 1 0] >>", &[7]).unwrap()[&0], Entry::At { offset: 7, generation: 0 });
        assert!(read("<< /Size 2 /W [0 1 0] >>", &[7]).is_none());
        assert!(read("<< /Size 5 /W [0 1 0] >>", &[7; 5]).is_none());
        assert!(read("<< /Size 4294967295 /W [0 0 0] >>", &[]).is_none());
        assert!(read("<< /Size 1 /W [0 9 0] >>", &[7; 9]).is_none());
        assert!(read("<< /Size 9 /W [0 1 0] /Index [3 1] >>", &[7]).unwrap().contains_key(&3));
    }
}
