//! What the clock shows.

use prometheus::{Gauge, GaugeVec, Opts, Registry};
use semper_ttp::clock::State;

use super::register;
use crate::service::TimeSource;

#[derive(Debug)]
pub(super) struct ClockMetrics {
    offset: Gauge,
    error: Gauge,
    bound: Gauge,
    state: GaugeVec,
    sample_age: Gauge,
}

impl ClockMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauge = |name: &str, help: &str| register(registry, Gauge::with_opts(Opts::new(name, help)));
        Self {
            offset: gauge(
                "semper_clock_offset_seconds",
                "What the time source was correcting the clock by at the newest sample",
            ),
            error: gauge(
                "semper_clock_estimated_error_seconds",
                "Error that the time source estimated in the newest sample",
            ),
            bound: gauge(
                "semper_clock_bound_seconds",
                "Error that the clock has at most now; NaN when no sample carries",
            ),
            state: register(
                registry,
                GaugeVec::new(
                    Opts::new("semper_clock_state", "1 for the state the clock is in, 0 for the others"),
                    &["state"],
                ),
            ),
            sample_age: gauge("semper_clock_sample_age_seconds", "Age of the newest sample"),
        }
    }

    pub(super) fn show(&self, clock: &dyn TimeSource) {
        let health = clock.health();
        let set = |gauge: &Gauge, value: Option<f64>| gauge.set(value.unwrap_or(f64::NAN));
        set(&self.offset, health.observation.map(|observation| observation.offset_nanos as f64 / 1e9));
        set(&self.error, health.observation.map(|observation| observation.estimated_error.as_secs_f64()));
        set(&self.bound, health.bound.map(|bound| bound.as_secs_f64()));
        set(&self.sample_age, health.sample_age.map(|age| age.as_secs_f64()));
        for state in State::ALL {
            self.state.with_label_values(&[state.name()]).set(f64::from(u8::from(state == health.state)));
        }
    }
}
