//! All that a side keeps of a run, as one document: whoever replaces it in one write on the disk has gone from one state to the next, or
//! has not. Reaches disk: members are only added.
//!
//! Statements lie in it in exactly the octets that were signed or received, since they are sent again as they are. It holds what
//! the run is opened with, a nonce or a key, and so is a secret itself. `Debug` shows none of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::automaton::{End, Originator, Responder};
use crate::b64u::{self, B64u32};
use crate::json;
use crate::statement::exchange::cd_r::ContentKey;
use crate::statement::exchange::{Protocol, Side};

/// The longest document, octets: eight statements, five tokens, three chains and the proofs of two entries are below 300 KiB.
pub const DOSSIER_BYTES_MAX: usize = 1 << 20;

/// Statements of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece {
    /// What the originator offers, m1 or d1.
    First,
    /// The responder's answer, m2 or d2.
    Second,
    /// What the originator opens, m3 or d3.
    Third,
    /// With what the responder closes, m4 or d4.
    Fourth,
    /// The originator takes its offer back.
    Abort,
    /// This side asks for what was agreed.
    Resolve,
    /// What the arbiter decided.
    Verdict,
    /// What it answered to this side's request.
    Answer,
}

impl Piece {
    /// All of them, in the order of a run.
    pub const ALL: [Self; 8] =
        [Self::First, Self::Second, Self::Third, Self::Fourth, Self::Abort, Self::Resolve, Self::Verdict, Self::Answer];

    /// As files, and members of a request, are called.
    #[must_use]
    pub const fn name(self, goal: Goal) -> &'static str {
        match (self, goal) {
            (Self::First, Goal::Contract) => "m1",
            (Self::Second, Goal::Contract) => "m2",
            (Self::Third, Goal::Contract) => "m3",
            (Self::Fourth, Goal::Contract) => "m4",
            (Self::First, Goal::Delivery) => "d1",
            (Self::Second, Goal::Delivery) => "d2",
            (Self::Third, Goal::Delivery) => "d3",
            (Self::Fourth, Goal::Delivery) => "d4",
            (Self::Abort, _) => "abort",
            (Self::Resolve, _) => "resolve",
            (Self::Verdict, _) => "verdict",
            (Self::Answer, _) => "answer",
        }
    }
}

/// What a run of four messages is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Goal {
    /// A contract, ASW-R.
    Contract,
    /// A delivery for a receipt, CD-R.
    Delivery,
}

impl Goal {
    /// Its rules.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Contract => Protocol::AswR,
            Self::Delivery => Protocol::CdR,
        }
    }
}

/// What a side has that nobody else may have, or not yet.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Secret {
    /// Of either side of a contract.
    Contract {
        /// What its commitment is opened with.
        nonce: B64u32,
        /// The salt of the contract's text.
        terms_salt: B64u32,
    },
    /// Of the originator of a delivery.
    Sealed {
        /// The content's key.
        k: ContentKey,
        /// The private key by which that was put into escrow: with it the originator shows what the escrow holds.
        ephemeral: ContentKey,
    },
    /// Of the recipient of a delivery.
    Awaited {
        /// The content's key, once it came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        k: Option<ContentKey>,
    },
}

impl Secret {
    /// For which kind of run it is one.
    #[must_use]
    pub const fn goal(&self) -> Goal {
        match self {
            Self::Contract { .. } => Goal::Contract,
            Self::Sealed { .. } | Self::Awaited { .. } => Goal::Delivery,
        }
    }
}

/// Which side this is, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "side", content = "at", deny_unknown_fields)]
pub enum Stand {
    /// The originator.
    #[serde(rename = "o")]
    Originator(Originator),
    /// The responder.
    #[serde(rename = "r")]
    Responder(Responder),
}

impl Stand {
    /// Which side.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::Originator(_) => Side::Originator,
            Self::Responder(_) => Side::Responder,
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub const fn end(self) -> Option<End> {
        match self {
            Self::Originator(Originator::Done(end)) | Self::Responder(Responder::Done(end)) => Some(end),
            _ => None,
        }
    }

    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Originator(Originator::Offered) => "offered",
            Self::Originator(Originator::Opened) => "opened",
            Self::Originator(Originator::Aborting) => "aborting",
            Self::Responder(Responder::Answered) => "answered",
            Self::Originator(Originator::Resolving) | Self::Responder(Responder::Resolving) => "resolving",
            Self::Originator(Originator::Done(end)) | Self::Responder(Responder::Done(end)) => match end {
                End::Standard => "fulfilled",
                End::Replacement => "fulfilled-by-verdict",
                End::Aborted => "aborted",
                End::Expired => "expired",
                End::Void => "void",
            },
        }
    }
}

/// Octets as base64url in JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Octets(pub Vec<u8>);

impl From<Octets> for String {
    fn from(octets: Octets) -> Self {
        b64u::encode(&octets.0)
    }
}

impl TryFrom<String> for Octets {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        b64u::decode(text.as_bytes()).map(Self).ok_or("not base64url in its one spelling")
    }
}

/// Certificates of both sides and of the arbiter, each first the own and then those above it, DER.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificates {
    /// The originator's.
    pub o: Vec<Octets>,
    /// The responder's.
    pub r: Vec<Octets>,
    /// The arbiter's.
    pub arbiter: Vec<Octets>,
    /// Those of its key for escrows, in a delivery.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escrow: Vec<Octets>,
}

impl Certificates {
    /// A side's.
    #[must_use]
    pub fn of(&self, side: Side) -> Vec<Vec<u8>> {
        let chain = match side {
            Side::Originator => &self.o,
            Side::Responder => &self.r,
        };
        chain.iter().map(|der| der.0.clone()).collect()
    }
}

/// Proofs of the entries of verdict and answer, and the outages that the verdict names.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proofs {
    /// Of the verdict (tlog-proof).
    pub verdict: String,
    /// Of the answer.
    pub answer: String,
    /// Facts with their proofs.
    pub outages: Vec<(Octets, String)>,
}

/// The document.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dossier {
    /// `exchange-run`.
    pub(super) t: String,
    /// 1.
    pub(super) v: u64,
    /// By which rules the run goes.
    pub protocol: Protocol,
    /// Which side this is, and where it stands.
    pub stand: Stand,
    /// Since when, milliseconds since 1970, by this side's clock.
    pub since_ms: u64,
    /// δ of the arbiter's policy, milliseconds.
    pub delta_ms: u64,
    /// How long the other side is waited for, milliseconds.
    pub patience_ms: u64,
    /// What this side alone has.
    pub(super) secret: Secret,
    /// Every statement that was signed or received, exactly.
    pub(super) statements: BTreeMap<Piece, String>,
    /// Timestamps over statements of the other side, which prove when they were there.
    pub(super) tokens: BTreeMap<Piece, Octets>,
    /// Whose keys these are.
    pub certificates: Certificates,
    /// What proves the arbiter's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proofs: Option<Proofs>,
}

impl fmt::Debug for Dossier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has: Vec<_> = self.statements.keys().map(|piece| piece.name(self.goal())).collect();
        write!(f, "Dossier({}, {}, has {})", self.stand.side().name(), self.stand.name(), has.join(" "))
    }
}

/// Not such a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no state of a run that this program reads: {0}")]
pub struct NotADossier(pub(super) String);

/// Such a document as it lies on the disk.
pub(super) fn write_document(document: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(document).expect("texts and numbers");
    bytes.push(b'\n');
    bytes
}

/// Reads a document of this type, of version 1, as far as its form goes.
pub(super) fn read_document<T: DeserializeOwned>(bytes: &[u8], bytes_max: usize, t: &str) -> Result<T, NotADossier> {
    if bytes.len() > bytes_max {
        return Err(NotADossier("it is too long".to_owned()));
    }
    let members = json::read_object(bytes).map_err(|fault| NotADossier(fault.to_string()))?;
    let is_such =
        members.get("t").and_then(Value::as_str) == Some(t) && members.get("v").and_then(Value::as_u64) == Some(1);
    // serde's words might quote a secret: only where it is, not what.
    let read = serde_json::from_value(Value::Object(members));
    let read = read.map_err(|_| NotADossier("a member is missing, unknown or wrong".to_owned()))?;
    if is_such { Ok(read) } else { Err(NotADossier("it is of another type or version".to_owned())) }
}

impl Dossier {
    /// Its type.
    pub const TYPE: &'static str = "exchange-run";

    /// The document.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        write_document(self)
    }

    /// Reads one, as far as its form goes: [`super::party::Party::open`] holds its statements against each other.
    ///
    /// # Errors
    /// [`NotADossier`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotADossier> {
        read_document(bytes, DOSSIER_BYTES_MAX, Self::TYPE)
    }

    /// What the run is for.
    #[must_use]
    pub const fn goal(&self) -> Goal {
        self.secret.goal()
    }

    /// A statement, exactly as it was signed or received.
    #[must_use]
    pub fn statement(&self, piece: Piece) -> Option<&str> {
        self.statements.get(&piece).map(String::as_str)
    }

    /// The salt of a contract's text, by which a judge knows the text.
    #[must_use]
    pub const fn terms_salt(&self) -> Option<[u8; 32]> {
        match &self.secret {
            Secret::Contract { terms_salt, .. } => Some(terms_salt.0),
            Secret::Sealed { .. } | Secret::Awaited { .. } => None,
        }
    }

    /// The timestamp over a statement.
    #[must_use]
    pub fn token(&self, piece: Piece) -> Option<&[u8]> {
        self.tokens.get(&piece).map(|token| token.0.as_slice())
    }
}
