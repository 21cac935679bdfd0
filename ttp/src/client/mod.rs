//! What an honest party does in a run: automata without clock, disk or socket, which the client program and the models both drive.
//!
//! An automaton knows nothing but where it stands. Statements come to it checked ([`crate::exchange::asw_r`], [`crate::exchange::cd_r`]);
//! what it wants done is carried out by whoever drives it, **after the new state is on disk**: so a client that was killed goes on where it
//! stood, and [`automaton::Originator::again`] tells what may not have left. Octets that were signed once are sent again as they are;
//! nothing is signed anew, since a second statement in the place of the first could be held against its signer.
//!
//! Around the automata, and pure as they are: [`dossier`], all that a side keeps of a run, as one document; [`party`], which takes that
//! document from one state to the next; [`message`], what travels between the sides; [`peer`] and [`verdict`], what the other side's
//! certificate and the arbiter's answer are worth; [`evidence`], what it shows of a registered delivery. What is different in a contract and a delivery stands in [`course`]. An exchange through
//! the arbiter has two messages and many questions, so it has an automaton, a document and answers of its own: [`swap`]. In a payment the arbiter has
//! the state, and a side says a few words: [`pay`].
//!
//! Out of scope: transport (`semper-api`), what a person is asked before it agrees, keys, the disk (`semper-ops`).

pub mod automaton;
pub mod course;
pub mod dossier;
pub mod evidence;
pub mod message;
pub mod party;
pub mod pay;
pub mod peer;
pub mod swap;
pub mod verdict;

/// When a run ends, as its first statement and the arbiter's policy have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// The end, milliseconds since 1970; `None` for never.
    pub t_exp: Option<u64>,
    /// δ of the arbiter's policy, milliseconds.
    pub delta_ms: u64,
    /// How long the other side is waited for, milliseconds.
    pub patience_ms: u64,
}

impl Timing {
    /// Whether the originator may still open its commitment, or show its key (rule 1).
    #[must_use]
    pub fn may_open(&self, now_ms: u64) -> bool {
        self.t_exp.is_none_or(|t_exp| now_ms <= crate::exchange::expiry::last_to_open(t_exp, self.delta_ms))
    }

    /// Whether the responder may still answer (rule 3).
    #[must_use]
    pub fn may_answer(&self, now_ms: u64) -> bool {
        self.t_exp.is_none_or(|t_exp| now_ms <= crate::exchange::expiry::last_to_answer(t_exp, self.delta_ms))
    }

    /// Until when whoever waits from `since_ms` on waits: no longer than it has patience, nor than it has time to ask (rule 2).
    #[must_use]
    pub fn waits_until(&self, since_ms: u64) -> u64 {
        let patient = since_ms.saturating_add(self.patience_ms);
        self.t_exp.map_or(patient, |t_exp| patient.min(crate::exchange::expiry::last_to_open(t_exp, self.delta_ms)))
    }
}
