//! Indications and sub-indications of ETSI EN 319 102-1 §5.1.3, tables 5 and 6, each with what a report must name.

use serde::Serialize;

use super::report::CertificateRef;
use crate::digest::Digest;
use crate::time::Timestamp;

/// The outcome; the worse, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Indication {
    /// Every constraint holds.
    #[serde(rename = "TOTAL-PASSED")]
    TotalPassed,
    /// What is at hand does not suffice to say.
    #[serde(rename = "INDETERMINATE")]
    Indeterminate,
    /// It is no valid signature, and no further data will make it one.
    #[serde(rename = "TOTAL-FAILED")]
    TotalFailed,
}

impl Indication {
    /// As the standard writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TotalPassed => "TOTAL-PASSED",
            Self::Indeterminate => "INDETERMINATE",
            Self::TotalFailed => "TOTAL-FAILED",
        }
    }
}

/// Why a signature did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "name", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubIndication {
    /// It does not read.
    FormatFailure {
        /// What of it.
        why: String,
    },
    /// A signed object does not have the digest that was signed.
    HashFailure {
        /// Which object.
        element: String,
    },
    /// The signature value is not by the certificate's key.
    SigCryptoFailure {
        /// The signing certificate.
        certificate: CertificateRef,
    },
    /// The signing certificate was revoked, and the signature was proved to be made later.
    Revoked {
        /// The certificate.
        certificate: CertificateRef,
        /// Since when.
        revoked_at: Timestamp,
        /// CRLReason of RFC 5280 §5.3.1, if told.
        reason: Option<&'static str>,
        /// What the signature is proved to be younger than.
        signed_after: Timestamp,
    },
    /// The signing certificate had expired when the signature was made, which is proved.
    Expired {
        /// The certificate.
        certificate: CertificateRef,
        /// What the signature is proved to be younger than.
        signed_after: Timestamp,
    },
    /// The signature is proved to be older than the signing certificate.
    NotYetValid {
        /// The certificate.
        certificate: CertificateRef,
        /// The signature existed at this time.
        existed_at: Timestamp,
    },
    /// A constraint on the signature does not hold.
    SigConstraintsFailure {
        /// Their names.
        constraints: Vec<&'static str>,
    },
    /// A constraint on the certificates does not hold.
    ChainConstraintsFailure {
        /// Their names.
        constraints: Vec<&'static str>,
    },
    /// The path does not validate for another reason.
    CertificateChainGeneralFailure {
        /// In words.
        why: String,
    },
    /// An algorithm is not accepted, and the object was made when it no longer was.
    CryptoConstraintsFailure {
        /// What was made with it, and which.
        material: String,
        /// Until when it was accepted, if ever.
        accepted_until: Option<Timestamp>,
    },
    /// The policy could not be applied.
    PolicyProcessingError {
        /// In words.
        why: String,
    },
    /// The signature names a signature policy that is not at hand.
    SignaturePolicyNotAvailable {
        /// Its identifier.
        policy: String,
    },
    /// Timestamps are not in the order in which they must have been made.
    TimestampOrderFailure {
        /// SHA-256 of the tokens.
        tokens: Vec<Digest>,
    },
    /// Nobody knows the signing certificate.
    NoSigningCertificateFound,
    /// No path leads to an anchor.
    NoCertificateChainFound {
        /// In words.
        why: String,
    },
    /// No path leads to an anchor that was one when the signature is proved to exist.
    NoCertificateChainFoundNoPoe,
    /// The signing certificate was revoked; whether before or after it signed is not proved.
    RevokedNoPoe {
        /// The certificate.
        certificate: CertificateRef,
        /// Since when.
        revoked_at: Timestamp,
        /// CRLReason, if told.
        reason: Option<&'static str>,
    },
    /// A CA of the path was revoked; whether before or after the certificate below it was in use is not proved.
    RevokedCaNoPoe {
        /// The CA's certificate.
        certificate: CertificateRef,
        /// Since when.
        revoked_at: Timestamp,
    },
    /// The signing certificate has expired and was not revoked; whether it expired after it signed is not proved.
    OutOfBoundsNotRevoked {
        /// The certificate.
        certificate: CertificateRef,
    },
    /// The signing certificate has expired or is not yet valid, and nothing more is known.
    OutOfBoundsNoPoe {
        /// The certificate.
        certificate: CertificateRef,
    },
    /// Whoever signed the revocation data has an expired certificate, and nothing proves that it did so before.
    RevocationOutOfBoundsNoPoe {
        /// Whose status it would tell.
        certificate: CertificateRef,
    },
    /// An algorithm is not accepted now; whether the object was made while it was is not proved.
    CryptoConstraintsFailureNoPoe {
        /// What was made with it, and which.
        material: String,
        /// Until when it was accepted, if ever.
        accepted_until: Option<Timestamp>,
    },
    /// Objects are not proved to have existed when they should have.
    NoPoe {
        /// Which.
        objects: Vec<String>,
    },
    /// Newer revocation data will tell.
    TryLater {
        /// Of which certificate.
        certificate: CertificateRef,
        /// From when on, if that is known.
        at: Option<Timestamp>,
    },
    /// The signed content is not at hand.
    SignedDataNotFound {
        /// What.
        identifier: String,
    },
    /// None of the others.
    Custom {
        /// In words.
        diagnostic: String,
    },
}

impl SubIndication {
    /// The indication that it says more about.
    #[must_use]
    pub const fn indication(&self) -> Indication {
        match self {
            Self::FormatFailure { .. }
            | Self::HashFailure { .. }
            | Self::SigCryptoFailure { .. }
            | Self::Revoked { .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. } => Indication::TotalFailed,
            Self::SigConstraintsFailure { .. }
            | Self::ChainConstraintsFailure { .. }
            | Self::CertificateChainGeneralFailure { .. }
            | Self::CryptoConstraintsFailure { .. }
            | Self::PolicyProcessingError { .. }
            | Self::SignaturePolicyNotAvailable { .. }
            | Self::TimestampOrderFailure { .. }
            | Self::NoSigningCertificateFound
            | Self::NoCertificateChainFound { .. }
            | Self::NoCertificateChainFoundNoPoe
            | Self::RevokedNoPoe { .. }
            | Self::RevokedCaNoPoe { .. }
            | Self::OutOfBoundsNotRevoked { .. }
            | Self::OutOfBoundsNoPoe { .. }
            | Self::RevocationOutOfBoundsNoPoe { .. }
            | Self::CryptoConstraintsFailureNoPoe { .. }
            | Self::NoPoe { .. }
            | Self::TryLater { .. }
            | Self::SignedDataNotFound { .. }
            | Self::Custom { .. } => Indication::Indeterminate,
        }
    }

    /// As the standard writes it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FormatFailure { .. } => "FORMAT_FAILURE",
            Self::HashFailure { .. } => "HASH_FAILURE",
            Self::SigCryptoFailure { .. } => "SIG_CRYPTO_FAILURE",
            Self::Revoked { .. } => "REVOKED",
            Self::Expired { .. } => "EXPIRED",
            Self::NotYetValid { .. } => "NOT_YET_VALID",
            Self::SigConstraintsFailure { .. } => "SIG_CONSTRAINTS_FAILURE",
            Self::ChainConstraintsFailure { .. } => "CHAIN_CONSTRAINTS_FAILURE",
            Self::CertificateChainGeneralFailure { .. } => "CERTIFICATE_CHAIN_GENERAL_FAILURE",
            Self::CryptoConstraintsFailure { .. } => "CRYPTO_CONSTRAINTS_FAILURE",
            Self::PolicyProcessingError { .. } => "POLICY_PROCESSING_ERROR",
            Self::SignaturePolicyNotAvailable { .. } => "SIGNATURE_POLICY_NOT_AVAILABLE",
            Self::TimestampOrderFailure { .. } => "TIMESTAMP_ORDER_FAILURE",
            Self::NoSigningCertificateFound => "NO_SIGNING_CERTIFICATE_FOUND",
            Self::NoCertificateChainFound { .. } => "NO_CERTIFICATE_CHAIN_FOUND",
            Self::NoCertificateChainFoundNoPoe => "NO_CERTIFICATE_CHAIN_FOUND_NO_POE",
            Self::RevokedNoPoe { .. } => "REVOKED_NO_POE",
            Self::RevokedCaNoPoe { .. } => "REVOKED_CA_NO_POE",
            Self::OutOfBoundsNotRevoked { .. } => "OUT_OF_BOUNDS_NOT_REVOKED",
            Self::OutOfBoundsNoPoe { .. } => "OUT_OF_BOUNDS_NO_POE",
            Self::RevocationOutOfBoundsNoPoe { .. } => "REVOCATION_OUT_OF_BOUNDS_NO_POE",
            Self::CryptoConstraintsFailureNoPoe { .. } => "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
            Self::NoPoe { .. } => "NO_POE",
            Self::TryLater { .. } => "TRY_LATER",
            Self::SignedDataNotFound { .. } => "SIGNED_DATA_NOT_FOUND",
            Self::Custom { .. } => "CUSTOM",
        }
    }
}
