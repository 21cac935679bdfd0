//! Building certificates: `prepare` gives the bytes to be signed, `finish` the certificate, judged by its own profile.

use rasn::prelude::*;
use rasn_pkix::{AlgorithmIdentifier, Name, SubjectPublicKeyInfo, TbsCertificate, Validity, Version};

use super::Authority;
use super::name::{Subject, SubjectFault};
use super::profile::{self, Inputs, Profile, ProfileFault};
use crate::asn1::{self, der};
use crate::crypto::{SignatureAlgorithm, sha1};
use crate::x509::{Certificate, CertificateFault, Period, encode, to_time};

/// A serial number: 16 octets, positive, 126 of its bits random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateSerial([u8; 16]);

impl CertificateSerial {
    /// From 16 random octets that the shell drew. The first two bits become 01, so that the number is positive and
    /// always 16 octets long.
    #[must_use]
    pub const fn from_random(mut random: [u8; 16]) -> Self {
        random[0] = random[0] & 0x3F | 0x40;
        Self(random)
    }

    /// The content octets of the INTEGER.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Who signs: what a certificate or CRL needs to know of it.
#[derive(Clone, Debug)]
pub struct Issuer {
    authority: Authority,
    name: Name,
    key_id: Vec<u8>,
    algorithm: SignatureAlgorithm,
    validity: Option<Period>,
}

/// Why an issuer cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerFault {
    /// Its certificate has not the profile of a CA.
    #[error("issuer certificate: {0}")]
    Profile(#[from] ProfileFault),
    /// Its key is no SubjectPublicKeyInfo.
    #[error("the issuer's public key is malformed")]
    Key,
    /// Its name is not usable.
    #[error("{0}")]
    Subject(#[from] SubjectFault),
}

impl Issuer {
    /// An authority with its certificate, which signs with `algorithm`.
    ///
    /// # Errors
    /// [`IssuerFault::Profile`] if the certificate has not the profile of that authority.
    pub fn new(
        authority: Authority,
        certificate: &Certificate,
        algorithm: SignatureAlgorithm,
    ) -> Result<Self, IssuerFault> {
        let kind = match authority {
            Authority::Root => profile::ProfileCode::Root,
            Authority::Party | Authority::Server | Authority::Tsu => profile::ProfileCode::IssuingCa,
        };
        profile::check(certificate, kind)?;
        let key_id = certificate.subject_key_identifier().ok_or(ProfileFault::SubjectKeyIdentifier)?;
        Ok(Self {
            authority,
            name: certificate.subject().clone(),
            key_id: key_id.to_vec(),
            algorithm,
            validity: Some(certificate.validity()),
        })
    }

    /// The root before it has a certificate: it issues its own.
    ///
    /// # Errors
    /// [`IssuerFault::Subject`], [`IssuerFault::Key`].
    pub fn self_signed(subject: &Subject, spki_der: &[u8], algorithm: SignatureAlgorithm) -> Result<Self, IssuerFault> {
        let spki: SubjectPublicKeyInfo = asn1::decode_strict(spki_der).ok_or(IssuerFault::Key)?;
        Ok(Self {
            authority: Authority::Root,
            name: subject.to_name()?,
            key_id: sha1(spki.subject_public_key.as_raw_slice()).to_vec(),
            algorithm,
            validity: None,
        })
    }

    /// Which authority it is.
    #[must_use]
    pub const fn authority(&self) -> Authority {
        self.authority
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    pub(super) const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}

/// What is to be certified.
#[derive(Clone, Debug)]
pub struct Template {
    /// The kind of certificate.
    pub profile: Profile,
    /// Whose.
    pub subject: Subject,
    /// Its public key, SubjectPublicKeyInfo DER.
    pub spki_der: Vec<u8>,
    /// Fresh.
    pub serial: CertificateSerial,
    /// From and to; fractions of a second are cut off.
    pub validity: Period,
    /// Where CRLs and issuers' certificates are served: `http://host[:port]`, no slash at its end.
    pub base_url: String,
    /// Certificate policies; at least one but for the root, which has none.
    pub policies: Vec<ObjectIdentifier>,
}

/// Why a certificate is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildFault {
    /// This kind is issued by another authority.
    #[error("certificates of this profile are issued by {}", .issuer.name())]
    OtherIssuer {
        /// Which.
        issuer: Authority,
    },
    /// The subject's name.
    #[error("{0}")]
    Subject(#[from] SubjectFault),
    /// The public key is no SubjectPublicKeyInfo.
    #[error("the public key is malformed")]
    Key,
    /// The validity is empty, or reaches outside that of the issuer.
    #[error("the validity is empty or not inside that of the issuer")]
    Validity,
    /// Not plain `http://…` in printable ASCII without spaces, or with a slash at its end.
    #[error("the base URL is not http://host[:port] without a slash at its end")]
    BaseUrl,
    /// No certificate policy.
    #[error("a certificate policy is missing")]
    NoPolicy,
    /// What was built does not read.
    #[error("built certificate: {0}")]
    Certificate(#[from] CertificateFault),
    /// What was built has not its profile.
    #[error("built certificate: {0}")]
    Profile(#[from] ProfileFault),
}

/// A certificate that lacks its signature.
#[derive(Clone, Debug)]
pub struct Unsigned {
    kind: profile::ProfileCode,
    algorithm: SignatureAlgorithm,
    tbs_der: Vec<u8>,
}

/// The bytes that `issuer` has to sign for a certificate.
///
/// # Errors
/// [`BuildFault`].
pub fn prepare(template: &Template, issuer: &Issuer) -> Result<Unsigned, BuildFault> {
    let kind = template.profile.code();
    if kind.issuer() != issuer.authority {
        return Err(BuildFault::OtherIssuer { issuer: kind.issuer() });
    }
    check_base_url(&template.base_url)?;
    if template.policies.is_empty() && kind != profile::ProfileCode::Root {
        return Err(BuildFault::NoPolicy);
    }
    let validity = Period {
        not_before: template.validity.not_before.whole_secs(),
        not_after: template.validity.not_after.whole_secs(),
    };
    let inside = issuer.validity.is_none_or(|outer| outer.covers(&validity));
    if validity.not_before >= validity.not_after || !inside {
        return Err(BuildFault::Validity);
    }
    let spki: SubjectPublicKeyInfo = asn1::decode_strict(&template.spki_der).ok_or(BuildFault::Key)?;
    let extensions = profile::extensions(&Inputs {
        profile: &template.profile,
        subject_key_id: sha1(spki.subject_public_key.as_raw_slice()),
        authority_key_id: &issuer.key_id,
        base_url: &template.base_url,
        policies: &template.policies,
    });
    let serial = u128::from_be_bytes(template.serial.0);
    let tbs = TbsCertificate {
        version: Version::V3,
        serial_number: Integer::from(serial),
        signature: algorithm_identifier(issuer.algorithm),
        issuer: issuer.name.clone(),
        validity: Validity { not_before: to_time(validity.not_before), not_after: to_time(validity.not_after) },
        subject: template.subject.to_name()?,
        subject_public_key_info: spki,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions.into()),
    };
    Ok(Unsigned { kind, algorithm: issuer.algorithm, tbs_der: encode(&tbs) })
}

impl Unsigned {
    /// The message to sign.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.tbs_der
    }

    /// The certificate with its signature, after its profile was judged. The caller verifies the chain, because only it
    /// knows the issuer's certificate.
    ///
    /// # Errors
    /// [`BuildFault::Certificate`], [`BuildFault::Profile`].
    pub fn finish(&self, signature: &[u8]) -> Result<Certificate, BuildFault> {
        let certificate = Certificate::from_der(&signed(&self.tbs_der, self.algorithm, signature))?;
        profile::check(&certificate, self.kind)?;
        Ok(certificate)
    }
}

/// SEQUENCE of the signed part, the algorithm and the signature: certificates and CRLs alike.
pub(super) fn signed(tbs_der: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    // A signature is a whole number of octets: no unused bits.
    let bits = der::tlv(der::BIT_STRING, &[&[0], signature].concat());
    der::sequence(&[tbs_der, algorithm.identifier_der(), &bits])
}

/// As rasn's structure.
pub(super) fn algorithm_identifier(algorithm: SignatureAlgorithm) -> AlgorithmIdentifier {
    rasn::der::decode(algorithm.identifier_der()).expect("the constants are AlgorithmIdentifiers")
}

fn check_base_url(url: &str) -> Result<(), BuildFault> {
    let host = url.strip_prefix("http://").ok_or(BuildFault::BaseUrl)?;
    let good = !host.is_empty() && !host.ends_with('/') && host.bytes().all(|b| b.is_ascii_graphic());
    if good { Ok(()) } else { Err(BuildFault::BaseUrl) }
}
