//! The section of the notary. What an operator needs to know stands in the sample `deploy/semper.toml`.

use std::collections::BTreeSet;

use semper_ttp::asn1::{PolicyId, TEST_POLICY_WITH_TOKEN};
use semper_ttp::notary::ActType;
use serde::Deserialize;

use super::sections::is_test;
use super::{ClockSource, Config, Faults, TEST_POLICY};

const DAY_SECS: u64 = 24 * 3600;
const MIB: u64 = 1 << 20;

/// `[notary]`: whether this service is one, and how it acts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Notary {
    pub(crate) enabled: bool,
    pub(crate) officer_decides: Vec<String>,
    pub(crate) open_days: u16,
    pub(crate) queue_max: u32,
    pub(crate) document_bytes_max: u64,
    pub(crate) documents_in_flight_bytes: u64,
    pub(crate) dvcs_policy: Option<String>,
    pub(crate) dvcs_policy_with_token: Option<String>,
    pub(crate) dvcs_signed_only: bool,
}

impl Default for Notary {
    fn default() -> Notary {
        // What a contract says, and what a copy looks like, only people see.
        let officer_decides = [ActType::Copy, ActType::Contract].map(|act| act.name().to_owned()).to_vec();
        Notary {
            enabled: false,
            officer_decides,
            open_days: 30,
            queue_max: 4096,
            document_bytes_max: 8 * MIB,
            documents_in_flight_bytes: 64 * MIB,
            dvcs_policy: None,
            dvcs_policy_with_token: None,
            dvcs_signed_only: false,
        }
    }
}

impl Notary {
    pub(super) fn verify(&self, clock: ClockSource, faults: &mut Faults) {
        let known: Vec<_> = ActType::ALL.iter().map(|act| act.name()).collect();
        for name in &self.officer_decides {
            if !known.contains(&name.as_str()) {
                faults.add("notary.officer_decides", format!("\"{name}\" is none of {}", known.join(", ")));
            }
        }
        faults.within("notary.open_days", self.open_days, 1, 3_650);
        faults.within("notary.queue_max", self.queue_max, 1, 1 << 16);
        // A data validation certificate holds less than 16 MiB.
        faults.within("notary.document_bytes_max", self.document_bytes_max, 64 << 10, 15 * MIB);
        faults.within("notary.documents_in_flight_bytes", self.documents_in_flight_bytes, 64 << 10, 4 << 30);
        if self.documents_in_flight_bytes < self.document_bytes_max {
            faults.add("notary.documents_in_flight_bytes", "is less than notary.document_bytes_max".into());
        }
        let (policy, with_token) = (self.dvcs_policy.as_deref(), self.dvcs_policy_with_token.as_deref());
        for (key, policy) in [("notary.dvcs_policy", policy), ("notary.dvcs_policy_with_token", with_token)] {
            if policy.is_some_and(|policy| policy.parse::<PolicyId>().is_err()) {
                faults.add(key, "is no object identifier".into());
            }
        }
        if with_token.is_some() && with_token == policy {
            faults.add("notary.dvcs_policy_with_token", "is that of answers without a token".into());
        }
        match clock {
            ClockSource::Assumed if policy.is_some_and(|policy| policy != TEST_POLICY) => {
                let text = format!("with clock.source = \"assumed\" only the test policy {TEST_POLICY} may be used");
                faults.add("notary.dvcs_policy", text);
            }
            ClockSource::Assumed if with_token.is_some_and(|policy| policy != TEST_POLICY_WITH_TOKEN) => {
                let text = format!(
                    "with clock.source = \"assumed\" only the test policy {TEST_POLICY_WITH_TOKEN} may be used"
                );
                faults.add("notary.dvcs_policy_with_token", text);
            }
            ClockSource::Kernel if with_token.is_some_and(is_test) => {
                faults.add("notary.dvcs_policy_with_token", "is the test policy of an assumed clock".into());
            }
            ClockSource::Kernel if policy.is_some_and(is_test) => {
                faults.add("notary.dvcs_policy", "is the test policy of an assumed clock".into());
            }
            ClockSource::Kernel if self.enabled && policy.is_none() => {
                let text = "is missing: the object identifier of your policy for data validation certificates";
                faults.add("notary.dvcs_policy", text.into());
            }
            ClockSource::Assumed | ClockSource::Kernel => {}
        }
    }

    /// Acts that wait for an officer. What does not read, `verify` has refused.
    pub(crate) fn needs_person(&self) -> BTreeSet<ActType> {
        let named = |act: &ActType| self.officer_decides.iter().any(|name| name == act.name());
        ActType::ALL.iter().copied().filter(named).collect()
    }

    /// How long an act may be open.
    pub(crate) fn open_secs(&self) -> u64 {
        u64::from(self.open_days) * DAY_SECS
    }
}

impl Config {
    /// The policy of data validation certificates: the test policy where nobody vouches for the clock.
    pub(crate) fn dvcs_policy(&self) -> &str {
        self.notary.dvcs_policy.as_deref().unwrap_or(TEST_POLICY)
    }

    /// That of the certificates whose time a token tells: the second test policy where nobody vouches for the clock.
    pub(crate) fn dvcs_policy_with_token(&self) -> Option<&str> {
        let trial = (self.clock.source == ClockSource::Assumed).then_some(TEST_POLICY_WITH_TOKEN);
        self.notary.dvcs_policy_with_token.as_deref().or(trial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_named() {
        let refused = |clock: &str, line: &str| {
            let trial = format!("[clock]\nsource = \"{clock}\"\n[notary]\n{line}");
            Config::from_toml(&trial).unwrap().verify().map_err(|error| error.to_string())
        };
        for line in [
            "enabled = true",
            "officer_decides = []",
            "officer_decides = [\"existence\", \"possession\"]\nopen_days = 3650\nqueue_max = 1",
            "dvcs_policy = \"1.3.6.1.5.5.7.13.1\"",
        ] {
            refused("assumed", line).unwrap();
        }
        for (clock, line, key) in [
            ("assumed", "officer_decides = [\"will\"]", "notary.officer_decides: \"will\" is none of possession, "),
            ("assumed", "open_days = 0", "notary.open_days: "),
            ("assumed", "queue_max = 0", "notary.queue_max: "),
            ("assumed", "dvcs_policy = \"policy\"", "notary.dvcs_policy: is no object identifier"),
            ("assumed", "dvcs_policy_with_token = \"x\"", "notary.dvcs_policy_with_token: is no object identifier"),
            ("assumed", "document_bytes_max = 16777216", "notary.document_bytes_max: "),
            ("assumed", "documents_in_flight_bytes = 65536", "notary.documents_in_flight_bytes: is less than"),
            ("assumed", "dvcs_policy = \"1.2.3\"", "notary.dvcs_policy: with clock.source"),
            ("assumed", "dvcs_policy_with_token = \"1.2.3\"", "notary.dvcs_policy_with_token: with clock.source"),
        ] {
            let said = refused(clock, line).unwrap_err();
            assert!(said.starts_with(key), "{said}");
        }
        for (line, part) in [
            ("enabled = true", "notary.dvcs_policy: is missing"),
            ("dvcs_policy = \"1.3.6.1.5.5.7.13.1\"", "is the test policy of an assumed clock"),
        ] {
            let said = refused("kernel", line).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn acts_are_named_as_requests_name_them() {
        assert_eq!(Notary::default().needs_person(), [ActType::Copy, ActType::Contract].into());
        assert_eq!(Notary::default().open_secs(), 30 * DAY_SECS);
    }
}
