//! How a run came out.

use std::collections::BTreeSet;

/// What does not hold.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// The property, by the words of exchange-and-disputes §3.
    pub(crate) property: &'static str,
    pub(crate) what: String,
}

impl Violation {
    pub(crate) fn of(property: &'static str, what: impl ToString) -> Self {
        Self { property, what: what.to_string() }
    }
}

/// What a run was, and how it came out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Report {
    pub(crate) protocol: &'static str,
    pub(crate) corrupt: &'static str,
    pub(crate) outcome: String,
    /// What was in its way, in a word each.
    pub(crate) faults: BTreeSet<&'static str>,
}
