//! What was checked of a DVC, and what came out.

use serde::Serialize;

use crate::digest::Digest;
use crate::time::Timestamp;
use crate::verify::{Check, CheckResult, EntrySummary, Outcome, Verdict};

/// A check, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum DvcCheck {
    /// SignedData version 3 in DER around a DVCSCertInfo in DER, nothing but a time stamp added unsigned.
    #[serde(rename = "dvc.form")]
    Form,
    /// One signer, whose certificate came along.
    #[serde(rename = "dvc.signer")]
    Signer,
    /// ESSCertIDv2 names the signer's certificate.
    #[serde(rename = "dvc.certificate-binding")]
    CertificateBinding,
    /// The signature over contentType and messageDigest of this content.
    #[serde(rename = "dvc.signature")]
    Signature,
    /// The certificate's critical extKeyUsage is dvcs alone.
    #[serde(rename = "certificate.purpose")]
    CertificatePurpose,
    /// The certificate chains to the trusted root at responseTime; so does each other that came along.
    #[serde(rename = "certificate.chain")]
    CertificateChain,
    /// No certificate was revoked. Never looked at yet: a line that says so is better than silence.
    #[serde(rename = "certificate.revocation")]
    CertificateRevocation,
    /// The time stamp over the signature, if there is one.
    #[serde(rename = "dvc.time-stamp")]
    TimeStamp,
    /// The token that stands for responseTime, if one does.
    #[serde(rename = "dvc.time-token")]
    TimeToken,
    /// The answer is whole: vsd and vpkc have a status, each certificate has its own, and they do not contradict each other.
    #[serde(rename = "dvc.answer")]
    Answer,
    /// It was made under a policy that is accepted.
    #[serde(rename = "dvc.policy")]
    Policy,
    /// The imprint is that of the document, and of the request's data.
    #[serde(rename = "dvc.imprint")]
    Imprint,
    /// The answer repeats the request: service, nonce, time, policy, extensions, signature, each certificate.
    #[serde(rename = "dvc.request")]
    Request,
    /// The proof reads.
    #[serde(rename = "proof.form")]
    ProofForm,
    /// The entry's digest is SHA-256 of the DVC.
    #[serde(rename = "entry.digest")]
    EntryDigest,
    /// The entry is of role notary, and of the kind of the service.
    #[serde(rename = "entry.kind")]
    EntryKind,
    /// The checkpoint is signed by a trusted log key of its own origin.
    #[serde(rename = "proof.checkpoint")]
    ProofCheckpoint,
    /// As many witnesses have cosigned the checkpoint as the verifier's policy asks for.
    #[serde(rename = "proof.witnesses")]
    ProofWitnesses,
    /// The entry stands at its index in the tree of that checkpoint.
    #[serde(rename = "proof.inclusion")]
    ProofInclusion,
    /// responseTime lies in [entry time − mmd, entry time].
    #[serde(rename = "entry.time")]
    EntryTime,
}

impl DvcCheck {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 20] = [
        Self::Form,
        Self::Signer,
        Self::CertificateBinding,
        Self::Signature,
        Self::CertificatePurpose,
        Self::CertificateChain,
        Self::CertificateRevocation,
        Self::TimeStamp,
        Self::TimeToken,
        Self::Answer,
        Self::Policy,
        Self::Imprint,
        Self::Request,
        Self::ProofForm,
        Self::EntryDigest,
        Self::EntryKind,
        Self::ProofCheckpoint,
        Self::ProofWitnesses,
        Self::ProofInclusion,
        Self::EntryTime,
    ];

    /// The checks of the ledger, which come after those of the DVC.
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
pub type DvcCheckResult = CheckResult<DvcCheck>;

/// What the DVC says of one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetSummary {
    /// commonName of a certificate, or what the target is.
    pub name: String,
    /// Hex of a certificate's serial number.
    pub serial: Option<String>,
    /// `granted`, `rejection`…
    pub status: &'static str,
    /// In words.
    pub text: String,
}

/// What the DVC says; worth what the checks are worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DvcSummary {
    /// `ccpd`, `cpd`, `vsd` or `vpkc`.
    pub service: &'static str,
    /// responseTime, RFC 3339.
    pub response_time: Timestamp,
    /// Hex of the serial number.
    pub serial: String,
    /// Dotted.
    pub policy: Option<String>,
    /// True if that is a test policy: nobody vouches for its service's clock.
    pub is_test: bool,
    /// `sha256`…
    pub hash: &'static str,
    /// Hex of the imprint.
    pub imprint: String,
    /// Hex of the nonce's content octets.
    pub nonce: Option<String>,
    /// `granted`, `rejection`…; absent where the service gives none.
    pub status: Option<&'static str>,
    /// In words.
    pub text: String,
    /// What went wrong, as the standard calls it.
    pub fail_info: Vec<&'static str>,
    /// vpkc: each certificate; vsd: those of the signatures.
    pub targets: Vec<TargetSummary>,
    /// commonName of the signer's certificate.
    pub signer: Option<String>,
    /// Whether the request was signed.
    pub request_was_signed: bool,
    /// When the signature was time-stamped.
    pub time_stamped: Option<Timestamp>,
    /// What it says.
    pub says: String,
    /// What it does not say.
    pub does_not_say: &'static str,
    /// SHA-256 of the DVC, under which the log knows it.
    pub digest: Digest,
}

/// All checks with their results, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DvcReport {
    /// Whether it is genuine. What it says may be a rejection all the same.
    pub verdict: Verdict,
    /// One for each [`DvcCheck`].
    pub checks: Vec<DvcCheckResult>,
    /// What the DVC says, if it reads.
    pub dvc: Option<DvcSummary>,
    /// What the proof says, if it reads.
    pub entry: Option<EntrySummary>,
    /// Whether the verifier's policy asks for witnesses.
    pub asked_for_witnesses: bool,
}

impl DvcReport {
    /// What came out of `check`.
    #[must_use]
    pub fn outcome(&self, check: DvcCheck) -> Option<&Outcome> {
        self.checks.iter().find(|result| result.check == check).map(|result| &result.outcome)
    }

    /// True if `result` is a check that was not made and whose answer the verdict needs. Revocation is not, as no version looks at
    /// it yet; nor tokens that need not be there, nor a request that nobody has, nor witnesses that nobody asked for.
    #[must_use]
    pub fn leaves_open(&self, result: &DvcCheckResult) -> bool {
        matches!(result.outcome, Outcome::NotChecked(_))
            && match result.check {
                DvcCheck::CertificateRevocation | DvcCheck::TimeStamp | DvcCheck::TimeToken | DvcCheck::Request => {
                    false
                }
                // Of a policy that nobody asked for only the test policy is, which proves nothing.
                DvcCheck::Policy => self.dvc.as_ref().is_some_and(|dvc| dvc.is_test),
                DvcCheck::ProofWitnesses => self.asked_for_witnesses,
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
