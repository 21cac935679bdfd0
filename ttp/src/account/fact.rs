//! That a proof of misbehaviour was accepted: the third party keeps a record of what is held against it, too.

use super::Kind;
use crate::cbor::{Reader, Writer};
use crate::digest::Digest;
use crate::evidence::{AccountKind, Aggregate, FactError, Kind as EntryKind, Recorded};

/// A fact of role 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountFact {
    /// A proof was judged, and convicts, or does until the accused answers; the artefact is its file. Body `[proof, kind, proven]`.
    Misbehaviour {
        /// SHA-256 of the file.
        proof: Digest,
        /// What is claimed.
        kind: Kind,
        /// False for one that is open until it is rebutted.
        is_proven: bool,
    },
}

impl AccountFact {
    /// The history of a proof: it has one step, so that the same file is accepted once.
    #[must_use]
    pub fn aggregate(proof: &Digest) -> Aggregate {
        Aggregate::of("misbehaviour", proof.as_bytes())
    }
}

impl Recorded for AccountFact {
    const RULES: u64 = 1;

    fn kind(&self) -> EntryKind {
        EntryKind::Account(match self {
            Self::Misbehaviour { .. } => AccountKind::Misbehaviour,
        })
    }

    fn write_body(&self, w: &mut Writer) {
        match self {
            Self::Misbehaviour { proof, kind, is_proven } => {
                w.array(3).bytes(proof.as_bytes()).uint(kind.code()).bool(*is_proven);
            }
        }
    }

    fn read_body(kind: EntryKind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        let EntryKind::Account(AccountKind::Misbehaviour) = kind else {
            return Err(FactError::OtherKind { found: kind });
        };
        r.array(3)?;
        let proof = Digest(r.fixed()?);
        Ok(Self::Misbehaviour { proof, kind: r.code(Kind::from_code)?, is_proven: r.bool()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Envelope, Fact, names};
    use crate::time::Timestamp;

    #[test]
    fn each_is_read_as_written_and_found_by_its_name() {
        let proof = Digest([7; 32]);
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
            for is_proven in [false, true] {
                let fact = AccountFact::Misbehaviour { proof, kind, is_proven };
                let envelope = Envelope {
                    aggregate: AccountFact::aggregate(&proof),
                    seq: 0,
                    now: Timestamp::from_millis(5),
                    salt: [1; 16],
                    policy_hash: Digest([1; 32]),
                    event_digest: proof,
                };
                let stored = Fact::decode(&fact.into_fact(&envelope).encode()).unwrap();
                assert_eq!(AccountFact::from_fact(&stored), Ok(fact));
                let names: Vec<_> = names::of(&stored).iter().map(|name| names::read_misbehaviour(name)).collect();
                assert_eq!(names, [Some((5, proof))]);
            }
        }
        assert_eq!(Kind::from_code(7), None);
    }
}
