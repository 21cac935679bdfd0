//! The section of the fair-exchange arbiter. What an operator needs to know stands in the sample `deploy/semper.toml`.

use serde::Deserialize;

use super::Faults;

const HOUR_MS: u64 = 3_600_000;

/// `[exchange]`: whether this service is an arbiter, and by what policy it decides.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Exchange {
    pub(crate) enabled: bool,
    pub(crate) delta_hours: u16,
    pub(crate) runs_per_party_per_minute: u32,
}

impl Default for Exchange {
    fn default() -> Exchange {
        Exchange { enabled: false, delta_hours: 24, runs_per_party_per_minute: 600 }
    }
}

impl Exchange {
    pub(super) fn verify(&self, faults: &mut Faults) {
        faults.within("exchange.delta_hours", self.delta_hours, 1, 24 * 30);
        faults.within("exchange.runs_per_party_per_minute", self.runs_per_party_per_minute, 1, 1_000_000);
    }

    /// δ, milliseconds.
    pub(crate) fn delta_ms(&self) -> u64 {
        u64::from(self.delta_hours) * HOUR_MS
    }
}
