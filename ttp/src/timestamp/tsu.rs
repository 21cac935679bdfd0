//! A timestamping unit: a key with its certificate, and every byte of a token that does not change, made once.

use std::fmt;
use std::sync::Arc;

use crate::asn1::oid;
use crate::cms::Template;
use crate::crypto::{ChainFault, Purpose, SignatureAlgorithm, verify_chain};
use crate::evidence::KeyId;
use crate::x509::{Certificate, CertificateFault, Period, tsu};

/// A unit, ready to sign.
pub struct Tsu {
    key: KeyId,
    algorithm: SignatureAlgorithm,
    certificate: Certificate,
    key_period: Period,
    pub(super) template: Arc<Template>,
}

/// Why a unit cannot sign; the service does not start then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadFault {
    /// A certificate does not read.
    #[error("certificate {position} of the unit's chain: {fault}")]
    Certificate {
        /// 0 for the unit's own.
        position: usize,
        /// Why.
        fault: CertificateFault,
    },
    /// The unit's certificate has not the profile.
    #[error("the unit's certificate: {0}")]
    Profile(#[from] tsu::TsuFault),
    /// The certificate is for another key.
    #[error("the unit's certificate is for another key")]
    OtherKey,
    /// Tokens are signed with ECDSA P-256 or RSA.
    #[error("a unit signs with P-256 or RSA, not {}", .0.name())]
    Algorithm(SignatureAlgorithm),
    /// The chain does not lead to the root, for the purpose of timestamping.
    #[error("the unit's chain: {0}")]
    Chain(#[from] ChainFault),
}

impl Tsu {
    /// Checks the certificate's profile, key and chain, and prepares all constant bytes.
    ///
    /// `spki_der` is the signer's public key; `chain_der` the issuing CAs from the unit's issuer upwards, without the
    /// root; the path is judged at the begin of the key's period.
    ///
    /// # Errors
    /// [`LoadFault`].
    pub fn load(
        key: KeyId,
        algorithm: SignatureAlgorithm,
        spki_der: &[u8],
        certificate_der: &[u8],
        chain_der: &[Vec<u8>],
        root_der: &[u8],
    ) -> Result<Self, LoadFault> {
        let read = |position, der: &[u8]| {
            Certificate::from_der(der).map_err(|fault| LoadFault::Certificate { position, fault })
        };
        let certificate = read(0, certificate_der)?;
        let key_period = tsu::check(&certificate)?;
        if certificate.spki_der() != spki_der {
            return Err(LoadFault::OtherKey);
        }
        if algorithm == SignatureAlgorithm::Ed25519 {
            return Err(LoadFault::Algorithm(algorithm));
        }
        let chain = chain_der.iter().enumerate().map(|(i, der)| read(i + 1, der)).collect::<Result<Vec<_>, _>>()?;
        verify_chain(certificate_der, chain_der, root_der, key_period.not_before, Purpose::Timestamping)?;

        let template = Arc::new(Template::new(oid::TST_INFO, algorithm, &certificate, &chain));
        Ok(Self { key, algorithm, certificate, key_period, template })
    }

    /// The service name of its key.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Its certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// When its key may be used: the privateKeyUsagePeriod of its certificate.
    #[must_use]
    pub const fn key_period(&self) -> Period {
        self.key_period
    }
}

impl fmt::Debug for Tsu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tsu({}, certificate {})", self.key, self.certificate.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Signer;
    use crate::evidence::KeyPurpose;
    use crate::testing::{self, PKI, reissue};
    use crate::x509::{KeyUsage, encode, tsu::TsuFault};
    use rasn::types::{BitString, ObjectIdentifier, OctetString, SetOf};
    use rasn_pkix::Extension;

    fn load(certificate: &[u8]) -> Result<Tsu, LoadFault> {
        let unit = testing::ec();
        let id = KeyId::new(KeyPurpose::TsuEc, 1);
        let chain = [PKI.ca.der().to_vec()];
        Tsu::load(id, unit.key.algorithm(), unit.key.spki_der(), certificate, &chain, PKI.root.der())
    }

    fn change(extensions: &mut [Extension], id: &rasn::types::Oid, change: impl FnOnce(&mut Extension)) {
        change(extensions.iter_mut().find(|e| *e.extn_id == *id).unwrap());
    }

    /// Each bad kind of spec §9, signed by the right CA, is named.
    #[test]
    fn bad_certificates_are_named() {
        type Change = fn(&mut Vec<Extension>);
        fn purposes(list: &[&rasn::types::Oid]) -> OctetString {
            encode(&list.iter().map(|o| ObjectIdentifier::from(*o)).collect::<Vec<_>>()).into()
        }
        fn usage(usage: KeyUsage) -> OctetString {
            encode::<BitString>(&usage.to_bits()).into()
        }
        let table: Vec<(TsuFault, Change)> = vec![
            (TsuFault::ExtendedKeyUsageNotCritical, |e| change(e, oid::EXTENDED_KEY_USAGE, |x| x.critical = false)),
            (TsuFault::OtherPurpose, |e| {
                let codesigning = rasn::types::Oid::const_new(&[1, 3, 6, 1, 5, 5, 7, 3, 3]);
                change(e, oid::EXTENDED_KEY_USAGE, |x| x.extn_value = purposes(&[oid::KP_TIME_STAMPING, codesigning]));
            }),
            (TsuFault::OtherPurpose, |e| {
                change(e, oid::EXTENDED_KEY_USAGE, |x| x.extn_value = purposes(&[oid::KP_CLIENT_AUTH]));
            }),
            (TsuFault::NoExtendedKeyUsage, |e| e.retain(|x| *x.extn_id != *oid::EXTENDED_KEY_USAGE)),
            (TsuFault::NoKeyUsage, |e| e.retain(|x| *x.extn_id != *oid::KEY_USAGE)),
            (TsuFault::KeyUsageNotCritical, |e| change(e, oid::KEY_USAGE, |x| x.critical = false)),
            (TsuFault::NoDigitalSignature, |e| {
                change(e, oid::KEY_USAGE, |x| x.extn_value = usage(KeyUsage::NON_REPUDIATION));
            }),
            (TsuFault::OtherKeyUsage, |e| {
                let key_encipherment = KeyUsage(1 << 2);
                change(e, oid::KEY_USAGE, |x| x.extn_value = usage(KeyUsage::DIGITAL_SIGNATURE.and(key_encipherment)));
            }),
            (TsuFault::IsCa, |e| {
                change(e, oid::BASIC_CONSTRAINTS, |x| x.extn_value = vec![0x30, 0x03, 0x01, 0x01, 0xFF].into());
            }),
            (TsuFault::NoBasicConstraints, |e| e.retain(|x| *x.extn_id != *oid::BASIC_CONSTRAINTS)),
            (TsuFault::Missing { extension: "subjectKeyIdentifier" }, |e| {
                e.retain(|x| *x.extn_id != *oid::SUBJECT_KEY_IDENTIFIER);
            }),
            (TsuFault::Missing { extension: "authorityKeyIdentifier" }, |e| {
                e.retain(|x| *x.extn_id != *oid::AUTHORITY_KEY_IDENTIFIER);
            }),
            (TsuFault::Missing { extension: "cRLDistributionPoints" }, |e| {
                e.retain(|x| *x.extn_id != *oid::CRL_DISTRIBUTION_POINTS);
            }),
            (TsuFault::Missing { extension: "authorityInfoAccess" }, |e| {
                e.retain(|x| *x.extn_id != *oid::AUTHORITY_INFO_ACCESS);
            }),
            (TsuFault::Missing { extension: "certificatePolicies" }, |e| {
                e.retain(|x| *x.extn_id != *oid::CERTIFICATE_POLICIES);
            }),
            (TsuFault::Missing { extension: "privateKeyUsagePeriod with both ends" }, |e| {
                e.retain(|x| *x.extn_id != *oid::PRIVATE_KEY_USAGE_PERIOD);
            }),
            (TsuFault::KeyPeriod, |e| {
                change(e, oid::PRIVATE_KEY_USAGE_PERIOD, |x| {
                    let mut value = x.extn_value.to_vec();
                    let year = value.len() - 15;
                    value[year..year + 4].copy_from_slice(b"2099");
                    x.extn_value = value.into();
                });
            }),
        ];
        let good = testing::ec().tsu.certificate();
        assert!(load(good.der()).is_ok());
        for (fault, change) in table {
            let bad = reissue(good, |tbs| change(tbs.extensions.as_mut().unwrap()));
            assert_eq!(load(&bad).err(), Some(LoadFault::Profile(fault)));
        }
    }

    #[test]
    fn bad_subjects_are_named() {
        use rasn_pkix::Name;
        let good = testing::ec().tsu.certificate();
        for (i, attribute) in
            ["countryName", "organizationName", "organizationIdentifier", "commonName"].into_iter().enumerate()
        {
            let bad = reissue(good, |tbs| {
                let Name::RdnSequence(names) = &mut tbs.subject;
                names.remove(i);
            });
            assert_eq!(load(&bad).err(), Some(LoadFault::Profile(TsuFault::Subject { attribute })));
        }
        let same = reissue(good, |tbs| {
            let Name::RdnSequence(names) = &mut tbs.subject;
            let mut both = names[1].to_vec()[0].clone();
            both.value = names[2].to_vec()[0].value.clone();
            names[1] = SetOf::from_vec(vec![both]).into();
        });
        assert_eq!(load(&same).err(), Some(LoadFault::Profile(TsuFault::SameNames)));
    }

    #[test]
    fn wrong_keys_chains_and_spellings_are_named() {
        let unit = testing::ec();
        let good = unit.tsu.certificate().der();
        let id = KeyId::new(KeyPurpose::TsuEc, 1);
        let (ca, root) = (PKI.ca.der().to_vec(), PKI.root.der());
        let ec = SignatureAlgorithm::EcdsaP256Sha256;
        let load = |spki: &[u8], certificate: &[u8], chain: &[Vec<u8>], root: &[u8]| {
            Tsu::load(id, ec, spki, certificate, chain, root).err()
        };
        let spki = unit.key.spki_der();
        assert_eq!(
            load(testing::rsa().key.spki_der(), good, std::slice::from_ref(&ca), root),
            Some(LoadFault::OtherKey)
        );
        assert!(matches!(load(spki, good, &[], root), Some(LoadFault::Chain(_))));
        assert!(matches!(load(spki, good, std::slice::from_ref(&ca), &ca), Some(LoadFault::Chain(_))));
        let malformed = |position| Some(LoadFault::Certificate { position, fault: CertificateFault::Malformed });
        assert_eq!(load(spki, &good[1..], std::slice::from_ref(&ca), root), malformed(0));
        assert_eq!(load(spki, good, &[ca[1..].to_vec()], root), malformed(1));
        // The CA's own certificate, with which users do try to sign.
        assert_eq!(load(&PKI.ca.spki_der(), PKI.ca.der(), &[], root), Some(LoadFault::Profile(TsuFault::IsCa)));
        // An extension marked "not critical" in full, which DER leaves out: what rasn would repair silently.
        let explicit_false = {
            let text = hex::encode(good);
            // extKeyUsage with critical TRUE turned FALSE keeps all lengths.
            let (before, after) = text.split_once("0603551d250101ff").unwrap();
            hex::decode(format!("{before}0603551d25010100{after}")).unwrap()
        };
        assert_eq!(load(spki, &explicit_false, std::slice::from_ref(&ca), root), malformed(0));
    }
}
