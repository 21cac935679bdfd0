//! Every route, on one screen.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::{dvcs, ledger, ocsp, problem::Problem, service::Service, timestamp, v1, well_known};

/// What handlers share.
pub struct App {
    /// The service.
    pub service: Arc<Service>,
    /// Bounds of a request.
    pub limits: BodyLimits,
}

/// Bounds of a request's body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Longest body.
    pub body_bytes_max: usize,
    /// From its first byte to its last.
    pub body_read_timeout: Duration,
}

/// The plain listener.
pub fn plain(app: Arc<App>) -> Router {
    open_to_all().merge(v1::plain_routes(&app)).with_state(app)
}

/// The HTTPS listener: the same, and what only those may do whom their certificates name.
pub fn secure(app: Arc<App>) -> Router {
    open_to_all().route("/dvcs", post(dvcs::post)).merge(v1::routes(&app)).with_state(app)
}

/// What anybody may ask for, who asks with or without TLS.
fn open_to_all() -> Router<Arc<App>> {
    Router::new()
        .route("/tsa", post(timestamp::ec))
        .route("/tsa/rsa", post(timestamp::rsa))
        .route("/ledger/checkpoint", get(ledger::checkpoint))
        .route("/ledger/vkey", get(ledger::vkey))
        .route("/ledger/tile/{*path}", get(ledger::tile))
        .route("/ledger/proof/inclusion", get(ledger::inclusion))
        .route("/ledger/proof/consistency", get(ledger::consistency))
        .route("/ca/{file}", get(well_known::certificate))
        .route("/ocsp", post(ocsp::post))
        .route("/ocsp/{*request}", get(ocsp::get))
        .route("/crl/{*file}", get(well_known::crl))
        .route("/.well-known/semper", get(well_known::semper))
        .route("/.well-known/semper/cps", get(well_known::practice))
        .route("/.well-known/semper/pds", get(well_known::disclosure))
        .route("/problems/{code}", get(v1::problem_page))
        .fallback(not_found)
}

/// Answers everything below `/ocsp/` with so many octets and does nothing else: what measuring compares with.
pub fn bare(length: usize) -> Router {
    let body = bytes::Bytes::from(vec![0; length]);
    Router::new().route("/ocsp/{*request}", get(async move || body.clone()))
}

/// The label under which a path is counted: one of these few, whatever a client asks for.
pub fn label(path: &str) -> &'static str {
    match path {
        "/tsa" => "/tsa",
        "/tsa/rsa" => "/tsa/rsa",
        "/ledger/checkpoint" => "/ledger/checkpoint",
        "/ledger/vkey" => "/ledger/vkey",
        "/ledger/proof/inclusion" => "/ledger/proof/inclusion",
        "/ledger/proof/consistency" => "/ledger/proof/consistency",
        "/ocsp" => "/ocsp",
        "/dvcs" => "/dvcs",
        "/.well-known/semper" | "/.well-known/semper/cps" | "/.well-known/semper/pds" => "/.well-known/semper",
        "/metrics" => "/metrics",
        "/healthz" => "/healthz",
        "/readyz" => "/readyz",
        "/backup" => "/backup",
        "/v1/me" => "/v1/me",
        _ if path == "/v1" || path.starts_with("/v1/") => "/v1",
        _ if path.starts_with("/problems/") => "/problems",
        _ if path.starts_with("/backup/") => "/backup",
        _ if path.starts_with("/ledger/tile/") => "/ledger/tile",
        _ if path.starts_with("/ocsp/") => "/ocsp",
        _ if path.starts_with("/ca/") => "/ca",
        _ if path.starts_with("/crl/") => "/crl",
        _ => "other",
    }
}

async fn not_found() -> Response {
    Problem::NotFound.into_response()
}
