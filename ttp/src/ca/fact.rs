//! What the certificate authority has done.

use super::bulk::OrderId;
use super::credential::Revocation;
use super::crl::Reason;
use super::profile::ProfileCode;
use super::{Authority, CaId, ListId};
use crate::cbor::{self, Reader, Writer};
use crate::digest::Digest;
use crate::evidence::{CaKind, FactError, Kind, Recorded, read_time};
use crate::policy::person::Officer;
use crate::time::Timestamp;

/// A fact of role 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaFact {
    /// A certificate was issued. Body `[issuer, class, serial, SHA-256(SPKI), not_before secs, not_after secs]`, and of what
    /// has [`Grounds`] also `generation, partition, profile, lint version, findings, registration, request`.
    /// The subject's name is in the artefact only; the event is what was signed.
    CertificateIssued {
        /// Who issued it.
        issuer: Authority,
        /// Of which class it is.
        profile: ProfileCode,
        /// Content octets of its serial number.
        serial: Vec<u8>,
        /// SHA-256 of its SubjectPublicKeyInfo.
        public_key: Digest,
        /// First moment, whole seconds.
        not_before: Timestamp,
        /// Last moment, whole seconds.
        not_after: Timestamp,
        /// What it was issued on. None for those that `semper init` made before profiles were files.
        grounds: Option<Grounds>,
    },
    /// A CRL was issued. Body `[authority, number, this_update secs, next_update secs, entries]`, and of others than the one
    /// list of a first CA also `generation, partition`.
    CrlIssued {
        /// Whose, and which of its lists.
        list: ListId,
        /// cRLNumber.
        number: u64,
        /// thisUpdate, whole seconds.
        this_update: Timestamp,
        /// nextUpdate, whole seconds.
        next_update: Timestamp,
        /// How many certificates it lists.
        entries: u64,
    },
    /// A certificate was revoked. Body `[issuer, generation, partition, serial, at secs, reason, not_after secs, SHA-256(SPKI),
    /// SHA-256(certificate), officer]`.
    CertificateRevoked {
        /// The list that it names.
        list: ListId,
        /// Content octets of its serial number.
        serial: Vec<u8>,
        /// When, whole seconds: revocationDate.
        at: Timestamp,
        /// Why.
        reason: Reason,
        /// When it would have expired, whole seconds.
        not_after: Timestamp,
        /// SHA-256 of its SubjectPublicKeyInfo.
        public_key: Digest,
        /// SHA-256 of the certificate.
        certificate: Digest,
        /// SHA-256 of the certificate of who asked: an officer, or the holder.
        officer: Digest,
    },
    /// A certificate was not issued. Body `[profile, reason, lint version, findings, registration]`.
    IssueRefused {
        /// SHA-256 of the profile.
        profile: Digest,
        /// Why, by the numbers of [`IssueRefusal`](super::credential::IssueRefusal).
        reason: u64,
        /// Which rules the lint had.
        lint_version: u64,
        /// Those that did not hold.
        findings: Vec<u8>,
        /// The application that asked for it; empty for the service's own.
        registration: Vec<u8>,
    },
    /// An officer ordered a bulk revocation. Body `[order, at ms, document, reason, officer]`.
    BulkOrdered {
        /// Its name.
        order: OrderId,
        /// When.
        at: Timestamp,
        /// SHA-256 of the order's document, which is the artefact.
        document: Digest,
        /// Why.
        reason: Reason,
        /// SHA-256 of the officer's certificate.
        officer: Digest,
    },
    /// It was carried out. Body `[order, at ms, revoked]`.
    BulkDone {
        /// Which.
        order: OrderId,
        /// When.
        at: Timestamp,
        /// How many certificates of it are revoked.
        revoked: u64,
    },
    /// Somebody asked that the certificate of an issuing CA be revoked, which takes another person. Body `[issuer, generation, serial,
    /// at ms, reason, certificate, officer, person]`.
    RevocationAsked {
        /// Who issued it.
        ca: CaId,
        /// Content octets of its serial number.
        serial: Vec<u8>,
        /// When.
        at: Timestamp,
        /// Why.
        reason: Reason,
        /// SHA-256 of the certificate.
        certificate: Digest,
        /// Who asked.
        officer: Officer,
    },
    /// An existing CA was taken over. Body `[generation, SHA-256(SPKI), not_before secs, not_after secs]`.
    AuthorityImported {
        /// Which one.
        ca: CaId,
        /// SHA-256 of its SubjectPublicKeyInfo.
        public_key: Digest,
        /// First moment of its certificate, whole seconds.
        not_before: Timestamp,
        /// Last moment of it, whole seconds.
        not_after: Timestamp,
    },
    /// A certificate that it had issued until then. Body `[generation, serial, SHA-256(SPKI), not_before secs, not_after secs]`, of
    /// one that had been revoked also `at secs, reason`. Of a certificate that nobody has any more, the key's digest is that of
    /// nothing, and the validity that of its CA.
    CertificateImported {
        /// By which.
        ca: CaId,
        /// Content octets of its serial number.
        serial: Vec<u8>,
        /// SHA-256 of its SubjectPublicKeyInfo.
        public_key: Digest,
        /// First moment, whole seconds.
        not_before: Timestamp,
        /// Last moment, whole seconds.
        not_after: Timestamp,
        /// Since when and why it is revoked, as the last list from elsewhere says.
        revoked: Option<Revocation>,
    },
}

/// What a certificate was issued on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grounds {
    /// Which of its line the issuer is.
    pub generation: u32,
    /// Which of the issuer's lists would revoke it.
    pub partition: u32,
    /// SHA-256 of the profile's file.
    pub profile: Digest,
    /// Which rules the lint had.
    pub lint_version: u64,
    /// Those that did not hold; none of them stops an issue.
    pub findings: Vec<u8>,
    /// The approved application, 16 octets; empty for the service's own keys.
    pub registration: Vec<u8>,
    /// SHA-256 of the certification request whose proof of possession was verified; of nothing for the service's own keys.
    pub request: Digest,
}

impl Grounds {
    fn write(&self, w: &mut Writer) {
        w.uint(self.generation.into()).uint(self.partition.into()).bytes(self.profile.as_bytes());
        w.uint(self.lint_version).bytes(&self.findings).bytes(&self.registration).bytes(self.request.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, cbor::Error> {
        Ok(Self {
            generation: r.code(|n| u32::try_from(n).ok())?,
            partition: r.code(|n| u32::try_from(n).ok())?,
            profile: Digest(r.fixed()?),
            lint_version: r.uint()?,
            findings: r.bytes()?.to_vec(),
            registration: r.bytes()?.to_vec(),
            request: Digest(r.fixed()?),
        })
    }
}

impl CaFact {
    /// The certificate whose history this fact begins: by which CA, and the content octets of its serial number.
    #[must_use]
    pub fn certificate(&self) -> Option<(CaId, &[u8])> {
        match self {
            Self::CertificateIssued { issuer, serial, grounds, .. } => {
                let generation = grounds.as_ref().map_or(1, |grounds| grounds.generation);
                Some((CaId { authority: *issuer, generation }, serial))
            }
            Self::CertificateImported { ca, serial, .. } => Some((*ca, serial)),
            _ => None,
        }
    }
}

impl Recorded for CaFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        Kind::Ca(match self {
            Self::CertificateIssued { .. } => CaKind::CertificateIssued,
            Self::CrlIssued { .. } => CaKind::CrlIssued,
            Self::CertificateRevoked { .. } => CaKind::CertificateRevoked,
            Self::IssueRefused { .. } => CaKind::IssueRefused,
            Self::BulkOrdered { .. } => CaKind::BulkOrdered,
            Self::BulkDone { .. } => CaKind::BulkDone,
            Self::RevocationAsked { .. } => CaKind::RevocationAsked,
            Self::AuthorityImported { .. } => CaKind::AuthorityImported,
            Self::CertificateImported { .. } => CaKind::CertificateImported,
        })
    }

    fn write_body(&self, w: &mut Writer) {
        match self {
            Self::CertificateIssued { issuer, profile, serial, public_key, not_before, not_after, grounds } => {
                w.array(if grounds.is_some() { 13 } else { 6 });
                w.uint(issuer.code()).uint(profile.code()).bytes(serial).bytes(public_key.as_bytes());
                w.uint(not_before.secs()).uint(not_after.secs());
                if let Some(grounds) = grounds {
                    grounds.write(w);
                }
            }
            Self::CrlIssued { list, number, this_update, next_update, entries } => {
                w.array(if list.is_first() { 5 } else { 7 });
                w.uint(list.ca.authority.code()).uint(*number);
                w.uint(this_update.secs()).uint(next_update.secs()).uint(*entries);
                if !list.is_first() {
                    w.uint(list.ca.generation.into()).uint(list.partition.into());
                }
            }
            Self::CertificateRevoked { list, serial, at, reason, not_after, public_key, certificate, officer } => {
                w.array(10).uint(list.ca.authority.code()).uint(list.ca.generation.into()).uint(list.partition.into());
                w.bytes(serial).uint(at.secs()).uint(reason.code()).uint(not_after.secs());
                w.bytes(public_key.as_bytes()).bytes(certificate.as_bytes()).bytes(officer.as_bytes());
            }
            Self::IssueRefused { profile, reason, lint_version, findings, registration } => {
                w.array(5).bytes(profile.as_bytes()).uint(*reason).uint(*lint_version);
                w.bytes(findings).bytes(registration);
            }
            Self::BulkOrdered { order, at, document, reason, officer } => {
                w.array(5).bytes(order.octets()).uint(at.millis()).bytes(document.as_bytes());
                w.uint(reason.code()).bytes(officer.as_bytes());
            }
            Self::BulkDone { order, at, revoked } => {
                w.array(3).bytes(order.octets()).uint(at.millis()).uint(*revoked);
            }
            Self::RevocationAsked { ca, serial, at, reason, certificate, officer } => {
                w.array(8).uint(ca.authority.code()).uint(ca.generation.into()).bytes(serial).uint(at.millis());
                w.uint(reason.code()).bytes(certificate.as_bytes());
                officer.write(w);
            }
            Self::AuthorityImported { ca, public_key, not_before, not_after } => {
                w.array(4).uint(ca.generation.into()).bytes(public_key.as_bytes());
                w.uint(not_before.secs()).uint(not_after.secs());
            }
            Self::CertificateImported { ca, serial, public_key, not_before, not_after, revoked } => {
                w.array(if revoked.is_some() { 7 } else { 5 });
                w.uint(ca.generation.into()).bytes(serial).bytes(public_key.as_bytes());
                w.uint(not_before.secs()).uint(not_after.secs());
                if let Some(Revocation { at, reason }) = revoked {
                    w.uint(at.secs()).uint(reason.code());
                }
            }
        }
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        match kind {
            Kind::Ca(CaKind::CertificateIssued) => {
                let has_grounds = either(r, 6, 13)?;
                Ok(Self::CertificateIssued {
                    issuer: r.code(Authority::from_code)?,
                    profile: r.code(ProfileCode::from_code)?,
                    serial: r.bytes()?.to_vec(),
                    public_key: Digest(r.fixed()?),
                    not_before: Timestamp::from_secs(r.uint()?),
                    not_after: Timestamp::from_secs(r.uint()?),
                    grounds: if has_grounds { Some(Grounds::read(r)?) } else { None },
                })
            }
            Kind::Ca(CaKind::CrlIssued) => {
                let is_other = either(r, 5, 7)?;
                let authority = r.code(Authority::from_code)?;
                let (number, this_update, next_update) = (r.uint()?, r.uint()?, r.uint()?);
                let entries = r.uint()?;
                let list = match is_other {
                    false => ListId::first(authority),
                    true => ListId {
                        ca: CaId { authority, generation: r.code(|n| u32::try_from(n).ok())? },
                        partition: r.code(|n| u32::try_from(n).ok())?,
                    },
                };
                if is_other && list.is_first() {
                    // It has a shorter spelling, and a fact has one.
                    return Err(cbor::Error::Length { at: 0 }.into());
                }
                let (this_update, next_update) = (Timestamp::from_secs(this_update), Timestamp::from_secs(next_update));
                Ok(Self::CrlIssued { list, number, this_update, next_update, entries })
            }
            Kind::Ca(CaKind::CertificateRevoked) => {
                r.array(10)?;
                let ca =
                    CaId { authority: r.code(Authority::from_code)?, generation: r.code(|n| u32::try_from(n).ok())? };
                Ok(Self::CertificateRevoked {
                    list: ListId { ca, partition: r.code(|n| u32::try_from(n).ok())? },
                    serial: r.bytes()?.to_vec(),
                    at: Timestamp::from_secs(r.uint()?),
                    reason: r.code(Reason::from_code)?,
                    not_after: Timestamp::from_secs(r.uint()?),
                    public_key: Digest(r.fixed()?),
                    certificate: Digest(r.fixed()?),
                    officer: Digest(r.fixed()?),
                })
            }
            Kind::Ca(CaKind::IssueRefused) => {
                r.array(5)?;
                Ok(Self::IssueRefused {
                    profile: Digest(r.fixed()?),
                    reason: r.uint()?,
                    lint_version: r.uint()?,
                    findings: r.bytes()?.to_vec(),
                    registration: r.bytes()?.to_vec(),
                })
            }
            Kind::Ca(CaKind::BulkOrdered) => {
                r.array(5)?;
                Ok(Self::BulkOrdered {
                    order: r.fixed()?.into(),
                    at: read_time(r)?,
                    document: Digest(r.fixed()?),
                    reason: r.code(Reason::from_code)?,
                    officer: Digest(r.fixed()?),
                })
            }
            Kind::Ca(CaKind::BulkDone) => {
                r.array(3)?;
                Ok(Self::BulkDone { order: r.fixed()?.into(), at: read_time(r)?, revoked: r.uint()? })
            }
            Kind::Ca(CaKind::RevocationAsked) => {
                r.array(8)?;
                let authority = r.code(Authority::from_code)?;
                Ok(Self::RevocationAsked {
                    ca: CaId { authority, generation: r.code(|n| u32::try_from(n).ok())? },
                    serial: r.bytes()?.to_vec(),
                    at: read_time(r)?,
                    reason: r.code(Reason::from_code)?,
                    certificate: Digest(r.fixed()?),
                    officer: Officer::read(r)?,
                })
            }
            Kind::Ca(CaKind::AuthorityImported) => {
                r.array(4)?;
                Ok(Self::AuthorityImported {
                    ca: imported(r)?,
                    public_key: Digest(r.fixed()?),
                    not_before: Timestamp::from_secs(r.uint()?),
                    not_after: Timestamp::from_secs(r.uint()?),
                })
            }
            Kind::Ca(CaKind::CertificateImported) => {
                let is_revoked = either(r, 5, 7)?;
                Ok(Self::CertificateImported {
                    ca: imported(r)?,
                    serial: r.bytes()?.to_vec(),
                    public_key: Digest(r.fixed()?),
                    not_before: Timestamp::from_secs(r.uint()?),
                    not_after: Timestamp::from_secs(r.uint()?),
                    revoked: match is_revoked {
                        true => {
                            Some(Revocation { at: Timestamp::from_secs(r.uint()?), reason: r.code(Reason::from_code)? })
                        }
                        false => None,
                    },
                })
            }
            Kind::Ledger(_)
            | Kind::Ops(_)
            | Kind::Timestamp(_)
            | Kind::Notary(_)
            | Kind::Exchange(_)
            | Kind::Archive(_)
            | Kind::Payment(_)
            | Kind::Party(_)
            | Kind::Account(_) => Err(FactError::OtherKind { found: kind }),
        }
    }
}

fn imported(r: &mut Reader<'_>) -> Result<CaId, cbor::Error> {
    Ok(CaId { authority: Authority::Imported, generation: r.code(|n| u32::try_from(n).ok())? })
}

/// An array of one of two lengths; true for the longer one.
fn either(r: &mut Reader<'_>, short: u64, long: u64) -> Result<bool, cbor::Error> {
    let mut ahead = r.clone();
    let is_long = ahead.array_len()? == long;
    r.array(if is_long { long } else { short })?;
    Ok(is_long)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Aggregate, Envelope, Fact};

    #[test]
    fn each_is_read_as_written() {
        let at = Timestamp::from_secs(1_772_366_400);
        let ca = CaId { authority: Authority::Party, generation: 2 };
        let issued = |grounds| CaFact::CertificateIssued {
            issuer: Authority::Party,
            profile: ProfileCode::Party,
            serial: vec![0x41; 16],
            public_key: Digest([9; 32]),
            not_before: at,
            not_after: at,
            grounds,
        };
        let old = CaId { authority: Authority::Imported, generation: 3 };
        let imported = |revoked| CaFact::CertificateImported {
            ca: old,
            serial: vec![7],
            public_key: Digest([9; 32]),
            not_before: at,
            not_after: at,
            revoked,
        };
        let list = |list| CaFact::CrlIssued { list, number: 7, this_update: at, next_update: at, entries: 3 };
        let all = [
            issued(None),
            issued(Some(Grounds { partition: 3, findings: vec![40], registration: vec![1; 16], ..Grounds::default() })),
            list(ListId::first(Authority::Tsu)),
            list(ListId { ca, partition: 0 }),
            list(ListId { ca: CaId::first(Authority::Tsu), partition: 4 }),
            CaFact::CertificateRevoked {
                list: ListId { ca, partition: 1 },
                serial: vec![0x41; 16],
                at,
                reason: Reason::Superseded,
                not_after: at,
                public_key: Digest([1; 32]),
                certificate: Digest([2; 32]),
                officer: Digest([3; 32]),
            },
            CaFact::IssueRefused {
                profile: Digest([1; 32]),
                reason: 2,
                lint_version: 1,
                findings: vec![5, 9],
                registration: Vec::new(),
            },
            CaFact::BulkOrdered {
                order: [5; 16].into(),
                at,
                document: Digest([1; 32]),
                reason: Reason::Superseded,
                officer: Digest([2; 32]),
            },
            CaFact::BulkDone { order: [5; 16].into(), at, revoked: 7 },
            CaFact::AuthorityImported { ca: old, public_key: Digest([1; 32]), not_before: at, not_after: at },
            imported(None),
            imported(Some(Revocation { at, reason: Reason::AffiliationChanged })),
        ];
        let envelope = Envelope {
            aggregate: Aggregate([0; 32]),
            seq: 0,
            now: at,
            salt: [0; 16],
            policy_hash: Digest::default(),
            event_digest: Digest::default(),
        };
        for fact in all {
            let stored = Fact::decode(&fact.clone().into_fact(&envelope).encode()).unwrap();
            assert_eq!(CaFact::from_fact(&stored), Ok(fact));
        }
    }
}
