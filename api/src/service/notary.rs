//! The notary: its two keys and what they may sign, its journal, in which one turn after the other decides.
//!
//! ```text
//! request → Job → turn (journal.rs): decide all on one state with one `now` → sign → one commit → answers
//! ```
//!
//! The journal is one history, so its numbers follow each other; that it takes thousands of acts a second is the turns' doing.

mod act;
mod dvcs;
mod evidence;
mod extract;
mod find;
mod gauges;
mod journal;
mod judging;
mod keep;
pub(crate) mod line;
mod record;
mod search;
mod turn;

use std::collections::BTreeSet;
use std::sync::Arc;

use semper_ledger::sequencer::Refused;
use semper_ttp::{
    crypto::{SignError, Signer},
    evidence::KeyId,
    notary::{ActType, Checks, NotaryRefusal, Outcome},
    statement::StatementFault,
    time::Timestamp,
};
use tokio::sync::Semaphore;

use self::journal::Waiting;
pub(crate) use self::{
    act::Came,
    journal::{DvcParts, Job, Making, SealedDocument},
    keep::Opened,
    record::{OfficersWord, RecordParts},
    search::JournalQuery,
};
pub use self::{dvcs::DvcsSettings, find::KnownAct};
use super::{SealFault, Service, ServiceFault, act::Repetition};
use crate::body::Room;

/// What stands around a document in a request, at most: signature and certificates, or the act that is asked for.
const AROUND_BYTES: usize = 64 << 10;

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
    /// The longest document that is taken, octets.
    pub document_bytes_max: usize,
    /// How many octets of documents are taken at once.
    pub documents_in_flight_bytes: usize,
}

impl NotarySettings {
    /// Whether an act of this kind waits for an officer: by these settings, or since only a person sees what it certifies.
    pub(crate) fn officer_decides(&self, kind: ActType) -> bool {
        self.needs_person.contains(&kind) || kind.needs() != Checks::none()
    }
}

/// The same within the service.
pub(crate) struct Notary {
    pub(crate) settings: NotarySettings,
    waiting: Waiting,
    /// One permit for each core: judging computes.
    judging: Arc<Semaphore>,
    /// For documents as they come, and in JSON.
    pub(crate) rooms: Rooms,
}

/// Where documents are taken.
pub(crate) struct Rooms {
    /// As they are.
    pub(crate) plain: Room,
    /// In base64, with what stands around it.
    pub(crate) json: Room,
}

impl From<NotarySettings> for Notary {
    fn from(settings: NotarySettings) -> Self {
        let waiting = Waiting::new(settings.queue_max);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let in_base64 = |bytes: usize| bytes.div_ceil(3) * 4;
        let (one, all) = (settings.document_bytes_max, settings.documents_in_flight_bytes);
        let rooms = Rooms {
            plain: Room::new(one + AROUND_BYTES, all),
            json: Room::new(in_base64(one) + AROUND_BYTES, in_base64(all)),
        };
        Self { settings, waiting, judging: Arc::new(Semaphore::new(cores)), rooms }
    }
}

impl Drop for Notary {
    fn drop(&mut self) {
        self.waiting.close();
    }
}

impl Service {
    /// Where documents are taken, if this is a notary.
    pub(crate) fn rooms(&self) -> Option<&Rooms> {
        self.notary.as_ref().map(|notary| &notary.rooms)
    }
}

/// Why nothing was entered into the journal.
#[derive(Debug, thiserror::Error)]
pub enum NotaryFault {
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] NotaryRefusal),
    /// The act is not open any more.
    #[error("the act has ended: {} on {at}", .outcome.name())]
    Ended {
        /// How.
        outcome: Outcome,
        /// When.
        at: Timestamp,
    },
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
    /// What is asked for needs more, or something else.
    #[error("{0}")]
    Request(&'static str),
    /// A number that no act has yet.
    #[error("the journal's last number is {last}")]
    NotGiven {
        /// The last one that was given.
        last: u64,
    },
    /// What is kept sealed.
    #[error(transparent)]
    Seal(#[from] SealFault),
    /// What was kept, and is gone.
    #[error("it was erased")]
    Erased,
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
