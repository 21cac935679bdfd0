//! What every certificate of a class must have, whatever a profile's file says.

use rasn::prelude::*;

use super::ProfileCode;
use crate::asn1::oid;
use crate::x509::{Certificate, KeyUsage, tsu};

const CA_USAGE: KeyUsage = KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN);

/// What is wrong with a certificate as one of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileFault {
    /// cA or path length are not what the kind wants.
    #[error("basicConstraints do not fit the profile")]
    BasicConstraints,
    /// keyUsage is not exactly what the kind wants, or not critical.
    #[error("keyUsage does not fit the profile")]
    KeyUsage,
    /// extKeyUsage is not exactly what the kind wants.
    #[error("extKeyUsage does not fit the profile")]
    ExtendedKeyUsage,
    /// subjectKeyIdentifier is not the SHA-1 of the key bits.
    #[error("subjectKeyIdentifier is not the SHA-1 of the key")]
    SubjectKeyIdentifier,
    /// An extension is missing or present against the profile.
    #[error("{extension} is missing")]
    Missing {
        /// Its name.
        extension: &'static str,
    },
    /// The serial number is not positive, longer than 20 octets or shorter than 8.
    #[error("the serial number is not positive with 8 to 20 octets")]
    Serial,
    /// notBefore lies behind notAfter.
    #[error("the validity is empty")]
    Validity,
    /// It is no certificate of a timestamping unit.
    #[error("{0}")]
    Tsu(#[from] tsu::TsuFault),
}

/// Judges a certificate against its kind. What [`super::certificate`] builds is judged before it leaves, and what is
/// loaded at start is judged again.
///
/// # Errors
/// The first [`ProfileFault`].
pub fn check(certificate: &Certificate, kind: ProfileCode) -> Result<(), ProfileFault> {
    let serial = certificate.serial();
    if serial.len() < 8 || serial.len() > 20 || serial[0] >= 0x80 {
        return Err(ProfileFault::Serial);
    }
    if certificate.validity().not_before > certificate.validity().not_after {
        return Err(ProfileFault::Validity);
    }
    let is_server = kind == ProfileCode::Server;
    let key_id = certificate.subject_key_identifier();
    // Not recommended for web servers (BR 7.1.2.7.6); where it is, it is right.
    if !(is_server && certificate.extension(oid::SUBJECT_KEY_IDENTIFIER).is_none())
        && key_id.is_none_or(|id| id[..] != crate::crypto::sha1(certificate.key_bits()))
    {
        return Err(ProfileFault::SubjectKeyIdentifier);
    }
    let is_ca = kind.is_ca();
    let path_len = (kind == ProfileCode::IssuingCa).then_some(Integer::ZERO);
    let basic = certificate.basic_constraints();
    let fits = match &basic {
        Some(basic) => basic.critical && basic.value.ca == is_ca && basic.value.path_len_constraint == path_len,
        // A leaf without it is no CA (RFC 5280 §4.2.1.9).
        None => is_server && certificate.extension(oid::BASIC_CONSTRAINTS).is_none(),
    };
    if !fits {
        return Err(ProfileFault::BasicConstraints);
    }
    let missing = |extension| Err(ProfileFault::Missing { extension });
    if kind != ProfileCode::Root {
        // Nobody asks for a responder's own status.
        if kind != ProfileCode::OcspResponder {
            if certificate.extension(oid::CRL_DISTRIBUTION_POINTS).is_none() {
                return missing("cRLDistributionPoints");
            }
            if certificate.extension(oid::AUTHORITY_INFO_ACCESS).is_none() {
                return missing("authorityInfoAccess");
            }
        } else if certificate.extension(oid::OCSP_NOCHECK).is_none() {
            return missing("id-pkix-ocsp-nocheck");
        }
        if certificate.extension(oid::CERTIFICATE_POLICIES).is_none() {
            return missing("certificatePolicies");
        }
        if certificate.authority_key_identifier().is_none() {
            return missing("authorityKeyIdentifier");
        }
    }
    if kind == ProfileCode::Tsu {
        tsu::check(certificate)?;
        return Ok(());
    }
    check_usage(certificate, kind)
}

/// keyUsage and extKeyUsage.
fn check_usage(certificate: &Certificate, kind: ProfileCode) -> Result<(), ProfileFault> {
    let usage = certificate.key_usage().filter(|usage| usage.critical).ok_or(ProfileFault::KeyUsage)?.value;
    let fits = match kind {
        ProfileCode::Root | ProfileCode::IssuingCa => usage == CA_USAGE,
        ProfileCode::Operator | ProfileCode::Officer | ProfileCode::OcspResponder | ProfileCode::Tsu => {
            usage == KeyUsage::DIGITAL_SIGNATURE
        }
        // None that is issued here.
        ProfileCode::Imported => false,
        ProfileCode::Party | ProfileCode::Server | ProfileCode::Client | ProfileCode::Role => {
            usage.0 != 0 && usage.0 & CA_USAGE.0 == 0
        }
    };
    if !fits {
        return Err(ProfileFault::KeyUsage);
    }
    let found = certificate.extended_key_usage();
    let is_alone = |purpose: &Oid| found.as_ref().is_some_and(|f| f.value.len() == 1 && *f.value[0] == *purpose);
    let has = |purpose: &Oid| found.as_ref().is_some_and(|f| f.value.iter().any(|one| **one == *purpose));
    // Purposes that make a third party of whoever has them.
    let ours = [oid::KP_TIME_STAMPING, oid::KP_OCSP_SIGNING, oid::KP_DVCS].iter().any(|purpose| has(purpose));
    let fits = match kind {
        ProfileCode::Operator | ProfileCode::Officer => is_alone(oid::KP_CLIENT_AUTH),
        ProfileCode::OcspResponder => is_alone(oid::KP_OCSP_SIGNING),
        ProfileCode::Server => has(oid::KP_SERVER_AUTH) && !ours,
        ProfileCode::Client => has(oid::KP_CLIENT_AUTH) && !ours,
        ProfileCode::Party => !ours,
        // One that only agrees on keys has none.
        ProfileCode::Role => !has(oid::KP_TIME_STAMPING) && !has(oid::KP_OCSP_SIGNING),
        ProfileCode::Imported => false,
        ProfileCode::Root | ProfileCode::IssuingCa | ProfileCode::Tsu => {
            certificate.extension(oid::EXTENDED_KEY_USAGE).is_none()
        }
    };
    if fits { Ok(()) } else { Err(ProfileFault::ExtendedKeyUsage) }
}
