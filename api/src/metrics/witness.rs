//! What a witness counts. The list of names is `ops/deploy/metrics-witness.txt`.

use std::sync::Arc;

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use semper_ttp::time::Timestamp;

use super::{HttpMetrics, clock::ClockMetrics, register, render, unix_secs};
use crate::service::TimeSource;

/// How a request for a cosignature ended; the labels.
pub(crate) const OUTCOMES: [&str; 11] = [
    "cosigned",
    "malformed",
    "unknown-origin",
    "signature",
    "old-size",
    "conflict",
    "empty-root",
    "unproven",
    "clock",
    "quota",
    "fault",
];

/// All metrics of one witness, in a registry of their own.
#[derive(Debug)]
pub struct WitnessMetrics {
    registry: Registry,
    requests: IntCounterVec,
    contradictions: IntCounterVec,
    size: IntGaugeVec,
    cosigned: IntGaugeVec,
    clock: ClockMetrics,
    http: Arc<HttpMetrics>,
}

impl WitnessMetrics {
    /// All at zero, with a line for each origin.
    pub fn new<'o>(origins: impl IntoIterator<Item = &'o str>) -> Self {
        let registry = Registry::new();
        let by_origin = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["origin"]);
        let requests = register(
            &registry,
            IntCounterVec::new(
                Opts::new("semper_witness_requests_total", "Requests for a cosignature, by how they ended"),
                &["outcome"],
            ),
        );
        // From zero on: the first of a kind is a rise that an alert sees.
        OUTCOMES.iter().for_each(|outcome| requests.with_label_values(&[*outcome]).inc_by(0));
        let contradictions = register(
            &registry,
            IntCounterVec::new(
                Opts::new("semper_witness_contradictions_total", "Signed checkpoints that convict their log"),
                &["origin"],
            ),
        );
        origins.into_iter().for_each(|origin| contradictions.with_label_values(&[origin]).inc_by(0));
        Self {
            requests,
            contradictions,
            size: register(&registry, by_origin("semper_witness_tree_size", "Size of the newest checkpoint cosigned")),
            cosigned: register(
                &registry,
                by_origin("semper_witness_cosigned_timestamp_seconds", "Unix time of the newest cosignature"),
            ),
            clock: ClockMetrics::new(&registry),
            http: Arc::new(HttpMetrics::new(&registry)),
            registry,
        }
    }

    /// Those of the listeners.
    pub fn http(&self) -> &Arc<HttpMetrics> {
        &self.http
    }

    /// A request ended so; one of the labels above.
    pub(crate) fn ended(&self, outcome: &str) {
        self.requests.with_label_values(&[outcome]).inc();
    }

    /// A log signed two histories.
    pub(crate) fn contradicted(&self, origin: &str) {
        self.contradictions.with_label_values(&[origin]).inc();
    }

    /// What was cosigned last for an origin, and when.
    pub(crate) fn newest(&self, origin: &str, size: u64, at: Timestamp) {
        self.size.with_label_values(&[origin]).set(i64::try_from(size).unwrap_or(i64::MAX));
        self.cosigned.with_label_values(&[origin]).set(unix_secs(at));
    }

    /// Everything in the text exposition format, the clock as it is now.
    pub fn render(&self, clock: &dyn TimeSource) -> String {
        self.clock.show(clock);
        render(&self.registry)
    }
}
