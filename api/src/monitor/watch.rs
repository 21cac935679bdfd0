//! The lists of digests, and which entries stand against them.
//!
//! A watched entry stands as long as its digest is in the list of watched ones, an unknown one until its digest is in the list
//! of known ones. Whenever a list is another than the one with which the entries were compared last, all of them are compared
//! again, by what is kept of them ([`super::past`]); that costs less than to read the list did. Out of scope: when a list
//! is read, and where it is told what stands (`ops`).

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use semper_ledger::merkle::{Hash, sha256};
use semper_ttp::evidence;
use serde::{Deserialize, Serialize};

use super::{
    notice::{Noted, Notice, Over},
    past::{Past, Row, Unshown, What},
};

/// Entries that may wait for their line in the list of known ones; beyond, the oldest counts as unknown at once.
const WAITING_MAX: usize = 4_096;

/// Entries of a sort that are told each by itself, the oldest; the rest is told as a number. Their memory is written
/// whole at every save, so it must not grow with what somebody else writes into the log.
const STANDING_MAX: usize = 100;

/// Digests with what stands behind each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    names: HashMap<Hash, String>,
    /// SHA-256 of the text.
    of: Hash,
}

/// A line of a list of digests that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0} does not begin with 64 hexadecimal digits and end there or at a space")]
pub struct BadList(pub usize);

impl Digests {
    /// Reads a list: one digest a line, in hexadecimal, and behind a space whatever names it, as `sha256sum` prints it. Empty
    /// lines and `#` comments are passed over.
    ///
    /// # Errors
    /// [`BadList`].
    pub fn parse(text: &str) -> Result<Self, BadList> {
        let mut names = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (digest, name) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            let mut hash = [0; 32];
            hex::decode_to_slice(digest, &mut hash).map_err(|_| BadList(number + 1))?;
            // It will be shown on terminals. `sha256sum -b` puts a star before the name.
            let name = name.trim().trim_start_matches('*').chars().filter(|c| !c.is_control()).collect();
            names.insert(hash, name);
        }
        Ok(Self { names, of: sha256(text.as_bytes()) })
    }
}

/// Which entries must be known.
#[derive(Clone, Debug)]
pub struct Known {
    /// Those of these kinds; empty for all of a stranger's log, and in one of ours for all but what a service writes of
    /// itself (roles `ledger` and `ops`).
    pub kinds: HashSet<evidence::Kind>,
    /// How long an entry may stand in the log before its line is in the list, milliseconds.
    pub grace_ms: u64,
}

impl Known {
    fn concerns(&self, what: What) -> bool {
        match what {
            What::Entry(Some(evidence::Kind::Ledger(_) | evidence::Kind::Ops(_)), _) if self.kinds.is_empty() => false,
            What::Entry(Some(kind), _) => self.kinds.is_empty() || self.kinds.contains(&kind),
            // A kind or an entry of a later version, too: rather one alarm too many.
            What::Entry(None, _) | What::Newer(_) | What::Other => self.kinds.is_empty(),
        }
    }
}

/// Compares what is read with the lists.
#[derive(Debug)]
pub struct Watch {
    watched: Digests,
    known: Option<Known>,
    list: Digests,
    /// What is kept of old entries must be compared before anything is told.
    looks_back: bool,
    notes: Notes,
    told: Told,
    /// What was told, and is over.
    over: Vec<Over>,
}

/// What this process has told; after a start everything that stands is told again.
#[derive(Debug, Default)]
struct Told {
    watched: HashSet<u64>,
    watched_more: u64,
    unknown: HashSet<u64>,
    unknown_more: u64,
}

/// What is saved with the entries that were compared. Reaches disk; one that does not read is made anew from the past.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Notes {
    /// The lists with which everything was compared.
    lists: Hash,
    /// Entries that are not in the list yet, in order, and since when they wait.
    waiting: VecDeque<(Noted, Option<u64>)>,
    watched: Standing,
    unknown: Standing,
    newer: Newer,
}

/// Entries of one sort.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    /// By their places; at most [`STANDING_MAX`].
    first: BTreeMap<u64, Noted>,
    /// How many there are besides.
    more: u64,
    /// The place behind the last of all.
    end: u64,
}

impl Standing {
    fn add(&mut self, noted: Noted) {
        self.end = self.end.max(noted.index + 1);
        if self.first.len() < STANDING_MAX {
            self.first.insert(noted.index, noted);
        } else {
            self.more += 1;
        }
    }
}

/// Entries of versions that this program does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Newer {
    count: u64,
    /// The place of the first, and its version.
    first: u64,
    version: u64,
    /// The place behind the last.
    end: u64,
}

impl Watch {
    /// With the digests to watch for, and which entries must be known.
    #[must_use]
    pub fn new(watched: Digests, known: Option<Known>) -> Self {
        let (list, notes, told, over) = Default::default();
        Self { watched, known, list, looks_back: true, notes, told, over }
    }

    /// The list of known digests as it is now.
    pub fn know(&mut self, list: Digests) {
        self.list = list;
        self.looks_back = true;
    }

    /// The list of watched digests as it is now.
    pub fn watch_for(&mut self, list: Digests) {
        self.watched = list;
        self.looks_back = true;
    }

    /// An entry was read.
    pub(super) fn see(&mut self, index: u64, row: &Row) {
        if let What::Newer(version) = row.what {
            self.notes.newer.see(index, version);
        }
        if self.watched.names.contains_key(&row.digest) {
            self.notes.watched.add(row.noted(index));
        }
        if self.is_unknown(row) {
            self.notes.waiting.push_back((row.noted(index), None));
            if self.notes.waiting.len() > WAITING_MAX
                && let Some((noted, _)) = self.notes.waiting.pop_front()
            {
                self.notes.unknown.add(noted);
            }
        }
    }

    fn is_unknown(&self, row: &Row) -> bool {
        self.known.as_ref().is_some_and(|known| known.concerns(row.what)) && !self.list.names.contains_key(&row.digest)
    }

    /// Compares all that is kept with the lists as they are now, if they are others than before.
    ///
    /// # Errors
    /// Storage fails, or what is kept is damaged; then nothing was compared.
    pub(super) fn look_back(&mut self, past: &Past) -> Result<(), Unshown> {
        let lists = self.lists();
        if !self.looks_back || self.notes.lists == lists {
            self.looks_back = false;
            return Ok(());
        }
        let waiting: HashMap<u64, Option<u64>> =
            self.notes.waiting.iter().map(|(noted, since)| (noted.index, *since)).collect();
        let mut notes = Notes { lists, ..Notes::default() };
        let mut over = Vec::new();
        past.each(|index, row| {
            if let What::Newer(version) = row.what {
                notes.newer.see(index, version);
            }
            if self.watched.names.contains_key(&row.digest) {
                notes.watched.add(row.noted(index));
            } else if self.told.watched.contains(&index) {
                over.push(Over { kind: "watched", entry: Some(row.noted(index)) });
            }
            if self.is_unknown(row) {
                match waiting.get(&index) {
                    Some(since) => notes.waiting.push_back((row.noted(index), *since)),
                    None => notes.unknown.add(row.noted(index)),
                }
            } else if self.told.unknown.contains(&index) {
                over.push(Over { kind: "unknown", entry: Some(row.noted(index)) });
            }
        })?;
        self.notes = notes;
        self.over.append(&mut over);
        self.told.watched.retain(|index| self.notes.watched.first.contains_key(index));
        self.told.unknown.retain(|index| self.notes.unknown.first.contains_key(index));
        self.looks_back = false;
        Ok(())
    }

    /// By what the lists, and what is asked of them, are known again.
    fn lists(&self) -> Hash {
        let mut kinds: Vec<_> = self.known.iter().flat_map(|known| &known.kinds).map(|kind| kind.packed()).collect();
        kinds.sort_unstable();
        let mut bytes = [self.watched.of, self.list.of].concat();
        bytes.push(self.known.is_some().into());
        kinds.iter().for_each(|kind| bytes.extend(kind.to_be_bytes()));
        sha256(&bytes)
    }

    /// What is to be told now of the first `verified` entries, as it was not told before.
    pub(super) fn settle(&mut self, now_ms: u64, verified: u64) -> Vec<Notice> {
        let grace_ms = self.known.as_ref().map_or(0, |known| known.grace_ms);
        let Notes { waiting, unknown, .. } = &mut self.notes;
        waiting.retain_mut(|(noted, since)| {
            let since = *since.get_or_insert(now_ms);
            let over = noted.index < verified && now_ms.saturating_sub(since) >= grace_ms;
            if over {
                unknown.add(noted.clone());
            }
            !over
        });
        let Self { notes, told, watched, .. } = self;
        let mut notices = Vec::new();
        for (index, noted) in notes.watched.first.range(..verified) {
            if told.watched.insert(*index) {
                let name = watched.names.get(&noted.digest).cloned().unwrap_or_default();
                notices.push(Notice::Watched { entry: noted.clone(), name });
            }
        }
        // Where the others stand is not kept: their number is told when all are verified.
        let watched_more = if notes.watched.end <= verified { notes.watched.more } else { told.watched_more };
        let unknown_more = if notes.unknown.end <= verified { notes.unknown.more } else { told.unknown_more };
        if watched_more > told.watched_more {
            notices.push(Notice::WatchedMore { count: watched_more });
        }
        for (index, noted) in notes.unknown.first.range(..verified) {
            if told.unknown.insert(*index) {
                notices.push(Notice::Unknown(noted.clone()));
            }
        }
        if unknown_more > told.unknown_more {
            notices.push(Notice::UnknownMore { count: unknown_more });
        }
        (told.watched_more, told.unknown_more) = (watched_more, unknown_more);
        notices
    }

    /// The lists are to be compared with what is kept before anything is told.
    pub(super) fn looks_back(&self) -> bool {
        self.looks_back
    }

    /// What was told, and is over since this was asked last.
    pub(super) fn over(&mut self) -> Vec<Over> {
        std::mem::take(&mut self.over)
    }

    /// Entries that must be known, are not, and were told or wait to be.
    pub(super) fn unknown(&self) -> u64 {
        match self.known {
            Some(_) => self.notes.unknown.first.len() as u64 + self.notes.unknown.more,
            None => 0,
        }
    }

    /// What this program cannot read of the log, for as long as it stands there.
    pub(super) fn newer(&self) -> Option<Notice> {
        let Newer { count, first, version, .. } = self.notes.newer;
        (count > 0).then_some(Notice::Newer { first, count, version })
    }

    /// Entries from `size` on were not the log's own: nothing is told of them.
    pub(super) fn forget_from(&mut self, size: u64) {
        let notes = &mut self.notes;
        notes.waiting.retain(|(noted, _)| noted.index < size);
        if [notes.watched.end, notes.unknown.end, notes.newer.end].iter().any(|end| *end > size) {
            // Counted again from what is left.
            (notes.lists, self.looks_back) = (Hash::default(), true);
        }
    }

    /// What must outlive a stop.
    #[must_use]
    pub(super) fn notes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.notes).expect("numbers and strings")
    }

    /// Goes on from [`Watch::notes`]; bytes that are none are those of a new memory.
    pub(super) fn restore(&mut self, notes: &[u8]) {
        self.notes = serde_json::from_slice(notes).unwrap_or_default();
        if self.known.is_none() {
            // Nobody asks any more.
            self.notes.waiting.clear();
        }
    }
}

impl Newer {
    fn see(&mut self, index: u64, version: u64) {
        if self.count == 0 {
            (self.first, self.version) = (index, version);
        }
        (self.count, self.end) = (self.count + 1, index + 1);
    }
}

#[cfg(test)]
mod tests;
