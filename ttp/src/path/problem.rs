//! What is wrong with a path: each fault by itself, with the numbers that explain it.

use std::fmt;

use super::ObjectId;
use super::algorithms::AlgorithmRefusal;
use crate::time::Timestamp;

/// One failing constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which certificate of the path: 0 for the one that the anchor issued, the last for the target.
    pub certificate: usize,
    /// What is wrong with it.
    pub flaw: Flaw,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {} of the path: {}", self.certificate + 1, self.flaw)
    }
}

/// What can be wrong with a certificate of a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// `at` lies before its validity (RFC 5280 §6.1.3 (a)(2)).
    #[error("not valid before {not_before}, and asked about {at}")]
    NotYetValid {
        /// First moment.
        not_before: Timestamp,
        /// The moment asked about.
        at: Timestamp,
    },
    /// `at` lies behind its validity (§6.1.3 (a)(2)).
    #[error("expired at {not_after}, and asked about {at}")]
    Expired {
        /// Last moment.
        not_after: Timestamp,
        /// The moment asked about.
        at: Timestamp,
    },
    /// The key of its issuer did not sign it (§6.1.3 (a)(1)).
    #[error("its signature does not verify with the key of {issuer}")]
    Signature {
        /// Whose key.
        issuer: String,
    },
    /// It is signed by an algorithm that is not known here, so that nobody can say whether the signature is good.
    #[error("signed by an algorithm that is not verified here ({algorithm})")]
    UnknownAlgorithm {
        /// Dotted.
        algorithm: String,
    },
    /// The algorithm inside and outside the signed part differ (§4.1.1.2).
    #[error("names another signature algorithm inside its signed part than outside")]
    AlgorithmMismatch,
    /// The bound on signature checks of this validation was reached.
    #[error("its signature was not checked: the bound of {max} checks was reached")]
    TooManyChecks {
        /// The bound.
        max: usize,
    },
    /// Its public key does not read, or is of a kind not known here.
    #[error("its public key cannot be used ({why})")]
    Key {
        /// Why not.
        why: crate::crypto::KeyFault,
    },
    /// An algorithm, hash or key that was not acceptable at that moment.
    #[error("{0}")]
    Algorithm(AlgorithmRefusal),
    /// Its issuer is not the subject of the certificate before it (§6.1.3 (a)(4)).
    #[error("names {issuer} as its issuer, and the certificate before it belongs to {subject}")]
    NameChaining {
        /// As it names it.
        issuer: String,
        /// Who is there.
        subject: String,
    },
    /// It issued, but is not of version 3, so that nothing says that it may (§6.1.4 (k)).
    #[error("issued a certificate, but is of version {version}, which cannot say that it is a CA")]
    NotVersion3 {
        /// 1 or 2.
        version: u8,
    },
    /// It issued, but basicConstraints is absent or says that it is no CA (§6.1.4 (k)).
    #[error("issued a certificate, but is no CA by its basicConstraints")]
    NotCa,
    /// More certificates of CAs stand in the path than a pathLenConstraint permits (§6.1.4 (l), (m)).
    #[error("{}", match set_by {
        0 => "the path is longer than any that is followed here".to_owned(),
        set_by => format!("more CAs follow than the path length constraint of certificate {set_by} permits"),
    })]
    PathLength {
        /// Number, from 1, of the certificate whose constraint it is; 0 for the bound in the settings.
        set_by: usize,
    },
    /// It issued, but its keyUsage has no keyCertSign (§6.1.4 (n)).
    #[error("issued a certificate, but its keyUsage does not permit that (keyCertSign)")]
    KeyCertSign,
    /// A name lies outside the permitted subtrees (§6.1.3 (b)).
    #[error("its name {name} is not among those that its issuers may name")]
    NotPermitted {
        /// Which.
        name: String,
    },
    /// A name lies in an excluded subtree (§6.1.3 (c)).
    #[error("its name {name} is excluded by the name constraint {subtree}")]
    Excluded {
        /// Which.
        name: String,
        /// The subtree.
        subtree: String,
    },
    /// A constraint on names of a form that cannot be compared here, and it has such a name (§4.2.1.10).
    #[error("its name {name} stands under a constraint of a form that is not compared here")]
    UnsupportedConstraint {
        /// Which.
        name: String,
    },
    /// A name that is constrained, and cannot be read as its form demands.
    #[error("its name {name} is malformed, and stands under a constraint")]
    MalformedName {
        /// As far as it can be shown.
        name: String,
    },
    /// So many names and constraints that nobody compares them all.
    #[error("has more names under constraints than are compared")]
    TooManyNames,
    /// An extension marked critical that is not processed here (§6.1.4 (o), §6.1.5 (f)).
    #[error("has the critical extension {id}, which is not processed here")]
    UnknownCritical {
        /// Dotted.
        id: ObjectId,
    },
    /// An extension that is processed here, and is malformed.
    #[error("its extension {id} is malformed")]
    MalformedExtension {
        /// Dotted.
        id: ObjectId,
    },
    /// An extension that stands there twice (§4.2).
    #[error("has the extension {id} twice")]
    DoubledExtension {
        /// Dotted.
        id: ObjectId,
    },
    /// A policy mapping from or to anyPolicy (§6.1.4 (a)).
    #[error("maps a policy from or to anyPolicy")]
    MapsAnyPolicy,
    /// A policy is required, and none is left that is valid for the whole path (§6.1.3 (f), §6.1.5 (g)).
    #[error("an acceptable policy is required for the whole path, and none is left here")]
    NoPolicy,
    /// Its extended key usage does not permit what it is used for (§4.2.1.12).
    #[error("its extended key usage does not permit {purpose}")]
    Purpose {
        /// The purpose that is needed.
        purpose: ObjectId,
    },
}
