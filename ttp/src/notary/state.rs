//! What is known of a journal: how many numbers it has given, and the acts that are still open.

use std::collections::{BTreeMap, BTreeSet};

use super::{ActType, NotaryRefusal};
use crate::cbor::{self, Reader, Writer};
use crate::digest::Digest;
use crate::evidence::read_time;
use crate::id::{ActId, PartyId};
use crate::policy::person::Officer;
use crate::time::Timestamp;

/// The most acts that wait at once: the state is written with every turn.
pub const OPEN_MAX: usize = 1_000;

/// The most signers of one contract.
pub const SIGNERS_MAX: usize = 16;

/// The state of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalState {
    /// The number given last; the first act has 1.
    pub last: u64,
    /// Acts that have a number and no outcome yet.
    pub open: BTreeMap<ActId, OpenAct>,
}

/// An act that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAct {
    /// Its number.
    pub number: u64,
    /// When it was opened.
    pub at: Timestamp,
    /// Until when it is open.
    pub expires_at: Timestamp,
    /// What it is to certify.
    pub act: ActType,
    /// Who asked.
    pub requester: Officer,
    /// SHA-256 of the request.
    pub request: Digest,
    /// SHA-256 of the document that it is about.
    pub subject: Digest,
    /// All who are to sign.
    pub signers: BTreeSet<PartyId>,
    /// Those of them who have not yet.
    pub missing: BTreeSet<PartyId>,
    /// Whether an officer decides.
    pub needs_person: bool,
    /// SHA-256 of the report of what was validated.
    pub report: Option<Digest>,
    /// Who does.
    pub taken: Option<(Officer, Timestamp)>,
}

/// What an open act waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Signers.
    Collecting,
    /// An officer who takes it.
    Waiting,
    /// The officer who took it.
    Taken,
}

impl Stage {
    /// As answers have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Collecting => "collecting",
            Self::Waiting => "waiting",
            Self::Taken => "taken",
        }
    }
}

impl OpenAct {
    /// What it waits for.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.taken {
            _ if !self.missing.is_empty() => Stage::Collecting,
            None => Stage::Waiting,
            Some(_) => Stage::Taken,
        }
    }

    /// Whether this person has a part in it: then it does not decide about it.
    #[must_use]
    pub fn concerns(&self, officer: &Officer) -> bool {
        let signs = |party| self.signers.contains(&party);
        self.requester.is(officer)
            || matches!(officer.person, crate::policy::person::Person::Party(party) if signs(party))
    }

    fn write(&self, w: &mut Writer) {
        let Self {
            number,
            at,
            expires_at,
            act,
            requester,
            request,
            subject,
            signers,
            missing,
            needs_person,
            report,
            taken,
        } = self;
        w.array(if taken.is_some() { 15 } else { 13 }).uint(*number).uint(at.millis()).uint(expires_at.millis());
        w.uint(act.code());
        requester.write(w);
        w.bytes(request.as_bytes()).bytes(subject.as_bytes());
        write_parties(signers, w);
        write_parties(missing, w);
        w.bool(*needs_person);
        match report {
            Some(report) => w.bytes(report.as_bytes()),
            None => w.null(),
        };
        match taken {
            Some((officer, at)) => {
                officer.write(w);
                w.uint(at.millis());
            }
            None => {
                w.null();
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, cbor::Error> {
        let items = r.array_len()?;
        let (number, at, expires_at) = (r.uint()?, read_time(r)?, read_time(r)?);
        let act = r.code(ActType::from_code)?;
        let requester = Officer::read(r)?;
        let (request, subject) = (Digest(r.fixed()?), Digest(r.fixed()?));
        let (signers, missing) = (read_parties(r)?, read_parties(r)?);
        let needs_person = r.bool()?;
        let report = if r.null() { None } else { Some(Digest(r.fixed()?)) };
        let taken = if r.null() { None } else { Some((Officer::read(r)?, read_time(r)?)) };
        if items != if taken.is_some() { 15 } else { 13 } {
            return Err(cbor::Error::Length { at: 0 });
        }
        Ok(Self {
            number,
            at,
            expires_at,
            act,
            requester,
            request,
            subject,
            signers,
            missing,
            needs_person,
            report,
            taken,
        })
    }
}

pub(super) fn write_parties(parties: &BTreeSet<PartyId>, w: &mut Writer) {
    w.array(parties.len());
    for party in parties {
        w.bytes(party.octets());
    }
}

/// In their order, each once.
pub(super) fn read_parties(r: &mut Reader<'_>) -> Result<BTreeSet<PartyId>, cbor::Error> {
    let len = r.array_len()?;
    if len > SIGNERS_MAX as u64 {
        return Err(cbor::Error::Length { at: 0 });
    }
    let mut parties = BTreeSet::new();
    for _ in 0..len {
        let party: PartyId = r.fixed()?.into();
        if parties.last().is_some_and(|last| *last >= party) {
            return Err(cbor::Error::NotDeterministic { at: 0 });
        }
        parties.insert(party);
    }
    Ok(parties)
}

impl JournalState {
    /// An act that is open.
    pub(super) fn find(&self, act: ActId) -> Result<&OpenAct, NotaryRefusal> {
        self.open.get(&act).ok_or(NotaryRefusal::NotOpen)
    }

    /// As the snapshot has it: `[last, [[act, …]…]]`.
    pub(super) fn write(&self, w: &mut Writer) {
        w.array(2).uint(self.last).array(self.open.len());
        for (id, act) in &self.open {
            w.array(2).bytes(id.octets());
            act.write(w);
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, cbor::Error> {
        r.array(2)?;
        let last = r.uint()?;
        let mut open = BTreeMap::new();
        for _ in 0..r.array_len()? {
            r.array(2)?;
            open.insert(r.fixed()?.into(), OpenAct::read(r)?);
        }
        Ok(Self { last, open })
    }
}
