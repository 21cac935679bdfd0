//! Building certificate revocation lists (RFC 5280 §5, spec §11): `prepare`, sign, `finish`.

use std::collections::BTreeSet;

use rasn::prelude::*;
use rasn_pkix::{
    AuthorityKeyIdentifier, CertificateList, CrlReason, DistributionPointName, Extension, GeneralName,
    IssuingDistributionPoint, RevokedCertificate, TbsCertList, Version,
};

use super::certificate::{Issuer, algorithm_identifier, signed};
use crate::asn1::{self, oid};
use crate::crypto::SignatureAlgorithm;
use crate::digest::Digest;
use crate::evidence::names::RevokedName;
use crate::time::Timestamp;
use crate::x509::{encode, from_time, to_time};

/// What stands in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlContent {
    /// cRLNumber.
    pub number: u64,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// What is revoked; the field is absent when there is none.
    pub revoked: Vec<Revoked>,
    /// Where it is served, if it is a list of those certificates only that name this place: a shard (§5.2.5).
    pub distribution_point: Option<String>,
}

/// A revoked certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Content octets of its serial number, positive.
    pub serial: Vec<u8>,
    /// When it was revoked.
    pub at: Timestamp,
    /// Why; `unspecified` is left out.
    pub reason: Reason,
    /// When it would have expired; it stays in the list until one was issued after that.
    pub not_after: Timestamp,
}

impl From<RevokedName> for Revoked {
    fn from(RevokedName { serial, at, reason, not_after, .. }: RevokedName) -> Self {
        Self { serial, at, reason, not_after }
    }
}

/// reasonCode, RFC 5280 §5.3.1, with its numbers; certificateHold and removeFromCRL are not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
#[repr(u8)]
pub enum Reason {
    Unspecified = 0,
    KeyCompromise = 1,
    CaCompromise = 2,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    PrivilegeWithdrawn = 9,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// The number of RFC 5280, stored.
    #[must_use]
    pub const fn code(self) -> u64 {
        self as u64
    }

    /// The one with this number.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// The name of RFC 5280.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// A list that lacks its signature.
#[derive(Clone, Debug)]
pub struct UnsignedCrl {
    algorithm: SignatureAlgorithm,
    tbs_der: Vec<u8>,
}

/// What was built is no list: the signature does not fit in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the built CRL does not read")]
pub struct CrlFault;

/// The bytes that `issuer` has to sign.
///
/// # Errors
/// [`CrlFault`] for a serial number that is no positive INTEGER.
pub fn prepare(content: &CrlContent, issuer: &Issuer) -> Result<UnsignedCrl, CrlFault> {
    let authority = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::from(issuer.key_id())),
        ..AuthorityKeyIdentifier::default()
    };
    let mut extensions = vec![
        extension(oid::AUTHORITY_KEY_IDENTIFIER, &authority),
        extension(oid::CRL_NUMBER, &Integer::from(content.number)),
    ];
    if let Some(url) = &content.distribution_point {
        extensions.push(Extension {
            extn_id: oid::ISSUING_DISTRIBUTION_POINT.into(),
            critical: true,
            extn_value: OctetString::from(distribution_point(url)),
        });
    }
    let tbs = TbsCertList {
        version: Version::V2,
        signature: algorithm_identifier(issuer.algorithm()),
        issuer: issuer.name().clone(),
        this_update: to_time(content.this_update),
        next_update: Some(to_time(content.next_update)),
        revoked_certificates: content.revoked.iter().map(entry).collect::<Option<_>>().ok_or(CrlFault)?,
        crl_extensions: Some(extensions.into()),
    };
    Ok(UnsignedCrl { algorithm: issuer.algorithm(), tbs_der: encode(&tbs) })
}

/// IssuingDistributionPoint of certificates that are no CAs' (spec §11): `[0] { [0] { [6] url } }, [1] TRUE`.
fn distribution_point(url: &str) -> Vec<u8> {
    let name = asn1::der::tlv(0x86, url.as_bytes());
    let point = asn1::der::tlv(asn1::der::CONTEXT_0, &asn1::der::tlv(asn1::der::CONTEXT_0, &name));
    asn1::der::sequence(&[&point, &[0x81, 1, 0xFF]])
}

/// The place that a list names as the one whose certificates it is for; `None` for the list of all.
#[must_use]
pub fn distribution_point_of(list: &CertificateList) -> Option<String> {
    let extensions = list.tbs_cert_list.crl_extensions.iter().flat_map(|all| all.iter());
    let found = extensions.into_iter().find(|one| *one.extn_id == *oid::ISSUING_DISTRIBUTION_POINT)?;
    let point: IssuingDistributionPoint = asn1::decode_strict(&found.extn_value)?;
    match point.distribution_point? {
        DistributionPointName::FullName(names) => names.into_iter().find_map(|name| match name {
            GeneralName::Uri(uri) => String::from_utf8(uri.as_iso646_bytes().to_vec()).ok(),
            _ => None,
        }),
        DistributionPointName::NameRelativeToCrlIssuer(_) => None,
    }
}

/// A list of somebody else's making, as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// SHA-256 of its DER.
    pub digest: Digest,
    /// cRLNumber.
    pub number: u64,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// Content octets of the serial numbers that it names.
    pub serials: Vec<Vec<u8>>,
}

/// Which certificates a list names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// True if it is limited to the certificates that name its place.
    pub is_scoped: bool,
    /// Content octets of their serial numbers.
    pub serials: BTreeSet<Vec<u8>>,
}

/// What a list names; `None` for what is none in strict DER.
#[must_use]
pub fn named(der: &[u8]) -> Option<Named> {
    let list: CertificateList = asn1::decode_strict(der)?;
    let serials = serials_of(&list)?.into_iter().collect();
    Some(Named { is_scoped: distribution_point_of(&list).is_some(), serials })
}

/// Content octets of the serial numbers that a list names, in its order.
pub(crate) fn serials_of(list: &CertificateList) -> Option<Vec<Vec<u8>>> {
    let serial = |one: &RevokedCertificate| Some(encode(&one.user_certificate).get(2..)?.to_vec());
    list.tbs_cert_list.revoked_certificates.iter().map(serial).collect()
}

/// Reads a list of all certificates of a CA; `None` for what is none in strict DER, without number or nextUpdate, or limited to some
/// certificates.
#[must_use]
pub fn read(der: &[u8]) -> Option<Listed> {
    let list: CertificateList = asn1::decode_strict(der)?;
    if distribution_point_of(&list).is_some() {
        return None;
    }
    listed(der, &list)
}

/// What stands in a list, whatever it is limited to; `None` for one without number or nextUpdate.
pub(super) fn listed(der: &[u8], list: &CertificateList) -> Option<Listed> {
    let tbs = &list.tbs_cert_list;
    let extensions = tbs.crl_extensions.iter().flat_map(|all| all.iter());
    let number = extensions.into_iter().find(|one| *one.extn_id == *oid::CRL_NUMBER)?;
    Some(Listed {
        digest: Digest::of(der),
        number: asn1::decode_strict::<u64>(&number.extn_value)?,
        this_update: from_time(&tbs.this_update)?,
        next_update: from_time(tbs.next_update.as_ref()?)?,
        serials: serials_of(list)?,
    })
}

impl UnsignedCrl {
    /// The message to sign.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.tbs_der
    }

    /// The list with its signature, DER.
    ///
    /// # Errors
    /// [`CrlFault`].
    pub fn finish(&self, signature: &[u8]) -> Result<Vec<u8>, CrlFault> {
        let der = signed(&self.tbs_der, self.algorithm, signature);
        asn1::decode_strict::<CertificateList>(&der).map(|_| der).ok_or(CrlFault)
    }
}

fn entry(revoked: &Revoked) -> Option<RevokedCertificate> {
    let positive = revoked.serial.first().is_some_and(|first| *first < 0x80);
    let serial = asn1::decode_strict(&asn1::der::tlv(asn1::der::INTEGER, &revoked.serial)).filter(|_| positive)?;
    let reason = match revoked.reason {
        Reason::Unspecified => None,
        Reason::KeyCompromise => Some(CrlReason::KeyCompromise),
        Reason::CaCompromise => Some(CrlReason::CaCompromise),
        Reason::AffiliationChanged => Some(CrlReason::AffiliationChanged),
        Reason::Superseded => Some(CrlReason::Superseded),
        Reason::CessationOfOperation => Some(CrlReason::CessationOfOperation),
        Reason::PrivilegeWithdrawn => Some(CrlReason::PrivilegeWithdrawn),
    };
    Some(RevokedCertificate {
        user_certificate: serial,
        revocation_date: to_time(revoked.at),
        crl_entry_extensions: reason.map(|reason| vec![extension(oid::CRL_REASON, &reason)].into()),
    })
}

fn extension<T: Encode>(id: &Oid, value: &T) -> Extension {
    Extension { extn_id: id.into(), critical: false, extn_value: OctetString::from(encode(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::Authority;
    use crate::crypto::{Signer, oracle, verify_crl};
    use crate::testing::{self, PKI, start};

    fn build(content: &CrlContent) -> Vec<u8> {
        let issuer = Issuer::new(Authority::Tsu, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
        let unsigned = prepare(content, &issuer).unwrap();
        unsigned.finish(&PKI.ca_key.sign(unsigned.message()).unwrap()).unwrap()
    }

    fn content(revoked: Vec<Revoked>) -> CrlContent {
        let (this_update, next_update) = (start(), start().plus_secs(86_400));
        CrlContent { number: start().secs(), this_update, next_update, revoked, distribution_point: None }
    }

    #[test]
    fn an_empty_list_byte_by_byte() {
        let der = build(&content(vec![]));
        let key_id = PKI.ca.subject_key_identifier().unwrap();
        let tbs = [
            "020101".to_owned(),
            "300a06082a8648ce3d040302".to_owned(),
            hex::encode(encode(PKI.ca.subject())),
            format!("170d{}", hex::encode("260301115959Z")),
            format!("170d{}", hex::encode("260302115959Z")),
        ];
        // No revokedCertificates between; then extensions [0].
        let number = asn1::der::tlv(asn1::der::INTEGER, &asn1::der::integer_content(&start().secs().to_be_bytes()));
        let value = asn1::der::tlv(asn1::der::OCTET_STRING, &number);
        let number_extension = asn1::der::sequence(&[&[0x06, 0x03, 0x55, 0x1D, 0x14], &value]);
        let authority = hex::decode(format!("301f0603551d23041830168014{}", hex::encode(&key_id))).unwrap();
        let extensions = asn1::der::sequence(&[&authority, &number_extension]);
        let parts: Vec<Vec<u8>> = tbs.iter().map(|part| hex::decode(part).unwrap()).collect();
        let mut body = parts.concat();
        body.extend(asn1::der::tlv(asn1::der::CONTEXT_0, &extensions));
        let expected = asn1::der::tlv(asn1::der::SEQUENCE, &body);
        assert_eq!(der[4..4 + expected.len()], expected);
    }

    /// libcrypto reads and verifies the list, and finds what is revoked.
    #[test]
    fn strangers_read_it() {
        let unit = testing::ec().tsu.certificate();
        let entry = |serial: Vec<u8>, reason| Revoked { serial, at: start(), reason, not_after: start() };
        let list = [
            content(vec![]),
            content(vec![entry(unit.serial(), Reason::KeyCompromise), entry(vec![0x01], Reason::Unspecified)]),
        ];
        for content in list {
            let der = build(&content);
            assert_eq!(verify_crl(&der, PKI.ca.der()), Ok(()));
            assert!(verify_crl(&der, PKI.root.der()).is_err());
            let listed = content.revoked.len();
            assert_eq!(oracle::read_crl(&der, unit.der()), (listed, true, listed > 0));
            let mut bad = der.clone();
            bad[60] ^= 1;
            assert!(verify_crl(&bad, PKI.ca.der()).is_err());
        }
    }

    #[test]
    fn what_was_built_is_read_again() {
        let unit = testing::ec().tsu.certificate();
        let revoked = Revoked { serial: unit.serial(), at: start(), reason: Reason::KeyCompromise, not_after: start() };
        let content = content(vec![revoked]);
        let der = build(&content);
        let CrlContent { number, this_update, next_update, .. } = content;
        let serials = vec![unit.serial()];
        let digest = Digest::of(&der);
        assert_eq!(read(&der), Some(Listed { digest, number, this_update, next_update, serials }));
        assert_eq!(read(&der[1..]), None);
        let scoped = CrlContent { distribution_point: Some("http://x".to_owned()), ..content };
        assert_eq!(read(&build(&scoped)), None);
    }

    #[test]
    fn a_serial_that_is_no_positive_number_is_refused() {
        let issuer = Issuer::new(Authority::Tsu, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
        for serial in [vec![], vec![0x80], vec![0x00, 0x01]] {
            let content =
                content(vec![Revoked { serial, at: start(), reason: Reason::Unspecified, not_after: start() }]);
            assert_eq!(prepare(&content, &issuer).err(), Some(CrlFault));
        }
    }
}
