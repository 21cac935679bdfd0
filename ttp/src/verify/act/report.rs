//! What was checked of an act, and what came out.

use serde::Serialize;

use crate::digest::Digest;
use crate::notary::{ActType, OfficerCheck, Outcome as Ending, Reason};
use crate::statement::act::{DocumentRole, Fee, IdentityMethod, PrincipalRole};
use crate::time::Timestamp;
use crate::verify::{Check, CheckResult, EntrySummary, Outcome, Verdict};

/// A check, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ActCheck {
    /// A statement `notary/act` in its one spelling, whose reason fits its outcome.
    #[serde(rename = "act.form")]
    Form,
    /// The record does not contradict itself: order of times, checks made and not made, what its outcome needs.
    #[serde(rename = "act.consistency")]
    Consistency,
    /// It is of the service whose ledger is trusted.
    #[serde(rename = "act.service")]
    Service,
    /// The notary's certificate, which the record names, is at hand, and of the key that it names.
    #[serde(rename = "act.signer")]
    Signer,
    /// The signature.
    #[serde(rename = "act.signature")]
    Signature,
    /// The certificate is of the form that a notary's key for acts has.
    #[serde(rename = "certificate.purpose")]
    CertificatePurpose,
    /// The certificate was issued under a policy that is accepted.
    #[serde(rename = "certificate.policy")]
    CertificatePolicy,
    /// The certificate chains to the trusted root at completed_at.
    #[serde(rename = "certificate.chain")]
    CertificateChain,
    /// No certificate was revoked. Never looked at yet: a line that says so is better than silence.
    #[serde(rename = "certificate.revocation")]
    CertificateRevocation,
    /// The document that the act is about is at hand; each that was given is one of the act's.
    #[serde(rename = "act.document")]
    Document,
    /// The further documents are at hand.
    #[serde(rename = "act.further-documents")]
    FurtherDocuments,
    /// The request is the one that the record names, and asks for what the record tells.
    #[serde(rename = "act.request")]
    Request,
    /// The data validation certificate is the one that the record names.
    #[serde(rename = "act.dvc")]
    Dvc,
    /// The report of the validation is the one that the record names.
    #[serde(rename = "act.report")]
    Report,
    /// What opens the commitments of the record opens all of them.
    #[serde(rename = "act.personal")]
    Personal,
    /// Each statement of a signer is one that the record names, for this act, service and document.
    #[serde(rename = "act.signatures")]
    Signatures,
    /// It is signed by the key of the certificate that the record names, which chains to the trusted root at signed_at.
    #[serde(rename = "signers.certificates")]
    SignersCertificates,
    /// The proof reads.
    #[serde(rename = "proof.form")]
    ProofForm,
    /// The entry's digest is SHA-256 of the record.
    #[serde(rename = "entry.digest")]
    EntryDigest,
    /// The entry is of role notary, kind act, and bears the tag of this act.
    #[serde(rename = "entry.kind")]
    EntryKind,
    /// The checkpoint is signed by a trusted log key of the service's origin.
    #[serde(rename = "proof.checkpoint")]
    ProofCheckpoint,
    /// As many witnesses have cosigned the checkpoint as the verifier's policy asks for.
    #[serde(rename = "proof.witnesses")]
    ProofWitnesses,
    /// The entry stands at its index in the tree of that checkpoint.
    #[serde(rename = "proof.inclusion")]
    ProofInclusion,
    /// completed_at lies in [entry time − mmd, entry time].
    #[serde(rename = "entry.time")]
    EntryTime,
}

impl ActCheck {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 24] = [
        Self::Form,
        Self::Consistency,
        Self::Service,
        Self::Signer,
        Self::Signature,
        Self::CertificatePurpose,
        Self::CertificatePolicy,
        Self::CertificateChain,
        Self::CertificateRevocation,
        Self::Document,
        Self::FurtherDocuments,
        Self::Request,
        Self::Dvc,
        Self::Report,
        Self::Personal,
        Self::Signatures,
        Self::SignersCertificates,
        Self::ProofForm,
        Self::EntryDigest,
        Self::EntryKind,
        Self::ProofCheckpoint,
        Self::ProofWitnesses,
        Self::ProofInclusion,
        Self::EntryTime,
    ];

    /// The checks of the ledger, which come after those of the act.
    #[must_use]
    pub fn is_of_ledger(self) -> bool {
        self >= Self::ProofForm
    }

    /// The same check of a receipt under its name here.
    pub(super) const fn of_ledger(check: Check) -> Self {
        match check {
            Check::EntryDigest => Self::EntryDigest,
            Check::EntryKind => Self::EntryKind,
            Check::ProofCheckpoint => Self::ProofCheckpoint,
            Check::ProofWitnesses => Self::ProofWitnesses,
            Check::ProofInclusion => Self::ProofInclusion,
            Check::EntryTime => Self::EntryTime,
            // Receipts have no other checks than these.
            _ => Self::ProofForm,
        }
    }
}

/// One line of the report.
pub type ActCheckResult = CheckResult<ActCheck>;

/// A document, as the record has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentSummary {
    /// SHA-256 of its octets.
    pub sha256: Digest,
    /// How many octets it has, where the notary held them.
    pub size: Option<u64>,
    /// As what it is there.
    pub role: DocumentRole,
    /// Whether the notary held its octets, or was shown the hash alone.
    pub held: bool,
    /// Whether the verifier was given it.
    pub given: bool,
}

/// Somebody who takes part, as the record has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrincipalSummary {
    /// As what.
    pub role: PrincipalRole,
    /// The registered party.
    pub party: Option<String>,
    /// SHA-256 of the certificate by which it took part.
    pub certificate: Digest,
    /// commonName of that certificate, if it is at hand.
    pub name: Option<String>,
    /// How the notary knows who it is.
    pub identity: Vec<IdentityMethod>,
    /// When the notary received its signature.
    pub signed_at: Option<Timestamp>,
    /// When its certificate was revoked, if it was before the act ended.
    pub revoked_at: Option<Timestamp>,
}

/// What the record says; worth what the checks are worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActSummary {
    /// The act's name.
    pub act: String,
    /// What it certifies, or was to certify.
    pub kind: ActType,
    /// Its number in the journal.
    pub journal_no: u64,
    /// The origin of the service.
    pub service: String,
    /// commonName of the notary's certificate, if it is at hand.
    pub notary: Option<String>,
    /// True if that is one of a trial service, whose clock nobody vouches for: it was issued under the test policy.
    pub is_test: bool,
    /// RFC 3339.
    pub opened_at: Timestamp,
    /// RFC 3339.
    pub completed_at: Timestamp,
    /// How it ended.
    pub outcome: Ending,
    /// Why it does not certify.
    pub reason: Option<Reason>,
    /// What it is about.
    pub documents: Vec<DocumentSummary>,
    /// What the validation gave, as its report says, if that was given and is the one that the record names.
    pub validation: Option<String>,
    /// Who took part.
    pub principals: Vec<PrincipalSummary>,
    /// SHA-256 of the certificate of the officer who decided.
    pub officer: Option<Digest>,
    /// What that officer says to have checked.
    pub checked: Vec<OfficerCheck>,
    /// What nobody has checked.
    pub not_checked: Vec<OfficerCheck>,
    /// What the notary was paid.
    pub fee: Option<Fee>,
    /// The act that this one corrects.
    pub correction_of: Option<String>,
    /// What it says: what it certifies, or that it certifies nothing.
    pub says: String,
    /// Who checked what, and what nobody checked.
    pub says_of_checks: String,
    /// What it does not say.
    pub does_not_say: &'static str,
    /// SHA-256 of the record, under which the log knows it.
    pub digest: Digest,
}

/// All checks with their results, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ActReport {
    /// Whether it is genuine. The act may have been refused all the same.
    pub verdict: Verdict,
    /// One for each [`ActCheck`].
    pub checks: Vec<ActCheckResult>,
    /// What the record says, if it reads.
    pub act: Option<ActSummary>,
    /// What the proof says, if it reads.
    pub entry: Option<EntrySummary>,
    /// Whether policies were asked for.
    pub asked_for_policies: bool,
    /// Whether the verifier's policy asks for witnesses.
    pub asked_for_witnesses: bool,
    /// Whether statements of signers are to be judged.
    pub asked_for_signers: bool,
}

impl ActReport {
    /// What came out of `check`.
    #[must_use]
    pub fn outcome(&self, check: ActCheck) -> Option<&Outcome> {
        self.checks.iter().find(|result| result.check == check).map(|result| &result.outcome)
    }

    /// True if `result` is a check that was not made and whose answer the verdict needs. Revocation is not, as no version looks at
    /// it yet; nor what the record only names besides and nobody has given, nor witnesses that nobody asked for.
    #[must_use]
    pub fn leaves_open(&self, result: &ActCheckResult) -> bool {
        matches!(result.outcome, Outcome::NotChecked(_))
            && match result.check {
                ActCheck::CertificateRevocation
                | ActCheck::FurtherDocuments
                | ActCheck::Request
                | ActCheck::Dvc
                | ActCheck::Report
                | ActCheck::Personal
                | ActCheck::Signatures => false,
                // Of a policy that nobody asked for only the test policy is, which proves nothing.
                ActCheck::CertificatePolicy => {
                    self.asked_for_policies || self.act.as_ref().is_none_or(|act| act.is_test || act.notary.is_none())
                }
                ActCheck::SignersCertificates => self.asked_for_signers,
                ActCheck::ProofWitnesses => self.asked_for_witnesses,
                _ => true,
            }
    }

    /// As one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists of them: serialising cannot fail.
        serde_json::to_string(self).expect("a report is plain data")
    }

    pub(super) fn conclude(&mut self) {
        self.verdict = Verdict::of(&self.checks, |result| self.leaves_open(result));
    }
}
