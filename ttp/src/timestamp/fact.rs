//! What the timestamping authority has done.

use super::{ClockVerdict, TokenSerial};
use crate::asn1::PolicyId;
use crate::cbor::{Error, Reader, Writer};
use crate::digest::{Digest, ImprintAlgorithm};
use crate::evidence::{FactError, KeyId, Kind, Recorded, TimestampKind};

/// A fact of role 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimestampFact {
    /// A token was issued. Body `[serial(20), algorithm, SHA-256(imprint), policy, clock, purpose, generation,
    /// accuracy µs]`: enough to find every token of a unit, a policy or a doubtful clock (EN 319 421 OVR-7.13).
    TokenIssued {
        /// Its serial number.
        serial: TokenSerial,
        /// How the imprint was made.
        algorithm: ImprintAlgorithm,
        /// SHA-256 of the imprint's octets.
        imprint: Digest,
        /// Under which policy.
        policy: PolicyId,
        /// What the clock component said.
        clock: ClockVerdict,
        /// By which key.
        key: KeyId,
        /// The accuracy stated, microseconds.
        accuracy_micros: u32,
    },
}

impl Recorded for TimestampFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        let Self::TokenIssued { .. } = self;
        Kind::Timestamp(TimestampKind::Token)
    }

    fn write_body(&self, w: &mut Writer) {
        let Self::TokenIssued { serial, algorithm, imprint, policy, clock, key, accuracy_micros } = self;
        w.array(8).bytes(serial.as_bytes()).uint(algorithm.code()).bytes(imprint.as_bytes());
        key.write(w.bytes(policy.content()).uint(clock.code()));
        w.uint((*accuracy_micros).into());
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        if kind != Kind::Timestamp(TimestampKind::Token) {
            return Err(FactError::OtherKind { found: kind });
        }
        r.array(8)?;
        Ok(Self::TokenIssued {
            serial: TokenSerial::from_bytes(r.fixed()?).ok_or(Error::Range { at: 0 })?,
            algorithm: r.code(ImprintAlgorithm::from_code)?,
            imprint: Digest(r.fixed()?),
            policy: PolicyId::from_content(r.bytes()?).ok_or(Error::Range { at: 0 })?,
            clock: r.code(ClockVerdict::from_code)?,
            key: KeyId::read(r)?,
            accuracy_micros: r.code(|n| u32::try_from(n).ok())?,
        })
    }
}
