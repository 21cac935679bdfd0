//! What each object of a revision is used for, so that a change of it can be judged: found by going over everything that the
//! trailer leads to. An object that is used for two things is bound by both.

use std::collections::{BTreeMap, BTreeSet};

use hayro_syntax::object::{Array, Dict, MaybeRef, Object};

use super::file::View;
use super::permissions::Permissions;
use super::{DEPTH_MAX, FIELDS_MAX, has_kind};

/// An object with a place in the document's structure; each is judged after rules of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Catalog,
    Form,
    /// /Fields or /Kids.
    Fields,
    Field(FieldRole),
    Page,
    /// A page's /Annots.
    Annotations,
}

/// A form field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldRole {
    pub(super) name: String,
    pub(super) is_signature: bool,
}

/// What objects without such a place are used for: bits, of which one object may have several.
pub(super) type Uses = u8;
/// Contents of pages, fonts, names, actions: what must stay as it is.
pub(super) const FIXED: Uses = 1;
/// Value and appearance of a field that may be filled in.
pub(super) const FIELD: Uses = 2;
/// Certificates, CRLs and OCSP responses.
pub(super) const EVIDENCE: Uses = 4;
/// Metadata.
pub(super) const ABOUT: Uses = 8;
/// Annotations that are no form fields.
pub(super) const NOTE: Uses = 16;

/// All of a revision.
#[derive(Debug, Default)]
pub(super) struct Roles {
    pub(super) places: BTreeMap<u32, Role>,
    pub(super) uses: BTreeMap<u32, Uses>,
}

/// A field's fully qualified name (ISO 32000-2 §12.7.4.2).
pub(super) fn full_name<'f>(view: View<'f, '_>, field: &Dict<'f>, parent: &str) -> String {
    let Some(Object::String(own)) = view.get(field, "T") else { return parent.to_owned() };
    let own = text(own.as_bytes());
    if parent.is_empty() { own } else { format!("{parent}.{own}") }
}

/// A text string: UTF-16BE or UTF-8 with its mark, else read as Latin-1, which PDFDocEncoding nearly is.
pub(super) fn text(bytes: &[u8]) -> String {
    match bytes {
        [0xFE, 0xFF, rest @ ..] => {
            let units: Vec<u16> = rest.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        other => other.iter().map(|byte| char::from(*byte)).collect(),
    }
}

impl Roles {
    /// Of everything in `view`, for a signature with these permissions.
    pub(super) fn of(view: View<'_, '_>, permissions: &Permissions) -> Option<Self> {
        let mut this = Self::default();
        let trailer = view.trailer()?;
        let catalog = view.catalog()?;
        if let Some(MaybeRef::Ref(root)) = trailer.get_raw::<Object<'_>>("Root") {
            this.places.insert(root.obj_number, Role::Catalog);
        }
        // Places first: the walk over everything else stops at them.
        let mut rest = Vec::new();
        this.pages(view, &catalog, &mut rest)?;
        this.form(view, &catalog, permissions, &mut rest)?;
        for (key, value) in catalog.entries() {
            let uses = match key.as_ref() {
                b"AcroForm" => continue,
                b"DSS" => EVIDENCE,
                b"Metadata" => ABOUT,
                _ => FIXED,
            };
            rest.push((value, uses));
        }
        if let Some(info) = trailer.get_raw::<Object<'_>>("Info") {
            rest.push((info, ABOUT));
        }
        this.spread(view, rest)?;
        Some(this)
    }

    /// Notes that `value`, if it is a reference, has this place, and reads it.
    fn place<'f>(&mut self, view: View<'f, '_>, value: MaybeRef<Object<'f>>, role: Role) -> Option<Object<'f>> {
        if let MaybeRef::Ref(reference) = &value {
            self.places.entry(reference.obj_number).or_insert(role);
        }
        view.resolve(value)
    }

    /// The page tree: its nodes are fixed, its pages are not altogether.
    fn pages<'f>(&mut self, view: View<'f, '_>, catalog: &Dict<'f>, rest: &mut Rest<'f>) -> Option<()> {
        let mut nodes: Vec<(MaybeRef<Object<'f>>, usize)> =
            catalog.get_raw::<Object<'_>>("Pages").into_iter().map(|node| (node, 0)).collect();
        let mut seen = BTreeSet::new();
        while let Some((node, depth)) = nodes.pop() {
            let id = if let MaybeRef::Ref(reference) = &node { Some(reference.obj_number) } else { None };
            if id.is_some_and(|id| !seen.insert(id)) {
                continue;
            }
            let Some(Object::Dict(dict)) = view.resolve(node) else { continue };
            view.file.charge(dict.data().len())?;
            if let Some(Object::Array(kids)) = view.get(&dict, "Kids") {
                // The walk over the rest finds the nodes themselves.
                if depth < DEPTH_MAX {
                    nodes.extend(kids.raw_iter().map(|kid| (kid, depth + 1)));
                }
                continue;
            }
            if let Some(id) = id {
                self.places.insert(id, Role::Page);
            }
            for (key, value) in dict.entries() {
                match key.as_ref() {
                    b"Annots" => {
                        if let Some(Object::Array(annotations)) = self.place(view, value, Role::Annotations) {
                            rest.extend(annotations.raw_iter().map(|annotation| (annotation, NOTE)));
                        }
                    }
                    _ => rest.push((value, FIXED)),
                }
            }
        }
        Some(())
    }

    /// The form and its fields.
    fn form<'f>(
        &mut self,
        view: View<'f, '_>,
        catalog: &Dict<'f>,
        permissions: &Permissions,
        rest: &mut Rest<'f>,
    ) -> Option<()> {
        let Some(form) = catalog.get_raw::<Object<'_>>("AcroForm") else { return Some(()) };
        let Some(Object::Dict(form)) = self.place(view, form, Role::Form) else { return Some(()) };
        for (key, value) in form.entries() {
            match key.as_ref() {
                b"Fields" => {
                    if let Some(Object::Array(fields)) = self.place(view, value, Role::Fields) {
                        self.fields(view, &fields, ("", false), permissions, rest, 0)?;
                    }
                }
                _ => rest.push((value, FIXED)),
            }
        }
        Some(())
    }

    fn fields<'f>(
        &mut self,
        view: View<'f, '_>,
        fields: &Array<'f>,
        parent: (&str, bool),
        permissions: &Permissions,
        rest: &mut Rest<'f>,
        depth: usize,
    ) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        for field in fields.raw_iter() {
            let MaybeRef::Ref(reference) = &field else {
                rest.push((field, FIXED));
                continue;
            };
            let id = reference.obj_number;
            if matches!(self.places.get(&id), Some(Role::Field(_))) || self.places.len() > FIELDS_MAX {
                return None;
            }
            let Some(Object::Dict(dict)) = view.resolve(field) else { continue };
            let name = full_name(view, &dict, parent.0);
            let is_signature = match view.get(&dict, "FT") {
                Some(Object::Name(kind)) => kind.as_ref() == b"Sig",
                _ => parent.1,
            };
            let is_signed = is_signature && dict.contains_key("V");
            let uses = if is_signed || permissions.locked.has(&name) { FIXED } else { FIELD };
            self.places.insert(id, Role::Field(FieldRole { name: name.clone(), is_signature }));
            for (key, value) in dict.entries() {
                match key.as_ref() {
                    b"Kids" => {
                        if let Some(Object::Array(kids)) = self.place(view, value, Role::Fields) {
                            self.fields(view, &kids, (&name, is_signature), permissions, rest, depth + 1)?;
                        }
                    }
                    b"V" | b"AP" => rest.push((value, uses)),
                    _ => rest.push((value, FIXED)),
                }
            }
        }
        Some(())
    }

    /// Goes over all that `rest` leads to.
    fn spread<'f>(&mut self, view: View<'f, '_>, rest: Rest<'f>) -> Option<()> {
        let mut open = rest;
        while let Some((value, uses)) = open.pop() {
            let object = match value {
                MaybeRef::NotRef(object) => object,
                MaybeRef::Ref(reference) => {
                    let id = reference.obj_number;
                    if self.places.contains_key(&id) {
                        continue;
                    }
                    let known = self.uses.entry(id).or_insert(0);
                    if *known & uses == uses {
                        continue;
                    }
                    *known |= uses;
                    let Some(object) = view.object(id) else { continue };
                    object.value
                }
            };
            match object {
                Object::Dict(dict) => {
                    view.file.charge(dict.data().len())?;
                    open.extend(dict.entries().map(|(_, value)| (value, uses)));
                }
                Object::Array(array) => {
                    view.file.charge(array.data().len())?;
                    open.extend(array.raw_iter().map(|value| (value, uses)));
                }
                Object::Null(_)
                | Object::Boolean(_)
                | Object::Number(_)
                | Object::String(_)
                | Object::Name(_)
                | Object::Stream(_) => {}
            }
        }
        Some(())
    }
}

/// What is still to be gone over, and as what.
type Rest<'f> = Vec<(MaybeRef<Object<'f>>, Uses)>;

/// True for the signature of a document timestamp.
pub(super) fn is_document_timestamp(signature: &Dict<'_>) -> bool {
    has_kind(signature, "SubFilter", "ETSI.RFC3161")
}
