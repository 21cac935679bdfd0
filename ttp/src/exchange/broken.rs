//! Which rule a statement of a run breaks.

use crate::statement::StatementFault;

/// Why a statement counts for nothing in a run. Never a verdict: whoever sent it may send another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It does not read, is of another kind, or its signature does not verify.
    #[error("the statement {of}: {fault}")]
    Statement {
        /// Its type tag, as it should be.
        of: &'static str,
        /// Why not.
        fault: StatementFault,
    },
    /// Nobody has a key of this name.
    #[error("nobody here has the key {key} of the {side}")]
    UnknownKey {
        /// Whose.
        side: &'static str,
        /// Its thumbprint.
        key: String,
    },
    /// It belongs to another run, by `x`.
    #[error("the statement {of} belongs to another run")]
    OtherRun {
        /// Its type tag.
        of: &'static str,
    },
    /// It answers another copy of an earlier statement.
    #[error("the statement {of} is about another {about} than the one that came with it")]
    OtherCopy {
        /// Its type tag.
        of: &'static str,
        /// The tag of what it names.
        about: &'static str,
    },
    /// The first statement names another arbiter.
    #[error("the run names another arbiter, with the key {key}")]
    OtherArbiter {
        /// The key that it names.
        key: String,
    },
    /// Both sides are one party, or sign with one key.
    #[error("both sides are the same party, or have the same key")]
    OneParty,
    /// The arbiter is to open escrows with a key that it does not open escrows with, or that signs.
    #[error("the run names the escrow key {key}, which is none of the arbiter's")]
    EscrowKey {
        /// The key that it names.
        key: String,
    },
    /// No entry of the arbiter's log was shown that has the run's tag.
    #[error("the verdict comes without a proof that its entry is in the arbiter's log")]
    NotLogged,
    /// Only the originator aborts; only the two sides ask.
    #[error("the statement {of} is signed by {key}, who may not make it in this run")]
    NotAllowed {
        /// Its type tag.
        of: &'static str,
        /// The key that signed.
        key: String,
    },
    /// What it says of the run contradicts itself, the run or its policy.
    #[error("the statement {of}: {why}")]
    Terms {
        /// Its type tag.
        of: &'static str,
        /// What does.
        why: &'static str,
    },
    /// A nonce that is not the one committed to.
    #[error("the statement {of} does not open the commitment")]
    Opening {
        /// Its type tag.
        of: &'static str,
    },
    /// It names another commitment of the other side.
    #[error("the statement {of} is bound to another commitment")]
    OtherCommitment {
        /// Its type tag.
        of: &'static str,
    },
}

impl Broken {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Statement { fault: StatementFault::Signature, .. } => "exchange.signature",
            Self::Statement { .. } | Self::Terms { .. } => "exchange.statement",
            Self::UnknownKey { .. } => "exchange.unknown_key",
            Self::OtherRun { .. } => "exchange.other_run",
            Self::OtherCopy { .. } => "exchange.other_copy",
            Self::OtherArbiter { .. } => "exchange.other_arbiter",
            Self::EscrowKey { .. } => "exchange.escrow_key",
            Self::NotLogged => "exchange.not_logged",
            Self::OneParty => "exchange.one_party",
            Self::NotAllowed { .. } => "exchange.not_allowed",
            Self::Opening { .. } => "exchange.opening",
            Self::OtherCommitment { .. } => "exchange.other_commitment",
        }
    }
}
