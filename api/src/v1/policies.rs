//! Policies: which are in force, and each that ever was, by its SHA-256. Open to everybody.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, header};
use semper_ttp::digest::Digest;
use serde_json::json;

use super::{Code, body, certificates, problem::Problem};
use crate::{router::App, well_known::names_etag};

/// What is named by its digest never changes (RFC 8246).
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// `GET /v1/policies`: what is in force, since when, and the entry that says so.
pub(super) async fn in_force(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let service = app.service.clone();
    let found = body::blocking(move || service.policies_in_force()).await?.map_err(|fault| Problem::fault(&fault))?;
    let policies = found.into_iter().map(|policy| {
        Ok(json!({
            "name": policy.name.to_string(),
            "sha256": policy.digest.to_string(),
            "document": format!("/v1/policies/{}", policy.digest),
            "since": policy.since.to_string(),
            "entry": certificates::entry(&app, policy.index)?,
        }))
    });
    let policies: Vec<_> = policies.collect::<Result<_, Problem>>()?;
    Ok(Json(json!({ "policies": policies })).into_response())
}

/// `GET /v1/policies/{hash}`: a document, to the octet.
pub(super) async fn document(
    State(app): State<Arc<App>>,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let none = || Problem::new(Code::HttpNotFound, "no policy with this SHA-256 is or was in force here");
    // One spelling, so that caches keep it once.
    let digest = hash.parse::<Digest>().ok().filter(|digest| digest.to_string() == hash).ok_or_else(none)?;
    let found = app.service.policy_document(&digest).map_err(|fault| Problem::fault(&fault))?.ok_or_else(none)?;
    let etag = HeaderValue::try_from(format!("\"{digest}\"")).expect("hexadecimal digits");
    let cached = headers.get(header::IF_NONE_MATCH).is_some_and(|tags| names_etag(tags, &format!("\"{digest}\"")));
    let status = if cached { http::StatusCode::NOT_MODIFIED } else { http::StatusCode::OK };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(found.name.media_type())),
        (header::CACHE_CONTROL, FOR_EVER),
        (header::ETAG, etag),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((status, headers, if cached { Vec::new() } else { found.bytes }).into_response())
}
