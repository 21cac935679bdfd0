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
    pub(crate) mailbox_mib: u32,
    pub(crate) mailbox_days: u16,
}

impl Default for Exchange {
    fn default() -> Exchange {
        Exchange {
            enabled: false,
            delta_hours: 24,
            runs_per_party_per_minute: 600,
            mailbox_mib: 1_024,
            mailbox_days: 30,
        }
    }
}

impl Exchange {
    pub(super) fn verify(&self, faults: &mut Faults) {
        faults.within("exchange.delta_hours", self.delta_hours, 1, 24 * 30);
        faults.within("exchange.mailbox_mib", self.mailbox_mib, 0, 1 << 20);
        faults.within("exchange.mailbox_days", self.mailbox_days, 1, 366);
        faults.within("exchange.runs_per_party_per_minute", self.runs_per_party_per_minute, 1, 1_000_000);
    }

    /// How many octets of messages are kept for parties that are not there; 0 for none.
    pub(crate) fn mailbox_bytes(&self) -> u64 {
        u64::from(self.mailbox_mib) << 20
    }

    /// How long a message is kept, milliseconds.
    pub(crate) fn mailbox_keep_ms(&self) -> u64 {
        u64::from(self.mailbox_days) * 24 * HOUR_MS
    }

    /// δ, milliseconds.
    pub(crate) fn delta_ms(&self) -> u64 {
        u64::from(self.delta_hours) * HOUR_MS
    }
}
