//! The notary: acts in one journal whose numbers have no gaps.
//!
//! Three ways lead to a number:
//!
//! ```text
//! Validate  a request of RFC 3029 ──────────────────────────────────▶ Validated      a DVC, signed and numbered
//! Certify   what the service alone can check ───────────────────────▶ Recorded       an act record, signed
//! Open      what waits ─▶ Opened ─▶ Sign… ─▶ Take ─▶ Approve / Refuse ─▶ Recorded     for signers, or for a person
//! ```
//!
//! A number is given when an act is opened, and never twice: whoever opens an act and lets it vanish has a number without an
//! outcome in its journal. Every act ends in one record (`notary/act`, [`record`]): performed, refused with a reason, or aborted. The
//! record of a DVC is the DVC itself.
//!
//! In scope: numbering, who may do what with an open act, what must be there before anything is certified. Out of scope: validating
//! signatures and certificates ([`crate::validation`], [`crate::path`]), whose findings come in the events; names and documents of
//! people, which the shell keeps apart, so that they can be erased; the formats of RFC 3029 ([`dvcs`]).

mod apply;
mod code;
mod decide;
pub mod dvcs;
mod event;
mod fact;
pub mod personal;
mod refusal;
pub mod request;
mod state;

pub use code::{ActType, Checks, OfficerCheck, Outcome, Reason, Service};
pub use event::{
    Action, Approve, Certify, Clocked, Expire, JournalEvent, Keep, KeepPersonal, Open, Refuse, Release, Sign, Take,
    Validate, Withdraw,
};
pub use fact::{JournalFact, RecordedAct};
pub use refusal::NotaryRefusal;
pub use state::{JournalState, OPEN_MAX, OpenAct, SIGNERS_MAX, Stage};

use semper_ledger::entry::{Tag, TagSpace};

use crate::cbor::{self, Reader, Writer};
use crate::digest::Digest;
use crate::evidence::Aggregate;
use crate::id::ActId;
use crate::role::{Decided, Folded, Role};
use crate::time::Timestamp;

/// The role that decides about one notary's journal.
#[derive(Clone, Copy, Debug)]
pub struct Journal;

impl Journal {
    /// The history of the journal of this ledger's notary.
    #[must_use]
    pub fn aggregate() -> Aggregate {
        Aggregate::of("notary", b"journal")
    }
}

/// The tag of an act's outcome (space decision): whoever holds its record knows it, and a second outcome would bear it, too.
#[must_use]
pub fn tag_of_act(act: ActId) -> Tag {
    decision(b"semper/notary-act/v1\0", act.octets())
}

/// The same of a data validation certificate, by the content octets of its serial number.
#[must_use]
pub fn tag_of_dvc(serial: &[u8]) -> Tag {
    decision(b"semper/dvc/v1\0", serial)
}

fn decision(space: &[u8], subject: &[u8]) -> Tag {
    Tag::new(TagSpace::Decision, Digest::of(&[space, subject].concat()).as_bytes(), 0)
}

/// Journal number and 128 random bits, as a DVC's serial number; `None` from 2^31 on.
#[must_use]
pub fn dvc_serial(number: u64, random: [u8; 16]) -> Option<dvcs::DvcSerial> {
    dvcs::DvcSerial::new(u32::try_from(number).ok()?, random)
}

/// The journal number in a DVC's serial number, by its content octets; `None` of one that is not of that form.
#[must_use]
pub fn number_of_dvc(serial: &[u8]) -> Option<u64> {
    let number = serial.len().checked_sub(16).filter(|octets| (1..=4).contains(octets) && serial[0] < 0x80)?;
    Some(serial[..number].iter().fold(0, |number, octet| number << 8 | u64::from(*octet))).filter(|number| *number != 0)
}

impl JournalFact {
    /// The tag of its entry: of whatever is decided once.
    #[must_use]
    pub fn tag(&self) -> Option<Tag> {
        match self {
            Self::Validated { number, serial, .. } => {
                dvc_serial(*number, *serial).map(|serial| tag_of_dvc(&serial.content()))
            }
            Self::Recorded(recorded) => Some(tag_of_act(recorded.id)),
            Self::Opened { .. }
            | Self::Signed { .. }
            | Self::Assigned { .. }
            | Self::Reported { .. }
            | Self::Kept { .. }
            | Self::Personal { .. } => None,
        }
    }
}

/// What the shell must do for a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalEffect {
    /// Sign the data validation certificate.
    SignDvc,
    /// Sign the record of the act.
    SignRecord,
    /// Nothing: the report is the artefact.
    KeepReport,
    /// Seal what is kept.
    Seal,
    /// Nothing: what was received is the artefact.
    Keep,
}

impl Role for Journal {
    type State = JournalState;
    type Event = Clocked;
    type Fact = JournalFact;
    /// One for each fact, in their order.
    type Effect = JournalEffect;
    type Refusal = NotaryRefusal;

    fn decide(state: &JournalState, event: &Clocked, now: Timestamp) -> Result<Decided<Self>, NotaryRefusal> {
        decide::decide(state, event, now)
    }

    fn apply(state: &mut JournalState, fact: &JournalFact) {
        apply::apply(state, fact);
    }
}

impl Folded for Journal {
    const STATE_VERSION: u64 = 2;

    fn write_state(state: &JournalState, writer: &mut Writer) {
        state.write(writer);
    }

    fn read_state(reader: &mut Reader<'_>) -> Result<JournalState, cbor::Error> {
        JournalState::read(reader)
    }
}
