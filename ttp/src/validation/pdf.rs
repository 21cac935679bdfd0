//! Signatures of PDFs (ISO 32000-2 §12.8, ETSI EN 319 142-1): where they are, exactly which octets they cover, what was
//! done to the document after each, and the certificates, CRLs and OCSP responses that it carries.
//!
//! Every published forgery of PDF signatures is made of a file that one reader takes for another than its neighbour:
//!
//! - **Universal forgery**, no or absurd /Contents or /ByteRange: a signature that does not read is TOTAL-FAILED, never absent.
//! - **Incremental saving**, objects behind the signed octets without a cross-reference section or with an old one: nothing is
//!   repaired; what follows a signature must be sections and their objects and nothing else.
//! - **Wrapping**, signed octets moved and others in their place: the gap of /ByteRange is exactly the /Contents string of
//!   the very dictionary.
//! - **Shadow documents**, hidden before and shown by an update: an update may change only what `changes.rs` permits.
//!
//! Out of scope: signatures within encrypted documents, usage rights, XFA forms, what a page looks like.

mod changes;
mod file;
mod permissions;
mod roles;
mod stream;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;
use std::ops::Range;

use hayro_syntax::object::{Array, Dict, FromBytes as _, MaybeRef, Object};

pub(super) use changes::Changes;
pub use file::PDF_BYTES_MAX;
use file::{Entry, View, is_name};
pub(super) use file::{Fault, File};
pub(super) use permissions::Permissions;
use text::Scan;

use crate::cms::attribute_time;
use crate::time::Timestamp;

/// How many signatures a document may have.
const SIGNATURES_MAX: usize = 32;
/// How many form fields are looked at, and how deep they may hang.
const FIELDS_MAX: usize = 1 << 16;
const DEPTH_MAX: usize = 32;
/// How many certificates, CRLs and OCSP responses are taken from a document, and how long they may be together.
const DSS_MAX: usize = 512;
const DSS_BYTES_MAX: usize = 32 << 20;

/// A signature field with a signature.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Its fully qualified name.
    pub(super) name: String,
    /// What is in it, or why that does not read.
    pub(super) signature: Result<Signature, Fault>,
}

/// A signature's dictionary.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    /// /SubFilter.
    pub(super) sub_filter: SubFilter,
    /// The gap in what is covered: /Contents with its angle brackets.
    pub(super) gap: Range<usize>,
    /// Where what is covered ends.
    pub(super) end: usize,
    /// The section that the signature closes.
    pub(super) section: usize,
    /// /Contents as octets, padding and all.
    pub(super) contents: Vec<u8>,
    /// /M.
    pub(super) claimed_time: Option<Timestamp>,
    /// What it permits to whoever comes later.
    pub(super) permissions: Permissions,
}

/// /SubFilter: what is in /Contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubFilter {
    /// `adbe.pkcs7.detached`.
    Pkcs7Detached,
    /// `ETSI.CAdES.detached`.
    CadesDetached,
    /// `ETSI.RFC3161`: a document timestamp.
    Rfc3161,
}

impl SubFilter {
    fn parse(name: &[u8]) -> Result<Self, Fault> {
        match name {
            b"adbe.pkcs7.detached" => Ok(Self::Pkcs7Detached),
            b"ETSI.CAdES.detached" => Ok(Self::CadesDetached),
            b"ETSI.RFC3161" => Ok(Self::Rfc3161),
            b"adbe.pkcs7.sha1" => {
                Err("adbe.pkcs7.sha1 signs a SHA-1 digest, which is not accepted (ISO 32000-2 deprecates it)"
                    .to_owned())
            }
            b"adbe.x509.rsa_sha1" => {
                Err("adbe.x509.rsa_sha1 is a bare SHA-1 signature, which is not accepted (ISO 32000-2 deprecates it)"
                    .to_owned())
            }
            other => Err(format!("the SubFilter {} is not known", other.escape_ascii())),
        }
    }
}

/// What the document's DSS holds (EN 319 142-1 §5.4.2), unpacked.
#[derive(Clone, Debug, Default)]
pub(super) struct Dss {
    pub(super) items: Vec<DssItem>,
    /// True if not all of it was taken.
    pub(super) is_cut: bool,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct DssItem {
    pub(super) kind: Evidence,
    pub(super) octets: Vec<u8>,
    /// The first section in which it is listed.
    pub(super) section: usize,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    Certificate,
    Crl,
    Ocsp,
}

impl<'b> File<'b> {
    /// How many revisions the file has.
    pub(super) fn revisions(&self) -> u32 {
        let linearized = self.sections.len() >= 2 && self.is_linearized();
        u32::try_from(self.sections.len()).unwrap_or(u32::MAX) - u32::from(linearized)
    }

    /// The revision, from 1, that `section` closes.
    pub(super) fn revision_of(&self, section: usize) -> u32 {
        let later = u32::try_from(self.sections.len() - 1 - section).unwrap_or(u32::MAX);
        self.revisions().saturating_sub(later).max(1)
    }

    /// A linearized file has two sections in its first revision (annex F), and says so in its first object.
    fn is_linearized(&self) -> bool {
        let head = &self.bytes[..self.bytes.len().min(1024)];
        head.windows(11).any(|word| word == b"/Linearized")
    }

    /// True if the document is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        let file = self;
        file.sections
            .iter()
            .any(|section| file.dict(section.trailer.clone()).is_some_and(|t| t.contains_key("Encrypt")))
    }

    /// Every signature that a field holds, in the order in which they were made.
    pub(super) fn fields(&self) -> Result<Vec<Field>, Fault> {
        let view = self.newest();
        let catalog = view.catalog().ok_or("the catalog does not read")?;
        let mut found = Vec::new();
        if let Some(form) = view.get_dict(&catalog, "AcroForm")
            && let Some(Object::Array(fields)) = view.get(&form, "Fields")
        {
            let mut walk = Walk { view, seen: BTreeSet::new(), found: &mut found };
            walk.fields(&fields, "", None, 0)?;
        }
        // What does not read comes last.
        found.sort_by_key(|field| field.signature.as_ref().map_or(usize::MAX, |signature| signature.end));
        Ok(found)
    }

    /// What the DSS dictionaries of all revisions hold: later ones may leave out what earlier ones had.
    pub(super) fn dss(&self) -> Dss {
        let mut dss = Dss::default();
        let (mut seen, mut octets) = (BTreeSet::new(), 0);
        for newest in 0..self.sections.len() {
            let view = View { file: self, newest };
            let Some(dict) = view.catalog().and_then(|catalog| view.get_dict(&catalog, "DSS")) else { continue };
            for (key, kind) in [("Certs", Evidence::Certificate), ("CRLs", Evidence::Crl), ("OCSPs", Evidence::Ocsp)] {
                let Some(Object::Array(array)) = view.get(&dict, key) else { continue };
                for item in array.raw_iter() {
                    let MaybeRef::Ref(reference) = item else { continue };
                    if !seen.insert(view.entry(reference.obj_number).key()) {
                        continue;
                    }
                    let Some(object) = view.object(reference.obj_number) else { continue };
                    let (Object::Dict(dict), Some(data)) = (&object.value, object.stream) else { continue };
                    let room = DSS_BYTES_MAX - octets;
                    match stream::unpack(dict, data, room) {
                        Ok(data) if seen.len() <= DSS_MAX => {
                            octets += data.len();
                            dss.items.push(DssItem { kind, octets: data, section: newest });
                        }
                        Ok(_) | Err(_) => dss.is_cut = true,
                    }
                }
            }
        }
        dss
    }
}

impl Entry {
    /// What two entries of the same object share.
    fn key(self) -> (usize, usize) {
        match self {
            Self::Free => (usize::MAX, 0),
            Self::At { offset, .. } => (offset, usize::MAX),
            Self::In { container, index } => (usize::try_from(container).unwrap_or(usize::MAX), index),
        }
    }
}

/// Going over the form fields.
struct Walk<'w, 'f, 'b> {
    view: View<'f, 'b>,
    seen: BTreeSet<u32>,
    found: &'w mut Vec<Field>,
}

impl<'f> Walk<'_, 'f, '_> {
    fn fields(&mut self, fields: &Array<'f>, parent: &str, kind: Option<&[u8]>, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err("form fields hang too deep".to_owned());
        }
        for field in fields.raw_iter() {
            if let MaybeRef::Ref(reference) = field
                && (!self.seen.insert(reference.obj_number) || self.seen.len() > FIELDS_MAX)
            {
                return Err("form fields form a ring, or are too many".to_owned());
            }
            let Some(Object::Dict(field)) = self.view.resolve(field) else { continue };
            let name = roles::full_name(self.view, &field, parent);
            let own = self.view.get(&field, "FT");
            let kind = match &own {
                Some(Object::Name(own)) => Some(own.as_ref()),
                _ => kind,
            };
            if kind == Some(b"Sig") && field.contains_key("V") {
                if self.found.len() == SIGNATURES_MAX {
                    return Err(format!("it has more than {SIGNATURES_MAX} signatures"));
                }
                let signature = Signature::parse(self.view, &field);
                // A field whose value is null was never signed.
                if !matches!(signature, Ok(None)) {
                    let signature = signature.and_then(|signature| signature.ok_or_else(String::new));
                    self.found.push(Field { name: name.clone(), signature });
                }
            }
            if let Some(Object::Array(kids)) = self.view.get(&field, "Kids") {
                self.fields(&kids, &name, kind, depth + 1)?;
            }
        }
        Ok(())
    }
}

impl Signature {
    /// The signature in a field; none for a null.
    fn parse<'f>(view: View<'f, '_>, field: &Dict<'f>) -> Result<Option<Self>, Fault> {
        let reference = match field.get_raw::<Object<'_>>("V") {
            Some(MaybeRef::Ref(reference)) => reference,
            Some(MaybeRef::NotRef(Object::Null(_))) => return Ok(None),
            _ => return Err("the signature is no object of its own".to_owned()),
        };
        let id = reference.obj_number;
        let Some(object) = view.object(id) else {
            return match view.entry(id) {
                // To what is not there, PDF says null: the field was emptied, which whoever judges the others is told.
                Entry::Free => Err("the signature is not in the file".to_owned()),
                Entry::At { .. } | Entry::In { .. } => Err("the signature's object does not read".to_owned()),
            };
        };
        let Object::Dict(dict) = object.value else { return Err("the signature is no dictionary".to_owned()) };
        let span =
            object.span.ok_or("the signature is in an object stream, where it cannot be left out of what it signs")?;
        keys_are_unique(&dict)?;
        let sub_filter = match dict.get_raw::<Object<'_>>("SubFilter") {
            Some(MaybeRef::NotRef(Object::Name(name))) => SubFilter::parse(name.as_ref())?,
            _ => return Err("it names no SubFilter".to_owned()),
        };
        let [from, before, after, rest] = byte_range(&dict)?;
        let file = view.file;
        let end = after.checked_add(rest).filter(|end| *end <= file.bytes.len());
        let end = end.ok_or("its ByteRange reaches beyond the file")?;
        if from != 0 || before == 0 || after <= before {
            return Err("its ByteRange does not begin at 0 and leave one gap".to_owned());
        }
        let gap = before..after;
        let contents = contents(file.bytes, &dict, &gap, &span)?;
        let section = closed_section(view.file, end)?;
        let signed = View { file: view.file, newest: section };
        if signed.entry(id).key() != view.entry(id).key() {
            return Err("the signature does not belong to the revision that it covers".to_owned());
        }
        Ok(Some(Self {
            sub_filter,
            gap,
            end,
            section,
            contents,
            claimed_time: claimed_time(&dict),
            permissions: Permissions::of(signed, &dict, id, field),
        }))
    }

    /// What is covered: two slices of the file.
    pub(super) fn covered<'b>(&self, file: &File<'b>) -> [&'b [u8]; 2] {
        [&file.bytes[..self.gap.start], &file.bytes[self.gap.end..self.end]]
    }

    /// True if nothing follows what is covered.
    pub(super) fn covers_all(&self, file: &File<'_>) -> bool {
        self.end == file.bytes.len()
    }
}

/// /ByteRange: four numbers, each as the file has it.
fn byte_range(dict: &Dict<'_>) -> Result<[usize; 4], Fault> {
    let Some(MaybeRef::NotRef(Object::Array(array))) = dict.get_raw::<Object<'_>>("ByteRange") else {
        return Err("it has no ByteRange".to_owned());
    };
    let number = |item| match item {
        MaybeRef::NotRef(Object::Number(number)) => {
            let whole = usize::try_from(number.as_i64()).ok()?;
            // as_i64 cuts a fraction off.
            ((number.as_f64() - number.as_i64() as f64).abs() < f64::EPSILON).then_some(whole)
        }
        MaybeRef::NotRef(_) | MaybeRef::Ref(_) => None,
    };
    let numbers: Option<Vec<usize>> = array.raw_iter().take(5).map(number).collect();
    let numbers = numbers.and_then(|numbers| <[usize; 4]>::try_from(numbers).ok());
    numbers.ok_or_else(|| "its ByteRange is not four numbers".to_owned())
}

/// The octets of /Contents, if its string is exactly `gap` and stands in this dictionary.
fn contents(bytes: &[u8], dict: &Dict<'_>, gap: &Range<usize>, span: &Range<usize>) -> Result<Vec<u8>, Fault> {
    let fault = "the gap in its ByteRange is not exactly its Contents";
    if gap.start < span.start || gap.end > span.end {
        return Err(fault.to_owned());
    }
    let Some(digits) = bytes[gap.clone()].strip_prefix(b"<").and_then(|inner| inner.strip_suffix(b">")) else {
        return Err(fault.to_owned());
    };
    // Digits alone: space within would be read by others in their own ways.
    let octets = hex::decode(digits).map_err(|_| "its Contents are not hexadecimal digits alone")?;
    let before = bytes[span.start..gap.start].trim_ascii_end();
    if !before.ends_with(b"/Contents") {
        return Err(fault.to_owned());
    }
    match dict.get_raw::<Object<'_>>("Contents") {
        Some(MaybeRef::NotRef(Object::String(string))) if string.as_bytes() == octets => Ok(octets),
        _ => Err(fault.to_owned()),
    }
}

/// The section that the revision which ends at `end` closes with.
fn closed_section(file: &File<'_>, end: usize) -> Result<usize, Fault> {
    let fault = "what it covers does not end with a revision of the file";
    let offset = file::startxref(&file.bytes[..end]).ok_or(fault)?;
    file.sections.iter().position(|section| section.span.start == offset).ok_or_else(|| fault.to_owned())
}

/// Of two members of one name, readers take either.
fn keys_are_unique(dict: &Dict<'_>) -> Result<(), Fault> {
    let fault = "its dictionary does not read";
    let inner = dict.data().strip_prefix(b"<<").and_then(|data| data.strip_suffix(b">>")).ok_or(fault)?;
    let list = [&b"["[..], inner, b"]"].concat();
    let items: Vec<_> = Array::from_bytes(&list).ok_or(fault)?.raw_iter().collect();
    let mut keys = BTreeSet::new();
    for pair in items.chunks(2) {
        let [MaybeRef::NotRef(Object::Name(key)), _] = pair else { return Err(fault.to_owned()) };
        if !keys.insert(key.as_ref().to_vec()) {
            return Err(format!("its dictionary has {} twice", key.as_ref().escape_ascii()));
        }
    }
    Ok(())
}

/// /M: `D:YYYYMMDDHHmmSSOHH'mm'` (§7.9.4), of which everything behind the seconds may be missing.
fn claimed_time(dict: &Dict<'_>) -> Option<Timestamp> {
    let Some(MaybeRef::NotRef(Object::String(text))) = dict.get_raw::<Object<'_>>("M") else { return None };
    let text = std::str::from_utf8(text.as_bytes()).ok()?.strip_prefix("D:")?;
    let (moment, zone) = text.split_at_checked(14)?;
    let time = attribute_time(&format!("{moment}Z"))?;
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = (digits.get(..2).unwrap_or("0"), digits.get(2..4).unwrap_or("0"));
    let shift = (hours.parse::<u64>().ok()? * 60 + minutes.parse::<u64>().ok()?) * 60_000;
    match zone.chars().next() {
        Some('+') => Some(time.minus_millis(shift)),
        Some('-') => Some(time.plus_millis(shift)),
        _ => Some(time),
    }
}

/// What follows the octets that a signature covers must be sections, the objects that they list, and nothing else: one reader
/// takes what another does not see.
pub(super) fn only_listed_objects(file: &File<'_>, end: usize, section: usize) -> Result<(), Fault> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    for (index, later) in file.sections.iter().enumerate().skip(section + 1) {
        if later.span.start < end {
            return Err("a later cross-reference section lies within what it covers".to_owned());
        }
        spans.push(later.span.clone());
        let view = View { file, newest: index };
        for (id, entry) in &later.entries {
            match *entry {
                Entry::At { offset, .. } if offset < end => {
                    return Err(format!("a later revision calls octets that it covers object {id}"));
                }
                Entry::At { .. } => {
                    let object =
                        view.object(*id).ok_or_else(|| format!("object {id} of a later revision does not read"))?;
                    spans.extend(object.span);
                }
                Entry::Free | Entry::In { .. } => {}
            }
        }
    }
    spans.sort_by_key(|span| (span.start, span.end));
    let mut at = end;
    for span in spans {
        // A cross-reference stream is a section and an object.
        if span.start >= at {
            only_space(file.bytes, at, span.start)?;
        } else if span.end > at {
            return Err("objects of a later revision overlap".to_owned());
        }
        at = at.max(span.end);
    }
    only_space(file.bytes, at, file.bytes.len())
}

/// Space, comments, and `startxref` with its number.
fn only_space(bytes: &[u8], from: usize, to: usize) -> Result<(), Fault> {
    let mut scan = Scan::at(&bytes[..to], from);
    while scan.word(b"startxref") {
        scan.number();
    }
    scan.space();
    if scan.rest().is_empty() {
        Ok(())
    } else {
        Err(format!("octets from {} on belong to no object that a later revision lists", scan.offset()))
    }
}

/// True for a dictionary of this /Type or /Subtype.
fn has_kind(dict: &Dict<'_>, key: &str, kind: &str) -> bool {
    dict.get_raw::<Object<'_>>(key).is_some_and(|value| is_name(&value, kind))
}
