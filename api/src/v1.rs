//! `/v1`: what parties and officers may do, whom their certificates name. Served over TLS ([`crate::router::secure`]), but for
//! what is the same for everybody: policies.
//!
//! Without a certificate one may apply for one, read by its random name what became of that, read the terms, and ask for the status
//! of a certificate, which names nobody. Every error is problem details (RFC 9457), also one that the router, an extractor or the
//! body's bounds raise: [`problem::finish`] sees every answer last.

mod accountability;
mod body;
mod certificates;
mod delivery;
mod exchange;
mod keys;
mod mailbox;
mod notary;
mod openapi;
mod parties;
mod payment;
mod policies;
mod principal;
mod problem;
mod registrations;
mod revocations;
mod route;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router, middleware};
use http::request::Parts;
use http::{Extensions, HeaderValue, header};
use semper_ttp::ca::name::{Attribute, DistinguishedName};
use semper_ttp::policy::roles::TrustedRole::{
    self, Auditor, NotaryOfficer, Operator, RegistrationOfficer, RevocationOfficer,
};
use semper_ttp::x509::Certificate;
use serde_json::{Value, json};

use crate::router::App;
use crate::tls::ClientCertificate;
pub use openapi::OPENAPI;
pub use problem::Code;
use problem::Problem;
use route::Row;
pub use route::{Admits, Route};

/// Who is shown an application as those are who decide it.
const STAFF: &[TrustedRole] = &[RegistrationOfficer, Operator, Auditor];

/// Who reads what names people, and what waits.
const READERS: &[TrustedRole] = &[RegistrationOfficer, Auditor];

/// Refuses what is too much of one address.
fn require_quota(app: &App, address: IpAddr) -> Result<(), Problem> {
    let taken = app.service.quota.take(address, Instant::now());
    taken.map_err(|over| Problem::new(Code::ServerBusy, format!("{} requests a minute of one address", over.limit)))
}

/// Every route with what a caller needs for it, on one screen. What is not here is not there.
fn table() -> Vec<Row> {
    use Admits::{Anyone, Certified, Party, PartyOr, Roles};
    vec![
        Row::get("/me", Certified, me),
        Row::get("/openapi.json", Anyone, openapi::document).also_plain(),
        Row::get("/policies", Anyone, policies::in_force).also_plain(),
        Row::get("/policies/{hash}", Anyone, policies::document).also_plain(),
        Row::get("/terms", Anyone, registrations::terms),
        Row::get("/registrations", Roles(READERS), registrations::list),
        Row::post("/registrations", Anyone, registrations::apply),
        Row::get("/registrations/{id}", Anyone, registrations::show),
        Row::get("/registrations/{id}/application", Roles(READERS), registrations::read_application),
        Row::get("/registrations/{id}/identity", Roles(READERS), registrations::read_identity),
        Row::post("/registrations/{id}/identity", Roles(&[RegistrationOfficer]), registrations::record_identity),
        Row::post("/registrations/{id}/approve", Roles(&[RegistrationOfficer, Operator]), registrations::approve),
        Row::post("/registrations/{id}/refuse", Roles(&[RegistrationOfficer]), registrations::refuse),
        Row::post("/registrations/{id}/withdraw", Anyone, registrations::withdraw),
        Row::get("/accountability/proofs", Anyone, accountability::list).also_plain(),
        Row::post("/accountability/proofs", Anyone, accountability::accuse).also_plain(),
        Row::get("/accountability/proofs/{sha256}", Anyone, accountability::file).also_plain(),
        Row::post("/mailboxes/{party}", Party, mailbox::leave),
        Row::get("/mailbox", Party, mailbox::list),
        Row::get("/mailbox/{id}", Party, mailbox::show),
        Row::post("/mailbox/{id}/taken", Party, mailbox::taken),
        Row::get("/exchanges/keys/{key}", Party, exchange::key),
        Row::post("/exchanges", Anyone, exchange::inline::register),
        Row::get("/exchanges/{x}", Party, exchange::show),
        Row::post("/exchanges/{x}/deposits", Party, exchange::inline::deposit),
        Row::post("/exchanges/{x}/statements", Anyone, exchange::inline::state),
        Row::post("/exchanges/{x}/requests", Anyone, exchange::ask),
        Row::post("/exchanges/{x}/status", Party, exchange::status),
        Row::post("/deliveries", Anyone, delivery::submit),
        Row::get("/deliveries/{x}/evidence", Party, delivery::evidence),
        Row::post("/deliveries/{x}/statements", Anyone, delivery::say),
        Row::post("/payments", Anyone, payment::open),
        Row::get("/payments/{x}", Party, payment::show),
        Row::post("/payments/{x}/statements", Anyone, payment::say),
        Row::post("/rails/{rail}/callbacks", Anyone, payment::callback),
        Row::get("/parties", Roles(READERS), parties::list),
        Row::get("/parties/{id}", PartyOr(READERS), parties::show),
        Row::post("/parties/{id}/suspend", Roles(&[RegistrationOfficer, RevocationOfficer]), parties::suspend),
        Row::post("/parties/{id}/reinstate", Roles(&[RegistrationOfficer]), parties::reinstate),
        Row::post("/parties/{id}/terms", Party, parties::accept_terms),
        Row::get(
            "/certificates",
            Roles(&[RegistrationOfficer, RevocationOfficer, Operator, Auditor]),
            certificates::expiring,
        ),
        Row::get("/certificates/{serial}/status", Anyone, certificates::status),
        Row::post("/certificates/{serial}/revoke", Roles(&[RevocationOfficer, Operator]), certificates::revoke),
        Row::post("/revocations", Roles(&[RevocationOfficer]), revocations::order),
        Row::post("/revocations/preview", Roles(&[RevocationOfficer]), revocations::preview),
        Row::get("/revocations/{order}", Roles(&[RevocationOfficer, Auditor]), revocations::show),
        Row::get("/notary/acts", Party, notary::journal::own),
        Row::post("/notary/acts", Party, notary::ask),
        Row::get("/notary/acts/{id}", PartyOr(notary::READERS), notary::show),
        Row::get("/notary/acts/{id}/record", PartyOr(notary::READERS), notary::record),
        Row::get("/notary/acts/{id}/documents/{n}", PartyOr(notary::READERS), notary::kept_document),
        Row::get("/notary/acts/{id}/personal", PartyOr(notary::READERS), notary::personal),
        Row::get("/notary/acts/{id}/dvc", PartyOr(notary::READERS), notary::dvc),
        Row::get("/notary/acts/{id}/report", PartyOr(notary::READERS), notary::report),
        Row::get("/notary/acts/{id}/certificates", PartyOr(notary::READERS), notary::evidence::certificates),
        Row::get("/notary/acts/{id}/request", PartyOr(notary::READERS), notary::evidence::request),
        Row::post("/notary/acts/{id}/signatures", Party, notary::sign),
        Row::get("/notary/acts/{id}/signatures/{n}", PartyOr(notary::READERS), notary::evidence::signature),
        Row::post("/notary/acts/{id}/take", Roles(&[NotaryOfficer]), notary::take),
        Row::post("/notary/acts/{id}/release", Roles(&[NotaryOfficer]), notary::release),
        Row::post("/notary/acts/{id}/approve", Roles(&[NotaryOfficer]), notary::approve),
        Row::post("/notary/acts/{id}/refuse", Roles(&[NotaryOfficer]), notary::refuse),
        Row::post("/notary/acts/{id}/withdraw", Party, notary::withdraw),
        Row::get("/notary/worklist", Roles(notary::READERS), notary::journal::worklist),
        Row::get("/notary/journal", Roles(notary::READERS), notary::journal::journal),
        Row::post("/notary/journal/extracts", Roles(&[NotaryOfficer]), notary::journal::extract),
        Row::get("/keys", Roles(&[Operator, Auditor]), keys::list),
        Row::post("/keys/ceremonies", Roles(&[Operator]), keys::record_ceremony),
        Row::post("/keys/import", Roles(&[Operator]), keys::import),
        Row::post("/keys/{name}/rotate", Roles(&[Operator]), keys::rotate),
        Row::post("/keys/{name}/request", Roles(&[Operator]), keys::request),
    ]
}

/// The table without what answers: for whoever compares it with something.
pub fn all_routes() -> Vec<Route> {
    table().into_iter().map(|row| row.route).collect()
}

/// All of it.
pub(crate) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    below(route::guarded(table().into_iter(), app))
}

/// What of it is there without TLS.
pub(crate) fn plain_routes(app: &Arc<App>) -> Router<Arc<App>> {
    below(route::guarded(table().into_iter().filter(|row| row.route.is_plain), app))
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

impl Caller {
    fn of(request: &Extensions) -> Result<Self, Problem> {
        let certificate = request.get::<ClientCertificate>();
        certificate.map(|ClientCertificate(certificate)| Self(certificate.clone())).ok_or_else(|| {
            Problem::new(Code::AuthRequired, "show the certificate that you were issued, in the TLS handshake")
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.extensions)
    }
}

/// `GET /v1/me`: as whom the service knows its caller, and what its certificate opens now.
async fn me(State(app): State<Arc<App>>, Caller(certificate): Caller) -> Result<Response, Problem> {
    let fault = |fault| Problem::fault(&fault);
    let (party, roles, detail) = match app.service.standing(&certificate).map_err(fault)? {
        Ok(status) => {
            let party = app.service.party_of_certificate(&certificate).map_err(fault)?;
            let roles = app.service.policies().roles().of(&certificate.digest(), status.class);
            (party.map(|party| party.id), roles.map(TrustedRole::name).collect(), None)
        }
        Err(why) => (None, Vec::new(), Some(why.to_string())),
    };
    Ok(Json(json!({
        "certificate": described(&certificate),
        "is_good": detail.is_none(),
        "detail": detail,
        "party": party,
        "roles": roles,
    }))
    .into_response())
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
