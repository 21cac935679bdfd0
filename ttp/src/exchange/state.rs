//! What is known of one run.

use std::collections::BTreeSet;

use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;

use super::Decision;

/// Answers that one side gets in one run, each to another request. Whoever repeats a request gets the same answer, which counts once.
pub const ANSWERS_MAX: usize = 8;

/// Contradictions of a run that are recorded.
pub const ANOMALIES_MAX: usize = 8;

/// The state of a run; the default is one that nobody has asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ExchangeState {
    /// What was decided, and the step of its history that says so.
    pub decision: Option<(u64, Decision)>,
    /// The answers.
    pub answers: Vec<Given>,
    /// The step that says that the originator of a delivery left its key.
    pub deposited: Option<u64>,
    /// Whether the recipient of a delivery has been given its key.
    pub is_collected: bool,
    /// Commitments of answers that contradict the one that the verdict embeds.
    pub anomalies: BTreeSet<Digest>,
    /// Facts so far.
    pub steps: u64,
}

/// An answer that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Given {
    /// To whom.
    pub to: Thumbprint,
    /// To which request.
    pub request: Digest,
    /// The step of the run's history that says so.
    pub step: u64,
}

impl ExchangeState {
    /// The answer to this request, if it got one.
    #[must_use]
    pub fn answer_to(&self, asker: &Thumbprint, request: &Digest) -> Option<&Given> {
        self.answers.iter().find(|given| given.to == *asker && given.request == *request)
    }

    pub(super) fn answers_of(&self, asker: &Thumbprint) -> usize {
        self.answers.iter().filter(|given| given.to == *asker).count()
    }
}
