//! All that a side keeps of an exchange through the arbiter, as one document. Reaches disk: members are only added.
//!
//! Statements lie in it in exactly the octets that were signed or received, since they are sent again as they are. No secret is in it: a
//! sealed item's key is in escrow, and whoever sealed the item has it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::dossier::{Certificates, NotADossier, Octets, read_document, write_document};
use super::At;
use crate::statement::exchange::Side;
use crate::statement::exchange::inline::Deposit;

/// The longest document, octets: as of a run of four messages.
pub const SWAP_BYTES_MAX: usize = super::super::dossier::DOSSIER_BYTES_MAX;

/// Statements of an exchange through the arbiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece {
    /// What the originator proposes.
    I1,
    /// The responder agrees.
    I2,
    /// This side's item.
    Deposit,
    /// It takes both items as they are.
    Waive,
    /// It wants no more of it.
    Cancel,
    /// It asks for what is due to it.
    Collect,
    /// The arbiter has both statements.
    Registered,
    /// It has this side's item.
    Nrs,
    /// It does not take it.
    Refused,
    /// What it decided.
    Verdict,
}

impl Piece {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::I1,
        Self::I2,
        Self::Deposit,
        Self::Waive,
        Self::Cancel,
        Self::Collect,
        Self::Registered,
        Self::Nrs,
        Self::Refused,
        Self::Verdict,
    ];

    /// As files are called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::I1 => "i1",
            Self::I2 => "i2",
            Self::Deposit => "deposit",
            Self::Waive => "waive",
            Self::Cancel => "cancel",
            Self::Collect => "collect",
            Self::Registered => "registered",
            Self::Nrs => "nrs",
            Self::Refused => "refused",
            Self::Verdict => "verdict",
        }
    }
}

/// The document.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapDossier {
    /// `exchange-swap`.
    pub(super) t: String,
    /// 1.
    pub(super) v: u64,
    /// Which side this is.
    pub side: Side,
    /// Where it stands.
    pub at: At,
    /// Since when, milliseconds since 1970, by this side's clock.
    pub since_ms: u64,
    /// What this side deposits, as its statement is to say it.
    pub deposit: Deposit,
    /// Every statement that was signed or received, exactly.
    pub(super) statements: BTreeMap<Piece, String>,
    /// Proofs of the entries of the arbiter's (tlog-proof).
    pub(super) proofs: BTreeMap<Piece, String>,
    /// Facts of outages that moved an end, with their proofs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) outages: Vec<(Octets, String)>,
    /// Whose keys these are.
    pub certificates: Certificates,
    /// The policy that the run names.
    pub(super) policy: Octets,
}

impl fmt::Debug for SwapDossier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has: Vec<_> = self.statements.keys().map(|piece| piece.name()).collect();
        write!(f, "SwapDossier({}, {}, has {})", self.side.name(), self.at.name(), has.join(" "))
    }
}

impl SwapDossier {
    /// Its type.
    pub const TYPE: &'static str = "exchange-swap";

    /// The document.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        write_document(self)
    }

    /// Reads one, as far as its form goes: [`super::side::Swap::open`] holds its statements against each other.
    ///
    /// # Errors
    /// [`NotADossier`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotADossier> {
        read_document(bytes, SWAP_BYTES_MAX, Self::TYPE)
    }

    /// A statement, exactly as it was signed or received.
    #[must_use]
    pub fn statement(&self, piece: Piece) -> Option<&str> {
        self.statements.get(&piece).map(String::as_str)
    }

    /// The proof of a statement's entry.
    #[must_use]
    pub fn proof(&self, piece: Piece) -> Option<&str> {
        self.proofs.get(&piece).map(String::as_str)
    }

    /// Outages that moved an end, with the proofs of their entries.
    pub fn outages(&self) -> impl Iterator<Item = (&[u8], &str)> {
        self.outages.iter().map(|(fact, proof)| (fact.0.as_slice(), proof.as_str()))
    }
}
