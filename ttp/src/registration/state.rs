//! What is known of one application.

use super::event::Action;
use super::{RefusalReason, RefusedBy, RegistrationRefusal, RequestedKey};
use crate::ca::profile::ProfileCode;
use crate::digest::Digest;
use crate::id::{PartyId, RegistrationId};
use crate::policy::person::{Officer, Person};
use crate::time::Timestamp;

/// The state of one application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RegistrationState {
    /// Nobody has applied.
    #[default]
    None,
    /// Open, and the identity was not proven yet.
    Applied(Application),
    /// Open, with a record of how the identity was proven.
    Identified(Application, Identity),
    /// Open: one officer approved this record, and another one has to.
    ApprovedByOne {
        /// What is asked for.
        application: Application,
        /// What the officer saw.
        identity: Identity,
        /// Who approved.
        officer: Officer,
    },
    /// Approved in full.
    Approved(Application, Approval),
    /// Refused, withdrawn or expired.
    Refused(Application, Rejection),
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its name.
    pub id: RegistrationId,
    /// When it came.
    pub at: Timestamp,
    /// The keys to be certified, one to four.
    pub keys: Vec<RequestedKey>,
    /// SHA-256 of the application document.
    pub subject: Digest,
    /// The party that applies, if it is registered already.
    pub applicant: Option<PartyId>,
    /// SHA-256 of the statement by which the terms were accepted.
    pub terms: Digest,
    /// How many officers must approve, one or two.
    pub officers_needed: u8,
    /// By which certificate it came, if by any.
    pub applied_by: Option<Officer>,
}

impl Application {
    /// True if it asks for certificates of officers and operators only.
    #[must_use]
    pub fn is_of_staff(&self) -> bool {
        let staff = [ProfileCode::Officer.code(), ProfileCode::Operator.code()];
        self.keys.iter().all(|key| staff.contains(&key.class))
    }

    /// Whether an officer would decide about itself: whoever applies with a certificate applies for itself.
    #[must_use]
    pub fn is_of(&self, officer: &Officer) -> bool {
        self.applied_by.is_some_and(|by| by.is(officer))
            || self.applicant.is_some_and(|party| officer.person == Person::Party(party))
    }
}

/// The newest record of how the identity was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// When it was made.
    pub at: Timestamp,
    /// SHA-256 of the record.
    pub record: Digest,
    /// Who made it.
    pub officer: Officer,
}

/// The approval of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// When.
    pub at: Timestamp,
    /// Who completed it.
    pub officer: Officer,
    /// Content octets of the serial numbers, one for each key in their order.
    pub serials: Vec<[u8; 16]>,
    /// Whose certificates they are.
    pub party: PartyId,
}

/// The end of an application without certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: RefusalReason,
    /// Who or what ended it.
    pub by: RefusedBy,
}

impl RegistrationState {
    /// What is asked for, once somebody did.
    #[must_use]
    pub const fn application(&self) -> Option<&Application> {
        match self {
            Self::None => None,
            Self::Applied(application)
            | Self::Identified(application, _)
            | Self::ApprovedByOne { application, .. }
            | Self::Approved(application, _)
            | Self::Refused(application, _) => Some(application),
        }
    }

    /// How it was approved, if it was.
    #[must_use]
    pub const fn approval(&self) -> Option<&Approval> {
        match self {
            Self::Approved(_, approval) => Some(approval),
            Self::None | Self::Applied(_) | Self::Identified(..) | Self::ApprovedByOne { .. } | Self::Refused(..) => {
                None
            }
        }
    }

    /// What may be done next, by whoever may do it: what `decide` would not refuse for the state alone.
    #[must_use]
    pub fn allowed(&self) -> Vec<Action> {
        Action::ALL.iter().copied().filter(|action| self.guard(*action).is_ok()).collect()
    }

    /// Whether an action has a place in this state.
    pub(super) const fn guard(&self, action: Action) -> Result<(), RegistrationRefusal> {
        match (self, action) {
            (Self::None, Action::Apply)
            | (Self::Applied(_), Action::RecordIdentity | Action::Refuse | Action::Withdraw | Action::Expire)
            | (
                Self::Identified(..) | Self::ApprovedByOne { .. },
                Action::RecordIdentity | Action::Approve | Action::Refuse | Action::Withdraw | Action::Expire,
            ) => Ok(()),
            (Self::None, _) => Err(RegistrationRefusal::NotApplied),
            (Self::Applied(_), Action::Approve) => Err(RegistrationRefusal::NoIdentity),
            (Self::Approved(_, approval), _) => Err(RegistrationRefusal::Approved { at: approval.at }),
            (Self::Refused(_, end), _) => Err(RegistrationRefusal::Refused { at: end.at, reason: end.reason }),
            (Self::Applied(_) | Self::Identified(..) | Self::ApprovedByOne { .. }, Action::Apply) => {
                Err(RegistrationRefusal::AlreadyApplied)
            }
        }
    }
}
