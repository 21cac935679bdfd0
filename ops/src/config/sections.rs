//! The sections: fields, defaults, bounds. Comments here say why; what an operator needs to know stands in the sample
//! `deploy/semper.toml`.

use std::path::PathBuf;
use std::time::Duration;

use semper_ttp::asn1::PolicyId;
use serde::Deserialize;

use super::{Config, Faults};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
pub(super) const HOUR_SECS: u64 = 3_600;

// The policy of tokens whose time nobody vouches for: that of `clock.source = "assumed"`.
pub(crate) use semper_ttp::asn1::TEST_POLICY;

/// The merge delay of a log whose configuration names none, and the longest that one may name.
const MMD_DEFAULT_MS: u64 = semper_ttp::verify::MMD_MILLIS;

/// `[service]`: who this is. Read by `semper init` only; see [`super::Identity`] for the meaning of each.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Service {
    pub(crate) public_url: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) organisation: Option<String>,
    pub(crate) organisation_identifier: Option<String>,
}

/// `[init]`: the first two people. Read by `semper init` only; the names go into their certificates.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Init {
    pub(crate) operator: String,
    pub(crate) officer: String,
}

impl Default for Init {
    fn default() -> Init {
        Init { operator: "First Operator".into(), officer: "First Officer".into() }
    }
}

/// `[limits]`: what one peer may take.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    pub(crate) body_bytes_max: u64,
    pub(crate) header_read_timeout_secs: u64,
    pub(crate) body_read_timeout_secs: u64,
    pub(crate) idle_timeout_secs: u64,
    pub(crate) tls_handshake_timeout_secs: u64,
    pub(crate) connections_max: u32,
    pub(crate) connections_per_address_max: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes_max: 64 * KIB,
            header_read_timeout_secs: 10,
            body_read_timeout_secs: 10,
            idle_timeout_secs: 60,
            tls_handshake_timeout_secs: 10,
            connections_max: 4_096,
            connections_per_address_max: 256,
        }
    }
}

impl Limits {
    pub(super) fn verify(&self, faults: &mut Faults) {
        // Below 1 KiB a request with a nonce of 128 octets and a long policy would no longer fit.
        faults.within("limits.body_bytes_max", self.body_bytes_max, KIB, 64 * MIB);
        faults.within("limits.header_read_timeout_secs", self.header_read_timeout_secs, 1, HOUR_SECS);
        faults.within("limits.body_read_timeout_secs", self.body_read_timeout_secs, 1, HOUR_SECS);
        faults.within("limits.idle_timeout_secs", self.idle_timeout_secs, 1, HOUR_SECS);
        faults.within("limits.tls_handshake_timeout_secs", self.tls_handshake_timeout_secs, 1, HOUR_SECS);
        faults.within("limits.connections_max", self.connections_max, 1, 1_000_000);
        faults.within("limits.connections_per_address_max", self.connections_per_address_max, 1, 1_000_000);
    }

    /// Time a peer has for its request line and headers, counted from its last answer.
    pub(crate) fn header_read_timeout(&self) -> Duration {
        Duration::from_secs(self.header_read_timeout_secs)
    }

    /// Time a peer has for its whole body.
    pub(crate) fn body_read_timeout(&self) -> Duration {
        Duration::from_secs(self.body_read_timeout_secs)
    }

    /// Time that no byte may move in either direction.
    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_secs)
    }

    /// Time a peer has for the TLS handshake.
    pub(crate) fn tls_handshake_timeout(&self) -> Duration {
        Duration::from_secs(self.tls_handshake_timeout_secs)
    }
}

/// `[ledger]`: sequencer and store.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ledger {
    pub(crate) origin: Option<String>,
    pub(crate) queue_commits_max: u32,
    pub(crate) group_commits_max: u32,
    pub(crate) group_bytes_max: u64,
    /// Asked once, as the origin: genesis records it, and it binds for good. `None` is what genesis says, or
    /// [`MMD_DEFAULT_MS`] where genesis is still to be written; see [`Ledger::mmd_ms`].
    pub(crate) mmd_ms: Option<u64>,
    pub(crate) anchor_path: Option<PathBuf>,
    pub(crate) tile_cache_bytes: u64,
    pub(crate) block_cache_bytes: u64,
    pub(crate) write_buffer_bytes: u64,
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger {
            origin: None,
            // The queue is the memory that waits: 4,096 commits of a kilobyte or two are some megabytes, and at 10,000
            // a second the last of them waits 0.4 s.
            queue_commits_max: 4_096,
            group_commits_max: 1_024,
            group_bytes_max: 8 * MIB,
            mmd_ms: None,
            anchor_path: None,
            // Together below a third of the 600 MB that the server may have resident at 10^7 entries.
            tile_cache_bytes: 64 * MIB,
            block_cache_bytes: 64 * MIB,
            write_buffer_bytes: 64 * MIB,
        }
    }
}

impl Ledger {
    pub(super) fn verify(&self, faults: &mut Faults) {
        // The service is its own customer: start, clock, CRLs and end make entries, and two of them at the same moment
        // must not find the queue full. Four would do today; sixteen leave room for roles that come.
        faults.within("ledger.queue_commits_max", self.queue_commits_max, 16, 1_000_000);
        faults.within("ledger.group_commits_max", self.group_commits_max, 1, 65_536);
        // The least is one large commit; RocksDB holds a whole batch in memory twice, hence the most.
        faults.within("ledger.group_bytes_max", self.group_bytes_max, MIB, 256 * MIB);
        // Below a second, an ordinary stall of a slow disk or a busy machine would send decisions back for ever. The most
        // is what verifiers hold every log to: above it, tokens that this service makes would not verify.
        faults.within("ledger.mmd_ms", self.mmd_ms(), 1_000, MMD_DEFAULT_MS);
        // 0 is a cache that is off, which measurements want.
        faults.within("ledger.tile_cache_bytes", self.tile_cache_bytes, 0, 64 * GIB);
        faults.within("ledger.block_cache_bytes", self.block_cache_bytes, MIB, 64 * GIB);
        faults.within("ledger.write_buffer_bytes", self.write_buffer_bytes, MIB, 4 * GIB);
    }

    /// The maximum merge delay: how much later than its decision an entry may be, milliseconds.
    pub(crate) fn mmd_ms(&self) -> u64 {
        self.mmd_ms.unwrap_or(MMD_DEFAULT_MS)
    }
}

/// A digest that a request may carry (timestamping: RFC 3161 messageImprint).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum HashName {
    #[serde(rename = "sha256")]
    Sha256,
    #[serde(rename = "sha384")]
    Sha384,
    #[serde(rename = "sha512")]
    Sha512,
    #[serde(rename = "sha3-256")]
    Sha3_256,
    #[serde(rename = "sha3-384")]
    Sha3_384,
    #[serde(rename = "sha3-512")]
    Sha3_512,
}

/// `[tsa]`: the timestamping authority.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tsa {
    pub(crate) policy_default: Option<String>,
    pub(crate) policies_accepted: Vec<String>,
    pub(crate) accuracy_ms: u64,
    pub(crate) qualified: bool,
    pub(crate) hashes_accepted: Vec<HashName>,
    pub(crate) quota_per_address_per_minute: u32,
    pub(crate) quota_loopback_exempt: bool,
    pub(crate) sign_threads_per_key: u32,
    pub(crate) sign_queue_per_key_max: u32,
}

impl Default for Tsa {
    fn default() -> Tsa {
        Tsa {
            policy_default: None,
            policies_accepted: Vec::new(),
            accuracy_ms: 1_000,
            qualified: false,
            hashes_accepted: vec![
                HashName::Sha256,
                HashName::Sha384,
                HashName::Sha512,
                HashName::Sha3_256,
                HashName::Sha3_384,
                HashName::Sha3_512,
            ],
            quota_per_address_per_minute: 600,
            quota_loopback_exempt: true,
            sign_threads_per_key: 2,
            // RSA-3072 signs some 300 a second and core: 1,024 waiting are 2 s, beyond which "busy" is the better
            // answer.
            sign_queue_per_key_max: 1_024,
        }
    }
}

impl Tsa {
    pub(super) fn verify(&self, faults: &mut Faults) {
        for policy in self.policies() {
            if !is_oid(&policy) {
                faults
                    .add("tsa.policies_accepted", format!("\"{policy}\" is no object identifier in dots and numbers"));
            }
        }
        if self.hashes_accepted.is_empty() {
            faults.add("tsa.hashes_accepted", "must name at least one".into());
        }
        faults.within("tsa.quota_per_address_per_minute", self.quota_per_address_per_minute, 1, 10_000_000);
        faults.within("tsa.sign_threads_per_key", self.sign_threads_per_key, 1, 256);
        faults.within("tsa.sign_queue_per_key_max", self.sign_queue_per_key_max, 1, 1_000_000);
    }

    /// Every policy that is named, the default first, each once.
    pub(super) fn policies(&self) -> Vec<String> {
        let mut all: Vec<String> = self.policy_default.iter().cloned().collect();
        for policy in &self.policies_accepted {
            if !all.contains(policy) {
                all.push(policy.clone());
            }
        }
        all
    }
}

/// Object identifiers as X.660 numbers them. Two numbers alone name an authority, never a policy.
fn is_oid(text: &str) -> bool {
    text.parse::<PolicyId>().is_ok() && text.split('.').count() > 2
}

/// Who says how good realtime is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClockSource {
    /// The kernel's discipline, as chrony keeps it.
    Kernel,
    /// Nobody: development.
    Assumed,
}

/// `[clock]`: how closely the clock is watched.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClockSection {
    pub(crate) source: ClockSource,
    pub(crate) utc_laboratories: Vec<String>,
    pub(crate) offset_bound_ms: u64,
    pub(crate) drift_ppm: u32,
    pub(crate) sample_interval_ms: u64,
    pub(crate) sample_age_max_ms: u64,
    pub(crate) good_samples_needed: u32,
}

impl Default for ClockSection {
    fn default() -> ClockSection {
        ClockSection {
            source: ClockSource::Kernel,
            utc_laboratories: Vec::new(),
            offset_bound_ms: 200,
            // Twice what a common quartz is sold for (±50 ppm), since its temperature is not ours to choose.
            drift_ppm: 100,
            sample_interval_ms: 10_000,
            sample_age_max_ms: 60_000,
            good_samples_needed: 3,
        }
    }
}

impl ClockSection {
    /// The settings of the clock's state machine, under a promise of this accuracy.
    pub(super) fn settings(&self, accuracy_ms: u64) -> semper_ttp::clock::Settings {
        semper_ttp::clock::Settings {
            accuracy_ms,
            offset_bound_ms: self.offset_bound_ms,
            drift_ppm: self.drift_ppm,
            sample_interval_ms: self.sample_interval_ms,
            sample_age_max_ms: self.sample_age_max_ms,
            good_samples_needed: self.good_samples_needed,
        }
    }

    // The rules between these fields and the accuracy are those of `semper_ttp::clock::Settings::verify`.
    pub(super) fn verify(&self, faults: &mut Faults) {
        // 500 ppm is the most that the kernel itself assumes of an oscillator (NTP_MAXFREQ, RFC 5905).
        faults.within("clock.drift_ppm", self.drift_ppm, 0, 500);
        // Below a second, a thread that waits its turn on a busy machine would pass for a clock that was lost, and each
        // loss is an entry.
        faults.within("clock.sample_interval_ms", self.sample_interval_ms, 1_000, 60_000);
        faults.within("clock.sample_age_max_ms", self.sample_age_max_ms, 2_000, 3_600_000);
        faults.within("clock.good_samples_needed", self.good_samples_needed, 1, 1_000);
        let word = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.utc_laboratories.iter().all(word) {
            faults.add("clock.utc_laboratories", "must be names of the k of UTC(k), such as \"PTB\"".into());
        }
    }
}

/// `[storage]`: the disk.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Storage {
    pub(crate) disk_free_min_bytes: u64,
}

impl Default for Storage {
    fn default() -> Storage {
        // Room for RocksDB to finish a compaction and for hours of intake in which somebody can react.
        Storage { disk_free_min_bytes: GIB }
    }
}

impl Storage {
    pub(super) fn verify(&self, faults: &mut Faults) {
        // The write buffers and one compaction must still fit when intake stops.
        faults.within("storage.disk_free_min_bytes", self.disk_free_min_bytes, 16 * MIB, 1 << 50);
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

impl Default for Log {
    fn default() -> Log {
        Log { format: LogFormat::Text, level: "info".into() }
    }
}

impl Log {
    pub(super) fn verify(&self, faults: &mut Faults) {
        if let Err(error) = crate::logging::filter(&self.level) {
            faults.add("log.level", error.to_string());
        }
    }
}

/// `[shutdown]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Shutdown {
    pub(crate) drain_secs: u64,
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown { drain_secs: 30 }
    }
}

impl Shutdown {
    pub(super) fn verify(&self, faults: &mut Faults) {
        faults.within("shutdown.drain_secs", self.drain_secs, 0, HOUR_SECS);
    }

    /// How long accepted requests have to get their answers after SIGTERM.
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_secs)
    }
}

impl Config {
    /// The policy of a token whose request names none. `None` only in a configuration that `verify` refuses.
    pub(crate) fn policy_default(&self) -> Option<&str> {
        match self.clock.source {
            ClockSource::Assumed => Some(TEST_POLICY),
            ClockSource::Kernel => self.tsa.policy_default.as_deref(),
        }
    }

    /// Every policy that a request may name, the default among them.
    pub(crate) fn policies_accepted(&self) -> Vec<String> {
        match self.clock.source {
            ClockSource::Assumed => vec![TEST_POLICY.into()],
            ClockSource::Kernel => self.tsa.policies(),
        }
    }
}

/// Whether it is one of the policies of test services.
pub(super) fn is_test(policy: &str) -> bool {
    policy.parse::<PolicyId>().is_ok_and(|policy| policy.is_test())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers() {
        for right in [
            "1.3.6.1.5.5.7.13.1",
            "0.4.0.2023.1.1",
            "2.999.1",
            "2.16.840.1",
            "2.25.340282366920938463463374607431768211455",
        ] {
            assert!(is_oid(right), "{right}");
        }
        for wrong in [
            "",
            "1",
            "1.2",
            "1..3",
            ".1.2.3",
            "1.2.3.",
            "3.1.1",
            "1.40.1",
            "1.2.03",
            "1.2.+3",
            "1.2.x",
            "1.2.340282366920938463463374607431768211456",
        ] {
            assert!(!is_oid(wrong), "{wrong}");
        }
        assert!(is_oid(TEST_POLICY));
    }
}
