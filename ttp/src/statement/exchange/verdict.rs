//! What the arbiter signs: one verdict for each run, an answer to each request, and where it has not decided, a status or a receipt.

use serde::{Deserialize, Serialize};

use super::super::{Body, Count, Millis};
use super::{Assurance, Outcome, Protocol};
use crate::b64u::B64u32;
use crate::crypto::jose::Thumbprint;

/// The body of `verdict`, schema `schemas/statements/verdict.json`. There is one for each `x`, and its entry in the ledger bears the tag
/// (decision, x, 0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// By which rules.
    pub proto: Protocol,
    /// What was decided.
    pub outcome: Outcome,
    /// The statements that it rests on, each as the exact JWS that was received.
    pub basis: Vec<String>,
    /// When.
    pub decided_ms: Millis,
    /// The policy that the parties have agreed on.
    pub policy: B64u32,
    /// Entries `ops.outage` that moved the end of the run; absent if none did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Count>,
    /// What the parties wanted it to be worth.
    pub assurance: Assurance,
}

/// The body of `answer`, schema `schemas/statements/answer.json`: what one request got, for who asked alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The key of who asked.
    pub to: Thumbprint,
    /// The request, by its payload's hash.
    pub req: B64u32,
    /// The commitment of the responder's run that ends with this, where the responder asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub c_r: Option<B64u32>,
    /// SHA-256 of the exact verdict.
    pub verdict: B64u32,
}

/// The body of `exchange/status`, schema `schemas/statements/exchange.status.json`: what the arbiter has decided about a run, or that it
/// has not, as of a size of its log. A verdict whose entry is below that size convicts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// When it was asked.
    pub at_ms: Millis,
    /// How many entries its log had.
    pub size: Count,
    /// What was decided, null for nothing yet.
    pub outcome: Option<Outcome>,
    /// SHA-256 of the exact verdict.
    pub verdict: Option<B64u32>,
}

/// The body of `receipt`, schema `schemas/statements/receipt.json`: the arbiter has a request, and will answer it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The request, by its payload's hash.
    pub req: B64u32,
    /// When it came.
    pub received_ms: Millis,
    /// Until when it will be answered.
    pub answer_by_ms: Millis,
}

impl Body for Verdict {
    const TAG: &'static str = "verdict";
    const FOLLOWS: bool = true;
}

impl Body for Answer {
    const TAG: &'static str = "answer";
    const FOLLOWS: bool = true;
}

impl Body for Status {
    const TAG: &'static str = "exchange/status";
    const FOLLOWS: bool = true;
}

impl Body for Receipt {
    const TAG: &'static str = "receipt";
    const FOLLOWS: bool = true;
}
