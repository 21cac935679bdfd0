//! The profile of a certificate whose key signs data validation certificates (RFC 3029 §9, §4; `schemas/profiles/notary-dvcs.toml`).
//!
//! It is judged at each start and by whoever verifies a DVC.

use super::{Certificate, KeyUsage};
use crate::asn1::oid;

/// What is wrong with a certificate as one of a data validation server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DvcsFault {
    /// cA is TRUE.
    #[error("it is a CA certificate")]
    IsCa,
    /// extKeyUsage is missing or malformed.
    #[error("extKeyUsage is missing")]
    NoExtendedKeyUsage,
    /// extKeyUsage is not critical.
    #[error("extKeyUsage is not critical")]
    ExtendedKeyUsageNotCritical,
    /// extKeyUsage is not id-kp-dvcs alone: a key that also signs time stamps, for one, may not sign DVCs.
    #[error("extKeyUsage is not dvcs alone")]
    OtherPurpose,
    /// keyUsage is missing, malformed or not critical.
    #[error("keyUsage is missing or not critical")]
    NoKeyUsage,
    /// keyUsage permits no signatures, or more than signatures.
    #[error("keyUsage is not for signatures alone")]
    OtherKeyUsage,
}

/// Judges the profile.
///
/// # Errors
/// The first [`DvcsFault`], in the order of the variants.
pub fn check(certificate: &Certificate) -> Result<(), DvcsFault> {
    if certificate.is_ca() {
        return Err(DvcsFault::IsCa);
    }
    let purposes = certificate.extended_key_usage().ok_or(DvcsFault::NoExtendedKeyUsage)?;
    if !purposes.critical {
        return Err(DvcsFault::ExtendedKeyUsageNotCritical);
    }
    if purposes.value.len() != 1 || *purposes.value[0] != *oid::KP_DVCS {
        return Err(DvcsFault::OtherPurpose);
    }
    let usage = certificate.key_usage().filter(|usage| usage.critical).ok_or(DvcsFault::NoKeyUsage)?.value;
    let signs = usage.has(KeyUsage::DIGITAL_SIGNATURE) || usage.has(KeyUsage::NON_REPUDIATION);
    if !signs || !usage.within(KeyUsage::DIGITAL_SIGNATURE.and(KeyUsage::NON_REPUDIATION)) {
        return Err(DvcsFault::OtherKeyUsage);
    }
    Ok(())
}
