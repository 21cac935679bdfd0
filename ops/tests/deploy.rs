//! What is deployed beside the binary agrees with it and with itself: dashboard and alerts name only metrics that exist
//! and use only labels that those carry; the unit starts commands with options that are really there.

use std::collections::{BTreeMap, BTreeSet};

const METRICS: &str = include_str!("../deploy/metrics.txt");
const OF_MONITOR: &str = include_str!("../deploy/metrics-monitor.txt");
const OF_WITNESS: &str = include_str!("../deploy/metrics-witness.txt");
const DASHBOARD: &str = include_str!("../deploy/grafana-dashboard.json");
const ALERTS: &str = include_str!("../deploy/prometheus-alerts.yml");
const UNIT: &str = include_str!("../deploy/semper.service");

/// Labels that Prometheus itself adds, and the bucket bound of a histogram.
const LABELS_ALWAYS: [&str; 3] = ["instance", "job", "le"];

#[derive(Debug, PartialEq, Eq)]
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
}

/// Those of the server.
fn metrics() -> BTreeMap<String, Metric> {
    listed(METRICS)
}

/// Those of everything that runs. Clock and listeners are the same everywhere: one rule serves for all.
fn all_metrics() -> BTreeMap<String, Metric> {
    let mut all = metrics();
    for (name, metric) in [OF_MONITOR, OF_WITNESS].into_iter().flat_map(listed) {
        let known =
            all.entry(name).or_insert_with(|| Metric { kind: metric.kind.clone(), labels: metric.labels.clone() });
        assert_eq!(*known, metric);
    }
    all
}

fn listed(list: &str) -> BTreeMap<String, Metric> {
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let mut columns = line.split_whitespace();
            let [name, kind, labels] = std::array::from_fn(|_| columns.next().unwrap_or_else(|| panic!("{line}")));
            assert!(columns.next().is_some(), "{name} has no meaning");
            let labels = labels.split(',').filter(|label| *label != "-").map(str::to_owned).collect();
            (name.to_owned(), Metric { kind: kind.to_owned(), labels })
        })
        .collect()
}

#[test]
fn names_follow_the_conventions() {
    assert_eq!(metrics().len(), 49);
    for (name, metric) in all_metrics() {
        assert!(name.starts_with("semper_"), "{name}");
        assert!(matches!(&*metric.kind, "counter" | "gauge" | "histogram"), "{name} {}", metric.kind);
        assert_eq!(metric.kind == "counter", name.ends_with("_total"), "{name}");
        // Labels are for what there are few of: a name or an address as label would be personal data, and without
        // bound.
        let of_log = ["semper_ledger_", "semper_tsa_", "semper_monitor_", "semper_backup_"]
            .iter()
            .any(|start| name.starts_with(start));
        // A witness does not know of which log a request was that it cannot read.
        let either = name.starts_with("semper_witness_");
        assert!(either || of_log == metric.labels.contains("origin"), "{name}");
    }
}

/// The words of an expression that are names: what is quoted is a value, what follows a `$` a variable of Grafana.
fn words(expression: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in expression.split('"').enumerate() {
        if index % 2 == 0 {
            let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$');
            words.extend(part.split(word).filter(|word| !word.is_empty() && !word.starts_with('$')).map(str::to_owned));
        }
    }
    words
}

/// Label names of matchers and of `by (…)`.
fn labels(expression: &str) -> Vec<String> {
    let mut labels = Vec::new();
    for matchers in expression.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        labels.extend(matchers.split(',').filter_map(|matcher| matcher.split(['=', '!']).next()).map(str::to_owned));
    }
    for list in expression.split("by (").skip(1).filter_map(|rest| rest.split(')').next()) {
        labels.extend(list.split(',').map(|label| label.trim().to_owned()));
    }
    labels
}

/// Checks an expression and returns the metrics that it names.
fn check(expression: &str, metrics: &BTreeMap<String, Metric>) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for word in words(expression).iter().filter(|word| word.starts_with("semper_")) {
        let bucket = word.strip_suffix("_bucket");
        let name = bucket.unwrap_or(word);
        let metric = metrics.get(name).unwrap_or_else(|| panic!("{word} is no metric: {expression}"));
        assert_eq!(metric.kind == "histogram", bucket.is_some(), "a histogram is read by its buckets: {expression}");
        assert!(
            metric.kind != "counter" || expression.contains("rate(") || expression.contains("increase("),
            "a counter is read by its rate: {expression}"
        );
        for label in labels(expression) {
            let known = metric.labels.contains(&label) || LABELS_ALWAYS.contains(&&*label);
            assert!(known, "{name} has no label {label}: {expression}");
        }
        named.insert(name.to_owned());
    }
    let (open, close) = (expression.matches(['(', '{', '[']).count(), expression.matches([')', '}', ']']).count());
    assert_eq!(open, close, "{expression}");
    named
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let metrics = metrics();
    let (mut named, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{}", panel["title"]);
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{}", panel["title"]);
        for target in targets {
            named.extend(check(target["expr"].as_str().unwrap(), &metrics));
            // A legend shows labels that the expression leaves in place.
            for label in target["legendFormat"].as_str().unwrap().split("{{").skip(1) {
                let label = label.split("}}").next().unwrap();
                let expression = target["expr"].as_str().unwrap();
                let aggregated = expression.contains(" by (");
                assert!(!aggregated || labels(expression).iter().any(|kept| kept == label), "{label}: {expression}");
            }
        }
    }
    assert_eq!(named, metrics.into_keys().collect());
}

#[test]
fn alerts_name_real_metrics_and_say_what_to_do() {
    let metrics = all_metrics();
    let rules: Vec<&str> = ALERTS.split("- alert: ").skip(1).collect();
    let mut names = BTreeSet::new();
    for rule in &rules {
        let name = rule.lines().next().unwrap();
        assert!(name.starts_with("Semper") && names.insert(name), "{name}");
        let value = |key: &str| {
            let lines: Vec<_> = rule.lines().filter_map(|line| line.trim().strip_prefix(key)).collect();
            assert_eq!(lines.len(), 1, "{name}: {key}");
            lines[0].trim().to_owned()
        };
        let expression = value("expr:");
        let named = check(&expression, &metrics);
        assert!(!named.is_empty() || expression.starts_with("up{"), "{name}");
        assert!(["{severity: page}", "{severity: ticket}"].contains(&&*value("labels:")), "{name}");
        assert!(value("summary:").len() > 20 && value("description:").len() > 40, "{name}");
        // What a text shows of a label, the expression must have kept.
        for label in rule.split("$labels.").skip(1).filter_map(|rest| rest.split(' ').next()) {
            // group_left keeps all that the left side has.
            let aggregated = expression.contains(" by (") && !expression.contains(" group_left ");
            assert!(!aggregated || labels(&expression).iter().any(|kept| kept == label), "{name}: {label}");
        }
    }
    assert!(rules.len() >= 10);
}

/// A setting of the sample, which holds the defaults.
fn default_of(key: &str) -> f64 {
    let sample = include_str!("../deploy/semper.toml");
    let value = sample.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{key}"))
}

/// With default settings the state SUSPECT ends after a minute, and the bound of a clock that is believed never reaches
/// half a second: an alert that waits for more never comes.
#[test]
fn the_alerts_of_the_clock_can_fire() {
    let rule = |name: &str| {
        let rule = ALERTS.split("- alert: ").find(|rule| rule.lines().next() == Some(name));
        rule.unwrap_or_else(|| panic!("{name}")).to_owned()
    };
    let number_behind = |rule: &str, sign: &str| {
        let expression = rule.lines().find(|line| line.trim().starts_with("expr:")).unwrap();
        expression.rsplit_once(sign).unwrap().1.trim().parse::<f64>().unwrap()
    };
    let suspect = rule("SemperClockSuspect");
    assert!(suspect.contains("[15m]") && !suspect.contains("for:"), "{suspect}");
    let longest = default_of("sample_age_max_ms") / 1000.0 / (15.0 * 60.0);
    assert!(number_behind(&suspect, ">") < longest, "{longest}");
    // A sample at its bound, read at once: the least of the readings that are bad news.
    let bound = default_of("offset_bound_ms") / 1000.0;
    assert!(number_behind(&rule("SemperClockBoundHigh"), ">") < bound);
}

#[test]
fn the_checks_can_fail() {
    let metrics = metrics();
    let fails = |expression: &str| {
        let (expression, metrics) = (expression.to_owned(), &metrics);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&expression, metrics))).is_err()
    };
    assert!(!fails("sum by (origin) (rate(semper_ledger_dedup_hits_total[5m]))"));
    assert!(fails("semper_ledger_tree_sise"), "no such metric");
    assert!(fails("semper_ledger_dedup_hits_total > 0"), "a bare counter");
    assert!(fails("rate(semper_tsa_seconds[5m])"), "a histogram without buckets");
    assert!(fails("semper_clock_state{origin=\"x\"}"), "no such label");
    assert!(fails("sum by (route) (semper_ledger_tree_size)"), "no such label");
    assert!(fails("max(semper_ledger_tree_size"), "not closed");
}

#[test]
fn the_unit_is_hardened_and_outlives_the_drain() {
    let value = |key: &str| UNIT.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    for (key, expected) in [
        ("DynamicUser", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("AmbientCapabilities", ""),
        ("StateDirectory", "semper semper-anchor"),
        ("RestartPreventExitStatus", "64"),
        ("Restart", "on-failure"),
        ("LimitCORE", "0"),
    ] {
        assert_eq!(value(key), Some(expected), "{key}");
    }
    // The default of shutdown.drain_secs, as the sample has it.
    let sample = include_str!("../deploy/semper.toml");
    let drain_secs: u64 = sample.lines().find_map(|line| line.strip_prefix("drain_secs = ")).unwrap().parse().unwrap();
    assert!(value("TimeoutStopSec").unwrap().parse::<u64>().unwrap() > drain_secs);
    // The credential's name, and the path at which the sample expects it.
    assert!(value("LoadCredential").unwrap().starts_with("passphrase:"));
    assert!(sample.contains("\"/run/credentials/semper.service/passphrase\""));
    // Whether a failure is tried again depends on the exit code of the main process alone.
    assert_eq!(value("ExecStartPre"), None);
    let line = value("ExecStart").unwrap();
    assert!(line.starts_with("/usr/local/bin/semper serve ") && line.contains("--data ") && line.contains("--config "));
    // The sample's place for the anchor is one that the unit makes writable.
    assert!(sample.contains("# anchor_path = \"/var/lib/semper-anchor/anchor\""));
}

#[test]
fn the_monitors_unit_does_not_start_again_after_a_conviction() {
    let unit = include_str!("../deploy/semper-monitor.service");
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    for (key, expected) in [
        ("DynamicUser", "yes"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
        ("StateDirectory", "semper-monitor"),
        ("Restart", "on-failure"),
        ("RestartPreventExitStatus", "1 64"),
        ("LimitCORE", "0"),
    ] {
        assert_eq!(value(key), Some(expected), "{key}");
    }
    let line = value("ExecStart").unwrap();
    assert!(line.starts_with("/usr/local/bin/semper monitor ") && line.contains("--state /var/lib/semper-monitor "));
    assert!(line.contains("--vkey ") && line.contains("--admin ") && line.ends_with("--stay"), "{line}");
}
