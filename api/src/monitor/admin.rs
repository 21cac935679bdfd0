//! The admin listener of a monitor: metrics and health.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;

use crate::metrics::{self, MonitorMetrics};

/// What stands in the way of a monitor, one sentence each. It is ready when its newest round ended well and the log shows what it
/// signed.
#[derive(Debug)]
pub struct Health(Mutex<Vec<String>>);

impl Default for Health {
    fn default() -> Self {
        Self(Mutex::new(vec!["no round has ended yet".to_owned()]))
    }
}

impl Health {
    /// After a round: what is in the way now; nothing if all is well.
    pub fn set(&self, why: Vec<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn unready(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone)]
struct Shown {
    metrics: Arc<MonitorMetrics>,
    health: Arc<Health>,
}

/// The listener's routes.
pub fn admin_routes(metrics: Arc<MonitorMetrics>, health: Arc<Health>) -> Router {
    Router::new()
        .route("/metrics", get(render))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .fallback(async || (StatusCode::NOT_FOUND, "no such page\n"))
        .with_state(Shown { metrics, health })
}

async fn render(State(shown): State<Shown>) -> Response {
    metrics::page(shown.metrics.render())
}

async fn readyz(State(shown): State<Shown>) -> Response {
    let why = shown.health.unready();
    match why.is_empty() {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, why.join("\n") + "\n").into_response(),
    }
}

/// The label under which a path is counted.
#[must_use]
pub fn label(path: &str) -> &'static str {
    match path {
        "/metrics" => "/metrics",
        "/healthz" => "/healthz",
        "/readyz" => "/readyz",
        _ => "other",
    }
}
