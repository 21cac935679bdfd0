//! Pages of the journal: by number, by period, by document, by who asked or is to sign.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{ControlFlow, Range};

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

/// By what the facts of a query are found: what their names begin with, and the reader of the number in them.
type Index = (Vec<u8>, fn(&[u8]) -> Option<u64>);

/// Most facts that one request reads of an index in vain.
const MISSES_MAX: usize = 10_000;

/// Facts by number and entry.
type Found = BTreeMap<(u64, u64), JournalFact>;

impl Service {
    /// Facts of the journal that gave a number or ended an act, in the order of their numbers. Blocks.
    pub(crate) fn journal_page(&self, query: &JournalQuery) -> Result<JournalPage, ServiceFault> {
        // Numbers are given in the order of time.
        let from = query.from.max(self.first_number_at(query.since)?.unwrap_or(0));
        let end = self.first_number_at(query.until)?.unwrap_or(u64::MAX);
        let numbers = from..end;
        let by_number = (names::journal_from(0)[..1].to_vec(), names::read_journal as fn(&[u8]) -> _);
        let mut found = Found::new();
        // Until where an index was read that had too much in it of others.
        let mut read_to = None;
        match (query.document, query.person) {
            (Some(document), person) => {
                let mut mine = HashMap::new();
                // Of a data validation certificate it is the imprint that is found, by its own hash.
                for subject in [document, Digest::of(document.as_bytes())] {
                    let index = (names::subject(&subject), names::read_numbered as fn(&[u8]) -> _);
                    let wanted = |fact: &JournalFact| match person {
                        Some(person) => self.concerns(fact, person, &mut mine),
                        None => Ok(true),
                    };
                    let stopped = self.collect(&index, &numbers, query.most, wanted, &mut found)?;
                    read_to = [read_to, stopped].into_iter().flatten().min();
                }
            }
            (None, Some(person)) => {
                for prefix in [names::asked_by(&person), names::to_sign(&person)] {
                    self.collect(&(prefix, names::read_numbered), &numbers, query.most, |_| Ok(true), &mut found)?;
                }
                // Who is to sign stands where an act was opened, and not where it ended.
                let to_sign = |fact: &JournalFact| requester(fact).is_none_or(|asked| asked.person != person);
                let acts: BTreeSet<_> =
                    found.iter().filter(|(_, fact)| to_sign(fact)).map(|((number, _), _)| *number).collect();
                for number in acts.into_iter().take(query.most) {
                    let only = number..number.saturating_add(1).min(end);
                    self.collect(&by_number, &only, query.most, |_| Ok(true), &mut found)?;
                }
            }
            (None, None) => drop(self.collect(&by_number, &numbers, query.most, |_| Ok(true), &mut found)?),
        }
        // Each index was read for one number more than is wanted, so that it is known whether there is a next page.
        let mut numbers: Vec<u64> = found.keys().map(|(number, _)| *number).collect();
        numbers.dedup();
        let next = [numbers.get(query.most).copied(), read_to].into_iter().flatten().min();
        let page = found.into_iter().filter(|((number, _), _)| next.is_none_or(|next| *number < next));
        Ok((page.map(|((_, index), fact)| (index, fact)).collect(), next))
    }

    /// Facts of an index that are `wanted`, of these numbers, until there are more numbers than `most`. Gives the number at which it was
    /// given up, where too many were not.
    fn collect(
        &self,
        (prefix, number_of): &Index,
        numbers: &Range<u64>,
        most: usize,
        mut wanted: impl FnMut(&JournalFact) -> Result<bool, ServiceFault>,
        found: &mut Found,
    ) -> Result<Option<u64>, ServiceFault> {
        let (mut count, mut last, mut misses, mut stopped) = (0, None, 0, None);
        let start = names::numbered_from(prefix, numbers.start);
        self.reader().names_from::<ServiceFault>(prefix, &start, |name, index| {
            let Some(number) = number_of(name).filter(|number| *number < numbers.end) else {
                return Ok(ControlFlow::Break(()));
            };
            // A number is never cut in two: whoever reads on begins with a new one.
            if misses >= MISSES_MAX && last != Some(number) {
                stopped = Some(number);
                return Ok(ControlFlow::Break(()));
            }
            let fact: JournalFact = read_fact(&self.reader().fact(index)?.unwrap_or_default())?;
            if !wanted(&fact)? {
                misses += 1;
                return Ok(ControlFlow::Continue(()));
            }
            if last != Some(number) {
                count += 1;
                last = Some(number);
            }
            if count > most + 1 {
                return Ok(ControlFlow::Break(()));
            }
            found.insert((number, index), fact);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(stopped)
    }

    /// Whether this person asked for the act that a fact is of, or is to sign it; `mine` knows it of the acts before.
    fn concerns(
        &self,
        fact: &JournalFact,
        person: Person,
        mine: &mut HashMap<ActId, bool>,
    ) -> Result<bool, ServiceFault> {
        if requester(fact).is_some_and(|asked| asked.person == person) {
            return Ok(true);
        }
        match fact {
            JournalFact::Opened { id, signers, .. } => {
                let signs = matches!(person, Person::Party(party) if signers.contains(&party));
                mine.insert(*id, signs);
                Ok(signs)
            }
            // No other has signers.
            JournalFact::Recorded(recorded) if recorded.act == ActType::Contract => match mine.get(&recorded.id) {
                Some(known) => Ok(*known),
                None => Ok(self.find_act(recorded.id)?.is_some_and(|known| known.is_to_be_signed_by(person))),
            },
            _ => Ok(false),
        }
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
