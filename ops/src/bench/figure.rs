//! One figure beside its limit, and how figures are shown: a table for people, JSON for the rest.

use std::fmt::Write as _;

use serde::Serialize;

use super::sample::{Rounds, Spread};

/// What a row is measured against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// Value at least so many times the limit.
    TimesLimitAtLeast(f64),
    /// Value at most so many times the limit, and something on top, in the row's unit.
    TimesLimitAtMost(f64, f64),
    /// Value at most so much, and so many times the limit.
    AtMostAnd(f64, f64),
    /// Value at most so much.
    AtMost(f64),
    /// Value at least so much.
    AtLeast(f64),
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) area: &'static str,
    pub(crate) name: String,
    /// Median of the rounds.
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// Median of the limit, in the same unit.
    pub(crate) limit: Option<f64>,
    /// Median of the ratios of each round to the limits around it.
    pub(crate) ratio: Option<f64>,
    /// In words.
    pub(crate) goal: String,
    /// Whether the medians reach the goal; `None` without a goal, or where its limit could not be measured.
    pub(crate) met: Option<bool>,
    /// Least and greatest value of the rounds.
    pub(crate) spread: [f64; 2],
    /// Least and greatest ratio.
    pub(crate) ratio_spread: Option<[f64; 2]>,
    /// What the limit is.
    pub(crate) limit_is: String,
    /// Load, durability, group sizes.
    pub(crate) conditions: String,
    /// Processor, disk, flush cost of the same run.
    pub(crate) machine: String,
}

impl Figure {
    /// A figure that was measured beside a limit.
    pub(crate) fn beside(
        area: &'static str,
        name: impl Into<String>,
        unit: &'static str,
        rounds: &Rounds,
        goal: Goal,
    ) -> Figure {
        let mut figure = Figure::alone(area, name, unit, rounds.value, goal);
        figure.limit = Some(rounds.limit.median);
        figure.ratio = Some(rounds.ratio.median);
        figure.ratio_spread = Some([rounds.ratio.least, rounds.ratio.greatest]);
        figure.met = goal.met(rounds.value.median, figure.limit, figure.ratio);
        figure
    }

    /// A figure without a limit.
    pub(crate) fn alone(
        area: &'static str,
        name: impl Into<String>,
        unit: &'static str,
        value: Spread,
        goal: Goal,
    ) -> Figure {
        Figure {
            area,
            name: name.into(),
            value: value.median,
            unit,
            limit: None,
            ratio: None,
            goal: goal.words(unit),
            met: goal.met(value.median, None, None),
            spread: [value.least, value.greatest],
            ratio_spread: None,
            limit_is: String::new(),
            conditions: String::new(),
            machine: String::new(),
        }
    }

    /// Names the limit.
    pub(crate) fn against(mut self, limit_is: impl Into<String>) -> Figure {
        self.limit_is = limit_is.into();
        self
    }

    /// Names the conditions.
    pub(crate) fn under(mut self, conditions: impl Into<String>) -> Figure {
        self.conditions = conditions.into();
        self
    }
}

impl Goal {
    fn words(self, unit: &str) -> String {
        match self {
            Goal::TimesLimitAtLeast(times) => format!(">= {times} x limit"),
            Goal::TimesLimitAtMost(times, more) => format!("<= {times} x limit + {} {unit}", number(more)),
            Goal::AtMostAnd(most, times) => format!("<= {} {unit} and <= {times} x limit", number(most)),
            Goal::AtMost(most) => format!("<= {} {unit}", number(most)),
            Goal::AtLeast(least) => format!(">= {} {unit}", number(least)),
        }
    }

    fn met(self, value: f64, limit: Option<f64>, ratio: Option<f64>) -> Option<bool> {
        match self {
            Goal::TimesLimitAtLeast(times) => ratio.map(|ratio| ratio >= times),
            Goal::TimesLimitAtMost(times, more) => limit.map(|limit| value <= times * limit + more),
            Goal::AtMostAnd(most, times) => ratio.map(|ratio| value <= most && ratio <= times),
            Goal::AtMost(most) => Some(value <= most),
            Goal::AtLeast(least) => Some(value >= least),
        }
    }
}

/// As a JSON list.
pub(crate) fn json(figures: &[Figure]) -> String {
    // Numbers, strings and lists of them: serialising cannot fail.
    serde_json::to_string_pretty(figures).expect("figures are plain data")
}

/// As a table, each row followed by its conditions.
pub(crate) fn table(figures: &[Figure]) -> String {
    let heads = ["what", "value", "spread", "limit", "ratio", "goal", "met"].map(str::to_owned);
    let mut rows = vec![heads];
    rows.extend(figures.iter().map(cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        let line = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end()); // writing to a string cannot fail
        let Some(figure) = i.checked_sub(1).and_then(|i| figures.get(i)) else { continue };
        if !figure.limit_is.is_empty() {
            let _ = writeln!(text, "    limit: {}", figure.limit_is);
        }
        if !figure.conditions.is_empty() {
            let _ = writeln!(text, "    {}", figure.conditions);
        }
    }
    text
}

fn cells(figure: &Figure) -> [String; 7] {
    let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let met = match figure.met {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "-",
    };
    [
        format!("{}: {}", figure.area, figure.name),
        format!("{} {}", number(figure.value), figure.unit),
        format!("{} .. {}", number(figure.spread[0]), number(figure.spread[1])),
        optional(figure.limit),
        figure.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        figure.goal.clone(),
        met.to_owned(),
    ]
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(median: f64) -> Spread {
        Spread { median, least: median / 2.0, greatest: median * 2.0 }
    }

    fn rounds(value: f64, limit: f64, ratio: f64) -> Rounds {
        Rounds { value: spread(value), limit: spread(limit), ratio: spread(ratio) }
    }

    #[test]
    fn goals() {
        let met = |goal, value, limit, ratio| Figure::beside("a", "n", "µs", &rounds(value, limit, ratio), goal).met;
        assert_eq!(met(Goal::TimesLimitAtLeast(0.35), 36.0, 100.0, 0.36), Some(true));
        assert_eq!(met(Goal::TimesLimitAtLeast(0.35), 34.0, 100.0, 0.34), Some(false));
        assert_eq!(met(Goal::TimesLimitAtMost(3.0, 500.0), 800.0, 100.0, 8.0), Some(true));
        assert_eq!(met(Goal::TimesLimitAtMost(3.0, 500.0), 801.0, 100.0, 8.0), Some(false));
        assert_eq!(met(Goal::AtMostAnd(150.0, 2.0), 149.0, 80.0, 1.9), Some(true));
        assert_eq!(met(Goal::AtMostAnd(150.0, 2.0), 149.0, 70.0, 2.1), Some(false));
        assert_eq!(met(Goal::AtMostAnd(150.0, 2.0), 151.0, 80.0, 1.9), Some(false));
        assert_eq!(met(Goal::AtMost(50.0), 50.0, 1.0, 50.0), Some(true));
        assert_eq!(met(Goal::AtLeast(50.0), 49.0, 1.0, 49.0), Some(false));
        let no_limit = Figure::alone("a", "n", "/s", spread(1.0), Goal::TimesLimitAtLeast(0.5));
        assert_eq!((no_limit.met, no_limit.limit, no_limit.ratio), (None, None, None));
    }

    #[test]
    fn json_has_the_keys_that_readers_know() {
        let figure = Figure::beside("tsa", "tokens", "/s", &rounds(40.0, 100.0, 0.4), Goal::TimesLimitAtLeast(0.35));
        let value: serde_json::Value = serde_json::from_str(&json(&[figure.against("raw").under("synced")])).unwrap();
        let row = &value[0];
        for key in ["area", "name", "value", "unit", "limit", "ratio", "goal", "met"] {
            assert!(!row[key].is_null(), "{key}");
        }
        assert_eq!((row["met"].as_bool(), row["spread"][1].as_f64()), (Some(true), Some(80.0)));
    }

    #[test]
    fn a_missed_goal_is_loud() {
        let text =
            table(&[Figure::alone("tsa", "p99", "ms", spread(51.0), Goal::AtMost(50.0)).under("64 connections")]);
        assert!(text.contains("tsa: p99  51.0 ms"), "{text}");
        assert!(text.contains("NO\n    64 connections\n"), "{text}");
    }
}
