//! Who can be asked for the status of certificates while a subject is judged: which they are, is known only then.

use std::fmt;

use crate::path::Certificate;

/// A source of OCSP responses.
pub trait StatusSource: fmt::Debug + Sync {
    /// Responses about this certificate, each in DER; none if it is of somebody else. They are verified like all evidence.
    fn responses(&self, certificate: &Certificate) -> Vec<Vec<u8>>;
}
