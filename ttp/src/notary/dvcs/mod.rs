//! Data validation (RFC 3029): what clients ask, and the certificates (DVCs) that answer.
//!
//! ```text
//! bytes ── request::parse ──▶ Request ──▶ (the notary decides) ──▶ Finding + Grant ──▶ DvcContent ──▶ prepare, sign ─▶ Dvc
//!             │ Refused                        │ refusal
//!             ▼                                ▼
//!         Refused::notice                 refusal::notice
//! ```
//!
//! Formats and what follows from a request's octets alone. Who may ask, under which policy, at what time, and what is found,
//! is the notary's.

pub mod finding;
pub mod refusal;
pub mod request;
pub mod response;
mod signer;
pub mod status;
pub mod token;
pub mod types;

#[cfg(test)]
pub(crate) mod testing;

pub use refusal::{Refusal, Refused, notice};
pub use request::{Accepted, Asked, Request, RequestSignature, parse};
pub use response::{Answer, ContentFault, Dvc, DvcContent, DvcSerial, Finding, Grant, ToBeSigned, prepare};
pub use signer::{DvcSigner, LoadFault};
pub use status::{FailInfo, Status, StatusInfo};
pub use types::{PolicyInformation, ServiceType};
