//! Role 0: the log itself. Genesis is entry 0: it says which log this is, which keys it began with, and under which
//! promises its entries were made. A new anchor for a lost one is the one thing that happens to a log besides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, LedgerKind};
use super::{Aggregate, FactError, Recorded};
use crate::cbor::{Reader, Writer};
use crate::digest::Digest;

/// What the log did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerFact {
    /// The log began. Body `[SHA-256(origin), log-note, log-receipt, root certificate, mmd_ms, entry, fact, store]`; the
    /// origin itself, which is a name, stands in the artefact only ([`Genesis`]).
    Genesis {
        /// SHA-256 of the origin.
        origin_hash: Digest,
        /// SHA-256 of the SubjectPublicKeyInfo that verifies checkpoints.
        log_note: Digest,
        /// SHA-256 of the SubjectPublicKeyInfo that verifies COSE receipts.
        log_receipt: Digest,
        /// SHA-256 of the root certificate.
        root_certificate: Digest,
        /// Milliseconds that an entry may be later than its decision (DESIGN §4).
        mmd_ms: u64,
        /// Versions of what is stored.
        formats: Formats,
    },
    /// The log got a new anchor, at the state that it had then. Body `[size, root, asked, vouched, quorum]`. Nobody could rule
    /// out any more that entries behind that state were lost, but those who vouched.
    AnchorRemade {
        /// Entries in the log then.
        size: u64,
        /// Their root.
        root: Digest,
        /// Witnesses that were asked.
        asked: u64,
        /// Witnesses among them whose newest checkpoint this state continues.
        vouched: u64,
        /// True if these are a quorum by the policy.
        quorum: bool,
    },
}

impl LedgerFact {
    /// The history of new anchors.
    #[must_use]
    pub fn anchors() -> Aggregate {
        Aggregate::of("ledger", b"anchor")
    }
}

/// Versions of what is stored, as they were when the log began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Formats {
    /// Of public entries.
    pub entry: u64,
    /// Of facts.
    pub fact: u64,
    /// Of the store.
    pub store: u64,
}

impl Recorded for LedgerFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        match self {
            Self::Genesis { .. } => Kind::Ledger(LedgerKind::Genesis),
            Self::AnchorRemade { .. } => Kind::Ledger(LedgerKind::AnchorRemade),
        }
    }

    fn write_body(&self, w: &mut Writer) {
        match self {
            Self::Genesis { origin_hash, log_note, log_receipt, root_certificate, mmd_ms, formats } => {
                w.array(8);
                for digest in [origin_hash, log_note, log_receipt, root_certificate] {
                    w.bytes(digest.as_bytes());
                }
                w.uint(*mmd_ms).uint(formats.entry).uint(formats.fact).uint(formats.store);
            }
            Self::AnchorRemade { size, root, asked, vouched, quorum } => {
                w.array(5).uint(*size).bytes(root.as_bytes()).uint(*asked).uint(*vouched).bool(*quorum);
            }
        }
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        let Kind::Ledger(ledger) = kind else { return Err(FactError::OtherKind { found: kind }) };
        match ledger {
            LedgerKind::Genesis => {
                r.array(8)?;
                Ok(Self::Genesis {
                    origin_hash: Digest(r.fixed()?),
                    log_note: Digest(r.fixed()?),
                    log_receipt: Digest(r.fixed()?),
                    root_certificate: Digest(r.fixed()?),
                    mmd_ms: r.uint()?,
                    formats: Formats { entry: r.uint()?, fact: r.uint()?, store: r.uint()? },
                })
            }
            LedgerKind::AnchorRemade => {
                r.array(5)?;
                Ok(Self::AnchorRemade {
                    size: r.uint()?,
                    root: Digest(r.fixed()?),
                    asked: r.uint()?,
                    vouched: r.uint()?,
                    quorum: r.bool()?,
                })
            }
        }
    }
}

/// The artefact of entry 0, one JSON object without spaces, its members in the order below. Public: whoever has it knows
/// every key that the service began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Always [`Genesis::TYPE`].
    pub r#type: String,
    /// Always [`Genesis::VERSION`].
    pub version: u64,
    /// The log's name.
    pub origin: String,
    /// The log's key, as a C2SP verifier key.
    pub vkey: String,
    /// SubjectPublicKeyInfo of the key of COSE receipts, hex.
    pub receipt_key: String,
    /// SHA-256 of the root certificate's DER.
    pub root_certificate: Digest,
    /// Every service key made at the beginning: its name, and SHA-256 of its SubjectPublicKeyInfo.
    pub keys: BTreeMap<String, Digest>,
    /// SHA-256 of the policy in force.
    pub policy: Digest,
    /// As in [`LedgerFact::Genesis`].
    pub mmd_ms: u64,
    /// As in [`LedgerFact::Genesis`].
    pub formats: Formats,
}

/// Bytes that are no genesis document in its one spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a genesis document")]
pub struct NotGenesis;

impl Genesis {
    /// The type tag.
    pub const TYPE: &'static str = "semper/genesis";
    /// The version that this build writes.
    pub const VERSION: u64 = 1;

    /// The bytes that are stored and hashed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and string keys always have a JSON form")
    }

    /// Reads exactly what [`Genesis::encode`] writes.
    ///
    /// # Errors
    /// [`NotGenesis`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotGenesis> {
        let genesis: Self = serde_json::from_slice(bytes).map_err(|_| NotGenesis)?;
        let ours = genesis.r#type == Self::TYPE && genesis.version == Self::VERSION;
        if ours && genesis.encode() == bytes { Ok(genesis) } else { Err(NotGenesis) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Envelope, Fact, OpsFact};
    use super::*;
    use crate::time::Timestamp;

    const FORMATS: Formats = Formats { entry: 1, fact: 2, store: 3 };

    fn fact() -> Fact {
        let fact = LedgerFact::Genesis {
            origin_hash: Digest([1; 32]),
            log_note: Digest([2; 32]),
            log_receipt: Digest([3; 32]),
            root_certificate: Digest([4; 32]),
            mmd_ms: 5_000,
            formats: FORMATS,
        };
        fact.into_fact(&Envelope {
            aggregate: Aggregate::of("ledger", b"log"),
            seq: 0,
            now: Timestamp::from_millis(1),
            salt: [0; 16],
            policy_hash: Digest::default(),
            event_digest: Digest::default(),
        })
    }

    #[test]
    fn a_fact_is_read_as_written() {
        let stored = Fact::decode(&fact().encode()).unwrap();
        let body: String = (1..=4_u8).map(|n| format!("5820{}", hex::encode([n; 32]))).collect();
        assert_eq!(hex::encode(&stored.body), format!("88{body}191388010203"));
        let LedgerFact::Genesis { mmd_ms, formats, .. } = LedgerFact::from_fact(&stored).unwrap() else { panic!() };
        assert_eq!((mmd_ms, formats), (5_000, FORMATS));
        assert_eq!(LedgerFact::from_fact(&stored).unwrap().kind(), stored.kind);
        assert!(matches!(OpsFact::from_fact(&stored), Err(FactError::OtherKind { .. })));
        let other = Fact { kind: Kind::from_packed(0x0109).unwrap(), ..stored };
        assert_eq!(LedgerFact::from_fact(&other), Err(FactError::OtherKind { found: other.kind }));
    }

    #[test]
    fn a_new_anchor_is_read_as_written() {
        let made = LedgerFact::AnchorRemade { size: 300, root: Digest([8; 32]), asked: 3, vouched: 2, quorum: true };
        let stored = Fact { kind: made.kind(), ..fact() };
        let mut body = Writer::with_capacity(64);
        made.write_body(&mut body);
        let stored = Fact { body: body.finish(), ..stored };
        assert_eq!(hex::encode(&stored.body), format!("8519012c5820{}0302f5", "08".repeat(32)));
        assert_eq!(LedgerFact::from_fact(&Fact::decode(&stored.encode()).unwrap()), Ok(made));
    }

    fn genesis() -> Genesis {
        Genesis {
            r#type: Genesis::TYPE.to_owned(),
            version: Genesis::VERSION,
            origin: "ledger.example.org/2026".to_owned(),
            vkey: "ledger.example.org/2026+00000000+AA==".to_owned(),
            receipt_key: "3059".to_owned(),
            root_certificate: Digest([4; 32]),
            keys: BTreeMap::from([
                ("tsu-ec.1".to_owned(), Digest([6; 32])),
                ("log-note.1".to_owned(), Digest([5; 32])),
            ]),
            policy: Digest([7; 32]),
            mmd_ms: 5_000,
            formats: FORMATS,
        }
    }

    #[test]
    fn the_document_has_one_spelling() {
        let bytes = genesis().encode();
        let hash = |n: u8| hex::encode([n; 32]);
        let expected = format!(
            "{{\"type\":\"semper/genesis\",\"version\":1,\"origin\":\"ledger.example.org/2026\",\
             \"vkey\":\"ledger.example.org/2026+00000000+AA==\",\"receipt_key\":\"3059\",\
             \"root_certificate\":\"{}\",\"keys\":{{\"log-note.1\":\"{}\",\"tsu-ec.1\":\"{}\"}},\"policy\":\"{}\",\
             \"mmd_ms\":5000,\"formats\":{{\"entry\":1,\"fact\":2,\"store\":3}}}}",
            hash(4),
            hash(5),
            hash(6),
            hash(7)
        );
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        assert_eq!(Genesis::decode(&bytes), Ok(genesis()));
        for other in [
            expected.replace(",\"policy\"", ", \"policy\""),
            expected.replace("genesis\"", "genesys\""),
            expected.replace("\"version\":1", "\"version\":2"),
            expected.replace("\"version\"", "\"extra\":0,\"version\""),
            String::new(),
        ] {
            assert_eq!(Genesis::decode(other.as_bytes()), Err(NotGenesis), "{other}");
        }
    }
}
