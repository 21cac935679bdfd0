//! Reading the journal.

use semper_ttp::{
    evidence::names,
    id::{ActId, PartyId},
    notary::{Journal, JournalFact, JournalState, OpenAct, RecordedAct, request::ActRequest},
    policy::person::{Officer, Person},
};

use super::{
    super::{Service, ServiceFault, act::read_fact, load},
    search::requester,
};

/// An act as the ledger knows it.
#[derive(Clone, Debug)]
pub struct KnownAct {
    /// Its facts with their entries, oldest first.
    pub facts: Vec<(u64, JournalFact)>,
}

impl KnownAct {
    /// Its end, with the entry of it.
    #[must_use]
    pub fn recorded(&self) -> Option<(u64, &RecordedAct)> {
        self.facts.iter().find_map(|(index, fact)| match fact {
            JournalFact::Recorded(recorded) => Some((*index, &**recorded)),
            _ => None,
        })
    }

    /// The data validation certificate that it is, with its entry.
    #[must_use]
    pub fn validated(&self) -> Option<&(u64, JournalFact)> {
        self.facts.iter().find(|(_, fact)| matches!(fact, JournalFact::Validated { .. }))
    }

    /// The entry of what a validation gave.
    #[must_use]
    pub fn report(&self) -> Option<u64> {
        self.facts.iter().find(|(_, fact)| matches!(fact, JournalFact::Reported { .. })).map(|(index, _)| *index)
    }

    /// Who asked for it.
    #[must_use]
    pub fn requester(&self) -> Option<&Officer> {
        self.facts.iter().find_map(|(_, fact)| requester(fact))
    }

    /// Whether this person asked for it.
    #[must_use]
    pub fn is_by(&self, officer: &Officer) -> bool {
        self.requester().is_some_and(|requester| requester.is(officer))
    }

    /// Whether this person asked for it, or is to sign.
    #[must_use]
    pub fn is_of(&self, officer: &Officer) -> bool {
        self.is_to_be_signed_by(officer.person) || self.is_by(officer)
    }

    /// Whether this person is to sign it.
    #[must_use]
    pub fn is_to_be_signed_by(&self, person: Person) -> bool {
        self.signers().any(|signer| person == Person::Party(signer))
    }

    /// Who is to sign it, whether they have or not.
    pub fn signers(&self) -> impl Iterator<Item = PartyId> {
        let of_opened = |(_, fact): &(u64, JournalFact)| match fact {
            JournalFact::Opened { signers, .. } => Some(signers.clone()),
            _ => None,
        };
        self.facts.iter().find_map(of_opened).unwrap_or_default().into_iter()
    }
}

impl Service {
    /// The entries of an act's facts, oldest first.
    pub(super) fn indexes_of_act(&self, act: ActId) -> Result<Vec<u64>, ServiceFault> {
        Ok(self.reader().indexes(&names::act(act))?)
    }

    /// An act, if there is one of this name.
    pub(crate) fn find_act(&self, act: ActId) -> Result<Option<KnownAct>, ServiceFault> {
        let mut facts = Vec::new();
        for index in self.indexes_of_act(act)? {
            facts.push((index, read_fact(&self.reader().fact(index)?.unwrap_or_default())?));
        }
        Ok((!facts.is_empty()).then_some(KnownAct { facts }))
    }

    /// What was asked of an act that was opened; of one that was certified at once the request is not kept, nor is it once it was erased.
    pub(crate) fn request_of(&self, known: &KnownAct) -> Result<Option<ActRequest>, ServiceFault> {
        let opened = known.facts.iter().find(|(_, fact)| matches!(fact, JournalFact::Opened { .. }));
        let Some((index, _)) = opened else { return Ok(None) };
        Ok(self.reader().artefact(*index)?.and_then(|bytes| ActRequest::parse(&bytes).ok()))
    }

    /// The acts that wait, in the order of their numbers.
    pub(crate) fn open_acts(&self) -> Result<Vec<(ActId, OpenAct)>, ServiceFault> {
        let mut open: Vec<_> = self.journal()?.open.into_iter().collect();
        open.sort_by_key(|(_, act)| act.number);
        Ok(open)
    }

    /// The journal's state as the last turn has left it.
    pub(crate) fn journal(&self) -> Result<JournalState, ServiceFault> {
        Ok(load::<Journal>(self.reader(), &Journal::aggregate())?.state)
    }
}
