//! What was decided about acts.

use std::collections::BTreeSet;

use super::state::{read_parties, write_parties};
use super::{ActType, Checks, Outcome, Reason, Service};
use crate::cbor::{self, Reader, Writer};
use crate::digest::Digest;
use crate::evidence::{FactError, Kind, NotaryKind, Recorded, read_time};
use crate::id::{ActId, PartyId};
use crate::policy::person::Officer;
use crate::time::Timestamp;

/// A fact of role 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalFact {
    /// A request of RFC 3029 was answered; the artefact is the DVC. Body `[id, no, at ms, request, requester / null, subject, serial,
    /// granted, report?]`, the requester as `[certificate, person]`.
    Validated {
        /// The act.
        id: ActId,
        /// Its number.
        number: u64,
        /// When.
        at: Timestamp,
        /// Which service.
        service: Service,
        /// SHA-256 of the request.
        request: Digest,
        /// Who asked, if anybody was authenticated.
        requester: Option<Officer>,
        /// SHA-256 of the imprint that the DVC has.
        subject: Digest,
        /// Content octets of the DVC's serial number.
        serial: [u8; 16],
        /// Whether what was asked holds.
        granted: bool,
        /// SHA-256 of the report of what was validated.
        report: Option<Digest>,
    },
    /// An act ended; the artefact is its record. Body `[id, no, at ms, opened at ms, act, request, requester, person, subject, reason /
    /// null, [officer, person] / null, checks, report?]`.
    Recorded(Box<RecordedAct>),
    /// An act was opened that waits. Body `[id, no, at ms, act, request, requester, person, subject, held, [signer…], needs a
    /// person, expires at ms, report?]`.
    Opened {
        /// The act.
        id: ActId,
        /// Its number.
        number: u64,
        /// When.
        at: Timestamp,
        /// What it is to certify.
        act: ActType,
        /// SHA-256 of the request.
        request: Digest,
        /// Who asked.
        requester: Officer,
        /// SHA-256 of the document that it is about.
        subject: Digest,
        /// Whether the service held the octets of all documents, or was shown their hashes alone.
        held: bool,
        /// Who is to sign.
        signers: BTreeSet<PartyId>,
        /// Whether an officer decides.
        needs_person: bool,
        /// Until when it is open.
        expires_at: Timestamp,
        /// SHA-256 of the report of what was validated.
        report: Option<Digest>,
    },
    /// A signer signed; the artefact is the signature. Body `[id, at ms, signer, certificate, signature]`.
    Signed {
        /// The act.
        id: ActId,
        /// When.
        at: Timestamp,
        /// Whose it is.
        signer: PartyId,
        /// SHA-256 of the signer's certificate.
        certificate: Digest,
        /// SHA-256 of the signature.
        signature: Digest,
    },
    /// An officer took an act, or gave it back. Body `[id, at ms, [officer, person] / null]`.
    Assigned {
        /// The act.
        id: ActId,
        /// When.
        at: Timestamp,
        /// Who has it now.
        officer: Option<Officer>,
    },
    /// What a validation gave, which the fact before it rests on; the artefact is the report. Body `[id, at ms, report]`.
    Reported {
        /// The act.
        id: ActId,
        /// When.
        at: Timestamp,
        /// SHA-256 of the report.
        report: Digest,
    },
    /// A document that an act is about is kept; the artefact is the sealed octets. Body `[id, at ms, place, document, size]`.
    Kept {
        /// The act.
        id: ActId,
        /// When.
        at: Timestamp,
        /// Its place among the documents of the request, from 0.
        place: u64,
        /// SHA-256 of it.
        document: Digest,
        /// How many octets it has.
        size: u64,
    },
    /// What opens the commitments of an act is kept; the artefact is the sealed octets. Body `[id, at ms, certificate, person]`.
    Personal {
        /// The act.
        id: ActId,
        /// When.
        at: Timestamp,
        /// About whom.
        of: Officer,
    },
}

/// The end of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedAct {
    /// The act.
    pub id: ActId,
    /// Its number.
    pub number: u64,
    /// When it ended.
    pub at: Timestamp,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// What it certifies, or was to certify.
    pub act: ActType,
    /// SHA-256 of the request.
    pub request: Digest,
    /// Who asked.
    pub requester: Officer,
    /// SHA-256 of the document that it is about.
    pub subject: Digest,
    /// Why it does not certify.
    pub reason: Option<Reason>,
    /// The officer who decided, if one did.
    pub officer: Option<Officer>,
    /// What that officer has checked.
    pub checks: Checks,
    /// SHA-256 of the report of what was validated.
    pub report: Option<Digest>,
}

impl RecordedAct {
    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.reason.map_or(Outcome::Performed, Reason::outcome)
    }
}

impl JournalFact {
    /// The number of its act, where it tells one.
    #[must_use]
    pub const fn number(&self) -> Option<u64> {
        match self {
            Self::Recorded(recorded) => Some(recorded.number),
            Self::Validated { number, .. } | Self::Opened { number, .. } => Some(*number),
            Self::Signed { .. }
            | Self::Assigned { .. }
            | Self::Reported { .. }
            | Self::Kept { .. }
            | Self::Personal { .. } => None,
        }
    }

    /// The act that it is of.
    #[must_use]
    pub fn act(&self) -> ActId {
        match self {
            Self::Recorded(recorded) => recorded.id,
            Self::Validated { id, .. }
            | Self::Opened { id, .. }
            | Self::Signed { id, .. }
            | Self::Assigned { id, .. }
            | Self::Reported { id, .. }
            | Self::Kept { id, .. }
            | Self::Personal { id, .. } => *id,
        }
    }
}

/// One item: `[certificate, person]`, or null.
fn write_officer(officer: Option<&Officer>, w: &mut Writer) {
    match officer {
        Some(officer) => officer.write(w.array(2)),
        None => {
            w.null();
        }
    }
}

fn read_officer(r: &mut Reader<'_>) -> Result<Option<Officer>, cbor::Error> {
    if r.null() {
        return Ok(None);
    }
    r.array(2)?;
    Officer::read(r).map(Some)
}

fn write_report(report: Option<Digest>, w: &mut Writer) {
    if let Some(report) = report {
        w.bytes(report.as_bytes());
    }
}

fn read_report(is_there: bool, r: &mut Reader<'_>) -> Result<Option<Digest>, cbor::Error> {
    if is_there { Ok(Some(Digest(r.fixed()?))) } else { Ok(None) }
}

/// An array of `items`, or of one more.
fn one_more_than(items: u64, r: &mut Reader<'_>) -> Result<bool, cbor::Error> {
    match r.array_len()? {
        found if found == items => Ok(false),
        found if found == items + 1 => Ok(true),
        _ => Err(cbor::Error::Length { at: 0 }),
    }
}

impl Recorded for JournalFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        Kind::Notary(match self {
            Self::Validated { service, .. } => service.kind(),
            Self::Recorded(_) => NotaryKind::Act,
            Self::Opened { .. } => NotaryKind::ActOpened,
            Self::Signed { .. } => NotaryKind::ActSigned,
            Self::Assigned { .. } => NotaryKind::ActAssigned,
            Self::Reported { .. } => NotaryKind::ActReport,
            Self::Kept { .. } => NotaryKind::ActDocument,
            Self::Personal { .. } => NotaryKind::ActPersonal,
        })
    }

    fn write_body(&self, w: &mut Writer) {
        match self {
            Self::Validated { id, number, at, service: _, request, requester, subject, serial, granted, report } => {
                w.array(8 + usize::from(report.is_some()))
                    .bytes(id.octets())
                    .uint(*number)
                    .uint(at.millis())
                    .bytes(request.as_bytes());
                write_officer(requester.as_ref(), w);
                w.bytes(subject.as_bytes()).bytes(serial).bool(*granted);
                write_report(*report, w);
            }
            Self::Recorded(recorded) => {
                let RecordedAct {
                    id,
                    number,
                    at,
                    opened_at,
                    act,
                    request,
                    requester,
                    subject,
                    reason,
                    officer,
                    checks,
                    report,
                } = &**recorded;
                w.array(12 + usize::from(report.is_some()))
                    .bytes(id.octets())
                    .uint(*number)
                    .uint(at.millis())
                    .uint(opened_at.millis())
                    .uint(act.code());
                w.bytes(request.as_bytes());
                requester.write(w);
                w.bytes(subject.as_bytes());
                match reason {
                    Some(reason) => w.uint(reason.code()),
                    None => w.null(),
                };
                write_officer(officer.as_ref(), w);
                w.uint(checks.bits());
                write_report(*report, w);
            }
            Self::Opened {
                id,
                number,
                at,
                act,
                request,
                requester,
                subject,
                held,
                signers,
                needs_person,
                expires_at,
                report,
            } => {
                w.array(12 + usize::from(report.is_some()))
                    .bytes(id.octets())
                    .uint(*number)
                    .uint(at.millis())
                    .uint(act.code());
                w.bytes(request.as_bytes());
                requester.write(w);
                w.bytes(subject.as_bytes()).bool(*held);
                write_parties(signers, w);
                w.bool(*needs_person).uint(expires_at.millis());
                write_report(*report, w);
            }
            Self::Signed { id, at, signer, certificate, signature } => {
                w.array(5).bytes(id.octets()).uint(at.millis()).bytes(signer.octets());
                w.bytes(certificate.as_bytes()).bytes(signature.as_bytes());
            }
            Self::Assigned { id, at, officer } => {
                w.array(3).bytes(id.octets()).uint(at.millis());
                write_officer(officer.as_ref(), w);
            }
            Self::Reported { id, at, report } => {
                w.array(3).bytes(id.octets()).uint(at.millis()).bytes(report.as_bytes());
            }
            Self::Kept { id, at, place, document, size } => {
                w.array(5).bytes(id.octets()).uint(at.millis()).uint(*place);
                w.bytes(document.as_bytes()).uint(*size);
            }
            Self::Personal { id, at, of } => {
                // Not in an array of its own, as that is the body of an assignment.
                w.array(4).bytes(id.octets()).uint(at.millis());
                of.write(w);
            }
        }
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        let Kind::Notary(notary_kind) = kind else { return Err(FactError::OtherKind { found: kind }) };
        let other = FactError::OtherKind { found: kind };
        match notary_kind {
            NotaryKind::Ccpd | NotaryKind::Cpd | NotaryKind::Vsd | NotaryKind::Vpkc => {
                let has_report = one_more_than(8, r)?;
                Ok(Self::Validated {
                    service: Service::of_kind(notary_kind).ok_or(other)?,
                    id: r.fixed()?.into(),
                    number: r.uint()?,
                    at: read_time(r)?,
                    request: Digest(r.fixed()?),
                    requester: read_officer(r)?,
                    subject: Digest(r.fixed()?),
                    serial: r.fixed()?,
                    granted: r.bool()?,
                    report: read_report(has_report, r)?,
                })
            }
            NotaryKind::Act => {
                let has_report = one_more_than(12, r)?;
                Ok(Self::Recorded(Box::new(RecordedAct {
                    id: r.fixed()?.into(),
                    number: r.uint()?,
                    at: read_time(r)?,
                    opened_at: read_time(r)?,
                    act: r.code(ActType::from_code)?,
                    request: Digest(r.fixed()?),
                    requester: Officer::read(r)?,
                    subject: Digest(r.fixed()?),
                    reason: if r.null() { None } else { Some(r.code(Reason::from_code)?) },
                    officer: read_officer(r)?,
                    checks: r.code(Checks::from_bits)?,
                    report: read_report(has_report, r)?,
                })))
            }
            NotaryKind::ActOpened => {
                let has_report = one_more_than(12, r)?;
                Ok(Self::Opened {
                    id: r.fixed()?.into(),
                    number: r.uint()?,
                    at: read_time(r)?,
                    act: r.code(ActType::from_code)?,
                    request: Digest(r.fixed()?),
                    requester: Officer::read(r)?,
                    subject: Digest(r.fixed()?),
                    held: r.bool()?,
                    signers: read_parties(r)?,
                    needs_person: r.bool()?,
                    expires_at: read_time(r)?,
                    report: read_report(has_report, r)?,
                })
            }
            NotaryKind::ActSigned => {
                r.array(5)?;
                Ok(Self::Signed {
                    id: r.fixed()?.into(),
                    at: read_time(r)?,
                    signer: r.fixed()?.into(),
                    certificate: Digest(r.fixed()?),
                    signature: Digest(r.fixed()?),
                })
            }
            NotaryKind::ActAssigned => {
                r.array(3)?;
                Ok(Self::Assigned { id: r.fixed()?.into(), at: read_time(r)?, officer: read_officer(r)? })
            }
            NotaryKind::ActReport => {
                r.array(3)?;
                Ok(Self::Reported { id: r.fixed()?.into(), at: read_time(r)?, report: Digest(r.fixed()?) })
            }
            NotaryKind::ActDocument => {
                r.array(5)?;
                Ok(Self::Kept {
                    id: r.fixed()?.into(),
                    at: read_time(r)?,
                    place: r.uint()?,
                    document: Digest(r.fixed()?),
                    size: r.uint()?,
                })
            }
            NotaryKind::ActPersonal => {
                r.array(4)?;
                Ok(Self::Personal { id: r.fixed()?.into(), at: read_time(r)?, of: Officer::read(r)? })
            }
        }
    }
}
