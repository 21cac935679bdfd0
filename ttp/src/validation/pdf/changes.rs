//! What was done to a document after a signature, and whether the signature permits it.
//!
//! The revision that was signed is compared with the newest one, object by object, for every object that a later section lists
//! and that the signed revision uses ([`super::roles`]). New objects do no harm by themselves: what leads to them was changed.
//!
//! Permitted: validation data (DSS), document timestamps, metadata; from level 2 on further signatures and fields filled in that
//! are not locked; at level 3 annotations.

use std::collections::BTreeSet;

use hayro_syntax::object::{Array, Dict, MaybeRef, Object};

use super::file::{File, View};
use super::permissions::Permissions;
use super::roles::{
    ABOUT, EVIDENCE, FIELD, FIXED, FieldRole, NOTE, Role, Roles, Uses, full_name, is_document_timestamp,
};
use super::{Signature, has_kind};

/// How deep two objects are compared.
const COMPARE_DEPTH: usize = 24;

/// In words, without repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Changes {
    /// Permitted.
    pub(in super::super) told: BTreeSet<String>,
    /// Not permitted.
    pub(in super::super) refused: BTreeSet<String>,
}

impl Changes {
    /// Everything after `signature`.
    pub(in super::super) fn after(file: &File<'_>, signature: &Signature) -> Self {
        let mut found = Self::default();
        if signature.covers_all(file) {
            return found;
        }
        if let Err(fault) = super::only_listed_objects(file, signature.end, signature.section) {
            found.refused.insert(fault);
        }
        let old = View { file, newest: signature.section };
        let mut compare = Compare { old, new: file.newest(), permissions: &signature.permissions, found };
        let complete = compare.all();
        let mut found = compare.found;
        if complete.is_none() || file.is_exhausted() {
            found.refused.insert("the document is too intricate to be compared with what was signed".to_owned());
        }
        found
    }
}

struct Compare<'f, 'b> {
    old: View<'f, 'b>,
    new: View<'f, 'b>,
    permissions: &'f Permissions,
    found: Changes,
}

impl<'f> Compare<'f, '_> {
    fn told(&mut self, what: impl Into<String>) {
        self.found.told.insert(what.into());
    }

    fn refused(&mut self, what: impl Into<String>) {
        self.found.refused.insert(what.into());
    }

    /// True if forms may be filled in and signed.
    fn may_fill(&self) -> bool {
        self.permissions.level >= 2
    }

    fn all(&mut self) -> Option<()> {
        let (old, new) = (self.old.trailer()?, self.new.trailer()?);
        for key in ["Root", "Encrypt"] {
            if !self.same_member(&old, &new, key) {
                self.refused(format!("the trailer's {key} was changed"));
            }
        }
        let roles = Roles::of(self.old, self.permissions)?;
        let file = self.old.file;
        let changed: BTreeSet<u32> =
            file.sections[self.old.newest + 1..].iter().flat_map(|section| section.entries.keys().copied()).collect();
        for id in changed {
            let (place, uses) = (roles.places.get(&id), roles.uses.get(&id));
            if place.is_none() && uses.is_none() {
                continue;
            }
            let (before, after) = (self.old.object(id), self.new.object(id));
            let (before, after) = match (before, after) {
                (None, None) => continue,
                (Some(before), Some(after)) => {
                    let same_stream = before.stream == after.stream;
                    if same_stream && self.same_object(&before.value, &after.value, 0)? {
                        continue;
                    }
                    (before.value, after.value)
                }
                (None, Some(_)) => {
                    self.refused(format!("object {id}, which was empty, was given content"));
                    continue;
                }
                (Some(_), None) => {
                    self.refused(format!("object {id} was taken away"));
                    continue;
                }
            };
            match place {
                Some(role) => self.place(id, role, before, after)?,
                None => self.used(id, uses.copied().unwrap_or(FIXED)),
            }
        }
        Some(())
    }

    /// A changed object that has a place of its own.
    fn place(&mut self, id: u32, role: &Role, before: Object<'f>, after: Object<'f>) -> Option<()> {
        match (role, before, after) {
            (Role::Catalog, Object::Dict(before), Object::Dict(after)) => self.catalog(&before, &after),
            (Role::Form, Object::Dict(before), Object::Dict(after)) => self.form(&before, &after),
            (Role::Fields, Object::Array(before), Object::Array(after)) => self.fields(&before, &after),
            (Role::Field(field), Object::Dict(before), Object::Dict(after)) => self.field(field, &before, &after),
            (Role::Page, Object::Dict(before), Object::Dict(after)) => self.page(id, &before, &after),
            (Role::Annotations, Object::Array(before), Object::Array(after)) => self.annotations(&before, &after),
            _ => {
                self.refused(format!("object {id} was replaced by something of another kind"));
                Some(())
            }
        }
    }

    /// A changed object that something uses.
    fn used(&mut self, id: u32, uses: Uses) {
        if uses & FIXED != 0 {
            self.refused(format!("object {id}, which belongs to the document's content, was changed"));
        } else if uses & NOTE != 0 {
            self.note("was changed");
        } else if uses & FIELD != 0 {
            if self.may_fill() {
                self.told("the appearance of form fields was changed");
            } else {
                self.refused("a form field was changed, and nothing may be");
            }
        } else if uses & EVIDENCE != 0 {
            self.told("validation data was added");
        } else if uses & ABOUT != 0 {
            self.told("metadata was changed");
        }
    }

    fn note(&mut self, what: &str) {
        if self.permissions.level >= 3 {
            self.told(format!("an annotation {what}"));
        } else {
            self.refused(format!("an annotation {what}"));
        }
    }

    fn catalog(&mut self, before: &Dict<'f>, after: &Dict<'f>) -> Option<()> {
        for key in self.differing(before, after)? {
            match key.as_slice() {
                b"AcroForm" => {
                    let before = self.old.get_dict(before, "AcroForm").unwrap_or_default();
                    match self.new.get_dict(after, "AcroForm") {
                        Some(after) => self.form(&before, &after)?,
                        None => self.refused("the form was taken away"),
                    }
                }
                b"DSS" => self.told("validation data was added"),
                b"Metadata" => self.told("metadata was changed"),
                // Which features of PDF the file uses.
                b"Extensions" | b"Version" => {}
                other => self.refused(format!("the catalog's {} was changed", other.escape_ascii())),
            }
        }
        Some(())
    }

    fn form(&mut self, before: &Dict<'f>, after: &Dict<'f>) -> Option<()> {
        for key in self.differing(before, after)? {
            match key.as_slice() {
                b"Fields" => {
                    let before = self.old.get(before, "Fields").and_then(Object::into_array).unwrap_or_default();
                    match self.new.get(after, "Fields") {
                        Some(Object::Array(after)) => self.fields(&before, &after)?,
                        _ => self.refused("the form's fields were taken away"),
                    }
                }
                // That there are signatures, and that they want incremental updates.
                b"SigFlags" => {}
                // The default appearance of a form that there was not.
                b"DA" if before.is_empty() => {}
                b"DR" => {
                    let old = self.old.get_dict(before, "DR").unwrap_or_default();
                    let new = self.new.get_dict(after, "DR").unwrap_or_default();
                    if !self.has_grown(&old, &new, 0)? {
                        self.refused("the form's resources were changed");
                    }
                }
                other => self.refused(format!("the form's {} was changed", other.escape_ascii())),
            }
        }
        Some(())
    }

    /// True if `new` has all that `old` has, and perhaps more: fonts for what is filled in.
    fn has_grown(&mut self, old: &Dict<'f>, new: &Dict<'f>, depth: usize) -> Option<bool> {
        for (key, value) in old.entries() {
            let Some(now) = new.get_raw::<Object<'_>>(key.as_ref()) else { return Some(false) };
            let both = match (self.old.resolve(value), self.new.resolve(now)) {
                (Some(Object::Dict(old)), Some(Object::Dict(new))) if depth < 2 => {
                    self.has_grown(&old, &new, depth + 1)?
                }
                (Some(old), Some(new)) => self.same_object(&old, &new, 0)?,
                (old, new) => old.is_none() && new.is_none(),
            };
            if !both {
                return Some(false);
            }
        }
        Some(true)
    }

    /// /Fields and /Kids: old ones stay, new ones are signatures.
    fn fields(&mut self, before: &Array<'f>, after: &Array<'f>) -> Option<()> {
        for added in self.added(before, after, "a form field")? {
            let Some(Object::Dict(field)) = self.new.resolve(added) else {
                self.refused("a form field was added that does not read");
                continue;
            };
            let name = full_name(self.new, &field, "");
            if has_kind(&field, "FT", "Sig") && !field.contains_key("Kids") {
                self.signed(&name, &field);
            } else {
                self.refused(format!("the form field {name} was added"));
            }
        }
        Some(())
    }

    /// A signature field that was added, or that had been empty.
    fn signed(&mut self, name: &str, field: &Dict<'f>) {
        let signature = self.new.get_dict(field, "V");
        if signature.as_ref().is_some_and(is_document_timestamp) {
            self.told(format!("a document timestamp was added ({name})"));
        } else if !self.may_fill() {
            self.refused(format!("the signature field {name} was added or signed, and nothing may be"));
        } else if signature.is_some() {
            self.told(format!("the signature {name} was added"));
        } else {
            self.told(format!("the empty signature field {name} was added"));
        }
    }

    fn field(&mut self, role: &FieldRole, before: &Dict<'f>, after: &Dict<'f>) -> Option<()> {
        let name = &role.name;
        for key in self.differing(before, after)? {
            let key = key.as_slice();
            match key {
                b"Kids" => {
                    let before = self.old.get(before, "Kids").and_then(Object::into_array).unwrap_or_default();
                    match self.new.get(after, "Kids") {
                        Some(Object::Array(after)) => self.fields(&before, &after)?,
                        _ => self.refused(format!("parts of the form field {name} were taken away")),
                    }
                }
                _ if role.is_signature && before.contains_key("V") => {
                    self.refused(format!("the signed field {name} was changed ({})", key.escape_ascii()));
                }
                b"V" | b"AP" | b"AS" | b"F" | b"M" if role.is_signature => self.signed(name, after),
                b"V" | b"AP" | b"AS" | b"M" | b"I" | b"RV" => {
                    if !self.may_fill() {
                        self.refused(format!("the form field {name} was filled in, and nothing may be"));
                    } else if self.permissions.locked.has(name) {
                        self.refused(format!("the form field {name} was filled in, and it is locked"));
                    } else {
                        self.told(format!("the form field {name} was filled in"));
                    }
                }
                _ => self.refused(format!("the form field {name} was changed ({})", key.escape_ascii())),
            }
        }
        Some(())
    }

    fn page(&mut self, id: u32, before: &Dict<'f>, after: &Dict<'f>) -> Option<()> {
        for key in self.differing(before, after)? {
            if key.as_slice() == b"Annots" {
                let before = self.old.get(before, "Annots").and_then(Object::into_array).unwrap_or_default();
                match self.new.get(after, "Annots") {
                    Some(Object::Array(after)) => self.annotations(&before, &after)?,
                    _ => self.refused(format!("the annotations of page object {id} were taken away")),
                }
            } else {
                self.refused(format!("page object {id} was changed ({})", key.escape_ascii()));
            }
        }
        Some(())
    }

    fn annotations(&mut self, before: &Array<'f>, after: &Array<'f>) -> Option<()> {
        for added in self.added(before, after, "an annotation")? {
            let Some(Object::Dict(annotation)) = self.new.resolve(added) else {
                self.refused("an annotation was added that does not read");
                continue;
            };
            if !has_kind(&annotation, "Subtype", "Widget") {
                self.note("was added");
                continue;
            }
            // A widget shows a field, and which fields may be added is asked where they are listed.
            let parent = self.new.get_dict(&annotation, "Parent").unwrap_or_default();
            if !has_kind(&annotation, "FT", "Sig") && !has_kind(&parent, "FT", "Sig") {
                self.refused("a widget was added that shows no signature");
            }
        }
        Some(())
    }

    /// The members of `after` that are not in `before`; notes a complaint if any was taken away or put elsewhere.
    fn added(&mut self, before: &Array<'f>, after: &Array<'f>, what: &str) -> Option<Vec<MaybeRef<Object<'f>>>> {
        let mut old: Vec<_> = before.raw_iter().collect();
        old.reverse();
        let mut added = Vec::new();
        for item in after.raw_iter() {
            let same = match old.last() {
                Some(last) => self.same(last, &item, 0)?,
                None => false,
            };
            if same {
                old.pop();
            } else {
                added.push(item);
            }
        }
        if !old.is_empty() {
            self.refused(format!("{what} was taken away or replaced"));
        }
        Some(added)
    }

    /// The keys of two dictionaries whose values differ.
    fn differing(&mut self, before: &Dict<'f>, after: &Dict<'f>) -> Option<Vec<Vec<u8>>> {
        let keys: BTreeSet<Vec<u8>> = before.keys().chain(after.keys()).map(|key| key.as_ref().to_vec()).collect();
        let mut differing = Vec::new();
        for key in keys {
            let same = match (before.get_raw::<Object<'_>>(&key), after.get_raw::<Object<'_>>(&key)) {
                (Some(before), Some(after)) => self.same(&before, &after, 0)?,
                (before, after) => before.is_none() && after.is_none(),
            };
            if !same {
                differing.push(key);
            }
        }
        Some(differing)
    }

    fn same_member(&mut self, before: &Dict<'f>, after: &Dict<'f>, key: &str) -> bool {
        match (before.get_raw::<Object<'_>>(key), after.get_raw::<Object<'_>>(key)) {
            // Another catalog is another document, whatever is in it.
            (Some(MaybeRef::Ref(before)), Some(MaybeRef::Ref(after))) => before == after,
            (before, after) => before.is_none() && after.is_none(),
        }
    }

    /// True if two values mean the same. Two references to one object do: the object itself is judged where it is listed.
    fn same(&mut self, before: &MaybeRef<Object<'f>>, after: &MaybeRef<Object<'f>>, depth: usize) -> Option<bool> {
        match (before, after) {
            (MaybeRef::Ref(a), MaybeRef::Ref(b)) if a == b => Some(true),
            (MaybeRef::NotRef(a), MaybeRef::NotRef(b)) => self.same_object(a, b, depth),
            _ => {
                let stream = |view: View<'f, '_>, value: &MaybeRef<Object<'f>>| match value {
                    MaybeRef::Ref(reference) => {
                        view.object(reference.obj_number).map(|found| (found.value, found.stream))
                    }
                    MaybeRef::NotRef(object) => Some((object.clone(), None)),
                };
                match (stream(self.old, before), stream(self.new, after)) {
                    (Some((a, a_stream)), Some((b, b_stream))) => {
                        Some(a_stream == b_stream && self.same_object(&a, &b, depth)?)
                    }
                    (a, b) => Some(a.is_none() && b.is_none()),
                }
            }
        }
    }

    fn same_object(&mut self, before: &Object<'f>, after: &Object<'f>, depth: usize) -> Option<bool> {
        if depth > COMPARE_DEPTH {
            return None;
        }
        match (before, after) {
            (Object::Dict(a), Object::Dict(b)) => {
                self.old.file.charge(a.data().len() + b.data().len())?;
                if a.len() != b.len() {
                    return Some(false);
                }
                for (key, value) in a.entries() {
                    let Some(other) = b.get_raw::<Object<'_>>(key.as_ref()) else { return Some(false) };
                    if !self.same(&value, &other, depth + 1)? {
                        return Some(false);
                    }
                }
                Some(true)
            }
            (Object::Array(a), Object::Array(b)) => {
                self.old.file.charge(a.data().len() + b.data().len())?;
                let (mut a, mut b) = (a.raw_iter(), b.raw_iter());
                loop {
                    match (a.next(), b.next()) {
                        (None, None) => return Some(true),
                        (Some(a), Some(b)) if self.same(&a, &b, depth + 1)? => {}
                        _ => return Some(false),
                    }
                }
            }
            (Object::Number(a), Object::Number(b)) => Some((a.as_f64() - b.as_f64()).abs() == 0.0),
            (a, b) => Some(a == b),
        }
    }
}
