//! The stable names of constraints.

/// The structure reads (EN 319 102-1 §5.2.2).
pub(super) const FORMAT: &str = "format";
/// The signing certificate is at hand (§5.2.3).
pub(super) const CERTIFICATE: &str = "signing-certificate.found";
/// The reference to it in the signed attributes is to this one (§5.2.3).
pub(super) const REFERENCE: &str = "signing-certificate.reference";
/// There is such a reference where the format wants one (EN 319 122-1 §6.3, EN 319 142-1 §6.3).
pub(super) const REFERENCE_PRESENT: &str = "signing-certificate.reference-present";
/// The signed content is at hand (§5.2.7).
pub(super) const CONTENT: &str = "content.found";
/// Its digest is the one that was signed.
pub(super) const DIGEST: &str = "content.digest";
/// Signed attributes are as RFC 5652 §5.3 wants them.
pub(super) const ATTRIBUTES: &str = "signature.attributes";
/// CMSAlgorithmProtection names the algorithms in use (RFC 6211).
pub(super) const PROTECTION: &str = "signature.algorithm-protection";
/// The signature value verifies (§5.2.7).
pub(super) const VALUE: &str = "signature.value";
/// Algorithms and keys are accepted at the time that counts (§5.2.8).
pub(super) const ALGORITHMS: &str = "signature.algorithms";
/// A signature policy that the signature names is known.
pub(super) const SIGNATURE_POLICY: &str = "signature.policy";
/// The signer's keyUsage.
pub(super) const KEY_USAGE: &str = "signer.key-usage";
/// The signer's extended key usage.
pub(super) const PURPOSE: &str = "signer.purpose";
/// A path leads to an anchor (§5.2.6).
pub(super) const PATH: &str = "path.found";
/// It is valid but for the times and algorithms below (RFC 5280 §6.1).
pub(super) const PATH_VALID: &str = "path.valid";
/// A certificate's period.
pub(super) const PERIOD: &str = "certificate.period";
/// A certificate's algorithms.
pub(super) const CERTIFICATE_ALGORITHMS: &str = "certificate.algorithms";
/// A certificate was not revoked (§5.2.5).
pub(super) const REVOCATION: &str = "certificate.revocation";
/// What says so can still be verified, or is proved to have existed while it could.
pub(super) const EVIDENCE: &str = "revocation.evidence";
/// A timestamp is of what it stands beside.
pub(super) const IMPRINT: &str = "timestamp.imprint";
/// Its time lies in its unit's certificate's period and not in the future.
pub(super) const GEN_TIME: &str = "timestamp.gen-time";
/// Its policy is one of those asked for.
pub(super) const TIMESTAMP_POLICY: &str = "timestamp.policy";
/// Timestamps are in the order in which they must have been made (§5.5.4).
pub(super) const ORDER: &str = "timestamp.order";
/// An archive timestamp's index is of what is there (EN 319 122-1 §5.5.2).
pub(super) const INDEX: &str = "timestamp.index";
/// What was done to a PDF after the signature is permitted.
pub(super) const CHANGES: &str = "pdf.changes";
/// A PDF is not encrypted.
pub(super) const ENCRYPTION: &str = "pdf.encryption";
/// The material did not exceed its bounds.
pub(super) const MATERIAL: &str = "material.bounds";

/// Those that a policy may switch off: none of them could lead to TOTAL-FAILED.
pub(super) const MAY_BE_OFF: [&str; 5] = [REFERENCE_PRESENT, KEY_USAGE, PURPOSE, REVOCATION, TIMESTAMP_POLICY];

/// All of them.
#[cfg(test)]
pub(super) const ALL: [&str; 27] = [
    FORMAT,
    CERTIFICATE,
    REFERENCE,
    REFERENCE_PRESENT,
    CONTENT,
    DIGEST,
    ATTRIBUTES,
    PROTECTION,
    VALUE,
    ALGORITHMS,
    SIGNATURE_POLICY,
    KEY_USAGE,
    PURPOSE,
    PATH,
    PATH_VALID,
    PERIOD,
    CERTIFICATE_ALGORITHMS,
    REVOCATION,
    EVIDENCE,
    IMPRINT,
    GEN_TIME,
    TIMESTAMP_POLICY,
    ORDER,
    INDEX,
    CHANGES,
    ENCRYPTION,
    MATERIAL,
];
