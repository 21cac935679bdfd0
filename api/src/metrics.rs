//! Every metric of the server; with the files below it the one place that names `prometheus`. The list of names is
//! `ops/deploy/metrics.txt`, those of a witness and a monitor `metrics-witness.txt` and `metrics-monitor.txt` beside it.

mod clock;
mod exchange;
mod http;
mod monitor;
mod notary;
mod tls;
mod witness;

use std::sync::Arc;

use ::http::header;
use axum::response::{IntoResponse, Response};
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder, core::Collector,
};
use semper_ledger::sequencer::{GroupReport, Observer, Refused};
use semper_ttp::ca::ocsp::ErrorStatus;
use semper_ttp::time::Timestamp;

use crate::service::TimeSource;
use clock::ClockMetrics;
use exchange::ExchangeMetrics;
pub use http::{ConnectionEnd, HttpMetrics};
pub use monitor::MonitorMetrics;
use notary::NotaryMetrics;
pub(crate) use notary::OpenActs;
pub use tls::TlsMetrics;
pub use witness::WitnessMetrics;

/// Seconds from 50 µs to 10 s: a flush on fast storage lies at the low end, a stall at the high one.
const SECONDS: [f64; 16] =
    [0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 10.0];

/// Entries in a commit group.
const GROUP: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// All metrics of one process, in a registry of their own: several servers in one process do not clash.
pub struct Metrics {
    registry: Registry,
    appends: IntCounter,
    commit_seconds: Histogram,
    group_size: Histogram,
    queue_depth: IntGauge,
    tree_size: IntGauge,
    committed_age: Gauge,
    fsync_seconds: Histogram,
    dedup_hits: IntCounter,
    refused: IntCounterVec,
    tokens: IntCounterVec,
    tsa_seconds: HistogramVec,
    key_end: IntGaugeVec,
    certificate_end: IntGaugeVec,
    crl_next_update: IntGaugeVec,
    ocsp_responses: IntCounterVec,
    responder_end: IntGaugeVec,
    witness_told: IntCounterVec,
    witnessed_size: IntGauge,
    witnessed_age: Gauge,
    halted: IntGauge,
    backup_last: IntGauge,
    notices: IntCounterVec,
    notices_pending: IntGauge,
    notary: NotaryMetrics,
    exchange: ExchangeMetrics,
    clock: ClockMetrics,
    http: Arc<HttpMetrics>,
    tls: Arc<TlsMetrics>,
    disk_free: IntGauge,
}

impl Metrics {
    /// Metrics of the log `origin`, all at zero.
    pub fn new(origin: &str) -> Self {
        let registry = Registry::new();
        let own = |name: &str, help: &str| Opts::new(name, help).const_label("origin", origin);
        let times = |name: &str, help: &str| HistogramOpts::from(own(name, help)).buckets(SECONDS.to_vec());
        let bare = |name: &str, help: &str| Opts::new(name, help);
        macro_rules! register {
            ($metric:expr) => {
                register(&registry, $metric)
            };
        }
        Self {
            appends: register!(IntCounter::with_opts(own("semper_ledger_appends_total", "Entries appended"))),
            commit_seconds: register!(Histogram::with_opts(times(
                "semper_ledger_commit_seconds",
                "One commit group, from taking it to its durable anchor"
            ))),
            group_size: register!(Histogram::with_opts(
                HistogramOpts::from(own("semper_ledger_group_size", "Entries of one commit group"))
                    .buckets(GROUP.to_vec())
            )),
            queue_depth: register!(IntGauge::with_opts(own("semper_ledger_queue_depth", "Commits that wait"))),
            tree_size: register!(IntGauge::with_opts(own("semper_ledger_tree_size", "Entries in the tree"))),
            committed_age: register!(Gauge::with_opts(own(
                "semper_ledger_committed_age_seconds",
                "Age of the newest checkpoint; NaN before the first"
            ))),
            fsync_seconds: register!(Histogram::with_opts(times(
                "semper_ledger_fsync_seconds",
                "One flush of the store or of the anchor"
            ))),
            dedup_hits: register!(IntCounter::with_opts(own(
                "semper_ledger_dedup_hits_total",
                "Appends answered from a stored answer"
            ))),
            refused: {
                let refused = register!(IntCounterVec::new(
                    own("semper_ledger_refused_total", "Appends refused, by reason"),
                    &["reason"]
                ));
                // From zero on: the first of a kind is a rise that an alert sees.
                REASONS.iter().for_each(|reason| refused.with_label_values(&[*reason]).inc_by(0));
                refused
            },
            tokens: register!(IntCounterVec::new(
                own("semper_tsa_tokens_total", "Answers to timestamp requests, by granted, failInfo or rateLimited"),
                &["endpoint", "outcome"]
            )),
            tsa_seconds: register!(HistogramVec::new(
                times("semper_tsa_seconds", "One timestamp request, from its last byte to the answer"),
                &["endpoint"]
            )),
            key_end: register!(IntGaugeVec::new(
                own("semper_tsa_key_end_timestamp_seconds", "Unix time after which the unit's key may not sign"),
                &["endpoint"]
            )),
            certificate_end: register!(IntGaugeVec::new(
                own("semper_tsa_certificate_end_timestamp_seconds", "Unix time of notAfter of the unit's certificate"),
                &["endpoint"]
            )),
            crl_next_update: register!(IntGaugeVec::new(
                bare(
                    "semper_crl_next_update_timestamp_seconds",
                    "Unix time of nextUpdate of the newest CRL; 0 without"
                ),
                &["authority"]
            )),
            ocsp_responses: {
                let responses = register!(IntCounterVec::new(
                    bare("semper_ocsp_responses_total", "OCSP responses, by cached, signed or the error's name"),
                    &["outcome"]
                ));
                let errors = ErrorStatus::ALL.map(ErrorStatus::name);
                let outcomes = ["cached", "signed"].into_iter().chain(errors);
                outcomes.for_each(|outcome| responses.with_label_values(&[outcome]).inc_by(0));
                responses
            },
            responder_end: register!(IntGaugeVec::new(
                bare(
                    "semper_ocsp_responder_end_timestamp_seconds",
                    "Unix time of notAfter of the certificate that signs OCSP responses; 0 without"
                ),
                &["authority"]
            )),
            witness_told: register!(IntCounterVec::new(
                own("semper_ledger_witness_answers_total", "What witnesses told, by witness and outcome"),
                &["witness", "outcome"]
            )),
            witnessed_size: register!(IntGauge::with_opts(own(
                "semper_ledger_witnessed_size",
                "Entries under the newest checkpoint that meets the quorum; 0 without"
            ))),
            witnessed_age: register!(Gauge::with_opts(own(
                "semper_ledger_witnessed_age_seconds",
                "Age of the newest checkpoint that meets the quorum; NaN without"
            ))),
            halted: register!(IntGauge::with_opts(own(
                "semper_ledger_halted",
                "1 once a witness has shown another history of this ledger"
            ))),
            backup_last: register!(IntGauge::with_opts(own(
                "semper_backup_last_timestamp_seconds",
                "Unix time at which the newest backup was finished; 0 without one"
            ))),
            notices: {
                let notices = register!(IntCounterVec::new(
                    bare("semper_notices_total", "Tries to tell holders of the end of certificates, by outcome"),
                    &["outcome"]
                ));
                TRIED.iter().for_each(|outcome| notices.with_label_values(&[*outcome]).inc_by(0));
                notices
            },
            notices_pending: register!(IntGauge::with_opts(bare(
                "semper_notices_pending",
                "Notices to holders that are due and were not told"
            ))),
            notary: NotaryMetrics::new(&registry),
            exchange: ExchangeMetrics::new(&registry),
            clock: ClockMetrics::new(&registry),
            http: Arc::new(HttpMetrics::new(&registry)),
            tls: Arc::new(TlsMetrics::new(&registry)),
            disk_free: register!(IntGauge::with_opts(bare("semper_disk_free_bytes", "Free space where the data lies"))),
            registry,
        }
    }

    /// A timestamp request was answered: `outcome` is `granted` or the failInfo's name.
    pub fn timestamped(&self, endpoint: &str, outcome: &str, seconds: f64) {
        self.tokens.with_label_values(&[endpoint, outcome]).inc();
        self.tsa_seconds.with_label_values(&[endpoint]).observe(seconds);
    }

    /// A timestamp request was turned away because its address asked too often: no fault of ours, and no time that an
    /// answer took.
    pub fn rate_limited(&self, endpoint: &str) {
        self.tokens.with_label_values(&[endpoint, "rateLimited"]).inc();
    }

    /// How long a unit's key may sign, and its certificate is valid.
    pub fn unit_ends(&self, endpoint: &str, key: Timestamp, certificate: Timestamp) {
        self.key_end.with_label_values(&[endpoint]).set(unix_secs(key));
        self.certificate_end.with_label_values(&[endpoint]).set(unix_secs(certificate));
    }

    /// How long the newest CRL of a CA is good; without one, not at all.
    pub fn crl_next_update(&self, authority: &str, next_update: Option<Timestamp>) {
        self.crl_next_update.with_label_values(&[authority]).set(next_update.map_or(0, unix_secs));
    }

    /// An OCSP request was answered.
    pub(crate) fn ocsp_answered(&self, outcome: &str) {
        self.ocsp_responses.with_label_values(&[outcome]).inc();
    }

    /// How long the certificate is good under which a CA's OCSP responses are signed; without one, not at all.
    pub(crate) fn responder_ends(&self, authority: &str, not_after: Option<Timestamp>) {
        self.responder_end.with_label_values(&[authority]).set(not_after.map_or(0, unix_secs));
    }

    /// A witness that will be asked. From zero on: what happens once is a rise that an alert sees.
    pub(crate) fn witness(&self, witness: &str) {
        self.witness_told.with_label_values(&[witness, "forgotten"]).inc_by(0);
    }

    /// A witness was asked, and this came.
    pub(crate) fn witness_told(&self, witness: &str, outcome: &str) {
        self.witness_told.with_label_values(&[witness, outcome]).inc();
    }

    /// The newest checkpoint that meets the quorum: entries under it, and its age.
    pub(crate) fn witnessed(&self, newest: Option<(u64, f64)>) {
        self.witnessed_size.set(newest.map_or(0, |(size, _)| i64::try_from(size).unwrap_or(i64::MAX)));
        self.witnessed_age.set(newest.map_or(f64::NAN, |(_, age_seconds)| age_seconds));
    }

    /// The ledger signs nothing any more.
    pub(crate) fn halted(&self) {
        self.halted.set(1);
    }

    /// When the newest backup was finished, seconds since 1970.
    pub fn backup_finished(&self, secs: i64) {
        self.backup_last.set(secs);
    }

    /// A try to tell a holder of the end of a certificate has ended so.
    pub(crate) fn notice_tried(&self, outcome: &'static str) {
        self.notices.with_label_values(&[outcome]).inc();
    }

    /// Notices that are due and were not told.
    pub(crate) fn notices_pending(&self, count: usize) {
        self.notices_pending.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Those of the notary.
    pub(crate) fn notary(&self) -> &NotaryMetrics {
        &self.notary
    }

    /// Those of the arbiter.
    pub(crate) fn exchange(&self) -> &ExchangeMetrics {
        &self.exchange
    }

    /// Those of the listeners.
    pub fn http(&self) -> &Arc<HttpMetrics> {
        &self.http
    }

    /// Those of the HTTPS listener.
    pub fn tls(&self) -> &Arc<TlsMetrics> {
        &self.tls
    }

    /// Free bytes where the data lies.
    pub fn disk_free(&self, bytes: u64) {
        self.disk_free.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// The state of the clock.
    pub fn clock(&self, clock: &dyn TimeSource) {
        self.clock.show(clock);
    }

    /// The ledger at rest, for a scrape; `committed_age_seconds` is `None` before the first entry.
    pub fn ledger(&self, tree_size: u64, queue_depth: usize, committed_age_seconds: Option<f64>) {
        self.committed_age.set(committed_age_seconds.unwrap_or(f64::NAN));
        self.tree_size.set(i64::try_from(tree_size).unwrap_or(i64::MAX));
        self.queue_depth.set(i64::try_from(queue_depth).unwrap_or(i64::MAX));
    }

    /// Everything in the text exposition format.
    pub fn render(&self) -> String {
        render(&self.registry)
    }
}

/// Adds a metric. Each name, label and bucket list in this module is a constant: a mistake fails the first test.
fn register<M: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<M>) -> M {
    let metric = metric.expect("a valid metric");
    registry.register(Box::new(metric.clone())).expect("registered once");
    metric
}

/// A page in Prometheus' text format.
pub(crate) fn page(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn render(registry: &Registry) -> String {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text).expect("writing to memory cannot fail");
    String::from_utf8(text).expect("the text format is UTF-8")
}

fn unix_secs(time: Timestamp) -> i64 {
    i64::try_from(time.secs()).unwrap_or(i64::MAX)
}

impl Observer for Metrics {
    fn committed(&self, report: &GroupReport) {
        self.dedup_hits.inc_by(report.replayed as u64);
        if report.entries == 0 {
            return;
        }
        self.appends.inc_by(report.entries as u64);
        self.commit_seconds.observe(report.seconds);
        self.group_size.observe(report.entries as f64);
        self.fsync_seconds.observe(report.store_seconds);
        self.fsync_seconds.observe(report.anchor_seconds);
        self.tree_size.set(i64::try_from(report.size).unwrap_or(i64::MAX));
    }

    fn refused(&self, refused: &Refused) {
        self.refused.with_label_values(&[reason(refused)]).inc();
    }
}

/// How a try to tell a holder ends.
const TRIED: [&str; 4] = ["told", "failed", "gone", "fault"];

/// Every label of a refusal.
const REASONS: [&str; 10] = [
    "busy",
    "draining",
    "stale",
    "clock-behind",
    "tag-seen",
    "step-taken",
    "key-taken",
    "key-reused",
    "signing",
    "stopped",
];

fn reason(refused: &Refused) -> &'static str {
    match refused {
        Refused::Busy => "busy",
        Refused::Draining => "draining",
        Refused::Stale { .. } => "stale",
        Refused::ClockBehind { .. } => "clock-behind",
        Refused::TagSeen { .. } => "tag-seen",
        Refused::StepTaken { .. } => "step-taken",
        Refused::KeyTaken { .. } => "key-taken",
        Refused::KeyReused { .. } => "key-reused",
        Refused::Signing(_) => "signing",
        Refused::Stopped => "stopped",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use semper_ttp::{
        clock::{Health, State},
        timestamp::ClockVerdict,
    };

    use super::*;

    struct Synced;

    impl TimeSource for Synced {
        fn check(&self) -> (Timestamp, ClockVerdict) {
            (self.now(), ClockVerdict::Synced)
        }

        fn now(&self) -> Timestamp {
            Timestamp::from_secs(1)
        }

        fn health(&self) -> Health {
            let sample_age = Some(Duration::from_secs(2));
            Health { state: State::Synced, stopped_by: None, observation: None, bound: None, sample_age }
        }

        fn name(&self) -> &'static str {
            "kernel"
        }
    }

    /// The metrics' names that a text shows, and those of a list in `ops/deploy/`.
    fn check_names(text: &str, list: &str) {
        let found: std::collections::BTreeSet<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let lines = list.lines().filter(|line| !line.starts_with('#'));
        let named: std::collections::BTreeSet<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(found, named);
    }

    #[test]
    fn a_witness_has_a_list_of_its_own() {
        let metrics = WitnessMetrics::new(["log"]);
        metrics.newest("log", 7, Timestamp::from_secs(8));
        metrics.http().answered("/add-checkpoint", 200);
        let text = metrics.render(&Synced);
        check_names(&text, include_str!("../../ops/deploy/metrics-witness.txt"));
        for line in [
            "semper_witness_requests_total{outcome=\"conflict\"} 0",
            "semper_witness_contradictions_total{origin=\"log\"} 0",
            "semper_witness_tree_size{origin=\"log\"} 7",
            "semper_witness_cosigned_timestamp_seconds{origin=\"log\"} 8",
            "semper_clock_state{state=\"synced\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_monitor_has_one_too() {
        let metrics = MonitorMetrics::new("log");
        metrics.checked(7, Timestamp::from_secs(8));
        metrics.alert("unknown");
        metrics.unknown(3);
        metrics.convicted(semper_ttp::account::Kind::SplitView);
        metrics.http().answered("/metrics", 200);
        let text = metrics.render();
        check_names(&text, include_str!("../../ops/deploy/metrics-monitor.txt"));
        for line in [
            "semper_monitor_alerts_total{kind=\"unknown\",origin=\"log\"} 1",
            "semper_monitor_alerts_total{kind=\"watched\",origin=\"log\"} 0",
            "semper_monitor_misbehaviour{kind=\"split-view\",origin=\"log\"} 1",
            "semper_monitor_misbehaviour{kind=\"rollback\",origin=\"log\"} 0",
            "semper_monitor_tree_size{origin=\"log\"} 7",
            "semper_monitor_unknown_entries{origin=\"log\"} 3",
            "semper_monitor_checked_timestamp_seconds{origin=\"log\"} 8",
            "semper_monitor_round_failures_total{origin=\"log\",reason=\"data\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }

    #[test]
    fn every_refusal_is_counted_by_its_reason() {
        let metrics = Metrics::new("log");
        let count = |reason: &str| {
            let line = format!("semper_ledger_refused_total{{origin=\"log\",reason=\"{reason}\"}} ");
            let text = metrics.render();
            text.lines().find_map(|found| found.strip_prefix(&line)?.parse::<u64>().ok())
        };
        assert!(REASONS.iter().all(|reason| count(reason) == Some(0)));
        let refusals = [
            Refused::Busy,
            Refused::Draining,
            Refused::Stale { now_ms: 1, entry_ms: 2 },
            Refused::ClockBehind { clock_ms: 1, newest_ms: 2 },
            Refused::TagSeen { tag: semper_ledger::entry::Tag([0; 32]), index: 0 },
            Refused::StepTaken { step: 0, index: 0 },
            Refused::KeyTaken { key: [0; 16], index: 0 },
            Refused::KeyReused { index: 0 },
            Refused::Signing(semper_ledger::port::SigningFailed(String::new())),
            Refused::Stopped,
        ];
        refusals.iter().for_each(|refused| metrics.refused(refused));
        assert!(REASONS.iter().all(|reason| count(reason) == Some(1)), "{}", metrics.render());
    }

    #[test]
    fn the_age_of_the_newest_checkpoint_is_shown() {
        let metrics = Metrics::new("log");
        metrics.ledger(0, 0, None);
        assert!(metrics.render().contains("semper_ledger_committed_age_seconds{origin=\"log\"} NaN"));
        metrics.ledger(7, 0, Some(1.5));
        assert!(metrics.render().contains("semper_ledger_committed_age_seconds{origin=\"log\"} 1.5"));
    }

    #[test]
    fn the_names_are_those_of_the_list() {
        let metrics = Metrics::new("log");
        // Vectors show nothing before their first use.
        metrics.timestamped("/tsa", "granted", 0.001);
        metrics.rate_limited("/tsa");
        metrics.http().answered("/tsa", 200);
        metrics.witness_told("W", "cosigned");
        metrics.unit_ends("/tsa", Timestamp::from_secs(7), Timestamp::from_secs(8));
        metrics.crl_next_update("ca-tsu", None);
        metrics.ocsp_answered("cached");
        metrics.responder_ends("ca-tsu", None);
        metrics.clock(&Synced);
        metrics.exchange().rail(&semper_ttp::payment::rail::RailId::new("bank").unwrap());
        let text = metrics.render();
        check_names(&text, include_str!("../../ops/deploy/metrics.txt"));
        assert!(text.contains("semper_clock_state{state=\"synced\"} 1"), "{text}");
        assert!(text.contains("semper_clock_bound_seconds NaN"));
        for end in ConnectionEnd::ALL {
            assert!(text.contains(&format!("semper_http_connections_ended_total{{outcome=\"{}\"}} 0", end.name())));
        }
        assert!(text.contains("semper_tsa_key_end_timestamp_seconds{endpoint=\"/tsa\",origin=\"log\"} 7"), "{text}");
        assert!(text.contains("outcome=\"rateLimited\"} 1"));
        let timed = "semper_tsa_seconds_count{endpoint=\"/tsa\",origin=\"log\"} 1";
        assert!(text.contains(timed), "who was turned away took no time: {text}");
        assert!(text.contains("semper_tsa_tokens_total{endpoint=\"/tsa\",origin=\"log\",outcome=\"granted\"} 1"));
    }
}
