//! What validation says: one report for a document, in it one for each signature, in it every constraint with its result.
//!
//! The names of indications, sub-indications and constraints are stable (`schemas/validation-report.json`); words in
//! `why` are for people and may be put better.

use serde::Serialize;

use super::indication::{Indication, SubIndication};
use crate::digest::Digest;
use crate::statement::Salt;
use crate::time::Timestamp;

/// What was found out about a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `semper.validation/1`.
    pub schema: &'static str,
    /// 16 random octets, where the report is kept: its hash in the ledger tells nobody what it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<Salt>,
    /// What it was read as.
    pub format: Format,
    /// SHA-256 of it; of certificates, of their own SHA-256 hashes one after the other.
    pub document: Digest,
    /// SHA-256 of the content that was given beside it, for detached signatures.
    pub detached_content: Option<Digest>,
    /// The moment for which all this is said.
    pub validation_time: Timestamp,
    /// When it was judged: evidence may be as new.
    pub judged_on: Timestamp,
    /// The rules after which it was judged.
    pub policy: PolicyUsed,
    /// Of the whole: the worst of its signatures, or why there is none to judge.
    pub conclusion: Conclusion,
    /// Constraints of the document itself.
    pub constraints: Vec<Constraint>,
    /// One for each signature and each timestamp that covers the document, in the order in which they were made.
    pub signatures: Vec<SignatureReport>,
    /// Certificates, CRLs and OCSP responses that were at hand, by digest.
    pub material: Vec<MaterialUsed>,
}

/// Formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// CMS SignedData (RFC 5652), CAdES (ETSI EN 319 122-1).
    Cms,
    /// PDF (ISO 32000-2 §12.8), PAdES (ETSI EN 319 142-1).
    Pdf,
    /// A statement of our own profile ([`crate::statement`]).
    Jws,
    /// Certificates by themselves (RFC 5280).
    Certificates,
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyUsed {
    /// As it names itself.
    pub name: String,
    /// SHA-256 of its file.
    pub hash: Digest,
    /// Constraints that it switches off.
    pub checks_off: Vec<&'static str>,
}

/// An indication, and what says more (EN 319 102-1 §5.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conclusion {
    /// The indication.
    pub indication: Indication,
    /// Always there unless the indication is TOTAL-PASSED.
    pub sub_indication: Option<SubIndication>,
}

impl Conclusion {
    /// Everything holds.
    pub const PASSED: Self = Self { indication: Indication::TotalPassed, sub_indication: None };
}

impl From<SubIndication> for Conclusion {
    fn from(sub: SubIndication) -> Self {
        Self { indication: sub.indication(), sub_indication: Some(sub) }
    }
}

/// What a signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Somebody's signature.
    Signature,
    /// A PDF's document timestamp.
    DocumentTimestamp,
    /// A timestamp over a signature value (id-aa-signatureTimeStampToken).
    SignatureTimestamp,
    /// A timestamp over content that was signed later (id-aa-ets-contentTimestamp).
    ContentTimestamp,
    /// archive-time-stamp-v3 of ETSI EN 319 122-1 §5.5.3.
    ArchiveTimestamp,
    /// A certificate whose status was asked for.
    Certificate,
}

/// How far the judgement had to go (EN 319 102-1 §5.3, 5.5, 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Process {
    /// Everything holds at the validation time, or nothing later could help.
    Basic,
    /// The time of a signature timestamp was needed.
    WithTime,
    /// Evidence of the past was needed.
    LongTerm,
}

/// What was found out about one signature or timestamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignatureReport {
    /// Where it is: a PDF's field name, `signer 1`, `signer 1, signature-timestamp 1`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// SHA-256 of the token, of a timestamp.
    pub token: Option<Digest>,
    /// The outcome.
    #[serde(flatten)]
    pub conclusion: Conclusion,
    /// The process that gave it.
    pub process: Process,
    /// Who signed, if the certificate was found.
    pub signer: Option<CertificateRef>,
    /// What it covers.
    pub coverage: Vec<Coverage>,
    /// When its signer says that it was made: worth nothing by itself. Of a timestamp, its genTime.
    pub claimed_time: Option<Timestamp>,
    /// The earliest moment at which it is proved to have existed.
    pub best_time: BestTime,
    /// For which moment certificates and algorithms were judged: the validation time, or that of the earliest proof.
    pub judged_at: Timestamp,
    /// What the basic process alone gave, where more was needed.
    pub basic: Option<Conclusion>,
    /// Every constraint with its result.
    pub constraints: Vec<Constraint>,
    /// What would let more be said.
    pub missing: Vec<Missing>,
    /// The path that was judged, from the signer up to and with the anchor's certificate if it has one.
    pub chain: Vec<CertificateRef>,
    /// What told the status of the certificates of that path.
    pub revocation: Vec<RevocationUsed>,
    /// Its timestamps, each judged like a signature.
    pub timestamps: Vec<SignatureReport>,
    /// What it carries that was not judged.
    pub not_judged: Vec<String>,
}

/// A certificate as a reader finds it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct CertificateRef {
    /// SHA-256 of its DER.
    pub digest: Digest,
    /// RFC 4514 or as near as its strings allow.
    pub subject: String,
    /// The issuer's name.
    pub issuer: String,
    /// Hex.
    pub serial: String,
    /// First moment of its validity.
    pub not_before: Timestamp,
    /// Last moment.
    pub not_after: Timestamp,
}

/// What a signature is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Coverage {
    /// Content within the signature's own structure.
    Attached {
        /// SHA-256 of it.
        digest: Digest,
        /// Its length.
        bytes: u64,
    },
    /// Content that was given beside it.
    Detached {
        /// SHA-256 of it.
        digest: Digest,
        /// Its length.
        bytes: u64,
    },
    /// A PDF up to the end of one of its revisions.
    Revision {
        /// 1 for the oldest.
        revision: u32,
        /// How many the file has.
        of: u32,
        /// Where the revision ends.
        bytes: u64,
        /// What later revisions do to the document, in words.
        changes: Vec<String>,
    },
    /// A signature's value.
    SignatureValue,
    /// A JWS's payload.
    Payload {
        /// SHA-256 of it: the statement's name.
        digest: Digest,
    },
    /// Content, certificates, revocation data and unsigned attributes of a CAdES signature.
    CadesArchive,
}

/// Since when something is proved to exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BestTime {
    /// The moment.
    pub at: Timestamp,
    /// SHA-256 of the timestamp token that proves it; `None` where it is the validation time, at which it was seen.
    pub by: Option<Digest>,
}

/// A constraint and what came out of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Constraint {
    /// Its stable name.
    pub name: &'static str,
    /// What it was asked of, where that is not the signature itself: a certificate's subject.
    pub about: Option<String>,
    /// The result.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The result of a constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "why", rename_all = "kebab-case")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed(String),
    /// It could not be asked, or was not to be.
    NotChecked(String),
}

/// A datum that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Missing {
    /// What: `revocation status`, `issuer's certificate`, `proof of existence`, …
    pub what: &'static str,
    /// For which certificate.
    pub certificate: Option<CertificateRef>,
    /// Needed for this time.
    pub for_time: Option<Timestamp>,
    /// More in words.
    pub note: String,
}

/// Evidence of revocation status that was believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevocationUsed {
    /// About which certificate (SHA-256).
    pub certificate: Digest,
    /// `good` or `revoked`.
    pub status: &'static str,
    /// Since when, if revoked.
    pub revoked_at: Option<Timestamp>,
    /// `crl` or `ocsp`.
    pub by: &'static str,
    /// SHA-256 of it.
    pub evidence: Digest,
    /// When it was issued.
    pub issued_at: Timestamp,
}

/// Something that the judgement could rest on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaterialUsed {
    /// `certificate`, `crl`, `ocsp`.
    pub kind: &'static str,
    /// SHA-256.
    pub digest: Digest,
}

impl Report {
    /// As one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists of them: serialising cannot fail.
        serde_json::to_string(self).expect("a report is plain data")
    }

    /// True if there is a signature, and not only timestamps.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.signatures.iter().any(|one| one.kind == Kind::Signature)
    }

    /// The worst of `conclusions`: the first TOTAL-FAILED, else the first INDETERMINATE, else TOTAL-PASSED.
    pub(super) fn worst<'a>(conclusions: impl Iterator<Item = &'a Conclusion>) -> Option<Conclusion> {
        // Of several that are equally bad, min_by_key gives the first.
        conclusions.min_by_key(|conclusion| std::cmp::Reverse(conclusion.indication)).cloned()
    }
}

/// Constraints as they are answered, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(pub(super) Vec<Constraint>);

impl Answers {
    /// Notes `result` and gives back whether it holds.
    pub(super) fn note(&mut self, name: &'static str, about: Option<&str>, result: Result<(), String>) -> bool {
        let holds = result.is_ok();
        let outcome = result.map_or_else(Outcome::Failed, |()| Outcome::Passed);
        self.0.push(Constraint { name, about: about.map(str::to_owned), outcome });
        holds
    }

    /// Notes that a constraint was not asked.
    pub(super) fn skip(&mut self, name: &'static str, about: Option<&str>, why: impl Into<String>) {
        self.0.push(Constraint { name, about: about.map(str::to_owned), outcome: Outcome::NotChecked(why.into()) });
    }
}
