//! Pages of the journal: by number, by period, by document, by who asked or is to sign.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use semper_ttp::{
    digest::Digest,
    evidence::names,
    id::ActId,
    notary::{ActType, JournalFact},
    policy::person::{Officer, Person},
    time::Timestamp,
};

use super::super::{Service, ServiceFault, act::read_fact};

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JournalQuery {
    /// From this number on.
    pub(crate) from: u64,
    /// At most so many numbers.
    pub(crate) most: usize,
    /// Opened then or later.
    pub(crate) since: Option<Timestamp>,
    /// Opened before then.
    pub(crate) until: Option<Timestamp>,
    /// About the document with this SHA-256.
    pub(crate) document: Option<Digest>,
    /// Asked for by this person, or to be signed by it.
    pub(crate) person: Option<Person>,
}

impl JournalQuery {
    /// By number alone.
    pub(crate) const fn numbers(from: u64, most: usize) -> Self {
        Self { from, most, since: None, until: None, document: None, person: None }
    }

    /// What stands in the access log as what was read.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(format!("{self:?}").as_bytes())
    }
}

/// A page of the journal: facts with their entries, and the number from which the next page begins.
pub(crate) type JournalPage = (Vec<(u64, JournalFact)>, Option<u64>);

/// By what the facts of a query are found, each with the reader of the number in its names.
type Index = (Vec<u8>, fn(&[u8]) -> Option<u64>);

impl Service {
    /// Facts of the journal that gave a number or ended an act, in the order of their numbers. Blocks.
    pub(crate) fn journal_page(&self, query: &JournalQuery) -> Result<JournalPage, ServiceFault> {
        // Numbers are given in the order of time.
        let from = query.from.max(self.first_number_at(query.since)?.unwrap_or(0));
        let end = self.first_number_at(query.until)?.unwrap_or(u64::MAX);
        let indexes: Vec<Index> = match (query.document, query.person) {
            // Of a data validation certificate it is the imprint that is found, by its own hash.
            (Some(document), _) => [document, Digest::of(document.as_bytes())]
                .iter()
                .map(|subject| (names::subject(subject), names::read_numbered as fn(&[u8]) -> _))
                .collect(),
            (None, Some(person)) => {
                let of_person = [names::asked_by(&person), names::to_sign(&person)];
                of_person.map(|prefix| (prefix, names::read_numbered as fn(&[u8]) -> _)).into()
            }
            (None, None) => vec![(names::journal_from(0)[..1].to_vec(), names::read_journal)],
        };
        let mut found: BTreeMap<(u64, u64), JournalFact> = BTreeMap::new();
        for (prefix, number_of) in indexes {
            self.collect((&prefix, &names::numbered_from(&prefix, from)), number_of, end, query, &mut found)?;
        }
        // Who is to sign stands where an act was opened, and not where it ended.
        if query.person.is_some() && query.document.is_none() {
            let numbers: BTreeSet<_> = found.keys().map(|(number, _)| *number).collect();
            for number in numbers {
                let prefix = names::journal_from(number);
                self.collect((&prefix, &prefix), names::read_journal, end, query, &mut found)?;
            }
        }
        // Each index was read for one number more than is wanted, so that it is known whether there is a next page.
        let mut numbers: Vec<u64> = found.keys().map(|(number, _)| *number).collect();
        numbers.dedup();
        let next = numbers.get(query.most).copied();
        let page = found.into_iter().filter(|((number, _), _)| next.is_none_or(|next| *number < next));
        Ok((page.map(|((_, index), fact)| (index, fact)).collect(), next))
    }

    fn collect(
        &self,
        (prefix, start): (&[u8], &[u8]),
        number_of: fn(&[u8]) -> Option<u64>,
        end: u64,
        query: &JournalQuery,
        found: &mut BTreeMap<(u64, u64), JournalFact>,
    ) -> Result<(), ServiceFault> {
        let (mut count, mut last) = (0, None);
        self.reader().names_from::<ServiceFault>(prefix, start, |name, index| {
            let Some(number) = number_of(name).filter(|number| *number < end) else {
                return Ok(ControlFlow::Break(()));
            };
            let fact: JournalFact = read_fact(&self.reader().fact(index)?.unwrap_or_default())?;
            if let Some(person) = query.person
                && !self.concerns(&fact, person)?
            {
                return Ok(ControlFlow::Continue(()));
            }
            // A number is never cut in two: whoever reads on begins with a new one.
            if last != Some(number) {
                count += 1;
                last = Some(number);
            }
            if count > query.most + 1 {
                return Ok(ControlFlow::Break(()));
            }
            found.insert((number, index), fact);
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Whether this person asked for the act that a fact is of, or is to sign it.
    fn concerns(&self, fact: &JournalFact, person: Person) -> Result<bool, ServiceFault> {
        if requester(fact).is_some_and(|asked| asked.person == person) {
            return Ok(true);
        }
        // No other has signers.
        match fact {
            JournalFact::Opened { act: ActType::Contract, id, .. } => Ok(self.is_to_sign(*id, person)?),
            JournalFact::Recorded(recorded) if recorded.act == ActType::Contract => {
                self.is_to_sign(recorded.id, person)
            }
            _ => Ok(false),
        }
    }

    fn is_to_sign(&self, act: ActId, person: Person) -> Result<bool, ServiceFault> {
        Ok(self.find_act(act)?.is_some_and(|known| known.is_to_be_signed_by(person)))
    }

    /// The first number of what was opened then or later; one that is not given yet where there is none.
    fn first_number_at(&self, at: Option<Timestamp>) -> Result<Option<u64>, ServiceFault> {
        let Some(at) = at else { return Ok(None) };
        let (mut low, mut high) = (1, self.journal()?.last + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.opened_at(middle)? {
                Some(opened) if opened < at => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(Some(low))
    }

    /// When the act of this number was opened.
    fn opened_at(&self, number: u64) -> Result<Option<Timestamp>, ServiceFault> {
        let mut opened = None;
        let first = names::journal_from(number);
        self.reader().names_from::<ServiceFault>(&first, &first, |_, index| {
            opened = match read_fact(&self.reader().fact(index)?.unwrap_or_default())? {
                JournalFact::Opened { at, .. } | JournalFact::Validated { at, .. } => Some(at),
                JournalFact::Recorded(recorded) => Some(recorded.opened_at),
                JournalFact::Signed { .. }
                | JournalFact::Assigned { .. }
                | JournalFact::Reported { .. }
                | JournalFact::Kept { .. }
                | JournalFact::Personal { .. } => None,
            };
            Ok(ControlFlow::Break(()))
        })?;
        Ok(opened)
    }
}

/// Who asked for what a fact is of.
pub(super) fn requester(fact: &JournalFact) -> Option<&Officer> {
    match fact {
        JournalFact::Opened { requester, .. } => Some(requester),
        JournalFact::Recorded(recorded) => Some(&recorded.requester),
        JournalFact::Validated { requester, .. } => requester.as_ref(),
        JournalFact::Signed { .. }
        | JournalFact::Assigned { .. }
        | JournalFact::Reported { .. }
        | JournalFact::Kept { .. }
        | JournalFact::Personal { .. } => None,
    }
}
