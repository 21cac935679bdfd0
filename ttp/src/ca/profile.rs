//! Which extensions a certificate of each kind has (spec §9, §12), and the judge of what was built.

use rasn::prelude::*;
use rasn_pkix::{
    AccessDescription, AuthorityKeyIdentifier, BasicConstraints, DistributionPoint, DistributionPointName, Extension,
    GeneralName, PolicyInformation, PrivateKeyUsagePeriod,
};

use super::Authority;
use crate::asn1::oid;
use crate::time::Timestamp;
use crate::x509::{Certificate, KeyUsage, Period, encode, tsu};

/// The kind of a certificate. The codes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ProfileCode {
    /// The self-signed root.
    Root = 0,
    /// An issuing CA below the root, path length 0.
    IssuingCa = 1,
    /// A timestamping unit.
    Tsu = 2,
    /// TLS client certificate of an operator.
    Operator = 3,
    /// TLS client certificate of an officer.
    Officer = 4,
}

impl ProfileCode {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Root, Self::IssuingCa, Self::Tsu, Self::Operator, Self::Officer];

    /// The stored number.
    #[must_use]
    pub const fn code(self) -> u64 {
        self as u64
    }

    /// The profile with this number.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.code() == code)
    }

    /// Who issues certificates of this kind.
    #[must_use]
    pub const fn issuer(self) -> Authority {
        match self {
            Self::Root | Self::IssuingCa => Authority::Root,
            Self::Tsu => Authority::Tsu,
            Self::Operator | Self::Officer => Authority::Party,
        }
    }
}

/// A kind together with what only that kind has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The self-signed root.
    Root,
    /// An issuing CA.
    IssuingCa,
    /// A timestamping unit.
    Tsu {
        /// When its private key may be used: shorter than the certificate's life (EN 319 421 7.6.7).
        key_period: Period,
    },
    /// An operator's client certificate.
    Operator,
    /// An officer's client certificate.
    Officer,
}

impl Profile {
    /// Without what is special.
    #[must_use]
    pub const fn code(&self) -> ProfileCode {
        match self {
            Self::Root => ProfileCode::Root,
            Self::IssuingCa => ProfileCode::IssuingCa,
            Self::Tsu { .. } => ProfileCode::Tsu,
            Self::Operator => ProfileCode::Operator,
            Self::Officer => ProfileCode::Officer,
        }
    }
}

/// What the extensions of one certificate are made from.
pub(super) struct Inputs<'a> {
    pub(super) profile: &'a Profile,
    /// SHA-1 of the subject's key bits.
    pub(super) subject_key_id: [u8; 20],
    /// The issuer's subjectKeyIdentifier.
    pub(super) authority_key_id: &'a [u8],
    /// `http://host[:port]`, without a slash at its end.
    pub(super) base_url: &'a str,
    /// At least one, except for the root.
    pub(super) policies: &'a [ObjectIdentifier],
}

const CA_USAGE: KeyUsage = KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN);

/// The extensions, in ascending order of their identifiers within id-ce, AIA last.
pub(super) fn extensions(inputs: &Inputs<'_>) -> Vec<Extension> {
    let code = inputs.profile.code();
    let is_ca = matches!(code, ProfileCode::Root | ProfileCode::IssuingCa);
    let usage = if is_ca { CA_USAGE } else { KeyUsage::DIGITAL_SIGNATURE };
    let path_len = (code == ProfileCode::IssuingCa).then_some(Integer::ZERO);

    let mut list = vec![
        extension(oid::SUBJECT_KEY_IDENTIFIER, false, &OctetString::from(inputs.subject_key_id)),
        extension(oid::KEY_USAGE, true, &usage.to_bits()),
    ];
    if let Profile::Tsu { key_period } = inputs.profile {
        let general = |t: Timestamp| Some(t.whole_secs().to_chrono().into());
        let period = PrivateKeyUsagePeriod {
            not_before: general(key_period.not_before),
            not_after: general(key_period.not_after),
        };
        list.push(extension(oid::PRIVATE_KEY_USAGE_PERIOD, false, &period));
    }
    let basic = BasicConstraints { ca: is_ca, path_len_constraint: path_len };
    list.push(extension(oid::BASIC_CONSTRAINTS, true, &basic));
    if code == ProfileCode::Root {
        return list;
    }

    let issuer = code.issuer().name();
    let crl = DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![uri(inputs.base_url, "crl", issuer, "crl")])),
        ..DistributionPoint::default()
    };
    list.push(extension(oid::CRL_DISTRIBUTION_POINTS, false, &vec![crl]));
    let policies: Vec<_> = inputs
        .policies
        .iter()
        .map(|id| PolicyInformation { policy_identifier: id.clone(), policy_qualifiers: None })
        .collect();
    list.push(extension(oid::CERTIFICATE_POLICIES, false, &policies));
    let authority = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::from(inputs.authority_key_id)),
        ..AuthorityKeyIdentifier::default()
    };
    list.push(extension(oid::AUTHORITY_KEY_IDENTIFIER, false, &authority));
    match code {
        ProfileCode::Tsu => list.push(extension(oid::EXTENDED_KEY_USAGE, true, &purposes(oid::KP_TIME_STAMPING))),
        ProfileCode::Operator | ProfileCode::Officer => {
            list.push(extension(oid::EXTENDED_KEY_USAGE, false, &purposes(oid::KP_CLIENT_AUTH)));
        }
        // None on an issuing CA: one that excluded timeStamping would break clients that chain it (spec §9).
        ProfileCode::Root | ProfileCode::IssuingCa => {}
    }
    let access = AccessDescription {
        access_method: oid::CA_ISSUERS.into(),
        access_location: uri(inputs.base_url, "ca", issuer, "cer"),
    };
    list.push(extension(oid::AUTHORITY_INFO_ACCESS, false, &vec![access]));
    list
}

fn purposes(purpose: &Oid) -> Vec<ObjectIdentifier> {
    vec![purpose.into()]
}

fn uri(base_url: &str, folder: &str, name: &str, ending: &str) -> GeneralName {
    let url = format!("{base_url}/{folder}/{name}.{ending}");
    GeneralName::Uri(Ia5String::try_from(url).expect("the base URL was checked to be ASCII"))
}

fn extension<T: Encode>(id: &Oid, critical: bool, value: &T) -> Extension {
    Extension { extn_id: id.into(), critical, extn_value: OctetString::from(encode(value)) }
}

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
    let key_bits = certificate.decoded().tbs_certificate.subject_public_key_info.subject_public_key.as_raw_slice();
    let key_id = crate::crypto::sha1(key_bits);
    if certificate.subject_key_identifier().is_none_or(|id| id[..] != key_id) {
        return Err(ProfileFault::SubjectKeyIdentifier);
    }
    let is_ca = matches!(kind, ProfileCode::Root | ProfileCode::IssuingCa);
    let path_len = (kind == ProfileCode::IssuingCa).then_some(Integer::ZERO);
    let basic = certificate.basic_constraints().ok_or(ProfileFault::BasicConstraints)?;
    if !basic.critical || basic.value.ca != is_ca || basic.value.path_len_constraint != path_len {
        return Err(ProfileFault::BasicConstraints);
    }
    if kind != ProfileCode::Root {
        for (id, extension) in [
            (oid::CRL_DISTRIBUTION_POINTS, "cRLDistributionPoints"),
            (oid::CERTIFICATE_POLICIES, "certificatePolicies"),
            (oid::AUTHORITY_INFO_ACCESS, "authorityInfoAccess"),
        ] {
            if certificate.extension(id).is_none() {
                return Err(ProfileFault::Missing { extension });
            }
        }
        if certificate.authority_key_identifier().is_none() {
            return Err(ProfileFault::Missing { extension: "authorityKeyIdentifier" });
        }
    }
    if kind == ProfileCode::Tsu {
        tsu::check(certificate)?;
        return Ok(());
    }
    let usage = if is_ca { CA_USAGE } else { KeyUsage::DIGITAL_SIGNATURE };
    if certificate.key_usage().is_none_or(|found| !found.critical || found.value != usage) {
        return Err(ProfileFault::KeyUsage);
    }
    let found = certificate.extended_key_usage();
    let fits = match kind {
        ProfileCode::Operator | ProfileCode::Officer => {
            found.is_some_and(|f| f.value.len() == 1 && *f.value[0] == *oid::KP_CLIENT_AUTH)
        }
        ProfileCode::Root | ProfileCode::IssuingCa | ProfileCode::Tsu => {
            certificate.extension(oid::EXTENDED_KEY_USAGE).is_none()
        }
    };
    if fits { Ok(()) } else { Err(ProfileFault::ExtendedKeyUsage) }
}
