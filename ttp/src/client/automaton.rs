//! Originator and responder of a contract (ASW-R: m1 to m4) and of a delivery (CD-R: d1 to d4): the same four messages, the same two
//! requests, and what they say is not asked here.
//!
//! ```text
//! originator                                              responder
//! Offered ─ 2nd good, in time ─ 3rd ─▶ Opened             Answered ─ 3rd good ─ 4th ─▶ Done(Standard)
//!    │                                  │  └ 4th good ─▶ Done(Standard) │
//!    └ overdue, or too late ─ abort ─▶ Aborting  overdue ─ resolve ─▶ Resolving   overdue ─ resolve ─▶ Resolving
//! ```
//!
//! Two rules that nothing here breaks: **after an abort never the third message, after the third message never an abort**. The responder
//! has no abort: it simply does not answer.

use serde::{Deserialize, Serialize};

use super::Timing;
use crate::statement::exchange::Outcome;

/// How a run ended for one side. Reaches disk, as the two states below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// A contract or a delivery, by all four messages.
    Standard,
    /// A contract or a delivery, by the arbiter's verdict.
    Replacement,
    /// None: it was taken back.
    Aborted,
    /// None: nobody asked in time.
    Expired,
    /// None: the escrow of a delivery did not hold its key.
    Void,
}

impl End {
    /// Whether there is what was wanted: a contract, a delivery.
    #[must_use]
    pub const fn is_fulfilled(self) -> bool {
        matches!(self, Self::Standard | Self::Replacement)
    }
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Resolved | Outcome::Released => Self::Replacement,
            Outcome::Aborted => Self::Aborted,
            Outcome::Expired => Self::Expired,
            // The last two are of runs that have no automaton here.
            Outcome::Void | Outcome::Returned | Outcome::Captured => Self::Void,
        }
    }
}

/// What a side is told. Every statement was checked and is of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Happened {
    /// The other side's message for which this one waits came: the second and then the fourth, or the third.
    Message(Message),
    /// It has waited long enough, or its user wants no more of it.
    Overdue,
    /// The arbiter's verdict, with the proof of its entry and the answer to this side's own request.
    Verdict(Outcome),
}

/// The messages between the parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// The second, m2 or d2.
    Answer,
    /// The third, for the answer that was given.
    Opening,
    /// The fourth, for the opening that was taken.
    Closing,
}

/// What is to be done, once the new state is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Send the first message.
    SendOffer,
    /// Send the second.
    SendAnswer,
    /// Send the third.
    SendOpening,
    /// Send the fourth.
    SendClosing,
    /// Ask the arbiter to abort.
    AskAbort,
    /// Ask the arbiter to resolve.
    AskResolve,
}

/// Where the originator stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Originator {
    /// The first message was sent.
    Offered,
    /// The third was sent.
    Opened,
    /// It asks the arbiter to abort.
    Aborting,
    /// It asks the arbiter to resolve.
    Resolving,
    /// The run is over.
    Done(End),
}

/// Where the responder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Responder {
    /// The second was sent.
    Answered,
    /// It asks the arbiter to resolve.
    Resolving,
    /// The run is over.
    Done(End),
}

impl Originator {
    /// The next state, and what is to be done then.
    #[must_use]
    pub fn next(self, happened: Happened, now_ms: u64, timing: &Timing) -> (Self, Option<Act>) {
        use Happened::{Message as Came, Overdue, Verdict};
        match (self, happened) {
            (Self::Offered, Came(Message::Answer)) if timing.may_open(now_ms) => (Self::Opened, Some(Act::SendOpening)),
            // Too late to open: whoever is silent then would leave no time to ask.
            (Self::Offered, Came(Message::Answer) | Overdue) => (Self::Aborting, Some(Act::AskAbort)),
            (Self::Opened, Overdue) => (Self::Resolving, Some(Act::AskResolve)),
            (Self::Opened | Self::Resolving, Came(Message::Closing)) => (Self::Done(End::Standard), None),
            (Self::Offered | Self::Opened | Self::Aborting | Self::Resolving, Verdict(outcome)) => {
                (Self::Done(outcome.into()), None)
            }
            // An answer after an abort is not opened. What came before comes again.
            (Self::Aborting | Self::Resolving, Overdue) => (self, self.again()),
            (unchanged, _) => (unchanged, None),
        }
    }

    /// What is to be done again after a crash, or where the answer was lost.
    #[must_use]
    pub const fn again(self) -> Option<Act> {
        match self {
            Self::Offered => Some(Act::SendOffer),
            Self::Opened => Some(Act::SendOpening),
            Self::Aborting => Some(Act::AskAbort),
            Self::Resolving => Some(Act::AskResolve),
            Self::Done(_) => None,
        }
    }
}

impl Responder {
    /// The first state, for an offer whose run, and whose commitment, was never seen; `None` where it is too late to answer.
    #[must_use]
    pub fn begin(now_ms: u64, timing: &Timing) -> Option<(Self, Act)> {
        timing.may_answer(now_ms).then_some((Self::Answered, Act::SendAnswer))
    }

    /// The next state, and what is to be done then.
    #[must_use]
    pub fn next(self, happened: Happened) -> (Self, Option<Act>) {
        use Happened::{Message as Came, Overdue, Verdict};
        match (self, happened) {
            // Also where the verdict says otherwise: the originator has opened, so there is a contract, whatever it asked for besides.
            (_, Came(Message::Opening)) => (Self::Done(End::Standard), Some(Act::SendClosing)),
            (Self::Answered, Overdue) => (Self::Resolving, Some(Act::AskResolve)),
            (Self::Resolving, Overdue) => (self, self.again()),
            (Self::Answered | Self::Resolving, Verdict(outcome)) => (Self::Done(outcome.into()), None),
            (unchanged, _) => (unchanged, None),
        }
    }

    /// What is to be done again after a crash, or where the other side lost what it had.
    #[must_use]
    pub const fn again(self) -> Option<Act> {
        match self {
            Self::Answered => Some(Act::SendAnswer),
            Self::Resolving => Some(Act::AskResolve),
            Self::Done(End::Standard) => Some(Act::SendClosing),
            Self::Done(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing { t_exp: Some(1_000), delta_ms: 100, patience_ms: 50 };

    const HAPPENED: [Happened; 7] = [
        Happened::Message(Message::Answer),
        Happened::Message(Message::Opening),
        Happened::Message(Message::Closing),
        Happened::Overdue,
        Happened::Verdict(Outcome::Aborted),
        Happened::Verdict(Outcome::Resolved),
        Happened::Verdict(Outcome::Expired),
    ];

    /// Every state that can be reached, and the acts on the way.
    fn walk<S: Copy + Ord>(
        from: S,
        next: impl Fn(S, Happened) -> (S, Option<Act>),
    ) -> std::collections::BTreeSet<(S, std::collections::BTreeSet<Act>)> {
        let mut seen = std::collections::BTreeSet::new();
        let mut todo = vec![(from, std::collections::BTreeSet::new())];
        while let Some((state, acts)) = todo.pop() {
            if !seen.insert((state, acts.clone())) {
                continue;
            }
            for happened in HAPPENED {
                let (next, act) = next(state, happened);
                let mut acts = acts.clone();
                acts.extend(act);
                todo.push((next, acts));
            }
        }
        seen
    }

    #[test]
    fn the_originator_never_both_opens_and_aborts() {
        for now_ms in [0, 900, 901, 1_000, 2_000] {
            let walked = walk(Originator::Offered, |state, happened| state.next(happened, now_ms, &TIMING));
            assert!(walked.iter().all(|(_, acts)| !acts.contains(&Act::SendOpening) || !acts.contains(&Act::AskAbort)));
            let opens = walked.iter().any(|(_, acts)| acts.contains(&Act::SendOpening));
            assert_eq!(opens, now_ms <= 900, "{now_ms}");
            let ends = walked.iter().filter_map(|(state, _)| match state {
                Originator::Done(end) => Some(*end),
                _ => None,
            });
            let ends: std::collections::BTreeSet<_> = ends.collect();
            assert_eq!(ends.contains(&End::Standard), now_ms <= 900);
            assert!(ends.contains(&End::Aborted) && ends.contains(&End::Replacement));
        }
    }

    #[test]
    fn the_responder_never_aborts_and_closes_whatever_was_opened() {
        let walked = walk(Responder::Answered, Responder::next);
        assert!(walked.iter().all(|(_, acts)| !acts.contains(&Act::AskAbort) && !acts.contains(&Act::SendOffer)));
        for (state, _) in walked {
            let opened = state.next(Happened::Message(Message::Opening));
            assert_eq!(opened, (Responder::Done(End::Standard), Some(Act::SendClosing)), "{state:?}");
        }
        assert!(Responder::begin(800, &TIMING).is_some() && Responder::begin(801, &TIMING).is_none());
    }

    #[test]
    fn nobody_waits_into_the_last_delta() {
        assert_eq!(TIMING.waits_until(0), 50);
        assert_eq!(TIMING.waits_until(880), 900);
        assert_eq!(Timing { t_exp: None, ..TIMING }.waits_until(880), 930);
        for state in [Originator::Offered, Originator::Opened, Originator::Aborting, Originator::Resolving] {
            let (next, act) = state.next(Happened::Overdue, 0, &TIMING);
            assert!(act.is_some() && next.again() == act, "{state:?}: silence always leads to asking");
        }
    }
}
