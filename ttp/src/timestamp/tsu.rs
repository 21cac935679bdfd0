//! A timestamping unit: a key with its certificate, and every byte of a token that does not change, made once.

use std::fmt;

use rasn::types::{OctetString, SetOf};
use rasn_cms::{
    Attribute, CertificateChoices, CertificateSet, CmsAlgorithmProtection, IssuerAndSerialNumber, SignedAttributes,
    SignerIdentifier,
};
use rasn_pkix::{AlgorithmIdentifier, GeneralName};

use crate::asn1::{EssCertIdV2, IssuerSerial, RawInteger, SigningCertificateV2, der, oid};
use crate::crypto::{ChainFault, Purpose, SignatureAlgorithm, verify_chain};
use crate::digest::Digest;
use crate::evidence::KeyId;
use crate::x509::{Certificate, CertificateFault, Period, encode, tsu};

/// AlgorithmIdentifier of SHA-256 without parameters (RFC 5754 §2).
pub(super) const SHA256_IDENTIFIER: [u8; 13] =
    [0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

/// A unit, ready to sign.
pub struct Tsu {
    key: KeyId,
    algorithm: SignatureAlgorithm,
    certificate: Certificate,
    key_period: Period,
    /// `[0] IMPLICIT CertificateSet`: unit and chain without the root, sorted. Put in when certReq is TRUE.
    pub(super) certificates: Vec<u8>,
    /// SignedAttributes in front of the message digest, without the outer tag.
    pub(super) attributes_before: Vec<u8>,
    /// SignedAttributes behind the message digest.
    pub(super) attributes_after: Vec<u8>,
    /// SignerInfo up to the signed attributes: version, sid, digestAlgorithm.
    pub(super) signer_before: Vec<u8>,
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
        let mut set = vec![choice(&certificate)];
        for (i, der) in chain_der.iter().enumerate() {
            set.push(choice(&read(i + 1, der)?));
        }
        verify_chain(certificate_der, chain_der, root_der, key_period.not_before, Purpose::Timestamping)?;

        let mut certificates = encode::<CertificateSet>(&SetOf::from_vec(set));
        certificates[0] = der::CONTEXT_0;
        let (attributes_before, attributes_after) = attributes(&certificate, algorithm);
        let signer_before = signer_before(&certificate);
        Ok(Self {
            key,
            algorithm,
            certificate,
            key_period,
            certificates,
            attributes_before,
            attributes_after,
            signer_before,
        })
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

fn choice(certificate: &Certificate) -> CertificateChoices {
    CertificateChoices::Certificate(Box::new(certificate.decoded().clone()))
}

/// The content of SignedAttributes, cut in two around the 32 octets of the message digest.
fn attributes(certificate: &Certificate, algorithm: SignatureAlgorithm) -> (Vec<u8>, Vec<u8>) {
    let sha256: AlgorithmIdentifier = rasn::der::decode(&SHA256_IDENTIFIER).expect("a constant");
    let signing_certificate = SigningCertificateV2 {
        certs: vec![EssCertIdV2 {
            hash_algorithm: None,
            cert_hash: OctetString::from(certificate.digest().0),
            issuer_serial: Some(IssuerSerial {
                issuer: vec![GeneralName::DirectoryName(certificate.issuer().clone())],
                serial_number: RawInteger(certificate.serial().into()),
            }),
        }],
        policies: None,
    };
    // Filled literally: the constructor always fails (spec §3).
    let protection = CmsAlgorithmProtection {
        digest_algorithm: sha256,
        signature_algorithm: Some(super::token::signature_algorithm(algorithm)),
        mac_algorithm: None,
    };
    let set = |placeholder: Digest| {
        let attributes: SignedAttributes = SetOf::from_vec(vec![
            attribute(oid::CONTENT_TYPE, encode(&rasn::types::ObjectIdentifier::from(oid::TST_INFO))),
            attribute(oid::MESSAGE_DIGEST, encode(&OctetString::from(placeholder.0))),
            attribute(oid::SIGNING_CERTIFICATE_V2, encode(&signing_certificate)),
            attribute(oid::ALGORITHM_PROTECTION, encode(&protection)),
        ]);
        encode(&attributes)
    };
    // The order within the SET depends on the digest only if another attribute began with the same octets. None does:
    // the lengths in their second octet differ. So the place of the digest is where two digests make a difference.
    let (zeros, ones) = (set(Digest([0; 32])), set(Digest([0xFF; 32])));
    let at = zeros.iter().zip(&ones).position(|(a, b)| a != b).expect("the digest stands in the attributes");
    assert_eq!(zeros[at + 32..], ones[at + 32..], "the digest moves nothing else");
    // Behind the tag: one octet of length, or 0x80 + n and then n octets.
    let content_at = if zeros[1] < 0x80 { 2 } else { 2 + usize::from(zeros[1] & 0x7F) };
    (zeros[content_at..at].to_vec(), zeros[at + 32..].to_vec())
}

fn attribute(id: &rasn::types::Oid, value: Vec<u8>) -> Attribute {
    Attribute { r#type: id.into(), values: SetOf::from_vec(vec![rasn::types::Any::new(value)]) }
}

fn signer_before(certificate: &Certificate) -> Vec<u8> {
    let sid = SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
        issuer: certificate.issuer().clone(),
        serial_number: certificate.decoded().tbs_certificate.serial_number.clone(),
    });
    [&[der::INTEGER, 1, 1][..], &encode(&sid), &SHA256_IDENTIFIER].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Signer;
    use crate::evidence::KeyPurpose;
    use crate::testing::{self, PKI, reissue};
    use crate::x509::{KeyUsage, tsu::TsuFault};
    use rasn::types::{BitString, ObjectIdentifier};
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
