//! What a monitor's operator is told that is no misbehaviour of the log: entries that stand against his lists ([`super::watch`]),
//! and what this program or this machine is not sure of.

use semper_ledger::merkle::Hash;
use semper_ttp::{evidence, time::Timestamp};
use serde::{Deserialize, Serialize};

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
    /// So many more of them than are told each by itself.
    WatchedMore {
        /// The number.
        count: u64,
    },
    /// An entry that should be known and is not.
    Unknown(Noted),
    /// So many more of them than are told each by itself.
    UnknownMore {
        /// The number.
        count: u64,
    },
    /// Entries of a version that this program does not know: they were hashed, and what they say was not judged.
    Newer {
        /// The place of the first.
        first: u64,
        /// How many there are.
        count: u64,
        /// The first one's version.
        version: u64,
    },
    /// An expected timestamp is not found, and so many entries stand between that no proof can hold them.
    Stuffed {
        /// The token's file.
        name: String,
        /// How many stand there, at least.
        entries: u64,
    },
    /// Whether the log owes an expected timestamp cannot be told.
    Unclear {
        /// The token's file.
        name: String,
        /// The rest of a sentence.
        why: String,
    },
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

/// What was told, and is so no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// The kind of the notice.
    pub kind: &'static str,
    /// Of what entry; `None` for what is told of the log as a whole.
    pub entry: Option<Noted>,
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
            Self::Watched { .. } | Self::WatchedMore { .. } => "watched",
            Self::Unknown(_) | Self::UnknownMore { .. } => "unknown",
            Self::Newer { .. } => "newer",
            Self::Stuffed { .. } => "stuffed",
            Self::Unclear { .. } => "unclear",
            Self::Ahead { .. } => "clock",
            Self::Unwitnessed { .. } => "unwitnessed",
        }
    }

    /// All names.
    pub const KINDS: [&'static str; 7] = ["watched", "unknown", "newer", "stuffed", "unclear", "clock", "unwitnessed"];
}
