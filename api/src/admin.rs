//! The operators' listener: metrics, health, copies for backups. Bound to loopback by default; it has no authentication of
//! its own.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;

use crate::{backup, metrics, service::Service};

/// The admin listener's routes.
pub fn routes(service: Arc<Service>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .merge(backup::routes())
        .with_state(service)
}

/// Everything in Prometheus' text format; gauges are read at this moment.
async fn metrics(State(service): State<Arc<Service>>) -> Response {
    service.show_ends();
    service.show_notary();
    service.show_arbiter();
    let newest_ms = service.reader().newest().head().map(|head| head.time_ms);
    // Of a clock that was set back, the age is negative: that is what is to be seen.
    let age = newest_ms.map(|newest_ms| (service.time.now().millis() as f64 - newest_ms as f64) / 1_000.0);
    service.metrics.ledger(service.reader().size(), service.ledger.queue_depth(), age);
    let newest = service.witnesses.as_ref().and_then(|witnesses| witnesses.newest());
    let age = |head_ms: u64| (service.time.now().millis() as f64 - head_ms as f64) / 1_000.0;
    service.metrics.witnessed(newest.map(|newest| (newest.head.size, age(newest.head.time_ms))));
    service.metrics.clock(&*service.time);
    metrics::page(service.metrics.render())
}

/// The process answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 when everything that is offered can be done now, with what will stand in the way if nobody acts; else 503 and the reasons, one a
/// line.
async fn readyz(State(service): State<Arc<Service>>) -> Response {
    let why = service.unready();
    match why.is_empty() {
        true => {
            let told = service.soon_unready().into_iter().map(|what| format!("soon: {what}\n"));
            (StatusCode::OK, format!("ready\n{}", told.collect::<String>())).into_response()
        }
        false => (StatusCode::SERVICE_UNAVAILABLE, why.join("\n") + "\n").into_response(),
    }
}
