//! What the certificate authority has done.

use super::Authority;
use super::profile::ProfileCode;
use crate::cbor::{Reader, Writer};
use crate::digest::Digest;
use crate::evidence::{CaKind, FactError, Kind, Recorded};
use crate::time::Timestamp;

/// A fact of role 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaFact {
    /// A certificate was issued. Body `[issuer, profile, serial, SHA-256(SPKI), not_before secs, not_after secs]`.
    /// The subject's name is in the artefact only.
    CertificateIssued {
        /// Who issued it.
        issuer: Authority,
        /// By which profile.
        profile: ProfileCode,
        /// Content octets of its serial number.
        serial: Vec<u8>,
        /// SHA-256 of its SubjectPublicKeyInfo.
        public_key: Digest,
        /// First moment, whole seconds.
        not_before: Timestamp,
        /// Last moment, whole seconds.
        not_after: Timestamp,
    },
    /// A CRL was issued. Body `[authority, number, this_update secs, next_update secs, entries]`.
    CrlIssued {
        /// Whose.
        authority: Authority,
        /// cRLNumber.
        number: u64,
        /// thisUpdate, whole seconds.
        this_update: Timestamp,
        /// nextUpdate, whole seconds.
        next_update: Timestamp,
        /// How many certificates it lists.
        entries: u64,
    },
}

impl Recorded for CaFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        Kind::Ca(match self {
            Self::CertificateIssued { .. } => CaKind::CertificateIssued,
            Self::CrlIssued { .. } => CaKind::CrlIssued,
        })
    }

    fn write_body(&self, w: &mut Writer) {
        match self {
            Self::CertificateIssued { issuer, profile, serial, public_key, not_before, not_after } => {
                w.array(6).uint(issuer.code()).uint(profile.code()).bytes(serial).bytes(public_key.as_bytes());
                w.uint(not_before.secs()).uint(not_after.secs());
            }
            Self::CrlIssued { authority, number, this_update, next_update, entries } => {
                w.array(5).uint(authority.code()).uint(*number);
                w.uint(this_update.secs()).uint(next_update.secs()).uint(*entries);
            }
        }
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        match kind {
            Kind::Ca(CaKind::CertificateIssued) => {
                r.array(6)?;
                Ok(Self::CertificateIssued {
                    issuer: r.code(Authority::from_code)?,
                    profile: r.code(ProfileCode::from_code)?,
                    serial: r.bytes()?.to_vec(),
                    public_key: Digest(r.fixed()?),
                    not_before: Timestamp::from_secs(r.uint()?),
                    not_after: Timestamp::from_secs(r.uint()?),
                })
            }
            Kind::Ca(CaKind::CrlIssued) => {
                r.array(5)?;
                Ok(Self::CrlIssued {
                    authority: r.code(Authority::from_code)?,
                    number: r.uint()?,
                    this_update: Timestamp::from_secs(r.uint()?),
                    next_update: Timestamp::from_secs(r.uint()?),
                    entries: r.uint()?,
                })
            }
            Kind::Ca(CaKind::CertificateRevoked)
            | Kind::Ledger(_)
            | Kind::Ops(_)
            | Kind::Timestamp(_)
            | Kind::Archive(_) => Err(FactError::OtherKind { found: kind }),
        }
    }
}
