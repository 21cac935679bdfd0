//! Certification paths of strangers: built, and judged at a moment that the caller names (RFC 5280 §6).
//!
//! Our own certificates are read strictly ([`crate::x509`]) and judged by libcrypto, which stops at the first fault. Whoever
//! validates somebody's signature must say everything that is wrong, and what is missing for which moment (EN 319 102-1 §5).
//! So nothing here stops early:
//!
//! ```text
//! Certificate, Crl, OcspResponse ──▶ Material ──▶ build ──▶ Path ──▶ validate ──▶ Judgement { problems, policies }
//!                                        │                   └─────▶ revocation ──▶ Status { verdict, looked_at, missing }
//!                                        └─────────────────────────────────▲
//! ```
//!
//! Everything is read by hand with [`crate::asn1::read`], not by rasn-pkix and not by x509-parser. What is signed are octets as
//! they were received, so slices are kept and nothing is encoded again. rasn enforces upper bounds that strangers break and
//! that have no bearing on the path (NIST PKITS 4.8.19 has an explicitText of more than 200 characters), and turns each entry of
//! a long CRL into a tree; what x509-parser reads borrows from its input and cannot be shared. In the tests rasn-pkix is the
//! second reader.
//!
//! Moments are arguments. `at` is when something must have been true; [`Settings::now`] bounds what can exist already.
//!
//! Out of scope: fetching what is missing (the shell), proofs of existence, and which moment counts (signature validation),
//! qualifiers of policies, attribute certificates. Constraints that an anchor's certificate states bind nobody (RFC 5280 §6.1.1); who
//! wants them to gives them as [`Settings::names`] and [`Settings::policies`].

mod algorithms;
mod build;
mod certificate;
mod checks;
mod constraints;
mod crl;
mod extensions;
mod fields;
mod material;
mod name;
mod ocsp;
mod policies;
mod problem;
mod revocation;
mod settings;
mod signed;
#[cfg(test)]
mod testing;
mod text;
mod validate;

pub use algorithms::{Accepted, AlgorithmRefusal, AlgorithmTable, Matter};
pub use build::{Anchor, AnchorFault, Path, build, missing_issuers};
pub use certificate::{CERTIFICATE_BYTES_MAX, Certificate, ReadFault};
pub use checks::Checks;
pub use constraints::NameConstraints;
pub use crl::{CRL_BYTES_MAX, Crl, CrlEntry, IssuingPoint};
pub use extensions::{
    AuthorityKey, BasicConstraints, DistributionPoint, Extension, Extensions, PlaceName, PolicyConstraints, ReasonMask,
};
pub use material::{Material, MaterialFull};
pub(crate) use name::Escaped;
pub use name::{GeneralName, Name};
pub use ocsp::{CertId, OCSP_BYTES_MAX, OcspResponse, Responder, SingleResponse, SingleStatus};
pub use problem::{Flaw, Problem};
pub use revocation::{
    Doubt, EvidenceKind, Looked, Missing, MissingWhat, Revocation, Status, Verdict, WhyNotAsked, revocation,
};
pub use settings::{Freshness, InitialPolicies, Limits, Settings};
pub use signed::Signed;
pub use validate::{Judgement, validate};

/// An object identifier of any size, shown in dotted form: an extension's, a key purpose's, a policy's.
pub type ObjectId = crate::asn1::PolicyId;
