//! The section of the ledger's own witnesses. Comments here say why; what an operator needs to know stands in the sample
//! `deploy/semper.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::Faults;
use super::sections::HOUR_SECS;

/// `[witnesses]`: who cosigns the ledger's checkpoints.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Witnesses {
    pub(crate) policy_path: Option<PathBuf>,
    pub(crate) interval_ms: u64,
    pub(crate) refresh_secs: u64,
    pub(crate) wait_max_ms: u64,
    pub(crate) demands_max: u32,
    pub(crate) monitoring_urls: BTreeMap<String, String>,
}

impl Default for Witnesses {
    fn default() -> Witnesses {
        // Half of the one request a second that public witnesses allow a log (86,400 a day): repetitions and callers that wait
        // come on top. Ten minutes is what peers take. Sixty demands at once are a burst that ends with the same day's rate.
        Witnesses {
            policy_path: None,
            interval_ms: 2_000,
            refresh_secs: 600,
            wait_max_ms: 10_000,
            demands_max: 60,
            monitoring_urls: BTreeMap::new(),
        }
    }
}

impl Witnesses {
    pub(super) fn verify(&self, faults: &mut Faults) {
        faults.within("witnesses.interval_ms", self.interval_ms, 10, HOUR_SECS * 1_000);
        faults.within("witnesses.refresh_secs", self.refresh_secs, 1, 24 * HOUR_SECS);
        faults.within("witnesses.wait_max_ms", self.wait_max_ms, 1_000, 60_000);
        // More than a day's requests at a public witness would be no bound.
        faults.within("witnesses.demands_max", self.demands_max, 0, 86_400);
        if self.policy_path.is_none() && !self.monitoring_urls.is_empty() {
            faults.add("witnesses.monitoring_urls", "must be left out without witnesses.policy_path".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn what_cannot_be_is_named() {
        let refused = |text: &str| {
            let trial = format!("[clock]\nsource = \"assumed\"\n[witnesses]\n{text}");
            Config::from_toml(&trial).unwrap().verify().map_err(|error| error.to_string())
        };
        assert!(refused("demands_max = 86401").unwrap_err().starts_with("witnesses.demands_max: "));
        refused("demands_max = 0").unwrap(); // whoever waits, waits for the interval
        let elsewhere = "monitoring_urls = { one = \"https://shows.example\" }\n";
        assert!(refused(elsewhere).unwrap_err().starts_with("witnesses.monitoring_urls: "));
        refused(&format!("{elsewhere}policy_path = \"p\"")).unwrap();
    }
}
