//! Building certificate revocation lists (RFC 5280 §5, spec §11): `prepare`, sign, `finish`.

use rasn::prelude::*;
use rasn_pkix::{
    AuthorityKeyIdentifier, CertificateList, CrlReason, Extension, RevokedCertificate, TbsCertList, Version,
};

use super::certificate::{Issuer, algorithm_identifier, signed};
use crate::asn1::{self, oid};
use crate::crypto::SignatureAlgorithm;
use crate::time::Timestamp;
use crate::x509::{encode, to_time};

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
}

/// reasonCode, RFC 5280 §5.3.1; certificateHold and removeFromCRL are not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reason {
    Unspecified,
    KeyCompromise,
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
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
    let extensions = vec![
        extension(oid::AUTHORITY_KEY_IDENTIFIER, &authority),
        extension(oid::CRL_NUMBER, &Integer::from(content.number)),
    ];
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
