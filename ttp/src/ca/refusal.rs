//! The expected "no" of a CRL.

use crate::time::Timestamp;

/// Why no list is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlRefusal {
    /// The last list is fresh.
    #[error("the last list is fresh, the next is due at {due_at}")]
    NotDue {
        /// When to ask again.
        due_at: Timestamp,
    },
    /// The list would outlive what its authority allows, or would have no life at all.
    #[error("a list may live 1 to {max} seconds, not {life_secs}")]
    Life {
        /// What was asked, seconds.
        life_secs: u32,
        /// The most, seconds.
        max: u32,
    },
    /// The clock stands before the last list: a new one would claim to be older.
    #[error("the clock ({now}) is behind the last list ({this_update})")]
    ClockBehind {
        /// thisUpdate of the last list.
        this_update: Timestamp,
        /// The reading.
        now: Timestamp,
    },
    /// A list that was made elsewhere is of the root, whose key may be elsewhere, or of a CA that was taken over.
    #[error("only the lists of the root and of a CA that is taken over are made elsewhere")]
    NotOfRoot,
    /// Its number does not follow the last one's.
    #[error("the list has number {number}, and the last one has {last}: a number never comes again, and never falls")]
    Number {
        /// Of the list.
        number: u64,
        /// Of the last one.
        last: u64,
    },
    /// It is older than the last one, or not valid now.
    #[error("the list is good from {this_update} to {next_update}, which is not now, or begins before the last one")]
    Period {
        /// thisUpdate.
        this_update: Timestamp,
        /// nextUpdate.
        next_update: Timestamp,
    },
    /// It does not name what is revoked, or names what is not.
    #[error("the list names {listed} certificates, and {revoked} are revoked, or they are not the same")]
    Entries {
        /// In the list.
        listed: usize,
        /// In the ledger.
        revoked: usize,
    },
}

impl CrlRefusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotDue { .. } => "ca.crl_not_due",
            Self::Life { .. } => "ca.crl_life",
            Self::ClockBehind { .. } => "ca.crl_clock_behind",
            Self::NotOfRoot => "ca.crl_not_of_root",
            Self::Number { .. } => "ca.crl_number",
            Self::Period { .. } => "ca.crl_period",
            Self::Entries { .. } => "ca.crl_entries",
        }
    }
}
