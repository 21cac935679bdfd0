//! What is asked of an application.

use super::fact::{write_keys, write_party};
use super::{RefusalReason, RequestedKey};
use crate::cbor::Writer;
use crate::digest::Digest;
use crate::evidence::codes;
use crate::id::{PartyId, RegistrationId};
use crate::policy::person::Officer;
use crate::timestamp::ClockVerdict;

codes! {
    /// What may be done with an application, by the names that `allowed_actions` has. The numbers stand in digests of events.
    Action {
        /// Apply.
        Apply = 0 "apply",
        /// Record how the identity was proven.
        RecordIdentity = 1 "record_identity",
        /// Approve.
        Approve = 2 "approve",
        /// Refuse.
        Refuse = 3 "refuse",
        /// Withdraw.
        Withdraw = 4 "withdraw",
        /// End it for its age: a timer's affair, offered to nobody.
        Expire = 5 "expire",
    }
}

/// An event of one application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationEvent {
    /// Apply.
    Apply(Box<Apply>),
    /// Record how the identity was proven.
    RecordIdentity(RecordIdentity),
    /// Approve.
    Approve(Box<Approve>),
    /// Refuse.
    Refuse(Refuse),
    /// Withdraw.
    Withdraw(Withdraw),
    /// End it for its age.
    Expire(Expire),
}

/// An application. The shell has verified the requests' signatures and the terms, and looked the keys up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apply {
    /// Its name, drawn at random.
    pub id: RegistrationId,
    /// The keys to be certified.
    pub keys: Vec<RequestedKey>,
    /// SHA-256 of the application document, which is the artefact.
    pub subject: Digest,
    /// The party that applies, if it is registered already and was authenticated.
    pub applicant: Option<PartyId>,
    /// SHA-256 of exactly the statement by which the terms were accepted.
    pub terms: Digest,
    /// How many officers must approve: the most that one of the profiles asks.
    pub officers_needed: u8,
    /// By which certificate it came, if by any.
    pub applied_by: Option<Officer>,
    /// True if a certificate for one of the keys was revoked because the key was compromised.
    pub key_compromised: bool,
    /// True if a certificate was issued or approved for one of the keys, for whomever.
    pub key_taken: bool,
    /// True if the terms were accepted under a name that another party has.
    pub party_taken: bool,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// How the identity was proven. The newest record counts; a new one takes back what was approved on an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordIdentity {
    /// SHA-256 of the record, which is the artefact.
    pub record: Digest,
    /// Who made it.
    pub officer: Officer,
    /// True if the officer's certificate is good at this moment, not only when the request began.
    pub officer_good: bool,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// An officer's approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approve {
    /// Who approves.
    pub officer: Officer,
    /// True if the officer's certificate is good at this moment, not only when the request began.
    pub officer_good: bool,
    /// True if the certificate of whoever approved before was revoked since.
    pub first_revoked: bool,
    /// Content octets of serial numbers, drawn at random: one for each key, used by the last approval.
    pub serials: Vec<[u8; 16]>,
    /// The name under which the terms were accepted, used by the last approval if the applicant is no party yet.
    pub party: PartyId,
    /// True if a certificate was issued or approved for one of the keys since, for whomever.
    pub key_taken: bool,
    /// True if another party has got that name since.
    pub party_taken: bool,
    /// True if the applicant is a party that is suspended.
    pub applicant_suspended: bool,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// An officer's refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refuse {
    /// SHA-256 of the officer's certificate.
    pub officer: Digest,
    /// True if the officer's certificate is good at this moment, not only when the request began.
    pub officer_good: bool,
    /// Why.
    pub reason: RefusalReason,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// The applicant no longer wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdraw {
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

/// A timer: it may be too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expire {
    /// How long an application may be open, seconds.
    pub life_secs: u64,
    /// What the clock component says of the reading that is given as `now`.
    pub clock: ClockVerdict,
}

impl RegistrationEvent {
    /// What it is.
    #[must_use]
    pub const fn action(&self) -> Action {
        match self {
            Self::Apply(_) => Action::Apply,
            Self::RecordIdentity(_) => Action::RecordIdentity,
            Self::Approve(_) => Action::Approve,
            Self::Refuse(_) => Action::Refuse,
            Self::Withdraw(_) => Action::Withdraw,
            Self::Expire(_) => Action::Expire,
        }
    }

    pub(super) fn clock(&self) -> ClockVerdict {
        match self {
            Self::Apply(event) => event.clock,
            Self::RecordIdentity(event) => event.clock,
            Self::Approve(event) => event.clock,
            Self::Refuse(event) => event.clock,
            Self::Withdraw(event) => event.clock,
            Self::Expire(event) => event.clock,
        }
    }

    /// What stands in the fact as `event_digest`: SHA-256 of what was asked, `[action, …]`. What the shell drew or looked up is
    /// no part of it, so that an auditor can make it again from the fact.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut w = Writer::default();
        let action = self.action().code();
        match self {
            Self::Apply(event) => {
                let Apply { id, keys, subject, applicant, terms, officers_needed, applied_by, .. } = &**event;
                w.array(8).uint(action).bytes(id.octets());
                write_keys(keys, &mut w);
                w.bytes(subject.as_bytes());
                write_party(*applicant, &mut w);
                w.bytes(terms.as_bytes()).uint((*officers_needed).into());
                match applied_by {
                    Some(by) => w.bytes(by.certificate.as_bytes()),
                    None => w.null(),
                };
            }
            Self::RecordIdentity(RecordIdentity { record, officer, .. }) => {
                w.array(3).uint(action).bytes(record.as_bytes()).bytes(officer.certificate.as_bytes());
            }
            Self::Approve(event) => {
                w.array(2).uint(action).bytes(event.officer.certificate.as_bytes());
            }
            Self::Refuse(Refuse { officer, reason, .. }) => {
                w.array(3).uint(action).bytes(officer.as_bytes()).uint(reason.code());
            }
            Self::Withdraw(_) => {
                w.array(1).uint(action);
            }
            Self::Expire(Expire { life_secs, .. }) => {
                w.array(2).uint(action).uint(*life_secs);
            }
        }
        Digest::of(&w.finish())
    }
}
