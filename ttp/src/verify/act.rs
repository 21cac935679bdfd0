//! Offline verification of a notarial act: its record, what the record names, and receipt against trust that the verifier brings.
//!
//! ```text
//! documents, request, DVC ──SHA-256──▶ record ──signature──▶ notary's certificate ──chain──▶ root.pem
//! signers' statements ──────SHA-256──▶   │
//!                                     SHA-256 ──▶ entry ──inclusion──▶ checkpoint ──signature──▶ ledger.vkey
//! ```
//!
//! The record names certificates by their SHA-256; they are given beside it, and are worth what the chain to the root makes of them. That a
//! record is genuine does not mean that it certifies: the record of a refusal is genuine, too ([`ActSummary::says`]).

mod check;
mod report;
mod signers;
mod words;

pub use report::{ActCheck, ActCheckResult, ActReport, ActSummary, DocumentSummary, PrincipalSummary};

use super::receipt::{self, Artefact};
use super::report::{EntrySummary, Lines as _};
use super::{Outcome, Trust};
use crate::digest::Digest;
use crate::evidence::{Kind, NotaryKind};
use crate::notary::tag_of_act;
use crate::statement::Jws;
use crate::statement::act::ActRecorded;
use crate::time::Timestamp;
use crate::x509::Certificate;

/// What is to be verified.
#[derive(Clone, Copy, Debug)]
pub struct ActEvidence<'a> {
    /// The record: a JWS, the content of a `.jws` file.
    pub act: &'a [u8],
    /// Certificates that are at hand: the notary's, the signers', those of their issuers. None of them is trusted for being here.
    pub certificates: &'a [Certificate],
    /// The documents that are at hand.
    pub documents: &'a [ShownDocument],
    /// The request, to the octet.
    pub request: Option<&'a [u8]>,
    /// The data validation certificate that the record names.
    pub dvc: Option<&'a [u8]>,
    /// The report of the validation that it certifies.
    pub report: Option<&'a [u8]>,
    /// What opens its commitments: names, addresses and titles.
    pub personal: Option<&'a [u8]>,
    /// Statements of signers, to the octet.
    pub signatures: &'a [Vec<u8>],
    /// Its receipt: the text of a `.tlog-proof`, or a COSE Receipt.
    pub proof: Option<&'a [u8]>,
}

/// A document, hashed by the caller, as it may be large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownDocument {
    /// SHA-256 of its octets.
    pub sha256: Digest,
    /// How many there are.
    pub bytes: u64,
}

/// Makes every check that can be made.
#[must_use]
pub fn verify_act(evidence: &ActEvidence<'_>, trust: &Trust) -> ActReport {
    let mut report = ActReport {
        asked_for_policies: trust.asks_for_policies(),
        asked_for_witnesses: trust.needs_witnesses(),
        asked_for_signers: !evidence.signatures.is_empty(),
        ..ActReport::default()
    };
    let record = check::record(evidence, trust, &mut report);
    let (outcomes, entry) = of_ledger(evidence, record.as_ref(), trust);
    for (check, outcome) in outcomes {
        report.checks.put(ActCheck::of_ledger(check), outcome);
    }
    report.entry = entry;
    report.conclude();
    report
}

/// Which kind of statement these bytes are, if they read as one: [`verify_act`] judges `notary/act`.
#[must_use]
pub fn statement_tag(bytes: &[u8]) -> Option<String> {
    Jws::parse(bytes).ok().map(|jws| jws.tag().to_owned())
}

fn of_ledger(
    evidence: &ActEvidence<'_>,
    record: Option<&ActRecorded>,
    trust: &Trust,
) -> (Vec<(super::Check, Outcome)>, Option<EntrySummary>) {
    let artefact = Artefact {
        noun: "act",
        time: "completed_at",
        digest: Digest::of(evidence.act),
        made: record.map(|record| Timestamp::from_millis(record.completed_at.get())),
        kind: Some(Kind::Notary(NotaryKind::Act)),
        tags: record.map(|record| vec![tag_of_act(record.act)]),
    };
    // Of several ledgers that are trusted, the act stands in that of the service that it names.
    let mut its_own = trust.clone();
    if let Some(record) = record {
        its_own.log_keys.retain(|key| key.name() == record.notary.service.as_str());
    }
    receipt::check(&artefact, evidence.proof, &its_own)
}

#[cfg(test)]
mod tests;
