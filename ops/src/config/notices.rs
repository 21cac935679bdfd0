//! The section of notices to holders. What an operator needs to know stands in the sample `deploy/semper.toml`.

use semper_api::notices::{Network, Networks};
use serde::Deserialize;

use super::Faults;

/// Most notices of one certificate.
const NOTICES_MAX: usize = 10;

/// `[notices]`: when holders are told of the end of their certificates, and where they may want to be told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Notices {
    pub(crate) days_before: Vec<u16>,
    pub(crate) networks_allowed: Vec<String>,
    pub(crate) at_once_max: u32,
}

impl Default for Notices {
    fn default() -> Notices {
        // A month is time for an officer to look at a new application, a week for one that was forgotten; the last day is for
        // whoever reads nothing else. A receiver has 15 s, so eight at once are thirty a minute if all of them are dead.
        Notices { days_before: vec![30, 7, 1], networks_allowed: Vec::new(), at_once_max: 8 }
    }
}

impl Notices {
    pub(super) fn verify(&self, faults: &mut Faults) {
        if self.days_before.len() > NOTICES_MAX {
            faults.add("notices.days_before", format!("has more than {NOTICES_MAX} numbers"));
        }
        // No certificate of a party lives longer than ten years.
        if self.days_before.iter().any(|days| !(1..=3_650).contains(days)) {
            faults.add("notices.days_before", "must be numbers of days from 1 to 3650".into());
        }
        for text in &self.networks_allowed {
            if let Err(fault) = text.parse::<Network>() {
                faults.add("notices.networks_allowed", format!("\"{text}\": {fault}"));
            }
        }
        faults.within("notices.at_once_max", self.at_once_max, 1, 256);
    }

    /// The networks that are called although they are not public. What does not read, `verify` has refused.
    pub(crate) fn networks(&self) -> Networks {
        self.networks_allowed.iter().filter_map(|text| text.parse::<Network>().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn bounds_are_named() {
        let refused = |line: &str| {
            let trial = format!("[clock]\nsource = \"assumed\"\n[notices]\n{line}");
            Config::from_toml(&trial).unwrap().verify().map_err(|error| error.to_string())
        };
        refused("days_before = []").unwrap();
        refused("days_before = [3650, 1]\nnetworks_allowed = [\"10.0.0.0/8\", \"::1/128\"]").unwrap();
        for (line, key) in [
            ("days_before = [0]", "notices.days_before: "),
            ("days_before = [3651]", "notices.days_before: "),
            ("days_before = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]", "notices.days_before: "),
            ("networks_allowed = [\"10.0.0.1/8\"]", "notices.networks_allowed: \"10.0.0.1/8\": "),
            ("networks_allowed = [\"localhost\"]", "notices.networks_allowed: \"localhost\": "),
            ("at_once_max = 0", "notices.at_once_max: "),
        ] {
            let said = refused(line).unwrap_err();
            assert!(said.starts_with(key), "{said}");
        }
    }
}
