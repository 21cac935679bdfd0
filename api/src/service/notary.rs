//! The notary: its two keys and what they may sign, its journal, in which one turn after the other decides.
//!
//! ```text
//! request → Job → turn (journal.rs): decide all on one state with one `now` → sign → one commit → answers
//! ```
//!
//! The journal is one history, so its numbers follow each other; that it takes thousands of acts a second is the turns' doing.

mod act;
mod desk;
mod dvcs;
mod find;
mod journal;
mod record;

use std::collections::BTreeSet;
use std::sync::Arc;

use semper_ledger::sequencer::Refused;
use semper_ttp::{
    crypto::{SignError, Signer},
    evidence::KeyId,
    notary::{ActType, NotaryRefusal},
    statement::StatementFault,
};

pub(super) use self::desk::NotaryKey;
use self::{desk::Desks, journal::Waiting};
pub use self::{dvcs::DvcsSettings, find::KnownAct};
pub(crate) use self::{
    journal::{Job, Making},
    record::{OfficersWord, RecordParts},
};
use super::{ServiceFault, act::Repetition};

/// What a notary rests on.
pub struct NotaryParts {
    /// The key that signs records of acts.
    pub act: (KeyId, Arc<dyn Signer>),
    /// The key that signs data validation certificates.
    pub dvcs: (KeyId, Arc<dyn Signer>),
    /// What it does how.
    pub settings: NotarySettings,
}

/// What a notary does how.
#[derive(Clone, Debug)]
pub struct NotarySettings {
    /// Acts that wait for an officer.
    pub needs_person: BTreeSet<ActType>,
    /// Requests of RFC 3029.
    pub dvcs: DvcsSettings,
    /// How long an act may be open, seconds.
    pub life_secs: u64,
    /// Jobs that may wait for their turn.
    pub queue_max: usize,
}

/// The same within the service.
pub(crate) struct Notary {
    pub(super) desks: Desks,
    pub(crate) settings: NotarySettings,
    waiting: Waiting,
}

impl From<NotaryParts> for Notary {
    fn from(NotaryParts { act, dvcs, settings }: NotaryParts) -> Self {
        let waiting = Waiting::new(settings.queue_max);
        Self { desks: Desks::new(act, dvcs), settings, waiting }
    }
}

impl Drop for Notary {
    fn drop(&mut self) {
        self.waiting.close();
    }
}

/// Why nothing was entered into the journal.
#[derive(Debug, thiserror::Error)]
pub enum NotaryFault {
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] NotaryRefusal),
    /// This service is no notary.
    #[error("this service is no notary")]
    NoNotary,
    /// Its keys have no certificates yet: the clock is in doubt, or the policies of this start are not in the ledger.
    #[error("the notary's keys have no certificates yet")]
    NotReady,
    /// The key under which a repetition would be known belongs to another request.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// Too much waits.
    #[error("too many acts are waiting")]
    Busy,
    /// What was to be certified cannot stand in a record: the documents' names, or too many of them.
    #[error("the record of the act: {0}")]
    Record(#[from] StatementFault),
    /// A signer's statement.
    #[error("{0}")]
    Signature(String),
    /// Somebody who is to sign cannot.
    #[error("{0}")]
    Signer(String),
    /// What this service does not certify.
    #[error("this service certifies no {}", .0.name())]
    Kind(ActType),
    /// The service itself.
    #[error(transparent)]
    Fault(#[from] ServiceFault),
}

impl From<semper_ledger::store::Fault> for NotaryFault {
    fn from(fault: semper_ledger::store::Fault) -> Self {
        Self::Fault(fault.into())
    }
}

impl From<SignError> for NotaryFault {
    fn from(error: SignError) -> Self {
        Self::Fault(ServiceFault::Signing(error.to_string()))
    }
}

impl From<Refused> for NotaryFault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Self::Busy,
            refused => Self::Fault(refused.into()),
        }
    }
}

impl From<Repetition> for NotaryFault {
    fn from(repetition: Repetition) -> Self {
        match repetition {
            Repetition::KeyReused => Self::KeyReused,
            Repetition::Fault(fault) => Self::Fault(fault),
        }
    }
}
