//! The section of the fair-exchange arbiter. What an operator needs to know stands in the sample `deploy/semper.toml`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use semper_api::ItemSettings;
use semper_ttp::exchange::item::BuiltIn;
use semper_ttp::exchange::policy::{DeliveryPolicy, ExchangePolicy, InlinePolicy};
use semper_ttp::money::RailId;
use semper_ttp::statement::exchange::item::RuleName;
use serde::Deserialize;

use super::Faults;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// `[exchange]`: whether this service is an arbiter, and by what policy it decides.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Exchange {
    pub(crate) enabled: bool,
    pub(crate) delta_hours: u16,
    pub(crate) runs_per_party_per_minute: u32,
    pub(crate) mailbox_mib: u32,
    pub(crate) mailbox_days: u16,
    pub(crate) item_bytes_max: u64,
    pub(crate) items_in_flight_bytes: u64,
    pub(crate) item_days: u16,
    pub(crate) open_days_max: u16,
    pub(crate) answer_within_secs: u16,
    pub(crate) delivery_days: u16,
    pub(crate) delivery_notice_minutes: u16,
    pub(crate) delivery_late_counts: bool,
    pub(crate) rail: Vec<Rail>,
}

/// `[[exchange.rail]]`: by what the arbiter holds and moves money.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rail {
    pub(crate) name: String,
    pub(crate) kind: RailKind,
    pub(crate) class: Class,
    pub(crate) url: Option<String>,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) old_secret_file: Option<PathBuf>,
}

/// Who is behind a rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RailKind {
    /// Nobody.
    Simulator,
    /// An outside provider over HTTP.
    Webhook,
}

/// Where a rail keeps the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// With the service.
    Funded,
    /// At a bank, which sets how long.
    Auth,
}

impl Rail {
    /// Whether the money sits with the service while it is held.
    pub(crate) fn is_funded(&self) -> bool {
        self.class == Class::Funded
    }

    fn verify(&self, faults: &mut Faults) {
        let mut wrong = |why: &str| faults.add("exchange.rail", format!("{:?}: {why}", self.name));
        if RailId::new(&self.name).is_none() {
            wrong("a rail's name is 1 to 16 of a to z, 0 to 9 and -");
        }
        match (self.kind, &self.url, &self.secret_file, &self.old_secret_file) {
            (RailKind::Simulator, None, None, None) => {}
            (RailKind::Simulator, ..) => wrong("a simulator has neither url nor secret_file"),
            (RailKind::Webhook, Some(url), Some(_), _) if is_safe(url) => {}
            (RailKind::Webhook, Some(_), Some(_), _) => {
                wrong("url is https://HOST[:PORT][/PATH]; without TLS only on this machine, http://127.0.0.1:PORT");
            }
            (RailKind::Webhook, ..) => wrong("a webhook needs url and secret_file"),
        }
    }
}

/// What a provider is asked may name people by their amounts: it does not travel in the clear.
fn is_safe(url: &str) -> bool {
    let local = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
    url.starts_with("https://") || local.iter().any(|prefix| url.starts_with(prefix))
}

impl Default for Exchange {
    fn default() -> Exchange {
        Exchange {
            enabled: false,
            delta_hours: 24,
            runs_per_party_per_minute: 600,
            mailbox_mib: 1_024,
            mailbox_days: 30,
            item_bytes_max: 8 << 20,
            items_in_flight_bytes: 64 << 20,
            item_days: 30,
            open_days_max: 90,
            answer_within_secs: 60,
            delivery_days: 30,
            delivery_notice_minutes: 60,
            delivery_late_counts: false,
            rail: Vec::new(),
        }
    }
}

impl Exchange {
    pub(super) fn verify(&self, faults: &mut Faults) {
        faults.within("exchange.delta_hours", self.delta_hours, 1, 24 * 30);
        faults.within("exchange.mailbox_mib", self.mailbox_mib, 0, 1 << 20);
        let names: BTreeSet<_> = self.rail.iter().map(|rail| &rail.name).collect();
        if names.len() < self.rail.len() {
            faults.add("exchange.rail", "two rails have the same name".to_owned());
        }
        self.rail.iter().for_each(|rail| rail.verify(faults));
        faults.within("exchange.mailbox_days", self.mailbox_days, 1, 366);
        faults.within("exchange.item_bytes_max", self.item_bytes_max, 0, 256 << 20);
        faults.within("exchange.items_in_flight_bytes", self.items_in_flight_bytes, 64 << 10, 4 << 30);
        if self.items_in_flight_bytes < self.item_bytes_max {
            faults.add("exchange.items_in_flight_bytes", "is less than exchange.item_bytes_max".into());
        }
        faults.within("exchange.item_days", self.item_days, 1, 3_650);
        faults.within("exchange.open_days_max", self.open_days_max, 1, 3_650);
        if self.answer_within_secs != 0 {
            faults.within("exchange.answer_within_secs", self.answer_within_secs, 10, 3_600);
        }
        faults.within("exchange.delivery_days", self.delivery_days, 0, 3_650);
        faults.within("exchange.delivery_notice_minutes", self.delivery_notice_minutes, 1, 30 * 24 * 60);
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

    /// Within what time a request is answered that is answered later, milliseconds; 0 for none.
    pub(crate) fn answer_within_ms(&self) -> u64 {
        u64::from(self.answer_within_secs) * 1_000
    }

    /// Items that are exchanged through the arbiter; `None` for none.
    pub(crate) fn items(&self) -> Option<ItemSettings> {
        let octets = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let (bytes_max, in_flight_bytes) = (octets(self.item_bytes_max), octets(self.items_in_flight_bytes));
        (bytes_max > 0).then_some(ItemSettings { bytes_max, in_flight_bytes })
    }

    /// By what the arbiter decides.
    pub(crate) fn policy(&self, mmd_ms: u64) -> ExchangePolicy {
        let inline = self.items().map(|_| InlinePolicy {
            retention_ms: u64::from(self.item_days) * 24 * HOUR_MS,
            open_max_ms: u64::from(self.open_days_max) * 24 * HOUR_MS,
            predicates: BuiltIn::ALL.iter().filter_map(|rule| RuleName::new(rule.name())).collect(),
        });
        let delivery = (self.delivery_days > 0).then(|| DeliveryPolicy {
            retention_ms: u64::from(self.delivery_days) * 24 * HOUR_MS,
            open_max_ms: u64::from(self.open_days_max) * 24 * HOUR_MS,
            notice_ms: u64::from(self.delivery_notice_minutes) * MINUTE_MS,
            late_counts: self.delivery_late_counts,
        });
        ExchangePolicy { inline, delivery, ..ExchangePolicy::new(self.delta_ms(), mmd_ms) }
    }

    /// δ, milliseconds.
    pub(crate) fn delta_ms(&self) -> u64 {
        u64::from(self.delta_hours) * HOUR_MS
    }
}
