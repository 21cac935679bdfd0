//! Offline verification of a data validation certificate (RFC 3029 §9): the certificate, what was asked, and receipt against
//! trust that the verifier brings.
//!
//! ```text
//! document, request ──imprint, fields──▶ DVC ──signature──▶ notary's certificate ──chain──▶ root.pem
//!                                         │
//!                                      SHA-256 ──▶ entry ──inclusion──▶ checkpoint ──signature──▶ ledger.vkey
//! ```
//!
//! That a DVC is genuine does not mean that what it says is good news: a rejection is a DVC as well. What it says, and what not, is told in
//! words ([`DvcSummary::says`]).
//!
//! Servers of others are judged by the same rules: any key of [`crate::crypto::verify_foreign`], any certificate whose critical
//! extKeyUsage is dvcs alone and that leads to the root.

mod check;
mod report;
mod words;

pub use report::{DvcCheck, DvcCheckResult, DvcReport, DvcSummary, TargetSummary};

use self::check::Signed;
use super::receipt::{self, Artefact};
use super::report::{EntrySummary, Lines};
use super::{Document, Outcome, Trust};
use crate::asn1::read::Reader;
use crate::asn1::{ber, der};
use crate::cms::SignedData;
use crate::digest::{Digest, ImprintAlgorithm};
use crate::evidence::{Kind, NotaryKind};
use crate::notary::dvcs::request::{Accepted, parse};
use crate::notary::dvcs::types::{RESPONSE_DATA, ServiceType};
use crate::notary::tag_of_dvc;

/// What is to be verified.
#[derive(Clone, Copy, Debug)]
pub struct DvcEvidence<'a> {
    /// The DVC: ContentInfo in DER, the content of a `.dvc` file.
    pub dvc: &'a [u8],
    /// The request, bare or signed, as it was sent.
    pub request: Option<&'a [u8]>,
    /// The document that was claimed, shown or judged.
    pub document: Option<Document<'a>>,
    /// Of the service vpkc, in the place of a document: the certificates, DER.
    pub certificates: Option<&'a [Vec<u8>]>,
    /// Its receipt: the text of a `.tlog-proof`, or a COSE Receipt.
    pub proof: Option<&'a [u8]>,
}

/// Makes every check that can be made.
#[must_use]
pub fn verify_dvc(evidence: &DvcEvidence<'_>, trust: &Trust) -> DvcReport {
    let mut report = DvcReport { asked_for_witnesses: trust.needs_witnesses(), ..DvcReport::default() };
    let signed = check::dvc(evidence, trust, &mut report);
    let (outcomes, entry) = of_ledger(evidence, signed.as_ref(), trust);
    for (check, outcome) in outcomes {
        report.checks.put(DvcCheck::of_ledger(check), outcome);
    }
    report.entry = entry;
    report.conclude();
    report
}

fn of_ledger(
    evidence: &DvcEvidence<'_>,
    signed: Option<&Signed<'_>>,
    trust: &Trust,
) -> (Vec<(super::Check, Outcome)>, Option<EntrySummary>) {
    let artefact = Artefact {
        noun: "data validation certificate",
        time: "responseTime",
        digest: Digest::of(evidence.dvc),
        made: signed.map(|signed| signed.time),
        kind: signed.map(|signed| kind_of(signed.info.request.service)),
        tags: signed.map(|signed| vec![tag_of_dvc(&signed.info.serial)]),
    };
    receipt::check(&artefact, evidence.proof, trust)
}

const fn kind_of(service: ServiceType) -> Kind {
    Kind::Notary(match service {
        ServiceType::Ccpd => NotaryKind::Ccpd,
        ServiceType::Cpd => NotaryKind::Cpd,
        ServiceType::Vsd => NotaryKind::Vsd,
        ServiceType::Vpkc => NotaryKind::Vpkc,
    })
}

/// Whether these bytes are an answer of a data validation server, certificate or error notice, so that [`verify_dvc`] has to judge them.
#[must_use]
pub fn is_dvc(bytes: &[u8]) -> bool {
    let rewritten = if ber::is_indefinite(bytes) { ber::definite(bytes) } else { None };
    let bytes = rewritten.as_deref().unwrap_or(bytes);
    let bare = || Reader::new(Reader::new(bytes).take(der::SEQUENCE)?.content).take(der::OID);
    SignedData::from_der(bytes).is_some_and(|signed| signed.content_type == RESPONSE_DATA)
        || bare().is_some_and(|content_type| content_type.content == RESPONSE_DATA)
}

/// The algorithm by which the document must be hashed; `None` if the DVC does not read, which [`verify_dvc`] will then say.
#[must_use]
pub fn dvc_imprint_algorithm(dvc: &[u8]) -> Option<ImprintAlgorithm> {
    Some(Signed::parse(dvc).ok()?.info.imprint.algorithm)
}

/// Whether these bytes are a data validation certificate about certificates, which are its document.
#[must_use]
pub fn is_of_certificates(dvc: &[u8]) -> bool {
    Signed::parse(dvc).is_ok_and(|signed| signed.info.request.service == ServiceType::Vpkc)
}

/// The request of an answer, read as generously as a request can be.
fn request_of(bytes: &[u8]) -> Result<crate::notary::dvcs::Request, String> {
    parse(bytes, &Accepted::everything()).map_err(|refused| refused.refusal.to_string())
}

#[cfg(test)]
mod tests;
