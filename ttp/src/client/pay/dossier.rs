//! All that somebody keeps of a payment, as one document. Reaches disk: members are only added.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::dossier::{NotADossier, Octets, read_document, write_document};
use super::Part;
use crate::b64u::B64u32;
use crate::statement::Body as _;
use crate::statement::exchange::pg::GoodsOrder;
use crate::statement::exchange::pr::PaymentOffer;

/// The longest document, octets: as of a run of four messages.
pub const PAYMENT_BYTES_MAX: usize = super::super::dossier::DOSSIER_BYTES_MAX;

/// The document.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentDossier {
    /// `exchange-payment`.
    pub(super) t: String,
    /// 1.
    pub(super) v: u64,
    /// Who this is.
    pub part: Part,
    /// The first statement, and every word that this part has signed, exactly, by their types.
    pub(super) statements: BTreeMap<String, String>,
    /// What stands in front of the text in its hash.
    pub(super) text_salt: B64u32,
    /// Certificates of those who take part, each with those above it.
    pub everybody: Vec<Vec<Octets>>,
    /// The arbiter's.
    pub arbiter: Vec<Octets>,
    /// The policy that the run names.
    pub(super) policy: Octets,
    /// What the arbiter has decided, with the proof of its entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verdict: Option<(String, String)>,
}

impl fmt::Debug for PaymentDossier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has: Vec<_> = self.statements.keys().map(String::as_str).collect();
        write!(f, "PaymentDossier({}, has {})", self.part.name(), has.join(" "))
    }
}

impl PaymentDossier {
    /// Its type.
    pub const TYPE: &'static str = "exchange-payment";

    /// The document.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        write_document(self)
    }

    /// Reads one, as far as its form goes: [`super::Payment::open`] holds its statements against each other.
    ///
    /// # Errors
    /// [`NotADossier`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotADossier> {
        read_document(bytes, PAYMENT_BYTES_MAX, Self::TYPE)
    }

    /// A statement, exactly as it was signed or received.
    #[must_use]
    pub fn statement(&self, tag: &str) -> Option<&str> {
        self.statements.get(tag).map(String::as_str)
    }

    /// All of them, by their types.
    pub fn statements(&self) -> impl Iterator<Item = (&str, &str)> {
        self.statements.iter().map(|(tag, statement)| (tag.as_str(), statement.as_str()))
    }

    /// What the payer has signed first.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.statement(GoodsOrder::TAG).or_else(|| self.statement(PaymentOffer::TAG))
    }

    /// The verdict, and the proof of its entry.
    #[must_use]
    pub fn verdict(&self) -> Option<(&str, &str)> {
        self.verdict.as_ref().map(|(verdict, proof)| (verdict.as_str(), proof.as_str()))
    }

    /// The salt of the text, by which a judge knows the text.
    #[must_use]
    pub const fn text_salt(&self) -> [u8; 32] {
        self.text_salt.0
    }
}
