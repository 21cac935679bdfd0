//! What a signature permits to be done later (ISO 32000-2 §12.8.2.2, 12.8.2.4).

use std::collections::BTreeSet;

use hayro_syntax::object::{Dict, MaybeRef, Object};

use super::file::{View, integer};

/// What may be changed after a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Permissions {
    /// DocMDP: 1 nothing, 2 filling in forms and signing, 3 annotations too. 2 for a signature that says nothing, since whoever
    /// signs a form expects the others to sign.
    pub(super) level: u8,
    /// True if the level is that of a certification.
    pub(super) is_certified: bool,
    /// FieldMDP: fields that must stay as they are.
    pub(super) locked: Locked,
}

/// Form fields by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Locked {
    /// None is named.
    #[default]
    None,
    /// All.
    All,
    /// These, and those below them.
    Include(BTreeSet<String>),
    /// All but these, and those below them.
    Exclude(BTreeSet<String>),
}

impl Locked {
    /// True if `field` must stay as it is.
    pub(super) fn has(&self, field: &str) -> bool {
        let among = |names: &BTreeSet<String>| {
            names.iter().any(|name| {
                field.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        match self {
            Self::None => false,
            Self::All => true,
            Self::Include(names) => among(names),
            Self::Exclude(names) => !among(names),
        }
    }

    /// /Action and /Fields of a dictionary.
    fn of<'f>(view: View<'f, '_>, dict: &Dict<'f>) -> Self {
        let names = || {
            let Some(Object::Array(fields)) = view.get(dict, "Fields") else { return BTreeSet::new() };
            let names = fields.raw_iter().filter_map(|name| view.resolve(name)?.into_string());
            names.map(|name| super::roles::text(name.as_bytes())).collect()
        };
        match view.get(dict, "Action") {
            Some(Object::Name(action)) => match action.as_ref() {
                b"Include" => Self::Include(names()),
                b"Exclude" => Self::Exclude(names()),
                // All, and what nobody knows.
                _ => Self::All,
            },
            _ => Self::All,
        }
    }
}

impl Permissions {
    /// Those of the signature `dict`, which is object `id`, in `field`; `view` is the revision that it closes.
    pub(super) fn of<'f>(view: View<'f, '_>, dict: &Dict<'f>, id: u32, field: &Dict<'f>) -> Self {
        let mut this = Self { level: 2, is_certified: false, locked: Locked::None };
        // The document's certification binds whoever signs later, too.
        let perms = view.catalog().and_then(|catalog| view.get_dict(&catalog, "Perms"));
        if let Some(certified) = perms.and_then(|perms| perms.get_raw::<Object<'_>>("DocMDP")) {
            let is_this = matches!(&certified, MaybeRef::Ref(reference) if reference.obj_number == id);
            this.is_certified = is_this;
            if let Some(Object::Dict(certified)) = view.resolve(certified)
                && let Some(level) = level(view, &certified)
            {
                this.level = level;
            }
        }
        for (method, parameters) in references(view, dict) {
            match method.as_slice() {
                b"FieldMDP" => this.locked = Locked::of(view, &parameters),
                b"DocMDP" if !this.is_certified => this.level = this.level.min(level_of(&parameters)),
                _ => {}
            }
        }
        // SigFieldLock: the author of the form asked for it.
        if let Some(lock) = view.get_dict(field, "Lock") {
            if this.locked == Locked::None {
                this.locked = Locked::of(view, &lock);
            }
            if let Some(level @ 1..=3) = integer(&lock, "P") {
                this.level = this.level.min(level as u8);
            }
        }
        this
    }
}

/// /TransformMethod and /TransformParams of each signature reference.
fn references<'f>(view: View<'f, '_>, dict: &Dict<'f>) -> Vec<(Vec<u8>, Dict<'f>)> {
    let Some(Object::Array(array)) = view.get(dict, "Reference") else { return Vec::new() };
    let one = |item| {
        let reference = view.resolve(item)?.into_dict()?;
        let method = view.get(&reference, "TransformMethod")?.into_name()?.as_ref().to_vec();
        Some((method, view.get_dict(&reference, "TransformParams").unwrap_or_default()))
    };
    array.raw_iter().take(16).filter_map(one).collect()
}

/// The level of a certification signature.
fn level<'f>(view: View<'f, '_>, dict: &Dict<'f>) -> Option<u8> {
    let found = references(view, dict).into_iter().find(|(method, _)| method == b"DocMDP");
    found.map(|(_, parameters)| level_of(&parameters))
}

/// /P: 2 if absent; what is no level permits nothing.
fn level_of(parameters: &Dict<'_>) -> u8 {
    match integer(parameters, "P") {
        None if !parameters.contains_key("P") => 2,
        Some(2) => 2,
        Some(3) => 3,
        _ => 1,
    }
}
