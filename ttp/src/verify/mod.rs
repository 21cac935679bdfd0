//! Offline verification of a timestamp: document, token and receipt against trust that the verifier brings.
//!
//! ```text
//! document ──imprint──▶ token ──signature──▶ TSU certificate ──chain──▶ root.pem
//!                         │
//!                      SHA-256
//!                         ▼
//!                       entry ──inclusion──▶ checkpoint ──signature──▶ ledger.vkey
//! ```
//!
//! No producer code is used here: nothing of [`crate::timestamp`] or [`crate::notary`] that builds, nothing of [`crate::ca`], only
//! formats ([`crate::asn1`], [`crate::cms`], [`crate::x509`], [`crate::statement`], the types of RFC 3029), names
//! ([`crate::evidence`]) and keys ([`crate::crypto`]). No I/O and no clock:
//! the moment of judgement is the token's own genTime, as revocation is not looked at (a later issue brings it; the
//! report says so). What the status of a certificate was at a moment is judged for itself ([`status_at`]).
//!
//! A data validation certificate (RFC 3029) is verified the same way, against what it was asked ([`dvc`]), and so is the record of a
//! notarial act ([`act`]).
//!
//! Every check has a name and an outcome; [`Check`] lists them in the order in which they are made. A bit that is changed
//! anywhere in the token, certificates included, fails a check even without a proof; the tests flip them all.

pub mod act;
pub mod dvc;
pub mod erds;
pub mod exchange;
mod normal;
mod reading;
mod receipt;
mod report;
mod status;
mod token;
mod trust;

pub use normal::{Released, released};
pub use reading::TokenReading;
pub use report::{Check, CheckResult, EntrySummary, Outcome, Report, TokenSummary, Verdict};
pub use status::{Logged, StatusDoubt, StatusEvidence, StatusThen, status_at};
pub use trust::{LedgerPromise, MMD_MILLIS, Trust, TrustFault, log_keys};

use crate::digest::{Digest, ImprintAlgorithm};
use crate::evidence::{Kind, TimestampKind};

/// What was stamped.
#[derive(Clone, Copy, Debug)]
pub enum Document<'a> {
    /// Its bytes.
    Bytes(&'a [u8]),
    /// Its imprint, made by the caller: a large file is hashed piece by piece ([`crate::crypto::ImprintHasher`]) with the
    /// algorithm that [`imprint_algorithm`] finds in the token.
    Imprint {
        /// How it was made.
        algorithm: ImprintAlgorithm,
        /// Its octets.
        digest: &'a [u8],
    },
}

/// What is to be verified.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The document or its imprint.
    pub document: Document<'a>,
    /// The token: ContentInfo in DER, the content of a `.tst` file.
    pub token: &'a [u8],
    /// Its receipt, if there is one: the text of a `.tlog-proof`, or a COSE Receipt.
    pub proof: Option<&'a [u8]>,
}

/// The algorithm by which the document must be hashed; `None` if the token does not read, which [`verify_timestamp`] will
/// then say in its report.
#[must_use]
pub fn imprint_algorithm(token: &[u8]) -> Option<ImprintAlgorithm> {
    Some(token::Token::parse(token).ok()?.imprint_algorithm)
}

/// Makes every check that can be made.
#[must_use]
pub fn verify_timestamp(evidence: &Evidence<'_>, trust: &Trust) -> Report {
    let mut report = Report { asked_for_witnesses: trust.needs_witnesses(), ..Report::default() };
    let token = token::check(evidence, trust, &mut report);
    let artefact = receipt::Artefact {
        noun: "timestamp",
        time: "genTime",
        digest: Digest::of(evidence.token),
        made: token.map(|token| token.gen_time),
        kind: Some(Kind::Timestamp(TimestampKind::Token)),
        tags: Some(Vec::new()),
    };
    let (outcomes, entry) = receipt::check(&artefact, evidence.proof, trust);
    report.checks.extend(outcomes.into_iter().map(|(check, outcome)| CheckResult { check, outcome }));
    report.entry = entry;
    report.conclude();
    report
}

#[cfg(test)]
mod tests;
