//! What the arbiter shows of a registered delivery (ETSI EN 319 522), as one of its sides reads it: each piece of evidence counts if the
//! key that d1 names has signed it about this delivery, and its entry is in the log that d1 names.
//!
//! Out of scope: whether the events follow from the statements and the policy, which whoever doubts it judges by [`crate::verify::erds`].

use serde::Deserialize;
use serde_json::Value;

use semper_ledger::note::VerifierKey;

use super::verdict::{GivenFault, proven, require_entry};
use crate::crypto::jose::Key;
use crate::digest::Digest;
use crate::evidence::{ExchangeKind, Kind};
use crate::exchange::Broken;
use crate::json;
use crate::statement::exchange::erds::{ErdsEvent, ErdsEvidence};
use crate::statement::{Body as _, Jws};

/// The longest answer, octets: eleven events at most, each with what it rests on and its proofs.
pub const EVIDENCE_BYTES_MAX: usize = 4 << 20;

/// A piece of evidence that counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The evidence, as it was signed.
    pub jws: Jws,
    /// What it says.
    pub says: ErdsEvidence,
    /// Its entry.
    pub index: u64,
    /// The proof of that (tlog-proof).
    pub proof: String,
}

/// What is still awaited, as the arbiter says without signing it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AwaitedWord {
    /// Until when.
    pub until: String,
    /// What is recorded then.
    pub then: String,
}

/// A registered delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Register {
    /// In the order of their entries. Two of one event that say different things both count, against their signer
    /// ([`contradiction`](crate::exchange::judge::erds::contradiction)).
    pub evidence: Vec<Shown>,
    /// What comes next if nothing comes.
    pub awaited: Vec<AwaitedWord>,
}

#[derive(Deserialize)]
struct Members {
    evidence: Vec<Piece>,
    #[serde(default)]
    awaited: Vec<AwaitedWord>,
}

#[derive(Deserialize)]
struct Piece {
    statement: String,
    proof: String,
}

impl Register {
    /// Reads and judges the JSON of `GET /v1/deliveries/{x}/evidence`, by the key and the log that d1 names.
    ///
    /// # Errors
    /// [`GivenFault`]: some of it does not hold, and so none of it counts.
    pub fn read(bytes: &[u8], x: &Digest, arbiter: &Key, log: &VerifierKey) -> Result<Self, GivenFault> {
        if bytes.len() > EVIDENCE_BYTES_MAX {
            return Err(GivenFault::Lacks("an end"));
        }
        let members = json::read_object(bytes)?;
        let Members { evidence, awaited } =
            serde_json::from_value(Value::Object(members)).map_err(|_| GivenFault::Lacks("a member"))?;
        let mut read = Vec::new();
        for piece in evidence {
            let shown = Shown::read(piece, x, arbiter, log)?;
            if !read.iter().any(|other: &Shown| other.jws.x() == shown.jws.x()) {
                read.push(shown);
            }
        }
        read.sort_by_key(|shown| shown.index);
        Ok(Self { evidence: read, awaited })
    }

    /// Whether this event is recorded.
    #[must_use]
    pub fn has(&self, event: ErdsEvent) -> bool {
        self.evidence.iter().any(|shown| shown.says.event == event)
    }
}

impl Shown {
    fn read(
        Piece { statement, proof }: Piece,
        x: &Digest,
        arbiter: &Key,
        log: &VerifierKey,
    ) -> Result<Self, GivenFault> {
        let of = ErdsEvidence::TAG;
        let wrong = |fault| GivenFault::Statement { of, fault };
        let jws = Jws::parse(statement.as_bytes()).map_err(wrong)?;
        let read = jws.payload_as::<ErdsEvidence>().map_err(wrong)?;
        if read.common.x.map(Digest::from) != Some(*x) {
            return Err(Broken::OtherRun { of }.into());
        }
        jws.verify(arbiter).map_err(wrong)?;
        let found = proven(&proof, of, log)?;
        require_entry(&found, of, Kind::Exchange(ExchangeKind::DeliveryEvent), &jws.digest())?;
        Ok(Self { jws, says: read.body, index: found.index, proof })
    }
}
