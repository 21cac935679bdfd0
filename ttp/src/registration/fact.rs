//! What was decided about applications.

use super::KEYS_MAX;
use crate::cbor::{self, Reader, Writer};
use crate::digest::Digest;
use crate::evidence::{FactError, Kind, PartyKind, Recorded, codes, read_time};
use crate::id::{PartyId, RegistrationId};
use crate::policy::person::Officer;
use crate::time::Timestamp;

codes! {
    /// Why an application ended without certificates. The numbers are stored.
    RefusalReason {
        /// The applicant is not shown to be who it says.
        IdentityNotProven = 0 "identity_not_proven",
        /// What was handed in does not show enough.
        EvidenceInsufficient = 1 "evidence_insufficient",
        /// The name may not stand in a certificate.
        NameNotAllowed = 2 "name_not_allowed",
        /// The applicant may not have certificates of this profile.
        NotEntitled = 3 "not_entitled",
        /// The terms were not accepted.
        TermsNotAccepted = 4 "terms_not_accepted",
        /// Another application is for the same.
        Duplicate = 5 "duplicate",
        /// The applicant no longer wants it.
        WithdrawnByApplicant = 6 "withdrawn_by_applicant",
        /// Anything else.
        Other = 7 "other",
        /// Nobody decided in time.
        Expired = 8 "expired",
    }
}

impl RefusalReason {
    /// True for reasons that an officer may give.
    #[must_use]
    pub const fn is_officers(self) -> bool {
        !matches!(self, Self::WithdrawnByApplicant | Self::Expired)
    }
}

/// One key to be certified. Written `[profile, class, request, public key]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedKey {
    /// SHA-256 of the profile.
    pub profile: Digest,
    /// The class of the profile, by the stored numbers of the certificate authority.
    pub class: u64,
    /// SHA-256 of the certification request (DER).
    pub request: Digest,
    /// SHA-256 of the key's SubjectPublicKeyInfo.
    pub public_key: Digest,
}

/// Who or what ended an application. Written as the officer's digest, null, or the number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// An officer: SHA-256 of the certificate.
    Officer(Digest),
    /// The applicant.
    Applicant,
    /// Time.
    Age {
        /// How long it might have been open, seconds.
        life_secs: u64,
    },
}

/// A fact of role 9, of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationFact {
    /// Somebody applied. Body `[id, at ms, [key…], document, applicant / null, terms, officers needed, by / null]`, by as
    /// `[certificate, person]`.
    Applied {
        /// Its name.
        id: RegistrationId,
        /// When.
        at: Timestamp,
        /// The keys to be certified, one to four.
        keys: Vec<RequestedKey>,
        /// SHA-256 of the application document, which is the artefact.
        subject: Digest,
        /// The party that applies, if it was registered already.
        applicant: Option<PartyId>,
        /// SHA-256 of the statement by which the terms were accepted.
        terms: Digest,
        /// How many officers must approve.
        officers_needed: u8,
        /// By which certificate it came, if by any.
        applied_by: Option<Officer>,
    },
    /// The identity was proven. Body `[id, at ms, record, officer, person]`.
    IdentityRecorded {
        /// Of which application.
        id: RegistrationId,
        /// When.
        at: Timestamp,
        /// SHA-256 of the record, which is the artefact.
        record: Digest,
        /// Who made it.
        officer: Officer,
    },
    /// An officer approved. Body `[id, at ms, officer, person, remaining, [serial…], [public key…], party / null]`.
    Approved {
        /// Which application.
        id: RegistrationId,
        /// When.
        at: Timestamp,
        /// Who approved.
        officer: Officer,
        /// How many officers must still approve.
        remaining: u8,
        /// Content octets of the certificates' serial numbers, in the order of the keys; of the last approval only.
        serials: Vec<[u8; 16]>,
        /// SHA-256 of each key's SubjectPublicKeyInfo, in the same order: from now on nobody else gets a certificate for it.
        public_keys: Vec<Digest>,
        /// Whose certificates they are; of the last approval only.
        party: Option<PartyId>,
    },
    /// It ended without certificates. Body `[id, at ms, reason, officer / null / life secs]`.
    Refused {
        /// Which application.
        id: RegistrationId,
        /// When.
        at: Timestamp,
        /// Why.
        reason: RefusalReason,
        /// Who or what ended it.
        by: RefusedBy,
    },
}

impl RegistrationFact {
    /// The application that it is of.
    #[must_use]
    pub const fn id(&self) -> RegistrationId {
        match self {
            Self::Applied { id, .. }
            | Self::IdentityRecorded { id, .. }
            | Self::Approved { id, .. }
            | Self::Refused { id, .. } => *id,
        }
    }
}

pub(super) fn write_keys(keys: &[RequestedKey], w: &mut Writer) {
    w.array(keys.len());
    for key in keys {
        w.array(4).bytes(key.profile.as_bytes()).uint(key.class);
        w.bytes(key.request.as_bytes()).bytes(key.public_key.as_bytes());
    }
}

fn read_keys(r: &mut Reader<'_>) -> Result<Vec<RequestedKey>, cbor::Error> {
    let mut keys = Vec::new();
    for _ in 0..length(r, 1, KEYS_MAX)? {
        r.array(4)?;
        keys.push(RequestedKey {
            profile: Digest(r.fixed()?),
            class: r.uint()?,
            request: Digest(r.fixed()?),
            public_key: Digest(r.fixed()?),
        });
    }
    Ok(keys)
}

/// The length of an array that has from `least` to `most` items.
fn length(r: &mut Reader<'_>, least: usize, most: usize) -> Result<usize, cbor::Error> {
    let found = usize::try_from(r.array_len()?).ok();
    // Where the array stood, the reader no longer says; facts of ours never get here.
    found.filter(|found| (least..=most).contains(found)).ok_or(cbor::Error::Length { at: 0 })
}

impl RefusedBy {
    fn write(self, w: &mut Writer) {
        match self {
            Self::Officer(officer) => w.bytes(officer.as_bytes()),
            Self::Applicant => w.null(),
            Self::Age { life_secs } => w.uint(life_secs),
        };
    }

    /// Each reason is one of an officer, of the applicant or of time.
    fn read(reason: RefusalReason, r: &mut Reader<'_>) -> Result<Self, cbor::Error> {
        match reason {
            RefusalReason::WithdrawnByApplicant if r.null() => Ok(Self::Applicant),
            RefusalReason::WithdrawnByApplicant => Err(cbor::Error::Type { at: 0 }),
            RefusalReason::Expired => Ok(Self::Age { life_secs: r.uint()? }),
            _ => Ok(Self::Officer(Digest(r.fixed()?))),
        }
    }
}

impl Recorded for RegistrationFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        Kind::Party(match self {
            Self::Applied { .. } => PartyKind::RegistrationApplied,
            Self::IdentityRecorded { .. } => PartyKind::IdentityRecorded,
            Self::Approved { .. } => PartyKind::RegistrationApproved,
            Self::Refused { .. } => PartyKind::RegistrationRefused,
        })
    }

    fn write_body(&self, w: &mut Writer) {
        match self {
            Self::Applied { id, at, keys, subject, applicant, terms, officers_needed, applied_by } => {
                w.array(8).bytes(id.octets()).uint(at.millis());
                write_keys(keys, w);
                w.bytes(subject.as_bytes());
                write_party(*applicant, w);
                w.bytes(terms.as_bytes()).uint((*officers_needed).into());
                match applied_by {
                    Some(by) => by.write(w.array(2)),
                    None => {
                        w.null();
                    }
                }
            }
            Self::IdentityRecorded { id, at, record, officer } => {
                w.array(5).bytes(id.octets()).uint(at.millis()).bytes(record.as_bytes());
                officer.write(w);
            }
            Self::Approved { id, at, officer, remaining, serials, public_keys, party } => {
                w.array(8).bytes(id.octets()).uint(at.millis());
                officer.write(w);
                w.uint((*remaining).into()).array(serials.len());
                for serial in serials {
                    w.bytes(serial);
                }
                w.array(public_keys.len());
                for public_key in public_keys {
                    w.bytes(public_key.as_bytes());
                }
                write_party(*party, w);
            }
            Self::Refused { id, at, reason, by } => {
                w.array(4).bytes(id.octets()).uint(at.millis()).uint(reason.code());
                by.write(w);
            }
        }
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        let Kind::Party(party_kind) = kind else { return Err(FactError::OtherKind { found: kind }) };
        match party_kind {
            PartyKind::RegistrationApplied => {
                r.array(8)?;
                Ok(Self::Applied {
                    id: r.fixed()?.into(),
                    at: read_time(r)?,
                    keys: read_keys(r)?,
                    subject: Digest(r.fixed()?),
                    applicant: read_party(r)?,
                    terms: Digest(r.fixed()?),
                    officers_needed: r.code(|n| u8::try_from(n).ok())?,
                    applied_by: read_applied_by(r)?,
                })
            }
            PartyKind::IdentityRecorded => {
                r.array(5)?;
                Ok(Self::IdentityRecorded {
                    id: r.fixed()?.into(),
                    at: read_time(r)?,
                    record: Digest(r.fixed()?),
                    officer: Officer::read(r)?,
                })
            }
            PartyKind::RegistrationApproved => {
                r.array(8)?;
                let (id, at) = (r.fixed()?.into(), read_time(r)?);
                let officer = Officer::read(r)?;
                let remaining = r.code(|n| u8::try_from(n).ok())?;
                // Serial numbers, keys and party are the last approval's.
                let (least, most) = if remaining == 0 { (1, KEYS_MAX) } else { (0, 0) };
                let count = length(r, least, most)?;
                let serials = (0..count).map(|_| r.fixed()).collect::<Result<_, _>>()?;
                r.array(count as u64)?;
                let public_keys = (0..count).map(|_| Ok(Digest(r.fixed()?))).collect::<Result<_, cbor::Error>>()?;
                let party = read_party(r)?;
                if party.is_some() != (remaining == 0) {
                    return Err(cbor::Error::Type { at: 0 }.into());
                }
                Ok(Self::Approved { id, at, officer, remaining, serials, public_keys, party })
            }
            PartyKind::RegistrationRefused => {
                r.array(4)?;
                let (id, at) = (r.fixed()?.into(), read_time(r)?);
                let reason = r.code(RefusalReason::from_code)?;
                Ok(Self::Refused { id, at, reason, by: RefusedBy::read(reason, r)? })
            }
            PartyKind::Registered
            | PartyKind::KeyBound
            | PartyKind::KeyUnbound
            | PartyKind::TermsAccepted
            | PartyKind::Suspended
            | PartyKind::Reinstated => Err(FactError::OtherKind { found: kind }),
        }
    }
}

pub(super) fn write_party(party: Option<PartyId>, w: &mut Writer) {
    match party {
        Some(party) => w.bytes(party.octets()),
        None => w.null(),
    };
}

fn read_applied_by(r: &mut Reader<'_>) -> Result<Option<Officer>, cbor::Error> {
    if r.null() {
        return Ok(None);
    }
    r.array(2)?;
    Officer::read(r).map(Some)
}

fn read_party(r: &mut Reader<'_>) -> Result<Option<PartyId>, cbor::Error> {
    if r.null() { Ok(None) } else { Ok(Some(r.fixed()?.into())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Envelope, Fact};
    use crate::policy::person::Person;

    fn stored(fact: RegistrationFact) -> Fact {
        let envelope = Envelope {
            aggregate: fact.id().aggregate(),
            seq: 0,
            now: Timestamp::from_millis(5),
            salt: [0; 16],
            policy_hash: Digest::default(),
            event_digest: Digest::default(),
        };
        fact.into_fact(&envelope)
    }

    #[test]
    fn each_is_read_as_written() {
        let (id, at, officer) = (RegistrationId::from([7; 16]), Timestamp::from_millis(5), Digest([3; 32]));
        let key =
            RequestedKey { profile: Digest([1; 32]), class: 6, request: Digest([2; 32]), public_key: Digest([4; 32]) };
        let approver = Officer { certificate: officer, person: Person::Party([9; 16].into()) };
        let applied = |keys, applicant, applied_by| RegistrationFact::Applied {
            id,
            at,
            keys,
            subject: Digest([5; 32]),
            applicant,
            terms: Digest([6; 32]),
            officers_needed: 2,
            applied_by,
        };
        let mut all = vec![
            applied(vec![key], None, None),
            applied(vec![key], None, Some(Officer::itself(officer))),
            applied(vec![key; 4], Some([9; 16].into()), Some(approver)),
            RegistrationFact::IdentityRecorded { id, at, record: Digest([8; 32]), officer: approver },
            RegistrationFact::Approved {
                id,
                at,
                officer: approver,
                remaining: 1,
                serials: Vec::new(),
                public_keys: Vec::new(),
                party: None,
            },
            RegistrationFact::Approved {
                id,
                at,
                officer: Officer::itself(officer),
                remaining: 0,
                serials: vec![[1; 16], [2; 16]],
                public_keys: vec![Digest([1; 32]), Digest([2; 32])],
                party: Some([9; 16].into()),
            },
        ];
        all.extend(RefusalReason::ALL.iter().map(|reason| {
            let by = match reason {
                RefusalReason::WithdrawnByApplicant => RefusedBy::Applicant,
                RefusalReason::Expired => RefusedBy::Age { life_secs: 3_600 },
                _ => RefusedBy::Officer(officer),
            };
            RegistrationFact::Refused { id, at, reason: *reason, by }
        }));
        for fact in all {
            let stored = Fact::decode(&stored(fact.clone()).encode()).unwrap();
            assert_eq!(RegistrationFact::from_fact(&stored), Ok(fact));
        }
    }

    /// What `decide` never makes is not read either: an approval that is half a last one, a refusal by the wrong hand.
    #[test]
    fn contradictions_are_not_read() {
        let (id, at, officer) = (RegistrationId::from([7; 16]), Timestamp::from_millis(5), Digest([3; 32]));
        let approved = |remaining, serials: &[[u8; 16]], party| RegistrationFact::Approved {
            id,
            at,
            officer: Officer::itself(officer),
            remaining,
            serials: serials.to_vec(),
            public_keys: vec![Digest([4; 32]); serials.len()],
            party,
        };
        let refused = |reason, by| RegistrationFact::Refused { id, at, reason, by };
        let party = Some(PartyId::from([9; 16]));
        for bad in [
            approved(1, &[], party),
            approved(1, &[[1; 16]], None),
            approved(0, &[], party),
            approved(0, &[[1; 16]], None),
            approved(0, &[[1; 16]; 5], party),
            refused(RefusalReason::Expired, RefusedBy::Applicant),
            refused(RefusalReason::WithdrawnByApplicant, RefusedBy::Officer(officer)),
            refused(RefusalReason::Duplicate, RefusedBy::Age { life_secs: 1 }),
        ] {
            assert!(RegistrationFact::from_fact(&stored(bad.clone())).is_err(), "{bad:?}");
        }
    }

    /// These numbers and names are stored and shown: one may be added.
    #[test]
    fn reasons_are_frozen() {
        let known: Vec<_> = RefusalReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(
            known,
            [
                "identity_not_proven",
                "evidence_insufficient",
                "name_not_allowed",
                "not_entitled",
                "terms_not_accepted",
                "duplicate",
                "withdrawn_by_applicant",
                "other",
                "expired",
            ]
        );
        assert!(RefusalReason::ALL.iter().all(|reason| RefusalReason::from_code(reason.code()) == Some(*reason)));
    }
}
