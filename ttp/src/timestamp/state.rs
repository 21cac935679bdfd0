//! An endpoint: which unit signs, under which policies, how exactly.

use std::sync::Arc;

use super::{Stamp, Tsu};
use crate::asn1::{PolicyId, der};
use crate::digest::{Digest, ImprintAlgorithm};
use crate::evidence::{Aggregate, Envelope};
use crate::time::Timestamp;

/// How far `genTime` may lie from UTC. ETSI EN 319 422 asks for one second or better, and always states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accuracy {
    micros: u32,
}

impl Accuracy {
    /// From microseconds; `None` for 0 and above 1,000,000.
    #[must_use]
    pub const fn from_micros(micros: u32) -> Option<Self> {
        if micros == 0 || micros > 1_000_000 { None } else { Some(Self { micros }) }
    }

    /// In microseconds.
    #[must_use]
    pub const fn micros(self) -> u32 {
        self.micros
    }

    /// Accuracy of RFC 3161: seconds, millis `[0]` and micros `[1]` of 1..999 each; a zero component is absent.
    #[must_use]
    pub fn der(self) -> Vec<u8> {
        let parts =
            [(der::INTEGER, self.micros / 1_000_000), (0x80, self.micros / 1000 % 1000), (0x81, self.micros % 1000)];
        let encoded: Vec<u8> = parts
            .into_iter()
            .filter(|(_, value)| *value != 0)
            .flat_map(|(tag, value)| der::tlv(tag, &der::integer_content(&value.to_be_bytes())))
            .collect();
        der::tlv(der::SEQUENCE, &encoded)
    }
}

/// What an operator sets for one endpoint.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The path, for example `/tsa`; names the endpoint's history in the store.
    pub name: String,
    /// Applied when a request names none.
    pub default_policy: PolicyId,
    /// What a request may name besides.
    pub accepted_policies: Vec<PolicyId>,
    /// Accepted imprint algorithms.
    pub hashes: Vec<ImprintAlgorithm>,
    /// Stated in every token.
    pub accuracy: Accuracy,
    /// The largest error that the clock component lets pass, microseconds.
    pub clock_bound_micros: u32,
    /// True claims that every token of this unit is qualified (EN 319 422 §9.1): a legal statement, off by default.
    pub qualified: bool,
    /// SHA-256 of the policy file in force.
    pub policy_hash: Digest,
}

/// Why settings do not make an endpoint; the service does not start then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsFault {
    /// No hash algorithm.
    #[error("no hash algorithm is accepted")]
    NoHash,
    /// Tokens would claim more than the clock gives (EN 319 421 TIS-7.7.1-05).
    #[error("accuracy {accuracy_micros} µs is better than the clock's bound {clock_bound_micros} µs + 1 ms of genTime")]
    Accuracy {
        /// Stated.
        accuracy_micros: u32,
        /// Let pass.
        clock_bound_micros: u32,
    },
}

/// The resolution of `genTime`, microseconds.
const GEN_TIME_MICROS: u32 = 1000;

/// A ready endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(super) settings: Settings,
    pub(super) tsu: Arc<Tsu>,
    aggregate: Aggregate,
}

impl Endpoint {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`SettingsFault`].
    pub fn new(mut settings: Settings, tsu: Arc<Tsu>) -> Result<Self, SettingsFault> {
        if settings.hashes.is_empty() {
            return Err(SettingsFault::NoHash);
        }
        let (accuracy_micros, clock_bound_micros) = (settings.accuracy.micros, settings.clock_bound_micros);
        if clock_bound_micros.saturating_add(GEN_TIME_MICROS) > accuracy_micros {
            return Err(SettingsFault::Accuracy { accuracy_micros, clock_bound_micros });
        }
        if !settings.accepted_policies.contains(&settings.default_policy) {
            settings.accepted_policies.push(settings.default_policy.clone());
        }
        let aggregate = Aggregate::of("timestamp", settings.name.as_bytes());
        Ok(Self { settings, tsu, aggregate })
    }

    /// What it was made of; the default policy stands among the accepted ones.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The unit that signs.
    #[must_use]
    pub const fn tsu(&self) -> &Arc<Tsu> {
        &self.tsu
    }

    /// The envelope of the fact that `stamp`, decided at `now`, leaves. The endpoint is the aggregate and the serial's
    /// counter the place in it, so that facts lie in the store in the order of issue.
    #[must_use]
    pub fn envelope(&self, stamp: &Stamp, now: Timestamp) -> Envelope {
        Envelope {
            aggregate: self.aggregate,
            seq: stamp.serial.counter(),
            now,
            salt: stamp.salt,
            policy_hash: self.settings.policy_hash,
            event_digest: stamp.request_digest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_has_no_zero_component() {
        // spec §6: 1 s and 100 ms, then mixed ones
        for (micros, der) in [
            (1_000_000, "3003020101"),
            (100_000, "3003800164"),
            (999_000, "3004800203e7"),
            (250, "3004810200fa"),
            (1_001, "3006800101810101"),
        ] {
            let accuracy = Accuracy::from_micros(micros).unwrap();
            assert_eq!(hex::encode(accuracy.der()), der, "{micros}");
            let theirs: rasn_cms::tsp::Accuracy = rasn::der::decode(&accuracy.der()).unwrap();
            assert_eq!(hex::encode(rasn::der::encode(&theirs).unwrap()), der);
        }
        assert_eq!(Accuracy::from_micros(0), None);
        assert_eq!(Accuracy::from_micros(1_000_001), None);
    }
}
