//! The profile of a certificate whose key signs records of notarial acts (`schemas/profiles/notary-act.toml`).
//!
//! Parties sign statements by certificates of this very form, so it does not make a record a notary's: the record's entry in the ledger
//! does, which nobody but the service can make.

use super::{Certificate, KeyUsage};
use crate::asn1::oid;

/// What is wrong with a certificate as one of a notary's key for acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActFault {
    /// cA is TRUE.
    #[error("it is a CA certificate")]
    IsCa,
    /// keyUsage is missing, malformed or not critical.
    #[error("keyUsage is missing or not critical")]
    NoKeyUsage,
    /// keyUsage permits no signatures, or more than signatures.
    #[error("keyUsage is not for signatures alone")]
    OtherKeyUsage,
    /// extKeyUsage is missing or malformed.
    #[error("extKeyUsage is missing")]
    NoExtendedKeyUsage,
    /// extKeyUsage is not id-kp-documentSigning alone.
    #[error("extKeyUsage is not documentSigning alone")]
    OtherPurpose,
}

/// Judges the profile.
///
/// # Errors
/// The first [`ActFault`], in the order of the variants.
pub fn check(certificate: &Certificate) -> Result<(), ActFault> {
    if certificate.is_ca() {
        return Err(ActFault::IsCa);
    }
    let usage = certificate.key_usage().filter(|usage| usage.critical).ok_or(ActFault::NoKeyUsage)?.value;
    let signs = usage.has(KeyUsage::DIGITAL_SIGNATURE) || usage.has(KeyUsage::NON_REPUDIATION);
    if !signs || !usage.within(KeyUsage::DIGITAL_SIGNATURE.and(KeyUsage::NON_REPUDIATION)) {
        return Err(ActFault::OtherKeyUsage);
    }
    let purposes = certificate.extended_key_usage().ok_or(ActFault::NoExtendedKeyUsage)?.value;
    if purposes.len() != 1 || *purposes[0] != *oid::KP_DOCUMENT_SIGNING {
        return Err(ActFault::OtherPurpose);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rasn::types::ObjectIdentifier;
    use rasn_pkix::Extension;

    use super::*;
    use crate::ca::Authority;
    use crate::ca::certificate::Issuer;
    use crate::crypto::{SignatureAlgorithm, Signer as _, SoftKey};
    use crate::testing::{PKI, issue, reissue, template};
    use crate::x509::encode;

    #[test]
    fn what_a_notarys_certificate_is() {
        let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let issuer = Issuer::new(Authority::Party, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
        let good = issue(&template("notary-act", "Notary", &key, 3), &issuer, &PKI.ca_key);
        let with = |id: &rasn::types::Oid, change: &dyn Fn(Extension) -> Option<Extension>| {
            let der = reissue(&good, |tbs| {
                let extensions = tbs.extensions.take().unwrap().to_vec().into_iter();
                let changed = extensions.filter_map(|one| if *one.extn_id == *id { change(one) } else { Some(one) });
                tbs.extensions = Some(changed.collect::<Vec<_>>().into());
            });
            Certificate::from_der(&der).unwrap()
        };
        let usage = |bits: KeyUsage| {
            with(oid::KEY_USAGE, &|one| Some(Extension { extn_value: encode(&bits.to_bits()).into(), ..one }))
        };
        let purposes = |all: &[&rasn::types::Oid]| {
            let value = encode(&all.iter().map(|id| ObjectIdentifier::from(*id)).collect::<Vec<_>>());
            with(oid::EXTENDED_KEY_USAGE, &|one| Some(Extension { extn_value: value.clone().into(), ..one }))
        };
        for (certificate, expected) in [
            (good.clone(), Ok(())),
            (PKI.ca.clone(), Err(ActFault::IsCa)),
            (with(oid::KEY_USAGE, &|_| None), Err(ActFault::NoKeyUsage)),
            (with(oid::KEY_USAGE, &|one| Some(Extension { critical: false, ..one })), Err(ActFault::NoKeyUsage)),
            (usage(KeyUsage::DIGITAL_SIGNATURE.and(KeyUsage::NON_REPUDIATION)), Ok(())),
            (usage(KeyUsage::KEY_AGREEMENT), Err(ActFault::OtherKeyUsage)),
            (usage(KeyUsage::NON_REPUDIATION.and(KeyUsage::KEY_ENCIPHERMENT)), Err(ActFault::OtherKeyUsage)),
            (with(oid::EXTENDED_KEY_USAGE, &|_| None), Err(ActFault::NoExtendedKeyUsage)),
            (purposes(&[oid::KP_TIME_STAMPING]), Err(ActFault::OtherPurpose)),
            (purposes(&[oid::KP_DOCUMENT_SIGNING, oid::KP_TIME_STAMPING]), Err(ActFault::OtherPurpose)),
        ] {
            assert_eq!(check(&certificate), expected);
        }
    }
}
