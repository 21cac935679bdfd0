//! `/v1`: what parties and officers may do, whom their certificates name. Served over TLS alone ([`crate::router::secure`]).
//!
//! Without a certificate one may apply for one, read by its random name what became of that, read the terms, and ask for the status
//! of a certificate, which names nobody. Every error is problem details (RFC 9457), also one that the router, an extractor or the
//! body's bounds raise: [`problem::finish`] sees every answer last.

mod body;
mod certificates;
mod keys;
mod parties;
mod principal;
mod problem;
mod registrations;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router, middleware};
use http::request::Parts;
use http::{HeaderValue, header};
use semper_ttp::ca::name::{Attribute, DistinguishedName};
use semper_ttp::x509::Certificate;
use serde_json::{Value, json};

use crate::router::App;
use crate::tls::ClientCertificate;
pub use problem::Code;
use problem::Problem;

/// All of it.
pub(crate) fn routes() -> Router<Arc<App>> {
    below(
        Router::new()
            .route("/me", get(me))
            .route("/terms", get(registrations::terms))
            .route("/registrations", get(registrations::list).post(registrations::apply))
            .route("/registrations/{id}", get(registrations::show))
            .route("/registrations/{id}/application", get(registrations::read_application))
            .route(
                "/registrations/{id}/identity",
                get(registrations::read_identity).post(registrations::record_identity),
            )
            .route("/registrations/{id}/approve", post(registrations::approve))
            .route("/registrations/{id}/refuse", post(registrations::refuse))
            .route("/registrations/{id}/withdraw", post(registrations::withdraw))
            .route("/parties", get(parties::list))
            .route("/parties/{id}", get(parties::show))
            .route("/parties/{id}/suspend", post(parties::suspend))
            .route("/parties/{id}/reinstate", post(parties::reinstate))
            .route("/parties/{id}/terms", post(parties::accept_terms))
            .route("/certificates/{serial}/status", get(certificates::status))
            .route("/certificates/{serial}/revoke", post(certificates::revoke))
            .route("/keys", get(keys::list))
            .route("/keys/{name}/rotate", post(keys::rotate)),
    )
}

/// Puts routes below `/v1`, with an answer for every other path there. What is nested does not get the bare `/v1/`.
fn below<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    let all = Router::new().nest("/v1", routes.fallback(unknown)).route("/v1/", any(unknown));
    all.layer(middleware::from_fn(problem::finish))
}

/// `GET /problems/<code>`: what an error means, for whoever follows its `type`.
pub(crate) async fn problem_page(Path(code): Path<String>) -> Result<Response, crate::problem::Problem> {
    let page = problem::page(&code).ok_or(crate::problem::Problem::NotFound)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/markdown; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400")),
    ];
    Ok((headers, page).into_response())
}

/// The client's certificate; whoever has shown none gets 401.
pub(crate) struct Caller(pub(crate) Arc<Certificate>);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let certificate = parts.extensions.get::<ClientCertificate>();
        certificate.map(|ClientCertificate(certificate)| Self(certificate.clone())).ok_or_else(|| {
            Problem::new(Code::AuthRequired, "show the certificate that you were issued, in the TLS handshake")
        })
    }
}

/// `GET /v1/me`: as whom the service knows its caller.
async fn me(Caller(certificate): Caller) -> Response {
    Json(json!({ "certificate": described(&certificate) })).into_response()
}

/// Serial number and digest in hexadecimal, the subject by its attributes' names.
fn described(certificate: &Certificate) -> Value {
    let attributes = Attribute::ALL.into_iter();
    let subject: BTreeMap<_, _> =
        attributes.filter_map(|attribute| Some((attribute, certificate.subject_attribute(attribute.oid())?))).collect();
    json!({
        "serial": hex::encode(certificate.serial()),
        "sha256": certificate.digest().to_string(),
        "subject": DistinguishedName(subject),
        "not_after": certificate.validity().not_after.to_string(),
    })
}

async fn unknown() -> Problem {
    Problem::new(Code::HttpNotFound, "there is no such resource")
}

#[cfg(test)]
mod tests;
