//! The expected "no" of a notary that takes up nothing. What is taken up and then refused is no refusal here but an act.

use super::{Checks, OPEN_MAX, Reason, SIGNERS_MAX, Stage};
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotaryRefusal {
    /// No such act, or it has its outcome.
    #[error("there is no open act of this name")]
    NotOpen,
    /// There is one of this name.
    #[error("there is an act of this name already")]
    AlreadyOpen,
    /// As many wait as may.
    #[error("{OPEN_MAX} acts are open; some have to end first")]
    Full,
    /// No signer, or more than [`SIGNERS_MAX`].
    #[error("a contract has 1 to {SIGNERS_MAX} signers, each once; {found} were named")]
    Signers {
        /// How many different ones.
        found: usize,
    },
    /// An act that waits for nobody is not opened.
    #[error("the act waits for nobody")]
    NothingToWaitFor,
    /// Another type of act has signers.
    #[error("only a contract has signers")]
    NoContract,
    /// Not one of those who are to sign.
    #[error("this party is not one of the signers")]
    NotSigner,
    /// It has signed before.
    #[error("this party has signed already")]
    AlreadySigned,
    /// The act waits for something else.
    #[error("the act is {}", .stage.name())]
    Stage {
        /// What for.
        stage: Stage,
    },
    /// Another officer has it, and may keep it until then.
    #[error("another officer has taken the act, until {until}")]
    TakenByOther {
        /// When it may be taken from that officer.
        until: Timestamp,
    },
    /// Whoever decides has to take it first, so that nobody else decides meanwhile.
    #[error("take the act first")]
    NotTaken,
    /// An officer would decide about an act that it has a part in.
    #[error("the officer has a part in this act; another one has to decide")]
    OwnAct,
    /// The officer's certificate was revoked or has expired, if only since the request began.
    #[error("the officer's certificate is not good now")]
    OfficerNotGood,
    /// The act certifies what somebody must have seen.
    #[error("the act would certify what nobody checked: say that you have checked {}, or refuse it", names(*.lacking))]
    ChecksLacking {
        /// What the officer has not checked.
        lacking: Checks,
    },
    /// A reason that is not an officer's to give.
    #[error("the reason {} is not an officer's to give", .reason.name())]
    Reason {
        /// Which.
        reason: Reason,
    },
    /// What validates certifies its report, and nothing else has one.
    #[error("the report of a validation is missing, or of nothing")]
    Report,
    /// Only the requester takes an act back.
    #[error("only who asked for the act withdraws it")]
    NotRequester,
    /// It may still be decided.
    #[error("the act is open until {expires_at}")]
    NotExpired {
        /// From when on it is too old.
        expires_at: Timestamp,
    },
    /// The clock may assert no time.
    #[error("the clock is {}", .verdict.name())]
    Clock {
        /// Its state.
        verdict: ClockVerdict,
    },
}

fn names(checks: Checks) -> String {
    checks.iter().map(|check| check.name()).collect::<Vec<_>>().join(", ")
}

impl NotaryRefusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOpen => "notary.not_open",
            Self::AlreadyOpen => "notary.already_open",
            Self::Full => "notary.full",
            Self::Signers { .. } => "notary.signers",
            Self::NothingToWaitFor => "notary.nothing_to_wait_for",
            Self::NoContract => "notary.no_contract",
            Self::NotSigner => "notary.not_signer",
            Self::AlreadySigned => "notary.already_signed",
            Self::Stage { .. } => "notary.stage",
            Self::TakenByOther { .. } => "notary.taken_by_other",
            Self::NotTaken => "notary.not_taken",
            Self::OwnAct => "notary.own_act",
            Self::OfficerNotGood => "notary.officer_not_good",
            Self::ChecksLacking { .. } => "notary.checks_lacking",
            Self::Reason { .. } => "notary.reason",
            Self::Report => "notary.report",
            Self::NotRequester => "notary.not_requester",
            Self::NotExpired { .. } => "notary.not_expired",
            Self::Clock { .. } => "notary.clock",
        }
    }
}
