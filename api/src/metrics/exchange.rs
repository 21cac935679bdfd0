//! What an arbiter counts. Labels are protocols, outcomes, codes and rails, of which there are few; never runs, parties or items.

use prometheus::{Gauge, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use semper_ttp::payment::rail::{RailAnswer, RailId, RailOp};
use semper_ttp::statement::exchange::{Outcome, Protocol};

use super::register;

/// How runs of each protocol end.
const ENDS: [(Protocol, &[Outcome]); 5] = [
    (Protocol::AswR, &[Outcome::Aborted, Outcome::Resolved, Outcome::Expired]),
    (Protocol::CdR, &[Outcome::Aborted, Outcome::Released, Outcome::Void, Outcome::Expired]),
    (Protocol::Inline, &[Outcome::Released, Outcome::Returned]),
    (Protocol::Pg, &[Outcome::Captured, Outcome::Released, Outcome::Void, Outcome::Expired]),
    (Protocol::Pr, &[Outcome::Captured, Outcome::Released, Outcome::Void, Outcome::Expired]),
];

/// Why nothing is decided, for no fault of who asks.
const FAILED: [&str; 3] = ["server.busy", "server.fault", "server.unavailable"];

/// What rails answer.
const ANSWERS: [&str; 4] = ["done", "declined", "ended", "unknown"];

/// Runs that were decided, what was refused, and what waits.
#[derive(Debug)]
pub(crate) struct ExchangeMetrics {
    decisions: IntCounterVec,
    refused: IntCounterVec,
    open: Gauge,
    waiting: IntGauge,
    overdue: Gauge,
    mailbox: IntGaugeVec,
    rail_calls: IntCounterVec,
    payments: IntGaugeVec,
}

impl ExchangeMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let gauge = |name: &str, help: &str| register(registry, Gauge::with_opts(Opts::new(name, help)));
        let shown = Self {
            decisions: counters(
                "semper_exchange_decisions_total",
                "Runs that the arbiter has decided, by protocol and outcome",
                &["protocol", "outcome"],
            ),
            refused: counters("semper_exchange_refused_total", "What the arbiter did not take, by code", &["reason"]),
            open: gauge("semper_exchange_open", "Whether the arbiter takes requests; NaN where there is none"),
            waiting: register(
                registry,
                IntGauge::with_opts(Opts::new(
                    "semper_exchange_waiting",
                    "Exchanges through the arbiter, registered deliveries and promised answers of which something is left to do",
                )),
            ),
            overdue: gauge(
                "semper_exchange_overdue_seconds",
                "For how long the exchange or delivery has been due that is due the longest; 0 without",
            ),
            mailbox: register(
                registry,
                IntGaugeVec::new(
                    Opts::new("semper_mailbox_bytes", "Room for messages of exchanges, taken and free"),
                    &["state"],
                ),
            ),
            rail_calls: counters(
                "semper_rail_calls_total",
                "What rails were asked, by rail, operation and answer",
                &["rail", "op", "answer"],
            ),
            payments: register(
                registry,
                IntGaugeVec::new(
                    Opts::new("semper_payments", "Payments that wait for something, and those that people must settle"),
                    &["state"],
                ),
            ),
        };
        // From zero on: the first of a kind is a rise that an alert sees.
        for (protocol, outcomes) in ENDS {
            for outcome in outcomes {
                shown.decisions.with_label_values(&[protocol.name(), outcome.name()]).inc_by(0);
            }
        }
        FAILED.iter().for_each(|reason| shown.refused.with_label_values(&[*reason]).inc_by(0));
        shown.open(None);
        shown.mailbox(0, 0);
        shown.payments(0, 0);
        shown
    }

    /// A run was decided, and that is durable.
    pub(crate) fn decided(&self, protocol: Protocol, outcome: Outcome) {
        self.decisions.with_label_values(&[protocol.name(), outcome.name()]).inc();
    }

    /// Something was not taken.
    pub(crate) fn refused(&self, code: &str) {
        self.refused.with_label_values(&[code]).inc();
    }

    /// Whether requests are taken; `None` where there is no arbiter.
    pub(crate) fn open(&self, is_open: Option<bool>) {
        self.open.set(is_open.map_or(f64::NAN, |is_open| f64::from(u8::from(is_open))));
    }

    /// How many exchanges wait, and for how long the first of them has been due.
    pub(crate) fn waiting(&self, count: usize, overdue_ms: u64) {
        self.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.overdue.set(overdue_ms as f64 / 1_000.0);
    }

    /// A rail that may be asked: from zero on.
    pub(crate) fn rail(&self, rail: &RailId) {
        for op in RailOp::ALL {
            ANSWERS.iter().for_each(|answer| {
                self.rail_calls.with_label_values(&[rail.as_str(), op.name(), answer]).inc_by(0);
            });
        }
    }

    /// A rail was asked.
    pub(crate) fn asked(&self, rail: &RailId, op: RailOp, answer: &RailAnswer) {
        let [done, declined, ended, unknown] = ANSWERS;
        let answer = match answer {
            RailAnswer::Done(_) => done,
            RailAnswer::Declined(_) => declined,
            RailAnswer::Ended(_) => ended,
            RailAnswer::Unknown => unknown,
        };
        self.rail_calls.with_label_values(&[rail.as_str(), op.name(), answer]).inc();
    }

    /// How many payments wait for a moment or a rail, and how many for people, since their rail has declined for good what was decided.
    pub(crate) fn payments(&self, waiting: usize, unsettled: usize) {
        for (state, count) in [("waiting", waiting), ("unsettled", unsettled)] {
            self.payments.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The room for messages.
    pub(crate) fn mailbox(&self, taken: u64, free: u64) {
        for (state, bytes) in [("taken", taken), ("free", free)] {
            self.mailbox.with_label_values(&[state]).set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn what_happens_is_counted_and_what_did_not_is_zero() {
        let metrics = Metrics::new("log.example/test");
        let exchange = metrics.exchange();
        exchange.decided(Protocol::Inline, Outcome::Returned);
        exchange.refused("exchange.key");
        exchange.waiting(3, 1_500);
        exchange.mailbox(7, 93);
        let rail = RailId::new("bank").unwrap();
        exchange.rail(&rail);
        exchange.asked(&rail, RailOp::Hold, &RailAnswer::Unknown);
        exchange.payments(2, 1);
        let text = metrics.render();
        for line in [
            "semper_exchange_decisions_total{outcome=\"RETURNED\",protocol=\"inline\"} 1",
            "semper_exchange_decisions_total{outcome=\"RESOLVED\",protocol=\"asw-r\"} 0",
            "semper_exchange_refused_total{reason=\"exchange.key\"} 1",
            "semper_exchange_refused_total{reason=\"server.fault\"} 0",
            "semper_exchange_open NaN",
            "semper_exchange_waiting 3",
            "semper_exchange_overdue_seconds 1.5",
            "semper_mailbox_bytes{state=\"free\"} 93",
            "semper_rail_calls_total{answer=\"unknown\",op=\"hold\",rail=\"bank\"} 1",
            "semper_rail_calls_total{answer=\"done\",op=\"refund\",rail=\"bank\"} 0",
            "semper_payments{state=\"unsettled\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        exchange.open(Some(true));
        assert!(metrics.render().contains("\nsemper_exchange_open 1\n"));
    }
}
