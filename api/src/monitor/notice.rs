//! What a monitor's operator asked to be told: entries that bear a digest from a list, and entries of which a list does not
//! know: somebody used a key, and its owner did not.

use std::collections::{HashMap, HashSet, VecDeque};

use semper_ledger::{
    merkle::{Hash, sha256},
    monitor::Seen,
};
use semper_ttp::{evidence, time::Timestamp};
use serde::{Deserialize, Serialize};

/// Entries that may wait for their line in the list of known ones; beyond, the oldest is told at once.
const WAITING_MAX: usize = 4_096;

/// Something that an operator wants to know. No misbehaviour of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An entry with a digest that is watched.
    Watched {
        /// The entry.
        entry: Noted,
        /// What stands behind the digest in the list.
        name: String,
    },
    /// An entry that should be known and is not.
    Unknown(Noted),
    /// The newest entry's time lies ahead of this machine's clock: one of the two is wrong.
    Ahead {
        /// By so much, milliseconds.
        ahead_ms: u64,
    },
    /// The newest checkpoint does not meet the quorum of witnesses.
    Unwitnessed {
        /// Its size.
        size: u64,
    },
}

/// An entry as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "NotedRow", into = "NotedRow")]
pub struct Noted {
    /// Its place.
    pub index: u64,
    /// Its digest; in a log of somebody else's, SHA-256 of its bytes.
    pub digest: Hash,
    /// What it says of itself, in a log of ours.
    pub says: Option<(evidence::Kind, Timestamp)>,
}

/// [`Noted`] on disk.
#[derive(Serialize, Deserialize)]
struct NotedRow {
    index: u64,
    digest: Hash,
    /// Role and kind as one number, and the time.
    says: Option<(u64, u64)>,
}

impl From<NotedRow> for Noted {
    fn from(row: NotedRow) -> Self {
        let says = row.says.and_then(|(packed, time_ms)| {
            Some((evidence::Kind::from_packed(packed)?, Timestamp::from_millis(time_ms)))
        });
        Self { index: row.index, digest: row.digest, says }
    }
}

impl From<Noted> for NotedRow {
    fn from(noted: Noted) -> Self {
        let says = noted.says.map(|(kind, time)| (kind.packed(), time.millis()));
        Self { index: noted.index, digest: noted.digest, says }
    }
}

impl Notice {
    /// The stable name, also the label in the metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Watched { .. } => "watched",
            Self::Unknown(_) => "unknown",
            Self::Ahead { .. } => "clock",
            Self::Unwitnessed { .. } => "unwitnessed",
        }
    }

    /// All names.
    pub const KINDS: [&'static str; 4] = ["watched", "unknown", "clock", "unwitnessed"];
}

/// Digests with what stands behind each of them.
pub type Digests = HashMap<Hash, String>;

/// A line of a list of digests that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0} does not begin with 64 hexadecimal digits and end there or at a space")]
pub struct BadList(pub usize);

/// Reads a list: one digest a line, in hexadecimal, and behind a space whatever names it, as `sha256sum` prints it. Empty
/// lines and `#` comments are passed over.
///
/// # Errors
/// [`BadList`].
pub fn parse_digests(text: &str) -> Result<Digests, BadList> {
    let mut digests = Digests::new();
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
        digests.insert(hash, name);
    }
    Ok(digests)
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

/// Compares what is read with the lists.
#[derive(Debug, Default)]
pub struct Watch {
    watched: Digests,
    known: Option<Known>,
    list: Digests,
    notes: Notes,
}

/// What must outlive a stop: nobody was told of it yet. Reaches disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Notes {
    /// Entries that are not in the list yet, in order, and since when they wait.
    waiting: VecDeque<(Noted, Option<u64>)>,
    /// Entries that were watched for, with their names.
    watched: Vec<(Noted, String)>,
    /// Entries that waited too many at a time.
    unknown: Vec<Noted>,
}

impl Watch {
    /// With the digests to watch for, and which entries must be known.
    #[must_use]
    pub fn new(watched: Digests, known: Option<Known>) -> Self {
        Self { watched, known, ..Self::default() }
    }

    /// The list of known digests as it is now.
    pub fn know(&mut self, list: Digests) {
        self.list = list;
    }

    /// An entry was read.
    pub fn see(&mut self, seen: &Seen<'_>) {
        let known = self.known.as_ref().is_some_and(|known| concerns(known, seen));
        if self.watched.is_empty() && !known {
            return;
        }
        let digest = seen.entry.map_or_else(|| sha256(seen.bytes), |entry| entry.digest);
        let noted = || Noted {
            index: seen.index,
            digest,
            says: seen.entry.and_then(|entry| {
                let kind = evidence::Kind::from_codes(entry.role, entry.kind)?;
                Some((kind, Timestamp::from_millis(entry.time_ms)))
            }),
        };
        if let Some(name) = self.watched.get(&digest) {
            self.notes.watched.push((noted(), name.clone()));
        }
        if known && !self.list.contains_key(&digest) {
            self.notes.waiting.push_back((noted(), None));
            if self.notes.waiting.len() > WAITING_MAX {
                self.notes.unknown.extend(self.notes.waiting.pop_front().map(|(noted, _)| noted));
            }
        }
    }

    /// At the end of a round: what is to be told now.
    pub fn settle(&mut self, now_ms: u64) -> Vec<Notice> {
        let grace_ms = self.known.as_ref().map_or(0, |known| known.grace_ms);
        let notes = &mut self.notes;
        let watched = notes.watched.drain(..).map(|(entry, name)| Notice::Watched { entry, name });
        let mut told: Vec<Notice> = watched.chain(notes.unknown.drain(..).map(Notice::Unknown)).collect();
        let list = &self.list;
        notes.waiting.retain_mut(|(noted, since)| {
            let since = *since.get_or_insert(now_ms);
            if list.contains_key(&noted.digest) {
                return false;
            }
            let over = now_ms.saturating_sub(since) >= grace_ms;
            if over {
                told.push(Notice::Unknown(noted.clone()));
            }
            !over
        });
        told
    }

    /// Entries from `size` on were not the log's own: nothing is told of them.
    pub fn forget_from(&mut self, size: u64) {
        self.notes.waiting.retain(|(noted, _)| noted.index < size);
        self.notes.watched.retain(|(noted, _)| noted.index < size);
        self.notes.unknown.retain(|noted| noted.index < size);
    }

    /// What must outlive a stop.
    #[must_use]
    pub fn notes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.notes).expect("numbers and strings")
    }

    /// Goes on from [`Watch::notes`]; bytes that are none are those of a new memory.
    pub fn restore(&mut self, notes: &[u8]) {
        self.notes = serde_json::from_slice(notes).unwrap_or_default();
        if self.known.is_none() {
            // Nobody asks any more.
            self.notes.waiting.clear();
        }
    }
}

fn concerns(known: &Known, seen: &Seen<'_>) -> bool {
    let Some(entry) = seen.entry else { return known.kinds.is_empty() };
    match evidence::Kind::from_codes(entry.role, entry.kind) {
        // A kind of a later version: rather one alarm too many.
        None => known.kinds.is_empty(),
        Some(evidence::Kind::Ledger(_) | evidence::Kind::Ops(_)) if known.kinds.is_empty() => false,
        Some(kind) => known.kinds.is_empty() || known.kinds.contains(&kind),
    }
}

#[cfg(test)]
mod tests {
    use semper_ledger::entry::{Entry, Tags};
    use semper_ttp::evidence::{Kind, OpsKind, TimestampKind};

    use super::*;

    fn entry(kind: Kind, digest: u8) -> Entry {
        let (role, kind) = (kind.role().code(), kind.code());
        Entry { role, kind, time_ms: 5, digest: [digest; 32], tags: Tags::default() }
    }

    fn see(watch: &mut Watch, index: u64, entry: &Entry) {
        watch.see(&Seen { index, bytes: &entry.encode(), entry: Some(entry) });
    }

    fn indexes(notices: &[Notice]) -> Vec<u64> {
        let index = |notice: &Notice| match notice {
            Notice::Watched { entry, .. } | Notice::Unknown(entry) => entry.index,
            other => panic!("{other:?}"),
        };
        notices.iter().map(index).collect()
    }

    #[test]
    fn lists_as_sha256sum_prints_them() {
        let (a, b) = ("ab".repeat(32), "CD".repeat(32));
        let text = format!("# mine\n{a}  contract 7.pdf.tst\n\n{b}\n{} *\x1b[2Jx", "01".repeat(32));
        let digests = parse_digests(&text).unwrap();
        assert_eq!(digests.len(), 3);
        assert_eq!(digests[&[0xab; 32]], "contract 7.pdf.tst");
        assert_eq!(digests[&[0xcd; 32]], "");
        assert_eq!(digests[&[1; 32]], "[2Jx");
        for (bad, line) in
            [("abc".to_owned(), 1), (format!("{a}\n{a}0"), 2), (format!("{a}x"), 1), (format!("\n\n{}", &a[1..]), 3)]
        {
            assert_eq!(parse_digests(&bad), Err(BadList(line)), "{bad}");
        }
    }

    #[test]
    fn what_is_watched_is_told_with_its_name() {
        let mut watch = Watch::new(Digests::from([([7; 32], "mine".to_owned())]), None);
        let token = Kind::Timestamp(TimestampKind::Token);
        for (index, digest) in [(0, 6), (1, 7), (2, 8), (3, 7)] {
            see(&mut watch, index, &entry(token, digest));
        }
        let told = watch.settle(0);
        assert_eq!(indexes(&told), [1, 3]);
        let Notice::Watched { entry, name } = &told[0] else { panic!() };
        assert_eq!((name.as_str(), entry.says), ("mine", Some((token, Timestamp::from_millis(5)))));
        assert_eq!(watch.settle(0), []);
        // Of a stranger's log the entry itself is the thing.
        let mut watch = Watch::new(Digests::from([(sha256(b"line"), String::new())]), None);
        watch.see(&Seen { index: 4, bytes: b"line", entry: None });
        assert_eq!(indexes(&watch.settle(0)), [4]);
    }

    #[test]
    fn what_nobody_knows_of_is_told_after_its_grace() {
        let known = Known { kinds: HashSet::new(), grace_ms: 100 };
        let mut watch = Watch::new(Digests::new(), Some(known));
        let token = Kind::Timestamp(TimestampKind::Token);
        watch.know(Digests::from([([1; 32], String::new())]));
        see(&mut watch, 0, &entry(Kind::Ops(OpsKind::Started), 9));
        see(&mut watch, 1, &entry(token, 1));
        see(&mut watch, 2, &entry(token, 2));
        see(&mut watch, 3, &entry(token, 3));
        assert_eq!(watch.settle(1_000), []);
        // The owner's list comes a little later than the entry; a stop in between makes no difference.
        let mut again = Watch::new(Digests::new(), watch.known.clone());
        again.restore(&watch.notes());
        assert_eq!(again.notes, watch.notes);
        again.know(Digests::from([([2; 32], String::new())]));
        assert_eq!(again.settle(1_050), []);
        assert_eq!(indexes(&again.settle(1_100)), [3]);
        assert_eq!((again.settle(2_000), &again.notes), (vec![], &Notes::default()));
        watch.forget_from(3);
        assert_eq!(indexes(&watch.settle(1_100)), [2]);
    }

    #[test]
    fn only_the_kinds_that_were_named_must_be_known() {
        let known = Known { kinds: HashSet::from([Kind::Ops(OpsKind::Started)]), grace_ms: 0 };
        let mut watch = Watch::new(Digests::new(), Some(known));
        see(&mut watch, 0, &entry(Kind::Ops(OpsKind::Started), 9));
        see(&mut watch, 1, &entry(Kind::Timestamp(TimestampKind::Token), 1));
        watch.see(&Seen { index: 2, bytes: b"x", entry: None });
        assert_eq!(indexes(&watch.settle(0)), [0]);
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_left_out() {
        let known = Known { kinds: HashSet::new(), grace_ms: u64::MAX };
        let mut watch = Watch::new(Digests::new(), Some(known));
        let count = WAITING_MAX as u64 + 3;
        (0..count).for_each(|index| watch.see(&Seen { index, bytes: b"x", entry: None }));
        assert_eq!(indexes(&watch.settle(0)), [0, 1, 2]);
        assert_eq!(watch.notes.waiting.len(), WAITING_MAX);
    }
}
