//! A side of an exchange through the arbiter (exchange-and-disputes §6): where it stands, and what it does there.
//!
//! ```text
//! Proposed ─ i2 ─▶ Agreed ─ registered ─▶ Depositing ─ nrs ─▶ Deposited ─ takes both as they are ─▶ Waiving
//!    │                │                     │     └ refused ─▶ Refused │                              │
//!    │ dropped        └────── cancels ──────┴───────── Cancelling ─────┴──────────── verdict ─────────┤
//!    ▼                                                                                                ▼
//!  Done(Dropped)            Done(Swapped | Returned) ◀─ what is due is here and looked at ─ Collecting(outcome)
//! ```
//!
//! The responder begins at `Agreed`: it signs i2 with i1 in hand. Whatever the other side does, the arbiter has decided soon after the end
//! of the run, so every state leads on by asking it. Rules that nothing here breaks: **one deposit is signed, once; after a cancel neither
//! a deposit nor a waiver; nothing is collected before the verdict holds; an item counts as received only when it is what the verdict and
//! the description say.**
//!
//! [`side`] is the automaton with what it has signed and received, [`begin`] how it comes to be, [`dossier`] all of it as one document,
//! [`given`] what the arbiter's answers are worth. Out of scope: transport, the disk, what a person is asked before it agrees.

pub mod begin;
pub mod dossier;
pub mod given;
pub mod side;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

/// How the arbiter decided. Reaches disk, as the two below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decided {
    /// Each side gets the other's item.
    Released,
    /// Each side gets back what it deposited.
    Returned,
}

/// How an exchange ended for one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The other side's item is here, and is what was described or taken as it is.
    Swapped,
    /// It came to nothing.
    Returned,
    /// The originator gave it up before anybody agreed.
    Dropped,
}

/// Where a side stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// i1 was sent.
    Proposed,
    /// i1 and i2 are here, and are to be shown to the arbiter.
    Agreed,
    /// The own item is on its way to the arbiter.
    Depositing,
    /// The arbiter has it.
    Deposited,
    /// The arbiter has refused it in writing.
    Refused,
    /// Both items are taken as they are.
    Waiving,
    /// This side wants no more of it.
    Cancelling,
    /// The arbiter has decided, and what is due to this side is not here yet.
    Collecting(Decided),
    /// It is over.
    Done(End),
}

/// What a side is told, checked, or its user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Happened {
    /// i2 came.
    Agreed,
    /// The arbiter has both statements.
    Registered,
    /// It has the own item.
    Taken,
    /// It does not take it.
    NotTaken,
    /// Its user takes both items as they are.
    Waives,
    /// Its user wants no more of it.
    Cancels,
    /// The verdict, and whether something is due to this side.
    Decided(Decided, bool),
    /// What was due is here, and is what it should be.
    Collected,
}

/// What is to be done, once the state is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Bring i1 to the other side, and wait for i2.
    SendProposal,
    /// Show both statements to the arbiter; it answers how far the exchange has come.
    Register,
    /// Leave the own item.
    Deposit,
    /// Ask how far it has come, by showing both statements again.
    Look,
    /// Tell that both items are taken as they are.
    Waive,
    /// Tell that this side wants no more of it.
    Cancel,
    /// Collect what is due.
    Collect,
}

impl At {
    /// The next state.
    #[must_use]
    pub const fn next(self, happened: Happened) -> Self {
        match (self, happened) {
            (Self::Proposed, Happened::Agreed) => Self::Agreed,
            // Whoever agrees afterwards deposits alone, and gets it back.
            (Self::Proposed, Happened::Cancels) => Self::Done(End::Dropped),
            (Self::Agreed, Happened::Registered) => Self::Depositing,
            (Self::Depositing, Happened::Taken) => Self::Deposited,
            (Self::Depositing, Happened::NotTaken) => Self::Refused,
            (Self::Deposited, Happened::Waives) => Self::Waiving,
            // After a waiver the other side may have its item already: a cancel would come too late, or be refused.
            (Self::Agreed | Self::Depositing | Self::Deposited | Self::Refused, Happened::Cancels) => Self::Cancelling,
            (
                Self::Agreed | Self::Depositing | Self::Deposited | Self::Refused | Self::Waiving | Self::Cancelling,
                Happened::Decided(decided, is_due),
            ) => match (decided, is_due) {
                (decided, true) => Self::Collecting(decided),
                (Decided::Returned, false) => Self::Done(End::Returned),
                // Something is due to everybody then: such a verdict does not hold.
                (Decided::Released, false) => self,
            },
            (Self::Collecting(Decided::Released), Happened::Collected) => Self::Done(End::Swapped),
            (Self::Collecting(Decided::Returned), Happened::Collected) => Self::Done(End::Returned),
            (unchanged, _) => unchanged,
        }
    }

    /// What is to be done here, and again after a crash.
    #[must_use]
    pub const fn act(self) -> Option<Act> {
        match self {
            Self::Proposed => Some(Act::SendProposal),
            Self::Agreed => Some(Act::Register),
            Self::Depositing => Some(Act::Deposit),
            Self::Deposited | Self::Refused => Some(Act::Look),
            Self::Waiving => Some(Act::Waive),
            Self::Cancelling => Some(Act::Cancel),
            Self::Collecting(_) => Some(Act::Collect),
            Self::Done(_) => None,
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub const fn end(self) -> Option<End> {
        match self {
            Self::Done(end) => Some(end),
            _ => None,
        }
    }

    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Agreed => "agreed",
            Self::Depositing => "depositing",
            Self::Deposited => "deposited",
            Self::Refused => "refused",
            Self::Waiving => "waiving",
            Self::Cancelling => "cancelling",
            Self::Collecting(Decided::Released) => "released",
            Self::Collecting(Decided::Returned) => "returning",
            Self::Done(End::Swapped) => "swapped",
            Self::Done(End::Returned) => "returned",
            Self::Done(End::Dropped) => "dropped",
        }
    }
}
