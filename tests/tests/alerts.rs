//! The rules of `ops/deploy/prometheus-alerts.yml` before Prometheus' own judge, promtool, and before whoever is woken by
//! them: each alert has a page of `ops/runbooks/` or needs none, and each page has an alert that leads to it.
//!
//! That the rules name real metrics and labels is checked in `ops/tests/deploy.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use semper_tests::source_folder;
use semper_tests::strangers::{self, text};

const RULES: &str = "prometheus-alerts.yml";
const CASES: &str = "alerts-test.yml";

/// Alerts whose description says all there is to say.
const WITHOUT_RUNBOOK: [&str; 12] = [
    "SemperTsaRefusesOnItsOwnAccount",
    "SemperCrlNotRenewed",
    "SemperCrlStale",
    "SemperTsaSlow",
    "SemperLedgerBusy",
    "SemperLedgerStuck",
    "SemperLedgerCannotAppend",
    "SemperFlushSlow",
    "SemperHttpErrors",
    "SemperConnectionsHigh",
    "SemperMonitorNotice",
    "SemperMonitorStale",
];

// ---- promtool -------------------------------------------------------------------------------------------------------

#[test]
fn promtool_reads_the_rules() {
    let output = promtool(&["check", "rules"], &deploy().join(RULES));
    assert!(output.status.success(), "{}", text(&output));
    // A file in which it finds nothing is good as well.
    let found = format!("{} rules found", alerts(&read(&deploy().join(RULES))).len());
    assert!(text(&output).contains(&found), "{}", text(&output));
}

#[test]
fn what_fires_when() {
    let output = promtool(&["test", "rules"], &deploy().join(CASES));
    assert!(output.status.success(), "{}", text(&output));
}

/// A case that no rule can fail would keep nothing in order.
#[test]
fn the_cases_can_fail() {
    let work = tempfile::tempdir().expect("a temporary folder");
    let mut rules = read(&deploy().join(RULES));
    for (good, bad) in [
        // One that never fires, one that always does, one that wakes somebody in place of waiting.
        ("(semper_ledger_halted) == 1", "(semper_ledger_halted) == 2"),
        ("semper_disk_free_bytes < 2147483648", "semper_disk_free_bytes > 2147483648"),
        ("> 0.05\n        labels: {severity: ticket}", "> 0.05\n        labels: {severity: page}"),
    ] {
        assert!(rules.contains(good), "{good}");
        rules = rules.replace(good, bad);
    }
    fs::write(work.path().join(RULES), rules).expect("the rules");
    fs::write(work.path().join(CASES), read(&deploy().join(CASES))).expect("the cases");
    let output = promtool(&["test", "rules"], &work.path().join(CASES));
    assert!(!output.status.success() && text(&output).contains("FAILED"), "{}", text(&output));
    for alert in ["SemperLedgerHalted", "SemperDiskLow", "SemperClockSuspect"] {
        assert!(text(&output).contains(alert), "{alert}: {}", text(&output));
    }
}

// ---- runbooks -------------------------------------------------------------------------------------------------------

#[test]
fn alerts_and_runbooks_lead_to_each_other() {
    let rules = alerts(&read(&deploy().join(RULES)));
    assert!(rules.len() > WITHOUT_RUNBOOK.len());
    assert_eq!(complaints(&rules, &runbooks(), &read(&deploy().join(CASES))), Vec::<String>::new());
}

/// Alert and the runbook that it names; runbook and its text; the cases that promtool tries.
fn complaints(
    rules: &BTreeMap<String, Option<String>>,
    runbooks: &BTreeMap<String, String>,
    cases: &str,
) -> Vec<String> {
    let mut complaints = Vec::new();
    for (alert, runbook) in rules {
        let needs_none = WITHOUT_RUNBOOK.contains(&alert.as_str());
        match runbook {
            None if !needs_none => complaints.push(format!("{alert} names no runbook")),
            Some(_) if needs_none => complaints.push(format!("{alert} names a runbook and is said to need none")),
            Some(path) => match runbooks.get(path) {
                None => complaints.push(format!("{alert} names {path}, which is not there")),
                // Whoever is woken searches for the name on the telephone's screen.
                Some(page) if !page.contains(alert.as_str()) => {
                    complaints.push(format!("{path} does not name {alert}, which leads to it"));
                }
                Some(_) if !cases.contains(&format!("alertname=\"{alert}\"")) => {
                    complaints.push(format!("nothing shows that {alert} fires"));
                }
                Some(_) => {}
            },
            None => {}
        }
    }
    for name in WITHOUT_RUNBOOK.iter().filter(|name| !rules.contains_key(**name)) {
        complaints.push(format!("{name} is said to need no runbook, and is no alert"));
    }
    let named: BTreeSet<_> = rules.values().flatten().collect();
    for (path, page) in runbooks {
        if !named.contains(path) {
            complaints.push(format!("no alert leads to {path}"));
        }
        // The same places in each, so that a tired reader finds them.
        for heading in ["## What is safe", "## First", "## Decide", "## Never", "## Over when", "## Tell and keep"] {
            if !page.lines().any(|line| line == heading) {
                complaints.push(format!("{path} has no part \"{heading}\""));
            }
        }
        for word in page.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| is_alert(word)) {
            if !rules.contains_key(word) {
                complaints.push(format!("{path} names {word}, which is no alert"));
            }
        }
    }
    complaints
}

fn is_alert(word: &str) -> bool {
    word.strip_prefix("Semper").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

#[test]
fn the_complaints_can_be_made() {
    let rules = alerts(&read(&deploy().join(RULES)));
    let (pages, cases) = (runbooks(), read(&deploy().join(CASES)));
    let disk = "ops/runbooks/disk-full.md";

    let mut without = rules.clone();
    without.insert("SemperDiskLow".to_owned(), None);
    assert_eq!(complaints(&without, &pages, &cases), ["SemperDiskLow names no runbook"]);
    let mut gone = pages.clone();
    gone.remove(disk);
    assert_eq!(complaints(&rules, &gone, &cases).len(), 2, "two alerts name it");
    let mut lonely = pages.clone();
    lonely.insert("ops/runbooks/lonely.md".to_owned(), pages[disk].clone());
    assert_eq!(complaints(&rules, &lonely, &cases), ["no alert leads to ops/runbooks/lonely.md"]);
    let mut renamed = pages.clone();
    renamed.insert(disk.to_owned(), pages[disk].replace("SemperDiskLow", "SemperDiskLower"));
    assert_eq!(complaints(&rules, &renamed, &cases).len(), 2, "not named, and no alert");
    let mut short = pages.clone();
    short.insert(disk.to_owned(), pages[disk].replace("## Never", "## Seldom"));
    assert_eq!(complaints(&rules, &short, &cases).len(), 1);
    let untried = cases.replace("SemperDiskLow", "SemperDiskHigh");
    assert_eq!(complaints(&rules, &pages, &untried), ["nothing shows that SemperDiskLow fires"]);
}

#[test]
fn the_index_lists_every_runbook() {
    let index = read(&root().join("ops/runbooks/README.md"));
    for path in runbooks().keys() {
        let name = path.rsplit('/').next().expect("a name");
        assert!(index.contains(&format!("({name})")), "ops/runbooks/README.md has no link to {name}");
    }
}

/// Each alert of the rules, with the runbook that it names.
fn alerts(rules: &str) -> BTreeMap<String, Option<String>> {
    let rules = rules.split("- alert: ").skip(1);
    rules
        .map(|rule| {
            let runbook = rule.lines().find_map(|line| line.trim().strip_prefix("runbook: \"")?.strip_suffix('"'));
            (rule.lines().next().expect("a line").trim().to_owned(), runbook.map(str::to_owned))
        })
        .collect()
}

/// Each page of `ops/runbooks/` but the index, by its path from the root.
fn runbooks() -> BTreeMap<String, String> {
    let pages = fs::read_dir(root().join("ops/runbooks")).expect("ops/runbooks").flatten();
    let names = pages.map(|page| page.file_name().into_string().expect("a name in UTF-8"));
    names
        .filter(|name| name != "README.md")
        .map(|name| (format!("ops/runbooks/{name}"), read(&root().join("ops/runbooks").join(&name))))
        .collect()
}

fn root() -> PathBuf {
    source_folder().join("..")
}

fn deploy() -> PathBuf {
    root().join("ops/deploy")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn promtool(args: &[&str], file: &Path) -> Output {
    strangers::run(strangers::tool("promtool").args(args).arg(file))
}
