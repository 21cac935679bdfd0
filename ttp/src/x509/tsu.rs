//! The profile of a timestamping unit's certificate (spec §9; RFC 3161 §2.3, ETSI EN 319 422 §6).
//!
//! It is judged at issue and again at each start: clients refuse tokens of a unit whose certificate is even slightly
//! off, and a wrong certificate must stop the start, not the customers.

use super::{Certificate, KeyUsage, Period};
use crate::asn1::oid;

/// What is wrong with a certificate as one of a timestamping unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TsuFault {
    /// cA is TRUE: users do try to sign with the CA's own certificate.
    #[error("it is a CA certificate")]
    IsCa,
    /// basicConstraints is missing or malformed.
    #[error("basicConstraints is missing")]
    NoBasicConstraints,
    /// extKeyUsage is missing or malformed.
    #[error("extKeyUsage is missing")]
    NoExtendedKeyUsage,
    /// extKeyUsage is not critical.
    #[error("extKeyUsage is not critical")]
    ExtendedKeyUsageNotCritical,
    /// extKeyUsage is not timeStamping alone.
    #[error("extKeyUsage is not timeStamping alone")]
    OtherPurpose,
    /// keyUsage is missing or malformed.
    #[error("keyUsage is missing")]
    NoKeyUsage,
    /// keyUsage is not critical.
    #[error("keyUsage is not critical")]
    KeyUsageNotCritical,
    /// keyUsage lacks digitalSignature.
    #[error("keyUsage lacks digitalSignature")]
    NoDigitalSignature,
    /// keyUsage has a bit besides digitalSignature and nonRepudiation.
    #[error("keyUsage permits more than signatures")]
    OtherKeyUsage,
    /// An extension of the profile is missing or malformed.
    #[error("{extension} is missing")]
    Missing {
        /// Its name.
        extension: &'static str,
    },
    /// privateKeyUsagePeriod is empty or reaches outside the certificate's validity.
    #[error("privateKeyUsagePeriod is empty or not inside the validity")]
    KeyPeriod,
    /// The subject lacks an attribute.
    #[error("the subject lacks {attribute}")]
    Subject {
        /// Its name.
        attribute: &'static str,
    },
    /// organizationName equals organizationIdentifier.
    #[error("organizationName and organizationIdentifier are the same")]
    SameNames,
}

/// Judges the profile and gives the period in which the private key may be used.
///
/// # Errors
/// The first [`TsuFault`], in the order of the variants.
pub fn check(certificate: &Certificate) -> Result<Period, TsuFault> {
    let basic = certificate.basic_constraints().ok_or(TsuFault::NoBasicConstraints)?;
    if basic.value.ca {
        return Err(TsuFault::IsCa);
    }
    let purposes = certificate.extended_key_usage().ok_or(TsuFault::NoExtendedKeyUsage)?;
    if !purposes.critical {
        return Err(TsuFault::ExtendedKeyUsageNotCritical);
    }
    if purposes.value.len() != 1 || *purposes.value[0] != *oid::KP_TIME_STAMPING {
        return Err(TsuFault::OtherPurpose);
    }
    let usage = certificate.key_usage().ok_or(TsuFault::NoKeyUsage)?;
    if !usage.critical {
        return Err(TsuFault::KeyUsageNotCritical);
    }
    if !usage.value.has(KeyUsage::DIGITAL_SIGNATURE) {
        return Err(TsuFault::NoDigitalSignature);
    }
    if !usage.value.within(KeyUsage::DIGITAL_SIGNATURE.and(KeyUsage::NON_REPUDIATION)) {
        return Err(TsuFault::OtherKeyUsage);
    }
    for (present, extension) in [
        (certificate.subject_key_identifier().is_some(), "subjectKeyIdentifier"),
        (certificate.authority_key_identifier().is_some(), "authorityKeyIdentifier"),
        (certificate.extension(oid::CRL_DISTRIBUTION_POINTS).is_some(), "cRLDistributionPoints"),
        (certificate.extension(oid::AUTHORITY_INFO_ACCESS).is_some(), "authorityInfoAccess"),
        (certificate.extension(oid::CERTIFICATE_POLICIES).is_some(), "certificatePolicies"),
    ] {
        if !present {
            return Err(TsuFault::Missing { extension });
        }
    }
    let period = certificate
        .private_key_usage_period()
        .ok_or(TsuFault::Missing { extension: "privateKeyUsagePeriod with both ends" })?;
    if period.not_before >= period.not_after || !certificate.validity().covers(&period) {
        return Err(TsuFault::KeyPeriod);
    }
    let attribute = |id, attribute| certificate.subject_attribute(id).ok_or(TsuFault::Subject { attribute });
    attribute(oid::COUNTRY, "countryName")?;
    let organization = attribute(oid::ORGANIZATION, "organizationName")?;
    let identifier = attribute(oid::ORGANIZATION_IDENTIFIER, "organizationIdentifier")?;
    attribute(oid::COMMON_NAME, "commonName")?;
    if organization == identifier {
        return Err(TsuFault::SameNames);
    }
    Ok(period)
}
