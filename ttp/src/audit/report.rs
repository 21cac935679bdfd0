//! What an audit found: counts by kind, every difference with its sentence, and why the rest was not decided again.

use std::collections::BTreeMap;
use std::fmt;

use crate::digest::Digest;
use crate::evidence::{Aggregate, KeyId, Kind};
use crate::verify::Trust;

/// Why a fact was not decided again. It is then neither right nor wrong: nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// What led to it was a clock, a machine or a person.
    Outside,
    /// The request's bytes are not kept, and no spelling that the artefact leaves open has their digest.
    Request,
    /// It was decided under another policy than that of the settings that were given.
    OtherPolicy(Digest),
    /// The settings that were given have no endpoint for its key.
    NoEndpoint,
    /// It was decided by rules of another number than this program's.
    OtherRules(u64),
    /// A kind or a form of facts that this program does not know.
    Unknown,
    /// A key that came later than genesis: nothing but the fact itself tells of it.
    LaterKey,
    /// Its artefact is not in the store.
    NoArtefact,
    /// A row of it does not read.
    Unreadable,
    /// The store was completed from a public copy, in which there are no facts.
    Lost,
    /// The certificate that it is to be judged by does not stand in the ledger in front of it.
    NoCertificate,
}

impl Reason {
    /// True if something is gone that should be there: whether all is well, the audit then could not tell.
    #[must_use]
    pub const fn is_loss(self) -> bool {
        match self {
            Self::NoArtefact | Self::Unreadable | Self::Lost | Self::NoCertificate => true,
            Self::Outside
            | Self::Request
            | Self::OtherPolicy(_)
            | Self::NoEndpoint
            | Self::OtherRules(_)
            | Self::Unknown
            | Self::LaterKey => false,
        }
    }

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Request => "request",
            Self::OtherPolicy(_) => "other-policy",
            Self::NoEndpoint => "no-endpoint",
            Self::OtherRules(_) => "other-rules",
            Self::Unknown => "unknown",
            Self::LaterKey => "later-key",
            Self::NoArtefact => "no-artefact",
            Self::Unreadable => "unreadable",
            Self::Lost => "lost",
            Self::NoCertificate => "no-certificate",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("what led to it was a clock, a machine or a person, and is not kept"),
            Self::Request => {
                f.write_str("its request is not kept, and no spelling that the artefact leaves open has its digest")
            }
            Self::OtherPolicy(policy) => write!(
                f,
                "it was decided under the policy {}…, not that of these settings: give those of its time with --config",
                &policy.to_string()[..16]
            ),
            Self::NoEndpoint => f.write_str("these settings have no endpoint for its key"),
            Self::OtherRules(rules) => {
                write!(f, "it was decided by rules of number {rules}, which this program has not")
            }
            Self::Unknown => f.write_str("this program does not know its kind"),
            Self::LaterKey => f.write_str("the key was made after genesis, and no certificate shows it"),
            Self::NoArtefact => f.write_str("its artefact is not in the store"),
            Self::Unreadable => f.write_str("a row of it does not read (semper fsck says more)"),
            Self::Lost => {
                f.write_str("its fact was lost with the machine: the ledger was completed from a public copy")
            }
            Self::NoCertificate => f.write_str("the certificate to judge it by does not stand in the ledger before it"),
        }
    }
}

/// How the fact of one entry came out, if nothing about the entry differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Same,
    Not(Reason),
}

/// How the facts of one kind came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Decided again, and the same.
    pub same: u64,
    /// Entries about which something differs.
    pub different: u64,
    /// Not decided again, by reason.
    pub not: BTreeMap<Reason, u64>,
}

/// What a difference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// An entry with its fact and artefact.
    Entry {
        /// Its index.
        index: u64,
        /// Its kind, if this program knows it.
        kind: Option<Kind>,
    },
    /// The snapshot row of an aggregate.
    State(Aggregate),
    /// The history of a key.
    Key(KeyId),
    /// The ledger as a whole.
    Ledger,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry { index, kind: Some(kind) } => write!(f, "entry {index} ({kind})"),
            Self::Entry { index, kind: None } => write!(f, "entry {index}"),
            Self::State(aggregate) => write!(f, "the state of aggregate {}…", hex::encode(&aggregate.0[..8])),
            Self::Key(key) => write!(f, "the key {key}"),
            Self::Ledger => f.write_str("the ledger"),
        }
    }
}

/// By which bytes a difference may be shown to an outsider ([`crate::account`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// The artefact is a token, and its digest is not that of the entry.
    Omitted,
    /// The token's time and the entry's are too far apart.
    OutOfTime,
    /// Another entry bears the same tag.
    SameTag {
        /// Its index.
        other: u64,
    },
    /// The entry in front of it has a later time.
    TimeFell {
        /// Its index.
        other: u64,
    },
    /// It is no entry.
    NoEntry,
    /// The notary's journal gave its number before.
    NumberTwice {
        /// The number.
        number: u64,
    },
}

/// One thing that is not as it would be decided again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub about: About,
    /// What differs, as the rest of a sentence.
    pub what: String,
    /// How an outsider may be shown.
    pub lead: Option<Lead>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.what)
    }
}

/// Differences that are kept; all are counted.
pub const DIFFERENCES_MAX: usize = 200;

/// What came out of an audit.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Entries seen.
    pub entries: u64,
    /// By kind; `None` for kinds that this program does not know.
    pub kinds: BTreeMap<Option<Kind>, Count>,
    /// The first [`DIFFERENCES_MAX`].
    pub differences: Vec<Difference>,
    /// How many there were in all.
    pub differences_in_all: u64,
    /// What a verifier would trust, as the ledger's own genesis and certificates say it; `None` if they do not.
    pub trust: Option<Trust>,
}

impl Report {
    /// Notes a difference.
    pub fn differs(&mut self, difference: Difference) {
        self.differences_in_all += 1;
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(difference);
        }
    }

    /// Entries that were decided again and are the same.
    #[must_use]
    pub fn same(&self) -> u64 {
        self.kinds.values().map(|count| count.same).sum()
    }

    /// Entries that were not decided again, by reason.
    #[must_use]
    pub fn not_decided(&self) -> BTreeMap<Reason, u64> {
        let mut all = BTreeMap::new();
        for (reason, count) in self.kinds.values().flat_map(|count| &count.not) {
            *all.entry(*reason).or_default() += count;
        }
        all
    }

    /// True if something is gone that should be there.
    #[must_use]
    pub fn has_losses(&self) -> bool {
        self.not_decided().keys().any(|reason| reason.is_loss())
    }

    pub(super) fn count(&mut self, kind: Option<Kind>, outcome: Outcome, differs: bool) {
        let count = self.kinds.entry(kind).or_default();
        match outcome {
            _ if differs => count.different += 1,
            Outcome::Same => count.same += 1,
            Outcome::Not(reason) => *count.not.entry(reason).or_default() += 1,
        }
    }

    /// An entry that was counted turns out to differ.
    pub(super) fn recount(&mut self, kind: Option<Kind>, was: Outcome) {
        let count = self.kinds.entry(kind).or_default();
        match was {
            Outcome::Same => count.same -= 1,
            Outcome::Not(reason) => {
                if let Some(number) = count.not.get_mut(&reason) {
                    *number -= 1;
                    if *number == 0 {
                        count.not.remove(&reason);
                    }
                }
            }
        }
        count.different += 1;
    }
}
