//! Facts of role 1: keys, policies, the clock, the service itself (ETSI EN 319 421 OVR-7.12-02..06).

use super::kind::{Kind, OpsKind};
use super::{FactError, KeyId, Recorded};
use crate::cbor::{Reader, Writer};
use crate::digest::Digest;

/// What an operator, the clock or the service itself did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpsFact {
    /// A key was generated. Body `[purpose, generation, SHA-256(SPKI)]`.
    KeyMade {
        /// Which.
        key: KeyId,
        /// SHA-256 of its SubjectPublicKeyInfo DER; of the raw public key for a key without one; of a symmetric key its check
        /// value (`vault::KeyWrap::check_value`).
        public_key: Digest,
    },
    /// A key was used for the first time: told in the commit of what it signed then. Body `[purpose, generation]`.
    KeyFirstUse {
        /// Which.
        key: KeyId,
    },
    /// A key is used no more. Body `[purpose, generation, destroyed]`.
    KeyEnded {
        /// Which.
        key: KeyId,
        /// True if the private key was destroyed, false if only its period is over.
        destroyed: bool,
    },
    /// Another policy came into force. Body `[policy]`.
    PolicyChanged {
        /// SHA-256 of the new policy file.
        policy: Digest,
    },
    /// The clock became synchronised. Body `[offset bound in µs]`.
    ClockSynchronised {
        /// Estimated error in microseconds.
        error_micros: u64,
    },
    /// The clock is in doubt. Body `[offset bound in µs]`.
    ClockSuspect {
        /// Estimated error in microseconds.
        error_micros: u64,
    },
    /// Issuing stopped for the clock. Body `[reason, offset in µs, ago in ms]`.
    ///
    /// A clock that is lost gives the ledger no time: the fact is made when the clock is back, and says how long before.
    ClockLost {
        /// Why, by the numbers of [`Cause`](crate::clock::Cause).
        reason: u64,
        /// Size of the offset or jump in microseconds, 0 if unknown.
        offset_micros: u64,
        /// How long before the fact's own time, in milliseconds of the monotonic clock.
        ago_millis: u64,
    },
    /// A leap second. Body `[moment in ms, inserted]`.
    LeapSecond {
        /// The exact moment, milliseconds since 1970.
        at_millis: u64,
        /// True for an inserted second, false for a deleted one.
        inserted: bool,
    },
    /// Another act of an operator. Body `[act, subject]`.
    OperatorAct {
        /// Which act, by the numbers of the operators' guide.
        act: u64,
        /// Digest of what it was about.
        subject: Digest,
    },
    /// The service started. Body `[build, ago in ms]`. Made when the clock may assert time, as [`Self::ClockLost`].
    Started {
        /// SHA-256 of version and configuration.
        build: Digest,
        /// How long before the fact's own time, in milliseconds of the monotonic clock.
        ago_millis: u64,
    },
    /// The service was stopped in an orderly way. Body `[]`.
    Stopped,
    /// Documents that name people were read. Body `[from in ms, reads, root]`.
    ///
    /// The lines of the access log stay private; each can be shown by itself, with its path to the root.
    Access {
        /// When the first of them was read, milliseconds since 1970.
        from_millis: u64,
        /// How many reads.
        reads: u64,
        /// Root of the Merkle tree (RFC 6962) over the lines of the log.
        root: Digest,
    },
    /// A call of somebody whom a certificate of ours names was refused. Body `[caller, call, problem]`.
    ///
    /// What was refused to whom stays private behind digests; of one caller so many in a minute are recorded.
    CallRefused {
        /// SHA-256 of the caller's certificate.
        caller: Digest,
        /// SHA-256 of the method, a space, and the path with its query.
        call: Digest,
        /// SHA-256 of the problem's code, as the answer has it.
        problem: Digest,
    },
    /// The arbiter took no requests, from one moment to another. Body `[from in ms, to in ms]`.
    ///
    /// It is told before anything is decided again: an outage moves the ends of exchanges that were near ([`crate::exchange::expiry`]).
    Outage {
        /// The last moment at which it is known to have taken them, milliseconds since 1970.
        from_millis: u64,
        /// From when on it took them again.
        to_millis: u64,
    },
}

impl Recorded for OpsFact {
    const RULES: u64 = 1;

    fn kind(&self) -> Kind {
        Kind::Ops(match self {
            Self::KeyMade { .. } => OpsKind::KeyMade,
            Self::KeyFirstUse { .. } => OpsKind::KeyFirstUse,
            Self::KeyEnded { .. } => OpsKind::KeyEnded,
            Self::PolicyChanged { .. } => OpsKind::PolicyChanged,
            Self::ClockSynchronised { .. } => OpsKind::ClockSynchronised,
            Self::ClockSuspect { .. } => OpsKind::ClockSuspect,
            Self::ClockLost { .. } => OpsKind::ClockLost,
            Self::LeapSecond { .. } => OpsKind::LeapSecond,
            Self::OperatorAct { .. } => OpsKind::OperatorAct,
            Self::Started { .. } => OpsKind::Started,
            Self::Stopped => OpsKind::Stopped,
            Self::Access { .. } => OpsKind::Access,
            Self::CallRefused { .. } => OpsKind::CallRefused,
            Self::Outage { .. } => OpsKind::Outage,
        })
    }

    fn write_body(&self, w: &mut Writer) {
        match self {
            Self::KeyMade { key, public_key } => {
                key.write(w.array(3));
                w.bytes(public_key.as_bytes());
            }
            Self::KeyFirstUse { key } => key.write(w.array(2)),
            Self::KeyEnded { key, destroyed } => {
                key.write(w.array(3));
                w.bool(*destroyed);
            }
            Self::PolicyChanged { policy } => {
                w.array(1).bytes(policy.as_bytes());
            }
            Self::ClockSynchronised { error_micros } | Self::ClockSuspect { error_micros } => {
                w.array(1).uint(*error_micros);
            }
            Self::ClockLost { reason, offset_micros, ago_millis } => {
                w.array(3).uint(*reason).uint(*offset_micros).uint(*ago_millis);
            }
            Self::LeapSecond { at_millis, inserted } => {
                w.array(2).uint(*at_millis).bool(*inserted);
            }
            Self::OperatorAct { act, subject } => {
                w.array(2).uint(*act).bytes(subject.as_bytes());
            }
            Self::Started { build, ago_millis } => {
                w.array(2).bytes(build.as_bytes()).uint(*ago_millis);
            }
            Self::Stopped => {
                w.array(0);
            }
            Self::Access { from_millis, reads, root } => {
                w.array(3).uint(*from_millis).uint(*reads).bytes(root.as_bytes());
            }
            Self::CallRefused { caller, call, problem } => {
                w.array(3).bytes(caller.as_bytes()).bytes(call.as_bytes()).bytes(problem.as_bytes());
            }
            Self::Outage { from_millis, to_millis } => {
                w.array(2).uint(*from_millis).uint(*to_millis);
            }
        }
    }

    fn read_body(kind: Kind, r: &mut Reader<'_>) -> Result<Self, FactError> {
        let Kind::Ops(ops) = kind else { return Err(FactError::OtherKind { found: kind }) };
        let len = match ops {
            OpsKind::KeyMade | OpsKind::KeyEnded | OpsKind::ClockLost | OpsKind::Access | OpsKind::CallRefused => 3,
            OpsKind::KeyFirstUse | OpsKind::LeapSecond | OpsKind::OperatorAct | OpsKind::Started | OpsKind::Outage => 2,
            OpsKind::PolicyChanged | OpsKind::ClockSynchronised | OpsKind::ClockSuspect => 1,
            OpsKind::Stopped => 0,
        };
        r.array(len)?;
        Ok(match ops {
            OpsKind::KeyMade => Self::KeyMade { key: KeyId::read(r)?, public_key: Digest(r.fixed()?) },
            OpsKind::KeyFirstUse => Self::KeyFirstUse { key: KeyId::read(r)? },
            OpsKind::KeyEnded => Self::KeyEnded { key: KeyId::read(r)?, destroyed: r.bool()? },
            OpsKind::PolicyChanged => Self::PolicyChanged { policy: Digest(r.fixed()?) },
            OpsKind::ClockSynchronised => Self::ClockSynchronised { error_micros: r.uint()? },
            OpsKind::ClockSuspect => Self::ClockSuspect { error_micros: r.uint()? },
            OpsKind::ClockLost => {
                Self::ClockLost { reason: r.uint()?, offset_micros: r.uint()?, ago_millis: r.uint()? }
            }
            OpsKind::LeapSecond => Self::LeapSecond { at_millis: r.uint()?, inserted: r.bool()? },
            OpsKind::OperatorAct => Self::OperatorAct { act: r.uint()?, subject: Digest(r.fixed()?) },
            OpsKind::Started => Self::Started { build: Digest(r.fixed()?), ago_millis: r.uint()? },
            OpsKind::Stopped => Self::Stopped,
            OpsKind::Access => Self::Access { from_millis: r.uint()?, reads: r.uint()?, root: Digest(r.fixed()?) },
            OpsKind::CallRefused => {
                Self::CallRefused { caller: Digest(r.fixed()?), call: Digest(r.fixed()?), problem: Digest(r.fixed()?) }
            }
            OpsKind::Outage => Self::Outage { from_millis: r.uint()?, to_millis: r.uint()? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Aggregate, Envelope, KeyPurpose};
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn each_is_read_as_written() {
        let key = KeyId::new(KeyPurpose::TsuRsa, 300);
        let digest = Digest([3; 32]);
        let all = [
            OpsFact::KeyMade { key, public_key: digest },
            OpsFact::KeyFirstUse { key },
            OpsFact::KeyEnded { key, destroyed: true },
            OpsFact::PolicyChanged { policy: digest },
            OpsFact::ClockSynchronised { error_micros: 1 },
            OpsFact::ClockSuspect { error_micros: 70_000 },
            OpsFact::ClockLost { reason: 2, offset_micros: u64::MAX, ago_millis: 1 },
            OpsFact::LeapSecond { at_millis: 1, inserted: false },
            OpsFact::OperatorAct { act: 1, subject: digest },
            OpsFact::Started { build: digest, ago_millis: u64::MAX },
            OpsFact::Stopped,
            OpsFact::Access { from_millis: 1, reads: 2, root: digest },
            OpsFact::CallRefused { caller: digest, call: Digest([8; 32]), problem: Digest([9; 32]) },
            OpsFact::Outage { from_millis: 1, to_millis: 2 },
        ];
        assert_eq!(all.len(), OpsKind::ALL.len());
        let envelope = Envelope {
            aggregate: Aggregate::of("ops", b""),
            seq: 0,
            now: Timestamp::from_millis(1),
            salt: [0; 16],
            policy_hash: digest,
            event_digest: digest,
        };
        for fact in all {
            let stored = super::super::Fact::decode(&fact.clone().into_fact(&envelope).encode()).unwrap();
            assert_eq!(OpsFact::from_fact(&stored), Ok(fact));
        }
    }
}
