//! What can be said of a certificate's revocation, and why no more.

use std::fmt;

use crate::digest::Digest;
use crate::path::ObjectId;
use crate::path::algorithms::AlgorithmRefusal;
use crate::path::build::Path;
use crate::path::extensions::ReasonMask;
use crate::path::problem::Problem;
use crate::time::Timestamp;

/// The status of one certificate at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// SHA-256 of the certificate.
    pub certificate: Digest,
    /// The moment for which it holds.
    pub at: Timestamp,
    /// What it is.
    pub verdict: Verdict,
    /// Every list and response that was looked at.
    pub looked_at: Vec<Looked>,
    /// What would be needed to say more; empty unless undetermined.
    pub missing: Vec<Missing>,
}

/// What the status is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not revoked at the moment asked about.
    Good {
        /// Revoked later, by evidence that was issued after that moment.
        later: Option<Revocation>,
    },
    /// Revoked at the moment asked about.
    Revoked(Revocation),
    /// Nobody can say.
    Undetermined,
    /// Its revocation is not a question.
    NotAsked(WhyNotAsked),
}

/// Why nobody asks whether a certificate is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNotAsked {
    /// It is the anchor's own.
    Anchor,
    /// It is of an OCSP responder whose CA vouches for its lifetime (id-pkix-ocsp-nocheck, RFC 6960 §4.2.2.2.1).
    OcspNoCheck,
    /// Its CA gives no information about it (noRevAvail, RFC 9608 §4).
    NoRevocationAvailable,
    /// It is valid for so short a time that its CA does not revoke it (ETSI EN 319 412-1 §5.2).
    ShortTerm,
}

/// A revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Since when.
    pub at: Timestamp,
    /// CRLReason (RFC 5280 §5.3.1).
    pub reason: u8,
    /// Since when the key is thought to have been bad (invalidityDate, §5.3.2); nothing here depends on it.
    pub invalid_since: Option<Timestamp>,
    /// SHA-256 of the list or response that says so.
    pub by: Digest,
}

impl Revocation {
    /// The reason as RFC 5280 names it.
    #[must_use]
    pub const fn reason_name(&self) -> &'static str {
        match self.reason {
            1 => "keyCompromise",
            2 => "cACompromise",
            3 => "affiliationChanged",
            4 => "superseded",
            5 => "cessationOfOperation",
            6 => "certificateHold",
            8 => "removeFromCRL",
            9 => "privilegeWithdrawn",
            10 => "aACompromise",
            _ => "unspecified",
        }
    }

    /// True for a suspension, which can end (certificateHold).
    #[must_use]
    pub const fn is_hold(&self) -> bool {
        self.reason == 6
    }
}

/// What kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// A complete list.
    Crl,
    /// A delta list.
    DeltaCrl,
    /// An OCSP response.
    Ocsp,
}

/// A list or response that was looked at.
#[derive(Clone, Debug)]
pub struct Looked {
    /// What it is.
    pub kind: EvidenceKind,
    /// SHA-256 of its octets.
    pub digest: Digest,
    /// Who issued it, as it says.
    pub issuer: String,
    /// thisUpdate; of an OCSP response, that of the answer, or producedAt if it has none about this certificate.
    pub issued_at: Timestamp,
    /// nextUpdate.
    pub next_update: Option<Timestamp>,
    /// producedAt of an OCSP response.
    pub produced_at: Option<Timestamp>,
    /// The path of who signed it, if that is not the certificate's issuer itself. Its certificates' ends bound for how long
    /// the evidence can be verified without a proof of existence.
    pub signer: Option<Path>,
    /// Why it did not do; empty if it was used.
    pub doubts: Vec<Doubt>,
}

impl Looked {
    /// True if it was not verified because too much had been by then.
    pub(super) fn was_cut_off(&self) -> bool {
        self.doubts.iter().any(|doubt| matches!(doubt, Doubt::TooManyChecks { .. }))
    }

    /// True if the status rests on it.
    #[must_use]
    pub const fn was_used(&self) -> bool {
        self.doubts.is_empty()
    }
}

/// Why a piece of evidence did not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// A list of another issuer, and no distribution point of the certificate names that one.
    #[error("it is a list of {issuer}, who does not issue lists for this certificate")]
    OtherIssuer {
        /// Who.
        issuer: String,
    },
    /// A response without an answer about this certificate.
    #[error("it answers nothing about this certificate")]
    OtherCertificate,
    /// Dated after the moment of judging.
    #[error("it is dated {issued_at}, which is still to come")]
    FromTheFuture {
        /// thisUpdate or producedAt.
        issued_at: Timestamp,
    },
    /// Not fresh by its own word: nextUpdate lies before the moment asked about.
    #[error("it was to be replaced at {next_update}, before {at}")]
    Stale {
        /// nextUpdate.
        next_update: Timestamp,
        /// The moment asked about.
        at: Timestamp,
    },
    /// Without nextUpdate, so that nobody knows when it stopped being fresh, and the settings name no age.
    #[error("it was issued at {issued_at}, before {at}, and does not say until when it is fresh")]
    NoNextUpdate {
        /// thisUpdate.
        issued_at: Timestamp,
        /// The moment asked about.
        at: Timestamp,
    },
    /// Issued before the moment from which on the settings take it for fresh.
    #[error("it was issued at {issued_at}, and must not be older than {oldest}")]
    TooOld {
        /// thisUpdate.
        issued_at: Timestamp,
        /// The earliest moment at which it would have done.
        oldest: Timestamp,
    },
    /// Issued when the certificate had expired, and it does not say that it still names such ones (RFC 5280 §3.3, RFC 6960 §4.4.4).
    #[error(
        "it was issued at {issued_at}, after the certificate expired at {not_after}, and does not keep what has expired"
    )]
    IssuedAfterExpiry {
        /// thisUpdate.
        issued_at: Timestamp,
        /// The certificate's end.
        not_after: Timestamp,
    },
    /// It is about other certificates (§6.3.3 (b)(2)).
    #[error("it is not about certificates of this kind: {why}")]
    Scope {
        /// onlyContainsUserCerts, onlyContainsCACerts, onlyContainsAttributeCerts.
        why: &'static str,
    },
    /// Its issuingDistributionPoint is none of the certificate's distribution points (RFC 5280 §6.3.3 (b)(2)).
    #[error("it is of another distribution point than the certificate's")]
    OtherPoint,
    /// It is for other reasons than those for which the distribution point is (§6.3.3 (d)).
    #[error("it covers none of the reasons for which its distribution point is")]
    OtherReasons,
    /// A critical extension, of the list, of one of its entries or of the answer, that is not processed here.
    #[error("it has the critical extension {id}, which is not processed here")]
    UnknownCritical {
        /// Which.
        id: ObjectId,
    },
    /// An extension that is malformed or doubled.
    #[error("its extension {id} is malformed or doubled")]
    MalformedExtension {
        /// Which.
        id: ObjectId,
    },
    /// A delta list without a complete list that it could change (§5.2.4).
    #[error("it is a delta list, and no complete list is there that it changes")]
    NoBase,
    /// No certificate was found whose key signed it.
    #[error("no certificate is at hand by which its signature verifies")]
    NoSigner,
    /// Its signature does not verify with the key of who should have signed it.
    #[error("its signature does not verify with the key of {signer}")]
    Signature {
        /// Who.
        signer: String,
    },
    /// An algorithm that is not verified here.
    #[error("it is signed by an algorithm that is not verified here ({algorithm})")]
    UnknownAlgorithm {
        /// Dotted.
        algorithm: String,
    },
    /// The algorithm inside and outside the signed part differ (RFC 5280 §5.1.1.2).
    #[error("it names another signature algorithm inside its signed part than outside")]
    AlgorithmMismatch,
    /// An algorithm, hash or key that was not acceptable.
    #[error("{0}")]
    Algorithm(AlgorithmRefusal),
    /// Its signer's keyUsage has no cRLSign (§6.3.3 (f)).
    #[error("{signer}, who signed it, may not sign lists by its keyUsage (cRLSign)")]
    MayNotSignLists {
        /// Who.
        signer: String,
    },
    /// A responder that is neither the CA nor delegated by it (RFC 6960 §4.2.2.2).
    #[error("{signer}, who signed it, is not the certificate's issuer and was not charged by it with OCSP")]
    NotAuthorized {
        /// Who.
        signer: String,
    },
    /// Its signer's path is not valid, or does not lead to the same anchor.
    #[error("{signer}, who signed it, has no valid path to the anchor of the certificate{}", listed(problems))]
    SignerPath {
        /// Who.
        signer: String,
        /// What is wrong with its best path; empty if there is none.
        problems: Vec<Problem>,
    },
    /// Its signer's certificate, or one above it, was revoked.
    #[error("{signer}, who signed it, was revoked at {at}")]
    SignerRevoked {
        /// Whose certificate.
        signer: String,
        /// Since when.
        at: Timestamp,
    },
    /// Nobody can say whether its signer's certificate, or one above it, was revoked.
    #[error("nobody can say whether {signer}, who signed it, was revoked")]
    SignerUndetermined {
        /// Whose certificate.
        signer: String,
    },
    /// The responder does not know the certificate.
    #[error("the responder does not know this certificate")]
    Unknown,
    /// The bound on signature checks was reached.
    #[error("its signature was not checked: the bound of {max} checks was reached")]
    TooManyChecks {
        /// The bound.
        max: usize,
    },
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("; {problem}")).collect()
}

/// Something that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What.
    pub what: MissingWhat,
    /// For which certificate: SHA-256.
    pub certificate: Digest,
    /// Its subject, for people.
    pub subject: String,
    /// The moment that it must speak for.
    pub needed_for: Timestamp,
    /// Where the certificate says that it can be had.
    pub places: Vec<String>,
}

/// What can be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingWhat {
    /// A list or an OCSP response.
    Evidence,
    /// A list that covers these reasons; others are covered.
    Reasons(ReasonMask),
    /// A certificate of its issuer, so that there is no way up from it.
    Issuer,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            MissingWhat::Issuer => return write!(f, "a certificate of who issued that of {}", self.subject),
            MissingWhat::Evidence => f.write_str("a revocation list or an OCSP response")?,
            MissingWhat::Reasons(reasons) => write!(f, "a revocation list for the reasons {reasons}")?,
        }
        write!(f, " that says whether {} was revoked at {}", self.subject, self.needed_for)
    }
}
