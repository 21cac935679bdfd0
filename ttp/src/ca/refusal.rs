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
}

impl CrlRefusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotDue { .. } => "ca.crl_not_due",
            Self::Life { .. } => "ca.crl_life",
            Self::ClockBehind { .. } => "ca.crl_clock_behind",
        }
    }
}
