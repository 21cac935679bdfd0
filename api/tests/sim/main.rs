//! The adversarial matrix over HTTP (exchange-and-disputes §16.3): contracts (ASW-R) and certified deliveries (CD-R), each side honest or
//! corrupt, a network that loses, delays, repeats and changes, clients and a server that are killed at any step, a clock that goes on.
//!
//! The clients are the program's own (`semper_ttp::client`), the arbiter is the whole service behind its router. One seed is one run:
//! `SEMPER_SIM_SEED` and `SEMPER_SIM_RUNS` say from which one on and how many (`make sim`: 10,000). A seed that failed is told, and goes
//! to [`KEPT`]. Out of scope: a corrupt arbiter (`ttp/src/exchange/judge.rs` and `semper verify` convict it), kills between two writes of
//! the ledger (`tests/tests/kill.rs`, `tests/tests/powercut.rs`), every order of events (`ttp/tests/models/`).

#[path = "../world/mod.rs"]
mod world;

mod check;
mod corrupt;
mod draw;
mod honest;
mod old;
mod run;
mod stage;

use std::{collections::BTreeMap, io::Write as _, ops::Range};

use honest::Rule;
use run::{Report, Violation, run};
use stage::Stage;

/// Seeds whose runs have failed once, by what was wrong then.
const KEPT: &[u64] = &[];

/// Runs of every test.
const RUNS: u64 = 400;

/// Runs that share a ledger, which is audited after them.
const BATCH: u64 = 250;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Names the seed of a run that panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stdout(), "seed {} panicked", self.0);
        }
    }
}

/// Runs that share a ledger; gives what they were, or the seed that failed.
async fn batch(seeds: impl Iterator<Item = u64>, rule: Rule) -> Vec<(u64, Result<Report, Violation>)> {
    let mut stage = Stage::new().await;
    // What a world of tests lacks: it has no genesis.
    let began = stage.size();
    let (mut reports, mut ends) = (Vec::new(), Vec::new());
    for seed in seeds {
        let _named = Named(seed);
        reports.push((seed, run(&mut stage, seed, rule).await));
        ends.push((stage.size(), seed));
    }
    for (at, what) in stage.audited(began) {
        let seed = ends.iter().find(|(end, _)| at < *end).map_or(0, |(_, seed)| *seed);
        reports.push((seed, Err(Violation::of("accountable_", format!("the audit of the ledger: {what}")))));
    }
    reports
}

/// All of them, on as many threads as there are cores: each batch has a world of its own.
fn all(seeds: Range<u64>, rule: Rule) -> Vec<(u64, Result<Report, Violation>)> {
    let batches: Vec<_> =
        seeds.clone().step_by(BATCH as usize).map(|from| from..(from + BATCH).min(seeds.end)).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(batches.len().max(1));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let own: Vec<_> = batches.iter().skip(worker).step_by(threads).cloned().collect();
                scope.spawn(move || own.into_iter().flat_map(|seeds| alone(batch(seeds, rule))).collect::<Vec<_>>())
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no run panics")).collect()
    })
}

fn alone<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

fn told(reports: &[(u64, Result<Report, Violation>)]) -> (BTreeMap<&Report, usize>, Vec<String>) {
    let mut counts = BTreeMap::new();
    let mut failed = Vec::new();
    for (seed, report) in reports {
        match report {
            Ok(report) => *counts.entry(report).or_default() += 1,
            Err(Violation { property, what }) => failed.push(format!("seed {seed}: {property} {what}")),
        }
    }
    (counts, failed)
}

#[test]
fn the_matrix() {
    let (first, runs) = (number("SEMPER_SIM_SEED", 1), number("SEMPER_SIM_RUNS", RUNS));
    let mut reports = alone(batch(KEPT.iter().copied(), Rule::All));
    reports.extend(all(first..first + runs, Rule::All));
    let (counts, failed) = told(&reports);
    let mut table = Vec::new();
    for (Report { protocol, corrupt, outcome }, count) in &counts {
        writeln!(table, "{protocol:6} corrupt: {corrupt:10} {outcome:9} {count:6}").unwrap();
    }
    // Shown by `make sim`.
    std::io::stdout().write_all(&table).unwrap();
    let table = String::from_utf8_lossy(&table);
    assert!(failed.is_empty(), "{} of {} runs failed:\n{}", failed.len(), reports.len(), failed.join("\n"));
    if runs >= RUNS {
        let seen =
            |protocol, outcome| counts.keys().any(|of| (of.protocol, of.outcome.as_str()) == (protocol, outcome));
        let ends = [
            ("asw-r", ["standard", "resolved", "aborted", "expired"].as_slice()),
            ("cd-r", &["standard", "released", "aborted", "expired", "void"]),
        ];
        for (protocol, outcomes) in ends {
            assert!(
                outcomes.iter().all(|outcome| seen(protocol, *outcome)),
                "an outcome of {protocol} never came:\n{table}"
            );
        }
    }
}

/// Runs of a side that breaks a rule, until the checks say so by this property; gives the number of runs.
async fn until_found(rule: Rule, property: &str) -> Option<u64> {
    let mut stage = Stage::new().await;
    for seed in 1..=RUNS {
        let _named = Named(seed);
        if run(&mut stage, seed, rule).await.is_err_and(|violation| violation.property == property) {
            return Some(seed);
        }
    }
    None
}

/// The simulation bites: each rule of the clients that is not kept is found within the runs that every test makes.
#[test]
fn a_rule_that_is_not_kept_is_found() {
    let rules = [Rule::NoOpeningAfterAbort, Rule::Delta, Rule::NoClosingBeforeOpening, Rule::StoreFirst];
    for rule in rules {
        let found = alone(until_found(rule, "strong_fair_"));
        assert!(found.is_some(), "{rule:?} was broken in {RUNS} runs, and nothing was found");
    }
}

/// A seed that is told of a run that failed has that run again.
#[test]
fn a_seed_is_one_run() {
    let twice = [1, 2].map(|_| all(1..41, Rule::All));
    let [first, second] =
        twice.each_ref().map(|reports| reports.iter().map(|(seed, report)| (seed, report.as_ref().ok())));
    assert!(first.eq(second));
}
