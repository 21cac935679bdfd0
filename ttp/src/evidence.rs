//! Facts: what roles decided, byte for byte as they are stored for ever.
//!
//! ```text
//! fact = [ 1, rules, aggregate, seq, now_ms, kind, salt, policy_hash, event_digest, body ]      deterministic CBOR
//!          │    │        │       │      │      │     │        │             │          └ what the role decided
//!          │    │        │       │      │      │     │        │             └ SHA-256 of the request or timer that led to it
//!          │    │        │       │      │      │     │        └ SHA-256 of the policy file in force
//!          │    │        │       │      │      │     └ 16 random octets: the digest of a guessable fact discloses nothing
//!          │    │        │       │      │      └ role × 256 + kind, see [`Kind`]
//!          │    │        │       │      └ the `now` of the decision, milliseconds since 1970
//!          │    │        │       └ place in the aggregate's history, strictly rising
//!          │    │        └ 32 octets, see [`Aggregate`]
//!          │    └ number of the rules the role decided by; `semper audit` decides anew only under rules that it carries
//!          └ version of this format
//! ```
//!
//! A body holds numbers, digests, identifiers and codes, never a name or free text; [`crate::cbor`] cannot even write
//! text. Encodings are only added to, never changed, and old ones are read for ever. The public entry of a fact is made
//! by `semper-ledger`; it takes role and kind from here as plain numbers.

mod key;
mod kind;
mod ledger;
pub mod names;
mod ops;

pub use key::{KeyId, KeyPurpose, ParseKeyIdError};
pub(crate) use kind::codes;
pub use kind::{
    AccountKind, ArchiveKind, CaKind, ExchangeKind, Kind, LedgerKind, NotaryKind, OpsKind, PartyKind, PaymentKind,
    RoleCode, TimestampKind,
};
pub use ledger::{Formats, Genesis, LedgerFact, NotGenesis};
pub use ops::OpsFact;

use std::fmt;

use crate::cbor::{self, Reader, Writer};
use crate::digest::Digest;
use crate::time::Timestamp;

/// Names one history of facts: a certificate serial, a CRL, a deal. 32 octets, so that it tells an outsider nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aggregate(pub [u8; 32]);

impl Aggregate {
    /// The aggregate with a typed name: SHA-256 of `"semper/aggregate/v1" 00 type 00 name`. The type must hold no zero
    /// octet, so that no two (type, name) pairs meet.
    #[must_use]
    pub fn of(type_name: &'static str, name: &[u8]) -> Self {
        debug_assert!(!type_name.contains('\0'));
        let mut input = Vec::with_capacity(21 + type_name.len() + name.len());
        input.extend_from_slice(b"semper/aggregate/v1\0");
        input.extend_from_slice(type_name.as_bytes());
        input.push(0);
        input.extend_from_slice(name);
        Self(Digest::of(&input).0)
    }

    /// The history of a service key: its making, its first use, its end.
    #[must_use]
    pub fn of_key(key: KeyId) -> Self {
        Self::of("key", key.to_string().as_bytes())
    }

    /// A segment of the access log, by the moment of its first line.
    #[must_use]
    pub fn of_access(from: Timestamp) -> Self {
        Self::of("access", &from.millis().to_be_bytes())
    }

    /// The diary of the service itself: its starts and ends, the events of its clock.
    #[must_use]
    pub fn service() -> Self {
        Self::of("ops", b"service")
    }
}

/// The counter that tokens draw their serials from: its name among the ledger's counters.
pub const SERIAL_COUNTER: &str = "tsa-serial";

impl fmt::Debug for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aggregate({})", hex::encode(self.0))
    }
}

/// The version of the fact format, its first element.
pub const FACT_VERSION: u64 = 1;

/// A fact as stored; its bytes are [`Fact::encode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Number of the rules the role decided by.
    pub rules: u64,
    /// The history this fact belongs to.
    pub aggregate: Aggregate,
    /// Place in that history: strictly rising. Roles that fold count 0, 1, 2…; token serials may skip numbers.
    pub seq: u64,
    /// The `now` of the decision.
    pub now: Timestamp,
    /// Role and kind.
    pub kind: Kind,
    /// 16 random octets from the event.
    pub salt: [u8; 16],
    /// SHA-256 of the policy file in force.
    pub policy_hash: Digest,
    /// SHA-256 of the bytes of the event that was decided.
    pub event_digest: Digest,
    /// What was decided: one CBOR item of the form that [`crate::cbor`] permits.
    pub body: Vec<u8>,
}

impl Fact {
    /// The stored bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // 3 × 34 octets for the hashes, 17 for the salt, at most 30 for the numbers.
        let mut writer = Writer::with_capacity(152 + self.body.len());
        writer
            .array(10)
            .uint(FACT_VERSION)
            .uint(self.rules)
            .bytes(&self.aggregate.0)
            .uint(self.seq)
            .uint(self.now.millis())
            .uint(self.kind.packed())
            .bytes(&self.salt)
            .bytes(self.policy_hash.as_bytes())
            .bytes(self.event_digest.as_bytes())
            .raw(&self.body);
        writer.finish()
    }

    /// The step of its aggregate's history that this fact takes in the ledger's index: a step is taken once, and state
    /// is folded from the steps. `None` where nothing is folded and nothing can contradict: for tokens, whose place is
    /// the number drawn from their counter, and for the diary of the service, which is ordered by time.
    #[must_use]
    pub fn step(&self) -> Option<(Aggregate, u64)> {
        let stepped = self.counter().is_none() && self.aggregate != Aggregate::service();
        stepped.then_some((self.aggregate, self.seq))
    }

    /// The counter that this fact drew its place from, and the number drawn.
    #[must_use]
    pub fn counter(&self) -> Option<(&'static str, u64)> {
        match self.kind {
            Kind::Timestamp(_) => Some((SERIAL_COUNTER, self.seq)),
            Kind::Ledger(_)
            | Kind::Ca(_)
            | Kind::Ops(_)
            | Kind::Notary(_)
            | Kind::Exchange(_)
            | Kind::Archive(_)
            | Kind::Payment(_)
            | Kind::Party(_)
            | Kind::Account(_) => None,
        }
    }

    /// Reads stored bytes; accepts exactly what [`Fact::encode`] writes.
    ///
    /// # Errors
    /// [`FactError`] for any other bytes, a later format, or a kind that this build does not know.
    pub fn decode(bytes: &[u8]) -> Result<Self, FactError> {
        let mut reader = Reader::new(bytes);
        reader.array(10)?;
        match reader.uint()? {
            FACT_VERSION => {}
            found => return Err(FactError::Version { found }),
        }
        let rules = reader.uint()?;
        let aggregate = Aggregate(reader.fixed()?);
        let seq = reader.uint()?;
        let now = read_time(&mut reader)?;
        let packed = reader.uint()?;
        let kind = Kind::from_packed(packed).ok_or(FactError::Kind { packed })?;
        let salt = reader.fixed()?;
        let policy_hash = Digest(reader.fixed()?);
        let event_digest = Digest(reader.fixed()?);
        let body = reader.item()?.to_vec();
        reader.end()?;
        Ok(Self { rules, aggregate, seq, now, kind, salt, policy_hash, event_digest, body })
    }
}

/// A moment in milliseconds, in its one spelling: later ones than the last that a [`Timestamp`] can be are none.
pub(crate) fn read_time(reader: &mut Reader<'_>) -> Result<Timestamp, cbor::Error> {
    reader.code(|millis| Some(Timestamp::from_millis(millis)).filter(|time| time.millis() == millis))
}

/// Why stored bytes are no fact of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// Not the CBOR of a fact.
    #[error("fact: {0}")]
    Cbor(#[from] cbor::Error),
    /// A later format of facts.
    #[error("fact of version {found}, this build reads {FACT_VERSION}")]
    Version {
        /// The version found.
        found: u64,
    },
    /// A role or kind that this build does not know.
    #[error("fact of unknown kind {packed}")]
    Kind {
        /// role × 256 + kind.
        packed: u64,
    },
    /// A known kind, but not one that this reader wants.
    #[error("fact of kind {found} where another role's was expected")]
    OtherKind {
        /// The kind found.
        found: Kind,
    },
}

/// What every fact of a role must be able to do: be written as a body and be read back.
pub trait Recorded: Sized {
    /// Number of the rules that this build decides by; raised when the same event may now be decided otherwise.
    const RULES: u64;

    /// Role and kind.
    fn kind(&self) -> Kind;

    /// Writes the body: exactly one item.
    fn write_body(&self, writer: &mut Writer);

    /// Reads the body of a fact of `kind`; the caller checks that nothing follows.
    ///
    /// # Errors
    /// [`FactError::OtherKind`] for a kind of another role, [`FactError::Cbor`] for a body that this kind never had.
    fn read_body(kind: Kind, reader: &mut Reader<'_>) -> Result<Self, FactError>;

    /// Reads this role's fact out of a stored one.
    ///
    /// # Errors
    /// As [`Recorded::read_body`].
    fn from_fact(fact: &Fact) -> Result<Self, FactError> {
        let mut reader = Reader::new(&fact.body);
        let recorded = Self::read_body(fact.kind, &mut reader)?;
        reader.end()?;
        Ok(recorded)
    }

    /// The fact as it is stored.
    fn into_fact(self, envelope: &Envelope) -> Fact {
        let mut body = Writer::with_capacity(96);
        self.write_body(&mut body);
        let Envelope { aggregate, seq, now, salt, policy_hash, event_digest } = *envelope;
        Fact {
            rules: Self::RULES,
            aggregate,
            seq,
            now,
            kind: self.kind(),
            salt,
            policy_hash,
            event_digest,
            body: body.finish(),
        }
    }
}

/// What the shell knows about a fact before the role has decided it; see [`Fact`] for the fields.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The history.
    pub aggregate: Aggregate,
    /// The place in it.
    pub seq: u64,
    /// The `now` given to `decide`.
    pub now: Timestamp,
    /// Fresh for each fact.
    pub salt: [u8; 16],
    /// The policy in force.
    pub policy_hash: Digest,
    /// SHA-256 of the event's bytes.
    pub event_digest: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Fact {
        OpsFact::Started { build: Digest([7; 32]), ago_millis: 0 }.into_fact(&Envelope {
            aggregate: Aggregate::of("ops", b""),
            seq: 3,
            now: Timestamp::from_millis(1_772_366_400_250),
            salt: [9; 16],
            policy_hash: Digest([1; 32]),
            event_digest: Digest([2; 32]),
        })
    }

    #[test]
    fn bytes_are_as_drawn() {
        let aggregate = hex::encode(Aggregate::of("ops", b"").0);
        assert_eq!(aggregate, Digest::of(b"semper/aggregate/v1\0ops\0").to_string());
        let expected = [
            "8a",
            "01",
            "01",
            &format!("5820{aggregate}"),
            "03",
            "1b0000019ca9450afa",
            "190109",
            &format!("50{}", "09".repeat(16)),
            &format!("5820{}", "01".repeat(32)),
            &format!("5820{}", "02".repeat(32)),
            &format!("825820{}00", "07".repeat(32)),
        ]
        .concat();
        assert_eq!(hex::encode(sample().encode()), expected);
        assert_eq!(Fact::decode(&sample().encode()), Ok(sample()));
    }

    /// Which facts stand in the index of steps: every store is read by this rule, so it never changes.
    #[test]
    fn tokens_and_the_diary_take_no_step() {
        let at = |kind: Kind, aggregate| Fact { kind, aggregate, ..sample() };
        let (crl, diary) = (Aggregate::of("crl", b"root"), Aggregate::service());
        let token = at(Kind::Timestamp(TimestampKind::Token), crl);
        assert_eq!((token.step(), token.counter()), (None, Some((SERIAL_COUNTER, 3))));
        let started = at(sample().kind, diary);
        assert_eq!((started.step(), started.counter()), (None, None));
        for kind in [Kind::Ledger(LedgerKind::Genesis), sample().kind, Kind::Ca(CaKind::CrlIssued)] {
            assert_eq!((at(kind, crl).step(), at(kind, crl).counter()), (Some((crl, 3)), None), "{kind}");
        }
        assert_eq!(SERIAL_COUNTER, "tsa-serial");
        let key: KeyId = "tsu-ec.1".parse().unwrap();
        assert_eq!(Aggregate::of_key(key), Aggregate::of("key", b"tsu-ec.1"));
        assert_eq!(diary, Aggregate::of("ops", b"service"));
    }

    #[test]
    fn what_is_not_a_fact_is_named() {
        let good = sample().encode();
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Fact::decode(&bytes)
        };
        assert_eq!(with(1, 2), Err(FactError::Version { found: 2 }));
        assert_eq!(with(0, 0x89), Err(FactError::Cbor(cbor::Error::Length { at: 0 })));
        assert_eq!(with(48, 0xFF), Err(FactError::Kind { packed: 0xFF09 }));
        let mut longer = good.clone();
        longer.push(0);
        assert_eq!(Fact::decode(&longer), Err(FactError::Cbor(cbor::Error::Trailing)));
        assert_eq!(Fact::decode(&good[..good.len() - 1]), Err(FactError::Cbor(cbor::Error::Truncated)));
    }

    proptest! {
        #[test]
        fn every_accepted_byte_string_is_the_only_one_for_its_fact(at in 0..200_usize, byte: u8) {
            let mut bytes = sample().encode();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(fact) = Fact::decode(&bytes) {
                prop_assert_eq!(fact.encode(), bytes);
            }
        }

        #[test]
        fn decode_never_panics(bytes: Vec<u8>) {
            let _ = Fact::decode(&bytes);
        }
    }
}
