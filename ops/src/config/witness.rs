//! The settings of a witness: the same sections as a service's, as far as a witness has them. `deploy/witness.toml` is the
//! commented sample.

use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

use super::listen::different;
use super::{ClockSection, ConfigError, Faults, Keys, Limits, Listen, Log, Shutdown};

/// What a cosignature promises of its time: it states whole seconds.
const ACCURACY_MS: u64 = 1_000;

/// All settings of a witness. Its name and key are no settings, and the logs stand in a list of their own.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WitnessConfig {
    pub(crate) listen: WitnessListen,
    pub(crate) limits: WitnessLimits,
    pub(crate) clock: ClockSection,
    pub(crate) log: Log,
    pub(crate) keys: Keys,
    pub(crate) shutdown: Shutdown,
}

/// `[listen]`: as a service's, without HTTPS: what a witness is told and tells is signed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WitnessListen {
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Default for WitnessListen {
    fn default() -> WitnessListen {
        let Listen { http, admin, .. } = Listen::default();
        WitnessListen { http, admin }
    }
}

/// `[limits]`: those of a service that concern a witness.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WitnessLimits {
    pub(crate) body_bytes_max: u64,
    pub(crate) header_read_timeout_secs: u64,
    pub(crate) body_read_timeout_secs: u64,
    pub(crate) idle_timeout_secs: u64,
    pub(crate) connections_max: u32,
    pub(crate) connections_per_address_max: u32,
}

impl Default for WitnessLimits {
    fn default() -> WitnessLimits {
        let limits = Limits::default();
        WitnessLimits {
            body_bytes_max: limits.body_bytes_max,
            header_read_timeout_secs: limits.header_read_timeout_secs,
            body_read_timeout_secs: limits.body_read_timeout_secs,
            idle_timeout_secs: limits.idle_timeout_secs,
            connections_max: limits.connections_max,
            connections_per_address_max: limits.connections_per_address_max,
        }
    }
}

impl WitnessConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read or parsed.
    pub(crate) fn load(path: &Path) -> Result<WitnessConfig, ConfigError> {
        super::load(path)
    }

    /// Bounds of every value and the rules between fields.
    ///
    /// # Errors
    /// [`ConfigError::Refused`] with every fault found.
    pub(crate) fn verify(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::default();
        different(("listen.admin", self.listen.admin), ("listen.http", self.listen.http), &mut faults);
        self.limits().verify(&mut faults);
        self.clock.verify(&mut faults);
        self.log.verify(&mut faults);
        self.keys.verify_without_tokens(&mut faults);
        self.shutdown.verify(&mut faults);
        if let Err(refused) = self.clock_settings().verify() {
            faults.add("clock", refused.to_string());
        }
        if faults.0.is_empty() { Ok(()) } else { Err(ConfigError::Refused(faults.0)) }
    }

    /// The bounds of connections and bodies.
    pub(crate) fn limits(&self) -> Limits {
        let WitnessLimits {
            body_bytes_max,
            header_read_timeout_secs,
            body_read_timeout_secs,
            idle_timeout_secs,
            connections_max,
            connections_per_address_max,
        } = self.limits;
        Limits {
            body_bytes_max,
            header_read_timeout_secs,
            body_read_timeout_secs,
            idle_timeout_secs,
            connections_max,
            connections_per_address_max,
            ..Limits::default()
        }
    }

    /// The settings of the clock's state machine.
    pub(crate) fn clock_settings(&self) -> semper_ttp::clock::Settings {
        self.clock.settings(ACCURACY_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<WitnessConfig, ConfigError> {
        crate::config::parse(text)
    }

    const SAMPLE: &str = include_str!("../../deploy/witness.toml");

    #[test]
    fn the_sample_states_every_default() {
        let sample = parse(SAMPLE).unwrap();
        assert_eq!(sample, WitnessConfig::default());
        sample.verify().unwrap();
        // Every key of the sections that are shared stands in the service's sample; here, too.
        let keys = |text: &str, section: &str| -> Vec<String> {
            let lines = text.lines().skip_while(|line| *line != format!("[{section}]")).skip(1);
            let lines = lines.take_while(|line| !line.starts_with('['));
            let keys = lines.filter_map(|line| line.trim_start_matches("# ").split_once(" = "));
            keys.map(|(key, _)| key.to_owned()).collect()
        };
        let service = include_str!("../../deploy/semper.toml");
        for section in ["listen", "limits", "clock", "log", "keys", "shutdown"] {
            let mut expected = keys(service, section);
            // A witness has no HTTPS, and one key, in a file.
            let not_here =
                |key: &String| ["https", "tls", "stores", "tokens", "rotate"].iter().any(|word| key.starts_with(word));
            expected.retain(|key| !not_here(key));
            assert_eq!(keys(SAMPLE, section), expected, "{section}");
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        let refused = |text: &str| parse(text).unwrap().verify().unwrap_err().to_string();
        assert!(refused("[limits]\nbody_bytes_max = 0").starts_with("limits.body_bytes_max: "));
        assert!(refused("[clock]\noffset_bound_ms = 5000").starts_with("clock: "));
        assert!(refused("[keys]\nstores = { tsu-ec = \"main\" }").contains("a witness keeps its key in a file"));
        assert!(refused("[keys]\nrotate_by_hand = true").contains("a witness keeps one key for good"));
        assert!(parse("[tsa]\naccuracy_ms = 1").is_err());
    }
}
