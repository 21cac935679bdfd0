//! A PDF's cross-reference sections and objects (ISO 32000-2 §7.5), read as they are written and never repaired: a reader that
//! repairs sees another document than one that does not, which is what forged signatures live on.
//!
//! Objects are read when they are asked for, by hayro-syntax, which copies nothing. What costs is bounded: octets of
//! streams unpacked ([`UNPACKED_MAX`]) and octets of objects read ([`WORK_MAX`]), over the whole of one document.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hayro_syntax::object::{Array, Dict, FromBytes, MaybeRef, Object};

use super::stream;
use super::text::Scan;

/// The longest PDF, octets.
pub const PDF_BYTES_MAX: usize = 64 << 20;
/// How many cross-reference sections one may have: revisions, and one more if it is linearized.
const SECTIONS_MAX: usize = 128;
/// How many entries they may have in all.
const ENTRIES_MAX: usize = 1 << 19;
/// Octets that all cross-reference and object streams together may unpack to.
const UNPACKED_MAX: usize = 64 << 20;
/// Octets of objects that may be read, each as often as it is.
const WORK_MAX: usize = 1 << 30;

/// Why it is no PDF that is judged.
pub(in super::super) type Fault = String;

/// The file.
pub(in super::super) struct File<'b> {
    pub(super) bytes: &'b [u8],
    /// The oldest first, by the chain of /Prev.
    pub(super) sections: Vec<Section>,
    /// Object streams by their offset, unpacked when asked for.
    containers: BTreeMap<usize, OnceCell<Option<Container>>>,
    unpacked: Cell<usize>,
    work: Cell<usize>,
}

/// One cross-reference section with its trailer.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Where it begins, and where its trailer dictionary or stream object ends.
    pub(super) span: Range<usize>,
    pub(super) entries: BTreeMap<u32, Entry>,
    /// Where the trailer's dictionary lies.
    pub(super) trailer: Range<usize>,
}

/// Where an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Free,
    At { offset: usize, generation: u32 },
    In { container: u32, index: usize },
}

/// An object stream, unpacked.
struct Container {
    data: Vec<u8>,
    /// Object numbers and where they begin.
    index: Vec<(u32, usize)>,
}

/// An object as it stands in the file.
#[derive(Clone)]
pub(super) struct Indirect<'f> {
    pub(super) value: Object<'f>,
    /// The stream's octets, packed.
    pub(super) stream: Option<&'f [u8]>,
    /// From its number to `endobj`; `None` within an object stream.
    pub(super) span: Option<Range<usize>>,
}

/// The document as of one of its sections.
#[derive(Clone, Copy)]
pub(super) struct View<'f, 'b> {
    pub(super) file: &'f File<'b>,
    /// The newest section that counts.
    pub(super) newest: usize,
}

impl<'b> File<'b> {
    /// Reads the cross-reference sections.
    pub(in super::super) fn parse(bytes: &'b [u8]) -> Result<Self, Fault> {
        if bytes.len() > PDF_BYTES_MAX {
            return Err(format!("it has more than {PDF_BYTES_MAX} octets"));
        }
        if !bytes.starts_with(b"%PDF-") {
            return Err("it does not begin with %PDF-".to_owned());
        }
        let mut this = Self {
            bytes,
            sections: Vec::new(),
            containers: BTreeMap::new(),
            unpacked: Cell::new(0),
            work: Cell::new(0),
        };
        let mut next = Some(startxref(bytes).ok_or("it does not end with startxref, an offset and %%EOF")?);
        let (mut seen, mut entries) = (BTreeSet::new(), 0);
        while let Some(offset) = next {
            if !seen.insert(offset) {
                return Err("its cross-reference sections form a ring".to_owned());
            }
            if this.sections.len() == SECTIONS_MAX {
                return Err(format!("it has more than {SECTIONS_MAX} cross-reference sections"));
            }
            let (section, previous) = this.section(offset)?;
            entries += section.entries.len();
            if entries > ENTRIES_MAX {
                return Err(format!("it has more than {ENTRIES_MAX} cross-reference entries"));
            }
            this.sections.push(section);
            next = previous;
        }
        this.sections.reverse();
        this.find_containers();
        Ok(this)
    }

    /// The whole document.
    pub(super) fn newest(&self) -> View<'_, 'b> {
        View { file: self, newest: self.sections.len() - 1 }
    }

    /// The section at `offset`, and where the one before it is.
    fn section(&self, offset: usize) -> Result<(Section, Option<usize>), Fault> {
        let rest = self.bytes.get(offset..).ok_or("a cross-reference section lies outside of the file")?;
        let (mut section, trailer) = if rest.starts_with(b"xref") { self.table(offset)? } else { self.stream(offset)? };
        let dict = self.dict(section.trailer.clone()).ok_or("a trailer does not read")?;
        // A hybrid file hides objects from readers that know no streams by calling them free in the table (§7.5.8.4).
        if trailer && let Some(hybrid) = integer(&dict, "XRefStm") {
            let hybrid = usize::try_from(hybrid).map_err(|_| "XRefStm is negative")?;
            for (id, entry) in self.stream(hybrid)?.0.entries {
                let slot = section.entries.entry(id).or_insert(Entry::Free);
                if *slot == Entry::Free {
                    *slot = entry;
                }
            }
        }
        let previous = match integer(&dict, "Prev") {
            None if dict.contains_key("Prev") => return Err("Prev is no number".to_owned()),
            None => None,
            Some(previous) => Some(usize::try_from(previous).map_err(|_| "Prev is negative")?),
        };
        Ok((section, previous))
    }

    /// A table, §7.5.4; its entries by tokens, since not every writer keeps the 20 octets.
    fn table(&self, offset: usize) -> Result<(Section, bool), Fault> {
        let mut scan = Scan::at(self.bytes, offset + 4);
        let mut entries = BTreeMap::new();
        while !scan.word(b"trailer") {
            let fault = "a cross-reference table does not read";
            let (first, count) = (scan.number().ok_or(fault)?, scan.number().ok_or(fault)?);
            for id in first..first.checked_add(count).ok_or(fault)? {
                let (place, generation) = (scan.number().ok_or(fault)?, scan.number().ok_or(fault)?);
                let entry = match scan.letter().ok_or(fault)? {
                    b'n' => Entry::At { offset: place, generation: u32::try_from(generation).map_err(|_| fault)? },
                    b'f' => Entry::Free,
                    _ => return Err(fault.to_owned()),
                };
                entries.insert(u32::try_from(id).map_err(|_| fault)?, entry);
                if entries.len() > ENTRIES_MAX {
                    return Err(format!("it has more than {ENTRIES_MAX} cross-reference entries"));
                }
            }
        }
        scan.space();
        let from = scan.offset();
        let dict = self.read::<Dict<'_>>(from).ok_or("a trailer does not read")?;
        let trailer = from..from + dict.data().len();
        Ok((Section { span: offset..trailer.end, entries, trailer }, true))
    }

    /// A stream, §7.5.8.
    fn stream(&self, offset: usize) -> Result<(Section, bool), Fault> {
        let fault = "a cross-reference stream does not read";
        // Its length cannot stand elsewhere: nothing has told yet where.
        let found = self.indirect_at(offset, &|_| None).ok_or(fault)?.1;
        let (Object::Dict(dict), Some(data), Some(span)) = (&found.value, found.stream, found.span.clone()) else {
            return Err(fault.to_owned());
        };
        if !dict.get_raw::<Object<'_>>("Type").is_some_and(|kind| is_name(&kind, "XRef")) {
            return Err(fault.to_owned());
        }
        let data = self.unpack(dict, data).map_err(|why| format!("{fault}: {why}"))?;
        let entries = stream::entries(dict, &data, ENTRIES_MAX).ok_or(fault)?;
        let start = dict.data().as_ptr().addr() - self.bytes.as_ptr().addr();
        let trailer = start..start + dict.data().len();
        Ok((Section { span, entries, trailer }, false))
    }

    /// The decoded octets of a cross-reference or object stream.
    fn unpack(&self, dict: &Dict<'_>, data: &[u8]) -> Result<Vec<u8>, &'static str> {
        let data = stream::unpack(dict, data, UNPACKED_MAX - self.unpacked.get())?;
        self.unpacked.set(self.unpacked.get() + data.len());
        Ok(data)
    }

    /// Makes room for what the object streams of all sections unpack to.
    fn find_containers(&mut self) {
        let ids: BTreeSet<u32> = self
            .sections
            .iter()
            .flat_map(|section| section.entries.values())
            .filter_map(|entry| if let Entry::In { container, .. } = entry { Some(*container) } else { None })
            .collect();
        let offsets = self.sections.iter().flat_map(|section| &section.entries).filter_map(|(id, entry)| match entry {
            Entry::At { offset, .. } if ids.contains(id) => Some((*offset, OnceCell::new())),
            Entry::At { .. } | Entry::Free | Entry::In { .. } => None,
        });
        self.containers = offsets.collect();
    }

    /// Reads a value; `None` if there is none, or if the document has cost too much already.
    pub(super) fn read<'f, T: FromBytes<'f>>(&'f self, offset: usize) -> Option<T> {
        T::from_bytes(self.bytes.get(offset..)?)
    }

    /// The dictionary at a place where one was read before.
    pub(super) fn dict(&self, at: Range<usize>) -> Option<Dict<'_>> {
        Dict::from_bytes(self.bytes.get(at)?)
    }

    /// Counts `octets` that are about to be read; `None` once it is too much.
    pub(super) fn charge(&self, octets: usize) -> Option<()> {
        self.work.set(self.work.get().saturating_add(octets));
        (self.work.get() <= WORK_MAX).then_some(())
    }

    /// True if so much was read that some of the document was not looked at.
    pub(super) fn is_exhausted(&self) -> bool {
        self.work.get() > WORK_MAX
    }

    /// The object that begins at `offset`, with its number; `length` finds a stream's length that stands elsewhere.
    fn indirect_at<'f>(
        &'f self,
        offset: usize,
        length: &dyn Fn(u32) -> Option<usize>,
    ) -> Option<((u32, u32), Indirect<'f>)> {
        let mut scan = Scan::at(self.bytes, offset);
        let number = u32::try_from(scan.number()?).ok()?;
        let generation = u32::try_from(scan.number()?).ok()?;
        if !scan.word(b"obj") {
            return None;
        }
        scan.space();
        let from = scan.offset();
        let rest = self.bytes.get(from..)?;
        let mut stream = None;
        let value = if rest.starts_with(b"<<") {
            let dict = Dict::from_bytes(rest)?;
            self.charge(dict.data().len())?;
            scan = Scan::at(self.bytes, from + dict.data().len());
            if scan.word(b"stream") {
                let data = scan.line_end()?;
                let bytes = match dict.get_raw::<Object<'_>>("Length")? {
                    MaybeRef::Ref(reference) => length(reference.obj_number)?,
                    MaybeRef::NotRef(Object::Number(number)) => usize::try_from(number.as_i64()).ok()?,
                    MaybeRef::NotRef(_) => return None,
                };
                stream = Some(self.bytes.get(data..data.checked_add(bytes)?)?);
                scan = Scan::at(self.bytes, data + bytes);
                if !scan.word(b"endstream") {
                    return None;
                }
            }
            Object::Dict(dict)
        } else if rest.starts_with(b"[") {
            let array = Array::from_bytes(rest)?;
            self.charge(array.data().len())?;
            scan = Scan::at(self.bytes, from + array.data().len() + 2);
            Object::Array(array)
        } else {
            // Nothing tells how long it is but the word behind it, which a string could hold: then it does not read.
            let end = rest.windows(6).position(|word| word == b"endobj")?;
            self.charge(end)?;
            scan = Scan::at(self.bytes, from + end);
            Object::from_bytes(&rest[..end])?
        };
        if !scan.word(b"endobj") {
            return None;
        }
        Some(((number, generation), Indirect { value, stream, span: Some(offset..scan.offset()) }))
    }
}

impl<'f, 'b> View<'f, 'b> {
    /// Where object `id` is; free if nothing tells.
    pub(super) fn entry(self, id: u32) -> Entry {
        let mut sections = self.file.sections[..=self.newest].iter().rev();
        sections.find_map(|section| section.entries.get(&id).copied()).unwrap_or(Entry::Free)
    }

    /// Object `id`. One that does not read is no object, and so is a free one, which PDF calls null.
    pub(super) fn object(self, id: u32) -> Option<Indirect<'f>> {
        match self.entry(id) {
            Entry::Free => None,
            Entry::At { offset, generation } => {
                let (found, object) = self.file.indirect_at(offset, &|id| self.length(id))?;
                (found == (id, generation)).then_some(object)
            }
            Entry::In { container, index } => {
                let Entry::At { offset, .. } = self.entry(container) else { return None };
                let unpacked = self.file.containers.get(&offset)?;
                let unpacked = unpacked.get_or_init(|| self.container(container)).as_ref()?;
                let (found, at) = *unpacked.index.get(index)?;
                let rest = unpacked.data.get(at..)?;
                let value = Object::from_bytes(rest)?;
                self.file.charge(data_bytes(&value))?;
                (found == id).then_some(Indirect { value, stream: None, span: None })
            }
        }
    }

    /// A stream's length that stands in object `id`, which stands in no object stream.
    fn length(self, id: u32) -> Option<usize> {
        let Entry::At { offset, .. } = self.entry(id) else { return None };
        let ((found, _), object) = self.file.indirect_at(offset, &|_| None)?;
        let Object::Number(number) = object.value else { return None };
        if found == id { usize::try_from(number.as_i64()).ok() } else { None }
    }

    fn container(self, id: u32) -> Option<Container> {
        let object = self.object(id)?;
        let (Object::Dict(dict), Some(data)) = (&object.value, object.stream) else { return None };
        if !dict.get_raw::<Object<'_>>("Type").is_some_and(|kind| is_name(&kind, "ObjStm")) {
            return None;
        }
        let data = self.file.unpack(dict, data).ok()?;
        let first = usize::try_from(integer(dict, "First")?).ok()?;
        let count = usize::try_from(integer(dict, "N")?).ok()?;
        let mut scan = Scan::at(data.get(..first)?, 0);
        let mut index = Vec::new();
        for _ in 0..count {
            let (id, at) = (u32::try_from(scan.number()?).ok()?, scan.number()?);
            index.push((id, first.checked_add(at)?));
        }
        Some(Container { data, index })
    }

    /// What `value` leads to, over at most a few references.
    pub(super) fn resolve(self, value: MaybeRef<Object<'f>>) -> Option<Object<'f>> {
        let mut value = value;
        for _ in 0..8 {
            match value {
                MaybeRef::NotRef(object) => return Some(object),
                // An object cannot be a reference, so one step is all that a good file takes.
                MaybeRef::Ref(reference) => value = MaybeRef::NotRef(self.object(reference.obj_number)?.value),
            }
        }
        None
    }

    /// What stands in `dict` under `key`.
    pub(super) fn get(self, dict: &Dict<'f>, key: &str) -> Option<Object<'f>> {
        self.resolve(dict.get_raw::<Object<'f>>(key)?)
    }

    /// As [`Self::get`], if it is a dictionary.
    pub(super) fn get_dict(self, dict: &Dict<'f>, key: &str) -> Option<Dict<'f>> {
        self.get(dict, key)?.into_dict()
    }

    /// The trailer.
    pub(super) fn trailer(self) -> Option<Dict<'f>> {
        self.file.dict(self.file.sections[self.newest].trailer.clone())
    }

    /// The document's catalog.
    pub(super) fn catalog(self) -> Option<Dict<'f>> {
        self.get_dict(&self.trailer()?, "Root")
    }
}

/// The offset behind the last `startxref`, if nothing but %%EOF and space follows it (§7.5.5).
pub(super) fn startxref(bytes: &[u8]) -> Option<usize> {
    let word = b"startxref";
    // 1,024 octets are what readers have always looked through.
    let from = bytes.len().saturating_sub(1024);
    let at = from + bytes[from..].windows(word.len()).rposition(|found| found == word)?;
    let mut scan = Scan::at(bytes, at + word.len());
    let offset = scan.number()?;
    scan.white();
    let rest = scan.rest().strip_prefix(b"%%EOF")?;
    rest.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0).then_some(offset)
}

/// An integer that stands in `dict` itself.
pub(super) fn integer(dict: &Dict<'_>, key: &str) -> Option<i64> {
    match dict.get_raw::<Object<'_>>(key)? {
        MaybeRef::NotRef(Object::Number(number)) => Some(number.as_i64()),
        MaybeRef::NotRef(_) | MaybeRef::Ref(_) => None,
    }
}

/// True for this name, not a reference to it.
pub(super) fn is_name(value: &MaybeRef<Object<'_>>, expected: &str) -> bool {
    matches!(value, MaybeRef::NotRef(Object::Name(name)) if name.as_ref() == expected.as_bytes())
}

/// How many octets it took to read `value`.
fn data_bytes(value: &Object<'_>) -> usize {
    match value {
        Object::Dict(dict) => dict.data().len(),
        Object::Array(array) => array.data().len(),
        Object::String(string) => string.as_bytes().len(),
        Object::Null(_) | Object::Boolean(_) | Object::Number(_) | Object::Name(_) | Object::Stream(_) => 8,
    }
}
