//! What is asked of a journal.

use std::collections::BTreeSet;

use super::state::write_parties;
use super::{ActType, Checks, Reason, Service};
use crate::cbor::Writer;
use crate::digest::Digest;
use crate::evidence::codes;
use crate::id::{ActId, PartyId};
use crate::policy::person::Officer;
use crate::timestamp::ClockVerdict;

codes! {
    /// What may be asked. The numbers stand in digests of events.
    Action {
        /// Answer a request of RFC 3029.
        Validate = 0 "validate",
        /// Certify what needs nobody.
        Certify = 1 "certify",
        /// Open an act that waits.
        Open = 2 "open",
        /// A signer signs.
        Sign = 3 "sign",
        /// An officer takes an act.
        Take = 4 "take",
        /// An officer gives it back.
        Release = 5 "release",
        /// An officer approves it.
        Approve = 6 "approve",
        /// An officer refuses it.
        Refuse = 7 "refuse",
        /// The requester takes it back.
        Withdraw = 8 "withdraw",
        /// End it for its age: a timer's affair.
        Expire = 9 "expire",
        /// Keep a document.
        Keep = 10 "keep",
        /// Keep what opens commitments.
        KeepPersonal = 11 "keep-personal",
    }
}

/// An event of a journal, with what the clock component says of the reading that is given as `now`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalEvent {
    /// Answer a request of RFC 3029.
    Validate(Box<Validate>),
    /// Certify what needs nobody.
    Certify(Box<Certify>),
    /// Open an act that waits.
    Open(Box<Open>),
    /// A signer signs.
    Sign(Sign),
    /// An officer takes an act.
    Take(Take),
    /// An officer gives it back.
    Release(Release),
    /// An officer approves it.
    Approve(Approve),
    /// An officer refuses it.
    Refuse(Refuse),
    /// The requester takes it back.
    Withdraw(Withdraw),
    /// End it for its age.
    Expire(Expire),
    /// Keep a document.
    Keep(Keep),
    /// Keep what opens commitments.
    KeepPersonal(KeepPersonal),
}

/// A request of RFC 3029 that was read, and whose findings are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validate {
    /// The act's name, drawn at random.
    pub id: ActId,
    /// Which service.
    pub service: Service,
    /// SHA-256 of the request.
    pub request: Digest,
    /// Who asked, if anybody was authenticated.
    pub requester: Option<Officer>,
    /// SHA-256 of what is certified: the imprint's octets of the DVC.
    pub subject: Digest,
    /// Content octets of the DVC's serial number, drawn at random.
    pub serial: [u8; 16],
    /// Whether what was asked holds (RFC 3029 status granted).
    pub granted: bool,
    /// SHA-256 of the report of what was validated: of the services that validate.
    pub report: Option<Digest>,
}

/// An act that the service alone can check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certify {
    /// The act's name, drawn at random.
    pub id: ActId,
    /// What it is to certify.
    pub act: ActType,
    /// SHA-256 of the request.
    pub request: Digest,
    /// Who asked.
    pub requester: Officer,
    /// SHA-256 of the document that it is about.
    pub subject: Digest,
    /// What was found against it.
    pub failed: Option<Reason>,
    /// SHA-256 of the report of what was validated.
    pub report: Option<Digest>,
}

/// An act that waits for signers, for a person, or for both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The act's name, drawn at random.
    pub id: ActId,
    /// What it is to certify.
    pub act: ActType,
    /// SHA-256 of the request.
    pub request: Digest,
    /// Who asked.
    pub requester: Officer,
    /// SHA-256 of the document that it is about.
    pub subject: Digest,
    /// Whether the service held the octets of all documents.
    pub held: bool,
    /// Who is to sign: of a contract only.
    pub signers: BTreeSet<PartyId>,
    /// Whether an officer decides.
    pub needs_person: bool,
    /// How long it may be open, seconds.
    pub life_secs: u64,
    /// SHA-256 of the report of what was validated.
    pub report: Option<Digest>,
}

/// A signature that the shell has validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// Which act.
    pub id: ActId,
    /// Whose it is.
    pub signer: PartyId,
    /// SHA-256 of the signer's certificate.
    pub certificate: Digest,
    /// SHA-256 of the signature as received, which is the artefact.
    pub signature: Digest,
}

/// An officer wants to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Take {
    /// Which act.
    pub id: ActId,
    /// Who.
    pub officer: Officer,
    /// True if the officer's certificate is good at this moment.
    pub officer_good: bool,
}

/// An officer does not want to decide any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// Which act.
    pub id: ActId,
    /// Who.
    pub officer: Officer,
}

/// An officer's approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approve {
    /// Which act.
    pub id: ActId,
    /// Who approves.
    pub officer: Officer,
    /// True if the officer's certificate is good at this moment.
    pub officer_good: bool,
    /// What the officer says to have checked.
    pub checks: Checks,
}

/// An officer's refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refuse {
    /// Which act.
    pub id: ActId,
    /// Who refuses.
    pub officer: Officer,
    /// True if the officer's certificate is good at this moment.
    pub officer_good: bool,
    /// Why.
    pub reason: Reason,
}

/// The requester no longer wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdraw {
    /// Which act.
    pub id: ActId,
    /// Who asks.
    pub by: Officer,
}

/// A timer: it may be too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expire {
    /// Which act.
    pub id: ActId,
}

/// A document that an act is about, sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Which act.
    pub id: ActId,
    /// Its place among the documents of the request, from 0.
    pub place: u64,
    /// SHA-256 of it.
    pub document: Digest,
    /// How many octets it has.
    pub size: u64,
}

/// What opens the commitments of a request, sealed under the key of who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepPersonal {
    /// Which act.
    pub id: ActId,
    /// About whom.
    pub of: Officer,
}

/// An event with the clock's judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clocked {
    /// What is asked.
    pub event: JournalEvent,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

impl JournalEvent {
    /// What it is.
    #[must_use]
    pub const fn action(&self) -> Action {
        match self {
            Self::Validate(_) => Action::Validate,
            Self::Certify(_) => Action::Certify,
            Self::Open(_) => Action::Open,
            Self::Sign(_) => Action::Sign,
            Self::Take(_) => Action::Take,
            Self::Release(_) => Action::Release,
            Self::Approve(_) => Action::Approve,
            Self::Refuse(_) => Action::Refuse,
            Self::Withdraw(_) => Action::Withdraw,
            Self::Expire(_) => Action::Expire,
            Self::Keep(_) => Action::Keep,
            Self::KeepPersonal(_) => Action::KeepPersonal,
        }
    }

    /// The act that it is about.
    #[must_use]
    pub fn act(&self) -> ActId {
        match self {
            Self::Validate(event) => event.id,
            Self::Certify(event) => event.id,
            Self::Open(event) => event.id,
            Self::Sign(event) => event.id,
            Self::Take(event) => event.id,
            Self::Release(event) => event.id,
            Self::Approve(event) => event.id,
            Self::Refuse(event) => event.id,
            Self::Withdraw(event) => event.id,
            Self::Expire(event) => event.id,
            Self::Keep(event) => event.id,
            Self::KeepPersonal(event) => event.id,
        }
    }

    /// What stands in the fact as `event_digest`: SHA-256 of what was asked, `[action, act, …]`. What the shell drew or looked up
    /// is no part of it, so that an auditor can make it again from the fact.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut w = Writer::with_capacity(160);
        let (action, id) = (self.action().code(), self.act());
        let begin = |w: &mut Writer, items: usize| {
            w.array(2 + items).uint(action).bytes(id.octets());
        };
        match self {
            Self::Validate(event) => {
                begin(&mut w, 3);
                w.uint(event.service.code()).bytes(event.request.as_bytes());
                write_certificate(event.requester.as_ref(), &mut w);
            }
            Self::Certify(event) => {
                begin(&mut w, 3);
                w.uint(event.act.code()).bytes(event.request.as_bytes());
                write_certificate(Some(&event.requester), &mut w);
            }
            Self::Open(event) => {
                begin(&mut w, 4);
                w.uint(event.act.code()).bytes(event.request.as_bytes());
                write_certificate(Some(&event.requester), &mut w);
                write_parties(&event.signers, &mut w);
            }
            Self::Sign(event) => {
                begin(&mut w, 2);
                w.bytes(event.signer.octets()).bytes(event.signature.as_bytes());
            }
            Self::Take(Take { officer, .. }) | Self::Release(Release { officer, .. }) => {
                begin(&mut w, 1);
                write_certificate(Some(officer), &mut w);
            }
            Self::Approve(Approve { officer, checks, .. }) => {
                begin(&mut w, 2);
                write_certificate(Some(officer), &mut w);
                w.uint(checks.bits());
            }
            Self::Refuse(Refuse { officer, reason, .. }) => {
                begin(&mut w, 2);
                write_certificate(Some(officer), &mut w);
                w.uint(reason.code());
            }
            Self::Withdraw(Withdraw { by, .. }) => {
                begin(&mut w, 1);
                write_certificate(Some(by), &mut w);
            }
            Self::Expire(_) => begin(&mut w, 0),
            Self::Keep(event) => {
                begin(&mut w, 2);
                w.uint(event.place).bytes(event.document.as_bytes());
            }
            Self::KeepPersonal(event) => {
                begin(&mut w, 1);
                write_certificate(Some(&event.of), &mut w);
            }
        }
        Digest::of(&w.finish())
    }
}

fn write_certificate(who: Option<&Officer>, w: &mut Writer) {
    match who {
        Some(officer) => w.bytes(officer.certificate.as_bytes()),
        None => w.null(),
    };
}
