//! The section of the certificate authority. What an operator needs to know stands in the sample `deploy/semper.toml`.

use std::time::Duration;

use serde::Deserialize;

use super::Faults;

/// `[ca]`: lists of revoked certificates, applications for certificates, the operator's word that some are qualified.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ca {
    pub(crate) crl_delay_secs: u64,
    pub(crate) crl_shards: u32,
    pub(crate) application_days: u32,
    pub(crate) qualified: bool,
}

impl Default for Ca {
    fn default() -> Ca {
        Ca { crl_delay_secs: 5, crl_shards: 0, application_days: 30, qualified: false }
    }
}

impl Ca {
    pub(super) fn verify(&self, faults: &mut Faults) {
        // BR 4.9.7 and EN 319 411-1 CSS-6.3.9-05 allow 24 hours; whoever asks OCSP sees it at once.
        faults.within("ca.crl_delay_secs", self.crl_delay_secs, 0, 24 * 3_600);
        faults.within("ca.crl_shards", self.crl_shards, 0, 4_096);
        faults.within("ca.application_days", self.application_days, 1, 365);
    }

    /// How long an application may be open, seconds.
    pub(crate) fn application_secs(&self) -> u64 {
        u64::from(self.application_days) * 24 * 3_600
    }

    /// How long after a revocation its list is issued; what else is revoked meanwhile is in it.
    pub(crate) fn crl_delay(&self) -> Duration {
        Duration::from_secs(self.crl_delay_secs)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn bounds_are_named() {
        let refused = |line: &str| {
            let trial = format!("[clock]\nsource = \"assumed\"\n[ca]\n{line}");
            Config::from_toml(&trial).unwrap().verify().map_err(|error| error.to_string())
        };
        refused("crl_delay_secs = 86400\ncrl_shards = 4096").unwrap();
        assert!(refused("crl_delay_secs = 86401").unwrap_err().starts_with("ca.crl_delay_secs: "));
        assert!(refused("application_days = 0").unwrap_err().starts_with("ca.application_days: "));
        assert!(refused("crl_shards = 4097").unwrap_err().starts_with("ca.crl_shards: "));
    }
}
