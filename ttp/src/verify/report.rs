//! What was checked, and what came out.

use serde::Serialize;

/// A check, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Check {
    /// The token is strict DER of the profile: SignedData version 3 around a TSTInfo, SHA-256, nothing unsigned added.
    #[serde(rename = "token.form")]
    TokenForm,
    /// Its imprint is that of the document.
    #[serde(rename = "token.imprint")]
    TokenImprint,
    /// One signer, whose certificate is in the token or in the trusted chain file.
    #[serde(rename = "token.signer")]
    TokenSigner,
    /// Signed attributes: contentType, messageDigest of this TSTInfo, algorithm protection; each once.
    #[serde(rename = "token.attributes")]
    TokenAttributes,
    /// ESSCertIDv2 names the signer's certificate, by hash, issuer and serial number.
    #[serde(rename = "token.certificate-binding")]
    TokenCertificateBinding,
    /// The signature over the signed attributes.
    #[serde(rename = "token.signature")]
    TokenSignature,
    /// The certificate chains to the trusted root at genTime, for timestamping alone; so does each other in the token.
    #[serde(rename = "certificate.chain")]
    CertificateChain,
    /// genTime lies in the privateKeyUsagePeriod.
    #[serde(rename = "certificate.key-period")]
    CertificateKeyPeriod,
    /// No certificate was revoked. Never looked at yet: a line that says so is better than silence.
    #[serde(rename = "certificate.revocation")]
    CertificateRevocation,
    /// The token's policy is one of those that the verifier accepts.
    #[serde(rename = "token.policy")]
    TokenPolicy,
    /// The proof reads.
    #[serde(rename = "proof.form")]
    ProofForm,
    /// The entry's digest is SHA-256 of the token.
    #[serde(rename = "entry.digest")]
    EntryDigest,
    /// The entry is of role timestamp, kind token, and has no tags.
    #[serde(rename = "entry.kind")]
    EntryKind,
    /// The checkpoint is signed by a trusted log key of its own origin.
    #[serde(rename = "proof.checkpoint")]
    ProofCheckpoint,
    /// As many witnesses have cosigned the checkpoint as the verifier's policy asks for. A cosignature by one of its
    /// witnesses that is wrong fails; without a policy nobody asked.
    #[serde(rename = "proof.witnesses")]
    ProofWitnesses,
    /// The entry stands at its index in the tree of that checkpoint.
    #[serde(rename = "proof.inclusion")]
    ProofInclusion,
    /// genTime lies in [entry time − mmd, entry time].
    #[serde(rename = "entry.time")]
    EntryTime,
}

impl Check {
    /// All of them, in the order of a report.
    pub const ALL: [Check; 17] = [
        Check::TokenForm,
        Check::TokenImprint,
        Check::TokenSigner,
        Check::TokenAttributes,
        Check::TokenCertificateBinding,
        Check::TokenSignature,
        Check::CertificateChain,
        Check::CertificateKeyPeriod,
        Check::CertificateRevocation,
        Check::TokenPolicy,
        Check::ProofForm,
        Check::EntryDigest,
        Check::EntryKind,
        Check::ProofCheckpoint,
        Check::ProofWitnesses,
        Check::ProofInclusion,
        Check::EntryTime,
    ];

    /// Those after this one, up to and with `last`.
    pub(super) fn following(self, last: Check) -> impl Iterator<Item = Check> {
        Self::ALL.into_iter().filter(move |check| self < *check && *check <= last)
    }
}

/// What came out of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "kebab-case")]
pub enum Outcome {
    /// It holds.
    Ok,
    /// It does not.
    Failed(String),
    /// It could not be made, or was not asked for.
    NotChecked(String),
}

impl Outcome {
    pub(super) fn of(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Ok)
    }

    pub(super) fn not_checked(reason: &str) -> Self {
        Self::NotChecked(reason.to_owned())
    }

    /// True for a check that does not hold.
    #[must_use]
    pub const fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckResult<C = Check> {
    /// Which.
    pub check: C,
    /// With what result.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The lines of a report while it is made.
pub(super) trait Lines<C> {
    fn put(&mut self, check: C, outcome: Outcome);

    fn record(&mut self, check: C, result: Result<(), String>) {
        self.put(check, Outcome::of(result));
    }

    fn skip(&mut self, check: C, reason: &str) {
        self.put(check, Outcome::not_checked(reason));
    }
}

impl<C> Lines<C> for Vec<CheckResult<C>> {
    fn put(&mut self, check: C, outcome: Outcome) {
        self.push(CheckResult { check, outcome });
    }
}

/// The whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every check holds that [`Report::leaves_open`] counts. Exit code 0.
    Verified,
    /// A check failed. Exit code 1.
    Refuted,
    /// None failed, but not all could be made: for example, without a proof. Exit code 2.
    #[default]
    Undecided,
}

impl Verdict {
    /// Of all checks.
    pub(super) fn of<C>(checks: &[CheckResult<C>], leaves_open: impl Fn(&CheckResult<C>) -> bool) -> Self {
        if checks.iter().any(|result| result.outcome.is_failed()) {
            Self::Refuted
        } else if checks.iter().any(leaves_open) {
            Self::Undecided
        } else {
            Self::Verified
        }
    }
}

/// What the token says; worth what the checks are worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenSummary {
    /// RFC 3339.
    pub gen_time: crate::time::Timestamp,
    /// Hex of the serial number.
    pub serial: String,
    /// Dotted.
    pub policy: String,
    /// True if that is a test policy: nobody vouches for its service's clock.
    pub is_test: bool,
    /// `sha256`…
    pub hash: &'static str,
    /// Hex of the nonce's content octets.
    pub nonce: Option<String>,
    /// commonName of the signer's certificate.
    pub signer: Option<String>,
    /// SHA-256 of the token, under which the log knows it.
    pub digest: crate::digest::Digest,
}

/// What the proof proves: told only of an entry that stands in a tree of a trusted log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntrySummary {
    /// The log.
    pub origin: String,
    /// Its place.
    pub index: u64,
    /// Size of the tree it was proved in.
    pub tree_size: u64,
    /// RFC 3339.
    pub time: crate::time::Timestamp,
}

/// All checks with their results, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The whole.
    pub verdict: Verdict,
    /// One for each [`Check`].
    pub checks: Vec<CheckResult>,
    /// What the token says, if it reads.
    pub token: Option<TokenSummary>,
    /// What the proof says, if it reads.
    pub entry: Option<EntrySummary>,
    /// Whether the verifier's policy asks for witnesses.
    pub asked_for_witnesses: bool,
}

impl Report {
    /// What came out of `check`.
    #[must_use]
    pub fn outcome(&self, check: Check) -> Option<&Outcome> {
        self.checks.iter().find(|result| result.check == check).map(|result| &result.outcome)
    }

    /// True if `result` is a check that was not made and whose answer the verdict needs. Revocation is not: no version
    /// looks at it yet, and a verdict that never came would help nobody. Nor are witnesses that nobody asked for, nor a
    /// policy that nobody asked for, unless it is the test policy: its tokens prove nothing, so whoever wants them judged
    /// must name it.
    #[must_use]
    pub fn leaves_open(&self, result: &CheckResult) -> bool {
        matches!(result.outcome, Outcome::NotChecked(_))
            && match result.check {
                Check::CertificateRevocation => false,
                Check::ProofWitnesses => self.asked_for_witnesses,
                Check::TokenPolicy => self.token.as_ref().is_some_and(|token| token.is_test),
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

/// "1 March 2026 at 12:00:00.250 UTC".
pub(super) fn moment(time: crate::time::Timestamp) -> String {
    time.to_chrono().format("%-d %B %Y at %H:%M:%S%.3f UTC").to_string()
}
