//! What a monitor counts. The list of names is `ops/deploy/metrics-monitor.txt`.

use std::sync::Arc;

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use semper_ttp::{account, time::Timestamp};

use super::{HttpMetrics, register, render, unix_secs};
use crate::monitor::notice::Notice;

/// Why a round came to nothing; the labels.
const REASONS: [&str; 4] = ["source", "checkpoint", "data", "storage"];

/// All metrics of one monitor, in a registry of their own.
#[derive(Debug)]
pub struct MonitorMetrics {
    registry: Registry,
    alerts: IntCounterVec,
    misbehaviour: IntGaugeVec,
    size: IntGauge,
    unknown: IntGauge,
    checked: IntGauge,
    failures: IntCounterVec,
    http: Arc<HttpMetrics>,
}

impl MonitorMetrics {
    /// All at zero.
    ///
    /// # Panics
    /// Never: the names are different and well formed.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        let registry = Registry::new();
        let own = |name: &str, help: &str| Opts::new(name, help).const_label("origin", origin);
        let alerts = IntCounterVec::new(
            own("semper_monitor_alerts_total", "What the monitor told its operator, by kind"),
            &["kind"],
        );
        let alerts = register(&registry, alerts);
        let misbehaviour = IntGaugeVec::new(
            own(
                "semper_monitor_misbehaviour",
                "1 once the log is convicted, by kind; of rollback, as long as it lasts",
            ),
            &["kind"],
        );
        let misbehaviour = register(&registry, misbehaviour);
        let failures = IntCounterVec::new(
            own("semper_monitor_round_failures_total", "Rounds that came to nothing, by what stood in the way"),
            &["reason"],
        );
        let failures = register(&registry, failures);
        // From zero on: the first of a kind is a rise that an alert sees.
        Notice::KINDS.iter().for_each(|kind| alerts.with_label_values(&[*kind]).inc_by(0));
        // What an arbiter owes its askers no log tells.
        let seen = account::Kind::ALL.iter().filter(|kind| **kind != account::Kind::NoAnswer);
        seen.for_each(|kind| misbehaviour.with_label_values(&[kind.name()]).set(0));
        REASONS.iter().for_each(|reason| failures.with_label_values(&[*reason]).inc_by(0));
        let size = own("semper_monitor_tree_size", "Entries under the newest checkpoint that was verified");
        let unknown = own("semper_monitor_unknown_entries", "Entries that must be known and are not in the list");
        let checked =
            own("semper_monitor_checked_timestamp_seconds", "Unix time at which the newest round ended well; 0 before");
        Self {
            alerts,
            misbehaviour,
            failures,
            size: register(&registry, IntGauge::with_opts(size)),
            unknown: register(&registry, IntGauge::with_opts(unknown)),
            checked: register(&registry, IntGauge::with_opts(checked)),
            http: Arc::new(HttpMetrics::new(&registry)),
            registry,
        }
    }

    /// Those of the listener.
    #[must_use]
    pub fn http(&self) -> &Arc<HttpMetrics> {
        &self.http
    }

    /// So many entries must be known and are not.
    pub fn unknown(&self, entries: u64) {
        self.unknown.set(entries.try_into().unwrap_or(i64::MAX));
    }

    /// A round ended well.
    pub fn checked(&self, size: u64, at: Timestamp) {
        self.size.set(size.try_into().unwrap_or(i64::MAX));
        self.checked.set(unix_secs(at));
    }

    /// The operator was told.
    pub fn alert(&self, kind: &str) {
        self.alerts.with_label_values(&[kind]).inc();
    }

    /// The log is convicted.
    pub fn convicted(&self, kind: account::Kind) {
        self.misbehaviour.with_label_values(&[kind.name()]).set(1);
    }

    /// A log that was rolled back is in order again.
    pub fn recovered(&self) {
        self.misbehaviour.with_label_values(&[account::Kind::Rollback.name()]).set(0);
    }

    /// A round came to nothing.
    pub fn failed(&self, reason: &str) {
        self.failures.with_label_values(&[reason]).inc();
    }

    /// In Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        render(&self.registry)
    }
}
