//! Every metric of the server; the one file that names `prometheus`. The list of names is `ops/deploy/metrics.txt`.

use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};
use semper_ledger::sequencer::{GroupReport, Observer, Refused};
use semper_ttp::time::Timestamp;

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
    clock_offset: Gauge,
    clock_error: Gauge,
    clock_bound: Gauge,
    clock_state: GaugeVec,
    clock_sample_age: Gauge,
    requests: IntCounterVec,
    connections: IntGauge,
    connections_ended: IntCounterVec,
    disk_free: IntGauge,
}

/// What the clock gauges show.
#[derive(Clone, Copy, Debug)]
pub struct ClockFigures<'a> {
    /// Name of the present state.
    pub state: &'static str,
    /// Names of all states.
    pub states: &'a [&'static str],
    /// What the time source was correcting by at the newest sample, seconds.
    pub offset_seconds: Option<f64>,
    /// Error that the time source estimated in the newest sample, seconds.
    pub error_seconds: Option<f64>,
    /// Error that the clock has at most, seconds.
    pub bound_seconds: Option<f64>,
    /// Age of the newest sample, seconds.
    pub sample_age_seconds: Option<f64>,
}

/// How a connection ended. What the HTTP library answers or closes by itself, without asking the router, shows here only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// As the protocol has it: by either side, between two requests.
    Closed,
    /// Beyond the limit of connections: closed before a byte was read.
    Refused,
    /// No HTTP: answered 400.
    Malformed,
    /// A request line or headers beyond their bounds: answered 414 or 431.
    TooLarge,
    /// The client began with HTTP/2, to which any answer in HTTP/1.1 would be noise.
    Http2,
    /// No whole header in time, or no further request.
    HeaderTimeout,
    /// No byte moved for too long: a client that does not read its answer.
    IdleTimeout,
    /// The client went away in the middle of a request.
    Incomplete,
    /// The connection broke.
    Broken,
}

impl ConnectionEnd {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Closed,
        Self::Refused,
        Self::Malformed,
        Self::TooLarge,
        Self::Http2,
        Self::HeaderTimeout,
        Self::IdleTimeout,
        Self::Incomplete,
        Self::Broken,
    ];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::Http2 => "http2",
            Self::HeaderTimeout => "header-timeout",
            Self::IdleTimeout => "idle-timeout",
            Self::Incomplete => "incomplete",
            Self::Broken => "broken",
        }
    }
}

impl Metrics {
    /// Metrics of the log `origin`, all at zero.
    pub fn new(origin: &str) -> Self {
        let registry = Registry::new();
        let own = |name: &str, help: &str| Opts::new(name, help).const_label("origin", origin);
        let times = |name: &str, help: &str| HistogramOpts::from(own(name, help)).buckets(SECONDS.to_vec());
        let bare = |name: &str, help: &str| Opts::new(name, help);
        // Each name, label and bucket list above and below is a constant: a mistake fails the first test.
        macro_rules! register {
            ($metric:expr) => {{
                let metric = $metric.expect("a valid metric");
                registry.register(Box::new(metric.clone())).expect("registered once");
                metric
            }};
        }
        let connections_ended = register!(IntCounterVec::new(
            bare("semper_http_connections_ended_total", "Ended connections, by how they ended"),
            &["outcome"]
        ));
        // From zero on: the first of a kind is a rise that an alert sees.
        for end in ConnectionEnd::ALL {
            connections_ended.with_label_values(&[end.name()]).inc_by(0);
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
            clock_offset: register!(Gauge::with_opts(bare(
                "semper_clock_offset_seconds",
                "What the time source was correcting the clock by at the newest sample"
            ))),
            clock_error: register!(Gauge::with_opts(bare(
                "semper_clock_estimated_error_seconds",
                "Error that the time source estimated in the newest sample"
            ))),
            clock_bound: register!(Gauge::with_opts(bare(
                "semper_clock_bound_seconds",
                "Error that the clock has at most now; NaN when no sample carries"
            ))),
            clock_state: register!(GaugeVec::new(
                bare("semper_clock_state", "1 for the state the clock is in, 0 for the others"),
                &["state"]
            )),
            clock_sample_age: register!(Gauge::with_opts(bare(
                "semper_clock_sample_age_seconds",
                "Age of the newest sample"
            ))),
            requests: register!(IntCounterVec::new(
                bare("semper_http_requests_total", "Answered requests"),
                &["route", "status"]
            )),
            connections: register!(IntGauge::with_opts(bare("semper_http_connections", "Open connections"))),
            connections_ended,
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

    /// A request was answered.
    pub fn answered(&self, route: &str, status: u16) {
        // Three digits without an allocation for the usual ones.
        let status = match status {
            200 => "200",
            404 => "404",
            other => return self.requests.with_label_values(&[route, &other.to_string()]).inc(),
        };
        self.requests.with_label_values(&[route, status]).inc();
    }

    /// A connection was opened (+1) or closed (−1).
    pub fn connection(&self, change: i64) {
        self.connections.add(change);
    }

    /// A connection ended, or was refused.
    pub fn connection_ended(&self, end: ConnectionEnd) {
        self.connections_ended.with_label_values(&[end.name()]).inc();
    }

    /// Free bytes where the data lies.
    pub fn disk_free(&self, bytes: u64) {
        self.disk_free.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// The state of the clock.
    pub fn clock(&self, figures: &ClockFigures<'_>) {
        self.clock_offset.set(figures.offset_seconds.unwrap_or(f64::NAN));
        self.clock_error.set(figures.error_seconds.unwrap_or(f64::NAN));
        self.clock_bound.set(figures.bound_seconds.unwrap_or(f64::NAN));
        self.clock_sample_age.set(figures.sample_age_seconds.unwrap_or(f64::NAN));
        for state in figures.states {
            self.clock_state.with_label_values(&[state]).set(f64::from(u8::from(*state == figures.state)));
        }
    }

    /// The ledger at rest, for a scrape; `committed_age_seconds` is `None` before the first entry.
    pub fn ledger(&self, tree_size: u64, queue_depth: usize, committed_age_seconds: Option<f64>) {
        self.committed_age.set(committed_age_seconds.unwrap_or(f64::NAN));
        self.tree_size.set(i64::try_from(tree_size).unwrap_or(i64::MAX));
        self.queue_depth.set(i64::try_from(queue_depth).unwrap_or(i64::MAX));
    }

    /// Everything in the text exposition format.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("writing to memory cannot fail");
        String::from_utf8(text).expect("the text format is UTF-8")
    }
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

/// Every label of a refusal.
const REASONS: [&str; 9] =
    ["busy", "draining", "stale", "clock-behind", "tag-seen", "step-taken", "key-reused", "signing", "stopped"];

fn reason(refused: &Refused) -> &'static str {
    match refused {
        Refused::Busy => "busy",
        Refused::Draining => "draining",
        Refused::Stale { .. } => "stale",
        Refused::ClockBehind { .. } => "clock-behind",
        Refused::TagSeen { .. } => "tag-seen",
        Refused::StepTaken { .. } => "step-taken",
        Refused::KeyReused { .. } => "key-reused",
        Refused::Signing(_) => "signing",
        Refused::Stopped => "stopped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        metrics.answered("/tsa", 200);
        metrics.unit_ends("/tsa", Timestamp::from_secs(7), Timestamp::from_secs(8));
        metrics.crl_next_update("ca-tsu", None);
        let clock = ClockFigures {
            state: "synced",
            states: &["synced", "stopped"],
            offset_seconds: Some(-0.1),
            error_seconds: Some(0.1),
            bound_seconds: None,
            sample_age_seconds: None,
        };
        metrics.clock(&clock);
        let text = metrics.render();
        let found: std::collections::BTreeSet<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let list = include_str!("../../ops/deploy/metrics.txt");
        let named: std::collections::BTreeSet<&str> = list
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(found, named);
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
