//! The terms that an applicant accepts: `terms.md`, the operator's own text. One to begin with is written where there is none.

use std::io::ErrorKind;

use super::{DataError, DataFolder, files, sync_folder, write_new};
use crate::config::Identity;

/// The file of the terms.
pub(crate) const TERMS: &str = "terms.md";

/// Longest terms, bytes: they are served to whoever asks.
const BYTES_MAX: usize = 1 << 20;

const TEMPLATE: &str = include_str!("terms.md");

impl DataFolder {
    /// Writes terms to begin with, unless there are some.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn make_terms(&self, identity: &Identity) -> Result<(), DataError> {
        let path = self.path(TERMS);
        if path.exists() {
            return Ok(());
        }
        write_new(&path, 0o644, terms_of(identity).as_bytes())?;
        sync_folder(&self.root)
    }

    /// The terms in force; empty where there are none, as in a folder for reading only that an earlier version has made.
    ///
    /// # Errors
    /// They do not read, or are no text.
    pub(crate) fn terms(&self) -> Result<Vec<u8>, DataError> {
        let path = self.path(TERMS);
        let bytes = match files::read(&path) {
            Err(DataError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let unfit = |reason: String| DataError::Unfit { path, reason };
        if bytes.len() > BYTES_MAX {
            return Err(unfit(format!("the terms are longer than {BYTES_MAX} bytes")));
        }
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(unfit(format!("the terms are no text: {error}"))),
        }
    }
}

/// Terms to begin with.
pub(crate) fn terms_of(identity: &Identity) -> String {
    let Identity { origin, public_url, country, organisation, organisation_identifier } = identity;
    TEMPLATE
        .replace("{organisation}", organisation)
        .replace("{identifier}", organisation_identifier)
        .replace("{country}", country)
        .replace("{origin}", origin)
        .replace("{url}", public_url)
}
