//! ASW-R, optimistic contract signing (exchange-and-disputes §5): four messages between the parties, two requests to the arbiter.
//!
//! ```text
//! m1 O → R   everything that is agreed, and c_o          m3 O → R   opens c_o, for the answer with c_r
//! m2 R → O   answers m1, and c_r                         m4 R → O   opens c_r, for the run with c_o
//! a1 O → T   abort, with m1                              rq O or R → T   resolve, with m1 and m2
//! ```
//!
//! In the protocol as published (Asokan, Shoup, Waidner 1998) nonces travel unsigned, which makes two contracts of one run and lets an old
//! one be replayed. Here each opening is signed and bound to the run and to the other side's commitment.

use serde::{Deserialize, Serialize};

use super::super::{Body, Millis};
use super::{Arbiter, Assurance, Line, Participant, Side};
use crate::b64u::B64u32;
use crate::crypto::jose::Thumbprint;

/// The body of `asw-r/m1`, schema `schemas/statements/asw-r.m1.json`: what the originator offers to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct M1 {
    /// The deal that it belongs to, if there is one.
    pub deal: Option<B64u32>,
    /// SHA-256 of the arbiter's policy for exchanges, as it serves it.
    pub policy: B64u32,
    /// Who offers.
    pub o: Participant,
    /// To whom.
    pub r: Participant,
    /// Who decides if something goes wrong.
    pub ttp: Arbiter,
    /// The text of the contract, by [`crate::exchange::terms_hash`].
    pub terms: B64u32,
    /// What kind of document that is.
    pub terms_media: Line,
    /// The last moment at which the arbiter decides anything but EXPIRED; null for never.
    pub t_exp: Option<Millis>,
    /// The originator's commitment, [`crate::exchange::asw_r::commitment_o`].
    pub c_o: B64u32,
    /// What the parties want it to be worth.
    pub assurance: Assurance,
}

/// The body of `asw-r/m2`, schema `schemas/statements/asw-r.m2.json`: the responder agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct M2 {
    /// SHA-256 of the exact JWS that was received.
    pub m1: B64u32,
    /// The responder's commitment, [`crate::exchange::asw_r::commitment_r`].
    pub c_r: B64u32,
}

/// The body of `asw-r/m3`, schema `schemas/statements/asw-r.m3.json`: the originator opens its commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct M3 {
    /// The nonce behind `c_o`.
    pub n_o: B64u32,
    /// The commitment of the answer that it takes.
    pub c_r: B64u32,
}

/// The body of `asw-r/m4`, schema `schemas/statements/asw-r.m4.json`: the responder opens its commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct M4 {
    /// The nonce behind `c_r`.
    pub n_r: B64u32,
    /// The commitment of the offer that it closes.
    pub c_o: B64u32,
}

/// The body of `asw-r/abort`, schema `schemas/statements/asw-r.abort.json`: the originator takes its offer back. `x` says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abort {}

/// The body of `asw-r/resolve`, schema `schemas/statements/asw-r.resolve.json`: one of them wants the contract from the arbiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// Who asks.
    #[serde(rename = "as")]
    pub side: Side,
    /// SHA-256 of the exact JWS of the answer that is sent with it.
    pub m2: B64u32,
}

impl Body for M1 {
    const TAG: &'static str = "asw-r/m1";
    const FOLLOWS: bool = false;

    fn signer(&self) -> Option<Thumbprint> {
        Some(self.o.key)
    }
}

impl Body for M2 {
    const TAG: &'static str = "asw-r/m2";
    const FOLLOWS: bool = true;
}

impl Body for M3 {
    const TAG: &'static str = "asw-r/m3";
    const FOLLOWS: bool = true;
}

impl Body for M4 {
    const TAG: &'static str = "asw-r/m4";
    const FOLLOWS: bool = true;
}

impl Body for Abort {
    const TAG: &'static str = "asw-r/abort";
    const FOLLOWS: bool = true;
}

impl Body for Resolve {
    const TAG: &'static str = "asw-r/resolve";
    const FOLLOWS: bool = true;
}
